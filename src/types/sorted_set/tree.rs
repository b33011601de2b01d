//! The order of a big sorted set: a B+ tree of slots (see [`super::item`]) that counts what is below each branch.
//!
//! ```text
//! inner node   keys of the first elements of its branches | branches: number of elements, node
//! leaf         keys of its elements
//! keys         64 upper halves of score keys (i32) | 63 slots: middle bits and address
//! ```
//! A leaf takes 768 bytes. To find a place in a node, the upper halves are counted that are lower than the one sought,
//! all 64 with a few vector instructions (unused ones are the highest number). Among equal ones the middle bits in the
//! slots decide, and only where those are equal, too, items are read: with integers below 2^37 as scores, only those
//! with the same score.
//!
//! Ranks are sums of counts on the way from the root. Nodes are not linked: who walks asks for the next leaf by rank.
//!
//! # Invariants
//! All leaves are equally deep, and no node but the root is empty. The key of a branch is that of its first element
//! after every change, so the tree never holds a slot that was taken out. Before going down to insert, room is made in
//! the next node: a full one gives some of its entries to a neighbour, or is split. At the ends of the order it is
//! split unevenly, so that a set filled in order has full leaves. A node that becomes small joins a small neighbour.
//! An element whose new score leaves it between the same neighbours only has its key changed.
//!
//! Copies of a tree have its inner nodes in common, with all that is below them, until they are changed: a change copies
//! those on its way, and the leaves of the last one, some 50 KB.

mod keys;
mod seek;

pub use seek::{Seek, SeekElement, SeekMember, SeekScore};

use std::ops::Range;
use std::ptr::NonNull;

use super::item::{ItemRef, Slot, score_key, upper};
use crate::types::sharing::Sharing;
use crate::util::alloc::size_class;
use keys::{ENTRIES_MAX, Keys};

/// A neighbour with this many entries or fewer takes some from a full node.
const TAKER_MAX: usize = ENTRIES_MAX - 8;
/// A node with fewer entries joins a neighbour, if both together have no more than `JOINED_MAX`.
const ENTRIES_MIN: usize = 16;
const JOINED_MAX: usize = 48;
/// About how many entries the nodes of a tree have that is built at once.
const ENTRIES_BUILT: usize = 56;
/// How many elements ahead a walk asks for memory.
const AHEAD: usize = 8;

/// What became of an element that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nowhere,
    Removed,
    Kept,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Box<Keys>),
    Inner(Sharing<Inner>),
}

#[derive(Debug)]
struct Inner {
    keys: Keys,
    branches: Vec<Branch>,
}

impl Clone for Inner {
    /// A copy with room for as much.
    fn clone(&self) -> Self {
        let mut branches = Vec::with_capacity(ENTRIES_MAX);
        branches.extend_from_slice(&self.branches);
        Self { keys: self.keys.clone(), branches }
    }
}

#[derive(Clone, Debug)]
struct Branch {
    /// The number of elements below.
    count: usize,
    node: Node,
}

impl Node {
    fn keys(&self) -> &Keys {
        match self {
            Node::Leaf(keys) => keys,
            Node::Inner(inner) => &inner.keys,
        }
    }

    /// The number of elements below.
    fn count(&self) -> usize {
        match self {
            Node::Leaf(keys) => keys.len(),
            Node::Inner(inner) => inner.branches.iter().map(|branch| branch.count).sum(),
        }
    }

    /// An empty node as deep as this one.
    fn empty_like(&self) -> Node {
        match self {
            Node::Leaf(_) => Node::Leaf(Box::new(Keys::new())),
            Node::Inner(_) => Node::Inner(Inner::new()),
        }
    }

    /// Inserts an element where it belongs. There is room.
    fn insert(&mut self, seek: &SeekElement<'_>, entry: (i32, Slot)) {
        match self {
            Node::Leaf(keys) => keys.insert(keys.count_before(seek), entry),
            Node::Inner(inner) => inner.insert(seek, entry),
        }
    }

