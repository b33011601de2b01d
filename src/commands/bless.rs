//! BLESS: keys that are not to be evicted.
//!
//! The protection belongs to the name: it stays when the value is replaced, goes along when the key is renamed or moved,
//! and ends with the key. Files and replicas have it, payloads of DUMP do not.

use super::scan::{begin_reply, parse_cursor};
use crate::command::Args;
use crate::command::error::{CmdResult, NO_SUCH_KEY, SYNTAX};
use crate::command::spec::*;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("bless", SUBCOMMANDS).group(Group::Generic).docs(
    "8.12.0",
    "",
    "Protects keys from eviction.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("set", Arity::exactly(4), |cx, args| bless(cx, args, true))
        .group(Group::Generic)
        .flags(&[WRITE, DENYOOM, FAST])
        .outside_group_category()
        .acl(Categories::DANGEROUS)
        .keys(&[Keys::at(2, Access::RW.and(Access::UPDATE))])
        .docs("8.12.0", "key <NO-EVICT>", "Protects a key from eviction."),
    Command::new("clear", Arity::exactly(4), |cx, args| bless(cx, args, false))
        .group(Group::Generic)
        .flags(&[WRITE, FAST])
        .outside_group_category()
        .acl(Categories::DANGEROUS)
        .keys(&[Keys::at(2, Access::RW.and(Access::UPDATE))])
        .docs("8.12.0", "key <NO-EVICT>", "Ends the protection of a key."),
    Command::new("get", Arity::exactly(3), get)
        .group(Group::Generic)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::at(2, Access::RO.and(Access::ACCESS))])
        .docs("8.12.0", "key", "Tells how a key is protected."),
    Command::new("scan", Arity::at_least(4), scan)
        .group(Group::Generic)
        .flags(&[READONLY, ARBITRARY_KEYS])
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .docs("8.12.0", "cursor <NO-EVICT> [COUNT count]", "Walks over the keys that are protected."),
    Command::new("help", Arity::exactly(2), help).group(Group::Generic).flags(&[LOADING, STALE]).docs(
        "8.12.0",
        "",
        "Describes the subcommands.",
    ),
];

/// The only protection there is.
const NO_EVICT: &str = "NO-EVICT";
/// Keys that a step of BLESS SCAN passes unless told otherwise.
const COUNT: usize = 1024;

fn bless(cx: &mut Ctx<'_>, args: Args<'_>, blessed: bool) -> CmdResult {
    if !args.is(3, NO_EVICT) {
        return Err(SYNTAX);
    }
    let key = args.key(2);
    if !cx.db.exists(&key) {
        return Err(NO_SUCH_KEY);
    }
    let changed = cx.db.bless(&key, blessed);
    if changed {
        cx.changed(&key, Event::generic(if blessed { "bless" } else { "unbless" }));
    }
    cx.reply.integer(i64::from(changed));
    Ok(())
}

fn get(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(2);
    if cx.db.inspect(&key).is_none() {
        return Err(NO_SUCH_KEY);
    }
    match cx.db.is_blessed(&key) {
        true => {
            cx.reply.array(1);
            cx.reply.bulk(NO_EVICT.as_bytes());
        }
        false => cx.reply.array(0),
    }
    Ok(())
}

fn scan(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cursor = parse_cursor(args.get(2))?;
    let count = match args.len() {
        4 => COUNT,
        6 if args.is(4, "COUNT") => args.integer_in(5, 1..=i64::MAX, SYNTAX)? as usize,
        _ => return Err(SYNTAX),
    };
    if !args.is(3, NO_EVICT) {
        return Err(SYNTAX);
    }
    let (next, keys) = cx.db.dict().blessed().scan(cursor, count);
    begin_reply(cx.reply, next, keys.len());
    keys.into_iter().for_each(|key| cx.reply.bulk(key));
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "CLEAR <key> NO-EVICT",
        "    End the protection of a key.",
        "GET <key>",
        "    Tell how a key is protected.",
        "SCAN <cursor> NO-EVICT [COUNT <count>]",
        "    Walk over the keys that are protected.",
        "SET <key> NO-EVICT",
        "    Protect a key from eviction.",
    ]);
    Ok(())
}
