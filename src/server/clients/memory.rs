//! What clients take of the memory, and `maxmemory-clients`.
//!
//! Only while there is such a limit is it kept track of: each client's share is counted anew whenever its turn ends or
//! output was sent, and for the client whose command is about to run. Past the limit those that take most go first.
//! Replicas, the primary and clients under CLIENT NO-EVICT neither go nor, but for the latter, count.

use std::collections::BinaryHeap;

use super::describe::{self, Running};
use super::disconnect;
use crate::client::Client;
use crate::client::class::Class;
use crate::config::MemoryShare;
use crate::net::ClientKey;
use crate::server::Server;
use crate::server::modes::ServerModes;

impl Client {
    /// Bytes of its state and buffers.
    pub fn memory(&self) -> usize {
        size_of::<Client>()
            + self.connection.input.capacity()
            + self.connection.progress.bytes()
            + self.output.memory()
            + self.transaction.as_ref().map_or(0, |transaction| transaction.bytes)
            + self.subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.bytes())
            + self.tracking.as_ref().map_or(0, |tracking| tracking.bytes())
            + self.field_sets.as_ref().map_or(0, |sets| sets.bytes())
            + self.watched_bytes
    }
}

/// Begins, goes on or stops to count, as the directives want it.
pub fn config_changed(server: &mut Server) {
    let limited = limit(server) > 0;
    let counted = server.modes.has(ServerModes::CLIENT_MEMORY_LIMIT);
    server.modes.set(ServerModes::CLIENT_MEMORY_LIMIT, limited);
    if limited != counted {
        for key in server.clients.keys_from(0, usize::MAX) {
            count(server, key, None);
        }
    }
}

/// Bytes that clients may take; 0 for any number.
fn limit(server: &Server) -> usize {
    match server.config.maxmemory_clients {
        MemoryShare::Bytes(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        MemoryShare::Percent(percent) => (server.config.maxmemory as u128 * percent as u128 / 100) as usize,
    }
}

/// Counts anew what a client takes; `running` is set for the one whose command is about to run.
pub fn count(server: &mut Server, key: ClientKey, running: Option<&Running>) {
    let limited = server.modes.has(ServerModes::CLIENT_MEMORY_LIMIT);
    let Some(client) = server.clients.get(key) else { return };
    let counts = limited && !client.connection.doomed && matches!(Class::of(client), Class::Normal | Class::Pubsub);
    let bytes = if counts { client.memory() + running.map_or(0, |running| running.memory()) } else { 0 };
    server.clients.set_counted(key, bytes);
}

/// Has the clients that take most closed until the others keep within the limit.
pub fn make_room(server: &mut Server) {
    let limit = limit(server);
    let counted = server.clients.counted();
    if limit == 0 || counted.total <= limit || counted.evictable == 0 {
        return;
    }
    let evictable = server.clients.iter().filter(|(_, client)| client.counted > 0 && !client.no_evict);
    let mut largest: BinaryHeap<(usize, ClientKey)> = evictable.map(|(key, client)| (client.counted, key)).collect();
    while server.clients.counted().total > limit {
        let Some((_, key)) = largest.pop() else { break };
        log::info!("Evicting client: {}", describe::logged(server, server.clients.at(key)));
        server.stats.evicted_clients += 1;
        if server.current != Some(key) {
            disconnect::unlink_client(server, key);
        }
        server.clients.close_soon(key);
    }
}
