//! Very many watched keys, keys waited for, subscriptions, prefixes and rules: what a command costs grows with their
//! number and not with its square, and nothing is left in use when the clients are gone.

mod common;

use std::time::{Duration, Instant};

use common::replication::field;
use common::{Connection, PATIENCE, Reply, Server, wait_until, wait_within};

/// With so many, a cost that grows with the square takes minutes in a build for tests.
const MANY: usize = 100_000;
/// A cost that grows with the number takes seconds, on a busy machine, too.
const LIMIT: Duration = Duration::from_secs(20);

fn keys() -> Vec<String> {
    (0..MANY).map(|number| format!("key:{number:06}")).collect()
}

/// A command of a word or more, and for each key what `part` makes of it.
fn command(head: &[&str], part: impl Fn(&str) -> Vec<String>, tail: &[&str]) -> Vec<String> {
    let head = head.iter().map(|word| (*word).to_owned());
    let tail = tail.iter().map(|word| (*word).to_owned());
    head.chain(keys().iter().flat_map(|key| part(key))).chain(tail).collect()
}

fn each(key: &str) -> Vec<String> {
    vec![key.to_owned()]
}

fn mset() -> Vec<String> {
    command(&["MSET"], |key| vec![key.to_owned(), "value".to_owned()], &[])
}

