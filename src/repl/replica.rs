//! The replica's side once there is a primary: following it, and becoming a replica or a primary.
//!
//! The primary is a client that is obeyed: what it sends is run whatever it is, and not answered. Each of its requests
//! counts for the offset once it has run; those of a transaction together, so that a link that breaks within one asks
//! for it from its beginning. The same bytes are appended to the history that replicas of this one are sent.
//!
//! Keys never expire by themselves here: the primary says when. Until it does they are kept, and nobody is shown them.

use std::collections::VecDeque;

use super::link::{self, State};
use super::propagate::{self, Outgoing};
use super::{failover, primary, receive};
use crate::client::{BlockedFor, Client, ClientKey, Modes};
use crate::command::effects::{self, Observers};
use crate::command::spec::RUNS_QUEUE;
use crate::command::{Args, CommandId, Ctx, Flags, exec, gate};
use crate::config::{PropagationErrorBehavior, ReplicaOf};
use crate::db::{Databases, Key};
use crate::persist::aof;
use crate::persist::rdb::load::Loader;
use crate::resp::reply::Reply;
use crate::server::{Server, ServerModes};

/// Times an append-only file is tried to be begun after a synchronisation.
const LOG_ATTEMPTS: usize = 10;
/// Bytes of an error that are shown in the log.
const ERROR_SHOWN_MAX: usize = 4096;
/// Notes of how far the append-only file is.
const MARKS_MAX: usize = 64;
/// How long a tick may look for keys of its own whose time has come, in microseconds.
const OWN_EXPIRE_US: u64 = 1000;

/// The primary this server follows.
#[derive(Debug)]
pub struct Primary {
    /// Its client.
    pub client: ClientKey,
    /// How far its stream has run.
    pub offset: i64,
    /// The database it has selected.
    pub db: usize,
    /// It does not want to know how far this replica is: it was asked with SYNC.
    is_old: bool,
    /// It wants to know at once.
    wants_ack: bool,
    /// What it has sent were requests.
    is_trusted: bool,
    /// Bytes that have run but for the end of their transaction.
    open: Vec<u8>,
    /// How far the append-only file is.
    logged: Logged,
}

/// What is known of a primary without a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The name of its history.
    pub id: String,
    /// How far its stream has run.
    pub offset: i64,
    /// The database it had selected.
    pub db: usize,
}

/// Runs a request of the primary, that was sent as these bytes. In a pause it waits, and with it what follows.
pub fn obey(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>, sent: &[u8]) {
    if let Some(id) = resolved.filter(|id| is_held(cx, *id)) {
        cx.command = id;
        return cx.postpone(&args, BlockedFor::Pause);
    }
    let mark = cx.reply.mark();
    if let Some(error) = exec::obey(cx, resolved, args) {
        report_error(cx, resolved, &args, &error);
    }
    cx.reply.truncate(mark);
    let transaction_is_open = cx.client().transaction.is_some();
    let db = cx.client().db;
    let Some(primary) = &mut cx.server.repl.primary else { return };
    primary.db = db;
    if std::mem::take(&mut primary.wants_ack) {
        let offset = primary.offset;
        write_ack(cx.reply, offset, logged(cx.server));
    }
    let Some(primary) = &mut cx.server.repl.primary else { return };
    if transaction_is_open {
        return primary.open.extend_from_slice(sent);
    }
    let open = std::mem::take(&mut primary.open);
    primary.offset += (open.len() + sent.len()) as i64;
    cx.server.repl.append(&open);
    cx.server.repl.append(sent);
}

/// How many bytes of the primary's stream have come that have not run: of a transaction that is open, of a request that a
/// pause holds, and what is behind that.
pub fn unapplied(server: &Server) -> usize {
    let Some(primary) = &server.repl.primary else { return 0 };
    let Some(client) = server.clients.get(primary.client) else { return 0 };
    let held = client.blocked.as_ref().map_or(0, |blocked| blocked.request.view().encoded().len());
    let connection = &client.connection;
    primary.open.len() + held + connection.input_waiting() + connection.progress.arrived()
}

