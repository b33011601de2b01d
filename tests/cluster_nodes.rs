//! Nodes among themselves: the bus over TLS, replicas that move, what is published, nodes of other programs.

mod common;

use std::ffi::OsString;
use std::io::Read;

use common::cluster::{IDS, Role, slots_of, start_cluster, start_cluster_of};
use common::dataset::{redis_7, redis_8, valkey_9};
use common::{Connection, Reply, binary, run, socket_to, wait_until};

const HALVES: [Role; 2] = [Role::Primary("0-8191"), Role::Primary("8192-16383")];

#[test]
fn the_bus_and_moving_slots_speak_tls_where_that_is_wanted() {
    let roles = [HALVES[0], HALVES[1], Role::Replica(0)];
    let programs = vec![binary(); 3];
    let nodes = start_cluster_of(&roles, &programs, true, &["--cluster-node-timeout", "60000"]);
    let mut client = nodes[0].client();
    for number in 0..100 {
        assert_eq!(run(&mut client, &format!("SET {{bar}}{number} v")), Reply::ok());
    }
    // The other node is at its port for TLS on the bus, and clients are told the one they speak.
    let moved = run(&mut nodes[1].client(), "GET bar").into_error();
    assert_eq!(moved, format!("MOVED 5061 127.0.0.1:{}", nodes[0].port));
    let id = nodes[1].ask("CLUSTER MIGRATION IMPORT 5000 5100").text();
    wait_until("the slots have moved", || {
        let shown = format!("{:?}", nodes[1].ask(&format!("CLUSTER MIGRATION STATUS ID {id}")));
        assert!(!shown.contains("canceled"), "{shown}");
        nodes[1].ask("DBSIZE") == Reply::Integer(100) && slots_of(&nodes[0], IDS[1]) == 8192 + 101
    });
    wait_until("the replica follows", || nodes[2].keys_held() == 0);
    // Who does not speak TLS is not listened to.
    let text = nodes[0].ask("CLUSTER NODES").text();
    let own = text.lines().find(|line| line.contains("myself")).expect("a line about the node itself");
    let bus = own.split(['@', ' ', ',']).nth(2).and_then(|port| port.parse().ok()).expect("a port");
    let mut stranger = socket_to(bus);
    std::io::Write::write_all(&mut stranger, b"RCmb\0\0\x08\xb8").expect("bytes that are sent");
    let mut answer = Vec::new();
    // It is closed, or told in TLS what is wrong.
    stranger.read_to_end(&mut answer).ok();
    assert!(!answer.starts_with(b"RCmb"));
}

#[test]
fn a_replica_moves_to_a_primary_that_has_none_left() {
    let roles = [HALVES[0], HALVES[1], Role::Replica(0), Role::Replica(0), Role::Replica(1)];
    let options = ["--cluster-node-timeout", "2000", "--cluster-allow-replica-migration", "yes"];
    let mut nodes = start_cluster(&roles, &binary(), &options);
    assert_eq!(nodes[1].ask("SET foo of-b"), Reply::ok());
    nodes[4].kill();
    let followers = |of: &str| {
        let text = nodes[0].ask("CLUSTER NODES").text();
        text.lines().filter(|line| line.contains(&format!("slave {of}")) && !line.contains("fail")).count()
    };
    wait_until("one has moved", || followers(IDS[1]) == 1 && followers(IDS[0]) == 1);
    let place = if nodes[2].ask("CLUSTER NODES").text().contains(&format!("myself,slave {}", IDS[1])) { 2 } else { 3 };
    wait_until("it has the data", || nodes[place].ask("DBSIZE") == Reply::Integer(1));
}

/// The messages that a subscriber gets in turn.
fn messages(subscriber: &mut Connection, count: usize) -> Vec<String> {
    let read = |subscriber: &mut Connection| {
        let Reply::Array(parts) = subscriber.read() else { panic!("no message") };
        parts[2].text()
    };
    (0..count).map(|_| read(subscriber)).collect()
}

#[test]
fn what_is_published_at_one_node_is_heard_at_nodes_of_every_program() {
    let others = [redis_7(), redis_8(), valkey_9()];
    let others: Vec<OsString> = [binary()].into_iter().chain(others.into_iter().flatten()).collect();
    for program in others {
        let nodes =
            start_cluster_of(&HALVES, &[binary(), program.clone()], false, &["--cluster-node-timeout", "60000"]);
        let mut subscribers = [0, 1].map(|node: usize| nodes[node].client());
        for subscriber in &mut subscribers {
            assert!(matches!(run(subscriber, "SUBSCRIBE news"), Reply::Array(_)));
        }
        for round in 0..3 {
            for node in &nodes {
                let published = node.ask(&format!("PUBLISH news {round}-{}", node.port));
                assert_eq!(published, Reply::Integer(1), "{program:?}");
            }
        }
        let wanted: Vec<String> =
            nodes.iter().flat_map(|node| (0..3).map(move |round| format!("{round}-{}", node.port))).collect();
        for subscriber in &mut subscribers {
            let mut heard = messages(subscriber, 6);
            heard.sort_by_key(|message| wanted.iter().position(|wanted| wanted == message));
            assert_eq!(heard, wanted, "{program:?}");
        }
    }
}
