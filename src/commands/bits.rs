//! Bits of strings and of bitmaps: single ones, counting, searching and combining them. Bit 0 is the highest of the
//! first byte.
//!
//! A bitmap is as long as the last byte ever written needs; everything behind its end reads as zero. Writing far behind
//! the end fills what lies between with zeros, up to `proto-max-bulk-len`.
//!
//! BITOP knows the operations of Redis 8.2 besides those of 7.0; BITRANGEINTARRAY came with 8.12.

use std::ops::Range;

use super::bitmap_form::{Written, makes_bitmaps, written};
use super::string::{clamp_range, is_backward};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::keyspace::NewString;
use crate::db::keyspace::bits::BitsMut;
use crate::db::{Expiry, Key, StringRef};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::types::Bitmap;
use crate::types::bitmap::{self, BYTES_MAX, Bits, CHUNK_BYTES};
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
    Command::new("bitroarop", Arity::at_least(4), bitroarop)
        .group(Group::Bitmap)
        .flags(&[WRITE, DENYOOM, NOSCRIPT, INTERNAL])
        .keys(&[Keys::at(2, Access::OW.and(Access::UPDATE)), Keys::range(3, -1, 1, READS)])
        .for_systems()
        .docs(
            "8.12.0",
            "AND|OR|XOR|NOT|DIFF|DIFF1|ANDOR|ONE destkey key [key ...]",
            "Combines the bits of several keys and keeps the result as a bitmap.",
        )
        .complexity("O(N)"),
];

/// The number of a bit makes no sense, or there is no such bit.
pub const BIT_OFFSET: Error = Error::fixed("ERR bit offset is not an integer or out of range");

/// Reads the number of a bit. One that begins with `#` is multiplied by the width, if there is one. What happened
/// elsewhere may be at any place of a bitmap, so that whoever writes to a string has to ask [`fits_string`].
pub fn bit_offset(cx: &Ctx<'_>, text: &[u8], width: Option<u32>) -> Result<usize, Error> {
    let (text, factor) = match (text, width) {
        ([b'#', rest @ ..], Some(width)) => (rest, i64::from(width)),
        _ => (text, 1),
    };
    let offset = parse_i64(text).and_then(|offset| offset.checked_mul(factor)).ok_or(BIT_OFFSET)?;
    let offset = usize::try_from(offset).map_err(|_| BIT_OFFSET)?;
    let reaches = (offset as u64 / 8) < BYTES_MAX && (cx.must_obey() || fits_string(cx, offset));
    if reaches { Ok(offset) } else { Err(BIT_OFFSET) }
}

