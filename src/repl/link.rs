//! The way to the primary: resolving its name, connecting, introducing oneself.
//!
//! ```text
//! Idle ──> Resolving ──> Connecting ──> Talking (PING, AUTH, REPLCONF …, PSYNC) ──┬──> Receiving ──> Loading ──┐
//!  ▲                                                                              └────────────────────────────┴─> Done
//!  └────────────────────── at most a second after anything fails ──────────────────────────┘
//! ```
//! None of it waits: the event loop tells when the socket is ready. Each answer has its step, in the order and with the
//! tolerance of Redis. When the primary has accepted, the connection becomes that of a client that is obeyed (see
//! [`super::replica`]).

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use mio::Token;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use super::receive::{self, Inflow, Receiving};
use super::{ID_CHARS, OFFSET_MAX, replica};
use crate::db::Databases;
use crate::net::connection::Connection;
use crate::net::socket::Socket;
use crate::resp::request::OwnedRequest;
use crate::server::Server;
use crate::tls::Session;
use crate::util::platform;

/// The token of the socket until it is a client's.
pub const LINK_TOKEN: Token = Token(usize::MAX - 3);
/// Bytes read at a time, and in one turn.
const READ_BYTES: usize = 64 * 1024;
const TURN_BYTES: usize = 16 * READ_BYTES;
/// The least time between two tries that failed at once.
const AGAIN_AFTER_MS: i64 = 1000;
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
    output: VecDeque<u8>,
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
    fn say<T: AsRef<[u8]>>(&mut self, words: &[T]) {
        let mut bytes = Vec::new();
        OwnedRequest::of(words).view().encode(&mut bytes);
        self.output.extend(bytes);
    }

    /// Sends what waits, as far as the socket takes it.
    fn flush(&mut self) -> io::Result<()> {
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

/// Begins to connect to the primary.
pub fn connect(server: &mut Server) {
    let Some(primary) = server.replica_of().cloned() else { return };
    server.repl.tried_ms = server.clock.unix_ms();
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
    let socket = open(address, server.config.bind_source_addr.as_deref()).and_then(|stream| {
        let mut socket = match &server.tls {
            Some(settings) if server.config.tls_replication => {
                let session = Session::connect(stream, address, settings.client_config())?;
                Socket::Tls(Box::new(session))
            }
            _ => Socket::Tcp(stream),
        };
        socket.register(server.listeners.registry(), LINK_TOKEN)?;
        Ok(socket)
    });
    match socket {
        Ok(socket) => {
            server.repl.link.socket = Some(socket);
            server.repl.link.state = State::Connecting;
            server.repl.link.heard_ms = server.clock.unix_ms();
            log::info!("MASTER <-> REPLICA sync started");
        }
        Err(error) => {
            server.repl.link.state = State::Idle;
            log::warn!("Unable to connect to MASTER: {}", platform::os_error_text(&error));
        }
    }
}

/// Begins to connect, from a certain address if one is given.
fn open(address: SocketAddr, source: Option<&str>) -> io::Result<TcpStream> {
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
    if let Some(mut socket) = server.repl.link.socket.take() {
        socket.deregister(server.listeners.registry()).ok();
    }
    let was_under_way = !matches!(server.repl.link.state, State::Idle | State::Done);
    let state = std::mem::take(&mut server.repl.link.state);
    server.repl.link = Link::default();
    match state {
        State::Receiving(receiving) => receive::discard(receiving),
        State::Loading => receive::abandon(server, db),
        _ => {}
    }
    if let Some(primary) = server.replica_of().filter(|_| again && was_under_way) {
        log::info!("Reconnecting to MASTER {}:{} after failure", primary.host, primary.port);
        connect_again(server);
    }
}

/// Tries again: at once, unless that was done just before. Then it is left to the cron.
pub fn connect_again(server: &mut Server) {
    let since_ms = server.clock.unix_ms() - server.repl.tried_ms;
    if !(0..AGAIN_AFTER_MS).contains(&since_ms) {
        connect(server);
    }
}

/// The socket is ready for something, or has more than was read in the last turn.
pub fn ready(server: &mut Server, db: &mut Databases) {
    if matches!(server.repl.link.state, State::Connecting) && !is_connected(server, db) {
        return;
    }
    if server.repl.link.flush().is_err() {
        return drop_link(server, db, false);
    }
    if matches!(server.repl.link.state, State::Loading) {
        return receive::more_came(server);
    }
    match server.repl.link.fill() {
        Ok(read) => {
            count_input(server, read);
            // The end of a TLS handshake is what the first request waits for.
            if server.repl.link.flush().is_err() {
                return drop_link(server, db, false);
            }
            go_on(server, db);
        }
        Err(error) => {
            let text = platform::os_error_text(&error);
            let link = &server.repl.link;
            match link.state {
                _ if link.socket.as_ref().is_some_and(|socket| !socket.is_established()) => {
                    log::warn!("Error condition on socket for SYNC: {text}");
                    drop_link(server, db, false);
                }
                State::Receiving(_) => {
                    log::warn!("I/O error trying to sync with MASTER: connection lost");
                    drop_link(server, db, true);
                }
                _ => {
                    log::warn!("Master did not respond to command during SYNC handshake: {text}");
                    super::failover::abort_if_on_its_way(server, db, "Failover target rejected psync request");
                    drop_link(server, db, false);
                }
            }
        }
    }
}

/// Counts what came.
pub fn count_input(server: &mut Server, bytes: usize) {
    if bytes > 0 {
        server.repl.link.heard_ms = server.clock.unix_ms();
        server.repl.counts.bytes_in += bytes as u64;
        server.stats.input_bytes += bytes as u64;
    }
}

/// Whether the connection stands by now; then the talk begins.
fn is_connected(server: &mut Server, db: &mut Databases) -> bool {
    let Some(socket) = &server.repl.link.socket else { return false };
    match socket.is_connected() {
        Ok(true) => {
            log::info!("Non blocking connect for SYNC fired the event.");
            socket.tune(0).ok();
            begin_step(server, Step::Ping);
            true
        }
        Ok(false) => false,
        Err(error) => {
            log::warn!("Error condition on socket for SYNC: {}", platform::os_error_text(&error));
            drop_link(server, db, false);
            false
        }
    }
}

/// Works on what came.
pub fn go_on(server: &mut Server, db: &mut Databases) {
    loop {
        let answered = match &server.repl.link.state {
            State::Talking(step) => {
                let step = *step;
                match server.repl.link.take_line() {
                    Ok(Some(line)) => answer(server, db, step, &line),
                    Ok(None) => return,
                    Err(_) => Err("Master answered something that is no line during SYNC handshake".to_owned()),
                }
            }
            State::Receiving(_) => return receive::go_on(server, db),
            _ => return,
        };
        if let Err(text) = answered {
            log::warn!("{text}");
            return drop_link(server, db, false);
        }
        if server.repl.link.flush().is_err() {
            return drop_link(server, db, false);
        }
    }
}

/// Takes an answer, and goes on to the next step.
fn answer(server: &mut Server, db: &mut Databases, step: Step, line: &str) -> Result<(), String> {
    let next = match step {
        Step::Ping => {
            let accepted = ["+", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
            if !accepted.iter().any(|start| line.starts_with(start)) {
                return Err(format!("Error reply to PING from master: '{line}'"));
            }
            log::info!("Master replied to PING, replication can continue...");
            if server.config.masterauth.is_some() { Step::Auth } else { Step::Port }
        }
        Step::Auth if line.starts_with('-') => return Err(format!("Unable to AUTH to MASTER: {line}")),
        Step::Auth => Step::Port,
        Step::Port => {
            note_refusal("listening-port", line);
            if server.config.replica_announce_ip.is_some() { Step::Address } else { Step::Capabilities }
        }
        Step::Address => {
            note_refusal("ip-address", line);
            Step::Capabilities
        }
        Step::Capabilities => {
            note_refusal("capa", line);
            Step::Psync
        }
        // A sign of life.
        Step::Psync if line.is_empty() => return Ok(()),
        Step::Psync => return take_decision(server, db, line),
    };
    begin_step(server, next);
    Ok(())
}

fn note_refusal(what: &str, line: &str) {
    if line.starts_with('-') {
        log::info!("(Non critical) Master does not understand REPLCONF {what}: {line}");
    }
}

/// Says what belongs to a step, whose answer is then awaited.
fn begin_step(server: &mut Server, step: Step) {
    server.repl.link.state = State::Talking(step);
    let (config, link) = (&server.config, &mut server.repl.link);
    match step {
        Step::Ping => link.say(&["PING"]),
        Step::Auth => {
            let user = config.masteruser.as_ref().map(|user| user.as_bytes());
            let password = config.masterauth.as_deref();
            let words: Vec<&[u8]> = [&b"AUTH"[..]].into_iter().chain(user).chain(password).collect();
            link.say(&words);
        }
        Step::Port => {
            let port = match config.replica_announce_port {
                0 if config.tls_replication && config.tls_port != 0 => config.tls_port,
                0 => config.port,
                announced => announced,
            };
            link.say(&["REPLCONF", "listening-port", &port.to_string()]);
        }
        Step::Address => {
            let address = config.replica_announce_ip.as_deref().unwrap_or_default();
            link.say(&["REPLCONF", "ip-address", address]);
        }
        Step::Capabilities => link.say(&["REPLCONF", "capa", "eof", "capa", "psync2"]),
        Step::Psync => ask(server),
    }
}

/// Asks for the stream, from where it ended if that is known.
fn ask(server: &mut Server) {
    let (id, offset) = match &server.repl.cached {
        Some(cached) => {
            let offset = (cached.offset + 1).to_string();
            log::info!("Trying a partial resynchronization (request {}:{offset}).", cached.id);
            (cached.id.clone(), offset)
        }
        None => {
            log::info!("Partial resynchronization not possible (no cached master)");
            ("?".to_owned(), "-1".to_owned())
        }
    };
    let mut words = vec!["PSYNC", &id, &offset];
    if server.repl.failover.is_under_way() {
        words.push("FAILOVER");
    }
    server.repl.link.say(&words);
}

/// The primary has decided what this replica gets.
fn take_decision(server: &mut Server, db: &mut Databases, line: &str) -> Result<(), String> {
    let (full, goes_on) = (line.starts_with("+FULLRESYNC"), line.starts_with("+CONTINUE"));
    if server.repl.failover.is_under_way() {
        match full || goes_on {
            true => super::failover::finish(server, db),
            false => {
                super::failover::abort_if_on_its_way(server, db, "Failover target rejected psync request");
                return Ok(());
            }
        }
    }
    if full {
        let mut words = line.split(' ').skip(1);
        let (id, offset) = (words.next().unwrap_or_default(), words.next().and_then(|word| word.trim().parse().ok()));
        server.repl.link.promised = match offset {
            Some(offset) if id.len() == ID_CHARS && (0..=OFFSET_MAX).contains(&offset) => {
                log::info!("Full resync from master: {id}:{offset}");
                Some((id.to_owned(), offset))
            }
            _ => return Err("Master replied with wrong +FULLRESYNC syntax.".to_owned()),
        };
    } else if goes_on {
        if server.repl.cached.is_none() {
            return Err("Master continues a replication that never began".to_owned());
        }
        log::info!("Successful partial resynchronization with master.");
        replica::go_on_as(server, line.strip_prefix("+CONTINUE ").map(str::trim));
        return Ok(());
    } else if line.starts_with("-NOMASTERLINK") || line.starts_with("-LOADING") {
        return Err(format!("Master is currently unable to PSYNC but should be in the future: {line}"));
    } else {
        match line.starts_with("-ERR") {
            true => log::info!("Master does not support PSYNC or is in error state (reply: {line})"),
            false => log::warn!("Unexpected reply to PSYNC from master: {line}"),
        }
        log::info!("Retrying with SYNC...");
        server.repl.link.promised = None;
        server.repl.link.output.extend(b"SYNC\r\n");
    }
    let receiving = receive::begin(server, db)?;
    server.repl.link.state = State::Receiving(receiving);
    Ok(())
}

/// Takes the connection from the link, with what came behind the handshake.
pub fn take_connection(server: &mut Server) -> Option<Connection> {
    let socket = server.repl.link.socket.take()?;
    let mut connection = Connection::new(socket, None);
    connection.input = std::mem::take(&mut server.repl.link.input);
    server.repl.link = Link { state: State::Done, ..Link::default() };
    Some(connection)
}
