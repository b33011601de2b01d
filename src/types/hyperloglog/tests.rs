//! Both forms against plain registers, and against bytes that Redis made.

use proptest::prelude::*;

use super::*;

fn observations(runs: std::ops::Range<u8>, most: usize) -> impl Strategy<Value = Vec<Observation>> {
    // Few places, so that registers are hit again and neighbours are joined, or all of them.
    let register = prop_oneof![0..40u16, 16_300..REGISTERS as u16, 0..REGISTERS as u16];
    prop::collection::vec((register, runs).prop_map(|(register, run)| Observation { register, run }), 0..most)
}

fn naive(seen: &[Observation]) -> Vec<u8> {
    let mut registers = vec![0; REGISTERS];
    for Observation { register, run } in seen {
        let register = &mut registers[usize::from(*register)];
        *register = (*register).max(*run);
    }
    registers
}

fn registers_of(bytes: &[u8]) -> Result<Registers, Corrupted> {
    let mut registers = Registers::default();
    registers.merge(HyperLogLog::of(bytes).ok_or(Corrupted)?)?;
    Ok(registers)
}

fn with(seen: &[Observation], sparse_max: usize) -> Vec<u8> {
    let mut bytes = empty();
    for next in seen {
        observe(&mut bytes, *next, sparse_max).expect("a valid form");
    }
    bytes
}

