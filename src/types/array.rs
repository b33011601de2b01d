//! Arrays, as of Redis 8.8: elements at 64-bit indexes, most of which may be empty.
//!
//! ```text
//! index   | slice number                         | offset |        array-slice-size tells how many bits the offset has
//! slices  ordered by their numbers, those with elements only:  [`slice`], sparse or dense
//! element 64 bits: an integer, a decimal or a short text, or the place of a text in its slice:  [`word`]
//! ```
//! So an index costs nothing that has no element, a range costs what is in it however wide it is, and a dense run of
//! numbers costs 8 bytes each. Indexes go up to 2^64 - 2, so that the length of an array, the greatest index and one
//! more, is a number of 64 bits.
//!
//! An array has a cursor besides: where ARINSERT and ARRING have written last. It is kept when elements go.

mod slice;
#[cfg(test)]
mod tests;
mod texts;
mod word;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::Collection;
use super::digest::Digest;
use super::sharing::Sharing;
use crate::util::alloc::size_class;
use slice::{Shape, Slice};

pub use word::{SHORT_MAX, Value};

/// The greatest index.
pub const INDEX_MAX: u64 = u64::MAX - 1;
/// Slices of as many elements are the greatest there are: offsets have 16 bits.
const SLICE_BITS_MAX: u32 = 16;
const SLICE_BITS_DEFAULT: u32 = 12;
/// Slices in a block of Redis's directory.
const DIRECTORY_BLOCK: u64 = 2048;
/// Slices looked at to tell whether freeing them takes long.
const EFFORT_SLICES: usize = 64;

/// The forms of slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    slice_bits: u32,
    /// A sparse slice has no more elements.
    sparse_max: usize,
    /// A dense slice with fewer elements becomes sparse.
    dense_min: usize,
}

impl Limits {
    /// Limits by `array-slice-size` (rounded to a power of two up to 65536), `array-sparse-kmax` and
    /// `array-sparse-kmin`.
    pub fn new(slice_size: usize, sparse_max: usize, dense_min: usize) -> Limits {
        let slice_bits = slice_size.max(8).ilog2().min(SLICE_BITS_MAX);
        Limits { slice_bits, sparse_max, dense_min }
    }

    fn slice_size(&self) -> u32 {
        1 << self.slice_bits
    }
}

/// Elements at indexes.
#[derive(Clone, Default)]
pub struct Array(Sharing<Parts>);

#[derive(Clone)]
struct Parts {
    slices: BTreeMap<u64, Slice>,
    count: u64,
    /// Where was written last by way of the cursor.
    cursor: Option<u64>,
    /// Bits of an offset, for good once there is an element.
    slice_bits: u32,
    /// Blocks of slices that have elements.
    blocks: u64,
}

impl Default for Parts {
    fn default() -> Parts {
        Parts { slices: BTreeMap::new(), count: 0, cursor: None, slice_bits: SLICE_BITS_DEFAULT, blocks: 0 }
    }
}

impl Parts {
    /// The slice of that number, made if it is not there.
    fn slice(&mut self, number: u64) -> &mut Slice {
        if !self.slices.contains_key(&number) && !self.has_block_of(number) {
            self.blocks += 1;
        }
        self.slices.entry(number).or_insert_with(Slice::new)
    }

    /// Drops a slice that has no elements, or whose elements are to go.
    fn drop_slice(&mut self, number: u64) {
        self.slices.remove(&number);
        if !self.has_block_of(number) {
            self.blocks -= 1;
        }
    }

    /// Whether a slice of the same block is there.
    fn has_block_of(&self, number: u64) -> bool {
        let first = number - number % DIRECTORY_BLOCK;
        self.slices.range(first..=first.saturating_add(DIRECTORY_BLOCK - 1)).next().is_some()
    }
}

