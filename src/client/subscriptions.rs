//! What one client is subscribed to.

use std::collections::HashMap;

use crate::util::shrink::shrink;

/// Bytes a name takes besides its own.
const NAME_BYTES: usize = size_of::<(Box<[u8]>, u64)>();

/// A set of names that remembers the order in which they came.
#[derive(Debug, Default)]
pub struct Names {
    by_name: HashMap<Box<[u8]>, u64>,
    last: u64,
    bytes: usize,
}

impl Names {
    /// Adds a name; false when it was there.
    pub fn insert(&mut self, name: &[u8]) -> bool {
        if self.by_name.contains_key(name) {
            return false;
        }
        self.last += 1;
        self.by_name.insert(name.into(), self.last);
        self.bytes += name.len() + NAME_BYTES;
        true
    }

    /// Removes a name; false when it was not there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let known = self.by_name.remove(name).is_some();
        if known {
            self.bytes -= name.len() + NAME_BYTES;
            shrink(&mut self.by_name);
        }
        known
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The names, oldest first.
    pub fn in_order(&self) -> Vec<Box<[u8]>> {
        let mut names: Vec<(u64, &Box<[u8]>)> = self.by_name.iter().map(|(name, at)| (*at, name)).collect();
        names.sort_unstable_by_key(|(at, _)| *at);
        names.into_iter().map(|(_, name)| name.clone()).collect()
    }

    /// Bytes of all names.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a client is subscribed to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// Channels.
    pub channels: Names,
    /// Patterns.
    pub patterns: Names,
    /// Shard channels.
    pub shard_channels: Names,
}

impl Subscriptions {
    /// The number that replies to SUBSCRIBE and PSUBSCRIBE carry.
    pub fn count(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count() + self.shard_channels.len() == 0
    }

    /// Bytes it takes, roughly.
    pub fn bytes(&self) -> usize {
        self.channels.bytes() + self.patterns.bytes() + self.shard_channels.bytes()
    }
}
