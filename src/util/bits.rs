//! Strings of bits: counting, searching, combining, and integers of any width at any place.
//!
//! Bit 0 is the most significant bit of the first byte, so an integer stands in memory as it is written on paper,
//! across the bounds of bytes as well. All loops take many bytes at a time, or are so plain that the compiler turns
//! them into vector instructions.

mod counting;

use std::ops::Range;

pub use counting::count_ones;

/// Bytes that are searched at a time.
const BLOCK: usize = 256;

/// Bytes that are combined at a time.
const PIECE: usize = 4096;

/// How many bits in a range are set. What lies outside of the bytes does not count.
pub fn count_ones_in(bytes: &[u8], bits: Range<usize>) -> u64 {
    if bits.is_empty() {
        return 0;
    }
    let end = bits.end.div_ceil(8).min(bytes.len());
    let Some(part) = bytes.get(bits.start / 8..end) else { return 0 };
    let before = part.first().map_or(0, |byte| byte & !(0xff >> (bits.start % 8)));
    let behind = match bits.end % 8 {
        used @ 1.. if end == bits.end.div_ceil(8) => part.last().map_or(0, |byte| byte & (0xff >> used)),
        _ => 0,
    };
    count_ones(part) - u64::from(before.count_ones() + behind.count_ones())
}

/// The first bit of that value in a range which lies within the bytes.
pub fn find_bit(bytes: &[u8], value: bool, bits: Range<usize>) -> Option<usize> {
    let flip = if value { 0 } else { 0xff };
    let first = bits.start / 8;
    let part = bytes.get(first..bits.end.div_ceil(8))?;
    let (head, tail) = part.split_first()?;
    let head = (head ^ flip) & (0xff >> (bits.start % 8));
    let found = match head {
        0 => first_one(tail, flip).map(|position| position + 8),
        _ => Some(head.leading_zeros() as usize),
    };
    found.map(|position| position + first * 8).filter(|position| *position < bits.end)
}

/// Calls `visit` with the place of each bit of that value in a range, until it says no. The range lies within the bytes.
pub fn visit_bits(bytes: &[u8], value: bool, bits: Range<usize>, mut visit: impl FnMut(usize) -> bool) {
    let flip = if value { 0 } else { u64::MAX };
    let words = bytes.chunks(8).enumerate().skip(bits.start / 64);
    for (index, chunk) in words.take(bits.end.div_ceil(64).saturating_sub(bits.start / 64)) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let first = index * 64;
        let mut left = u64::from_be_bytes(word) ^ flip;
        left &= u64::MAX >> bits.start.saturating_sub(first);
        if bits.end < first + 64 {
            left &= !(u64::MAX >> (bits.end - first));
        }
        while left != 0 {
            let at = left.leading_zeros();
            if !visit(first + at as usize) {
                return;
            }
            left &= !(1 << 63 >> at);
        }
    }
}

/// The first bit that is set after all bytes were combined with `flip` by exclusive or.
fn first_one(bytes: &[u8], flip: u8) -> Option<usize> {
    let is_passed = |block: &&[u8; BLOCK]| block.iter().fold(0, |found, byte| found | (byte ^ flip)) == 0;
    let passed = BLOCK * bytes.as_chunks::<BLOCK>().0.iter().take_while(is_passed).count();
    let rest = &bytes[passed..];
    let index = rest.iter().position(|byte| *byte != flip)?;
    Some((passed + index) * 8 + (rest.get(index)? ^ flip).leading_zeros() as usize)
}

/// The bytes that hold a field, at the front of a word with zeros behind them, and how many they are.
fn window(bytes: &[u8], offset: usize) -> ([u8; 16], usize) {
    let mut window = [0; 16];
    let from = bytes.get(offset / 8..).unwrap_or_default();
    let len = from.len().min(window.len());
    window[..len].copy_from_slice(&from[..len]);
    (window, len)
}

/// The unsigned integer of `width` bits, 1 to 64, at bit `offset`. Bits behind the end are zero.
pub fn field(bytes: &[u8], offset: usize, width: u32) -> u64 {
    let (window, _) = window(bytes, offset);
    (u128::from_be_bytes(window) << (offset % 8) >> (128 - width)) as u64
}

