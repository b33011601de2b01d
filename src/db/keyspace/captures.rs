//! A snapshot of all databases taken in slices: see [`crate::db::capture`].

use super::access::AccessClock;
use super::{Databases, Flushed};
use crate::db::capture::{DatabaseSize, Images};
use crate::db::dict::Dict;
use crate::db::expire::ExpireCycle;
use crate::util::alloc::used_memory;

impl Databases {
    /// From now on the content of all databases as it is at this moment is kept, until it was taken. How large those are
    /// that have any.
    pub fn begin_capture(&mut self) -> Vec<DatabaseSize> {
        self.end_capture();
        let mut sizes = Vec::new();
        for (database, db) in self.all.iter_mut().enumerate().filter(|(_, db)| !db.dict.is_empty()) {
            let (keys, expiring, slots) = (db.dict.len(), db.dict.expires_len(), db.dict.slots().collect());
            sizes.push(DatabaseSize { database, keys, expiring, slots });
            db.dict.begin_capture(database);
        }
        sizes
    }

    /// Goes on copying as long as `goes_on` says, which is asked after some keys each time and told how many bytes they
    /// took; false if all was copied.
    pub fn capture_while(&mut self, mut goes_on: impl FnMut(usize) -> bool) -> bool {
        for dict in self.captured() {
            let mut before = dict.captured_bytes();
            while dict.capture_some() {
                if !goes_on(dict.captured_bytes() - before) {
                    return true;
                }
                before = dict.captured_bytes();
            }
        }
        false
    }

    /// Hands over what was copied since the last call.
    pub fn take_images(&mut self, mut take: impl FnMut(Images)) {
        for dict in self.captured() {
            dict.take_images().into_iter().for_each(&mut take);
        }
        for flushed in std::mem::take(&mut self.flushed) {
            match flushed.dict.is_captured() {
                true => self.flushed.push(flushed),
                false => self.lazyfree.free_later(flushed.dict),
            }
        }
    }

    /// Empties a database; how many keys it had. With `lazily`, another thread frees them. What a snapshot still needs is
    /// kept.
    pub fn flush(&mut self, index: usize, lazily: bool) -> usize {
        let dict = self.all[index].dict.take();
        self.all[index].cycle = ExpireCycle::default();
        let keys = dict.len();
        if dict.is_captured() {
            // Each key for as much as the others: looking at all of them would take long.
            let all = keys + self.all.iter().map(|db| db.dict.len()).sum::<usize>();
            let used = used_memory().saturating_sub(self.flushed_bytes()) as u128;
            let bytes = (used * keys as u128 / all.max(1) as u128) as usize;
            self.flushed.push(Flushed { dict, bytes });
        } else if lazily {
            self.lazyfree.free_later(dict);
        }
        keys
    }

    /// Keeps nothing for a snapshot any more.
    pub fn end_capture(&mut self) {
        self.captured().for_each(Dict::end_capture);
        for flushed in std::mem::take(&mut self.flushed) {
            self.lazyfree.free_later(flushed.dict);
        }
    }

    /// About how much memory is taken by what was flushed and is kept for a snapshot, in bytes.
    pub fn flushed_bytes(&self) -> usize {
        self.flushed.iter().map(|flushed| flushed.bytes).sum()
    }

    /// The dictionaries of which something is kept, those included that were flushed.
    fn captured(&mut self) -> impl Iterator<Item = &mut Dict> {
        let live = self.all.iter_mut().map(|db| &mut db.dict);
        live.chain(self.flushed.iter_mut().map(|flushed| &mut flushed.dict)).filter(|dict| dict.is_captured())
    }

    /// How the use of keys is noted, for who wants to tell it from what entries note.
    pub fn access_clock(&self) -> AccessClock {
        self.access
    }
}
