//! Quicklists: long lists as a queue of nodes.
//!
//! ```text
//! ┌──────┬──────┬──────┬──────┬──────┐     each node knows its number of elements, so that an index is found
//! │ node │ node │ node │ node │ node │     without a look into the nodes before it
//! └──┬───┴──┬───┴──┬───┴──┬───┴──┬───┘
//!  listpack LZF   LZF    LZF   listpack    the head and tail nodes have spare room at either side and take
//!  ◄─ room                     room ─►     elements without moving others; inner ones have next to none
//! ```
//! Invariants: no node is empty; a listpack keeps within the limits of the command that made it grow, unless it has a
//! single element; the nodes hold `len` elements in all. Whether a node is compressed matters to nobody: who
//! changes it opens it, who reads it reads a copy.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::{End, Limits, Needle, Node};
use crate::types::listpack::{Element, GappedListpack, Listpack};
use crate::util::alloc::size_class;

/// A list of no more nodes is short: an end's spare room would weigh much in it.
const SHORT_NODES_MAX: usize = 4;
/// How many nodes at most one change adds or removes next to each other.
const CHANGED_MAX: usize = 3;

/// A quicklist.
#[derive(Clone, Debug)]
pub struct Quicklist {
    nodes: VecDeque<Node>,
    len: usize,
}

impl Quicklist {
    /// A list of the elements of a listpack.
    pub fn of(pack: Listpack) -> Self {
        let node = Node::packed(GappedListpack::of(pack));
        let len = node.count();
        let nodes = if len == 0 { VecDeque::new() } else { VecDeque::from(vec![node]) };
        Self { nodes, len }
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

    /// All elements in one listpack if that has no more than `bytes_max` bytes.
    #[inline]
    pub fn to_small(&self, bytes_max: usize) -> Option<Listpack> {
        if self.nodes.len() > 1 {
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
        let is_short = self.nodes.len() <= SHORT_NODES_MAX;
        if let Some(node) = self.node_at(end) {
            if !limits.is_plain(text) && node.push(end, Element::of(text), is_short, limits) {
                self.len += 1;
                return;
            }
            node.seal();
        }
        self.push_node(end, Node::of(text, limits), limits);
    }

    /// Puts a node that is not empty before or behind all others.
    pub fn push_node(&mut self, end: End, node: Node, limits: &Limits) {
        self.len += node.count();
        match end {
            End::Head => self.nodes.push_front(node),
            End::Tail => self.nodes.push_back(node),
        }
        self.settle_end(end, limits);
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
            self.settle_end(end, limits);
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

    /// Replaces the element at an index, which there is.
    pub fn set(&mut self, index: usize, text: &[u8], limits: &Limits) {
        let (at, within) = self.locate(index);
        if self.nodes[at].set(within, text, limits) {
            self.settle_around(at, limits);
        } else {
            self.remove_range(index, 1, limits);
            self.insert(index, text, limits);
        }
    }

    /// Inserts an element, which has this index then: into its node, at an end of a neighbour, or between the halves
    /// of its node.
    pub fn insert(&mut self, index: usize, text: &[u8], limits: &Limits) {
        if index == 0 || index == self.len {
            return self.push(if index == 0 { End::Head } else { End::Tail }, text, limits);
        }
        let (mut at, within) = self.locate(index);
        self.len += 1;
        let (element, packs) = (Element::of(text), !limits.is_plain(text));
        if packs && self.nodes[at].insert(within, element, limits) {
            return self.settle_around(at, limits);
        }
        if let Some(behind) = self.nodes[at].split_off(within) {
            at += 1;
            self.nodes.insert(at, behind);
        }
        // Between the nodes before and at this place; there is one before, or the index were 0.
        let fits = packs
            && (self.nodes[at - 1].push(End::Tail, element, false, limits)
                || self.nodes[at].push(End::Head, element, false, limits));
        if !fits {
            self.nodes.insert(at, Node::of(text, limits));
            self.merge_at(at + 2, limits);
        }
        // The halves of a node may each go with the node next to them.
        self.merge_at(at + 1, limits);
        self.merge_at(at - 1, limits);
        self.settle_around(at, limits);
    }

    /// Joins the node at a place with the one before it if they fit into one.
    fn merge_at(&mut self, at: usize, limits: &Limits) {
        if at == 0 || at >= self.nodes.len() {
            return;
        }
        let mut node = std::mem::take(&mut self.nodes[at]);
        if self.nodes[at - 1].merge(&mut node, limits) {
            self.nodes.remove(at);
        } else {
            self.nodes[at] = node;
        }
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
        self.merge_at(at, limits);
        self.give_back_room();
        self.settle_around(at, limits);
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
            self.compact(limits);
        }
        removed
    }

    /// Drops empty nodes and joins those that fit into one.
    fn compact(&mut self, limits: &Limits) {
        let mut nodes: VecDeque<Node> = VecDeque::with_capacity(self.nodes.len());
        for mut node in std::mem::take(&mut self.nodes) {
            let joined = node.count() == 0 || nodes.back_mut().is_some_and(|last| last.merge(&mut node, limits));
            if !joined {
                nodes.push_back(node);
            }
        }
        self.nodes = nodes;
        self.give_back_room();
        self.settle_within(0..self.nodes.len(), limits);
    }

    fn give_back_room(&mut self) {
        if self.nodes.capacity() > 8 && self.nodes.len() < self.nodes.capacity() / 4 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// Sees to compression when a node came or went at an end.
    fn settle_end(&mut self, end: End, limits: &Limits) {
        if limits.depth == 0 {
            return;
        }
        let inner = match end {
            End::Head => limits.depth,
            End::Tail => self.nodes.len().saturating_sub(limits.depth + 1),
        };
        self.settle_within(inner..inner.saturating_add(1), limits);
    }

    /// Sees to compression when the nodes near a place have changed.
    fn settle_around(&mut self, at: usize, limits: &Limits) {
        if limits.depth == 0 {
            return;
        }
        let (depth, length) = (limits.depth, self.nodes.len());
        let inner_end = length.saturating_sub(depth);
        self.settle_within(depth..depth.saturating_add(CHANGED_MAX), limits);
        self.settle_within(inner_end.saturating_sub(CHANGED_MAX)..inner_end, limits);
        self.settle_within(at.saturating_sub(CHANGED_MAX)..at + CHANGED_MAX, limits);
    }

    /// Opens the nodes near the ends, and compresses the inner ones of a range.
    fn settle_within(&mut self, range: std::ops::Range<usize>, limits: &Limits) {
        let (depth, length) = (limits.depth, self.nodes.len());
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
