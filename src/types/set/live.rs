//! The members of a set that live: what commands see of it.

use std::collections::HashSet;

use super::{FormRef, Members, Set, SetBytes};
use crate::types::Collection;
use crate::types::listpack::{Element, IntText};
use crate::util::random::{Random, Selection};

/// From which part of a set on a choice of members is made by looking at all of them.
const SAMPLED_SHARE: usize = 3;

/// A set as it is at a time: members whose time has come are not there.
#[derive(Clone, Copy)]
pub struct Live<'a> {
    set: &'a Set,
    now_ms: i64,
}

impl<'a> Live<'a> {
    /// See [`Set::live`].
    #[inline]
    pub(super) fn new(set: &'a Set, now_ms: i64) -> Self {
        Self { set, now_ms }
    }

    /// The number of its members. Takes a walk if some have expired.
    #[inline]
    pub fn len(self) -> usize {
        match self.set.form() {
            FormRef::Small(small) => small.view().len(),
            FormRef::Table(table) => table.len(),
            FormRef::Timed(timed) => timed.hash().live_len(self.now_ms),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether it is kept as an intset.
    pub fn is_intset(self) -> bool {
        matches!(self.set.bytes(), SetBytes::Intset(_))
    }

    /// Whether it is the same set as another.
    pub fn is(self, other: Live<'_>) -> bool {
        std::ptr::eq(self.set, other.set)
    }

    /// Its members: integers in ascending order, those of a listpack in the order in which they came.
    #[inline]
    pub fn iter(self) -> Members<'a> {
        self.set.members(self.now_ms)
    }

    /// Whether a member is in the set.
    #[inline]
    pub fn contains(self, text: &[u8]) -> bool {
        self.has(Element::Bytes(text))
    }

    /// Whether a member of another set is in this one, too.
    #[inline]
    pub fn has(self, member: Element<'_>) -> bool {
        match self.set.form() {
            FormRef::Small(small) => small.view().contains(member),
            FormRef::Table(table) => {
                let mut room = IntText::new();
                let text = member.text(&mut room);
                table.find(table.hash(text), text).is_some()
            }
            FormRef::Timed(timed) => timed.hash().get(member.text(&mut IntText::new()), self.now_ms).is_some(),
        }
    }

    /// Those of its members that expire, and when.
    pub fn expiring(self) -> impl Iterator<Item = (Element<'a>, i64)> {
        let timed = if let FormRef::Timed(timed) = self.set.form() { Some(timed.hash()) } else { None };
        let pairs = timed.into_iter().flat_map(move |hash| hash.live_pairs(self.now_ms));
        pairs.filter_map(|pair| Some((pair.field, pair.expiry?)))
    }

    /// A member chosen at random, each with the same probability.
    pub fn random(self, random: &mut Random) -> Option<Element<'a>> {
        match self.set.form() {
            FormRef::Small(small) => small.view().random(random),
            FormRef::Table(table) => table.random(random).map(Element::Bytes),
            FormRef::Timed(timed) => timed.hash().random_live(self.now_ms, random).map(|pair| pair.field),
        }
    }

    /// Calls `emit` for members chosen at random, all different, each choice as likely as any other. `count` is less
    /// than there are.
    pub fn sample(self, count: usize, random: &mut Random, mut emit: impl FnMut(Element<'_>)) {
        match self.set.form() {
            FormRef::Table(table) if count.saturating_mul(SAMPLED_SHARE) <= table.len() => {
                let mut seen = HashSet::with_capacity(count);
                while seen.len() < count {
                    // Members that are not the same don't have the same address.
                    let Some(member) = table.random(random) else { return };
                    if seen.insert(member.as_ptr()) {
                        emit(Element::Bytes(member));
                    }
                }
            }
            FormRef::Timed(timed) => {
                timed.hash().sample((count, self.len()), self.now_ms, random, |pair| emit(pair.field));
            }
            FormRef::Small(_) | FormRef::Table(_) => {
                let mut selection = Selection::new(self.set.len(), count);
                self.iter().filter(|_| selection.picks(random)).for_each(emit);
            }
        }
    }

    /// One step of an iteration: calls `emit` for some members and returns the cursor for the next step; 0 begins and
    /// 0 ends. See [`crate::types::table`] for what it guarantees; a compact set is emitted in one step.
    pub fn scan(self, cursor: u64, mut emit: impl FnMut(Element<'a>)) -> u64 {
        match self.set.form() {
            FormRef::Small(small) => {
                small.view().members().for_each(emit);
                0
            }
            FormRef::Table(table) => table.scan(cursor, |member| emit(Element::Bytes(member))),
            FormRef::Timed(timed) => timed.hash().scan(cursor, |pair| {
                if !pair.is_due(self.now_ms) {
                    emit(pair.field);
                }
            }),
        }
    }
}
