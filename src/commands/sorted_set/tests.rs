use crate::resp::Protocol;
use crate::server::testbed::Testbed;

fn bed() -> Testbed {
    let mut bed = Testbed::new();
    bed.run("ZADD z 1 a 2 b 3 c");
    bed
}

/// A reply without its lengths and line ends, blanks between.
fn plain(reply: &str) -> String {
    let is_length = |line: &&str| !line.starts_with('$');
    reply.split("\r\n").filter(is_length).collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[test]
fn zadd_counts_what_it_adds_and_with_ch_what_it_changes() {
    let mut bed = bed();
    assert_eq!(bed.run("ZADD z 1 a 5 b 4 d"), ":1\r\n");
    assert_eq!(bed.run("ZADD z CH 1 a 6 b 5 e"), ":2\r\n");
    assert_eq!(plain(&bed.run("ZRANGE z 0 -1 WITHSCORES")), "*10 a 1 c 3 d 4 e 5 b 6");
}

#[test]
fn zadd_conditions_decide_by_the_score_there_is() {
    for (command, score) in [
        ("ZADD z NX 9 a", "1"),
        ("ZADD z XX 9 a", "9"),
        ("ZADD z GT 0 a", "1"),
        ("ZADD z GT 2 a", "2"),
        ("ZADD z LT 2 a", "1"),
        ("ZADD z LT -2 a", "-2"),
        ("ZADD z GT XX 3 a", "3"),
    ] {
        let mut bed = bed();
        bed.run(command);
        assert_eq!(plain(&bed.run("ZSCORE z a")), score, "{command}");
    }
    let mut bed = bed();
    assert_eq!(bed.run("ZADD z XX 9 new"), ":0\r\n");
    assert_eq!(bed.run("ZADD z GT 9 new"), ":1\r\n");
    assert_eq!(bed.run("ZADD none XX 9 new"), ":0\r\n");
    assert_eq!(bed.run("EXISTS none"), ":0\r\n");
}

#[test]
fn zadd_incr_answers_with_the_score_or_null() {
    let mut bed = bed();
    assert_eq!(plain(&bed.run("ZADD z INCR 0.5 a")), "1.5");
    assert_eq!(bed.run("ZADD z NX INCR 1 a"), "$-1\r\n");
    assert_eq!(bed.run("ZADD z GT INCR -1 a"), "$-1\r\n");
    assert_eq!(bed.run("ZADD none XX INCR 1 a"), "$-1\r\n");
    assert_eq!(plain(&bed.run("ZINCRBY z -1.5 a")), "0");
    bed.run("ZADD z inf a");
    assert_eq!(bed.run("ZINCRBY z -inf a"), "-ERR resulting score is not a number (NaN)\r\n");
}

#[test]
fn zadd_sets_nothing_if_it_fails() {
    let mut bed = bed();
    for (command, error) in [
        ("ZADD z 9 a x b", "ERR value is not a valid float"),
        ("ZADD z nan a", "ERR value is not a valid float"),
        ("ZADD z 9 a 1", "ERR syntax error"),
        ("ZADD z NX 1", "ERR syntax error"),
        ("ZADD z CH INCR", "ERR syntax error"),
        ("ZADD z NX XX 9 a", "ERR XX and NX options at the same time are not compatible"),
        ("ZADD z NX GT 9 a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD z LT GT 9 a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD z INCR 9 a 9 b", "ERR INCR option supports a single increment-element pair"),
    ] {
        assert_eq!(bed.run(command), format!("-{error}\r\n"), "{command}");
    }
    assert_eq!(plain(&bed.run("ZSCORE z a")), "1");
    bed.run("SET s x");
    assert!(bed.run("ZADD s 1 a").starts_with("-WRONGTYPE"));
}

#[test]
fn the_last_member_takes_the_key_with_it() {
    for command in [
        "ZREM z a b c d",
        "ZREMRANGEBYRANK z 0 -1",
        "ZREMRANGEBYSCORE z -inf +inf",
        "ZREMRANGEBYLEX z - +",
        "ZPOPMIN z 5",
        "ZMPOP 1 z MAX COUNT 9",
        "BZMPOP 0 1 z MIN COUNT 3",
        "ZRANGESTORE z z 5 6",
        "ZDIFFSTORE z 2 z z",
    ] {
        let mut bed = bed();
        bed.run(command);
        assert_eq!(bed.run("EXISTS z"), ":0\r\n", "{command}");
    }
}

#[test]
fn ranges_are_told_by_place_score_or_member() {
    let mut bed = bed();
    bed.run("ZADD l 0 a 0 b 0 c 0 d");
    for (command, reply) in [
        ("ZRANGE z 0 0", "*1 a"),
        ("ZRANGE z -2 -1", "*2 b c"),
        ("ZRANGE z 2 1", "*0"),
        ("ZRANGE z 5 9", "*0"),
        ("ZRANGE z -100 0", "*1 a"),
        ("ZREVRANGE z 0 1 WITHSCORES", "*4 c 3 b 2"),
        ("ZRANGE z 0 1 REV", "*2 c b"),
        ("ZRANGE z (1 3 BYSCORE", "*2 b c"),
        ("ZRANGE z 3 (1 BYSCORE REV", "*2 c b"),
        ("ZRANGEBYSCORE z -inf inf LIMIT 1 1", "*1 b"),
        ("ZRANGEBYSCORE z -inf inf LIMIT 1 -5", "*2 b c"),
        ("ZRANGEBYSCORE z -inf inf LIMIT -1 5", "*0"),
        ("ZREVRANGEBYSCORE z inf -inf LIMIT 1 1 WITHSCORES", "*2 b 2"),
        ("ZREVRANGEBYSCORE z inf -inf LIMIT 2 9", "*1 a"),
        ("ZREVRANGEBYSCORE z inf -inf LIMIT 3 9", "*0"),
        ("ZRANGEBYSCORE z (1 (2", "*0"),
        ("ZRANGEBYLEX l [b (d", "*2 b c"),
        ("ZRANGE l + [c BYLEX REV", "*2 d c"),
        ("ZREVRANGEBYLEX l + - LIMIT 1 2", "*2 c b"),
        ("ZRANGEBYLEX l + -", "*0"),
        ("ZCOUNT z 2 +inf", ":2"),
        ("ZLEXCOUNT l (a +", ":3"),
        ("ZRANGE none 0 -1", "*0"),
    ] {
        assert_eq!(plain(&bed.run(command)), reply, "{command}");
    }
}

#[test]
fn wrong_ranges_are_refused() {
    let mut bed = bed();
    for (command, error) in [
        ("ZRANGE z a 1", "ERR value is not an integer or out of range"),
        ("ZRANGE z a 1 BYSCORE", "ERR min or max is not a float"),
        ("ZRANGE z nan 1 BYSCORE", "ERR min or max is not a float"),
        ("ZCOUNT z (( 1", "ERR min or max is not a float"),
        ("ZRANGE z a + BYLEX", "ERR min or max not valid string range item"),
        ("ZREMRANGEBYLEX z - ++", "ERR min or max not valid string range item"),
        (
            "ZRANGE z 0 1 LIMIT 0 1",
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        ("ZRANGE z - + BYLEX WITHSCORES", "ERR syntax error, WITHSCORES not supported in combination with BYLEX"),
        ("ZRANGE z 0 1 LIMIT 0", "ERR syntax error"),
        ("ZREVRANGE z 0 1 REV", "ERR syntax error"),
        ("ZRANGE z 0 1 REV REV", "ERR syntax error"),
        ("ZINCRBY z NX a", "ERR syntax error"),
        ("ZINCRBY z abc a", "ERR value is not a valid float"),
        ("ZRANGESTORE y z 0 1 BYSCORE BYSCORE", "ERR syntax error"),
        ("ZRANGESTORE y z 0 1 WITHSCORES", "ERR syntax error"),
        ("ZRANGEBYSCORE z 0 1 LIMIT x 1", "ERR value is not an integer or out of range"),
    ] {
        assert_eq!(bed.run(command), format!("-{error}\r\n"), "{command}");
    }
}

#[test]
fn bounds_are_decimal_numbers_or_nothing() {
    let mut bed = bed();
    assert_eq!(bed.run("ZCOUNT z  2"), ":2\r\n", "nothing is 0");
    for wrong in ["0x1p1", "\t2", "2\t"] {
        assert_eq!(bed.run(&format!("ZCOUNT z 0 {wrong}")), "-ERR min or max is not a float\r\n");
    }
    assert_eq!(bed.run("ZCOUNT z ( 2"), ":2\r\n");
    assert_eq!(bed.run("ZCOUNT z -1e999 1e999"), ":3\r\n");
    assert_eq!(bed.run("ZCOUNT z 1e-999 2"), ":2\r\n");
}

#[test]
fn removals_by_range_say_how_many() {
    let mut bed = bed();
    assert_eq!(bed.run("ZREMRANGEBYSCORE z (1 2"), ":1\r\n");
    assert_eq!(bed.run("ZREMRANGEBYRANK z 1 9"), ":1\r\n");
    assert_eq!(bed.run("ZREMRANGEBYRANK z 4 9"), ":0\r\n");
    assert_eq!(bed.run("ZREM z x a"), ":1\r\n");
    assert_eq!(bed.run("ZREM z x a"), ":0\r\n");
}

#[test]
fn zrank_tells_the_place_and_since_7_2_the_score() {
    let mut bed = bed();
    assert_eq!(bed.run("ZRANK z c"), ":2\r\n");
    assert_eq!(bed.run("ZREVRANK z c"), ":0\r\n");
    assert_eq!(plain(&bed.run("ZRANK z c WITHSCORE")), "*2 :2 3");
    assert_eq!(bed.run("ZRANK z x"), "$-1\r\n");
    assert_eq!(bed.run("ZRANK z x WITHSCORE"), "*-1\r\n");
    assert_eq!(bed.run("ZRANK z c WITHSCORES"), "-ERR syntax error\r\n");
    assert_eq!(bed.run("ZREVRANK z c d e"), "-ERR wrong number of arguments for 'zrevrank' command\r\n");
}

#[test]
fn pairs_are_nested_in_resp3() {
    let mut bed = bed();
    bed.protocol = Protocol::Resp3;
    for (command, reply) in [
        ("ZRANGE z 0 0 WITHSCORES", "*1 *2 a ,1"),
        ("ZRANDMEMBER z 3 WITHSCORES", "*3 *2 a ,1 *2 b ,2 *2 c ,3"),
        ("ZUNION 1 z WITHSCORES", "*3 *2 a ,1 *2 b ,2 *2 c ,3"),
        ("ZSCAN z 0 MATCH a", "*2 0 *2 a 1"),
        ("ZMSCORE z a x", "*2 ,1 _"),
        ("ZPOPMIN z", "*2 a ,1"),
        ("ZPOPMIN z 1", "*1 *2 b ,2"),
        ("BZPOPMIN z 0", "*3 z c ,3"),
        ("ZMPOP 1 z MIN", "_"),
    ] {
        assert_eq!(plain(&bed.run(command)), reply, "{command}");
    }
}

#[test]
fn pops_take_from_either_end() {
    let mut bed = bed();
    assert_eq!(plain(&bed.run("ZPOPMAX z")), "*2 c 3");
    assert_eq!(plain(&bed.run("ZPOPMIN z 5")), "*4 a 1 b 2");
    assert_eq!(bed.run("ZPOPMIN z 5"), "*0\r\n");
    bed.run("ZADD z 1 a 2 b 3 c");
    assert_eq!(plain(&bed.run("ZMPOP 2 none z MAX COUNT 2")), "*2 z *2 *2 c 3 *2 b 2");
    assert_eq!(bed.run("ZMPOP 1 none MAX"), "*-1\r\n");
    assert_eq!(bed.run("ZPOPMIN z 0"), "*0\r\n");
    for (command, error) in [
        ("ZPOPMIN z -1", "ERR value is out of range, must be positive"),
        ("ZPOPMIN z 1 2", "ERR syntax error"),
        ("ZMPOP 0 z MIN", "ERR numkeys should be greater than 0"),
        ("ZMPOP 9 z MIN", "ERR syntax error"),
        ("ZMPOP 1 z MID", "ERR syntax error"),
        ("ZMPOP 1 z MIN COUNT 0", "ERR count should be greater than 0"),
        ("ZMPOP 1 z MIN COUNT 1 COUNT 2", "ERR syntax error"),
        ("ZMPOP 1 z MIN COUNT", "ERR syntax error"),
        ("BZPOPMIN z x", "ERR timeout is not a float or out of range"),
        ("BZMPOP -1 1 z MIN", "ERR timeout is negative"),
    ] {
        assert_eq!(bed.run(command), format!("-{error}\r\n"), "{command}");
    }
}

#[test]
fn pops_are_propagated_as_what_they_do() {
    for (command, propagated) in [
        ("ZPOPMIN z 2", "ZPOPMIN z 2"),
        ("ZMPOP 2 none z MAX COUNT 9", "ZPOPMAX z 3"),
        ("BZPOPMIN none z 0", "ZPOPMIN z"),
        ("BZPOPMAX z 0", "ZPOPMAX z"),
        ("BZMPOP 0 1 z MIN", "ZPOPMIN z 1"),
    ] {
        assert_eq!(bed().propagated(command), [propagated]);
    }
    for command in ["ZMPOP 1 none MIN", "ZREM z x", "ZADD z 1 a", "ZADD z NX 2 a", "ZPOPMIN z 0"] {
        assert_eq!(bed().propagated(command), [""; 0], "{command}");
    }
}

#[test]
fn sets_and_sorted_sets_combine() {
    let mut bed = bed();
    bed.run("ZADD y 10 b 20 c 30 d");
    bed.run("SADD s b c 7");
    for (command, reply) in [
        ("ZUNION 2 z y WITHSCORES", "*8 a 1 b 12 c 23 d 30"),
        ("ZUNION 2 z y WEIGHTS 2 -1 WITHSCORES", "*8 d -30 c -14 b -6 a 2"),
        ("ZUNION 2 z y AGGREGATE MAX WITHSCORES", "*8 a 1 b 10 c 20 d 30"),
        ("ZINTER 3 z y s WITHSCORES", "*4 b 13 c 24"),
        ("ZINTER 2 z s AGGREGATE MIN WITHSCORES", "*4 b 1 c 1"),
        ("ZINTER 2 z none", "*0"),
        ("ZDIFF 2 z s WITHSCORES", "*2 a 1"),
        ("ZDIFF 2 s z", "*1 7"),
        ("ZDIFF 2 z z", "*0"),
        ("ZINTERCARD 2 z y", ":2"),
        ("ZINTERCARD 2 z y LIMIT 1", ":1"),
        ("ZINTERCARD 2 z y LIMIT 0", ":2"),
        ("ZUNIONSTORE t 2 z s", ":4"),
        ("ZRANGE t 0 -1 WITHSCORES", "*8 7 1 a 1 b 3 c 4"),
        ("ZINTERSTORE t 2 z y", ":2"),
        ("ZDIFFSTORE t 1 s", ":3"),
        ("ZRANGESTORE t z 0 1 REV", ":2"),
        ("ZRANGE t 0 -1", "*2 b c"),
    ] {
        assert_eq!(plain(&bed.run(command)), reply, "{command}");
    }
}

#[test]
fn infinities_that_cancel_out_make_zero() {
    let mut bed = Testbed::new();
    bed.run("ZADD x inf m");
    bed.run("ZADD y -inf m");
    assert_eq!(plain(&bed.run("ZUNION 2 x y WITHSCORES")), "*2 m 0");
    assert_eq!(plain(&bed.run("ZINTER 2 x y WITHSCORES")), "*2 m 0");
    assert_eq!(plain(&bed.run("ZUNION 1 x WEIGHTS 0 WITHSCORES")), "*2 m 0");
}

#[test]
fn wrong_combinations_are_refused() {
    let mut bed = bed();
    bed.run("SET string x");
    for (command, error) in [
        ("ZUNION 0 z", "ERR at least 1 input key is needed for 'zunion' command"),
        ("ZDIFFSTORE t x z", "ERR value is not an integer or out of range"),
        ("ZINTER 3 z z", "ERR syntax error"),
        ("ZUNION 1 z WEIGHTS x", "ERR weight value is not a float"),
        ("ZUNION 2 z z WEIGHTS 1", "ERR syntax error"),
        ("ZUNION 1 z AGGREGATE avg", "ERR syntax error"),
        ("ZUNIONSTORE t 1 z WITHSCORES", "ERR syntax error"),
        ("ZDIFF 1 z WEIGHTS 1", "ERR syntax error"),
        ("ZINTERCARD 1 z WITHSCORES", "ERR syntax error"),
        ("ZINTERCARD 1 z LIMIT -1", "ERR LIMIT can't be negative"),
        ("ZUNION 1 string", "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ] {
        assert_eq!(bed.run(command), format!("-{error}\r\n"), "{command}");
    }
}

/// The same inputs in both encodings, for both ways of subtracting.
#[test]
fn results_do_not_depend_on_encodings_or_sizes() {
    let mut bed = Testbed::new();
    let members = |range: std::ops::Range<i32>| range.map(|n| format!(" {} m{n}", n % 7)).collect::<String>();
    bed.run(&format!("ZADD big{}", members(0..300)));
    bed.run(&format!("ZADD small{}", members(290..310)));
    assert_eq!(plain(&bed.run("OBJECT ENCODING big")), "skiplist");
    assert_eq!(plain(&bed.run("OBJECT ENCODING small")), "listpack");
    for (command, count) in [
        ("ZINTERCARD 2 big small", 10),
        ("ZUNIONSTORE t 2 big small", 310),
        ("ZDIFFSTORE t 2 big small", 290),
        ("ZDIFFSTORE t 6 big small small small small small", 290),
        ("ZDIFFSTORE t 2 small big", 10),
    ] {
        assert_eq!(bed.run(command), format!(":{count}\r\n"), "{command}");
    }
    assert_eq!(plain(&bed.run("OBJECT ENCODING t")), "listpack");
}

#[test]
fn zrandmember_returns_different_members_unless_the_count_is_negative() {
    let mut bed = bed();
    assert_eq!(plain(&bed.run("ZRANDMEMBER z 9")), "*3 a b c");
    assert!(plain(&bed.run("ZRANDMEMBER z 2")).starts_with("*2 "));
    assert!(bed.run("ZRANDMEMBER z -9 WITHSCORES").starts_with("*18\r\n"));
    assert_eq!(bed.run("ZRANDMEMBER z 0"), "*0\r\n");
    assert_eq!(bed.run("ZRANDMEMBER none"), "$-1\r\n");
    assert_eq!(bed.run("ZRANDMEMBER none 1"), "*0\r\n");
    assert_eq!(bed.run("ZRANDMEMBER z 1 WITHSCORE"), "-ERR syntax error\r\n");
    assert_eq!(bed.run("ZRANDMEMBER z 9223372036854775807 WITHSCORES"), "-ERR value is out of range\r\n");
    let all: String = (0..500).map(|n| format!(" 0 m{n}")).collect();
    bed.run(&format!("ZADD big{all}"));
    for count in [3, 100, 400] {
        let reply = plain(&bed.run(&format!("ZRANDMEMBER big {count}")));
        let different: std::collections::HashSet<&str> = reply.split(' ').skip(1).collect();
        assert_eq!(different.len(), count, "{reply}");
    }
}

#[test]
fn zscan_goes_over_all_members() {
    let mut bed = Testbed::new();
    let all: String = (0..500).map(|n| format!(" {n}.5 m{n}")).collect();
    bed.run(&format!("ZADD big{all}"));
    let (mut cursor, mut seen) = ("0".to_owned(), std::collections::BTreeMap::new());
    loop {
        let reply = plain(&bed.run(&format!("ZSCAN big {cursor} COUNT 20")));
        let words: Vec<&str> = reply.split(' ').collect();
        seen.extend(words[3..].chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())));
        cursor = words[1].to_owned();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 500);
    assert!(seen.iter().all(|(member, score)| format!("{}.5", &member[1..]) == *score));
    assert_eq!(plain(&bed.run("ZSCAN none 0")), "*2 0 *0");
    assert_eq!(bed.run("ZSCAN big x"), "-ERR invalid cursor\r\n");
}

#[test]
fn thresholds_follow_the_directives() {
    let mut bed = Testbed::new();
    bed.run("CONFIG SET zset-max-listpack-entries 2 zset-max-ziplist-value 3");
    bed.run("ZADD z 1 a 2 b");
    assert_eq!(plain(&bed.run("OBJECT ENCODING z")), "listpack");
    bed.run("ZADD z 1 c");
    assert_eq!(plain(&bed.run("OBJECT ENCODING z")), "skiplist");
    bed.run("ZADD y 1 long");
    assert_eq!(plain(&bed.run("OBJECT ENCODING y")), "skiplist");
}

#[test]
fn scores_may_count_the_sets_that_have_a_member() {
    let mut bed = Testbed::new();
    bed.run("ZADD a 5 x 6 y");
    bed.run("ZADD b -7 x inf z");
    bed.run("SADD c x");
    let union = "ZUNION 3 a b c AGGREGATE COUNT WITHSCORES";
    assert_eq!(bed.run(union), "*6\r\n$1\r\ny\r\n$1\r\n1\r\n$1\r\nz\r\n$1\r\n1\r\n$1\r\nx\r\n$1\r\n3\r\n");
    let weighed = "ZINTER 3 a b c WEIGHTS 10 0.5 -2 AGGREGATE count WITHSCORES";
    assert_eq!(bed.run(weighed), "*2\r\n$1\r\nx\r\n$3\r\n8.5\r\n");
    assert_eq!(bed.run("ZUNIONSTORE d 2 a b AGGREGATE COUNT"), ":3\r\n");
    assert_eq!(bed.run("ZSCORE d x"), "$1\r\n2\r\n");
    assert_eq!(bed.run("ZDIFF 2 a b AGGREGATE COUNT"), "-ERR syntax error\r\n");
    assert_eq!(bed.run("ZUNION 1 a AGGREGATE COUNTS"), "-ERR syntax error\r\n");
}

#[test]
fn a_scan_may_leave_the_scores_out() {
    let mut bed = Testbed::new();
    bed.run("ZADD z 1 a 2 b");
    assert_eq!(bed.run("ZSCAN z 0 NOSCORES"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_eq!(bed.run("ZSCAN z 0 noscores COUNT 5 NOSCORES MATCH a*"), "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
    bed.run("SADD s a");
    for command in ["SSCAN s 0 NOSCORES", "SCAN 0 NOSCORES"] {
        assert_eq!(bed.run(command), "-ERR NOSCORES option can only be used in ZSCAN\r\n", "{command}");
    }
    for command in ["SSCAN s 0 NOVALUES", "SCAN 0 NOVALUES", "ZSCAN z 0 NOVALUES"] {
        assert_eq!(bed.run(command), "-ERR NOVALUES option can only be used in HSCAN\r\n", "{command}");
    }
}

#[test]
fn a_long_zadd_makes_a_big_set_whatever_comes_of_it() {
    let pairs = |count: usize| " 0 a".repeat(count);
    for (first, command, encoding) in [
        ("", "ZADD d", "skiplist"),
        ("ZADD d 1 a", "ZADD d", "skiplist"),
        ("ZADD d 1 a", "ZADD d XX", "skiplist"),
        ("ZADD d 1 a", "ZADD none XX", "listpack"),
    ] {
        let mut bed = Testbed::new();
        bed.run(first);
        bed.run(&format!("{command}{}", pairs(129)));
        assert_eq!(bed.run("OBJECT ENCODING d").lines().nth(1), Some(encoding), "{first}, {command}");
    }
    let mut bed = Testbed::new();
    bed.run(&format!("ZADD d{}", pairs(128)));
    assert_eq!(bed.run("OBJECT ENCODING d").lines().nth(1), Some("listpack"));
    bed.run(&format!("GEOADD g{}", " 1 1 a".repeat(129)));
    assert_eq!(bed.run("OBJECT ENCODING g").lines().nth(1), Some("skiplist"));
}

#[test]
fn a_stored_range_loses_the_sign_of_zero_as_far_as_it_is_small() {
    for (limits, range, scores) in [
        ("128 64", "0 -1", ["0", "0"]),
        ("128 3", "0 -1", ["0", "-0"]),
        ("128 3", "0 -1 REV", ["-0", "-0"]),
        ("1 64", "0 -1", ["-0", "-0"]),
        ("1 64", "-inf +inf BYSCORE", ["0", "-0"]),
    ] {
        let mut bed = Testbed::new();
        bed.run("CONFIG SET zset-max-listpack-entries 0");
        bed.run("ZADD s -0 a -0 long");
        let (entries, value) = limits.split_once(' ').expect("two");
        bed.run(&format!("CONFIG SET zset-max-listpack-entries {entries} zset-max-listpack-value {value}"));
        bed.run(&format!("ZRANGESTORE d s {range}"));
        let found = bed.run("ZMSCORE d a long");
        let found: Vec<&str> = found.lines().skip(2).step_by(2).collect();
        assert_eq!(found, scores, "{limits}, {range}");
    }
}
