//! A TLS session over a socket that does not wait.
//!
//! A [`Session`] reads and writes like a socket: it gives out what it has decrypted and takes what it is to encrypt,
//! and says `WouldBlock` when the socket does. Records are decrypted and encrypted in room that all sessions share, so
//! an idle session owns no buffer. What it keeps between two calls is the head of a record that has not come whole,
//! decrypted bytes that were not asked for, and encrypted ones that the socket has not taken.
//!
//! Two things differ from a socket. A read that returns less than it was offered may have left something behind: ask
//! [`Session::has_more`]. A write that took everything may not have sent everything: [`Session::flush`] does, and says
//! `WouldBlock` while it can't.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, ServerConfig};

use super::client::address_as_name;
use super::owner;
use super::records::{Engine, Plain, Side, Task};
use crate::config::TlsClientUser;
use crate::net::write_some::write_some;

/// Bytes read from a socket at once.
const READ_BYTES: usize = 64 * 1024;
/// Bytes encrypted at once: four records of the largest size.
const WRITE_BYTES: usize = 64 * 1024;
/// What encryption adds to so many bytes at most.
const OVERHEAD_BYTES: usize = 1024;
/// Of several pieces to be written, those from this size on are not gathered with others.
const PIECE_BYTES: usize = 16 * 1024;
/// Bytes of the record that ends a session, at most.
const ALERT_BYTES_MAX: usize = 128;
/// What the first byte of a record may be.
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=23;
/// The most that can be left of a record, or of a message of the handshake in several.
const REST_BYTES_MAX: usize = 96 * 1024;

/// Room for records on their way.
struct Room {
    records: Vec<u8>,
    encrypted: Vec<u8>,
    gathered: Vec<u8>,
}

/// Records that are sent together.
struct Batch<'a> {
    room: &'a mut Vec<u8>,
    used: usize,
}

impl Batch<'_> {
    fn new(room: &mut Vec<u8>) -> Batch<'_> {
        room.resize(WRITE_BYTES + OVERHEAD_BYTES, 0);
        Batch { room, used: 0 }
    }

    fn left(&self) -> usize {
        self.room.len() - self.used
    }
}

thread_local! {
    static ROOM: RefCell<Room> = const {
        RefCell::new(Room { records: Vec::new(), encrypted: Vec::new(), gathered: Vec::new() })
    };
}

/// A session.
pub struct Session {
    stream: TcpStream,
    engine: Engine,
    is_established: bool,
    /// The peer has ended the session or the connection.
    is_at_end: bool,
    /// The last read left something in the socket.
    more_in_socket: bool,
    /// The head of a record.
    rest: Vec<u8>,
    /// Decrypted bytes, of which some were given out.
    plain: Vec<u8>,
    given: usize,
    /// Encrypted bytes, of which some were sent.
    outgoing: Vec<u8>,
    sent: usize,
}

impl Session {
    /// The server's end of a session.
    ///
    /// # Errors
    /// When the settings are of no use.
    pub fn accept(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<Session> {
        let connection = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Session::new(stream, Side::Server(connection)))
    }

    /// The client's end, over a connection that may still be on its way to `address`.
    ///
    /// # Errors
    /// When the settings are of no use.
    pub fn connect(stream: TcpStream, address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<Session> {
        let name = address_as_name(address.ip());
        let connection = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Session::new(stream, Side::Client(connection)))
    }

    fn new(stream: TcpStream, side: Side) -> Session {
        Session {
            stream,
            engine: Engine::new(side),
            is_established: false,
            is_at_end: false,
            more_in_socket: false,
            rest: Vec::new(),
            plain: Vec::new(),
            given: 0,
            outgoing: Vec::new(),
            sent: 0,
        }
    }

    /// The socket below.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket below, to be registered.
    pub fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether the handshake is over.
    pub fn is_established(&self) -> bool {
        self.is_established
    }

    /// The names of users in the certificate the other end has shown, the foremost first; none before the handshake is
    /// over.
    pub fn names_of_peer(&self, field: TlsClientUser) -> Vec<String> {
        match self.engine.peer_certificate() {
            Some(certificate) if self.is_established => owner::user_names(certificate, field),
            Some(_) | None => Vec::new(),
        }
    }

    /// Whether another read would find something, although the last one returned less than it was offered.
    pub fn has_more(&self) -> bool {
        self.more_in_socket || self.is_at_end || self.given < self.plain.len()
    }

    /// Whether encrypted bytes wait for the socket.
    pub fn has_unsent(&self) -> bool {
        self.sent < self.outgoing.len()
    }

