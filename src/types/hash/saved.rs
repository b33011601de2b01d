//! Hashes as RDB files contain them.

use std::collections::HashSet;

use super::form::{Form, FormRef};
use super::timed::{self, Triples};
use super::{FieldExpiry, Hash, HashLimits, PARTS, Pairs};
use crate::types::Collection;
use crate::types::listpack::{Element, IntText, ThinListpack};

/// Times have that many bits.
const TIME_BITS: u32 = 48;

/// The form of a hash, with its bytes where it is a small one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashBytes<'a> {
    /// A listpack of fields and values.
    Pack(&'a [u8]),
    /// A listpack of fields, values and times.
    Timed(&'a [u8]),
    /// A table.
    Table,
}

impl Hash {
    /// How it is kept.
    pub fn bytes(&self) -> HashBytes<'_> {
        match self.0.view() {
            FormRef::Pack(pack) => HashBytes::Pack(pack.bytes()),
            FormRef::Timed(pack) => HashBytes::Timed(pack.bytes()),
            FormRef::Big(_) => HashBytes::Table,
        }
    }

    /// A hash from the bytes of a listpack of fields and values, in a form that the limits allow; `None` unless they
    /// are sound, come in pairs and, with `distinct`, no field is there twice. (Without, that was made sure of before.)
    pub fn from_listpack(bytes: Vec<u8>, distinct: bool, limits: HashLimits) -> Option<Self> {
        let pack = ThinListpack::checked(bytes)?;
        let len = pack.len();
        if !len.is_multiple_of(PARTS) || distinct && !has_distinct(&pack, PARTS) {
            return None;
        }
        // Only its length counts: what is packed already stays so, as in Redis, however long the texts are.
        if len / PARTS <= limits.entries {
            return Some(Self(Form::pack(pack)));
        }
        let mut hash = Self::default();
        let big = hash.make_table();
        for pair in Pairs::Pack(pack.iter()) {
            let (mut field, mut value) = (IntText::new(), IntText::new());
            big.set(pair.field.text(&mut field), pair.value.text(&mut value), FieldExpiry::Clear);
        }
        (hash.len() == len / PARTS).then_some(hash)
    }

    /// A hash from the bytes of a listpack of fields, values and times, in a form that the limits allow; `None` unless
    /// they are sound, come in threes and no field is there twice.
    pub fn from_timed_listpack(bytes: Vec<u8>, limits: HashLimits) -> Option<Self> {
        let pack = ThinListpack::checked(bytes)?;
        let mut times = pack.iter().skip(2).step_by(timed::PARTS);
        let sound = times.all(|time| time.int().is_some_and(|at| (0..1 << TIME_BITS).contains(&at)));
        if !pack.len().is_multiple_of(timed::PARTS) || !sound || !has_distinct(&pack, timed::PARTS) {
            return None;
        }
        let mut hash = Self::default();
        hash.give_times();
        for pair in Triples::of(&pack) {
            let expiry = pair.expiry.map_or(FieldExpiry::Clear, FieldExpiry::At);
            let (mut field, mut value) = (IntText::new(), IntText::new());
            hash.set_with(pair.field.text(&mut field), pair.value.text(&mut value), expiry, limits);
        }
        Some(hash)
    }
}

/// Whether the first of each `parts` elements are all different. (Others may keep the text of an integer as it is.)
fn has_distinct(pack: &ThinListpack, parts: usize) -> bool {
    let mut seen = HashSet::new();
    pack.iter().step_by(parts).all(|field| match field {
        Element::Int(_) => seen.insert(field),
        Element::Bytes(text) => seen.insert(Element::of(text)),
    })
}
