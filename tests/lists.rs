//! Lists between connections: who waits for elements, who gets them, and who gives up.

mod common;

use std::time::{Duration, Instant};

use common::{Connection, Reply, Server, wait_until};

/// Waits until as many clients are blocked.
fn wait_for_blocked(client: &mut Connection, count: usize) {
    let line = format!("blocked_clients:{count}\r\n");
    wait_until("clients are blocked", || client.cmd(&["INFO", "clients"]).text().contains(&line));
}

/// Connections that each sent a command and are blocked by it, one after the other.
fn blocked(server: &Server, client: &mut Connection, commands: &[&[&str]]) -> Vec<Connection> {
    let mut waiting = Vec::new();
    for command in commands {
        let mut connection = server.connect();
        connection.send(command);
        waiting.push(connection);
        wait_for_blocked(client, waiting.len());
    }
    waiting
}

fn integer(value: i64) -> Reply {
    Reply::Integer(value)
}

#[test]
fn who_waits_longest_gets_the_first_element() {
    let server = Server::start();
    let mut client = server.connect();
    let mut waiting =
        blocked(&server, &mut client, &[&["BLPOP", "l", "0"], &["BRPOP", "l", "0"], &["BLPOP", "l", "0"]]);
    assert_eq!(client.cmd(&["RPUSH", "l", "a", "b"]), integer(2));
    assert_eq!(waiting[0].read(), Reply::bulks(&["l", "a"]));
    assert_eq!(waiting[1].read(), Reply::bulks(&["l", "b"]));
    wait_for_blocked(&mut client, 1);
    assert_eq!(client.cmd(&["EXISTS", "l"]), integer(0));
    assert_eq!(client.cmd(&["LPUSH", "l", "c", "d"]), integer(2));
    assert_eq!(waiting[2].read(), Reply::bulks(&["l", "d"]));
    assert_eq!(client.cmd(&["LRANGE", "l", "0", "-1"]), Reply::bulks(&["c"]));
}

#[test]
fn of_several_keys_the_first_one_serves() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["RPUSH", "two", "2"]);
    client.cmd(&["RPUSH", "one", "1"]);
    assert_eq!(client.cmd(&["BLPOP", "none", "one", "two", "0"]), Reply::bulks(&["one", "1"]));
    client.cmd(&["DEL", "two"]);
    let mut waiting = blocked(&server, &mut client, &[&["BLPOP", "one", "two", "one", "0"]]);
    client.cmd(&["MULTI"]);
    client.cmd(&["RPUSH", "two", "b"]);
    client.cmd(&["RPUSH", "one", "a"]);
    client.cmd(&["EXEC"]);
    assert_eq!(waiting[0].read(), Reply::bulks(&["one", "a"]));
    assert_eq!(client.cmd(&["LLEN", "two"]), integer(1));
}

#[test]
fn a_transaction_is_over_before_anyone_is_served() {
    let server = Server::start();
    let mut client = server.connect();
    let mut waiting = blocked(&server, &mut client, &[&["BLPOP", "l", "0"]]);
    for command in [&["MULTI"][..], &["LPUSH", "l", "a"], &["DEL", "l"]] {
        client.cmd(command);
    }
    client.cmd(&["EXEC"]);
    wait_for_blocked(&mut client, 1);
    for command in [&["MULTI"][..], &["LPUSH", "l", "a"], &["LPUSH", "l", "b"], &["LLEN", "l"]] {
        client.cmd(command);
    }
    assert_eq!(client.cmd(&["EXEC"]), Reply::Array(vec![integer(1), integer(2), integer(2)]));
    assert_eq!(waiting[0].read(), Reply::bulks(&["l", "b"]));
}

#[test]
fn many_elements_are_taken_at_once() {
    let server = Server::start();
    let mut client = server.connect();
    let commands: &[&[&str]] =
        &[&["BLMPOP", "0", "2", "x", "l", "RIGHT", "COUNT", "2"], &["BLMPOP", "0", "1", "l", "LEFT", "COUNT", "9"]];
    let mut waiting = blocked(&server, &mut client, commands);
    client.cmd(&["RPUSH", "l", "a", "b", "c", "d"]);
    assert_eq!(waiting[0].read(), Reply::Array(vec![Reply::bulk("l"), Reply::bulks(&["d", "c"])]));
    assert_eq!(waiting[1].read(), Reply::Array(vec![Reply::bulk("l"), Reply::bulks(&["a", "b"])]));
}

