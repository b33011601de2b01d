//! Strings in files. They are loaded by [`super::super::load`] itself, from where they lie into their entries.

use super::super::format::kind;
use super::super::version::Since;
use super::super::write::Writer;
use super::Form;
use crate::db::{EntryView, StringRef};

/// How strings are saved.
pub const FORMS: &[Form] = &[Form { kind: kind::STRING, since: Since::both(1), holds: |_| true, save }];

fn save(entry: EntryView<'_>, out: &mut Writer<'_>) {
    match entry.string() {
        Some(StringRef::Int(value)) => out.int(value),
        Some(StringRef::Bytes(bytes)) => out.string(bytes),
        Some(StringRef::Shared(shared)) => out.string(shared.bytes()),
        None => {}
    }
}
