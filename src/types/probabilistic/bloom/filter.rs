//! One filter of a chain.

use crate::types::probabilistic::murmur::{murmur_32, murmur_64a};
use crate::types::probabilistic::{Refused, zeroed};

/// With as many digits as the format was made with: numbers of hashes depend on it.
#[allow(clippy::approx_constant, reason = "a constant of the format")]
const LN_2: f64 = 0.693_147_180_559_945;
const LN_2_SQUARED: f64 = 0.480_453_013_918_201;
/// More hashes than the smallest number above 0 as an error rate needs.
const HASHES_MAX: u32 = 2048;
const SEED_64: u64 = 0xc6a4_a793_5bd1_e995;
const SEED_32: u32 = 0x9747_b28c;

/// The numbers of an element: where its bits begin, and how far they lie apart.
#[derive(Clone, Copy, Debug)]
pub struct Hashes {
    first: u64,
    step: u64,
}

impl Hashes {
    /// Those of an element, of 64 or of 32 bits.
    pub fn of(item: &[u8], wide: bool) -> Hashes {
        if wide {
            let first = murmur_64a(item, SEED_64);
            return Hashes { first, step: murmur_64a(item, first) };
        }
        let first = murmur_32(item, SEED_32);
        Hashes { first: first.into(), step: murmur_32(item, first).into() }
    }
}

/// What a filter was made with, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// Elements that it is made for.
    pub capacity: u64,
    /// How often it may err, at that many.
    pub error: f64,
    /// Hashes of an element.
    pub hashes: u32,
    /// Bits for an element.
    pub bits_per_item: f64,
    /// All bits.
    pub bits: u64,
    /// Their binary logarithm in old filters, whose bits are a power of two; otherwise 0.
    pub log2_bits: u8,
}

impl Parameters {
    fn new(capacity: u64, error: f64) -> Option<Parameters> {
        if capacity == 0 || !(error > 0.0 && error < 1.0) {
            return None;
        }
        let bits_per_item = (error.ln() / LN_2_SQUARED).abs();
        let bits = ((capacity as f64 * bits_per_item) as u64).max(1);
        let hashes = (LN_2 * bits_per_item).ceil() as u32;
        Some(Parameters {
            capacity,
            error,
            hashes,
            bits_per_item,
            bits: bits.checked_next_multiple_of(64)?,
            log2_bits: 0,
        })
    }

    /// Whether they may be those of a filter with so many bytes.
    fn are_valid(&self, bytes: u64) -> bool {
        self.error > 0.0
            && self.error < 1.0
            && self.log2_bits <= 63
            && (self.log2_bits == 0 || self.bits >= 1 << self.log2_bits)
            && self.bits != 0
            && bytes.checked_mul(8).is_some_and(|room| self.bits <= room)
            && self.hashes <= HASHES_MAX
            && f64::from(self.hashes) == (LN_2 * self.bits_per_item).ceil()
    }

    /// The number of positions that bits are spread over.
    fn positions(&self) -> u64 {
        if self.log2_bits == 0 { self.bits } else { 1 << self.log2_bits }
    }
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    bytes: Vec<u8>,
    items: u64,
    parameters: Parameters,
    /// The number of positions.
    positions: u64,
    /// 2^64 modulo that.
    wrap: u64,
}

impl Filter {
    /// An empty filter.
    pub fn new(capacity: u64, error: f64) -> Result<Filter, Refused> {
        let parameters = Parameters::new(capacity, error).ok_or(Refused::Malformed)?;
        Ok(Filter::build(parameters, 0, zeroed(parameters.bits / 8)?))
    }

    /// A filter with these bits, which came from elsewhere.
    pub fn from_parts(parameters: Parameters, items: u64, bytes: Vec<u8>) -> Result<Filter, Refused> {
        match parameters.are_valid(bytes.len() as u64) {
            true => Ok(Filter::build(parameters, items, bytes)),
            false => Err(Refused::Malformed),
        }
    }

