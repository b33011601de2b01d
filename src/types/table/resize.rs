//! How the table grows and shrinks: one segment at a time.
//!
//! Thresholds lie apart, so that a table that stays about as large as it is does not go to and fro. A segment grows at
//! 29/32 load by about a quarter and shrinks at 3/8 of that to about 3/4 load. One that holds the split limit is split
//! when it must grow; two buddies merge, when one of them shrinks, if they hold half the limit together.
//!
//! Keys may come in the order of their hashes: whoever reads another table of the same seed sends them so. Then those
//! that came first would crowd at one end of a segment, far more than its buckets there can hold. So a segment of which
//! only one half is in use is split long before the limit.

use super::arena::{SMALL_MAX, UNIT};
use super::segment::{POSITION_BITS, SLOTS, Segment};
use super::{KeyHash, Packed, Table};

const DEPTH_MAX: u32 = 24;
/// The directory doubles only while there are that many times fewer cells than items per segment at the limit.
const SPARSE_MAX: usize = 16;
/// A segment with this part of the limit is split if only one half of it is in use.
const LOPSIDED_SHARE: u32 = 8;

impl<T: Packed, H: KeyHash> Table<T, H> {
    /// Whether a segment, with its count, must grow before something is put in.
    #[inline(always)]
    pub(super) fn is_full(&self, segment: Segment) -> bool {
        segment.count >= Segment::comfortable(segment.buckets())
            && (self.resizing || segment.count >= Segment::critical(segment.buckets()))
    }

    /// Makes room for so many items in a table that has none yet, so that putting them in need not make it bit by bit.
    pub fn reserve(&mut self, items: usize) {
        let wanted = self.split_limit as usize * 3 / 4;
        if !self.is_empty() || self.depth > 0 || items < wanted {
            return;
        }
        let depth = (items / wanted).next_power_of_two().ilog2().min(DEPTH_MAX);
        // Hashes spread by chance: a few standard deviations more come to some segments.
        let each = (items >> depth) as u32;
        let buckets = buckets_for(each, 4 * each.isqrt());
        let old = self.directory[0];
        self.depth = depth;
        self.directory = (0..1 << depth).map(|_| Segment::with_buckets(&mut self.arena, buckets, depth)).collect();
        self.deepest = self.directory.len();
        self.cell_buckets_max = buckets;
        self.buckets += buckets as usize * self.directory.len();
        self.free(old);
    }

    #[cold]
    pub(super) fn make_room(&mut self, hash: u64) {
        let first = self.first_cell(self.cell(hash));
        let segment = self.directory[first];
        let is_due = segment.count >= self.split_limit
            || segment.count >= self.split_limit / LOPSIDED_SHARE && segment.is_lopsided();
        if is_due && self.may_split(segment) {
            self.split(hash);
        } else {
            self.rebuild(first, ladder(segment.buckets() + 1 + segment.buckets() / 5));
        }
    }

    fn may_split(&self, segment: Segment) -> bool {
        let sparse = self.len / (self.split_limit as usize / SPARSE_MAX).max(1);
        segment.depth() < DEPTH_MAX && (segment.depth() < self.depth || self.directory.len() * 2 <= sparse)
    }

    /// Gives a segment another number of buckets.
    fn rebuild(&mut self, first: usize, buckets: u32) {
        let old = self.directory[first];
        let new = Segment::with_buckets(&mut self.arena, buckets, old.depth()).with_items_of(old);
        self.buckets += buckets as usize;
        self.set_segment(first, new);
        self.free(old);
    }

    /// Divides the segment of a hash by one more hash bit.
    fn split(&mut self, hash: u64) {
        if self.segment(hash).depth() == self.depth {
            self.double_directory();
        }
        let first = self.first_cell(self.cell(hash));
        let old = self.directory[first];
        let depth = old.depth() + 1;
        let mut high_count = 0;
        old.for_each(|position, _| high_count += position >> (POSITION_BITS - 1));
        let mut halves = [old.count - high_count, high_count].map(|count| {
            let mut half = Segment::with_buckets(&mut self.arena, buckets_for(count, count / 16), depth);
            half.count = count;
            half
        });
        old.for_each_prefetched(|position, raw| {
            let half = &mut halves[(position >> (POSITION_BITS - 1)) as usize];
            // SAFETY: the item lives in the table.
            let hash = self.hasher.hash_key(unsafe { T::key_of(raw) });
            half.place(half.position_of(hash), raw);
        });
        let [low, high] = halves;
        self.buckets += (low.buckets() + high.buckets()) as usize;
        if depth == self.depth {
            self.deepest += 2;
        }
        self.set_segment(first, low);
        self.set_segment(first + self.cells_of(low), high);
        self.free(old);
    }

