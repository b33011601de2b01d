//! A full sync on two connections, given by this server: to replicas by hand, to its own kind, to Redis 8 and to Valkey.

use std::thread;

use super::*;
use common::dataset::valkey_9;

const IN_PARALLEL: &str = "Starting to receive RDB and replication stream in parallel.";
/// What makes both kinds possible at either end.
const BOTH: [&str; 4] = ["--dual-channel-replication-enabled", "yes", "--save", ""];

/// How a replica by hand ties its connections together.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tie {
    Redis,
    Valkey,
}

const TIES: [Tie; 2] = [Tie::Redis, Tie::Valkey];

/// How far a replica by hand goes.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Phase {
    /// It was told to open a second connection, and has introduced that.
    Introduced,
    /// The snapshot is asked for on it.
    Asked,
    /// The stream comes on the first one.
    Streaming,
}

/// A replica by hand.
struct Replica {
    tie: Tie,
    main: Connection,
    snapshot: Connection,
    /// Where the snapshot stands.
    history: String,
    offset: u64,
}

fn line(client: &mut Connection) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\n") {
        bytes.push(client.byte());
        // Signs of life.
        if bytes == b"\n" {
            bytes.clear();
        }
    }
    String::from_utf8(bytes).expect("text").trim_end().to_owned()
}

fn introduce(primary: &Server, capability: &str) -> Connection {
    let mut main = primary.connect();
    assert_eq!(main.cmd(&["REPLCONF", "listening-port", "7777"]), Reply::ok());
    assert_eq!(main.cmd(&["REPLCONF", "capa", "eof", "capa", "psync2", "capa", capability]), Reply::ok());
    main
}

impl Replica {
    fn new(primary: &Server, tie: Tie, phase: Phase) -> Replica {
        let mut main = introduce(primary, if tie == Tie::Redis { "rdb-channel-repl" } else { "dual-channel" });
        let answer = main.cmd(&["PSYNC", "?", "-1"]).text();
        let mut snapshot = primary.connect();
        let mut words = vec!["REPLCONF", "capa", "eof", "rdb-only", "1", "rdb-channel", "1"];
        match tie {
            Tie::Redis => {
                let id = answer.strip_prefix("RDBCHANNELSYNC ").expect("a second connection");
                words.extend(["main-ch-client-id", id]);
            }
            Tie::Valkey => {
                assert_eq!(answer, "DUALCHANNELSYNC");
                words.extend(["version", "9.1.2"]);
            }
        }
        words.extend(["listening-port", "7777"]);
        assert_eq!(snapshot.cmd(&words), Reply::ok());
        let mut replica = Replica { tie, main, snapshot, history: String::new(), offset: 0 };
        if phase >= Phase::Asked {
            replica.ask();
        }
        if phase >= Phase::Streaming {
            replica.begin();
        }
        replica
    }

    fn ask(&mut self) {
        match self.tie {
            Tie::Redis => self.snapshot.send(&["PSYNC", "?", "-1"]),
            Tie::Valkey => self.snapshot.send(&["SYNC"]),
        }
    }

    /// Hears where the snapshot stands, and asks for the stream if that is needed.
    fn begin(&mut self) {
        let promise = line(&mut self.snapshot);
        let words: Vec<&str> = promise.split([' ', ':']).collect();
        let (kind, history, offset) = match self.tie {
            Tie::Redis => (words[0], words[1], words[2]),
            Tie::Valkey => (words[0], words[2], words[1]),
        };
        assert_eq!(kind, if self.tie == Tie::Redis { "+FULLRESYNC" } else { "$ENDOFF" });
        (self.history, self.offset) = (history.to_owned(), offset.parse().expect("a number"));
        if self.tie == Tie::Valkey {
            assert_eq!(words[3], "-1", "the stream chooses its database");
            assert_eq!(self.main.cmd(&["REPLCONF", "set-rdb-client-id", words[4]]), Reply::ok());
            let next = (self.offset + 1).to_string();
            let answer = self.main.cmd(&["PSYNC", &self.history, &next]).text();
            assert_eq!(answer, format!("CONTINUE {}", self.history));
        }
    }

