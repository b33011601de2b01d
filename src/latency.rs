//! LATENCY: spikes above `latency-monitor-threshold`, by event.

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
