//! INFO commandstats, errorstats and latencystats.

use super::section::{Section, Source};

/// Names with characters that would break a line of INFO have them replaced.
fn safe(name: &str) -> String {
    name.replace(['#', ':', '\n', '\r'], "_")
}

/// Calls and time of each command that was called or refused.
pub fn calls(source: &Source<'_>, section: &mut Section<'_>) {
    for entry in source.server.commands.entries().filter(|entry| entry.stats.is_anything()) {
        let stats = &entry.stats;
        let per_call = if stats.calls == 0 { 0.0 } else { stats.nanos as f64 / 1000.0 / stats.calls as f64 };
        let slow = stats.slow.as_deref().map_or_else(String::new, |slow| {
            let (sum, max) = (slow.sum_us as f64 / 1000.0, slow.max_us as f64 / 1000.0);
            format!(",slowlog_count={},slowlog_time_ms_sum={sum:.2},slowlog_time_ms_max={max:.2}", slow.count)
        });
        section.field(
            format_args!("cmdstat_{}", safe(&entry.full_name)),
            format_args!(
                "calls={},usec={},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}{slow}",
                stats.calls,
                stats.nanos / 1000,
                stats.rejected,
                stats.failed
            ),
        );
    }
}

/// Error replies by code.
pub fn errors(source: &Source<'_>, section: &mut Section<'_>) {
    for (code, count) in &source.server.stats.errors {
        section.field(format_args!("errorstat_{}", safe(code)), format_args!("count={count}"));
    }
}

/// The percentiles of `latency-tracking-info-percentiles`, in microseconds, of each command that was called.
pub fn latencies(source: &Source<'_>, section: &mut Section<'_>) {
    for entry in source.server.commands.entries() {
        let Some(histogram) = &entry.stats.latency else { continue };
        let percentiles = source.server.config.latency_tracking_info_percentiles.iter().map(|percentile| {
            let shown = format!("{percentile:.6}");
            let shown = shown.trim_end_matches('0').trim_end_matches('.');
            format!("p{shown}={:.3}", histogram.percentile(*percentile) as f64 / 1000.0)
        });
        let name = safe(&entry.full_name);
        let percentiles = percentiles.collect::<Vec<_>>().join(",");
        section.field(format_args!("latency_percentiles_usec_{name}"), percentiles);
    }
}
