//! A stream socket of either family.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

/// A connected, non-blocking socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// Unix domain.
    Unix(UnixStream),
    /// None at all: nothing comes, and what is sent is lost.
    Nowhere,
}

impl Socket {
    /// Reads into `buffer`.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
            Socket::Nowhere => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes bytes.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
            Socket::Nowhere => Ok(bytes.len()),
        }
    }

    /// Writes several pieces.
    pub fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write_vectored(pieces),
            Socket::Unix(stream) => stream.write_vectored(pieces),
            Socket::Nowhere => Ok(pieces.iter().map(|piece| piece.len()).sum()),
        }
    }

    /// Has the poll report readiness in both directions, once per change: with edges there is no need to ask for
    /// writability only while output waits.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Socket::Tcp(stream) => stream.register(registry, token, both),
            Socket::Unix(stream) => stream.register(registry, token, both),
            Socket::Nowhere => Ok(()),
        }
    }

    /// Has the reports come under another token.
    pub fn reregister(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Socket::Tcp(stream) => stream.reregister(registry, token, both),
            Socket::Unix(stream) => stream.reregister(registry, token, both),
            Socket::Nowhere => Ok(()),
        }
    }

    /// Lets the system gather small pieces, or not.
    pub fn set_delay(&self, delay: bool) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.set_nodelay(!delay),
            Socket::Unix(_) | Socket::Nowhere => Ok(()),
        }
    }

    /// Ends the reports.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.deregister(registry),
            Socket::Unix(stream) => stream.deregister(registry),
            Socket::Nowhere => Ok(()),
        }
    }

    /// Both ends' addresses: peer, own. `None` for unix sockets.
    pub fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        match self {
            Socket::Tcp(stream) => Some((stream.peer_addr().ok()?, stream.local_addr().ok()?)),
            Socket::Unix(_) | Socket::Nowhere => None,
        }
    }

    /// The descriptor's number, for CLIENT LIST.
    pub fn descriptor(&self) -> i32 {
        use std::os::fd::AsRawFd;
        match self {
            Socket::Tcp(stream) => stream.as_raw_fd(),
            Socket::Unix(stream) => stream.as_raw_fd(),
            Socket::Nowhere => -1,
        }
    }

    /// Sets what Redis sets on a client's TCP socket: no delay, and keep-alive probes after `keepalive_s` seconds.
    pub fn tune(&self, keepalive_s: u32) -> io::Result<()> {
        let Socket::Tcp(stream) = self else { return Ok(()) };
        stream.set_nodelay(true)?;
        if keepalive_s > 0 {
            let time = std::time::Duration::from_secs(keepalive_s.into());
            let interval = std::time::Duration::from_secs((keepalive_s / 3).max(1).into());
            let keepalive = socket2::TcpKeepalive::new().with_time(time).with_interval(interval).with_retries(3);
            socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
        }
        Ok(())
    }
}
