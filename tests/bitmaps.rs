//! Bitmaps as values of their own: what needs a real server, from files and logs to replicas, events and memory.

mod common;

use std::fs;

use common::dataset::{figure, run_all};
use common::replication::{follow, node, wait_for_link, wait_for_same};
use common::{Connection, Reply, Server, binary, run, wait_until};

const OWN: [&str; 4] = ["--enable-debug-command", "yes", "--bitmap-default-roaring", "yes"];

fn server_with(more: &[&str]) -> (Server, Connection) {
    let server = Server::start_with(&[&OWN, more].concat());
    let client = server.connect();
    (server, client)
}

fn integer(value: i64) -> Reply {
    Reply::Integer(value)
}

fn payload(client: &mut Connection, key: &str) -> Vec<u8> {
    let Reply::Bulk(payload) = run(client, &format!("DUMP {key}")) else { panic!("no payload") };
    payload
}

/// One of each shape: a few bits, zeros alone, bits far away, all ones, and what BITOP has made; and a string.
fn fill(client: &mut Connection) {
    run_all(
        client,
        &[
            "SETBIT few 9 1",
            "SETBIT few 100000 1",
            "SETBIT zeros 1024 0",
            "SETBIT far 4294967295 1",
            "SETRANGE ones 70000 x",
            "BITOP NOT ones ones",
            "BITFIELD field SET i64 65500 -1",
            "BITOP DIFF1 combined few field",
            "SET string abc",
            "PEXPIRE few 100000000",
        ],
    );
}

const BITMAPS: [&str; 6] = ["few", "zeros", "far", "ones", "field", "combined"];

fn digests(client: &mut Connection) -> Reply {
    run(client, &format!("DEBUG DIGEST-VALUE {} string", BITMAPS.join(" ")))
}

fn assert_types(client: &mut Connection) {
    for key in BITMAPS {
        assert_eq!(run(client, &format!("TYPE {key}")).text(), "bitmap", "{key}");
        assert_eq!(run(client, &format!("OBJECT ENCODING {key}")), Reply::bulk("bitmap-roaring"), "{key}");
    }
    assert_eq!(run(client, "TYPE string").text(), "string");
}

#[test]
fn bitmaps_survive_snapshots_payloads_copies_and_new_names() {
    let (server, mut client) = server_with(&[]);
    fill(&mut client);
    assert_types(&mut client);
    let before = digests(&mut client);
    assert_eq!(run(&mut client, "DEBUG RELOAD"), Reply::ok());
    assert_eq!(digests(&mut client), before);
    assert_types(&mut client);
    let file = fs::read(server.directory().join("dump.rdb")).expect("a snapshot");
    assert_eq!(&file[..9], b"REDIS0016", "the version that has bitmaps");
    assert!(file.len() < 4000, "{} bytes", file.len());
    for key in BITMAPS {
        let payload = payload(&mut client, key);
        let reply = client.cmd(&[b"RESTORE".as_slice(), b"back", b"0", &payload, b"REPLACE"]);
        assert_eq!(reply, Reply::ok());
        assert_eq!(run(&mut client, &format!("COPY {key} copy REPLACE")), integer(1));
        let Reply::Array(digests) = run(&mut client, "DEBUG DIGEST-VALUE back copy") else { panic!("no digests") };
        assert!(key == "few" || digests[0] == digests[1], "{key}");
    }
    assert_ne!(run(&mut client, "PTTL few"), integer(-1));
    run_all(&mut client, &["RENAME far away", "MOVE away 3", "SELECT 3"]);
    assert_eq!(run(&mut client, "BITPOS away 1"), integer(4_294_967_295));
    let found = run(&mut client, "SCAN 0 TYPE bitmap COUNT 100");
    assert_eq!(found, Reply::Array(vec![Reply::bulk("0"), Reply::bulks(&["away"])]));
    assert_eq!(
        run(&mut client, "SCAN 0 TYPE string COUNT 100"),
        Reply::Array(vec![Reply::bulk("0"), Reply::bulks(&[])])
    );
}

