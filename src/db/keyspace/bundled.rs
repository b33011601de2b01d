//! Lookups of keys that hold a value of a type that Redis brings as a module. Another type is [`WrongType`].

use super::{Databases, WrongType};
use crate::db::Key;
use crate::types::bundled::{Bundled, Value};

impl Databases {
    /// Reads a value, and notes the access.
    pub fn bundled<T: Value>(&mut self, key: &Key<'_>) -> Result<Option<&T>, WrongType> {
        match self.collection::<Bundled>(key)? {
            None => Ok(None),
            Some(bundled) => bundled.get().map(Some).ok_or(WrongType),
        }
    }

    /// Looks a value up to change it.
    pub fn bundled_mut<T: Value>(&mut self, key: &Key<'_>) -> Result<Option<&mut T>, WrongType> {
        match self.collection_mut::<Bundled>(key)? {
            None => Ok(None),
            Some(bundled) => bundled.get_mut().map(Some).ok_or(WrongType),
        }
    }

    /// Looks a value up that has been read already, neither counted nor noted, so that several can be seen at once.
    pub fn bundled_read<T: Value>(&self, key: &Key<'_>) -> Result<Option<&T>, WrongType> {
        match self.read_only(key) {
            None => Ok(None),
            Some(entry) => entry.collection::<Bundled>().and_then(Bundled::get).map(Some).ok_or(WrongType),
        }
    }

    /// Gives a key a value, whatever it held. Its expiry goes.
    pub fn put_bundled<T: Value>(&mut self, key: &Key<'_>, value: T) {
        self.put_collection(key, Bundled::new(value));
    }
}
