//! Which clients are blocked on which keys.
//!
//! A client draws a ticket when it blocks; on each of its keys it stands in the order of tickets, so whoever came
//! first is served first whichever key turns ready. Adding, removing and finding the next one take logarithmic time,
//! and asking whether anyone waits on a key allocates nothing.
//!
//! Most wait for a key to come, or for more in it; that it goes is nothing to them. Those who need the key they wait on
//! are listed apart as well, so that a key's going costs nothing where nobody needs it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::util::shrink::shrink;

/// Who waits on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Its ticket.
    pub ticket: u64,
    /// The client.
    pub client: usize,
    /// Which of the keys it waits on this is; `None` for one that it has named more than once.
    pub index: Option<usize>,
}

/// Clients that wait on one key, by ticket.
#[derive(Debug, Default)]
struct Queue {
    clients: BTreeMap<u64, Waiter>,
    /// Those of them that give up when the key is gone.
    dependents: BTreeMap<u64, Waiter>,
    /// It is known already that the key may be ready.
    signalled: bool,
}

/// For each key somebody waits on, the clients in the order in which they came.
#[derive(Debug, Default)]
pub struct Waiters {
    by_database: HashMap<usize, HashMap<Box<[u8]>, Queue>>,
    last_ticket: u64,
}

impl Waiters {
    /// A ticket later than all before.
    pub fn draw_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// Has a client wait on a key, and maybe depend on it. Naming a key twice only makes it so.
    pub fn add(&mut self, waiter: Waiter, db: usize, key: &[u8], depends: bool) {
        let queue = self.by_database.entry(db).or_default().entry(key.into()).or_default();
        let again = |waiter: &mut Waiter| waiter.index = None;
        queue.clients.entry(waiter.ticket).and_modify(again).or_insert(waiter);
        if depends {
            queue.dependents.entry(waiter.ticket).and_modify(again).or_insert(waiter);
        }
    }

    /// Ends the waiting of a ticket's holder on keys of a database.
    pub fn remove(&mut self, ticket: u64, db: usize, keys: &[Box<[u8]>]) {
        let Some(queues) = self.by_database.get_mut(&db) else { return };
        for key in keys {
            let Some(queue) = queues.get_mut(key) else { continue };
            queue.clients.remove(&ticket);
            queue.dependents.remove(&ticket);
            if queue.clients.is_empty() {
                queues.remove(key);
                shrink(queues);
            }
        }
        if queues.is_empty() {
            self.by_database.remove(&db);
        }
    }

    /// Says that a key may be ready. True when somebody waits on it and it was not said before.
    pub fn signal(&mut self, db: usize, key: &[u8]) -> bool {
        let queue = self.by_database.get_mut(&db).and_then(|queues| queues.get_mut(key));
        queue.is_some_and(|queue| !std::mem::replace(&mut queue.signalled, true))
    }

    /// Takes back that a key may be ready: its waiters are looked at now.
    pub fn acknowledge(&mut self, db: usize, key: &[u8]) {
        if let Some(queue) = self.by_database.get_mut(&db).and_then(|queues| queues.get_mut(key)) {
            queue.signalled = false;
        }
    }

    /// The first client behind a ticket that waits on a key, or that depends on it as well. Tickets begin at 1.
    pub fn next_after(&self, ticket: u64, db: usize, key: &[u8], depends: bool) -> Option<Waiter> {
        let queue = self.by_database.get(&db)?.get(key)?;
        let clients = if depends { &queue.dependents } else { &queue.clients };
        let mut later = clients.range((Bound::Excluded(ticket), Bound::Unbounded));
        later.next().map(|(_, waiter)| *waiter)
    }

    /// How many keys somebody waits on.
    pub fn len(&self) -> usize {
        self.by_database.values().map(HashMap::len).sum()
    }

    /// How many of these keys have clients that give up when the key is gone.
    pub fn len_with_dependents(&self) -> usize {
        let queues = self.by_database.values().flat_map(HashMap::values);
        queues.filter(|queue| !queue.dependents.is_empty()).count()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.by_database.is_empty()
    }

    /// The keys of a database that are waited on.
    pub fn keys(&self, db: usize) -> Vec<Box<[u8]>> {
        self.by_database.get(&db).map(|queues| queues.keys().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(waiters: &Waiters, key: &[u8]) -> Vec<usize> {
        let next = |ticket| waiters.next_after(ticket, 0, key, false);
        std::iter::successors(next(0), |waiter| next(waiter.ticket)).map(|waiter| waiter.client).collect()
    }

    #[test]
    fn the_longest_waiting_comes_first_on_every_key() {
        let mut waiters = Waiters::default();
        for client in [7, 3, 5] {
            let ticket = waiters.draw_ticket();
            for (index, key) in [b"one", b"two", b"one"].into_iter().enumerate() {
                let waiter = Waiter { ticket, client, index: Some(index) };
                waiters.add(waiter, 0, key, client == 5 && key == b"one");
            }
        }
        assert_eq!(order(&waiters, b"one"), [7, 3, 5]);
        waiters.remove(1, 0, &[b"one".as_slice().into()]);
        assert_eq!(order(&waiters, b"one"), [3, 5]);
        assert_eq!(order(&waiters, b"two"), [7, 3, 5]);
        assert_eq!(waiters.next_after(0, 1, b"two", false), None);
        assert_eq!(waiters.next_after(0, 0, b"one", true), Some(Waiter { ticket: 3, client: 5, index: None }));
        assert_eq!(waiters.next_after(0, 0, b"two", true), None);
        let second = waiters.next_after(0, 0, b"two", false).and_then(|waiter| waiter.index);
        assert_eq!(second, Some(1), "the place of a key that was named once");
        waiters.remove(3, 0, &[b"one".as_slice().into()]);
        assert_eq!(waiters.next_after(0, 0, b"one", true), None);
    }

    #[test]
    fn a_signal_counts_once_until_it_is_acknowledged() {
        let mut waiters = Waiters::default();
        assert!(!waiters.signal(0, b"key"));
        waiters.add(Waiter { ticket: 1, client: 1, index: Some(0) }, 0, b"key", false);
        assert!(waiters.signal(0, b"key"));
        assert!(!waiters.signal(0, b"key"));
        waiters.acknowledge(0, b"key");
        assert!(waiters.signal(0, b"key"));
    }

    #[test]
    fn nothing_is_left_of_keys_nobody_waits_on() {
        let mut waiters = Waiters::default();
        waiters.add(Waiter { ticket: 1, client: 1, index: Some(0) }, 3, b"key", false);
        assert_eq!(waiters.keys(3).len(), 1);
        waiters.remove(1, 3, &[b"key".as_slice().into(), b"other".as_slice().into()]);
        assert!(waiters.is_empty());
        assert!(waiters.keys(3).is_empty());
    }
}
