//! Combining bitmaps and strings of bits into a bitmap.
//!
//! It goes bucket by bucket. Of strings a bucket's part is turned into bits when its turn comes, and forgotten again, so
//! that no more than one of them is there twice at any time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

use super::{BUCKET_BYTES, Bitmap, Bits, Parts, bucket_of};
use crate::types::sharing::Sharing;
use crate::util::bits::Combination;

/// Combines bits into a bitmap as long as the longest of them.
pub fn combine(combination: Combination, sources: &[Bits<'_>]) -> Bitmap {
    let len = sources.iter().map(Bits::byte_len).max().unwrap_or(0);
    let in_use = len.div_ceil(BUCKET_BYTES) as u32;
    let numbers: BTreeSet<u32> = match combination {
        Combination::Not => (0..in_use).collect(),
        _ => sources.iter().flat_map(numbers_of).collect(),
    };
    let mut buckets = BTreeMap::new();
    for number in numbers {
        let bits_in_use = (len as u64 * 8) - (u64::from(number) << 32);
        let mut bits = match combination {
            Combination::Not => complement(&of_bucket(&sources[0], number), bits_in_use),
            _ => combine_bucket(combination, sources, number),
        };
        bits.optimize();
        if !bits.is_empty() {
            buckets.insert(number, bits);
        }
    }
    Bitmap(Sharing::new(Parts { len: len as u64, buckets }))
}

/// The buckets in which a source may have bits.
fn numbers_of(source: &Bits<'_>) -> Vec<u32> {
    match source {
        Bits::Bytes(bytes) => (0..bytes.len().div_ceil(BUCKET_BYTES) as u32).collect(),
        Bits::Bitmap(bitmap) => bitmap.0.buckets.keys().copied().collect(),
    }
}

/// The bits that a source has in a bucket.
fn of_bucket<'s>(source: &'s Bits<'_>, number: u32) -> Cow<'s, RoaringBitmap> {
    match source {
        Bits::Bytes(bytes) => {
            let part = bytes.chunks(BUCKET_BYTES).nth(number as usize);
            Cow::Owned(part.map(bucket_of).unwrap_or_default())
        }
        Bits::Bitmap(bitmap) => match bitmap.0.buckets.get(&number) {
            Some(bits) => Cow::Borrowed(bits),
            None => Cow::Owned(RoaringBitmap::new()),
        },
    }
}

/// The bits that are not set, of the first so many.
fn complement(bits: &RoaringBitmap, in_use: u64) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    if let Some(last) = in_use.checked_sub(1) {
        all.insert_range(0..=u32::try_from(last).unwrap_or(u32::MAX));
    }
    all -= bits;
    all
}

fn combine_bucket(combination: Combination, sources: &[Bits<'_>], number: u32) -> RoaringBitmap {
    let Some((first, others)) = sources.split_first() else { return RoaringBitmap::new() };
    let of = |source| of_bucket(source, number);
    let fold = |start: RoaringBitmap, add: fn(&mut RoaringBitmap, &RoaringBitmap)| {
        others.iter().fold(start, |mut result, source| {
            add(&mut result, &of(source));
            result
        })
    };
    let union_of_others = || fold(RoaringBitmap::new(), |result, bits| *result |= bits);
    match combination {
        Combination::And => fold(of(first).into_owned(), |result, bits| *result &= bits),
        Combination::Or => fold(of(first).into_owned(), |result, bits| *result |= bits),
        Combination::Xor => fold(of(first).into_owned(), |result, bits| *result ^= bits),
        Combination::Diff => fold(of(first).into_owned(), |result, bits| *result -= bits),
        Combination::Diff1 => union_of_others() - &*of(first),
        Combination::AndOr => union_of_others() & &*of(first),
        Combination::One => {
            let (mut once, mut twice) = (of(first).into_owned(), RoaringBitmap::new());
            for source in others {
                let bits = of(source);
                twice |= &once & &*bits;
                once |= &*bits;
                once -= &twice;
            }
            once
        }
        // See `complement`.
        Combination::Not => RoaringBitmap::new(),
    }
}
