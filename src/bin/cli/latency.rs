//! `--latency` and `--latency-history`: how long a PING takes.

use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::format::Style;
use crate::options::Options;
use crate::output::print;
use crate::reconnecting::Reconnecting;

/// Between two samples.
pub const REST: Duration = Duration::from_millis(10);

const HISTORY_INTERVAL: Duration = Duration::from_secs(15);
const ONCE_INTERVAL: Duration = Duration::from_secs(1);

/// Samples in milliseconds.
#[derive(Debug, Default)]
struct Samples {
    min: u128,
    max: u128,
    total: u128,
    count: u128,
}

impl Samples {
    fn add(&mut self, latency_ms: u128) {
        self.min = if self.count == 0 { latency_ms } else { self.min.min(latency_ms) };
        self.max = self.max.max(latency_ms);
        self.total += latency_ms;
        self.count += 1;
    }

    fn shown(&self, style: Style) -> String {
        let Samples { min, max, count, .. } = self;
        let average = self.total as f64 / (*count).max(1) as f64;
        match style {
            Style::Human => format!("min: {min}, max: {max}, avg: {average:.2} ({count} samples)"),
            Style::Csv => format!("{min},{max},{average:.2},{count}\n"),
            Style::Raw => format!("{min} {max} {average:.2} {count}\n"),
            Style::Json | Style::QuotedJson => {
                format!("{{\"min\": {min}, \"max\": {max}, \"avg\": {average:.2}, \"count\": {count}}}\n")
            }
        }
    }
}

/// Takes samples: for ever, or, where the output is for a program, for the interval.
///
/// # Errors
/// When what comes is no RESP.
pub fn run(mut link: Reconnecting, options: &Options, history: bool) -> Result<(), Failure> {
    let given = Some(options.interval).filter(|interval| !interval.is_zero());
    let (range, once) = (given.unwrap_or(HISTORY_INTERVAL), given.unwrap_or(ONCE_INTERVAL));
    let style = options.layout.style;
    let (mut samples, mut since) = (Samples::default(), Instant::now());
    loop {
        let start = Instant::now();
        link.call(["PING"])?;
        samples.add(start.elapsed().as_millis());
        if style == Style::Human {
            print(format!("\x1b[0G\x1b[2K{}", samples.shown(style)));
        } else if history {
            print(samples.shown(style));
        } else if since.elapsed() > once {
            print(samples.shown(style));
            return Ok(());
        }
        if history && since.elapsed() > range {
            print(format!(" -- {:.2} seconds range\n", since.elapsed().as_secs_f32()));
            (samples, since) = (Samples::default(), Instant::now());
        }
        thread::sleep(REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_shown_in_every_style() {
        let mut samples = Samples::default();
        [4, 1, 2].into_iter().for_each(|latency| samples.add(latency));
        assert_eq!(samples.shown(Style::Human), "min: 1, max: 4, avg: 2.33 (3 samples)");
        assert_eq!(samples.shown(Style::Raw), "1 4 2.33 3\n");
        assert_eq!(samples.shown(Style::Csv), "1,4,2.33,3\n");
        assert_eq!(samples.shown(Style::Json), "{\"min\": 1, \"max\": 4, \"avg\": 2.33, \"count\": 3}\n");
    }
}
