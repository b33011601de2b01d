//! The keys with the largest sums, of any number of keys, in little memory: the Space-Saving algorithm.
//!
//! Only so many keys are kept. A key that is not among them takes the place of the one with the least sum, and that
//! sum with it: so a sum is never too small, it is too large by at most the least sum kept, and a key whose true sum is
//! above that is among those kept. (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k
//! elements in data streams", 2005.)

use std::collections::{BTreeSet, HashMap};

/// Keys with their sums, at most as many as its capacity.
#[derive(Debug)]
pub struct TopKeys {
    capacity: usize,
    kept: Vec<Kept>,
    places: HashMap<Box<[u8]>, usize>,
    /// Sums with the places of their keys, the least first.
    ordered: BTreeSet<(u64, usize)>,
}

#[derive(Debug)]
struct Kept {
    key: Box<[u8]>,
    sum: u64,
}

impl TopKeys {
    /// Keeps up to `capacity` keys, at least one.
    pub fn new(capacity: usize) -> TopKeys {
        TopKeys { capacity: capacity.max(1), kept: Vec::new(), places: HashMap::new(), ordered: BTreeSet::new() }
    }

    /// Adds to the sum of a key.
    pub fn add(&mut self, key: &[u8], amount: u64) {
        let place = match self.places.get(key) {
            Some(place) => *place,
            None => self.make_place(key),
        };
        let Kept { sum, .. } = &mut self.kept[place];
        self.ordered.remove(&(*sum, place));
        *sum = sum.saturating_add(amount);
        self.ordered.insert((*sum, place));
    }

    /// The place of a key that had none.
    fn make_place(&mut self, key: &[u8]) -> usize {
        let place = match self.ordered.first() {
            Some((_, place)) if self.kept.len() == self.capacity => {
                let old = std::mem::replace(&mut self.kept[*place].key, key.into());
                self.places.remove(&old);
                *place
            }
            _ => {
                self.kept.push(Kept { key: key.into(), sum: 0 });
                self.kept.len() - 1
            }
        };
        self.places.insert(key.into(), place);
        place
    }

    /// The keys with the largest sums, the largest first.
    pub fn top(&self, count: usize) -> impl ExactSizeIterator<Item = (&[u8], u64)> {
        let places: Vec<usize> = self.ordered.iter().rev().take(count).map(|(_, place)| *place).collect();
        places.into_iter().map(|place| (&self.kept[place].key[..], self.kept[place].sum))
    }

    /// Bytes of memory it takes, about.
    pub fn memory(&self) -> usize {
        const OF_A_KEY: usize = size_of::<Kept>() + size_of::<(Box<[u8]>, usize)>() + 2 * size_of::<(u64, usize)>();
        self.kept.iter().map(|kept| 2 * kept.key.len() + OF_A_KEY).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn with_room_for_all_keys_the_sums_are_exact(added in prop::collection::vec((0..20u8, 0..1000u64), 0..200)) {
            let (mut top, mut naive) = (TopKeys::new(20), HashMap::<u8, u64>::new());
            for (key, amount) in &added {
                top.add(&[*key], *amount);
                *naive.entry(*key).or_default() += amount;
            }
            let found: HashMap<u8, u64> = top.top(100).map(|(key, sum)| (key[0], sum)).collect();
            prop_assert_eq!(&found, &naive);
            let sums: Vec<u64> = top.top(100).map(|(_, sum)| sum).collect();
            prop_assert!(sums.is_sorted_by(|one, next| one >= next));
        }

        #[test]
        fn sums_are_too_large_by_the_least_one_at_most(added in prop::collection::vec((0..60u8, 1..100u64), 0..500)) {
            let (mut top, mut naive) = (TopKeys::new(10), HashMap::<u8, u64>::new());
            for (key, amount) in &added {
                top.add(&[*key], *amount);
                *naive.entry(*key).or_default() += amount;
            }
            let found: HashMap<u8, u64> = top.top(100).map(|(key, sum)| (key[0], sum)).collect();
            prop_assert!(found.len() <= 10);
            let least = if found.len() < 10 { 0 } else { found.values().copied().min().unwrap_or_default() };
            for (key, sum) in naive {
                match found.get(&key) {
                    Some(kept) => prop_assert!((sum..=sum + least).contains(kept)),
                    None => prop_assert!(sum <= least),
                }
            }
        }
    }
}
