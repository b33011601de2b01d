//! A full sync over two connections: the second one opened for the snapshot, the first one kept from there on.
//!
//! [`crate::peers::repl::main_channel`] shows what is said on which. The second connection takes the way of any other
//! (`handshake`, `receive`), and the first one is looked after here. Whichever is lost takes the other along, and all
//! begins anew. How much of the stream is kept has a bound; what is beyond that waits at the primary.

use std::io;

use super::connect::{self, announced_port};
use super::{adopt, receive};
use crate::config::{Config, VALKEY_VERSION};
use crate::db::Databases;
use crate::net::tokens::MAIN_CHANNEL_TOKEN;
use crate::peers::repl::link::State;
use crate::peers::repl::main_channel::{MainChannel, Stage, Tie};
use crate::peers::repl::read_promise;
use crate::peers::repl::wire::TURN_BYTES;
use crate::server::Server;
use crate::util::platform;

/// Puts the connection to the primary aside for the stream, and begins to make one for the snapshot.
///
/// # Errors
/// When that fails at once; the text is logged.
pub fn open(server: &mut Server, tie: Tie) -> Result<(), String> {
    log::info!("PSYNC is not possible, initialize RDB channel.");
    let wire = std::mem::take(&mut server.repl.link.wire);
    let main = server.repl.link.main.insert(MainChannel::new(wire, tie));
    server.repl.kept_bytes_peak = 0;
    let opened = match &mut main.wire.socket {
        Some(socket) => {
            let address = socket.addresses().map(|(peer, _)| peer);
            let moved = socket.reregister(server.listeners.registry(), MAIN_CHANNEL_TOKEN);
            moved.and(address.ok_or_else(|| io::ErrorKind::NotConnected.into()))
        }
        None => Err(io::ErrorKind::NotConnected.into()),
    };
    let opened = opened.and_then(|address| connect::begin(server, address));
    opened.map_err(|error| format!("Unable to connect to master: {}", platform::os_error_text(&error)))?;
    keep(server);
    Ok(())
}

/// What the primary is told of the connection of the snapshot.
pub fn introduction(config: &Config, tie: Tie) -> Vec<String> {
    let mut words: Vec<String> =
        ["REPLCONF", "capa", "eof", "rdb-only", "1", "rdb-channel", "1"].map(String::from).into();
    let mut tell = |name: &str, value: String| words.extend([name.to_owned(), value]);
    match tie {
        Tie::Redis { client_id } => tell("main-ch-client-id", client_id.to_string()),
        Tie::Valkey => tell("version", VALKEY_VERSION.to_owned()),
    }
    tell("listening-port", announced_port(config).to_string());
    if let Some(address) = &config.replica_announce_ip {
        tell("ip-address", address.clone());
    }
    words
}

/// The primary tells where the snapshot stands that it is about to send.
///
/// # Errors
/// When that is no such thing.
pub fn snapshot_announced(server: &mut Server, db: &Databases, tie: Tie, line: &str) -> Result<(), String> {
    let wrong = || format!("Unexpected reply to the request for a snapshot from master: {line}");
    match tie {
        Tie::Redis { .. } => {
            let words = line.strip_prefix("+FULLRESYNC ").ok_or_else(wrong)?;
            server.repl.link.promised = Some(read_promise(words.split(' ')).ok_or_else(wrong)?);
        }
        Tie::Valkey => {
            let mut words = line.strip_prefix("$ENDOFF:").ok_or_else(wrong)?.split(' ');
            let (offset, id) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            server.repl.link.promised = Some(read_promise([id, offset].into_iter()).ok_or_else(wrong)?);
            let database: i64 = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
            let client_id: u64 = words.next().and_then(|word| word.trim().parse().ok()).ok_or_else(wrong)?;
            server.repl.link.stream_db = usize::try_from(database).ok();
            let main = server.repl.link.main.as_mut().ok_or_else(wrong)?;
            main.wire.say(&["REPLCONF", "set-rdb-client-id", &client_id.to_string()]);
            main.stage = Stage::Identifying;
            main.wire.flush().map_err(|error| platform::os_error_text(&error))?;
        }
    }
    log::info!("Starting to receive RDB and replication stream in parallel.");
    let receiving = receive::begin(server, db)?;
    server.repl.link.state = State::Receiving(receiving);
    Ok(())
}

