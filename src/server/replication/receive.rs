//! Getting the data set of the primary: into a file that is then loaded, or straight from the socket.
//!
//! It comes as `$<length>` and so many bytes, or as `$EOF:<mark>` and everything up to the mark. What comes behind it
//! belongs to the stream of changes and stays in the link's input.
//!
//! Before old data is given up the new one is there as a file; or, with `repl-diskless-load swapdb`, loaded beside it.
//! Only a replica that has nothing to lose (`on-empty-db`) loads into its databases from the socket.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::data_set::{drop_history, flush_all, stop_persisting_old_data};
use super::{adopt, connect};
use crate::config::ReplDisklessLoad;
use crate::db::Databases;
use crate::peers::repl::ID_CHARS;
use crate::peers::repl::link::State;
use crate::peers::repl::receiving::{End, Inflow, Receiving};
use crate::peers::repl::wire::TURN_BYTES;
use crate::persist::rdb::load::Loader;
use crate::server::Server;
use crate::server::cluster::moves::strays;
use crate::server::persistence::load_state::Place;
use crate::server::persistence::loading;
use crate::util::platform;
use crate::util::replace_file::sync_folder;

/// Bytes after which what was written is sent to the disk.
const SYNC_EVERY: u64 = 8 << 20;
/// Prepares for a data set.
///
/// # Errors
/// When there is no place for a file; the text is logged.
pub fn begin(server: &mut Server, db: &Databases) -> Result<Receiving, String> {
    let file = match loads_from_socket(server, db) {
        true => None,
        false => {
            let name = format!("temp-{}.{}.rdb", server.clock.unix_ms(), std::process::id());
            let path = Path::new(&server.config.dbfilename).with_file_name(name);
            let opened = File::options().write(true).create_new(true).open(&path);
            let why = |error: io::Error| {
                let text = platform::os_error_text(&error);
                format!("Opening the temp file needed for MASTER <-> REPLICA synchronization: {text}")
            };
            Some((opened.map_err(why)?, path))
        }
    };
    Ok(Receiving { end: End::Unknown, file, received: 0, synced: 0, loaded: None })
}

fn loads_from_socket(server: &Server, db: &Databases) -> bool {
    match server.config.repl_diskless_load {
        ReplDisklessLoad::Disabled => false,
        ReplDisklessLoad::SwapDb | ReplDisklessLoad::FlushDb => true,
        ReplDisklessLoad::OnEmptyDb => (0..db.count()).all(|index| db.database(index).dict.is_empty()),
    }
}

/// What becomes of a data set by what came.
enum Received {
    /// Not all of it.
    Part,
    /// All that goes to the file.
    File,
    /// The head of what is loaded from the socket.
    Head,
    /// The mark behind what was loaded.
    Mark,
}

/// Works on what came.
pub fn read(server: &mut Server, db: &mut Databases) {
    let State::Receiving(mut receiving) = std::mem::take(&mut server.repl.link.state) else { return };
    let came = read_data_set(server, &mut receiving);
    match came {
        Ok(Received::Part) => server.repl.link.state = State::Receiving(receiving),
        Ok(Received::File) => load_file(server, db, receiving),
        Ok(Received::Head) => load_from_socket(server, db, &receiving.end),
        Ok(Received::Mark) => adopt::synchronized(server, db, receiving.loaded.flatten(), true),
        Err(text) => {
            log::warn!("{text}");
            server.repl.link.state = State::Receiving(receiving);
            connect::drop_link(server, db, true);
        }
    }
}

