//! The data set loaded a slice at a time, and what follows from its end.

use super::load_state::{Origin, Place};
use super::{aof_folder, aof_load, aof_switch, loading, preload};
use crate::db::Databases;
use crate::persist::aof::Failed;
use crate::persist::rdb::load::{LoadError, Progress};
use crate::script::library::Restore;
use crate::server::Server;
use crate::server::cluster::conf;
use crate::server::execution::changes;
use crate::server::replication::{history, receive};
use crate::util::platform;

/// Begins to load the data set at start, if there is one.
///
/// # Errors
/// When a file cannot be opened; the error is logged.
pub fn begin(server: &mut Server, db: &mut Databases) -> Result<(), Failed> {
    if let Some(target) = preload::target(&server.config) {
        return preload::begin(server, db, &target);
    }
    if server.config.appendonly {
        return match aof_load::find(server)? {
            Some(log) => {
                let total_bytes = log.total_bytes;
                loading::begin_from(server, db, Origin::Log(Box::new(log)), total_bytes, false);
                Ok(())
            }
            None => aof_switch::open_at_start(server, db),
        };
    }
    match loading::open(&server.config) {
        Ok(None) => Ok(()),
        Ok(Some((file, bytes))) => {
            let snapshot = loading::snapshot_at_start(server, file, bytes);
            loading::begin_from(server, db, snapshot, bytes, false);
            Ok(())
        }
        Err(error) => {
            log::warn!("Error opening the RDB file {}: {}", server.config.dbfilename, platform::os_error_text(&error));
            log::warn!("Fatal error loading the DB, check server logs. Exiting.");
            Err(Failed)
        }
    }
}

/// Loads on for a slice; true when the data set is there that the server started with.
///
/// # Errors
/// When something is wrong with a file of the server's own, which has been logged.
pub fn step(server: &mut Server, db: &mut Databases) -> Result<bool, Failed> {
    let Some(mut loading) = server.loading.take() else { return Ok(true) };
    let now_ms = server.clock.unix_ms();
    db.begin_command(0, now_ms);
    let slice = server.config.loading_process_events_interval_bytes;
    let progress = match &mut loading.from {
        Origin::Snapshot(loader) => {
            loader.set_key_delay(server.config.key_load_delay_us);
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
            history::note_expired(server, loader);
            progress
        }
        Origin::Log(log) => match log.step(server, db, slice)? {
            true => Progress::Done,
            false => Progress::Running,
        },
    };
    if progress != Progress::Done {
        loading.waits = progress == Progress::Waiting;
        server.loading = Some(loading);
        return Ok(false);
    }
    let seconds = loading.started.elapsed().as_secs_f64();
    loading::end(server, db, &loading.place);
    let preloaded = loading.place == Place::Start { preloaded: true };
    match loading.from {
        Origin::Snapshot(mut loader) => {
            let at_start = matches!(loading.place, Place::Start { .. });
            let how = if at_start { Restore::Append } else { Restore::Flush };
            if loading::note_loaded(server, &mut loader, how).is_err() {
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
            // Whoever has another's data set has not its history as well.
            if !preloaded {
                history::adopt_history(server, loader.aux());
            }
            log::info!("DB loaded from disk: {seconds:.3} seconds");
            // A client may have wanted the other thing meanwhile.
            if server.config.appendonly && !aof_switch::start(server, db) {
                return Err(Failed);
            }
        }
        Origin::Log(_) => {
            log::info!("DB loaded from append only file: {seconds:.3} seconds");
            let logs = server.config.appendonly;
            if logs && !preloaded {
                aof_switch::open_at_start(server, db)?;
            } else if logs && !aof_switch::start(server, db) {
                return Err(Failed);
            }
        }
    }
    conf::agree_with_data(server, db);
    Ok(true)
}

/// A snapshot cannot be loaded: at start that is the end, else the primary is asked for another.
fn failed(server: &mut Server, db: &mut Databases, place: &Place, error: &LoadError) -> Result<(), Failed> {
    if let Place::Start { preloaded } = *place {
        log::warn!("Internal error in RDB reading offset {}: {}", error.offset, error.reason);
        if !preloaded {
            loading::explain(&server.config, server.plain_from);
        }
        log::warn!("Terminating server after rdb file reading failure.");
        log::warn!(
            "oxidis --check-rdb {} says more. Put a backup in its place, or move it away to begin without data.",
            server.config.dbfilename
        );
        return Err(Failed);
    }
    loading::end(server, db, place);
    receive::failed(server, db, place, &error.to_string());
    Ok(())
}

/// Puts the databases that were loaded in the place of those there were, which are freed by another thread.
fn exchange(server: &mut Server, db: &mut Databases, mut loaded: Databases) {
    log::info!("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
    for index in 0..db.count() {
        changes::replace_database(server, db, index, None);
        std::mem::swap(db.database_mut(index), loaded.database_mut(index));
        let old = loaded.database_mut(index).dict.take();
        db.lazyfree.free_later(old);
    }
    log::info!("MASTER <-> REPLICA sync: Discarding old DB in background");
}

/// Loads the log here and now, in place of what is there: DEBUG LOADAOF.
///
/// # Errors
/// When something is wrong with it, which has been logged.
pub fn load_log_now(server: &mut Server, db: &mut Databases) -> Result<(), Failed> {
    super::aof_write::flush(server, true);
    (0..db.count()).for_each(|index| _ = db.flush(index, false));
    server.script.flush_functions();
    let found = aof_load::find(server)?;
    aof_folder::delete_history(server);
    if let Some(mut log) = found {
        loading::note_loading(server, db, true);
        let done = loop {
            match log.step(server, db, u64::MAX) {
                Ok(false) => {}
                done => break done,
            }
        };
        loading::note_loading(server, db, false);
        done?;
    }
    db.dirty = 0;
    log::warn!("Append Only File loaded by DEBUG LOADAOF");
    Ok(())
}
