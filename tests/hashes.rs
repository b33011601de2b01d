//! Hashes: what needs a real server, above all fields that expire while time goes by.

mod common;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use common::{Connection, Reply, Server, wait_until};

const FORMS: [(&str, &str); 2] = [("listpackex", "512"), ("hashtable", "0")];

fn integer(value: i64) -> Reply {
    Reply::Integer(value)
}

fn integers(values: &[i64]) -> Reply {
    Reply::Array(values.iter().map(|value| Reply::Integer(*value)).collect())
}

fn number(reply: &Reply) -> i64 {
    match reply {
        Reply::Integer(value) => *value,
        other => panic!("no integer: {other:?}"),
    }
}

/// A line of INFO.
fn info(client: &mut Connection, section: &str, field: &str) -> String {
    let text = client.cmd(&["INFO", section]).text();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().to_owned()
}

/// A server whose small hashes have at most so many fields, and a client.
fn server_with(entries: &str) -> (Server, Connection) {
    let server = Server::start_with(&["--enable-debug-command", "yes", "--hash-max-listpack-entries", entries]);
    let client = server.connect();
    (server, client)
}

#[test]
fn expired_fields_go_though_nobody_asks_for_them() {
    for (form, entries) in FORMS {
        let (_server, mut client) = server_with(entries);
        client.cmd(&["HSET", "hash", "a", "1", "b", "2", "c", "3"]);
        assert_eq!(client.cmd(&["HPEXPIRE", "hash", "1", "FIELDS", "2", "a", "x"]), integers(&[1, -2]));
        assert_eq!(client.cmd(&["HEXPIRE", "hash", "1000", "FIELDS", "1", "b"]), integers(&[1]));
        assert_eq!(client.cmd(&["OBJECT", "ENCODING", "hash"]), Reply::bulk(form));
        wait_until("one field is gone", || client.cmd(&["HLEN", "hash"]) == integer(2));
        assert_eq!(client.cmd(&["HMGET", "hash", "a", "b"]), Reply::Array(vec![Reply::Null, Reply::bulk("2")]));
        assert_eq!(client.cmd(&["HPEXPIRE", "hash", "1", "FIELDS", "2", "b", "c"]), integers(&[1, 1]));
        wait_until("the hash is gone", || client.cmd(&["DBSIZE"]) == integer(0));
        assert_eq!(info(&mut client, "stats", "expired_subkeys"), "3");
        assert_eq!(info(&mut client, "stats", "expired_keys"), "0");
    }
}

#[test]
fn fields_that_are_given_a_time_which_has_passed_count_as_expired() {
    for (_, entries) in FORMS {
        let (_server, mut client) = server_with(entries);
        let mut counted = |words: &[&str]| {
            client.cmd(&["FLUSHALL"]);
            client.cmd(&["CONFIG", "RESETSTAT"]);
            client.cmd(&["HSET", "hash", "a", "1", "b", "2", "c", "3"]);
            client.cmd(words);
            info(&mut client, "stats", "expired_subkeys")
        };
        assert_eq!(counted(&["HEXPIRE", "hash", "0", "FIELDS", "2", "a", "x"]), "1");
        assert_eq!(counted(&["HPEXPIREAT", "hash", "1", "NX", "FIELDS", "3", "a", "b", "c"]), "3");
        assert_eq!(counted(&["HSETEX", "hash", "EXAT", "1", "FIELDS", "2", "a", "9", "x", "9"]), "2");
        assert_eq!(counted(&["HGETEX", "hash", "PXAT", "1", "FIELDS", "2", "a", "x"]), "1");
        assert_eq!(counted(&["HGETDEL", "hash", "FIELDS", "2", "a", "b"]), "0");
    }
}

