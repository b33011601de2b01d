//! Big keys, found by going through all keys in the background: `bigkeys-scan`.
//!
//! The size is that of MEMORY USAGE. A pass takes a little of each tick of the cron, so the larger the data set the
//! longer it takes; what is told is from the last pass that went through, or from the first while that is on its way.

use super::json::Json;
use crate::db::dict::{USAGE_SAMPLES, memory_usage};
use crate::db::{Databases, EntryView};
use crate::types::ValueType;

/// Keys told.
const TOLD: usize = 16;
/// How long to wait between two passes, in milliseconds.
const REST_MS: i64 = 2_000;
/// Bytes of a key that are kept.
const KEY_BYTES_MAX: usize = 96;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigKey {
    /// Bytes of the key and its value, as MEMORY USAGE has them.
    pub bytes: usize,
    /// Its database.
    pub db: usize,
    /// Its name, cut.
    pub key: Vec<u8>,
    /// The type of its value.
    pub kind: ValueType,
    /// Bytes of a string or a bitmap, elements of another collection.
    pub len: usize,
}

/// How far the search is, and what it has found.
#[derive(Debug, Default)]
pub struct BigKeys {
    db: usize,
    cursor: u64,
    looked_at: u64,
    found: Vec<BigKey>,
    /// What the last pass found.
    last: Vec<BigKey>,
    /// Passes done.
    pub passes: u64,
    rests_until_ms: i64,
}

impl BigKeys {
    /// Goes on until `out_of_time`, or the end of a pass.
    pub fn search(&mut self, db: &Databases, now_ms: i64, mut out_of_time: impl FnMut() -> bool) {
        if now_ms < self.rests_until_ms && self.rests_until_ms - now_ms <= REST_MS {
            return;
        }
        while !out_of_time() {
            if self.db >= db.count() {
                self.end_pass(now_ms);
                return;
            }
            let index = self.db;
            let dict = &db.database(index).dict;
            if dict.is_empty() {
                self.db += 1;
                continue;
            }
            let (found, looked_at) = (&mut self.found, &mut self.looked_at);
            self.cursor = dict.scan(self.cursor, None, |entry: EntryView<'_>| {
                *looked_at += 1;
                let bytes = memory_usage(entry, USAGE_SAMPLES);
                let is_among_them = found.len() < TOLD || found.last().is_some_and(|least| bytes > least.bytes);
                if entry.is_due(now_ms) || !is_among_them {
                    return;
                }
                let key = entry.key()[..entry.key().len().min(KEY_BYTES_MAX)].to_vec();
                let kind = entry.value_type();
                let len = entry.size_of_value();
                // A key may be met twice while the table changes its size.
                if !found.iter().any(|known| known.db == index && known.key == key) {
                    let place = found.partition_point(|known| known.bytes >= bytes);
                    found.insert(place, BigKey { bytes, db: index, key, kind, len });
                    found.truncate(TOLD);
                }
            });
            if self.cursor == 0 {
                self.db += 1;
            }
        }
    }

    fn end_pass(&mut self, now_ms: i64) {
        self.last = std::mem::take(&mut self.found);
        (self.db, self.cursor, self.looked_at) = (0, 0, 0);
        self.passes += 1;
        self.rests_until_ms = now_ms + REST_MS;
    }

    /// The largest keys, the largest first.
    pub fn told(&self) -> &[BigKey] {
        if self.passes == 0 { &self.found } else { &self.last }
    }

    /// The share of the keys that the pass on its way has looked at.
    fn share(&self, db: &Databases) -> f64 {
        let keys: usize = (0..db.count()).map(|index| db.database(index).dict.len()).sum();
        (self.looked_at as f64 / keys.max(1) as f64).min(1.0)
    }

    /// Writes them.
    pub fn write(&self, db: &Databases, out: &mut Json) {
        out.object(|out| {
            out.name("passes").number(self.passes);
            out.name("share").number(format_args!("{:.3}", self.share(db)));
            out.name("keys").array(|out| {
                for big in self.told() {
                    out.array(|out| {
                        out.number(big.db);
                        out.bytes(&big.key, KEY_BYTES_MAX);
                        out.string(big.kind.name());
                        out.number(big.bytes);
                        out.number(big.len);
                    });
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::testbed::Testbed;

    #[test]
    fn the_largest_keys_are_found_with_the_sizes_of_memory_usage() {
        let mut bed = Testbed::new();
        for index in 0..500 {
            bed.run(&format!("set key:{index} {}", "x".repeat(index)));
        }
        bed.run("select 5");
        bed.run_words(&[&["rpush", "list"][..], &["element"; 5000]].concat());
        let mut big = BigKeys::default();
        big.search(&bed.db, 1, || false);
        assert_eq!((big.passes, big.told().len()), (1, TOLD));
        let first = &big.told()[0];
        assert_eq!((first.db, &first.key[..], first.kind, first.len), (5, &b"list"[..], ValueType::List, 5000));
        assert_eq!(bed.run("memory usage list"), format!(":{}\r\n", first.bytes));
        // Sizes are those of the allocator's classes, so that several keys are as large as the longest.
        let second = &big.told()[1];
        bed.run("select 0");
        for key in ["key:499", std::str::from_utf8(&second.key).expect("a name")] {
            assert_eq!(bed.run(&format!("memory usage {key}")), format!(":{}\r\n", second.bytes));
        }
        assert!(big.told().is_sorted_by(|one, next| one.bytes >= next.bytes));
        bed.run("flushall");
        big.search(&bed.db, 2, || false);
        assert_eq!(big.passes, 1, "it rests");
        big.search(&bed.db, REST_MS + 1, || false);
        assert_eq!((big.passes, big.told().len()), (2, 0));
    }
}
