//! What nodes tell of themselves and of others.

use super::Moment;
use crate::peers::cluster::id::NodeId;
use crate::peers::cluster::message::{Body, Extension, Gossip, Header, Marks, Message, Packet, PingKind};
use crate::peers::cluster::node::{Announced, Flags, LinkId, Node, NodeKey};
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::state::{Health, State};

/// Others told of: a share of all, but no fewer than these. With a tenth of them in each message, and four messages with
/// each node in a node timeout, most primaries tell of a failure while reports count.
const TOLD_SHARE: usize = 10;
const TOLD_MIN: usize = 3;
/// An answer that others have got may be so far ahead of this node's clock, in milliseconds.
const AHEAD_MS: i64 = 500;

impl State {
    /// What this node says of itself.
    pub(super) fn header(&self, moment: &Moment<'_>) -> Header {
        let myself = self.myself();
        let primary = self.my_primary().map(|(_, primary)| primary);
        let claimant = primary.unwrap_or(myself);
        let mut marks = Marks::default();
        marks.set(Marks::EXTENSIONS);
        // Only then is the offset the last.
        if myself.is_primary() && self.manual.replica.is_some() && moment.local.holds_writes {
            marks.set(Marks::PAUSED);
        }
        Header {
            sender: myself.id,
            current_epoch: self.current_epoch,
            config_epoch: claimant.config_epoch,
            offset: moment.local.offset,
            slots: claimant.slots().clone(),
            primary: primary.map(|primary| primary.id),
            address: self.settings.address.clone(),
            flags: myself.flags,
            is_down: self.health != Health::Ok,
            marks,
        }
    }

    /// Sends something on links.
    pub(super) fn send(&mut self, to: Vec<LinkId>, body: Body, moment: &Moment<'_>) {
        if !to.is_empty() {
            let message = Message { header: self.header(moment), body };
            self.outbox.push(Action::Send { to, packet: Packet::Whole(Box::new(message)) });
        }
    }

    /// Sends something to all nodes there is a link to.
    pub(super) fn broadcast(&mut self, body: Body, moment: &Moment<'_>) {
        let to = self.links_to(|_, _| true);
        self.send(to, body, moment);
    }

    /// The links to some of the other nodes.
    pub(super) fn links_to(&self, which: impl Fn(NodeKey, &Node) -> bool) -> Vec<LinkId> {
        let named = self.nodes.iter().filter(|(_, node)| !node.is_myself() && !node.in_handshake());
        named.filter(|(key, node)| which(*key, node)).filter_map(|(_, node)| node.link).collect()
    }

    /// Sends a sign of life, with news of others.
    pub(super) fn send_ping(&mut self, link: LinkId, kind: PingKind, moment: &mut Moment<'_>) {
        let Some(info) = self.links.get(&link) else { return };
        let (receiver, inbound) = (info.node, info.inbound);
        if let Some(node) =
            receiver.filter(|_| !inbound && kind == PingKind::Ping).and_then(|key| self.nodes.get_mut(key))
        {
            node.ping_sent_ms = moment.now_ms;
        }
        let gossip = self.gossip_for(receiver, moment);
        let extensions = self.extensions_for(receiver, moment.now_ms);
        self.send(vec![link], Body::Ping { kind, gossip, extensions }, moment);
    }

    /// News of others: of some by chance, and of all that are suspected.
    fn gossip_for(&self, receiver: Option<NodeKey>, moment: &mut Moment<'_>) -> Vec<Gossip> {
        let nameless = Flags(Flags::HANDSHAKE.0 | Flags::NO_ADDRESS.0 | Flags::MYSELF.0);
        let others = self.nodes.iter().filter(|(key, node)| Some(*key) != receiver && !node.flags.has(nameless));
        let (suspected, mut others): (Vec<_>, Vec<_>) =
            others.map(|(_, node)| node).partition(|node| node.flags.has(Flags::SUSPECTED));
        others.retain(|node| node.link.is_some() || !node.slots().is_empty());
        let wanted = (self.nodes.len() / TOLD_SHARE).max(TOLD_MIN).min(others.len());
        for place in 0..wanted {
            let left = (others.len() - place) as u64;
            others.swap(place, place + moment.random.below(left) as usize);
        }
        others.truncate(wanted);
        let seconds = |ms: i64| u32::try_from(ms / 1000).unwrap_or(0);
        let entry = |node: &&Node| Gossip {
            id: node.id,
            ping_sent_s: seconds(node.ping_sent_ms),
            pong_received_s: seconds(node.pong_received_ms),
            address: node.address.clone(),
            flags: node.flags,
        };
        // As many as a message may have.
        others.iter().chain(&suspected).map(entry).take(u16::MAX.into()).collect()
    }

    /// What this node says of itself beyond the header. The name of its host is for all, as in Redis 7.0, the rest for
    /// who reads it.
    fn extensions_for(&self, receiver: Option<NodeKey>, now_ms: i64) -> Vec<Extension> {
        let mut extensions = Vec::new();
        let myself = self.myself();
        if !myself.hostname.is_empty() {
            extensions.push(Extension::Hostname(myself.hostname.clone()));
        }
        let reads = receiver.and_then(|key| self.node(key)).is_some_and(|node| node.flags.has(Flags::EXTENSIONS));
        if reads {
            if !myself.human_name.is_empty() {
                extensions.push(Extension::HumanName(myself.human_name.clone()));
            }
            let banned = self.banned.iter().filter(|(_, until_ms)| **until_ms > now_ms);
            extensions.extend(banned.map(|(id, until_ms)| {
                let seconds = ((until_ms - now_ms) / 1000).max(1) as u64;
                Extension::Forgotten { id: *id, seconds }
            }));
            extensions.push(Extension::Shard(myself.shard));
            let Announced { ipv4, ipv6, port, tls_port } = myself.announced.clone();
            extensions.extend((!ipv4.is_empty()).then_some(Extension::ClientIpv4(ipv4)));
            extensions.extend((!ipv6.is_empty()).then_some(Extension::ClientIpv6(ipv6)));
            extensions.extend((port != 0).then_some(Extension::ClientPort(port)));
            extensions.extend((tls_port != 0).then_some(Extension::ClientTlsPort(tls_port)));
        }
        extensions
    }

