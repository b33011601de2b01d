//! Loading the data set: at start, a slice between two turns of the event loop, or all at once for DEBUG RELOAD.
//!
//! It comes from a snapshot or, with `appendonly`, from the log of commands.
//!
//! While it loads the server answers whoever connects, as a rule with `-LOADING`: the gate sees to that
//! ([`ServerModes::LOADING`]).

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use super::aof;
use super::aof::Failed;
use super::aof::load::LogLoader;
use super::rdb::check;
use super::rdb::load::value::Rules;
use super::rdb::load::{Counts, LoadError, Loader, Progress, Settings, Source};
use crate::command::effects;
use crate::config::{Config, SanitizeDumpPayload};
use crate::db::Databases;
use crate::repl::{propagate, receive, replica};
use crate::script::library::Restore;
use crate::server::{Server, ServerModes};
use crate::types::hash::HashLimits;
use crate::types::set::SetLimits;
use crate::types::{list, sorted_set};
use crate::util::clock::unix_micros;
use crate::util::platform;

/// Where the data set comes from.
enum From {
    Snapshot(Box<Loader>),
    Log(Box<LogLoader>),
}

/// Why a data set is loaded, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The server starts.
    Start,
    /// A file that came from the primary is loaded in place of what there was.
    Here {
        /// It came without its length.
        streamed: bool,
    },
    /// It is loaded from the socket of the primary.
    Socket {
        /// Beside what there is, which it replaces once it is whole.
        aside: bool,
        /// What there is is shown meanwhile.
        shows_old: bool,
        /// What has to come behind it.
        mark: Option<Vec<u8>>,
    },
}

impl Place {
    fn shows_old(&self) -> bool {
        matches!(self, Place::Socket { shows_old: true, .. })
    }
}

/// A load on its way.
pub struct Loading {
    from: From,
    place: Place,
    /// The databases that are loaded into, if they are not those of the server.
    aside: Option<Box<Databases>>,
    /// There is nothing to do until more has come.
    pub waits: bool,
    started: Instant,
    /// When it began, in Unix seconds.
    pub start_time: i64,
    /// Bytes of the file.
    pub total_bytes: u64,
}

impl std::fmt::Debug for Loading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loading").field("offset", &self.loaded_bytes()).finish_non_exhaustive()
    }
}

impl Loading {
    /// Bytes loaded so far.
    pub fn loaded_bytes(&self) -> u64 {
        match &self.from {
            From::Snapshot(loader) => loader.offset(),
            From::Log(log) => log.loaded_bytes(),
        }
    }

    /// The memory in use when the file was made, if it says so.
    pub fn used_memory(&self) -> u64 {
        let loader = match &self.from {
            From::Snapshot(loader) => Some(&**loader),
            From::Log(log) => log.snapshot(),
        };
        let field = loader.into_iter().flat_map(Loader::aux).find(|(name, _)| name == "used-mem");
        field.and_then(|(_, text)| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0)
    }

    /// Whether what there was is shown meanwhile.
    pub fn shows_old(&self) -> bool {
        self.place.shows_old()
    }

    /// The share that is loaded, in per cent.
    pub fn percent(&self) -> f64 {
        self.loaded_bytes() as f64 * 100.0 / self.total_bytes.max(1) as f64
    }

    /// Seconds that the rest may take.
    pub fn eta_seconds(&self) -> u64 {
        let (loaded, elapsed) = (self.loaded_bytes(), self.started.elapsed().as_secs());
        (elapsed * self.total_bytes.saturating_sub(loaded)).checked_div(loaded).unwrap_or(1)
    }
}

/// How values are made by the present directives; elements of lists of `plain_from` bytes stand alone.
pub fn rules(config: &Config, plain_from: Option<usize>, deep: bool) -> Rules {
    Rules {
        list: list::Limits::new(config.list_max_listpack_size, config.list_compress_depth, plain_from),
        set: SetLimits {
            intset_entries: config.set_max_intset_entries,
            listpack_entries: config.set_max_listpack_entries,
            listpack_value: config.set_max_listpack_value,
        },
        sorted_set: sorted_set::Limits {
            entries: config.zset_max_listpack_entries,
            value: config.zset_max_listpack_value,
        },
        hash: HashLimits { entries: config.hash_max_listpack_entries, value: config.hash_max_listpack_value },
        deep,
    }
}

/// How a file of this server's own is loaded.
pub fn settings(server: &Server, present_bytes: u64, may_replace: bool) -> Settings {
    let config = &server.config;
    Settings {
        rules: rules(config, server.plain_from, config.sanitize_dump_payload == SanitizeDumpPayload::Yes),
        checksum: config.rdbchecksum,
        // Whether keys have expired is for the primary to say, where there is one.
        expired_before_ms: (!server.is_replica()).then(|| unix_micros() / 1000),
        names_expired: false,
        may_replace,
        discard: false,
        key_delay_us: config.key_load_delay_us,
        present_bytes,
    }
}

