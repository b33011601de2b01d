//! EVAL and its kin, SCRIPT.
//!
//! A script is shown to monitors before its commands are, so it shows itself. What it may do is told by its first
//! line, if it has one: the flags of a call depend on the script.

use std::rc::Rc;

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::script::cache::{self, Sha};
use crate::script::shebang;
use crate::server::Server;
use crate::server::effects::Observers;
use crate::server::execution::gate::busy_error;
use crate::server::execution::{Command, Ctx, Handler, after_call};
use crate::server::scripting::run::{self, Start};

/// The flags all commands have that run scripts or functions.
pub const RUNS: &[Flags] = &[RUNS_SCRIPT, NOSCRIPT, STALE, SKIP_MONITOR, MAY_REPLICATE, NO_MANDATORY_KEYS];
/// The flags of those that run what writes nothing.
pub const RUNS_READ_ONLY: &[Flags] = &[RUNS_SCRIPT, NOSCRIPT, STALE, SKIP_MONITOR, READONLY, NO_MANDATORY_KEYS];
/// Their keys: nobody knows what is done with them.
pub const ANY_USE: &[Keys] = &[Keys {
    begin: Begin::Index(2),
    find: Find::Count { count: 0, first: 1, step: 1 },
    access: Access::RW.and(Access::ACCESS).and(Access::UPDATE),
}];
/// Their keys where they are only read.
pub const READ: &[Keys] = &[Keys {
    begin: Begin::Index(2),
    find: Find::Count { count: 0, first: 1, step: 1 },
    access: Access::RO.and(Access::ACCESS),
}];

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("eval", Arity::at_least(3), |cx, args| eval(cx, args, false))
        .flags(RUNS)
        .keys(ANY_USE)
        .call_flags(flags_of_eval)
        .docs("2.6.0", "script numkeys [key [key ...]] [arg [arg ...]]", "Runs a script.")
        .complexity("Depends on the script."),
    row("evalsha", Arity::at_least(3), |cx, args| evalsha(cx, args, false))
        .flags(RUNS)
        .keys(ANY_USE)
        .call_flags(flags_of_evalsha)
        .docs("2.6.0", "sha1 numkeys [key [key ...]] [arg [arg ...]]", "Runs a script that is known by its digest.")
        .complexity("Depends on the script."),
    row("eval_ro", Arity::at_least(3), |cx, args| eval(cx, args, true))
        .flags(RUNS_READ_ONLY)
        .keys(READ)
        .call_flags(flags_of_eval)
        .docs("7.0.0", "script numkeys [key [key ...]] [arg [arg ...]]", "Runs a script that writes nothing.")
        .complexity("Depends on the script."),
    row("evalsha_ro", Arity::at_least(3), |cx, args| evalsha(cx, args, true))
        .flags(RUNS_READ_ONLY)
        .keys(READ)
        .call_flags(flags_of_evalsha)
        .docs(
            "7.0.0",
            "sha1 numkeys [key [key ...]] [arg [arg ...]]",
            "Runs a script that writes nothing and is known by its digest.",
        )
        .complexity("Depends on the script."),
    Command::container("script", SUBCOMMANDS).group(Group::Scripting).docs("2.6.0", "", "Manages known scripts."),
];

const SUBCOMMANDS: &[Command] = &[
    row("load", Arity::exactly(3), load)
        .flags(&[NOSCRIPT, STALE])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.6.0", "script", "Has a script known without running it.")
        .complexity("O(N) for N bytes of the script."),
    row("exists", Arity::at_least(3), exists)
        .flags(&[NOSCRIPT])
        .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
        .docs("2.6.0", "sha1 [sha1 ...]", "Tells which scripts are known.")
        .complexity("O(N) for N scripts asked for."),
    row("flush", Arity::at_least(2), flush)
        .flags(&[NOSCRIPT])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.6.0", "[ASYNC | SYNC]", "Forgets all scripts.")
        .complexity("O(N) for N scripts kept.")
        .history(&[("6.2.0", "`ASYNC` and `SYNC`.")]),
    row("kill", Arity::exactly(2), |cx, _| kill(cx, true))
        .flags(&[NOSCRIPT, ALLOW_BUSY])
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .docs("2.6.0", "", "Ends the script that runs.")
        .complexity("O(1)"),
    row("debug", Arity::exactly(3), debug)
        .flags(&[NOSCRIPT])
        .docs("3.2.0", "YES | SYNC | NO", "Sets whether scripts are debugged.")
        .complexity("O(1)"),
    row("show", Arity::exactly(3), show_text).flags(&[NOSCRIPT, STALE]).docs(
        "8.0.0",
        "sha1",
        "Shows the text of a known script.",
    ),
    row("help", Arity::exactly(2), help)
        .flags(&[LOADING, STALE])
        .docs("5.0.0", "", "Describes the subcommands.")
        .complexity("O(1)"),
];

const NO_SCRIPT: Error = Error::fixed("NOSCRIPT No matching script. Please use EVAL.");

const fn row(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Scripting)
}

fn flags_of_eval(server: &Server, args: &Args<'_>, flags: Flags) -> Flags {
    match shebang::of_script(args.get(1)) {
        Ok((declared, _)) if server.script.running.is_none() => declared.of_call(flags),
        _ => flags,
    }
}

