//! Real Sentinels watch a primary and two replicas. The primary is killed under load; what was acknowledged by all
//! replicas is still there, writers find the new primary, and the old one comes back as a replica.

mod common;

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use common::replication::*;
use common::{Connection, Reply, binary, wait_within};
use tempfile::TempDir;

const NAME: &str = "watched";
/// After how much silence a node counts as dead, which a busy machine must not bring about; and how long a failover and
/// what follows may take: Sentinel itself lets a node alone for a while after it came back.
const DOWN_AFTER_MS: u64 = 2000;
const LIMIT: Duration = Duration::from_secs(120);
const SENTINELS: usize = 3;
const WRITERS: usize = 2;

/// A Sentinel; it ends with the value.
struct Sentinel {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    fn start(program: &OsStr, primary: u16) -> Sentinel {
        let folder = tempfile::tempdir().expect("a folder");
        let port = lasting_port();
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\ndir {}\nsentinel monitor {NAME} 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\nsentinel failover-timeout {NAME} 4000\n\
             sentinel parallel-syncs {NAME} 2\n",
            folder.path().display()
        );
        std::fs::write(&file, text).expect("a file");
        // Sentinel is a mode of redis-server.
        let mut command = Command::new(program);
        let process = command.arg(&file).arg("--sentinel").stdout(Stdio::null()).spawn().expect("a Sentinel starts");
        Sentinel { process, port, _folder: folder }
    }

    /// A field of what it knows of the primary.
    fn field(&self, name: &str) -> Option<i64> {
        let mut connection = Tolerant::to(self.port)?;
        connection.send(&["SENTINEL", "MASTER", NAME])?;
        // Names and values, each behind its length.
        let count: usize = connection.line()?.strip_prefix('*')?.parse().ok()?;
        let words: Option<Vec<String>> =
            (0..count).map(|_| connection.line().and_then(|_| connection.line())).collect();
        let words = words?;
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse().ok()
    }

    /// The port of the primary.
    fn primary(&self) -> Option<u16> {
        primary_by(self.port)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whom a Sentinel names as the primary.
fn primary_by(sentinel: u16) -> Option<u16> {
    let mut connection = Tolerant::to(sentinel)?;
    connection.send(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?;
    let lines: Option<Vec<String>> = (0..5).map(|_| connection.line()).collect();
    lines?.last()?.parse().ok()
}

/// What a writer has been promised.
#[derive(Default)]
struct Promises {
    /// Numbers that all replicas had.
    kept: Vec<i64>,
}

/// Appends numbers to a list of its own at whoever is the primary.
fn write(writer: usize, sentinels: &[u16], over: &AtomicBool) -> Promises {
    let (mut promises, mut number, key) = (Promises::default(), 0, format!("list:{writer}"));
    while !over.load(Ordering::Relaxed) {
        let Some(primary) = sentinels.iter().find_map(|sentinel| primary_by(*sentinel)) else { continue };
        let Some(mut connection) = Tolerant::to(primary) else { continue };
        while !over.load(Ordering::Relaxed) {
            number += 1;
            let Some(_) = connection.number(&["RPUSH", &key, &number.to_string()]) else { break };
            match connection.number(&["WAIT", "2", "300"]) {
                Some(2) => promises.kept.push(number),
                Some(_) => {}
                None => break,
            }
        }
    }
    promises
}

/// The nodes, and those who watch them.
struct Group {
    nodes: Vec<Node>,
    sentinels: Vec<Sentinel>,
}

impl Group {
    fn start(sentinel: &OsStr, programs: [&OsStr; 3]) -> Group {
        let first = Node::start(programs[0], &[]);
        let of = format!("replicaof 127.0.0.1 {}", first.port());
        let mut nodes = vec![first];
        nodes.extend(programs[1..].iter().map(|program| Node::start(program, &[&of])));
        nodes[1..].iter().for_each(|node| wait_for_link(node.server()));
        let sentinels = (0..SENTINELS).map(|_| Sentinel::start(sentinel, nodes[0].port())).collect();
        let group = Group { nodes, sentinels };
        group.wait_until_known();
        group
    }

    /// Waits until all know of each other.
    fn wait_until_known(&self) {
        wait_within(LIMIT, "the Sentinels know all", || {
            self.sentinels.iter().all(|sentinel| {
                sentinel.field("num-slaves") == Some(2)
                    && sentinel.field("num-other-sentinels") == Some(SENTINELS as i64 - 1)
            })
        });
    }

    fn index_of_primary(&self) -> Option<usize> {
        let port = self.sentinels[0].primary()?;
        let agreed = self.sentinels.iter().all(|sentinel| sentinel.primary() == Some(port));
        self.nodes.iter().position(|node| agreed && node.port() == port)
    }

    fn length(&self, index: usize) -> Option<i64> {
        Tolerant::to(self.nodes[index].port())?.number(&["LLEN", "list:0"])
    }

    /// INFO replication of a node. Sentinels that give it another role end its connections, this one, too.
    fn replication(&self, index: usize) -> Option<String> {
        Tolerant::to(self.nodes[index].port())?.text(&["INFO", "replication"])
    }

    /// Waits for so many more writes of the first writer.
    fn await_writes(&self, index: usize, count: i64) {
        let mut before = None;
        wait_within(LIMIT, "writes go on", || {
            let length = self.length(index);
            before = before.or(length);
            length > before.map(|before| before + count)
        });
    }

    /// Kills the primary and brings it back once another has taken its place.
    fn fail_over(&mut self) {
        let old = self.index_of_primary().expect("a primary");
        self.await_writes(old, 50);
        self.nodes[old].kill();
        let killed = Instant::now();
        wait_within(LIMIT, "another is the primary", || self.index_of_primary().is_some_and(|index| index != old));
        println!("another primary after {:?}", killed.elapsed());
        let new = self.index_of_primary().expect("a primary");
        self.await_writes(new, 20);
        self.nodes[old].revive();
        let primary = format!("master_port:{}\r\n", self.nodes[new].port());
        wait_within(LIMIT, "the old primary follows", || {
            let info = self.replication(old).unwrap_or_default();
            info.contains(&primary) && info.contains("master_link_status:up")
        });
        wait_within(LIMIT, "both replicas are connected", || {
            self.replication(new).unwrap_or_default().contains("connected_slaves:2\r\n")
        });
    }

    fn check(mut self, writers: Vec<JoinHandle<Promises>>) {
        let primary = self.index_of_primary().expect("a primary");
        // From here on nobody else ends connections.
        self.sentinels.clear();
        let mut connection = self.nodes[primary].server().connect();
        for (writer, handle) in writers.into_iter().enumerate() {
            let promises = handle.join().expect("a writer");
            let there = numbers(&mut connection, &format!("list:{writer}"));
            let lost: Vec<_> = promises.kept.iter().filter(|number| there.binary_search(number).is_err()).collect();
            assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
            println!("writer {writer}: {} promises of {} writes", promises.kept.len(), there.len());
            assert!(promises.kept.len() > 20);
        }
        let others = (0..3).filter(|index| *index != primary);
        let all: Vec<_> = [primary].into_iter().chain(others).map(|index| self.nodes[index].server()).collect();
        wait_for_same(&all);
    }
}

/// The elements of a list of ascending numbers.
fn numbers(connection: &mut Connection, key: &str) -> Vec<i64> {
    let Reply::Array(items) = connection.cmd(&["LRANGE", key, "0", "-1"]) else { panic!("no list") };
    items.iter().map(|item| item.text().parse().expect("a number")).collect()
}

fn failover(programs: [&OsStr; 3]) {
    let Some(redis) = redis() else { return };
    let mut group = Group::start(&redis, programs);
    let over = Arc::new(AtomicBool::new(false));
    let ports: Vec<u16> = group.sentinels.iter().map(|sentinel| sentinel.port).collect();
    let writers = (0..WRITERS).map(|writer| {
        let (over, ports) = (Arc::clone(&over), ports.clone());
        thread::spawn(move || write(writer, &ports, &over))
    });
    let writers: Vec<_> = writers.collect();
    group.fail_over();
    group.fail_over();
    over.store(true, Ordering::Relaxed);
    group.check(writers);
}

#[test]
fn sentinels_replace_a_dead_primary_and_nothing_acknowledged_is_lost() {
    let ours = binary();
    failover([&ours, &ours, &ours]);
}

#[test]
fn sentinels_replace_primaries_among_both_kinds_of_server() {
    let (ours, Some(redis)) = (binary(), redis()) else { return };
    failover([&redis, &ours, &ours]);
}
