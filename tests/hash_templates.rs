//! Hashes that share the names of their fields: what needs a real server, connections, replicas, logs and files.

mod common;

use common::dataset::info;
use common::replication::{follow, node, wait_for_link, wait_for_same};
use common::{Connection, Reply, Server, run, wait_until};

fn encoding(client: &mut Connection, key: &str) -> String {
    run(client, &format!("OBJECT ENCODING {key}")).text()
}

#[test]
fn names_that_a_connection_has_told_are_its_own_and_end_with_reset() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    assert_eq!(run(&mut client, "HIMPORT PREPARE u a b"), Reply::ok());
    assert_eq!(run(&mut other, "HIMPORT SET k u 1 2"), Reply::error("ERR no such fieldset"));
    assert_eq!(run(&mut client, "SELECT 3"), Reply::ok());
    assert_eq!(run(&mut client, "HIMPORT SET k u 1 2"), Reply::ok());
    run(&mut client, "MULTI");
    run(&mut client, "HIMPORT SET l u 1 2");
    run(&mut client, "HIMPORT DISCARDALL");
    assert_eq!(run(&mut client, "EXEC"), Reply::Array(vec![Reply::ok(), Reply::Integer(1)]));
    run(&mut client, "HIMPORT PREPARE u a b");
    run(&mut client, "RESET");
    assert_eq!(run(&mut client, "HIMPORT SET k u 1 2"), Reply::error("ERR no such fieldset"));
    assert_eq!(run(&mut client, "HIMPORT DISCARDALL"), Reply::Integer(0));
}

#[test]
fn names_that_a_script_tells_end_with_its_run() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "HIMPORT PREPARE own a b");
    let eval = |client: &mut Connection, script: &str| client.cmd(&["EVAL", script, "1", "k"]);
    assert_eq!(eval(&mut client, "return redis.call('HIMPORT', 'PREPARE', 'u', 'a')"), Reply::ok());
    for set in ["'u', '1'", "'own', '1', '2'"] {
        let script = format!("return redis.pcall('HIMPORT', 'SET', KEYS[1], {set})");
        assert_eq!(eval(&mut client, &script), Reply::error("ERR no such fieldset"), "{set}");
    }
    let both = "redis.call('HIMPORT', 'PREPARE', 'u', 'a') return redis.call('HIMPORT', 'SET', KEYS[1], 'u', '1')";
    assert_eq!(eval(&mut client, both), Reply::ok());
    assert_eq!(run(&mut client, "HGETALL k"), Reply::bulks(&["a", "1"]));
    assert_eq!(run(&mut client, "HIMPORT SET k own 3 4"), Reply::ok());
    assert_eq!(run(&mut client, "HIMPORT DISCARDALL"), Reply::Integer(1));
}

#[test]
fn templates_are_counted_and_end_with_the_last_who_has_them() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    let figures = |client: &mut Connection| {
        (info(client, "hash_templates"), info(client, "hash_template_keys"), info(client, "used_memory_hash_templates"))
    };
    let none = ("0".to_owned(), "0".to_owned(), "0".to_owned());
    assert_eq!(figures(&mut other), none);
    let memory = |other: &mut Connection| {
        let list = run(other, "CLIENT LIST").text();
        let line = list.lines().find(|line| line.contains("name=importer")).expect("the client").to_owned();
        let (_, after) = line.split_once("tot-mem=").expect("its memory");
        after.split(' ').next().and_then(|bytes| bytes.parse::<usize>().ok()).expect("a number")
    };
    run(&mut client, "CLIENT SETNAME importer");
    let before = memory(&mut other);
    let long = "n".repeat(5000);
    run(&mut client, &format!("HIMPORT PREPARE u a b {long}"));
    run(&mut client, &format!("HIMPORT PREPARE v b {long} a"));
    assert!(memory(&mut other) >= before + 10_000, "what a connection has prepared is part of its memory");
    let (templates, keys, bytes) = figures(&mut other);
    assert_eq!((templates.as_str(), keys.as_str()), ("1", "0"));
    assert!(bytes.parse::<usize>().is_ok_and(|bytes| bytes > 5000));
    let Reply::Array(stats) = run(&mut other, "MEMORY STATS") else { panic!("no figures") };
    let place = stats.iter().position(|name| *name == Reply::bulk("hash.templates")).expect("the figure");
    assert_eq!(stats[place + 1], Reply::Integer(bytes.parse().expect("a number")));
    for number in 0..100 {
        assert_eq!(run(&mut client, &format!("HIMPORT SET k{number} u 1 2 3")), Reply::ok());
        assert_eq!(run(&mut client, &format!("HIMPORT SET l{number} v 1 2 3")), Reply::ok());
    }
    assert_eq!(info(&mut other, "hash_template_keys"), "200");
    let Reply::Integer(usage) = run(&mut other, "MEMORY USAGE k1") else { panic!("no number") };
    assert!(usage < 150, "a key has its values alone: {usage}");
    run(&mut other, "DEL k1");
    run(&mut other, "HSET k2 new field");
    run(&mut other, "COPY k3 copied");
    run(&mut other, "SET k4 string");
    assert_eq!(info(&mut other, "hash_template_keys"), "198");
    drop(client);
    run(&mut other, "FLUSHALL ASYNC");
    wait_until("nothing is left of them", || figures(&mut other) == none);
}

