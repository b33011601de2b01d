//! How a replica gets its data set: from its request to the stream of changes.
//!
//! ```text
//!            ┌─> WaitStart ──> WaitEnd ──> File ───┐
//!  PSYNC ────┤   (for a child) (to finish)         ├──> Online
//!            │                    └─ (transfer) ───┤
//!            └─────── its place is still kept ─────┘
//! ```
//! A replica that asks for everything waits for a child that saves the data set, together with all others that ask
//! meanwhile. From the moment of the fork on its position in the stream is fixed, and the backlog is kept from there. It
//! is then sent the file or, without a file, was sent what the child wrote ([`super::transfer`]); the stream follows.

use std::fs::File;

use super::roster::{self, name, remove_replica, replica_mut, replicas};
use super::{channels, transfer, unloaded};
use crate::client::Modes;
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::db::Databases;
use crate::net::ClientKey;
use crate::peers::repl::main_channel::Tie;
use crate::peers::repl::replica::{Channel, Filter, Replica, Stage};
use crate::persist::fork::Purpose;
use crate::server::Server;
use crate::server::execution::Ctx;
use crate::server::modes::ServerModes;
use crate::server::persistence::snapshot;
use crate::util::platform;

/// PSYNC and SYNC: the client becomes a replica, unless it is one, or something that cannot be both.
pub fn request(cx: &mut Ctx<'_>, args: &Args<'_>, partial: bool) -> CmdResult {
    if cx.client().modes.has(Modes(Modes::MONITOR.0 | Modes::PEER.0)) {
        return Ok(());
    }
    if partial && args.is(3, "failover") {
        super::failover::accept_takeover(cx, args.get(1))?;
    }
    if cx.server.repl.failover.is_on() {
        return Err(Error::fixed("NOMASTERLINK Can't SYNC while failing over"));
    }
    if cx.server.is_cut_off() {
        return Err(Error::fixed("NOMASTERLINK Can't SYNC while not connected with my master"));
    }
    let (key, now) = (cx.client, cx.server.clock.unix_ms());
    let replica = cx.client_mut().replica.get_or_insert_default();
    if replica.filter.is_any() && !replica.takes_streams {
        return Err(Error::fixed("ERR Filtered replica requires EOF capability"));
    }
    log::info!("Replica {} asks for synchronization", name(cx.server, key));
    if partial {
        let Ok(offset) = args.integer(2) else {
            log::warn!("Replica {} asks for synchronization but with a wrong offset", name(cx.server, key));
            return Err(Error::fixed("ERR value is not an integer or out of range"));
        };
        if try_partial(cx, args.get(1), offset, now) {
            let goes_on = replica_mut(cx.server, key).is_some_and(|replica| replica.is_online());
            cx.server.repl.counts.partial += u64::from(goes_on);
            return Ok(());
        }
        cx.server.repl.counts.refused += u64::from(!args.get(1).starts_with(b"?"));
    }
    unloaded::refuse_for_now(cx.server, cx.db, key)?;
    let is_second = replica_mut(cx.server, key).is_some_and(|replica| replica.is_second());
    let tie = channels::offered(cx.server, key).filter(|_| partial);
    // What goes over two connections counts once: for the one of them that becomes a replica first.
    cx.server.repl.counts.full += u64::from(!is_second && tie != Some(Tie::Valkey));
    if let Some(tie) = tie {
        channels::offer(cx, tie);
        return Ok(());
    }
    if let Some(replica) = replica_mut(cx.server, key) {
        replica.is_old = !partial;
        replica.stage = Stage::WaitStart;
        replica.asked_ms = now;
    }
    if cx.server.config.repl_disable_tcp_nodelay {
        cx.client_mut().connection.socket().set_delay(true).ok();
    }
    roster::add_replica(cx.server, key);
    // What is already to be said goes first, and then what `begin_or_wait` says.
    let reply = std::mem::take(cx.reply);
    *cx.client_mut().output = reply;
    begin_or_wait(cx.server, cx.db, key);
    *cx.reply = std::mem::take(&mut *cx.client_mut().output);
    Ok(())
}

