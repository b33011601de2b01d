//! What loading needs: the files opened, the settings, what is taken over from a snapshot, and the load of DEBUG RELOAD
//! all at once. The slices between two turns of the event loop stand in [`super::load_step`].

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use super::load_state::{Loading, Origin, Place};
use crate::config::{Config, SanitizeDumpPayload, VersionCheck};
use crate::db::Databases;
use crate::persist::aof::Failed;
use crate::persist::rdb::check;
use crate::persist::rdb::load::{Counts, Loader, Settings, Source};
use crate::persist::rdb::value::Rules;
use crate::script::library::Restore;
use crate::server::modes::ServerModes;
use crate::server::{Server, propagate};
use crate::types::hash::{HashLimits, Sharing};
use crate::types::set::SetLimits;
use crate::types::{array, list, sorted_set};
use crate::util::clock::unix_micros;
use crate::util::{platform, redact};

/// How values are made by the present directives; elements of lists of `plain_from` bytes stand alone.
pub fn rules(config: &Config, plain_from: Option<usize>, strict: bool) -> Rules {
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
        array: array::Limits::new(config.array_slice_size, config.array_sparse_kmax, config.array_sparse_kmin),
        sharing: Sharing {
            entries_min: config.hash_rdb_load_min_template_entries,
            entries_max: config.hash_rdb_load_max_template_entries,
            hashes_min: config.hash_rdb_load_template_disassembly_threshold,
        },
        strict,
        times_in_order: config.sanitize_dump_payload == SanitizeDumpPayload::Yes,
    }
}

/// How a file of this server's own is loaded.
pub fn settings(server: &Server, present_bytes: u64, may_replace: bool) -> Settings {
    let config = &server.config;
    Settings {
        rules: rules(config, server.plain_from, config.sanitize_dump_payload == SanitizeDumpPayload::Yes),
        checksum: config.rdbchecksum,
        any_version: config.rdb_version_check == VersionCheck::Relaxed,
        skips_modules: config.rdb_load_skip_unknown_modules,
        // Whether keys have expired is for the primary to say, where there is one.
        expired_before_ms: (!server.is_replica()).then(|| unix_micros() / 1000),
        names_expired: false,
        may_replace,
        hides_data: config.hide_user_data_from_log,
        discard: false,
        key_delay_us: config.key_load_delay_us,
        present_bytes,
    }
}

/// Opens the file of the data set; `None` if there is none.
pub fn open(config: &Config) -> io::Result<Option<(File, u64)>> {
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

/// A snapshot that is loaded at start.
pub fn snapshot_at_start(server: &Server, file: File, bytes: u64) -> Origin {
    // Replicas of the last process that go on where they were have yet to be told what has expired since.
    let settings = Settings { names_expired: !server.is_replica(), ..settings(server, bytes, false) };
    Origin::Snapshot(Box::new(Loader::new(Box::new(file), settings)))
}

/// Begins to load the data set at start: the server's own, or one that is preloaded.
pub fn begin_from(server: &mut Server, db: &mut Databases, from: Origin, total_bytes: u64, preloaded: bool) {
    let (started, start_time) = (Instant::now(), unix_micros() / 1_000_000);
    let place = Place::Start { preloaded };
    server.loading = Some(Loading { from, place, aside: None, waits: false, started, start_time, total_bytes });
    note_loading(server, db, true);
}

/// Begins to load a data set of the primary, which has so many bytes if the primary is to be believed.
pub fn begin_sync(server: &mut Server, db: &mut Databases, source: Box<dyn Source>, total_bytes: u64, place: Place) {
    let present_bytes = if matches!(place, Place::Socket { .. }) { 0 } else { total_bytes };
    let from = Origin::Snapshot(Box::new(Loader::new(source, settings(server, present_bytes, false))));
    let aside = match place {
        Place::Socket { aside: true, .. } => Some(Box::new(Databases::new(db.count()))),
        _ => None,
    };
    let (started, start_time) = (Instant::now(), unix_micros() / 1_000_000);
    let shows_old = place.shows_old();
    server.loading = Some(Loading { from, place, aside, waits: false, started, start_time, total_bytes });
    match shows_old {
        true => server.modes.set(ServerModes::ASYNC_LOADING, true),
        false => note_loading(server, db, true),
    }
}

/// Gives up loading; whether a part of it is in the databases.
pub fn cancel(server: &mut Server, db: &mut Databases) -> bool {
    let Some(loading) = server.loading.take() else { return false };
    end(server, db, &loading.place);
    loading.aside.is_none()
}

/// Nothing is loaded any more.
pub fn end(server: &mut Server, db: &mut Databases, place: &Place) {
    match place.shows_old() {
        true => server.modes.set(ServerModes::ASYNC_LOADING, false),
        false => note_loading(server, db, false),
    }
}

/// While the data set is loaded nothing expires and nobody is told of changes.
pub fn note_loading(server: &mut Server, db: &mut Databases, loading: bool) {
    server.modes.set(ServerModes::LOADING, loading);
    db.set_sees_expired(loading);
    propagate::update_propagate_observer(server);
}

/// Has the file checked whole: the report says more of where it is damaged.
pub fn explain(config: &Config, plain_from: Option<usize>) {
    if config.hide_user_data_from_log {
        log::info!("hide-user-data-from-log is on, skip logging the report on the RDB file, which names keys.");
        return;
    }
    let (path, rules) = (Path::new(&config.dbfilename), rules(config, plain_from, true));
    let mut report = Vec::new();
    if check::check(path, rules, &mut report).is_ok() {
        crate::server::observe::log_format::write_plain(config, &String::from_utf8_lossy(&report));
    }
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
    if counts.corrected > 0 || counts.skipped > 0 {
        let Counts { corrected, skipped, .. } = counts;
        log::warn!("Values corrected while loading: {corrected}; keys with values of modules skipped: {skipped}.");
    }
    server.persist.last_load = counts;
    let functions = loader.take_functions();
    server.script.restore_libraries(&server.config, &functions, how).map_err(|error| {
        let hidden = server.config.hide_user_data_from_log;
        log::warn!("Failed loading functions: {}", redact::error(error.line(), hidden));
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
