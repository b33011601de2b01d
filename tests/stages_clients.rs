//! The stages of CodeCrafters' "Build your own Redis" that concern connections rather than types, as their descriptions
//! tell them: first commands, transactions, watched keys, messages, passwords, and a data set that was saved before.

mod common;

use common::{Connection, Reply, Server, wait_until};
use std::time::Duration;

const MESSAGES_ONLY: &str =
    ": only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
/// The SHA-256 of `mypassword`.
const DIGEST: &str = "89e01536ac207279409d4de1e5253e01f4a1769e696db0d6062ca9b8f56767c8";

/// Sends commands one by one and compares the replies.
fn check(client: &mut Connection, steps: &[(&str, Reply)]) {
    for (command, expected) in steps {
        assert_eq!(client.cmd(&command.split(' ').collect::<Vec<_>>()), *expected, "{command}");
    }
}

fn simple(text: &str) -> Reply {
    Reply::Simple(text.into())
}

#[test]
fn the_first_commands_are_answered() {
    let server = Server::start();
    let (mut one, mut other) = (server.connect(), server.connect());
    one.raw(b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n");
    assert_eq!([one.read(), one.read()], [simple("PONG"), simple("PONG")]);
    check(&mut other, &[("PING", simple("PONG")), ("ECHO hey", Reply::bulk("hey")), ("SET foo bar", Reply::ok())]);
    check(&mut one, &[("GET foo", Reply::bulk("bar")), ("GET missing", Reply::Null)]);
}

#[test]
fn a_value_set_with_a_time_to_live_is_null_afterwards() {
    let server = Server::start();
    let mut client = server.connect();
    check(&mut client, &[("SET foo bar px 100", Reply::ok()), ("GET foo", Reply::bulk("bar"))]);
    std::thread::sleep(Duration::from_millis(101));
    check(&mut client, &[("GET foo", Reply::Null)]);
}

#[test]
fn numbers_are_incremented_and_nothing_else() {
    let server = Server::start();
    check(
        &mut server.connect(),
        &[
            ("SET foo 5", Reply::ok()),
            ("INCR foo", Reply::Integer(6)),
            ("INCR missing", Reply::Integer(1)),
            ("SET foo xyz", Reply::ok()),
            ("INCR foo", Reply::error("ERR value is not an integer or out of range")),
        ],
    );
}

#[test]
fn queued_commands_run_together_or_not_at_all() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    let not_a_number = || Reply::error("ERR value is not an integer or out of range");
    check(
        &mut client,
        &[
            ("EXEC", Reply::error("ERR EXEC without MULTI")),
            ("DISCARD", Reply::error("ERR DISCARD without MULTI")),
            ("MULTI", Reply::ok()),
            ("EXEC", Reply::Array(vec![])),
            ("EXEC", Reply::error("ERR EXEC without MULTI")),
            ("MULTI", Reply::ok()),
            ("SET foo 41", simple("QUEUED")),
            ("INCR foo", simple("QUEUED")),
        ],
    );
    check(&mut other, &[("GET foo", Reply::Null), ("MULTI", Reply::ok()), ("SET bar xyz", simple("QUEUED"))]);
    check(
        &mut client,
        &[
            ("EXEC", Reply::Array(vec![Reply::ok(), Reply::Integer(42)])),
            ("MULTI", Reply::ok()),
            ("INCR foo", simple("QUEUED")),
            ("DISCARD", Reply::ok()),
            ("GET foo", Reply::bulk("42")),
        ],
    );
    check(
        &mut other,
        &[
            ("INCR bar", simple("QUEUED")),
            ("INCR foo", simple("QUEUED")),
            ("EXEC", Reply::Array(vec![Reply::ok(), not_a_number(), Reply::Integer(43)])),
        ],
    );
}

#[test]
fn a_transaction_runs_only_if_what_it_watches_is_as_it_was() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    let done = || Reply::Array(vec![Reply::ok()]);
    let queue = [("MULTI", Reply::ok()), ("SET bar 300", simple("QUEUED"))];
    check(&mut client, &[("WATCH foo", Reply::ok()), ("MULTI", Reply::ok())]);
    check(&mut client, &[("WATCH foo", Reply::error("ERR WATCH inside MULTI is not allowed"))]);
    check(&mut client, &[("DISCARD", Reply::ok())]);

    // Another key changes; the watched one does; one that was not there comes; what is watched is forgotten by EXEC,
    // DISCARD and UNWATCH.
    let cases: [(&[&str], &str, Reply); 6] = [
        (&["WATCH foo bar"], "SET baz 1", done()),
        (&["WATCH foo bar"], "SET foo 1", Reply::NullArray),
        (&["WATCH foo missing"], "SET missing 1", Reply::NullArray),
        (&["WATCH foo", "MULTI", "EXEC"], "SET foo 2", done()),
        (&["WATCH foo", "MULTI", "DISCARD"], "SET foo 3", done()),
        (&["WATCH foo", "UNWATCH"], "SET foo 4", done()),
    ];
    for (before, change, expected) in cases {
        before.iter().for_each(|command| _ = client.cmd(&command.split(' ').collect::<Vec<_>>()));
        check(&mut other, &[(change, Reply::ok())]);
        check(&mut client, &queue);
        check(&mut client, &[("EXEC", expected)]);
    }
}

