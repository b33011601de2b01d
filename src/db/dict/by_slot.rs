//! The keys of a database in a cluster: a table for each slot that has any.
//!
//! A table is made with the first key of its slot and goes after the last. How many keys each slot has is kept apart
//! from the tables, with sums over groups of slots, so that counting, finding the next slot that has keys, and drawing
//! one with the chance of its share read few lines of memory.
//!
//! A table that was handed out to be changed may have gained or lost a key when it comes back, and there is nobody to
//! tell: that would cost where keys are not kept by slot. So the number of keys of the latest table handed out is
//! brought up to date before the next one is.

use super::{EntryView, KeyTable};
use crate::db::hasher::KeyHasher;
use crate::db::slot::SLOTS;
use crate::types::table::Statistics;
use crate::util::prefetch::prefetch_read;
use crate::util::random::Random;

/// Slots whose keys are counted together.
const GROUP: usize = 128;
/// Bits of a scan's cursor that are the slot.
const SLOT_BITS: u32 = SLOTS.ilog2();

/// Tables by slot.
pub struct BySlot {
    tables: Box<[Option<Box<KeyTable>>]>,
    /// Keys of each slot, but for that of `changed`.
    counts: Box<[usize]>,
    /// Those of each group together,
    groups: [usize; SLOTS / GROUP],
    /// and of all.
    total: usize,
    /// The slot whose table was handed out last.
    changed: usize,
    hasher: KeyHasher,
    resizing: bool,
}

impl BySlot {
    /// No keys.
    pub fn new(hasher: KeyHasher) -> BySlot {
        BySlot {
            tables: (0..SLOTS).map(|_| None).collect(),
            counts: vec![0; SLOTS].into(),
            groups: [0; SLOTS / GROUP],
            total: 0,
            changed: 0,
            hasher,
            resizing: true,
        }
    }

    /// How many keys a slot has.
    #[inline]
    pub fn count(&self, slot: usize) -> usize {
        self.tables[slot].as_ref().map_or(0, |table| table.len())
    }

    /// How many keys there are.
    #[inline]
    pub fn len(&self) -> usize {
        // The slot last handed out may count more or less than it did.
        self.total - self.counts[self.changed] + self.count(self.changed)
    }

    /// The table of a slot, if it has keys.
    #[inline]
    pub fn table(&self, slot: usize) -> Option<&KeyTable> {
        self.tables[slot].as_deref()
    }

    /// The table of a slot, to change its keys.
    #[inline]
    pub fn table_mut(&mut self, slot: usize) -> Option<&mut KeyTable> {
        self.settle(slot);
        self.tables[slot].as_deref_mut()
    }

    /// The table of a slot, to add keys.
    pub fn table_or_new(&mut self, slot: usize) -> &mut KeyTable {
        self.settle(slot);
        let (hasher, resizing) = (self.hasher, self.resizing);
        self.tables[slot].get_or_insert_with(|| {
            let mut table = Box::new(KeyTable::new(hasher));
            table.set_resizing(resizing);
            table
        })
    }

    /// Counts what the table handed out last has now; it goes if that is nothing. `next` is handed out next.
    #[inline]
    fn settle(&mut self, next: usize) {
        let slot = std::mem::replace(&mut self.changed, next);
        let (before, count) = (self.counts[slot], self.count(slot));
        if before != count {
            self.counts[slot] = count;
            self.groups[slot / GROUP] = self.groups[slot / GROUP] - before + count;
            self.total = self.total - before + count;
        }
        if count == 0 && slot != next {
            self.tables[slot] = None;
        }
    }

    /// Moves all keys out.
    pub fn take(&mut self) -> BySlot {
        let resizing = self.resizing;
        std::mem::replace(self, BySlot { resizing, ..BySlot::new(self.hasher) })
    }

    /// See [`super::Dict::set_resizing`].
    pub fn set_resizing(&mut self, allowed: bool) {
        self.resizing = allowed;
        self.tables.iter_mut().flatten().for_each(|table| table.set_resizing(allowed));
    }

