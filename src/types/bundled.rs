//! Values of the types that Redis brings as modules: JSON, sketches, vector sets.
//!
//! Each of them lies in its entry as one [`Bundled`], whatever its type: a boxed [`Value`] that tells what is asked of
//! every value. Only the folder of a type here, its commands and its file in `persist/rdb/value` know more of it; they
//! get at it by its Rust type ([`Bundled::get`]).

use std::any::Any;

use super::Collection;
use super::digest::Digest;

/// What a value of such a type tells of itself.
pub trait Value: Any + Send {
    /// The name of its type, nine characters: that of TYPE, and that of its kind in files.
    fn type_name(&self) -> &'static str;

    /// The number of elements, in whatever the type counts; what INFO and the page of big keys show.
    fn len(&self) -> usize {
        1
    }

    /// Memory it owns and takes itself, in bytes as they are allocated.
    fn heap_bytes(&self) -> usize;

    /// About how many allocations are freed with it: whether that is better left to another thread.
    fn free_effort(&self) -> usize;

    /// A copy that shares nothing with it.
    fn duplicate(&self) -> Box<dyn Value>;

    /// Adds its content to the digest of a value: the same for values that are alike to those who read them.
    fn digest(&self, digest: &mut Digest);
}

impl dyn Value {
    /// The value, if it is of this type.
    #[inline]
    pub fn downcast<T: Value>(&self) -> Option<&T> {
        let value: &dyn Any = self;
        value.downcast_ref()
    }
}

/// A value of such a type, in its entry.
pub struct Bundled(Box<dyn Value>);

impl Bundled {
    /// A value to be put into an entry.
    pub fn new<T: Value>(value: T) -> Bundled {
        Bundled(Box::new(value))
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &dyn Value {
        &*self.0
    }

    /// The value, if it is of this type.
    #[inline]
    pub fn get<T: Value>(&self) -> Option<&T> {
        self.0.downcast()
    }

    /// The value, to be changed, if it is of this type.
    #[inline]
    pub fn get_mut<T: Value>(&mut self) -> Option<&mut T> {
        let value: &mut dyn Any = &mut *self.0;
        value.downcast_mut()
    }
}

impl Clone for Bundled {
    fn clone(&self) -> Bundled {
        Bundled(self.0.duplicate())
    }
}

impl From<Box<dyn Value>> for Bundled {
    fn from(value: Box<dyn Value>) -> Bundled {
        Bundled(value)
    }
}

impl Collection for Bundled {
    fn len(&self) -> usize {
        self.0.len()
    }

    /// None of these types goes when nothing is left in it; where that is so, its commands delete the key.
    fn is_empty(&self) -> bool {
        false
    }

    fn encoding(&self) -> &'static str {
        "raw"
    }

    fn heap_bytes(&self, _: usize) -> usize {
        self.0.heap_bytes()
    }

    fn free_effort(&self) -> usize {
        self.0.free_effort()
    }

    fn digest(&self, digest: &mut Digest) {
        self.0.digest(digest);
    }
}
