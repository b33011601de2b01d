//! Some neighbouring elements of an array, in one of two forms.
//!
//! ```text
//! sparse   (offset, word) (offset, word) …            in the order of offsets
//! dense    start | word word word word word word …     a window of a power of two places, some of them empty
//! ```
//! A slice begins sparse. With more than [`Limits::sparse_max`] elements it becomes dense, and with fewer than
//! [`Limits::dense_min`] it is sparse again where that takes less memory. The window begins with eight places and
//! doubles towards the side where elements come, up to the whole slice.

use std::ops::ControlFlow;

use super::Limits;
use super::texts::Texts;
use super::word::{Value, Word};
use crate::util::alloc::size_class;

/// The least window.
const WINDOW_MIN: u32 = 8;
/// A sparse slice begins with room for so many elements.
const SPARSE_MIN: usize = 2;
/// The texts of a slice that has none.
static NO_TEXTS: Texts = Texts::NONE;
/// Bytes of an element of a sparse slice and of a place of a dense one.
const SPARSE_BYTES: usize = size_of::<(u16, Word)>();
const DENSE_BYTES: usize = size_of::<Word>();

/// A part of an array.
#[derive(Clone, Debug)]
pub struct Slice {
    form: Form,
    count: u32,
    /// The texts that do not fit a word; made with the first of them.
    texts: Option<Box<Texts>>,
}

#[derive(Clone, Debug)]
enum Form {
    Sparse(Vec<(u16, Word)>),
    Dense { start: u32, words: Vec<Word> },
}

/// What ARINFO tells of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// How many elements there is room for.
    Sparse(usize),
    /// How wide the window is.
    Dense(usize),
}

impl Slice {
    /// A slice without elements.
    pub fn new() -> Slice {
        Slice { form: Form::Sparse(Vec::new()), count: 0, texts: None }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Its form.
    pub fn shape(&self) -> Shape {
        match &self.form {
            Form::Sparse(entries) => Shape::Sparse(entries.capacity()),
            Form::Dense { words, .. } => Shape::Dense(words.len()),
        }
    }

    fn word(&self, offset: u32) -> Word {
        match &self.form {
            Form::Sparse(entries) => match place_of(entries, offset) {
                Ok(place) => entries[place].1,
                Err(_) => Word::EMPTY,
            },
            Form::Dense { start, words } => {
                let place = offset.checked_sub(*start).and_then(|place| words.get(place as usize));
                place.copied().unwrap_or(Word::EMPTY)
            }
        }
    }

    fn value_of(&self, word: Word) -> Option<Value<'_>> {
        match &self.texts {
            Some(texts) => word.value(texts),
            None => word.value(&NO_TEXTS),
        }
    }

