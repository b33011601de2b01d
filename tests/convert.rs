//! `oxidis --convert`: data sets written for other servers.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::dataset::{content, fill, info, redis_7, run_all};
use common::{Connection, Reply, Server, binary, names, wait_until};

fn convert(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(binary());
    command.arg("--convert").args(arguments).current_dir(folder).output().expect("the program starts")
}

fn code_and_text(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn start_on(program: &std::ffi::OsString, folder: &Path, more: &[&str]) -> Server {
    let folder = folder.to_str().expect("a folder");
    let own = ["--dir", folder, "--enable-debug-command", "yes"];
    Server::start_program(program, &[&own, more].concat())
}

/// A folder with a snapshot of the data set, and what is in it.
fn saved(more: &[&str]) -> (tempfile::TempDir, std::collections::BTreeMap<String, String>) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = start_on(&binary(), folder.path(), &["--dbfilename", "dump.rdb"]);
    let mut connection = server.connect();
    fill(&mut connection);
    run_all(&mut connection, &more.iter().map(|command| (*command).to_owned()).collect::<Vec<_>>());
    assert_eq!(connection.cmd(&["save"]), Reply::ok());
    let content = content(&mut connection);
    (folder, content)
}

/// What streams had in them that early servers do not note.
fn without_counters(content: &mut std::collections::BTreeMap<String, String>) {
    content.retain(|key, _| !key.contains("stream"));
}

#[test]
fn a_snapshot_is_written_for_servers_of_every_age() {
    let (folder, before) = saved(&[]);
    let cases = [
        ("4.0", "REDIS0008"),
        ("6.2", "REDIS0009"),
        ("7.0", "REDIS0010"),
        ("7.2.4", "REDIS0011"),
        ("8.2", "REDIS0012"),
        ("8.12", "REDIS0016"),
        ("valkey-8.1", "REDIS0011"),
        ("valkey-9.1", "VALKEY080"),
        ("valkey-9.2", "VALKEY081"),
    ];
    for (target, magic) in cases {
        // There were no streams before 5.0.
        let skips = if target == "4.0" { &["--skip-keys"][..] } else { &[] };
        let output = convert(&[&["dump.rdb", "out.rdb", "--for", target], skips].concat(), folder.path());
        let (code, text) = code_and_text(&output);
        assert_eq!(code, Some(0), "{target}: {text}");
        assert!(text.contains("out.rdb: ") && text.contains(" keys, "), "{text}");
        assert!(fs::read(folder.path().join("out.rdb")).expect("a file").starts_with(magic.as_bytes()), "{target}");
        let server = start_on(&binary(), folder.path(), &["--dbfilename", "out.rdb"]);
        let (mut found, mut expected) = (content(&mut server.connect()), before.clone());
        if matches!(magic, "REDIS0008" | "REDIS0009") {
            without_counters(&mut found);
            without_counters(&mut expected);
        }
        assert!(found == expected, "{target}");
    }
    let Some(redis) = redis_7() else { return };
    assert_eq!(convert(&["dump.rdb", "out.rdb", "--for", "6.2"], folder.path()).status.code(), Some(0));
    let server = start_on(&redis, folder.path(), &["--dbfilename", "out.rdb"]);
    let (mut found, mut expected) = (content(&mut server.connect()), before);
    without_counters(&mut found);
    without_counters(&mut expected);
    assert!(found == expected, "by Redis 7");
}

