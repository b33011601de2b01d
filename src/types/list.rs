//! Lists: a listpack while they are small, then a quicklist.
//!
//! A small list is one listpack without spare room, 16 bytes and its content. A bigger one is a queue of nodes, each a
//! listpack of limited size, see [`quick`]. OBJECT ENCODING calls both `quicklist`: lists of Redis 7.0 have no other
//! form.

mod node;
mod quick;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use super::Collection;
use super::digest::Digest;
use super::listpack::{Element, GappedListpack, IntText, Listpack, Pack, Storage};
use crate::util::alloc::size_class;
use node::Node;
use quick::Quicklist;

/// A listpack of more bytes belongs into a quicklist, where an end can grow without being moved.
const SMALL_BYTES_MAX: usize = 1024;

/// A list.
#[derive(Clone, Debug)]
pub struct List(Form);

#[derive(Clone, Debug)]
enum Form {
    Small(Listpack),
    Quick(Box<Quicklist>),
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The beginning, the left end.
    Head,
    /// The right end.
    Tail,
}

/// What a node may hold, and which nodes are compressed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    bytes_max: usize,
    count_max: usize,
    /// Elements of so many bytes have a node of their own.
    plain_from: usize,
    /// Nodes at each end that stay uncompressed; 0 for all.
    depth: usize,
}

impl Limits {
    /// The bytes that a node may take when it is its elements that are limited.
    const SAFE_BYTES: usize = 8192;
    /// No element of so many bytes is part of a listpack: its header has to count them.
    const PACKED_BYTES: usize = 1 << 30;

    /// Limits from directives: `size` is a number of elements or, if negative, a class of bytes (-1 is 4 KiB, -2 is
    /// 8 KiB and so on to -5). An element of more bytes than fit a node, or of `plain_from` bytes if that is given, is
    /// no part of a listpack.
    pub fn new(size: i32, depth: u32, plain_from: Option<usize>) -> Self {
        let (bytes_max, count_max) = match size {
            ..0 => (2048 << size.max(-5).unsigned_abs(), usize::MAX),
            0.. => (Self::SAFE_BYTES, size.max(1) as usize),
        };
        let plain_from = plain_from.map_or(bytes_max + 1, |bytes| bytes.min(Self::PACKED_BYTES));
        Self { bytes_max, count_max, plain_from, depth: depth as usize }
    }

    #[inline]
    fn allow(&self, bytes: usize, count: usize) -> bool {
        bytes <= self.bytes_max && count <= self.count_max
    }

    #[inline]
    fn is_plain(&self, text: &[u8]) -> bool {
        text.len() >= self.plain_from
    }
}

/// What is searched for among elements.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'a> {
    text: &'a [u8],
    int: Option<i64>,
}

impl<'a> Needle<'a> {
    /// Elements of this text.
    pub fn new(text: &'a [u8]) -> Self {
        let int = match Element::of(text) {
            Element::Int(value) => Some(value),
            Element::Bytes(_) => None,
        };
        Self { text, int }
    }

    /// Whether this is such an element.
    #[inline]
    pub fn is(&self, element: Element<'_>) -> bool {
        match element {
            Element::Int(value) => self.int == Some(value),
            Element::Bytes(bytes) => bytes == self.text,
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self(Form::Small(Listpack::new()))
    }
}

impl List {
    /// Puts an element before or behind all others.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8], limits: &Limits) {
        if let Form::Small(pack) = &mut self.0 {
            let element = Element::of(text);
            let bytes = pack.bytes().len() + element.encoded_bytes();
            if fits_small(bytes, pack.len() + 1, limits) && !limits.is_plain(text) {
                let at = match end {
                    End::Head => pack.first().unwrap_or(pack.end()),
                    End::Tail => pack.end(),
                };
                return pack.insert(at, &[element]);
            }
        }
        self.quick().push(end, text, limits);
    }

