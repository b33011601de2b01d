//! The allocator: mimalloc, with the bytes in use counted.
//!
//! INFO, `maxmemory` and eviction need the memory in use at any moment, exactly and almost for free. Each thread adds
//! to a counter of its own line of memory (a plain load and store, since nobody else writes it); a reader adds them
//! up. Counted is what was asked for, rounded as the allocator rounds it ([`size_class`]).
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

use mimalloc::MiMalloc;

/// Threads with a counter of their own; later ones share the last, with atomic additions.
const COUNTERS: usize = 16;

#[repr(align(64))]
struct Counter(AtomicIsize);

static USED: [Counter; COUNTERS] = [const { Counter(AtomicIsize::new(0)) }; COUNTERS];
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The global allocator.
#[derive(Debug)]
pub struct CountingAllocator;

/// What the allocator really sets aside for `size` bytes: multiples of 8 up to 64, then four sizes for each doubling.
#[inline]
pub fn size_class(size: usize) -> usize {
    if size <= 64 {
        return (size + 7) & !7;
    }
    let step = 1 << ((size - 1).ilog2() - 2);
    (size + step - 1) & !(step - 1)
}

#[inline]
fn count(bytes: isize) {
    // A thread that is being torn down has no counter any more; the shared one serves.
    let mine = MINE.try_with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Relaxed).min(COUNTERS - 1));
        }
        mine.get()
    });
    match mine {
        Ok(index) if index < COUNTERS - 1 => {
            let counter = &USED[index].0;
            counter.store(counter.load(Relaxed).wrapping_add(bytes), Relaxed);
        }
        _ => {
            USED[COUNTERS - 1].0.fetch_add(bytes, Relaxed);
        }
    }
}

/// Bytes in use by the whole process.
pub fn used_memory() -> usize {
    USED.iter().map(|counter| counter.0.load(Relaxed)).sum::<isize>().max(0) as usize
}

// SAFETY: all memory comes from and returns to mimalloc with the very layouts it was asked with; counting touches
// only atomics and a thread-local cell without a destructor, neither of which allocates.
unsafe impl GlobalAlloc for CountingAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size_class(layout.size()) as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size_class(layout.size()) as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(size_class(layout.size()) as isize));
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(size_class(new_size) as isize - size_class(layout.size()) as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.realloc(pointer, layout, new_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_are_those_of_the_allocator() {
        let classes: Vec<usize> = [1, 8, 9, 56, 57, 64, 65, 80, 81, 97, 113, 129, 161, 1024, 1025]
            .iter()
            .map(|size| size_class(*size))
            .collect();
        assert_eq!(classes, [8, 8, 16, 56, 64, 64, 80, 80, 96, 112, 128, 160, 192, 1024, 1280]);
    }
}
