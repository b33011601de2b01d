//! Snapshots without fork: what is in them, whatever is written meanwhile, and what ends them before their time.

mod common;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::dataset::{content, digest, figure, fill, info, run_all, text};
use common::replication::{self, field, follow, node, wait_for_same, write_everything, write_on};
use common::{Connection, PATIENCE, Reply, Server, encode, names, wait_until, words};

const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];
const STARTED: &str = "Background saving started";

fn start(arguments: &[&str]) -> Server {
    Server::start_with(&[&DEBUG, arguments].concat())
}

/// A server with what another has saved.
fn loaded(from: &Server) -> Server {
    Server::start_with(&[&DEBUG, &["--dir", from.directory().to_str().expect("a path")][..]].concat())
}

fn wait_for_save(connection: &mut Connection) {
    wait_until("the save ends", || info(connection, "rdb_bgsave_in_progress") == "0");
}

/// Keys of types that are in no version of Redis 7.0, besides all others.
fn fill_all(connection: &mut Connection) {
    fill(connection);
    let library = "#!lua name=l\nredis.register_function{function_name='answer', callback=function() return 42 end, \
                   flags={'no-writes'}}";
    connection.cmd(&["function", "load", library]);
    let mut more = vec!["select 3".to_owned(), "rpush over 1 2 3".to_owned()];
    for number in 0..40 {
        more.push(format!("hset timed:{number} a 1 b 2 word:1 3"));
        more.push(format!("hpexpire timed:{number} {} fields 1 a", 100_000_000 + number));
        more.push(format!("set later:{number} x px {}", 200_000_000 + number));
    }
    run_all(connection, &more);
}

/// Writes of all kinds to a data set made by `fill_all`, each of which a snapshot begun before must not contain.
fn change_everything(round: usize) -> Vec<String> {
    let mut commands = Vec::new();
    for db in [0, 3] {
        commands.push(format!("select {db}"));
        for number in 0..50 {
            commands.push(format!("append text:{number} {round}"));
            commands.push(format!("incr new:{}", number % 7));
            commands.push(format!("pexpire 5{number} {}", 300_000_000 + round));
            commands.push(format!("set number:{number} {round}"));
            commands.push(format!("hset timed:{number} a {round} c {round}"));
            commands.push(format!("hpersist timed:{number} fields 1 a"));
            commands.push(format!("persist later:{number}"));
            commands.push(format!("del text:{}", number + 25));
        }
        for name in ["small", "big"] {
            commands.push(format!("rpush list:{name} more{round}"));
            commands.push(format!("lpop list:{name} 2"));
            commands.push(format!("sadd set:{name} more{round}"));
            commands.push(format!("srem ints:{name} 0 70001"));
            commands.push(format!("zincrby sorted:{name} {round} up"));
            commands.push(format!("zremrangebyrank sorted:{name} 0 0"));
            commands.push(format!("hset hash:{name} more{round} v"));
            commands.push(format!("xadd stream:{name} {}-0 round {round}", 100_000 + round));
            commands.push(format!("xack stream:{name} readers 3-{db}"));
            commands.push(format!("xreadgroup group readers carol count 1 streams stream:{name} >"));
        }
        commands.push(format!("rename giants giants{round}"));
        commands.push(format!("copy giants{round} giants"));
        commands.push("sunionstore over set:small".to_owned());
        commands.push("setrange text:1 3000 x".to_owned());
        commands.push(format!("pfadd hll {round}"));
    }
    commands
}

#[test]
fn a_save_holds_the_moment_it_was_begun_whatever_is_written_meanwhile() {
    for method in ["fork", "forkless"] {
        let server = start(&["--rdb-key-save-delay", "300", "--snapshot-cpu-percent", "1"]);
        let mut connection = server.connect();
        fill_all(&mut connection);
        let digest_before = digest(&mut connection);
        let content_before = content(&mut connection);
        let mut pipeline = vec![format!("bgsave {method}")];
        for round in 1..8 {
            pipeline.extend(change_everything(round));
            pipeline.push(format!("eval redis.call('set','script:{round}',1)return(1) 0"));
            match round {
                3 => pipeline.push("swapdb 0 3".to_owned()),
                5 => pipeline.extend(["select 3".to_owned(), "flushdb async".to_owned()]),
                6 => pipeline.extend(["select 0".to_owned(), "flushdb sync".to_owned()]),
                7 => pipeline.push("function flush sync".to_owned()),
                _ => {}
            }
        }
        let bytes: Vec<u8> = pipeline.iter().flat_map(|command| encode(&words(command))).collect();
        connection.raw(&bytes);
        let answers: Vec<Reply> = pipeline.iter().map(|_| connection.read()).collect();
        assert_eq!(answers[0], Reply::Simple(STARTED.into()));
        assert_ne!(digest(&mut connection), digest_before);
        wait_for_save(&mut connection);
        assert_eq!(info(&mut connection, "rdb_last_bgsave_status"), "ok");
        assert_eq!(info(&mut connection, "rdb_last_bgsave_type"), method);
        let copy = loaded(&server);
        let mut copied = copy.connect();
        assert_eq!(digest(&mut copied), digest_before, "{method}");
        assert_eq!(content(&mut copied), content_before, "{method}");
        assert_eq!(names(server.directory()), ["dump.rdb"]);
    }
}

