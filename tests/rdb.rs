//! Snapshots: saved, loaded, exchanged with Redis, and what happens when something goes wrong.
//!
//! The exchange needs a redis-server 7.0.x in PATH (or named by OXIDIS_DIFFERENTIAL_REDIS), and one of 8.x named by
//! OXIDIS_REDIS8; without them it says so and tests nothing.

mod common;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};

use common::dataset::{digest, fill, info, redis_7, redis_8, run_all, streams, text};
use common::{Connection, PATIENCE, Reply, Server, binary, names, wait_until};

const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];

fn server() -> Server {
    Server::start_with(&DEBUG)
}

fn start_on(program: &OsString, file: &Path) -> Server {
    let folder = file.parent().and_then(Path::to_str).expect("a folder");
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    Server::start_program(program, &["--enable-debug-command", "yes", "--dir", folder, "--dbfilename", name])
}

/// One server saves, the other loads what it saved.
fn exchange(from: &OsString, to: &OsString, more: &[String]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("exchange.rdb");
    let (digest_before, streams_before) = {
        let server = start_on(from, &file);
        let mut connection = server.connect();
        fill(&mut connection);
        run_all(&mut connection, more);
        assert_eq!(connection.cmd(&["save"]), Reply::ok());
        (digest(&mut connection), streams(&mut connection))
    };
    let server = start_on(to, &file);
    let mut connection = server.connect();
    assert_eq!(digest(&mut connection), digest_before);
    assert_eq!(streams(&mut connection), streams_before);
    fs::read(&file).expect("the file")
}

#[test]
fn files_are_exchanged_with_redis_7() {
    let Some(redis) = redis_7() else { return };
    exchange(&redis, &binary(), &[]);
    let ours = exchange(&binary(), &redis, &[]);
    assert_eq!(ours[..9], *b"REDIS0010");
}

#[test]
fn files_are_exchanged_with_redis_8_expiring_fields_included() {
    let Some(redis) = redis_8() else { return };
    let mut more = vec!["select 0".to_owned(), "hset fields a 1 b 2".to_owned()];
    more.push("hpexpire fields 100000000 fields 1 a".to_owned());
    more.extend((0..700).map(|number| format!("hset many {number} {number}")));
    more.push("hpexpire many 100000000 fields 2 3 5".to_owned());
    more.push("sadd words a b c".to_owned());
    // Digests differ between the versions: the data set goes there and back.
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("there-and-back.rdb");
    let mut states = Vec::new();
    for (number, program) in [&redis, &binary(), &redis].into_iter().enumerate() {
        let server = start_on(program, &file);
        let mut connection = server.connect();
        if number == 0 {
            fill(&mut connection);
            run_all(&mut connection, &more);
        }
        let expiry = connection.cmd(&["hpexpiretime", "fields", "fields", "2", "a", "b"]);
        let digest = if number == 1 { String::new() } else { digest(&mut connection) };
        states.push((digest, format!("{expiry:?}"), streams(&mut connection)));
        assert_eq!(connection.cmd(&["save"]), Reply::ok());
    }
    assert_eq!(states[0], states[2]);
    assert_eq!(states[0].1, states[1].1);
    assert_eq!(fs::read(&file).expect("the file")[..9], *b"REDIS0012");
}

#[test]
fn a_data_set_survives_a_restart_and_debug_reload() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.rdb");
    let before = {
        let server = start_on(&binary(), &file);
        let mut connection = server.connect();
        fill(&mut connection);
        let before = digest(&mut connection);
        for options in
            [&["debug", "reload"][..], &["debug", "reload", "nosave"], &["debug", "reload", "merge", "noflush"]]
        {
            assert_eq!(connection.cmd(options), Reply::ok(), "{options:?}");
            assert_eq!(digest(&mut connection), before, "{options:?}");
        }
        let reply = connection.cmd(&["debug", "reload", "noflush"]);
        assert_eq!(reply, Reply::error("ERR Error trying to load the RDB dump"));
        connection.send(&["shutdown", "save"]);
        assert!(connection.is_closed());
        before
    };
    let server = start_on(&binary(), &file);
    let mut connection = server.connect();
    assert_eq!(digest(&mut connection), before);
    assert_eq!(info(&mut connection, "rdb_changes_since_last_save"), "0");
    assert!(info(&mut connection, "rdb_last_load_keys_loaded").parse::<u64>().unwrap() > 300);
    server.await_log("DB loaded from disk: ");
    assert_eq!(names(folder.path()), ["dump.rdb"]);
}

