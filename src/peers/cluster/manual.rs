//! Manual failover: a replica takes its primary's place while that lives, and nothing is lost.
//!
//! The replica asks its primary, which holds all writes and says how far its history goes. Once the replica is as far,
//! it has itself elected, and the primary becomes its replica.

use super::node::NodeKey;

/// What both sides remember of a manual failover.
#[derive(Clone, Debug, Default)]
pub struct Manual {
    /// Until when it may take; 0 for none.
    pub(super) until_ms: i64,
    /// On the primary: the replica that takes its place.
    pub(super) replica: Option<NodeKey>,
    /// On the replica: how far the primary's history goes, once that is known.
    pub(super) primary_offset: Option<i64>,
    /// On the replica: it is as far.
    pub(super) can_start: bool,
}
