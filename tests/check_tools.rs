//! The check tools say what those of Redis 8.2 say, about sound files and damaged ones: its server under their names.
//! Without one (`OXIDIS_REDIS8`) they are not compared.

mod common;

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::dataset::{fill, info, redis_8, run_all, text};
use common::{Reply, Server, binary, wait_until};

/// The real tool and ours; nothing if there is no real one.
fn tools(folder: &Path, name: &str) -> Option<[PathBuf; 2]> {
    let (theirs, ours) = (folder.join("theirs"), folder.join("ours"));
    let tool = |program: OsString, folder: &Path| {
        fs::create_dir(folder).expect("a folder");
        symlink(program, folder.join(name)).expect("a link");
        folder.join(name)
    };
    Some([tool(redis_8()?, &theirs), tool(binary(), &ours)])
}

/// What a tool prints, without the offset of an error, and its status; to a question the answer is yes.
fn output(tool: &Path, folder: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(tool);
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("a tool");
    child.stdin.take().expect("its input").write_all(b"y\n").ok();
    let output = child.wait_with_output().expect("its output");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut after_error = false;
    // Redis names a type even where it has not come to a key yet.
    let has_key = text.contains("Reading key '");
    let lines = text.lines().filter(|line| has_key || !line.contains("] Reading type ")).map(|line| {
        let was_error = std::mem::replace(&mut after_error, line.contains("RDB ERROR DETECTED"));
        // Redis counts the parts of an element that it has read.
        if was_error { line.split_once("] ").map_or(line, |(_, reason)| reason).to_owned() } else { line.to_owned() }
    });
    (lines.collect::<Vec<_>>().join("\n"), output.status.code())
}

fn damaged(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    damaged[at] ^= 0x40;
    damaged
}

#[test]
fn snapshots_are_judged_as_by_redis_check_rdb() {
    let server = Server::start();
    let folder = server.directory();
    let Some([theirs, ours]) = tools(folder, "redis-check-rdb") else { return };
    let mut connection = server.connect();
    run_all(&mut connection, &["set gone 1 px 1".to_owned(), "set stays 1 px 10000000".to_owned()]);
    run_all(&mut connection, &["select 3", "rpush list a b c", "select 5", "set text abc"].map(str::to_owned));
    assert_eq!(connection.cmd(&["save"]), Reply::ok());
    let sound = fs::read(folder.join("dump.rdb")).expect("a snapshot");
    let end = sound.len();
    let files: [(&str, Vec<u8>); 7] = [
        ("sound", sound.clone()),
        ("with-more", [&sound[..], b"more"].concat()),
        ("damaged", damaged(&sound, end - 10)),
        ("checksum", damaged(&sound, end - 3)),
        ("in-value", sound[..end - 11].to_vec()),
        ("in-checksum", sound[..end - 4].to_vec()),
        ("in-aux", sound[..30].to_vec()),
    ];
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("written");
        assert_eq!(output(&ours, folder, &[name]), output(&theirs, folder, &[name]), "{name}");
    }
    for arguments in [&[][..], &["a", "b"]] {
        assert_eq!(output(&ours, folder, arguments), output(&theirs, folder, arguments), "{arguments:?}");
    }
    // What follows there tells how it was built.
    assert_eq!(output(&ours, folder, &["--version"]), ("redis-check-rdb 8.2.3".to_owned(), Some(0)));
    let missing = output(&ours, folder, &["nosuch"]);
    assert_eq!(missing, ("Cannot open file nosuch: No such file or directory".to_owned(), Some(1)));
}

#[test]
fn logs_are_judged_and_repaired_as_by_redis_check_aof() {
    let server = Server::start_with(&["--appendonly", "yes", "--aof-timestamp-enabled", "yes"]);
    let folder = server.directory();
    let Some([theirs, ours]) = tools(folder, "redis-check-aof") else { return };
    let mut connection = server.connect();
    fill(&mut connection);
    assert_eq!(text(&mut connection, "bgrewriteaof"), "Background append only file rewriting started");
    wait_until("the rewrite ends", || info(&mut connection, "aof_rewrite_in_progress") == "0");
    let command = |words: &str| common::encode(&words.split(' ').collect::<Vec<_>>());
    let transaction = ["multi", "set b 2", "incr a", "exec"].map(command).concat();
    let notes = ["#TS:1700000000\r\n", "#TS:1800000000\r\n"].map(str::as_bytes);
    let sound = [notes[0], &command("select 0"), &command("set a 1"), notes[1], &transaction].concat();
    let (logs, log) = (folder.join("appendonlydir"), "appendonly.aof.2.incr.aof");
    let (end, base) = (sound.len(), fs::read(logs.join("appendonly.aof.2.base.rdb")).expect("a base"));
    let files: [(&str, Vec<u8>, &[u8]); 8] = [
        ("sound", sound.clone(), &base),
        ("empty", Vec::new(), &base),
        ("cut in an argument", sound[..end - 3].to_vec(), &base),
        ("cut in a transaction", sound[..end - 14].to_vec(), &base),
        ("no command", [&sound[..], b"garbage\r\n"].concat(), &base),
        ("a damaged line end", damaged(&sound, end - 16), &base),
        ("a transaction in another", [&sound[..], b"*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nmulti\r\n"].concat(), &base),
        // In the checksum: which value is the last one is left to chance.
        ("a base that is cut off", sound.clone(), &base[..base.len() - 5]),
    ];
    let manifest = "appendonlydir/appendonly.aof.manifest";
    let increment = format!("appendonlydir/{log}");
    for (name, bytes, base) in files {
        for arguments in [
            &[manifest][..],
            &[&increment],
            &["--fix", manifest],
            &["--truncate-to-timestamp", "1", manifest],
            &["--truncate-to-timestamp", "1750000000", &increment],
        ] {
            let [their_result, our_result] = [&theirs, &ours].map(|tool| {
                fs::write(logs.join(log), &bytes).expect("written");
                fs::write(logs.join("appendonly.aof.2.base.rdb"), base).expect("written");
                let output = output(tool, folder, arguments);
                (output, fs::read(logs.join(log)).expect("a log"))
            });
            assert_eq!(our_result, their_result, "{name}: {arguments:?}");
        }
    }
    for arguments in [&["nosuch"][..], &["--truncate-to-timestamp", "x", manifest]] {
        assert_eq!(output(&ours, folder, arguments), output(&theirs, folder, arguments), "{arguments:?}");
    }
}
