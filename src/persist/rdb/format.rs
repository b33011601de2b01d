//! The numbers of the RDB format.
//!
//! ```text
//! file     magic, version    [aux…]   [function…]   database…   EOF   checksum
//! database SELECTDB number  RESIZEDB keys expiring  key…
//! key      [NO_EVICT]  [EXPIRETIME_MS time]  [IDLE seconds | FREQ count]  type  key  value
//! ```
//! What a file begins with tells whose it is and in which version, see [`super::version`]. Times are 8 bytes and the
//! checksum is 8 bytes, little-endian; all else is made of bytes, lengths and strings. A length says by its first two bits how long it is:
//! ```text
//! 00xxxxxx             6 bits            10000000 +4 bytes    32 bits, big-endian
//! 01xxxxxx xxxxxxxx    14 bits           10000001 +8 bytes    64 bits, big-endian
//! 11xxxxxx             no length: a string of another form, see `encoding`
//! ```

use super::version::Since;

/// The first version that has a checksum at its end.
pub const VERSION_CHECKSUM: u32 = 5;
/// The first version that tells of itself, and how many keys a database has: that of Redis 3.2.
pub const VERSION_AUX: u32 = 7;
/// The first version that tells how keys were used: that of Redis 5.0.
pub const VERSION_USAGE: u32 = 9;
/// The first version that has libraries of functions: that of Redis 7.0.
pub const VERSION_FUNCTIONS: u32 = 10;

/// Since when files tell which keys are not to be evicted.
pub const PROTECTION: Since = Since::redis(16);

/// What stands where the type of a value could.
pub mod opcode {
    /// The next key is not to be evicted.
    pub const KEY_NO_EVICT: u8 = 241;
    /// The fields of hashes that follow: a number for them, a count, and as many names.
    pub const HASH_TEMPLATE: u8 = 242;
    /// What modules have attached to the next key: a count, and as many times four bytes and marked pieces.
    pub const KEY_META: u8 = 243;
    /// Valkey: slots that are on their way to this node: a name, a count, and as many first and last slots.
    pub const VALKEY_SLOT_IMPORT: u8 = 243;
    /// Numbers of a slot of a cluster: the slot, its keys, those that expire.
    pub const SLOT_INFO: u8 = 244;
    /// A library of functions.
    pub const FUNCTION: u8 = 245;
    /// A function, as a release candidate of Redis 7.0 wrote it.
    pub const FUNCTION_EARLY: u8 = 246;
    /// Data of a module that belongs to no key.
    pub const MODULE_AUX: u8 = 247;
    /// How long the next key was not used, in seconds.
    pub const IDLE: u8 = 248;
    /// How often the next key is used.
    pub const FREQUENCY: u8 = 249;
    /// A field of information: name and text.
    pub const AUX: u8 = 250;
    /// How many keys follow, and how many of them expire.
    pub const RESIZE_DB: u8 = 251;
    /// When the next key expires, in milliseconds.
    pub const EXPIRE_MS: u8 = 252;
    /// When the next key expires, in seconds.
    pub const EXPIRE: u8 = 253;
    /// The database of the keys that follow.
    pub const SELECT_DB: u8 = 254;
    /// The end.
    pub const EOF: u8 = 255;
}

