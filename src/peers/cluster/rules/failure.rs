//! Failures: suspected by one, established by most, undone once the node is back.

use super::Moment;
use crate::peers::cluster::message::Body;
use crate::peers::cluster::node::{Flags, NodeKey};
use crate::peers::cluster::state::State;

/// Reports count for so many node timeouts.
const REPORTS_TIMEOUTS: i64 = 2;
/// After so many node timeouts a primary that is back is one again, if nobody took its slots.
const UNDO_TIMEOUTS: i64 = 2;

impl State {
    /// A primary has said whether a node is reachable.
    pub(super) fn report(&mut self, about: NodeKey, by: NodeKey, is_unreachable: bool, moment: &mut Moment<'_>) {
        let reporter = self.node(by).map(|node| node.id);
        let Some((node, reporter)) = self.nodes.get_mut(about).zip(reporter) else { return };
        let id = node.id;
        if is_unreachable {
            if node.failure_reports.insert(by, moment.now_ms).is_none() {
                log::debug!("Node {reporter} reported node {id} as not reachable.");
            }
            self.establish_failure(about, moment);
        } else if node.failure_reports.remove(&by).is_some() {
            log::debug!("Node {reporter} reported node {id} is back online.");
        }
    }

    /// How many primaries have reported a failure of a node lately.
    pub fn count_failure_reports(&mut self, about: NodeKey, now_ms: i64) -> usize {
        let valid_ms = self.settings.node_timeout_ms.saturating_mul(REPORTS_TIMEOUTS);
        let Some(node) = self.nodes.get_mut(about) else { return 0 };
        node.failure_reports.retain(|_, time| now_ms - *time <= valid_ms);
        node.failure_reports.len()
    }

    /// Takes a suspected node for failed if most primaries suspect it.
    pub(super) fn establish_failure(&mut self, about: NodeKey, moment: &mut Moment<'_>) {
        if !self.node(about).is_some_and(|node| node.flags.has(Flags::SUSPECTED) && !node.has_failed()) {
            return;
        }
        let own = usize::from(self.myself().votes());
        if self.count_failure_reports(about, moment.now_ms) + own < self.quorum() {
            return;
        }
        let Some(id) = self.mark_failed(about, moment.now_ms) else { return };
        log::info!("Marking node {id} as failing (quorum reached).");
        self.broadcast(Body::Fail(id), moment);
    }

    /// Somebody says that most primaries suspect a node.
    pub(super) fn hear_of_failure(&mut self, about: NodeKey, by: NodeKey, moment: &mut Moment<'_>) {
        let is_news = |flags: Flags| !flags.has(Flags::FAILED) && !flags.has(Flags::MYSELF);
        if !self.node(about).is_some_and(|node| is_news(node.flags)) {
            return;
        }
        let by = self.node(by).map(|node| node.id);
        if let (Some(id), Some(by)) = (self.mark_failed(about, moment.now_ms), by) {
            log::info!("FAIL message received from {by} about {id}");
        }
    }

    fn mark_failed(&mut self, key: NodeKey, now_ms: i64) -> Option<crate::peers::cluster::id::NodeId> {
        let node = self.nodes.get_mut(key)?;
        node.flags.set(Flags::SUSPECTED, false);
        node.flags.set(Flags::FAILED, true);
        node.failed_ms = now_ms;
        let id = node.id;
        self.outbox.changed(false);
        Some(id)
    }

    /// A node has answered: it is not suspected any more, nor failed, if that may be undone.
    pub(super) fn hear_answer(&mut self, key: NodeKey, now_ms: i64) {
        let undo_ms = self.settings.node_timeout_ms.saturating_mul(UNDO_TIMEOUTS);
        let Some(node) = self.nodes.get_mut(key) else { return };
        node.pong_received_ms = now_ms;
        node.ping_sent_ms = 0;
        if node.flags.has(Flags::SUSPECTED) {
            node.flags.set(Flags::SUSPECTED, false);
            self.outbox.changed(false);
        } else if node.has_failed() {
            let why = match (node.is_replica(), node.slots().is_empty()) {
                (true, _) => "replica is reachable again.",
                (false, true) => "master without slots is reachable again.",
                (false, false) if now_ms - node.failed_ms > undo_ms => {
                    "is reachable again and nobody is serving its slots after some time."
                }
                (false, false) => return,
            };
            log::info!("Clear FAIL state for node {}: {why}", node.id);
            node.flags.set(Flags::FAILED, false);
            self.outbox.changed(false);
        }
    }
}