    /// Reads decrypted bytes; 0 at the end.
    ///
    /// # Errors
    /// Those of the socket; `InvalidData` when the peer breaks the rules or is not to be trusted.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.given < self.plain.len() {
                return Ok(self.give(buffer));
            }
            if self.is_at_end {
                return Ok(0);
            }
            match ROOM.with_borrow_mut(|room| self.read_records(&mut room.records, buffer))? {
                0 if self.is_at_end => return Ok(0),
                // Only the socket can say that there is nothing more: the end of the stream may be next.
                0 => {}
                read => return Ok(read),
            }
        }
    }

    fn give(&mut self, buffer: &mut [u8]) -> usize {
        let left = &self.plain[self.given..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.given += count;
        if self.given == self.plain.len() {
            (self.plain, self.given) = (Vec::new(), 0);
        }
        count
    }

    /// Reads the socket once and decrypts what came; how many bytes of it are in `buffer`.
    fn read_records(&mut self, records: &mut Vec<u8>, buffer: &mut [u8]) -> io::Result<usize> {
        let old = self.rest.len();
        if records.len() < old + READ_BYTES {
            records.resize(old + READ_BYTES, 0);
        }
        let read = self.stream.read(&mut records[old..old + READ_BYTES])?;
        self.more_in_socket = read == READ_BYTES;
        if read == 0 {
            self.is_at_end = true;
            return if self.is_established { Ok(0) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        // Whoever speaks another protocol would not understand an alert.
        if !self.is_established && old == 0 && !RECORD_TYPES.contains(&records[0]) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer does not speak TLS"));
        }
        records[..old].copy_from_slice(&self.rest);
        let mut plain = Plain { buffer, filled: 0, surplus: &mut self.plain };
        let records = &mut records[..old + read];
        let result = self.engine.advance(records, &mut plain, &mut self.outgoing, Task::Read);
        let filled = plain.filled;
        let result = result.and_then(|advance| {
            self.is_at_end |= advance.has_ended;
            self.keep(&records[advance.used..])?;
            Ok(filled)
        });
        self.is_established = self.is_established || !self.engine.is_handshaking();
        // An answer of the handshake, or the reason for its failure; what is left of it goes with the next flush.
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => result.and(Err(error)),
            _ => result,
        }
    }

    /// Keeps the head of a record until the rest of it comes.
    fn keep(&mut self, rest: &[u8]) -> io::Result<()> {
        if rest.len() > REST_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if rest.is_empty() {
            self.rest = Vec::new();
        } else {
            self.rest.clear();
            self.rest.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Takes bytes to be sent; how many.
    ///
    /// # Errors
    /// Those of the socket; `WouldBlock` while it has not taken what came before, or the handshake is not over.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.prepare()?;
        ROOM.with_borrow_mut(|room| {
            let mut batch = Batch::new(&mut room.encrypted);
            let taken = self.put(&mut batch, bytes)?;
            self.send(&mut batch)?;
            Ok(taken)
        })
    }

    /// Takes pieces to be sent; how many bytes of them. Small ones share a record.
    ///
    /// # Errors
    /// Like [`Session::write`].
    pub fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.prepare()?;
        ROOM.with_borrow_mut(|room| {
            let mut batch = Batch::new(&mut room.encrypted);
            let gathered = &mut room.gathered;
            let mut taken = 0;
            gathered.clear();
            for piece in pieces {
                if piece.len() < PIECE_BYTES && gathered.len() + piece.len() <= WRITE_BYTES {
                    gathered.extend_from_slice(piece);
                    continue;
                }
                for bytes in [&gathered[..], piece] {
                    taken += self.put(&mut batch, bytes)?;
                    if self.has_unsent() {
                        return Ok(taken);
                    }
                }
                gathered.clear();
            }
            taken += self.put(&mut batch, gathered)?;
            self.send(&mut batch)?;
            Ok(taken)
        })
    }

    /// Sends what waits, and begins the handshake if that is this side's to do.
    fn prepare(&mut self) -> io::Result<()> {
        self.flush()?;
        if self.is_established {
            return Ok(());
        }
        self.work(Task::Read)?;
        self.flush()?;
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Encrypts bytes, and sends what is encrypted each time there is no room for more; how many were encrypted until
    /// the socket took no more.
    fn put(&mut self, batch: &mut Batch<'_>, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        for piece in bytes.chunks(WRITE_BYTES) {
            if batch.left() < piece.len() + OVERHEAD_BYTES {
                self.send(batch)?;
            }
            if self.has_unsent() {
                break;
            }
            let length = self.work(Task::Write { bytes: piece, into: &mut batch.room[batch.used..] })?;
            taken += piece.len();
            // Something of the session's own has its place before this, and behind what was encrypted before.
            if self.has_unsent() {
                self.outgoing.splice(..self.sent, batch.room[..batch.used].iter().copied());
                self.sent = 0;
                self.outgoing.extend_from_slice(&batch.room[batch.used..batch.used + length]);
                batch.used = 0;
                break;
            }
            batch.used += length;
        }
        Ok(taken)
    }

    /// Sends what is encrypted, and keeps what the socket does not take.
    fn send(&mut self, batch: &mut Batch<'_>) -> io::Result<()> {
        let encrypted = &batch.room[..std::mem::take(&mut batch.used)];
        let sent = if self.has_unsent() { 0 } else { write_some(encrypted, |rest| self.stream.write(rest))? };
        self.outgoing.extend_from_slice(&encrypted[sent..]);
        Ok(())
    }

    /// Does something without new records; how many bytes it wrote.
    fn work(&mut self, task: Task<'_>) -> io::Result<usize> {
        let mut plain = Plain { buffer: &mut [], filled: 0, surplus: &mut self.plain };
        let advance = self.engine.advance(&mut self.rest, &mut plain, &mut self.outgoing, task)?;
        self.is_at_end |= advance.has_ended;
        self.rest.drain(..advance.used);
        Ok(advance.written)
    }

    /// Sends what the socket has not taken yet.
    ///
    /// # Errors
    /// Those of the socket; `WouldBlock` when something is left.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.has_unsent() {
            return Ok(());
        }
        self.sent += write_some(&self.outgoing[self.sent..], |rest| self.stream.write(rest))?;
        if self.has_unsent() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        (self.outgoing, self.sent) = (Vec::new(), 0);
        Ok(())
    }

    /// Tells the peer that nothing more will come, if it can be told at once.
    pub fn close(&mut self) {
        if !self.is_established || self.has_unsent() {
            return;
        }
        let mut alert = [0; ALERT_BYTES_MAX];
        if let Ok(length) = self.work(Task::Close { into: &mut alert }) {
            write_some(&alert[..length], |rest| self.stream.write(rest)).ok();
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("stream", &self.stream).finish_non_exhaustive()
    }
}
