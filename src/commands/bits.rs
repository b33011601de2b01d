//! Strings as bitmaps: single bits, counting, searching and combining them. Bit 0 is the highest of the first byte.
//!
//! A bitmap is as long as the last byte ever written needs; everything behind its end reads as zero. Writing far behind
//! the end fills what lies between with zeros, up to `proto-max-bulk-len`.
//!
//! BITOP knows the operations of Redis 8.2 besides those of 7.0; BITRANGEINTARRAY came with 8.12.

use std::ops::Range;

use super::string::{clamp_range, is_backward};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::keyspace::NewString;
use crate::db::{Expiry, Key, StringRef};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::util::bits::{self, Combination};
use crate::util::number::parse_i64;

const READS: Access = Access::RO.and(Access::ACCESS);

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("setbit", Arity::exactly(4), setbit)
        .group(Group::Bitmap)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))])
        .docs("2.2.0", "key offset value", "Sets or clears one bit of a string and returns what it was.")
        .complexity("O(1)"),
    Command::new("getbit", Arity::exactly(3), getbit)
        .group(Group::Bitmap)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::at(1, READS)])
        .docs("2.2.0", "key offset", "Returns one bit of a string."),
    Command::new("bitcount", Arity::at_least(2), bitcount)
        .group(Group::Bitmap)
        .flags(&[READONLY])
        .keys(&[Keys::at(1, READS)])
        .docs("2.6.0", "key [start end [BYTE|BIT]]", "Counts the bits that are set in a string or a part of it.")
        .complexity("O(N)")
        .history(&[("7.0.0", "`BYTE` and `BIT`.")]),
    Command::new("bitpos", Arity::at_least(3), bitpos)
        .group(Group::Bitmap)
        .flags(&[READONLY])
        .keys(&[Keys::at(1, READS)])
        .docs("2.8.7", "key bit [start [end [BYTE|BIT]]]", "Finds the first bit that is set, or that is not.")
        .complexity("O(N)")
        .history(&[("7.0.0", "`BYTE` and `BIT`.")]),
    Command::new("bitrangeintarray", Arity::at_least(4), bitrangeintarray)
        .group(Group::Bitmap)
        .flags(&[READONLY])
        .keys(&[Keys::at(1, READS)])
        .docs(
            "8.12.0",
            "key start end [BYTE|BIT] [LIMIT count] [ZEROS]",
            "Returns the offsets of the bits that are set in a part of a string, or of those that are not.",
        )
        .complexity("O(N+M) for N bytes in the part, and M offsets."),
    Command::new("bitop", Arity::at_least(4), bitop)
        .group(Group::Bitmap)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(2, Access::OW.and(Access::UPDATE)), Keys::range(3, -1, 1, READS)])
        .docs(
            "2.6.0",
            "AND|OR|XOR|NOT|DIFF|DIFF1|ANDOR|ONE destkey key [key ...]",
            "Combines the bits of several strings and keeps the result.",
        )
        .complexity("O(N)"),
];

/// Reads the number of a bit. One that begins with `#` is multiplied by the width, if there is one.
pub fn bit_offset(cx: &Ctx<'_>, text: &[u8], width: Option<u32>) -> Result<usize, Error> {
    const ERROR: Error = Error::fixed("ERR bit offset is not an integer or out of range");
    let (text, factor) = match (text, width) {
        ([b'#', rest @ ..], Some(width)) => (rest, i64::from(width)),
        _ => (text, 1),
    };
    let offset = parse_i64(text).and_then(|offset| offset.checked_mul(factor)).ok_or(ERROR)?;
    let offset = usize::try_from(offset).map_err(|_| ERROR)?;
    if offset / 8 < cx.string_bytes_max() { Ok(offset) } else { Err(ERROR) }
}

/// Sets or clears a bit under a mask of one bit; what it was.
fn replace_bit(byte: Option<&mut u8>, mask: u8, on: bool) -> bool {
    let Some(byte) = byte else { return false };
    let was_on = *byte & mask != 0;
    *byte = if on { *byte | mask } else { *byte & !mask };
    was_on
}

