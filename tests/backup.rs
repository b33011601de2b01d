//! BACKUP: what is in the files of a backup, its states, and what goes on beside it.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::dataset::{content, digest, fill, info, redis_8, run_all, text};
use common::replication::{follow, wait_for_link};
use common::{Connection, Reply, Server, binary, names, wait_until};

/// For children that are to be at work for as long as a test looks: a key takes half a minute.
const SLOW: &str = "30000000";

fn start(more: &[&str]) -> (Server, Connection) {
    // The end of a child is looked for by the cron.
    let mut arguments = vec!["--enable-debug-command", "yes", "--hz", "100"];
    arguments.extend(more);
    let server = Server::start_with(&arguments);
    let connection = server.connect();
    (server, connection)
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

/// A field of BACKUP STATUS.
fn status(connection: &mut Connection, field: &str) -> String {
    let Reply::Array(pairs) = connection.cmd(&["backup", "status"]) else { panic!("no status") };
    let at = pairs.iter().position(|name| *name == Reply::bulk(field)).expect("the field");
    match &pairs[at + 1] {
        Reply::Integer(number) => number.to_string(),
        other => other.text(),
    }
}

fn wait_for_state(connection: &mut Connection, state: &str) {
    wait_until(state, || status(connection, "state") == state);
}

fn begin(connection: &mut Connection) {
    assert_eq!(connection.cmd(&["backup", "start"]), Reply::ok());
    wait_for_state(connection, "incrementing");
}

fn list(connection: &mut Connection) -> Vec<PathBuf> {
    let Reply::Array(files) = connection.cmd(&["backup", "list"]) else { panic!("no list") };
    files.iter().map(|file| PathBuf::from(file.text())).collect()
}

/// A home for a server that has nothing but the files of the backup.
fn copy_away(connection: &mut Connection) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(home.path().join("appendonlydir")).expect("a folder");
    for file in list(connection) {
        let name = file.file_name().expect("a name");
        fs::copy(&file, home.path().join("appendonlydir").join(name)).expect("copied");
    }
    home
}

fn restore(program: &OsStr, home: &tempfile::TempDir) -> (Server, Connection) {
    let folder = home.path().to_str().expect("a name");
    let arguments = ["--dir", folder, "--enable-debug-command", "yes", "--appendonly", "yes"];
    let server = Server::start_program(program, &arguments);
    let connection = server.connect();
    (server, connection)
}

/// What a server has that loads the files of the backup: its digest.
fn digest_of_copy(connection: &mut Connection) -> String {
    digest(&mut restore(&binary(), &copy_away(connection)).1)
}

/// Seals the backup: the digest of that moment, whoever writes meanwhile.
fn seal(connection: &mut Connection) -> String {
    connection.cmd(&["multi"]);
    connection.cmd(&["backup", "seal"]);
    connection.cmd(&["debug", "digest"]);
    let Reply::Array(replies) = connection.cmd(&["exec"]) else { panic!("no replies") };
    assert_eq!(replies[0], Reply::ok());
    replies[1].text()
}

/// Writes while something else is done.
fn while_writing<T>(server: &Server, work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    let mut writer = server.connect();
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) || number < 100 {
                number += 1;
                writer.cmd(&["select", if number % 2 == 0 { "0" } else { "3" }]);
                writer.cmd(&["set", &format!("written:{}", number % 1000), &number.to_string()]);
                writer.cmd(&["rpush", "log", &number.to_string()]);
                writer.cmd(&["set", "brief", "x", "ex", "1000000"]);
            }
        });
        let result = work();
        over.store(true, Ordering::Relaxed);
        writing.join().expect("a writer that ends well");
        result
    })
}

#[test]
fn a_sealed_backup_is_the_data_set_at_that_moment() {
    let log = ["--appendonly", "yes"];
    let text_base = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
    let timestamps = ["--aof-use-rdb-preamble", "no", "--aof-timestamp-enabled", "yes"];
    let always = ["--appendfsync", "always"];
    for more in [&[][..], &log, &text_base, &timestamps, &always] {
        let (server, mut connection) = start(more);
        fill_for_log(&mut connection);
        let expected = while_writing(&server, || {
            begin(&mut connection);
            let base = list(&mut connection);
            assert_eq!(base.len(), 1, "{base:?}");
            let before = info(&mut connection, "total_commands_processed");
            wait_until("more writes", || info(&mut connection, "total_commands_processed") > before);
            run_all(&mut connection, &["select 5", "hset fresh f v", "flushdb", "set last 1"]);
            seal(&mut connection)
        });
        let home = copy_away(&mut connection);
        assert_eq!(names(&home.path().join("appendonlydir")).len(), 3);
        let (_restored, mut copy) = restore(&binary(), &home);
        assert_eq!(digest(&mut copy), expected, "{more:?}");
        assert_eq!(connection.cmd(&["backup", "cleanup"]), Reply::ok());
        assert_eq!(names(&server.directory().join("backupdir")), Vec::<String>::new());
    }
}

