//! Values that are shared until one of those who have them changes it.
//!
//! The large forms of collections lie behind this. A copy of such a collection, for a snapshot or by COPY, is made at
//! once, however large it is, and may be read and freed by another thread. Whoever changes the collection while it is
//! shared copies it first; otherwise a change costs no more than a look at a counter.
//!
//! # How long a change may take
//! The copy before a change is not one of all elements: it has the parts of the original (segments of a table, nodes of
//! a list), each of which is copied when it is changed while others have it. So the first change to a million elements
//! costs some thousand counts, and each change one part at most. How a value does that is told by [`Share`]; what is
//! merely `Clone` is copied whole, or as its parts are.
//!
//! ```text
//! count   | holders, two for each | 1: parts of the value were given to copies of it |
//! ```
//! Parts are given away while other threads read the value, so nothing in it can tell of that. The lowest bit of the
//! count does, until the only one who still has the value is about to change it, and puts it down in the value itself
//! ([`Share::told`]). A value that nobody else has, and whose parts it knows all about, has a count of two: the one
//! number that a change looks for.

// That there is no other handle is known before a value is changed, not proved to the compiler.
#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::process;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use crate::util::prefetch::prefetch_read;

/// What a holder counts.
const HOLDER: usize = 2;
/// Parts were given away.
const GIVEN: usize = 1;
/// One holder is left of a value of which parts were given away.
const COUNT_GIVEN: usize = HOLDER | GIVEN;

/// A promise of this module to a value of which a copy is made: [`Share::told`] comes before the next change.
pub struct Told(());

/// Values of which copies are made before one of several holders changes one.
pub trait Share {
    /// A copy, which may have parts in common with the original.
    fn copy(&self, told: &Told) -> Self;

    /// Copies were made since the last change, and the next one follows.
    fn told(&mut self) {}
}

impl<T: Clone> Share for T {
    fn copy(&self, _: &Told) -> Self {
        self.clone()
    }
}

#[repr(C)]
struct Shared<T> {
    value: T,
    count: AtomicUsize,
}

/// A value that others may have, too, as it is now.
pub struct Sharing<T>(NonNull<Shared<T>>, PhantomData<Shared<T>>);

// SAFETY: as of an `Arc`: each holder reads the value, and the last one drops it.
unsafe impl<T: Send + Sync> Send for Sharing<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Sharing<T> {}

impl<T> Sharing<T> {
    /// The memory that a value takes here.
    pub const BYTES: usize = size_of::<Shared<T>>();

    /// A value that nobody else has.
    pub fn new(value: T) -> Self {
        let shared = Box::new(Shared { value, count: AtomicUsize::new(HOLDER) });
        Self(NonNull::from(Box::leak(shared)), PhantomData)
    }

    /// The value as an address.
    pub fn into_raw(self) -> *const T {
        std::mem::ManuallyDrop::new(self).as_raw()
    }

    /// The address, which remains this holder's.
    #[inline(always)]
    pub fn as_raw(&self) -> *const T {
        self.0.as_ptr().cast()
    }

    /// The value of an address.
    ///
    /// # Safety
    /// The address comes from `into_raw`, and is used once.
    #[inline(always)]
    pub unsafe fn from_raw(raw: *const T) -> Self {
        // SAFETY: by contract, the address of what begins with the value.
        Self(unsafe { NonNull::new_unchecked(raw.cast_mut().cast()) }, PhantomData)
    }

    /// Asks for the memory of the count: whoever clones many handles has it come ahead.
    #[inline(always)]
    pub fn prefetch(&self) {
        // SAFETY: the address lies in what lives as long as a holder, and is not read.
        prefetch_read(unsafe { &raw const (*self.0.as_ptr()).count });
    }

    #[inline(always)]
    fn shared(&self) -> &Shared<T> {
        // SAFETY: it lives as long as a holder.
        unsafe { self.0.as_ref() }
    }
}

impl<T: Default> Default for Sharing<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Clone for Sharing<T> {
    fn clone(&self) -> Self {
        let before = self.shared().count.fetch_add(HOLDER, Ordering::Relaxed);
        if before > isize::MAX as usize {
            process::abort();
        }
        Self(self.0, PhantomData)
    }
}

