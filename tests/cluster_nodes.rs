//! Nodes among themselves: the bus over TLS, replicas that move, what is published, nodes of other programs.

mod common;

use std::ffi::OsString;
use std::io::Read;

use common::cluster::{IDS, Node, Role, slots_of, start_cluster, start_cluster_of};
use common::dataset::{redis_7, redis_8, valkey_9};
use common::{Connection, Reply, Server, binary, run, socket_to, wait_until};

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

/// All texts and numbers of a reply, in order.
fn collect_words(reply: &Reply, into: &mut Vec<String>) {
    match reply {
        Reply::Array(parts) => parts.iter().for_each(|part| collect_words(part, into)),
        Reply::Integer(number) => into.push(number.to_string()),
        other => into.push(other.clone().text()),
    }
}

#[test]
fn clients_are_told_the_addresses_and_ports_that_are_announced_to_them_alone() {
    let others: Vec<OsString> = [binary()].into_iter().chain(valkey_9()).collect();
    for program in others {
        // Either end speaks for itself to the other, and each shows what the other has told it.
        let programs = [program.clone(), binary()];
        let mut nodes = start_cluster_of(&HALVES, &programs, false, &["--cluster-node-timeout", "60000"]);
        let announced = [("ipv4", "10.1.2.3"), ("ipv6", "fd00::7"), ("port", "7001"), ("tls-port", "7002")];
        for node in &nodes {
            for (name, value) in announced {
                assert_eq!(node.ask(&format!("CONFIG SET cluster-announce-client-{name} {value}")), Reply::ok());
            }
        }
        let shows = |node: &Node, id: &str| {
            let text = node.ask("CLUSTER NODES").text();
            let line = text.lines().find(|line| line.starts_with(id)).expect("a line about each node").to_owned();
            line.contains(" 10.1.2.3:7001@")
        };
        for node in &nodes {
            wait_until("each node knows", || IDS[..2].iter().all(|id| shows(node, id)));
        }
        let moved = [("bar", 1), ("foo", 0)].map(|(key, node)| nodes[node].ask(&format!("GET {key}")).into_error());
        assert_eq!(moved, ["MOVED 5061 10.1.2.3:7001", "MOVED 12182 10.1.2.3:7001"], "{program:?}");
        for (node, program) in nodes.iter().zip(&programs) {
            for call in ["CLUSTER SLOTS", "CLUSTER SHARDS"] {
                // A Valkey that found its shard in nodes.conf does not list it.
                if call == "CLUSTER SHARDS" && *program != binary() {
                    continue;
                }
                let mut words = Vec::new();
                collect_words(&node.ask(call), &mut words);
                let count = |word: &str| words.iter().filter(|shown| *shown == word).count();
                // SHARDS has the address twice.
                let wanted = if call == "CLUSTER SHARDS" { (4, 2) } else { (2, 2) };
                assert_eq!((count("10.1.2.3"), count("7001")), wanted, "{program:?} {call}: {words:?}");
                assert_eq!((count("127.0.0.1"), count("fd00::7")), (0, 0), "{program:?} {call}: {words:?}");
            }
        }
        let program = &programs[0];
        // The nodes go on by the real ones, after a start as well, and those announced are known at once.
        assert_eq!(nodes[1].ask("CLUSTER SAVECONFIG"), Reply::ok());
        nodes[1].kill();
        nodes[1].start();
        assert!(shows(&nodes[1], IDS[0]), "{program:?}");
        wait_until("it serves", || nodes[1].field("cluster_state") == "ok");
        let [own, other] = [IDS[1], IDS[0]].map(|id| shows(&nodes[1], id));
        assert_eq!((own, other), (false, true), "{program:?}: the directives are the node's own");
    }
}

#[test]
fn addresses_for_clients_are_addresses() {
    let server = Server::start();
    let mut client = server.connect();
    for (name, value, kind) in [("ipv4", "::1", "IPv4"), ("ipv4", "host", "IPv4"), ("ipv6", "10.1.2.3", "IPv6")] {
        let error = run(&mut client, &format!("CONFIG SET cluster-announce-client-{name} {value}")).into_error();
        assert!(error.ends_with(&format!("Invalid {kind} address")), "{error}");
    }
}

#[test]
fn bytes_of_messages_and_unreachable_nodes_are_counted() {
    let mut nodes = start_cluster(&HALVES, &binary(), &["--cluster-node-timeout", "1000"]);
    let number = |name: &str| nodes[0].field(name).parse::<u64>().expect("a number");
    wait_until("messages have come", || number("cluster_stats_messages_pong_received") > 0);
    // A header alone has 2256 bytes.
    for way in ["sent", "received"] {
        let messages = number(&format!("cluster_stats_messages_{way}"));
        let bytes = number(&format!("cluster_stats_bytes_{way}"));
        assert!(bytes >= messages * 2256, "{bytes} bytes of {messages} messages");
        assert_eq!(number(&format!("cluster_stats_module_bytes_{way}")), 0);
        assert_eq!(number(&format!("cluster_stats_pubsub_bytes_{way}")), 0);
    }
    assert_eq!(nodes[0].ask("PUBLISH news something"), Reply::Integer(0));
    wait_until("it is sent", || number("cluster_stats_pubsub_bytes_sent") > 0);
    let sent = number("cluster_stats_pubsub_bytes_sent").to_string();
    wait_until("it is received", || nodes[1].field("cluster_stats_pubsub_bytes_received") == sent);
    let kinds =
        ["cluster_nodes_pfail", "cluster_nodes_fail", "cluster_voting_nodes_pfail", "cluster_voting_nodes_fail"];
    assert_eq!(kinds.map(number), [0; 4]);
    nodes[1].kill();
    // One of two is no majority: it stays suspected.
    let now = || kinds.map(|name| nodes[0].field(name));
    wait_until("it is suspected", || now() == ["1", "0", "1", "0"]);
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
