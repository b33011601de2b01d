//! Documents that go to RedisJSON and come back: by payload, file, log and replication.

use std::fs;
use std::path::Path;

use super::common::dataset::info;
use super::common::{Connection, Reply, Server, run, wait_until};
use super::{DOCUMENT, with_module};

/// As deep as `serde_json` reads it with the array of a path around it.
const DEPTH: usize = 126;

/// Documents of every kind of value, by key.
fn documents() -> Vec<(String, String)> {
    let members: Vec<String> = (0..300).map(|name| format!("\"member {name}\":{name}.5")).collect();
    let kinds = [
        ("text", r#""a\u0001\"\\/é€😀\n""#.to_owned()),
        ("empty", r#"{"":"","a":[],"o":{}}"#.to_owned()),
        ("numbers", "[0,-1,9223372036854775807,-9223372036854775808,18446744073709551615,0.1,-0.0,5e-324]".to_owned()),
        ("words", "[true,false,null]".to_owned()),
        ("long", format!("\"{}\"", "x".repeat(100_000))),
        ("wide", format!("{{{}}}", members.join(","))),
        ("deep", format!("{}1{}", "[".repeat(DEPTH), "]".repeat(DEPTH))),
        ("mixed", DOCUMENT.to_owned()),
    ];
    kinds.map(|(key, text)| (key.to_owned(), text)).to_vec()
}

fn fill(client: &mut Connection) {
    client.cmd(&["FLUSHALL"]);
    for (key, text) in documents() {
        assert_eq!(client.cmd(&["JSON.SET", &key, "$", &text]), Reply::ok(), "{key}");
    }
}

/// What a server says of the documents, with members by name.
fn told(client: &mut Connection) -> Vec<String> {
    let get = |(key, _): (String, String)| {
        let Reply::Bulk(text) = client.cmd(&["JSON.GET", &key, "$"]) else { panic!("no document {key}") };
        let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        format!("{key} {value}")
    };
    documents().into_iter().map(get).collect()
}

fn real(arguments: &[&str]) -> Option<Server> {
    with_module("OXIDIS_REJSON", &[&["--enable-debug-command", "yes"], arguments].concat())
}

fn own(arguments: &[&str]) -> Server {
    Server::start_with(&[&["--enable-debug-command", "yes"], arguments].concat())
}

#[test]
fn payloads_are_taken_by_the_module_and_its_own_are_taken_here() {
    let Some(real) = real(&[]) else { return };
    let own = own(&[]);
    let mut clients = [own.connect(), real.connect()];
    fill(&mut clients[0]);
    let expected = told(&mut clients[0]);
    for (from, to) in [(0, 1), (1, 0)] {
        fill(&mut clients[from]);
        clients[to].cmd(&["FLUSHALL"]);
        for (key, _) in documents() {
            let Reply::Bulk(payload) = clients[from].cmd(&["DUMP", &key]) else { panic!("no payload") };
            let reply = clients[to].cmd(&[b"RESTORE".as_slice(), key.as_bytes(), b"0", &payload]);
            assert_eq!(reply, Reply::ok(), "{key}");
        }
        assert_eq!(told(&mut clients[to]), expected);
    }
}

fn copy_file(from: &Path, to: &Path) {
    fs::copy(from.join("dump.rdb"), to.join("dump.rdb")).expect("a file");
}

#[test]
fn files_go_to_redisjson_and_come_back() {
    let Some(real) = real(&[]) else { return };
    let own = own(&["--rdb-save-for", "7.0"]);
    let (mut ours, mut theirs) = (own.connect(), real.connect());
    fill(&mut ours);
    let expected = told(&mut ours);
    assert_eq!(run(&mut ours, "SAVE"), Reply::ok());
    copy_file(own.directory(), real.directory());
    assert_eq!(run(&mut theirs, "DEBUG RELOAD NOSAVE"), Reply::ok());
    assert_eq!(told(&mut theirs), expected);
    assert_eq!(run(&mut theirs, "SAVE"), Reply::ok());
    copy_file(real.directory(), own.directory());
    run(&mut ours, "FLUSHALL");
    assert_eq!(run(&mut ours, "DEBUG RELOAD NOSAVE"), Reply::ok());
    assert_eq!(told(&mut ours), expected);
}

/// Commands that change documents, as logs and replicas get them.
const CHANGES: &[&str] = &[
    "JSON.NUMINCRBY mixed $.numbers[0] 4",
    "JSON.ARRAPPEND mixed $.deep.a.b 7",
    "JSON.DEL mixed .text",
    "JSON.MERGE empty $ {\"new\":[1]}",
    "JSON.ARRPOP numbers $ 0",
    "JSON.STRAPPEND text $ \"more\"",
    "JSON.CLEAR words $",
    "JSON.SET wide $.other 1",
];

/// Lets a server write its log anew and then more behind that, and gives its folder.
fn write_log(client: &mut Connection) {
    fill(client);
    run(client, "BGREWRITEAOF");
    wait_until("the log is written anew", || {
        info(client, "aof_rewrite_in_progress") == "0" && info(client, "aof_rewrite_scheduled") == "0"
    });
    assert_eq!(info(client, "aof_last_bgrewrite_status"), "ok");
    for line in CHANGES {
        let reply = run(client, line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
}

#[test]
fn logs_go_to_redisjson_and_come_back() {
    // RedisJSON does not know how to write a log without a preamble.
    for (preamble, all) in [("yes", &[true, false][..]), ("no", &[true])] {
        let arguments = ["--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", preamble];
        for ours_first in all {
            let Some(real) = real(&arguments) else { return };
            let own = own(&[&arguments[..], &["--rdb-save-for", "7.0"]].concat());
            let (from, to) = if *ours_first { (&own, &real) } else { (&real, &own) };
            let (mut writer, mut reader) = (from.connect(), to.connect());
            write_log(&mut writer);
            let expected = told(&mut writer);
            let (source, target) = (from.directory().join("appendonlydir"), to.directory().join("appendonlydir"));
            fs::remove_dir_all(&target).expect("a folder that goes");
            fs::create_dir(&target).expect("a folder");
            for entry in fs::read_dir(&source).expect("a folder") {
                let entry = entry.expect("an entry");
                fs::copy(entry.path(), target.join(entry.file_name())).expect("a copy");
            }
            let what = format!("preamble {preamble}, of ours: {ours_first}");
            assert_eq!(run(&mut reader, "DEBUG LOADAOF"), Reply::ok(), "{what}");
            assert_eq!(told(&mut reader), expected, "{what}");
        }
    }
}

#[test]
fn redisjson_follows_and_is_followed() {
    for ours_leads in [true, false] {
        let Some(real) = real(&["--repl-diskless-sync-delay", "0"]) else { return };
        let own = own(&["--repl-diskless-sync-delay", "0"]);
        let (leader, follower) = if ours_leads { (&own, &real) } else { (&real, &own) };
        let (mut leading, mut following) = (leader.connect(), follower.connect());
        fill(&mut leading);
        following.cmd(&["REPLICAOF", "127.0.0.1", &leader.port().to_string()]);
        wait_until("the link is up", || info(&mut following, "master_link_status") == "up");
        for line in CHANGES {
            run(&mut leading, line);
        }
        run(&mut leading, "SET last 1");
        wait_until("the writes have come", || run(&mut following, "EXISTS last") == Reply::Integer(1));
        assert_eq!(told(&mut following), told(&mut leading), "ours leads: {ours_leads}");
    }
}
