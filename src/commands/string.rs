//! Strings: setting, getting, and changing a part of one.
//!
//! SET and its older kin set a key whatever it held and however it expired; only KEEPTTL spares the expiry. A time to
//! live is propagated as the point of time it means, so that a copy of the data expires when the original does.
//!
//! Numbers, bits and the longest common subsequence have files of their own. Conditions on what a key held before are in
//! [`condition`], commands for many keys in [`many`], counting within bounds in
//! [`increx`].

pub mod condition;
pub mod increx;
pub mod many;

use std::ops::Range;

use condition::Condition;

use super::time_unit::{MILLISECONDS, SECONDS, TimeUnit, UNIX_MILLISECONDS};
use crate::command::error::{CmdResult, STRING_TOO_LONG, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::keyspace::NewString;
use crate::db::{Expiry, Key, StringRef};
use crate::resp::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};

const SET_EVENT: Event = Event::string("set");
const EXPIRE_EVENT: Event = Event::generic("expire");

const OVERWRITES: Access = Access::OW.and(Access::UPDATE);
const INSERTS: Access = Access::OW.and(Access::INSERT);
const READS: Access = Access::RO.and(Access::ACCESS);
const READS_AND_UPDATES: Access = Access::RW.and(Access::ACCESS).and(Access::UPDATE);

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("get", Arity::exactly(2), get)
        .group(Group::String)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::at(1, READS)])
        .docs("1.0.0", "key", "Returns the string value of a key."),
    Command::new("set", Arity::at_least(3), set)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, READS_AND_UPDATES.and(Access::VARIABLE_FLAGS))])
        .find_keys(set_keys)
        .docs(
            "1.0.0",
            "key value [NX | XX | IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest] [GET] \
             [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",
            "Sets a key to a string, whatever it held.",
        )
        .complexity("O(1)")
        .history(&[
            ("2.6.12", "`EX`, `PX`, `NX` and `XX`."),
            ("6.0.0", "`KEEPTTL`."),
            ("6.2.0", "`GET`, `EXAT` and `PXAT`."),
            ("7.0.0", "`NX` and `GET` together."),
            ("8.4.0", "`IFEQ`, `IFNE`, `IFDEQ` and `IFDNE`."),
        ]),
    Command::new("setnx", Arity::exactly(3), setnx)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[Keys::at(1, INSERTS)])
        .deprecated("2.6.12", "`SET` with `NX`")
        .docs("1.0.0", "key value", "Sets a key to a string unless the key exists."),
    Command::new("setex", Arity::exactly(4), |cx, args| set_expiring(cx, args, SECONDS))
        .group(Group::String)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, OVERWRITES)])
        .deprecated("2.6.12", "`SET` with `EX`")
        .docs("2.0.0", "key seconds value", "Sets a key to a string that expires after some seconds.")
        .complexity("O(1)"),
    Command::new("psetex", Arity::exactly(4), |cx, args| set_expiring(cx, args, MILLISECONDS))
        .group(Group::String)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, OVERWRITES)])
        .deprecated("2.6.12", "`SET` with `PX`")
        .docs("2.6.0", "key milliseconds value", "Sets a key to a string that expires after some milliseconds.")
        .complexity("O(1)"),
    Command::new("getset", Arity::exactly(3), getset)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[Keys::at(1, READS_AND_UPDATES)])
        .deprecated("6.2.0", "`SET` with `GET`")
        .docs("1.0.0", "key value", "Sets a key to a string and returns the string it held before."),
    Command::new("getex", Arity::at_least(2), getex)
        .group(Group::String)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, READS_AND_UPDATES)])
        .docs(
            "6.2.0",
            "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]",
            "Returns the string value of a key and sets or removes its expiry.",
        ),
    Command::new("getdel", Arity::exactly(2), getdel)
        .group(Group::String)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))])
        .docs("6.2.0", "key", "Returns the string value of a key and deletes the key."),
    Command::new("append", Arity::exactly(3), append)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::INSERT))])
        .docs("2.0.0", "key value", "Adds bytes at the end of a string, and makes the key if it is missing.")
        .complexity("O(1) on average, since strings grow by more than is needed."),
    Command::new("strlen", Arity::exactly(2), strlen)
        .group(Group::String)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::at(1, Access::RO)])
        .docs("2.2.0", "key", "Returns the length of a string in bytes."),
    Command::new("setrange", Arity::exactly(4), setrange)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, Access::RW.and(Access::UPDATE))])
        .docs("2.2.0", "key offset value", "Overwrites the part of a string that begins at an offset.")
        .complexity("O(1) for short values, otherwise O(M) for M bytes of the value."),
    Command::new("getrange", Arity::exactly(4), getrange)
        .group(Group::String)
        .flags(&[READONLY])
        .keys(&[Keys::at(1, READS)])
        .docs("2.4.0", "key start end", "Returns a part of a string.")
        .complexity("O(N) for N bytes returned, which for short strings is as good as O(1)."),
    Command::new("substr", Arity::exactly(4), getrange)
        .group(Group::String)
        .flags(&[READONLY])
        .keys(&[Keys::at(1, READS)])
        .deprecated("2.0.0", "`GETRANGE`")
        .docs("1.0.0", "key start end", "Returns a part of a string, like GETRANGE.")
        .complexity("O(N) for N bytes returned, which for short strings is as good as O(1)."),
];

