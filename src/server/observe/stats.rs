//! What the server counts; INFO prints it, CONFIG RESETSTAT clears it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::command::table::SlowCalls;
use crate::util::clock::{Clock, Ticks};

/// Error codes told apart. When there are more, which only scripts can bring about, none is counted by itself any more.
const ERROR_CODES_MAX: usize = 128;
/// What INFO shows in their place.
const ERROR_CODES_STOPPED: &str = "ERRORSTATS_DISABLED";

/// Counters since the start or the last reset.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections refused because of `maxclients`.
    pub rejected_connections: u64,
    /// Commands run.
    pub commands: u64,
    /// Bytes read from clients.
    pub input_bytes: u64,
    /// Bytes written to clients.
    pub output_bytes: u64,
    /// Error replies by code,
    pub errors: BTreeMap<Box<str>, u64>,
    /// unless there were too many codes.
    errors_stopped: bool,
    /// Error replies.
    pub error_replies: u64,
    /// Errors that the server's own clients were answered.
    pub unexpected_error_replies: u64,
    /// Reads that found something.
    pub reads_processed: u64,
    /// Writes that sent something.
    pub writes_processed: u64,
    /// Commands run per second.
    pub commands_rate: Rate,
    /// Bytes read per second.
    pub input_rate: Rate,
    /// Bytes written per second.
    pub output_rate: Rate,
    /// Turns of the event loop per second.
    pub cycles_rate: Rate,
    /// Microseconds per turn.
    pub cycle_us: Rate,
    /// The most memory seen in use, in bytes.
    pub peak_memory: usize,
    /// When that was, in Unix milliseconds.
    pub peak_memory_ms: i64,
    /// Clients closed because of `client-query-buffer-limit`.
    pub query_buffer_disconnections: u64,
    /// Clients closed because they did not read their output.
    pub output_buffer_disconnections: u64,
    /// Time spent on active expiry, in microseconds.
    pub expire_cycle_us: u64,
    /// Expiry cycles that ended for lack of time.
    pub expired_time_cap_reached: u64,
    /// Estimated share of keys that have expired and still take room, in per cent.
    pub expired_stale_percent: f64,
    /// Keys evicted because of `maxmemory`.
    pub evicted_keys: u64,
    /// Clients closed because of `maxmemory-clients`.
    pub evicted_clients: u64,
    /// How long memory in use has exceeded `maxmemory`, up to the last time,
    pub eviction_exceeded: Duration,
    /// and since when it does now.
    pub eviction_exceeded_since: Option<Instant>,
    /// What ACLs refused, by [`crate::client::acl::log::Reason`].
    pub denials: [u64; 6],
    /// Child processes.
    pub forks: u64,
    /// How long the last fork took, in microseconds.
    pub latest_fork_us: u64,
    /// Payloads of RESTORE that were checked deeply.
    pub sanitizations: u64,
    /// Turns of the event loop.
    pub loop_cycles: u64,
    /// Time in turns of the event loop, in microseconds.
    pub loop_us: u64,
    /// What else the loop does.
    pub parts: LoopParts,
    /// When the turn began that is not yet part of it.
    pub turn_started: Option<Ticks>,
    /// Commands that entered the slow log.
    pub slow: SlowCalls,
}

/// Parts of the event loop's time, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoopParts {
    /// Between two turns but for the cron: the log is written, answers are sent.
    pub between_us: u64,
    /// The cron.
    pub cron_us: u64,
    /// HTTP.
    pub http_us: u64,
}

impl Stats {
    /// Counts an error reply by its code, such as `ERR`.
    pub fn count_error(&mut self, code: &[u8]) {
        self.error_replies += 1;
        if self.errors_stopped {
            return;
        }
        if self.errors.len() >= ERROR_CODES_MAX {
            return self.stop_counting_codes();
        }
        let code = String::from_utf8_lossy(code);
        match self.errors.get_mut(&*code) {
            Some(count) => *count += 1,
            None => _ = self.errors.insert(code.into(), 1),
        }
    }

