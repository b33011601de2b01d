//! Memory for the buckets of one table, in runs of 1 KiB units.
//!
//! All segments of a table grow at about the same time from one size to the next. An allocator that keeps blocks of
//! each size in pages of their own would be left with pages that hold a few stragglers and can't be used for anything
//! else: a fifth of all memory at worst, measured. Here a run freed joins its free neighbours and serves any size.
//! Arrays too small or too large for that come from the allocator, and so do all arrays of a small table: for one
//! of many tables with a thousand items each, a chunk would be far too much.
//!
//! Tables that have segments in common (see [`super::lent`]) have their chunks in common, too.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::loans::Loans;

/// Arrays of at most this many bytes come from the allocator.
pub const SMALL_MAX: usize = 8 * UNIT;
/// Bytes in a unit.
pub const UNIT: usize = 1024;
const ALIGN: usize = 64;
const WORDS: usize = 8;
/// Somewhat less than a power of two: with the alignment, a chunk of 512 KiB would take the allocator's next step.
const CHUNK_UNITS: usize = WORDS * 64 - 16;
const CHUNK_LAYOUT: Layout = match Layout::from_size_align(CHUNK_UNITS * UNIT, ALIGN) {
    Ok(layout) => layout,
    Err(_) => panic!("a layout"),
};

/// A table takes chunks only when that many bytes came from the allocator: a chunk is a small part of it then.
const OUTSIDE_MAX: usize = 4 * CHUNK_LAYOUT.size();

/// A block of units, and which of them are in use.
struct Chunk {
    memory: NonNull<u8>,
    used: [u64; WORDS],
    /// No free run is longer than this.
    longest: usize,
}

impl Chunk {
    fn new() -> Self {
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc(CHUNK_LAYOUT) };
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(CHUNK_LAYOUT) };
        Self { memory, used: [0; WORDS], longest: CHUNK_UNITS }
    }

    fn is_used(&self, unit: usize) -> bool {
        self.used[unit / 64] >> (unit % 64) & 1 != 0
    }

    fn mark(&mut self, from: usize, units: usize, used: bool) {
        for unit in from..from + units {
            debug_assert!(self.is_used(unit) != used);
            self.used[unit / 64] ^= 1 << (unit % 64);
        }
    }

    /// Takes the first free run that is long enough.
    fn take(&mut self, units: usize) -> Option<NonNull<u8>> {
        if self.longest < units {
            return None;
        }
        let (mut run, mut longest) = (0, 0);
        for unit in 0..CHUNK_UNITS {
            run = if self.is_used(unit) { 0 } else { run + 1 };
            longest = longest.max(run);
            if run == units {
                let from = unit + 1 - units;
                self.mark(from, units, true);
                // SAFETY: the unit lies within the chunk.
                return Some(unsafe { self.memory.add(from * UNIT) });
            }
        }
        self.longest = longest;
        None
    }
}

/// Chunks, by ascending address.
#[derive(Default)]
struct Chunks(Vec<Chunk>);

// SAFETY: chunks are owned; nothing in them belongs to a thread.
unsafe impl Send for Chunks {}

impl Chunks {
    fn take(&mut self, units: usize) -> NonNull<u8> {
        self.0.iter_mut().find_map(|chunk| chunk.take(units)).unwrap_or_else(|| self.grow(units))
    }

    #[cold]
    fn grow(&mut self, units: usize) -> NonNull<u8> {
        let mut chunk = Chunk::new();
        let memory = chunk.take(units).unwrap_or_else(|| unreachable!("a run is at most a chunk"));
        let place = self.0.partition_point(|other| other.memory < chunk.memory);
        self.0.insert(place, chunk);
        memory
    }

    /// Takes a run back; false if it lies in no chunk.
    fn free(&mut self, memory: NonNull<u8>, bytes: usize) -> bool {
        let Some(place) = self.chunk_of(memory) else { return false };
        let chunk = &mut self.0[place];
        chunk.mark((memory.addr().get() - chunk.memory.addr().get()) / UNIT, bytes.div_ceil(UNIT), false);
        chunk.longest = CHUNK_UNITS;
        if chunk.used == [0; WORDS] {
            let chunk = self.0.remove(place);
            // SAFETY: allocated with this layout, and none of its units is in use.
            unsafe { dealloc(chunk.memory.as_ptr(), CHUNK_LAYOUT) }
        }
        true
    }

    /// The chunk that an array lies in.
    fn chunk_of(&self, memory: NonNull<u8>) -> Option<usize> {
        let place = self.0.partition_point(|chunk| chunk.memory <= memory).checked_sub(1)?;
        let offset = memory.addr().get() - self.0[place].memory.addr().get();
        (offset < CHUNK_LAYOUT.size()).then_some(place)
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        for chunk in &self.0 {
            // SAFETY: allocated with this layout; who drops the chunks uses none of their memory.
            unsafe { dealloc(chunk.memory.as_ptr(), CHUNK_LAYOUT) }
        }
    }
}

/// What a large table has, and copies of it have in common.
#[derive(Default)]
struct Common {
    chunks: Chunks,
    loans: Loans,
}

/// The memory of a table's buckets.
pub struct Arena {
    /// Bytes of those arrays of this table that came from the allocator.
    outside: usize,
    common: OnceLock<Arc<Mutex<Common>>>,
}

impl Arena {
    /// An arena that owns no memory yet.
    pub const fn new() -> Self {
        Self { outside: 0, common: OnceLock::new() }
    }

