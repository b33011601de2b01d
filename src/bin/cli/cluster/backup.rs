//! `backup`: a snapshot of each primary, and a file that tells who had which slots.

use std::fs;
use std::path::Path;

use super::address::Address;
use super::manager::Manager;
use super::say;
use super::stop::Stop;
use crate::rdb;

/// # Errors
/// When the cluster can't be loaded, or a snapshot not be had.
pub fn run(manager: &mut Manager<'_>, args: &[String]) -> Result<bool, Stop> {
    manager.load(Address::of_arguments(&args[..1])?.parts())?;
    let is_well = manager.check(true)?;
    let problems = if is_well { 0 } else { manager.problems };
    let folder = &args[1];
    let mut objects = Vec::new();
    for node in std::mem::take(&mut manager.nodes) {
        objects.push(node.member.json(problems));
        if node.member.is_primary() {
            say::step(&format!(">>> Node {} -> Saving RDB...", node.place()));
            let name = format!("redis-node-{}-{}-{}.rdb", node.member.host, node.member.port, node.id());
            let mut link = node.into_link();
            // So that nothing follows the snapshot; servers before 6.2 don't know this.
            link.call(["REPLCONF", "rdb-only", "1"]).map_err(crate::failure::Failure::from)?;
            rdb::fetch(link, &inside(folder, &name))?;
        }
    }
    let path = inside(folder, "nodes.json");
    say::step(&format!("Saving cluster configuration to: {path}"));
    if fs::write(&path, format!("[\n{}\n]", objects.join(",\n"))).is_err() {
        say::bad(&format!("Could not save nodes to: {path}"));
        say::bad("[ERR] Failed to back cluster!");
        return Ok(false);
    }
    if !is_well {
        say::warn(
            "*** Cluster seems to have some problems, please be aware of it if you're going to restore this backup.",
        );
    }
    say::good(&format!("[OK] Backup created into: {folder}"));
    Ok(true)
}

fn inside(folder: &str, name: &str) -> String {
    Path::new(folder).join(name).to_string_lossy().into_owned()
}
