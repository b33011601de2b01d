//! A full sync over two connections, seen by the primary: one brings the snapshot, and the stream goes over the other
//! meanwhile, so that the replica keeps it rather than this server.
//!
//! [`crate::peers::repl::main_channel`] shows what is said on which. The connection of the snapshot is a replica that
//! wants a snapshot and no more; it takes the way of all that do ([`super::sync`]), alone or with others:
//! ```text
//!  snapshot    WaitStart ──> WaitEnd, File ──> Served, closed
//!                              │ begins           │ is sent (Redis)
//!                              ▼                  ▼
//!  stream      WaitChannel ─> Parallel ─────────> Online     at the first ACK, too
//! ```
//! In Valkey's form the connection of the stream is a client like any until it asks for that; up to then what it will
//! ask for is kept for the connection of the snapshot, which therefore stays open a while when that is done. A
//! connection that is lost while it is needed takes the other along; the replica begins anew.

use super::roster::{add_replica, name, replica_mut, update_good_replicas};
use crate::command::Error;
use crate::command::error::CmdResult;
use crate::net::ClientKey;
use crate::peers::repl::main_channel::Tie;
use crate::peers::repl::replica::{Channel, Replica, Stage};
use crate::server::Server;
use crate::server::execution::Ctx;

/// How long the connection of a snapshot that is sent waits for the stream to be asked for, in milliseconds.
const GRACE_MS: i64 = 6000;

/// How a replica that has asked for everything is to get it over two connections, if it can and may.
pub fn offered(server: &Server, key: ClientKey) -> Option<Tie> {
    let client = server.clients.get(key)?;
    let (replica, config) = (client.replica.as_deref()?, &server.config);
    let wants_all = replica.channel == Channel::Only && !replica.snapshot_only && !replica.filter.is_any();
    if !wants_all || !replica.takes_streams || !config.repl_diskless_sync {
        return None;
    }
    if replica.ties.redis && config.repl_rdb_channel {
        return Some(Tie::Redis { client_id: client.id });
    }
    (replica.ties.valkey && config.dual_channel_replication_enabled).then_some(Tie::Valkey)
}

/// Tells a replica to open a second connection.
pub fn offer(cx: &mut Ctx<'_>, tie: Tie) {
    let who = name(cx.server, cx.client);
    match tie {
        Tie::Redis { client_id } => {
            log::info!(
                "Replica {who} is capable of rdb channel synchronization, and partial sync isn't possible. Full sync \
                 will continue with dedicated rdb channel."
            );
            let now = cx.server.clock.unix_ms();
            if let Some(replica) = replica_mut(cx.server, cx.client) {
                replica.stage = Stage::WaitChannel;
                replica.channel = Channel::Main { snapshot_id: None };
                replica.asked_ms = now;
            }
            add_replica(cx.server, cx.client);
            cx.reply.simple(format!("RDBCHANNELSYNC {client_id}"));
        }
        Tie::Valkey => {
            log::info!(
                "Dual channel replication: Replica {who} is capable of dual channel synchronization, and partial sync \
                 isn't possible. Full sync will continue with dedicated RDB channel."
            );
            cx.reply.simple("DUALCHANNELSYNC");
        }
    }
}

fn unknown_client(id: i64) -> Error {
    Error::text(format!("ERR Unrecognized RDB client id: {id}"))
}

/// REPLCONF main-ch-client-id: this is the connection of the snapshot, and the stream goes to that client.
///
/// # Errors
/// When that client waits for none.
pub fn name_main(cx: &mut Ctx<'_>, id: i64) -> CmdResult {
    let own_id = cx.client().id;
    let main_id = u64::try_from(id).map_err(|_| unknown_client(id))?;
    let main = find(cx.server, main_id).filter(|main| matches!(main.stage, Stage::WaitChannel));
    let main = main.filter(|main| main.channel == Channel::Main { snapshot_id: None });
    main.ok_or_else(|| unknown_client(id))?.channel = Channel::Main { snapshot_id: Some(own_id) };
    cx.client_mut().replica.get_or_insert_default().channel = Channel::Snapshot { main_id: Some(main_id) };
    Ok(())
}

/// REPLCONF set-rdb-client-id: this is the connection of the stream, and that client's one is that of the snapshot.
///
/// # Errors
/// When that client has no such connection, or it belongs to another already.
pub fn name_snapshot(cx: &mut Ctx<'_>, id: i64) -> CmdResult {
    let unknown = || Error::text(format!("ERR Unrecognized RDB client id {id}"));
    let snapshot_id = u64::try_from(id).map_err(|_| unknown())?;
    find(cx.server, snapshot_id).filter(|snapshot| snapshot.waits_for_main()).ok_or_else(unknown)?;
    let own = cx.client_mut().replica.get_or_insert_default();
    own.channel = Channel::Main { snapshot_id: Some(snapshot_id) };
    Ok(())
}

/// What is known of the replica that a client is.
fn find(server: &mut Server, id: u64) -> Option<&mut Replica> {
    let key = server.clients.find_id(id)?;
    replica_mut(server, key)
}