#[test]
fn redis_8_loads_a_backup() {
    let Some(redis) = redis_8() else { return };
    for more in [&[][..], &["--appendonly", "yes"]] {
        let (_server, mut connection) = start(more);
        fill(&mut connection);
        connection.cmd(&[
            "function",
            "load",
            "#!lua name=a\nredis.register_function{function_name='answer', \
                         callback=function() return 42 end, flags={'no-writes'}}",
        ]);
        begin(&mut connection);
        run_all(&mut connection, &["select 3", "set more 1", "sadd more:set a b"]);
        assert_eq!(connection.cmd(&["backup", "seal"]), Reply::ok());
        let expected = content(&mut connection);
        let home = copy_away(&mut connection);
        let (_restored, mut copy) = restore(&redis, &home);
        assert_eq!(content(&mut copy), expected);
    }
}

#[test]
fn the_states_and_files_are_told_in_both_protocols() {
    for more in [&[][..], &["--appendonly", "yes"]] {
        let (server, mut connection) = start(more);
        let folder = server.directory().canonicalize().expect("a path").join("backupdir");
        let expected = |state: &str| ["state", state, "error", ""].map(Reply::bulk).into_iter().collect::<Vec<_>>();
        let idle = [
            expected("idle"),
            vec![Reply::bulk("start_time"), Reply::Integer(0)],
            vec![Reply::bulk("end_time"), Reply::Integer(0)],
        ]
        .concat();
        assert_eq!(connection.cmd(&["backup", "status"]), Reply::Array(idle));
        connection.cmd(&["hello", "3"]);
        assert!(matches!(connection.cmd(&["backup", "status"]), Reply::Map(pairs) if pairs.len() == 4));
        assert_eq!(connection.cmd(&["backup", "list"]), Reply::Array(Vec::new()));
        connection.cmd(&["hello", "2"]);
        assert_eq!(info(&mut connection, "backup_in_progress"), "0");

        assert_eq!(connection.cmd(&["backup", "abort"]), Reply::error("ERR No backup in progress"));
        let not_ready = Reply::error("ERR No backup ready to seal (must be in the incrementing state)");
        assert_eq!(connection.cmd(&["backup", "seal"]), not_ready);
        assert_eq!(connection.cmd(&["backup", "cleanup"]), Reply::ok(), "there is nothing to do");

        begin(&mut connection);
        assert_eq!(info(&mut connection, "backup_in_progress"), "1");
        let again = Reply::error("ERR A backup is already in progress, ABORT it first");
        assert_eq!(connection.cmd(&["backup", "start"]), again);
        assert_eq!(connection.cmd(&["backup", "cleanup"]), Reply::error("ERR Backup is in progress"));
        assert_eq!((status(&mut connection, "end_time"), status(&mut connection, "error")), ("0".into(), "".into()));
        connection.cmd(&["set", "a", "1"]);

        assert_eq!(connection.cmd(&["backup", "seal"]), Reply::ok());
        assert_eq!(status(&mut connection, "state"), "sealed");
        assert!(status(&mut connection, "start_time") <= status(&mut connection, "end_time"));
        assert_eq!(info(&mut connection, "backup_in_progress"), "0");
        let files = list(&mut connection);
        let shown: Vec<_> = files.iter().map(|file| file.strip_prefix(&folder).expect("the folder")).collect();
        assert!(shown[0].to_string_lossy().ends_with(".base.rdb"), "{shown:?}");
        assert!(shown[1].to_string_lossy().ends_with(".incr.aof"), "{shown:?}");
        assert_eq!(shown[2], Path::new("appendonly.aof.manifest"));
        let size = fs::metadata(&files[1]).expect("an increment").len();
        connection.cmd(&["set", "b", "1"]);
        assert_eq!(fs::metadata(&files[1]).expect("an increment").len(), size, "a sealed file does not grow");
        let sealed = Reply::error("ERR A sealed backup exists, CLEANUP it first");
        assert_eq!(connection.cmd(&["backup", "start"]), sealed);
        assert_eq!(connection.cmd(&["backup", "abort"]), Reply::error("ERR No backup in progress"));
        assert_eq!(connection.cmd(&["backup", "seal"]), not_ready);
        assert_eq!(connection.cmd(&["backup", "cleanup"]), Reply::ok());
        assert_eq!((status(&mut connection, "state"), list(&mut connection).len()), ("idle".into(), 0));
        begin(&mut connection);
    }
}

