//! The commands, a family per file: a table of rows, and the handlers beside it.
//!
//! To add a command, add its row to its family's `COMMANDS` and write the handler below it. A new family is listed in
//! [`FAMILIES`]. Nothing else has to know.

pub mod connection;
pub mod debug;
pub mod expire;
pub mod keys;
pub mod object;
pub mod scan;
pub mod string;
pub mod transaction;

use crate::command::Command;

/// All families.
pub const FAMILIES: &[&[Command]] = &[
    connection::COMMANDS,
    debug::COMMANDS,
    expire::COMMANDS,
    keys::COMMANDS,
    object::COMMANDS,
    scan::COMMANDS,
    string::COMMANDS,
    transaction::COMMANDS,
];
