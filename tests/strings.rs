//! Strings and bitmaps where the upstream suite does not look: expiry at the edges, encodings, events, big values.

mod common;

use common::{Connection, Reply, Server};

fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

fn run(client: &mut Connection, command: &str) -> Reply {
    client.cmd(&words(command))
}

#[track_caller]
fn expect(client: &mut Connection, command: &str, reply: Reply) {
    assert_eq!(run(client, command), reply, "{command}");
}

#[track_caller]
fn expect_encoding(client: &mut Connection, command: &str, encoding: &str) {
    let reply = run(client, command);
    assert!(!matches!(reply, Reply::Error(_)), "{command}: {reply:?}");
    assert_eq!(run(client, "OBJECT ENCODING k"), Reply::bulk(encoding), "{command}");
}

#[test]
fn set_options_that_contradict_each_other_are_a_syntax_error() {
    let server = Server::start();
    let mut client = server.connect();
    for options in ["NX XX", "EX 1 PX 1", "EX 1 KEEPTTL", "KEEPTTL PXAT 1", "EX", "PERSIST", "EX 1 EXAT 1", "v"] {
        expect(&mut client, &format!("SET k v {options}"), Reply::error("ERR syntax error"));
    }
    for options in ["EX 1 PERSIST", "PERSIST PX 1", "KEEPTTL", "NX", "GET", "PX"] {
        expect(&mut client, &format!("GETEX k {options}"), Reply::error("ERR syntax error"));
    }
    expect(&mut client, "SET k v NX NX GET GET EX 100 EX 200", Reply::Null);
    expect(&mut client, "TTL k", Reply::Integer(200));
    expect(&mut client, "SET k w NX GET", Reply::bulk("v"));
    expect(&mut client, "SET k w XX GET", Reply::bulk("v"));
    expect(&mut client, "GET k", Reply::bulk("w"));
}

#[test]
fn times_that_no_clock_reaches_are_refused() {
    let server = Server::start();
    let mut client = server.connect();
    let cases = [("SET k v EX", "set"), ("SET k v PX", "set"), ("SET k v EXAT", "set")];
    for (command, name) in cases {
        let invalid = Reply::error(&format!("ERR invalid expire time in '{name}' command"));
        for time in ["0", "-1"] {
            expect(&mut client, &format!("{command} {time}"), invalid.clone());
        }
        expect(&mut client, &format!("{command} x"), Reply::error("ERR value is not an integer or out of range"));
    }
    let max = i64::MAX;
    expect(&mut client, &format!("SET k v EX {max}"), Reply::error("ERR invalid expire time in 'set' command"));
    expect(&mut client, &format!("SET k v PX {max}"), Reply::error("ERR invalid expire time in 'set' command"));
    expect(&mut client, &format!("PSETEX k {max} v"), Reply::error("ERR invalid expire time in 'psetex' command"));
    expect(&mut client, "SETEX k 0 v", Reply::error("ERR invalid expire time in 'setex' command"));
    expect(&mut client, "EXISTS k", Reply::Integer(0));
    expect(&mut client, &format!("SET k v PXAT {max}"), Reply::ok());
    expect(&mut client, "GETEX k EX 0", Reply::error("ERR invalid expire time in 'getex' command"));
    expect(&mut client, "GETEX missing EX x", Reply::Null);
}

#[test]
fn a_key_set_to_expire_in_the_past_is_gone() {
    let server = Server::start();
    let mut client = server.connect();
    expect(&mut client, "SET k v PXAT 1", Reply::ok());
    expect(&mut client, "GET k", Reply::Null);
    expect(&mut client, "SET k v PXAT 1", Reply::ok());
    expect(&mut client, "SETNX k w", Reply::Integer(1));
    expect(&mut client, "TTL k", Reply::Integer(-1));
    expect(&mut client, "GETEX k EXAT 1", Reply::bulk("w"));
    expect(&mut client, "EXISTS k", Reply::Integer(0));
}

