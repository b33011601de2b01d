//! Which clients watch which keys.

use std::collections::{BTreeMap, HashMap};

use crate::util::shrink::shrink;

/// The clients that watch a key. For each it is noted whether the key had expired when it was watched but was not
/// deleted yet: its deletion is no change.
pub type Watchers = BTreeMap<usize, bool>;

/// The watched keys of all databases.
#[derive(Debug, Default)]
pub struct Watches {
    by_database: HashMap<usize, HashMap<Box<[u8]>, Watchers>>,
}

impl Watches {
    /// Has a client watch a key; false when it does so already.
    pub fn add(&mut self, client: usize, db: usize, key: &[u8], was_expired: bool) -> bool {
        let watchers = self.by_database.entry(db).or_default().entry(key.into()).or_default();
        let is_new = !watchers.contains_key(&client);
        if is_new {
            watchers.insert(client, was_expired);
        }
        is_new
    }

    /// Ends a client's watch over a key.
    pub fn remove(&mut self, client: usize, db: usize, key: &[u8]) {
        let Some(keys) = self.by_database.get_mut(&db) else { return };
        let Some(watchers) = keys.get_mut(key) else { return };
        watchers.remove(&client);
        if watchers.is_empty() {
            keys.remove(key);
            shrink(keys);
        }
        if keys.is_empty() {
            self.by_database.remove(&db);
        }
    }

    /// The clients that watch a key.
    pub fn watchers(&mut self, db: usize, key: &[u8]) -> Option<&mut Watchers> {
        self.by_database.get_mut(&db)?.get_mut(key)
    }

    /// Whether a key that a client watches had expired then, and was not deleted since.
    pub fn was_expired(&self, client: usize, db: usize, key: &[u8]) -> bool {
        let watchers = self.by_database.get(&db).and_then(|keys| keys.get(key));
        watchers.and_then(|watchers| watchers.get(&client)).is_some_and(|was_expired| *was_expired)
    }

    /// The watched keys of a database with their watchers.
    pub fn of_database(&mut self, db: usize) -> impl Iterator<Item = (&[u8], &mut Watchers)> {
        self.by_database.get_mut(&db).into_iter().flatten().map(|(key, watchers)| (&**key, watchers))
    }

    /// How many keys are watched.
    pub fn len(&self) -> usize {
        self.by_database.values().map(HashMap::len).sum()
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.by_database.is_empty()
    }
}
