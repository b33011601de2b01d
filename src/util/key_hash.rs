//! The keyed hash of tables: AES rounds where the processor has them, SipHash-1-3 elsewhere.
//!
//! Keys come from strangers. A hash they can predict would let them choose keys that all fall into one place of a table
//! and make every lookup slow; a secret seed, drawn at start, takes that away, provided that nobody can find keys that
//! collide without knowing it. SipHash was made for that, and takes some 130 instructions for a key of 16 bytes; the
//! rounds of AES that most processors have an instruction for do it in a third of that.
//!
//! ```text
//! state = seed
//! each block of 16 bytes:   state ^= block, four rounds      the last block ends with the key, and may overlap
//! the length:               state ^= length, four rounds
//! hash = the low half of the state
//! ```
//! A round is that of AES (FIPS 197): substitute, shift rows, mix columns, add a round key. The round keys are the seed
//! with a constant each, so that no two rounds are alike; nothing but the seed is secret. Why that resists:
//! - This is Pelican (Daemen and Rijmen, "The Pelican MAC Function"): a chain of blocks with four AES rounds between
//!   them. For two keys of one length to meet in one state, a difference must go through four rounds in a way the
//!   chooser foresees, which is the case for at most one seed in 2^113 (Keliher and Sui, "Exact maximum expected
//!   differential and linear probability for two-round AES"). Keys of two lengths meet before the last four rounds
//!   only if their states differ just as the lengths do, which is as unlikely.
//! - What is visible of a hash is little: the order of SCAN shows some of its high bits. To learn the seed from that one
//!   has to go back through eight rounds at least, with half of the result never shown; the attacks known on AES of
//!   eight rounds need more texts than there will ever be keys.
//!
//! Where the seed is given, so that several servers keep the same order, it is SipHash everywhere: the order must not
//! depend on the processor.

// A function compiled for a feature of the processor may only be called where that is there.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use super::random::entropy;
use super::siphash::siphash;

static PROCESS_KEYS: OnceLock<Keys> = OnceLock::new();

/// The secret 128-bit key of the hash, by which means it hashes, and what follows from the key for that.
#[derive(Debug)]
struct Keys {
    key: [u64; 2],
    /// By rounds of AES, which the processor has.
    by_aes: bool,
    rounds: aes::Rounds,
}

/// The seed of a hash: a secret that lasts as long as the process.
#[derive(Debug, Clone, Copy)]
pub struct HashSeed(&'static Keys);

impl Keys {
    fn new(key: [u64; 2], by_aes: bool) -> Keys {
        Keys { key, by_aes, rounds: aes::Rounds::of(key) }
    }

    /// Keys from the operating system's randomness.
    fn random() -> Keys {
        Keys::new([entropy(), entropy()], aes::is_there())
    }
}

impl HashSeed {
    /// The seed of all tables, drawn at the start of the process so that nobody can choose keys that collide.
    #[inline(always)]
    pub fn of_process() -> Self {
        Self(PROCESS_KEYS.get_or_init(Keys::random))
    }

    /// Has the seed of all tables follow from a text; false if it is drawn already. Its hashes are the same on every
    /// machine.
    pub fn set_process_seed(text: &[u8]) -> bool {
        let half = |number| siphash([number, 0], text);
        PROCESS_KEYS.set(Keys::new([half(0), half(1)], false)).is_ok()
    }

    /// The hash of `bytes`.
    #[inline(always)]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        if self.0.by_aes {
            // SAFETY: `by_aes` is only set where the processor has the rounds.
            return unsafe { aes::hash(&self.0.rounds, bytes) };
        }
        siphash(self.0.key, bytes)
    }
}

#[cfg(test)]
impl HashSeed {
    /// A seed whose hashes are the same on every machine.
    pub fn portable(low: u64, high: u64) -> Self {
        Self::of([low, high], false)
    }

    /// A seed of its own.
    pub fn random() -> Self {
        Self(Box::leak(Box::new(Keys::random())))
    }

    fn of(key: [u64; 2], by_aes: bool) -> Self {
        Self(Box::leak(Box::new(Keys::new(key, by_aes))))
    }
}

#[cfg(target_arch = "x86_64")]
mod aes {
    use std::arch::x86_64::{__m128i, _mm_aesenc_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_xor_si128};

    /// What is added to the seed for each round: the first binary digits of pi behind the point.
    pub const CONSTANTS: [[u64; 2]; 8] = [
        [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344],
        [0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89],
        [0x4528_21e6_38d0_1377, 0xbe54_66cf_34e9_0c6c],
        [0xc0ac_29b7_c97c_50dd, 0x3f84_d5b5_b547_0917],
        [0x9216_d5d9_8979_fb1b, 0xd131_0ba6_98df_b5ac],
        [0x2ffd_72db_d01a_dfb7, 0xb8e1_afed_6a26_7e96],
        [0xba7c_9045_f12c_7f99, 0x24a1_9947_b391_6cf7],
        [0x0801_f2e2_858e_fc16, 0x6369_20d8_7157_4e69],
    ];

