//! CLUSTER INFO, MYID, MYSHARDID, NODES, REPLICAS, SLOTS, SHARDS: what this node knows of its cluster.

use super::common::{DISABLED, node, state};
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::config::EndpointType;
use crate::peers::cluster::link::Link;
use crate::peers::cluster::node::{Approach, LinkId};
use crate::peers::cluster::nodes_conf::Reader;
use crate::peers::cluster::{Node, NodeId, SlotSet, State};
use crate::resp::reply::Reply;
use crate::server::Server;
use crate::server::cluster::{endpoint, info};
use crate::server::execution::Ctx;

/// CLUSTER MYID.
pub fn my_id(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let id = state(cx)?.myself().id;
    cx.reply.bulk(id.as_bytes());
    Ok(())
}

/// CLUSTER MYSHARDID.
pub fn my_shard_id(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let id = state(cx)?.myself().shard;
    cx.reply.bulk(id.as_bytes());
    Ok(())
}

/// CLUSTER NODES.
pub fn nodes(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let (cluster, reader) = (state(cx)?, reader(cx));
    let text: String = cluster.nodes().iter().map(|(key, _)| cluster.describe(key, reader) + "\n").collect();
    cx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(())
}

/// CLUSTER REPLICAS, and SLAVES.
pub fn replicas(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (cluster, reader) = (state(cx)?, reader(cx));
    let (_, node) = node(cluster, &args, 2)?;
    if node.is_replica() {
        return Err(Error::fixed("ERR The specified node is not a master"));
    }
    let lines: Vec<String> = node.replicas().iter().map(|key| cluster.describe(*key, reader)).collect();
    cx.reply.array(lines.len());
    lines.iter().for_each(|line| cx.reply.bulk(line.as_bytes()));
    Ok(())
}

fn reader(cx: &Ctx<'_>) -> Reader {
    Reader::Client(endpoint::approach(cx.server, cx.client))
}

/// CLUSTER INFO.
pub fn info(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let text = info::lines(state(cx)?) + &info::moves(cx.server, cx.db);
    cx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(())
}

/// Runs of slots that belong to one node, in order.
fn runs(cluster: &State) -> Vec<(u16, u16, &Node)> {
    let mut runs: Vec<(u16, u16, &Node)> = Vec::new();
    for (_, node) in cluster.nodes().iter() {
        runs.extend(node.slots().ranges().into_iter().map(|(first, last)| (first, last, node)));
    }
    runs.sort_unstable_by_key(|(first, ..)| *first);
    runs
}

/// CLUSTER SLOTS.
pub fn slots(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let cluster = cx.server.cluster.as_deref().ok_or(DISABLED)?;
    let own_offset = own_offset(cx.server);
    let (runs, client) = (runs(cluster), endpoint::approach(cx.server, cx.client));
    cx.reply.array(runs.len());
    for (first, last, primary) in runs {
        let replicas: Vec<&Node> = primary
            .replicas()
            .iter()
            .filter_map(|key| cluster.node(*key))
            .filter(|node| !node.has_failed() && offset(node, own_offset) != 0)
            .collect();
        cx.reply.array(3 + replicas.len());
        cx.reply.integer(first.into());
        cx.reply.integer(last.into());
        for node in std::iter::once(primary).chain(replicas) {
            reply_node(cx.server, cx.reply, client, node);
        }
    }
    Ok(())
}

/// How far this node is in its history: as a replica, in that of its primary.
fn own_offset(server: &Server) -> i64 {
    let is_replica = server.cluster.as_deref().is_some_and(|cluster| cluster.myself().is_replica());
    if is_replica { server.repl.replica_offset() } else { server.repl.history.offset }
}

/// How far a node is in its history.
fn offset(node: &Node, own: i64) -> i64 {
    if node.is_myself() { own } else { node.offset }
}

