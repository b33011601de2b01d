//! t-digests: quantiles of many values from few, most exact at both ends (Dunning, "The t-digest", 2019).
//!
//! Values are kept as centroids, a mean and the number of values it stands for. New values come behind the merged ones;
//! when the room for both is used up, and before a question, all are sorted and neighbours merged as long as a centroid
//! does not stand for more than its place in the whole allows: q·(1−q), scaled by the compression.
//!
//! What answers depend on beside the values is part of the format: when merges happen, how sums are rounded, and the
//! order in which centroids of equal means are merged (`order`).

mod estimate;
mod order;
#[cfg(test)]
mod tests;

use std::f64::consts::PI;

use super::Refused;
use crate::types::bundled::Value;
use crate::types::digest::Digest;

/// The name of the type.
pub const TYPE_NAME: &str = "TDIS-TYPE";

/// Centroids are allowed for: so many times the compression, and so many more.
const CAPACITY_FACTOR: u64 = 6;
const CAPACITY_MORE: u64 = 10;
/// The largest capacity.
const CAPACITY_MAX: u64 = i32::MAX as u64;
/// What INFO counts beside the centroids, and for a centroid.
const DIGEST_BYTES: u64 = 8;
const CENTROID_BYTES: u64 = 16;

/// The compression asks for more centroids than there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// There are more values than can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// A mean and the number of values that it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Centroid {
    /// The mean, finite.
    pub mean: f64,
    /// The number of values, above 0.
    pub weight: i64,
}

/// A digest.
#[derive(Clone, Debug, PartialEq)]
pub struct TDigest {
    compression: f64,
    capacity: usize,
    /// Merged ones, in order, and behind them those that came since.
    centroids: Vec<Centroid>,
    merged: usize,
    merged_weight: i64,
    unmerged_weight: i64,
    min: f64,
    max: f64,
    compressions: i64,
}

/// A digest as files have it: all centroids are merged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parts {
    /// The compression.
    pub compression: f64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// Centroids that it may have.
    pub capacity: i64,
    /// Centroids that it has.
    pub merged: i64,
    /// How often centroids were merged.
    pub compressions: i64,
    /// Values.
    pub weight: f64,
}

impl TDigest {
    /// A digest without values. The compression is above 0.
    pub fn new(compression: i64) -> Result<TDigest, TooLarge> {
        let wanted = u64::try_from(compression).ok().and_then(|factor| factor.checked_mul(CAPACITY_FACTOR));
        let capacity = wanted.and_then(|wanted| wanted.checked_add(CAPACITY_MORE)).ok_or(TooLarge)?;
        if capacity > CAPACITY_MAX || compression == 0 {
            return Err(TooLarge);
        }
        Ok(TDigest {
            compression: compression as f64,
            capacity: capacity as usize,
            centroids: Vec::new(),
            merged: 0,
            merged_weight: 0,
            unmerged_weight: 0,
            min: f64::MAX,
            max: -f64::MAX,
            compressions: 0,
        })
    }

    /// A digest of a file.
    pub fn from_parts(parts: Parts, centroids: Vec<Centroid>) -> Result<TDigest, Refused> {
        let compression = parts.compression as i64;
        let mut digest = TDigest::new(compression).map_err(|_| Refused::Malformed)?;
        let sorted = centroids.is_sorted_by(|one, next| one.mean <= next.mean);
        let sound = centroids.iter().all(|centroid| centroid.mean.is_finite() && centroid.weight > 0);
        let weight = centroids.iter().try_fold(0i64, |sum, centroid| sum.checked_add(centroid.weight));
        let fits = compression as f64 == parts.compression
            && i64::try_from(digest.capacity) == Ok(parts.capacity)
            && centroids.len() <= digest.capacity
            && i64::try_from(centroids.len()) == Ok(parts.merged)
            && weight.is_some_and(|weight| weight as f64 == parts.weight)
            && parts.min.is_finite()
            && parts.max.is_finite();
        if !fits || !sorted || !sound {
            return Err(Refused::Malformed);
        }
        digest.merged = centroids.len();
        digest.merged_weight = weight.unwrap_or(0);
        (digest.min, digest.max, digest.compressions) = (parts.min, parts.max, parts.compressions);
        digest.centroids = centroids;
        Ok(digest)
    }

    /// What a file has of it beside the centroids. Those that came since are not counted: merge them before.
    pub fn parts(&self) -> Parts {
        Parts {
            compression: self.compression,
            min: self.min,
            max: self.max,
            capacity: self.capacity as i64,
            merged: self.merged as i64,
            compressions: self.compressions,
            weight: self.merged_weight as f64,
        }
    }

