//! Which arrays of buckets several tables have, and how many do: see [`super::lent`].

use std::collections::hash_map::Entry;
use std::ptr::NonNull;

use crate::util::address_hash::AddressMap;

/// How many tables have an array of buckets, of those that more than one has.
#[derive(Default)]
pub struct Loans(AddressMap<u32>);

impl Loans {
    /// One more table has these.
    pub fn lend(&mut self, arrays: &[NonNull<u8>]) {
        self.0.reserve(arrays.len());
        arrays.iter().for_each(|array| *self.0.entry(array.addr().get()).or_insert(1) += 1);
    }

    /// Whether more than one table has an array.
    pub fn have(&self, array: NonNull<u8>) -> bool {
        self.0.contains_key(&array.addr().get())
    }

    /// One table fewer has an array; false if none other has it.
    pub fn give_back(&mut self, array: NonNull<u8>) -> bool {
        let Entry::Occupied(mut tables) = self.0.entry(array.addr().get()) else { return false };
        *tables.get_mut() -= 1;
        if *tables.get() == 1 {
            tables.remove();
            if self.0.is_empty() {
                self.0 = AddressMap::default();
            }
        }
        true
    }
}