/// What ARINFO FULL tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Slices with a window.
    pub dense_slices: u64,
    /// Slices without.
    pub sparse_slices: u64,
    /// The places of all windows together.
    pub dense_places: u64,
    /// The elements in them.
    pub dense_elements: u64,
    /// The elements that sparse slices have room for.
    pub sparse_places: u64,
}

impl Array {
    /// The greatest index that has an element, and one more.
    pub fn end(&self) -> u64 {
        let last = self.0.slices.last_key_value();
        last.map_or(0, |(number, slice)| self.index(*number, slice.last_offset().unwrap_or(0)) + 1)
    }

    /// How many elements there are.
    pub fn count(&self) -> u64 {
        self.0.count
    }

    fn index(&self, number: u64, offset: u32) -> u64 {
        number << self.0.slice_bits | u64::from(offset)
    }

    fn number(&self, index: u64) -> u64 {
        index >> self.0.slice_bits
    }

    fn offset(&self, index: u64) -> u32 {
        (index & ((1 << self.0.slice_bits) - 1)) as u32
    }

    /// The limits for this array: its slices keep the size they began with.
    fn limits(&mut self, limits: &Limits) -> Limits {
        if self.0.slices.is_empty() {
            self.0.slice_bits = limits.slice_bits;
        }
        Limits { slice_bits: self.0.slice_bits, ..*limits }
    }

