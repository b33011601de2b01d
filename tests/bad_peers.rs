//! Peers that do wrong. Primaries that answer wrongly, send damaged data or fall silent: the link is dropped and tried again, what there was
//! is kept where that is promised, and half a data set is never shown as a whole one.

mod common;

use std::time::Duration;

use common::replication::*;
use common::{Reply, Server, encode, wait_until, wait_within};

/// Longer than the back-off, and than timeouts of two seconds.
const AGAIN: Duration = Duration::from_secs(15);

/// A data set of one string, with a wrong checksum if asked.
fn data(key: &str, good: bool) -> Vec<u8> {
    let source = Server::start();
    source.connect().cmd(&["SET", key, "new"]);
    source.connect().cmd(&["SAVE"]);
    let mut bytes = std::fs::read(source.directory().join("dump.rdb")).expect("a file");
    if !good {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    }
    bytes
}

fn replica_with_data(primary: &Primary, arguments: &[&str]) -> Server {
    let replica = node(arguments);
    replica.connect().cmd(&["SET", "old", "data"]);
    replica.connect().cmd(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    replica
}

fn wait_for_log(server: &Server, text: &str) {
    wait_within(AGAIN, text, || server.log().contains(text));
}

fn get(server: &Server, key: &str) -> Reply {
    server.connect().cmd(&["GET", key])
}

#[test]
fn wrong_answers_in_the_handshake_are_logged_and_tried_again() {
    let full = format!("+FULLRESYNC {HISTORY} 0\r\n");
    let begin = "+PONG\r\n+OK\r\n+OK\r\n";
    let answers = [
        ("-ERR no\r\n".to_owned(), "Error reply to PING from master: '-ERR no'"),
        ("what\r\n".to_owned(), "Error reply to PING from master: 'what'"),
        ("x".repeat(5000), "no line during SYNC handshake"),
        (format!("{begin}+FULLRESYNC what\r\n"), "wrong +FULLRESYNC syntax"),
        (format!("{begin}+FULLRESYNC {HISTORY} -7\r\n"), "wrong +FULLRESYNC syntax"),
        (format!("{begin}+FULLRESYNC {HISTORY} 99999999999999999999\r\n"), "wrong +FULLRESYNC syntax"),
        (format!("{begin}-LOADING later\r\n"), "currently unable to PSYNC but should be in the future: -LOADING later"),
        (format!("{begin}{full}hello\r\n"), "Bad protocol from MASTER"),
        (format!("{begin}{full}$x\r\n"), "Bad length of the data set from MASTER: 'x'"),
        (format!("{begin}{full}$-5\r\n"), "Bad length of the data set from MASTER: '-5'"),
        (format!("{begin}{full}$EOF:short\r\n"), "Bad length of the data set from MASTER"),
        (format!("{begin}{full}-ERR gone\r\n"), "MASTER aborted replication with an error: ERR gone"),
    ];
    let mut primary = Primary::listen();
    let replica = replica_with_data(&primary, &[]);
    for (answer, logged) in answers {
        primary.accept();
        primary.send(answer.as_bytes());
        assert!(primary.is_left(), "{logged}");
        wait_for_log(&replica, logged);
        assert_eq!(get(&replica, "old"), Reply::bulk("data"), "{logged}");
    }
    primary.synchronize(&replica, &data("new", true));
    wait_until("the data set is there", || get(&replica, "new") == Reply::bulk("new"));
}

#[test]
fn a_primary_cannot_continue_what_never_began() {
    let mut primary = Primary::listen();
    let replica = node(&["--replicaof", &primary.address()]);
    assert_eq!(primary.greet(&replica, "+CONTINUE"), ["?", "-1"]);
    assert!(primary.is_left());
    wait_for_log(&replica, "continues a replication that never began");
}

#[test]
fn a_data_set_that_breaks_off_leaves_the_old_one_in_place() {
    let whole = data("new", true);
    for (mode, mark) in [("disabled", false), ("disabled", true), ("swapdb", false), ("swapdb", true)] {
        let mut primary = Primary::listen();
        let replica = replica_with_data(&primary, &["--repl-diskless-load", mode]);
        primary.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
        let head = if mark { format!("$EOF:{HISTORY}\r\n") } else { format!("${}\r\n", whole.len()) };
        primary.send(head.as_bytes());
        primary.send(&whole[..whole.len() - 20]);
        wait_until("it is on its way", || field(&replica, "master_sync_in_progress") == "1");
        primary.hang_up();
        primary.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
        assert_eq!(get(&replica, "old"), Reply::bulk("data"), "{mode}");
        assert_eq!(get(&replica, "new"), Reply::Null, "{mode}");
        assert_eq!(field(&replica, "master_link_status"), "down");
    }
}

#[test]
fn a_damaged_data_set_is_never_shown() {
    let (bad, good) = (data("new", false), data("new", true));
    for (mode, keeps) in [("disabled", false), ("swapdb", true)] {
        let mut primary = Primary::listen();
        let replica = replica_with_data(&primary, &["--repl-diskless-load", mode]);
        primary.synchronize(&replica, &bad);
        wait_for_log(&replica, "Failed trying to load the MASTER synchronization DB from");
        let old = if keeps { Reply::bulk("data") } else { Reply::Null };
        assert_eq!((get(&replica, "old"), get(&replica, "new")), (old, Reply::Null), "{mode}");
        assert_eq!(field(&replica, "master_link_status"), "down");
        primary.synchronize(&replica, &good);
        wait_until("the data set is there", || get(&replica, "new") == Reply::bulk("new"));
        assert_eq!(get(&replica, "old"), Reply::Null);
    }
}

#[test]
fn a_data_set_without_its_mark_is_not_taken() {
    let mut primary = Primary::listen();
    let replica = replica_with_data(&primary, &["--repl-diskless-load", "swapdb"]);
    primary.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
    primary.send(format!("$EOF:{HISTORY}\r\n").as_bytes());
    primary.send(&data("new", true));
    primary.send(&[b'x'; 40]);
    wait_for_log(&replica, "Replication stream EOF marker is broken");
    assert_eq!(field(&replica, "master_link_status"), "down");
}

#[test]
fn announced_lengths_are_not_believed() {
    let mut primary = Primary::listen();
    let replica = replica_with_data(&primary, &[]);
    primary.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
    primary.send(b"$9000000000000000000\r\nREDIS0011");
    wait_until("some of it came", || field(&replica, "master_sync_read_bytes") == "9");
    let memory: u64 = field(&replica, "used_memory").parse().expect("a number");
    assert!(memory < 20_000_000, "{memory}");
    primary.hang_up();
    primary.synchronize(&replica, EMPTY);
    wait_for_link(&replica);
    primary.send(b"*2\r\n$3\r\nGET\r\n$400000000\r\n");
    primary.send(&[b'x'; 1000]);
    wait_until("it is waited for", || replica.connect().cmd(&["PING"]) == Reply::Simple("PONG".into()));
    let memory: u64 = field(&replica, "used_memory").parse().expect("a number");
    assert!(memory < 20_000_000, "{memory}");
}

#[test]
fn after_garbage_in_the_stream_everything_is_asked_for_anew() {
    let mut primary = Primary::listen();
    let replica = node(&["--replicaof", &primary.address()]);
    primary.synchronize(&replica, EMPTY);
    primary.send(&encode(&["SET", "a", "1"]));
    wait_until("it has run", || get(&replica, "a") == Reply::bulk("1"));
    primary.send(b"*1\r\n+what\r\n");
    assert!(primary.is_left());
    wait_for_log(&replica, "Protocol error (expected '$', got '+')");
    let asked = primary.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
    assert_eq!(asked, ["?", "-1"]);
    assert_eq!(get(&replica, "a"), Reply::bulk("1"), "what is there stays until there is something better");
}

#[test]
fn commands_that_fail_or_are_unknown_are_logged_and_counted() {
    let mut primary = Primary::listen();
    let replica = node(&["--replicaof", &primary.address()]);
    primary.synchronize(&replica, EMPTY);
    let requests: [&[&str]; 4] =
        [&["SET", "a", "text"], &["INCR", "a"], &["NOSUCH", "thing"], &["REPLCONF", "GETACK", "*"]];
    let bytes: Vec<u8> = requests[..3].iter().flat_map(|words| encode(words)).collect();
    primary.send(&bytes);
    primary.send(&encode(requests[3]));
    // Nothing comes back but what is asked for, and all of it counts.
    loop {
        let came = primary.request();
        assert_eq!(came[..2], ["REPLCONF", "ACK"]);
        if came[2] == bytes.len().to_string() {
            break;
        }
    }
    let log = replica.log();
    assert_eq!(log.matches("== CRITICAL == This replica is sending an error to its master").count(), 2, "{log}");
    assert_eq!(field(&replica, "unexpected_error_replies"), "2");
}

#[test]
fn silence_is_not_waited_for_for_ever() {
    let mut primary = Primary::listen();
    let replica = node(&["--replicaof", &primary.address(), "--repl-timeout", "2"]);
    primary.accept();
    wait_for_log(&replica, "Timeout connecting to the MASTER...");
    primary.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
    primary.send(b"$100\r\nREDIS");
    wait_for_log(&replica, "Timeout receiving bulk data from MASTER");
    primary.synchronize(&replica, EMPTY);
    wait_for_log(&replica, "MASTER timeout: no data nor PING received...");
    let asked = primary.greet(&replica, "+CONTINUE");
    assert_eq!(asked, [HISTORY, "1"], "it goes on where it was");
    wait_for_link(&replica);
}

#[test]
fn bad_replicas_do_no_harm() {
    let primary = node(&[]);
    let mut client = primary.connect();
    for words in [
        &["PSYNC", "?", "nothing"][..],
        &["PSYNC", "?"],
        &["REPLCONF", "listening-port", "many"],
        &["REPLCONF", "listening-port"],
        &["REPLCONF", "what", "ever"],
        &["REPLCONF", "ip-address", &"x".repeat(300)],
        &["REPLCONF", "rdb-only", "7"],
        &["REPLCONF", "rdb-filter-only", "what"],
        &["PSYNC", HISTORY, "1", "FAILOVER"],
    ] {
        client.cmd(words).into_error();
    }
    // Those who are no replicas have nothing to acknowledge, and get no answer.
    client.send(&["REPLCONF", "ACK", "12"]);
    assert_eq!(client.cmd(&["PING"]), Reply::Simple("PONG".into()));
    let mut replica = primary.connect();
    assert!(replica.cmd(&["PSYNC", HISTORY, "9223372036854775807"]).text().starts_with("FULLRESYNC "));
    for offset in ["nothing", "-1", "9223372036854775807", "99999999999999999999"] {
        replica.send(&["REPLCONF", "ACK", offset]);
    }
    replica.raw(b"*1\r\nwhat\r\n");
    wait_until("it is gone", || field(&primary, "connected_slaves") == "0");
    assert_eq!(client.cmd(&["PING"]), Reply::Simple("PONG".into()));
}
