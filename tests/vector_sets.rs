//! Vector sets: replies in both protocols, errors, and what needs a real server, from files and logs to rights; and the
//! way to Redis 8 and back, where OXIDIS_REDIS8 names one. Random commands are compared with that, too; a longer
//! comparison runs by OXIDIS_VECTOR_SETS_COMMANDS, the number of commands, with `--ignored`.

mod common;
#[path = "vector_sets/draw.rs"]
mod draw;

use std::env;

use common::dataset::{figure, redis_8};
use common::random::Random;
use common::{Connection, Reply, Server, run, wait_until, words};

fn server() -> (Server, Connection) {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let client = server.connect();
    (server, client)
}

fn integer(value: i64) -> Reply {
    Reply::Integer(value)
}

fn digest(client: &mut Connection, key: &str) -> Reply {
    client.cmd(&["DEBUG", "DIGEST-VALUE", key])
}

/// A number between -1 and 1 for each place, always the same.
fn component(place: usize) -> String {
    let mixed = (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40;
    format!("{:.4}", mixed as f64 / f64::from(1 << 23) - 1.0)
}

fn add(client: &mut Connection, key: &str, number: usize, dimension: usize, options: &[&str]) -> Reply {
    let vector = (0..dimension).map(|place| component(number * dimension + place));
    let mut words = vec!["VADD".to_owned(), key.to_owned()];
    if options.first() == Some(&"REDUCE") {
        words.extend(["REDUCE", "4"].map(str::to_owned));
    }
    words.extend(["VALUES".to_owned(), dimension.to_string()]);
    words.extend(vector);
    words.push(format!("element:{number}"));
    words.extend(options.iter().filter(|word| **word != "REDUCE").map(|word| (*word).to_owned()));
    client.cmd(&words)
}

const KEYS: [&str; 4] = ["int8", "bin", "f32", "reduced"];

/// Sets of every form, with attributes, and after removals and changes.
fn fill(client: &mut Connection) {
    for (key, options) in KEYS.iter().zip([&["Q8"][..], &["BIN"], &["NOQUANT", "M", "4"], &["REDUCE"]]) {
        for number in 0..60 {
            assert_eq!(add(client, key, number, 12, options), integer(1));
        }
        for number in (0..60).step_by(7) {
            let name = format!("element:{number}");
            assert_eq!(client.cmd(&["VSETATTR", key, &name, &format!("{{\"n\":{number}}}")]), integer(1));
        }
        assert_eq!(client.cmd(&["VREM", key, "element:3"]), integer(1));
    }
}

fn digests(client: &mut Connection) -> Vec<Reply> {
    KEYS.iter().map(|key| digest(client, key)).collect()
}

/// The smallest set, of which every reply is known.
fn small(client: &mut Connection) {
    for line in
        ["VADD k VALUES 3 1 1 1 e SETATTR {\"a\":1}", "VADD k VALUES 3 1 2 1 f", "VADD k VALUES 3 1 -2 1 g SETATTR {}"]
    {
        assert_eq!(run(client, line), integer(1));
    }
}

#[test]
fn replies_of_the_second_protocol_are_those_of_redis() {
    let (_server, mut client) = server();
    small(&mut client);
    let bulks = Reply::bulks;
    for (line, expected) in [
        ("VADD k VALUES 3 1 2 1 f", integer(0)),
        ("VCARD k", integer(3)),
        ("VCARD none", integer(0)),
        ("VDIM k", integer(3)),
        ("VISMEMBER k e", integer(1)),
        ("VISMEMBER k none", integer(0)),
        ("VGETATTR k e", Reply::bulk("{\"a\":1}")),
        ("VGETATTR k f", Reply::Null),
        ("VSETATTR k f {\"a\":2}", integer(1)),
        ("VSETATTR k f \"\"", integer(1)),
        ("VSETATTR none f x", integer(0)),
        ("VEMB k e", bulks(&["0.9999999403953552"; 3])),
        ("VEMB none e", Reply::Null),
        ("VSIM k ELE e", bulks(&["e", "f", "g"])),
        (
            "VSIM k ELE e WITHSCORES",
            bulks(&["e", "0.9999999701976776", "f", "0.9732604324817657", "g", "0.5018559098243713"]),
        ),
        ("VSIM k VALUES 3 1 1 1 COUNT 1 TRUTH NOTHREAD", bulks(&["e"])),
        ("VSIM k VALUES 3 1 1 1 EPSILON 0.2", bulks(&["e", "f"])),
        ("VSIM k VALUES 3 1 1 1 FILTER .a==1", bulks(&["e"])),
        ("VSIM k VALUES 3 1 1 1 COUNT 9223372036854775807 EF 9223372036854775807", bulks(&["e", "f", "g"])),
        ("VSIM none ELE e", Reply::Array(vec![])),
        ("VRANGE k - +", bulks(&["e", "f", "g"])),
        ("VRANGE k [f (g", bulks(&["f"])),
        ("VRANGE k (e + 1", bulks(&["f"])),
        ("VRANGE k + - 1", Reply::Array(vec![])),
        ("VRANGE none - +", Reply::Array(vec![])),
        ("VRANDMEMBER none", Reply::Null),
        ("VRANDMEMBER none 2", Reply::Array(vec![])),
        ("VRANDMEMBER k 0", Reply::Array(vec![])),
        ("VLINKS none e", Reply::Null),
        ("VINFO none", Reply::NullArray),
        ("VREM k none", integer(0)),
        ("VREM k f", integer(1)),
        ("VREM k e", integer(1)),
        ("VREM k g", integer(1)),
        ("EXISTS k", integer(0)),
    ] {
        let words: Vec<&str> = line.split(' ').map(|word| if word == "\"\"" { "" } else { word }).collect();
        assert_eq!(client.cmd(&words), expected, "{line}");
    }
}

#[test]
fn replies_of_the_third_protocol_are_maps_doubles_and_truths() {
    let (_server, mut client) = server();
    client.send(&["HELLO", "3"]);
    client.read();
    for line in ["VADD k VALUES 2 1 1 e SETATTR {}", "VADD k VALUES 2 1 -1 f"] {
        client.raw(&common::encode(&line.split(' ').collect::<Vec<_>>()));
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            line.push(client.byte());
        }
        assert_eq!(line, b"#t\r\n");
    }
    // The lowest level is the last, and how many there are is chance.
    let one = [("", Reply::Array(vec![Reply::bulk("f")]))];
    let scored = [(" WITHSCORES", Reply::Map(vec![(Reply::bulk("f"), Reply::Double(0.5))]))];
    for (option, expected) in one.into_iter().chain(scored) {
        let Reply::Array(levels) = run(&mut client, &format!("VLINKS k e{option}")) else { panic!("a list of levels") };
        assert_eq!(levels.last(), Some(&expected));
    }
    for (line, expected) in [
        ("VADD k VALUES 2 1 -1 f", "#f\r\n"),
        ("VCARD k", ":2\r\n"),
        ("VDIM k", ":2\r\n"),
        ("VEMB k none", "_\r\n"),
        ("VEMB k e", "*2\r\n,0.9999999403953552\r\n,0.9999999403953552\r\n"),
        ("VLINKS k none", "_\r\n"),
        ("VRANDMEMBER none", "_\r\n"),
        ("VSETATTR k none x", "#f\r\n"),
        ("VSETATTR k e {}", "#t\r\n"),
        ("VGETATTR k e", "$2\r\n{}\r\n"),
        ("VRANGE k - +", "*2\r\n$1\r\ne\r\n$1\r\nf\r\n"),
        ("VGETATTR k f", "_\r\n"),
        ("VINFO none", "_\r\n"),
        ("VSIM k ELE e WITHSCORES", "%2\r\n$1\r\ne\r\n,1\r\n$1\r\nf\r\n,0.5\r\n"),
        ("VSIM k ELE e WITHATTRIBS", "%2\r\n$1\r\ne\r\n$2\r\n{}\r\n$1\r\nf\r\n_\r\n"),
        (
            "VSIM k ELE e WITHATTRIBS WITHSCORES",
            "%2\r\n$1\r\ne\r\n*2\r\n,1\r\n$2\r\n{}\r\n$1\r\nf\r\n*2\r\n,0.5\r\n_\r\n",
        ),
        ("VSIM none ELE e WITHSCORES", "*0\r\n"),
        ("VREM k none", "#f\r\n"),
        ("VREM k f", "#t\r\n"),
        // Last: of this only the beginning is read.
        ("VINFO k", "%9\r\n+quant-type\r\n+int8\r\n+hnsw-m\r\n:16\r\n+vector-dim\r\n:2\r\n"),
    ] {
        client.raw(&common::encode(&line.split(' ').collect::<Vec<_>>()));
        let found: Vec<u8> = (0..expected.len()).map(|_| client.byte()).collect();
        assert_eq!(String::from_utf8_lossy(&found), expected, "{line}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_words_of_redis() {
    let (_server, mut client) = server();
    small(&mut client);
    run(&mut client, "VADD p REDUCE 2 VALUES 3 1 1 1 e");
    run(&mut client, "SET s x");
    for (line, expected) in [
        ("VADD", "ERR wrong number of arguments for 'VADD' command"),
        ("VADD k VALUES 3 1 1 1", "ERR wrong number of arguments for 'VADD' command"),
        ("VCARD", "ERR wrong number of arguments for 'VCARD' command"),
        ("VSIM k ELE", "ERR wrong number of arguments for 'VSIM' command"),
        ("VREM k e f", "ERR wrong number of arguments for 'VREM' command"),
        ("VLINKS k e x", "ERR wrong number of arguments for 'VLINKS' command"),
        ("VADD k VALUES 0 1 e", "ERR invalid vector specification"),
        ("VADD k VALUES -1 1 e", "ERR invalid vector specification"),
        ("VADD k VALUES 9223372036854775807 1 e", "ERR invalid vector specification"),
        ("VADD k VALUES 2 1 nan e", "ERR invalid vector specification"),
        ("VADD k VALUES 2 1 1e400 e", "ERR invalid vector specification"),
        ("VADD k FP32 abc e", "ERR invalid vector specification"),
        ("VADD k FP64 abcd e", "ERR invalid vector specification"),
        ("VADD n REDUCE 0 VALUES 3 1 1 1 e", "ERR invalid vector specification"),
        // Redis 8.2.3 adds these to a new set; later versions refuse them while they read the vector, whatever the key is.
        ("VADD n REDUCE 4 VALUES 3 1 1 1 e", "ERR invalid vector specification"),
        ("VADD p REDUCE 4 VALUES 3 1 1 1 e BIN", "ERR invalid vector specification"),
        ("VADD s REDUCE 4 VALUES 3 1 1 1", "ERR invalid vector specification"),
        ("VADD n REDUCE 4294967297 VALUES 3 1 1 1 e", "ERR invalid vector specification"),
        ("VADD n REDUCE 9223372036854775807 VALUES 3 1 1 1 e", "ERR invalid vector specification"),
        ("VADD k VALUES 3 1 1 1 e NOPE", "ERR invalid option after element"),
        ("VADD k VALUES 3 1 1 1 e SETATTR", "ERR invalid option after element"),
        ("VADD k VALUES 3 1 1 1 e EF 0", "ERR invalid EF"),
        ("VADD k VALUES 3 1 1 1 e EF 1000001", "ERR invalid EF"),
        ("VADD k VALUES 3 1 1 1 e M 3", "ERR invalid M"),
        ("VADD k VALUES 3 1 1 1 e M 4097", "ERR invalid M"),
        ("VADD k VALUES 3 1 1 1 e BIN", "ERR asked quantization mismatch with existing vector set"),
        ("VADD k VALUES 3 1 1 1 e M 8", "ERR asked M value mismatch with existing vector set"),
        ("VADD k VALUES 2 1 1 e", "ERR Vector dimension mismatch - got 2 but set has 3"),
        ("VADD k REDUCE 3 VALUES 3 1 1 1 e", "ERR cannot add projection to existing set without projection"),
        ("VADD p VALUES 3 1 1 1 e", "ERR Vector dimension mismatch - got 3 but set has 2"),
        (
            "VADD p REDUCE 2 VALUES 4 1 1 1 1 e",
            "ERR Input dimension mismatch for projection - got 4 but projection expects 3",
        ),
        ("VADD s VALUES 1 1 e", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("VSIM s FOO e", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("VDIM none", "ERR key does not exist"),
        ("VEMB k e NOPE", "ERR invalid option"),
        ("VRANDMEMBER k x", "ERR COUNT value is not an integer"),
        ("VSIM k ELE none", "ERR element not found in set"),
        ("VSIM k VALUES 4 1 1 1 1", "ERR Vector dimension mismatch - got 4 but set has 3"),
        ("VSIM p VALUES 4 1 1 1 1", "ERR Input dimension mismatch for projection - got 4 but projection expects 3"),
        ("VSIM k ELE e COUNT 0", "ERR invalid COUNT"),
        ("VSIM k ELE e EF -1", "ERR invalid EF"),
        ("VSIM k ELE e FILTER-EF 0", "ERR invalid FILTER-EF"),
        ("VSIM k ELE e EPSILON nan", "ERR invalid EPSILON"),
        ("VSIM k ELE e EPSILON 0", "ERR invalid EPSILON"),
        ("VSIM k ELE e COUNT", "ERR syntax error in VSIM command"),
        ("VSIM k ELE e FILTER .n=5", "ERR syntax error in FILTER expression near: 5"),
        ("VRANGE k a +", "ERR invalid start range format"),
        ("VRANGE k - b", "ERR invalid end range format"),
        ("VRANGE k - + x", "ERR invalid COUNT"),
    ] {
        assert_eq!(run(&mut client, line), Reply::error(expected), "{line}");
    }
    assert_eq!(run(&mut client, "EXISTS n"), integer(0));
}

#[test]
fn a_vector_set_survives_snapshots_payloads_and_copies() {
    let (_server, mut client) = server();
    fill(&mut client);
    let before = digests(&mut client);
    assert_eq!(client.cmd(&["DEBUG", "RELOAD"]), Reply::ok());
    assert_eq!(digests(&mut client), before);
    for (key, before) in KEYS.iter().zip(&before) {
        assert_eq!(client.cmd(&["COPY", key, "copy", "REPLACE"]), integer(1));
        assert_eq!(digest(&mut client, "copy"), *before);
        let Reply::Bulk(payload) = client.cmd(&["DUMP", key]) else { panic!("no payload") };
        assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"back", b"0", &payload, b"REPLACE"]), Reply::ok());
        assert_eq!(digest(&mut client, "back"), *before);
        client.cmd(&["VREM", "copy", "element:5"]);
        assert_eq!(client.cmd(&["VCARD", key]), integer(59));
    }
}

#[test]
fn the_log_brings_vector_sets_back_as_written_and_rewritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("a name");
    let log = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--enable-debug-command", "yes"];
    let server = Server::start_with(&[&["--dir", dir][..], &log].concat());
    let mut client = server.connect();
    fill(&mut client);
    // A new vector for an element that is there is logged, too, and so are its attributes.
    assert_eq!(add(&mut client, "int8", 5, 12, &["CAS", "SETATTR", "{\"n\":5}"]), integer(0));
    assert_eq!(client.cmd(&["VADD", "int8", "FP32", &"@@@@".repeat(12), "element:6"]), integer(0));
    let before = digests(&mut client);
    assert_eq!(client.cmd(&["DEBUG", "LOADAOF"]), Reply::ok());
    assert_eq!(digests(&mut client), before);
    client.cmd(&["BGREWRITEAOF"]);
    wait_until("the log is rewritten", || {
        let info = client.cmd(&["INFO", "persistence"]).text();
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrites:1")
    });
    assert_eq!(client.cmd(&["DEBUG", "LOADAOF"]), Reply::ok());
    assert_eq!(digests(&mut client), before);
}

