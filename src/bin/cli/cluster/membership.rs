//! `add-node` and `del-node`.

use super::address::Address;
use super::create::meet_first;
use super::manager::{Manager, require_cluster, require_empty};
use super::node::Node;
use super::say;
use super::stop::{NodeError, Stop};

/// `add-node`
///
/// # Errors
/// When the cluster has problems, or the node can't be used.
pub fn add(manager: &mut Manager<'_>, args: &[String]) -> Result<bool, Stop> {
    let (new, known) = (Address::of_arguments(&args[..1])?, Address::of_arguments(&args[1..])?);
    say::step(&format!(">>> Adding node {}:{} to cluster {}:{}", new.host, new.port, known.host, known.port));
    manager.load(known.parts())?;
    if !manager.check(true)? {
        return Ok(false);
    }
    let primary = if manager.settings().as_replica { Some(primary_for_replica(manager)?) } else { None };
    let mut node = manager.dialer.node(&new.host, new.port).inspect_err(|_| {
        say::bad(&format!("[ERR] Sorry, can't connect to node {}:{}", new.host, new.port));
    })?;
    require_cluster(&mut node)?;
    node.load()?;
    require_empty(&mut node)?;
    if primary.is_none() {
        give_functions(&mut manager.nodes[0], &mut node)?;
    }
    let (place, own) = (node.place(), manager.nodes.len());
    manager.nodes.push(node);
    say::step(&format!(">>> Send CLUSTER MEET to node {place} to make it join the cluster."));
    meet_first(manager, own)?;
    if let Some(primary) = primary {
        manager.wait_for_agreement();
        let (id, primary) = (manager.nodes[primary].id().to_owned(), manager.nodes[primary].place());
        say::step(&format!(">>> Configure node as replica of {primary}."));
        manager.nodes[own].call(["CLUSTER", "REPLICATE", &id])?;
    }
    say::good("[OK] New node added correctly.");
    Ok(true)
}

fn primary_for_replica(manager: &Manager<'_>) -> Result<usize, Stop> {
    if let Some(id) = &manager.settings().primary_id {
        return manager.with_id(id).ok_or_else(|| {
            say::bad(&format!("[ERR] No such master ID {id}"));
            Stop::told()
        });
    }
    let chosen = manager.with_fewest_replicas(None).ok_or_else(no_primary)?;
    say::plain(&format!("Automatically selected master {}", manager.nodes[chosen].place()));
    Ok(chosen)
}

fn no_primary() -> Stop {
    Stop::failure("No master can be reached.")
}

/// Gives a node the functions that those of the cluster have; a replica has them from its primary.
fn give_functions(from: &mut Node, to: &mut Node) -> Result<(), Stop> {
    say::step(">>> Getting functions from cluster");
    let dump = match from.call(["FUNCTION", "DUMP"]) {
        Ok(dump) => dump,
        Err(error) => {
            let text = error.refusal().map(str::to_owned);
            let Some(text) = text else { return Err(error.into()) };
            say::step(&format!(
                ">>> Failed retrieving Functions from the cluster, skip this step as Redis version do not support function \
                 command (error = '{text}')"
            ));
            return Ok(());
        }
    };
    let place = to.place();
    say::step(&format!(">>> Send FUNCTION LIST to {place} to verify there is no functions in it"));
    let failed = |what: &str, error: NodeError| {
        say::bad(&format!(">>> {what} (error = '{}')", error.reason()));
        Stop::told()
    };
    let list = to.call(["FUNCTION", "LIST"]).map_err(|error| failed("Failed on FUNCTION LIST", error))?;
    if list.elements().is_some_and(|libraries| !libraries.is_empty()) {
        say::bad(
            ">>> New node already contains functions and can not be added to the cluster. Use FUNCTION FLUSH and try again.",
        );
        return Err(Stop::told());
    }
    say::step(&format!(">>> Send FUNCTION RESTORE to {place}"));
    let payload = dump.bytes().ok_or_else(|| from.unexpected())?;
    let restored = to.call([&b"FUNCTION"[..], b"RESTORE", payload]);
    restored.map(drop).map_err(|error| failed("Failed loading functions to the new node", error))
}

/// `del-node`
///
/// # Errors
/// When there is no such node, it has slots, or a node refuses to forget it.
pub fn delete(manager: &mut Manager<'_>, args: &[String]) -> Result<bool, Stop> {
    let address = Address::of_arguments(&args[..1])?;
    let id = &args[1];
    say::step(&format!(">>> Removing node {id} from cluster {}:{}", address.host, address.port));
    manager.load(address.parts())?;
    let Some(leaving) = manager.with_id(id) else {
        say::bad(&format!("[ERR] No such node ID {id}"));
        return Ok(false);
    };
    let (id, place) = (manager.nodes[leaving].id().to_owned(), manager.nodes[leaving].place());
    if !manager.nodes[leaving].member.slots.is_empty() {
        say::bad(&format!("[ERR] Node {place} is not empty! Reshard data away and try again."));
        return Ok(false);
    }
    say::step(">>> Sending CLUSTER FORGET messages to the cluster...");
    for node in (0..manager.nodes.len()).filter(|node| *node != leaving) {
        if manager.nodes[node].member.primary.as_ref() == Some(&id) {
            let primary = manager.with_fewest_replicas(Some(leaving)).ok_or_else(no_primary)?;
            let (replica, other) = (manager.nodes[node].place(), manager.nodes[primary].place());
            say::step(&format!(">>> {replica} as replica of {other}"));
            let other = manager.nodes[primary].id().to_owned();
            manager.nodes[node].call(["CLUSTER", "REPLICATE", &other])?;
            manager.nodes[primary].replicas += 1;
        }
        manager.nodes[node].call(["CLUSTER", "FORGET", &id])?;
    }
    say::step(">>> Sending CLUSTER RESET SOFT to the deleted node.");
    manager.nodes[leaving].call(["CLUSTER", "RESET", "SOFT"])?;
    Ok(true)
}
