//! Quicklists: long lists as a queue of nodes.
//!
//! ```text
//! ┌──────┬──────┬──────┬──────┬──────┐     each node knows its number of elements, so that an index is found
//! │ node │ node │ node │ node │ node │     without a look into the nodes before it
//! └──┬───┴──┬───┴──┬───┴──┬───┴──┬───┘
//!  listpack LZF   LZF    LZF   listpack    the head and tail nodes have spare room at either side and take
//!  ◄─ room                     room ─►     elements without moving others; inner ones have next to none
//! ```
//! Invariants: no node is empty; the nodes hold `len` elements in all; no element is put behind others where the limits
//! do not allow it (one that replaces another is, as in Redis). Nodes are joined where Redis joins them, which is around
//! one that had to be split, and nowhere else: the number of nodes decides when the list is a listpack again. Whether a
//! node is compressed matters to nobody: who changes it opens it, who reads it reads a copy.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::{Bounds, End, Limits, Needle, Node};
use crate::types::listpack::{Element, GappedListpack, Listpack};
use crate::util::alloc::size_class;

/// A list of no more nodes is short: an end's spare room would weigh much in it.
const SHORT_NODES_MAX: usize = 4;
/// How many nodes at most one change adds or removes next to each other.
const CHANGED_MAX: usize = 3;

/// A quicklist, or a listpack that is long for one.
#[derive(Debug)]
pub struct Quicklist {
    nodes: VecDeque<Node>,
    len: usize,
    encoding: Encoding,
}

impl Clone for Quicklist {
    fn clone(&self) -> Self {
        self.nodes.iter().for_each(Node::prefetch);
        Self { nodes: self.nodes.clone(), ..*self }
    }
}

/// What it is to OBJECT ENCODING.
#[derive(Clone, Copy, Debug)]
enum Encoding {
    /// One node without limits, or none if there is no element.
    Listpack,
    /// Nodes within the limits of the directives at the time when it became one.
    Quicklist { size: i16, depth: u16 },
}

/// What DEBUG OBJECT tells of a quicklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuicklistFigures {
    /// The number of nodes.
    pub nodes: usize,
    /// What it allows its nodes: see [`Limits::new`].
    pub size: i16,
    /// The nodes at each end that are not compressed; 0 for all.
    pub depth: u16,
    /// Bytes of all nodes when none is compressed.
    pub bytes: usize,
}

impl Quicklist {
    /// A list of the elements of a listpack, which remains one.
    pub fn of(pack: Listpack) -> Self {
        let node = Node::packed(GappedListpack::of(pack));
        let len = node.count();
        let nodes = if len == 0 { VecDeque::new() } else { VecDeque::from(vec![node]) };
        Self { nodes, len, encoding: Encoding::Listpack }
    }

    /// Whether it is no quicklist, but a listpack.
    #[inline]
    pub fn is_listpack(&self) -> bool {
        matches!(self.encoding, Encoding::Listpack)
    }

    /// Has it be a quicklist under these limits.
    pub fn begin_quicklist(&mut self, limits: &Limits) {
        self.encoding = Encoding::Quicklist { size: limits.size, depth: limits.depth };
    }

    /// Has it be a listpack if it has a single node that fills no more than one part in so many of what is allowed.
    #[inline]
    pub fn try_end_quicklist(&mut self, limits: &Limits, parts: usize) {
        if self.nodes.len() == 1 && !self.is_listpack() && limits.fits_listpack(&self.nodes[0], parts) {
            self.encoding = Encoding::Listpack;
        }
    }

    /// Its figures, where it is a quicklist.
    pub fn figures(&self) -> QuicklistFigures {
        let (size, depth) = match self.encoding {
            Encoding::Listpack => (0, 0),
            Encoding::Quicklist { size, depth } => (size, depth),
        };
        QuicklistFigures { nodes: self.nodes.len(), size, depth, bytes: self.bytes() }
    }

