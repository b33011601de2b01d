//! The role changes: becoming a replica or a primary, and losing the connection to the primary.
//!
//! Keys never expire by themselves on a replica: the primary says when. Until it does they are kept, and nobody is
//! shown them.

use super::{adopt, connect, roster};
use crate::client::{BlockedFor, Client};
use crate::command::Error;
use crate::config::ReplicaOf;
use crate::db::Databases;
use crate::net::ClientKey;
use crate::peers::repl::LinkHistory;
use crate::peers::repl::link::Link;
use crate::peers::repl::primary::{Cached, Primary};
use crate::server::replica_mode::update_role;
use crate::server::{Server, propagate};

/// The client of the primary is about to be removed: what is known of it is kept, and the next connection begun.
pub fn forget(server: &mut Server, key: ClientKey) {
    let Some(primary) = server.repl.primary.take_if(|primary| primary.client == key) else { return };
    log::info!("Connection with master lost.");
    remember(server, &primary);
    let now_ms = server.clock.unix_ms();
    server.repl.down_since_ms = Some(now_ms);
    server.repl.link_history.lost();
    server.repl.link = Link::default();
    update_role(server);
    if let Some(ReplicaOf { host, port }) = server.replica_of() {
        log::info!("Reconnecting to MASTER {host}:{port}");
        connect::connect_again(server);
    }
}

/// Cuts the client of the primary off; nothing is kept of it but what [`forget`] keeps.
fn drop_primary(server: &mut Server) {
    let Some(primary) = server.repl.primary.take() else { return };
    remember(server, &primary);
    server.clients.close_soon(primary.client);
}

/// Keeps what is to be known of a primary without a connection, if one can go on there.
fn remember(server: &mut Server, primary: &Primary) {
    if primary.is_old || !primary.is_trusted {
        return;
    }
    log::info!("Caching the disconnected master state.");
    let id = server.repl.history.id.clone();
    server.repl.cached = Some(Cached { id, offset: primary.offset, db: primary.db });
}

/// After a change of the role: [`update_role`], and what a change entails beyond that.
fn role_changed(server: &mut Server, db: &mut Databases) {
    update_role(server);
    db.keeps_expired = server.keeps_expired();
    crate::server::oom_score::oom_score(server).ok();
    propagate::update_propagate_observer(server);
}

/// The server becomes a replica of another one.
pub fn become_replica(server: &mut Server, db: &mut Databases, primary: ReplicaOf) {
    let was_primary = !server.is_replica();
    log::info!("Connecting to MASTER {}:{}", primary.host, primary.port);
    drop_primary(server);
    server.config.replicaof = Some(primary);
    if was_primary {
        unblock_for_role_change(server);
    }
    server.repl.link_history = LinkHistory::default();
    connect::drop_link(server, db, false);
    server.repl.tells_version = false;
    if was_primary {
        log::info!(
            "Before turning into a replica, using my own master parameters to synthesize a cached master: I may be \
             able to synchronize with the new master with just a partial transfer."
        );
        let history = &server.repl.history;
        server.repl.cached = Some(Cached { id: history.id.clone(), offset: history.offset, db: 0 });
        server.repl.down_since_ms = Some(server.clock.unix_ms());
    }
    role_changed(server, db);
    connect::connect(server);
}

/// Clients that wait for keys would wait for what nobody but the primary may bring.
fn unblock_for_role_change(server: &mut Server) {
    let waits = |client: &Client| client.blocked.as_ref().is_some_and(|blocked| blocked.reason != BlockedFor::Pause);
    let waiting: Vec<ClientKey> =
        server.clients.iter().filter(|(_, client)| waits(client)).map(|(key, _)| key).collect();
    const ROLE_CHANGED: Error =
        Error::fixed("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)");
    for key in waiting {
        let waits_elsewhere = waits_elsewhere(server, key);
        let error = if waits_elsewhere { server.redirection() } else { ROLE_CHANGED };
        server.refuse_blocked(key, &error);
        if !waits_elsewhere {
            server.clients.at_mut(key).close_after_reply();
        }
        server.clients.flush_later(key);
    }
}

/// Whether a client that waits for keys can go on doing so at the primary.
fn waits_elsewhere(server: &Server, key: ClientKey) -> bool {
    let client = server.clients.at(key);
    client.blocked.as_ref().is_some_and(|blocked| {
        let flags = server.commands.entry(blocked.command).row.flags;
        blocked.reason == BlockedFor::Keys && client.belongs_at_primary(flags)
    })
}

/// The server becomes a primary, with a history of its own from here on.
pub fn become_primary(server: &mut Server, db: &mut Databases) {
    if server.config.replicaof.take().is_none() {
        return;
    }
    drop_primary(server);
    if server.repl.cached.take().is_some() {
        log::info!("Discarding previously cached master state.");
    }
    connect::drop_link(server, db, false);
    let id = crate::peers::repl::new_id(&mut server.random);
    let history = &mut server.repl.history;
    history.continue_as(id);
    log::warn!(
        "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
        history.second_id,
        history.second_offset,
        history.id
    );
    roster::disconnect_all(server);
    server.repl.own_keys.clear();
    server.repl.forget_selected();
    server.repl.no_replicas_since_ms = server.clock.unix_ms();
    server.repl.down_since_ms = None;
    role_changed(server, db);
    if server.config.appendonly && !server.persist.aof.is_on() {
        adopt::restart_log(server, db);
    }
}