/// Opens the file of the data set; `None` if there is none.
fn open(config: &Config) -> io::Result<Option<(File, u64)>> {
    let file = match File::open(&config.dbfilename) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(Some((file, metadata.len())))
}

/// Begins to load the data set at start, if there is one.
///
/// # Errors
/// When a file cannot be opened; the error is logged.
pub fn begin(server: &mut Server, db: &mut Databases) -> Result<(), Failed> {
    if server.config.appendonly {
        return match aof::load::find(server)? {
            Some(log) => {
                let total_bytes = log.total_bytes;
                begin_from(server, db, From::Log(Box::new(log)), total_bytes);
                Ok(())
            }
            None => aof::folder::open_at_start(server, db),
        };
    }
    match open(&server.config) {
        Ok(None) => Ok(()),
        Ok(Some((file, bytes))) => {
            // Replicas of the last process that go on where they were have yet to be told what has expired since.
            let settings = Settings { names_expired: !server.is_replica(), ..settings(server, bytes, false) };
            let loader = Loader::new(Box::new(file), settings);
            begin_from(server, db, From::Snapshot(Box::new(loader)), bytes);
            Ok(())
        }
        Err(error) => {
            log::warn!("Error opening the RDB file {}: {}", server.config.dbfilename, platform::os_error_text(&error));
            log::warn!("Fatal error loading the DB, check server logs. Exiting.");
            Err(Failed)
        }
    }
}

fn begin_from(server: &mut Server, db: &mut Databases, from: From, total_bytes: u64) {
    let (started, start_time) = (Instant::now(), unix_micros() / 1_000_000);
    let place = Place::Start;
    server.persist.loading = Some(Loading { from, place, aside: None, waits: false, started, start_time, total_bytes });
    note_loading(server, db, true);
}

/// Begins to load a data set of the primary, which has so many bytes if the primary is to be believed.
pub fn begin_sync(server: &mut Server, db: &mut Databases, source: Box<dyn Source>, total_bytes: u64, place: Place) {
    let present_bytes = if matches!(place, Place::Socket { .. }) { 0 } else { total_bytes };
    let from = From::Snapshot(Box::new(Loader::new(source, settings(server, present_bytes, false))));
    let aside = match place {
        Place::Socket { aside: true, .. } => Some(Box::new(Databases::new(db.count()))),
        _ => None,
    };
    let (started, start_time) = (Instant::now(), unix_micros() / 1_000_000);
    let shows_old = place.shows_old();
    server.persist.loading = Some(Loading { from, place, aside, waits: false, started, start_time, total_bytes });
    match shows_old {
        true => server.modes.set(ServerModes::ASYNC_LOADING, true),
        false => note_loading(server, db, true),
    }
}

/// Gives up loading; whether a part of it is in the databases.
pub fn cancel(server: &mut Server, db: &mut Databases) -> bool {
    let Some(loading) = server.persist.loading.take() else { return false };
    end(server, db, &loading.place);
    loading.aside.is_none()
}

/// Nothing is loaded any more.
fn end(server: &mut Server, db: &mut Databases, place: &Place) {
    match place.shows_old() {
        true => server.modes.set(ServerModes::ASYNC_LOADING, false),
        false => note_loading(server, db, false),
    }
}

/// While the data set is loaded nothing expires and nobody is told of changes.
fn note_loading(server: &mut Server, db: &mut Databases, loading: bool) {
    server.modes.set(ServerModes::LOADING, loading);
    db.set_timeless(loading);
    propagate::update_listeners(server);
}

/// Loads on for a slice; true when the data set is there that the server started with.
///
/// # Errors
/// When something is wrong with a file of the server's own, which has been logged.
pub fn step(server: &mut Server, db: &mut Databases) -> Result<bool, Failed> {
    let Some(mut loading) = server.persist.loading.take() else { return Ok(true) };
    let now_ms = server.clock.unix_ms();
    db.begin_command(0, now_ms);
    let slice = server.config.loading_process_events_interval_bytes;
    let progress = match &mut loading.from {
        From::Snapshot(loader) => {
            let target = match &mut loading.aside {
                Some(aside) => {
                    aside.begin_command(0, now_ms);
                    &mut **aside
                }
                None => &mut *db,
            };
            let progress = match loader.step(target, slice) {
                Ok(progress) => progress,
                Err(error) => return failed(server, db, &loading.place, &error).map(|()| false),
            };
            replica::note_expired(server, loader);
            progress
        }
        From::Log(log) => match log.step(server, db, slice)? {
            true => Progress::Done,
            false => Progress::Running,
        },
    };
    if progress != Progress::Done {
        loading.waits = progress == Progress::Waiting;
        server.persist.loading = Some(loading);
        return Ok(false);
    }
    let seconds = loading.started.elapsed().as_secs_f64();
    end(server, db, &loading.place);
    match loading.from {
        From::Snapshot(mut loader) => {
            let at_start = loading.place == Place::Start;
            let how = if at_start { Restore::Append } else { Restore::Flush };
            if note_loaded(server, &mut loader, how).is_err() {
                if !at_start {
                    receive::failed(server, db, &loading.place, "functions cannot be loaded");
                    return Ok(false);
                }
                return Err(Failed);
            }
            if !at_start {
                if let Some(aside) = loading.aside {
                    exchange(server, db, *aside);
                }
                receive::loaded(server, db, *loader, loading.place);
                return Ok(false);
            }
            replica::take_up_history(server, loader.aux());
            log::info!("DB loaded from disk: {seconds:.3} seconds");
        }
        From::Log(_) => {
            log::info!("DB loaded from append only file: {seconds:.3} seconds");
            aof::folder::open_at_start(server, db)?;
        }
    }
    Ok(true)
}

