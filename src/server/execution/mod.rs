//! How a command runs: from a framed request to its effects.

pub mod after_call;
pub mod call;
pub mod changes;
pub mod context;
pub mod gate;
pub mod process;
pub mod queue;
pub mod refuse;
pub mod rerun;
pub mod row;
pub mod settle;
mod subkeys;

pub use context::Ctx;
pub use row::{Command, Handler};
