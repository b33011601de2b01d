//! The latency monitor's notes for people: LATENCY DOCTOR in words, LATENCY GRAPH in characters.

use std::fmt::Write;

use super::{Latency, Series};
use crate::config::Config;

/// Rows of a graph, and the characters a column is drawn with from the bottom: full cells, then how full the top is.
const GRAPH_ROWS: usize = 4;
const FULL: char = '|';
const TOPS: [char; 3] = ['_', 'o', '#'];
/// Columns of a graph: the latest spikes.
const GRAPH_COLUMNS: usize = 80;

/// Draws the spikes of an event, the oldest at the left, with their age below.
pub fn graph(event: &str, series: &Series, now_seconds: i64) -> String {
    let skipped = series.samples.len().saturating_sub(GRAPH_COLUMNS);
    let samples: Vec<(i64, u64)> = series.samples.iter().skip(skipped).copied().collect();
    let low = samples.iter().map(|(_, ms)| *ms).min().unwrap_or(0);
    let high = samples.iter().map(|(_, ms)| *ms).max().unwrap_or(0);
    let mut graph =
        format!("{event} - high {high} ms, low {low} ms (all time high {} ms)\n{:-<80}\n", series.worst_ms, "");
    let steps = GRAPH_ROWS * TOPS.len();
    let height = |ms: u64| match high - low {
        0 => 1,
        span => steps.min(1 + ((ms - low) as u128 * steps as u128 / u128::from(span)) as usize),
    };
    for row in (0..GRAPH_ROWS).rev() {
        let cell = |(_, ms): &(i64, u64)| match height(*ms).saturating_sub(row * TOPS.len()) {
            0 => ' ',
            part if part > TOPS.len() => FULL,
            part => TOPS[part - 1],
        };
        push_line(&mut graph, samples.iter().map(cell).collect());
    }
    push_line(&mut graph, " ".repeat(samples.len()));
    let ages: Vec<Vec<char>> = samples.iter().map(|(time, _)| age(now_seconds - time).chars().collect()).collect();
    for line in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        push_line(&mut graph, ages.iter().map(|age| age.get(line).copied().unwrap_or(' ')).collect());
    }
    graph
}

fn push_line(text: &mut String, line: String) {
    text.push_str(&line);
    text.push('\n');
}

/// `12s`, `3m`, `5h` or `2d`.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// Explains the spikes of all events.
pub fn report(latency: &Latency, config: &Config, now_seconds: i64) -> String {
    if latency.events.is_empty() {
        return match latency.threshold_ms {
            0 => {
                "The latency monitor is off. Switch it on with CONFIG SET latency-monitor-threshold <milliseconds>: it \
                  then takes note of whatever takes at least that long.\n"
                    .to_owned()
            }
            threshold => format!("Nothing has taken {threshold} milliseconds or more since the server started.\n"),
        };
    }
    let mut report = "The latency monitor has noted these spikes:\n\n".to_owned();
    let mut advice: Vec<String> = Vec::new();
    for (number, (event, series)) in latency.events.iter().enumerate() {
        let count = series.samples.len().max(1) as u64;
        let average = series.samples.iter().map(|(_, ms)| ms).sum::<u64>() / count;
        let deviation = series.samples.iter().map(|(_, ms)| ms.abs_diff(average)).sum::<u64>() / count;
        let first = series.samples.front().map_or(now_seconds, |(time, _)| *time);
        let period = (now_seconds - first).max(0) as f64 / count as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            report,
            "{}. {event}: {count} latency spikes (average {average}ms, mean deviation {deviation}ms, period {period:.2} \
             sec). Worst all time event {}ms.",
            number + 1,
            series.worst_ms
        );
        for line in advice_on(event, latency.threshold_ms, config) {
            if !advice.contains(&line) {
                advice.push(line);
            }
        }
    }
    if advice.is_empty() {
        return report;
    }
    report.push_str("\nThis may help:\n\n");
    advice.iter().for_each(|line| report.push_str(&format!("- {line}\n")));
    report
}

fn advice_on(event: &str, threshold_ms: u64, config: &Config) -> Vec<String> {
    const BIG_VALUES: &str = "Deleting a very large value takes long. Split such values, or use UNLINK and the lazyfree \
                              directives.";
    match event {
        "command" => {
            let wanted = threshold_ms * 1000;
            let slower_than = config.slowlog_log_slower_than_us;
            let mut lines = Vec::new();
            if u64::try_from(slower_than).map_or(true, |limit| limit > wanted) {
                lines.push(format!(
                    "The slow log does not show the commands in question: CONFIG SET slowlog-log-slower-than {wanted} has \
                     it do so."
                ));
            }
            lines.push("Look with SLOWLOG GET which commands are slow.".to_owned());
            lines.push(BIG_VALUES.to_owned());
            lines
        }
        "fast-command" => vec![
            "Commands that need next to no time took long: the machine did not let the server run. Look for other load \
             on it, and measure with 'redis-cli --intrinsic-latency 100'."
                .to_owned(),
        ],
        "expire-cycle" if config.hz < 100 => {
            vec!["CONFIG SET hz 100 has expired keys deleted in smaller portions.".to_owned(), BIG_VALUES.to_owned()]
        }
        "expire-cycle" | "eviction-del" => vec![BIG_VALUES.to_owned()],
        "eviction-cycle" => vec![
            "A lower maxmemory, or a big value at once, makes many keys go at a time. Lower it in steps.".to_owned(),
        ],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(samples: &[(i64, u64)]) -> Series {
        let worst_ms = samples.iter().map(|(_, ms)| *ms).max().unwrap_or(0);
        Series { samples: samples.iter().copied().collect(), worst_ms, ..Series::default() }
    }

    #[test]
    fn a_graph_rises_with_the_spikes() {
        let graph = graph("command", &series(&[(0, 10), (50, 20), (100, 120)]), 100);
        let lines: Vec<&str> = graph.lines().collect();
        assert_eq!(lines[0], "command - high 120 ms, low 10 ms (all time high 120 ms)");
        assert_eq!(lines[2..6], ["  #", "  |", "  |", "_o|"]);
        assert_eq!(lines[6..], ["   ", "150", "m0s", " s "]);
    }

    #[test]
    fn the_doctor_counts_spikes_and_advises() {
        let config = Config::default();
        let mut latency = Latency::default();
        assert!(report(&latency, &config, 0).contains("is off"));
        latency.threshold_ms = 5;
        assert!(report(&latency, &config, 0).starts_with("Nothing has taken 5"));
        latency.events.insert("command", series(&[(0, 10), (10, 30)]));
        let report = report(&latency, &config, 20);
        assert!(report.contains("1. command: 2 latency spikes (average 20ms, mean deviation 10ms, period 10.00 sec)"));
        assert!(report.contains("slowlog-log-slower-than 5000"), "{report}");
    }
}
