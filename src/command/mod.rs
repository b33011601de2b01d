//! What is known of commands besides what they do; that stands in `commands`, and how they run in `server::execution`.
//!
//! [`spec`] is what a row says, [`table`] resolves names to specs, for a whole batch ahead of time with [`lookahead`].
//! [`args`] is the cursor over a call's arguments, [`keys`] finds the keys among them, [`docs`] makes COMMAND DOCS of
//! the syntax line, [`modules`] is what Redis brings as modules, and [`error`] is what a handler answers instead.

pub mod args;
pub mod docs;
pub mod error;
pub mod keys;
pub mod lookahead;
pub mod modules;
pub mod spec;
pub mod table;

pub use args::Args;
pub use error::{CmdResult, Error};
pub use spec::{Flags, Spec};
pub use table::{CommandId, CommandTable};
