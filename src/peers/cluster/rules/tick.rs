//! What a node does by itself, ten times a second.

use super::Moment;
use crate::peers::cluster::message::PingKind;
use crate::peers::cluster::node::{Flags, NodeKey};
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::state::State;

/// Rounds between two pings of some node.
const PING_EVERY: u64 = 10;
/// Nodes looked at for the one that has been silent for longest.
const SAMPLE: usize = 5;
/// A handshake takes no longer than a node timeout, but may take that long, in milliseconds.
const HANDSHAKE_MIN_MS: i64 = 1000;

impl State {
    /// A round: connects, pings, suspects, and goes on with what takes time.
    pub fn tick(&mut self, moment: &mut Moment<'_>) {
        self.ticks += 1;
        self.banned.retain(|_, until_ms| *until_ms > moment.now_ms);
        let keys = self.nodes.keys();
        for key in &keys {
            self.connect_or_give_up(*key, moment.now_ms);
        }
        if self.ticks.is_multiple_of(PING_EVERY) {
            self.ping_some(moment);
        }
        for key in &keys {
            self.watch(*key, moment);
        }
        let primary = self.my_primary().filter(|(_, node)| !node.flags.has(Flags::NO_ADDRESS)).map(|(key, _)| key);
        if let Some(primary) = primary.filter(|_| !moment.local.follows) {
            self.outbox.push(Action::Follow(primary));
        }
        self.give_up_manual_failover(moment.now_ms);
        if self.myself().is_replica() {
            self.go_on_with_manual_failover(moment);
            self.go_on_with_election(moment);
        }
        if self.myself().is_replica() {
            self.migrate_to_orphan(moment.now_ms);
        }
        if !self.is_ok() {
            self.outbox.look_at_health = true;
        }
    }

    /// Begins a link to a node without one, and forgets a handshake that leads nowhere.
    fn connect_or_give_up(&mut self, key: NodeKey, now_ms: i64) {
        let patience_ms = self.settings.node_timeout_ms.max(HANDSHAKE_MIN_MS);
        let Some(node) = self.node(key).filter(|node| !node.is_myself() && !node.flags.has(Flags::NO_ADDRESS)) else {
            return;
        };
        if node.in_handshake() && now_ms - node.created_ms > patience_ms {
            let address = &node.address;
            log::info!("Handshake with node at {}:{} has led nowhere", address.ip, address.bus_port);
            self.remove(key);
        } else if node.link.is_none() {
            self.connect(key, now_ms);
        }
    }

    /// Pings the node that has been silent for longest, of some by chance.
    fn ping_some(&mut self, moment: &mut Moment<'_>) {
        let keys = self.nodes.keys();
        let sampled = (0..SAMPLE).map(|_| keys[moment.random.below(keys.len() as u64) as usize]);
        let quiet = sampled.filter_map(|key| Some((key, self.node(key)?))).filter(|(_, node)| {
            node.link.is_some() && node.ping_sent_ms == 0 && !node.is_myself() && !node.in_handshake()
        });
        let quietest = quiet.min_by_key(|(_, node)| node.pong_received_ms).and_then(|(_, node)| node.link);
        if let Some(link) = quietest {
            self.send_ping(link, PingKind::Ping, moment);
        }
    }

    /// Looks how a node does: pings it if it has been silent, suspects it if it does not answer.
    fn watch(&mut self, key: NodeKey, moment: &mut Moment<'_>) {
        let (now_ms, timeout_ms) = (moment.now_ms, self.settings.node_timeout_ms);
        let unwatched = Flags(Flags::MYSELF.0 | Flags::NO_ADDRESS.0 | Flags::HANDSHAKE.0);
        let Some(node) = self.node(key).filter(|node| !node.flags.has(unwatched)) else { return };
        let (silent_ms, data_ms) = (now_ms - node.ping_sent_ms, now_ms - node.data_received_ms);
        let awaited = node.ping_sent_ms != 0;
        let link = node.link.and_then(|id| Some((id, self.links.get(&id)?)));
        let pong_ms = now_ms - node.pong_received_ms;
        // The node may be well, and only this connection broken.
        if let Some((link, info)) = link
            && now_ms - info.created_ms > timeout_ms
            && awaited
            && silent_ms > timeout_ms / 2
            && data_ms > timeout_ms / 2
        {
            self.close(link);
        }
        let is_pinged_at_once = self.manual.until_ms != 0 && self.manual.replica == Some(key);
        let link = self.node(key).and_then(|node| node.link);
        if let Some(link) = link
            && (!awaited && pong_ms > timeout_ms / 2 || self.myself().is_primary() && is_pinged_at_once)
        {
            self.send_ping(link, PingKind::Ping, moment);
            return;
        }
        if awaited && silent_ms.min(data_ms) > timeout_ms {
            self.suspect(key, moment);
        }
    }

    fn suspect(&mut self, key: NodeKey, moment: &mut Moment<'_>) {
        let Some(node) = self.nodes.get_mut(key).filter(|node| !node.flags.has(Flags::UNREACHABLE)) else { return };
        log::debug!("*** NODE {} possibly failing", node.id);
        node.flags.set(Flags::SUSPECTED, true);
        self.outbox.look_at_health = true;
        // In a cluster of one that votes nobody else will say so.
        self.establish_failure(key, moment);
    }
}
