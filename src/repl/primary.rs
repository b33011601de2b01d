//! The primary's side: replicas, from their request for the data set to the stream of changes.
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
//!
//! Replies to a replica go through its output like anybody's; [`send`] goes on with what lies elsewhere once that is
//! empty: the file, the backlog.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

use super::transfer;
use crate::client::{ClientKey, Modes};
use crate::command::error::CmdResult;
use crate::command::{Args, Ctx, Error};
use crate::db::Databases;
use crate::persist::fork::Purpose;
use crate::persist::snapshot;
use crate::repl::propagate;
use crate::server::{Server, ServerModes};
use crate::util::platform;

/// Bytes of a file that are read and sent at a time.
const FILE_PIECE_BYTES: usize = 64 * 1024;
/// Segments of the backlog handed to one write.
const SLICES_MAX: usize = 16;
const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// What a replica is being given.
#[derive(Debug, Default)]
pub enum Stage {
    /// Nothing yet: it introduces itself.
    #[default]
    Introducing,
    /// It waits for a child to be forked for it.
    WaitStart,
    /// It waits for the child to be done.
    WaitEnd,
    /// It is sent the file.
    File {
        /// The file,
        file: File,
        /// how much of it is sent,
        sent: u64,
        /// and how long it is.
        length: u64,
    },
    /// It follows.
    Online,
    /// It has got the snapshot it wanted and no more.
    Served,
}

/// What a replica leaves out of its snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// All keys.
    pub no_data: bool,
    /// The libraries of functions.
    pub no_functions: bool,
}

impl Filter {
    /// Whether anything is left out.
    pub fn is_any(self) -> bool {
        self != Filter::default()
    }
}

/// A replica, seen by its primary.
#[derive(Debug, Default)]
pub struct Replica {
    /// What it is being given.
    pub stage: Stage,
    /// The position in the stream of what it is sent next.
    pub position: i64,
    /// How far it says it is.
    pub acked: i64,
    /// How far its append-only file is.
    pub acked_log: i64,
    /// When it said so, in Unix milliseconds.
    pub acked_ms: i64,
    /// When it asked for the data set, in Unix milliseconds.
    asked_ms: i64,
    /// When a piece of a snapshot was last sent only in part, in Unix milliseconds.
    pub stalled_since_ms: Option<i64>,
    /// The port it listens on,
    pub port: u16,
    /// and the address, if it is another than that of its connection.
    pub ip: Option<String>,
    /// It finds the end of a snapshot of unknown length.
    pub takes_streams: bool,
    /// It understands that a history has changed its name.
    pub knows_names: bool,
    /// It wants a snapshot and no more.
    pub snapshot_only: bool,
    /// What it leaves out.
    pub filter: Filter,
    /// It does not tell how far it is: it has asked with SYNC.
    pub is_old: bool,
    /// The stream begins once it has told that it has the data set.
    pub waits_for_ack: bool,
    /// It has told so before this server knew that all was well.
    pub acked_early: bool,
}

impl Replica {
    /// Whether it follows.
    pub fn is_online(&self) -> bool {
        matches!(self.stage, Stage::Online)
    }

    /// What INFO calls its stage.
    pub fn state(&self) -> Option<&'static str> {
        match self.stage {
            Stage::Introducing => None,
            Stage::WaitStart | Stage::WaitEnd => Some("wait_bgsave"),
            Stage::File { .. } => Some("send_bulk"),
            Stage::Online => Some("online"),
            Stage::Served => Some("rdb_transmitted"),
        }
    }

    /// Whether the stream is kept for it from its position on.
    fn needs_stream(&self) -> bool {
        let stands = matches!(self.stage, Stage::WaitEnd | Stage::File { .. } | Stage::Online);
        stands && !self.snapshot_only
    }
}

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

fn replica_mut(server: &mut Server, key: ClientKey) -> Option<&mut Replica> {
    server.clients.get_mut(key)?.replica.as_deref_mut()
}

