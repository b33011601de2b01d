//! Sets of strings: of integers, in an intset; small ones, in a listpack; all others in a hash table.
//!
//! A set only ever grows out of a compact form, it does not return to one. When it grows is Redis's rule: integers stay
//! an intset up to a number of members; the first member that is none makes it a listpack if it is small enough for
//! that; what is too large or has too long a member becomes a table. What a command announces counts as if all of it
//! were new ([`Set::expect`]).
//!
//! The first member that is given a time makes the set one with times, which it then remains: see `timed`. Commands see
//! a set as it is at their time ([`Set::live`]); what is asked of the set itself is about all members, those included
//! whose time has come.

mod algebra;
mod form;
mod live;
mod small;
#[cfg(test)]
mod tests;
mod thin;
mod timed;

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use super::digest::Digest;
use super::hash::{self, FieldExpiry};
use super::intset::Intset;
use super::item::Item;
use super::listpack::{Element, Elements, IntText, Listpack};
use super::sharing::{Share, Told};
use super::table::{self, Probe, Table};
use super::uncommon::{self, Uncommon};
use super::{Collection, ExpiringParts};
use crate::util::alloc::size_class;
use crate::util::key_hash::HashSeed;
use crate::util::random::Random;
use form::Form;
use small::{Small, View};
use timed::TimedSet;

pub use algebra::{difference, intersection, smallest, strikes_out, union};
pub use live::Live;

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

/// A set: 8 bytes where it lies.
#[derive(Clone, Default)]
pub struct Set(Form);

/// What is large.
enum Big {
    Table(Table<Item>),
    Timed(TimedSet),
}

// A set without times pays nothing for those that have them.
const _: () = assert!(size_of::<Big>() == size_of::<Table<Item>>());

