//! Maps and sets of addresses, which nobody else chooses: a multiplication is hash enough for them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map by address.
pub type AddressMap<V> = HashMap<usize, V, BuildHasherDefault<AddressHasher>>;
/// A set of addresses.
pub type AddressSet = HashSet<usize, BuildHasherDefault<AddressHasher>>;

/// An odd number whose bits have no pattern: the golden ratio's.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes addresses.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, number: usize) {
        let product = (self.0 ^ number as u64).wrapping_mul(FACTOR);
        // The upper half of a product depends on more bits than the lower one.
        let product = (product ^ product >> 32).wrapping_mul(FACTOR);
        self.0 = product ^ product >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_steps_of_any_size_spread_over_all_places() {
        for step in [8, 16, 64, 1024, 8192, 1 << 20] {
            let places: HashSet<u64> = (0..1024usize)
                .map(|number| {
                    let mut hasher = AddressHasher::default();
                    hasher.write_usize(0x7f00_0000_0000 + number * step);
                    hasher.finish() & 1023
                })
                .collect();
            assert!(places.len() > 512, "{} places in steps of {step}", places.len());
        }
    }
}
