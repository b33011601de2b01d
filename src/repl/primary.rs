//! The primary's side: its replicas, what each is sent, and how far each is.
//!
//! Replies to a replica go through its output like anybody's; [`send`] goes on with what lies elsewhere once that is
//! empty: the file with the data set, the backlog. How replicas get that far is in [`super::sync`].

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

use super::{sync, transfer};
use crate::client::{Client, ClientKey, Modes};
use crate::db::Databases;
use crate::persist::aof;
use crate::persist::fork::Purpose;
use crate::persist::snapshot;
use crate::repl::propagate;
use crate::server::{Server, ServerModes};

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
    pub(super) asked_ms: i64,
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

pub(super) fn replica_mut(server: &mut Server, key: ClientKey) -> Option<&mut Replica> {
    server.clients.get_mut(key)?.replica.as_deref_mut()
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
        let cleared = aof::clear(server);
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
                let written = client.connection.send(&[IoSlice::new(&room[..read])], cleared)?;
                *sent += written as u64;
                written
            }
            Stage::File { .. } => {
                server.repl.room = Vec::new();
                if !sync::put_online(server, key) {
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
                let written = client.connection.send(&slices[..filled], cleared)?;
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

/// Before the outputs are sent: asks replicas how far they are if somebody waits for that, and has the stream sent.
pub fn before_replies(server: &mut Server) {
    super::replica::note_logged(server);
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
        if client.is_some_and(|client| client.replica.as_ref().is_some_and(|replica| replica.is_online())) {
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

/// A client is no replica any more. The one place where that ends.
pub(super) fn dismiss(server: &mut Server, key: ClientKey) {
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

/// Closes a replica for which its latest command, or somebody else, has something that is no part of the stream.
pub fn disconnect_for_reply(server: &mut Server, key: ClientKey) {
    let command = server.command_name(server.clients.get(key).and_then(|client| client.last_command)).to_owned();
    log::warn!("Replica generated a reply to command '{command}', disconnecting it: {}", name(server, key));
    server.clients.close_soon(key);
}

/// A client that is a replica is about to be removed.
pub fn forget(server: &mut Server, key: ClientKey) {
    if !server.repl.replicas.contains(&key) {
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

/// Whether every replica has told that it has everything.
pub fn all_in_sync(server: &Server) -> bool {
    replicas(server).all(|(_, replica)| replica.acked == server.repl.history.offset)
}

/// Says in the log which replicas do not have everything.
pub fn report_lag(server: &Server) {
    let (now, end) = (server.clock.unix_ms(), server.repl.history.offset);
    let mut lagging = 0;
    for (key, replica) in replicas(server).filter(|(_, replica)| replica.acked != end) {
        lagging += 1;
        log::warn!(
            "Lagging replica {} reported offset {} behind master, lag={}, state={}.",
            name(server, key),
            end - replica.acked,
            if replica.is_online() { (now - replica.acked_ms) / 1000 } else { 0 },
            replica.state().unwrap_or_default()
        );
    }
    let all = server.repl.replicas.len();
    if all > 0 {
        log::info!("{} of {all} replicas are in sync when shutting down.", all - lagging);
    }
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
    sync::tick(server, db);
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
