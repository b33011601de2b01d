//! The hash table: segments of cache-line buckets behind a directory, all in the order of hashes.
//!
//! ```text
//! 64-bit hash   | depth bits: segment | 23 bits: position in the segment | the rest |
//! directory     16-byte cells, 2^depth of them; a segment of fewer depth bits stands in several
//! segment       an array of 64-byte buckets (see `segment`); an item is a thin pointer
//! ```
//! A lookup reads a directory cell (the directory is small and stays in cache: 16 bytes for some 1,500 keys), one
//! bucket and one item. Growth is local, as in extendible hashing: a full segment gets a quarter or so more buckets, or
//! above a limit is split in two by one more hash bit, so no insertion waits for more than one segment, however many
//! keys there are. Re-bucketing needs no hash; a split hashes the keys of one segment again. Removal shrinks a
//! segment, and merges it with its buddy when both together are small. The directory doubles for the first split
//! beyond its depth and halves after the last merge. A segment that cannot usefully be split (equal hash bits,
//! which the secret seed denies to strangers) grows beyond the limit instead: slow, but correct.
//!
//! # The scan cursor
//! A cursor is a lower bound of the hashes not yet visited. A call visits the items from there up to the next bound,
//! which it returns; successive calls cover all hashes in ascending order, each once, though the table be resized
//! between them: a key present all the while is visited exactly once.
//!
//! Scripts and clients want small cursors. So bounds are round: a segment of `b` buckets is cut into the greatest power
//! of two of equal ranges that is no greater than `b`, each as wide as one bucket to two. A bound then has few
//! significant bits at the top, and the cursor is the bound with its bits in reverse: a number below that of all
//! buckets together, give or take how evenly they are spread. A bucket that a bound lies in is visited on both sides of
//! it. Slot and tag hold `depth + 23` hash bits, which is enough to compare except at a tie, after a merge; then the
//! item is hashed. Any number is a cursor.
//!
//! # Limits
//! Addresses of items have 48 bits and are multiples of 8. 2^24 directory cells, 2^24 buckets to a segment.

// A table entry is a pointer packed with hash bits: reading it back is beyond the compiler's reach.
#![allow(unsafe_code)]

mod arena;
mod lent;
mod loans;
mod resize;
mod segment;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::util::bytes::equal;
use crate::util::key_hash::HashSeed;
use crate::util::prefetch::prefetch_read;
use crate::util::random::Random;
use arena::Arena;
use segment::{POSITION_BITS, Place, SLOTS, Segment};

/// A segment that must grow while it holds this many items or more is split.
const SPLIT_LIMIT: u32 = 2048;
const RANDOM_TRIES_MAX: u32 = 4096;

/// An owned or borrowed thin pointer that a table can hold.
///
/// # Safety
/// `from_raw` undoes `into_raw`. The pointer is a multiple of 8. `view` and `key_of` may be called for as long as the
/// item is in a table, and `key_of` always gives the same bytes.
pub unsafe trait Packed: Sized {
    /// What a reader of the table is given.
    type Ref<'a>: Copy;

