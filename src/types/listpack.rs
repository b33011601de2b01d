//! Small sequences of strings and integers in one piece of memory: Redis's listpack, byte for byte.
//!
//! ```text
//! ┌─────────────┬───────────┬─────────┬─────────┬────┬────┐
//! │ total bytes │ elements  │ element │ element │ …  │ FF │      total bytes: u32, elements: u16, little-endian;
//! └─────────────┴───────────┴─────────┴─────────┴────┴────┘      65535 elements: count them
//!
//! element = encoding and data, then their length in a form that is read from its end (so that one can walk back)
//!
//! 0xxxxxxx                  integer 0..=127            11110001 +2 bytes   16-bit integer, little-endian
//! 10xxxxxx                  string of up to 63 bytes   11110010 +3 bytes   24-bit integer
//! 110xxxxx yyyyyyyy         13-bit integer             11110011 +4 bytes   32-bit integer
//! 1110xxxx yyyyyyyy         string up to 4095 bytes    11110100 +8 bytes   64-bit integer
//! 11110000 +4 bytes         longer string              11111111            the end
//! ```
//! A text that is a canonical integer is kept as one. Elements are addressed by their [`Position`], the offset of
//! their first byte, which holds until the next change.
//!
//! There are four sorts: a [`Listpack`] is as long as its content and 16 bytes where it lies, a [`ThinListpack`] 8; a
//! [`RoomyListpack`] keeps spare room at its end, for one that grows element by element, and a [`GappedListpack`] at
//! both. An empty one has no memory at all.

mod element;
mod gapped;
mod thin;

pub use element::Element;
pub use gapped::{GappedListpack, Growth};
pub use thin::ThinListpack;

use std::fmt;

use element::{back_length_bytes, decode, read_back_length, short_head, size_at, small_size};

const HEADER_BYTES: usize = 6;
const END: u8 = 0xff;
const EMPTY: &[u8] = &[7, 0, 0, 0, 0, 0, END];
/// The number of elements that says: count them.
const UNCOUNTED: u16 = u16::MAX;
/// What the elements of a listpack together may take; beyond that it is time for another encoding.
const BYTES_MAX: usize = 1 << 30;

/// Where an element begins, in bytes.
pub type Position = usize;

/// Room for the text of an integer.
pub type IntText = itoa::Buffer;

/// A listpack that is as long as its content.
pub type Listpack = Pack<Box<[u8]>>;

/// A listpack with spare room at its end.
pub type RoomyListpack = Pack<Vec<u8>>;

/// A listpack that is only looked at.
pub type ListpackView<'a> = Pack<&'a [u8]>;

/// Where the bytes of a listpack lie.
pub trait Storage: AsRef<[u8]> + Default {
    /// Takes them out, to change them.
    fn take(&mut self) -> Vec<u8>;

    /// Makes room for as many more bytes.
    fn reserve(bytes: &mut Vec<u8>, more: usize);

    /// Puts them back.
    fn put(&mut self, bytes: Vec<u8>);
}

impl Storage for Box<[u8]> {
    #[inline]
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self).into_vec()
    }

    #[inline]
    fn reserve(bytes: &mut Vec<u8>, more: usize) {
        bytes.reserve_exact(more);
    }

    #[inline]
    fn put(&mut self, bytes: Vec<u8>) {
        *self = bytes.into_boxed_slice();
    }
}

impl Storage for Vec<u8> {
    #[inline]
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self)
    }

    #[inline]
    fn reserve(bytes: &mut Vec<u8>, more: usize) {
        bytes.reserve(more);
    }

    #[inline]
    fn put(&mut self, bytes: Vec<u8>) {
        *self = bytes;
    }
}

/// A listpack, wherever its bytes lie.
#[derive(Clone, Copy, Default)]
pub struct Pack<S> {
    /// A valid listpack, or nothing at all for an empty one.
    storage: S,
}

