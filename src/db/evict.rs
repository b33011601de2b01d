//! Eviction: choosing a key that can best be done without.
//!
//! Ordering all keys by their use would cost memory and time on each access, so the choice is an approximation, that of
//! Redis: a few random keys are looked at, the best candidates among them and those of earlier looks are kept in a
//! small pool, and the best of the pool goes. With a pool, ten samples come close to the true order.

use super::Key;
use super::entry::EntryView;
use super::keyspace::{Databases, NoteKind};
use crate::util::alloc::used_memory;

/// Candidates kept.
const POOL_MAX: usize = 16;

/// How often a key is drawn where some are not to be evicted.
const DRAWS_MAX: usize = 64;

/// By what a key is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// The longest unused goes.
    Recency,
    /// The least often used goes.
    Frequency,
    /// The one that expires first goes.
    TimeToLive,
    /// Any goes.
    Chance,
}

/// An eviction policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictionPolicy {
    /// Only keys that expire are considered.
    pub volatile: bool,
    /// See [`Judge`].
    pub judge: Judge,
    /// Keys looked at in a database for each that goes.
    pub samples: usize,
}

/// A key that may go.
#[derive(Debug)]
struct Candidate {
    /// The higher, the better it can be done without.
    score: u64,
    db: usize,
    key: Box<[u8]>,
}

/// The best candidates so far, by ascending score. They may have gone meanwhile.
#[derive(Debug, Default)]
pub struct EvictionPool(Vec<Candidate>);

impl EvictionPool {
    fn offer(&mut self, score: u64, db: usize, key: Box<[u8]>) {
        if self.0.len() == POOL_MAX && score <= self.0[0].score {
            return;
        }
        if self.0.iter().any(|known| known.db == db && known.key == key) {
            return;
        }
        if self.0.len() == POOL_MAX {
            self.0.remove(0);
        }
        let place = self.0.partition_point(|known| known.score < score);
        self.0.insert(place, Candidate { score, db, key });
    }
}

impl Databases {
    /// Deletes the key that a policy finds dispensable. How many bytes that freed, without those that it takes to tell
    /// of it; `None` when there is no key to consider.
    pub fn evict_one(&mut self, policy: EvictionPolicy) -> Option<usize> {
        let mut pool = std::mem::take(&mut self.eviction_pool);
        let victim = match policy.judge {
            Judge::Chance => self.any_key(policy),
            Judge::Recency | Judge::Frequency | Judge::TimeToLive => self.best_candidate(policy, &mut pool),
        };
        self.eviction_pool = pool;
        let (db, key) = victim?;
        let hashed = Key::new(&key);
        let before = used_memory();
        if let Some(entry) = self.database_mut(db).dict.remove(hashed.hash(), &key) {
            self.lazyfree.dispose(entry, self.lazyfree.lazily.eviction);
        }
        let freed = before.saturating_sub(used_memory());
        self.note(db, &hashed, NoteKind::Evicted);
        Some(freed)
    }

    /// A key of the next database that has one to consider.
    fn any_key(&mut self, policy: EvictionPolicy) -> Option<(usize, Box<[u8]>)> {
        for _ in 0..self.count() {
            let db = self.next_to_evict % self.count();
            self.next_to_evict = db + 1;
            let draws = if self.has_strays() { DRAWS_MAX } else { 1 };
            for _ in 0..draws {
                let Some(key) = self.sample(db, policy).map(|entry| Box::<[u8]>::from(entry.key())) else { break };
                if !self.is_stray(&key) {
                    return Some((db, key));
                }
            }
        }
        None
    }

    fn best_candidate(&mut self, policy: EvictionPolicy, pool: &mut EvictionPool) -> Option<(usize, Box<[u8]>)> {
        loop {
            let mut seen = 0;
            for db in 0..self.count() {
                for _ in 0..policy.samples {
                    let Some(entry) = self.sample(db, policy) else { break };
                    let (key, access, expire_at) = (Box::<[u8]>::from(entry.key()), entry.access(), entry.expire_at());
                    if self.is_stray(&key) {
                        continue;
                    }
                    pool.offer(self.score(access, expire_at, policy.judge), db, key);
                    seen += 1;
                }
            }
            if seen == 0 {
                return None;
            }
            while let Some(best) = pool.0.pop() {
                let key = Key::new(&best.key);
                let entry = self.database(best.db).dict.find(key.hash(), key.bytes());
                let blessed = self.database(best.db).dict.blessed().contains(key.hash(), key.bytes());
                let stays = blessed || self.is_stray(&best.key);
                if entry.is_some_and(|entry| !policy.volatile || entry.expire_at().is_some()) && !stays {
                    return Some((best.db, best.key));
                }
            }
        }
    }

