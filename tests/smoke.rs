//! The first things anyone tries with the server.

mod common;

use std::thread;

use common::{Reply, Server, encode};

#[test]
fn ping_answers_pong() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert_eq!(client.cmd(&["PING", "hello"]), Reply::bulk("hello"));
    client.raw(b"PING\r\n");
    assert_eq!(client.read(), Reply::Simple("PONG".into()));
}

/// The server is built like its tests.
#[test]
fn the_server_checks_its_assertions_where_that_is_required() {
    let required = std::env::var_os("OXIDIS_ASSERTIONS_REQUIRED").is_some();
    assert!(cfg!(debug_assertions) || !required, "build without --release");
}

#[test]
fn get_returns_what_set_stored() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["GET", "key"]), Reply::Null);
    assert_eq!(client.cmd(&["SET", "key", "value"]), Reply::ok());
    assert_eq!(client.cmd(&["GET", "key"]), Reply::bulk("value"));

    let binary: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_eq!(client.cmd(&[b"SET", b"\r\n\0", binary.as_slice()]), Reply::ok());
    assert_eq!(client.cmd(&[b"GET".as_slice(), b"\r\n\0"]), Reply::Bulk(binary));
}

#[test]
fn a_pipeline_of_ten_thousand_commands_is_answered_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    let commands: Vec<u8> = (0..5_000)
        .flat_map(|number| {
            let (key, value) = (format!("key:{number}"), format!("value:{number}"));
            let mut pair = encode(&["SET", &key, &value]);
            pair.extend(encode(&["GET", &key]));
            pair
        })
        .collect();
    thread::scope(|scope| {
        let mut sender = client.sender();
        scope.spawn(move || sender.raw(&commands));
        for number in 0..5_000 {
            assert_eq!(client.read(), Reply::ok());
            assert_eq!(client.read(), Reply::bulk(format!("value:{number}")));
        }
    });
}

#[test]
fn hello_3_switches_to_resp3() {
    let server = Server::start();
    let mut client = server.connect();
    match client.cmd(&["HELLO", "3"]) {
        Reply::Map(fields) => {
            assert!(fields.contains(&(Reply::bulk("proto"), Reply::Integer(3))), "{fields:?}");
        }
        other => panic!("expected a map, got {other:?}"),
    }
    assert_eq!(client.cmd(&["GET", "missing"]), Reply::Null);
}

#[test]
fn sigterm_ends_the_server() {
    let mut server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["SET", "key", "value"]), Reply::ok());
    server.terminate();
    let status = server.exit_within(common::PATIENCE).expect("an end");
    assert!(status.success(), "{status}\n{}", server.log());
    assert!(client.is_closed());
}