impl<S: AsRef<[u8]>> Pack<S> {
    /// All its bytes, header and end included: what RDB files contain.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let bytes = self.storage.as_ref();
        if bytes.is_empty() { EMPTY } else { bytes }
    }

    /// The number of elements. Takes a walk if there are 65,535 or more.
    #[inline]
    pub fn len(&self) -> usize {
        let bytes = self.bytes();
        match u16::from_le_bytes([bytes[4], bytes[5]]) {
            UNCOUNTED => self.iter().count(),
            counted => usize::from(counted),
        }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes()[HEADER_BYTES] == END
    }

    /// Whether it may grow by as many bytes.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.bytes().len().saturating_add(bytes) <= BYTES_MAX
    }

    /// The position behind the last element: where one can insert, but nothing stands.
    #[inline]
    pub fn end(&self) -> Position {
        self.bytes().len() - 1
    }

    /// The position of the first element.
    #[inline]
    pub fn first(&self) -> Option<Position> {
        (!self.is_empty()).then_some(HEADER_BYTES)
    }

    /// The position of the last element.
    #[inline]
    pub fn last(&self) -> Option<Position> {
        self.prev(self.end())
    }

    /// The position of the element behind one.
    #[inline]
    pub fn next(&self, at: Position) -> Option<Position> {
        let next = at + size_at(self.bytes(), at);
        (next < self.end()).then_some(next)
    }

    /// The position of the element before one, or before the end.
    #[inline]
    pub fn prev(&self, at: Position) -> Option<Position> {
        if at <= HEADER_BYTES {
            return None;
        }
        read_back_length(self.bytes(), at).map(|(_, begin)| begin)
    }

    /// The element at a position; panics if there is none.
    #[inline]
    pub fn get(&self, at: Position) -> Element<'_> {
        match decode(self.bytes(), at) {
            Some((element, _)) => element,
            None => panic!("no element begins at {at}"),
        }
    }

    /// The position of an element by its index; negative ones count from the end, -1 being the last.
    pub fn seek(&self, index: isize) -> Option<Position> {
        let bytes = self.bytes();
        let counted = u16::from_le_bytes([bytes[4], bytes[5]]);
        let mut steps = index;
        if counted != UNCOUNTED {
            let length = counted as isize;
            if index >= length || index < -length {
                return None;
            }
            // The shorter way.
            if index > length / 2 {
                steps = index - length;
            } else if index < -(length / 2) {
                steps = index + length;
            }
        }
        if steps >= 0 {
            (0..steps).try_fold(self.first()?, |at, _| self.next(at))
        } else {
            (0..-steps).try_fold(self.end(), |at, _| self.prev(at))
        }
    }

    /// Finds a text among the elements at `from` and every `stride` elements on.
    pub fn find(&self, text: &[u8], from: Position, stride: usize) -> Option<Position> {
        let (bytes, end) = (self.bytes(), self.end());
        let int = match Element::of(text) {
            Element::Int(value) => Some(value),
            Element::Bytes(_) => None,
        };
        // Texts that are alike mostly differ in their last byte. That of none is looked for where the first byte stands.
        let (head, last) = (short_head(text.len()), text.last().copied());
        let mut at = from;
        while at < end {
            let byte = bytes[at];
            let found = match byte {
                _ if Some(byte) == head => {
                    let behind = at + 1 + text.len();
                    bytes[behind - 1] == last.unwrap_or(byte) && bytes[at + 1..behind] == *text
                }
                0x80..=0xbf => false,
                0..=0x7f => int == Some(i64::from(byte)),
                _ => match decode(bytes, at)?.0 {
                    Element::Int(value) => int == Some(value),
                    Element::Bytes(other) => other == text,
                },
            };
            if found {
                return Some(at);
            }
            // As a rule both an element and what belongs to it are small.
            if stride == 2
                && let Some(size) = small_size(byte)
                && let Some(next) = small_size(bytes[at + size])
            {
                at += size + next;
                continue;
            }
            for _ in 0..stride {
                if at >= end {
                    return None;
                }
                at += size_at(bytes, at);
            }
        }
        None
    }

    /// The elements, from both ends.
    #[inline]
    pub fn iter(&self) -> Elements<'_> {
        Elements { bytes: self.bytes(), front: HEADER_BYTES, back: self.end() }
    }

    /// The elements from a position on.
    #[inline]
    pub fn iter_from(&self, at: Position) -> Elements<'_> {
        Elements { bytes: self.bytes(), front: at, back: self.end() }
    }

    /// The elements before a position.
    #[inline]
    pub fn iter_before(&self, at: Position) -> Elements<'_> {
        Elements { bytes: self.bytes(), front: HEADER_BYTES, back: at }
    }

    fn header_count(&self) -> Option<usize> {
        let bytes = self.bytes();
        let counted = u16::from_le_bytes([bytes[4], bytes[5]]);
        (counted != UNCOUNTED).then_some(usize::from(counted))
    }
}

impl<S: Storage> Pack<S> {
    /// An empty one, without memory of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// One from bytes of unknown origin; `None` unless every part of them is valid.
    pub fn checked(bytes: Vec<u8>) -> Option<Self> {
        is_valid(&bytes).then(|| {
            let mut storage = S::default();
            storage.put(bytes);
            Self { storage }
        })
    }

    /// Takes its bytes.
    pub fn into_bytes(mut self) -> Vec<u8> {
        let bytes = self.storage.take();
        if bytes.is_empty() { EMPTY.to_vec() } else { bytes }
    }

