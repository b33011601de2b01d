//! The append-only file: what is logged and how, what comes back, rewrites, and what happens when something goes wrong.
//!
//! The exchange needs a redis-server 7.0.x in PATH (or named by OXIDIS_DIFFERENTIAL_REDIS); without it it says so and
//! tests nothing.

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::dataset::{digest, fill, info, redis_7, streams, text};
use common::{Connection, PATIENCE, Reply, Server, binary, encode, names, run, wait_until, words};

/// The home of a data set, through the lives of several servers.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().expect("a temporary directory"))
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let folder = self.0.path().to_str().expect("a name");
        let mut arguments = vec!["--dir", folder, "--enable-debug-command", "yes", "--appendonly", "yes"];
        arguments.extend(more);
        arguments
    }

    fn start(&self, more: &[&str]) -> Server {
        Server::start_with(&self.arguments(more))
    }

    /// Starts a server that is expected to give up: its status and log.
    fn fail_to_start(&self, more: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(binary());
        command.args(["--port", &common::free_port().to_string(), "--save", ""]).args(self.arguments(more));
        let Output { status, stdout, stderr } =
            command.stdin(Stdio::null()).output().expect("the server's binary starts");
        (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("appendonlydir").join(name)
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.file(name)).expect("a file of the log")).into_owned()
    }

    /// The names in the folder of the log, in order.
    fn names(&self) -> Vec<String> {
        names(&self.0.path().join("appendonlydir"))
    }

    /// Files are deleted in the background.
    fn wait_for_files(&self, count: usize) {
        wait_until(&format!("{count} files in the folder of the log"), || self.names().len() == count);
    }

    /// A log made by hand: one increment with this content.
    fn with_increment(content: &[u8]) -> Home {
        let home = Home::new();
        fs::create_dir(home.0.path().join("appendonlydir")).expect("a folder");
        fs::write(home.file("appendonly.aof.manifest"), "file appendonly.aof.1.incr.aof seq 1 type i\n")
            .expect("a manifest");
        fs::write(home.file(INCREMENT), content).expect("an increment");
        home
    }
}

const INCREMENT: &str = "appendonly.aof.1.incr.aof";
/// For tests that read the log, or end the server at once: with the other settings a write may wait while the disk is
/// slow.
const ALWAYS: &[&str] = &["--appendfsync", "always"];

fn requests(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| encode(&words(line))).collect()
}

/// What a file of commands holds, a line per command.
fn commands(file: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut lines = file.split("\r\n");
    while let Some(head) = lines.next().filter(|head| !head.is_empty()) {
        if head.starts_with('#') {
            continue;
        }
        let count: usize = head[1..].parse().expect("a number of words");
        let words: Vec<&str> = (0..count).map(|_| lines.nth(1).expect("a word")).collect();
        commands.push(words.join(" "));
    }
    commands
}

/// Keys of every type. A score of -0 is 0 in a compact sorted set but not in a big one, which commands make step by
/// step.
fn fill_for_log(connection: &mut Connection) {
    fill(connection);
    for db in ["0", "3"] {
        connection.cmd(&["select", db]);
        assert_eq!(connection.cmd(&["zrem", "sorted:big", "zero"]), Reply::Integer(1));
    }
}

fn rewrite(connection: &mut Connection) {
    let answer = text(connection, "bgrewriteaof");
    assert!(answer.starts_with("Background append only file rewriting"), "{answer}");
    wait_for_rewrite(connection);
}

fn wait_for_rewrite(connection: &mut Connection) {
    wait_until("the end of the rewrite", || {
        info(connection, "aof_rewrite_in_progress") == "0" && info(connection, "aof_rewrite_scheduled") == "0"
    });
}

/// Compares the data set with what it was before.
fn assert_same(connection: &mut Connection, (digest_before, streams_before): &(String, String), when: &str) {
    assert_eq!(digest(connection), *digest_before, "{when}");
    assert_eq!(streams(connection), *streams_before, "{when}");
}

