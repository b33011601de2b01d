//! SipHash-1-3 (Aumasson and Bernstein), keyed, in one shot.
//!
//! The hash of keys where [`super::key_hash`] has nothing faster. One compression and three finalization rounds are what
//! the standard library uses for the same purpose; the tests hold this against it.
//!
//! Own code: `siphasher` gives the same hashes and takes as long for the lengths of keys, so there is nothing to gain.

struct State(u64, u64, u64, u64);

impl State {
    #[inline(always)]
    fn round(&mut self) {
        let Self(v0, v1, v2, v3) = self;
        *v0 = v0.wrapping_add(*v1);
        *v2 = v2.wrapping_add(*v3);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v1);
        *v0 = v0.wrapping_add(*v3);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.rotate_left(32);
    }

    #[inline(always)]
    fn absorb(&mut self, word: u64) {
        self.3 ^= word;
        self.round();
        self.0 ^= word;
    }
}

/// The 64-bit SipHash-1-3 of `bytes` under a key.
pub fn siphash(key: [u64; 2], bytes: &[u8]) -> u64 {
    let mut state = State(
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    );
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state.absorb(u64::from_le_bytes(*word));
    }
    state.absorb(tail(rest) | (bytes.len() as u64) << 56);
    state.2 ^= 0xff;
    state.round();
    state.round();
    state.round();
    state.0 ^ state.1 ^ state.2 ^ state.3
}

/// Up to seven bytes as the low bytes of a word, in three steps instead of one per byte.
#[inline(always)]
fn tail(bytes: &[u8]) -> u64 {
    let mut word = 0;
    let mut shift = 0;
    let mut rest = bytes;
    if let Some((four, after)) = rest.split_first_chunk::<4>() {
        word = u64::from(u32::from_le_bytes(*four));
        (shift, rest) = (32, after);
    }
    if let Some((two, after)) = rest.split_first_chunk::<2>() {
        word |= u64::from(u16::from_le_bytes(*two)) << shift;
        (shift, rest) = (shift + 16, after);
    }
    if let Some(&one) = rest.first() {
        word |= u64::from(one) << shift;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::{DefaultHasher, Hasher};

    #[test]
    fn every_length_hashes_as_in_the_standard_library() {
        let bytes: Vec<u8> = (0..200u8).map(|byte| byte.wrapping_mul(37)).collect();
        for length in 0..bytes.len() {
            let mut twin = DefaultHasher::new();
            twin.write(&bytes[..length]);
            assert_eq!(siphash([0, 0], &bytes[..length]), twin.finish(), "length {length}");
        }
    }

    #[test]
    fn the_key_changes_the_hash() {
        assert_ne!(siphash([1, 2], b"key"), siphash([2, 1], b"key"));
        assert_ne!(siphash([1, 2], b"key"), siphash([1, 3], b"key"));
    }

    proptest! {
        #[test]
        fn any_bytes_hash_as_in_the_standard_library(bytes: Vec<u8>) {
            let mut twin = DefaultHasher::new();
            twin.write(&bytes);
            prop_assert_eq!(siphash([0, 0], &bytes), twin.finish());
        }
    }
}
