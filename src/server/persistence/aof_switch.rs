//! The append-only file begun and ended.

use super::{aof_folder, aof_rewrite, aof_write};
use crate::db::Databases;
use crate::persist::aof::{Failed, Mode};
use crate::persist::fork::Purpose;
use crate::server::{Server, propagate};

/// Brings the state in line with the directive `appendonly`.
///
/// # Errors
/// When the log cannot be begun; what is said to the client.
pub fn apply_directive(server: &mut Server, db: &mut Databases) -> Result<(), String> {
    match (server.config.appendonly, server.persist.aof.mode) {
        (false, Mode::On | Mode::Waiting) => stop(server, db),
        (true, Mode::Off) if !start(server, db) => return Err("Unable to turn on AOF. Check server logs.".to_owned()),
        _ => {}
    }
    Ok(())
}

/// Ends the log; its files stay.
pub fn stop(server: &mut Server, db: &mut Databases) {
    if server.persist.aof.mode == Mode::Off {
        return;
    }
    aof_write::finish(server);
    let aof = &mut server.persist.aof;
    aof.writer.end_file();
    aof.writer.forget_pending();
    aof.mode = Mode::Off;
    aof.gathers = false;
    aof.rewrites.scheduled = false;
    aof_rewrite::kill_child(server, db);
    propagate::update_propagate_observer(server);
    server.note_disk_error();
}

/// Begins a log, with a rewrite; false if that cannot be.
pub fn start(server: &mut Server, db: &mut Databases) -> bool {
    forget_errors(server);
    server.persist.aof.mode = Mode::Waiting;
    let child = server.persist.child.as_ref().map(|child| child.purpose);
    if child.is_some_and(|purpose| purpose != Purpose::AofRewrite) {
        server.persist.aof.rewrites.scheduled = true;
        log::warn!(
            "AOF was enabled but there is already another background operation. An AOF background was scheduled to \
             start when possible."
        );
    } else if server.in_exec {
        server.persist.aof.rewrites.scheduled = true;
        log::warn!("AOF was enabled during a transaction. An AOF background was scheduled to start when possible.");
    } else {
        // What is being rewritten lacks the commands that came since.
        if child.is_some() {
            log::warn!(
                "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and \
                 starting a rewrite now."
            );
            aof_rewrite::kill_child(server, db);
        }
        if !aof_rewrite::begin(server, db) {
            server.persist.aof.writer.end_file();
            server.persist.aof.mode = Mode::Off;
            log::warn!(
                "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above \
                 logs for more info about the error."
            );
            return false;
        }
    }
    propagate::update_propagate_observer(server);
    true
}

fn forget_errors(server: &mut Server) {
    let writer = &mut server.persist.aof.writer;
    if writer.disk.error().is_some() {
        log::warn!("AOF reopen, just ignore the AOF fsync error in bio job");
        writer.disk.forget_error();
    }
    if writer.error.take().is_some() {
        log::warn!("AOF reopen, just ignore the last error.");
    }
    aof_write::note_errors(server);
}

/// Begins to log once the data set is loaded: with an empty one a base is made, and the last increment is opened or
/// begun.
pub fn open_at_start(server: &mut Server, db: &mut Databases) -> Result<(), Failed> {
    aof_folder::make(&server.config)?;
    let mut manifest = server.persist.aof.manifest.clone();
    if manifest.is_empty() {
        let snapshot = server.config.aof_use_rdb_preamble;
        let name = manifest.new_base(&server.config.appendfilename, snapshot).to_owned();
        let target = aof_folder::path(&server.config, &name);
        if !aof_rewrite::write_base(server, db, &target, &mut |_| {}) {
            return Err(Failed);
        }
        log::info!("Creating AOF base file {name} on server start");
    }
    let last = manifest.increments.last().map(|part| part.name.clone());
    let is_new = last.is_none();
    let name = last.unwrap_or_else(|| manifest.new_increment(&server.config.appendfilename).to_owned());
    let file = aof_folder::open_increment(&server.config, &name, false)?;
    let Server { persist, config, .. } = server;
    aof_folder::replace_manifest(&mut persist.aof, config, manifest)?;
    let bytes = aof_folder::bytes_of(server, &name).map_err(|_| Failed)?;
    log::info!("{} AOF incr file {name} on server start", if is_new { "Creating" } else { "Opening" });
    let aof = &mut server.persist.aof;
    aof.earlier_bytes = aof.earlier_bytes.saturating_sub(bytes);
    aof.writer.begin_file(file, bytes);
    aof.mode = Mode::On;
    aof.gathers = true;
    propagate::update_propagate_observer(server);
    aof_folder::delete_history(server);
    Ok(())
}