#[test]
fn what_is_no_command_of_backup_is_refused() {
    let (_server, mut connection) = start(&[]);
    let arity = |name: &str| Reply::error(&format!("ERR wrong number of arguments for '{name}' command"));
    assert_eq!(connection.cmd(&["backup"]), arity("backup"));
    for name in ["start", "seal", "abort", "cleanup", "status", "list", "help"] {
        assert_eq!(connection.cmd(&["backup", name, "x"]), arity(&format!("backup|{name}")));
    }
    assert!(connection.cmd(&["backup", "x"]).into_error().starts_with("ERR unknown subcommand 'x'"));
    let Reply::Array(lines) = connection.cmd(&["backup", "help"]) else { panic!("no help") };
    assert_eq!(lines[0], Reply::Simple("BACKUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:".to_owned()));
    let refused = connection.cmd(&["eval", "return redis.call('backup','start')", "0"]).into_error();
    assert!(refused.contains("This Redis command is not allowed from script"), "{refused}");
    connection.cmd(&["acl", "setuser", "user", "on", "nopass", "+@all", "-@admin"]);
    assert_eq!(connection.cmd(&["auth", "user", "x"]), Reply::ok());
    assert!(connection.cmd(&["backup", "start"]).into_error().starts_with("NOPERM"));
    assert!(connection.cmd(&["backup", "status"]).into_error().starts_with("NOPERM"));
}

#[test]
fn an_aborted_backup_leaves_nothing_behind() {
    for more in [&[][..], &["--appendonly", "yes"]] {
        let (server, mut connection) = start(more);
        let folder = server.directory().join("backupdir");
        connection.cmd(&["set", "a", "1"]);
        let abort = |connection: &mut Connection| {
            assert_eq!(connection.cmd(&["backup", "abort"]), Reply::ok());
            assert_eq!(status(connection, "state"), "failed");
            assert_eq!(status(connection, "error"), "aborted by user");
            assert_eq!(names(&folder), Vec::<String>::new());
            assert_eq!(connection.cmd(&["backup", "abort"]), Reply::error("ERR No backup in progress"));
        };
        begin(&mut connection);
        abort(&mut connection);

        // While its base is written.
        connection.cmd(&["config", "set", "rdb-key-save-delay", SLOW]);
        assert_eq!(connection.cmd(&["backup", "start"]), Reply::ok());
        assert_eq!(status(&mut connection, "state"), "snapshotting");
        abort(&mut connection);
        connection.cmd(&["config", "set", "appendonly", "no"]);

        // While it waits for another child.
        connection.cmd(&["bgsave"]);
        assert_eq!(connection.cmd(&["backup", "start"]), Reply::ok());
        assert_eq!(status(&mut connection, "state"), "pending");
        assert_eq!(list(&mut connection).len(), 0);
        abort(&mut connection);
        connection.cmd(&["bgsave", "cancel"]);

        connection.cmd(&["config", "set", "rdb-key-save-delay", "0"]);
        begin(&mut connection);
        assert_eq!(status(&mut connection, "error"), "");
        connection.cmd(&["set", "b", "1"]);
        assert_eq!(connection.cmd(&["backup", "seal"]), Reply::ok());
    }
}

#[test]
fn a_backup_waits_for_the_child_at_work() {
    for more in [&[][..], &["--appendonly", "yes"]] {
        let (_server, mut connection) = start(more);
        connection.cmd(&["set", "a", "1"]);
        connection.cmd(&["config", "set", "rdb-key-save-delay", SLOW]);
        connection.cmd(&["bgsave"]);
        assert_eq!(connection.cmd(&["backup", "start"]), Reply::ok());
        assert_eq!(status(&mut connection, "state"), "pending");
        assert_eq!(info(&mut connection, "backup_in_progress"), "1");
        connection.cmd(&["set", "b", "1"]);
        connection.cmd(&["config", "set", "rdb-key-save-delay", "0"]);
        connection.cmd(&["bgsave", "cancel"]);
        wait_for_state(&mut connection, "incrementing");
        connection.cmd(&["set", "c", "1"]);
        let expected = seal(&mut connection);
        assert_eq!(digest_of_copy(&mut connection), expected);
    }
}

