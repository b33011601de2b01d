//! When blocked clients give up, in order.

use std::collections::{BTreeSet, HashMap};

use super::ClientKey;
use crate::util::shrink::shrink;

/// One deadline per client, in Unix milliseconds.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_time: BTreeSet<(i64, ClientKey)>,
    by_client: HashMap<ClientKey, i64>,
}

impl Deadlines {
    /// Sets a client's deadline.
    pub fn add(&mut self, deadline_ms: i64, client: ClientKey) {
        self.remove(client);
        self.by_time.insert((deadline_ms, client));
        self.by_client.insert(client, deadline_ms);
    }

    /// Clears a client's deadline.
    pub fn remove(&mut self, client: ClientKey) {
        if let Some(deadline_ms) = self.by_client.remove(&client) {
            self.by_time.remove(&(deadline_ms, client));
            shrink(&mut self.by_client);
        }
    }

    /// When the next deadline has passed: its millisecond is over then, so that nobody gives up a part of one early.
    pub fn next_ms(&self) -> Option<i64> {
        self.by_time.first().map(|(deadline_ms, _)| deadline_ms.saturating_add(1))
    }

    /// Takes a client whose deadline has passed.
    pub fn take_passed(&mut self, now_ms: i64) -> Option<ClientKey> {
        let (deadline_ms, client) = *self.by_time.first()?;
        if deadline_ms >= now_ms {
            return None;
        }
        self.remove(client);
        Some(client)
    }
}
