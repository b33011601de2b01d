//! Bitmaps.
use crate::command::Command;
/// The rows.
pub const COMMANDS: &[Command] = &[];
