//! Streams between connections: readers that wait, what they are served, and what ends their waiting.

mod common;

use std::time::{Duration, Instant};

use common::dataset::info;
use common::replication::{Node, follow, wait_for_link};
use common::{Connection, Reply, Server, binary, run, wait_until, words};

/// Waits until as many clients are blocked.
fn wait_for_blocked(client: &mut Connection, count: usize) {
    let line = format!("blocked_clients:{count}\r\n");
    wait_until("clients are blocked", || client.cmd(&["INFO", "clients"]).text().contains(&line));
}

/// A connection that has sent a command, and is blocked by it as one of `count`.
fn blocked(server: &Server, client: &mut Connection, count: usize, command: &str) -> Connection {
    let mut connection = server.connect();
    connection.send(&words(command));
    wait_for_blocked(client, count);
    connection
}

fn entry(id: &str, fields: &[&str]) -> Reply {
    Reply::Array(vec![Reply::bulk(id), Reply::bulks(fields)])
}

/// The answer to a reader of one stream.
fn served(key: &str, entries: &[Reply]) -> Reply {
    Reply::Array(vec![Reply::Array(vec![Reply::bulk(key), Reply::Array(entries.to_vec())])])
}

/// What is told in full of the groups of a stream, but for the consumers, who were seen at other times elsewhere.
fn groups(server: &Server, key: &str) -> Vec<Vec<Reply>> {
    let told = server.connect().cmd(&["XINFO", "STREAM", key, "FULL"]);
    let Reply::Array(items) = &told else { panic!("{told:?}") };
    let at = items.iter().position(|item| *item == Reply::bulk("groups")).expect("groups");
    let Reply::Array(groups) = &items[at + 1] else { panic!("{told:?}") };
    let without_consumers = |group: &Reply| match group {
        Reply::Array(items) => items[..items.len() - 2].to_vec(),
        other => panic!("{other:?}"),
    };
    groups.iter().map(without_consumers).collect()
}

/// Whether a text stands somewhere in a reply.
fn mentions(reply: &Reply, text: &str) -> bool {
    match reply {
        Reply::Array(items) => items.iter().any(|item| mentions(item, text)),
        other => *other == Reply::bulk(text),
    }
}

#[test]
fn one_entry_serves_all_who_wait_for_it() {
    let server = Server::start();
    let mut client = server.connect();
    let mut readers: Vec<Connection> =
        (1..=3).map(|count| blocked(&server, &mut client, count, "XREAD BLOCK 0 STREAMS s $")).collect();
    run(&mut client, "XADD s 1-0 f v");
    for reader in &mut readers {
        assert_eq!(reader.read(), served("s", &[entry("1-0", &["f", "v"])]));
    }
    wait_for_blocked(&mut client, 0);
}

#[test]
fn the_last_id_is_that_of_the_moment_when_the_reader_came() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "XADD s 1-0 f old");
    let mut last = blocked(&server, &mut client, 1, "XREAD BLOCK 0 STREAMS s none $ $");
    let mut latest = blocked(&server, &mut client, 2, "XREAD BLOCK 0 STREAMS none +");
    for command in ["MULTI", "XADD s 2-0 f a", "XADD s 3-0 f b", "XADD none 1-0 f c", "XADD none 2-0 f d", "EXEC"] {
        run(&mut client, command);
    }
    let added = served("s", &[entry("2-0", &["f", "a"]), entry("3-0", &["f", "b"])]);
    let begun = served("none", &[entry("1-0", &["f", "c"]), entry("2-0", &["f", "d"])]);
    let (Reply::Array(added), Reply::Array(begun)) = (added, begun) else { panic!("no streams") };
    assert_eq!(last.read(), Reply::Array([added, begun].concat()));
    assert_eq!(latest.read(), served("none", &[entry("1-0", &["f", "c"]), entry("2-0", &["f", "d"])]));
}

