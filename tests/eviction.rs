//! Which keys make room when memory is exhausted.

mod common;

use common::dataset::figure;
use common::{Connection, Reply, Server, wait_until};

fn idle_seconds(client: &mut Connection, key: &str) -> i64 {
    match client.cmd(&["OBJECT", "IDLETIME", key]) {
        Reply::Integer(seconds) => seconds,
        other => panic!("no idle time: {other:?}"),
    }
}

#[test]
fn by_last_change_only_writing_a_key_counts_as_using_it() {
    for (policy, counts) in [("allkeys-lrm", false), ("volatile-lrm", false), ("allkeys-lru", true)] {
        let server = Server::start_with(&["--maxmemory-policy", policy]);
        let mut client = server.connect();
        client.cmd(&["SET", "key", "1"]);
        client.cmd(&["RPUSH", "list", "a"]);
        wait_until("time passes", || idle_seconds(&mut client, "key") > 1);
        client.cmd(&["GET", "key"]);
        client.cmd(&["LRANGE", "list", "0", "-1"]);
        // What changes nothing is no change.
        client.cmd(&["LREM", "list", "0", "missing"]);
        for key in ["key", "list"] {
            assert_eq!(idle_seconds(&mut client, key) <= 1, counts, "{policy} {key}");
        }
        client.cmd(&["INCR", "key"]);
        client.cmd(&["RPUSH", "list", "b"]);
        for key in ["key", "list"] {
            assert!(idle_seconds(&mut client, key) <= 1, "{policy} {key}");
        }
    }
}

#[test]
fn by_last_change_what_was_only_read_goes_first() {
    let server = Server::start_with(&["--maxmemory-policy", "allkeys-lrm", "--maxmemory-samples", "64"]);
    let mut client = server.connect();
    for key in 0..50 {
        client.cmd(&["SET", &format!("read:{key}"), &"x".repeat(50_000)]);
        client.cmd(&["SET", &format!("written:{key}"), &"x".repeat(50_000)]);
    }
    wait_until("time passes", || idle_seconds(&mut client, "read:0") > 1);
    for key in 0..50 {
        client.cmd(&["GET", &format!("read:{key}")]);
        client.cmd(&["APPEND", &format!("written:{key}"), "y"]);
    }
    let used = figure(&mut client, "used_memory");
    client.cmd(&["CONFIG", "SET", "maxmemory", &(used - 500_000).to_string()]);
    wait_until("keys go", || client.cmd(&["DBSIZE"]) != Reply::Integer(100));
    client.cmd(&["CONFIG", "SET", "maxmemory", "0"]);
    let Reply::Array(left) = client.cmd(&["KEYS", "written:*"]) else { panic!("no keys") };
    assert_eq!(left.len(), 50, "of those that were written to none has gone");
}

fn bless(client: &mut Connection, key: &str) -> Reply {
    client.cmd(&["BLESS", "SET", key, "NO-EVICT"])
}

#[test]
fn protected_keys_are_not_evicted_and_may_take_a_quarter_more_than_there_is_room_for() {
    for policy in ["allkeys-lru", "allkeys-random", "allkeys-lfu"] {
        let server = Server::start_with(&["--maxmemory-policy", policy]);
        let mut client = server.connect();
        for key in 0..20 {
            client.cmd(&["SET", &format!("free:{key}"), &"x".repeat(100_000)]);
            client.cmd(&["SET", &format!("kept:{key}"), &"x".repeat(100_000)]);
            assert_eq!(bless(&mut client, &format!("kept:{key}")), Reply::Integer(1));
        }
        let used = figure(&mut client, "used_memory");
        client.cmd(&["CONFIG", "SET", "maxmemory", &(used - 1_500_000).to_string()]);
        for key in 0..10 {
            assert_eq!(client.cmd(&["SET", &format!("more:{key}"), &"x".repeat(100_000)]), Reply::ok(), "{policy}");
        }
        let count = |client: &mut Connection, pattern: &str| match client.cmd(&["KEYS", pattern]) {
            Reply::Array(keys) => keys.len(),
            other => panic!("no keys: {other:?}"),
        };
        assert_eq!(count(&mut client, "kept:*"), 20, "{policy}");
        assert!(count(&mut client, "*") < 40, "{policy}");
        // Now nothing but protected keys is left, and soon there is no room for more of them.
        let error = loop {
            match client.cmd(&["APPEND", "kept:0", &"x".repeat(20_000)]) {
                Reply::Integer(_) => {}
                other => break other,
            }
        };
        assert!(error.into_error().starts_with("OOM "), "{policy}");
        let limit = client.cmd(&["CONFIG", "GET", "maxmemory"]);
        let Reply::Array(limit) = limit else { panic!("no limit") };
        let limit: i64 = limit[1].text().parse().unwrap();
        assert!(figure(&mut client, "used_memory") > limit / 100 * 115, "{policy}");
        assert_eq!(client.cmd(&["BLESS", "CLEAR", "kept:0", "NO-EVICT"]), Reply::Integer(1), "needs no room");
    }
}

