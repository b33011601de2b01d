//! SLOWLOG, and COMMANDLOG, which has commands with large requests and replies as well.

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::execution::{Command, Ctx, Handler};
use crate::server::observe::command_log::{Kind, LoggedCommand};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::container("slowlog", SLOWLOG).group(Group::Server).docs(
        "2.2.12",
        "",
        "Shows the commands that took long.",
    ),
    Command::container("commandlog", COMMANDLOG).group(Group::Server).docs(
        "8.1.0",
        "",
        "Shows the commands that took long or were large.",
    ),
];

const GET_TIPS: &[&str] = &["request_policy:all_nodes", "nondeterministic_output"];
const LEN_TIPS: &[&str] = &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"];
const RESET_TIPS: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const SLOWLOG: &[Command] = &[
    row("get", Arity::at_least(2), slowlog_get)
        .tips(GET_TIPS)
        .docs("2.2.12", "[count]", "Tells the latest slow commands.")
        .complexity("O(N) for N entries returned.")
        .history(&[("4.0.0", "Address and name of the client.")]),
    row("len", Arity::exactly(2), |cx, _| count(cx, Kind::Slow))
        .tips(LEN_TIPS)
        .docs("2.2.12", "", "Counts the slow commands that are kept.")
        .complexity("O(1)"),
    row("reset", Arity::exactly(2), |cx, _| forget(cx, Kind::Slow))
        .tips(RESET_TIPS)
        .docs("2.2.12", "", "Forgets the slow commands.")
        .complexity("O(N) for N entries."),
    Command::new("help", Arity::exactly(2), slowlog_help)
        .group(Group::Server)
        .flags(&[LOADING, STALE])
        .docs("6.2.0", "", "Describes the subcommands.")
        .complexity("O(1)"),
];

const COMMANDLOG: &[Command] = &[
    row("get", Arity::exactly(4), commandlog_get)
        .tips(GET_TIPS)
        .docs("8.1.0", "count SLOW|LARGE-REQUEST|LARGE-REPLY", "Tells the latest commands of a log.")
        .complexity("O(N) for N entries returned."),
    row("len", Arity::exactly(3), |cx, args| count(cx, kind(args.get(2))?))
        .tips(LEN_TIPS)
        .docs("8.1.0", "SLOW|LARGE-REQUEST|LARGE-REPLY", "Counts the commands that a log keeps.")
        .complexity("O(1)"),
    row("reset", Arity::exactly(3), |cx, args| forget(cx, kind(args.get(2))?))
        .tips(RESET_TIPS)
        .docs("8.1.0", "SLOW|LARGE-REQUEST|LARGE-REPLY", "Forgets the commands of a log.")
        .complexity("O(N) for N entries."),
    Command::new("help", Arity::exactly(2), commandlog_help)
        .group(Group::Server)
        .flags(&[LOADING, STALE])
        .docs("8.1.0", "", "Describes the subcommands.")
        .complexity("O(1)"),
];

const fn row(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Server).flags(&[ADMIN, LOADING, STALE])
}

/// Entries answered when no number is given.
const COUNT: usize = 10;

fn kind(name: &[u8]) -> Result<Kind, Error> {
    const UNKNOWN: Error = Error::fixed("ERR type should be one of the following: slow, large-request, large-reply");
    Kind::named(name).ok_or(UNKNOWN)
}

/// How many entries are asked for: -1 means all.
fn wanted(args: &Args<'_>) -> Result<usize, Error> {
    const BAD_COUNT: Error = Error::fixed("ERR count should be greater than or equal to -1");
    Ok(match args.integer_in(2, -1..=i64::MAX, BAD_COUNT)? {
        -1 => usize::MAX,
        count => count as usize,
    })
}

/// Behind the six columns of Redis 7.0 come those of later versions: how many arguments were sent, and the processor
/// time in microseconds.
fn slowlog_get(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 3 {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    let count = if args.len() == 2 { COUNT } else { wanted(&args)? };
    let entries = &cx.server.command_log.log(Kind::Slow).entries;
    cx.reply.array(entries.len().min(count));
    for entry in entries.iter().take(count) {
        cx.reply.array(8);
        reply_columns(cx.reply, entry);
        cx.reply.integer(entry.args_sent as i64);
        cx.reply.integer(entry.cpu_us as i64);
    }
    Ok(())
}

fn commandlog_get(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let count = wanted(&args)?;
    let kind = kind(args.get(3))?;
    let entries = &cx.server.command_log.log(kind).entries;
    cx.reply.array(entries.len().min(count));
    for entry in entries.iter().take(count) {
        cx.reply.array(6);
        reply_columns(cx.reply, entry);
    }
    Ok(())
}

fn reply_columns(reply: &mut Reply, entry: &LoggedCommand) {
    reply.integer(entry.id as i64);
    reply.integer(entry.time);
    reply.integer(entry.value as i64);
    reply.array(entry.args.len());
    entry.args.iter().for_each(|arg| reply.bulk(arg));
    reply.bulk(entry.peer.as_bytes());
    reply.bulk(&entry.client_name);
}

fn count(cx: &mut Ctx<'_>, kind: Kind) -> CmdResult {
    cx.reply.integer(cx.server.command_log.log(kind).entries.len() as i64);
    Ok(())
}

fn forget(cx: &mut Ctx<'_>, kind: Kind) -> CmdResult {
    cx.server.command_log.log_mut(kind).entries.clear();
    cx.reply.ok();
    Ok(())
}

fn slowlog_help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "GET [<count>]",
        "    The latest <count> slow commands (10 if not given, all for -1). Each is made of",
        "    number, time in Unix seconds, duration in microseconds, arguments,",
        "    address of the client, name of the client, number of arguments sent,",
        "    processor time in microseconds.",
        "LEN",
        "    How many slow commands are kept.",
        "RESET",
        "    Forget them.",
    ]);
    Ok(())
}

fn commandlog_help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "GET <count> <type>",
        "    The latest <count> commands of a type (all for -1). Each is made of",
        "    number, time in Unix seconds,",
        "        duration in microseconds for SLOW,",
        "        bytes of the request for LARGE-REQUEST,",
        "        bytes of the reply for LARGE-REPLY,",
        "    arguments, address of the client, name of the client.",
        "LEN <type>",
        "    How many commands of a type are kept.",
        "RESET <type>",
        "    Forget them.",
    ]);
    Ok(())
}
