//! Replication between real processes: this server and, where it is installed, real Redis on either side.
//!
//! Each test ends with the same data on all nodes, which DEBUG DIGEST tells.

#[path = "replication/channels.rs"]
mod channels;
#[path = "replication/channels_of_primary.rs"]
mod channels_of_primary;
mod common;

use std::ffi::OsStr;
use std::thread;

use common::dataset::redis_8;
use common::replication::*;
use common::{Connection, PATIENCE, Reply, Server, binary, free_port, wait_until};

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
    // A PING that one of them has read and the other not is history that the other lacks when it is promoted.
    let first = node(&["--repl-ping-replica-period", "3600"]);
    let (second, third) = (node(&[]), node(&[]));
    follow(&second, first.port());
    follow(&third, first.port());
    write_everything(&mut first.connect(), 6, 1000);
    // So is the DEL of a key that expires at that moment.
    assert_eq!(first.connect().cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]), Reply::ok());
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
fn a_replica_finds_its_primary_by_name_and_says_how_it_is_reached() {
    let primary = node(&[]);
    let of = format!("localhost {}", primary.port());
    let announced = ["--replica-announce-ip", "replica.example", "--replica-announce-port", "4242"];
    let replica = node(&[&["--replicaof", &of][..], &announced, &["--replica-priority", "7"]].concat());
    wait_for_link(&replica);
    assert!(field(&primary, "slave0").starts_with("ip=replica.example,port=4242,state="));
    assert_eq!((field(&replica, "master_host"), field(&replica, "slave_priority")), ("localhost".into(), "7".into()));
    // Who cannot be found keeps nobody from working, however long it is looked for.
    let lost = node(&["--replicaof", "nobody.invalid 6379"]);
    assert_eq!(lost.connect().cmd(&["REPLICAOF", "localhost", &primary.port().to_string()]), Reply::ok());
    wait_for_link(&lost);
}

