//! The connection to the primary until it becomes a client: its socket, what was sent and what has come.
//!
//! ```text
//! Idle ──> Resolving ──> Connecting ──> Talking (PING, AUTH, REPLCONF …, PSYNC) ──┬──> Receiving ──> Loading ──┐
//!  ▲                                                                              └────────────────────────────┴─> Done
//!  └────────────────────── at most a second after anything fails ──────────────────────────┘
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Receiver;

use super::receiving::{Inflow, Receiving};
use crate::net::socket::Socket;
use crate::resp::request::OwnedRequest;

/// Bytes read at a time, and in one turn.
const READ_BYTES: usize = 64 * 1024;
const TURN_BYTES: usize = 16 * READ_BYTES;
/// A longer line is no answer.
const LINE_BYTES_MAX: usize = 1024;

/// What is awaited from the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The answer to PING.
    Ping,
    /// The answer to AUTH.
    Auth,
    /// The answer to REPLCONF listening-port.
    Port,
    /// The answer to REPLCONF ip-address.
    Address,
    /// The answer to REPLCONF capa.
    Capabilities,
    /// The answer to REPLCONF version.
    Version,
    /// The answer to PSYNC.
    Psync,
}

/// How far the way to the primary is.
#[derive(Debug, Default)]
pub enum State {
    /// Nowhere: there is no primary, or it is tried again soon.
    #[default]
    Idle,
    /// Another thread looks its name up.
    Resolving(Receiver<io::Result<SocketAddr>>),
    /// The connection is being made.
    Connecting,
    /// Answers are awaited.
    Talking(Step),
    /// The data set is on its way.
    Receiving(Receiving),
    /// It is being loaded.
    Loading,
    /// The connection belongs to a client.
    Done,
}

/// The way to the primary.
#[derive(Debug, Default)]
pub struct Link {
    /// How far it is.
    pub state: State,
    /// The socket, until it is a client's.
    pub socket: Option<Socket>,
    /// What came and is not looked at.
    pub input: Vec<u8>,
    pub output: VecDeque<u8>,
    /// Something came, in Unix milliseconds.
    pub heard_ms: i64,
    /// The socket may have more: it is read on in the next turn.
    pub reads_on: bool,
    /// Where what comes goes while it is loaded.
    pub inflow: Option<Inflow>,
    /// The history that the primary sends a snapshot of, and where in it that stands.
    pub promised: Option<(String, i64)>,
}

impl Link {
    /// What INFO and ROLE call its state.
    pub fn name(&self) -> &'static str {
        match self.state {
            State::Idle => "connect",
            State::Resolving(_) | State::Connecting => "connecting",
            State::Talking(_) => "handshake",
            State::Receiving(_) | State::Loading => "sync",
            State::Done => "connected",
        }
    }

    /// Whether a data set is on its way or being loaded.
    pub fn is_syncing(&self) -> bool {
        matches!(self.state, State::Receiving(_) | State::Loading)
    }

    /// Has a request sent.
    pub fn say<T: AsRef<[u8]>>(&mut self, words: &[T]) {
        let mut bytes = Vec::new();
        OwnedRequest::of(words).view().encode(&mut bytes);
        self.output.extend(bytes);
    }

    /// Sends what waits, as far as the socket takes it.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        match socket.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        while !self.output.is_empty() {
            match socket.write(self.output.as_slices().0) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => _ = self.output.drain(..written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what there is, about a turn's share; an error at the end of the stream.
    pub fn fill(&mut self) -> io::Result<usize> {
        let Some(socket) = &mut self.socket else { return Ok(0) };
        let mut total = 0;
        self.reads_on = false;
        while total < TURN_BYTES {
            let old = self.input.len();
            self.input.resize(old + READ_BYTES, 0);
            let result = socket.read(&mut self.input[old..]);
            self.input.truncate(old + *result.as_ref().unwrap_or(&0));
            match result {
                Ok(0) if total == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                // The end is told once what came before it has been looked at; no report will come of it.
                Ok(0) => {
                    self.reads_on = true;
                    return Ok(total);
                }
                Ok(read) => total += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(total),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.reads_on = true;
        Ok(total)
    }

    /// Takes a line from what came, without its end.
    ///
    /// # Errors
    /// When it is longer than any answer.
    pub fn take_line(&mut self) -> io::Result<Option<String>> {
        // Many empty lines in a row say no more than two: they are signs of life.
        let blank = self.input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.input.drain(..blank.saturating_sub(2));
        let Some(end) = memchr::memchr(b'\n', &self.input) else {
            return if self.input.len() > LINE_BYTES_MAX { Err(io::ErrorKind::InvalidData.into()) } else { Ok(None) };
        };
        let line: Vec<u8> = self.input.drain(..=end).collect();
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }

    /// A sign of life while the data set is loaded.
    pub fn send_newline(&mut self) {
        self.output.push_back(b'\n');
        // When that fails the link will be found broken when it is needed.
        self.flush().ok();
    }
}
