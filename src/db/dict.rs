//! The keys of a database, and indexes kept in step: of those that expire, of collections with parts that do, and of
//! those that are not to be evicted.
//!
//! The index is a second table whose items point to entries of the first. Active expiry and the volatile eviction
//! policies sample from it, however few of the keys expire. Every change to an entry goes through
//! [`DictSlot::update`], which compares before and after: has the entry moved, has it got or lost an expiry? So nobody
//! above this file can let the two differ, and the index never points to an entry that is gone: on that invariant rests
//! the unsafe code here.
//!
//! The other index, the [`ExpirySchedule`], finds keys by their hash. It is brought up to date likewise, but for
//! changes to the fields of a hash or the members of a set, which go past [`DictSlot::update`]: who gives one an expiry
//! calls [`DictSlot::plan`].
//!
//! In a cluster the keys are kept in a table per slot ([`BySlot`]), and the one table they are in otherwise stays empty.
//! It is asked first all the same, so that where there are no slots nothing is added to a lookup that finds its key. The
//! indexes are not by slot: they find what is in them by hash, and the hash has the slot.
//!
//! Whatever way leads to a change of an entry here, the first step on it is `before_change`: what a snapshot that is
//! being taken needs of the old content is copied ([`Capture`]). Nobody above this file has to think of it.

// An index entry is a pointer to an entry that the first table owns, which borrows cannot express.
#![allow(unsafe_code)]

#[cfg(test)]
pub mod asked;
mod by_slot;
#[cfg(test)]
mod tests;

use std::ptr::NonNull;

use super::blessed::Blessed;
use super::capture::{Capture, Images};
use super::entry::{Entry, EntryRef, EntryView, InEntry, Kind};
use super::expiry_schedule::ExpirySchedule;
use super::hasher::{KeyHasher, slot_in};
use crate::types::ExpiringParts;
use crate::types::table::{Probe, SlotMut, Statistics, Table, VacantSlot};
use crate::util::random::Random;
use by_slot::BySlot;

/// A table of keys.
type KeyTable = Table<Entry, KeyHasher>;

/// The keys of a database. Callers hash a key once, early, and pass the hash to each call.
pub struct Dict {
    /// All of them, unless they are kept by slot.
    keys: KeyTable,
    slots: Option<Box<BySlot>>,
    indexes: Indexes,
}

/// What finds some of the entries without their keys.
struct Indexes {
    /// One item for each entry of `keys` that has an expiry, under the same hash.
    expires: Table<EntryRef, KeyHasher>,
    /// One item for each collection that has parts with an expiry, and perhaps for such that had.
    expiry_schedule: ExpirySchedule,
    /// Keys that are not to be evicted.
    blessed: Blessed,
    /// What is kept for a snapshot that is being taken.
    capture: Option<Box<Capture>>,
}

/// A key's share of the table, in bytes: a 64-byte bucket has seven places.
const TABLE_SHARE: usize = 64usize.div_ceil(7);
/// Elements of a collection that [`memory_usage`] looks at when it is not told.
pub const USAGE_SAMPLES: usize = 5;

/// What a key takes with its value, in bytes, as MEMORY USAGE tells it; `samples` as for [`EntryView::heap_bytes`].
pub fn memory_usage(entry: EntryView<'_>, samples: usize) -> usize {
    entry.heap_bytes(samples) + TABLE_SHARE
}

