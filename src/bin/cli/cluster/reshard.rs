//! `reshard`: moves a number of slots to one node.

use super::address::Address;
use super::manager::Manager;
use super::moving::Way;
use super::plan;
use super::say;
use super::slots::SLOTS;
use super::stop::Stop;
use crate::output::print;

/// # Errors
/// When the cluster has problems, no nodes are found by their ids, or a slot is not moved.
pub fn run(manager: &mut Manager<'_>, args: &[String]) -> Result<bool, Stop> {
    manager.load(Address::of_arguments(args)?.parts())?;
    manager.check(true)?;
    if manager.problems > 0 {
        return Err(Stop::failure("*** Please fix your cluster problems before resharding"));
    }
    let count = match manager.settings().slots {
        0 => ask_for_count()?,
        count => count,
    };
    let id = match manager.settings().to.clone() {
        Some(id) => id,
        None => ask_until("What is the receiving node ID? ", |answer| (!answer.is_empty()).then_some(answer))?,
    };
    let target = primary_with_id(manager, &id)?;
    let sources = sources(manager, target)?;
    if sources.is_empty() {
        return Err(Stop::failure("*** No source nodes given, operation aborted."));
    }
    let slots: Vec<_> = sources.iter().map(|source| (*source, &manager.nodes[*source].member.slots)).collect();
    let moves = plan::moves(&slots, count);
    say::plain(&format!("\nReady to move {count} slots.\n  Source nodes:"));
    sources.iter().for_each(|source| say::plain(&manager.nodes[*source].summary(4)));
    say::plain(&format!("  Destination node:\n{}\n  Resharding plan:", manager.nodes[target].summary(4)));
    let line = |(node, slot): &(usize, u16)| format!("    Moving slot {slot} from {}\n", manager.nodes[*node].id());
    print(moves.iter().map(line).collect::<String>());
    let question = "Do you want to proceed with the proposed reshard plan (yes/no)? ";
    if !manager.settings().yes && !say::confirm(question) {
        return Ok(false);
    }
    for (source, slot) in moves {
        let moved = manager.move_slot(source, target, slot, Way { cold: false, loud: true });
        moved.map_err(|stop| broken_off(stop, slot, "clusterManagerMoveSlot failed"))?;
    }
    Ok(true)
}

/// Tells that a slot was not moved, and what to do then.
pub fn broken_off(stop: Stop, slot: u16, what: &str) -> Stop {
    let reason = match stop {
        Stop::Told(reason) => reason,
        Stop::Node(error) => Some(error.reason()),
        Stop::Failed(_) => return stop,
    };
    if let Some(reason) = reason {
        say::bad(&format!("{what}: {reason}"));
    }
    say::warn(&format!("*** Slot {slot} may be left open: once its nodes are reachable, --cluster fix ends its move."));
    Stop::told()
}

fn ask_for_count() -> Result<usize, Stop> {
    let question = format!("How many slots do you want to move (from 1 to {SLOTS})? ");
    ask_until(&question, |answer| answer.parse().ok().filter(|count| (1..=usize::from(SLOTS)).contains(count)))
}

/// Asks until the answer is right.
fn ask_until<T>(question: &str, right: impl Fn(String) -> Option<T>) -> Result<T, Stop> {
    loop {
        if let Some(answer) = right(say::ask(question)?) {
            return Ok(answer);
        }
    }
}

fn primary_with_id(manager: &Manager<'_>, id: &str) -> Result<usize, Stop> {
    let found = manager.with_id(id).filter(|node| manager.nodes[*node].member.is_primary());
    found.ok_or_else(|| {
        say::bad(&format!("*** The specified node ({id}) is not known or not a master, please retry."));
        Stop::told()
    })
}

/// The nodes that are to give slots.
fn sources(manager: &Manager<'_>, target: usize) -> Result<Vec<usize>, Stop> {
    let mut sources = Vec::new();
    // Whether all are meant.
    let mut add = |id: &str| {
        if id == "all" {
            return Ok(true);
        }
        match primary_with_id(manager, id)? {
            node if node == target => say::bad("*** It is not possible to use the target node as source node."),
            node if sources.contains(&node) => {}
            node => sources.push(node),
        }
        Ok::<bool, Stop>(false)
    };
    let mut all = false;
    match &manager.settings().from {
        Some(ids) => {
            for id in ids.split(',').filter(|id| !id.is_empty()) {
                all = all || add(id)?;
            }
        }
        None => {
            say::plain(
                "Please enter all the source node IDs.\n  Type 'all' to use all the nodes as source nodes for the hash \
                 slots.\n  Type 'done' once you entered all the source nodes IDs.",
            );
            let mut number = 1;
            while !all {
                let answer = say::ask(&format!("Source node #{number}: "))?;
                if answer == "done" {
                    break;
                }
                all = add(&answer)?;
                number += 1;
            }
        }
    }
    Ok(if all { manager.primaries().into_iter().filter(|node| *node != target).collect() } else { sources })
}
