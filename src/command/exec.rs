//! From a framed request to its effects: resolve, gate, call, count.

use super::args::shown;
use super::error::{CmdResult, Error};
use super::gate::{self, Verdict};
use super::spec::SKIP_SLOWLOG;
use super::{Args, CommandId, Ctx, effects};
use crate::client::{Blocked, BlockedFor, Modes, ReplyMode};
use crate::resp::request::{ArgView, OwnedRequest};

/// A command that took longer than this has the wall clock read anew, in microseconds.
const SLOW_ENOUGH_TO_LOOK_AT_THE_CLOCK_US: u64 = 500;

/// Runs one request of a client, the answer included: the entry from the event loop.
#[inline]
pub fn process(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>) {
    let Some(id) = resolved else { return refuse(cx, None, unknown_command(&args)) };
    let row = cx.server.commands.entry(id).row;
    cx.command = id;
    // The subcommand of a container has been resolved already, unless there is none of that name.
    if args.len() > 1 && !row.subcommands.is_empty() {
        let error = cx.unknown_subcommand(args.get(1));
        return refuse(cx, None, error);
    }
    if !row.arity.allows(args.len()) {
        return refuse(cx, Some(id), Error::wrong_arity(&cx.server.commands.entry(id).full_name));
    }
    let client = cx.server.clients.at_mut(cx.client);
    client.last_command = Some(id);
    let db = client.db;
    if client.modes != Modes::default() || cx.server.modes.any() || row.flags.has(gate::ALWAYS_CHECKED) {
        cx.server.instruct(cx.db);
        match gate::check(cx, id) {
            Verdict::Run => {}
            Verdict::Refuse(error) => return refuse(cx, Some(id), error),
            Verdict::Queue => return crate::commands::transaction::queue(cx, id, &args),
            Verdict::Postpone => return postpone(cx, id, &args),
            Verdict::Disconnect => return disconnect(cx),
        }
    }
    cx.db.begin_command(db, cx.server.clock.unix_ms());
    call(cx, id, args);
    if cx.server.observers.any() {
        effects::finish(cx);
    }
}

/// Calls a command: for a client, from a transaction, or again after it was blocked.
pub fn call(cx: &mut Ctx<'_>, id: CommandId, args: Args<'_>) {
    let row = cx.server.commands.entry(id).row;
    let started = cx.server.clock.now();
    let mark = cx.reply.mark();
    let errors = cx.server.stats.error_replies;
    let dirty = cx.db.dirty;
    if let Err(error) = (row.handler)(cx, args) {
        cx.reply.truncate(mark);
        cx.reply.error(error.line());
    }
    let ended = cx.server.clock.tick();
    let nanos = cx.server.clock.nanos_between(started, ended);
    let micros = nanos / 1000;
    let track = cx.server.config.latency_tracking;
    let stats = cx.server.commands.stats_mut(id);
    stats.calls += 1;
    stats.micros += micros;
    if track && !cx.server.clients.at(cx.client).is_blocked() {
        stats.latency.get_or_insert_default().record(nanos);
    }
    cx.server.stats.commands += 1;
    // What a transaction's commands answered has been counted with them. (CONFIG RESETSTAT counts from zero again.)
    let counted = cx.server.stats.error_replies.saturating_sub(errors) as usize;
    let mut failed = false;
    for code in cx.reply.errors_since(mark).skip(counted) {
        failed = true;
        cx.server.stats.count_error(code);
    }
    cx.server.commands.stats_mut(id).failed += u64::from(failed);
    if micros >= SLOW_ENOUGH_TO_LOOK_AT_THE_CLOCK_US {
        cx.server.clock.read_wall();
        cx.server.latency.sample_command(row.flags, micros, cx.server.clock.unix_ms());
    }
    let limit = cx.server.config.slowlog_log_slower_than_us;
    if limit >= 0 && micros >= limit as u64 && !row.flags.has(SKIP_SLOWLOG) {
        cx.server.log_slow_command(cx.client, &args, micros);
    }
    if cx.server.observers.any() {
        effects::after_call(cx, id, &args, cx.db.dirty != dirty);
    }
}

/// Answers with an error a command that was not run. In a transaction it dooms the EXEC.
fn refuse(cx: &mut Ctx<'_>, id: Option<CommandId>, error: Error) {
    if let Some(id) = id {
        cx.server.commands.stats_mut(id).rejected += 1;
        if cx.server.commands.entry(id).row.flags.has(super::spec::RUNS_QUEUE) {
            return crate::commands::transaction::abort(cx, &error);
        }
    }
    if let Some(transaction) = &mut cx.client_mut().transaction {
        transaction.refused = true;
    }
    let mark = cx.reply.mark();
    cx.reply.error(error.line());
    cx.reply.errors_since(mark).for_each(|code| cx.server.stats.count_error(code));
}

/// The error for a name nobody knows. Like the C strings it is made of in Redis, an argument ends at a NUL here.
fn unknown_command(args: &Args<'_>) -> Error {
    let mut line = [b"ERR unknown command '", shown(args.get(0)), b"', with args beginning with: "].concat();
    let end = line.len() + 128;
    for arg in args.rest(1) {
        if line.len() >= end {
            break;
        }
        let arg = shown(arg);
        let room = arg.len().min(end - line.len());
        line.push(b'\'');
        line.extend_from_slice(&arg[..room]);
        line.extend_from_slice(b"' ");
    }
    Error::text(line)
}

/// Keeps a command until the pause ends.
fn postpone(cx: &mut Ctx<'_>, id: CommandId, args: &ArgView<'_>) {
    let db = cx.client().db;
    let blocked = Blocked {
        reason: BlockedFor::Pause,
        deadline_ms: None,
        keys: Vec::new(),
        db,
        request: OwnedRequest::copy(args),
        command: id,
        null_array: false,
    };
    cx.server.block(cx.client, blocked);
}

fn disconnect(cx: &mut Ctx<'_>) {
    log::warn!(
        "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is \
         likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. \
         Connection aborted."
    );
    cx.server.clients.close_soon(cx.client);
}

/// Applies CLIENT REPLY to what a command answered: cuts it off where the client wants silence.
pub fn apply_reply_mode(cx: &mut Ctx<'_>, mark: crate::resp::reply::Mark) {
    let client = cx.server.clients.at_mut(cx.client);
    match client.reply_mode {
        ReplyMode::On => client.modes.set(Modes::REPLY_OFF, false),
        ReplyMode::Off => cx.reply.truncate(mark),
        ReplyMode::SkipNext => {
            cx.reply.truncate(mark);
            client.reply_mode = ReplyMode::Skip;
        }
        ReplyMode::Skip => {
            cx.reply.truncate(mark);
            client.reply_mode = ReplyMode::On;
            client.modes.set(Modes::REPLY_OFF, false);
        }
    }
}
