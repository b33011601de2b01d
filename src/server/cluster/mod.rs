//! A node of a cluster at work: `nodes.conf`, the bus, and what follows from what the rules of [`crate::peers::cluster`] decide.

pub mod act;
pub mod bus;
pub mod conf;
pub mod endpoint;
pub mod event;
pub mod info;
pub mod moves;
pub mod reassigned;
pub mod route;
pub mod wires;
