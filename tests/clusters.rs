//! Nodes that are clusters, and what must not happen to them. The scripts `cluster-mixed` and `chaos --cluster` do more of
//! it and for longer: here they run in their short form, where what they need can be had.

mod common;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::replication::{Node, field, lasting_port, wait_for_link};
use common::{PATIENCE, Reply, Server, binary, free_port, run, wait_until};

const IDS: [&str; 2] = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"];

/// A primary that has all slots, and a replica of it, each from a `nodes.conf` that is in the folder.
fn primary_and_replica(folder: &Path, lines: &[&str]) -> [Node; 2] {
    let bus_ports = [lasting_port(), lasting_port()];
    let following = format!("slave {}", IDS[0]);
    let mut nodes = Vec::new();
    for own in [0, 1] {
        let file = folder.join(format!("nodes-{own}.conf"));
        let port_of = |node: usize| nodes.get(node).map_or(1, Node::port);
        let text: String = [0, 1]
            .map(|node| {
                let myself = if node == own { "myself," } else { "" };
                let (role, slots) = [("master -", " 0-16383"), (following.as_str(), "")][node];
                let (port, bus_port) = (port_of(node), bus_ports[node]);
                format!("{} 127.0.0.1:{port}@{bus_port} {myself}{role} 0 0 1 connected{slots}\n", IDS[node])
            })
            .concat();
        std::fs::write(&file, text + "vars currentEpoch 1 lastVoteEpoch 0\n").expect("a file");
        let own_lines = [
            "cluster-enabled yes".to_owned(),
            format!("cluster-port {}", bus_ports[own]),
            format!("cluster-config-file {}", file.display()),
        ];
        let lines: Vec<&str> = own_lines.iter().map(String::as_str).chain(lines.iter().copied()).collect();
        nodes.push(Node::start(&binary(), &lines));
    }
    nodes.try_into().unwrap_or_else(|_| unreachable!("two were started"))
}

#[test]
fn a_replica_that_is_started_again_keeps_what_has_expired_and_goes_on_where_it_was() {
    for appendonly in ["appendonly no", "appendonly yes"] {
        let folder = tempfile::tempdir().expect("a folder");
        let [primary, mut replica] = primary_and_replica(folder.path(), &[appendonly]);
        wait_until("the cluster serves", || {
            run(&mut primary.server().connect(), "CLUSTER INFO").text().contains("cluster_state:ok")
        });
        wait_for_link(replica.server());
        let mut client = primary.server().connect();
        run(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0");
        assert_eq!(run(&mut client, "SET gone 1 PX 1"), Reply::ok());
        assert_eq!(run(&mut client, "SET here 1"), Reply::ok());
        assert_eq!(run(&mut client, "WAIT 1 0"), Reply::Integer(1));
        // redis-cli goes by this text when the last slot of a node has gone, and the node is a replica by now.
        let error = Reply::Error("ERR Please use SETSLOT only with masters.".to_owned());
        assert_eq!(run(&mut replica.server().connect(), "CLUSTER SETSLOT 0 STABLE"), error);
        let full = field(primary.server(), "sync_full");
        replica.shut_down();
        replica.revive();
        wait_for_link(replica.server());
        assert_eq!(run(&mut replica.server().connect(), "DBSIZE"), Reply::Integer(2), "{appendonly}");
        if appendonly == "appendonly no" {
            assert_eq!(field(primary.server(), "sync_full"), full, "{}", replica.server().log());
        }
        run(&mut client, "DEBUG SET-ACTIVE-EXPIRE 1");
        wait_until("the primary tells of it", || run(&mut replica.server().connect(), "DBSIZE") == Reply::Integer(1));
    }
}

#[test]
fn nobody_is_told_that_a_small_data_set_is_loaded() {
    let primary = Server::start_with(&["--repl-diskless-sync-delay", "0"]);
    let replica = Server::start();
    run(&mut primary.connect(), "SET key value");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut client = replica.connect();
            while !over.load(Ordering::Relaxed) {
                let reply = run(&mut client, "CLIENT INFO");
                let keys = run(&mut client, "DBSIZE");
                assert!(matches!(keys, Reply::Integer(_)), "{keys:?} {reply:?}");
            }
        });
        let mut client = replica.connect();
        for _ in 0..10 {
            run(&mut client, &format!("REPLICAOF 127.0.0.1 {}", primary.port()));
            wait_for_link(&replica);
            run(&mut client, "REPLICAOF NO ONE");
            // Another history: everything is sent again.
            run(&mut client, "DEBUG CHANGE-REPL-ID");
        }
        over.store(true, Ordering::Relaxed);
        reader.join().expect("no error");
    });
}

