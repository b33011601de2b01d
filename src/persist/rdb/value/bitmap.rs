//! Bitmaps in files, as Redis 8.12 has them: the length in bytes, and a string that holds the bits in the portable form
//! of Roaring bitmaps (see `types::bitmap`).
//!
//! What is for an older server is saved as the string that it had there.

use super::super::format::kind;
use super::super::read::{Cursor, Fault, Reading};
use super::super::version::Since;
use super::super::write::Writer;
use super::{Begun, Context, Form, Value};
use crate::db::EntryView;
use crate::types::Bitmap;
use crate::types::listpack::IntText;

/// The longest string that a server takes unless it is told otherwise, in bytes.
const STRING_BYTES_MAX: u64 = 512 << 20;

/// How bitmaps are saved.
pub const FORMS: &[Form] = &[Form { kind: kind::BITMAP, since: Since::redis(16), holds: |_| true, save }];

/// How they are saved for servers that do not have them.
pub const AS_STRING: Form =
    Form { kind: kind::STRING, since: Since::both(1), holds: fits_string, save: save_as_string };

fn save(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(bitmap) = entry.collection::<Bitmap>() else { return };
    out.length(bitmap.byte_len());
    out.bytes_string(&bitmap.to_portable());
}

fn fits_string(entry: EntryView<'_>) -> bool {
    entry.collection().is_some_and(|bitmap: &Bitmap| bitmap.byte_len() <= STRING_BYTES_MAX)
}

fn save_as_string(entry: EntryView<'_>, out: &mut Writer<'_>) {
    if let Some(bitmap) = entry.collection::<Bitmap>() {
        out.string(&bitmap.to_bytes());
    }
}

/// A length, and bits. Without either it is a value nevertheless.
pub fn portable(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    let (len, bits) = (cursor.length()?, cursor.text()?);
    let bitmap = Bitmap::from_portable(len, bits.bytes(&mut IntText::new()));
    let bitmap = bitmap.ok_or(Fault::Bad("Invalid bitmap RDB payload"))?;
    Ok(Begun::Whole(Some(Value::Bitmap(bitmap))))
}
