//! The append-only file written and synced by the rules of `appendfsync`.

use std::time::Duration;

use crate::config::AppendFsync;
use crate::net::connection::SendPermit;
use crate::persist::aof::writer::{Conditions, Flushed};
use crate::server::Server;
use crate::server::modes::ServerModes;
use crate::util::platform::os_error_text;

fn conditions(server: &Server, force: bool) -> Conditions {
    let config = &server.config;
    Conditions {
        policy: policy(server),
        now_s: server.clock.unix_ms() / 1000,
        rests: config.no_appendfsync_on_rewrite && server.persist.child.is_some(),
        force,
        rest_us: server.persist.aof.rest_us,
    }
}

/// No client is promised that a backup is on the disk before it is sealed, and the server does not end because one
/// cannot be written.
fn policy(server: &Server) -> AppendFsync {
    match server.config.appendfsync {
        AppendFsync::Always if server.persist.aof.aside.is_some() => AppendFsync::EverySec,
        policy => policy,
    }
}

/// The one place that decides whether clients may be told anything: after what they may be told of has been written,
/// and with `appendfsync always` is on the disk. Where that fails the server ends in here. Whoever sends something to a
/// client needs a [`SendPermit`] for it, which only this makes: so no way out of the server passes by the log.
#[inline]
pub fn permit_send(server: &mut Server) -> SendPermit {
    let aof = &server.persist.aof;
    if aof.is_on() && aof.settled != aof.fed() {
        flush(server, false);
    }
    // What a script has changed so far leaves at its end, and until then nobody is told of it.
    debug_assert!(server.effects.outgoing.is_empty() || server.modes.has(ServerModes::BUSY), "a change is not logged");
    SendPermit::granted()
}

/// Writes what there is, and syncs it when that is due.
#[inline]
pub fn flush_if_due(server: &mut Server) {
    if server.persist.aof.is_on() {
        flush(server, false);
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
    server.persist.aof.settled = server.persist.aof.fed();
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
