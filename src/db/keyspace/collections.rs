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
    pub fn collection_or_new<T: InEntry + Default>(&mut self, key: &Key<'_>) -> Result<&mut T, WrongType> {
        let Databases { all, selected, now_ms, stats, access, lazyfree, notes, notes_new, touches, random, .. } = self;
        let new = || Entry::collection(key.bytes(), T::default(), None, access.new_key());
        let slot = match all[*selected].dict.probe(key.hash(), key.bytes()) {
            DictProbe::Found(slot) if !slot.view().is_due(*now_ms) => {
                if *touches {
                    access.note(slot.view(), || random.next_u64());
                }
                return slot.into_collection().ok_or(WrongType);
            }
            // It goes also while the data stands still: its place is needed.
            DictProbe::Found(mut due) => {
                lazyfree.dispose(due.begin_anew(new()), lazyfree.lazily.expire);
                stats.expired += 1;
                notes.push(Note::new(*selected, key, NoteKind::Expired));
                due
            }
            DictProbe::Vacant(slot) => slot.insert(new()),
        };
        if *notes_new {
            notes.push(Note::new(*selected, key, NoteKind::Created));
        }
        slot.into_collection().ok_or(WrongType)
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
