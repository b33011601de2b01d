//! The connection to the primary: begun and ended. The name is resolved by another thread; nothing here waits.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{TryRecvError, channel};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use super::data_set;
use crate::config::Config;
use crate::db::Databases;
use crate::net::connection::Connection;
use crate::net::socket::Socket;
use crate::net::tls::Session;
use crate::net::tokens::LINK_TOKEN;
use crate::peers::repl::link::{Link, State};
use crate::peers::repl::wire::Wire;
use crate::server::Server;
use crate::util::platform;

/// The least time between two tries that failed at once.
const AGAIN_AFTER_MS: i64 = 1000;

/// The port that this replica listens on for others.
pub fn announced_port(config: &Config) -> u16 {
    match config.replica_announce_port {
        0 if config.tls_replication && config.tls_port != 0 => config.tls_port,
        0 => config.port,
        announced => announced,
    }
}

/// Begins to connect to the primary.
pub fn connect(server: &mut Server) {
    let Some(primary) = server.replica_of().cloned() else { return };
    server.repl.tried_ms = server.clock.unix_ms();
    server.repl.link_history.try_again();
    server.repl.link = Link { heard_ms: server.repl.tried_ms, ..Link::default() };
    match primary.host.parse::<IpAddr>() {
        Ok(ip) => connect_to(server, SocketAddr::new(ip, primary.port)),
        Err(_) => {
            let (found, result) = channel();
            let look_up = move || {
                let _stack = platform::SignalStack::begin();
                let addresses = (primary.host.as_str(), primary.port).to_socket_addrs();
                let first = addresses.and_then(|mut all| all.next().ok_or(io::ErrorKind::NotFound.into()));
                // Nobody may be interested any more.
                found.send(first).ok();
            };
            match std::thread::Builder::new().name("resolver".to_owned()).spawn(look_up) {
                Ok(_) => server.repl.link.state = State::Resolving(result),
                Err(error) => log::warn!("Unable to connect to MASTER: {}", platform::os_error_text(&error)),
            }
        }
    }
}

fn connect_to(server: &mut Server, address: SocketAddr) {
    match begin(server, address) {
        Ok(()) => log::info!("MASTER <-> REPLICA sync started"),
        Err(error) => {
            server.repl.link.state = State::Idle;
            log::warn!("Unable to connect to MASTER: {}", platform::os_error_text(&error));
        }
    }
}

/// Begins to make the connection of the link, with TLS if that is asked for.
pub fn begin(server: &mut Server, address: SocketAddr) -> io::Result<()> {
    let stream = open(address, server.config.bind_source_addr.as_deref())?;
    let mut socket = match &server.tls {
        Some(settings) if server.config.tls_replication => {
            let session = Session::connect(stream, address, settings.client_config())?;
            Socket::Tls(Box::new(session))
        }
        _ => Socket::Tcp(stream),
    };
    socket.register(server.listeners.registry(), LINK_TOKEN)?;
    server.repl.link.wire.socket = Some(socket);
    server.repl.link.state = State::Connecting;
    server.repl.link.heard_ms = server.clock.unix_ms();
    Ok(())
}

/// Begins to connect, from a certain address if one is given.
pub fn open(address: SocketAddr, source: Option<&str>) -> io::Result<TcpStream> {
    let Some(source) = source.filter(|source| !source.is_empty()) else { return TcpStream::connect(address) };
    let source: IpAddr = source.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let raw = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    raw.set_nonblocking(true)?;
    raw.bind(&SocketAddr::new(source, 0).into())?;
    match raw.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(raw.into()))
}

/// Looks whether the name of the primary is known by now.
pub fn poll_resolver(server: &mut Server) {
    let State::Resolving(result) = &server.repl.link.state else { return };
    match result.try_recv() {
        Ok(Ok(address)) => connect_to(server, address),
        Ok(Err(error)) => {
            log::warn!("Unable to connect to MASTER: {}", platform::os_error_text(&error));
            server.repl.link.state = State::Idle;
        }
        Err(TryRecvError::Empty) => {}
        Err(TryRecvError::Disconnected) => server.repl.link.state = State::Idle,
    }
}

/// Ends the connection; with `again` the next one is begun soon.
pub fn drop_link(server: &mut Server, db: &mut Databases, again: bool) {
    let link = std::mem::take(&mut server.repl.link);
    close(server, link.wire);
    link.main.into_iter().for_each(|main| close(server, main.wire));
    let was_under_way = !matches!(link.state, State::Idle | State::Done);
    match link.state {
        State::Receiving(receiving) => data_set::discard(receiving),
        State::Loading => data_set::cancel_load(server, db),
        _ => {}
    }
    if let Some(primary) = server.replica_of().filter(|_| again && was_under_way) {
        log::info!("Reconnecting to MASTER {}:{} after failure", primary.host, primary.port);
        connect_again(server);
    }
}

/// Ends a connection.
fn close(server: &Server, wire: Wire) {
    if let Some(mut socket) = wire.socket {
        socket.deregister(server.listeners.registry()).ok();
    }
}

/// Tries again: at once, unless that was done just before. Then it is left to the cron.
pub fn connect_again(server: &mut Server) {
    let since_ms = server.clock.unix_ms() - server.repl.tried_ms;
    if !(0..AGAIN_AFTER_MS).contains(&since_ms) {
        connect(server);
    }
}

/// Counts what came.
pub fn count_input(server: &mut Server, bytes: usize) {
    if bytes > 0 {
        server.repl.link.heard_ms = server.clock.unix_ms();
        count_bytes(server, bytes);
    }
}

/// Counts what came of the stream, which is no sign of life of what brings the snapshot.
pub fn count_bytes(server: &mut Server, bytes: usize) {
    server.repl.counts.bytes_in += bytes as u64;
    server.stats.input_bytes += bytes as u64;
}

/// Takes the connection of the stream from the link, with what came behind the handshake; one of the snapshot alone
/// ends.
pub fn take_connection(server: &mut Server) -> Option<Connection> {
    let link = std::mem::replace(&mut server.repl.link, Link { state: State::Done, ..Link::default() });
    let wire = match link.main {
        Some(main) => {
            close(server, link.wire);
            main.wire
        }
        None => link.wire,
    };
    let mut connection = Connection::new(wire.socket?, None);
    connection.input = wire.input;
    Some(connection)
}
