//! The rules: what a node does when something happens, as functions of what it knows, the moment and the event.
//!
//! Something happens to a link ([`links`]), a message comes ([`receive`]), a tenth of a second is over ([`tick`]), an
//! operator wants something ([`operator`]), or an event is over ([`State::settle`]). What is to be sent or done then is
//! in the outbox of the state.
//!
//! The rules are those of Redis Cluster (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>):
//! - A node that does not answer is suspected. Once most primaries have said so lately it has failed, and all are told
//!   ([`failure`]).
//! - Who claims a slot with the greatest epoch has it ([`claims`]). No two primaries keep one epoch ([`epochs`]).
//! - A replica whose primary has failed asks the primaries for their votes, of which each has one an epoch; with most of
//!   them it claims its primary's slots under that epoch ([`election`]).

mod claims;
mod election;
pub mod epochs;
mod failure;
mod gossip;
mod health;
mod links;
mod manual;
mod migration;
mod moves;
pub mod operator;
mod receive;
mod roles;
mod tick;

use super::state::State;
use crate::util::random::Random;

/// Milliseconds between two calls of [`State::tick`].
pub const TICK_MS: i64 = 100;

/// When something happens, and what this node is besides its knowledge of the cluster.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Unix milliseconds.
    pub now_ms: i64,
    pub random: &'a mut Random,
    pub local: Local,
}

/// How it stands with this node's replication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// How far it is in its history: as a replica in that of its primary.
    pub offset: i64,
    /// How long it has not heard of its primary, in milliseconds.
    pub data_age_ms: i64,
    /// It replicates somebody.
    pub follows: bool,
    /// It holds writes: nothing is added to its history.
    pub holds_writes: bool,
}

impl State {
    /// Does what several events may have made due, once: to be called before anything is sent.
    pub fn settle(&mut self, moment: &mut Moment<'_>) {
        if std::mem::take(&mut self.outbox.look_at_manual) && self.myself().is_replica() {
            self.go_on_with_manual_failover(moment);
            self.go_on_with_election(moment);
        }
        if std::mem::take(&mut self.outbox.look_at_election) {
            self.go_on_with_election(moment);
        }
        if std::mem::take(&mut self.outbox.look_at_health) {
            self.look_at_health(moment.now_ms);
        }
    }
}
