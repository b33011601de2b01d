//! Hashes that share the names of their fields, as Redis 8.10 writes them. They are loaded as hashes like all others.
//!
//! A file tells each template once, before the keys that refer to it; what DUMP gives has its names in itself.
//! ```text
//! opcode         number, count, as many names
//! listpack       count, as many names, a listpack of values          by reference: a listpack of the number and values
//! array          count, as many names with values                    by reference: the number, and values
//! ```

use super::super::read::{Cursor, Fault, Reading};
use super::{Begun, Build, Context, FieldNames, Value, hash, listpack};
use crate::types::Hash;
use crate::types::hash::FieldExpiry;
use crate::types::listpack::{Element, IntText, Listpack};

/// Reads a template that a file tells.
pub fn read(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
    let (number, names) = (cursor.length()?, names(cursor)?);
    match cx.templates.insert(number, names) {
        None => Ok(()),
        Some(_) => Err(Fault::Bad("Duplicate hash template ID")),
    }
}

fn find(number: u64, cx: &Context) -> Reading<FieldNames> {
    cx.templates.get(&number).cloned().ok_or(Fault::Bad("a hash refers to a template that is not there"))
}

/// A count, and as many names; no more room is made than for those that are there.
fn names(cursor: &mut Cursor<'_>) -> Reading<FieldNames> {
    let count = cursor.count()?;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(cursor.vec()?.into_boxed_slice());
    }
    Ok(names.into())
}

/// Names, and a listpack of values.
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
fn hash_of(names: &[Box<[u8]>], pack: &Listpack, others: usize, cx: &mut Context) -> Reading<Begun> {
    if pack.len() != names.len() + others {
        return Err(BAD_PACK);
    }
    let (mut hash, mut room) = (Hash::default(), IntText::new());
    for (name, value) in names.iter().zip(pack.iter().skip(others)) {
        if !hash.set_with(name, value.text(&mut room), FieldExpiry::Clear, cx.rules.hash) {
            return Err(Fault::Bad("Duplicate hash fields detected"));
        }
    }
    Begun::whole(hash)
}

/// Names with values: nothing else than fields with values.
pub fn array(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    hash::pairs(cursor, cx)
}

/// The number of a template, and values.
pub fn array_by_reference(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    let names = find(cursor.length()?, cx)?;
    Begun::parts(Values { names, read: 0, hash: Hash::default() })
}

struct Values {
    names: FieldNames,
    read: usize,
    hash: Hash,
}

impl Build for Values {
    fn is_complete(&self) -> bool {
        self.read == self.names.len()
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        let (value, mut room) = (cursor.text()?, IntText::new());
        if let Some(name) = self.names.get(self.read) {
            let is_new = self.hash.set_with(name, value.bytes(&mut room), FieldExpiry::Clear, cx.rules.hash);
            if !is_new {
                return Err(Fault::Bad("Duplicate hash fields detected"));
            }
        }
        self.read += 1;
        Ok(())
    }

    fn finish(self: Box<Self>, _: &mut Context) -> Reading<Option<Value>> {
        Ok(Value::from(self.hash).unless_empty())
    }
}
