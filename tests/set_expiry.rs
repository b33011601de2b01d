//! Members of sets that expire: what needs a real server, time that goes by, replicas, logs and files.

mod common;

use std::time::{Duration, Instant};

use common::replication::{follow, node, wait_for_link, wait_for_same};
use common::{Connection, Reply, Server, run, wait_until};

const FORMS: [(&str, &str); 2] = [("listpackex", "128"), ("hashtable", "0")];

fn integers(values: &[i64]) -> Reply {
    Reply::Array(values.iter().map(|value| Reply::Integer(*value)).collect())
}

/// A line of INFO.
fn info(client: &mut Connection, section: &str, field: &str) -> String {
    let text = run(client, &format!("INFO {section}")).text();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().to_owned()
}

/// A server whose small sets have at most so many members, and a client.
fn server_with(entries: &str, more: &[&str]) -> (Server, Connection) {
    let mut arguments = vec!["--enable-debug-command", "yes", "--set-max-listpack-entries", entries];
    arguments.extend(more);
    let server = Server::start_with(&arguments);
    let client = server.connect();
    (server, client)
}

#[test]
fn expired_members_go_though_nobody_asks_for_them() {
    for (form, entries) in FORMS {
        let (_server, mut client) = server_with(entries, &[]);
        run(&mut client, "SADD set a b c");
        assert_eq!(run(&mut client, "SPEXPIRE set 1 MEMBERS 2 a x"), integers(&[1, -2]));
        assert_eq!(run(&mut client, "SEXPIRE set 1000 MEMBERS 1 b"), integers(&[1]));
        assert_eq!(run(&mut client, "OBJECT ENCODING set"), Reply::bulk(form));
        wait_until("one member is gone", || info(&mut client, "stats", "expired_subkeys") == "1");
        assert_eq!(run(&mut client, "SMISMEMBER set a b c"), integers(&[0, 1, 1]));
        assert_eq!(info(&mut client, "keyspace", "db0"), "keys=1,expires=0,avg_ttl=0,subexpiry=1");
        assert_eq!(run(&mut client, "SPEXPIRE set 1 MEMBERS 2 b c"), integers(&[1, 1]));
        wait_until("the set is gone", || run(&mut client, "DBSIZE") == Reply::Integer(0));
        assert_eq!(info(&mut client, "stats", "expired_subkeys"), "3");
        assert_eq!(info(&mut client, "stats", "expired_keys"), "0");
    }
}

#[test]
fn subscribers_are_told_what_happens_to_members() {
    for (_, entries) in FORMS {
        let (server, mut client) = server_with(entries, &["--notify-keyspace-events", "KA", "--hz", "500"]);
        let mut subscriber = server.connect();
        run(&mut subscriber, "PSUBSCRIBE __keyspace@*");
        for (command, events) in [
            ("SADD s a b c d", &["s sadd"][..]),
            ("SEXPIRE s 1000 MEMBERS 3 a b none", &["s sexpire"]),
            ("SEXPIRE s 2000 LT MEMBERS 2 a b", &[]),
            ("SPERSIST s MEMBERS 2 a none", &["s spersist"]),
            ("SPERSIST s MEMBERS 1 c", &[]),
            ("STTL s MEMBERS 1 a", &[]),
            ("SADDEX s EX 1000 MEMBERS 2 a e", &["s sadd", "s sexpire"]),
            ("SADDEX s MEMBERS 1 a", &["s sadd"]),
            ("SADDEX s MNX MEMBERS 1 a", &[]),
            ("SADDEX s PXAT 1 MEMBERS 2 a none", &["s srem"]),
            ("SEXPIREAT s 1 MEMBERS 1 c", &["s srem"]),
            ("SADD t e x y", &["t sadd"]),
            ("SEXPIRE t 5000 MEMBERS 2 x y", &["t sexpire"]),
            ("SMOVE s t b", &["s srem", "t sadd", "t sexpire"]),
            ("SMOVE s t d", &["s srem", "t sadd"]),
            ("SMOVE s t e", &["s srem", "s del", "t sexpire"]),
            ("SADD s x e", &["s sadd"]),
            ("SMOVE s t x", &["s srem", "t spersist"]),
            ("SMOVE t s d", &["t srem", "s sadd"]),
            ("SADD t d", &["t sadd"]),
            ("SMOVE s t d", &["s srem"]),
            ("SREM s e", &["s srem", "s del"]),
            ("SUNIONSTORE u t", &["u sunionstore"]),
            ("DEL t u", &["t del", "u del"]),
            ("SADD s a b", &["s sadd"]),
            ("SPEXPIRE s 1 MEMBERS 2 a b", &["s sexpire", "s sexpired", "s del"]),
            ("DEBUG SET-ACTIVE-EXPIRE 0", &[]),
            ("SADDEX s PX 1 MEMBERS 2 a b", &["s sadd", "s sexpire"]),
            ("DEBUG SLEEP 0.003", &[]),
            ("SADD s a", &["s sexpired", "s sadd"]),
            ("SISMEMBER s b", &["s sexpired"]),
            ("PING", &[]),
        ] {
            run(&mut client, command);
            for event in events {
                let (key, event) = event.split_once(' ').expect("two words");
                let message = ["pmessage", "__keyspace@*", &format!("__keyspace@0__:{key}"), event];
                assert_eq!(subscriber.read(), Reply::bulks(&message), "{command}");
            }
        }
    }
}

