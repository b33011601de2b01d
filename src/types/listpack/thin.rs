//! Listpacks behind a thin pointer: their length stands in their own header, so a pointer is enough to find it.

// The length of the memory is told by its content.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::{Pack, Storage};

/// A listpack that is as long as its content, and 8 bytes where it lies: an address that is a multiple of 8, or null
/// for an empty one.
pub type ThinListpack = Pack<ThinBytes>;

/// The bytes of a listpack in an allocation of their length, which their first four bytes tell.
#[derive(Default)]
#[repr(transparent)]
pub struct ThinBytes(Option<NonNull<u8>>);

// SAFETY: it owns its memory, as a box does.
unsafe impl Send for ThinBytes {}
// SAFETY: nothing is changed through a reference.
unsafe impl Sync for ThinBytes {}

impl ThinBytes {
    /// The allocation as a box would have it.
    #[inline(always)]
    fn slice(raw: NonNull<u8>) -> NonNull<[u8]> {
        // SAFETY: a listpack was put there, which begins with its length and is never changed in place.
        let length = u32::from_le_bytes(unsafe { raw.cast::<[u8; 4]>().read() });
        NonNull::slice_from_raw_parts(raw, length as usize)
    }
}

impl AsRef<[u8]> for ThinBytes {
    #[inline(always)]
    fn as_ref(&self) -> &[u8] {
        match self.0 {
            // SAFETY: the memory is there, and nobody changes it while `self` is borrowed.
            Some(raw) => unsafe { Self::slice(raw).as_ref() },
            None => &[],
        }
    }
}

impl Storage for ThinBytes {
    #[inline]
    fn take(&mut self) -> Vec<u8> {
        match self.0.take() {
            // SAFETY: the pointer comes from a box of this length, and has just been forgotten.
            Some(raw) => unsafe { Box::from_raw(Self::slice(raw).as_ptr()) }.into_vec(),
            None => Vec::new(),
        }
    }

    #[inline]
    fn reserve(bytes: &mut Vec<u8>, more: usize) {
        bytes.reserve_exact(more);
    }

    #[inline]
    fn put(&mut self, bytes: Vec<u8>) {
        drop(self.take());
        if bytes.is_empty() {
            return;
        }
        let told = bytes.first_chunk().map(|head| u32::from_le_bytes(*head) as usize);
        assert!(told == Some(bytes.len()), "a listpack begins with its length");
        let raw: NonNull<u8> = NonNull::from(Box::leak(bytes.into_boxed_slice())).cast();
        assert!(raw.addr().get().is_multiple_of(8), "the allocator aligns every block to a word");
        self.0 = Some(raw);
    }
}

impl Pack<Vec<u8>> {
    /// The same behind a thin pointer.
    pub fn into_thin(self) -> ThinListpack {
        let mut storage = ThinBytes::default();
        storage.put(self.into_bytes());
        Pack { storage }
    }
}

impl Pack<ThinBytes> {
    /// The memory it owns.
    pub fn capacity(&self) -> usize {
        self.storage.as_ref().len()
    }
}

impl Clone for ThinBytes {
    fn clone(&self) -> Self {
        let mut copy = Self(None);
        copy.put(self.as_ref().to_vec());
        copy
    }
}

impl Drop for ThinBytes {
    #[inline]
    fn drop(&mut self) {
        drop(self.take());
    }
}
