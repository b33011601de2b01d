//! What anybody may send: whatever it is and whoever it claims to be from, a node goes on, and what it has learned can be
//! written and read again.

use super::world::World;
use crate::peers::cluster::link::Ends;
use crate::peers::cluster::message::decode::decode;
use crate::peers::cluster::message::{Body, Extension, Gossip, Header, KINDS, Marks, Message, Packet, PingKind};
use crate::peers::cluster::node::{Address, Flags, LinkId};
use crate::peers::cluster::{NodeId, SlotSet, State};
use crate::util::random::{Random, entropy};

const MESSAGES: usize = 3000;

/// Makes messages of all kinds about nodes that exist and nodes that do not.
struct Forger {
    random: Random,
    ids: Vec<NodeId>,
}

impl Forger {
    fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit as u64) as usize
    }

    /// Mostly somebody who is known.
    fn id(&mut self) -> NodeId {
        let at = self.below(self.ids.len() + 2);
        self.ids.get(at).copied().unwrap_or_else(|| NodeId::random(&mut self.random))
    }

    /// Small ones, the greatest, and any.
    fn number(&mut self) -> u64 {
        let any = self.random.below(u64::MAX);
        [0, 1, 7, u64::MAX, i64::MAX as u64, 1 << 62, any, any >> 40][self.below(8)]
    }

    fn address(&mut self) -> Address {
        let ip = ["", "127.0.0.1", "10.0.0.9", "::1", "nonsense", "%s"][self.below(6)].to_owned();
        let mut port = || self.number() as u16;
        Address { ip, port: port(), other_port: port(), bus_port: port() }
    }

    fn slots(&mut self) -> SlotSet {
        let count = [0, 1, 30, 16384][self.below(4)];
        (0..count).map(|_| self.random.below(16384) as u16).collect()
    }

    fn flags(&mut self) -> Flags {
        Flags(self.number() as u16)
    }

    fn extension(&mut self) -> Extension {
        match self.below(5) {
            0 => Extension::Hostname(["", "host.example", "a-b"][self.below(3)].to_owned()),
            1 => Extension::HumanName(["", "somebody"][self.below(2)].to_owned()),
            2 => Extension::Forgotten { id: self.id(), seconds: self.number() },
            3 => Extension::Shard(self.id()),
            _ => Extension::Other { kind: self.number() as u16 | 8, data: vec![b'1'; self.below(9) * 8] },
        }
    }

    fn gossip(&mut self) -> Gossip {
        Gossip {
            id: self.id(),
            ping_sent_s: self.number() as u32,
            pong_received_s: self.number() as u32,
            address: self.address(),
            flags: self.flags(),
        }
    }

    fn body(&mut self) -> Body {
        match self.below(KINDS) {
            0..=2 => Body::Ping {
                kind: [PingKind::Ping, PingKind::Pong, PingKind::Meet][self.below(3)],
                gossip: (0..self.below(5)).map(|_| self.gossip()).collect(),
                extensions: (0..self.below(4)).map(|_| self.extension()).collect(),
            },
            3 => Body::Fail(self.id()),
            4 | 5 => Body::Publish {
                to_shard: self.below(2) == 0,
                channel: vec![b'c'; self.below(20)],
                message: vec![b'm'; self.below(200)],
            },
            6 => Body::AuthRequest,
            7 => Body::AuthAck,
            8 => Body::Update { config_epoch: self.number(), id: self.id(), slots: self.slots() },
            9 => Body::ManualStart,
            _ => Body::Module { module: [7; 8], kind: 1, payload: vec![0; self.below(50)] },
        }
    }

    fn packet(&mut self) -> Packet {
        let body = self.body();
        if matches!(body, Body::Publish { .. }) && self.below(2) == 0 {
            return Packet::Light(body);
        }
        let mut marks = Marks([self.number() as u8, 0, 0]);
        marks.set(Marks::EXTENSIONS);
        let header = Header {
            sender: self.id(),
            current_epoch: self.number(),
            config_epoch: self.number(),
            offset: self.number() as i64,
            slots: self.slots(),
            primary: (self.below(2) == 0).then(|| self.id()),
            address: self.address(),
            flags: self.flags(),
            is_down: self.below(2) == 0,
            marks,
        };
        Packet::Whole(Box::new(Message { header, body }))
    }

    /// Bytes of a message, some of them others.
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = self.packet().encode();
        if self.below(3) == 0 {
            for _ in 0..1 + self.below(6) {
                let at = self.below(bytes.len());
                bytes[at] = self.number() as u8;
            }
        }
        bytes
    }
}

/// A node of a cluster is sent forged messages: by links that somebody known began, by its own, and by strangers.
fn forge(seed: u64) {
    let mut world = World::cluster(seed, 3, 1);
    let ids: Vec<NodeId> = (0..world.nodes.len()).map(|index| world.id(index)).collect();
    let mut forger = Forger { random: Random::from_seed(seed), ids };
    for index in [0, 3] {
        let ends = Ends { peer_ip: Some("127.0.0.9".to_owned()), own_ip: Some("127.0.0.1".to_owned()) };
        for _ in 0..MESSAGES {
            let bytes = forger.bytes();
            let Ok(packet) = decode(&bytes) else { continue };
            let choice = forger.below(4);
            let ends = ends.clone();
            let pick = forger.below(64);
            world.with(index, |state, moment| {
                let links: Vec<LinkId> = state.links().keys().copied().collect();
                let link = match choice {
                    0 => state.accepted(ends, moment.now_ms),
                    _ if links.is_empty() => LinkId(u64::MAX),
                    _ => links[pick % links.len()],
                };
                state.receive(link, packet, moment);
            });
        }
        check(world.state(index));
        // The rules go on with what they were told.
        world.run(5000);
        check(world.state(index));
    }
}

/// What a node knows can be written and read again, and it is still itself.
fn check(state: &State) {
    let text = state.to_nodes_conf();
    let read = State::from_nodes_conf(&text, state.settings.clone(), 0, &mut Random::from_seed(1));
    let read = read.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(read.myself().id, state.myself().id);
    assert_eq!(read.myself().slots(), state.myself().slots());
}

#[test]
fn no_forged_message_stops_a_node_or_spoils_its_file() {
    let seed = std::env::var("OXIDIS_CLUSTER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(entropy);
    println!("OXIDIS_CLUSTER_SEED={seed}");
    forge(seed);
}
