//! Keys of any type: deleting, renaming, copying, moving, scanning; whole databases; OBJECT and DEBUG.

mod common;

use std::collections::HashSet;

use common::{Connection, Reply, Server};

fn integer(value: i64) -> Reply {
    Reply::Integer(value)
}

/// A server with DEBUG.
fn debuggable() -> Server {
    Server::start_with(&["--enable-debug-command", "yes"])
}

/// The elements of an array of bulk strings.
fn texts(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Array(items) => items.iter().map(Reply::text).collect(),
        other => panic!("no array: {other:?}"),
    }
}

/// One step of SCAN: the next cursor and the keys.
fn scan(client: &mut Connection, cursor: &str, options: &[&str]) -> (String, Vec<String>) {
    let words = [&["SCAN", cursor], options].concat();
    match client.cmd(&words) {
        Reply::Array(parts) if parts.len() == 2 => (parts[0].text(), texts(&parts[1])),
        other => panic!("no reply to SCAN: {other:?}"),
    }
}

#[test]
fn del_and_exists_count_keys_that_are_there() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["MSET", "a", "1", "b", "2"]);
    assert_eq!(client.cmd(&["EXISTS", "a", "a", "x"]), integer(2));
    assert_eq!(client.cmd(&["DEL", "a", "a", "x"]), integer(1));
    assert_eq!(client.cmd(&["UNLINK", "b"]), integer(1));
    assert_eq!(client.cmd(&["DBSIZE"]), integer(0));
    assert_eq!(client.cmd(&["TYPE", "a"]), Reply::Simple("none".into()));
}

#[test]
fn rename_takes_the_expiry_along_and_replaces_the_target() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["SET", "from", "value"]);
    client.cmd(&["PEXPIREAT", "from", "99999999999999"]);
    client.cmd(&["SET", "to", "other"]);
    assert_eq!(client.cmd(&["RENAMENX", "from", "to"]), integer(0));
    assert_eq!(client.cmd(&["RENAME", "from", "to"]), Reply::ok());
    assert_eq!(client.cmd(&["GET", "to"]), Reply::bulk("value"));
    assert_eq!(client.cmd(&["PEXPIRETIME", "to"]), integer(99_999_999_999_999));
    assert_eq!(client.cmd(&["RENAME", "from", "to"]), Reply::error("ERR no such key"));
    assert_eq!(client.cmd(&["RENAME", "to", "to"]), Reply::ok());
}

#[test]
fn copy_leaves_an_independent_value() {
    let server = Server::start();
    let mut client = server.connect();
    let long = "x".repeat(100_000);
    client.cmd(&["SET", "source", &long]);
    assert_eq!(client.cmd(&["COPY", "source", "copy"]), integer(1));
    assert_eq!(client.cmd(&["APPEND", "source", "y"]), integer(100_001));
    assert_eq!(client.cmd(&["STRLEN", "copy"]), integer(100_000));
    assert_eq!(client.cmd(&["COPY", "source", "copy"]), integer(0));
    assert_eq!(client.cmd(&["COPY", "source", "copy", "REPLACE"]), integer(1));
    assert_eq!(client.cmd(&["COPY", "source", "source", "DB", "3"]), integer(1));
    client.cmd(&["SELECT", "3"]);
    assert_eq!(client.cmd(&["STRLEN", "source"]), integer(100_001));
    assert_eq!(client.cmd(&["COPY", "source", "x", "DB", "16"]), Reply::error("ERR DB index is out of range"));
}

#[test]
fn subcommands_in_a_pipeline_are_told_apart() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["SET", "k", "v"]);
    let requests: &[&[&str]] = &[
        &["OBJECT", "REFCOUNT", "k"],
        &["OBJECT", "ENCODING", "k"],
        &["OBJECT", "FREQ"],
        &["OBJECT", "ENCODING", "k"],
        &["OBJECT", "NOTHING"],
    ];
    let bytes: Vec<u8> = requests.iter().flat_map(|words| common::encode(words)).collect();
    client.raw(&bytes);
    assert_eq!(client.read(), integer(1));
    assert_eq!(client.read(), Reply::bulk("embstr"));
    assert_eq!(client.read(), Reply::error("ERR wrong number of arguments for 'object|freq' command"));
    assert_eq!(client.read(), Reply::bulk("embstr"));
    assert_eq!(client.read(), Reply::error("ERR unknown subcommand 'NOTHING'. Try OBJECT HELP."));
}