fn is_held(cx: &Ctx<'_>, id: CommandId) -> bool {
    let row = cx.server.commands.entry(id).row;
    let queued = match &cx.client().transaction {
        Some(transaction) if row.flags.has(RUNS_QUEUE) => transaction.flags,
        Some(_) | None => Flags::default(),
    };
    gate::is_held(cx.server, row.flags | queued)
}

/// What had worked at the primary did not here: the data may be another by now.
#[cold]
fn report_error(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: &Args<'_>, error: &[u8]) {
    let known = resolved.map(|id| cx.server.commands.entry(id).full_name.clone());
    let name = known.unwrap_or_else(|| args.get(0).escape_ascii().to_string());
    let error = String::from_utf8_lossy(&error[..error.len().min(ERROR_SHOWN_MAX)]);
    cx.server.stats.unexpected_error_replies += 1;
    log::warn!(
        "== CRITICAL == This replica is sending an error to its master: '{error}' after processing the command '{name}'"
    );
    let config = &cx.server.config;
    let tolerant = config.propagation_error_behavior == PropagationErrorBehavior::Ignore;
    if config.replica_read_only && !tolerant {
        log::warn!(
            "This replica panicked sending an error to its master after processing the command '{name}': '{error}'"
        );
        std::process::exit(1);
    }
}

/// REPLCONF GETACK: answered when the request is done, with the offset before it.
pub fn ack_wanted(server: &mut Server, asking: ClientKey) {
    if let Some(primary) = server.repl.primary.as_mut().filter(|primary| primary.client == asking) {
        primary.wants_ack = true;
    }
}

/// How far in the history the append-only file on the disk is: the file counts its own bytes, so what is in it of the
/// history is noted now and then.
#[derive(Debug, Default)]
pub struct Logged {
    /// Bytes the file was fed, and how far that was in the history.
    marks: VecDeque<(u64, i64)>,
    offset: i64,
}

impl Logged {
    fn note(&mut self, fed: u64, offset: i64) {
        let full = self.marks.len() >= MARKS_MAX;
        match self.marks.back_mut() {
            Some(last) if last.1 == offset => {}
            // The disk is slow; what is noted in between would be of little use.
            Some(last) if full => *last = (fed, offset),
            _ => self.marks.push_back((fed, offset)),
        }
    }

    fn reach(&mut self, durable: u64) -> i64 {
        while let Some((_, offset)) = self.marks.front().copied().filter(|(fed, _)| *fed <= durable) {
            self.marks.pop_front();
            self.offset = offset;
        }
        self.offset
    }
}

/// Notes how far in the history the append-only file has come.
pub fn note_logged(server: &mut Server) {
    if let Some(primary) = server.repl.primary.as_mut().filter(|_| server.config.appendonly) {
        primary.logged.note(server.persist.aof.fed(), primary.offset);
    }
}

fn logged(server: &mut Server) -> Option<i64> {
    let primary = server.repl.primary.as_mut().filter(|_| server.config.appendonly)?;
    Some(primary.logged.reach(server.persist.aof.durable()))
}

fn write_ack(out: &mut Reply, offset: i64, logged: Option<i64>) {
    let offset = offset.to_string();
    let logged = logged.map(|logged| logged.to_string());
    out.array(if logged.is_some() { 5 } else { 3 });
    [&b"REPLCONF"[..], b"ACK", offset.as_bytes()].iter().for_each(|word| out.bulk(word));
    if let Some(logged) = logged {
        out.bulk(b"FACK");
        out.bulk(logged.as_bytes());
    }
}

/// Tells the primary how far this replica is.
pub fn send_ack(server: &mut Server) {
    let Some(primary) = server.repl.primary.as_ref().filter(|primary| !primary.is_old) else { return };
    let (key, offset) = (primary.client, primary.offset);
    let logged = logged(server);
    if let Some(client) = server.clients.get_mut(key) {
        write_ack(&mut client.output, offset, logged);
        server.clients.flush_later(key);
    }
}

