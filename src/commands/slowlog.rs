//! SLOWLOG.

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::server::execution::{Command, Ctx};

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("slowlog", SUBCOMMANDS).group(Group::Server).docs(
    "2.2.12",
    "",
    "Shows the commands that took long.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("get", Arity::at_least(2), get)
        .group(Group::Server)
        .flags(&[ADMIN, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "nondeterministic_output"])
        .docs("2.2.12", "[count]", "Tells the latest slow commands."),
    Command::new("len", Arity::exactly(2), len)
        .group(Group::Server)
        .flags(&[ADMIN, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
        .docs("2.2.12", "", "Counts the slow commands that are kept."),
    Command::new("reset", Arity::exactly(2), reset)
        .group(Group::Server)
        .flags(&[ADMIN, LOADING, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.2.12", "", "Forgets the slow commands."),
    Command::new("help", Arity::exactly(2), help).group(Group::Server).flags(&[LOADING, STALE]).docs(
        "6.2.0",
        "",
        "Describes the subcommands.",
    ),
];

/// Entries answered when no number is given.
const COUNT: usize = 10;

fn get(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const BAD_COUNT: Error = Error::fixed("ERR count should be greater than or equal to -1");
    if args.len() > 3 {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    let count = match args.len() {
        2 => COUNT,
        _ => match args.integer_in(2, -1..=i64::MAX, BAD_COUNT)? {
            -1 => usize::MAX,
            count => count as usize,
        },
    };
    let entries = &cx.server.slowlog.entries;
    cx.reply.array(entries.len().min(count));
    for entry in entries.iter().take(count) {
        cx.reply.array(6);
        cx.reply.integer(entry.id as i64);
        cx.reply.integer(entry.time);
        cx.reply.integer(entry.micros as i64);
        cx.reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| cx.reply.bulk(arg));
        cx.reply.bulk(entry.peer.as_bytes());
        cx.reply.bulk(&entry.client_name);
    }
    Ok(())
}

fn len(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply.integer(cx.server.slowlog.entries.len() as i64);
    Ok(())
}

fn reset(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.server.slowlog.entries.clear();
    cx.reply.ok();
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "GET [<count>]",
        "    The latest <count> slow commands (10 if not given, all for -1). Each is made of",
        "    number, time in Unix seconds, duration in microseconds, arguments,",
        "    address of the client, name of the client.",
        "LEN",
        "    How many slow commands are kept.",
        "RESET",
        "    Forget them.",
    ]);
    Ok(())
}