/// The stages of CodeCrafters.
#[test]
fn a_new_log_has_its_folder_an_empty_increment_and_a_manifest_at_once() {
    let home = Home::new();
    let server = home.start(&["--appenddirname", "logs", "--appendfilename", "log.aof", "--appendfsync", "always"]);
    let folder = home.0.path().join("logs");
    assert_eq!(names(&folder), ["log.aof.1.base.rdb", "log.aof.1.incr.aof", "log.aof.manifest"]);
    let manifest = fs::read_to_string(folder.join("log.aof.manifest")).expect("a manifest");
    assert!(manifest.lines().any(|line| line == "file log.aof.1.incr.aof seq 1 type i"), "{manifest}");
    assert_eq!(fs::metadata(folder.join("log.aof.1.incr.aof")).expect("an increment").len(), 0);
    let mut connection = server.connect();
    for (name, value) in [("appendonly", "yes"), ("appenddirname", "logs"), ("appendfsync", "always")] {
        assert_eq!(connection.cmd(&["config", "get", name]), Reply::bulks(&[name, value]));
    }
    connection.cmd(&["set", "foo", "100"]);
    connection.cmd(&["get", "foo"]);
    let content = fs::read_to_string(folder.join("log.aof.1.incr.aof")).expect("an increment");
    assert_eq!(commands(&content), ["SELECT 0", "set foo 100"]);
}

#[test]
fn what_changes_something_is_logged_as_it_came_and_transactions_in_one_piece() {
    let home = Home::new();
    let server = home.start(ALWAYS);
    let mut connection = server.connect();
    for command in [
        "Set a 1",
        "get a",
        "del missing",
        "multi",
        "incr a",
        "get a",
        "exec",
        "multi",
        "incr a",
        "select 2",
        "lpush l x",
        "exec",
        "expire l 1000000000",
        "exists l",
        "sadd s m",
        "spop s",
        "set gone 1 px 1",
    ] {
        assert!(!matches!(run(&mut connection, command), Reply::Error(_)), "{command}");
    }
    wait_until("an expired key", || connection.cmd(&["exists", "gone"]) == Reply::Integer(0));
    let logged = commands(&home.read(INCREMENT));
    let whole = logged[..12].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        whole[..9],
        ["SELECT 0", "Set a 1", "incr a", "MULTI", "incr a", "SELECT 2", "lpush l x", "EXEC", logged[8].as_str()]
    );
    assert!(logged[8].starts_with("PEXPIREAT l "), "{logged:?}");
    assert_eq!(logged[9..11], ["sadd s m", "SREM s m"]);
    assert!(logged[11].starts_with("SET gone 1 PXAT "), "{logged:?}");
    assert_eq!(logged[12..], ["DEL gone"]);
}

#[test]
fn the_data_set_comes_back_from_commands_and_from_either_kind_of_base() {
    let home = Home::new();
    let mut expected = None;
    for (preamble, base) in [("yes", None), ("yes", Some("rdb")), ("no", Some("aof"))] {
        let server = home.start(&["--aof-use-rdb-preamble", preamble]);
        let mut connection = server.connect();
        if expected.is_none() {
            fill_for_log(&mut connection);
        }
        if let Some(base) = base {
            rewrite(&mut connection);
            home.wait_for_files(3);
            assert!(home.names()[0].ends_with(&format!(".base.{base}")), "{:?}", home.names());
            connection.cmd(&["set", "behind", base]);
        }
        let state = (digest(&mut connection), streams(&mut connection));
        drop(server);
        let server = home.start(&[]);
        let mut connection = server.connect();
        assert_same(&mut connection, &state, &format!("{base:?}"));
        assert_eq!(text(&mut connection, "debug loadaof"), "OK");
        assert_same(&mut connection, &state, &format!("{base:?} again"));
        expected = Some(state);
    }
}

#[test]
fn logs_are_exchanged_with_redis_7() {
    let Some(redis) = redis_7() else { return };
    for (from, to) in [(&redis, &binary()), (&binary(), &redis)] {
        for preamble in ["yes", "no"] {
            let home = Home::new();
            let options =
                [&["--aof-use-rdb-preamble", preamble, "--auto-aof-rewrite-percentage", "0"], ALWAYS].concat();
            let state = {
                let server = Server::start_program(from, &home.arguments(&options));
                let mut connection = server.connect();
                fill_for_log(&mut connection);
                rewrite(&mut connection);
                for command in ["multi", "incr more", "lpush list:small front", "exec", "hincrby h f 3"] {
                    run(&mut connection, command);
                }
                (digest(&mut connection), streams(&mut connection))
            };
            let server = Server::start_program(to, &home.arguments(&options));
            let mut connection = server.connect();
            assert_same(&mut connection, &state, &format!("{from:?} {preamble}"));
        }
    }
}

