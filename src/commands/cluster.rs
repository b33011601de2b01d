//! CLUSTER and what else only nodes of a cluster obey: the rows of Redis, for clients that look for them, and for
//! rights that name them. Outside of a cluster each of them says so.

mod common;
mod keys;
mod moves;
mod operator;
mod slots;
mod stats;
mod views;

use crate::client::Modes;
use crate::command::Args;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::server::execution::{Command, Ctx, Handler};
use common::enabled;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("asking", Arity::exactly(1), asking)
        .group(Group::Cluster)
        .flags(&[FAST])
        .acl(Categories::CONNECTION)
        .docs("3.0.0", "", "Has the next command served though its slot is still being moved here."),
    Command::container("cluster", SUBCOMMANDS).group(Group::Cluster).docs(
        "3.0.0",
        "",
        "Manages the nodes of a cluster.",
    ),
    mode("readonly", |cx, _| reads_replicas(cx, true)).docs(
        "3.0.0",
        "",
        "Has a replica serve reads of this connection.",
    ),
    mode("readwrite", |cx, _| reads_replicas(cx, false)).docs(
        "3.0.0",
        "",
        "Has reads of this connection go to the primary again.",
    ),
];

const SUBCOMMANDS: &[Command] = &[
    change("addslots", Arity::at_least(3), slots::add)
        .docs("3.0.0", "slot [slot ...]", "Gives slots to this node.")
        .complexity("O(N) for N slots named."),
    change("addslotsrange", Arity::at_least(4), slots::add_ranges)
        .docs("7.0.0", "start-slot end-slot [start-slot end-slot ...]", "Gives ranges of slots to this node.")
        .complexity("O(N) for N slots in the ranges."),
    change("bumpepoch", Arity::exactly(2), operator::bump_epoch)
        .tips(VARIES)
        .docs("3.0.0", "", "Raises the epoch of the configuration.")
        .complexity("O(1)"),
    survey("count-failure-reports", Arity::exactly(3), operator::count_failure_reports)
        .docs("3.0.0", "node-id", "Counts the reports that a node failed.")
        .complexity("O(N) for N reports."),
    question("countkeysinslot", Arity::exactly(3), keys::count_in_slot)
        .docs("3.0.0", "slot", "Counts the keys of a slot.")
        .complexity("O(1)"),
    change("delslots", Arity::at_least(3), slots::remove)
        .docs("3.0.0", "slot [slot ...]", "Takes slots from this node.")
        .complexity("O(N) for N slots named."),
    change("delslotsrange", Arity::at_least(4), slots::remove_ranges)
        .docs("7.0.0", "start-slot end-slot [start-slot end-slot ...]", "Takes ranges of slots from this node.")
        .complexity("O(N) for N slots in the ranges."),
    change("failover", Arity::at_least(2), operator::failover)
        .docs("3.0.0", "[FORCE|TAKEOVER]", "Has a replica take its primary's place.")
        .complexity("O(1)"),
    change("flushslots", Arity::exactly(2), slots::flush)
        .docs("3.0.0", "", "Takes all slots from this node.")
        .complexity("O(1)"),
    change("forget", Arity::exactly(3), operator::forget)
        .docs("3.0.0", "node-id", "Takes a node off the list of nodes.")
        .complexity("O(1)"),
    question("getkeysinslot", Arity::exactly(4), keys::of_slot)
        .tips(VARIES)
        .docs("3.0.0", "slot count", "Returns keys of a slot.")
        .complexity("O(N) for N keys asked for."),
    subcommand("help", Arity::exactly(2), help)
        .flags(&[LOADING, STALE])
        .docs("5.0.0", "", "Shows the subcommands.")
        .complexity("O(1)"),
    question("info", Arity::exactly(2), views::info)
        .tips(VARIES)
        .docs("3.0.0", "", "Tells the state of the cluster.")
        .complexity("O(1)"),
    question("keyslot", Arity::exactly(3), keys::slot)
        .docs("3.0.0", "key", "Tells the slot of a key.")
        .complexity("O(N) for N bytes of the key."),
    question("links", Arity::exactly(2), views::links)
        .tips(VARIES)
        .docs("7.0.0", "", "Lists the links to other nodes.")
        .complexity("O(N) for N nodes."),
    change("meet", Arity::at_least(4), operator::meet)
        .docs("3.0.0", "ip port [cluster-bus-port]", "Makes another node known.")
        .complexity("O(1)")
        .history(&[("4.0.0", "The port of the bus may be given.")]),
    change("migration", Arity::at_least(4), moves::migration)
        .docs(
            "8.4.0",
            "<IMPORT start-slot end-slot [start-slot end-slot ...] | CANCEL <ID task-id | ALL> | STATUS <ID task-id | ALL>>",
            "Moves slots with all they hold here from another node, shows how far that is, ends it.",
        )
        .complexity("O(N) for N slots in the ranges."),
    question("myid", Arity::exactly(2), views::my_id)
        .docs("3.0.0", "", "Tells the id of this node.")
        .complexity("O(1)"),
    question("myshardid", Arity::exactly(2), views::my_shard_id)
        .tips(VARIES)
        .docs("7.2.0", "", "Tells the id of the shard this node belongs to.")
        .complexity("O(1)"),
    question("nodes", Arity::exactly(2), views::nodes)
        .tips(VARIES)
        .docs("3.0.0", "", "Lists the nodes with their slots.")
        .complexity("O(N) for N nodes."),
    survey("replicas", Arity::exactly(3), views::replicas)
        .docs("5.0.0", "node-id", "Lists the replicas of a node.")
        .complexity("O(N) for N replicas."),
    change("replicate", Arity::exactly(3), operator::replicate)
        .docs("3.0.0", "node-id", "Makes this node a replica of another one.")
        .complexity("O(1)"),
    subcommand("reset", Arity::at_least(2), operator::reset)
        .flags(&[ADMIN, NOSCRIPT, STALE])
        .docs("3.0.0", "[HARD|SOFT]", "Has this node forget its cluster.")
        .complexity("O(N) for N nodes; it may flush the data."),
    change("saveconfig", Arity::exactly(2), operator::save)
        .docs("3.0.0", "", "Saves what this node knows of the cluster.")
        .complexity("O(1)"),
    change("set-config-epoch", Arity::exactly(3), operator::set_config_epoch)
        .docs("3.0.0", "config-epoch", "Sets the epoch of a new node.")
        .complexity("O(1)"),
    change("setslot", Arity::at_least(4), slots::set)
        .docs(
            "3.0.0",
            "slot <IMPORTING node-id|MIGRATING node-id|NODE node-id|STABLE>",
            "Says where a slot is, or is going.",
        )
        .complexity("O(1)"),
    question("shards", Arity::exactly(2), views::shards)
        .flags(&[LOADING])
        .tips(VARIES)
        .docs("7.0.0", "", "Lists the slots with the nodes of each.")
        .complexity("O(N) for N nodes."),
    survey("slaves", Arity::exactly(3), views::replicas)
        .deprecated("5.0.0", "`CLUSTER REPLICAS`")
        .docs("3.0.0", "node-id", "Lists the replicas of a node.")
        .complexity("O(N) for N replicas."),
    subcommand("slot-stats", Arity::at_least(4), stats::slot_stats)
        .flags(&[LOADING, STALE])
        .tips(&["nondeterministic_output", "request_policy:all_shards"])
        .docs(
            "8.2.0",
            "<SLOTSRANGE start-slot end-slot | ORDERBY <metric [LIMIT limit] [ASC|DESC]>>",
            "Tells how much this node's slots are used.",
        )
        .complexity("O(N) for N slots asked for, O(N*log(N)) with ORDERBY."),
    question("slots", Arity::exactly(2), views::slots)
        .flags(&[LOADING])
        .tips(VARIES)
        .deprecated("7.0.0", "`CLUSTER SHARDS`")
        .docs("3.0.0", "", "Lists the slots with the nodes of each.")
        .complexity("O(N) for N nodes.")
        .history(&[("4.0.0", "Ids of nodes."), ("7.0.0", "More about the addresses of nodes.")]),
    subcommand("syncslots", Arity::at_least(4), moves::sync_slots)
        .flags(&[ADMIN, NOSCRIPT, STALE, NO_ASYNC_LOADING, NO_MULTI])
        .docs("8.4.0", "arg [arg ...]", "What nodes say to one another while slots move.")
        .complexity("O(N) for N slots in the ranges."),
];