    pub fn is_there() -> bool {
        std::arch::is_x86_feature_detected!("aes")
    }

    /// A block of 16 bytes where instructions take it from memory.
    #[derive(Debug)]
    #[repr(align(16))]
    struct Block([u64; 2]);

    /// What a state begins with, and what is added to it in each round.
    #[derive(Debug)]
    pub struct Rounds {
        start: Block,
        keys: [Block; 8],
    }

    impl Rounds {
        pub fn of([low, high]: [u64; 2]) -> Rounds {
            let keys = CONSTANTS.map(|[one, two]| Block([low ^ one, high ^ two]));
            Rounds { start: Block([low, high]), keys }
        }
    }

    #[target_feature(enable = "aes")]
    pub fn hash(rounds: &Rounds, bytes: &[u8]) -> u64 {
        let [a, b, c, d, keys @ ..] = &rounds.keys;
        let block_keys = [a, b, c, d];
        let mut state = vector(rounds.start.0);
        let last = match bytes.last_chunk::<16>() {
            Some(last) => {
                for block in bytes[..bytes.len() - 1].as_chunks::<16>().0 {
                    state = four_rounds(_mm_xor_si128(state, block_of(block)), block_keys);
                }
                block_of(last)
            }
            None => vector(super::short_block(bytes)),
        };
        state = four_rounds(_mm_xor_si128(state, last), block_keys);
        state = four_rounds(_mm_xor_si128(state, vector([bytes.len() as u64, 0])), keys.each_ref());
        _mm_cvtsi128_si64(state) as u64
    }

    #[target_feature(enable = "aes")]
    #[inline]
    fn four_rounds(state: __m128i, keys: [&Block; 4]) -> __m128i {
        keys.into_iter().fold(state, |state, key| _mm_aesenc_si128(state, vector(key.0)))
    }

