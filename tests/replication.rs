//! Replication between real processes: this server and, where it is installed, real Redis on either side.
//!
//! Each test ends with the same data on all nodes, which DEBUG DIGEST tells.

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::replication::*;
use common::{Connection, PATIENCE, Reply, Server, free_port, wait_until};

/// A primary under load gets a replica, whose link is then cut again and again.
fn under_load(primary: &Server, replica: &Server) {
    write_everything(&mut primary.connect(), 1, 3000);
    let wire = Wire::to(primary.port());
    let port = primary.port();
    let writer = thread::spawn(move || write_everything(&mut Connection::to(port), 2, 6000));
    follow(replica, wire.port);
    for _ in 0..4 {
        let before: u64 = field(primary, "sync_partial_ok").parse().expect("a number");
        wire.cut();
        wait_until("the replica comes back", || {
            field(primary, "sync_partial_ok").parse::<u64>().expect("a number") > before
        });
        wait_for_link(replica);
    }
    writer.join().expect("all was written");
    wait_for_same(&[primary, replica]);
    assert_eq!(field(primary, "sync_full"), "1", "all later ones were partial");
}

#[test]
fn a_replica_follows_under_load_and_through_cuts() {
    for diskless in ["yes", "no"] {
        let primary = node(&["--repl-diskless-sync", diskless]);
        under_load(&primary, &node(&[]));
    }
}

#[test]
fn a_replica_loads_from_the_socket() {
    for (mode, diskless) in [("on-empty-db", "yes"), ("swapdb", "yes"), ("swapdb", "no")] {
        let primary = node(&["--repl-diskless-sync", diskless]);
        let replica = node(&["--repl-diskless-load", mode]);
        replica.connect().cmd(&["SET", "old", "data"]);
        if mode == "on-empty-db" {
            replica.connect().cmd(&["FLUSHALL"]);
        }
        under_load(&primary, &replica);
    }
}

#[test]
fn redis_follows_this_server() {
    let Some(redis) = redis() else { return };
    for diskless in ["yes", "no"] {
        let primary = node(&["--repl-diskless-sync", diskless]);
        under_load(&primary, &start(&redis, &[]));
    }
}

#[test]
fn this_server_follows_redis() {
    let Some(redis) = redis() else { return };
    for diskless in ["yes", "no"] {
        let primary = start(&redis, &["--repl-diskless-sync", diskless]);
        under_load(&primary, &node(&[]));
    }
}

#[test]
fn a_chain_of_both_has_one_history() {
    let Some(redis) = redis() else { return };
    let first = node(&[]);
    write_everything(&mut first.connect(), 3, 2000);
    let (second, third, fourth) = (start(&redis, &[]), node(&[]), start(&redis, &[]));
    follow(&second, first.port());
    let wire = Wire::to(second.port());
    follow(&third, wire.port);
    follow(&fourth, third.port());
    write_everything(&mut first.connect(), 4, 2000);
    wire.cut();
    write_everything(&mut first.connect(), 5, 500);
    wait_for_link(&third);
    wait_for_same(&[&first, &second, &third, &fourth]);
    let ids = [&first, &second, &third, &fourth].map(|node| field(node, "master_replid"));
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(field(&second, "sync_full"), "1");
}

#[test]
fn a_replica_that_is_promoted_keeps_the_others_and_the_old_primary_partially() {
    let (first, second, third) = (node(&[]), node(&[]), node(&[]));
    follow(&second, first.port());
    follow(&third, first.port());
    write_everything(&mut first.connect(), 6, 1000);
    wait_for_same(&[&first, &second, &third]);
    assert_eq!(second.connect().cmd(&["REPLICAOF", "NO", "ONE"]), Reply::ok());
    follow(&third, second.port());
    follow(&first, second.port());
    write_everything(&mut second.connect(), 7, 500);
    wait_for_same(&[&second, &first, &third]);
    assert_eq!((field(&second, "sync_full"), field(&second, "sync_partial_ok")), ("0".into(), "2".into()));
}

#[test]
fn a_restarted_replica_goes_on_where_its_file_ends() {
    let primary = node(&[]);
    write_everything(&mut primary.connect(), 8, 1000);
    let port = free_port().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let of = format!("127.0.0.1 {}", primary.port());
    let folder = folder.path().to_str().expect("a path").to_owned();
    let arguments = ["--save", "3600 1", "--dir", &folder, "--port", &port, "--replicaof", &of];
    let mut replica = node(&arguments);
    let port: u16 = port.parse().expect("a port");
    let up = || Connection::to(port).cmd(&["INFO", "replication"]).text().contains("master_link_status:up");
    wait_until("the link is up", up);
    replica.terminate();
    replica.exit_within(PATIENCE).expect("it ends");
    write_everything(&mut primary.connect(), 9, 300);
    let _again = node(&arguments);
    wait_until("the link is up", up);
    assert_eq!((field(&primary, "sync_full"), field(&primary, "sync_partial_ok")), ("1".into(), "1".into()));
    let digest_of_replica = || Connection::to(port).cmd(&["DEBUG", "DIGEST"]).text();
    wait_until("it has the data", || digest_of_replica() == digest(&primary));
}