#[test]
fn a_replica_gets_vector_sets_with_the_data_set_and_one_by_one() {
    let primary = Server::start_with(&["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"]);
    let mut client = primary.connect();
    fill(&mut client);
    let replica = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut reader = replica.connect();
    reader.cmd(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    wait_until("the data set is there", || reader.cmd(&["DBSIZE"]) == integer(KEYS.len() as i64));
    for key in KEYS {
        let reduce: &[&str] = if key == "reduced" { &["REDUCE"] } else { &[] };
        let form: &[&str] = match key {
            "bin" => &["BIN"],
            "f32" => &["NOQUANT", "M", "4"],
            _ => &[],
        };
        add(&mut client, key, 70, 12, &[reduce, form].concat());
        add(&mut client, key, 70, 12, &[reduce, form, &["SETATTR", "{}"]].concat());
        client.cmd(&["VREM", key, "element:9"]);
        client.cmd(&["VSETATTR", key, "element:10", "{\"n\":1}"]);
    }
    client.cmd(&["SET", "end", "1"]);
    wait_until("all has arrived", || reader.cmd(&["EXISTS", "end"]) == integer(1));
    assert_eq!(digests(&mut reader), digests(&mut client));
    assert_eq!(reader.cmd(&["VGETATTR", "bin", "element:70"]), Reply::bulk("{}"));
}

#[test]
fn there_are_no_keyspace_events_but_watchers_are_told() {
    let (server, mut client) = server();
    client.cmd(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]);
    let mut listener = server.connect();
    listener.cmd(&["PSUBSCRIBE", "__key*"]);
    let mut watcher = server.connect();
    for line in ["VADD k VALUES 2 1 1 e", "VSETATTR k e {}", "VADD k VALUES 2 1 0 e", "VREM k e"] {
        watcher.cmd(&["WATCH", "k"]);
        run(&mut client, line);
        watcher.cmd(&["MULTI"]);
        watcher.cmd(&["PING"]);
        assert_eq!(watcher.cmd(&["EXEC"]), Reply::NullArray, "{line}");
    }
    client.cmd(&["SET", "end", "1"]);
    assert_eq!(listener.read(), Reply::bulks(&["pmessage", "__key*", "__keyspace@0__:end", "set"]));
}

