//! INCREX: counts a number up within bounds, and says in the same breath when it expires.
//!
//! A sum out of bounds, those of its type included, leaves everything as it is, the time to live too, unless it is to
//! saturate. Whatever came of it is propagated as a SET of the result. Floats are those of INCRBYFLOAT.

use super::{EXPIRE_EVENT, Lifetime, delete};
use crate::command::error::{CmdResult, NOT_AN_INTEGER, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::commands::time_unit::TimeUnit;
use crate::db::keyspace::NewString;
use crate::db::{Expiry, Key, StringRef};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::util::long_double::LongDouble;
use crate::util::number::parse_i64;

const KEY: &[Keys] = &[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];

const NOT_A_FLOAT: Error = Error::fixed("ERR value is not a valid float");
const INFINITE: Error = Error::fixed("ERR value cannot be Infinity");
const CROSSED_BOUNDS: Error = Error::fixed("ERR LBOUND can't be greater than UBOUND");
const APPLIED_TOO_MUCH: Error = Error::fixed("ERR applied increment would overflow");

/// The rows.
pub const COMMANDS: &[Command] = &[Command::new("increx", Arity::at_least(2), increx)
    .group(Group::String)
    .flags(&[WRITE, DENYOOM, FAST])
    .keys(KEY)
    .docs(
        "8.8.0",
        "key [BYINT integer-increment|BYFLOAT float-increment] [LBOUND lower-bound] [UBOUND upper-bound] [SATURATE] \
         [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST] [ENX]",
        "Adds to the number at a key within bounds and sets or removes the key's expiry.",
    )];

/// The options given, where arguments belong to them by the index of those.
#[derive(Clone, Copy, Default)]
struct Options {
    by_int: Option<usize>,
    by_float: Option<usize>,
    lower: Option<usize>,
    upper: Option<usize>,
    saturates: bool,
    lifetime: Option<Lifetime>,
    /// ENX: an expiry that is there stays.
    spares_expiry: bool,
}

#[derive(Clone, Copy)]
enum Word {
    ByInt,
    ByFloat,
    Lower,
    Upper,
    Saturate,
    Persist,
    SpareExpiry,
}

const WORDS: &[(&str, Word, usize)] = &[
    ("BYINT", Word::ByInt, 1),
    ("BYFLOAT", Word::ByFloat, 1),
    ("LBOUND", Word::Lower, 1),
    ("UBOUND", Word::Upper, 1),
    ("SATURATE", Word::Saturate, 0),
    ("PERSIST", Word::Persist, 0),
    ("ENX", Word::SpareExpiry, 0),
];

impl Options {
    /// No option may be given twice.
    fn parse(args: &Args<'_>) -> Result<Options, Error> {
        let mut options = Options::default();
        let mut index = 2;
        while index < args.len() {
            if TimeUnit::of_option(args, index).is_some() {
                if options.lifetime.is_some() {
                    return Err(SYNTAX);
                }
                options.lifetime = Some(Lifetime::parse_time(None, args, index)?);
                index += 2;
                continue;
            }
            let (word, next) = args.option(index, WORDS).ok_or(SYNTAX)?;
            let operand = Some(index + 1);
            let given_before = match word {
                Word::ByInt => options.by_float.is_some() || options.by_int.replace(index + 1).is_some(),
                Word::ByFloat => options.by_int.is_some() || options.by_float.replace(index + 1).is_some(),
                Word::Lower => std::mem::replace(&mut options.lower, operand).is_some(),
                Word::Upper => std::mem::replace(&mut options.upper, operand).is_some(),
                Word::Saturate => std::mem::replace(&mut options.saturates, true),
                Word::SpareExpiry => std::mem::replace(&mut options.spares_expiry, true),
                Word::Persist => options.lifetime.replace(Lifetime::Persist).is_some(),
            };
            if given_before {
                return Err(SYNTAX);
            }
            index = next;
        }
        match options.lifetime {
            Some(Lifetime::Persist) if options.spares_expiry => Err(SYNTAX),
            None if options.spares_expiry => Err(Error::fixed("ERR ENX flag requires an expiration")),
            _ => Ok(options),
        }
    }
}

fn increx(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let options = Options::parse(&args)?;
    match options.by_float {
        Some(increment) => add_float(cx, args, options, increment),
        None => add_int(cx, args, options),
    }
}

/// What becomes of the key's expiry.
fn expiry(cx: &Ctx<'_>, args: &Args<'_>, options: Options) -> Result<Expiry, Error> {
    match options.lifetime {
        None => Ok(Expiry::Keep),
        lifetime => Lifetime::expiry(lifetime, cx, args),
    }
}

fn add_int(cx: &mut Ctx<'_>, args: Args<'_>, options: Options) -> CmdResult {
    let read = |index: Option<usize>, name: &str, default: i64| match index {
        None => Ok(default),
        Some(index) => parse_i64(args.get(index))
            .ok_or_else(|| Error::text(format!("ERR {name} is not an integer or out of range"))),
    };
    let increment = read(options.by_int, "Increment", 1)?;
    let lower = read(options.lower, "LBOUND", i64::MIN)?;
    let upper = read(options.upper, "UBOUND", i64::MAX)?;
    if lower > upper {
        return Err(CROSSED_BOUNDS);
    }
    let expiry = expiry(cx, &args, options)?;
    let key = args.key(1);
    let slot = cx.db.string_mut(&key)?;
    let old = match slot.as_ref().and_then(|slot| slot.view().string()) {
        None => 0,
        Some(StringRef::Int(number)) => number,
        Some(text) => parse_i64(text.bytes(&mut itoa::Buffer::new())).ok_or(NOT_AN_INTEGER)?,
    };
    let sum = i128::from(old) + i128::from(increment);
    let (new, applied) = match i64::try_from(sum) {
        Ok(sum) if (lower..=upper).contains(&sum) => (sum, increment),
        _ if !options.saturates => {
            reply_integers(cx, old, 0);
            return Ok(());
        }
        _ => {
            let new = sum.clamp(lower.into(), upper.into()) as i64;
            (new, new.checked_sub(old).ok_or(APPLIED_TOO_MUCH)?)
        }
    };
    let mut digits = itoa::Buffer::new();
    let result = digits.format(new).as_bytes();
    keep(cx, &key, (NewString::Int(new), result), "incrby", expiry, options);
    reply_integers(cx, new, applied);
    Ok(())
}

fn reply_integers(cx: &mut Ctx<'_>, new: i64, applied: i64) {
    cx.reply.array(2);
    cx.reply.integer(new);
    cx.reply.integer(applied);
}

fn add_float(cx: &mut Ctx<'_>, args: Args<'_>, options: Options, increment: usize) -> CmdResult {
    let read = |index: usize, name: &str| {
        LongDouble::parse(args.get(index)).ok_or_else(|| Error::text(format!("ERR {name} is not a valid float")))
    };
    let increment = read(increment, "Increment")?;
    if increment.is_infinite() {
        return Err(Error::fixed("ERR BYFLOAT increment cannot be Infinity"));
    }
    let bound = |index: Option<usize>, name, default| index.map_or(Ok(default), |index| read(index, name));
    let lower = bound(options.lower, "LBOUND", LongDouble::MIN)?;
    let upper = bound(options.upper, "UBOUND", LongDouble::MAX)?;
    if upper.is_below(lower) {
        return Err(CROSSED_BOUNDS);
    }
    let expiry = expiry(cx, &args, options)?;
    let key = args.key(1);
    let slot = cx.db.string_mut(&key)?;
    let old = match slot.as_ref().and_then(|slot| slot.view().string()) {
        None => LongDouble::from(0),
        Some(text) => LongDouble::parse(text.bytes(&mut itoa::Buffer::new())).ok_or(NOT_A_FLOAT)?,
    };
    if old.is_infinite() {
        return Err(INFINITE);
    }
    let sum = old.checked_add(increment);
    let (new, applied) = match sum {
        Some(sum) if !sum.is_below(lower) && !upper.is_below(sum) => (sum, increment),
        _ if !options.saturates => {
            reply_floats(cx, &old.to_text(), b"0");
            return Ok(());
        }
        _ => {
            let overflown = if increment.is_below(LongDouble::from(0)) { LongDouble::MIN } else { LongDouble::MAX };
            let sum = sum.unwrap_or(overflown);
            let new = if sum.is_below(lower) {
                lower
            } else if upper.is_below(sum) {
                upper
            } else {
                sum
            };
            if new.is_infinite() {
                return Err(INFINITE);
            }
            (new, new.checked_add(old.negated()).ok_or(APPLIED_TOO_MUCH)?)
        }
    };
    let result = new.to_text();
    keep(cx, &key, (NewString::Text(result.clone(), false), &result), "incrbyfloat", expiry, options);
    reply_floats(cx, &result, &applied.to_text());
    Ok(())
}

fn reply_floats(cx: &mut Ctx<'_>, new: &[u8], applied: &[u8]) {
    cx.reply.array(2);
    cx.reply.double_text(new);
    cx.reply.double_text(applied);
}

/// Sets the key to its new value, of which the text is given too, and its expiry. A key whose time is over already goes
/// instead.
fn keep(
    cx: &mut Ctx<'_>,
    key: &Key<'_>,
    (value, text): (NewString<'_>, &[u8]),
    event: &'static str,
    expiry: Expiry,
    options: Options,
) {
    let expired_once = cx.db.write(key).is_some_and(|slot| slot.view().expire_at().is_some());
    let expiry = if options.spares_expiry && expired_once { Expiry::Keep } else { expiry };
    if let Expiry::At(at) = expiry
        && at <= cx.now_ms()
    {
        delete(cx, key, cx.server.config.lazyfree_lazy_expire);
        return;
    }
    cx.db.set(key, value, expiry);
    cx.changed(key, Event::string(event));
    let mut words: Vec<&[u8]> = vec![b"SET", key.bytes(), text];
    let mut digits = itoa::Buffer::new();
    match expiry {
        Expiry::Keep => words.push(b"KEEPTTL"),
        Expiry::At(at) => {
            cx.touched(key, EXPIRE_EVENT);
            words.extend([b"PXAT", digits.format(at).as_bytes()]);
        }
        Expiry::Clear if expired_once => cx.touched(key, Event::generic("persist")),
        Expiry::Clear => {}
    }
    cx.propagate_instead(&words);
}

#[cfg(test)]
mod tests {
    use crate::resp::Protocol;
    use crate::server::testbed::Testbed;

    const FAR: i64 = 4_000_000_000_000;

    #[test]
    fn whatever_it_does_is_propagated_as_a_set_of_the_result() {
        let mut bed = Testbed::new();
        let cases = [
            ("increx k BYINT 7", "SET k 7 KEEPTTL"),
            ("increx k", "SET k 8 KEEPTTL"),
            ("increx k BYFLOAT 0.5", "SET k 8.5 KEEPTTL"),
            ("increx k byfloat 100 UBOUND 42.5 saturate", "SET k 42.5 KEEPTTL"),
            ("increx k BYFLOAT 0.5 PXAT 4000000000000", "SET k 43 PXAT 4000000000000"),
            ("increx k EX 10 ENX", "SET k 44 KEEPTTL"),
            ("increx k PERSIST", "SET k 45"),
            ("increx k PERSIST", "SET k 46"),
            ("increx k EXAT 4000000000 ENX", "SET k 47 PXAT 4000000000000"),
            ("increx k BYINT 9 EXAT 1 ENX", "SET k 56 KEEPTTL"),
            ("increx k EXAT 1", "DEL k"),
        ];
        for (command, propagated) in cases {
            assert_eq!(bed.propagated(command), [propagated], "{command}");
        }
        bed.run("set k 1");
        bed.server.config.lazyfree_lazy_expire = true;
        assert_eq!(bed.propagated("increx k PXAT 1"), ["UNLINK k"]);
        assert_eq!(bed.propagated("increx k PXAT 1"), [""; 0]);
    }

    #[test]
    fn a_sum_out_of_bounds_changes_nothing_unless_it_saturates() {
        let mut bed = Testbed::new();
        bed.run("set k 10");
        for command in ["increx k BYINT 10 UBOUND 15 EX 100", "increx k BYINT -10 LBOUND 5 PERSIST"] {
            assert_eq!(bed.propagated(command), [""; 0], "{command}");
            assert_eq!(bed.run(command), "*2\r\n:10\r\n:0\r\n", "{command}");
        }
        assert_eq!(bed.run("ttl k"), ":-1\r\n");
        assert_eq!(bed.run("increx k BYINT 10 UBOUND 15 SATURATE"), "*2\r\n:15\r\n:5\r\n");
        assert_eq!(bed.run("increx k BYINT 5 UBOUND 8 SATURATE"), "*2\r\n:8\r\n:-7\r\n");
        assert_eq!(bed.run("increx k BYINT -3 UBOUND 6"), "*2\r\n:5\r\n:-3\r\n");
        assert_eq!(bed.run("increx missing BYINT 5 LBOUND 10"), "*2\r\n:0\r\n:0\r\n");
        assert_eq!(bed.run("increx missing BYFLOAT -0.5 UBOUND -1.5"), "*2\r\n$1\r\n0\r\n$1\r\n0\r\n");
        assert_eq!(bed.run("exists missing"), ":0\r\n");
    }

    #[test]
    fn sums_that_overflow_are_out_of_bounds() {
        let mut bed = Testbed::new();
        let big = "9223372036854775800";
        bed.run(&format!("set k {big}"));
        assert_eq!(bed.run(&format!("increx k BYINT {big}")), format!("*2\r\n:{big}\r\n:0\r\n"));
        assert_eq!(bed.run(&format!("increx k BYINT {big} SATURATE")), format!("*2\r\n:{}\r\n:7\r\n", i64::MAX));
        let too_much = format!("increx k SATURATE UBOUND {}", i64::MIN);
        assert_eq!(bed.run(&too_much), "-ERR applied increment would overflow\r\n");
        bed.run("set f 1e4932");
        let unchanged = bed.run("increx f BYFLOAT 1e4932");
        assert!(unchanged.starts_with("*2\r\n$4933\r\n") && unchanged.ends_with("$1\r\n0\r\n"));
        assert_eq!(bed.run("increx f BYFLOAT 1e4932 UBOUND 5 SATURATE").lines().nth(2), Some("5"));
    }

    #[test]
    fn floats_are_doubles_in_resp3() {
        let mut bed = Testbed::new();
        bed.run("set k 10.5");
        assert_eq!(bed.run("increx k BYFLOAT 0.1"), "*2\r\n$4\r\n10.6\r\n$3\r\n0.1\r\n");
        bed.protocol = Protocol::Resp3;
        assert_eq!(bed.run("increx k BYFLOAT 5e-1"), "*2\r\n,11.1\r\n,0.5\r\n");
        assert_eq!(bed.run("increx n"), "*2\r\n:1\r\n:1\r\n");
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let mut bed = Testbed::new();
        let syntax = [
            "FOO",
            "BYINT",
            "BYINT 1 BYFLOAT 1",
            "BYFLOAT 1 BYINT 1",
            "BYINT 1 BYINT 2",
            "LBOUND 0 LBOUND 1",
            "SATURATE SATURATE",
            "SAT",
            "EX 10 PX 10",
            "EX 10 EX 10",
            "EX 10 PERSIST",
            "PERSIST PERSIST",
            "PERSIST ENX",
            "ENX ENX EX 10",
            "EX",
            "KEEPTTL",
        ];
        for options in syntax {
            assert_eq!(bed.run(&format!("increx k {options}")), "-ERR syntax error\r\n", "{options}");
        }
        let others = [
            ("ENX", "ENX flag requires an expiration"),
            ("BYINT 1.5", "Increment is not an integer or out of range"),
            ("BYFLOAT x", "Increment is not a valid float"),
            ("BYFLOAT nan", "Increment is not a valid float"),
            ("BYFLOAT -inf", "BYFLOAT increment cannot be Infinity"),
            ("LBOUND 1.5", "LBOUND is not an integer or out of range"),
            ("BYFLOAT 1 UBOUND x", "UBOUND is not a valid float"),
            ("LBOUND 10 UBOUND 5", "LBOUND can't be greater than UBOUND"),
            ("BYFLOAT 1 LBOUND -1 UBOUND -1.5", "LBOUND can't be greater than UBOUND"),
            ("EX 0", "invalid expire time in 'increx' command"),
            ("PX 9223372036854775807", "invalid expire time in 'increx' command"),
            ("EX x", "value is not an integer or out of range"),
        ];
        for (options, error) in others {
            assert_eq!(bed.run(&format!("increx k {options}")), format!("-ERR {error}\r\n"), "{options}");
        }
        assert_eq!(bed.run("exists k"), ":0\r\n");
        bed.run("set k inf");
        assert_eq!(bed.run("increx k BYFLOAT 1"), "-ERR value cannot be Infinity\r\n");
        assert_eq!(bed.run("increx k"), "-ERR value is not an integer or out of range\r\n");
        bed.run("set k text");
        assert_eq!(bed.run("increx k BYFLOAT 1"), "-ERR value is not a valid float\r\n");
        assert_eq!(bed.run(&format!("set k 1 PXAT {FAR}")), "+OK\r\n");
    }
}
