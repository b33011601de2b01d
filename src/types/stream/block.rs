//! A block of entries in one listpack: Redis's layout, element for element.
//!
//! ```text
//! ┌──────┬─────────┬─────────┬─────────┬───┬─────────┬───┐
//! │ live │ deleted │ names N │ name 1  │ … │ name N  │ 0 │   the head: what the first entry's fields are called
//! ├──────┴┬────────┴┬────────┴┬────────┴┬──┴──────┬──┴───┤
//! │ flags │ ms − ms₀│seq −seq₀│ value 1 │ …       │ N+3  │   an entry with just these names: SAME_NAMES
//! ├───────┼─────────┼─────────┼─────────┼─────────┼──────┴───────────────────────┐
//! │ flags │ ms − ms₀│seq −seq₀│ pairs M │ name 1  │ value 1 │ … │ value M │ 2M+4 │
//! └───────┴─────────┴─────────┴─────────┴─────────┴─────────┴───┴─────────┴──────┘
//! ```
//! Ids are differences to that of the block, which its first entry once had. A deleted entry stays, marked as such,
//! until all of its block are. The last element of an entry is the number of the others, so that one can walk back;
//! the 0 of the head says that there is nothing more.

use super::StreamId;
use crate::types::listpack::{Element, Elements, Listpack, Pack, Position, RoomyListpack, Storage};

const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;

/// Where the head begins: with the number of live entries.
const LIVE_AT: Position = 6;

/// How far to look from the end of a block before it is walked from its beginning.
const NEAR_THE_END: usize = 8;

/// The fields of an entry: names and values.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// The names, if they are those of the block's head.
    names: Option<Elements<'a>>,
    /// The values, and the names among them otherwise.
    rest: Elements<'a>,
    pairs: usize,
}

impl Fields<'_> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.pairs
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Element<'a>, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let name = match &mut self.names {
            Some(names) => names.next()?,
            None => self.rest.next()?,
        };
        Some((name, self.rest.next()?))
    }
}

/// An entry as it stands in its block.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Its fields.
    pub fields: Fields<'a>,
    /// Whether it is only a remnant.
    pub(super) deleted: bool,
    at: Position,
    flags: i64,
}

/// A walk over the entries of a block, from both ends; the deleted ones are met, too.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    base: StreamId,
    names: Elements<'a>,
    names_len: usize,
    /// Of all entries.
    pub(super) live: u64,
    /// Of all entries.
    pub(super) deleted: u64,
    /// Where the entries begin.
    entries_at: Position,
    rest: Elements<'a>,
}

impl<'a> Walk<'a> {
    /// Begins a walk; `None` if that is no block.
    #[inline]
    pub fn new<S: Storage>(base: StreamId, pack: &'a Pack<S>) -> Option<Self> {
        let mut rest = pack.iter();
        let live = u64::try_from(rest.next()?.int()?).ok()?;
        let deleted = u64::try_from(rest.next()?.int()?).ok()?;
        let names_len = usize::try_from(rest.next()?.int()?).ok()?;
        let names = rest.split_front(names_len)?;
        let end_of_head = rest.next()?.int()?;
        let entries_at = rest.position();
        (end_of_head == 0).then_some(Self { base, names, names_len, live, deleted, entries_at, rest })
    }