#[test]
fn payloads_are_those_of_redis_8_12() {
    let (_server, mut client) = server_with(&["--rdbcompression", "no"]);
    let one_bit = b"\x01\0\0\0\0\0\0\0\0\0\0\0\x3a\x30\0\0\x01\0\0\0\0\0\0\0\x10\0\0\0\0\0";
    let restore = |client: &mut Connection, body: &[u8]| {
        let sealed = [body, &[16, 0], &[0; 8]].concat();
        client.cmd(&[b"RESTORE".as_slice(), b"k", b"0", &sealed, b"REPLACE"])
    };
    run(&mut client, "SETBIT bit 0 1");
    let dumped = payload(&mut client, "bit");
    assert_eq!(dumped[..dumped.len() - 8], [&[33, 1, 30], &one_bit[..], &[16, 0]].concat());
    assert_eq!(restore(&mut client, &dumped[..dumped.len() - 10]), Reply::ok());
    assert_eq!(run(&mut client, "DEBUG BITMAP-RAW k"), Reply::bulk([0x80]));
    // A bitmap without bytes, and the longest there can be.
    assert_eq!(restore(&mut client, b"\x21\0\x08\0\0\0\0\0\0\0\0"), Reply::ok());
    assert_eq!(run(&mut client, "DEBUG BITMAP-RAW k"), Reply::bulk(""));
    assert_eq!((run(&mut client, "BITPOS k 0"), run(&mut client, "BITCOUNT k")), (integer(-1), integer(0)));
    let longest = [&b"\x21\x81\x0f\xff\xff\xff\xff\xff\xff\xff\x1e"[..], one_bit].concat();
    assert_eq!(restore(&mut client, &longest), Reply::ok());
    assert_eq!(run(&mut client, "BITCOUNT k"), integer(1));
    assert!(run(&mut client, "BITOP NOT k k").text().contains("BITOP NOT would materialize more than"));
    assert_eq!(run(&mut client, "BITOP OR l k bit"), integer((1 << 60) - 1));
    // Bits behind the end, a length beyond all bounds, something behind the bits, and every cut.
    for (head, tail) in
        [(&b"\x21\0\x1e"[..], &b""[..]), (b"\x21\x81\x10\0\0\0\0\0\0\0\x1e", b""), (b"\x21\x01\x1f", b"\0")]
    {
        assert_eq!(restore(&mut client, &[head, one_bit, tail].concat()), Reply::error("ERR Bad data format"));
    }
    for end in 1..dumped.len() - 20 {
        assert_eq!(restore(&mut client, &dumped[..end]), Reply::error("ERR Bad data format"), "cut at {end}");
    }
}

#[test]
fn older_servers_get_the_string_that_a_bitmap_stands_for() {
    let (server, mut client) = server_with(&["--rdb-save-for", "7.0"]);
    run_all(&mut client, &["SETBIT k 9 1", "SETBIT k 30 0", "SAVE"]);
    let folder = server.directory().to_path_buf();
    let magic = |name: &str| fs::read(folder.join(name)).expect("a file")[..9].to_vec();
    assert_eq!(magic("dump.rdb"), b"REDIS0010");
    run_all(&mut client, &["CONFIG SET rdb-save-for  bitmap-default-roaring no", "FLUSHALL", "DEBUG RELOAD NOSAVE"]);
    assert_eq!(run(&mut client, "GET k"), Reply::bulk([0, 0x40, 0, 0]));
    run_all(&mut client, &["CONFIG SET bitmap-default-roaring yes", "SETBIT k 9 1", "SAVE"]);
    assert_eq!(magic("dump.rdb"), b"REDIS0016");
    let mut convert = std::process::Command::new(binary());
    convert.args(["--convert", "dump.rdb", "valkey.rdb", "--for", "valkey-9.2"]).current_dir(&folder);
    assert!(convert.output().expect("the program starts").status.success());
    assert_eq!(magic("valkey.rdb"), b"VALKEY081");
    fs::rename(folder.join("valkey.rdb"), folder.join("dump.rdb")).expect("it takes the place");
    run_all(&mut client, &["DEBUG RELOAD NOSAVE"]);
    assert_eq!(run(&mut client, "GET k"), Reply::bulk([0, 0x40, 0, 0]));
}

