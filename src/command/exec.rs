//! From a framed request to its effects: resolve, gate, call, count.

use super::args::shown;
use super::error::{Error, WRONG_TYPE};
use super::gate::{self, Verdict};
use super::spec::{BLOCKING, SKIP_SLOWLOG};
use super::{Args, CommandId, Ctx, effects};
use crate::acl::Denial;
use crate::acl::log::Context;
use crate::client::{BlockedFor, Client, Modes, ReplyMode};
use crate::resp::reply::{Mark, Reply};

/// A command that took longer than this has the wall clock read anew, in nanoseconds.
const SLOW_ENOUGH_TO_LOOK_AT_THE_CLOCK_NS: u64 = 500_000;
/// What a browser sends that was made to attack.
const FOREIGN_WORDS: [&[u8]; 2] = [b"post", b"host:"];
/// Seconds between two lines in the log about clients of another protocol.
const ATTACK_TOLD_EVERY_S: i64 = 60;

/// Runs one request of a client, the answer included: the entry from the event loop. When nothing unusual holds for
/// the command, the client or the server, there is nothing to check but the arity.
#[inline]
pub fn process(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>) {
    if let Some(id) = resolved {
        let entry = cx.server.commands.entry(id);
        let client = cx.server.clients.at_mut(cx.client);
        let usual = !client.modes.any() && !cx.server.modes.any();
        if usual && entry.is_plain && entry.row.arity.allows(args.len()) {
            cx.command = id;
            client.last_command = Some(id);
            cx.db.begin_command(client.db, cx.server.clock.unix_ms());
            call(cx, id, args);
            if cx.server.observers.any() {
                effects::finish(cx);
            }
            return;
        }
    }
    process_with_care(cx, resolved, args);
}

/// [`process`] for whatever is not usual.
#[inline(never)]
fn process_with_care(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>) {
    let mark = cx.reply.mark();
    let silence = begin_silence(cx.client_mut(), &mark);
    let is_replica = cx.client().modes.has(Modes::REPLICA);
    check_and_call(cx, resolved, args);
    if is_replica && cx.reply.wrote_since(mark) {
        disconnect_replica(cx, mark, &args);
    }
    if silence.is_some() {
        end_silence(cx.server.clients.at_mut(cx.client), cx.reply, silence);
    }
    if cx.server.observers.any() {
        effects::finish(cx);
    }
}

fn check_and_call(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>) {
    let Some(id) = resolved else {
        let foreign = FOREIGN_WORDS.iter().any(|word| args.get(0).eq_ignore_ascii_case(word));
        return if foreign { disconnect(cx) } else { refuse(cx, None, unknown_command(&args)) };
    };
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
    if client.modes.any() || cx.server.modes.any() || row.flags.has(gate::ALWAYS_CHECKED) {
        cx.server.instruct(cx.db);
        match gate::check(cx, id, &args) {
            Verdict::Run => {}
            Verdict::Refuse(error) => return refuse(cx, Some(id), error),
            Verdict::Queue => return crate::commands::transaction::queue(cx, id, &args),
            Verdict::Postpone => return cx.postpone(&args, BlockedFor::Pause),
            Verdict::Evicted => return,
        }
    }
    cx.db.begin_command(db, cx.server.clock.unix_ms());
    let touches = !cx.client().modes.has(Modes::NO_TOUCH);
    cx.db.touches = touches;
    call(cx, id, args);
    cx.db.touches = true;
}

/// Runs a request of the primary, or keeps it for EXEC: it happened there, so nothing may refuse it. The error it was
/// answered, if any.
pub fn obey(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>) -> Option<Vec<u8>> {
    let mark = cx.reply.mark();
    let Some(id) = resolved else { return Some(unknown_command(&args).line().to_vec()) };
    let row = cx.server.commands.entry(id).row;
    cx.command = id;
    if args.len() > 1 && !row.subcommands.is_empty() {
        return Some(cx.unknown_subcommand(args.get(1)).line().to_vec());
    }
    if !row.arity.allows(args.len()) {
        return Some(Error::wrong_arity(&cx.server.commands.entry(id).full_name).line().to_vec());
    }
    let client = cx.server.clients.at_mut(cx.client);
    client.last_command = Some(id);
    let queues = client.transaction.is_some() && !row.flags.has(super::spec::NO_QUEUE);
    cx.db.begin_command(client.db, cx.server.clock.unix_ms());
    match queues {
        true => crate::commands::transaction::queue(cx, id, &args),
        false => call(cx, id, args),
    }
    if cx.server.observers.any() {
        effects::finish(cx);
    }
    cx.reply.first_error_since(mark).map(<[u8]>::to_vec)
}