impl Dict {
    /// An empty dictionary, which keeps its keys by slot if their hashes have it.
    pub fn new(hasher: KeyHasher) -> Self {
        Self {
            keys: Table::new(hasher),
            slots: hasher.by_slot.then(|| Box::new(BySlot::new(hasher))),
            indexes: Indexes {
                expires: Table::new(hasher),
                expiry_schedule: ExpirySchedule::default(),
                blessed: Blessed::default(),
                capture: None,
            },
        }
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.slots.as_ref().map_or(self.keys.len(), |slots| slots.len())
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of keys that have an expiry.
    pub fn expires_len(&self) -> usize {
        self.indexes.expires.len()
    }

    /// The number of collections with parts that expire.
    pub fn planned_len(&self) -> usize {
        self.indexes.expiry_schedule.len()
    }

    /// The keys that are not to be evicted.
    pub fn blessed(&self) -> &Blessed {
        &self.indexes.blessed
    }

    /// Protects a key that is there from eviction, or no longer; whether that is a change.
    pub fn bless(&mut self, hash: u64, key: &[u8], blessed: bool) -> bool {
        if self.indexes.capture.is_some()
            && let Some(table) = table_of(&self.keys, self.slots.as_deref(), slot_in(hash))
        {
            self.indexes.capture(table, hash);
        }
        match blessed {
            true => self.find(hash, key).is_some() && self.indexes.blessed.insert(hash, key),
            false => self.indexes.blessed.remove(hash, key),
        }
    }

    /// When the first part of a collection may expire, and the hash of its key.
    pub fn next_planned(&self) -> Option<(i64, u64)> {
        self.indexes.expiry_schedule.first()
    }

    /// The entry that is planned under a time and the hash of its key.
    pub fn find_planned(&mut self, at: i64, hash: u64) -> Option<DictSlot<'_>> {
        let table = match &mut self.slots {
            Some(slots) => slots.table_mut(slot_in(hash))?,
            None => &mut self.keys,
        };
        let slot = table.find_matching(hash, |entry| entry.planned() == Some(at))?;
        Some(DictSlot { slot, indexes: &mut self.indexes, hash })
    }

    /// See [`Table::reserve`]: for keys that are not kept by slot, and for those that expire.
    pub fn reserve(&mut self, keys: usize, expiring: usize) {
        self.keys.reserve(keys);
        self.indexes.expires.reserve(expiring);
    }

    /// See [`Table::reserve`]: for the keys of a slot, where keys are kept by slot.
    pub fn reserve_in_slot(&mut self, slot: usize, keys: usize) {
        if let Some(slots) = &mut self.slots {
            slots.table_or_new(slot).reserve(keys);
        }
    }

    /// See [`Table::set_resizing`].
    pub fn set_resizing(&mut self, allowed: bool) {
        self.keys.set_resizing(allowed);
        self.slots.iter_mut().for_each(|slots| slots.set_resizing(allowed));
        self.indexes.expires.set_resizing(allowed);
    }

