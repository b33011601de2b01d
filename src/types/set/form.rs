//! The one word that a set is: the address of a compact form's bytes, which tell their length themselves, or that of a
//! larger form, told apart by the lowest bit. No address is an empty intset.

// The type of what a word points to is told by its bit, and the length of the memory by its content.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::Big;
use super::small::{Small, told_bytes};
use crate::types::sharing::Sharing;

const BIG: usize = 1;

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
        assert!(raw.addr().get() & BIG == 0, "the allocator aligns every block to a word");
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

/// A compact form as it is, or the address of a shared value, plus its bit.
#[repr(C)]
union Word {
    small: ManuallyDrop<Small>,
    raw: *mut u8,
}

const _: () = assert!(size_of::<Word>() == size_of::<*mut u8>() && size_of::<Small>() == size_of::<*mut u8>());
const _: () = assert!(align_of::<Big>() > BIG);

/// A set in one of its forms.
pub struct Form(Word);

// SAFETY: it owns what it points to, all of which may be sent.
unsafe impl Send for Form {}
// SAFETY: nothing is changed through a reference.
unsafe impl Sync for Form {}

/// A form, borrowed.
pub enum FormRef<'a> {
    /// A compact one.
    Small(&'a Small),
    /// A large one.
    Big(&'a Big),
}

/// A form, to be changed.
pub enum FormMut<'a> {
    /// A compact one.
    Small(&'a mut Small),
    /// A large one.
    Big(&'a mut Big),
}

impl Form {
    /// A compact form.
    #[inline]
    pub fn small(small: Small) -> Self {
        Self(Word { small: ManuallyDrop::new(small) })
    }

    /// A large form.
    pub fn big(big: Big) -> Self {
        Self::of_sharing(Sharing::new(big))
    }

    fn of_sharing(big: Sharing<Big>) -> Self {
        Self(Word { raw: big.into_raw().cast_mut().cast::<u8>().wrapping_add(BIG) })
    }

    #[inline(always)]
    fn raw(&self) -> *mut u8 {
        // SAFETY: either field is a pointer, or null.
        unsafe { self.0.raw }
    }

    #[inline(always)]
    fn is_big(&self) -> bool {
        self.raw().addr() & BIG != 0
    }

    /// The large form behind a word with the bit, which keeps it.
    #[inline(always)]
    fn sharing(&self) -> ManuallyDrop<Sharing<Big>> {
        debug_assert!(self.is_big());
        // SAFETY: callers have seen the bit, and the handle that is read here is never dropped.
        ManuallyDrop::new(unsafe { Sharing::from_raw(self.raw().wrapping_sub(BIG).cast::<Big>()) })
    }

    /// The form, borrowed.
    #[inline(always)]
    pub fn view(&self) -> FormRef<'_> {
        // SAFETY: the bit tells what is there, and `self` is borrowed meanwhile.
        unsafe {
            match self.is_big() {
                true => FormRef::Big(&*self.raw().wrapping_sub(BIG).cast::<Big>()),
                false => FormRef::Small(&self.0.small),
            }
        }
    }

    /// The form, to be changed: a large one that others have, too, becomes a copy.
    #[inline(always)]
    pub fn view_mut(&mut self) -> FormMut<'_> {
        if self.is_big() {
            let mut sharing = self.sharing();
            let changed: *mut Big = &mut **sharing;
            self.0.raw = changed.cast::<u8>().wrapping_add(BIG);
            // SAFETY: the word owns it, and is mutably borrowed.
            return FormMut::Big(unsafe { &mut *changed });
        }
        // SAFETY: the bit tells what is there, and `self` is mutably borrowed meanwhile.
        FormMut::Small(unsafe { &mut self.0.small })
    }
}

impl Default for Form {
    #[inline]
    fn default() -> Self {
        Self::small(Small::default())
    }
}

impl Clone for Form {
    fn clone(&self) -> Self {
        match self.view() {
            FormRef::Small(small) => Self::small(small.clone()),
            FormRef::Big(_) => Self::of_sharing(Sharing::clone(&self.sharing())),
        }
    }
}

impl Drop for Form {
    #[inline]
    fn drop(&mut self) {
        if self.is_big() {
            drop(ManuallyDrop::into_inner(self.sharing()));
        } else {
            // SAFETY: the bit tells what is there; nobody uses it any more.
            unsafe { ManuallyDrop::drop(&mut self.0.small) }
        }
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
