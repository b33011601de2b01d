//! Replication at work: primaries, replicas, and how they find together.

pub mod acks;
pub mod adopt;
pub mod channels;
pub mod connect;
pub mod cron;
pub mod data_set;
pub mod failover;
pub mod handshake;
pub mod history;
pub mod main_channel;
pub mod primary;
pub mod receive;
pub mod role;
pub mod roster;
pub mod stream;
pub mod sync;
pub mod transfer;
pub mod unloaded;
