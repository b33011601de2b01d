//! Waiting until what a client wrote is safe: on the disk here, or at replicas.
//!
//! How far a client has written is noted when its commands are handed over ([`crate::client::Client::written`]). What
//! is safe only grows, so those who wait are looked at once before each wait of the event loop.

use crate::client::durability::{Durability, Reached, ReplyShape};
use crate::client::{Blocked, BlockedFor};
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::net::ClientKey;
use crate::resp::request::OwnedRequest;
use crate::server::Server;
use crate::server::execution::Ctx;
use crate::server::replication::roster;

/// Nothing can be on the disk when there is no log.
pub const NO_LOG: Error = Error::fixed("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");

impl Ctx<'_> {
    /// Answers where it is safe what the client wrote, as soon as that is where it wants it, or at `deadline_ms`.
    pub fn block_until_durable(&mut self, args: &Args<'_>, wanted: Durability, deadline_ms: Option<i64>) -> CmdResult {
        let reached = reached(wanted, self.server);
        if wanted.is_met_by(reached) || self.may_not_wait() {
            reached.write(self.reply);
            return Ok(());
        }
        let waiting = self.waiting(BlockedFor::Durability(wanted), OwnedRequest::copy(args));
        let blocked = Blocked { deadline_ms, ..waiting };
        self.server.clients.waiting_for_durability.insert(blocked.ticket, self.client);
        self.server.block(self.client, blocked);
        self.server.repl.wants_acks |= wanted.replicas > 0;
        Ok(())
    }
}

/// Notes how far a client has written, once what its command changed has been handed over.
pub fn note_write(server: &mut Server, key: ClientKey) {
    if let Some(client) = server.clients.get_mut(key) {
        client.written = server.persist.aof.fed();
        client.last_write_offset = server.repl.history.offset;
    }
}

/// Answers those who wait and have what they want.
pub fn serve(server: &mut Server) {
    let waiting: Vec<ClientKey> = server.clients.waiting_for_durability.values().copied().collect();
    waiting.into_iter().for_each(|key| serve_one(server, key));
}

fn serve_one(server: &mut Server, key: ClientKey) {
    let reason = server.clients.get(key).and_then(|client| Some(client.blocked.as_ref()?.reason));
    let Some(BlockedFor::Durability(wanted)) = reason else { return };
    let reached = reached(wanted, server);
    let hopeless = wanted.local > 0 && !server.config.appendonly;
    if !hopeless && !wanted.is_met_by(reached) {
        return;
    }
    let Some(blocked) = server.unblock(key) else { return };
    server.commands.stats_mut(blocked.command).calls += 1;
    server.answer(key, |reply| match hopeless {
        true => reply.error(NO_LOG.line()),
        false => reached.write(reply),
    });
}

/// How much of what is waited for holds.
pub fn reached(wanted: Durability, server: &Server) -> Reached {
    let local = server.config.appendonly && server.persist.aof.durable() >= wanted.written;
    let replicas = match wanted.shape {
        ReplyShape::Both => roster::count_logged(server, wanted.offset),
        ReplyShape::Replicas => roster::count_acked(server, wanted.offset),
    };
    Reached { local: u32::from(local), replicas, shape: wanted.shape }
}