/// Runs a command that must not take long.
fn soon(client: &mut Connection, words: &[String]) -> Reply {
    let begun = Instant::now();
    let reply = client.cmd(words);
    assert!(begun.elapsed() < LIMIT, "{} took {:?}", words[0], begun.elapsed());
    reply
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn changing_many_watched_keys_takes_a_time_that_grows_with_their_number() {
    let server = Server::start();
    let mut writer = server.connect();
    for change in [mset(), words(&["SWAPDB", "0", "1"]), words(&["SWAPDB", "1", "0"]), words(&["FLUSHALL"])] {
        let mut watcher = server.connect();
        assert_eq!(soon(&mut watcher, &command(&["WATCH"], each, &[])), Reply::ok());
        soon(&mut writer, &change);
        watcher.cmd(&["MULTI"]);
        assert_eq!(soon(&mut watcher, &words(&["EXEC"])), Reply::NullArray);
    }
}

#[test]
fn changing_many_keys_that_one_client_waits_for_takes_a_time_that_grows_with_their_number() {
    let server = Server::start();
    let mut writer = server.connect();
    for wait in [
        command(&["BLPOP"], each, &["0"]),
        command(&["BLMPOP", "0", &MANY.to_string()], each, &["LEFT"]),
        command(&["BZPOPMIN"], each, &["0"]),
    ] {
        let mut waiting = server.connect();
        waiting.send(&wait);
        wait_until("it waits", || field(&server, "blocked_clients") == "1");
        soon(&mut writer, &mset());
        soon(&mut writer, &words(&["SWAPDB", "0", "1"]));
        soon(&mut writer, &words(&["SWAPDB", "0", "1"]));
        drop(waiting);
        writer.cmd(&["FLUSHALL"]);
        wait_within(LIMIT, "it is gone", || field(&server, "blocked_clients") == "0");
    }
}

#[test]
fn streams_that_one_client_waits_for_are_looked_at_one_by_one() {
    let server = Server::start();
    let (mut reader, mut writer) = (server.connect(), server.connect());
    let ids = (0..MANY).map(|_| "9-9".to_owned());
    let read: Vec<String> = command(&["XREAD", "BLOCK", "0", "STREAMS"], each, &[]).into_iter().chain(ids).collect();
    reader.send(&read);
    wait_until("it waits", || field(&server, "blocked_clients") == "1");
    let script = "for i = 0, tonumber(ARGV[1]) - 1 do \
                  redis.call('XADD', string.format('key:%06d', i), '1-1', 'f', 'v') end";
    soon(&mut writer, &words(&["EVAL", script, "0", &MANY.to_string()]));
    writer.cmd(&["XADD", "key:000007", "10-1", "f", "v"]);
    let entry = Reply::Array(vec![Reply::bulk("10-1"), Reply::bulks(&["f", "v"])]);
    let stream = Reply::Array(vec![Reply::bulk("key:000007"), Reply::Array(vec![entry])]);
    assert_eq!(reader.read(), Reply::Array(vec![stream]));
}

#[test]
fn keys_find_their_prefixes_among_many() {
    let server = Server::start();
    let (mut tracking, mut writer) = (server.connect(), server.connect());
    tracking.cmd(&["HELLO", "3"]);
    let prefixes = |key: &str| vec!["PREFIX".to_owned(), key.to_owned()];
    let on = command(&["CLIENT", "TRACKING", "ON", "BCAST"], prefixes, &[]);
    assert_eq!(soon(&mut tracking, &on), Reply::ok());
    soon(&mut writer, &mset());
    writer.cmd(&["SET", "other", "1"]);
    assert!(matches!(tracking.read(), Reply::Push(_)));
}

#[test]
fn users_may_have_many_rules() {
    let server = Server::start();
    let mut client = server.connect();
    let rule =
        |sign: &'static str| command(&["ACL", "SETUSER", "user", "reset"], |key| vec![format!("{sign}{key}")], &[]);
    for sign in ["~", "&", ">", "+select|"] {
        assert_eq!(soon(&mut client, &rule(sign)), Reply::ok(), "{sign}");
    }
}

/// Has a client run a command that brings `replies` replies, and go.
fn come_and_go(server: &Server, command: &[String], replies: usize) {
    let mut client = server.connect();
    client.send(command);
    (0..replies).for_each(|_| drop(client.read()));
}

#[test]
fn the_memory_of_clients_that_are_gone_is_free_again() {
    let server = Server::start();
    let used = || field(&server, "used_memory").parse::<usize>().expect("a number");
    let numbered =
        command(&["CLIENT", "TRACKING", "ON", "BCAST"], |key| vec!["PREFIX".to_owned(), key.to_owned()], &[]);
    // What is made once for all is made before.
    server.connect().cmd(&["SUBSCRIBE", "channel"]);
    let before = used();
    for (command, replies) in [
        (command(&["SUBSCRIBE"], each, &[]), MANY),
        (command(&["PSUBSCRIBE"], each, &[]), MANY),
        (command(&["SSUBSCRIBE"], each, &[]), MANY),
        (command(&["WATCH"], each, &[]), 1),
        (command(&["BLPOP"], each, &["0"]), 0),
        (numbered, 1),
    ] {
        come_and_go(&server, &command, replies);
        wait_within(PATIENCE.max(LIMIT), &format!("the memory of {} is free", command[0]), || {
            field(&server, "connected_clients") == "1" && used() < before + (1 << 20)
        });
    }
}

#[test]
fn a_message_to_many_counts_once() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub 0 0 0", "--maxmemory-clients", "200mb"]);
    let mut listeners: Vec<Connection> = (0..50).map(|_| server.connect()).collect();
    for listener in &mut listeners {
        listener.cmd(&["SUBSCRIBE", "channel"]);
    }
    let (mut publisher, payload) = (server.connect(), vec![b'x'; 1 << 20]);
    for _ in 0..20 {
        assert_eq!(publisher.cmd(&[b"PUBLISH", b"channel", payload.as_slice()]), Reply::Integer(50));
    }
    let figure = |name: &str| field(&server, name).parse::<usize>().expect("a number");
    let (used, overhead, clients) =
        (figure("used_memory"), figure("used_memory_overhead"), figure("mem_clients_normal"));
    assert!(overhead <= used && clients <= 22 << 20, "{clients} of clients, {overhead} in all, {used} in use");
    assert_eq!(field(&server, "evicted_clients"), "0");
}