    /// A filter without bits that other parts are going to bring. Room is made for so many bytes.
    pub fn announced(parameters: Parameters, items: u64, bytes: u64) -> Result<Filter, Refused> {
        match parameters.are_valid(bytes) {
            true => Ok(Filter::build(parameters, items, zeroed(bytes)?)),
            false => Err(Refused::Malformed),
        }
    }

    fn build(parameters: Parameters, items: u64, bytes: Vec<u8>) -> Filter {
        let positions = parameters.positions();
        let wrap = (u64::MAX % positions + 1) % positions;
        Filter { bytes, items, parameters, positions, wrap }
    }

    /// What it was made with.
    pub fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// The bits, the first one the lowest of the first byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bits, to be replaced by others.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Elements added.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// Whether it has as many elements as it was made for.
    pub fn is_full(&self) -> bool {
        self.items >= self.parameters.capacity
    }

    /// Whether all bits of an element are set.
    #[inline]
    pub fn contains(&self, hashes: Hashes) -> bool {
        self.positions(hashes).all(|position| self.bytes[(position >> 3) as usize] & 1 << (position & 7) != 0)
    }

    /// Sets the bits of an element; whether one was not set.
    #[inline]
    pub fn add(&mut self, hashes: Hashes) -> bool {
        let mut changed = false;
        for position in self.positions(hashes) {
            let byte = &mut self.bytes[(position >> 3) as usize];
            let bit = 1 << (position & 7);
            changed |= *byte & bit == 0;
            *byte |= bit;
        }
        self.items += u64::from(changed);
        changed
    }

    /// Positions of the bits of an element.
    #[inline]
    fn positions(&self, hashes: Hashes) -> Positions {
        Positions {
            left: self.parameters.hashes,
            value: hashes.first,
            step: hashes.step,
            position: hashes.first % self.positions,
            step_position: hashes.step % self.positions,
            positions: self.positions,
            wrap: self.wrap,
        }
    }
}

/// Goes from one bit to the next without dividing: by the step modulo the number of positions, and back by what an
/// overflow of the hash takes off.
struct Positions {
    left: u32,
    value: u64,
    step: u64,
    position: u64,
    step_position: u64,
    positions: u64,
    wrap: u64,
}

impl Iterator for Positions {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        let position = self.position;
        let (value, overflowed) = self.value.overflowing_add(self.step);
        self.value = value;
        self.position = less(position + self.step_position, self.positions);
        if overflowed {
            self.position = less(self.position + self.positions - self.wrap, self.positions);
        }
        Some(position)
    }
}

/// A number below twice the modulus, modulo that.
#[inline]
fn less(number: u64, modulus: u64) -> u64 {
    if number >= modulus { number - modulus } else { number }
}

#[cfg(test)]
mod tests {
    use super::{Filter, Hashes, Parameters};
    use crate::util::random::Random;

    fn naive(filter: &Filter, hashes: Hashes, wide: bool) -> Vec<u64> {
        let of = filter.parameters;
        let position = |i: u64| {
            if !wide && (1..=31).contains(&of.log2_bits) {
                let sum = (hashes.first as u32).wrapping_add((hashes.step as u32).wrapping_mul(i as u32));
                return u64::from(sum % (1u32 << of.log2_bits));
            }
            hashes.first.wrapping_add(hashes.step.wrapping_mul(i)) % of.positions()
        };
        (0..u64::from(of.hashes)).map(position).collect()
    }

    #[test]
    fn positions_are_those_of_the_definition() {
        let mut random = Random::from_seed(7);
        for round in 0..2000u64 {
            let bits = (1 + random.below(1 << (3 + round % 30))).next_multiple_of(64);
            let log2_bits = if round % 3 == 0 { bits.ilog2() as u8 } else { 0 };
            let of = Parameters { capacity: 10, error: 0.01, hashes: 40, bits_per_item: 57.0, bits, log2_bits };
            let filter = Filter::build(of, 0, Vec::new());
            let wide = round % 2 == 0;
            let hashes = Hashes::of(&random.next_u64().to_le_bytes(), wide);
            assert_eq!(
                filter.positions(hashes).collect::<Vec<_>>(),
                naive(&filter, hashes, wide),
                "{bits} {log2_bits}"
            );
        }
    }
}
