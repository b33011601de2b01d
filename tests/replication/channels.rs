//! A full sync on two connections, as Redis 8 and Valkey do it: the snapshot on one of its own, the stream on the first.

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use super::*;
use common::dataset::valkey_9;

/// Forty characters that end a snapshot.
const MARK: &str = "0123456789012345678901234567890123456789";
const IN_PARALLEL: &str = "Starting to receive RDB and replication stream in parallel.";

/// How a primary by hand wants the connections tied together.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tie {
    Redis,
    Valkey,
}

const TIES: [Tie; 2] = [Tie::Redis, Tie::Valkey];

/// A primary by hand, and both connections of a replica.
struct Channels {
    primary: Primary,
    tie: Tie,
    main: Option<TcpStream>,
}

/// Points at which a full sync may break off.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// The second connection has come.
    Connected,
    /// It is known what it is for.
    Introduced,
    /// Where the snapshot stands is told.
    Announced,
    /// Some of the snapshot has come.
    Begun,
    /// All of it has come, and the stream was not accepted (Valkey).
    Snapshot,
}

impl Channels {
    fn new(tie: Tie) -> Channels {
        Channels { primary: Primary::listen(), tie, main: None }
    }

    fn start_replica(&self, arguments: &[&str]) -> Server {
        let own = ["--dual-channel-replication-enabled", "yes", "--replicaof", &self.primary.address()];
        Server::start_with(&[&own, arguments].concat())
    }

    /// Does something on the connection of the stream.
    fn on_main<T>(&mut self, act: impl FnOnce(&mut Primary) -> T) -> T {
        std::mem::swap(&mut self.primary.stream, &mut self.main);
        let result = act(&mut self.primary);
        std::mem::swap(&mut self.primary.stream, &mut self.main);
        result
    }

    /// Greets a replica, up to a point; from then on `primary.stream` is the connection of the snapshot.
    fn go_to(&mut self, replica: &Server, phase: Phase) {
        let answer = match self.tie {
            Tie::Redis => "+RDBCHANNELSYNC 7",
            Tie::Valkey => "+DUALCHANNELSYNC",
        };
        assert_eq!(self.primary.greet(replica, answer), ["?", "-1"]);
        self.main = self.primary.stream.take();
        self.primary.accept();
        if phase == Phase::Connected {
            return;
        }
        let port = replica.port().to_string();
        let words = self.primary.request();
        assert_eq!(words[..7], ["REPLCONF", "capa", "eof", "rdb-only", "1", "rdb-channel", "1"]);
        match self.tie {
            Tie::Redis => assert_eq!(words[7..], ["main-ch-client-id", "7", "listening-port", &port]),
            Tie::Valkey => {
                assert_eq!((words[7].as_str(), &words[9..]), ("version", &["listening-port".to_owned(), port][..]))
            }
        }
        self.primary.send(b"+OK\r\n");
        match self.tie {
            Tie::Redis => self.primary.expect(&["PSYNC", "?", "-1"]),
            Tie::Valkey => self.primary.expect(&["SYNC"]),
        }
        if phase == Phase::Introduced {
            return;
        }
        // Signs of life may come first.
        self.primary.send(b"\n\n");
        match self.tie {
            Tie::Redis => self.primary.send(format!("+FULLRESYNC {HISTORY} 100\r\n").as_bytes()),
            Tie::Valkey => {
                self.primary.send(format!("$ENDOFF:100 {HISTORY} 2 9\r\n").as_bytes());
                self.on_main(|primary| primary.expect(&["REPLCONF", "set-rdb-client-id", "9"]));
            }
        }
        if phase == Phase::Announced {
            return;
        }
        self.primary.send(format!("\n$EOF:{MARK}\r\n").as_bytes());
        self.primary.send(&EMPTY[..20]);
        if phase == Phase::Snapshot {
            self.finish_snapshot();
        }
    }

    fn finish_snapshot(&mut self) {
        self.primary.send(&EMPTY[20..]);
        self.primary.send(MARK.as_bytes());
    }

    /// Gives the replica the stream, where it has to ask for that.
    fn accept_stream(&mut self) {
        if self.tie == Tie::Valkey {
            self.on_main(|primary| {
                primary.send(b"+OK\r\n");
                primary.expect(&["PSYNC", HISTORY, "101"]);
                primary.send(format!("\n+CONTINUE {HISTORY}\r\n").as_bytes());
            });
        }
    }
}

fn set(number: usize) -> Vec<u8> {
    common::encode(&["SET", &format!("k{number}"), "v"])
}

