//! The data set goes from server to server: Redis 7.0, Redis 8 and Valkey 9, by files, by replication and by the log.
//!
//! Redis 8 is named by OXIDIS_REDIS8, Valkey 9 by OXIDIS_VALKEY9; what is not there is said, and its way not gone.
//! Where OXIDIS_REDIS_REQUIRED is set all have to be there.

mod common;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Instant;

use common::dataset::{content, fill, info, redis_7, redis_8, run_all, valkey_9};
use common::{Connection, PATIENCE, Reply, Server, binary, free_port, wait_until};

const LIBRARY: &str = "#!lua name=answers\nredis.register_function{function_name='answer', \
                       callback=function() return 42 end, flags={'no-writes'}}";

/// Fills a server with all that every server holds.
fn fill_all(connection: &mut Connection) {
    fill(connection);
    assert_eq!(connection.cmd(&["function", "load", LIBRARY]).text(), "answers");
    run_all(connection, &["select 0", "sadd words a b c", "hset fields a 1 b 2"].map(str::to_owned));
}

/// What came after Redis 7.0, and both Redis 8 and Valkey 9 hold.
fn fill_newer(connection: &mut Connection) {
    let mut commands = vec!["select 0".to_owned()];
    commands.extend((0..700).map(|number| format!("hset many {number} {number}")));
    commands.push("hpexpire many 100000000 fields 2 3 5".to_owned());
    commands.push("hpexpire fields 100000000 fields 1 a".to_owned());
    run_all(connection, &commands);
}

fn start_on(program: &OsString, folder: &Path, arguments: &[&str]) -> Server {
    let folder = folder.to_str().expect("a folder");
    let own = ["--dir", folder, "--dbfilename", "dump.rdb", "--enable-debug-command", "yes"];
    Server::start_program(program, &[&own, arguments].concat())
}

type Content = BTreeMap<String, String>;

/// Fails with the keys that differ alone.
#[track_caller]
fn is_same(found: &Content, expected: &Content, what: &str) {
    let keys = found.keys().chain(expected.keys()).filter(|key| found.get(*key) != expected.get(*key));
    let differing: Vec<_> = keys.map(|key| (key, found.get(key), expected.get(key))).take(3).collect();
    assert!(differing.is_empty(), "{what}: {differing:#?}");
}

fn version(folder: &Path) -> String {
    let bytes = fs::read(folder.join("dump.rdb")).expect("a file");
    String::from_utf8_lossy(&bytes[..9]).into_owned()
}

#[test]
fn files_go_to_every_server_and_come_back() {
    let (Some(redis_7), Some(redis_8), Some(valkey)) = (redis_7(), redis_8(), valkey_9()) else { return };
    let folder = tempfile::tempdir().expect("a temporary directory");
    let ours = binary();
    let save_for = |target: &'static str| vec!["--rdb-save-for", target];
    let stops: [(&str, &OsString, Vec<&str>, &str); 7] = [
        ("Redis 7", &redis_7, vec![], "REDIS0010"),
        ("to Redis 8", &ours, save_for("8.2"), "REDIS0012"),
        ("Redis 8", &redis_8, vec![], "REDIS0012"),
        ("to Valkey", &ours, save_for("valkey-9.1"), "VALKEY080"),
        ("Valkey", &valkey, vec![], "VALKEY080"),
        ("of Valkey, for nobody", &ours, vec![], "REDIS0012"),
        ("for Redis 7", &ours, save_for("7.0"), "REDIS0010"),
    ];
    let mut before = None;
    for (name, program, arguments, written) in stops {
        let server = start_on(program, folder.path(), &arguments);
        let mut connection = server.connect();
        match &before {
            None => fill_all(&mut connection),
            Some(before) => is_same(&content(&mut connection), before, name),
        }
        if name == "Redis 8" {
            fill_newer(&mut connection);
        }
        if name == "for Redis 7" {
            assert_eq!(connection.cmd(&["save"]).text(), "ERR");
            server.await_log("a hash like this needs version 12 of Redis, not version 10 of Redis");
            run_all(&mut connection, &["select 0", "del many", "hpersist fields fields 1 a"].map(str::to_owned));
        }
        let now = content(&mut connection);
        assert_eq!(connection.cmd(&["save"]), Reply::ok(), "{name}");
        assert_eq!(version(folder.path()), written, "{name}");
        let file = folder.path().join("dump.rdb");
        let checked = std::process::Command::new(binary()).arg("--check-rdb").arg(file).output();
        let report = String::from_utf8_lossy(&checked.expect("the program starts").stdout).into_owned();
        assert!(report.contains("RDB looks OK!"), "{name}: {report}");
        before = Some(now);
    }
    let server = start_on(&redis_7, folder.path(), &[]);
    is_same(&content(&mut server.connect()), &before.unwrap_or_default(), "Redis 7 again");
}

