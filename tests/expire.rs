//! When keys expire: setting and asking the time, and keys going by themselves.

mod common;

use std::time::{Duration, Instant};

use common::{Connection, Reply, Server, wait_until};

fn integer(value: i64) -> Reply {
    Reply::Integer(value)
}

fn number(reply: &Reply) -> i64 {
    match reply {
        Reply::Integer(value) => *value,
        other => panic!("no integer: {other:?}"),
    }
}

fn size(client: &mut Connection) -> i64 {
    number(&client.cmd(&["DBSIZE"]))
}

#[test]
fn ttl_counts_down_from_what_expire_set() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["TTL", "key"]), integer(-2));
    assert_eq!(client.cmd(&["EXPIRE", "key", "100"]), integer(0));
    client.cmd(&["SET", "key", "value"]);
    assert_eq!(client.cmd(&["PTTL", "key"]), integer(-1));
    assert_eq!(client.cmd(&["EXPIRE", "key", "100"]), integer(1));
    assert!((90..=100).contains(&number(&client.cmd(&["TTL", "key"]))));
    assert!((90_000..=100_000).contains(&number(&client.cmd(&["PTTL", "key"]))));
    assert_eq!(client.cmd(&["EXPIREAT", "key", "33177117420"]), integer(1));
    assert_eq!(client.cmd(&["EXPIRETIME", "key"]), integer(33_177_117_420));
    assert_eq!(client.cmd(&["PEXPIRETIME", "key"]), integer(33_177_117_420_000));
    assert_eq!(client.cmd(&["PERSIST", "key"]), integer(1));
    assert_eq!(client.cmd(&["PERSIST", "key"]), integer(0));
    assert_eq!(client.cmd(&["TTL", "key"]), integer(-1));
}

#[test]
fn a_time_in_the_past_deletes_the_key() {
    let server = Server::start();
    let mut client = server.connect();
    for command in [&["EXPIRE", "key", "-1"], &["PEXPIRE", "key", "0"], &["EXPIREAT", "key", "1"]] {
        client.cmd(&["SET", "key", "value"]);
        assert_eq!(client.cmd(command), integer(1));
        assert_eq!(client.cmd(&["EXISTS", "key"]), integer(0));
    }
}

#[test]
fn expire_checks_its_conditions_and_its_number() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["SET", "key", "value"]);
    for (option, seconds, set) in
        [("XX", "100", 0), ("GT", "100", 0), ("LT", "100", 1), ("NX", "50", 0), ("GT", "200", 1), ("LT", "300", 0)]
    {
        assert_eq!(client.cmd(&["EXPIRE", "key", seconds, option]), integer(set), "{option} {seconds}");
    }
    let conflict = "ERR NX and XX, GT or LT options at the same time are not compatible";
    assert_eq!(client.cmd(&["EXPIRE", "key", "1", "NX", "XX"]), Reply::error(conflict));
    assert_eq!(client.cmd(&["EXPIRE", "key", "1", "AB"]), Reply::error("ERR Unsupported option AB"));
    let invalid = "ERR invalid expire time in 'expire' command";
    for seconds in ["9223372036854775807", "-9223372036854775808", "9223372036854775"] {
        assert_eq!(client.cmd(&["EXPIRE", "key", seconds]), Reply::error(invalid), "{seconds}");
    }
    let not_an_integer = "ERR value is not an integer or out of range";
    assert_eq!(client.cmd(&["EXPIRE", "key", "1.5"]), Reply::error(not_an_integer));
}

#[test]
fn an_expired_key_is_gone_for_every_command() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    for command in [
        &["GET", "key"][..],
        &["EXISTS", "key"],
        &["TYPE", "key"],
        &["TTL", "key"],
        &["PERSIST", "key"],
        &["DEL", "key"],
        &["RENAME", "key", "other"],
        &["COPY", "key", "other"],
        &["MOVE", "key", "1"],
        &["RANDOMKEY"],
        &["SCAN", "0"],
        &["OBJECT", "ENCODING", "key"],
    ] {
        let missing = client.cmd(command);
        client.cmd(&["PSETEX", "key", "1", "value"]);
        client.cmd(&["DEBUG", "SLEEP", "0.003"]);
        assert_eq!(size(&mut client), 1, "{command:?}");
        assert_eq!(client.cmd(command), missing, "{command:?}");
        assert_eq!(size(&mut client), 0, "{command:?}");
    }
}