/// The socket of the stream is ready for something, or has more than was read in the last turn.
pub fn ready(server: &mut Server, db: &mut Databases) {
    let Some(main) = &mut server.repl.link.main else { return };
    let read = match main.wire.flush() {
        Ok(()) if main.is_full => return,
        Ok(()) => main.wire.fill(TURN_BYTES),
        Err(error) => Err(error),
    };
    let result = match read {
        Ok(read) => {
            let is_talking = main.stage != Stage::Streaming;
            connect::count_bytes(server, read);
            if is_talking {
                server.repl.link.heard_ms = server.clock.unix_ms();
            }
            advance(server)
        }
        Err(error) => Err(format!("Main channel of the synchronization lost: {}", platform::os_error_text(&error))),
    };
    match result {
        Ok(()) => finish_if_loaded(server, db),
        Err(text) => {
            log::warn!("{text}");
            connect::drop_link(server, db, true);
        }
    }
}

/// Works on what came.
fn advance(server: &mut Server) -> Result<(), String> {
    while let Some(main) = &mut server.repl.link.main {
        if main.stage == Stage::Streaming {
            keep(server);
            return Ok(());
        }
        let line = main.wire.take_line().map_err(|_| "Master answered something that is no line".to_owned())?;
        let Some(line) = line else { return Ok(()) };
        match main.stage {
            // A sign of life.
            _ if line.is_empty() => {}
            Stage::Parked | Stage::Streaming => return Err(format!("Master says what nobody has asked for: {line}")),
            Stage::Identifying if line.starts_with('-') => {
                return Err(format!("Master does not understand REPLCONF identify: {line}"));
            }
            Stage::Identifying => {
                let (id, offset) = server.repl.link.promised.clone().unwrap_or_default();
                let first = (offset + 1).to_string();
                log::info!("Trying a partial resynchronization using main channel (request {id}:{first}).");
                main.wire.say(&["PSYNC", &id, &first]);
                main.stage = Stage::Asking;
            }
            Stage::Asking if line.starts_with("+CONTINUE") => {
                log::info!(
                    "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization, RDB load in background."
                );
                main.stage = Stage::Streaming;
            }
            Stage::Asking => return Err(format!("Aborting dual channel sync. Main channel psync result: {line}")),
        }
        main.wire.flush().map_err(|error| platform::os_error_text(&error))?;
    }
    Ok(())
}

/// Keeps what came of the stream, and stops to read once that is enough.
fn keep(server: &mut Server) {
    let limit = match server.config.replica_full_sync_buffer_limit {
        0 => server.config.client_output_buffer_limit.replica.hard_bytes,
        limit => limit,
    };
    let Some(main) = server.repl.link.main.as_mut().filter(|main| main.stage == Stage::Streaming) else { return };
    // What stands before the stream are signs of life.
    main.wire.skip_blank();
    let kept = main.kept_bytes();
    server.repl.kept_bytes_peak = server.repl.kept_bytes_peak.max(kept);
    if limit != 0 && kept as u64 >= limit {
        main.is_full = true;
        main.wire.reads_on = false;
        log::info!(
            "Replication buffer limit has been reached ({limit} bytes), stopped buffering replication stream. Further \
             accumulation may occur on master side."
        );
    }
}

/// The stream is there: if only that was missing, the synchronisation is done.
fn finish_if_loaded(server: &mut Server, db: &mut Databases) {
    if let State::Loaded { selected } = server.repl.link.state {
        adopt::synchronized(server, db, selected, true);
    }
}