    /// Reads all of the snapshot; the primary closes the connection behind it.
    fn read_snapshot(&mut self) -> Vec<u8> {
        let bytes = self.snapshot.read_to_end();
        let head = bytes.iter().position(|byte| *byte == b'$').expect("a snapshot");
        let mark = bytes[head..].strip_prefix(b"$EOF:").expect("no length")[..40].to_vec();
        assert!(bytes.ends_with(&mark), "{}", bytes.escape_ascii());
        bytes[head..].to_vec()
    }

    /// Reads so many requests of the stream.
    fn read_stream(&mut self, count: usize) -> Vec<Reply> {
        (0..count).map(|_| self.main.read()).collect()
    }
}

/// A primary whose snapshots take a second.
fn slow_primary(arguments: &[&str]) -> Server {
    let primary = node(&[&BOTH[..], &["--rdb-key-save-delay", "100000"], arguments].concat());
    let mut client = primary.connect();
    for number in 0..10 {
        client.cmd(&["SET", &format!("k{number}"), "v"]);
    }
    primary
}

/// The flags of clients that replicate.
fn flags(primary: &Server) -> Vec<String> {
    let list = primary.connect().cmd(&["CLIENT", "LIST"]).text();
    let of = |line: &str| Some(line.split(' ').find_map(|word| word.strip_prefix("flags="))?.to_owned());
    list.lines().filter(|line| !line.contains("cmd=client|list")).filter_map(of).collect()
}

fn state(primary: &Server) -> String {
    let text = primary.connect().cmd(&["INFO", "REPLICATION"]).text();
    let line = text.lines().find(|line| line.starts_with("slave0:")).unwrap_or_default();
    line.split(',').find_map(|word| word.strip_prefix("state=")).unwrap_or_default().to_owned()
}

#[test]
fn the_stream_comes_on_one_connection_while_the_snapshot_comes_on_the_other() {
    for tie in TIES {
        let primary = slow_primary(&[]);
        let mut replica = Replica::new(&primary, tie, Phase::Introduced);
        if tie == Tie::Redis {
            assert_eq!((state(&primary).as_str(), flags(&primary)), ("wait_bgsave", vec!["S".into(), "C".into()]));
        }
        replica.ask();
        replica.begin();
        assert_eq!(
            (state(&primary).as_str(), flags(&primary)),
            ("send_bulk_and_stream", vec!["S".into(), "SC".into()])
        );
        assert_eq!(field(&primary, "connected_slaves"), "1", "it is one replica");
        assert_eq!(
            primary.connect().cmd(&["ROLE"]),
            Reply::Array(vec![Reply::bulk("master"), Reply::Integer(replica.offset as i64), Reply::Array(vec![]),])
        );
        primary.connect().cmd(&["SET", "during", "1"]);
        let stream = replica.read_stream(2);
        assert_eq!(stream, [Reply::bulks(&["SELECT", "0"]), Reply::bulks(&["SET", "during", "1"])]);
        assert_eq!(state(&primary), "send_bulk_and_stream");
        let snapshot = replica.read_snapshot();
        let has = |word: &str| snapshot.windows(word.len()).any(|bytes| bytes == word.as_bytes());
        assert!(has("k9") && !has("during"));
        replica.main.send(&["REPLCONF", "ACK", &replica.offset.to_string()]);
        wait_until("it is online", || state(&primary) == "online");
        assert_eq!(flags(&primary), ["S"]);
        primary.connect().cmd(&["SET", "after", "1"]);
        assert_eq!(replica.read_stream(1), [Reply::bulks(&["SET", "after", "1"])]);
        assert_eq!((field(&primary, "sync_full"), field(&primary, "sync_partial_ok")), ("1".into(), "0".into()));
    }
}

#[test]
fn a_snapshot_that_is_sent_waits_for_whoever_asks_for_what_follows_it() {
    let primary = slow_primary(&["--rdb-key-save-delay", "0"]);
    let mut main = introduce(&primary, "dual-channel");
    assert_eq!(main.cmd(&["PSYNC", "?", "-1"]).text(), "DUALCHANNELSYNC");
    let mut replica = Replica::new(&primary, Tie::Valkey, Phase::Asked);
    wait_until("the snapshot is sent", || state(&primary) == "rdb_transmitted");
    primary.connect().cmd(&["SET", "late", "1"]);
    replica.begin();
    assert_eq!(replica.read_stream(2)[1], Reply::bulks(&["SET", "late", "1"]));
    replica.read_snapshot();
    assert_eq!(main.cmd(&["PING"]).text(), "PONG", "it is a client like any so far");
}

