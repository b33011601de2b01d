//! Manual failover: a replica takes its primary's place while that lives, and nothing is lost.
//!
//! The replica asks its primary, which holds all writes and says how far its history goes. Once the replica is as far,
//! it has itself elected, and the primary becomes its replica.

use super::Moment;
use crate::peers::cluster::message::{Body, PingKind};
use crate::peers::cluster::node::NodeKey;
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::state::State;

impl State {
    /// Ends a manual failover, whatever came of it.
    pub(super) fn end_manual_failover(&mut self) {
        let former = std::mem::take(&mut self.manual);
        if former.replica.is_some() {
            self.outbox.push(Action::HoldWrites(false));
        }
    }

    /// A replica wants to take this node's place.
    pub(super) fn hear_manual_start(&mut self, sender: NodeKey, now_ms: i64) {
        let Some(node) = self.node(sender).filter(|node| node.primary() == Some(self.myself)) else { return };
        log::warn!("Manual failover requested by replica {}.", node.id);
        self.end_manual_failover();
        self.manual.until_ms = now_ms + self.settings.manual_failover_timeout_ms;
        self.manual.replica = Some(sender);
        self.outbox.push(Action::HoldWrites(true));
    }

    /// Writes are held from now on: the replica is told how far the history goes.
    pub fn writes_held(&mut self, moment: &mut Moment<'_>) {
        let replica = self.manual.replica.and_then(|key| self.node(key));
        if let Some(link) = replica.and_then(|node| node.link) {
            self.send_ping(link, PingKind::Ping, moment);
        }
    }

    /// The primary, which holds writes, is so far in its history.
    pub(super) fn hear_paused_offset(&mut self, sender: NodeKey, offset: i64) {
        let from_primary = self.my_primary().is_some_and(|(primary, _)| primary == sender);
        if from_primary && self.manual.until_ms != 0 && self.manual.primary_offset.is_none() {
            self.manual.primary_offset = Some(offset);
            self.outbox.look_at_manual = true;
            log::warn!("Received replication offset for paused master manual failover: {offset}");
        }
    }

    /// Goes on once the replica is as far as its primary.
    pub(super) fn go_on_with_manual_failover(&mut self, moment: &Moment<'_>) {
        let Some(offset) = self.manual.primary_offset.filter(|_| self.manual.until_ms != 0 && !self.manual.can_start)
        else {
            return;
        };
        if offset == moment.local.offset {
            self.manual.can_start = true;
            log::warn!("All master replication stream processed, manual failover can start.");
        }
    }

    /// Whether the replica waits for the rest of its primary's history: it is to look as soon as something came.
    pub fn awaits_primary_offset(&self) -> bool {
        self.manual.primary_offset.is_some() && !self.manual.can_start
    }

    /// Looks again whether the replica is as far as its primary.
    pub fn look_at_manual_failover(&mut self) {
        self.outbox.look_at_manual = true;
    }

    /// Gives up what takes too long.
    pub(super) fn give_up_manual_failover(&mut self, now_ms: i64) {
        if self.manual.until_ms != 0 && self.manual.until_ms < now_ms {
            log::warn!("Manual failover timed out.");
            self.end_manual_failover();
        }
    }

    /// Asks the primary to hold writes.
    pub(super) fn ask_to_hold_writes(&mut self, moment: &Moment<'_>) {
        let link = self.my_primary().and_then(|(_, primary)| primary.link);
        self.send(Vec::from_iter(link), Body::ManualStart, moment);
    }
}
