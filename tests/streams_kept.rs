//! What streams remember besides their entries, on replicas and after restarts: what producers have added, and what
//! was handed back to groups.

mod common;

use common::random::Random;
use common::replication::{Node, digest, follow, wait_for_link, wait_for_same};
use common::{Connection, Reply, Server, binary, run, wait_until};

/// A field of what XINFO STREAM … FULL tells of the stream `s`.
fn field(server: &Server, name: &str) -> Reply {
    let told = run(&mut server.connect(), "XINFO STREAM s FULL");
    let Reply::Array(items) = &told else { panic!("{told:?}") };
    let at = items.iter().position(|item| *item == Reply::bulk(name)).unwrap_or_else(|| panic!("no {name}"));
    items[at + 1].clone()
}

/// What is pending in the group, in the order in which a consumer would claim it.
fn claimable(server: &Server) -> Reply {
    run(&mut server.connect(), "XPENDING s g - + 10")
}

const COMMON: [&str; 3] = ["enable-debug-command yes", "appendfsync always", "appendonly yes"];

/// A stream whose producers have added something, and whose group was handed something back; the ids of the entries.
fn fill(client: &mut Connection) -> Vec<String> {
    let commands = ["XADD s IDMP p one * f v", "XADD s IDMPAUTO p MAXLEN ~ 9 * f v", "XADD s IDMP q one * f v"];
    let ids: Vec<String> = commands.iter().map(|command| run(client, command).text()).collect();
    run(client, "XGROUP CREATE s g 0");
    run(client, "XREADGROUP GROUP g c STREAMS s >");
    assert_eq!(run(client, &format!("XNACK s g FATAL IDS 1 {}", ids[2])), Reply::Integer(1));
    assert_eq!(run(client, &format!("XNACK s g SILENT IDS 1 {}", ids[0])), Reply::Integer(1));
    ids
}

/// Checks that a server remembers what [`fill`] has done.
fn check(server: &Server, ids: &[String]) {
    let mut client = server.connect();
    let unowned = |id: &String, count: i64| {
        let rest = [Reply::Integer(-1), Reply::Integer(count)];
        Reply::Array([Reply::bulk(id), Reply::bulk("")].into_iter().chain(rest).collect())
    };
    let Reply::Array(pending) = claimable(server) else { panic!("nothing is pending") };
    assert_eq!([&pending[0], &pending[2]], [&unowned(&ids[0], 0), &unowned(&ids[2], i64::MAX)]);
    for name in ["iids-tracked", "iids-added"] {
        assert_eq!(field(server, name), Reply::Integer(3), "{name}");
    }
    assert_eq!(field(server, "pids-tracked"), Reply::Integer(2));
    for (command, id) in
        ["XADD s IDMP p one * x y", "XADD s IDMPAUTO p * f v", "XADD s IDMP q one * x y"].iter().zip(ids)
    {
        assert_eq!(run(&mut client, command), Reply::bulk(id), "{command}");
    }
    assert_eq!(run(&mut client, "XLEN s"), Reply::Integer(3));
    // What was handed back first is claimed first, and what nobody handed back is not idle for long enough.
    let claimed = run(&mut client, "XREADGROUP GROUP g d CLAIM 3600000 STREAMS s >");
    let order = format!("{claimed:?}");
    let at = |id: &String| order.find(&format!("{:?}", Reply::bulk(id)));
    assert!(at(&ids[2]) < at(&ids[0]) && at(&ids[2]).is_some() && at(&ids[1]).is_none(), "{order}");
}

#[test]
fn a_log_of_commands_keeps_what_was_named_and_what_was_handed_back() {
    let mut node = Node::start(&binary(), &COMMON);
    let ids = fill(&mut node.server().connect());
    node.kill();
    node.revive();
    check(node.server(), &ids);
}

#[test]
fn a_rewritten_log_keeps_it_with_and_without_a_snapshot_at_its_beginning() {
    for preamble in ["aof-use-rdb-preamble yes", "aof-use-rdb-preamble no"] {
        let mut node = Node::start(&binary(), &[&COMMON[..], &[preamble]].concat());
        let mut client = node.server().connect();
        let ids = fill(&mut client);
        run(&mut client, "XADD gone IDMP p one * f v");
        run(&mut client, "XCFGSET gone IDMP-DURATION 77");
        let gone = run(&mut client, "XADD gone IDMP p one * f v");
        run(&mut client, "XTRIM gone MAXLEN 0");
        let before = digest(node.server());
        run(&mut client, "BGREWRITEAOF");
        wait_until("the log is rewritten", || {
            let info = run(&mut client, "INFO persistence").text();
            info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
        });
        node.kill();
        node.revive();
        assert_eq!(digest(node.server()), before, "{preamble}");
        check(node.server(), &ids);
        // The entry itself need not be there.
        assert_eq!(run(&mut node.server().connect(), "XADD gone IDMP p one * f v"), gone, "{preamble}");
        let told = run(&mut node.server().connect(), "XINFO STREAM gone");
        assert!(format!("{told:?}").contains("Integer(77)"), "{preamble}: {told:?}");
    }
}

