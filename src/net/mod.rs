//! Sockets: the event loop, who listens, and the state of each connection.

pub mod busy;
pub mod connection;
pub mod deadlines;
pub mod event_loop;
pub mod listeners;
pub mod outgoing;
pub mod pace;
pub mod pipeline;
pub mod socket;