#[test]
fn a_rewrite_at_work_is_that_of_the_backup() {
    let (_server, mut connection) = start(&["--appendonly", "yes"]);
    connection.cmd(&["set", "a", "1"]);
    connection.cmd(&["config", "set", "rdb-key-save-delay", "200000"]);
    connection.cmd(&["bgrewriteaof"]);
    let rewrites = info(&mut connection, "aof_rewrites");
    connection.cmd(&["set", "b", "1"]);
    assert_eq!(connection.cmd(&["backup", "start"]), Reply::ok());
    connection.cmd(&["set", "c", "1"]);
    wait_for_state(&mut connection, "incrementing");
    connection.cmd(&["config", "set", "rdb-key-save-delay", "0"]);
    let expected = seal(&mut connection);
    assert_eq!(info(&mut connection, "aof_rewrites"), rewrites, "there was no other");
    assert_eq!(digest_of_copy(&mut connection), expected);
}

#[test]
fn a_rewrite_without_a_log_is_not_that_of_the_backup() {
    let (server, mut connection) = start(&[]);
    connection.cmd(&["set", "a", "1"]);
    connection.cmd(&["config", "set", "rdb-key-save-delay", "200000"]);
    connection.cmd(&["bgrewriteaof"]);
    assert_eq!(connection.cmd(&["backup", "start"]), Reply::ok());
    connection.cmd(&["set", "b", "1"]);
    wait_for_state(&mut connection, "incrementing");
    let expected = seal(&mut connection);
    assert_eq!(digest_of_copy(&mut connection), expected);
    assert_eq!(names(&server.directory().join("appendonlydir")).len(), 2, "what the rewrite has made");
}

#[test]
fn a_backup_begun_in_a_transaction_holds_all_of_it() {
    for more in [&[][..], &["--appendonly", "yes"]] {
        let (_server, mut connection) = start(more);
        for words in [&["multi"][..], &["set", "a", "1"], &["backup", "start"], &["set", "b", "2"]] {
            connection.cmd(words);
        }
        connection.cmd(&["exec"]);
        wait_for_state(&mut connection, "incrementing");
        let expected = seal(&mut connection);
        let home = copy_away(&mut connection);
        let (_restored, mut copy) = restore(&binary(), &home);
        assert_eq!(digest(&mut copy), expected);
        assert_eq!(copy.cmd(&["mget", "a", "b"]), Reply::bulks(&["1", "2"]));
    }
}

#[test]
fn rewrites_wait_for_the_end_of_a_backup() {
    for more in [&[][..], &["--appendonly", "yes"]] {
        let (_server, mut connection) = start(more);
        connection.cmd(&["set", "a", "1"]);
        begin(&mut connection);
        let rewrites = info(&mut connection, "aof_rewrites");
        assert_eq!(text(&mut connection, "bgrewriteaof"), "Background append only file rewriting scheduled");
        assert_eq!(info(&mut connection, "aof_rewrite_scheduled"), "1");
        assert_eq!(info(&mut connection, "aof_rewrites"), rewrites);
        connection.cmd(&["set", "b", "1"]);
        let expected = seal(&mut connection);
        wait_until("the rewrite", || info(&mut connection, "aof_rewrites") != rewrites);
        wait_until("its end", || info(&mut connection, "aof_rewrite_in_progress") == "0");
        assert_eq!(digest_of_copy(&mut connection), expected, "its files are still there");
    }
}

#[test]
fn a_log_switched_on_meanwhile_goes_on_from_the_backup() {
    let modes = [("incrementing", "0"), ("snapshotting", "200000"), ("pending", "200000")];
    for (state, delay) in modes {
        let (mut server, mut connection) = start(&[]);
        connection.cmd(&["set", "a", "1"]);
        connection.cmd(&["config", "set", "rdb-key-save-delay", delay]);
        if state == "pending" {
            connection.cmd(&["bgsave"]);
        }
        assert_eq!(connection.cmd(&["backup", "start"]), Reply::ok());
        if delay == "0" {
            wait_for_state(&mut connection, state);
        }
        connection.cmd(&["set", "b", "1"]);
        assert_eq!(info(&mut connection, "aof_enabled"), "0", "a log for a backup is none for the data");
        assert_eq!(connection.cmd(&["config", "set", "appendonly", "yes"]), Reply::ok());
        assert_eq!(info(&mut connection, "aof_enabled"), "1");
        connection.cmd(&["set", "c", "1"]);
        wait_for_state(&mut connection, "incrementing");
        connection.cmd(&["set", "d", "1"]);
        let expected = seal(&mut connection);
        connection.cmd(&["set", "e", "1"]);
        assert_eq!(digest_of_copy(&mut connection), expected, "{state}");
        assert_eq!(connection.cmd(&["backup", "cleanup"]), Reply::ok());
        let live = digest(&mut connection);
        connection.send(&["shutdown", "nosave"]);
        server.exit_within(common::PATIENCE).expect("an end");
        let folder = server.directory().to_str().expect("a name").to_owned();
        let (_revived, mut revived) = start(&["--dir", &folder, "--appendonly", "yes"]);
        assert_eq!(digest(&mut revived), live, "{state}");
    }
}

