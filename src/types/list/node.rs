//! The nodes of a quicklist: a listpack, a big element by itself, or either of them compressed.
//!
//! Copies of a list have its nodes in common: what a node holds is copied when it is changed while others have it, too.

use std::ops::ControlFlow;

use super::{Bounds, End, Needle, find_in_pack, visit_pack};
use crate::types::listpack::{Element, GappedListpack, Growth};
use crate::types::lzf;
use crate::types::sharing::Sharing;
use crate::util::alloc::size_class;

/// Less than this is not compressed.
const COMPRESS_BYTES_MIN: usize = 48;
/// Fewer bytes saved are not worth it.
const SAVED_BYTES_MIN: usize = 8;

/// What a listpack takes besides its elements.
const FRAME_BYTES: usize = 7;

/// A node.
#[derive(Clone, Debug)]
pub enum Node {
    /// Elements.
    Packed { pack: Sharing<GappedListpack>, count: u32 },
    /// One element.
    Plain(Sharing<Box<[u8]>>),
    /// Either, compressed from `full` bytes.
    Compressed { bytes: Sharing<Box<[u8]>>, full: u32, count: u32, plain: bool },
}

const _: () = assert!(size_of::<Node>() <= 32);

/// Spare room: a short list is kept tight, for there may be many such.
fn growth(bounds: &Bounds, is_short: bool) -> Growth {
    Growth { divisor: if is_short { 8 } else { 2 }, bytes_max: bounds.bytes_max }
}

impl Node {
    /// A node of one element.
    pub fn of(text: &[u8], bounds: &Bounds) -> Self {
        if bounds.is_plain(text) {
            return Self::Plain(Sharing::new(text.into()));
        }
        let mut pack = GappedListpack::new();
        pack.push_last(Element::of(text), growth(bounds, true));
        Self::Packed { pack: Sharing::new(pack), count: 1 }
    }

    /// A node of a listpack.
    pub fn packed(pack: GappedListpack) -> Self {
        let count = pack.len() as u32;
        Self::Packed { pack: Sharing::new(pack), count }
    }

    /// The number of elements.
    #[inline]
    pub fn count(&self) -> usize {
        match self {
            Self::Packed { count, .. } | Self::Compressed { count, .. } => *count as usize,
            Self::Plain(_) => 1,
        }
    }

    /// Its bytes when it is not compressed.
    #[inline]
    pub fn size(&self) -> usize {
        match self {
            Self::Packed { pack, .. } => pack.bytes().len(),
            Self::Plain(bytes) => bytes.len(),
            Self::Compressed { full, .. } => *full as usize,
        }
    }

    /// Whether it is, or was before it was compressed, a listpack, not an element by itself.
    #[inline]
    pub fn is_listpack(&self) -> bool {
        !matches!(self, Self::Plain(_) | Self::Compressed { plain: true, .. })
    }

    /// Asks for what a copy of it needs.
    pub fn prefetch(&self) {
        match self {
            Self::Packed { pack, .. } => pack.prefetch(),
            Self::Plain(bytes) | Self::Compressed { bytes, .. } => bytes.prefetch(),
        }
    }

