//! When keys expire: setting, asking and removing the time.
//!
//! A time is kept in Unix milliseconds. Relative times are propagated as absolute ones, so that a replica or a reloaded
//! append-only file does not start to count anew; a time that has passed already deletes the key, and is propagated as
//! that.

use super::time_unit::{MILLISECONDS, SECONDS, TimeUnit, UNIX_MILLISECONDS, UNIX_SECONDS};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, changes};

const SET: &[Keys] = &[Keys::at(1, Access::RW.and(Access::UPDATE))];
const ASK: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("expire", Arity::at_least(3), |cx, args| set_expiry(cx, args, SECONDS))
        .flags(&[WRITE, FAST])
        .keys(SET)
        .docs("1.0.0", "key seconds [NX|XX|GT|LT]", "Has a key expire after some seconds.")
        .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")]),
    Command::new("pexpire", Arity::at_least(3), |cx, args| set_expiry(cx, args, MILLISECONDS))
        .flags(&[WRITE, FAST])
        .keys(SET)
        .docs("2.6.0", "key milliseconds [NX|XX|GT|LT]", "Has a key expire after some milliseconds.")
        .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")]),
    Command::new("expireat", Arity::at_least(3), |cx, args| set_expiry(cx, args, UNIX_SECONDS))
        .flags(&[WRITE, FAST])
        .keys(SET)
        .docs("1.2.0", "key unix-time-seconds [NX|XX|GT|LT]", "Has a key expire at a point of time in Unix seconds.")
        .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")]),
    Command::new("pexpireat", Arity::at_least(3), |cx, args| set_expiry(cx, args, UNIX_MILLISECONDS))
        .flags(&[WRITE, FAST])
        .keys(SET)
        .docs(
            "2.6.0",
            "key unix-time-milliseconds [NX|XX|GT|LT]",
            "Has a key expire at a point of time in Unix milliseconds.",
        )
        .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")]),
    Command::new("ttl", Arity::exactly(2), ttl)
        .flags(&[READONLY, FAST])
        .keys(ASK)
        .tips(&["nondeterministic_output"])
        .docs("1.0.0", "key", "Returns how long a key has yet to live, in seconds.")
        .history(&[("2.8.0", "A missing key is told by -2.")]),
    Command::new("pttl", Arity::exactly(2), pttl)
        .flags(&[READONLY, FAST])
        .keys(ASK)
        .tips(&["nondeterministic_output"])
        .docs("2.6.0", "key", "Returns how long a key has yet to live, in milliseconds.")
        .history(&[("2.8.0", "A missing key is told by -2.")]),
    Command::new("expiretime", Arity::exactly(2), expiretime).flags(&[READONLY, FAST]).keys(ASK).docs(
        "7.0.0",
        "key",
        "Returns when a key expires, in Unix seconds.",
    ),
    Command::new("pexpiretime", Arity::exactly(2), pexpiretime).flags(&[READONLY, FAST]).keys(ASK).docs(
        "7.0.0",
        "key",
        "Returns when a key expires, in Unix milliseconds.",
    ),
    Command::new("persist", Arity::exactly(2), persist).flags(&[WRITE, FAST]).keys(SET).docs(
        "2.2.0",
        "key",
        "Removes a key's expiry.",
    ),
];

/// When an expiry may be set, given the one that is there.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    /// NX: there is none.
    none: bool,
    /// XX: there is one.
    some: bool,
    /// GT: the new one is later.
    later: bool,
    /// LT: the new one is earlier.
    earlier: bool,
}

