//! Helpers for tests of replication: nodes, ways between them that can be cut, writes of all kinds.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::random::Random;
use super::{Connection, PATIENCE, Reply, Server, binary, encode, wait_until};

/// Arguments every node gets: tests look at digests, nobody should wait for further replicas, and what is written while a
/// link is cut has to be kept, also on a slow machine.
pub const COMMON: [&str; 6] =
    ["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb"];

/// Real Redis, if it is there; where all is provided for it has to be.
pub fn redis() -> Option<OsString> {
    let paths = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&paths).map(|path| path.join("redis-server")).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("OXIDIS_REDIS_REQUIRED").is_none(), "there is no redis-server");
        eprintln!("skipped: there is no redis-server");
    }
    found.map(Into::into)
}

pub fn start(program: &OsStr, arguments: &[&str]) -> Server {
    let all: Vec<&str> = COMMON.iter().chain(arguments).copied().collect();
    Server::start_program(program, &all)
}

pub fn node(arguments: &[&str]) -> Server {
    start(&binary(), arguments)
}

/// A field of INFO replication.
pub fn field(server: &Server, name: &str) -> String {
    let text = server.connect().cmd(&["INFO", "ALL"]).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in:\n{text}")).to_owned()
}

pub fn follow(replica: &Server, port: u16) {
    assert_eq!(replica.connect().cmd(&["REPLICAOF", "127.0.0.1", &port.to_string()]), Reply::ok());
    wait_for_link(replica);
}

pub fn wait_for_link(replica: &Server) {
    wait_until("the link is up", || field(replica, "master_link_status") == "up");
}

pub fn digest(server: &Server) -> String {
    server.connect().cmd(&["DEBUG", "DIGEST"]).text()
}

/// Waits until all have the history and the data of the first.
pub fn wait_for_same(nodes: &[&Server]) {
    let offset = |server: &Server| {
        let role = server.connect().cmd(&["ROLE"]);
        let Reply::Array(parts) = role else { panic!("{role:?}") };
        let at = if parts[0] == Reply::bulk("master") { &parts[1] } else { &parts[4] };
        at.clone()
    };
    wait_until("all have the same offset", || {
        let first = offset(nodes[0]);
        nodes[1..].iter().all(|node| offset(node) == first) && offset(nodes[0]) == first
    });
    // What expires at this moment is there on some of them a little longer.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let digests: Vec<String> = nodes.iter().map(|node| digest(node)).collect();
        assert!(digests[0] != "0".repeat(40), "there is no data");
        if digests.iter().all(|digest| *digest == digests[0]) {
            return;
        }
        assert!(Instant::now() < deadline, "{digests:?}: {:?}", differing(nodes));
        thread::sleep(Duration::from_millis(20));
    }
}

/// Keys that are not the same everywhere.
pub fn differing(nodes: &[&Server]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for db in 0..3 {
        let mut clients: Vec<Connection> = nodes.iter().map(|node| node.connect()).collect();
        let db_name = db.to_string();
        clients.iter_mut().for_each(|client| _ = client.cmd(&["SELECT", &db_name]));
        let mut keys = Vec::new();
        for client in &mut clients {
            let Reply::Array(here) = client.cmd(&["KEYS", "*"]) else { continue };
            keys.extend(here.iter().map(Reply::text));
        }
        keys.sort();
        keys.dedup();
        for key in keys {
            let values: Vec<String> = clients
                .iter_mut()
                .map(|client| format!("{:?}", client.cmd(&["DEBUG", "DIGEST-VALUE", &key])))
                .collect();
            if values.iter().any(|value| *value != values[0]) {
                found.push((db, [vec![key.clone()], values].concat()));
            }
        }
    }
    found
}

