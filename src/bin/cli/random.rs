//! Numbers that need not be unpredictable.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A source of numbers, another one each time (xorshift64).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new() -> Random {
        Random(RandomState::new().hash_one(0) | 1)
    }

    /// Any number but 0.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below another, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.word() >> 32) as usize % limit
    }
}
