//! Sketches in files, in the forms of RedisBloom.
//!
//! ```text
//! MBbloom--  items, filters, options, growth | per filter: capacity, error, hashes, bits per item, bits, log2 of them,
//!            the bits, items
//! MBbloomCF  filters, buckets, items, deletes, bucket size, iterations, expansion | per filter: buckets, the buckets
//! CMSk-TYPE  width, depth, total, the counters
//! TopK-TYPE  k, width, depth, decay, the buckets, the list | per element of the list: its name and a NUL
//! TDIS-TYPE  compression, min, max, capacity, merged, unmerged, compressions, weights of both | means | weights
//! ```
//! What is announced is never room for more than what has arrived: a filter, a name and a centroid are read by a step.

use std::io;

use super::super::super::read::{Fault, Reading};
use super::super::pieces::{Load, PieceWriter, Pieces, Steps, TakeCommand, Type};
use crate::types::bundled::{Bundled, Value};
use crate::types::probabilistic::Refused;
use crate::types::probabilistic::bloom::{self, Bloom};
use crate::types::probabilistic::count_min::{self, CountMin};
use crate::types::probabilistic::cuckoo::{self, Cuckoo};
use crate::types::probabilistic::t_digest::{self, Centroid, TDigest};
use crate::types::probabilistic::top_k::{self, TopK};

/// Bloom filters.
pub const BLOOM: Type = Type {
    name: bloom::TYPE_NAME,
    versions: 0..=4,
    load: Load::Steps(|version| Box::new(BloomSteps { version, ..BloomSteps::default() })),
    save: |value, out| with(value, out, save_bloom),
    version: 4,
    rewrite: Some(rewrite_bloom),
};

/// Cuckoo filters.
pub const CUCKOO: Type = Type {
    name: cuckoo::TYPE_NAME,
    versions: 0..=4,
    load: Load::Steps(|version| Box::new(CuckooSteps { version, ..CuckooSteps::default() })),
    save: |value, out| with(value, out, save_cuckoo),
    version: 4,
    rewrite: Some(rewrite_cuckoo),
};

/// Count-Min sketches.
pub const COUNT_MIN: Type = Type {
    name: count_min::TYPE_NAME,
    versions: 0..=0,
    load: Load::Whole(load_count_min),
    save: |value, out| with(value, out, save_count_min),
    version: 0,
    rewrite: None,
};

/// Top-K sketches.
pub const TOP_K: Type = Type {
    name: top_k::TYPE_NAME,
    versions: 0..=0,
    load: Load::Steps(|_| Box::<TopKSteps>::default()),
    save: |value, out| with(value, out, save_top_k),
    version: 0,
    rewrite: None,
};

/// t-digests.
pub const T_DIGEST: Type = Type {
    name: t_digest::TYPE_NAME,
    versions: 0..=0,
    load: Load::Steps(|_| Box::<TDigestSteps>::default()),
    save: |value, out| with(value, out, save_t_digest),
    version: 0,
    rewrite: None,
};

/// From this version on a Bloom filter has options, the number of its bits, and the growth.
const BLOOM_BITS: u64 = 1;
const BLOOM_OPTIONS: u64 = 2;
const BLOOM_GROWTH: u64 = 4;
const GROWTH_OF_OLD: u32 = 2;
/// From this version on a cuckoo filter has its parameters.
const CUCKOO_PARAMETERS: u64 = 4;
const PARAMETERS_OF_OLD: (u16, u16, u16) = (2, 20, 1);

const CONTRADICTS: Fault = Fault::Bad("a sketch contradicts itself");

/// What a refused sketch is to the reader.
fn fault(refused: Refused) -> Fault {
    match refused {
        Refused::Malformed => CONTRADICTS,
        Refused::OutOfMemory => Fault::Bad("a sketch is larger than the memory"),
    }
}

fn with<T: Value>(value: &dyn Value, out: &mut PieceWriter<'_, '_>, save: fn(&T, &mut PieceWriter<'_, '_>)) {
    if let Some(value) = value.downcast() {
        save(value, out);
    }
}

/// A number that fits into fewer bits.
fn narrow<N: TryFrom<u64>>(number: u64) -> Reading<N> {
    N::try_from(number).map_err(|_| CONTRADICTS)
}

