//! Peers that do wrong. Primaries that answer wrongly, send damaged data or fall silent: the link is dropped and tried
//! again, what there was is kept where that is promised, and half a data set is never shown as a whole one.

mod common;

use std::io::Read;
use std::time::Duration;

use common::replication::*;
use common::{Connection, Reply, Server, encode, names, wait_until, wait_within};

/// Characters of the name of a history, and of the mark behind a data set.
const ID_CHARS: usize = 40;
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
        (format!("{begin}+FULLRESYNC {HISTORY} 9223372036854775807\r\n"), "wrong +FULLRESYNC syntax"),
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
        if mode == "swapdb" {
            wait_for_log(&replica, "Short read or OOM loading DB. Unrecoverable error, aborting now.");
            wait_for_log(&replica, "Unexpected EOF reading RDB file");
            wait_for_log(
                &replica,
                "Failed trying to load the MASTER synchronization DB from socket, check server logs.",
            );
        }
        assert_eq!(get(&replica, "old"), Reply::bulk("data"), "{mode}");
        assert_eq!(get(&replica, "new"), Reply::Null, "{mode}");
        assert_eq!(field(&replica, "master_link_status"), "down");
    }
}

#[test]
fn a_replica_told_to_drop_its_data_first_has_none_when_the_new_data_breaks_off() {
    let whole = data("new", true);
    let mut primary = Primary::listen();
    let replica = replica_with_data(&primary, &["--repl-diskless-load", "flushdb"]);
    primary.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
    primary.send(format!("$EOF:{HISTORY}\r\n").as_bytes());
    primary.send(&whole[..whole.len() - 20]);
    wait_until("it is on its way", || field(&replica, "master_sync_in_progress") == "1");
    primary.hang_up();
    wait_for_log(&replica, "Failed trying to load the MASTER synchronization DB from socket, check server logs.");
    assert_eq!((get(&replica, "old"), get(&replica, "new")), (Reply::Null, Reply::Null));
    primary.synchronize(&replica, &whole);
    wait_until("the data set is there", || get(&replica, "new") == Reply::bulk("new"));
}