#[test]
fn rights_types_and_memory_know_vector_sets() {
    let (_server, mut client) = server();
    client.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "~*", "+@vectorset"]);
    assert_eq!(client.cmd(&["ACL", "DRYRUN", "u", "VADD", "k", "VALUES", "1", "1", "e"]), Reply::ok());
    assert!(client.cmd(&["ACL", "DRYRUN", "u", "SET", "t", "v"]).text().contains("no permissions"));
    let Reply::Array(commands) = client.cmd(&["ACL", "CAT", "vectorset"]) else { panic!("no category") };
    assert_eq!(commands.len(), 13);
    fill(&mut client);
    assert_eq!(run(&mut client, "TYPE bin"), Reply::Simple("vectorset".into()));
    assert_eq!(run(&mut client, "OBJECT ENCODING bin"), Reply::bulk("raw"));
    let Reply::Array(parts) = run(&mut client, "SCAN 0 TYPE vectorset COUNT 100") else { panic!("no keys") };
    assert!(matches!(&parts[1], Reply::Array(keys) if keys.len() == KEYS.len()));
    let Reply::Array(modules) = run(&mut client, "MODULE LIST") else { panic!("no list") };
    assert!(modules.iter().any(|module| matches!(module, Reply::Array(row) if row[1] == Reply::bulk("vectorset"))));
    client.cmd(&["CONFIG", "RESETSTAT"]);
    assert_eq!(client.cmd(&["UNLINK", "bin"]), integer(1));
    wait_until("it is freed", || client.cmd(&["INFO", "memory"]).text().contains("lazyfreed_objects:1"));
}