#[test]
fn a_replica_refuses_writes_and_hides_what_has_expired() {
    let (primary, replica) = (node(&[]), node(&[]));
    follow(&replica, primary.port());
    let (mut at_primary, mut at_replica) = (primary.connect(), replica.connect());
    assert!(at_replica.cmd(&["SET", "a", "b"]).into_error().starts_with("READONLY "));
    at_primary.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    at_primary.cmd(&["SET", "gone", "1", "PX", "20"]);
    at_primary.cmd(&["WAIT", "1", "0"]);
    wait_until("it is hidden", || at_replica.cmd(&["GET", "gone"]) == Reply::Null);
    assert_eq!(at_replica.cmd(&["DBSIZE"]), Reply::Integer(1), "but it is there");
    assert_eq!(at_primary.cmd(&["GET", "gone"]), Reply::Null);
    at_primary.cmd(&["WAIT", "1", "0"]);
    assert_eq!(at_replica.cmd(&["DBSIZE"]), Reply::Integer(0));
}

#[test]
fn failover_exchanges_two_nodes_without_losing_a_write() {
    let (first, second) = (node(&[]), node(&[]));
    follow(&second, first.port());
    write_everything(&mut first.connect(), 10, 500);
    wait_until("the replica is online", || field(&first, "slave0").contains("state=online"));
    assert_eq!(first.connect().cmd(&["FAILOVER", "TO", "127.0.0.1", &second.port().to_string()]), Reply::ok());
    wait_until("the first follows", || field(&first, "role") == "slave");
    wait_for_link(&first);
    assert_eq!(
        (field(&second, "role"), field(&first, "master_failover_state")),
        ("master".into(), "no-failover".into())
    );
    write_everything(&mut second.connect(), 11, 200);
    wait_for_same(&[&second, &first]);
    assert_eq!(field(&second, "sync_full"), "0");
}

#[test]
fn writes_are_refused_without_enough_good_replicas() {
    let (primary, replica) = (node(&["--min-replicas-to-write", "1"]), node(&[]));
    let mut client = primary.connect();
    assert!(client.cmd(&["SET", "a", "1"]).into_error().starts_with("NOREPLICAS "));
    follow(&replica, primary.port());
    wait_until("a replica is good", || client.cmd(&["SET", "a", "1"]) == Reply::ok());
}

