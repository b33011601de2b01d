//! Saving a value: one function per type.
//!
//! What is kept in the bytes of RDB files is written as it is, all else element by element.

use super::super::format::{NODE_PACKED, NODE_PLAIN, kind};
use super::super::write::Writer;
use super::stream;
use crate::db::{EntryView, StringRef};
use crate::types::hash::HashBytes;
use crate::types::listpack::Element;
use crate::types::set::SetBytes;
use crate::types::{Collection, Hash, List, Set, SortedSet, Stream, ValueType};

/// The type under which a value is saved.
pub fn kind_of(entry: EntryView<'_>) -> u8 {
    match entry.kind().value_type() {
        ValueType::String => kind::STRING,
        ValueType::List => kind::LIST_QUICKLIST_2,
        ValueType::Set => match entry.collection::<Set>().map(Set::bytes) {
            Some(SetBytes::Intset(_)) => kind::SET_INTSET,
            Some(SetBytes::Listpack(_) | SetBytes::Table) | None => kind::SET,
        },
        ValueType::SortedSet => match entry.collection::<SortedSet>().and_then(SortedSet::listpack) {
            Some(_) => kind::ZSET_LISTPACK,
            None => kind::ZSET_2,
        },
        ValueType::Hash => entry.collection::<Hash>().map_or(kind::HASH, kind_of_hash),
        ValueType::Stream => kind::STREAM_2,
    }
}

fn kind_of_hash(hash: &Hash) -> u8 {
    match (hash.bytes(), hash.next_expiry()) {
        (HashBytes::Pack(_), _) => kind::HASH_LISTPACK,
        (HashBytes::Timed(_), Some(_)) => kind::HASH_LISTPACK_EXPIRY,
        (HashBytes::Table, Some(_)) => kind::HASH_FIELD_EXPIRY,
        (HashBytes::Timed(_) | HashBytes::Table, None) => kind::HASH,
    }
}

/// Saves a value, without its type.
pub fn save(entry: EntryView<'_>, out: &mut Writer<'_>) {
    match entry.kind().value_type() {
        ValueType::String => entry.string().into_iter().for_each(|value| string(value, out)),
        ValueType::List => entry.collection().into_iter().for_each(|value| list(value, out)),
        ValueType::Set => entry.collection().into_iter().for_each(|value| set(value, out)),
        ValueType::SortedSet => entry.collection().into_iter().for_each(|value| sorted_set(value, out)),
        ValueType::Hash => entry.collection().into_iter().for_each(|value| hash(value, out)),
        ValueType::Stream => entry.collection::<Stream>().into_iter().for_each(|value| stream::save(value, out)),
    }
}

fn string(value: StringRef<'_>, out: &mut Writer<'_>) {
    match value {
        StringRef::Int(value) => out.int(value),
        StringRef::Bytes(bytes) => out.string(bytes),
        StringRef::Shared(shared) => out.string(shared.bytes()),
    }
}

fn element(element: Element<'_>, out: &mut Writer<'_>) {
    match element {
        Element::Int(value) => out.int(value),
        Element::Bytes(bytes) => out.string(bytes),
    }
}

fn list(list: &List, out: &mut Writer<'_>) {
    out.length(list.nodes() as u64);
    list.visit_nodes(|bytes, plain| {
        out.length(if plain { NODE_PLAIN } else { NODE_PACKED });
        out.string(bytes);
    });
}

fn set(set: &Set, out: &mut Writer<'_>) {
    match set.bytes() {
        SetBytes::Intset(bytes) => out.string(bytes),
        SetBytes::Listpack(_) | SetBytes::Table => {
            out.length(set.len() as u64);
            set.iter().for_each(|member| element(member, out));
        }
    }
}

/// The greatest elements come first: so Redis, when it loads them, puts each at the beginning of its skiplist.
fn sorted_set(set: &SortedSet, out: &mut Writer<'_>) {
    if let Some(pack) = set.listpack() {
        return out.string(pack.bytes());
    }
    out.length(set.len() as u64);
    for entry in set.iter().rev() {
        element(entry.member, out);
        out.double(entry.score());
    }
}

fn hash(hash: &Hash, out: &mut Writer<'_>) {
    let first = hash.next_expiry();
    match (hash.bytes(), first) {
        (HashBytes::Pack(bytes), _) => out.string(bytes),
        (HashBytes::Timed(bytes), Some(first)) => {
            out.time_ms(first);
            out.string(bytes);
        }
        (HashBytes::Timed(_) | HashBytes::Table, first) => {
            first.into_iter().for_each(|first| out.time_ms(first));
            out.length(hash.len() as u64);
            for pair in hash.pairs() {
                // Times count from the first, beginning at 1: 0 is none.
                if let Some(first) = first {
                    out.length(pair.expiry.map_or(0, |at| (at - first) as u64 + 1));
                }
                element(pair.field, out);
                element(pair.value, out);
            }
        }
    }
}

/// Bytes of a value in an RDB file, for DEBUG OBJECT.
pub fn saved_bytes(entry: EntryView<'_>, compress: bool) -> u64 {
    let mut nowhere = std::io::sink();
    let mut out = Writer::to(&mut nowhere, false, compress);
    save(entry, &mut out);
    out.finish().unwrap_or(0)
}
