//! Strings and bitmaps where the upstream suite does not look: expiry at the edges, encodings, events, big values.

mod common;

use common::{Connection, Reply, Server, run, words};

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

const FAR: &str = "4000000000000";

#[test]
fn a_set_with_a_condition_happens_only_when_the_value_is_as_told() {
    let server = Server::start();
    let mut client = server.connect();
    expect(&mut client, "SET k v IFEQ v", Reply::Null);
    expect(&mut client, "SET k v IFDEQ b6acb9d84a38ff74", Reply::Null);
    expect(&mut client, "EXISTS k", Reply::Integer(0));
    expect(&mut client, "SET k 12 IFNE v", Reply::ok());
    expect(&mut client, "SET k v ifeq 12", Reply::ok());
    expect(&mut client, "SET k w IFNE v", Reply::Null);
    expect(&mut client, "SET k w IFEQ x GET", Reply::bulk("v"));
    expect(&mut client, &format!("SET k w GET IFEQ v PXAT {FAR}"), Reply::bulk("v"));
    expect(&mut client, "SET k v IFEQ w KEEPTTL", Reply::ok());
    expect(&mut client, "PEXPIRETIME k", Reply::Integer(FAR.parse().expect("a time")));
    let digest = run(&mut client, "DIGEST k").text();
    expect(&mut client, &format!("SET k w IFDNE {digest}"), Reply::Null);
    expect(&mut client, &format!("SET k w IFDEQ {}", digest.to_uppercase()), Reply::ok());
    expect(&mut client, "PEXPIRETIME k", Reply::Integer(-1));
    expect(&mut client, "SET fresh v IFDNE 0000000000000000 GET", Reply::Null);
    expect(&mut client, "GET fresh", Reply::bulk("v"));
    for digest in ["", "b6acb9d84a38ff7", "b6acb9d84a38ff745"] {
        let words = ["SET", "k", "v", "IFDEQ", digest];
        assert_eq!(client.cmd(&words), Reply::error("ERR must be exactly 16 hexadecimal characters"));
    }
    for options in ["NX IFEQ w", "IFEQ w XX", "IFEQ w IFEQ w", "IFEQ w IFNE v", "IFEQ", "IFDNE", "EX IFEQ w"] {
        expect(&mut client, &format!("SET k v {options}"), Reply::error("ERR syntax error"));
    }
    expect(&mut client, "LPUSH l v", Reply::Integer(1));
    let wrong = Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value");
    for condition in ["IFEQ v", "IFNE v", "IFDEQ 0000000000000000", "IFDNE 0000000000000000 GET"] {
        expect(&mut client, &format!("SET l v {condition}"), wrong.clone());
    }
    expect(&mut client, "TYPE l", Reply::Simple("list".into()));
}

#[test]
fn a_key_is_deleted_only_when_its_value_is_as_told() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "MSET a 1 b 2 c 3");
    expect(&mut client, "DELEX a IFEQ 2", Reply::Integer(0));
    expect(&mut client, "DELEX a IFNE 2", Reply::Integer(1));
    expect(&mut client, "DELEX a IFNE 2", Reply::Integer(0));
    expect(&mut client, "DELIFEQ b 1", Reply::Integer(0));
    expect(&mut client, "DELIFEQ b 2", Reply::Integer(1));
    expect(&mut client, "DELIFEQ b 2", Reply::Integer(0));
    let digest = run(&mut client, "DIGEST c").text();
    expect(&mut client, &format!("DELEX c IFDNE {digest}"), Reply::Integer(0));
    expect(&mut client, "DELEX c IFDEQ x", Reply::error("ERR must be exactly 16 hexadecimal characters"));
    expect(&mut client, &format!("DELEX c IFDEQ {digest}"), Reply::Integer(1));
    run(&mut client, "LPUSH l v");
    let no_string = Reply::error("ERR Key should be of string type if conditions are specified");
    expect(&mut client, "DELEX l IFEQ v", no_string);
    let wrong = Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value");
    expect(&mut client, "DELIFEQ l v", wrong.clone());
    expect(&mut client, "DIGEST l", wrong);
    expect(&mut client, "DIGEST missing", Reply::Null);
    expect(&mut client, "DELEX l", Reply::Integer(1));
    for command in ["DELEX", "DELEX k IFEQ", "DELEX k IFEQ v more"] {
        expect(&mut client, command, Reply::error("ERR wrong number of arguments for 'delex' command"));
    }
    let invalid = Reply::error("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
    expect(&mut client, "DELEX k EQ v", invalid);
}

