//! Hot keys, found by looking at a few commands only.
//!
//! One command in about [`PERIOD`] is looked at for its first key: the countdown is a subtraction for each read of a
//! socket, not for each command, and without `metrics-port` it never comes to its end. What is found is a share of all
//! commands, over the last half minute to minute; HOTKEYS has the exact figures.

use std::collections::HashMap;

use super::json::Json;
use crate::util::random::Random;
use crate::util::top_keys::TopKeys;

/// One command in so many is looked at, on average.
pub const PERIOD: u64 = 256;
/// Keys kept: some more than are told, so that these are right.
const KEPT: usize = 96;
/// Keys told.
const TOLD: usize = 12;
/// How long keys are gathered before they grow old, in milliseconds.
const WINDOW_MS: i64 = 30_000;
/// Longer keys are passed over, in bytes.
const KEY_BYTES_MAX: usize = 1024;
/// Bytes of a key that are shown.
const SHOWN_BYTES: usize = 96;

/// What was gathered in a window.
#[derive(Debug)]
struct Window {
    keys: TopKeys,
    samples: u64,
}

impl Default for Window {
    fn default() -> Window {
        Window { keys: TopKeys::new(KEPT), samples: 0 }
    }
}

/// What was gathered.
#[derive(Debug)]
pub struct HotKeys {
    random: Random,
    now: Window,
    before: Window,
    began_ms: i64,
}

impl HotKeys {
    /// Nothing yet.
    pub fn new(now_ms: i64) -> HotKeys {
        HotKeys { random: Random::from_entropy(), now: Window::default(), before: Window::default(), began_ms: now_ms }
    }

    /// How many commands to let pass before the next sample.
    pub fn next_in(&mut self) -> i64 {
        (PERIOD / 2 + self.random.below(PERIOD)) as i64
    }

    /// A place among `count`, drawn at random.
    pub fn pick(&mut self, count: usize) -> usize {
        self.random.below(count as u64) as usize
    }

    /// Notes a command that was looked at, and its key if it has one.
    pub fn note(&mut self, db: usize, key: Option<&[u8]>) {
        self.now.samples += 1;
        if let Some(key) = key.filter(|key| key.len() <= KEY_BYTES_MAX) {
            let mut named = (db as u32).to_le_bytes().to_vec();
            named.extend_from_slice(key);
            self.now.keys.add(&named, 1);
        }
    }

    /// Lets what is old go.
    pub fn age(&mut self, now_ms: i64) {
        if !(0..WINDOW_MS).contains(&(now_ms - self.began_ms)) {
            self.before = std::mem::take(&mut self.now);
            self.began_ms = now_ms;
        }
    }

    /// The hottest keys: database, key, share of all commands.
    pub fn top(&self) -> Vec<(u32, Vec<u8>, f64)> {
        let samples = self.samples();
        let mut sums: HashMap<&[u8], u64> = HashMap::new();
        for window in [&self.now, &self.before] {
            window.keys.top(KEPT).for_each(|(key, sum)| *sums.entry(key).or_default() += sum);
        }
        // Seen once is no sign of anything.
        let mut sums: Vec<(&[u8], u64)> = sums.into_iter().filter(|(_, sum)| *sum > 1).collect();
        sums.sort_unstable_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        sums.truncate(TOLD);
        let told = sums.into_iter().filter_map(|(named, sum)| {
            let (db, key) = named.split_first_chunk::<4>()?;
            Some((u32::from_le_bytes(*db), key.to_vec(), sum as f64 / samples as f64))
        });
        told.collect()
    }

    /// Commands looked at, for what [`HotKeys::top`] tells.
    pub fn samples(&self) -> u64 {
        self.now.samples + self.before.samples
    }

    /// Writes them.
    pub fn write(&self, out: &mut Json) {
        out.object(|out| {
            out.name("samples").number(self.samples());
            out.name("keys").array(|out| {
                for (db, key, share) in self.top() {
                    out.array(|out| {
                        out.number(db);
                        out.bytes(&key, SHOWN_BYTES);
                        out.number(format_args!("{share:.4}"));
                    });
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_key_is_that_of_all_commands_and_grows_old() {
        let mut hot = HotKeys::new(0);
        for round in 0..100_u32 {
            hot.note(0, if round % 2 == 0 { Some(b"hot") } else { None });
            hot.note(3, Some(format!("cold:{round}").as_bytes()));
        }
        let top = hot.top();
        assert_eq!(top[0], (0, b"hot".to_vec(), 0.25));
        assert!(top.len() <= TOLD);
        hot.age(WINDOW_MS - 1);
        hot.age(WINDOW_MS);
        assert_eq!(hot.top()[0].2, 0.25, "still there");
        hot.age(2 * WINDOW_MS);
        assert_eq!((hot.top().len(), hot.samples()), (0, 0));
    }

    #[test]
    fn samples_come_at_random_distances() {
        let mut hot = HotKeys::new(0);
        let distances: Vec<i64> = (0..1000).map(|_| hot.next_in()).collect();
        assert!(distances.iter().all(|distance| (128..384).contains(distance)));
        assert!(distances.iter().any(|distance| *distance != distances[0]));
    }
}