    /// Removes the item at an address, which is the one before a place, unless `keep`, called with the keys of its leaf
    /// and where it stands there, says that it stays.
    fn remove(
        &mut self,
        seek: &SeekElement<'_>,
        address: NonNull<u8>,
        keep: &mut dyn FnMut(&mut Keys, usize) -> bool,
    ) -> Found {
        match self {
            Node::Leaf(keys) => match keys.count_before(seek).checked_sub(1) {
                Some(at) if keys.slots[at].is_at(address) => {
                    if keep(keys, at) {
                        return Found::Kept;
                    }
                    keys.remove(at..at + 1);
                    Found::Removed
                }
                Some(_) | None => Found::Nowhere,
            },
            Node::Inner(inner) => {
                let inner: &mut Inner = inner;
                let child = inner.child_of(seek);
                let branch = &mut inner.branches[child];
                let found = branch.node.remove(seek, address, keep);
                if found == Found::Removed {
                    branch.count -= 1;
                    inner.mend(child);
                }
                found
            }
        }
    }

    /// Takes the element of a rank out, and those that follow it in its leaf, at most `most`; returns how many.
    fn take(&mut self, rank: usize, most: usize, taken: &mut Vec<Slot>) -> usize {
        match self {
            Node::Leaf(keys) => {
                let range = rank..keys.len().min(rank.saturating_add(most));
                taken.extend_from_slice(&keys.slots[range.clone()]);
                let count = range.len();
                keys.remove(range);
                count
            }
            Node::Inner(inner) => {
                let inner: &mut Inner = inner;
                let (child, rank) = inner.child_at(rank);
                let branch = &mut inner.branches[child];
                let count = branch.node.take(rank, most, taken);
                branch.count -= count;
                inner.mend(child);
                count
            }
        }
    }

    /// Moves the first `entries` to the end of its left neighbour; returns how many elements these are.
    fn move_front(&mut self, entries: usize, left: &mut Node) -> usize {
        match (self, left) {
            (Node::Leaf(keys), Node::Leaf(left)) => {
                keys.move_front(entries, left);
                entries
            }
            (Node::Inner(inner), Node::Inner(left)) => {
                let (inner, left): (&mut Inner, &mut Inner) = (inner, left);
                inner.keys.move_front(entries, &mut left.keys);
                let before = left.branches.len();
                left.branches.extend(inner.branches.drain(..entries));
                left.branches[before..].iter().map(|branch| branch.count).sum()
            }
            (Node::Leaf(_), Node::Inner(_)) | (Node::Inner(_), Node::Leaf(_)) => unreachable!("equally deep"),
        }
    }

    /// Moves the last `entries` to the beginning of its right neighbour; returns how many elements these are.
    fn move_back(&mut self, entries: usize, right: &mut Node) -> usize {
        match (self, right) {
            (Node::Leaf(keys), Node::Leaf(right)) => {
                keys.move_back(entries, right);
                entries
            }
            (Node::Inner(inner), Node::Inner(right)) => {
                let (inner, right): (&mut Inner, &mut Inner) = (inner, right);
                inner.keys.move_back(entries, &mut right.keys);
                let first = inner.branches.len() - entries;
                right.branches.splice(..0, inner.branches.drain(first..));
                right.branches[..entries].iter().map(|branch| branch.count).sum()
            }
            (Node::Leaf(_), Node::Inner(_)) | (Node::Inner(_), Node::Leaf(_)) => unreachable!("equally deep"),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Node::Leaf(_) => size_class(size_of::<Keys>()),
            Node::Inner(inner) => {
                let below: usize = inner.branches.iter().map(|branch| branch.node.heap_bytes()).sum();
                let branches = size_class(inner.branches.capacity() * size_of::<Branch>());
                size_class(Sharing::<Inner>::BYTES) + branches + below
            }
        }
    }
}

impl Inner {
    fn new() -> Sharing<Self> {
        Sharing::new(Self { keys: Keys::new(), branches: Vec::with_capacity(ENTRIES_MAX) })
    }

