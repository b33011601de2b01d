//! Sockets: the event loop, who listens, and the state of each connection.

pub mod connection;
pub mod deadlines;
pub mod listeners;
pub mod outgoing;
pub mod socket;
pub mod tls;

/// A client's place in the registry, and the token of its socket.
pub type ClientKey = usize;