#[test]
fn a_log_that_cannot_be_switched_on_leaves_the_backup_alone() {
    let (server, mut connection) = start(&[]);
    fs::write(server.directory().join("appendonlydir"), "a file").expect("written");
    begin(&mut connection);
    connection.cmd(&["set", "a", "1"]);
    let refused = connection.cmd(&["config", "set", "appendonly", "yes"]).into_error();
    assert!(refused.contains("Unable to turn on AOF"), "{refused}");
    connection.cmd(&["set", "b", "1"]);
    let expected = seal(&mut connection);
    assert_eq!(digest_of_copy(&mut connection), expected);
}

#[test]
fn a_backup_without_a_log_leaves_the_files_of_an_old_one_alone() {
    let (server, mut connection) = start(&["--appendonly", "yes"]);
    connection.cmd(&["set", "old", "1"]);
    assert_eq!(connection.cmd(&["config", "set", "appendonly", "no"]), Reply::ok());
    let folder = server.directory().join("appendonlydir");
    let before = names(&folder);
    let manifest = fs::read(folder.join("appendonly.aof.manifest")).expect("a manifest");
    begin(&mut connection);
    connection.cmd(&["set", "new", "1"]);
    let expected = seal(&mut connection);
    assert_eq!(digest_of_copy(&mut connection), expected);
    assert_eq!(names(&folder), before);
    assert_eq!(fs::read(folder.join("appendonly.aof.manifest")).expect("a manifest"), manifest);
    // The log goes on from its own files.
    assert_eq!(connection.cmd(&["config", "set", "appendonly", "yes"]), Reply::ok());
    wait_until("a base", || info(&mut connection, "aof_rewrite_in_progress") == "0");
    assert!(names(&folder).contains(&"appendonly.aof.2.base.rdb".to_owned()), "{:?}", names(&folder));
}

#[test]
fn a_log_switched_off_ends_the_backup() {
    let (server, mut connection) = start(&["--appendonly", "yes"]);
    begin(&mut connection);
    assert_eq!(connection.cmd(&["config", "set", "appendonly", "no"]), Reply::ok());
    assert_eq!(status(&mut connection, "state"), "failed");
    assert_eq!(status(&mut connection, "error"), "appendonly is stopped");
    assert_eq!(names(&server.directory().join("backupdir")), Vec::<String>::new());
}

#[test]
fn a_full_synchronization_ends_the_backup() {
    for more in [&[][..], &["--appendonly", "yes"]] {
        let (primary, mut source) = start(&[]);
        source.cmd(&["set", "a", "1"]);
        let (replica, mut connection) = start(more);
        begin(&mut connection);
        follow(&replica, primary.port());
        wait_for_link(&replica);
        assert_eq!(status(&mut connection, "state"), "failed", "it is about data that is gone");
        assert_eq!(names(&replica.directory().join("backupdir")), Vec::<String>::new());
        // A replica makes backups of what it has.
        wait_until("the log of the replica", || info(&mut connection, "aof_rewrite_in_progress") == "0");
        begin(&mut connection);
        source.cmd(&["set", "b", "2"]);
        assert_eq!(source.cmd(&["wait", "1", "10000"]), Reply::Integer(1));
        let expected = seal(&mut connection);
        let home = copy_away(&mut connection);
        let (_restored, mut copy) = restore(&binary(), &home);
        assert_eq!(digest(&mut copy), expected);
        assert_eq!(copy.cmd(&["mget", "a", "b"]), Reply::bulks(&["1", "2"]));
    }
}

