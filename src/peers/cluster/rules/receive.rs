//! A message has come.

use super::Moment;
use super::epochs::EPOCH_MAX;
use crate::peers::cluster::message::{Body, Header, Marks, Message, Packet, PingKind};
use crate::peers::cluster::node::{Address, Flags, LinkId, NodeKey};
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::state::State;

impl State {
    /// Takes in a message.
    pub fn receive(&mut self, link: LinkId, packet: Packet, moment: &mut Moment<'_>) {
        let kind = packet.body().kind();
        self.counters.received[kind as usize] += 1;
        if self.dropped_kind == Some(kind) {
            return log::warn!("Packet that matches debug filter drop");
        }
        match packet {
            Packet::Whole(message) => self.receive_whole(link, *message, moment),
            Packet::Light(body) => {
                let Some(sender) = self.links.get(&link).and_then(|info| info.node) else { return };
                if let Some(node) = self.nodes.get_mut(sender).filter(|node| !node.in_handshake()) {
                    node.data_received_ms = moment.now_ms;
                    self.outbox.push(Action::Deliver(body));
                }
            }
        }
    }

    fn receive_whole(&mut self, link: LinkId, message: Message, moment: &mut Moment<'_>) {
        let Message { header, body } = message;
        if !self.links.contains_key(&link) {
            return;
        }
        if header.current_epoch > EPOCH_MAX || header.config_epoch > EPOCH_MAX {
            log::warn!("Node {} tells of an epoch that cannot be, closing the link to it.", header.sender);
            return self.close(link);
        }
        let sender = self.sender(link, &header);
        if let Some(sender) = sender {
            self.hear_header(sender, &header, moment.now_ms);
        }
        match body {
            Body::Ping { kind, gossip, extensions } => {
                self.answer(link, sender, kind, &header, moment);
                if !self.shake_hands(link, sender, &header) {
                    return;
                }
                // It has a name by now if this was the answer in a handshake.
                let sender = self.sender(link, &header);
                if !self.links.get(&link).is_some_and(|info| info.inbound) && kind == PingKind::Pong {
                    let node = self.links.get(&link).and_then(|info| info.node);
                    node.into_iter().for_each(|node| self.hear_answer(node, moment.now_ms));
                }
                let Some(sender) = sender.filter(|sender| *sender != self.myself) else { return };
                if kind == PingKind::Ping {
                    self.update_address(link, sender, &header);
                }
                self.hear_role_and_claim(sender, &header, moment);
                self.hear_gossip(sender, &gossip, moment);
                self.hear_extensions(sender, header.marks, &extensions, moment);
            }
            Body::Module { .. } => {}
            body => match sender.filter(|sender| *sender != self.myself) {
                Some(sender) => self.hear(sender, &header, body, moment),
                None => log::debug!("Ignoring {} message from unknown node {}", body.kind(), header.sender),
            },
        }
    }

    /// Takes in what only known nodes say.
    fn hear(&mut self, sender: NodeKey, header: &Header, body: Body, moment: &mut Moment<'_>) {
        match body {
            Body::Fail(id) => {
                let about = self.nodes.find(&id);
                about.into_iter().for_each(|about| self.hear_of_failure(about, sender, moment));
            }
            Body::Publish { .. } => self.outbox.push(Action::Deliver(body)),
            Body::AuthRequest => self.hear_request(sender, header, moment),
            Body::AuthAck => self.hear_vote(sender, header.current_epoch),
            Body::Update { config_epoch, id, slots } => {
                let about = self.nodes.find(&id).filter(|_| config_epoch <= EPOCH_MAX);
                let Some(node) = about.and_then(|key| self.nodes.get_mut(key)) else { return };
                if node.config_epoch >= config_epoch {
                    return;
                }
                node.config_epoch = config_epoch;
                self.outbox.save(true);
                let about = about.unwrap_or(sender);
                if about != self.myself {
                    self.make_primary(about);
                }
                self.hear_claim(about, config_epoch, &slots);
            }
            Body::ManualStart => self.hear_manual_start(sender, moment.now_ms),
            Body::Ping { .. } | Body::Module { .. } => {}
        }
    }

    /// Who has sent a message: whoever is at the other end of the link if that is known, or else who it says.
    fn sender(&mut self, link: LinkId, header: &Header) -> Option<NodeKey> {
        let info = self.links.get(&link)?;
        let (known, inbound) = (info.node, info.inbound);
        if let Some(key) = known.filter(|key| self.node(*key).is_some_and(|node| !node.in_handshake())) {
            return Some(key);
        }
        let sender = self.nodes.find(&header.sender)?;
        if known.is_none() && inbound {
            self.bind_inbound(link, sender);
        }
        Some(sender)
    }

