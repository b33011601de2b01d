//! Cuckoo filters: sets of fingerprints from which elements can be deleted, in a chain that grows.
//!
//! An element has a hash and a fingerprint of it, one byte that is not 0. It may lie in two buckets of a filter: the one
//! of its hash, and the one of hash ^ fingerprint·0x5bd1e995; either follows from the other and the fingerprint alone.
//! When both are full in every filter of the chain, fingerprints of the last one are moved on to their other buckets,
//! at most so many; if that finds no room, all of it is undone and a further filter is made. Deletes move fingerprints
//! of later filters back into earlier ones, and a filter that is then empty goes.
//!
//! ```text
//! SCANDUMP, the header:  items u64 | buckets of the first filter u64 | deletes u64 | filters u64 | bucket size u16 |
//!                        iterations u16 | expansion u16
//! the rest:              the buckets of all filters, one behind the other; position 1 is their first byte
//! ```

#[cfg(test)]
mod tests;

use super::murmur::murmur_64a;
use super::{Fields, OutOfMemory, Refused, fits, zeroed};
use crate::types::bundled::Value;
use crate::types::digest::Digest;

/// The name of the type.
pub const TYPE_NAME: &str = "MBbloomCF";

/// The largest bucket.
pub const BUCKET_SIZE_MAX: u16 = 255;
/// The largest expansion.
pub const EXPANSION_MAX: u16 = 32768;
/// Marks a free place.
const FREE: u8 = 0;
const HASH_SEED: u64 = 0;
const FINGERPRINTS: u64 = 255;
const ALTERNATIVE: u64 = 0x5bd1_e995;
/// Filters that a chain may have.
const FILTERS_MAX: usize = u16::MAX as usize;
/// Deletes that are worth moving fingerprints, as a part of the elements.
const DELETES_PART: f64 = 0.10;
/// Buckets handed out at once at most, in bytes.
const CHUNK_BYTES_MAX: usize = 16 << 20;
/// What INFO counts for a chain, and for a filter beside its buckets.
const CHAIN_BYTES: u64 = 40;
const FILTER_BYTES: u64 = 16;

/// How a chain is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Buckets of the first filter, a power of two.
    pub buckets: u64,
    /// Fingerprints in a bucket.
    pub bucket_size: u16,
    /// Fingerprints that an insertion may move.
    pub iterations: u16,
    /// How many times larger the next filter is, a power of two; 0 if there is none.
    pub expansion: u16,
}

impl Parameters {
    fn are_valid(&self) -> bool {
        self.buckets.is_power_of_two()
            && (1..=BUCKET_SIZE_MAX).contains(&self.bucket_size)
            && self.iterations > 0
            && self.expansion <= EXPANSION_MAX
    }

    /// Buckets of a filter by its place in the chain.
    fn buckets_of(&self, filter: usize) -> Option<u64> {
        let growth = u64::from(self.expansion).checked_pow(u32::try_from(filter).ok()?)?;
        self.buckets.checked_mul(growth)
    }
}

/// Where an element may lie.
#[derive(Clone, Copy)]
struct Places {
    hashes: [u64; 2],
    fingerprint: u8,
}

impl Places {
    fn of(item: &[u8]) -> Places {
        let hash = murmur_64a(item, HASH_SEED);
        Places::of_fingerprint((hash % FINGERPRINTS + 1) as u8, hash)
    }

    fn of_fingerprint(fingerprint: u8, hash: u64) -> Places {
        Places { hashes: [hash, other(hash, fingerprint)], fingerprint }
    }
}

/// The other place of a fingerprint.
fn other(hash: u64, fingerprint: u8) -> u64 {
    hash ^ u64::from(fingerprint).wrapping_mul(ALTERNATIVE)
}

/// A filter of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The number of buckets, a power of two.
    buckets: u64,
    bucket_size: usize,
    data: Vec<u8>,
}

impl Filter {
    fn new(buckets: u64, bucket_size: u16) -> Result<Filter, OutOfMemory> {
        let bytes = buckets.checked_mul(bucket_size.into()).ok_or(OutOfMemory)?;
        Ok(Filter { buckets, bucket_size: bucket_size.into(), data: zeroed(bytes)? })
    }