/// A replica of this program follows a primary, is promoted, and is followed by another of the primary's kind.
fn replicate(program: &OsString, settings: &[&str], newer: bool) {
    let start = |program: &OsString, settings: &[&str]| {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let arguments = [&["--repl-diskless-sync-delay", "0"], settings].concat();
        (start_on(program, folder.path(), &arguments), folder)
    };
    let follow = |replica: &Server, primary: &Server| {
        let reply = replica.connect().cmd(&["replicaof", "127.0.0.1", &primary.port().to_string()]);
        assert_eq!(reply, Reply::ok());
        wait_until("the link is up", || info(&mut replica.connect(), "master_link_status") == "up");
    };
    let same = |one: &Server, other: &Server| {
        let expected = content(&mut one.connect());
        let mut found = Content::new();
        let started = Instant::now();
        wait_until("writes have come", || {
            found = content(&mut other.connect());
            found == expected || started.elapsed() > PATIENCE / 2
        });
        is_same(&found, &expected, "by replication");
    };
    let ((primary, _a), (middle, _b), (last, _c)) =
        (start(program, settings), start(&binary(), &[]), start(program, settings));
    fill_all(&mut primary.connect());
    if newer {
        fill_newer(&mut primary.connect());
    }
    follow(&middle, &primary);
    same(&primary, &middle);
    let writes = ["select 3", "set later 1", "rpush list:small z", "xadd stream:small 9999-1 f v", "del set:big"];
    run_all(&mut primary.connect(), &writes.map(str::to_owned));
    same(&primary, &middle);
    assert_eq!(middle.connect().cmd(&["replicaof", "no", "one"]), Reply::ok());
    follow(&last, &middle);
    same(&middle, &last);
    run_all(
        &mut middle.connect(),
        &["select 0", "set latest 1", "hset fields c 3", "pexpire latest 1000000"].map(str::to_owned),
    );
    same(&middle, &last);
    assert_eq!(info(&mut middle.connect(), "sync_full"), "1");
}

#[test]
fn redis_7_is_followed_and_follows() {
    let Some(redis) = redis_7() else { return };
    replicate(&redis, &[], false);
    replicate(&redis, &["--repl-diskless-sync", "no", "--repl-diskless-load", "swapdb"], false);
}

#[test]
fn redis_8_is_followed_and_follows_with_a_channel_for_snapshots_of_its_own() {
    let Some(redis) = redis_8() else { return };
    replicate(&redis, &[], true);
    replicate(&redis, &["--repl-rdb-channel", "yes", "--repl-diskless-load", "swapdb"], true);
}

#[test]
fn valkey_is_followed_and_follows_with_two_channels() {
    let Some(valkey) = valkey_9() else { return };
    replicate(&valkey, &[], true);
    replicate(&valkey, &["--dual-channel-replication-enabled", "yes"], true);
    replicate(&valkey, &["--repl-diskless-sync", "no"], true);
}

