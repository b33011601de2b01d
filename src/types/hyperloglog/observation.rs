//! What an element tells: its register, and a run of zeros.
//!
//! The hash is MurmurHash64A by Austin Appleby (public domain), little endian on every machine, with Redis's seed.

use super::REGISTERS;

const SEED: u64 = 0xadc8_3b19;
const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;
/// The bits of a hash that don't choose the register.
const RUN_BITS: u32 = 64 - REGISTERS.trailing_zeros();
/// The longest run: no bit is set, and one is thought behind them.
pub const RUN_MAX: u8 = RUN_BITS as u8 + 1;

/// An element as its register sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Which register.
    pub register: u16,
    /// The zeros that its bits begin with, and the one behind them: 1 to 51.
    pub run: u8,
}

impl Observation {
    /// That of an element.
    #[inline]
    pub fn of(element: &[u8]) -> Self {
        let hash = hash(element);
        let rest = hash >> REGISTERS.trailing_zeros() | 1 << RUN_BITS;
        Self { register: (hash % REGISTERS as u64) as u16, run: rest.trailing_zeros() as u8 + 1 }
    }
}

fn hash(element: &[u8]) -> u64 {
    let (words, rest) = element.as_chunks::<8>();
    let start = SEED ^ (element.len() as u64).wrapping_mul(FACTOR);
    let mut hash = words.iter().fold(start, |hash, word| {
        let word = u64::from_le_bytes(*word).wrapping_mul(FACTOR);
        (hash ^ (word ^ word >> SHIFT).wrapping_mul(FACTOR)).wrapping_mul(FACTOR)
    });
    if !rest.is_empty() {
        let word = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}