    /// The element at an index.
    pub fn get(&self, index: u64) -> Option<Value<'_>> {
        self.0.slices.get(&self.number(index))?.get(self.offset(index))
    }

    /// Sets the element at an index, at most [`INDEX_MAX`]; whether it is new.
    pub fn set(&mut self, index: u64, text: &[u8], limits: &Limits) -> bool {
        let limits = self.limits(limits);
        let (number, offset) = (self.number(index), self.offset(index));
        let new = self.0.slice(number).set(offset, text, &limits);
        self.0.count += u64::from(new);
        new
    }

    /// Sets elements one after the other; how many are new. All indexes are at most [`INDEX_MAX`].
    pub fn set_all<'t>(&mut self, first: u64, texts: impl ExactSizeIterator<Item = &'t [u8]>, limits: &Limits) -> u64 {
        let limits = self.limits(limits);
        let last = first + (texts.len() as u64).saturating_sub(1);
        let (mut index, mut new) = (first, 0);
        let mut texts = texts.peekable();
        while texts.peek().is_some() {
            let (number, offset) = (self.number(index), self.offset(index));
            let end = if self.number(last) == number { self.offset(last) } else { limits.slice_size() - 1 };
            let slice = self.0.slice(number);
            slice.expect(offset, end, &limits);
            for (offset, text) in (offset..=end).zip(&mut texts) {
                new += u64::from(slice.set(offset, text, &limits));
                index += 1;
            }
        }
        self.0.count += new;
        new
    }

    /// Removes the element at an index; whether there was one.
    pub fn remove(&mut self, index: u64, limits: &Limits) -> bool {
        let (number, offset) = (self.number(index), self.offset(index));
        let limits = Limits { slice_bits: self.0.slice_bits, ..*limits };
        let Some(slice) = self.0.slices.get_mut(&number) else { return false };
        let removed = slice.remove(offset, &limits);
        if slice.len() == 0 {
            self.0.drop_slice(number);
        }
        self.0.count -= u64::from(removed);
        removed
    }

    /// Removes all elements from one index to another; how many there were.
    pub fn remove_range(&mut self, first: u64, last: u64, limits: &Limits) -> u64 {
        let limits = Limits { slice_bits: self.0.slice_bits, ..*limits };
        let range = self.number(first)..=self.number(last);
        let numbers: Vec<u64> = self.0.slices.range(range).map(|(number, _)| *number).collect();
        let mut removed = 0;
        for number in numbers {
            let (from, to) = self.part(number, first, last);
            let Some(slice) = self.0.slices.get_mut(&number) else { continue };
            // A slice that goes as a whole need not be taken to pieces.
            let whole = from == 0 && to == limits.slice_size() - 1;
            removed += if whole { slice.len() } else { slice.remove_range(from, to, &limits) } as u64;
            if whole || slice.len() == 0 {
                self.0.drop_slice(number);
            }
        }
        self.0.count -= removed;
        removed
    }

    /// The offsets of a slice that lie between two indexes.
    fn part(&self, number: u64, first: u64, last: u64) -> (u32, u32) {
        let from = if self.number(first) == number { self.offset(first) } else { 0 };
        let to = if self.number(last) == number { self.offset(last) } else { (1 << self.0.slice_bits) - 1 };
        (from, to)
    }

    /// Shows the elements between two indexes, in the direction from the first to the second, until told to stop.
    pub fn visit(&self, from: u64, to: u64, mut see: impl FnMut(u64, Value<'_>) -> ControlFlow<()>) {
        let (first, last, downwards) = if from <= to { (from, to, false) } else { (to, from, true) };
        let mut slices = self.0.slices.range(self.number(first)..=self.number(last));
        let mut visit = |(number, slice): (&u64, &Slice)| {
            slice.visit(self.part(*number, first, last), downwards, |offset, value| {
                see(self.index(*number, offset), value)
            })
        };
        // Whether it was stopped, only the one who sees needs to know.
        let _ = match downwards {
            false => slices.try_for_each(&mut visit),
            true => slices.rev().try_for_each(&mut visit),
        };
    }

    /// Shows every index between two, in the direction from the first to the second, with its element if it has one,
    /// until told to stop.
    pub fn visit_all(&self, from: u64, to: u64, mut see: impl FnMut(Option<Value<'_>>) -> ControlFlow<()>) {
        let mut left = from.abs_diff(to).saturating_add(1);
        let mut stopped = false;
        self.visit(from, to, |index, value| {
            let holes = left - index.abs_diff(to) - 1;
            let mut seen = (0..holes).try_for_each(|_| see(None));
            if seen.is_continue() {
                seen = see(Some(value));
            }
            left = index.abs_diff(to);
            stopped = seen.is_break();
            seen
        });
        if !stopped {
            let _ = (0..left).try_for_each(|_| see(None));
        }
    }

    /// Where was written last by way of the cursor, if it was.
    pub fn cursor(&self) -> Option<u64> {
        self.0.cursor
    }

    /// Moves the cursor, to no further than [`INDEX_MAX`].
    pub fn set_cursor(&mut self, cursor: Option<u64>) {
        self.0.cursor = cursor;
    }

    /// Where the cursor writes next; `None` when there is no further index.
    pub fn next(&self) -> Option<u64> {
        match self.0.cursor {
            None => Some(0),
            Some(INDEX_MAX..) => None,
            Some(index) => Some(index + 1),
        }
    }

    /// Writes elements around a ring of some size, and moves the cursor along; the index of the last one.
    ///
    /// Of a ring that had another size the latest elements are kept, as many as fit and without a hole between them, and
    /// moved to its beginning in the order in which they came.
    pub fn push_around<'t>(&mut self, size: u64, texts: impl Iterator<Item = &'t [u8]>, limits: &Limits) -> u64 {
        if let Some(keep) = self.resizes_to(size) {
            self.straighten(keep, limits);
        }
        for text in texts {
            let index = self.0.cursor.map_or(0, |cursor| cursor + 1) % size;
            self.set(index, text, limits);
            self.0.cursor = Some(index);
        }
        self.0.cursor.unwrap_or(0)
    }

    /// How many elements of the ring may be kept if its size changes such that they have to move.
    fn resizes_to(&self, size: u64) -> Option<u64> {
        let end = self.end();
        // A ring that grows has to move only if it goes on before its end: unless it was told to begin anew.
        let goes_on_inside = self.0.cursor.is_some_and(|cursor| cursor + 1 < end);
        match size {
            _ if end == 0 => None,
            size if size < end => Some(size),
            size if size > end && goes_on_inside => Some(end),
            _ => None,
        }
    }

    fn straighten(&mut self, keep: u64, limits: &Limits) {
        let end = self.end();
        let latest = self.0.cursor.map_or(end - 1, |cursor| cursor % end);
        let mut kept = Vec::new();
        self.take_down(latest, 0, keep, &mut kept);
        if kept.len() as u64 == latest + 1 && latest + 1 < end {
            self.take_down(end - 1, latest + 1, keep, &mut kept);
        }
        let bits = self.0.slice_bits;
        *self.0 = Parts { slice_bits: bits, ..Parts::default() };
        let limits = Limits { slice_bits: bits, ..*limits };
        self.set_all(0, kept.iter().rev().map(Vec::as_slice), &limits);
        self.0.cursor = (kept.len() as u64).checked_sub(1);
    }

    /// Copies elements from one index down to another, as far as there is no hole between them and no more than `most`.
    fn take_down(&self, from: u64, to: u64, most: u64, taken: &mut Vec<Vec<u8>>) {
        let mut expected = from;
        self.visit(from, to, |index, value| {
            if index != expected || taken.len() as u64 == most {
                return ControlFlow::Break(());
            }
            taken.push(value.to_vec());
            expected = index.wrapping_sub(1);
            ControlFlow::Continue(())
        });
    }

    /// What ARINFO FULL tells.
    pub fn info(&self) -> Info {
        let mut info = Info::default();
        for slice in self.0.slices.values() {
            match slice.shape() {
                Shape::Sparse(room) => {
                    info.sparse_slices += 1;
                    info.sparse_places += room as u64;
                }
                Shape::Dense(window) => {
                    info.dense_slices += 1;
                    info.dense_places += window as u64;
                    info.dense_elements += slice.len() as u64;
                }
            }
        }
        info
    }

    /// How many slices have elements.
    pub fn slices(&self) -> u64 {
        self.0.slices.len() as u64
    }

    /// How many elements a slice may have.
    pub fn slice_size(&self) -> u64 {
        1 << self.0.slice_bits
    }

    /// The directory that Redis would have for these slices: its size, and how many blocks there are if it is one of
    /// blocks, as it is from the 2048th slice on.
    pub fn directory(&self) -> (u64, u64) {
        let last = self.0.slices.last_key_value().map_or(0, |(number, _)| *number);
        if last < DIRECTORY_BLOCK {
            return ((last + 1).next_power_of_two(), 0);
        }
        (self.0.blocks.next_power_of_two(), self.0.blocks)
    }
}