#[test]
fn replicas_and_the_log_are_told_of_hashes_like_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().to_str().expect("a name").to_owned();
    let log = ["--enable-debug-command", "yes", "--appendonly", "yes", "--dir", &name];
    let primary = node(&log);
    let replica = node(&["--enable-debug-command", "yes", "--hash-min-template-entries", "2"]);
    let (mut client, mut reader) = (primary.connect(), replica.connect());
    run(&mut client, "HIMPORT PREPARE u name age");
    run(&mut client, "HIMPORT SET before u x 1");
    follow(&replica, primary.port());
    wait_for_link(&replica);
    run(&mut client, "SET k string");
    run(&mut client, "HIMPORT SET k u alice 30");
    run(&mut client, "HSET k age 31");
    run(&mut client, "HIMPORT SET k u bob 25");
    wait_for_same(&[&primary, &replica]);
    assert_eq!(run(&mut reader, "HGETALL k"), run(&mut client, "HGETALL k"));
    assert_eq!(encoding(&mut reader, "k"), "template-listpack");
    let digest = run(&mut client, "DEBUG DIGEST");
    drop((client, primary));
    let server = Server::start_with(&log);
    let mut client = server.connect();
    assert_eq!(run(&mut client, "DEBUG DIGEST"), digest);
    assert_eq!(encoding(&mut client, "k"), "listpack");
    run(&mut client, "HIMPORT PREPARE u name age");
    run(&mut client, "HIMPORT SET k u carol 50");
    let digest = run(&mut client, "DEBUG DIGEST");
    for preamble in ["no", "yes"] {
        run(&mut client, &format!("CONFIG SET aof-use-rdb-preamble {preamble}"));
        run(&mut client, "BGREWRITEAOF");
        wait_until("the log is rewritten", || info(&mut client, "aof_rewrite_in_progress") == "0");
        assert_eq!(run(&mut client, "DEBUG LOADAOF"), Reply::ok());
        assert_eq!(run(&mut client, "DEBUG DIGEST"), digest);
    }
}

#[test]
fn a_snapshot_is_one_that_all_can_read_and_names_are_shared_again_where_that_is_wanted() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    run(&mut client, "HIMPORT PREPARE u name age");
    for number in 0..10 {
        run(&mut client, &format!("HIMPORT SET k{number} u x {number}"));
    }
    run(&mut client, "HSET other a 1 b 2 c 3");
    let digest = run(&mut client, "DEBUG DIGEST");
    let payload = run(&mut client, "DUMP k1");
    run(&mut client, "HSET plain age 1 name x");
    let mut restored = |least: &str, threshold: &str| {
        run(&mut client, &format!("CONFIG SET hash-rdb-load-min-template-entries {least}"));
        run(&mut client, &format!("CONFIG SET hash-rdb-load-template-disassembly-threshold {threshold}"));
        run(&mut client, "DEL plain");
        assert_eq!(run(&mut client, "DEBUG RELOAD"), Reply::ok());
        assert_eq!(run(&mut client, "DEBUG DIGEST"), digest);
        ["k1", "other"].map(|key| encoding(&mut client, key))
    };
    assert_eq!(restored("0", "0"), ["listpack", "listpack"]);
    assert_eq!(restored("2", "0"), ["template-listpack", "template-listpack"]);
    assert_eq!(restored("3", "0"), ["listpack", "template-listpack"]);
    assert_eq!(restored("2", "10"), ["template-listpack", "listpack"]);
    assert_eq!(restored("2", "11"), ["listpack", "listpack"]);
    let Reply::Bulk(payload) = payload else { panic!("no payload") };
    assert_eq!(client.cmd(&[&b"RESTORE"[..], b"back", b"0", &payload]), Reply::ok());
    assert_eq!(run(&mut client, "HGETALL back"), run(&mut client, "HGETALL k1"));
}

#[test]
fn users_may_prepare_and_set_what_their_rights_let_them() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "ACL SETUSER importer on nopass +@hash ~a:*");
    run(&mut client, "ACL SETUSER reader on nopass +@read +himport|prepare ~*");
    run(&mut client, "AUTH importer x");
    assert_eq!(run(&mut client, "HIMPORT PREPARE u a"), Reply::ok());
    assert_eq!(run(&mut client, "HIMPORT SET a:1 u 1"), Reply::ok());
    assert!(run(&mut client, "HIMPORT SET b:1 u 1").into_error().starts_with("NOPERM"));
    run(&mut client, "AUTH reader x");
    assert_eq!(run(&mut client, "HIMPORT PREPARE v a"), Reply::ok());
    assert!(run(&mut client, "HIMPORT SET a:1 v 1").into_error().starts_with("NOPERM"));
}

#[test]
fn subscribers_and_watchers_are_told_of_a_hash_that_was_set() {
    let server = Server::start_with(&["--notify-keyspace-events", "EAn"]);
    let (mut client, mut subscriber) = (server.connect(), server.connect());
    run(&mut subscriber, "PSUBSCRIBE __keyevent@*");
    run(&mut client, "HIMPORT PREPARE u a");
    run(&mut client, "WATCH k");
    run(&mut client, "HIMPORT SET k u 1");
    for event in ["new", "hset"] {
        let message = ["pmessage", "__keyevent@*", &format!("__keyevent@0__:{event}"), "k"];
        assert_eq!(subscriber.read(), Reply::bulks(&message));
    }
    run(&mut client, "MULTI");
    assert_eq!(run(&mut client, "EXEC"), Reply::NullArray);
}
