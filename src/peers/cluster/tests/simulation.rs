//! Clusters under loss, delay, reordering, partitions and crashes: whatever happens no slot has two owners in one epoch
//! and nobody votes twice, and soon after all is well again all nodes agree.
//!
//! `OXIDIS_CLUSTER_ROUNDS` makes it longer, `OXIDIS_CLUSTER_SEED` repeats a run.

use super::world::{NODE_TIMEOUT_MS, World};
use crate::util::random::{Random, entropy};

/// Rounds of a short run, of which each makes a cluster and lets some troubles come over it.
const ROUNDS: u64 = 1;
const TROUBLES: u64 = 2;
/// After all is well nodes agree within this time: a failure to be undone, elections that have to be tried again, and
/// slots that lost their claim.
const CONVERGE_MS: i64 = 30 * NODE_TIMEOUT_MS;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_slot_has_two_owners_in_an_epoch_and_all_agree_after_troubles() {
    let seed = variable("OXIDIS_CLUSTER_SEED").unwrap_or_else(entropy);
    for round in 0..variable("OXIDIS_CLUSTER_ROUNDS").unwrap_or(ROUNDS) {
        let seed = seed.wrapping_add(round);
        println!("OXIDIS_CLUSTER_SEED={seed}");
        let mut random = Random::from_seed(seed);
        let (primaries, replicas) = (3 + random.below(4) as usize, 1 + random.below(2) as usize);
        trouble(seed, primaries, replicas, TROUBLES);
    }
}

/// Fifty of them in a long run.
#[test]
fn many_nodes_survive_troubles() {
    let seed = variable("OXIDIS_CLUSTER_SEED").unwrap_or_else(entropy);
    println!("OXIDIS_CLUSTER_SEED={seed}");
    let primaries = if variable("OXIDIS_CLUSTER_ROUNDS").is_some() { 25 } else { 7 };
    trouble(seed, primaries, 1, 1);
}

/// Lets troubles come over a cluster, and each time looks whether it recovers.
fn trouble(seed: u64, primaries: usize, replicas: usize, times: u64) {
    let mut world = World::cluster(seed, primaries, replicas);
    for _ in 0..times {
        let mut dead = Vec::new();
        for _ in 0..1 + world.random.below(3) {
            one_trouble(&mut world, &mut dead);
            let steps = 1 + world.random.below(60);
            for _ in 0..steps {
                world.run(200);
                world.check_claims();
                assert_eq!(world.faults, Vec::<String>::new());
            }
        }
        (world.loss, world.delay_max_ms) = (0, 5);
        world.sides.fill(0);
        dead.into_iter().for_each(|index| world.start(index));
        world.run_until(CONVERGE_MS, |world| world.disagreement().is_none());
        world.check_claims();
        assert_eq!(world.faults, Vec::<String>::new());
    }
}

fn one_trouble(world: &mut World, dead: &mut Vec<usize>) {
    let count = world.nodes.len();
    let some = world.random.below(count as u64) as usize;
    match world.random.below(6) {
        0 => (world.loss, world.delay_max_ms) = (world.random.below(300), 1 + world.random.below(1500)),
        1 => {
            let cut = world.random.below(100);
            for index in 0..count {
                world.sides[index] = u8::from(world.random.below(100) < cut);
            }
        }
        2 => world.sides[some] = 2,
        3 if world.nodes[some].state.is_some() => {
            world.kill(some);
            dead.push(some);
        }
        4 if world.nodes[some].state.is_some() => {
            // Again at once, from its disk.
            world.kill(some);
            world.start(some);
        }
        _ => {
            let is_replica = |state: &crate::peers::cluster::State| state.my_primary().is_some();
            if world.nodes[some].state.as_ref().is_some_and(is_replica) {
                use crate::peers::cluster::rules::operator::Failover;
                let how = if world.random.below(2) == 0 { Failover::Agreed } else { Failover::Force };
                world.with(some, |state, moment| state.fail_over(how, moment));
            }
        }
    }
}
