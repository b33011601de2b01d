//! Replies, errors and propagation of HIMPORT, and hashes that share their names under the commands on hashes.

use crate::resp::Protocol;
use crate::server::testbed::Testbed;

#[test]
fn names_are_told_once_and_values_for_each_hash() {
    let mut bed = Testbed::new();
    assert_eq!(bed.run("HIMPORT PREPARE u name email age"), "+OK\r\n");
    assert_eq!(bed.run("HIMPORT SET user:1 u alice a@x 30"), "+OK\r\n");
    assert_eq!(bed.run("HIMPORT SET user:2 u bob b@x 25"), "+OK\r\n");
    assert_eq!(bed.run("HMGET user:1 age name email none"), "*4\r\n$2\r\n30\r\n$5\r\nalice\r\n$3\r\na@x\r\n$-1\r\n");
    assert_eq!(bed.run("HGET user:2 name"), "$3\r\nbob\r\n");
    assert_eq!(bed.run("OBJECT ENCODING user:1"), "$17\r\ntemplate-listpack\r\n");
    assert_eq!(bed.run("HIMPORT PREPARE u b a"), "+OK\r\n", "a name may be used anew");
    assert_eq!(bed.run("HIMPORT SET user:1 u 1 2"), "+OK\r\n");
    assert_eq!(bed.run("HGETALL user:1"), "*4\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$1\r\n1\r\n");
    bed.protocol = Protocol::Resp3;
    assert_eq!(bed.run("HGETALL user:1"), "%2\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("HIMPORT DISCARD none"), ":0\r\n");
    assert_eq!(bed.run("HIMPORT DISCARD u"), ":1\r\n");
    assert_eq!(bed.run("HIMPORT SET user:3 u 1 2"), "-ERR no such fieldset\r\n");
    assert_eq!(bed.run("HIMPORT DISCARDALL"), ":0\r\n");
    bed.run("HIMPORT PREPARE a x");
    bed.run("HIMPORT PREPARE b x");
    assert_eq!(bed.run("HIMPORT DISCARDALL"), ":2\r\n");
    assert_eq!(bed.run("HGET user:2 email"), "$3\r\nb@x\r\n", "hashes keep their names");
}

#[test]
fn arguments_are_checked() {
    let mut bed = Testbed::new();
    bed.run("HIMPORT PREPARE u a b");
    for (command, error) in [
        ("HIMPORT PREPARE u", "ERR wrong number of arguments for 'himport|prepare' command"),
        ("HIMPORT PREPARE u a b a", "ERR duplicate field name in fieldset"),
        ("HIMPORT SET k u", "ERR wrong number of arguments for 'himport|set' command"),
        ("HIMPORT SET k none 1", "ERR no such fieldset"),
        ("HIMPORT SET k u 1", "ERR value count does not match fieldset field count"),
        ("HIMPORT SET k u 1 2 3", "ERR value count does not match fieldset field count"),
        ("HIMPORT DISCARD", "ERR wrong number of arguments for 'himport|discard' command"),
    ] {
        assert_eq!(bed.run(command), format!("-{error}\r\n"), "{command}");
    }
    assert_eq!(bed.run("EXISTS k"), ":0\r\n");
    assert_eq!(bed.run("HIMPORT SET k u 1 2"), "+OK\r\n", "what was refused has changed nothing");
}

#[test]
fn names_take_no_more_memory_than_other_input() {
    let mut bed = Testbed::new();
    bed.server.config.client_query_buffer_limit = 1 << 20;
    let name = "x".repeat(400_000);
    assert_eq!(bed.run_words(&["HIMPORT", "PREPARE", "one", &name]), "+OK\r\n");
    assert_eq!(bed.run_words(&["HIMPORT", "PREPARE", "two", &name]), "+OK\r\n");
    let refused = "-ERR fieldsets take more memory than client-query-buffer-limit allows\r\n";
    assert_eq!(bed.run_words(&["HIMPORT", "PREPARE", "three", &name]), refused);
    assert_eq!(bed.run("HIMPORT DISCARD one"), ":1\r\n");
    assert_eq!(bed.run_words(&["HIMPORT", "PREPARE", "three", &name]), "+OK\r\n");
}

#[test]
fn a_key_is_set_whatever_it_held_and_loses_its_expiry() {
    let mut bed = Testbed::new();
    bed.run("HIMPORT PREPARE u b a");
    bed.run("SET k x EX 100");
    assert_eq!(bed.propagated("HIMPORT SET k u 1 2"), ["DEL k", "HSET k a 2 b 1"]);
    assert_eq!(bed.run("TTL k"), ":-1\r\n");
    assert_eq!(bed.propagated("HIMPORT SET new u 1 2"), ["HSET new a 2 b 1"]);
    assert!(bed.propagated("HIMPORT PREPARE v c").is_empty());
    assert!(bed.propagated("HIMPORT DISCARD v").is_empty());
}

#[test]
fn values_that_a_listpack_may_not_have_are_kept_by_themselves() {
    let mut bed = Testbed::new();
    bed.run("HIMPORT PREPARE u a b");
    let long = "v".repeat(65);
    assert_eq!(bed.run_words(&["HIMPORT", "SET", "k", "u", &long, "2"]), "+OK\r\n");
    assert_eq!(bed.run("OBJECT ENCODING k"), "$14\r\ntemplate-array\r\n");
    assert_eq!(bed.run("HGET k b"), "$1\r\n2\r\n");
    assert_eq!(bed.run("HINCRBY k b 3"), ":5\r\n");
    assert_eq!(bed.run("HSCAN k 0 MATCH b"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n5\r\n");
    bed.server.config.hash_max_listpack_entries = 1;
    bed.run("HIMPORT SET k u 1 2");
    assert_eq!(bed.run("OBJECT ENCODING k"), "$14\r\ntemplate-array\r\n");
    for (command, encoding) in
        [("HEXPIRE k 100 FIELDS 1 a", "hashtable"), ("HSET k c 1", "hashtable"), ("HDEL k a", "hashtable")]
    {
        bed.run("HIMPORT SET k u 1 2");
        bed.run(command);
        assert_eq!(bed.run("OBJECT ENCODING k"), format!("${}\r\n{encoding}\r\n", encoding.len()), "{command}");
        assert_eq!(bed.run("HGET k b"), "$1\r\n2\r\n", "{command}");
    }
}

#[test]
fn a_hash_shares_its_names_until_its_fields_change() {
    let shared = "$17\r\ntemplate-listpack\r\n";
    let long = format!("HSET k a {}", "v".repeat(65));
    for (command, reply, encoding) in [
        ("HSET k a 9 b 8", ":0\r\n", "template-listpack"),
        ("HINCRBY k a 5", ":6\r\n", "template-listpack"),
        ("HINCRBYFLOAT k a 0.5", "$3\r\n1.5\r\n", "template-listpack"),
        ("HSETNX k a 5", ":0\r\n", "template-listpack"),
        ("HDEL k none", ":0\r\n", "template-listpack"),
        ("HPERSIST k FIELDS 1 a", "*1\r\n:-1\r\n", "template-listpack"),
        ("HSETEX k FXX FIELDS 1 a 5", ":1\r\n", "template-listpack"),
        ("HSET k c 3", ":1\r\n", "listpack"),
        ("HSETNX k c 3", ":1\r\n", "listpack"),
        ("HDEL k a", ":1\r\n", "listpack"),
        ("HGETDEL k FIELDS 1 a", "*1\r\n$1\r\n1\r\n", "listpack"),
        ("HEXPIRE k 100 FIELDS 1 a", "*1\r\n:1\r\n", "listpackex"),
        ("HSETEX k EX 100 FIELDS 1 a 5", ":1\r\n", "listpackex"),
        (&long, ":0\r\n", "template-array"),
    ] {
        let mut bed = Testbed::new();
        bed.run("HIMPORT PREPARE u a b");
        bed.run("HIMPORT SET k u 1 2");
        assert_eq!(bed.run("OBJECT ENCODING k"), shared);
        assert_eq!(bed.run(command), reply, "{command}");
        assert_eq!(bed.run("OBJECT ENCODING k"), format!("${}\r\n{encoding}\r\n", encoding.len()), "{command}");
    }
}

#[test]
fn a_hash_is_the_same_whether_it_shares_its_names_or_not() {
    let mut bed = Testbed::new();
    bed.run("HIMPORT PREPARE u c a 7");
    bed.run("HIMPORT SET k u x 2 3");
    bed.run("HSET plain 7 3 a 2 c x");
    for command in [
        "HGETALL",
        "HKEYS",
        "HVALS",
        "HLEN",
        "HSTRLEN a",
        "HEXISTS a",
        "HEXISTS b",
        "HGET 7",
        "HMGET a 7 c b",
        "HSCAN 0",
        "HSCAN 0 MATCH 7 NOVALUES",
        "HTTL FIELDS 2 a b",
        "HRANDFIELD 3 WITHVALUES",
        "SORT",
    ] {
        let (name, rest) =
            command.split_once(' ').map_or((command, String::new()), |(name, rest)| (name, format!(" {rest}")));
        let [shared, plain] = ["k", "plain"].map(|key| bed.run(&format!("{name} {key}{rest}")));
        assert_eq!(shared, plain, "{command}");
    }
    let draws: std::collections::HashSet<String> = (0..100).map(|_| bed.run("HRANDFIELD k")).collect();
    assert_eq!(draws.len(), 3);
    let digest = |bed: &mut Testbed, key: &str| bed.run(&format!("DEBUG DIGEST-VALUE {key}"));
    bed.server.config.enable_debug_command = crate::config::ProtectedAction::Yes;
    assert_eq!(digest(&mut bed, "k"), digest(&mut bed, "plain"));
    bed.run("COPY k copy");
    assert_eq!(bed.run("OBJECT ENCODING copy"), "$17\r\ntemplate-listpack\r\n");
    bed.run("HSET copy a 9");
    assert_eq!(bed.run("HGET k a"), "$1\r\n2\r\n");
}

#[test]
fn hashes_that_are_written_to_share_their_names_where_directives_say_so() {
    let mut bed = Testbed::new();
    (bed.server.config.hash_min_template_entries, bed.server.config.hash_max_template_entries) = (2, 3);
    let encoding =
        |bed: &mut Testbed, key: &str| bed.run(&format!("OBJECT ENCODING {key}")).lines().nth(1).map(str::to_owned);
    for (command, expected) in [
        ("HSET k a 1", "listpack"),
        ("HSET k b 2", "template-listpack"),
        ("HINCRBY k n 2", "template-listpack"),
        ("HSETNX k d 2", "listpack"),
        ("HDEL k d", "listpack"),
        ("HINCRBYFLOAT k n 2", "template-listpack"),
        ("HPEXPIRE k 100000 FIELDS 1 a", "listpackex"),
        ("HSET k b 3", "listpackex"),
    ] {
        bed.run(command);
        assert_eq!(encoding(&mut bed, "k").as_deref(), Some(expected), "{command}");
    }
    bed.run("HSET k a 1");
    assert_eq!(bed.run("HGETALL k").matches("\r\n$1\r\n").count(), 6);
}