    /// Makes a copy of an item, if tables may share theirs: see [`lent`].
    const COPY: Option<fn(Self::Ref<'_>) -> Self> = None;

    /// The item as an address.
    fn into_raw(self) -> NonNull<u8>;

    /// The item of an address.
    ///
    /// # Safety
    /// The address comes from `into_raw`, and is used once.
    unsafe fn from_raw(raw: NonNull<u8>) -> Self;

    /// The item, borrowed.
    ///
    /// # Safety
    /// The address comes from `into_raw`, and the item lives and is not changed during `'a`.
    unsafe fn view<'a>(raw: NonNull<u8>) -> Self::Ref<'a>;

    /// The key of the item.
    ///
    /// # Safety
    /// As for `view`.
    unsafe fn key_of<'a>(raw: NonNull<u8>) -> &'a [u8];

    /// Asks for the memory that a reader of the item will need first. Any address is fine.
    #[inline(always)]
    fn prefetch(raw: NonNull<u8>) {
        prefetch_read(raw.as_ptr());
    }
}

/// The keyed hash of a table.
pub trait KeyHash: Copy {
    /// The hash of a key: always the same for the same key.
    fn hash_key(&self, key: &[u8]) -> u64;
}

impl KeyHash for HashSeed {
    #[inline]
    fn hash_key(&self, key: &[u8]) -> u64 {
        self.hash(key)
    }
}

/// A hash table of items that carry their keys. Callers hash once, early, and pass the hash to each call.
pub struct Table<T: Packed, H: KeyHash = HashSeed> {
    /// 2^depth cells. The first cell of a segment holds its count; the others may lag behind in that.
    directory: Vec<Segment>,
    depth: u32,
    len: usize,
    hasher: H,
    arena: Arena,
    resizing: bool,
    split_limit: u32,
    /// Segments as deep as the directory.
    deepest: usize,
    /// Buckets of all segments.
    buckets: usize,
    /// An upper bound of buckets per directory cell, for fair sampling; `stale` counts what may have lowered it.
    cell_buckets_max: u32,
    stale: usize,
    owns: PhantomData<T>,
}

// SAFETY: the table owns its segments, and its items as if they were `T`s.
unsafe impl<T: Packed + Send, H: KeyHash + Send> Send for Table<T, H> {}
// SAFETY: nothing is changed through a reference but what items let change through theirs.
unsafe impl<T: Packed + Sync, H: KeyHash + Sync> Sync for Table<T, H> {}

/// Table and segment sizes, for DEBUG HTSTATS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Items in the table.
    pub items: usize,
    /// Cells of the directory.
    pub directory_cells: usize,
    /// Distinct segments, those without memory included.
    pub segments: usize,
    /// Buckets of all segments, seven slots each.
    pub buckets: usize,
    /// Items that do not lie in their home bucket.
    pub displaced: usize,
    /// The furthest that an item lies from home, in buckets.
    pub distance_max: u32,
    /// Items of the fullest segment.
    pub segment_items_max: u32,
    /// Memory of the table without its items, in bytes.
    pub bytes: usize,
    /// Memory set aside for buckets, in use or not.
    pub arena_bytes: usize,
}

impl<T: Packed, H: KeyHash> Table<T, H> {
    /// An empty table; it allocates its first bucket with its first item.
    pub fn new(hasher: H) -> Self {
        Self {
            directory: vec![Segment::empty(0)],
            depth: 0,
            len: 0,
            hasher,
            arena: Arena::new(),
            resizing: true,
            split_limit: SPLIT_LIMIT,
            deepest: 1,
            buckets: 0,
            cell_buckets_max: 0,
            stale: 0,
            owns: PhantomData,
        }
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hash to pass to the other calls.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_key(key)
    }

    /// Whether segments may grow and shrink for comfort. While a forked child shares the memory it is better they do
    /// not; insertion still succeeds, and grows what is all but full.
    pub fn set_resizing(&mut self, allowed: bool) {
        self.resizing = allowed;
    }