#[test]
fn moved_elements_serve_whoever_waits_for_them_next() {
    let server = Server::start();
    let mut client = server.connect();
    let commands: &[&[&str]] =
        &[&["BLPOP", "c", "0"], &["BRPOPLPUSH", "b", "c", "0"], &["BLMOVE", "a", "b", "LEFT", "RIGHT", "0"]];
    let mut waiting = blocked(&server, &mut client, commands);
    client.cmd(&["RPUSH", "a", "x"]);
    assert_eq!(waiting[2].read(), Reply::bulk("x"));
    assert_eq!(waiting[1].read(), Reply::bulk("x"));
    assert_eq!(waiting[0].read(), Reply::bulks(&["c", "x"]));
    assert_eq!(client.cmd(&["EXISTS", "a", "b", "c"]), integer(0));
}

#[test]
fn a_list_may_be_moved_onto_itself() {
    let server = Server::start();
    let mut client = server.connect();
    let commands: &[&[&str]] = &[&["BLMOVE", "l", "l", "LEFT", "RIGHT", "0"], &["BLPOP", "l", "0"]];
    let mut waiting = blocked(&server, &mut client, commands);
    client.cmd(&["RPUSH", "l", "a", "b"]);
    assert_eq!(waiting[0].read(), Reply::bulk("a"));
    assert_eq!(waiting[1].read(), Reply::bulks(&["l", "b"]));
    assert_eq!(client.cmd(&["LRANGE", "l", "0", "-1"]), Reply::bulks(&["a"]));
}

#[test]
fn who_waits_for_several_elements_gets_all_of_them_at_once() {
    let server = Server::start();
    let mut client = server.connect();
    let commands: &[&[&str]] = &[
        &["BLMOVEM", "l", "all", "LEFT", "RIGHT", "0", "EXACTLY", "3", "BULK"],
        &["BLMOVEM", "l", "some", "LEFT", "LEFT", "0", "COUNT", "5", "OBO"],
    ];
    let mut waiting = blocked(&server, &mut client, &commands[..1]);
    client.cmd(&["RPUSH", "l", "1"]);
    client.cmd(&["RPUSH", "other", "3"]);
    client.cmd(&["LINSERT", "l", "AFTER", "1", "2"]);
    wait_for_blocked(&mut client, 1);
    assert_eq!(client.cmd(&["EXISTS", "all"]), integer(0));
    assert_eq!(client.cmd(&["LMOVE", "other", "l", "LEFT", "RIGHT"]), Reply::bulk("3"));
    assert_eq!(waiting[0].read(), Reply::bulks(&["1", "2", "3"]));
    assert_eq!(client.cmd(&["LRANGE", "all", "0", "-1"]), Reply::bulks(&["1", "2", "3"]));
    let mut waiting = blocked(&server, &mut client, &commands[1..]);
    client.cmd(&["RPUSH", "l", "a", "b"]);
    assert_eq!(waiting[0].read(), Reply::bulks(&["b", "a"]));
    assert_eq!(client.cmd(&["EXISTS", "l"]), integer(0));
    let in_time = ["BLMOVEM", "l", "all", "LEFT", "RIGHT", "0.01", "EXACTLY", "3", "BULK"];
    assert_eq!(client.cmd(&in_time), Reply::NullArray);
    client.cmd(&["MULTI"]);
    client.cmd(commands[0]);
    assert_eq!(client.cmd(&["EXEC"]), Reply::Array(vec![Reply::NullArray]));
    client.cmd(&["HELLO", "3"]);
    assert_eq!(client.cmd(&["LMOVEM", "l", "all", "LEFT", "RIGHT", "EXACTLY", "1", "OBO"]), Reply::Null);
}

#[test]
fn several_elements_that_were_moved_serve_whoever_waits_for_them_next() {
    let server = Server::start_with(&["--notify-keyspace-events", "El"]);
    let mut client = server.connect();
    let commands: &[&[&str]] = &[
        &["BLMPOP", "0", "1", "b", "LEFT", "COUNT", "9"],
        &["BLMOVEM", "a", "b", "RIGHT", "LEFT", "0", "COUNT", "2", "BULK"],
    ];
    let mut waiting = blocked(&server, &mut client, commands);
    let mut listener = server.connect();
    listener.cmd(&["PSUBSCRIBE", "*"]);
    client.cmd(&["RPUSH", "a", "1", "2", "3"]);
    assert_eq!(waiting[1].read(), Reply::bulks(&["2", "3"]));
    assert_eq!(waiting[0].read(), Reply::Array(vec![Reply::bulk("b"), Reply::bulks(&["2", "3"])]));
    let events = [("rpush", "a"), ("lpush", "b"), ("rpop", "a"), ("lpop", "b")];
    for (event, key) in events {
        let channel = format!("__keyevent@0__:{event}");
        assert_eq!(listener.read(), Reply::bulks(&["pmessage", "*", &channel, key]));
    }
}

