//! What is kept for HTTP: the connections, and the jobs that make their answers.

use std::collections::VecDeque;

use slab::Slab;

use super::metrics::scrape::Scrape;
use super::metrics::sizes::Sizes;
use crate::net::http::exchange::Exchange;

/// Place and number of the connection that an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Its place.
    pub place: usize,
    /// Its number, since places are used again.
    pub id: u64,
}

/// An answer that is made in slices.
#[derive(Debug)]
pub enum Job {
    /// Metrics, for somebody who wants the body or its length only.
    Scrape {
        /// For whom.
        asker: Asker,
        /// The head alone is wanted.
        is_head: bool,
        /// How far it is.
        scrape: Box<Scrape>,
    },
    /// Sizes of values, from a database on.
    Sizes(usize),
}

/// What is counted of scrapes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scrapes {
    /// How many there were.
    pub count: u64,
    /// Time the latest one took of the loop, in microseconds.
    pub last_us: u64,
}

/// The state.
#[derive(Debug, Default)]
pub struct Web {
    /// The connections.
    pub exchanges: Slab<Exchange>,
    /// How many there were.
    pub last_id: u64,
    /// What is to be done.
    pub jobs: VecDeque<Job>,
    /// What was done.
    pub scrapes: Scrapes,
    /// How large values are.
    pub sizes: Sizes,
}

impl Web {
    /// Whether there is something to do in this turn of the loop.
    #[inline]
    pub fn has_work(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// The connection that asked, if it is still there.
    pub fn asker(&mut self, asker: Asker) -> Option<&mut Exchange> {
        self.exchanges.get_mut(asker.place).filter(|exchange| exchange.id == asker.id)
    }
}
