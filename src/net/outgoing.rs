//! Connections to other servers on which one waits for answers: those of MIGRATE.
//!
//! They are kept for a while, since keys are often moved one after the other.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::tls::{Client, ClientStream};

/// Connections kept at a time.
const KEPT_MAX: usize = 64;
/// How long a connection is kept unused.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// A longer line is no answer.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A stream that waits, plain or with TLS.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<ClientStream>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(session) => session.get_ref(),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(session) => session.write_all(bytes).and_then(|()| session.flush()),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(session) => session.read(buffer),
        }
    }
}

/// A connection to another server.
#[derive(Debug)]
pub struct Link {
    stream: BufReader<Stream>,
    used: Instant,
    /// The database selected there, if that is known.
    pub selected: Option<i64>,
}

impl Link {
    fn connect(host: &str, port: u16, timeout: Duration, tls: Option<&Client>) -> io::Result<Link> {
        let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
        for address in (host, port).to_socket_addrs()? {
            result = TcpStream::connect_timeout(&address, timeout);
            if result.is_ok() {
                break;
            }
        }
        let socket = result?;
        socket.set_nodelay(true)?;
        let stream = match tls {
            Some(tls) => {
                socket.set_read_timeout(Some(timeout))?;
                socket.set_write_timeout(Some(timeout))?;
                Stream::Tls(Box::new(tls.connect(socket)?))
            }
            None => Stream::Plain(socket),
        };
        Ok(Link { stream: BufReader::new(stream), used: Instant::now(), selected: None })
    }

    /// Sends bytes; each write waits for as long at most.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.socket().set_write_timeout(Some(timeout))?;
        stream.write_all(bytes)
    }

    /// Reads an answer of one line, without its end.
    ///
    /// # Errors
    /// Those of the socket; a connection that ends is one.
    pub fn line(&mut self, timeout: Duration) -> io::Result<Vec<u8>> {
        self.stream.get_ref().socket().set_read_timeout(Some(timeout))?;
        let mut line = Vec::new();
        self.stream.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(text) => Ok(text.to_vec()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Connections that are kept, by host and port.
#[derive(Debug, Default)]
pub struct Links(HashMap<(String, u16), Link>);

impl Links {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A connection, kept or new; a new one with TLS if that is given.
    ///
    /// # Errors
    /// When there is none and none can be made in time.
    pub fn get(&mut self, host: &str, port: u16, timeout: Duration, tls: Option<&Client>) -> io::Result<&mut Link> {
        let name = (host.to_owned(), port);
        if !self.0.contains_key(&name) {
            let oldest = self.0.iter().min_by_key(|(_, link)| link.used).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest.filter(|_| self.0.len() >= KEPT_MAX) {
                self.0.remove(&oldest);
            }
            self.0.insert(name.clone(), Link::connect(host, port, timeout, tls)?);
        }
        let link = self.0.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
        link.used = Instant::now();
        Ok(link)
    }

    /// Closes a connection.
    pub fn close(&mut self, host: &str, port: u16) {
        self.0.remove(&(host.to_owned(), port));
    }

    /// Closes those that have not been used for a while.
    pub fn close_unused(&mut self) {
        self.0.retain(|_, link| link.used.elapsed() <= KEPT_FOR);
    }
}