    #[target_feature(enable = "aes")]
    #[inline]
    fn block_of(bytes: &[u8; 16]) -> __m128i {
        let (words, _) = bytes.as_chunks::<8>();
        vector([u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])])
    }

    #[target_feature(enable = "aes")]
    #[inline]
    fn vector(words: [u64; 2]) -> __m128i {
        _mm_set_epi64x(words[1] as i64, words[0] as i64)
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod aes {
    pub fn is_there() -> bool {
        false
    }

    #[derive(Debug)]
    pub struct Rounds;

    impl Rounds {
        pub fn of(_: [u64; 2]) -> Rounds {
            Rounds
        }
    }

    /// # Safety
    /// Never called: see [`is_there`].
    pub unsafe fn hash(_: &Rounds, _: &[u8]) -> u64 {
        0
    }
}

/// Fewer than 16 bytes as a block. Two texts of one length make the same block only if they are the same.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
#[inline(always)]
fn short_block(bytes: &[u8]) -> [u64; 2] {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return [u64::from_le_bytes(*first), u64::from_le_bytes(*last)];
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return [u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last))];
    }
    match bytes {
        [] => [0, 0],
        [first, .., last] => [u64::from(*first) | u64::from(bytes[bytes.len() / 2]) << 8, u64::from(*last)],
        [only] => [u64::from(*only), 0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same hash by the book, byte for byte.
    #[cfg(target_arch = "x86_64")]
    mod twin {
        use std::sync::LazyLock;

        use super::super::aes::CONSTANTS;

        type State = [u8; 16];

        static SUBSTITUTION: LazyLock<[u8; 256]> =
            LazyLock::new(|| std::array::from_fn(|byte| substituted(byte as u8)));

        fn doubled(byte: u8) -> u8 {
            byte << 1 ^ if byte & 0x80 != 0 { 0x1b } else { 0 }
        }

        fn product(mut one: u8, mut other: u8) -> u8 {
            let mut sum = 0;
            while other != 0 {
                sum ^= if other & 1 != 0 { one } else { 0 };
                (one, other) = (doubled(one), other >> 1);
            }
            sum
        }

        fn substituted(byte: u8) -> u8 {
            let inverse = (0..=255).find(|other| product(byte, *other) == 1).unwrap_or(0);
            (0..5).fold(0x63, |sum, turn| sum ^ inverse.rotate_left(turn))
        }

        fn bytes_of(words: [u64; 2]) -> State {
            (u128::from(words[0]) | u128::from(words[1]) << 64).to_le_bytes()
        }

        fn sum(one: State, other: State) -> State {
            std::array::from_fn(|index| one[index] ^ other[index])
        }

        /// A round of FIPS 197: the state stands in columns of four bytes.
        pub fn round(state: State, key: State) -> State {
            let at = |row: usize, column: usize| SUBSTITUTION[usize::from(state[row + 4 * ((column + row) % 4)])];
            let mixed = std::array::from_fn(|index| {
                let (row, column) = (index % 4, index / 4);
                let [a, b, c, d] = std::array::from_fn(|step| at((row + step) % 4, column));
                product(a, 2) ^ product(b, 3) ^ c ^ d
            });
            sum(mixed, key)
        }

        fn four_rounds(state: State, key: State, first: usize) -> State {
            CONSTANTS[first..first + 4]
                .iter()
                .fold(state, |state, constant| round(state, sum(key, bytes_of(*constant))))
        }

        /// The blocks of a key: whole ones, and what ends it.
        fn blocks(bytes: &[u8]) -> Vec<State> {
            if bytes.len() < 16 {
                return vec![bytes_of(super::super::short_block(bytes))];
            }
            let mut blocks: Vec<State> = bytes.chunks_exact(16).map(|block| block.try_into().unwrap()).collect();
            if !bytes.len().is_multiple_of(16) {
                blocks.push(bytes[bytes.len() - 16..].try_into().unwrap());
            }
            blocks
        }

        pub fn hash(key: [u64; 2], bytes: &[u8]) -> u64 {
            let key = bytes_of(key);
            let state = blocks(bytes).iter().fold(key, |state, block| four_rounds(sum(state, *block), key, 0));
            let state = four_rounds(sum(state, bytes_of([bytes.len() as u64, 0])), key, 4);
            u64::from_le_bytes(*state.first_chunk().unwrap())
        }
    }

    /// The first round of the example in appendix B of FIPS 197.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_twin_has_the_rounds_of_the_standard() {
        let words = |high: u128| high.to_be_bytes();
        let start = words(0x193d_e3be_a0f4_e22b_9ac6_8d2a_e9f8_4808);
        let key = words(0xa0fa_fe17_8854_2cb1_23a3_3939_2a6c_7605);
        assert_eq!(twin::round(start, key), words(0xa49c_7ff2_689f_352b_6b5b_ea43_026a_5049));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_length_hashes_as_by_the_book() {
        let bytes: Vec<u8> = (0..80u8).map(|byte| byte.wrapping_mul(37)).collect();
        for length in 0..bytes.len() {
            let key = [3, length as u64];
            let wanted = if aes::is_there() { twin::hash } else { siphash };
            let hash = HashSeed::of(key, aes::is_there()).hash(&bytes[..length]);
            assert_eq!(hash, wanted(key, &bytes[..length]), "length {length}");
        }
    }

    #[test]
    fn the_seed_changes_the_hash() {
        assert_ne!(HashSeed::random().hash(b"key"), HashSeed::random().hash(b"key"));
        assert_ne!(HashSeed::portable(1, 2).hash(b"key"), HashSeed::portable(2, 1).hash(b"key"));
    }

    #[test]
    fn a_given_seed_gives_the_order_of_siphash() {
        assert_eq!(HashSeed::portable(1, 2).hash(b"a key of some length"), siphash([1, 2], b"a key of some length"));
    }

    #[test]
    fn each_bit_of_hash_and_key_counts() {
        let seed = HashSeed::random();
        for length in [1, 3, 4, 7, 8, 15, 16, 17, 40] {
            let mut changed = 0;
            for (bit, letter) in (0..8 * length).flat_map(|bit| (b'a'..b'i').map(move |letter| (bit, letter))) {
                let key = vec![letter; length];
                let mut other = key.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                let difference = seed.hash(&key) ^ seed.hash(&other);
                assert!((8..=56).contains(&difference.count_ones()), "bit {bit} of {length} bytes: {difference:x}");
                changed |= difference;
            }
            assert_eq!(changed.count_zeros(), 0, "{length} bytes: {changed:x}");
        }
    }

    /// Zeros of any number, and texts whose blocks are alike but for their length.
    #[test]
    fn keys_of_different_lengths_differ() {
        let seed = HashSeed::random();
        let mut seen = std::collections::HashSet::new();
        for length in 0..200 {
            assert!(seen.insert(seed.hash(&vec![0; length])), "{length} zeros");
            assert!(seen.insert(seed.hash(&vec![b'x'; length + 1])), "{} times x", length + 1);
        }
    }

    proptest! {
        #[cfg(target_arch = "x86_64")]
        #[test]
        fn any_bytes_hash_as_by_the_book(key: [u64; 2], bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            if aes::is_there() {
                prop_assert_eq!(HashSeed::of(key, true).hash(&bytes), twin::hash(key, &bytes));
            }
        }

        #[test]
        fn short_texts_of_one_length_make_different_blocks(
            one in proptest::collection::vec(0u8..3, 0..16),
            other in proptest::collection::vec(0u8..3, 0..16),
        ) {
            let other = &other[..other.len().min(one.len())];
            let one = &one[..other.len()];
            prop_assert_eq!(short_block(one) == short_block(other), one == other);
        }
    }
}
