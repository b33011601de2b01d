//! LATENCY: spikes above `latency-monitor-threshold`, by event.

pub mod doctor;

use std::collections::BTreeMap;

use crate::command::Flags;
use crate::command::spec::FAST;

/// Samples kept for an event.
const SAMPLES_MAX: usize = 160;

/// The latest spikes of one event.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Time in Unix seconds and latency in milliseconds, oldest first.
    pub samples: std::collections::VecDeque<(i64, u64)>,
    /// The worst ever, in milliseconds.
    pub worst_ms: u64,
    /// All spikes together, in milliseconds,
    pub sum_ms: u64,
    /// and how many there were.
    pub count: u64,
}

/// All events with spikes.
#[derive(Debug, Default)]
pub struct Latency {
    /// By event name.
    pub events: BTreeMap<&'static str, Series>,
    /// `latency-monitor-threshold` in milliseconds; 0 is off.
    pub threshold_ms: u64,
}

impl Latency {
    /// The spikes of an event, with its name.
    pub fn find(&self, event: &[u8]) -> Option<(&'static str, &Series)> {
        let event = std::str::from_utf8(event).ok()?;
        self.events.get_key_value(event).map(|(name, series)| (*name, series))
    }

    /// Notes how long a command took, if that is a spike.
    pub fn sample_command(&mut self, flags: Flags, micros: u64, now_ms: i64) {
        self.sample(if flags.has(FAST) { "fast-command" } else { "command" }, micros / 1000, now_ms);
    }

    /// Notes how long an event took, if that is a spike. Within one second the worst counts.
    pub fn sample(&mut self, event: &'static str, ms: u64, now_ms: i64) {
        if self.threshold_ms == 0 || ms < self.threshold_ms {
            return;
        }
        let series = self.events.entry(event).or_default();
        series.worst_ms = series.worst_ms.max(ms);
        series.sum_ms = series.sum_ms.saturating_add(ms);
        series.count += 1;
        let second = now_ms / 1000;
        match series.samples.back_mut() {
            Some((last, worst)) if *last == second => *worst = ms.max(*worst),
            _ => {
                series.samples.push_back((second, ms));
                if series.samples.len() > SAMPLES_MAX {
                    series.samples.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_spike_of_a_second_is_kept() {
        let mut latency = Latency::default();
        latency.sample("command", 500, 1000);
        assert!(latency.events.is_empty(), "the monitor is off");
        latency.threshold_ms = 100;
        for (ms, at) in [(99, 1000), (100, 1000), (300, 1500), (200, 1999), (150, 2000)] {
            latency.sample("command", ms, at);
        }
        let (name, series) = latency.find(b"command").unwrap();
        assert_eq!((name, series.worst_ms, series.sum_ms, series.count), ("command", 300, 750, 4));
        assert_eq!(series.samples, [(1, 300), (2, 150)]);
    }
}
