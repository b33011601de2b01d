//! BACKUP: a copy of the data set in files, made while it is written to. What it begins stands in
//! [`crate::server::persistence::backup`].

use std::os::unix::ffi::OsStrExt;

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Databases;
use crate::server::Server;
use crate::server::execution::{Command, Ctx};
use crate::server::persistence::backup;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("backup", SUBCOMMANDS).group(Group::Server).docs(
    "8.10.0",
    "",
    "Makes copies of the data set in files.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("start", Arity::exactly(2), |cx, _| act(cx, backup::start))
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT])
        .docs("8.10.0", "", "Begins a backup.")
        .complexity("O(1)"),
    Command::new("seal", Arity::exactly(2), |cx, _| act(cx, backup::seal))
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT])
        .docs("8.10.0", "", "Ends a backup, which holds all that was done up to then.")
        .complexity("O(1)"),
    Command::new("abort", Arity::exactly(2), |cx, _| act(cx, backup::abort))
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT])
        .docs("8.10.0", "", "Gives up a backup that is being made.")
        .complexity("O(1)"),
    Command::new("cleanup", Arity::exactly(2), |cx, _| act(cx, backup::clean_up))
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT])
        .docs("8.10.0", "", "Deletes the files of a backup that has ended.")
        .complexity("O(1)"),
    Command::new("status", Arity::exactly(2), status)
        .group(Group::Server)
        .flags(&[ADMIN, STALE])
        .docs("8.10.0", "", "Tells how far the backup is.")
        .complexity("O(1)"),
    Command::new("list", Arity::exactly(2), list)
        .group(Group::Server)
        .flags(&[ADMIN, STALE])
        .docs("8.10.0", "", "Tells the files of the backup that change no more.")
        .complexity("O(1)"),
    Command::new("help", Arity::exactly(2), help).group(Group::Server).flags(&[LOADING, STALE]).docs(
        "8.10.0",
        "",
        "Describes the subcommands.",
    ),
];

fn act(cx: &mut Ctx<'_>, action: fn(&mut Server, &mut Databases) -> Result<(), String>) -> CmdResult {
    action(cx.server, cx.db).map_err(|error| Error::text(format!("ERR {error}")))?;
    cx.reply.ok();
    Ok(())
}

fn status(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let backup = &cx.server.persist.backup;
    cx.reply.map(4);
    for (name, text) in [("state", backup.state.name()), ("error", &backup.error)] {
        cx.reply.bulk(name.as_bytes());
        cx.reply.bulk(text.as_bytes());
    }
    for (name, seconds) in [("start_time", backup.start_s), ("end_time", backup.end_s)] {
        cx.reply.bulk(name.as_bytes());
        cx.reply.integer(seconds);
    }
    Ok(())
}

fn list(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let files = cx.server.persist.backup.files();
    cx.reply.array(files.len());
    files.iter().for_each(|file| cx.reply.bulk(file.as_os_str().as_bytes()));
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "ABORT",
        "    Give up a backup that is being made.",
        "CLEANUP",
        "    Delete the files of a backup that has ended.",
        "LIST",
        "    Tell the paths of the files that change no more.",
        "SEAL",
        "    End the backup with all that was done up to now.",
        "START",
        "    Begin a backup in the folder 'backupdirname'.",
        "STATUS",
        "    Tell how far the backup is, and why it failed.",
    ]);
    Ok(())
}