fn setbit(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let offset = bit_offset(cx, args.get(2), None)?;
    let on = match parse_i64(args.get(3)) {
        Some(bit @ 0..=1) => bit == 1,
        _ => return Err(Error::fixed("ERR bit is not an integer or out of range")),
    };
    let key = args.key(1);
    let (index, mask) = (offset / 8, 0x80 >> (offset % 8));
    let (was_on, changed) = match cx.db.string_mut(&key)? {
        Some(mut slot) => {
            let grows = slot.view().string().map_or(0, StringRef::len) <= index;
            let was_on = slot.update(|entry| replace_bit(entry.bytes_grown(index + 1).get_mut(index), mask, on));
            (was_on, grows || was_on != on)
        }
        None => {
            let mut bytes = vec![0; index + 1];
            replace_bit(bytes.last_mut(), mask, on);
            cx.db.set(&key, NewString::Text(bytes, true), Expiry::Clear);
            (false, true)
        }
    };
    if changed {
        cx.changed(&key, Event::string("setbit"));
    }
    cx.reply.integer(i64::from(was_on));
    Ok(())
}

fn getbit(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let offset = bit_offset(cx, args.get(2), None)?;
    let mut digits = itoa::Buffer::new();
    let byte = cx.db.string(&args.key(1))?.and_then(|value| value.bytes(&mut digits).get(offset / 8).copied());
    let on = byte.is_some_and(|byte| byte & (0x80 >> (offset % 8)) != 0);
    cx.reply.integer(i64::from(on));
    Ok(())
}

/// Whether argument `index`, if there is one, says that a range counts bits.
fn counts_bits(args: &Args<'_>, index: usize) -> Result<bool, Error> {
    if args.is(index, "BIT") {
        Ok(true)
    } else if index >= args.len() || args.is(index, "BYTE") {
        Ok(false)
    } else {
        Err(SYNTAX)
    }
}

/// The bits that `start` and `end` mean in a string of `len` bytes.
fn bit_range(start: i64, end: i64, in_bits: bool, len: usize) -> Range<usize> {
    if in_bits {
        return clamp_range(start, end, len * 8);
    }
    let bytes = clamp_range(start, end, len);
    bytes.start * 8..bytes.end * 8
}

fn bitcount(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let range = match args.len() {
        2 => None,
        4 | 5 => Some((args.integer(2)?, args.integer(3)?, counts_bits(&args, 4)?)),
        _ => return Err(SYNTAX),
    };
    let Some(value) = cx.db.string(&args.key(1))? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let mut digits = itoa::Buffer::new();
    let bytes = value.bytes(&mut digits);
    let count = match range {
        None => bits::count_ones(bytes),
        Some((start, end, _)) if is_backward(start, end) => 0,
        Some((start, end, in_bits)) => bits::count_ones_in(bytes, bit_range(start, end, in_bits, bytes.len())),
    };
    cx.reply.integer(count as i64);
    Ok(())
}

/// A string without an end given is continued by zeros, so there is always a first zero in one that is not empty.
fn bitpos(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let bit = match args.integer(2)? {
        bit @ 0..=1 => bit == 1,
        _ => return Err(Error::fixed("ERR The bit argument must be 1 or 0.")),
    };
    if args.len() > 6 {
        return Err(SYNTAX);
    }
    let start = if args.len() > 3 { args.integer(3)? } else { 0 };
    let in_bits = counts_bits(&args, 5)?;
    let end = if args.len() > 4 { args.integer(4)? } else { -1 };
    let Some(value) = cx.db.string(&args.key(1))? else {
        cx.reply.integer(if bit { -1 } else { 0 });
        return Ok(());
    };
    let mut digits = itoa::Buffer::new();
    let bytes = value.bytes(&mut digits);
    let range = bit_range(start, end, in_bits, bytes.len());
    let found = match bits::find_bit(bytes, bit, range.clone()) {
        Some(position) => position as i64,
        None if !range.is_empty() && !bit && args.len() <= 4 => range.end as i64,
        None => -1,
    };
    cx.reply.integer(found);
    Ok(())
}

