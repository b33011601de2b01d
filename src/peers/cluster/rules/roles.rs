//! Who is a primary, and who a replica of whom.

use super::Moment;
use crate::peers::cluster::message::PingKind;
use crate::peers::cluster::node::{Flags, NodeKey};
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::state::State;

impl State {
    /// A node is a primary from now on, whatever it was.
    pub(super) fn make_primary(&mut self, key: NodeKey) {
        let Some(node) = self.nodes.get_mut(key).filter(|node| !node.is_primary()) else { return };
        if node.primary().is_some() && !node.is_myself() {
            node.flags.set(Flags::MIGRATE_TO, true);
        }
        node.flags.set(Flags::REPLICA, false);
        node.flags.set(Flags::PRIMARY, true);
        self.detach(key);
        self.outbox.changed(false);
    }

    /// A node is a replica from now on; its slots are nobody's.
    pub(super) fn make_replica(&mut self, key: NodeKey) {
        let Some(node) = self.nodes.get_mut(key).filter(|node| !node.is_replica()) else { return };
        node.flags.set(Flags::PRIMARY, false);
        node.flags.set(Flags::MIGRATE_TO, false);
        node.flags.set(Flags::REPLICA, true);
        self.strip(key);
        self.outbox.changed(false);
    }

    /// A node follows another one.
    pub(super) fn attach(&mut self, key: NodeKey, primary: NodeKey) {
        if key == primary || self.node(key).is_none_or(|node| node.primary() == Some(primary)) {
            return;
        }
        self.detach(key);
        self.nodes.set_primary(key, Some(primary));
        if let Some(primary) = self.nodes.get_mut(primary) {
            primary.flags.set(Flags::MIGRATE_TO, true);
        }
        self.share_shard(primary);
        self.outbox.save(false);
    }

    /// Replicas are in the shard of their primary.
    pub(super) fn share_shard(&mut self, primary: NodeKey) {
        let Some((shard, replicas)) = self.node(primary).map(|node| (node.shard, node.replicas().to_vec())) else {
            return;
        };
        for replica in replicas {
            if let Some(node) = self.nodes.get_mut(replica) {
                node.shard = shard;
            }
        }
    }

    /// A node follows nobody any more.
    fn detach(&mut self, key: NodeKey) {
        let Some(former) = self.node(key).and_then(|node| node.primary()) else { return };
        self.nodes.set_primary(key, None);
        if let Some(former) = self.nodes.get_mut(former).filter(|former| former.replicas().is_empty()) {
            former.flags.set(Flags::MIGRATE_TO, false);
        }
    }

    /// This node becomes a replica of another one, or a replica of that one instead of another. It has no slots any
    /// more then.
    pub(super) fn follow(&mut self, primary: NodeKey) {
        let myself = self.myself;
        if primary == myself || self.node(primary).is_none() {
            return;
        }
        if self.myself().is_primary() {
            self.make_replica(myself);
            self.migrating.clear();
            self.importing.clear();
        }
        self.clear_strays();
        self.attach(myself, primary);
        self.outbox.push(Action::Follow(primary));
        self.end_manual_failover();
    }

    /// This node takes its primary's place.
    pub(super) fn replace_primary(&mut self, moment: &mut Moment<'_>) {
        let Some((primary, node)) = self.my_primary() else { return };
        let slots = node.slots().clone();
        self.make_primary(self.myself);
        self.outbox.push(Action::Promote);
        for slot in slots.iter() {
            self.give(slot, self.myself);
        }
        // Whoever follows this node from now on has to be told what is on its way out.
        self.strays_changed |= !self.strays.is_empty();
        self.look_at_health(moment.now_ms);
        self.outbox.save(true);
        let all = self.nodes.keys();
        self.pong(&all, moment);
        self.end_manual_failover();
        log::debug!("Node {primary:?} has been replaced");
    }

    /// Tells nodes how it is, unasked.
    pub(super) fn pong(&mut self, nodes: &[NodeKey], moment: &mut Moment<'_>) {
        for key in nodes {
            let linked = self.node(*key).filter(|node| !node.in_handshake()).and_then(|node| node.link);
            if let Some(link) = linked {
                self.send_ping(link, PingKind::Pong, moment);
            }
        }
    }
}
