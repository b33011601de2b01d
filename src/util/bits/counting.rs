//! Counting bits, with the vectors that the processor has.

// What is compiled for some processors only is unsafe to call.
#![allow(unsafe_code)]

use crate::util::prefetch::prefetch_read;

/// Words that are added at a time: about one or two of the processor's vectors.
const LANE: usize = 4;
type Lane = [u64; LANE];
/// Bytes of eight lanes.
const BLOCK: usize = 8 * LANE * 8;
/// A line of the cache, in bytes, and how far ahead lines are asked for: processors do so by themselves, but not across
/// the end of a page.
const LINE: usize = 64;
const AHEAD: usize = 2048;

/// How many bits are set.
pub fn count_ones(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= BLOCK && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { count_by_avx2(bytes) };
    }
    count_plain(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn count_by_avx2(bytes: &[u8]) -> u64 {
    count_plain(bytes)
}

/// [`count_ones`], of whatever processor.
///
/// A processor that need not have an instruction for it counts the bits of a word in a dozen steps. Adding three words
/// to a sum and a carry, each bit for itself, takes five; so eight lanes and what was left before become a single one
/// whose bits count eight each, and only those are counted (Harley and Seal's way).
#[inline(always)]
fn count_plain(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let (mut ones, mut twos, mut fours, mut count) = ([0; LANE], [0; LANE], [0; LANE], 0);
    for block in blocks {
        for line in block.chunks_exact(LINE) {
            prefetch_read(line.as_ptr().wrapping_add(AHEAD));
        }
        let (four, other_four, eight);
        let mut two = [[0; LANE]; 4];
        for (pair, two) in two.iter_mut().enumerate() {
            (ones, *two) = add(ones, lane(block, 2 * pair), lane(block, 2 * pair + 1));
        }
        (twos, four) = add(twos, two[0], two[1]);
        (twos, other_four) = add(twos, two[2], two[3]);
        (fours, eight) = add(fours, four, other_four);
        count += 8 * count_words(&eight);
    }
    let (words, rest) = rest.as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let in_rest: u64 = rest.iter().map(|byte| u64::from(byte.count_ones())).sum();
    count + 4 * count_words(&fours) + 2 * count_words(&twos) + count_words(&ones) + in_words + in_rest
}

/// The sum of three bits and what it carries, for each bit.
#[inline(always)]
fn add(one: Lane, two: Lane, three: Lane) -> (Lane, Lane) {
    let (mut sum, mut carry) = ([0; LANE], [0; LANE]);
    for at in 0..LANE {
        let odd = one[at] ^ two[at];
        sum[at] = odd ^ three[at];
        carry[at] = one[at] & two[at] | odd & three[at];
    }
    (sum, carry)
}

#[inline(always)]
fn count_words(words: &Lane) -> u64 {
    let mut count = 0;
    for word in words {
        count += u64::from(word.count_ones());
    }
    count
}

/// Some words of a block.
#[inline(always)]
fn lane(block: &[u8; BLOCK], index: usize) -> Lane {
    let mut lane = [0; LANE];
    let words = block.as_chunks::<8>().0;
    for at in 0..LANE {
        lane[at] = u64::from_ne_bytes(words[LANE * index + at]);
    }
    lane
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(bytes: &[u8]) -> u64 {
        bytes.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    #[test]
    fn many_bits_are_counted_block_by_block() {
        let bytes: Vec<u8> = (0..5000u32).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 21) as u8).collect();
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK + 70, bytes.len()] {
            assert_eq!(count_ones(&bytes[..len]), naive(&bytes[..len]), "{len} bytes");
            assert_eq!(count_ones(&vec![0xff; len]), 8 * len as u64, "{len} bytes of ones");
        }
    }

    proptest! {
        #[test]
        fn either_way_of_counting_equals_looking_at_each_byte(
            bytes in prop::collection::vec(any::<u8>(), 0..5 * BLOCK), from in 0usize..9,
        ) {
            let part = bytes.get(from..).unwrap_or_default();
            prop_assert_eq!((count_ones(part), count_plain(part)), (naive(part), naive(part)));
        }
    }
}
