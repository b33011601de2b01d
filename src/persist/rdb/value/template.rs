//! Hashes that share the names of their fields, as Redis 8.10 writes them. Here they are saved like all others, for every
//! server to read: they share names again where directives or a client say so.
//!
//! A file tells each template once, before the keys that refer to it; what DUMP gives has its names in itself.
//! ```text
//! opcode         number, count, as many names
//! listpack       count, as many names, a listpack of values          by reference: a listpack of the number and values
//! array          count, as many names with values                    by reference: the number, and values
//! ```

use std::sync::Arc;

use super::super::read::{Cursor, Fault, Reading};
use super::{Begun, Build, Context, DOUBLED_FIELDS, Value, hash, listpack};
use crate::types::Hash;
use crate::types::hash::FieldSet;
use crate::types::listpack::{Element, IntText, Listpack};

/// Reads a template that a file tells.
pub fn read(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
    let (number, names) = (cursor.length()?, names(cursor)?);
    match cx.templates.insert(number, Arc::new(names)) {
        None => Ok(()),
        Some(_) => Err(Fault::Bad("Duplicate hash template ID")),
    }
}

fn find(number: u64, cx: &Context) -> Reading<Arc<FieldSet>> {
    cx.templates.get(&number).cloned().ok_or(Fault::Bad("a hash refers to a template that is not there"))
}

/// A count, and as many names; no more room is made than for those that are there.
fn names(cursor: &mut Cursor<'_>) -> Reading<FieldSet> {
    let count = cursor.count()?;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(cursor.vec()?);
    }
    FieldSet::new(&names).ok_or(Fault::Bad(DOUBLED_FIELDS))
}

/// Names, and a listpack of values. What Redis dumps begins with the number that it had for the names, which means
/// nothing elsewhere.
pub fn packed(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    let names = names(cursor)?;
    let pack = values(cursor)?;
    hash_of(&names, &pack, pack.len().saturating_sub(names.len()).min(1), cx)
}

/// A listpack of the number of a template, and values.
pub fn packed_by_reference(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    let pack = values(cursor)?;
    let number = pack.iter().next().and_then(Element::int).and_then(|number| u64::try_from(number).ok());
    let names = find(number.ok_or(BAD_PACK)?, cx)?;
    hash_of(&names, &pack, 1, cx)
}

const BAD_PACK: Fault = Fault::Bad("Hash template listpack integrity check failed.");

fn values(cursor: &mut Cursor<'_>) -> Reading<Listpack> {
    listpack(cursor.vec()?, "Hash template listpack integrity check failed.")
}

/// A hash of names, and of the values in a pack behind some other elements.
fn hash_of(names: &FieldSet, pack: &Listpack, others: usize, cx: &Context) -> Reading<Begun> {
    if pack.len() != names.len() + others {
        return Err(BAD_PACK);
    }
    let values: Vec<Vec<u8>> = pack.iter().skip(others).map(Element::to_vec).collect();
    Begun::whole(Hash::of_field_set(names, |place| &values[place], cx.rules.hash))
}

/// Names with values: nothing else than fields with values.
pub fn array(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    hash::shared_pairs(cursor, cx)
}

/// The number of a template, and values.
pub fn array_by_reference(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    let names = find(cursor.length()?, cx)?;
    Begun::parts(Values { names, values: Vec::new() })
}

struct Values {
    names: Arc<FieldSet>,
    values: Vec<Vec<u8>>,
}

impl Build for Values {
    fn is_complete(&self) -> bool {
        self.values.len() == self.names.len()
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<()> {
        let text = cursor.text()?;
        self.values.push(text.bytes(&mut IntText::new()).to_vec());
        Ok(())
    }

    fn finish(self: Box<Self>, cx: &mut Context) -> Reading<Option<Value>> {
        let hash = Hash::of_field_set(&self.names, |place| &self.values[place], cx.rules.hash);
        Ok(Value::from(hash).unless_empty())
    }
}
