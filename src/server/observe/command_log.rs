//! SLOWLOG and COMMANDLOG: the latest commands that took long, or whose request or reply was large.
//!
//! Each call is compared with [`Limits`] alone, which are out of reach for a log that is switched off. For the sizes
//! the comparison uses bounds that are at hand; only what may exceed a limit is measured.

use std::collections::VecDeque;

use crate::config::Config;
use crate::resp::request::ArgView;
use crate::util::clock::Ticks;
use crate::util::platform::{self, CpuOf};

/// What a command is logged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It took long.
    Slow,
    /// Its request was large.
    LargeRequest,
    /// Its reply was large.
    LargeReply,
}

impl Kind {
    /// All of them, with the names users know.
    pub const ALL: [(&str, Kind); 3] =
        [("slow", Kind::Slow), ("large-request", Kind::LargeRequest), ("large-reply", Kind::LargeReply)];

    /// The kind of a name, in any case.
    pub fn named(name: &[u8]) -> Option<Kind> {
        Self::ALL.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(_, kind)| *kind)
    }

    /// What a command must reach to be logged, and how many entries are kept, as the directives have it.
    fn settings(self, config: &Config) -> (i64, usize) {
        match self {
            Kind::Slow => (config.slowlog_log_slower_than_us, config.slowlog_max_len),
            Kind::LargeRequest => {
                (config.commandlog_request_larger_than_bytes, config.commandlog_large_request_max_len)
            }
            Kind::LargeReply => (config.commandlog_reply_larger_than_bytes, config.commandlog_large_reply_max_len),
        }
    }
}

/// What a call must reach to be looked at closer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time it ran, in nanoseconds.
    pub nanos: u64,
    /// Bytes of its request.
    pub request: usize,
    /// Bytes of its reply.
    pub reply: usize,
    /// Bytes in the buffers of request and reply: with less there, neither can be that large.
    pub buffer: usize,
}

/// A word that a client sends in a line takes up to so many times its bytes as the protocol has it otherwise.
const FRAMING: usize = 8;

impl Default for Limits {
    fn default() -> Limits {
        Limits { nanos: u64::MAX, request: usize::MAX, reply: usize::MAX, buffer: usize::MAX }
    }
}

/// What a call took.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// When it began.
    pub started: Ticks,
    /// How long it ran, in nanoseconds.
    pub nanos: u64,
    /// Bytes of its request.
    pub request_bytes: usize,
    /// Bytes of its reply.
    pub reply_bytes: usize,
}

/// A logged command.
#[derive(Clone, Debug)]
pub struct LoggedCommand {
    /// Its number.
    pub id: u64,
    /// When it ended, in Unix seconds.
    pub time: i64,
    /// How long it ran, in microseconds, or the bytes of its request or reply.
    pub value: u64,
    /// Its arguments, shortened.
    pub args: Vec<Vec<u8>>,
    /// How many arguments it had.
    pub args_sent: usize,
    /// Processor time it took, in microseconds.
    pub cpu_us: u64,
    /// The client's address.
    pub peer: String,
    /// The client's name.
    pub client_name: Vec<u8>,
}

/// One log, newest first.
#[derive(Debug, Default)]
pub struct Log {
    /// The commands.
    pub entries: VecDeque<LoggedCommand>,
    next_id: u64,
}

impl Log {
    fn add(&mut self, command: LoggedCommand, max: usize) {
        self.entries.push_front(LoggedCommand { id: self.next_id, ..command });
        self.next_id += 1;
        self.entries.truncate(max);
    }
}

/// All logs.
#[derive(Debug, Default)]
pub struct CommandLog {
    /// When a call is looked at closer.
    pub limits: Limits,
    /// The processor time of slow commands.
    pub cpu: CpuMeter,
    slow: Log,
    large_requests: Log,
    large_replies: Log,
}