#[test]
fn conditions_need_the_right_to_read() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "SET k v");
    assert_eq!(client.cmd(&["ACL", "SETUSER", "writer", "on", ">pw", "%W~*", "+@all"]), Reply::ok());
    for command in ["DELEX k", "SET k v", "DELIFEQ k v", "MSETEX 1 k v", "SET k IFEQ NX"] {
        let dry = [&["ACL", "DRYRUN", "writer"][..], &words(command)].concat();
        assert_eq!(client.cmd(&dry), Reply::ok(), "{command}");
    }
    for command in ["DELEX k IFEQ v", "SET k v IFEQ v", "SET k v GET", "DIGEST k", "INCREX k"] {
        let dry = [&["ACL", "DRYRUN", "writer"][..], &words(command)].concat();
        let refusal = "This user has no permissions to access the 'k' key";
        assert_eq!(client.cmd(&dry).text().replace("User writer", "This user"), refusal, "{command}");
    }
}

#[test]
fn msetex_sets_all_of_its_keys_or_none() {
    let server = Server::start();
    let mut client = server.connect();
    expect(&mut client, "MSETEX 2 a 1 b 2 XX", Reply::Integer(0));
    expect(&mut client, &format!("MSETEX 2 a 1 b 2 NX PXAT {FAR}"), Reply::Integer(1));
    expect(&mut client, "MSETEX 2 c 1 b 9 nx", Reply::Integer(0));
    expect(&mut client, "MSETEX 2 c 1 b 9 EX 100 XX", Reply::Integer(0));
    expect(&mut client, "MGET a b c", Reply::Array(vec![Reply::bulk("1"), Reply::bulk("2"), Reply::Null]));
    expect(&mut client, "MSETEX 2 a 3 a 4 KEEPTTL", Reply::Integer(1));
    expect(&mut client, "PEXPIRETIME a", Reply::Integer(FAR.parse().expect("a time")));
    expect(&mut client, "MSETEX 1 a KEEPTTL", Reply::Integer(1));
    expect(&mut client, "PEXPIRETIME a", Reply::Integer(-1));
    expect(&mut client, "MSETEX 1 a 1 PXAT 1", Reply::Integer(1));
    expect(&mut client, "EXISTS a", Reply::Integer(0));
    for count in ["0", "-1", "x", "2147483648", "9223372036854775807", ""] {
        assert_eq!(client.cmd(&["MSETEX", count, "a", "1"]), Reply::error("ERR invalid numkeys value"), "{count}");
    }
    expect(&mut client, "MSETEX 2 a 1 b", Reply::error("ERR wrong number of key-value pairs"));
    expect(&mut client, "MSETEX 2147483647 a 1", Reply::error("ERR wrong number of key-value pairs"));
    for options in ["NX XX", "EX 1 PX 1", "EX 1 KEEPTTL", "GET", "IFEQ v", "PERSIST", "EX", "b 2"] {
        expect(&mut client, &format!("MSETEX 1 a 1 {options}"), Reply::error("ERR syntax error"));
    }
    expect(&mut client, "MSETEX 1 a 1 EX 0", Reply::error("ERR invalid expire time in 'msetex' command"));
    expect(&mut client, "COMMAND GETKEYS MSETEX 2 a 1 b 2 NX", Reply::bulks(&["a", "b"]));
}