#[test]
fn a_wrong_destination_fails_who_waits_and_leaves_the_source() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["SET", "str", "x"]);
    let commands: &[&[&str]] =
        &[&["BLMOVE", "l", "str", "LEFT", "LEFT", "0"], &["BRPOPLPUSH", "l", "str", "0"], &["BLPOP", "l", "0"]];
    let mut waiting = blocked(&server, &mut client, commands);
    client.cmd(&["RPUSH", "l", "a", "b"]);
    assert!(waiting[0].read().into_error().starts_with("WRONGTYPE"));
    assert!(waiting[1].read().into_error().starts_with("WRONGTYPE"));
    assert_eq!(waiting[2].read(), Reply::bulks(&["l", "a"]));
    assert_eq!(client.cmd(&["LRANGE", "l", "0", "-1"]), Reply::bulks(&["b"]));
}

#[test]
fn keys_of_another_type_wake_nobody() {
    let server = Server::start();
    let mut client = server.connect();
    let mut waiting = blocked(&server, &mut client, &[&["BLPOP", "l", "0"]]);
    client.cmd(&["SADD", "l", "a"]);
    wait_for_blocked(&mut client, 1);
    client.cmd(&["DEL", "l"]);
    client.cmd(&["RPUSH", "other", "b"]);
    client.cmd(&["RENAME", "other", "l"]);
    assert_eq!(waiting[0].read(), Reply::bulks(&["l", "b"]));
}

#[test]
fn who_waits_for_another_type_leaves_the_key_to_those_behind() {
    let server = Server::start();
    let mut client = server.connect();
    let commands: &[&[&str]] = &[&["BZPOPMIN", "k", "0"], &["BLPOP", "k", "0"], &["BLPOP", "k", "other", "0"]];
    let mut waiting = blocked(&server, &mut client, commands);
    client.cmd(&["RPUSH", "k", "a"]);
    assert_eq!(waiting[1].read(), Reply::bulks(&["k", "a"]));
    client.cmd(&["ZADD", "k", "1", "m"]);
    assert_eq!(waiting[0].read(), Reply::bulks(&["k", "m", "1"]));
    for command in [&["MULTI"][..], &["ZADD", "k", "1", "m"], &["DEL", "k"], &["RPUSH", "k", "b"]] {
        client.cmd(command);
    }
    client.cmd(&["EXEC"]);
    assert_eq!(waiting[2].read(), Reply::bulks(&["k", "b"]));
}

#[test]
fn time_runs_out_in_fractions_of_a_second() {
    let server = Server::start();
    let mut client = server.connect();
    for (command, null) in [
        (&["BLPOP", "l", "0.05"][..], Reply::NullArray),
        (&["BRPOPLPUSH", "l", "m", "0.05"], Reply::NullArray),
        (&["BLMPOP", "0.05", "1", "l", "LEFT"], Reply::NullArray),
    ] {
        let started = Instant::now();
        assert_eq!(client.cmd(command), null);
        let waited = started.elapsed();
        // The server counts whole milliseconds, so the one that runs may be lost.
        assert!(waited >= Duration::from_millis(49), "{command:?}: {waited:?}");
    }
    client.cmd(&["HELLO", "3"]);
    assert_eq!(client.cmd(&["BLPOP", "l", "0.001"]), Reply::Null);
    client.cmd(&["MULTI"]);
    client.cmd(&["BLPOP", "l", "0"]);
    client.cmd(&["BLMOVE", "l", "m", "LEFT", "LEFT", "0"]);
    assert_eq!(client.cmd(&["EXEC"]), Reply::Array(vec![Reply::Null, Reply::Null]));
}

#[test]
fn client_unblock_ends_the_waiting() {
    let server = Server::start();
    let mut client = server.connect();
    let mut waiter = server.connect();
    let id = match waiter.cmd(&["CLIENT", "ID"]) {
        Reply::Integer(id) => id.to_string(),
        other => panic!("no number: {other:?}"),
    };
    for (how, reply) in
        [("TIMEOUT", Reply::NullArray), ("ERROR", Reply::error("UNBLOCKED client unblocked via CLIENT UNBLOCK"))]
    {
        waiter.send(&["BLPOP", "l", "0"]);
        wait_for_blocked(&mut client, 1);
        assert_eq!(client.cmd(&["CLIENT", "UNBLOCK", &id, how]), integer(1));
        assert_eq!(waiter.read(), reply);
    }
    assert_eq!(client.cmd(&["CLIENT", "UNBLOCK", &id]), integer(0));
}

#[test]
fn who_has_gone_takes_nothing() {
    let server = Server::start();
    let mut client = server.connect();
    drop(blocked(&server, &mut client, &[&["BLPOP", "l", "0"], &["BLPOP", "l", "0"]]));
    wait_for_blocked(&mut client, 0);
    assert_eq!(client.cmd(&["RPUSH", "l", "a"]), integer(1));
    assert_eq!(client.cmd(&["LLEN", "l"]), integer(1));
}

