//! What is kept for HTTP, and what is asked for: state, which knows no server. [`super::work`] makes the answers.

use std::collections::VecDeque;

use slab::Slab;

use super::big::BigKeys;
use super::heat::Heat;
use super::history::History;
use super::hot::HotKeys;
use super::metrics::exposition::Format;
use crate::net::http::exchange::{Exchange, Phase};

/// Place and number of the connection that an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Its place.
    pub place: usize,
    /// Its number, since places are used again.
    pub id: u64,
}

/// An answer that takes a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Metrics; the head alone perhaps.
    Metrics(Asker, Format, bool),
    /// The last hour, likewise.
    Past(Asker, bool),
    /// What has happened in a second: for somebody who has just come, or for all who look on.
    Event(Option<Asker>),
}

/// What is counted of scrapes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scrapes {
    /// How many there were.
    pub count: u64,
    /// Time the latest one took of the loop, in microseconds.
    pub last_us: u64,
}

/// Versions of what seldom changes, as viewers have it: of the slow log its length and last number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Of the slow log.
    pub slow: (usize, u64),
    /// Of the log.
    pub log: u64,
    /// Of the configuration.
    pub config: u64,
}

/// What is watched while `metrics-port` is open.
#[derive(Debug)]
pub struct Watch {
    /// The last hour.
    pub history: History,
    /// Latency of commands.
    pub heat: Heat,
    /// Hot keys.
    pub hot: HotKeys,
    /// Big keys.
    pub big: BigKeys,
    /// What viewers have.
    pub sent: Versions,
    /// The second that was watched last.
    pub last_s: i64,
}

impl Watch {
    /// Nothing yet.
    pub fn new(now_ms: i64) -> Watch {
        Watch {
            history: History::default(),
            heat: Heat::default(),
            hot: HotKeys::new(now_ms),
            big: BigKeys::default(),
            sent: Versions::default(),
            last_s: 0,
        }
    }
}

/// The state.
#[derive(Debug)]
pub struct Web {
    /// The connections.
    pub exchanges: Slab<Exchange>,
    /// How many there were.
    pub last_id: u64,
    /// What was asked for.
    pub wanted: VecDeque<Wanted>,
    /// What was done.
    pub scrapes: Scrapes,
    /// What is watched.
    pub watch: Option<Box<Watch>>,
    /// Commands that pass before the next one is looked at for its key.
    pub sample_in: i64,
    /// Grows when a directive may have changed.
    pub config_version: u64,
    /// An event for all who look on is wanted or being made.
    pub tells: bool,
    /// Viewers that missed an event, and get a whole one with the next.
    pub missed: Vec<Asker>,
}

impl Default for Web {
    fn default() -> Web {
        Web {
            exchanges: Slab::new(),
            last_id: 0,
            wanted: VecDeque::new(),
            scrapes: Scrapes::default(),
            watch: None,
            sample_in: i64::MAX,
            config_version: 0,
            tells: false,
            missed: Vec::new(),
        }
    }
}

impl Web {
    /// The connection that asked, if it is still there.
    pub fn asker(&mut self, asker: Asker) -> Option<&mut Exchange> {
        self.exchanges.get_mut(asker.place).filter(|exchange| exchange.id == asker.id)
    }

    /// Whether it is still there.
    pub fn has_asker(&self, asker: Asker) -> bool {
        self.exchanges.get(asker.place).is_some_and(|exchange| exchange.id == asker.id)
    }

    /// Who looks on.
    pub fn viewers(&self) -> Vec<Asker> {
        let streams = self.exchanges.iter().filter(|(_, exchange)| exchange.phase() == Phase::Streaming);
        streams.map(|(place, exchange)| Asker { place, id: exchange.id }).collect()
    }
}
