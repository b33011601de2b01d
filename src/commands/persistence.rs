//! Saving the data set: SAVE, BGSAVE, LASTSAVE. What they begin stands in [`crate::persist::snapshot`].

use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Ctx, Error};
use crate::persist::fork::Purpose;
use crate::persist::snapshot;

/// What Redis answers when a save failed: the log has more.
const FAILED: Error = Error::fixed("ERR");
const IN_PROGRESS: Error = Error::fixed("ERR Background save already in progress");

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("save", Arity::exactly(1), save)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI])
        .docs("1.0.0", "", "Saves the data set while everybody waits."),
    Command::new("bgsave", Arity::at_least(1), bgsave)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .docs("1.0.0", "[SCHEDULE]", "Saves the data set in the background."),
    Command::new("lastsave", Arity::exactly(1), last_save)
        .group(Group::Server)
        .flags(&[LOADING, STALE, FAST])
        .acl(Categories(Categories::ADMIN.0 | Categories::DANGEROUS.0))
        .tips(&["nondeterministic_output"])
        .docs("1.0.0", "", "Tells when the data set was last saved."),
];

fn save(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    if child(cx) == Some(Purpose::Rdb) {
        return Err(IN_PROGRESS);
    }
    if !snapshot::save_now(cx.server, cx.db) {
        return Err(FAILED);
    }
    cx.reply.ok();
    Ok(())
}

fn child(cx: &Ctx<'_>) -> Option<Purpose> {
    cx.server.persist.child.as_ref().map(|child| child.purpose)
}

fn bgsave(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let schedule = args.is(1, "schedule");
    if args.len() > 2 || args.len() == 2 && !schedule {
        return Err(SYNTAX);
    }
    let in_exec = cx.server.in_exec;
    match child(cx) {
        Some(Purpose::Rdb) => return Err(IN_PROGRESS),
        child if child.is_some() || in_exec => {
            if !schedule && !in_exec {
                return Err(Error::fixed(
                    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order \
                     to schedule a BGSAVE whenever possible.",
                ));
            }
            cx.server.persist.snapshots.scheduled = true;
            cx.reply.simple("Background saving scheduled");
        }
        _ if snapshot::begin(cx.server, cx.db) => cx.reply.simple("Background saving started"),
        _ => return Err(FAILED),
    }
    Ok(())
}

fn last_save(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply.integer(cx.server.persist.snapshots.last_save);
    Ok(())
}
