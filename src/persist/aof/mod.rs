//! The append-only file: a log of the commands that changed the data.
//!
//! It consists of several files in a folder, which the [`manifest`] names: a base (the data set as it was once) and
//! increments (what happened since). Only the last increment is written. A rewrite (`server::persistence::aof_rewrite`)
//! begins a new increment and has a child write a new base; what went before is history then, and deleted.
//!
//! What commands change arrives here encoded ([`Aof::feed`]) and is written before the replies of this turn of the
//! event loop go out (`server::persistence::aof_write`); [`writer`] has the rules of when it reaches the disk.

pub mod check;
pub mod disk;
pub mod manifest;
pub mod reader;
pub mod rewrite;
pub mod rewrites;
mod scan;
pub mod writer;

use std::path::PathBuf;

use super::aof::rewrites::Rewrites;
use crate::util::platform::os_error_text;
use manifest::Manifest;
use writer::Writer;

/// Something did not work; what that was has been written to the server's log.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed;

/// Writes to the server's log what did not work.
pub fn failed(text: String) -> Failed {
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

/// A log that is no part of how the server keeps its data: it is written for a backup, and ends with that.
#[derive(Debug)]
pub struct Aside {
    /// Where it is written; absolute.
    pub folder: PathBuf,
    /// The manifest of the log that the server would go on with.
    pub manifest: Manifest,
}

/// The state of the append-only file.
#[derive(Debug, Default)]
pub struct Aof {
    pub mode: Mode,
    /// Set while what is written is the log of a backup alone.
    pub aside: Option<Aside>,
    /// Whether commands are taken at present.
    pub gathers: bool,
    pub writer: Writer,
    /// The manifest as it is on the disk.
    pub manifest: Manifest,
    /// Bytes of all files but the one that is written.
    pub earlier_bytes: u64,
    /// Bytes of all files after the last rewrite.
    pub base_bytes: u64,
    /// Rewrites.
    pub rewrites: Rewrites,
    /// Microseconds to rest before a write: DEBUG AOF-FLUSH-SLEEP.
    pub rest_us: u32,
    /// The last write or sync failed.
    pub failing: bool,
    /// How much it had been fed when that was last dealt with as `appendfsync` says.
    pub settled: u64,
}

impl Aof {
    /// Whether commands are logged, or will be.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.mode != Mode::Off
    }

    /// Whether that is how the server keeps its data, rather than for a backup alone.
    pub fn is_kept(&self) -> bool {
        self.is_on() && self.aside.is_none()
    }

    /// Whether it waits for its first base.
    pub fn is_waiting(&self) -> bool {
        self.mode == Mode::Waiting
    }

    /// Takes what is propagated: requests with their databases; `stamp_s` is the time to be noted, if any.
    pub fn feed<'a>(&mut self, requests: impl Iterator<Item = (Option<usize>, &'a [u8])>, stamp_s: Option<i64>) {
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
        if self.mode == Mode::On && self.is_kept() { self.writer.disk.synced() } else { 0 }
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
        let error = self.writer.error.as_ref().or(failed_sync.as_ref()).filter(|_| self.is_kept())?;
        Some(os_error_text(error))
    }

    /// Whether the last write and the last sync went well.
    pub fn is_failing(&self) -> bool {
        self.is_kept() && self.failing
    }
}
