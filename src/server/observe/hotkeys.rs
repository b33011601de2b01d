//! HOTKEYS: which keys take the most processor time and the most bytes of the network, while somebody wants to know.
//!
//! A session observes commands one by one ([`Observers::HOTKEYS`](crate::server::effects::Observers)); without one
//! nothing of this is entered. Time and bytes of a command count for each of its keys; what a script calls counts for
//! the keys of these commands. One command in `sample_ratio` is looked at for its keys; the sums over all commands are
//! exact.

use crate::util::platform::{self, CpuOf, CpuTimes};
use crate::util::random::Random;
use crate::util::top_keys::TopKeys;

/// Keys kept for each one that is to be told, so that the sums of those are exact in all likelihood.
const KEPT_PER_KEY: usize = 32;

/// What HOTKEYS START asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Processor time.
    pub cpu: bool,
    /// Bytes read and written.
    pub net: bool,
    /// Keys told at the end.
    pub count: usize,
    /// How long, in milliseconds; without end if zero.
    pub duration_ms: i64,
    /// One command in so many is looked at.
    pub sample_ratio: u64,
}

/// A command that has run.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// How long it ran, in nanoseconds.
    pub nanos: u64,
    /// Bytes of its arguments and of its reply.
    pub bytes: u64,
    /// Whether a script called it, so that it is part of another command.
    pub nested: bool,
}

/// A session, running or stopped.
#[derive(Debug)]
pub struct Session {
    /// What was asked for.
    pub wanted: Wanted,
    /// When it began, in Unix milliseconds.
    pub started_ms: i64,
    stopped_ms: Option<i64>,
    cpu: CpuTimes,
    /// Time of all commands, in nanoseconds.
    pub nanos: u64,
    /// Bytes of all commands.
    pub bytes: u64,
    by_nanos: TopKeys,
    by_bytes: TopKeys,
    random: Random,
}

impl Session {
    fn start(wanted: Wanted, now_ms: i64) -> Session {
        let kept = wanted.count * KEPT_PER_KEY;
        Session {
            wanted,
            started_ms: now_ms,
            stopped_ms: None,
            cpu: platform::cpu_times(CpuOf::Process),
            nanos: 0,
            bytes: 0,
            by_nanos: TopKeys::new(kept),
            by_bytes: TopKeys::new(kept),
            random: Random::from_entropy(),
        }
    }

    /// Whether it still observes.
    pub fn is_active(&self) -> bool {
        self.stopped_ms.is_none()
    }

    /// How long it has observed, in milliseconds.
    pub fn duration_ms(&self, now_ms: i64) -> i64 {
        self.stopped_ms.unwrap_or(now_ms) - self.started_ms
    }

    /// Processor time of the process meanwhile.
    pub fn cpu(&self) -> CpuTimes {
        if !self.is_active() {
            return self.cpu;
        }
        let now = platform::cpu_times(CpuOf::Process);
        CpuTimes { system: now.system - self.cpu.system, user: now.user - self.cpu.user }
    }

    /// The keys that took the most time, in microseconds.
    pub fn by_micros(&self) -> impl ExactSizeIterator<Item = (&[u8], u64)> {
        self.by_nanos.top(self.wanted.count).map(|(key, nanos)| (key, nanos / 1000))
    }

    /// The keys that took the most bytes.
    pub fn by_bytes(&self) -> impl ExactSizeIterator<Item = (&[u8], u64)> {
        self.by_bytes.top(self.wanted.count)
    }

    fn stop(&mut self, now_ms: i64) {
        self.cpu = self.cpu();
        self.stopped_ms = Some(now_ms);
    }
}

/// The session, if there is one, and what it costs.
#[derive(Debug, Default)]
pub struct Hotkeys {
    session: Option<Session>,
}

impl Hotkeys {
    /// The session, running or stopped.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Whether commands are observed.
    pub fn is_active(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_active)
    }

    /// Begins anew.
    pub fn start(&mut self, wanted: Wanted, now_ms: i64) {
        self.session = Some(Session::start(wanted, now_ms));
    }

    /// Ends the session; what it has found stays. Whether there was one to end.
    pub fn stop(&mut self, now_ms: i64) -> bool {
        let running = self.session.as_mut().filter(|session| session.is_active());
        running.map(|session| session.stop(now_ms)).is_some()
    }

    /// Ends the session when its time is over; whether that is so.
    pub fn stop_when_due(&mut self, now_ms: i64) -> bool {
        let Some(session) = &self.session else { return false };
        let (lasts, started) = (session.wanted.duration_ms, session.started_ms);
        lasts > 0 && now_ms >= started.saturating_add(lasts) && self.stop(started.saturating_add(lasts))
    }

    /// Forgets what was found.
    pub fn reset(&mut self) {
        self.session = None;
    }

    /// Counts a command; whether its keys are to be told of by [`Hotkeys::note_key`].
    pub fn observe(&mut self, command: Observed) -> bool {
        let Some(session) = self.session.as_mut().filter(|session| session.is_active()) else { return false };
        if !command.nested {
            session.nanos += command.nanos;
            session.bytes += command.bytes;
        }
        session.wanted.sample_ratio <= 1 || session.random.below(session.wanted.sample_ratio) == 0
    }

    /// Counts a key of a command.
    pub fn note_key(&mut self, key: &[u8], command: Observed) {
        let Some(session) = &mut self.session else { return };
        if session.wanted.cpu {
            session.by_nanos.add(key, command.nanos);
        }
        if session.wanted.net {
            session.by_bytes.add(key, command.bytes);
        }
    }

    /// Bytes of memory it takes, about.
    pub fn memory(&self) -> usize {
        self.session.as_ref().map_or(0, |session| session.by_nanos.memory() + session.by_bytes.memory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted { cpu: true, net: true, count: 2, duration_ms: 1000, sample_ratio: 1 }
    }

    #[test]
    fn the_hottest_keys_come_first_and_all_commands_are_summed() {
        let mut hotkeys = Hotkeys::default();
        hotkeys.start(wanted(), 0);
        for (key, nanos, bytes) in [("a", 5000, 1), ("b", 3000, 9), ("c", 1000, 5), ("a", 5000, 1)] {
            let command = Observed { nanos, bytes, nested: false };
            assert!(hotkeys.observe(command));
            hotkeys.note_key(key.as_bytes(), command);
        }
        let session = hotkeys.session().expect("a session");
        let by_micros: Vec<_> = session.by_micros().collect();
        assert_eq!(by_micros, [(&b"a"[..], 10), (&b"b"[..], 3)]);
        let by_bytes: Vec<_> = session.by_bytes().collect();
        assert_eq!(by_bytes, [(&b"b"[..], 9), (&b"c"[..], 5)]);
        assert_eq!((session.nanos, session.bytes), (14_000, 16));
    }

    #[test]
    fn a_session_ends_when_its_time_is_over_and_keeps_what_it_found() {
        let mut hotkeys = Hotkeys::default();
        assert!(!hotkeys.stop(0) && !hotkeys.stop_when_due(0));
        hotkeys.start(wanted(), 500);
        assert!(!hotkeys.stop_when_due(1499) && hotkeys.is_active());
        assert!(hotkeys.stop_when_due(1700) && !hotkeys.is_active());
        assert!(!hotkeys.stop_when_due(1700), "only once");
        assert!(!hotkeys.observe(Observed { nanos: 1, bytes: 1, nested: false }));
        assert_eq!(hotkeys.session().map(|session| session.duration_ms(9999)), Some(1000));
    }
}
