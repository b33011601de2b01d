//! A field of a big hash: name, value and, if it expires, when, in one allocation behind a thin pointer.
//!
//! ```text
//! short   lengths 2 bytes: name 7 bits | value 7 | expires 1 | long 1
//!         expiry  6 bytes, if it expires: unix time in ms
//!         name, value
//! long    as above with no lengths, and always with room for the expiry; then
//!         name length 8 bytes, value length 8 bytes
//!         name, value
//! ```
//! Short are fields of which neither name nor value is longer than 127 bytes: a name of 18 bytes with a value of 4
//! takes 24 bytes. The allocation is as large as the size class of what it holds, so its layout follows from its
//! content, and a value that needs no other class is overwritten in place.
//!
//! Invariant: the first word (or two bytes) is changed by this file only, and describes what follows.

// One allocation of variable layout behind a thin pointer cannot be written in safe Rust.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::types::table::Packed;
use crate::util::alloc::size_class;

const SHORT_MAX: usize = 127;
const EXPIRES: u16 = 1 << 14;
const LONG: u16 = 1 << 15;

const HEAD: usize = 2;
const EXPIRY: usize = 6;
const LENGTH: usize = 8;

/// What the head of a field says.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    name: usize,
    value: usize,
    expires: bool,
    long: bool,
}

impl Shape {
    fn new(name: usize, value: usize, expires: bool) -> Self {
        Self { name, value, expires, long: name > SHORT_MAX || value > SHORT_MAX }
    }

    #[inline(always)]
    fn name_offset(self) -> usize {
        match (self.long, self.expires) {
            (false, false) => HEAD,
            (false, true) => HEAD + EXPIRY,
            (true, _) => HEAD + EXPIRY + 2 * LENGTH,
        }
    }

    #[inline(always)]
    fn layout(self) -> Layout {
        let bytes = size_class(self.name_offset() + self.name + self.value);
        // SAFETY: 8 is a power of two. What is stored exists, so its length is far below `isize::MAX`.
        unsafe { Layout::from_size_align_unchecked(bytes, align_of::<u64>()) }
    }

    fn head(self) -> u16 {
        let expires = if self.expires { EXPIRES } else { 0 };
        match self.long {
            true => expires | LONG,
            false => expires | (self.name as u16) | (self.value as u16) << 7,
        }
    }
}

/// An owned field: a thin pointer, never null.
#[repr(transparent)]
pub struct Field(NonNull<u8>);

// SAFETY: a field owns all its memory, and nothing in it belongs to a thread.
unsafe impl Send for Field {}
// SAFETY: nothing is changed through a reference.
unsafe impl Sync for Field {}

/// A borrowed field. Its lifetime is that of the borrow, not of this value.
#[derive(Clone, Copy)]
pub struct FieldRef<'a> {
    raw: NonNull<u8>,
    borrow: PhantomData<&'a Field>,
}

impl Field {
    /// A field. `expiry` has 48 bits, in Unix milliseconds.
    pub fn new(name: &[u8], value: &[u8], expiry: Option<i64>) -> Self {
        let shape = Shape::new(name.len(), value.len(), expiry.is_some());
        let field = Self(allocate(shape.layout()));
        let at = shape.name_offset();
        // SAFETY: the allocation has room for head, name and value, and nobody else knows it.
        unsafe {
            field.write_head(shape, expiry);
            field.0.add(at).copy_from_nonoverlapping(NonNull::from(name).cast(), name.len());
            field.0.add(at + name.len()).copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        field
    }

    /// Writes all that stands before the name.
    ///
    /// # Safety
    /// The allocation has room for it, and the shape is that of the allocation.
    unsafe fn write_head(&self, shape: Shape, expiry: Option<i64>) {
        // SAFETY: by contract. The allocation is aligned to 8, the parts to their sizes, but for the expiry.
        unsafe {
            self.0.cast().write(shape.head());
            if let Some(expiry) = expiry {
                let bytes = (expiry as u64).to_le_bytes();
                self.0.add(HEAD).copy_from_nonoverlapping(NonNull::from(&bytes).cast(), EXPIRY);
            }
            if shape.long {
                self.0.add(HEAD + EXPIRY).cast().write(shape.name as u64);
                self.0.add(HEAD + EXPIRY + LENGTH).cast().write(shape.value as u64);
            }
        }
    }

    /// The field, borrowed.
    #[inline(always)]
    pub fn view(&self) -> FieldRef<'_> {
        FieldRef { raw: self.0, borrow: PhantomData }
    }