    /// The entry of a key.
    #[inline(always)]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<EntryView<'_>> {
        #[cfg(test)]
        asked::note(key);
        match self.keys.find(hash, key) {
            None if self.slots.is_some() => self.find_in_slot(hash, key),
            found => found,
        }
    }

    #[inline(never)]
    fn find_in_slot(&self, hash: u64, key: &[u8]) -> Option<EntryView<'_>> {
        self.slots.as_ref()?.table(slot_in(hash))?.find(hash, key)
    }

    /// The entry of a key, to be changed or removed.
    #[inline(always)]
    pub fn find_mut(&mut self, hash: u64, key: &[u8]) -> Option<DictSlot<'_>> {
        #[cfg(test)]
        asked::note(key);
        if let Some(slot) = self.keys.find_mut(hash, key) {
            return Some(DictSlot { slot, indexes: &mut self.indexes, hash });
        }
        let slot = find_mut_in_slot(self.slots.as_deref_mut()?, hash, key)?;
        Some(DictSlot { slot, indexes: &mut self.indexes, hash })
    }

    /// The entry of a key whose time has not come, to be read; otherwise what there is of the key, to be removed. The
    /// usual case is that of [`Dict::find`], where nothing has to be known of the place in the table.
    #[inline(always)]
    pub fn find_lasting(&mut self, hash: u64, key: &[u8], now_ms: i64) -> Result<EntryView<'_>, Option<DictSlot<'_>>> {
        let Some(entry) = self.find(hash, key) else { return Err(None) };
        if entry.is_due(now_ms) {
            return Err(self.find_mut(hash, key));
        }
        let raw = entry.raw();
        // SAFETY: the entry lies in the dictionary, which is mutably borrowed for as long as the view lives. (What `find`
        // gives cannot be returned by a branch, since the borrow would last in the others, too.)
        Ok(unsafe { EntryView::new(raw) })
    }

    /// The entry of a key, or where to put it.
    #[inline(always)]
    pub fn probe(&mut self, hash: u64, key: &[u8]) -> DictProbe<'_> {
        #[cfg(test)]
        asked::note(key);
        let indexes = &mut self.indexes;
        match self.keys.probe(hash, key) {
            Probe::Found(slot) => DictProbe::Found(DictSlot { slot, indexes, hash }),
            Probe::Vacant(slot) => match self.slots.as_deref_mut() {
                None => DictProbe::Vacant(VacantDictSlot { slot, indexes, hash }),
                Some(slots) => probe_slot(slots, indexes, hash, key),
            },
        }
    }

    /// Removes the entry of a key.
    pub fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        self.find_mut(hash, key).map(DictSlot::remove)
    }

    /// See [`Table::prefetch_bucket`]. Where keys are kept by slot, [`Dict::prefetch_by_slot`] is for that.
    #[inline(always)]
    pub fn prefetch_bucket(&self, hash: u64) {
        self.keys.prefetch_bucket(hash);
    }

    /// See [`Table::prefetch_item`].
    #[inline(always)]
    pub fn prefetch_entry(&self, hash: u64) {
        self.keys.prefetch_item(hash);
    }

    /// Asks for the memory of the buckets and entries behind several hashes where keys are kept by slot, and does
    /// nothing elsewhere.
    #[inline]
    pub fn prefetch_by_slot(&self, hashes: impl Iterator<Item = u64> + Clone) {
        let Some(slots) = &self.slots else { return };
        hashes.clone().for_each(|hash| slots.prefetch_table(slot_in(hash)));
        let tables = || hashes.clone().filter_map(|hash| Some((hash, slots.table(slot_in(hash))?)));
        tables().for_each(|(hash, table)| table.prefetch_bucket(hash));
        tables().for_each(|(hash, table)| table.prefetch_item(hash));
    }

    /// See [`Table::scan`]; where keys are kept by slot, over those of one alone if it is given.
    pub fn scan<'a>(&'a self, cursor: u64, slot: Option<u16>, emit: impl FnMut(EntryView<'a>)) -> u64 {
        match &self.slots {
            Some(slots) => slots.scan(cursor, slot.map(usize::from), emit),
            None => self.keys.scan(cursor, emit),
        }
    }

    /// Whether keys are kept by slot.
    pub fn is_by_slot(&self) -> bool {
        self.slots.is_some()
    }

    /// The slots that have keys, and how many, where keys are kept by slot.
    pub fn slots(&self) -> impl Iterator<Item = (usize, usize)> {
        self.slots.iter().flat_map(|slots| slots.filled()).map(|(slot, table)| (slot, table.len()))
    }

    /// How many keys a slot has, where keys are kept by slot.
    pub fn len_of_slot(&self, slot: usize) -> usize {
        self.slots.as_ref().map_or(0, |slots| slots.count(slot))
    }

    /// The entries of a slot, where keys are kept by slot.
    pub fn iter_slot(&self, slot: usize) -> impl Iterator<Item = EntryView<'_>> {
        self.slots.as_ref().and_then(|slots| slots.table(slot)).into_iter().flat_map(|table| table.iter())
    }

    /// [`Table::scan`] over the keys that have an expiry.
    pub fn scan_expires<'a>(&'a self, cursor: u64, emit: impl FnMut(EntryView<'a>)) -> u64 {
        self.indexes.expires.scan(cursor, emit)
    }

    /// See [`Table::random`].
    pub fn random(&self, random: &mut Random) -> Option<EntryView<'_>> {
        match &self.slots {
            Some(slots) => slots.random(random),
            None => self.keys.random(random),
        }
    }

    /// [`Table::random`] among the keys that have an expiry.
    pub fn random_expiring(&self, random: &mut Random) -> Option<EntryView<'_>> {
        self.indexes.expires.random(random)
    }

    /// All entries; those of a slot together, where keys are kept by slot.
    pub fn iter(&self) -> impl Iterator<Item = EntryView<'_>> {
        let by_slot = self.slots.iter().flat_map(|slots| slots.filled()).flat_map(|(_, table)| table.iter());
        self.keys.iter().chain(by_slot)
    }

    /// From now on the content as it is at this moment is kept for a snapshot, until all of it was taken; a number
    /// tells it from others. See [`Capture`].
    pub fn begin_capture(&mut self, database: usize) {
        let tables = self.slots.is_none().then_some((0, self.keys.len())).into_iter().chain(self.slots());
        self.indexes.capture = Some(Box::new(Capture::new(database, tables, self.slots.is_some())));
    }

    /// Ends that, whether or not all was taken.
    pub fn end_capture(&mut self) {
        self.indexes.capture = None;
    }

    /// Whether something is still kept for a snapshot, or to be.
    pub fn is_captured(&self) -> bool {
        self.indexes.capture.is_some()
    }

    /// Goes on copying for the snapshot: some keys, and then nothing but what is due. False if there are none left.
    pub fn capture_some(&mut self) -> bool {
        let Dict { keys, slots, indexes: Indexes { capture, blessed, .. } } = self;
        let table_of = |slot| table_of(keys, slots.as_deref(), slot);
        capture.as_mut().is_some_and(|capture| capture.step(table_of, blessed))
    }

    /// Memory of what was copied since it was taken last, in bytes.
    pub fn captured_bytes(&self) -> usize {
        self.indexes.capture.as_ref().map_or(0, |capture| capture.bytes())
    }

    /// What was copied since the last call. After the last of it nothing is kept any more.
    pub fn take_images(&mut self) -> Option<Images> {
        let capture = self.indexes.capture.as_mut()?;
        let taken = capture.take_images();
        if capture.is_complete() {
            self.indexes.capture = None;
        }
        taken
    }

    /// Moves all entries out into a dictionary of their own, which another thread may drop. What is kept for a snapshot
    /// goes along.
    pub fn take(&mut self) -> Self {
        let indexes = Indexes {
            expires: self.indexes.expires.take(),
            expiry_schedule: std::mem::take(&mut self.indexes.expiry_schedule),
            blessed: std::mem::take(&mut self.indexes.blessed),
            capture: self.indexes.capture.take(),
        };
        let slots = self.slots.as_mut().map(|slots| Box::new(slots.take()));
        Self { keys: self.keys.take(), slots, indexes }
    }

    /// Memory of the table of keys, and that of the index of those that expire, in bytes.
    pub fn overheads(&self) -> (usize, usize) {
        let keys = self.slots.as_ref().map_or(self.keys.overhead_bytes(), |slots| slots.overhead_bytes());
        (keys, self.indexes.expires.overhead_bytes())
    }

    /// See [`Table::statistics`]: those of all keys, and those of the index.
    pub fn statistics(&self) -> (Statistics, Statistics) {
        let keys = self.slots.as_ref().map_or_else(|| self.keys.statistics(), |slots| slots.statistics());
        (keys, self.indexes.expires.statistics())
    }
}

