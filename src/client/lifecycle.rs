//! The end of a client, and what RESET leaves of it.

use super::describe::Class;
use super::{ClientKey, Modes, ReplyMode, tracking};
use crate::acl::UserId;
use crate::command::effects::Observers;
use crate::server::Server;

/// Takes a client out of everything that knows it, before it is removed.
pub fn forget(server: &mut Server, key: ClientKey) {
    unwatch(server, key);
    tracking::stop(server, key);
    crate::pubsub::forget(server, key);
    crate::repl::primary::forget(server, key);
    crate::repl::replica::forget(server, key);
    server.unblock(key);
    stop_monitoring(server, key);
}

/// Ends a client's WATCH.
pub fn unwatch(server: &mut Server, key: ClientKey) {
    let Some(client) = server.clients.get_mut(key) else { return };
    client.dirty = false;
    client.watched_bytes = 0;
    for watched in std::mem::take(&mut client.watched) {
        server.watches.remove(key, watched.db, &watched.key);
    }
    server.observers.set(Observers::WATCH, !server.watches.is_empty());
}

/// Ends a client's MONITOR.
pub fn stop_monitoring(server: &mut Server, key: ClientKey) {
    let Some(client) = server.clients.get_mut(key) else { return };
    if client.modes.has(Modes::MONITOR) {
        client.modes.set(Modes::MONITOR, false);
        server.monitors.remove(&key);
        server.observers.set(Observers::MONITOR, !server.monitors.is_empty());
    }
}

/// Has a client shown the commands of all: MONITOR. False when it is already.
pub fn monitor(server: &mut Server, key: ClientKey) -> bool {
    let client = server.clients.at_mut(key);
    if client.modes.has(Modes::MONITOR) {
        return false;
    }
    client.modes.set(Modes::MONITOR, true);
    server.monitors.insert(key);
    server.observers.set(Observers::MONITOR, true);
    true
}

/// Puts a client back into the state of a new connection: RESET. The reply's protocol is the caller's to set.
pub fn reset(server: &mut Server, key: ClientKey) {
    unwatch(server, key);
    stop_monitoring(server, key);
    tracking::stop(server, key);
    crate::pubsub::forget(server, key);
    let modes = server.acl.modes_at_first();
    let client = server.clients.at_mut(key);
    client.transaction = None;
    client.db = 0;
    client.resp3 = false;
    client.name = None;
    client.reply_mode = ReplyMode::On;
    client.user = UserId::DEFAULT;
    client.modes = modes;
    server.clients.set_no_evict(key, false);
}

/// Unsent output above which a client that has yet to authenticate is closed, in bytes.
const UNAUTHENTICATED_OUTPUT_MAX: u64 = 1024;

/// Closes a client whose output has grown past `client-output-buffer-limit`: at once past the hard limit, or when it
/// stays past the soft one for too long.
pub fn check_output_limit(server: &mut Server, key: ClientKey) {
    let now = server.clock.unix_ms();
    let stream = crate::repl::primary::waiting_bytes(server, key);
    let Some(client) = server.clients.get_mut(key) else { return };
    let limits = &server.config.client_output_buffer_limit;
    let mut limit = match Class::of(client) {
        Class::Replica => limits.replica,
        Class::Pubsub => limits.pubsub,
        Class::Normal => limits.normal,
        Class::Primary => return,
    };
    if client.modes.has(Modes::REPLICA) && limit.hard_bytes != 0 {
        // What is kept for all is no burden.
        limit.hard_bytes = limit.hard_bytes.max(server.config.repl_backlog_size);
    }
    let waiting = client.output.len() as u64 + stream;
    let stranger =
        client.modes.has(Modes::UNAUTHENTICATED) && server.acl.needs_password() && client.connection.output_stuck;
    let hard = limit.hard_bytes != 0 && waiting >= limit.hard_bytes || stranger && waiting > UNAUTHENTICATED_OUTPUT_MAX;
    let soft = limit.soft_bytes != 0 && waiting >= limit.soft_bytes;
    let since = match (soft, client.connection.output_over_soft_since) {
        (false, _) => None,
        (true, None) => Some(now),
        (true, since) => since,
    };
    client.connection.output_over_soft_since = since;
    let overdue = since.is_some_and(|since| now - since > limit.soft_seconds.saturating_mul(1000));
    if (hard || overdue) && !client.connection.doomed {
        log::warn!("Client {} closed for overcoming of output buffer limits.", client.id);
        server.stats.output_buffer_disconnections += 1;
        server.clients.close_soon(key);
    }
}
