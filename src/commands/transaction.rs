//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! Between MULTI and EXEC commands are checked and queued. One that is refused dooms the transaction: EXEC answers
//! EXECABORT. A watched key that changed, or expired, since WATCH makes EXEC answer null. What runs inside EXEC sees
//! one point of time, and its effects for others wait until the end.

use crate::client::acl::Denial;
use crate::client::acl::log::Context;
use crate::client::{Modes, WatchedKey};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, CommandId, Error};
use crate::db::Key;
use crate::server::clients::lifecycle;
use crate::server::effects::Observers;
use crate::server::execution::{Command, Ctx, call, queue};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("multi", Arity::exactly(1), multi)
        .group(Group::Transactions)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY, NO_QUEUE])
        .docs("1.2.0", "", "Begins a transaction."),
    Command::new("exec", Arity::exactly(1), exec_queue)
        .group(Group::Transactions)
        .flags(&[NOSCRIPT, LOADING, STALE, SKIP_SLOWLOG, NO_QUEUE, RUNS_QUEUE])
        .docs("1.2.0", "", "Runs the commands of a transaction.")
        .complexity("Depends on the commands queued."),
    Command::new("discard", Arity::exactly(1), discard)
        .group(Group::Transactions)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY, NO_QUEUE])
        .docs("2.0.0", "", "Forgets a transaction.")
        .complexity("O(N) for N commands queued."),
    Command::new("watch", Arity::at_least(2), watch)
        .group(Group::Transactions)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY, NO_QUEUE])
        .keys(&[Keys::range(1, -1, 1, Access::RO)])
        .docs("2.2.0", "key [key ...]", "Has the next transaction fail if one of these keys changes before it.")
        .complexity("O(1) for each key."),
    Command::new("unwatch", Arity::exactly(1), unwatch)
        .group(Group::Transactions)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY])
        .docs("2.2.0", "", "Forgets the watched keys."),
];

fn multi(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let client = cx.client_mut();
    if client.transaction.is_some() {
        return Err(Error::fixed("ERR MULTI calls can not be nested"));
    }
    client.transaction = Some(Box::default());
    client.modes.set(Modes::MULTI, true);
    cx.reply.ok();
    Ok(())
}

fn exec_queue(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    if cx.client().transaction.is_none() {
        return Err(Error::fixed("ERR EXEC without MULTI"));
    }
    let stale = cx.client().dirty || watched_key_expired(cx);
    let Some(transaction) = queue::end(cx) else { return Ok(()) };
    if transaction.refused {
        return Err(Error::fixed("EXECABORT Transaction discarded because of previous errors."));
    }
    if stale {
        cx.reply.null_array();
        return Ok(());
    }
    cx.reply.array(transaction.queue.len());
    cx.server.in_exec = true;
    // A client that has itself closed is told nothing behind that; the rest runs nevertheless.
    let mut last_words = None;
    for (id, request) in &transaction.queue {
        cx.command = *id;
        let db = cx.client().db;
        cx.db.select(db);
        let args = Args::from(request.view());
        match cx.check_rights(*id, &args) {
            Ok(()) => call::call(cx, *id, args),
            Err(denial) => refuse(cx, *id, &args, denial),
        }
        if last_words.is_none() && cx.client().modes.has(Modes::CLOSING) {
            last_words = Some(cx.reply.mark());
        }
    }
    if let Some(end) = last_words {
        cx.reply.truncate(end);
    }
    cx.server.in_exec = false;
    cx.server.frozen_time_us = None;
    Ok(())
}

/// Answers a queued command that its user may not run any more.
fn refuse(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>, denial: Denial) {
    cx.log_denial(id, args, denial, Context::Multi);
    let reason = match denial {
        Denial::Command => "no permission to execute the command or subcommand",
        Denial::Database(_) => "no permission to access the database",
        Denial::Key(_) => "no permission to touch the specified keys",
        Denial::Channel(_) => "no permission to access one of the channels used as arguments",
    };
    cx.reply.error(format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
         is no longer allowed for the following reason: {reason}"
    ));
    cx.server.stats.count_error(b"NOPERM");
}

/// Whether a watched key's time has come since it was watched.
fn watched_key_expired(cx: &mut Ctx<'_>) -> bool {
    let now_ms = cx.now_ms();
    cx.client().watched.iter().any(|watched| {
        let key = Key::new(&watched.key);
        let entry = cx.db.database(watched.db).dict.find(key.hash(), key.bytes());
        let due = entry.is_some_and(|entry| entry.is_due(now_ms));
        due && !cx.server.watches.was_expired(cx.client, watched.db, key.bytes())
    })
}

fn discard(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    if cx.client().transaction.is_none() {
        return Err(Error::fixed("ERR DISCARD without MULTI"));
    }
    queue::end(cx);
    cx.reply.ok();
    Ok(())
}

fn watch(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if cx.client().transaction.is_some() {
        return Err(Error::fixed("ERR WATCH inside MULTI is not allowed"));
    }
    let (db, now_ms) = (cx.db.selected(), cx.now_ms());
    // A transaction that will fail anyway needs no more reasons.
    if !cx.client().dirty {
        for key in args.keys(1, 1) {
            let entry = cx.db.dict().find(key.hash(), key.bytes());
            let was_expired = entry.is_some_and(|entry| entry.is_due(now_ms));
            if cx.server.watches.add(cx.client, db, key.bytes(), was_expired) {
                let watched = WatchedKey { db, key: key.bytes().into() };
                let client = cx.server.clients.at_mut(cx.client);
                client.watched_bytes += size_of::<WatchedKey>() + watched.key.len();
                client.watched.push(watched);
                cx.server.clients.watching += usize::from(client.watched.len() == 1);
            }
        }
        cx.server.observers.set(Observers::WATCH, true);
    }
    cx.reply.ok();
    Ok(())
}

fn unwatch(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    lifecycle::unwatch(cx.server, cx.client);
    cx.reply.ok();
    Ok(())
}