/// Writes the low `width` bits of `value`, 1 to 64, at bit `offset`. What lies behind the end is not written.
pub fn set_field(bytes: &mut [u8], offset: usize, width: u32, value: u64) {
    let (old, len) = window(bytes, offset);
    let shift = 128 - width - (offset % 8) as u32;
    let mask = u128::MAX >> (128 - width) << shift;
    let new = u128::from_be_bytes(old) & !mask | u128::from(value) << shift & mask;
    if let Some(to) = bytes.get_mut(offset / 8..offset / 8 + len) {
        to.copy_from_slice(&new.to_be_bytes()[..len]);
    }
}

/// What to do with several strings of bits, the shorter ones of which are continued by zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// Bits set in all.
    And,
    /// Bits set in any.
    Or,
    /// Bits set in an odd number of them.
    Xor,
    /// Bits not set in the first.
    Not,
    /// Bits set in the first and in none of the others.
    Diff,
    /// Bits not set in the first, but in any of the others.
    Diff1,
    /// Bits set in the first and in any of the others.
    AndOr,
    /// Bits set in exactly one.
    One,
}

/// Combines strings of bits into one as long as the longest of them.
pub fn combine<S: AsRef<[u8]>>(combination: Combination, sources: &[S]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.as_ref().len()).max().unwrap_or(0);
    let padded = |source: Option<&S>| {
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(source.map_or(&[], |source| source.as_ref()));
        bytes.resize(len, 0);
        bytes
    };
    let others = sources.get(1..).unwrap_or_default();
    let union_of_others = || {
        let mut union = padded(others.first());
        others.iter().skip(1).for_each(|source| zip(&mut union, source.as_ref(), |a, b| a | b));
        union
    };
    let mut result = match combination {
        Combination::Diff1 | Combination::AndOr => union_of_others(),
        _ => padded(sources.first()),
    };
    match combination {
        Combination::And => others.iter().for_each(|source| intersect(&mut result, source.as_ref())),
        Combination::Or => others.iter().for_each(|source| zip(&mut result, source.as_ref(), |a, b| a | b)),
        Combination::Xor => others.iter().for_each(|source| zip(&mut result, source.as_ref(), |a, b| a ^ b)),
        Combination::Not => result.iter_mut().for_each(|byte| *byte = !*byte),
        Combination::Diff => others.iter().for_each(|source| zip(&mut result, source.as_ref(), |a, b| a & !b)),
        Combination::Diff1 => {
            sources.iter().take(1).for_each(|source| zip(&mut result, source.as_ref(), |a, b| a & !b));
        }
        Combination::AndOr => sources.iter().take(1).for_each(|source| intersect(&mut result, source.as_ref())),
        Combination::One => {
            // Piece by piece, so that what is set twice stays in the cache.
            for (number, once) in result.chunks_mut(PIECE).enumerate() {
                let mut twice = [0; PIECE];
                for source in others {
                    let source = source.as_ref().get(number * PIECE..).unwrap_or_default();
                    let seen = twice.iter_mut().zip(&mut *once).zip(source);
                    seen.for_each(|((twice, once), byte)| (*twice, *once) = (*twice | *once & byte, *once | byte));
                }
                zip(once, &twice, |a, b| a & !b);
            }
        }
    }
    result
}

fn zip(to: &mut [u8], from: &[u8], change: impl Fn(u8, u8) -> u8) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = change(*to, *from));
}

