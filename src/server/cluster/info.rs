//! What CLUSTER INFO says, as lines of fields; metrics have the same numbers.

use std::fmt::Write;

use crate::db::Databases;
use crate::peers::cluster::message::Kind;
use crate::peers::cluster::{Flags, Node, State};
use crate::server::Server;

/// Bytes that are told of: what their fields' names have, and which messages they are of.
const PARTS_OF_BYTES: [(&str, &[Kind]); 3] =
    [("", &Kind::ALL), ("pubsub_", &[Kind::Publish, Kind::PublishShard]), ("module_", &[Kind::Module])];

/// The state of the cluster: fields with their values, a line each, ended by CRLF.
pub fn state(cluster: &State) -> String {
    let (mut assigned, mut suspected, mut failed) = (0, Unreachable::default(), Unreachable::default());
    for (_, node) in cluster.nodes().iter() {
        assigned += node.slots().len();
        match () {
            () if node.has_failed() => failed.count(node),
            () if node.flags.has(Flags::SUSPECTED) => suspected.count(node),
            () => {}
        }
    }
    format!(
        "cluster_state:{}\r\ncluster_slots_assigned:{assigned}\r\ncluster_slots_ok:{}\r\ncluster_slots_pfail:{}\r\n\
         cluster_slots_fail:{}\r\ncluster_nodes_pfail:{}\r\ncluster_nodes_fail:{}\r\ncluster_voting_nodes_pfail:{}\r\n\
         cluster_voting_nodes_fail:{}\r\ncluster_known_nodes:{}\r\ncluster_size:{}\r\ncluster_current_epoch:{}\r\n\
         cluster_my_epoch:{}\r\n",
        if cluster.is_ok() { "ok" } else { "fail" },
        assigned - suspected.slots - failed.slots,
        suspected.slots,
        failed.slots,
        suspected.nodes,
        failed.nodes,
        suspected.voters,
        failed.voters,
        cluster.nodes().len(),
        cluster.size(),
        cluster.current_epoch(),
        cluster.my_epoch(),
    )
}

/// Nodes in one of the two states in which they are not reached.
#[derive(Default)]
struct Unreachable {
    nodes: usize,
    voters: usize,
    slots: usize,
}

impl Unreachable {
    fn count(&mut self, node: &Node) {
        self.nodes += 1;
        self.voters += usize::from(node.votes());
        self.slots += node.slots().len();
    }
}

/// All fields, likewise: the state, and what was counted.
pub fn lines(cluster: &State) -> String {
    let mut text = state(cluster);
    let counters = &cluster.counters;
    for (way, counts) in [("sent", &counters.sent), ("received", &counters.received)] {
        for (kind, count) in Kind::ALL.iter().zip(counts).filter(|(_, count)| **count > 0) {
            write!(text, "cluster_stats_messages_{kind}_{way}:{count}\r\n").ok();
        }
        write!(text, "cluster_stats_messages_{way}:{}\r\n", counts.iter().sum::<u64>()).ok();
    }
    let bytes = [("sent", &counters.bytes_sent), ("received", &counters.bytes_received)];
    for (part, kinds) in PARTS_OF_BYTES {
        for (way, counts) in bytes {
            let count: u64 = kinds.iter().map(|kind| counts[*kind as usize]).sum();
            write!(text, "cluster_stats_{part}bytes_{way}:{count}\r\n").ok();
        }
    }
    write!(text, "total_cluster_links_buffer_limit_exceeded:{}\r\n", counters.links_over_limit).ok();
    text
}

/// What there is to tell of slots that move all at once, likewise.
pub fn moves(server: &Server, db: &Databases) -> String {
    let (active, trim) = (server.moves.active(), &server.moves.trim);
    let left = server.cluster.as_deref().map_or(0, |cluster| server.moves.keys_to_trim(cluster, db));
    let (running, trimmed) = if trim.running { (1, trim.trimmed) } else { (0, 0) };
    let fields = [
        ("active_tasks", active as u64),
        ("active_trim_running", running),
        ("active_trim_current_job_keys", trimmed + left),
        ("active_trim_current_job_trimmed", trimmed),
        ("stats_active_trim_started", trim.started),
        ("stats_active_trim_completed", trim.completed),
        ("stats_active_trim_cancelled", trim.cancelled),
    ];
    fields.iter().map(|(name, value)| format!("cluster_slot_migration_{name}:{value}\r\n")).collect()
}
