//! `hide-user-data-from-log`: what clients have sent is not in the log, and without it is.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Reply, Server, binary, encode, wait_until};

const SECRET: &str = "xyzzy";
const SETTINGS: [&str; 2] = ["no", "yes"];

/// The secret is in the log exactly if that is not to be kept; what stands around it is anyway.
fn assert_hidden(log: &str, setting: &str, around: &[&str]) {
    for text in around {
        assert!(log.contains(text), "no {text:?} with {setting}:\n{log}");
    }
    assert_eq!(log.contains(SECRET), setting == "no", "{setting}:\n{log}");
    assert_eq!(log.contains("*redacted*"), setting == "yes", "{setting}:\n{log}");
}

fn start(setting: &str, more: &[&str]) -> Server {
    Server::start_with(&[&["--hide-user-data-from-log", setting, "--enable-debug-command", "yes"], more].concat())
}

/// What a server logs that is to end by itself.
fn failed_start(setting: &str, folder: &Path, more: &[&str]) -> String {
    let mut command = Command::new(binary());
    command.args(["--port", "0", "--unixsocket", "socket", "--hide-user-data-from-log", setting]);
    command.arg("--dir").arg(folder).args(more).current_dir(folder).stdin(Stdio::null());
    let output = command.output().expect("the server's binary starts");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn lines_of_clients_have_no_names() {
    for setting in SETTINGS {
        let server = start(setting, &["--loglevel", "verbose"]);
        let mut client = server.connect();
        assert_eq!(client.cmd(&["acl", "setuser", SECRET, "on", "nopass", "+@all", "~*"]), Reply::ok());
        for words in [
            &["client", "setname", SECRET][..],
            &["client", "setinfo", "lib-name", SECRET],
            &["client", "setinfo", "lib-ver", SECRET],
            &["auth", SECRET, "any"],
            &["replicaof", "127.0.0.1", "1"],
            &["replicaof", "no", "one"],
        ] {
            assert_eq!(client.cmd(words), Reply::ok());
        }
        let shown = client.cmd(&["client", "info"]).text();
        assert!(shown.contains("name=xyzzy") && shown.contains("user=xyzzy"), "clients are told: {shown}");
        drop(client);
        server.await_log("Client closed connection");
        let around =
            ["REPLICAOF 127.0.0.1:1 enabled (user request from 'id=", "MASTER MODE enabled (user request from 'id="];
        assert_hidden(&server.log(), setting, &around);
    }
}

#[test]
fn the_setting_changes_while_the_server_runs() {
    let server = start("no", &["--loglevel", "verbose"]);
    let closed = |count: usize| {
        let mut client = server.connect();
        client.cmd(&["client", "setname", SECRET]);
        drop(client);
        wait_until("it is gone", || server.log().matches("Client closed connection").count() == count);
        server.log().matches(SECRET).count()
    };
    let mut admin = server.connect();
    assert_eq!(closed(1), 1);
    assert_eq!(admin.cmd(&["config", "set", "hide-user-data-from-log", "yes"]), Reply::ok());
    assert_eq!(closed(2), 1);
    assert_eq!(admin.cmd(&["config", "set", "hide-user-data-from-log", "no"]), Reply::ok());
    assert_eq!(closed(3), 2);
}

#[test]
fn the_report_on_a_crash_has_no_names() {
    for setting in SETTINGS {
        for what in ["PANIC", "SEGFAULT"] {
            let mut server = start(setting, &[]);
            let mut client = server.connect();
            assert_eq!(client.cmd(&["client", "setname", SECRET]), Reply::ok());
            assert_eq!(client.cmd(&["set", "key", "value"]), Reply::ok());
            client.send(&["debug", what]);
            assert!(!server.exit_within(common::PATIENCE).expect("an end").success());
            let around = ["CURRENT CLIENT INFO", "CLIENT LIST OUTPUT", "=== REDIS BUG REPORT END", "cmd=debug"];
            assert_hidden(&server.whole_log(), setting, &around);
        }
    }
}

#[test]
fn a_log_of_commands_is_loaded_without_naming_what_is_in_it() {
    for setting in SETTINGS {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("appendonly.aof");
        fs::write(&file, encode(&[SECRET, "argument"])).expect("a file");
        let log = failed_start(setting, folder.path(), &["--appendonly", "yes"]);
        assert_hidden(&log, setting, &["Unknown command '", "' reading the append only file"]);
    }
    for setting in SETTINGS {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!("return redis.error_reply('ERR about {SECRET}')");
        fs::write(folder.path().join("appendonly.aof"), encode(&["eval", &script, "0"])).expect("a file");
        let server = start(setting, &["--appendonly", "yes", "--dir", folder.path().to_str().expect("a path")]);
        let around = ["sending an error to its AOF-loading-client: '", "' after processing the command 'eval'"];
        assert_hidden(&server.log(), setting, &around);
    }
}

/// A file of data with these items in database 0, without a checksum.
fn snapshot(items: &[&[u8]]) -> Vec<u8> {
    [b"REDIS0011\xfe\x00", &items.concat()[..], b"\xff\0\0\0\0\0\0\0\0"].concat()
}

#[test]
fn a_snapshot_is_loaded_without_naming_keys() {
    for setting in SETTINGS {
        let folder = tempfile::tempdir().expect("a folder");
        let (empty, doubled) = (b"\x02\x05xyzzy\x00", b"\x02\x06xyzzy2\x02\x01a\x01a");
        fs::write(folder.path().join("dump.rdb"), snapshot(&[empty, doubled])).expect("a file");
        let server = start(setting, &["--dir", folder.path().to_str().expect("a path")]);
        let around = ["RDB has an empty value, skipping empty key: ", "was not sound and has been corrected"];
        assert_hidden(&server.log(), setting, &around);
    }
    for setting in SETTINGS {
        let folder = tempfile::tempdir().expect("a folder");
        let twice = b"\x00\x05xyzzy\x01a\x00\x05xyzzy\x01b";
        fs::write(folder.path().join("dump.rdb"), snapshot(&[twice])).expect("a file");
        let log = failed_start(setting, folder.path(), &[]);
        assert_hidden(&log, setting, &["RDB has duplicated key '", "' in DB 0"]);
    }
}
