//! Values that are shared until one of those who have them changes it.
//!
//! The large forms of collections lie behind this. A copy of such a collection, for a snapshot or by COPY, is made at
//! once, however large it is, and may be read and freed by another thread. Whoever changes the collection while it is
//! shared copies it first; otherwise a change costs no more than a look at a counter.

// That there is no other handle is known before a value is changed, not proved to the compiler.
#![allow(unsafe_code)]

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// A value that others may have, too, as it is now.
#[derive(Default)]
pub struct Sharing<T>(Arc<T>);

impl<T> Sharing<T> {
    /// A value that nobody else has.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// The value as an address.
    pub fn into_raw(self) -> *const T {
        Arc::into_raw(self.0)
    }

    /// The value of an address.
    ///
    /// # Safety
    /// The address comes from `into_raw`, and is used once.
    pub unsafe fn from_raw(raw: *const T) -> Self {
        // SAFETY: by contract.
        Self(unsafe { Arc::from_raw(raw) })
    }
}

impl<T> Clone for Sharing<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Sharing<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> Sharing<T> {
    #[cold]
    fn copy(&mut self) {
        self.0 = Arc::new(T::clone(&self.0));
    }
}

impl<T: Clone> DerefMut for Sharing<T> {
    /// The value, to be changed: a copy of it if others have it, too.
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        if Arc::strong_count(&self.0) != 1 {
            self.copy();
        }
        // What the last of the others did with the value comes before what is done with it from here on.
        fence(Ordering::Acquire);
        // SAFETY: this is the only handle: there are no weak ones, and another could only be made from this one, which
        // is mutably borrowed.
        unsafe { &mut *Arc::as_ptr(&self.0).cast_mut() }
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
