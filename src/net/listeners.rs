//! The sockets the server listens on: TCP, plain and with TLS, on every `bind` address, a unix socket, and HTTP on every
//! `metrics-bind` address.
//!
//! They belong to the server, not the event loop, because CONFIG SET opens and closes them while a command runs and
//! has to answer whether that worked. Sockets whose address stays wanted stay open meanwhile, so that no connection on
//! its way is lost.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use crate::config::Config;
use crate::util::platform::{self, os_error_text};

/// Tokens from here on belong to listeners; clients use those below.
pub const FIRST_TOKEN: usize = usize::MAX / 2;

/// What is spoken on a TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The protocol itself, on `port`.
    Plain,
    /// TLS below it, on `tls-port`.
    Tls,
    /// HTTP, on `metrics-port`.
    Metrics,
    /// Messages of a cluster's bus.
    Bus,
}

impl Transport {
    fn port(self, config: &Config) -> u16 {
        match self {
            Transport::Plain => config.port,
            Transport::Tls => config.tls_port,
            Transport::Metrics => config.metrics_port,
            Transport::Bus => config.bus_port().unwrap_or(0),
        }
    }

    /// The addresses it is listened for on.
    fn binds(self, config: &Config) -> &[String] {
        match self {
            Transport::Plain | Transport::Tls | Transport::Bus => &config.bind,
            Transport::Metrics => &config.metrics_bind,
        }
    }

    /// What it is called in the log.
    fn name(self) -> &'static str {
        match self {
            Transport::Plain => "TCP",
            Transport::Tls => "TLS",
            Transport::Metrics => "metrics",
            Transport::Bus => "cluster",
        }
    }
}

/// A TCP socket that listens.
#[derive(Debug)]
struct TcpListening {
    token: Token,
    listener: TcpListener,
    transport: Transport,
    /// The word of `bind` it was opened for.
    bind: String,
    port: u16,
}

/// A connection that was accepted.
#[derive(Debug)]
pub enum Accepted {
    /// Through TCP.
    Tcp(TcpStream, Transport),
    /// Through a unix socket with this path.
    Unix(UnixStream, Arc<str>),
}

/// A unix socket that listens.
#[derive(Debug)]
struct UnixListening {
    token: Token,
    listener: UnixListener,
    path: Arc<str>,
}

/// All listening sockets.
#[derive(Debug)]
pub struct Listeners {
    registry: Registry,
    tcp: Vec<TcpListening>,
    unix: Option<UnixListening>,
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

    /// Listens for a transport on its port at each `bind` address, and nowhere else any more.
    ///
    /// # Errors
    /// When an address cannot be listened on. Some of the sockets open before may be gone then; call this again with
    /// the configuration from before.
    pub fn open_tcp(&mut self, config: &Config, transport: Transport) -> Result<(), ListenError> {
        let port = transport.port(config);
        let fail = || ListenError(format!("Failed listening on port {port} ({}), aborting.", transport.name()));
        let binds: &[String] = if port == 0 { &[] } else { transport.binds(config) };
        let is_wanted = |open: &TcpListening| open.port == port && binds.contains(&open.bind);
        let is_stale = |open: &TcpListening| open.transport == transport && !is_wanted(open);
        let mut opened = Vec::new();
        for bind in binds {
            if self.tcp.iter().any(|open| open.transport == transport && is_wanted(open) && open.bind == *bind) {
                continue;
            }
            let mut result = listen_tcp(bind, port, config.tcp_backlog);
            // One of our own that is to go may be in the way: `*` before `127.0.0.1`.
            if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
                && self.close_tcp(|open| open.port == port && is_stale(open)) > 0
            {
                result = listen_tcp(bind, port, config.tcp_backlog);
            }
            match result {
                Ok(listener) => opened.push((bind.clone(), listener)),
                Err(error) if is_optional(bind, &error) => {}
                Err(error) => {
                    let error = os_error_text(&error);
                    log::warn!("Warning: Could not create server TCP listening socket {bind}:{port}: bind: {error}");
                    return Err(fail());
                }
            }
        }
        let is_open = |open: &TcpListening| open.transport == transport && is_wanted(open);
        if opened.is_empty() && !binds.is_empty() && !self.tcp.iter().any(is_open) {
            return Err(fail());
        }
        self.close_tcp(is_stale);
        for (bind, mut listener) in opened {
            let token = self.next_token();
            if let Err(error) = self.registry.register(&mut listener, token, Interest::READABLE) {
                return Err(ListenError(error.to_string()));
            }
            self.tcp.push(TcpListening { token, listener, transport, bind, port });
        }
        Ok(())
    }

