//! The append-only file at work: written before replies leave, begun and ended by the directive.

use super::background;
use crate::db::Databases;
use crate::persist::aof::Mode;
use crate::persist::aof::writer::{Conditions, Flushed};
use crate::persist::fork::Purpose;
use crate::server::Server;
use crate::server::clients::blocking::durability;
use crate::server::propagate;
use crate::util::platform::os_error_text;
use std::time::Duration;

/// Writes what there is, before anybody is told of it.
#[inline]
pub fn before_replies(server: &mut Server) {
    if server.persist.aof.is_on() {
        flush(server, false);
    }
    if !server.clients.awaiting.is_empty() {
        durability::serve(server);
    }
}

fn conditions(server: &Server, force: bool) -> Conditions {
    let config = &server.config;
    Conditions {
        policy: config.appendfsync,
        now_s: server.clock.unix_ms() / 1000,
        rests: config.no_appendfsync_on_rewrite && server.persist.child.is_some(),
        force,
        rest_us: server.persist.aof.rest_us,
    }
}

/// Writes what there is; with `force` without waiting for a sync that is under way. With `appendfsync always` a failure
/// is the end of the server: what clients are about to be told cannot be kept.
pub fn flush(server: &mut Server, force: bool) {
    let conditions = conditions(server, force);
    match server.persist.aof.writer.flush(conditions) {
        Flushed::Nothing | Flushed::Postponed | Flushed::Failed => {}
        Flushed::Written(syncing) => note_latency(server, syncing),
        Flushed::Fatal => std::process::exit(1),
    }
    note_errors(server);
}

/// Writes and syncs all there is, because the file will not be written any more.
pub fn finish(server: &mut Server) {
    if server.persist.aof.is_on() {
        let conditions = conditions(server, true);
        if server.persist.aof.writer.finish(conditions) == Flushed::Fatal {
            std::process::exit(1);
        }
    }
}

/// The server is about to end: nothing is left behind.
pub fn end(server: &mut Server) {
    finish(server);
    server.persist.aof.writer.disk.drain();
}

fn note_latency(server: &mut Server, syncing: bool) {
    if server.latency.threshold_ms == 0 {
        return;
    }
    let took = server.persist.aof.writer.took;
    let event = match server.persist.child {
        _ if syncing => "aof-write-pending-fsync",
        Some(_) => "aof-write-active-child",
        None => "aof-write-alone",
    };
    let now_ms = server.clock.unix_ms();
    let mut sample = |event, took: Option<Duration>| {
        if let Some(took) = took {
            server.latency.sample(event, took.as_millis() as u64, now_ms);
        }
    };
    sample(event, took.write);
    sample("aof-write", took.write);
    sample("aof-fsync-always", took.sync);
}

/// Has writes refused as long as they cannot be logged.
fn note_errors(server: &mut Server) {
    let aof = &mut server.persist.aof;
    let failed_sync = aof.writer.disk.error();
    let failing = aof.writer.error.is_some() || failed_sync.is_some();
    if failing == aof.failing {
        return;
    }
    aof.failing = failing;
    if let Some(error) = failed_sync {
        log::warn!("Fail to fsync the AOF file: {}", os_error_text(&error));
    }
    server.note_disk_error();
}

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
    finish(server);
    let aof = &mut server.persist.aof;
    aof.writer.end_file();
    aof.writer.forget_pending();
    aof.mode = Mode::Off;
    aof.gathers = false;
    aof.rewrites.scheduled = false;
    background::kill_child(server, db);
    propagate::update_listeners(server);
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
            background::kill_child(server, db);
        }
        if !background::begin(server, db) {
            server.persist.aof.writer.end_file();
            server.persist.aof.mode = Mode::Off;
            log::warn!(
                "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above \
                 logs for more info about the error."
            );
            return false;
        }
    }
    propagate::update_listeners(server);
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
    note_errors(server);
}
