//! The checksum of RDB files: CRC-64 with the polynomial of Jones, reflected, beginning at 0 and not inverted.
//!
//! A checksum is taken sixteen bytes at a time. What each of them adds to the result depends on its value and its place
//! alone, so there is a table for each place, made by the compiler; the sixteen lookups of a step do not wait for each
//! other. That is as fast as memory is read from the outer caches, and needs neither unsafe code nor a certain processor.

/// The polynomial, its lowest coefficient in the highest bit.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
/// Bytes taken in one step.
const STEP: usize = 16;

static TABLES: [[u64; 256]; STEP] = tables();

const fn tables() -> [[u64; 256]; STEP] {
    let mut tables = [[0; 256]; STEP];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg());
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut place = 1;
    while place < STEP {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[place - 1][byte];
            tables[place][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        place += 1;
    }
    tables
}

/// The checksum of bytes that follow others whose checksum is `sum`; that of nothing is 0.
pub fn crc64(mut sum: u64, bytes: &[u8]) -> u64 {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    for step in steps {
        let (head, tail) = (step[..8].try_into(), step[8..].try_into());
        let low = sum ^ u64::from_le_bytes(head.unwrap_or_default());
        let high = u64::from_le_bytes(tail.unwrap_or_default());
        sum = eight(low, 8) ^ eight(high, 0);
    }
    for byte in rest {
        sum = (sum >> 8) ^ TABLES[0][((sum as u8) ^ byte) as usize];
    }
    sum
}

/// What eight bytes add that are followed by `behind` others in their step.
#[inline(always)]
fn eight(word: u64, behind: usize) -> u64 {
    let byte = |place: usize| (word >> (8 * place)) as u8 as usize;
    TABLES[behind + 7][byte(0)]
        ^ TABLES[behind + 6][byte(1)]
        ^ TABLES[behind + 5][byte(2)]
        ^ TABLES[behind + 4][byte(3)]
        ^ TABLES[behind + 3][byte(4)]
        ^ TABLES[behind + 2][byte(5)]
        ^ TABLES[behind + 1][byte(6)]
        ^ TABLES[behind][byte(7)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    }

    proptest! {
        #[test]
        fn steps_and_pieces_give_what_division_gives(bytes: Vec<u8>, cut: prop::sample::Index, sum: u64) {
            let (one, other) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(crc64(crc64(sum, one), other), naive(sum, &bytes));
        }
    }
}
