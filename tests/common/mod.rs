//! Helpers for tests against the real binary: a server in a temporary directory and a blocking client.
//!
//! Nothing here sleeps for a fixed time: a server counts as started when it says so in its log, and
//! every read waits for bytes, for [`PATIENCE`] at most. Servers die with the value that owns them.
#![allow(dead_code, reason = "every test file uses its own part")]

pub mod certificates;
pub mod cluster;
pub mod dataset;
pub mod random;
pub mod replication;
pub mod tls;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use oxidis::tls::ClientStream;
use tempfile::TempDir;

/// How long a test waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Another process may take the port between our asking for it and the server's binding it.
const PORT_ATTEMPTS: usize = 5;

/// A running server, killed when dropped.
pub struct Server {
    child: Child,
    port: u16,
    directory: TempDir,
    log: Arc<Mutex<String>>,
    /// The threads that keep the log.
    followers: Vec<JoinHandle<()>>,
}

/// A process that has said it is ready.
struct Started {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
    followers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with default settings.
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    /// Starts a server with further command line arguments.
    pub fn start_with(arguments: &[&str]) -> Server {
        Server::launch(&binary(), None, arguments)
    }

    /// Starts another program that takes the same options, as the real Redis does.
    pub fn start_program(program: &OsStr, arguments: &[&str]) -> Server {
        Server::launch(program, None, arguments)
    }

    /// Starts a program on a certain port.
    pub fn start_on(port: u16, program: &OsStr, file: &Path, arguments: &[&str]) -> Server {
        let directory = tempfile::tempdir().expect("a temporary directory");
        match Server::attempt(program, Some(file), port, arguments, directory.path()) {
            Ok(Started { child, port, log, followers }) => Server { child, port, directory, log, followers },
            Err(log) => panic!("the server did not start with {arguments:?}, its log:\n{log}"),
        }
    }

    fn launch(program: &OsStr, file: Option<&Path>, arguments: &[&str]) -> Server {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut log = String::new();
        for _ in 0..PORT_ATTEMPTS {
            match Server::attempt(program, file, free_port(), arguments, directory.path()) {
                Ok(Started { child, port, log, followers }) => {
                    return Server { child, port, directory, log, followers };
                }
                Err(text) => log = text,
            }
            if !log.contains("Failed listening on port") {
                break;
            }
        }
        panic!("the server did not start with {arguments:?}, its log:\n{log}");
    }

    fn attempt(
        program: &OsStr,
        file: Option<&Path>,
        port: u16,
        arguments: &[&str],
        directory: &Path,
    ) -> Result<Started, String> {
        let mut child = Command::new(program)
            .args(file)
            .args(["--port", &port.to_string(), "--save", ""])
            .arg("--dir")
            .arg(directory)
            .args(method(program))
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (ready, is_ready) = mpsc::channel();
        let followers = vec![
            follow(child.stdout.take(), Arc::clone(&log), ready.clone()),
            follow(child.stderr.take(), Arc::clone(&log), ready),
        ];
        if wait_for_ready(&is_ready) {
            return Ok(Started { child, port, log, followers });
        }
        let _ = child.kill();
        let _ = child.wait();
        let text = log.lock().expect("a whole log").clone();
        Err(text)
    }