    /// A filter with these buckets, which came from elsewhere.
    pub fn from_parts(buckets: u64, bucket_size: u16, data: Vec<u8>) -> Result<Filter, Refused> {
        let fits = buckets.checked_mul(bucket_size.into()) == Some(data.len() as u64);
        match fits && buckets.is_power_of_two() && bucket_size > 0 {
            true => Ok(Filter { buckets, bucket_size: bucket_size.into(), data }),
            false => Err(Refused::Malformed),
        }
    }

    /// The number of buckets.
    pub fn buckets(&self) -> u64 {
        self.buckets
    }

    /// The buckets, one behind the other.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    #[inline]
    fn bucket(&self, hash: u64) -> &[u8] {
        let begin = (hash & (self.buckets - 1)) as usize * self.bucket_size;
        &self.data[begin..begin + self.bucket_size]
    }

    #[inline]
    fn bucket_mut(&mut self, hash: u64) -> &mut [u8] {
        let begin = (hash & (self.buckets - 1)) as usize * self.bucket_size;
        &mut self.data[begin..begin + self.bucket_size]
    }

    fn contains(&self, places: Places) -> bool {
        places.hashes.into_iter().any(|hash| self.bucket(hash).contains(&places.fingerprint))
    }

    fn count(&self, places: Places) -> u64 {
        let equal = |byte: &&u8| **byte == places.fingerprint;
        places.hashes.into_iter().map(|hash| self.bucket(hash).iter().filter(equal).count() as u64).sum()
    }

    /// Replaces a byte of the element's buckets by another; whether it was there.
    fn replace(&mut self, places: Places, from: u8, to: u8) -> bool {
        for hash in places.hashes {
            if let Some(byte) = self.bucket_mut(hash).iter_mut().find(|byte| **byte == from) {
                *byte = to;
                return true;
            }
        }
        false
    }

    fn put(&mut self, places: Places) -> bool {
        self.replace(places, FREE, places.fingerprint)
    }

    /// Makes room by moving others to their other buckets. If that does not succeed, nothing has changed.
    fn put_by_moving(&mut self, places: Places, iterations: u16) -> bool {
        let (mut hash, mut fingerprint, mut victim) = (places.hashes[0], places.fingerprint, 0);
        for _ in 0..iterations {
            std::mem::swap(&mut self.bucket_mut(hash)[victim], &mut fingerprint);
            hash = other(hash & (self.buckets - 1), fingerprint);
            if let Some(free) = self.bucket_mut(hash).iter_mut().find(|byte| **byte == FREE) {
                *free = fingerprint;
                return true;
            }
            victim = (victim + 1) % self.bucket_size;
        }
        for _ in 0..iterations {
            victim = (victim + self.bucket_size - 1) % self.bucket_size;
            hash = other(hash & (self.buckets - 1), fingerprint);
            std::mem::swap(&mut self.bucket_mut(hash)[victim], &mut fingerprint);
        }
        false
    }
}

/// What became of an element that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was added.
    Yes,
    /// It was there, or looks as if it were.
    Exists,
    /// There is no room, and the chain does not grow.
    NoRoom,
    /// There is no memory for the next filter.
    OutOfMemory,
}

/// A chain of filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuckoo {
    filters: Vec<Filter>,
    parameters: Parameters,
    items: u64,
    deletes: u64,
}

impl Cuckoo {
    /// An empty chain for so many elements.
    pub fn new(capacity: u64, bucket_size: u16, iterations: u16, expansion: u16) -> Result<Cuckoo, OutOfMemory> {
        let buckets =
            (capacity / u64::from(bucket_size.max(1))).max(1).checked_next_power_of_two().ok_or(OutOfMemory)?;
        let expansion = if expansion == 0 { 0 } else { expansion.next_power_of_two() };
        let filters = vec![Filter::new(buckets, bucket_size)?];
        let parameters = Parameters { buckets, bucket_size, iterations, expansion };
        Ok(Cuckoo { filters, parameters, items: 0, deletes: 0 })
    }