#[test]
fn an_expired_field_is_unseen_at_once_and_waits_while_active_expiry_is_off() {
    for (_, entries) in FORMS {
        let (_server, mut client) = server_with(entries);
        client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        client.cmd(&["HSET", "hash", "a", "1", "b", "2", "c", "3", "d", "4"]);
        client.cmd(&["HPEXPIRE", "hash", "1", "FIELDS", "3", "a", "b", "c"]);
        client.cmd(&["DEBUG", "SLEEP", "0.003"]);
        assert_eq!(client.cmd(&["HGETALL", "hash"]), Reply::bulks(&["d", "4"]));
        assert_eq!(client.cmd(&["HKEYS", "hash"]), Reply::bulks(&["d"]));
        assert_eq!(client.cmd(&["HVALS", "hash"]), Reply::bulks(&["4"]));
        assert_eq!(
            client.cmd(&["HSCAN", "hash", "0", "COUNT", "100"]),
            Reply::Array(vec![Reply::bulk("0"), Reply::bulks(&["d", "4"])])
        );
        assert_eq!(client.cmd(&["HTTL", "hash", "FIELDS", "2", "a", "d"]), integers(&[-2, -1]));
        assert_eq!(client.cmd(&["HLEN", "hash"]), integer(4), "the fields are still there");
        assert_eq!(client.cmd(&["HGET", "hash", "a"]), Reply::Null);
        assert_eq!(client.cmd(&["HEXISTS", "hash", "b"]), integer(0));
        assert_eq!(client.cmd(&["HLEN", "hash"]), integer(2), "who asks for a field deletes it");
        assert_eq!(client.cmd(&["HINCRBY", "hash", "c", "5"]), integer(5));
        assert_eq!(client.cmd(&["HPTTL", "hash", "FIELDS", "1", "c"]), integers(&[-1]));
        client.cmd(&["HPEXPIRE", "hash", "1", "FIELDS", "2", "c", "d"]);
        client.cmd(&["DEBUG", "SLEEP", "0.003"]);
        assert_eq!(client.cmd(&["HGETALL", "hash"]), Reply::Array(Vec::new()));
        assert_eq!(client.cmd(&["EXISTS", "hash"]), integer(1));
        client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
        wait_until("the hash is gone", || client.cmd(&["EXISTS", "hash"]) == integer(0));
    }
}

#[test]
fn subscribers_are_told_what_happens_to_fields() {
    let server =
        Server::start_with(&["--enable-debug-command", "yes", "--notify-keyspace-events", "EA", "--hz", "500"]);
    let (mut client, mut subscriber) = (server.connect(), server.connect());
    subscriber.cmd(&["PSUBSCRIBE", "__keyevent@*"]);
    for (command, events) in [
        ("HSET hash a 1 b 2 c 3 d 4", &["hset"][..]),
        ("HSETNX hash e 5", &["hset"]),
        ("HINCRBY hash a 1", &["hincrby"]),
        ("HINCRBYFLOAT hash a 1", &["hincrbyfloat"]),
        ("HEXPIRE hash 1000 FIELDS 2 a b", &["hexpire"]),
        ("HEXPIRE hash 2000 LT FIELDS 2 a b", &[]),
        ("HPERSIST hash FIELDS 2 a x", &["hpersist"]),
        ("HGETEX hash EX 1000 FIELDS 1 a", &["hexpire"]),
        ("HGETEX hash PERSIST FIELDS 1 a", &["hpersist"]),
        ("HGETEX hash EXAT 1 FIELDS 1 a", &["hdel"]),
        ("HSETEX hash FIELDS 1 a 1", &["hset"]),
        ("HSETEX hash EX 1000 FIELDS 1 a 1", &["hset", "hexpire"]),
        ("HSETEX hash PXAT 1 FIELDS 1 a 1", &["hset", "hdel"]),
        ("HGETDEL hash FIELDS 1 e", &["hdel"]),
        ("HDEL hash b", &["hdel"]),
        ("HEXPIRE hash 0 FIELDS 1 c", &["hdel"]),
        ("HPEXPIRE hash 1 FIELDS 1 d", &["hexpire", "hexpired", "del"]),
        ("HSETEX hash PXAT 1 FIELDS 1 a 1", &["hset", "hdel", "del"]),
        ("DEBUG SET-ACTIVE-EXPIRE 0", &[]),
        ("HSETEX hash PX 1 FIELDS 2 a 1 b 2", &["hset", "hexpire"]),
        ("DEBUG SLEEP 0.003", &[]),
        ("HMGET hash a b", &["hexpired", "del"]),
        ("PING", &[]),
    ] {
        client.cmd(&command.split(' ').collect::<Vec<_>>());
        for event in events {
            let message = ["pmessage", "__keyevent@*", &format!("__keyevent@0__:{event}"), "hash"];
            assert_eq!(subscriber.read(), Reply::bulks(&message), "{command}");
        }
    }
}

