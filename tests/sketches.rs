//! Sketches (BF, CF, CMS, TOPK, TDIGEST): replies, files, logs, replicas and rights; and what RedisBloom makes of them.
//!
//! OXIDIS_REDISBLOOM names the module's file, which a redis-server 7.0 loads. Without it nothing is compared, which is
//! said. A longer comparison runs by OXIDIS_SKETCHES_COMMANDS, the number of commands of each family, with `--ignored`.

mod common;
#[path = "sketches/draw.rs"]
mod draw;

use std::env;
use std::path::Path;

use common::dataset::{info, redis_7};
use common::random::Random;
use common::{Connection, Reply, Server, run, wait_until};

/// A redis-server with RedisBloom, where OXIDIS_REDISBLOOM names that.
fn redisbloom(arguments: &[&str]) -> Option<Server> {
    let Some(module) = env::var_os("OXIDIS_REDISBLOOM") else {
        assert!(env::var_os("OXIDIS_REDIS_REQUIRED").is_none(), "OXIDIS_REDISBLOOM names no redisbloom.so");
        println!("SKIPPED: OXIDIS_REDISBLOOM names no redisbloom.so");
        return None;
    };
    let module = module.to_str().expect("a path");
    Some(Server::start_program(&redis_7()?, &[&["--loadmodule", module], arguments].concat()))
}

fn server() -> (Server, Connection) {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let client = server.connect();
    (server, client)
}

fn resp_3(server: &Server) -> Connection {
    let mut client = server.connect();
    client.cmd(&["HELLO", "3"]);
    client
}

fn error(text: &str) -> Reply {
    Reply::error(text)
}

fn digests(client: &mut Connection) -> Vec<Reply> {
    KEYS.iter().map(|key| client.cmd(&["DEBUG", "DIGEST-VALUE", key])).collect()
}

const KEYS: &[&str] = &["bloom", "fixed", "cuckoo", "counts", "top", "digest", "single", "none"];

/// Some of every type.
fn fill(client: &mut Connection) {
    for line in [
        "bf.reserve bloom 0.01 10",
        "bf.reserve fixed 0.1 100 NONSCALING",
        "cf.reserve cuckoo 20 BUCKETSIZE 3 EXPANSION 2",
        "cms.initbydim counts 20 4",
        "topk.reserve top 5 8 4 0.9",
        "tdigest.create digest COMPRESSION 20",
        "tdigest.create single",
        "tdigest.add single 7.5",
        "tdigest.create none",
    ] {
        let reply = run(client, line);
        assert_eq!(reply, Reply::ok(), "{line}");
    }
    for number in 0..200 {
        for line in [
            format!("bf.add bloom item{number}"),
            format!("bf.madd fixed item{} other", number % 50),
            format!("cf.add cuckoo item{}", number % 90),
            format!("cms.incrby counts item{} {number}", number % 20),
            format!("topk.incrby top item{} {}", number * number % 40, number % 7),
            format!("tdigest.add digest {} {}.5", number % 17, number),
        ] {
            let reply = run(client, &line);
            assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        }
    }
}

/// What a server answers about what [`fill`] made.
fn answers(client: &mut Connection) -> Vec<Reply> {
    let items: Vec<String> = (0..300).map(|number| format!("item{number}")).collect();
    let ask = |client: &mut Connection, line: &str, items: &[String]| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).chain(items.iter().cloned()).collect();
        client.cmd(&words)
    };
    let of_items = ["bf.mexists bloom", "bf.mexists fixed", "cf.mexists cuckoo", "cms.query counts", "topk.query top"];
    let mut answers: Vec<Reply> = of_items.iter().map(|line| ask(client, line, &items)).collect();
    for line in [
        "bf.info bloom",
        "bf.info fixed",
        "bf.debug bloom",
        "cf.info cuckoo",
        "cf.count cuckoo item3",
        "cms.info counts",
        "topk.list top WITHCOUNT",
        "topk.info top",
        "tdigest.quantile digest 0 0.1 0.5 0.9 1",
        "tdigest.cdf digest 3 50 150",
        "tdigest.min digest",
        "tdigest.quantile single 0.5",
        "tdigest.quantile none 0.5",
        "tdigest.info digest",
    ] {
        answers.push(ask(client, line, &[]));
    }
    answers
}

