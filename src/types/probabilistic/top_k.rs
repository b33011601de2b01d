//! Top-K: the most frequent elements of a stream, by HeavyKeeper (Gong et al., USENIX ATC 2018).
//!
//! A table of `depth` rows of `width` buckets, each a fingerprint and a counter, and a list of `k` elements with their
//! counts, a heap whose first one is the least. An element has one bucket in each row. There its own counter grows; the
//! counter of another goes down by one with the probability decay^counter, and whoever brings it to 0 takes the bucket.
//! So what is rare goes soon, what is frequent stays. An element whose counter passes the least of the list takes its
//! place.
//!
//! Chance comes from a generator that is part of the value, in files too: a replica, and a log that is run again, make
//! the same decisions.

#[cfg(test)]
mod tests;

use super::murmur::murmur_32;
use super::{OutOfMemory, Refused, zeroed};
use crate::types::bundled::Value;
use crate::types::digest::Digest;

/// The name of the type.
pub const TYPE_NAME: &str = "TopK-TYPE";

const FINGERPRINT_SEED: u32 = 1919;
/// Powers of the decay that are kept.
const POWERS: usize = 256;
/// Bytes of a bucket and of an element of the list in files.
const BUCKET_BYTES: usize = 8;
const LISTED_BYTES: usize = 24;

/// How a sketch is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// Elements of the list.
    pub k: u32,
    /// Buckets in a row.
    pub width: u32,
    /// Rows.
    pub depth: u32,
    /// How likely a counter of 1 goes down, above 0 and at most 1.
    pub decay: f64,
}

/// A fingerprint and its counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    fingerprint: u32,
    count: u32,
}

/// A sketch.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    parameters: Parameters,
    /// Buckets row by row, the fingerprint in the lower half and the counter above.
    buckets: Vec<u64>,
    /// The list. A search looks at fingerprints alone, so they lie by themselves.
    fingerprints: Vec<u32>,
    counts: Vec<u32>,
    names: Vec<Option<Box<[u8]>>>,
    powers: Box<[f64; POWERS]>,
    chance: Chance,
}

/// A generator of chance: SplitMix64, whose state is one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chance(u64);

impl Chance {
    /// A number from 0 to below 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl TopK {
    /// A sketch that has seen nothing. Its numbers are above 0.
    pub fn new(parameters: Parameters) -> Result<TopK, OutOfMemory> {
        let buckets = zeroed(u64::from(parameters.width) * u64::from(parameters.depth))?;
        let k = parameters.k.into();
        // The list as a whole is what may be too large.
        zeroed::<[u64; 3]>(k)?;
        Ok(TopK {
            parameters,
            buckets,
            fingerprints: zeroed(k)?,
            counts: zeroed(k)?,
            names: zeroed(k)?,
            powers: powers(parameters.decay),
            chance: Chance(0),
        })
    }

    #[inline]
    fn bucket(&self, place: usize) -> Bucket {
        let word = self.buckets[place];
        Bucket { fingerprint: word as u32, count: (word >> 32) as u32 }
    }

    #[inline]
    fn set_bucket(&mut self, place: usize, bucket: Bucket) {
        self.buckets[place] = u64::from(bucket.count) << 32 | u64::from(bucket.fingerprint);
    }

    /// The bucket of an element in a row.
    #[inline]
    fn place(&self, item: &[u8], row: u32) -> usize {
        let width = self.parameters.width;
        (murmur_32(item, row) % width) as usize + row as usize * width as usize
    }

    /// Where an element is in the list.
    fn listed(&self, item: &[u8], fingerprint: u32) -> Option<usize> {
        let candidates = self.fingerprints.iter().enumerate().rev().filter(|(_, listed)| **listed == fingerprint);
        candidates.map(|(at, _)| at).find(|at| self.names[*at].as_deref() == Some(item))
    }

