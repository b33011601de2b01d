//! What a group has delivered and nobody has acknowledged.
//!
//! It stands in the order of ids, since most is asked for by id. Who claims what has been idle for long asks by time,
//! again and again: for the first of them all is sorted by time as well, and kept so from then on. Groups that nobody
//! claims from in this way don't pay for it.

use std::collections::{BTreeMap, BTreeSet};

use super::StreamId;

/// The number of a consumer within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerId(pub(super) u32);

/// When an entry was delivered last, how often, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Unix milliseconds.
    pub time_ms: i64,
    /// How often; never negative.
    pub count: i64,
    /// Who has to acknowledge it; `None` if it was handed back, and nobody has to.
    pub consumer: Option<ConsumerId>,
}

/// Deliveries by the ids of their entries.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    by_id: BTreeMap<StreamId, Delivery>,
    /// When each that has a consumer was delivered last, once that was asked for.
    by_time: Option<BTreeSet<(i64, StreamId)>>,
    nacked: Nacked,
}

/// What has no consumer, in the order in which it lost it.
#[derive(Clone, Debug, Default)]
struct Nacked {
    ids: BTreeMap<u64, StreamId>,
    places: BTreeMap<StreamId, u64>,
    /// The place of the next one.
    next: u64,
}

impl Nacked {
    fn push(&mut self, id: StreamId) {
        self.ids.insert(self.next, id);
        self.places.insert(id, self.next);
        self.next += 1;
    }

    fn remove(&mut self, id: StreamId) {
        if let Some(place) = self.places.remove(&id) {
            self.ids.remove(&place);
        }
    }
}

impl Pending {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// That of an entry.
    pub fn get(&self, id: StreamId) -> Option<&Delivery> {
        self.by_id.get(&id)
    }

    /// Those from an id on.
    pub fn from(&self, from: StreamId) -> impl DoubleEndedIterator<Item = (StreamId, &Delivery)> {
        self.by_id.range(from..).map(|(id, delivery)| (*id, delivery))
    }

    /// Those in front of an id.
    pub fn before(&self, end: StreamId) -> impl Iterator<Item = (StreamId, &Delivery)> {
        self.by_id.range(..end).map(|(id, delivery)| (*id, delivery))
    }

    /// Sets that of an entry; returns the one it had before.
    pub fn insert(&mut self, id: StreamId, delivery: Delivery) -> Option<Delivery> {
        let before = self.by_id.insert(id, delivery);
        if let Some(before) = &before {
            self.take_from_order(id, before);
        }
        match (delivery.consumer, &mut self.by_time) {
            (None, _) => self.nacked.push(id),
            (Some(_), Some(by_time)) => _ = by_time.insert((delivery.time_ms, id)),
            (Some(_), None) => {}
        }
        before
    }

    /// Takes that of an entry.
    pub fn remove(&mut self, id: StreamId) -> Option<Delivery> {
        let delivery = self.by_id.remove(&id)?;
        self.take_from_order(id, &delivery);
        Some(delivery)
    }

    fn take_from_order(&mut self, id: StreamId, delivery: &Delivery) {
        match (delivery.consumer, &mut self.by_time) {
            (None, _) => self.nacked.remove(id),
            (Some(_), Some(by_time)) => _ = by_time.remove(&(delivery.time_ms, id)),
            (Some(_), None) => {}
        }
    }

    /// How many have no consumer.
    pub fn nacked_len(&self) -> usize {
        self.nacked.ids.len()
    }

    /// Those without a consumer, the one that lost it first in front.
    pub fn nacked(&self) -> impl Iterator<Item = (StreamId, &Delivery)> {
        self.nacked.ids.values().filter_map(|id| Some((*id, self.by_id.get(id)?)))
    }

    /// Sorts by time, as [`Pending::idle`] needs it.
    pub fn sort_by_time(&mut self) {
        let owned = self.by_id.iter().filter(|(_, delivery)| delivery.consumer.is_some());
        self.by_time.get_or_insert_with(|| owned.map(|(id, delivery)| (delivery.time_ms, *id)).collect());
    }

    /// Those without a consumer, and those that were delivered last at `until_ms` or before, the earliest first.
    pub fn idle(&self, until_ms: i64) -> impl Iterator<Item = (StreamId, &Delivery)> {
        let by_time = self.by_time.iter().flat_map(move |by_time| by_time.range(..=(until_ms, StreamId::MAX)));
        let owned = by_time.filter_map(|(_, id)| Some((*id, self.by_id.get(id)?)));
        self.nacked().chain(owned)
    }

    /// When the first of all will have been idle for so long, in Unix milliseconds; `None` for never.
    pub fn next_idle_ms(&self, idle_ms: i64) -> Option<i64> {
        if self.nacked_len() > 0 {
            return Some(0);
        }
        let earliest = match &self.by_time {
            Some(by_time) => by_time.first().map(|(time_ms, _)| *time_ms),
            None => self.by_id.values().map(|delivery| delivery.time_ms).min(),
        };
        earliest?.checked_add(idle_ms)
    }

    /// The memory it owns, about.
    pub fn heap_bytes(&self) -> usize {
        let sorted = self.by_time.as_ref().map_or(0, |by_time| by_time.len() * size_of::<(i64, StreamId)>());
        let nacked = self.nacked_len() * 2 * size_of::<(u64, StreamId)>();
        (self.by_id.len() * size_of::<(StreamId, Delivery)>() + sorted + nacked) * 3 / 2
    }
}
