//! All connected clients.

use std::collections::{BTreeMap, HashMap};

use slab::Slab;

use super::recent::Recent;
use super::{BlockedFor, Client, Modes};
use crate::net::ClientKey;
use crate::util::shrink::shrink;

/// So many places for clients are kept, however few there are.
const PLACES_KEPT: usize = 1024;

/// The clients, in a slab: a key is a small number and is used again once its client is gone, an id never.
#[derive(Debug, Default)]
pub struct Clients {
    slab: Slab<Client>,
    by_id: HashMap<u64, ClientKey>,
    last_id: u64,
    /// Clients that have output and wait for the flush before the next poll.
    flush: Vec<ClientKey>,
    /// Clients to be closed, each once.
    doomed: Vec<ClientKey>,
    /// Clients whose input or socket has something left for the next turn.
    read_on: Vec<ClientKey>,
    /// How many came from `priority-subnets`.
    pub with_priority: usize,
    /// How many are blocked,
    pub blocked: usize,
    /// and for a limited time.
    pub blocked_with_deadline: usize,
    /// How many watch keys.
    pub watching: usize,
    /// How many listen to channels.
    subscribed: usize,
    /// Bytes they took when the cron last saw them.
    memory_seen: usize,
    /// The largest buffers it saw lately.
    recent: Recent,
    /// Those of them that wait until what they wrote is safe, by ticket.
    pub waiting_for_durability: BTreeMap<u64, ClientKey>,
    counted: Counted,
}

impl Clients {
    /// The id for the next client.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Adds a client.
    pub fn insert(&mut self, client: Client) -> ClientKey {
        let id = client.id;
        self.memory_seen += client.memory_seen;
        let key = self.slab.insert(client);
        self.by_id.insert(id, key);
        key
    }

    /// Takes a client out.
    pub fn remove(&mut self, key: ClientKey) -> Option<Client> {
        self.set_counted(key, 0);
        let client = self.slab.try_remove(key)?;
        self.with_priority -= usize::from(client.has_priority);
        self.memory_seen -= client.memory_seen;
        self.by_id.remove(&client.id);
        shrink(&mut self.by_id);
        Some(client)
    }

    /// Gives the places of clients that are gone back, as far as nobody stands behind them.
    pub fn shrink(&mut self) {
        if self.slab.capacity() > PLACES_KEPT && self.slab.len() < self.slab.capacity() / 4 {
            self.slab.shrink_to_fit();
        }
    }

    /// A client that is connected for sure: the one a command runs for.
    #[inline]
    pub fn at(&self, key: ClientKey) -> &Client {
        &self.slab[key]
    }

    /// Like [`Clients::at`], to change it.
    #[inline]
    pub fn at_mut(&mut self, key: ClientKey) -> &mut Client {
        &mut self.slab[key]
    }

    /// A client, if it is still connected.
    pub fn get(&self, key: ClientKey) -> Option<&Client> {
        self.slab.get(key)
    }

    /// Like [`Clients::get`], to change it.
    #[inline]
    pub fn get_mut(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.slab.get_mut(key)
    }

    /// How many are connected.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether a client is connected and not about to be closed.
    pub fn is_live(&self, key: ClientKey) -> bool {
        self.slab.get(key).is_some_and(|client| !client.connection.doomed)
    }

    /// How many are not about to be closed.
    pub fn live_len(&self) -> usize {
        self.slab.len() - self.doomed.len()
    }

    /// How many listen to channels.
    pub fn subscribed(&self) -> usize {
        self.subscribed
    }

    /// Brings a client in line with its subscriptions; call it after these changed.
    pub fn subscriptions_changed(&mut self, key: ClientKey) {
        let Some(client) = self.slab.get_mut(key) else { return };
        let subscribed = client.subscriptions.as_ref().is_some_and(|subscriptions| !subscriptions.is_empty());
        if !subscribed {
            client.subscriptions = None;
        }
        self.subscribed -= usize::from(client.modes.has(Modes::SUBSCRIBED));
        self.subscribed += usize::from(subscribed);
        client.modes.set(Modes::SUBSCRIBED, subscribed);
    }

    /// Notes what a client takes, and how large its buffers are, at a time in Unix milliseconds: the cron does that for
    /// each about once a second, so that nobody who asks has to walk over all.
    pub fn see(&mut self, key: ClientKey, now_ms: i64) {
        let Some(client) = self.slab.get_mut(key) else { return };
        let bytes = client.memory();
        self.memory_seen = self.memory_seen - std::mem::replace(&mut client.memory_seen, bytes) + bytes;
        let input = client.input_peak.max(client.connection.input_waiting());
        self.recent.note(input, client.output.len(), now_ms);
    }

    /// Bytes that all of them took when the cron last saw them.
    pub fn memory_seen(&self) -> usize {
        self.memory_seen
    }

    /// Whether what is counted as it changes is what a walk over all finds.
    pub fn counts_hold(&self) -> bool {
        let count = |is_one: fn(&Client) -> bool| self.slab.iter().filter(|(_, client)| is_one(client)).count();
        let has_deadline = |client: &Client| client.blocked.as_ref().is_some_and(|it| it.deadline_ms.is_some());
        self.live_len() == count(|client| !client.connection.doomed)
            && self.blocked == count(|client| client.blocked.is_some())
            && self.blocked_with_deadline == count(has_deadline)
            && self.watching == count(|client| !client.watched.is_empty())
            && self.subscribed == count(|client| client.subscriptions.is_some())
            && self.memory_seen == self.slab.iter().map(|(_, client)| client.memory_seen).sum::<usize>()
    }

