//! MurmurHash2 (Austin Appleby, public domain) of 32 bits and, as the variant 64A, of 64 bits.
//!
//! What they give is part of the format of sketches. They keep nobody from choosing elements that collide.

const MULTIPLIER_32: u32 = 0x5bd1_e995;
const MULTIPLIER_64: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT_64: u32 = 47;

/// The hash of 32 bits.
pub fn murmur_32(data: &[u8], seed: u32) -> u32 {
    let mut hash = seed ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER_32);
        let word = (word ^ (word >> 24)).wrapping_mul(MULTIPLIER_32);
        hash = hash.wrapping_mul(MULTIPLIER_32) ^ word;
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(MULTIPLIER_32);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER_32);
    hash ^ (hash >> 15)
}

/// The hash of 64 bits, variant A.
pub fn murmur_64a(data: &[u8], seed: u64) -> u64 {
    let mut hash = seed ^ (data.len() as u64).wrapping_mul(MULTIPLIER_64);
    let (words, rest) = data.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER_64);
        let word = (word ^ (word >> SHIFT_64)).wrapping_mul(MULTIPLIER_64);
        hash = (hash ^ word).wrapping_mul(MULTIPLIER_64);
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash ^ last).wrapping_mul(MULTIPLIER_64);
    }
    hash = (hash ^ (hash >> SHIFT_64)).wrapping_mul(MULTIPLIER_64);
    hash ^ (hash >> SHIFT_64)
}

#[cfg(test)]
mod tests {
    use super::{murmur_32, murmur_64a};

    #[test]
    fn hashes_are_those_of_the_published_functions() {
        assert_eq!(murmur_32(b"", 0), 0);
        // The fingerprint of `abc` as a Top-K sketch of RedisBloom has it in DUMP.
        assert_eq!(murmur_32(b"abc", 1919), 0xd882_74d7);
        assert_eq!(murmur_32(b"a", 1919), 0xf23c_f517);
        assert_eq!(murmur_64a(b"", 0), 0);
    }
}
