//! Publish/subscribe at work: subscribing, and the delivery of messages.
//!
//! The server's maps lead from a channel to its subscribers, a client's own sets back; they change together, here. A
//! message is encoded once, whoever gets it: the two protocols differ in its first byte only, and a large payload is
//! shared by all outputs. A client that does not read what it is sent is closed when its output exceeds
//! `client-output-buffer-limit pubsub`.

use std::sync::Arc;

use crate::client::pubsub::{Channels, Kind};
use crate::net::ClientKey;
use crate::resp::reply::{Reply, SHARED_LEN_MIN};
use crate::server::Server;
use crate::util::glob;
use crate::util::shrink::shrink;

/// Subscribes a client. Once the last one is done, call `Clients::subscriptions_changed`.
pub fn subscribe(server: &mut Server, client: ClientKey, kind: Kind, name: &[u8]) {
    let own = server.clients.at_mut(client).subscriptions_mut();
    if kind.names(own).insert(name) {
        server.pubsub.of_mut(kind).entry(name.into()).or_default().insert(client);
    }
}

/// Ends a subscription of a client, if it has it; as for [`subscribe`].
pub fn unsubscribe(server: &mut Server, client: ClientKey, kind: Kind, name: &[u8]) {
    let own = server.clients.at_mut(client).subscriptions_mut();
    if kind.names(own).remove(name) {
        remove(server.pubsub.of_mut(kind), name, client);
    }
}

/// Ends all subscriptions of a client that goes, without a word to it.
pub fn forget(server: &mut Server, client: ClientKey) {
    let Some(connected) = server.clients.get_mut(client) else { return };
    let Some(mut subscriptions) = connected.subscriptions.take() else { return };
    server.clients.subscriptions_changed(client);
    for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
        for name in kind.names(&mut subscriptions).in_order() {
            remove(server.pubsub.of_mut(kind), &name, client);
        }
    }
}

/// Removes a subscriber, and the channel with the last one.
fn remove(channels: &mut Channels, name: &[u8], client: ClientKey) {
    if let Some(subscribers) = channels.get_mut(name) {
        subscribers.remove(&client);
        if subscribers.is_empty() {
            channels.remove(name);
            shrink(channels);
        }
    }
}

/// A message, encoded but for its first byte.
struct Message {
    head: Vec<u8>,
    /// The payload, when it is too large to be copied for each receiver.
    payload: Option<Arc<Vec<u8>>>,
}

impl Message {
    fn new(parts: &[&[u8]], payload: &[u8]) -> Message {
        let mut reply = Reply::default();
        reply.array(parts.len() + 1);
        parts.iter().for_each(|part| reply.bulk(part));
        if payload.len() < SHARED_LEN_MIN {
            reply.bulk(payload);
        }
        let head = reply.buf.split_off(1);
        let payload = (payload.len() >= SHARED_LEN_MIN).then(|| Arc::new(payload.to_vec()));
        Message { head, payload }
    }

    fn send(&self, server: &mut Server, receiver: ClientKey) {
        server.push(receiver, |out| {
            out.push_encoded(&self.head);
            if let Some(payload) = &self.payload {
                out.bulk_shared(payload);
            }
        });
    }
}

/// Sends a message to all subscribers of a channel, through channels and patterns; how many got it.
pub fn publish(server: &mut Server, channel: &[u8], payload: &[u8]) -> usize {
    let direct = send_to_subscribers(server, Kind::Channel, "message", channel, payload);
    let matching = server.pubsub.patterns.iter().filter(|(pattern, _)| glob::matches(pattern, channel));
    let deliveries: Vec<(Message, Vec<ClientKey>)> = matching
        .map(|(pattern, subscribers)| {
            let message = Message::new(&[b"pmessage", pattern, channel], payload);
            (message, subscribers.iter().copied().collect())
        })
        .collect();
    for (message, receivers) in &deliveries {
        receivers.iter().for_each(|receiver| message.send(server, *receiver));
    }
    direct + deliveries.iter().map(|(_, receivers)| receivers.len()).sum::<usize>()
}

/// Sends a message to all subscribers of a shard channel; how many got it.
pub fn publish_shard(server: &mut Server, channel: &[u8], payload: &[u8]) -> usize {
    send_to_subscribers(server, Kind::Shard, "smessage", channel, payload)
}

fn send_to_subscribers(server: &mut Server, kind: Kind, word: &str, channel: &[u8], payload: &[u8]) -> usize {
    let Some(subscribers) = server.pubsub.of(kind).get(channel) else { return 0 };
    let receivers: Vec<ClientKey> = subscribers.iter().copied().collect();
    let message = Message::new(&[word.as_bytes(), channel], payload);
    receivers.iter().for_each(|receiver| message.send(server, *receiver));
    receivers.len()
}