#[test]
fn a_damaged_data_set_is_never_shown() {
    let (bad, good) = (data("new", false), data("new", true));
    for (mode, keeps) in [("disabled", false), ("swapdb", true), ("flushdb", false)] {
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
    let critical = "== CRITICAL == This replica is sending an error to its master";
    wait_until("both are logged", || replica.log().matches(critical).count() == 2);
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
fn signs_of_life_without_end_keep_nobody_from_working() {
    let mut primary = Primary::listen();
    let replica = replica_with_data(&primary, &[]);
    primary.greet(&replica, &"\r\n".repeat(2_000_000));
    assert_eq!(get(&replica, "old"), Reply::bulk("data"));
    primary.send(format!("+FULLRESYNC {HISTORY} 0\r\n").as_bytes());
    primary.send(&b"\n".repeat(4_000_000));
    assert_eq!(get(&replica, "old"), Reply::bulk("data"));
    primary.send(format!("${}\r\n", EMPTY.len()).as_bytes());
    primary.send(EMPTY);
    wait_for_link(&replica);
}

/// A data set that announces so many keys in each of sixteen databases and has none, behind that many bytes of another
/// field.
fn announcing(keys: u32, filling: usize) -> Vec<u8> {
    let mut bytes = b"REDIS0011\xfa\x07filling\x80".to_vec();
    bytes.extend((filling as u32).to_be_bytes());
    bytes.resize(bytes.len() + filling, b'x');
    for database in 0..16 {
        bytes.extend([0xfe, database, 0xfb, 0x80]);
        bytes.extend(keys.to_be_bytes());
        bytes.push(0x80);
        bytes.extend(keys.to_be_bytes());
    }
    bytes
}

#[test]
fn no_room_is_made_for_keys_that_are_announced_and_do_not_come() {
    let used = |replica: &Server| field(replica, "used_memory").parse::<u64>().expect("a number");
    let mut primary = Primary::listen();
    let replica =
        replica_with_data(&primary, &["--repl-diskless-load", "swapdb", "--client-query-buffer-limit", "1mb"]);
    let begun = announcing(500_000_000, 100);
    primary.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
    primary.send(b"$9000000000\r\n");
    primary.send(&begun);
    let loaded = || field(&replica, "master_sync_read_bytes").parse::<usize>().expect("a number");
    wait_until("it is loaded", || loaded() + 20 > begun.len());
    assert!(used(&replica) < 20_000_000, "{}", used(&replica));
    primary.hang_up();
    // Nor for more keys, in all databases together, than a whole file can hold.
    assert_eq!(replica.connect().cmd(&["CONFIG", "SET", "repl-diskless-load", "disabled"]), Reply::ok());
    let mut whole = announcing(500_000_000, 4_000_000);
    whole.extend([0xff; 1].into_iter().chain([0; 8]));
    primary.synchronize(&replica, &whole);
    wait_for_link(&replica);
    assert!(used(&replica) < 60_000_000, "{}", used(&replica));
}

#[test]
fn a_data_set_whose_end_never_comes_is_not_kept_in_memory() {
    let mut primary = Primary::listen();
    let replica = replica_with_data(&primary, &[]);
    primary.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
    primary.send(format!("$EOF:{HISTORY}\r\n").as_bytes());
    let almost = &HISTORY.as_bytes()[..ID_CHARS - 1];
    let sent = almost.repeat(1_000_000);
    primary.send(&sent);
    let came = || field(&replica, "master_sync_read_bytes").parse::<usize>().expect("a number");
    wait_until("all came", || came() + ID_CHARS > sent.len());
    let memory: u64 = field(&replica, "used_memory").parse().expect("a number");
    assert!(memory < 20_000_000, "{memory}");
    primary.hang_up();
    primary.synchronize(&replica, EMPTY);
    wait_for_link(&replica);
    let left = names(replica.directory());
    assert!(left.iter().all(|name| !name.starts_with("temp-")), "{left:?}");
}

/// An empty data set with a field about itself.
fn data_about(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = b"REDIS0011\xfa".to_vec();
    for text in [name, value] {
        bytes.push(text.len() as u8);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.push(0xff);
    // Without a checksum.
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

#[test]
fn a_primary_may_have_more_databases() {
    for (number, mode) in [("16", "disabled"), ("16", "swapdb"), ("18446744073709551615", "disabled")] {
        let mut primary = Primary::listen();
        let replica = node(&["--replicaof", &primary.address(), "--repl-diskless-load", mode]);
        primary.synchronize(&replica, &data_about("repl-stream-db", number));
        primary.send(&encode(&["SET", "a", "1"]));
        primary.send(&encode(&["SELECT", "16"]));
        primary.send(&encode(&["SET", "b", "1"]));
        wait_until("all has run", || get(&replica, "b") == Reply::bulk("1"));
        assert_eq!(get(&replica, "a"), Reply::bulk("1"), "what has no place of its own comes into the first");
    }
}

#[test]
fn a_primary_that_does_not_know_psync_has_a_history_without_a_name() {
    let mut primary = Primary::listen();
    let replica = node(&["--replicaof", &primary.address()]);
    primary.synchronize(&replica, EMPTY);
    wait_for_link(&replica);
    assert_eq!(field(&replica, "master_replid"), HISTORY);
    primary.hang_up();
    primary.greet(&replica, "-ERR unknown command 'PSYNC'");
    let mut asked = [0; 6];
    primary.stream.as_mut().expect("a replica").read_exact(&mut asked).expect("a request");
    assert_eq!(&asked, b"SYNC\r\n");
    primary.send(format!("${}\r\n", EMPTY.len()).as_bytes());
    primary.send(EMPTY);
    primary.send(&encode(&["SET", "a", "1"]));
    wait_until("it has run", || get(&replica, "a") == Reply::bulk("1"));
    assert_ne!(field(&replica, "master_replid"), HISTORY, "it may be any other");
    primary.hang_up();
    assert_eq!(primary.greet(&replica, "-ERR"), ["?", "-1"], "and nobody can go on in it");
}

#[test]
fn a_primary_may_send_any_command_and_gets_no_answer() {
    // These would end the server, the connection, or the life as a replica, or leave a transaction open.
    const LEFT_OUT: [&str; 9] =
        ["shutdown", "debug", "replicaof", "slaveof", "quit", "multi", "client|kill", "client|pause", "reset"];
    let mut primary = Primary::listen();
    let replica = node(&["--replicaof", &primary.address()]);
    primary.synchronize(&replica, EMPTY);
    let Reply::Array(names) = replica.connect().cmd(&["COMMAND", "LIST"]) else { panic!("names") };
    let mut sent = 0;
    for name in names.iter().map(Reply::text).filter(|name| !LEFT_OUT.contains(&name.as_str())) {
        for arguments in [&[][..], &["?"], &["?", "-1"], &["k", "1", "0"], &["k", "0", "-1", "1", "x"]] {
            let words: Vec<&str> = name.split('|').chain(arguments.iter().copied()).collect();
            let bytes = encode(&words);
            primary.send(&bytes);
            sent += bytes.len();
        }
    }
    primary.send(&encode(&["REPLCONF", "GETACK", "*"]));
    loop {
        let came = primary.request();
        assert_eq!(came[..2], ["REPLCONF", "ACK"]);
        if came[2] == sent.to_string() {
            break;
        }
    }
    assert_eq!(field(&replica, "master_link_status"), "up");
}

#[test]
fn replicas_in_a_circle_change_nothing_and_can_be_freed() {
    let alone = node(&[]);
    let mut client = alone.connect();
    client.cmd(&["SET", "a", "1"]);
    client.cmd(&["REPLICAOF", "127.0.0.1", &alone.port().to_string()]);
    wait_for_log(&alone, "Can't SYNC while not connected with my master");
    assert_eq!((client.cmd(&["GET", "a"]), field(&alone, "connected_slaves")), (Reply::bulk("1"), "0".into()));
    assert_eq!(client.cmd(&["REPLICAOF", "NO", "ONE"]), Reply::ok());
    assert_eq!(client.cmd(&["SET", "a", "2"]), Reply::ok());

    let (first, second) = (node(&[]), node(&[]));
    follow(&second, first.port());
    write_everything(&mut first.connect(), 1, 100);
    let keyspace = |node: &Server| node.connect().cmd(&["INFO", "keyspace"]).text();
    wait_until("what expires is gone", || keyspace(&first).contains("expires=0,"));
    wait_for_same(&[&first, &second]);
    let data = digest(&first);
    follow(&first, second.port());
    let offset = field(&first, "master_repl_offset");
    for node in [&first, &second] {
        wait_until("they hear of each other", || field(node, "slave0").contains("lag=0"));
        assert!(node.connect().cmd(&["SET", "a", "1"]).into_error().starts_with("READONLY "));
        assert_eq!((digest(node), field(node, "master_repl_offset")), (data.clone(), offset.clone()));
    }
    assert_eq!(first.connect().cmd(&["REPLICAOF", "NO", "ONE"]), Reply::ok());
    wait_for_link(&second);
    write_everything(&mut first.connect(), 2, 100);
    wait_for_same(&[&first, &second]);
    assert_eq!(field(&first, "sync_full"), "1", "that of the beginning");
}

#[test]
fn nobody_becomes_a_replica_in_the_middle_of_something_else() {
    let primary = node(&[]);
    for words in [&["PSYNC", "?", "-1"][..], &["SYNC"]] {
        let mut client = primary.connect();
        assert_eq!(client.cmd(&["MULTI"]), Reply::ok());
        assert_eq!(client.cmd(words).into_error(), "ERR Command not allowed inside a transaction");
        assert!(client.cmd(&["EXEC"]).into_error().starts_with("EXECABORT "));
        let call = format!("return redis.call('{}')", words.join("','"));
        assert!(client.cmd(&["EVAL", &call, "0"]).into_error().contains("not allowed from script"));
        client.cmd(&["SUBSCRIBE", "news"]);
        assert!(client.cmd(words).into_error().starts_with("ERR Can't execute '"));
    }
    assert_eq!(field(&primary, "connected_slaves"), "0");

    let mut above = Primary::listen();
    let replica = replica_with_data(&above, &["--repl-diskless-load", "swapdb"]);
    assert!(replica.connect().cmd(&["SYNC"]).into_error().starts_with("NOMASTERLINK "));
    let whole = data("new", true);
    above.greet(&replica, &format!("+FULLRESYNC {HISTORY} 0"));
    above.send(format!("${}\r\n", whole.len()).as_bytes());
    above.send(&whole[..whole.len() - 20]);
    let refused = |error: &str| error.starts_with("LOADING ");
    wait_until("it is being loaded", || refused(&replica.connect().cmd(&["PSYNC", "?", "-1"]).into_error()));
    assert!(refused(&replica.connect().cmd(&["SYNC"]).into_error()));
    above.send(&whole[whole.len() - 20..]);
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
        &["REPLCONF", "listening-port", "65536"],
        &["REPLCONF", "listening-port"],
        &["REPLCONF", "what", "ever"],
        &["REPLCONF", "ip-address", &"x".repeat(300)],
        &["REPLCONF", "ip-address", "10.0.0.1\r\nrole:slave"],
        &["REPLCONF", "rdb-only", "7"],
        &["REPLCONF", "rdb-filter-only", "what"],
        &["PSYNC", HISTORY, "1", "FAILOVER"],
    ] {
        client.cmd(words).into_error();
    }
    // Those who are no replicas have nothing to acknowledge, and get no answer.
    client.send(&["REPLCONF", "ACK", "12"]);
    client.send(&["REPLCONF", "GETACK", "*"]);
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

/// Introduces itself and asks for everything.
fn replica_by_hand(primary: &Server) -> Connection {
    let mut replica = primary.connect();
    assert_eq!(replica.cmd(&["REPLCONF", "capa", "psync2"]), Reply::ok());
    assert!(replica.cmd(&["PSYNC", "?", "-1"]).text().starts_with("FULLRESYNC "));
    replica
}

#[test]
fn reset_is_for_normal_clients() {
    let primary = node(&["--repl-diskless-sync", "no"]);
    let mut client = primary.connect();
    let mut stranger = replica_by_hand(&primary);
    stranger.send(&["RESET"]);
    wait_until("it is closed", || field(&primary, "connected_slaves") == "0");
    primary.await_log("sending an error to its replica: 'ERR can only reset normal client connections'");
    // Whoever gets the place of the stranger is one replica.
    let replica = node(&[]);
    follow(&replica, primary.port());
    assert_eq!(client.cmd(&["SET", "key", "value"]), Reply::ok());
    assert_eq!(client.cmd(&["WAIT", "2", "200"]), Reply::Integer(1));
    assert_eq!(field(&primary, "connected_slaves"), "1");
    client.cmd(&["CONFIG", "SET", "min-replicas-to-write", "2"]);
    assert!(client.cmd(&["SET", "key", "value"]).into_error().starts_with("NOREPLICAS "));
    // In a transaction it ends that, and what is watched.
    client.cmd(&["MULTI"]);
    assert_eq!(client.cmd(&["RESET"]), Reply::Simple("RESET".into()));
    assert!(client.cmd(&["EXEC"]).into_error().contains("without MULTI"));
}

#[test]
fn a_primary_stays_the_primary_whatever_part_it_asks_for() {
    let mut primary = Primary::listen();
    let replica = replica_with_data(&primary, &[]);
    primary.synchronize(&replica, EMPTY);
    wait_for_link(&replica);
    for words in [&["RESET"][..], &["MONITOR"], &["SYNC"], &["PSYNC", "?", "-1"], &["SUBSCRIBE", "news"]] {
        primary.send(&encode(words));
    }
    primary.send(&encode(&["SET", "key", "value"]));
    wait_until("it is obeyed", || get(&replica, "key") == Reply::bulk("value"));
    assert_eq!(replica.connect().cmd(&["PUBLISH", "news", "something"]), Reply::Integer(1));
    assert_eq!((field(&replica, "connected_slaves"), field(&replica, "master_link_status")), ("0".into(), "up".into()));
    // Nothing comes back but acknowledgements, and this is the second at least.
    primary.send(&encode(&["REPLCONF", "GETACK", "*"]));
    for _ in 0..2 {
        assert_eq!(primary.request()[..2], ["REPLCONF", "ACK"]);
    }
}

#[test]
fn a_monitor_follows_nothing_and_a_replica_monitors_nothing() {
    let primary = node(&["--repl-diskless-sync", "no"]);
    let mut monitor = primary.connect();
    assert_eq!(monitor.cmd(&["MONITOR"]), Reply::ok());
    monitor.send(&["SYNC"]);
    monitor.send(&["PSYNC", "?", "-1"]);
    let _replica = {
        let mut replica = replica_by_hand(&primary);
        replica.send(&["MONITOR"]);
        replica.send(&["REPLCONF", "ACK", "0"]);
        replica
    };
    let shown = |client: &mut Connection| client.read().text();
    primary.connect().cmd(&["ECHO", "hello"]);
    while !shown(&mut monitor).contains("hello") {}
    assert_eq!(field(&primary, "connected_slaves"), "1");
    let list = primary.connect().cmd(&["CLIENT", "LIST"]).text();
    let flags: Vec<&str> = list.split("flags=").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
    assert_eq!(flags.iter().filter(|flags| **flags == "O").count(), 1, "{list}");
    assert_eq!(flags.iter().filter(|flags| **flags == "S").count(), 1, "{list}");
}

#[test]
fn nothing_but_the_stream_reaches_a_replica() {
    let primary = node(&["--repl-diskless-sync", "no"]);
    let mut client = primary.connect();
    type Told = fn(&mut Connection, &mut Connection);
    let ways: [Told; 4] = [
        |client, _| _ = client.cmd(&["PUBLISH", "news", "something"]),
        |client, _| _ = client.cmd(&["SET", "key", "value"]),
        |_, replica| replica.send(&["WAIT", "5", "50"]),
        |_, replica| replica.send(&["SUBSCRIBE", "more"]),
    ];
    for (number, tell) in ways.into_iter().enumerate() {
        let mut replica = primary.connect();
        replica.cmd(&["HELLO", "3"]);
        match number {
            0 => _ = replica.cmd(&["SUBSCRIBE", "news"]),
            1 => _ = replica.cmd(&["CLIENT", "TRACKING", "ON", "BCAST"]),
            _ => {}
        }
        replica.send(&["PSYNC", "?", "-1"]);
        wait_until("it is a replica", || field(&primary, "connected_slaves") == "1");
        tell(&mut client, &mut replica);
        wait_until("it is gone", || field(&primary, "connected_slaves") == "0");
        let read = replica.read_to_end();
        for word in ["something", "invalidate", ":0\r\n", "subscribe"] {
            assert!(memchr::memmem::find(&read, word.as_bytes()).is_none(), "{number}: {}", read.escape_ascii());
        }
    }
}