/// Writes a string value as a bulk string, a big one without copying it.
#[inline(always)]
pub fn reply_string(reply: &mut Reply, value: StringRef<'_>) {
    match value {
        StringRef::Int(number) => reply.bulk_int(number),
        StringRef::Bytes(bytes) => reply.bulk_at_once(bytes),
        StringRef::Shared(shared) => reply.bulk_shared(&shared.to_arc()),
    }
}

/// Answers with a key's string or null; whether it was there.
#[inline(always)]
fn reply_value(cx: &mut Ctx<'_>, key: &Key<'_>) -> Result<bool, Error> {
    let value = cx.db.string(key)?;
    match value {
        Some(value) => reply_string(cx.reply, value),
        None => cx.reply.null(),
    }
    Ok(value.is_some())
}

fn get(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_value(cx, &args.key(1)).map(drop)
}

/// The value argument `index`: an argument that came in its own allocation is kept.
#[inline]
fn new_string<'a>(args: &Args<'a>, index: usize) -> NewString<'a> {
    match args.shared(index) {
        Some(shared) => NewString::Shared(shared),
        None => NewString::Bytes(args.get(index)),
    }
}

fn set(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 3 {
        return set_with_options(cx, args);
    }
    let key = args.key(1);
    cx.db.set_at_once(&key, new_string(&args, 2), Expiry::Clear);
    cx.changed(&key, SET_EVENT);
    cx.reply.ok();
    Ok(())
}

/// The Unix time in milliseconds that argument `index` means.
fn read_time(cx: &Ctx<'_>, args: &Args<'_>, index: usize, unit: TimeUnit) -> Result<i64, Error> {
    let amount = args.integer(index)?;
    unit.unix_ms(cx, amount, |at| amount > 0 && at > 0)
}

/// What SET or GETEX is to do about the expiry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    /// KEEPTTL of SET.
    Keep,
    /// PERSIST of GETEX.
    Persist,
    /// A time option, and the argument that has the time.
    Until(TimeUnit, usize),
}

impl Lifetime {
    /// Reads a time option at `index`. An option may be repeated, then the last one counts, but not be joined by one
    /// of another kind.
    fn parse_time(old: Option<Lifetime>, args: &Args<'_>, index: usize) -> Result<Lifetime, Error> {
        let unit = TimeUnit::of_option(args, index).ok_or(SYNTAX)?;
        let contradicts = match old {
            None => false,
            Some(Lifetime::Until(other, _)) => other != unit,
            Some(Lifetime::Keep | Lifetime::Persist) => true,
        };
        if contradicts || index + 1 >= args.len() {
            return Err(SYNTAX);
        }
        Ok(Lifetime::Until(unit, index + 1))
    }

    /// What becomes of the expiry of a key that is set.
    fn expiry(lifetime: Option<Lifetime>, cx: &Ctx<'_>, args: &Args<'_>) -> Result<Expiry, Error> {
        match lifetime {
            Some(Lifetime::Until(unit, index)) => Ok(Expiry::At(read_time(cx, args, index, unit)?)),
            Some(Lifetime::Keep) => Ok(Expiry::Keep),
            Some(Lifetime::Persist) | None => Ok(Expiry::Clear),
        }
    }