    /// The memory it owns.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Packed { pack, .. } => size_class(Sharing::<GappedListpack>::BYTES) + size_class(pack.capacity()),
            Self::Plain(bytes) | Self::Compressed { bytes, .. } => {
                size_class(Sharing::<Box<[u8]>>::BYTES) + size_class(bytes.len())
            }
        }
    }

    /// One line on it.
    pub fn describe(&self) -> String {
        let form = if self.is_listpack() { "listpack" } else { "plain" };
        let compressed = match self {
            Self::Compressed { bytes, .. } => format!(", compressed to {}", bytes.len()),
            Self::Packed { .. } | Self::Plain(_) => String::new(),
        };
        format!("{form} of {} elements, {} bytes{compressed}", self.count(), self.size())
    }

    /// The index of the first element sought.
    pub fn find(&self, needle: Needle<'_>) -> Option<usize> {
        match self {
            Self::Packed { pack, .. } => find_in_pack(pack, needle),
            Self::Plain(bytes) => needle.is(Element::Bytes(bytes)).then_some(0),
            Self::Compressed { .. } => match self.opened() {
                Self::Packed { pack, .. } => find_in_pack(&pack, needle),
                Self::Plain(bytes) => needle.is(Element::Bytes(&bytes)).then_some(0),
                Self::Compressed { .. } => None,
            },
        }
    }

    /// Visits the elements from an index on toward an end.
    #[inline]
    pub fn visit(
        &self,
        from: usize,
        toward: End,
        visit: &mut impl FnMut(Element<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self {
            Self::Packed { pack, count } => visit_pack(pack, from, *count as usize, toward, visit),
            Self::Plain(bytes) => visit(Element::Bytes(bytes)),
            Self::Compressed { .. } => match self.opened() {
                Self::Packed { pack, count } => visit_pack(&pack, from, count as usize, toward, visit),
                Self::Plain(bytes) => visit(Element::Bytes(&bytes)),
                Self::Compressed { .. } => ControlFlow::Continue(()),
            },
        }
    }

    /// An uncompressed copy of a compressed node.
    #[cold]
    fn opened(&self) -> Self {
        let Self::Compressed { bytes, full, count, plain } = self else { return self.clone() };
        let bytes = lzf::decompress(bytes, *full as usize).expect("what was compressed here").into_boxed_slice();
        match *plain {
            true => Self::Plain(Sharing::new(bytes)),
            false => Self::Packed { pack: Sharing::new(GappedListpack::trusted(bytes)), count: *count },
        }
    }

    /// Shows its bytes when it is not compressed, and whether they are one element.
    pub fn with_bytes(&self, visit: &mut impl FnMut(&[u8], bool)) {
        match self {
            Self::Packed { pack, .. } => visit(pack.bytes(), false),
            Self::Plain(bytes) => visit(bytes, true),
            Self::Compressed { .. } => match self.opened() {
                Self::Packed { pack, .. } => visit(pack.bytes(), false),
                Self::Plain(bytes) => visit(&bytes, true),
                Self::Compressed { .. } => {}
            },
        }
    }

    /// Ends its compression, so that it can be changed.
    #[inline]
    pub fn open(&mut self) {
        if matches!(self, Self::Compressed { .. }) {
            *self = self.opened();
        }
    }

    /// Compresses it if that saves memory.
    pub fn compress(&mut self) {
        let (bytes, plain) = match self {
            Self::Packed { pack, .. } => (pack.bytes(), false),
            Self::Plain(bytes) => (&***bytes, true),
            Self::Compressed { .. } => return,
        };
        if bytes.len() < COMPRESS_BYTES_MIN {
            return;
        }
        let Ok(full) = u32::try_from(bytes.len()) else { return };
        if let Some(packed) = lzf::compress(bytes, bytes.len() - SAVED_BYTES_MIN) {
            let count = self.count() as u32;
            *self = Self::Compressed { bytes: Sharing::new(packed.into_boxed_slice()), full, count, plain };
        }
    }

    /// Gives most spare room back: it is no end of the list any more.
    pub fn seal(&mut self) {
        if let Self::Packed { pack, .. } = self {
            pack.shrink(8);
        }
    }

    /// Puts an element before or behind all others if there is room; whether there was. In a list that `is_short`
    /// spare room is kept small.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8], is_short: bool, bounds: &Bounds) -> bool {
        self.open_packed();
        let Self::Packed { pack, count } = self else { return false };
        if !bounds.allow_one_more(pack.bytes().len(), *count as usize, text) {
            return false;
        }
        let element = Element::of(text);
        match end {
            End::Head => pack.push_first(element, growth(bounds, is_short)),
            End::Tail => pack.push_last(element, growth(bounds, is_short)),
        }
        *count += 1;
        true
    }

    /// Inserts an element, which has this index then, if there is room; whether there was.
    pub fn insert(&mut self, index: usize, text: &[u8], bounds: &Bounds) -> bool {
        self.open_packed();
        let Self::Packed { pack, count } = self else { return false };
        if !bounds.allow_one_more(pack.bytes().len(), *count as usize, text) {
            return false;
        }
        let pack: &mut GappedListpack = pack;
        pack.insert(pack.seek(index as isize).unwrap_or(pack.end()), &[Element::of(text)]);
        *count += 1;
        true
    }

    /// Replaces an element if the new one is of the same sort, part of a listpack or a node by itself; whether it is.
    pub fn set(&mut self, index: usize, text: &[u8], bounds: &Bounds) -> bool {
        self.open();
        match self {
            Self::Packed { pack, .. } if !bounds.is_plain(text) => {
                let Some(at) = pack.seek(index as isize) else { return false };
                pack.replace(at, Element::of(text));
                true
            }
            Self::Plain(bytes) if bounds.is_plain(text) => {
                *bytes = Sharing::new(text.into());
                true
            }
            Self::Packed { .. } | Self::Plain(_) | Self::Compressed { .. } => false,
        }
    }

    /// Takes the element at an end away, once it was looked at.
    #[inline]
    pub fn pop<R>(&mut self, end: End, look: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        self.open();
        match self {
            Self::Packed { pack, count } => {
                let pack: &mut GappedListpack = pack;
                let at = match end {
                    End::Head => pack.first(),
                    End::Tail => pack.last(),
                }?;
                let looked = look(pack.get(at));
                match end {
                    End::Head => pack.cut_before(pack.next(at).unwrap_or(pack.end()), 1),
                    End::Tail => pack.cut_from(at, 1),
                }
                *count -= 1;
                pack.shrink(2);
                Some(looked)
            }
            Self::Plain(bytes) => {
                let looked = look(Element::Bytes(bytes));
                *self = Self::packed(GappedListpack::new());
                Some(looked)
            }
            Self::Compressed { .. } => None,
        }
    }

    /// Removes some, but not all, elements from an index on.
    pub fn remove_range(&mut self, index: usize, removed: usize) {
        self.open();
        let Self::Packed { pack, count } = self else { return };
        let pack: &mut GappedListpack = pack;
        let position = |index: usize| pack.seek(index as isize).unwrap_or(pack.end());
        if index == 0 {
            pack.cut_before(position(removed), removed);
        } else if index + removed == *count as usize {
            pack.cut_from(position(index), removed);
        } else {
            pack.remove_many(position(index), removed);
        }
        *count -= removed as u32;
        pack.shrink(2);
    }

    /// Removes up to `most` elements that are wanted gone, the nearest to where one comes from first; returns how many.
    pub fn remove(&mut self, toward: End, most: usize, gone: impl Fn(Element<'_>) -> bool) -> usize {
        if !matches!(self, Self::Compressed { .. }) {
            return self.remove_open(toward, most, gone);
        }
        let mut opened = self.opened();
        let removed = opened.remove_open(toward, most, gone);
        if removed > 0 {
            *self = opened;
        }
        removed
    }

    fn remove_open(&mut self, toward: End, most: usize, gone: impl Fn(Element<'_>) -> bool) -> usize {
        match self {
            Self::Packed { pack, count } => {
                let (mut positions, mut at) = (Vec::new(), pack.first());
                match toward {
                    End::Tail => {
                        while let Some(position) = at.filter(|_| positions.len() < most) {
                            if gone(pack.get(position)) {
                                positions.push(position);
                            }
                            at = pack.next(position);
                        }
                    }
                    End::Head => {
                        at = pack.last();
                        while let Some(position) = at.filter(|_| positions.len() < most) {
                            if gone(pack.get(position)) {
                                positions.push(position);
                            }
                            at = pack.prev(position);
                        }
                        positions.reverse();
                    }
                }
                // What others have, too, is left alone where nothing goes.
                if !positions.is_empty() {
                    let pack: &mut GappedListpack = pack;
                    pack.remove_all(&positions);
                    pack.shrink(2);
                    *count -= positions.len() as u32;
                }
                positions.len()
            }
            Self::Plain(bytes) if gone(Element::Bytes(bytes)) => {
                *self = Self::default();
                1
            }
            Self::Plain(_) | Self::Compressed { .. } => 0,
        }
    }

    /// Splits the elements from an index on off; `None` if that is all of them.
    pub fn split_off(&mut self, index: usize) -> Option<Self> {
        if index == 0 {
            return None;
        }
        self.open();
        let Self::Packed { pack, count } = self else { return None };
        let pack: &mut GappedListpack = pack;
        let (at, behind) = (pack.seek(index as isize)?, *count as usize - index);
        *count = index as u32;
        let node = Self::Packed { pack: Sharing::new(pack.split_off(at, behind)), count: behind as u32 };
        pack.shrink(4);
        Some(node)
    }

    /// Takes the elements of the node that follows over if both have room in one; whether they have.
    pub fn merge(&mut self, next: &mut Self, bounds: &Bounds) -> bool {
        let count = self.count() + next.count();
        if !self.is_listpack() || !next.is_listpack() || !bounds.allow(self.size() + next.size() - FRAME_BYTES, count) {
            return false;
        }
        self.open();
        next.open();
        if let (Self::Packed { pack, count: own }, Self::Packed { pack: other, .. }) = (self, next) {
            pack.append(other);
            *own = count as u32;
        }
        true
    }

    /// Like [`Node::open`], but leaves a big element compressed.
    #[inline]
    fn open_packed(&mut self) {
        if matches!(self, Self::Compressed { plain: false, .. }) {
            self.open();
        }
    }
}

impl Default for Node {
    /// A node without elements, which has no place in a list.
    fn default() -> Self {
        Self::packed(GappedListpack::new())
    }
}
