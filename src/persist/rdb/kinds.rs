//! What can be loaded: the types of values by number, fork and version, a row each.
//!
//! | numbers | whose |
//! |---|---|
//! | 0–21 | those of Redis 7.2, which both forks read |
//! | 22 and above | of Redis; Valkey's differ, and are told by the magic of the file |
//! | 200 and above | ours: types for which no other server has a form, or none that we know of |
//!
//! A type of values gets a row for each number here, which names a function of its file in [`super::value`].

use super::format::kind;
use super::read::{Cursor, Reading};
use super::value::{Begun, Context, array, bitmap, hash, list, path_hash, set, sorted_set, stream, template};
use super::version::{Fork, Since};

/// How a value is loaded.
#[derive(Clone, Copy)]
pub enum Load {
    /// It is a string.
    Text,
    /// It is of a type that is a module's, see [`super::value::bundled`]. One that is not known can be passed over at most.
    Module,
    /// It is a collection, which a function begins to read.
    Collection(fn(&mut Cursor<'_>, &mut Context) -> Reading<Begun>),
}

/// A type of values in files.
pub struct Kind {
    /// Its number.
    pub number: u8,
    /// What `redis-check-rdb` calls it.
    pub name: &'static str,
    /// Who has it.
    pub since: Since,
    /// How it is loaded.
    pub load: Load,
}

impl Kind {
    const fn new(number: u8, name: &'static str, since: Since, load: Load) -> Kind {
        Kind { number, name, since, load }
    }

    /// Whether it is that of a collection with parts that expire.
    pub fn has_times(&self) -> bool {
        match self.since.is_of(Fork::Redis) {
            true => {
                (kind::HASH_FIELD_EXPIRY_EARLY..=kind::HASH_LISTPACK_EXPIRY).contains(&self.number)
                    || self.number == kind::SET_MEMBER_EXPIRY
            }
            false => self.number == kind::VALKEY_HASH_EXPIRY,
        }
    }
}

const FIRST: Since = Since::both(1);

#[rustfmt::skip]
const KINDS: &[Kind] = {
    use Load::{Collection, Module, Text};
    &[
        Kind::new(kind::STRING, "string", FIRST, Text),
        Kind::new(kind::LIST, "list-linked", FIRST, Collection(list::texts)),
        Kind::new(kind::SET, "set-hashtable", FIRST, Collection(set::members)),
        Kind::new(kind::ZSET, "zset-v1", FIRST, Collection(sorted_set::members_and_texts)),
        Kind::new(kind::HASH, "hash-hashtable", FIRST, Collection(hash::pairs)),
        Kind::new(kind::ZSET_2, "zset-v2", Since::both(8), Collection(sorted_set::members)),
        Kind::new(kind::MODULE, "module-pre-release", Since::both(8), Module),
        Kind::new(kind::MODULE_2, "module-value", Since::both(8), Module),
        Kind::new(kind::HASH_ZIPMAP, "hash-zipmap", Since::both(2), Collection(hash::zipmap)),
        Kind::new(kind::LIST_ZIPLIST, "list-ziplist", Since::both(2), Collection(list::one_ziplist)),
        Kind::new(kind::SET_INTSET, "set-intset", Since::both(2), Collection(set::one_intset)),
        Kind::new(kind::ZSET_ZIPLIST, "zset-ziplist", Since::both(2), Collection(sorted_set::one_ziplist)),
        Kind::new(kind::HASH_ZIPLIST, "hash-ziplist", Since::both(4), Collection(hash::one_ziplist)),
        Kind::new(kind::LIST_QUICKLIST, "quicklist", Since::both(7), Collection(list::ziplists)),
        Kind::new(kind::STREAM, "stream", Since::both(9), Collection(stream::first)),
        Kind::new(kind::HASH_LISTPACK, "hash-listpack", Since::both(10), Collection(hash::one_listpack)),
        Kind::new(kind::ZSET_LISTPACK, "zset-listpack", Since::both(10), Collection(sorted_set::one_listpack)),
        Kind::new(kind::LIST_QUICKLIST_2, "quicklist-v2", Since::both(10), Collection(list::nodes)),
        Kind::new(kind::STREAM_2, "stream-v2", Since::both(10), Collection(stream::second)),
        Kind::new(kind::SET_LISTPACK, "set-listpack", Since::both(11), Collection(set::one_listpack)),
        Kind::new(kind::STREAM_3, "stream-v3", Since::both(11), Collection(stream::third)),
        Kind::new(kind::HASH_FIELD_EXPIRY_EARLY, "hash-hashtable-md", Since::redis(12), Collection(hash::early_timed_pairs)),
        Kind::new(kind::HASH_LISTPACK_EXPIRY_EARLY, "hash-listpack-md", Since::redis(12), Collection(hash::early_timed_listpack)),
        Kind::new(kind::HASH_FIELD_EXPIRY, "hash-hashtable-md", Since::redis(12), Collection(hash::timed_pairs)),
        Kind::new(kind::HASH_LISTPACK_EXPIRY, "hash-listpack-md", Since::redis(12), Collection(hash::timed_listpack)),
        Kind::new(kind::SET_MEMBER_EXPIRY, "set-md", Since::OWN, Collection(set::timed_members)),
        Kind::new(kind::ARRAY, "array", Since::redis(14), Collection(array::elements)),
        Kind::new(kind::HASH_TEMPLATE_PACK, "hash-template-lp", Since::redis(15), Collection(template::packed)),
        Kind::new(kind::HASH_TEMPLATE_PACK_REF, "hash-template-lp-ref", Since::redis(15), Collection(template::packed_by_reference)),
        Kind::new(kind::HASH_TEMPLATE_ARRAY, "hash-template-array", Since::redis(15), Collection(template::array)),
        Kind::new(kind::HASH_TEMPLATE_ARRAY_REF, "hash-template-array-ref", Since::redis(15), Collection(template::array_by_reference)),
        Kind::new(kind::BITMAP, "bitmap", Since::redis(16), Collection(bitmap::portable)),
        Kind::new(kind::STREAM_4, "stream-v4", Since::redis(13), Collection(stream::fourth)),
        Kind::new(kind::STREAM_5, "stream-v5", Since::redis(14), Collection(stream::fifth)),
        Kind::new(kind::PATH_HASH, "pathhash", Since::OWN, Collection(path_hash::paths)),
        Kind::new(kind::VALKEY_PATH_HASH, "pathhash", Since::valkey(81), Collection(path_hash::paths)),
        Kind::new(kind::VALKEY_HASH_EXPIRY, "hash-hashtable-v2", Since::valkey(80), Collection(hash::triples)),
    ]
};

type Table = [Option<&'static Kind>; 256];

const fn table(fork: Fork) -> Table {
    let mut table: Table = [None; 256];
    let mut row = 0;
    while row < KINDS.len() {
        if KINDS[row].since.is_of(fork) {
            assert!(table[KINDS[row].number as usize].is_none(), "a number stands for one type in a fork");
            table[KINDS[row].number as usize] = Some(&KINDS[row]);
        }
        row += 1;
    }
    table
}

static REDIS: Table = table(Fork::Redis);
static VALKEY: Table = table(Fork::Valkey);

/// The type that a number stands for in files of a fork.
#[inline]
pub fn kind(fork: Fork, number: u8) -> Option<&'static Kind> {
    match fork {
        Fork::Redis | Fork::Own => REDIS[usize::from(number)],
        Fork::Valkey => VALKEY[usize::from(number)],
    }
}