#[test]
fn changes_in_place_keep_the_expiry_and_sets_do_not() {
    let server = Server::start();
    let mut client = server.connect();
    for command in [
        "APPEND k 1",
        "INCR k",
        "INCRBYFLOAT k 0.5",
        "SETRANGE k 0 9",
        "SETBIT k 0 1",
        "BITFIELD k SET u8 0 49",
        "SET k 2 KEEPTTL",
    ] {
        expect(&mut client, "SET k 1 EX 1000", Reply::ok());
        run(&mut client, command);
        expect(&mut client, "TTL k", Reply::Integer(1000));
    }
    for command in ["SET k 1", "GETSET k 1", "MSET k 1", "BITOP OR k k", "GETEX k PERSIST"] {
        expect(&mut client, "SET k 1 EX 1000", Reply::ok());
        run(&mut client, command);
        expect(&mut client, "TTL k", Reply::Integer(-1));
    }
}

#[test]
fn encodings_follow_the_command_that_wrote_last() {
    let server = Server::start();
    let mut client = server.connect();
    expect_encoding(&mut client, "SET k 12", "int");
    expect_encoding(&mut client, "INCRBY k 30", "int");
    expect_encoding(&mut client, "APPEND k 0", "raw");
    expect_encoding(&mut client, "INCR k", "int");
    expect_encoding(&mut client, "INCRBYFLOAT k 1", "embstr");
    expect_encoding(&mut client, "SETRANGE k 0 1", "raw");
    expect_encoding(&mut client, "GETSET k 7", "int");
    expect_encoding(&mut client, "SETBIT k 0 0", "raw");
    expect_encoding(&mut client, "MSET k short", "embstr");
    expect_encoding(&mut client, "BITFIELD k INCRBY u8 0 1", "raw");
    expect_encoding(&mut client, "SET k 5", "int");
    expect_encoding(&mut client, "BITOP OR k k", "raw");
    run(&mut client, "DEL k");
    expect_encoding(&mut client, "APPEND k 77", "int");
    expect_encoding(&mut client, &format!("SET k {}", "x".repeat(45)), "raw");
}

#[test]
fn lengths_are_limited_by_proto_max_bulk_len() {
    let server = Server::start_with(&["--proto-max-bulk-len", "1048576"]);
    let mut client = server.connect();
    let too_long = Reply::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    expect(&mut client, "SETRANGE k 1048575 x", Reply::Integer(1_048_576));
    expect(&mut client, "SETRANGE k 1048576 x", too_long.clone());
    expect(&mut client, &format!("SETRANGE k {} x", i64::MAX), too_long.clone());
    expect(&mut client, "APPEND k x", too_long);
    expect(&mut client, "SETRANGE k -1 x", Reply::error("ERR offset is out of range"));
    let no_offset = Reply::error("ERR bit offset is not an integer or out of range");
    expect(&mut client, "SETBIT k 8388607 1", Reply::Integer(0));
    expect(&mut client, "SETBIT k 8388608 1", no_offset.clone());
    expect(&mut client, "BITFIELD k GET u8 #1048576", no_offset.clone());
    expect(&mut client, &format!("BITFIELD k GET i64 #{}", i64::MAX), no_offset);
    expect(
        &mut client,
        "LCS k k LEN",
        Reply::error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"),
    );
    expect(&mut client, "STRLEN k", Reply::Integer(1_048_576));
}

