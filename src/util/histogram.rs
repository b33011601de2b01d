//! A histogram of durations: of the shape that Redis gives its own, an HDR histogram with two digits, so that INFO and
//! LATENCY HISTOGRAM show the same numbers.

use hdrhistogram::Histogram as Counts;

/// The shortest and the longest duration told apart, in nanoseconds; shorter and longer ones count as these.
const SHORTEST: u64 = 1;
const LONGEST: u64 = 1_000_000_000;
/// Digits to which a duration is known.
const DIGITS: u8 = 2;
/// Where the last bucket ends, in nanoseconds.
const END: u64 = (1 << 30) - 1;

/// Counts of values, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram(Counts<u64>);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram(Counts::new_with_bounds(SHORTEST, LONGEST, DIGITS).expect("these bounds make a histogram"))
    }
}

impl Histogram {
    /// Counts a value.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos.clamp(SHORTEST, LONGEST));
    }

    /// How many values were counted.
    pub fn total(&self) -> u64 {
        self.0.len()
    }

    /// The value that `percent` of all values don't exceed: the upper end of its bucket, the lower one for none of
    /// them. 0 when nothing was counted.
    pub fn percentile(&self, percent: f64) -> u64 {
        if percent <= 0.0 {
            return self.0.value_at_quantile(0.0);
        }
        // Redis rounds the rank to the nearest whole one, the crate up; half below a whole one both take for the same.
        let total = self.total() as f64;
        let rank = (percent / 100.0 * total).round().max(1.0);
        self.0.value_at_quantile((rank - 0.5) / total.max(1.0))
    }

    /// How many values were at most `nanos`, to the precision of the buckets.
    pub fn count_up_to(&self, nanos: u64) -> u64 {
        self.0.count_between(0, nanos)
    }

    /// The longest duration that counts as `nanos`.
    pub fn end_of_bucket(&self, nanos: u64) -> u64 {
        self.0.highest_equivalent(nanos).min(END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        values.into_iter().for_each(|value| histogram.record(value));
        histogram
    }

    /// Of PING in 4 microseconds and DEBUG SLEEP 1.3 on Redis 7.0.15 and 8.2.3.
    #[test]
    fn percentiles_of_one_call_are_those_of_redis() {
        let [short, long] = [of([4_000]), of([1_300_000_000])];
        assert_eq!([0.0, 50.0, 100.0].map(|percent| short.percentile(percent)), [4_000, 4_015, 4_015]);
        assert_eq!([0.0, 50.0].map(|percent| long.percentile(percent)), [998_244_352, 1_002_438_655]);
    }

    #[test]
    fn a_rank_between_two_values_is_that_of_the_nearer_one() {
        let twelve = of((1..=12).map(|value| value * 1_000_000));
        let near = |percent: f64| (twelve.percentile(percent) + 500_000) / 1_000_000;
        assert_eq!([10.0, 12.0, 12.5, 50.0, 99.0, 99.9, 100.0].map(near), [1, 1, 2, 6, 12, 12, 12]);
        for total in [3, 1_000, 4_097] {
            let ramp = of(1..=total);
            let median = ramp.percentile(50.0);
            assert!(median.abs_diff(total.div_ceil(2)) <= total / 128, "{median} of {total}");
        }
    }

    #[test]
    fn values_are_counted_up_to_the_end_of_their_bucket() {
        let ramp = of((1..=1000).map(|value| value * 1000));
        assert_eq!(ramp.count_up_to(2_000_000), 1000);
        assert_eq!(ramp.count_up_to(ramp.end_of_bucket(1024)), 1);
        assert_eq!((ramp.end_of_bucket(1024), ramp.end_of_bucket(1 << 30)), (1031, END));
        assert_eq!((Histogram::default().percentile(0.0), Histogram::default().percentile(99.0)), (0, 0));
        assert_eq!(of([0]).total(), 1);
    }
}
