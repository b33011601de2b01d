//! What commands do besides their replies: the events that they cause and the form in which they are passed on,
//! compared with a real Redis 8, which OXIDIS_REDIS8 names, command by command.

mod common;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use common::dataset::redis_8;
use common::{Connection, Reply, Server, binary};

const FAR: &str = "2000000000";
const BARRIER: &str = "__keyspace@0__:barrier";
/// What is to expire has done so after that.
const WAIT: Duration = Duration::from_millis(450);

struct Side {
    _server: Server,
    client: Connection,
    listener: Connection,
    publisher: Connection,
    log: PathBuf,
    seen: usize,
}

/// What a command did.
#[derive(Debug, PartialEq)]
struct Effects {
    reply: String,
    events: Vec<String>,
    log: Vec<String>,
}

impl Side {
    fn start(program: &OsString) -> Side {
        let directives = "--appendonly yes --appendfsync no --notify-keyspace-events KEAmn --enable-debug-command yes";
        let server = Server::start_program(program, &directives.split(' ').collect::<Vec<_>>());
        let mut listener = server.connect();
        listener.cmd(&["PSUBSCRIBE", "__key*__:*"]);
        let log = server.directory().join("appendonlydir/appendonly.aof.1.incr.aof");
        Side { client: server.connect(), publisher: server.connect(), listener, log, seen: 0, _server: server }
    }

    fn run(&mut self, command: &str) -> Effects {
        let reply = match command {
            "wait" => {
                thread::sleep(WAIT);
                String::new()
            }
            _ => format!("{:?}", self.client.cmd(&words(command))),
        };
        let (events, log) = (self.events(), self.logged());
        Effects { reply, events, log }
    }

    /// The events since the last call.
    fn events(&mut self) -> Vec<String> {
        self.publisher.cmd(&["PUBLISH", BARRIER, ""]);
        let mut events = Vec::new();
        loop {
            let Reply::Array(parts) = self.listener.read() else { panic!("no message") };
            let (channel, text) = (parts[2].text(), parts[3].text());
            if channel == BARRIER {
                return events;
            }
            events.push(format!("{channel} {text}"));
        }
    }

    /// What has gone to the log since the last call; moments of the present are all the same.
    fn logged(&mut self) -> Vec<String> {
        let bytes = fs::read(&self.log).expect("a log");
        let text = String::from_utf8_lossy(&bytes[self.seen..]).into_owned();
        self.seen = bytes.len();
        let mut lines = text.split("\r\n");
        let mut requests = Vec::new();
        while let Some(count) = lines.next().and_then(|line| line.strip_prefix('*')?.parse::<usize>().ok()) {
            let words = lines.by_ref().take(2 * count).skip(1).step_by(2);
            let is_now = |word: &str| word.len() == 13 && word.starts_with('1') && word.parse::<i64>().is_ok();
            let words = words.map(|word| if is_now(word) { "NOW" } else { word });
            requests.push(words.collect::<Vec<_>>().join(" "));
        }
        requests
    }
}

/// Words between blanks; `\x` and two digits stand for a byte.
fn words(command: &str) -> Vec<Vec<u8>> {
    let word = |word: &str| {
        let mut parts = word.split("\\x");
        let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        bytes
    };
    command.replace("@T", FAR).split(' ').map(word).collect()
}

fn compare(redis: &OsString, commands: &str) {
    let (mut theirs, mut ours) = (Side::start(redis), Side::start(&binary()));
    let mut different = Vec::new();
    for line in commands.lines().filter(|line| !line.starts_with('#')) {
        // Behind a `~` the log is not compared: what is passed on has to mean something to Redis 7.0 as well.
        let command = line.strip_prefix('~').unwrap_or(line);
        let (mut their_effects, mut our_effects) = (theirs.run(command), ours.run(command));
        if command != line {
            (their_effects.log, our_effects.log) = (Vec::new(), Vec::new());
        }
        if their_effects != our_effects {
            different.push(format!("{command}\n    Redis {their_effects:?}\n    ours  {our_effects:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn events_and_what_is_passed_on_are_those_of_redis() {
    let Some(redis) = redis_8() else { return };
    compare(&redis, include_str!("effects/commands.txt"));
}

#[test]
fn events_and_what_is_passed_on_of_newer_commands_are_those_of_redis() {
    let Some(redis) = redis_8() else { return };
    compare(&redis, include_str!("effects/newer.txt"));
}
