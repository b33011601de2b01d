//! Propagation: the changes of a finished command are handed to the append-only file and the backlog.
//!
//! What a command changed is noted while it runs (`peers::repl::outgoing`) and handed over when the outermost command is done.
//! What the server does by itself (keys that expired or were evicted) is no transaction, however much of it comes at
//! once.

use super::Server;
use super::effects::Observers;
use super::modes::ServerModes;
use crate::peers::repl::outgoing::{TO_ALL, TO_FILE, TO_REPLICAS};

/// Brings [`Observers::PROPAGATE`] in line with who listens. Nobody does while the data set is being loaded.
pub fn update_propagate_observer(server: &mut Server) {
    let loading = server.modes.has(ServerModes::LOADING);
    // What a replica changes by itself stays with it.
    let stream = server.repl.backlog.is_some() && !server.is_replica();
    let migrates = server.moves.export.is_some();
    let listens = server.persist.aof.is_on() || stream || migrates || server.propagation_tap.is_some();
    server.observers.set(Observers::PROPAGATE, listens && !loading);
}

/// Hands what the finished command propagates to whoever listens. Several requests form a transaction.
#[inline]
pub fn propagate(server: &mut Server) {
    if !server.effects.outgoing.is_empty() {
        deliver(server, true);
    }
}

/// Hands over what the server did by itself: each request stands for itself.
pub fn propagate_each(server: &mut Server) {
    if !server.effects.outgoing.is_empty() {
        deliver(server, false);
    }
}

fn deliver(server: &mut Server, transaction: bool) {
    let mut outgoing = std::mem::take(&mut server.effects.outgoing);
    let transaction = transaction && outgoing.len() > 1;
    let stamp_s = server.config.aof_timestamp_enabled.then(|| server.clock.unix_ms() / 1000);
    let parts = outgoing.some_for_one.then(|| (outgoing.only(TO_FILE), outgoing.only(TO_REPLICAS)));
    let (kept, sent) = parts.as_ref().map_or((&outgoing, &outgoing), |(kept, sent)| (kept, sent));
    server.persist.aof.feed(kept.framed(transaction && kept.len() > 1), stamp_s);
    if server.repl.backlog.is_some() && !server.is_replica() {
        server.repl.feed(sent.framed(transaction && sent.len() > 1));
    }
    if server.moves.export.is_some() {
        server.moves.feed(&server.commands, sent, server.clock.unix_ms());
    }
    if parts.is_some() {
        outgoing = outgoing.only(TO_ALL);
    }
    if let Some(tap) = &mut server.propagation_tap {
        let requests = outgoing.decoded();
        match transaction {
            true => tap.push(requests),
            false => tap.extend(requests.into_iter().map(|request| vec![request])),
        }
    }
    outgoing.clear();
    server.effects.outgoing = outgoing;
}
