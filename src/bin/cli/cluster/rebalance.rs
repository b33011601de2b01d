//! `rebalance`: moves slots until each primary has its share.

use super::address::Address;
use super::manager::Manager;
use super::moving::Way;
use super::plan::{self, Party, Transfer};
use super::reshard::broken_off;
use super::say;
use super::stop::Stop;
use crate::output::print;

/// # Errors
/// When weights are wrong, the cluster has problems, or a slot is not moved.
pub fn run(manager: &mut Manager<'_>, args: &[String]) -> Result<bool, Stop> {
    manager.load(Address::of_arguments(args)?.parts())?;
    let weights = weights(manager)?;
    let takes_part =
        |node: &usize| manager.settings().use_empty_primaries || !manager.nodes[*node].member.slots.is_empty();
    let party = |node: usize| Party { node, slots: manager.nodes[node].member.slots.len(), weight: weights[node] };
    let parties: Vec<Party> = manager.primaries().into_iter().filter(takes_part).map(party).collect();
    manager.check(false)?;
    if manager.problems > 0 {
        say::bad("*** Please fix your cluster problems before rebalancing");
        return Ok(false);
    }
    let total: f32 = parties.iter().map(|party| party.weight).sum();
    if total <= 0.0 {
        say::bad("*** All weights are 0: no node may have slots.");
        return Ok(false);
    }
    let threshold = manager.settings().threshold;
    let Some(balances) = plan::balances(&parties, threshold) else {
        say::warn(&format!("*** No rebalancing needed! All nodes are within the {threshold:.2}% threshold."));
        return Ok(true);
    };
    say::step(&format!(">>> Rebalancing across {} nodes. Total weight = {total:.2}", parties.len()));
    if manager.options.verbose {
        for (node, balance) in &balances {
            say::plain(&format!("{} balance is {balance} slots", manager.nodes[*node].place()));
        }
    }
    for transfer in plan::transfers(balances) {
        carry_out(manager, transfer)?;
    }
    Ok(true)
}

/// The weight of each node.
fn weights(manager: &Manager<'_>) -> Result<Vec<f32>, Stop> {
    let mut weights = vec![1.0; manager.nodes.len()];
    for word in &manager.settings().weights {
        let parts = word.split_once('=');
        let weight = parts.and_then(|(id, weight)| Some((id, weight.parse().ok()?)));
        let Some((id, weight)) = weight.filter(|(_, weight): &(&str, f32)| weight.is_finite() && *weight >= 0.0) else {
            say::bad(&format!("*** invalid input {word}"));
            return Err(Stop::told());
        };
        let begins = |node: &usize| manager.nodes[*node].id().starts_with(&id.to_lowercase());
        let Some(node) = manager.primaries().into_iter().find(begins) else {
            say::bad(&format!("*** No such master node {id}"));
            return Err(Stop::told());
        };
        weights[node] = weight;
    }
    Ok(weights)
}

/// Moves slots, with a sign for each.
fn carry_out(manager: &mut Manager<'_>, Transfer { from, to, slots }: Transfer) -> Result<(), Stop> {
    let (source, target) = (manager.nodes[from].place(), manager.nodes[to].place());
    say::plain(&format!("Moving {slots} slots from {source} to {target}"));
    let moves = plan::moves(&[(from, &manager.nodes[from].member.slots)], slots);
    if manager.settings().simulate {
        print("#".repeat(moves.len()));
    } else {
        for (_, slot) in moves {
            let moved = manager.move_slot(from, to, slot, Way { cold: false, loud: false });
            moved.map_err(|stop| broken_off(stop, slot, "*** clusterManagerMoveSlot"))?;
            print("#");
        }
    }
    print("\n");
    Ok(())
}