    /// A random key to consider. Where most are not to be evicted, it may find none though there is one.
    fn sample(&mut self, db: usize, policy: EvictionPolicy) -> Option<EntryView<'_>> {
        let (dict, random) = self.dict_and_random(db);
        let mut draw = || if policy.volatile { dict.random_expiring(random) } else { dict.random(random) };
        if dict.blessed().is_empty() {
            return draw();
        }
        let may_go = |entry: &EntryView<'_>| !dict.blessed().contains_key(entry.key());
        (0..DRAWS_MAX).map_while(|_| draw()).find(may_go)
    }

    /// Whether there are keys that would have been evicted if they, or almost all of them, were not protected.
    pub fn protects_candidates(&self, policy: EvictionPolicy) -> bool {
        (0..self.count()).map(|db| &self.database(db).dict).any(|dict| {
            let candidates = if policy.volatile { dict.expires_len() } else { dict.len() };
            candidates > 0 && !dict.blessed().is_empty()
        })
    }

    fn score(&self, access: u32, expire_at: Option<i64>, judge: Judge) -> u64 {
        match judge {
            Judge::Recency => u64::from(self.idle_seconds(access)),
            Judge::Frequency => u64::from(255 - self.frequency(access).min(255)),
            Judge::TimeToLive => u64::MAX - expire_at.unwrap_or(i64::MAX).max(0) as u64,
            Judge::Chance => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Expiry;
    use crate::db::keyspace::NewString;

    fn filled(keys: usize) -> Databases {
        let mut db = Databases::new(4);
        for number in 0..keys {
            // A key is used at the second of its number; every other one expires, the later the higher.
            db.begin_command(number % 2, number as i64 * 1000);
            let expiry = if number % 4 < 2 { Expiry::At(1_000_000_000 + number as i64) } else { Expiry::Clear };
            let name = format!("key:{number}");
            db.set(&Key::new(name.as_bytes()), NewString::Bytes(b"x"), expiry);
        }
        db.begin_command(0, keys as i64 * 1000);
        db.forget_notes();
        db
    }

    fn evicted(db: &mut Databases, policy: EvictionPolicy, count: usize) -> Vec<usize> {
        (0..count).for_each(|_| assert!(db.evict_one(policy).is_some()));
        let notes = db.take_notes();
        assert!(notes.iter().all(|note| note.kind == NoteKind::Evicted));
        let number = |key: &[u8]| String::from_utf8_lossy(&key[4..]).parse().unwrap();
        notes.iter().map(|note| number(&note.key)).collect()
    }

    #[test]
    fn old_keys_go_first_under_lru() {
        let mut db = filled(1000);
        let policy = EvictionPolicy { volatile: false, judge: Judge::Recency, samples: 10 };
        let gone = evicted(&mut db, policy, 500);
        let old = gone.iter().filter(|number| **number < 500).count();
        assert!(old > 400, "only {old} of 500 evicted keys were among the older half");
    }

    #[test]
    fn volatile_policies_leave_persistent_keys_alone() {
        for judge in [Judge::Recency, Judge::Frequency, Judge::TimeToLive, Judge::Chance] {
            let mut db = filled(400);
            let policy = EvictionPolicy { volatile: true, judge, samples: 5 };
            let gone = evicted(&mut db, policy, 200);
            assert!(gone.iter().all(|number| number % 4 < 2), "{judge:?}");
            assert!(db.evict_one(policy).is_none(), "{judge:?} found a key that does not expire");
        }
    }

    #[test]
    fn keys_that_expire_soonest_go_first_by_time_to_live() {
        let mut db = filled(1000);
        let policy = EvictionPolicy { volatile: true, judge: Judge::TimeToLive, samples: 10 };
        let gone = evicted(&mut db, policy, 250);
        let early = gone.iter().filter(|number| **number < 500).count();
        assert!(early > 200, "only {early} of 250 evicted keys were among the earlier half");
    }

    #[test]
    fn all_keys_can_go_and_then_there_is_none() {
        for judge in [Judge::Recency, Judge::Frequency, Judge::Chance] {
            let mut db = filled(100);
            let policy = EvictionPolicy { volatile: false, judge, samples: 5 };
            let mut gone = evicted(&mut db, policy, 100);
            gone.sort_unstable();
            assert_eq!(gone, (0..100).collect::<Vec<_>>());
            assert!(db.evict_one(policy).is_none());
        }
    }
}
