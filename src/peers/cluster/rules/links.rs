//! What happens to links: begun, there, gone; and nodes as far as they hang on these.

use super::Moment;
use crate::peers::cluster::id::NodeId;
use crate::peers::cluster::link::{Ends, Link};
use crate::peers::cluster::message::PingKind;
use crate::peers::cluster::node::{Address, Flags, LinkId, Node, NodeKey};
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::state::State;

impl State {
    /// A node has begun a link to this one.
    pub fn accepted(&mut self, ends: Ends, now_ms: i64) -> LinkId {
        self.new_link(Link { node: None, inbound: true, created_ms: now_ms, connected: true, ends })
    }

    fn new_link(&mut self, link: Link) -> LinkId {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(id, link);
        id
    }

    /// Begins a link to a node, unless there is one.
    pub(super) fn connect(&mut self, key: NodeKey, now_ms: i64) {
        if self.node(key).is_none_or(|node| node.link.is_some() || node.is_myself()) {
            return;
        }
        let ends = Ends::default();
        let link = self.new_link(Link { node: Some(key), inbound: false, created_ms: now_ms, connected: false, ends });
        if let Some(node) = self.nodes.get_mut(key) {
            node.link = Some(link);
        }
        self.outbox.push(Action::Connect { link, node: key });
    }

    /// A link that this node has begun stands. The node at its other end is pinged at once, so that it is not suspected
    /// for want of an answer.
    pub fn connected(&mut self, link: LinkId, moment: &mut Moment<'_>) {
        let Some(info) = self.links.get_mut(&link) else { return };
        info.connected = true;
        let Some((key, node)) = info.node.and_then(|key| Some((key, self.nodes.get(key)?))) else { return };
        let (was_sent_ms, meets) = (node.ping_sent_ms, node.flags.has(Flags::MEET));
        self.send_ping(link, if meets { PingKind::Meet } else { PingKind::Ping }, moment);
        if let Some(node) = self.nodes.get_mut(key) {
            if was_sent_ms != 0 {
                node.ping_sent_ms = was_sent_ms;
            }
            node.flags.set(Flags::MEET, false);
        }
    }

    /// A link is gone, or could not be begun.
    pub fn closed(&mut self, link: LinkId, now_ms: i64) {
        let Some(info) = self.links.remove(&link) else { return };
        let Some(node) = info.node.and_then(|key| self.nodes.get_mut(key)) else { return };
        if node.link == Some(link) {
            node.link = None;
            // Who cannot be reached at all does not answer either.
            if !info.connected && node.ping_sent_ms == 0 {
                node.ping_sent_ms = now_ms;
            }
        }
        if node.inbound == Some(link) {
            node.inbound = None;
        }
    }

    /// Ends a link.
    pub(super) fn close(&mut self, link: LinkId) {
        if let Some(node) = self.links.remove(&link).and_then(|info| self.nodes.get_mut(info.node?)) {
            node.link.take_if(|own| *own == link);
            node.inbound.take_if(|own| *own == link);
        }
        self.outbox.push(Action::Close(link));
    }

    /// A link that a node has begun is that node's; another one it had is not any more.
    pub(super) fn bind_inbound(&mut self, link: LinkId, key: NodeKey) {
        let Some(node) = self.nodes.get_mut(key) else { return };
        let former = node.inbound.replace(link);
        if let Some(info) = self.links.get_mut(&link) {
            info.node = Some(key);
        }
        if let Some(former) = former.filter(|former| *former != link) {
            if let Some(info) = self.links.get_mut(&former) {
                info.node = None;
            }
            self.close(former);
        }
    }

    /// Forgets a node, with its links and all that was said of it.
    pub(super) fn remove(&mut self, key: NodeKey) {
        let Some(node) = self.node(key).filter(|node| !node.is_myself()) else { return };
        let links = [node.link, node.inbound];
        links.into_iter().flatten().for_each(|link| self.close(link));
        self.strip(key);
        self.migrating.retain(|_, other| *other != key);
        self.importing.retain(|_, other| *other != key);
        if self.manual.replica == Some(key) {
            self.end_manual_failover();
        }
        self.nodes.remove(key);
    }

    /// Begins to make a node known of which only the address is. Its name is to be found out.
    pub(super) fn begin_handshake(
        &mut self,
        address: Address,
        meets: bool,
        moment: &mut Moment<'_>,
    ) -> Option<NodeKey> {
        if self.nodes.handshake_with(&address).is_some() {
            return None;
        }
        let mut flags = Flags::HANDSHAKE;
        flags.set(Flags::MEET, meets);
        let (id, shard) = (NodeId::random(moment.random), NodeId::random(moment.random));
        let mut node = Node::new(id, shard, flags, moment.now_ms);
        node.address = address;
        Some(self.nodes.add(node))
    }

    /// The node at the other end of a link has its name.
    pub(super) fn end_handshake(&mut self, key: NodeKey, id: NodeId, role: Flags) {
        self.nodes.rename(key, id);
        if let Some(node) = self.nodes.get_mut(key) {
            node.flags.set(Flags::HANDSHAKE, false);
            node.flags.set(Flags::PRIMARY, role.has(Flags::PRIMARY));
            node.flags.set(Flags::REPLICA, role.has(Flags::REPLICA) && !role.has(Flags::PRIMARY));
        }
        self.outbox.save(false);
    }

    /// Has a forgotten node stay so.
    pub(super) fn ban(&mut self, id: NodeId, until_ms: i64) {
        self.banned.insert(id, until_ms);
    }

    /// Whether a node was forgotten lately.
    pub fn is_banned(&self, id: &NodeId, now_ms: i64) -> bool {
        self.banned.get(id).is_some_and(|until_ms| *until_ms > now_ms)
    }
}