#[test]
fn select_says_what_no_number_of_a_database_is() {
    let server = Server::start();
    let mut client = server.connect();
    let range = "ERR value is out of range, value must between -2147483648 and 2147483647";
    let cases = [
        ("", "ERR value is not an integer or out of range"),
        ("9223372036854775808", "ERR value is not an integer or out of range"),
        ("2147483648", range),
        ("16", "ERR DB index is out of range"),
        ("-1", "ERR DB index is out of range"),
    ];
    for (number, error) in cases {
        assert_eq!(client.cmd(&["SELECT", number]), Reply::error(error), "{number:?}");
    }
}

#[test]
fn move_and_swapdb_change_databases() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["SET", "key", "value"]);
    assert_eq!(client.cmd(&["MOVE", "key", "1"]), integer(1));
    assert_eq!(client.cmd(&["MOVE", "key", "1"]), integer(0));
    assert_eq!(client.cmd(&["SWAPDB", "0", "1"]), Reply::ok());
    assert_eq!(client.cmd(&["GET", "key"]), Reply::bulk("value"));
    client.cmd(&["SELECT", "1"]);
    assert_eq!(client.cmd(&["DBSIZE"]), integer(0));
    assert_eq!(client.cmd(&["SWAPDB", "0", "x"]), Reply::error("ERR invalid second DB index"));
}

#[test]
fn scan_returns_what_stays_while_the_table_grows_and_shrinks() {
    let server = debuggable();
    let mut client = server.connect();
    client.cmd(&["DEBUG", "POPULATE", "5000", "stays"]);
    let (mut cursor, mut seen, mut step) = ("0".to_owned(), HashSet::new(), 0);
    loop {
        let (next, keys) = scan(&mut client, &cursor, &["MATCH", "stays:*", "COUNT", "50"]);
        seen.extend(keys);
        match step {
            10 => drop(client.cmd(&["DEBUG", "POPULATE", "50000", "goes"])),
            40 => {
                let goes = client.cmd(&["KEYS", "goes:*"]);
                let words: Vec<String> = std::iter::once("DEL".to_owned()).chain(texts(&goes)).collect();
                assert_eq!(client.cmd(&words), integer(50_000));
            }
            _ => {}
        }
        step += 1;
        cursor = next;
        if cursor == "0" {
            break;
        }
    }
    assert!(step > 40, "{step} steps");
    assert_eq!(seen.len(), 5000);
}

#[test]
fn scan_filters_by_type_and_knows_its_syntax() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["MSET", "", "empty", "a", "1"]);
    let all = &["MATCH", "*", "TYPE", "STRING", "COUNT", "100"];
    assert_eq!(scan(&mut client, "0", all).1.len(), 2);
    assert_eq!(scan(&mut client, "0", &["TYPE", "no-type", "COUNT", "100"]).1.len(), 0);
    assert_eq!(client.cmd(&["SCAN", "x"]), Reply::error("ERR invalid cursor"));
    assert_eq!(client.cmd(&["SCAN", "0", "COUNT", "0"]), Reply::error("ERR syntax error"));
    assert_eq!(client.cmd(&["SCAN", "0", "MATCH"]), Reply::error("ERR syntax error"));
    assert_eq!(texts(&client.cmd(&["KEYS", "*"])).len(), 2);
}