#[test]
fn what_a_killed_server_left_is_cleaned_up_by_name() {
    for more in [&[][..], &["--appendonly", "yes"]] {
        let home = tempfile::tempdir().expect("a temporary directory");
        let folder = home.path().to_str().expect("a name");
        let arguments = [&["--dir", folder][..], more].concat();
        let (server, mut connection) = start(&arguments);
        connection.cmd(&["set", "a", "1"]);
        begin(&mut connection);
        connection.cmd(&["set", "b", "1"]);
        server.signal("KILL");
        drop(server);
        let left = names(&home.path().join("backupdir"));
        assert!(!left.is_empty());

        let (server, mut connection) = start(&arguments);
        assert_eq!(status(&mut connection, "state"), "idle");
        assert_eq!(names(&home.path().join("backupdir")), left, "it might be wanted still");
        let not_empty = Reply::error("ERR Backup dir backupdir is not empty");
        assert_eq!(connection.cmd(&["backup", "start"]), not_empty);
        assert_eq!(connection.cmd(&["backup", "cleanup"]), Reply::ok());
        begin(&mut connection);
        assert_eq!(connection.cmd(&["backup", "abort"]), Reply::ok());

        fs::write(home.path().join("backupdir/notes"), "x").expect("written");
        assert_eq!(connection.cmd(&["backup", "start"]), not_empty);
        assert_eq!(connection.cmd(&["backup", "cleanup"]), Reply::ok());
        assert_eq!(names(&home.path().join("backupdir")), ["notes"], "what is not of a backup stays");
        assert_eq!(connection.cmd(&["backup", "start"]), not_empty);
        drop(server);
    }
}

#[test]
fn a_server_that_shuts_down_takes_an_unsealed_backup_along_and_leaves_a_sealed_one() {
    for sealed in [false, true] {
        for delay in [SLOW, "0"] {
            let (mut server, mut connection) = start(&[]);
            connection.cmd(&["set", "a", "1"]);
            connection.cmd(&["config", "set", "rdb-key-save-delay", if sealed { "0" } else { delay }]);
            assert_eq!(connection.cmd(&["backup", "start"]), Reply::ok());
            if sealed || delay == "0" {
                wait_for_state(&mut connection, "incrementing");
            }
            if sealed {
                assert_eq!(connection.cmd(&["backup", "seal"]), Reply::ok());
            }
            connection.send(&["shutdown", "nosave"]);
            let status = server.exit_within(common::PATIENCE).expect("an end");
            assert!(status.success());
            assert_eq!(names(&server.directory().join("backupdir")).len(), if sealed { 3 } else { 0 });
        }
    }
}

