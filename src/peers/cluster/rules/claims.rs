//! Claims to slots: the one with the greatest epoch counts.

use super::Moment;
use crate::peers::cluster::message::Body;
use crate::peers::cluster::node::NodeKey;
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::slots::SlotSet;
use crate::peers::cluster::state::State;

impl State {
    /// A primary claims slots, itself or by what another has said of it.
    ///
    /// Slots on their way here are left alone: an operator is about to give them. A slot that a node has ceased to claim
    /// stays its own until somebody else claims it, whatever the epoch.
    pub(super) fn hear_claim(&mut self, claimant: NodeKey, epoch: u64, slots: &SlotSet) {
        if claimant == self.myself {
            log::warn!("Discarding UPDATE message about myself.");
            return;
        }
        let current = self.nodes.primary_of(self.myself);
        let (mut lost, mut was_shard) = (SlotSet::default(), 0);
        for slot in slots.iter() {
            let owner = self.owner(slot);
            if owner == Some(claimant) {
                self.given_up.remove(slot);
                continue;
            }
            if self.importing.contains_key(&slot) || !self.loses_to(slot, epoch) {
                continue;
            }
            if owner.is_some() && owner == current {
                lost.insert(slot);
                was_shard += 1;
            }
            self.give(slot, claimant);
            self.outbox.changed(true);
        }
        let owned = self.node(claimant).map(|node| node.slots().clone()).unwrap_or_default();
        for slot in owned.iter().filter(|slot| !slots.has(*slot)) {
            self.given_up.insert(slot);
        }
        let is_stripped = current.and_then(|key| self.node(key)).is_some_and(|node| node.slots().is_empty());
        let may_move = self.settings.allow_replica_migration || slots.len() == was_shard;
        if was_shard > 0 && is_stripped && may_move {
            if let Some(node) = self.node(claimant) {
                log::warn!("Configuration change detected. Reconfiguring myself as a replica of {}", node.id);
            }
            self.follow(claimant);
            self.outbox.changed(true);
        } else if !self.leave_sub_replica() && !lost.is_empty() {
            self.add_strays(&lost);
            self.outbox.push(Action::DropKeys(lost));
        }
    }

    /// Whether a claim of an epoch beats whoever has a slot.
    fn loses_to(&self, slot: u16, epoch: u64) -> bool {
        self.is_unclaimed(slot) || self.owner_epoch(slot).is_none_or(|owned| owned < epoch)
    }

    /// Whether nobody insists on a slot.
    pub(super) fn is_unclaimed(&self, slot: u16) -> bool {
        self.owner(slot).is_none() || self.given_up.has(slot)
    }

    pub(super) fn owner_epoch(&self, slot: u16) -> Option<u64> {
        self.owner(slot).and_then(|key| self.node(key)).map(|node| node.config_epoch)
    }

    /// A replica whose primary has become a replica follows that one's primary. That it may be this node happens with
    /// forced failovers, and is left to the operator.
    fn leave_sub_replica(&mut self) -> bool {
        let above = self.my_primary().and_then(|(_, primary)| primary.primary()).filter(|above| *above != self.myself);
        let Some(above) = above else { return false };
        if let Some(node) = self.node(above) {
            log::warn!("I'm a sub-replica! Reconfiguring myself as a replica of grandmaster {}", node.id);
        }
        self.follow(above);
        self.outbox.changed(true);
        true
    }

    /// Tells a node that claims slots of others under an epoch that is over who has them now.
    pub(super) fn correct_claim(&mut self, sender: NodeKey, epoch: u64, slots: &SlotSet, moment: &mut Moment<'_>) {
        let beaten = |slot: &u16| {
            let owner = self.owner(*slot).filter(|owner| *owner != sender && !self.is_unclaimed(*slot))?;
            (self.node(owner)?.config_epoch > epoch).then_some(owner)
        };
        let Some(owner) = slots.iter().find_map(|slot| beaten(&slot)) else { return };
        let Some((node, link)) = self.node(owner).zip(self.node(sender).and_then(|node| node.link)) else { return };
        let known: SlotSet = node.slots().iter().filter(|slot| !self.given_up.has(*slot)).collect();
        let body = Body::Update { config_epoch: node.config_epoch, id: node.id, slots: known };
        self.send(vec![link], body, moment);
    }
}
