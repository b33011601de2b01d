//! One segment: an array of buckets, each a cache line.
//!
//! ```text
//! bucket, 64 bytes   | slot 0 | slot 1 | … | slot 6 | meta |
//! slot, 64 bits      | high 16 of the position | 48 bits of the item's address |
//! meta, 64 bits      | overflow counter | tag 6 | … | tag 1 | tag 0 |
//! tag, 8 bits        | 1 = occupied | low 7 of the position |
//! ```
//! The *position* of an item is the 23 hash bits below those that chose the segment. Slot and tag together hold
//! all of it, so a segment is re-bucketed without touching an item, and a lookup touches an item only when all 23
//! bits agree. The home bucket is `position * buckets >> 23`: it keeps the order of hashes and allows any number
//! of buckets.
//!
//! An item whose home is full goes on by the steps of its position to a bucket with room (the last is followed by the
//! first), and every full bucket it passes counts it in its overflow counter. So a lookup stops at the first bucket
//! whose counter is 0, and removal leaves no tombstone. A counter that has reached 255 no longer counts and stays there
//! until the segment is rebuilt: lookups then walk further than they need, never less far.

use std::ptr::NonNull;

use super::Packed;
use super::arena::Arena;
use crate::util::prefetch::prefetch_read;

/// Slots in a bucket.
pub const SLOTS: u32 = 7;
/// Hash bits of a position.
pub const POSITION_BITS: u32 = 23;

const TAG_BITS: u32 = 7;
const TAG_PRESENT: u64 = 0x80;
const ADDRESS_BITS: u32 = 48;
const ADDRESS_MASK: u64 = (1 << ADDRESS_BITS) - 1;
const BUCKETS_MAX: u32 = (1 << 24) - 1;
/// Where a shape has the depth: those bits of a number of bits to shift by that the processor looks at.
const DEPTH_MASK: u32 = 0x3f;
/// The bit of a shape that says that other tables may have the segment.
const LENT: u32 = 0x80;
const OVERFLOW_MAX: u64 = 255;
const OVERFLOW_SHIFT: u32 = 56;
/// How far ahead a walk asks for the memory of items.
const BUCKETS_AHEAD: u32 = 2;
/// How many items one removal pulls nearer to their homes at most.
const PULLS_MAX: u32 = 8;

/// The top bit of each of the seven tags.
const OCCUPIED: u64 = 0x0080_8080_8080_8080;
/// A one in each of the seven tags.
const EACH_TAG: u64 = 0x0001_0101_0101_0101;

/// Seven slots and, last, the meta word. `repr(C)`: 64 zero bytes are an empty bucket.
#[repr(C, align(64))]
struct Bucket([u64; 8]);

static EMPTY_BUCKET: Bucket = Bucket([0; 8]);

impl Bucket {
    #[inline(always)]
    fn word(&self, slot: u32) -> u64 {
        self.0[(slot & 7) as usize]
    }

    #[inline(always)]
    fn meta(&self) -> u64 {
        self.0[SLOTS as usize]
    }

    /// One bit, the top one of its tag, for every slot in use.
    #[inline(always)]
    fn occupied(&self) -> u64 {
        self.meta() & OCCUPIED
    }

    /// One bit, the top one of its tag, for every slot whose tag is that of `position`.
    #[inline(always)]
    fn tagged(&self, position: u32) -> u64 {
        let differing = self.meta() ^ (tag(position) * EACH_TAG);
        // A byte is zero exactly when neither its low seven bits, carried into the top one, nor the top one is set.
        !(((differing & !OCCUPIED) + (OCCUPIED - EACH_TAG)) | differing) & OCCUPIED
    }

    #[inline(always)]
    fn overflow(&self) -> u64 {
        self.meta() >> OVERFLOW_SHIFT
    }

    fn count_passing(&mut self) {
        if self.overflow() < OVERFLOW_MAX {
            self.0[SLOTS as usize] += 1 << OVERFLOW_SHIFT;
        }
    }

    fn uncount_passing(&mut self) {
        if self.overflow() < OVERFLOW_MAX {
            debug_assert!(self.overflow() > 0);
            self.0[SLOTS as usize] -= 1 << OVERFLOW_SHIFT;
        }
    }

