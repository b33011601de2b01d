//! The checksum of RDB files and of DUMP: CRC-64 with the polynomial of Jones, reflected, beginning at 0 and not
//! inverted.

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of bytes that follow others whose checksum is `sum`; that of nothing is 0.
pub fn crc64(sum: u64, bytes: &[u8]) -> u64 {
    if sum == 0 {
        // Spares short texts, which DUMP makes, the setting up of a digest.
        return crc_fast::checksum(CrcAlgorithm::Crc64Redis, bytes);
    }
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, sum);
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The polynomial, its lowest coefficient in the highest bit.
    const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

    /// Division of polynomials, a bit at a time.
    fn naive(mut sum: u64, bytes: &[u8]) -> u64 {
        for byte in bytes {
            sum ^= u64::from(*byte);
            for _ in 0..8 {
                sum = (sum >> 1) ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 };
            }
        }
        sum
    }

    #[test]
    fn the_checksum_of_the_nine_digits_is_the_published_one() {
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(0, b""), 0);
        assert_eq!(crc64(7, b""), 7);
    }

    #[test]
    fn long_texts_of_any_length_and_alignment_are_summed_rightly() {
        let text: Vec<u8> = (0..20_000u32).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 19) as u8).collect();
        for length in (0..600).chain([1023, 1024, 4097, 8191, 16_384, 19_000]) {
            for sum in [0, 0x1234_5678_9abc_def0] {
                let bytes = &text[length % 61..][..length];
                assert_eq!(crc64(sum, bytes), naive(sum, bytes), "{length} bytes after {sum}");
            }
        }
    }

    proptest! {
        #[test]
        fn texts_in_pieces_give_what_division_gives(bytes: Vec<u8>, cut: prop::sample::Index, sum: u64) {
            let (one, other) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(crc64(crc64(sum, one), other), naive(sum, &bytes));
        }
    }
}
