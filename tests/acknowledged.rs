//! With `appendfsync always` nothing that tells of a write leaves the server before the write is on the disk: not to
//! the client that made it, nor to any other, nor to a replica, on whichever way.
//!
//! The server runs with a library in front of the system's calls that writes down what it sends, writes and syncs.
//! Random turns of the event loop have clients write numbers that occur but once, so that each number found in what was
//! sent must have been found in what was synced. (MONITOR is left out: it shows what is asked for, done or not.)
//! `OXIDIS_ACKNOWLEDGED_TURNS` says how many turns there are, `OXIDIS_ACKNOWLEDGED_SEED` with which numbers; the seed
//! is printed.
#![cfg(target_os = "linux")]

mod common;

use std::collections::{BTreeSet, HashMap};
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use common::random::Random;
use common::{Connection, PATIENCE, Reply, Server, encode, wait_until};

/// Numbers from here on, of nine digits, stand for writes.
const FIRST: u64 = 700_000_001;
const DIGITS: usize = 9;
/// A value that no socket takes at once, in bytes.
const BIG_BYTES: usize = 8 << 20;
/// Clients that take part in every turn.
const CLIENTS: usize = 6;
/// Replicas at a time, beside one that stays.
const REPLICAS_MAX: usize = 3;
/// Changes something, keeps others waiting until a client connects or goes, and changes something again.
const SLOW: &str = "
    local function clients() return redis.call('INFO', 'clients'):match('connected_clients:(%d+)') end
    local before = clients()
    redis.call('INCRBY', KEYS[1], ARGV[1])
    repeat for _ = 1, 50000 do end until clients() ~= before
    return redis.call('INCRBY', KEYS[2], ARGV[2])
";

