//! CONFIG: reading and changing directives while the server runs.

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::{Access as ConfigAccess, Config, Directive, Rewrite, SetError, flags};
use crate::db::slot::SLOTS;
use crate::resp::request::ArgView;
use crate::server::apply;
use crate::server::clients::users;
use crate::server::execution::{Command, Ctx};
use crate::util::platform::os_error_text;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("config", SUBCOMMANDS).group(Group::Server).docs(
    "2.0.0",
    "",
    "Reads and changes the server's configuration.",
)];

/// Hints that a client sends it to every node of a cluster.
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const SUBCOMMANDS: &[Command] = &[
    Command::new("get", Arity::at_least(3), get)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .docs("2.0.0", "parameter [parameter ...]", "Tells the values of the directives that match patterns.")
        .complexity("O(N) for N directives.")
        .history(&[("7.0.0", "Several patterns.")]),
    Command::new("set", Arity::at_least(4), set)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .secrets(secret_values)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.0.0", "parameter value [parameter value ...]", "Gives directives new values, all of them or none.")
        .complexity("O(N) for N directives.")
        .history(&[("7.0.0", "Several directives.")]),
    Command::new("resetstat", Arity::exactly(2), reset_stat)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(EVERYWHERE)
        .docs("2.0.0", "", "Has the statistics that INFO shows start at zero again.")
        .complexity("O(1)"),
    Command::new("rewrite", Arity::exactly(2), rewrite)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(EVERYWHERE)
        .docs("2.8.0", "", "Writes the present configuration to the configuration file.")
        .complexity("O(1)"),
    Command::new("help", Arity::exactly(2), help)
        .group(Group::Server)
        .flags(&[LOADING, STALE])
        .docs("5.0.0", "", "Describes the subcommands.")
        .complexity("O(1)"),
];

fn get(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let patterns: Vec<&[u8]> = args.rest(2).collect();
    let found = cx.server.config.get(&patterns);
    cx.reply.map(found.len());
    for (name, value) in &found {
        cx.reply.bulk(name);
        cx.reply.bulk(value);
    }
    Ok(())
}

fn set(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if !args.len().is_multiple_of(2) {
        return Err(crate::command::error::SYNTAX);
    }
    let pairs: Vec<(&[u8], &[u8])> = args.rest(2).step_by(2).zip(args.rest(3).step_by(2)).collect();
    let access = ConfigAccess { loading: cx.server.loading.is_some(), local_client: cx.is_local() };
    let changes = cx.server.config.set_many(&pairs, access).map_err(set_error)?;
    apply::apply(cx.server, cx.db, &changes).map_err(set_error)?;
    cx.reply.ok();
    Ok(())
}

fn set_error(error: SetError) -> Error {
    let code = if error == SetError::Loading { "LOADING" } else { "ERR" };
    Error::text(format!("{code} {error}"))
}

/// The values of directives that hold passwords.
fn secret_values(args: &ArgView<'_>) -> Vec<usize> {
    let is_secret =
        |name: &usize| Directive::find(args.get(*name)).is_some_and(|(directive, _)| directive.is(flags::SENSITIVE));
    (2..args.len()).step_by(2).filter(is_secret).map(|name| name + 1).filter(|value| *value < args.len()).collect()
}

fn reset_stat(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.server.stats.reset();
    cx.server.repl.counts = Default::default();
    cx.server.persist.snapshots.saves = 0;
    cx.server.commands.reset_stats();
    cx.db.stats = Default::default();
    cx.db.lazyfree.reset_freed();
    cx.server.script.evicted = 0;
    cx.server.slot_usage.iter_mut().for_each(|usage| usage.reset(0..SLOTS as u16));
    cx.reply.ok();
    Ok(())
}

fn rewrite(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let users = users::config_lines(cx.server).map_err(|reason| {
        log::warn!("CONFIG REWRITE failed: {reason}");
        Error::text([b"ERR Rewriting config file: ", reason.as_bytes()].concat())
    })?;
    let config = &cx.server.config;
    let Some(path) = &config.config_file else {
        return Err(Error::fixed("ERR The server is running without a config file"));
    };
    let rewrite = Rewrite { users: Some(&users), ..Rewrite::default() };
    // Whom a node of a cluster follows is in its nodes.conf.
    let own = config.cluster_enabled.then(|| Config { replicaof: None, ..config.clone() });
    if let Err(error) = rewrite.write(own.as_ref().unwrap_or(config), path) {
        let error = os_error_text(&error);
        log::warn!("CONFIG REWRITE failed: {error}");
        return Err(Error::text(format!("ERR Rewriting config file: {error}")));
    }
    log::warn!("CONFIG REWRITE executed with success.");
    cx.reply.ok();
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "GET <pattern> [<pattern> ...]",
        "    Names and values of the directives that match one of the patterns.",
        "SET <directive> <value> [<directive> <value> ...]",
        "    Give directives new values; when one is refused, none is changed.",
        "RESETSTAT",
        "    Start the statistics of INFO anew.",
        "REWRITE",
        "    Write the present configuration to the configuration file.",
    ]);
    Ok(())
}