/// Makes the link's connection that of a client which is obeyed.
pub fn adopt(server: &mut Server, cached: Cached, is_old: bool) {
    let Some(connection) = link::take_connection(server) else { return };
    let id = server.clients.next_id();
    let mut client = Client::new(id, connection, server.clock.unix_ms());
    client.modes.set(Modes::PRIMARY, true);
    // The primary may have more databases than this server.
    let Cached { offset, db, .. } = cached;
    let db = if db < server.config.databases as usize { db } else { 0 };
    client.db = db;
    let key = server.clients.insert(client);
    server.repl.primary = Some(Primary {
        client: key,
        offset,
        db,
        is_old,
        wants_ack: false,
        is_trusted: true,
        open: Vec::new(),
        logged: Logged::default(),
    });
    server.repl.down_since_ms = None;
    let registry = server.listeners.registry();
    if let Err(error) = server.clients.at_mut(key).connection.socket().reregister(registry, mio::Token(key)) {
        log::warn!("Registering the socket of the primary: {error}");
        server.clients.close_soon(key);
    }
    // What came behind the handshake is looked at, and the socket may have more.
    server.clients.read_on_later(key);
    note_role(server);
    propagate::update_listeners(server);
}

/// The primary lets this replica go on where it was, maybe under another name of the history.
pub fn go_on_as(server: &mut Server, id: Option<&str>) {
    let Some(mut cached) = server.repl.cached.take() else { return };
    if let Some(id) = id.filter(|id| id.len() == super::ID_CHARS && *id != cached.id) {
        log::warn!("Master replication ID changed to {id}");
        let history = &mut server.repl.history;
        history.second_id = std::mem::replace(&mut cached.id, id.to_owned());
        history.second_offset = history.offset + 1;
        history.id = id.to_owned();
        primary::disconnect_all(server);
    }
    if server.repl.backlog.is_none() {
        server.repl.begin_backlog(server.config.repl_backlog_size);
    }
    adopt(server, cached, false);
    log::info!("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
}

/// A data set of the primary has been loaded.
pub fn synchronized(server: &mut Server, db: &mut Databases, stream_db: Option<usize>, streamed: bool) {
    let promised = server.repl.link.promised.take();
    let is_old = promised.is_none();
    // Who has asked with SYNC is told of no history: nobody can go on elsewhere with what comes.
    let (id, offset) = promised.unwrap_or_else(|| (super::new_id(&mut server.random), 0));
    server.repl.history.begin(id.clone());
    server.repl.history.offset = offset;
    server.repl.begin_backlog(server.config.repl_backlog_size);
    server.repl.cached = None;
    adopt(server, Cached { id, offset, db: stream_db.unwrap_or(0) }, is_old);
    log::info!("MASTER <-> REPLICA sync: Finished with success");
    if streamed {
        send_ack(server);
    }
    if server.config.appendonly {
        restart_log(server, db);
    }
}

/// Begins the append-only file anew, which was ended before the data set was replaced.
fn restart_log(server: &mut Server, db: &mut Databases) {
    for _ in 0..LOG_ATTEMPTS {
        if server.persist.aof.is_on() || aof::start(server, db) {
            return;
        }
        log::warn!("Failed enabling the AOF after successful master synchronization! Trying it again in one second.");
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    log::warn!(
        "FATAL: this replica instance finished the synchronization with its master, but the AOF can't be turned on. \
         Exiting now."
    );
    std::process::exit(1);
}

/// The primary has sent what is no request. Where its stream goes on cannot be known: all is to be got anew.
pub fn distrust(server: &mut Server, key: ClientKey, fault: &str) {
    log::warn!("Protocol error ({fault}) from client {}", server.clients.at(key).connection.peer_name());
    if let Some(primary) = &mut server.repl.primary {
        primary.is_trusted = false;
    }
    server.clients.close_soon(key);
}

/// The client of the primary is about to be removed: what is known of it is kept, and the next connection begun.
pub fn forget(server: &mut Server, key: ClientKey) {
    let Some(primary) = server.repl.primary.take_if(|primary| primary.client == key) else { return };
    log::warn!("Connection with master lost.");
    remember(server, &primary);
    server.repl.down_since_ms = Some(server.clock.unix_ms());
    server.repl.link = link::Link::default();
    note_role(server);
    if let Some(ReplicaOf { host, port }) = server.replica_of() {
        log::info!("Reconnecting to MASTER {host}:{port}");
        link::connect_again(server);
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

/// A client has written to a key of this replica. The primary does not know of an expiry it may have got by that, and
/// will never say that its time has come.
pub fn note_own_write(cx: &mut Ctx<'_>, db: usize, key: &[u8]) {
    let entry = cx.db.database(db).dict.find(Key::new(key).hash(), key);
    if entry.is_some_and(|entry| entry.expire_at().is_some()) && !cx.is_obeyed() {
        cx.server.repl.own_keys.note(db, key);
    }
}

/// Deletes keys of its own whose time has come.
fn expire_own(server: &mut Server, db: &mut Databases) {
    let Server { clock, repl, .. } = server;
    let started = clock.tick();
    repl.own_keys.expire(db, || {
        let now = clock.tick();
        clock.micros_between(started, now) >= OWN_EXPIRE_US
    });
}

/// Brings what depends on the role in line with it.
pub fn note_role(server: &mut Server) {
    let is_replica = server.is_replica();
    crate::log_format::set_role(if is_replica { b'S' } else { b'M' });
    server.modes.set(ServerModes::REPLICA, is_replica);
    server.observers.set(Observers::OWN_WRITES, is_replica && !server.config.replica_read_only);
    server.modes.set(ServerModes::STALE, server.is_cut_off() && !server.config.replica_serve_stale_data);
    primary::count_good(server);
}

/// After a change of the role: [`note_role`], and what a change entails beyond that.
fn role_changed(server: &mut Server, db: &mut Databases) {
    note_role(server);
    db.frozen = server.holds_still();
    crate::apply::oom_score(server).ok();
    propagate::update_listeners(server);
}

/// The server becomes a replica of another one.
pub fn follow(server: &mut Server, db: &mut Databases, primary: ReplicaOf) {
    let was_primary = !server.is_replica();
    log::info!("Connecting to MASTER {}:{}", primary.host, primary.port);
    drop_primary(server);
    if was_primary {
        dismiss_blocked(server);
    }
    server.config.replicaof = Some(primary);
    link::drop_link(server, db, false);
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
    link::connect(server);
}

/// Clients that wait for keys would wait for what nobody but the primary may bring.
fn dismiss_blocked(server: &mut Server) {
    let waits = |client: &Client| client.blocked.as_ref().is_some_and(|blocked| blocked.reason != BlockedFor::Pause);
    let waiting: Vec<ClientKey> =
        server.clients.iter().filter(|(_, client)| waits(client)).map(|(key, _)| key).collect();
    for key in waiting {
        server.unblock(key);
        let client = server.clients.at_mut(key);
        client
            .output
            .error("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)");
        client.close_after_reply();
        server.clients.flush_later(key);
    }
}

/// The server becomes a primary, with a history of its own from here on.
pub fn stand_alone(server: &mut Server, db: &mut Databases) {
    if server.config.replicaof.take().is_none() {
        return;
    }
    drop_primary(server);
    if server.repl.cached.take().is_some() {
        log::info!("Discarding previously cached master state.");
    }
    link::drop_link(server, db, false);
    let id = super::new_id(&mut server.random);
    let history = &mut server.repl.history;
    history.continue_as(id);
    log::warn!(
        "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
        history.second_id,
        history.second_offset,
        history.id
    );
    primary::disconnect_all(server);
    server.repl.own_keys.clear();
    server.repl.forget_selected();
    server.repl.lonely_since_ms = server.clock.unix_ms();
    server.repl.down_since_ms = None;
    role_changed(server, db);
    if server.config.appendonly && !server.persist.aof.is_on() {
        restart_log(server, db);
    }
}

/// Appends to the history what was found to have expired in the data set that is loaded at start.
pub fn note_expired(server: &mut Server, loader: &mut Loader) {
    let expired = loader.take_expired();
    if expired.is_empty() {
        return;
    }
    take_up_history(server, loader.aux());
    if server.repl.backlog.is_none() {
        return;
    }
    let deletion = effects::deletion(server.config.lazyfree_lazy_expire);
    let mut deletions = Outgoing::default();
    expired.iter().for_each(|(db, key)| deletions.push_words(*db, &[deletion.as_bytes(), key]));
    server.repl.feed(deletions.iter());
    primary::after_replies(server);
}

/// Takes over from a data set that is loaded at start where in which history it stands, as soon as that is known.
pub fn take_up_history(server: &mut Server, aux: &[(String, Vec<u8>)]) {
    if server.repl.history_is_known {
        return;
    }
    let text = |name: &str| {
        let field = aux.iter().find(|(field, _)| field == name);
        field.and_then(|(_, text)| std::str::from_utf8(text).ok())
    };
    let number = |name: &str| text(name)?.parse().ok().filter(|number| (0..=super::OFFSET_MAX).contains(number));
    let (id, offset, db) = (text("repl-id"), number("repl-offset"), number("repl-stream-db"));
    let (Some(id), Some(offset), Some(db)) = (id.filter(|id| id.len() == super::ID_CHARS), offset, db) else { return };
    server.repl.history_is_known = true;
    let history = &mut server.repl.history;
    history.offset = offset;
    if server.config.replicaof.is_some() {
        history.id = id.to_owned();
        server.repl.cached = Some(Cached { id: id.to_owned(), offset, db: db as usize });
    } else {
        history.second_id = id.to_owned();
        history.second_offset = offset + 1;
        // Whoever followed before the end of the last process finds its place again.
        server.repl.begin_backlog(server.config.repl_backlog_size);
        propagate::update_listeners(server);
    }
}

/// What is done at each tick of the cron: `second` once a second.
pub fn tick(server: &mut Server, db: &mut Databases, second: bool) {
    link::poll_resolver(server);
    expire_own(server, db);
    let Some(primary) = server.replica_of().cloned() else { return };
    // What is there is known first.
    let starting = server.modes.has(ServerModes::LOADING) && !matches!(server.repl.link.state, State::Loading);
    if !second || starting {
        return;
    }
    let now = server.clock.unix_ms();
    let timeout_ms = i64::from(server.config.repl_timeout) * 1000;
    let silent = now - server.repl.link.heard_ms > timeout_ms;
    match &server.repl.link.state {
        State::Resolving(_) | State::Connecting | State::Talking(_) if silent => {
            log::warn!("Timeout connecting to the MASTER...");
            failover::abort_if_on_its_way(server, db, "Timeout connecting to the failover target");
            link::drop_link(server, db, true);
        }
        State::Receiving(_) | State::Loading if silent && receive::is_waiting(server) => {
            log::warn!(
                "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' \
                 parameter in redis.conf to a larger value."
            );
            link::drop_link(server, db, true);
        }
        State::Loading => server.repl.link.send_newline(),
        State::Idle => {
            log::info!("Connecting to MASTER {}:{}", primary.host, primary.port);
            link::connect(server);
        }
        State::Done => {
            let key = server.repl.primary.as_ref().map(|primary| primary.client);
            let active = key.and_then(|key| server.clients.get(key)).map(|client| client.active_ms);
            match (key, active) {
                (Some(key), Some(active)) if now - active > timeout_ms => {
                    log::warn!("MASTER timeout: no data nor PING received...");
                    server.clients.close_soon(key);
                }
                _ => send_ack(server),
            }
        }
        _ => {}
    }
}