#[test]
fn flushing_swapping_and_moving_fail_transactions_that_watch_the_keys() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    let mut survives = |before: &[&str], change: &[&str]| {
        other.cmd(&["FLUSHALL"]);
        if !before.is_empty() {
            other.cmd(before);
        }
        client.cmd(&["WATCH", "key"]);
        other.cmd(change);
        client.cmd(&["MULTI"]);
        client.cmd(&["PING"]);
        client.cmd(&["EXEC"]) != Reply::NullArray
    };
    let set = &["SET", "key", "value"];
    assert!(!survives(set, &["FLUSHDB"]));
    assert!(!survives(set, &["FLUSHALL", "ASYNC"]));
    assert!(survives(&["SET", "unrelated", "value"], &["FLUSHALL"]));
    assert!(!survives(set, &["SWAPDB", "0", "1"]));
    assert!(survives(&["SET", "unrelated", "value"], &["SWAPDB", "0", "1"]));
    assert!(!survives(set, &["RENAME", "key", "x"]));
    assert!(!survives(&["SET", "x", "value"], &["COPY", "x", "key"]));
    assert!(!survives(set, &["MOVE", "key", "1"]));
    assert!(!survives(set, &["EXPIRE", "key", "100"]));
    assert!(survives(set, &["PERSIST", "key"]));
    assert!(survives(set, &["DEL", "unrelated"]));
}

#[test]
fn a_key_that_had_expired_before_watch_may_go_unnoticed() {
    let server = debuggable();
    let (mut client, mut other) = (server.connect(), server.connect());
    other.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let mut survives = |change: &[&str]| {
        other.cmd(&["FLUSHALL"]);
        other.cmd(&["PSETEX", "key", "1", "value"]);
        other.cmd(&["DEBUG", "SLEEP", "0.003"]);
        client.cmd(&["WATCH", "key"]);
        other.cmd(change);
        client.cmd(&["MULTI"]);
        client.cmd(&["PING"]);
        client.cmd(&["EXEC"]) != Reply::NullArray
    };
    assert!(survives(&["DEL", "key"]));
    assert!(survives(&["FLUSHALL"]));
    assert!(survives(&["SWAPDB", "0", "1"]));
    assert!(survives(&["GET", "key"]));
    assert!(!survives(&["SET", "key", "new"]));
}

#[test]
fn object_tells_encoding_and_idle_time_without_using_the_key() {
    let server = Server::start();
    let mut client = server.connect();
    let long = "x".repeat(45);
    client.cmd(&["MSET", "int", "12", "short", "x", "long", &long]);
    for (key, encoding) in [("int", "int"), ("short", "embstr"), ("long", "raw")] {
        assert_eq!(client.cmd(&["OBJECT", "ENCODING", key]), Reply::bulk(encoding));
    }
    assert_eq!(client.cmd(&["OBJECT", "ENCODING", "missing"]), Reply::Null);
    assert_eq!(client.cmd(&["OBJECT", "IDLETIME", "int"]), integer(0));
    assert!(client.cmd(&["OBJECT", "FREQ", "int"]).text().starts_with("ERR An LFU maxmemory policy is not selected"));
    assert!(client.cmd(&["OBJECT", "NONSENSE", "int"]).text().contains("unknown subcommand"));
}

#[test]
fn debug_digest_is_that_of_redis() {
    let server = debuggable();
    let mut client = server.connect();
    let digest = |client: &mut Connection| client.cmd(&["DEBUG", "DIGEST"]).text();
    assert_eq!(digest(&mut client), "0".repeat(40));
    client.cmd(&["MSET", "a", "1", "b", "hello"]);
    client.cmd(&["EXPIRE", "b", "1000"]);
    client.cmd(&["COPY", "a", "c", "DB", "5"]);
    // As a Redis 7.0.15 says of the same data.
    assert_eq!(digest(&mut client), "94a56eac0b8fa63fadc1c1c9edae72da9db08352");
}

#[test]
fn debug_object_shows_that_a_value_changes_in_place() {
    let server = debuggable();
    let mut client = server.connect();
    client.cmd(&["SET", "key", "20000"]);
    let before = client.cmd(&["DEBUG", "OBJECT", "key"]).text();
    client.cmd(&["INCR", "key"]);
    let after = client.cmd(&["DEBUG", "OBJECT", "key"]).text();
    assert_eq!(before.split(' ').nth(1), after.split(' ').nth(1));
    assert!(after.contains("encoding:int serializedlength:3 lru:"), "{after}");
}

