//! The options of `--cluster`.

use super::table::{Effect, Row, number, rows, text};
use crate::failure::Failure;

/// The options that begin with `--cluster-`, in the order of `--help`.
pub const CLUSTER_ROWS: &[Row] = rows! { o;
    "--cluster-replicas" => "<number>" v { o.manager.replicas = number(v)? }
        "Replicas that create gives each primary (0).";
    "--cluster-yes" { o.manager.yes = true }
        "create and reshard ask nothing. So does REDISCLI_CLUSTER_YES=1 in the\n\
         environment.";
    "--cluster-from" => "<ids>" v { o.manager.from = Some(text(v)?) }
        "Nodes that reshard takes slots from, with commas between, or \"all\"; for\n\
         import host:port of the server.";
    "--cluster-to" => "<id>" v { o.manager.to = Some(text(v)?) }
        "Node that reshard gives slots to.";
    "--cluster-slots" => "<number>" v { o.manager.slots = number(v)? }
        "Slots that reshard moves.";
    "--cluster-timeout" => "<milliseconds>" v { o.manager.timeout_ms = number(v)? }
        "How long a node may stay silent while keys are moved to it (60000).";
    "--cluster-pipeline" => "<number>" v { o.manager.pipeline = positive(v)? }
        "Keys that are moved together (10).";
    "--cluster-replace" { o.manager.replace = true }
        "Keys that are moved replace those of the same name.";
    "--cluster-copy" { o.manager.copy = true }
        "import leaves the keys where they were, too.";
    "--cluster-threshold" => "<percent>" v { o.manager.threshold = number(v)? }
        "How far from its share rebalance leaves a primary (2).";
    "--cluster-use-empty-masters" { o.manager.use_empty_primaries = true }
        "rebalance gives slots to primaries that have none.";
    "--cluster-simulate" { o.manager.simulate = true }
        "rebalance only shows what it would do.";
    "--cluster-search-multiple-owners" { o.manager.search_multiple_owners = true }
        "check and fix look for slots and keys that several nodes have.";
    "--cluster-fix-with-unreachable-masters" { o.manager.fix_with_unreachable_primaries = true }
        "fix gives slots of primaries that can't be reached to others. Their keys\n\
         may be lost.";
    "--cluster-slave" { o.manager.as_replica = true }
        "add-node makes the node a replica.";
    "--cluster-master-id" => "<id>" v { o.manager.primary_id = Some(text(v)?) }
        "Primary of that replica, otherwise one with the fewest.";
    "--cluster-only-masters" { o.manager.only_primaries = true }
        "call leaves replicas out.";
    "--cluster-only-replicas" { o.manager.only_replicas = true }
        "call leaves primaries out.";
    "--cluster-from-user" => "<name>" v { o.manager.from_user = Some(v) }
        "User for the server that import reads from.";
    "--cluster-from-pass" => "<password>" v { o.manager.from_password = Some(v) }
        "Password for the server that import reads from.";
    "--cluster-from-askpass" { o.manager.ask_from_password = true }
        "Asks for the password for the server that import reads from.";
};

fn positive(value: Vec<u8>) -> Result<usize, Failure> {
    let shown = String::from_utf8_lossy(&value).into_owned();
    number(value).ok().filter(|number| *number > 0).ok_or(Failure::new(format!("'{shown}' is not a number in range.")))
}