fn save_bloom(bloom: &Bloom, out: &mut PieceWriter<'_, '_>) {
    out.unsigned(bloom.items());
    out.unsigned(bloom.filters().len() as u64);
    out.unsigned(bloom.options().into());
    out.unsigned(bloom.growth().into());
    for filter in bloom.filters() {
        let of = filter.parameters();
        out.unsigned(of.capacity);
        out.double(of.error);
        out.unsigned(of.hashes.into());
        out.double(of.bits_per_item);
        out.unsigned(of.bits);
        out.unsigned(of.log2_bits.into());
        out.string(filter.bytes());
        out.unsigned(filter.items());
    }
}

/// A Bloom filter that is being read: its head once that is read, and its filters.
#[derive(Default)]
struct BloomSteps {
    version: u64,
    head: Option<BloomHead>,
    filters: Vec<bloom::Filter>,
}

#[derive(Clone, Copy)]
struct BloomHead {
    items: u64,
    filters: u64,
    options: u32,
    growth: u32,
}

impl BloomSteps {
    fn head(&self, pieces: &mut Pieces<'_, '_>) -> Reading<BloomHead> {
        let (items, filters) = (pieces.unsigned()?, pieces.unsigned()?);
        let options = if self.version >= BLOOM_OPTIONS { narrow(pieces.unsigned()?)? } else { 0 };
        let growth = if self.version >= BLOOM_GROWTH { narrow(pieces.unsigned()?)? } else { GROWTH_OF_OLD };
        Ok(BloomHead { items, filters, options, growth })
    }

    fn filter(&self, pieces: &mut Pieces<'_, '_>) -> Reading<bloom::Filter> {
        let (capacity, error) = (pieces.unsigned()?, pieces.double()?);
        let (hashes, bits_per_item) = (narrow(pieces.unsigned()?)?, pieces.double()?);
        let (bits, log2_bits) = match self.version >= BLOOM_BITS {
            true => (pieces.unsigned()?, narrow(pieces.unsigned()?)?),
            false => ((capacity as f64 * bits_per_item) as u64, 0),
        };
        let parameters = bloom::Parameters { capacity, error, hashes, bits_per_item, bits, log2_bits };
        let bytes = pieces.vec()?;
        let items = pieces.unsigned()?;
        bloom::Filter::from_parts(parameters, items, bytes).map_err(fault)
    }
}

impl Steps for BloomSteps {
    fn step(&mut self, pieces: &mut Pieces<'_, '_>) -> Reading<bool> {
        let Some(head) = self.head else {
            self.head = Some(self.head(pieces)?);
            return Ok(self.head.is_some_and(|head| head.filters == 0));
        };
        let filter = self.filter(pieces)?;
        self.filters.push(filter);
        Ok(self.filters.len() as u64 == head.filters)
    }

    fn finish(self: Box<Self>) -> Reading<Bundled> {
        let BloomHead { items, options, growth, .. } = self.head.ok_or(CONTRADICTS)?;
        Bloom::from_parts(items, options, growth, self.filters).map(Bundled::new).map_err(fault)
    }
}

/// As commands, chunk by chunk.
fn rewrite_bloom(key: &[u8], value: &dyn Value, take: TakeCommand<'_>) -> io::Result<()> {
    let Some(bloom) = value.downcast::<Bloom>() else { return Ok(()) };
    load_chunk(b"BF.LOADCHUNK", key, 1, &bloom.header(), take)?;
    let mut position = 1;
    while let Some((chunk, next)) = bloom.chunk(position) {
        load_chunk(b"BF.LOADCHUNK", key, next, chunk, take)?;
        position = next;
    }
    Ok(())
}

/// As commands, chunk by chunk.
fn rewrite_cuckoo(key: &[u8], value: &dyn Value, take: TakeCommand<'_>) -> io::Result<()> {
    let Some(cuckoo) = value.downcast::<Cuckoo>() else { return Ok(()) };
    load_chunk(b"CF.LOADCHUNK", key, 1, &cuckoo.header(), take)?;
    let mut position = 1;
    while let Some((chunk, next)) = cuckoo.chunk(position) {
        load_chunk(b"CF.LOADCHUNK", key, next, chunk, take)?;
        position = next;
    }
    Ok(())
}

fn load_chunk(command: &[u8], key: &[u8], position: i64, data: &[u8], take: TakeCommand<'_>) -> io::Result<()> {
    take(&[command, key, position.to_string().as_bytes(), data])
}