#[test]
fn debug_needs_to_be_enabled() {
    let server = Server::start_with(&["--enable-debug-command", "no"]);
    assert!(server.connect().cmd(&["DEBUG", "SLEEP", "0"]).text().starts_with("ERR DEBUG command not allowed."));
}

#[test]
fn a_huge_string_is_freed_beside_the_loop() {
    let server = Server::start();
    let mut client = server.connect();
    let freed = |client: &mut Connection| common::dataset::info(client, "lazyfreed_objects");
    client.cmd(&[b"SET", &b"key"[..], &vec![b'x'; 2 << 20]]);
    client.cmd(&["UNLINK", "key"]);
    common::wait_until("it is freed", || freed(&mut client) == "1");
    client.cmd(&["SET", "key", "small"]);
    client.cmd(&["UNLINK", "key"]);
    assert_eq!(freed(&mut client), "1");
}

#[test]
fn cursors_are_no_larger_than_what_is_scanned() {
    const ITEMS: u64 = 3000;
    let server = Server::start();
    let mut client = server.connect();
    for database in ["0", "3"] {
        client.cmd(&["SELECT", database]);
        let fill = "for i = 1, ARGV[1] do redis.call('set', 'k' .. i, i) redis.call('hset', 'hash', 'f' .. i, i) \
                    redis.call('sadd', 'set', 'm' .. i) redis.call('zadd', 'sorted', i, 'm' .. i) end";
        client.cmd(&["EVAL", fill, "0", &ITEMS.to_string()]);
        // As scripts do that make numbers of their cursors.
        let walk = "local cursor, steps = 0, 0 repeat local step = redis.call(unpack(ARGV), tostring(cursor)) \
                    cursor, steps = tonumber(step[1]), steps + #step[2] \
                    if cursor > 4096 then return 'too large: ' .. cursor end until cursor == 0 return steps";
        for (words, found) in [
            (&["scan"][..], ITEMS + 3),
            (&["hscan", "hash"], 2 * ITEMS),
            (&["sscan", "set"], ITEMS),
            (&["zscan", "sorted"], 2 * ITEMS),
        ] {
            let walk = walk.replace("unpack(ARGV)", if words.len() == 1 { "ARGV[1]" } else { "ARGV[1], ARGV[2]" });
            let reply = client.cmd(&[&["EVAL", &walk, "0"], words].concat());
            assert_eq!(reply, Reply::Integer(found as i64), "{words:?}");
            for made_up in ["1", "4097", "2147483648", "281474976710655", "9223372036854775808", "18446744073709551615"]
            {
                let step = client.cmd(&[words, &[made_up]].concat());
                assert!(matches!(&step, Reply::Array(parts) if parts.len() == 2), "{words:?} {made_up}: {step:?}");
            }
        }
    }
}

#[test]
fn a_client_that_touches_nothing_still_may_touch_keys() {
    let server =
        Server::start_with(&["--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0", "--lfu-decay-time", "0"]);
    let mut client = server.connect();
    client.cmd(&["SET", "k", "v"]);
    let mut uses = |words: &[&str]| {
        client.cmd(words);
        client.cmd(&["OBJECT", "FREQ", "k"])
    };
    assert_eq!(uses(&["GET", "k"]), integer(6));
    assert_eq!(uses(&["CLIENT", "NO-TOUCH", "ON"]), integer(6));
    assert_eq!(uses(&["GET", "k"]), integer(6));
    assert_eq!(uses(&["TOUCH", "k", "missing"]), integer(7));
    assert_eq!(uses(&["EVAL", "return redis.call('TOUCH', KEYS[1])", "1", "k"]), integer(8));
    assert_eq!(uses(&["GET", "k"]), integer(8));
    assert_eq!(uses(&["CLIENT", "NO-TOUCH", "OFF"]), integer(8));
    assert_eq!(uses(&["GET", "k"]), integer(9));
}
