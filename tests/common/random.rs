//! Chance that follows from a seed.

/// A generator: SplitMix64 (Steele, Lea and Flood), small, and good enough to choose words.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below that of some sides.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    /// The same, of places.
    pub fn below(&mut self, bound: usize) -> usize {
        self.roll(bound as u64) as usize
    }

    /// One of some.
    pub fn pick<'t, T>(&mut self, some: &'t [T]) -> &'t T {
        &some[self.below(some.len())]
    }

    /// One of some words.
    pub fn word<'t>(&mut self, some: &[&'t str]) -> &'t str {
        some[self.below(some.len())]
    }
}