/// Types of values, each with its encoding.
pub mod kind {
    /// A string.
    pub const STRING: u8 = 0;
    /// A count, and as many strings.
    pub const LIST: u8 = 1;
    /// A count, and as many strings.
    pub const SET: u8 = 2;
    /// A count, and as many members with scores as text.
    pub const ZSET: u8 = 3;
    /// A count, and as many fields with values.
    pub const HASH: u8 = 4;
    /// A count, and as many members with scores of 8 bytes.
    pub const ZSET_2: u8 = 5;
    /// A value of a module without a form that others could read.
    pub const MODULE: u8 = 6;
    /// A value of a module, in marked pieces.
    pub const MODULE_2: u8 = 7;
    /// A string that holds a zipmap.
    pub const HASH_ZIPMAP: u8 = 9;
    /// A string that holds a ziplist.
    pub const LIST_ZIPLIST: u8 = 10;
    /// A string that holds an intset.
    pub const SET_INTSET: u8 = 11;
    /// A string that holds a ziplist of members and scores.
    pub const ZSET_ZIPLIST: u8 = 12;
    /// A string that holds a ziplist of fields and values.
    pub const HASH_ZIPLIST: u8 = 13;
    /// A count, and as many strings that hold ziplists.
    pub const LIST_QUICKLIST: u8 = 14;
    /// A stream.
    pub const STREAM: u8 = 15;
    /// A string that holds a listpack of fields and values.
    pub const HASH_LISTPACK: u8 = 16;
    /// A string that holds a listpack of members and scores.
    pub const ZSET_LISTPACK: u8 = 17;
    /// A count, and as many nodes: a number for what the string is that follows.
    pub const LIST_QUICKLIST_2: u8 = 18;
    /// A stream that knows of its deleted entries.
    pub const STREAM_2: u8 = 19;
    /// A string that holds a listpack of members.
    pub const SET_LISTPACK: u8 = 20;
    /// A stream whose consumers know when they were last served.
    pub const STREAM_3: u8 = 21;
    /// A hash with expiring fields, as a release candidate of Redis 7.4 wrote it.
    pub const HASH_FIELD_EXPIRY_EARLY: u8 = 22;
    /// A listpack of fields, values and times, as a release candidate of Redis 7.4 wrote it.
    pub const HASH_LISTPACK_EXPIRY_EARLY: u8 = 23;
    /// The earliest time, a count, and as many fields with relative times and values.
    pub const HASH_FIELD_EXPIRY: u8 = 24;
    /// The earliest time, and a string that holds a listpack of fields, values and times.
    pub const HASH_LISTPACK_EXPIRY: u8 = 25;
    /// A count, a cursor, and as many indexes with elements.
    pub const ARRAY: u8 = 28;
    /// Names of fields, and a listpack of their values.
    pub const HASH_TEMPLATE_PACK: u8 = 29;
    /// A listpack of the number of a template, and of values.
    pub const HASH_TEMPLATE_PACK_REF: u8 = 30;
    /// A count, and as many fields with values, of which others have the same.
    pub const HASH_TEMPLATE_ARRAY: u8 = 31;
    /// The number of a template, and values.
    pub const HASH_TEMPLATE_ARRAY_REF: u8 = 32;
    /// A length in bytes, and a string that holds the bits in the portable form of Roaring bitmaps.
    pub const BITMAP: u8 = 33;
    /// A stream that knows what its producers have added.
    pub const STREAM_4: u8 = 26;
    /// A stream whose groups know what was handed back to them.
    pub const STREAM_5: u8 = 27;
    /// Valkey: a count, and as many paths with fields and values.
    pub const VALKEY_PATH_HASH: u8 = 23;
    /// Valkey: a count, and as many fields with values and times.
    pub const VALKEY_HASH_EXPIRY: u8 = 22;
    /// Ours: the earliest time, a count, and as many relative times with members: a set whose members expire. Redis has
    /// a form for such from version 16 on, of which nothing is known.
    pub const SET_MEMBER_EXPIRY: u8 = 200;
    /// Ours: a path hash in the form of Valkey, in files that hold what Valkey does not have. There its number is another
    /// type of Redis.
    pub const PATH_HASH: u8 = 210;
}

/// Forms of strings, in the low six bits of what would be a length.
pub mod encoding {
    /// An integer of 8 bits.
    pub const INT_8: u8 = 0;
    /// An integer of 16 bits, little-endian.
    pub const INT_16: u8 = 1;
    /// An integer of 32 bits, little-endian.
    pub const INT_32: u8 = 2;
    /// A compressed length, the length, and compressed bytes.
    pub const LZF: u8 = 3;
}

/// First byte of a length of 32 bits.
pub const LENGTH_32: u8 = 0x80;
/// First byte of a length of 64 bits.
pub const LENGTH_64: u8 = 0x81;
/// A node of a list that is one element.
pub const NODE_PLAIN: u64 = 1;
/// A node of a list that is a listpack.
pub const NODE_PACKED: u64 = 2;

/// What an element of an array is.
pub mod array_tag {
    /// A string.
    pub const TEXT: u64 = 0;
    /// An integer of 8 bytes.
    pub const INT: u64 = 1;
    /// A floating-point number of 8 bytes.
    pub const FLOAT: u64 = 2;
    /// A string of up to 7 bytes.
    pub const SHORT: u64 = 3;
}

/// Marks of the pieces of a module's value.
pub mod module {
    /// The end.
    pub const EOF: u64 = 0;
    /// A signed integer.
    pub const SIGNED: u64 = 1;
    /// An unsigned integer.
    pub const UNSIGNED: u64 = 2;
    /// A float of 4 bytes.
    pub const FLOAT: u64 = 3;
    /// A float of 8 bytes.
    pub const DOUBLE: u64 = 4;
    /// A string.
    pub const STRING: u64 = 5;
}