fn save_cuckoo(cuckoo: &Cuckoo, out: &mut PieceWriter<'_, '_>) {
    let of = cuckoo.parameters();
    let head = [cuckoo.filters().len() as u64, of.buckets, cuckoo.items(), cuckoo.deletes()];
    head.into_iter().for_each(|number| out.unsigned(number));
    [of.bucket_size, of.iterations, of.expansion].into_iter().for_each(|number| out.unsigned(number.into()));
    for filter in cuckoo.filters() {
        out.unsigned(filter.buckets());
        out.string(filter.data());
    }
}

/// A cuckoo filter that is being read: its head once that is read, and its filters.
#[derive(Default)]
struct CuckooSteps {
    version: u64,
    head: Option<CuckooHead>,
    filters: Vec<cuckoo::Filter>,
}

#[derive(Clone, Copy)]
struct CuckooHead {
    filters: u64,
    items: u64,
    deletes: u64,
    parameters: cuckoo::Parameters,
}

impl CuckooSteps {
    fn head(&self, pieces: &mut Pieces<'_, '_>) -> Reading<CuckooHead> {
        let (filters, buckets, items) = (pieces.unsigned()?, pieces.unsigned()?, pieces.unsigned()?);
        let (mut deletes, (mut bucket_size, mut iterations, mut expansion)) = (0, PARAMETERS_OF_OLD);
        if self.version >= CUCKOO_PARAMETERS {
            deletes = pieces.unsigned()?;
            (bucket_size, iterations) = (narrow(pieces.unsigned()?)?, narrow(pieces.unsigned()?)?);
            expansion = narrow(pieces.unsigned()?)?;
        }
        let parameters = cuckoo::Parameters { buckets, bucket_size, iterations, expansion };
        Ok(CuckooHead { filters, items, deletes, parameters })
    }

    fn filter(&self, of: cuckoo::Parameters, pieces: &mut Pieces<'_, '_>) -> Reading<cuckoo::Filter> {
        let buckets = if self.version >= CUCKOO_PARAMETERS { pieces.unsigned()? } else { of.buckets };
        cuckoo::Filter::from_parts(buckets, of.bucket_size, pieces.vec()?).map_err(fault)
    }
}

impl Steps for CuckooSteps {
    fn step(&mut self, pieces: &mut Pieces<'_, '_>) -> Reading<bool> {
        let Some(head) = self.head else {
            self.head = Some(self.head(pieces)?);
            return Ok(self.head.is_some_and(|head| head.filters == 0));
        };
        let filter = self.filter(head.parameters, pieces)?;
        self.filters.push(filter);
        Ok(self.filters.len() as u64 == head.filters)
    }

    fn finish(self: Box<Self>) -> Reading<Bundled> {
        let CuckooHead { items, deletes, parameters, .. } = self.head.ok_or(CONTRADICTS)?;
        Cuckoo::from_parts(parameters, items, deletes, self.filters).map(Bundled::new).map_err(fault)
    }
}

fn save_count_min(sketch: &CountMin, out: &mut PieceWriter<'_, '_>) {
    [sketch.width(), sketch.depth(), sketch.total()].into_iter().for_each(|number| out.unsigned(number));
    out.string(&sketch.bytes());
}

fn load_count_min(_: u64, pieces: &mut Pieces<'_, '_>) -> Reading<Bundled> {
    let (width, depth, total) = (pieces.unsigned()?, pieces.unsigned()?, pieces.unsigned()?);
    let counters = pieces.vec()?;
    CountMin::from_parts(width, depth, total, &counters).map(Bundled::new).map_err(fault)
}

fn save_top_k(sketch: &TopK, out: &mut PieceWriter<'_, '_>) {
    let of = sketch.parameters();
    [of.k, of.width, of.depth].into_iter().for_each(|number| out.unsigned(number.into()));
    out.double(of.decay);
    out.string(&sketch.bucket_bytes());
    out.string(&sketch.list_bytes());
    sketch.names().for_each(|name| out.string(&[name.unwrap_or_default(), b"\0"].concat()));
}

/// A Top-K sketch that is being read: all but the names, and how many of those have been read.
#[derive(Default)]
struct TopKSteps {
    sketch: Option<TopK>,
    named: usize,
}

