//! The sockets the server listens on: TCP on every `bind` address, and a unix socket.
//!
//! They belong to the server, not the event loop, because CONFIG SET opens and closes them while a command runs and
//! has to answer whether that worked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::Arc;

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use super::connection::address_name;
use super::socket::Socket;
use crate::config::Config;

/// Tokens from here on belong to listeners; clients use those below.
pub const FIRST_TOKEN: usize = usize::MAX / 2;

/// What listens.
#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<str>),
}

/// All listening sockets.
#[derive(Debug)]
pub struct Listeners {
    registry: Registry,
    tcp: Vec<(Token, Listener)>,
    unix: Option<(Token, Listener)>,
    next_token: usize,
}

/// Why listening failed: the text Redis logs.
#[derive(Debug)]
pub struct ListenError(pub String);

impl Listeners {
    /// None yet; `registry` is the event loop's.
    pub fn new(registry: Registry) -> Listeners {
        Listeners { registry, tcp: Vec::new(), unix: None, next_token: FIRST_TOKEN }
    }

    /// Listens on `port` at each `bind` address in the place of the TCP sockets open now, which stay when it fails.
    pub fn open_tcp(&mut self, config: &Config) -> Result<(), ListenError> {
        let mut opened = Vec::new();
        if config.port != 0 {
            for bind in &config.bind {
                match listen_tcp(bind, config.port, config.tcp_backlog) {
                    Ok(listener) => opened.push(listener),
                    Err(error) if is_optional(bind, &error) => {}
                    Err(error) => {
                        log::warn!(
                            "Warning: Could not create server TCP listening socket {bind}:{}: {error}",
                            config.port
                        );
                        return Err(ListenError(format!("Failed listening on port {} (TCP), aborting.", config.port)));
                    }
                }
            }
            if opened.is_empty() && !config.bind.is_empty() {
                return Err(ListenError(format!("Failed listening on port {} (TCP), aborting.", config.port)));
            }
        }
        self.close_tcp();
        for mut listener in opened {
            let token = self.next_token();
            if let Err(error) = self.registry.register(&mut listener, token, Interest::READABLE) {
                return Err(ListenError(error.to_string()));
            }
            self.tcp.push((token, Listener::Tcp(listener)));
        }
        Ok(())
    }

    fn close_tcp(&mut self) {
        for (_, listener) in self.tcp.drain(..) {
            if let Listener::Tcp(mut listener) = listener {
                self.registry.deregister(&mut listener).ok();
            }
        }
    }

    /// Listens on `unixsocket`.
    pub fn open_unix(&mut self, config: &Config) -> Result<(), ListenError> {
        let Some(path) = &config.unixsocket else { return Ok(()) };
        let fail = |error: io::Error| ListenError(format!("Failed opening Unix socket: bind: {error}"));
        // A socket left over by an earlier process would keep us from binding; anything else stays.
        if std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            std::fs::remove_file(path).map_err(fail)?;
        }
        let mut listener = UnixListener::bind(path).map_err(fail)?;
        if config.unixsocketperm != 0 {
            let permissions = std::fs::Permissions::from_mode(config.unixsocketperm);
            std::fs::set_permissions(path, permissions).map_err(fail)?;
        }
        let token = self.next_token();
        self.registry.register(&mut listener, token, Interest::READABLE).map_err(fail)?;
        self.unix = Some((token, Listener::Unix(listener, path.as_str().into())));
        Ok(())
    }

    fn next_token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// All tokens: to look for connections everywhere after a pause.
    pub fn tokens(&self) -> Vec<Token> {
        self.tcp.iter().chain(&self.unix).map(|(token, _)| *token).collect()
    }

    /// Accepts one connection at the listener of a token, with the path of its unix socket. `None` when the listener
    /// is gone.
    pub fn accept(&self, token: Token) -> Option<io::Result<(Socket, Option<Arc<str>>)>> {
        let (_, listener) = self.tcp.iter().chain(&self.unix).find(|(own, _)| *own == token)?;
        Some(match listener {
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| (Socket::Tcp(stream), None)),
            Listener::Unix(listener, path) => {
                listener.accept().map(|(stream, _)| (Socket::Unix(stream), Some(Arc::clone(path))))
            }
        })
    }

    /// The registry connections are registered with.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The addresses listened on, for INFO.
    pub fn tcp_addresses(&self) -> Vec<String> {
        let address = |listener: &Listener| match listener {
            Listener::Tcp(listener) => listener.local_addr().ok().map(address_name),
            Listener::Unix(..) => None,
        };
        self.tcp.iter().filter_map(|(_, listener)| address(listener)).collect()
    }

    /// Stops listening and removes the unix socket's file.
    pub fn close(&mut self) {
        self.close_tcp();
        if let Some((_, Listener::Unix(mut listener, path))) = self.unix.take() {
            self.registry.deregister(&mut listener).ok();
            log::info!("Removing the unix socket file.");
            std::fs::remove_file(&*path).ok();
        }
    }
}

/// A `bind` address with a leading dash may be missing on this machine, and `*` stands for a family it may not speak.
fn is_optional(bind: &str, error: &io::Error) -> bool {
    let absent = matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ENOPROTOOPT));
    bind.starts_with('-') && absent
}

fn listen_tcp(bind: &str, port: u16, backlog: u32) -> io::Result<TcpListener> {
    let host = bind.strip_prefix('-').unwrap_or(bind);
    let ip: IpAddr = match host {
        "*" => Ipv4Addr::UNSPECIFIED.into(),
        "::*" => Ipv6Addr::UNSPECIFIED.into(),
        host => match host.parse() {
            Ok(ip) => ip,
            Err(_) => resolve(host)?,
        },
    };
    let address = SocketAddr::new(ip, port);
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if ip.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.into()))
}

fn resolve(host: &str) -> io::Result<IpAddr> {
    use std::net::ToSocketAddrs;
    let mut addresses = (host, 0).to_socket_addrs()?;
    addresses.next().map(|address| address.ip()).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}
