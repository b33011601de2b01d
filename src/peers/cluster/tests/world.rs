//! A world of nodes: time, a network that delays, loses and cuts off, and disks that keep `nodes.conf`.
//!
//! Everything follows from a seed. A link carries messages out of order, and loses some, which is worse than what
//! connections do; one that is begun across a partition fails, one that stands loses all that is sent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

use crate::config::Config;
use crate::db::slot::SLOTS;
use crate::peers::cluster::link::Ends;
use crate::peers::cluster::message::decode::decode;
use crate::peers::cluster::message::{Body, Packet};
use crate::peers::cluster::node::{Address, LinkId, NodeKey};
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::rules::{Local, Moment, TICK_MS};
use crate::peers::cluster::{NodeId, Settings, SlotSet, State};
use crate::util::random::Random;

pub const NODE_TIMEOUT_MS: i64 = 2000;
/// Unix milliseconds when the world begins.
const BEGINNING_MS: i64 = 1_700_000_000_000;
const PORT: u16 = 7000;

/// What happens at a time.
enum Event {
    Tick(usize),
    /// Bytes for a node by one of its links.
    Arrive {
        node: usize,
        life: u64,
        link: LinkId,
        bytes: Vec<u8>,
    },
    /// A link that was begun stands, or does not.
    Begun {
        node: usize,
        life: u64,
        link: LinkId,
        to: Option<usize>,
    },
    /// A node sees that a link is gone.
    Gone {
        node: usize,
        life: u64,
        link: LinkId,
    },
}

/// A node with what it has besides its knowledge.
pub struct Simulated {
    /// `None` while it is down.
    pub state: Option<State>,
    /// What is on its disk.
    conf: String,
    /// How often it has been started.
    life: u64,
    settings: Settings,
    /// Whom it replicates, and how far.
    follows: Option<usize>,
    pub offset: i64,
    heard_ms: i64,
    /// The other ends of its links.
    peers: HashMap<LinkId, (usize, LinkId)>,
    /// It holds writes.
    pub holds_writes: bool,
}

/// All of them.
pub struct World {
    pub now_ms: i64,
    pub random: Random,
    pub nodes: Vec<Simulated>,
    /// Messages lost, of a thousand.
    pub loss: u64,
    /// The longest a message takes, in milliseconds.
    pub delay_max_ms: u64,
    /// The side each node is on; those on different ones do not reach each other.
    pub sides: Vec<u8>,
    events: BinaryHeap<Reverse<(i64, u64)>>,
    what: BTreeMap<u64, Event>,
    next_event: u64,
    /// Votes given: by whom, in which epoch.
    votes: HashSet<(NodeId, u64)>,
    /// What must not be and was.
    pub faults: Vec<String>,
    by_id: HashMap<NodeId, usize>,
}

impl World {
    /// So many nodes that do not know each other.
    pub fn new(seed: u64, count: usize) -> World {
        let mut world = World {
            now_ms: BEGINNING_MS,
            random: Random::from_seed(seed),
            nodes: Vec::new(),
            loss: 0,
            delay_max_ms: 5,
            sides: vec![0; count],
            events: BinaryHeap::new(),
            what: BTreeMap::new(),
            next_event: 0,
            votes: HashSet::new(),
            faults: Vec::new(),
            by_id: HashMap::new(),
        };
        for index in 0..count {
            let config = Config { cluster_node_timeout_ms: NODE_TIMEOUT_MS, port: PORT, ..Config::default() };
            let settings = Settings::new(&config);
            let mut state = State::new(settings.clone(), world.now_ms, &mut world.random);
            state.myself_mut().address.ip = ip(index);
            world.by_id.insert(state.myself().id, index);
            world.nodes.push(Simulated {
                conf: state.to_nodes_conf(),
                state: Some(state),
                life: 0,
                settings,
                follows: None,
                offset: 0,
                heard_ms: world.now_ms,
                peers: HashMap::new(),
                holds_writes: false,
            });
            let first_ms = world.random.below(TICK_MS as u64) as i64;
            world.at(first_ms, Event::Tick(index));
        }
        world
    }