/// The next writes of a seed, of all types: one, or a transaction.
fn next_writes(dice: &mut Random) -> Vec<String> {
    let (key, member) = (dice.roll(40), dice.roll(60));
    let big = "x".repeat(dice.roll(300) as usize);
    let line = match dice.roll(22) {
        0 => format!("SET s{key} {member}{big}"),
        1 => format!("SET s{key} v PX {}", 1 + dice.roll(2000)),
        2 => format!("INCR n{key}"),
        3 => format!("APPEND s{key} {member}"),
        4 => format!("LPUSH l{key} {member} {big}y"),
        5 => format!("RPOP l{key}"),
        6 => format!("LREM l{key} 1 {member}"),
        7 => format!("SADD t{key} {member} m{member}"),
        8 => format!("SPOP t{key}"),
        9 => format!("HSET h{key} f{member} {big}1"),
        10 => format!("HINCRBYFLOAT g{key} f{member} 0.25"),
        11 => format!("HDEL h{key} f{member}"),
        12 => format!("ZADD z{key} {} m{member}", dice.roll(1000)),
        13 => format!("ZPOPMIN z{key}"),
        14 => format!("XADD x{key} MAXLEN ~ 50 * f {member}"),
        15 => format!("XGROUP CREATE x{key} g 0 MKSTREAM"),
        16 => format!("XREADGROUP GROUP g c COUNT 2 STREAMS x{key} >"),
        17 => format!("PEXPIRE h{key} {}", 1 + dice.roll(3000)),
        18 => format!("PFADD p{key} {member}"),
        19 => format!("DEL s{key} l{key}"),
        20 => format!("SETRANGE r{key} {} {member}", 40_000 + dice.roll(100)),
        _ => format!("SELECT {}", dice.roll(3)),
    };
    match dice.roll(20) {
        0 => vec!["MULTI".to_owned(), line, format!("INCR n{key}"), "EXEC".to_owned()],
        _ => vec![line],
    }
}

/// Writes of all types, the same for the same seed.
pub fn write_everything(client: &mut Connection, seed: u64, commands: usize) {
    let mut dice = Random(seed);
    let mut asked = 0;
    for number in 0..commands {
        for line in next_writes(&mut dice) {
            client.send(&line.split(' ').collect::<Vec<_>>());
            asked += 1;
        }
        if asked > 200 || number + 1 == commands {
            (0..std::mem::take(&mut asked)).for_each(|_| _ = client.read());
        }
    }
}

/// Writes of all types until it is over, to whoever listens at a port meanwhile.
pub fn write_on(port: u16, seed: u64, over: &AtomicBool) {
    let mut dice = Random(seed);
    while !over.load(Ordering::Relaxed) {
        let Some(mut client) = Tolerant::to(port) else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        while !over.load(Ordering::Relaxed) && write_some(&mut client, &mut dice).is_some() {}
    }
}

fn write_some(client: &mut Tolerant, dice: &mut Random) -> Option<()> {
    for line in (0..20).flat_map(|_| next_writes(dice)) {
        client.send(&line.split(' ').collect::<Vec<_>>())?;
    }
    client.send(&["PING"])?;
    while client.line()? != "+PONG" {}
    Some(())
}