#[test]
fn keys_that_have_expired_since_do_not_change_what_the_log_means() {
    // When this happened the key was there until after INCR; the server died before it noted the expiry.
    let home = Home::with_increment(&requests(&[
        "SELECT 0",
        "SET k 5",
        "PEXPIREAT k 1000",
        "INCR k",
        "SET j 1 PXAT 1000",
        "APPEND j x",
        "SET old 1",
        "EXPIRE old 100",
    ]));
    let server = home.start(&[]);
    let mut connection = server.connect();
    assert_eq!(connection.cmd(&["mget", "k", "j"]), Reply::Array(vec![Reply::Null, Reply::Null]));
    // A relative time, as old versions logged it, counts from now.
    let Reply::Integer(left) = connection.cmd(&["ttl", "old"]) else { panic!("no time") };
    assert!((90..=100).contains(&left), "{left}");
}

#[test]
fn a_torn_end_is_cut_off_where_its_command_or_transaction_begins() {
    let good = requests(&["SELECT 0", "SET a 1"]);
    let tails = [
        requests(&["SET b 2"])[..20].to_vec(),
        requests(&["MULTI", "SET b 2"]),
        [requests(&["MULTI", "SET b 2"]), requests(&["SET c 3"])[..9].to_vec()].concat(),
    ];
    for tail in tails {
        let home = Home::with_increment(&[good.clone(), tail].concat());
        let (status, log) = home.fail_to_start(&["--aof-load-truncated", "no"]);
        assert_eq!(status, Some(1));
        assert!(log.contains("Unexpected end of file reading the append only file"), "{log}");
        let server = home.start(ALWAYS);
        server.await_log(&format!("Truncating the AOF {INCREMENT} at offset {} !!!", good.len()));
        let mut connection = server.connect();
        assert_eq!(
            connection.cmd(&["mget", "a", "b", "c"]),
            Reply::Array(vec![Reply::bulk("1"), Reply::Null, Reply::Null])
        );
        connection.cmd(&["set", "d", "4"]);
        assert_eq!(commands(&home.read(INCREMENT)), ["SELECT 0", "SET a 1", "SELECT 0", "set d 4"]);
        drop(server);
        let server = home.start(&["--aof-load-truncated", "no"]);
        assert_eq!(server.connect().cmd(&["get", "d"]), Reply::bulk("4"));
    }
}

#[test]
fn a_broken_middle_refuses_to_start_and_names_the_offset() {
    let (head, tail) = (requests(&["SELECT 0", "SET a 1"]), requests(&["SET b 2"]));
    let home = Home::with_increment(&[&head[..], b"!!!", &tail[..]].concat());
    let (status, log) = home.fail_to_start(&[]);
    assert_eq!(status, Some(1));
    assert!(log.contains("Bad file format reading the append only file"), "{log}");
    assert!(log.contains(&format!("no command at offset {}", head.len())), "{log}");

    for (line, reason) in [("NOSUCH x", "Unknown command 'NOSUCH'"), ("SET x", "Wrong number of arguments for 'SET'")] {
        let home = Home::with_increment(&requests(&[line]));
        let (status, log) = home.fail_to_start(&[]);
        assert_eq!((status, log.contains(reason)), (Some(1), true), "{log}");
    }

    // Only the last file may be torn.
    let home = Home::with_increment(&head[..head.len() - 1]);
    fs::write(home.file("2"), &tail).expect("an increment");
    let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\nfile 2 seq 2 type i\n";
    fs::write(home.file("appendonly.aof.manifest"), manifest).expect("a manifest");
    let (status, log) = home.fail_to_start(&[]);
    assert_eq!((status, log.contains("the truncated file is not the last file")), (Some(1), true), "{log}");
}

