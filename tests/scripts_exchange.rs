//! Scripts and functions between Oxidis and real Redis: payloads of functions, files with functions in them, and what
//! scripts do at a replica.
//!
//! The exchange needs a redis-server 7.0.x in PATH (or named by OXIDIS_DIFFERENTIAL_REDIS), and one of 8.x named by
//! OXIDIS_REDIS8; without them it says so and tests nothing.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use common::dataset::{redis_7, redis_8};
use common::replication::{follow, node, start, wait_for_same};
use common::{Connection, PATIENCE, Reply, Server, binary, wait_until};

/// Libraries with all that can be said of functions, short and long (which payloads compress), and bytes of all kinds.
fn sources() -> [String; 4] {
    [
        "#!lua name=plain\nredis.register_function('put', function(keys, args) return redis.call('SET', keys[1], args[1]) end)"
            .into(),
        "#!lua name=full\nredis.register_function{function_name='peek', callback=function(keys) return redis.call('GET', \
         keys[1]) end, flags={'no-writes', 'allow-stale'}, description='läßt alles, wie es ist'}\n\
         redis.register_function{function_name='bump', callback=function(keys) return redis.call('INCR', keys[1]) end, \
         flags={'allow-oom'}}"
            .into(),
        format!("#!lua name=long\n{}\nredis.register_function('sum', function(_, args) local n = 0 for _, x in ipairs(args) do \
                 n = n + x end return n end)", "-- the same line again and again\n".repeat(2000)),
        "#!LUA name=odd_1\nlocal one = 1\r\nlocal text = '\u{0}\u{1}\t\u{7f}é€𝄞'\nredis.register_function('odd', function() return text end)".into(),
    ]
}

/// What FUNCTION LIST says, in an order of our own.
fn libraries(client: &mut Connection) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let Reply::Array(list) = client.cmd(&["FUNCTION", "LIST", "WITHCODE"]) else { panic!("no list") };
    let described = |library: &Reply| {
        let Reply::Array(fields) = library else { panic!("{library:?}") };
        let value = |name: &str| {
            let at = fields.iter().step_by(2).position(|field| field.text() == name);
            &fields[2 * at.unwrap_or_else(|| panic!("no {name}")) + 1]
        };
        let Reply::Array(functions) = value("functions") else { panic!("no functions") };
        let functions = functions.iter().map(|function| match function {
            Reply::Array(parts) => {
                let Reply::Array(flags) = &parts[5] else { panic!("{parts:?}") };
                let flags: BTreeSet<String> = flags.iter().map(Reply::text).collect();
                format!("{:?} {:?} {flags:?}", parts[1], parts[3])
            }
            other => panic!("{other:?}"),
        });
        let code = format!("{} {}", value("engine").text(), value("library_code").text());
        (value("library_name").text(), (code, functions.collect()))
    };
    list.iter().map(described).collect()
}

fn load(client: &mut Connection) {
    for source in sources() {
        assert!(matches!(client.cmd(&["FUNCTION", "LOAD", &source]), Reply::Bulk(_)), "{source}");
    }
}

/// The functions do what they did.
fn use_them(client: &mut Connection) {
    assert_eq!(client.cmd(&["FCALL", "put", "1", "key", "41"]), Reply::ok());
    assert_eq!(client.cmd(&["FCALL", "bump", "1", "key"]), Reply::Integer(42));
    assert_eq!(client.cmd(&["FCALL_RO", "peek", "1", "key"]), Reply::bulk("42"));
    assert_eq!(client.cmd(&["FCALL", "sum", "0", "1", "2", "39"]), Reply::Integer(42));
    assert_eq!(client.cmd(&["FCALL", "odd", "0"]), Reply::bulk("\u{0}\u{1}\t\u{7f}é€𝄞"));
    let refused = client.cmd(&["FCALL_RO", "put", "1", "key", "1"]).into_error();
    assert_eq!(refused, "ERR Can not execute a script with write flag using *_ro command.");
}