impl CommandLog {
    /// The log of a kind.
    pub fn log(&self, kind: Kind) -> &Log {
        match kind {
            Kind::Slow => &self.slow,
            Kind::LargeRequest => &self.large_requests,
            Kind::LargeReply => &self.large_replies,
        }
    }

    /// Like [`CommandLog::log`], to change it.
    pub fn log_mut(&mut self, kind: Kind) -> &mut Log {
        match kind {
            Kind::Slow => &mut self.slow,
            Kind::LargeRequest => &mut self.large_requests,
            Kind::LargeReply => &mut self.large_replies,
        }
    }

    /// Takes over directives that may have changed: limits are set, and what is too much is forgotten. A log that is
    /// switched off keeps what it has.
    pub fn config_changed(&mut self, config: &Config) {
        for (_, kind) in Kind::ALL {
            let (threshold, max) = kind.settings(config);
            let limit = u64::try_from(threshold).ok().filter(|_| max > 0);
            if limit.is_some() {
                self.log_mut(kind).entries.truncate(max);
            }
            let bytes = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
            match kind {
                Kind::Slow => self.limits.nanos = limit.map_or(u64::MAX, |limit| limit.saturating_mul(1000)),
                Kind::LargeRequest => self.limits.request = bytes,
                Kind::LargeReply => self.limits.reply = bytes,
            }
        }
        self.limits.buffer = self.limits.reply.min(self.limits.request / FRAMING);
    }

    /// Whether something of this size, or microseconds, is logged; if so it is entered.
    pub fn add_if_due(&mut self, kind: Kind, config: &Config, value: u64, command: &LoggedCommand) -> bool {
        let (threshold, max) = kind.settings(config);
        let due = max > 0 && u64::try_from(threshold).is_ok_and(|threshold| value >= threshold);
        if due {
            self.log_mut(kind).add(LoggedCommand { value, ..command.clone() }, max);
        }
        due
    }
}

