//! The last hour, a sample a second, in a ring that never grows.

use super::json::Json;

/// Samples kept.
pub const SECONDS: usize = 3600;
/// What is sampled, by the names the page knows; rates are per second.
pub const SERIES: [&str; 14] = [
    "ops", "input", "output", "cpu", "loop", "used", "resident", "clients", "blocked", "hits", "misses", "expired",
    "evicted", "errors",
];

/// What the series are made of: counters since the start, and what is there now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Commands, bytes read and written, hits, misses, keys expired and evicted, error replies.
    pub counters: [u64; 8],
    /// Processor time of the process, and time the loop was busy, in seconds.
    pub busy: [f64; 2],
    /// Bytes in use and resident, clients, blocked clients.
    pub levels: [f32; 4],
}

type Sample = [f32; SERIES.len()];

/// The ring.
#[derive(Debug)]
pub struct History {
    samples: Box<[Sample]>,
    /// How many were taken.
    taken: usize,
    /// When the last one was, in Unix milliseconds.
    last_ms: i64,
    last: Option<Reading>,
}

impl Default for History {
    fn default() -> History {
        History { samples: vec![[0.0; SERIES.len()]; SECONDS].into(), taken: 0, last_ms: 0, last: None }
    }
}

impl History {
    /// Takes a sample. The first reading is what the next one is compared with.
    pub fn take(&mut self, reading: Reading, now_ms: i64) {
        let Some(last) = self.last.replace(reading) else {
            self.last_ms = now_ms;
            return;
        };
        let seconds = ((now_ms - self.last_ms).max(1) as f64) / 1000.0;
        let mut rates = [0.0; 8];
        for (rate, (now, before)) in rates.iter_mut().zip(reading.counters.iter().zip(last.counters)) {
            *rate = (now.saturating_sub(before) as f64 / seconds) as f32;
        }
        let [ops, input, output, hits, misses, expired, evicted, errors] = rates;
        let share = |place: usize| ((reading.busy[place] - last.busy[place]) / seconds * 100.0).max(0.0) as f32;
        let [used, resident, clients, blocked] = reading.levels;
        let sample: Sample = [
            ops,
            input,
            output,
            share(0),
            share(1),
            used,
            resident,
            clients,
            blocked,
            hits,
            misses,
            expired,
            evicted,
            errors,
        ];
        // A clock that was set forward, or a machine that slept, leaves a gap.
        let missed = (((now_ms - self.last_ms) / 1000).max(1) - 1).min(SECONDS as i64);
        (0..missed).for_each(|_| self.push([f32::NAN; SERIES.len()]));
        self.push(sample);
        self.last_ms = now_ms;
    }

    fn push(&mut self, sample: Sample) {
        self.samples[self.taken % SECONDS] = sample;
        self.taken += 1;
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.taken.min(SECONDS)
    }

    /// When the last one was taken, in Unix milliseconds.
    pub fn last_ms(&self) -> i64 {
        self.last_ms
    }

    /// Writes the samples from one place on, oldest first, at most `count`; whether these were the last.
    pub fn write(&self, from: usize, count: usize, out: &mut Json) -> bool {
        let (first, end) = (self.taken - self.len(), self.len());
        for place in from..(from + count).min(end) {
            out.array(|out| self.samples[(first + place) % SECONDS].iter().for_each(|value| out.short(*value)));
        }
        from + count >= end
    }

    /// Writes the last sample.
    pub fn write_last(&self, out: &mut Json) {
        match self.len().checked_sub(1) {
            Some(last) => _ = self.write(last, 1, out),
            None => out.array(|_| {}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(commands: u64, used: f32) -> Reading {
        Reading { counters: [commands, 0, 0, 0, 0, 0, 0, 0], busy: [0.0, 0.0], levels: [used, 0.0, 0.0, 0.0] }
    }

    fn written(history: &History) -> String {
        let mut json = Json::default();
        history.write_last(&mut json);
        json.finish()
    }

    #[test]
    fn rates_are_per_second_and_levels_as_they_are() {
        let mut history = History::default();
        history.take(reading(100, 5.0), 1_000);
        assert_eq!(history.len(), 0);
        history.take(reading(300, 6.0), 3_000);
        assert_eq!(history.len(), 2, "the second that was missed is there as a gap");
        assert!(written(&history).starts_with("[100,0,0,0,0,6,"), "{}", written(&history));
        history.take(reading(50, 6.0), 4_000);
        assert!(written(&history).starts_with("[0,"), "a counter that was reset");
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut history = History::default();
        (0..=5000).for_each(|second| history.take(reading(second, second as f32), second as i64 * 1000));
        assert_eq!(history.len(), SECONDS);
        let mut json = Json::default();
        assert!(!history.write(0, 1, &mut json));
        assert!(json.finish().contains(",1401,"), "the oldest of those kept");
        assert!(size_of::<Sample>() * SECONDS < 300_000);
        history.take(reading(0, 0.0), i64::MAX / 2);
        assert_eq!(history.len(), SECONDS);
    }
}