    /// The item of a key.
    #[inline(always)]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<T::Ref<'_>> {
        let segment = self.segment(hash);
        let (_, raw) = self.place_of(segment, hash, key)?;
        // SAFETY: the item lives in the table, which is borrowed.
        Some(unsafe { T::view(raw) })
    }

    /// The item of a key, to be changed or removed.
    #[inline(always)]
    pub fn find_mut(&mut self, hash: u64, key: &[u8]) -> Option<SlotMut<'_, T, H>> {
        self.before_change(hash);
        let (place, raw) = self.place_of(self.segment(hash), hash, key)?;
        Some(SlotMut { table: self, hash, place, raw })
    }

    /// The item at an address, found by its hash and without reading it.
    pub fn find_address(&mut self, hash: u64, address: NonNull<u8>) -> Option<SlotMut<'_, T, H>> {
        self.before_change(hash);
        let segment = self.segment(hash);
        let (place, raw) = segment.find(segment.position_of(hash), |raw| raw == address)?;
        Some(SlotMut { table: self, hash, place, raw })
    }

    /// An item of which only the hash and something else is known.
    pub fn find_matching(
        &mut self,
        hash: u64,
        mut accepts: impl FnMut(T::Ref<'_>) -> bool,
    ) -> Option<SlotMut<'_, T, H>> {
        self.before_change(hash);
        let segment = self.segment(hash);
        let (place, raw) = segment.find(segment.position_of(hash), |raw| {
            // SAFETY: the item lives in the table, which is borrowed.
            let (key, view) = unsafe { (T::key_of(raw), T::view(raw)) };
            self.hash(key) == hash && accepts(view)
        })?;
        Some(SlotMut { table: self, hash, place, raw })
    }

    /// The item of a key, or where to put it.
    #[inline(always)]
    pub fn probe(&mut self, hash: u64, key: &[u8]) -> Probe<'_, T, H> {
        self.before_change(hash);
        match self.place_of(self.segment(hash), hash, key) {
            Some((place, raw)) => Probe::Found(SlotMut { table: self, hash, place, raw }),
            None => Probe::Vacant(VacantSlot { table: self, hash }),
        }
    }

    /// Puts in an item whose key is not there yet.
    #[inline]
    pub fn insert_new(&mut self, hash: u64, item: T) -> SlotMut<'_, T, H> {
        let raw = item.into_raw();
        // SAFETY: the item is alive.
        let key = unsafe { T::key_of(raw) };
        debug_assert!(self.find(hash, key).is_none(), "the key is there already");
        self.before_change(hash);
        let mut first = self.first_cell(self.cell(hash));
        while self.is_full(self.directory[first]) {
            self.make_room(hash);
            first = self.first_cell(self.cell(hash));
        }
        let segment = &mut self.directory[first];
        let place = segment.place(segment.position_of(hash), raw);
        segment.count += 1;
        self.len += 1;
        SlotMut { table: self, hash, place, raw }
    }

    /// Asks for the home bucket of a hash.
    #[inline(always)]
    pub fn prefetch_bucket(&self, hash: u64) {
        let segment = self.segment(hash);
        segment.prefetch_bucket(segment.position_of(hash));
    }

    /// Asks for the item of a hash, as far as the home bucket, which should be there by now, tells.
    #[inline(always)]
    pub fn prefetch_item(&self, hash: u64) {
        let segment = self.segment(hash);
        segment.prefetch_item::<T>(segment.position_of(hash));
    }

    /// Calls `emit` for the items of a bucket or two and returns the cursor for the next call; 0 begins and 0 ends.
    ///
    /// An item present from the first call to the last is emitted exactly once, whatever comes, goes or grows
    /// meanwhile.
    pub fn scan<'a>(&'a self, cursor: u64, mut emit: impl FnMut(T::Ref<'a>)) -> u64 {
        let lowest = cursor.reverse_bits();
        let segment = self.segment(lowest);
        let position = segment.position_of(lowest);
        let end = segment.scan_end(position);
        let known_bits = segment.depth() + POSITION_BITS;
        let tie_decides = lowest << known_bits != 0;
        for home in segment.home(position)..=segment.home(end - 1) {
            segment.for_each_of_home(home, |item_position, raw| {
                if !(position..end).contains(&item_position) {
                    return;
                }
                // SAFETY: the item lives in the table, which is borrowed.
                let (view, key) = unsafe { (T::view(raw), T::key_of(raw)) };
                if item_position > position || !tie_decides || self.hash(key) >= lowest {
                    emit(view);
                }
            });
        }
        let segment_start = lowest & !(u64::MAX >> segment.depth());
        // Behind the last hash of all it is 0 again.
        let next = segment_start.wrapping_add(u64::from(end) << (64 - known_bits));
        next.reverse_bits()
    }

    /// Calls `visit` for the items whose hashes agree with `prefix`, which has zeros behind, in the first `bits`: with
    /// the hash, of which at least the first `detail` bits are told, and with the item, whose memory is not touched as
    /// a rule.
    pub fn for_each_with_prefix<'a>(
        &'a self,
        prefix: u64,
        bits: u32,
        detail: u32,
        mut visit: impl FnMut(u64, T::Ref<'a>),
    ) {
        debug_assert!(bits <= detail && detail < 64 && prefix << bits == 0);
        let end = prefix | u64::MAX >> bits;
        let mut lowest = prefix;
        loop {
            let segment = self.segment(lowest);
            let width = u64::MAX >> segment.depth();
            let (start, last) = (lowest & !width, end.min(lowest | width));
            let known_bits = segment.depth() + POSITION_BITS;
            for home in segment.home(segment.position_of(lowest))..=segment.home(segment.position_of(last)) {
                segment.for_each_of_home(home, |position, raw| {
                    let hash = match detail <= known_bits {
                        true => start | u64::from(position) << (64 - known_bits),
                        // SAFETY: the item lives in the table, which is borrowed.
                        false => self.hash(unsafe { T::key_of(raw) }),
                    };
                    if (lowest..=last).contains(&hash) {
                        // SAFETY: as above.
                        visit(hash, unsafe { T::view(raw) });
                    }
                });
            }
            if last == end {
                return;
            }
            lowest = last + 1;
        }
    }

    /// An item chosen at random, each with the same probability.
    ///
    /// (A table that is all but empty after removals with resizing off is the exception: there, after some thousand
    /// tries, the item that follows a random place is taken.)
    pub fn random(&self, random: &mut Random) -> Option<T::Ref<'_>> {
        let (hash, place) = self.random_place(random)?;
        // SAFETY: the item lives in the table, which is borrowed.
        Some(unsafe { T::view(self.segment(hash).raw_at(place)) })
    }

    /// Like [`Table::random`], to be changed or removed.
    pub fn random_mut(&mut self, random: &mut Random) -> Option<SlotMut<'_, T, H>> {
        let (hash, place) = self.random_place(random)?;
        // A copy of the segment has the item in the same place.
        self.before_change(hash);
        let raw = self.segment(hash).raw_at(place);
        Some(SlotMut { table: self, hash, place, raw })
    }

    /// A place chosen at random among those in use, and a hash that leads to its segment.
    fn random_place(&self, random: &mut Random) -> Option<(u64, Place)> {
        if self.is_empty() {
            return None;
        }
        let mut hash = 0;
        for _ in 0..RANDOM_TRIES_MAX {
            // The buckets of a segment are dealt out in turn to its cells. Cells are equally likely, then bucket
            // numbers below a bound that holds for all cells: a number that does not exist is no hit.
            hash = random.next_u64();
            let (cell, segment) = (self.cell(hash), self.segment(hash));
            let spread = self.depth - segment.depth();
            let dealt = random.below(u64::from(self.cell_buckets_max));
            let bucket = dealt << spread | (cell & ((1 << spread) - 1)) as u64;
            if bucket >= u64::from(segment.buckets()) {
                continue;
            }
            let place = Place { bucket: bucket as u32, slot: random.below(u64::from(SLOTS)) as u32 };
            if segment.is_occupied(place) {
                return Some((hash, place));
            }
        }
        let (first, cells) = (self.cell(hash), self.directory.len());
        (0..cells).map(|step| (first + step) % cells).find_map(|cell| {
            let (place, _) = self.directory[cell].next_from(Place::FIRST)?;
            Some((((cell as u64) << 1) << (63 - self.depth), place))
        })
    }

    /// All items, in the order of buckets.
    pub fn iter(&self) -> Iter<'_, T, H> {
        Iter { table: self, cell: 0, place: Place::FIRST }
    }

    /// Moves all items out into a table of their own, which another thread may drop.
    pub fn take(&mut self) -> Self {
        let mut empty = Self::new(self.hasher);
        (empty.resizing, empty.split_limit) = (self.resizing, self.split_limit);
        std::mem::replace(self, empty)
    }

    /// Memory of the table without its items, in bytes.
    pub fn overhead_bytes(&self) -> usize {
        self.directory.capacity() * size_of::<Segment>() + self.buckets * 64
    }

    /// The figures of DEBUG HTSTATS. Reads every bucket.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = Statistics {
            items: self.len,
            directory_cells: self.directory.len(),
            buckets: self.buckets,
            bytes: self.overhead_bytes(),
            arena_bytes: self.arena.bytes(),
            ..Statistics::default()
        };
        for cell in self.first_cells() {
            let segment = self.directory[cell];
            statistics.segments += 1;
            statistics.segment_items_max = statistics.segment_items_max.max(segment.count);
            segment.for_each_distance(|distance| {
                statistics.displaced += usize::from(distance > 0);
                statistics.distance_max = statistics.distance_max.max(distance);
            });
        }
        statistics
    }

    #[inline(always)]
    fn cell(&self, hash: u64) -> usize {
        (hash >> 1 >> (63 - self.depth)) as usize
    }

    /// The segment of a hash. Its count may be out of date.
    #[inline(always)]
    fn segment(&self, hash: u64) -> Segment {
        let cell = self.cell(hash);
        debug_assert!(cell < self.directory.len());
        // SAFETY: there are 2^depth cells, and `cell` has `depth` bits.
        unsafe { *self.directory.get_unchecked(cell) }
    }

    /// The first of the cells that share this cell's segment.
    #[inline(always)]
    fn first_cell(&self, cell: usize) -> usize {
        cell & !(self.cells_of(self.directory[cell]) - 1)
    }

    /// How many cells a segment stands in.
    #[inline(always)]
    fn cells_of(&self, segment: Segment) -> usize {
        1 << (self.depth - segment.depth())
    }

    /// The first cell of each segment.
    fn first_cells(&self) -> impl Iterator<Item = usize> + '_ {
        let mut cell = 0;
        std::iter::from_fn(move || {
            let first = cell;
            cell += self.cells_of(*self.directory.get(first)?);
            Some(first)
        })
    }

    /// Something of this hash may be changed, or come.
    #[inline(always)]
    fn before_change(&mut self, hash: u64) {
        if T::COPY.is_some() && self.segment(hash).is_lent() {
            self.own(hash);
        }
    }

    #[inline(always)]
    fn place_of(&self, segment: Segment, hash: u64, key: &[u8]) -> Option<(Place, NonNull<u8>)> {
        // SAFETY: the item lives in the table, which is borrowed.
        segment.find(segment.position_of(hash), |raw| equal(unsafe { T::key_of(raw) }, key))
    }
}

