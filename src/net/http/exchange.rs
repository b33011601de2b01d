//! A connection over which requests come and answers go.
//!
//! It is always in one of a few states, and in each of them its time is limited: a head that does not come, an answer
//! that is not read, and a peer that does not go away are the end of it. What it holds is bounded: a head, the answer
//! on its way, and of a stream of events the latest that did not fit the socket.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::{Registry, Token};

use super::request::{self, HEAD_BYTES_MAX, Parsed, Request};
use super::response::Status;
use crate::net::socket::Socket;

/// How long a head may take to come, and a TLS handshake before the first one, in milliseconds.
const HEAD_MS: i64 = 10_000;
/// How long a connection is kept for another request, in milliseconds. Scrapers ask once a minute or more often.
const IDLE_MS: i64 = 90_000;
/// How long a peer may take nothing of what it is sent, in milliseconds.
const STALL_MS: i64 = 20_000;
/// How long the rest of what a peer sends is read after its request was refused, in milliseconds, and how much of it.
const DRAIN_MS: i64 = 2_000;
const DRAIN_BYTES_MAX: usize = 256 * 1024;
/// Pieces of a stream that may wait for the socket.
const WAITING_PIECES_MAX: usize = 4;
/// Bytes read at once.
const READ_BYTES: usize = 4 * 1024;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A request is awaited.
    Reading,
    /// Its answer is being made.
    Working,
    /// The answer is sent.
    Writing,
    /// Events are sent as they come.
    Streaming,
    /// All is said; what the peer still sends is read so that it hears it.
    Draining,
}

/// What came of looking at a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is to be done.
    Wait,
    /// A request has come.
    Asked(Request),
    /// What has come is refused.
    Refused(Status),
    /// It is over.
    Close,
}

/// A connection.
#[derive(Debug)]
pub struct Exchange {
    /// A number that is never used twice.
    pub id: u64,
    socket: Socket,
    /// The peer's address.
    pub peer: Option<SocketAddr>,
    phase: Phase,
    input: Vec<u8>,
    output: VecDeque<Arc<[u8]>>,
    /// Bytes sent of the first piece of the output.
    sent: usize,
    keeps_alive: bool,
    /// The peer has said all it will.
    at_end: bool,
    drained: usize,
    deadline_ms: i64,
}

impl Exchange {
    /// A connection that was accepted at `now_ms`.
    pub fn new(id: u64, socket: Socket, now_ms: i64) -> Exchange {
        Exchange {
            id,
            peer: socket.addresses().map(|(peer, _)| peer),
            socket,
            phase: Phase::Reading,
            input: Vec::new(),
            output: VecDeque::new(),
            sent: 0,
            keeps_alive: false,
            at_end: false,
            drained: 0,
            deadline_ms: now_ms + HEAD_MS,
        }
    }

