//! Waiting until what a client wrote is safe: on the disk here, or at replicas.
//!
//! How far a client has written is noted when its commands are handed over ([`super::super::Client::written`]). What is
//! safe only grows, so those who wait are looked at once before each wait of the event loop.

use super::super::{Blocked, BlockedFor, ClientKey};
use crate::command::error::CmdResult;
use crate::command::{Args, Ctx, Error};
use crate::repl::primary;
use crate::resp::reply::Reply;
use crate::resp::request::OwnedRequest;
use crate::server::Server;

/// Nothing can be on the disk when there is no log.
pub const NO_LOG: Error = Error::fixed("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durability {
    /// Here: 1 or 0.
    pub local: u32,
    /// At so many replicas.
    pub replicas: u32,
    /// How far the client had written: see [`crate::persist::aof::Aof::fed`].
    pub written: u64,
    /// How far the history of the data set was then.
    pub offset: i64,
    /// What the answer looks like.
    pub shape: Shape,
}

/// What the answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Here, and at how many replicas: that of WAITAOF.
    Both,
    /// At how many replicas: that of WAIT.
    Replicas,
}

/// Where it is safe by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    local: u32,
    replicas: u32,
    shape: Shape,
}

impl Durability {
    /// How much of it holds.
    pub fn reached(self, server: &Server) -> Reached {
        let local = server.config.appendonly && server.persist.aof.durable() >= self.written;
        let replicas = match self.shape {
            Shape::Both => primary::count_logged(server, self.offset),
            Shape::Replicas => primary::count_acked(server, self.offset),
        };
        Reached { local: u32::from(local), replicas, shape: self.shape }
    }

    fn is_met_by(self, reached: Reached) -> bool {
        reached.local >= self.local && reached.replicas >= self.replicas
    }
}

impl Reached {
    /// Answers with it.
    pub fn write(self, reply: &mut Reply) {
        if self.shape == Shape::Both {
            reply.array(2);
            reply.integer(self.local.into());
        }
        reply.integer(self.replicas.into());
    }
}

impl Ctx<'_> {
    /// Answers where it is safe what the client wrote, as soon as that is where it wants it, or at `deadline_ms`.
    pub fn block_until_durable(&mut self, args: &Args<'_>, wanted: Durability, deadline_ms: Option<i64>) -> CmdResult {
        let reached = wanted.reached(self.server);
        if wanted.is_met_by(reached) || self.may_not_wait() {
            reached.write(self.reply);
            return Ok(());
        }
        let blocked = Blocked {
            reason: BlockedFor::Durability(wanted),
            ticket: self.server.waiters.draw_ticket(),
            deadline_ms,
            keys: Vec::new(),
            ready: 0,
            needs_keys: false,
            db: self.db.selected(),
            request: OwnedRequest::copy(args),
            command: self.command,
            null_array: true,
        };
        self.server.clients.awaiting.insert(blocked.ticket, self.client);
        self.server.block(self.client, blocked);
        self.server.repl.wants_acks |= wanted.replicas > 0;
        Ok(())
    }
}

/// Answers those who wait and have what they want.
pub fn serve(server: &mut Server) {
    let waiting: Vec<ClientKey> = server.clients.awaiting.values().copied().collect();
    waiting.into_iter().for_each(|key| serve_one(server, key));
}

fn serve_one(server: &mut Server, key: ClientKey) {
    let reason = server.clients.get(key).and_then(|client| Some(client.blocked.as_ref()?.reason));
    let Some(BlockedFor::Durability(wanted)) = reason else { return };
    let reached = wanted.reached(server);
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