/// Whether replies say the same: one server writes more digits of a number than the other.
fn alike(one: &Reply, other: &Reply) -> bool {
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok());
    match (one, other) {
        (Reply::Array(one), Reply::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Reply::Map(one), Reply::Map(other)) => {
            let alike =
                |one: &(Reply, Reply), other: &(Reply, Reply)| alike(&one.0, &other.0) && alike(&one.1, &other.1);
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Reply::Double(one), Reply::Double(other)) => one == other || one.is_nan() && other.is_nan(),
        (Reply::Bulk(one), Reply::Bulk(other)) => {
            one == other
                || number(one)
                    .zip(number(other))
                    .is_some_and(|(one, other)| one == other || one.is_nan() && other.is_nan())
        }
        _ => one == other,
    }
}

#[track_caller]
fn are_alike(found: &[Reply], expected: &[Reply], what: &str) {
    let differing = found.iter().zip(expected).find(|(found, expected)| !alike(found, expected));
    assert!(differing.is_none() && found.len() == expected.len(), "{what}: {differing:#?}");
}

#[test]
fn replies_of_both_protocols_are_those_of_redisbloom() {
    let (server, mut client) = server();
    assert_eq!(run(&mut client, "bf.add k a"), Reply::Integer(1));
    assert_eq!(run(&mut client, "bf.madd k a b"), Reply::Array(vec![Reply::Integer(0), Reply::Integer(1)]));
    assert_eq!(run(&mut client, "bf.info k capacity"), Reply::Array(vec![Reply::Integer(100)]));
    assert_eq!(run(&mut client, "cf.insert c ITEMS a"), Reply::Array(vec![Reply::Integer(1)]));
    assert_eq!(run(&mut client, "topk.reserve t 2 8 7 0.5"), Reply::ok());
    assert_eq!(run(&mut client, "topk.add t a b c"), Reply::Array(vec![Reply::Null, Reply::Null, Reply::bulk("a")]));
    assert_eq!(run(&mut client, "tdigest.create d"), Reply::ok());
    assert_eq!(run(&mut client, "tdigest.add d 1 2 3"), Reply::ok());
    assert_eq!(run(&mut client, "tdigest.quantile d 0.5 1"), Reply::bulks(&["2", "3"]));
    assert_eq!(run(&mut client, "tdigest.min none"), error("ERR T-Digest: key does not exist"));

    let mut client = resp_3(&server);
    assert_eq!(run(&mut client, "bf.add k a"), Reply::Boolean(false));
    assert_eq!(run(&mut client, "bf.mexists k a z"), Reply::Array(vec![Reply::Boolean(true), Reply::Boolean(false)]));
    let capacity = (Reply::Simple("Capacity".into()), Reply::Integer(100));
    assert_eq!(run(&mut client, "bf.info k capacity"), Reply::Map(vec![capacity]));
    assert_eq!(run(&mut client, "cf.insert c ITEMS a"), Reply::Array(vec![Reply::Boolean(true)]));
    assert_eq!(run(&mut client, "cf.insertnx c ITEMS a"), Reply::Array(vec![Reply::Integer(0)]));
    assert_eq!(run(&mut client, "cf.del c a"), Reply::Boolean(true));
    let Reply::Map(figures) = run(&mut client, "topk.info t") else { panic!("no map") };
    assert_eq!(figures[3], (Reply::Simple("decay".into()), Reply::Double(0.5)));
    assert_eq!(run(&mut client, "tdigest.max d"), Reply::Double(3.0));
    let name = |name: &str| Reply::Simple(name.into());
    let (yes, no, number) = (Reply::Boolean(true), Reply::Boolean(false), Reply::Integer);
    let array = |items: &[Reply]| Reply::Array(items.to_vec());
    for (line, expected) in [
        ("cms.initbydim m 10 2", Reply::ok()),
        ("cms.incrby m a 3 b 1", array(&[number(3), number(1)])),
        ("cms.query m a", array(&[number(3)])),
        (
            "cms.info m",
            Reply::Map(vec![(name("width"), number(10)), (name("depth"), number(2)), (name("count"), number(4))]),
        ),
        ("topk.reserve u 2 8 7 1", Reply::ok()),
        ("topk.add u a b a c", array(&[Reply::Null, Reply::Null, Reply::Null, Reply::bulk("b")])),
        ("topk.incrby u a 4", array(&[Reply::Null])),
        ("topk.query u a z", array(&[yes.clone(), no.clone()])),
        ("topk.count u a", array(&[number(6)])),
        ("topk.list u", Reply::bulks(&["a", "c"])),
        ("topk.list u WITHCOUNT", array(&[Reply::bulk("a"), number(6), Reply::bulk("c"), number(1)])),
        ("tdigest.quantile d 0.5 1", array(&[Reply::Double(2.0), Reply::Double(3.0)])),
        ("tdigest.cdf d 2", array(&[Reply::Double(0.5)])),
        ("tdigest.rank d 2", array(&[number(1)])),
        ("tdigest.byrank d 0 9", array(&[Reply::Double(1.0), Reply::Double(f64::INFINITY)])),
        ("tdigest.trimmed_mean d 0.1 0.9", Reply::Double(2.0)),
        ("bf.madd w a b a", array(&[yes.clone(), yes.clone(), no.clone()])),
        ("bf.insert w ITEMS a z", array(&[no.clone(), yes.clone()])),
        ("bf.card w", number(3)),
        ("cf.add e a", yes.clone()),
        ("cf.addnx e a", no.clone()),
        ("cf.count e a", number(1)),
        ("cf.mexists e a z", array(&[yes, no.clone()])),
        ("cf.compact e", Reply::ok()),
        ("cf.del e q", no),
    ] {
        assert_eq!(run(&mut client, line), expected, "{line}");
    }
    let Reply::Map(figures) = run(&mut client, "tdigest.info d") else { panic!("no map") };
    assert_eq!(figures[0], (name("Compression"), number(100)));
    let Reply::Map(figures) = run(&mut client, "cf.info e") else { panic!("no map") };
    assert_eq!(figures[3], (name("Number of items inserted"), number(1)));
}