/// The table that keys of a slot are in, or all of them.
fn table_of<'a>(keys: &'a KeyTable, slots: Option<&'a BySlot>, slot: usize) -> Option<&'a KeyTable> {
    slots.map_or(Some(keys), |slots| slots.table(slot))
}

#[inline(never)]
fn find_mut_in_slot<'a>(slots: &'a mut BySlot, hash: u64, key: &[u8]) -> Option<SlotMut<'a, Entry, KeyHasher>> {
    slots.table_mut(slot_in(hash))?.find_mut(hash, key)
}

#[inline(never)]
fn probe_slot<'a>(slots: &'a mut BySlot, indexes: &'a mut Indexes, hash: u64, key: &[u8]) -> DictProbe<'a> {
    match slots.table_or_new(slot_in(hash)).probe(hash, key) {
        Probe::Found(slot) => DictProbe::Found(DictSlot { slot, indexes, hash }),
        Probe::Vacant(slot) => DictProbe::Vacant(VacantDictSlot { slot, indexes, hash }),
    }
}

impl Indexes {
    /// A key of this hash is about to be changed, or to come: what a snapshot needs is copied before.
    #[cold]
    fn capture(&mut self, keys: &KeyTable, hash: u64) {
        if let Some(capture) = &mut self.capture {
            capture.before_change(keys, &self.blessed, hash);
        }
    }
}