#[test]
fn what_a_server_cannot_hold_is_refused_or_left_out_and_named() {
    let (folder, before) = saved(&["select 0", "hset fields a 1", "hpexpire fields 1000000 fields 1 a"]);
    let (code, text) = code_and_text(&convert(&["dump.rdb", "out.rdb", "--for", "7.0"], folder.path()));
    assert_eq!(code, Some(1));
    assert!(text.contains("key 'fields' in DB 0: a hash like this needs version 12 of Redis"), "{text}");
    assert_eq!(names(folder.path()), ["dump.rdb"]);
    let arguments = ["dump.rdb", "out.rdb", "--for", "7.0", "--skip-keys"];
    let (code, text) = code_and_text(&convert(&arguments, folder.path()));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("left out: key 'fields' in DB 0") && text.contains("Left out: 1 keys"), "{text}");
    let server = start_on(&binary(), folder.path(), &["--dbfilename", "out.rdb"]);
    let mut expected = before;
    expected.remove("0 fields");
    assert!(content(&mut server.connect()) == expected);
}

#[test]
fn types_of_modules_are_named_that_a_server_lacks_or_needs_modules_for() {
    let made = ["json.set document $ 1", "bf.add filter x", "vadd vectors values 1 1 e", "bf.add other x"];
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = start_on(&binary(), folder.path(), &["--dbfilename", "dump.rdb"]);
    run_all(&mut server.connect(), &made.map(str::to_owned));
    assert_eq!(server.connect().cmd(&["save"]), Reply::ok());
    drop(server);
    let (code, text) = code_and_text(&convert(&["dump.rdb", "out.rdb", "--for", "valkey-9.0"], folder.path()));
    assert_eq!(code, Some(1));
    assert!(text.contains("a value of the module type '"), "{text}");
    assert!(text.contains(" of Redis, not version 80 of Valkey"), "{text}");
    let arguments = ["dump.rdb", "out.rdb", "--for", "valkey-9.0", "--skip-keys"];
    let (code, text) = code_and_text(&convert(&arguments, folder.path()));
    assert_eq!(code, Some(0), "{text}");
    for (key, name) in
        [("document", "ReJSON-RL"), ("filter", "MBbloom--"), ("other", "MBbloom--"), ("vectors", "vectorset")]
    {
        let line = format!("left out: key '{key}' in DB 0: a value of the module type '{name}' needs");
        assert!(text.contains(&line), "{text}");
    }
    assert!(!text.contains("only with modules"), "{text}");
    std::fs::remove_file(folder.path().join("out.rdb")).expect("a file");
    for (target, is_told) in [("7.0", true), ("valkey-8.0", true), ("8.0", false), ("8.2", false)] {
        let (code, text) = code_and_text(&convert(&["dump.rdb", "out.rdb", "--for", target], folder.path()));
        assert_eq!(code, Some(0), "{text}");
        let told = format!(
            "{target} loads this only with modules that have the types MBbloom-- (2 keys), ReJSON-RL (1 keys), \
             vectorset (1 keys)"
        );
        assert_eq!(text.contains(&told), is_told, "{target}: {text}");
        std::fs::remove_file(folder.path().join("out.rdb")).expect("a file");
    }
    let server = start_on(&binary(), folder.path(), &["--dbfilename", "dump.rdb", "--rdb-save-for", "valkey-9.0"]);
    assert!(matches!(server.connect().cmd(&["SAVE"]), Reply::Error(_)));
    server.await_log("a value of the module type '");
}

/// Has a log with a base and increments, and ends its server; what is in it.
fn log(folder: &Path, preamble: &str) -> std::collections::BTreeMap<String, String> {
    let server = start_on(&binary(), folder, &["--appendonly", "yes", "--aof-use-rdb-preamble", preamble]);
    let mut connection = server.connect();
    fill(&mut connection);
    connection.cmd(&["bgrewriteaof"]);
    let done = |connection: &mut Connection, field: &str| info(connection, field) == "0";
    wait_until("the rewrite ends", || {
        done(&mut connection, "aof_rewrite_in_progress") && done(&mut connection, "aof_rewrite_scheduled")
    });
    run_all(&mut connection, &["select 3", "set later 1", "multi", "rpush list:small x", "exec"].map(str::to_owned));
    let content = content(&mut connection);
    connection.send(&["shutdown"]);
    assert!(connection.is_closed());
    content
}