    /// The word for the same thing again, or for the first time.
    fn parse_word(self, old: Option<Lifetime>) -> Result<Lifetime, Error> {
        if old.is_none_or(|old| old == self) { Ok(self) } else { Err(SYNTAX) }
    }
}

/// What SET asks of the key before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demand<'a> {
    /// XX: true, NX: false.
    Exists(bool),
    /// A condition on its value, and the argument that has its word.
    Value(Condition<'a>, usize),
}

impl Demand<'_> {
    fn is_met(self, cx: &mut Ctx<'_>, key: &Key<'_>) -> Result<bool, Error> {
        match self {
            Demand::Exists(must_exist) => Ok(cx.db.exists(key) == must_exist),
            Demand::Value(condition, _) => {
                let slot = cx.db.string_mut(key)?;
                condition.holds(slot.as_ref().and_then(|slot| slot.view().string()))
            }
        }
    }
}

#[derive(Default)]
struct SetOptions<'a> {
    demand: Option<Demand<'a>>,
    returns_old: bool,
    lifetime: Option<Lifetime>,
}

impl<'a> SetOptions<'a> {
    fn parse(args: &Args<'a>) -> Result<SetOptions<'a>, Error> {
        let mut options = SetOptions::default();
        let mut index = 3;
        while index < args.len() {
            if let Some(must_exist) = existence(args, index) {
                if options.demand.is_some_and(|demand| demand != Demand::Exists(must_exist)) {
                    return Err(SYNTAX);
                }
                options.demand = Some(Demand::Exists(must_exist));
            } else if args.is(index, "GET") {
                options.returns_old = true;
            } else if args.is(index, "KEEPTTL") {
                options.lifetime = Some(Lifetime::Keep.parse_word(options.lifetime)?);
            } else if let Some(condition) = Condition::parse(args, index) {
                if options.demand.is_some() {
                    return Err(SYNTAX);
                }
                options.demand = Some(Demand::Value(condition, index));
                index += 1;
            } else {
                options.lifetime = Some(Lifetime::parse_time(options.lifetime, args, index)?);
                index += 1;
            }
            index += 1;
        }
        Ok(options)
    }

    /// Whether an argument is of no use to those the command is propagated to: it was met, or is about the reply.
    fn is_settled(&self, args: &Args<'_>, index: usize) -> bool {
        match self.demand {
            Some(Demand::Value(_, word)) if index == word || index == word + 1 => true,
            _ => index > 2 && args.is(index, "GET"),
        }
    }
}

/// What the word at `index` says about whether a key must exist: XX and NX.
fn existence(args: &Args<'_>, index: usize) -> Option<bool> {
    if args.is(index, "NX") { Some(false) } else { args.is(index, "XX").then_some(true) }
}

fn set_with_options(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let options = SetOptions::parse(&args)?;
    let expiry = Lifetime::expiry(options.lifetime, cx, &args)?;
    let key = args.key(1);
    if options.returns_old {
        reply_value(cx, &key)?;
    }
    if let Some(demand) = options.demand
        && !demand.is_met(cx, &key)?
    {
        if !options.returns_old {
            cx.reply.null();
        }
        return Ok(());
    }
    let by_value = matches!(options.demand, Some(Demand::Value(..)));
    put(cx, &args, 2, expiry);
    // A time in Unix milliseconds means the same everywhere as it stands.
    if let Expiry::At(at) = expiry
        && (by_value || !matches!(options.lifetime, Some(Lifetime::Until(UNIX_MILLISECONDS, _))))
    {
        propagate_with_time(cx, &args, 2, at);
    }
    if !options.returns_old {
        cx.reply.ok();
    }
    let settled = options.returns_old || by_value;
    if settled && cx.server.observers.propagates() && !matches!(expiry, Expiry::At(_)) {
        let words = (0..args.len()).filter(|index| !options.is_settled(&args, *index));
        let words: Vec<&[u8]> = words.map(|index| args.get(index)).collect();
        cx.propagate_instead(&words);
    }
    Ok(())
}

/// Sets the first argument, a key, to the string argument `value`.
fn put(cx: &mut Ctx<'_>, args: &Args<'_>, value: usize, expiry: Expiry) {
    let key = args.key(1);
    cx.db.set(&key, new_string(args, value), expiry);
    cx.changed(&key, SET_EVENT);
    if let Expiry::At(_) = expiry {
        cx.touched(&key, EXPIRE_EVENT);
    }
}

/// Has what [`put`] did propagated with the moment at which it expires.
fn propagate_with_time(cx: &mut Ctx<'_>, args: &Args<'_>, value: usize, at: i64) {
    let mut digits = itoa::Buffer::new();
    cx.propagate_instead(&[b"SET", args.get(1), args.get(value), b"PXAT", digits.format(at).as_bytes()]);
}

/// SET reads the key only with GET or a condition on its value.
fn set_keys(args: Args<'_>) -> Option<Vec<FoundKey>> {
    let reads = (3..args.len()).any(|index| args.is(index, "GET") || Condition::parse(&args, index).is_some());
    let access = if reads { READS_AND_UPDATES } else { OVERWRITES };
    (args.len() > 2).then(|| vec![FoundKey { index: 1, access }])
}

fn setnx(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let exists = cx.db.exists(&args.key(1));
    if !exists {
        put(cx, &args, 2, Expiry::Clear);
    }
    cx.reply.integer(i64::from(!exists));
    Ok(())
}

fn set_expiring(cx: &mut Ctx<'_>, args: Args<'_>, unit: TimeUnit) -> CmdResult {
    let at = read_time(cx, &args, 2, unit)?;
    put(cx, &args, 3, Expiry::At(at));
    propagate_with_time(cx, &args, 3, at);
    cx.reply.ok();
    Ok(())
}

fn getset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    reply_value(cx, &key)?;
    put(cx, &args, 2, Expiry::Clear);
    cx.propagate_instead(&[b"SET", key.bytes(), args.get(2)]);
    Ok(())
}

