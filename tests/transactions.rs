//! MULTI, EXEC, WATCH between connections.

mod common;

use common::{Reply, Server};

fn queued() -> Reply {
    Reply::Simple("QUEUED".into())
}

#[test]
fn exec_answers_for_all_commands_at_once() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["MULTI"]), Reply::ok());
    assert_eq!(client.cmd(&["SET", "key", "1"]), queued());
    assert_eq!(client.cmd(&["GET", "key"]), queued());
    assert_eq!(client.cmd(&["EXEC"]), Reply::Array(vec![Reply::ok(), Reply::bulk("1")]));
    assert!(matches!(client.cmd(&["EXEC"]), Reply::Error(text) if text == "ERR EXEC without MULTI"));
}

#[test]
fn a_refused_command_dooms_the_transaction() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["MULTI"]);
    client.cmd(&["SET", "key", "1"]);
    assert!(matches!(client.cmd(&["NONSENSE"]), Reply::Error(_)));
    assert!(matches!(client.cmd(&["EXEC"]), Reply::Error(text) if text.starts_with("EXECABORT")));
    assert_eq!(client.cmd(&["GET", "key"]), Reply::Null);
}

#[test]
fn a_watched_key_changed_by_another_makes_exec_null() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.cmd(&["WATCH", "key"]);
    other.cmd(&["SET", "key", "theirs"]);
    client.cmd(&["MULTI"]);
    client.cmd(&["SET", "key", "mine"]);
    assert_eq!(client.cmd(&["EXEC"]), Reply::NullArray);
    assert_eq!(client.cmd(&["GET", "key"]), Reply::bulk("theirs"));
}

#[test]
fn discard_and_reset_forget_what_is_watched() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    for ending in ["DISCARD", "RESET"] {
        client.cmd(&["WATCH", "key"]);
        client.cmd(&["MULTI"]);
        client.cmd(&[ending]);
        other.cmd(&["SET", "key", ending]);
        client.cmd(&["MULTI"]);
        client.cmd(&["PING"]);
        assert_eq!(client.cmd(&["EXEC"]), Reply::Array(vec![Reply::Simple("PONG".into())]));
    }
}

#[test]
fn subscribing_in_a_transaction_works_as_ever() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["MULTI"]);
    assert_eq!(client.cmd(&["SUBSCRIBE", "ch"]), queued());
    assert_eq!(client.cmd(&["SSUBSCRIBE", "ch"]), queued());
    let Reply::Array(replies) = client.cmd(&["EXEC"]) else { panic!("no array") };
    assert_eq!(replies[0], Reply::Array(vec![Reply::bulk("subscribe"), Reply::bulk("ch"), Reply::Integer(1)]));
    assert!(matches!(&replies[1], Reply::Error(_)));
}

#[test]
fn a_client_that_goes_leaves_its_transaction_undone() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.cmd(&["MULTI"]);
    client.cmd(&["SET", "key", "1"]);
    assert_eq!(client.cmd(&["QUIT"]), Reply::ok());
    assert!(client.is_closed());
    assert_eq!(other.cmd(&["GET", "key"]), Reply::Null);
}

#[test]
fn what_a_transaction_has_queued_counts_as_input() {
    let server = Server::start_with(&["--client-query-buffer-limit", "1mb"]);
    let mut client = server.connect();
    client.cmd(&["MULTI"]);
    let value = "x".repeat(100_000);
    for _ in 0..10 {
        assert_eq!(client.cmd(&["SET", "key", &value]), Reply::Simple("QUEUED".into()));
    }
    client.send(&["SET", "key", &value]);
    assert!(client.is_closed());
    server.await_log("Closing client that reached max query buffer length");
    let mut other = server.connect();
    let stats = other.cmd(&["INFO", "stats"]).text();
    assert!(stats.contains("client_query_buffer_limit_disconnections:1\r"), "{stats}");
    // The same in pieces that are run on the way.
    for _ in 0..20 {
        assert_eq!(other.cmd(&["SET", "key", &value]), Reply::ok());
    }
}
