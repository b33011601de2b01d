//! Lists: a listpack while they are small, then a quicklist.
//!
//! A small list is one listpack without spare room, 16 bytes and its content. A bigger one is a queue of nodes, each a
//! listpack of limited size, see [`quick`].
//!
//! Where OBJECT ENCODING's `listpack` ends and `quicklist` begins is Redis's rule, which has nothing to do with the form
//! in memory: a list becomes a quicklist when what a command is about to add does not fit the limits of a node
//! ([`List::expect`]), and a listpack again when it has a single node that is at most half as full as allowed. A listpack
//! of more than a kilobyte is a queue of one node without limits. A quicklist keeps to the limits that it was made with.

mod node;
mod quick;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use super::Collection;
use super::digest::Digest;
use super::listpack::{Element, GappedListpack, IntText, Listpack, Pack, Storage};
use super::sharing::Sharing;
use crate::util::alloc::size_class;
use node::Node;
use quick::Quicklist;

pub use quick::QuicklistFigures;

/// A listpack of more bytes belongs into a quicklist, where an end can grow without being moved.
const SMALL_BYTES_MAX: usize = 1024;

/// A list.
#[derive(Clone, Debug)]
pub struct List(Form);

#[derive(Clone, Debug)]
enum Form {
    Small(Listpack),
    Large(Sharing<Quicklist>),
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The beginning, the left end.
    Head,
    /// The right end.
    Tail,
}

impl End {
    fn other(self) -> Self {
        match self {
            Self::Head => Self::Tail,
            Self::Tail => Self::Head,
        }
    }
}

/// What a node may hold, and which nodes are compressed, as directives say.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A number of elements or, if negative, a class of bytes.
    size: i16,
    /// Nodes at each end that stay uncompressed; 0 for all.
    depth: u16,
    /// Elements of so many bytes have a node of their own; `None` for those that would not fit a node.
    plain_from: Option<usize>,
}

/// What [`Limits`] come to.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    bytes_max: usize,
    count_max: usize,
    plain_from: usize,
    depth: usize,
}

impl Limits {
    /// Limits from directives: `size` is a number of elements or, if negative, a class of bytes (-1 is 4 KiB, -2 is
    /// 8 KiB and so on to -5). An element of more bytes than fit a node, or of `plain_from` bytes if that is given, is
    /// no part of a quicklist's listpacks.
    pub fn new(size: i32, depth: u32, plain_from: Option<usize>) -> Self {
        let size = size.clamp(-5, i32::from(i16::MAX)) as i16;
        Self { size, depth: depth.min(u32::from(u16::MAX)) as u16, plain_from }
    }

    #[inline]
    fn bounds(&self) -> Bounds {
        let (bytes_max, count_max) = match self.size {
            ..0 => (2048 << self.size.unsigned_abs(), usize::MAX),
            0.. => (Bounds::SAFE_BYTES, self.size.max(1) as usize),
        };
        let plain_from = self.plain_from.map_or(bytes_max + 1, |bytes| bytes.min(Bounds::PACKED_BYTES));
        Bounds { bytes_max, count_max, plain_from, depth: usize::from(self.depth) }
    }

    /// Whether a quicklist of one such node becomes a listpack, once it fills no more than one part in so many.
    fn fits_listpack(&self, node: &Node, parts: usize) -> bool {
        let Bounds { bytes_max, count_max, .. } = self.bounds();
        node.is_listpack()
            && match self.size {
                ..0 => node.size() <= bytes_max / parts,
                0.. => node.count() <= count_max / parts,
            }
    }
}

impl Bounds {
    /// The bytes that a node may take when it is its elements that are limited.
    const SAFE_BYTES: usize = 8192;
    /// No element of so many bytes is part of a listpack: its header has to count them.
    const PACKED_BYTES: usize = 1 << 30;
    /// What Redis takes an element for, besides its text, when it asks whether a node has room for it.
    const ELEMENT_BYTES: usize = 8;
    /// Those of a node that holds all.
    const NONE: Self = Self { bytes_max: usize::MAX, count_max: usize::MAX, plain_from: usize::MAX, depth: 0 };

    #[inline]
    fn allow(&self, bytes: usize, count: usize) -> bool {
        bytes <= self.bytes_max && count <= self.count_max
    }