#[test]
fn what_came_of_the_stream_meanwhile_is_run_when_the_snapshot_is_loaded() {
    for tie in TIES {
        let mut channels = Channels::new(tie);
        let replica = channels.start_replica(&[]);
        channels.go_to(&replica, Phase::Begun);
        channels.accept_stream();
        let stream = [common::encode(&["SELECT", "3"]), set(1), set(2)].concat();
        // Signs of life in front of it are no part of it.
        channels.on_main(|primary| primary.send(&[b"\n\n", &stream[..]].concat()));
        wait_until("the stream is kept", || {
            field(&replica, "replica_full_sync_buffer_size") == stream.len().to_string()
        });
        wait_until("the snapshot is on its way", || field(&replica, "master_sync_in_progress") == "1");
        channels.finish_snapshot();
        wait_for_link(&replica);
        assert!(channels.primary.is_left(), "the connection of the snapshot is of no use any more");
        let end = (100 + stream.len()).to_string();
        wait_until("all was run", || field(&replica, "slave_repl_offset") == end);
        channels.on_main(|primary| {
            let mut words = primary.request();
            while words.last() != Some(&end) {
                assert_eq!(words[..2], ["REPLCONF", "ACK"]);
                words = primary.request();
            }
        });
        let mut client = replica.connect();
        client.cmd(&["SELECT", "3"]);
        assert_eq!(client.cmd(&["MGET", "k1", "k2"]), Reply::bulks(&["v", "v"]));
        assert_eq!(field(&replica, "replica_full_sync_buffer_size"), "0");
        assert_eq!(field(&replica, "replica_full_sync_buffer_peak"), stream.len().to_string());
        assert_eq!(field(&replica, "master_replid"), HISTORY);
    }
}

#[test]
fn a_snapshot_that_is_loaded_waits_for_its_stream() {
    let mut channels = Channels::new(Tie::Valkey);
    let replica = channels.start_replica(&[]);
    channels.go_to(&replica, Phase::Snapshot);
    replica.await_log("Loading DB in memory");
    assert_eq!(field(&replica, "master_link_status"), "down");
    channels.accept_stream();
    channels.on_main(|primary| primary.send(&set(1)));
    wait_for_link(&replica);
    // It goes on in the database that the primary has named.
    let has_key = || {
        let mut client = replica.connect();
        client.cmd(&["SELECT", "2"]);
        client.cmd(&["GET", "k1"]) == Reply::bulk("v")
    };
    wait_until("the stream is run", has_key);
}

#[test]
fn either_connection_that_is_lost_takes_the_other_along_and_all_begins_anew() {
    const PHASES: [Phase; 4] = [Phase::Connected, Phase::Introduced, Phase::Announced, Phase::Begun];
    thread::scope(|scope| {
        for (tie, loses_main) in TIES.into_iter().flat_map(|tie| [(tie, false), (tie, true)]) {
            scope.spawn(move || {
                let mut channels = Channels::new(tie);
                let replica = channels.start_replica(&[]);
                let awaits_stream = (tie == Tie::Valkey && loses_main).then_some(Phase::Snapshot);
                for phase in PHASES.into_iter().chain(awaits_stream) {
                    channels.go_to(&replica, phase);
                    let other_is_left = if loses_main {
                        channels.main = None;
                        channels.primary.is_left()
                    } else {
                        channels.primary.hang_up();
                        channels.on_main(Primary::is_left)
                    };
                    assert!(other_is_left, "{tie:?}, {phase:?}");
                }
                channels.go_to(&replica, Phase::Snapshot);
                channels.accept_stream();
                wait_for_link(&replica);
            });
        }
    });
}

#[test]
fn answers_that_are_none_end_the_synchronisation_and_all_begins_anew() {
    let refused: &[u8] = b"-ERR no\r\n";
    let broken = format!("$EOF:{MARK}\r\nREDIS0011 and nothing more{MARK}");
    let steps: &[(Tie, Phase, bool, &[u8])] = &[
        (Tie::Redis, Phase::Introduced, false, refused),
        (Tie::Redis, Phase::Introduced, false, b"+FULLRESYNC abc 1\r\n"),
        (Tie::Redis, Phase::Announced, false, refused),
        (Tie::Redis, Phase::Announced, false, broken.as_bytes()),
        (Tie::Valkey, Phase::Introduced, false, b"$ENDOFF:1\r\n"),
        (Tie::Valkey, Phase::Introduced, true, b"+OK\r\n"),
        (Tie::Valkey, Phase::Introduced, false, format!("$ENDOFF:-5 {HISTORY} 0 1\r\n").leak().as_bytes()),
        (Tie::Valkey, Phase::Announced, true, refused),
        (Tie::Valkey, Phase::Begun, true, b"+OK\r\n-ERR too late\r\n"),
        (Tie::Valkey, Phase::Snapshot, true, format!("+OK\r\n+FULLRESYNC {HISTORY} 1\r\n").leak().as_bytes()),
    ];
    thread::scope(|scope| {
        for tie in TIES {
            scope.spawn(move || {
                let mut channels = Channels::new(tie);
                let replica = channels.start_replica(&[]);
                for (_, phase, on_main, answer) in steps.iter().filter(|step| step.0 == tie) {
                    channels.go_to(&replica, *phase);
                    match on_main {
                        true => channels.on_main(|primary| primary.send(answer)),
                        false => channels.primary.send(answer),
                    }
                    assert!(channels.primary.is_left() && channels.on_main(Primary::is_left), "{tie:?}, {phase:?}");
                }
                channels.go_to(&replica, Phase::Snapshot);
                channels.accept_stream();
                wait_for_link(&replica);
            });
        }
    });
}