/// The options of BITRANGEINTARRAY.
#[derive(Clone, Copy, Default)]
struct RangeOptions {
    in_bits: Option<bool>,
    limit: Option<usize>,
    zeros: bool,
}

impl RangeOptions {
    fn parse(args: &Args<'_>) -> Result<RangeOptions, Error> {
        const NO_LIMIT: Error = Error::fixed("ERR LIMIT should be greater than 0");
        let mut options = RangeOptions::default();
        let mut index = 4;
        while index < args.len() {
            let given_before = if args.is(index, "ZEROS") {
                std::mem::replace(&mut options.zeros, true)
            } else if args.is(index, "LIMIT") && index + 1 < args.len() {
                index += 1;
                let limit = args.integer_in(index, 1..=i64::MAX, NO_LIMIT)?;
                options.limit.replace(limit as usize).is_some()
            } else {
                options.in_bits.replace(counts_bits(args, index)?).is_some()
            };
            if given_before {
                return Err(SYNTAX);
            }
            index += 1;
        }
        Ok(options)
    }
}

/// Where the range counts bytes, a limit never ends within one: the answer may have up to seven offsets more, and the
/// caller can go on with the next byte.
fn bitrangeintarray(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (start, end) = (args.integer(2)?, args.integer(3)?);
    let options = RangeOptions::parse(&args)?;
    let in_bits = options.in_bits.unwrap_or(false);
    let value = cx.db.string(&args.key(1))?;
    let mut digits = itoa::Buffer::new();
    let bytes = value.map_or(&[][..], |value| value.bytes(&mut digits));
    let range = if is_backward(start, end) { 0..0 } else { bit_range(start, end, in_bits, bytes.len()) };
    let (head, mut count, mut behind) = (cx.reply.defer(), 0, 0);
    bits::visit_bits(bytes, !options.zeros, range.clone(), |bit| {
        cx.reply.integer(bit as i64);
        (count, behind) = (count + 1, bit + 1);
        options.limit != Some(count)
    });
    if options.limit == Some(count) && !in_bits {
        bits::visit_bits(bytes, !options.zeros, behind..behind.next_multiple_of(8), |bit| {
            cx.reply.integer(bit as i64);
            count += 1;
            true
        });
    }
    cx.reply.finish_array(head, count);
    Ok(())
}

fn combination(name: &[u8]) -> Option<Combination> {
    let all = [
        ("AND", Combination::And),
        ("OR", Combination::Or),
        ("XOR", Combination::Xor),
        ("NOT", Combination::Not),
        ("DIFF", Combination::Diff),
        ("DIFF1", Combination::Diff1),
        ("ANDOR", Combination::AndOr),
        ("ONE", Combination::One),
    ];
    all.into_iter().find(|(word, _)| name.eq_ignore_ascii_case(word.as_bytes())).map(|(_, combination)| combination)
}

fn check_source_count(combination: Combination, count: usize) -> CmdResult {
    match combination {
        Combination::Not if count != 1 => Err(Error::fixed("ERR BITOP NOT must be called with a single source key.")),
        Combination::Diff | Combination::Diff1 | Combination::AndOr if count < 2 => {
            let name = format!("{combination:?}").to_ascii_uppercase();
            Err(Error::text(format!("ERR BITOP {name} must be called with at least two source keys.")))
        }
        _ => Ok(()),
    }
}

