//! The primary's side: its replicas, what each is sent, and how far each is.
//!
//! Replies to a replica go through its output like anybody's; [`send`] goes on with what lies elsewhere once that is
//! empty: the file with the data set, the backlog. How replicas get that far is in [`super::sync`].

use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

use super::roster::{self, name, remove_replica, replica_mut, replicas, update_good_replicas};
use super::{channels, sync, transfer, unloaded};
use crate::client::{Client, Modes};
use crate::db::Databases;
use crate::net::ClientKey;
use crate::peers::repl::replica::{Channel, Stage};
use crate::persist::fork::Purpose;
use crate::persist::rdb::version::{MAGIC_BYTES, Version};
use crate::server::pause::WritePauseReason;
use crate::server::persistence::{aof_write, snapshot};
use crate::server::{Server, propagate};

/// Bytes of a file that are read and sent at a time.
const FILE_PIECE_BYTES: usize = 64 * 1024;
/// Segments of the backlog handed to one write.
const SLICES_MAX: usize = 16;
const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// A replica tells how far it is, and maybe how far its append-only file.
pub fn note_ack(server: &mut Server, key: ClientKey, offset: i64, log: Option<i64>) {
    let now = server.clock.unix_ms();
    let Some(replica) = replica_mut(server, key) else { return };
    replica.acked = replica.acked.max(offset);
    replica.acked_log = replica.acked_log.max(log.unwrap_or(0));
    replica.acked_ms = now;
    if replica.unloaded.take().is_some() {
        let who = name(server, key);
        server.repl.failed_loads.forget(&who);
    }
    let Some(replica) = replica_mut(server, key) else { return };
    if matches!(replica.stage, Stage::WaitEnd) {
        replica.acked_early = true;
        transfer::finish_if_done(server);
    }
    channels::follows(server, key);
    let Some(replica) = replica_mut(server, key) else { return };
    if replica.waits_for_ack && replica.is_online() {
        replica.waits_for_ack = false;
        server.clients.flush_later(key);
    }
}

/// Sends what is to follow a replica's output, which is empty; as much as its socket takes.
///
/// # Errors
/// Those of the socket, and of the file.
pub fn send(server: &mut Server, key: ClientKey) -> io::Result<()> {
    loop {
        let permit = aof_write::permit_send(server);
        let Some(client) = server.clients.get_mut(key) else { return Ok(()) };
        let Some(replica) = client.replica.as_deref_mut() else { return Ok(()) };
        let sent = match &mut replica.stage {
            Stage::File { file, sent, length } if *sent < *length => {
                let room = &mut server.repl.room;
                room.resize(FILE_PIECE_BYTES, 0);
                let read = file.read_at(room, *sent)?.min((*length - *sent) as usize);
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let written = client.connection.send(&[IoSlice::new(&room[..read])], permit)?;
                *sent += written as u64;
                written
            }
            Stage::File { file, .. } => {
                server.repl.room = Vec::new();
                let mut magic = [0; MAGIC_BYTES];
                file.read_exact_at(&mut magic, 0)?;
                unloaded::note_sent(server, key, Version::of_magic(&magic));
                if !roster::mark_online(server, key) {
                    channels::snapshot_served(server, key);
                    return Ok(());
                }
                continue;
            }
            Stage::Online | Stage::Parallel if !replica.waits_for_ack => {
                let Some(backlog) = &server.repl.backlog else { return Ok(()) };
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let filled = backlog.io_slices(replica.position, &mut slices);
                if filled == 0 {
                    return Ok(());
                }
                let written = client.connection.send(&slices[..filled], permit)?;
                replica.position += written as i64;
                written
            }
            _ => return Ok(()),
        };
        server.repl.counts.bytes_out += sent as u64;
        if client.connection.output_stuck {
            return Ok(());
        }
    }
}

/// Asks replicas how far they are.
pub fn ask_for_acks(server: &mut Server) {
    server.repl.wants_acks = false;
    if !server.is_replica() {
        server.repl.append(GETACK);
    }
}

/// Before the outputs are sent: asks replicas how far they are if somebody waits for that, and has the stream sent.
pub fn before_replies(server: &mut Server) {
    super::acks::note_logged(server);
    if server.repl.wants_acks && server.pause.kind().is_none() {
        ask_for_acks(server);
    }
    if !std::mem::take(&mut server.repl.fed) {
        return;
    }
    for index in 0..server.repl.replicas.len() {
        let key = server.repl.replicas[index];
        // Who is about to be closed is sent no more: it may be kept from something on purpose.
        let goes_on = |client: &Client| !client.modes.has(Modes::CLOSING);
        let client = server.clients.get(key).filter(|client| goes_on(client));
        if client.is_some_and(|client| client.replica.as_ref().is_some_and(|replica| replica.is_streamed())) {
            server.clients.flush_later(key);
        }
        crate::server::clients::messages::check_output_limit(server, key);
    }
}

