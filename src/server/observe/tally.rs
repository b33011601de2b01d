//! What is counted by a walk over all clients. INFO walks at once; who has more time goes a part of the way at a time.

use crate::client::registry::Clients;
use crate::client::{Client, Modes};
use crate::net::ClientKey;

/// The sums of a walk. Clients about to be closed take memory, and are gone for all else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Clients but replicas.
    pub connected: usize,
    /// Those that listen to channels.
    pub subscribers: usize,
    /// Those that watch keys.
    pub watching: usize,
    /// Those that are blocked, and for a limited time.
    pub with_deadline: usize,
    /// The largest input of one, in bytes.
    pub largest_input: usize,
    /// The largest output of one, in bytes.
    pub largest_output: usize,
    /// Memory of all, in bytes.
    pub memory: usize,
}

impl Tally {
    /// Walks over all clients.
    pub fn of(clients: &Clients) -> Tally {
        let mut tally = Tally::default();
        clients.iter().for_each(|(_, client)| tally.add(client));
        tally
    }

    fn add(&mut self, client: &Client) {
        self.memory += client.memory();
        if client.connection.doomed {
            return;
        }
        self.connected += usize::from(!client.modes.has(Modes::REPLICA));
        self.subscribers += usize::from(client.subscriptions.is_some());
        self.watching += usize::from(!client.watched.is_empty());
        let has_deadline = client.blocked.as_ref().is_some_and(|blocked| blocked.deadline_ms.is_some());
        self.with_deadline += usize::from(has_deadline);
        self.largest_input = self.largest_input.max(client.input_peak.max(client.connection.input_waiting()));
        self.largest_output = self.largest_output.max(client.output.len());
    }
}

/// A walk on its way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk {
    /// What was counted so far.
    pub tally: Tally,
    next: ClientKey,
}

impl Walk {
    /// Goes on over `count` clients at most; whether that was the end.
    pub fn step(&mut self, clients: &Clients, count: usize) -> bool {
        let keys = clients.keys_from(self.next, count);
        keys.iter().for_each(|key| self.tally.add(clients.at(*key)));
        self.next = keys.last().map_or(self.next, |last| last + 1);
        keys.len() < count
    }
}