    #[inline(always)]
    fn fill(&mut self, slot: u32, position: u32, raw: NonNull<u8>) {
        self.fill_with(slot, word_of(position, raw), tag(position));
    }

    /// [`Bucket::fill`] with word and tag of an item.
    #[inline(always)]
    fn fill_with(&mut self, slot: u32, word: u64, tag: u64) {
        self.0[(slot & 7) as usize] = word;
        self.0[SLOTS as usize] |= tag << (slot * 8);
    }

    fn vacate(&mut self, slot: u32) {
        self.0[SLOTS as usize] &= !(0xff << (slot * 8));
    }

    #[inline(always)]
    fn raw(&self, slot: u32) -> NonNull<u8> {
        let address = (self.word(slot) & ADDRESS_MASK) as usize;
        // SAFETY: only occupied slots are asked for, and `fill` put the address of a `NonNull` there.
        unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(address)) }
    }

    #[inline(always)]
    fn position(&self, slot: u32) -> u32 {
        position_of(self.word(slot), self.meta() >> (slot * 8))
    }

    /// The first item with all bits of `position` that `accepts` says yes to.
    #[inline(always)]
    fn find(&self, position: u32, accepts: &mut impl FnMut(NonNull<u8>) -> bool) -> Option<(u32, NonNull<u8>)> {
        let high = u64::from(position >> TAG_BITS);
        let mut tagged = self.tagged(position);
        while tagged != 0 {
            let slot = slot_of(tagged);
            if self.word(slot) >> ADDRESS_BITS == high {
                let raw = self.raw(slot);
                if accepts(raw) {
                    return Some((slot, raw));
                }
            }
            tagged &= tagged - 1;
        }
        None
    }

    /// The slots in use.
    #[inline(always)]
    fn slots(&self) -> impl Iterator<Item = u32> + use<> {
        let mut occupied = self.occupied();
        std::iter::from_fn(move || {
            let slot = (occupied != 0).then(|| slot_of(occupied))?;
            occupied &= occupied - 1;
            Some(slot)
        })
    }
}

fn bytes(buckets: u32) -> usize {
    buckets as usize * size_of::<Bucket>()
}

/// What a slot has for an item.
#[inline(always)]
fn word_of(position: u32, raw: NonNull<u8>) -> u64 {
    let address = raw.as_ptr().expose_provenance() as u64;
    assert!(address & !ADDRESS_MASK == 0, "an address of more than 48 bits");
    debug_assert!(address.is_multiple_of(8));
    address | u64::from(position >> TAG_BITS) << ADDRESS_BITS
}

/// The position of an item, of its word and its tag. What stands above the tag does not count.
#[inline(always)]
fn position_of(word: u64, tag: u64) -> u32 {
    let high = (word >> ADDRESS_BITS) as u32;
    high << TAG_BITS | tag as u32 & ((1 << TAG_BITS) - 1)
}

#[inline(always)]
fn tag(position: u32) -> u64 {
    TAG_PRESENT | u64::from(position) & (TAG_PRESENT - 1)
}

/// The slot of the lowest bit in a mask of tags.
#[inline(always)]
fn slot_of(mask: u64) -> u32 {
    mask.trailing_zeros() / 8
}

/// Where in its segment an item lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub bucket: u32,
    pub slot: u32,
}

impl Place {
    /// Where a walk through a segment begins.
    pub const FIRST: Self = Self { bucket: 0, slot: 0 };
}

/// A handle to an array of buckets; 16 bytes, so that four share a cache line of the directory.
///
/// Handles are copied freely within the directory of one table. All of them point to live buckets: whoever calls
/// the unsafe [`Segment::free`] has replaced every other copy first. On this rest the SAFETY comments below.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    buckets: NonNull<Bucket>,
    /// Items held. Only the copy in the first directory cell of a segment is kept up to date.
    pub count: u32,
    /// Number of buckets, above a bit for what is lent, an unused one, and 6 bits of depth.
    shape: u32,
}

impl Segment {
    /// A segment that owns no memory and has no room; lookups in it find nothing.
    pub const fn empty(depth: u32) -> Self {
        // SAFETY: the address of a static is not null. It is only read: there is no item and no room here.
        let buckets = unsafe { NonNull::new_unchecked((&raw const EMPTY_BUCKET).cast_mut()) };
        Self { buckets, count: 0, shape: depth }
    }

