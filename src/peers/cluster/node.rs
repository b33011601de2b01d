//! A node, as this one knows it.

use std::collections::BTreeMap;

use super::id::NodeId;
use super::slots::SlotSet;
use crate::util::bit_set::bit_set;

/// What a node is, one bit each, as on the bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// It may have slots.
    pub const PRIMARY: Flags = Flags(1);
    /// It follows a primary.
    pub const REPLICA: Flags = Flags(1 << 1);
    /// It does not answer this node.
    pub const SUSPECTED: Flags = Flags(1 << 2);
    /// It does not answer the majority.
    pub const FAILED: Flags = Flags(1 << 3);
    /// It is this one.
    pub const MYSELF: Flags = Flags(1 << 4);
    /// Its name is still unknown.
    pub const HANDSHAKE: Flags = Flags(1 << 5);
    /// Its address is unknown.
    pub const NO_ADDRESS: Flags = Flags(1 << 6);
    /// It is to be asked to know this node.
    pub const MEET: Flags = Flags(1 << 7);
    /// A primary that replicas of others may move to.
    pub const MIGRATE_TO: Flags = Flags(1 << 8);
    /// It never takes its primary's place.
    pub const NO_FAILOVER: Flags = Flags(1 << 9);
    /// It reads extensions of pings.
    pub const EXTENSIONS: Flags = Flags(1 << 10);
    /// It reads messages to channels that have a short header.
    pub const LIGHT_PUBLISH: Flags = Flags(1 << 11);

    /// Either kind of failure.
    pub const UNREACHABLE: Flags = Flags(Flags::SUSPECTED.0 | Flags::FAILED.0);

    /// Those that have a name, in the order of CLUSTER NODES.
    const NAMES: [(Flags, &'static str); 8] = [
        (Flags::MYSELF, "myself"),
        (Flags::PRIMARY, "master"),
        (Flags::REPLICA, "slave"),
        (Flags::SUSPECTED, "fail?"),
        (Flags::FAILED, "fail"),
        (Flags::HANDSHAKE, "handshake"),
        (Flags::NO_ADDRESS, "noaddr"),
        (Flags::NO_FAILOVER, "nofailover"),
    ];

    /// Their names with commas between, `noflags` for none.
    pub fn names(self) -> String {
        let names: Vec<&str> = Flags::NAMES.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, name)| *name).collect();
        if names.is_empty() { "noflags".to_owned() } else { names.join(",") }
    }

    /// The flags with these names; `None` when one is unknown.
    pub fn from_names(names: &str) -> Option<Flags> {
        let mut flags = Flags::default();
        for name in names.split(',').filter(|name| !name.eq_ignore_ascii_case("noflags")) {
            let (flag, _) = Flags::NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name))?;
            flags.set(*flag, true);
        }
        Some(flags)
    }
}

bit_set!(Flags);

/// A node's place in the table. It is never that of another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub(super) u64);

/// A connection of the bus; never that of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Where a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Its IP address; empty while unknown.
    pub ip: String,
    /// The port for clients: that of TLS where the bus speaks TLS.
    pub port: u16,
    /// The port for clients of the other kind: without TLS where the bus speaks TLS, with it where it does not; 0 for
    /// none.
    pub other_port: u16,
    /// The port of the bus.
    pub bus_port: u16,
}

impl Address {
    /// Whether it is where another one is: at the same address, with the same ports for clients and the bus.
    pub fn is_at(&self, other: &Address) -> bool {
        self.ip.eq_ignore_ascii_case(&other.ip) && (self.port, self.bus_port) == (other.port, other.bus_port)
    }

    /// The port for a client that speaks as the bus does, or as it does not. Without one of its kind it is the other.
    pub fn port_for(&self, as_bus: bool) -> u16 {
        if as_bus || self.other_port == 0 { self.port } else { self.other_port }
    }
}

/// Where clients are told that a node is, rather than where it is. What is empty or 0 says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// For those that come by IPv4.
    pub ipv4: String,
    /// For those that come by IPv6.
    pub ipv6: String,
    /// The port without TLS.
    pub port: u16,
    /// The port with TLS.
    pub tls_port: u16,
}

/// How a client has come: what it is told of nodes depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approach {
    /// By TLS.
    pub tls: bool,
    /// By IPv6.
    pub ipv6: bool,
    /// By TLS if the bus speaks that, and without if it does not.
    pub as_bus: bool,
}

