//! JSON documents in files: one string, the text. Version 3 is written; before it came a tree of pieces. As commands they
//! are RESTORE, since JSON.SET takes no text as deep as a document may be.

use super::super::read::{Fault, Reading};
use super::pieces::{Load, PieceWriter, Pieces, Type};
use crate::types::bundled::{Bundled, Value};
use crate::types::json::read::read_stored;
use crate::types::json::{Document, TYPE_NAME, write};
use crate::types::listpack::IntText;

/// The type.
pub const TYPE: Type =
    Type { name: TYPE_NAME, versions: 3..=4, load: Load::Whole(load), save, version: 3, rewrite: None };

fn load(_: u64, pieces: &mut Pieces<'_, '_>) -> Reading<Bundled> {
    let text = pieces.string()?;
    let root = read_stored(text.bytes(&mut IntText::new())).map_err(|_| Fault::Bad("A JSON document that is none"))?;
    Ok(Bundled::new(Document(root)))
}

fn text(value: &dyn Value) -> Vec<u8> {
    value.downcast::<Document>().map_or(Vec::new(), |document| write::text(&document.0))
}

fn save(value: &dyn Value, out: &mut PieceWriter<'_, '_>) {
    out.string(&text(value));
}
