//! The entries of a stream: blocks in the order of their ids, the last of which grows.
//!
//! The full blocks are exactly as long as they must be, in a tree. The last block stands apart: to add an entry, or to
//! read the latest ones, nothing has to be looked up. It is there whenever any is, and a block without live entries
//! goes at once. An entry that is deleted before its block goes is only marked.
//!
//! Copies of a stream have its full blocks in common, until an entry in one is deleted.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use super::StreamId;
use super::block::{self, BLOCK_BYTES_MAX, BlockLimits, Entry, Mark, Tail, Walk};
use crate::types::listpack::{Listpack, Pack, Storage};
use crate::types::sharing::Sharing;

/// The entries, and what was counted of those that are gone.
#[derive(Debug, Default)]
pub struct Log {
    full: BTreeMap<StreamId, Sharing<Listpack>>,
    tail: Option<Tail>,
    length: u64,
    first_id: StreamId,
    /// The id of the latest entry, even if it is gone.
    pub last_id: StreamId,
    /// The greatest id that was deleted one by one, rather than with all before it.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    /// How often something else happened to the blocks than an addition, which makes every [`Place`] void.
    changes: u64,
}

impl Clone for Log {
    fn clone(&self) -> Self {
        self.full.values().for_each(Sharing::prefetch);
        Self { full: self.full.clone(), tail: self.tail.clone(), ..*self }
    }
}

/// How far somebody has read: what follows is found without walking through its block again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The id of the last entry read.
    last: StreamId,
    /// Its block, and how many bytes of entries were read of that.
    block: StreamId,
    passed: usize,
    changes: u64,
}

/// Which id a new entry is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// That of the present time, in Unix milliseconds, or the next one if that is over.
    Now(u64),
    /// The next one within this millisecond.
    Within(u64),
    /// This one.
    Exactly(StreamId),
}

/// Why an entry cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no greater id than the last one.
    Exhausted,
    /// The id is not greater than the last one.
    NotGreater,
    /// It has too many bytes.
    TooLarge,
}

/// What is to be kept when the oldest entries go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// This many entries.
    Latest(u64),
    /// Those from an id on.
    From(StreamId),
}

/// How the oldest entries are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What is to be kept.
    pub keep: Keep,
    /// Only blocks of which nothing is to be kept are touched.
    pub roughly: bool,
    /// At most this many entries are removed, by whole blocks; 0 for any number.
    pub limit: u64,
}

/// What trimming came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// How many entries were removed.
    pub count: u64,
    /// The greatest id up to which something was removed; zero if nothing was.
    pub last: StreamId,
}

impl Log {
    /// Restores entries from blocks, as [`Log::blocks`] gives them, in that order. `None` unless all is sound.
    pub fn checked(blocks: impl IntoIterator<Item = (StreamId, Vec<u8>)>) -> Option<Log> {
        let mut log = Log::default();
        let mut last_id = None;
        for (id, bytes) in blocks {
            let pack = Listpack::checked(bytes)?;
            let (live, last) = block::check(id, &pack)?;
            if last_id.is_some_and(|last_id| last_id >= id) {
                return None;
            }
            last_id = Some(last);
            log.length = log.length.checked_add(live)?;
            // Other servers may leave a block behind that has nothing but deleted entries.
            if live > 0 {
                log.full.insert(id, Sharing::new(pack));
            }
        }
        log.last_id = last_id.unwrap_or_default();
        log.entries_added = log.length;
        log.reopen_last();
        log.find_first();
        Some(log)
    }

    /// The blocks in order: their ids and their bytes.
    pub fn blocks(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        let full = self.full.iter().map(|(id, pack)| (*id, pack.bytes()));
        full.chain(self.tail.iter().map(|tail| (tail.id, tail.pack.bytes())))
    }

    /// How many blocks there are.
    pub fn block_count(&self) -> usize {
        self.full.len() + usize::from(self.tail.is_some())
    }

    /// The number of entries.
    #[inline]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// The id of the oldest entry; zero if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The id that an entry would get.
    #[inline]
    pub fn new_id(&self, wanted: NewId) -> Result<StreamId, Refusal> {
        if self.last_id == StreamId::MAX {
            return Err(Refusal::Exhausted);
        }
        let id = match wanted {
            NewId::Now(ms) if ms > self.last_id.ms => Some(StreamId { ms, seq: 0 }),
            NewId::Now(_) => self.last_id.next(),
            NewId::Within(ms) if ms == self.last_id.ms => {
                self.last_id.seq.checked_add(1).map(|seq| StreamId { ms, seq })
            }
            NewId::Within(ms) => Some(StreamId { ms, seq: 0 }),
            NewId::Exactly(id) => Some(id),
        };
        id.filter(|id| *id > self.last_id).ok_or(Refusal::NotGreater)
    }

