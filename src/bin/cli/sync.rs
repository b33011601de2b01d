//! The replication protocol from the side of a replica, as far as the client needs it: REPLCONF, SYNC and the snapshot
//! that follows.
//!
//! The snapshot comes either with its length in front, `$1234\r\n`, or, from a server that makes it on the way, between
//! `$EOF:` and forty random characters, and the same characters again.

use std::io::{self, Read, Write};

use crate::connection::Connection;
use crate::failure::Failure;

const MARK_LEN: usize = 40;

/// How a snapshot ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Length {
    /// After so many bytes.
    Bytes(u64),
    /// In front of these characters.
    Mark(Vec<u8>),
}

/// Sends REPLCONF; whether the server took it. Old servers refuse some of it, which need not matter.
///
/// # Errors
/// When the connection is lost.
pub fn replconf(link: &mut Connection, name: &str, value: &str) -> Result<bool, Failure> {
    eprintln!("sending REPLCONF {name} {value}");
    let reply = link.call(["REPLCONF", name, value]).map_err(|_| Failure::new("\nI/O error"))?;
    if let Some(error) = reply.error() {
        eprintln!("REPLCONF {name} error: {}", String::from_utf8_lossy(error));
    }
    Ok(reply.error().is_none())
}

/// Sends SYNC and reads how long the snapshot is.
///
/// # Errors
/// When the server refuses or the connection is lost.
pub fn begin(link: &mut Connection) -> Result<Length, Failure> {
    let sent = link.transport().write_all(b"SYNC\r\n").and_then(|()| link.transport().flush());
    sent.map_err(|_| Failure::new("Error writing to master"))?;
    let line = read_line(link).map_err(|_| Failure::new("Error reading bulk length while SYNCing"))?;
    match line.split_first() {
        Some((b'$', rest)) => match rest.strip_prefix(b"EOF:") {
            Some(mark) if mark.len() >= MARK_LEN => Ok(Length::Mark(mark.to_vec())),
            _ => {
                let text = String::from_utf8_lossy(rest);
                let refused = || Failure::new(format!("SYNC with master failed: no length but '{text}'"));
                text.parse().map(Length::Bytes).map_err(|_| refused())
            }
        },
        _ => Err(Failure::new(format!("SYNC with master failed: {}", String::from_utf8_lossy(&line)))),
    }
}

/// A line without its end. Empty ones are a server's signs of life and passed over. Nothing behind the line is read.
fn read_line(link: &mut Connection) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        link.read_exact(&mut byte)?;
        match byte {
            [b'\n'] if line.is_empty() => {}
            [b'\n'] => return Ok(line),
            [b'\r'] => {}
            [byte] => line.push(byte),
        }
    }
}

/// Hands the bytes of a snapshot on as they come; how many they were. Mind that nothing behind the snapshot is read
/// when its length is known, and that a mark is only looked for at the end of what has come, as the stream pauses
/// there.
///
/// # Errors
/// When the connection is lost, or whoever takes the bytes gives up.
pub fn snapshot(
    input: &mut impl Read,
    length: &Length,
    mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    // The last bytes, which are the mark or go on when more have come.
    let mut held: Vec<u8> = Vec::new();
    loop {
        let wanted = match length {
            Length::Bytes(bytes) => usize::try_from(bytes - total).unwrap_or(usize::MAX).min(buffer.len()),
            Length::Mark(_) => buffer.len(),
        };
        if wanted == 0 {
            return Ok(total);
        }
        let bytes = match input.read(buffer.get_mut(..wanted).unwrap_or_default()) {
            Ok(0) => return Err(Failure::new("I/O Error reading RDB payload from socket")),
            Ok(count) => buffer.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(Failure::new("I/O Error reading RDB payload from socket")),
        };
        match length {
            Length::Bytes(_) => {
                take(bytes)?;
                total += bytes.len() as u64;
            }
            Length::Mark(mark) => {
                held.extend_from_slice(bytes);
                let ready = held.len().saturating_sub(mark.len());
                take(held.get(..ready).unwrap_or_default())?;
                total += ready as u64;
                held.drain(..ready);
                if held == *mark {
                    return Ok(total);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes at a time.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buf.len()).min(self.0.len());
            let (now, later) = self.0.split_at(count);
            buf[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn taken(input: &[u8], piece: usize, length: &Length) -> Result<(Vec<u8>, u64), Failure> {
        let mut out = Vec::new();
        let mut input = Pieces(input, piece);
        let total = snapshot(&mut input, length, |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok((out, total))
    }

    #[test]
    fn snapshots_end_after_their_length_or_before_their_mark() {
        let mark = vec![b'x'; MARK_LEN];
        let body = b"REDIS0010 and more".repeat(20);
        let marked = [body.clone(), mark.clone()].concat();
        for piece in [1, 7, 39, 40, 41, 5000] {
            let bytes = Length::Bytes(body.len() as u64);
            assert_eq!(taken(&marked, piece, &bytes), Ok((body.clone(), body.len() as u64)), "{piece}");
            let mark = Length::Mark(mark.clone());
            assert_eq!(taken(&marked, piece, &mark), Ok((body.clone(), body.len() as u64)), "{piece}");
            assert!(taken(&body, piece, &mark).is_err());
        }
    }
}
