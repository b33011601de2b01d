//! The connection to the primary becomes that of a client which is obeyed.

use super::acks::send_ack;
use super::{connect, roster};
use crate::client::{Client, Modes};
use crate::db::Databases;
use crate::peers::repl::link::State;
use crate::peers::repl::main_channel::{MainChannel, Stage};
use crate::peers::repl::primary::{Cached, Logged, Primary};
use crate::server::replica_mode::update_role;
use crate::server::{Server, propagate};

/// Times an append-only file is tried to be begun after a synchronisation.
const LOG_ATTEMPTS: usize = 10;

/// Makes the link's connection that of a client which is obeyed.
pub fn adopt(server: &mut Server, cached: Cached, is_old: bool) {
    let Some(connection) = connect::take_connection(server) else { return };
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
    server.repl.link_history.made(server.clock.unix_ms(), server.repl.down_since_ms.take());
    let registry = server.listeners.registry();
    if let Err(error) = server.clients.at_mut(key).connection.reregister(registry, mio::Token(key)) {
        log::warn!("Registering the socket of the primary: {error}");
        server.clients.close_soon(key);
    }
    // What came behind the handshake is looked at, and the socket may have more.
    server.clients.continue_reading_later(key);
    update_role(server);
    propagate::update_propagate_observer(server);
}

/// The primary lets this replica go on where it was, maybe under another name of the history.
pub fn resume_partial(server: &mut Server, id: Option<&str>) {
    let Some(mut cached) = server.repl.cached.take() else { return };
    if let Some(id) = id.filter(|id| id.len() == crate::peers::repl::ID_CHARS && *id != cached.id) {
        log::warn!("Master replication ID changed to {id}");
        let history = &mut server.repl.history;
        history.second_id = std::mem::replace(&mut cached.id, id.to_owned());
        history.second_offset = history.offset + 1;
        history.id = id.to_owned();
        roster::disconnect_all(server);
    }
    if server.repl.backlog.is_none() {
        server.repl.begin_backlog(server.config.repl_backlog_size);
    }
    adopt(server, cached, false);
    log::info!("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
}

/// A data set of the primary has been loaded. If the stream comes on another connection it may yet have to be waited for.
pub fn synchronized(server: &mut Server, db: &mut Databases, stream_db: Option<usize>, streamed: bool) {
    let main = server.repl.link.main.as_ref();
    if main.is_some_and(|main| main.stage != Stage::Streaming) {
        server.repl.link.state = State::Loaded { selected: stream_db };
        return;
    }
    let kept_bytes = main.map(MainChannel::kept_bytes);
    let stream_db = server.repl.link.stream_db.take().or(stream_db);
    let promised = server.repl.link.promised.take();
    let is_old = promised.is_none();
    // Who has asked with SYNC is told of no history: nobody can go on elsewhere with what comes.
    let (id, offset) = promised.unwrap_or_else(|| (crate::peers::repl::new_id(&mut server.random), 0));
    server.repl.history.begin(id.clone());
    server.repl.history.offset = offset;
    server.repl.begin_backlog(server.config.repl_backlog_size);
    server.repl.cached = None;
    adopt(server, Cached { id, offset, db: stream_db.unwrap_or(0) }, is_old);
    log::info!("MASTER <-> REPLICA sync: Finished with success");
    if let Some(bytes) = kept_bytes {
        log::info!("MASTER <-> REPLICA sync: Starting to stream replication buffer into the db ({bytes} bytes).");
    }
    if streamed || kept_bytes.is_some() {
        send_ack(server);
    }
    if server.config.appendonly {
        restart_log(server, db);
    }
}

/// Begins the append-only file anew, which was ended before the data set was replaced.
pub fn restart_log(server: &mut Server, db: &mut Databases) {
    for _ in 0..LOG_ATTEMPTS {
        if server.persist.aof.is_on() || crate::server::persistence::aof_switch::start(server, db) {
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
