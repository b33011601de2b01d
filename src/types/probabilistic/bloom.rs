//! Bloom filters that grow: a chain of filters, each larger and stricter than the one before.
//!
//! An element sets as many bits of a filter as that has hashes. It is in the filter if all its bits are set, which may
//! be by others. A filter of capacity n and error rate e has n·ln(1/e)/ln²2 bits and takes ⌈ln2·bits/n⌉ hashes. When
//! the last filter holds its capacity, one of `growth` times the capacity and half the error rate is put behind it; the
//! first one starts with half of what was asked for, so that the sum of all error rates stays below that.
//!
//! Both numbers of an element come from MurmurHash64A; bit i is (a + i·b) mod 2^64 mod the number of bits. Values of old
//! files may have 32-bit hashes and powers of two of bits: those are served, but not made.
//!
//! ```text
//! SCANDUMP, the header:  items u64 | filters u32 | options u32 | growth u32 | per filter:
//!                        bytes u64 | bits u64 | items u64 | error f64 | bits per item f64 | hashes u32 | capacity u64 | log2 u8
//! the rest:              the bits of all filters, one behind the other; position 1 is their first byte
//! ```

mod filter;
#[cfg(test)]
mod tests;
mod transfer;

use std::fmt::Write as _;

use super::{OutOfMemory, Refused};
use crate::types::bundled::Value;
use crate::types::digest::Digest;

use filter::Hashes;
pub use filter::{Filter, Parameters};
pub use transfer::ChunkError;

/// The name of the type.
pub const TYPE_NAME: &str = "MBbloom--";

/// The number of bits of a filter is not rounded.
const NOT_ROUNDED: u32 = 1;
/// The capacity was given as a number of bits.
const CAPACITY_IS_BITS: u32 = 2;
/// Hashes have 64 bits.
const HASHES_64: u32 = 4;
/// No filter is put behind a full one.
const NO_SCALING: u32 = 8;

/// Every filter of a chain has at most this part of the error rate of the one before.
const TIGHTENING: f64 = 0.5;
/// What INFO counts for a chain, and for a filter beside its bits.
const CHAIN_BYTES: u64 = 32;
const FILTER_BYTES: u64 = 64;

/// Why an element cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// The filter is full and does not grow.
    Full,
    /// There is no next filter: it would be too large, or stricter than numbers can tell.
    CannotGrow,
}

/// A chain of filters.
#[derive(Clone, Debug, PartialEq)]
pub struct Bloom {
    filters: Vec<Filter>,
    items: u64,
    options: u32,
    growth: u32,
}

impl Bloom {
    /// An empty chain. The capacity is above 0, the error rate between 0 and 1. Without a growth it does not scale.
    pub fn new(capacity: u64, error: f64, growth: u32, scales: bool) -> Result<Bloom, OutOfMemory> {
        let options = HASHES_64 | NOT_ROUNDED | if scales { 0 } else { NO_SCALING };
        let error = if scales { error * TIGHTENING } else { error };
        let filter = Filter::new(capacity, error).map_err(|_| OutOfMemory)?;
        Ok(Bloom { filters: vec![filter], items: 0, options, growth })
    }

    /// A chain of filters that came from a file. They are refused if they contradict themselves.
    pub fn from_parts(items: u64, options: u32, growth: u32, filters: Vec<Filter>) -> Result<Bloom, Refused> {
        let known = NOT_ROUNDED | CAPACITY_IS_BITS | HASHES_64 | NO_SCALING;
        let counted = filters.iter().try_fold(0u64, |sum, filter| sum.checked_add(filter.items()));
        if filters.is_empty() || options & !known != 0 || counted != Some(items) {
            return Err(Refused::Malformed);
        }
        Ok(Bloom { filters, items, options, growth })
    }

    /// Whether an element may have been added.
    pub fn contains(&self, item: &[u8]) -> bool {
        self.has(Hashes::of(item, self.options & HASHES_64 != 0))
    }