#[test]
fn each_entry_goes_to_one_reader_of_a_group() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "XGROUP CREATE s g $ MKSTREAM");
    let mut first = blocked(&server, &mut client, 1, "XREADGROUP GROUP g one COUNT 1 BLOCK 0 STREAMS s >");
    let mut second = blocked(&server, &mut client, 2, "XREADGROUP GROUP g two COUNT 1 BLOCK 0 STREAMS s >");
    run(&mut client, "XADD s 1-0 f a");
    assert_eq!(first.read(), served("s", &[entry("1-0", &["f", "a"])]));
    wait_for_blocked(&mut client, 1);
    run(&mut client, "XADD s 2-0 f b");
    assert_eq!(second.read(), served("s", &[entry("2-0", &["f", "b"])]));
    let owners = Reply::Array(vec![Reply::bulks(&["one", "1"]), Reply::bulks(&["two", "1"])]);
    let summary = vec![Reply::Integer(2), Reply::bulk("1-0"), Reply::bulk("2-0"), owners];
    assert_eq!(run(&mut client, "XPENDING s g"), Reply::Array(summary));
}

#[test]
fn a_reader_of_a_group_is_told_when_there_is_nothing_to_wait_for() {
    let server = Server::start();
    let mut client = server.connect();
    let gone = "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    let endings = [
        ("DEL s", gone),
        ("SET s v", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("RENAME s t", gone),
        ("FLUSHALL", "NOGROUP No such key 'other' or consumer group 'g' in XREADGROUP with GROUP option"),
        ("PEXPIRE s 1", gone),
        ("XGROUP DESTROY s g", gone),
    ];
    for (command, error) in endings {
        run(&mut client, "FLUSHALL");
        run(&mut client, "XGROUP CREATE s g $ MKSTREAM");
        run(&mut client, "XGROUP CREATE other g $ MKSTREAM");
        let mut reader = blocked(&server, &mut client, 1, "XREADGROUP GROUP g c BLOCK 0 STREAMS other s > >");
        run(&mut client, command);
        assert_eq!(reader.read(), Reply::error(error), "{command}");
        wait_for_blocked(&mut client, 0);
    }
}

#[test]
fn a_reader_without_a_group_waits_on_through_anything_but_an_entry() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "XADD s 5-0 f v");
    let mut reader = blocked(&server, &mut client, 1, "XREAD BLOCK 0 STREAMS s 5-0");
    for command in ["DEL s", "LPUSH s e", "DEL s", "XADD s 4-0 f v", "XGROUP CREATE s g 0", "XGROUP DESTROY s g"] {
        run(&mut client, command);
        wait_for_blocked(&mut client, 1);
    }
    for command in ["MULTI", "XADD s 6-0 f v", "DEL s", "EXEC"] {
        run(&mut client, command);
    }
    wait_for_blocked(&mut client, 1);
    run(&mut client, "XADD s 7-0 f v");
    assert_eq!(reader.read(), served("s", &[entry("7-0", &["f", "v"])]));
}

#[test]
fn waiting_ends_in_time_or_when_somebody_says_so() {
    let server = Server::start();
    let mut client = server.connect();
    let begin = Instant::now();
    assert_eq!(run(&mut client, "XREAD BLOCK 30 STREAMS s $"), Reply::NullArray);
    assert!(begin.elapsed() >= Duration::from_millis(30));
    let mut reader = server.connect();
    let id = match run(&mut reader, "CLIENT ID") {
        Reply::Integer(id) => id.to_string(),
        other => panic!("no id: {other:?}"),
    };
    for (how, answer) in
        [("TIMEOUT", Reply::NullArray), ("ERROR", Reply::error("UNBLOCKED client unblocked via CLIENT UNBLOCK"))]
    {
        reader.send(&words("XREAD BLOCK 0 STREAMS s $"));
        wait_for_blocked(&mut client, 1);
        assert_eq!(client.cmd(&["CLIENT", "UNBLOCK", &id, how]), Reply::Integer(1));
        assert_eq!(reader.read(), answer);
    }
    for (timeout, error) in [("-1", "ERR timeout is negative"), ("x", "ERR timeout is not an integer or out of range")]
    {
        assert_eq!(client.cmd(&["XREAD", "BLOCK", timeout, "STREAMS", "s", "$"]), Reply::error(error));
    }
}

