//! Copies of entries that own nothing, one behind the other in one allocation.
//!
//! A snapshot copies every key there is. Most are integers and short strings, whose entries are all there is of them: to
//! copy one is to append some words, and to free thousands is to free one vector.

// Entries of any length in one vector cannot be written in safe Rust.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::{EntryView, Kind, WORD};

/// Copies of entries that own nothing.
#[derive(Default)]
pub struct PackedEntries {
    /// Each entry begins with a word of its own. Behind its value some bytes of its last word mean nothing. A cell, since
    /// a view may set the access field of what it shows.
    words: Vec<Cell<MaybeUninit<u64>>>,
    len: usize,
}

impl PackedEntries {
    /// None yet, with room for some bytes.
    pub fn with_room_for(bytes: usize) -> PackedEntries {
        PackedEntries { words: Vec::with_capacity(bytes / WORD), len: 0 }
    }

    /// Appends a copy, if the entry owns nothing: how many bytes that took.
    #[inline]
    pub fn push(&mut self, entry: EntryView<'_>) -> Option<usize> {
        if !matches!(entry.kind(), Kind::Int | Kind::Inline) {
            return None;
        }
        let words = words_of(entry);
        let begin = self.words.len();
        self.words.reserve(words);
        // SAFETY: there is room for so many words behind those in use. An allocation of an entry has the size of a class,
        // which is a number of words, so the last of them is within it.
        unsafe {
            let end = self.words.as_mut_ptr().add(begin);
            end.cast::<u64>().copy_from_nonoverlapping(entry.raw().as_ptr().cast(), words);
            self.words.set_len(begin + words);
        }
        self.len += 1;
        Some(words * WORD)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The entries, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = EntryView<'_>> {
        let mut rest = &self.words[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let first = NonNull::from(rest).cast();
            // SAFETY: here an entry begins, which `push` has copied whole; it lives, and owns itself, while `self` is
            // borrowed.
            let entry = unsafe { EntryView::new(first) };
            rest = &rest[words_of(entry)..];
            Some(entry)
        })
    }
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
        assert_eq!(packed.push(long.view()), None);
        assert_eq!(packed.push(hash.view()), None);
        assert_eq!((packed.len(), packed.iter().count()), (0, 0));
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
                0..20,
            ),
            room in 0usize..4096,
        ) {
            let entries: Vec<Entry> = entries
                .iter()
                .map(|(key, value, expire, access)| Entry::string(key, value, *expire, *access))
                .collect();
            let mut packed = PackedEntries::with_room_for(room);
            let mut bytes = 0;
            for entry in &entries {
                bytes += packed.push(entry.view()).expect("it owns nothing");
            }
            let wanted: Vec<_> = entries.iter().map(|entry| told(entry.view())).collect();
            prop_assert_eq!(bytes, packed.words.len() * WORD);
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
