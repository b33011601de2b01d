//! Replica migration: a primary whose replicas have all failed gets one from a primary that has several.

use crate::peers::cluster::node::{Flags, NodeKey};
use crate::peers::cluster::state::State;

/// A primary is without replicas for so long, in milliseconds, before it gets one: after a failover its own may come.
const ORPHANED_MS: i64 = 5000;

impl State {
    /// Moves this replica to a primary that has none, if it is the one to go: the least by name among the replicas of
    /// primaries that have the most.
    pub(super) fn migrate_to_orphan(&mut self, now_ms: i64) {
        let working: Vec<(NodeKey, usize)> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.is_primary() && !node.has_failed())
            .map(|(key, _)| (key, self.nodes.working_replicas(key)))
            .collect();
        let orphans: Vec<NodeKey> =
            working.iter().filter(|(key, count)| *count == 0 && self.may_get(*key)).map(|(key, _)| *key).collect();
        for (key, _) in &working {
            if let Some(node) = self.nodes.get_mut(*key) {
                let is_new = node.orphaned_ms == 0;
                node.orphaned_ms = match orphans.contains(key) {
                    true if is_new => now_ms,
                    true => node.orphaned_ms,
                    false => 0,
                };
            }
        }
        let most = working.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let Some((own, primary)) = self.my_primary() else { return };
        let own_has_most = working.contains(&(own, most));
        let reachable = |key: &&NodeKey| self.node(**key).is_some_and(|node| !node.flags.has(Flags::UNREACHABLE));
        let spare = primary.replicas().iter().filter(reachable).count() > self.settings.migration_barrier;
        if !self.settings.allow_replica_migration || most < 2 || !own_has_most || !spare || !self.is_ok() {
            return;
        }
        let candidates = working.iter().filter(|(_, count)| *count == most).filter_map(|(key, _)| self.node(*key));
        let candidates = candidates.flat_map(|node| node.replicas()).filter_map(|key| self.node(*key));
        let is_first = candidates.filter(|node| !node.has_failed()).all(|node| node.id >= self.myself().id);
        let waited = |key: &&NodeKey| self.node(**key).is_some_and(|node| now_ms - node.orphaned_ms > ORPHANED_MS);
        let target = orphans.iter().find(|key| waited(key)).copied().filter(|_| is_first);
        if let Some((target, node)) = target.and_then(|key| Some((key, self.node(key)?))) {
            log::warn!("Migrating to orphaned master {}", node.id);
            self.follow(target);
            self.outbox.changed(true);
        }
    }

    /// Whether a primary is to get a replica: it has slots, and had replicas, or joined those that have.
    fn may_get(&self, key: NodeKey) -> bool {
        self.node(key).is_some_and(|node| node.flags.has(Flags::MIGRATE_TO) && !node.slots().is_empty())
    }
}
