//! The replicas of this server: who they are, how far they are, and that one is one no more.

use crate::client::Modes;
use crate::net::ClientKey;
use crate::peers::repl;
use crate::peers::repl::replica::{Replica, Stage};
use crate::server::modes::ServerModes;
use crate::server::{Server, propagate};

/// The address of a replica as it is shown: what it has announced, or that of its connection.
pub fn address(server: &Server, key: ClientKey) -> (String, u16) {
    let Some(client) = server.clients.get(key) else { return (String::new(), 0) };
    let announced = client.replica.as_ref().and_then(|replica| replica.ip.clone());
    let peer = client.connection.peer_name();
    let ip = announced.unwrap_or_else(|| {
        let ip = peer.rsplit_once(':').map_or("", |(ip, _)| ip);
        ip.trim_start_matches('[').trim_end_matches(']').to_owned()
    });
    (ip, client.replica.as_ref().map_or(0, |replica| replica.port))
}

/// The name of a replica in the log.
pub fn name(server: &Server, key: ClientKey) -> String {
    match address(server, key) {
        (_, 0) => format!("client id #{}", server.clients.get(key).map_or(0, |client| client.id)),
        (ip, port) if ip.contains(':') => format!("[{ip}]:{port}"),
        (ip, port) => format!("{ip}:{port}"),
    }
}

/// All replicas, each with its client's key.
pub fn replicas(server: &Server) -> impl Iterator<Item = (ClientKey, &Replica)> {
    let keys = server.repl.replicas.iter();
    keys.filter_map(|key| Some((*key, server.clients.get(*key)?.replica.as_deref()?)))
}

/// All replicas, each once: one with two connections is known by the first.
pub fn followers(server: &Server) -> impl Iterator<Item = (ClientKey, &Replica)> {
    replicas(server).filter(|(_, replica)| !replica.is_second())
}

/// What is known of a replica, to change it.
pub fn replica_mut(server: &mut Server, key: ClientKey) -> Option<&mut Replica> {
    server.clients.get_mut(key)?.replica.as_deref_mut()
}

/// Makes a client one of the replicas.
pub fn add_replica(server: &mut Server, key: ClientKey) {
    server.clients.at_mut(key).modes.set(Modes::REPLICA, true);
    server.repl.replicas.push(key);
    if server.repl.replicas.len() == 1 && server.repl.backlog.is_none() {
        let id = repl::new_id(&mut server.random);
        server.repl.history.begin(id);
        server.repl.begin_backlog(server.config.repl_backlog_size);
        log::info!(
            "Replication backlog created, my new replication IDs are '{}' and '{}'",
            server.repl.history.id,
            server.repl.history.second_id
        );
    }
    propagate::update_propagate_observer(server);
}

/// A client is no replica any more. The one place where that ends.
pub fn remove_replica(server: &mut Server, key: ClientKey) {
    let now = server.clock.unix_ms();
    if let Some(client) = server.clients.get_mut(key) {
        client.modes.set(Modes::REPLICA, false);
        client.replica = None;
    }
    server.repl.replicas.retain(|replica| *replica != key);
    if server.repl.replicas.is_empty() {
        server.repl.no_replicas_since_ms = now;
    }
    update_good_replicas(server);
    propagate::update_propagate_observer(server);
}

/// Closes a replica for which its latest command, or somebody else, has something that is no part of the stream.
pub fn disconnect_for_reply(server: &mut Server, key: ClientKey) {
    let command = server.command_name(server.clients.get(key).and_then(|client| client.last_command)).to_owned();
    log::warn!("Replica generated a reply to command '{command}', disconnecting it: {}", name(server, key));
    server.clients.close_soon(key);
}

/// Ends the connections of all replicas: they come back and learn what has changed.
pub fn disconnect_all(server: &mut Server) {
    for key in server.repl.replicas.clone() {
        server.clients.close_soon(key);
    }
}

/// How many replicas have told that they are at least so far.
pub fn count_acked(server: &Server, offset: i64) -> u32 {
    replicas(server).filter(|(_, replica)| replica.is_online() && replica.acked >= offset).count() as u32
}

/// How many replicas have told that their append-only files are at least so far.
pub fn count_logged(server: &Server, offset: i64) -> u32 {
    replicas(server).filter(|(_, replica)| replica.is_online() && replica.acked_log >= offset).count() as u32
}

/// Whether every replica has told that it has everything.
pub fn all_in_sync(server: &Server) -> bool {
    followers(server).all(|(_, replica)| replica.acked == server.repl.history.offset)
}

/// Says in the log which replicas do not have everything.
pub fn report_lag(server: &Server) {
    let (now, end) = (server.clock.unix_ms(), server.repl.history.offset);
    let mut lagging = 0;
    for (key, replica) in followers(server).filter(|(_, replica)| replica.acked != end) {
        lagging += 1;
        log::warn!(
            "Lagging replica {} reported offset {} behind master, lag={}, state={}.",
            name(server, key),
            end - replica.acked,
            if replica.is_online() { (now - replica.acked_ms) / 1000 } else { 0 },
            replica.state().unwrap_or_default()
        );
    }
    let all = followers(server).count();
    if all > 0 {
        log::info!("{} of {all} replicas are in sync when shutting down.", all - lagging);
    }
}

/// A replica has been sent its snapshot; false if that was all it wanted.
pub fn mark_online(server: &mut Server, key: ClientKey) -> bool {
    let now = server.clock.unix_ms();
    let who = name(server, key);
    let Some(replica) = replica_mut(server, key) else { return false };
    if replica.snapshot_only {
        replica.stage = Stage::Served;
        log::info!("RDB transfer completed, rdb only replica ({who}) should be disconnected asap");
        return false;
    }
    replica.stage = Stage::Online;
    replica.acked_ms = now;
    update_good_replicas(server);
    log::info!("Synchronization with replica {who} succeeded");
    true
}

/// Counts the replicas that are not too far behind, and has writes refused where there are too few.
pub fn update_good_replicas(server: &mut Server) {
    let now = server.clock.unix_ms();
    let (wanted, lag) = (server.config.min_replicas_to_write, i64::from(server.config.min_replicas_max_lag));
    let is_good = |replica: &Replica| replica.is_online() && (now - replica.acked_ms) / 1000 <= lag;
    let good = replicas(server).filter(|(_, replica)| is_good(replica)).count();
    server.repl.good_replicas = good;
    let too_few = wanted > 0 && lag > 0 && !server.is_replica() && good < wanted as usize;
    server.modes.set(ServerModes::FEW_REPLICAS, too_few);
}
