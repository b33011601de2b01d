//! A request of a client, or of the primary, from its resolved name to its end: arity, gate, call, what follows.

use super::gate::{self, Verdict};
use super::{Ctx, call, refuse, settle};
use crate::client::reply_mode::{begin_unwanted_reply, cut_unwanted_reply};
use crate::client::{BlockedFor, Modes};
use crate::command::args::shown;
use crate::command::error::Error;
use crate::command::lookahead::Resolved;
use crate::command::{Args, CommandId, spec};
use crate::resp::reply::Mark;
use crate::resp::request::ArgView;
use crate::server::Server;
use crate::server::cluster::route;
use crate::server::modes::ServerModes;
use crate::server::replication::roster;
use crate::util::redact;

/// What a browser sends that was made to attack.
const FOREIGN_WORDS: [&[u8]; 2] = [b"post", b"host:"];

/// Seconds between two lines in the log about clients of another protocol.
const ATTACK_LOG_INTERVAL_S: i64 = 60;

/// Runs one request of a client, the answer included: the entry from the event loop. When nothing unusual holds for
/// the command, the client or the server, there is nothing to check, but for the slot in a cluster.
#[inline(always)]
pub fn process_resolved(cx: &mut Ctx<'_>, found: &Resolved, request: ArgView<'_>) {
    if let Some(id) = found.command.filter(|_| found.is_usual) {
        let client = cx.server.clients.at_mut(cx.client);
        client.last_command = Some(id);
        let (is_usual, db) = (!client.modes.any(), client.db);
        if is_usual && (!cx.server.modes.any() || is_usual_in_cluster(cx.server, found)) {
            cx.command = id;
            cx.db.begin_command(db, cx.server.clock.unix_ms());
            call::call_new(cx, id, || found.args(request));
            if cx.server.observers.any() {
                settle::finish_command(cx);
            }
            return;
        }
    }
    process(cx, found.command, found.args(request));
}

/// Whether a node of a cluster has nothing else to look at than the slot, and serves it.
#[inline]
fn is_usual_in_cluster(server: &Server, found: &Resolved) -> bool {
    server.modes == ServerModes::CLUSTER && found.slot().is_ok_and(|slot| route::is_plainly_served(server, slot))
}

/// Runs one request of a client that may be unusual.
#[inline(never)]
pub fn process(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>) {
    cx.command = resolved.unwrap_or_default();
    let mark = cx.reply.mark();
    let client = cx.server.clients.at_mut(cx.client);
    let silence = begin_unwanted_reply(client, &mark);
    let is_replica = client.modes.has(Modes::REPLICA);
    client.asked = client.modes.has(Modes::ASKING);
    client.modes.set(Modes::ASKING, false);
    check_and_call(cx, resolved, args);
    // What is queued is asked for as well.
    let client = cx.client_mut();
    if client.asked && client.modes.has(Modes::MULTI) {
        client.modes.set(Modes::ASKING, true);
    }
    if silence.is_some() {
        cut_unwanted_reply(cx.server.clients.at_mut(cx.client), cx.reply, silence);
    }
    if cx.server.observers.any() {
        settle::finish_command(cx);
    }
    if is_replica && cx.reply.wrote_since(mark) {
        disconnect_replica(cx, mark);
    }
}

