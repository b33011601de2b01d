//! A connection: requests out, replies in, and the bytes they came in.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use oxidis::resp::{Decoder, ProtocolError, Value, encode_request};

use crate::interrupt;
use crate::transport::{Transport, reason};

const READ_BYTES: usize = 64 * 1024;

/// Why a connection is of no use any more.
#[derive(Debug)]
pub enum LinkError {
    /// The server has closed it.
    Closed,
    /// The system says so.
    Io(io::Error),
    /// What came is not RESP.
    Protocol(ProtocolError),
    /// The user pressed Ctrl-C while a reply was waited for.
    Interrupted,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Closed => f.write_str("Server closed the connection"),
            LinkError::Io(error) => f.write_str(&reason(error)),
            LinkError::Protocol(error) => write!(f, "Protocol error, {error}"),
            LinkError::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> LinkError {
        LinkError::Io(error)
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    transport: Transport,
    decoder: Decoder,
    buffer: Box<[u8]>,
    /// Requests not sent yet.
    outgoing: Vec<u8>,
    /// What came and is not part of a value taken out yet, if that is to be shown.
    raw: Option<Vec<u8>>,
    /// The bytes of the value taken out last.
    last_raw: Vec<u8>,
    /// Ctrl-C ends a wait.
    interruptible: bool,
}

impl Connection {
    /// A connection over a stream.
    pub fn new(transport: Transport) -> Connection {
        Connection {
            transport,
            decoder: Decoder::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            outgoing: Vec::new(),
            raw: None,
            last_raw: Vec::new(),
            interruptible: false,
        }
    }

    /// From now on Ctrl-C ends a wait.
    pub fn make_interruptible(&mut self) -> io::Result<()> {
        self.interruptible = true;
        self.transport.set_read_timeout(Some(interrupt::LOOK))
    }

    /// Keeps the bytes that values come in, or no longer.
    pub fn keep_raw(&mut self, keep: bool) {
        self.raw = keep.then(Vec::new);
        self.last_raw.clear();
    }

    /// The stream below.
    pub fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    /// Keeps a request until [`flush`](Connection::flush).
    pub fn queue<I>(&mut self, args: I)
    where
        I: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
    {
        encode_request(args, &mut self.outgoing);
    }

    /// Sends what is queued.
    pub fn flush(&mut self) -> Result<(), LinkError> {
        self.transport.write_all(&self.outgoing)?;
        self.transport.flush()?;
        self.outgoing.clear();
        Ok(())
    }

    /// Sends a request.
    pub fn send<I>(&mut self, args: I) -> Result<(), LinkError>
    where
        I: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
    {
        self.queue(args);
        self.flush()
    }

    /// Sends a request and waits for its reply; pushes are passed over.
    pub fn call<I>(&mut self, args: I) -> Result<Value, LinkError>
    where
        I: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
    {
        self.send(args)?;
        self.reply()
    }

    /// Waits for the next reply; pushes are passed over.
    pub fn reply(&mut self) -> Result<Value, LinkError> {
        loop {
            match self.receive()? {
                Value::Push(_) => {}
                reply => return Ok(reply),
            }
        }
    }

    /// Waits for whatever the server sends next.
    pub fn receive(&mut self) -> Result<Value, LinkError> {
        loop {
            if let Some(value) = self.decoded()? {
                return Ok(value);
            }
            self.read_more()?;
        }
    }

    fn decoded(&mut self) -> Result<Option<Value>, LinkError> {
        let before = self.decoder.position();
        let value = self.decoder.decode().map_err(LinkError::Protocol)?;
        if let Some(raw) = &mut self.raw {
            let taken = usize::try_from(self.decoder.position() - before).unwrap_or(usize::MAX).min(raw.len());
            self.last_raw.extend(raw.drain(..taken));
        }
        Ok(value)
    }

    fn read_more(&mut self) -> Result<(), LinkError> {
        loop {
            // Before each read, since a stream may never pause.
            if self.interruptible && interrupt::raised() {
                return Err(LinkError::Interrupted);
            }
            match self.transport.read(&mut self.buffer) {
                Ok(count) => return self.take_in(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if self.interruptible && is_timeout(&error) => {}
                // TLS that ends without a farewell.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(LinkError::Closed),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take_in(&mut self, count: usize) -> Result<(), LinkError> {
        let bytes = self.buffer.get(..count).filter(|bytes| !bytes.is_empty()).ok_or(LinkError::Closed)?;
        self.decoder.feed(bytes);
        if let Some(raw) = &mut self.raw {
            raw.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Takes the bytes out that the values since the last call came in.
    pub fn take_raw(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.last_raw)
    }
}

/// The bytes of the stream where it is no RESP, as in replication; nothing may have been received of them yet.
impl Read for Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.transport.read(buf) {
                Err(error) if self.interruptible && is_timeout(&error) && !interrupt::raised() => {}
                done => return done,
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
