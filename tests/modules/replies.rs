//! Replies of the commands about JSON documents, beside those of RedisJSON where that is to be had.

use super::common::{Connection, Reply, Server, run};
use super::with_module;

/// Our server, and a redis-server with RedisJSON if there is one.
fn servers() -> Vec<Server> {
    [Some(Server::start()), with_module("OXIDIS_REJSON", &[])].into_iter().flatten().collect()
}

fn speak(client: &mut Connection, protocol: &str) {
    client.cmd(&["HELLO", protocol]);
}

/// Asks every server the same; each line begins on this document.
#[track_caller]
fn expect(document: &str, protocol: &str, cases: &[(&str, Reply)]) {
    for server in servers() {
        let mut client = server.connect();
        speak(&mut client, protocol);
        for (line, expected) in cases {
            assert_eq!(client.cmd(&["JSON.SET", "k", "$", document]), Reply::ok());
            assert_eq!(run(&mut client, line), *expected, "RESP{protocol}: {line}");
        }
    }
}

fn array(items: &[Reply]) -> Reply {
    Reply::Array(items.to_vec())
}

fn number(value: i64) -> Reply {
    Reply::Integer(value)
}

fn error(text: &str) -> Reply {
    Reply::error(text)
}

#[test]
fn arithmetic_under_resp3_gives_numbers_in_an_array_whatever_the_path() {
    let document = r#"{"n":1,"f":1.5,"s":"x","deep":{"n":2}}"#;
    expect(
        document,
        "3",
        &[
            ("JSON.NUMINCRBY k $.n 2", array(&[number(3)])),
            ("JSON.NUMINCRBY k .n 2", array(&[number(3)])),
            ("JSON.NUMINCRBY k $..n 2", array(&[number(3), number(4)])),
            ("JSON.NUMINCRBY k ..n 2", array(&[number(3), number(4)])),
            ("JSON.NUMMULTBY k $.f 2", array(&[Reply::Double(3.0)])),
            ("JSON.NUMPOWBY k $.deep.n 3", array(&[number(8)])),
            ("JSON.NUMINCRBY k $.s 2", array(&[Reply::Null])),
            ("JSON.NUMINCRBY k .s 2", array(&[Reply::Null])),
            ("JSON.NUMINCRBY k .none 2", array(&[])),
        ],
    );
    expect(
        document,
        "2",
        &[
            ("JSON.NUMINCRBY k $..n 2", Reply::bulk("[3,4]")),
            ("JSON.NUMINCRBY k ..n 2", Reply::bulk("4")),
            ("JSON.NUMINCRBY k $.s 2", Reply::bulk("[null]")),
            ("JSON.NUMINCRBY k .s 2", error("ERR Path '$.s' does not exist or does not contains a number")),
        ],
    );
}

#[test]
fn nothing_may_stand_behind_an_operand() {
    let document = r#"{"n":1,"s":"x","a":[1]}"#;
    expect(
        document,
        "2",
        &[
            ("JSON.NUMINCRBY k $.n 2x", error("ERR trailing characters at line 1 column 2")),
            ("JSON.NUMINCRBY k $.n x", error("ERR expected value at line 1 column 1")),
            ("JSON.NUMINCRBY k $.n \"2\"", error("bad input number")),
            ("JSON.STRAPPEND k $.s \"y\"z", error("ERR trailing characters at line 1 column 4")),
            ("JSON.STRAPPEND k $.s y", error("ERR expected value at line 1 column 1")),
            ("JSON.ARRINDEX k $.a 1]", error("ERR trailing characters at line 1 column 2")),
            // What is put in is looked at less closely.
            ("JSON.ARRAPPEND k $.a 1]", array(&[number(2)])),
            ("JSON.SET k $.a 1]", Reply::ok()),
        ],
    );
}