    /// Takes in what a known node tells of others.
    pub(super) fn hear_gossip(&mut self, sender: NodeKey, gossip: &[Gossip], moment: &mut Moment<'_>) {
        for entry in gossip {
            match self.nodes.find(&entry.id) {
                Some(key) if key == self.myself => {}
                Some(key) => self.hear_of_known(sender, key, entry, moment),
                None => self.hear_of_new(entry, moment),
            }
        }
    }

    fn hear_of_known(&mut self, sender: NodeKey, key: NodeKey, entry: &Gossip, moment: &mut Moment<'_>) {
        let is_unreachable = entry.flags.has(Flags::UNREACHABLE);
        if self.node(sender).is_some_and(|node| node.votes()) {
            self.report(key, sender, is_unreachable, moment);
        }
        let reports = self.count_failure_reports(key, moment.now_ms);
        let Some(node) = self.nodes.get_mut(key) else { return };
        if is_unreachable {
            return;
        }
        let pong_ms = i64::from(entry.pong_received_s) * 1000;
        if node.ping_sent_ms == 0 && reports == 0 && pong_ms <= moment.now_ms + AHEAD_MS {
            node.pong_received_ms = node.pong_received_ms.max(pong_ms);
        }
        let moved = !node.address.is_at(&entry.address);
        if node.flags.has(Flags::UNREACHABLE) && !entry.flags.has(Flags::NO_ADDRESS) && moved {
            node.address = entry.address.clone();
            node.flags.set(Flags::NO_ADDRESS, false);
            if let Some(link) = node.link {
                self.close(link);
            }
        }
    }

    /// A node that a known one knows becomes known by its name. Its address alone would not do: another cluster's node
    /// may have it by now.
    fn hear_of_new(&mut self, entry: &Gossip, moment: &mut Moment<'_>) {
        if entry.flags.has(Flags::NO_ADDRESS) || self.is_banned(&entry.id, moment.now_ms) {
            return;
        }
        // How it does this node finds out for itself.
        let told = Flags(Flags::PRIMARY.0 | Flags::REPLICA.0 | Flags::NO_FAILOVER.0);
        let flags = Flags(entry.flags.0 & told.0);
        let mut node = Node::new(entry.id, NodeId::random(moment.random), flags, moment.now_ms);
        node.address = entry.address.clone();
        self.nodes.add(node);
        self.outbox.save(false);
    }

    /// Takes in what a known node says of itself beyond the header. Redis 7.0 knows the names of hosts alone, and says
    /// that there are extensions only where it has sent one of these.
    pub(super) fn hear_extensions(
        &mut self,
        sender: NodeKey,
        marks: Marks,
        extensions: &[Extension],
        moment: &mut Moment<'_>,
    ) {
        let reads = marks.has(Marks::EXTENSIONS) && extensions.is_empty();
        let newer = |extension: &Extension| !matches!(extension, Extension::Hostname(_));
        if let Some(node) = self.nodes.get_mut(sender).filter(|_| reads || extensions.iter().any(newer)) {
            node.flags.set(Flags::EXTENSIONS, true);
        }
        let (mut hostname, mut human_name, mut shard, mut announced) = ("", "", None, Announced::default());
        for extension in extensions {
            match extension {
                Extension::Hostname(name) => hostname = name,
                Extension::HumanName(name) => human_name = name,
                Extension::Shard(id) => shard = Some(*id),
                Extension::Forgotten { id, seconds } => self.hear_of_forgotten(id, *seconds, moment.now_ms),
                Extension::ClientIpv4(ip) => announced.ipv4.clone_from(ip),
                Extension::ClientIpv6(ip) => announced.ipv6.clone_from(ip),
                Extension::ClientPort(port) => announced.port = *port,
                Extension::ClientTlsPort(port) => announced.tls_port = *port,
                Extension::Other { .. } => {}
            }
        }
        // A replica may yet have to hear of the shard that its primary is in.
        let primary = self.node(sender).and_then(|node| node.primary()).and_then(|key| self.node(key));
        let shard = primary.map(|primary| primary.shard).or(shard);
        let Some(node) = self.nodes.get_mut(sender) else { return };
        let shard = shard.unwrap_or(node.shard);
        let names = (node.hostname.as_str(), node.human_name.as_str(), node.shard);
        if names != (hostname, human_name, shard) || node.announced != announced {
            node.announced = announced;
            (node.hostname, node.human_name, node.shard) = (hostname.to_owned(), human_name.to_owned(), shard);
            self.share_shard(sender);
            self.outbox.save(false);
        }
    }

    /// A node was forgotten elsewhere. Of this node and its primary nobody but the operator decides that.
    fn hear_of_forgotten(&mut self, id: &NodeId, seconds: u64, now_ms: i64) {
        let Some(key) = self.nodes.find(id) else { return };
        let is_needed = key == self.myself || self.my_primary().is_some_and(|(primary, _)| primary == key);
        if !is_needed {
            let ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
            self.ban(*id, now_ms.saturating_add(ms.min(self.settings.ban_ms.max(1000))));
            self.remove(key);
            self.outbox.changed(false);
        }
    }
}
