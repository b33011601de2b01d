//! What is noted of keys besides their values: accesses, changes (see [`super::access`]), protection from eviction.

use super::Databases;
use crate::db::Key;

impl Databases {
    /// Whether the running command is to note accesses: not for CLIENT NO-TOUCH, and for nobody while keys carry the
    /// time of their last change. Returns what was so before.
    pub fn set_touches(&mut self, touches: bool) -> bool {
        std::mem::replace(&mut self.touches, touches && !self.notes_changes)
    }

    /// Chooses whether keys carry the time of their last change, which [`Databases::note_change`] is told of, rather
    /// than that of their last access.
    pub fn note_changes(&mut self, notes_changes: bool) {
        self.notes_changes = notes_changes;
        self.touches = !notes_changes;
    }

    /// A key has just been changed, for policies that judge by that.
    pub fn note_change(&self, db: usize, key: &[u8]) {
        if let Some(entry) = self.database(db).dict.find(Key::new(key).hash(), key) {
            self.access.note(entry, || 0);
        }
    }

    /// Chooses how accesses are noted: by recency, or by frequency with these parameters.
    pub fn note_frequency(&mut self, frequency: bool, log_factor: u32, decay_minutes: u32) {
        self.access.frequency = frequency;
        self.access.log_factor = log_factor;
        self.access.decay_minutes = decay_minutes;
    }

    /// The note of accesses of an entry that was not used for some seconds, or that often; as if just made if that is
    /// not what is noted.
    pub fn restored_access(&self, idle_seconds: Option<u64>, frequency: Option<u8>) -> u32 {
        self.access.restored(idle_seconds, frequency)
    }

    /// Protects a key of the selected database from eviction, or no longer; whether that is a change.
    pub fn bless(&mut self, key: &Key<'_>, blessed: bool) -> bool {
        let selected = self.selected;
        self.database_mut(selected).dict.bless(key.hash(), key.bytes(), blessed)
    }

    /// Whether a key of the selected database is protected from eviction.
    pub fn is_blessed(&self, key: &Key<'_>) -> bool {
        self.dict().blessed().contains(key.hash(), key.bytes())
    }
}