#[test]
fn expired_keys_go_though_nobody_asks_for_them() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.cmd(&["DEBUG", "POPULATE", "1000", "stays"]);
    for database in ["0", "5"] {
        client.cmd(&["SELECT", database]);
        for number in 0..500 {
            client.cmd(&["PSETEX", &format!("key:{number}"), "1", "value"]);
        }
    }
    wait_until("the fifth database is empty", || size(&mut client) == 0);
    client.cmd(&["SELECT", "0"]);
    wait_until("what stays is left", || size(&mut client) == 1000);
}

#[test]
fn many_keys_expiring_at_once_do_not_hold_up_other_commands() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let (mut client, mut loader) = (server.connect(), server.connect());
    const KEYS: i64 = 100_000;
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let mut sender = loader.sender();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..KEYS {
                sender.send(&["PSETEX", &format!("key:{number}"), "1", "value"]);
            }
        });
        (0..KEYS).for_each(|_| assert_eq!(loader.read(), Reply::ok()));
    });
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
    let mut slowest = Duration::ZERO;
    wait_until("all are gone", || {
        let asked = Instant::now();
        client.cmd(&["GET", "x"]);
        slowest = slowest.max(asked.elapsed());
        size(&mut client) == 0
    });
    // A cycle takes 25 ms; the rest is for a machine that has other things to do.
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
}

#[test]
fn subscribers_are_told_of_keys_that_come_expire_and_are_missed() {
    let server =
        Server::start_with(&["--enable-debug-command", "yes", "--notify-keyspace-events", "EAnm", "--hz", "500"]);
    let (mut client, mut subscriber) = (server.connect(), server.connect());
    subscriber.cmd(&["PSUBSCRIBE", "__keyevent@*"]);
    let mut told = |expected: &[(&str, &str)]| {
        for (event, key) in expected {
            let channel = format!("__keyevent@0__:{event}");
            let message = ["pmessage", "__keyevent@*", &channel, key];
            assert_eq!(subscriber.read(), Reply::bulks(&message));
        }
    };
    client.cmd(&["GET", "key"]);
    told(&[("keymiss", "key")]);
    client.cmd(&["SET", "key", "value"]);
    told(&[("new", "key"), ("set", "key")]);
    client.cmd(&["RENAME", "key", "other"]);
    told(&[("new", "other"), ("rename_from", "key"), ("rename_to", "other")]);
    client.cmd(&["PEXPIRE", "other", "1"]);
    told(&[("expire", "other"), ("expired", "other")]);
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    client.cmd(&["PSETEX", "key", "1", "value"]);
    told(&[("new", "key"), ("set", "key"), ("expire", "key")]);
    client.cmd(&["DEBUG", "SLEEP", "0.003"]);
    client.cmd(&["GET", "key"]);
    told(&[("expired", "key"), ("keymiss", "key")]);
    client.cmd(&["SET", "key", "value"]);
    client.cmd(&["EXPIRE", "key", "-1"]);
    told(&[("new", "key"), ("set", "key"), ("del", "key")]);
}

#[test]
fn a_paused_server_neither_shows_nor_deletes_expired_keys() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["PSETEX", "key", "20", "value"]);
    assert_eq!(client.cmd(&["CLIENT", "PAUSE", "100000", "WRITE"]), Reply::ok());
    wait_until("the key has expired", || client.cmd(&["GET", "key"]) == Reply::Null);
    assert_eq!(client.cmd(&["RANDOMKEY"]), Reply::bulk("key"));
    assert_eq!(size(&mut client), 1);
    assert_eq!(client.cmd(&["CLIENT", "UNPAUSE"]), Reply::ok());
    wait_until("the key is deleted", || size(&mut client) == 0);
}