#[test]
fn bgsave_takes_a_method_and_says_what_it_does() {
    let server = start(&["--rdb-key-save-delay", "10000000"]);
    let mut client = server.connect();
    for wrong in [
        "bgsave forked",
        "bgsave fork forkless",
        "bgsave forkless schedule",
        "bgsave schedule now",
        "bgsave cancel fork",
    ] {
        assert_eq!(text(&mut client, wrong), "ERR syntax error", "{wrong}");
    }
    assert_eq!(text(&mut client, "config set bgsave-default-method threads").get(..3), Some("ERR"));
    assert_eq!(text(&mut client, "config set snapshot-cpu-percent 0").get(..3), Some("ERR"));
    assert_eq!(
        [info(&mut client, "rdb_current_bgsave_type"), info(&mut client, "rdb_last_bgsave_type")],
        ["none", "none"]
    );
    assert_eq!(figure(&mut client, "forkless_estimated_seconds_remaining"), -1);
    client.cmd(&["set", "a", "1"]);
    for method in ["forkless", "fork"] {
        assert_eq!(text(&mut client, &format!("bgsave {method}")), STARTED);
        assert_eq!(info(&mut client, "rdb_current_bgsave_type"), method);
        assert_eq!(figure(&mut client, "rdb_bgsave_in_progress"), 1);
        assert_eq!(text(&mut client, "bgsave"), "ERR Background save already in progress");
        assert_eq!(text(&mut client, "save"), "ERR Background save already in progress");
        assert_eq!(text(&mut client, "bgsave cancel"), "Background saving cancelled");
        wait_for_save(&mut client);
        assert_eq!(info(&mut client, "rdb_last_bgsave_type"), method);
        assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
    }
    assert_eq!(text(&mut client, "config set rdb-key-save-delay 0"), "OK");
    client.cmd(&["multi"]);
    client.cmd(&["bgsave", "forkless"]);
    assert_eq!(client.cmd(&["exec"]), Reply::Array(vec![Reply::Simple("Background saving scheduled".into())]));
    wait_until("it is saved", || figure(&mut client, "rdb_changes_since_last_save") == 0);
    assert_eq!(info(&mut client, "rdb_last_bgsave_type"), "forkless");
    assert_eq!(names(server.directory()), ["dump.rdb"]);
    assert_eq!(figure(&mut client, "total_forks"), 1);
}

#[test]
fn what_ends_a_save_leaves_the_file_there_was_and_nothing_else() {
    let mut server = start(&["--bgsave-default-method", "forkless", "--save", "3600 1000000"]);
    let mut client = server.connect();
    client.cmd(&["set", "kept", "1"]);
    assert_eq!(client.cmd(&["save"]), Reply::ok());
    let before = fs::read(server.directory().join("dump.rdb")).expect("a file");
    assert_eq!(text(&mut client, "debug populate 5000 key 100"), "OK");
    client.cmd(&["config", "set", "rdb-key-save-delay", "1000"]);
    assert_eq!(text(&mut client, "bgsave"), STARTED);
    assert_eq!(text(&mut client, "bgsave cancel"), "Background saving cancelled");
    wait_for_save(&mut client);
    wait_until("the thread has cleaned up", || names(server.directory()) == ["dump.rdb"]);
    assert_eq!(fs::read(server.directory().join("dump.rdb")).expect("a file"), before);
    assert_eq!(text(&mut client, "bgsave"), STARTED);
    client.cmd(&["set", "new", "1"]);
    assert_eq!(client.cmd(&["flushall"]), Reply::ok());
    wait_for_save(&mut client);
    let empty = fs::read(server.directory().join("dump.rdb")).expect("a file");
    assert!(empty.len() < before.len(), "the empty data set was saved, and what was flushed never comes back");
    assert_eq!(text(&mut client, "debug populate 5000 key 100"), "OK");
    assert_eq!(text(&mut client, "bgsave"), STARTED);
    client.cmd(&["config", "set", "save", ""]);
    client.send(&["shutdown"]);
    assert!(server.exit_within(PATIENCE).is_some_and(|status| status.success()));
    assert_eq!(fs::read(server.directory().join("dump.rdb")).expect("a file"), empty);
}