/// The other connection of the replica that a client is.
pub fn other(server: &Server, key: ClientKey) -> Option<ClientKey> {
    let replica = server.clients.get(key)?.replica.as_deref()?;
    let id = match replica.channel {
        Channel::Only => None,
        Channel::Snapshot { main_id: id } | Channel::Main { snapshot_id: id } => id,
    };
    server.clients.find_id(id?)
}

/// A snapshot for this replica is being made, and begins at a position: if it goes over a connection of its own the
/// stream begins on the other, or whoever is to ask for it is told where.
pub fn snapshot_begins(server: &mut Server, key: ClientKey, position: i64) {
    let who = name(server, key);
    let Some(client) = server.clients.get(key) else { return };
    let Some(replica) = client.replica.as_deref() else { return };
    if replica.waits_for_main() {
        let (client_id, id) = (client.id, server.repl.history.id.clone());
        log::info!(
            "Dual channel replication: Sending to replica {who} RDB end offset {position} and client-id {client_id}"
        );
        // The stream begins with the choice of a database: there is none to be told.
        let line = format!("$ENDOFF:{position} {id} -1 {client_id}\r\n");
        server.clients.at_mut(key).output.raw(line.as_bytes());
        server.clients.flush_later(key);
        return;
    }
    match other(server, key) {
        Some(main) if replica.is_second() => {
            log::info!("Starting to deliver RDB and replication stream to replica: {who}");
            begin_stream(server, main, position);
        }
        _ if matches!(replica.channel, Channel::Snapshot { .. }) => {
            log::warn!("Starting to deliver RDB to replica {who} but it has no associated main channel");
        }
        _ => {}
    }
}

fn begin_stream(server: &mut Server, main: ClientKey, position: i64) {
    let now = server.clock.unix_ms();
    let Some(replica) = replica_mut(server, main) else { return };
    replica.stage = Stage::Parallel;
    replica.position = position;
    replica.acked_ms = now;
    server.repl.fed = true;
}

/// The stream goes to a replica from its position on, as it has asked: whether its snapshot is on its way, or it has
/// it.
pub fn stage_of_stream(server: &mut Server, key: ClientKey) -> Stage {
    let Some(snapshot) = other(server, key) else { return Stage::Online };
    let main_id = server.clients.at(key).id;
    let Some(replica) = replica_mut(server, snapshot).filter(|replica| replica.waits_for_main()) else {
        return Stage::Online;
    };
    replica.channel = Channel::Snapshot { main_id: Some(main_id) };
    if matches!(replica.stage, Stage::Served) {
        server.clients.close_soon(snapshot);
    }
    Stage::Parallel
}

/// All of a snapshot is sent to who wanted no more: the connection is closed once nothing is kept for it.
pub fn snapshot_served(server: &mut Server, key: ClientKey) {
    let now = server.clock.unix_ms();
    let main = other(server, key);
    let Some(replica) = replica_mut(server, key) else { return };
    replica.acked_ms = now;
    if replica.waits_for_main() {
        return;
    }
    // A Valkey says itself when it has loaded it.
    if let Some(main) = main.filter(|_| !replica.is_old) {
        follows(server, main);
    }
    server.clients.close_soon(key);
}

/// A replica has its data set, and goes on with the stream, if it was sent that meanwhile.
pub fn follows(server: &mut Server, main: ClientKey) {
    let who = name(server, main);
    let now = server.clock.unix_ms();
    let parallel = replica_mut(server, main).filter(|replica| matches!(replica.stage, Stage::Parallel));
    let Some(replica) = parallel else { return };
    replica.stage = Stage::Online;
    replica.acked_ms = now;
    update_good_replicas(server);
    log::info!("Synchronization with replica {who} succeeded");
}

/// A connection is about to go: the other one is of no use any more, unless the snapshot has come over as a whole.
pub fn lost(server: &mut Server, key: ClientKey, snapshot_is_sent: bool) {
    let Some(other) = other(server, key) else { return };
    let Some(client) = server.clients.get(key) else { return };
    let (id, is_snapshot) = (client.id, client.replica.as_ref().is_some_and(|replica| replica.is_second()));
    let Some(replica) = replica_mut(server, other) else { return };
    let useless = match (is_snapshot, replica.channel) {
        (true, _) => !snapshot_is_sent && matches!(replica.stage, Stage::WaitChannel | Stage::Parallel),
        (false, Channel::Snapshot { main_id }) => main_id.is_none_or(|main_id| main_id == id),
        (false, _) => false,
    };
    if useless {
        server.clients.close_soon(other);
    }
}

/// Whether a connection waits for its other in vain.
pub fn is_overdue(replica: &Replica, now_ms: i64, timeout_ms: i64) -> bool {
    match replica.stage {
        Stage::WaitChannel => now_ms - replica.asked_ms > timeout_ms,
        Stage::Served => replica.waits_for_main() && now_ms - replica.acked_ms > GRACE_MS,
        _ => false,
    }
}
