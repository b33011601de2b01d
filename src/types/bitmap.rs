//! Bitmaps as values of their own, as of Redis 8.12: bits in Roaring form, so that memory follows the bits that are set
//! and not the highest of them.
//!
//! A bitmap stands for bytes like those of a string, bit 0 the highest of the first byte, and answers every question
//! about bits as that string would. So it has a length in bytes besides its bits: zeros at its end count.
//!
//! ```text
//! Bitmap ──> length │ buckets: high 32 bits of an offset ──> RoaringBitmap of the low 32 bits
//!                                                            (containers of 2^16 bits: array, bits or runs)
//! ```
//! The crate's own map of buckets ([`roaring::RoaringTreemap`]) lacks what is asked for here: runs of ones, counts in a
//! range, compaction. Buckets are independent of one another, so operations on several bitmaps go bucket by bucket.
//!
//! A bitmap without bytes is still a value: its key stays.

mod combine;
mod portable;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use roaring::RoaringBitmap;

use super::Collection;
use super::digest::Digest;
use super::sharing::Sharing;
use crate::util::alloc::size_class;
use crate::util::bits;

pub use combine::combine;

/// The longest bitmap, in bytes: the number of its bits still is a signed number of 64 bits.
pub const BYTES_MAX: u64 = (1 << 60) - 1;
/// Bytes whose bits lie in one container.
pub const CHUNK_BYTES: u64 = 1 << 13;
/// Bytes whose bits lie in one bucket.
const BUCKET_BYTES: usize = 1 << 29;
/// Bytes of a string that are turned into bits at a time.
const PORTION_BYTES: usize = 1 << 20;
/// Bits that are kept as an array in one container at most.
const ARRAY_MAX: u64 = 4096;
/// About what a container takes besides its content.
const CONTAINER_BYTES: usize = 40;

/// Bits with a length.
#[derive(Clone, Default)]
pub struct Bitmap(Sharing<Parts>);

#[derive(Clone, Default)]
struct Parts {
    /// In bytes.
    len: u64,
    /// None is without bits, and none has bits behind the end.
    buckets: BTreeMap<u32, RoaringBitmap>,
}

fn high(offset: u64) -> u32 {
    (offset >> 32) as u32
}

fn low(offset: u64) -> u32 {
    offset as u32
}

/// Bits of the bytes of a bucket's part of a string, in compact form.
fn bucket_of(bytes: &[u8]) -> RoaringBitmap {
    let mut bucket = RoaringBitmap::new();
    let mut turned = vec![0; bytes.len().min(PORTION_BYTES)];
    for (number, portion) in bytes.chunks(PORTION_BYTES).enumerate() {
        // Bit 0 is the lowest of a byte to the crate.
        let turned = &mut turned[..portion.len()];
        turned.iter_mut().zip(portion).for_each(|(to, from)| *to = from.reverse_bits());
        let at = number * PORTION_BYTES;
        let mut bits = RoaringBitmap::from_lsb0_bytes((at * 8) as u32, turned);
        for (chunk, bytes) in portion.chunks(CHUNK_BYTES as usize).enumerate() {
            if bits::count_ones(bytes) == ARRAY_MAX {
                // Of exactly so many the crate makes no array, though that is what it later takes them for.
                let first = bits::find_bit(bytes, true, 0..bytes.len() * 8).unwrap_or(0);
                let bit = ((at + chunk * CHUNK_BYTES as usize) * 8 + first) as u32;
                bits.remove(bit);
                bits.insert(bit);
            }
        }
        bits.optimize();
        bucket |= bits;
    }
    bucket
}

impl Bitmap {
    /// The bits of a string.
    pub fn from_bytes(bytes: &[u8]) -> Bitmap {
        let buckets = bytes.chunks(BUCKET_BYTES).map(bucket_of).zip(0..);
        let buckets = buckets.filter(|(bits, _)| !bits.is_empty()).map(|(bits, number)| (number, bits)).collect();
        Bitmap(Sharing::new(Parts { len: bytes.len() as u64, buckets }))
    }