/// A way between two nodes that can be cut.
pub struct Wire {
    /// Where it begins.
    pub port: u16,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    pub fn to(target: u16) -> Wire {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let streams: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let kept = Arc::clone(&streams);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    thread::spawn(move || carry(from, to));
                }
                kept.lock().expect("the streams").extend([near, far]);
            }
        });
        Wire { port, streams }
    }

    pub fn cut(&self) {
        for stream in self.streams.lock().expect("the streams").drain(..) {
            // It may be cut already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// A port nobody listens on, and none that the system gives away while its node is dead.
pub fn lasting_port() -> u16 {
    const PORTS: std::ops::Range<u32> = 26_000..32_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(37) + TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = (PORTS.start + number % PORTS.len() as u32) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A node that keeps its port, its folder and its configuration file over several lives.
pub struct Node {
    program: OsString,
    port: u16,
    folder: TempDir,
    process: Option<Server>,
}

impl Node {
    /// Starts a node with lines of configuration.
    pub fn start(program: &OsStr, lines: &[&str]) -> Node {
        let folder = tempfile::tempdir().expect("a folder");
        let port = lasting_port();
        let text = format!("port {port}\nenable-debug-command yes\nrepl-diskless-sync-delay 0\n{}\n", lines.join("\n"));
        std::fs::write(folder.path().join("node.conf"), text).expect("a file");
        let mut node = Node { program: program.to_owned(), port, folder, process: None };
        node.revive();
        node
    }

    /// Starts it again.
    pub fn revive(&mut self) {
        let folder = self.folder.path().to_str().expect("a path");
        let file = self.folder.path().join("node.conf");
        self.process = Some(Server::start_on(self.port, &self.program, &file, &["--dir", folder]));
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Ends it in order, with its data set saved.
    pub fn shut_down(&mut self) {
        let mut server = self.process.take().expect("the node lives");
        server.connect().send(&["SHUTDOWN", "SAVE"]);
        // It waits for its replicas.
        let ended = server.exit_within(2 * PATIENCE);
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{}", server.log());
    }

    /// Its process.
    pub fn server(&self) -> &Server {
        self.process.as_ref().expect("the node lives")
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A client that lives with the deaths of its servers. It sends what is answered with a line.
pub struct Tolerant(BufReader<TcpStream>);

impl Tolerant {
    /// Connects, if somebody listens.
    pub fn to(port: u16) -> Option<Tolerant> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Tolerant(BufReader::new(stream)))
    }

    /// Sends a command; nothing when the connection is gone or silent.
    pub fn send(&mut self, words: &[&str]) -> Option<()> {
        self.0.get_mut().write_all(&encode(words)).ok()
    }

    /// The next line of answers.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.0.read_line(&mut line).ok()?;
        (count > 0 && line.ends_with('\n')).then(|| line.trim_end().to_owned())
    }

    /// Sends a command that is answered with a bulk string of text.
    pub fn text(&mut self, words: &[&str]) -> Option<String> {
        self.send(words)?;
        let length: usize = self.line()?.strip_prefix('$')?.parse().ok()?;
        let mut text = vec![0; length + 2];
        self.0.read_exact(&mut text).ok()?;
        String::from_utf8(text).ok()
    }

    /// Sends a command that is answered with a number; nothing when it is not.
    pub fn number(&mut self, words: &[&str]) -> Option<i64> {
        self.send(words)?;
        self.line()?.strip_prefix(':')?.parse().ok()
    }
}

/// A history by name.
pub const HISTORY: &str = "75cd7bc10c49047e0d163660f3b90625b1af31dc";

/// An empty data set.
pub const EMPTY: &[u8] =
    b"REDIS0011\xfa\tredis-ver\x057.2.0\xfa\nredis-bits\xc0@\xfa\x05ctime\xc2m\x08\xbce\xfa\x08used-mem\
\xc2\xb0\xc4\x10\x00\xfa\x08aof-base\xc0\x00\xff\xf0n;\xfe\xc0\xffZ\xa2";

/// A primary by hand.
pub struct Primary {
    listener: TcpListener,
    /// The replica that came last.
    pub stream: Option<TcpStream>,
}

impl Primary {
    /// Nobody has come yet.
    pub fn listen() -> Primary {
        Primary { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"), stream: None }
    }

    /// What `replicaof` takes.
    pub fn address(&self) -> String {
        format!("127.0.0.1 {}", self.port())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.listener.local_addr().expect("an address").port()
    }

    /// Waits until a replica comes, or comes again.
    pub fn accept(&mut self) {
        let (stream, _) = self.listener.accept().expect("a replica comes");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        self.stream = Some(stream);
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.as_mut().expect("a replica").write_all(bytes).expect("bytes are taken");
    }

    /// Reads a request of the replica.
    pub fn request(&mut self) -> Vec<String> {
        let mut line = || {
            let (stream, mut line) = (self.stream.as_mut().expect("a replica"), Vec::new());
            while !line.ends_with(b"\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                line.push(byte[0]);
            }
            String::from_utf8(line).expect("text").trim_end().to_owned()
        };
        let count = line().strip_prefix('*').and_then(|count| count.parse().ok()).expect("an array");
        let word = |_| {
            line();
            line()
        };
        (0..count).map(word).collect()
    }

    /// Reads a request of the replica, which has to be this one.
    pub fn expect(&mut self, words: &[&str]) {
        assert_eq!(self.request(), words);
    }

    /// Answers all that comes before PSYNC, and that with a line; from where on the replica asks.
    pub fn greet(&mut self, replica: &Server, answer: &str) -> [String; 2] {
        self.accept();
        self.expect(&["PING"]);
        self.send(b"+PONG\r\n");
        self.expect(&["REPLCONF", "listening-port", &replica.port().to_string()]);
        self.send(b"+OK\r\n");
        // More of what it can may follow.
        assert_eq!(self.request()[..5], ["REPLCONF", "capa", "eof", "capa", "psync2"]);
        self.send(b"+OK\r\n");
        let mut asked = self.request();
        if asked[1] == "version" {
            self.send(b"+OK\r\n");
            asked = self.request();
        }
        assert_eq!((asked.len(), asked[0].as_str()), (3, "PSYNC"));
        self.send(format!("{answer}\r\n").as_bytes());
        [asked[1].clone(), asked[2].clone()]
    }

    /// Greets a replica and gives it a data set.
    pub fn synchronize(&mut self, replica: &Server, data: &[u8]) {
        self.greet(replica, &format!("+FULLRESYNC {HISTORY} 0"));
        self.send(format!("${}\r\n", data.len()).as_bytes());
        self.send(data);
    }

    /// Ends the connection.
    pub fn hang_up(&mut self) {
        self.stream = None;
    }

    /// Whether the replica ends the connection; what it says until then does not matter.
    pub fn is_left(&mut self) -> bool {
        let stream = self.stream.as_mut().expect("a replica");
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }
}