#[test]
fn the_log_of_an_old_version_is_taken_over() {
    let home = Home::new();
    let old = home.0.path().join("appendonly.aof");
    fs::write(&old, requests(&["SELECT 1", "SET a 1"])).expect("an old log");
    {
        let server = home.start(&[]);
        server.await_log("Successfully migrated an old-style AOF file");
        let mut connection = server.connect();
        connection.cmd(&["set", "b", "2"]);
        assert!(!old.exists());
        assert_eq!(home.names(), ["appendonly.aof", INCREMENT, "appendonly.aof.manifest"]);
    }
    let server = home.start(&[]);
    let mut connection = server.connect();
    assert_eq!(connection.cmd(&["get", "b"]), Reply::bulk("2"));
    connection.cmd(&["select", "1"]);
    assert_eq!(connection.cmd(&["get", "a"]), Reply::bulk("1"));
    rewrite(&mut connection);
    home.wait_for_files(3);
    assert!(!home.file("appendonly.aof").exists());
}

#[test]
fn a_log_begun_while_running_has_what_was_there_and_what_came_meanwhile() {
    let home = Home::new();
    {
        let server = home.start(&["--appendonly", "no", "--rdb-key-save-delay", "2000"]);
        let mut connection = server.connect();
        (0..300).for_each(|number| connection.send(&["set", &format!("before:{number}"), "1"]));
        (0..300).for_each(|_| assert_eq!(connection.read(), Reply::ok()));
        assert_eq!(connection.cmd(&["config", "set", "appendonly", "yes"]), Reply::ok());
        assert_eq!(info(&mut connection, "aof_enabled"), "1");
        connection.cmd(&["set", "meanwhile", "1"]);
        assert_eq!(info(&mut connection, "aof_rewrite_in_progress"), "1");
        wait_for_rewrite(&mut connection);
        connection.cmd(&["set", "after", "1"]);
        assert_eq!(info(&mut connection, "aof_last_bgrewrite_status"), "ok");
    }
    {
        let server = home.start(&[]);
        let mut connection = server.connect();
        assert_eq!(connection.cmd(&["dbsize"]), Reply::Integer(302));
        assert_eq!(connection.cmd(&["config", "set", "appendonly", "no"]), Reply::ok());
        connection.cmd(&["set", "unlogged", "1"]);
    }
    let server = home.start(&[]);
    assert_eq!(server.connect().cmd(&["dbsize"]), Reply::Integer(302));
}

#[test]
fn a_rewrite_under_load_loses_and_doubles_nothing() {
    let home = Home::new();
    let rounds = 20_000;
    {
        let server = home.start(&["--aof-use-rdb-preamble", "no"]);
        let (mut connection, mut other) = (server.connect(), server.connect());
        let mut sender = connection.sender();
        let load = std::thread::spawn(move || (0..rounds).for_each(|_| sender.send(&["incr", "n"])));
        let mut last = Reply::Null;
        for number in 0..rounds {
            last = connection.read();
            if number % 5000 == 2500 {
                rewrite(&mut other);
            }
        }
        load.join().expect("a sender");
        assert_eq!(last, Reply::Integer(rounds));
        assert_eq!(info(&mut other, "aof_rewrites"), "4");
    }
    let server = home.start(&[]);
    assert_eq!(server.connect().cmd(&["get", "n"]), Reply::bulk(rounds.to_string()));
}

#[test]
fn a_log_that_has_grown_is_rewritten_by_itself() {
    let home = Home::new();
    let server = home.start(&["--auto-aof-rewrite-min-size", "10kb"]);
    let mut connection = server.connect();
    (0..200).for_each(|_| assert_eq!(connection.cmd(&["set", "k", &"v".repeat(100)]), Reply::ok()));
    wait_until("a rewrite", || info(&mut connection, "aof_rewrites") != "0");
    wait_for_rewrite(&mut connection);
    server.await_log("Starting automatic rewriting of AOF on");
    let size: u64 = info(&mut connection, "aof_current_size").parse().expect("a size");
    let on_disk: u64 = home
        .names()
        .iter()
        .filter(|name| !name.ends_with("manifest"))
        .map(|name| fs::metadata(home.file(name)).expect("a file").len())
        .sum();
    assert_eq!(size, on_disk);
}

