//! BITFIELD: integers of 1 to 64 bits anywhere in a string.
//!
//! All operations are read before the first is carried out, and the string is grown at once for the farthest of those
//! that write. Values pass through 128 bits, so that no sum can overflow before it is judged by the width of its field.
//!
//! As in Redis, a key is made, or a string grown, also when all its operations then fail; nobody is told of that.

use super::bitmap_form::{Written, makes_bitmaps, written};
use super::bits::{BIT_OFFSET, bit_offset, fits_string};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::keyspace::NewString;
use crate::db::keyspace::bits::BitsMut;
use crate::db::{Expiry, Key, StringRef};
use crate::resp::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::types::bitmap::{BYTES_MAX, BitFields, Bits};
use crate::util::number::parse_i64;

const READS: Access = Access::RO.and(Access::ACCESS);
const READS_AND_UPDATES: Access = Access::RW.and(Access::ACCESS).and(Access::UPDATE);

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("bitfield", Arity::at_least(2), bitfield)
        .group(Group::Bitmap)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, READS_AND_UPDATES.and(Access::VARIABLE_FLAGS))])
        .find_keys(bitfield_keys)
        .docs(
            "3.2.0",
            "key [<GET encoding offset|<[OVERFLOW WRAP|SAT|FAIL] <SET encoding offset value|INCRBY encoding offset increment>>> ...]",
            "Reads and changes integers of any width in a string.",
        ).complexity("O(1) for each operation."),
    Command::new("bitfield_ro", Arity::at_least(2), bitfield_ro)
        .group(Group::Bitmap)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::at(1, READS)])
        .docs(
            "6.0.0",
            "key [GET encoding offset [GET encoding offset ...]]",
            "Reads integers of any width in a string.",
        ).complexity("O(1) for each operation."),
];

/// What happens to a value that does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    /// It loses its high bits.
    Wrap,
    /// It becomes the nearest one that fits.
    Saturate,
    /// The operation is not carried out.
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

#[derive(Clone, Copy, Debug)]
struct Field {
    signed: bool,
    width: u32,
    offset: usize,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    action: Action,
    field: Field,
    overflow: Overflow,
}

impl Field {
    /// Reads a type such as `i16` or `u8`; the offset is still to come.
    fn parse_type(text: &[u8]) -> Result<Field, Error> {
        const ERROR: Error = Error::fixed(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (signed, width, width_max) = match text {
            [b'i', width @ ..] => (true, width, 64),
            [b'u', width @ ..] => (false, width, 63),
            _ => return Err(ERROR),
        };
        let width = parse_i64(width).filter(|width| (1..=width_max).contains(width)).ok_or(ERROR)?;
        Ok(Field { signed, width: width as u32, offset: 0 })
    }

    /// The last bit.
    fn last(self) -> usize {
        self.offset + self.width as usize - 1
    }

    fn read(self, bits: &(impl BitFields + ?Sized)) -> i128 {
        self.of_bits(bits.field(self.offset, self.width))
    }

    /// The value that the low bits mean.
    fn of_bits(self, bits: u64) -> i128 {
        let unused = 128 - self.width;
        if self.signed {
            (i128::from(bits) << unused) >> unused
        } else {
            (u128::from(bits) << unused >> unused) as i128
        }
    }

    fn bounds(self) -> (i128, i128) {
        match self.signed {
            true => (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1),
            false => (0, (1 << self.width) - 1),
        }
    }
}

impl Operation {
    /// Carries a writing operation out: the answer, and whether the field changed. No answer means failure.
    fn write(self, bits: &mut (impl BitFields + ?Sized)) -> (Option<i128>, bool) {
        let field = self.field;
        let old = field.read(bits);
        let wanted = match self.action {
            Action::Get => return (Some(old), false),
            Action::Increment(increment) => old + i128::from(increment),
            Action::Set(value) if field.signed => i128::from(value),
            // Negative numbers count as very big ones.
            Action::Set(value) => i128::from(value as u64),
        };
        let (min, max) = field.bounds();
        let new = match self.overflow {
            _ if (min..=max).contains(&wanted) => wanted,
            Overflow::Wrap => field.of_bits(wanted as u64),
            // Redis takes the distance to the upper bound in 64 bits. What lies further below counts as above.
            Overflow::Saturate if self.is_set() && field.signed && max - wanted > i128::from(i64::MAX) => max,
            Overflow::Saturate => wanted.clamp(min, max),
            Overflow::Fail => return (None, false),
        };
        bits.set_field(field.offset, field.width, new as u64);
        let answer = if self.is_set() { old } else { new };
        (Some(answer), old != new)
    }

