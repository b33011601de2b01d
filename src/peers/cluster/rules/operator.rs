//! What operators want, as far as more follows from it than a slot's owner: CLUSTER MEET, FORGET, REPLICATE, FAILOVER,
//! RESET and the like; and what clients publish.

use std::net::IpAddr;

use super::Moment;
use crate::peers::cluster::election::Election;
use crate::peers::cluster::id::NodeId;
use crate::peers::cluster::message::{Body, Packet};
use crate::peers::cluster::node::{Address, Flags, Node, NodeKey};
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::state::State;

/// How a replica is to take its primary's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// With the primary's help: nothing is lost.
    Agreed,
    /// Without it, if most primaries agree.
    Force,
    /// Without anybody.
    Takeover,
}

impl State {
    /// CLUSTER MEET: begins to make a node known. Whether that was not under way already; `None` when there can be no
    /// node there.
    pub fn meet(&mut self, ip: &str, port: u16, bus_port: u16, moment: &mut Moment<'_>) -> Option<bool> {
        let ip: IpAddr = ip.parse().ok().filter(|_| port != 0 && bus_port != 0)?;
        let address = Address { ip: ip.to_string(), port, other_port: 0, bus_port };
        Some(self.begin_handshake(address, true, moment).is_some())
    }

    /// CLUSTER FORGET: forgets a node, and does not learn of it again for a while. The caller has seen that it is
    /// neither this one nor its primary.
    pub fn forget(&mut self, key: NodeKey, now_ms: i64) {
        let Some(id) = self.node(key).map(|node| node.id) else { return };
        self.ban(id, now_ms.saturating_add(self.settings.ban_ms));
        self.remove(key);
        self.outbox.changed(false);
    }

    /// CLUSTER REPLICATE: follows a primary. The caller has seen that this node has no slots and no data.
    pub fn replicate(&mut self, primary: NodeKey) {
        self.follow(primary);
        self.outbox.changed(false);
    }

    /// CLUSTER FAILOVER of a replica that knows its primary.
    pub fn fail_over(&mut self, how: Failover, moment: &mut Moment<'_>) {
        self.end_manual_failover();
        // Whatever came of an election before does not hold this one up.
        self.election = Election::default();
        self.manual.until_ms = moment.now_ms + self.settings.manual_failover_timeout_ms;
        match how {
            Failover::Takeover => {
                log::warn!("Taking over the master (user request).");
                self.bump_epoch();
                self.replace_primary(moment);
            }
            Failover::Force => {
                log::warn!("Forced failover user request accepted.");
                self.manual.can_start = true;
            }
            Failover::Agreed => {
                log::warn!("Manual failover user request accepted.");
                self.ask_to_hold_writes(moment);
            }
        }
        self.outbox.look_at_election |= how == Failover::Force;
    }

    /// CLUSTER SET-CONFIG-EPOCH: gives this node the epoch of its claim. The caller has seen that it has none and is
    /// alone.
    pub fn set_config_epoch(&mut self, epoch: u64) {
        self.myself_mut().config_epoch = epoch;
        self.current_epoch = self.current_epoch.max(epoch);
        log::warn!("configEpoch set to {epoch} via CLUSTER SET-CONFIG-EPOCH");
        self.outbox.changed(false);
    }

    /// CLUSTER RESET: forgets all nodes and slots; `hard`, also the name and the epochs.
    pub fn reset(&mut self, hard: bool, moment: &mut Moment<'_>) {
        let myself = self.myself;
        let was_replica = self.myself().is_replica();
        if was_replica {
            self.make_primary(myself);
            self.outbox.push(Action::Promote);
            self.outbox.push(Action::DropAllKeys);
        }
        self.migrating.clear();
        self.importing.clear();
        self.clear_strays();
        self.end_manual_failover();
        self.strip(myself);
        for key in self.nodes.keys() {
            self.remove(key);
        }
        if hard {
            self.current_epoch = 0;
            self.last_vote_epoch = 0;
            let id = NodeId::random(moment.random);
            self.nodes.rename(myself, id);
            self.myself_mut().config_epoch = 0;
            log::warn!("configEpoch set to 0 via CLUSTER RESET HARD");
            log::info!("Node hard reset, now I'm {id}");
        }
        if hard || was_replica {
            self.myself_mut().shard = NodeId::random(moment.random);
        }
        self.outbox.changed(true);
    }

    /// Asks all nodes to look at this one's claim at once.
    pub fn announce(&mut self, moment: &mut Moment<'_>) {
        let all = self.nodes.keys();
        self.pong(&all, moment);
    }

    /// Passes on what a client of this node has published: to all nodes, or to those of its shard.
    pub fn publish(&mut self, to_shard: bool, channel: &[u8], message: &[u8], moment: &Moment<'_>) {
        let shard = self.nodes.primary_of(self.myself);
        let is_meant = |key: NodeKey| !to_shard || self.nodes.primary_of(key) == shard;
        let reads_light = |node: &Node| node.flags.has(Flags::LIGHT_PUBLISH) && node.pong_received_ms != 0;
        let light = self.links_to(|key, node| is_meant(key) && reads_light(node));
        let whole = self.links_to(|key, node| is_meant(key) && !reads_light(node));
        let body = || Body::Publish { to_shard, channel: channel.to_vec(), message: message.to_vec() };
        if !light.is_empty() {
            self.outbox.push(Action::Send { to: light, packet: Packet::Light(body()) });
        }
        if !whole.is_empty() {
            self.send(whole, body(), moment);
        }
    }
}