const VARIES: &[&str] = &["nondeterministic_output"];

const fn mode(name: &'static str, handler: Handler) -> Command {
    Command::new(name, Arity::exactly(1), handler)
        .group(Group::Cluster)
        .flags(&[LOADING, STALE, FAST])
        .acl(Categories::CONNECTION)
}

const fn subcommand(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Cluster)
}

/// One that changes the cluster.
const fn change(name: &'static str, arity: Arity, handler: Handler) -> Command {
    subcommand(name, arity, handler).flags(&[ADMIN, STALE, NO_ASYNC_LOADING])
}

/// One that asks for what only operators need.
const fn survey(name: &'static str, arity: Arity, handler: Handler) -> Command {
    subcommand(name, arity, handler).flags(&[ADMIN, STALE]).tips(VARIES)
}

/// One that any client may ask.
const fn question(name: &'static str, arity: Arity, handler: Handler) -> Command {
    subcommand(name, arity, handler).flags(&[STALE])
}

fn asking(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    enabled(cx)?;
    cx.client_mut().modes.set(Modes::ASKING, true);
    cx.reply.ok();
    Ok(())
}

/// READONLY and READWRITE: of a cluster's clients, and of those that replicas send to their primary, as in Valkey.
fn reads_replicas(cx: &mut Ctx<'_>, on: bool) -> CmdResult {
    if !cx.client().follows_redirects {
        enabled(cx)?;
    }
    cx.client_mut().reads_replicas = on;
    cx.reply.ok();
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    enabled(cx)?;
    cx.reply_help(&[
        "COUNTKEYSINSLOT <slot>",
        "    Count the keys of a slot.",
        "GETKEYSINSLOT <slot> <count>",
        "    List keys of a slot.",
        "INFO",
        "    Tell the state of the cluster.",
        "KEYSLOT <key>",
        "    Tell the slot of a key.",
        "MYID",
        "    Tell the id of this node.",
        "MYSHARDID",
        "    Tell the id of the shard of this node.",
        "NODES",
        "    List the nodes. Output format:",
        "    <id> <ip:port@bus-port[,hostname]> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
        "REPLICAS <node-id>",
        "    List the replicas of a node.",
        "SLOTS",
        "    List ranges of slots: start, end, and the nodes that have them, the primary first.",
        "SLOT-STATS",
        "    Tell how full the slots of this node are, and how much they are used.",
        "SHARDS",
        "    List the shards: their slots and their nodes.",
        "ADDSLOTS <slot> [<slot> ...]",
        "    Give slots to this node.",
        "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
        "    Give ranges of slots to this node.",
        "BUMPEPOCH",
        "    Take a new epoch for this node.",
        "COUNT-FAILURE-REPORTS <node-id>",
        "    Count the reports that a node failed.",
        "DELSLOTS <slot> [<slot> ...]",
        "    Take slots from their nodes, as this node sees it.",
        "DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
        "    Take ranges of slots from their nodes, as this node sees it.",
        "FAILOVER [FORCE|TAKEOVER]",
        "    Have this replica take its master's place.",
        "FORGET <node-id>",
        "    Take a node off the list.",
        "FLUSHSLOTS",
        "    Take all slots from this node.",
        "MEET <ip> <port> [<bus-port>]",
        "    Make another node known.",
        "MIGRATION (IMPORT <start slot> <end slot> [<start slot> <end slot> ...]|",
        "           STATUS (ID <task-id>|ALL)|CANCEL (ID <task-id>|ALL))",
        "    Move slots with all they hold here, show how far that is, or end it.",
        "REPLICATE <node-id>",
        "    Make this node a replica of another one.",
        "RESET [HARD|SOFT]",
        "    Have this node forget its cluster (default: soft).",
        "SET-CONFIG-EPOCH <epoch>",
        "    Set the epoch of this node.",
        "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
        "    Say where a slot is, or is going.",
        "SAVECONFIG",
        "    Write down what this node knows of the cluster.",
        "LINKS",
        "    List the connections to other nodes, a map of attributes for each.",
    ]);
    Ok(())
}