#[test]
fn a_hash_keeps_its_expiring_fields_wherever_it_goes() {
    for (_, entries) in FORMS {
        let (_server, mut client) = server_with(entries);
        client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        for key in ["renamed", "moved", "copied", "swapped"] {
            client.cmd(&["HSET", key, "a", "1", "b", "2"]);
            client.cmd(&["HPEXPIRE", key, "1", "FIELDS", "1", "a"]);
            client.cmd(&["HPEXPIRE", key, "1000000", "FIELDS", "1", "b"]);
        }
        client.cmd(&["RENAME", "renamed", "new"]);
        client.cmd(&["MOVE", "moved", "1"]);
        client.cmd(&["COPY", "copied", "copy", "DB", "2"]);
        assert_eq!(info(&mut client, "keyspace", "db0"), "keys=3,expires=0,avg_ttl=0,subexpiry=3");
        client.cmd(&["SWAPDB", "0", "3"]);
        client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
        for (db, key) in [("3", "new"), ("1", "moved"), ("2", "copy"), ("3", "copied"), ("3", "swapped")] {
            client.cmd(&["SELECT", db]);
            wait_until("one field is gone", || client.cmd(&["HLEN", key]) == integer(1));
            assert!(number(&client.cmd(&["PTTL", key])) == -1);
            assert_eq!(client.cmd(&["HGET", key, "b"]), Reply::bulk("2"));
        }
        client.cmd(&["FLUSHALL"]);
        assert_eq!(info(&mut client, "keyspace", "db3"), "");
    }
}

#[test]
fn setting_a_field_ends_its_expiry_and_the_count_of_such_hashes() {
    for (_, entries) in FORMS {
        let (_server, mut client) = server_with(entries);
        let subexpiry = |client: &mut Connection| {
            let keyspace = info(client, "keyspace", "db0");
            keyspace.split_once("subexpiry=").map(|(_, count)| count.to_owned())
        };
        for end in [&["HSET", "hash", "a", "2"][..], &["HPERSIST", "hash", "FIELDS", "1", "a"], &["HDEL", "hash", "a"]]
        {
            client.cmd(&["HSET", "hash", "a", "1", "b", "2"]);
            client.cmd(&["HEXPIRE", "hash", "1000", "FIELDS", "1", "a"]);
            assert_eq!(subexpiry(&mut client).as_deref(), Some("1"));
            client.cmd(end);
            assert_eq!(subexpiry(&mut client), None, "{end:?}");
        }
        client.cmd(&["HEXPIRE", "hash", "1000", "FIELDS", "1", "b"]);
        client.cmd(&["SET", "hash", "a string"]);
        assert_eq!(subexpiry(&mut client), None);
    }
}

#[test]
fn a_paused_server_neither_shows_nor_deletes_expired_fields() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["HSETEX", "hash", "PX", "20", "FIELDS", "1", "a", "1"]);
    assert_eq!(client.cmd(&["CLIENT", "PAUSE", "100000", "WRITE"]), Reply::ok());
    wait_until("the field has expired", || client.cmd(&["HGET", "hash", "a"]) == Reply::Null);
    assert_eq!(client.cmd(&["HRANDFIELD", "hash"]), Reply::Null);
    assert_eq!(client.cmd(&["HLEN", "hash"]), integer(1));
    assert_eq!(client.cmd(&["CLIENT", "UNPAUSE"]), Reply::ok());
    wait_until("the hash is gone", || client.cmd(&["EXISTS", "hash"]) == integer(0));
}

#[test]
fn conditions_and_arguments_of_hexpire_are_checked() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["HSET", "hash", "a", "1", "b", "2"]);
    for (condition, seconds, answers) in [
        ("XX", "100", [0, 0]),
        ("GT", "100", [0, 0]),
        ("LT", "100", [1, 1]),
        ("NX", "50", [0, 0]),
        ("GT", "200", [1, 1]),
        ("LT", "300", [0, 0]),
        ("XX", "0", [2, 2]),
    ] {
        let answer = client.cmd(&["HEXPIRE", "hash", seconds, condition, "FIELDS", "2", "a", "b"]);
        assert_eq!(answer, integers(&answers), "{condition} {seconds}");
    }
    assert_eq!(client.cmd(&["HEXPIRE", "hash", "100", "FIELDS", "1", "a"]), integers(&[-2]));
    let position = "ERR Mandatory argument FIELDS is missing or not at the right position";
    let match_error = "ERR The `numfields` parameter must match the number of arguments";
    let invalid = "ERR invalid expire time in 'hexpire' command";
    for (arguments, error) in [
        ("x FIELDS 1 a", "ERR value is not an integer or out of range"),
        ("-1 FIELDS 1 a", "ERR invalid expire time, must be >= 0"),
        ("70368744177664 FIELDS 1 a", invalid),
        ("9223372036854775807 FIELDS 1 a", invalid),
        ("1 NX XX FIELDS 1 a", position),
        ("1 AB FIELDS 1 a", position),
        ("1 FIELDS 0 a", "ERR Parameter `numFields` should be greater than 0"),
        ("1 FIELDS x a", "ERR Parameter `numFields` should be greater than 0"),
        ("1 FIELDS 2 a", match_error),
        ("1 NX FIELDS 1", match_error),
    ] {
        let command: Vec<&str> = ["HEXPIRE", "hash"].into_iter().chain(arguments.split(' ')).collect();
        assert_eq!(client.cmd(&command), Reply::error(error), "{arguments}");
    }
}

