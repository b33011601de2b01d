//! Strings of many keys: MGET, MSET and their kin.
//!
//! Such commands ask the memory of a batch of keys into the cache before they look at the first. What sets keys sets
//! all of them or none.

use super::{EXPIRE_EVENT, Lifetime, SET_EVENT, existence, new_string, reply_string};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::{Expiry, Key};
use crate::server::execution::{Command, Ctx};

/// Keys whose memory is asked for at once: about as many loads as a processor has under way, and few enough to
/// stay in its nearest cache until they are used.
const KEY_BATCH: usize = 32;

const OVERWRITES: Access = Access::OW.and(Access::UPDATE);
const INSERTS: Access = Access::OW.and(Access::INSERT);
const READS: Access = Access::RO.and(Access::ACCESS);

const NUMKEYS: Keys =
    Keys { begin: Begin::Index(1), find: Find::Count { count: 0, first: 1, step: 2 }, access: OVERWRITES };

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("mget", Arity::at_least(2), mget)
        .group(Group::String)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::range(1, -1, 1, READS)])
        .tips(&["request_policy:multi_shard"])
        .docs("1.0.0", "key [key ...]", "Returns the string values of several keys, null for those without one.")
        .complexity("O(N) for N keys."),
    Command::new("mset", Arity::at_least(3), mset)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::range(1, -1, 2, OVERWRITES)])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .docs("1.0.1", "key value [key value ...]", "Sets several keys to strings.")
        .complexity("O(N) for N keys."),
    Command::new("msetnx", Arity::at_least(3), msetnx)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::range(1, -1, 2, INSERTS)])
        .docs("1.0.1", "key value [key value ...]", "Sets several keys to strings unless one of them exists.")
        .complexity("O(N) for N keys."),
    Command::new("msetex", Arity::at_least(4), msetex)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM])
        .keys(&[NUMKEYS])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .docs(
            "8.4.0",
            "numkeys key value [key value ...] [NX|XX] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT \
             unix-time-milliseconds|KEEPTTL]",
            "Sets several keys to strings that expire at the same time, if wanted only when all or none of them exist.",
        )
        .complexity("O(N) for N keys."),
];

/// Calls `run` for the keys at argument 1, 1 + `step` and so on, with the argument's index. Before, the memory of a
/// batch of keys is asked into the cache.
fn for_each_key<'a>(cx: &mut Ctx<'_>, args: Args<'a>, step: usize, mut run: impl FnMut(&mut Ctx<'_>, Key<'a>, usize)) {
    let mut batch = [Key::hashed(&[], 0); KEY_BATCH];
    let mut indexes = (1..args.len()).step_by(step);
    loop {
        let first = indexes.clone();
        let mut filled = 0;
        for (slot, index) in batch.iter_mut().zip(indexes.by_ref()) {
            *slot = args.key(index);
            filled += 1;
        }
        if filled == 0 {
            return;
        }
        let keys = &batch[..filled];
        cx.db.prefetch(keys);
        keys.iter().zip(first).for_each(|(key, index)| run(cx, *key, index));
    }
}

fn mget(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    cx.reply.array(args.len() - 1);
    for_each_key(cx, args, 1, |cx, key, _| match cx.db.string(&key) {
        Ok(Some(value)) => reply_string(cx.reply, value),
        Ok(None) | Err(_) => cx.reply.null(),
    });
    Ok(())
}

fn check_pairs(cx: &Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if args.len().is_multiple_of(2) {
        return Err(Error::wrong_arity(&cx.server.commands.entry(cx.command).full_name));
    }
    Ok(())
}

fn set_pairs(cx: &mut Ctx<'_>, args: Args<'_>) {
    for_each_key(cx, args, 2, |cx, key, index| {
        cx.db.set(&key, new_string(&args, index + 1), Expiry::Clear);
        cx.changed(&key, SET_EVENT);
    });
}

fn mset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    check_pairs(cx, &args)?;
    set_pairs(cx, args);
    cx.reply.ok();
    Ok(())
}

fn msetnx(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    check_pairs(cx, &args)?;
    let exists = args.keys(1, 2).any(|key| cx.db.exists(&key));
    if !exists {
        set_pairs(cx, args);
    }
    cx.reply.integer(i64::from(!exists));
    Ok(())
}

struct Options {
    /// XX: true, NX: false.
    must_exist: Option<bool>,
    lifetime: Option<Lifetime>,
}

