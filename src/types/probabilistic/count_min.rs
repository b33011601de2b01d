//! Count-Min sketches: how often elements were counted, never too low.
//!
//! A table of `depth` rows of `width` counters. An element has one counter in each row, which it may share with others:
//! the one at its MurmurHash2, with the number of the row as the seed, modulo the width. Its count is the lowest of its
//! counters. A counter that reaches [`FULL`] stays there.

#[cfg(test)]
mod tests;

use super::murmur::murmur_32;
use super::{OutOfMemory, Refused, zeroed};
use crate::types::bundled::Value;
use crate::types::digest::Digest;

/// The name of the type.
pub const TYPE_NAME: &str = "CMSk-TYPE";

/// What a counter shows when it cannot count on.
pub const FULL: u32 = u32::MAX;

/// A sketch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountMin {
    width: u64,
    depth: u64,
    total: u64,
    counters: Vec<u32>,
}

/// A sum of sketches does not fit into counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeOverflow;

/// The width and depth for at most so large an overestimation, in parts of all counts, and so likely a larger one. Both
/// are between 0 and 1.
pub fn dimensions(overestimation: f64, probability: f64) -> (u64, u64) {
    let width = (2.0 / overestimation).ceil() as u64;
    let depth = f64::from((probability as f32).log10() / 0.5f32.log10()).ceil() as u64;
    (width, depth)
}

impl CountMin {
    /// A sketch that has counted nothing. Width and depth are above 0.
    pub fn new(width: u64, depth: u64) -> Result<CountMin, OutOfMemory> {
        let counters = zeroed(width.checked_mul(depth).ok_or(OutOfMemory)?)?;
        Ok(CountMin { width, depth, total: 0, counters })
    }

    /// A sketch with these counters, row by row, four bytes little endian each.
    pub fn from_parts(width: u64, depth: u64, total: u64, counters: &[u8]) -> Result<CountMin, Refused> {
        let (counters, rest) = counters.as_chunks::<4>();
        if width == 0 || !rest.is_empty() || width.checked_mul(depth) != Some(counters.len() as u64) || depth == 0 {
            return Err(Refused::Malformed);
        }
        let counters = counters.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        Ok(CountMin { width, depth, total, counters })
    }

    /// Counters of an element, one in each row.
    #[inline]
    fn places<'i>(&self, item: &'i [u8]) -> impl Iterator<Item = usize> + use<'i> {
        let width = self.width;
        (0..self.depth).map(move |row| (u64::from(murmur_32(item, row as u32)) % width + row * width) as usize)
    }

    /// Counts an element so often; its count then.
    pub fn add(&mut self, item: &[u8], count: u64) -> u32 {
        let added = u32::try_from(count).unwrap_or(FULL);
        let mut least = FULL;
        for place in self.places(item) {
            let counter = &mut self.counters[place];
            *counter = counter.saturating_add(added);
            least = least.min(*counter);
        }
        self.total = self.total.wrapping_add(count);
        least
    }

    /// The count of an element.
    pub fn count(&self, item: &[u8]) -> u32 {
        self.places(item).map(|place| self.counters[place]).min().unwrap_or(FULL)
    }

    /// The sum of sketches of the same dimensions, of which there is one at least, each taken so many times.
    pub fn merged(sources: &[(&CountMin, i64)]) -> Result<CountMin, MergeOverflow> {
        let Some((first, _)) = sources.first() else { return Err(MergeOverflow) };
        let sum = |of: &dyn Fn(&CountMin) -> u64| -> Result<i64, MergeOverflow> {
            let mut sum = 0i64;
            for (sketch, weight) in sources {
                let part = i64::try_from(i128::from(of(sketch)) * i128::from(*weight)).map_err(|_| MergeOverflow)?;
                sum = sum.checked_add(part).ok_or(MergeOverflow)?;
            }
            Ok(sum)
        };
        let counter =
            |at| u32::try_from(sum(&|sketch: &CountMin| u64::from(sketch.counters[at]))?).map_err(|_| MergeOverflow);
        let counters = (0..first.counters.len()).map(counter).collect::<Result<_, _>>()?;
        let total = u64::try_from(sum(&|sketch: &CountMin| sketch.total)?).map_err(|_| MergeOverflow)?;
        Ok(CountMin { width: first.width, depth: first.depth, total, counters })
    }

    /// Counters in a row.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Rows.
    pub fn depth(&self) -> u64 {
        self.depth
    }

    /// The sum of what was counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The counters, as files have them.
    pub fn bytes(&self) -> Vec<u8> {
        self.counters.iter().flat_map(|counter| counter.to_le_bytes()).collect()
    }
}

impl Value for CountMin {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn heap_bytes(&self) -> usize {
        size_of::<CountMin>() + self.counters.capacity() * size_of::<u32>()
    }

    fn free_effort(&self) -> usize {
        1
    }

    fn duplicate(&self) -> Box<dyn Value> {
        Box::new(self.clone())
    }

    fn digest(&self, digest: &mut Digest) {
        let numbers = [self.width, self.depth, self.total].into_iter();
        digest.append_numbers(numbers.chain(self.counters.iter().map(|counter| u64::from(*counter))));
    }
}
