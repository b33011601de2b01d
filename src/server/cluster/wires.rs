//! The sockets of links, each with what came of a message so far and what waits to be sent.

use std::collections::BTreeMap;
use std::io;

use mio::{Registry, Token};

use crate::net::socket::Socket;
use crate::net::tokens::BUS_FIRST_TOKEN;
use crate::peers::cluster::message::decode::{self, Invalid};
use crate::peers::cluster::node::LinkId;

/// Read at a time, in bytes.
const READ_BYTES: usize = 16 << 10;
/// Reads in a turn: others wait.
const READS_MAX: usize = 64;
/// Room that is kept when there is no use for it.
const KEPT_BYTES: usize = 16 << 10;

/// The sockets of the bus.
#[derive(Debug, Default)]
pub struct Bus {
    pub(super) wires: BTreeMap<LinkId, Wire>,
    /// Links whose sockets may have more.
    pub(super) read_on: Vec<LinkId>,
    /// When the next round of the rules is due, in Unix milliseconds.
    pub(super) next_tick_ms: i64,
}

impl Bus {
    /// Whether something that came is still to be read.
    pub fn has_read_on(&self) -> bool {
        !self.read_on.is_empty()
    }

    /// Bytes that wait to be sent on a link, and the room they have.
    pub fn output_bytes(&self, link: LinkId) -> (usize, usize) {
        self.wires.get(&link).map_or((0, 0), Wire::output_bytes)
    }

    /// Bytes of memory of all links.
    pub fn memory(&self) -> usize {
        self.wires.values().map(Wire::memory).sum()
    }
}

/// How far a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The connection is being made.
    Connecting,
    /// TLS is being agreed on.
    Handshake,
    /// Messages are exchanged.
    Open,
}

/// A link's socket.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
    stage: Stage,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of the output is sent.
    sent: usize,
}

/// What came.
#[derive(Debug, Default)]
pub struct Came {
    /// Messages, each whole.
    pub messages: Vec<Vec<u8>>,
    /// The socket may have more.
    pub more: bool,
    /// The link has just opened.
    pub opened: bool,
    /// Why nothing more will come.
    pub ended: Option<io::Error>,
}

/// Why a link is over.
#[derive(Debug)]
pub enum Over {
    /// The other end has closed it, or it has failed.
    Socket(io::Error),
    /// What came is no message.
    Invalid(Invalid),
}

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Over {
        Over::Socket(error)
    }
}

impl Wire {
    /// A link that was accepted, or that is being made.
    pub fn new(socket: Socket, connecting: bool) -> Wire {
        let stage = if connecting { Stage::Connecting } else { Stage::Handshake };
        Wire { socket, stage, input: Vec::new(), output: Vec::new(), sent: 0 }
    }

    /// Has the loop told of it.
    ///
    /// # Errors
    /// Those of the system.
    pub fn register(&mut self, registry: &Registry, link: LinkId) -> io::Result<()> {
        self.socket.register(registry, Token(BUS_FIRST_TOKEN + link.0 as usize))
    }

    /// Ends it.
    pub fn close(mut self, registry: &Registry) {
        self.socket.close();
        self.socket.deregister(registry).ok();
    }

    /// The socket is ready: makes progress with the connection, sends what waits, and takes what came. Messages may be
    /// so long.
    ///
    /// # Errors
    /// When the link is over.
    pub fn advance(&mut self, length_max: usize) -> Result<Came, Over> {
        let mut came = Came::default();
        if self.stage == Stage::Connecting {
            if !self.socket.is_connected()? {
                return Ok(came);
            }
            self.socket.set_delay(false)?;
            self.stage = Stage::Handshake;
        }
        self.flush()?;
        came.ended = self.fill(&mut came).err();
        if self.stage == Stage::Handshake && self.socket.is_established() {
            self.stage = Stage::Open;
            came.opened = true;
        }
        if came.ended.is_none() {
            // The end of the TLS handshake is what the first message waits for.
            self.flush()?;
        }
        self.take_messages(&mut came, length_max).map_err(Over::Invalid)?;
        Ok(came)
    }

    fn fill(&mut self, came: &mut Came) -> io::Result<()> {
        let mut room = [0; READ_BYTES];
        for _ in 0..READS_MAX {
            match self.socket.read(&mut room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.input.extend_from_slice(&room[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        came.more = true;
        Ok(())
    }

    fn take_messages(&mut self, came: &mut Came, length_max: usize) -> Result<(), Invalid> {
        let mut at = 0;
        while let Some(length) = decode::length(&self.input[at..], length_max)? {
            let Some(message) = self.input.get(at..at + length) else { break };
            came.messages.push(message.to_vec());
            at += length;
        }
        self.input.drain(..at);
        if self.input.is_empty() {
            self.input.shrink_to(KEPT_BYTES);
        }
        Ok(())
    }

    /// Adds a message to what is to be sent.
    pub fn push(&mut self, message: &[u8]) {
        self.output.extend_from_slice(message);
    }

    /// Sends what waits, as far as that goes.
    ///
    /// # Errors
    /// When the link is over.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.stage == Stage::Connecting {
            return Ok(());
        }
        if !self.socket.is_established() {
            return self.shake_hands();
        }
        self.sent += self.socket.write_some(&self.output[self.sent..])?;
        if self.sent == self.output.len() {
            self.output.clear();
            self.output.shrink_to(KEPT_BYTES);
            self.sent = 0;
        } else if self.sent > KEPT_BYTES {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
        self.socket.flush_some().map(|_| ())
    }

    /// Says what there is to say of a TLS handshake, the beginning too if that is this side's.
    fn shake_hands(&mut self) -> io::Result<()> {
        match self.socket.write(&[]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result.map(drop),
        }
    }

    /// Bytes that wait to be sent, and the room they have.
    pub fn output_bytes(&self) -> (usize, usize) {
        (self.output.len() - self.sent, self.output.capacity())
    }

    /// Bytes of memory of it.
    pub fn memory(&self) -> usize {
        size_of::<Wire>() + self.input.capacity() + self.output.capacity()
    }

    /// The addresses of both ends: the other's, this one's.
    pub fn ips(&self) -> Option<(String, String)> {
        let (peer, own) = self.socket.addresses()?;
        Some((peer.ip().to_canonical().to_string(), own.ip().to_canonical().to_string()))
    }
}