/// PSYNC and SYNC: the client becomes a replica.
pub fn sync(cx: &mut Ctx<'_>, args: &Args<'_>, partial: bool) -> CmdResult {
    if cx.client().modes.has(Modes::REPLICA) {
        return Ok(());
    }
    if partial && args.is(3, "failover") {
        super::failover::take_over(cx, args.get(1))?;
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
        if go_on(cx, args.get(1), offset, now) {
            cx.server.repl.counts.partial += 1;
            return Ok(());
        }
        cx.server.repl.counts.refused += u64::from(!args.get(1).starts_with(b"?"));
    }
    cx.server.repl.counts.full += 1;
    if let Some(replica) = replica_mut(cx.server, key) {
        replica.is_old = !partial;
        replica.stage = Stage::WaitStart;
        replica.asked_ms = now;
    }
    if cx.server.config.repl_disable_tcp_nodelay {
        cx.client_mut().connection.socket().set_delay(true).ok();
    }
    enlist(cx.server, key);
    // What is already to be said goes first, and then what `begin_waiting` says.
    let reply = std::mem::take(cx.reply);
    cx.client_mut().output = reply;
    begin_or_wait(cx.server, cx.db, key);
    *cx.reply = std::mem::take(&mut cx.client_mut().output);
    Ok(())
}

/// Makes a client one of the replicas.
fn enlist(server: &mut Server, key: ClientKey) {
    server.clients.at_mut(key).modes.set(Modes::REPLICA, true);
    server.repl.replicas.push(key);
    if server.repl.replicas.len() == 1 && server.repl.backlog.is_none() {
        let id = super::new_id(&mut server.random);
        server.repl.history.begin(id);
        server.repl.begin_backlog(server.config.repl_backlog_size);
        log::info!(
            "Replication backlog created, my new replication IDs are '{}' and '{}'",
            server.repl.history.id,
            server.repl.history.second_id
        );
    }
    propagate::update_listeners(server);
}