fn variable(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A program that starts the server with its calls traced into a file; none without a C compiler.
fn traced_server(folder: &Path, trace: &Path) -> Option<std::ffi::OsString> {
    let library = folder.join("trace.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/acknowledged/trace.c");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
    if compiled.is_err() {
        assert!(env::var_os("CI").is_none(), "there is no C compiler");
        eprintln!("skipped: there is no C compiler");
        return None;
    }
    assert!(compiled.is_ok_and(|status| status.success()), "the library is sound");
    let script = folder.join("server");
    let text = format!(
        "#!/bin/sh\nexec env LD_PRELOAD={} TRACE_FILE={} {} \"$@\"\n",
        library.display(),
        trace.display(),
        Path::new(&common::binary()).display()
    );
    fs::write(&script, text).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a script that runs");
    Some(script.into())
}

/// Everybody in a test.
struct Bench {
    server: Server,
    dice: Random,
    drawn: u64,
    clients: Vec<Connection>,
    /// How many answers each of them has to come.
    awaited: Vec<usize>,
    /// Replicas, which only listen; those that came first go first.
    replicas: Vec<TcpStream>,
}

impl Bench {
    fn start(program: &std::ffi::OsStr, seed: u64) -> Bench {
        let arguments = [
            ["--appendonly", "yes"],
            ["--appendfsync", "always"],
            ["--busy-reply-threshold", "1"],
            ["--enable-debug-command", "yes"],
            ["--repl-diskless-sync-delay", "0"],
        ];
        let server = Server::start_program(program, arguments.as_flattened());
        let clients = (0..CLIENTS).map(|_| server.connect()).collect();
        let mut bench = Bench {
            server,
            dice: Random(seed),
            drawn: FIRST,
            clients,
            awaited: vec![0; CLIENTS],
            replicas: Vec::new(),
        };
        bench.say(0, &[&["SETRANGE", "big", &BIG_BYTES.to_string(), "x"]]);
        bench.listen(&encode(&["SYNC"]));
        let notes = ["CONFIG", "SET", "notify-keyspace-events", "KEA"];
        bench.say(1, &[&notes]);
        bench.listen(&encode(&["PSUBSCRIBE", "*"]));
        bench
    }

    /// Has somebody ask for something and listen to the end, whatever comes.
    fn listen(&self, request: &[u8]) -> TcpStream {
        let mut stream = self.server.plain();
        stream.write_all(request).expect("a request is taken");
        stream.set_read_timeout(None).expect("patience");
        let listener = stream.try_clone().expect("a second handle");
        thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
        listener
    }

    /// A number that has not been.
    fn draw(&mut self) -> String {
        self.drawn += 1;
        self.drawn.to_string()
    }

    /// Has a client send requests at once; as many answers are to come.
    fn say(&mut self, client: usize, requests: &[&[&str]]) {
        let bytes: Vec<u8> = requests.iter().flat_map(|words| encode(words)).collect();
        self.clients[client].raw(&bytes);
        self.awaited[client] += requests.len();
    }

    /// A write of a kind by chance, by a client.
    fn write(&mut self, client: usize) {
        let (number, another) = (self.draw(), self.draw());
        let key = format!("key:{number}");
        let add: &[&str] = &["INCRBY", &key, &number];
        match self.dice.roll(9) {
            0 => self.say(client, &[&["MULTI"], add, &["RPUSH", "list", &another], &["EXEC"]]),
            1 => self.say(client, &[&["EVAL", "return redis.call('INCRBY', KEYS[1], ARGV[1])", "1", &key, &number]]),
            2 => self.say(client, &[add, &["WAITAOF", "1", "0", "0"], &["GET", &key]]),
            3 => self.say(client, &[&["GET", "big"], add]),
            4 => self.say(client, &[add, &["PUBLISH", "channel", "message"], &["PING"]]),
            5 => self.say(client, &[&["BLPOP", "queue", "30"], add]),
            6 => self.say(client, &[add, &["BGREWRITEAOF"]]),
            7 => {
                let bytes: Vec<u8> = [add, &["SYNC"]].iter().flat_map(|words| encode(words)).collect();
                let replica = self.listen(&bytes);
                self.replicas.push(replica);
                if self.replicas.len() > REPLICAS_MAX {
                    // The server may have ended it before.
                    let _ = self.replicas.remove(0).shutdown(Shutdown::Both);
                }
            }
            _ => self.say(client, &[add]),
        }
        self.say((client + 1) % CLIENTS, &[&["RPUSH", "queue", &another]]);
    }

    /// Has a client write and leave at once, one way or the other; what it is told is read all the same.
    fn leave(&mut self) {
        let number = self.draw();
        let mut stream = self.server.plain();
        stream.write_all(&encode(&["INCRBY", &format!("key:{number}"), &number])).expect("a request is taken");
        match self.dice.roll(2) {
            0 => stream.shutdown(Shutdown::Write).expect("half a connection"),
            _ => stream.write_all(&encode(&["QUIT"])).expect("a request is taken"),
        }
        thread::spawn(move || stream.read_to_end(&mut Vec::new()));
    }

    /// A turn: while the server sleeps requests collect, so that it finds all of them at once.
    fn turn(&mut self) {
        self.say(0, &[&["DEBUG", "SLEEP", "0.01"]]);
        let slow = (self.dice.roll(2) == 0).then(|| self.dice.roll(CLIENTS as u64) as usize);
        for _ in 0..=self.dice.roll(8) {
            let client = self.dice.roll(CLIENTS as u64) as usize;
            match self.dice.roll(10) {
                0 => self.leave(),
                _ => self.write(client),
            }
        }
        if let Some(client) = slow {
            let (one, other) = (self.draw(), self.draw());
            let keys = [format!("key:{one}"), format!("key:{other}")];
            self.say(client, &[&["EVAL", SLOW, "2", &keys[0], &keys[1], &one, &other]]);
            self.write((client + 2) % CLIENTS);
            for _ in 0..self.dice.roll(10) {
                let another = (client + 1 + self.dice.roll(CLIENTS as u64 - 1) as usize) % CLIENTS;
                self.say(another, &[&["PING"]]);
                thread::sleep(Duration::from_millis(1));
            }
        }
        for client in 0..CLIENTS {
            for _ in 0..std::mem::take(&mut self.awaited[client]) {
                self.clients[client].read();
            }
        }
    }
}

/// Comes and goes, so that scripts end, and brings what others wait for.
fn stir(port: u16, over: &AtomicBool) {
    while !over.load(Relaxed) {
        Connection::to(port).cmd(&["RPUSH", "queue", "nothing"]);
        thread::sleep(Duration::from_millis(7));
    }
}

/// The numbers in some bytes. Digits within a longer word, as in the id of a replication history, are none.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = bytes.split(|byte| !byte.is_ascii_alphanumeric());
    let drawn = |word: &&[u8]| word.len() == DIGITS && word.iter().all(u8::is_ascii_digit);
    words.filter(move |word| drawn(word) && *word > FIRST.to_string().as_bytes())
}