#[test]
fn a_primary_without_replicas_forgets_its_past_in_time() {
    let (primary, replica) = (node(&["--repl-backlog-ttl", "1"]), node(&[]));
    follow(&replica, primary.port());
    let id = field(&primary, "master_replid");
    assert_eq!(field(&primary, "repl_backlog_active"), "1");
    assert_eq!(replica.connect().cmd(&["REPLICAOF", "NO", "ONE"]), Reply::ok());
    wait_until("nothing is kept", || field(&primary, "repl_backlog_active") == "0");
    assert_ne!(field(&primary, "master_replid"), id, "nobody may go on in what is not kept");
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

fn both(local: i64, replicas: i64) -> Reply {
    Reply::Array(vec![Reply::Integer(local), Reply::Integer(replicas)])
}

/// One replica keeps a log, the other does not.
fn waitaof_counts_logs(primary: &OsStr, replica: &OsStr) {
    let log = ["--appendonly", "yes", "--appendfsync", "always"];
    let primary = start(primary, &log);
    let (logs, does_not) = (start(replica, &log), start(replica, &[]));
    follow(&logs, primary.port());
    follow(&does_not, primary.port());
    let mut client = primary.connect();
    // Its log is made anew behind the data set.
    wait_until("the log of the replica counts", || {
        client.cmd(&["INCR", "a"]);
        client.cmd(&["WAITAOF", "1", "1", "1000"]) == both(1, 1)
    });
    client.cmd(&["INCR", "a"]);
    assert_eq!(client.cmd(&["WAITAOF", "0", "1", "0"]), both(1, 1));
    client.cmd(&["INCR", "a"]);
    let Reply::Array(counts) = client.cmd(&["WAITAOF", "1", "2", "100"]) else { panic!("two counts") };
    assert_eq!(counts[0], Reply::Integer(1));
    assert_ne!(counts[1], Reply::Integer(2), "the second has no log");
    assert_eq!(client.cmd(&["WAIT", "2", "0"]), Reply::Integer(2), "but it has the data");
    assert_eq!(logs.connect().cmd(&["CONFIG", "SET", "appendfsync", "no"]), Reply::ok());
    client.cmd(&["INCR", "a"]);
    assert_eq!(client.cmd(&["WAITAOF", "1", "1", "100"]), both(1, 0), "nothing has told that it is on the disk");
    assert_eq!(logs.connect().cmd(&["CONFIG", "SET", "appendfsync", "always"]), Reply::ok());
    client.cmd(&["INCR", "a"]);
    assert_eq!(client.cmd(&["WAITAOF", "1", "1", "0"]), both(1, 1));
}

#[test]
fn waitaof_counts_replicas_whose_logs_are_on_the_disk() {
    let ours = binary();
    waitaof_counts_logs(&ours, &ours);
    let Some(redis) = redis_8() else { return };
    waitaof_counts_logs(&ours, &redis);
    waitaof_counts_logs(&redis, &ours);
}

#[test]
fn waitaof_waits_in_no_transaction_and_in_no_script() {
    let (primary, replica) = (node(&["--appendonly", "yes", "--appendfsync", "always"]), node(&[]));
    follow(&replica, primary.port());
    let mut client = primary.connect();
    assert_eq!(client.cmd(&["MULTI"]), Reply::ok());
    for words in [&["INCR", "a"][..], &["WAITAOF", "0", "5", "0"], &["WAIT", "5", "0"]] {
        assert_eq!(client.cmd(words), Reply::Simple("QUEUED".into()));
    }
    let Reply::Array(replies) = client.cmd(&["EXEC"]) else { panic!("three replies") };
    let Reply::Array(counts) = &replies[1] else { panic!("two counts") };
    // Neither waits; what the client wrote before has reached as many as are there.
    let at_once = |count: &Reply| assert!(matches!(count, Reply::Integer(0 | 1)), "{count:?}");
    assert_eq!(counts.len(), 2);
    at_once(&counts[1]);
    at_once(&replies[2]);
    let script = "redis.call('INCR', 'a') return redis.call('WAITAOF', '0', '5', '0')";
    let Reply::Array(counts) = client.cmd(&["EVAL", script, "0"]) else { panic!("two counts") };
    at_once(&counts[1]);
    let script = "return redis.call('WAIT', '5', '0')";
    at_once(&client.cmd(&["EVAL", script, "0"]));
    // Of replicas nobody can ask for that.
    for words in [["0", "0", "0"], ["1", "0", "0"], ["0", "1", "0"]] {
        let error = replica.connect().cmd(&[&["WAITAOF"], &words[..]].concat()).into_error();
        assert!(error.starts_with("ERR WAITAOF cannot be used with replica instances."), "{error}");
    }
}

/// Writes that came after Redis 7.
fn write_what_is_new(primary: &Server) {
    let mut client = primary.connect();
    for line in [
        "DEL h x",
        "HSET h a 1 b 2 c 3 d 4",
        "HPEXPIRE h 1000000 FIELDS 1 a",
        "HPEXPIREAT h 1 FIELDS 1 b",
        "HSETEX h EX 1000 FIELDS 2 e 5 f 6",
        "HGETEX h EX 500 FIELDS 1 c",
        "HGETDEL h FIELDS 1 d",
        "HSET gone a 1",
        "HEXPIRE gone 0 FIELDS 1 a",
        "XADD x 1-1 a b",
        "XADD x 2-1 a b",
        "XGROUP CREATE x g 0",
        "XREADGROUP GROUP g c STREAMS x >",
        "XACKDEL x g ACKED IDS 1 1-1",
        "XDELEX x DELREF IDS 1 2-1",
        "SET k v",
        "SADD small a b c",
    ] {
        let reply = client.cmd(&line.split(' ').collect::<Vec<_>>());
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
}

fn with_redis_8(primary: &Server, replica: &Server) {
    write_what_is_new(primary);
    under_load(primary, replica);
    write_what_is_new(primary);
    wait_for_same(&[primary, replica]);
}

#[test]
fn redis_8_follows_this_server() {
    let Some(redis) = redis_8() else { return };
    for (diskless, channel) in [("yes", "yes"), ("yes", "no"), ("no", "no")] {
        let primary = node(&["--repl-diskless-sync", diskless]);
        with_redis_8(&primary, &start(&redis, &["--repl-rdb-channel", channel]));
    }
}

#[test]
fn this_server_follows_redis_8() {
    let Some(redis) = redis_8() else { return };
    for (diskless, channel, load) in [("yes", "yes", "disabled"), ("yes", "no", "swapdb"), ("no", "no", "disabled")] {
        let primary = start(&redis, &["--repl-diskless-sync", diskless, "--repl-rdb-channel", channel]);
        with_redis_8(&primary, &node(&["--repl-diskless-load", load]));
    }
}

#[test]
fn a_script_that_waits_for_its_replica_to_go_sees_it_go() {
    let (primary, replica) = (node(&["--busy-reply-threshold", "10"]), node(&[]));
    follow(&replica, primary.port());
    let (mut caller, mut other) = (primary.connect(), primary.connect());
    let script = "repeat until redis.call('INFO', 'replication'):find('connected_slaves:0', 1, true)";
    caller.send(&["EVAL", script, "0"]);
    wait_until("the server is busy", || matches!(other.cmd(&["PING"]), Reply::Error(text) if text.starts_with("BUSY")));
    assert_eq!(replica.connect().cmd(&["REPLICAOF", "NO", "ONE"]), Reply::ok());
    assert_eq!(caller.read(), Reply::Null);
}

#[test]
fn what_later_versions_have_is_the_same_at_replicas() {
    let (primary, replica) = (node(&[]), node(&[]));
    follow(&replica, primary.port());
    let mut client = primary.connect();
    let commands = [
        "SET s 1 IFNE x EX 1000",
        "SET s 2 IFEQ 1 GET KEEPTTL",
        "SET gone v",
        "DELEX gone IFEQ v",
        "MSETEX 2 m1 a m2 b NX PX 1000000",
        "INCREX s BYINT 40 UBOUND 30 SATURATE EX 500",
        "INCREX f BYFLOAT 0.1",
        "INCREX f BYFLOAT 1e400 UBOUND 9.5 SATURATE",
        "RPUSH l 1 2 3 4 5 6 7",
        "LMOVEM l other LEFT LEFT COUNT 3 OBO",
        "BLMOVEM l other RIGHT LEFT 0 COUNT 2 BULK",
        "LMOVEM other other LEFT RIGHT EXACTLY 2 OBO",
        "ZADD z 1 a 2 b 3 c 4 d 5 e",
        "ZMOVE z y MIN",
        "BZMOVE z y MAX 0 COUNT 2",
        "ZMOVEMEMBER z y NX MEMBERS 2 b none",
        "ZUNIONSTORE u 2 z y AGGREGATE COUNT",
        "GEOADD g 13 38 a 15 37 b 0 0 c",
        "GEOSEARCHSTORE near g BYPOLYGON 3 12 36 12 40 17 37 STOREDIST",
        "HSETEX h NX FNX EX 1000 FIELDS 2 a 1 b 2",
    ];
    for command in commands {
        let reply = client.cmd(&command.split(' ').collect::<Vec<_>>());
        assert!(!matches!(reply, Reply::Error(_)), "{command}: {reply:?}");
    }
    wait_for_same(&[&primary, &replica]);
    let mut copy = replica.connect();
    for key in ["s", "m1", "m2"] {
        let expiry = ["PEXPIRETIME", key];
        assert_eq!(copy.cmd(&expiry), client.cmd(&expiry), "{key}");
    }
}