#[test]
fn what_memory_usage_tells_is_what_a_vector_set_takes() {
    let (_server, mut client) = server();
    let mut vector = vec![0_u8; 12_000];
    let before = figure(&mut client, "used_memory");
    for number in 0..300 {
        vector[number * 4..number * 4 + 4].copy_from_slice(&1_f32.to_le_bytes());
        let name = format!("element:{number}");
        let words = [b"VADD".as_slice(), b"k", b"FP32", &vector, name.as_bytes(), b"NOQUANT", b"EF", b"10"];
        assert_eq!(client.cmd(&words), integer(1));
    }
    let took = figure(&mut client, "used_memory") - before;
    let Reply::Integer(told) = client.cmd(&["MEMORY", "USAGE", "k"]) else { panic!("no size") };
    assert!((told - took).abs() < took / 5, "{took} bytes taken, {told} told");
}

#[test]
fn payloads_cut_or_with_a_bit_flipped_anywhere_do_no_harm() {
    let (server, mut client) = server();
    client.cmd(&["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1"]);
    let before = server.address_space_peak();
    let mut restored = 0;
    for options in [&["REDUCE", "SETATTR", "{}"][..], &["NOQUANT"], &["BIN"]] {
        for number in 0..6 {
            add(&mut client, "r", number, 5, options);
        }
        let Reply::Bulk(payload) = client.cmd(&["DUMP", "r"]) else { panic!("no payload") };
        let mut restore = |client: &mut Connection, payload: &[u8]| {
            match client.cmd(&[b"RESTORE".as_slice(), b"x", b"0", payload, b"REPLACE"]) {
                Reply::Error(_) => return,
                reply => assert_eq!(reply, Reply::ok()),
            }
            restored += 1;
            for line in ["VSIM x ELE element:1 WITHSCORES", "VRANDMEMBER x 100", "VREM x element:2", "VINFO x"] {
                run(client, line);
            }
        };
        for at in 0..payload.len() - 10 {
            for bits in [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xff] {
                let mut changed = payload.clone();
                changed[at] ^= bits;
                restore(&mut client, &changed);
            }
            restore(&mut client, &[&payload[..at], &payload[payload.len() - 10..]].concat());
        }
        run(&mut client, "DEL r");
    }
    let grown = server.address_space_peak() - before;
    assert!(grown < 1 << 28, "{grown} bytes were asked for");
    assert!(restored > 0, "changed components make other vectors");
    // Two components, no elements: what later versions of Redis refuse.
    let empty = b"\x07\x81\xbd\xe7\x2d\xa2\xbb\x1e\xb4\x00\x02\x02\x02\x00\x02\x50\x00\x02\x00\x00\x0c\x00________";
    let reply = client.cmd(&[b"RESTORE".as_slice(), b"y", b"0", empty]);
    assert_eq!(reply, Reply::error("ERR Bad data format"));
}

