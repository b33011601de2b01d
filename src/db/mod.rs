//! The keyspace: numbered databases of keys with values and expiries.
//!
//! [`crate::types::table`] and [`entry`] are the two structures everything rests on, [`dict`] joins them for one
//! database, and [`keyspace`] is what commands see: lookups that expire keys, count hits and note accesses. [`expire`]
//! and [`evict`] delete keys nobody asked to be deleted.

mod blessed;
mod capture;
pub mod dict;
pub mod digest;
mod entry;
pub mod evict;
pub mod expire;
mod expiry_schedule;
mod hasher;
pub mod keyspace;
pub mod lazyfree;
pub mod slot;
pub mod waiters;
pub mod watch;

pub use capture::{DatabaseSize, Images};
pub use dict::DictSlot;
#[cfg(test)]
pub use dict::asked;
pub use entry::{Entry, EntryView, InEntry, StringRef};
pub use hasher::{hash_key, keep_keys_by_slot, slot_in};
pub use keyspace::{AccessClock, Databases, Expiry, WrongType};

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

    /// Its slot, where keys are kept by slot; elsewhere that means nothing.
    #[inline]
    pub fn slot(&self) -> u16 {
        hasher::slot_in(self.hash) as u16
    }
}