#[test]
fn a_cut_off_replica_shows_nothing_stale_where_that_is_not_wanted() {
    let replica = node(&["--replica-serve-stale-data", "no"]);
    let mut client = replica.connect();
    client.cmd(&["SET", "a", "1"]);
    client.cmd(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    assert!(client.cmd(&["GET", "a"]).into_error().starts_with("MASTERDOWN "));
    assert_eq!(client.cmd(&["PING"]).into_error().split(' ').next(), Some("MASTERDOWN"));
    client.cmd(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(client.cmd(&["GET", "a"]), Reply::bulk("1"));
}

/// The bytes of a request.
fn request(words: &[&str]) -> Vec<u8> {
    common::encode(words)
}

/// What a primary by hand is asked, and how it answers.
fn serve_handshake(stream: &mut TcpStream, steps: &[(&[&str], &str)]) {
    for (words, answer) in steps {
        let expected = request(words);
        let mut came = vec![0; expected.len()];
        stream.read_exact(&mut came).expect("a request");
        assert_eq!(String::from_utf8_lossy(&came), String::from_utf8_lossy(&expected));
        stream.write_all(answer.as_bytes()).expect("an answer is taken");
    }
}

/// An empty data set.
const EMPTY: &[u8] =
    b"REDIS0011\xfa\tredis-ver\x057.2.0\xfa\nredis-bits\xc0@\xfa\x05ctime\xc2m\x08\xbce\xfa\x08used-mem\
\xc2\xb0\xc4\x10\x00\xfa\x08aof-base\xc0\x00\xff\xf0n;\xfe\xc0\xffZ\xa2";

#[test]
fn a_primary_by_hand_is_greeted_in_order_and_told_offsets() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let of = format!("127.0.0.1 {}", listener.local_addr().expect("an address").port());
    let replica = node(&["--replicaof", &of]);
    let (mut stream, _) = listener.accept().expect("the replica comes");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let port = replica.port().to_string();
    let id = "75cd7bc10c49047e0d163660f3b90625b1af31dc";
    serve_handshake(
        &mut stream,
        &[
            (&["PING"], "+PONG\r\n"),
            (&["REPLCONF", "listening-port", &port], "+OK\r\n"),
            (&["REPLCONF", "capa", "eof", "capa", "psync2"], "+OK\r\n"),
            (&["PSYNC", "?", "-1"], &format!("+FULLRESYNC {id} 0\r\n")),
        ],
    );
    // The data set and the first requests arrive in one packet.
    let mut packet = format!("${}\r\n", EMPTY.len()).into_bytes();
    packet.extend_from_slice(EMPTY);
    packet.extend(request(&["REPLCONF", "GETACK", "*"]));
    packet.extend(request(&["PING"]));
    packet.extend(request(&["SET", "foo", "123"]));
    packet.extend(request(&["REPLCONF", "GETACK", "*"]));
    stream.write_all(&packet).expect("the packet is taken");
    let mut acks = Vec::new();
    while acks.len() < 2 {
        acks.push(read_ack(&mut stream));
    }
    assert_eq!(acks, ["0", "82"], "each counts what came before it");
    assert_eq!(replica.connect().cmd(&["GET", "foo"]), Reply::bulk("123"));
}

/// Reads `REPLCONF ACK <offset>`, the offset.
fn read_ack(stream: &mut TcpStream) -> String {
    let head = b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$";
    let mut came = vec![0; head.len()];
    stream.read_exact(&mut came).expect("an ACK");
    assert_eq!(came, head);
    let mut line = || {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            stream.read_exact(&mut byte).expect("a byte");
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text").trim().to_owned()
    };
    line();
    line()
}

/// A replica by hand: it has the empty data set, and nothing more has come.
fn replica_by_hand(primary: &Server) -> Connection {
    let mut replica = primary.connect();
    assert_eq!(replica.cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert_eq!(replica.cmd(&["REPLCONF", "listening-port", "6380"]), Reply::ok());
    assert_eq!(replica.cmd(&["REPLCONF", "capa", "psync2"]), Reply::ok());
    let text = replica.cmd(&["PSYNC", "?", "-1"]).text();
    let words: Vec<&str> = text.split(' ').collect();
    assert_eq!((words[0], words[1].len(), words[2]), ("FULLRESYNC", 40, "0"));
    let mut head = String::new();
    while !head.ends_with("\r\n") {
        head.push(replica.byte() as char);
        // Signs of life while the data set is saved.
        head = head.trim_start_matches('\n').to_owned();
    }
    let length: usize = head.trim().strip_prefix('$').expect("a length").parse().expect("a number");
    let file: Vec<u8> = (0..length).map(|_| replica.byte()).collect();
    assert!(file.starts_with(b"REDIS0"));
    replica
}

#[test]
fn replicas_by_hand_get_the_stream_and_are_waited_for() {
    let primary = node(&[]);
    let mut replicas: Vec<Connection> = (0..3).map(|_| replica_by_hand(&primary)).collect();
    let mut client = primary.connect();
    assert_eq!(client.cmd(&["WAIT", "0", "60000"]), Reply::Integer(3), "nobody is waited for");
    assert_eq!(client.cmd(&["WAIT", "3", "60000"]), Reply::Integer(3), "nothing was written");
    client.cmd(&["SET", "foo", "123"]);
    client.send(&["WAIT", "2", "500"]);
    let started = Instant::now();
    for replica in &mut replicas {
        assert_eq!(replica.read(), Reply::bulks(&["SELECT", "0"]));
        assert_eq!(replica.read(), Reply::bulks(&["SET", "foo", "123"]));
        assert_eq!(replica.read(), Reply::bulks(&["REPLCONF", "GETACK", "*"]));
    }
    let offset = field(&primary, "master_repl_offset").parse::<i64>().expect("a number") - 37;
    replicas[0].send(&["REPLCONF", "ACK", &offset.to_string()]);
    assert_eq!(client.read(), Reply::Integer(1), "one has told so within the time");
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(480) && waited < Duration::from_millis(900), "{waited:?}");
    replicas[1].send(&["REPLCONF", "ACK", &offset.to_string()]);
    assert_eq!(client.cmd(&["WAIT", "2", "5000"]), Reply::Integer(2));
}

#[test]
fn nonsense_from_a_primary_ends_the_link_and_is_tried_again() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let of = format!("127.0.0.1 {}", listener.local_addr().expect("an address").port());
    let replica = node(&["--replicaof", &of]);
    let answers: [&[u8]; 6] = [
        b"-ERR no\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC what\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 75cd7bc10c49047e0d163660f3b90625b1af31dc 0\r\nhello\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 75cd7bc10c49047e0d163660f3b90625b1af31dc 0\r\n$5\r\nREDIS",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 75cd7bc10c49047e0d163660f3b90625b1af31dc 0\r\n$x\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n",
    ];
    for answer in answers {
        let (mut stream, _) = listener.accept().expect("the replica comes again");
        stream.write_all(answer).expect("bytes are taken");
        stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(replica.connect().cmd(&["PING"]), Reply::Simple("PONG".into()));
}