#[test]
fn a_transaction_does_not_wait() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "XGROUP CREATE s g $ MKSTREAM");
    run(&mut client, "MULTI");
    run(&mut client, "XREAD BLOCK 0 STREAMS s $");
    run(&mut client, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
    assert_eq!(run(&mut client, "EXEC"), Reply::Array(vec![Reply::NullArray, Reply::NullArray]));
}

#[test]
fn who_waited_gets_all_that_has_come_and_of_all_streams() {
    let server = Server::start();
    let mut client = server.connect();
    let mut reader = blocked(&server, &mut client, 1, "XREAD BLOCK 0 STREAMS t s 0 0");
    run(&mut client, "MULTI");
    for _ in 0..1200 {
        run(&mut client, "XADD s * f v");
    }
    run(&mut client, "XADD t * f v");
    run(&mut client, "EXEC");
    let Reply::Array(streams) = reader.read() else { panic!("no streams") };
    let [Reply::Array(first), Reply::Array(second)] = &streams[..] else { panic!("not two streams") };
    let Reply::Array(entries) = &second[1] else { panic!("no entries") };
    assert_eq!((first[0].text(), entries.len()), ("t".to_owned(), 1200));
}

#[test]
fn readers_of_resp3_are_served_a_map() {
    let server = Server::start();
    let mut client = server.connect();
    let mut reader = server.connect();
    run(&mut reader, "HELLO 3");
    reader.send(&words("XREAD BLOCK 0 STREAMS s $"));
    wait_for_blocked(&mut client, 1);
    run(&mut client, "XADD s 1-0 f v");
    let entries = Reply::Array(vec![entry("1-0", &["f", "v"])]);
    assert_eq!(reader.read(), Reply::Map(vec![(Reply::bulk("s"), entries)]));
}

#[test]
fn subscribers_are_told_of_streams() {
    let server = Server::start_with(&["--notify-keyspace-events", "Et"]);
    let (mut client, mut subscriber) = (server.connect(), server.connect());
    run(&mut subscriber, "PSUBSCRIBE *");
    for (command, events) in [
        ("XADD s 1-0 f v", &["xadd"][..]),
        ("XADD s MAXLEN 1 2-0 f v", &["xadd", "xtrim"]),
        ("XGROUP CREATE s g 0", &["xgroup-create"]),
        ("XREADGROUP GROUP g c STREAMS s >", &["xgroup-createconsumer"]),
        ("XGROUP SETID s g 0", &["xgroup-setid"]),
        ("XGROUP DELCONSUMER s g c", &["xgroup-delconsumer"]),
        ("XGROUP DESTROY s g", &["xgroup-destroy"]),
        ("XSETID s 9-0", &["xsetid"]),
        ("XDEL s 2-0", &["xdel"]),
        ("XADD s 10-0 f v", &["xadd"]),
        ("XTRIM s MAXLEN 0", &["xtrim"]),
    ] {
        run(&mut client, command);
        for event in events {
            let channel = format!("__keyevent@0__:{event}");
            assert_eq!(subscriber.read(), Reply::bulks(&["pmessage", "*", &channel, "s"]), "{command}");
        }
    }
}