    /// Takes the element at an end away, once it was looked at; `None` if there is none.
    #[inline]
    pub fn pop<R>(&mut self, end: End, limits: &Limits, look: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match &mut self.0 {
            Form::Small(pack) => {
                let at = match end {
                    End::Head => pack.first(),
                    End::Tail => pack.last(),
                }?;
                let looked = look(pack.get(at));
                pack.remove(at);
                Some(looked)
            }
            Form::Quick(quick) => {
                let looked = quick.pop(end, limits, look);
                self.make_small();
                looked
            }
        }
    }

    /// Visits the elements from an index on toward an end, until told to stop.
    #[inline]
    pub fn visit(&self, from: usize, toward: End, mut visit: impl FnMut(Element<'_>) -> ControlFlow<()>) {
        if from >= self.len() {
            return;
        }
        let _ = match &self.0 {
            Form::Small(pack) => visit_pack(pack, from, pack.len(), toward, &mut visit),
            Form::Quick(quick) => quick.visit(from, toward, &mut visit),
        };
    }

    /// Visits `count` elements from an index on toward an end, fewer if there are fewer.
    #[inline]
    pub fn visit_some(&self, from: usize, count: usize, toward: End, mut visit: impl FnMut(Element<'_>)) {
        let mut left = count;
        if left == 0 {
            return;
        }
        self.visit(from, toward, |element| {
            visit(element);
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    /// About as many bytes as its elements have in all.
    pub fn text_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(pack) => pack.bytes().len(),
            Form::Quick(quick) => quick.nodes().map(Node::size).sum(),
        }
    }

    /// The index of the first element of this text.
    pub fn find(&self, needle: Needle<'_>) -> Option<usize> {
        match &self.0 {
            Form::Small(pack) => find_in_pack(pack, needle),
            Form::Quick(quick) => quick.find(needle),
        }
    }

    /// Replaces the element at an index; whether there is one.
    pub fn set(&mut self, index: usize, text: &[u8], limits: &Limits) -> bool {
        if index >= self.len() {
            return false;
        }
        if let Form::Small(pack) = &mut self.0
            && !limits.is_plain(text)
            && let Some(at) = pack.seek(index as isize)
        {
            let element = Element::of(text);
            let bytes = pack.bytes().len() - pack.get(at).encoded_bytes() + element.encoded_bytes();
            if fits_small(bytes, pack.len(), limits) {
                pack.replace(at, element);
                return true;
            }
        }
        self.quick().set(index, text, limits);
        self.make_small();
        true
    }

    /// Inserts an element, which has this index then.
    pub fn insert(&mut self, index: usize, text: &[u8], limits: &Limits) {
        let quick = self.quick();
        quick.insert(index.min(quick.len()), text, limits);
        self.make_small();
    }

    /// Removes up to `count` elements of this text, looked for from the other end toward `toward`; all of them if
    /// `count` is 0. Returns how many that were.
    pub fn remove(&mut self, needle: Needle<'_>, count: usize, toward: End, limits: &Limits) -> usize {
        let count = if count == 0 { usize::MAX } else { count };
        let removed = self.quick().remove(needle, count, toward, limits);
        self.make_small();
        removed
    }

    /// Removes elements from an index on, fewer if there are fewer.
    pub fn remove_range(&mut self, start: usize, count: usize, limits: &Limits) {
        let count = count.min(self.len().saturating_sub(start));
        if count == 0 {
            return;
        }
        match &mut self.0 {
            Form::Small(pack) => {
                if let Some(at) = pack.seek(start as isize) {
                    pack.remove_many(at, count);
                }
            }
            Form::Quick(quick) => {
                quick.remove_range(start, count, limits);
                self.make_small();
            }
        }
    }

    /// Visits the nodes, as RDB files contain them: the bytes of each, and whether they are one element rather than a
    /// listpack.
    pub fn visit_nodes(&self, mut visit: impl FnMut(&[u8], bool)) {
        match &self.0 {
            Form::Small(pack) => visit(pack.bytes(), false),
            Form::Quick(quick) => quick.nodes().for_each(|node| node.with_bytes(&mut visit)),
        }
    }

    /// Puts the elements of a listpack behind all others.
    pub fn push_pack(&mut self, pack: Listpack, limits: &Limits) {
        if self.is_empty() && fits_small(pack.bytes().len(), pack.len(), limits) {
            self.0 = Form::Small(pack);
        } else if !pack.is_empty() {
            self.quick().push_node(End::Tail, Node::packed(GappedListpack::of(pack)), limits);
        }
    }

    /// Puts an element in a node of its own behind all others.
    pub fn push_big(&mut self, text: Vec<u8>, limits: &Limits) {
        self.quick().push_node(End::Tail, Node::Plain(text.into_boxed_slice()), limits);
    }

    /// The number of nodes.
    pub fn nodes(&self) -> usize {
        match &self.0 {
            Form::Small(_) => 1,
            Form::Quick(quick) => quick.nodes().len(),
        }
    }

    /// What each node is, for who looks into the server.
    pub fn describe(&self) -> String {
        match &self.0 {
            Form::Small(pack) => format!("listpack of {} elements, {} bytes", pack.len(), pack.bytes().len()),
            Form::Quick(quick) => quick.nodes().map(Node::describe).collect::<Vec<_>>().join("\n"),
        }
    }

    /// Bytes of all nodes when none is compressed, and whether one is.
    pub fn uncompressed(&self) -> (usize, bool) {
        match &self.0 {
            Form::Small(pack) => (pack.bytes().len(), false),
            Form::Quick(quick) => {
                (quick.nodes().map(Node::size).sum(), quick.nodes().any(|node| matches!(node, Node::Compressed { .. })))
            }
        }
    }

    fn quick(&mut self) -> &mut Quicklist {
        if let Form::Small(pack) = &mut self.0 {
            self.0 = Form::Quick(Box::new(Quicklist::of(std::mem::take(pack))));
        }
        match &mut self.0 {
            Form::Quick(quick) => quick,
            Form::Small(_) => unreachable!("it was just made a quicklist"),
        }
    }

    /// Turns a quicklist of little content into a listpack again.
    #[inline]
    fn make_small(&mut self) {
        if let Form::Quick(quick) = &self.0
            && let Some(pack) = quick.to_small(SMALL_BYTES_MAX / 2)
        {
            self.0 = Form::Small(pack);
        }
    }
}

#[inline]
fn fits_small(bytes: usize, count: usize, limits: &Limits) -> bool {
    bytes <= SMALL_BYTES_MAX && limits.allow(bytes, count)
}

/// Visits the elements of a listpack of `count` elements from an index on.
#[inline]
/// The index of the first element of a listpack that is the one sought.
fn find_in_pack<S: Storage>(pack: &Pack<S>, needle: Needle<'_>) -> Option<usize> {
    let at = pack.find(needle.text, pack.first()?, 1)?;
    Some(pack.iter_before(at).count())
}

fn visit_pack<S: Storage>(
    pack: &Pack<S>,
    from: usize,
    count: usize,
    toward: End,
    visit: &mut impl FnMut(Element<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let position = |index: usize| if index == count { Some(pack.end()) } else { pack.seek(index as isize) };
    match toward {
        End::Tail => position(from).map_or(ControlFlow::Continue(()), |at| pack.iter_from(at).try_for_each(visit)),
        End::Head => {
            let end = position(from + 1);
            end.map_or(ControlFlow::Continue(()), |at| pack.iter_before(at).rev().try_for_each(visit))
        }
    }
}

impl Collection for List {
    #[inline]
    fn len(&self) -> usize {
        match &self.0 {
            Form::Small(pack) => pack.len(),
            Form::Quick(quick) => quick.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        "quicklist"
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        match &self.0 {
            Form::Small(pack) if pack.is_empty() => 0,
            Form::Small(pack) => size_class(pack.capacity()),
            Form::Quick(quick) => quick.heap_bytes(samples),
        }
    }

    fn free_effort(&self) -> usize {
        self.nodes()
    }

    fn digest(&self, digest: &mut Digest) {
        let mut room = IntText::new();
        self.visit(0, End::Tail, |element| {
            digest.append(element.text(&mut room));
            ControlFlow::Continue(())
        });
    }
}