/// What a set answers that does not depend on chance, with the questions.
fn answers(client: &mut Connection, key: &str) -> Vec<(String, Reply)> {
    let mut names = client.cmd(&["VRANDMEMBER", key, "1000"]);
    if let Reply::Array(names) = &mut names {
        names.sort_by_key(Reply::text);
    }
    let mut found = vec![("VRANDMEMBER".to_owned(), names)];
    for number in [0, 7, 20, 59] {
        let mut questions = ["VEMB RAW", "VGETATTR", "VLINKS"].to_vec();
        // Bits are often equally far, and the last digits of floats depend on the order they are added in.
        if key == "int8" || key == "reduced" {
            questions.push("VSIM ELE WITHSCORES TRUTH COUNT 50");
        }
        for question in questions {
            let name = format!("element:{number}");
            let mut words = words(question);
            words.insert(1, key);
            words.insert(if words[0] == "VSIM" { 3 } else { 2 }, &name);
            let mut reply = client.cmd(&words);
            // Redis puts links in order when it loads them.
            if let ("VLINKS", Reply::Array(levels)) = (words[0], &mut reply) {
                for level in levels {
                    let Reply::Array(links) = level else { panic!("no links") };
                    links.sort_by_key(Reply::text);
                }
            }
            found.push((words.join(" "), reply));
        }
    }
    found
}