fn read_data_set(server: &mut Server, receiving: &mut Receiving) -> Result<Received, String> {
    while receiving.end == End::Unknown {
        let line =
            server.repl.link.wire.take_line().map_err(|error| format!("I/O error reading bulk count: {error}"))?;
        let Some(line) = line else { return Ok(Received::Part) };
        // An empty line is a sign of life.
        if !line.is_empty() {
            receiving.end = parse_header(&line)?;
            let what = match &receiving.end {
                End::Length(bytes) => format!("receiving {bytes} bytes from master"),
                End::Mark(_) | End::Unknown => "receiving streamed RDB from master with EOF".to_owned(),
            };
            let target = if receiving.file.is_some() { "disk" } else { "parser" };
            log::info!("MASTER <-> REPLICA sync: {what} to {target}");
            if receiving.file.is_none() {
                return Ok(Received::Head);
            }
        }
    }
    if receiving.loaded.is_some() {
        return take_mark(server, receiving);
    }
    let input = &mut server.repl.link.wire.input;
    let (now, behind) = match &receiving.end {
        End::Length(length) => {
            let left = usize::try_from(length - receiving.received).unwrap_or(usize::MAX);
            (input.len().min(left), (left <= input.len()).then_some(0))
        }
        End::Mark(mark) => match memchr::memmem::find(input, mark) {
            Some(at) => (at, Some(mark.len())),
            // The mark may have come in part.
            None => ((input.len() + 1).saturating_sub(mark.len()), None),
        },
        End::Unknown => (0, None),
    };
    let Some((file, _)) = &mut receiving.file else { return Ok(Received::Part) };
    let why = |what: &str, error: io::Error| {
        let text = platform::os_error_text(&error);
        format!("{what} the DB dump file needed for MASTER <-> REPLICA synchronization: {text}")
    };
    file.write_all(&input[..now]).map_err(|error| why("Write error or short write writing to", error))?;
    input.drain(..now + behind.unwrap_or(0));
    receiving.received += now as u64;
    if receiving.received - receiving.synced >= SYNC_EVERY {
        platform::begin_writeback(file, receiving.synced, receiving.received - receiving.synced).ok();
        receiving.synced = receiving.received;
    }
    if behind.is_none() {
        return Ok(Received::Part);
    }
    file.sync_all().map_err(|error| why("Failed trying to sync", error))?;
    Ok(Received::File)
}

/// Reads how the data set will come.
fn parse_header(line: &str) -> Result<End, String> {
    if let Some(text) = line.strip_prefix('-') {
        return Err(format!("MASTER aborted replication with an error: {text}"));
    }
    let Some(text) = line.strip_prefix('$') else {
        return Err(format!(
            "Bad protocol from MASTER, the first byte is not '$' (we received '{line}'), are you sure the host and \
             port are right?"
        ));
    };
    match text.strip_prefix("EOF:") {
        Some(mark) if mark.len() >= ID_CHARS => Ok(End::Mark(mark.as_bytes()[..ID_CHARS].to_vec())),
        _ => text.parse().map(End::Length).map_err(|_| format!("Bad length of the data set from MASTER: '{text}'")),
    }
}

fn take_mark(server: &mut Server, receiving: &Receiving) -> Result<Received, String> {
    let End::Mark(mark) = &receiving.end else { return Ok(Received::Mark) };
    let input = &mut server.repl.link.wire.input;
    if input.len() < mark.len() {
        return Ok(Received::Part);
    }
    if !input.starts_with(mark) {
        return Err("Replication stream EOF marker is broken".to_owned());
    }
    input.drain(..mark.len());
    Ok(Received::Mark)
}

fn load_file(server: &mut Server, db: &mut Databases, receiving: Receiving) {
    let Some((file, path)) = receiving.file else { return };
    drop(file);
    let target = PathBuf::from(&server.config.dbfilename);
    let placed = std::fs::rename(&path, &target).and_then(|()| sync_folder(&target));
    let opened = placed.and_then(|()| File::open(&target));
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            log::warn!(
                "Failed trying to rename the temp DB into {} in MASTER <-> REPLICA synchronization: {}",
                target.display(),
                platform::os_error_text(&error)
            );
            std::fs::remove_file(&path).ok();
            return connect::drop_link(server, db, false);
        }
    };
    stop_persisting_old_data(server, db);
    drop_history(server);
    flush_all(server, db);
    log::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    server.repl.link.state = State::Loading;
    loading::begin_sync(
        server,
        db,
        Box::new(file),
        receiving.received,
        Place::Here { streamed: is_mark(&receiving.end) },
    );
}

fn is_mark(end: &End) -> bool {
    matches!(end, End::Mark(_))
}

fn load_from_socket(server: &mut Server, db: &mut Databases, end: &End) {
    let aside = server.config.repl_diskless_load == ReplDisklessLoad::SwapDb;
    stop_persisting_old_data(server, db);
    log::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    if !aside {
        drop_history(server);
        flush_all(server, db);
    }
    let total = match end {
        End::Length(total) => *total,
        End::Unknown | End::Mark(_) => 0,
    };
    // The same history further on: what is there may be shown meanwhile.
    let same = server.repl.link.promised.as_ref().is_some_and(|(id, _)| *id == server.repl.history.id);
    let mark = match end {
        End::Mark(mark) => Some(mark.clone()),
        End::Unknown | End::Length(_) => None,
    };
    let place = Place::Socket { aside, shows_old: aside && same, mark };
    let inflow = Inflow::default();
    inflow.put(&mut server.repl.link.wire.input);
    server.repl.link.inflow = Some(inflow.clone());
    // Reports of the socket that came before are used up.
    server.repl.link.wire.reads_on = true;
    server.repl.link.state = State::Loading;
    loading::begin_sync(server, db, Box::new(inflow), total, place);
}

