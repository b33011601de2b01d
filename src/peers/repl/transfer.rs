//! A snapshot on its way from a child process to replicas, without a file.

use mio::net::UnixStream;

use crate::net::ClientKey;
use crate::persist::rdb::version::Version;

/// A transfer.
#[derive(Debug)]
pub struct Transfer {
    /// Where the child's bytes come from.
    pub pipe: UnixStream,
    /// Replicas that take part and are still there.
    pub to: Vec<ClientKey>,
    /// What ends it,
    pub mark: String,
    /// the last bytes that have come of it, as many as that has,
    pub tail: Vec<u8>,
    /// and how many came.
    pub bytes: u64,
    /// The version of the snapshot.
    pub version: Option<Version>,
    /// The child has closed its end.
    pub read_all: bool,
    /// How the child has ended.
    pub ended: Option<bool>,
}

impl Transfer {
    /// A transfer that begins.
    pub fn new(pipe: UnixStream, to: Vec<ClientKey>, mark: String) -> Transfer {
        Transfer { pipe, to, mark, tail: Vec::new(), bytes: 0, version: None, read_all: false, ended: None }
    }

    /// Notes what came.
    pub fn note(&mut self, piece: &[u8]) {
        if self.version.is_none() {
            let head = piece.strip_prefix(b"$EOF:").and_then(|rest| rest.get(self.mark.len() + 2..));
            self.version = head.and_then(|head| Version::of_magic(head.first_chunk()?));
        }
        self.bytes += piece.len() as u64;
        self.tail.extend_from_slice(&piece[piece.len().saturating_sub(self.mark.len())..]);
        self.tail.drain(..self.tail.len().saturating_sub(self.mark.len()));
    }

    /// Whether all of the snapshot has come, up to the mark: another one announces it at the beginning.
    pub fn is_whole(&self) -> bool {
        self.tail == self.mark.as_bytes() && self.bytes > 2 * self.mark.len() as u64
    }
}