    /// The string whose bits these are. The caller has made sure that so many bytes may be made.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.0.len as usize];
        for run in self.runs(0..self.bit_len()) {
            let (mut at, end) = (run.start as usize, run.end as usize);
            while at < end {
                let upto = end.min((at / 8 + 1) * 8);
                let ones = (0xff_u8 >> (at % 8)) & !(0xff_u16 >> (upto - at / 8 * 8)) as u8;
                bytes[at / 8] |= ones;
                at = upto;
            }
        }
        bytes
    }

    /// Its length in bytes.
    pub fn byte_len(&self) -> u64 {
        self.0.len
    }

    /// Its length in bits.
    pub fn bit_len(&self) -> u64 {
        self.0.len * 8
    }

    /// Makes it at least so many bytes long; whether it was shorter. No more than [`BYTES_MAX`].
    pub fn grow(&mut self, bytes: u64) -> bool {
        let grows = bytes > self.0.len;
        self.0.len = self.0.len.max(bytes);
        grows
    }

    /// A bit; what lies behind the end is not set.
    pub fn get(&self, offset: u64) -> bool {
        self.0.buckets.get(&high(offset)).is_some_and(|bits| bits.contains(low(offset)))
    }

    /// Sets or clears a bit, and makes room for it; whether it was set.
    pub fn set(&mut self, offset: u64, on: bool) -> bool {
        self.grow(offset / 8 + 1);
        if on {
            return !self.0.buckets.entry(high(offset)).or_default().insert(low(offset));
        }
        let Some(bits) = self.0.buckets.get_mut(&high(offset)) else { return false };
        let was_on = bits.remove(low(offset));
        if bits.is_empty() {
            self.0.buckets.remove(&high(offset));
        }
        was_on
    }

    /// How many bits are set.
    pub fn count_ones(&self) -> u64 {
        self.0.buckets.values().map(RoaringBitmap::len).sum()
    }

    /// How many bits in a range are set.
    pub fn count_ones_in(&self, within: Range<u64>) -> u64 {
        if within.is_empty() {
            return 0;
        }
        let (first, last) = (within.start, within.end - 1);
        let buckets = self.0.buckets.range(high(first)..=high(last));
        let counts = buckets.map(|(number, bits)| {
            let from = if *number == high(first) { low(first) } else { 0 };
            let to = if *number == high(last) { low(last) } else { u32::MAX };
            bits.range_cardinality(from..=to)
        });
        counts.sum()
    }

    /// The runs of ones in a range, in order, each as long as it can be.
    pub fn runs(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> + use<'_> {
        let Range { start, end } = within;
        let buckets = self.0.buckets.range(high(start)..);
        let mut runs = buckets.flat_map(move |(number, bits)| {
            let base = u64::from(*number) << 32;
            let mut ones = bits.iter();
            if base < start {
                ones.advance_to(low(start));
            }
            std::iter::from_fn(move || ones.next_range())
                .map(move |run| base + u64::from(*run.start())..base + u64::from(*run.end()) + 1)
        });
        let mut next = None;
        let joined = std::iter::from_fn(move || {
            let mut run = next.take().or_else(|| runs.next())?;
            // A run may go on in the next bucket.
            while low(run.end) == 0 && run.end < end {
                next = runs.next();
                let Some(further) = next.take_if(|next| next.start == run.end) else { break };
                run.end = further.end;
            }
            Some(run)
        });
        joined.take_while(move |run| run.start < end).map(move |run| run.start..run.end.min(end))
    }

    /// The first bit of that value in a range that lies within the length.
    pub fn find(&self, value: bool, within: Range<u64>) -> Option<u64> {
        let end = within.end;
        let mut runs = self.runs(within.clone());
        if value {
            return runs.next().map(|run| run.start);
        }
        let mut at = within.start;
        for run in runs {
            if run.start > at {
                break;
            }
            at = run.end;
        }
        (at < end).then_some(at)
    }

    /// Calls `visit` with the place of each bit of that value in a range, until it says no. The range lies within the
    /// length.
    pub fn visit(&self, value: bool, within: Range<u64>, mut visit: impl FnMut(u64) -> bool) {
        if value {
            self.runs(within).flatten().all(visit);
            return;
        }
        let mut at = within.start;
        for run in self.runs(within.clone()) {
            if !(at..run.start).all(&mut visit) {
                return;
            }
            at = run.end;
        }
        (at..within.end).all(visit);
    }

    /// How many containers have bits: each is about as much work as another.
    pub fn chunks(&self) -> u64 {
        self.0.buckets.values().map(chunks_of).sum()
    }
}

/// The containers of a bucket. The crate tells their number only in what it saves, at the beginning of which it stands.
fn chunks_of(bits: &RoaringBitmap) -> u64 {
    const WITH_RUNS: u16 = 12347;
    let mut head = [0; 8];
    // All that does not fit is not wanted.
    let _ = bits.serialize_into(&mut head[..]);
    let [a, b, c, d, size @ ..] = head;
    match u16::from_le_bytes([a, b]) {
        WITH_RUNS => u64::from(u16::from_le_bytes([c, d])) + 1,
        _ => u64::from(u32::from_le_bytes(size)),
    }
}

/// Where integers of any width can lie, see [`crate::util::bits`].
pub trait BitFields {
    /// The unsigned integer of `width` bits, 1 to 64, at bit `offset`. Bits behind the end are zero.
    fn field(&self, offset: usize, width: u32) -> u64;