/// What [`Dict::probe`] finds.
pub enum DictProbe<'a> {
    /// The key is there.
    Found(DictSlot<'a>),
    /// The key is not there.
    Vacant(VacantDictSlot<'a>),
}

/// Leave to insert the key that was not found.
pub struct VacantDictSlot<'a> {
    slot: VacantSlot<'a, Entry, KeyHasher>,
    indexes: &'a mut Indexes,
    hash: u64,
}

impl<'a> VacantDictSlot<'a> {
    /// Puts in the entry of the key that was looked for.
    #[inline]
    pub fn insert(self, entry: Entry) -> DictSlot<'a> {
        if self.indexes.capture.is_some() {
            self.indexes.capture(self.slot.table(), self.hash);
        }
        DictSlot::inserted(self.slot.insert(entry), self.indexes, self.hash)
    }
}

/// An entry in its dictionary, mutably borrowed.
pub struct DictSlot<'a> {
    slot: SlotMut<'a, Entry, KeyHasher>,
    indexes: &'a mut Indexes,
    hash: u64,
}

impl<'a> DictSlot<'a> {
    #[inline]
    fn inserted(slot: SlotMut<'a, Entry, KeyHasher>, indexes: &'a mut Indexes, hash: u64) -> Self {
        let mut slot = Self { slot, indexes, hash };
        slot.reindex(None);
        slot.replan(None);
        slot
    }

