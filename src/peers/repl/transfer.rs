//! A snapshot on its way from a child process to replicas, without a file.

use mio::net::UnixStream;

use crate::net::ClientKey;
use crate::persist::rdb::version::{MAGIC_BYTES, Version};

/// What stands before the mark at the beginning.
const ANNOUNCED: &[u8] = b"$EOF:";

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
    /// The first bytes that have come, up to the name of the version;
    head: Vec<u8>,
    /// the version of the snapshot, once they are all there.
    pub version: Option<Version>,
    /// The child has closed its end.
    pub read_all: bool,
    /// How the child has ended.
    pub ended: Option<bool>,
}

impl Transfer {
    /// A transfer that begins.
    pub fn new(pipe: UnixStream, to: Vec<ClientKey>, mark: String) -> Transfer {
        Transfer {
            pipe,
            to,
            mark,
            tail: Vec::new(),
            bytes: 0,
            head: Vec::new(),
            version: None,
            read_all: false,
            ended: None,
        }
    }

    /// Notes what came.
    pub fn note(&mut self, piece: &[u8]) {
        // The child may write what it begins with piece by piece.
        let missing = ANNOUNCED.len() + self.mark.len() + 2 + MAGIC_BYTES - self.head.len();
        if missing > 0 {
            self.head.extend_from_slice(&piece[..piece.len().min(missing)]);
            let named = self.head.strip_prefix(ANNOUNCED).and_then(|rest| rest.get(self.mark.len() + 2..));
            self.version = named.and_then(|magic| Version::of_magic(magic.first_chunk()?));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_known_however_the_child_cuts_what_it_writes() {
        let mark = "0123456789012345678901234567890123456789";
        let text = format!("$EOF:{mark}\r\nREDIS0016and what is in it{mark}");
        for cut in 0..text.len() {
            let (ours, _theirs) = UnixStream::pair().expect("a pair of sockets");
            let mut transfer = Transfer::new(ours, Vec::new(), mark.to_owned());
            let (one, other) = text.as_bytes().split_at(cut);
            transfer.note(one);
            transfer.note(other);
            assert_eq!((transfer.version, transfer.is_whole()), (Some(Version::redis(16)), true), "{cut}");
        }
    }
}