impl<T: Packed, H: KeyHash> Drop for Table<T, H> {
    fn drop(&mut self) {
        let is_shared = T::COPY.is_some() && self.arena.is_shared();
        let mut cell = 0;
        while let Some(&segment) = self.directory.get(cell) {
            cell += self.cells_of(segment);
            if !is_shared || !segment.give_back(&mut self.arena) {
                // SAFETY: the other cells of the segment are skipped, and nobody reads the table after this.
                unsafe { segment.free_with_items::<T>(&mut self.arena) }
            }
        }
    }
}

/// What [`Table::probe`] finds.
pub enum Probe<'a, T: Packed, H: KeyHash = HashSeed> {
    /// The key is there.
    Found(SlotMut<'a, T, H>),
    /// The key is not there.
    Vacant(VacantSlot<'a, T, H>),
}

/// Leave to insert the key that was not found.
pub struct VacantSlot<'a, T: Packed, H: KeyHash = HashSeed> {
    table: &'a mut Table<T, H>,
    hash: u64,
}

impl<'a, T: Packed, H: KeyHash> VacantSlot<'a, T, H> {
    /// The table.
    #[inline(always)]
    pub fn table(&self) -> &Table<T, H> {
        self.table
    }

    /// Puts in the item of the key that was looked for.
    #[inline]
    pub fn insert(self, item: T) -> SlotMut<'a, T, H> {
        self.table.insert_new(self.hash, item)
    }
}

