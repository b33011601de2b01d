//! Publish/subscribe: who listens to which channel, and the delivery of messages.

use std::collections::{BTreeSet, HashMap};

use crate::client::ClientKey;
use crate::server::Server;
use crate::util::glob;

/// Subscribers by channel; a client appears once per channel, in the order of its key.
pub type Channels = HashMap<Box<[u8]>, BTreeSet<ClientKey>>;

/// All subscriptions. A client's own sets (`client::Subscriptions`) mirror them.
#[derive(Debug, Default)]
pub struct PubSub {
    /// SUBSCRIBE.
    pub channels: Channels,
    /// PSUBSCRIBE.
    pub patterns: Channels,
    /// SSUBSCRIBE.
    pub shard_channels: Channels,
}

/// Adds a subscriber; false when it was one already.
pub fn add(channels: &mut Channels, channel: &[u8], client: ClientKey) -> bool {
    channels.entry(channel.into()).or_default().insert(client)
}

/// Removes a subscriber, and the channel with the last one.
pub fn remove(channels: &mut Channels, channel: &[u8], client: ClientKey) {
    if let Some(subscribers) = channels.get_mut(channel) {
        subscribers.remove(&client);
        if subscribers.is_empty() {
            channels.remove(channel);
        }
    }
}

/// Sends a message to all subscribers of a channel, through channels and patterns; how many got it.
pub fn publish(server: &mut Server, channel: &[u8], message: &[u8]) -> usize {
    let mut receivers: Vec<(ClientKey, Option<Box<[u8]>>)> = Vec::new();
    if let Some(subscribers) = server.pubsub.channels.get(channel) {
        receivers.extend(subscribers.iter().map(|client| (*client, None)));
    }
    for (pattern, subscribers) in &server.pubsub.patterns {
        if glob::matches(pattern, channel) {
            receivers.extend(subscribers.iter().map(|client| (*client, Some(pattern.clone()))));
        }
    }
    for (client, pattern) in &receivers {
        let Some(out) = server.push_to(*client) else { continue };
        match pattern {
            None => {
                out.push(3);
                out.bulk(b"message");
            }
            Some(pattern) => {
                out.push(4);
                out.bulk(b"pmessage");
                out.bulk(pattern);
            }
        }
        out.bulk(channel);
        out.bulk(message);
    }
    receivers.len()
}

/// Sends a message to all subscribers of a shard channel; how many got it.
pub fn publish_shard(server: &mut Server, channel: &[u8], message: &[u8]) -> usize {
    let receivers: Vec<ClientKey> = server.pubsub.shard_channels.get(channel).into_iter().flatten().copied().collect();
    for client in &receivers {
        let Some(out) = server.push_to(*client) else { continue };
        out.push(3);
        out.bulk(b"smessage");
        out.bulk(channel);
        out.bulk(message);
    }
    receivers.len()
}

/// Ends all subscriptions of a client that goes, without a word to it.
pub fn forget(server: &mut Server, client: ClientKey) {
    let Some(subscriptions) = server.clients.get_mut(client).and_then(|client| client.subscriptions.take()) else {
        return;
    };
    let PubSub { channels, patterns, shard_channels } = &mut server.pubsub;
    subscriptions.channels.iter().for_each(|channel| remove(channels, channel, client));
    subscriptions.patterns.iter().for_each(|pattern| remove(patterns, pattern, client));
    subscriptions.shard_channels.iter().for_each(|channel| remove(shard_channels, channel, client));
}