/// Unlike the other combinations, this one is not indifferent to the zeros behind a shorter string.
fn intersect(to: &mut [u8], from: &[u8]) {
    zip(to, from, |a, b| a & b);
    to.iter_mut().skip(from.len()).for_each(|byte| *byte = 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit(bytes: &[u8], index: usize) -> bool {
        bytes.get(index / 8).is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0)
    }

    /// Bytes with long runs of equal ones, where searching has something to skip.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let run = (prop_oneof![Just(0u8), Just(0xffu8), any::<u8>()], 0..20usize);
        prop::collection::vec(run, 0..5)
            .prop_map(|runs| runs.into_iter().flat_map(|(byte, len)| vec![byte; len]).collect())
    }

    fn naive_combination(combination: Combination, sources: &[Vec<u8>], index: usize) -> bool {
        let first = bit(&sources[0], index);
        let set = sources.iter().filter(|source| bit(source, index)).count();
        let others = set - usize::from(first);
        match combination {
            Combination::And => set == sources.len(),
            Combination::Or => set > 0,
            Combination::Xor => set % 2 == 1,
            Combination::Not => !first,
            Combination::Diff => first && others == 0,
            Combination::Diff1 => !first && others > 0,
            Combination::AndOr => first && others > 0,
            Combination::One => set == 1,
        }
    }

    #[test]
    fn bits_are_found_behind_many_others() {
        for len in [BLOCK - 1, BLOCK, 3 * BLOCK + 7] {
            for at in [0, 9, 8 * BLOCK - 9, 8 * len - 1].into_iter().filter(|at| *at < 8 * len) {
                let mut bytes = vec![0; len];
                bytes[at / 8] = 0x80 >> (at % 8);
                assert_eq!(find_bit(&bytes, true, 0..8 * len), Some(at), "{len} bytes");
                bytes.iter_mut().for_each(|byte| *byte = !*byte);
                assert_eq!(find_bit(&bytes, false, 0..8 * len), Some(at), "{len} bytes");
            }
            assert_eq!(find_bit(&vec![0; len], true, 0..8 * len), None);
        }
    }

    #[test]
    fn pieces_of_long_strings_are_combined_like_short_ones() {
        let source = |seed: u32, len: u32| -> Vec<u8> {
            (0..len).map(|at| ((at + seed).wrapping_mul(0x9e37_79b1) >> 17) as u8).collect()
        };
        let sources = [source(1, 3 * PIECE as u32 + 5), source(2, PIECE as u32), source(3, 2 * PIECE as u32 + 9)];
        let result = combine(Combination::One, &sources);
        assert_eq!(result.len(), sources[0].len());
        for index in (0..result.len() * 8).step_by(13) {
            assert_eq!(bit(&result, index), naive_combination(Combination::One, &sources, index), "bit {index}");
        }
    }

    proptest! {
        #[test]
        fn counting_and_searching_equal_looking_at_each_bit(
            bytes in bytes(),
            start in 0..400usize,
            end in 0..400usize,
            value: bool,
        ) {
            let len = bytes.len() * 8;
            prop_assert_eq!(count_ones(&bytes), (0..len).filter(|index| bit(&bytes, *index)).count() as u64);
            let (start, end) = (start.min(len), end.min(len));
            let ones = (start..end).filter(|index| bit(&bytes, *index)).count();
            prop_assert_eq!(count_ones_in(&bytes, start..end), ones as u64);
            if start < end {
                let found = (start..end).find(|index| bit(&bytes, *index) == value);
                prop_assert_eq!(find_bit(&bytes, value, start..end), found);
            }
            let all: Vec<usize> = (start..end).filter(|index| bit(&bytes, *index) == value).collect();
            for most in [1, 3, usize::MAX] {
                let mut visited = Vec::new();
                visit_bits(&bytes, value, start..end, |index| {
                    visited.push(index);
                    visited.len() < most
                });
                prop_assert_eq!(&visited[..], &all[..all.len().min(most)]);
            }
        }

        #[test]
        fn a_field_is_its_bits(mut bytes in bytes(), offset in 0..500usize, width in 1u32..65, value: u64) {
            let before = bytes.clone();
            let naive = (0..width as usize).fold(0, |sum, index| sum << 1 | u64::from(bit(&bytes, offset + index)));
            prop_assert_eq!(field(&bytes, offset, width), naive);
            set_field(&mut bytes, offset, width, value);
            for index in 0..bytes.len() * 8 {
                let expected = match index.checked_sub(offset) {
                    Some(nth) if nth < width as usize => value >> (width as usize - 1 - nth) & 1 == 1,
                    _ => bit(&before, index),
                };
                prop_assert_eq!(bit(&bytes, index), expected, "bit {}", index);
            }
        }

        #[test]
        fn combining_equals_looking_at_each_bit(sources in prop::collection::vec(bytes(), 1..5)) {
            use Combination::*;
            let len = sources.iter().map(Vec::len).max().unwrap_or(0);
            for combination in [And, Or, Xor, Not, Diff, Diff1, AndOr, One] {
                let result = combine(combination, &sources);
                prop_assert_eq!(result.len(), len);
                for index in 0..len * 8 {
                    let expected = naive_combination(combination, &sources, index);
                    prop_assert_eq!(bit(&result, index), expected, "{:?} bit {}", combination, index);
                }
            }
        }
    }
}
