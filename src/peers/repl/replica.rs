//! A replica as its primary sees it.

use std::fs::File;

use crate::persist::rdb::version::Version;

/// What a replica is being given.
#[derive(Debug, Default)]
pub enum Stage {
    /// Nothing yet: it introduces itself.
    #[default]
    Introducing,
    /// It waits for a child to be forked for it.
    WaitStart,
    /// It waits for the child to be done.
    WaitEnd,
    /// It is sent the file.
    File {
        /// The file,
        file: File,
        /// how much of it is sent,
        sent: u64,
        /// and how long it is.
        length: u64,
    },
    /// It follows.
    Online,
    /// It has got the snapshot it wanted and no more.
    Served,
}

/// What a replica leaves out of its snapshot, and in which version of the format it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// All keys.
    pub no_data: bool,
    /// The libraries of functions.
    pub no_functions: bool,
    /// The version that the replica reads, if it has told what it is: those of Valkey do.
    pub version: Option<Version>,
}

impl Filter {
    /// Whether anything is left out.
    pub fn is_any(self) -> bool {
        self.no_data || self.no_functions
    }
}

/// A replica, seen by its primary.
#[derive(Debug, Default)]
pub struct Replica {
    /// What it is being given.
    pub stage: Stage,
    /// The position in the stream of what it is sent next.
    pub position: i64,
    /// How far it says it is.
    pub acked: i64,
    /// How far its append-only file is.
    pub acked_log: i64,
    /// When it said so, in Unix milliseconds.
    pub acked_ms: i64,
    /// When it asked for the data set, in Unix milliseconds.
    pub asked_ms: i64,
    /// When a piece of a snapshot was last sent only in part, in Unix milliseconds.
    pub stalled_since_ms: Option<i64>,
    /// The port it listens on,
    pub port: u16,
    /// and the address, if it is another than that of its connection.
    pub ip: Option<String>,
    /// It finds the end of a snapshot of unknown length.
    pub takes_streams: bool,
    /// It understands that a history has changed its name.
    pub knows_names: bool,
    /// It wants a snapshot and no more.
    pub snapshot_only: bool,
    /// What it leaves out.
    pub filter: Filter,
    /// It does not tell how far it is: it has asked with SYNC.
    pub is_old: bool,
    /// The stream begins once it has told that it has the data set.
    pub waits_for_ack: bool,
    /// It has told so before this server knew that all was well.
    pub acked_early: bool,
}

impl Replica {
    /// Whether it follows.
    pub fn is_online(&self) -> bool {
        matches!(self.stage, Stage::Online)
    }

    /// Seconds since it was heard, once it is online.
    pub fn lag_s(&self, now_ms: i64) -> i64 {
        if self.is_online() { (now_ms - self.acked_ms).max(0) / 1000 } else { 0 }
    }

    /// What INFO calls its stage.
    pub fn state(&self) -> Option<&'static str> {
        match self.stage {
            Stage::Introducing => None,
            Stage::WaitStart | Stage::WaitEnd => Some("wait_bgsave"),
            Stage::File { .. } => Some("send_bulk"),
            Stage::Online => Some("online"),
            Stage::Served => Some("rdb_transmitted"),
        }
    }

    /// Whether the stream is kept for it from its position on.
    pub fn needs_stream(&self) -> bool {
        let stands = matches!(self.stage, Stage::WaitEnd | Stage::File { .. } | Stage::Online);
        stands && !self.snapshot_only
    }
}