    /// Starts a server with a configuration file; port and directory are given besides.
    pub fn start_with_file(path: &Path) -> Server {
        Server::launch(&binary(), Some(path), &[])
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most address space it ever had, in bytes: what was asked for counts, used or not. 0 where no file tells.
    pub fn address_space_peak(&self) -> u64 {
        let told = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix("VmPeak:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
            .map_or(0, |kilobytes| kilobytes * 1024)
    }

    /// The TCP port the server listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's working directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("a whole log").clone()
    }

    /// Waits until the server has logged a text: what it has done can be seen before its log has been read.
    pub fn await_log(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "not logged: {text}\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that the server has logged, once it has ended.
    pub fn whole_log(&mut self) -> String {
        self.followers.drain(..).for_each(|follower| follower.join().expect("a log that was followed"));
        self.log()
    }

    /// A connection that reads and writes bytes.
    pub fn plain(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
        stream
    }

    /// All the server says to these bytes until it closes the connection; with `ends` they are all there will be.
    pub fn answer(&self, bytes: &[u8], ends: bool) -> String {
        let mut stream = self.plain();
        // The server may close before it has read everything.
        let _ = stream.write_all(bytes);
        if ends {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match stream.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("no end of the connection: {error}"),
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A new connection to the server.
    pub fn connect(&self) -> Connection {
        Connection::to(self.port)
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal, given by name.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status().expect("kill runs");
        assert!(status.success(), "the server is gone already:\n{}", self.log());
    }

    /// Waits for the server to end by itself; `None` if it is still there after `limit`.
    pub fn exit_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child to wait for") {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How snapshots are to be made in the background by servers whose test does not say it, if OXIDIS_SNAPSHOT_METHOD does.
fn method(program: &OsStr) -> Vec<String> {
    let method = env::var("OXIDIS_SNAPSHOT_METHOD").ok().filter(|_| program == binary());
    method.into_iter().flat_map(|method| ["--bgsave-default-method".to_owned(), method]).collect()
}

/// The server under test: ours, or another in its place to check the tests themselves.
pub fn binary() -> OsString {
    env::var_os("OXIDIS_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_oxidis").into())
}

/// A port that nobody listens on. It is not one of those that the system gives out by itself, which any connection made
/// meanwhile might get.
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 10_000;
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    loop {
        let drawn = std::process::id().wrapping_mul(61).wrapping_add(DRAWN.fetch_add(1, Ordering::Relaxed));
        let port = (FIRST + drawn % COUNT) as u16;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}

/// Keeps a stream of log lines, reports the line that says the server is ready, drains the rest.
fn follow(stream: Option<impl Read + Send + 'static>, log: Arc<Mutex<String>>, ready: Sender<()>) -> JoinHandle<()> {
    let lines = BufReader::new(stream.expect("a piped stream")).lines();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let mut log = log.lock().expect("a whole log");
            log.push_str(&line);
            log.push('\n');
            if line.contains("Ready to accept connections") {
                let _ = ready.send(());
            }
        }
    })
}

/// False when both streams ended, or time is up, before the line came.
fn wait_for_ready(is_ready: &Receiver<()>) -> bool {
    is_ready.recv_timeout(PATIENCE).is_ok()
}

/// Asks until it holds; panics when that takes longer than [`PATIENCE`].
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_within(PATIENCE, what, holds);
}

/// Asks until it holds; panics when that takes longer than `limit`.
pub fn wait_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A reply of either protocol version.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `+OK`
    Simple(String),
    /// `-ERR text`, without the dash.
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$5`
    Bulk(Vec<u8>),
    /// `$-1` or `_`
    Null,
    /// `*-1`
    NullArray,
    /// `*2`
    Array(Vec<Reply>),
    /// `,1.5`
    Double(f64),
    /// `#t`
    Boolean(bool),
    /// `(123`
    BigNumber(String),
    /// `=15`: the three-letter format and the text.
    Verbatim(String, String),
    /// `%1`
    Map(Vec<(Reply, Reply)>),
    /// `~1`
    Set(Vec<Reply>),
    /// `>2`
    Push(Vec<Reply>),
    /// `|1`: what comes before the reply it belongs to.
    Attribute(Vec<(Reply, Reply)>),
}

impl Reply {
    /// `+OK`
    pub fn ok() -> Reply {
        Reply::Simple("OK".into())
    }

    /// An error.
    pub fn error(text: &str) -> Reply {
        Reply::Error(text.into())
    }

    /// A bulk string.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Reply {
        Reply::Bulk(bytes.as_ref().to_vec())
    }

    /// An array of bulk strings.
    pub fn bulks(items: &[&str]) -> Reply {
        Reply::Array(items.iter().map(Reply::bulk).collect())
    }

    /// The text of an error; panics on another kind.
    pub fn into_error(self) -> String {
        match self {
            Reply::Error(text) => text,
            other => panic!("{other:?} is no error"),
        }
    }

    /// The text of a simple, bulk, verbatim or error reply; panics on another kind.
    pub fn text(&self) -> String {
        match self {
            Reply::Simple(text) | Reply::Error(text) | Reply::Verbatim(_, text) => text.clone(),
            Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{other:?} has no text"),
        }
    }
}

/// What a connection goes over.
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<ClientStream>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// A blocking connection which reads replies of RESP2 and RESP3.
pub struct Connection {
    stream: BufReader<Stream>,
}

impl Connection {
    /// Connects to a port of this machine.
    pub fn to(port: u16) -> Connection {
        Connection::over(Stream::Plain(socket_to(port)))
    }

