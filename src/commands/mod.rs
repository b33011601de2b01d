//! The commands, a family per file: a table of rows, and the handlers beside it.
//!
//! To add a command, add its row to its family's `COMMANDS` and write the handler below it. A new family is listed in
//! [`FAMILIES`]. Nothing else has to know.

pub mod client;
pub mod connection;
pub mod pubsub;
pub mod string;
pub mod transaction;

use crate::command::Command;

/// All families.
pub const FAMILIES: &[&[Command]] =
    &[client::COMMANDS, connection::COMMANDS, pubsub::COMMANDS, string::COMMANDS, transaction::COMMANDS];