    #[cold]
    fn stop_counting_codes(&mut self) {
        let codes: Vec<&str> = self.errors.keys().map(|code| &**code).collect();
        log::warn!(
            "Errorstats stopped adding new errors because the number of errors reached the limit, may be misuse of lua \
             error_reply, please check INFO ERRORSTATS, this can be re-enabled via CONFIG RESETSTAT."
        );
        log::warn!("Current errors code list: {}", codes.join(", "));
        self.errors = BTreeMap::from([(ERROR_CODES_STOPPED.into(), 1)]);
        self.errors_stopped = true;
    }

    /// Starts counting anew. The peak of memory use stays.
    pub fn reset(&mut self) {
        *self = Stats { peak_memory: self.peak_memory, peak_memory_ms: self.peak_memory_ms, ..Stats::default() };
    }

    /// How long the loop has been busy until a reading of the clock, in microseconds.
    pub fn busy_us(&self, clock: &Clock, until: Ticks) -> u64 {
        self.loop_us + self.turn_started.map_or(0, |started| clock.micros_between(started, until))
    }

    /// What the loop was busy with by name, in microseconds, of which commands took `commands_us`.
    pub fn loop_parts(&self, commands_us: u64) -> [(&'static str, u64); 5] {
        let LoopParts { between_us, cron_us, http_us } = self.parts;
        let reading_us = self.loop_us.saturating_sub(commands_us + http_us);
        [
            ("commands", commands_us),
            ("reading", reading_us),
            ("writing", between_us),
            ("cron", cron_us),
            ("http", http_us),
        ]
    }

    /// Takes a sample of the rates at a point of time, in Unix milliseconds.
    pub fn sample_rates(&mut self, now_ms: i64) {
        self.commands_rate.sample(self.commands, now_ms);
        self.input_rate.sample(self.input_bytes, now_ms);
        self.output_rate.sample(self.output_bytes, now_ms);
        self.cycles_rate.sample(self.loop_cycles, now_ms);
        self.cycle_us.sample_per(self.loop_us, self.loop_cycles as i64, 1);
    }
}

/// Samples a rate is averaged over.
const RATE_SAMPLES: usize = 16;

/// The rate of a counter per second, or per something else, as an average over the last samples.
#[derive(Debug, Default)]
pub struct Rate {
    samples: [u64; RATE_SAMPLES],
    next: usize,
    last_value: u64,
    last_base: i64,
}

impl Rate {
    /// Takes a sample for a rate per second.
    fn sample(&mut self, value: u64, now_ms: i64) {
        self.sample_per(value, now_ms, 1000);
    }

    /// Takes a sample for a rate per so much of what `base` counts.
    fn sample_per(&mut self, value: u64, base: i64, per: u64) {
        let elapsed = (base - self.last_base).max(1) as u64;
        let grown = value.saturating_sub(self.last_value);
        self.samples[self.next] = if self.last_base == 0 { 0 } else { grown * per / elapsed };
        self.next = (self.next + 1) % RATE_SAMPLES;
        (self.last_value, self.last_base) = (value, base);
    }

    /// The rate.
    pub fn per_second(&self) -> u64 {
        self.samples.iter().sum::<u64>() / RATE_SAMPLES as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_code_until_there_are_too_many() {
        let mut stats = Stats::default();
        (0..ERROR_CODES_MAX).for_each(|number| stats.count_error(format!("E{number}").as_bytes()));
        assert_eq!((stats.errors.len(), stats.errors["E5"]), (ERROR_CODES_MAX, 1));
        stats.count_error(b"E5");
        stats.count_error(b"E5");
        let stopped = BTreeMap::from([(ERROR_CODES_STOPPED.into(), 1)]);
        assert_eq!((stats.error_replies, &stats.errors), (ERROR_CODES_MAX as u64 + 2, &stopped));
        stats.peak_memory = 7;
        stats.reset();
        assert_eq!((stats.error_replies, stats.errors.len(), stats.peak_memory), (0, 0, 7));
        stats.count_error(b"E5");
        assert_eq!(stats.errors["E5"], 1);
    }

    #[test]
    fn a_rate_is_the_average_of_its_samples() {
        let mut rate = Rate::default();
        for turn in 0..=RATE_SAMPLES as u64 {
            rate.sample(turn * 50, 1000 + turn as i64 * 100);
        }
        assert_eq!(rate.per_second(), 500);
    }
}