/// The arguments of a command as they are kept: secrets hidden, long ones cut, and in the place of those beyond
/// `slowlog-entry-max-argc` how many are missing.
pub fn shortened(args: &ArgView<'_>, redacted: &[usize], config: &Config) -> Vec<Vec<u8>> {
    let (args_max, bytes_max) = (config.slowlog_entry_max_argc, config.slowlog_entry_max_string_len);
    let kept = if args.len() > args_max { args_max.max(1) - 1 } else { args.len() };
    let shorten = |index: usize| {
        if redacted.contains(&index) {
            return b"(redacted)".to_vec();
        }
        let arg = args.get(index);
        if arg.len() <= bytes_max {
            return arg.to_vec();
        }
        let mut short = arg[..bytes_max].to_vec();
        short.extend_from_slice(format!("... ({} more bytes)", arg.len() - bytes_max).as_bytes());
        short
    };
    let mut shown: Vec<Vec<u8>> = (0..kept).map(shorten).collect();
    if kept < args.len() {
        shown.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    shown
}

/// How much of its time a slow command had the processor.
///
/// To ask the system costs about as much as a GET runs, so it is asked after slow commands and by the cron only. What
/// the thread used since then, less the time it was busy before the command began, is the command's: an estimate that
/// counts in what was sent to clients meanwhile.
#[derive(Debug, Default)]
pub struct CpuMeter {
    used_us: u64,
    busy_us: u64,
}

impl CpuMeter {
    /// Reads the thread's processor time; `busy_us` is how long it has been busy since the start.
    pub fn read(&mut self, busy_us: u64) -> u64 {
        let times = platform::cpu_times(CpuOf::Thread);
        let used_us = ((times.system + times.user) * 1e6) as u64;
        self.busy_us = busy_us;
        used_us.saturating_sub(std::mem::replace(&mut self.used_us, used_us))
    }

    /// The processor time of a command that has just ended and took `micros`, and before which the thread had been busy
    /// for `busy_before_us`.
    pub fn of_command(&mut self, busy_before_us: u64, micros: u64) -> u64 {
        let others_us = busy_before_us.saturating_sub(self.busy_us);
        let gained_us = self.read(busy_before_us + micros);
        gained_us.saturating_sub(others_us).min(micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::request::OwnedRequest;
    use std::time::{Duration, Instant};

    fn command(time: i64) -> LoggedCommand {
        LoggedCommand {
            id: 0,
            time,
            value: 0,
            args: Vec::new(),
            args_sent: 0,
            cpu_us: 0,
            peer: String::new(),
            client_name: Vec::new(),
        }
    }

    #[test]
    fn a_log_that_is_off_has_a_limit_nobody_reaches() {
        let (mut log, mut config) = (CommandLog::default(), Config::default());
        log.config_changed(&config);
        assert_eq!((log.limits.nanos, log.limits.request, log.limits.reply), (10_000_000, 1 << 20, 1 << 20));
        config.slowlog_log_slower_than_us = -1;
        config.commandlog_large_request_max_len = 0;
        config.commandlog_reply_larger_than_bytes = 0;
        log.config_changed(&config);
        assert_eq!((log.limits.nanos, log.limits.request, log.limits.reply), (u64::MAX, usize::MAX, 0));
    }

    #[test]
    fn a_log_that_is_switched_off_keeps_what_it_has() {
        let (mut log, mut config) = (CommandLog::default(), Config::default());
        for time in 0..3 {
            log.add_if_due(Kind::Slow, &config, 10_000, &command(time));
        }
        for (limit_us, max, left) in [(10_000, 0, 3), (-1, 1, 3), (-1, 0, 3), (10_000, 2, 2), (10_000, 0, 2), (0, 1, 1)]
        {
            (config.slowlog_log_slower_than_us, config.slowlog_max_len) = (limit_us, max);
            log.config_changed(&config);
            assert_eq!(log.log(Kind::Slow).entries.len(), left, "{limit_us} {max}");
        }
    }

    #[test]
    fn each_kind_has_numbers_and_a_length_of_its_own() {
        let (mut log, mut config) = (CommandLog::default(), Config::default());
        config.slowlog_max_len = 2;
        for time in 0..3 {
            assert!(log.add_if_due(Kind::Slow, &config, 10_000, &command(time)));
        }
        assert!(!log.add_if_due(Kind::Slow, &config, 9_999, &command(9)));
        assert!(log.add_if_due(Kind::LargeReply, &config, 1 << 20, &command(7)));
        let numbers = |kind| log.log(kind).entries.iter().map(|entry| (entry.id, entry.time)).collect::<Vec<_>>();
        assert_eq!(numbers(Kind::Slow), [(2, 2), (1, 1)]);
        assert_eq!(numbers(Kind::LargeReply), [(0, 7)]);
        assert_eq!(numbers(Kind::LargeRequest), []);
    }

    #[test]
    fn arguments_are_cut_as_the_directives_say() {
        let mut config = Config::default();
        (config.slowlog_entry_max_argc, config.slowlog_entry_max_string_len) = (3, 4);
        let words = |request: &[&str]| {
            let request = OwnedRequest::of(request);
            let shown = shortened(&request.view(), &[1], &config);
            shown.into_iter().map(|word| String::from_utf8(word).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(words(&["auth", "secret", "12345"]), ["auth", "(redacted)", "1234... (1 more bytes)"]);
        assert_eq!(words(&["a", "b", "c", "d"]), ["a", "(redacted)", "... (2 more arguments)"]);
    }

    #[test]
    fn waiting_takes_no_processor_time() {
        let mut meter = CpuMeter::default();
        meter.read(0);
        std::thread::sleep(Duration::from_millis(50));
        let waited = meter.of_command(0, 50_000);
        assert!(waited < 25_000, "{waited}");
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        let micros = began.elapsed().as_micros() as u64;
        let computed = meter.of_command(50_000, micros);
        assert!(computed > waited && computed <= micros, "{computed} of {micros}");
    }
}
