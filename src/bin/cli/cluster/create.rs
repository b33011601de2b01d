//! `create`: makes a cluster of empty nodes.

use super::address::Address;
use super::affinity::Layout;
use super::manager::{Manager, require_cluster, require_empty};
use super::node::address_of;
use super::placement::{self, Placement};
use super::say;
use super::slots::SlotSet;
use super::stop::Stop;
use crate::random::Random;

const PRIMARIES_MIN: usize = 3;
/// How far the bus is from the port of clients unless it is said otherwise.
const BUS_PORT_OFFSET: u16 = 10_000;

/// # Errors
/// When a node can't be used, there are too few, or one refuses its part.
pub fn run(manager: &mut Manager<'_>, args: &[String]) -> Result<bool, Stop> {
    for arg in args {
        let address = Address::read(arg);
        let Address { host, port } = address.ok_or_else(|| Stop::failure(format!("Invalid address format: {arg}")))?;
        let mut node = manager.dialer.node(&host, port)?;
        require_cluster(&mut node)?;
        node.load()?;
        require_empty(&mut node)?;
        manager.nodes.push(node);
    }
    let placement = placed(manager)?;
    for (number, share) in placement::shares(placement.primaries.len()).into_iter().enumerate() {
        say::plain(&format!("Master[{number}] -> Slots {} - {}", share.start(), share.end()));
        manager.nodes[placement.primaries[number]].member.slots = share.collect();
    }
    let primary_of = with_affinity(manager, &placement);
    for (node, primary) in primary_of.iter().enumerate() {
        say::plain(&proposal(manager, node, *primary));
    }
    if !manager.settings().yes && !say::confirm("Can I set the above configuration? (type 'yes' to accept): ") {
        return Ok(true);
    }
    add_slots(manager)?;
    say::step(">>> Nodes configuration updated");
    say::step(">>> Assign a different config epoch to each node");
    for (node, epoch) in manager.nodes.iter_mut().zip(1..) {
        // One that has an epoch already keeps it, and settles with others what they have in common.
        let epoch = i32::to_string(&epoch);
        if let Err(error) = node.call(["CLUSTER", "SET-CONFIG-EPOCH", &epoch]) {
            error.refusal().is_some().then_some(()).ok_or(error)?;
        }
    }
    say::step(">>> Sending CLUSTER MEET messages to join the cluster");
    for node in 1..manager.nodes.len() {
        meet_first(manager, node)?;
    }
    manager.wait_for_agreement();
    for (replica, primary) in primary_of.iter().enumerate() {
        if let Some(primary) = primary {
            let id = manager.nodes[*primary].id().to_owned();
            manager.nodes[replica].call(["CLUSTER", "REPLICATE", &id])?;
        }
    }
    let (host, port) = (manager.nodes[0].member.host.clone(), manager.nodes[0].member.port);
    manager.load((&host, port))?;
    manager.check(true)?;
    Ok(true)
}

/// Roles for the nodes.
fn placed(manager: &Manager<'_>) -> Result<Placement, Stop> {
    let (count, replicas) = (manager.nodes.len(), manager.settings().replicas);
    if placement::primaries(count, replicas) < PRIMARIES_MIN {
        let needed = replicas.saturating_add(1).saturating_mul(PRIMARIES_MIN);
        say::bad(&format!(
            "*** ERROR: Invalid configuration for cluster creation.\n*** Redis Cluster requires at least {PRIMARIES_MIN} \
             master nodes.\n*** This is not possible with {count} nodes and {replicas} replicas per node.\n*** At least \
             {needed} nodes are required."
        ));
        return Err(Stop::told());
    }
    say::step(&format!(">>> Performing hash slots allocation on {count} nodes..."));
    let hosts: Vec<&str> = manager.nodes.iter().map(|node| node.member.host.as_str()).collect();
    Ok(placement::place(&hosts, replicas))
}

/// The primary of each node that is to be a replica, on another host where that is possible.
fn with_affinity(manager: &Manager<'_>, placement: &Placement) -> Vec<Option<usize>> {
    let hosts = manager.nodes.iter().map(|node| node.member.host.as_str()).collect();
    let mut layout = Layout { hosts, primary_of: vec![None; manager.nodes.len()] };
    for (number, (replica, primary)) in placement.replicas.iter().enumerate() {
        if number == placement.asked_for {
            say::plain("Adding extra replicas...");
        }
        let place = |node: &usize| manager.nodes[*node].place();
        say::plain(&format!("Adding replica {} to {}", place(replica), place(primary)));
        layout.primary_of[*replica] = Some(*primary);
    }
    if layout.score() == 0 {
        return layout.primary_of;
    }
    say::step(">>> Trying to optimize slaves allocation for anti-affinity");
    let mut random = Random::new();
    layout.improve(|limit| random.below(limit));
    match layout.score() {
        0 => say::good("[OK] Perfect anti-affinity obtained!"),
        _ if layout.shares_with_primary() => {
            say::warn("[WARNING] Some slaves are in the same host as their master");
        }
        _ => say::warn("[WARNING] Some slaves of the same master are in the same host"),
    }
    layout.primary_of
}

/// What a node is to become.
fn proposal(manager: &Manager<'_>, node: usize, primary: Option<usize>) -> String {
    let own = &manager.nodes[node];
    match primary {
        Some(primary) => {
            format!("S: {} {}\n   replicates {}", own.id(), own.place(), manager.nodes[primary].id())
        }
        None => own.summary(0),
    }
}

fn add_slots(manager: &mut Manager<'_>) -> Result<(), Stop> {
    for node in &mut manager.nodes {
        let ranges = SlotSet::ranges(&node.member.slots);
        let mut command: Vec<String> = vec!["CLUSTER".to_owned(), "ADDSLOTS".to_owned()];
        command.extend(ranges.into_iter().flatten().map(|slot| slot.to_string()));
        if !node.member.slots.is_empty() {
            node.call(&command)?;
        }
    }
    Ok(())
}

/// Brings a node and the first one together.
///
/// # Errors
/// When the first one has no address, or the other refuses.
pub fn meet_first(manager: &mut Manager<'_>, node: usize) -> Result<(), Stop> {
    let first = &manager.nodes[0].member;
    let (port, bus_port) = (first.port, first.bus_port);
    let mut command = vec!["CLUSTER".to_owned(), "MEET".to_owned(), address_of(&first.host)?, port.to_string()];
    // Old nodes know of no other place of the bus than the usual one.
    if bus_port != 0 && Some(bus_port) != port.checked_add(BUS_PORT_OFFSET) {
        command.push(bus_port.to_string());
    }
    manager.nodes[node].call(&command)?;
    Ok(())
}