#[test]
fn a_child_that_dies_costs_nothing_but_another_increment() {
    let home = Home::new();
    let digest_before = {
        let server = home.start(&["--rdb-key-save-delay", "10000000", "--bgsave-default-method", "fork"]);
        let mut connection = server.connect();
        connection.cmd(&["set", "a", "1"]);
        assert_eq!(text(&mut connection, "bgrewriteaof"), "Background append only file rewriting started");
        let refused = connection.cmd(&["bgrewriteaof"]).into_error();
        assert_eq!(refused, "ERR Background append only file rewriting already in progress");
        connection.cmd(&["set", "b", "2"]);
        server.await_log("rewriting started by pid ");
        let log = server.log();
        let pid = log.split("rewriting started by pid ").nth(1).and_then(|rest| rest.lines().next()).expect("a child");
        Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).status().expect("kill runs");
        wait_for_rewrite(&mut connection);
        assert_eq!(info(&mut connection, "aof_last_bgrewrite_status"), "err");
        assert_eq!(info(&mut connection, "aof_rewrites_consecutive_failures"), "1");
        connection.cmd(&["set", "c", "3"]);
        digest(&mut connection)
    };
    assert_eq!(home.names().len(), 4, "{:?}", home.names());
    let server = home.start(&[]);
    let mut connection = server.connect();
    assert_eq!(digest(&mut connection), digest_before);
    rewrite(&mut connection);
    home.wait_for_files(3);
    let left = names(home.0.path());
    assert_eq!(left, ["appendonlydir"], "nothing temporary is left behind");
}

#[test]
fn history_is_kept_when_that_is_wanted() {
    let home = Home::new();
    let server = home.start(&["--aof-disable-auto-gc", "yes"]);
    let mut connection = server.connect();
    connection.cmd(&["set", "a", "1"]);
    rewrite(&mut connection);
    assert_eq!(home.names().len(), 5, "{:?}", home.names());
    assert_eq!(home.read("appendonly.aof.manifest").matches(" type h").count(), 2);
    assert_eq!(connection.cmd(&["config", "set", "aof-disable-auto-gc", "no"]), Reply::ok());
    home.wait_for_files(3);
}

#[test]
fn writes_are_refused_while_they_cannot_be_logged() {
    // A device that is always full stands in for the file.
    let home = Home::with_increment(b"");
    fs::remove_file(home.file(INCREMENT)).expect("removed");
    if !Path::new("/dev/full").exists() {
        eprintln!("SKIPPED: there is no /dev/full");
        return;
    }
    symlink("/dev/full", home.file(INCREMENT)).expect("a link");
    let server = home.start(&[]);
    let mut connection = server.connect();
    assert_eq!(connection.cmd(&["set", "a", "1"]), Reply::ok(), "everysec answers before it is on the disk");
    let refused = "MISCONF Errors writing to the AOF file: No space left on device";
    assert_eq!(connection.cmd(&["set", "a", "2"]), Reply::error(refused));
    assert_eq!(connection.cmd(&["ping"]), Reply::error(refused));
    assert_eq!(connection.cmd(&["get", "a"]), Reply::bulk("1"));
    assert_eq!(info(&mut connection, "aof_last_write_status"), "err");
    assert!(connection.cmd(&["bgrewriteaof"]).into_error().contains("Can't execute an AOF background rewriting"));
    // A new log goes elsewhere.
    assert_eq!(connection.cmd(&["config", "set", "appendonly", "no"]), Reply::ok());
    assert_eq!(connection.cmd(&["config", "set", "appendonly", "yes"]), Reply::ok());
    wait_for_rewrite(&mut connection);
    assert_eq!(connection.cmd(&["incr", "a"]), Reply::Integer(2));
    assert_eq!(info(&mut connection, "aof_last_write_status"), "ok");
    drop(server);
    let server = home.start(&[]);
    assert_eq!(server.connect().cmd(&["get", "a"]), Reply::bulk("2"));
}

/// A program that runs the server with a limit to the size of its files.
fn limited(home: &Home) -> PathBuf {
    let path = home.0.path().join("limited");
    let script = format!("#!/bin/sh\nulimit -f 64\nexec {} \"$@\"\n", binary().to_str().expect("a name"));
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script to run");
    path
}

