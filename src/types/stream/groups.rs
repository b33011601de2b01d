//! Consumer groups: how far each has read, and what its consumers have yet to acknowledge.
//!
//! What is pending stands once in the group, ordered by id, with the time and number of its deliveries and the number
//! of its consumer; a consumer has only the ids of its share. So a pending entry takes 56 bytes besides the trees'
//! slack, and to hand it over to another consumer moves one id.
//!
//! Copies of a stream have its groups in common; one that is changed meanwhile is copied with all that is pending.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use slab::Slab;

use super::log::Place;
use super::pending::{ConsumerId, Delivery, Pending};
use super::{Log, StreamId};
use crate::types::sharing::Sharing;
use crate::types::uncommon::{self, Uncommon};

/// The groups of a stream, by name.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    by_name: BTreeMap<Box<[u8]>, Sharing<Group>>,
}

impl Groups {
    /// A group.
    pub fn get(&self, name: &[u8]) -> Option<&Group> {
        self.by_name.get(name).map(|group| &**group)
    }

    /// A group, to change it.
    pub fn get_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.by_name.get_mut(name).map(|group| &mut **group)
    }

    /// Adds a group that has read up to an id; `None` if there is one of that name.
    pub fn create(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> Option<&mut Group> {
        match self.by_name.entry(name.into()) {
            btree_map::Entry::Occupied(_) => None,
            btree_map::Entry::Vacant(vacant) => {
                let group = Group { last_id, entries_read, ..Group::default() };
                Some(vacant.insert(Sharing::new(group)))
            }
        }
    }

    /// So many entries were ever added: no group has read more of them. Newer Redis loads no file that says so.
    pub fn limit_entries_read(&mut self, entries_added: u64) {
        for group in self.by_name.values_mut() {
            group.entries_read = group.entries_read.map(|read| read.min(entries_added));
        }
    }

    /// Removes a group with all it has; whether it was there.
    pub fn destroy(&mut self, name: &[u8]) -> bool {
        self.by_name.remove(name).is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The groups in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.by_name.iter().map(|(name, group)| (&**name, &**group))
    }

    /// Whether some group has yet to read an entry, or to acknowledge it.
    pub fn need(&self, id: StreamId) -> bool {
        self.by_name.values().any(|group| id > group.last_id || group.pending.get(id).is_some())
    }

    /// Has all groups forget what is pending of the ids before one.
    pub fn forget_before(&mut self, end: StreamId) {
        for group in self.by_name.values_mut() {
            let pending: Vec<StreamId> = group.pending.before(end).map(|(id, _)| id).collect();
            pending.into_iter().for_each(|id| _ = group.acknowledge(id));
        }
    }

    /// Has all groups forget that an entry is pending; whether it was anywhere.
    pub fn forget(&mut self, id: StreamId) -> bool {
        let mut forgotten = false;
        for group in self.by_name.values_mut() {
            forgotten |= group.acknowledge(id);
        }
        forgotten
    }
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its name.
    pub name: Box<[u8]>,
    /// When it last tried to read or to claim something, in Unix milliseconds.
    pub seen_ms: i64,
    /// When it last got something to acknowledge, in Unix milliseconds; `None` if it never has.
    pub active_ms: Option<i64>,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    fn new(name: &[u8], seen_ms: i64) -> Self {
        Self { name: name.into(), seen_ms, active_ms: None, pending: BTreeSet::new() }
    }

    /// How many entries it has to acknowledge.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }
}

/// A consumer group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The id up to which it has read.
    pub last_id: StreamId,
    /// How many entries it has read, counted from the first that the stream ever had; unknown if it has jumped.
    pub entries_read: Option<u64>,
    /// Where it has read up to, which is of use as long as that is `last_id`.
    pub place: Place,
    pending: Pending,
    consumers: Slab<Consumer>,
    /// The consumers' numbers in the order of their names.
    by_name: Vec<u32>,
}

