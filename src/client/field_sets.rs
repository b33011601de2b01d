//! The field sets of a client: names of fields that it has told once, for the hashes whose values it sends afterwards.

use std::collections::HashMap;

use crate::types::hash::FieldSet;

/// About what a set takes in the table, in bytes.
const PLACE_BYTES: usize = 64;

/// The field sets that a client has prepared, by their names.
#[derive(Debug, Default)]
pub struct FieldSets {
    sets: HashMap<Box<[u8]>, FieldSet>,
    bytes: usize,
}

fn bytes_of(name: &[u8], set: &FieldSet) -> usize {
    PLACE_BYTES + name.len() + set.own_bytes() + set.name_bytes()
}

impl FieldSets {
    /// Bytes they take. What other clients and keys share with them counts in full.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes they would take with another one.
    pub fn bytes_with(&self, name: &[u8], set: &FieldSet) -> usize {
        self.bytes + bytes_of(name, set)
    }

    /// The set of a name.
    pub fn get(&self, name: &[u8]) -> Option<&FieldSet> {
        self.sets.get(name)
    }

    /// Keeps a set under a name, in the place of the one that has it.
    pub fn insert(&mut self, name: &[u8], set: FieldSet) {
        self.remove(name);
        self.bytes += bytes_of(name, &set);
        self.sets.insert(name.into(), set);
    }

    /// Forgets a set; whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let removed = self.sets.remove(name);
        self.bytes -= removed.as_ref().map_or(0, |set| bytes_of(name, set));
        removed.is_some()
    }

    /// The number of sets.
    pub fn len(&self) -> usize {
        self.sets.len()
    }
}