    /// Forgets all values.
    pub fn reset(&mut self) {
        self.centroids = Vec::new();
        (self.merged, self.merged_weight, self.unmerged_weight) = (0, 0, 0);
        (self.min, self.max, self.compressions) = (f64::MAX, -f64::MAX, 0);
    }

    /// Adds a value, which is finite, so many times.
    pub fn add(&mut self, value: f64, weight: i64) -> Result<(), Overflow> {
        if self.centroids.len() >= self.capacity - 1 {
            self.compress()?;
        }
        if self.centroids.len() >= self.capacity {
            return Err(Overflow);
        }
        let unmerged = self.unmerged_weight.checked_add(weight).ok_or(Overflow)?;
        unmerged.checked_add(self.merged_weight).ok_or(Overflow)?;
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
        self.centroids.push(Centroid { mean: value, weight });
        self.unmerged_weight = unmerged;
        Ok(())
    }

    /// Adds the values of another digest, whose centroids get merged.
    pub fn merge(&mut self, from: &mut TDigest) -> Result<(), Overflow> {
        self.compress()?;
        from.compress()?;
        from.centroids.iter().try_for_each(|centroid| self.add(centroid.mean, centroid.weight))
    }

    /// Merges neighbours.
    pub fn compress(&mut self) -> Result<(), Overflow> {
        if self.centroids.len() == self.merged {
            return Ok(());
        }
        order::sort(&mut self.centroids, self.merged);
        let total = self.merged_weight as f64 + self.unmerged_weight as f64;
        if total > 1.0 {
            self.merge_neighbours(total)?;
        }
        self.merged = self.centroids.len();
        self.merged_weight = total as i64;
        self.unmerged_weight = 0;
        self.compressions = self.compressions.wrapping_add(1);
        Ok(())
    }

    fn merge_neighbours(&mut self, total: f64) -> Result<(), Overflow> {
        let scale = 2.0 * PI * total * total.ln();
        let normalizer = self.compression / scale;
        if scale.is_infinite() || normalizer.is_infinite() {
            return Err(Overflow);
        }
        let allows = |quantile: f64, share: f64| share <= quantile * (1.0 - quantile);
        let (mut kept, mut before) = (0, 0.0);
        for at in 1..self.centroids.len() {
            let (next, current) = (self.centroids[at], &mut self.centroids[kept]);
            let weight = current.weight as f64 + next.weight as f64;
            let share = weight * normalizer;
            if allows(before / total, share) && allows((before + weight) / total, share) {
                current.weight += next.weight;
                let difference = next.mean - current.mean;
                current.mean += difference * next.weight as f64 / current.weight as f64;
            } else {
                before += current.weight as f64;
                kept += 1;
                self.centroids[kept] = next;
            }
        }
        self.centroids.truncate(kept + 1);
        Ok(())
    }

    /// The compression.
    pub fn compression(&self) -> i64 {
        self.compression as i64
    }

    /// Centroids that it may have.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Merged centroids.
    pub fn merged(&self) -> &[Centroid] {
        &self.centroids[..self.merged]
    }

    /// The number of centroids that came since.
    pub fn unmerged_len(&self) -> usize {
        self.centroids.len() - self.merged
    }

    /// Values in merged centroids.
    pub fn merged_weight(&self) -> i64 {
        self.merged_weight
    }

    /// Values in centroids that came since.
    pub fn unmerged_weight(&self) -> i64 {
        self.unmerged_weight
    }

    /// All values.
    pub fn weight(&self) -> i64 {
        self.merged_weight.wrapping_add(self.unmerged_weight)
    }

    /// How often centroids were merged.
    pub fn compressions(&self) -> i64 {
        self.compressions
    }

    /// The least value; not a number if there is none.
    pub fn min(&self) -> f64 {
        if self.weight() > 0 { self.min } else { f64::NAN }
    }

    /// The greatest value; not a number if there is none.
    pub fn max(&self) -> f64 {
        if self.weight() > 0 { self.max } else { f64::NAN }
    }

    /// The size that INFO tells.
    pub fn size(&self) -> u64 {
        DIGEST_BYTES + self.capacity as u64 * CENTROID_BYTES
    }
}

impl Value for TDigest {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn heap_bytes(&self) -> usize {
        size_of::<TDigest>() + self.centroids.capacity() * size_of::<Centroid>()
    }

    fn free_effort(&self) -> usize {
        1
    }

    fn duplicate(&self) -> Box<dyn Value> {
        Box::new(self.clone())
    }

    fn digest(&self, digest: &mut Digest) {
        let mut merged = self.clone();
        let _ = merged.compress();
        let numbers = [merged.compression, merged.min, merged.max].map(f64::to_bits).into_iter();
        let centroids = merged.centroids.iter().flat_map(|centroid| [centroid.mean.to_bits(), centroid.weight as u64]);
        digest.append_numbers(numbers.chain(centroids));
    }
}