#[test]
fn the_other_connection_has_to_be_one_that_waits() {
    let primary = slow_primary(&[]);
    let mut client = primary.connect();
    let wrong = |id: &str| Reply::error(&format!("ERR Unrecognized RDB client id: {id}"));
    let own_id = client.cmd(&["CLIENT", "ID"]);
    let Reply::Integer(own_id) = own_id else { panic!("{own_id:?}") };
    for id in ["99999", "0", "-1", &own_id.to_string()] {
        assert_eq!(client.cmd(&["REPLCONF", "rdb-channel", "1", "main-ch-client-id", id]), wrong(id));
        let unknown = Reply::error(&format!("ERR Unrecognized RDB client id {id}"));
        assert_eq!(client.cmd(&["REPLCONF", "set-rdb-client-id", id]), unknown);
    }
    for name in ["main-ch-client-id", "set-rdb-client-id"] {
        let reply = client.cmd(&["REPLCONF", name, "abc"]);
        assert_eq!(reply, Reply::error("ERR value is not an integer or out of range"));
    }
    let reply = client.cmd(&["REPLCONF", "rdb-channel", "2"]);
    assert_eq!(reply, Reply::error("ERR value is out of range, value must between 0 and 1"));
    // A second connection for the same replica.
    let mut main = introduce(&primary, "rdb-channel-repl");
    let answer = main.cmd(&["PSYNC", "?", "-1"]).text();
    let id = answer.strip_prefix("RDBCHANNELSYNC ").expect("a second connection");
    let words = ["REPLCONF", "rdb-only", "1", "rdb-channel", "1", "main-ch-client-id", id];
    assert_eq!(client.cmd(&words), Reply::ok());
    assert_eq!(primary.connect().cmd(&words), wrong(id));
}

#[test]
fn either_connection_that_is_lost_takes_the_other_along() {
    for tie in TIES {
        let primary = slow_primary(&[]);
        for (phase, loses_main) in [Phase::Introduced, Phase::Asked, Phase::Streaming]
            .into_iter()
            .flat_map(|phase| [(phase, false), (phase, true)])
        {
            // In Valkey's form neither knows the other before the stream is asked for.
            if tie == Tie::Valkey && phase < Phase::Streaming {
                continue;
            }
            let replica = Replica::new(&primary, tie, phase);
            let Replica { mut main, mut snapshot, .. } = replica;
            if loses_main {
                drop(main);
                snapshot.read_to_end();
            } else {
                drop(snapshot);
                main.read_to_end();
            }
            wait_until("there is no replica left", || field(&primary, "connected_slaves") == "0");
        }
        // A snapshot for nobody is given up, and nothing keeps the next one from being made.
        let mut replica = Replica::new(&primary, tie, Phase::Streaming);
        replica.read_snapshot();
        replica.main.send(&["REPLCONF", "ACK", "0"]);
        wait_until("it is online", || state(&primary) == "online");
    }
}

#[test]
fn who_does_not_take_the_stream_is_dropped_when_it_gets_too_long() {
    for tie in TIES {
        let limit = "replica 200000 0 0";
        let primary = slow_primary(&["--client-output-buffer-limit", limit, "--repl-backlog-size", "16kb"]);
        let mut replica = Replica::new(&primary, tie, Phase::Streaming);
        let mut client = primary.connect();
        let value = "x".repeat(100_000);
        wait_until("it is dropped", || {
            client.cmd(&["SET", "big", &value]);
            field(&primary, "connected_slaves") == "0"
        });
        replica.snapshot.read_to_end();
        primary.await_log("closed for overcoming of output buffer limits");
    }
}

#[test]
fn one_connection_does_where_the_primary_saves_to_a_file_or_wants_no_second() {
    for settings in [["--repl-diskless-sync", "no"], ["--repl-rdb-channel", "no"]] {
        let primary = node(&settings);
        let mut main = introduce(&primary, "rdb-channel-repl");
        assert!(main.cmd(&["PSYNC", "?", "-1"]).text().starts_with("FULLRESYNC "));
    }
    let primary = node(&[]);
    let mut main = introduce(&primary, "dual-channel");
    assert!(main.cmd(&["PSYNC", "?", "-1"]).text().starts_with("FULLRESYNC "), "Valkey's way is off by default");
}

