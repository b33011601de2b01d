//! Replicas that were sent a snapshot and left without having loaded it, while it was of a version that not every
//! server reads.
//!
//! Nobody can know whether a replica is too old for what its primary holds: only those of Valkey tell what they are.
//! One that cannot load the snapshot asks for it again at once, and again, and each time a child is forked for it. So
//! who has failed twice in a row is given the next one a minute later.

use std::collections::VecDeque;

use crate::persist::rdb::version::Version;

/// So many are remembered.
const FAILED_MAX: usize = 64;
/// How often one may fail before it has to wait.
const TRIES: u32 = 2;
/// How long it has to wait then, in milliseconds.
const WAIT_MS: i64 = 60_000;

/// A replica that has failed.
#[derive(Debug)]
struct Failed {
    who: String,
    times: u32,
    latest_ms: i64,
    version: Version,
}

/// Those that have failed, the latest last.
#[derive(Debug, Default)]
pub struct FailedLoads(VecDeque<Failed>);

impl FailedLoads {
    /// Notes that a replica, named by its address, has not loaded a snapshot.
    pub fn note(&mut self, who: String, version: Version, now_ms: i64) {
        let times = self.forget(&who) + 1;
        if self.0.len() == FAILED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Failed { who, times, latest_ms: now_ms, version });
    }

    /// Forgets a replica, which has its data set; how often it had failed.
    pub fn forget(&mut self, who: &str) -> u32 {
        let place = self.0.iter().position(|failed| failed.who == who);
        place.and_then(|place| self.0.remove(place)).map_or(0, |failed| failed.times)
    }

    /// The version that a replica failed to load again and again, if it is not yet time to try once more.
    pub fn refused(&self, who: &str, now_ms: i64) -> Option<Version> {
        let failed = self.0.iter().find(|failed| failed.who == who && failed.times >= TRIES)?;
        (now_ms - failed.latest_ms < WAIT_MS).then_some(failed.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_twice_waits_a_minute_each_time_until_it_succeeds() {
        let (mut failed, version) = (FailedLoads::default(), Version::redis(14));
        let note = |failed: &mut FailedLoads, now_ms| failed.note("a:1".to_owned(), version, now_ms);
        note(&mut failed, 0);
        assert_eq!(failed.refused("a:1", 0), None);
        note(&mut failed, 1000);
        assert_eq!(failed.refused("a:1", 1000 + WAIT_MS - 1), Some(version));
        assert_eq!(failed.refused("a:2", 1000), None);
        assert_eq!(failed.refused("a:1", 1000 + WAIT_MS), None);
        note(&mut failed, 2 * WAIT_MS);
        assert_eq!(failed.refused("a:1", 2 * WAIT_MS), Some(version));
        assert_eq!((failed.forget("a:1"), failed.refused("a:1", 2 * WAIT_MS)), (3, None));
    }

    #[test]
    fn only_the_latest_are_remembered() {
        let mut failed = FailedLoads::default();
        for number in 0..2 * FAILED_MAX {
            for _ in 0..TRIES {
                failed.note(number.to_string(), Version::redis(14), 0);
            }
        }
        assert_eq!((failed.0.len(), failed.refused("0", 0)), (FAILED_MAX, None));
        assert!(failed.refused(&(2 * FAILED_MAX - 1).to_string(), 0).is_some());
    }
}