    /// A segment of `buckets` empty buckets.
    pub fn with_buckets(arena: &mut Arena, buckets: u32, depth: u32) -> Self {
        assert!(buckets <= BUCKETS_MAX);
        if buckets == 0 {
            return Self::empty(depth);
        }
        let memory = arena.allocate_zeroed(bytes(buckets));
        Self { buckets: memory.cast(), count: 0, shape: buckets << 8 | depth }
    }

    /// Gives the buckets back.
    ///
    /// # Safety
    /// They come from this arena, and no copy of this handle is used afterwards.
    pub unsafe fn free(self, arena: &mut Arena) {
        if self.buckets() > 0 {
            // SAFETY: allocated by `with_buckets` with this size; nobody uses them any more.
            unsafe { arena.free(self.buckets.cast(), bytes(self.buckets())) }
        }
    }

    /// Gives the buckets back, and drops all items.
    ///
    /// # Safety
    /// As for `free`; the items are those of a table of `T`s, and nobody else has them.
    pub unsafe fn free_with_items<T: Packed>(self, arena: &mut Arena) {
        if std::mem::needs_drop::<T>() {
            // SAFETY: each item is visited once, and nobody reads the segment after this.
            self.for_each_prefetched(|_, raw| drop(unsafe { T::from_raw(raw) }));
        }
        // SAFETY: by contract.
        unsafe { self.free(arena) }
    }

    /// How many hash bits, from the top, all items of this segment share.
    #[inline(always)]
    pub fn depth(self) -> u32 {
        self.shape & DEPTH_MASK
    }

    /// Whether other tables may have the segment, too: see [`super::lent`].
    #[inline(always)]
    pub fn is_lent(self) -> bool {
        self.shape & LENT != 0
    }

    /// The segment, which others may have, too. One without memory is everybody's anyway.
    pub fn lent(self) -> Self {
        let lent = if self.buckets() > 0 { LENT } else { 0 };
        Self { shape: self.shape | lent, ..self }
    }

    /// The segment, which nobody else has.
    pub fn not_lent(self) -> Self {
        Self { shape: self.shape & !LENT, ..self }
    }

    /// Where its buckets are.
    pub fn array(self) -> NonNull<u8> {
        self.buckets.cast()
    }

    /// Forgets the buckets if other tables have them, too.
    pub fn give_back(self, arena: &mut Arena) -> bool {
        self.buckets() > 0 && arena.give_back(self.array(), bytes(self.buckets()))
    }

    /// The number of buckets; 0 for a segment without memory.
    #[inline(always)]
    pub fn buckets(self) -> u32 {
        self.shape >> 8
    }

    /// The items this many buckets hold before the segment should grow: 29/32 of the slots, all seven of one bucket.
    #[inline(always)]
    pub fn comfortable(buckets: u32) -> u32 {
        buckets * SLOTS - buckets * SLOTS * 3 / 32
    }

    /// The items this many buckets hold before growth cannot be put off: 31/32 of the slots.
    pub fn critical(buckets: u32) -> u32 {
        buckets * SLOTS - buckets * SLOTS / 32
    }

    /// The position of a hash in this segment.
    #[inline(always)]
    pub fn position_of(self, hash: u64) -> u32 {
        ((hash << self.depth()) >> (64 - POSITION_BITS)) as u32
    }

    /// The home bucket of a position.
    #[inline(always)]
    pub fn home(self, position: u32) -> u32 {
        ((u64::from(position) * u64::from(self.buckets())) >> POSITION_BITS) as u32
    }

    /// The end of the range of positions that `position` is scanned with: see the module of the table.
    pub fn scan_end(self, position: u32) -> u32 {
        let ranges_log2 = self.buckets().max(1).ilog2().min(POSITION_BITS);
        let width = 1 << (POSITION_BITS - ranges_log2);
        (position & !(width - 1)) + width
    }

    #[inline(always)]
    fn bucket(&self, index: u32) -> &Bucket {
        debug_assert!(index < self.buckets().max(1));
        // SAFETY: below the number of buckets, or 0 and the bucket is the static empty one.
        unsafe { self.buckets.add(index as usize).as_ref() }
    }

