//! A stream socket of either family, plain or with TLS on it.
//!
//! Reading and writing is the same for all of them, but for what TLS holds back: see [`Socket::has_more`] and
//! [`Socket::flush`].

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use super::tls::Session;
use super::write_some::write_some;
use crate::config::TlsClientUser;

/// A connected, non-blocking socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// Unix domain.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<Session>),
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
            Socket::Tls(session) => with_tls(session, |session| session.read(buffer)),
            Socket::Nowhere => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes bytes.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
            Socket::Tls(session) => with_tls(session, |session| session.write(bytes)),
            Socket::Nowhere => Ok(bytes.len()),
        }
    }

    /// Writes as many of these bytes as the socket takes now; how many that is.
    ///
    /// # Errors
    /// Those of the socket, but for that it takes no more.
    pub fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_some(bytes, |rest| self.write(rest))
    }

    /// Writes several pieces.
    pub fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write_vectored(pieces),
            Socket::Unix(stream) => stream.write_vectored(pieces),
            Socket::Tls(session) => session.write_vectored(pieces),
            Socket::Nowhere => Ok(pieces.iter().map(|piece| piece.len()).sum()),
        }
    }

    /// Whether a read that returned less than it was offered has left something behind.
    #[inline]
    pub fn has_more(&self) -> bool {
        matches!(self, Socket::Tls(session) if session.has_more())
    }

    /// Whether something that was written waits to be sent.
    #[inline]
    pub fn has_unsent(&self) -> bool {
        matches!(self, Socket::Tls(session) if session.has_unsent())
    }

    /// Sends what was written and waits.
    ///
    /// # Errors
    /// Those of the socket; `WouldBlock` when something is left.
    #[inline]
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Tls(session) => with_tls(session, Session::flush),
            Socket::Tcp(_) | Socket::Unix(_) | Socket::Nowhere => Ok(()),
        }
    }

    /// The same, as far as the socket takes it now; whether nothing is left.
    ///
    /// # Errors
    /// Those of the socket, but for that it takes no more.
    #[inline]
    pub fn flush_some(&mut self) -> io::Result<bool> {
        match self.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Tells the peer, where that is usual, that nothing more will come.
    pub fn close(&mut self) {
        if let Socket::Tls(session) = self {
            session.close();
        }
    }

    /// Ends the output: the peer reads its end behind what was sent, and can still send.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn end_output(&mut self) -> io::Result<()> {
        self.close();
        match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
            Socket::Tls(session) => session.stream().shutdown(Shutdown::Write),
            Socket::Nowhere => Ok(()),
        }
    }

    /// Whether it speaks TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Socket::Tls(_))
    }

    /// Whether bytes can be exchanged: with TLS, after the handshake.
    pub fn is_established(&self) -> bool {
        !matches!(self, Socket::Tls(session) if !session.is_established())
    }

    /// The names of users in the certificate that the other end has shown, and that was checked.
    pub fn names_of_peer(&self, field: TlsClientUser) -> Vec<String> {
        match self {
            Socket::Tls(session) => session.names_of_peer(field),
            Socket::Tcp(_) | Socket::Unix(_) | Socket::Nowhere => Vec::new(),
        }
    }

    /// Whether a connection that was begun stands by now.
    ///
    /// # Errors
    /// Why it never will.
    pub fn is_connected(&self) -> io::Result<bool> {
        let look = |stream: &TcpStream| match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream.peer_addr().is_ok()),
        };
        match self {
            Socket::Tcp(stream) => look(stream),
            Socket::Tls(session) => look(session.stream()),
            Socket::Unix(_) | Socket::Nowhere => Ok(true),
        }
    }

    /// Has the poll report readiness in both directions, once per change: with edges there is no need to ask for
    /// writability only while output waits.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Socket::Tcp(stream) => stream.register(registry, token, both),
            Socket::Unix(stream) => stream.register(registry, token, both),
            Socket::Tls(session) => session.stream_mut().register(registry, token, both),
            Socket::Nowhere => Ok(()),
        }
    }

    /// Has the reports come under another token.
    pub fn reregister(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Socket::Tcp(stream) => stream.reregister(registry, token, both),
            Socket::Unix(stream) => stream.reregister(registry, token, both),
            Socket::Tls(session) => session.stream_mut().reregister(registry, token, both),
            Socket::Nowhere => Ok(()),
        }
    }

    /// Lets the system gather small pieces, or not.
    pub fn set_delay(&self, delay: bool) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.set_nodelay(!delay),
            Socket::Tls(session) => session.stream().set_nodelay(!delay),
            Socket::Unix(_) | Socket::Nowhere => Ok(()),
        }
    }

    /// Ends the reports.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.deregister(registry),
            Socket::Unix(stream) => stream.deregister(registry),
            Socket::Tls(session) => session.stream_mut().deregister(registry),
            Socket::Nowhere => Ok(()),
        }
    }

    /// Both ends' addresses: peer, own. `None` for unix sockets.
    pub fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        let both = |stream: &TcpStream| Some((stream.peer_addr().ok()?, stream.local_addr().ok()?));
        match self {
            Socket::Tcp(stream) => both(stream),
            Socket::Tls(session) => both(session.stream()),
            Socket::Unix(_) | Socket::Nowhere => None,
        }
    }

    /// The descriptor's number, for CLIENT LIST.
    pub fn descriptor(&self) -> i32 {
        use std::os::fd::AsRawFd;
        match self {
            Socket::Tcp(stream) => stream.as_raw_fd(),
            Socket::Unix(stream) => stream.as_raw_fd(),
            Socket::Tls(session) => session.stream().as_raw_fd(),
            Socket::Nowhere => -1,
        }
    }

    /// Sets what Redis sets on a client's TCP socket: no delay, and keep-alive probes after `keepalive_s` seconds, of
    /// which so many may stay unanswered.
    pub fn tune(&self, keepalive_s: u32, probes: u32) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => tune(stream, keepalive_s, probes),
            Socket::Tls(session) => tune(session.stream(), keepalive_s, probes),
            Socket::Unix(_) | Socket::Nowhere => Ok(()),
        }
    }
}

/// Keeps what TLS does out of the code for plain sockets, which stays small.
#[cold]
fn with_tls<T>(session: &mut Session, work: impl FnOnce(&mut Session) -> T) -> T {
    work(session)
}

fn tune(stream: &TcpStream, keepalive_s: u32, probes: u32) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if keepalive_s > 0 {
        let time = std::time::Duration::from_secs(keepalive_s.into());
        let interval = std::time::Duration::from_secs((keepalive_s / 3).max(1).into());
        let keepalive = socket2::TcpKeepalive::new().with_time(time).with_interval(interval).with_retries(probes);
        socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}