/// A snapshot cannot be loaded: at start that is the end, else the primary is asked for another.
fn failed(server: &mut Server, db: &mut Databases, place: &Place, error: &LoadError) -> Result<(), Failed> {
    if *place == Place::Start {
        log::warn!("Internal error in RDB reading offset {}: {}", error.offset, error.reason);
        explain(&server.config, server.plain_from);
        log::warn!("Terminating server after rdb file reading failure.");
        return Err(Failed);
    }
    end(server, db, place);
    receive::failed(server, db, place, &error.to_string());
    Ok(())
}

/// Puts the databases that were loaded in the place of those there were, which are freed by another thread.
fn exchange(server: &mut Server, db: &mut Databases, mut loaded: Databases) {
    log::info!("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
    for index in 0..db.count() {
        effects::replace_database(server, db, index, None);
        std::mem::swap(db.database_mut(index), loaded.database_mut(index));
        let old = loaded.database_mut(index).dict.take();
        db.lazyfree.free_later(old);
    }
    log::info!("MASTER <-> REPLICA sync: Discarding old DB in background");
}

/// Has the file checked whole: the report says more of where it is damaged.
fn explain(config: &Config, plain_from: Option<usize>) {
    let (path, rules) = (Path::new(&config.dbfilename), rules(config, plain_from, true));
    let mut report = Vec::new();
    if check::check(path, rules, &mut report).is_ok() {
        crate::log_format::write_plain(config, &String::from_utf8_lossy(&report));
    }
}

/// Loads the log here and now, in place of what is there: DEBUG LOADAOF.
///
/// # Errors
/// When something is wrong with it, which has been logged.
pub fn load_log_now(server: &mut Server, db: &mut Databases) -> Result<(), Failed> {
    aof::flush(server, true);
    (0..db.count()).for_each(|index| _ = db.flush(index, false));
    server.script.flush_functions();
    let found = aof::load::find(server)?;
    aof::folder::delete_history(server);
    if let Some(mut log) = found {
        note_loading(server, db, true);
        let done = loop {
            match log.step(server, db, u64::MAX) {
                Ok(false) => {}
                done => break done,
            }
        };
        note_loading(server, db, false);
        done?;
    }
    db.dirty = 0;
    log::warn!("Append Only File loaded by DEBUG LOADAOF");
    Ok(())
}

/// Takes over what a snapshot had besides keys, once it is loaded.
///
/// # Errors
/// When its functions cannot be loaded; those that are there stay then.
pub fn note_loaded(server: &mut Server, loader: &mut Loader, how: Restore) -> Result<(), Failed> {
    let counts = loader.counts();
    let Counts { loaded, expired, empty, .. } = counts;
    match empty {
        0 => log::info!("Done loading RDB, keys loaded: {loaded}, keys expired: {expired}."),
        _ => {
            log::info!("Done loading RDB, keys loaded: {loaded}, keys expired: {expired}, empty keys skipped: {empty}.")
        }
    }
    server.persist.last_load = counts;
    let functions = loader.take_functions();
    server.script.restore_libraries(&server.config, &functions, how).map_err(|error| {
        log::warn!("Failed loading functions: {}", String::from_utf8_lossy(error.line()));
        Failed
    })
}

/// Loads the file of the data set here and now, beside what is there; false if that failed. Without a file there is
/// nothing to load.
pub fn load_now(server: &mut Server, db: &mut Databases, may_replace: bool) -> bool {
    let (file, bytes) = match open(&server.config) {
        Ok(Some(opened)) => opened,
        Ok(None) => return true,
        Err(error) => {
            log::warn!("Error opening the RDB file {}: {}", server.config.dbfilename, platform::os_error_text(&error));
            return false;
        }
    };
    let mut loader = Loader::new(Box::new(file), settings(server, bytes, may_replace));
    match loader.step(db, u64::MAX) {
        Ok(_) => {
            let how = if may_replace { Restore::Replace } else { Restore::Append };
            note_loaded(server, &mut loader, how).is_ok()
        }
        Err(error) => {
            log::warn!("Internal error in RDB reading offset {}: {}", error.offset, error.reason);
            false
        }
    }
}
