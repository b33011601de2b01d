//! Replies, events' consequences and propagation of the commands on sets.

use std::collections::BTreeSet;

use crate::resp::Protocol;
use crate::server::testbed::Testbed;

fn sorted(reply: &str) -> Vec<String> {
    let words: BTreeSet<String> = reply.lines().skip(1).filter(|line| !line.starts_with('$')).map(Into::into).collect();
    words.into_iter().collect()
}

#[test]
fn members_come_and_go_and_the_last_takes_the_key_along() {
    let mut bed = Testbed::new();
    assert_eq!(bed.run("SADD s a b a 1"), ":3\r\n");
    assert_eq!(bed.run("SADD s a"), ":0\r\n");
    assert_eq!(bed.run("SCARD s"), ":3\r\n");
    assert_eq!(bed.run("SISMEMBER s 1"), ":1\r\n");
    assert_eq!(bed.run("SMISMEMBER s a x 1"), "*3\r\n:1\r\n:0\r\n:1\r\n");
    assert_eq!(bed.run("SMISMEMBER none a"), "*1\r\n:0\r\n");
    assert_eq!(sorted(&bed.run("SMEMBERS s")), ["1", "a", "b"]);
    assert_eq!(bed.run("SREM s a x b"), ":2\r\n");
    assert_eq!(bed.run("SREM s 1 1"), ":1\r\n");
    assert_eq!(bed.run("EXISTS s"), ":0\r\n");
    assert_eq!(bed.run("SMEMBERS s"), "*0\r\n");
    bed.protocol = Protocol::Resp3;
    assert_eq!(bed.run("SMEMBERS s"), "~0\r\n");
    bed.run("SADD s 5");
    assert_eq!(bed.run("SMEMBERS s"), "~1\r\n$1\r\n5\r\n");
}

#[test]
fn other_types_are_refused_and_stay_as_they_are() {
    let mut bed = Testbed::new();
    bed.run("SET str x");
    bed.run("SADD s a");
    let commands = [
        "SADD str a",
        "SREM str a",
        "SISMEMBER str a",
        "SMISMEMBER str a",
        "SCARD str",
        "SMEMBERS str",
        "SPOP str",
        "SPOP str 1",
        "SRANDMEMBER str",
        "SRANDMEMBER str 1",
        "SMOVE str s a",
        "SMOVE s str a",
        "SINTER s str",
        "SINTER none str",
        "SUNION s str",
        "SDIFF none str",
        "SINTERSTORE d s str",
        "SUNIONSTORE d str s",
        "SDIFFSTORE d str",
        "SINTERCARD 2 s str",
        "SUNIONCARD 2 s str",
        "SUNIONCARD 2 str s APPROX",
        "SDIFFCARD 2 none str",
        "SSCAN str 0",
    ];
    for command in commands {
        assert!(bed.run(command).starts_with("-WRONGTYPE"), "{command}");
    }
    assert_eq!(bed.run("SMOVE none str a"), ":0\r\n");
    assert_eq!(bed.run("MGET str"), "*1\r\n$1\r\nx\r\n");
    assert_eq!(bed.run("EXISTS d"), ":0\r\n");
}

