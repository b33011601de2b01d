//! What is done with clients: coming and going, blocking and waking, tracking, memory, users.

pub mod blocking;
pub mod describe;
pub mod disconnect;
pub mod internal;
pub mod lifecycle;
pub mod memory;
pub mod messages;
pub mod publish;
pub mod tracked_keys;
pub mod tracking;
pub mod users;