#[test]
fn the_log_brings_bitmaps_back_as_written_and_rewritten() {
    let (server, mut client) = server_with(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
    fill(&mut client);
    run_all(
        &mut client,
        &[
            "SET converted abc",
            "SETBIT converted 1 1",
            "SET f abc",
            "BITFIELD f SET u1 1 1",
            "BITOP OR empty missing",
            "CONFIG SET bitmap-default-roaring no",
            "SETBIT later 1 1",
        ],
    );
    let state = |client: &mut Connection| {
        let types = ["converted", "f", "later", "empty"].map(|key| run(client, &format!("TYPE {key}")).text());
        (types, digests(client))
    };
    let before = state(&mut client);
    assert_eq!(before.0, ["bitmap", "bitmap", "string", "none"]);
    assert_eq!(run(&mut client, "DEBUG LOADAOF"), Reply::ok());
    assert_eq!(state(&mut client), before, "from commands as they came");
    let log = fs::read_dir(server.directory().join("appendonlydir")).expect("the log").map(|file| {
        String::from_utf8_lossy(&fs::read(file.expect("a file").path()).expect("its content")).into_owned()
    });
    let log = log.collect::<String>().replace("\r\n", " ");
    for part in [
        "bitconvert $3 few *4 $6 SETBIT $3 few $1 9 $1 1 *1 $4 EXEC",
        "bitconvert $9 converted *4 $6 SETBIT $9 converted $1 1 $1 1 *1 $4 EXEC",
        "bitconvert $1 f *6 $8 BITFIELD $1 f $3 SET $2 u1 $1 1 $1 1 *1 $4 EXEC",
    ] {
        assert!(log.contains(part), "{part} is not in {log}");
    }
    run(&mut client, "BGREWRITEAOF");
    wait_until("the log is rewritten", || {
        let info = run(&mut client, "INFO persistence").text();
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrites:1")
    });
    assert_eq!(run(&mut client, "DEBUG LOADAOF"), Reply::ok());
    assert_eq!(state(&mut client), before, "from commands for what was there");
    assert_types(&mut client);
}

#[test]
fn a_replica_has_the_types_of_its_primary_whatever_it_would_make_itself() {
    let debug = ["--enable-debug-command", "yes"];
    let (primary, replica) = (node(&OWN), node(&debug));
    let (mut client, mut reader) = (primary.connect(), replica.connect());
    fill(&mut client);
    follow(&replica, primary.port());
    wait_for_link(&replica);
    wait_for_same(&[&primary, &replica]);
    assert_types(&mut reader);
    run_all(
        &mut client,
        &[
            "SETBIT new 65536 1",
            "SET converted abc",
            "SETBIT converted 1 1",
            "SET a f",
            "BITOP NOT d a",
            "BITOP NOT a a",
            "CONFIG SET proto-max-bulk-len 137438953472",
            "SETBIT far 1099511627775 1",
            "CONFIG SET proto-max-bulk-len 536870912",
        ],
    );
    wait_for_same(&[&primary, &replica]);
    for key in ["new", "converted", "d", "a", "far"] {
        assert_eq!(run(&mut reader, &format!("TYPE {key}")).text(), "bitmap", "{key}");
    }
    let Reply::Integer(bytes) = run(&mut reader, "MEMORY USAGE far") else { panic!("no size") };
    assert!(bytes < 4096, "{bytes} bytes");
    // The other way round: what is a string at the primary is not made a bitmap, not even by the replica's own clients.
    run_all(&mut reader, &["CONFIG SET bitmap-default-roaring yes replica-read-only no"]);
    run_all(&mut client, &["CONFIG SET bitmap-default-roaring no", "SETBIT s 1 1", "SET t a", "BITOP NOT u t"]);
    wait_for_same(&[&primary, &replica]);
    run_all(&mut reader, &["SETBIT s 1 1", "SETBIT own 1 1", "BITFIELD t SET u1 0 0"]);
    for key in ["s", "t", "u", "own"] {
        assert_eq!(run(&mut reader, &format!("TYPE {key}")).text(), "string", "{key}");
    }
    // What a script keeps from some of them stays a string everywhere.
    run_all(&mut client, &["CONFIG SET bitmap-default-roaring yes"]);
    for (target, expected) in [("NONE", "string"), ("AOF", "string"), ("REPLICA", "string"), ("ALL", "bitmap")] {
        let script = format!("redis.set_repl(redis.REPL_{target}) return redis.call('SETBIT', KEYS[1], 0, 1)");
        assert_eq!(client.cmd(&["EVAL", &script, "1", target]), integer(0));
        assert_eq!(run(&mut client, &format!("TYPE {target}")).text(), expected, "{target}");
    }
    assert_eq!(client.cmd(&["EVAL", "return redis.call('SETBIT', KEYS[1], 0, 1)", "1", "plain"]), integer(0));
    assert_eq!(run(&mut client, "TYPE plain").text(), "bitmap");
    assert!(
        client
            .cmd(&["EVAL", "return redis.call('BITCONVERT', KEYS[1])", "1", "plain"])
            .text()
            .contains("Unknown Redis command")
    );
}

#[test]
fn events_tell_what_became_a_bitmap_and_have_a_class_of_their_own() {
    let (server, mut client) = server_with(&["--notify-keyspace-events", "Kocnbg$"]);
    let shown = run(&mut client, "CONFIG GET notify-keyspace-events");
    assert_eq!(shown, Reply::bulks(&["notify-keyspace-events", "g$bnocK"]));
    let mut listener = server.connect();
    run(&mut listener, "PSUBSCRIBE __keyspace*");
    for (command, events) in [
        ("SETBIT k 9 1", &["k new", "k setbit"][..]),
        ("SETBIT k 9 1", &[]),
        ("SET s a", &["s new", "s set"]),
        ("SETBIT s 1 1", &["s type_changed"]),
        ("SETBIT s 1 0", &["s setbit"]),
        ("SET f a", &["f new", "f set"]),
        ("BITFIELD f OVERFLOW FAIL SET u1 0 5", &["f type_changed"]),
        ("BITOP OR d k", &["d new", "d set"]),
        ("BITOP OR d missing", &["d del"]),
        ("CONFIG SET notify-keyspace-events Kb", &[]),
        ("SET s a", &[]),
        ("BITFIELD k SET u8 0 255 SET u8 8 255", &["k setbit"]),
        ("BITOP OR d k", &["d set"]),
        ("CONFIG SET notify-keyspace-events K$", &[]),
        ("SETBIT k 10 0", &[]),
        ("CONFIG SET bitmap-default-roaring no", &[]),
        ("SETBIT s 9 1", &["s setbit"]),
        ("CONFIG SET notify-keyspace-events KA", &[]),
        ("SETBIT k 11 0", &["k setbit"]),
    ] {
        run_all(&mut client, &[command]);
        for event in events {
            let (key, event) = event.split_once(' ').expect("two words");
            let message = ["pmessage", "__keyspace*", &format!("__keyspace@0__:{key}"), event];
            assert_eq!(listener.read(), Reply::bulks(&message), "{command}");
        }
    }
    // Nothing was told that was not expected.
    run_all(&mut client, &["DEL k"]);
    assert_eq!(listener.read(), Reply::bulks(&["pmessage", "__keyspace*", "__keyspace@0__:k", "del"]));
}

#[test]
fn becoming_a_bitmap_is_a_change_to_those_who_watch() {
    let (server, mut client) = server_with(&[]);
    let mut watcher = server.connect();
    run_all(&mut client, &["SET k a"]);
    for (command, reply) in
        [("GETBIT k 1", Reply::Array(vec![Reply::Simple("PONG".into())])), ("SETBIT k 1 1", Reply::NullArray)]
    {
        run_all(&mut watcher, &["WATCH k"]);
        run_all(&mut client, &[command]);
        run_all(&mut watcher, &["MULTI", "PING"]);
        assert_eq!(run(&mut watcher, "EXEC"), reply, "{command}");
    }
}

#[test]
fn memory_is_told_and_freed_and_use_is_counted_once() {
    // The long requests may be slow, and what is noted of them takes as much memory.
    let (_server, mut client) = server_with(&["--slowlog-log-slower-than", "-1"]);
    let used = |client: &mut Connection| figure(client, "used_memory");
    let before = used(&mut client);
    for chunk in 0..64 {
        let offsets: Vec<String> = (0..500).map(|bit| (chunk * 65_536 + bit * 131).to_string()).collect();
        let sets = offsets.iter().flat_map(|offset| ["SET", "u1", offset, "1"]);
        client.cmd(&["BITFIELD", "k"].into_iter().chain(sets).collect::<Vec<_>>());
    }
    // The buffers of the requests are given back after a while.
    wait_until("the bitmap takes what is left", || used(&mut client) - before < 64 * 1500 + 50_000);
    let took = used(&mut client) - before;
    let Reply::Integer(told) = run(&mut client, "MEMORY USAGE k") else { panic!("no size") };
    assert!((told - took).abs() < took / 2 + 50_000, "{took} bytes taken, {told} told");
    run_all(&mut client, &["CONFIG RESETSTAT", "SETBIT small 1 1", "UNLINK small", "UNLINK k"]);
    wait_until("it is freed", || run(&mut client, "INFO memory").text().contains("lazyfreed_objects:1"));

    run_all(&mut client, &["CONFIG SET maxmemory-policy allkeys-lfu lfu-log-factor 0 lfu-decay-time 0"]);
    for roaring in ["no", "yes"] {
        run_all(&mut client, &["FLUSHALL", &format!("CONFIG SET bitmap-default-roaring {roaring}"), "SETBIT new 7 1"]);
        run_all(&mut client, &["SET s a", "GET s", "GET s", "SETBIT s 7 1", "SET f a", "BITFIELD f SET u8 0 255"]);
        for (key, uses) in [("new", 5), ("s", 8), ("f", 6)] {
            assert_eq!(run(&mut client, &format!("OBJECT FREQ {key}")), integer(uses), "{key}, {roaring}");
        }
    }
    let sizes = run(&mut client, "INFO keysizes").text();
    assert!(sizes.contains("db0_distrib_bitmaps_sizes:1=3"), "{sizes}");
}

#[test]
fn commands_of_servers_cannot_be_renamed_or_found() {
    let output =
        std::process::Command::new(binary()).args(["--port", "0", "--rename-command", "bitconvert", "x"]).output();
    let output = output.expect("the program starts");
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert!(!output.status.success() && text.contains("Cannot rename an internal command"), "{text}");
    let (_server, mut client) = server_with(&[]);
    run_all(&mut client, &["MULTI"]);
    assert!(run(&mut client, "BITCONVERT k").text().contains("unknown command 'BITCONVERT'"));
    assert!(run(&mut client, "EXEC").text().contains("EXECABORT"));
    for list in ["COMMAND LIST", "ACL CAT bitmap"] {
        let Reply::Array(names) = run(&mut client, list) else { panic!("no list") };
        assert!(!names.contains(&Reply::bulk("bitconvert")) && names.contains(&Reply::bulk("setbit")), "{list}");
    }
    assert!(run(&mut client, "ACL SETUSER u +bitconvert").text().contains("Unknown command"));
}