    /// What each message tells of a known sender.
    fn hear_header(&mut self, sender: NodeKey, header: &Header, now_ms: i64) {
        let Some(node) = self.nodes.get_mut(sender) else { return };
        node.data_received_ms = now_ms;
        // A node in a handshake has a name that nobody else knows; this one needs nobody to tell it of itself.
        if node.in_handshake() || node.is_myself() {
            return;
        }
        node.offset = header.offset;
        node.offset_ms = now_ms;
        node.flags.set(Flags::LIGHT_PUBLISH, header.flags.has(Flags::LIGHT_PUBLISH));
        self.current_epoch = self.current_epoch.max(header.current_epoch);
        if header.config_epoch > node.config_epoch {
            node.config_epoch = header.config_epoch;
            self.outbox.save(true);
        }
        if header.marks.has(Marks::PAUSED) {
            self.hear_paused_offset(sender, header.offset);
        }
    }

    /// Answers a ping, learns this node's own address from it, and begins to make a stranger known who wants to meet.
    fn answer(
        &mut self,
        link: LinkId,
        sender: Option<NodeKey>,
        kind: PingKind,
        header: &Header,
        moment: &mut Moment<'_>,
    ) {
        if kind == PingKind::Pong {
            return;
        }
        let ends = self.links.get(&link).map(|info| info.ends.clone()).unwrap_or_default();
        let is_unknown = self.myself().address.ip.is_empty();
        if let Some(ip) = ends.own_ip.filter(|_| kind == PingKind::Meet || is_unknown)
            && self.settings.address.ip.is_empty()
            && self.myself().address.ip != ip
        {
            log::warn!("IP address for this node updated to {ip}");
            self.myself_mut().address.ip = ip;
            self.outbox.save(false);
        }
        if sender.is_none() && kind == PingKind::Meet {
            let ip =
                if header.address.ip.is_empty() { ends.peer_ip.unwrap_or_default() } else { header.address.ip.clone() };
            if !ip.is_empty() {
                self.begin_handshake(Address { ip, ..header.address.clone() }, false, moment);
                self.outbox.save(false);
            }
        }
        self.send_ping(link, PingKind::Pong, moment);
    }

    /// Compares who is at the other end of a link that this node has begun with who was thought to be. Whether there is
    /// anything more to learn from the message.
    fn shake_hands(&mut self, link: LinkId, sender: Option<NodeKey>, header: &Header) -> bool {
        let Some((key, node)) = self
            .links
            .get(&link)
            .filter(|info| !info.inbound)
            .and_then(|info| info.node)
            .and_then(|key| Some((key, self.node(key)?)))
        else {
            return true;
        };
        if node.in_handshake() {
            let Some(known) = sender.or(self.nodes.find(&header.sender)) else {
                self.end_handshake(key, header.sender, header.flags);
                return true;
            };
            // It is no news: this was another address of it, which may be the one that counts by now.
            if known != self.myself {
                self.update_address(link, known, header);
            }
            self.remove(key);
            return false;
        }
        if node.id == header.sender {
            return true;
        }
        // Somebody else has its address by now.
        log::debug!("PONG contains mismatching sender ID. About node {}, from {}", node.id, header.sender);
        if let Some(node) = self.nodes.get_mut(key) {
            node.flags.set(Flags::NO_ADDRESS, true);
            node.address = Address::default();
        }
        self.close(link);
        self.outbox.save(false);
        false
    }

    /// A node that has begun a link says where it is, or shows it.
    fn update_address(&mut self, link: LinkId, key: NodeKey, header: &Header) {
        let Some((node, info)) = self.node(key).zip(self.links.get(&link)) else { return };
        if node.link == Some(link) || node.in_handshake() {
            return;
        }
        let shown = info.ends.peer_ip.clone().filter(|_| header.address.ip.is_empty());
        let ip = shown.unwrap_or_else(|| header.address.ip.clone());
        let address = Address { ip, ..header.address.clone() };
        if address.ip.is_empty() || node.address == address {
            return;
        }
        log::warn!("Address updated for node {}, now {}:{}", node.id, address.ip, address.port);
        let own_link = node.link;
        if let Some(node) = self.nodes.get_mut(key) {
            node.address = address;
            node.flags.set(Flags::NO_ADDRESS, false);
        }
        own_link.into_iter().for_each(|link| self.close(link));
        if self.my_primary().is_some_and(|(primary, _)| primary == key) {
            self.outbox.push(Action::Follow(key));
        }
        self.outbox.changed(false);
    }

    /// What a node is, which slots it claims, and whether that stands.
    fn hear_role_and_claim(&mut self, sender: NodeKey, header: &Header, moment: &mut Moment<'_>) {
        if let Some(node) = self.nodes.get_mut(sender) {
            node.flags.set(Flags::NO_FAILOVER, header.flags.has(Flags::NO_FAILOVER));
        }
        match header.primary {
            None => self.make_primary(sender),
            Some(primary) => {
                self.make_replica(sender);
                let primary = self.nodes.find(&primary);
                primary.into_iter().for_each(|primary| self.attach(sender, primary));
            }
        }
        let claimant = self.nodes.primary_of(sender);
        let is_news = claimant.and_then(|key| self.node(key)).is_some_and(|node| *node.slots() != header.slots);
        if is_news {
            if claimant == Some(sender) {
                self.hear_claim(sender, header.config_epoch, &header.slots);
            }
            self.correct_claim(sender, header.config_epoch, &header.slots, moment);
        }
        self.resolve_collision(sender, header.config_epoch);
    }
}
