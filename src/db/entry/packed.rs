//! Copies of entries that own nothing, one behind the other in a few allocations.
//!
//! A snapshot copies every key there is. Most are integers and short strings, whose entries are all there is of them: to
//! copy one is to append some words, and to free thousands is to free a few vectors. Of these each is as long as those
//! before it together, up to a bound: a few copies take little memory, and of many little is unused.

// Entries of any length in one vector cannot be written in safe Rust.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::{EntryView, Kind, WORD};

/// The words of the first vector, and those that the longest have.
const FIRST_WORDS: usize = 128;
const MOST_WORDS: usize = 8192;

/// Entries, each of which begins with a word of its own. Behind its value some bytes of its last word mean nothing. Cells,
/// since a view may set the access field of what it shows.
type Words = Vec<Cell<MaybeUninit<u64>>>;

/// Copies of entries that own nothing.
#[derive(Default)]
pub struct PackedEntries {
    /// None of them grows.
    full: Vec<Words>,
    last: Words,
    /// The words that all have room for.
    room: usize,
    len: usize,
}

impl PackedEntries {
    /// Appends a copy, if the entry owns nothing. Whether that was so.
    #[inline]
    pub fn push(&mut self, entry: EntryView<'_>) -> bool {
        if !matches!(entry.kind(), Kind::Int | Kind::Inline) {
            return false;
        }
        let words = words_of(entry);
        if self.last.capacity() - self.last.len() < words {
            self.make_room(words);
        }
        let begin = self.last.len();
        // SAFETY: there is room for so many words behind those in use. An allocation of an entry has the size of a class,
        // which is a number of words, so the last of them is within it.
        unsafe {
            let end = self.last.as_mut_ptr().add(begin);
            end.cast::<u64>().copy_from_nonoverlapping(entry.raw().as_ptr().cast(), words);
            self.last.set_len(begin + words);
        }
        self.len += 1;
        true
    }

    #[cold]
    fn make_room(&mut self, words: usize) {
        let next = Words::with_capacity(self.room.clamp(FIRST_WORDS, MOST_WORDS).max(words));
        self.room += next.capacity();
        let full = std::mem::replace(&mut self.last, next);
        if !full.is_empty() {
            self.full.push(full);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Memory that they take, in bytes.
    pub fn bytes(&self) -> usize {
        self.room * WORD
    }

    /// The entries, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = EntryView<'_>> {
        self.full.iter().chain([&self.last]).flat_map(entries_of)
    }
}

fn entries_of(words: &Words) -> impl Iterator<Item = EntryView<'_>> {
    let mut rest = &words[..];
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let first = NonNull::from(rest).cast();
        // SAFETY: here an entry begins, which `push` has copied whole; it lives, and owns itself, while the words are
        // borrowed.
        let entry = unsafe { EntryView::new(first) };
        rest = &rest[words_of(entry)..];
        Some(entry)
    })
}

/// The words that the bytes of an entry take.
fn words_of(entry: EntryView<'_>) -> usize {
    let header = entry.header();
    (header.key_offset() + entry.key_len() + header.value_len()).div_ceil(WORD)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::db::entry::{Entry, INLINE_MAX};
    use crate::types::Hash;

    /// All that can be told of an entry.
    fn told(entry: EntryView<'_>) -> (Vec<u8>, Option<Vec<u8>>, Option<i64>, u32, &'static str) {
        let value = entry.string().map(|value| value.to_vec());
        (entry.key().to_vec(), value, entry.expire_at(), entry.access(), entry.encoding())
    }

    #[test]
    fn what_owns_something_is_not_packed() {
        let mut packed = PackedEntries::default();
        let long = Entry::string(b"long", &[b'x'; INLINE_MAX + 1], None, 0);
        let hash = Entry::collection(b"hash", Hash::default(), None, 0);
        assert!(!packed.push(long.view()) && !packed.push(hash.view()));
        assert_eq!((packed.len(), packed.iter().count(), packed.bytes()), (0, 0, 0));
    }

    #[test]
    fn a_few_copies_take_little_memory_and_of_many_little_is_unused() {
        let (small, long) = (Entry::int(b"key", 1, None, 0), Entry::int(&[b'k'; 1 << 20], 1, None, 0));
        let mut packed = PackedEntries::default();
        assert!(packed.push(small.view()) && packed.bytes() <= 1024);
        for _ in 0..100_000 {
            assert!(packed.push(small.view()));
        }
        let used = packed.len() * words_of(small.view()) * WORD;
        assert!(packed.bytes() <= used + used / 16, "{} of {used}", packed.bytes());
        assert!(packed.push(long.view()) && packed.push(small.view()));
        assert_eq!(packed.iter().map(|entry| entry.key().len()).max(), Some(1 << 20));
        assert_eq!(packed.iter().count(), packed.len());
    }

    proptest! {
        #[test]
        fn packed_entries_are_as_the_ones_they_were_copied_from(
            entries in prop::collection::vec(
                (
                    prop::collection::vec(any::<u8>(), 0..300),
                    prop_oneof![
                        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
                        prop::collection::vec(any::<u8>(), 0..40),
                        prop::collection::vec(any::<u8>(), INLINE_MAX - 8..=INLINE_MAX),
                    ],
                    any::<Option<i64>>(),
                    0u32..1 << 24,
                ),
                0..40,
            ),
        ) {
            let entries: Vec<Entry> = entries
                .iter()
                .map(|(key, value, expire, access)| Entry::string(key, value, *expire, *access))
                .collect();
            let mut packed = PackedEntries::default();
            for entry in &entries {
                assert!(packed.push(entry.view()), "it owns nothing");
            }
            let wanted: Vec<_> = entries.iter().map(|entry| told(entry.view())).collect();
            let room: usize = packed.full.iter().chain([&packed.last]).map(|words| words.capacity()).sum();
            prop_assert_eq!(packed.bytes(), room * WORD);
            prop_assert_eq!(packed.len(), entries.len());
            // The copies do not need what they were copied from.
            drop(entries);
            let copies: Vec<_> = packed.iter().map(told).collect();
            prop_assert_eq!(copies, wanted);
            packed.iter().for_each(|entry| entry.set_access(7));
            prop_assert!(packed.iter().all(|entry| entry.access() == 7));
        }
    }
}