/// A node. All times are Unix milliseconds, 0 for never.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, known once the handshake is done.
    pub id: NodeId,
    /// The name of its shard: a primary and its replicas.
    pub shard: NodeId,
    /// What it is.
    pub flags: Flags,
    /// Where it is.
    pub address: Address,
    /// Where clients are told that it is.
    pub announced: Announced,
    /// The name of its host; empty for none.
    pub hostname: String,
    /// What people call it; empty for nothing.
    pub human_name: String,
    /// The epoch of its claim to its slots.
    pub config_epoch: u64,
    /// The primary it follows, if it does and that is known.
    pub(super) primary: Option<NodeKey>,
    /// Its replicas.
    pub(super) replicas: Vec<NodeKey>,
    /// Its slots.
    pub(super) slots: SlotSet,
    /// When it became known.
    pub created_ms: i64,
    /// When it was pinged; 0 once that is answered.
    pub ping_sent_ms: i64,
    /// When it answered last.
    pub pong_received_ms: i64,
    /// When anything came from it last.
    pub data_received_ms: i64,
    /// When it failed.
    pub failed_ms: i64,
    /// When this node last voted for one of its replicas.
    pub voted_ms: i64,
    /// Since when it has no replica that works.
    pub orphaned_ms: i64,
    /// How far it is in its history, and when it said so.
    pub offset: i64,
    pub offset_ms: i64,
    /// Who has reported its failure, and when.
    pub failure_reports: BTreeMap<NodeKey, i64>,
    /// The connection to it.
    pub link: Option<LinkId>,
    /// Its connection to this node.
    pub inbound: Option<LinkId>,
}

impl Node {
    /// One of which nothing is known yet.
    pub fn new(id: NodeId, shard: NodeId, flags: Flags, now_ms: i64) -> Node {
        Node {
            id,
            shard,
            flags,
            address: Address::default(),
            announced: Announced::default(),
            hostname: String::new(),
            human_name: String::new(),
            config_epoch: 0,
            primary: None,
            replicas: Vec::new(),
            slots: SlotSet::default(),
            created_ms: now_ms,
            ping_sent_ms: 0,
            pong_received_ms: 0,
            data_received_ms: 0,
            failed_ms: 0,
            voted_ms: 0,
            orphaned_ms: 0,
            offset: 0,
            offset_ms: 0,
            failure_reports: BTreeMap::new(),
            link: None,
            inbound: None,
        }
    }

    /// The address for a client.
    pub fn ip_for(&self, client: Approach) -> &str {
        let announced = if client.ipv6 { &self.announced.ipv6 } else { &self.announced.ipv4 };
        if announced.is_empty() { &self.address.ip } else { announced }
    }

    /// The port for a client.
    pub fn port_for(&self, client: Approach) -> u16 {
        let announced = if client.tls { self.announced.tls_port } else { self.announced.port };
        if announced == 0 { self.address.port_for(client.as_bus) } else { announced }
    }

    /// Whether it is a primary.
    pub fn is_primary(&self) -> bool {
        self.flags.has(Flags::PRIMARY)
    }

    /// Whether it is a replica.
    pub fn is_replica(&self) -> bool {
        self.flags.has(Flags::REPLICA)
    }

    /// Whether it is this node.
    pub fn is_myself(&self) -> bool {
        self.flags.has(Flags::MYSELF)
    }

    /// Whether its name is still unknown.
    pub fn in_handshake(&self) -> bool {
        self.flags.has(Flags::HANDSHAKE)
    }

    /// Whether the majority takes it for failed.
    pub fn has_failed(&self) -> bool {
        self.flags.has(Flags::FAILED)
    }

    /// Whether it votes: a primary with slots.
    pub fn votes(&self) -> bool {
        self.is_primary() && !self.slots.is_empty()
    }

    /// The primary it follows, if it does and that is known.
    pub fn primary(&self) -> Option<NodeKey> {
        self.primary
    }

    /// Its replicas.
    pub fn replicas(&self) -> &[NodeKey] {
        &self.replicas
    }

    /// Its slots.
    pub fn slots(&self) -> &SlotSet {
        &self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_the_names_of_redis() {
        let mut flags = Flags::MYSELF;
        flags.set(Flags::PRIMARY, true);
        flags.set(Flags::MIGRATE_TO, true);
        assert_eq!(flags.names(), "myself,master");
        assert_eq!(Flags::default().names(), "noflags");
        assert_eq!(
            Flags::from_names("slave,fail?,nofailover").map(Flags::names).as_deref(),
            Some("slave,fail?,nofailover")
        );
        assert_eq!(Flags::from_names("noflags"), Some(Flags::default()));
        assert_eq!(Flags::from_names("master,what"), None);
    }
}
