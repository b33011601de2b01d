//! Messages to clients that are no replies to their commands, and the limit on output that is not read.

use crate::client::class::Class;
use crate::client::{Client, Modes};
use crate::config::Config;
use crate::net::ClientKey;
use crate::resp::reply::Reply;
use crate::server::Server;
use crate::server::effects::Observers;
use crate::server::replication::roster;

/// Output up to this size counts as a buffer of fixed size, as Redis has one for each client; the rest as a list of
/// pieces of this size, which `omem` of CLIENT LIST is about.
pub const OUTPUT_PIECE_BYTES: u64 = 16 * 1024;

/// What `omem` counts of so much output, in bytes.
pub fn listed_bytes(output: u64) -> u64 {
    output.saturating_sub(OUTPUT_PIECE_BYTES)
}

impl Server {
    /// Where a message for a client goes that is not the reply to its command: into its output, or behind the reply
    /// when its command runs. `None` when it is gone.
    pub fn push_to(&mut self, target: ClientKey) -> Option<&mut Reply> {
        if self.current != Some(target) {
            return self.receiver(target).map(|client| &mut *client.output);
        }
        if !self.may_be_told(target) {
            return None;
        }
        self.observers.set(Observers::PENDING, true);
        let resp3 = self.clients.get(target)?.resp3;
        Some(self.effects.pushes_after_reply(resp3))
    }

    /// A client whose command does not run, to be written a message for, which is sent before the next wait. `None`
    /// when it is gone, or is to be told nothing.
    fn receiver(&mut self, target: ClientKey) -> Option<&mut Client> {
        const UNUSUAL: Modes = Modes(Modes::REPLICA.0 | Modes::PRIMARY.0 | Modes::CLOSING.0);
        let modes = self.clients.get(target)?.modes;
        if modes.has(UNUSUAL) && (!self.may_be_told(target) || modes.has(Modes::CLOSING)) {
            return None;
        }
        self.clients.flush_later(target)
    }

    /// Whether something may be written for a client that its command does not write itself. The primary is told
    /// nothing, and what a replica reads is a stream into which nothing else may come: it is closed instead.
    pub fn may_be_told(&mut self, target: ClientKey) -> bool {
        let Some(client) = self.clients.get(target) else { return false };
        let modes = client.modes;
        if modes.has(Modes::REPLICA) && !modes.has(Modes::CLOSING) {
            roster::disconnect_for_reply(self, target);
        }
        !modes.has(Modes(Modes::REPLICA.0 | Modes::PRIMARY.0))
    }

    /// Writes a message for a client, and closes the client when it does not read what it is sent.
    pub fn push(&mut self, target: ClientKey, write: impl FnOnce(&mut Reply)) {
        if self.current == Some(target) {
            return self.push_to(target).map_or((), write);
        }
        let Some(client) = self.receiver(target) else { return };
        write(&mut client.output);
        let (output, is_stuck) = (&client.output, client.connection.output_stuck);
        if is_stuck || output.len() >= OUTPUT_CHECKED_FROM || output.is_cut() {
            check_output_limit(self, target);
        }
    }
}

/// Output of a turn from which on its limits are looked at, in bytes: what a socket does not take is looked at anyway.
pub const OUTPUT_CHECKED_FROM: usize = 16 * 1024;
/// Unsent output above which a client that has yet to authenticate is closed, in bytes.
const UNAUTHENTICATED_OUTPUT_MAX: u64 = 1024;

/// From how many bytes of output on a client will be closed at once, so that no more need be kept; 0 for no limit.
#[inline]
pub fn output_max(client: &Client, config: &Config) -> usize {
    let limits = &config.client_output_buffer_limit;
    match Class::of(client) {
        Class::Normal => limits.normal.hard_bytes as usize,
        Class::Pubsub => limits.pubsub.hard_bytes as usize,
        Class::Primary | Class::Replica => 0,
    }
}

/// Closes a client whose output has grown past `client-output-buffer-limit`: at once past the hard limit, or when it
/// stays past the soft one for too long.
pub fn check_output_limit(server: &mut Server, key: ClientKey) {
    let now = server.clock.unix_ms();
    let Some(client) = server.clients.get_mut(key) else { return };
    let stream = client.replica.as_deref().map_or(0, |replica| server.repl.waiting_bytes(replica));
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
    let too_much = limit.hard_bytes != 0 && waiting >= limit.hard_bytes || client.output.is_cut();
    let hard = too_much || stranger && waiting > UNAUTHENTICATED_OUTPUT_MAX;
    // The hard limit takes all for listed, as it is in Redis of replies whose length is told last; the time of the soft one
    // begins when `omem` says so.
    let listed = listed_bytes(client.output.len() as u64) + stream;
    let soft = limit.soft_bytes != 0 && listed >= limit.soft_bytes;
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