    /// Adds an entry whose names and values come in turn; `id` is greater than all before.
    pub fn push<'t>(
        &mut self,
        id: StreamId,
        texts: impl ExactSizeIterator<Item = &'t [u8]> + Clone,
        limits: BlockLimits,
    ) -> Result<(), Refusal> {
        let bytes: usize = texts.clone().map(<[u8]>::len).sum();
        if bytes > BLOCK_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        match &mut self.tail {
            Some(tail) if !tail.is_full_for(bytes, limits) => tail.push(id, texts),
            tail => {
                if let Some(full) = tail.replace(Tail::with_first(id, texts)) {
                    self.full.insert(full.id, Sharing::new(full.pack.into_exact()));
                }
            }
        }
        self.length += 1;
        self.entries_added += 1;
        self.last_id = id;
        if self.length == 1 {
            self.first_id = id;
        }
        Ok(())
    }

    /// The entries from one id to another, both included, from both ends.
    pub fn range(&self, from: StreamId, to: StreamId) -> Entries<'_> {
        let mut entries = Entries::none(from, to);
        let Some(tail) = self.tail.as_ref().filter(|_| from <= to) else { return entries };
        if tail.id <= to {
            entries.tail = Some(tail);
        }
        if from < tail.id {
            let begin = self.full.range(..=from).next_back().map_or(from, |(id, _)| *id);
            entries.full = self.full.range(begin..=to);
        }
        entries
    }

    /// The entries from one id on, found at once if it is the next after a place that was read up to.
    pub fn range_on(&self, from: StreamId, place: &Place) -> Entries<'_> {
        let mut entries = self.range(from, StreamId::MAX);
        let is_next = place.changes == self.changes && place.last.next() == Some(from);
        entries.resume_at = is_next.then_some((place.block, place.passed));
        entries
    }

    /// The place behind the entry that was taken last, from the front.
    pub fn place_of(&self, entries: &Entries<'_>) -> Option<Place> {
        let (last, block) = entries.taken?;
        Some(Place { last, block, passed: entries.walk.as_ref()?.passed(), changes: self.changes })
    }

    /// All entries.
    pub fn iter(&self) -> Entries<'_> {
        self.range(StreamId::MIN, StreamId::MAX)
    }

    /// The entry of an id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// Looks up entries by ids that ascend, from one on.
    pub fn finder(&self, from: StreamId) -> Finder<'_> {
        let mut walk = self.range(from, StreamId::MAX);
        Finder { log: self, next: walk.next(), walk }
    }

    /// The id of the latest entry that is still there.
    #[inline]
    pub fn last_live_id(&self) -> Option<StreamId> {
        let tail = self.tail.as_ref()?;
        let mut walk = Walk::new(tail.id, &tail.pack)?;
        std::iter::from_fn(|| walk.next_back()).find(|entry| !entry.deleted).map(|entry| entry.id)
    }

    /// Deletes an entry; whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let was_first = id == self.first_id;
        let Some(behind) = self.delete_in_block(id, was_first) else { return false };
        self.changes += 1;
        self.length -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        match behind {
            Some(behind) => self.first_id = behind,
            None if was_first || self.length == 0 => self.find_first(),
            None => {}
        }
        true
    }

    /// Returns `None` if the entry is not there. That of the first one of all comes with the id of the one behind it,
    /// if that is in the same block: so whoever deletes from the front does not begin at the front each time.
    fn delete_in_block(&mut self, id: StreamId, is_first: bool) -> Option<Option<StreamId>> {
        if let Some(tail) = self.tail.as_mut().filter(|tail| tail.id <= id) {
            let (mark, behind) = find_in(tail.id, &tail.pack, id)?;
            let behind = if is_first { next_live(behind) } else { None };
            if tail.live() == 1 {
                self.tail = None;
                self.reopen_last();
            } else {
                tail.delete(&[mark]);
            }
            return Some(behind);
        }
        let (base, pack) = self.full.range_mut(..=id).next_back()?;
        let base = *base;
        let (mark, behind) = find_in(base, pack, id)?;
        let behind = if is_first { next_live(behind) } else { None };
        let (live, deleted) = counts(base, pack)?;
        if live == 1 {
            self.full.remove(&base);
        } else {
            block::delete(pack, live, deleted, &[mark]);
        }
        Some(behind)
    }

    /// The last of the full blocks takes the place of the one that grows.
    fn reopen_last(&mut self) {
        if self.tail.is_none() {
            self.tail = self.full.pop_last().and_then(|(id, pack)| Tail::reopen(id, pack.into_inner()));
        }
    }

    fn find_first(&mut self) {
        self.first_id = self.iter().next().map(|entry| entry.id).unwrap_or_default();
    }

    /// Removes the oldest entries. Those that `spare` returns true for stay, also in blocks that could go otherwise;
    /// without it whole blocks can go at once.
    pub fn trim(&mut self, trim: Trim, mut spare: Option<&mut dyn FnMut(StreamId) -> bool>) -> Trimmed {
        let (mut removed, mut last) = (0, StreamId::MIN);
        let mut behind = Bound::Unbounded;
        while let Some(block) = self.block_behind(behind) {
            let excess = match trim.keep {
                Keep::Latest(count) => self.length.saturating_sub(count),
                Keep::From(_) => u64::MAX,
            };
            if excess == 0 || (trim.limit > 0 && removed + block.live > trim.limit) {
                break;
            }
            let whole = match trim.keep {
                Keep::Latest(_) => block.live <= excess,
                Keep::From(id) => block.last < id,
            };
            let gone = match (&mut spare, trim.roughly) {
                (None, _) if whole => Trimmed { count: block.live, last: block.last },
                (_, true) if !whole => break,
                (spare, _) => self.trim_block(&block, trim.keep, excess, spare),
            };
            last = last.max(gone.last);
            let gone = gone.count;
            if gone == block.live {
                self.remove_block(block.id);
            }
            self.length -= gone;
            removed += gone;
            if !whole {
                break;
            }
            behind = Bound::Excluded(block.id);
        }
        if removed > 0 {
            self.changes += 1;
            self.find_first();
        }
        Trimmed { count: removed, last }
    }

    /// What is to be known of the next block.
    fn block_behind(&self, behind: Bound<StreamId>) -> Option<BlockInfo> {
        if let Some((id, pack)) = self.full.range((behind, Bound::Unbounded)).next() {
            return BlockInfo::of(*id, pack);
        }
        let tail = self.tail.as_ref()?;
        // The one that was the last may have gone since, and one before it have taken its place.
        let done = matches!(behind, Bound::Excluded(behind) if behind >= tail.id);
        if done { None } else { BlockInfo::of(tail.id, &tail.pack) }
    }

    /// Deletes entries at the beginning of a block, at most `excess`. If they are all, the block is left as it is.
    fn trim_block(
        &mut self,
        block: &BlockInfo,
        keep: Keep,
        excess: u64,
        spare: &mut Option<&mut dyn FnMut(StreamId) -> bool>,
    ) -> Trimmed {
        let (mut marks, mut last): (Vec<Mark>, StreamId) = (Vec::new(), StreamId::MIN);
        let mut collect = |mut walk: Walk<'_>| {
            while let Some(entry) = walk.next() {
                if marks.len() as u64 >= excess || matches!(keep, Keep::From(id) if entry.id >= id) {
                    break;
                }
                if !entry.deleted && !spare.as_mut().is_some_and(|spare| spare(entry.id)) {
                    marks.push(entry.mark());
                    last = entry.id;
                }
            }
        };
        if let Some(tail) = self.tail.as_mut().filter(|tail| tail.id == block.id) {
            Walk::new(tail.id, &tail.pack).into_iter().for_each(&mut collect);
            if (marks.len() as u64) < block.live {
                tail.delete(&marks);
            }
        } else if let Some(pack) = self.full.get_mut(&block.id) {
            Walk::new(block.id, pack).into_iter().for_each(&mut collect);
            if (marks.len() as u64) < block.live {
                block::delete(pack, block.live, block.deleted, &marks);
            }
        }
        Trimmed { count: marks.len() as u64, last }
    }

    fn remove_block(&mut self, id: StreamId) {
        if self.full.remove(&id).is_none() {
            self.tail = None;
            self.reopen_last();
        }
    }

    /// Memory of the blocks. At most `samples` of them are looked at and taken for the rest, unless that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        let per_block = size_of::<(StreamId, Sharing<Listpack>)>() * 3 / 2 + Sharing::<Listpack>::BYTES;
        let looked_at = if samples == 0 { self.full.len() } else { samples.min(self.full.len()) };
        let bytes: usize = self.full.values().take(looked_at).map(|pack| pack.capacity() + per_block).sum();
        let full = (bytes * self.full.len()).checked_div(looked_at).unwrap_or(0);
        full + self.tail.as_ref().map_or(0, |tail| tail.pack.capacity())
    }
}

