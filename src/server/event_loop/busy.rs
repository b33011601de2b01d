//! What the server does for others while a script runs too long: it says that it is busy.
//!
//! The event loop stands still meanwhile, deep in the command that runs the script. From time to time the script's hook
//! comes here. Sockets are asked directly whether they have anything; each client with a complete request is answered,
//! and what had been answered when the script began is sent as well. The gate lets only commands through that are
//! allowed now: those that end the script, and a few that touch nothing but their own client. The event loop misses
//! nothing: what it is told of later has been read already, and a request that is not complete waits in the client's
//! own buffer as always.
//!
//! The primary is not answered but obeyed, so what it sends waits for the end of the script, unread.

use std::time::Duration;

use super::pipeline::{Pipeline, READ_BYTES};
use super::{connections, output};
use crate::client::Modes;
use crate::db::Databases;
use crate::net::ClientKey;
use crate::server::Server;
use crate::server::cluster::bus;
use crate::server::effects::Observers;
use crate::server::persistence::aof_write;
use crate::util::clock::Ticks;
use crate::util::platform;

/// Time between two looks at the sockets.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Connections accepted in one look.
const ACCEPTS: usize = 100;

/// Room for such turns.
#[derive(Debug)]
pub struct BusyServer {
    pipeline: Pipeline,
    shared: Vec<u8>,
    looked: Option<Ticks>,
    sending: Vec<ClientKey>,
}

impl Default for BusyServer {
    fn default() -> BusyServer {
        BusyServer { pipeline: Pipeline::default(), shared: vec![0; READ_BYTES], looked: None, sending: Vec::new() }
    }
}

impl BusyServer {
    /// Answers whoever has sent something but `caller`, whose script runs.
    pub fn serve(&mut self, server: &mut Server, db: &mut Databases, caller: ClientKey) {
        server.clock.tick();
        let now = server.clock.now();
        let rested = |looked| u128::from(server.clock.micros_between(looked, now)) >= LOOK_EVERY.as_micros();
        if self.looked.is_some_and(|looked| !rested(looked)) {
            return;
        }
        self.looked = Some(now);
        server.clock.read_wall();
        let (touches, sees_expired) = (db.set_touches(true), db.set_sees_expired(false));
        let (selected, now_ms, current) = (db.selected(), db.now_ms(), server.current);
        let pending = server.observers.has(Observers::PENDING);
        let pushes_after_reply = server.effects.take_pushes_after_reply();
        let in_exec = std::mem::take(&mut server.in_exec);
        server.script.interrupted = true;
        let unchanged = (server.effects.outgoing.len(), db.dirty);
        aof_write::flush_if_due(server);
        for token in server.listeners.tokens() {
            for _ in 0..ACCEPTS {
                let Some(Ok(accepted)) = server.listeners.accept(token) else { break };
                connections::accept_client(server, accepted);
            }
        }
        let waits = |key: ClientKey| {
            let client = server.clients.at(key);
            let is_shut = client.connection.doomed || client.modes.has(Modes(Modes::BLOCKED.0 | Modes::CLOSING.0));
            (key != caller && !is_shut).then(|| client.connection.descriptor())
        };
        let (keys, descriptors): (Vec<ClientKey>, Vec<i32>) =
            server.clients.keys_from(0, usize::MAX).into_iter().filter_map(|key| Some((key, waits(key)?))).unzip();
        for (key, ready) in keys.into_iter().zip(platform::readable(&descriptors)) {
            if ready && server.clients.at(key).modes.has(Modes::PRIMARY) {
                server.clients.at_mut(key).active_ms = server.clock.unix_ms();
            } else if ready {
                self.answer(server, db, key);
            }
        }
        bus::serve_while_busy(server);
        // A script may wait for that, and asks INFO.
        connections::close_doomed_replicas(server);
        output::send_outputs(server, &mut self.sending, |_, _| {});
        debug_assert_eq!(
            (server.effects.outgoing.len(), db.dirty),
            unchanged,
            "nothing is changed while a script runs"
        );
        server.script.interrupted = false;
        server.in_exec = in_exec;
        server.effects.replace_pushes_after_reply(pushes_after_reply);
        server.observers.set(Observers::PENDING, pending);
        server.current = current;
        db.begin_command(selected, now_ms);
        db.set_sees_expired(sees_expired);
        db.set_touches(touches);
    }

    /// Reads a client's socket once, and runs what came.
    fn answer(&mut self, server: &mut Server, db: &mut Databases, key: ClientKey) {
        let client = server.clients.at_mut(key);
        let unready = client.modes.has(Modes::UNREADY);
        let result = self.pipeline.read(client, &mut self.shared);
        if unready {
            connections::finish_handshake(server, key);
        }
        match result {
            Ok(read) if read.bytes > 0 => {
                server.stats.input_bytes += read.bytes as u64;
                // What TLS has decrypted already no socket tells of.
                if read.more {
                    server.clients.continue_reading_later(key);
                }
                let bytes = read.into_shared.then(|| &self.shared[..read.bytes]);
                self.pipeline.run(server, db, key, bytes);
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => {}
            Ok(_) | Err(_) => server.clients.close_soon(key),
        }
    }
}
