//! A fast, seedable generator of pseudo-random numbers: xoshiro256++ (Blackman and Vigna, <https://prng.di.unimi.it>).
//!
//! For sampling (eviction, RANDOMKEY, SPOP, expiry), where speed and even spread count. Not for secrets; those come
//! from [`fill_with_secrets`].

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};

/// 64 bits that differ from call to call and from process to process, taken from the operating system by way of
/// the standard library's hash seeds.
pub fn entropy() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Fills `room` with bytes nobody can guess, from the operating system.
pub fn fill_with_secrets(room: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(room)
}

/// The generator. Equal seeds give equal sequences.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// A generator whose sequence is fixed by `seed`.
    pub fn from_seed(seed: u64) -> Self {
        // SplitMix64 fills the state, as the authors advise: it cannot come out all zero.
        let mut counter = seed;
        let state = std::array::from_fn(|_| {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = counter;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        });
        Self { state }
    }

    /// A generator seeded by the operating system.
    pub fn from_entropy() -> Self {
        Self::from_seed(entropy())
    }

    /// The next 64 bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number from 0 up to but not including `bound`; 0 when `bound` is 0. Every number is equally likely.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        // Lemire, "Fast Random Integer Generation in an Interval": the high half of a product, and another try
        // for the few low halves that would make some results likelier.
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            let low = product as u64;
            if low >= bound || bound == 0 || low >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }
}

/// Picks some of a known number of things while they pass by, once each: every choice of as many things is equally
/// likely (Knuth, "The Art of Computer Programming", volume 2, algorithm S).
#[derive(Debug)]
pub struct Selection {
    passing: u64,
    wanted: u64,
}

impl Selection {
    /// Will pick `wanted` of `passing` things, or all of them if they are fewer.
    pub fn new(passing: usize, wanted: usize) -> Self {
        Self { passing: passing as u64, wanted: wanted as u64 }
    }

    /// Whether the next thing is picked.
    #[inline]
    pub fn picks(&mut self, random: &mut Random) -> bool {
        let picked = random.below(self.passing) < self.wanted;
        self.passing = self.passing.saturating_sub(1);
        self.wanted -= u64::from(picked);
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_sequences() {
        let (mut one, mut two) = (Random::from_seed(7), Random::from_seed(7));
        assert!((0..100).all(|_| one.next_u64() == two.next_u64()));
        assert_ne!(Random::from_seed(8).next_u64(), Random::from_seed(7).next_u64());
        assert_ne!(entropy(), entropy());
    }

    #[test]
    fn sequence_is_that_of_the_reference() {
        // The state of the reference implementation's widely published test vector.
        let mut random = Random { state: [1, 2, 3, 4] };
        let sequence: [u64; 4] = std::array::from_fn(|_| random.next_u64());
        assert_eq!(sequence, [41943041, 58720359, 3588806011781223, 3591011842654386]);
    }

    #[test]
    fn below_is_even_and_in_range() {
        let mut random = Random::from_seed(1);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        let chi_square: f64 = counts.iter().map(|&count| (f64::from(count) - 1e4).powi(2) / 1e4).sum();
        assert!(chi_square < 22.5, "{counts:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn a_selection_picks_as_many_as_wanted_and_each_as_often() {
        let mut random = Random::from_seed(3);
        let mut counts = [0u32; 10];
        for _ in 0..10_000 {
            let mut selection = Selection::new(10, 3);
            let picked: Vec<usize> = (0..10).filter(|_| selection.picks(&mut random)).collect();
            assert_eq!(picked.len(), 3);
            picked.into_iter().for_each(|index| counts[index] += 1);
        }
        let chi_square: f64 = counts.iter().map(|&count| (f64::from(count) - 3e3).powi(2) / 3e3).sum();
        assert!(chi_square < 27.9, "{counts:?}");
        let mut all = Selection::new(2, 5);
        assert!((0..2).all(|_| all.picks(&mut random)));
        assert!(!Selection::new(2, 0).picks(&mut random));
    }
}