#[test]
fn arguments_of_the_newer_commands_are_checked() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["HSET", "hash", "a", "1"]);
    let position = "ERR Mandatory argument FIELDS is missing or not at the right position";
    let match_error = "ERR The `numfields` parameter must match the number of arguments";
    let positive = "ERR Number of fields must be a positive integer";
    let one_time = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
    for (command, error) in [
        ("HTTL hash x 1 a", position),
        ("HTTL hash FIELDS 0 a", positive),
        ("HTTL hash FIELDS 2 a", match_error),
        ("HPERSIST hash FIELDS x a", positive),
        ("HGETDEL hash FIELDS 1 a b", match_error),
        ("HGETEX hash EX 1 PX 1 FIELDS 1 a", position),
        ("HGETEX hash KEEPTTL FIELDS 1 a", position),
        ("HGETEX hash EX -1 FIELDS 1 a", "ERR invalid expire time, must be >= 0"),
        ("HGETEX hash PXAT 70368744177664 FIELDS 1 a", "ERR invalid expire time in 'hgetex' command"),
        ("HGETEX hash EX 10 FIELDS", "ERR wrong number of arguments for 'hgetex' command"),
        ("HSETEX hash FIELDS 0 a 1", "ERR invalid number of fields"),
        ("HSETEX hash FIELDS 2 a 1", "ERR wrong number of arguments for 'hsetex' command"),
        ("HSETEX hash FNX FXX FIELDS 1 a 1", "ERR Only one of FXX or FNX arguments can be specified"),
        ("HSETEX hash EX 1 KEEPTTL FIELDS 1 a 1", one_time),
        ("HSETEX hash PERSIST FIELDS 1 a 1", "ERR unknown argument: PERSIST"),
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(client.cmd(&words), Reply::error(error), "{command}");
    }
}

#[test]
fn a_watched_hash_has_changed_when_a_field_expired() {
    let server = Server::start_with(&["--enable-debug-command", "yes", "--hz", "500"]);
    let mut client = server.connect();
    client.cmd(&["HSET", "hash", "a", "1", "b", "2"]);
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    client.cmd(&["HPEXPIRE", "hash", "1", "FIELDS", "1", "a"]);
    client.cmd(&["WATCH", "hash"]);
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
    wait_until("the field is gone", || info(&mut client, "stats", "expired_subkeys") == "1");
    client.cmd(&["MULTI"]);
    client.cmd(&["PING"]);
    assert_eq!(client.cmd(&["EXEC"]), Reply::NullArray);
}

#[test]
fn many_fields_expiring_at_once_do_not_hold_up_other_commands() {
    const FIELDS: usize = 100_000;
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let names: Vec<String> = (0..FIELDS).map(|number| format!("field:{number}")).collect();
    for part in names.chunks(1000) {
        let count = part.len().to_string();
        let mut command = vec!["HSETEX", "hash", "PX", "1", "FIELDS", &count];
        command.extend(part.iter().flat_map(|name| [name.as_str(), "value"]));
        assert_eq!(client.cmd(&command), integer(1));
    }
    client.cmd(&["HSET", "hash", "stays", "value"]);
    assert_eq!(client.cmd(&["HLEN", "hash"]), integer(FIELDS as i64 + 1));
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
    let mut slowest = Duration::ZERO;
    wait_until("all but one are gone", || {
        let asked = Instant::now();
        assert_eq!(client.cmd(&["HGET", "hash", "stays"]), Reply::bulk("value"));
        slowest = slowest.max(asked.elapsed());
        client.cmd(&["HLEN", "hash"]) == integer(1)
    });
    // A cycle takes 25 ms; the rest is for a machine that has other things to do.
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
}

