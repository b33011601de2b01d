//! Sets of strings: of integers, in an intset; small ones, in a listpack; all others in a hash table.
//!
//! A set only ever grows out of a compact form, it does not return to one. When it grows is Redis's rule: integers stay
//! an intset up to a number of members; the first member that is none makes it a listpack if it is small enough for
//! that; what is too large or has too long a member becomes a table. Where listpacks are not allowed (no members at
//! all) this is the behaviour of Redis 7.0, which has none for sets.

mod algebra;
mod small;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use super::Collection;
use super::digest::Digest;
use super::intset::Intset;
use super::item::Item;
use super::listpack::{Element, Elements, IntText, Listpack};
use super::table::{self, Probe, Table};
use crate::util::alloc::size_class;
use crate::util::random::{Random, Selection};
use crate::util::siphash::HashSeed;
use small::{Small, View};

pub use algebra::{difference, intersection, union};

/// Up to which size a set takes its compact forms.
#[derive(Clone, Copy, Debug)]
pub struct SetLimits {
    /// Members of an intset.
    pub intset_entries: usize,
    /// Members of a listpack.
    pub listpack_entries: usize,
    /// Bytes of a member of a listpack.
    pub listpack_value: usize,
}

/// A set.
#[derive(Clone)]
pub struct Set(Form);

enum Form {
    Small(Small),
    Table(Box<Table<Item>>),
}

/// The form of a set, with its bytes where it is a compact one: what RDB files contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBytes<'a> {
    /// An intset.
    Intset(&'a [u8]),
    /// A listpack.
    Listpack(&'a [u8]),
    /// A hash table: member by member.
    Table,
}

/// How many members a removal must leave, as a part of those it takes, to take them one by one.
const REMAINING_SHARE: usize = 5;
/// From which part of a set on a choice of members is made by looking at all of them.
const SAMPLED_SHARE: usize = 3;

impl Default for Set {
    fn default() -> Self {
        Self(Form::Small(Small::default()))
    }
}

impl Clone for Form {
    fn clone(&self) -> Self {
        match self {
            Self::Small(small) => Self::Small(small.clone()),
            Self::Table(table) => Self::Table(Box::new(table.copied(Item::new))),
        }
    }
}

/// A table of members that are all different.
fn table_of<'a>(members: impl Iterator<Item = Element<'a>>) -> Table<Item> {
    let (mut table, mut room) = (Table::new(HashSeed::of_process()), IntText::new());
    for member in members {
        let text = member.text(&mut room);
        table.insert_new(table.hash(text), Item::new(text));
    }
    table
}

impl From<Intset> for Set {
    fn from(ints: Intset) -> Self {
        Self(Form::Small(ints.into()))
    }
}

impl Set {
    /// A set of the elements of a listpack; `None` if any of them is there twice.
    pub fn from_listpack(pack: Listpack) -> Option<Self> {
        let mut seen = HashSet::new();
        let distinct = pack.iter().all(|member| seen.insert(algebra::normal(member)));
        distinct.then(|| Self(Form::Small(pack.into())))
    }

