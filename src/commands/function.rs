//! FUNCTION, FCALL.

use std::rc::Rc;

use super::script::{ANY_USE, READ, RUNS, RUNS_READ_ONLY, kill, number_of_keys, show};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::persist::rdb::payload;
use crate::script::library::{LOADING_MAX, Restore};
use crate::script::shebang::ScriptFlags;
use crate::server::Server;
use crate::server::execution::gate::busy_error;
use crate::server::execution::{Command, Ctx, Handler};
use crate::server::modes::ServerModes;
use crate::server::scripting::run::{self, Start};
use crate::util::glob;

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("fcall", Arity::at_least(3), |cx, args| fcall(cx, args, false))
        .flags(RUNS)
        .keys(ANY_USE)
        .call_flags(flags_of_call)
        .docs("7.0.0", "function numkeys [key [key ...]] [arg [arg ...]]", "Calls a function.")
        .complexity("Depends on the function."),
    row("fcall_ro", Arity::at_least(3), |cx, args| fcall(cx, args, true))
        .flags(RUNS_READ_ONLY)
        .keys(READ)
        .call_flags(flags_of_call)
        .docs("7.0.0", "function numkeys [key [key ...]] [arg [arg ...]]", "Calls a function that writes nothing.")
        .complexity("Depends on the function."),
    Command::container("function", SUBCOMMANDS).group(Group::Scripting).docs("7.0.0", "", "Manages functions."),
];

const EVERYWHERE: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

const SUBCOMMANDS: &[Command] = &[
    row("load", Arity::at_least(3), load)
        .flags(&[NOSCRIPT, WRITE, DENYOOM])
        .tips(EVERYWHERE)
        .docs("7.0.0", "[REPLACE] function-code", "Loads a library.")
        .complexity("O(1), the compilation aside."),
    row("delete", Arity::exactly(3), delete)
        .flags(&[NOSCRIPT, WRITE])
        .tips(EVERYWHERE)
        .docs("7.0.0", "library-name", "Deletes a library with its functions.")
        .complexity("O(1)"),
    row("flush", Arity::at_least(2), flush)
        .flags(&[NOSCRIPT, WRITE])
        .tips(EVERYWHERE)
        .docs("7.0.0", "[ASYNC | SYNC]", "Deletes all libraries.")
        .complexity("O(N) for N functions."),
    row("restore", Arity::at_least(3), restore)
        .flags(&[NOSCRIPT, WRITE, DENYOOM])
        .tips(EVERYWHERE)
        .docs("7.0.0", "serialized-value [FLUSH | APPEND | REPLACE]", "Loads the libraries of a payload.")
        .complexity("O(N) for N functions of the payload."),
    row("dump", Arity::exactly(2), dump)
        .flags(&[NOSCRIPT])
        .docs("7.0.0", "", "Makes a payload of all libraries.")
        .complexity("O(N) for N functions."),
    row("list", Arity::at_least(2), list)
        .flags(&[NOSCRIPT])
        .tips(&["nondeterministic_output_order"])
        .docs("7.0.0", "[LIBRARYNAME library-name-pattern] [WITHCODE]", "Lists libraries and their functions.")
        .complexity("O(N) for N functions."),
    row("stats", Arity::exactly(2), stats)
        .flags(&[NOSCRIPT, ALLOW_BUSY])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs("7.0.0", "", "Tells what runs, and how many functions there are.")
        .complexity("O(1)"),
    row("kill", Arity::exactly(2), |cx, _| kill(cx, false))
        .flags(&[NOSCRIPT, ALLOW_BUSY])
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .docs("7.0.0", "", "Ends the function that runs.")
        .complexity("O(1)"),
    row("help", Arity::exactly(2), help)
        .flags(&[LOADING, STALE])
        .docs("7.0.0", "", "Describes the subcommands.")
        .complexity("O(1)"),
];

const fn row(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Scripting)
}

fn flags_of_call(server: &Server, args: &Args<'_>, flags: Flags) -> Flags {
    let function = server.script.libraries.function(args.get(1));
    function.map_or(flags, |function| function.flags.of_call(flags))
}

fn fcall(cx: &mut Ctx<'_>, args: Args<'_>, read_only: bool) -> CmdResult {
    show(cx, args);
    let found = cx.server.script.libraries.function(args.get(1));
    let function = found.ok_or(Error::fixed("ERR Function not found"))?;
    let (reference, name, flags) = (function.reference, Rc::clone(&function.name), function.flags);
    let keys = number_of_keys(args, Some(Error::fixed("ERR Bad number of keys provided")))?;
    run::run(cx, args, Start { function: reference, name, flags, is_script: false, read_only, keys })
}

/// Functions are not touched while one runs.
fn idle(cx: &Ctx<'_>) -> CmdResult {
    if cx.server.script.running.is_some() { Err(run::NESTED) } else { Ok(()) }
}

fn load(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    idle(cx)?;
    let last = args.len() - 1;
    for index in 2..last {
        if !args.is(index, "replace") {
            return Err(Error::text([b"ERR Unknown option given: ", args.get(index)].concat()));
        }
    }
    let limit = (!cx.server.modes.has(ServerModes::LOADING)).then_some(LOADING_MAX);
    let name = cx.server.script.load_library(&cx.server.config, args.get(last), last > 2, limit)?;
    cx.db.dirty += 1;
    cx.reply.bulk(&name);
    Ok(())
}

