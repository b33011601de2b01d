//! Replies, errors and propagation of the commands on members that expire.

use std::collections::BTreeSet;

use crate::db::Key;
use crate::resp::Protocol;
use crate::server::testbed::Testbed;
use crate::types::Set;
use crate::types::set::SetLimits;

const FORMS: [(&str, usize); 2] = [("listpackex", 128), ("hashtable", 0)];

/// A server whose small sets have at most so many members.
fn bed_with(entries: usize) -> Testbed {
    let mut bed = Testbed::new();
    bed.server.config.set_max_listpack_entries = entries;
    bed
}

/// Lets the time of members of a set have come long ago.
fn make_due(bed: &mut Testbed, key: &str, members: &[&str]) {
    let key = Key::new(key.as_bytes());
    let limits = SetLimits { intset_entries: 0, listpack_entries: 128, listpack_value: 64 };
    let set = bed.db.collection_mut::<Set>(&key).expect("a set").expect("a key");
    members.iter().for_each(|member| set.set_expiry(member.as_bytes(), Some(1), &limits));
    bed.db.plan_parts(&key);
}

/// The members that a reply of blanks and bulk strings names.
fn members(reply: &str) -> BTreeSet<String> {
    reply.lines().skip(1).filter(|line| !line.starts_with('$')).map(str::to_owned).collect()
}

