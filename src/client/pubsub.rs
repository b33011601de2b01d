//! Channels and patterns, and who listens to them. The delivery stands in `server::clients::publish`.

use std::collections::{BTreeSet, HashMap};

use super::Client;
use super::subscriptions::{Names, Subscriptions};
use crate::net::ClientKey;

/// Subscribers by channel; a client appears once per channel, in the order of its key.
pub type Channels = HashMap<Box<[u8]>, BTreeSet<ClientKey>>;

/// All subscriptions.
#[derive(Debug, Default)]
pub struct PubSub {
    /// SUBSCRIBE.
    pub channels: Channels,
    /// PSUBSCRIBE.
    pub patterns: Channels,
    /// SSUBSCRIBE.
    pub shard_channels: Channels,
}

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A channel.
    Channel,
    /// All channels that match a pattern.
    Pattern,
    /// A channel of a cluster's shard.
    Shard,
}

impl Kind {
    /// The first word of the confirmation of a subscription, and of its end.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Channel => ("subscribe", "unsubscribe"),
            Kind::Pattern => ("psubscribe", "punsubscribe"),
            Kind::Shard => ("ssubscribe", "sunsubscribe"),
        }
    }

    /// The number a confirmation carries: shard channels are counted by themselves.
    pub fn count(self, client: &Client) -> usize {
        let Some(subscriptions) = &client.subscriptions else { return 0 };
        match self {
            Kind::Channel | Kind::Pattern => subscriptions.count(),
            Kind::Shard => subscriptions.shard_channels.len(),
        }
    }

    /// A client's own names of this kind.
    pub fn names(self, subscriptions: &mut Subscriptions) -> &mut Names {
        match self {
            Kind::Channel => &mut subscriptions.channels,
            Kind::Pattern => &mut subscriptions.patterns,
            Kind::Shard => &mut subscriptions.shard_channels,
        }
    }
}

impl PubSub {
    /// The subscribers of a kind.
    pub fn of(&self, kind: Kind) -> &Channels {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shard_channels,
        }
    }

    pub fn of_mut(&mut self, kind: Kind) -> &mut Channels {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shard_channels,
        }
    }
}