#[test]
fn subscribers_are_told_of_what_a_served_client_did() {
    let server = Server::start_with(&["--notify-keyspace-events", "Elg"]);
    let (mut client, mut subscriber) = (server.connect(), server.connect());
    subscriber.cmd(&["PSUBSCRIBE", "*"]);
    let mut waiting = blocked(&server, &mut client, &[&["BLMOVE", "a", "b", "LEFT", "RIGHT", "0"]]);
    client.cmd(&["LPUSH", "a", "x"]);
    assert_eq!(waiting[0].read(), Reply::bulk("x"));
    client.cmd(&["LSET", "b", "0", "y"]);
    client.cmd(&["LINSERT", "b", "AFTER", "y", "z"]);
    client.cmd(&["LTRIM", "b", "0", "5"]);
    client.cmd(&["LREM", "b", "0", "y"]);
    client.cmd(&["RPOP", "b"]);
    for (event, key) in [
        ("lpush", "a"),
        ("rpush", "b"),
        ("lpop", "a"),
        ("del", "a"),
        ("lset", "b"),
        ("linsert", "b"),
        ("ltrim", "b"),
        ("lrem", "b"),
        ("rpop", "b"),
        ("del", "b"),
    ] {
        assert_eq!(subscriber.read(), Reply::bulks(&["pmessage", "*", &format!("__keyevent@0__:{event}"), key]));
    }
}

#[test]
fn long_lists_are_the_same_under_all_settings() {
    let server = Server::start();
    let mut client = server.connect();
    for (size, depth) in [("-2", "0"), ("-1", "1"), ("16", "2"), ("1", "1")] {
        client.cmd(&["CONFIG", "SET", "list-max-listpack-size", size, "list-compress-depth", depth]);
        let texts: Vec<String> = (0..5000).map(|number| format!("{number}:{}", "x".repeat(number % 50))).collect();
        let mut command = vec!["RPUSH", "l"];
        command.extend(texts.iter().map(String::as_str));
        assert_eq!(client.cmd(&command), integer(5000));
        assert_eq!(client.cmd(&["LINDEX", "l", "2500"]), Reply::bulk(&texts[2500]));
        let expected: Vec<&str> = texts[100..4900].iter().map(String::as_str).collect();
        assert_eq!(client.cmd(&["LRANGE", "l", "100", "-101"]), Reply::bulks(&expected));
        assert_eq!(client.cmd(&["LPOS", "l", &texts[4000]]), integer(4000));
        client.cmd(&["LTRIM", "l", "100", "-101"]);
        assert_eq!(client.cmd(&["LRANGE", "l", "0", "-1"]), Reply::bulks(&expected));
        client.cmd(&["DEL", "l"]);
    }
}

#[test]
fn lists_change_their_encoding_where_redis_changes_it() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    let mut run = |command: &str| client.cmd(&command.split(' ').collect::<Vec<_>>());
    run("CONFIG SET list-max-listpack-size 4");
    let steps = [
        ("RPUSH l 1 2 3 4", "listpack"),
        ("RPUSH l 5", "quicklist"),
        ("RPOP l", "quicklist"),
        ("LREM l 1 4", "quicklist"),
        ("LSET l 0 one", "quicklist"),
        ("LPOP l", "listpack"),
        ("LINSERT l BEFORE nothing x", "listpack"),
        ("RPUSH l a b", "listpack"),
        ("LINSERT l BEFORE nothing x", "quicklist"),
        ("LTRIM l 0 1", "listpack"),
        ("RPUSH l a b", "listpack"),
        ("LSET l 9 x", "quicklist"),
        ("DEBUG RELOAD", "listpack"),
        ("SORT l ALPHA STORE l", "listpack"),
        ("RPUSHX l c", "quicklist"),
        ("COPY l m", "quicklist"),
        ("RENAME m l", "quicklist"),
    ];
    for (command, encoding) in steps {
        run(command);
        assert_eq!(run("OBJECT ENCODING l"), Reply::bulk(encoding), "{command}");
    }
    run("RPUSH to 1 2 3 4");
    run("LMOVE l to LEFT RIGHT");
    assert_eq!(run("OBJECT ENCODING to"), Reply::bulk("quicklist"));
    let told = run("DEBUG OBJECT to").text();
    assert!(told.contains(" ql_nodes:2 ql_avg_node:2.50 ql_listpack_max:4 ql_compressed:0 "), "{told}");
    let told = run("DEBUG OBJECT l").text();
    assert!(told.contains("encoding:quicklist"), "{told}");
}
