//! `fix`: ends moves of slots that were broken off, gives slots without an owner to somebody, and brings the keys of a
//! slot together. What is to be done about a slot is decided in [`repair`](super::repair); here it is found out about and
//! carried out.

use std::collections::BTreeSet;

use oxidis::resp::Value;

use super::manager::{Manager, tell};
use super::moving::Way;
use super::repair::{Claims, Remedy, with_most_keys};
use super::say;
use super::slots::SlotSet;
use super::stop::{NodeError, Stop};
use crate::random::Random;

/// The keys of a slot alone go over.
const COLD: Way = Way { cold: true, loud: true };
/// The slot goes over with its keys.
const WHOLE: Way = Way { cold: false, loud: true };

/// A slot without an owner, and the nodes that have keys in it.
type Uncovered = (u16, Vec<(usize, u64)>);

/// What came of an attempt: where a node is the reason why nothing did, that is told, and others go on.
fn attempted(result: Result<bool, Stop>) -> Result<bool, Stop> {
    match result {
        Err(stop @ Stop::Node(_)) => {
            tell(stop);
            Ok(false)
        }
        Err(Stop::Told(_)) => Ok(false),
        other => other,
    }
}

impl Manager<'_> {
    /// Ends the moves of slots that are open; whether that went well.
    ///
    /// # Errors
    /// When it would be dangerous.
    pub fn fix_open_slots(&mut self, open: &BTreeSet<u16>) -> Result<bool, Stop> {
        self.require_primaries("open slots")?;
        for slot in open {
            let fixed = self.fix_open_slot(*slot);
            if !attempted(fixed)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Without all primaries, slots of those that are missing would be given away.
    fn require_primaries(&self, what: &str) -> Result<(), Stop> {
        let missing = self.unreachable_primaries;
        if missing == 0 || self.settings().fix_with_unreachable_primaries {
            return Ok(());
        }
        say::warn(&format!(
            "*** Fixing {what} with {missing} unreachable masters is dangerous: oxidis-cli will assume that slots about \
             masters that are not reachable are not covered, and will try to reassign them to the reachable nodes. This \
             can cause data loss and is rarely what you want to do. If you really want to proceed use the \
             --cluster-fix-with-unreachable-masters option."
        ));
        Err(Stop::Failed(crate::failure::Failure::told()))
    }

    fn fix_open_slot(&mut self, slot: u16) -> Result<bool, Stop> {
        say::step(&format!(">>> Fixing open slot {slot}"));
        let all = self.primaries();
        let mut claims = self.claims(slot)?;
        for holder in claims.claimants(&all).into_iter().filter(|node| !claims.owners.contains(node)) {
            let place = self.nodes[holder].place();
            say::warn(&format!("*** Found keys about slot {slot} in non-owner node {place}!"));
        }
        let claimants = claims.claimants(&all);
        let clear_owner = claims.clear_owner(&all);
        for holder in claims.add_holders(&all, clear_owner) {
            say::warn(&format!("*** Found keys about slot {slot} in node {}!", self.nodes[holder].place()));
        }
        let migrating: Vec<usize> = claims.migrating.iter().map(|(node, _)| *node).collect();
        for (state, nodes) in [("migrating", &migrating), ("importing", &claims.importing)] {
            let places: Vec<String> = nodes.iter().map(|node| self.nodes[*node].place()).collect();
            if !places.is_empty() {
                say::plain(&format!("Set as {state} in: {}", places.join(",")));
            }
        }
        let owner = match clear_owner {
            Some(owner) => owner,
            None => self.choose_owner(slot, &mut claims)?,
        };
        if claimants.len() > 1 {
            for other in claimants.into_iter().filter(|node| *node != owner) {
                self.disown(other, slot)?;
                self.nodes[other].member.slots.remove(slot);
                self.set_slot(other, slot, "NODE", owner)?;
                self.set_slot(other, slot, "IMPORTING", owner)?;
                claims.demote(other);
            }
        }
        self.apply(slot, owner, claims.remedy(owner))
    }

    fn claims(&mut self, slot: u16) -> Result<Claims, NodeError> {
        let mut claims = Claims::default();
        for node in self.primaries() {
            claims.keys.push((node, self.nodes[node].keys_in_slots(&[slot])?.iter().sum()));
            let member = &self.nodes[node].member;
            if member.slots.contains(slot) {
                claims.owners.push(node);
            }
            if let Some((_, target)) = member.migrating.iter().find(|(open, _)| *open == slot) {
                claims.migrating.push((node, self.with_id(target)));
            } else if member.importing.iter().any(|(open, _)| *open == slot) {
                claims.importing.push(node);
            }
        }
        Ok(claims)
    }

    /// Makes the node with the most keys the owner.
    fn choose_owner(&mut self, slot: u16, claims: &mut Claims) -> Result<usize, Stop> {
        say::step(">>> No single clear owner for the slot, selecting an owner by # of keys...");
        let Some(owner) = with_most_keys(claims.keys.iter().copied()) else {
            say::bad("[ERR] Can't select a slot owner. Impossible to fix.");
            return Err(Stop::told());
        };
        say::warn(&format!("*** Configuring {} as the slot owner", self.nodes[owner].place()));
        self.close_slot(owner, slot)?;
        self.make_owner(owner, slot, false)?;
        claims.settle(owner);
        Ok(owner)
    }

    /// Carries out what is to be done about an open slot.
    fn apply(&mut self, slot: u16, owner: usize, remedy: Remedy) -> Result<bool, Stop> {
        let place = self.nodes[owner].place();
        match remedy {
            Remedy::Nothing => {}
            Remedy::Finish { to } => {
                let target = self.nodes[to].place();
                say::step(&format!(">>> Case 1: Moving slot {slot} from {place} to {target}"));
                self.finish(owner, to, slot)?;
            }
            Remedy::Gather { from } => {
                say::step(&format!(">>> Case 2: Moving all the {slot} slot keys to its owner {place}"));
                self.close_slot(owner, slot)?;
                for node in from {
                    self.move_slot(node, owner, slot, COLD)?;
                    say::step(&format!(">>> Setting {slot} as STABLE in {}", self.nodes[node].place()));
                    self.close_slot(node, slot)?;
                }
                for node in self.primaries().into_iter().filter(|node| *node != owner) {
                    self.set_slot(node, slot, "NODE", owner)?;
                }
            }
            Remedy::FinishAndClose { to, others } => {
                let target = self.nodes[to].place();
                say::step(&format!(
                    ">>> Case 3: Moving slot {slot} from {place} to {target} and closing it on all the other importing nodes."
                ));
                self.finish(owner, to, slot)?;
                others.into_iter().try_for_each(|node| self.close_slot(node, slot))?;
            }
            Remedy::Abandon { others } => {
                say::step(&format!(">>> Case 3: Closing slot {slot} on both migrating and importing nodes."));
                [owner].into_iter().chain(others).try_for_each(|node| self.close_slot(node, slot))?;
            }
            Remedy::Close => {
                say::step(&format!(">>> Case 4: Closing slot {slot} on {place}"));
                self.close_slot(owner, slot)?;
            }
        }
        Ok(true)
    }

    /// Moves a slot from its owner to a node, which may have forgotten who that is.
    fn finish(&mut self, owner: usize, to: usize, slot: u16) -> Result<(), Stop> {
        self.set_slot(to, slot, "NODE", owner)?;
        self.move_slot(owner, to, slot, WHOLE)
    }

    /// Takes a slot from a node that has it.
    fn disown(&mut self, node: usize, slot: u16) -> Result<(), NodeError> {
        match self.nodes[node].call(["CLUSTER", "DELSLOTS", &slot.to_string()]) {
            // It may not have had it.
            Err(error) if error.refusal().is_some() && !self.is_served(node, slot)? => Ok(()),
            done => done.map(drop),
        }
    }

    /// Gives a slot to a node, with a new epoch, so that all others believe it.
    fn make_owner(&mut self, node: usize, slot: u16, closes: bool) -> Result<(), NodeError> {
        const ADDED: usize = 1;
        let number = slot.to_string();
        let mut steps: Vec<Vec<&str>> = vec![
            vec!["MULTI"],
            vec!["CLUSTER", "DELSLOTS", &number],
            vec!["CLUSTER", "ADDSLOTS", &number],
            vec!["CLUSTER", "BUMPEPOCH"],
            vec!["EXEC"],
        ];
        if closes {
            steps.insert(3, vec!["CLUSTER", "SETSLOT", &number, "STABLE"]);
        }
        let node = &mut self.nodes[node];
        let mut results = Vec::new();
        for step in &steps {
            let reply = node.call(step)?;
            results = reply.elements().into_iter().flatten().cloned().collect();
        }
        // The others may fail: the slot may have had no owner, and the epoch be the highest.
        match results.get(ADDED).map(Value::error) {
            Some(None) => {
                node.member.slots.insert(slot);
                Ok(())
            }
            Some(Some(error)) => Err(node.refused(error)),
            None => Err(node.unexpected()),
        }
    }

    /// Gives slots without an owner to nodes, as far as the user agrees; whether there were any.
    ///
    /// # Errors
    /// When it would be dangerous.
    pub fn fix_coverage(&mut self, covered: &SlotSet) -> Result<bool, Stop> {
        self.require_primaries("slots coverage")?;
        say::step(">>> Fixing slots coverage...");
        let fixed = self.cover(covered);
        attempted(fixed)
    }

    fn cover(&mut self, covered: &SlotSet) -> Result<bool, Stop> {
        let slots: Vec<u16> = covered.missing().collect();
        let mut holders: Vec<Uncovered> = slots.iter().map(|slot| (*slot, Vec::new())).collect();
        for node in self.primaries() {
            let counts = self.nodes[node].keys_in_slots(&slots)?;
            for ((_, holders), keys) in holders.iter_mut().zip(counts).filter(|(_, keys)| *keys > 0) {
                holders.push((node, keys));
            }
        }
        let (none, some): (Vec<_>, Vec<_>) = holders.into_iter().partition(|(_, nodes)| nodes.is_empty());
        let (one, several): (Vec<_>, Vec<_>) = some.into_iter().partition(|(_, nodes)| nodes.len() == 1);
        let mut fixed = false;
        let found = "The following uncovered slots have no keys across the cluster:";
        if agrees(&none, found, "Fix these slots by covering with a random node?") {
            let (primaries, mut random) = (self.primaries(), Random::new());
            for (slot, _) in none {
                self.cover_with(primaries[random.below(primaries.len())], slot)?;
                fixed = true;
            }
        }
        let found = "The following uncovered slots have keys in just one node:";
        if agrees(&one, found, "Fix these slots by covering with those nodes?") {
            for (slot, nodes) in one {
                self.cover_with(nodes[0].0, slot)?;
                fixed = true;
            }
        }
        let found = "The following uncovered slots have keys in multiple nodes:";
        if agrees(&several, found, "Fix these slots by moving keys into a single node?") {
            for (slot, nodes) in several {
                self.cover_and_gather(slot, &nodes)?;
                fixed = true;
            }
        }
        Ok(fixed)
    }

    fn cover_with(&mut self, node: usize, slot: u16) -> Result<(), NodeError> {
        say::step(&format!(">>> Covering slot {slot} with {}", self.nodes[node].place()));
        self.make_owner(node, slot, false)
    }

    fn cover_and_gather(&mut self, slot: u16, nodes: &[(usize, u64)]) -> Result<(), Stop> {
        let Some(target) = with_most_keys(nodes.iter().copied()) else { return Ok(()) };
        say::step(&format!(">>> Covering slot {slot} moving keys to {}", self.nodes[target].place()));
        self.make_owner(target, slot, true)?;
        for source in nodes.iter().map(|(node, _)| *node).filter(|node| *node != target) {
            self.set_slot(source, slot, "NODE", target)?;
            self.gather(source, target, slot)?;
        }
        Ok(())
    }

    /// Moves the keys of a slot to its owner.
    fn gather(&mut self, source: usize, owner: usize, slot: u16) -> Result<(), Stop> {
        // Or the node would send us away from its own keys.
        self.set_slot(source, slot, "IMPORTING", owner)?;
        self.move_slot(source, owner, slot, COLD)?;
        Ok(self.close_slot(source, slot)?)
    }

    /// Makes the node with the most keys the one owner of a slot, and brings the keys there; whether that went well.
    ///
    /// # Errors
    /// Where nothing more can be done.
    pub fn fix_owners(&mut self, slot: u16, owners: &[usize]) -> Result<bool, Stop> {
        say::step(&format!(">>> Fixing multiple owners for slot {slot}..."));
        let fixed = self.unite(slot, owners);
        attempted(fixed)
    }

    fn unite(&mut self, slot: u16, owners: &[usize]) -> Result<bool, Stop> {
        let claims = self.claims(slot)?;
        let Some(owner) = with_most_keys(owners.iter().map(|owner| (*owner, claims.keys_of(*owner)))) else {
            return Ok(false);
        };
        say::step(&format!(">>> Setting slot {slot} owner: {}", self.nodes[owner].place()));
        self.make_owner(owner, slot, false)?;
        for node in self.primaries().into_iter().filter(|node| *node != owner) {
            self.disown(node, slot)?;
            self.nodes[node].member.slots.remove(slot);
            self.set_slot(node, slot, "NODE", owner)?;
            if claims.keys_of(node) > 0 {
                self.gather(node, owner, slot)?;
            }
        }
        Ok(true)
    }
}

/// Shows slots, if there are any; whether the user agrees to something about them.
fn agrees(slots: &[Uncovered], found: &str, question: &str) -> bool {
    if slots.is_empty() {
        return false;
    }
    let set: SlotSet = slots.iter().map(|(slot, _)| *slot).collect();
    say::plain(&format!("{found}\n{set}"));
    say::confirm(&format!("{question} (type 'yes' to accept): "))
}
