//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! Between MULTI and EXEC commands are checked and queued. One that is refused dooms the transaction: EXEC answers
//! EXECABORT. A watched key that changed, or expired, since WATCH makes EXEC answer null. What runs inside EXEC sees
//! one point of time, and its effects for others wait until the end.

use crate::acl::Denial;
use crate::acl::log::Context;
use crate::client::{Modes, Transaction, WatchedKey, lifecycle};
use crate::command::effects::Observers;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, CommandId, Ctx, Error, exec};
use crate::db::Key;
use crate::resp::request::OwnedRequest;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("multi", Arity::exactly(1), multi)
        .group(Group::Transactions)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY, NO_QUEUE])
        .docs("1.2.0", "", "Begins a transaction."),
    Command::new("exec", Arity::exactly(1), exec_queue)
        .group(Group::Transactions)
        .flags(&[NOSCRIPT, LOADING, STALE, SKIP_SLOWLOG, NO_QUEUE, RUNS_QUEUE])
        .docs("1.2.0", "", "Runs the commands of a transaction."),
    Command::new("discard", Arity::exactly(1), discard)
        .group(Group::Transactions)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY, NO_QUEUE])
        .docs("2.0.0", "", "Forgets a transaction."),
    Command::new("watch", Arity::at_least(2), watch)
        .group(Group::Transactions)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY, NO_QUEUE])
        .keys(&[Keys::range(1, -1, 1, Access::RO)])
        .docs("2.2.0", "key [key ...]", "Has the next transaction fail if one of these keys changes before it."),
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

/// Queues a command for EXEC. Nothing is kept of a transaction that will fail anyway.
pub fn queue(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>) {
    let flags = cx.server.commands.entry(id).row.flags_of_call(cx.server, args);
    let client = cx.client_mut();
    let doomed = client.dirty;
    if let Some(transaction) = &mut client.transaction
        && !transaction.refused
        && !doomed
    {
        let request = OwnedRequest::copy(args);
        transaction.bytes += request.bytes() + size_of::<(CommandId, OwnedRequest)>();
        transaction.queue.push((id, request));
        transaction.flags = transaction.flags | flags;
        transaction.lacking = transaction.lacking | Flags::ALL.without(flags);
    }
    cx.reply.simple("QUEUED");
}

/// EXEC was refused before it ran: the transaction is over, and the reason is part of the error.
pub fn abort(cx: &mut Ctx<'_>, error: &Error) {
    end(cx);
    let reason = String::from_utf8_lossy(error.line());
    let reason = reason.strip_prefix("ERR ").unwrap_or(&reason);
    cx.reply.error(format!("EXECABORT Transaction discarded because of: {reason}"));
    cx.server.stats.count_error(b"EXECABORT");
}

/// Ends the client's transaction and returns it.
fn end(cx: &mut Ctx<'_>) -> Option<Box<Transaction>> {
    lifecycle::unwatch(cx.server, cx.client);
    let client = cx.client_mut();
    client.modes.set(Modes::MULTI, false);
    client.transaction.take()
}

fn exec_queue(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    if cx.client().transaction.is_none() {
        return Err(Error::fixed("ERR EXEC without MULTI"));
    }
    let stale = cx.client().dirty || watched_key_expired(cx);
    let Some(transaction) = end(cx) else { return Ok(()) };
    if transaction.refused {
        return Err(Error::fixed("EXECABORT Transaction discarded because of previous errors."));
    }
    if stale {
        cx.reply.null_array();
        return Ok(());
    }
    cx.reply.array(transaction.queue.len());
    cx.server.in_exec = true;
    for (id, request) in &transaction.queue {
        cx.command = *id;
        let db = cx.client().db;
        cx.db.select(db);
        let args = Args::from(request.view());
        match cx.check_rights(*id, &args) {
            Ok(()) => exec::call(cx, *id, args),
            Err(denial) => refuse(cx, *id, &args, denial),
        }
    }
    cx.server.in_exec = false;
    Ok(())
}

/// Answers a queued command that its user may not run any more.
fn refuse(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>, denial: Denial) {
    cx.log_denial(id, args, denial, Context::Multi);
    let reason = match denial {
        Denial::Command => "no permission to execute the command or subcommand",
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
    end(cx);
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
