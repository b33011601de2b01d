//! Keeping the data: the formats of snapshots and of the log of commands.
//!
//! [`rdb`] is the format of snapshots, and knows databases alone. [`aof`] is the log of commands: its files, its
//! writer. [`fork`] is the one place where processes are made, [`snapshots`] what is known of saves. What the server
//! knows of all that is [`Persist`]; when something is saved or loaded is decided in `server::persistence`.

pub mod aof;
pub mod fork;
pub mod rdb;
pub mod snapshots;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::persist::snapshots::Snapshots;
use aof::Aof;
use rdb::load::Counts;

/// The server's state of persistence.
#[derive(Debug)]
pub struct Persist {
    /// The log of commands.
    pub aof: Aof,
    /// Snapshots.
    pub snapshots: Snapshots,
    /// The child at work: there is never more than one.
    pub child: Option<fork::Child>,
    /// Keys there were when it was forked.
    pub keys_to_save: u64,
    /// What the last one came to.
    pub last_load: Counts,
    /// Tables may be resized for comfort as long as there is no child. Tests switch that off.
    pub resizing_allowed: bool,
    /// SIGINT came once more, after one that has the server end.
    pub interrupted: Arc<AtomicBool>,
    /// RESTORE takes payloads whatever their checksum says: for tests.
    pub skips_checksums: bool,
}

impl Default for Persist {
    fn default() -> Self {
        Persist {
            aof: Aof::default(),
            snapshots: Snapshots::default(),
            child: None,
            keys_to_save: 0,
            last_load: Counts::default(),
            resizing_allowed: true,
            interrupted: Arc::default(),
            skips_checksums: false,
        }
    }
}