/// A message of the bus of some length, of which the rest is zeros.
fn message(length: u32, version: u16, kind: u16, bytes: usize) -> Vec<u8> {
    let mut message = b"RCmb".to_vec();
    message.extend(length.to_be_bytes());
    for number in [version, 7000, kind, 0xffff] {
        message.extend(number.to_be_bytes());
    }
    message.resize(bytes, 0);
    message
}

#[test]
fn whoever_talks_nonsense_to_the_bus_does_no_harm() {
    let bus_port = free_port();
    let port = bus_port.to_string();
    let server = Server::start_with(&["--cluster-enabled", "yes", "--cluster-port", &port]);
    let memory = || field(&server, "used_memory").parse::<u64>().expect("a number");
    let before = memory();
    let connect = || {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, bus_port)).expect("a bus");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    };
    // What begins no message ends the link; so does a length that no stranger's message has.
    let hung_up = [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 5000],
        b"RCmb\xff\xff\xff\xff".to_vec(),
        b"RCmb\0\0\0\x01".to_vec(),
        message(u32::MAX / 2, 1, 0, 4000),
    ];
    for bytes in hung_up {
        let mut stream = connect();
        stream.write_all(&bytes).expect("bytes are taken");
        let ended = stream.read(&mut [0; 10]);
        assert!(
            matches!(ended, Ok(0)) || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
        );
    }
    // Other messages are passed over: of an unknown version, of each kind without what it has, with too many entries.
    let mut stream = connect();
    stream.write_all(&message(2256, 9, 0, 2256)).expect("bytes are taken");
    for kind in (0..14).chain([0x8000, 0x8004, 0x800a, 0xffff]) {
        stream.write_all(&message(2256, 1, kind, 2256)).expect("bytes are taken");
        stream.write_all(&message(16, 1, kind, 16)).expect("bytes are taken");
    }
    wait_until("it is told in the log", || server.log().contains("Received unknown packet type: 11"));
    // What is sent just before the end of a link has been received as well.
    let received = || {
        let info = run(&mut server.connect(), "CLUSTER INFO").text();
        let count = info.lines().find_map(|line| line.strip_prefix("cluster_stats_messages_update_received:"));
        count.map_or(0, |count| count.trim().parse::<u64>().expect("a number"))
    };
    let updates = received();
    connect().write_all(&message(2256, 1, 7, 2256)).expect("bytes are taken");
    wait_until("the last message is received", || received() > updates);
    // A megabyte is announced by each of many, and does not come.
    let silent: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = connect();
            stream.write_all(&message(1 << 20, 1, 0, 100)).expect("bytes are taken");
            stream
        })
        .collect();
    assert_eq!(run(&mut server.connect(), "PING"), Reply::Simple("PONG".to_owned()));
    assert!(memory() < before + (8 << 20), "{before} then {}", memory());
    drop(silent);
    let received = run(&mut server.connect(), "CLUSTER INFO").text();
    assert!(!received.contains("cluster_stats_messages_received:0\r"), "{received}");
    let log = server.log();
    for line in ["Bad message length or signature received", "Received a message of version 9 from Cluster bus."] {
        assert!(log.contains(line), "{line}");
    }
    assert_eq!(run(&mut server.connect(), "CLUSTER INFO").text().matches("cluster_known_nodes:1\r").count(), 1);
}

/// Runs a script with our binary, if what it needs is there.
fn script(program: &str, arguments: &[&str], needs: &[&[&str]]) {
    for words in needs {
        let there = Command::new(words[0]).args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            return eprintln!("SKIPPED: {words:?} does not work here");
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours: OsString = binary();
    let done = Command::new(root.join(program)).args(arguments).env("OXIDIS", ours).output().expect("a script");
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
    println!("{text}");
}

#[test]
fn nodes_of_several_kinds_are_one_cluster_and_lose_nothing() {
    let kinds = if std::env::var_os("OXIDIS_REDIS8").is_some() { "mixed-redis" } else { "oxidis" };
    let needs: [&[&str]; 2] = [&["redis-cli", "--version"], &["python3", "--version"]];
    script("scripts/cluster-mixed", &["--short", "--kinds", kinds], &needs);
}

#[test]
fn a_cluster_survives_troubles_and_loses_nothing() {
    let needs: [&[&str]; 2] = [&["unshare", "-rn", "ip", "rule"], &["python3", "--version"]];
    script("scripts/chaos", &["--cluster", "1", "--plain", "--short"], &needs);
}

#[test]
fn what_the_chaos_of_clusters_looks_for_is_found() {
    let needs: [&[&str]; 2] = [&["unshare", "-rn", "ip", "rule"], &["python3", "--version"]];
    script("scripts/chaos", &["--cluster", "--prove", "--plain", "--short"], &needs);
}