    /// Writes the low `width` bits of `value`, 1 to 64, at bit `offset`, where there is room for it.
    fn set_field(&mut self, offset: usize, width: u32, value: u64);
}

impl BitFields for [u8] {
    fn field(&self, offset: usize, width: u32) -> u64 {
        bits::field(self, offset, width)
    }

    fn set_field(&mut self, offset: usize, width: u32, value: u64) {
        bits::set_field(self, offset, width, value);
    }
}

impl BitFields for Bitmap {
    fn field(&self, offset: usize, width: u32) -> u64 {
        let within = offset as u64..offset as u64 + u64::from(width);
        let ones = self.runs(within.clone()).flatten();
        ones.fold(0, |value, bit| value | 1 << (within.end - 1 - bit))
    }

    fn set_field(&mut self, offset: usize, width: u32, value: u64) {
        let differing = self.field(offset, width) ^ value;
        for place in (0..width).filter(|place| differing >> (width - 1 - place) & 1 == 1) {
            self.set(offset as u64 + u64::from(place), value >> (width - 1 - place) & 1 == 1);
        }
    }
}

/// Bits to be read, in either form.
pub enum Bits<'a> {
    /// Those of a string.
    Bytes(Cow<'a, [u8]>),
    /// Those of a bitmap.
    Bitmap(&'a Bitmap),
}

impl Bits<'_> {
    /// How many bytes they fill.
    pub fn byte_len(&self) -> usize {
        match self {
            Bits::Bytes(bytes) => bytes.len(),
            Bits::Bitmap(bitmap) => bitmap.byte_len() as usize,
        }
    }

    /// A bit; what lies behind the end is not set.
    pub fn get(&self, offset: usize) -> bool {
        match self {
            Bits::Bytes(bytes) => bytes.get(offset / 8).is_some_and(|byte| byte & (0x80 >> (offset % 8)) != 0),
            Bits::Bitmap(bitmap) => bitmap.get(offset as u64),
        }
    }

    /// How many bits are set.
    pub fn count_ones(&self) -> u64 {
        match self {
            Bits::Bytes(bytes) => bits::count_ones(bytes),
            Bits::Bitmap(bitmap) => bitmap.count_ones(),
        }
    }

    /// How many bits in a range are set.
    pub fn count_ones_in(&self, within: Range<usize>) -> u64 {
        match self {
            Bits::Bytes(bytes) => bits::count_ones_in(bytes, within),
            Bits::Bitmap(bitmap) => bitmap.count_ones_in(wide(within)),
        }
    }

    /// The first bit of that value in a range that lies within the length.
    pub fn find(&self, value: bool, within: Range<usize>) -> Option<usize> {
        match self {
            Bits::Bytes(bytes) => bits::find_bit(bytes, value, within),
            Bits::Bitmap(bitmap) => bitmap.find(value, wide(within)).map(|bit| bit as usize),
        }
    }

    /// Calls `visit` with the place of each bit of that value in a range, until it says no. The range lies within the
    /// length.
    pub fn visit(&self, value: bool, within: Range<usize>, mut visit: impl FnMut(usize) -> bool) {
        match self {
            Bits::Bytes(bytes) => bits::visit_bits(bytes, value, within, visit),
            Bits::Bitmap(bitmap) => bitmap.visit(value, wide(within), |bit| visit(bit as usize)),
        }
    }

    /// The unsigned integer of `width` bits, 1 to 64, at bit `offset`.
    pub fn field(&self, offset: usize, width: u32) -> u64 {
        match self {
            Bits::Bytes(bytes) => bytes.field(offset, width),
            Bits::Bitmap(bitmap) => bitmap.field(offset, width),
        }
    }
}

fn wide(range: Range<usize>) -> Range<u64> {
    range.start as u64..range.end as u64
}

impl Collection for Bitmap {
    /// Bytes, as of a string.
    fn len(&self) -> usize {
        self.0.len as usize
    }

    fn encoding(&self) -> &'static str {
        "bitmap-roaring"
    }

    fn heap_bytes(&self, _: usize) -> usize {
        let buckets = self.0.buckets.values();
        let owned = buckets.map(|bits| {
            size_of::<(u32, RoaringBitmap)>() + bits.serialized_size() + chunks_of(bits) as usize * CONTAINER_BYTES
        });
        size_class(size_of::<Parts>()) + owned.sum::<usize>()
    }

    fn free_effort(&self) -> usize {
        2 + 2 * self.chunks() as usize
    }

    /// The length, and where each run of ones begins and ends: the same however the bits are kept.
    fn digest(&self, digest: &mut Digest) {
        let bounds = self.runs(0..self.bit_len()).flat_map(|run| [run.start, run.end]);
        digest.append_numbers(std::iter::once(self.0.len).chain(bounds));
    }
}