    /// A chain that came from a file. It is refused if it contradicts itself.
    pub fn from_parts(
        parameters: Parameters,
        items: u64,
        deletes: u64,
        filters: Vec<Filter>,
    ) -> Result<Cuckoo, Refused> {
        let bucket_size = usize::from(parameters.bucket_size);
        let alike = filters.iter().all(|filter| filter.bucket_size == bucket_size);
        match parameters.are_valid() && alike && (1..=FILTERS_MAX).contains(&filters.len()) {
            true => Ok(Cuckoo { filters, parameters, items, deletes }),
            false => Err(Refused::Malformed),
        }
    }

    /// Whether an element may be there.
    pub fn contains(&self, item: &[u8]) -> bool {
        self.has(Places::of(item))
    }

    fn has(&self, places: Places) -> bool {
        self.filters.iter().any(|filter| filter.contains(places))
    }

    /// How often an element may be there.
    pub fn count(&self, item: &[u8]) -> u64 {
        let places = Places::of(item);
        self.filters.iter().map(|filter| filter.count(places)).sum()
    }

    /// Adds an element, which may be there already.
    pub fn add(&mut self, item: &[u8]) -> Added {
        self.insert(Places::of(item))
    }

    /// Adds an element unless it is there.
    pub fn add_new(&mut self, item: &[u8]) -> Added {
        let places = Places::of(item);
        if self.has(places) { Added::Exists } else { self.insert(places) }
    }

    fn insert(&mut self, places: Places) -> Added {
        loop {
            let put = self.filters.iter_mut().rev().any(|filter| filter.put(places));
            let iterations = self.parameters.iterations;
            if put || self.filters.last_mut().is_some_and(|last| last.put_by_moving(places, iterations)) {
                self.items = self.items.wrapping_add(1);
                return Added::Yes;
            }
            if self.parameters.expansion == 0 {
                return Added::NoRoom;
            }
            if self.grow().is_err() {
                return Added::OutOfMemory;
            }
        }
    }

    fn grow(&mut self) -> Result<(), OutOfMemory> {
        if self.filters.len() >= FILTERS_MAX {
            return Err(OutOfMemory);
        }
        let buckets = self.parameters.buckets_of(self.filters.len()).ok_or(OutOfMemory)?;
        self.filters.push(Filter::new(buckets, self.parameters.bucket_size)?);
        Ok(())
    }

    /// Deletes an element once; whether it was there. What was never added must not be deleted.
    pub fn delete(&mut self, item: &[u8]) -> bool {
        let places = Places::of(item);
        if !self.filters.iter_mut().rev().any(|filter| filter.replace(places, places.fingerprint, FREE)) {
            return false;
        }
        self.items = self.items.wrapping_sub(1);
        self.deletes = self.deletes.wrapping_add(1);
        if self.filters.len() > 1 && self.deletes as f64 > self.items as f64 * DELETES_PART {
            self.compact(false);
        }
        true
    }

    /// Moves fingerprints of later filters to earlier ones, and drops filters at the end that are then empty. Whether
    /// to go on at a filter that keeps some is up to the caller.
    pub fn compact(&mut self, thorough: bool) {
        for at in (1..self.filters.len()).rev() {
            let emptied = self.empty(at);
            if emptied && at + 1 == self.filters.len() {
                self.filters.pop();
            }
            if !emptied && !thorough {
                break;
            }
        }
        self.deletes = 0;
    }

    /// Moves the fingerprints of a filter to those before it; whether all found room.
    fn empty(&mut self, at: usize) -> bool {
        let (before, rest) = self.filters.split_at_mut(at);
        let filter = &mut rest[0];
        let mut emptied = true;
        for (bucket, places) in filter.data.chunks_exact_mut(filter.bucket_size).enumerate() {
            for byte in places.iter_mut().filter(|byte| **byte != FREE) {
                // Earlier filters have fewer buckets, so the number of this one tells enough of the hash.
                let places = Places::of_fingerprint(*byte, bucket as u64);
                if before.iter_mut().any(|filter| filter.put(places)) {
                    *byte = FREE;
                } else {
                    emptied = false;
                }
            }
        }
        emptied
    }

    /// The filters, the first one first.
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// How it was made.
    pub fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// Elements that are there.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// Elements deleted since fingerprints were last moved together.
    pub fn deletes(&self) -> u64 {
        self.deletes
    }

