//! How much the slots of this node are used: `cluster-slot-stats-enabled`.
//!
//! A command of a client counts for the slot of its keys; what a script calls counts with the script, and each command
//! of a transaction by itself.

use crate::db::slot::SLOTS;

/// What a slot has cost since it was last counted from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time of commands, in nanoseconds.
    pub nanos: u64,
    /// Bytes of requests,
    pub bytes_in: u64,
    /// and of replies.
    pub bytes_out: u64,
}

/// That of all slots.
#[derive(Debug)]
pub struct SlotUsage(Box<[Usage]>);

impl Default for SlotUsage {
    fn default() -> SlotUsage {
        SlotUsage(vec![Usage::default(); SLOTS].into())
    }
}

impl SlotUsage {
    /// That of a slot.
    pub fn of(&self, slot: u16) -> Usage {
        self.0[usize::from(slot)]
    }

    /// Counts a command.
    pub fn add(&mut self, slot: u16, command: Usage) {
        let usage = &mut self.0[usize::from(slot)];
        usage.nanos += command.nanos;
        usage.bytes_in += command.bytes_in;
        usage.bytes_out += command.bytes_out;
    }

    /// Counts from zero.
    pub fn reset(&mut self, slots: impl Iterator<Item = u16>) {
        slots.for_each(|slot| self.0[usize::from(slot)] = Usage::default());
    }
}
