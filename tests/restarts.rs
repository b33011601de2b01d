//! Nodes that end and come back under load of all types: in order, killed, one or all of them, with links that are cut
//! between. Real Redis is among them where it is installed. Whoever comes back goes on where its file ends, as in
//! Redis, and at the end all nodes have the same data.

mod common;

use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use common::replication::*;
use common::{Reply, binary, wait_until};

/// Clients that write all the time.
struct Load {
    over: Arc<AtomicBool>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(port: u16) -> Load {
        let over = Arc::new(AtomicBool::new(false));
        let writers = (0..2).map(|seed| {
            let over = Arc::clone(&over);
            thread::spawn(move || write_on(port, seed, &over))
        });
        Load { writers: writers.collect(), over }
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.writers.into_iter().for_each(|writer| writer.join().expect("a writer"));
    }
}

/// A primary, a replica and a replica of that.
struct Chain {
    nodes: [Node; 3],
    /// What the second and the third follow through.
    wires: [Wire; 2],
}

impl Chain {
    fn start(programs: [&OsStr; 3], line: &str) -> Chain {
        let lines = [line, "repl-backlog-size 256mb"];
        let first = Node::start(programs[0], &lines);
        let wire = Wire::to(first.port());
        let below = |program, wire: &Wire| {
            let of = format!("replicaof 127.0.0.1 {}", wire.port);
            Node::start(program, &[lines[0], lines[1], &of])
        };
        let second = below(programs[1], &wire);
        let wires = [wire, Wire::to(second.port())];
        let third = below(programs[2], &wires[1]);
        let chain = Chain { nodes: [first, second, third], wires };
        chain.wait_for_links();
        chain
    }

    fn wait_for_links(&self) {
        self.nodes[1..].iter().for_each(|node| wait_for_link(node.server()));
    }

    /// How often the primary has sent all, and how often only what was missing.
    fn counts(&self) -> (u64, u64) {
        let count = |name| field(self.nodes[0].server(), name).parse().expect("a number");
        (count("sync_full"), count("sync_partial_ok"))
    }

    /// Waits until the second has come back to the primary, which had counted that much before.
    fn await_second(&self, before: (u64, u64)) {
        wait_until("the second node comes back", || self.counts() > before);
        self.wait_for_links();
    }

    fn reload(&self, index: usize) {
        assert_eq!(self.nodes[index].server().connect().cmd(&["DEBUG", "RELOAD"]), Reply::ok());
        self.wait_for_links();
    }

    fn wait_for_same(&self) {
        wait_for_same(&self.nodes.each_ref().map(Node::server));
    }
}

/// Everything that can happen to nodes one after the other. `goes_on`: they come back from a file that tells how far in
/// the history it is.
fn restarts(programs: [&OsStr; 3], line: &str, goes_on: bool) {
    let mut chain = Chain::start(programs, line);
    let load = Load::on(chain.nodes[0].port());

    let before = chain.counts();
    chain.nodes[1].shut_down();
    chain.nodes[1].revive();
    chain.await_second(before);
    if goes_on {
        assert_eq!(chain.counts().0, before.0, "the replica went on where its file ended");
    }

    chain.nodes[0].shut_down();
    chain.nodes[0].revive();
    chain.await_second((0, 0));
    if goes_on {
        assert_eq!(chain.counts().0, 0, "so it did after the primary had ended");
    }

    chain.nodes[0].shut_down();
    chain.nodes[1].shut_down();
    chain.nodes[0].revive();
    chain.nodes[1].revive();
    chain.await_second((0, 0));
    if goes_on {
        assert_eq!(chain.counts().0, 0, "and when both had");
    }

    let before = chain.counts();
    chain.wires.iter().for_each(Wire::cut);
    chain.await_second(before);
    assert_eq!(chain.counts().0, before.0, "a link that was cut is no reason to send all");

    (0..3).for_each(|index| chain.reload(index));
    for index in [1, 0, 2] {
        chain.nodes[index].kill();
        chain.nodes[index].revive();
        wait_until("the second node is connected", || field(chain.nodes[0].server(), "connected_slaves") == "1");
        chain.wait_for_links();
    }
    load.end();
    chain.wait_for_same();
}

#[test]
fn nodes_of_ours_come_back_from_their_snapshots() {
    let ours = binary();
    restarts([&ours, &ours, &ours], "appendonly no", true);
}

#[test]
fn nodes_of_ours_come_back_from_their_logs() {
    let ours = binary();
    restarts([&ours, &ours, &ours], "appendonly yes", false);
}

#[test]
fn nodes_of_ours_come_back_around_one_of_redis() {
    let (ours, Some(redis)) = (binary(), redis()) else { return };
    restarts([&ours, &redis, &ours], "appendonly no", true);
}

#[test]
fn nodes_of_redis_come_back_around_one_of_ours() {
    let (ours, Some(redis)) = (binary(), redis()) else { return };
    restarts([&redis, &ours, &redis], "appendonly no", true);
}
