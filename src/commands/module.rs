//! MODULE: what Redis brings as modules is listed, and no other can be loaded.

use crate::command::error::CmdResult;
use crate::command::modules::MODULES;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::execution::{Command, Ctx, Handler};
use crate::server::start::modules;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("module", SUBCOMMANDS).group(Group::Server).docs(
    "4.0.0",
    "",
    "Loads, unloads and lists modules.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("list", Arity::exactly(2), list)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT])
        .tips(&["nondeterministic_output_order"])
        .docs("4.0.0", "", "Lists the modules.")
        .complexity("O(N) for N modules."),
    change("load", Arity::at_least(3), load)
        .docs("4.0.0", "path [arg [arg ...]]", "Loads a module.")
        .complexity("O(1)"),
    change("loadex", Arity::at_least(3), load)
        .docs(
            "7.0.0",
            "path [CONFIG name value [CONFIG name value ...]] [ARGS args [args ...]]",
            "Loads a module that is given settings.",
        )
        .complexity("O(1)"),
    change("unload", Arity::exactly(3), unload).docs("4.0.0", "name", "Unloads a module.").complexity("O(1)"),
    Command::new("help", Arity::exactly(2), help)
        .group(Group::Server)
        .flags(&[LOADING, STALE])
        .docs("5.0.0", "", "Describes the subcommands.")
        .complexity("O(1)"),
];

const fn change(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Server).flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, GUARDED_MODULES])
}

fn list(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    reply_list(cx.reply);
    Ok(())
}

/// The modules, as MODULE LIST and HELLO show them. Those that are built in come from no file.
pub fn reply_list(reply: &mut Reply) {
    reply.array(MODULES.len());
    for module in MODULES {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(module.name.as_bytes());
        reply.bulk(b"ver");
        reply.integer(module.version.into());
        reply.bulk(b"path");
        reply.bulk(b"");
        reply.bulk(b"args");
        reply.array(0);
    }
}

fn load(_: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    modules::refuse(args.get(2));
    Err(Error::fixed("ERR Error loading the extension. Please check the server logs."))
}

fn unload(_: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let is_built_in = MODULES.iter().any(|module| module.name.as_bytes() == args.get(2));
    Err(match is_built_in {
        true => Error::fixed("ERR Error unloading module: the module is built in"),
        false => Error::fixed("ERR Error unloading module: no such module with that name"),
    })
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "LIST",
        "    List the modules that are built in.",
        "LOAD <path> [<arg> ...]",
        "    Load a module, which fails: this server does not run any.",
        "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
        "    The same, with settings.",
        "UNLOAD <name>",
        "    Unload a module.",
    ]);
    Ok(())
}