impl Collection for Array {
    fn len(&self) -> usize {
        self.0.count as usize
    }

    fn encoding(&self) -> &'static str {
        "sliced-array"
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        // Nodes of the map have room for eleven slices and are two thirds full on the average.
        let slot = (size_of::<(u64, Slice)>() + size_of::<usize>()) * 3 / 2;
        let slices = self.0.slices.len();
        let looked_at = if samples == 0 { slices } else { samples.min(slices) };
        let owned: usize = self.0.slices.values().take(looked_at).map(|slice| slice.heap_bytes(samples)).sum();
        let map = if slices == 0 { 0 } else { (slices * slot).max(size_of::<(u64, Slice)>() * 11) };
        size_class(size_of::<Parts>()) + map + (owned as u128 * slices as u128 / looked_at.max(1) as u128) as usize
    }

    fn free_effort(&self) -> usize {
        self.0.slices.values().take(EFFORT_SLICES).map(|slice| 1 + slice.texts_len()).sum()
    }

    fn digest(&self, digest: &mut Digest) {
        self.visit(0, INDEX_MAX, |index, value| {
            digest.append(itoa::Buffer::new().format(index).as_bytes());
            digest.append(value.text(&mut itoa::Buffer::new()));
            ControlFlow::Continue(())
        });
        digest.append(itoa::Buffer::new().format(self.0.cursor.map_or(0, |cursor| cursor + 1)).as_bytes());
    }
}
