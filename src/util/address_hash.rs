//! Maps and sets of addresses, which nobody else chooses: a multiplication is hash enough for them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map by address.
pub type AddressMap<V> = HashMap<usize, V, BuildHasherDefault<AddressHasher>>;
/// A set of addresses.
pub type AddressSet = HashSet<usize, BuildHasherDefault<AddressHasher>>;

/// Hashes addresses.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, number: usize) {
        // The upper half of the product depends on all bits.
        let product = u128::from(self.0 ^ number as u64) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
        self.0 = product as u64 ^ (product >> 64) as u64;
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
