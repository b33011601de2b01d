//! Outputs sent: each client's with one write, after what it may tell of is where the log promises it.

use crate::client::Modes;
use crate::net::ClientKey;
use crate::net::connection::Flushed;
use crate::server::Server;
use crate::server::clients::{memory, messages};
use crate::server::modes::ServerModes;
use crate::server::persistence::aof_write;
use crate::server::replication::{primary, transfer};
use crate::util::platform::os_error_text;

/// Sends what clients were answered, each client's with one write; `list` is room. The memory of outputs that are sent
/// is given to `keep`.
pub fn send_outputs(server: &mut Server, list: &mut Vec<ClientKey>, mut keep: impl FnMut(&Server, Vec<u8>)) {
    server.clients.take_flush_list(list);
    for key in list {
        if let Some(client) = server.clients.get_mut(*key) {
            client.flush_pending = false;
            if !client.connection.output_stuck
                && !client.connection.doomed
                && let Some(buffer) = send_output(server, *key)
            {
                keep(server, buffer);
            }
            if server.modes.has(ServerModes::CLIENT_MEMORY_LIMIT) {
                memory::count(server, *key, None);
            }
        }
    }
}

/// Sends a client's output; its memory once all is sent.
pub fn send_output(server: &mut Server, key: ClientKey) -> Option<Vec<u8>> {
    let permit = aof_write::permit_send(server);
    let client = server.clients.at_mut(key);
    match client.connection.flush(&mut client.output, permit) {
        Ok((Flushed::Done, sent)) => {
            server.stats.output_bytes += sent as u64;
            client.output_bytes += sent as u64;
            server.stats.writes_processed += 1;
            // What the primary is sent is no sign of its life.
            if !client.modes.has(Modes::PRIMARY) {
                client.active_ms = server.clock.unix_ms();
            }
            client.connection.output_over_soft_since = None;
            let buffer = client.output.take_buffer();
            let is_replica = client.modes.has(Modes::REPLICA);
            if client.modes.has(Modes::CLOSING) {
                server.clients.close_soon(key);
            }
            if is_replica {
                send_stream(server, key);
            }
            return Some(buffer);
        }
        Ok((Flushed::Partial, sent)) => {
            server.stats.output_bytes += sent as u64;
            client.output_bytes += sent as u64;
            if sent > 0 {
                client.active_ms = server.clock.unix_ms();
            }
            messages::check_output_limit(server, key);
        }
        Err(error) => {
            log::debug!("Error writing to client: {error}");
            server.clients.close_soon(key);
        }
    }
    None
}

/// Goes on with what lies elsewhere than in a replica's output.
fn send_stream(server: &mut Server, key: ClientKey) {
    transfer::piece_is_sent(server, key);
    if let Err(error) = primary::send(server, key) {
        log::warn!("Write error sending DB to replica: {}", os_error_text(&error));
        server.clients.close_soon(key);
    }
}
