//! Which clients are blocked on which keys.

use std::collections::{HashMap, VecDeque};

/// For each key somebody waits on, the clients in the order in which they came.
#[derive(Debug, Default)]
pub struct Waiters {
    by_key: HashMap<(usize, Box<[u8]>), VecDeque<usize>>,
}

impl Waiters {
    /// Has a client wait on a key, behind those who wait already.
    pub fn add(&mut self, client: usize, db: usize, key: &[u8]) {
        let queue = self.by_key.entry((db, key.into())).or_default();
        if !queue.contains(&client) {
            queue.push_back(client);
        }
    }

    /// Ends a client's waiting on keys of a database.
    pub fn remove(&mut self, client: usize, db: usize, keys: &[Box<[u8]>]) {
        for key in keys {
            let place = (db, key.clone());
            if let Some(queue) = self.by_key.get_mut(&place) {
                queue.retain(|waiting| *waiting != client);
                if queue.is_empty() {
                    self.by_key.remove(&place);
                }
            }
        }
    }

    /// Whether anyone waits on a key.
    pub fn waits_on(&self, db: usize, key: &[u8]) -> bool {
        !self.by_key.is_empty() && self.by_key.contains_key(&(db, key.into()))
    }

    /// Who waits on a key, the longest waiting first.
    pub fn of(&self, db: usize, key: &[u8]) -> Vec<usize> {
        self.by_key.get(&(db, key.into())).map(|queue| queue.iter().copied().collect()).unwrap_or_default()
    }

    /// Whether nobody waits on anything.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// The keys of a database that are waited on.
    pub fn keys(&self, db: usize) -> Vec<Box<[u8]>> {
        self.by_key.keys().filter(|(index, _)| *index == db).map(|(_, key)| key.clone()).collect()
    }
}