fn delete(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    idle(cx)?;
    if !cx.server.script.delete_library(args.get(2)) {
        return Err(Error::fixed("ERR Library not found"));
    }
    cx.db.dirty += 1;
    cx.reply.ok();
    Ok(())
}

fn flush(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 3 {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    if args.len() == 3 && !args.is(2, "sync") && !args.is(2, "async") {
        return Err(Error::fixed("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    idle(cx)?;
    cx.server.script.flush_functions();
    cx.db.dirty += 1;
    cx.reply.ok();
    Ok(())
}

fn dump(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let texts = cx.server.script.libraries.dump();
    cx.reply.bulk(&payload::dump_functions(&texts, cx.server.config.rdbcompression.is_on()));
    Ok(())
}

fn restore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 4 {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    let how = match () {
        () if args.len() == 3 || args.is(3, "append") => Restore::Append,
        () if args.is(3, "replace") => Restore::Replace,
        () if args.is(3, "flush") => Restore::Flush,
        () => {
            let text = "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
            return Err(Error::fixed(text));
        }
    };
    idle(cx)?;
    let body = payload::verified(args.get(2), false, false);
    let body = body.ok_or(Error::fixed("ERR DUMP payload version or checksum are wrong"))?;
    let texts = payload::functions(body).map_err(|fault| Error::text(format!("ERR {fault}")))?;
    cx.server.script.restore_libraries(&cx.server.config, &texts, how)?;
    cx.db.dirty += 1;
    cx.reply.ok();
    Ok(())
}

fn list(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (mut pattern, mut with_code) = (None, false);
    let mut index = 2;
    while index < args.len() {
        if !with_code && args.is(index, "withcode") {
            with_code = true;
        } else if pattern.is_none() && args.is(index, "libraryname") {
            index += 1;
            pattern = Some(args.try_get(index).ok_or(Error::fixed("ERR library name argument was not given"))?);
        } else {
            return Err(Error::text([b"ERR Unknown argument ", args.get(index)].concat()));
        }
        index += 1;
    }
    let Ctx { server, reply, .. } = cx;
    let head = reply.defer();
    let mut listed = 0;
    for (name, library) in server.script.libraries.iter() {
        let lower = |text: &[u8]| text.to_ascii_lowercase();
        if pattern.is_some_and(|pattern| !glob::matches(&lower(pattern), &lower(name))) {
            continue;
        }
        listed += 1;
        reply.map(if with_code { 4 } else { 3 });
        reply.bulk(b"library_name");
        reply.bulk(name);
        reply.bulk(b"engine");
        reply.bulk(b"LUA");
        reply.bulk(b"functions");
        reply.array(library.functions.len());
        for function in &library.functions {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(&function.name);
            reply.bulk(b"description");
            match &function.description {
                Some(text) => reply.bulk(text),
                None => reply.null(),
            }
            reply.bulk(b"flags");
            let flags = ScriptFlags::NAMES.iter().filter(|(flag, _)| function.flags.has(*flag));
            reply.set(flags.clone().count());
            flags.for_each(|(_, name)| reply.simple(name));
        }
        if with_code {
            reply.bulk(b"library_code");
            reply.bulk(&library.text);
        }
    }
    reply.finish_array(head, listed);
    Ok(())
}

fn stats(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let Ctx { server, reply, .. } = cx;
    if server.script.running.as_ref().is_some_and(|running| running.is_script) {
        return Err(busy_error(true));
    }
    reply.map(2);
    reply.bulk(b"running_script");
    match &server.script.running {
        None => reply.null(),
        Some(running) => {
            let millis = running.millis(&server.clock);
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(&running.name);
            reply.bulk(b"command");
            let request = running.request.view();
            reply.array(request.len());
            (0..request.len()).for_each(|index| reply.bulk(request.get(index)));
            reply.bulk(b"duration_ms");
            reply.integer(millis as i64);
        }
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.integer(server.script.libraries.len() as i64);
    reply.bulk(b"functions_count");
    reply.integer(server.script.libraries.functions_len() as i64);
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Create a new library with the given library name and code.",
        "DELETE <LIBRARY NAME>",
        "    Delete the given library.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    Return general information on all the libraries:",
        "    * Library name",
        "    * The engine used to run the Library",
        "    * Library description",
        "    * Functions list",
        "    * Library code (if WITHCODE is given)",
        "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
        "STATS",
        "    Return information about the current function running:",
        "    * Function name",
        "    * Command used to run the function",
        "    * Duration in MS that the function is running",
        "    If no function is running, return nil",
        "    In addition, returns a list of available engines.",
        "KILL",
        "    Kill the current running function.",
        "FLUSH [ASYNC|SYNC]",
        "    Delete all the libraries.",
        "    When called without the optional mode argument, the behavior is determined by the",
        "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the libraries.",
        "    * SYNC: Synchronously flush the libraries.",
        "DUMP",
        "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
        "    control how to handle existing libraries (default APPEND):",
        "    * FLUSH: delete all existing libraries.",
        "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
        "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
        "      libraries with the new libraries (notice that even on this option there is a chance of failure",
        "      in case of functions name collision with another library).",
    ]);
    Ok(())
}
