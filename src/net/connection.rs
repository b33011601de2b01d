//! The state of one connection: its socket, and input that is not complete.
//!
//! Most requests arrive whole and are run from the event loop's shared read buffer, so an idle connection owns no
//! buffer at all. What is left of an incomplete request moves here, into `input`, with the [`Progress`] of its
//! framing; from then on the socket is read into `input` until all of it is used up. The buffer is kept for the
//! next time and given back by the cron when it is idle or larger than needed.
//!
//! Nothing leaves but through [`Connection::send`] and [`Connection::flush`], and these take a [`SendPermit`]: the log
//! of changes is where the configuration promises it before anybody is told of them.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::{Registry, Token};

use super::socket::Socket;
use crate::resp::reply::Reply;
use crate::resp::request::Progress;

/// What was logged is where the configuration promises it: good for sending to one client, at once.
#[derive(Debug)]
#[must_use = "it is made for something to be sent"]
pub struct SendPermit(());

impl SendPermit {
    /// For `server::persistence::aof_write::permit_send` alone, which sees to it; the test of the style knows the
    /// place.
    pub fn granted() -> SendPermit {
        SendPermit(())
    }
}

/// Pieces of output handed to one write.
const PIECES_MAX: usize = 64;

/// What a flush came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Flushed {
    /// All is sent.
    Done,
    /// The socket takes no more for now; it will report when it does.
    Partial,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    /// Bytes of requests that are incomplete or wait for their turn.
    pub input: Vec<u8>,
    /// How many bytes at the head of `input` are done with already; less than all.
    pub input_done: usize,
    /// How far the request at the head of `input` is understood.
    pub progress: Progress,
    /// It will be closed at the end of the turn.
    pub doomed: bool,
    /// It stands in the list of those to be read on with.
    pub read_on_pending: bool,
    /// The peer has closed its side: there will be no further event, so the stream is read to its end.
    pub hung_up: bool,
    /// The socket took less than it was given and has not reported since.
    pub output_stuck: bool,
    /// When its output first exceeded the soft limit, in Unix milliseconds.
    pub output_over_soft_since: Option<i64>,
    addresses: Option<(SocketAddr, SocketAddr)>,
    /// The path of the unix socket it came through.
    unix_path: Option<std::sync::Arc<str>>,
}

impl Connection {
    /// A connection over a socket; `unix_path` names the listener of a unix socket.
    pub fn new(socket: Socket, unix_path: Option<std::sync::Arc<str>>) -> Connection {
        Connection {
            addresses: socket.addresses(),
            socket,
            input: Vec::new(),
            input_done: 0,
            progress: Progress::default(),
            doomed: false,
            read_on_pending: false,
            hung_up: false,
            output_stuck: false,
            output_over_soft_since: None,
            unix_path,
        }
    }

    /// The socket, to be looked at.
    #[inline]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// See [`Socket::register`].
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.register(registry, token)
    }

    /// See [`Socket::reregister`].
    pub fn reregister(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.reregister(registry, token)
    }

    /// Says goodbye, where that is usual, and ends the reports.
    pub fn close(&mut self, registry: &Registry) {
        self.socket.close();
        self.socket.deregister(registry).ok();
    }

    /// Reads what has come. That may have the socket send something of its own, which may wait.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.socket.read(buffer);
        self.output_stuck |= self.socket.has_unsent();
        result
    }

    /// Whether a read that returned less than it was offered has left something behind.
    #[inline]
    pub fn has_more(&self) -> bool {
        self.socket.has_more()
    }

    /// The descriptor's number.
    pub fn descriptor(&self) -> i32 {
        self.socket.descriptor()
    }

    /// The peer's address as CLIENT LIST shows it: `ip:port`, or the path and `:0` for a unix socket.
    pub fn peer_name(&self) -> String {
        self.name_of(self.addresses.map(|(peer, _)| peer))
    }

    /// The peer's address without its port, none for a unix socket.
    pub fn peer_ip(&self) -> Option<IpAddr> {
        self.addresses.map(|(peer, _)| peer.ip().to_canonical())
    }

    /// Our end's address, likewise.
    pub fn local_name(&self) -> String {
        self.name_of(self.addresses.map(|(_, local)| local))
    }

    fn name_of(&self, address: Option<SocketAddr>) -> String {
        match (address, &self.unix_path) {
            (Some(address), _) => address_name(address),
            (None, Some(path)) => format!("{path}:0"),
            (None, None) => "?:0".to_owned(),
        }
    }

    /// Whether it came through a unix socket.
    pub fn is_unix(&self) -> bool {
        self.unix_path.is_some()
    }

    /// Whether the peer is on this machine: a unix socket or a loopback address.
    pub fn peer_is_local(&self) -> bool {
        self.is_unix() || self.peer_ip().is_some_and(|peer| peer.is_loopback())
    }

    /// Keeps input that is not used up: what stands in `buffer` from `used` on. Requests that are complete and only
    /// wait for their turn are moved to the front no sooner than most of the buffer is done with, so that a long queue
    /// of them costs no more for being long.
    pub fn keep_input(&mut self, mut buffer: Vec<u8>, used: usize) {
        if self.progress.is_idle() && used <= buffer.len() / 2 {
            self.input_done = used;
        } else {
            buffer.drain(..used);
            self.input_done = 0;
        }
        self.input = buffer;
    }

    /// Bytes of input that wait.
    pub fn input_waiting(&self) -> usize {
        self.input.len() - self.input_done
    }

    /// Sends pieces once; how many bytes of them. When that is not all, the socket will report when it takes more.
    pub fn send(&mut self, pieces: &[io::IoSlice<'_>], _: SendPermit) -> io::Result<usize> {
        let wanted: usize = pieces.iter().map(|piece| piece.len()).sum();
        let sent = match self.socket.write_vectored(pieces) {
            Ok(0) if wanted > 0 => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.output_stuck = true;
                0
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        self.output_stuck |= self.socket.has_unsent();
        Ok(sent)
    }

    /// Sends as much of the output as the socket takes.
    pub fn flush(&mut self, output: &mut Reply, _: SendPermit) -> io::Result<(Flushed, usize)> {
        let mut sent = 0;
        while !output.is_empty() {
            let result = match output.contiguous() {
                Some(bytes) => self.socket.write(bytes),
                None => {
                    let mut pieces = [io::IoSlice::new(&[]); PIECES_MAX];
                    let filled = output.io_slices(&mut pieces);
                    self.socket.write_vectored(&pieces[..filled])
                }
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    output.consume(count);
                    sent += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.output_stuck = true;
                    return Ok((Flushed::Partial, sent));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // What the socket has taken may wait there.
        if self.socket.has_unsent() && !self.socket.flush_some()? {
            self.output_stuck = true;
            return Ok((Flushed::Partial, sent));
        }
        self.output_stuck = false;
        Ok((Flushed::Done, sent))
    }
}

/// `ip:port`, an IPv6 address in brackets; IPv4 in IPv6 as IPv4.
pub fn address_name(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}