#[test]
fn protection_belongs_to_the_name_and_ends_with_the_key() {
    let server = Server::start_with(&["--notify-keyspace-events", "Eg"]);
    let mut client = server.connect();
    let protected =
        |client: &mut Connection, key: &str| client.cmd(&["BLESS", "GET", key]) == Reply::bulks(&["NO-EVICT"]);
    assert_eq!(bless(&mut client, "key"), Reply::error("ERR no such key"));
    assert_eq!(client.cmd(&["BLESS", "GET", "key"]), Reply::error("ERR no such key"));
    client.cmd(&["SET", "key", "1"]);
    assert_eq!(client.cmd(&["BLESS", "GET", "key"]), Reply::Array(vec![]));
    assert_eq!(client.cmd(&["BLESS", "SET", "key", "NO-DELETE"]), Reply::error("ERR syntax error"));
    assert_eq!(bless(&mut client, "key"), Reply::Integer(1));
    assert_eq!(bless(&mut client, "key"), Reply::Integer(0));
    client.cmd(&["SET", "key", "another"]);
    client.cmd(&["LPUSH", "list", "a"]);
    client.cmd(&["SORT", "list", "ALPHA", "STORE", "key"]);
    assert!(protected(&mut client, "key"), "whatever its value");
    let Reply::Bulk(payload) = client.cmd(&["DUMP", "key"]) else { panic!("no payload") };
    client.cmd(&[b"RESTORE".as_slice(), b"key", b"0", &payload, b"REPLACE"]);
    assert!(protected(&mut client, "key"), "RESTORE REPLACE keeps it");
    client.cmd(&[b"RESTORE".as_slice(), b"other", b"0", &payload]);
    client.cmd(&["COPY", "key", "copy"]);
    assert!(!protected(&mut client, "other") && !protected(&mut client, "copy"));
    client.cmd(&["RENAME", "key", "renamed"]);
    assert!(protected(&mut client, "renamed"));
    client.cmd(&["MOVE", "renamed", "1"]);
    client.cmd(&["SELECT", "1"]);
    assert!(protected(&mut client, "renamed"));
    client.cmd(&["DEL", "renamed"]);
    client.cmd(&["SET", "renamed", "again"]);
    assert!(!protected(&mut client, "renamed"));
    assert!(client.cmd(&["INFO", "memory"]).text().contains("\r\nblessed_keys:0\r\n"));
}

#[test]
fn a_walk_over_protected_keys_passes_all_of_them() {
    let server = Server::start();
    let mut client = server.connect();
    for key in 0..100 {
        client.cmd(&["SET", &format!("key:{key}"), "1"]);
        bless(&mut client, &format!("key:{key}"));
        client.cmd(&["SET", &format!("other:{key}"), "1"]);
    }
    let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let Reply::Array(parts) = client.cmd(&["BLESS", "SCAN", &cursor, "NO-EVICT", "COUNT", "7"]) else { panic!() };
        let Reply::Array(keys) = &parts[1] else { panic!("no keys") };
        seen.extend(keys.iter().map(Reply::text));
        cursor = parts[0].text();
        if cursor == "0" {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 100);
    assert!(seen.iter().all(|key| key.starts_with("key:")));
    for line in ["0", "0 NO-EVICT COUNT", "0 NO-EVICT COUNT 0", "0 OTHER", "0 NO-EVICT LIMIT 1"] {
        let words: Vec<&str> = ["BLESS", "SCAN"].into_iter().chain(line.split(' ')).collect();
        assert!(client.cmd(&words).into_error().starts_with("ERR "), "{line}");
    }
}

#[test]
fn protection_is_kept_in_snapshots_logs_and_replicas() {
    let keep = ["--appendonly", "yes", "--enable-debug-command", "yes", "--aof-use-rdb-preamble", "no"];
    let primary = Server::start_with(&keep);
    let replica = Server::start_with(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
    let (mut client, mut at_replica) = (primary.connect(), replica.connect());
    let keys = |client: &mut Connection| match client.cmd(&["BLESS", "SCAN", "0", "NO-EVICT"]) {
        Reply::Array(parts) => parts[1].clone(),
        // A replica that loads.
        other => other,
    };
    client.cmd(&["MSET", "kept", "1", "cleared", "2", "free", "3"]);
    bless(&mut client, "kept");
    bless(&mut client, "cleared");
    wait_until("it is there", || matches!(keys(&mut at_replica), Reply::Array(keys) if keys.len() == 2));
    client.cmd(&["BLESS", "CLEAR", "cleared", "NO-EVICT"]);
    let expected = Reply::bulks(&["kept"]);
    wait_until("the replica has the same", || keys(&mut at_replica) == expected);
    assert_eq!(client.cmd(&["DEBUG", "RELOAD"]), Reply::ok());
    assert_eq!(keys(&mut client), expected, "from a snapshot");
    assert_eq!(client.cmd(&["DEBUG", "LOADAOF"]), Reply::ok());
    assert_eq!(keys(&mut client), expected, "from the log");
    client.cmd(&["BGREWRITEAOF"]);
    wait_until("it is rewritten", || client.cmd(&["INFO", "persistence"]).text().contains("aof_rewrite_in_progress:0"));
    assert_eq!(client.cmd(&["DEBUG", "LOADAOF"]), Reply::ok());
    assert_eq!(keys(&mut client), expected, "from the rewritten log");
    client.cmd(&["FLUSHALL"]);
    assert_eq!(keys(&mut client), Reply::Array(vec![]));
}
