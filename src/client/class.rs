//! Classes of clients.

use super::{Client, Modes};

/// A class of clients, as CLIENT LIST TYPE and CLIENT KILL TYPE name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// All but the following.
    Normal,
    /// The primary this server replicates.
    Primary,
    /// Replicas of this server.
    Replica,
    /// Subscribers.
    Pubsub,
}

impl Class {
    /// The class of that name.
    pub fn named(name: &[u8]) -> Option<Class> {
        let names = [
            ("normal", Class::Normal),
            ("master", Class::Primary),
            ("primary", Class::Primary),
            ("slave", Class::Replica),
            ("replica", Class::Replica),
            ("pubsub", Class::Pubsub),
        ];
        names.into_iter().find(|(word, _)| name.eq_ignore_ascii_case(word.as_bytes())).map(|(_, class)| class)
    }

    /// The class of a client.
    pub fn of(client: &Client) -> Class {
        match () {
            () if client.modes.has(Modes::PRIMARY) => Class::Primary,
            () if client.modes.has(Modes::REPLICA) || client.exports_slots => Class::Replica,
            () if client.subscriptions.is_some() => Class::Pubsub,
            () => Class::Normal,
        }
    }
}