#[test]
fn the_folder_of_a_log_is_converted_and_stays_as_it_is() {
    for preamble in ["yes", "no"] {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let before = log(folder.path(), preamble);
        let logs = folder.path().join("appendonlydir");
        let state = || names(&logs).into_iter().map(|name| (name.clone(), fs::read(logs.join(name)).expect("a file")));
        let files: Vec<_> = state().collect();
        let (code, text) = code_and_text(&convert(&["appendonlydir", "out.rdb", "--for", "7.0"], folder.path()));
        assert_eq!(code, Some(0), "{text}");
        assert!(files == state().collect::<Vec<_>>(), "the log has changed");
        let server = start_on(&binary(), folder.path(), &["--dbfilename", "out.rdb"]);
        let found = content(&mut server.connect());
        let differing: Vec<_> = found.iter().filter(|(key, value)| before.get(*key) != Some(*value)).take(2).collect();
        assert!(found == before, "{preamble}: {differing:#?}");
        // A log that is cut off is not taken for whole, nor cut.
        let last = names(&logs).into_iter().rfind(|name| name.contains("incr")).expect("an increment");
        let bytes = fs::read(logs.join(&last)).expect("a file");
        fs::write(logs.join(&last), &bytes[..bytes.len() - 3]).expect("written");
        let (code, text) = code_and_text(&convert(&["appendonlydir", "cut.rdb", "--for", "7.0"], folder.path()));
        assert!(code == Some(1) && text.contains(&last) && !folder.path().join("cut.rdb").exists(), "{text}");
        assert_eq!(fs::metadata(logs.join(&last)).expect("a file").len(), bytes.len() as u64 - 3);
    }
}

#[test]
fn the_one_file_of_an_old_log_is_converted() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let before = log(folder.path(), "yes");
    let logs = folder.path().join("appendonlydir");
    let part = |kind: &str| names(&logs).into_iter().rfind(|name| name.contains(kind)).expect("a part");
    let parts = [part(".base."), part(".incr.")].map(|name| fs::read(logs.join(name)).expect("a file"));
    fs::write(folder.path().join("old.aof"), parts.concat()).expect("written");
    let (code, text) = code_and_text(&convert(&["old.aof", "out.rdb", "--for", "7.0"], folder.path()));
    assert_eq!(code, Some(0), "{text}");
    let server = start_on(&binary(), folder.path(), &["--dbfilename", "out.rdb"]);
    assert!(content(&mut server.connect()) == before);
}

#[test]
fn bad_input_is_named_with_its_place_and_nothing_is_written() {
    let (folder, _) = saved(&[]);
    let bytes = fs::read(folder.path().join("dump.rdb")).expect("a file");
    fs::write(folder.path().join("cut.rdb"), &bytes[..bytes.len() / 2]).expect("written");
    fs::write(folder.path().join("text"), "no data set").expect("written");
    fs::write(folder.path().join("out.rdb"), "what was there").expect("written");
    let cases = [("cut.rdb", "cut.rdb: offset "), ("text", "text: this is neither"), ("none", "none: No such file")];
    for (name, expected) in cases {
        let (code, text) = code_and_text(&convert(&[name, "out.rdb", "--for", "7.0"], folder.path()));
        assert!(code == Some(1) && text.contains(expected), "{name}: {text}");
    }
    for arguments in [&["dump.rdb"][..], &["dump.rdb", "out.rdb"], &["dump.rdb", "out.rdb", "--for", "1.0"]] {
        let (code, text) = code_and_text(&convert(arguments, folder.path()));
        assert!(code == Some(2) && text.contains("Usage: oxidis --convert"), "{text}");
    }
    assert_eq!(fs::read(folder.path().join("out.rdb")).expect("a file"), b"what was there");
    assert_eq!(names(folder.path()), ["cut.rdb", "dump.rdb", "out.rdb", "text"]);
}
