//! What a node knows of its cluster, and the parts of it that stand for themselves: health, epochs, counters.
//!
//! Nothing here knows sockets or the clock: times are given, and what is to be sent or done is left in [`Outbox`].

use std::collections::BTreeMap;

use super::election::Election;
use super::id::NodeId;
use super::link::Link;
use super::manual::Manual;
use super::message::{KINDS, Kind};
use super::node::{Flags, LinkId, Node, NodeKey};
use super::nodes::Nodes;
use super::outbox::Outbox;
use super::settings::Settings;
use super::slots::SlotSet;
use crate::util::random::Random;

/// Whether the cluster can serve, as this node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Ok,
    /// It cannot.
    Fail(Reason),
}

/// Why the cluster cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// This node has just started: the others may have news for it.
    Starting,
    /// A slot has no node, or one that failed.
    Uncovered(u16),
    /// Most primaries cannot be reached.
    Minority,
}

/// What is counted.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Messages sent, by kind.
    pub sent: [u64; KINDS],
    /// Messages received, by kind.
    pub received: [u64; KINDS],
    /// Bytes of those sent, by kind.
    pub bytes_sent: [u64; KINDS],
    /// Bytes of those received, by kind.
    pub bytes_received: [u64; KINDS],
    /// Links dropped since too much waited to be sent.
    pub links_over_limit: u64,
}

/// What a node knows of its cluster.
#[derive(Debug)]
pub struct State {
    /// What the directives say.
    pub settings: Settings,
    /// All nodes, this one among them, and the owners of slots.
    pub(super) nodes: Nodes,
    pub(super) myself: NodeKey,
    /// Slots of this node on their way to others,
    pub(super) migrating: BTreeMap<u16, NodeKey>,
    /// and slots of others on their way here.
    pub(super) importing: BTreeMap<u16, NodeKey>,
    /// Slots that the owner has ceased to claim while nobody else has claimed them yet: of these others are not told.
    pub(super) given_up: SlotSet,
    /// Slots of others of which there are keys here that count for nothing,
    pub(super) strays: SlotSet,
    /// and whether these are others than before.
    pub(super) strays_changed: bool,
    /// Slots whose owner has changed since [`State::take_reassigned`].
    pub(super) reassigned: SlotSet,
    /// The epoch of the cluster.
    pub(super) current_epoch: u64,
    /// The epoch of the last vote given.
    pub(super) last_vote_epoch: u64,
    pub(super) health: Health,
    /// How many nodes vote.
    pub(super) voters: usize,
    /// When the health was looked at first, and when this node was last in a minority.
    pub(super) first_look_ms: Option<i64>,
    pub(super) minority_ms: i64,
    /// Nodes that were forgotten, and until when they are to stay so.
    pub(super) banned: BTreeMap<NodeId, i64>,
    /// What a replica remembers of its election.
    pub(super) election: Election,
    /// What both sides remember of a manual failover.
    pub(super) manual: Manual,
    /// The connections of the bus,
    pub(super) links: BTreeMap<LinkId, Link>,
    /// and the name of the next one.
    pub(super) next_link: u64,
    /// Rounds of [`State::tick`].
    pub(super) ticks: u64,
    /// Messages of this kind are not taken in: DEBUG DROP-CLUSTER-PACKET-FILTER.
    pub dropped_kind: Option<Kind>,
    /// What is counted.
    pub counters: Counters,
    /// What is to be sent or done.
    pub outbox: Outbox,
}

impl State {
    /// A node alone, with a name by chance.
    pub fn new(settings: Settings, now_ms: i64, random: &mut Random) -> State {
        let mut flags = Flags::MYSELF;
        flags.set(Flags::PRIMARY, true);
        let mut nodes = Nodes::default();
        let node = Node::new(NodeId::random(random), NodeId::random(random), flags, now_ms);
        let myself = nodes.add(node);
        State::with(settings, nodes, myself)
    }

    /// A node that knows others already.
    pub(super) fn with(settings: Settings, nodes: Nodes, myself: NodeKey) -> State {
        let mut state = State {
            settings: settings.clone(),
            nodes,
            myself,
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            given_up: SlotSet::default(),
            strays: SlotSet::default(),
            strays_changed: false,
            reassigned: SlotSet::default(),
            current_epoch: 0,
            last_vote_epoch: 0,
            health: Health::Fail(Reason::Starting),
            voters: 1,
            first_look_ms: None,
            minority_ms: 0,
            banned: BTreeMap::new(),
            election: Election::default(),
            manual: Manual::default(),
            links: BTreeMap::new(),
            next_link: 0,
            ticks: 0,
            dropped_kind: None,
            counters: Counters::default(),
            outbox: Outbox::default(),
        };
        state.set_settings(settings);
        state
    }

    /// Takes over what the directives say now.
    pub fn set_settings(&mut self, settings: Settings) {
        let former_ip = std::mem::replace(&mut self.settings, settings).address.ip;
        let settings = self.settings.clone();
        let node = self.myself_mut();
        let flags = node.flags;
        node.flags.set(Flags::NO_FAILOVER, settings.no_failover);
        node.flags.set(Flags::LIGHT_PUBLISH, true);
        let changed = node.flags != flags;
        // An address that was found out stays, one that was announced goes with the directive.
        let ip = if settings.address.ip.is_empty() && former_ip.is_empty() {
            node.address.ip.clone()
        } else {
            settings.address.ip.clone()
        };
        node.address = settings.address;
        node.address.ip = ip;
        node.announced = settings.announced;
        node.hostname = settings.hostname;
        node.human_name = settings.human_name;
        if changed {
            self.outbox.changed(false);
        }
    }

