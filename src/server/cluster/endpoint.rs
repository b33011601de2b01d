//! Where clients are told that a node is, replicas among them.

use crate::config::{EndpointType, ReplicaOf};
use crate::net::ClientKey;
use crate::peers::cluster::{Node, NodeKey};
use crate::server::Server;

/// The name of a node that has none to tell.
const NO_HOSTNAME: &str = "?";

/// How clients are told where a node is, as `cluster-preferred-endpoint-type` says; `None` for where they are.
pub fn preferred<'a>(server: &Server, node: &'a Node) -> Option<&'a str> {
    match server.config.cluster_preferred_endpoint_type {
        EndpointType::Ip => Some(&node.address.ip),
        EndpointType::Hostname if node.hostname.is_empty() => Some(NO_HOSTNAME),
        EndpointType::Hostname => Some(&node.hostname),
        EndpointType::Unknown => None,
    }
}

/// The port of a node for a client: that for TLS if it speaks TLS here.
pub fn port(server: &Server, client: ClientKey, node: &Node) -> u16 {
    node.address.port_for(speaks_as_the_bus(server, client))
}

/// Whether a client speaks TLS and the bus does, or neither.
pub fn speaks_as_the_bus(server: &Server, client: ClientKey) -> bool {
    let speaks_tls = server.clients.get(client).is_some_and(|client| client.connection.socket().is_tls());
    speaks_tls == server.config.tls_cluster
}

/// `host:port` of a node, for a client that is sent there.
pub fn of_node(server: &Server, client: ClientKey, key: NodeKey) -> String {
    let node = server.cluster.as_deref().and_then(|cluster| cluster.node(key));
    node.map_or_else(String::new, |node| {
        format!("{}:{}", preferred(server, node).unwrap_or_default(), port(server, client, node))
    })
}

/// Where a node is found for replication, if that is known.
pub fn for_replication(server: &Server, key: NodeKey) -> Option<ReplicaOf> {
    let node = server.cluster.as_deref()?.node(key)?;
    let as_bus = server.config.tls_replication == server.config.tls_cluster;
    let (host, port) = (node.address.ip.clone(), node.address.port_for(as_bus));
    (!host.is_empty() && port != 0).then_some(ReplicaOf { host, port })
}