    fn double_directory(&mut self) {
        self.directory = self.directory.iter().flat_map(|&segment| [segment; 2]).collect();
        self.depth += 1;
        self.deepest = 0;
        self.cell_buckets_max = self.cell_buckets_max.div_ceil(2);
    }

    pub(super) fn set_segment(&mut self, first: usize, segment: Segment) {
        let cells = self.cells_of(segment);
        self.directory[first..first + cells].fill(segment);
        self.cell_buckets_max = self.cell_buckets_max.max(segment.buckets().div_ceil(cells as u32));
    }

    /// Frees buckets that no cell refers to any more.
    fn free(&mut self, segment: Segment) {
        self.buckets -= segment.buckets() as usize;
        debug_assert!(!segment.is_lent() || segment.count == 0);
        if !segment.is_lent() || !segment.give_back(&mut self.arena) {
            // SAFETY: callers have put other segments into all cells of this one, and other tables do not have it.
            unsafe { segment.free(&mut self.arena) }
        }
    }

    #[inline(always)]
    pub(super) fn is_sparse(&self, segment: Segment) -> bool {
        match segment.buckets() {
            // One bucket is kept while it is the only segment, so that a lone key may come and go cheaply.
            0 | 1 => segment.count == 0 && segment.depth() > 0,
            buckets => segment.count * 8 < Segment::comfortable(buckets) * 3,
        }
    }

    #[cold]
    pub(super) fn shrink(&mut self, hash: u64) {
        while self.merge(hash) {}
        let first = self.first_cell(self.cell(hash));
        let segment = self.directory[first];
        let buckets = buckets_for(segment.count, segment.count / 4);
        if buckets < segment.buckets() {
            self.rebuild(first, buckets);
        }
        while self.deepest == 0 && self.depth > 0 {
            self.halve_directory();
        }
        self.stale += 1;
        if self.stale > self.directory.len() {
            self.measure_cells();
        }
    }

    /// Joins the segment of a hash and its buddy if they are small together.
    fn merge(&mut self, hash: u64) -> bool {
        let first = self.first_cell(self.cell(hash));
        let depth = self.directory[first].depth();
        if depth == 0 {
            return false;
        }
        let bit = self.cells_of(self.directory[first]);
        let (low_cell, high_cell) = (first & !bit, first | bit);
        let (low, high) = (self.directory[low_cell], self.directory[high_cell]);
        let count = low.count + high.count;
        if low.depth() != high.depth() || count > self.split_limit / 2 || low.is_lent() || high.is_lent() {
            return false;
        }
        let mut whole = Segment::with_buckets(&mut self.arena, buckets_for(count, count / 4), depth - 1);
        whole.count = count;
        low.for_each(|position, raw| _ = whole.place(position >> 1, raw));
        high.for_each(|position, raw| _ = whole.place(1 << (POSITION_BITS - 1) | position >> 1, raw));
        if depth == self.depth {
            self.deepest -= 2;
        }
        self.buckets += whole.buckets() as usize;
        self.set_segment(low_cell, whole);
        self.free(low);
        self.free(high);
        true
    }

    fn halve_directory(&mut self) {
        self.directory = self.directory.iter().step_by(2).copied().collect();
        self.depth -= 1;
        self.deepest = self.first_cells().filter(|&cell| self.directory[cell].depth() == self.depth).count();
        self.measure_cells();
    }

    fn measure_cells(&mut self) {
        let each = self.directory.iter().map(|&segment| segment.buckets().div_ceil(self.cells_of(segment) as u32));
        self.cell_buckets_max = each.max().unwrap_or(0);
        self.stale = 0;
    }
}

/// The least number of buckets, not below `buckets`, that fills its memory: a size class of the allocator, of which
/// there are four to each doubling, or units of the arena. In both cases the last line stays unused: the allocator
/// takes it to align the rest, and the number of buckets becomes odd (see `Segment::steps`).
pub(super) fn ladder(buckets: u32) -> u32 {
    const UNIT_LINES: u32 = UNIT as u32 / 64;
    const SMALL_LINES_MAX: u32 = SMALL_MAX as u32 / 64;
    let lines = buckets + 1;
    if buckets <= 1 || lines <= 8 {
        return buckets;
    }
    let step = 1 << ((lines - 1).ilog2() - 2);
    let step = if lines <= SMALL_LINES_MAX { step } else { UNIT_LINES };
    lines.next_multiple_of(step) - 1
}

/// Buckets for a segment of `count` items that has room for at least `spare` more, and one, before it is full.
pub(super) fn buckets_for(count: u32, spare: u32) -> u32 {
    if count == 0 {
        return 0;
    }
    let wanted = count + spare.max(1);
    let mut buckets = ladder(wanted.div_ceil(SLOTS));
    while Segment::comfortable(buckets) < wanted {
        buckets = ladder(buckets + 1);
    }
    buckets
}