    /// A cluster of so many primaries, each with its share of the slots and so many replicas; in which every node knows
    /// all.
    pub fn cluster(seed: u64, primaries: usize, replicas: usize) -> World {
        let mut world = World::new(seed, primaries * (1 + replicas));
        for index in 1..world.nodes.len() {
            world.with(index, |state, moment| state.meet(&ip(0), PORT, PORT + 10_000, moment));
        }
        for index in 0..primaries {
            let slots = index * SLOTS / primaries..(index + 1) * SLOTS / primaries;
            world.with(index, |state, _| {
                state.set_config_epoch(index as u64 + 1);
                slots.for_each(|slot| state.assign(slot as u16, state.my_key()));
            });
        }
        let all = world.nodes.len();
        world.run_until(60_000, |world| world.nodes.iter().all(|node| named(node) == all));
        for index in primaries..all {
            let primary = world.id(index % primaries);
            world.with(index, |state, _| {
                let key = state.nodes().find(&primary).expect("a known node");
                state.replicate(key);
            });
        }
        world.run_until(60_000, |world| world.disagreement().is_none());
        world
    }

    fn at(&mut self, in_ms: i64, event: Event) {
        self.next_event += 1;
        self.events.push(Reverse((self.now_ms + in_ms, self.next_event)));
        self.what.insert(self.next_event, event);
    }

    /// The name of a node.
    pub fn id(&self, index: usize) -> NodeId {
        self.state(index).myself().id
    }

    /// What a node knows.
    pub fn state(&self, index: usize) -> &State {
        self.nodes[index].state.as_ref().expect("a node that is up")
    }