    /// The branch where the elements just before a place are, if there are any: the last that begins before it.
    fn child_of(&self, seek: &impl Seek) -> usize {
        self.keys.count_before(seek).saturating_sub(1)
    }

    /// The branch with the element of a rank, and the rank there.
    fn child_at(&self, mut rank: usize) -> (usize, usize) {
        let last = self.branches.len() - 1;
        for (child, branch) in self.branches[..last].iter().enumerate() {
            if rank < branch.count {
                return (child, rank);
            }
            rank -= branch.count;
        }
        (last, rank)
    }

    fn entries_of(&self, child: usize) -> usize {
        self.branches[child].node.keys().len()
    }

    fn insert(&mut self, seek: &SeekElement<'_>, entry: (i32, Slot)) {
        let mut child = self.child_of(seek);
        if self.entries_of(child) == ENTRIES_MAX {
            self.make_room(child, seek);
            child = self.child_of(seek);
        }
        let branch = &mut self.branches[child];
        branch.node.insert(seek, entry);
        branch.count += 1;
        self.note_first(child);
    }

    /// Sets the key of a branch to that of its first element.
    fn note_first(&mut self, child: usize) {
        self.keys.set(child, self.branches[child].node.keys().first());
    }

    /// Takes entries from a full child. There is room for one more child.
    fn make_room(&mut self, child: usize, seek: &SeekElement<'_>) {
        if child > 0 && self.entries_of(child - 1) <= TAKER_MAX {
            let entries = (ENTRIES_MAX - self.entries_of(child - 1)) / 2;
            self.shift(child, |left, right| right.node.move_front(entries, &mut left.node), true);
        } else if child + 1 < self.branches.len() && self.entries_of(child + 1) <= TAKER_MAX {
            let entries = (ENTRIES_MAX - self.entries_of(child + 1)) / 2;
            self.shift(child + 1, |left, right| left.node.move_back(entries, &mut right.node), false);
        } else {
            let before = self.branches[child].node.keys().count_before(seek);
            let moved = match before {
                ENTRIES_MAX if child + 1 == self.branches.len() => 1,
                0 if child == 0 => ENTRIES_MAX - 1,
                _ => ENTRIES_MAX / 2,
            };
            let empty = self.branches[child].node.empty_like();
            self.keys.insert(child + 1, self.keys.first());
            self.branches.insert(child + 1, Branch { count: 0, node: empty });
            self.shift(child + 1, |left, right| left.node.move_back(moved, &mut right.node), false);
        }
    }

    /// Has elements moved between a child and its left neighbour; `shift` returns how many.
    fn shift(&mut self, right: usize, shift: impl FnOnce(&mut Branch, &mut Branch) -> usize, to_left: bool) {
        if let [left, right] = &mut self.branches[right - 1..=right] {
            let moved = shift(left, right);
            let (from, to) = if to_left { (right, left) } else { (left, right) };
            from.count -= moved;
            to.count += moved;
        }
        self.note_first(right);
    }

    /// Puts things right after elements of a child have gone.
    fn mend(&mut self, child: usize) {
        let entries = self.entries_of(child);
        if entries == 0 {
            self.keys.remove(child..child + 1);
            self.branches.remove(child);
            return;
        }
        self.note_first(child);
        if entries >= ENTRIES_MIN {
            return;
        }
        if child > 0 && entries + self.entries_of(child - 1) <= JOINED_MAX {
            self.join(child);
        } else if child + 1 < self.branches.len() && entries + self.entries_of(child + 1) <= JOINED_MAX {
            self.join(child + 1);
        }
    }

    /// Joins a child to its left neighbour.
    fn join(&mut self, child: usize) {
        let mut branch = self.branches.remove(child);
        self.keys.remove(child..child + 1);
        let left = &mut self.branches[child - 1];
        let entries = branch.node.keys().len();
        left.count += branch.node.move_front(entries, &mut left.node);
    }
}

/// The tree. A copy has the same elements.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Node,
    len: usize,
}

