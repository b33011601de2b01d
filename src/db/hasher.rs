//! The hash of a key.
//!
//! Where keys are kept by slot, the low bits of the hash are the slot; a table goes by the high ones. So whoever has the
//! hash of a key has its slot, and everything that finds keys by their hashes needs to know nothing of slots. Which of
//! the two it is is chosen once, at the start of the process. Without slots the choice costs nothing: it is a part of
//! the look whether the seed has been drawn.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::slot::{SLOTS, slot_of};
use crate::types::table::KeyHash;
use crate::util::key_hash::HashSeed;

/// The seed of the process where keys are not kept by slot; never set where they are.
static PLAIN_SEED: OnceLock<HashSeed> = OnceLock::new();
static BY_SLOT: AtomicBool = AtomicBool::new(false);

const SLOT_MASK: u64 = SLOTS as u64 - 1;

/// Has keys kept by slot, from the start on: no key has been hashed yet.
pub fn keep_keys_by_slot() {
    BY_SLOT.store(true, Relaxed);
}

/// The hash of a key.
#[inline]
pub fn hash_key(bytes: &[u8]) -> u64 {
    match PLAIN_SEED.get() {
        Some(seed) => seed.hash(bytes),
        None => hash_otherwise(bytes),
    }
}

/// The hash of the first key of all, or one with its slot.
#[cold]
fn hash_otherwise(bytes: &[u8]) -> u64 {
    if BY_SLOT.load(Relaxed) {
        return KeyHasher { seed: HashSeed::of_process(), by_slot: true }.hash_key(bytes);
    }
    PLAIN_SEED.get_or_init(HashSeed::of_process).hash(bytes)
}

/// The slot in the hash of a key that is kept by slot.
#[inline]
pub fn slot_in(hash: u64) -> usize {
    (hash & SLOT_MASK) as usize
}

/// How the tables of a database hash.
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher {
    seed: HashSeed,
    /// Whether keys are kept by slot.
    pub by_slot: bool,
}

impl KeyHasher {
    /// That of the process.
    pub fn of_process() -> KeyHasher {
        KeyHasher { seed: HashSeed::of_process(), by_slot: BY_SLOT.load(Relaxed) }
    }

    #[cfg(test)]
    pub fn new(seed: HashSeed, by_slot: bool) -> KeyHasher {
        KeyHasher { seed, by_slot }
    }
}

impl KeyHash for KeyHasher {
    #[inline]
    fn hash_key(&self, key: &[u8]) -> u64 {
        let hash = self.seed.hash(key);
        if self.by_slot { hash & !SLOT_MASK | u64::from(slot_of(key)) } else { hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_of_a_key_stands_in_its_hash_if_keys_are_kept_by_slot() {
        let seed = HashSeed::portable(1, 2);
        let (plain, by_slot) = (KeyHasher::new(seed, false), KeyHasher::new(seed, true));
        for key in [&b"foo"[..], b"", b"{user1000}.following", b"foo{}{bar}"] {
            assert_eq!(plain.hash_key(key), seed.hash(key));
            assert_eq!(by_slot.hash_key(key) & !SLOT_MASK, seed.hash(key) & !SLOT_MASK);
            assert_eq!(slot_in(by_slot.hash_key(key)), usize::from(slot_of(key)));
        }
        assert_eq!(hash_key(b"foo"), HashSeed::of_process().hash(b"foo"));
    }
}
