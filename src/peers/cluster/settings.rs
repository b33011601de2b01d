//! What the directives say, as far as the rules need it.

use super::node::{Address, Announced};
use crate::config::Config;

/// What the directives say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Milliseconds of silence after which a node is suspected.
    pub node_timeout_ms: i64,
    /// How stale a replica may be and still stand for election, in node timeouts; 0 for no limit.
    pub replica_validity_factor: i64,
    /// Milliseconds between two signs of life of a replica's link.
    pub ping_replica_period_ms: i64,
    /// This node never takes its primary's place.
    pub no_failover: bool,
    /// Milliseconds a manual failover may take.
    pub manual_failover_timeout_ms: i64,
    /// Replicas a primary keeps when one of them moves to another.
    pub migration_barrier: usize,
    /// Whether replicas move at all.
    pub allow_replica_migration: bool,
    /// Whether the cluster is down when a slot has no node.
    pub require_full_coverage: bool,
    /// Bytes a link may pile up; 0 for no limit.
    pub link_buffer_limit: u64,
    /// Milliseconds a node that was forgotten stays so.
    pub ban_ms: i64,
    /// The bus speaks TLS.
    pub bus_speaks_tls: bool,
    /// Where this node is. Without an address others find it out.
    pub address: Address,
    /// Where clients are told that it is.
    pub announced: Announced,
    /// The name of its host; empty for none.
    pub hostname: String,
    /// What people call it; empty for nothing.
    pub human_name: String,
}

impl Settings {
    /// Those of the directives.
    pub fn new(config: &Config) -> Settings {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Settings {
            node_timeout_ms: config.cluster_node_timeout_ms,
            replica_validity_factor: config.cluster_replica_validity_factor.into(),
            ping_replica_period_ms: i64::from(config.repl_ping_replica_period).saturating_mul(1000),
            no_failover: config.cluster_replica_no_failover,
            manual_failover_timeout_ms: config.cluster_manual_failover_timeout_ms.into(),
            migration_barrier: config.cluster_migration_barrier as usize,
            allow_replica_migration: config.cluster_allow_replica_migration,
            require_full_coverage: config.cluster_require_full_coverage,
            link_buffer_limit: config.cluster_link_sendbuf_limit,
            ban_ms: i64::from(config.cluster_blacklist_ttl) * 1000,
            bus_speaks_tls: config.tls_cluster,
            address: address(config),
            announced: Announced {
                ipv4: text(&config.cluster_announce_client_ipv4),
                ipv6: text(&config.cluster_announce_client_ipv6),
                port: config.cluster_announce_client_port,
                tls_port: config.cluster_announce_client_tls_port,
            },
            hostname: text(&config.cluster_announce_hostname),
            human_name: text(&config.cluster_announce_human_nodename),
        }
    }
}

/// Where others are told that this node is.
fn address(config: &Config) -> Address {
    let or = |announced: u16, real: u16| if announced != 0 { announced } else { real };
    let plain = or(config.cluster_announce_port, config.port);
    let tls = or(config.cluster_announce_tls_port, config.tls_port);
    let (port, other_port) = if config.tls_cluster { (tls, plain) } else { (plain, tls) };
    let bus_port = or(config.cluster_announce_bus_port, config.bus_port().unwrap_or(0));
    Address { ip: config.cluster_announce_ip.clone().unwrap_or_default(), port, other_port, bus_port }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_announced_or_else_the_real_ones() {
        let mut config = Config { port: 7000, ..Config::default() };
        let ports = |config: &Config| {
            let address = address(config);
            (address.port, address.other_port, address.bus_port)
        };
        assert_eq!(ports(&config), (7000, 0, 17000));
        config.cluster_port = 7001;
        assert_eq!((ports(&config), config.bus_port()), ((7000, 0, 7001), Some(7001)));
        (config.cluster_announce_port, config.cluster_announce_bus_port) = (1, 2);
        assert_eq!(ports(&config), (1, 0, 2));
        config.tls_port = 7443;
        assert_eq!(ports(&config), (1, 7443, 2));
        config.tls_cluster = true;
        assert_eq!(ports(&config), (7443, 1, 2));
        config.cluster_announce_tls_port = 3;
        assert_eq!(ports(&config), (3, 1, 2));
        let config = Config { port: 60_000, ..Config::default() };
        assert_eq!(config.bus_port(), None);
    }
}
