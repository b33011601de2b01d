//! Segments that several tables have.
//!
//! A copy of a table, for a snapshot or by COPY, has the segments of the original, and so the items in them. Each table
//! has a directory and counts of its own. Before something in a segment is changed that other tables may have, too, the
//! table that changes it makes a copy of it with all its items; so a change waits for some thousand items at most,
//! however many there are. Items that cannot be copied ([`Packed::COPY`]) are not shared, and their tables pay nothing.
//!
//! ```text
//! table A, directory   | 0 | 1 lent | 2 lent | 3 |      3 was changed in A, 0 in both: they own these
//! table B, directory   | 0 | 1 lent | 2 lent | 3 |      B is the last that has the old 3, and may take it
//! loans                  1: 2 tables, 2: 2 tables
//! ```
//! What is lent is marked in the directory, where a change looks anyway. The mark says that others may have the segment:
//! [`Loans`](super::loans::Loans), which all these tables have in common, knows whether they still do. The original is
//! read by others while it is copied, so nothing is marked in its directory before it is changed itself
//! ([`Share::told`]).
//!
//! Whoever is the last to have a segment frees it with its items, on whichever thread that is.

// Addresses of items are made items again.
#![allow(unsafe_code)]

use super::segment::Segment;
use super::{KeyHash, Packed, Table};
use crate::types::sharing::{Share, Told};

impl<T: Packed, H: KeyHash> Share for Table<T, H> {
    fn copy(&self, _: &Told) -> Self {
        const { assert!(T::COPY.is_some(), "items that tables may share") };
        let segments = self.first_cells().map(|cell| self.directory[cell]);
        let lent: Vec<_> = segments.filter(|segment| segment.buckets() > 0).map(Segment::array).collect();
        Self {
            directory: self.directory.iter().map(|segment| segment.lent()).collect(),
            arena: self.arena.lend(&lent),
            ..*self
        }
    }

    fn told(&mut self) {
        if self.arena.is_shared() {
            self.directory.iter_mut().for_each(|segment| *segment = segment.lent());
        }
    }
}

impl<T: Packed, H: KeyHash> Table<T, H> {
    /// Has the segment of a hash be this table's alone: takes it if nobody else has it, or else a copy.
    #[cold]
    #[inline(never)]
    pub(super) fn own(&mut self, hash: u64) {
        let Some(copy) = T::COPY else { unreachable!("only such items are lent") };
        let first = self.first_cell(self.cell(hash));
        let segment = self.directory[first];
        if !self.arena.is_lent(segment.array()) {
            return self.set_segment(first, segment.not_lent());
        }
        // SAFETY: the items live in the segment, which this table has until it gives it back.
        let owned = segment.copied(&mut self.arena, |raw| copy(unsafe { T::view(raw) }).into_raw());
        self.set_segment(first, owned);
        if !segment.give_back(&mut self.arena) {
            // SAFETY: all cells have the copy now, and whoever else had the segment gave it back meanwhile.
            unsafe { segment.free_with_items::<T>(&mut self.arena) }
        }
    }
}