#[test]
fn messages_reach_who_has_subscribed() {
    let server = Server::start();
    let (mut one, mut two, mut sender) = (server.connect(), server.connect(), server.connect());
    let confirmed = |word: &str, channel: &str, count| {
        Reply::Array(vec![Reply::bulk(word), Reply::bulk(channel), Reply::Integer(count)])
    };
    check(
        &mut one,
        &[
            ("SUBSCRIBE foo", confirmed("subscribe", "foo", 1)),
            ("SUBSCRIBE bar", confirmed("subscribe", "bar", 2)),
            ("SUBSCRIBE bar", confirmed("subscribe", "bar", 2)),
            ("ECHO hey", Reply::error(&format!("ERR Can't execute 'echo'{MESSAGES_ONLY}"))),
            ("PING", Reply::bulks(&["pong", ""])),
        ],
    );
    check(&mut two, &[("SUBSCRIBE foo", confirmed("subscribe", "foo", 1))]);
    check(&mut sender, &[("PUBLISH foo hello", Reply::Integer(2)), ("PUBLISH nobody hello", Reply::Integer(0))]);
    for client in [&mut one, &mut two] {
        assert_eq!(client.read(), Reply::bulks(&["message", "foo", "hello"]));
    }
    check(&mut two, &[("UNSUBSCRIBE foo", confirmed("unsubscribe", "foo", 0))]);
    check(&mut sender, &[("PUBLISH foo again", Reply::Integer(1))]);
    assert_eq!(one.read(), Reply::bulks(&["message", "foo", "again"]));
}

/// The value behind a name in the reply to ACL GETUSER.
fn property(client: &mut Connection, name: &str) -> Reply {
    let Reply::Array(user) = client.cmd(&["ACL", "GETUSER", "default"]) else { panic!("no user") };
    let at = user.iter().position(|item| *item == Reply::bulk(name)).expect("the property");
    user[at + 1].clone()
}

fn has_flag(client: &mut Connection, flag: &str) -> bool {
    let Reply::Array(flags) = property(client, "flags") else { panic!("no flags") };
    flags.contains(&Reply::bulk(flag))
}

#[test]
fn a_password_for_the_default_user_is_asked_from_new_connections() {
    let server = Server::start();
    let mut client = server.connect();
    check(&mut client, &[("ACL WHOAMI", Reply::bulk("default"))]);
    assert!(has_flag(&mut client, "nopass"));
    assert_eq!(property(&mut client, "passwords"), Reply::Array(vec![]));

    check(&mut client, &[("ACL SETUSER default >mypassword", Reply::ok())]);
    assert!(!has_flag(&mut client, "nopass"));
    assert_eq!(property(&mut client, "passwords"), Reply::bulks(&[DIGEST]));
    let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
    check(&mut client, &[("AUTH default wrong", Reply::error(wrong)), ("ACL WHOAMI", Reply::bulk("default"))]);
    check(
        &mut server.connect(),
        &[
            ("ACL WHOAMI", Reply::error("NOAUTH Authentication required.")),
            ("AUTH default wrong", Reply::error(wrong)),
            ("AUTH default mypassword", Reply::ok()),
            ("ACL WHOAMI", Reply::bulk("default")),
        ],
    );
}

/// A file as Redis 7.2 writes it: `lemon` has expired long ago, `grape` and `melon` will in a far future.
const SAVED: &[&[u8]] = &[
    b"REDIS0011\xfa\x09redis-ver\x057.2.0\xfa\x0aredis-bits\xc0\x40",
    b"\xfe\x00\xfb\x04\x02",
    b"\x00\x05apple\x05mango",
    b"\xfc\x00\x0c\x28\x8a\xc7\x01\x00\x00\x00\x05grape\x06banana",
    b"\xfc\x00\x9c\xef\x12\x7e\x01\x00\x00\x00\x05lemon\x04pear",
    b"\xfd\xff\xff\xff\x7e\x00\x05melon\x04plum",
    b"\xff\x00\x00\x00\x00\x00\x00\x00\x00",
];

#[test]
fn a_saved_data_set_is_read_and_what_has_expired_in_it_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("saved.rdb"), SAVED.concat()).expect("the file");
    let path = folder.path().to_str().expect("a path of text");
    let server = Server::start_with(&["--dir", path, "--dbfilename", "saved.rdb"]);
    let mut client = server.connect();
    check(
        &mut client,
        &[
            ("CONFIG GET dbfilename", Reply::bulks(&["dbfilename", "saved.rdb"])),
            ("GET apple", Reply::bulk("mango")),
            ("GET grape", Reply::bulk("banana")),
            ("GET lemon", Reply::Null),
            ("GET melon", Reply::bulk("plum")),
        ],
    );
    let Reply::Array(mut pair) = client.cmd(&["CONFIG", "GET", "dir"]) else { panic!("no pair") };
    let shown = std::fs::canonicalize(pair.pop().expect("a folder").text()).expect("the folder");
    assert_eq!(shown, folder.path().canonicalize().expect("the folder"));
    let Reply::Array(mut keys) = client.cmd(&["KEYS", "*"]) else { panic!("no keys") };
    keys.sort_by_key(Reply::text);
    assert_eq!(keys, [Reply::bulk("apple"), Reply::bulk("grape"), Reply::bulk("melon")]);
}

#[test]
fn a_file_that_is_not_there_is_an_empty_data_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_with(&["--dir", folder.path().to_str().expect("text"), "--dbfilename", "none.rdb"]);
    let mut client = server.connect();
    wait_until("the server answers", || client.cmd(&["KEYS", "*"]) == Reply::Array(vec![]));
}
