//! The tokens of what is polled besides clients, whose tokens are their places in the registry.
//!
//! They count down from the largest; listeners stand in between, see [`super::listeners`].

use mio::Token;

/// The tokens of links of a cluster's bus begin here, above those of listeners.
pub const BUS_FIRST_TOKEN: usize = usize::MAX / 4 * 3;
/// The pipe that tells of signals.
pub const SIGNAL_TOKEN: Token = Token(usize::MAX - 1);
/// The pipe of a child that sends a snapshot to replicas.
pub const PIPE_TOKEN: Token = Token(usize::MAX - 2);
/// The connection to the primary until it is a client's.
pub const LINK_TOKEN: Token = Token(usize::MAX - 3);
/// The connection that the primary sends the stream on, while another one brings the snapshot.
pub const MAIN_CHANNEL_TOKEN: Token = Token(usize::MAX - 4);
/// The connection that slots come on.
pub const SLOTS_TOKEN: Token = Token(usize::MAX - 5);
/// Tokens from here on are those of HTTP connections, up to [`HTTP_CONNECTIONS_MAX`] of them.
pub const HTTP_FIRST_TOKEN: usize = usize::MAX - 1023;
/// HTTP connections at a time.
pub const HTTP_CONNECTIONS_MAX: usize = 64;
