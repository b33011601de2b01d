//! The chapters of the documentation, and what follows from the one that a command stands in.

use super::Categories;

/// The chapter of the documentation a command belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
#[allow(dead_code, reason = "the types of modules come one by one")]
pub enum Group {
    Array,
    Bitmap,
    Bloom,
    Cluster,
    Connection,
    CountMinSketch,
    Cuckoo,
    Generic,
    Geo,
    Hash,
    Hyperloglog,
    Json,
    List,
    PathHash,
    Pubsub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    TDigest,
    TopK,
    Transactions,
    VectorSet,
}

impl Group {
    /// Its name in COMMAND DOCS, which calls those of modules alike, and in the manual, which tells them apart.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Array => "array",
            Group::Bitmap => "bitmap",
            Group::Bloom => "bloom",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::CountMinSketch => "cms",
            Group::Cuckoo => "cuckoo",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::Hyperloglog => "hyperloglog",
            Group::Json => "json",
            Group::List => "list",
            Group::PathHash => "pathhash",
            Group::Pubsub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::TDigest => "tdigest",
            Group::TopK => "topk",
            Group::Transactions => "transactions",
            Group::VectorSet => "vector_set",
        }
    }

    /// The ACL category all its commands are in.
    pub(super) const fn category(self) -> Categories {
        match self {
            Group::Array => Categories::ARRAY,
            Group::Bitmap => Categories::BITMAP,
            Group::Bloom => Categories::BLOOM,
            Group::Connection => Categories::CONNECTION,
            Group::CountMinSketch => Categories::CMS,
            Group::Cuckoo => Categories::CUCKOO,
            Group::Generic => Categories::KEYSPACE,
            Group::Geo => Categories::GEO,
            Group::Hash => Categories::HASH,
            Group::Hyperloglog => Categories::HYPERLOGLOG,
            Group::Json => Categories::JSON,
            Group::List => Categories::LIST,
            Group::PathHash => Categories::PATHHASH,
            Group::Pubsub => Categories::PUBSUB,
            Group::Scripting => Categories::SCRIPTING,
            Group::Cluster | Group::Server | Group::VectorSet => Categories(0),
            Group::Set => Categories::SET,
            Group::SortedSet => Categories::SORTEDSET,
            Group::Stream => Categories::STREAM,
            Group::String => Categories::STRING,
            Group::TDigest => Categories::TDIGEST,
            Group::TopK => Categories::TOPK,
            Group::Transactions => Categories::TRANSACTION,
        }
    }

    /// Whether its commands are those of what Redis brings as modules.
    pub const fn is_of_module(self) -> bool {
        matches!(
            self,
            Group::Bloom
                | Group::CountMinSketch
                | Group::Cuckoo
                | Group::Json
                | Group::TDigest
                | Group::TopK
                | Group::VectorSet
        )
    }
}