    #[inline(always)]
    fn bucket_mut(&mut self, index: u32) -> &mut Bucket {
        debug_assert!(index < self.buckets());
        // SAFETY: below the number of buckets, which is not 0 as there is an item or room for one; the table is
        // borrowed mutably, and other copies of the handle are not in use.
        unsafe { self.buckets.add(index as usize).as_mut() }
    }

    /// How far from bucket to bucket items of a position go that find no room. The low bits of the position decide,
    /// which have no part in the home: else crowded buckets side by side would grow into long runs.
    #[inline(always)]
    fn step(&self, position: u32) -> u32 {
        self.steps()[(position & 3) as usize]
    }

    /// The steps there are. Powers of two have no factor in common with an odd number of buckets, and from 9 up the
    /// ladder has odd numbers only: so each step leads through all buckets.
    #[inline(always)]
    fn steps(&self) -> [u32; 4] {
        match self.buckets() {
            0..9 => [1; 4],
            9..65 => [1, 2, 4, 8],
            _ => [1, 4, 16, 64],
        }
    }

    #[inline(always)]
    fn after(&self, bucket: u32, step: u32) -> u32 {
        let next = bucket + step;
        if next >= self.buckets() { next - self.buckets() } else { next }
    }

    /// The first item at `position` that `accepts` says yes to, and where it lies. Most lie in their home bucket.
    #[inline(always)]
    pub fn find(&self, position: u32, mut accepts: impl FnMut(NonNull<u8>) -> bool) -> Option<(Place, NonNull<u8>)> {
        let home = self.home(position);
        let bucket = self.bucket(home);
        if let Some((slot, raw)) = bucket.find(position, &mut accepts) {
            return Some((Place { bucket: home, slot }, raw));
        }
        if bucket.overflow() == 0 { None } else { self.find_further(position, home, accepts) }
    }

