//! Asking the processor to fetch a cache line before it is needed.
//!
//! A command that looks up a key waits for two lines of main memory, some 100 ns each. Asked for early, while
//! other commands of the same batch are prepared, both are there when the command runs. A prefetch is a hint:
//! it never faults, whatever the address, and does nothing on processors this file does not know.

// The prefetch instructions are intrinsics or inline assembly, which Rust counts as unsafe.
#![allow(unsafe_code)]

/// Hints that the cache line at `address` will be read soon. Any address is fine, a dangling one too.
#[inline(always)]
pub fn prefetch_read<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction is part of SSE, which every x86_64 processor has, and never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: `prfm` never faults and changes neither registers, flags nor memory.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
