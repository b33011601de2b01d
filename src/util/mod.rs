//! Small tools that know nothing of Redis commands.

pub mod glob;
pub mod quote;
