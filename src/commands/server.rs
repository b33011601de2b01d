//! Commands about the server as a whole: INFO, TIME, SHUTDOWN, LOLWUT.

use crate::client::BlockedFor;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::REDIS_VERSION;
use crate::server::execution::gate::busy_error;
use crate::server::execution::{Command, Ctx};
use crate::server::observe::info::{self, section};
use crate::server::shutdown::{self, Outcome};
use crate::server::state::ShutdownOptions;
use crate::util::clock::unix_micros;
use crate::util::number;
use crate::util::random::Random;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("info", Arity::at_least(1), info)
        .group(Group::Server)
        .flags(&[LOADING, STALE])
        .acl(Categories::DANGEROUS)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs("1.0.0", "[section [section ...]]", "Tells facts and statistics about the server.")
        .complexity("O(1)")
        .history(&[("7.0.0", "Several sections.")]),
    Command::new("time", Arity::exactly(1), time)
        .group(Group::Server)
        .flags(&[LOADING, STALE, FAST])
        .tips(&["nondeterministic_output"])
        .docs("2.6.0", "", "Tells the server's time."),
    Command::new("shutdown", Arity::at_least(1), shut_down)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE, NO_MULTI, ALLOW_BUSY])
        .docs(
            "1.0.0",
            "[NOSAVE | SAVE] [NOW] [FORCE] [SAFE] [FAILOVER] [ABORT]",
            "Ends the server, or takes that back.",
        )
        .complexity("O(N) for N keys to be saved, otherwise O(1).")
        .history(&[("7.0.0", "`NOW`, `FORCE` and `ABORT`.")]),
    Command::new("lolwut", Arity::at_least(1), lolwut).group(Group::Server).flags(&[READONLY, FAST]).docs(
        "5.0.0",
        "[VERSION version]",
        "Draws something and tells the version.",
    ),
];

fn info(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let source = section::Source::of(cx.server, cx.db);
    let text = info::text(&source, args.rest(1));
    cx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(())
}

/// Transactions and scripts see the time of their first look at it throughout.
fn time(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let now = match cx.server.in_exec {
        true => *cx.server.frozen_time_us.get_or_insert_with(unix_micros),
        false => unix_micros(),
    };
    cx.reply.array(2);
    cx.reply.bulk_int(now / 1_000_000);
    cx.reply.bulk_int(now % 1_000_000);
    Ok(())
}

/// Nothing is answered: the end of the connection is the answer.
fn shut_down(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (mut ending, mut now, mut abort) = (ShutdownOptions::default(), false, false);
    // Both are about the slots of a cluster.
    let (mut safe, mut failover) = (false, false);
    for index in 1..args.len() {
        match () {
            () if args.is(index, "save") => ending.save = true,
            () if args.is(index, "nosave") => ending.no_save = true,
            () if args.is(index, "now") => now = true,
            () if args.is(index, "force") => ending.force = true,
            () if args.is(index, "safe") => safe = true,
            () if args.is(index, "failover") => failover = true,
            () if args.is(index, "abort") => abort = true,
            () => return Err(SYNTAX),
        }
    }
    if ending.save && ending.no_save || abort && (ending != ShutdownOptions::default() || now || safe || failover) {
        return Err(SYNTAX);
    }
    if failover {
        return Err(Error::fixed("ERR SHUTDOWN FAILOVER is only supported in cluster mode."));
    }
    if abort {
        if !shutdown::abort(cx.server, cx.db) {
            return Err(Error::fixed("ERR No shutdown in progress."));
        }
        cx.reply.ok();
        return Ok(());
    }
    // In the middle of a script there is nothing that could be saved.
    if let Some(running) = &cx.server.script.running
        && !ending.no_save
    {
        return Err(busy_error(running.is_script));
    }
    match shutdown::begin(cx.server, cx.db, ending, now) {
        Outcome::Over => cx.client_mut().close_after_reply(),
        Outcome::Waits => cx.postpone(&args, BlockedFor::Shutdown),
        Outcome::Failed => return Err(shutdown::FAILED),
    }
    Ok(())
}

/// The widest and the highest picture.
const PICTURE_MAX: (usize, usize) = (200, 100);

fn lolwut(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut options = 1;
    if args.is(1, "version") && args.len() > 2 {
        args.integer(2)?;
        options = 3;
    }
    let option = |index: usize, otherwise: usize, max: usize| {
        let given = args.try_get(index).and_then(number::parse_i64).and_then(|value| usize::try_from(value).ok());
        given.unwrap_or(otherwise).clamp(1, max)
    };
    let columns = option(options, 64, PICTURE_MAX.0);
    let rows = option(options + 1, 12, PICTURE_MAX.1);
    let picture = maze(&mut cx.server.random, columns, rows);
    let text = format!("{picture}\nA maze of oxidized walls, never twice alike.\nRedis ver. {REDIS_VERSION}\n");
    cx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(())
}

/// Walls that lean to either side by chance.
fn maze(random: &mut Random, columns: usize, rows: usize) -> String {
    let mut picture = String::with_capacity((columns + 1) * rows);
    for _ in 0..rows {
        for _ in 0..columns {
            picture.push(if random.below(2) == 0 { '/' } else { '\\' });
        }
        picture.push('\n');
    }
    picture
}
