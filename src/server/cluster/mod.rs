//! A node of a cluster at work: `nodes.conf`, the bus, and what follows from what the rules of [`crate::cluster`] decide.

pub mod conf;
#[allow(dead_code, reason = "the bus and commands come to use it")]
pub mod event;
