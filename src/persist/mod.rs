//! Keeping the data: the formats of snapshots and of the log of commands.
//!
//! [`rdb`] is the format of snapshots, and knows databases alone. [`aof`] is the log of commands: its files, its
//! writer. [`fork`] is the one place where processes are made, [`forkless`] the thread that works in the place of one,
//! [`child`] either of them, [`snapshots`] what is known of saves, [`backup`] of a backup. What the server knows of all
//! that is [`Persist`]; when something is saved or loaded is decided in `server::persistence`.

pub mod aof;
pub mod backup;
pub mod child;
pub mod fork;
pub mod forkless;
pub mod rdb;
pub mod snapshots;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::persist::snapshots::Snapshots;
use aof::Aof;
use backup::{Backup, State};
use child::Child;
use forkless::Feed;
use rdb::load::Counts;

/// The server's state of persistence.
#[derive(Debug)]
pub struct Persist {
    /// The log of commands.
    pub aof: Aof,
    /// Snapshots.
    pub snapshots: Snapshots,
    /// The backup.
    pub backup: Backup,
    /// The child at work, a process or a thread: there is never more than one.
    pub child: Option<Child>,
    /// What a thread is still to be given of the data set.
    pub feed: Option<Feed>,
    /// Keys there were when it was begun.
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
            backup: Backup::default(),
            child: None,
            feed: None,
            keys_to_save: 0,
            last_load: Counts::default(),
            resizing_allowed: true,
            interrupted: Arc::default(),
            skips_checksums: false,
        }
    }
}

impl Persist {
    /// Whether rewrites have to wait for the end of a backup, whose base they would replace.
    pub fn rewrites_wait(&self) -> bool {
        self.aof.aside.is_some() || self.backup.state == State::Incrementing
    }

    /// Gives up the backup that is being made, if there is one; its files are deleted. A log that was begun for it is
    /// ended by who looks after backups.
    pub fn fail_backup(&mut self, error: &str) {
        if self.backup.is_in_progress() {
            self.backup.fail(error, &mut self.aof.writer.disk);
        }
    }
}