impl Condition {
    fn parse(args: &Args<'_>) -> Result<Condition, Error> {
        let mut condition = Condition::default();
        for option in args.rest(3) {
            match option.to_ascii_lowercase().as_slice() {
                b"nx" => condition.none = true,
                b"xx" => condition.some = true,
                b"gt" => condition.later = true,
                b"lt" => condition.earlier = true,
                _ => return Err(Error::text([b"ERR Unsupported option ", option].concat())),
            }
        }
        let Condition { none, some, later, earlier } = condition;
        if none && (some || later || earlier) {
            return Err(Error::fixed("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if later && earlier {
            return Err(Error::fixed("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// A key without an expiry lives forever, which is later than anything.
    fn allows(self, old: Option<i64>, new: i64) -> bool {
        !(self.none && old.is_some()
            || self.some && old.is_none()
            || self.later && old.is_none_or(|old| new <= old)
            || self.earlier && old.is_some_and(|old| new >= old))
    }
}

fn set_expiry(cx: &mut Ctx<'_>, args: Args<'_>, unit: TimeUnit) -> CmdResult {
    let condition = Condition::parse(&args)?;
    let amount = args.integer(2)?;
    let at = unit.unix_ms(cx, amount, |_| true)?;

    let key = args.key(1);
    let now_ms = cx.now_ms();
    let set = match cx.db.write(&key) {
        Some(mut slot) if condition.allows(slot.view().expire_at(), at) => {
            if at > now_ms {
                slot.update(|entry| entry.set_expire(Some(at)));
            }
            true
        }
        _ => false,
    };
    cx.reply.integer(i64::from(set));
    if set && at <= now_ms {
        let lazily = cx.server.config.lazyfree_lazy_expire;
        cx.db.unlink(&key, lazily);
        let deletion = changes::deletion(lazily);
        cx.propagate_instead(&[deletion.as_bytes(), key.bytes()]);
        cx.changed(&key, Event::generic("del"));
    } else if set {
        if unit != UNIX_MILLISECONDS {
            propagate_absolute(cx, &args, at);
        }
        cx.changed(&key, Event::generic("expire"));
    }
    Ok(())
}

fn propagate_absolute(cx: &mut Ctx<'_>, args: &Args<'_>, at: i64) {
    if cx.server.observers.propagates() {
        let at = at.to_string();
        let mut request: Vec<&[u8]> = vec![b"PEXPIREAT", args.get(1), at.as_bytes()];
        request.extend(args.rest(3));
        cx.propagate_instead(&request);
    }
}

fn ttl(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let now_ms = cx.now_ms();
    reply_time(cx, args, |at| ((at - now_ms).max(0) + 500) / 1000)
}

fn pttl(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let now_ms = cx.now_ms();
    reply_time(cx, args, |at| (at - now_ms).max(0))
}

fn expiretime(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_time(cx, args, |at| at.saturating_add(500) / 1000)
}

fn pexpiretime(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_time(cx, args, |at| at)
}

/// Answers -2 for a key that is not there and -1 for one that does not expire.
fn reply_time(cx: &mut Ctx<'_>, args: Args<'_>, shown: impl Fn(i64) -> i64) -> CmdResult {
    let answer = match cx.db.inspect(&args.key(1)) {
        None => -2,
        Some(entry) => entry.expire_at().map_or(-1, shown),
    };
    cx.reply.integer(answer);
    Ok(())
}

fn persist(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let persisted = match cx.db.write(&key) {
        Some(mut slot) if slot.view().expire_at().is_some() => {
            slot.update(|entry| entry.set_expire(None));
            true
        }
        _ => false,
    };
    if persisted {
        cx.changed(&key, Event::generic("persist"));
    }
    cx.reply.integer(i64::from(persisted));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Condition;
    use crate::server::testbed::Testbed;

    #[test]
    fn expiries_are_propagated_as_points_of_time() {
        let mut bed = Testbed::new();
        bed.propagated("set k v");
        assert_eq!(bed.propagated("pexpireat k 4000000000000"), ["pexpireat k 4000000000000"]);
        assert_eq!(bed.propagated("expireat k 4000000001 GT"), ["PEXPIREAT k 4000000001000 GT"]);
        assert_eq!(bed.propagated("expire k 100 GT"), [""; 0]);
        let relative = bed.propagated("expire k 100");
        assert!(relative[0].starts_with("PEXPIREAT k "), "{relative:?}");
        assert_eq!(bed.propagated("persist k"), ["persist k"]);
        assert_eq!(bed.propagated("persist k"), [""; 0]);
        assert_eq!(bed.propagated("expire k 0"), ["DEL k"]);
        assert_eq!(bed.propagated("expire k 100"), [""; 0]);
        bed.server.config.lazyfree_lazy_expire = true;
        bed.propagated("set k v");
        assert_eq!(bed.propagated("pexpire k -1"), ["UNLINK k"]);
    }

    #[test]
    fn a_key_without_expiry_counts_as_living_forever() {
        let none = Condition { none: true, ..Condition::default() };
        let some = Condition { some: true, ..Condition::default() };
        let later = Condition { later: true, ..Condition::default() };
        let earlier = Condition { earlier: true, ..Condition::default() };
        let allowed = |old, new| [none, some, later, earlier].map(|condition| condition.allows(old, new));
        assert_eq!(allowed(None, 100), [true, false, false, true]);
        assert_eq!(allowed(Some(99), 100), [false, true, true, false]);
        assert_eq!(allowed(Some(100), 100), [false, true, false, false]);
        assert_eq!(allowed(Some(101), 100), [false, true, false, true]);
    }
}