#[test]
fn a_save_in_the_background_leaves_later_changes_counted() {
    let server = server();
    let mut connection = server.connect();
    assert_eq!(info(&mut connection, "rdb_last_bgsave_time_sec"), "-1");
    connection.cmd(&["config", "set", "rdb-key-save-delay", "20000"]);
    run_all(&mut connection, &(0..10).map(|number| format!("set key:{number} x")).collect::<Vec<_>>());
    assert_eq!(connection.cmd(&["bgsave", "fork"]), Reply::Simple("Background saving started".into()));
    assert_eq!(connection.cmd(&["bgsave"]), Reply::error("ERR Background save already in progress"));
    assert_eq!(connection.cmd(&["save"]), Reply::error("ERR Background save already in progress"));
    assert_eq!(info(&mut connection, "rdb_bgsave_in_progress"), "1");
    assert_eq!(info(&mut connection, "current_save_keys_total"), "10");
    connection.cmd(&["set", "later", "x"]);
    wait_until("the save ends", || info(&mut connection, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(&mut connection, "rdb_changes_since_last_save"), "1");
    assert_eq!(info(&mut connection, "rdb_last_bgsave_status"), "ok");
    for line in ["Background saving started by pid", "DB saved on disk", "Background saving terminated with success"] {
        server.await_log(line);
    }
    server.await_log("Fork CoW for RDB: current ");
    assert_eq!(connection.cmd(&["bgsave", "now"]), Reply::error("ERR syntax error"));
}

#[test]
fn in_a_transaction_a_save_is_scheduled() {
    let server = server();
    let mut connection = server.connect();
    connection.cmd(&["multi"]);
    connection.cmd(&["bgsave"]);
    assert_eq!(connection.cmd(&["exec"]), Reply::Array(vec![Reply::Simple("Background saving scheduled".into())]));
    wait_until("the save ends", || info(&mut connection, "rdb_last_bgsave_time_sec") != "-1");
    assert!(server.directory().join("dump.rdb").exists());
}

#[test]
fn a_rule_has_the_data_set_saved() {
    let server = Server::start_with(&["--save", "1 3"]);
    let mut connection = server.connect();
    run_all(&mut connection, &(0..3).map(|number| format!("set key:{number} x")).collect::<Vec<_>>());
    server.await_log("3 changes in 1 seconds. Saving...");
    wait_until("the save ends", || info(&mut connection, "rdb_changes_since_last_save") == "0");
    assert!(server.directory().join("dump.rdb").exists());
}

fn child_of(server: &Server) -> String {
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    fs::read_to_string(children).unwrap_or_default().trim().to_owned()
}

fn kill(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().expect("kill runs").success());
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_that_dies_has_writes_refused_until_a_save_succeeds() {
    let server = Server::start_with(&["--save", "3600 1", "--rdb-key-save-delay", "10000000"]);
    let mut connection = server.connect();
    connection.cmd(&["set", "a", "1"]);
    connection.cmd(&["bgsave", "fork"]);
    kill("-9", &child_of(&server));
    wait_until("its end is noticed", || info(&mut connection, "rdb_last_bgsave_status") == "err");
    assert!(connection.cmd(&["set", "a", "2"]).into_error().starts_with("MISCONF Redis is configured to save RDB"));
    assert!(connection.cmd(&["ping"]).into_error().starts_with("MISCONF "));
    assert_eq!(connection.cmd(&["get", "a"]), Reply::bulk("1"));
    connection.cmd(&["config", "set", "stop-writes-on-bgsave-error", "no"]);
    assert_eq!(connection.cmd(&["set", "a", "2"]), Reply::ok());
    connection.cmd(&["config", "set", "stop-writes-on-bgsave-error", "yes", "rdb-key-save-delay", "0"]);
    assert!(connection.cmd(&["set", "a", "3"]).into_error().starts_with("MISCONF "));
    assert_eq!(connection.cmd(&["save"]), Reply::ok());
    assert_eq!(connection.cmd(&["set", "a", "3"]), Reply::ok());
    assert_eq!(names(server.directory()), ["dump.rdb"]);
}

#[test]
fn flushall_ends_the_child_and_saves_the_empty_set_where_rules_say_so() {
    let server = Server::start_with(&["--save", "3600 1000", "--rdb-key-save-delay", "10000000"]);
    let mut connection = server.connect();
    connection.cmd(&["set", "a", "1"]);
    connection.cmd(&["bgsave"]);
    connection.cmd(&["flushall"]);
    wait_until("the child ends", || info(&mut connection, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(&mut connection, "rdb_last_bgsave_status"), "ok");
    assert_eq!(info(&mut connection, "rdb_changes_since_last_save"), "0");
    assert!(server.directory().join("dump.rdb").exists());
}

#[test]
fn what_cannot_be_written_is_an_error_and_keeps_the_server_from_ending() {
    let mut server = Server::start_with(&["--save", "3600 1000"]);
    let mut connection = server.connect();
    connection.cmd(&["set", "a", "1"]);
    // Not even root can put a file in the place of a folder.
    fs::create_dir(server.directory().join("dump.rdb")).unwrap();
    assert_eq!(connection.cmd(&["save"]), Reply::error("ERR"));
    assert_eq!(connection.cmd(&["shutdown"]), Reply::error("ERR Errors trying to SHUTDOWN. Check logs."));
    server.terminate();
    wait_until("the signal is refused as well", || {
        server.log().matches("Errors trying to shut down the server.").count() == 2
    });
    assert_eq!(connection.cmd(&["shutdown", "abort"]), Reply::error("ERR No shutdown in progress."));
    connection.send(&["shutdown", "force"]);
    assert!(server.exit_within(PATIENCE).is_some_and(|status| status.success()));
    assert!(server.whole_log().contains("Error trying to save the DB. Exiting anyway."));
    assert_eq!(names(server.directory()), ["dump.rdb"]);
}

#[test]
fn a_save_in_the_background_that_fails_is_told() {
    let server = Server::start_with(&["--save", "3600 1000"]);
    let mut connection = server.connect();
    connection.cmd(&["set", "a", "1"]);
    // In a folder that is gone nothing can be written, not even by root.
    fs::remove_dir_all(server.directory()).unwrap();
    assert_eq!(connection.cmd(&["bgsave"]), Reply::Simple("Background saving started".into()));
    wait_until("the save fails", || info(&mut connection, "rdb_last_bgsave_status") == "err");
    server.await_log("Failed opening the temp RDB file temp-");
    server.await_log("Background saving error");
    assert!(connection.cmd(&["set", "a", "2"]).into_error().starts_with("MISCONF "));
    fs::create_dir(server.directory()).unwrap();
    assert_eq!(connection.cmd(&["config", "set", "save", ""]), Reply::ok());
    assert_eq!(connection.cmd(&["set", "a", "2"]), Reply::ok());
}

#[test]
fn the_end_of_the_server_saves_where_rules_say_so() {
    for (arguments, signal, saved) in [(["--save", "3600 1"], true, true), (["--save", ""], false, false)] {
        let mut server = Server::start_with(&arguments);
        let mut connection = server.connect();
        connection.cmd(&["set", "a", "1"]);
        match signal {
            true => server.terminate(),
            false => connection.send(&["shutdown"]),
        }
        assert!(server.exit_within(PATIENCE).is_some_and(|status| status.success()));
        assert_eq!(server.directory().join("dump.rdb").exists(), saved);
    }
}

/// A file with many keys.
fn big_file(folder: &Path) {
    let server = start_on(&binary(), &folder.join("dump.rdb"));
    let mut connection = server.connect();
    connection.cmd(&["debug", "populate", "20000", "key", "100"]);
    assert_eq!(connection.cmd(&["save"]), Reply::ok());
}

#[test]
fn clients_are_served_while_the_data_set_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    big_file(folder.path());
    let port = common::free_port();
    let child = Command::new(binary())
        .args([
            "--port",
            &port.to_string(),
            "--key-load-delay",
            "100",
            "--loading-process-events-interval-bytes",
            "1024",
            "--enable-protected-configs",
            "yes",
        ])
        .arg("--dir")
        .arg(folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let _ended_in_any_case = KilledAtLast(child);
    wait_until("the server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut connection = Connection::to(port);
    assert_eq!(connection.cmd(&["get", "x"]), Reply::error("LOADING Redis is loading the dataset in memory"));
    let info_text = text(&mut connection, "info persistence");
    for field in
        ["loading:1", "async_loading:0", "loading_start_time:", "loading_total_bytes:", "loading_loaded_bytes:"]
    {
        assert!(info_text.contains(field), "{field} in {info_text}");
    }
    // What Redis 8.2 refuses meanwhile, and nothing else.
    for pairs in [&["dir", "/tmp"][..], &["repl-diskless-load", "swapdb"], &["maxmemory", "100mb", "dir", "/tmp"]] {
        let refused = connection.cmd(&[&["config", "set"], pairs].concat());
        assert_eq!(refused, Reply::error("LOADING Redis is loading the dataset in memory"), "{pairs:?}");
    }
    for pairs in [&["maxmemory", "100mb", "appendonly", "yes"][..], &["save", "10 10"], &["dbfilename", "dump.rdb"]] {
        assert_eq!(connection.cmd(&[&["config", "set"], pairs].concat()), Reply::ok(), "{pairs:?}");
    }
    assert_eq!(info(&mut connection, "aof_enabled"), "0", "there is no log of data that is not there");
    assert_eq!(connection.cmd(&["config", "set", "key-load-delay", "0"]), Reply::ok());
    wait_until("the end of loading", || info(&mut connection, "loading") == "0");
    assert_eq!(info(&mut connection, "aof_enabled"), "1");
    wait_until("the log", || info(&mut connection, "aof_rewrite_in_progress") == "0");
    let log = folder.path().join("appendonlydir/appendonly.aof.1.base.rdb");
    wait_until("the base of the log", || log.exists());
    connection.send(&["shutdown", "nosave"]);
    assert!(connection.is_closed());
}

/// A process that does not outlive its test.
struct KilledAtLast(Child);

impl Drop for KilledAtLast {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program on a file, which it should refuse.
fn refused(folder: &Path) -> String {
    let output = Command::new(binary())
        .args(["--port", &common::free_port().to_string(), "--dir"])
        .arg(folder)
        .output()
        .expect("the server's binary starts");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_damaged_file_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.rdb");
    big_file(folder.path());
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refused(folder.path()).contains("Unexpected EOF reading RDB file"));
    let mut flipped = bytes.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    fs::write(&file, &flipped).unwrap();
    let log = refused(folder.path());
    assert!(log.contains("RDB CRC error"), "{log}");
    assert!(log.contains("--- RDB ERROR DETECTED ---"), "{log}");
    assert!(log.contains("Terminating server after rdb file reading failure."), "{log}");
    fs::write(&file, b"REDIS9999").unwrap();
    assert!(refused(folder.path()).contains("Can't handle RDB format version 9999"));
    fs::write(&file, b"VCS\x01\x01\0\x01\x04\x22\x4d\x18").unwrap();
    assert!(refused(folder.path()).contains("The file is compressed as a whole (rdbcompression lz4 or zstd)"));
    fs::write(&file, b"SOMETHING ELSE").unwrap();
    assert!(refused(folder.path()).contains("Wrong signature trying to load DB from file"));
}

#[test]
fn a_file_can_be_checked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.rdb");
    big_file(folder.path());
    let check = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).arg(&file).output().expect("the binary starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let linked = folder.path().join("redis-check-rdb");
    std::os::unix::fs::symlink(binary(), &linked).unwrap();
    for (program, arguments) in [(Path::new(&binary()), &["--check-rdb"][..]), (&linked, &[])] {
        let (status, report) = check(program, arguments);
        assert_eq!(status, Some(0), "{report}");
        assert!(report.contains("\\o/ RDB looks OK! \\o/") && report.contains("[info] 20000 keys read"), "{report}");
    }
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
    let (status, report) = check(Path::new(&binary()), &["--check-rdb"]);
    assert_eq!(status, Some(1));
    assert!(report.contains("RDB ERROR DETECTED"), "{report}");
}

#[test]
fn an_unreadable_file_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.rdb");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read(&file).is_ok() {
        // Root reads everything; it cannot read a folder as a file, though.
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
    }
    assert!(refused(folder.path()).contains("Fatal error loading the DB, check server logs. Exiting."));
}