    fn common(&self) -> Option<MutexGuard<'_, Common>> {
        self.common.get().map(|common| common.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `bytes` of zeros, at a multiple of 64. `bytes` is not 0, and a multiple of 64.
    pub fn allocate_zeroed(&mut self, bytes: usize) -> NonNull<u8> {
        let Some(units) = units_of(bytes).filter(|_| self.outside >= OUTSIDE_MAX) else {
            let layout = direct_layout(bytes);
            // SAFETY: the layout is not empty.
            let memory = unsafe { alloc_zeroed(layout) };
            self.outside += bytes;
            return NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout));
        };
        let common = self.common.get_or_init(Arc::default);
        let memory = common.lock().unwrap_or_else(PoisonError::into_inner).chunks.take(units);
        // SAFETY: the run has at least `bytes`, and is nobody else's.
        unsafe { memory.write_bytes(0, bytes) };
        memory
    }

    /// Takes memory back.
    ///
    /// # Safety
    /// It comes from `allocate_zeroed` of this arena, or of one that has it in common, with this number of bytes, and is
    /// not used any more.
    pub unsafe fn free(&mut self, memory: NonNull<u8>, bytes: usize) {
        let may_be_in_chunk = units_of(bytes).is_some();
        if may_be_in_chunk && self.common().is_some_and(|mut common| common.chunks.free(memory, bytes)) {
            return;
        }
        self.outside -= bytes;
        // SAFETY: allocated in `allocate_zeroed` with this layout.
        unsafe { dealloc(memory.as_ptr(), direct_layout(bytes)) }
    }

    /// An arena for a copy of the table, which has all its arrays, too: these are told.
    pub fn lend(&self, arrays: &[NonNull<u8>]) -> Self {
        let common = self.common.get_or_init(Arc::default);
        common.lock().unwrap_or_else(PoisonError::into_inner).loans.lend(arrays);
        Self { outside: self.outside, common: Arc::clone(common).into() }
    }

    /// Whether there are other tables that may have arrays of this one. If not, they are through with them.
    pub fn is_shared(&self) -> bool {
        let shared = self.common.get().is_some_and(|common| Arc::strong_count(common) > 1);
        fence(Ordering::Acquire);
        shared
    }

    /// Whether other tables have an array, too.
    pub fn is_lent(&self, array: NonNull<u8>) -> bool {
        self.common().is_some_and(|common| common.loans.have(array))
    }

    /// Forgets an array that other tables have, too; false if there are none.
    pub fn give_back(&mut self, array: NonNull<u8>, bytes: usize) -> bool {
        let Some(mut common) = self.common() else { return false };
        let others_have_it = common.loans.give_back(array);
        let is_outside = common.chunks.chunk_of(array).is_none();
        drop(common);
        if others_have_it && is_outside {
            self.outside -= bytes;
        }
        others_have_it
    }

    /// Memory held in chunks, in bytes, whether in use or not.
    pub fn bytes(&self) -> usize {
        self.common().map_or(0, |common| common.chunks.0.len() * CHUNK_LAYOUT.size())
    }
}

/// The units for an array, if it comes from a chunk.
fn units_of(bytes: usize) -> Option<usize> {
    let units = bytes.div_ceil(UNIT);
    (bytes > SMALL_MAX && units <= CHUNK_UNITS).then_some(units)
}

fn direct_layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, ALIGN).unwrap_or_else(|_| unreachable!("far below the limit of sizes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_never_overlap_and_all_memory_comes_back(
            sizes in prop::collection::vec((1..9000usize, any::<bool>()), 0..200), from_chunks: bool,
        ) {
            let mut arena = Arena::new();
            let head_start = if from_chunks { OUTSIDE_MAX } else { 0 };
            arena.outside = head_start;
            let mut held: Vec<(NonNull<u8>, usize)> = Vec::new();
            for (number, (lines, free)) in sizes.into_iter().enumerate() {
                let bytes = lines % 900 * 64 + 64;
                let bytes = if lines > 8990 { bytes + CHUNK_LAYOUT.size() } else { bytes };
                let memory = arena.allocate_zeroed(bytes);
                prop_assert!(memory.addr().get().is_multiple_of(ALIGN));
                // SAFETY: `bytes` were allocated.
                let block = unsafe { std::slice::from_raw_parts_mut(memory.as_ptr(), bytes) };
                prop_assert!(block.iter().all(|&byte| byte == 0));
                block.fill(0xff);
                for &(other, size) in &held {
                    let apart = other.addr().get() + size <= memory.addr().get()
                        || memory.addr().get() + bytes <= other.addr().get();
                    prop_assert!(apart);
                }
                held.push((memory, bytes));
                if free {
                    let (memory, bytes) = held.swap_remove(number * 7 % held.len());
                    // SAFETY: allocated here, and forgotten.
                    unsafe { arena.free(memory, bytes) };
                }
            }
            for (memory, bytes) in held {
                // SAFETY: as above.
                unsafe { arena.free(memory, bytes) };
            }
            prop_assert_eq!((arena.bytes(), arena.outside), (0, head_start));
        }
    }

    #[test]
    fn a_small_table_takes_no_chunk() {
        let mut arena = Arena::new();
        let array = 16 * UNIT;
        let arrays: Vec<_> = (0..OUTSIDE_MAX.div_ceil(array)).map(|_| arena.allocate_zeroed(array)).collect();
        assert_eq!(arena.bytes(), 0);
        let later = arena.allocate_zeroed(array);
        assert_eq!(arena.bytes(), CHUNK_LAYOUT.size());
        for memory in arrays.into_iter().chain([later]) {
            // SAFETY: allocated here, and forgotten.
            unsafe { arena.free(memory, array) };
        }
        assert_eq!((arena.bytes(), arena.outside), (0, 0));
    }
}
