//! Keys that count for nothing: those of slots that are on their way here, and of slots that have gone.

use super::Databases;
use crate::db::slot::{SLOTS, slot_of};

impl Databases {
    /// Has the keys of some slots count for nothing, of all others count: what counts for nothing is not shown, and does
    /// not go by itself, neither by time nor for want of memory.
    pub fn set_stray_slots(&mut self, slots: impl Iterator<Item = u16>) {
        let mut stray = Vec::new();
        for slot in slots {
            stray.resize(SLOTS, false);
            stray[usize::from(slot)] = true;
        }
        self.stray_slots = stray.into();
    }

    /// Whether some keys count for nothing.
    #[inline]
    pub fn has_strays(&self) -> bool {
        !self.stray_slots.is_empty()
    }

    /// Whether a slot's keys count for nothing.
    pub fn is_stray_slot(&self, slot: u16) -> bool {
        self.has_strays() && self.stray_slots[usize::from(slot)]
    }

    /// Whether a key counts for nothing.
    #[inline]
    pub fn is_stray(&self, key: &[u8]) -> bool {
        self.has_strays() && self.is_stray_slot(slot_of(key))
    }

    /// How many keys of the selected database count.
    pub fn counted_keys(&self) -> usize {
        let stray = (0..).zip(self.stray_slots.iter()).filter(|(_, stray)| **stray);
        let strays: usize = stray.map(|(slot, _)| self.dict().len_of_slot(slot)).sum();
        self.dict().len() - strays
    }
}