fn texts(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn members_are_given_a_time_and_lose_it() {
    for (form, entries) in FORMS {
        let mut bed = bed_with(entries);
        bed.run("SADD s a b c 4");
        assert_eq!(bed.run("SEXPIRE s 100 MEMBERS 3 a none 4"), "*3\r\n:1\r\n:-2\r\n:1\r\n");
        assert_eq!(bed.run("OBJECT ENCODING s"), format!("${}\r\n{form}\r\n", form.len()));
        assert_eq!(bed.run("STTL s MEMBERS 4 a b 4 none"), "*4\r\n:100\r\n:-1\r\n:100\r\n:-2\r\n");
        assert_eq!(bed.run("SPEXPIREAT s 4102444800500 MEMBERS 1 b"), "*1\r\n:1\r\n");
        assert_eq!(bed.run("SPEXPIRETIME s MEMBERS 1 b"), "*1\r\n:4102444800500\r\n");
        assert_eq!(bed.run("SEXPIRETIME s MEMBERS 1 b"), "*1\r\n:4102444801\r\n");
        assert_eq!(bed.run("SEXPIREAT s 4102444800 MEMBERS 1 b"), "*1\r\n:1\r\n");
        assert_eq!(bed.run("SPEXPIRETIME s MEMBERS 1 b"), "*1\r\n:4102444800000\r\n");
        assert_eq!(bed.run("SPEXPIRE s 5000 MEMBERS 1 b"), "*1\r\n:1\r\n");
        assert_eq!(bed.run("STTL s MEMBERS 1 b"), "*1\r\n:5\r\n");
        assert_eq!(bed.run("SPERSIST s MEMBERS 3 a c none"), "*3\r\n:1\r\n:-1\r\n:-2\r\n");
        assert_eq!(bed.run("SPTTL s MEMBERS 1 a"), "*1\r\n:-1\r\n");
        assert_eq!(bed.run("SCARD s"), ":4\r\n");
        assert_eq!(bed.run("SEXPIRE s 0 MEMBERS 2 a none"), "*2\r\n:2\r\n:-2\r\n");
        assert_eq!(bed.run("SEXPIREAT s 1 MEMBERS 3 b c 4"), "*3\r\n:2\r\n:2\r\n:2\r\n");
        assert_eq!(bed.run("EXISTS s"), ":0\r\n");
        for command in ["SEXPIRE s 1 MEMBERS 1 a", "STTL s MEMBERS 1 a", "SPERSIST s MEMBERS 1 a"] {
            assert_eq!(bed.run(command), "*1\r\n:-2\r\n", "{command}");
        }
        bed.protocol = Protocol::Resp3;
        assert_eq!(bed.run("SADDEX s EX 10 MEMBERS 1 a"), ":1\r\n");
        assert_eq!(bed.run("SEXPIRE s 10 MEMBERS 1 a"), "*1\r\n:1\r\n");
        assert_eq!(bed.run("STTL s MEMBERS 1 a"), "*1\r\n:10\r\n");
    }
}

#[test]
fn a_condition_is_judged_member_by_member_wherever_it_stands() {
    let mut bed = Testbed::new();
    bed.run("SADD s a b");
    bed.run("SPEXPIREAT s 4102444800000 MEMBERS 1 b");
    for (words, answers) in [
        ("4102444800001 NX MEMBERS 3 a b none", "*3\r\n:1\r\n:0\r\n:-2\r\n"),
        ("4102444800001 MEMBERS 2 a b NX", "*2\r\n:0\r\n:0\r\n"),
        ("4102444800002 xx members 2 a b", "*2\r\n:1\r\n:1\r\n"),
        ("4102444800002 GT MEMBERS 1 a", "*1\r\n:0\r\n"),
        ("4102444800003 GT MEMBERS 1 a GT", "*1\r\n:1\r\n"),
        ("4102444800003 LT MEMBERS 2 a b", "*2\r\n:0\r\n:0\r\n"),
        ("4102444800002 LT MEMBERS 2 a b", "*2\r\n:1\r\n:0\r\n"),
    ] {
        assert_eq!(bed.run(&format!("SPEXPIREAT s {words}")), answers, "{words}");
    }
    bed.run("SPERSIST s MEMBERS 2 a b");
    assert_eq!(bed.run("SEXPIRE s 10 GT MEMBERS 1 a"), "*1\r\n:0\r\n", "no time is the latest of all");
    assert_eq!(bed.run("SEXPIRE s 10 XX MEMBERS 1 a"), "*1\r\n:0\r\n");
    assert_eq!(bed.run("SEXPIRE s 10 LT MEMBERS 1 a"), "*1\r\n:1\r\n");
}

#[test]
fn a_set_becomes_one_with_times_only_when_a_member_gets_one() {
    let mut bed = Testbed::new();
    bed.run("SADD s a b");
    for command in ["SEXPIRE s 10 XX MEMBERS 1 a", "SEXPIRE s 10 MEMBERS 1 none", "SADDEX s MEMBERS 1 b"] {
        bed.run(command);
        assert_eq!(bed.run("OBJECT ENCODING s"), "$8\r\nlistpack\r\n", "{command}");
    }
    bed.run("SEXPIREAT s 1 MEMBERS 1 a");
    assert_eq!(bed.run("OBJECT ENCODING s"), "$8\r\nlistpack\r\n");
    bed.run("SADD ints 1 2 3");
    bed.run("SEXPIRE ints 10 MEMBERS 1 2");
    assert_eq!(bed.run("OBJECT ENCODING ints"), "$10\r\nlistpackex\r\n");
    assert_eq!(bed.run("SISMEMBER ints 3"), ":1\r\n");
}

#[test]
fn arguments_are_checked() {
    const COUNT: &str = "ERR Parameter `numMembers` should be greater than 0";
    const INVALID: &str = "ERR invalid expire time in 'sexpire' command";
    let mut bed = Testbed::new();
    bed.run("SADD s a b c");
    for (words, error) in [
        ("x MEMBERS 1 a", "ERR value is not an integer or out of range"),
        ("-1 MEMBERS 1 a", "ERR invalid expire time, must be >= 0"),
        ("70368744177664 MEMBERS 1 a", INVALID),
        ("9223372036854775807 MEMBERS 1 a", INVALID),
        ("100 NX NX NX", "ERR missing MEMBERS argument"),
        ("100 a b c d", "ERR unknown argument: a"),
        ("100 MEMBERS 0 a", COUNT),
        ("100 MEMBERS -1 a", COUNT),
        ("100 MEMBERS x a", COUNT),
        ("100 MEMBERS 2147483648 a", COUNT),
        ("100 MEMBERS 9223372036854775807 a", COUNT),
        ("100 MEMBERS 3 a b", "ERR wrong number of arguments"),
        ("100 MEMBERS 1 a c", "ERR unknown argument: c"),
        ("100 MEMBERS 1 a MEMBERS 1 b", "ERR MEMBERS keyword specified multiple times"),
        ("100 NX NX MEMBERS 1", "ERR MEMBERS requires at least nummembers and one member argument"),
        ("100 NX XX MEMBERS 1 a", "ERR Multiple condition flags specified"),
        ("100 GT MEMBERS 1 a LT", "ERR Multiple condition flags specified"),
        ("100 MEMBERS 1", "ERR wrong number of arguments for 'sexpire' command"),
    ] {
        assert_eq!(bed.run(&format!("SEXPIRE s {words}")), format!("-{error}\r\n"), "{words}");
        assert_eq!(bed.run("SCARD s"), ":3\r\n");
    }
    const POSITION: &str = "ERR Mandatory argument MEMBERS is missing or not at the right position";
    const POSITIVE: &str = "ERR Number of members must be a positive integer";
    const MISCOUNTED: &str = "ERR The `nummembers` parameter must match the number of arguments";
    for command in ["STTL", "SPTTL", "SEXPIRETIME", "SPEXPIRETIME", "SPERSIST"] {
        for (words, error) in [
            ("a 1 a", POSITION),
            ("MEMBERS 0 a", POSITIVE),
            ("MEMBERS x a", POSITIVE),
            ("MEMBERS 2 a", MISCOUNTED),
            ("MEMBERS 1 a b", MISCOUNTED),
        ] {
            assert_eq!(bed.run(&format!("{command} s {words}")), format!("-{error}\r\n"), "{command} {words}");
        }
    }
    bed.run("SET string x");
    for command in [
        "SEXPIRE string x MEMBERS 1 a",
        "SPEXPIRE string 1 MEMBERS 1 a",
        "SEXPIREAT string 1 MEMBERS 1 a",
        "SPEXPIREAT string 1 MEMBERS 1 a",
        "STTL string x 1 a",
        "SPERSIST string x 1 a",
        "SADDEX string MEMBERS 1 a",
        "SADDEX string PXAT 1 MEMBERS 1 a",
        "SADDEX string MXX MEMBERS 1 a",
    ] {
        assert!(bed.run(command).starts_with("-WRONGTYPE"), "{command}");
    }
}

#[test]
fn arguments_of_saddex_are_checked() {
    const LIFETIME: &str = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
    const CONDITION: &str = "ERR Only one of MXX or MNX arguments can be specified";
    let mut bed = Testbed::new();
    for (words, error) in [
        ("EX 100 MXX", "ERR missing MEMBERS argument"),
        ("MEMBERS 0 a", "ERR invalid number of members"),
        ("MEMBERS x a", "ERR invalid number of members"),
        ("MEMBERS 2147483648 a", "ERR invalid number of members"),
        ("MEMBERS 3 a b", "ERR wrong number of arguments"),
        ("MNX KEEPTTL MEMBERS", "ERR wrong number of arguments for 'saddex' command"),
        ("MEMBERS 1 a MEMBERS 1 b", "ERR MEMBERS keyword specified multiple times"),
        ("BAD MEMBERS 1 a", "ERR unknown argument: BAD"),
        ("FNX MEMBERS 1 a", "ERR unknown argument: FNX"),
        ("MEMBERS 1 a c", "ERR unknown argument: c"),
        ("MXX MNX MEMBERS 1 a", CONDITION),
        ("EX 100 PX 100 MEMBERS 1 a", LIFETIME),
        ("EX 100 KEEPTTL MEMBERS 1 a", LIFETIME),
        ("KEEPTTL EXAT 100 MEMBERS 1 a", LIFETIME),
        ("MEMBERS 1 a EX", "ERR missing expire time"),
        ("EX -1 MEMBERS 1 a", "ERR invalid expire time, must be >= 0"),
        ("PX 70368744177664 MEMBERS 1 a", "ERR invalid expire time in 'saddex' command"),
        ("EX x MEMBERS 1 a", "ERR value is not an integer or out of range"),
    ] {
        assert_eq!(bed.run(&format!("SADDEX s {words}")), format!("-{error}\r\n"), "{words}");
        assert_eq!(bed.run("EXISTS s"), ":0\r\n");
    }
}

#[test]
fn saddex_adds_all_members_or_none() {
    for (form, entries) in FORMS {
        let mut bed = bed_with(entries);
        assert_eq!(bed.run("SADDEX s MXX EX 10 MEMBERS 1 a"), ":0\r\n");
        assert_eq!(bed.run("EXISTS s"), ":0\r\n");
        assert_eq!(bed.run("SADDEX s EX 10 MEMBERS 2 a b"), ":1\r\n");
        assert_eq!(bed.run("OBJECT ENCODING s"), format!("${}\r\n{form}\r\n", form.len()));
        assert_eq!(bed.run("SADDEX s MEMBERS 2 a x MNX"), ":0\r\n");
        assert_eq!(bed.run("SADDEX s MXX MEMBERS 2 a x"), ":0\r\n");
        assert_eq!(bed.run("SISMEMBER s x"), ":0\r\n");
        assert_eq!(bed.run("SADDEX s MNX KEEPTTL MEMBERS 1 x"), ":1\r\n");
        assert_eq!(bed.run("SADDEX s MXX KEEPTTL MEMBERS 2 a x"), ":1\r\n");
        assert_eq!(bed.run("STTL s MEMBERS 3 a b x"), "*3\r\n:10\r\n:10\r\n:-1\r\n");
        assert_eq!(bed.run("SADDEX s MEMBERS 1 a"), ":1\r\n");
        assert_eq!(bed.run("STTL s MEMBERS 2 a b"), "*2\r\n:-1\r\n:10\r\n");
        assert_eq!(bed.run("SADD s b"), ":0\r\n");
        assert_eq!(bed.run("STTL s MEMBERS 1 b"), "*1\r\n:10\r\n", "what is there already keeps its time");
        assert_eq!(bed.run("SADDEX s PXAT 1 MEMBERS 2 a new"), ":1\r\n");
        assert_eq!(members(&bed.run("SMEMBERS s")), texts(&["b", "x"]));
        assert_eq!(bed.run("SADDEX s EXAT 1 MEMBERS 2 b x"), ":1\r\n");
        assert_eq!(bed.run("SADDEX s EXAT 1 MEMBERS 1 b"), ":1\r\n");
        assert_eq!(bed.run("EXISTS s"), ":0\r\n");
    }
}

#[test]
fn members_whose_time_has_come_are_gone_to_every_reader() {
    for (_, entries) in FORMS {
        let mut bed = bed_with(entries);
        bed.run("SADD s a b c d");
        bed.run("SADD t c d e");
        make_due(&mut bed, "s", &["a", "b", "c"]);
        assert_eq!(bed.run("SCARD s"), ":1\r\n");
        assert_eq!(bed.run("SMEMBERS s"), "*1\r\n$1\r\nd\r\n");
        assert_eq!(bed.run("SSCAN s 0 COUNT 100"), "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nd\r\n");
        assert_eq!(bed.run("STTL s MEMBERS 2 a d"), "*2\r\n:-2\r\n:-1\r\n");
        assert_eq!(bed.run("SPERSIST s MEMBERS 1 a"), "*1\r\n:-2\r\n");
        assert_eq!(bed.run("SEXPIRE s 100 MEMBERS 1 a"), "*1\r\n:-2\r\n");
        assert_eq!(bed.run("SINTER s t"), "*1\r\n$1\r\nd\r\n");
        assert_eq!(bed.run("SINTERCARD 2 s t"), ":1\r\n");
        assert_eq!(bed.run("SUNIONCARD 2 s t"), ":3\r\n");
        assert_eq!(bed.run("SUNIONCARD 1 s"), ":1\r\n");
        assert_eq!(bed.run("SUNIONCARD 2 s t APPROX"), ":3\r\n");
        assert_eq!(bed.run("SDIFFCARD 2 t s"), ":2\r\n");
        assert_eq!(members(&bed.run("SUNION s t")), texts(&["c", "d", "e"]));
        assert_eq!(members(&bed.run("SDIFF t s")), texts(&["c", "e"]));
        assert_eq!(bed.run("SDIFF s t"), "*0\r\n");
        assert_eq!(bed.run("SORT s ALPHA"), "*1\r\n$1\r\nd\r\n");
        assert_eq!(members(&bed.run("ZUNION 2 s t")), texts(&["c", "d", "e"]));
        assert_eq!(bed.run("ZINTERCARD 2 s t"), ":1\r\n");
        assert_eq!(bed.run("SISMEMBER s d"), ":1\r\n");
        assert_eq!(bed.db.stats.expired_parts, 0, "who names no member deletes none");
        assert_eq!(bed.propagated("SISMEMBER s a"), ["SREM s a"]);
        assert_eq!(bed.propagated("SMISMEMBER s d b c"), ["SREM s b", "SREM s c"]);
        assert_eq!(bed.db.stats.expired_parts, 3);
        assert_eq!(bed.run("SMISMEMBER s a d"), "*2\r\n:0\r\n:1\r\n");
        make_due(&mut bed, "s", &["d"]);
        assert_eq!(bed.propagated("SISMEMBER s d"), ["SREM s d"]);
        assert_eq!(bed.run("EXISTS s"), ":0\r\n", "the last takes the key along");
    }
}

#[test]
fn a_member_whose_time_has_come_is_new_to_those_who_add_it() {
    for (_, entries) in FORMS {
        let mut bed = bed_with(entries);
        bed.run("SADD s a b");
        make_due(&mut bed, "s", &["a"]);
        assert_eq!(bed.propagated("SADD s a b"), ["SREM s a", "SADD s a b"]);
        assert_eq!(bed.run("STTL s MEMBERS 1 a"), "*1\r\n:-1\r\n");
        make_due(&mut bed, "s", &["a", "b"]);
        assert_eq!(bed.run("SADD s a b"), ":2\r\n", "also when none was left");
        make_due(&mut bed, "s", &["a"]);
        assert_eq!(bed.run("SADDEX s MXX MEMBERS 2 a b"), ":0\r\n");
        bed.run("SADD s a");
        make_due(&mut bed, "s", &["a"]);
        assert_eq!(bed.run("SADDEX s MNX KEEPTTL MEMBERS 1 a"), ":1\r\n");
        assert_eq!(bed.run("STTL s MEMBERS 1 a"), "*1\r\n:-1\r\n");
        make_due(&mut bed, "s", &["a"]);
        assert_eq!(bed.run("SREM s a"), ":1\r\n", "it is still there to be removed");
    }
}

#[test]
fn members_chosen_at_random_live() {
    for (_, entries) in FORMS {
        let mut bed = bed_with(entries);
        for command in ["SPOP s", "SPOP s 1", "SPOP s 9", "SRANDMEMBER s", "SRANDMEMBER s 2", "SRANDMEMBER s -5"] {
            bed.run("SADD s a b c");
            make_due(&mut bed, "s", &["a", "b"]);
            let reply = bed.run(command);
            assert!(reply.ends_with("$1\r\nc\r\n") && !reply.contains("\r\na\r\n"), "{command}: {reply}");
            bed.run("DEL s");
        }
        for (command, empty) in
            [("SPOP s", "$-1\r\n"), ("SPOP s 2", "*0\r\n"), ("SRANDMEMBER s", "$-1\r\n"), ("SRANDMEMBER s 5", "*0\r\n")]
        {
            bed.run("SADD s a b");
            make_due(&mut bed, "s", &["a", "b"]);
            assert_eq!(bed.run(command), empty, "{command}");
            assert_eq!(bed.run("EXISTS s"), ":0\r\n", "{command}");
        }
        for count in [2, 28] {
            let names: Vec<String> = (0..30).map(|number| format!("m{number}")).collect();
            bed.run(&format!("SADDEX s EX 100 MEMBERS 30 {}", names.join(" ")));
            assert_eq!(members(&bed.run(&format!("SPOP s {count}"))).len(), count);
            assert_eq!(bed.run("SCARD s"), format!(":{}\r\n", 30 - count));
            let left = members(&bed.run("SMEMBERS s"));
            assert!(left.iter().all(|member| bed.run(&format!("STTL s MEMBERS 1 {member}")) == "*1\r\n:100\r\n"));
            bed.run("DEL s");
        }
    }
}

#[test]
fn a_moved_member_takes_its_time_along() {
    for (_, entries) in FORMS {
        let mut bed = bed_with(entries);
        for command in ["SADD s a b c due", "SADD t b z", "SEXPIRE s 100 MEMBERS 2 a b", "SEXPIRE t 50 MEMBERS 1 z"] {
            bed.run(command);
        }
        assert_eq!(bed.run("SMOVE s t a"), ":1\r\n");
        assert_eq!(bed.run("SMOVE s t b"), ":1\r\n");
        assert_eq!(bed.run("SMOVE s t c"), ":1\r\n");
        assert_eq!(bed.run("STTL t MEMBERS 4 a b c z"), "*4\r\n:100\r\n:100\r\n:-1\r\n:50\r\n");
        bed.run("SADD s z");
        assert_eq!(bed.run("SMOVE s t z"), ":1\r\n");
        assert_eq!(bed.run("STTL t MEMBERS 1 z"), "*1\r\n:-1\r\n");
        make_due(&mut bed, "s", &["due"]);
        assert_eq!(bed.propagated("SMOVE s t due"), ["SREM s due"]);
        assert_eq!(bed.run("EXISTS s"), ":0\r\n");
        bed.run("SADD s a");
        make_due(&mut bed, "t", &["a"]);
        assert_eq!(bed.propagated("SMOVE s t a"), ["SREM t a", "SMOVE s t a"]);
        assert_eq!(bed.run("STTL t MEMBERS 1 a"), "*1\r\n:-1\r\n");
        make_due(&mut bed, "t", &["a"]);
        assert_eq!(bed.run("SMOVE t t a"), ":0\r\n");
        assert_eq!(bed.run("SMOVE t new b"), ":1\r\n");
        assert_eq!(bed.run("STTL new MEMBERS 1 b"), "*1\r\n:100\r\n");
        assert_eq!(bed.db.dict().planned_len(), 1, "the set that was made, and no longer the one that has no times");
    }
}

#[test]
fn what_is_kept_of_sets_expires_with_its_sources() {
    for (_, entries) in FORMS {
        let mut bed = bed_with(entries);
        for command in [
            "SADD a 1 m2 m3 m4",
            "SADD b 1 m3 m4 m5",
            "SEXPIRE a 1000 MEMBERS 2 1 m2",
            "SEXPIRE a 5000 MEMBERS 1 m3",
            "SEXPIRE b 3000 MEMBERS 1 1",
            "SEXPIRE b 100 MEMBERS 1 m3",
        ] {
            bed.run(command);
        }
        let times = |bed: &mut Testbed| bed.run("STTL d MEMBERS 5 1 m2 m3 m4 m5").replace("\r\n:", " ");
        assert_eq!(bed.run("SUNIONSTORE d a b"), ":5\r\n");
        assert_eq!(times(&mut bed), "*5 1000 1000 100 -1 -1\r\n");
        assert_eq!(bed.run("SINTERSTORE d b a"), ":3\r\n");
        assert_eq!(times(&mut bed), "*5 1000 -2 100 -1 -2\r\n");
        assert_eq!(bed.run("SDIFFSTORE d a b"), ":1\r\n");
        assert_eq!(times(&mut bed), "*5 -2 1000 -2 -2 -2\r\n");
        assert_eq!(bed.db.dict().planned_len(), 3);
        bed.run("SADD plain x");
        bed.run("SUNIONSTORE d plain");
        assert_eq!(bed.db.dict().planned_len(), 2);
    }
}

/// A replica has no time of its own to judge by: what has expired must be gone before it counts members.
#[test]
fn what_is_kept_is_made_of_members_that_live() {
    let mut bed = Testbed::new();
    for command in ["SUNIONSTORE d s", "SINTERSTORE d s", "SDIFFSTORE d s", "ZUNIONSTORE d 1 s", "SORT s ALPHA STORE d"]
    {
        bed.run("FLUSHALL");
        bed.run("SADD s a b");
        make_due(&mut bed, "s", &["a"]);
        assert_eq!(bed.propagated(command), ["SREM s a", command], "{command}");
    }
    bed.run("FLUSHALL");
    bed.run("SADD s a");
    make_due(&mut bed, "s", &["a"]);
    assert_eq!(bed.run("SUNIONSTORE d s"), ":0\r\n");
    assert_eq!(bed.run("EXISTS s d"), ":0\r\n");
}

#[test]
fn times_are_propagated_as_points_of_time_and_only_where_they_were_set() {
    let mut bed = Testbed::new();
    bed.run("SADD s a b c d");
    assert_eq!(
        bed.propagated("SPEXPIREAT s 4102444800000 NX MEMBERS 1 a"),
        ["SPEXPIREAT s 4102444800000 NX MEMBERS 1 a"]
    );
    assert_eq!(
        bed.propagated("SEXPIREAT s 4102444801 members 3 a none b"),
        ["SPEXPIREAT s 4102444801000 members 2 a b"]
    );
    assert_eq!(
        bed.propagated("SPEXPIREAT s 4102444802000 MEMBERS 2 a c XX"),
        ["SPEXPIREAT s 4102444802000 XX MEMBERS 1 a"]
    );
    let relative = bed.propagated("SPEXPIRE s 100000 MEMBERS 1 c");
    assert!(relative[0].starts_with("SPEXPIREAT s ") && relative[0].ends_with(" MEMBERS 1 c"), "{relative:?}");
    assert_eq!(bed.propagated("SEXPIRE s 0 MEMBERS 3 c none d"), ["SREM s c", "SREM s d"]);
    assert_eq!(bed.propagated("SPERSIST s MEMBERS 2 a none"), ["SPERSIST s MEMBERS 2 a none"]);
    assert_eq!(
        bed.propagated("SADDEX s EXAT 4102444800 MNX MEMBERS 1 x"),
        ["SADDEX s PXAT 4102444800000 MNX MEMBERS 1 x"]
    );
    assert_eq!(bed.propagated("SADDEX s PXAT 4102444800000 MEMBERS 1 x"), ["SADDEX s PXAT 4102444800000 MEMBERS 1 x"]);
    assert_eq!(bed.propagated("SADDEX s KEEPTTL MEMBERS 1 x"), ["SADDEX s KEEPTTL MEMBERS 1 x"]);
    assert_eq!(bed.propagated("SADDEX s PXAT 1 MEMBERS 2 x none"), ["SREM s x"]);
    for command in [
        "SPERSIST s MEMBERS 1 none",
        "SEXPIRE s 10 MEMBERS 1 none",
        "SADDEX s PXAT 1 MEMBERS 1 none",
        "SADDEX s MXX MEMBERS 1 none",
        "STTL s MEMBERS 1 a",
    ] {
        assert!(bed.propagated(command).is_empty(), "{command}");
    }
}