#[test]
fn a_replica_that_has_lost_a_connection_begins_anew_until_it_has_everything() {
    for redis in [true, false] {
        let primary = slow_primary(&[]);
        let wire = Wire::to(primary.port());
        let own = if redis { ["--repl-rdb-channel", "yes"] } else { ["--repl-rdb-channel", "no"] };
        let replica = node(&[&BOTH[..], &own].concat());
        let address = replica.connect().cmd(&["REPLICAOF", "127.0.0.1", &wire.port.to_string()]);
        assert_eq!(address, Reply::ok());
        for _ in 0..2 {
            wait_until("the snapshot is on its way", || state(&primary) == "send_bulk_and_stream");
            wire.cut();
            wait_until("the replica is lost", || state(&primary) != "send_bulk_and_stream");
        }
        primary.connect().cmd(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
        wait_for_link(&replica);
        wait_for_same(&[&primary, &replica]);
    }
}

/// Writes go on while a replica gets its data set.
fn is_followed(primary: &Server, replicas: &[&Server]) {
    let port = primary.port();
    write_everything(&mut primary.connect(), 1, 1500);
    let writer = thread::spawn(move || write_everything(&mut Connection::to(port), 2, 3000));
    for replica in replicas {
        let reply = replica.connect().cmd(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
        assert_eq!(reply, Reply::ok());
    }
    replicas.iter().for_each(|replica| wait_for_link(replica));
    writer.join().expect("all was written");
    primary.await_log("Full sync will continue with dedicated");
    wait_for_same(&[&[primary], replicas].concat());
}

#[test]
fn two_of_this_server_use_two_connections() {
    let ways = [("fork", "disabled", "yes"), ("forkless", "swapdb", "yes"), ("fork", "on-empty-db", "no")];
    for (method, load, redis) in ways {
        let primary = node(&[&BOTH[..], &["--bgsave-default-method", method]].concat());
        let replica = node(&[&BOTH[..], &["--repl-diskless-load", load, "--repl-rdb-channel", redis]].concat());
        is_followed(&primary, &[&replica]);
        replica.await_log(IN_PARALLEL);
    }
}

#[test]
fn several_replicas_share_a_snapshot_whatever_connections_they_have() {
    let delay = ["--repl-diskless-sync-delay", "3600", "--repl-diskless-sync-max-replicas", "3"];
    let primary = node(&[&BOTH[..], &delay].concat());
    let replicas = [["--repl-rdb-channel", "yes"], ["--repl-rdb-channel", "yes"], ["--repl-rdb-channel", "no"]];
    let replicas: Vec<Server> = replicas.iter().map(|own| node(own)).collect();
    is_followed(&primary, &replicas.iter().collect::<Vec<_>>());
    assert_eq!(field(&primary, "sync_full"), "3");
    assert_eq!(primary.log().matches("Starting BGSAVE for SYNC").count(), 1);
}

#[test]
fn a_redis_8_takes_the_snapshot_on_a_connection_of_its_own() {
    let Some(redis) = redis_8() else { return };
    for (method, load) in [("fork", "swapdb"), ("forkless", "disabled")] {
        let primary = node(&[&BOTH[..], &["--bgsave-default-method", method]].concat());
        let replica = start(&redis, &["--repl-rdb-channel", "yes", "--repl-diskless-load", load]);
        is_followed(&primary, &[&replica]);
        replica.await_log(IN_PARALLEL);
    }
}

#[test]
fn a_valkey_takes_the_snapshot_on_a_connection_of_its_own() {
    let Some(valkey) = valkey_9() else { return };
    for method in ["fork", "forkless"] {
        let primary = node(&[&BOTH[..], &["--bgsave-default-method", method]].concat());
        let replica = start(&valkey, &["--dual-channel-replication-enabled", "yes"]);
        is_followed(&primary, &[&replica]);
        replica.await_log("Primary accepted a Partial Resynchronization");
    }
}
