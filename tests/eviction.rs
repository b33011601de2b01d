//! Which keys make room when memory is exhausted.

mod common;

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
    let info = client.cmd(&["INFO", "memory"]).text();
    let used: usize = info.split("used_memory:").nth(1).and_then(|text| text.lines().next()).unwrap().parse().unwrap();
    client.cmd(&["CONFIG", "SET", "maxmemory", &(used - 500_000).to_string()]);
    wait_until("keys go", || client.cmd(&["DBSIZE"]) != Reply::Integer(100));
    client.cmd(&["CONFIG", "SET", "maxmemory", "0"]);
    let Reply::Array(left) = client.cmd(&["KEYS", "written:*"]) else { panic!("no keys") };
    assert_eq!(left.len(), 50, "of those that were written to none has gone");
}