#[test]
fn a_snapshot_and_a_payload_keep_it() {
    let mut node = Node::start(&binary(), &COMMON[..1]);
    let mut client = node.server().connect();
    let ids = fill(&mut client);
    let Reply::Bulk(payload) = run(&mut client, "DUMP s") else { panic!("no payload") };
    assert_eq!(payload[0], 27);
    client.cmd(&[b"RESTORE".as_slice(), b"copy", b"0", &payload]);
    let value = |client: &mut Connection, key: &str| run(client, &format!("DEBUG DIGEST-VALUE {key}"));
    assert_eq!(value(&mut client, "copy"), value(&mut client, "s"));
    assert_eq!(run(&mut client, "SAVE"), Reply::ok());
    node.kill();
    node.revive();
    check(node.server(), &ids);
    // Without what was handed back, and without producers, a stream is one of the lowest form that holds it.
    let mut client = node.server().connect();
    let mut form = |commands: &[&str]| {
        commands.iter().for_each(|command| _ = run(&mut client, command));
        let Reply::Bulk(payload) = run(&mut client, "DUMP t") else { panic!("no payload") };
        payload[0]
    };
    let group = ["XADD t 1-0 f v", "XGROUP CREATE t g 0", "XREADGROUP GROUP g c STREAMS t >"];
    assert_eq!(form(&group), 19);
    assert_eq!(form(&["XNACK t g FAIL IDS 1 1-0"]), 27);
    assert_eq!(form(&["XACK t g 1-0"]), 19);
    assert_eq!(form(&["XADD t IDMP p one * f v"]), 26);
}

#[test]
fn replicas_know_it_from_a_full_synchronization_and_from_the_stream_of_commands() {
    let primary = Server::start_with(&["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"]);
    let mut client = primary.connect();
    run(&mut client, "SET other value");
    let early = Server::start_with(&["--enable-debug-command", "yes"]);
    follow(&early, primary.port());
    wait_for_link(&early);
    let ids = fill(&mut client);
    let late = Server::start_with(&["--enable-debug-command", "yes"]);
    follow(&late, primary.port());
    wait_for_link(&late);
    for step in ["XCFGSET other IDMP-MAXSIZE 3", "XADD s IDMP q two * f v", "XADD s IDMP q two * f v"] {
        run(&mut client, step);
        wait_for_same(&[&primary, &early, &late]);
    }
    let first_of_q = format!("XACKDEL s g DELREF IDS 1 {}", ids[1]);
    run(&mut client, &first_of_q);
    run(&mut client, "XREADGROUP GROUP g d COUNT 1 CLAIM 3600000 STREAMS s >");
    wait_for_same(&[&primary, &early, &late]);
    for replica in [&early, &late] {
        assert_eq!(run(&mut replica.connect(), "XPENDING s g"), run(&mut client, "XPENDING s g"));
        assert_eq!(field(replica, "iids-tracked"), Reply::Integer(4));
        // One that becomes a primary goes on where the old one was.
        run(&mut replica.connect(), "REPLICAOF NO ONE");
        assert_eq!(run(&mut replica.connect(), "XADD s IDMP p one * x y"), Reply::bulk(&ids[0]));
        assert_eq!(run(&mut replica.connect(), "XLEN s"), Reply::Integer(3));
    }
}

#[test]
fn who_may_not_write_names_nothing_and_hands_nothing_back() {
    let server = Server::start();
    let mut client = server.connect();
    let ids = fill(&mut client);
    run(&mut client, "ACL SETUSER reader on nopass ~* +@read");
    run(&mut client, "ACL SETUSER other on nopass ~other* +@stream");
    for (user, denied) in [("reader", "to run the"), ("other", "to access")] {
        let mut guest = server.connect();
        run(&mut guest, &format!("AUTH {user} any"));
        for command in [
            format!("XNACK s g FAIL IDS 1 {}", ids[1]),
            "XCFGSET s IDMP-MAXSIZE 9".to_owned(),
            format!("XIDMPRECORD s p x {}", ids[1]),
        ] {
            let error = run(&mut guest, &command).into_error();
            assert!(error.starts_with("NOPERM ") && error.contains(denied), "{user} {command}: {error}");
        }
    }
    let docs = run(&mut client, "COMMAND INFO XNACK XCFGSET XIDMPRECORD");
    let Reply::Array(rows) = &docs else { panic!("{docs:?}") };
    let arity = |row: &Reply| match row {
        Reply::Array(items) => items[1].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(rows.iter().map(arity).collect::<Vec<_>>(), [-7, -2, 5].map(Reply::Integer));
}

#[test]
fn an_entry_is_named_again_once_its_time_is_over() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "XADD s IDMP p one * f v");
    run(&mut client, "XCFGSET s IDMP-DURATION 1");
    let first = run(&mut client, "XADD s IDMP p one * f v");
    assert_eq!(run(&mut client, "XADD s IDMP p one * f v"), first);
    wait_until("the name is forgotten", || run(&mut client, "XADD s IDMP p one * f v") != first);
    assert_eq!(run(&mut client, "XLEN s"), Reply::Integer(3));
    assert_eq!(field(&server, "iids-tracked"), Reply::Integer(1));
}