    /// See [`Socket::register`].
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.register(registry, token)
    }

    /// Says goodbye, where that is usual, and ends the reports.
    pub fn close(&mut self, registry: &Registry) {
        self.socket.close();
        self.socket.deregister(registry).ok();
    }

    /// What it is at.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it only waits for a further request, or for its end.
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Draining || self.phase == Phase::Reading && self.input.is_empty()
    }

    /// Whether its time is over.
    pub fn is_overdue(&self, now_ms: i64) -> bool {
        now_ms >= self.deadline_ms
    }

    /// Whether a part of a request has come.
    pub fn has_begun(&self) -> bool {
        self.phase == Phase::Reading && !self.input.is_empty()
    }

    /// Whether the peer is on this machine.
    pub fn peer_is_local(&self) -> bool {
        self.peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
    }

    /// Reads and writes as far as the socket goes.
    pub fn advance(&mut self, now_ms: i64) -> Step {
        match self.try_advance(now_ms) {
            Ok(step) => step,
            Err(_) => Step::Close,
        }
    }

    fn try_advance(&mut self, now_ms: i64) -> io::Result<Step> {
        self.fill()?;
        if !self.send(now_ms)? {
            return Ok(Step::Wait);
        }
        match self.phase {
            Phase::Reading => {}
            Phase::Writing if self.keeps_alive && !self.at_end => {
                self.phase = Phase::Reading;
                self.deadline_ms = now_ms + IDLE_MS;
            }
            Phase::Writing => {
                self.phase = Phase::Draining;
                self.deadline_ms = now_ms + DRAIN_MS;
                self.input = Vec::new();
                self.socket.end_output()?;
                return Ok(if self.at_end { Step::Close } else { Step::Wait });
            }
            Phase::Streaming | Phase::Draining => return Ok(if self.at_end { Step::Close } else { Step::Wait }),
            Phase::Working => return Ok(Step::Wait),
        }
        // What was sent may be the last of a handshake: the request comes behind it.
        if self.input.is_empty() {
            return Ok(if self.at_end { Step::Close } else { Step::Wait });
        }
        match request::parse(&self.input) {
            Parsed::Partial if self.at_end => Ok(Step::Close),
            Parsed::Partial => {
                self.deadline_ms = self.deadline_ms.min(now_ms + HEAD_MS);
                Ok(Step::Wait)
            }
            Parsed::Complete(request, length) => {
                self.input.drain(..length);
                self.input.shrink_to(READ_BYTES);
                self.begin_answer(request.keeps_alive, now_ms);
                Ok(Step::Asked(request))
            }
            Parsed::Refused(status) => {
                self.input = Vec::new();
                self.begin_answer(false, now_ms);
                Ok(Step::Refused(status))
            }
        }
    }

    fn begin_answer(&mut self, keeps_alive: bool, now_ms: i64) {
        self.phase = Phase::Working;
        self.keeps_alive = keeps_alive;
        self.deadline_ms = now_ms + STALL_MS;
    }

    /// Reads what has come, as far as there is room for it.
    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        while !self.at_end {
            let room = match self.phase {
                Phase::Reading | Phase::Working | Phase::Writing => HEAD_BYTES_MAX - self.input.len(),
                Phase::Streaming | Phase::Draining => DRAIN_BYTES_MAX - self.drained,
            };
            if room == 0 {
                return if self.phase == Phase::Draining { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) };
            }
            let room = room.min(READ_BYTES);
            match self.socket.read(&mut buffer[..room]) {
                Ok(0) => self.at_end = true,
                Ok(count) if matches!(self.phase, Phase::Streaming | Phase::Draining) => self.drained += count,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what waits; whether that is all.
    fn send(&mut self, now_ms: i64) -> io::Result<bool> {
        while let Some(piece) = self.output.front() {
            let written = self.socket.write_some(&piece[self.sent..])?;
            if written > 0 {
                self.deadline_ms = now_ms + STALL_MS;
            }
            self.sent += written;
            if self.sent < piece.len() {
                return Ok(false);
            }
            self.output.pop_front();
            self.sent = 0;
        }
        if !self.socket.flush_some()? {
            return Ok(false);
        }
        if self.phase == Phase::Streaming {
            self.deadline_ms = now_ms + STALL_MS;
        }
        Ok(true)
    }

    /// Gives the answer: its head, and its body if it is to be sent. The connection goes on afterwards only if the
    /// request allowed that and `keeps_alive`.
    pub fn answer(&mut self, head: Vec<u8>, body: Option<Arc<[u8]>>, keeps_alive: bool) {
        self.output.push_back(head.into());
        self.output.extend(body.filter(|body| !body.is_empty()));
        self.keeps_alive &= keeps_alive;
        self.phase = Phase::Writing;
    }

    /// Whether another request may follow the one that was asked.
    pub fn keeps_alive(&self) -> bool {
        self.keeps_alive && !self.at_end
    }

    /// Begins a stream of events.
    pub fn begin_stream(&mut self, head: Vec<u8>) {
        self.output.push_back(head.into());
        self.keeps_alive = false;
        self.phase = Phase::Streaming;
    }

    /// Adds an event to the stream, unless too many wait already: whoever reads slowly misses some. Whether it was added.
    pub fn push(&mut self, event: &Arc<[u8]>) -> bool {
        let takes = self.phase == Phase::Streaming && self.output.len() < WAITING_PIECES_MAX;
        if takes {
            self.output.push_back(Arc::clone(event));
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A connection and its other end.
    fn pair() -> (Exchange, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("a socket");
        theirs.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a socket");
        (Exchange::new(1, Socket::Unix(mio::net::UnixStream::from_std(ours)), 0), theirs)
    }

    #[test]
    fn a_head_that_does_not_come_in_time_is_the_end_of_it() {
        let (mut exchange, mut peer) = pair();
        assert!(!exchange.is_overdue(HEAD_MS - 1) && exchange.is_overdue(HEAD_MS));
        peer.write_all(b"GET / HT").expect("a part of a head");
        assert_eq!(exchange.advance(5_000), Step::Wait);
        assert!(exchange.has_begun() && exchange.is_overdue(HEAD_MS), "a byte now and then buys no time");
    }

    #[test]
    fn an_answer_that_is_not_read_is_the_end_of_it_and_a_stream_misses_events() {
        let (mut exchange, mut peer) = pair();
        peer.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("a request");
        assert!(matches!(exchange.advance(0), Step::Asked(_)));
        exchange.begin_stream(b"head".to_vec());
        let event: Arc<[u8]> = vec![b'x'; 1 << 20].into();
        let added = (0..50).filter(|_| {
            let is_added = exchange.push(&event);
            assert_eq!(exchange.advance(1_000), Step::Wait);
            is_added
        });
        assert!((1..50).contains(&added.count()), "and whoever pushes is told so");
        assert!(exchange.output.len() <= WAITING_PIECES_MAX);
        assert!(!exchange.is_overdue(STALL_MS) && exchange.is_overdue(1_000 + STALL_MS));
        drop(peer);
        assert_eq!(exchange.advance(2_000), Step::Close);
    }

    #[test]
    fn what_is_refused_is_heard_though_its_sender_goes_on() {
        let (mut exchange, mut peer) = pair();
        peer.write_all(b"*1\r\n$4\r\nPING\r\n").expect("a request of another protocol");
        assert!(matches!(exchange.advance(0), Step::Refused(_)));
        exchange.answer(b"no".to_vec(), None, true);
        assert_eq!(exchange.advance(0), Step::Wait);
        peer.write_all(&[b'x'; 1000]).expect("what is read and forgotten");
        assert_eq!((exchange.advance(0), exchange.phase()), (Step::Wait, Phase::Draining));
        let mut answer = String::new();
        peer.read_to_string(&mut answer).expect("the answer to its end");
        assert_eq!(answer, "no");
        assert!(exchange.is_overdue(DRAIN_MS), "and not for long");
        drop(peer);
        assert_eq!(exchange.advance(0), Step::Close);
    }
}
