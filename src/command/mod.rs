//! The machinery of commands; what each command does stands in `commands/`.
//!
//! A request becomes a call in these steps: [`table`] resolves its name to a row ([`spec`]), for a whole batch ahead of
//! time ([`lookahead`]); [`gate`] decides from the row's flags whether it may run now; [`exec`] calls its handler with a
//! [`Ctx`] and its [`Args`], counts it, and has [`effects`] carry out what the handler said it changed.

pub mod args;
pub mod docs;
pub mod error;
pub mod keys;
pub mod lookahead;
pub mod spec;
pub mod table;

pub use args::Args;
pub use error::{CmdResult, Error};
pub use spec::{Flags, Spec};
pub use table::{CommandId, CommandTable};
