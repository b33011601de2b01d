//! Keeping the data: snapshots and the log of commands.

pub mod rdb;