/// The options of MSETEX, from argument `from` on.
fn parse_options(args: &Args<'_>, from: usize) -> Result<Options, Error> {
    let mut options = Options { must_exist: None, lifetime: None };
    let mut index = from;
    while index < args.len() {
        if let Some(must_exist) = existence(args, index) {
            if options.must_exist == Some(!must_exist) {
                return Err(SYNTAX);
            }
            options.must_exist = Some(must_exist);
        } else if args.is(index, "KEEPTTL") {
            options.lifetime = Some(Lifetime::Keep.parse_word(options.lifetime)?);
        } else {
            options.lifetime = Some(Lifetime::parse_time(options.lifetime, args, index)?);
            index += 1;
        }
        index += 1;
    }
    Ok(options)
}

/// Propagated as what it came to: without a condition, and with the time at which the keys expire.
fn msetex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NUMKEYS_MAX: i64 = i32::MAX as i64;
    let count = args.integer_in(1, 1..=NUMKEYS_MAX, Error::fixed("ERR invalid numkeys value"))? as usize;
    let end = 2 + 2 * count;
    if end > args.len() {
        return Err(Error::fixed("ERR wrong number of key-value pairs"));
    }
    let options = parse_options(&args, end)?;
    let expiry = Lifetime::expiry(options.lifetime, cx, &args)?;
    let keys = (2..end).step_by(2);
    let fails = |must_exist: bool| keys.clone().any(|index| cx.db.exists(&args.key(index)) != must_exist);
    if options.must_exist.is_some_and(fails) {
        cx.reply.integer(0);
        return Ok(());
    }
    for index in keys {
        let key = args.key(index);
        cx.db.set(&key, new_string(&args, index + 1), expiry);
        cx.changed(&key, SET_EVENT);
        if matches!(expiry, Expiry::At(_)) {
            cx.touched(&key, EXPIRE_EVENT);
        }
    }
    if cx.server.observers.propagates() {
        let mut digits = itoa::Buffer::new();
        let mut words: Vec<&[u8]> = (0..end).map(|index| args.get(index)).collect();
        match expiry {
            Expiry::At(at) => words.extend([b"PXAT", digits.format(at).as_bytes()]),
            Expiry::Keep => words.push(b"KEEPTTL"),
            Expiry::Clear => {}
        }
        cx.propagate_instead(&words);
    }
    cx.reply.integer(1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::testbed::Testbed;

    #[test]
    fn msetex_is_propagated_with_a_point_of_time_and_without_its_condition() {
        let mut bed = Testbed::new();
        let now = bed.server.clock.unix_ms();
        let propagated = bed.propagated("msetex 2 a 1 b 2 EX 1000 NX");
        let [request] = &propagated[..] else { panic!("one request expected: {propagated:?}") };
        let at = request.strip_prefix("msetex 2 a 1 b 2 PXAT ").and_then(|at| at.parse().ok());
        assert!(at.is_some_and(|at: i64| (now + 1_000_000..now + 1_060_000).contains(&at)), "{request}");
        assert_eq!(bed.propagated("msetex 2 a 1 c 2 NX"), [""; 0]);
        assert_eq!(bed.propagated("msetex 2 a 1 c 2 XX"), [""; 0]);
        assert_eq!(bed.propagated("msetex 2 a 3 b 4 xx keepttl"), ["msetex 2 a 3 b 4 KEEPTTL"]);
        assert_eq!((bed.run("ttl a"), bed.run("ttl b")), (":1000\r\n".into(), ":1000\r\n".into()));
        assert_eq!(bed.propagated("msetex 1 a 5"), ["msetex 1 a 5"]);
        assert_eq!(bed.run("ttl a"), ":-1\r\n");
    }

    #[test]
    fn keys_are_visited_in_order_across_batches() {
        let mut bed = Testbed::new();
        let names: Vec<String> = (0..3 * KEY_BATCH + 1).map(|number| format!("key{number}")).collect();
        let pairs: Vec<String> = names.iter().map(|name| format!("{name} of-{name}")).collect();
        bed.run(&format!("mset {}", pairs.join(" ")));
        let values: Vec<String> = names.iter().map(|name| format!("of-{name}")).collect();
        let reply = bed.run(&format!("mget {}", names.join(" ")));
        let lines: Vec<&str> = reply.lines().filter(|line| line.starts_with("of-")).collect();
        assert_eq!(lines, values);
    }
}
