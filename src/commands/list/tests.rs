//! Replies, dirty counts and propagation of the commands on lists that do not wait.

use crate::resp::Protocol;
use crate::server::testbed::Testbed;

/// A reply with its lines joined by blanks.
fn ask(bed: &mut Testbed, command: &str) -> String {
    bed.run(command).replace("\r\n", " ").trim_end().to_owned()
}

/// The elements of a list, joined by blanks.
fn elements(bed: &mut Testbed, key: &str) -> String {
    let reply = bed.run(&format!("LRANGE {key} 0 -1"));
    let words: Vec<&str> = reply.lines().skip(1).filter(|line| !line.starts_with('$')).collect();
    words.join(" ")
}

fn check(bed: &mut Testbed, cases: &[(&str, &str)]) {
    for (command, reply) in cases {
        assert_eq!(ask(bed, command), *reply, "{command}");
    }
}

#[test]
fn elements_come_at_both_ends() {
    let mut bed = Testbed::new();
    check(
        &mut bed,
        &[
            ("LPUSHX l a", ":0"),
            ("RPUSHX l a", ":0"),
            ("LPUSH l a b 3", ":3"),
            ("RPUSH l 04 -5", ":5"),
            ("LPUSHX l x", ":6"),
            ("RPUSHX l y z", ":8"),
            ("LLEN l", ":8"),
            ("LLEN none", ":0"),
            ("TYPE l", "+list"),
            ("OBJECT ENCODING l", "$8 listpack"),
        ],
    );
    assert_eq!(elements(&mut bed, "l"), "x 3 b a 04 -5 y z");
    let before = bed.db.dirty;
    bed.run("RPUSH l 1 2 3");
    assert_eq!(bed.db.dirty - before, 3);
}

#[test]
fn ranges_count_from_either_end() {
    let mut bed = Testbed::new();
    bed.run("RPUSH l a b c d");
    check(
        &mut bed,
        &[
            ("LRANGE l 1 2", "*2 $1 b $1 c"),
            ("LRANGE l -2 -1", "*2 $1 c $1 d"),
            ("LRANGE l -100 0", "*1 $1 a"),
            ("LRANGE l 3 100", "*1 $1 d"),
            ("LRANGE l 2 1", "*0"),
            ("LRANGE l 4 9", "*0"),
            ("LRANGE l 0 -9", "*0"),
            ("LRANGE l -9223372036854775808 9223372036854775807", "*4 $1 a $1 b $1 c $1 d"),
            ("LRANGE none 0 -1", "*0"),
            ("LRANGE none a -1", "-ERR value is not an integer or out of range"),
            ("LINDEX l 0", "$1 a"),
            ("LINDEX l -1", "$1 d"),
            ("LINDEX l 4", "$-1"),
            ("LINDEX l -5", "$-1"),
            ("LINDEX l -9223372036854775808", "$-1"),
            ("LINDEX l x", "-ERR value is not an integer or out of range"),
            ("LINDEX none x", "$-1"),
        ],
    );
    bed.protocol = Protocol::Resp3;
    assert_eq!(ask(&mut bed, "LINDEX l 9"), "_");
}

#[test]
fn elements_are_replaced_and_inserted() {
    let mut bed = Testbed::new();
    bed.run("RPUSH l a b c");
    check(
        &mut bed,
        &[
            ("LSET l 1 2", "+OK"),
            ("LSET l -1 x", "+OK"),
            ("LSET l 3 x", "-ERR index out of range"),
            ("LSET l -4 x", "-ERR index out of range"),
            ("LSET l one x", "-ERR value is not an integer or out of range"),
            ("LSET none one x", "-ERR no such key"),
            ("LINSERT l before 2 1", ":4"),
            ("LINSERT l AFTER x y", ":5"),
            ("LINSERT l BEFORE a 0", ":6"),
            ("LINSERT l AFTER none y", ":-1"),
            ("LINSERT none AFTER a y", ":0"),
            ("LINSERT l beside a y", "-ERR syntax error"),
        ],
    );
    assert_eq!(elements(&mut bed, "l"), "0 a 1 2 x y");
    assert!(bed.propagated("LINSERT l AFTER none y").is_empty());
    assert_eq!(bed.propagated("LSET l 0 z"), ["LSET l 0 z"]);
}