impl Tree {
    /// A tree of slots that are in their order.
    pub fn from_sorted(slots: &[Slot]) -> Self {
        let mut nodes = grouped(
            slots.iter().copied(),
            || Box::new(Keys::new()),
            |keys, slot| {
                let upper = upper(score_key(slot.item().score()));
                keys.push(upper, slot);
            },
        )
        .map(Node::Leaf)
        .collect::<Vec<_>>();
        while nodes.len() > 1 {
            nodes = grouped(nodes.into_iter(), Inner::new, |inner, node| {
                let (upper, slot) = node.keys().first();
                inner.keys.push(upper, slot);
                inner.branches.push(Branch { count: node.count(), node });
            })
            .map(Node::Inner)
            .collect();
        }
        let root = nodes.pop().unwrap_or_else(|| Node::Leaf(Box::new(Keys::new())));
        Self { root, len: slots.len() }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds the slot of an element, which is not there.
    pub fn insert(&mut self, element: &SeekElement<'_>, slot: Slot) {
        if self.root.keys().len() == ENTRIES_MAX {
            let mut inner = Inner::new();
            let node = std::mem::replace(&mut self.root, Node::Leaf(Box::new(Keys::new())));
            let (upper, slot) = node.keys().first();
            inner.keys.push(upper, slot);
            inner.branches.push(Branch { count: self.len, node });
            self.root = Node::Inner(inner);
        }
        self.root.insert(element, (upper(element.key), slot));
        self.len += 1;
    }

    /// Removes an element by the address of its item; false if it is not there.
    pub fn remove(&mut self, element: &SeekElement<'_>, address: NonNull<u8>) -> bool {
        let found = self.root.remove(&element.behind(), address, &mut |_, _| false);
        self.removed(found)
    }

    /// Moves an element to the place of its new score; false if it is not there. `change` changes its item, which may
    /// move, and gives its new slot.
    pub fn update(
        &mut self,
        element: &SeekElement<'_>,
        address: NonNull<u8>,
        new: &SeekElement<'_>,
        change: impl FnOnce() -> Slot,
    ) -> bool {
        let mut change = Some(change);
        let found = self.root.remove(&element.behind(), address, &mut |keys, at| {
            // The neighbours tell whether the order remains. One in another leaf is not worth asking.
            let stays = at > 0
                && at + 1 < keys.len()
                && new.passes(keys.slots[at - 1].item())
                && !new.behind().passes(keys.slots[at + 1].item());
            if let Some(change) = change.take_if(|_| stays) {
                keys.set(at, (upper(new.key), change()));
            }
            stays
        });
        if self.removed(found)
            && let Some(change) = change
        {
            self.insert(new, change());
        }
        found != Found::Nowhere
    }

    fn removed(&mut self, found: Found) -> bool {
        if found == Found::Removed {
            self.len -= 1;
            self.lower_root();
        }
        found == Found::Removed
    }

    /// Takes the element of a rank out, and some of those that follow it, at least one if there is any and at most
    /// `most`.
    pub fn take(&mut self, rank: usize, most: usize, taken: &mut Vec<Slot>) {
        if rank < self.len {
            self.len -= self.root.take(rank, most, taken);
            self.lower_root();
        }
    }

    fn lower_root(&mut self) {
        while let Node::Inner(inner) = &mut self.root {
            match inner.branches.len() {
                0 => self.root = Node::Leaf(Box::new(Keys::new())),
                1 => {
                    let Some(only) = inner.branches.pop() else { return };
                    self.root = only.node;
                }
                _ => return,
            }
        }
    }

    /// How many elements come before a place.
    pub fn position(&self, seek: &impl Seek) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(keys) => return rank + keys.count_before(seek),
                Node::Inner(inner) => {
                    let child = inner.child_of(seek);
                    rank += inner.branches[..child].iter().map(|branch| branch.count).sum::<usize>();
                    node = &inner.branches[child].node;
                }
            }
        }
    }

    /// The leaf with the element of a rank, and where it is there. The rank is below the length.
    fn leaf_at(&self, mut rank: usize) -> (&[Slot], usize) {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(keys) => return (keys.slots(), rank),
                Node::Inner(inner) => {
                    let (child, below) = inner.child_at(rank);
                    (node, rank) = (&inner.branches[child].node, below);
                }
            }
        }
    }

    /// The items of some ranks, which are below the length.
    pub fn iter(&self, ranks: Range<usize>) -> Iter<'_> {
        Iter { tree: self, ranks, front: &[], back: &[] }
    }

    /// The memory of its nodes.
    pub fn heap_bytes(&self) -> usize {
        self.root.heap_bytes()
    }
}

