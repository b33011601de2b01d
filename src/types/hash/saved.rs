//! Hashes as RDB files contain them.

use std::collections::HashSet;

use super::form::{Form, FormRef};
use super::timed::{self, Triples};
use super::{FieldExpiry, Hash, HashLimits, PARTS, Pair, Pairs};
use crate::types::Collection;
use crate::types::listpack::{Element, IntText, ThinListpack};

/// Times have that many bits.
const TIME_BITS: u32 = 48;
/// Bits that tell fields apart: those of 12 bits of a number.
const MARKS: usize = 1 << 12;

/// The form of a hash, with its bytes where it is a small one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashBytes<'a> {
    /// A listpack of fields and values.
    Pack(&'a [u8]),
    /// A listpack of fields, values and times.
    Timed(&'a [u8]),
    /// A table.
    Table,
    /// A listpack of values, whose names are shared: field by field.
    Shared,
}

impl Hash {
    /// How it is kept.
    pub fn bytes(&self) -> HashBytes<'_> {
        match self.0.view() {
            FormRef::Pack(pack) => HashBytes::Pack(pack.bytes()),
            FormRef::Timed(pack) => HashBytes::Timed(pack.bytes()),
            FormRef::Big(_) => HashBytes::Table,
            FormRef::Shared(_) => HashBytes::Shared,
        }
    }

    /// A hash from the bytes of a listpack of fields and values, in a form that the limits allow; `None` unless they
    /// are sound and come in pairs. If a field is there twice `on_doubled` is asked whether its first value is to count;
    /// else that is `None`, too.
    pub fn from_listpack(bytes: Vec<u8>, limits: HashLimits, on_doubled: &mut dyn FnMut() -> bool) -> Option<Self> {
        let pack = ThinListpack::checked(bytes)?;
        let len = pack.len();
        if !len.is_multiple_of(PARTS) {
            return None;
        }
        if !has_distinct(&pack, PARTS) {
            return on_doubled().then(|| Self::of_first(Pairs::Pack(pack.iter()), limits));
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

    /// A hash of the first of each fields with its value.
    fn of_first<'a>(pairs: impl Iterator<Item = Pair<'a>>, limits: HashLimits) -> Self {
        let mut hash = Self::default();
        for pair in pairs {
            let (mut field, mut value) = (IntText::new(), IntText::new());
            let (field, value) = (pair.field.text(&mut field), pair.value.text(&mut value));
            if hash.get(field, i64::MIN).is_none() {
                hash.set_with(field, value, pair.expiry.map_or(FieldExpiry::Clear, FieldExpiry::At), limits);
            }
        }
        hash
    }

    /// A hash from the bytes of a listpack of fields, values and times, in a form that the limits allow; `None` unless
    /// they are sound and come in threes, if that is asked for in the order of their times. If a field is there twice
    /// `on_doubled` is asked as by [`Hash::from_listpack`].
    pub fn from_timed_listpack(
        bytes: Vec<u8>,
        limits: HashLimits,
        in_order: bool,
        on_doubled: &mut dyn FnMut() -> bool,
    ) -> Option<Self> {
        let pack = ThinListpack::checked(bytes)?;
        let times = || pack.iter().skip(2).step_by(timed::PARTS).map(|time| time.int());
        let sound = times().all(|time| time.is_some_and(|at| (0..1 << TIME_BITS).contains(&at)));
        // What does not expire comes last.
        let is_in_order = || times().is_sorted_by_key(|time| (time.unwrap_or(0) as u64).wrapping_sub(1));
        if !pack.len().is_multiple_of(timed::PARTS) || !sound || in_order && !is_in_order() {
            return None;
        }
        if !has_distinct(&pack, timed::PARTS) {
            return on_doubled().then(|| Self::of_first(Triples::of(&pack), limits));
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
///
/// Mostly they are, and a few bits of each show it: it is asked of each hash that is loaded.
fn has_distinct(pack: &ThinListpack, parts: usize) -> bool {
    let mut bits = [0_u64; MARKS / 64];
    let mut fields = pack.iter().step_by(parts);
    let shown = fields.all(|field| {
        let mark = mark_of(field);
        let (word, bit) = (mark / 64, 1 << (mark % 64));
        let is_new = bits[word] & bit == 0;
        bits[word] |= bit;
        is_new
    });
    shown || are_distinct(pack, parts)
}

/// A number below [`MARKS`] that is the same for the same text.
fn mark_of(field: Element<'_>) -> usize {
    let mut room = IntText::new();
    let text = field.text(&mut room);
    let fold = |sum: u64, bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    };
    let sum = text.chunks(8).fold(text.len() as u64, fold);
    (sum.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as usize
}

fn are_distinct(pack: &ThinListpack, parts: usize) -> bool {
    let mut seen = HashSet::new();
    pack.iter().step_by(parts).all(|field| match field {
        Element::Int(_) => seen.insert(field),
        Element::Bytes(text) => seen.insert(Element::of(text)),
    })
}