    /// Appends a text.
    #[cfg(test)]
    pub fn push_back(&mut self, text: &[u8]) {
        self.insert(self.end(), &[Element::of(text)]);
    }

    /// Appends an integer.
    #[inline]
    pub fn push_back_int(&mut self, value: i64) {
        self.insert(self.end(), &[Element::Int(value)]);
    }

    /// Inserts elements, the first of them at the position given, which is that of an element or the end.
    #[inline]
    pub fn insert(&mut self, at: Position, elements: &[Element<'_>]) {
        self.splice(at, 0, 0, elements);
    }

    /// Replaces an element by another, which then stands at the same position.
    #[inline]
    pub fn replace(&mut self, at: Position, element: Element<'_>) {
        self.splice(at, size_at(self.bytes(), at), 1, &[element]);
    }

    /// Removes an element. What followed stands at its position then.
    pub fn remove(&mut self, at: Position) {
        self.remove_many(at, 1);
    }

    /// Removes elements from a position on, fewer if there are fewer; returns how many. What followed them stands at
    /// that position then.
    pub fn remove_many(&mut self, at: Position, count: usize) -> usize {
        let (bytes, end) = (self.bytes(), self.end());
        let (mut until, mut removed) = (at, 0);
        while removed < count && until < end {
            until += size_at(bytes, until);
            removed += 1;
        }
        self.splice(at, until - at, removed, &[]);
        removed
    }

    /// Appends all elements of another.
    pub fn append<T: AsRef<[u8]>>(&mut self, other: &Pack<T>) {
        let (more, at) = (&other.bytes()[HEADER_BYTES..other.end()], self.end());
        let counted = self.header_count().zip(other.header_count()).map(|(own, others)| own + others);
        let mut bytes = self.open(more.len());
        bytes.truncate(at);
        bytes.extend_from_slice(more);
        bytes.push(END);
        self.close(bytes, counted);
    }

    /// Takes the bytes out, with room for more.
    #[inline]
    fn open(&mut self, more: usize) -> Vec<u8> {
        let mut bytes = self.storage.take();
        if bytes.is_empty() {
            S::reserve(&mut bytes, EMPTY.len() + more);
            bytes.extend_from_slice(EMPTY);
        } else {
            S::reserve(&mut bytes, more);
        }
        bytes
    }

    /// Puts the bytes back, with their header set right.
    #[inline]
    fn close(&mut self, mut bytes: Vec<u8>, counted: Option<usize>) {
        let total = bytes.len() as u32;
        let counted = counted.and_then(|counted| u16::try_from(counted).ok()).unwrap_or(UNCOUNTED);
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..6].copy_from_slice(&counted.to_le_bytes());
        self.storage.put(bytes);
    }

    /// The one way of changing elements: `removed` bytes with `fewer` elements give way to others.
    fn splice(&mut self, at: Position, removed: usize, fewer: usize, elements: &[Element<'_>]) {
        let inserted: usize = elements.iter().map(|element| element.encoded_bytes()).sum();
        let counted = self.header_count().map(|counted| counted - fewer + elements.len());
        let mut bytes = self.open(inserted.saturating_sub(removed));
        let length = bytes.len();
        if inserted > removed {
            bytes.resize(length + inserted - removed, 0);
        }
        if inserted != removed {
            bytes.copy_within(at + removed..length, at + inserted);
            bytes.truncate(length + inserted - removed);
        }
        let mut out = at;
        for element in elements {
            out += element.write(&mut bytes[out..]);
        }
        self.close(bytes, counted);
    }
}

impl Pack<Vec<u8>> {
    /// The memory it owns.
    pub fn capacity(&self) -> usize {
        self.storage.capacity()
    }

    /// Appends whatever `write` writes: several elements at the price of one.
    #[inline]
    pub fn extend(&mut self, write: impl FnOnce(&mut Writer)) {
        let (at, counted) = (self.end(), self.header_count());
        let mut writer = Writer { bytes: self.open(0), at, written: 0 };
        write(&mut writer);
        let Writer { mut bytes, at, written } = writer;
        bytes.truncate(at);
        bytes.push(END);
        self.close(bytes, counted.map(|counted| counted + written));
    }

    /// Gives the spare room back.
    pub fn into_exact(self) -> Listpack {
        Pack { storage: self.storage.into_boxed_slice() }
    }
}

impl<'a> Pack<&'a [u8]> {
    /// Looks at bytes that are a listpack's own, or none.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { storage: if bytes.is_empty() { EMPTY } else { bytes } }
    }