#[test]
fn no_more_of_the_stream_is_kept_than_is_allowed() {
    const KEPT_MAX: usize = 100_000;
    const KEYS: usize = 200_000;
    let mut channels = Channels::new(Tie::Redis);
    let replica = channels.start_replica(&["--replica-full-sync-buffer-limit", &KEPT_MAX.to_string()]);
    channels.go_to(&replica, Phase::Begun);
    let mut main = channels.main.as_ref().expect("a connection").try_clone().expect("a handle");
    let writer = thread::spawn(move || {
        let stream: Vec<u8> = (0..KEYS).flat_map(set).collect();
        main.write_all(&stream).expect("the replica takes all in the end");
    });
    replica.await_log("Replication buffer limit has been reached (100000 bytes)");
    let kept: usize = field(&replica, "replica_full_sync_buffer_size").parse().expect("a number");
    // What was read at once may reach beyond it.
    assert!((KEPT_MAX..KEPT_MAX + (2 << 20)).contains(&kept), "{kept}");
    channels.finish_snapshot();
    writer.join().expect("all was written");
    wait_until("all was run", || replica.connect().cmd(&["DBSIZE"]) == Reply::Integer(KEYS as i64));
}

#[test]
fn a_replica_that_is_to_follow_nobody_leaves_both_connections() {
    for tie in TIES {
        let mut channels = Channels::new(tie);
        let replica = channels.start_replica(&[]);
        channels.go_to(&replica, Phase::Begun);
        assert_eq!(replica.connect().cmd(&["REPLICAOF", "NO", "ONE"]), Reply::ok());
        assert!(channels.primary.is_left() && channels.on_main(Primary::is_left));
        assert_eq!(replica.connect().cmd(&["SET", "k", "v"]), Reply::ok());
    }
}

/// Writes what has the same digest everywhere, into several databases.
fn write_plainly(port: u16, keys: std::ops::Range<usize>) {
    let mut client = Connection::to(port);
    for number in keys {
        let (key, member) = (format!("{}", number % 500), format!("m{number}"));
        client.cmd(&["SELECT", &(number % 3).to_string()]);
        client.cmd(&["SET", &format!("s{key}"), &member]);
        client.cmd(&["RPUSH", &format!("l{key}"), &member]);
        client.cmd(&["SADD", &format!("t{key}"), &member]);
    }
}

/// Writes go on while the snapshot is on its way.
fn follows_with_two_connections(primary: &Server, arguments: &[&str]) {
    let port = primary.port();
    write_plainly(port, 0..1000);
    let writer = thread::spawn(move || write_plainly(port, 1000..3000));
    let replica = node(arguments);
    follow(&replica, port);
    writer.join().expect("all was written");
    replica.await_log(IN_PARALLEL);
    wait_for_same(&[primary, &replica]);
    assert_eq!(field(primary, "sync_full"), "1");
}

#[test]
fn a_redis_8_sends_the_snapshot_on_a_connection_of_its_own() {
    let Some(redis) = redis_8() else { return };
    for load in ["disabled", "swapdb"] {
        let primary = start(&redis, &["--repl-rdb-channel", "yes", "--repl-diskless-sync", "yes"]);
        follows_with_two_connections(&primary, &["--repl-diskless-load", load]);
    }
}

#[test]
fn a_valkey_sends_the_snapshot_on_a_connection_of_its_own() {
    let Some(valkey) = valkey_9() else { return };
    let two = ["--dual-channel-replication-enabled", "yes"];
    for load in ["disabled", "on-empty-db"] {
        let primary = start(&valkey, &two);
        follows_with_two_connections(&primary, &[&two[..], &["--repl-diskless-load", load]].concat());
    }
}

#[test]
fn one_connection_does_where_two_are_not_wanted() {
    let Some(redis) = redis_8() else { return };
    for (offered, wanted) in [("no", "yes"), ("yes", "no")] {
        let primary = start(&redis, &["--repl-rdb-channel", wanted]);
        let replica = node(&["--repl-rdb-channel", offered]);
        follow(&replica, primary.port());
        assert!(!replica.log().contains(IN_PARALLEL));
    }
}
