//! Lookups of keys that hold a collection of a given type. Another type is [`WrongType`].

use super::{Databases, Note, NoteKind, WrongType};
use crate::db::Key;
use crate::db::dict::{DictProbe, DictSlot};
use crate::db::entry::{Entry, EntryView, InEntry};
use crate::types::Hash;

impl Databases {
    /// Reads a collection, and notes the access.
    #[inline]
    pub fn collection<T: InEntry>(&mut self, key: &Key<'_>) -> Result<Option<&T>, WrongType> {
        match self.read(key) {
            None => Ok(None),
            Some(entry) => entry.collection().map(Some).ok_or(WrongType),
        }
    }

    /// Reads several collections at once; a missing one is `None`.
    pub fn collections<T: InEntry>(&mut self, keys: &[Key<'_>]) -> Result<Vec<Option<&T>>, WrongType> {
        for key in keys {
            self.collection::<T>(key)?;
        }
        Ok(keys.iter().map(|key| self.read_only(key).and_then(|entry| entry.collection())).collect())
    }

    /// Looks a collection up to change it. Who leaves it empty deletes the key (streams excepted).
    #[inline]
    pub fn collection_mut<T: InEntry>(&mut self, key: &Key<'_>) -> Result<Option<&mut T>, WrongType> {
        match self.write(key) {
            None => Ok(None),
            Some(slot) => slot.into_collection().map(Some).ok_or(WrongType),
        }
    }

    /// Looks a collection up to change it, and makes an empty one if the key is not there. The caller puts something
    /// in, or deletes the key.
    #[inline]
    pub fn collection_or_new<T: InEntry>(&mut self, key: &Key<'_>) -> Result<&mut T, WrongType> {
        let (access, random) = (self.access, self.draw());
        if let Some(due) = self.all[self.selected].dict.find(key.hash(), key.bytes())
            && due.is_due(self.now_ms)
        {
            self.expire_now(key);
        }
        let slot = match self.all[self.selected].dict.probe(key.hash(), key.bytes()) {
            DictProbe::Found(slot) => {
                if self.touches {
                    access.note(slot.view(), random);
                }
                slot
            }
            DictProbe::Vacant(slot) => {
                if self.notes_new {
                    self.notes.push(Note::new(self.selected, key, NoteKind::Created));
                }
                slot.insert(Entry::collection(key.bytes(), T::default(), None, access.new_key()))
            }
        };
        slot.into_collection().ok_or(WrongType)
    }

    /// Deletes a key whose time has come, also while the data stands still: its place is needed.
    #[cold]
    fn expire_now(&mut self, key: &Key<'_>) {
        let found = self.all[self.selected].dict.find_mut(key.hash(), key.bytes());
        if let Some(entry) = found.map(DictSlot::remove) {
            let lazily = self.lazyfree.lazily.expire;
            self.lazyfree.dispose(entry, lazily);
            self.note(self.selected, key, NoteKind::Expired);
        }
    }

    /// Has hashes take back the names of their fields that fewer than `hashes_min` share.
    pub fn end_sharing_of_few(&mut self, hashes_min: usize) {
        if hashes_min == 0 {
            return;
        }
        let is_of_few = |entry: &EntryView<'_>| {
            let sharing = entry.collection().and_then(Hash::sharing);
            sharing.is_some_and(|hashes| hashes < hashes_min)
        };
        for db in &mut self.all {
            let few: Vec<Vec<u8>> = db.dict.iter().filter(is_of_few).map(|entry| entry.key().to_vec()).collect();
            for key in few {
                let slot = db.dict.find_mut(Key::new(&key).hash(), &key);
                slot.and_then(DictSlot::into_collection).into_iter().for_each(Hash::unshare);
            }
        }
    }

    /// Sets a key to a collection, whatever it held. Its expiry goes.
    pub fn put_collection<T: InEntry>(&mut self, key: &Key<'_>, value: T) {
        let entry = Entry::collection(key.bytes(), value, None, self.access.new_key());
        self.put(key, entry);
    }
}