    /// The elements from a position on.
    #[inline]
    pub fn elements_from(self, at: Position) -> Elements<'a> {
        Elements { bytes: self.storage, front: at, back: self.storage.len() - 1 }
    }

    /// All elements.
    #[inline]
    pub fn elements(self) -> Elements<'a> {
        self.elements_from(HEADER_BYTES)
    }
}

impl Pack<Box<[u8]>> {
    /// One from bytes that [`Pack::into_own`] gave, or none.
    #[inline]
    pub fn from_own(bytes: Box<[u8]>) -> Self {
        Self { storage: bytes }
    }

    /// Takes its bytes; none for one that has always been empty.
    #[inline]
    pub fn into_own(self) -> Box<[u8]> {
        self.storage
    }

    /// The memory it owns.
    pub fn capacity(&self) -> usize {
        self.storage.len()
    }

    /// The same elements where there may be room for more.
    pub fn into_roomy(self) -> RoomyListpack {
        Pack { storage: self.storage.into_vec() }
    }
}

impl<S: AsRef<[u8]>> fmt::Debug for Pack<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Whether bytes of unknown origin are a listpack, down to the last of them.
fn is_valid(bytes: &[u8]) -> bool {
    let [a, b, c, d, e, f, .., END] = *bytes else { return false };
    let (total, counted) = (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]));
    if total as usize != bytes.len() {
        return false;
    }
    let (mut at, mut elements, end) = (HEADER_BYTES, 0, bytes.len() - 1);
    while at < end {
        let data = match bytes[at] {
            0..=0x7f => 1,
            byte @ 0x80..=0xbf => 1 + usize::from(byte & 0x3f),
            _ => match decode(bytes, at) {
                Some((_, data)) => data,
                None => return false,
            },
        };
        let next = at + data + back_length_bytes(data);
        let is_right = || match data {
            0..=0x7f => usize::from(bytes[at + data]) == data,
            _ => read_back_length(bytes, next) == Some((data, at)),
        };
        if next > end || !is_right() {
            return false;
        }
        at = next;
        elements += 1;
    }
    counted == UNCOUNTED || usize::from(counted) == elements
}

/// Writes elements behind those that a listpack has; see [`RoomyListpack::extend`].
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    at: Position,
    written: usize,
}

impl Writer {
    /// Appends an element.
    #[inline]
    pub fn push(&mut self, element: Element<'_>) {
        // One byte more: the end takes its place without growing anew.
        let needed = self.at + element.encoded_bytes() + 1;
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        self.at += element.write(&mut self.bytes[self.at..]);
        self.written += 1;
    }

    /// Appends a text.
    #[inline]
    pub fn push_text(&mut self, text: &[u8]) {
        self.push(Element::of(text));
    }
}

/// Elements of a listpack in their order.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    bytes: &'a [u8],
    front: Position,
    back: Position,
}

impl<'a> Elements<'a> {
    /// Where the next element stands, or the end.
    #[inline]
    pub fn position(&self) -> Position {
        self.front
    }

    /// Where the elements end.
    #[inline]
    pub fn end_position(&self) -> Position {
        self.back
    }

    /// What remains of them from a position on, which is not before the next one's.
    #[inline]
    pub fn starting_at(&self, at: Position) -> Elements<'a> {
        Elements { bytes: self.bytes, front: at.max(self.front), back: self.back }
    }

    /// Takes elements off the front, without looking at what they hold; `None` if there are fewer.
    #[inline]
    pub fn split_front(&mut self, count: usize) -> Option<Elements<'a>> {
        let mut until = self.front;
        for _ in 0..count {
            if until >= self.back {
                return None;
            }
            until += size_at(self.bytes, until);
        }
        let taken = Elements { bytes: self.bytes, front: self.front, back: until };
        self.front = until;
        Some(taken)
    }

    /// Takes elements off the back, without looking at what they hold; `None` if there are fewer.
    #[inline]
    pub fn split_back(&mut self, count: usize) -> Option<Elements<'a>> {
        let mut from = self.back;
        for _ in 0..count {
            if from <= self.front {
                return None;
            }
            from = read_back_length(self.bytes, from)?.1;
        }
        let taken = Elements { bytes: self.bytes, front: from, back: self.back };
        self.back = from;
        Some(taken)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (element, data) = decode(self.bytes, self.front)?;
        self.front += data + back_length_bytes(data);
        Some(element)
    }
}

impl<'a> DoubleEndedIterator for Elements<'a> {
    #[inline]
    fn next_back(&mut self) -> Option<Element<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (_, begin) = read_back_length(self.bytes, self.back)?;
        self.back = begin;
        decode(self.bytes, begin).map(|(element, _)| element)
    }
}

#[cfg(test)]
mod tests;