/// Has a replica go on where it was, if that is possible.
fn try_partial(cx: &mut Ctx<'_>, id: &[u8], wanted: i64, now: i64) -> bool {
    let (key, history) = (cx.client, &cx.server.repl.history);
    let who = name(cx.server, key);
    let is = |own: &str| id.eq_ignore_ascii_case(own.as_bytes());
    if !is(&history.id) && (!is(&history.second_id) || wanted > history.second_offset) {
        if id.starts_with(b"?") {
            let is_second = replica_mut(cx.server, key).is_some_and(|replica| replica.is_second());
            log::info!("Full resync requested by replica {who}{}", if is_second { " (rdb-channel)" } else { "" });
        } else if is(&history.second_id) {
            log::info!(
                "Partial resynchronization not accepted: Requested offset for second ID was {wanted}, but I can reply \
                 up to {}",
                history.second_offset
            );
        } else {
            log::info!(
                "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{}', my \
                 replication IDs are '{}' and '{}')",
                id.escape_ascii(),
                history.id,
                history.second_id
            );
        }
        return false;
    }
    let position = wanted.saturating_sub(1);
    if !cx.server.repl.backlog.as_ref().is_some_and(|backlog| backlog.reaches(position)) {
        log::info!("Unable to partial resync with replica {who} for lack of backlog (Replica request was: {wanted}).");
        if wanted > history.offset {
            log::warn!(
                "Warning: replica {who} tried to PSYNC with an offset that is greater than the master replication \
                 offset."
            );
        }
        return false;
    }
    let (id, end) = (history.id.clone(), history.offset);
    let stage = channels::stage_of_stream(cx.server, key);
    let Some(replica) = replica_mut(cx.server, key) else { return false };
    replica.stage = stage;
    replica.acked_ms = now;
    replica.position = position;
    match replica.knows_names {
        true => cx.reply.simple(format!("CONTINUE {id}")),
        false => cx.reply.simple("CONTINUE"),
    }
    roster::add_replica(cx.server, key);
    cx.server.repl.fed = true;
    log::info!(
        "Partial resynchronization request from {who} accepted. Sending {} bytes of backlog starting from offset \
         {wanted}.",
        end - position
    );
    roster::update_good_replicas(cx.server);
    true
}

/// Finds a child whose snapshot the replica can have, or forks one, or has it wait.
fn begin_or_wait(server: &mut Server, db: &mut Databases, key: ClientKey) {
    match server.persist.child.as_ref().map(|child| child.purpose) {
        Some(Purpose::Rdb) => {
            let Some(own) = server.clients.get(key).and_then(|client| client.replica.as_deref()) else { return };
            let fits = |other: &Replica| {
                let capable = own.takes_streams || !other.takes_streams;
                let capable = capable && (own.knows_names || !other.knows_names);
                let waits = matches!(other.stage, Stage::WaitEnd) && (!other.snapshot_only || own.snapshot_only);
                // A snapshot alone keeps nothing of the stream for those that want what follows it.
                let reaches = server.repl.backlog.as_ref().is_some_and(|backlog| backlog.reaches(other.position));
                waits && capable && reaches && own.filter == other.filter
            };
            let position = replicas(server).find(|(_, other)| fits(other)).map(|(_, other)| other.position);
            match position {
                Some(position) => {
                    wait_for_child(server, key, position);
                    log::info!("Waiting for end of BGSAVE for SYNC");
                }
                None => log::info!("Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC"),
            }
        }
        Some(Purpose::Sync) => {
            log::info!("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC");
        }
        child => {
            let streams = server.clients.get(key).and_then(|client| client.replica.as_ref());
            let streams = streams.is_some_and(|replica| replica.takes_streams);
            let config = &server.config;
            if config.repl_diskless_sync && streams && config.repl_diskless_sync_delay > 0 {
                log::info!("Delay next BGSAVE for diskless SYNC");
            } else if child.is_none() && !server.in_exec {
                begin_snapshot(server, db);
            } else {
                log::info!("No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed");
            }
        }
    }
}

/// The snapshot of a replica is being made, and begins at a position of the stream.
pub fn wait_for_child(server: &mut Server, key: ClientKey, position: i64) {
    server.repl.forget_selected();
    let id = server.repl.history.id.clone();
    let Some(client) = server.clients.get_mut(key) else { return };
    let Some(replica) = client.replica.as_deref_mut() else { return };
    replica.position = position;
    replica.stage = Stage::WaitEnd;
    if !replica.is_old {
        client.output.simple(format!("FULLRESYNC {id} {position}"));
        server.clients.flush_later(key);
    }
    channels::snapshot_begins(server, key, position);
}