#[test]
fn values_move_to_another_server() {
    let (here, there) = (server(), server());
    let (mut source, mut target) = (here.connect(), there.connect());
    fill(&mut source);
    source.cmd(&["select", "0"]);
    let port = there.port().to_string();
    let migrate = |source: &mut Connection, more: &[&str]| {
        let words = [&["migrate", "127.0.0.1", &port][..], more].concat();
        source.cmd(&words)
    };
    let before = source.cmd(&["debug", "digest-value", "hash:big"]);
    assert_eq!(migrate(&mut source, &["hash:big", "0", "5000", "copy"]), Reply::ok());
    assert_eq!(target.cmd(&["debug", "digest-value", "hash:big"]), before);
    let busy = migrate(&mut source, &["hash:big", "0", "5000"]);
    assert_eq!(busy, Reply::error("ERR Target instance replied with error: BUSYKEY Target key name already exists."));
    assert_eq!(migrate(&mut source, &["hash:big", "0", "5000", "replace"]), Reply::ok());
    assert_eq!(source.cmd(&["exists", "hash:big"]), Reply::Integer(0));
    assert_eq!(migrate(&mut source, &["", "0", "5000", "keys", "list:big", "nosuch", "50"]), Reply::ok());
    assert_eq!(target.cmd(&["llen", "list:big"]), Reply::Integer(700));
    assert!(matches!(target.cmd(&["pttl", "50"]), Reply::Integer(90_000_000..)));
    assert_eq!(migrate(&mut source, &["nosuch", "0", "5000"]), Reply::Simple("NOKEY".into()));
    assert_eq!(info(&mut source, "migrate_cached_sockets"), "1");
    let unreachable = source.cmd(&["migrate", "127.0.0.1", "1", "number:1", "0", "100"]);
    assert_eq!(unreachable, Reply::error("IOERR error or timeout connecting to the client"));
    target.cmd(&["client", "pause", "10000", "all"]);
    let slow = migrate(&mut source, &["number:1", "0", "100"]);
    assert_eq!(slow, Reply::error("IOERR error or timeout reading to target instance"));
    assert_eq!(source.cmd(&["exists", "number:1"]), Reply::Integer(1));
}

#[test]
fn a_child_does_not_keep_connections_open() {
    let server = Server::start_with(&["--rdb-key-save-delay", "10000000"]);
    let (mut one, mut other) = (server.connect(), server.connect());
    one.cmd(&["set", "a", "1"]);
    let id = other.cmd(&["client", "id"]);
    one.cmd(&["bgsave"]);
    let Reply::Integer(id) = id else { panic!("{id:?}") };
    one.cmd(&["client", "kill", "id", &id.to_string()]);
    assert!(other.is_closed());
    assert_eq!(info(&mut one, "rdb_bgsave_in_progress"), "1");
}