    /// The element at an offset.
    pub fn get(&self, offset: u32) -> Option<Value<'_>> {
        self.value_of(self.word(offset))
    }

    /// The greatest offset that has an element.
    pub fn last_offset(&self) -> Option<u32> {
        match &self.form {
            Form::Sparse(entries) => entries.last().map(|(offset, _)| u32::from(*offset)),
            Form::Dense { start, words } => {
                words.iter().rposition(|word| !word.is_empty()).map(|place| start + place as u32)
            }
        }
    }

    /// Sets an element; whether it is new.
    pub fn set(&mut self, offset: u32, text: &[u8], limits: &Limits) -> bool {
        let old = self.word(offset);
        let word = match (Word::inline(text), old.place()) {
            (Some(word), place) => {
                place.into_iter().for_each(|place| self.drop_text(place));
                word
            }
            (None, Some(place)) => {
                self.texts.get_or_insert_default().replace(place, text);
                old
            }
            (None, None) => Word::at(self.texts.get_or_insert_default().put(text)),
        };
        self.count += u32::from(old.is_empty());
        self.store(offset, word, limits);
        old.is_empty()
    }

    /// Writes a word that is not empty.
    fn store(&mut self, offset: u32, word: Word, limits: &Limits) {
        if let Form::Sparse(entries) = &mut self.form {
            match place_of(entries, offset) {
                Ok(place) => return entries[place].1 = word,
                Err(place) if entries.len() < limits.sparse_max => {
                    if entries.len() == entries.capacity() {
                        let more = entries.len().max(SPARSE_MIN).min(limits.sparse_max - entries.len());
                        entries.reserve_exact(more);
                    }
                    return entries.insert(place, (offset as u16, word));
                }
                Err(_) => self.make_dense(offset, offset, limits.slice_size()),
            }
        }
        self.widen(offset, offset, limits.slice_size());
        if let Form::Dense { start, words } = &mut self.form {
            words[(offset - *start) as usize] = word;
        }
    }

    /// Makes room for elements from one offset to another that are about to come.
    pub fn expect(&mut self, first: u32, last: u32, limits: &Limits) {
        let coming = (last - first) as usize + 1;
        if coming <= limits.sparse_max && matches!(self.form, Form::Sparse(_)) {
            return;
        }
        match self.form {
            Form::Sparse(_) => self.make_dense(first, last, limits.slice_size()),
            Form::Dense { .. } => self.widen(first, last, limits.slice_size()),
        }
    }

    /// Gives a sparse slice a window over its elements and the offsets from `first` to `last`.
    fn make_dense(&mut self, first: u32, last: u32, slice_size: u32) {
        let Form::Sparse(entries) = &mut self.form else { return };
        let entries = std::mem::take(entries);
        let ends = entries.first().zip(entries.last());
        let first = ends.map_or(first, |(lowest, _)| first.min(u32::from(lowest.0)));
        let last = ends.map_or(last, |(_, highest)| last.max(u32::from(highest.0)));
        let width = (last - first + 1).next_power_of_two().clamp(WINDOW_MIN, slice_size);
        let start = first.min(slice_size - width);
        let mut words = vec![Word::EMPTY; width as usize];
        entries.iter().for_each(|(offset, word)| words[(u32::from(*offset) - start) as usize] = *word);
        self.form = Form::Dense { start, words };
    }

    /// Widens the window of a dense slice over the offsets from `first` to `last`.
    fn widen(&mut self, first: u32, last: u32, slice_size: u32) {
        let Form::Dense { start, words } = &mut self.form else { return };
        let (old_start, end) = (*start, *start + words.len() as u32);
        if first >= old_start && last < end {
            return;
        }
        let (low, high) = (first.min(old_start), (last + 1).max(end));
        let width = (high - low).next_power_of_two().clamp(WINDOW_MIN, slice_size);
        // The room to spare lies on the side where elements come; the window stays within the slice.
        let new_start = if first < old_start { high.saturating_sub(width) } else { low.min(slice_size - width) };
        if new_start == old_start {
            words.reserve_exact(width as usize - words.len());
            return words.resize(width as usize, Word::EMPTY);
        }
        let mut wider = vec![Word::EMPTY; width as usize];
        wider[(old_start - new_start) as usize..][..words.len()].copy_from_slice(words);
        (*start, *words) = (new_start, wider);
    }

    /// Removes an element; whether there was one.
    pub fn remove(&mut self, offset: u32, limits: &Limits) -> bool {
        self.remove_range(offset, offset, limits) > 0
    }

    /// Removes the elements from one offset to another; how many there were.
    pub fn remove_range(&mut self, first: u32, last: u32, limits: &Limits) -> usize {
        let removed: Vec<Word> = match &mut self.form {
            Form::Sparse(entries) => {
                let from = entries.partition_point(|(offset, _)| u32::from(*offset) < first);
                let to = entries.partition_point(|(offset, _)| u32::from(*offset) <= last);
                entries.drain(from..to).map(|(_, word)| word).collect()
            }
            Form::Dense { start, words } => {
                let (from, to) = places(*start, words.len(), first, last);
                let words = words.get_mut(from..to).unwrap_or_default();
                words
                    .iter_mut()
                    .map(|word| std::mem::replace(word, Word::EMPTY))
                    .filter(|word| !word.is_empty())
                    .collect()
            }
        };
        removed.iter().filter_map(|word| word.place()).for_each(|place| self.drop_text(place));
        self.count -= removed.len() as u32;
        if !removed.is_empty() && self.len() < limits.dense_min {
            self.make_sparse();
        }
        removed.len()
    }

    /// Makes a dense slice sparse if that saves memory.
    fn make_sparse(&mut self) {
        let Form::Dense { start, words } = &self.form else { return };
        if words.len() * DENSE_BYTES <= self.len() * SPARSE_BYTES {
            return;
        }
        let elements = words.iter().enumerate().filter(|(_, word)| !word.is_empty());
        let mut entries = Vec::with_capacity(self.len());
        entries.extend(elements.map(|(place, word)| ((*start as usize + place) as u16, *word)));
        self.form = Form::Sparse(entries);
    }

    fn drop_text(&mut self, place: usize) {
        let Some(texts) = &mut self.texts else { return };
        texts.remove(place);
        if texts.is_empty() {
            self.texts = None;
        }
    }

    /// Shows the elements from one offset to another, upwards or downwards, until told to stop.
    pub fn visit(
        &self,
        (first, last): (u32, u32),
        downwards: bool,
        mut see: impl FnMut(u32, Value<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut see = |offset: u32, word: Word| match self.value_of(word) {
            Some(value) => see(offset, value),
            None => ControlFlow::Continue(()),
        };
        match &self.form {
            Form::Sparse(entries) => {
                let from = entries.partition_point(|(offset, _)| u32::from(*offset) < first);
                let to = entries.partition_point(|(offset, _)| u32::from(*offset) <= last);
                let mut elements = entries[from..to].iter().map(|(offset, word)| (u32::from(*offset), *word));
                match downwards {
                    false => elements.try_for_each(|(offset, word)| see(offset, word)),
                    true => elements.rev().try_for_each(|(offset, word)| see(offset, word)),
                }
            }
            Form::Dense { start, words } => {
                let (from, to) = places(*start, words.len(), first, last);
                let words = words.get(from..to).unwrap_or_default();
                let mut elements = words.iter().zip(start + from as u32..);
                match downwards {
                    false => elements.try_for_each(|(word, offset)| see(offset, *word)),
                    true => words
                        .iter()
                        .enumerate()
                        .rev()
                        .try_for_each(|(place, word)| see(start + (from + place) as u32, *word)),
                }
            }
        }
    }

    /// How many texts lie elsewhere.
    pub fn texts_len(&self) -> usize {
        self.texts.as_ref().map_or(0, |texts| texts.len())
    }

    /// Memory it owns. At most `samples` texts are looked at and taken for the rest, unless that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        let words = match &self.form {
            Form::Sparse(entries) => entries.capacity() * SPARSE_BYTES,
            Form::Dense { words, .. } => words.capacity() * DENSE_BYTES,
        };
        let texts = self.texts.as_ref().map_or(0, |texts| size_of::<Texts>() + texts.heap_bytes(samples));
        size_class(words) + texts
    }
}

fn place_of(entries: &[(u16, Word)], offset: u32) -> Result<usize, usize> {
    entries.binary_search_by_key(&offset, |(offset, _)| u32::from(*offset))
}

/// The places of a window that stand for the offsets from `first` to `last`: from one to before another.
fn places(start: u32, len: usize, first: u32, last: u32) -> (usize, usize) {
    let from = (first.saturating_sub(start) as usize).min(len);
    let to = ((last + 1).saturating_sub(start) as usize).clamp(from, len);
    (from, to)
}
