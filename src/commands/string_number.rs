//! Strings that are numbers.
//!
//! Integers are kept as such, so counting one up changes eight bytes in place. Sums of floats are those of an x87
//! `long double` (see [`crate::util::long_double`]) and are propagated as their result.

use crate::command::error::{CmdResult, NOT_AN_INTEGER};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::keyspace::NewString;
use crate::db::{Expiry, StringRef};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::util::long_double;
use crate::util::number::parse_i64;

const KEY: &[Keys] = &[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("incr", Arity::exactly(2), |cx, args| add(cx, args, 1))
        .group(Group::String)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(KEY)
        .docs("1.0.0", "key", "Adds one to the integer at a key; a missing key counts as zero."),
    Command::new("decr", Arity::exactly(2), |cx, args| add(cx, args, -1))
        .group(Group::String)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(KEY)
        .docs("1.0.0", "key", "Takes one from the integer at a key; a missing key counts as zero."),
    Command::new("incrby", Arity::exactly(3), incrby)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(KEY)
        .docs("1.0.0", "key increment", "Adds a number to the integer at a key; a missing key counts as zero."),
    Command::new("decrby", Arity::exactly(3), decrby)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(KEY)
        .docs("1.0.0", "key decrement", "Takes a number from the integer at a key; a missing key counts as zero."),
    Command::new("incrbyfloat", Arity::exactly(3), incrbyfloat)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(KEY)
        .docs("2.6.0", "key increment", "Adds a float to the number at a key; a missing key counts as zero."),
];

fn incrby(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    add(cx, args, args.integer(2)?)
}

fn decrby(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let decrement = args.integer(2)?.checked_neg().ok_or(Error::fixed("ERR decrement would overflow"))?;
    add(cx, args, decrement)
}

#[inline]
fn add(cx: &mut Ctx<'_>, args: Args<'_>, increment: i64) -> CmdResult {
    const OVERFLOW: Error = Error::fixed("ERR increment or decrement would overflow");
    let key = args.key(1);
    let sum = cx.db.set_next_int::<Error>(&key, |old| {
        let old = match old {
            None => 0,
            Some(StringRef::Int(number)) => number,
            Some(text) => parse_i64(text.bytes(&mut itoa::Buffer::new())).ok_or(NOT_AN_INTEGER)?,
        };
        old.checked_add(increment).ok_or(OVERFLOW)
    })?;
    cx.changed(&key, Event::string("incrby"));
    cx.reply.integer(sum);
    Ok(())
}

/// The sum is kept as text even where it is an integer, as in Redis: OBJECT ENCODING tells.
fn incrbyfloat(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let mut digits = itoa::Buffer::new();
    let slot = cx.db.string_mut(&key)?;
    let old = slot.as_ref().and_then(|slot| slot.view().string());
    let old = old.map_or(&b"0"[..], |value| value.bytes(&mut digits));
    let sum = long_double::add_decimal(old, args.get(2)).map_err(|error| Error::text(format!("ERR {error}")))?;
    cx.reply.bulk(&sum);
    match slot {
        Some(mut slot) => slot.update(|entry| entry.set_text(sum.clone(), false)),
        None => cx.db.set(&key, NewString::Text(sum.clone(), false), Expiry::Clear),
    }
    cx.changed(&key, Event::string("incrbyfloat"));
    cx.propagate_instead(&[b"SET", key.bytes(), &sum, b"KEEPTTL"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::testbed::Testbed;

    #[test]
    fn a_float_is_propagated_as_the_sum_and_keeps_its_expiry() {
        let mut bed = Testbed::new();
        assert_eq!(bed.propagated("incrbyfloat k 10.50"), ["SET k 10.5 KEEPTTL"]);
        bed.run("expire k 100");
        assert_eq!(bed.propagated("incrbyfloat k 0.1"), ["SET k 10.6 KEEPTTL"]);
        assert_eq!(bed.run("ttl k"), ":100\r\n");
        assert_eq!(bed.propagated("incrbyfloat k inf"), [""; 0]);
    }

    #[test]
    fn integers_are_propagated_as_sent_and_keep_their_expiry() {
        let mut bed = Testbed::new();
        assert_eq!(bed.propagated("incrby k 5"), ["incrby k 5"]);
        bed.run("expire k 100");
        assert_eq!(bed.propagated("decr k"), ["decr k"]);
        assert_eq!((bed.run("get k"), bed.run("ttl k")), ("$1\r\n4\r\n".into(), ":100\r\n".into()));
    }
}