/// Puts things into as few groups of equal size as hold them.
fn grouped<T, G>(
    mut things: impl ExactSizeIterator<Item = T>,
    new: impl Fn() -> G,
    put: impl Fn(&mut G, T),
) -> impl Iterator<Item = G> {
    let (count, groups) = (things.len(), things.len().div_ceil(ENTRIES_BUILT));
    (0..groups).map(move |index| {
        let mut group = new();
        let size = count * (index + 1) / groups - count * index / groups;
        things.by_ref().take(size).for_each(|thing| put(&mut group, thing));
        group
    })
}

/// Items in their order, from both ends.
#[derive(Debug)]
pub struct Iter<'a> {
    tree: &'a Tree,
    ranks: Range<usize>,
    /// What is left of the leaf with the next rank.
    front: &'a [Slot],
    /// What is left of the leaf with the last rank.
    back: &'a [Slot],
}

impl<'a> Iterator for Iter<'a> {
    type Item = ItemRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<ItemRef<'a>> {
        let rank = self.ranks.next()?;
        if self.front.is_empty() {
            let (slots, at) = self.tree.leaf_at(rank);
            self.front = &slots[at..];
            self.front.iter().take(AHEAD).for_each(|slot| slot.prefetch());
        }
        let (slot, rest) = self.front.split_first()?;
        self.front = rest;
        if let Some(ahead) = rest.get(AHEAD - 1) {
            ahead.prefetch();
        }
        Some(slot.item())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next_back()?;
        if self.back.is_empty() {
            let (slots, at) = self.tree.leaf_at(rank);
            self.back = &slots[..=at];
            self.back.iter().rev().take(AHEAD).for_each(|slot| slot.prefetch());
        }
        let (slot, rest) = self.back.split_last()?;
        self.back = rest;
        if let Some(ahead) = rest.len().checked_sub(AHEAD).and_then(|at| rest.get(at)) {
            ahead.prefetch();
        }
        Some(slot.item())
    }
}

#[cfg(test)]
impl Tree {
    /// Panics unless everything is as the invariants say.
    pub fn check(&self) {
        let depth = self.root.check(true);
        assert!(depth < 8, "a tree that deep");
        assert_eq!(self.root.count(), self.len);
        let items: Vec<_> = self.iter(0..self.len).map(SeekElement::at).collect();
        assert!(items.windows(2).all(|pair| (pair[0].key, pair[0].member) < (pair[1].key, pair[1].member)));
    }
}

#[cfg(test)]
impl Node {
    fn check(&self, is_root: bool) -> usize {
        use super::item::middle;
        let keys = self.keys();
        assert!(is_root || keys.len() > 0);
        assert!(keys.uppers[keys.len()..].iter().all(|upper| *upper == keys::UNUSED));
        for (slot, found) in keys.slots().iter().zip(keys.uppers) {
            let key = score_key(slot.item().score());
            assert_eq!((found, slot.middle()), (upper(key), middle(key)));
        }
        let Node::Inner(inner) = self else { return 1 };
        assert_eq!(inner.branches.len(), keys.len());
        let depths: Vec<usize> = inner.branches.iter().map(|branch| branch.node.check(false)).collect();
        for (branch, slot) in inner.branches.iter().zip(keys.slots()) {
            assert_eq!(branch.count, branch.node.count());
            assert!(slot.is_at(branch.node.keys().slots[0].item().address()));
        }
        assert!(depths.windows(2).all(|pair| pair[0] == pair[1]));
        1 + depths[0]
    }
}
