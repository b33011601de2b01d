//! The two servers, and connections to them that take batches of commands.

use std::ffi::OsString;
use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::draw::{ACTORS, Word};
use super::wire::{Framer, Value};
use crate::common::{Server, encode};

/// A reply that takes longer is one that does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What changes thresholds of encodings, for `CONFIG SET`: low, so that they are crossed often, and the default.
pub const THRESHOLDS: &[(&str, &[&str], &str)] = &[
    ("hash-max-listpack-entries", &["0", "3", "16", "512"], "512"),
    ("hash-max-listpack-value", &["0", "5", "20", "64"], "64"),
    ("list-max-listpack-size", &["-2", "-1", "-5", "1", "3", "16"], "-2"),
    ("list-compress-depth", &["0", "1", "2"], "0"),
    ("set-max-intset-entries", &["0", "3", "16", "512"], "512"),
    ("set-max-listpack-entries", &["0", "3", "16", "128"], "128"),
    ("set-max-listpack-value", &["0", "5", "20", "64"], "64"),
    ("zset-max-listpack-entries", &["0", "3", "16", "128"], "128"),
    ("zset-max-listpack-value", &["0", "5", "20", "64"], "64"),
    ("stream-node-max-entries", &["0", "1", "3", "10", "100"], "100"),
    ("stream-node-max-bytes", &["0", "100", "1000", "4096"], "4096"),
    ("hll-sparse-max-bytes", &["0", "30", "300", "3000"], "3000"),
];

/// Why a batch of replies is not to be had.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lost {
    /// The connection has ended: most likely the server has.
    Closed,
    /// The reply does not come.
    Silent,
}

/// A program to compare.
#[derive(Clone, Debug)]
pub struct Program {
    /// The name it has in reports.
    pub name: &'static str,
    /// What to run.
    pub path: OsString,
}

/// A running program and the connections to it.
pub struct Side {
    program: Program,
    server: Server,
    links: Vec<Link>,
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("program", &self.program).finish_non_exhaustive()
    }
}

impl Side {
    fn start(program: Program) -> Side {
        let server = start(&program);
        let mut side = Side { program, server, links: Vec::new() };
        side.reset();
        side
    }

    /// The name it has in reports.
    pub fn name(&self) -> &'static str {
        self.program.name
    }

    /// What it has logged last.
    pub fn last_words(&self) -> String {
        let log = self.server.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The connection of an actor or of the auditor.
    pub fn link(&mut self, actor: usize) -> &mut Link {
        &mut self.links[actor]
    }

    /// Empties the server, sets what was changed back, and connects anew. A server that is gone is started again.
    pub fn reset(&mut self) {
        if self.try_reset().is_err() {
            self.server = start(&self.program);
            self.try_reset().unwrap_or_else(|lost| panic!("{} is {lost:?} at its start", self.program.name));
        }
    }

    fn try_reset(&mut self) -> Result<(), Lost> {
        self.links.clear();
        for _ in 0..=ACTORS {
            self.links.push(Link::open(self.server.port()).ok_or(Lost::Closed)?);
        }
        let mut batch: Vec<Vec<Word>> = vec![
            words(&["FLUSHALL"]),
            words(&["SCRIPT", "FLUSH", "SYNC"]),
            words(&["FUNCTION", "FLUSH", "SYNC"]),
            // What has expired is deleted when it is asked for, on both alike, and not at some time.
            words(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]),
        ];
        batch.extend(THRESHOLDS.iter().map(|(name, _, default)| words(&["CONFIG", "SET", name, default])));
        let link = &mut self.links[0];
        // What a script that is being made short leaves out may make other users than the run does.
        let users = link.ask(&words(&["ACL", "USERS"]))?;
        let made = users.items().iter().map(Value::text).filter(|name| *name != b"default");
        batch.extend(made.map(|name| vec![b"ACL".to_vec(), b"DELUSER".to_vec(), name.to_vec()]));
        link.send(batch.iter().map(Vec::as_slice));
        let replies = link.receive(batch.len())?;
        link.forget();
        // A server that is still busy with a script refuses.
        if replies[0] == b"+OK\r\n" { Ok(()) } else { Err(Lost::Silent) }
    }

    /// The reply to a command of the auditor's.
    pub fn ask(&mut self, command: &[&str]) -> Result<Value, Lost> {
        let command = words(command);
        self.links[ACTORS].ask(&command)
    }
}

fn start(program: &Program) -> Server {
    // At a high rate of its timer a server notices soon that a wait is over.
    Server::start_program(&program.path, &["--enable-debug-command", "yes", "--databases", "16", "--hz", "500"])
}

fn words(words: &[&str]) -> Vec<Word> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// A connection, with the bytes of replies that came on it.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    bytes: Vec<u8>,
    framer: Framer,
}

impl Link {
    fn open(port: u16) -> Option<Link> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        Some(Link { stream, bytes: Vec::new(), framer: Framer::default() })
    }

    /// Sends a pipeline. What cannot be sent will be missed as replies.
    pub fn send<'w>(&mut self, commands: impl Iterator<Item = &'w [Word]>) {
        let bytes: Vec<u8> = commands.flat_map(encode).collect();
        let _ = self.stream.write_all(&bytes);
    }

    /// Reads so many replies and returns the bytes of each.
    pub fn receive(&mut self, count: usize) -> Result<Vec<Vec<u8>>, Lost> {
        let mut replies = Vec::with_capacity(count);
        let result = self.receive_into(count, &mut replies);
        result.map(|()| replies)
    }

    /// Reads replies until there are so many; what came before a loss is kept.
    pub fn receive_into(&mut self, count: usize, replies: &mut Vec<Vec<u8>>) -> Result<(), Lost> {
        let mut chunk = [0; 64 * 1024];
        loop {
            while replies.len() < count {
                let Some(range) = self.framer.next(&self.bytes) else { break };
                replies.push(self.bytes[range].to_vec());
            }
            if replies.len() == count {
                return Ok(());
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Lost::Closed),
                Ok(length) => self.bytes.extend_from_slice(&chunk[..length]),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                    return Err(Lost::Silent);
                }
                Err(_) => return Err(Lost::Closed),
            }
        }
    }

    /// Drops the bytes of replies that were received.
    pub fn forget(&mut self) {
        self.bytes.clear();
        self.framer = Framer::default();
    }

    /// One command, one reply.
    pub fn ask(&mut self, command: &[Word]) -> Result<Value, Lost> {
        self.send(std::iter::once(command));
        let reply = self.receive(1)?;
        self.forget();
        Ok(Value::parse(&reply[0]))
    }
}

/// Redis and Oxidis, in that order everywhere.
#[derive(Debug)]
pub struct Pair(pub [Side; 2]);

impl Pair {
    /// Starts both.
    pub fn start(redis: Program, oxidis: Program) -> Pair {
        Pair([Side::start(redis), Side::start(oxidis)])
    }

    /// Empties both.
    pub fn reset(&mut self) {
        self.0.iter_mut().for_each(Side::reset);
    }

    /// Both replies to a command of the auditor's.
    pub fn ask(&mut self, command: &[&str]) -> Result<[Value; 2], Lost> {
        let [redis, oxidis] = &mut self.0;
        Ok([redis.ask(command)?, oxidis.ask(command)?])
    }
}