fn getex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut lifetime = None;
    let mut index = 2;
    while index < args.len() {
        if args.is(index, "PERSIST") {
            lifetime = Some(Lifetime::Persist.parse_word(lifetime)?);
        } else {
            lifetime = Some(Lifetime::parse_time(lifetime, &args, index)?);
            index += 1;
        }
        index += 1;
    }
    let key = args.key(1);
    if !reply_value(cx, &key)? {
        return Ok(());
    }
    match lifetime {
        None | Some(Lifetime::Keep) => {}
        Some(Lifetime::Persist) => persist(cx, &key),
        Some(Lifetime::Until(unit, index)) => {
            let at = read_time(cx, &args, index, unit)?;
            if at <= cx.now_ms() {
                delete(cx, &key, cx.server.config.lazyfree_lazy_expire);
            } else {
                expire(cx, &key, at);
            }
        }
    }
    Ok(())
}

fn persist(cx: &mut Ctx<'_>, key: &Key<'_>) {
    let Some(mut slot) = cx.db.write(key) else { return };
    if slot.view().expire_at().is_some() {
        slot.update(|entry| entry.set_expire(None));
        cx.changed(key, Event::generic("persist"));
        cx.propagate_instead(&[b"PERSIST", key.bytes()]);
    }
}

fn expire(cx: &mut Ctx<'_>, key: &Key<'_>, at: i64) {
    let Some(mut slot) = cx.db.write(key) else { return };
    slot.update(|entry| entry.set_expire(Some(at)));
    cx.changed(key, EXPIRE_EVENT);
    cx.propagate_instead(&[b"PEXPIREAT", key.bytes(), itoa::Buffer::new().format(at).as_bytes()]);
}

/// Deletes a key that holds a string. A string is one allocation or two, which another thread would not free any
/// sooner; but what is propagated follows the directive.
fn delete(cx: &mut Ctx<'_>, key: &Key<'_>, lazily: bool) {
    if cx.db.delete(key) {
        cx.changed(key, Event::generic("del"));
        let command: &[u8] = if lazily { b"UNLINK" } else { b"DEL" };
        cx.propagate_instead(&[command, key.bytes()]);
    }
}

fn getdel(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    if reply_value(cx, &key)? {
        delete(cx, &key, cx.server.config.lazyfree_lazy_user_del);
    }
    Ok(())
}