    /// Whether it listens for clients anywhere.
    pub fn is_open(&self) -> bool {
        self.tcp.iter().any(|open| open.transport != Transport::Metrics) || self.unix.is_some()
    }

    /// Closes some TCP sockets; how many.
    fn close_tcp(&mut self, which: impl Fn(&TcpListening) -> bool) -> usize {
        let before = self.tcp.len();
        for open in self.tcp.iter_mut().filter(|open| which(open)) {
            self.registry.deregister(&mut open.listener).ok();
        }
        self.tcp.retain(|open| !which(open));
        before - self.tcp.len()
    }

    /// Listens on `unixsocket`.
    pub fn open_unix(&mut self, config: &Config) -> Result<(), ListenError> {
        let Some(path) = &config.unixsocket else { return Ok(()) };
        let failed = |what: &str| ListenError(format!("Failed opening Unix socket: {what}"));
        let fail = |error: io::Error| failed(&format!("bind: {}", os_error_text(&error)));
        let group = match &config.unixsocketgroup {
            Some(name) => Some((name, group_id(name).map_err(|what| failed(&what))?)),
            None => None,
        };
        // A socket left over by an earlier process would keep us from binding; anything else stays.
        if std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            std::fs::remove_file(path).map_err(fail)?;
        }
        let mut listener = UnixListener::bind(path).map_err(fail)?;
        // Before the permissions: they are meant for this group.
        if let Some((name, id)) = group
            && let Err(error) = chown(path, None, Some(id))
        {
            std::fs::remove_file(path).ok();
            return Err(failed(&format!("chown error for group '{name}': {}", os_error_text(&error))));
        }
        if config.unixsocketperm != 0 {
            let permissions = std::fs::Permissions::from_mode(config.unixsocketperm);
            std::fs::set_permissions(path, permissions).map_err(fail)?;
        }
        let token = self.next_token();
        self.registry.register(&mut listener, token, Interest::READABLE).map_err(fail)?;
        self.unix = Some(UnixListening { token, listener, path: path.as_str().into() });
        Ok(())
    }

    fn next_token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// The tokens of all listeners.
    pub fn tokens(&self) -> Vec<Token> {
        self.tcp.iter().map(|open| open.token).chain(self.unix.as_ref().map(|open| open.token)).collect()
    }

    /// Whether TLS is spoken on the socket of a token.
    pub fn speaks_tls(&self, token: Token) -> bool {
        self.tcp.iter().any(|open| open.token == token && open.transport == Transport::Tls)
    }

    /// Accepts one connection at the listener of a token. `None` when the listener is gone.
    pub fn accept(&self, token: Token) -> Option<io::Result<Accepted>> {
        if let Some(open) = self.tcp.iter().find(|open| open.token == token) {
            return Some(open.listener.accept().map(|(stream, _)| Accepted::Tcp(stream, open.transport)));
        }
        let open = self.unix.as_ref().filter(|open| open.token == token)?;
        Some(open.listener.accept().map(|(stream, _)| Accepted::Unix(stream, Arc::clone(&open.path))))
    }

    /// The registry connections are registered with.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Stops listening and removes the unix socket's file.
    pub fn close(&mut self) {
        self.close_tcp(|_| true);
        if let Some(mut open) = self.unix.take() {
            self.registry.deregister(&mut open.listener).ok();
            log::info!("Removing the unix socket file.");
            std::fs::remove_file(&*open.path).ok();
        }
    }
}

/// The number of a group, or what is wrong with its name.
fn group_id(name: &str) -> Result<u32, String> {
    let wrong = |why: &str| format!("getgrnam error for group '{name}': {why}");
    match platform::group_id(name) {
        Ok(Some(id)) => Ok(id),
        // What the system says of a name that is not known.
        Ok(None) => Err(wrong("Success")),
        Err(error) => Err(wrong(&os_error_text(&error))),
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