impl Steps for TopKSteps {
    fn step(&mut self, pieces: &mut Pieces<'_, '_>) -> Reading<bool> {
        let Some(sketch) = &mut self.sketch else {
            let (k, width, depth) = (pieces.unsigned()?, pieces.unsigned()?, pieces.unsigned()?);
            let (k, width, depth, decay) = (narrow(k)?, narrow(width)?, narrow(depth)?, pieces.double()?);
            let (buckets, list) = (pieces.vec()?, pieces.vec()?);
            let parameters = top_k::Parameters { k, width, depth, decay };
            self.sketch = Some(TopK::from_parts(parameters, &buckets, &list).map_err(fault)?);
            return Ok(false);
        };
        let name = pieces.vec()?;
        sketch.set_name(self.named, name.strip_suffix(b"\0").ok_or(CONTRADICTS)?);
        self.named += 1;
        Ok(self.named == sketch.parameters().k as usize)
    }

    fn finish(self: Box<Self>) -> Reading<Bundled> {
        self.sketch.map(Bundled::new).ok_or(CONTRADICTS)
    }
}

/// What came since the last merge has no place in files, so it is merged in a copy.
fn save_t_digest(digest: &TDigest, out: &mut PieceWriter<'_, '_>) {
    let mut digest = digest.clone();
    let _ = digest.compress();
    let parts = digest.parts();
    [parts.compression, parts.min, parts.max].into_iter().for_each(|number| out.double(number));
    // Signed ones have the mark of those that are not.
    [parts.capacity, parts.merged, 0, parts.compressions].into_iter().for_each(|number| out.unsigned(number as u64));
    out.double(parts.weight);
    out.double(0.0);
    digest.merged().iter().for_each(|centroid| out.double(centroid.mean));
    digest.merged().iter().for_each(|centroid| out.double(centroid.weight as f64));
}

/// A digest that is being read: its head, the means, and then the weights.
#[derive(Default)]
struct TDigestSteps {
    parts: Option<t_digest::Parts>,
    means: Vec<f64>,
    centroids: Vec<Centroid>,
}

impl TDigestSteps {
    /// A single value may not have been merged when RedisBloom wrote it: then nothing but the least and the greatest
    /// value tells of it.
    fn head(&mut self, pieces: &mut Pieces<'_, '_>) -> Reading<t_digest::Parts> {
        let (compression, min, max) = (pieces.double()?, pieces.double()?, pieces.double()?);
        let mut signed = || pieces.unsigned().map(|number| number as i64);
        let (capacity, merged, unmerged, compressions) = (signed()?, signed()?, signed()?, signed()?);
        let (weight, unmerged_weight) = (pieces.double()?, pieces.double()?);
        let is_single = (merged, unmerged, weight, unmerged_weight) == (0, 1, 0.0, 1.0) && min == max;
        if is_single {
            self.centroids.push(Centroid { mean: min, weight: 1 });
        } else if unmerged != 0 || unmerged_weight != 0.0 || merged < 0 || merged > capacity {
            return Err(CONTRADICTS);
        }
        let (merged, weight) = if is_single { (1, 1.0) } else { (merged, weight) };
        Ok(t_digest::Parts { compression, min, max, capacity, merged, compressions, weight })
    }

    fn weight(number: f64) -> Reading<i64> {
        match number >= 1.0 && number < i64::MAX as f64 && number.fract() == 0.0 {
            true => Ok(number as i64),
            false => Err(CONTRADICTS),
        }
    }
}

impl Steps for TDigestSteps {
    fn step(&mut self, pieces: &mut Pieces<'_, '_>) -> Reading<bool> {
        let Some(parts) = self.parts else {
            let parts = self.head(pieces)?;
            self.parts = Some(parts);
            return Ok(self.centroids.len() as i64 == parts.merged);
        };
        let merged = parts.merged as usize;
        if self.means.len() < merged {
            self.means.push(pieces.double()?);
        } else {
            let weight = TDigestSteps::weight(pieces.double()?)?;
            self.centroids.push(Centroid { mean: self.means[self.centroids.len()], weight });
        }
        Ok(self.centroids.len() == merged)
    }

    fn finish(self: Box<Self>) -> Reading<Bundled> {
        TDigest::from_parts(self.parts.ok_or(CONTRADICTS)?, self.centroids).map(Bundled::new).map_err(fault)
    }
}
