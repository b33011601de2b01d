//! `info` and `check`: what there is, and whether the nodes agree about it, no slot is on its way, and each has one owner.

use std::collections::BTreeSet;

use super::manager::{Manager, tell};
use super::say;
use super::slots::{SLOTS, SlotSet};
use super::stop::Stop;

impl Manager<'_> {
    /// `info`
    ///
    /// # Errors
    /// When a node is lost.
    pub fn show_info(&mut self) -> Result<(), Stop> {
        let (mut keys, primaries) = (0, self.primaries());
        for primary in &primaries {
            let node = &mut self.nodes[*primary];
            let size = match node.number(&["DBSIZE"]) {
                Ok(size) => size,
                Err(error) => {
                    tell(error.into());
                    return Ok(());
                }
            };
            let name: String = node.id().chars().take(8).collect();
            let (slots, replicas) = (node.member.slots.len(), node.replicas);
            say::plain(&format!("{} ({name}...) -> {size} keys | {slots} slots | {replicas} slaves.", node.place()));
            keys += size;
        }
        say::good(&format!("[OK] {keys} keys in {} masters.", primaries.len()));
        say::plain(&format!("{:.2} keys per slot on average.", keys as f32 / f32::from(SLOTS)));
        Ok(())
    }

    /// `check` and `fix`; whether all is well.
    ///
    /// # Errors
    /// Where it may not go on.
    pub fn check(&mut self, lists_nodes: bool) -> Result<bool, Stop> {
        say::step(&format!(">>> Performing Cluster Check (using node {})", self.nodes[0].place()));
        if lists_nodes {
            self.nodes.iter().for_each(|node| say::plain(&node.summary(0)));
        }
        let mut is_well = self.check_agreement();
        say::step(">>> Check for open slots...");
        let open = self.open_slots();
        if !open.is_empty() {
            let numbers: Vec<String> = open.iter().map(u16::to_string).collect();
            say::bad(&format!("[WARNING] The following slots are open: {}.", numbers.join(",")));
            is_well = self.fixes && self.fix_open_slots(&open)?;
        }
        say::step(">>> Check slots coverage...");
        let covered = self.covered_slots();
        if covered.len() == usize::from(SLOTS) {
            say::good(&format!("[OK] All {SLOTS} slots covered."));
        } else {
            self.problem(&format!("[ERR] Not all {SLOTS} slots are covered by nodes.\n"));
            is_well = self.fixes && self.fix_coverage(&covered)?;
        }
        if self.settings().search_multiple_owners {
            is_well &= self.check_owners()?;
        }
        Ok(is_well)
    }

    fn check_agreement(&mut self) -> bool {
        let agree = self.nodes_agree();
        match agree {
            true => say::good("[OK] All nodes agree about slots configuration."),
            false => self.problem("[ERR] Nodes don't agree about configuration!"),
        }
        agree
    }

    fn problem(&mut self, text: &str) {
        self.problems += 1;
        say::bad(text);
    }

    /// Slots that are on their way, which is told for each node.
    fn open_slots(&mut self) -> BTreeSet<u16> {
        let (mut open, mut texts) = (BTreeSet::new(), Vec::new());
        for node in &self.nodes {
            for (state, slots) in [("migrating", &node.member.migrating), ("importing", &node.member.importing)] {
                let numbers: Vec<String> = slots.iter().map(|(slot, _)| slot.to_string()).collect();
                if !slots.is_empty() {
                    let (place, numbers) = (node.place(), numbers.join(","));
                    texts.push(format!("[WARNING] Node {place} has slots in {state} state {numbers}."));
                }
                open.extend(slots.iter().map(|(slot, _)| *slot));
            }
        }
        texts.iter().for_each(|text| self.problem(text));
        open
    }

    fn covered_slots(&self) -> SlotSet {
        self.nodes.iter().fold(SlotSet::new(), |mut covered, node| {
            covered.add(&node.member.slots);
            covered
        })
    }

    /// Looks for slots that several nodes have, or have keys in; whether there are none, or none any more.
    fn check_owners(&mut self) -> Result<bool, Stop> {
        say::step(">>> Check for multiple slot owners...");
        let primaries = self.primaries();
        let mut owners: Vec<Vec<usize>> = vec![Vec::new(); usize::from(SLOTS)];
        let mut progress = say::Progress::new("Nodes looked at:");
        for (done, primary) in primaries.iter().enumerate() {
            progress.show(done, primaries.len());
            let node = &mut self.nodes[*primary];
            let foreign: Vec<u16> = node.member.slots.missing().collect();
            let counts = node.keys_in_slots(&foreign)?;
            let held = foreign.iter().zip(counts).filter(|(_, keys)| *keys > 0).map(|(slot, _)| *slot);
            held.chain(node.member.slots.iter()).for_each(|slot| owners[usize::from(slot)].push(*primary));
        }
        drop(progress);
        let mut left = 0;
        for (slot, owners) in (0..SLOTS).zip(&owners).filter(|(_, owners)| owners.len() > 1) {
            say::bad(&format!("[WARNING] Slot {slot} has {} owners:", owners.len()));
            owners.iter().for_each(|owner| say::bad(&format!("    {}", self.nodes[*owner].place())));
            let fixed = self.fixes && self.fix_owners(slot, owners)?;
            left += usize::from(!fixed);
            if self.fixes && !fixed {
                say::bad(&format!("Failed to fix multiple owners for slot {slot}"));
                break;
            }
        }
        if left == 0 {
            say::good("[OK] No multiple owners found.");
        }
        Ok(left == 0)
    }
}
