//! A big sorted set: a table of members, which owns the items, and a tree that points at them in their order.
//!
//! # Invariants
//! The tree holds one slot for each item of the table, and none else. An item that is changed or freed is taken out of
//! the tree first; this file alone gets at both. An image ([`Ordered::image`]) has a tree and no table: its items are
//! those of another set, which leaves them alone for as long as the image lives.

// The tree's slots are made here, with a promise that the compiler cannot check.
#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use super::item::{Item, ItemRef, Slot};
use super::readers::{Kept, Readers};
use super::tree::{self, SeekElement, SeekMember, SeekScore, Tree};
use super::{Change, Entry, LexRange, ScoreRange, StoredScore};
use crate::types::listpack::Element;
use crate::types::table::{self, Probe, Table};
use crate::util::key_hash::HashSeed;

/// How many members are hashed before the first of them is put in.
const BATCH: usize = 16;

/// The elements.
pub struct Ordered {
    table: Table<Item>,
    tree: Tree,
    /// The memory of all items.
    item_bytes: usize,
    /// The images there are.
    readers: Readers,
    /// What keeps the items of an image.
    kept: Option<Arc<Kept>>,
}

fn entry(item: ItemRef<'_>) -> Entry<'_> {
    Entry { member: Element::Bytes(item.member()), score: StoredScore::Number(item.score()) }
}

/// A slot for the tree of a set.
fn slot_of(item: ItemRef<'_>) -> Slot {
    // SAFETY: the item is in the table of a set, and its slot goes into the tree of the same set alone. It is taken out
    // of the tree before it is changed or freed, and meanwhile no item is read.
    unsafe { item.slot() }
}

impl Ordered {
    /// Elements that come in their order. Of equal members the first counts.
    pub fn from_sorted<'a>(mut entries: impl Iterator<Item = (&'a [u8], f64)>) -> Self {
        let mut table = Table::new(HashSeed::of_process());
        table.reserve(entries.size_hint().0);
        let mut slots = Vec::with_capacity(entries.size_hint().0);
        let mut item_bytes = 0;
        // Buckets lie anywhere, so they are asked for some time before they are needed.
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.extend(entries.by_ref().take(BATCH).map(|(member, score)| {
                let hash = table.hash(member);
                table.prefetch_bucket(hash);
                (hash, member, score)
            }));
            if batch.is_empty() {
                break;
            }
            for (hash, member, score) in batch.drain(..) {
                if let Probe::Vacant(vacant) = table.probe(hash, member) {
                    let item = vacant.insert(Item::new(member, score)).into_view();
                    item_bytes += item.heap_bytes();
                    slots.push(slot_of(item));
                }
            }
        }
        Self { tree: Tree::from_sorted(&slots), table, item_bytes, readers: Readers::default(), kept: None }
    }

    /// The elements as they are now, made at once: to be walked through by whoever copies a data set. Its members cannot
    /// be looked up, and nothing in it can be changed.
    pub fn image(&self) -> Self {
        let kept = self.kept.clone().unwrap_or_else(|| self.readers.add());
        let (table, tree) = (Table::new(HashSeed::of_process()), self.tree.clone());
        Self { table, tree, item_bytes: self.item_bytes, readers: Readers::default(), kept: Some(kept) }
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// The memory it owns.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.item_bytes + self.table.overhead_bytes() + self.tree.heap_bytes()
    }

    /// The figures of the table.
    pub fn statistics(&self) -> table::Statistics {
        self.table.statistics()
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.table.find(self.table.hash(member), member).map(ItemRef::score)
    }

    /// See `SortedSet::update`.
    #[inline]
    pub fn update(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> Option<f64>) -> Change {
        let hash = self.table.hash(member);
        match self.table.probe(hash, member) {
            Probe::Vacant(vacant) => {
                let Some(score) = decide(None) else { return Change::None };
                let item = vacant.insert(Item::new(member, score)).into_view();
                self.item_bytes += item.heap_bytes();
                self.readers.note_new(item.address());
                self.tree.insert(&SeekElement::new(score, member), slot_of(item));
                Change::Added
            }
            Probe::Found(mut slot) => {
                let current = slot.view().score();
                let Some(score) = decide(Some(current)).filter(|score| *score != current) else { return Change::None };
                let (address, bytes) = (slot.address(), slot.view().heap_bytes());
                let (old, new) = (SeekElement::new(current, member), SeekElement::new(score, member));
                let readers = &mut self.readers;
                let moved = self.tree.update(&old, address, &new, || {
                    slot.update(|item| match readers.are_there() {
                        false => item.set_score(score),
                        true => {
                            let old = std::mem::replace(item, Item::new(member, score));
                            readers.note_new(item.view().address());
                            readers.leave(old);
                        }
                    });
                    slot_of(slot.view())
                });
                assert!(moved, "what is in the table is in the tree");
                self.item_bytes = self.item_bytes - bytes + slot.view().heap_bytes();
                Change::Updated
            }
        }
    }

    /// Removes a member; false if it is not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let hash = self.table.hash(member);
        let Some(slot) = self.table.find_mut(hash, member) else { return false };
        let removed = self.tree.remove(&SeekElement::at(slot.view()), slot.address());
        assert!(removed, "what is in the table is in the tree");
        self.item_bytes -= slot.view().heap_bytes();
        self.readers.leave(slot.remove());
        true
    }

    /// Removes the elements of some ranks, which are below the length.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        let (mut taken, mut hashes) = (Vec::new(), Vec::new());
        let mut left = ranks.len();
        while left > 0 {
            self.tree.take(ranks.start, left, &mut taken);
            left -= taken.len();
            taken.iter().for_each(|slot| slot.prefetch());
            hashes.extend(taken.iter().map(|slot| {
                let hash = self.table.hash(slot.item().member());
                self.table.prefetch_bucket(hash);
                hash
            }));
            for (slot, hash) in taken.drain(..).zip(hashes.drain(..)) {
                let item = slot.item();
                let Some(found) = self.table.find_address(hash, item.address()) else {
                    unreachable!("what is in the tree is in the table")
                };
                self.item_bytes -= item.heap_bytes();
                self.readers.leave(found.remove());
            }
        }
    }

    /// The rank of a member and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let item = self.table.find(self.table.hash(member), member)?;
        Some((self.tree.position(&SeekElement::at(item)), item.score()))
    }

    /// See `SortedSet::ranks_by_score`.
    pub fn ranks_by_score(&self, range: &ScoreRange) -> Range<usize> {
        let start = self.tree.position(&SeekScore::new(range.min.score, range.min.exclusive));
        let end = self.tree.position(&SeekScore::new(range.max.score, !range.max.exclusive));
        start..end.max(start)
    }

    /// See `SortedSet::ranks_by_lex`.
    pub fn ranks_by_lex(&self, range: &LexRange<'_>) -> Range<usize> {
        let start = self.tree.position(&SeekMember(|member: &[u8]| range.lies_below(member)));
        let end = self.tree.position(&SeekMember(|member: &[u8]| !range.lies_above(member)));
        start..end.max(start)
    }

    /// The elements of some ranks, which are below the length.
    #[inline]
    pub fn iter(&self, ranks: Range<usize>) -> Iter<'_> {
        Iter(self.tree.iter(ranks))
    }

    /// See `SortedSet::scan`.
    pub fn scan<'a>(&'a self, cursor: u64, mut emit: impl FnMut(Entry<'a>)) -> u64 {
        self.table.scan(cursor, |item| emit(entry(item)))
    }
}

impl Clone for Ordered {
    fn clone(&self) -> Self {
        Self::from_sorted(self.tree.iter(0..self.len()).map(|item| (item.member(), item.score())))
    }
}

impl Drop for Ordered {
    fn drop(&mut self) {
        if self.readers.are_there() {
            self.readers.leave_all(self.table.take());
        }
    }
}

impl std::fmt::Debug for Ordered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter(0..self.len())).finish()
    }
}

/// Elements in their order, from both ends.
#[derive(Debug)]
pub struct Iter<'a>(tree::Iter<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        self.0.next().map(entry)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(entry)
    }
}

#[cfg(test)]
impl Ordered {
    /// Panics unless everything is as the invariants say.
    pub fn check(&self) {
        self.tree.check();
        assert_eq!(self.table.len(), self.tree.len());
        let mut bytes = 0;
        for item in self.tree.iter(0..self.len()) {
            let found = self.table.find(self.table.hash(item.member()), item.member());
            assert!(found.is_some_and(|found| found.address() == item.address()));
            bytes += item.heap_bytes();
        }
        assert_eq!(bytes, self.item_bytes);
    }

    /// The memory of the tree.
    pub fn tree_bytes(&self) -> usize {
        self.tree.heap_bytes()
    }
}