/// What is to be known of the groups of the streams `x0` to `x3`: who has what pending, how often it was delivered, and
/// in which order all of it would be claimed that was handed back.
fn pending(server: &Server) -> Vec<Reply> {
    let mut client = server.connect();
    let mut told = Vec::new();
    for key in 0..4 {
        let Reply::Array(entries) = run(&mut client, &format!("XPENDING x{key} g - + 1000")) else { continue };
        for entry in entries {
            let Reply::Array(mut items) = entry else { panic!("{entry:?}") };
            // How long it was idle depends on when one asks.
            items.remove(2);
            told.push(Reply::Array(items));
        }
        told.push(run(&mut client, &format!("XPENDING x{key} g")));
    }
    told
}

#[test]
fn whatever_is_done_to_streams_is_the_same_on_replicas_and_after_a_restart() {
    let seed = std::env::var("OXIDIS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("seed {seed}");
    let mut dice = Random(seed);
    let mut node = Node::start(&binary(), &[&COMMON[..], &["auto-aof-rewrite-percentage 0"]].concat());
    let replica = Server::start_with(&["--enable-debug-command", "yes"]);
    follow(&replica, node.port());
    wait_for_link(&replica);
    for round in 0..3 {
        let mut client = node.server().connect();
        for _ in 0..400 {
            let (key, who, name) = (dice.roll(4), dice.roll(3), dice.roll(12));
            let id = |dice: &mut Random| format!("{}-1", 1 + dice.roll(40));
            let command = match dice.roll(13) {
                0..=2 => format!("XADD x{key} IDMP p{who} {name} DELREF MAXLEN ~ 50 * f {name}"),
                3 => format!("XADD x{key} IDMPAUTO p{who} * f {name} g {who}"),
                4 => format!("XGROUP CREATE x{key} g 0 MKSTREAM"),
                5..=6 => format!("XREADGROUP GROUP g c{who} COUNT 3 CLAIM {} STREAMS x{key} >", dice.roll(3) * 10),
                7 => format!("XREADGROUP GROUP g c{who} MAXCOUNT 4 CLAIM 0 STREAMS x{key} x{who} > >"),
                8 => format!("XCFGSET x{key} IDMP-MAXSIZE {}", 1 + dice.roll(9)),
                9 => format!("XGROUP DELCONSUMER x{key} g c{who}"),
                10 => format!("XADD x{key} {} f v", id(&mut dice)),
                11 => format!("XAUTOCLAIM x{key} g c{who} 0 0 COUNT 2"),
                _ => {
                    // Of the entries that are pending one is handed back, acknowledged or deleted.
                    let listed = run(&mut client, &format!("XPENDING x{key} g - + {}", 1 + dice.roll(5)));
                    let Reply::Array(listed) = listed else { continue };
                    let Some(Reply::Array(entry)) = listed.last() else { continue };
                    let id = entry[0].text();
                    match dice.roll(6) {
                        0 => format!("XACK x{key} g {id}"),
                        // A rewritten log cannot tell of what is pending and deleted.
                        1 if round < 2 => format!("XDELEX x{key} DELREF IDS 1 {id}"),
                        1 => format!("XDEL x{key} {id}"),
                        2 => format!("XNACK x{key} g FATAL IDS 1 {id} RETRYCOUNT {name}"),
                        3 => format!("XNACK x{key} g FAIL IDS 1 {id} FORCE"),
                        _ => format!("XNACK x{key} g SILENT IDS 1 {id}"),
                    }
                }
            };
            run(&mut client, &command);
        }
        wait_for_same(&[node.server(), &replica]);
        let known = pending(node.server());
        assert!(known.len() > 4, "nothing was left pending");
        assert_eq!(pending(&replica), known, "seed {seed}, round {round}");
        if round == 1 {
            run(&mut client, "CONFIG SET aof-use-rdb-preamble no");
            run(&mut client, "BGREWRITEAOF");
            wait_until("the log is rewritten", || {
                let info = run(&mut client, "INFO persistence").text();
                info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
            });
        }
        let before = digest(node.server());
        node.kill();
        node.revive();
        assert_eq!((digest(node.server()), pending(node.server())), (before, known), "seed {seed}, round {round}");
        wait_for_link(&replica);
    }
}