#[test]
fn sizes_beyond_the_memory_of_the_machine_are_errors() {
    let (_server, mut client) = server();
    for (line, text) in [
        ("bf.reserve k 0.01 9223372036854775807", "ERR Insufficient memory to create filter"),
        ("bf.insert k CAPACITY 9223372036854775807 ITEMS a", "ERR Insufficient memory to create filter"),
        ("cf.reserve k 9223372036854775807", "ERR Insufficient memory to create filter"),
        ("cf.insert k CAPACITY 9223372036854775807 ITEMS a", "ERR Could not create filter"),
        ("cms.initbydim k 1000000000000 100000", "CMS: Insufficient memory to create the key"),
        ("cms.initbydim k 9223372036854775807 2", "CMS: invalid init arguments"),
        ("cms.initbyprob k 1e-300 0.5", "CMS: invalid init arguments"),
        ("cms.initbyprob k 1e-15 0.5", "CMS: Insufficient memory to create the key"),
        (
            "topk.reserve k 4294967295 4294967295 4294967295 0.9",
            "ERR Insufficient memory to create topk data structure",
        ),
        ("topk.reserve k 4294967296", "TopK: invalid k"),
        ("tdigest.create k COMPRESSION 9223372036854775807", "ERR T-Digest: allocation failed"),
    ] {
        assert_eq!(run(&mut client, line), error(text), "{line}");
    }
    assert_eq!(run(&mut client, "exists k"), Reply::Integer(0));
    assert_eq!(run(&mut client, "tdigest.create k COMPRESSION 357913939"), Reply::ok());
    assert_eq!(run(&mut client, "tdigest.add k 1 2"), Reply::ok());
    assert!(matches!(run(&mut client, "memory usage k"), Reply::Integer(bytes) if bytes < 1000));
}

