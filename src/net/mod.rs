//! Sockets, connections, listeners, links to other servers, TLS; the loop that polls them is `server::event_loop`.

pub mod connection;
pub mod deadlines;
pub mod http;
pub mod listeners;
pub mod outgoing;
pub mod socket;
pub mod tls;
pub mod tokens;
mod write_some;

/// A client's place in the registry, and the token of its socket.
pub type ClientKey = usize;
