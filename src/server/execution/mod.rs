//! How a command runs: from a framed request to its effects.

pub mod context;
pub mod effects;
pub mod exec;
pub mod gate;

pub use context::Ctx;
