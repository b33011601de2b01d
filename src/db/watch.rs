//! Which clients watch which keys.

use std::collections::{HashMap, HashSet};

/// The watched keys of all databases.
#[derive(Debug, Default)]
pub struct Watches {
    by_key: HashMap<(usize, Box<[u8]>), HashSet<usize>>,
}

impl Watches {
    /// Has a client watch a key; false when it does so already.
    pub fn add(&mut self, client: usize, db: usize, key: &[u8]) -> bool {
        self.by_key.entry((db, key.into())).or_default().insert(client)
    }

    /// Ends a client's watch over a key.
    pub fn remove(&mut self, client: usize, db: usize, key: &[u8]) {
        let place = (db, key.into());
        if let Some(watchers) = self.by_key.get_mut(&place) {
            watchers.remove(&client);
            if watchers.is_empty() {
                self.by_key.remove(&place);
            }
        }
    }

    /// Calls `found` with each client that watches a key.
    pub fn touch(&self, db: usize, key: &[u8], mut found: impl FnMut(usize)) {
        if self.by_key.is_empty() {
            return;
        }
        if let Some(watchers) = self.by_key.get(&(db, key.into())) {
            watchers.iter().copied().for_each(&mut found);
        }
    }

    /// The watched keys of a database with their watchers.
    pub fn of_database(&self, db: usize) -> impl Iterator<Item = (&[u8], &HashSet<usize>)> {
        self.by_key.iter().filter(move |((index, _), _)| *index == db).map(|((_, key), watchers)| (&**key, watchers))
    }

    /// How many keys are watched.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