#[test]
fn sketches_survive_snapshots_logs_payloads_and_copies() {
    let server = Server::start_with(&["--enable-debug-command", "yes", "--appendonly", "yes"]);
    let mut client = server.connect();
    fill(&mut client);
    let (before, told) = (digests(&mut client), answers(&mut client));
    for reload in ["debug reload", "debug loadaof"] {
        assert_eq!(run(&mut client, reload), Reply::ok());
        assert_eq!(digests(&mut client), before, "{reload}");
    }
    client.cmd(&["CONFIG", "SET", "aof-use-rdb-preamble", "no"]);
    run(&mut client, "bgrewriteaof");
    wait_until("the log is written anew", || info(&mut client, "aof_rewrite_in_progress") == "0");
    assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "ok");
    assert_eq!(run(&mut client, "debug loadaof"), Reply::ok());
    assert_eq!(digests(&mut client), before);
    are_alike(&answers(&mut client)[..13], &told[..13], "after all");
    for (key, digest) in KEYS.iter().zip(&before) {
        assert_eq!(client.cmd(&["COPY", key, "copy", "REPLACE"]), Reply::Integer(1));
        let Reply::Bulk(payload) = client.cmd(&["DUMP", key]) else { panic!("no payload of {key}") };
        assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"back", b"0", &payload, b"REPLACE"]), Reply::ok());
        for name in ["copy", "back"] {
            assert_eq!(&client.cmd(&["DEBUG", "DIGEST-VALUE", name]), digest, "{key}");
        }
    }
}

#[test]
fn a_replica_makes_the_same_decisions() {
    let (server, mut client) = server();
    fill(&mut client);
    let replica = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut there = replica.connect();
    there.cmd(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]);
    wait_until("the link is up", || info(&mut there, "master_link_status") == "up");
    let mut random = Random(1);
    for _ in 0..300 {
        let item = random.below(60);
        for line in [
            format!("topk.add top item{item} item{}", random.below(60)),
            format!("bf.add bloom new{item}"),
            format!("cf.insertnx cuckoo ITEMS new{item}"),
            format!("tdigest.add digest {item}"),
        ] {
            run(&mut client, &line);
        }
    }
    run(&mut client, "set last 1");
    wait_until("the writes have come", || run(&mut there, "exists last") == Reply::Integer(1));
    let but_digest = |client: &mut Connection| {
        let (digests, digest) = (digests(client), run(client, "tdigest.quantile digest 0 1"));
        // A digest is merged when it is sent, and then merges at other times: its centroids are not the same.
        (digests.into_iter().enumerate().filter(|(at, _)| KEYS[*at] != "digest").collect::<Vec<_>>(), digest)
    };
    assert_eq!(but_digest(&mut there), but_digest(&mut client));
}