    /// Whether a listpack of so many bytes and elements takes one more.
    #[inline]
    fn allow_one_more(&self, bytes: usize, count: usize, text: &[u8]) -> bool {
        self.allow(bytes + text.len() + Self::ELEMENT_BYTES, count + 1) && !self.is_plain(text)
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
    /// An empty quicklist: what a list begins as where Redis chooses its encoding once all is in, see [`List::settle`].
    pub fn quicklist_of(limits: &Limits) -> Self {
        let mut list = Self::default();
        list.large().begin_quicklist(limits);
        list
    }

    /// Whether it is a listpack, not a quicklist.
    #[inline(always)]
    pub fn is_listpack(&self) -> bool {
        match &self.0 {
            Form::Small(_) => true,
            Form::Large(list) => list.is_listpack(),
        }
    }

    /// Before a command puts elements in, of so many bytes in all: a listpack that would outgrow the limits becomes a
    /// quicklist.
    #[inline]
    pub fn expect(&mut self, bytes: usize, count: usize, limits: &Limits) {
        let (own_bytes, own_count) = match &self.0 {
            Form::Small(pack) => (pack.bytes().len(), pack.len()),
            Form::Large(list) if list.is_listpack() => (list.bytes(), list.len()),
            Form::Large(_) => return,
        };
        if !limits.bounds().allow(own_bytes + bytes, own_count + count) {
            self.large().begin_quicklist(limits);
        }
    }

    /// Puts an element before or behind all others.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8], limits: &Limits) {
        if let Form::Small(pack) = &mut self.0 {
            let element = Element::of(text);
            if pack.bytes().len() + element.encoded_bytes() <= SMALL_BYTES_MAX {
                let at = match end {
                    End::Head => pack.first().unwrap_or(pack.end()),
                    End::Tail => pack.end(),
                };
                return pack.insert(at, &[element]);
            }
        }
        self.large().push(end, text, limits);
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
            Form::Large(list) => {
                let looked = list.pop(end, limits, look);
                self.shrink(limits);
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
            Form::Large(list) => list.visit(from, toward, &mut visit),
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
            Form::Large(list) => list.bytes(),
        }
    }

    /// The index of the first element of this text.
    pub fn find(&self, needle: Needle<'_>) -> Option<usize> {
        match &self.0 {
            Form::Small(pack) => find_in_pack(pack, needle),
            Form::Large(list) => list.find(needle),
        }
    }

    /// Replaces the element at an index; whether there is one.
    pub fn set(&mut self, index: usize, text: &[u8], limits: &Limits) -> bool {
        if index >= self.len() {
            return false;
        }
        if let Form::Small(pack) = &mut self.0
            && let Some(at) = pack.seek(index as isize)
        {
            let element = Element::of(text);
            if pack.bytes().len() - pack.get(at).encoded_bytes() + element.encoded_bytes() <= SMALL_BYTES_MAX {
                pack.replace(at, element);
                return true;
            }
        }
        self.large().set(index, text, limits);
        self.shrink(limits);
        true
    }

    /// Inserts an element beside the one at an index, toward an end of the list.
    pub fn insert(&mut self, pivot: usize, toward: End, text: &[u8], limits: &Limits) {
        if let Form::Small(pack) = &mut self.0 {
            let element = Element::of(text);
            if pack.bytes().len() + element.encoded_bytes() <= SMALL_BYTES_MAX {
                let index = pivot + usize::from(toward == End::Tail);
                let at = pack.seek(index as isize).unwrap_or(pack.end());
                return pack.insert(at, &[element]);
            }
        }
        self.large().insert(pivot, toward, text, limits);
    }