    /// Bytes of all nodes when none is compressed.
    pub fn bytes(&self) -> usize {
        self.nodes.iter().map(Node::size).sum()
    }

    #[inline]
    fn bounds(&self, limits: &Limits) -> Bounds {
        match self.encoding {
            Encoding::Listpack => Bounds::NONE,
            Encoding::Quicklist { size, depth } => Limits { size, depth, ..*limits }.bounds(),
        }
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The nodes.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.nodes.iter()
    }

    /// All elements in one listpack, if it is one and has no more than `bytes_max` bytes.
    #[inline]
    pub fn to_small(&self, bytes_max: usize) -> Option<Listpack> {
        if !self.is_listpack() {
            return None;
        }
        match self.nodes.front() {
            Some(Node::Packed { pack, .. }) if pack.bytes().len() <= bytes_max => Some(pack.to_exact()),
            None => Some(Listpack::new()),
            Some(_) => None,
        }
    }

    /// The memory it owns; at most `samples` nodes are looked at, all if that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        let looked_at = if samples == 0 { self.nodes.len() } else { samples.min(self.nodes.len()) };
        let of_nodes: usize = self.nodes.iter().take(looked_at).map(Node::heap_bytes).sum();
        let queue = size_class(self.nodes.capacity() * size_of::<Node>());
        size_class(size_of::<Self>()) + queue + of_nodes * self.nodes.len() / looked_at.max(1)
    }

    /// Puts an element before or behind all others.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8], limits: &Limits) {
        let bounds = self.bounds(limits);
        let is_short = self.nodes.len() <= SHORT_NODES_MAX;
        if let Some(node) = self.node_at(end) {
            if node.push(end, text, is_short, &bounds) {
                self.len += 1;
                return;
            }
            node.seal();
        }
        self.push_node(end, Node::of(text, &bounds), limits);
    }

    /// Puts a node that is not empty before or behind all others.
    pub fn push_node(&mut self, end: End, node: Node, limits: &Limits) {
        self.len += node.count();
        match end {
            End::Head => self.nodes.push_front(node),
            End::Tail => self.nodes.push_back(node),
        }
        self.settle_end(end, &self.bounds(limits));
    }

    /// Takes the element at an end away, once it was looked at.
    #[inline]
    pub fn pop<R>(&mut self, end: End, limits: &Limits, look: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let node = self.node_at(end)?;
        let looked = node.pop(end, look)?;
        if node.count() == 0 {
            match end {
                End::Head => self.nodes.pop_front(),
                End::Tail => self.nodes.pop_back(),
            };
            self.give_back_room();
            self.settle_end(end, &self.bounds(limits));
        }
        self.len -= 1;
        Some(looked)
    }

    #[inline]
    fn node_at(&mut self, end: End) -> Option<&mut Node> {
        match end {
            End::Head => self.nodes.front_mut(),
            End::Tail => self.nodes.back_mut(),
        }
    }

    /// The index of the first element sought.
    pub fn find(&self, needle: Needle<'_>) -> Option<usize> {
        let mut before = 0;
        self.nodes.iter().find_map(|node| {
            let found = node.find(needle).map(|index| before + index);
            before += node.count();
            found
        })
    }

    /// The node of an index and the index therein, counted from the nearer end.
    fn locate(&self, index: usize) -> (usize, usize) {
        if index < self.len / 2 {
            let mut left = index;
            for (at, node) in self.nodes.iter().enumerate() {
                if left < node.count() {
                    return (at, left);
                }
                left -= node.count();
            }
        } else {
            let mut begin = self.len;
            for (at, node) in self.nodes.iter().enumerate().rev() {
                begin -= node.count();
                if begin <= index {
                    return (at, index - begin);
                }
            }
        }
        (self.nodes.len(), 0)
    }

    /// Visits the elements from an index on toward an end.
    #[inline]
    pub fn visit(
        &self,
        from: usize,
        toward: End,
        visit: &mut impl FnMut(Element<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (at, index) = self.locate(from);
        let Some(first) = self.nodes.get(at) else { return ControlFlow::Continue(()) };
        first.visit(index, toward, visit)?;
        match toward {
            End::Tail => self.nodes.range(at + 1..).try_for_each(|node| node.visit(0, toward, visit)),
            End::Head => self.nodes.range(..at).rev().try_for_each(|node| node.visit(node.count() - 1, toward, visit)),
        }
    }

    /// Replaces the element at an index, which there is. A listpack takes any text that is no node by itself.
    pub fn set(&mut self, index: usize, text: &[u8], limits: &Limits) {
        let bounds = self.bounds(limits);
        let (at, within) = self.locate(index);
        if self.nodes[at].set(within, text, &bounds) {
            self.settle_around(at, &bounds);
        } else if self.nodes[at].is_listpack() {
            self.set_plain(at, within, text, &bounds);
        } else {
            // What was a node by itself goes with what follows, if there is room.
            let fits = self.nodes.get_mut(at + 1).is_some_and(|next| next.push(End::Head, text, false, &bounds));
            if fits {
                self.nodes.remove(at);
            } else {
                self.nodes[at] = Node::of(text, &bounds);
            }
            self.settle_around(at, &bounds);
        }
    }

    /// Replaces an element of a listpack by one that has a node of its own.
    fn set_plain(&mut self, at: usize, within: usize, text: &[u8], bounds: &Bounds) {
        if let Some(behind) = self.nodes[at].split_off(within + 1) {
            self.nodes.insert(at + 1, behind);
        }
        self.nodes.insert(at + 1, Node::of(text, bounds));
        if within == 0 {
            self.nodes.remove(at);
        } else {
            self.nodes[at].remove_range(within, 1);
            self.merge_around(at + 1, bounds);
        }
        self.settle_around(at, bounds);
    }

    /// Inserts an element beside the one at an index, toward an end: into its node, at the near end of the neighbour,
    /// in a node of its own, or between the halves of its node.
    pub fn insert(&mut self, pivot: usize, toward: End, text: &[u8], limits: &Limits) {
        let bounds = self.bounds(limits);
        let (at, within) = self.locate(pivot);
        let place = within + usize::from(toward == End::Tail);
        self.len += 1;
        if self.nodes[at].insert(place, text, &bounds) {
            return self.settle_around(at, &bounds);
        }
        let behind = at + usize::from(toward == End::Tail);
        if place > 0 && place < self.nodes[at].count() {
            return self.insert_between(at, place, toward, text, &bounds);
        }
        let neighbour = match toward {
            End::Head => at.checked_sub(1),
            End::Tail => Some(at + 1),
        };
        let neighbour = neighbour.and_then(|at| self.nodes.get_mut(at));
        if !neighbour.is_some_and(|node| node.push(toward.other(), text, false, &bounds)) {
            self.nodes.insert(behind, Node::of(text, &bounds));
        }
        self.settle_around(behind, &bounds);
    }

    /// Splits a node to insert an element. The half that the pivot is not in takes it, unless it is a node by itself;
    /// then the halves may each go with the node next to them.
    fn insert_between(&mut self, at: usize, place: usize, toward: End, text: &[u8], bounds: &Bounds) {
        let Some(half) = self.nodes[at].split_off(place) else { return };
        self.nodes.insert(at + 1, half);
        if bounds.is_plain(text) {
            self.nodes.insert(at + 1, Node::of(text, bounds));
        } else {
            let (taker, pivot) = if toward == End::Tail { (at + 1, at) } else { (at, at + 1) };
            self.nodes[taker].push(toward.other(), text, false, &Bounds::NONE);
            self.merge_around(pivot, bounds);
        }
        self.settle_around(at, bounds);
    }

    /// Joins the nodes around one, and it with them, as far as two have room in one.
    fn merge_around(&mut self, center: usize, bounds: &Bounds) {
        let mut center = center;
        center -= usize::from(self.merge_at(center.saturating_sub(1), bounds));
        self.merge_at(center + 2, bounds);
        center -= usize::from(self.merge_at(center, bounds));
        self.merge_at(center + 1, bounds);
    }

    /// Joins the node at a place with the one before it if they fit into one; whether they did.
    fn merge_at(&mut self, at: usize, bounds: &Bounds) -> bool {
        if at == 0 || at >= self.nodes.len() {
            return false;
        }
        let mut node = std::mem::take(&mut self.nodes[at]);
        let joined = self.nodes[at - 1].merge(&mut node, bounds);
        if joined {
            self.nodes.remove(at);
        } else {
            self.nodes[at] = node;
        }
        joined
    }

    /// Removes elements from an index on; there are as many.
    pub fn remove_range(&mut self, start: usize, count: usize, limits: &Limits) {
        let (mut at, within) = self.locate(start);
        let mut left = count;
        if within > 0 {
            let node = &mut self.nodes[at];
            let cut = left.min(node.count() - within);
            node.remove_range(within, cut);
            left -= cut;
            at += 1;
        }
        let mut until = at;
        while left > 0 && self.nodes[until].count() <= left {
            left -= self.nodes[until].count();
            until += 1;
        }
        self.nodes.drain(at..until);
        if left > 0 {
            self.nodes[at].remove_range(0, left);
        }
        self.len -= count;
        self.give_back_room();
        self.settle_around(at, &self.bounds(limits));
    }

    /// Removes up to `count` elements, looked for toward an end; returns how many.
    pub fn remove(&mut self, needle: Needle<'_>, count: usize, toward: End, limits: &Limits) -> usize {
        let mut left = count;
        let remove = |node: &mut Node| {
            left -= node.remove(toward, left, |element| needle.is(element));
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let _ = match toward {
            End::Tail => self.nodes.iter_mut().try_for_each(remove),
            End::Head => self.nodes.iter_mut().rev().try_for_each(remove),
        };
        let removed = count - left;
        if removed > 0 {
            self.len -= removed;
            self.nodes.retain(|node| node.count() > 0);
            self.give_back_room();
            self.settle_within(0..self.nodes.len(), &self.bounds(limits));
        }
        removed
    }

    fn give_back_room(&mut self) {
        if self.nodes.capacity() > 8 && self.nodes.len() < self.nodes.capacity() / 4 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// Sees to compression when a node came or went at an end.
    fn settle_end(&mut self, end: End, bounds: &Bounds) {
        if bounds.depth == 0 {
            return;
        }
        let inner = match end {
            End::Head => bounds.depth,
            End::Tail => self.nodes.len().saturating_sub(bounds.depth + 1),
        };
        self.settle_within(inner..inner.saturating_add(1), bounds);
    }

    /// Sees to compression when the nodes near a place have changed.
    fn settle_around(&mut self, at: usize, bounds: &Bounds) {
        if bounds.depth == 0 {
            return;
        }
        let (depth, length) = (bounds.depth, self.nodes.len());
        let inner_end = length.saturating_sub(depth);
        self.settle_within(depth..depth.saturating_add(CHANGED_MAX), bounds);
        self.settle_within(inner_end.saturating_sub(CHANGED_MAX)..inner_end, bounds);
        self.settle_within(at.saturating_sub(CHANGED_MAX)..at + CHANGED_MAX, bounds);
    }

    /// Opens the nodes near the ends, and compresses the inner ones of a range.
    fn settle_within(&mut self, range: std::ops::Range<usize>, bounds: &Bounds) {
        let (depth, length) = (bounds.depth, self.nodes.len());
        if depth == 0 {
            return;
        }
        let near = depth.min(length);
        self.nodes.range_mut(..near).for_each(Node::open);
        self.nodes.range_mut(length - near..).for_each(Node::open);
        let inner = range.start.max(depth)..range.end.min(length.saturating_sub(depth));
        if !inner.is_empty() {
            self.nodes.range_mut(inner).for_each(Node::compress);
        }
    }
}