#[test]
fn a_server_that_is_killed_while_it_saves_has_its_last_file() {
    let mut server = start(&["--bgsave-default-method", "forkless"]);
    let mut client = server.connect();
    fill_all(&mut client);
    let wanted = digest(&mut client);
    assert_eq!(client.cmd(&["save"]), Reply::ok());
    run_all(&mut client, &change_everything(1));
    client.cmd(&["config", "set", "rdb-key-save-delay", "10000"]);
    assert_eq!(text(&mut client, "bgsave"), STARTED);
    run_all(&mut client, &change_everything(2));
    wait_until("some of it is written", || figure(&mut client, "current_save_keys_processed") > 5);
    assert_eq!(info(&mut client, "rdb_bgsave_in_progress"), "1");
    server.signal("KILL");
    assert!(server.exit_within(PATIENCE).is_some());
    assert_eq!(digest(&mut loaded(&server).connect()), wanted);
}

#[test]
fn a_thread_that_lags_holds_up_the_save_and_nobody_else() {
    let server = start(&["--rdb-key-save-delay", "-10"]);
    let mut client = server.connect();
    assert_eq!(text(&mut client, "debug populate 30000 key 500"), "OK");
    let wanted = digest(&mut client);
    assert_eq!(text(&mut client, "bgsave forkless"), STARTED);
    let mut most = 0;
    let mut rounds = 0;
    while figure(&mut client, "rdb_bgsave_in_progress") == 1 {
        rounds += 1;
        most = figure(&mut client, "current_cow_size").max(most);
        assert_eq!(client.cmd(&["set", &format!("key:{rounds}"), "changed"]), Reply::ok());
    }
    assert!(most < 6 << 20, "{most} bytes waited for the thread, of some 18 MB");
    assert_eq!(digest(&mut loaded(&server).connect()), wanted);
}

#[test]
fn copies_that_wait_for_the_thread_have_no_keys_evicted() {
    let server = start(&["--rdb-key-save-delay", "200", "--maxmemory-policy", "allkeys-random"]);
    let mut client = server.connect();
    assert_eq!(text(&mut client, "debug populate 30000 key 300"), "OK");
    let limit = figure(&mut client, "used_memory") + (1 << 20);
    assert_eq!(text(&mut client, &format!("config set maxmemory {limit}")), "OK");
    assert_eq!(text(&mut client, "bgsave forkless"), STARTED);
    wait_until("more is copied than there is room for", || {
        assert_eq!(client.cmd(&["setrange", "key:1", "0", "x"]), Reply::Integer(300));
        figure(&mut client, "mem_not_counted_for_evict") > 2 << 20
    });
    assert_eq!(figure(&mut client, "evicted_keys"), 0);
    assert_eq!(text(&mut client, "bgsave cancel"), "Background saving cancelled");
}

/// Of a process that saves a copy of it is left, which is not the server's.
#[test]
fn what_was_flushed_but_is_yet_to_be_saved_leaves_room_for_new_keys() {
    let server = start(&["--rdb-key-save-delay", "1000"]);
    let mut client = server.connect();
    assert_eq!(text(&mut client, "debug populate 5000 key 20000"), "OK");
    let limit = figure(&mut client, "used_memory") + (5 << 20);
    assert_eq!(text(&mut client, &format!("config set maxmemory {limit}")), "OK");
    assert_eq!(text(&mut client, "bgsave forkless"), STARTED);
    assert_eq!(text(&mut client, "flushdb"), "OK");
    let value = "x".repeat(20_000);
    for number in 0..3000 {
        assert_eq!(client.cmd(&["set", &format!("new:{number}"), &value]), Reply::ok(), "{number}");
    }
    assert_eq!(info(&mut client, "rdb_bgsave_in_progress"), "1");
    assert_eq!(text(&mut client, "bgsave cancel"), "Background saving cancelled");
    wait_until("it is freed", || figure(&mut client, "mem_not_counted_for_evict") < 1 << 20);
}

