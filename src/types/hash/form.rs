//! The one word that a hash is: a thin listpack, or a box of one of the larger forms, told apart by two low bits.

// The type of what a word points to is told by its bits, at run time.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::big::BigHash;
use super::template::SharedHash;
use super::timed::TimedPack;
use crate::types::listpack::ThinListpack;
use crate::types::sharing::Sharing;

const TAGS: usize = 0b11;
const PACK: usize = 0b00;
const TIMED: usize = 0b01;
const BIG: usize = 0b10;
const SHARED: usize = 0b11;

/// A listpack as it is (null when it is empty), or the address of a box, or of a shared value, plus its tag.
#[repr(C)]
union Word {
    pack: ManuallyDrop<ThinListpack>,
    raw: *mut u8,
}

const _: () = assert!(size_of::<Word>() == size_of::<*mut u8>() && size_of::<ThinListpack>() == size_of::<*mut u8>());
const _: () = assert!(align_of::<TimedPack>() > TAGS && align_of::<BigHash>() > TAGS);
const _: () = assert!(align_of::<SharedHash>() > TAGS);

/// A hash in one of its forms.
pub struct Form(Word);

// SAFETY: it owns what it points to, all of which may be sent.
unsafe impl Send for Form {}
// SAFETY: nothing is changed through a reference.
unsafe impl Sync for Form {}

/// A form, borrowed.
#[derive(Clone, Copy)]
pub enum FormRef<'a> {
    /// Fields and values in turn.
    Pack(&'a ThinListpack),
    /// Fields, values and times.
    Timed(&'a TimedPack),
    /// A table.
    Big(&'a BigHash),
    /// Values, and the names of others.
    Shared(&'a SharedHash),
}

/// A form, to be changed.
pub enum FormMut<'a> {
    /// Fields and values in turn.
    Pack(&'a mut ThinListpack),
    /// Fields, values and times.
    Timed(&'a mut TimedPack),
    /// A table.
    Big(&'a mut BigHash),
    /// Values, and the names of others.
    Shared(&'a mut SharedHash),
}

impl Default for Form {
    #[inline]
    fn default() -> Self {
        Self(Word { pack: ManuallyDrop::default() })
    }
}

impl Form {
    /// A small hash.
    pub fn pack(pack: ThinListpack) -> Self {
        Self(Word { pack: ManuallyDrop::new(pack) })
    }

    /// A small hash with times.
    pub fn timed(pack: TimedPack) -> Self {
        Self::boxed(Box::new(pack), TIMED)
    }

    /// A big hash.
    pub fn big(big: BigHash) -> Self {
        Self::of_sharing(Sharing::new(big))
    }

    fn of_sharing(big: Sharing<BigHash>) -> Self {
        Self(Word { raw: big.into_raw().cast_mut().cast::<u8>().wrapping_add(BIG) })
    }

    /// The big hash behind a word with its tag, which keeps it.
    #[inline(always)]
    fn sharing(&self) -> ManuallyDrop<Sharing<BigHash>> {
        // SAFETY: callers have seen the tag, and the handle that is read here is never dropped.
        ManuallyDrop::new(unsafe { Sharing::from_raw(self.address().as_ptr()) })
    }

    /// The same, to be changed: if others have it, too, the word gets a copy.
    #[inline(always)]
    fn big_mut(&mut self) -> &mut BigHash {
        let mut sharing = self.sharing();
        let changed: *mut BigHash = &mut **sharing;
        self.0.raw = sharing.as_raw().cast_mut().cast::<u8>().wrapping_add(BIG);
        // SAFETY: the word owns it, and is mutably borrowed.
        unsafe { &mut *changed }
    }

    /// A small hash that shares its names.
    pub fn shared(shared: SharedHash) -> Self {
        Self::boxed(Box::new(shared), SHARED)
    }

    fn boxed<T>(value: Box<T>, tag: usize) -> Self {
        Self(Word { raw: Box::into_raw(value).cast::<u8>().wrapping_add(tag) })
    }

    #[inline(always)]
    fn raw(&self) -> *mut u8 {
        // SAFETY: either field is a pointer, or null.
        unsafe { self.0.raw }
    }

    #[inline(always)]
    fn tag(&self) -> usize {
        self.raw().addr() & TAGS
    }

    /// The box that a word with a tag points to.
    #[inline(always)]
    fn address<T>(&self) -> NonNull<T> {
        debug_assert!(self.tag() != PACK);
        let raw = self.raw().wrapping_sub(self.tag());
        // SAFETY: callers have seen a tag, which is added to the address of a box.
        unsafe { NonNull::new_unchecked(raw.cast()) }
    }

    /// The form, borrowed.
    #[inline(always)]
    pub fn view(&self) -> FormRef<'_> {
        // SAFETY: the tag tells what is there, and `self` is borrowed meanwhile.
        unsafe {
            match self.tag() {
                PACK => FormRef::Pack(&self.0.pack),
                BIG => FormRef::Big(self.address().as_ref()),
                SHARED => FormRef::Shared(self.address().as_ref()),
                _ => FormRef::Timed(self.address().as_ref()),
            }
        }
    }

    /// The form, to be changed.
    #[inline(always)]
    pub fn view_mut(&mut self) -> FormMut<'_> {
        // SAFETY: the tag tells what is there, and `self` is mutably borrowed meanwhile. A listpack that is changed
        // still has no tag: its address is a multiple of 8.
        unsafe {
            match self.tag() {
                PACK => FormMut::Pack(&mut self.0.pack),
                BIG => FormMut::Big(self.big_mut()),
                SHARED => FormMut::Shared(self.address().as_mut()),
                _ => FormMut::Timed(self.address().as_mut()),
            }
        }
    }
}

impl Clone for Form {
    fn clone(&self) -> Self {
        match self.view() {
            FormRef::Pack(pack) => Self(Word { pack: ManuallyDrop::new(pack.clone()) }),
            FormRef::Timed(pack) => Self::timed(pack.clone()),
            FormRef::Big(_) => Self::of_sharing(Sharing::clone(&self.sharing())),
            FormRef::Shared(shared) => Self::shared(shared.clone()),
        }
    }
}

impl Drop for Form {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the tag tells what is there; nobody uses it any more.
        unsafe {
            match self.tag() {
                PACK => ManuallyDrop::drop(&mut self.0.pack),
                BIG => drop(ManuallyDrop::into_inner(self.sharing())),
                SHARED => drop(Box::from_raw(self.address::<SharedHash>().as_ptr())),
                _ => drop(Box::from_raw(self.address::<TimedPack>().as_ptr())),
            }
        }
    }
}
