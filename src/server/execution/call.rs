//! A call of a handler: time, statistics, errors, slow log.

use super::{Ctx, after_call};
use crate::command::error::WRONG_TYPE;
use crate::command::spec::{BLOCKING, SKIP_SLOWLOG};
use crate::command::{Args, CommandId};
use crate::resp::reply::Mark;

/// A command that took longer than this has the wall clock read anew, in nanoseconds.
const SLOW_ENOUGH_TO_LOOK_AT_THE_CLOCK_NS: u64 = 500_000;
/// Calls a command: for a client, from a transaction, or again after it was blocked.
pub fn call(cx: &mut Ctx<'_>, id: CommandId, args: Args<'_>) {
    let row = cx.server.commands.entry(id).row;
    let started = cx.server.clock.now();
    let mark = cx.reply.mark();
    let dirty = cx.db.dirty;
    let again = cx.server.rerunning.is_some();
    if let Err(error) = (cx.server.rows.row(id).handler)(cx, args) {
        cx.reply.truncate(mark);
        // Who waits for a list is not concerned when the key becomes a hash.
        if error != WRONG_TYPE || !cx.wait_on() {
            cx.reply.error(error.line());
        }
    }
    // A command that blocks counts when it ends.
    let ends = !row.flags.has(BLOCKING) || cx.client().blocked.is_none();
    let ended = cx.server.clock.tick();
    let nanos = cx.server.clock.nanos_between(started, ended);
    let track = cx.server.config.latency_tracking;
    let stats = cx.server.commands.stats_mut(id);
    stats.nanos += nanos;
    if ends {
        stats.calls += 1;
        if track {
            stats.latency.get_or_insert_default().record(nanos);
        }
        cx.server.stats.commands += 1;
    }
    if cx.reply.has_errors_since(mark) {
        count_errors(cx, id, mark);
    }
    if nanos >= SLOW_ENOUGH_TO_LOOK_AT_THE_CLOCK_NS {
        cx.server.clock.read_wall();
        cx.server.latency.sample_command(row.flags, nanos / 1000, cx.server.clock.unix_ms());
    }
    let limit_us = cx.server.config.slowlog_log_slower_than_us;
    if ends && nanos as i64 >= limit_us.saturating_mul(1000) {
        log_if_slow(cx, id, &args, nanos);
    }
    if cx.server.observers.any() {
        after_call::after_call(cx, id, &args, cx.db.dirty > dirty, again);
    }
}

/// Enters a command that took long enough into the slow log, unless that is switched off or not for this command.
#[cold]
fn log_if_slow(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>, nanos: u64) {
    let allowed = !cx.server.commands.entry(id).row.flags.has(SKIP_SLOWLOG);
    if allowed && cx.server.config.slowlog_log_slower_than_us >= 0 {
        cx.server.log_slow_command(cx.client, args, nanos / 1000);
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
