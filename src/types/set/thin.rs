//! Intsets and listpacks behind a thin pointer: both begin with what tells their length.

// The length of the memory is told by its content.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use crate::types::intset;

/// How many bytes an intset or a listpack has that begins like this: eight bytes are enough to know, and four for a
/// listpack.
#[inline(always)]
pub fn told_bytes(head: &[u8]) -> Option<usize> {
    let (first, rest) = head.split_first_chunk::<4>()?;
    match u32::from_le_bytes(*first) {
        width @ (2 | 4 | 8) => {
            let len = u32::from_le_bytes(*rest.first_chunk()?);
            Some(intset::EMPTY.len() + width as usize * len as usize)
        }
        bytes => Some(bytes as usize),
    }
}

/// Bytes that tell their own number ([`told_bytes`]), in an allocation of that many; or none.
#[derive(Default)]
#[repr(transparent)]
pub struct ThinBytes(Option<NonNull<u8>>);

// SAFETY: it owns its memory, as a box does.
unsafe impl Send for ThinBytes {}
// SAFETY: nothing is changed through a reference.
unsafe impl Sync for ThinBytes {}

impl From<Box<[u8]>> for ThinBytes {
    #[inline]
    fn from(bytes: Box<[u8]>) -> Self {
        if bytes.is_empty() {
            return Self(None);
        }
        let told = told_bytes(&bytes);
        assert!(told == Some(bytes.len()), "the bytes tell their number");
        let raw: NonNull<u8> = NonNull::from(Box::leak(bytes)).cast();
        assert!(raw.addr().get().is_multiple_of(2), "the allocator aligns every block to a word");
        Self(Some(raw))
    }
}

impl ThinBytes {
    /// The allocation as a box would have it.
    #[inline(always)]
    fn slice(raw: NonNull<u8>) -> NonNull<[u8]> {
        const HEAD: usize = 4;
        let head = NonNull::slice_from_raw_parts(raw, HEAD);
        // SAFETY: what was put there tells its number by its first four bytes, or by the first eight, which it has if
        // the first four are a width of integers (see `told_bytes`). It is never changed in place.
        unsafe {
            let told = told_bytes(head.as_ref());
            let told = told.or_else(|| told_bytes(NonNull::slice_from_raw_parts(raw, 2 * HEAD).as_ref()));
            NonNull::slice_from_raw_parts(raw, told.unwrap_unchecked())
        }
    }

    /// The bytes.
    #[inline(always)]
    pub fn as_slice(&self) -> &[u8] {
        match self.0 {
            // SAFETY: the memory is there, and nobody changes it while `self` is borrowed.
            Some(raw) => unsafe { Self::slice(raw).as_ref() },
            None => &[],
        }
    }

    /// Takes the bytes.
    #[inline]
    pub fn take(&mut self) -> Box<[u8]> {
        match self.0.take() {
            // SAFETY: the pointer comes from a box of this length, and has just been forgotten.
            Some(raw) => unsafe { Box::from_raw(Self::slice(raw).as_ptr()) },
            None => Box::default(),
        }
    }
}

impl Clone for ThinBytes {
    fn clone(&self) -> Self {
        Self::from(Box::from(self.as_slice()))
    }
}

impl Drop for ThinBytes {
    #[inline]
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::intset::Intset;
    use crate::types::listpack::Listpack;

    proptest! {
        #[test]
        fn bytes_behind_a_thin_pointer_are_those_that_were_put_there(
            ints in prop::collection::btree_set(prop_oneof![any::<i64>(), -300i64..300], 0..40),
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        ) {
            let mut set = Intset::default();
            ints.iter().for_each(|value| _ = set.insert(*value));
            let mut pack = Listpack::new();
            texts.iter().for_each(|text| pack.push_back(text));
            for bytes in [set.into_bytes(), pack.into_own()] {
                let mut thin = ThinBytes::from(bytes.clone());
                prop_assert_eq!(thin.as_slice(), &bytes[..]);
                let copy = thin.clone();
                prop_assert_eq!(&thin.take()[..], &bytes[..]);
                prop_assert_eq!((thin.as_slice(), copy.as_slice()), (&[][..], &bytes[..]));
            }
        }
    }

    #[test]
    fn an_empty_listpack_is_told_from_an_empty_intset() {
        let pack: Box<[u8]> = Listpack::new().bytes().into();
        assert_eq!(ThinBytes::from(pack.clone()).as_slice(), &pack[..]);
    }
}