fn form(bytes: &[u8]) -> String {
    let word = |run: Run| format!("{}x{}/{}", run.value, run.len, run.size);
    HyperLogLog::of(bytes).expect("a form").runs().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn elements_meet_the_registers_that_redis_gives_them() {
    let mut bytes = empty();
    for element in ["a", "b", "c"] {
        assert_eq!(observe(&mut bytes, Observation::of(element.as_bytes()), 3000), Ok(true));
        assert_eq!(observe(&mut bytes, Observation::of(element.as_bytes()), 3000), Ok(false));
    }
    let expected = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x60\xf3\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a";
    assert_eq!(bytes, expected);
    assert_eq!(HyperLogLog::of(&bytes).expect("a form").count(), Ok(3));
    let long = Observation::of(b"an element of more than eight bytes");
    assert_eq!(long, Observation { register: LONG_ELEMENT.0, run: LONG_ELEMENT.1 });
}

#[test]
fn a_run_is_split_by_a_value_and_joined_with_neighbours_up_to_four() {
    let at = |register| Observation { register, run: 3 };
    assert_eq!(form(&with(&[], 3000)), "0x16384/2");
    assert_eq!(form(&with(&[at(100)], 3000)), "0x100/2 3x1/1 0x16283/2");
    assert_eq!(form(&with(&[at(64)], 3000)), "0x64/1 3x1/1 0x16319/2");
    assert_eq!(form(&with(&[at(0)], 3000)), "3x1/1 0x16383/2");
    assert_eq!(form(&with(&[at(16_383)], 3000)), "0x16383/2 3x1/1");
    let five: Vec<_> = (10..15).map(at).collect();
    assert_eq!(form(&with(&five, 3000)), "0x10/1 3x4/1 3x1/1 0x16369/2");
    let split = [at(10), at(11), at(12), Observation { register: 11, run: 9 }];
    assert_eq!(form(&with(&split, 3000)), "0x10/1 3x1/1 9x1/1 3x1/1 0x16371/2");
}

#[test]
fn a_sparse_form_turns_dense_when_it_would_grow_too_long_or_a_run_of_zeros_is_too_long_for_it() {
    let at = |register| Observation { register, run: 1 };
    assert_eq!(with(&[at(100)], 21).len(), 21);
    assert_eq!(with(&[at(100)], 20).len(), DENSE_BYTES);
    // What does not grow the form is fine at any length.
    assert_eq!(with(&[at(100), Observation { register: 100, run: 32 }], 21).len(), 21);
    assert_eq!(with(&[Observation { register: 100, run: 33 }], 3000).len(), DENSE_BYTES);
    let dense = with(&[at(100), Observation { register: 100, run: 51 }], 3000);
    assert_eq!((dense.len(), &dense[..8], dense[15]), (DENSE_BYTES, &b"HYLL\0\0\0\0"[..], OUTDATED));
}

#[test]
fn the_count_is_kept_until_registers_change() {
    let mut bytes = empty();
    let known = |bytes: &[u8]| HyperLogLog::of(bytes).expect("a form").known_count();
    assert_eq!(known(&bytes), Some(0));
    observe(&mut bytes, Observation::of(b"x"), 3000).expect("a valid form");
    assert_eq!(known(&bytes), None);
    note_count(&mut bytes, 1);
    assert_eq!(known(&bytes), Some(1));
    assert_eq!(observe(&mut bytes, Observation::of(b"x"), 3000), Ok(false));
    assert_eq!(known(&bytes), Some(1));
    forget_count(&mut bytes);
    assert_eq!(known(&bytes), None);
}

#[test]
fn counts_are_those_of_redis() {
    for (elements, expected) in COUNTS {
        let seen: Vec<_> = (0..*elements).map(|number| Observation::of(number.to_string().as_bytes())).collect();
        let bytes = with(&seen, 3000);
        assert_eq!(HyperLogLog::of(&bytes).expect("a form").count(), Ok(*expected), "{elements} elements");
    }
    // Registers that are all empty, all full, or half of each.
    let full = |count: usize| {
        let mut histogram = [0; 64];
        (histogram[0], histogram[51]) = ((REGISTERS - count) as u32, count as u32);
        estimate::count(&histogram)
    };
    assert_eq!(full(0), 0);
    assert_eq!(full(REGISTERS / 2), 13_268);
    assert_eq!(full(1), 1);
    assert_eq!(full(REGISTERS), 1 << 63);
}

#[test]
fn what_does_not_look_like_a_hyperloglog_is_none() {
    let dense = registers_of(&empty()).expect("a form").to_dense(&empty());
    let mut long = dense.clone();
    long.push(0);
    let mut unknown = empty();
    unknown[4] = 2;
    for bytes in [&b""[..], b"HYLL", b"HYLL\x01\0\0\0\0\0\0\0\0\0\0", b"hyll\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff"] {
        assert!(HyperLogLog::of(bytes).is_none(), "{bytes:?}");
    }
    assert!(HyperLogLog::of(&unknown).is_none() && HyperLogLog::of(&long).is_none());
    assert!(HyperLogLog::of(&dense[..DENSE_BYTES - 1]).is_none());
    assert_eq!(HyperLogLog::of(&dense).expect("a form").encoding(), Encoding::Dense);
}

#[test]
fn registers_that_are_too_few_or_too_many_are_corrupted() {
    let header = &empty()[..HEADER_BYTES];
    for body in [&b""[..], b"\x3f", b"\x7f\xfe", b"\x7f\xff\x00", b"\x7f\xff\x7f\xff", b"\x7f", b"\x7f\xfd\x82"] {
        let bytes = [header, body].concat();
        let found = HyperLogLog::of(&bytes).expect("a form");
        assert!(found.count().is_err() && found.to_dense().is_err(), "{body:?}");
        assert!(registers_of(&bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn both_forms_hold_what_plain_registers_hold(seen in observations(1..34, 200), sparse_max in 16..2000usize) {
        let (sparse, dense) = (with(&seen, sparse_max), with(&seen, 0));
        let expected = naive(&seen);
        for bytes in [&sparse, &dense] {
            let registers = registers_of(bytes).expect("a form");
            prop_assert_eq!(registers.values(), &expected);
            prop_assert_eq!(bytes[HEADER_BYTES - 1], if seen.is_empty() { 0 } else { OUTDATED });
        }
        for register in seen.iter().map(|seen| seen.register) {
            prop_assert_eq!(dense::register(&dense_body(&dense), register), expected[usize::from(register)]);
        }
        let mut counted = [0; 64];
        expected.iter().for_each(|value| counted[usize::from(*value)] += 1);
        let found = HyperLogLog::of(&sparse).expect("a form");
        prop_assert_eq!(found.count().expect("a count"), estimate::count(&counted));
        prop_assert_eq!(dense::histogram(&dense_body(&dense)), counted);
        prop_assert_eq!(registers_of(&sparse).expect("a form").count(), estimate::count(&counted));
    }

    #[test]
    fn storing_merged_registers_is_observing_them_in_order(
        old in observations(1..5, 120), new in observations(1..5, 120), sparse_max in 100..600usize,
    ) {
        let old = with(&old, sparse_max);
        let mut merged = registers_of(&old).expect("a form");
        merged.merge(HyperLogLog::of(&with(&new, 0)).expect("a form")).expect("a form");
        let mut stored = old.clone();
        merged.store(&mut stored, false, sparse_max).expect("a valid form");
        let mut observed = old;
        for (register, run) in (0..).zip(merged.values()).filter(|(_, run)| **run > 0) {
            observe(&mut observed, Observation { register, run: *run }, sparse_max).expect("a valid form");
        }
        forget_count(&mut observed);
        prop_assert_eq!(&stored, &observed);
        merged.store(&mut stored, true, sparse_max).expect("a valid form");
        prop_assert_eq!(&stored[HEADER_BYTES..], &merged.to_dense(&stored)[HEADER_BYTES..]);
    }

    #[test]
    fn no_bytes_are_too_strange(
        seen in observations(1..34, 60),
        faults in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in 0..4usize,
        later in observations(1..52, 20),
    ) {
        let mut bytes = with(&seen, 3000);
        bytes.truncate(bytes.len() - cut);
        for (index, byte) in faults {
            *index.get_mut(&mut bytes[ENCODING_AT + 1..]) = byte;
        }
        let valid = registers_of(&bytes).is_ok();
        if let Some(found) = HyperLogLog::of(&bytes) {
            prop_assert_eq!(found.count().is_ok(), valid);
            prop_assert_eq!(found.to_dense().is_ok(), valid);
            prop_assert!(found.runs().count() <= bytes.len());
        }
        for seen in later {
            if observe(&mut bytes, seen, 300).is_err() {
                break;
            }
        }
        if valid {
            prop_assert!(registers_of(&bytes).is_ok());
        }
    }
}

fn dense_body(bytes: &[u8]) -> Vec<u8> {
    bytes.get(HEADER_BYTES..HEADER_BYTES + dense::BYTES).map_or(vec![0; dense::BYTES], <[u8]>::to_vec)
}

/// Register and run of the long element above, as PFDEBUG GETREG shows them.
const LONG_ELEMENT: (u16, u8) = (10_821, 1);
/// Counts of the first so many numbers from 0 on.
const COUNTS: &[(u32, u64)] = &[(0, 0), (10, 10), (100, 100), (1000, 1001), (3000, 3004), (10_000, 9987)];
