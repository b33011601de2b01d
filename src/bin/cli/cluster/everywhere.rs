//! `call` and `set-timeout`: the same for all nodes.

use super::address::Address;
use super::manager::Manager;
use super::say;
use super::stop::{NodeError, Stop};
use crate::output::print;

const TIMEOUT_MIN_MS: u64 = 100;

/// `call`: runs a command in each node.
///
/// # Errors
/// When the cluster can't be loaded.
pub fn call(manager: &mut Manager<'_>, args: &[String], command: &[Vec<u8>]) -> Result<bool, Stop> {
    manager.load(Address::of_arguments(&args[..1])?.parts())?;
    say::step(&format!(">>> Calling {}", String::from_utf8_lossy(&command.join(&b' '))));
    let (only_primaries, only_replicas) = (manager.settings().only_primaries, manager.settings().only_replicas);
    let layout = &manager.options.layout;
    for node in &mut manager.nodes {
        let is_primary = node.member.is_primary();
        if (only_primaries && !is_primary) || (only_replicas && is_primary) {
            continue;
        }
        let place = node.place();
        match node.reply_to(command) {
            Ok(reply) => {
                let mut line = format!("{place}: ").into_bytes();
                line.extend(layout.text(&reply));
                line.push(b'\n');
                print(line);
            }
            Err(_) => say::plain(&format!("{place}: Failed!")),
        }
    }
    Ok(true)
}

/// `set-timeout`: sets the node timeout, and has it kept in the nodes' files.
///
/// # Errors
/// When the cluster can't be loaded.
pub fn set_timeout(manager: &mut Manager<'_>, args: &[String]) -> Result<bool, Stop> {
    let address = Address::of_arguments(&args[..1])?;
    let timeout: u64 = args[1].parse().unwrap_or(0);
    if timeout < TIMEOUT_MIN_MS {
        return Err(Stop::failure("Setting a node timeout of less than 100 milliseconds is a bad idea."));
    }
    manager.load(address.parts())?;
    say::step(">>> Reconfiguring node timeout in every cluster node...");
    let (mut done, mut failed) = (0, 0);
    for node in &mut manager.nodes {
        let set = node.call(["CONFIG", "SET", "cluster-node-timeout", &timeout.to_string()]);
        let place = node.place();
        match set.and_then(|_| node.call(["CONFIG", "REWRITE"])).map_err(|error: NodeError| error.reason()) {
            Ok(_) => {
                say::warn(&format!("*** New timeout set for {place}"));
                done += 1;
            }
            Err(reason) => {
                say::bad(&format!("ERR setting node-timeout for {place}: {reason}"));
                failed += 1;
            }
        }
    }
    say::step(&format!(">>> New node timeout set. {done} OK, {failed} ERR."));
    Ok(true)
}