fn flags_of_evalsha(server: &Server, args: &Args<'_>, flags: Flags) -> Flags {
    let known = cache::parse_sha(args.get(1)).and_then(|sha| server.script.cache.peek(&sha));
    known.map_or(flags, |script| script.flags.of_call(flags))
}

/// Shows a command that runs a script to monitors, before the commands of the script are shown.
pub fn show(cx: &mut Ctx<'_>, args: Args<'_>) {
    if cx.server.observers.has(Observers::MONITOR) {
        after_call::feed_monitors(cx.server, cx.client, &args);
    }
}

/// How many of the arguments are keys, given by argument 2.
pub fn number_of_keys(args: Args<'_>, not_a_number: Option<Error>) -> Result<usize, Error> {
    let count = args.integer(2).map_err(|error| not_a_number.unwrap_or(error))?;
    if count > (args.len() - 3) as i64 {
        return Err(Error::fixed("ERR Number of keys can't be greater than number of args"));
    }
    usize::try_from(count).map_err(|_| Error::fixed("ERR Number of keys can't be negative"))
}

fn eval(cx: &mut Ctx<'_>, args: Args<'_>, read_only: bool) -> CmdResult {
    show(cx, args);
    let keys = number_of_keys(args, None)?;
    if cx.server.script.running.is_some() {
        return Err(run::NESTED);
    }
    let sha = cx.server.script.add_script(&cx.server.config, args.get(1), true)?;
    run_known(cx, args, &sha, keys, read_only)
}

fn evalsha(cx: &mut Ctx<'_>, args: Args<'_>, read_only: bool) -> CmdResult {
    show(cx, args);
    // What is too short or too long for a digest is so before anything else.
    if args.get(1).len() != 40 {
        return Err(NO_SCRIPT);
    }
    let keys = number_of_keys(args, None)?;
    let sha = cache::parse_sha(args.get(1)).ok_or(NO_SCRIPT)?;
    run_known(cx, args, &sha, keys, read_only)
}

fn run_known(cx: &mut Ctx<'_>, args: Args<'_>, sha: &Sha, keys: usize, read_only: bool) -> CmdResult {
    let script = cx.server.script.cache.use_now(sha).ok_or(NO_SCRIPT)?;
    let (function, name, flags) = (script.function, Rc::clone(&script.name), script.flags);
    run::run(cx, args, Start { function, name, flags, is_script: true, read_only, keys })
}

fn load(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sha = cx.server.script.add_script(&cx.server.config, args.get(2), false)?;
    cx.reply.bulk(&sha);
    Ok(())
}

fn show_text(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const UNKNOWN: Error = Error::fixed("NOSCRIPT No matching script.");
    let sha = cache::parse_sha(args.get(2)).ok_or(UNKNOWN)?;
    cx.reply.bulk(&cx.server.script.cache.peek(&sha).ok_or(UNKNOWN)?.text);
    Ok(())
}

fn exists(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    cx.reply.array(args.len() - 2);
    for digits in args.rest(2) {
        let known = cache::parse_sha(digits).is_some_and(|sha| cx.server.script.cache.contains(&sha));
        cx.reply.integer(i64::from(known));
    }
    Ok(())
}

/// The scripts are dropped here and now whatever is asked for: there is nothing that another thread could take over.
fn flush(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 3 || args.len() == 3 && !args.is(2, "sync") && !args.is(2, "async") {
        return Err(Error::fixed("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    if cx.server.script.running.is_some() {
        return Err(run::NESTED);
    }
    cx.server.script.flush_scripts();
    cx.reply.ok();
    Ok(())
}

/// SCRIPT KILL and FUNCTION KILL: each ends only what is of its kind.
pub fn kill(cx: &mut Ctx<'_>, scripts: bool) -> CmdResult {
    let Some(running) = &mut cx.server.script.running else {
        return Err(Error::fixed("NOTBUSY No scripts in execution right now."));
    };
    if running.wrote {
        return Err(Error::fixed(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the \
             script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        ));
    }
    if running.is_script != scripts {
        return Err(busy_error(running.is_script));
    }
    running.killed = true;
    cx.reply.ok();
    Ok(())
}

/// There is no debugger: scripts run as always, which the client of Redis tells its user as a session that cannot
/// start.
fn debug(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if !["yes", "sync", "no"].iter().any(|word| args.is(2, word)) {
        return Err(Error::fixed("ERR Use SCRIPT DEBUG YES/SYNC/NO"));
    }
    if !args.is(2, "no") {
        log::warn!("There is no debugger of scripts: they run as always.");
    }
    cx.reply.ok();
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "DEBUG (YES|SYNC|NO)",
        "    Set the debug mode for subsequent scripts executed.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Return information about the existence of the scripts in the script cache.",
        "FLUSH [ASYNC|SYNC]",
        "    Flush the Lua scripts cache. Very dangerous on replicas.",
        "    When called without the optional mode argument, the behavior is determined by the",
        "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the scripts cache.",
        "    * SYNC: Synchronously flush the scripts cache.",
        "KILL",
        "    Kill the currently executing Lua script.",
        "LOAD <script>",
        "    Load a script into the scripts cache without executing it.",
        "SHOW <sha1>",
        "    Show a script from the scripts cache.",
    ]);
    Ok(())
}
