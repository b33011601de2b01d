//! A string that never changes, owned through a pointer of eight bytes: what the hash tables of members hold.
//!
//! ```text
//! fewer than 255 bytes   | length | the bytes … |
//! more                   | 255 | length, 8 bytes, little-endian | the bytes … |
//! ```
//! Head and bytes lie in one allocation, so a short member takes its length, one byte, and what the allocator rounds up.

// The length of the allocation stands in the allocation: a slice has to be made of both.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;

use super::table::Packed;
use crate::util::alloc::size_class;

/// The first byte that says: the length follows.
const LONG: u8 = u8::MAX;
const LONG_HEAD: usize = 1 + size_of::<u64>();
/// What tables ask of addresses; the allocator gives it anyway.
const ALIGN: usize = 8;

/// An owned, immutable string.
pub struct Item(NonNull<u8>);

// SAFETY: the allocation is owned, and its bytes belong to no thread.
unsafe impl Send for Item {}
// SAFETY: nothing can be changed through a reference.
unsafe impl Sync for Item {}

const fn head_bytes(len: usize) -> usize {
    if len < LONG as usize { 1 } else { LONG_HEAD }
}

fn layout(len: usize) -> Layout {
    // A slice is never so long that adding the head overflows; an unrepresentable size fails as one too big to get.
    Layout::from_size_align(head_bytes(len) + len, ALIGN).unwrap_or_else(|_| handle_alloc_error(Layout::new::<u8>()))
}

impl Item {
    /// A copy of the bytes.
    #[inline]
    pub fn new(bytes: &[u8]) -> Self {
        let (len, head, layout) = (bytes.len(), head_bytes(bytes.len()), layout(bytes.len()));
        // SAFETY: the layout has at least the byte of the head.
        let Some(raw) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // SAFETY: the allocation has `head + len` bytes, and nobody else knows it: so all writes are inside, and the
        // source is elsewhere.
        unsafe {
            if head == 1 {
                raw.write(len as u8);
            } else {
                raw.write(LONG);
                raw.add(1).cast::<u64>().write_unaligned((len as u64).to_le());
            }
            raw.add(head).copy_from_nonoverlapping(NonNull::from(bytes).cast(), len);
        }
        Self(raw)
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the item is alive as long as it is borrowed.
        unsafe { bytes_at(self.0) }
    }

    /// The memory that an item of so many bytes takes.
    pub fn heap_bytes(len: usize) -> usize {
        size_class(head_bytes(len) + len)
    }
}

/// The bytes of the item at an address.
///
/// # Safety
/// An item lives there, and is not dropped during `'a`.
#[inline(always)]
unsafe fn bytes_at<'a>(raw: NonNull<u8>) -> &'a [u8] {
    // SAFETY: an item begins with its head, and has as many bytes behind it as the head says.
    unsafe {
        let short = raw.read();
        if short < LONG {
            return NonNull::slice_from_raw_parts(raw.add(1), usize::from(short)).as_ref();
        }
        let len = u64::from_le(raw.add(1).cast::<u64>().read_unaligned());
        NonNull::slice_from_raw_parts(raw.add(LONG_HEAD), len as usize).as_ref()
    }
}

impl Drop for Item {
    #[inline]
    fn drop(&mut self) {
        let layout = layout(self.bytes().len());
        // SAFETY: allocated in `new` with this layout, and not used any more.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }
}

impl Clone for Item {
    fn clone(&self) -> Self {
        Self::new(self.bytes())
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().escape_ascii().fmt(f)
    }
}

// SAFETY: the address is that of the allocation, a multiple of 8, and what lies there never changes.
unsafe impl Packed for Item {
    type Ref<'a> = &'a [u8];

    const COPY: Option<fn(&[u8]) -> Self> = Some(Self::new);

    #[inline]
    fn into_raw(self) -> NonNull<u8> {
        std::mem::ManuallyDrop::new(self).0
    }

    #[inline]
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Self(raw)
    }

    #[inline(always)]
    unsafe fn view<'a>(raw: NonNull<u8>) -> &'a [u8] {
        // SAFETY: by contract an item lives there.
        unsafe { bytes_at(raw) }
    }

    #[inline(always)]
    unsafe fn key_of<'a>(raw: NonNull<u8>) -> &'a [u8] {
        // SAFETY: by contract an item lives there.
        unsafe { bytes_at(raw) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::table::{Probe, Table};
    use crate::util::key_hash::HashSeed;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_item_is_a_pointer_wide() {
        assert_eq!(size_of::<Item>(), 8);
        assert_eq!(size_of::<Option<Item>>(), 8);
        assert_eq!(Item::heap_bytes(7), 8);
        assert_eq!(Item::heap_bytes(254), 256);
        assert_eq!(Item::heap_bytes(255), 320);
    }

    #[test]
    fn every_length_around_the_limit_of_the_short_head_keeps_its_bytes() {
        for len in (0..600).chain([65_535, 65_536, 1_000_000]) {
            let bytes: Vec<u8> = (0..len).map(|index| (index * 7 + len) as u8).collect();
            let item = Item::new(&bytes);
            assert_eq!(item.bytes(), bytes, "{len} bytes");
            assert_eq!(item.clone().bytes(), bytes, "{len} bytes");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_table_of_items_is_a_set_of_strings(
            changes in prop::collection::vec((prop::collection::vec(0u8..4, 0..5), 0usize..300, any::<bool>()), 0..120),
        ) {
            let mut table: Table<Item> = Table::new(HashSeed::portable(1, 2));
            let mut twin = BTreeSet::new();
            for (text, padding, insert) in changes {
                let bytes = [text.as_slice(), &vec![b'x'; padding / 100 * 100]].concat();
                let hash = table.hash(&bytes);
                match (table.probe(hash, &bytes), insert) {
                    (Probe::Vacant(slot), true) => {
                        slot.insert(Item::new(&bytes));
                        prop_assert!(twin.insert(bytes));
                    }
                    (Probe::Found(slot), false) => {
                        let item = slot.remove();
                        prop_assert_eq!(item.bytes(), &bytes);
                        prop_assert!(twin.remove(&bytes));
                    }
                    (Probe::Vacant(_), false) => prop_assert!(!twin.contains(&bytes)),
                    (Probe::Found(_), true) => prop_assert!(twin.contains(&bytes)),
                }
            }
            let all: BTreeSet<Vec<u8>> = table.iter().map(<[u8]>::to_vec).collect();
            prop_assert_eq!(all, twin);
        }
    }
}
