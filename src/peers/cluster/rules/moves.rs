//! Slots that change hands atomically: who may have them, and whose claim counts. How they get there is
//! [`crate::peers::cluster::moves`].

use super::Moment;
use super::epochs::EPOCH_MAX;
use crate::peers::cluster::node::NodeKey;
use crate::peers::cluster::slots::SlotSet;
use crate::peers::cluster::state::State;

impl State {
    /// The node that slots can be imported from.
    ///
    /// # Errors
    /// Why they cannot be.
    pub fn source_of(&self, slots: &SlotSet) -> Result<NodeKey, String> {
        if !self.myself().is_primary() {
            return Err("slot migration not allowed on replica.".to_owned());
        }
        if !self.migrating.is_empty() || !self.importing.is_empty() {
            return Err("all slot states must be STABLE to start a slot migration task.".to_owned());
        }
        let mut source = None;
        for slot in slots.iter() {
            let owner = self.owner(slot).ok_or_else(|| format!("slot has no owner: {slot}"))?;
            if *source.get_or_insert(owner) != owner {
                return Err("slots belong to different source nodes".to_owned());
            }
        }
        match source {
            Some(source) if source == self.myself => Err("this node is already the owner of the slot range".to_owned()),
            Some(source) => Ok(source),
            None => Err("no slots".to_owned()),
        }
    }

    /// Whether this node can give slots away.
    pub fn can_give(&self, slots: &SlotSet) -> bool {
        let is_stable = self.migrating.is_empty() && self.importing.is_empty();
        self.myself().is_primary() && is_stable && slots.iter().all(|slot| self.is_mine(slot))
    }

    /// Takes slots under an epoch of its own, greater than what the source knows of, and tells all; the epoch.
    pub fn take_over(&mut self, slots: &SlotSet, source_epoch: u64, moment: &mut Moment<'_>) -> u64 {
        self.current_epoch = self.current_epoch.max(source_epoch.min(EPOCH_MAX));
        slots.iter().for_each(|slot| self.give(slot, self.myself));
        let epoch = self.next_own_epoch();
        log::info!("New configEpoch set to {epoch}");
        self.look_at_health(moment.now_ms);
        self.announce(moment);
        epoch
    }

    /// A node has taken slots of this one under an epoch, and says so itself.
    pub fn hear_taken(&mut self, by: NodeKey, epoch: u64, slots: &SlotSet) {
        let Some(node) = self.nodes.get_mut(by).filter(|_| epoch < EPOCH_MAX) else { return };
        node.config_epoch = node.config_epoch.max(epoch);
        let claimed: SlotSet = node.slots().iter().chain(slots.iter()).collect();
        self.current_epoch = self.current_epoch.max(epoch);
        self.hear_claim(by, epoch, &claimed);
    }

    /// Takes an epoch that is greater than what a node can have taken that knew of this one: whatever it claims under
    /// that, this node's claims count.
    pub fn outrun(&mut self, known_epoch: u64) {
        if !self.myself().is_primary() {
            return;
        }
        self.current_epoch = self.current_epoch.max(known_epoch.min(EPOCH_MAX)) + 1;
        let epoch = self.next_own_epoch();
        log::warn!("configEpoch set to {epoch}: slots were not taken over in time");
    }

    /// Slots of others of which there may be keys here that count for nothing: they have not come yet, or have gone.
    pub fn strays(&self) -> &SlotSet {
        &self.strays
    }

    /// Notes that keys of slots count for nothing from now on.
    pub fn add_strays(&mut self, slots: &SlotSet) {
        let added = slots.iter().filter(|slot| self.strays.insert(*slot)).count();
        if added > 0 {
            self.strays_changed = true;
            self.outbox.save(true);
        }
    }

    /// Learns which slots' keys count for nothing at this node's primary, and so here. Should this node take its place,
    /// it is to remove them.
    pub fn follow_strays(&mut self, slots: SlotSet) {
        if self.myself().is_replica() && self.strays != slots {
            self.strays = slots;
            self.strays_changed = true;
            self.outbox.save(true);
        }
    }

    /// Nothing is left of a slot that counts for nothing.
    pub fn end_stray(&mut self, slot: u16) {
        if self.strays.remove(slot) {
            self.strays_changed = true;
            self.outbox.save(false);
        }
    }

    /// Whether [`State::strays`] has changed since the last call.
    pub fn take_strays_changed(&mut self) -> bool {
        std::mem::take(&mut self.strays_changed)
    }

    /// All keys count, or are about to be replaced.
    pub(super) fn clear_strays(&mut self) {
        if !self.strays.is_empty() {
            self.strays = SlotSet::default();
            self.strays_changed = true;
            self.outbox.save(false);
        }
    }
}
