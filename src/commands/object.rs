//! OBJECT: how a key's value is kept. Asking is no use of the key: it leaves the access time alone.

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::StringRef;
use crate::server::execution::{Command, Ctx};

const TIPS: &[&str] = &["nondeterministic_output"];
const KEY: &[Keys] = &[Keys::at(2, Access::RO)];

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("object", SUBCOMMANDS).outside_group_category().docs(
    "2.2.3",
    "",
    "Carries the commands that look at how values are kept.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("encoding", Arity::exactly(3), encoding)
        .flags(&[READONLY])
        .keys(KEY)
        .tips(TIPS)
        .docs("2.2.3", "key", "Tells in which form a value is kept.")
        .complexity("O(1)"),
    Command::new("freq", Arity::exactly(3), freq)
        .flags(&[READONLY])
        .keys(KEY)
        .tips(TIPS)
        .docs("4.0.0", "key", "Returns the logarithmic counter of how often a key was used lately.")
        .complexity("O(1)"),
    Command::new("help", Arity::exactly(2), help)
        .flags(&[LOADING, STALE])
        .docs("6.2.0", "", "Describes the subcommands.")
        .complexity("O(1)"),
    Command::new("idletime", Arity::exactly(3), idletime)
        .flags(&[READONLY])
        .keys(KEY)
        .tips(TIPS)
        .docs("2.2.3", "key", "Returns the seconds since a key was last used.")
        .complexity("O(1)"),
    Command::new("refcount", Arity::exactly(3), refcount)
        .flags(&[READONLY])
        .keys(KEY)
        .tips(TIPS)
        .docs("2.2.3", "key", "Returns the number of references to a value.")
        .complexity("O(1)"),
];

fn encoding(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match cx.db.peek(&args.key(2)) {
        Some(entry) => cx.reply.bulk(entry.encoding().as_bytes()),
        None => cx.reply.null(),
    }
    Ok(())
}

/// Nothing is counted here: a value belongs to its key alone. Small integers, which Redis shares unless it needs to
/// know when each was used, have its number for what is shared without end.
fn refcount(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let config = &cx.server.config;
    let shares = config.maxmemory == 0 || !config.maxmemory_policy.tracks_use();
    match cx.db.peek(&args.key(2)).map(|entry| entry.string()) {
        Some(Some(StringRef::Int(0..10_000))) if shares => cx.reply.integer(i64::from(i32::MAX)),
        Some(_) => cx.reply.integer(1),
        None => cx.reply.null(),
    }
    Ok(())
}

fn idletime(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NOT_TRACKED: Error = Error::fixed(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
         policies at runtime LRU and LFU data will take some time to adjust.",
    );
    let key = args.key(2);
    if cx.db.peek(&key).is_none() {
        cx.reply.null();
        return Ok(());
    }
    if cx.server.config.maxmemory_policy.is_lfu() {
        return Err(NOT_TRACKED);
    }
    let seconds = cx.db.dict().find(key.hash(), key.bytes()).map_or(0, |entry| cx.db.idle_seconds(entry.access()));
    cx.reply.integer(i64::from(seconds));
    Ok(())
}

fn freq(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NOT_TRACKED: Error = Error::fixed(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
         between policies at runtime LRU and LFU data will take some time to adjust.",
    );
    let key = args.key(2);
    if cx.db.peek(&key).is_none() {
        cx.reply.null();
        return Ok(());
    }
    if !cx.server.config.maxmemory_policy.is_lfu() {
        return Err(NOT_TRACKED);
    }
    let count = cx.db.dict().find(key.hash(), key.bytes()).map_or(0, |entry| cx.db.frequency(entry.access()));
    cx.reply.integer(i64::from(count));
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "ENCODING <key>",
        "    Tell in which form the value of <key> is kept.",
        "FREQ <key>",
        "    Return the access counter of <key>, which grows with the logarithm of how often",
        "    the key was used lately.",
        "IDLETIME <key>",
        "    Return the seconds since <key> was last used.",
        "REFCOUNT <key>",
        "    Return the number of references to the value of <key>.",
    ]);
    Ok(())
}