    /// Nodes that are up.
    pub fn up(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|index| self.nodes[*index].state.is_some()).collect()
    }

    /// Has something happen to a node, and does what it wants done.
    pub fn with<T>(&mut self, index: usize, work: impl FnOnce(&mut State, &mut Moment<'_>) -> T) -> T {
        let mut state = self.nodes[index].state.take().expect("a node that is up");
        let node = &self.nodes[index];
        let local = Local {
            offset: node.offset,
            data_age_ms: self.now_ms - node.heard_ms,
            follows: node.follows.is_some(),
            holds_writes: node.holds_writes,
        };
        let epoch = state.current_epoch();
        let mut moment = Moment { now_ms: self.now_ms, random: &mut self.random, local };
        let done = work(&mut state, &mut moment);
        state.settle(&mut moment);
        if state.current_epoch() < epoch {
            self.faults.push(format!("the epoch of node {index} went back from {epoch}"));
        }
        if state.outbox.take_save().is_some() {
            self.nodes[index].conf = state.to_nodes_conf();
        }
        let actions = state.outbox.take_actions();
        state.take_reassigned();
        self.nodes[index].state = Some(state);
        actions.into_iter().for_each(|action| self.act(index, action));
        done
    }

    fn act(&mut self, index: usize, action: Action) {
        match action {
            Action::Send { to, packet } => {
                if let Packet::Whole(message) = &packet
                    && message.body == Body::AuthAck
                    && !self.votes.insert((message.header.sender, message.header.current_epoch))
                {
                    self.faults
                        .push(format!("{} voted twice in {}", message.header.sender, message.header.current_epoch));
                }
                let bytes = packet.encode();
                for link in to {
                    self.transmit(index, link, &bytes);
                }
            }
            Action::Connect { link, node } => self.begin(index, link, node),
            Action::Close(link) => self.hang_up(index, link),
            Action::Follow(primary) => {
                let primary = self.state(index).node(primary).and_then(|node| self.by_id.get(&node.id).copied());
                self.nodes[index].follows = primary;
            }
            Action::Promote => self.nodes[index].follows = None,
            Action::HoldWrites(holds) => {
                self.nodes[index].holds_writes = holds;
                if holds {
                    self.with(index, State::writes_held);
                }
            }
            Action::DropKeys(_) | Action::DropAllKeys | Action::Deliver(_) => {}
        }
    }

    fn reaches(&self, one: usize, other: usize) -> bool {
        self.sides[one] == self.sides[other]
    }

    fn delay_ms(&mut self) -> i64 {
        1 + self.random.below(self.delay_max_ms) as i64
    }

    fn transmit(&mut self, from: usize, link: LinkId, bytes: &[u8]) {
        let Some((to, their)) = self.nodes[from].peers.get(&link).copied() else { return };
        if self.reaches(from, to) && self.random.below(1000) >= self.loss {
            let (delay_ms, life) = (self.delay_ms(), self.nodes[to].life);
            self.at(delay_ms, Event::Arrive { node: to, life, link: their, bytes: bytes.to_vec() });
        }
    }

    fn begin(&mut self, index: usize, link: LinkId, node: NodeKey) {
        let Address { ip, .. } = &self.state(index).node(node).expect("a known node").address;
        let to = ip.rsplit('.').next().and_then(|last| last.parse::<usize>().ok()).map(|number| number - 1);
        let to = to.filter(|to| *to < self.nodes.len() && self.reaches(index, *to) && self.nodes[*to].state.is_some());
        let (delay_ms, life) = (self.delay_ms() + if to.is_some() { 0 } else { 200 }, self.nodes[index].life);
        self.at(delay_ms, Event::Begun { node: index, life, link, to });
    }

    fn hang_up(&mut self, index: usize, link: LinkId) {
        if let Some((to, their)) = self.nodes[index].peers.remove(&link) {
            self.nodes[to].peers.remove(&their);
            let (delay_ms, life) = (self.delay_ms(), self.nodes[to].life);
            self.at(delay_ms, Event::Gone { node: to, life, link: their });
        }
    }

    /// Ends a node, at once. Its disk stays as it is.
    pub fn kill(&mut self, index: usize) {
        let links: Vec<LinkId> = self.nodes[index].peers.keys().copied().collect();
        let mut links = links;
        links.sort();
        links.into_iter().for_each(|link| self.hang_up(index, link));
        let node = &mut self.nodes[index];
        (node.state, node.follows, node.holds_writes) = (None, None, false);
        node.life += 1;
    }

    /// Starts it again, from its disk.
    pub fn start(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let settings = node.settings.clone();
        let state = State::from_nodes_conf(&node.conf, settings, self.now_ms, &mut self.random);
        node.state = Some(state.expect("a sound file"));
        node.heard_ms = self.now_ms;
    }

    /// Lets time pass.
    pub fn run(&mut self, for_ms: i64) {
        let end_ms = self.now_ms + for_ms;
        while let Some(Reverse((time_ms, number))) =
            self.events.peek().copied().filter(|Reverse((time, _))| *time <= end_ms)
        {
            self.events.pop();
            self.now_ms = time_ms;
            let event = self.what.remove(&number).expect("what happens then");
            self.happen(event);
        }
        self.now_ms = end_ms;
    }

    /// Lets time pass until something is so.
    ///
    /// # Panics
    /// When that takes longer than it may.
    pub fn run_until(&mut self, within_ms: i64, is_so: impl Fn(&World) -> bool) {
        let begun_ms = self.now_ms;
        while !is_so(self) {
            assert!(self.now_ms - begun_ms < within_ms, "it did not come: {:?}", self.disagreement());
            self.run(100);
        }
    }

    fn happen(&mut self, event: Event) {
        let lives =
            |world: &World, node: usize, life: u64| world.nodes[node].life == life && world.nodes[node].state.is_some();
        match event {
            Event::Tick(index) => {
                self.at(TICK_MS, Event::Tick(index));
                if self.nodes[index].state.is_some() {
                    self.replicate(index);
                    self.with(index, State::tick);
                }
            }
            Event::Arrive { node, life, link, bytes } if lives(self, node, life) => {
                let packet: Packet = decode(&bytes).expect("what was sent is a message");
                self.with(node, |state, moment| state.receive(link, packet, moment));
            }
            Event::Begun { node, life, link, to } if lives(self, node, life) => {
                let Some(to) = to.filter(|to| self.reaches(node, *to) && self.nodes[*to].state.is_some()) else {
                    return self.with(node, |state, moment| state.closed(link, moment.now_ms));
                };
                let ends = Ends { peer_ip: Some(ip(node)), own_ip: Some(ip(to)) };
                let their = self.with(to, |state, moment| state.accepted(ends, moment.now_ms));
                self.nodes[node].peers.insert(link, (to, their));
                self.nodes[to].peers.insert(their, (node, link));
                self.with(node, |state, moment| state.connected(link, moment));
            }
            Event::Gone { node, life, link } if lives(self, node, life) => {
                self.with(node, |state, moment| state.closed(link, moment.now_ms));
            }
            Event::Arrive { .. } | Event::Begun { .. } | Event::Gone { .. } => {}
        }
    }

    /// Writes come to primaries, and replicas follow.
    fn replicate(&mut self, index: usize) {
        match self.nodes[index].follows {
            Some(primary) if self.reaches(index, primary) && self.nodes[primary].state.is_some() => {
                self.nodes[index].offset = self.nodes[primary].offset;
                self.nodes[index].heard_ms = self.now_ms;
            }
            None if self.state(index).myself().is_primary() && !self.nodes[index].holds_writes => {
                self.nodes[index].offset += self.random.below(100) as i64;
            }
            _ => {}
        }
    }

    /// Two primaries that claim a slot in one epoch: what must never be.
    pub fn check_claims(&mut self) {
        let claims: Vec<(usize, u64, &State)> = self
            .up()
            .into_iter()
            .map(|index| (index, self.state(index)))
            .filter(|(_, state)| state.myself().votes())
            .map(|(index, state)| (index, state.myself().config_epoch, state))
            .collect();
        let mut faults = Vec::new();
        for (place, (one, epoch, state)) in claims.iter().enumerate() {
            for (other, _, their) in claims[place + 1..].iter().filter(|(_, theirs, _)| theirs == epoch) {
                if let Some(slot) = state.myself().slots().iter().find(|slot| their.myself().slots().has(*slot)) {
                    faults.push(format!("nodes {one} and {other} both have slot {slot} in epoch {epoch}"));
                }
            }
        }
        self.faults.extend(faults);
    }

    /// In what the nodes that are up do not agree, or what is not well; `None` if there is no such thing.
    pub fn disagreement(&self) -> Option<String> {
        let up = self.up();
        let view = |index: usize| -> BTreeMap<NodeId, SlotSet> {
            let owners = self.state(index).nodes().iter().filter(|(_, node)| !node.slots().is_empty());
            owners.map(|(_, node)| (node.id, node.slots().clone())).collect()
        };
        let first = view(*up.first()?);
        if first.values().map(SlotSet::len).sum::<usize>() != SLOTS {
            return Some(format!("not all slots have owners: {first:?}"));
        }
        for index in up {
            let state = self.state(index);
            if !state.is_ok() {
                return Some(format!("node {index} is not ok: {:?}", state.health()));
            }
            if let Some((_, node)) = state.nodes().iter().find(|(_, node)| node.in_handshake()) {
                return Some(format!("node {index} still shakes hands with {:?}", node.address));
            }
            let theirs = view(index);
            if theirs != first {
                return Some(format!("node {index} gives slots to {theirs:?}, another to {first:?}"));
            }
            let role = |state: &State, key: NodeKey| {
                let node = state.node(key).filter(|node| node.is_replica())?;
                node.primary().and_then(|primary| state.node(primary)).map(|primary| primary.id)
            };
            for other in self.up() {
                let theirs = self.state(other);
                let told = state.nodes().find(&theirs.myself().id).and_then(|key| role(state, key));
                if told != role(theirs, theirs.my_key()) {
                    return Some(format!("node {index} is wrong about whom node {other} follows: {told:?}"));
                }
                let shard = |state: &State| state.find(theirs.myself().id.as_bytes()).map(|(_, node)| node.shard);
                if shard(state) != shard(theirs) {
                    return Some(format!("node {index} is wrong about the shard of node {other}"));
                }
            }
            if state.myself().is_replica() && state.my_primary().is_none_or(|(_, primary)| !primary.is_primary()) {
                return Some(format!("node {index} follows no primary"));
            }
        }
        None
    }
}

/// How many nodes a node knows by name.
fn named(node: &Simulated) -> usize {
    node.state.as_ref().map_or(0, |state| state.nodes().iter().filter(|(_, node)| !node.in_handshake()).count())
}

/// Where a node is.
pub fn ip(index: usize) -> String {
    format!("10.0.0.{}", index + 1)
}
