//! Clients that wait for elements of sorted sets.

mod common;

use common::{Connection, Reply, Server, wait_until};

fn blocked_clients(server: &Server) -> String {
    let info = server.connect().cmd(&["INFO", "clients"]).text();
    info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap_or_default().to_owned()
}

/// A client that has begun to wait, the `count`th of the server's.
fn waiting(server: &Server, count: usize, command: &[&str]) -> Connection {
    let mut client = server.connect();
    client.send(command);
    wait_until("the client waits", || blocked_clients(server) == count.to_string());
    client
}

fn popped(key: &str, member: &str, score: &str) -> Reply {
    Reply::bulks(&[key, member, score])
}

fn popped_pairs(key: &str, pairs: &[[&str; 2]]) -> Reply {
    Reply::Array(vec![Reply::bulk(key), Reply::Array(pairs.iter().map(|pair| Reply::bulks(pair)).collect())])
}

#[test]
fn whoever_waited_longest_is_served_first() {
    let server = Server::start();
    let mut first = waiting(&server, 1, &["BZPOPMIN", "z", "0"]);
    let mut second = waiting(&server, 2, &["BZPOPMAX", "other", "z", "0"]);
    let mut third = waiting(&server, 3, &["BZMPOP", "0", "1", "z", "MIN", "COUNT", "9"]);
    let mut client = server.connect();
    assert_eq!(client.cmd(&["ZADD", "z", "1", "a", "2", "b", "3", "c", "4", "d"]), Reply::Integer(4));
    assert_eq!(first.read(), popped("z", "a", "1"));
    assert_eq!(second.read(), popped("z", "d", "4"));
    assert_eq!(third.read(), popped_pairs("z", &[["b", "2"], ["c", "3"]]));
    assert_eq!(client.cmd(&["EXISTS", "z"]), Reply::Integer(0));
    assert_eq!(blocked_clients(&server), "0");
}

#[test]
fn only_as_many_are_served_as_there_are_elements() {
    let server = Server::start();
    let mut first = waiting(&server, 1, &["BZPOPMIN", "z", "0"]);
    let mut second = waiting(&server, 2, &["BZPOPMIN", "z", "0"]);
    let mut client = server.connect();
    client.cmd(&["ZADD", "z", "1", "a"]);
    assert_eq!(first.read(), popped("z", "a", "1"));
    assert_eq!(blocked_clients(&server), "1");
    client.cmd(&["ZINCRBY", "z", "5", "b"]);
    assert_eq!(second.read(), popped("z", "b", "5"));
}

#[test]
fn every_way_of_making_a_sorted_set_wakes() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["ZADD", "source", "1", "a"]);
    client.cmd(&["SADD", "set", "a"]);
    for command in [
        &["ZUNIONSTORE", "z", "1", "set"][..],
        &["ZINTERSTORE", "z", "2", "set", "source", "AGGREGATE", "MAX"],
        &["ZDIFFSTORE", "z", "1", "source"],
        &["ZRANGESTORE", "z", "source", "0", "-1"],
        &["COPY", "source", "z"],
        &["RENAME", "source", "z"],
    ] {
        let mut waiter = waiting(&server, 1, &["BZPOPMIN", "z", "0"]);
        client.cmd(command);
        assert_eq!(waiter.read(), popped("z", "a", "1"), "{command:?}");
    }
}

#[test]
fn the_key_that_was_named_first_serves() {
    let server = Server::start();
    let mut waiter = waiting(&server, 1, &["BZPOPMIN", "z1", "z2", "0"]);
    let mut client = server.connect();
    client.cmd(&["MULTI"]);
    client.cmd(&["ZADD", "z2", "0", "b"]);
    client.cmd(&["ZADD", "z1", "0", "a"]);
    client.cmd(&["EXEC"]);
    assert_eq!(waiter.read(), popped("z1", "a", "0"), "though the other got something before");
    assert_eq!(waiter.cmd(&["BZPOPMIN", "z1", "z2", "0"]), popped("z2", "b", "0"));
}

#[test]
fn a_key_of_another_type_leaves_clients_waiting() {
    let server = Server::start();
    let mut waiter = waiting(&server, 1, &["BZPOPMIN", "z", "0"]);
    let mut client = server.connect();
    client.cmd(&["MULTI"]);
    client.cmd(&["ZADD", "z", "0", "a"]);
    client.cmd(&["DEL", "z"]);
    client.cmd(&["SADD", "z", "a"]);
    client.cmd(&["EXEC"]);
    assert_eq!(blocked_clients(&server), "1");
    client.cmd(&["DEL", "z"]);
    client.cmd(&["ZADD", "z", "7", "b"]);
    assert_eq!(waiter.read(), popped("z", "b", "7"));
    client.cmd(&["SADD", "s", "a"]);
    assert!(matches!(client.cmd(&["BZPOPMIN", "s", "0"]), Reply::Error(text) if text.starts_with("WRONGTYPE")));
}