/// A node as CLUSTER SLOTS shows it: where it is preferably looked for, its name, and where it is besides.
fn reply_node(server: &Server, reply: &mut Reply, client: Approach, node: &Node) {
    let kind = server.config.cluster_preferred_endpoint_type;
    reply.array(4);
    match endpoint::preferred(server, client, node) {
        Some(place) => reply.bulk(place.as_bytes()),
        None => reply.null(),
    }
    reply.integer(node.port_for(client).into());
    reply.bulk(node.id.as_bytes());
    let ip = (kind != EndpointType::Ip).then_some(("ip", node.ip_for(client)));
    let hostname =
        (kind != EndpointType::Hostname && !node.hostname.is_empty()).then_some(("hostname", node.hostname.as_str()));
    let others: Vec<(&str, &str)> = ip.into_iter().chain(hostname).collect();
    reply.map(others.len());
    for (name, value) in others {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
}

/// CLUSTER SHARDS.
pub fn shards(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let cluster = cx.server.cluster.as_deref().ok_or(DISABLED)?;
    let own_offset = own_offset(cx.server);
    let mut shards: Vec<(NodeId, Vec<&Node>)> = Vec::new();
    for (_, node) in cluster.nodes().iter().filter(|(_, node)| !node.in_handshake()) {
        match shards.iter_mut().find(|(shard, _)| *shard == node.shard) {
            Some((_, nodes)) => nodes.push(node),
            None => shards.push((node.shard, vec![node])),
        }
    }
    let client = endpoint::approach(cx.server, cx.client);
    cx.reply.array(shards.len());
    for (_, nodes) in &shards {
        let none = SlotSet::default();
        let slots = nodes.iter().map(|node| node.slots()).find(|slots| !slots.is_empty()).unwrap_or(&none).ranges();
        cx.reply.map(2);
        cx.reply.bulk(b"slots");
        cx.reply.array(slots.len() * 2);
        for (first, last) in slots {
            cx.reply.integer(first.into());
            cx.reply.integer(last.into());
        }
        cx.reply.bulk(b"nodes");
        cx.reply.array(nodes.len());
        for node in nodes {
            reply_shard_node(cx.server, cx.reply, client, node, offset(node, own_offset));
        }
    }
    Ok(())
}

fn reply_shard_node(server: &Server, reply: &mut Reply, client: Approach, node: &Node, offset: i64) {
    let address = &node.address;
    let tls = server.config.tls_cluster;
    let (plain_port, tls_port) =
        if tls { (address.other_port, address.port) } else { (address.port, address.other_port) };
    let health = match () {
        () if node.has_failed() => "fail",
        () if node.is_replica() && offset == 0 => "loading",
        () => "online",
    };
    let fields = reply.defer();
    let mut pairs = 0;
    let mut text = |reply: &mut Reply, name: &str, value: &str| {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
        pairs += 1;
    };
    text(reply, "id", node.id.as_str());
    let mut ports = 0;
    let announced = &node.announced;
    for (name, port, announced) in [("port", plain_port, announced.port), ("tls-port", tls_port, announced.tls_port)] {
        if port != 0 {
            reply.bulk(name.as_bytes());
            reply.integer(if announced == 0 { port } else { announced }.into());
            ports += 1;
        }
    }
    text(reply, "ip", node.ip_for(client));
    text(reply, "endpoint", endpoint::preferred(server, client, node).unwrap_or_default());
    if !node.hostname.is_empty() {
        text(reply, "hostname", &node.hostname);
    }
    text(reply, "role", if node.is_primary() { "master" } else { "replica" });
    reply.bulk(b"replication-offset");
    reply.integer(offset);
    text(reply, "health", health);
    reply.finish_map(fields, pairs + ports + 1);
}

/// CLUSTER LINKS.
pub fn links(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let cluster = cx.server.cluster.as_deref().ok_or(DISABLED)?;
    let links: Vec<(LinkId, &Link, &Node)> =
        cluster.links().iter().filter_map(|(id, link)| Some((*id, link, cluster.node(link.node?)?))).collect();
    cx.reply.array(links.len());
    for (id, link, node) in links {
        cx.reply.map(6);
        for (name, text) in [("direction", if link.inbound { "from" } else { "to" }), ("node", node.id.as_str())] {
            cx.reply.bulk(name.as_bytes());
            cx.reply.bulk(text.as_bytes());
        }
        cx.reply.bulk(b"create-time");
        cx.reply.integer(link.created_ms);
        cx.reply.bulk(b"events");
        let (used, allocated) = cx.server.bus.output_bytes(id);
        cx.reply.bulk(if used > 0 { b"rw" } else { b"r" });
        for (name, bytes) in [("send-buffer-allocated", allocated), ("send-buffer-used", used)] {
            cx.reply.bulk(name.as_bytes());
            cx.reply.integer(bytes as i64);
        }
    }
    Ok(())
}