    /// The largest input and the largest output of one that the cron saw of late, in bytes.
    pub fn largest_buffers(&self, now_ms: i64) -> (usize, usize) {
        self.recent.largest(now_ms)
    }

    /// The keys of up to `count` clients from key `from` on.
    pub fn keys_from(&self, from: ClientKey, count: usize) -> Vec<ClientKey> {
        (from..self.slab.capacity()).filter(|key| self.slab.contains(*key)).take(count).collect()
    }

    /// The clients that wait for the end of a pause, in the order in which they came.
    pub fn held_by_pause(&self) -> Vec<ClientKey> {
        let ticket = |client: &Client| {
            let blocked = client.blocked.as_ref().filter(|blocked| blocked.reason == BlockedFor::Pause)?;
            Some(blocked.ticket)
        };
        let mut held: Vec<(u64, ClientKey)> =
            self.slab.iter().filter_map(|(key, client)| Some((ticket(client)?, key))).collect();
        held.sort_unstable();
        held.into_iter().map(|(_, key)| key).collect()
    }

    /// The clients that are not about to be closed, by key: those that are, are gone for everybody else.
    pub fn live(&self) -> impl Iterator<Item = (ClientKey, &Client)> {
        self.slab.iter().filter(|(_, client)| !client.connection.doomed)
    }

    /// All clients, by key.
    pub fn iter(&self) -> impl Iterator<Item = (ClientKey, &Client)> {
        self.slab.iter()
    }

    /// The keys of all live clients, those that came first first.
    pub fn in_order(&self) -> Vec<ClientKey> {
        let mut keys: Vec<(u64, ClientKey)> = self.live().map(|(key, client)| (client.id, key)).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// Where the live client with an id is.
    pub fn find_id(&self, id: u64) -> Option<ClientKey> {
        self.by_id.get(&id).copied().filter(|key| !self.at(*key).connection.doomed)
    }

    /// Has a client's output flushed before the next poll; the client, if it is still connected.
    #[inline]
    pub fn flush_later(&mut self, key: ClientKey) -> Option<&mut Client> {
        let client = self.slab.get_mut(key)?;
        if !client.flush_pending {
            client.flush_pending = true;
            self.flush.push(key);
        }
        Some(client)
    }

    /// The clients to flush now; the list starts anew, in the room handed in.
    pub fn take_flush_list(&mut self, room: &mut Vec<ClientKey>) {
        room.clear();
        std::mem::swap(&mut self.flush, room);
    }

    /// Has the event loop go on with a client's input in the next turn.
    pub fn continue_reading_later(&mut self, key: ClientKey) {
        if let Some(client) = self.slab.get_mut(key)
            && !client.connection.read_on_pending
        {
            client.connection.read_on_pending = true;
            self.read_on.push(key);
        }
    }

    /// Whether there are such clients.
    pub fn has_read_on(&self) -> bool {
        !self.read_on.is_empty()
    }

    /// The clients to go on with.
    pub fn take_read_on(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.read_on)
    }

    /// Has a client closed at the end of the turn, its output unsent. Anyone may say so; the event loop does it.
    pub fn close_soon(&mut self, key: ClientKey) {
        if let Some(client) = self.slab.get_mut(key) {
            client.modes.set(Modes::CLOSING, true);
            if !client.connection.doomed {
                client.connection.doomed = true;
                self.doomed.push(key);
                self.set_counted(key, 0);
            }
        }
    }

    /// What is counted of all clients: see [`crate::server::clients::memory`].
    pub fn counted(&self) -> Counted {
        self.counted
    }

    /// Notes how many bytes a client takes that count.
    pub fn set_counted(&mut self, key: ClientKey, bytes: usize) {
        let Some(client) = self.slab.get_mut(key) else { return };
        let before = std::mem::replace(&mut client.counted, bytes);
        self.counted.total = self.counted.total - before + bytes;
        if !client.no_evict {
            self.counted.evictable = self.counted.evictable - before + bytes;
        }
    }

    /// Says whether a client must not be closed for lack of memory: CLIENT NO-EVICT.
    pub fn set_no_evict(&mut self, key: ClientKey, on: bool) {
        let Some(client) = self.slab.get_mut(key) else { return };
        match (std::mem::replace(&mut client.no_evict, on), on) {
            (false, true) => self.counted.evictable -= client.counted,
            (true, false) => self.counted.evictable += client.counted,
            (true, true) | (false, false) => {}
        }
    }

    /// Those of the clients to close now that are replicas.
    pub fn take_doomed_replicas(&mut self) -> Vec<ClientKey> {
        let is_replica = |key: &ClientKey| self.slab.get(*key).is_some_and(|client| client.modes.has(Modes::REPLICA));
        let (replicas, others) = std::mem::take(&mut self.doomed).into_iter().partition(is_replica);
        self.doomed = others;
        replicas
    }

    /// The clients to close now.
    pub fn take_doomed(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.doomed)
    }
}

/// Bytes that clients take, as far as they count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// All of them.
    pub total: usize,
    /// Those that may go.
    pub evictable: usize,
}
