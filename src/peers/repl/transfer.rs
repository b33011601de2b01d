//! A snapshot on its way from a child process to replicas, without a file.

use mio::net::UnixStream;

use crate::net::ClientKey;

/// A transfer.
#[derive(Debug)]
pub struct Transfer {
    /// Where the child's bytes come from.
    pub pipe: UnixStream,
    /// Replicas that take part and are still there.
    pub to: Vec<ClientKey>,
    /// The child has closed its end.
    pub read_all: bool,
    /// How the child has ended.
    pub ended: Option<bool>,
}
