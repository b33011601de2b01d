//! One rule at a time.

use super::world::{NODE_TIMEOUT_MS, World, ip};
use crate::peers::cluster::message::Kind;
use crate::peers::cluster::rules::operator::Failover;
use crate::peers::cluster::state::{Health, Reason};
use crate::peers::cluster::{Flags, NodeId, State};

/// Indices: 0, 1, 2 are primaries, 3, 4, 5 their replicas.
fn six(seed: u64) -> World {
    World::cluster(seed, 3, 1)
}

#[test]
fn a_failed_primary_is_replaced_by_its_replica_and_comes_back_as_one() {
    let mut world = six(1);
    world.kill(0);
    let replica = world.id(3);
    world.run_until(10 * NODE_TIMEOUT_MS, |world| {
        world.state(3).myself().is_primary() && world.disagreement().is_none()
    });
    assert_eq!(world.state(3).my_epoch(), world.state(1).current_epoch());
    world.start(0);
    world.run_until(10 * NODE_TIMEOUT_MS, |world| {
        world.state(0).my_primary().is_some_and(|(_, node)| node.id == replica)
    });
    world.run_until(10 * NODE_TIMEOUT_MS, |world| world.disagreement().is_none());
    assert_eq!(world.faults, Vec::<String>::new());
}

#[test]
fn a_primary_in_a_minority_stops_serving_and_says_why() {
    let mut world = six(2);
    world.sides[0] = 1;
    world.run_until(5 * NODE_TIMEOUT_MS, |world| !world.state(0).is_ok());
    assert_eq!(world.state(0).health(), Health::Fail(Reason::Minority));
}

#[test]
fn without_its_only_replica_a_failed_primary_leaves_the_cluster_down() {
    let mut world = six(3);
    world.kill(3);
    world.kill(0);
    world.run_until(10 * NODE_TIMEOUT_MS, |world| world.state(1).health() == Health::Fail(Reason::Uncovered(0)));
    world.run(20 * NODE_TIMEOUT_MS);
    assert!(!world.state(1).is_ok());
}

#[test]
fn a_replica_that_has_not_heard_of_its_primary_for_too_long_does_not_take_its_place() {
    let mut world = six(4);
    world.sides[3] = 1;
    world.run(30 * NODE_TIMEOUT_MS);
    world.kill(0);
    world.run(5 * NODE_TIMEOUT_MS);
    world.sides[3] = 0;
    world.run(10 * NODE_TIMEOUT_MS);
    assert!(world.state(3).myself().is_replica());
    // An operator who accepts that may say so.
    world.with(3, |state, moment| state.fail_over(Failover::Force, moment));
    world.run_until(5 * NODE_TIMEOUT_MS, |world| world.state(3).myself().is_primary());
}

#[test]
fn a_manual_failover_hands_over_at_equal_offsets() {
    let mut world = six(5);
    world.with(4, |state, moment| state.fail_over(Failover::Agreed, moment));
    world.run_until(3 * NODE_TIMEOUT_MS, |world| world.state(4).myself().is_primary());
    assert_eq!(world.nodes[4].offset, world.nodes[1].offset);
    world.run_until(3 * NODE_TIMEOUT_MS, |world| world.disagreement().is_none());
    assert!(!world.nodes[1].holds_writes && !world.nodes[4].holds_writes);
}

#[test]
fn a_manual_failover_that_is_not_answered_is_given_up() {
    let mut world = six(6);
    world.with(4, |state, moment| state.fail_over(Failover::Agreed, moment));
    world.kill(4);
    world.run(100);
    world.run_until(5 * NODE_TIMEOUT_MS, |world| !world.nodes[1].holds_writes);
    assert!(world.state(1).myself().is_primary());
}

#[test]
fn a_takeover_needs_nobody() {
    let mut world = six(7);
    for index in 0..3 {
        world.kill(index);
    }
    world.with(3, |state, moment| state.fail_over(Failover::Takeover, moment));
    assert!(world.state(3).myself().is_primary() && world.state(3).myself().slots().len() > 5000);
}

#[test]
fn of_two_replicas_the_one_that_is_further_wins() {
    for seed in 0..5 {
        let mut world = World::cluster(seed, 3, 2);
        // Nodes 3 and 6 follow node 0.
        world.sides[6] = 1;
        world.run(NODE_TIMEOUT_MS / 2);
        world.kill(0);
        world.sides[6] = 0;
        assert!(world.nodes[3].offset > world.nodes[6].offset);
        world.run_until(10 * NODE_TIMEOUT_MS, |world| {
            [3, 6].iter().any(|index| world.state(*index).myself().is_primary())
        });
        assert!(world.state(3).myself().is_primary());
    }
}

#[test]
fn a_node_that_was_forgotten_is_not_learned_of_again_for_a_while() {
    let mut world = six(8);
    let id = world.id(5);
    world.kill(5);
    for index in 0..5 {
        world.with(index, |state, moment| {
            let key = state.nodes().find(&id).expect("a known node");
            state.forget(key, moment.now_ms);
        });
    }
    world.run(30_000);
    assert!(world.up().iter().all(|index| world.state(*index).nodes().find(&id).is_none()));
}

#[test]
fn a_node_forgotten_by_one_is_forgotten_by_all() {
    let mut world = six(9);
    let id = world.id(5);
    world.kill(5);
    world.with(0, |state, moment| {
        let key = state.nodes().find(&id).expect("a known node");
        state.forget(key, moment.now_ms);
    });
    world.run_until(30_000, |world| world.up().iter().all(|index| world.state(*index).nodes().find(&id).is_none()));
}

