//! What is remembered for CLIENT TRACKING: who has read which key, who wants to know of which prefix. What that is for,
//! and how clients are told, stands in `server::clients::tracking`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use crate::net::ClientKey;

/// Which of the keys a client reads are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CachingMode {
    /// All.
    #[default]
    All,
    /// Those read by the command behind a CLIENT CACHING YES.
    OptIn,
    /// All but those read by the command behind a CLIENT CACHING NO.
    OptOut,
}

/// Another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: u64,
    /// Its place, as long as it is connected.
    pub key: ClientKey,
}

/// How a client wants to track.
#[derive(Debug, Default)]
pub struct Options {
    /// Who is told.
    pub redirect: Option<Target>,
    /// Changes of all keys with a prefix are told.
    pub broadcast: bool,
    /// Which keys are remembered.
    pub choice: CachingMode,
    /// The client's own changes are not told.
    pub noloop: bool,
}

/// A client's tracking.
#[derive(Debug, Default)]
pub struct ClientTracking {
    /// As it was asked for.
    pub options: Options,
    /// CLIENT CACHING was called: the next command is different.
    pub caching: bool,
    /// Who is to be told has gone.
    pub redirect_broken: bool,
    /// The prefixes, in broadcast mode.
    pub prefixes: BTreeSet<Box<[u8]>>,
    /// Bytes of these.
    prefix_bytes: usize,
}

impl ClientTracking {
    /// Bytes it takes, roughly.
    pub fn bytes(&self) -> usize {
        size_of::<ClientTracking>() + self.prefix_bytes
    }

    pub fn add_prefix(&mut self, prefix: &[u8]) {
        if self.prefixes.insert(prefix.into()) {
            self.prefix_bytes += size_of::<Box<[u8]>>() + prefix.len();
        }
    }

    /// Whether the keys are remembered that the client reads now.
    pub fn wants_keys(&self) -> bool {
        let chosen = match self.options.choice {
            CachingMode::All => true,
            CachingMode::OptIn => self.caching,
            CachingMode::OptOut => !self.caching,
        };
        chosen && !self.options.broadcast
    }
}

/// The ids of the clients that have read a key: mostly one.
#[derive(Debug)]
pub enum Readers {
    One(u64),
    #[allow(clippy::box_collection, reason = "most keys have one reader, whose number is shorter than a set")]
    Many(Box<BTreeSet<u64>>),
}

impl Readers {
    /// Adds a client; false when it was there.
    pub fn add(&mut self, id: u64) -> bool {
        match self {
            Readers::One(only) if *only == id => false,
            Readers::One(only) => {
                *self = Readers::Many(Box::new(BTreeSet::from([*only, id])));
                true
            }
            Readers::Many(ids) => ids.insert(id),
        }
    }

    pub fn ids(self) -> Vec<u64> {
        match self {
            Readers::One(id) => vec![id],
            Readers::Many(ids) => ids.into_iter().collect(),
        }
    }
}

/// A prefix somebody wants to be told about.
#[derive(Debug, Default)]
pub struct Prefix {
    /// The ids of those who do.
    pub clients: BTreeSet<u64>,
    /// The keys that have changed, each with the client that changed it last.
    pub changed: BTreeMap<Box<[u8]>, Option<u64>>,
}

/// Something to be told to clients: that a key has changed, or all.
#[derive(Debug)]
pub struct Invalidation {
    pub key: Option<Box<[u8]>>,
    pub receivers: Vec<u64>,
}

/// What is remembered for all clients.
#[derive(Debug, Default)]
pub struct Tracking {
    /// The clients that track, by id.
    pub clients: HashMap<u64, ClientKey>,
    pub keys: BTreeMap<Box<[u8]>, Readers>,
    /// How many readers all keys have together.
    pub items: usize,
    pub prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// Those of them that keys have changed with.
    pub changed: BTreeSet<Box<[u8]>>,
    pub invalidations: Vec<Invalidation>,
    /// The key last forgotten to make room.
    pub eviction_cursor: Box<[u8]>,
    /// How many times in a row there was not enough room.
    pub shortages: u32,
}

impl Tracking {
    /// How many clients track.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// How many readers of keys are remembered.
    pub fn items(&self) -> usize {
        self.items
    }