    /// All nodes.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// A node by its key.
    pub fn node(&self, key: NodeKey) -> Option<&Node> {
        self.nodes.get(key)
    }

    /// A node by its name, as a client gives it.
    pub fn find(&self, name: &[u8]) -> Option<(NodeKey, &Node)> {
        let key = self.nodes.find(&NodeId::from_bytes(name)?)?;
        Some((key, self.nodes.get(key)?))
    }

    /// The key of this node.
    #[inline]
    pub fn my_key(&self) -> NodeKey {
        self.myself
    }

    /// This node.
    pub fn myself(&self) -> &Node {
        self.nodes.get(self.myself).expect("this node is known")
    }

    /// The same.
    pub(super) fn myself_mut(&mut self) -> &mut Node {
        self.nodes.get_mut(self.myself).expect("this node is known")
    }

    /// The primary this node follows, if it does and that is known.
    pub fn my_primary(&self) -> Option<(NodeKey, &Node)> {
        let key = self.myself().primary.filter(|_| self.myself().is_replica())?;
        Some((key, self.nodes.get(key)?))
    }

    /// The node that has a slot.
    #[inline]
    pub fn owner(&self, slot: u16) -> Option<NodeKey> {
        self.nodes.owner(slot)
    }

    /// Whether this node has a slot: as a primary, it takes reads and writes of it.
    #[inline]
    pub fn is_mine(&self, slot: u16) -> bool {
        self.nodes.owner(slot) == Some(self.myself)
    }

    /// Whether a slot belongs to this node's shard: a replica may read it for READONLY clients.
    pub fn is_of_my_shard(&self, slot: u16) -> bool {
        self.nodes.owner(slot).is_some_and(|owner| Some(owner) == self.nodes.primary_of(self.myself))
    }

    /// Where a slot of this node is on its way to.
    #[inline]
    pub fn migrating_to(&self, slot: u16) -> Option<NodeKey> {
        if self.migrating.is_empty() { None } else { self.migrating.get(&slot).copied() }
    }

    /// Where a slot is on its way here from.
    #[inline]
    pub fn importing_from(&self, slot: u16) -> Option<NodeKey> {
        if self.importing.is_empty() { None } else { self.importing.get(&slot).copied() }
    }

    /// Notes where a slot of this node is on its way to, or that it stays.
    pub fn set_migrating(&mut self, slot: u16, to: Option<NodeKey>) {
        match to {
            Some(to) => self.migrating.insert(slot, to),
            None => self.migrating.remove(&slot),
        };
        self.outbox.changed(false);
    }

    /// Notes where a slot is on its way here from, or that it is not.
    pub fn set_importing(&mut self, slot: u16, from: Option<NodeKey>) {
        match from {
            Some(from) => self.importing.insert(slot, from),
            None => self.importing.remove(&slot),
        };
        self.outbox.changed(false);
    }

    /// Gives a slot to a node, as an operator wants it.
    pub fn assign(&mut self, slot: u16, key: NodeKey) {
        self.give(slot, key);
        self.outbox.changed(false);
    }

    /// Takes a slot from whoever has it, as an operator wants it.
    pub fn unassign(&mut self, slot: u16) {
        if self.nodes.unassign(slot).is_some() {
            self.note_reassigned(slot);
        }
        self.outbox.changed(false);
    }

    /// Gives a slot to a node.
    pub(super) fn give(&mut self, slot: u16, key: NodeKey) {
        if self.nodes.owner(slot) == Some(key) {
            return;
        }
        if self.is_mine(slot) {
            self.migrating.remove(&slot);
        }
        if self.nodes.primary_of(self.myself) == Some(key) {
            self.end_stray(slot);
        }
        let is_first = self.nodes.get(key).is_some_and(|node| node.slots.is_empty());
        self.nodes.assign(slot, key);
        self.note_reassigned(slot);
        // A new primary may get replicas of others, if there are any at all.
        if is_first
            && self.nodes.iter().any(|(_, node)| !node.replicas.is_empty())
            && let Some(node) = self.nodes.get_mut(key)
        {
            node.flags.set(Flags::MIGRATE_TO, true);
        }
    }

    /// Takes all slots from a node.
    pub(super) fn strip(&mut self, key: NodeKey) {
        for slot in self.nodes.unassign_all(key).iter() {
            self.note_reassigned(slot);
        }
    }

    /// A slot has another owner, or none any more: whether the former one has given it up says nothing now.
    fn note_reassigned(&mut self, slot: u16) {
        self.given_up.remove(slot);
        self.reassigned.insert(slot);
    }

    /// Slots whose owner has changed since the last call: keys, channels and clients that wait may have to go.
    pub fn take_reassigned(&mut self) -> SlotSet {
        std::mem::take(&mut self.reassigned)
    }

    /// The connections of the bus.
    pub fn links(&self) -> &BTreeMap<LinkId, Link> {
        &self.links
    }

    /// Whether the cluster can serve.
    #[cfg(test)]
    pub fn health(&self) -> Health {
        self.health
    }

    /// Whether it can.
    #[inline]
    pub fn is_ok(&self) -> bool {
        self.health == Health::Ok
    }

    /// How many nodes have slots, and so vote.
    pub fn size(&self) -> usize {
        self.voters
    }

    /// The epoch of the cluster.
    pub fn current_epoch(&self) -> u64 {
        self.current_epoch
    }

    /// The epoch of the last vote given.
    #[cfg(test)]
    pub fn last_vote_epoch(&self) -> u64 {
        self.last_vote_epoch
    }

    /// The epoch of this node's claim, or of its primary's.
    pub fn my_epoch(&self) -> u64 {
        self.my_primary().map_or(self.myself().config_epoch, |(_, primary)| primary.config_epoch)
    }
}