    /// The first of the remaining entries.
    #[inline]
    pub fn next(&mut self) -> Option<Entry<'a>> {
        let entry = read_entry(self.base, &self.names, self.names_len, &mut self.rest)?;
        self.rest.split_front(1)?;
        Some(entry)
    }

    /// The last of them.
    #[inline]
    pub fn next_back(&mut self) -> Option<Entry<'a>> {
        let others = usize::try_from(self.rest.next_back()?.int()?).ok()?;
        let mut entry = self.rest.split_back(others)?;
        read_entry(self.base, &self.names, self.names_len, &mut entry)
    }

    /// How many bytes of entries lie behind.
    #[inline]
    pub fn passed(&self) -> usize {
        self.rest.position() - self.entries_at
    }

    /// Leaves out what another walk has passed of the same block, to which nothing but additions have happened since.
    #[inline]
    pub fn pass(&mut self, bytes: usize) {
        self.rest = self.rest.starting_at(self.entries_at + bytes);
    }

    /// May leave out entries before `from`: all of them, if it is among the last few.
    pub fn hasten_to(&mut self, from: StreamId) {
        if from <= self.base {
            return;
        }
        let mut back = self.clone();
        let mut behind = back.rest.end_position();
        for _ in 0..NEAR_THE_END {
            match back.next_back() {
                Some(entry) if entry.id < from => {
                    self.rest = self.rest.starting_at(behind);
                    return;
                }
                Some(entry) => behind = entry.at,
                None => return,
            }
        }
    }
}

/// Reads an entry up to its last element, the number of the others.
#[inline]
fn read_entry<'a>(
    base: StreamId,
    names: &Elements<'a>,
    names_len: usize,
    rest: &mut Elements<'a>,
) -> Option<Entry<'a>> {
    let at = Elements::position(rest);
    let flags = rest.next()?.int()?;
    let ms = base.ms.wrapping_add(rest.next()?.int()? as u64);
    let seq = base.seq.wrapping_add(rest.next()?.int()? as u64);
    let fields = if flags & SAME_NAMES != 0 {
        Fields { names: Some(names.clone()), rest: rest.split_front(names_len)?, pairs: names_len }
    } else {
        let pairs = usize::try_from(rest.next()?.int()?).ok()?;
        Fields { names: None, rest: rest.split_front(pairs.checked_mul(2)?)?, pairs }
    };
    Some(Entry { id: StreamId { ms, seq }, fields, deleted: flags & DELETED != 0, at, flags })
}

/// Marks entries of a block as deleted. They come from a [`Walk`] of the block as it is.
pub fn delete<S: Storage>(pack: &mut Pack<S>, live: u64, deleted: u64, entries: &[Mark]) {
    for mark in entries {
        pack.replace(mark.at, Element::Int(mark.flags | DELETED));
    }
    let count = entries.len() as u64;
    pack.replace(LIVE_AT, Element::Int((live - count) as i64));
    if let Some(deleted_at) = pack.next(LIVE_AT) {
        pack.replace(deleted_at, Element::Int((deleted + count) as i64));
    }
}

/// Which entry is to be deleted.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: Position,
    flags: i64,
}

impl Entry<'_> {
    /// What tells [`delete`] of it.
    pub fn mark(&self) -> Mark {
        Mark { at: self.at, flags: self.flags }
    }
}

/// What a block may hold before the next one is begun.
#[derive(Clone, Copy, Debug)]
pub struct BlockLimits {
    /// Bytes; 0 for as many as a listpack can have.
    pub bytes: usize,
    /// Entries, the deleted ones included; 0 for any number.
    pub entries: u64,
}

/// Bytes that a block never reaches.
pub const BLOCK_BYTES_MAX: usize = 1 << 30;

/// The last block of a stream, which still grows: with room to spare, and what an addition has to know at hand.
#[derive(Clone, Debug)]
pub struct Tail {
    /// Its id.
    pub id: StreamId,
    /// Its entries.
    pub pack: RoomyListpack,
    live: u64,
    entries: u64,
    names_len: usize,
}

