//! A big hash: a table of fields, and those that expire in the order of their times.
//!
//! The index has the time and the table's hash of each field that expires; that finds the field again without its
//! name. Two fields that agree in both share an entry, which goes with the last of them.

use std::collections::BTreeSet;
use std::num::NonZeroI64;

use super::field::{Field, FieldRef};
use super::{FieldExpiry, Pair};
use crate::types::listpack::Element;
use crate::types::sharing::{Share, Told};
use crate::types::table::{Iter, Probe, SlotMut, Statistics, Table};
use crate::util::key_hash::HashSeed;
use crate::util::random::Random;

/// About what an entry of the index takes, in bytes.
const INDEX_ENTRY_BYTES: usize = 24;
/// How many fields are looked up at a time.
const BATCH: usize = 16;

/// A big hash.
pub struct BigHash {
    fields: Table<Field>,
    by_expiry: BTreeSet<(i64, u64)>,
    /// The keyspace's note; see [`crate::types::ExpiringParts`].
    pub planned: Option<NonZeroI64>,
}

impl Default for BigHash {
    fn default() -> Self {
        Self { fields: Table::new(HashSeed::of_process()), by_expiry: BTreeSet::new(), planned: None }
    }
}

impl Share for BigHash {
    fn copy(&self, told: &Told) -> Self {
        Self { fields: self.fields.copy(told), by_expiry: self.by_expiry.clone(), planned: None }
    }

    fn told(&mut self) {
        self.fields.told();
    }
}

impl BigHash {
    /// Makes room for so many fields, if it is empty.
    pub fn reserve(&mut self, fields: usize) {
        self.fields.reserve(fields);
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// When the first field expires.
    #[inline]
    pub fn next_expiry(&self) -> Option<i64> {
        self.by_expiry.first().map(|(at, _)| *at)
    }

    /// A field.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<FieldRef<'_>> {
        self.fields.find(self.fields.hash(field), field)
    }

    /// Sets a field; whether it is new.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: &[u8], expiry: FieldExpiry) -> bool {
        let hash = self.fields.hash(field);
        match self.fields.probe(hash, field) {
            Probe::Found(mut slot) => {
                let old = slot.view().expiry();
                let new = expiry.after(old);
                slot.update(|field| field.set(value, new));
                self.reindex(hash, old, new);
                false
            }
            Probe::Vacant(slot) => {
                let new = expiry.after(None);
                slot.insert(Field::new(field, value, new));
                self.reindex(hash, None, new);
                true
            }
        }
    }

    /// Sets or removes the expiry of a field, if it is there.
    pub fn set_expiry(&mut self, field: &[u8], expiry: Option<i64>) {
        let hash = self.fields.hash(field);
        if let Some(mut slot) = self.fields.find_mut(hash, field) {
            let old = slot.view().expiry();
            slot.update(|field| field.set_expiry(expiry));
            self.reindex(hash, old, expiry);
        }
    }

    /// See `Hash::expire_each`.
    pub fn expire_each<'f>(
        &mut self,
        mut names: impl Iterator<Item = &'f [u8]>,
        at: i64,
        now_ms: i64,
        mut each: impl FnMut(&'f [u8], Option<Element<'_>>),
    ) {
        // Fields lie anywhere, so they are asked for some time before they are needed.
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.extend(names.by_ref().take(BATCH).map(|name| (self.fields.hash(name), name)));
            if batch.is_empty() {
                return;
            }
            batch.iter().for_each(|(hash, _)| self.fields.prefetch_bucket(*hash));
            batch.iter().for_each(|(hash, _)| self.fields.prefetch_item(*hash));
            for (hash, name) in batch.drain(..) {
                let Some(mut slot) = self.fields.find_mut(hash, name).filter(|slot| !pair(slot.view()).is_due(now_ms))
                else {
                    each(name, None);
                    continue;
                };
                let Pair { value, expiry: old, .. } = pair(slot.view());
                each(name, Some(value));
                slot.update(|field| field.set_expiry(Some(at)));
                self.reindex(hash, old, Some(at));
            }
        }
    }

    /// Removes a field; whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let hash = self.fields.hash(field);
        let removed = self.fields.find_mut(hash, field).map(SlotMut::remove);
        if let Some(removed) = &removed {
            self.reindex(hash, removed.view().expiry(), None);
        }
        removed.is_some()
    }

    /// Brings the index up to date with a field that had one expiry and has another.
    #[inline]
    fn reindex(&mut self, hash: u64, old: Option<i64>, new: Option<i64>) {
        if old == new {
            return;
        }
        if let Some(new) = new {
            self.by_expiry.insert((new, hash));
        }
        if let Some(old) = old
            && self.with_expiry(hash, old).is_none()
        {
            self.by_expiry.remove(&(old, hash));
        }
    }

    fn with_expiry(&mut self, hash: u64, at: i64) -> Option<SlotMut<'_, Field>> {
        self.fields.find_matching(hash, |field| field.expiry() == Some(at))
    }

    /// Removes fields whose time has come, at most as many; their names go to `removed`.
    pub fn remove_due(&mut self, now_ms: i64, most: usize, mut removed: impl FnMut(&[u8])) {
        let mut count = 0;
        while count < most
            && let Some(&(at, hash)) = self.by_expiry.first()
            && at < now_ms
        {
            if let Some(field) = self.with_expiry(hash, at).map(SlotMut::remove) {
                removed(field.view().name());
                count += 1;
            }
            if self.with_expiry(hash, at).is_none() {
                self.by_expiry.pop_first();
            }
        }
    }

    /// All fields.
    pub fn pairs(&self) -> BigPairs<'_> {
        BigPairs(self.fields.iter())
    }

    /// A field chosen at random.
    pub fn random(&self, random: &mut Random) -> Option<Pair<'_>> {
        self.fields.random(random).map(pair)
    }

    /// See [`Table::scan`].
    pub fn scan<'a>(&'a self, cursor: u64, mut emit: impl FnMut(Pair<'a>)) -> u64 {
        self.fields.scan(cursor, |field| emit(pair(field)))
    }

    /// The memory it owns, see [`crate::types::Collection::heap_bytes`].
    pub fn heap_bytes(&self, samples: usize) -> usize {
        let looked_at = if samples == 0 { self.len() } else { samples.min(self.len()) };
        let sum: usize = self.fields.iter().take(looked_at).map(FieldRef::heap_bytes).sum();
        let fields = (sum as f64 / looked_at.max(1) as f64 * self.len() as f64) as usize;
        self.fields.overhead_bytes() + fields + self.by_expiry.len() * INDEX_ENTRY_BYTES
    }

    /// The figures of DEBUG HTSTATS-KEY.
    pub fn statistics(&self) -> Statistics {
        self.fields.statistics()
    }
}

#[inline]
fn pair(field: FieldRef<'_>) -> Pair<'_> {
    Pair { field: Element::Bytes(field.name()), value: Element::Bytes(field.value()), expiry: field.expiry() }
}

/// The fields of a big hash.
pub struct BigPairs<'a>(Iter<'a, Field, HashSeed>);

impl<'a> Iterator for BigPairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        self.0.next().map(pair)
    }
}