/// The socket may have more while a data set is loaded: that goes to the loader, if it is what is loaded.
pub fn more_came(server: &mut Server) {
    server.repl.link.heard_ms = server.clock.unix_ms();
    let Some(inflow) = server.repl.link.inflow.clone() else { return };
    if inflow.is_full() {
        server.repl.link.wire.reads_on = true;
        return;
    }
    match server.repl.link.wire.fill(TURN_BYTES) {
        Ok(read) => {
            connect::count_input(server, read);
            inflow.put(&mut server.repl.link.wire.input);
        }
        Err(_) => inflow.end(),
    }
    if let Some(loading) = &mut server.loading {
        loading.waits = false;
    }
}

/// Whether nothing goes on but waiting for the primary.
pub fn is_waiting(server: &Server) -> bool {
    server.loading.as_ref().is_none_or(|loading| loading.waits)
}

/// The data set is loaded.
pub fn loaded(server: &mut Server, db: &mut Databases, loader: Loader, place: Place) {
    let selected = loader.aux().iter().find(|(name, _)| name == "repl-stream-db");
    let selected = selected.and_then(|(_, text)| std::str::from_utf8(text).ok()?.parse().ok());
    if !matches!(place, Place::Start { .. }) {
        strays::hear_aux(server, loader.aux());
    }
    match place {
        Place::Start { .. } => {}
        Place::Here { streamed } => {
            remove_file_if_unwanted(server);
            adopt::synchronized(server, db, selected, streamed);
        }
        Place::Socket { aside, mark, .. } => {
            if aside {
                drop_history(server);
            }
            db.dirty += 1;
            let (mut rest, _) = loader.into_rest();
            if let Some(inflow) = server.repl.link.inflow.take() {
                rest.append(&mut inflow.take_rest());
            }
            server.repl.link.wire.input = rest;
            let end = mark.map_or(End::Length(0), End::Mark);
            let streamed = is_mark(&end);
            let receiving = Receiving { end, file: None, received: 0, synced: 0, loaded: Some(selected) };
            if streamed {
                server.repl.link.state = State::Receiving(receiving);
                server.repl.link.wire.reads_on = true;
                read(server, db);
            } else {
                adopt::synchronized(server, db, selected, false);
            }
        }
    }
}

/// What the reason says of a data set whose end is missing.
const END_OF_FILE: &str = "Unexpected EOF";

/// The data set could not be loaded: nothing is kept of it, and the primary is asked again.
pub fn failed(server: &mut Server, db: &mut Databases, place: &Place, reason: &str) {
    let from = if matches!(place, Place::Socket { .. }) { "socket" } else { "disk" };
    if reason.contains(END_OF_FILE) {
        log::warn!("Short read or OOM loading DB. Unrecoverable error, aborting now.");
    }
    let what_follows = match place {
        Place::Socket { .. } => {
            "Failure loading rdb format from socket, assuming connection error, resuming operation."
        }
        _ => "Terminating the synchronization.",
    };
    log::warn!("Internal error in RDB reading: {reason}. {what_follows}");
    log::warn!("Failed trying to load the MASTER synchronization DB from {from}, check server logs.");
    match place {
        Place::Socket { aside: true, .. } => {
            log::info!("MASTER <-> REPLICA sync: Discarding temporary DB in background");
        }
        _ => {
            flush_all(server, db);
            remove_file_if_unwanted(server);
        }
    }
    // It is not being loaded any more.
    server.repl.link.state = State::Connecting;
    connect::drop_link(server, db, true);
}

fn remove_file_if_unwanted(server: &Server) {
    let config = &server.config;
    if config.rdb_del_sync_files && config.save.is_empty() && !config.appendonly {
        log::info!("Removing the RDB file obtained from the master. This replica has persistence disabled");
        std::fs::remove_file(&config.dbfilename).ok();
    }
}
