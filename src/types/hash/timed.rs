//! A small hash some fields of which expire: a listpack of triples, as Redis keeps it.
//!
//! ```text
//! field value time | field value time | …      time in Unix milliseconds; 0: never
//! ```
//! Those that expire stand first, the soonest before all, so that what is due is at hand; new fields that don't expire
//! come at the end.

use std::num::NonZeroI64;

use super::{FieldExpiry, Pair};
use crate::types::listpack::{Element, Elements, Position, ThinListpack};

/// Parts of a field.
pub const PARTS: usize = 3;
const NEVER: i64 = 0;

/// A small hash some fields of which expire.
#[derive(Clone, Debug, Default)]
pub struct TimedPack {
    triples: ThinListpack,
    /// The keyspace's note; see [`crate::types::ExpiringParts`].
    pub planned: Option<NonZeroI64>,
}

impl TimedPack {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.triples.len() / PARTS
    }

    /// All bytes of the listpack.
    pub fn bytes(&self) -> &[u8] {
        self.triples.bytes()
    }

    /// The memory it owns.
    pub fn capacity(&self) -> usize {
        self.triples.capacity()
    }

    /// Whether it may grow by as many bytes of text in two elements.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.triples.has_room_for(bytes)
    }

    /// When the first field expires.
    pub fn next_expiry(&self) -> Option<i64> {
        self.pairs().next().and_then(|pair| pair.expiry)
    }

    /// A field.
    pub fn get(&self, field: &[u8]) -> Option<Pair<'_>> {
        let at = self.find(field)?;
        Triples(self.triples.iter_from(at)).next()
    }

    /// All fields.
    pub fn pairs(&self) -> Triples<'_> {
        Triples(self.triples.iter())
    }

    /// A field by its place.
    pub fn nth(&self, index: usize) -> Option<Pair<'_>> {
        let at = self.triples.seek((index * PARTS) as isize)?;
        Triples(self.triples.iter_from(at)).next()
    }

    fn find(&self, field: &[u8]) -> Option<Position> {
        self.triples.find(field, self.triples.first()?, PARTS)
    }

    /// Sets a field; whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], expiry: FieldExpiry) -> bool {
        let old = self.find(field);
        let old_expiry = self.get(field).and_then(|pair| pair.expiry);
        let new_expiry = expiry.after(old_expiry);
        match old {
            Some(at) if old_expiry == new_expiry => {
                if let Some(value_at) = self.triples.next(at) {
                    self.triples.replace(value_at, Element::of(value));
                }
            }
            Some(at) => {
                self.triples.remove_many(at, PARTS);
                self.insert(field, Element::of(value), new_expiry);
            }
            None => self.insert(field, Element::of(value), new_expiry),
        }
        old.is_none()
    }

    /// Sets or removes the expiry of a field, if it is there.
    pub fn set_expiry(&mut self, field: &[u8], expiry: Option<i64>) {
        let Some((at, pair)) = self.find(field).zip(self.get(field)) else { return };
        if pair.expiry != expiry {
            let value = pair.value.to_vec();
            self.triples.remove_many(at, PARTS);
            self.insert(field, Element::of(&value), expiry);
        }
    }

    /// Puts a field in that is not there, at its place.
    pub fn insert(&mut self, field: &[u8], value: Element<'_>, expiry: Option<i64>) {
        let time = Element::Int(expiry.unwrap_or(NEVER));
        let at = match expiry {
            None => self.triples.end(),
            Some(_) => self.place_of(expiry),
        };
        self.triples.insert(at, &[Element::of(field), value, time]);
    }

    /// Where a field that expires then belongs: behind those that expire no later.
    fn place_of(&self, expiry: Option<i64>) -> Position {
        let mut rest = self.pairs();
        loop {
            let at = rest.0.position();
            match rest.next() {
                Some(pair) if pair.expiry.is_some() && pair.expiry <= expiry => {}
                _ => return at,
            }
        }
    }

    /// Removes a field; whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let found = self.find(field);
        found.map(|at| self.triples.remove_many(at, PARTS)).is_some()
    }

    /// Removes fields whose time has come, at most as many; their names go to `removed`.
    pub fn remove_due(&mut self, now_ms: i64, most: usize, mut removed: impl FnMut(&[u8])) {
        let due = self.pairs().take_while(|pair| pair.is_due(now_ms)).take(most);
        let count = due.map(|pair| removed(&pair.field.to_vec())).count();
        if let (Some(first), true) = (self.triples.first(), count > 0) {
            self.triples.remove_many(first, count * PARTS);
        }
    }
}

/// The fields of a pack of triples.
#[derive(Clone, Debug)]
pub struct Triples<'a>(Elements<'a>);

impl<'a> Triples<'a> {
    /// The elements of a listpack, by threes.
    pub fn of(pack: &'a ThinListpack) -> Self {
        Self(pack.iter())
    }
}

impl<'a> Iterator for Triples<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        let (field, value, time) = (self.0.next()?, self.0.next()?, self.0.next()?);
        Some(Pair { field, value, expiry: time.int().filter(|time| *time != NEVER) })
    }
}