    /// Counts an element so often. If another has to leave the list for it, that is returned.
    pub fn add(&mut self, item: &[u8], count: u32) -> Option<Box<[u8]>> {
        let fingerprint = murmur_32(item, FINGERPRINT_SEED);
        let mut highest = 0;
        for row in 0..self.parameters.depth {
            let place = self.place(item, row);
            let mut bucket = self.bucket(place);
            if bucket.count == 0 {
                bucket = Bucket { fingerprint, count };
            } else if bucket.fingerprint == fingerprint {
                bucket.count = bucket.count.saturating_add(count);
            } else {
                let left = self.wear_down(&mut bucket, count);
                if left > 0 {
                    bucket = Bucket { fingerprint, count: left };
                }
            }
            if bucket.fingerprint == fingerprint {
                highest = highest.max(bucket.count);
            }
            self.set_bucket(place, bucket);
        }
        if self.counts.first().is_none_or(|least| highest < *least) {
            return None;
        }
        // What is in the list may have been worn down since, so its count is not the higher one of both.
        let listed = self.listed(item, fingerprint);
        let at = listed.unwrap_or(0);
        (self.counts[at], self.fingerprints[at]) = (highest, fingerprint);
        let expelled = match listed {
            Some(_) => None,
            None => self.names[0].replace(item.into()),
        };
        self.sift_down(at);
        expelled
    }

    /// Lets an element that comes so often try to bring the counter of another to 0; how often it came from then on.
    fn wear_down(&mut self, bucket: &mut Bucket, count: u32) -> u32 {
        for left in (1..=count).rev() {
            if self.chance.next() < self.survival(bucket.count) {
                bucket.count -= 1;
                if bucket.count == 0 {
                    return left;
                }
            }
        }
        0
    }

    /// The decay to the power of a counter.
    fn survival(&self, count: u32) -> f64 {
        match self.powers.get(count as usize) {
            Some(power) => *power,
            None => self.parameters.decay.powf(count.into()),
        }
    }

    /// Moves an element of the list to where no child has a lower count.
    fn sift_down(&mut self, mut at: usize) {
        let len = self.counts.len();
        // At first an equal child goes before its parent, later it does not: lists of equal counts depend on it.
        let passes = |parent: u32, child: u32, first: bool| if first { child <= parent } else { child < parent };
        let mut first = true;
        loop {
            let mut child = 2 * at + 1;
            if child >= len {
                return;
            }
            if child + 1 < len && self.counts[child] > self.counts[child + 1] {
                child += 1;
            }
            if !passes(self.counts[at], self.counts[child], first) {
                return;
            }
            self.counts.swap(at, child);
            self.fingerprints.swap(at, child);
            self.names.swap(at, child);
            (at, first) = (child, false);
        }
    }

    /// Whether an element is in the list.
    pub fn contains(&self, item: &[u8]) -> bool {
        self.listed(item, murmur_32(item, FINGERPRINT_SEED)).is_some()
    }

    /// The count of an element, which may be too low.
    pub fn count(&self, item: &[u8]) -> u32 {
        let fingerprint = murmur_32(item, FINGERPRINT_SEED);
        let least = match self.listed(item, fingerprint) {
            Some(_) => self.counts.first().copied().unwrap_or(0),
            None => 0,
        };
        let buckets = (0..self.parameters.depth).map(|row| self.bucket(self.place(item, row)));
        let own = buckets.filter(|bucket| bucket.fingerprint == fingerprint && bucket.count >= least);
        own.map(|bucket| bucket.count).max().unwrap_or(0)
    }

    /// The list with its counts, the highest first. What was counted no time may lie in it, but is not shown.
    pub fn list(&self) -> Vec<(&[u8], u32)> {
        let named = self.names.iter().zip(&self.counts);
        let mut list: Vec<_> = named.filter_map(|(name, count)| Some((name.as_deref()?, *count))).collect();
        list.retain(|(_, count)| *count > 0);
        list.sort_by(|(_, one), (_, other)| other.cmp(one));
        list
    }

