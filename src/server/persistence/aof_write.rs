//! The append-only file written and synced by the rules of `appendfsync`.

use crate::persist::aof::writer::{Conditions, Flushed};
use crate::server::Server;
use crate::util::platform::os_error_text;
use std::time::Duration;

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
pub fn note_errors(server: &mut Server) {
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
