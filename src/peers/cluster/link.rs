//! Links: connections of the bus. Each node begins one to every other, so that there are two between any two.

use super::node::NodeKey;

/// The addresses of both ends of a connection, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    pub peer_ip: Option<String>,
    pub own_ip: Option<String>,
}

/// What is known of a link.
#[derive(Clone, Debug)]
pub struct Link {
    /// The node at the other end, once that is known.
    pub node: Option<NodeKey>,
    /// The other end has begun it.
    pub inbound: bool,
    /// When, in Unix milliseconds.
    pub created_ms: i64,
    /// It stands.
    pub connected: bool,
    /// Where it begins and ends.
    pub ends: Ends,
}