    /// How it was made.
    pub fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// The buckets, as files have them.
    pub fn bucket_bytes(&self) -> Vec<u8> {
        self.buckets.iter().flat_map(|bucket| bucket.to_le_bytes()).collect()
    }

    /// The list without its names, as files have it: fingerprint, length of the name, an address, count, padding. Other
    /// servers have no use for the address, so the first one keeps the state of the generator.
    pub fn list_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.counts.len() * LISTED_BYTES);
        for (at, name) in self.names.iter().enumerate() {
            let length = name.as_deref().map_or(0, <[u8]>::len) as u32;
            let address = if at == 0 { self.chance.0 } else { 0 };
            bytes.extend(self.fingerprints[at].to_le_bytes());
            bytes.extend(length.to_le_bytes());
            bytes.extend(address.to_le_bytes());
            bytes.extend(self.counts[at].to_le_bytes());
            bytes.extend([0; 4]);
        }
        bytes
    }

    /// The names of the list, in its order.
    pub fn names(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.names.iter().map(Option::as_deref)
    }

    /// A sketch of these bytes. The names are still missing.
    pub fn from_parts(parameters: Parameters, buckets: &[u8], list: &[u8]) -> Result<TopK, Refused> {
        let Parameters { k, width, depth, decay } = parameters;
        let (buckets, no_bucket) = buckets.as_chunks::<BUCKET_BYTES>();
        let (list, no_element) = list.as_chunks::<LISTED_BYTES>();
        let fits = no_bucket.is_empty()
            && no_element.is_empty()
            && u64::from(width) * u64::from(depth) == buckets.len() as u64
            && k as usize == list.len();
        if !fits || k == 0 || width == 0 || depth == 0 || !(decay > 0.0 && decay <= 1.0) {
            return Err(Refused::Malformed);
        }
        let number = |element: &[u8; LISTED_BYTES], at: usize| {
            element[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        let state =
            list.first().and_then(|element| element[8..].first_chunk()).map_or(0, |state| u64::from_le_bytes(*state));
        Ok(TopK {
            parameters,
            buckets: buckets.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect(),
            fingerprints: list.iter().map(|element| number(element, 0)).collect(),
            counts: list.iter().map(|element| number(element, 16)).collect(),
            names: zeroed(k.into())?,
            powers: powers(decay),
            chance: Chance(state),
        })
    }

    /// Gives an element of the list its name. An empty one that was counted no time is none.
    pub fn set_name(&mut self, at: usize, name: &[u8]) {
        if let Some(place) = self.names.get_mut(at).filter(|_| self.counts[at] > 0 || !name.is_empty()) {
            *place = Some(name.into());
        }
    }
}

fn powers(decay: f64) -> Box<[f64; POWERS]> {
    Box::new(std::array::from_fn(|power| decay.powf(power as f64)))
}

impl Value for TopK {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn len(&self) -> usize {
        self.names.iter().flatten().count()
    }

    fn heap_bytes(&self) -> usize {
        let listed = self.counts.capacity() * (2 * size_of::<u32>() + size_of::<Option<Box<[u8]>>>());
        let names: usize = self.names.iter().flatten().map(|name| name.len()).sum();
        size_of::<TopK>() + size_of::<[f64; POWERS]>() + self.buckets.capacity() * BUCKET_BYTES + listed + names
    }

    fn free_effort(&self) -> usize {
        self.names.len()
    }

    fn duplicate(&self) -> Box<dyn Value> {
        Box::new(self.clone())
    }

    fn digest(&self, digest: &mut Digest) {
        let Parameters { k, width, depth, decay } = self.parameters;
        let numbers = [k.into(), width.into(), depth.into(), decay.to_bits(), self.chance.0].into_iter();
        digest.append_numbers(numbers.chain(self.buckets.iter().copied()));
        digest.append_numbers(self.counts.iter().map(|count| u64::from(*count)));
        self.names.iter().for_each(|name| digest.append(name.as_deref().unwrap_or_default()));
    }
}
