//! Metrics of each command that was called or refused.

use super::exposition::{Exposition, Format, Kind};
use crate::command::table::Entry;
use crate::server::observe::info::section::Source;

/// Upper bounds of the buckets of latency, in microseconds: powers of two up to a second.
const BOUNDS_US: [u64; 21] = {
    let mut bounds = [0; 21];
    let mut power = 0;
    while power < bounds.len() {
        bounds[power] = 1 << power;
        power += 1;
    }
    bounds
};

/// A family: its name, what it is, and its sample of a command.
type Family = (&'static str, Kind, &'static str, fn(&Entry) -> Option<f64>);

const FAMILIES: &[Family] = &[
    ("redis_commands_total", Kind::Counter, "Calls per command.", |entry| Some(entry.stats.calls as f64)),
    ("redis_commands_duration_seconds_total", Kind::Counter, "Seconds that calls took per command.", |entry| {
        Some(entry.stats.nanos as f64 / 1e9)
    }),
    ("redis_commands_rejected_calls_total", Kind::Counter, "Calls refused before they ran per command.", |entry| {
        Some(entry.stats.rejected as f64)
    }),
    ("redis_commands_failed_calls_total", Kind::Counter, "Calls answered with an error per command.", |entry| {
        Some(entry.stats.failed as f64)
    }),
    ("redis_commands_slowlog_total", Kind::Counter, "Calls that entered the slow log per command.", |entry| {
        Some(entry.stats.slow.as_ref()?.count as f64)
    }),
    (
        "redis_commands_slowlog_duration_seconds_total",
        Kind::Counter,
        "Seconds that calls took which entered the slow log, per command.",
        |entry| Some(entry.stats.slow.as_ref()?.sum_us as f64 / 1e6),
    ),
    (
        "redis_commands_slowlog_duration_seconds_max",
        Kind::Gauge,
        "Seconds that the longest call took which entered the slow log, per command.",
        |entry| Some(entry.stats.slow.as_ref()?.max_us as f64 / 1e6),
    ),
];

/// The commands that there is something to tell of.
fn used<'a>(source: &Source<'a>) -> impl Iterator<Item = &'a Entry> {
    source.server.commands.entries().filter(|entry| entry.stats.is_anything())
}

/// Writes the families of counters.
pub fn counters(source: &Source<'_>, out: &mut Exposition) {
    for (name, kind, help, value) in FAMILIES {
        let mut samples = used(source).filter_map(|entry| Some((entry, value(entry)?))).peekable();
        if samples.peek().is_some() {
            out.family(name, *kind, help);
            samples.for_each(|(entry, value)| out.sample(&[("cmd", &entry.full_name)], value));
        }
    }
}

/// Writes the histograms of `count` commands from the one at `from` on; where to go on, if there are more.
pub fn histograms(source: &Source<'_>, out: &mut Exposition, from: usize, count: usize) -> Option<usize> {
    if from == 0 {
        out.family("redis_commands_latencies_usec", Kind::Histogram, "Microseconds that calls took per command.");
    }
    for entry in source.server.commands.entries().skip(from).take(count) {
        let Some(histogram) = &entry.stats.latency else { continue };
        let cmd = entry.full_name.as_str();
        let counts = histogram.counts_up_to(BOUNDS_US.map(|bound| bound * 1000));
        for (bound, count) in BOUNDS_US.iter().zip(counts) {
            let bound = match out.format {
                Format::Prometheus => bound.to_string(),
                Format::OpenMetrics => format!("{bound}.0"),
            };
            out.sample_of("_bucket", &[("cmd", cmd), ("le", &bound)], count);
        }
        let total = histogram.total();
        out.sample_of("_bucket", &[("cmd", cmd), ("le", "+Inf")], total);
        out.sample_of("_sum", &[("cmd", cmd)], entry.stats.nanos as f64 / 1000.0);
        out.sample_of("_count", &[("cmd", cmd)], total);
    }
    (from + count < source.server.commands.entries().len()).then_some(from + count)
}

/// Writes the percentiles of `latency-tracking-info-percentiles`, likewise. In OpenMetrics a summary could not have
/// them, since its quantiles are shares, and not per cent as the exporter has them.
pub fn percentiles(source: &Source<'_>, out: &mut Exposition, from: usize, count: usize) -> Option<usize> {
    if from == 0 {
        let help = "Percentiles of the microseconds that calls took per command.";
        out.family("redis_latency_percentiles_usec", Kind::Summary, help);
    }
    for entry in source.server.commands.entries().skip(from).take(count) {
        let Some(histogram) = &entry.stats.latency else { continue };
        let cmd = entry.full_name.as_str();
        for percentile in &source.server.config.latency_tracking_info_percentiles {
            let micros = histogram.percentile(*percentile) as f64 / 1000.0;
            out.sample(&[("cmd", cmd), ("quantile", &percentile.to_string())], micros);
        }
        if out.format == Format::Prometheus {
            out.sample_of("_sum", &[("cmd", cmd)], entry.stats.nanos as f64 / 1000.0);
            out.sample_of("_count", &[("cmd", cmd)], entry.stats.calls);
        }
    }
    (from + count < source.server.commands.entries().len()).then_some(from + count)
}