/// After the outputs are sent: drops what nobody needs of the stream.
pub fn after_replies(server: &mut Server) {
    let positions = replicas(server).filter(|(_, replica)| replica.needs_stream()).map(|(_, replica)| replica.position);
    let needed = positions.min();
    if let Some(backlog) = &mut server.repl.backlog {
        backlog.trim(needed);
    }
}

/// A client that is a replica is about to be removed.
pub fn forget(server: &mut Server, key: ClientKey) {
    let Some(client) = server.clients.get(key) else { return };
    let Some(replica) = client.replica.as_deref() else { return };
    let is_snapshot = matches!(replica.channel, Channel::Snapshot { .. });
    let is_sent = matches!(replica.stage, Stage::Served) || transfer::is_all_sent(server, key);
    unloaded::note_failed(server, key, is_sent);
    channels::lost(server, key, is_sent);
    if !server.repl.replicas.contains(&key) {
        return;
    }
    let what = if is_snapshot { "(rdbchannel) " } else { "" };
    log::info!("Connection with replica {what}{} lost.", name(server, key));
    remove_replica(server, key);
    transfer::replica_lost(server, key);
    // A child that saves for nobody else is of no use.
    let saves_for_nobody = server.config.save.is_empty()
        && server.repl.replicas.is_empty()
        && server.persist.snapshots.is_for_replicas
        && server.persist.child.as_ref().is_some_and(|child| child.purpose == Purpose::Rdb);
    if saves_for_nobody {
        snapshot::kill_child(server);
    }
}

/// What is done once a second.
pub fn tick(server: &mut Server, db: &mut Databases, loops: u64) {
    let due = loops.is_multiple_of(u64::from(server.config.repl_ping_replica_period.max(1)));
    // A replica that is to have the whole history waits for its end.
    let held = server.pause.holders.contains(&WritePauseReason::Failover);
    if due && !server.repl.replicas.is_empty() && !server.is_replica() && !held {
        server.repl.append(PING);
    }
    let now = server.clock.unix_ms();
    let timeout_ms = i64::from(server.config.repl_timeout) * 1000;
    let streams = server.repl.transfer.is_some();
    for key in server.repl.replicas.clone() {
        let Some(client) = server.clients.get_mut(key) else { continue };
        let heard_bytes = client.input_bytes;
        let Some(replica) = client.replica.as_deref_mut() else { continue };
        // Whatever it says is a sign of life: while it loads its data set these are empty lines.
        if std::mem::replace(&mut replica.heard_bytes, heard_bytes) != heard_bytes {
            replica.acked_ms = now;
        }
        let late = match replica.stage {
            Stage::Online => (!replica.is_old && now - replica.acked_ms > timeout_ms).then_some("streaming sync"),
            Stage::WaitEnd => {
                let stalled = replica.stalled_since_ms.filter(|_| streams);
                stalled.filter(|since| now - since > timeout_ms).map(|_| "full sync")
            }
            _ => channels::is_overdue(replica, now, timeout_ms).then_some("full sync"),
        };
        // A sign of life for who waits for a child.
        if matches!(replica.stage, Stage::WaitStart) || matches!(replica.stage, Stage::WaitEnd) && !streams {
            client.output.raw(b"\n");
            server.clients.flush_later(key);
        }
        if let Some(what) = late {
            log::warn!("Disconnecting timedout replica ({what}): {}", name(server, key));
            server.clients.close_soon(key);
        }
    }
    free_backlog_if_unused(server, now);
    sync::tick(server, db);
    update_good_replicas(server);
}

/// Without replicas for long nobody will come back: a new history begins with the next one.
fn free_backlog_if_unused(server: &mut Server, now: i64) {
    let ttl_s = server.config.repl_backlog_ttl;
    let repl = &mut server.repl;
    if !repl.replicas.is_empty() || ttl_s == 0 || repl.backlog.is_none() || server.config.replicaof.is_some() {
        return;
    }
    if now - repl.no_replicas_since_ms > (ttl_s as i64).saturating_mul(1000) {
        let id = crate::peers::repl::new_id(&mut server.random);
        repl.history.begin(id);
        repl.backlog = None;
        propagate::update_propagate_observer(server);
        log::info!("Replication backlog freed after {ttl_s} seconds without connected replicas.");
    }
}