#[test]
fn with_always_nothing_is_acknowledged_that_could_not_be_logged() {
    let home = Home::new();
    let mut server = Server::start_program(limited(&home).as_os_str(), &home.arguments(&["--appendfsync", "always"]));
    let mut connection = server.connect();
    let mut acknowledged = 0;
    for number in 0..10_000 {
        connection.send(&["rpush", "list", &format!("{number:0>100}")]);
        if connection.is_closed() {
            break;
        }
        acknowledged = number + 1;
        assert_eq!(connection.read(), Reply::Integer(acknowledged));
    }
    assert_eq!(server.exit_within(PATIENCE).and_then(|status| status.code()), Some(1));
    let log = server.whole_log();
    assert!(log.contains("Can't recover from AOF write error when the AOF fsync policy is 'always'"), "{log}");
    drop(server);
    let server = home.start(&[]);
    assert_eq!(server.connect().cmd(&["llen", "list"]), Reply::Integer(acknowledged));
}

#[test]
fn a_file_that_may_not_grow_is_kept_whole() {
    let home = Home::new();
    // With everysec a write may be put off while a sync takes long, and many commands would be lost with it.
    let server = Server::start_program(limited(&home).as_os_str(), &home.arguments(&["--appendfsync", "no"]));
    let mut connection = server.connect();
    let mut written = 0;
    let error = loop {
        match connection.cmd(&["rpush", "list", &"x".repeat(100)]) {
            Reply::Integer(length) => written = length,
            other => break other.into_error(),
        }
    };
    assert!(error.starts_with("MISCONF Errors writing to the AOF file: "), "{error}");
    drop(server);
    // The last one was answered, but not written.
    let server = home.start(&["--aof-load-truncated", "no"]);
    assert_eq!(server.connect().cmd(&["llen", "list"]), Reply::Integer(written - 1));
}

#[test]
fn waitaof_answers_when_the_write_is_on_the_disk() {
    let home = Home::new();
    let server = home.start(&["--appendfsync", "everysec"]);
    let (mut connection, mut other) = (server.connect(), server.connect());
    let both = |local, replicas| Reply::Array(vec![Reply::Integer(local), Reply::Integer(replicas)]);
    assert_eq!(connection.cmd(&["waitaof", "1", "0", "0"]), both(1, 0));
    for _ in 0..2 {
        connection.cmd(&["incr", "a"]);
        assert_eq!(connection.cmd(&["waitaof", "1", "0", "0"]), both(1, 0));
    }
    // Who wrote nothing has nothing to wait for; replicas there are none.
    assert_eq!(other.cmd(&["waitaof", "1", "0", "0"]), both(1, 0));
    assert_eq!(other.cmd(&["waitaof", "1", "1", "10"]), both(1, 0));
    connection.cmd(&["config", "set", "appendfsync", "no"]);
    connection.cmd(&["incr", "a"]);
    assert_eq!(connection.cmd(&["waitaof", "1", "0", "10"]), both(0, 0));
    connection.send(&["waitaof", "1", "0", "0"]);
    wait_until("a blocked client", || info(&mut other, "blocked_clients") == "1");
    other.cmd(&["config", "set", "appendonly", "no"]);
    let no_log = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    assert_eq!(connection.read(), Reply::error(no_log));
    assert_eq!(connection.cmd(&["waitaof", "1", "0", "0"]), Reply::error(no_log));
    assert_eq!(connection.cmd(&["waitaof", "0", "0", "0"]), both(0, 0));
    for (arguments, error) in [
        (["2", "0", "0"], "ERR value is out of range, value must between 0 and 1"),
        (["0", "-1", "0"], "ERR value is out of range, must be positive"),
        (["0", "0", "-1"], "ERR timeout is negative"),
        (["0", "0", "x"], "ERR timeout is not an integer or out of range"),
    ] {
        assert_eq!(connection.cmd(&[&["waitaof"], &arguments[..]].concat()), Reply::error(error));
    }
}