#[test]
fn a_set_keeps_its_expiring_members_wherever_it_goes() {
    for (_, entries) in FORMS {
        let (_server, mut client) = server_with(entries, &[]);
        run(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0");
        for key in ["renamed", "moved", "copied", "swapped"] {
            run(&mut client, &format!("SADD {key} a b"));
            run(&mut client, &format!("SPEXPIRE {key} 1 MEMBERS 1 a"));
            run(&mut client, &format!("SPEXPIRE {key} 1000000 MEMBERS 1 b"));
        }
        run(&mut client, "RENAME renamed new");
        run(&mut client, "MOVE moved 1");
        run(&mut client, "COPY copied copy DB 2");
        assert_eq!(info(&mut client, "keyspace", "db0"), "keys=3,expires=0,avg_ttl=0,subexpiry=3");
        run(&mut client, "SWAPDB 0 3");
        run(&mut client, "DEBUG SET-ACTIVE-EXPIRE 1");
        wait_until("they are gone", || info(&mut client, "stats", "expired_subkeys") == "5");
        for (db, key) in [("3", "new"), ("1", "moved"), ("2", "copy"), ("3", "copied"), ("3", "swapped")] {
            run(&mut client, &format!("SELECT {db}"));
            assert_eq!(run(&mut client, &format!("PTTL {key}")), Reply::Integer(-1));
            assert_eq!(run(&mut client, &format!("SMEMBERS {key}")), Reply::bulks(&["b"]));
        }
        for end in ["DEL new", "UNLINK copied", "SET swapped string"] {
            run(&mut client, end);
        }
        assert_eq!(info(&mut client, "keyspace", "db3"), "keys=1,expires=0,avg_ttl=0");
    }
}

#[test]
fn a_paused_server_neither_shows_nor_deletes_expired_members() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "SADDEX set PX 20 MEMBERS 1 a");
    assert_eq!(run(&mut client, "CLIENT PAUSE 100000 WRITE"), Reply::ok());
    wait_until("the member has expired", || run(&mut client, "SISMEMBER set a") == Reply::Integer(0));
    assert_eq!(run(&mut client, "SRANDMEMBER set"), Reply::Null);
    assert_eq!(run(&mut client, "SRANDMEMBER set -3"), Reply::Array(Vec::new()));
    assert_eq!(run(&mut client, "SCARD set"), Reply::Integer(0));
    assert_eq!(run(&mut client, "EXISTS set"), Reply::Integer(1));
    assert_eq!(run(&mut client, "CLIENT UNPAUSE"), Reply::ok());
    wait_until("the set is gone", || run(&mut client, "EXISTS set") == Reply::Integer(0));
}

