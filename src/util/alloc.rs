//! The allocator: mimalloc, with the bytes in use counted.
//!
//! INFO, `maxmemory` and eviction need the memory in use at any moment, exactly and almost for free. Each thread adds
//! to a counter of its own line of memory (a plain load and store, since nobody else writes it); a reader adds them
//! up. Counted is what was asked for, rounded as the allocator rounds it ([`size_class`]).
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicIsize, AtomicUsize};

use libmimalloc_sys as mimalloc;

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

/// The size of the block that the allocator gives for `bytes`: multiples of 8 up to 64, then four sizes per doubling,
/// whole pages above 64 KiB, and coarser steps from 512 KiB on.
#[inline]
pub fn size_class(bytes: usize) -> usize {
    if bytes <= 64 {
        return (bytes.max(1) + 7) & !7;
    }
    if bytes > 64 * 1024 {
        return big_size_class(bytes);
    }
    bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2))
}

/// Big blocks are mappings of their own.
#[cold]
fn big_size_class(bytes: usize) -> usize {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    bytes.next_multiple_of(match bytes / KIB {
        0..512 => 4 * KIB,
        512..2048 => 64 * KIB,
        2048..8192 => 256 * KIB,
        8192..32_768 => MIB,
        _ => 4 * MIB,
    })
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

/// Gives memory the allocator keeps in reserve back to the system.
pub fn purge() {
    // SAFETY: the function takes no pointers and may be called at any time.
    unsafe { mimalloc::mi_collect(true) }
}

/// What the allocator itself has to report.
pub fn report() -> String {
    extern "C" fn append(text: *const c_char, report: *mut c_void) {
        // SAFETY: mimalloc hands on the argument given below, a vector nobody else uses meanwhile, and a C string.
        let (report, text) = unsafe { (&mut *report.cast::<Vec<u8>>(), CStr::from_ptr(text)) };
        report.extend_from_slice(text.to_bytes());
    }
    let mut report: Vec<u8> = Vec::new();
    // SAFETY: the callback fits its argument, which outlives the call.
    unsafe { mimalloc::mi_stats_print_out(Some(append), (&raw mut report).cast()) }
    String::from_utf8_lossy(&report).into_owned()
}

/// Every block is aligned to this anyway; asking for it would take the allocator's longer way.
const NATURAL_ALIGN: usize = 8;

// SAFETY: all memory comes from and returns to mimalloc, which gives blocks of at least the size asked for, aligned
// as asked for or to a word; counting touches only atomics and a thread-local cell without a destructor, neither of
// which allocates.
unsafe impl GlobalAlloc for CountingAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size_class(layout.size()) as isize);
        // SAFETY: any size and any power of two may be asked for.
        unsafe {
            match layout.align() <= NATURAL_ALIGN {
                true => mimalloc::mi_malloc(layout.size()).cast(),
                false => mimalloc::mi_malloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size_class(layout.size()) as isize);
        // SAFETY: as for `alloc`.
        unsafe {
            match layout.align() <= NATURAL_ALIGN {
                true => mimalloc::mi_zalloc(layout.size()).cast(),
                false => mimalloc::mi_zalloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(size_class(layout.size()) as isize));
        // SAFETY: by contract the block came from this allocator, so from mimalloc.
        unsafe { mimalloc::mi_free(pointer.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(size_class(new_size) as isize - size_class(layout.size()) as isize);
        // SAFETY: by contract the block came from this allocator, so from mimalloc.
        unsafe {
            match layout.align() <= NATURAL_ALIGN {
                true => mimalloc::mi_realloc(pointer.cast(), new_size).cast(),
                false => mimalloc::mi_realloc_aligned(pointer.cast(), new_size, layout.align()).cast(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_are_those_of_the_allocator() {
        let big = [
            66_000,
            100_000,
            131_072,
            131_073,
            300_000,
            524_288,
            524_289,
            (1 << 20) + 1,
            5_000_000,
            9_000_000,
            40_000_000,
        ];
        for bytes in (1..=65_600).chain(big) {
            let layout = Layout::from_size_align(bytes, 1).unwrap();
            // SAFETY: the block is allocated and freed with one layout; its size is asked for in between.
            let real = unsafe {
                let block = CountingAllocator.alloc(layout);
                let real = mimalloc::mi_usable_size(block.cast());
                CountingAllocator.dealloc(block, layout);
                real
            };
            assert_eq!(size_class(bytes), real, "the class of {bytes} bytes");
        }
    }

    #[test]
    fn what_is_allocated_is_counted_and_what_is_freed_is_not() {
        let before = used_memory();
        let big = vec![0u8; 50 << 20];
        let with = used_memory();
        assert!(with - before >= 50 << 20 && with - before < 60 << 20, "{before} then {with}");
        drop(big);
        assert!(used_memory() < before + (10 << 20));
    }

    #[test]
    fn the_allocator_reports_something() {
        purge();
        assert!(!report().is_empty());
    }
}