/// Calls the command of a client that was blocked again, unless its user has lost the right to it meanwhile. Redis 7.0
/// does not look, so that the refusal has the words of later versions.
pub fn call_again(cx: &mut Ctx<'_>, id: CommandId, args: Args<'_>) {
    let Err(denial) = cx.check_rights(id, &args) else { return call(cx, id, args) };
    cx.log_denial(id, &args, denial, Context::TopLevel);
    let error = match denial {
        Denial::Command => {
            let user = shown(&cx.server.acl.user(cx.client().user).name);
            let name = cx.server.commands.entry(id).full_name.as_bytes();
            Error::text([b"NOPERM User ", user, b" has no permissions to run the '", name, b"' command"].concat())
        }
        Denial::Key(_) => Error::fixed("NOPERM No permissions to access a key"),
        Denial::Channel(_) => Error::fixed("NOPERM No permissions to access a channel"),
    };
    refuse(cx, Some(id), error);
}

/// Calls a command: for a client, from a transaction, or again after it was blocked.
pub fn call(cx: &mut Ctx<'_>, id: CommandId, args: Args<'_>) {
    let row = cx.server.commands.entry(id).row;
    let started = cx.server.clock.now();
    let mark = cx.reply.mark();
    let dirty = cx.db.dirty;
    let again = cx.server.again.is_some();
    if let Err(error) = (row.handler)(cx, args) {
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
        effects::after_call(cx, id, &args, cx.db.dirty > dirty, again);
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

/// Answers with an error a command that was not run. In a transaction it dooms the EXEC.
pub fn refuse(cx: &mut Ctx<'_>, id: Option<CommandId>, error: Error) {
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
    cx.reply.uncounted_errors(mark).for_each(|code| cx.server.stats.count_error(code));
    cx.reply.note_errors_counted();
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

/// Nobody listens to what a replica is answered: it would become a part of the stream.
#[cold]
fn disconnect_replica(cx: &mut Ctx<'_>, mark: Mark, args: &Args<'_>) {
    let known = cx.client().last_command.map(|id| cx.server.commands.entry(id).full_name.clone());
    let command = known.unwrap_or_else(|| args.get(0).escape_ascii().to_string());
    if let Some(error) = cx.reply.first_error_since(mark) {
        log::warn!(
            "== CRITICAL == This master is sending an error to its replica: '{}' after processing the command \
             '{command}'",
            String::from_utf8_lossy(error)
        );
        cx.server.stats.unexpected_error_replies += 1;
    }
    log::warn!(
        "Replica generated a reply to command '{command}', disconnecting it: {}",
        crate::repl::primary::name(cx.server, cx.client)
    );
    cx.reply.truncate(mark);
    cx.server.clients.close_soon(cx.client);
}

/// Cuts a client off that speaks another protocol. The log has it once a minute, so that it cannot be flooded.
fn disconnect(cx: &mut Ctx<'_>) {
    cx.server.clients.close_soon(cx.client);
    let now_s = cx.server.clock.unix_ms() / 1000;
    if (now_s - cx.server.attack_told_s).abs() <= ATTACK_TOLD_EVERY_S {
        return;
    }
    cx.server.attack_told_s = now_s;
    log::warn!(
        "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is \
         likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. \
         Connection aborted."
    );
}

/// Before a command of a client that may want no reply (CLIENT REPLY): remembers where the reply begins. `None` when
/// it is to be sent for sure.
pub fn begin_silence(client: &mut Client, mark: &Mark) -> Option<Mark> {
    if !client.modes.has(Modes::REPLY_OFF) {
        return None;
    }
    if client.reply_mode == ReplyMode::SkipNext {
        client.reply_mode = ReplyMode::Skip;
    }
    Some(*mark)
}

/// After such a command: cuts its reply off unless it was CLIENT REPLY ON. Messages that are no replies have to be
/// written later.
pub fn end_silence(client: &mut Client, reply: &mut Reply, silence: Option<Mark>) {
    let Some(mark) = silence else { return };
    if client.reply_mode != ReplyMode::On {
        reply.truncate(mark);
    }
    // A blocked client has yet to be answered.
    if client.reply_mode == ReplyMode::Skip && client.blocked.is_none() {
        client.reply_mode = ReplyMode::On;
    }
    client.modes.set(Modes::REPLY_OFF, client.reply_mode != ReplyMode::On);
}
