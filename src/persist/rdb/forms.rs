//! What is saved: the forms of each type of values, and the lowest version that holds some data.

use super::format::kind;
use super::value::{Form, array, bitmap, bundled, hash, list, path_hash, set, sorted_set, stream, string};
use super::version::{Since, Version};
use crate::db::EntryView;
use crate::types::ValueType;
use crate::types::uncommon::Uncommon;

/// The forms of a type, those that are preferred first. Of each type one holds everything, in our own version at
/// least.
pub fn forms(of: ValueType) -> &'static [Form] {
    match of {
        ValueType::String => string::FORMS,
        ValueType::List => list::FORMS,
        ValueType::Set => set::FORMS,
        ValueType::SortedSet => sorted_set::FORMS,
        ValueType::Hash => hash::FORMS,
        ValueType::Stream => stream::FORMS,
        ValueType::Array => array::FORMS,
        ValueType::PathHash => path_hash::FORMS,
        ValueType::Bitmap => bitmap::FORMS,
        ValueType::Bundled(_) => bundled::FORMS,
    }
}

/// A form in which values of a type are saved where the version has none of its own for them: what is loaded from it
/// holds as much, but is of another type.
fn stand_in(of: ValueType) -> Option<&'static Form> {
    (of == ValueType::Bitmap).then_some(&bitmap::AS_STRING)
}

/// The form in which a value is saved in a version; `None` if that has none which holds it.
pub fn form(entry: EntryView<'_>, version: Version) -> Option<&'static Form> {
    let value_type = entry.value_type();
    let mut forms = forms(value_type).iter().chain(stand_in(value_type));
    forms.find(|form| form.since.allows(version) && (form.holds)(entry))
}

/// Since which versions a value can be saved as what it is.
pub fn since(entry: EntryView<'_>) -> Since {
    let forms = forms(entry.value_type()).iter().filter(|form| (form.holds)(entry));
    forms.map(|form| form.since).fold(Since::OWN, Since::or)
}

/// Since which versions something uncommon can be saved as what it is.
pub fn since_made(what: Uncommon) -> Since {
    let (value_type, first) = match what {
        Uncommon::Producers => (ValueType::Stream, kind::STREAM_4),
        Uncommon::HandedBack => (ValueType::Stream, kind::STREAM_5),
        Uncommon::MemberExpiry => (ValueType::Set, kind::SET_MEMBER_EXPIRY),
        Uncommon::Array => (ValueType::Array, kind::ARRAY),
        Uncommon::PathHash => (ValueType::PathHash, kind::VALKEY_PATH_HASH),
        Uncommon::Bitmap => (ValueType::Bitmap, kind::BITMAP),
        Uncommon::Bundled => (ValueType::Bundled(""), kind::MODULE_2),
    };
    let forms = forms(value_type).iter().skip_while(|form| form.kind != first);
    forms.map(|form| form.since).fold(Since::OWN, Since::or)
}