fn bytes_of(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// How many numbers were sent, and whether the server said in between that it was busy. Each must have been synced
/// before.
fn check(trace: &str) -> (usize, bool) {
    let (mut written, mut synced, mut sent) = (HashMap::<&str, Vec<Vec<u8>>>::new(), BTreeSet::new(), BTreeSet::new());
    let mut busy = false;
    for (line, text) in trace.lines().enumerate() {
        let mut words = text.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("W"), Some(inode), Some(bytes)) => {
                let bytes = bytes_of(bytes);
                written.entry(inode).or_default().extend(numbers(&bytes).map(<[u8]>::to_vec));
            }
            (Some("F"), Some(inode), None) => synced.extend(written.remove(inode).unwrap_or_default()),
            (Some("S"), Some(bytes), None) => {
                let bytes = bytes_of(bytes);
                busy |= bytes.windows(5).any(|piece| piece == b"-BUSY");
                for number in numbers(&bytes) {
                    let shown = bytes.escape_ascii().to_string();
                    let shown = &shown[..shown.len().min(2000)];
                    assert!(
                        synced.contains(number),
                        "line {line}: {} left too early in {shown}",
                        number.escape_ascii()
                    );
                    sent.insert(number.to_vec());
                }
            }
            other => panic!("line {line}: {other:?}"),
        }
    }
    (sent.len(), busy)
}

#[test]
fn nothing_that_tells_of_a_write_leaves_before_the_write_is_on_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let Some(program) = traced_server(folder.path(), &trace) else { return };
    let turns = variable("OXIDIS_ACKNOWLEDGED_TURNS", 40);
    let seed = variable("OXIDIS_ACKNOWLEDGED_SEED", std::process::id().into());
    println!("OXIDIS_ACKNOWLEDGED_SEED={seed}");
    let mut bench = Bench::start(&program, seed);
    let (port, over) = (bench.server.port(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| stir(port, &over));
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (0..turns).for_each(|_| bench.turn())));
        over.store(true, Relaxed);
        ran.unwrap_or_else(|fault| std::panic::resume_unwind(fault));
    });
    let number = bench.draw();
    let mut last = bench.server.connect();
    let requests = [&["INCRBY", "last", &number][..], &["SHUTDOWN", "NOSAVE", "NOW"]];
    last.raw(&requests.iter().flat_map(|words| encode(words)).collect::<Vec<u8>>());
    assert_eq!(last.read(), Reply::Integer(number.parse().expect("a number")));
    let mut server = bench.server;
    wait_until("the server ends", || server.exit_within(PATIENCE).is_some());
    let (sent, busy) = check(&fs::read_to_string(&trace).expect("a trace"));
    assert!(sent as u64 > 2 * turns, "{sent} numbers were sent");
    assert!(busy || turns < 10, "no script ran for long");
}
