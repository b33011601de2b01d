//! Keys to which clients of a replica have given an expiry. The primary knows nothing of it and will never say that
//! their time has come, so the replica looks at them itself: some at each tick of the cron, in the order of the keys,
//! around and around, so that a tick costs the same however many there are.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::db::{Databases, Key};

/// Keys looked at between two looks at the clock.
const KEYS_PER_STEP: usize = 32;

/// A key of a database.
type Place = (usize, Box<[u8]>);

/// The keys.
#[derive(Debug, Default)]
pub struct OwnKeys {
    keys: BTreeSet<Place>,
    /// The one last looked at.
    last: Option<Place>,
}

impl OwnKeys {
    /// Remembers a key.
    pub fn note(&mut self, db: usize, key: &[u8]) {
        self.keys.insert((db, key.into()));
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = OwnKeys::default();
    }

    /// Deletes the keys whose time has come and forgets those that do not expire any more, until it has seen each or
    /// its time is up.
    pub fn expire(&mut self, db: &mut Databases, mut out_of_time: impl FnMut() -> bool) {
        let mut left = self.keys.len();
        while left > 0 {
            let some = self.next(left.min(KEYS_PER_STEP));
            left -= some.len();
            for place in some {
                if !db.expire_if_due(place.0, &Key::new(&place.1)) {
                    self.keys.remove(&place);
                }
                self.last = Some(place);
            }
            if out_of_time() {
                return;
            }
        }
    }

    /// So many keys behind the one last looked at; the first one follows the last one.
    fn next(&self, count: usize) -> Vec<Place> {
        let behind = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.keys.range((behind, Bound::Unbounded));
        rest.chain(&self.keys).take(count).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Expiry;
    use crate::db::keyspace::NewString;

    #[test]
    fn a_tick_looks_at_a_share_of_the_keys_and_the_next_one_goes_on() {
        let (mut own, mut db) = (OwnKeys::default(), Databases::new(2));
        db.begin_command(1, 1000);
        let names: Vec<String> = (0..10 * KEYS_PER_STEP).map(|number| format!("key:{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            let expiry = [Expiry::At(500), Expiry::At(5000), Expiry::Clear][number % 3];
            db.set(&Key::new(name.as_bytes()), NewString::Int(1), expiry);
            own.note(1, name.as_bytes());
        }
        own.note(0, b"gone");
        let before = db.database(1).dict.len();
        own.expire(&mut db, || true);
        assert!((1..=KEYS_PER_STEP).contains(&(before - db.database(1).dict.len())));
        for _ in 0..10 {
            own.expire(&mut db, || true);
        }
        let due = names.len().div_ceil(3);
        assert_eq!(before - db.database(1).dict.len(), due, "all that were due are gone");
        assert_eq!(own.len(), names.iter().skip(1).step_by(3).count(), "those that expire later are remembered");
        db.begin_command(1, 6000);
        own.expire(&mut db, || false);
        assert_eq!(own.len(), own.next(1).len());
        own.expire(&mut db, || false);
        assert_eq!(own.len(), 0);
    }
}