/// A block on its way out.
struct BlockInfo {
    id: StreamId,
    live: u64,
    deleted: u64,
    /// The id of the last entry, deleted or not.
    last: StreamId,
}

impl BlockInfo {
    fn of<S: Storage>(id: StreamId, pack: &Pack<S>) -> Option<BlockInfo> {
        let mut walk = Walk::new(id, pack)?;
        let (live, deleted) = (walk.live, walk.deleted);
        Some(BlockInfo { id, live, deleted, last: walk.next_back()?.id })
    }
}

fn counts<S: Storage>(base: StreamId, pack: &Pack<S>) -> Option<(u64, u64)> {
    Walk::new(base, pack).map(|walk| (walk.live, walk.deleted))
}

/// Finds a live entry in a block, and the walk over those behind it.
fn find_in<S: Storage>(base: StreamId, pack: &Pack<S>, id: StreamId) -> Option<(Mark, Walk<'_>)> {
    let mut walk = Walk::new(base, pack)?;
    walk.hasten_to(id);
    while let Some(entry) = walk.next() {
        if entry.id >= id {
            return (entry.id == id && !entry.deleted).then(|| (entry.mark(), walk));
        }
    }
    None
}

/// The id of the next live entry.
fn next_live(mut walk: Walk<'_>) -> Option<StreamId> {
    std::iter::from_fn(|| walk.next()).find(|entry| !entry.deleted).map(|entry| entry.id)
}

