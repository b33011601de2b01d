//! The checksum of RDB files: CRC-64 with the polynomial of Jones, reflected, beginning at 0 and not inverted.
//!
//! A checksum is taken sixteen bytes at a time. What each of them adds to the result depends on its value and its place
//! alone, so there is a table for each place, made by the compiler; the sixteen lookups of a step do not wait for each
//! other. Each step waits for the last, though; so of long texts two parts are summed side by side. The first then lacks
//! the second behind it, which zeros may stand for, since sums of sums are sums: what zeros do to each bit of a checksum
//! is a table, too. All that needs neither unsafe code nor a certain processor.

/// The polynomial, its lowest coefficient in the highest bit.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
/// Bytes taken in one step.
const STEP: usize = 16;

/// Bytes of each of two parts that are summed side by side.
const PART: usize = 4096;

static TABLES: [[u64; 256]; STEP] = tables();
/// What becomes of each bit of a checksum when [`PART`] zeros follow.
static ZEROS: [u64; 64] = zeros();

const fn zeros() -> [u64; 64] {
    let mut sums = [0; 64];
    let mut bit = 0;
    while bit < 64 {
        let (mut sum, mut zero) = (1 << bit, 0);
        while zero < PART {
            sum = (sum >> 8) ^ TABLES[0][(sum & 0xff) as usize];
            zero += 1;
        }
        sums[bit] = sum;
        bit += 1;
    }
    sums
}

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
    let (rows, rest) = bytes.as_chunks::<{ 2 * PART }>();
    for row in rows {
        let (front, back) = row.split_at(PART);
        let (mut front_sum, mut back_sum) = (sum, 0);
        for (front, back) in front.as_chunks::<STEP>().0.iter().zip(back.as_chunks::<STEP>().0) {
            front_sum = after_step(front_sum, front);
            back_sum = after_step(back_sum, back);
        }
        sum = after_zeros(front_sum) ^ back_sum;
    }
    let (steps, rest) = rest.as_chunks::<STEP>();
    for step in steps {
        sum = after_step(sum, step);
    }
    for byte in rest {
        sum = (sum >> 8) ^ TABLES[0][((sum as u8) ^ byte) as usize];
    }
    sum
}

#[inline(always)]
fn after_step(sum: u64, step: &[u8; STEP]) -> u64 {
    let (head, tail) = (step[..8].try_into(), step[8..].try_into());
    let low = sum ^ u64::from_le_bytes(head.unwrap_or_default());
    let high = u64::from_le_bytes(tail.unwrap_or_default());
    eight(low, 8) ^ eight(high, 0)
}

/// What becomes of a checksum when [`PART`] zeros follow: each of its bits adds something of its own.
fn after_zeros(sum: u64) -> u64 {
    let parts = ZEROS.iter().enumerate().map(|(bit, part)| part & (sum >> bit & 1).wrapping_neg());
    parts.fold(0, |sum, part| sum ^ part)
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

    #[test]
    fn long_texts_are_summed_in_parts_side_by_side() {
        let text: Vec<u8> = (0..4 * PART as u32 + 37).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 19) as u8).collect();
        for length in [2 * PART - 1, 2 * PART, 2 * PART + STEP + 1, text.len()] {
            assert_eq!(crc64(0x1234_5678, &text[..length]), naive(0x1234_5678, &text[..length]), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn steps_and_pieces_give_what_division_gives(bytes: Vec<u8>, cut: prop::sample::Index, sum: u64) {
            let (one, other) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(crc64(crc64(sum, one), other), naive(sum, &bytes));
        }
    }
}