impl Group {
    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.by_name.binary_search_by(|number| (*self.consumers[*number as usize].name).cmp(name))
    }

    /// The consumer of that name.
    pub fn consumer_id(&self, name: &[u8]) -> Option<ConsumerId> {
        self.find(name).ok().map(|place| ConsumerId(self.by_name[place]))
    }

    /// A consumer. Numbers are good as long as it is not deleted.
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        &self.consumers[id.0 as usize]
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = (ConsumerId, &Consumer)> {
        self.by_name.iter().map(|number| (ConsumerId(*number), &self.consumers[*number as usize]))
    }

    /// Adds a consumer, seen just now; `None` if there is one of that name.
    pub fn create_consumer(&mut self, name: &[u8], now_ms: i64) -> Option<ConsumerId> {
        let place = self.find(name).err()?;
        let number = self.consumers.insert(Consumer::new(name, now_ms)) as u32;
        self.by_name.insert(place, number);
        Some(ConsumerId(number))
    }

    /// Says when a consumer was last active.
    pub fn set_active(&mut self, consumer: ConsumerId, active_ms: Option<i64>) {
        self.consumers[consumer.0 as usize].active_ms = active_ms;
    }

    /// Notes that a consumer was seen, and creates it if need be; the flag tells whether it is new.
    pub fn meet(&mut self, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
        match self.find(name) {
            Ok(place) => {
                let number = self.by_name[place];
                self.consumers[number as usize].seen_ms = now_ms;
                (ConsumerId(number), false)
            }
            Err(place) => {
                let number = self.consumers.insert(Consumer::new(name, now_ms)) as u32;
                self.by_name.insert(place, number);
                (ConsumerId(number), true)
            }
        }
    }

    /// Removes a consumer and what it has pending; returns how much that was. `None` if there is none of that name.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let place = self.find(name).ok()?;
        let number = self.by_name.remove(place);
        let consumer = self.consumers.remove(number as usize);
        for id in &consumer.pending {
            self.pending.remove(*id);
        }
        Some(consumer.pending.len())
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is pending, from an id on.
    pub fn pending(&self, from: StreamId) -> impl DoubleEndedIterator<Item = (StreamId, &Delivery)> {
        self.pending.from(from)
    }

    /// What a consumer has pending, from an id on.
    pub fn pending_of(&self, consumer: ConsumerId, from: StreamId) -> impl Iterator<Item = (StreamId, &Delivery)> {
        let ids = self.consumer(consumer).pending.range(from..);
        ids.filter_map(|id| self.pending.get(*id).map(|delivery| (*id, delivery)))
    }

    /// How an entry was delivered, if it is pending.
    pub fn delivery(&self, id: StreamId) -> Option<&Delivery> {
        self.pending.get(id)
    }

    /// What was handed back, and what has been pending for at least so long, the longest first.
    pub fn idle(&mut self, idle_ms: i64, now_ms: i64) -> impl Iterator<Item = (StreamId, &Delivery)> {
        self.pending.sort_by_time();
        self.pending.idle(now_ms.saturating_sub(idle_ms))
    }

    /// When [`Group::idle`] will have something to tell, in Unix milliseconds; `None` for never.
    pub fn next_idle_ms(&self, idle_ms: i64) -> Option<i64> {
        self.pending.next_idle_ms(idle_ms)
    }

    /// Notes a delivery, whether the entry was pending or not.
    pub fn deliver(&mut self, id: StreamId, delivery: Delivery) {
        let before = self.pending.insert(id, delivery);
        let owner = before.and_then(|before| before.consumer);
        if owner == delivery.consumer {
            return;
        }
        if let Some(owner) = owner {
            self.consumers[owner.0 as usize].pending.remove(&id);
        }
        if let Some(owner) = delivery.consumer {
            self.consumers[owner.0 as usize].pending.insert(id);
        }
    }

    /// Notes that an entry was handed back, whether it was pending or not: it belongs to no consumer and waits for the
    /// next one, as one that was delivered so often.
    pub fn nack(&mut self, id: StreamId, count: i64) {
        uncommon::note_made(Uncommon::HandedBack);
        self.deliver(id, Delivery { time_ms: 0, count, consumer: None });
    }

    /// How many entries were handed back.
    pub fn nacked_len(&self) -> usize {
        self.pending.nacked_len()
    }

    /// What was handed back, in that order.
    pub fn nacked(&self) -> impl Iterator<Item = (StreamId, &Delivery)> {
        self.pending.nacked()
    }

    /// The name of the consumer that a delivery belongs to; that of nobody is empty.
    pub fn owner(&self, delivery: &Delivery) -> &[u8] {
        delivery.consumer.map_or(b"", |consumer| &self.consumer(consumer).name)
    }

    /// An entry is pending no more; whether it was.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(delivery) = self.pending.remove(id) else { return false };
        if let Some(owner) = delivery.consumer {
            self.consumers[owner.0 as usize].pending.remove(&id);
        }
        true
    }

    /// Notes that the group has read on, up to the entry of an id.
    pub fn advance(&mut self, log: &Log, id: StreamId) {
        let counts = self.last_id >= log.first_id() && !log.has_gaps_from(self.last_id);
        if let Some(read) = self.entries_read.filter(|_| counts) {
            self.entries_read = Some(read.saturating_add(1).min(log.entries_added));
        } else if log.entries_added > 0 {
            self.entries_read = log.added_up_to(id);
        }
        self.last_id = id;
    }

    /// How many entries it has yet to read; `None` if nobody knows.
    pub fn lag(&self, log: &Log) -> Option<i64> {
        if log.len() == 0 {
            return Some(0);
        }
        // Before the first entry what was read does not count: some that were not may have been trimmed away.
        if self.last_id < log.first_id() && log.max_deleted_id < log.first_id() {
            return Some(log.len() as i64);
        }
        let known = self.entries_read.filter(|_| !log.has_gaps_from(self.last_id));
        let read = known.or_else(|| log.added_up_to(self.last_id))?;
        Some(log.entries_added.saturating_sub(read) as i64)
    }

    /// The memory it owns, about.
    pub fn heap_bytes(&self) -> usize {
        let consumer_bytes = size_of::<Consumer>() + 2 * size_of::<usize>();
        let names: usize = self.consumers.iter().map(|(_, consumer)| consumer.name.len() + consumer_bytes).sum();
        names + self.pending.heap_bytes() + self.pending.len() * size_of::<StreamId>() * 3 / 2
    }
}

impl Log {
    /// Whether an entry from an id on was deleted one by one, as far as is known.
    fn has_gaps_from(&self, from: StreamId) -> bool {
        let deleted = self.max_deleted_id;
        self.len() > 0 && deleted != StreamId::MIN && self.first_id() <= deleted && from <= deleted
    }

    /// How many entries were added up to an id, that one included; `None` if that is not known any more.
    pub fn added_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.len() == 0 && id < self.last_id) {
            return Some(self.entries_added);
        }
        let first = self.first_id();
        let gaps = self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= first;
        if id > first || gaps {
            return None;
        }
        let gone = self.entries_added.wrapping_sub(self.len());
        Some(if id == first { gone.wrapping_add(1) } else { gone })
    }
}
