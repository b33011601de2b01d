//! A replica as its primary sees it.

use std::fs::File;

use crate::persist::rdb::version::Version;

/// What a replica is being given.
#[derive(Debug, Default)]
pub enum Stage {
    /// Nothing yet: it introduces itself.
    #[default]
    Introducing,
    /// It waits until its other connection has asked for the snapshot.
    WaitChannel,
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
    /// It is sent the stream, while the snapshot goes over its other connection.
    Parallel,
    /// It follows.
    Online,
    /// It has got the snapshot it wanted and no more.
    Served,
}

/// What a replica's connection is for: a full sync over two is drawn in [`super::main_channel`]. Clients are named by
/// their ids, since either may go at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channel {
    /// Everything: it is the only one.
    #[default]
    Only,
    /// The snapshot.
    Snapshot {
        /// The client that the stream goes to, once that is known.
        main_id: Option<u64>,
    },
    /// The stream.
    Main {
        /// The client that the snapshot goes to, once that is known.
        snapshot_id: Option<u64>,
    },
}

/// Ways to a full sync over two connections that a replica knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ties {
    /// That of Redis.
    pub redis: bool,
    /// That of Valkey.
    pub valkey: bool,
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
    /// What the connection is for.
    pub channel: Channel,
    /// The ways it knows to get its data set over two connections.
    pub ties: Ties,
    /// The position in the stream of what it is sent next.
    pub position: i64,
    /// How far it says it is.
    pub acked: i64,
    /// How far its append-only file is.
    pub acked_log: i64,
    /// When it said so, in Unix milliseconds.
    pub acked_ms: i64,
    /// The version of the snapshot it was sent, until it says that it is loaded.
    pub unloaded: Option<Version>,
    /// Bytes it had sent when it was last looked whether it is alive.
    pub heard_bytes: u64,
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
            Stage::WaitChannel | Stage::WaitStart | Stage::WaitEnd => Some("wait_bgsave"),
            Stage::File { .. } => Some("send_bulk"),
            Stage::Parallel => Some("send_bulk_and_stream"),
            Stage::Online => Some("online"),
            Stage::Served => Some("rdb_transmitted"),
        }
    }

    /// Whether the stream is kept for it from its position on. For the connection of a snapshot it is kept as long as
    /// nobody has asked for it: a Valkey does so when it has been told where the snapshot stands.
    pub fn needs_stream(&self) -> bool {
        match self.stage {
            Stage::WaitEnd | Stage::File { .. } => !self.snapshot_only || self.waits_for_main(),
            Stage::Served => self.waits_for_main(),
            Stage::Parallel | Stage::Online => true,
            Stage::Introducing | Stage::WaitChannel | Stage::WaitStart => false,
        }
    }

    /// Whether it is told of the snapshot as Valkey does it, and the stream of what follows is yet to be asked for.
    pub fn waits_for_main(&self) -> bool {
        self.is_old && self.channel == Channel::Snapshot { main_id: None }
    }

    /// Whether it is sent the stream as it comes.
    pub fn is_streamed(&self) -> bool {
        matches!(self.stage, Stage::Parallel | Stage::Online) && !self.waits_for_ack
    }

    /// Whether this is the second connection of a replica that is known by its first.
    pub fn is_second(&self) -> bool {
        matches!(self.channel, Channel::Snapshot { main_id: Some(_) })
    }
}