fn dump(client: &mut Connection) -> Vec<u8> {
    match client.cmd(&["FUNCTION", "DUMP"]) {
        Reply::Bulk(payload) => payload,
        other => panic!("{other:?}"),
    }
}

fn restore(client: &mut Connection, payload: &[u8], policy: &str) -> Reply {
    client.cmd(&[&b"FUNCTION"[..], b"RESTORE", payload, policy.as_bytes()])
}

/// One server dumps, the other restores, under each policy.
fn exchange_payload(from: &OsString, to: &OsString) {
    let (from, to) = (start(from, &[]), start(to, &[]));
    let (mut from, mut to) = (from.connect(), to.connect());
    load(&mut from);
    let payload = dump(&mut from);
    let expected = libraries(&mut from);
    assert_eq!(expected.len(), sources().len());
    assert_eq!(restore(&mut to, &payload, "APPEND"), Reply::ok());
    assert_eq!(libraries(&mut to), expected);
    use_them(&mut to);
    let taken = restore(&mut to, &payload, "APPEND").into_error();
    assert!(taken.starts_with("ERR Library ") && taken.ends_with(" already exists"), "{taken}");
    assert_eq!(restore(&mut to, &payload, "REPLACE"), Reply::ok());
    let more = "#!lua name=more\nredis.register_function('more', function() return 1 end)";
    assert_eq!(to.cmd(&["FUNCTION", "LOAD", more]), Reply::bulk("more"));
    assert_eq!(restore(&mut to, &payload, "FLUSH"), Reply::ok());
    assert_eq!(libraries(&mut to), expected);
    use_them(&mut to);
    // Damaged ones are refused, and leave all as it was.
    for at in [0, payload.len() / 2, payload.len() - 1] {
        let mut damaged = payload.clone();
        damaged[at] ^= 0x10;
        let refused = restore(&mut to, &damaged, "FLUSH").into_error();
        assert_eq!(refused, "ERR DUMP payload version or checksum are wrong");
    }
    assert_eq!(libraries(&mut to), expected);
}

#[test]
fn payloads_of_functions_are_exchanged_with_redis_7() {
    let Some(redis) = redis_7() else { return };
    exchange_payload(&redis, &binary());
    exchange_payload(&binary(), &redis);
}

#[test]
fn payloads_of_functions_are_exchanged_with_redis_8() {
    let Some(redis) = redis_8() else { return };
    exchange_payload(&redis, &binary());
    exchange_payload(&binary(), &redis);
}

/// One server leaves a file, a snapshot or a log, and the other starts from it.
fn exchange_file(from: &OsString, to: &OsString, log: &str, rewritten: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    let arguments = ["--dir", path, "--appendonly", log, "--appendfsync", "always"];
    let expected = {
        let mut server = start(from, &arguments);
        let mut client = server.connect();
        load(&mut client);
        client.cmd(&["SET", "kept", "1"]);
        assert_eq!(
            client.cmd(&["FUNCTION", "LOAD", "#!lua name=gone\nredis.register_function('g', function() end)"]),
            Reply::bulk("gone")
        );
        assert_eq!(client.cmd(&["FUNCTION", "DELETE", "gone"]), Reply::ok());
        assert_eq!(client.cmd(&["FUNCTION", "LOAD", "REPLACE", &sources()[0]]), Reply::bulk("plain"));
        if rewritten {
            assert!(matches!(client.cmd(&["BGREWRITEAOF"]), Reply::Simple(_)));
            let is_done = |client: &mut Connection| {
                let text = client.cmd(&["INFO", "persistence"]).text();
                ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0", "aof_last_bgrewrite_status:ok"]
                    .iter()
                    .all(|line| text.contains(line))
            };
            wait_until("it is rewritten", || is_done(&mut client));
        }
        let expected = libraries(&mut client);
        client.send(&["SHUTDOWN", if log == "no" { "SAVE" } else { "NOSAVE" }]);
        server.exit_within(PATIENCE).expect("it ends");
        expected
    };
    let server = start(to, &arguments);
    let mut client = server.connect();
    wait_until("it is loaded", || client.cmd(&["GET", "kept"]) == Reply::bulk("1"));
    assert_eq!(libraries(&mut client), expected, "{arguments:?}");
    use_them(&mut client);
}