    /// The entry.
    #[inline(always)]
    pub fn view(&self) -> EntryView<'_> {
        self.slot.view()
    }

    /// What a snapshot needs of the entry is copied before it is changed.
    #[inline(always)]
    fn before_change(&mut self) {
        if self.indexes.capture.is_some() {
            self.indexes.capture(self.slot.table(), self.hash);
        }
    }

    /// Changes the entry, or replaces it by another of the same key.
    #[inline]
    pub fn update<R>(&mut self, change: impl FnOnce(&mut Entry) -> R) -> R {
        /// Brings the index up to date, also when `change` panics.
        struct Reindex<'s, 'a>(&'s mut DictSlot<'a>, Option<NonNull<u8>>, Option<i64>);
        impl Drop for Reindex<'_, '_> {
            #[inline(always)]
            fn drop(&mut self) {
                self.0.reindex(self.1);
                self.0.replan(self.2);
            }
        }
        self.before_change();
        let (before, plan) = (self.indexed_address(), self.view().planned());
        Reindex(self, before, plan).0.slot.update(change)
    }

    /// Replaces a string that does not expire by another in its place, where that is all there is to do: see
    /// [`Entry::overwrite`]. No index has it, before and after.
    #[inline(always)]
    pub fn overwrite_lasting(&mut self, value: &[u8]) -> bool {
        if self.view().expire_at().is_some() {
            return false;
        }
        self.before_change();
        self.slot.update(|entry| entry.overwrite(value))
    }

    /// Replaces a string by an integer. If it is one already, no index needs to know.
    #[inline]
    pub fn set_int(&mut self, value: i64) {
        match self.view().kind() {
            Kind::Int => {
                self.before_change();
                self.slot.update(|entry| entry.set_int(value));
            }
            _ => self.update(|entry| entry.set_int(value)),
        }
    }

    /// The collection in the entry, to be changed, if it has one of this type.
    #[inline]
    pub fn into_collection<T: InEntry>(mut self) -> Option<&'a mut T> {
        self.before_change();
        // SAFETY: the dictionary is mutably borrowed for `'a`, so the entry stays where it is and nobody else sees it.
        // The index of expiring keys needs no update: neither address nor expiry can change through the collection.
        unsafe { self.slot.into_view().collection_mut::<T>() }
    }

    /// The collection in the entry, to be changed, if it is one whose parts may expire.
    pub fn into_parts(mut self) -> Option<&'a mut dyn ExpiringParts> {
        self.before_change();
        // SAFETY: as above.
        unsafe { self.slot.into_view().parts_mut() }
    }

    /// Takes the entry out.
    #[inline]
    pub fn remove(mut self) -> Entry {
        self.before_change();
        if let Some(address) = self.indexed_address() {
            self.unindex(address);
        }
        if let Some(at) = self.view().planned() {
            self.indexes.expiry_schedule.remove(at, self.hash);
        }
        if !self.indexes.blessed.is_empty() {
            self.indexes.blessed.remove(self.hash, self.slot.view().key());
        }
        self.slot.remove()
    }

    /// Has another entry of the same key in its place, as if the key had been removed and come anew; the old one.
    #[cold]
    pub fn begin_anew(&mut self, entry: Entry) -> Entry {
        self.before_change();
        if !self.indexes.blessed.is_empty() {
            self.indexes.blessed.remove(self.hash, self.slot.view().key());
        }
        self.update(|old| std::mem::replace(old, entry))
    }

    /// Plans when to look for parts whose time has come if the entry may have such and its plan is too late or in vain.
    pub fn plan(&mut self) {
        self.before_change();
        self.replan(self.view().planned());
    }

    /// Plans it anew, for the time when the first part expires: the collection has been looked at.
    pub fn plan_anew(&mut self) {
        self.before_change();
        let next = self.next_expiry();
        let before = self.view().planned();
        if before != next {
            self.set_plan(before, next);
        }
    }

    /// Where the entry lies if it belongs into the index.
    #[inline(always)]
    fn indexed_address(&self) -> Option<NonNull<u8>> {
        self.view().expire_at().map(|_| self.slot.address())
    }

    /// Brings the index up to date with an entry that was indexed under `before`, which may be gone by now.
    #[inline(always)]
    fn reindex(&mut self, before: Option<NonNull<u8>>) {
        let after = self.indexed_address();
        if before == after {
            return;
        }
        match (before, after) {
            (Some(before), None) => self.unindex(before),
            (None, Some(after)) => {
                // SAFETY: as below.
                let item = unsafe { EntryRef::new(after) };
                self.indexes.expires.insert_new(self.hash, item);
            }
            (Some(before), Some(after)) => {
                // SAFETY: the entry lies in `keys`. Whatever moves it or takes it out of there corrects the index in
                // the same call, without reading the old entry; both tables are borrowed as one.
                let item = unsafe { EntryRef::new(after) };
                if let Some(mut slot) = self.indexes.expires.find_address(self.hash, before) {
                    slot.update(|old| *old = item);
                }
            }
            (None, None) => {}
        }
    }

    #[cold]
    fn unindex(&mut self, before: NonNull<u8>) {
        let slot = self.indexes.expires.find_address(self.hash, before);
        debug_assert!(slot.is_some(), "an expiring entry without an index item");
        slot.map(SlotMut::remove);
    }

    fn next_expiry(&self) -> Option<i64> {
        self.view().parts().and_then(|parts| parts.next_expiry())
    }

    /// Brings the agenda up to date with an entry that stood there under `before`. What a new entry says of its plan
    /// means nothing: it may be that of the collection it was copied from.
    #[inline(always)]
    fn replan(&mut self, before: Option<i64>) {
        let view = self.view();
        if view.planned() != before || !view.plan_fits() {
            self.set_plan(before, self.next_expiry());
        }
    }

    #[cold]
    fn set_plan(&mut self, before: Option<i64>, next: Option<i64>) {
        if let Some(before) = before {
            self.indexes.expiry_schedule.remove(before, self.hash);
        }
        let plan = next.map(|next| self.indexes.expiry_schedule.add(next, self.hash));
        self.slot.update(|entry| entry.parts_mut().map(|parts| parts.set_planned(plan)));
    }
}
