//! Four nodes under load, a primary and replicas below each other. Any of them is killed or stopped and any link is
//! cut, at any moment; once all is well again, all have the same data.
//!
//! `OXIDIS_CHAOS_ROUNDS` says how many rounds there are (`scripts/chaos` has thirty), `OXIDIS_CHAOS_SEED` with which
//! numbers. What happens is printed.

mod common;

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::random::Random;
use common::replication::*;
use common::{binary, wait_within};

const WRITERS: u64 = 2;
/// How long healing may take.
const LIMIT: Duration = Duration::from_secs(30);

fn variable(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The primary comes first; the second and the third follow it, the fourth follows the second. Where there is a real
/// Redis it is the second, between two of ours.
struct Group {
    nodes: Vec<Node>,
    /// What the second, third and fourth node follow through.
    wires: Vec<Wire>,
}

impl Group {
    fn start() -> Group {
        let ours = binary();
        let between = redis().unwrap_or_else(|| ours.clone());
        let mut group = Group { nodes: vec![Node::start(&ours, &["appendonly yes"])], wires: Vec::new() };
        for (program, above) in [(&between, 0), (&ours, 0), (&ours, 1)] {
            let wire = Wire::to(group.nodes[above].port());
            let of = format!("replicaof 127.0.0.1 {}", wire.port);
            group.nodes.push(Node::start(program, &["appendonly yes", &of]));
            group.wires.push(wire);
        }
        group
    }

    /// Something happens.
    fn strike(&mut self, dice: &mut Random) {
        let node = dice.roll(4) as usize;
        let lasts = Duration::from_millis(20 + dice.roll(600));
        match dice.roll(4) {
            0 => {
                println!("  node {node} is dead for {lasts:?}");
                self.nodes[node].kill();
                thread::sleep(lasts);
                self.nodes[node].revive();
            }
            1 => {
                println!("  node {node} stands still for {lasts:?}");
                self.nodes[node].server().signal("STOP");
                thread::sleep(lasts);
                self.nodes[node].server().signal("CONT");
            }
            2 => {
                let wire = dice.roll(3) as usize;
                println!("  the link of node {} is cut", wire + 1);
                self.wires[wire].cut();
            }
            _ => {
                println!("  all links are cut");
                self.wires.iter().for_each(Wire::cut);
            }
        }
    }

    fn wait_until_healed(&self) {
        for node in &self.nodes[1..] {
            wait_within(LIMIT, "the link is up", || field(node.server(), "master_link_status") == "up");
        }
        wait_for_same(&self.nodes.iter().map(Node::server).collect::<Vec<_>>());
    }
}

#[test]
fn all_nodes_agree_once_all_is_well_again() {
    let rounds = variable("OXIDIS_CHAOS_ROUNDS", 4);
    let seed = variable("OXIDIS_CHAOS_SEED", 0x51ab_0e57);
    let mut group = Group::start();
    for round in 0..rounds {
        println!("round {round} of seed {seed}");
        let mut dice = Random(seed.wrapping_add(round << 32));
        let over = Arc::new(AtomicBool::new(false));
        let port = group.nodes[0].port();
        let writers = (0..WRITERS).map(|writer| {
            let (over, seed) = (Arc::clone(&over), dice.roll(u64::MAX) + writer);
            thread::spawn(move || write_on(port, seed, &over))
        });
        let writers: Vec<_> = writers.collect();
        for _ in 0..=dice.roll(4) {
            thread::sleep(Duration::from_millis(dice.roll(150)));
            group.strike(&mut dice);
        }
        over.store(true, Ordering::Relaxed);
        writers.into_iter().for_each(|writer| writer.join().expect("a writer"));
        group.wait_until_healed();
    }
}
