//! The values that are more than a string, in compact forms while they are small, and the hash table under all.
//!
//! Nothing here knows of keys, clients or the wire. A type has one file, or a file and a folder; its encodings have the
//! names that OBJECT ENCODING gives. What every collection can tell of itself stands in [`Collection`].

pub mod array;
pub mod bitmap;
pub mod bundled;
pub mod digest;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub mod item;
pub mod json;
pub mod list;
pub mod listpack;
pub mod lzf;
pub mod path_hash;
pub mod probabilistic;
pub mod set;
pub mod sharing;
pub mod sorted_set;
pub mod stream;
pub mod table;
pub mod uncommon;
pub mod vector_set;

pub use array::Array;
pub use bitmap::Bitmap;
pub use hash::Hash;
pub use list::List;
pub use path_hash::PathHash;
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
    /// Strings at indexes.
    Array,
    /// Fields with values, under paths.
    PathHash,
    /// Bits.
    Bitmap,
    /// One of those that Redis brings as modules, of this name.
    Bundled(&'static str),
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
            Self::Array => "array",
            Self::PathHash => "pathhash",
            Self::Bitmap => "bitmap",
            Self::Bundled(name) => name,
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
            Self::Bundled(_) => 5,
            Self::Array => 8,
            Self::PathHash => 7,
            // Redis 8.12 has it so; what it then makes of arrays is not known.
            Self::Bitmap => 8,
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

    /// Memory it owns, the bytes where it lies not counted. At most `samples` elements are looked at and taken for the rest,
    /// unless that is 0.
    fn heap_bytes(&self, samples: usize) -> usize;

    /// About how many allocations are freed with it: whether that is better left to another thread.
    fn free_effort(&self) -> usize;

    /// Adds its elements to the digest of a value.
    fn digest(&self, digest: &mut Digest);

    /// The collection as it is now, made at once, to be walked through and for nothing else, however it is changed
    /// meanwhile.
    fn image(&self) -> Self
    where
        Self: Clone,
    {
        self.clone()
    }
}

/// A collection whose parts may expire, each by itself: the fields of a hash, the members of a set.
///
/// A part whose time has come stays until it is removed; whoever looks at parts has to tell such from those that live.
/// The collection carries a note for the keyspace: when that plans to look for parts whose time has come. The
/// collection itself makes nothing of it.
pub trait ExpiringParts: Collection {
    /// When a part expires, in Unix milliseconds, if at all; `None` if it is not there.
    fn expiry(&self, part: &[u8]) -> Option<Option<i64>>;

    /// When the first of the parts that expire does so.
    fn next_expiry(&self) -> Option<i64>;

    /// The keyspace's note. None if no part ever expired.
    fn planned(&self) -> Option<i64>;

    /// Sets the keyspace's note. A form without times has no place for one: it needs none.
    fn set_planned(&mut self, planned: Option<i64>);

    /// Removes a part; whether it was there.
    fn remove(&mut self, part: &[u8]) -> bool;

    /// Removes parts whose time has come, the first of them first and at most as many; their names go to `removed`.
    fn remove_due(&mut self, now_ms: i64, most: usize, removed: &mut dyn FnMut(&[u8]));

    /// Whether it has parts whose time has come.
    #[inline]
    fn has_due(&self, now_ms: i64) -> bool {
        self.next_expiry().is_some_and(|at| at < now_ms)
    }

    /// Whether the keyspace plans to look soon enough, and not in vain.
    #[inline]
    fn plan_fits(&self) -> bool {
        match (self.planned(), self.next_expiry()) {
            (None, None) => true,
            (Some(planned), Some(next)) => planned <= next,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}
