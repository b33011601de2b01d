//! The chapters of the documentation with what follows from the one that a command stands in, and the ACL categories.

/// ACL categories, one bit each. The last are those of the modules that Redis 8 comes with, so that rules about them
/// are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Categories(pub u64);

macro_rules! categories {
    ($($name:ident = $bit:expr, $shown:expr;)*) => {
        #[allow(missing_docs)]
        impl Categories { $(pub const $name: Categories = Categories(1 << $bit);)* }
        /// All categories with their names, in the order Redis lists them.
        pub const CATEGORY_NAMES: &[(Categories, &str)] = &[$((Categories::$name, $shown)),*];
    };
}

categories! {
    KEYSPACE = 0, "keyspace";
    READ = 1, "read";
    WRITE = 2, "write";
    SET = 3, "set";
    SORTEDSET = 4, "sortedset";
    LIST = 5, "list";
    HASH = 6, "hash";
    STRING = 7, "string";
    BITMAP = 8, "bitmap";
    HYPERLOGLOG = 9, "hyperloglog";
    GEO = 10, "geo";
    STREAM = 11, "stream";
    PUBSUB = 12, "pubsub";
    ADMIN = 13, "admin";
    FAST = 14, "fast";
    SLOW = 15, "slow";
    BLOCKING = 16, "blocking";
    DANGEROUS = 17, "dangerous";
    CONNECTION = 18, "connection";
    TRANSACTION = 19, "transaction";
    SCRIPTING = 20, "scripting";
    BLOOM = 21, "bloom";
    CUCKOO = 22, "cuckoo";
    CMS = 23, "cms";
    TOPK = 24, "topk";
    TDIGEST = 25, "tdigest";
    SEARCH = 26, "search";
    TIMESERIES = 27, "timeseries";
    JSON = 28, "json";
    ARRAY = 29, "array";
    PATHHASH = 30, "pathhash";
    VECTORSET = 31, "vectorset";
}

impl Categories {
    /// Whether any category of `other` is in this set.
    pub const fn has(self, other: Categories) -> bool {
        self.0 & other.0 != 0
    }
}

/// The chapter of the documentation a command belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
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
            Group::Cluster | Group::Server => Categories(0),
            Group::Set => Categories::SET,
            Group::SortedSet => Categories::SORTEDSET,
            Group::Stream => Categories::STREAM,
            Group::String => Categories::STRING,
            Group::TDigest => Categories::TDIGEST,
            Group::TopK => Categories::TOPK,
            Group::Transactions => Categories::TRANSACTION,
            Group::VectorSet => Categories::VECTORSET,
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