#[test]
fn an_orphaned_primary_gets_a_replica_of_another() {
    let mut world = World::cluster(10, 3, 2);
    let orphan = world.id(0);
    world.kill(3);
    world.kill(6);
    let follows =
        |world: &World, index: usize| world.state(index).my_primary().is_some_and(|(_, node)| node.id == orphan);
    world.run_until(30 * NODE_TIMEOUT_MS, |world| world.up().iter().any(|index| follows(world, *index)));
}

#[test]
fn primaries_of_one_epoch_come_to_differ() {
    let mut world = World::new(11, 3);
    for index in 1..3 {
        world.with(index, |state, moment| state.meet(&ip(0), 7000, 17000, moment));
    }
    world.run(10_000);
    let mut epochs: Vec<u64> = (0..3).map(|index| world.state(index).my_epoch()).collect();
    epochs.sort();
    epochs.dedup();
    assert_eq!(epochs.len(), 3);
}

#[test]
fn a_meeting_with_nobody_is_given_up_and_one_with_oneself_leads_nowhere() {
    let mut world = World::new(12, 2);
    world.kill(1);
    for target in [0, 1] {
        world.with(0, |state, moment| assert_eq!(state.meet(&ip(target), 7000, 17000, moment), Some(true)));
        world.with(0, |state, moment| assert_eq!(state.meet(&ip(target), 7000, 17000, moment), Some(false)));
        world.run(3 * NODE_TIMEOUT_MS);
        assert_eq!(world.state(0).nodes().len(), 1);
    }
    world.with(0, |state, moment| assert_eq!(state.meet("nowhere", 7000, 17000, moment), None));
}

#[test]
fn a_node_that_moved_is_found_at_its_new_address() {
    let mut world = six(13);
    let id = world.id(2);
    // What the others believe is wrong from now on.
    for index in [0, 1, 3, 4, 5] {
        world.with(index, |state, _| {
            let key = state.nodes().find(&id).expect("a known node");
            state.nodes.get_mut(key).expect("a known node").address.port = 1;
        });
    }
    let knows = |world: &World, index: usize| {
        world.state(index).find(id.as_bytes()).is_some_and(|(_, node)| node.address.port == 7000)
    };
    world.run_until(5 * NODE_TIMEOUT_MS, |world| [0, 1, 3, 4, 5].iter().all(|index| knows(world, *index)));
}

#[test]
fn a_hard_reset_leaves_a_node_with_nothing_but_itself() {
    let mut world = six(14);
    let former = world.id(5);
    world.with(5, |state, moment| state.reset(true, moment));
    let state = world.state(5);
    assert_eq!((state.nodes().len(), state.current_epoch(), state.my_epoch()), (1, 0, 0));
    assert!(state.myself().is_primary() && state.myself().id != former);
    assert!(state.owner(0).is_none() && state.myself().flags.has(Flags::MYSELF));
}

#[test]
fn replicas_of_one_shard_share_its_name_and_hosts_are_known_by_theirs() {
    let mut world = six(15);
    world.with(0, |state, _| {
        let mut settings = state.settings.clone();
        (settings.hostname, settings.human_name) = ("host.example".to_owned(), "first".to_owned());
        state.set_settings(settings);
    });
    let id = world.id(0);
    let knows = |world: &World, index: usize| {
        let node = world.state(index).find(id.as_bytes()).expect("a known node").1;
        node.hostname == "host.example" && node.human_name == "first"
    };
    world.run_until(10 * NODE_TIMEOUT_MS, |world| (1..6).all(|index| knows(world, index)));
    assert_eq!(world.state(0).myself().shard, world.state(3).myself().shard);
    let shard = world.state(0).myself().shard;
    world.run_until(10 * NODE_TIMEOUT_MS, |world| {
        (1..6).all(|index| world.state(index).find(id.as_bytes()).is_some_and(|(_, node)| node.shard == shard))
    });
}

#[test]
fn a_replica_is_in_the_shard_of_its_primary_as_soon_as_it_is_known_to_follow_it() {
    let mut world = World::new(16, 3);
    for index in 1..3 {
        world.with(index, |state, moment| state.meet(&ip(0), 7000, 17000, moment));
    }
    world.run_until(60_000, |world| (0..3).all(|index| world.state(index).nodes().len() == 3));
    let [primary, replica] = [world.id(0), world.id(1)];
    world.with(1, |state, _| state.replicate(state.nodes().find(&primary).expect("a known node")));
    let node = |state: &State, id: NodeId| {
        let node = state.find(id.as_bytes()).expect("a known node").1;
        (node.shard, node.primary().is_some())
    };
    while (0..3).any(|index| !node(world.state(index), replica).1) {
        world.run(1);
        for state in (0..3).map(|index| world.state(index)).filter(|state| node(state, replica).1) {
            assert_eq!(node(state, replica).0, node(state, primary).0);
        }
    }
}

#[test]
fn messages_of_a_kind_that_is_filtered_are_not_taken_in() {
    let mut world = World::new(17, 2);
    world.with(1, |state, _| state.dropped_kind = Some(Kind::Meet));
    let meet = |world: &mut World| {
        world.with(0, |state, moment| assert_eq!(state.meet(&ip(1), 7000, 17000, moment), Some(true)));
    };
    meet(&mut world);
    world.run(3 * NODE_TIMEOUT_MS);
    assert_eq!(world.state(1).nodes().len(), 1);
    assert!(world.state(1).counters.received[Kind::Meet as usize] > 0);
    world.with(1, |state, _| state.dropped_kind = None);
    meet(&mut world);
    world.run_until(3 * NODE_TIMEOUT_MS, |world| world.state(1).nodes().len() == 2);
}