    /// Speaks over a stream that is connected.
    pub fn over(stream: Stream) -> Connection {
        Connection { stream: BufReader::new(stream) }
    }

    fn socket(&self) -> &TcpStream {
        match self.stream.get_ref() {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref(),
        }
    }

    /// A second handle for sending, so that one thread can send while another reads.
    pub fn sender(&self) -> Connection {
        let Stream::Plain(stream) = self.stream.get_ref() else { panic!("a TLS session has one handle") };
        Connection::over(Stream::Plain(stream.try_clone().expect("a second handle")))
    }

    /// Sends a command and reads its reply.
    pub fn cmd<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Reply {
        self.send(words);
        self.read()
    }

    /// Sends a command as an array of bulk strings.
    pub fn send<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        self.raw(&encode(words));
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).and_then(|()| stream.flush()).expect("the server takes bytes");
    }

    /// Ends our sending side; replies can still be read.
    pub fn half_close(&mut self) {
        self.socket().shutdown(std::net::Shutdown::Write).expect("a half-closed socket");
    }

    /// True if the server closed the connection without another byte.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]) | Err(_)) && self.stream.buffer().is_empty()
    }

    /// Reads everything up to the end of the connection.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).expect("the rest of the connection");
        bytes
    }

    /// Reads one byte of what the server sends.
    pub fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).expect("a byte");
        byte[0]
    }

    /// Reads one reply; panics when it is malformed or does not come.
    pub fn read(&mut self) -> Reply {
        let line = self.line();
        let (kind, rest) = line.split_at(1);
        match kind {
            "+" => Reply::Simple(rest.into()),
            "-" => Reply::Error(rest.into()),
            ":" => Reply::Integer(rest.parse().expect("an integer reply")),
            "_" => Reply::Null,
            "$" if rest == "-1" => Reply::Null,
            "*" if rest == "-1" => Reply::NullArray,
            "$" => Reply::Bulk(self.payload(rest)),
            "!" => Reply::Error(String::from_utf8(self.payload(rest)).expect("an error text")),
            "=" => self.verbatim(rest),
            "," => Reply::Double(rest.parse().expect("a double reply")),
            "#" => Reply::Boolean(rest == "t"),
            "(" => Reply::BigNumber(rest.into()),
            "*" => Reply::Array(self.items(rest)),
            "~" => Reply::Set(self.items(rest)),
            ">" => Reply::Push(self.items(rest)),
            "%" => Reply::Map(self.pairs(rest)),
            "|" => Reply::Attribute(self.pairs(rest)),
            _ => panic!("no reply starts like {line:?}"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("a line of a reply");
        let line = String::from_utf8(line).expect("a line of text");
        let text = line.strip_suffix("\r\n");
        match text {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => panic!("expected a line of a reply, got {line:?}"),
        }
    }

    fn payload(&mut self, length: &str) -> Vec<u8> {
        let length: usize = length.parse().expect("a length");
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).expect("a payload");
        assert_eq!(bytes.split_off(length), b"\r\n", "the end of a payload");
        bytes
    }

    fn verbatim(&mut self, length: &str) -> Reply {
        let text = String::from_utf8(self.payload(length)).expect("a verbatim text");
        let (format, text) = text.split_once(':').expect("a verbatim format");
        Reply::Verbatim(format.into(), text.into())
    }

    fn items(&mut self, count: &str) -> Vec<Reply> {
        let count: usize = count.parse().expect("a count");
        (0..count).map(|_| self.read()).collect()
    }

    fn pairs(&mut self, count: &str) -> Vec<(Reply, Reply)> {
        let count: usize = count.parse().expect("a count");
        (0..count).map(|_| (self.read(), self.read())).collect()
    }
}

/// A TCP connection to a port of this machine, on which nothing is waited for too long.
pub fn socket_to(port: u16) -> TcpStream {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    socket.set_nodelay(true).expect("TCP_NODELAY");
    socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
    socket.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
    socket
}

/// The words of a line, which have blanks between them.
pub fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// Runs the command of a line.
pub fn run(client: &mut Connection, line: &str) -> Reply {
    client.cmd(&words(line))
}

/// What there is in a folder, by name.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().expect("a name")).collect();
    names.sort();
    names
}

/// A command as an array of bulk strings.
pub fn encode<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