#[track_caller]
fn assert_same(found: &[(String, Reply)], expected: &[(String, Reply)]) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(found == expected, "{}\n{}\n{}", found.0, shown(&found.1), shown(&expected.1));
    }
}

fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn payloads_go_to_redis_8_and_come_back() {
    let Some(other) = redis_with_vector_sets() else { return };
    let (_server, mut client) = server();
    let mut redis = other.connect();
    fill(&mut client);
    for key in KEYS {
        let own = answers(&mut client, key);
        let Reply::Bulk(payload) = client.cmd(&["DUMP", key]) else { panic!("no payload") };
        assert_eq!(redis.cmd(&[b"RESTORE".as_slice(), key.as_bytes(), b"0", &payload]), Reply::ok(), "{key}");
        assert_same(&answers(&mut redis, key), &own);
        // It is a set Redis can go on with.
        redis.cmd(&["VREM", key, "element:30"]);
        let theirs = answers(&mut redis, key);
        let Reply::Bulk(payload) = redis.cmd(&["DUMP", key]) else { panic!("no payload") };
        client.cmd(&["DEL", key]);
        assert_eq!(client.cmd(&[b"RESTORE".as_slice(), key.as_bytes(), b"0", &payload]), Reply::ok(), "{key}");
        assert_same(&answers(&mut client, key), &theirs);
        assert_eq!(client.cmd(&["VREM", key, "element:31"]), integer(1));
    }
}