/// Whether a string may be long enough for a bit.
pub fn fits_string(cx: &Ctx<'_>, offset: usize) -> bool {
    offset / 8 < cx.string_bytes_max()
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
    let (wants_bitmap, fits_string) = (makes_bitmaps(cx), fits_string(cx, offset));
    let (was_on, changed) = match cx.db.bits_mut(&key, wants_bitmap)? {
        BitsMut::String(_) | BitsMut::Missing if !fits_string => return Err(BIT_OFFSET),
        BitsMut::String(mut slot) => {
            let grows = slot.view().string().map_or(0, StringRef::len) <= index;
            let was_on = slot.update(|entry| replace_bit(entry.bytes_grown(index + 1).get_mut(index), mask, on));
            (was_on, grows || was_on != on)
        }
        BitsMut::Missing => {
            let mut bytes = vec![0; index + 1];
            replace_bit(bytes.last_mut(), mask, on);
            cx.db.set(&key, NewString::Text(bytes, true), Expiry::Clear);
            (false, true)
        }
        BitsMut::Bitmap(bitmap, before) => {
            let grown = bitmap.grow(index as u64 + 1);
            let was_on = bitmap.set(offset as u64, on);
            let changes = u64::from(grown || was_on != on);
            written(cx, &args, &key, &Written { before, changes, grown });
            (was_on, false)
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
    let on = cx.db.bits(&args.key(1))?.is_some_and(|bits| bits.get(offset));
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
    let Some(bits) = cx.db.bits(&args.key(1))? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let count = match range {
        None => bits.count_ones(),
        Some((start, end, _)) if is_backward(start, end) => 0,
        Some((start, end, in_bits)) => bits.count_ones_in(bit_range(start, end, in_bits, bits.byte_len())),
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
    let Some(bits) = cx.db.bits(&args.key(1))? else {
        cx.reply.integer(if bit { -1 } else { 0 });
        return Ok(());
    };
    let range = bit_range(start, end, in_bits, bits.byte_len());
    let found = match bits.find(bit, range.clone()) {
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
    let bits = cx.db.bits(&args.key(1))?.unwrap_or(Bits::Bytes(Default::default()));
    let range = if is_backward(start, end) { 0..0 } else { bit_range(start, end, in_bits, bits.byte_len()) };
    let (head, mut count, mut behind) = (cx.reply.defer(), 0, 0);
    bits.visit(!options.zeros, range.clone(), |bit| {
        cx.reply.integer(bit as i64);
        (count, behind) = (count + 1, bit + 1);
        options.limit != Some(count)
    });
    if options.limit == Some(count) && !in_bits {
        bits.visit(!options.zeros, behind..behind.next_multiple_of(8), |bit| {
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
    let makes_bitmap = makes_bitmaps(cx);
    combine(cx, args, makes_bitmap, true)
}

fn bitroarop(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    combine(cx, args, true, false)
}

/// Combines the bits of several keys and keeps the result: as a bitmap if it is to be one, or if one is among the
/// sources. If only the configuration wants that it has to be said to those who do the same.
fn combine(cx: &mut Ctx<'_>, args: Args<'_>, makes_bitmap: bool, says_so: bool) -> CmdResult {
    let combination = combination(args.get(1)).ok_or(SYNTAX)?;
    check_source_count(combination, args.len() - 3)?;
    let keys: Vec<Key<'_>> = args.keys(3, 1).collect();
    cx.db.prefetch(&keys);
    let chunks_max = if cx.must_obey() { u64::MAX } else { missing_chunks_max(cx) };
    let sources = cx.db.bits_of_all(&keys)?;
    let texts: Vec<&[u8]> = sources.iter().filter_map(bytes_of).collect();
    let (key, has_bitmap) = (args.key(2), texts.len() < sources.len());
    let len = sources.iter().map(Bits::byte_len).max().unwrap_or(0);
    if len == 0 {
        if cx.db.delete(&key) {
            cx.changed(&key, Event::generic("del"));
        }
    } else if has_bitmap || makes_bitmap {
        let result = match &sources[..] {
            _ if !has_bitmap => Bitmap::from_bytes(&bits::combine(combination, &texts)),
            [Bits::Bitmap(source)] if combination == Combination::Not => {
                check_missing_chunks(source, chunks_max)?;
                bitmap::combine(combination, &sources)
            }
            sources => bitmap::combine(combination, sources),
        };
        cx.db.put_collection(&key, result);
        cx.changed(&key, Event::bitmap("set"));
        if says_so && !has_bitmap {
            let words: Vec<&[u8]> = std::iter::once(&b"bitroarop"[..]).chain(args.rest(1)).collect();
            cx.propagate_instead(&words);
        }
    } else {
        let result = bits::combine(combination, &texts);
        cx.db.set(&key, NewString::Text(result, true), Expiry::Clear);
        cx.changed(&key, Event::string("set"));
    }
    cx.reply.integer(len as i64);
    Ok(())
}

fn bytes_of<'b>(bits: &'b Bits<'_>) -> Option<&'b [u8]> {
    match bits {
        Bits::Bytes(bytes) => Some(bytes),
        Bits::Bitmap(_) => None,
    }
}

/// How many containers BITOP NOT may make where there was none: as many as the longest string has, one more for what
/// BITFIELD writes across its end, and 512 MB of bits in any case.
fn missing_chunks_max(cx: &Ctx<'_>) -> u64 {
    let bytes = (cx.server.config.proto_max_bulk_len as u64).saturating_add(8);
    bytes.div_ceil(CHUNK_BYTES).max(1 << 16)
}

/// A few bytes may stand for a bitmap of any length, and the complement of nothing takes memory.
fn check_missing_chunks(source: &Bitmap, max: u64) -> CmdResult {
    let missing = source.byte_len().div_ceil(CHUNK_BYTES) - source.chunks();
    match missing > max {
        true => Err(Error::text(format!("ERR BITOP NOT would materialize more than {max} missing Roaring chunks"))),
        false => Ok(()),
    }
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
