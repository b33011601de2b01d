//! A data set while it is loaded: where it comes from, why, and how far it is.

use std::time::Instant;

use super::log_loader::LogLoader;
use crate::db::Databases;
use crate::persist::rdb::load::Loader;

/// Where the data set comes from.
pub enum Origin {
    Snapshot(Box<Loader>),
    Log(Box<LogLoader>),
}

/// Why a data set is loaded, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The server starts.
    Start {
        /// The data set is not that of the server's own files.
        preloaded: bool,
    },
    /// A file that came from the primary is loaded in place of what there was.
    Here {
        /// It came without its length.
        streamed: bool,
    },
    /// It is loaded from the socket of the primary.
    Socket {
        /// Beside what there is, which it replaces once it is whole.
        aside: bool,
        /// What there is is shown meanwhile.
        shows_old: bool,
        /// What has to come behind it.
        mark: Option<Vec<u8>>,
    },
}

impl Place {
    pub fn shows_old(&self) -> bool {
        matches!(self, Place::Socket { shows_old: true, .. })
    }
}

/// A load on its way.
pub struct Loading {
    pub from: Origin,
    pub place: Place,
    /// The databases that are loaded into, if they are not those of the server.
    pub aside: Option<Box<Databases>>,
    /// There is nothing to do until more has come.
    pub waits: bool,
    pub started: Instant,
    /// When it began, in Unix seconds.
    pub start_time: i64,
    /// Bytes of the file.
    pub total_bytes: u64,
}

impl std::fmt::Debug for Loading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loading").field("offset", &self.loaded_bytes()).finish_non_exhaustive()
    }
}

impl Loading {
    /// Bytes loaded so far.
    pub fn loaded_bytes(&self) -> u64 {
        match &self.from {
            Origin::Snapshot(loader) => loader.offset(),
            Origin::Log(log) => log.loaded_bytes(),
        }
    }

    /// The memory in use when the file was made, if it says so.
    pub fn used_memory(&self) -> u64 {
        let loader = match &self.from {
            Origin::Snapshot(loader) => Some(&**loader),
            Origin::Log(log) => log.snapshot(),
        };
        let field = loader.into_iter().flat_map(Loader::aux).find(|(name, _)| name == "used-mem");
        field.and_then(|(_, text)| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0)
    }

    /// Whether what there was is shown meanwhile.
    pub fn shows_old(&self) -> bool {
        self.place.shows_old()
    }

    /// The share that is loaded, in per cent.
    pub fn percent(&self) -> f64 {
        self.loaded_bytes() as f64 * 100.0 / self.total_bytes.max(1) as f64
    }

    /// Seconds that the rest may take.
    pub fn eta_seconds(&self) -> u64 {
        let (loaded, elapsed) = (self.loaded_bytes(), self.started.elapsed().as_secs());
        (elapsed * self.total_bytes.saturating_sub(loaded)).checked_div(loaded).unwrap_or(1)
    }
}