/// A form, borrowed.
#[derive(Clone, Copy)]
enum FormRef<'a> {
    Small(&'a Small),
    Table(&'a Table<Item>),
    Timed(&'a TimedSet),
}

/// A form, to be changed.
enum FormMut<'a> {
    Small(&'a mut Small),
    Table(&'a mut Table<Item>),
    Timed(&'a mut TimedSet),
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
    /// A set with times: member by member.
    Timed,
}

/// How many members a removal must leave, as a part of those it takes, to take them one by one.
const REMAINING_SHARE: usize = 5;

/// Whether so many members remain that those are taken out one by one that go.
fn outnumber(remaining: usize, removed: usize) -> bool {
    remaining.saturating_mul(REMAINING_SHARE) > removed
}

impl Share for Big {
    fn copy(&self, told: &Told) -> Self {
        match self {
            Self::Table(table) => Self::Table(table.copy(told)),
            Self::Timed(timed) => Self::Timed(timed.clone()),
        }
    }

    fn told(&mut self) {
        match self {
            Self::Table(table) => table.told(),
            Self::Timed(_) => {}
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
        Self(Form::small(ints.into()))
    }
}

impl Set {
    /// A set of the elements of a listpack.
    ///
    /// # Errors
    /// Gives the listpack back if any of them is there twice.
    pub fn from_listpack(pack: Listpack) -> Result<Self, Listpack> {
        let mut seen = HashSet::new();
        let distinct = pack.iter().all(|member| seen.insert(algebra::normal(member)));
        if distinct { Ok(Self(Form::small(pack.into()))) } else { Err(pack) }
    }

    #[inline(always)]
    fn form(&self) -> FormRef<'_> {
        match self.0.view() {
            form::FormRef::Small(small) => FormRef::Small(small),
            form::FormRef::Big(Big::Table(table)) => FormRef::Table(table),
            form::FormRef::Big(Big::Timed(timed)) => FormRef::Timed(timed),
        }
    }

    #[inline(always)]
    fn form_mut(&mut self) -> FormMut<'_> {
        match self.0.view_mut() {
            form::FormMut::Small(small) => FormMut::Small(small),
            form::FormMut::Big(Big::Table(table)) => FormMut::Table(table),
            form::FormMut::Big(Big::Timed(timed)) => FormMut::Timed(timed),
        }
    }

    /// How it is kept.
    pub fn bytes(&self) -> SetBytes<'_> {
        match self.form() {
            FormRef::Small(small) => small.bytes(),
            FormRef::Table(_) => SetBytes::Table,
            FormRef::Timed(_) => SetBytes::Timed,
        }
    }

    /// The set as it is at a time.
    #[inline]
    pub fn live(&self, now_ms: i64) -> Live<'_> {
        Live::new(self, now_ms)
    }

    /// Puts a member in; false if it is there already, and then it keeps its time.
    #[inline]
    pub fn insert(&mut self, text: &[u8], limits: &SetLimits) -> bool {
        let table = match self.form_mut() {
            FormMut::Small(small) => match small.insert(text, limits) {
                Some(inserted) => return inserted,
                None => {
                    self.make_table();
                    return self.insert(text, limits);
                }
            },
            FormMut::Table(table) => table,
            FormMut::Timed(timed) => return timed.insert(text, FieldExpiry::Keep, limits),
        };
        match table.probe(table.hash(text), text) {
            Probe::Found(_) => false,
            Probe::Vacant(slot) => {
                slot.insert(Item::new(text));
                true
            }
        }
    }

    /// Puts a member in, with a time or without; false if it is there already.
    pub fn insert_with(&mut self, text: &[u8], expiry: FieldExpiry, limits: &SetLimits) -> bool {
        if let FieldExpiry::At(_) = expiry {
            self.expect_times(limits);
        }
        match self.form_mut() {
            FormMut::Timed(timed) => timed.insert(text, expiry, limits),
            FormMut::Small(_) | FormMut::Table(_) => self.insert(text, limits),
        }
    }

    /// Gives a member a time, or takes its time, if it is there. (48 bits, and above 0.)
    pub fn set_expiry(&mut self, text: &[u8], expiry: Option<i64>, limits: &SetLimits) {
        if expiry.is_some() {
            self.expect_times(limits);
        }
        if let FormMut::Timed(timed) = self.form_mut() {
            timed.hash_mut().set_expiry(text, expiry);
        }
    }

    /// Makes it a set with times: a small one if it has a compact form whose members a listpack may have.
    #[cold]
    fn make_timed(&mut self, limits: &SetLimits) {
        let may_be_small = match self.form() {
            FormRef::Small(small) => match small.view() {
                View::Ints(_) => limits.listpack_value >= small::INT_TEXT_MAX,
                View::Pack(_) => true,
            },
            FormRef::Table(_) | FormRef::Timed(_) => false,
        };
        uncommon::note_made(Uncommon::MemberExpiry);
        let timed = TimedSet::of(self.iter(), self.len(), may_be_small, limits);
        self.0 = Form::big(Big::Timed(timed));
    }

    /// Makes it a set with times, unless it is one.
    pub fn expect_times(&mut self, limits: &SetLimits) {
        if !matches!(self.form(), FormRef::Timed(_)) {
            self.make_timed(limits);
        }
    }

    /// Prepares for so many insertions, of which the first is given: a form that can't hold them all is left, or not
    /// even begun with.
    pub fn expect(&mut self, count: usize, first: &[u8], limits: &SetLimits) {
        let FormRef::Small(small) = self.form() else { return };
        let fits_pack = count <= limits.listpack_entries;
        let fits = match small.view() {
            View::Pack(_) => fits_pack,
            View::Ints(ints) if !ints.is_empty() => count <= limits.intset_entries,
            View::Ints(_) if Element::Bytes(first).int().is_none() => fits_pack,
            View::Ints(_) if count > limits.intset_entries && fits_pack => {
                self.0 = Form::small(Listpack::new().into());
                return;
            }
            View::Ints(_) => count <= limits.intset_entries,
        };
        if !fits {
            self.make_table();
        }
    }

    /// An empty set for members of other kinds than integers.
    pub fn for_texts() -> Self {
        Self(Form::small(Listpack::new().into()))
    }

    /// Makes it an intset if it has integers only, and no more than an intset may have.
    pub fn make_intset_if_fits(&mut self, limits: &SetLimits) {
        let is_intset = matches!(self.bytes(), SetBytes::Intset(_));
        if is_intset || self.len() > limits.intset_entries || matches!(self.form(), FormRef::Timed(_)) {
            return;
        }
        let value = |member| if let Element::Int(value) = algebra::normal(member) { Some(value) } else { None };
        let Some(mut values) = self.iter().map(value).collect::<Option<Vec<i64>>>() else { return };
        values.sort_unstable();
        let mut ints = Intset::default();
        values.into_iter().for_each(|value| _ = ints.insert(value));
        *self = Self::from(ints);
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

    /// An empty set for so many members of a file, with room for some of them if it has to be a table. In which form it
    /// begins follows from their number, whatever they are.
    pub fn loading(members: usize, room: usize, limits: &SetLimits) -> Self {
        let mut set = Self::default();
        if members > limits.intset_entries {
            set.make_table();
            set.reserve(room);
        }
        set
    }

    /// Makes room for so many members in an empty table.
    fn reserve(&mut self, members: usize) {
        if let FormMut::Table(table) = self.form_mut() {
            table.reserve(members);
        }
    }

    #[cold]
    fn make_table(&mut self) {
        if let FormRef::Small(small) = self.form() {
            self.0 = Form::big(Big::Table(table_of(small.view().members())));
        }
    }

    /// All its members, those whose time has come included: integers in ascending order, those of a listpack in the
    /// order in which they came.
    pub fn iter(&self) -> Members<'_> {
        self.members(0)
    }

    /// Its members that live at a time.
    #[inline]
    fn members(&self, now_ms: i64) -> Members<'_> {
        match self.form() {
            FormRef::Small(small) => small.view().members(),
            FormRef::Table(table) => Members::Table(table.iter()),
            FormRef::Timed(timed) => Members::Timed(timed.hash().pairs(), now_ms),
        }
    }

    /// All its members, and when they expire.
    pub fn with_times(&self) -> impl Iterator<Item = (Element<'_>, Option<i64>)> {
        let timed = if let FormRef::Timed(timed) = self.form() { Some(timed.hash()) } else { None };
        let plain = if timed.is_none() { Some(self.iter()) } else { None };
        let pairs = timed.into_iter().flat_map(hash::Hash::pairs).map(|pair| (pair.field, pair.expiry));
        pairs.chain(plain.into_iter().flatten().map(|member| (member, None)))
    }

    /// Calls `emit` for a member that lives, chosen at random, and takes it out; false if there is none.
    #[inline]
    pub fn pop(&mut self, now_ms: i64, random: &mut Random, emit: impl FnOnce(Element<'_>)) -> bool {
        match self.form_mut() {
            FormMut::Small(small) if small.view().len() == 0 => false,
            FormMut::Small(small) => {
                small.pop(random, emit);
                true
            }
            FormMut::Table(table) => match table.random_mut(random) {
                None => false,
                Some(slot) => {
                    emit(Element::Bytes(slot.view()));
                    slot.remove();
                    true
                }
            },
            FormMut::Timed(timed) => timed.pop(now_ms, random, emit),
        }
    }

    /// Calls `emit` for members that live, chosen at random, and takes them out. `count` is less than there are.
    ///
    /// If few remain, it is those that are chosen, and they make a set of their own: of integers if it was an intset.
    pub fn pop_many(
        &mut self,
        (count, now_ms): (usize, i64),
        random: &mut Random,
        limits: &SetLimits,
        mut emit: impl FnMut(Element<'_>),
    ) {
        let table = match self.form_mut() {
            FormMut::Small(small) => {
                small.pop_many(count, random, emit);
                let remaining = small.view().len();
                let are_too_many = matches!(small.view(), View::Ints(_)) && remaining > limits.intset_entries;
                if are_too_many && !outnumber(remaining, count) {
                    self.make_table();
                }
                return;
            }
            FormMut::Table(table) => table,
            FormMut::Timed(timed) => return timed.pop_many((count, now_ms), random, emit),
        };
        let remaining = table.len().saturating_sub(count);
        if outnumber(remaining, count) {
            for _ in 0..count {
                let Some(slot) = table.random_mut(random) else { return };
                emit(Element::Bytes(slot.view()));
                slot.remove();
            }
            return;
        }
        let mut kept = Set::for_texts();
        for _ in 0..remaining {
            let Some(slot) = table.random_mut(random) else { break };
            kept.insert(slot.remove().bytes(), limits);
        }
        self.iter().for_each(emit);
        *self = kept;
    }

    /// The figures of its table, if it has one.
    pub fn statistics(&self) -> Option<table::Statistics> {
        match self.form() {
            FormRef::Small(_) => None,
            FormRef::Table(table) => Some(table.statistics()),
            FormRef::Timed(timed) => timed.hash().statistics(),
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
    /// Of a set with times: those that live at one.
    Timed(hash::Pairs<'a>, i64),
}

impl<'a> Iterator for Members<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Self::Ints(ints, indices) => indices.next().map(|index| Element::Int(ints.get(index))),
            Self::Pack(elements) => elements.next(),
            Self::Table(items) => items.next().map(Element::Bytes),
            Self::Timed(pairs, now_ms) => pairs.find(|pair| !pair.is_due(*now_ms)).map(|pair| pair.field),
        }
    }
}

impl ExpiringParts for Set {
    fn expiry(&self, member: &[u8]) -> Option<Option<i64>> {
        match self.form() {
            FormRef::Timed(timed) => timed.hash().expiry(member),
            FormRef::Small(_) | FormRef::Table(_) => self.live(0).contains(member).then_some(None),
        }
    }

    #[inline]
    fn next_expiry(&self) -> Option<i64> {
        match self.form() {
            FormRef::Small(_) | FormRef::Table(_) => None,
            FormRef::Timed(timed) => timed.hash().next_expiry(),
        }
    }

    #[inline]
    fn planned(&self) -> Option<i64> {
        match self.form() {
            FormRef::Small(_) | FormRef::Table(_) => None,
            FormRef::Timed(timed) => timed.hash().planned(),
        }
    }

    fn set_planned(&mut self, planned: Option<i64>) {
        if let FormMut::Timed(timed) = self.form_mut() {
            timed.hash_mut().set_planned(planned);
        }
    }

    #[inline]
    fn remove(&mut self, text: &[u8]) -> bool {
        match self.form_mut() {
            FormMut::Small(small) => small.remove(text),
            FormMut::Table(table) => table.find_mut(table.hash(text), text).map(|slot| slot.remove()).is_some(),
            FormMut::Timed(timed) => timed.hash_mut().remove(text),
        }
    }

    fn remove_due(&mut self, now_ms: i64, most: usize, removed: &mut dyn FnMut(&[u8])) {
        if let FormMut::Timed(timed) = self.form_mut() {
            timed.hash_mut().remove_due(now_ms, most, removed);
        }
    }
}

impl Collection for Set {
    #[inline]
    fn len(&self) -> usize {
        match self.form() {
            FormRef::Small(small) => small.view().len(),
            FormRef::Table(table) => table.len(),
            FormRef::Timed(timed) => timed.hash().len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self.form() {
            FormRef::Small(small) => match small.view() {
                View::Ints(_) => "intset",
                View::Pack(_) => "listpack",
            },
            FormRef::Table(_) => "hashtable",
            FormRef::Timed(timed) => timed.hash().encoding(),
        }
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        let table = match self.form() {
            FormRef::Small(small) => return small.heap_bytes(),
            FormRef::Table(table) => table,
            FormRef::Timed(timed) => return size_class(size_of::<Big>()) + timed.hash().heap_bytes(samples),
        };
        let samples = if samples == 0 { table.len() } else { samples.min(table.len()) };
        let sampled: usize = table.iter().take(samples).map(|member| Item::heap_bytes(member.len())).sum();
        let members = if samples == 0 { 0 } else { (sampled as f64 / samples as f64 * table.len() as f64) as usize };
        size_class(size_of::<Big>()) + table.overhead_bytes() + members
    }

    fn free_effort(&self) -> usize {
        match self.form() {
            FormRef::Small(_) => 1,
            FormRef::Table(table) => table.len(),
            FormRef::Timed(timed) => timed.hash().free_effort(),
        }
    }

    fn digest(&self, digest: &mut Digest) {
        let mut room = IntText::new();
        for (member, expiry) in self.with_times() {
            let member = member.text(&mut room);
            digest.add(member);
            if expiry.is_some() {
                let mut timed = Digest::of(member);
                timed.add(b"!!sexpire!!");
                digest.add_digest(timed);
            }
        }
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
