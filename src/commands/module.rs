//! MODULE: there are none, and no way to load one, which clients that look for them are told.

use crate::command::error::CmdResult;
use crate::command::gate;
use crate::command::spec::*;
use crate::command::{Args, Ctx, Error};

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("module", SUBCOMMANDS).group(Group::Server).docs(
    "4.0.0",
    "",
    "Lists, loads and unloads modules.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("list", Arity::exactly(2), list)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT])
        .tips(&["nondeterministic_output_order"])
        .docs("4.0.0", "", "Lists the modules."),
    change("load", Arity::at_least(3), load).docs("4.0.0", "path [arg ...]", "Loads a module."),
    change("loadex", Arity::at_least(3), load).docs(
        "7.0.0",
        "path [CONFIG name value [CONFIG name value ...]] [ARGS arg ...]",
        "Loads a module with directives of its own.",
    ),
    change("unload", Arity::exactly(3), unload).docs("4.0.0", "name", "Unloads a module."),
    Command::new("help", Arity::exactly(2), help).group(Group::Server).flags(&[LOADING, STALE]).docs(
        "5.0.0",
        "",
        "Describes the subcommands.",
    ),
];

const fn change(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Server).flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
}

fn list(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply.array(0);
    Ok(())
}

fn load(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    check_permission(cx)?;
    let path = String::from_utf8_lossy(args.get(2));
    log::warn!("Module {path} failed to load: there is no way to load modules.");
    Err(Error::fixed("ERR Error loading the extension. Please check the server logs."))
}

fn unload(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    check_permission(cx)?;
    Err(Error::fixed("ERR Error unloading module: no such module with that name"))
}

/// `enable-module-command` says who may try.
fn check_permission(cx: &Ctx<'_>) -> CmdResult {
    match cx.server.config.enable_module_command.allows(cx.is_local()) {
        true => Ok(()),
        false => Err(gate::protected_error("module")),
    }
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "LIST",
        "    List the modules.",
        "LOAD <path> [<arg> ...]",
        "    Load a module.",
        "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
        "    Load a module with directives of its own.",
        "UNLOAD <name>",
        "    Unload a module.",
    ]);
    Ok(())
}