    /// The size that INFO tells.
    pub fn size(&self) -> u64 {
        self.filters.iter().fold(CHAIN_BYTES, |sum, filter| sum + FILTER_BYTES + filter.data.len() as u64)
    }

    /// The header.
    pub fn header(&self) -> Vec<u8> {
        let of = self.parameters;
        let long = [self.items, of.buckets, self.deletes, self.filters.len() as u64].map(u64::to_le_bytes);
        let short = [of.bucket_size, of.iterations, of.expansion].map(u16::to_le_bytes);
        [long.concat(), short.concat()].concat()
    }

    /// A chain as a header tells it, all buckets empty. `None` if the header has another length.
    pub fn from_header(header: &[u8]) -> Option<Result<Cuckoo, Refused>> {
        let mut fields = Fields(header);
        let (items, buckets, deletes, filters) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
        let (bucket_size, iterations, expansion) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let parameters = Parameters { buckets, bucket_size, iterations, expansion };
        fields.0.is_empty().then(|| Cuckoo::announced(parameters, items, deletes, filters))
    }

    fn announced(parameters: Parameters, items: u64, deletes: u64, filters: u64) -> Result<Cuckoo, Refused> {
        let count = usize::try_from(filters).ok().filter(|count| *count <= FILTERS_MAX).ok_or(Refused::Malformed)?;
        if !parameters.are_valid() || parameters.expansion == 0 && count > 1 {
            return Err(Refused::Malformed);
        }
        let sizes: Option<Vec<u64>> = (0..count).map(|at| parameters.buckets_of(at)).collect();
        let sizes = sizes.ok_or(Refused::OutOfMemory)?;
        fits(sizes.iter().map(|buckets| buckets.saturating_mul(parameters.bucket_size.into())))?;
        let filters = sizes.into_iter().map(|buckets| Filter::new(buckets, parameters.bucket_size));
        Cuckoo::from_parts(parameters, items, deletes, filters.collect::<Result<_, _>>()?)
    }

    /// The buckets at a position, and the position behind them; `None` behind the last. A filter that fits into one
    /// chunk comes whole, wherever in it the position lies.
    pub fn chunk(&self, position: i64) -> Option<(&[u8], i64)> {
        let (filter, offset) = self.locate(position)?;
        let data = &self.filters[filter].data;
        let chunk = match data.len() <= CHUNK_BYTES_MAX {
            true => data,
            false => &data[offset..data.len().min(offset + CHUNK_BYTES_MAX)],
        };
        Some((chunk, position.saturating_add(chunk.len() as i64)))
    }

    /// Replaces buckets by those that end before a position; whether they fit.
    #[must_use]
    pub fn load_chunk(&mut self, end: i64, chunk: &[u8]) -> bool {
        let begin = i64::try_from(chunk.len()).ok().and_then(|len| end.checked_sub(len));
        let Some((filter, offset)) = begin.and_then(|begin| self.locate(begin)) else { return false };
        match self.filters[filter].data[offset..].get_mut(..chunk.len()) {
            Some(room) if !chunk.is_empty() => room.copy_from_slice(chunk),
            _ => return false,
        }
        true
    }

    /// The filter that has a position, and the place there.
    fn locate(&self, position: i64) -> Option<(usize, usize)> {
        let mut offset = usize::try_from(position.checked_sub(1)?).ok()?;
        for (at, filter) in self.filters.iter().enumerate() {
            match offset.checked_sub(filter.data.len()) {
                None => return Some((at, offset)),
                Some(left) => offset = left,
            }
        }
        None
    }
}

impl Value for Cuckoo {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn len(&self) -> usize {
        self.items as usize
    }

    fn heap_bytes(&self) -> usize {
        let buckets: usize = self.filters.iter().map(|filter| filter.data.len()).sum();
        size_of::<Cuckoo>() + self.filters.capacity() * size_of::<Filter>() + buckets
    }

    fn free_effort(&self) -> usize {
        self.filters.len()
    }

    fn duplicate(&self) -> Box<dyn Value> {
        Box::new(self.clone())
    }

    fn digest(&self, digest: &mut Digest) {
        digest.append(&self.header());
        self.filters.iter().for_each(|filter| digest.append(&filter.data));
    }
}