/// Entries that are walked past before the way to the next one sought is looked up anew: those of a block.
const WALKED_MAX: usize = 100;

/// Looks up entries by ids that ascend: as long as the next one is near, it goes on from the last.
#[derive(Debug)]
pub struct Finder<'a> {
    log: &'a Log,
    walk: Entries<'a>,
    next: Option<Entry<'a>>,
}

impl<'a> Finder<'a> {
    /// The entry of an id, which is no less than any before.
    pub fn get(&mut self, id: StreamId) -> Option<Entry<'a>> {
        for _ in 0..WALKED_MAX {
            match &self.next {
                Some(entry) if entry.id < id => self.next = self.walk.next(),
                next => return next.clone().filter(|entry| entry.id == id),
            }
        }
        *self = self.log.finder(id);
        self.next.clone().filter(|entry| entry.id == id)
    }
}

/// Entries of a range, from both ends; do not take from both.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    from: StreamId,
    to: StreamId,
    full: btree_map::Range<'a, StreamId, Sharing<Listpack>>,
    tail: Option<&'a Tail>,
    walk: Option<Walk<'a>>,
    /// The block of the walk from the front.
    block: StreamId,
    /// In which block what was asked for begins behind so many bytes of entries, if that is known.
    resume_at: Option<(StreamId, usize)>,
    /// The id of the entry that was taken last from the front, and its block.
    taken: Option<(StreamId, StreamId)>,
}

impl Entries<'_> {
    fn none(from: StreamId, to: StreamId) -> Self {
        let (full, block) = (btree_map::Range::default(), StreamId::MIN);
        Entries { from, to, full, tail: None, walk: None, block, resume_at: None, taken: None }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            while let Some(entry) = self.walk.as_mut().and_then(Walk::next) {
                if entry.id > self.to {
                    return None;
                }
                if entry.id >= self.from && !entry.deleted {
                    self.taken = Some((entry.id, self.block));
                    return Some(entry);
                }
            }
            let (id, mut walk) = match self.full.next() {
                Some((id, pack)) => (*id, Walk::new(*id, pack)?),
                None => {
                    let tail = self.tail.take()?;
                    (tail.id, Walk::new(tail.id, &tail.pack)?)
                }
            };
            match self.resume_at.take().filter(|(block, _)| *block == id) {
                Some((_, passed)) => walk.pass(passed),
                None => walk.hasten_to(self.from),
            }
            (self.block, self.walk) = (id, Some(walk));
        }
    }
}

impl<'a> DoubleEndedIterator for Entries<'a> {
    fn next_back(&mut self) -> Option<Entry<'a>> {
        loop {
            while let Some(entry) = self.walk.as_mut().and_then(Walk::next_back) {
                if entry.id < self.from {
                    return None;
                }
                if entry.id <= self.to && !entry.deleted {
                    return Some(entry);
                }
            }
            self.walk = Some(match self.tail.take() {
                Some(tail) => Walk::new(tail.id, &tail.pack)?,
                None => {
                    let (id, pack) = self.full.next_back()?;
                    Walk::new(*id, pack)?
                }
            });
        }
    }
}