impl<T> Drop for Sharing<T> {
    #[inline]
    fn drop(&mut self) {
        if self.shared().count.fetch_sub(HOLDER, Ordering::Release) < 2 * HOLDER {
            // What the others did with the value comes before its end.
            fence(Ordering::Acquire);
            // SAFETY: this was the last holder of what `new` made.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

impl<T> Deref for Sharing<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.shared().value
    }
}

impl<T: Share> Sharing<T> {
    /// The value, or a copy of it if others have it, too.
    pub fn into_inner(mut self) -> T {
        // Whoever may change it is the only holder.
        let _: &mut T = &mut self;
        let shared = std::mem::ManuallyDrop::new(self).0;
        // SAFETY: from `new`, and the only handle is forgotten.
        unsafe { Box::from_raw(shared.as_ptr()) }.value
    }

    /// Has this holder be the only one, of a value that knows all about its parts.
    #[cold]
    #[inline(never)]
    fn part(&mut self) {
        match self.shared().count.load(Ordering::Acquire) {
            HOLDER => {}
            COUNT_GIVEN => {
                // SAFETY: as in `deref_mut`.
                unsafe { &mut (*self.0.as_ptr()).value }.told();
                self.shared().count.store(HOLDER, Ordering::Relaxed);
            }
            _ => {
                let copy = Self::new(self.shared().value.copy(&Told(())));
                self.shared().count.fetch_or(GIVEN, Ordering::Relaxed);
                *self = copy;
            }
        }
    }
}

impl<T: Share> DerefMut for Sharing<T> {
    /// The value, to be changed: a copy of it if others have it, too.
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        if self.shared().count.load(Ordering::Relaxed) != HOLDER {
            self.part();
        }
        // What the last of the others did with the value comes before what is done with it from here on.
        fence(Ordering::Acquire);
        // SAFETY: this is the only handle: another could only be made from this one, which is mutably borrowed.
        unsafe { &mut (*self.0.as_ptr()).value }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sharing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_copied_when_it_is_changed_while_others_have_it_and_not_otherwise() {
        let mut one = Sharing::new(vec![1, 2]);
        let before = one.as_ptr();
        one[0] = 7;
        let other = one.clone();
        assert_eq!([one.as_ptr(), other.as_ptr()], [before; 2]);
        one[1] = 8;
        assert_ne!(one.as_ptr(), before);
        assert_eq!((&one[..], &other[..]), (&[7, 8][..], &[7, 2][..]));
        drop(one);
        let mut last = other;
        last[0] = 9;
        assert_eq!((last.as_ptr(), &last[..]), (before, &[9, 2][..]));
    }

    #[test]
    fn another_thread_reads_and_frees_what_is_changed_here() {
        let mut live = Sharing::new(vec![0u64; 1000]);
        let readers: Vec<_> = (0..50)
            .map(|round| {
                let image = live.clone();
                live.iter_mut().for_each(|number| *number += 1);
                thread::spawn(move || assert!(image.iter().all(|number| *number == round)))
            })
            .collect();
        readers.into_iter().for_each(|reader| reader.join().expect("it saw one value"));
    }

    proptest! {
        #[test]
        fn handles_are_as_vectors_that_are_copied_at_once(
            steps in prop::collection::vec((0..8usize, 0..8usize, any::<u8>()), 0..100),
        ) {
            let mut shared = vec![Sharing::new(vec![0u8; 3])];
            let mut twins = vec![vec![0u8; 3]];
            for (from, place, value) in steps {
                let from = from % shared.len();
                match value % 3 {
                    0 if shared.len() < 8 => {
                        let raw = shared[from].clone().into_raw();
                        // SAFETY: from the line above.
                        shared.push(unsafe { Sharing::from_raw(raw) });
                        twins.push(twins[from].clone());
                    }
                    1 if shared.len() > 1 => {
                        shared.swap_remove(from);
                        twins.swap_remove(from);
                    }
                    _ => {
                        shared[from][place % 3] = value;
                        twins[from][place % 3] = value;
                    }
                }
                for (shared, twin) in shared.iter().zip(&twins) {
                    prop_assert_eq!(&**shared, twin);
                }
            }
        }
    }
}