#[test]
fn what_changes_nothing_is_no_change_and_the_rest_fails_transactions_that_watch() {
    let (server, mut client) = server();
    fill(&mut client);
    let mut other = server.connect();
    for (line, changes) in [
        ("bf.add bloom item1", false),
        ("bf.add bloom unseen", true),
        ("bf.madd fixed item1", false),
        ("cf.addnx cuckoo item1", false),
        ("cf.add cuckoo item1", true),
        ("cf.del cuckoo unseen", false),
        ("cms.incrby counts item1 1", true),
        ("cms.query counts item1", false),
        ("topk.add top item1", true),
        ("tdigest.add digest 1", true),
        ("tdigest.quantile digest 0.5", false),
        ("tdigest.reset digest", true),
    ] {
        client.cmd(&[&["WATCH"], KEYS].concat());
        let dirty = info(&mut client, "rdb_changes_since_last_save");
        let reply = run(&mut other, line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        assert_eq!(info(&mut client, "rdb_changes_since_last_save") != dirty, changes, "{line}");
        run(&mut client, "multi");
        let done = run(&mut client, "exec");
        assert_eq!(done != Reply::Array(vec![]), changes, "{line}: {done:?}");
    }
}

#[test]
fn other_types_are_told_apart_and_rights_go_by_category() {
    let (server, mut client) = server();
    fill(&mut client);
    assert_eq!(run(&mut client, "type bloom"), Reply::Simple("MBbloom--".into()));
    assert_eq!(run(&mut client, "object encoding digest"), Reply::bulk("raw"));
    let wrong = error("WRONGTYPE Operation against a key holding the wrong kind of value");
    for line in
        ["bf.add cuckoo a", "cf.add bloom a", "cms.query top a", "topk.list counts", "tdigest.add bloom 1", "get top"]
    {
        assert_eq!(run(&mut client, line), wrong, "{line}");
    }
    assert_eq!(run(&mut client, "bf.exists cuckoo a"), Reply::Integer(0));
    run(&mut client, "acl setuser guest on nopass ~* -@all +@bloom +@tdigest");
    let mut guest = server.connect();
    run(&mut guest, "auth guest x");
    assert!(matches!(run(&mut guest, "bf.card bloom"), Reply::Integer(190..=200)));
    assert_eq!(run(&mut guest, "tdigest.min digest"), Reply::bulk("0"));
    let refused = run(&mut guest, "topk.list top");
    assert!(matches!(&refused, Reply::Error(text) if text.starts_with("NOPERM")), "{refused:?}");
    run(&mut client, "acl setuser guest resetkeys ~digest +@all");
    let refused = run(&mut guest, "tdigest.merge digest 1 single");
    assert!(matches!(&refused, Reply::Error(text) if text.starts_with("NOPERM")), "{refused:?}");
    let Reply::Array(modules) = run(&mut client, "module list") else { panic!("no list") };
    assert!(modules.iter().any(|module| matches!(module, Reply::Array(fields) if fields[1] == Reply::bulk("bf"))));
}

#[test]
fn payloads_cut_or_with_a_bit_flipped_anywhere_do_no_harm() {
    let (server, mut client) = server();
    fill(&mut client);
    let before = server.address_space_peak();
    for key in KEYS {
        let Reply::Bulk(payload) = client.cmd(&["DUMP", key]) else { panic!("no payload of {key}") };
        let body = &payload[..payload.len() - 10];
        // The beginning, where lengths stand, wholly; of the rest some hundreds of places.
        let places = (0..body.len()).filter(|at| *at < 150 || at % (body.len() / 200).max(1) == 0);
        let mut restored = 0;
        for at in places {
            for bit in 0..9 {
                let mut damaged = body.to_vec();
                match bit {
                    8 => damaged.truncate(at),
                    bit => damaged[at] ^= 1 << bit,
                }
                // A checksum of 0 is not checked.
                damaged.extend([&payload[payload.len() - 10..payload.len() - 8], &[0; 8]].concat());
                client.cmd(&["DEL", "back"]);
                if client.cmd(&[b"RESTORE".as_slice(), b"back", b"0", &damaged]) != Reply::ok() {
                    continue;
                }
                restored += 1;
                for line in [
                    "bf.exists back y",
                    "cf.del back y",
                    "topk.list back",
                    "tdigest.quantile back 0.1 0.9",
                    "tdigest.cdf back 3",
                    "bf.add back x",
                    "cf.add back x",
                    "cms.incrby back x 1",
                    "topk.add back x y",
                    "tdigest.add back 1 2",
                    "dump back",
                ] {
                    run(&mut client, line);
                }
            }
        }
        assert!(restored > 0, "{key}: changed bits make another sketch");
    }
    assert_eq!(run(&mut client, "ping"), Reply::Simple("PONG".into()));
    let grown = server.address_space_peak() - before;
    assert!(grown < 1 << 28, "{grown} bytes were asked for");
}

/// What a key hands out as chunks: their positions, and their bytes.
fn chunks(client: &mut Connection, family: &str, key: &str) -> Vec<(i64, Vec<u8>)> {
    let mut chunks = Vec::new();
    let mut position = 0;
    loop {
        let Reply::Array(step) = run(client, &format!("{family}.scandump {key} {position}")) else { panic!("no step") };
        let [Reply::Integer(next), Reply::Bulk(bytes)] = &step[..] else {
            assert_eq!(step[0], Reply::Integer(0), "the last step has nothing");
            return chunks;
        };
        if *next == 0 {
            return chunks;
        }
        position = *next;
        chunks.push((position, bytes.clone()));
    }
}

#[test]
fn chunks_that_are_cut_changed_or_in_another_order_do_no_harm() {
    let (_server, mut client) = server();
    fill(&mut client);
    let mut random = Random(6);
    let mut taken = 0;
    for (family, key) in [("bf", "bloom"), ("bf", "fixed"), ("cf", "cuckoo")] {
        let whole = chunks(&mut client, family, key);
        let load = format!("{family}.loadchunk");
        let send = |client: &mut Connection, (position, bytes): &(i64, Vec<u8>)| {
            client.cmd(&[load.as_bytes(), b"back", position.to_string().as_bytes(), bytes])
        };
        for round in 0..400 {
            let mut some = whole.clone();
            for _ in 0..random.below(3) {
                let at = random.below(some.len());
                let (position, bytes) = &mut some[at];
                match random.below(5) {
                    0 => bytes.truncate(random.below(bytes.len() + 1)),
                    1 => bytes.push(random.next() as u8),
                    2 => *position = position.wrapping_add(*random.pick(&[-1, 1, 1 << 20, i64::MAX])),
                    _ if bytes.is_empty() => {}
                    _ => {
                        let place = random.below(bytes.len());
                        bytes[place] = *random.pick(&[0, 1, 0x7f, 0x80, 0xff]);
                    }
                }
            }
            if round % 5 == 0 {
                let other = random.below(some.len());
                some.swap(0, other);
            }
            client.cmd(&["DEL", "back"]);
            for chunk in &some {
                taken += u32::from(send(&mut client, chunk) == Reply::ok());
            }
            for line in ["add back x", "exists back y", "info back", "debug back", "del back x", "scandump back 0"] {
                run(&mut client, &format!("{family}.{line}"));
            }
            run(&mut client, "dump back");
        }
        client.cmd(&["DEL", "back"]);
        for chunk in &whole {
            assert_eq!(send(&mut client, chunk), Reply::ok(), "{key}");
        }
        let digest = |client: &mut Connection, key: &str| client.cmd(&["DEBUG", "DIGEST-VALUE", key]);
        assert_eq!(digest(&mut client, "back"), digest(&mut client, key));
    }
    assert!(taken > 0, "changed bits make other filters");
    assert_eq!(run(&mut client, "ping"), Reply::Simple("PONG".into()));
}

/// Answers without those that follow from chance: Top-K's; and a digest of one value is lost by RedisBloom.
fn deterministic(answers: Vec<Reply>) -> Vec<Reply> {
    let left_out = [4, 11, 16];
    answers.into_iter().enumerate().filter(|(at, _)| !left_out.contains(at)).map(|(_, answer)| answer).collect()
}

#[test]
fn redisbloom_follows_and_is_followed() {
    for ours_leads in [true, false] {
        let Some(redis) = redisbloom(&["--repl-diskless-sync-delay", "0"]) else { return };
        let server = Server::start_with(&["--repl-diskless-sync-delay", "0"]);
        let (leader, follower) = if ours_leads { (&server, &redis) } else { (&redis, &server) };
        let (mut leading, mut following) = (leader.connect(), follower.connect());
        fill(&mut leading);
        following.cmd(&["REPLICAOF", "127.0.0.1", &leader.port().to_string()]);
        wait_until("the link is up", || info(&mut following, "master_link_status") == "up");
        for number in 0..40 {
            for line in [
                format!("bf.add bloom new{number}"),
                format!("bf.insert made ITEMS new{number}"),
                format!("cf.insertnx cuckoo ITEMS new{number}"),
                format!("cf.del cuckoo item{number}"),
                format!("cms.incrby counts item{number} 2"),
                format!("topk.incrby top item{number} 3"),
            ] {
                run(&mut leading, &line);
            }
        }
        run(&mut leading, "tdigest.add digest 1000 -5");
        run(&mut leading, "tdigest.reset single");
        run(&mut leading, "set last 1");
        wait_until("the writes have come", || run(&mut following, "exists last") == Reply::Integer(1));
        let but_merges = |client: &mut Connection| {
            let mut found = deterministic(answers(client));
            // How much of a digest is merged depends on when it was sent; its ends do not.
            found.truncate(10);
            for line in ["bf.info made", "tdigest.min digest", "tdigest.max digest", "tdigest.max single"] {
                found.push(run(client, line));
            }
            found
        };
        are_alike(&but_merges(&mut following), &but_merges(&mut leading), "the same on both ends");
    }
}

/// Chance decides there what is forgotten, so that replies cannot be compared one by one: what is asked for can.
#[test]
fn top_k_with_decay_finds_the_heavy_items_that_redisbloom_finds() {
    let Some(redis) = redisbloom(&[]) else { return };
    let (server, mut ours) = server();
    let mut theirs = redis.connect();
    for (seed, decay) in [(1, "0.9"), (2, "0.5"), (3, "0.99")] {
        let mut random = Random(seed);
        let mut items: Vec<usize> = (1..=400).flat_map(|item| vec![item; 8000 / item]).collect();
        for at in (1..items.len()).rev() {
            items.swap(at, random.below(at + 1));
        }
        let found = [&mut ours, &mut theirs].map(|client| {
            run(client, "del t");
            assert_eq!(run(client, &format!("topk.reserve t 20 120 5 {decay}")), Reply::ok());
            for some in items.chunks(500) {
                let words: Vec<String> = some.iter().map(|item| format!("item{item}")).collect();
                client.cmd(&[vec!["topk.add".to_owned(), "t".to_owned()], words].concat());
            }
            let Reply::Array(list) = run(client, "topk.list t WITHCOUNT") else { panic!("no list") };
            list
        });
        for list in &found {
            for (rank, pair) in list.chunks(2).take(10).enumerate() {
                assert_eq!(pair[0], Reply::bulk(format!("item{}", rank + 1)), "decay {decay}, seed {seed}");
                let Reply::Integer(count) = pair[1] else { panic!("no count") };
                let exact = 8000 / (rank as i64 + 1);
                assert!(count <= exact && count > exact - exact / 20 - 10, "decay {decay}: {count} of {exact}");
            }
        }
        let heavy = |list: &[Reply]| list.chunks(2).take(10).map(|pair| pair[0].clone()).collect::<Vec<_>>();
        assert_eq!(heavy(&found[0]), heavy(&found[1]), "decay {decay}, seed {seed}");
    }
    drop(server);
}

/// Values by payload, and the file as a whole.
#[test]
fn files_go_to_redisbloom_and_come_back() {
    let Some(redis) = redisbloom(&["--enable-debug-command", "yes"]) else { return };
    let (server, mut ours) = server();
    let mut theirs = redis.connect();
    fill(&mut ours);
    fill(&mut theirs);
    are_alike(&deterministic(answers(&mut ours)), &deterministic(answers(&mut theirs)), "the same commands");
    for (from, to, what) in [(0, 1, "to RedisBloom"), (1, 0, "from RedisBloom")] {
        let sides = [&mut ours, &mut theirs];
        let expected = answers(sides[from]);
        for key in KEYS.iter().filter(|key| **key != "single") {
            let Reply::Bulk(payload) = sides[from].cmd(&["DUMP", key]) else { panic!("no payload of {key}") };
            let reply = sides[to].cmd(&[b"RESTORE".as_slice(), key.as_bytes(), b"0", &payload, b"REPLACE"]);
            assert_eq!(reply, Reply::ok(), "{key} {what}");
        }
        let found = answers(sides[to]);
        let but_single = |answers: &[Reply]| [&answers[..16], &answers[17..]].concat();
        are_alike(&but_single(&found), &but_single(&expected), what);
    }
    run(&mut ours, "config set rdb-save-for 7.0");
    assert_eq!(run(&mut ours, "save"), Reply::ok());
    let told = answers(&mut ours);
    let folder = redis.directory().to_owned();
    copy_dump(server.directory(), &folder);
    assert_eq!(run(&mut theirs, "debug reload nosave"), Reply::ok());
    are_alike(&answers(&mut theirs), &told, "the file of Oxidis");
    assert_eq!(run(&mut theirs, "save"), Reply::ok());
    copy_dump(&folder, server.directory());
    assert_eq!(run(&mut ours, "debug reload nosave"), Reply::ok());
    are_alike(&answers(&mut ours), &told, "the file of RedisBloom");
}

fn copy_dump(from: &Path, to: &Path) {
    std::fs::copy(from.join("dump.rdb"), to.join("dump.rdb")).expect("a file");
}

/// Sends as many random commands of a family to both, and compares the replies.
fn compare(family: &draw::Family, seed: u64, commands: usize, redis: &Server, server: &Server) {
    const BATCH: usize = 100;
    let (mut random, (name, draw)) = (Random(seed), family);
    let mut sides = [server.connect(), redis.connect()];
    for side in &mut sides {
        if seed % 2 == 1 {
            side.cmd(&["HELLO", "3"]);
        }
        side.cmd(&["FLUSHALL"]);
        side.cmd(&["SET", "string", "x"]);
    }
    let mut done: Vec<Vec<String>> = Vec::new();
    while done.len() < commands {
        let batch: Vec<Vec<String>> = (0..BATCH).map(|_| draw(&mut random)).collect();
        let sent: Vec<u8> = batch.iter().flat_map(|words| common::encode(words)).collect();
        sides.iter_mut().for_each(|side| side.raw(&sent));
        for words in batch {
            let [ours, theirs] = [0, 1].map(|side| sides[side].read());
            done.push(words.clone());
            // Merges look at the number of their keys before they look at a key, so of two errors the other comes first.
            let refused = matches!((&ours, &theirs), (Reply::Error(_), Reply::Error(_)));
            if alike(&ours, &theirs) || refused && words[0].ends_with(".merge") {
                continue;
            }
            let key = &words[1];
            let history: Vec<String> =
                done.iter().filter(|earlier| earlier[1..].contains(key)).map(|earlier| earlier.join(" ")).collect();
            let last = history.len().saturating_sub(25);
            panic!("{name}, seed {seed}: {words:?}\nours {ours:?}\ntheirs {theirs:?}\nbefore: {:#?}", &history[last..]);
        }
    }
}

#[test]
fn random_commands_get_the_replies_of_redisbloom() {
    let Some(redis) = redisbloom(&[]) else { return };
    let (server, _client) = server();
    for family in draw::FAMILIES {
        (0..2).for_each(|seed| compare(family, seed, 1500, &redis, &server));
    }
}

#[test]
#[ignore = "as long as OXIDIS_SKETCHES_COMMANDS tells"]
fn many_random_commands_get_the_replies_of_redisbloom() {
    let redis = redisbloom(&[]).expect("RedisBloom");
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let (commands, seeds) = (number("OXIDIS_SKETCHES_COMMANDS").expect("a number"), 20);
    let only = env::var("OXIDIS_SKETCHES_FAMILY").ok();
    let (server, _client) = server();
    for family in draw::FAMILIES.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)) {
        (0..seeds).for_each(|seed| compare(family, seed, commands / seeds as usize, &redis, &server));
        println!("{}: {commands} commands", family.0);
    }
}
