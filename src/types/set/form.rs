//! The one word that a set is: the address of a compact form's bytes, which tell their length themselves, or that of a
//! larger form, told apart by the lowest bit. No address is an empty intset.

// The type of what a word points to is told by its bit.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;

use super::Big;
use super::small::Small;
use crate::types::sharing::Sharing;

const BIG: usize = 1;

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
            self.0.raw = sharing.as_raw().cast_mut().cast::<u8>().wrapping_add(BIG);
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