#[test]
fn a_path_that_makes_no_sense_leads_to_nothing_in_some_commands() {
    let document = r#"{"a":[1,"x"],"b":"y"}"#;
    expect(
        document,
        "2",
        &[
            ("JSON.TYPE k .[", Reply::Null),
            ("JSON.GET k a b[", Reply::bulk(r#"{"a":[1,"x"]}"#)),
            ("JSON.GET k $.a $.b[", Reply::bulk(r#"{"$.a":[[1,"x"]]}"#)),
            ("JSON.MGET k other .[", array(&[Reply::Null, Reply::Null])),
        ],
    );
    for server in servers() {
        let mut client = server.connect();
        run(&mut client, "JSON.SET k $ 1");
        for line in ["JSON.TYPE k $[", "JSON.GET k $[", "JSON.GET k .[", "JSON.DEL k .["] {
            let reply = run(&mut client, line).into_error();
            assert!(reply.starts_with("Error occurred on position "), "{line}: {reply}");
        }
    }
}

#[test]
fn types_lie_in_an_array_of_their_own_under_resp3() {
    let document = r#"{"a":[1,"x"],"b":"y"}"#;
    let bulks = |texts: &[&str]| Reply::bulks(texts);
    expect(
        document,
        "3",
        &[
            ("JSON.TYPE k", array(&[Reply::bulk("object")])),
            ("JSON.TYPE k .a", array(&[Reply::bulk("array")])),
            ("JSON.TYPE k $.a[*]", array(&[bulks(&["integer", "string"])])),
            ("JSON.TYPE k $.none", array(&[array(&[])])),
            ("JSON.TYPE k .none", array(&[Reply::Null])),
            ("JSON.TYPE other $", array(&[Reply::Null])),
            ("JSON.TYPE k .[", array(&[Reply::Null])),
        ],
    );
}

#[test]
fn a_format_takes_values_apart_as_deep_as_it_says() {
    let document = r#"{"a":[1,"x",[true]],"s":"y"}"#;
    let (x, one) = (Reply::bulk("x"), number(1));
    let whole = array(&[one, x, array(&[Reply::Boolean(true)])]);
    expect(
        document,
        "3",
        &[
            ("JSON.GET k FORMAT EXPAND $.a", array(&[array(std::slice::from_ref(&whole))])),
            ("JSON.GET k FORMAT EXPAND1 $.a", array(&[array(&[Reply::bulk(r#"[1,"x",[true]]"#)])])),
            ("JSON.GET k FORMAT EXPAND1 $.s", array(&[array(&[Reply::bulk("\"y\"")])])),
            ("JSON.GET k FORMAT STRING $.s", Reply::bulk("[\"y\"]")),
            ("JSON.GET k FORMAT EXPAND $.s[", array(&[array(&[])])),
            ("JSON.GET k FORMAT STRINGS $.s", error("ERR wrong reply format")),
            ("JSON.ARRPOP k FORMAT STRINGS $.a", array(&[Reply::bulk("[true]")])),
            ("JSON.ARRPOP k FORMAT STRINGS .a", Reply::bulk("[true]")),
            ("JSON.ARRPOP k FORMAT EXPAND $.a", array(&[array(&[Reply::Boolean(true)])])),
            ("JSON.ARRPOP k FORMAT EXPAND1 $.a 1", array(&[Reply::bulk("\"x\"")])),
            ("JSON.ARRPOP k FORMAT EXPAND .a", error("Legacy paths are supported only with FORMAT STRINGS")),
            ("JSON.ARRPOP k FORMAT STRING $.a", error("ERR wrong reply format")),
        ],
    );
    expect(
        document,
        "2",
        &[
            ("JSON.GET k FORMAT EXPAND $.a", error("ERR FORMAT argument is not supported on RESP2")),
            ("JSON.ARRPOP k FORMAT STRINGS $.a", error("ERR FORMAT argument is not supported on RESP2")),
        ],
    );
}

#[test]
fn arrays_within_arrays_are_filled_and_cut_from_the_inner_ones_on() {
    let server = Server::start();
    let mut client = server.connect();
    for (line, lens, after) in [
        ("JSON.ARRINSERT k $..* 0 5", [3, 3, 2], r#"[{"a":[5,[5,1,2],[5,3]]}]"#),
        ("JSON.ARRTRIM k $..* 1 1", [1, 1, 0], r#"[{"a":[[]]}]"#),
    ] {
        run(&mut client, r#"JSON.SET k $ {"a":[[1,2],[3]]}"#);
        let lens = lens.map(number).into_iter().chain([Reply::Null, Reply::Null, Reply::Null]);
        assert_eq!(run(&mut client, line), Reply::Array(lens.collect()), "{line}");
        assert_eq!(run(&mut client, "JSON.GET k $"), Reply::bulk(after), "{line}");
    }
    // Here RedisJSON has an answer, and changes the outer ones first.
    expect(
        r#"{"a":[[1,2],[3]]}"#,
        "2",
        &[(
            "JSON.ARRPOP k $..* 0",
            array(&[Reply::bulk("[1,2]"), Reply::bulk("3"), Reply::Null, Reply::Null, Reply::Null, Reply::Null]),
        )],
    );
}

#[test]
fn the_last_place_that_trim_keeps_is_the_first_one_at_least() {
    let one = |len: i64| array(&[number(len)]);
    expect(
        "[0]",
        "2",
        &[("JSON.ARRTRIM k $ 0 -5", one(1)), ("JSON.ARRTRIM k $ -5 -5", one(1)), ("JSON.ARRTRIM k $ 1 -5", one(0))],
    );
    expect(
        "[0,1,2]",
        "2",
        &[
            ("JSON.ARRTRIM k $ 0 -5", one(1)),
            ("JSON.ARRTRIM k $ -2 9", one(2)),
            ("JSON.ARRTRIM k $ 2 1", one(0)),
            ("JSON.ARRTRIM k $ -1 -5", one(0)),
            ("JSON.ARRTRIM k $ 3 9", one(0)),
        ],
    );
}

/// RedisJSON reads some of them as a double beside the nearest.
#[test]
fn numbers_of_many_digits_come_back_as_they_were_sent_and_from_files_too() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    let text = "[221.28787878787878,0.1234567890123456789,7.123456789012345e22,-1.1386878955363492e48]";
    let shown = "[221.28787878787878,0.12345678901234568,7.123456789012345e22,-1.1386878955363492e48]";
    assert_eq!(client.cmd(&["JSON.SET", "k", "$", text]), Reply::ok());
    let digest = run(&mut client, "DEBUG DIGEST-VALUE k");
    for _ in 0..2 {
        assert_eq!(run(&mut client, "JSON.GET k"), Reply::bulk(shown));
        assert_eq!(run(&mut client, "DEBUG RELOAD"), Reply::ok());
        assert_eq!(run(&mut client, "DEBUG DIGEST-VALUE k"), digest);
    }
}

#[test]
fn a_path_may_not_lead_through_too_many_values() {
    let server = Server::start();
    let mut client = server.connect();
    // A chain of values: the steps of a path can be spread over it in very many ways.
    let deep = format!("{}0{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(client.cmd(&["JSON.SET", "k", "$", &deep]), Reply::ok());
    let path = format!("${}", "..*".repeat(12));
    let too_long = error("ERR the path leads through too many values");
    for words in [
        &["JSON.GET", "k", &path][..],
        &["JSON.GET", "k", "$", &path],
        &["JSON.NUMINCRBY", "k", &path, "1"],
        &["JSON.GET", "k", &format!("$[?(@{})]", "..*".repeat(12))],
    ] {
        let reply = client.cmd(words);
        assert_eq!(reply, too_long, "{words:?}");
    }
    assert_eq!(client.cmd(&["JSON.GET", "k"]), Reply::bulk(deep.as_str()));
}

/// An option of Redis 8.8, which the module here does not have.
#[test]
fn set_makes_numbers_in_arrays_floats_of_a_kind() {
    let server = Server::start();
    let mut client = server.connect();
    let ok = Reply::ok();
    for (line, reply, after) in [
        ("JSON.SET k $ [[1,2,3,4e3],[5,6.0,7,8]] FPHA FP16", ok.clone(), "[[1.0,2.0,3.0,4000.0],[5.0,6.0,7.0,8.0]]"),
        ("JSON.SET k $[0] [0.1,3.14159265] XX fpha bf16", ok.clone(), "[[0.1,3.14],[5.0,6.0,7.0,8.0]]"),
        ("JSON.SET k $[1] [0.1,3.14159265] FPHA FP32", ok.clone(), "[[0.1,3.14],[0.1,3.1415927]]"),
        ("JSON.SET k $ 7 FPHA FP64 NX", Reply::Null, "[[0.1,3.14],[0.1,3.1415927]]"),
        ("JSON.SET k $ {\"a\":[1,\"x\"],\"b\":[7]} FPHA FP64", ok, "{\"a\":[1,\"x\"],\"b\":[7.0]}"),
        ("JSON.SET k $ [1e5] FPHA FP16", error("ERR value out of range for FP16"), "{\"a\":[1,\"x\"],\"b\":[7.0]}"),
    ] {
        assert_eq!(run(&mut client, line), reply, "{line}");
        assert_eq!(run(&mut client, "JSON.GET k"), Reply::bulk(after), "{line}");
    }
    for line in ["JSON.SET k $ [1] FPHA", "JSON.SET k $ [1] FPHA FP8", "JSON.SET k $ [1] FPHA FP16 FPHA FP16"] {
        assert!(matches!(run(&mut client, line), Reply::Error(_)), "{line}");
    }
}