impl Tail {
    /// A block for an entry to come, whose names are those given.
    fn begin<'n>(id: StreamId, names: impl ExactSizeIterator<Item = &'n [u8]>) -> Tail {
        let names_len = names.len();
        let mut pack = RoomyListpack::new();
        pack.extend(|out| {
            for count in [0, 0, names_len as i64] {
                out.push(Element::Int(count));
            }
            names.for_each(|name| out.push_text(name));
            out.push(Element::Int(0));
        });
        Tail { id, pack, live: 0, entries: 0, names_len }
    }

    /// A block with its first entry, whose names and values come in turn.
    pub fn with_first<'t>(id: StreamId, texts: impl ExactSizeIterator<Item = &'t [u8]> + Clone) -> Tail {
        let mut tail = Tail::begin(id, texts.clone().step_by(2));
        tail.push(id, texts);
        tail
    }

    /// A full block that becomes the last one again; `None` if that is no block.
    pub fn reopen(id: StreamId, pack: Listpack) -> Option<Tail> {
        let walk = Walk::new(id, &pack)?;
        let (live, entries, names_len) = (walk.live, walk.live.checked_add(walk.deleted)?, walk.names_len);
        Some(Tail { id, pack: pack.into_roomy(), live, entries, names_len })
    }

    /// Whether an entry whose texts have so many bytes belongs into the next block.
    #[inline]
    pub fn is_full_for(&self, bytes: usize, limits: BlockLimits) -> bool {
        let bytes_max = match limits.bytes {
            0 => BLOCK_BYTES_MAX,
            bytes_max => bytes_max.min(BLOCK_BYTES_MAX),
        };
        self.pack.bytes().len() + bytes >= bytes_max || (limits.entries > 0 && self.entries >= limits.entries)
    }

    /// Adds an entry, whose names and values come in turn, behind all others.
    #[inline]
    pub fn push<'t>(&mut self, id: StreamId, texts: impl ExactSizeIterator<Item = &'t [u8]> + Clone) {
        let pairs = texts.len() / 2;
        let same_names = pairs == self.names_len && self.has_names(texts.clone().step_by(2));
        let ms = id.ms.wrapping_sub(self.id.ms) as i64;
        let seq = id.seq.wrapping_sub(self.id.seq) as i64;
        self.pack.extend(|out| {
            out.push(Element::Int(if same_names { SAME_NAMES } else { 0 }));
            out.push(Element::Int(ms));
            out.push(Element::Int(seq));
            if same_names {
                texts.skip(1).step_by(2).for_each(|value| out.push_text(value));
                out.push(Element::Int(pairs as i64 + 3));
            } else {
                out.push(Element::Int(pairs as i64));
                texts.for_each(|text| out.push_text(text));
                out.push(Element::Int(2 * pairs as i64 + 4));
            }
        });
        self.live += 1;
        self.entries += 1;
        self.pack.replace(LIVE_AT, Element::Int(self.live as i64));
    }

    /// Whether these are the names of the head, given that they are as many.
    #[inline]
    fn has_names<'n>(&self, mut names: impl Iterator<Item = &'n [u8]>) -> bool {
        const COUNTS: usize = 3;
        let mut head = self.pack.iter();
        head.split_front(COUNTS).is_some() && head.zip(&mut names).all(|(own, name)| own.equals(name))
    }

    /// Marks entries as deleted.
    pub fn delete(&mut self, entries: &[Mark]) {
        delete(&mut self.pack, self.live, self.entries - self.live, entries);
        self.live -= entries.len() as u64;
    }

    /// How many entries are live.
    pub fn live(&self) -> u64 {
        self.live
    }
}

/// Checks a block of unknown origin. Returns the number of live entries and the id of the last one, deleted or not.
pub fn check(id: StreamId, pack: &Listpack) -> Option<(u64, StreamId)> {
    let mut walk = Walk::new(id, pack)?;
    let (mut live, mut deleted, mut last) = (0, 0, None);
    while walk.rest.position() < walk.rest.end_position() {
        let entry = read_entry(id, &walk.names, walk.names_len, &mut walk.rest)?;
        let pairs = entry.fields.pairs;
        let elements = if entry.flags & SAME_NAMES != 0 { pairs + 3 } else { 2 * pairs + 4 };
        let others = walk.rest.next()?.int()?;
        if others != elements as i64 || entry.id < id || last.is_some_and(|last| last >= entry.id) {
            return None;
        }
        last = Some(entry.id);
        if entry.deleted { deleted += 1 } else { live += 1 }
    }
    (walk.live == live && walk.deleted == deleted).then_some((live, last.unwrap_or(id)))
}
