//! What a client takes part in besides its commands, begun and ended: WATCH, MONITOR, and RESET, which ends all of it.

use super::tracking;
use crate::client::acl::UserId;
use crate::client::{Modes, ReplyMode};
use crate::net::ClientKey;
use crate::server::Server;
use crate::server::effects::Observers;

/// Ends a client's WATCH.
pub fn unwatch(server: &mut Server, key: ClientKey) {
    let Some(client) = server.clients.get_mut(key) else { return };
    client.dirty = false;
    client.watched_bytes = 0;
    let watched = std::mem::take(&mut client.watched);
    server.clients.watching -= usize::from(!watched.is_empty());
    for watched in watched {
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

/// Has a client shown the commands of all: MONITOR. False when it is already, or is the other end of a replication.
pub fn monitor(server: &mut Server, key: ClientKey) -> bool {
    let client = server.clients.at_mut(key);
    if client.modes.has(Modes(Modes::MONITOR.0 | Modes::PEER.0)) {
        return false;
    }
    client.modes.set(Modes::MONITOR, true);
    server.monitors.insert(key);
    server.observers.set(Observers::MONITOR, true);
    true
}

/// Puts a client back into the state of a new connection: RESET. The reply's protocol is the caller's to set. False for
/// the other end of a replication, whose part ends with its connection and not before.
pub fn reset(server: &mut Server, key: ClientKey) -> bool {
    if server.clients.at(key).modes.has(Modes::PEER) {
        return false;
    }
    unwatch(server, key);
    stop_monitoring(server, key);
    tracking::stop(server, key);
    super::publish::forget(server, key);
    let modes = server.acl.modes_at_first();
    let client = server.clients.at_mut(key);
    client.transaction = None;
    client.field_sets = None;
    client.db = 0;
    client.resp3 = false;
    client.name = None;
    client.reply_mode = ReplyMode::On;
    client.user = UserId::DEFAULT;
    client.modes = modes;
    client.reads_replicas = false;
    client.asked = false;
    server.clients.set_no_evict(key, false);
    true
}