fn check_and_call(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>) {
    let Some(id) = resolved.or_else(|| cx.find_internal(args.get(0))) else {
        let foreign = FOREIGN_WORDS.iter().any(|word| args.get(0).eq_ignore_ascii_case(word));
        return if foreign { disconnect(cx) } else { refuse::refuse(cx, None, unknown_command(&args)) };
    };
    let row = cx.server.commands.entry(id).row;
    cx.command = id;
    // The subcommand of a container has been resolved already, unless there is none of that name.
    if args.len() > 1 && row.has_subcommands {
        let error = cx.unknown_subcommand(args.get(1));
        return refuse::refuse(cx, None, error);
    }
    if !row.arity.allows(args.len()) {
        return refuse::refuse(cx, Some(id), Error::wrong_arity(&cx.server.commands.entry(id).full_name));
    }
    let client = cx.server.clients.at_mut(cx.client);
    client.last_command = Some(id);
    let db = client.db;
    if client.modes.any() || cx.server.modes.any() || row.flags.has(spec::ALWAYS_CHECKED) {
        cx.server.sync_settings(cx.db);
        match gate::check(cx, id, &args) {
            Verdict::Run => {}
            Verdict::Refuse(error) => return refuse::refuse(cx, Some(id), error),
            Verdict::Queue => return super::queue::queue(cx, id, &args),
            Verdict::Postpone => return cx.postpone(&args, BlockedFor::Pause),
            Verdict::Redirect(error) => return refuse::redirect(cx, id, error),
            Verdict::Evicted => return,
        }
    }
    cx.db.begin_command(db, cx.server.clock.unix_ms());
    let modes = cx.client().modes;
    cx.db.set_touches(!modes.has(Modes::NO_TOUCH));
    if modes.has(Modes::IMPORT_SOURCE) && cx.server.modes.has(ServerModes::IMPORT) {
        let sees_expired = cx.db.set_sees_expired(true);
        call::call(cx, id, args);
        cx.db.set_sees_expired(sees_expired);
    } else {
        call::call(cx, id, args);
    }
    cx.db.set_touches(true);
}

/// Runs a request of the primary, or keeps it for EXEC: it happened there, so nothing may refuse it. The error it was
/// answered, if any.
pub fn run_replicated(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>) -> Option<Vec<u8>> {
    let mark = cx.reply.mark();
    let resolved = resolved.or_else(|| cx.find_internal(args.get(0)));
    let Some(id) = resolved else { return Some(unknown_command(&args).line().to_vec()) };
    let row = cx.server.commands.entry(id).row;
    cx.command = id;
    if args.len() > 1 && row.has_subcommands {
        return Some(cx.unknown_subcommand(args.get(1)).line().to_vec());
    }
    if !row.arity.allows(args.len()) {
        return Some(Error::wrong_arity(&cx.server.commands.entry(id).full_name).line().to_vec());
    }
    let client = cx.server.clients.at_mut(cx.client);
    client.last_command = Some(id);
    let queues = client.transaction.is_some() && !row.flags.has(crate::command::spec::NO_QUEUE);
    cx.db.begin_command(client.db, cx.server.clock.unix_ms());
    match queues {
        true => super::queue::queue(cx, id, &args),
        false => call::call(cx, id, args),
    }
    if cx.server.observers.any() {
        settle::finish_command(cx);
    }
    cx.reply.first_error_since(mark).map(<[u8]>::to_vec)
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
fn disconnect_replica(cx: &mut Ctx<'_>, mark: Mark) {
    if let Some(error) = cx.reply.first_error_since(mark) {
        log::warn!(
            "== CRITICAL == This master is sending an error to its replica: '{}' after processing the command '{}'",
            redact::error(error, cx.server.config.hide_user_data_from_log),
            cx.server.command_name(cx.client().last_command)
        );
        cx.server.stats.unexpected_error_replies += 1;
    }
    cx.reply.truncate(mark);
    roster::disconnect_for_reply(cx.server, cx.client);
}

/// Cuts a client off that speaks another protocol. The log has it once a minute, so that it cannot be flooded.
fn disconnect(cx: &mut Ctx<'_>) {
    cx.server.clients.close_soon(cx.client);
    let now_s = cx.server.clock.unix_ms() / 1000;
    if (now_s - cx.server.attack_logged_s).abs() <= ATTACK_LOG_INTERVAL_S {
        return;
    }
    cx.server.attack_logged_s = now_s;
    log::warn!(
        "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is \
         likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. \
         Connection aborted."
    );
}
