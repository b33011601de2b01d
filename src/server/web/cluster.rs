//! The cluster as the page draws it: nodes, and who has which slots.

use super::json::Json;
use crate::peers::cluster::{Flags, Node, State};

/// Nodes that are shown.
const NODES_MAX: usize = 64;
/// Cells of the map of slots; each stands for its first slot.
const CELLS: u16 = 256;
const SLOTS_OF_CELL: u16 = 16384 / CELLS;

/// Writes the state of the cluster, its first nodes, and for each cell of the map the place of the owner among them, or
/// -1 for nobody and -2 for a node that is not shown.
pub fn write(cluster: &State, out: &mut Json) {
    let mut shown: Vec<_> = cluster.nodes().iter().filter(|(_, node)| !node.in_handshake()).collect();
    shown.sort_by_key(|(key, node)| {
        (!node.is_primary(), node.slots().ranges().first().map_or(u16::MAX, |run| run.0), *key)
    });
    shown.truncate(NODES_MAX);
    let place = |key| shown.iter().position(|(other, _)| *other == key).map_or(-2, |place| place as i64);
    out.object(|out| {
        out.name("ok").number(cluster.is_ok());
        out.name("size").number(cluster.size());
        out.name("known").number(cluster.nodes().len());
        out.name("epoch").number(cluster.current_epoch());
        out.name("nodes").array(|out| {
            for (_, node) in &shown {
                let primary = node.primary().map_or(-1, place);
                out.object(|out| write_node(node, primary, out));
            }
        });
        out.name("map").array(|out| {
            for cell in 0..CELLS {
                out.number(cluster.owner(cell * SLOTS_OF_CELL).map_or(-1, place));
            }
        });
    });
}

fn write_node(node: &Node, primary: i64, out: &mut Json) {
    let state = match () {
        () if node.has_failed() => "failed",
        () if node.flags.has(Flags::SUSPECTED) => "suspected",
        () => "",
    };
    out.name("id").string(node.id.as_str());
    out.name("at").string(&format!("{}:{}", node.address.ip, node.address.port));
    out.name("name").string(if node.human_name.is_empty() { &node.hostname } else { &node.human_name });
    out.name("primary").number(primary);
    out.name("slots").number(node.slots().len());
    out.name("state").string(state);
    out.name("own").number(node.is_myself());
}
