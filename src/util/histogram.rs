//! A histogram of durations in logarithmic buckets.
//!
//! Each power of two is cut into 32 equal parts, so a value is known to about three per cent and recording one takes
//! a few instructions. Values are nanoseconds up to about 18 minutes; longer ones count as the longest.

/// Parts a power of two is cut into, as a power of two.
const PART_BITS: u32 = 5;
const PARTS: usize = 1 << PART_BITS;
/// Powers of two told apart above the first `PARTS` values.
const POWERS: usize = 36;
const BUCKETS: usize = PARTS * (POWERS + 1);

/// Counts of values, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: [u32; BUCKETS],
    total: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: [0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Counts a value.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        let bucket = &mut self.buckets[bucket_of(nanos)];
        *bucket = bucket.saturating_add(1);
        self.total += 1;
    }

    /// How many values were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The value that `percent` of all values don't exceed: the upper end of its bucket. 0 when nothing was counted.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = ((percent / 100.0 * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted {
                return upper_end(bucket);
            }
        }
        0
    }

    /// How many values were at most `nanos`, to the precision of the buckets.
    pub fn count_up_to(&self, nanos: u64) -> u64 {
        self.buckets[..=bucket_of(nanos)].iter().map(|count| u64::from(*count)).sum()
    }
}

#[inline]
fn bucket_of(value: u64) -> usize {
    if value < PARTS as u64 {
        return value as usize;
    }
    let power = value.ilog2() - PART_BITS;
    let part = (value >> power) as usize - PARTS;
    ((power as usize + 1) * PARTS + part).min(BUCKETS - 1)
}

fn upper_end(bucket: usize) -> u64 {
    if bucket < PARTS {
        return bucket as u64;
    }
    let power = bucket / PARTS - 1;
    let part = (bucket % PARTS + PARTS) as u64;
    ((part + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_lies_in_its_bucket() {
        for value in (0..5000).chain((1..50).map(|shift| (1u64 << shift.min(39)) + 17)) {
            let end = upper_end(bucket_of(value));
            assert!(end >= value && end as f64 <= value as f64 * 1.04 + 1.0, "{value} in a bucket up to {end}");
        }
    }

    #[test]
    fn percentiles_of_a_ramp() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|value| histogram.record(value * 1000));
        let median = histogram.percentile(50.0) as f64;
        assert!((median / 500_000.0 - 1.0).abs() < 0.04, "{median}");
        assert_eq!(histogram.count_up_to(2_000_000), 1000);
        assert_eq!(Histogram::default().percentile(99.0), 0);
    }
}
