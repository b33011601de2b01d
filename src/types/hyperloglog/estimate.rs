//! From registers to a count.
//!
//! The estimator is that of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
//! (arXiv:1702.01284), which needs no correction at either end of the range. It looks only at how many registers hold
//! each value. Sums are made in the order that gives Redis's numbers to the last digit.

use super::observation::RUN_MAX;
use super::{
    Corrupted, DENSE_BYTES, ENCODING_AT, Encoding, HEADER_BYTES, HyperLogLog, Observation, REGISTERS, dense,
    forget_count, sparse,
};

/// How many registers hold each of the 64 values that six bits have.
pub type Histogram = [u32; 64];

/// Counts registers. Neighbours mostly hold the same few values, so they are counted in tables of their own: no
/// increment waits for the one before.
pub struct Tally([[u16; 64]; 4]);

impl Default for Tally {
    fn default() -> Self {
        Self([[0; 64]; 4])
    }
}

impl Tally {
    /// Counts some more, at most 16,384 in all.
    #[inline(always)]
    pub fn add<const N: usize>(&mut self, registers: &[u8; N]) {
        let (quartets, _) = registers.as_chunks::<4>();
        for quartet in quartets {
            for (table, register) in self.0.iter_mut().zip(quartet) {
                table[usize::from(register % 64)] += 1;
            }
        }
    }

    /// What was counted.
    pub fn total(&self) -> Histogram {
        let mut total = [0; 64];
        for table in &self.0 {
            total.iter_mut().zip(table).for_each(|(sum, count)| *sum += u32::from(*count));
        }
        total
    }
}

/// The weight of registers that hold nothing.
fn sigma(mut share: f64) -> f64 {
    if share == 1.0 {
        return f64::INFINITY;
    }
    let (mut sum, mut factor) = (share, 1.0);
    loop {
        share *= share;
        let before = sum;
        sum += share * factor;
        factor += factor;
        if sum == before {
            return sum;
        }
    }
}

/// The weight of registers that can't be raised any more.
fn tau(mut share: f64) -> f64 {
    if share == 0.0 || share == 1.0 {
        return 0.0;
    }
    let (mut sum, mut factor) = (1.0 - share, 1.0);
    loop {
        share = share.sqrt();
        let before = sum;
        factor *= 0.5;
        sum -= (1.0 - share) * (1.0 - share) * factor;
        if sum == before {
            return sum / 3.0;
        }
    }
}

/// The estimated number of distinct elements. When all registers are full there is no telling: 2^63.
pub fn count(histogram: &Histogram) -> u64 {
    /// 1 / (2 ln 2)
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    const M: f64 = REGISTERS as f64;
    let [empty, between @ ..] = histogram;
    let (between, rest) = between.split_at(usize::from(RUN_MAX) - 1);
    let full = rest.first().copied().unwrap_or(0);
    let mut sum = M * tau((M - f64::from(full)) / M);
    for registers in between.iter().rev() {
        sum = (sum + f64::from(*registers)) * 0.5;
    }
    sum += M * sigma(f64::from(*empty) / M);
    let estimate = (ALPHA * M * M / sum).round();
    if estimate.is_finite() { estimate as u64 } else { 1 << 63 }
}

/// Registers of a byte each, to merge several HyperLogLogs.
pub struct Registers([u8; REGISTERS]);

impl Default for Registers {
    fn default() -> Self {
        Self([0; REGISTERS])
    }
}

impl Registers {
    /// Raises them to those of another.
    pub fn merge(&mut self, other: HyperLogLog<'_>) -> Result<(), Corrupted> {
        match other.encoding {
            Encoding::Dense => dense::merge_into(other.body(), &mut self.0),
            Encoding::Sparse => sparse::merge_into(other.body(), &mut self.0)?,
        }
        Ok(())
    }

    /// Takes an observation in.
    pub fn observe(&mut self, seen: Observation) {
        let register = &mut self.0[usize::from(seen.register)];
        *register = (*register).max(seen.run);
    }

    /// About how many distinct elements all those that were merged have seen.
    pub fn count(&self) -> u64 {
        let mut tally = Tally::default();
        tally.add(&self.0);
        count(&tally.total())
    }

    /// Their values.
    pub fn values(&self) -> &[u8] {
        &self.0
    }

    /// The dense form of these registers behind the header of `bytes`.
    pub fn to_dense(&self, bytes: &[u8]) -> Vec<u8> {
        let mut dense = vec![0; DENSE_BYTES];
        dense.iter_mut().zip(bytes).take(HEADER_BYTES).for_each(|(to, from)| *to = *from);
        dense[ENCODING_AT] = 0;
        dense::pack(&self.0, &mut dense[HEADER_BYTES..]);
        dense
    }

    /// Raises a HyperLogLog that was merged into these registers to them, so that both are the same. It stays sparse
    /// if it is, fits into `sparse_max` bytes on the way, and is not to become `dense`.
    pub fn store(&self, bytes: &mut Vec<u8>, dense: bool, sparse_max: usize) -> Result<(), Corrupted> {
        let sparse = HyperLogLog::of(bytes).is_some_and(|hll| hll.encoding() == Encoding::Sparse);
        if !sparse {
            dense::pack(&self.0, bytes.get_mut(HEADER_BYTES..).unwrap_or_default());
        } else if dense || !self.store_sparse(bytes, sparse_max)? {
            *bytes = self.to_dense(bytes);
        }
        forget_count(bytes);
        Ok(())
    }

    /// Whether all registers could be stored. The bytes depend on the order, which is ascending as in Redis.
    fn store_sparse(&self, bytes: &mut Vec<u8>, sparse_max: usize) -> Result<bool, Corrupted> {
        let mut hint = None;
        for (register, run) in (0..).zip(self.0).filter(|(_, run)| *run > 0) {
            let seen = Observation { register, run };
            if let Some(edit) = sparse::edit_for(bytes, seen, hint)? {
                if !edit.fits(bytes.len(), sparse_max) {
                    return Ok(false);
                }
                hint = edit.carry_out(bytes);
            }
        }
        Ok(true)
    }
}
