//! Messages of the bus, as Redis 7.0 lays them out, and what later versions added within that.
//!
//! ```text
//!    0 "RCmb"                 16 current epoch       40 sender         2168 ip, 46 bytes      2250 flags
//!    4 length of all          24 config epoch        80 slots, a bit   2214 extensions        2252 1 if the cluster is
//!    8 version: 1             32 offset in the          each           2216 30 unused              down for the sender
//!   10 port                      history           2128 primary, or    2246 other port        2253 three bytes of marks
//!   12 kind                                             zeros          2248 port of the bus   2256 what the kind has
//!   14 gossip entries
//! ```
//! All numbers are big-endian. PING, PONG and MEET have entries of 104 bytes about other nodes, then extensions of a
//! length, a kind and data, each padded to 8 bytes. A light message (Valkey 8.1) has the first 16 bytes alone before
//! what the kind has, and is known by the highest bit of its kind.
//!
//! [`Packet::encode`] and [`decode`](decode::decode) are each other's opposite. Nothing is believed that a length says
//! until the bytes are there.

pub mod decode;
mod encode;

use std::fmt;

use super::id::NodeId;
use super::node::{Address, Flags};
use super::slots::SlotSet;

/// Before what the kind has.
pub const HEADER_BYTES: usize = 2256;
/// The same of a light message.
pub const LIGHT_HEADER_BYTES: usize = 16;
/// What each begins with.
const SIGNATURE: &[u8; 4] = b"RCmb";
const VERSION: u16 = 1;
/// In the kind of a message with a short header.
const LIGHT: u16 = 1 << 15;
const GOSSIP_BYTES: usize = 104;
const IP_BYTES: usize = 46;
const EXTENSION_HEADER_BYTES: usize = 8;

/// How many kinds of messages there are.
pub const KINDS: usize = 11;

/// What a message is, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ping,
    Pong,
    Meet,
    Fail,
    Publish,
    AuthRequest,
    AuthAck,
    Update,
    ManualStart,
    Module,
    PublishShard,
}

impl Kind {
    /// All, each at the place of its number.
    pub const ALL: [Kind; KINDS] = [
        Kind::Ping,
        Kind::Pong,
        Kind::Meet,
        Kind::Fail,
        Kind::Publish,
        Kind::AuthRequest,
        Kind::AuthAck,
        Kind::Update,
        Kind::ManualStart,
        Kind::Module,
        Kind::PublishShard,
    ];

    /// Its name in CLUSTER INFO.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ping => "ping",
            Kind::Pong => "pong",
            Kind::Meet => "meet",
            Kind::Fail => "fail",
            Kind::Publish => "publish",
            Kind::AuthRequest => "auth-req",
            Kind::AuthAck => "auth-ack",
            Kind::Update => "update",
            Kind::ManualStart => "mfstart",
            Kind::Module => "module",
            Kind::PublishShard => "publishshard",
        }
    }
}

/// Marks of a message, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(pub [u8; 3]);

impl Marks {
    /// The sender holds writes for a manual failover.
    pub const PAUSED: u8 = 1;
    /// A vote is wanted though the primary works.
    pub const FORCE: u8 = 1 << 1;
    /// There are extensions, or the sender would read some.
    pub const EXTENSIONS: u8 = 1 << 2;

    /// Whether a mark is there.
    pub fn has(self, mark: u8) -> bool {
        self.0[0] & mark != 0
    }

    /// Sets a mark.
    pub fn set(&mut self, mark: u8) {
        self.0[0] |= mark;
    }
}

/// What a node says of itself in each message.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Its name.
    pub sender: NodeId,
    /// The epoch of the cluster.
    pub current_epoch: u64,
    /// The epoch of its claim, or of its primary's.
    pub config_epoch: u64,
    /// How far it is in its history.
    pub offset: i64,
    /// Its slots, or its primary's.
    pub slots: SlotSet,
    /// The primary it follows.
    pub primary: Option<NodeId>,
    /// Where it is; without an address, where it is seen.
    pub address: Address,
    /// What it is.
    pub flags: Flags,
    /// The cluster is down, as it sees it.
    pub is_down: bool,
    /// See there.
    pub marks: Marks,
}

/// What a node says of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gossip {
    /// Its name.
    pub id: NodeId,
    /// When it was pinged without an answer yet, in Unix seconds; 0 if it was not.
    pub ping_sent_s: u32,
    /// When it answered last.
    pub pong_received_s: u32,
    /// Where it is.
    pub address: Address,
    /// What it is.
    pub flags: Flags,
}

/// What a node says of itself beyond that, if the receiver reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// The name of its host.
    Hostname(String),
    /// What people call it.
    HumanName(String),
    /// A node that is to be forgotten for so many seconds.
    Forgotten { id: NodeId, seconds: u64 },
    /// The name of its shard.
    Shard(NodeId),
    /// Where clients that come by IPv4 are told that it is,
    ClientIpv4(String),
    /// and those by IPv6,
    ClientIpv6(String),
    /// by which port,
    ClientPort(u16),
    /// and by which with TLS.
    ClientTlsPort(u16),
    /// Something else, by its number.
    Other { kind: u16, data: Vec<u8> },
}

/// Which of three messages of the same content it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingKind {
    /// To be answered.
    Ping,
    /// The answer, or news.
    Pong,
    /// To be answered, by making the sender known.
    Meet,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Signs of life, with what the sender knows of others.
    Ping { kind: PingKind, gossip: Vec<Gossip>, extensions: Vec<Extension> },
    /// A node has failed.
    Fail(NodeId),
    /// Something was published, to all or to a shard.
    Publish { to_shard: bool, channel: Vec<u8>, message: Vec<u8> },
    /// A replica asks for a vote.
    AuthRequest,
    /// It gets it.
    AuthAck,
    /// The receiver claims slots that this node has claimed since.
    Update { config_epoch: u64, id: NodeId, slots: SlotSet },
    /// A replica wants to take the receiver's place.
    ManualStart,
    /// For a module.
    Module { module: [u8; 8], kind: u8, payload: Vec<u8> },
}

impl Body {
    /// What it is, by its number.
    pub fn kind(&self) -> Kind {
        match self {
            Body::Ping { kind: PingKind::Ping, .. } => Kind::Ping,
            Body::Ping { kind: PingKind::Pong, .. } => Kind::Pong,
            Body::Ping { kind: PingKind::Meet, .. } => Kind::Meet,
            Body::Fail(_) => Kind::Fail,
            Body::Publish { to_shard: false, .. } => Kind::Publish,
            Body::Publish { to_shard: true, .. } => Kind::PublishShard,
            Body::AuthRequest => Kind::AuthRequest,
            Body::AuthAck => Kind::AuthAck,
            Body::Update { .. } => Kind::Update,
            Body::ManualStart => Kind::ManualStart,
            Body::Module { .. } => Kind::Module,
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub header: Header,
    pub body: Body,
}

/// What goes over a link: a whole message, or what a light one is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet {
    Whole(Box<Message>),
    Light(Body),
}

impl Packet {
    /// What it is about.
    pub fn body(&self) -> &Body {
        match self {
            Packet::Whole(message) => &message.body,
            Packet::Light(body) => body,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