#[test]
fn waiting_ends_with_a_null_array() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["BZPOPMIN", "z", "0.01"]), Reply::NullArray);
    assert_eq!(client.cmd(&["BZMPOP", "0.01", "2", "z", "y", "MAX"]), Reply::NullArray);
    client.cmd(&["MULTI"]);
    client.cmd(&["BZPOPMAX", "z", "0"]);
    client.cmd(&["BZMPOP", "0", "1", "z", "MIN"]);
    assert_eq!(client.cmd(&["EXEC"]), Reply::Array(vec![Reply::NullArray, Reply::NullArray]));
}

#[test]
fn client_unblock_ends_the_waiting() {
    let server = Server::start();
    let mut client = server.connect();
    for (how, expected) in
        [("TIMEOUT", Reply::NullArray), ("ERROR", Reply::error("UNBLOCKED client unblocked via CLIENT UNBLOCK"))]
    {
        let mut waiter = server.connect();
        let Reply::Integer(id) = waiter.cmd(&["CLIENT", "ID"]) else { panic!("an id is a number") };
        waiter.send(&["BZMPOP", "0", "1", "z", "MIN"]);
        wait_until("the client waits", || blocked_clients(&server) == "1");
        assert_eq!(client.cmd(&["CLIENT", "UNBLOCK", &id.to_string(), how]), Reply::Integer(1));
        assert_eq!(waiter.read(), expected);
    }
    client.cmd(&["ZADD", "z", "1", "a"]);
    assert_eq!(client.cmd(&["ZCARD", "z"]), Reply::Integer(1));
}

#[test]
fn a_client_that_left_takes_nothing() {
    let server = Server::start();
    drop(waiting(&server, 1, &["BZPOPMIN", "z", "0"]));
    wait_until("the client has gone", || blocked_clients(&server) == "0");
    let mut client = server.connect();
    client.cmd(&["ZADD", "z", "1", "a"]);
    assert_eq!(client.cmd(&["ZCARD", "z"]), Reply::Integer(1));
}

#[test]
fn who_waits_to_move_elements_is_served_by_the_source_alone() {
    let server = Server::start_with(&["--notify-keyspace-events", "Ezg"]);
    let mut client = server.connect();
    let mut popping = waiting(&server, 1, &["BZPOPMIN", "t", "0"]);
    let mut moving = waiting(&server, 2, &["BZMOVE", "s", "t", "MAX", "0", "COUNT", "2"]);
    assert_eq!(client.cmd(&["ZMOVE", "none", "t", "MIN"]), Reply::NullArray);
    assert_eq!(client.cmd(&["ZADD", "t", "5", "x"]), Reply::Integer(1));
    assert_eq!(popping.read(), popped("t", "x", "5"));
    let mut popping = waiting(&server, 2, &["BZPOPMIN", "t", "0"]);
    let mut listener = server.connect();
    listener.cmd(&["PSUBSCRIBE", "*"]);
    assert_eq!(client.cmd(&["ZADD", "s", "1", "a", "2", "b"]), Reply::Integer(2));
    assert_eq!(moving.read(), Reply::bulks(&["b", "a"]));
    assert_eq!(popping.read(), popped("t", "a", "1"));
    for (event, key) in [("zadd", "s"), ("zrem", "s"), ("del", "s"), ("zadd", "t"), ("zpopmin", "t")] {
        assert_eq!(listener.read(), Reply::bulks(&["pmessage", "*", &format!("__keyevent@0__:{event}"), key]));
    }
    assert_eq!(client.cmd(&["BZMOVE", "s", "t", "MIN", "0.01"]), Reply::NullArray);
    client.cmd(&["SET", "str", "x"]);
    let mut refused = waiting(&server, 1, &["BZMOVE", "s", "str", "MIN", "0"]);
    client.cmd(&["ZADD", "s", "1", "a"]);
    assert!(refused.read().into_error().starts_with("WRONGTYPE"));
    assert_eq!(client.cmd(&["ZCARD", "s"]), Reply::Integer(1));
    client.cmd(&["HELLO", "3"]);
    assert_eq!(client.cmd(&["ZMOVEMEMBER", "s", "t", "MEMBERS", "1", "none"]), Reply::Null);
    assert_eq!(client.cmd(&["ZMOVE", "s", "t", "BYSCORE", "-inf", "+inf"]), Reply::bulks(&["a"]));
}