#[test]
fn a_replica_hides_expired_members_and_leaves_them_to_its_primary() {
    for (_, entries) in FORMS {
        let debug = ["--enable-debug-command", "yes", "--set-max-listpack-entries", entries];
        let (primary, replica) = (node(&debug), node(&debug));
        let (mut client, mut reader) = (primary.connect(), replica.connect());
        run(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0");
        for command in ["SADD before a b", "SEXPIRE before 1000 MEMBERS 1 a"] {
            run(&mut client, command);
        }
        follow(&replica, primary.port());
        wait_for_link(&replica);
        for command in [
            "SADD s a b c d",
            "SEXPIRE s 1000 MEMBERS 2 c d",
            "SPEXPIRE s 1 MEMBERS 2 a b",
            "SADDEX t EX 1000 MEMBERS 2 a b",
            "SMOVE t u a",
            "SUNIONSTORE v s t",
            "SPERSIST s MEMBERS 1 d",
        ] {
            run(&mut client, command);
        }
        wait_for_same(&[&primary, &replica]);
        wait_until("the replica hides them", || run(&mut reader, "SMISMEMBER s a b c") == integers(&[0, 0, 1]));
        assert_eq!(run(&mut reader, "SCARD s"), Reply::Integer(2));
        assert_eq!(run(&mut reader, "STTL s MEMBERS 2 a d"), integers(&[-2, -1]));
        assert_eq!(info(&mut reader, "stats", "expired_subkeys"), "0");
        for command in ["SADD s b", "SPOP s", "SINTERSTORE w s t", "SDIFFSTORE x u t"] {
            run(&mut client, command);
            wait_for_same(&[&primary, &replica]);
        }
        for key in ["before", "s", "t", "u", "v"] {
            let times = format!("SPEXPIRETIME {key} MEMBERS 4 a b c d");
            assert_eq!(run(&mut client, &times), run(&mut reader, &times), "{key}");
        }
        run(&mut client, "SPEXPIRE t 1 MEMBERS 1 b");
        run(&mut client, "DEBUG SET-ACTIVE-EXPIRE 1");
        wait_until("the primary tells that the set is gone", || run(&mut reader, "EXISTS t") == Reply::Integer(0));
    }
}

#[test]
fn times_survive_restarts_by_either_kind_of_file() {
    for (form, entries) in FORMS {
        for preamble in ["yes", "no"] {
            let folder = tempfile::tempdir().expect("a folder");
            let folder_name = folder.path().to_str().expect("a name").to_owned();
            let more = [
                "--appendonly",
                "yes",
                "--dir",
                &folder_name,
                "--aof-use-rdb-preamble",
                preamble,
                "--appendfsync",
                "always",
            ];
            let contents = |client: &mut Connection| {
                ["SPEXPIRETIME s MEMBERS 3 a b 7", "SPEXPIRETIME t MEMBERS 1 x", "DEBUG DIGEST"]
                    .map(|ask| run(client, ask))
            };
            let (server, mut client) = server_with(entries, &more);
            for command in ["SADD s a b 7", "SEXPIRE s 1000 MEMBERS 2 a 7", "SADDEX t EX 500 MEMBERS 1 x"] {
                run(&mut client, command);
            }
            let before = contents(&mut client);
            drop(server);
            let (server, mut client) = server_with(entries, &more);
            assert_eq!(contents(&mut client), before, "from commands as they came");
            run(&mut client, "BGREWRITEAOF");
            wait_until("the log is rewritten", || info(&mut client, "persistence", "aof_rewrite_in_progress") == "0");
            drop(server);
            let (_server, mut client) = server_with(entries, &more);
            assert_eq!(contents(&mut client), before, "from a rewritten log, preamble {preamble}");
            assert_eq!(run(&mut client, "DEBUG RELOAD"), Reply::ok());
            assert_eq!(contents(&mut client), before, "from a snapshot");
            assert_eq!(run(&mut client, "OBJECT ENCODING s"), Reply::bulk(form));
            assert_eq!(info(&mut client, "keyspace", "db0"), "keys=2,expires=0,avg_ttl=0,subexpiry=2");
        }
    }
}

#[test]
fn a_dumped_set_is_restored_with_its_times() {
    for (form, entries) in FORMS {
        let (_server, mut client) = server_with(entries, &[]);
        run(&mut client, "SADD s a b 5");
        run(&mut client, "SEXPIRE s 1000 MEMBERS 2 a 5");
        let Reply::Bulk(payload) = run(&mut client, "DUMP s") else { panic!("no payload") };
        assert_eq!(client.cmd(&[&b"RESTORE"[..], b"t", b"0", &payload]), Reply::ok());
        let ask = |client: &mut Connection, key: &str| run(client, &format!("SPEXPIRETIME {key} MEMBERS 3 a b 5"));
        assert_eq!(ask(&mut client, "t"), ask(&mut client, "s"));
        assert_eq!(run(&mut client, "OBJECT ENCODING t"), Reply::bulk(form));
        let Reply::Array(digests) = run(&mut client, "DEBUG DIGEST-VALUE s t") else { panic!("no digests") };
        assert_eq!(digests[0], digests[1]);
    }
}

#[test]
fn a_watched_set_has_changed_when_a_member_expired() {
    let (_server, mut client) = server_with("128", &["--hz", "500"]);
    run(&mut client, "SADD set a b");
    run(&mut client, "SPEXPIRE set 1 MEMBERS 1 a");
    run(&mut client, "WATCH set");
    wait_until("the member is gone", || info(&mut client, "stats", "expired_subkeys") == "1");
    run(&mut client, "MULTI");
    run(&mut client, "PING");
    assert_eq!(run(&mut client, "EXEC"), Reply::NullArray);
}

#[test]
fn many_members_expiring_at_once_do_not_hold_up_other_commands() {
    const MEMBERS: usize = 100_000;
    let (_server, mut client) = server_with("128", &[]);
    run(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0");
    run(&mut client, "SADD set stays");
    let names: Vec<String> = (0..MEMBERS).map(|number| format!("member:{number}")).collect();
    for part in names.chunks(1000) {
        let count = part.len().to_string();
        let command: Vec<&str> = ["SADDEX", "set", "PX", "1", "MEMBERS", &count]
            .into_iter()
            .chain(part.iter().map(String::as_str))
            .collect();
        assert_eq!(client.cmd(&command), Reply::Integer(1));
    }
    run(&mut client, "DEBUG SET-ACTIVE-EXPIRE 1");
    let mut slowest = Duration::ZERO;
    wait_until("all but one are gone", || {
        let asked = Instant::now();
        assert_eq!(run(&mut client, "SISMEMBER set stays"), Reply::Integer(1));
        slowest = slowest.max(asked.elapsed());
        info(&mut client, "stats", "expired_subkeys") == MEMBERS.to_string()
    });
    assert_eq!(run(&mut client, "SMEMBERS set"), Reply::bulks(&["stays"]));
    // A cycle takes 25 ms; the rest is for a machine that has other things to do.
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
}

#[test]
fn users_may_run_what_their_categories_let_them() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "ACL SETUSER reader on nopass +@read ~*");
    run(&mut client, "ACL SETUSER member on nopass +@set ~s");
    run(&mut client, "AUTH reader x");
    assert_eq!(run(&mut client, "STTL s MEMBERS 1 a"), integers(&[-2]));
    for command in ["SEXPIRE s 1 MEMBERS 1 a", "SPERSIST s MEMBERS 1 a", "SADDEX s MEMBERS 1 a"] {
        assert!(run(&mut client, command).into_error().starts_with("NOPERM"), "{command}");
    }
    run(&mut client, "AUTH member x");
    assert_eq!(run(&mut client, "SADDEX s EX 10 MEMBERS 1 a"), Reply::Integer(1));
    assert_eq!(run(&mut client, "SEXPIRE s 1 MEMBERS 1 a"), integers(&[1]));
    assert!(run(&mut client, "SADDEX t EX 10 MEMBERS 1 a").into_error().starts_with("NOPERM"));
}