fn bitop(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let combination = combination(args.get(1)).ok_or(SYNTAX)?;
    check_source_count(combination, args.len() - 3)?;
    let sources: Vec<Key<'_>> = args.keys(3, 1).collect();
    cx.db.prefetch(&sources);
    let result = bits::combine(combination, &cx.db.strings(&sources)?);
    let (key, len) = (args.key(2), result.len());
    if len > 0 {
        cx.db.set(&key, NewString::Text(result, true), Expiry::Clear);
        cx.changed(&key, Event::string("set"));
    } else if cx.db.delete(&key) {
        cx.changed(&key, Event::generic("del"));
    }
    cx.reply.integer(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::testbed::Testbed;

    #[test]
    fn setbit_is_propagated_when_it_changed_or_lengthened_the_string() {
        let mut bed = Testbed::new();
        assert_eq!(bed.propagated("setbit k 5 0"), ["setbit k 5 0"]);
        assert_eq!(bed.propagated("setbit k 5 0"), [""; 0]);
        assert_eq!(bed.propagated("setbit k 5 1"), ["setbit k 5 1"]);
        assert_eq!(bed.propagated("setbit k 8 0"), ["setbit k 8 0"]);
        assert_eq!(bed.db.dirty, 3);
    }

    #[test]
    fn bitop_without_bits_deletes_and_is_propagated_only_then() {
        let mut bed = Testbed::new();
        assert_eq!(bed.propagated("bitop or k missing"), [""; 0]);
        bed.run("set k v EX 100");
        assert_eq!(bed.propagated("bitop or k k"), ["bitop or k k"]);
        assert_eq!((bed.run("get k"), bed.run("ttl k")), ("$1\r\nv\r\n".into(), ":-1\r\n".into()));
        assert_eq!(bed.propagated("bitop or k missing"), ["bitop or k missing"]);
        assert_eq!(bed.run("exists k"), ":0\r\n");
    }

    #[test]
    fn offsets_of_bits_are_told_up_to_a_limit() {
        let mut bed = Testbed::new();
        // 10000000 00100001 11111111 01100001
        for bit in [0, 10, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25, 26, 31] {
            bed.run(&format!("setbit k {bit} 1"));
        }
        let cases: [(&str, &[u64]); 15] = [
            ("0 -1", &[0, 10, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25, 26, 31]),
            ("0 1 BYTE", &[0, 10, 15]),
            ("-1 -1", &[25, 26, 31]),
            ("10 15 BIT", &[10, 15]),
            ("11 -17 bit", &[15]),
            ("0 -1 LIMIT 2", &[0, 10, 15]),
            ("0 -1 LIMIT 1", &[0]),
            ("2 -1 LIMIT 3", &[16, 17, 18, 19, 20, 21, 22, 23]),
            ("0 -1 BIT LIMIT 2", &[0, 10]),
            ("0 -1 limit 9223372036854775807 BIT", &[0, 10, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25, 26, 31]),
            ("1 2 ZEROS", &[8, 9, 11, 12, 13, 14]),
            ("0 12 ZEROS BIT LIMIT 8", &[1, 2, 3, 4, 5, 6, 7, 8]),
            ("3 1", &[]),
            ("-1 -2", &[]),
            ("4 100", &[]),
        ];
        for (range, offsets) in cases {
            let offsets: Vec<String> = offsets.iter().map(|offset| format!(":{offset}\r\n")).collect();
            let expected = format!("*{}\r\n{}", offsets.len(), offsets.concat());
            assert_eq!(bed.run(&format!("bitrangeintarray k {range}")), expected, "{range}");
        }
        assert_eq!(bed.run("bitrangeintarray missing 0 -1 ZEROS"), "*0\r\n");
        bed.run("set n 12");
        assert_eq!(bed.run("bitrangeintarray n 0 0"), "*3\r\n:2\r\n:3\r\n:7\r\n");
        bed.run("lpush l a");
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        assert_eq!(bed.run("bitrangeintarray l 0 -1"), wrong);
        for options in ["x", "LIMIT", "BIT BYTE", "ZEROS ZEROS", "LIMIT 1 LIMIT 1", "BIT 5"] {
            assert_eq!(bed.run(&format!("bitrangeintarray l 0 -1 {options}")), "-ERR syntax error\r\n", "{options}");
        }
        for limit in ["0", "-1", "x"] {
            let command = format!("bitrangeintarray l 0 -1 LIMIT {limit}");
            assert_eq!(bed.run(&command), "-ERR LIMIT should be greater than 0\r\n", "{limit}");
        }
        assert_eq!(bed.run("bitrangeintarray l 0 x"), "-ERR value is not an integer or out of range\r\n");
    }
}
