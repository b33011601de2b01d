//! PFSELFTEST: whether registers keep what they are given, both forms agree, and counts are about right.

use super::{DENSE_BYTES, HyperLogLog, Observation, REGISTERS, dense, empty, observe, raise};
use crate::util::random::Random;

/// Rounds of filling all registers.
const ROUNDS: usize = 20;
/// Distinct elements that are counted.
const ELEMENTS: u64 = 1_000_000;
/// Errors up to so many times the standard error are taken for chance.
const TOLERANCE: f64 = 6.0;

/// Tests with random registers and elements.
///
/// # Errors
/// What was found to be wrong.
pub fn self_test(random: &mut Random, sparse_max: usize) -> Result<(), String> {
    for _ in 0..ROUNDS {
        check_registers(random)?;
    }
    check_counts(random, sparse_max)
}

fn check_registers(random: &mut Random) -> Result<(), String> {
    let mut body = vec![0; dense::BYTES];
    let expected: Vec<u8> = (0..REGISTERS).map(|_| random.below(64) as u8).collect();
    for (register, run) in (0..).zip(&expected) {
        dense::raise(&mut body, Observation { register, run: *run });
    }
    for (register, expected) in (0..).zip(expected) {
        let found = dense::register(&body, register);
        if found != expected {
            return Err(format!("Register {register} should be {expected} but is {found}"));
        }
    }
    Ok(())
}

fn check_counts(random: &mut Random, sparse_max: usize) -> Result<(), String> {
    const BROKEN: &str = "a HyperLogLog broke";
    let count_of = |bytes: &[u8]| HyperLogLog::of(bytes).and_then(|found| found.count().ok()).ok_or(BROKEN);
    let standard_error = 1.04 / (REGISTERS as f64).sqrt();
    let seed = random.next_u64();
    let mut either = empty();
    let mut dense = HyperLogLog::of(&either).and_then(|found| found.to_dense().ok()).ok_or(BROKEN)?;
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let seen = Observation::of(&(number ^ seed).to_le_bytes());
        raise(&mut dense, seen);
        observe(&mut either, seen, sparse_max).map_err(|_| BROKEN)?;
        if number != checkpoint {
            continue;
        }
        if number < sparse_max as u64 / 2 && either.len() == DENSE_BYTES {
            return Err("sparse encoding not used".into());
        }
        let count = count_of(&dense)?;
        if count != count_of(&either)? {
            return Err("dense/sparse disagree".into());
        }
        let (error, tolerated) = (count.abs_diff(number), (standard_error * TOLERANCE * number as f64).ceil());
        if error as f64 > tolerated {
            return Err(format!("Too big error. card:{number} abserr:{error}"));
        }
        checkpoint *= 10;
    }
    Ok(())
}
