//! How far a change of places with a replica is.

use crate::config::ReplicaOf;

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    #[default]
    None,
    /// A replica has yet to catch up.
    Waiting,
    /// The replica is asked to become the primary.
    UnderWay,
}

/// A change of places.
#[derive(Clone, Debug, Default)]
pub struct Failover {
    pub phase: Phase,
    pub target: Option<ReplicaOf>,
    pub end_ms: Option<i64>,
    pub force: bool,
}

impl Failover {
    /// Whether there is one.
    pub fn is_on(&self) -> bool {
        self.phase != Phase::None
    }

    /// Whether a replica is being asked to become the primary.
    pub fn is_under_way(&self) -> bool {
        self.phase == Phase::UnderWay
    }

    /// What INFO calls its state.
    pub fn name(&self) -> &'static str {
        match self.phase {
            Phase::None => "no-failover",
            Phase::Waiting => "waiting-for-sync",
            Phase::UnderWay => "failover-in-progress",
        }
    }
}
