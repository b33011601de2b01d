//! The stream of the primary is applied: its requests run whatever they are, count for the offset once they have run,
//! and are appended as they came to the history that replicas of this one are sent.

use super::acks::{logged, write_ack};
use crate::client::BlockedFor;
use crate::command::spec::RUNS_QUEUE;
use crate::command::{Args, CommandId, Flags};
use crate::config::PropagationErrorBehavior;
use crate::net::ClientKey;
use crate::server::Server;
use crate::server::execution::{Ctx, gate, process};
use crate::util::redact;

/// Runs a request of the primary, that was sent as these bytes. In a pause it waits, and with it what follows.
pub fn apply(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>, sent: &[u8]) {
    if let Some(id) = resolved.filter(|id| is_held(cx, *id)) {
        cx.command = id;
        return cx.postpone(&args, BlockedFor::Pause);
    }
    let mark = cx.reply.mark();
    if let Some(error) = process::run_replicated(cx, resolved, args) {
        report_error(cx, resolved, &args, &error);
    }
    cx.reply.truncate(mark);
    let transaction_is_open = cx.client().transaction.is_some();
    let db = cx.client().db;
    let Some(primary) = &mut cx.server.repl.primary else { return };
    primary.db = db;
    if std::mem::take(&mut primary.wants_ack) {
        let offset = primary.offset;
        write_ack(cx.reply, offset, logged(cx.server));
    }
    let Some(primary) = &mut cx.server.repl.primary else { return };
    if transaction_is_open {
        return primary.open.extend_from_slice(sent);
    }
    let open = std::mem::take(&mut primary.open);
    primary.offset += (open.len() + sent.len()) as i64;
    cx.server.repl.append(&open);
    cx.server.repl.append(sent);
}

/// How many bytes of the primary's stream have come that have not run: of a transaction that is open, of a request that
/// a pause holds, and what is behind that.
pub fn unapplied_bytes(server: &Server) -> usize {
    let Some(primary) = &server.repl.primary else { return 0 };
    let Some(client) = server.clients.get(primary.client) else { return 0 };
    let held = client.blocked.as_ref().map_or(0, |blocked| blocked.request.view().encoded().len());
    let connection = &client.connection;
    primary.open.len() + held + connection.input_waiting() + connection.progress.arrived()
}

fn is_held(cx: &Ctx<'_>, id: CommandId) -> bool {
    let row = cx.server.commands.entry(id).row;
    let queued = match &cx.client().transaction {
        Some(transaction) if row.flags.has(RUNS_QUEUE) => transaction.flags,
        Some(_) | None => Flags::default(),
    };
    gate::is_held(cx.server, row.flags | queued)
}

/// What had worked at the primary did not here: the data may be another by now.
#[cold]
fn report_error(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: &Args<'_>, error: &[u8]) {
    let known = resolved.map(|id| cx.server.commands.entry(id).full_name.clone());
    let hidden = cx.server.config.hide_user_data_from_log;
    let name = known.unwrap_or_else(|| redact::data(args.get(0).escape_ascii(), hidden));
    let error = redact::error(error, hidden);
    cx.server.stats.unexpected_error_replies += 1;
    log::warn!(
        "== CRITICAL == This replica is sending an error to its master: '{error}' after processing the command '{name}'"
    );
    let config = &cx.server.config;
    let tolerant = config.propagation_error_behavior == PropagationErrorBehavior::Ignore;
    if config.replica_read_only && !tolerant {
        log::warn!(
            "This replica panicked sending an error to its master after processing the command '{name}': '{error}'"
        );
        std::process::exit(1);
    }
}

/// The primary has sent what is no request. Where its stream goes on cannot be known: all is to be got anew.
pub fn reject_primary(server: &mut Server, key: ClientKey, fault: &str) {
    log::warn!("Protocol error ({fault}) from client {}", server.clients.at(key).connection.peer_name());
    if let Some(primary) = &mut server.repl.primary {
        primary.is_trusted = false;
    }
    server.clients.close_soon(key);
}
