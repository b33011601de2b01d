//! Saving the data set: SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, and WAITAOF. What they begin stands in
//! [`crate::server::persistence::snapshot`] and [`crate::persist::aof`].

use crate::client::durability::{Durability, ReplyShape};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::{Choice, SnapshotMethod};
use crate::persist::fork::Purpose;
use crate::server::clients::blocking::durability;
use crate::server::execution::{Command, Ctx};
use crate::server::persistence::{aof_rewrite, snapshot};

/// What Redis answers when a save failed: the log has more.
const FAILED: Error = Error::fixed("ERR");
const IN_PROGRESS: Error = Error::fixed("ERR Background save already in progress");

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("save", Arity::exactly(1), save)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI])
        .docs("1.0.0", "", "Saves the data set while everybody waits.")
        .complexity("O(N) for N keys of all databases."),
    Command::new("bgsave", Arity::at_least(1), bgsave)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .docs("1.0.0", "[CANCEL | [SCHEDULE] [FORK | FORKLESS]]", "Saves the data set in the background.")
        .complexity("O(1)")
        .history(&[("3.2.2", "`SCHEDULE`.")]),
    Command::new("bgrewriteaof", Arity::exactly(1), rewrite_log)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING])
        .docs("1.0.0", "", "Rewrites the append-only file in the background.")
        .complexity("O(1)"),
    Command::new("lastsave", Arity::exactly(1), last_save)
        .group(Group::Server)
        .flags(&[LOADING, STALE, FAST])
        .acl(Categories(Categories::ADMIN.0 | Categories::DANGEROUS.0))
        .tips(&["nondeterministic_output"])
        .docs("1.0.0", "", "Tells when the data set was last saved."),
    Command::new("waitaof", Arity::exactly(4), wait_aof)
        .group(Group::Generic)
        .flags(&[BLOCKING])
        .acl(Categories::CONNECTION)
        .outside_group_category()
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .docs(
            "7.2.0",
            "numlocal numreplicas timeout",
            "Waits until earlier writes are on the disk, here and at replicas.",
        )
        .complexity("O(1)"),
];

fn save(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    if matches!(child(cx), Some(Purpose::Rdb | Purpose::Sync)) {
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
    if args.len() == 2 && args.is(1, "cancel") {
        return cancel(cx);
    }
    let schedule = args.is(1, "schedule");
    let method = match args.len() - usize::from(schedule) {
        1 => None,
        2 => Some(SnapshotMethod::from_name(args.get(args.len() - 1)).ok_or(SYNTAX)?),
        _ => return Err(SYNTAX),
    };
    let in_exec = cx.server.in_exec;
    match child(cx) {
        Some(Purpose::Rdb | Purpose::Sync) => return Err(IN_PROGRESS),
        child if child.is_some() || in_exec => {
            if !schedule && !in_exec {
                return Err(Error::fixed(
                    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order \
                     to schedule a BGSAVE whenever possible.",
                ));
            }
            let snapshots = &mut cx.server.persist.snapshots;
            (snapshots.scheduled, snapshots.scheduled_method) = (true, method);
            cx.reply.simple("Background saving scheduled");
        }
        _ if snapshot::begin(cx.server, cx.db, method) => cx.reply.simple("Background saving started"),
        _ => return Err(FAILED),
    }
    Ok(())
}

/// BGSAVE CANCEL: ends a save in the background, or forgets one that waits.
fn cancel(cx: &mut Ctx<'_>) -> CmdResult {
    let snapshots = &mut cx.server.persist.snapshots;
    if matches!(&cx.server.persist.child, Some(child) if child.purpose != Purpose::AofRewrite) {
        log::info!("Background saving will be aborted due to user request");
        snapshot::kill_child(cx.server);
        cx.reply.simple("Background saving cancelled");
    } else if std::mem::take(&mut snapshots.scheduled) {
        log::info!("Scheduled background saving will be cancelled due to user request");
        cx.reply.simple("Scheduled background saving cancelled");
    } else {
        return Err(Error::fixed("ERR Background saving is currently not in progress or scheduled"));
    }
    Ok(())
}

fn rewrite_log(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    match child(cx) {
        Some(Purpose::AofRewrite) => {
            return Err(Error::fixed("ERR Background append only file rewriting already in progress"));
        }
        child if child.is_some() || cx.server.in_exec || cx.server.persist.rewrites_wait() => {
            let rewrites = &mut cx.server.persist.aof.rewrites;
            // Whoever asks for it does not want it to wait because others failed.
            (rewrites.scheduled, rewrites.failures) = (true, 0);
            cx.reply.simple("Background append only file rewriting scheduled");
        }
        _ if aof_rewrite::begin(cx.server, cx.db) => cx.reply.simple("Background append only file rewriting started"),
        _ => {
            return Err(Error::fixed(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
            ));
        }
    }
    Ok(())
}

/// Waits until what the client wrote is on the disk, here and at replicas.
fn wait_aof(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const LOCAL_RANGE: Error = Error::fixed("ERR value is out of range, value must between 0 and 1");
    let local = args.integer(1).and_then(|local| u32::try_from(local).map_err(|_| LOCAL_RANGE))?;
    if local > 1 {
        return Err(LOCAL_RANGE);
    }
    let replicas = args.positive(2)? as u32;
    let deadline_ms = args.timeout_ms(3, cx.clock_ms())?;
    if cx.server.is_replica() {
        return Err(Error::fixed(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.",
        ));
    }
    if local > 0 && !cx.server.config.appendonly {
        return Err(durability::NO_LOG);
    }
    let (written, offset) = (cx.client().written, cx.client().last_write_offset);
    let wanted = Durability { local, replicas, written, offset, shape: ReplyShape::Both };
    cx.block_until_durable(&args, wanted, deadline_ms)
}

fn last_save(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply.integer(cx.server.persist.snapshots.last_save);
    Ok(())
}