#[test]
fn conditional_writes_tell_what_they_did() {
    let server = Server::start_with(&["--notify-keyspace-events", "KEA"]);
    let (mut client, mut listener) = (server.connect(), server.connect());
    listener.cmd(&["PSUBSCRIBE", "__keyevent@0__:*"]);
    let cases: [(&str, &[&str]); 10] = [
        ("SET k v IFEQ v", &[]),
        ("SET k v IFNE v EX 100", &["set", "expire"]),
        ("DELEX k IFEQ w", &[]),
        ("DELEX k IFEQ v", &["del"]),
        ("MSETEX 1 k 5 PX 100000", &["set", "expire"]),
        ("INCREX k PERSIST", &["incrby", "persist"]),
        ("INCREX k BYFLOAT 1.5 EX 100", &["incrbyfloat", "expire"]),
        ("INCREX k BYFLOAT 1.5 EX 9 ENX", &["incrbyfloat"]),
        ("INCREX k BYFLOAT 1 UBOUND 0", &[]),
        ("INCREX k BYFLOAT 1 EXAT 1", &["del"]),
    ];
    for (command, events) in cases {
        run(&mut client, command);
        run(&mut client, "PUBLISH __keyevent@0__:over k");
        let mut seen = Vec::new();
        loop {
            let Reply::Array(message) = listener.read() else { panic!("a message") };
            let event = message[2].text().trim_start_matches("__keyevent@0__:").to_owned();
            if event == "over" {
                break;
            }
            seen.push(event);
        }
        assert_eq!(seen, events, "{command}");
    }
}

#[test]
fn conditional_writes_survive_a_restart_from_the_log() {
    let server =
        Server::start_with(&["--appendonly", "yes", "--appendfsync", "always", "--enable-debug-command", "yes"]);
    let mut client = server.connect();
    for command in [
        "SET a v IFNE w",
        "SET a w IFEQ v GET EX 1000",
        "MSETEX 2 b 1 c 2 EX 1000 NX",
        "SET d v",
        "DELEX d IFEQ v",
        "INCREX e BYINT 5 UBOUND 3 SATURATE PX 1000000",
        "INCREX f BYFLOAT 0.1 LBOUND 0",
    ] {
        assert!(!matches!(run(&mut client, command), Reply::Error(_)), "{command}");
    }
    let before = run(&mut client, "DEBUG DIGEST");
    expect(&mut client, "DEBUG LOADAOF", Reply::ok());
    expect(&mut client, "DEBUG DIGEST", before);
    expect(&mut client, "DBSIZE", Reply::Integer(5));
}

#[test]
fn ranges_of_bits_are_checked_before_the_key_is_looked_up() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["RPUSH", "list", "a"]);
    let number = "ERR value is not an integer or out of range";
    for (words, error) in [
        ("BITCOUNT KEY x 1", number),
        ("BITCOUNT KEY 0 x BAD", number),
        ("BITCOUNT KEY 0", "ERR syntax error"),
        ("BITCOUNT KEY 0 1 BAD", "ERR syntax error"),
        ("BITCOUNT KEY 0 1 BIT x", "ERR syntax error"),
        ("BITPOS KEY 1 x", number),
        ("BITPOS KEY 1 0 x", number),
        ("BITPOS KEY 1 0 x BAD", "ERR syntax error"),
        ("BITPOS KEY 1 0 1 BIT x", "ERR syntax error"),
    ] {
        for key in ["none", "list"] {
            let command = words.replace("KEY", key);
            assert_eq!(client.cmd(&command.split(' ').collect::<Vec<_>>()), Reply::error(error), "{command}");
        }
    }
}

#[test]
fn a_big_string_that_becomes_a_little_longer_stays_where_it_is() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["SET", "k", &"x".repeat(16 << 20)]);
    let bytes = run(&mut client, "MEMORY USAGE k");
    expect(&mut client, "APPEND k y", Reply::Integer((16 << 20) + 1));
    expect(&mut client, "SETRANGE k 16800000 z", Reply::Integer(16_800_001));
    assert_eq!(run(&mut client, "MEMORY USAGE k"), bytes);
}