/// Forks a child for the replicas that wait for one: for all that want the same as the first.
fn begin_snapshot(server: &mut Server, db: &mut Databases) {
    let waiting: Vec<ClientKey> = waiting(server);
    let all = |has: fn(&Replica) -> bool| waiting.iter().all(|key| replicas(server).any(|(k, r)| k == *key && has(r)));
    let Some(filter) = waiting.first().and_then(|key| Some(server.clients.get(*key)?.replica.as_ref()?.filter)) else {
        return;
    };
    let plain = filter == Filter::default();
    let streamed = (server.config.repl_diskless_sync || !plain) && all(|replica| replica.takes_streams);
    let apart = all(|replica| matches!(replica.channel, Channel::Snapshot { .. }));
    let target = match (streamed, apart) {
        (true, true) => "replicas sockets (rdb-channel)",
        (true, false) => "replicas sockets",
        (false, _) => "disk",
    };
    log::info!("Starting BGSAVE for SYNC with target: {target}");
    let position = server.repl.history.offset;
    // The stream that follows begins with the choice of a database, and the snapshot says so.
    server.repl.forget_selected();
    let begun = match streamed {
        true => transfer::begin(server, db, &waiting, filter),
        false => snapshot::begin(server, db, None),
    };
    server.persist.snapshots.is_for_replicas = begun;
    if begun {
        server.repl.file_is_for_replicas |= !streamed && server.config.rdb_del_sync_files;
        waiting.iter().for_each(|key| wait_for_child(server, *key, position));
        return;
    }
    log::warn!("BGSAVE for replication failed");
    for key in waiting {
        remove_replica(server, key);
        let client = server.clients.at_mut(key);
        client.output.error("ERR BGSAVE failed, replication can't continue");
        client.close_after_reply();
        server.clients.flush_later(key);
    }
}

/// Replicas that wait for a child and want the same as the first of them.
fn waiting(server: &Server) -> Vec<ClientKey> {
    let mut filter = None;
    let waits = |(_, replica): &(ClientKey, &Replica)| matches!(replica.stage, Stage::WaitStart);
    let alike = replicas(server).filter(waits).filter(|(_, replica)| {
        let first = *filter.get_or_insert(replica.filter);
        replica.filter == first
    });
    alike.map(|(key, _)| key).collect()
}

/// Forks a child if replicas have waited for one long enough.
fn begin_due_snapshot(server: &mut Server, db: &mut Databases) {
    if server.persist.child.is_some() || server.modes.has(ServerModes::LOADING) {
        return;
    }
    let (waiting, now) = (waiting(server), server.clock.unix_ms());
    let asked = |key: &ClientKey| Some(server.clients.get(*key)?.replica.as_ref()?.asked_ms);
    let Some(first) = waiting.iter().filter_map(asked).min() else { return };
    let config = &server.config;
    let (delay_ms, most) = (i64::from(config.repl_diskless_sync_delay) * 1000, config.repl_diskless_sync_max_replicas);
    let enough = most > 0 && waiting.len() >= most as usize;
    if !config.repl_diskless_sync || enough || now - first >= delay_ms {
        begin_snapshot(server, db);
    }
}

/// The child that saved the file has ended.
pub fn file_is_saved(server: &mut Server, well: bool) {
    let waits = |(_, replica): &(ClientKey, &Replica)| matches!(replica.stage, Stage::WaitEnd);
    let waiting: Vec<ClientKey> = replicas(server).filter(waits).map(|(key, _)| key).collect();
    for key in waiting {
        if !well {
            log::warn!("SYNC failed. BGSAVE child returned an error");
            server.clients.close_soon(key);
            continue;
        }
        let opened = File::open(&server.config.dbfilename).and_then(|file| Ok((file.metadata()?.len(), file)));
        let Some(client) = server.clients.get_mut(key) else { continue };
        match (opened, client.replica.as_deref_mut()) {
            (Ok((length, file)), Some(replica)) => {
                client.output.raw(format!("${length}\r\n").as_bytes());
                replica.stage = Stage::File { file, sent: 0, length };
                server.clients.flush_later(key);
            }
            (Err(error), _) => {
                log::warn!("SYNC failed. Can't open/stat DB after BGSAVE: {}", platform::os_error_text(&error));
                server.clients.close_soon(key);
            }
            (Ok(_), None) => {}
        }
    }
}

/// What is done once a second: for replicas that wait, and with the file that was made for them.
pub fn tick(server: &mut Server, db: &mut Databases) {
    begin_due_snapshot(server, db);
    remove_file_for_replicas(server);
}

/// Removes the file that was made for replicas, if this server keeps none for itself and nobody is sent it any more.
fn remove_file_for_replicas(server: &mut Server) {
    if !server.config.rdb_del_sync_files {
        server.repl.file_is_for_replicas = false;
        return;
    }
    let keeps_none = server.config.save.is_empty() && !server.config.appendonly;
    let is_used = |replica: &Replica| matches!(replica.stage, Stage::WaitStart | Stage::WaitEnd | Stage::File { .. });
    if !server.repl.file_is_for_replicas || !keeps_none || replicas(server).any(|(_, replica)| is_used(replica)) {
        return;
    }
    server.repl.file_is_for_replicas = false;
    if std::fs::exists(&server.config.dbfilename).unwrap_or(false) {
        log::info!("Removing the RDB file used to feed replicas in a persistence-less instance");
        std::fs::remove_file(&server.config.dbfilename).ok();
    }
}
