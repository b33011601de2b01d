//! The values that are more than a string, in compact forms while they are small, and the hash table under all.
//!
//! Nothing here knows of keys, clients or the wire. A type has one file, or a file and a folder; its encodings have the
//! names that OBJECT ENCODING gives. What every collection can tell of itself stands in [`Collection`].

pub mod digest;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub mod item;
pub mod list;
pub mod listpack;
pub mod lzf;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod table;
pub mod uncommon;

pub use hash::Hash;
pub use list::List;
pub use set::Set;
pub use sorted_set::SortedSet;
pub use stream::Stream;

use digest::Digest;

/// The data types of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// Bytes.
    String,
    /// A sequence of strings.
    List,
    /// Distinct strings.
    Set,
    /// Distinct strings in the order of their scores.
    SortedSet,
    /// Fields with values.
    Hash,
    /// A log of entries.
    Stream,
}

impl ValueType {
    /// The name that TYPE gives.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
        }
    }

    /// Its number in Redis's object header, which digests contain.
    pub fn number(self) -> u32 {
        match self {
            Self::String => 0,
            Self::List => 1,
            Self::Set => 2,
            Self::SortedSet => 3,
            Self::Hash => 4,
            Self::Stream => 6,
        }
    }
}

/// What every collection can tell of itself.
pub trait Collection {
    /// The number of elements.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name that OBJECT ENCODING gives.
    fn encoding(&self) -> &'static str;

    /// Memory it owns, its own 16 bytes not counted. At most `samples` elements are looked at and taken for the rest,
    /// unless that is 0.
    fn heap_bytes(&self, samples: usize) -> usize;

    /// About how many allocations are freed with it: whether that is better left to another thread.
    fn free_effort(&self) -> usize;

    /// Adds its elements to the digest of a value.
    fn digest(&self, digest: &mut Digest);
}