    fn is_set(self) -> bool {
        matches!(self.action, Action::Set(_))
    }
}

fn parse(cx: &Ctx<'_>, args: &Args<'_>) -> Result<Vec<Operation>, Error> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut index = 2;
    while index < args.len() {
        let behind = args.len() - index - 1;
        if args.is(index, "OVERFLOW") && behind >= 1 {
            overflow = parse_overflow(args, index + 1)?;
            index += 2;
            continue;
        }
        let (is_set, is_increment) = (args.is(index, "SET"), args.is(index, "INCRBY"));
        let writes = is_set || is_increment;
        if !(args.is(index, "GET") && behind >= 2 || writes && behind >= 3) {
            return Err(SYNTAX);
        }
        let mut field = Field::parse_type(args.get(index + 1))?;
        field.offset = bit_offset(cx, args.get(index + 2), Some(field.width))?;
        let action = match writes {
            true if is_set => Action::Set(args.integer(index + 3)?),
            true => Action::Increment(args.integer(index + 3)?),
            false => Action::Get,
        };
        operations.push(Operation { action, field, overflow });
        index += if writes { 4 } else { 3 };
    }
    Ok(operations)
}

fn parse_overflow(args: &Args<'_>, index: usize) -> Result<Overflow, Error> {
    let words = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)];
    let found = words.into_iter().find(|(word, _)| args.is(index, word));
    found.map(|(_, overflow)| overflow).ok_or(Error::fixed("ERR Invalid OVERFLOW type specified"))
}

fn bitfield(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let operations = parse(cx, &args)?;
    let writing = operations.iter().filter(|operation| operation.action != Action::Get);
    match writing.map(|operation| operation.field.last()).max() {
        Some(last) => write(cx, &args, &operations, last / 8 + 1),
        None => read(cx, &args.key(1), &operations),
    }
}

