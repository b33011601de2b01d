//! CLUSTER and what else only nodes of a cluster obey: the rows of Redis, for clients that look for them, and for
//! rights that name them. Oxidis is no node of any, and each of them says so.

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::server::execution::{Command, Ctx};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("asking", Arity::exactly(1), disabled)
        .group(Group::Cluster)
        .flags(&[FAST])
        .acl(Categories::CONNECTION)
        .docs("3.0.0", "", "Has the next command served though its slot is still being moved here."),
    Command::container("cluster", SUBCOMMANDS).group(Group::Cluster).docs(
        "3.0.0",
        "",
        "Manages the nodes of a cluster.",
    ),
    mode("readonly").docs("3.0.0", "", "Has a replica serve reads of this connection."),
    mode("readwrite").docs("3.0.0", "", "Has reads of this connection go to the primary again."),
];

const SUBCOMMANDS: &[Command] = &[
    change("addslots", Arity::at_least(3)).docs("3.0.0", "slot [slot ...]", "Gives slots to this node."),
    change("addslotsrange", Arity::at_least(4)).docs(
        "7.0.0",
        "start-slot end-slot [start-slot end-slot ...]",
        "Gives ranges of slots to this node.",
    ),
    change("bumpepoch", Arity::exactly(2)).tips(VARIES).docs("3.0.0", "", "Raises the epoch of the configuration."),
    survey("count-failure-reports", Arity::exactly(3)).docs(
        "3.0.0",
        "node-id",
        "Counts the reports that a node failed.",
    ),
    question("countkeysinslot", Arity::exactly(3)).docs("3.0.0", "slot", "Counts the keys of a slot."),
    change("delslots", Arity::at_least(3)).docs("3.0.0", "slot [slot ...]", "Takes slots from this node."),
    change("delslotsrange", Arity::at_least(4)).docs(
        "7.0.0",
        "start-slot end-slot [start-slot end-slot ...]",
        "Takes ranges of slots from this node.",
    ),
    change("failover", Arity::at_least(2)).docs("3.0.0", "[FORCE|TAKEOVER]", "Has a replica take its primary's place."),
    change("flushslots", Arity::exactly(2)).docs("3.0.0", "", "Takes all slots from this node."),
    change("forget", Arity::exactly(3)).docs("3.0.0", "node-id", "Takes a node off the list of nodes."),
    question("getkeysinslot", Arity::exactly(4)).tips(VARIES).docs("3.0.0", "slot count", "Returns keys of a slot."),
    subcommand("help", Arity::exactly(2)).flags(&[LOADING, STALE]).docs("5.0.0", "", "Shows the subcommands."),
    question("info", Arity::exactly(2)).tips(VARIES).docs("3.0.0", "", "Tells the state of the cluster."),
    question("keyslot", Arity::exactly(3)).docs("3.0.0", "key", "Tells the slot of a key."),
    question("links", Arity::exactly(2)).tips(VARIES).docs("7.0.0", "", "Lists the links to other nodes."),
    change("meet", Arity::at_least(4)).docs("3.0.0", "ip port [cluster_bus_port]", "Makes another node known."),
    question("myid", Arity::exactly(2)).docs("3.0.0", "", "Tells the id of this node."),
    question("nodes", Arity::exactly(2)).tips(VARIES).docs("3.0.0", "", "Lists the nodes with their slots."),
    survey("replicas", Arity::exactly(3)).docs("5.0.0", "node-id", "Lists the replicas of a node."),
    change("replicate", Arity::exactly(3)).docs("3.0.0", "node-id", "Makes this node a replica of another one."),
    subcommand("reset", Arity::at_least(2)).flags(&[ADMIN, NOSCRIPT, STALE]).docs(
        "3.0.0",
        "[HARD|SOFT]",
        "Has this node forget its cluster.",
    ),
    change("saveconfig", Arity::exactly(2)).docs("3.0.0", "", "Saves what this node knows of the cluster."),
    change("set-config-epoch", Arity::exactly(3)).docs("3.0.0", "config-epoch", "Sets the epoch of a new node."),
    change("setslot", Arity::at_least(4)).docs(
        "3.0.0",
        "slot <IMPORTING node-id|MIGRATING node-id|NODE node-id|STABLE>",
        "Says where a slot is, or is going.",
    ),
    question("shards", Arity::exactly(2)).tips(VARIES).docs("7.0.0", "", "Lists the slots with the nodes of each."),
    survey("slaves", Arity::exactly(3)).docs("3.0.0", "node-id", "Lists the replicas of a node."),
    question("slots", Arity::exactly(2)).tips(VARIES).docs("3.0.0", "", "Lists the slots with the nodes of each."),
];

const VARIES: &[&str] = &["nondeterministic_output"];

const fn mode(name: &'static str) -> Command {
    Command::new(name, Arity::exactly(1), disabled)
        .group(Group::Cluster)
        .flags(&[LOADING, STALE, FAST])
        .acl(Categories::CONNECTION)
}

const fn subcommand(name: &'static str, arity: Arity) -> Command {
    Command::new(name, arity, disabled).group(Group::Cluster)
}

/// One that changes the cluster.
const fn change(name: &'static str, arity: Arity) -> Command {
    subcommand(name, arity).flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
}

/// One that asks for what only operators need.
const fn survey(name: &'static str, arity: Arity) -> Command {
    subcommand(name, arity).flags(&[ADMIN, STALE]).tips(VARIES)
}

/// One that any client may ask.
const fn question(name: &'static str, arity: Arity) -> Command {
    subcommand(name, arity).flags(&[STALE])
}

fn disabled(_: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    Err(Error::fixed("ERR This instance has cluster support disabled"))
}