#[test]
fn arguments_out_of_range_are_named() {
    let mut bed = Testbed::new();
    let range = "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n";
    for (command, reply) in [
        ("SPOP s -1", "-ERR value is out of range, must be positive\r\n"),
        ("SPOP s x", "-ERR value is out of range, must be positive\r\n"),
        ("SPOP s 1 2", "-ERR syntax error\r\n"),
        ("SPOP s 0", "*0\r\n"),
        ("SPOP s", "$-1\r\n"),
        ("SRANDMEMBER s x", "-ERR value is not an integer or out of range\r\n"),
        ("SRANDMEMBER s -9223372036854775808", range),
        ("SRANDMEMBER s 1 2", "-ERR syntax error\r\n"),
        ("SRANDMEMBER s 5", "*0\r\n"),
        ("SRANDMEMBER s", "$-1\r\n"),
        ("SINTERCARD 0 s", "-ERR numkeys should be greater than 0\r\n"),
        ("SINTERCARD x s", "-ERR numkeys should be greater than 0\r\n"),
        ("SINTERCARD 2 s", "-ERR Number of keys can't be greater than number of args\r\n"),
        ("SINTERCARD 1 s x", "-ERR syntax error\r\n"),
        ("SINTERCARD 1 s LIMIT", "-ERR syntax error\r\n"),
        ("SINTERCARD 1 s LIMIT -1", "-ERR LIMIT can't be negative\r\n"),
        ("SINTERCARD 1 s LIMIT x", "-ERR LIMIT can't be negative\r\n"),
        ("SSCAN s x", "-ERR invalid cursor\r\n"),
        ("SSCAN s 0 COUNT 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
    ] {
        assert_eq!(bed.run(command), reply, "{command}");
    }
    bed.run("SADD s a");
    for options in ["COUNT 0", "COUNT", "TYPE set", "MATCH a b"] {
        assert_eq!(bed.run(&format!("SSCAN s 0 {options}")), "-ERR syntax error\r\n", "{options}");
    }
}

#[test]
fn a_member_moves_only_from_where_it_is() {
    let mut bed = Testbed::new();
    bed.run("SADD a 1 x");
    bed.run("SADD b 2");
    assert_eq!(bed.run("SMOVE a b y"), ":0\r\n");
    assert_eq!(bed.run("SMOVE a a x"), ":1\r\n");
    assert_eq!(bed.run("SMOVE a b x"), ":1\r\n");
    assert_eq!(bed.run("SMOVE a b 1"), ":1\r\n");
    assert_eq!(bed.run("EXISTS a"), ":0\r\n");
    assert_eq!(sorted(&bed.run("SMEMBERS b")), ["1", "2", "x"]);
    assert_eq!(bed.run("SMOVE b c 2"), ":1\r\n");
    assert_eq!(bed.run("SMEMBERS c"), "*1\r\n$1\r\n2\r\n");
    assert_eq!(bed.propagated("SMOVE b a none"), [""; 0]);
    assert_eq!(bed.propagated("SMOVE b a x"), ["SMOVE b a x"]);
}

#[test]
fn what_is_popped_is_propagated_as_removed() {
    let mut bed = Testbed::new();
    bed.run("SADD s 7");
    assert_eq!(bed.propagated("SPOP s"), ["SREM s 7"]);
    assert_eq!(bed.propagated("SPOP s"), [""; 0]);
    bed.run("SADD s 1 2 3");
    assert_eq!(bed.propagated("SPOP s 0"), [""; 0]);
    assert_eq!(bed.propagated("SPOP s 3"), ["DEL s"]);
    assert_eq!(bed.run("EXISTS s"), ":0\r\n");
    bed.run("SADD s 1 2 3");
    bed.db.lazyfree.lazily.server_del = true;
    assert_eq!(bed.propagated("SPOP s 5"), ["UNLINK s"]);
    for (members, count) in [(3000usize, 10usize), (3000, 2990), (100, 60)] {
        let all: Vec<String> = (0..members).map(|number| format!("m{number}")).collect();
        bed.run(&format!("SADD s {}", all.join(" ")));
        let requests = bed.propagated(&format!("SPOP s {count}"));
        let removed: BTreeSet<&str> = requests.iter().flat_map(|request| request.split(' ').skip(2)).collect();
        assert!(requests.iter().all(|request| request.starts_with("SREM s ")));
        assert_eq!((removed.len(), requests.len()), (count, count.div_ceil(1024)));
        let left = sorted(&bed.run("SMEMBERS s"));
        assert_eq!(left.len(), members - count);
        assert!(left.iter().all(|member| !removed.contains(member.as_str())));
        bed.run("DEL s");
    }
}

#[test]
fn replies_of_random_members_have_their_shapes() {
    let mut bed = Testbed::new();
    bed.protocol = Protocol::Resp3;
    bed.run("SADD s 1");
    assert_eq!(bed.run("SRANDMEMBER s"), "$1\r\n1\r\n");
    assert_eq!(bed.run("SRANDMEMBER s 2"), "*1\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("SRANDMEMBER s -2"), "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("SRANDMEMBER s 0"), "*0\r\n");
    assert_eq!(bed.run("SPOP s 0"), "~0\r\n");
    assert_eq!(bed.run("SPOP s 2"), "~1\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("SPOP s 2"), "~0\r\n");
    assert_eq!(bed.run("SPOP s"), "_\r\n");
}

#[test]
fn encodings_follow_the_directives() {
    let mut bed = Testbed::new();
    let mut encoding = |command: &str| {
        bed.run("DEL s");
        bed.run(command);
        bed.run("OBJECT ENCODING s").lines().nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(encoding("SADD s 1 2"), "intset");
    assert_eq!(encoding("SADD s 1 a"), "listpack");
    let numbers = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(encoding(&format!("SADD s {}", numbers(512))), "intset");
    assert_eq!(encoding(&format!("SADD s {}", numbers(513))), "hashtable");
    assert_eq!(encoding(&format!("SADD s x {}", numbers(127))), "listpack");
    assert_eq!(encoding(&format!("SADD s x {}", numbers(128))), "hashtable");
    assert_eq!(encoding(&format!("SADD s {}", "x".repeat(64))), "listpack");
    assert_eq!(encoding(&format!("SADD s {}", "x".repeat(65))), "hashtable");
    bed.run("CONFIG SET set-max-listpack-entries 0");
    bed.run("DEL s");
    bed.run("SADD s x");
    assert_eq!(bed.run("OBJECT ENCODING s"), "$9\r\nhashtable\r\n");
}

#[test]
fn sets_are_combined_counted_and_kept() {
    let mut bed = Testbed::new();
    bed.run("SADD a 1 2 3 x");
    bed.run("SADD b 2 3 y");
    bed.run("SADD c 3 x y");
    assert_eq!(sorted(&bed.run("SINTER a b")), ["2", "3"]);
    assert_eq!(bed.run("SINTER a none"), "*0\r\n");
    assert_eq!(sorted(&bed.run("SUNION a none b c")), ["1", "2", "3", "x", "y"]);
    assert_eq!(sorted(&bed.run("SDIFF a b none")), ["1", "x"]);
    assert_eq!(bed.run("SDIFF none a"), "*0\r\n");
    assert_eq!(bed.run("SDIFF a a"), "*0\r\n");
    assert_eq!(bed.run("SINTERCARD 2 a b"), ":2\r\n");
    assert_eq!(bed.run("SINTERCARD 2 a b LIMIT 1"), ":1\r\n");
    assert_eq!(bed.run("SINTERCARD 2 a b LIMIT 0"), ":2\r\n");
    assert_eq!(bed.run("SINTERCARD 2 a none"), ":0\r\n");
    assert_eq!(bed.run("SINTERSTORE a a b"), ":2\r\n");
    assert_eq!(bed.run("OBJECT ENCODING a"), "$6\r\nintset\r\n");
    assert_eq!(bed.run("SUNIONSTORE d a c"), ":4\r\n");
    assert_eq!(bed.run("SDIFFSTORE d d c"), ":1\r\n");
    assert_eq!(bed.run("SMEMBERS d"), "*1\r\n$1\r\n2\r\n");
    assert_eq!(bed.propagated("SDIFFSTORE d none"), ["SDIFFSTORE d none"]);
    assert_eq!(bed.run("EXISTS d"), ":0\r\n");
    assert_eq!(bed.propagated("SINTERSTORE d none"), [""; 0]);
    bed.protocol = Protocol::Resp3;
    assert_eq!(bed.run("SINTER none"), "~0\r\n");
    assert_eq!(bed.run("SDIFF b none c"), "~1\r\n$1\r\n2\r\n");
}

#[test]
fn a_scan_gives_each_member_once() {
    let mut bed = Testbed::new();
    let numbers: Vec<String> = (0..1000).map(|number| format!("m{number:03}")).collect();
    bed.run(&format!("SADD s {}", numbers.join(" ")));
    let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
    loop {
        let reply = bed.run(&format!("SSCAN s {cursor} MATCH m*5 COUNT 50"));
        let words: Vec<&str> = reply.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
        found.extend(words[1..].iter().map(|word| (*word).to_owned()));
        cursor = words[0].to_owned();
        if cursor == "0" {
            break;
        }
    }
    found.sort();
    assert_eq!(found, numbers.into_iter().filter(|number| number.ends_with('5')).collect::<Vec<_>>());
    bed.run("SADD ints 1 2 13");
    assert_eq!(bed.run("SSCAN ints 0 MATCH 1*"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\n1\r\n$2\r\n13\r\n");
}

#[test]
fn unions_and_differences_are_counted_up_to_a_limit() {
    let mut bed = Testbed::new();
    bed.run("SADD a 1 2 3 x");
    bed.run("SADD b 3 4 x y");
    bed.run("SADD c z");
    let cases = [
        ("SUNIONCARD 2 a b", 6),
        ("SUNIONCARD 3 a b c", 7),
        ("SUNIONCARD 3 a none a", 4),
        ("SUNIONCARD 1 none", 0),
        ("SUNIONCARD 2 a b LIMIT 0", 6),
        ("SUNIONCARD 2 a b limit 5", 5),
        ("SUNIONCARD 1 a LIMIT 3", 3),
        ("SUNIONCARD 3 a b c LIMIT 9223372036854775807", 7),
        ("SUNIONCARD 3 a b c APPROX", 7),
        ("SUNIONCARD 3 a b c LIMIT 2 approx", 2),
        ("SUNIONCARD 3 a b c APPROX LIMIT 100", 7),
        ("SUNIONCARD 1 none APPROX", 0),
        ("SDIFFCARD 2 a b", 2),
        ("SDIFFCARD 1 a", 4),
        ("SDIFFCARD 2 a a", 0),
        ("SDIFFCARD 2 none a", 0),
        ("SDIFFCARD 2 a c LIMIT 3", 3),
        ("SDIFFCARD 3 a b none LIMIT 0", 2),
    ];
    for (command, count) in cases {
        assert_eq!(bed.run(command), format!(":{count}\r\n"), "{command}");
    }
    assert_eq!(bed.run("SUNIONCARD 0 a"), "-ERR numkeys should be greater than 0\r\n");
    assert_eq!(bed.run("SDIFFCARD x a"), "-ERR numkeys should be greater than 0\r\n");
    let too_many = "-ERR Number of keys can't be greater than number of args\r\n";
    assert_eq!(bed.run("SUNIONCARD 9223372036854775807 a"), too_many);
    assert_eq!(bed.run("SDIFFCARD 2 a"), too_many);
    assert_eq!(bed.run("SUNIONCARD 1 a LIMIT -1"), "-ERR LIMIT can't be negative\r\n");
    for options in ["LIMIT", "APPROX x", "b", "LIMIT 1 LIMIT"] {
        assert_eq!(bed.run(&format!("SUNIONCARD 1 a {options}")), "-ERR syntax error\r\n", "{options}");
    }
    assert_eq!(bed.run("SDIFFCARD 1 a APPROX"), "-ERR syntax error\r\n");
}

#[test]
fn an_estimated_union_is_near_the_counted_one() {
    const MEMBERS: usize = 20_000;
    let mut bed = Testbed::new();
    for (key, first) in [("a", 0), ("b", MEMBERS / 2)] {
        let members: Vec<String> = (first..first + MEMBERS).map(|number| format!("member:{number}")).collect();
        bed.run(&format!("SADD {key} {}", members.join(" ")));
    }
    let reply = bed.run("SUNIONCARD 2 a b APPROX");
    let estimate: f64 = reply.trim_start_matches(':').trim_end().parse().expect("a number");
    let counted = (MEMBERS + MEMBERS / 2) as f64;
    // Five times the standard error of so many registers.
    assert!((estimate - counted).abs() < counted * 0.0405, "{estimate} of {counted}");
    assert_eq!(bed.run("SUNIONCARD 2 a b"), format!(":{}\r\n", MEMBERS + MEMBERS / 2));
}

/// Encodings that Redis 8.2 gives, as `OBJECT ENCODING d`, after these commands with these limits of intset and listpack.
#[test]
fn the_encoding_of_a_new_set_follows_from_how_it_is_made() {
    let many: String = (0..700).map(|number| format!(" {number}")).collect();
    let cases: &[(usize, usize, &[&str], &str)] = &[
        (0, 128, &["SADD d 1"], "listpack"),
        (0, 128, &["SADD s 1 a", "SMOVE s d 1"], "listpack"),
        (0, 128, &["SADD s 1", "SUNIONSTORE d s"], "hashtable"),
        (0, 128, &["SADD s 1", "SDIFFSTORE d s"], "hashtable"),
        (0, 128, &["SADD s 1", "SINTERSTORE d s"], "listpack"),
        (3, 128, &["SADD s 1 2 3 4 5 a", "SADD t 1 2 3 4 5", "SINTERSTORE d s t"], "listpack"),
        (3, 128, &["SADD s 1 2 3 4 5 a", "SADD t 1 2 3 4 5", "SUNIONSTORE d t"], "hashtable"),
        (512, 3, &["SADD s 1 2 3 4 5 a", "SADD t 1 2 3 4 5 b", "SINTERSTORE d s t"], "intset"),
        (
            512,
            128,
            &["SADD s M", "SADD t 1 2", "SADD u 7", "SADD v M", "SREM v 3 4 5 6 8 9", "SDIFFSTORE d s t u v"],
            "hashtable",
        ),
        (512, 128, &["SADD s M", "SADD t M", "SREM t 3", "SDIFFSTORE d s t"], "intset"),
        (512, 128, &["SADD d M", "SPOP d 695"], "listpack"),
        (512, 0, &["SADD d 1 1 1"], "intset"),
        (2, 0, &["SADD d 1 1 1"], "hashtable"),
        (512, 2, &["SADD d a a a"], "hashtable"),
    ];
    for (intset, listpack, commands, encoding) in cases {
        let mut bed = Testbed::new();
        bed.run(&format!("CONFIG SET set-max-intset-entries {intset} set-max-listpack-entries {listpack}"));
        for command in *commands {
            bed.run(&command.replace(" M", &many));
        }
        let reply = bed.run("OBJECT ENCODING d");
        assert_eq!(reply.lines().nth(1), Some(*encoding), "{intset} {listpack} {commands:?}");
    }
}

#[test]
fn limits_that_were_lowered_count_when_a_set_is_changed() {
    let mut bed = Testbed::new();
    let thirty: String = (0..30).map(|number| format!(" {number}")).collect();
    // What is announced or left, and not what is there, is held against the limit.
    let cases =
        [("SPOP d 26", "hashtable"), ("SPOP d 20", "intset"), ("SADD d 1", "intset"), ("SADD d 1 2 3 4", "hashtable")];
    for (command, encoding) in cases {
        bed.run("FLUSHALL");
        bed.run("CONFIG SET set-max-intset-entries 512");
        bed.run(&format!("SADD d{thirty}"));
        bed.run("CONFIG SET set-max-intset-entries 3");
        bed.run(command);
        assert_eq!(bed.run("OBJECT ENCODING d").lines().nth(1), Some(encoding), "{command}");
    }
}