#[test]
fn elements_of_a_text_are_removed_from_the_end_that_the_sign_tells() {
    let mut bed = Testbed::new();
    bed.run("RPUSH l a b a c a 1 a");
    check(&mut bed, &[("LREM l 1 a", ":1"), ("LREM l -2 a", ":2"), ("LREM l 0 x", ":0"), ("LREM none 0 x", ":0")]);
    assert_eq!(elements(&mut bed, "l"), "b a c 1");
    let before = bed.db.dirty;
    check(
        &mut bed,
        &[
            ("RPUSH l b b", ":6"),
            ("LREM l 0 b", ":3"),
            ("LREM l 1 1", ":1"),
            ("LREM l x a", "-ERR value is not an integer or out of range"),
            (
                "LREM l -9223372036854775808 a",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("LREM l 0 a", ":1"),
            ("LREM l 0 c", ":1"),
            ("EXISTS l", ":0"),
        ],
    );
    assert_eq!(bed.db.dirty - before, 2 + 3 + 1 + 1 + 1);
}

#[test]
fn what_lies_outside_a_range_is_trimmed() {
    let mut bed = Testbed::new();
    for (start, stop, left) in
        [(1, 3, "b c d"), (-2, -1, "d e"), (0, 0, "a"), (0, 9, "a b c d e"), (3, 1, ""), (9, 12, "")]
    {
        bed.run("DEL l");
        bed.run("RPUSH l a b c d e");
        let before = bed.db.dirty;
        assert_eq!(ask(&mut bed, &format!("LTRIM l {start} {stop}")), "+OK");
        assert_eq!(elements(&mut bed, "l"), left);
        assert_eq!(bed.db.dirty - before, 5 - left.split_whitespace().count() as u64);
    }
    check(&mut bed, &[("EXISTS l", ":0"), ("LTRIM none 0 1", "+OK")]);
}

#[test]
fn positions_are_found_by_rank_count_and_length() {
    let mut bed = Testbed::new();
    bed.run("RPUSH l a b c 1 2 3 c c");
    check(
        &mut bed,
        &[
            ("LPOS l a", ":0"),
            ("LPOS l c", ":2"),
            ("LPOS l 2", ":4"),
            ("LPOS l x", "$-1"),
            ("LPOS l c RANK 2", ":6"),
            ("LPOS l c RANK 4", "$-1"),
            ("LPOS l c RANK -1", ":7"),
            ("LPOS l c rank -3", ":2"),
            ("LPOS l c COUNT 0", "*3 :2 :6 :7"),
            ("LPOS l c COUNT 2", "*2 :2 :6"),
            ("LPOS l c COUNT 2 RANK -1", "*2 :7 :6"),
            ("LPOS l c COUNT 5 RANK 2", "*2 :6 :7"),
            ("LPOS l x COUNT 5", "*0"),
            ("LPOS l a COUNT 0 MAXLEN 1", "*1 :0"),
            ("LPOS l c COUNT 0 MAXLEN 2", "*0"),
            ("LPOS l c COUNT 0 MAXLEN 7", "*2 :2 :6"),
            ("LPOS l c RANK -1 COUNT 0 MAXLEN 5", "*2 :7 :6"),
            ("LPOS l c RANK 2 MAXLEN 3", "$-1"),
            ("LPOS none c", "$-1"),
            ("LPOS none c COUNT 0", "*0"),
            ("LPOS l c COUNT -1", "-ERR COUNT can't be negative"),
            ("LPOS l c MAXLEN -1", "-ERR MAXLEN can't be negative"),
            ("LPOS l c RANK x", "-ERR value is not an integer or out of range"),
            ("LPOS l c RANK", "-ERR syntax error"),
            ("LPOS l c LENGTH 1", "-ERR syntax error"),
        ],
    );
    assert!(ask(&mut bed, "LPOS l c RANK 0").starts_with("-ERR RANK can't be zero: use 1 to start from"));
}

#[test]
fn pops_answer_one_element_or_an_array() {
    let mut bed = Testbed::new();
    bed.run("RPUSH l a b c d 5");
    check(
        &mut bed,
        &[
            ("LPOP l", "$1 a"),
            ("RPOP l", "$1 5"),
            ("LPOP l 0", "*0"),
            ("RPOP l 2", "*2 $1 d $1 c"),
            ("LPOP l 9", "*1 $1 b"),
            ("EXISTS l", ":0"),
            ("LPOP l", "$-1"),
            ("LPOP l 1", "*-1"),
            ("RPOP l 0", "*-1"),
            ("LPOP l -1", "-ERR value is out of range, must be positive"),
            ("LPOP l x", "-ERR value is out of range, must be positive"),
            ("LPOP l 1 1", "-ERR wrong number of arguments for 'lpop' command"),
        ],
    );
    bed.run("RPUSH l a b c");
    let before = bed.db.dirty;
    assert_eq!(bed.propagated("LPOP l 2"), ["LPOP l 2"]);
    assert_eq!(bed.db.dirty - before, 2);
    bed.protocol = Protocol::Resp3;
    check(&mut bed, &[("LPOP none", "_"), ("LPOP none 1", "_")]);
}

#[test]
fn lmpop_takes_from_the_first_list_that_has_something() {
    let mut bed = Testbed::new();
    bed.run("RPUSH b 1 2 3");
    bed.run("RPUSH c x");
    check(
        &mut bed,
        &[
            ("LMPOP 3 a b c LEFT", "*2 $1 b *1 $1 1"),
            ("LMPOP 3 a b c right COUNT 5", "*2 $1 b *2 $1 3 $1 2"),
            ("LMPOP 2 a b LEFT", "*-1"),
            ("LMPOP 0 a LEFT", "-ERR numkeys should be greater than 0"),
            ("LMPOP x a LEFT", "-ERR numkeys should be greater than 0"),
            ("LMPOP 2 a LEFT", "-ERR syntax error"),
            ("LMPOP 9223372036854775807 a LEFT", "-ERR syntax error"),
            ("LMPOP 1 c UP", "-ERR syntax error"),
            ("LMPOP 1 c LEFT COUNT", "-ERR syntax error"),
            ("LMPOP 1 c LEFT COUNT 0", "-ERR count should be greater than 0"),
            ("LMPOP 1 c LEFT COUNT 1 COUNT 2", "-ERR syntax error"),
            ("LMPOP 1 c LEFT SOME 1", "-ERR syntax error"),
        ],
    );
    assert_eq!(bed.propagated("LMPOP 2 a c LEFT COUNT 7"), ["LPOP c 1"]);
}

#[test]
fn elements_move_between_ends() {
    let mut bed = Testbed::new();
    bed.run("RPUSH a 1 2 3 4");
    check(
        &mut bed,
        &[
            ("LMOVE a b LEFT RIGHT", "$1 1"),
            ("LMOVE a b RIGHT LEFT", "$1 4"),
            ("RPOPLPUSH a b", "$1 3"),
            ("LMOVE b b LEFT RIGHT", "$1 3"),
            ("LMOVE none b LEFT LEFT", "$-1"),
            ("LMOVE a b UP LEFT", "-ERR syntax error"),
        ],
    );
    assert_eq!(elements(&mut bed, "a"), "2");
    assert_eq!(elements(&mut bed, "b"), "4 1 3");
    let before = bed.db.dirty;
    check(&mut bed, &[("RPOPLPUSH a a", "$1 2"), ("RPOPLPUSH a b", "$1 2"), ("EXISTS a", ":0")]);
    assert_eq!(bed.db.dirty - before, 2);
    assert_eq!(bed.propagated("BLMOVE b c left right 0"), ["LMOVE b c left right"]);
    assert_eq!(bed.propagated("BRPOPLPUSH b c 0"), ["RPOPLPUSH b c"]);
}

#[test]
fn commands_that_could_wait_take_what_is_there() {
    let mut bed = Testbed::new();
    bed.run("RPUSH l a b c d e");
    check(
        &mut bed,
        &[
            ("BLPOP none l 0", "*2 $1 l $1 a"),
            ("BRPOP l none 0.5", "*2 $1 l $1 e"),
            ("BLMPOP 0 2 none l RIGHT COUNT 2", "*2 $1 l *2 $1 d $1 c"),
            ("BLPOP l x", "-ERR timeout is not a float or out of range"),
            ("BLPOP l -1", "-ERR timeout is negative"),
            ("BLPOP l 1e300", "-ERR timeout is out of range"),
            ("BLMPOP -1 1 l LEFT", "-ERR timeout is negative"),
            ("BLMPOP 0 1 l", "-ERR wrong number of arguments for 'blmpop' command"),
            ("BLMOVE l m LEFT x 0", "-ERR syntax error"),
            ("BLMOVE l m LEFT LEFT x", "-ERR timeout is not a float or out of range"),
        ],
    );
    assert_eq!(bed.propagated("BLPOP l 0"), ["LPOP l"]);
    bed.run("RPUSH l a b c");
    assert_eq!(bed.propagated("BRPOP l 0"), ["RPOP l"]);
    assert_eq!(bed.propagated("BLMPOP 0 1 l LEFT COUNT 9"), ["LPOP l 2"]);
}

#[test]
fn other_types_are_refused_and_stay_as_they_are() {
    let mut bed = Testbed::new();
    bed.run("SET str x");
    bed.run("RPUSH l a");
    let commands = [
        "LPUSH str a",
        "RPUSHX str a",
        "LLEN str",
        "LRANGE str 0 1",
        "LINDEX str 0",
        "LSET str 0 a",
        "LINSERT str BEFORE a b",
        "LREM str 0 a",
        "LTRIM str 0 1",
        "LPOS str a",
        "LPOP str",
        "RPOP str 1",
        "LMPOP 2 str l LEFT",
        "LMOVE str l LEFT LEFT",
        "LMOVE l str LEFT LEFT",
        "RPOPLPUSH l str",
        "BLPOP none str l 0",
        "BLMPOP 0 2 none str LEFT",
        "BLMOVE str l LEFT LEFT 0",
        "BRPOPLPUSH l str 0",
    ];
    for command in commands {
        assert!(bed.run(command).starts_with("-WRONGTYPE"), "{command}");
    }
    assert_eq!(bed.run("GET str"), "$1\r\nx\r\n");
    assert_eq!(elements(&mut bed, "l"), "a");
    assert_eq!(ask(&mut bed, "LMOVE none str LEFT LEFT"), "$-1");
}

#[test]
fn a_digest_is_that_of_redis() {
    let mut bed = Testbed::new();
    bed.run("CONFIG SET list-max-listpack-size 2");
    bed.run("RPUSH l a 1 bb 22");
    let digest = crate::db::digest::of_databases(&bed.db);
    assert_eq!(digest.to_text(), "1793b8fc24976846de22686b9dbdcad03734d6cd");
}

#[test]
fn a_quicklist_becomes_a_listpack_when_something_is_removed_and_when_it_is_trimmed() {
    for (command, encoding) in [
        ("LREM l 1 none", "quicklist"),
        ("LREM l 1 7", "listpack"),
        ("LTRIM l 0 -1", "listpack"),
        ("LTRIM l 0 1", "listpack"),
        ("LPOP l 0", "quicklist"),
        ("LPOP l", "listpack"),
    ] {
        let mut bed = Testbed::new();
        bed.run("RPUSH l 7 8 9");
        // What is announced would not fit, even if nothing comes of it.
        bed.run(&format!("LINSERT l AFTER none {}", "a".repeat(9000)));
        assert_eq!(bed.run("OBJECT ENCODING l").lines().nth(1), Some("quicklist"));
        bed.run(command);
        assert_eq!(bed.run("OBJECT ENCODING l").lines().nth(1), Some(encoding), "{command}");
    }
}