#[test]
fn how_much_groups_have_read_is_the_same_on_replicas_and_after_a_restart() {
    let mut node = Node::start(&binary(), &["appendonly yes", "appendfsync always"]);
    let replica = Server::start();
    follow(&replica, node.port());
    wait_for_link(&replica);
    let groups = |server: &Server| server.connect().cmd(&["XINFO", "GROUPS", "s"]);
    let mut client = node.server().connect();
    for id in 1..=9 {
        run(&mut client, &format!("XADD s {id}-0 f v"));
    }
    for command in [
        "XGROUP CREATE s acknowledges 0",
        "XREADGROUP GROUP acknowledges c COUNT 3 STREAMS s >",
        "XREADGROUP GROUP acknowledges c COUNT 1 NOACK STREAMS s >",
        "XGROUP CREATE s claims 0 ENTRIESREAD 0",
        "XREADGROUP GROUP claims c COUNT 2 STREAMS s >",
        "XCLAIM s claims d 0 1-0",
        "XAUTOCLAIM s claims e 0 0",
        "XGROUP CREATE s waits $ ENTRIESREAD 100",
    ] {
        let reply = run(&mut client, command);
        assert!(!matches!(reply, Reply::Error(_)), "{command}: {reply:?}");
    }
    let mut waiting = blocked(node.server(), &mut client, 1, "XREADGROUP GROUP waits c BLOCK 0 STREAMS s >");
    run(&mut client, "XADD s 10-0 f v");
    waiting.read();
    let told = groups(node.server());
    let Reply::Array(each) = &told else { panic!("{told:?}") };
    let read = each.iter().map(|group| match group {
        Reply::Array(told) => told[9].clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(read.collect::<Vec<_>>(), [Reply::Integer(4), Reply::Integer(2), Reply::Integer(10)]);
    wait_until("the replica knows the same", || groups(&replica) == told);
    node.kill();
    node.revive();
    assert_eq!(groups(node.server()), told);
}

#[test]
fn who_claims_is_served_when_something_has_been_idle_for_long_enough() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "XADD s 1-0 f v");
    run(&mut client, "XGROUP CREATE s g 0");
    run(&mut client, "XGROUP CREATE other g 0 MKSTREAM");
    run(&mut client, "XREADGROUP GROUP g one STREAMS s >");
    let begin = Instant::now();
    let mut two = blocked(&server, &mut client, 1, "XREADGROUP GROUP g two BLOCK 0 CLAIM 300 STREAMS other s > >");
    let Reply::Array(streams) = two.read() else { panic!("no streams") };
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
    let [Reply::Array(stream)] = &streams[..] else { panic!("{streams:?}") };
    let Reply::Array(entries) = &stream[1] else { panic!("{stream:?}") };
    let [Reply::Array(entry)] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((&stream[0], &entry[0], &entry[3]), (&Reply::bulk("s"), &Reply::bulk("1-0"), &Reply::Integer(1)));
    assert!(matches!(entry[2], Reply::Integer(300..)), "{entry:?}");
    wait_for_blocked(&mut client, 0);

    // Nothing is pending when these begin to wait: the one that comes later claims what the first was given.
    run(&mut client, "XACK s g 1-0");
    let command = |name: &str| format!("XREADGROUP GROUP g {name} COUNT 1 BLOCK 0 CLAIM 200 STREAMS s >");
    let mut first = blocked(&server, &mut client, 1, &command("first"));
    let mut second = blocked(&server, &mut client, 2, &command("second"));
    run(&mut client, "XADD s 2-0 f v");
    first.read();
    let answer = second.read();
    assert!(mentions(&answer, "2-0"), "{answer:?}");
}

#[test]
fn what_a_claiming_reader_waits_for_may_be_made_idle_by_others() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "XADD s 1-0 f v");
    run(&mut client, "XGROUP CREATE s g 0");
    let mut reader = server.connect();
    let mut wait = |client: &mut Connection, block: u64| {
        reader.send(&words(&format!("XREADGROUP GROUP g two BLOCK {block} CLAIM 3600000 STREAMS s >")));
        wait_for_blocked(client, 1);
    };
    run(&mut client, "XREADGROUP GROUP g one STREAMS s >");
    wait(&mut client, 0);
    run(&mut client, "XCLAIM s g one 0 1-0 IDLE 7200000");
    wait_for_blocked(&mut client, 0);
    // One entry is never idle for long enough while this one waits.
    wait(&mut client, 50);
    wait_for_blocked(&mut client, 0);
    drop(reader);
    let owners = Reply::Array(vec![Reply::bulks(&["two", "1"])]);
    let summary = vec![Reply::Integer(1), Reply::bulk("1-0"), Reply::bulk("1-0"), owners];
    assert_eq!(run(&mut client, "XPENDING s g"), Reply::Array(summary));
}

#[test]
fn nothing_is_claimed_while_writes_are_paused() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "XADD s 1-0 f v");
    run(&mut client, "XGROUP CREATE s g 0");
    run(&mut client, "XREADGROUP GROUP g one STREAMS s >");
    let mut reader = blocked(&server, &mut client, 1, "XREADGROUP GROUP g two BLOCK 0 CLAIM 100 STREAMS s >");
    let paused = Instant::now();
    run(&mut client, "CLIENT PAUSE 600 WRITE");
    reader.read();
    assert!(paused.elapsed() >= Duration::from_millis(600), "{:?}", paused.elapsed());
}