/// Files are as whole as payloads; then each follows the other.
#[test]
fn redis_8_reads_the_file_and_follows_and_is_followed() {
    for ours_leads in [true, false] {
        let arguments = ["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--save", ""];
        let Some(program) = redis_8() else { return };
        let redis = Server::start_program(&program, &arguments);
        if redis.connect().cmd(&["VCARD", "k"]) != integer(0) {
            return;
        }
        let server = Server::start_with(&arguments);
        let (leader, follower) = if ours_leads { (&server, &redis) } else { (&redis, &server) };
        let (mut leading, mut following) = (leader.connect(), follower.connect());
        fill(&mut leading);
        assert_eq!(leading.cmd(&["SAVE"]), Reply::ok());
        let file = "dump.rdb";
        std::fs::copy(leader.directory().join(file), follower.directory().join(file)).expect("a file");
        assert_eq!(following.cmd(&["DEBUG", "RELOAD", "NOSAVE"]), Reply::ok());
        for key in KEYS {
            assert_same(&answers(&mut following, key), &answers(&mut leading, key));
        }
        following.cmd(&["REPLICAOF", "127.0.0.1", &leader.port().to_string()]);
        wait_until("the link is up", || {
            following.cmd(&["INFO", "replication"]).text().contains("master_link_status:up")
        });
        for number in 100..130 {
            add(&mut leading, "int8", number, 12, &["SETATTR", "{\"a\":1}"]);
            leading.cmd(&["VREM", "bin", &format!("element:{}", number - 90)]);
            leading.cmd(&["VSETATTR", "f32", &format!("element:{}", number - 70), "{\"b\":2}"]);
        }
        leading.cmd(&["SET", "last", "1"]);
        wait_until("the writes have come", || following.cmd(&["EXISTS", "last"]) == integer(1));
        for key in KEYS {
            // Each end links what is new by chance of its own.
            let told = |client: &mut Connection| {
                let found = answers(client, key).into_iter();
                found.filter(|(question, _)| !question.starts_with("VLINKS")).collect::<Vec<_>>()
            };
            assert_same(&told(&mut following), &told(&mut leading));
        }
    }
}

