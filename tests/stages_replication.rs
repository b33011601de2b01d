//! The stages of CodeCrafters' "Build your own Redis" that concern replication, as their descriptions tell them: a
//! replica or a primary by hand says what is to be said, byte by byte.

mod common;

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::replication::*;
use common::{Connection, Reply, Server, encode, wait_until};

#[test]
fn info_tells_the_role_the_id_and_the_offset() {
    let (primary, listener) = (Server::start(), Primary::listen());
    let replica = Server::start_with(&["--replicaof", &listener.address()]);
    for (server, role) in [(&primary, "master"), (&replica, "slave")] {
        let info = server.connect().cmd(&["INFO", "replication"]).text();
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        assert_eq!(field("role:").as_deref(), Some(role));
        assert_eq!(field("master_replid:").map(|id| id.len()), Some(40));
        assert_eq!(field("master_repl_offset:").as_deref(), Some("0"));
    }
}

#[test]
fn a_replica_says_one_thing_after_the_other_and_waits_for_each_answer() {
    let mut primary = Primary::listen();
    let replica = Server::start_with(&["--replicaof", &primary.address()]);
    primary.accept();
    let port = replica.port().to_string();
    let steps: [(&[&str], &str); 4] = [
        (&["PING"], "+PONG\r\n"),
        (&["REPLCONF", "listening-port", &port], "+OK\r\n"),
        (&["REPLCONF", "capa", "eof", "capa", "psync2", "capa", "rdb-channel-repl"], "+OK\r\n"),
        (&["PSYNC", "?", "-1"], &format!("+FULLRESYNC {HISTORY} 0\r\n")),
    ];
    for (words, answer) in steps {
        primary.expect(words);
        assert!(is_silent(primary.stream.as_ref().expect("a replica")), "it waits for the answer to {words:?}");
        primary.send(answer.as_bytes());
    }
}

/// Whether nothing comes for a while.
fn is_silent(stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let came = (&mut &*stream).read(&mut [0]);
    stream.set_read_timeout(Some(common::PATIENCE)).expect("a timeout");
    came.is_err()
}

#[test]
fn what_comes_in_one_packet_with_the_data_set_is_run_and_counted() {
    let mut primary = Primary::listen();
    let replica = Server::start_with(&["--replicaof", &primary.address()]);
    primary.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
    let mut packet = format!("${}\r\n", EMPTY.len()).into_bytes();
    packet.extend_from_slice(EMPTY);
    for words in [&["REPLCONF", "GETACK", "*"][..], &["PING"], &["SET", "foo", "123"], &["REPLCONF", "GETACK", "*"]] {
        packet.extend(encode(words));
    }
    primary.send(&packet);
    primary.expect(&["REPLCONF", "ACK", "0"]);
    // REPLCONF 37, PING 14, SET 31: what came before the second question.
    primary.expect(&["REPLCONF", "ACK", "82"]);
    assert_eq!(replica.connect().cmd(&["GET", "foo"]), Reply::bulk("123"));
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
fn nothing_comes_behind_the_data_set_but_what_is_written() {
    let primary = Server::start();
    let mut replicas: Vec<Connection> = (0..3).map(|_| replica_by_hand(&primary)).collect();
    let mut client = primary.connect();
    for (key, value) in [("foo", "123"), ("bar", "456"), ("baz", "789")] {
        assert_eq!(client.cmd(&["SET", key, value]), Reply::ok());
    }
    for replica in &mut replicas {
        assert_eq!(replica.read(), Reply::bulks(&["SELECT", "0"]));
        for (key, value) in [("foo", "123"), ("bar", "456"), ("baz", "789")] {
            assert_eq!(replica.read(), Reply::bulks(&["SET", key, value]));
        }
    }
}

#[test]
fn wait_counts_who_has_told_in_time() {
    let primary = Server::start();
    let mut replicas: Vec<Connection> = (0..3).map(|_| replica_by_hand(&primary)).collect();
    let mut client = primary.connect();
    assert_eq!(client.cmd(&["WAIT", "0", "60000"]), Reply::Integer(3), "nobody is waited for");
    assert_eq!(client.cmd(&["WAIT", "3", "60000"]), Reply::Integer(3), "nothing was written");
    client.cmd(&["SET", "foo", "123"]);
    client.send(&["WAIT", "2", "2000"]);
    let started = Instant::now();
    for replica in &mut replicas {
        assert_eq!(replica.read(), Reply::bulks(&["SELECT", "0"]));
        assert_eq!(replica.read(), Reply::bulks(&["SET", "foo", "123"]));
        assert_eq!(replica.read(), Reply::bulks(&["REPLCONF", "GETACK", "*"]));
    }
    let info = client_info(&primary, "master_repl_offset:");
    let offset = info.parse::<i64>().expect("a number") - encode(&["REPLCONF", "GETACK", "*"]).len() as i64;
    replicas[0].send(&["REPLCONF", "ACK", &offset.to_string()]);
    assert_eq!(client.read(), Reply::Integer(1), "one has told so within the time");
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(1900) && waited < Duration::from_secs(30), "{waited:?}");
    replicas[1].send(&["REPLCONF", "ACK", &offset.to_string()]);
    assert_eq!(client.cmd(&["WAIT", "2", "5000"]), Reply::Integer(2));
}

fn client_info(server: &Server, name: &str) -> String {
    let info = server.connect().cmd(&["INFO", "replication"]).text();
    info.lines().find_map(|line| line.strip_prefix(name)).expect("a field").to_owned()
}

#[test]
fn wait_without_replicas_counts_none_at_once() {
    let server = Server::start();
    let mut client = server.connect();
    let started = Instant::now();
    assert_eq!(client.cmd(&["WAIT", "0", "60000"]), Reply::Integer(0));
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_replica_of_this_server_has_what_is_written() {
    let primary = Server::start();
    let replica = Server::start_with(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
    let mut client = primary.connect();
    client.cmd(&["SET", "foo", "123"]);
    wait_until("it is there", || replica.connect().cmd(&["GET", "foo"]) == Reply::bulk("123"));
}
