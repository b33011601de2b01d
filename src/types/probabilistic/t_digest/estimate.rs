//! What a digest tells: quantiles, the part of the values below one, and means without the ends.
//!
//! Between two centroids values are taken as spread evenly. A centroid of weight 1 is a value itself, and so are the
//! least and the greatest one. Each question merges neighbours before; if that fails, what is merged answers.

use super::{Centroid, TDigest};

impl TDigest {
    /// The part of the values at or below a value; of those equal to it, half. Not a number without values.
    pub fn part_below(&mut self, value: f64) -> f64 {
        let _ = self.compress();
        let total = self.merged_weight as f64;
        let centroids = self.merged();
        let (Some(first), Some(last)) = (centroids.first(), centroids.last()) else { return f64::NAN };
        if value < self.min {
            return 0.0;
        }
        if value > self.max {
            return 1.0;
        }
        if centroids.len() == 1 {
            let width = self.max - self.min;
            return if value - self.min <= width { 0.5 } else { (value - self.min) / width };
        }
        if value < first.mean {
            return match first.mean - self.min {
                width if width > 0.0 && value == self.min => 0.5 / total,
                width if width > 0.0 => (1.0 + (value - self.min) / width * (first.weight as f64 / 2.0 - 1.0)) / total,
                _ => 0.0,
            };
        }
        if value > last.mean {
            return match self.max - last.mean {
                width if width > 0.0 && value == self.max => 1.0 - 0.5 / total,
                width if width > 0.0 => {
                    1.0 - (1.0 + (self.max - value) / width * (last.weight as f64 / 2.0 - 1.0)) / total
                }
                _ => 1.0,
            };
        }
        part_between(centroids, value, total)
    }

    /// The value below which a part of the values lies, as TDIGEST.QUANTILE tells it. Not a number without values.
    pub fn quantile(&mut self, part: f64) -> f64 {
        let _ = self.compress();
        match self.merged() {
            [] => f64::NAN,
            [only] => only.mean,
            centroids => self.value_at(part * self.merged_weight as f64, centroids),
        }
    }

    /// The value of a rank, from 0, below the number of values.
    pub fn value_of_rank(&mut self, rank: f64) -> f64 {
        let part = rank / self.weight() as f64;
        let _ = self.compress();
        if self.merged().len() > 1 && part * (self.merged_weight as f64) < 1.0 { self.min } else { self.quantile(part) }
    }

    /// The value at an index into all values in order. There are two centroids at least.
    fn value_at(&self, index: f64, centroids: &[Centroid]) -> f64 {
        let [first, .., last] = centroids else { return f64::NAN };
        let (first_half, last_half) = (first.weight as f64 / 2.0, last.weight as f64 / 2.0);
        let total = self.merged_weight as f64;
        if first.weight > 1 && index < first_half {
            // One value is the least itself, so that the others weigh less.
            return self.min + (index - 1.0) / (first_half - 1.0) * (first.mean - self.min);
        }
        if index > (self.merged_weight - 1) as f64 {
            return self.max;
        }
        if last.weight > 1 && total - index <= last_half {
            return self.max - (total - index - 1.0) / (last_half - 1.0) * (self.max - last.mean);
        }
        let mut before = first_half;
        for (left, right) in centroids.iter().zip(&centroids[1..]) {
            let step = (left.weight as f64 + right.weight as f64) / 2.0;
            if before + step > index {
                let is_single = |centroid: &Centroid| centroid.weight == 1;
                if is_single(left) && index - before < 0.5 {
                    return left.mean;
                }
                if is_single(right) && before + step - index <= 0.5 {
                    return right.mean;
                }
                let unit = |centroid| if is_single(centroid) { 0.5 } else { 0.0 };
                let behind = index - before - unit(left);
                let ahead = before + step - index - unit(right);
                return weighted_mean(left.mean, ahead, right.mean, behind);
            }
            before += step;
        }
        let behind = index - total - last_half;
        weighted_mean(last.mean, behind, self.max, last_half - behind)
    }

    /// The mean of the values between two parts of all. Not a number without values.
    pub fn trimmed_mean(&mut self, low: f64, high: f64) -> f64 {
        let _ = self.compress();
        let total = self.merged_weight as f64;
        let centroids = match self.merged() {
            [] => return f64::NAN,
            [only] => return only.mean,
            centroids => centroids,
        };
        let (low, high) = ((total * low).floor(), (total * high).ceil());
        let (mut done, mut sum, mut count) = (0.0, 0.0, 0.0);
        for centroid in centroids {
            let weight = centroid.weight as f64;
            let behind_low = weight - c_min(c_max(0.0, low - done), weight);
            let taken = c_min(c_max(0.0, high - done), behind_low);
            done += weight;
            sum += centroid.mean * taken;
            count += taken;
            if done >= high {
                break;
            }
        }
        sum / count
    }
}

/// The part at or below a value that is neither before the first centroid nor behind the last one.
fn part_between(centroids: &[Centroid], value: f64, total: f64) -> f64 {
    let mut before = 0.0;
    for (at, pair) in centroids.windows(2).enumerate() {
        let (left, right) = (pair[0], pair[1]);
        if left.mean == value {
            let equal = centroids[at..].iter().take_while(|centroid| centroid.mean == value);
            let weight = equal.fold(0.0, |sum, centroid| sum + centroid.weight as f64);
            return (before + weight / 2.0) / total;
        }
        if left.mean <= value && value < right.mean {
            let (left_weight, right_weight) = (left.weight as f64, right.weight as f64);
            let step = (left_weight + right_weight) / 2.0;
            if right.mean - left.mean <= 0.0 {
                return (before + step) / total;
            }
            // Values that stand for themselves lie at their centroid and are not spread.
            let (left_out, right_out) = match (left.weight == 1, right.weight == 1) {
                (true, true) => return (before + 1.0) / total,
                (true, false) => (0.5, 0.0),
                (false, true) => (0.0, 0.5),
                (false, false) => (0.0, 0.0),
            };
            let spread = step - left_out - right_out;
            let base = before + left_weight / 2.0 + left_out;
            return (base + spread * (value - left.mean) / (right.mean - left.mean)) / total;
        }
        before += left.weight as f64;
    }
    1.0 - 0.5 / total
}

/// The mean of two numbers by weights, between the two whatever the weights are.
fn weighted_mean(one: f64, one_weight: f64, other: f64, other_weight: f64) -> f64 {
    let (low, low_weight, high, high_weight) = match one <= other {
        true => (one, one_weight, other, other_weight),
        false => (other, other_weight, one, one_weight),
    };
    let mean = (low * low_weight + high * high_weight) / (low_weight + high_weight);
    c_max(low, c_min(mean, high))
}

/// The greater number as C's conditional gives it: the second one if they do not compare.
fn c_max(one: f64, other: f64) -> f64 {
    if one > other { one } else { other }
}

/// The lesser number as C's conditional gives it: the second one if they do not compare.
fn c_min(one: f64, other: f64) -> f64 {
    if one < other { one } else { other }
}
