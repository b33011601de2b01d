//! The keys of a database that are not to be evicted: BLESS.
//!
//! They are few, so they stand in a list of their own rather than each key in a field for it. The list is in the order
//! of the keys' hashes, which makes it one that can be walked with a cursor while it changes.

use std::collections::BTreeSet;

use super::hasher::hash_key;

/// Keys that are never evicted, each under its hash.
#[derive(Debug, Default)]
pub struct Blessed(BTreeSet<(u64, Box<[u8]>)>);

impl Blessed {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, as usual.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key is among them.
    pub fn contains(&self, hash: u64, key: &[u8]) -> bool {
        let mut behind = self.0.range((hash, Box::default())..).take_while(|(other, _)| *other == hash);
        behind.any(|(_, other)| **other == *key)
    }

    /// The same where the hash is not known: the key is hashed only if there are any.
    #[inline]
    pub fn contains_key(&self, key: &[u8]) -> bool {
        !self.is_empty() && self.contains(hash_key(key), key)
    }

    /// Adds a key; whether it is new.
    pub fn insert(&mut self, hash: u64, key: &[u8]) -> bool {
        self.0.insert((hash, key.into()))
    }

    /// Takes a key out; whether it was there.
    pub fn remove(&mut self, hash: u64, key: &[u8]) -> bool {
        self.contains(hash, key) && self.0.remove(&(hash, key.into()))
    }

    /// About `count` keys from a cursor on, and the cursor to go on with, 0 at the end. A key that stays is passed once
    /// by a walk that begins with 0.
    pub fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<&[u8]>) {
        let mut rest = self.0.range((cursor, Box::default())..).peekable();
        let mut keys = Vec::new();
        while let Some((hash, key)) = rest.next() {
            keys.push(&key[..]);
            // Keys of one hash are not to be parted.
            if let Some((next, _)) = rest.peek().filter(|(next, _)| keys.len() >= count && next != hash) {
                return (*next, keys);
            }
        }
        (0, keys)
    }

    /// Bytes of memory it takes, about.
    pub fn memory(&self) -> usize {
        self.0.iter().map(|(_, key)| key.len() + 2 * size_of::<(u64, Box<[u8]>)>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_walk_passes_each_key_once(hashes in prop::collection::vec(0..40u64, 0..60), count in 1..10usize) {
            let mut blessed = Blessed::default();
            for (number, hash) in hashes.iter().enumerate() {
                prop_assert!(blessed.insert(*hash, number.to_string().as_bytes()));
            }
            let (mut cursor, mut seen) = (0, Vec::new());
            loop {
                let (next, keys) = blessed.scan(cursor, count);
                seen.extend(keys.into_iter().map(<[u8]>::to_vec));
                cursor = next;
                if next == 0 {
                    break;
                }
            }
            seen.sort();
            let mut all: Vec<Vec<u8>> = (0..hashes.len()).map(|number| number.to_string().into_bytes()).collect();
            all.sort();
            prop_assert_eq!(seen, all);
        }
    }

    #[test]
    fn a_key_is_there_until_it_is_taken_out() {
        let mut blessed = Blessed::default();
        assert!(!blessed.contains(1, b"a") && !blessed.remove(1, b"a"));
        assert!(blessed.insert(1, b"a") && !blessed.insert(1, b"a"));
        assert!(blessed.contains(1, b"a") && !blessed.contains(1, b"b") && blessed.memory() > 0);
        assert!(blessed.remove(1, b"a") && blessed.is_empty());
    }
}