    /// The first slot, from one on, that has keys.
    fn next_filled(&self, from: usize) -> Option<usize> {
        let mut slot = from;
        while slot < SLOTS {
            match slot.is_multiple_of(GROUP) && self.counted_group(slot / GROUP) == 0 {
                true => slot += GROUP,
                false if self.counted(slot) > 0 => return Some(slot),
                false => slot += 1,
            }
        }
        None
    }

    /// All slots that have keys, in order, with how many.
    pub fn filled(&self) -> impl Iterator<Item = (usize, &KeyTable)> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let slot = self.next_filled(from)?;
            from = slot + 1;
            Some((slot, self.table(slot)?))
        })
    }

    /// See [`super::Dict::scan`]: the cursor is that of a slot's table with the slot in its low bits.
    pub fn scan<'a>(&'a self, cursor: u64, only: Option<usize>, emit: impl FnMut(EntryView<'a>)) -> u64 {
        let (mut slot, mut within) = (cursor as usize % SLOTS, cursor >> SLOT_BITS);
        match only {
            Some(only) if slot < only => (slot, within) = (only, 0),
            Some(only) if slot > only => return 0,
            _ => {}
        }
        let within = self.table(slot).map_or(0, |table| table.scan(within, emit));
        match (within, only) {
            (0, Some(_)) => 0,
            (0, None) => self.next_filled(slot + 1).map_or(0, |slot| slot as u64),
            (within, _) => within << SLOT_BITS | slot as u64,
        }
    }

    /// See [`super::Dict::random`].
    pub fn random(&self, random: &mut Random) -> Option<EntryView<'_>> {
        let total = self.len();
        if total == 0 {
            return None;
        }
        let mut number = random.below(total as u64) as usize;
        let mut first = 0;
        while number >= self.counted_group(first / GROUP) {
            number -= self.counted_group(first / GROUP);
            first += GROUP;
        }
        let mut slot = first;
        while number >= self.counted(slot) {
            number -= self.counted(slot);
            slot += 1;
        }
        self.table(slot)?.random(random)
    }

    /// How many keys a slot has, without a look at its table.
    fn counted(&self, slot: usize) -> usize {
        if slot == self.changed { self.count(slot) } else { self.counts[slot] }
    }

    /// How many keys a group of slots has.
    fn counted_group(&self, group: usize) -> usize {
        match self.changed / GROUP == group {
            true => self.groups[group] - self.counts[self.changed] + self.count(self.changed),
            false => self.groups[group],
        }
    }

    /// Asks for the memory of a slot's table.
    #[inline]
    pub fn prefetch_table(&self, slot: usize) {
        if let Some(table) = self.table(slot) {
            prefetch_read::<KeyTable>(table);
        }
    }

    /// Memory of the tables without their entries, in bytes.
    pub fn overhead_bytes(&self) -> usize {
        let of_slots = SLOTS * (size_of::<Option<Box<KeyTable>>>() + size_of::<usize>());
        of_slots + self.filled().map(|(_, table)| size_of::<KeyTable>() + table.overhead_bytes()).sum::<usize>()
    }

    /// See [`super::Dict::statistics`]: those of all tables together.
    pub fn statistics(&self) -> Statistics {
        self.filled().map(|(_, table)| table.statistics()).fold(Statistics::default(), |all, one| Statistics {
            items: all.items + one.items,
            directory_cells: all.directory_cells + one.directory_cells,
            segments: all.segments + one.segments,
            buckets: all.buckets + one.buckets,
            displaced: all.displaced + one.displaced,
            distance_max: all.distance_max.max(one.distance_max),
            segment_items_max: all.segment_items_max.max(one.segment_items_max),
            bytes: all.bytes + one.bytes,
            arena_bytes: all.arena_bytes + one.arena_bytes,
        })
    }
}
