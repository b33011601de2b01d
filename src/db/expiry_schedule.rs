//! When to look at which collection for parts whose time has come.
//!
//! Each hash that has fields with an expiry, and each set that has such members, stands here under a time no later than
//! the first of them, and under the hash of its key, which suffices to find it again. The collection bears the same
//! time as a note ([`crate::types::ExpiringParts::planned`]); [`super::dict`] keeps the two in step, so that a key that
//! goes takes its item with it. A part that goes early leaves the plan as it is: looking in vain costs little, and then
//! the plan is set right.
//!
//! It takes no memory while no part expires.

use std::collections::BTreeSet;

/// The plan of one database.
#[derive(Debug, Default)]
pub struct ExpirySchedule(BTreeSet<(i64, u64)>);

impl ExpirySchedule {
    /// The number of collections to look at.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What is to be done first: the time, in Unix milliseconds, and the hash of the key.
    pub fn first(&self) -> Option<(i64, u64)> {
        self.0.first().copied()
    }

    /// Plans to look at a collection; returns the time it stands under. That is a little earlier if two keys have one hash.
    pub fn add(&mut self, mut at: i64, hash: u64) -> i64 {
        while !self.0.insert((at, hash)) {
            at -= 1;
        }
        at
    }

    /// Takes an item off.
    pub fn remove(&mut self, at: i64, hash: u64) {
        let removed = self.0.remove(&(at, hash));
        debug_assert!(removed, "a collection that was not planned");
    }
}

#[cfg(test)]
mod tests {
    use super::ExpirySchedule;

    #[test]
    fn the_earliest_comes_first_and_equals_stand_apart() {
        let mut agenda = ExpirySchedule::default();
        assert_eq!([agenda.add(9, 1), agenda.add(5, 2), agenda.add(9, 1), agenda.add(9, 1)], [9, 5, 8, 7]);
        assert_eq!((agenda.first(), agenda.len()), (Some((5, 2)), 4));
        agenda.remove(5, 2);
        agenda.remove(8, 1);
        assert_eq!((agenda.first(), agenda.len()), (Some((7, 1)), 2));
    }
}
