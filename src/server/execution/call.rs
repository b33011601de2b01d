//! A call of a handler: time, statistics, errors, logs of commands.

use super::{Ctx, after_call};
use crate::command::spec::{BLOCKING, RUNS_SCRIPT, SKIP_SLOWLOG};
use crate::command::{Args, CommandId, Error, keys};
use crate::resp::reply::Mark;
use crate::server::effects::Observers;
use crate::server::observe::command_log::Measured;
use crate::server::observe::hotkeys::Observed;
use crate::server::observe::slot_usage::Usage;
use crate::util::clock::Ticks;
use crate::util::histogram::Histogram;

/// A command that took longer than this has the wall clock read anew, in nanoseconds.
const SLOW_ENOUGH_TO_LOOK_AT_THE_CLOCK_NS: u64 = 500_000;

/// Calls a command: from a transaction or script, or again after it was blocked.
pub fn call(cx: &mut Ctx<'_>, id: CommandId, args: Args<'_>) {
    let again = cx.server.rerunning.is_some();
    run(cx, id, || args, again);
}

/// [`call`] for a request that has just come, as a part of its caller.
#[inline(always)]
pub fn call_new<'a>(cx: &mut Ctx<'_>, id: CommandId, args: impl Fn() -> Args<'a>) {
    run(cx, id, args, false);
}

/// The arguments are made where they are used: so the handler gets them without a copy.
#[inline(always)]
fn run<'a>(cx: &mut Ctx<'_>, id: CommandId, args: impl Fn() -> Args<'a>, again: bool) {
    let row = cx.server.rows.row(id);
    let started = cx.server.clock.now();
    let mark = cx.reply.mark();
    let dirty = cx.db.dirty;
    if let Err(error) = (row.handler)(cx, args()) {
        reply_error(cx, mark, &error);
    }
    // A command that blocks counts when it ends.
    let ends = !row.spec.flags.has(BLOCKING) || cx.client().blocked.is_none();
    let ended = cx.server.clock.tick();
    let nanos = cx.server.clock.nanos_between(started, ended);
    let track = cx.server.config.latency_tracking;
    let stats = cx.server.commands.stats_mut(id);
    stats.nanos += nanos;
    if ends {
        stats.calls += 1;
        if track {
            match &mut stats.latency {
                Some(latency) => latency.record(nanos),
                None => begin_latency(&mut stats.latency, nanos),
            }
        }
        cx.server.stats.commands += 1;
    } else if let Some(blocked) = &mut cx.client_mut().blocked {
        blocked.nanos += nanos;
    }
    let limits = &cx.server.command_log.limits;
    let may_be_large = args().may_take(limits.buffer) | cx.reply.may_hold(limits.buffer);
    let is_slow = nanos >= limits.nanos.min(SLOW_ENOUGH_TO_LOOK_AT_THE_CLOCK_NS);
    if is_slow | may_be_large | cx.reply.has_errors_since(mark) | cx.server.observers.any() {
        let called = Called { started, nanos, mark, ends, again, changed: cx.db.dirty > dirty };
        follow_up(cx, id, &args(), called);
    }
}

/// How a call went.
#[derive(Clone, Copy, Debug)]
struct Called {
    started: Ticks,
    nanos: u64,
    /// Where its reply begins.
    mark: Mark,
    /// It does not wait for anything.
    ends: bool,
    /// It waited before.
    again: bool,
    /// It changed data.
    changed: bool,
}

#[cold]
fn begin_latency(latency: &mut Option<Box<Histogram>>, nanos: u64) {
    latency.get_or_insert_default().record(nanos);
}

#[cold]
fn reply_error(cx: &mut Ctx<'_>, mark: Mark, error: &Error) {
    cx.reply.truncate(mark);
    cx.reply.error(error.line());
}

/// What is not to be done after each call: errors, time and logs, and those who look on.
#[inline(never)]
fn follow_up(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>, called: Called) {
    let Called { started, nanos, mark, ends, again, changed } = called;
    if cx.reply.has_errors_since(mark) {
        count_errors(cx, id, mark);
    }
    if nanos >= SLOW_ENOUGH_TO_LOOK_AT_THE_CLOCK_NS {
        cx.server.clock.read_wall();
        let flags = cx.server.commands.entry(id).row.flags;
        cx.server.latency.sample_command(flags, nanos / 1000, cx.server.clock.unix_ms());
    }
    let limits = &cx.server.command_log.limits;
    let may_be_large = args.may_take(limits.buffer) | cx.reply.may_hold(limits.buffer);
    if (nanos >= limits.nanos) | may_be_large && ends {
        log_command(cx, id, args, started, nanos, mark);
    }
    if cx.server.observers.any() {
        if ends && cx.server.observers.has(Observers::HOTKEYS) {
            note_hot_keys(cx, id, args, nanos, mark);
        }
        if ends && cx.server.observers.has(Observers::SLOT_USAGE) {
            note_slot_usage(cx, id, args, nanos, mark);
        }
        after_call::after_call(cx, id, args, changed, again);
    }
}

/// Enters a command that may have taken long or been large into the logs, unless these are not for it. What a script
/// calls was not sent by anybody.
#[cold]
fn log_command(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>, started: Ticks, nanos: u64, mark: Mark) {
    if cx.server.commands.entry(id).row.flags.has(SKIP_SLOWLOG) {
        return;
    }
    let request_bytes = if cx.by_script() { 0 } else { args.encoded_bytes() };
    let reply_bytes = cx.reply.bytes_since(mark);
    let limits = cx.server.command_log.limits;
    if nanos >= limits.nanos || request_bytes >= limits.request || reply_bytes >= limits.reply {
        let measured = Measured { started, nanos, request_bytes, reply_bytes };
        cx.server.log_command(cx.client, id, args, &measured);
    }
}

/// Counts a command for each of its keys. What only runs others has none of its own.
#[cold]
fn note_hot_keys(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>, nanos: u64, mark: Mark) {
    let row = cx.server.commands.entry(id).row;
    let bytes = args.rest(0).map(<[u8]>::len).sum::<usize>() + cx.reply.bytes_since(mark);
    let command = Observed { nanos, bytes: bytes as u64, nested: cx.by_script() || cx.server.in_exec };
    if cx.server.hotkeys.observe(command) && !row.flags.has(RUNS_SCRIPT) {
        for key in keys::find(row, *args) {
            cx.server.hotkeys.note_key(args.get(key.index), command);
        }
    }
}

/// Counts a command for the slot of its keys. What a script calls counts with the script.
#[cold]
fn note_slot_usage(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>, nanos: u64, mark: Mark) {
    if cx.by_script() {
        return;
    }
    let row = cx.server.commands.entry(id).row;
    let first = keys::find_only(row, *args).or_else(|| keys::find(row, *args).first().copied());
    let (bytes_in, bytes_out) = (args.encoded_bytes() as u64, cx.reply.bytes_since(mark) as u64);
    if let (Some(first), Some(usage)) = (first, &mut cx.server.slot_usage) {
        usage.add(args.key(first.index).slot(), Usage { nanos, bytes_in, bytes_out });
    }
}

/// Counts the errors a command answered with, but for those that were counted with the commands it ran itself.
#[cold]
fn count_errors(cx: &mut Ctx<'_>, id: CommandId, mark: Mark) {
    let mut failed = false;
    for code in cx.reply.uncounted_errors(mark) {
        failed = true;
        cx.server.stats.count_error(code);
    }
    cx.reply.note_errors_counted();
    cx.server.commands.stats_mut(id).failed += u64::from(failed);
}