#[test]
fn who_waited_and_named_a_total_count_is_served_no_more() {
    let server = Server::start();
    let mut client = server.connect();
    let mut reader = blocked(&server, &mut client, 1, "XREAD MAXCOUNT 2 BLOCK 0 STREAMS s 0");
    for command in ["MULTI", "XADD s 1-0 f v", "XADD s 2-0 f v", "XADD s 3-0 f v", "EXEC"] {
        run(&mut client, command);
    }
    assert_eq!(reader.read(), served("s", &[entry("1-0", &["f", "v"]), entry("2-0", &["f", "v"])]));
}

#[test]
fn claims_by_reading_are_the_same_on_replicas_and_after_a_restart() {
    let mut node = Node::start(&binary(), &["appendonly yes", "appendfsync always"]);
    let replica = Server::start();
    follow(&replica, node.port());
    wait_for_link(&replica);
    let told = |server: &Server| ["s", "other"].map(|key| groups(server, key));
    let mut client = node.server().connect();
    for id in 1..=3 {
        run(&mut client, &format!("XADD s {id}-0 f v"));
    }
    run(&mut client, "XGROUP CREATE s g 0 ENTRIESREAD 0");
    run(&mut client, "XREADGROUP GROUP g one COUNT 2 STREAMS s >");
    run(&mut client, "XDEL s 1-0");
    run(&mut client, "XADD other 1-0 f v");
    run(&mut client, "XGROUP CREATE other g 0");
    run(&mut client, "XREADGROUP GROUP g one STREAMS other >");
    let mut reader = blocked(node.server(), &mut client, 1, "XREADGROUP GROUP g two CLAIM 200 BLOCK 0 STREAMS other >");
    reader.read();
    run(&mut client, "XREADGROUP GROUP g two CLAIM 0 STREAMS s >");
    let pending = run(&mut client, "XPENDING s g - + 10 two");
    assert!(!mentions(&pending, "1-0") && mentions(&pending, "2-0") && mentions(&pending, "3-0"), "{pending:?}");
    let of_node = told(node.server());
    wait_until("the replica knows the same", || told(&replica) == of_node);
    node.kill();
    node.revive();
    assert_eq!(told(node.server()), of_node);
}

/// Names of the consumers of `g` with whether each ever got something to acknowledge.
fn consumers(client: &mut Connection) -> Vec<(String, bool)> {
    let Reply::Array(consumers) = run(client, "XINFO CONSUMERS s g") else { panic!("no consumers") };
    let of_one = |consumer: &Reply| {
        let Reply::Array(fields) = consumer else { panic!("{consumer:?}") };
        assert_eq!(fields[6], Reply::bulk("inactive"));
        (fields[1].text(), fields[7] != Reply::Integer(-1))
    };
    consumers.iter().map(of_one).collect()
}

#[test]
fn a_consumer_is_made_by_asking_and_active_by_what_it_gets() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "XADD s 1-0 f v");
    run(&mut client, "XGROUP CREATE s g 0");
    run(&mut client, "XREADGROUP GROUP g history STREAMS s 0");
    run(&mut client, "XREADGROUP GROUP g reader STREAMS s >");
    run(&mut client, "XREADGROUP GROUP g late BLOCK 1 STREAMS s >");
    run(&mut client, "XCLAIM s g patient 1000000 1-0");
    let expected = [("history", false), ("late", false), ("patient", false), ("reader", true)];
    assert_eq!(consumers(&mut client), expected.map(|(name, active)| (name.to_owned(), active)));
    run(&mut client, "XAUTOCLAIM s g keen 0 0");
    assert!(consumers(&mut client).contains(&("keen".to_owned(), true)));
}

#[test]
fn a_look_at_what_was_delivered_is_no_change() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "XADD s 1-0 f v");
    run(&mut client, "XGROUP CREATE s g 0");
    run(&mut client, "XREADGROUP GROUP g c STREAMS s >");
    let changes = |client: &mut Connection| info(client, "rdb_changes_since_last_save");
    let before = changes(&mut client);
    run(&mut client, "XREADGROUP GROUP g c STREAMS s 0");
    assert_eq!(changes(&mut client), before);
}