/// An item in its table, mutably borrowed.
pub struct SlotMut<'a, T: Packed, H: KeyHash = HashSeed> {
    table: &'a mut Table<T, H>,
    hash: u64,
    place: Place,
    /// What lies there.
    raw: NonNull<u8>,
}

impl<'a, T: Packed, H: KeyHash> SlotMut<'a, T, H> {
    /// The table.
    #[inline(always)]
    pub fn table(&self) -> &Table<T, H> {
        self.table
    }

    /// The item as an address; see [`Table::find_address`].
    #[inline(always)]
    pub fn address(&self) -> NonNull<u8> {
        self.raw
    }

    /// The item.
    #[inline(always)]
    pub fn view(&self) -> T::Ref<'_> {
        // SAFETY: the item lives in the table, which is borrowed.
        unsafe { T::view(self.address()) }
    }

    /// The item, for as long as the table was borrowed.
    #[inline(always)]
    pub fn into_view(self) -> T::Ref<'a> {
        // SAFETY: the item lives in the table, which is borrowed for `'a`.
        unsafe { T::view(self.address()) }
    }

    /// Changes the item, which may move to another address but keeps its key.
    #[inline(always)]
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        /// Puts the item back, also when `change` panics: the table never holds an item that is gone.
        struct PutBack<'s, 'a, T: Packed, H: KeyHash> {
            item: Option<T>,
            slot: &'s mut SlotMut<'a, T, H>,
        }
        impl<T: Packed, H: KeyHash> Drop for PutBack<'_, '_, T, H> {
            #[inline(always)]
            fn drop(&mut self) {
                if let Some(item) = self.item.take() {
                    let raw = item.into_raw();
                    if raw != self.slot.raw {
                        self.slot.raw = raw;
                        self.slot.table.segment(self.slot.hash).set_raw(self.slot.place, raw);
                    }
                }
            }
        }
        // SAFETY: the table is mutably borrowed, so nobody reads the item until it is put back.
        let item = Some(unsafe { T::from_raw(self.raw) });
        let mut slot = PutBack { item, slot: self };
        match &mut slot.item {
            Some(item) => change(item),
            None => unreachable!("filled two lines above"),
        }
    }

    /// Takes the item out of the table.
    #[inline]
    pub fn remove(self) -> T {
        let (table, raw) = (self.table, self.raw);
        let first = table.first_cell(table.cell(self.hash));
        table.directory[first].count -= 1;
        table.len -= 1;
        let mut segment = table.directory[first];
        segment.remove(self.place);
        if table.is_sparse(segment) && table.resizing {
            table.shrink(self.hash);
        }
        // SAFETY: the table has forgotten the item.
        unsafe { T::from_raw(raw) }
    }
}

/// All items of a table; see [`Table::iter`].
pub struct Iter<'a, T: Packed, H: KeyHash> {
    table: &'a Table<T, H>,
    cell: usize,
    place: Place,
}

impl<'a, T: Packed, H: KeyHash> Iterator for Iter<'a, T, H> {
    type Item = T::Ref<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let segment = *self.table.directory.get(self.cell)?;
            if let Some((place, raw)) = segment.next_from(self.place) {
                self.place = Place { bucket: place.bucket, slot: place.slot + 1 };
                // SAFETY: the item lives in the table, which is borrowed.
                return Some(unsafe { T::view(raw) });
            }
            self.cell += self.table.cells_of(segment);
            self.place = Place::FIRST;
        }
    }
}