#[test]
fn a_walk_over_a_hash_that_grows_and_shrinks_meets_all_that_stays() {
    let server = Server::start();
    let mut client = server.connect();
    let put = |client: &mut Connection, prefix: &str, count: usize| {
        let mut command = vec!["HSET".to_owned(), "hash".to_owned()];
        command.extend((0..count).flat_map(|number| [format!("{prefix}:{number}"), number.to_string()]));
        client.cmd(&command);
    };
    put(&mut client, "stays", 3000);
    let (mut cursor, mut seen, mut steps) = (String::from("0"), HashSet::new(), 0);
    loop {
        let reply = client.cmd(&["HSCAN", "hash", &cursor, "COUNT", "50", "NOVALUES"]);
        let Reply::Array(parts) = reply else { panic!("no array: {reply:?}") };
        let Reply::Array(fields) = &parts[1] else { panic!("no array: {parts:?}") };
        seen.extend(fields.iter().map(Reply::text).filter(|field| field.starts_with("stays")));
        cursor = parts[0].text();
        steps += 1;
        if steps % 10 == 5 {
            put(&mut client, "goes", 10_000);
        } else if steps % 10 == 0 {
            let mut command = vec!["HDEL".to_owned(), "hash".to_owned()];
            command.extend((0..10_000).map(|number| format!("goes:{number}")));
            client.cmd(&command);
        }
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 3000);
}

#[test]
fn a_field_that_is_taken_twice_by_one_command_is_there_once() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["HSET", "hash", "a", "1", "b", "2"]);
    let reply = client.cmd(&["HGETEX", "hash", "PXAT", "1", "FIELDS", "2", "a", "a"]);
    assert_eq!(reply, Reply::Array(vec![Reply::bulk("1"), Reply::Null]));
    let reply = client.cmd(&["HGETDEL", "hash", "FIELDS", "2", "b", "b"]);
    assert_eq!(reply, Reply::Array(vec![Reply::bulk("2"), Reply::Null]));
    assert_eq!(client.cmd(&["EXISTS", "hash"]), Reply::Integer(0));
}

#[test]
fn a_command_about_expiry_makes_place_for_times_even_if_it_sets_none() {
    let server = Server::start();
    let mut client = server.connect();
    for command in ["HEXPIRE hash 10 XX FIELDS 1 a", "HGETEX hash EX 10 FIELDS 1 no", "HSETEX hash PXAT 1 FIELDS 1 b 1"]
    {
        client.cmd(&["HSET", "hash", "a", "1"]);
        assert_eq!(client.cmd(&["OBJECT", "ENCODING", "hash"]), Reply::bulk("listpack"));
        client.cmd(&command.split(' ').collect::<Vec<_>>());
        assert_eq!(client.cmd(&["OBJECT", "ENCODING", "hash"]), Reply::bulk("listpackex"), "{command}");
        client.cmd(&["DEL", "hash"]);
    }
    let reply = client.cmd(&["HSETEX", "hash", "FIELDS", "2147483648", "a", "1"]);
    assert_eq!(reply, Reply::error("ERR invalid number of fields"));
}

#[test]
fn hsetex_asks_for_the_key_as_well_as_for_the_fields() {
    let server = Server::start();
    let mut client = server.connect();
    let mut hsetex = |words: &str| client.cmd(&words.split(' ').collect::<Vec<_>>());
    for (command, reply) in [
        ("HSETEX h XX FIELDS 1 a 1", 0),
        ("HSETEX h NX FIELDS 1 a 1", 1),
        ("HSETEX h NX FIELDS 1 b 1", 0),
        ("HSETEX h XX FNX FIELDS 1 a 2", 0),
        ("HSETEX h fnx xx EX 100 FIELDS 1 b 2", 1),
        ("HSETEX h NX FXX FIELDS 1 a 2", 0),
    ] {
        assert_eq!(hsetex(command), Reply::Integer(reply), "{command}");
    }
    let one = Reply::error("ERR Only one of NX or XX arguments can be specified");
    assert_eq!(hsetex("HSETEX h NX XX FIELDS 1 a 1"), one);
    assert_eq!(hsetex("HSETEX h NX NX FIELDS 1 a 1"), one);
    assert_eq!(hsetex("HMGET h a b"), Reply::bulks(&["1", "2"]));
    assert_eq!(hsetex("SET str x"), Reply::ok());
    assert!(hsetex("HSETEX str NX FIELDS 1 a 1").into_error().starts_with("WRONGTYPE"));
}

#[test]
fn debug_listpack_knows_small_hashes_with_and_without_times() {
    for (entries, known) in [("128", true), ("0", false)] {
        let (_server, mut client) = server_with(entries);
        client.cmd(&["HSET", "h", "a", "1", "b", "2"]);
        let expected = match known {
            true => Reply::Simple("Listpack structure printed on stdout".into()),
            false => Reply::error("ERR Not a listpack encoded object."),
        };
        for command in
            [&["PING"][..], &["HEXPIRE", "h", "1000", "FIELDS", "1", "a"], &["HPERSIST", "h", "FIELDS", "1", "a"]]
        {
            client.cmd(command);
            assert_eq!(client.cmd(&["DEBUG", "LISTPACK", "h"]), expected, "{command:?}");
        }
    }
}
