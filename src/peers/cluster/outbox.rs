//! What the rules want sent and done, in order, and what is due before any of it.

use super::message::{Body, Packet};
use super::node::{LinkId, NodeKey};
use super::slots::SlotSet;

/// Something to be done, by whoever has the sockets and the data.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Send a message.
    Send { to: Vec<LinkId>, packet: Packet },
    /// Begin a connection to a node, which has this name then.
    Connect { link: LinkId, node: NodeKey },
    /// End a connection. Nothing is to be told of it any more.
    Close(LinkId),
    /// Replicate a node from now on.
    Follow(NodeKey),
    /// Be a primary from now on.
    Promote,
    /// Remove the keys of slots that others have by now.
    DropKeys(SlotSet),
    /// Remove all keys.
    DropAllKeys,
    /// Hold writes while a replica takes this node's place, or not any more.
    HoldWrites(bool),
    /// Pass on what was published elsewhere: a body of that kind.
    Deliver(Body),
}

/// What is to be sent and done.
#[derive(Debug, Default)]
pub struct Outbox {
    /// In order.
    pub actions: Vec<Action>,
    /// `nodes.conf` is to be written before anything is sent; on the disk, if true.
    pub(super) save: Option<bool>,
    /// The health of the cluster may have changed.
    pub(super) look_at_health: bool,
    /// An election may go on.
    pub(super) look_at_election: bool,
    /// A manual failover may go on.
    pub(super) look_at_manual: bool,
}

impl Outbox {
    /// Has `nodes.conf` written before anything else is sent; on the disk, if a promise depends on it.
    pub fn save(&mut self, on_disk: bool) {
        self.save = Some(on_disk || self.save == Some(true));
    }

    /// Whether `nodes.conf` is to be written now, and if so, whether on the disk.
    pub fn take_save(&mut self) -> Option<bool> {
        self.save.take()
    }

    /// What is to be sent and done, for whoever does it.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    pub(super) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Notes a change of what is known of nodes: to be saved, and to be looked at.
    pub(super) fn changed(&mut self, on_disk: bool) {
        self.save(on_disk);
        self.look_at_health = true;
    }
}