#[test]
fn snapshots_and_logs_with_functions_are_exchanged_with_redis() {
    let Some(redis) = redis_7() else { return };
    for (from, to) in [(&redis, &binary()), (&binary(), &redis)] {
        exchange_file(from, to, "no", false);
        exchange_file(from, to, "yes", false);
        exchange_file(from, to, "yes", true);
    }
}

/// Scripts that change things of all types, now and later, by chance and by the clock, here, there, and nowhere.
const SCRIPTS: &[&str] = &[
    "for i = 1, 200 do redis.call('SET', 's' .. i, ('x'):rep(i)) redis.call('RPUSH', 'l' .. i % 7, i, -i) \
     redis.call('ZADD', 'z' .. i % 5, i / 7, 'm' .. i) redis.call('HSET', 'h' .. i % 3, i, i * i) redis.call('XADD', 'x', '*', 'n', i) end",
    "for i = 1, 100 do redis.call('SADD', 't', i) end for i = 1, 30 do redis.call('SADD', 'taken', redis.call('SPOP', 't')) end",
    "redis.call('SET', 'chance', math.random()) redis.call('SET', 'member', redis.call('SRANDMEMBER', 't'))",
    "local t = redis.call('TIME') redis.call('SET', 'clock', t[1] .. t[2])",
    "redis.call('SET', 'short', 1, 'PX', 30) redis.call('SET', 'long', 1, 'EX', 1000) redis.call('PEXPIRE', 'h1', 100000) \
     redis.call('EXPIREAT', 'h2', 1) redis.call('GETEX', 's1', 'EX', 500) redis.call('SETEX', 's2', 900, 'x')",
    // What was to expire in a script stays until its end.
    "redis.call('SET', 'once', 1, 'PX', 1) local n = 0 while n < 2e6 do n = n + 1 end if redis.call('EXISTS', 'once') == 1 then \
     redis.call('SET', 'seen', 1) redis.call('PERSIST', 'once') end",
    "redis.set_repl(redis.REPL_NONE) redis.call('SET', 'here', 1) redis.set_repl(redis.REPL_AOF) redis.call('SET', 'logged', 1) \
     redis.set_repl(redis.REPL_REPLICA) redis.call('SET', 'sent', 1) redis.set_repl(redis.REPL_ALL) redis.call('SET', 'all', 1)",
    "redis.call('SELECT', 2) redis.call('SET', 'second', 1) redis.call('SELECT', 1) redis.call('INCR', 'first')",
    "redis.call('LPUSH', 'queue', 'a', 'b') redis.call('PUBLISH', 'news', 'from a script')",
    "redis.call('INCRBYFLOAT', 'float', 0.1) redis.call('HINCRBYFLOAT', 'h0', 'f', 1e-3) redis.call('SORT', 'l1', 'STORE', 'sorted')",
    "redis.pcall('LPUSH', 's5', 1) redis.call('SET', 'half', 1) error('halfway')",
    "#!lua flags=allow-oom\nredis.call('RENAME', 's3', 'moved') redis.call('COPY', 's4', 'copied') redis.call('UNLINK', 's6', 's7')",
    "redis.call('XGROUP', 'CREATE', 'x', 'g', '0') redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 5, 'STREAMS', 'x', '>')",
    "return cjson.encode(redis.call('HGETALL', 'h0'))",
];