    /// How it is kept.
    pub fn bytes(&self) -> SetBytes<'_> {
        match &self.0 {
            Form::Small(small) => small.bytes(),
            Form::Table(_) => SetBytes::Table,
        }
    }

    /// Puts a member in; false if it is there already.
    #[inline]
    pub fn insert(&mut self, text: &[u8], limits: &SetLimits) -> bool {
        if let Form::Small(small) = &mut self.0 {
            match small.insert(text, limits) {
                Some(inserted) => return inserted,
                None => self.make_table(),
            }
        }
        let Form::Table(table) = &mut self.0 else { return false };
        match table.probe(table.hash(text), text) {
            Probe::Found(_) => false,
            Probe::Vacant(slot) => {
                slot.insert(Item::new(text));
                true
            }
        }
    }

    /// Prepares for so many insertions, of which the first is given: a form that can't hold them all is left, or not
    /// even begun with.
    pub fn expect(&mut self, count: usize, first: &[u8], limits: &SetLimits) {
        let Form::Small(small) = &self.0 else { return };
        if limits.listpack_entries == 0 {
            // Redis 7.0 looks at what is there only.
            return;
        }
        let fits_pack = count <= limits.listpack_entries;
        let fits = match small.view() {
            View::Pack(_) => fits_pack,
            View::Ints(ints) if !ints.is_empty() => count <= limits.intset_entries,
            View::Ints(_) if Element::Bytes(first).int().is_none() => fits_pack,
            View::Ints(_) if count > limits.intset_entries && fits_pack => {
                self.0 = Form::Small(Listpack::new().into());
                return;
            }
            View::Ints(_) => count <= limits.intset_entries,
        };
        if !fits {
            self.make_table();
        }
    }

    /// An empty set that will have so many members at least.
    pub fn with_room(members: usize, limits: &SetLimits) -> Self {
        let mut set = Self::default();
        if members > limits.intset_entries.max(limits.listpack_entries) {
            set.make_table();
            set.reserve(members);
        }
        set
    }

    /// Makes room for so many members in an empty table.
    pub fn reserve(&mut self, members: usize) {
        if let Form::Table(table) = &mut self.0 {
            table.reserve(members);
        }
    }

    #[cold]
    fn make_table(&mut self) {
        if let Form::Small(small) = &self.0 {
            self.0 = Form::Table(Box::new(table_of(small.view().members())));
        }
    }

    /// Takes a member out; false if it is not there.
    #[inline]
    pub fn remove(&mut self, text: &[u8]) -> bool {
        match &mut self.0 {
            Form::Small(small) => small.remove(text),
            Form::Table(table) => table.find_mut(table.hash(text), text).map(|slot| slot.remove()).is_some(),
        }
    }

    /// Whether a member is in the set.
    #[inline]
    pub fn contains(&self, text: &[u8]) -> bool {
        self.has(Element::Bytes(text))
    }

    /// Whether a member of another set is in this one, too.
    #[inline]
    pub fn has(&self, member: Element<'_>) -> bool {
        match &self.0 {
            Form::Small(small) => small.view().contains(member),
            Form::Table(table) => {
                let mut room = IntText::new();
                let text = member.text(&mut room);
                table.find(table.hash(text), text).is_some()
            }
        }
    }

    /// Its members: integers in ascending order, those of a listpack in the order in which they came.
    #[inline]
    pub fn iter(&self) -> Members<'_> {
        match &self.0 {
            Form::Small(small) => small.view().members(),
            Form::Table(table) => Members::Table(table.iter()),
        }
    }

    /// A member chosen at random, each with the same probability.
    pub fn random(&self, random: &mut Random) -> Option<Element<'_>> {
        match &self.0 {
            Form::Small(small) => small.view().random(random),
            Form::Table(table) => table.random(random).map(Element::Bytes),
        }
    }

    /// Calls `emit` for members chosen at random, all different, each choice as likely as any other. `count` is less
    /// than there are.
    pub fn sample(&self, count: usize, random: &mut Random, mut emit: impl FnMut(Element<'_>)) {
        match &self.0 {
            Form::Table(table) if count.saturating_mul(SAMPLED_SHARE) <= table.len() => {
                let mut seen = HashSet::with_capacity(count);
                while seen.len() < count {
                    // Members that are not the same don't have the same address.
                    let Some(member) = table.random(random) else { return };
                    if seen.insert(member.as_ptr()) {
                        emit(Element::Bytes(member));
                    }
                }
            }
            Form::Small(_) | Form::Table(_) => {
                let mut selection = Selection::new(self.len(), count);
                self.iter().filter(|_| selection.picks(random)).for_each(emit);
            }
        }
    }

    /// Calls `emit` for a member chosen at random and takes it out; false if there is none.
    #[inline]
    pub fn pop(&mut self, random: &mut Random, emit: impl FnOnce(Element<'_>)) -> bool {
        match &mut self.0 {
            Form::Small(small) if small.view().len() == 0 => false,
            Form::Small(small) => {
                small.pop(random, emit);
                true
            }
            Form::Table(table) => match table.random_mut(random) {
                None => false,
                Some(slot) => {
                    emit(Element::Bytes(slot.view()));
                    slot.remove();
                    true
                }
            },
        }
    }

    /// Calls `emit` for members chosen at random and takes them out. `count` is less than there are.
    ///
    /// If few remain, it is those that are chosen, and they make a set of their own.
    pub fn pop_many(
        &mut self,
        count: usize,
        random: &mut Random,
        limits: &SetLimits,
        mut emit: impl FnMut(Element<'_>),
    ) {
        let table = match &mut self.0 {
            Form::Small(small) => return small.pop_many(count, random, emit),
            Form::Table(table) => table,
        };
        let remaining = table.len().saturating_sub(count);
        if remaining.saturating_mul(REMAINING_SHARE) > count {
            for _ in 0..count {
                let Some(slot) = table.random_mut(random) else { return };
                emit(Element::Bytes(slot.view()));
                slot.remove();
            }
            return;
        }
        let mut kept = Set::default();
        for _ in 0..remaining {
            let Some(slot) = table.random_mut(random) else { break };
            kept.insert(slot.remove().bytes(), limits);
        }
        self.iter().for_each(emit);
        *self = kept;
    }

    /// One step of an iteration: calls `emit` for some members and returns the cursor for the next step; 0 begins and
    /// 0 ends. See [`Table::scan`] for what it guarantees; a compact set is emitted in one step.
    pub fn scan<'a>(&'a self, cursor: u64, mut emit: impl FnMut(Element<'a>)) -> u64 {
        match &self.0 {
            Form::Small(small) => {
                small.view().members().for_each(emit);
                0
            }
            Form::Table(table) => table.scan(cursor, |member| emit(Element::Bytes(member))),
        }
    }

    /// The figures of its table, if it has one.
    pub fn statistics(&self) -> Option<table::Statistics> {
        match &self.0 {
            Form::Small(_) => None,
            Form::Table(table) => Some(table.statistics()),
        }
    }
}

/// The members of a set; see [`Set::iter`].
pub enum Members<'a> {
    /// Of an intset: indices.
    Ints(Intset<&'a [u8]>, Range<usize>),
    /// Of a listpack.
    Pack(Elements<'a>),
    /// Of a table.
    Table(table::Iter<'a, Item, HashSeed>),
}

impl<'a> Iterator for Members<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Self::Ints(ints, indices) => indices.next().map(|index| Element::Int(ints.get(index))),
            Self::Pack(elements) => elements.next(),
            Self::Table(items) => items.next().map(Element::Bytes),
        }
    }
}

impl Collection for Set {
    #[inline]
    fn len(&self) -> usize {
        match &self.0 {
            Form::Small(small) => small.view().len(),
            Form::Table(table) => table.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self.bytes() {
            SetBytes::Intset(_) => "intset",
            SetBytes::Listpack(_) => "listpack",
            SetBytes::Table => "hashtable",
        }
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        let table = match &self.0 {
            Form::Small(small) => return small.heap_bytes(),
            Form::Table(table) => table,
        };
        let samples = if samples == 0 { table.len() } else { samples.min(table.len()) };
        let sampled: usize = table.iter().take(samples).map(|member| Item::heap_bytes(member.len())).sum();
        let members = if samples == 0 { 0 } else { (sampled as f64 / samples as f64 * table.len() as f64) as usize };
        size_class(size_of::<Table<Item>>()) + table.overhead_bytes() + members
    }

    fn free_effort(&self) -> usize {
        match &self.0 {
            Form::Small(_) => 1,
            Form::Table(table) => table.len(),
        }
    }

    fn digest(&self, digest: &mut Digest) {
        let mut room = IntText::new();
        self.iter().for_each(|member| digest.add(member.text(&mut room)));
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
