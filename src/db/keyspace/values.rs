//! What becomes of an entry where there is more to it than finding it: another value, a new key, the end of its time.

use std::sync::Arc;

use super::access::AccessClock;
use super::{Databases, Expiry, NewString, Note, NoteKind, WrongType};
use crate::db::Key;
use crate::db::dict::{DictProbe, DictSlot};
use crate::db::entry::{Entry, StringRef};
use crate::db::lazyfree::LazyFree;
use crate::util::random::Random;

impl Databases {
    /// Gives an entry that is there another value, and notes the access; whether its time had come, so that it is a new key.
    #[inline(never)]
    pub(super) fn replace_value(
        mut slot: DictSlot<'_>,
        lazyfree: &mut LazyFree,
        now_ms: i64,
        value: NewString<'_>,
        expiry: Expiry,
        (access, random): (&AccessClock, &mut Random),
    ) -> bool {
        if !slot.view().kind().is_string() {
            let lazily = lazyfree.lazily.server_del;
            let empty = |entry: &mut Entry| entry.take_collection();
            lazyfree.dispose(slot.update(empty), lazily);
        }
        let old = slot.view().expire_at();
        let due = slot.view().is_due(now_ms);
        let expire = match expiry {
            Expiry::Clear => None,
            Expiry::Keep if due => None,
            Expiry::Keep => old,
            Expiry::At(at) => Some(at),
        };
        slot.update(|entry| {
            if old != expire {
                entry.set_expire(expire);
            }
            match value {
                NewString::Bytes(bytes) => entry.set_string(bytes),
                NewString::Shared(shared) => entry.set_string_arc(Arc::clone(shared)),
                NewString::Int(number) => entry.set_int(number),
                NewString::Text(bytes, raw) => entry.set_text(bytes, raw),
            }
        });
        access.note(slot.view(), || random.next_u64());
        if due {
            slot.view().set_access(access.new_key());
        }
        due
    }

    /// Sets a key to the integer that `next` makes of the string it holds, if it is there; the integer. Looks the key up
    /// once, whether it is there or not.
    #[inline]
    pub fn set_next_int<E: From<WrongType>>(
        &mut self,
        key: &Key<'_>,
        next: impl FnOnce(Option<StringRef<'_>>) -> Result<i64, E>,
    ) -> Result<i64, E> {
        let (access, random, now_ms) = (&self.access, &mut self.random, self.now_ms);
        match self.all[self.selected].dict.probe(key.hash(), key.bytes()) {
            DictProbe::Found(mut slot) if !slot.view().is_due(now_ms) => {
                if self.touches {
                    access.note(slot.view(), || random.next_u64());
                }
                let number = next(Some(slot.view().string().ok_or(WrongType)?))?;
                slot.set_int(number);
                Ok(number)
            }
            DictProbe::Found(_) => {
                let number = next(None)?;
                // It goes, unless the data stand still.
                self.exists(key);
                self.set(key, NewString::Int(number), Expiry::Clear);
                Ok(number)
            }
            DictProbe::Vacant(slot) => {
                let number = next(None)?;
                slot.insert(Entry::int(key.bytes(), number, None, access.new_key()));
                if self.notes_new {
                    self.notes.push(Note::new(self.selected, key, NoteKind::Created));
                }
                Ok(number)
            }
        }
    }

    /// The entry of a key that was not there.
    #[inline(never)]
    pub(super) fn new_entry(key: &Key<'_>, value: NewString<'_>, expiry: Expiry, access: u32) -> Entry {
        let expire = match expiry {
            Expiry::Clear | Expiry::Keep => None,
            Expiry::At(at) => Some(at),
        };
        match value {
            NewString::Bytes(bytes) => Entry::string(key.bytes(), bytes, expire, access),
            NewString::Shared(shared) => Entry::string_from_arc(key.bytes(), Arc::clone(shared), expire, access),
            NewString::Int(number) => Entry::int(key.bytes(), number, expire, access),
            NewString::Text(bytes, raw) => Entry::text(key.bytes(), bytes, raw, expire, access),
        }
    }

    /// Deletes a key whose time has come.
    #[cold]
    #[inline(never)]
    pub(super) fn remove_due(
        due: DictSlot<'_>,
        lazyfree: &mut LazyFree,
        notes: &mut Vec<Note>,
        db: usize,
        key: &Key<'_>,
    ) {
        let lazily = lazyfree.lazily.expire;
        lazyfree.dispose(due.remove(), lazily);
        notes.push(Note::new(db, key, NoteKind::Expired));
    }
}