    /// Removes up to `count` elements of this text, looked for from the other end toward `toward`; all of them if
    /// `count` is 0. Returns how many that were.
    pub fn remove(&mut self, needle: Needle<'_>, count: usize, toward: End, limits: &Limits) -> usize {
        let count = if count == 0 { usize::MAX } else { count };
        let was_small = matches!(self.0, Form::Small(_));
        let removed = self.large().remove(needle, count, toward, limits);
        if removed > 0 || was_small {
            self.shrink(limits);
        }
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
            Form::Large(list) => list.remove_range(start, count, limits),
        }
        self.shrink(limits);
    }

    /// Visits the nodes, as RDB files contain them: the bytes of each, and whether they are one element rather than a
    /// listpack.
    pub fn visit_nodes(&self, mut visit: impl FnMut(&[u8], bool)) {
        match &self.0 {
            Form::Small(pack) => visit(pack.bytes(), false),
            Form::Large(list) => list.nodes().for_each(|node| node.with_bytes(&mut visit)),
        }
    }

    /// Puts the elements of a listpack behind all others, in a node of their own. Once all are there, see
    /// [`List::settle`].
    pub fn push_pack(&mut self, pack: Listpack, limits: &Limits) {
        let fits_small = pack.bytes().len() <= SMALL_BYTES_MAX && limits.bounds().allow(pack.bytes().len(), pack.len());
        if self.is_empty() && fits_small {
            self.0 = Form::Small(pack);
        } else if !pack.is_empty() {
            self.push_node(Node::packed(GappedListpack::of(pack)), limits);
        }
    }

    /// Puts an element in a node of its own behind all others.
    pub fn push_big(&mut self, text: Vec<u8>, limits: &Limits) {
        self.push_node(Node::Plain(Sharing::new(text.into_boxed_slice())), limits);
    }

    fn push_node(&mut self, node: Node, limits: &Limits) {
        let list = self.large();
        if list.is_listpack() {
            list.begin_quicklist(limits);
        }
        list.push_node(End::Tail, node, limits);
    }

    /// Chooses between listpack and quicklist when all elements of a list are in.
    pub fn settle(&mut self, limits: &Limits) {
        self.reconsider(limits, 1);
        self.expect(0, 0, limits);
    }

    /// The number of nodes.
    pub fn nodes(&self) -> usize {
        match &self.0 {
            Form::Small(_) => 1,
            Form::Large(list) => list.nodes().len(),
        }
    }

    /// What each node is, for who looks into the server.
    pub fn describe(&self) -> String {
        match &self.0 {
            Form::Small(pack) => format!("listpack of {} elements, {} bytes", pack.len(), pack.bytes().len()),
            Form::Large(list) => list.nodes().map(Node::describe).collect::<Vec<_>>().join("\n"),
        }
    }

    /// The figures of a quicklist; `None` of a listpack.
    pub fn quicklist(&self) -> Option<QuicklistFigures> {
        match &self.0 {
            Form::Large(list) if !list.is_listpack() => Some(list.figures()),
            Form::Large(_) | Form::Small(_) => None,
        }
    }

    #[inline]
    fn large(&mut self) -> &mut Quicklist {
        if let Form::Small(_) = &self.0 {
            self.become_large();
        }
        match &mut self.0 {
            Form::Large(list) => list,
            Form::Small(_) => unreachable!("it was just made large"),
        }
    }

    #[cold]
    fn become_large(&mut self) {
        if let Form::Small(pack) = &mut self.0 {
            self.0 = Form::Large(Sharing::new(Quicklist::of(std::mem::take(pack))));
        }
    }

    /// When something was taken away: what is left may be a listpack again.
    #[inline]
    pub fn shrink(&mut self, limits: &Limits) {
        self.reconsider(limits, 2);
    }

    /// Turns a quicklist of one node that fills no more than one part in so many into a listpack, and a listpack of
    /// little content into the form for that.
    fn reconsider(&mut self, limits: &Limits, parts: usize) {
        let Form::Large(list) = &mut self.0 else { return };
        list.try_end_quicklist(limits, parts);
        if let Some(pack) = list.to_small(SMALL_BYTES_MAX / 2) {
            self.0 = Form::Small(pack);
        }
    }
}

/// The index of the first element of a listpack that is the one sought.
fn find_in_pack<S: Storage>(pack: &Pack<S>, needle: Needle<'_>) -> Option<usize> {
    let at = pack.find(needle.text, pack.first()?, 1)?;
    Some(pack.iter_before(at).count())
}

/// Visits the elements of a listpack of `count` elements from an index on.
#[inline]
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
            Form::Large(list) => list.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Large(list) if !list.is_listpack() => "quicklist",
            Form::Large(_) | Form::Small(_) => "listpack",
        }
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        match &self.0 {
            Form::Small(pack) if pack.is_empty() => 0,
            Form::Small(pack) => size_class(pack.capacity()),
            Form::Large(list) => list.heap_bytes(samples),
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