fn bitfield_ro(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let operations = parse(cx, &args)?;
    if operations.iter().any(|operation| operation.action != Action::Get) {
        return Err(Error::fixed("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read(cx, &args.key(1), &operations)
}

/// A command that only reads may name what it reads.
fn bitfield_keys(args: Args<'_>) -> Option<Vec<FoundKey>> {
    let mut index = 2;
    let only_reads = loop {
        let behind = args.len().saturating_sub(index + 1);
        index += match () {
            () if index >= args.len() => break true,
            () if args.is(index, "GET") && behind >= 2 => 3,
            () if args.is(index, "OVERFLOW") && behind >= 1 => 2,
            () => break false,
        };
    };
    let access = if only_reads { READS } else { READS_AND_UPDATES };
    (args.len() > 1).then(|| vec![FoundKey { index: 1, access }])
}

fn read(cx: &mut Ctx<'_>, key: &Key<'_>, operations: &[Operation]) -> CmdResult {
    let bits = cx.db.bits(key)?.unwrap_or(Bits::Bytes(Default::default()));
    cx.reply.array(operations.len());
    for Operation { field, .. } in operations {
        cx.reply.integer(field.of_bits(bits.field(field.offset, field.width)) as i64);
    }
    Ok(())
}

/// Carries operations out on bits that have room for all of them; how many changed something. What has grown has
/// changed with each operation that did not fail.
fn run(operations: &[Operation], bits: &mut (impl BitFields + ?Sized), grown: bool, reply: &mut Reply) -> u64 {
    let mut changes = 0;
    for operation in operations {
        let (answer, changed) = operation.write(bits);
        match answer {
            Some(answer) => reply.integer(answer as i64),
            None => reply.null(),
        }
        let counts = grown && answer.is_some() && operation.action != Action::Get;
        changes += u64::from(changed || counts);
    }
    changes
}

fn write(cx: &mut Ctx<'_>, args: &Args<'_>, operations: &[Operation], len_min: usize) -> CmdResult {
    let key = args.key(1);
    let wants_bitmap = makes_bitmaps(cx);
    let fits_string = operations.iter().all(|operation| fits_string(cx, operation.field.offset));
    if len_min as u64 > BYTES_MAX {
        return Err(BIT_OFFSET);
    }
    let reply = &mut *cx.reply;
    let changes = match cx.db.bits_mut(&key, wants_bitmap)? {
        BitsMut::String(_) | BitsMut::Missing if !fits_string => return Err(BIT_OFFSET),
        BitsMut::String(mut slot) => {
            reply.array(operations.len());
            let grown = slot.view().string().map_or(0, StringRef::len) < len_min;
            slot.update(|entry| run(operations, entry.bytes_grown(len_min), grown, reply))
        }
        BitsMut::Missing => {
            reply.array(operations.len());
            let mut bytes = vec![0; len_min];
            let changes = run(operations, &mut bytes[..], true, reply);
            cx.db.set(&key, NewString::Text(bytes, true), Expiry::Clear);
            changes
        }
        BitsMut::Bitmap(bitmap, before) => {
            reply.array(operations.len());
            let grown = bitmap.grow(len_min as u64);
            let changes = run(operations, bitmap, grown, reply);
            written(cx, args, &key, &Written { before, changes, grown });
            return Ok(());
        }
    };
    if changes > 0 {
        cx.changed(&key, Event::string("setbit"));
        cx.db.dirty += changes - 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Protocol;
    use crate::server::testbed::Testbed;
    use proptest::prelude::*;

    #[test]
    fn each_operation_that_changes_something_counts() {
        let mut bed = Testbed::new();
        assert_eq!(bed.propagated("bitfield k get u8 0"), [""; 0]);
        bed.run("bitfield k set u8 0 1 set u8 8 0 get u8 0");
        assert_eq!(bed.db.dirty, 2);
        assert_eq!(bed.propagated("bitfield k set u8 0 1"), [""; 0]);
        bed.run("bitfield k set u8 0 2 set u8 0 2 incrby u8 0 1");
        assert_eq!(bed.db.dirty, 4);
    }

    #[test]
    fn what_failed_is_null_and_not_propagated() {
        let mut bed = Testbed::new();
        assert_eq!(bed.propagated("bitfield k overflow fail set u1 0 2"), [""; 0]);
        bed.protocol = Protocol::Resp3;
        assert_eq!(bed.run("bitfield k overflow fail set u1 0 2 set i2 0 -3"), "*2\r\n_\r\n_\r\n");
    }

    #[test]
    fn a_very_low_value_saturates_at_the_upper_bound() {
        let mut bed = Testbed::new();
        bed.run("bitfield k overflow sat set i8 0 -129 set i8 8 -9223372036854775680");
        assert_eq!(bed.run("bitfield k get i8 0 get i8 8"), "*2\r\n:-128\r\n:-128\r\n");
        bed.run("bitfield k overflow sat set i8 0 -9223372036854775808 set i8 8 -9223372036854775681");
        assert_eq!(bed.run("bitfield k get i8 0 get i8 8"), "*2\r\n:127\r\n:127\r\n");
    }

    proptest! {
        #[test]
        fn a_value_that_fits_is_read_back(signed: bool, width in 1u32..64, offset in 0..70usize, value: i64) {
            let field = Field { signed, width, offset };
            let (min, max) = field.bounds();
            let mut bytes = [0xa5; 24];
            let set = |overflow| Operation { action: Action::Set(value), field, overflow };
            let old = field.read(&bytes[..]);
            let fits = (min..=max).contains(&i128::from(value));
            let (failed, _) = set(Overflow::Fail).write(&mut bytes[..]);
            prop_assert_eq!(failed, fits.then_some(old));
            prop_assert_eq!(field.read(&bytes[..]), if fits { i128::from(value) } else { old });
            set(Overflow::Wrap).write(&mut bytes[..]);
            let wrapped = (i128::from(value) - min).rem_euclid(1 << width) + min;
            prop_assert_eq!(field.read(&bytes[..]), wrapped);
        }

        #[test]
        fn an_increment_saturates_at_the_nearer_bound(signed: bool, width in 1u32..64, start: u64, by: i64) {
            let field = Field { signed, width, offset: 3 };
            let mut bytes = [0; 9];
            bytes.set_field(3, width, start);
            let (min, max) = field.bounds();
            let sum = field.read(&bytes[..]) + i128::from(by);
            let operation = Operation { action: Action::Increment(by), field, overflow: Overflow::Saturate };
            prop_assert_eq!(operation.write(&mut bytes[..]).0, Some(sum.clamp(min, max)));
            prop_assert_eq!(field.read(&bytes[..]), sum.clamp(min, max));
        }
    }
}