/// The sum of two lengths, unless a string that long would exceed `limit`.
fn check_length(limit: usize, len: usize, added: usize) -> Result<usize, Error> {
    len.checked_add(added).filter(|sum| *sum <= limit).ok_or(STRING_TOO_LONG)
}

fn append(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, added) = (args.key(1), args.get(2));
    let limit = cx.string_bytes_max();
    let len = match cx.db.string_mut(&key)? {
        Some(mut slot) => {
            let old = slot.view().string().map_or(0, StringRef::len);
            let len = check_length(limit, old, added.len())?;
            slot.update(|entry| entry.append(added));
            len
        }
        None => {
            cx.db.set(&key, new_string(&args, 2), Expiry::Clear);
            added.len()
        }
    };
    cx.changed(&key, Event::string("append"));
    cx.reply.integer(len as i64);
    Ok(())
}

fn strlen(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let len = cx.db.string(&args.key(1))?.map_or(0, StringRef::len);
    cx.reply.integer(len as i64);
    Ok(())
}

fn setrange(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let offset = usize::try_from(args.integer(2)?).map_err(|_| Error::fixed("ERR offset is out of range"))?;
    let (key, value) = (args.key(1), args.get(3));
    let limit = cx.string_bytes_max();
    let slot = cx.db.string_mut(&key)?;
    let old = slot.as_ref().and_then(|slot| slot.view().string()).map_or(0, StringRef::len);
    if value.is_empty() {
        cx.reply.integer(old as i64);
        return Ok(());
    }
    let end = check_length(limit, offset, value.len())?;
    match slot {
        Some(mut slot) => slot.update(|entry| entry.bytes_grown(end)[offset..end].copy_from_slice(value)),
        None => {
            let mut bytes = vec![0; end];
            bytes[offset..].copy_from_slice(value);
            cx.db.set(&key, NewString::Text(bytes, true), Expiry::Clear);
        }
    }
    cx.changed(&key, Event::string("setrange"));
    cx.reply.integer(old.max(end) as i64);
    Ok(())
}

/// The indexes of a string of `len` bytes or bits that `start` and `end` mean, both included and counting from the
/// end where negative. What lies outside of the string is left off.
pub fn clamp_range(start: i64, end: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_start = |index: i64| if index < 0 { index.saturating_add(len).max(0) } else { index };
    let (start, end) = (from_start(start), from_start(end).min(len - 1) + 1);
    if start < end { start as usize..end as usize } else { 0..0 }
}

/// Whether both ends count from the end and are the wrong way round: no part of any string, while clamping alone
/// might find the first byte of a short one.
pub fn is_backward(start: i64, end: i64) -> bool {
    start < 0 && end < 0 && start > end
}