fn scripts_at_a_replica(primary: &Server, replica: &Server) {
    let (mut client, mut watcher) = (primary.connect(), replica.connect());
    load(&mut client);
    follow(replica, primary.port());
    watcher.cmd(&["SUBSCRIBE", "news"]);
    let mut blocked = primary.connect();
    blocked.send(&["BLPOP", "queue", "0"]);
    wait_until("it waits", || client.cmd(&["INFO", "clients"]).text().contains("blocked_clients:1"));
    for script in SCRIPTS {
        if let Reply::Error(error) = client.cmd(&["EVAL", script, "0"]) {
            assert!(error.contains("halfway"), "{script}: {error}");
        }
    }
    assert_eq!(blocked.read(), Reply::bulks(&["queue", "b"]));
    let news = Reply::Array(vec![Reply::bulk("message"), Reply::bulk("news"), Reply::bulk("from a script")]);
    assert_eq!(watcher.read(), news);
    let digest = client.cmd(&["SCRIPT", "LOAD", "return redis.call('SET', KEYS[1], ARGV[1])"]).text();
    for words in [
        &["MULTI"][..],
        &["EVALSHA", &digest, "1", "by digest", "1"],
        &["FCALL", "bump", "1", "bumped"],
        &["SET", "plain", "1"],
        &["EXEC"],
    ] {
        assert!(!matches!(client.cmd(words), Reply::Error(_)), "{words:?}");
    }
    use_them(&mut client);
    assert_eq!(client.cmd(&["FUNCTION", "DELETE", "plain"]), Reply::ok());
    // What was kept from the replica, or sent to it alone, is all that may differ.
    assert_eq!(client.cmd(&["DEL", "here", "logged"]), Reply::Integer(2));
    wait_until("what was to expire is gone", || client.cmd(&["EXISTS", "short"]) == Reply::Integer(0));
    wait_for_same(&[primary, replica]);
    let mut reader = replica.connect();
    assert_eq!(libraries(&mut reader), libraries(&mut client));
    assert_eq!(libraries(&mut reader).len(), sources().len() - 1);
    for key in ["sent", "all", "seen", "once", "half", "by digest", "moved", "clock"] {
        assert_eq!(reader.cmd(&["GET", key]), client.cmd(&["GET", key]), "{key}");
    }
    assert_eq!(reader.cmd(&["FCALL_RO", "peek", "1", "key"]), Reply::bulk("42"));
    let refused = "READONLY You can't write against a read only replica.";
    assert!(reader.cmd(&["FCALL", "bump", "1", "key"]).into_error().starts_with("READONLY"));
    assert!(reader.cmd(&["EVAL", "return redis.call('SET', 'a', 1)", "0"]).into_error().starts_with(refused));
}

#[test]
fn what_scripts_change_is_the_same_at_a_replica_that_is_redis() {
    let Some(redis) = redis_8() else { return };
    scripts_at_a_replica(&node(&[]), &start(&redis, &[]));
}

#[test]
fn what_scripts_change_at_redis_is_the_same_here() {
    let Some(redis) = redis_8() else { return };
    scripts_at_a_replica(&start(&redis, &[]), &node(&[]));
}

#[test]
fn what_is_sent_to_replicas_alone_is_not_kept_from_them() {
    let Some(redis) = redis_7() else { return };
    for (primary, replica) in [(node(&[]), start(&redis, &[])), (start(&redis, &[]), node(&[]))] {
        follow(&replica, primary.port());
        let mut client = primary.connect();
        let reply = client.cmd(&["EVAL", SCRIPTS[6], "0"]);
        assert_eq!(reply, Reply::Null);
        let mut reader = replica.connect();
        wait_until("the last has come", || reader.cmd(&["EXISTS", "all"]) == Reply::Integer(1));
        let there = ["here", "logged", "sent", "all"].map(|key| reader.cmd(&["EXISTS", key]));
        assert_eq!(there, [0, 0, 1, 1].map(Reply::Integer));
    }
}