    /// Replaces value and expiry, in place if the memory fits.
    #[inline]
    pub fn set(&mut self, value: &[u8], expiry: Option<i64>) {
        let view = self.view();
        let old = view.shape();
        let new = Shape::new(old.name, value.len(), expiry.is_some());
        if old.name_offset() != new.name_offset() || old.layout() != new.layout() {
            let name = view.name();
            *self = Self::new(name, value, expiry);
            return;
        }
        // SAFETY: the allocation is as large as the new shape needs, the name stays where it is, and `value` lies
        // elsewhere: the field is mutably borrowed.
        unsafe {
            self.write_head(new, expiry);
            let at = new.name_offset() + new.name;
            self.0.add(at).copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
    }

    /// Replaces the expiry alone.
    pub fn set_expiry(&mut self, expiry: Option<i64>) {
        let view = self.view();
        let old = view.shape();
        let new = Shape { expires: expiry.is_some(), ..old };
        if old.name_offset() == new.name_offset() {
            // SAFETY: only the head changes, which has the same length.
            unsafe { self.write_head(new, expiry) };
        } else {
            *self = Self::new(view.name(), view.value(), expiry);
        }
    }
}

impl<'a> FieldRef<'a> {
    #[inline(always)]
    fn shape(self) -> Shape {
        // SAFETY: every field begins with its head, and a long one has its lengths behind the expiry.
        unsafe {
            let head: u16 = self.raw.cast().read();
            let expires = head & EXPIRES != 0;
            if head & LONG == 0 {
                let (name, value) = (usize::from(head & 0x7f), usize::from(head >> 7 & 0x7f));
                return Shape { name, value, expires, long: false };
            }
            let name: u64 = self.raw.add(HEAD + EXPIRY).cast().read();
            let value: u64 = self.raw.add(HEAD + EXPIRY + LENGTH).cast().read();
            Shape { name: name as usize, value: value as usize, expires, long: true }
        }
    }

    /// Its name.
    #[inline(always)]
    pub fn name(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: the name lies there, with that length, unchanged during `'a`.
        unsafe { std::slice::from_raw_parts(self.raw.add(shape.name_offset()).as_ptr(), shape.name) }
    }

    /// Its value.
    #[inline(always)]
    pub fn value(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: the value follows the name, with that length, unchanged during `'a`.
        unsafe { std::slice::from_raw_parts(self.raw.add(shape.name_offset() + shape.name).as_ptr(), shape.value) }
    }

    /// When it expires, in Unix milliseconds.
    #[inline(always)]
    pub fn expiry(self) -> Option<i64> {
        // SAFETY: every field has at least 8 bytes, its expiry, if it has one, being the upper six of the first word.
        unsafe {
            let head: u16 = self.raw.cast().read();
            (head & EXPIRES != 0).then(|| (u64::from_le_bytes(self.raw.cast::<[u8; 8]>().read()) >> 16) as i64)
        }
    }

    /// The memory it takes, in bytes.
    pub fn heap_bytes(self) -> usize {
        self.shape().layout().size()
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: no size class is 0.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

impl Drop for Field {
    fn drop(&mut self) {
        let layout = self.view().shape().layout();
        // SAFETY: allocated with the layout that its content gives; nobody uses it any more.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }
}

// SAFETY: the raw pointer is that of the allocation, aligned to 8; the table shares items only as views, as long as it
// is borrowed; no method of a field in place changes its name.
unsafe impl Packed for Field {
    type Ref<'a> = FieldRef<'a>;

    const COPY: Option<fn(FieldRef<'_>) -> Self> = Some(|field| Self::new(field.name(), field.value(), field.expiry()));

    #[inline(always)]
    fn into_raw(self) -> NonNull<u8> {
        ManuallyDrop::new(self).0
    }

    #[inline(always)]
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Self(raw)
    }

    #[inline(always)]
    unsafe fn view<'a>(raw: NonNull<u8>) -> FieldRef<'a> {
        FieldRef { raw, borrow: PhantomData }
    }

    #[inline(always)]
    unsafe fn key_of<'a>(raw: NonNull<u8>) -> &'a [u8] {
        FieldRef { raw, borrow: PhantomData }.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..40),
            1 => prop::collection::vec(any::<u8>(), 120..140),
            1 => prop::collection::vec(any::<u8>(), 0..2000),
        ]
    }

    fn expiry() -> impl Strategy<Value = Option<i64>> {
        prop::option::of(0..1i64 << 46)
    }

    #[derive(Clone, Debug)]
    enum Change {
        Set(Vec<u8>, Option<i64>),
        SetExpiry(Option<i64>),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (text(), expiry()).prop_map(|(value, expiry)| Change::Set(value, expiry)),
            expiry().prop_map(Change::SetExpiry),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_field_is_what_was_set(
            name in text(), value in text(), first in expiry(), changes in prop::collection::vec(change(), 0..12),
        ) {
            let mut field = Field::new(&name, &value, first);
            let mut naive = (value, first);
            for change in changes {
                match change {
                    Change::Set(value, expiry) => {
                        field.set(&value, expiry);
                        naive = (value, expiry);
                    }
                    Change::SetExpiry(expiry) => {
                        field.set_expiry(expiry);
                        naive.1 = expiry;
                    }
                }
                let view = field.view();
                prop_assert_eq!(view.name(), &name);
                prop_assert_eq!((view.value(), view.expiry()), (&naive.0[..], naive.1));
                let front = if name.len().max(naive.0.len()) > 127 { 24 } else if naive.1.is_some() { 8 } else { 2 };
                prop_assert_eq!(view.heap_bytes(), size_class(front + name.len() + naive.0.len()));
            }
        }
    }

    #[test]
    fn a_value_of_the_same_class_is_overwritten_in_place() {
        let mut field = Field::new(b"element:000000012345", b"12", None);
        assert_eq!(field.view().heap_bytes(), 24);
        let address = field.0;
        field.set(b"3", None);
        assert_eq!((field.0, field.view().value()), (address, &b"3"[..]));
        field.set(b"1234567890", None);
        assert_eq!(field.view().heap_bytes(), 32);
    }
}
