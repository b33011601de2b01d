//! Small things that the duties of the whole server remember between two calls.

use std::time::Instant;

use crate::net::ClientKey;
use crate::util::clock::Ticks;

/// How the server is asked to go down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// The exit status.
    pub status: i32,
}

/// When the cron did what.
#[derive(Debug, Default)]
pub struct CronState {
    pub next_ms: i64,
    pub last_sample_ms: i64,
    pub last_fast_expire: Option<Ticks>,
    /// The last cycle left stale keys behind.
    pub stale: bool,
    /// Where the walk over the clients goes on.
    pub next_client: ClientKey,
    /// The most memory in use since memory was last given back to the system, in bytes.
    pub high_water: usize,
    /// Work of which the log has told how far it is, or will.
    pub told: Vec<Told>,
    /// DEBUG PAUSE-CRON: nothing happens by itself.
    pub paused: bool,
}

/// When the log tells of a piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// What it is.
    pub what: &'static str,
    /// When it began, or was first seen.
    pub began: Instant,
    /// When it is told of next.
    pub next: Instant,
}

/// An end that is on its way.
#[derive(Clone, Copy, Debug)]
pub struct PendingShutdown {
    pub how: ShutdownOptions,
    /// Until when replicas are waited for, in Unix milliseconds; `None` until that has begun.
    pub until_ms: Option<i64>,
}

/// How the server is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOptions {
    /// Save even without `save` rules.
    pub save: bool,
    /// Do not save.
    pub no_save: bool,
    /// End even if saving fails.
    pub force: bool,
}