/// Has a replica go on where it was, if that is possible.
fn go_on(cx: &mut Ctx<'_>, id: &[u8], wanted: i64, now: i64) -> bool {
    let (key, history) = (cx.client, &cx.server.repl.history);
    let who = name(cx.server, key);
    let is = |own: &str| id.eq_ignore_ascii_case(own.as_bytes());
    if !is(&history.id) && (!is(&history.second_id) || wanted > history.second_offset) {
        if id.starts_with(b"?") {
            log::info!("Full resync requested by replica {who}");
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
    let Some(replica) = replica_mut(cx.server, key) else { return false };
    replica.stage = Stage::Online;
    replica.acked_ms = now;
    replica.position = position;
    match replica.knows_names {
        true => cx.reply.simple(format!("CONTINUE {id}")),
        false => cx.reply.simple("CONTINUE"),
    }
    enlist(cx.server, key);
    cx.server.repl.fed = true;
    log::info!(
        "Partial resynchronization request from {who} accepted. Sending {} bytes of backlog starting from offset \
         {wanted}.",
        end - position
    );
    count_good(cx.server);
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
                waits && capable && own.filter == other.filter
            };
            let position = replicas(server).find(|(_, other)| fits(other)).map(|(_, other)| other.position);
            match position {
                Some(position) => {
                    await_child(server, key, position);
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
pub fn await_child(server: &mut Server, key: ClientKey, position: i64) {
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
}

/// Forks a child for the replicas that wait for one: for all that want the same as the first.
fn begin_snapshot(server: &mut Server, db: &mut Databases) {
    let waiting: Vec<ClientKey> = waiting(server);
    let all = |has: fn(&Replica) -> bool| waiting.iter().all(|key| replicas(server).any(|(k, r)| k == *key && has(r)));
    let Some(filter) = waiting.first().and_then(|key| Some(server.clients.get(*key)?.replica.as_ref()?.filter)) else {
        return;
    };
    let streamed = (server.config.repl_diskless_sync || filter.is_any()) && all(|replica| replica.takes_streams);
    log::info!("Starting BGSAVE for SYNC with target: {}", if streamed { "replicas sockets" } else { "disk" });
    let position = server.repl.history.offset;
    // The stream that follows begins with the choice of a database, and the snapshot says so.
    server.repl.forget_selected();
    let begun = match streamed {
        true => transfer::begin(server, db, &waiting, filter),
        false => snapshot::begin(server, db),
    };
    server.persist.snapshots.is_for_replicas = begun;
    if begun {
        server.repl.file_is_for_replicas |= !streamed && server.config.rdb_del_sync_files;
        waiting.iter().for_each(|key| await_child(server, *key, position));
        return;
    }
    log::warn!("BGSAVE for replication failed");
    for key in waiting {
        dismiss(server, key);
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

/// A replica has been sent its snapshot; false if that was all it wanted.
pub fn put_online(server: &mut Server, key: ClientKey) -> bool {
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
    count_good(server);
    log::info!("Synchronization with replica {who} succeeded");
    true
}

/// A replica tells how far it is, and maybe how far its append-only file.
pub fn note_ack(server: &mut Server, key: ClientKey, offset: i64, log: Option<i64>) {
    let now = server.clock.unix_ms();
    let Some(replica) = replica_mut(server, key) else { return };
    replica.acked = replica.acked.max(offset);
    replica.acked_log = replica.acked_log.max(log.unwrap_or(0));
    replica.acked_ms = now;
    if matches!(replica.stage, Stage::WaitEnd) {
        replica.acked_early = true;
        transfer::finish_if_done(server);
    }
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
                let written = client.connection.send(&[IoSlice::new(&room[..read])])?;
                *sent += written as u64;
                written
            }
            Stage::File { .. } => {
                server.repl.room = Vec::new();
                if !put_online(server, key) {
                    server.clients.close_soon(key);
                    return Ok(());
                }
                continue;
            }
            Stage::Online if !replica.waits_for_ack => {
                let Some(backlog) = &server.repl.backlog else { return Ok(()) };
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let filled = backlog.io_slices(replica.position, &mut slices);
                if filled == 0 {
                    return Ok(());
                }
                let written = client.connection.send(&slices[..filled])?;
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

/// Bytes of the stream that wait for a replica.
pub fn waiting_bytes(server: &Server, key: ClientKey) -> u64 {
    let replica = server.clients.get(key).and_then(|client| client.replica.as_deref());
    let replica = replica.filter(|replica| replica.needs_stream());
    let waiting = replica.map_or(0, |replica| server.repl.history.offset - replica.position);
    waiting.max(0) as u64
}

/// Asks replicas how far they are.
pub fn ask_for_acks(server: &mut Server) {
    server.repl.wants_acks = false;
    if !server.is_replica() {
        server.repl.append(GETACK);
    }
}

/// Before the outputs are sent: asks replicas how far they are if somebody waits for that, has the stream sent, and
/// drops what nobody needs of it.
pub fn before_replies(server: &mut Server) {
    if server.repl.wants_acks && server.pause.kind().is_none() {
        ask_for_acks(server);
    }
    if !std::mem::take(&mut server.repl.fed) {
        return;
    }
    for index in 0..server.repl.replicas.len() {
        let key = server.repl.replicas[index];
        if server.clients.get(key).is_some_and(|client| client.replica.as_ref().is_some_and(|r| r.is_online())) {
            server.clients.flush_later(key);
        }
        crate::client::lifecycle::check_output_limit(server, key);
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

/// A client is no replica any more.
fn dismiss(server: &mut Server, key: ClientKey) {
    let now = server.clock.unix_ms();
    if let Some(client) = server.clients.get_mut(key) {
        client.modes.set(Modes::REPLICA, false);
        client.replica = None;
    }
    server.repl.replicas.retain(|replica| *replica != key);
    if server.repl.replicas.is_empty() {
        server.repl.lonely_since_ms = now;
    }
    count_good(server);
    propagate::update_listeners(server);
}

/// A client that is a replica is about to be removed.
pub fn forget(server: &mut Server, key: ClientKey) {
    if !server.clients.get(key).is_some_and(|client| client.modes.has(Modes::REPLICA)) {
        return;
    }
    log::info!("Connection with replica {} lost.", name(server, key));
    dismiss(server, key);
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

/// Ends the connections of all replicas: they come back and learn what has changed.
pub fn disconnect_all(server: &mut Server) {
    for key in server.repl.replicas.clone() {
        server.clients.close_soon(key);
    }
}

/// Counts the replicas that are not too far behind, and has writes refused where there are too few.
pub fn count_good(server: &mut Server) {
    let now = server.clock.unix_ms();
    let (wanted, lag) = (server.config.min_replicas_to_write, i64::from(server.config.min_replicas_max_lag));
    let is_good = |replica: &Replica| replica.is_online() && (now - replica.acked_ms) / 1000 <= lag;
    let good = replicas(server).filter(|(_, replica)| is_good(replica)).count();
    server.repl.good_replicas = good;
    let too_few = wanted > 0 && lag > 0 && !server.is_replica() && good < wanted as usize;
    server.modes.set(ServerModes::FEW_REPLICAS, too_few);
}

/// How many replicas have told that they are at least so far.
pub fn count_acked(server: &Server, offset: i64) -> u32 {
    replicas(server).filter(|(_, replica)| replica.is_online() && replica.acked >= offset).count() as u32
}

/// How many replicas have told that their append-only files are at least so far.
pub fn count_logged(server: &Server, offset: i64) -> u32 {
    replicas(server).filter(|(_, replica)| replica.is_online() && replica.acked_log >= offset).count() as u32
}

/// What is done once a second.
pub fn tick(server: &mut Server, db: &mut Databases, loops: u64) {
    let due = loops.is_multiple_of(u64::from(server.config.repl_ping_replica_period.max(1)));
    let held = server.repl.failover.is_on() && server.pause.kind().is_some();
    if due && !server.repl.replicas.is_empty() && !server.is_replica() && !held {
        server.repl.append(PING);
    }
    let now = server.clock.unix_ms();
    let timeout_ms = i64::from(server.config.repl_timeout) * 1000;
    let streams = server.repl.transfer.is_some();
    for key in server.repl.replicas.clone() {
        let Some(client) = server.clients.get_mut(key) else { continue };
        let Some(replica) = client.replica.as_deref() else { continue };
        let late = match replica.stage {
            Stage::Online => (!replica.is_old && now - replica.acked_ms > timeout_ms).then_some("streaming sync"),
            Stage::WaitEnd => {
                let stalled = replica.stalled_since_ms.filter(|_| streams);
                stalled.filter(|since| now - since > timeout_ms).map(|_| "full sync")
            }
            _ => None,
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
    begin_due_snapshot(server, db);
    remove_file_for_replicas(server);
    count_good(server);
}

/// Without replicas for long nobody will come back: a new history begins with the next one.
fn free_backlog_if_unused(server: &mut Server, now: i64) {
    let ttl_s = server.config.repl_backlog_ttl;
    let repl = &mut server.repl;
    if !repl.replicas.is_empty() || ttl_s == 0 || repl.backlog.is_none() || server.config.replicaof.is_some() {
        return;
    }
    if now - repl.lonely_since_ms > (ttl_s as i64).saturating_mul(1000) {
        let id = super::new_id(&mut server.random);
        repl.history.begin(id);
        repl.backlog = None;
        propagate::update_listeners(server);
        log::info!("Replication backlog freed after {ttl_s} seconds without connected replicas.");
    }
}

/// Removes the file that was made for replicas, if this server keeps none for itself and nobody is sent it any more.
fn remove_file_for_replicas(server: &mut Server) {
    if !server.config.rdb_del_sync_files {
        server.repl.file_is_for_replicas = false;
        return;
    }
    let keeps_none = server.config.save.is_empty() && !server.config.appendonly;
    let is_used = |replica: &Replica| !matches!(replica.stage, Stage::Online | Stage::Served | Stage::Introducing);
    if !server.repl.file_is_for_replicas || !keeps_none || replicas(server).any(|(_, replica)| is_used(replica)) {
        return;
    }
    server.repl.file_is_for_replicas = false;
    if std::fs::exists(&server.config.dbfilename).unwrap_or(false) {
        log::info!("Removing the RDB file used to feed replicas in a persistence-less instance");
        std::fs::remove_file(&server.config.dbfilename).ok();
    }
}