fn getrange(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (start, end) = (args.integer(2)?, args.integer(3)?);
    let value = cx.db.string(&args.key(1))?;
    let mut digits = itoa::Buffer::new();
    let bytes = value.map_or(&[][..], |value| value.bytes(&mut digits));
    let part = if is_backward(start, end) { 0..0 } else { clamp_range(start, end, bytes.len()) };
    cx.reply.bulk(&bytes[part]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Protocol;
    use crate::server::testbed::Testbed;

    const FAR: i64 = 4_000_000_000_000;

    /// The last word of the only propagated request, which begins like this.
    fn time_behind(propagated: &[String], beginning: &str) -> i64 {
        let [request] = propagated else { panic!("one request expected: {propagated:?}") };
        let time = request.strip_prefix(beginning).unwrap_or_else(|| panic!("{request} begins otherwise"));
        time.trim_start().parse().expect("a time")
    }

    #[test]
    fn set_is_propagated_as_it_came_unless_it_expires_or_returns() {
        let mut bed = Testbed::new();
        assert_eq!(bed.propagated("set k v"), ["set k v"]);
        assert_eq!(bed.propagated("set k v KEEPTTL"), ["set k v KEEPTTL"]);
        assert_eq!(bed.propagated("set k w XX get keepttl GET"), ["set k w XX keepttl"]);
        assert_eq!(bed.propagated("set k w NX GET"), [""; 0]);
        assert_eq!(bed.propagated("getset k x"), ["SET k x"]);
        assert_eq!(bed.propagated("setnx k x"), [""; 0]);
        assert_eq!(bed.propagated("setnx fresh x"), ["setnx fresh x"]);
        assert_eq!(bed.propagated("mset a 1 b 2"), ["mset a 1 b 2"]);
    }

    #[test]
    fn a_time_to_live_is_propagated_as_a_point_of_time() {
        let mut bed = Testbed::new();
        let now = bed.server.clock.unix_ms();
        for command in ["set k v EX 1000", "set k v PX 1000000 GET", "setex k 1000 v", "psetex k 1000000 v"] {
            let at = time_behind(&bed.propagated(command), "SET k v PXAT ");
            assert!((now + 1_000_000..now + 1_060_000).contains(&at), "{command}: {at}");
        }
        assert_eq!(bed.propagated(&format!("set k v EXAT {}", FAR / 1000)), [format!("SET k v PXAT {FAR}")]);
        assert_eq!(bed.propagated(&format!("getex k pxat {FAR}")), [format!("PEXPIREAT k {FAR}")]);
        let at = time_behind(&bed.propagated("getex k ex 1000"), "PEXPIREAT k ");
        assert!((now + 1_000_000..now + 1_060_000).contains(&at), "{at}");
    }

    #[test]
    fn getex_and_getdel_are_propagated_as_what_they_did() {
        let mut bed = Testbed::new();
        bed.run("set k v");
        assert_eq!(bed.propagated("getex k"), [""; 0]);
        assert_eq!(bed.propagated("getex k persist"), [""; 0]);
        bed.run("getex k ex 100");
        assert_eq!(bed.propagated("getex k persist"), ["PERSIST k"]);
        assert_eq!(bed.propagated("getex k exat 1"), ["DEL k"]);
        assert_eq!(bed.propagated("getex k exat 1"), [""; 0]);
        bed.run("set k v");
        assert_eq!(bed.propagated("getdel k"), ["DEL k"]);
        bed.run("set k v");
        bed.server.config.lazyfree_lazy_user_del = true;
        assert_eq!(bed.propagated("getdel k"), ["UNLINK k"]);
        assert_eq!(bed.propagated("getdel k"), [""; 0]);
    }

    #[test]
    fn a_key_found_expired_is_propagated_as_deleted_before_it_is_set_again() {
        let mut bed = Testbed::new();
        bed.run("set k v PXAT 1");
        assert_eq!(bed.propagated("append k w"), ["DEL k", "append k w"]);
        bed.run("set k v PXAT 1");
        assert_eq!(bed.propagated("set k w KEEPTTL"), ["DEL k", "set k w KEEPTTL"]);
        assert_eq!(bed.run("pttl k"), ":-1\r\n");
    }

    #[test]
    fn refused_commands_propagate_nothing_and_change_nothing() {
        let mut bed = Testbed::new();
        bed.run("set k v");
        let dirty = bed.db.dirty;
        for command in ["set k v EX 0", "set k v EX 1 PX 1", "setex k -1 v", "incr k", "setrange k 536870912 x"] {
            assert!(bed.propagated(command).is_empty(), "{command}");
        }
        assert_eq!((bed.run("get k"), bed.db.dirty), ("$1\r\nv\r\n".into(), dirty));
    }

    #[test]
    fn nulls_are_those_of_the_protocol() {
        let mut bed = Testbed::new();
        for (protocol, null) in [(Protocol::Resp2, "$-1\r\n"), (Protocol::Resp3, "_\r\n")] {
            bed.protocol = protocol;
            for command in ["get k", "getex k", "getdel k", "set k v XX", "set k v XX GET"] {
                assert_eq!(bed.run(command), null, "{command}");
            }
            assert_eq!(bed.run("mget k k"), format!("*2\r\n{null}{null}"));
        }
    }

    #[test]
    fn ranges_are_clamped_to_the_string() {
        assert_eq!(clamp_range(0, -1, 5), 0..5);
        assert_eq!(clamp_range(-3, -2, 5), 2..4);
        assert_eq!(clamp_range(i64::MIN, i64::MAX, 5), 0..5);
        assert_eq!(clamp_range(5, 9, 5), 0..0);
        assert_eq!(clamp_range(3, 1, 5), 0..0);
        assert_eq!(clamp_range(0, 0, 0), 0..0);
    }
}
