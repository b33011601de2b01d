//! Elections: what a replica remembers of its own.

use std::collections::BTreeSet;

use super::node::NodeKey;

/// Why a replica does not take its primary's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// Its data is too old.
    DataAge,
    /// It waits for its turn.
    Delay,
    /// Too few have voted in time.
    Expired,
    /// It waits for votes.
    Votes,
}

/// What a replica remembers of its election.
#[derive(Clone, Debug, Default)]
pub struct Election {
    /// When it asks, or has asked, for votes; 0 for never.
    pub(super) at_ms: i64,
    /// It has asked.
    pub(super) asked: bool,
    /// Who has voted for it.
    pub(super) voters: BTreeSet<NodeKey>,
    /// How many replicas of the same primary are ahead of it.
    pub(super) rank: usize,
    /// The epoch it is about.
    pub(super) epoch: u64,
    /// Why it does not take its primary's place,
    pub(super) hindrance: Option<Hindrance>,
    /// and when the log was told.
    pub(super) told_ms: i64,
}
