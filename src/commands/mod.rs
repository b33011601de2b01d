//! The commands, a family per file: a table of rows, and the handlers beside it.
//!
//! To add a command, add its row to its family's `COMMANDS` and write the handler below it. A new family is listed in
//! [`FAMILIES`]. Nothing else has to know.

pub mod config;
pub mod connection;
pub mod latency;
pub mod memory;
pub mod server;
pub mod slowlog;
pub mod string;
pub mod transaction;

use crate::command::Command;

/// All families.
pub const FAMILIES: &[&[Command]] = &[
    config::COMMANDS,
    connection::COMMANDS,
    latency::COMMANDS,
    memory::COMMANDS,
    server::COMMANDS,
    slowlog::COMMANDS,
    string::COMMANDS,
    transaction::COMMANDS,
];
