//! The append-only file: a log of the commands that changed the data.
//!
//! It consists of several files in a folder, which the [`manifest`] names: a base (the data set as it was once) and
//! increments (what happened since). Only the last increment is written. A rewrite ([`background`]) begins a new
//! increment and has a child write a new base; what went before is history then, and deleted.
//!
//! What commands change arrives here encoded ([`Aof::feed`]) and is written before the replies of this turn of the
//! event loop go out ([`before_replies`]); [`writer`] has the rules of when it reaches the disk. Whoever sends
//! something to a client needs a [`Cleared`] for it, which only [`clear`] makes: so no way out of the server passes by
//! the log, whenever it is taken.

pub mod background;
pub mod check;
pub mod disk;
pub mod folder;
pub mod load;
pub mod manifest;
pub mod reader;
pub mod rewrite;
mod scan;
pub mod writer;

use std::time::Duration;

use crate::client::blocking::durability;
use crate::db::Databases;
use crate::persist::fork::Purpose;
use crate::repl::propagate;
use crate::server::{Server, ServerModes};
use crate::util::platform::os_error_text;
use background::Rewrites;
use manifest::Manifest;
use writer::{Conditions, Flushed, Writer};

/// Something did not work; what that was has been written to the server's log.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed;

/// Writes to the server's log what did not work.
fn failed(text: String) -> Failed {
    log::warn!("{text}");
    Failed
}

/// Whether commands are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are not.
    #[default]
    Off,
    /// They are.
    On,
    /// They will be as soon as a rewrite has given them a base. Those that come while it works are gathered for that
    /// case.
    Waiting,
}

/// The state of the append-only file.
#[derive(Debug, Default)]
pub struct Aof {
    mode: Mode,
    /// Whether commands are taken at present.
    gathers: bool,
    writer: Writer,
    /// The manifest as it is on the disk.
    manifest: Manifest,
    /// Bytes of all files but the one that is written.
    earlier_bytes: u64,
    /// Bytes of all files after the last rewrite.
    base_bytes: u64,
    /// Rewrites.
    pub rewrites: Rewrites,
    /// Microseconds to rest before a write: DEBUG AOF-FLUSH-SLEEP.
    pub rest_us: u32,
    /// The last write or sync failed.
    failing: bool,
    /// How much it had been fed when that was last dealt with as `appendfsync` says.
    settled: u64,
}

/// What was logged is where the configuration promises it: good for sending to one client, at once.
#[derive(Debug)]
#[must_use = "it is made for something to be sent"]
pub struct Cleared(());

impl Aof {
    /// Whether commands are logged, or will be.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.mode != Mode::Off
    }

    /// Whether it waits for its first base.
    pub fn is_waiting(&self) -> bool {
        self.mode == Mode::Waiting
    }

    /// Takes what is propagated: requests with their databases; `stamp_s` is the time to be noted, if any.
    pub fn feed<'a>(&mut self, requests: impl Iterator<Item = (usize, &'a [u8])>, stamp_s: Option<i64>) {
        if self.gathers {
            requests.for_each(|(db, request)| self.writer.append(db, request, stamp_s));
        }
    }

    /// How much it has been fed so far: what a client's latest write is compared with, see [`Aof::durable`].
    #[inline]
    pub fn fed(&self) -> u64 {
        self.writer.fed()
    }

    /// How much of that would be there after a crash.
    pub fn durable(&self) -> u64 {
        if self.mode == Mode::On { self.writer.disk.synced() } else { 0 }
    }

    /// The size of all its files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.earlier_bytes + self.writer.bytes()
    }

    /// What that was after the last rewrite.
    pub fn base_bytes(&self) -> u64 {
        self.base_bytes
    }

    /// What waits to be written, and syncs.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Why writes are to be refused, if they are.
    pub fn error_text(&self) -> Option<String> {
        let failed_sync = self.writer.disk.error();
        let error = self.writer.error.as_ref().or(failed_sync.as_ref()).filter(|_| self.is_on())?;
        Some(os_error_text(error))
    }

    /// Whether the last write and the last sync went well.
    pub fn is_failing(&self) -> bool {
        self.is_on() && self.failing
    }
}

/// The one place that decides whether clients may be told anything: after what they may be told of has been written, and
/// with `appendfsync always` is on the disk. Where that fails the server ends in here.
#[inline]
pub fn clear(server: &mut Server) -> Cleared {
    let aof = &server.persist.aof;
    if aof.is_on() && aof.settled != aof.fed() {
        flush(server, false);
    }
    // What a script has changed so far leaves at its end, and until then nobody is told of it.
    debug_assert!(server.effects.outgoing.is_empty() || server.modes.has(ServerModes::BUSY), "a change is not logged");
    Cleared(())
}

/// Writes what there is, and syncs it when that is due.
#[inline]
pub fn keep_up(server: &mut Server) {
    if server.persist.aof.is_on() {
        flush(server, false);
    }
}

/// Writes what there is, before anybody is told of it.
#[inline]
pub fn before_replies(server: &mut Server) {
    keep_up(server);
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
