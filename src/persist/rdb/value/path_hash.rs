//! Path hashes in files, as Valkey 9.2 has them.
//!
//! ```text
//! number of paths | for each: path, number of fields, that many fields with values
//! ```
//! There may be no paths, but no path is without fields. The number of the type is Valkey's in files that Valkey can read,
//! and one of our own beside values that it does not have.

use super::super::format::kind;
use super::super::read::{Cursor, Fault, Reading};
use super::super::version::Since;
use super::super::write::Writer;
use super::{Begun, Build, Context, DOUBLED_FIELDS, Form, Value, save_element};
use crate::db::EntryView;
use crate::types::listpack::IntText;
use crate::types::{Collection, PathHash};

/// How path hashes are saved.
pub const FORMS: &[Form] = &[
    Form { kind: kind::VALKEY_PATH_HASH, since: Since::valkey(81), holds: |_| true, save },
    Form { kind: kind::PATH_HASH, since: Since::OWN, holds: |_| true, save },
];

fn save(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(paths) = entry.collection::<PathHash>() else { return };
    out.length(paths.len() as u64);
    for (path, hash) in paths.iter() {
        out.string(path);
        out.length(hash.len() as u64);
        for pair in hash.pairs() {
            save_element(pair.field, out);
            save_element(pair.value, out);
        }
    }
}

/// A count, and as many paths with their fields.
pub fn paths(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    Begun::parts(Parts { paths_left: cursor.count()?, path: None, paths: PathHash::default() })
}

/// A path hash that is being loaded.
struct Parts {
    paths_left: usize,
    /// The path whose fields are read, and how many of them are left.
    path: Option<(Vec<u8>, usize)>,
    paths: PathHash,
}

impl Build for Parts {
    fn is_complete(&self) -> bool {
        self.paths_left == 0 && self.path.is_none()
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        let Some((path, left)) = &mut self.path else {
            let (path, fields) = (cursor.vec()?, cursor.count()?);
            if fields == 0 {
                return Err(Fault::Bad("Path hash with a path that has no fields"));
            }
            if self.paths.get(&path).is_some() {
                return Err(Fault::Bad("Duplicate path of a path hash detected"));
            }
            self.paths_left -= 1;
            self.path = Some((path, fields));
            return Ok(());
        };
        let (field, value) = (cursor.text()?, cursor.text()?);
        let (mut field_room, mut value_room) = (IntText::new(), IntText::new());
        let (field, value) = (field.bytes(&mut field_room), value.bytes(&mut value_room));
        let before = self.paths.get(path).map_or(0, Collection::len);
        self.paths.set(path, std::iter::once((field, value)), cx.rules.hash);
        if self.paths.get(path).map_or(0, Collection::len) == before {
            return Err(Fault::Bad(DOUBLED_FIELDS));
        }
        *left -= 1;
        if *left == 0 {
            self.path = None;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, _: &mut Context) -> Reading<Option<Value>> {
        Ok(Some(Value::PathHash(self.paths)))
    }
}