    fn has(&self, hashes: Hashes) -> bool {
        self.filters.iter().rev().any(|filter| filter.contains(hashes))
    }

    /// Adds an element; whether it was not there.
    pub fn add(&mut self, item: &[u8]) -> Result<bool, AddError> {
        let hashes = Hashes::of(item, self.options & HASHES_64 != 0);
        if self.has(hashes) {
            return Ok(false);
        }
        if self.filters.last().is_some_and(Filter::is_full) {
            self.grow()?;
        }
        let added = self.filters.last_mut().is_some_and(|filter| filter.add(hashes));
        self.items += u64::from(added);
        Ok(added)
    }

    fn grow(&mut self) -> Result<(), AddError> {
        if !self.scales() {
            return Err(AddError::Full);
        }
        let last = self.filters.last().map(Filter::parameters).ok_or(AddError::CannotGrow)?;
        let capacity = last.capacity.checked_mul(u64::from(self.growth)).ok_or(AddError::CannotGrow)?;
        let next = Filter::new(capacity, last.error * TIGHTENING).map_err(|_| AddError::CannotGrow)?;
        self.filters.push(next);
        Ok(())
    }

    fn scales(&self) -> bool {
        self.options & NO_SCALING == 0
    }

    /// The filters, the first one first.
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// Elements added.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// The options, as files have them.
    pub fn options(&self) -> u32 {
        self.options
    }

    /// How many times larger the next filter is, as files have it.
    pub fn growth(&self) -> u32 {
        self.growth
    }

    /// How many times larger the next filter is, if there is going to be one.
    pub fn expansion(&self) -> Option<u32> {
        self.scales().then_some(self.growth)
    }

    /// Elements that the filters are made for.
    pub fn capacity(&self) -> u64 {
        self.filters.iter().fold(0, |sum, filter| sum.wrapping_add(filter.parameters().capacity))
    }

    /// The size that INFO tells.
    pub fn size(&self) -> u64 {
        self.filters.iter().fold(CHAIN_BYTES, |sum, filter| sum + FILTER_BYTES + filter.bytes().len() as u64)
    }

    /// A line about the chain and one about each filter, as BF.DEBUG has them.
    pub fn describe(&self) -> Vec<String> {
        let mut lines = vec![format!("size:{}", self.items)];
        let width = if self.options & HASHES_64 != 0 { 64 } else { 32 };
        for filter in &self.filters {
            let of = filter.parameters();
            let mut line =
                format!("bytes:{} bits:{} hashes:{} hashwidth:{width}", filter.bytes().len(), of.bits, of.hashes);
            let _ = write!(line, " capacity:{} size:{} ratio:", of.capacity, filter.items());
            append_six_digits(&mut line, of.error);
            lines.push(line);
        }
        lines
    }
}

/// Appends a number between 0 and 1 as `%g` of C does.
fn append_six_digits(line: &mut String, number: f64) {
    let scientific = format!("{number:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (text, exponent_text) = match exponent {
        -4..=5 => (format!("{number:.*}", usize::try_from(5 - exponent).unwrap_or(0)), String::new()),
        _ => (digits.to_owned(), format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())),
    };
    let shown = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    line.push_str(shown);
    line.push_str(&exponent_text);
}

impl Value for Bloom {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn len(&self) -> usize {
        self.items as usize
    }

    fn heap_bytes(&self) -> usize {
        let filters = self.filters.iter().map(|filter| filter.bytes().len());
        size_of::<Bloom>() + self.filters.capacity() * size_of::<Filter>() + filters.sum::<usize>()
    }

    fn free_effort(&self) -> usize {
        self.filters.len()
    }

    fn duplicate(&self) -> Box<dyn Value> {
        Box::new(self.clone())
    }

    fn digest(&self, digest: &mut Digest) {
        digest.append(&self.header());
        self.filters.iter().for_each(|filter| digest.append(filter.bytes()));
    }
}
