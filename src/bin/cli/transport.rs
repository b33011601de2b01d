//! Byte streams to a server: TCP, Unix socket, TLS over TCP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use oxidis::tls::{Client, ClientStream};
use socket2::{SockRef, TcpKeepalive};

use crate::failure::Failure;
use crate::options::Options;

/// How long a connection may be silent before the system asks whether the peer is alive.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// A stream to a server.
#[derive(Debug)]
pub enum Transport {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<ClientStream>),
}

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// How to encrypt, if the options ask for that.
///
/// # Errors
/// When a file that TLS needs is of no use.
pub fn tls(options: &Options) -> Result<Option<Client>, Failure> {
    let tls = options.tls.then(|| Client::new(&options.tls_options)).transpose();
    tls.map_err(|error| Failure::new(format!("Could not negotiate a TLS connection: {error}")))
}

/// Connects to the server that the options name.
///
/// # Errors
/// When it can't be reached.
pub fn open(options: &Options, tls: Option<&Client>) -> io::Result<Transport> {
    if let Some(path) = &options.socket {
        return Ok(Transport::Unix(UnixStream::connect(path)?));
    }
    let stream = tcp(options)?;
    Ok(match tls {
        Some(tls) => Transport::Tls(Box::new(tls.connect(stream)?)),
        None => Transport::Tcp(stream),
    })
}

/// Connects through TCP; the first address that answers wins, in time if there is a limit.
///
/// # Errors
/// When the host is unknown or none of its addresses answers.
fn tcp(options: &Options) -> io::Result<TcpStream> {
    let mut addresses: Vec<SocketAddr> = (options.host.as_str(), options.port).to_socket_addrs()?.collect();
    if let Some(family) = options.family {
        // The order stays among those of a version.
        addresses.sort_by_key(|address| address.is_ipv4() != (family == Family::V4));
    }
    let stream = first_that_answers(&addresses, options.connect_timeout)?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3).with_retries(3);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

fn first_that_answers(addresses: &[SocketAddr], timeout: Option<Duration>) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let answer = match timeout {
            Some(timeout) => TcpStream::connect_timeout(address, timeout),
            None => TcpStream::connect(address),
        };
        match answer {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl Transport {
    /// Reads give up after this long, with an error of kind `WouldBlock` or `TimedOut`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Transport::Tcp(stream) => stream.set_read_timeout(timeout),
            Transport::Unix(stream) => stream.set_read_timeout(timeout),
            Transport::Tls(stream) => stream.sock.set_read_timeout(timeout),
        }
    }

    /// Reads and writes no longer wait.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Transport::Tcp(stream) => stream.set_nonblocking(true),
            Transport::Unix(stream) => stream.set_nonblocking(true),
            Transport::Tls(stream) => stream.sock.set_nonblocking(true),
        }
    }

    /// Another handle of the socket, to wait on.
    pub fn waitable(&self) -> io::Result<Box<dyn mio::event::Source>> {
        Ok(match self {
            Transport::Tcp(stream) => Box::new(mio::net::TcpStream::from_std(stream.try_clone()?)),
            Transport::Unix(stream) => Box::new(mio::net::UnixStream::from_std(stream.try_clone()?)),
            Transport::Tls(stream) => Box::new(mio::net::TcpStream::from_std(stream.sock.try_clone()?)),
        })
    }
}

impl Read for Transport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(stream) => stream.read(buf),
            Transport::Unix(stream) => stream.read(buf),
            Transport::Tls(stream) => stream.read(buf),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(stream) => stream.write(bytes),
            Transport::Unix(stream) => stream.write(bytes),
            Transport::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Transport::Tcp(stream) => stream.flush(),
            Transport::Unix(stream) => stream.flush(),
            Transport::Tls(stream) => stream.flush(),
        }
    }
}

/// What the system says about an error, without its number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_the_words_of_the_system() {
        assert_eq!(reason(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(reason(&io::Error::other("failed to lookup address information: Name unknown")), "Name unknown");
    }
}