#[test]
fn a_save_ends_in_the_folder_where_it_began() {
    let folders = [0; 2].map(|_| tempfile::tempdir().expect("a folder"));
    let [first, second] = folders.each_ref().map(|folder| folder.path().to_str().expect("a path"));
    let server = start(&["--dir", first, "--enable-protected-configs", "yes", "--rdb-key-save-delay", "100"]);
    let mut client = server.connect();
    assert_eq!(text(&mut client, "debug populate 3000 key 10"), "OK");
    assert_eq!(text(&mut client, "bgsave forkless"), STARTED);
    assert_eq!(client.cmd(&["config", "set", "dir", second]), Reply::ok());
    wait_until("it is saved", || info(&mut client, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
    let names = |folder: &str| common::names(folder.as_ref());
    assert_eq!((names(first), names(second)), (vec!["dump.rdb".to_owned()], vec![]));
}

#[test]
fn a_rewrite_of_the_log_holds_the_moment_it_was_begun() {
    for preamble in ["yes", "no"] {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().to_str().expect("a path");
        let log = ["--dir", folder, "--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let wanted = {
            let server =
                start(&[&log[..], &["--bgsave-default-method", "forkless", "--rdb-key-save-delay", "100"]].concat());
            let mut client = server.connect();
            fill_all(&mut client);
            for round in 1..4 {
                client.send(&["bgrewriteaof"]);
                assert!(client.read().text().starts_with("Background append only file rewriting"));
                run_all(&mut client, &change_everything(round));
                wait_until("the rewrite ends", || {
                    info(&mut client, "aof_rewrite_in_progress") == "0"
                        && info(&mut client, "aof_rewrite_scheduled") == "0"
                });
                assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "ok");
            }
            assert_eq!(figure(&mut client, "total_forks"), 0);
            (digest(&mut client), content(&mut client))
        };
        let server = start(&log);
        let mut client = server.connect();
        assert_eq!(digest(&mut client), wanted.0, "{preamble}");
        let told = content(&mut client);
        for (key, value) in wanted.1 {
            assert_eq!(told.get(&key), Some(&value), "{preamble}: {key}");
        }
    }
}

#[test]
fn replicas_that_come_while_everything_is_written_get_it_all_by_either_way() {
    for diskless in ["yes", "no"] {
        let primary = node(&["--bgsave-default-method", "forkless", "--repl-diskless-sync", diskless]);
        let mut client = primary.connect();
        write_everything(&mut client, 7, 1500);
        assert_eq!(text(&mut client, "debug populate 3000 filler 100"), "OK");
        let over = Arc::new(AtomicBool::new(false));
        let writer = {
            let (over, port) = (Arc::clone(&over), primary.port());
            thread::spawn(move || write_on(port, 8, &over))
        };
        let replicas = [node(&[]), node(&[])];
        for replica in &replicas {
            assert_eq!(replica.connect().cmd(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]), Reply::ok());
        }
        replicas.iter().for_each(replication::wait_for_link);
        over.store(true, Ordering::Relaxed);
        writer.join().expect("a writer");
        wait_for_same(&[&primary, &replicas[0], &replicas[1]]);
        assert_eq!(field(&primary, "total_forks"), "0");
    }
}

#[test]
fn a_replica_that_goes_away_ends_the_walk_that_was_for_it_alone() {
    let primary = node(&["--bgsave-default-method", "forkless", "--rdb-key-save-delay", "1000"]);
    let mut client = primary.connect();
    assert_eq!(text(&mut client, "debug populate 20000 key 500"), "OK");
    let replica = node(&[]);
    assert_eq!(replica.connect().cmd(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]), Reply::ok());
    wait_until("a transfer", || field(&primary, "rdb_bgsave_in_progress") == "1");
    drop(replica);
    wait_until("its end", || field(&primary, "rdb_bgsave_in_progress") == "0");
    client.cmd(&["config", "set", "rdb-key-save-delay", "0"]);
    let replica = node(&[]);
    follow(&replica, primary.port());
    wait_for_same(&[&primary, &replica]);
}

#[test]
fn a_snapshot_of_a_cluster_says_how_many_keys_each_slot_has() {
    let server = start(&["--cluster-enabled", "yes"]);
    let mut connection = server.connect();
    connection.cmd(&["cluster", "addslotsrange", "0", "16383"]);
    wait_until("the cluster has all slots", || {
        connection.cmd(&["cluster", "info"]).text().contains("cluster_state:ok")
    });
    // What expires needs a version that tells of slots.
    run_all(&mut connection, &["hset a f v".to_owned(), "hpexpire a 100000000 fields 1 f".to_owned()]);
    for method in ["fork", "forkless"] {
        connection.cmd(&["bgsave", method]);
        wait_for_save(&mut connection);
        let file = fs::read(server.directory().join("dump.rdb")).expect("a file");
        // The slot is 15495, as a length of two bytes; it has one key, which does not expire.
        let told = [0xf4, 0x7c, 0x87, 1, 0];
        assert!(file.windows(told.len()).any(|bytes| bytes == told), "{method}");
    }
}
