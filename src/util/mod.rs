//! Small tools that know nothing of Redis commands.

pub mod glob;
pub mod long_double;
mod natural;
pub mod number;
pub mod quote;
