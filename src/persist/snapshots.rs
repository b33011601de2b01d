//! What is known of snapshots.

use crate::config::SnapshotMethod;
use crate::util::clock::unix_seconds;

/// What is known of snapshots.
#[derive(Debug)]
pub struct Snapshots {
    /// When the data set was last saved, in Unix seconds.
    pub last_save: i64,
    /// The last save went well.
    pub last_ok: bool,
    /// When a save in the background was last begun, in Unix seconds.
    pub last_try: i64,
    /// How long the last one took, in seconds.
    pub last_seconds: Option<i64>,
    /// Memory that the last one had copied, in bytes.
    pub last_copied: u64,
    /// One is to begin as soon as nothing keeps it from that.
    pub scheduled: bool,
    /// How that one is to be made, if not as the directive says.
    pub scheduled_method: Option<SnapshotMethod>,
    /// How the last one was made.
    pub last_method: Option<SnapshotMethod>,
    /// Saves begun.
    pub saves: u64,
    /// The child at work was forked for replicas.
    pub is_for_replicas: bool,
    /// Changes that the child's snapshot contains.
    pub dirty_before: u64,
}

impl Default for Snapshots {
    fn default() -> Self {
        Snapshots {
            last_save: unix_seconds(),
            last_ok: true,
            last_try: 0,
            last_seconds: None,
            last_copied: 0,
            scheduled: false,
            scheduled_method: None,
            last_method: None,
            saves: 0,
            is_for_replicas: false,
            dirty_before: 0,
        }
    }
}