#[test]
fn clients_are_told_that_the_log_is_being_loaded() {
    let lines: Vec<String> = (0..3000).map(|number| format!("SET k:{number} {number}")).collect();
    let home = Home::with_increment(&requests(&lines.iter().map(String::as_str).collect::<Vec<_>>()));
    let port = common::free_port().to_string();
    let mut child = Command::new(binary())
        .args(home.arguments(&["--port", &port, "--key-load-delay", "500"]))
        .stdout(Stdio::null())
        .spawn()
        .expect("the server's binary starts");
    let number: u16 = port.parse().expect("a port");
    wait_until("a port that is listened on", || std::net::TcpStream::connect(("127.0.0.1", number)).is_ok());
    let mut connection = Connection::to(number);
    let refused = Reply::error("LOADING Redis is loading the dataset in memory");
    assert_eq!(connection.cmd(&["get", "k:1"]), refused);
    assert_eq!(info(&mut connection, "loading"), "1");
    assert!(!info(&mut connection, "loading_loaded_perc").is_empty());
    assert!(!text(&mut connection, "client list").is_empty());
    // A log that is not wanted any more is not gone on with.
    assert_eq!(connection.cmd(&["config", "set", "appendonly", "no"]), Reply::ok());
    assert_eq!(connection.cmd(&["config", "set", "key-load-delay", "0"]), Reply::ok());
    wait_until("the end of loading", || connection.cmd(&["get", "k:2999"]) == Reply::bulk("2999"));
    assert_eq!(info(&mut connection, "aof_enabled"), "0");
    let size = fs::metadata(home.file(INCREMENT)).expect("an increment").len();
    connection.cmd(&["set", "more", "1"]);
    assert_eq!(connection.cmd(&["config", "set", "appendonly", "yes"]), Reply::ok());
    wait_for_rewrite(&mut connection);
    assert!(fs::metadata(home.file(INCREMENT)).map_or(true, |metadata| metadata.len() == size));
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn timestamps_are_written_and_passed_over() {
    let home = Home::new();
    {
        let server =
            home.start(&[&["--aof-timestamp-enabled", "yes", "--aof-use-rdb-preamble", "no"], ALWAYS].concat());
        let mut connection = server.connect();
        connection.cmd(&["set", "a", "1"]);
        assert!(home.read(INCREMENT).starts_with("#TS:"), "{}", home.read(INCREMENT));
        rewrite(&mut connection);
        assert!(home.read("appendonly.aof.2.base.aof").starts_with("#TS:"));
        connection.cmd(&["set", "b", "2"]);
    }
    let server = home.start(&[]);
    assert_eq!(server.connect().cmd(&["mget", "a", "b"]), Reply::bulks(&["1", "2"]));
}

#[test]
fn an_orderly_end_leaves_everything_on_the_disk() {
    let home = Home::new();
    {
        let mut server = home.start(&["--appendfsync", "no"]);
        let mut connection = server.connect();
        connection.cmd(&["set", "a", "1"]);
        server.terminate();
        assert!(server.exit_within(PATIENCE).is_some_and(|status| status.success()));
        assert!(server.whole_log().contains("Calling fsync() on the AOF file."));
    }
    let server = home.start(&[]);
    assert_eq!(server.connect().cmd(&["get", "a"]), Reply::bulk("1"));
}

#[test]
fn the_check_tool_tells_what_is_wrong_and_repairs_the_end() {
    let good = requests(&["SELECT 0", "SET a 1"]);
    let home = Home::with_increment(&[&good[..], b"*3\r\n$3\r\nSET"].concat());
    let manifest = home.file("appendonly.aof.manifest");
    let check = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.arg("--check-aof").args(arguments).arg(&manifest).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the tool runs");
        // Unless it asks, it may be gone before it reads the answer.
        let _ = std::io::Write::write_all(&mut child.stdin.take().expect("an input"), b"y\n");
        let output = child.wait_with_output().expect("the tool ends");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, printed) = check(&[]);
    assert_eq!(status, Some(1));
    assert!(printed.contains(&format!("ok_up_to={}", good.len())), "{printed}");
    let (status, printed) = check(&["--fix"]);
    assert_eq!((status, printed.contains("Successfully truncated AOF")), (Some(0), true), "{printed}");
    assert_eq!(fs::read(home.file(INCREMENT)).expect("an increment"), good);
    assert_eq!(check(&[]).0, Some(0));

    // Under its other name it is that tool.
    let link = home.0.path().join("redis-check-aof");
    symlink(binary(), &link).expect("a link");
    let output = Command::new(&link).arg(&manifest).output().expect("the tool runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("All AOF files and manifest are valid"));
}