    /// [`Segment::find`] behind the home bucket.
    #[inline(never)]
    fn find_further(
        &self,
        position: u32,
        home: u32,
        mut accepts: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<(Place, NonNull<u8>)> {
        let step = self.step(position);
        let mut index = home;
        loop {
            index = self.after(index, step);
            if index == home {
                return None;
            }
            let bucket = self.bucket(index);
            if let Some((slot, raw)) = bucket.find(position, &mut accepts) {
                return Some((Place { bucket: index, slot }, raw));
            }
            if bucket.overflow() == 0 {
                return None;
            }
        }
    }

    /// Every item whose home is `home`, wherever it lies, with its position.
    pub fn for_each_of_home(&self, home: u32, mut visit: impl FnMut(u32, NonNull<u8>)) {
        self.for_each_at(home, |position, raw| {
            if self.home(position) == home {
                visit(position, raw);
            }
        });
        let steps = self.steps();
        for (nth, &step) in steps.iter().enumerate() {
            if steps[..nth].contains(&step) {
                continue;
            }
            let mut index = home;
            while self.bucket(index).overflow() > 0 {
                index = self.after(index, step);
                if index == home {
                    break;
                }
                self.for_each_at(index, |position, raw| {
                    if self.home(position) == home && self.step(position) == step {
                        visit(position, raw);
                    }
                });
            }
        }
    }

    fn for_each_at(&self, index: u32, mut visit: impl FnMut(u32, NonNull<u8>)) {
        let bucket = self.bucket(index);
        for slot in bucket.slots() {
            visit(bucket.position(slot), bucket.raw(slot));
        }
    }

    /// Puts an item in. There is room: fewer than all slots are in use. The count is the caller's.
    #[inline]
    pub fn place(&mut self, position: u32, raw: NonNull<u8>) -> Place {
        self.place_word(position, word_of(position, raw), tag(position))
    }

    /// This segment, which is empty and large enough, with all items of another of the same depth. Most of what a table
    /// does to grow is done here, so items go from slot to slot as the words they are.
    pub fn with_items_of(mut self, other: Segment) -> Self {
        for index in 0..other.buckets() {
            let bucket = other.bucket(index);
            let mut tags = bucket.meta();
            for slot in 0..SLOTS {
                let (word, tag) = (bucket.word(slot), tags & 0xff);
                tags >>= 8;
                if tag != 0 {
                    self.place_word(position_of(word, tag), word, tag);
                }
            }
        }
        self.count = other.count;
        self
    }

    #[inline(always)]
    fn place_word(&mut self, position: u32, word: u64, tag: u64) -> Place {
        let mut index = self.home(position);
        loop {
            let bucket = self.bucket_mut(index);
            let vacant = bucket.occupied() ^ OCCUPIED;
            if vacant != 0 {
                let slot = slot_of(vacant);
                bucket.fill_with(slot, word, tag);
                return Place { bucket: index, slot };
            }
            bucket.count_passing();
            index = self.after(index, self.step(position));
        }
    }

    /// Takes an item out. The count is the caller's.
    ///
    /// Items that had to pass this place move up, so that probes stay short however often keys come and go.
    pub fn remove(&mut self, place: Place) {
        let position = self.bucket(place.bucket).position(place.slot);
        let mut index = self.home(position);
        while index != place.bucket {
            self.bucket_mut(index).uncount_passing();
            index = self.after(index, self.step(position));
        }
        self.bucket_mut(place.bucket).vacate(place.slot);
        let mut hole = place;
        for _ in 0..PULLS_MAX {
            if self.bucket(hole.bucket).overflow() == 0 {
                return;
            }
            let Some((guest, position, raw)) = self.guest_past(hole.bucket) else {
                return;
            };
            self.bucket_mut(guest.bucket).vacate(guest.slot);
            let bucket = self.bucket_mut(hole.bucket);
            bucket.fill(hole.slot, position, raw);
            bucket.uncount_passing();
            hole = guest;
        }
    }

    /// An item one step beyond `passed` that came from there.
    fn guest_past(&self, passed: u32) -> Option<(Place, u32, NonNull<u8>)> {
        self.steps().into_iter().find_map(|step| {
            let next = self.after(passed, step);
            let bucket = self.bucket(next);
            bucket.slots().find_map(|slot| {
                let position = bucket.position(slot);
                let came = next != passed && self.home(position) != next && self.step(position) == step;
                came.then(|| (Place { bucket: next, slot }, position, bucket.raw(slot)))
            })
        })
    }

    /// The item at an occupied place.
    #[inline(always)]
    pub fn raw_at(&self, place: Place) -> NonNull<u8> {
        self.bucket(place.bucket).raw(place.slot)
    }

    /// Whether there is an item at a place.
    pub fn is_occupied(&self, place: Place) -> bool {
        self.bucket(place.bucket).occupied() >> (place.slot * 8) & 0xff != 0
    }

    /// Replaces the item at an occupied place by one of the same hash.
    #[inline]
    pub fn set_raw(&mut self, place: Place, raw: NonNull<u8>) {
        let bucket = self.bucket_mut(place.bucket);
        let position = bucket.position(place.slot);
        bucket.fill(place.slot, position, raw);
    }

    /// The first item from `place` on, and its place. Where a bucket begins, the memory of items further on is asked for.
    pub fn next_from(&self, place: Place) -> Option<(Place, NonNull<u8>)> {
        let mut slot = place.slot;
        for index in place.bucket..self.buckets() {
            if slot == 0 {
                self.prefetch_items(index + BUCKETS_AHEAD);
            }
            let bucket = self.bucket(index);
            let rest = bucket.occupied() & u64::MAX << (slot * 8);
            if rest != 0 {
                let slot = slot_of(rest);
                return Some((Place { bucket: index, slot }, bucket.raw(slot)));
            }
            slot = 0;
        }
        None
    }

    /// Calls `visit` with position and item, in the order of buckets.
    pub fn for_each(&self, mut visit: impl FnMut(u32, NonNull<u8>)) {
        for index in 0..self.buckets() {
            let bucket = self.bucket(index);
            for slot in bucket.slots() {
                visit(bucket.position(slot), bucket.raw(slot));
            }
        }
    }

    /// Like [`Segment::for_each`] for visitors that will read the items: their memory is asked for ahead.
    pub fn for_each_prefetched(&self, mut visit: impl FnMut(u32, NonNull<u8>)) {
        self.for_each_bucket_prefetched(|_, bucket| {
            bucket.slots().for_each(|slot| visit(bucket.position(slot), bucket.raw(slot)));
        });
    }

    fn for_each_bucket_prefetched(&self, mut visit: impl FnMut(u32, &Bucket)) {
        (0..BUCKETS_AHEAD).for_each(|index| self.prefetch_items(index));
        for index in 0..self.buckets() {
            self.prefetch_items(index + BUCKETS_AHEAD);
            visit(index, self.bucket(index));
        }
    }

    /// Asks for all items of a bucket, if there is one.
    #[inline]
    fn prefetch_items(&self, index: u32) {
        if index < self.buckets() {
            let bucket = self.bucket(index);
            bucket.slots().for_each(|slot| prefetch_read(bucket.raw(slot).as_ptr()));
        }
    }

    /// A segment of the same shape with what `copy` makes of each item in its place: items of the same keys.
    pub fn copied(&self, arena: &mut Arena, mut copy: impl FnMut(NonNull<u8>) -> NonNull<u8>) -> Self {
        let mut copied = Self { count: self.count, ..Self::with_buckets(arena, self.buckets(), self.depth()) };
        self.for_each_bucket_prefetched(|index, bucket| {
            let to = copied.bucket_mut(index);
            bucket.slots().for_each(|slot| to.fill(slot, bucket.position(slot), copy(bucket.raw(slot))));
            to.0[SLOTS as usize] |= bucket.overflow() << OVERFLOW_SHIFT;
        });
        copied
    }

    /// Whether nearly all items lie in the same half of the positions. As a rule each half is looked for at its own end,
    /// where a few buckets have enough of it.
    pub fn is_lopsided(&self) -> bool {
        let (enough, buckets) = (self.count / 16, 0..self.buckets());
        !self.have_of_half(buckets.clone(), 0, enough) || !self.have_of_half(buckets.rev(), 1, enough)
    }

    /// Whether in these buckets are as many items as `enough` of a half of the positions.
    fn have_of_half(&self, mut buckets: impl Iterator<Item = u32>, half: u32, enough: u32) -> bool {
        let mut met = 0;
        enough == 0
            || buckets.any(|index| {
                self.for_each_at(index, |position, _| met += u32::from(position >> (POSITION_BITS - 1) == half));
                met >= enough
            })
    }

    /// Asks for the home bucket of a position.
    #[inline(always)]
    pub fn prefetch_bucket(&self, position: u32) {
        prefetch_read(self.bucket(self.home(position)));
    }

    /// Reads the home bucket of a position and asks for the item there whose tag agrees, the first if there are several.
    #[inline(always)]
    pub fn prefetch_item<T: Packed>(&self, position: u32) {
        let bucket = self.bucket(self.home(position));
        let tagged = bucket.tagged(position);
        if tagged != 0 {
            T::prefetch(bucket.raw(slot_of(tagged)));
        }
    }

    /// Calls `visit` with the number of buckets that each item has passed.
    pub fn for_each_distance(&self, mut visit: impl FnMut(u32)) {
        for index in 0..self.buckets() {
            self.for_each_at(index, |position, _| {
                visit(self.path(position).take_while(|&at| at != index).count() as u32)
            });
        }
    }

    /// The buckets in which an item may lie, in turn, round and round.
    fn path(&self, position: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(self.home(position)), move |&index| Some(self.after(index, self.step(position))))
    }
}

#[cfg(test)]
impl Segment {
    /// Panics unless the counters are those of a naive count.
    pub fn check(&self) {
        let mut passed = vec![0u64; self.buckets() as usize];
        let mut items = 0;
        for index in 0..self.buckets() {
            for slot in self.bucket(index).slots() {
                items += 1;
                let path = self.path(self.bucket(index).position(slot));
                path.take_while(|&at| at != index).for_each(|at| passed[at as usize] += 1);
            }
        }
        assert_eq!(items, self.count, "count of items");
        for (index, passed) in passed.into_iter().enumerate() {
            let counter = self.bucket(index as u32).overflow();
            assert!(counter == passed || counter == OVERFLOW_MAX, "bucket {index}: {counter} for {passed}");
        }
    }

    /// How many counters have stopped counting.
    pub fn stuck_counters(&self) -> usize {
        (0..self.buckets()).filter(|&index| self.bucket(index).overflow() == OVERFLOW_MAX).count()
    }
}
