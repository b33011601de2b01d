//! Lookups of keys whose bits are asked for: strings and bitmaps alike. Another type is [`WrongType`].

use super::{Databases, Note, NoteKind, WrongType};
use crate::db::Key;
use crate::db::dict::{DictProbe, DictSlot};
use crate::db::entry::{Entry, EntryView, StringRef};
use crate::types::Bitmap;
use crate::types::bitmap::Bits;

/// Bits to be changed.
pub enum BitsMut<'a> {
    /// The key is not there, and is to become a string.
    Missing,
    /// Those of a string.
    String(DictSlot<'a>),
    /// Those of a bitmap, and what the key held before it became one.
    Bitmap(&'a mut Bitmap, Before),
}

/// What a key held before it held a bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// A bitmap.
    Bitmap,
    /// A string with the same bits.
    String,
    /// Nothing.
    Nothing,
}

fn bits_of(entry: EntryView<'_>) -> Option<Bits<'_>> {
    match entry.string() {
        Some(string) => Some(Bits::Bytes(string.to_cow())),
        None => entry.collection().map(Bits::Bitmap),
    }
}

impl Databases {
    /// Reads bits, and notes the access.
    pub fn bits(&mut self, key: &Key<'_>) -> Result<Option<Bits<'_>>, WrongType> {
        match self.read(key) {
            None => Ok(None),
            Some(entry) => bits_of(entry).map(Some).ok_or(WrongType),
        }
    }

    /// Reads the bits of several keys at once; a missing one has none.
    pub fn bits_of_all(&mut self, keys: &[Key<'_>]) -> Result<Vec<Bits<'_>>, WrongType> {
        for key in keys {
            self.bits(key)?;
        }
        let find = |key: &Key<'_>| self.read_only(key).and_then(bits_of);
        Ok(keys.iter().map(|key| find(key).unwrap_or(Bits::Bytes(Default::default()))).collect())
    }

    /// Looks bits up to change them, and notes the access. If that is wanted a missing key, or a string, becomes a bitmap
    /// with the same bits first.
    pub fn bits_mut(&mut self, key: &Key<'_>, wants_bitmap: bool) -> Result<BitsMut<'_>, WrongType> {
        let before = if wants_bitmap { self.make_bitmap(key) } else { Before::Bitmap };
        let slot = match before {
            // It was made just now.
            Before::Nothing => self.all[self.selected].dict.find_mut(key.hash(), key.bytes()),
            Before::Bitmap | Before::String => self.write(key),
        };
        match slot {
            None => Ok(BitsMut::Missing),
            Some(slot) if slot.view().string().is_some() => Ok(BitsMut::String(slot)),
            Some(slot) => slot.into_collection().map(|bits| BitsMut::Bitmap(bits, before)).ok_or(WrongType),
        }
    }

    /// Has a key that is not there, or that holds a string, hold a bitmap with the same bits; expiry and access stay. What
    /// it held before; of another type it is left as it is.
    fn make_bitmap(&mut self, key: &Key<'_>) -> Before {
        let Some(mut slot) = self.live(key) else {
            self.make_empty_bitmap(key);
            return Before::Nothing;
        };
        let Some(string) = slot.view().string().map(StringRef::to_cow) else { return Before::Bitmap };
        let bitmap = Bitmap::from_bytes(&string);
        drop(string);
        let view = slot.view();
        let entry = Entry::collection(key.bytes(), bitmap, view.expire_at(), view.access());
        let old = slot.update(|old| std::mem::replace(old, entry));
        self.lazyfree.dispose(old, self.lazyfree.lazily.server_del);
        if self.notes_replaced {
            self.note(self.selected, key, NoteKind::TypeChanged);
        }
        Before::String
    }

    fn make_empty_bitmap(&mut self, key: &Key<'_>) {
        let entry = Entry::collection(key.bytes(), Bitmap::default(), None, self.access.new_key());
        match self.all[self.selected].dict.probe(key.hash(), key.bytes()) {
            // Its time had come, but the data stands still.
            DictProbe::Found(mut slot) => drop(slot.update(|old| std::mem::replace(old, entry))),
            DictProbe::Vacant(slot) => _ = slot.insert(entry),
        }
        if self.notes_new {
            self.notes.push(Note::new(self.selected, key, NoteKind::Created));
        }
    }
}