/// A Redis 8 that has vector sets, where OXIDIS_REDIS8 names one.
fn redis_with_vector_sets() -> Option<Server> {
    let redis = Server::start_program(&redis_8()?, &["--save", ""]);
    (redis.connect().cmd(&["VCARD", "k"]) == integer(0)).then_some(redis)
}

/// Sends as many random commands to both, and compares the replies. Gives what differed, with what was said before to the
/// same key; after each difference both begin anew.
fn differences(seed: u64, commands: usize, redis: &Server, server: &Server) -> Vec<String> {
    const BATCH: usize = 50;
    const MOST: usize = 20;
    let mut random = Random(seed);
    let mut sides = [server.connect(), redis.connect()];
    if seed % 2 == 1 {
        sides.iter_mut().for_each(|side| drop(side.cmd(&["HELLO", "3"])));
    }
    let mut found: Vec<String> = Vec::new();
    let mut done: Vec<Vec<Vec<u8>>> = Vec::new();
    for _ in 0..commands.div_ceil(BATCH) {
        if done.is_empty() {
            for side in &mut sides {
                side.cmd(&["FLUSHALL"]);
                side.cmd(&["SET", "string", "x"]);
            }
        }
        let batch: Vec<Vec<Vec<u8>>> = (0..BATCH).map(|_| draw::command(&mut random)).collect();
        let sent: Vec<u8> = batch.iter().flat_map(|words| common::encode(words)).collect();
        sides.iter_mut().for_each(|side| side.raw(&sent));
        let replies: Vec<[Reply; 2]> = batch.iter().map(|_| [0, 1].map(|side| sides[side].read())).collect();
        let differs = |at: &usize| !draw::alike(&batch[*at], &replies[*at][0], &replies[*at][1]);
        match (0..batch.len()).find(differs) {
            Some(at) => {
                done.extend_from_slice(&batch[..at]);
                found.push(format!("seed {seed}: {}", difference(&done, &batch[at], &replies[at])));
                done.clear();
            }
            None => done.extend(batch),
        }
        if found.len() == MOST {
            break;
        }
    }
    found
}

fn difference(before: &[Vec<Vec<u8>>], words: &[Vec<u8>], [ours, theirs]: &[Reply; 2]) -> String {
    let line =
        |words: &[Vec<u8>]| words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
    let history: Vec<String> = before
        .iter()
        .filter(|earlier| earlier[1] == words[1])
        .map(|earlier| format!("    {}\n", line(earlier)))
        .collect();
    let last = history[history.len().saturating_sub(25)..].concat();
    format!("{}\nours {}\ntheirs {}\nbefore:\n{last}", line(words), shown(ours), shown(theirs))
}

#[test]
fn a_few_thousand_random_commands_get_the_replies_of_redis_8() {
    let Some(redis) = redis_with_vector_sets() else { return };
    let (server, _client) = server();
    for seed in [1, 2] {
        let found = differences(seed, 2_000, &redis, &server);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
#[ignore = "as long as OXIDIS_VECTOR_SETS_COMMANDS tells"]
fn many_random_commands_get_the_replies_of_redis_8() {
    let redis = redis_with_vector_sets().expect("a Redis with vector sets");
    let number = env::var("OXIDIS_VECTOR_SETS_COMMANDS").ok().and_then(|text| text.parse::<usize>().ok());
    let (commands, seeds) = (number.expect("a number"), 20);
    let (server, _client) = server();
    let each = commands / seeds as usize;
    let found: Vec<String> = (0..seeds).flat_map(|seed| differences(seed, each, &redis, &server)).collect();
    assert!(found.is_empty(), "{}\n{} differences", found.join("\n"), found.len());
    println!("{commands} commands");
}
