//! Where clients are told that a node is, replicas among them.

use crate::config::{EndpointType, ReplicaOf};
use crate::net::ClientKey;
use crate::peers::cluster::node::Approach;
use crate::peers::cluster::{Node, NodeKey};
use crate::server::Server;

/// The name of a node that has none to tell.
const NO_HOSTNAME: &str = "?";

/// How clients are told where a node is, as `cluster-preferred-endpoint-type` says; `None` for where they are.
pub fn preferred<'a>(server: &Server, client: Approach, node: &'a Node) -> Option<&'a str> {
    match server.config.cluster_preferred_endpoint_type {
        EndpointType::Ip => Some(node.ip_for(client)),
        EndpointType::Hostname if node.hostname.is_empty() => Some(NO_HOSTNAME),
        EndpointType::Hostname => Some(&node.hostname),
        EndpointType::Unknown => None,
    }
}

/// How a client has come.
pub fn approach(server: &Server, client: ClientKey) -> Approach {
    let connection = server.clients.get(client).map(|client| &client.connection);
    let tls = connection.is_some_and(|connection| connection.socket().is_tls());
    let ipv6 = connection.and_then(|connection| connection.peer_ip()).is_some_and(|ip| ip.is_ipv6());
    Approach { tls, ipv6, as_bus: tls == server.config.tls_cluster }
}

/// `host:port` of a node, for a client that is sent there.
pub fn of_node(server: &Server, client: ClientKey, key: NodeKey) -> String {
    let node = server.cluster.as_deref().and_then(|cluster| cluster.node(key));
    node.map_or_else(String::new, |node| {
        let client = approach(server, client);
        format!("{}:{}", preferred(server, client, node).unwrap_or_default(), node.port_for(client))
    })
}

/// Where a node is found for replication, if that is known.
pub fn for_replication(server: &Server, key: NodeKey) -> Option<ReplicaOf> {
    let node = server.cluster.as_deref()?.node(key)?;
    let as_bus = server.config.tls_replication == server.config.tls_cluster;
    let (host, port) = (node.address.ip.clone(), node.address.port_for(as_bus));
    (!host.is_empty() && port != 0).then_some(ReplicaOf { host, port })
}