    /// How many prefixes are wanted.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// Notes a change of a key, and who has made it, with all prefixes that it has.
    pub fn note_change(&mut self, key: &[u8], by: Option<u64>) {
        let mut rest = key;
        // Of the prefixes that do not come behind the key the last one is it, or shows how long a shorter one may be.
        loop {
            let until = (Bound::Unbounded, Bound::Included(rest));
            let Some((prefix, state)) = self.prefixes.range_mut::<[u8], _>(until).next_back() else { return };
            let common = rest.iter().zip(prefix).take_while(|(one, other)| one == other).count();
            if common == prefix.len() {
                if state.changed.is_empty() {
                    self.changed.insert(prefix.clone());
                }
                state.changed.insert(key.into(), by);
                let Some(shorter) = common.checked_sub(1) else { return };
                rest = &rest[..shorter];
            } else {
                rest = &rest[..common];
            }
        }
    }

    pub fn remember(&mut self, key: &[u8], id: u64) {
        match self.keys.get_mut(key) {
            Some(readers) => self.items += usize::from(readers.add(id)),
            None => {
                self.keys.insert(key.into(), Readers::One(id));
                self.items += 1;
            }
        }
    }

    /// Forgets who has read a key, and has them told.
    pub fn forget(&mut self, key: &[u8], is_told: impl Fn(ClientKey) -> bool) {
        let Some((key, readers)) = self.keys.remove_entry(key) else { return };
        let readers = readers.ids();
        self.items -= readers.len();
        let receives = |id: &u64| self.clients.get(id).is_some_and(|client| is_told(*client));
        let receivers: Vec<u64> = readers.into_iter().filter(receives).collect();
        if !receivers.is_empty() {
            self.invalidations.push(Invalidation { key: Some(key), receivers });
        }
    }

    /// The next key to forget: one after the other, around and around.
    pub fn next_to_forget(&self) -> Option<Box<[u8]>> {
        let behind = (Bound::Excluded(&self.eviction_cursor), Bound::Unbounded);
        let next = self.keys.range::<Box<[u8]>, _>(behind).next().or_else(|| self.keys.first_key_value());
        next.map(|(key, _)| key.clone())
    }

    pub fn forget_all(&mut self) {
        self.keys.clear();
        self.items = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn invalidations(tracking: &mut Tracking) -> Vec<(String, Vec<u64>)> {
        let text = |key: Option<Box<[u8]>>| String::from_utf8_lossy(&key.unwrap_or_default()).into_owned();
        std::mem::take(&mut tracking.invalidations)
            .into_iter()
            .map(|invalidations| (text(invalidations.key), invalidations.receivers))
            .collect()
    }

    #[test]
    fn each_reader_of_a_key_is_told_once() {
        let mut tracking = Tracking { clients: HashMap::from([(1, 10), (2, 20), (3, 30)]), ..Tracking::default() };
        for (key, id) in [("a", 1), ("a", 2), ("a", 1), ("b", 1), ("c", 9)] {
            tracking.remember(key.as_bytes(), id);
        }
        assert_eq!((tracking.keys(), tracking.items()), (3, 4));
        tracking.forget(b"a", |client| client != 20);
        tracking.forget(b"a", |_| true);
        tracking.forget(b"c", |_| true);
        assert_eq!(invalidations(&mut tracking), [("a".to_owned(), vec![1])]);
        assert_eq!((tracking.keys(), tracking.items()), (1, 1));
    }

    proptest! {
        #[test]
        fn a_change_is_noted_with_each_prefix_of_the_key(
            prefixes in prop::collection::btree_set("[a-c]{0,4}", 0..12), keys in prop::collection::vec("[a-c]{0,6}", 1..6),
        ) {
            let mut tracking = Tracking::default();
            for prefix in &prefixes {
                tracking.prefixes.insert(prefix.as_bytes().into(), Prefix::default());
            }
            keys.iter().for_each(|key| tracking.note_change(key.as_bytes(), None));
            for (prefix, state) in &tracking.prefixes {
                let expected: BTreeSet<&[u8]> =
                    keys.iter().map(|key| key.as_bytes()).filter(|key| key.starts_with(prefix)).collect();
                prop_assert!(state.changed.keys().map(|key| &**key).eq(expected.iter().copied()));
                prop_assert_eq!(tracking.changed.contains(prefix), !expected.is_empty());
            }
        }
    }

    #[test]
    fn keys_are_forgotten_one_after_the_other() {
        let mut tracking = Tracking::default();
        for key in ["a", "b", "c"] {
            tracking.remember(key.as_bytes(), 1);
        }
        let mut order = String::new();
        for _ in 0..4 {
            let key = tracking.next_to_forget().unwrap();
            order.push_str(std::str::from_utf8(&key).unwrap());
            tracking.eviction_cursor = key;
        }
        assert_eq!(order, "abca");
        tracking.forget_all();
        assert_eq!(tracking.next_to_forget(), None);
    }
}