#[test]
fn a_backup_whose_folder_is_gone_fails() {
    for more in [&[][..], &["--appendonly", "yes"]] {
        let (server, mut connection) = start(more);
        let folder = server.directory().join("backupdir");
        connection.cmd(&["set", "a", "1"]);
        connection.cmd(&["config", "set", "rdb-key-save-delay", "300000"]);
        assert_eq!(connection.cmd(&["backup", "start"]), Reply::ok());
        fs::remove_dir_all(&folder).expect("removed");
        wait_for_state(&mut connection, "failed");
        assert_ne!(status(&mut connection, "error"), "");
        assert_eq!(connection.cmd(&["set", "b", "1"]), Reply::ok(), "nobody else suffers from it");
        connection.cmd(&["config", "set", "rdb-key-save-delay", "0"]);

        begin(&mut connection);
        fs::remove_dir_all(&folder).expect("removed");
        let refused = connection.cmd(&["backup", "seal"]).into_error();
        assert!(refused.starts_with("ERR Can't seal the backup: "), "{refused}");
        assert!(refused.ends_with("No such file or directory"), "{refused}");
        assert_eq!(status(&mut connection, "state"), "failed");
        assert!(status(&mut connection, "error").ends_with("No such file or directory"));
        begin(&mut connection);
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_refused() {
    let (server, mut connection) = start(&[]);
    fs::write(server.directory().join("backupdir"), "a file").expect("written");
    let refused = Reply::error("ERR Can't open or create backup dir backupdir: Not a directory");
    assert_eq!(connection.cmd(&["backup", "start"]), refused);
    assert_eq!(status(&mut connection, "state"), "idle");

    let (server, mut connection) = start(&["--appendonly", "yes", "--backupdirname", "appendonlydir"]);
    let refused = Reply::error("ERR backupdirname and appenddirname are the same folder");
    let files = names(&server.directory().join("appendonlydir"));
    assert_eq!(connection.cmd(&["backup", "start"]), refused);
    assert_eq!(connection.cmd(&["backup", "cleanup"]), Reply::ok());
    assert_eq!(names(&server.directory().join("appendonlydir")), files, "the log is still there");

    let (server, mut connection) = start(&["--appendonly", "yes"]);
    std::os::unix::fs::symlink("appendonlydir", server.directory().join("backupdir")).expect("a link");
    let files = names(&server.directory().join("appendonlydir"));
    assert_eq!(connection.cmd(&["backup", "start"]), refused);
    assert_eq!(connection.cmd(&["backup", "cleanup"]), Reply::ok());
    assert_eq!(names(&server.directory().join("appendonlydir")), files, "it is another name of the same folder");
}

#[test]
fn the_name_of_the_folder_is_no_path() {
    for name in ["/tmp/mybackup", "nested/mybackup", ".", ".."] {
        let output = Command::new(binary())
            .args(["--port", "0", "--backupdirname", name])
            .stdin(Stdio::null())
            .output()
            .expect("the server's binary starts");
        assert!(!output.status.success());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("backupdirname can't be a path"), "{told}");
    }
    let (_server, mut connection) = start(&["--backupdirname", "elsewhere"]);
    assert!(connection.cmd(&["config", "set", "backupdirname", "x"]).into_error().contains("immutable"));
    begin(&mut connection);
    assert!(list(&mut connection)[0].parent().expect("a folder").ends_with("elsewhere"));
}

#[test]
fn a_sealed_backup_is_kept_for_a_time() {
    let (server, mut connection) = start(&[]);
    begin(&mut connection);
    assert_eq!(connection.cmd(&["backup", "seal"]), Reply::ok());
    assert_eq!(connection.cmd(&["config", "set", "backup-sealed-ttl", "1"]), Reply::ok());
    wait_for_state(&mut connection, "idle");
    assert_eq!(names(&server.directory().join("backupdir")), Vec::<String>::new());
}

#[test]
fn a_backup_goes_on_where_the_server_goes_elsewhere() {
    let (server, mut connection) = start(&["--enable-protected-configs", "yes"]);
    let other = tempfile::tempdir().expect("a temporary directory");
    begin(&mut connection);
    let folder = other.path().to_str().expect("a name");
    assert_eq!(connection.cmd(&["config", "set", "dir", folder]), Reply::ok());
    connection.cmd(&["set", "a", "1"]);
    let expected = seal(&mut connection);
    assert_eq!(digest_of_copy(&mut connection), expected);
    assert_eq!(connection.cmd(&["backup", "cleanup"]), Reply::ok());
    assert_eq!(names(&server.directory().join("backupdir")), Vec::<String>::new());
}

/// Starts a server that is expected to give up: what it says.
fn fail_to_start(home: &Path, more: &[&str]) -> String {
    let output = Command::new(binary())
        .args(["--port", &common::free_port().to_string(), "--dir"])
        .arg(home)
        .args(more)
        .stdin(Stdio::null())
        .output()
        .expect("the server's binary starts");
    assert!(!output.status.success());
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// A folder with a log and a snapshot that nobody wants loaded.
fn home_with_other_files() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (_server, mut connection) = start(&["--dir", home.path().to_str().expect("a name"), "--appendonly", "yes"]);
    connection.cmd(&["set", "unwanted", "1"]);
    connection.cmd(&["bgrewriteaof"]);
    wait_until("the second base", || home.path().join("appendonlydir/appendonly.aof.2.base.rdb").exists());
    wait_until("the end of the rewrite", || info(&mut connection, "aof_rewrite_in_progress") == "0");
    assert_eq!(connection.cmd(&["save"]), Reply::ok());
    home
}

#[test]
fn a_backup_is_loaded_in_place_of_the_files_of_a_server() {
    let (source, mut connection) = start(&[]);
    fill(&mut connection);
    begin(&mut connection);
    connection.cmd(&["set", "more", "1"]);
    let expected = seal(&mut connection);
    let manifest = format!("aof:{}", list(&mut connection)[2].display());
    for appendonly in ["no", "yes"] {
        let home = home_with_other_files();
        let folder = home.path().to_str().expect("a name");
        {
            let arguments = ["--dir", folder, "--preload-file", &manifest, "--appendonly", appendonly];
            let (_server, mut copy) = start(&arguments);
            assert_eq!(digest(&mut copy), expected);
            copy.cmd(&["set", "later", "1"]);
            if appendonly == "no" {
                assert_eq!(info(&mut copy, "aof_rewrites"), "0");
                continue;
            }
            wait_until("the new log", || info(&mut copy, "aof_rewrite_in_progress") == "0");
            assert_eq!((info(&mut copy, "aof_enabled"), info(&mut copy, "aof_rewrites")), ("1".into(), "1".into()));
            let log = home.path().join("appendonlydir");
            wait_until("the end of the old log", || names(&log).len() == 3);
            assert!(names(&log).contains(&"appendonly.aof.3.base.rdb".to_owned()), "{:?}", names(&log));
            let more = digest(&mut copy);
            copy.send(&["shutdown", "nosave"]);
            assert!(copy.is_closed());
            let (_server, mut again) = start(&["--dir", folder, "--appendonly", "yes"]);
            assert_eq!(digest(&mut again), more);
        }
    }
    // The backup is what it was.
    assert_eq!(names(&source.directory().join("backupdir")).len(), 3);
    assert_eq!(digest_of_copy(&mut connection), expected);
}

#[test]
fn a_snapshot_or_a_single_file_of_commands_is_loaded_in_place_of_the_files_of_a_server() {
    let (source, mut connection) = start(&[]);
    connection.cmd(&["set", "wanted", "1"]);
    assert_eq!(connection.cmd(&["save"]), Reply::ok());
    let snapshot = format!("rdb:{}", source.directory().join("dump.rdb").display());
    let commands = source.directory().join("some.aof");
    fs::write(&commands, common::encode(&["set", "wanted", "1"])).expect("written");
    let commands = format!("aof:{}", commands.display());
    for file in [&snapshot, &commands] {
        for appendonly in ["no", "yes"] {
            let home = home_with_other_files();
            let folder = home.path().to_str().expect("a name");
            let (_server, mut copy) = start(&["--dir", folder, "--preload-file", file, "--appendonly", appendonly]);
            assert_eq!(copy.cmd(&["keys", "*"]), Reply::bulks(&["wanted"]), "{file} {appendonly}");
        }
    }
}

#[test]
fn the_log_of_the_server_itself_is_gone_on_with_when_it_is_preloaded() {
    let home = home_with_other_files();
    let folder = home.path().to_str().expect("a name");
    let manifest = format!("aof:{folder}/appendonlydir/appendonly.aof.manifest");
    {
        let (_server, mut connection) = start(&["--dir", folder, "--preload-file", &manifest, "--appendonly", "yes"]);
        assert_eq!(connection.cmd(&["keys", "*"]), Reply::bulks(&["unwanted"]));
        assert_eq!(info(&mut connection, "aof_rewrites"), "0");
        connection.cmd(&["set", "more", "1"]);
        connection.send(&["shutdown", "nosave"]);
        assert!(connection.is_closed());
    }
    let (_server, mut connection) = start(&["--dir", folder, "--appendonly", "yes"]);
    assert_eq!(connection.cmd(&["dbsize"]), Reply::Integer(2));
}

#[test]
fn what_cannot_be_preloaded_ends_the_start() {
    let home = home_with_other_files();
    let missing = |name: &str| format!("can't open the preload-file {name} for reading: No such file or directory");
    let extension = "preload-file must end with an extension".to_owned();
    fs::write(home.path().join("empty.manifest"), "").expect("written");
    fs::write(home.path().join("bad.rdb"), "REDIS0011 and what follows").expect("written");
    for (value, told) in [
        ("aof:nowhere/a.manifest", missing("nowhere/a.manifest")),
        ("aof:nowhere/a.aof", missing("nowhere/a.aof")),
        ("rdb:nowhere.rdb", missing("nowhere.rdb")),
        ("aof:empty.manifest", "Found an empty AOF manifest".to_owned()),
        ("rdb:bad.rdb", "Terminating server after rdb file reading failure.".to_owned()),
        ("aof:/tmp/foo", extension.clone()),
        ("rdb:/tmp/foo", extension.clone()),
        ("rdb:/tmp/foo.aof", extension),
        ("invalid:/tmp/foo.rdb", "argument must be in the format".to_owned()),
        ("/tmp/foo.rdb", "argument must be in the format".to_owned()),
    ] {
        let log = fail_to_start(home.path(), &["--preload-file", value]);
        assert!(log.contains(&told), "{value}: {log}");
    }
}

#[test]
fn a_log_begun_later_makes_what_an_earlier_life_of_the_server_logged_history() {
    let home = home_with_other_files();
    let folder = home.path().to_str().expect("a name");
    let (_server, mut connection) = start(&["--dir", folder]);
    assert_eq!(connection.cmd(&["config", "set", "appendonly", "yes"]), Reply::ok());
    wait_until("the new log", || info(&mut connection, "aof_rewrite_in_progress") == "0");
    let log = home.path().join("appendonlydir");
    wait_until("the end of the old log", || names(&log).len() == 3);
    assert!(names(&log).contains(&"appendonly.aof.3.base.rdb".to_owned()), "{:?}", names(&log));
}
