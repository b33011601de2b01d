//! The keyspace: numbered databases of keys with values and expiries.
//!
//! [`table`] and [`entry`] are the two structures everything rests on, [`dict`] joins them for one database, and
//! [`keyspace`] is what commands see: lookups that expire keys, count hits and note accesses. [`expire`] and [`evict`]
//! delete keys nobody asked to be deleted.

mod dict;
pub mod digest;
mod entry;
pub mod evict;
pub mod expire;
pub mod keyspace;
pub mod lazyfree;
mod table;
pub mod waiters;
pub mod watch;

use std::sync::OnceLock;

pub use entry::{EntryView, StringRef};
pub use keyspace::{Databases, Expiry, WrongType};
pub use table::Statistics;

use crate::util::siphash::{self, HashSeed};

static SEED: OnceLock<HashSeed> = OnceLock::new();

/// The seed of all keys' hashes, drawn at the start of the process so that nobody can choose keys that collide.
#[inline]
pub fn seed() -> HashSeed {
    *SEED.get_or_init(HashSeed::random)
}

/// The hash of a key.
#[inline]
pub fn hash_key(bytes: &[u8]) -> u64 {
    siphash::hash(seed(), bytes)
}

/// A key with its hash, which is the same in all databases.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    bytes: &'a [u8],
    hash: u64,
}

impl<'a> Key<'a> {
    /// Hashes a key.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Key<'a> {
        Key { bytes, hash: hash_key(bytes) }
    }

    /// A key whose hash is known.
    #[inline]
    pub fn hashed(bytes: &'a [u8], hash: u64) -> Key<'a> {
        Key { bytes, hash }
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its hash.
    #[inline]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
