//! Epochs: the clock by which the latest claim to a slot is known.

use crate::peers::cluster::node::NodeKey;
use crate::peers::cluster::state::State;

/// No epoch gets that far by itself: whoever tells of more is not believed.
pub const EPOCH_MAX: u64 = 1 << 62;

impl State {
    /// Takes an epoch that nobody else has, as far as this node knows, without asking; `None` when it has the greatest.
    pub fn bump_epoch(&mut self) -> Option<u64> {
        let greatest = self.nodes.max_config_epoch().max(self.current_epoch);
        let own = self.myself().config_epoch;
        if own != 0 && own == greatest {
            return None;
        }
        let epoch = self.next_own_epoch();
        log::warn!("New configEpoch set to {epoch}");
        Some(epoch)
    }

    /// Two primaries of one epoch: the one with the lesser name takes another, so that in the end all differ.
    pub(super) fn resolve_collision(&mut self, sender: NodeKey, sender_epoch: u64) {
        let Some(node) = self.node(sender) else { return };
        let myself = self.myself();
        if sender_epoch != myself.config_epoch
            || node.config_epoch != myself.config_epoch
            || !node.is_primary()
            || !myself.is_primary()
            || node.id <= myself.id
        {
            return;
        }
        let id = node.id;
        let epoch = self.next_own_epoch();
        log::debug!("WARNING: configEpoch collision with node {id}. configEpoch set to {epoch}");
    }

    /// Takes the next epoch.
    pub(super) fn next_own_epoch(&mut self) -> u64 {
        self.current_epoch += 1;
        let epoch = self.current_epoch;
        self.myself_mut().config_epoch = epoch;
        self.outbox.save(true);
        epoch
    }
}