#[test]
fn bitop_has_the_operations_of_redis_8() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&[b"MSET".as_slice(), b"x", &[0b1111_0000, 0xff], b"y", &[0b1100_1100], b"z", &[0b1010_1010, 0x0f, 1]]);
    let cases: [(&str, &[u8]); 4] = [
        ("DIFF", &[0b0001_0000, 0xf0, 0]),
        ("DIFF1", &[0b0000_1110, 0, 1]),
        ("ANDOR", &[0b1110_0000, 0x0f, 0]),
        ("ONE", &[0b0001_0110, 0xf0, 1]),
    ];
    for (name, result) in cases {
        expect(&mut client, &format!("BITOP {name} to x y z"), Reply::Integer(3));
        expect(&mut client, "GET to", Reply::bulk(result));
    }
    for name in ["DIFF", "DIFF1", "ANDOR"] {
        let few = format!("ERR BITOP {name} must be called with at least two source keys.");
        expect(&mut client, &format!("BITOP {name} to x"), Reply::error(&few));
    }
    expect(&mut client, "BITOP ONE to missing", Reply::Integer(0));
    expect(&mut client, "EXISTS to", Reply::Integer(0));
}

#[test]
fn bitfield_answers_null_for_what_it_refused() {
    let server = Server::start();
    let mut client = server.connect();
    let command = "BITFIELD k SET u8 0 250 OVERFLOW FAIL INCRBY u8 0 10 OVERFLOW SAT INCRBY u8 0 10 GET i8 0";
    let reply = Reply::Array(vec![Reply::Integer(0), Reply::Null, Reply::Integer(255), Reply::Integer(-1)]);
    expect(&mut client, command, reply);
    expect(&mut client, "BITFIELD_RO k SET u8 0 1", Reply::error("ERR BITFIELD_RO only supports the GET subcommand"));
    expect(&mut client, "BITFIELD fresh SET i63 0 -9223372036854775808", Reply::Array(vec![Reply::Integer(0)]));
}

/// A reply that is not sent yet refers to the value: what changes the key then must not change the reply.
#[test]
fn replies_of_big_values_are_those_of_their_time() {
    const LEN: usize = 4 << 20;
    let server = Server::start();
    let mut client = server.connect();
    let value = |byte: u8| vec![byte; LEN];
    let mut sender = client.sender();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            sender.send(&[b"SET".as_slice(), b"k", &value(b'a')]);
            sender.send(&["GET", "k"]);
            sender.send(&["SETRANGE", "k", "1", "b"]);
            sender.send(&["GET", "k"]);
            sender.send(&["APPEND", "k", "c"]);
            sender.send(&["GETSET", "k", "small"]);
            sender.send(&["GETDEL", "k"]);
        });
        assert_eq!(client.read(), Reply::ok());
        let mut expected = value(b'a');
        assert!(client.read() == Reply::bulk(&expected), "GET before all changes");
        assert_eq!(client.read(), Reply::Integer(LEN as i64));
        expected[1] = b'b';
        assert!(client.read() == Reply::bulk(&expected), "GET after SETRANGE");
        assert_eq!(client.read(), Reply::Integer(LEN as i64 + 1));
        expected.push(b'c');
        assert!(client.read() == Reply::bulk(&expected), "GETSET after APPEND");
        assert_eq!(client.read(), Reply::bulk("small"));
    });
}

#[test]
fn mget_of_many_keys_answers_each_at_its_place() {
    let server = Server::start();
    let mut client = server.connect();
    let keys: Vec<String> = (0..1000).map(|number| format!("key:{number}")).collect();
    let mut mset = vec!["MSET"];
    keys.iter().step_by(2).for_each(|key| mset.extend([key.as_str(), key.as_str()]));
    assert_eq!(client.cmd(&mset), Reply::ok());
    let mget: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
    let expected = keys.iter().enumerate().map(|(number, key)| match number % 2 {
        0 => Reply::bulk(key),
        _ => Reply::Null,
    });
    assert_eq!(client.cmd(&mget), Reply::Array(expected.collect()));
    mset[0] = "MSETNX";
    assert_eq!(client.cmd(&mset), Reply::Integer(0));
    assert_eq!(client.cmd(&["MSET", "a", "1", "b"]), Reply::error("ERR wrong number of arguments for 'mset' command"));
}
