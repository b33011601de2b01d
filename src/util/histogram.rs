//! A histogram of durations: of the shape that Redis gives its own, an HDR histogram with two digits, so that INFO and
//! LATENCY HISTOGRAM show the same numbers.
//!
//! Below 256 each nanosecond has a bucket of its own; from there on 128 buckets share each power of two. Each command counts
//! here, so the code is our own: the crate `hdrhistogram` takes twice as many instructions to count a value, and is the
//! twin that the tests compare it with.

/// Buckets that share a power of two, and the logarithm of their number.
const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 7;
/// The shortest and the longest duration told apart, in nanoseconds; shorter and longer ones count as these.
const SHORTEST: u64 = 1;
const LONGEST: u64 = 1_000_000_000;
/// Where the last bucket ends, in nanoseconds.
const END: u64 = (1 << 30) - 1;
const BUCKETS: usize = bucket_of(LONGEST) + 1;

/// Counts of values, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: [0; BUCKETS] }
    }
}

impl Histogram {
    /// Counts a value.
    #[inline(always)]
    pub fn record(&mut self, nanos: u64) {
        self.buckets[bucket_of(nanos.clamp(SHORTEST, LONGEST))] += 1;
    }

    /// How many values were counted.
    pub fn total(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The value that `percent` of all values don't exceed: the upper end of its bucket, the lower one for none of
    /// them. 0 when nothing was counted.
    pub fn percentile(&self, percent: f64) -> u64 {
        // As in Redis the rank is the nearest whole one.
        let rank = ((percent / 100.0 * self.total() as f64).round() as u64).max(1);
        let mut seen = 0;
        let reaches = |count: &u64| {
            seen += count;
            seen >= rank
        };
        match self.buckets.iter().position(reaches) {
            Some(bucket) if percent <= 0.0 => lower_end(bucket),
            Some(bucket) => lower_end(bucket + 1) - 1,
            None => 0,
        }
    }

    /// How many values were at most `nanos`, to the precision of the buckets.
    pub fn count_up_to(&self, nanos: u64) -> u64 {
        self.buckets[..=bucket_of(nanos.min(LONGEST))].iter().sum()
    }

    /// The same for several durations at once, in order.
    pub fn counts_up_to<const N: usize>(&self, nanos: [u64; N]) -> [u64; N] {
        let (mut seen, mut from) = (0, 0);
        nanos.map(|nanos| {
            let end = bucket_of(nanos.min(LONGEST)) + 1;
            seen += self.buckets[from.min(end)..end].iter().sum::<u64>();
            from = end.max(from);
            seen
        })
    }

    /// The longest duration that counts as `nanos`.
    pub fn end_of_bucket(&self, nanos: u64) -> u64 {
        (lower_end(bucket_of(nanos) + 1) - 1).min(END)
    }
}

#[inline(always)]
const fn bucket_of(nanos: u64) -> usize {
    if nanos < PARTS as u64 {
        return nanos as usize;
    }
    let power = nanos.ilog2() - PART_BITS;
    power as usize * PARTS + (nanos >> power) as usize
}

/// The first duration of a bucket.
fn lower_end(bucket: usize) -> u64 {
    if bucket < 2 * PARTS {
        return bucket as u64;
    }
    let power = bucket / PARTS - 1;
    ((bucket - power * PARTS) as u64) << power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    /// The same numbers by the crate, with the rank that Redis takes.
    fn percentile_of_twin(twin: &hdrhistogram::Histogram<u64>, percent: f64) -> u64 {
        let rank = (percent / 100.0 * twin.len() as f64).round().max(1.0);
        twin.value_at_quantile(if percent <= 0.0 { 0.0 } else { (rank - 0.5) / twin.len().max(1) as f64 })
    }

    proptest! {
        #[test]
        fn any_durations_are_counted_as_in_an_hdr_histogram(
            values in proptest::collection::vec((0_u64..64, any::<u64>()), 0..200),
            percents in proptest::collection::vec(0.0..=100.0, 8),
        ) {
            let values: Vec<u64> = values.into_iter().map(|(shift, value)| value >> shift).collect();
            let own = of(values.iter().copied());
            let mut twin = hdrhistogram::Histogram::new_with_bounds(SHORTEST, LONGEST, 2).unwrap();
            values.iter().for_each(|value| twin.record(*value.clamp(&SHORTEST, &LONGEST)).unwrap());
            prop_assert_eq!(own.total(), twin.len());
            for percent in percents.into_iter().chain([0.0, 50.0, 99.9, 100.0]) {
                prop_assert_eq!(own.percentile(percent), percentile_of_twin(&twin, percent), "{}", percent);
            }
            let bounds: [u64; 31] = std::array::from_fn(|power| 1 << power);
            prop_assert_eq!(own.counts_up_to(bounds), bounds.map(|bound| own.count_up_to(bound)));
            for nanos in values.into_iter().chain((0..31).map(|power| 1 << power)) {
                prop_assert_eq!(own.count_up_to(nanos), twin.count_between(0, nanos));
                if nanos <= END {
                    prop_assert_eq!(own.end_of_bucket(nanos), twin.highest_equivalent(nanos).min(END));
                }
            }
        }
    }
}
