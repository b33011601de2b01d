//! When to wait a moment longer, so that more requests come together.
//!
//! Under many clients with one small request each, a server that is faster than its clients finds one or two requests
//! ready, answers, and goes to sleep again. Each time costs a change of context, waking the peer, and a processor that
//! has just gone idle: more than the requests themselves. It pays to let some more come: one wake-up then serves
//! dozens, the clients get their answers in bursts as well, and all of them are answered sooner.
//!
//! The price is that the first request of a burst waits for some tens of microseconds, so it must not be paid by those
//! who don't gain: the loop rests only while at least [`ACTIVE_CLIENTS_MIN`] different clients were heard within the
//! last millisecond, and only after a turn in which fewer than [`READS_MAX`] were. A busy server finds more in each
//! turn and never rests.

use std::time::Duration;

/// Clients heard within a millisecond from which on resting pays.
const ACTIVE_CLIENTS_MIN: u32 = 24;
/// Sockets read in a turn from which on there is no need to rest.
const READS_MAX: u64 = 8;
/// How long to rest. The kernel's timers add some fifty microseconds.
const REST: Duration = Duration::from_micros(10);

/// Counts the clients that are heard.
#[derive(Debug, Default)]
pub struct Pace {
    /// The millisecond that is counted, in Unix time.
    now_ms: i64,
    /// Clients heard in it.
    heard: u32,
    /// Clients heard in the millisecond before.
    heard_before: u32,
}

impl Pace {
    /// Notes that a client was heard at `now_ms` whose previous bytes came at `before_ms`.
    #[inline]
    pub fn hear(&mut self, before_ms: i64, now_ms: i64) {
        if now_ms != self.now_ms {
            self.heard_before = if now_ms == self.now_ms + 1 { self.heard } else { 0 };
            self.heard = 0;
            self.now_ms = now_ms;
        }
        self.heard += u32::from(before_ms != now_ms);
    }

    /// How long to rest before the next wait, after a turn in which `reads` sockets were read and which ended at
    /// `now_ms`.
    pub fn rest(&self, reads: u64, now_ms: i64) -> Option<Duration> {
        let current = now_ms - self.now_ms <= 1;
        let crowded = self.heard.max(self.heard_before) >= ACTIVE_CLIENTS_MIN;
        (current && crowded && (1..READS_MAX).contains(&reads)).then_some(REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(clients: usize) -> Pace {
        let mut pace = Pace::default();
        (0..clients).for_each(|_| pace.hear(0, 7));
        pace
    }

    #[test]
    fn many_clients_of_which_few_are_heard_a_turn_are_let_gather() {
        assert!(heard(50).rest(3, 7).is_some());
        assert!(heard(50).rest(0, 7).is_none(), "nothing came");
        assert!(heard(50).rest(20, 7).is_none(), "enough came");
    }

    #[test]
    fn few_clients_are_never_kept_waiting() {
        assert!(heard(20).rest(1, 7).is_none());
        let mut pace = Pace::default();
        (0..1000).for_each(|_| pace.hear(7, 7));
        assert!(pace.rest(1, 7).is_none(), "one client that sends much is one client");
    }

    #[test]
    fn a_crowd_is_forgotten_after_a_millisecond_of_silence() {
        let mut pace = heard(50);
        pace.hear(7, 8);
        assert!(pace.rest(1, 8).is_some());
        pace.hear(8, 10);
        assert!(pace.rest(1, 10).is_none());
        assert!(heard(50).rest(1, 9).is_none());
    }
}