#[test]
fn a_valkey_that_cannot_hold_the_data_is_told_so_in_the_log() {
    let server = Server::start_with(&["--repl-diskless-sync-delay", "0"]);
    let mut connection = server.connect();
    run_all(&mut connection, &["hset h f v", "hpexpire h 100000000 fields 1 f"].map(str::to_owned));
    let mut replica = server.connect();
    assert_eq!(replica.cmd(&["replconf", "version", "8"]), Reply::error("ERR Unrecognized version format: 8"));
    assert_eq!(replica.cmd(&["replconf", "capa", "eof", "version", "8.1.0"]), Reply::ok());
    replica.send(&["psync", "?", "-1"]);
    server.await_log("key 'h' in DB 0: a hash like this needs version 12 of Redis, not version 11 of Redis");
}

/// What came after Redis 8.2, each in a version of its own.
const NEWER_VALUES: [(&str, &str); 4] = [
    ("arset array 0 x", "version 14 of Redis"),
    ("saddex members ex 100000 members 1 x", "version 16 of Redis"),
    ("bless set words no-evict", "version 16 of Redis"),
    ("phset paths /a fields 1 f v", "version 81 of Valkey"),
];

#[test]
fn a_replica_too_old_for_the_data_is_told_so_and_is_not_given_the_same_again_and_again() {
    let old = [redis_7(), redis_8(), redis_7(), redis_8()];
    for (place, (value, version)) in NEWER_VALUES.into_iter().enumerate() {
        let Some(program) = &old[place] else { continue };
        let diskless = if place % 2 == 0 { "no" } else { "yes" };
        let settings = ["--repl-diskless-sync-delay", "0", "--repl-diskless-sync", diskless, "--save", ""];
        let primary = Server::start_with(&settings);
        run_all(&mut primary.connect(), &["sadd words a b", value].map(str::to_owned));
        let folder = tempfile::tempdir().expect("a temporary directory");
        let replica = start_on(program, folder.path(), &["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
        let failed = format!("left without having loaded its snapshot, which has to be {version}");
        primary.await_log(&failed);
        primary.await_log(&format!("is given a snapshot of {version} once a minute"));
        replica.await_log("a snapshot of version");
        assert_eq!(primary.log().matches(&failed).count(), 2, "{}", primary.log());
        // Once it can hold the data it gets that at once.
        run_all(&mut primary.connect(), &["del array members paths words", "sadd words c d"].map(str::to_owned));
        wait_until("the link is up", || info(&mut replica.connect(), "master_link_status") == "up");
        is_same(&content(&mut replica.connect()), &content(&mut primary.connect()), version);
    }
}

#[test]
fn who_is_to_load_snapshots_is_said_for_replicas_as_well() {
    for diskless in ["yes", "no"] {
        let settings = ["--repl-diskless-sync-delay", "0", "--repl-diskless-sync", diskless, "--rdb-save-for", "8.2"];
        let primary = Server::start_with(&settings);
        run_all(&mut primary.connect(), &["arset array 0 x".to_owned()]);
        let replica = Server::start_with(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
        primary.await_log("key 'array' in DB 0: a array like this needs version 14 of Redis, not version 12 of Redis");
        run_all(&mut primary.connect(), &["del array", "set k v"].map(str::to_owned));
        wait_until("the link is up", || info(&mut replica.connect(), "master_link_status") == "up");
        assert_eq!(replica.connect().cmd(&["get", "k"]), Reply::bulk("v"));
    }
}

#[test]
fn logs_that_begin_with_a_snapshot_are_taken_over() {
    let programs = [
        redis_7().map(|program| (program, false)),
        redis_8().map(|program| (program, true)),
        valkey_9().map(|program| (program, true)),
    ];
    for (program, newer) in programs.into_iter().flatten() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
        let before = {
            let server = start_on(&program, folder.path(), &arguments);
            let mut connection = server.connect();
            fill_all(&mut connection);
            if newer {
                fill_newer(&mut connection);
            }
            connection.cmd(&["bgrewriteaof"]);
            wait_until("the rewrite ends", || {
                info(&mut connection, "aof_rewrite_in_progress") == "0"
                    && info(&mut connection, "aof_rewrite_scheduled") == "0"
            });
            run_all(&mut connection, &["select 0", "set later 1", "xadd stream:small 9999-1 f v"].map(str::to_owned));
            let before = content(&mut connection);
            connection.send(&["shutdown"]);
            assert!(connection.is_closed());
            before
        };
        let server = start_on(&binary(), folder.path(), &arguments);
        is_same(&content(&mut server.connect()), &before, &program.to_string_lossy());
    }
}

#[test]
fn a_vector_set_of_redis_comes_in_with_the_file() {
    let Some(redis) = redis_8() else { return };
    let folder = tempfile::tempdir().expect("a temporary directory");
    {
        let server = start_on(&redis, folder.path(), &[]);
        let mut connection = server.connect();
        run_all(&mut connection, &["set a 1", "vadd points values 2 0.5 1.5 x", "set b 2"].map(str::to_owned));
        assert_eq!(connection.cmd(&["save"]), Reply::ok());
    }
    let server = start_on(&binary(), folder.path(), &[]);
    assert_eq!(server.connect().cmd(&["mget", "a", "b"]), Reply::bulks(&["1", "2"]));
    assert_eq!(server.connect().cmd(&["vcard", "points"]), Reply::Integer(1));
}

#[test]
fn values_of_unknown_modules_are_named_and_left_out_if_that_is_wanted() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    // Nine letters by their places in the alphabet, six bits each, and the version in ten: "AAAAAAAAB" of version 1.
    let identity = (1u64 << 10 | 1).to_be_bytes();
    // A piece that is the number 5, and the mark of the end.
    let value = [&[0x81][..], &identity, &[2, 5, 0]].concat();
    let file = [b"REDIS0009\xfe\0\0\x01a\x011\x07\x06points", &value[..], b"\0\x01b\x012\xff", &[0; 8]].concat();
    fs::write(folder.path().join("dump.rdb"), &file).expect("a file");
    let arguments = ["--dir", folder.path().to_str().expect("a folder"), "--dbfilename", "dump.rdb"];
    let port = free_port().to_string();
    let refused = std::process::Command::new(binary()).args(arguments).args(["--port", &port]).output();
    let log = String::from_utf8_lossy(&refused.expect("the server's binary starts").stdout).into_owned();
    assert!(log.contains("no matching module type 'AAAAAAAAB' (key 'points')"), "{log}");
    let server = start_on(&binary(), folder.path(), &["--rdb-load-skip-unknown-modules", "yes"]);
    server.await_log("Skipping key 'points' in DB 0: its value is of module type 'AAAAAAAAB'");
    assert_eq!(server.connect().cmd(&["mget", "a", "b"]), Reply::bulks(&["1", "2"]));
    assert_eq!(server.connect().cmd(&["dbsize"]), Reply::Integer(2));
}

#[test]
fn a_file_that_is_not_quite_sound_is_loaded_and_the_key_named() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    // An intset of 3, 1 and 1, without a checksum.
    let value = b"\x02\0\0\0\x03\0\0\0\x03\0\x01\0\x01\0";
    let file = [&b"REDIS0009\xfe\0\x0b\x04ints"[..], &[value.len() as u8], value, b"\xff", &[0; 8]].concat();
    fs::write(folder.path().join("dump.rdb"), &file).expect("a file");
    let server = start_on(&binary(), folder.path(), &[]);
    server.await_log("The value of key 'ints' in DB 0 was not sound and has been corrected");
    assert_eq!(server.connect().cmd(&["smembers", "ints"]), Reply::bulks(&["1", "3"]));
    drop(server);
    let folder = folder.path().to_str().expect("a folder");
    let output = std::process::Command::new(binary())
        .args(["--dir", folder, "--dbfilename", "dump.rdb", "--sanitize-dump-payload", "yes", "--port"])
        .arg(free_port().to_string())
        .output()
        .expect("the server's binary starts");
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && log.contains("Intset integrity check failed."), "{log}");
}
