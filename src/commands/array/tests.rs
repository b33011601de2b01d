//! Replies and propagation of the commands on arrays.

use crate::resp::Protocol;
use crate::server::testbed::Testbed;

const MAX: &str = "18446744073709551614";

#[test]
fn elements_are_set_and_counted_when_they_are_new() {
    let mut bed = Testbed::new();
    assert_eq!(bed.run("ARSET a 0 hello"), ":1\r\n");
    assert_eq!(bed.run("ARSET a 0 world x y"), ":2\r\n");
    assert_eq!(bed.run("ARMSET a 1 one 9 nine 9 again"), ":1\r\n");
    assert_eq!(bed.run("ARGET a 1"), "$3\r\none\r\n");
    assert_eq!(bed.run("ARGET a 5"), "$-1\r\n");
    assert_eq!(bed.run("ARGET none 5"), "$-1\r\n");
    assert_eq!(bed.run("ARMGET a 9 8 0"), "*3\r\n$5\r\nagain\r\n$-1\r\n$5\r\nworld\r\n");
    assert_eq!(bed.run("ARMGET none 1 2"), "*2\r\n$-1\r\n$-1\r\n");
    assert_eq!((bed.run("ARLEN a"), bed.run("ARCOUNT a")), (":10\r\n".into(), ":4\r\n".into()));
    assert_eq!((bed.run("ARLEN none"), bed.run("ARCOUNT none")), (":0\r\n".into(), ":0\r\n".into()));
    assert_eq!(bed.run("TYPE a"), "+array\r\n");
    assert_eq!(bed.run("OBJECT ENCODING a"), "$12\r\nsliced-array\r\n");
    assert_eq!(bed.run(&format!("ARSET a {MAX} end")), ":1\r\n");
    assert_eq!(bed.run("ARLEN a"), ":18446744073709551615\r\n");
    assert_eq!(bed.run(&format!("ARGET a {MAX}")), "$3\r\nend\r\n");
}

#[test]
fn indexes_are_checked_before_anything_is_done() {
    let mut bed = Testbed::new();
    let bad = "-ERR invalid array index\r\n";
    for index in ["-1", "x", "", "01", "+1", "1.0", "18446744073709551615", "99999999999999999999", " 1"] {
        for words in [
            vec!["ARGET", "a", index],
            vec!["ARSET", "a", index, "v"],
            vec!["ARMSET", "a", "1", "v", index, "v"],
            vec!["ARMGET", "a", "1", index],
            vec!["ARDEL", "a", "1", index],
            vec!["ARDELRANGE", "a", "0", "1", "2", index],
            vec!["ARGETRANGE", "a", index, "1"],
            vec!["ARSCAN", "a", "1", index],
            vec!["AROP", "a", "1", index, "SUM"],
            vec!["ARGREP", "a", "1", index, "MATCH", "x"],
        ] {
            assert_eq!(bed.run_words(&words), bad, "{words:?}");
        }
    }
    assert_eq!(bed.run("ARSEEK a -1"), bad);
    assert_eq!(bed.run(&format!("ARSET a {MAX} v w")), "-ERR array index overflow\r\n");
    assert_eq!(bed.run("ARMSET a 1 v 2"), "-ERR wrong number of arguments for 'armset' command\r\n");
    assert_eq!(bed.run("ARDELRANGE a 1 2 3"), "-ERR wrong number of arguments for 'ardelrange' command\r\n");
    assert_eq!(bed.run("EXISTS a"), ":0\r\n");
}

#[test]
fn other_types_are_refused() {
    let mut bed = Testbed::new();
    bed.run("SET s x");
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    for command in [
        "ARSET s 0 v",
        "ARMSET s 0 v",
        "ARGET s 0",
        "ARMGET s 0",
        "ARDEL s 0",
        "ARDELRANGE s 0 1",
        "ARLEN s",
        "ARCOUNT s",
        "ARGETRANGE s 0 1",
        "ARSCAN s 0 1",
        "ARGREP s - + MATCH x",
        "AROP s 0 1 SUM",
        "ARINSERT s v",
        "ARRING s 2 v",
        "ARNEXT s",
        "ARSEEK s 1",
        "ARLASTITEMS s 1",
        "ARINFO s",
    ] {
        assert_eq!(bed.run(command), wrong, "{command}");
    }
    bed.run("ARSET a 0 v");
    assert_eq!(bed.run("GET a"), wrong);
    assert_eq!(bed.run("LPUSH a v"), wrong);
}

#[test]
fn the_last_element_takes_the_key_along() {
    let mut bed = Testbed::new();
    bed.run("ARSET a 0 v v v v v v");
    assert_eq!(bed.run("ARDEL a 1 1 7"), ":1\r\n");
    assert_eq!(bed.run("ARDELRANGE a 3 2 0 0"), ":3\r\n");
    assert_eq!(bed.run("ARDELRANGE none 3 2"), ":0\r\n");
    assert_eq!(bed.run("ARDEL none 3"), ":0\r\n");
    assert_eq!(bed.run(&format!("ARDELRANGE a {MAX} 6")), ":0\r\n");
    assert_eq!(bed.run("EXISTS a"), ":1\r\n");
    assert_eq!(bed.run(&format!("ARDELRANGE a 0 {MAX}")), ":2\r\n");
    assert_eq!(bed.run("EXISTS a"), ":0\r\n");
    assert!(bed.propagated("ARDEL none 3").is_empty());
}

#[test]
fn ranges_follow_the_order_of_their_ends_and_are_bounded_where_holes_are_shown() {
    let mut bed = Testbed::new();
    bed.run("ARMSET a 0 a 2 c 4097 x");
    assert_eq!(bed.run("ARGETRANGE a 0 3"), "*4\r\n$1\r\na\r\n$-1\r\n$1\r\nc\r\n$-1\r\n");
    assert_eq!(bed.run("ARGETRANGE a 3 1"), "*3\r\n$-1\r\n$1\r\nc\r\n$-1\r\n");
    assert_eq!(bed.run("ARGETRANGE none 0 1"), "*2\r\n$-1\r\n$-1\r\n");
    let wide = "-ERR range exceeds maximum of 1000000 items\r\n";
    assert_eq!(bed.run("ARGETRANGE a 0 1000000"), wide);
    assert_eq!(bed.run("ARGETRANGE none 1000000 0"), wide);
    assert!(bed.run("ARGETRANGE a 1 1000000").starts_with("*1000000\r\n"));
    let all = format!("ARSCAN a 0 {MAX}");
    let pairs = ["*2\r\n:0\r\n$1\r\na\r\n", "*2\r\n:2\r\n$1\r\nc\r\n", "*2\r\n:4097\r\n$1\r\nx\r\n"];
    assert_eq!(bed.run(&all), format!("*3\r\n{}", pairs.concat()));
    assert_eq!(bed.run(&format!("{all} LIMIT 2")), format!("*2\r\n{}{}", pairs[0], pairs[1]));
    assert_eq!(bed.run(&format!("ARSCAN a {MAX} 1")), format!("*2\r\n{}{}", pairs[2], pairs[1]));
    assert_eq!(bed.run("ARSCAN a 5 4000"), "*0\r\n");
    assert_eq!(bed.run("ARSCAN none 0 9"), "*0\r\n");
    assert_eq!(bed.run("ARSCAN a 0 9 LIMIT 0"), "-ERR LIMIT must be positive\r\n");
    assert_eq!(bed.run("ARSCAN a 0 9 LIMIT x"), "-ERR value is not an integer or out of range\r\n");
    assert_eq!(bed.run("ARSCAN a 0 9 COUNT 1"), "-ERR syntax error\r\n");
    assert_eq!(bed.run("ARSCAN a 0 9 LIMIT"), "-ERR wrong number of arguments for 'arscan' command\r\n");
    bed.protocol = Protocol::Resp3;
    assert_eq!(bed.run("ARGETRANGE a 1 2"), "*2\r\n_\r\n$1\r\nc\r\n");
    assert_eq!(bed.run("ARGET a 1"), "_\r\n");
}

#[test]
fn argrep_finds_what_matches() {
    let mut bed = Testbed::new();
    bed.run("ARMSET a 0 alpha 1 beta 2 ALPHABET 5 gamma 4096 42");
    assert_eq!(bed.run("ARGREP a - + MATCH alpha"), "*1\r\n:0\r\n");
    assert_eq!(bed.run("ARGREP a - + MATCH alpha NOCASE"), "*2\r\n:0\r\n:2\r\n");
    assert_eq!(bed.run("ARGREP a + - MATCH alpha NOCASE"), "*2\r\n:2\r\n:0\r\n");
    assert_eq!(bed.run("ARGREP a - + EXACT alpha EXACT GAMMA NOCASE"), "*2\r\n:0\r\n:5\r\n");
    assert_eq!(bed.run("ARGREP a - + GLOB *a* EXACT beta AND"), "*1\r\n:1\r\n");
    assert_eq!(bed.run("ARGREP a - + AND GLOB *a* OR EXACT beta LIMIT 9 LIMIT 1"), "*1\r\n:0\r\n");
    assert_eq!(bed.run("ARGREP a - + RE ^[0-9]{2}$ WITHVALUES"), "*1\r\n*2\r\n:4096\r\n$2\r\n42\r\n");
    assert_eq!(bed.run("ARGREP a 1 5 RE ^(BETA|gamma)$ NOCASE"), "*2\r\n:1\r\n:5\r\n");
    assert_eq!(bed.run_words(&["ARGREP", "a", "-", "+", "MATCH", ""]).lines().next(), Some("*5"));
    assert_eq!(bed.run("ARGREP none - + MATCH x"), "*0\r\n");
}

#[test]
fn argrep_refuses_what_it_cannot_look_for() {
    let mut bed = Testbed::new();
    bed.run("ARSET a 0 v");
    let syntax = "-ERR syntax error\r\n";
    assert_eq!(bed.run("ARGREP a - + LIMIT 1"), syntax);
    assert_eq!(bed.run("ARGREP a - + MATCH v FOO"), syntax);
    assert_eq!(bed.run("ARGREP a - + MATCH v RE"), syntax);
    assert_eq!(bed.run("ARGREP a - + MATCH v LIMIT 0"), "-ERR LIMIT must be positive\r\n");
    assert_eq!(bed.run("ARGREP a - + RE ("), "-ERR invalid regular expression: Missing ')'\r\n");
    assert_eq!(bed.run("ARGREP none - + RE (a)\\1"), "-ERR regular expression backreferences are not supported\r\n");
    assert_eq!(bed.run("ARGREP a - + RE "), "-ERR regular expression is empty\r\n");
    let long = "a".repeat(2049);
    let too_long = "-ERR regular expression is too long, maximum is 2048 bytes\r\n";
    assert_eq!(bed.run_words(&["ARGREP", "a", "-", "+", "RE", &long]), too_long);
    assert_eq!(bed.run_words(&["ARGREP", "a", "-", "+", "RE", &long[1..], "NOCASE"]), "*0\r\n");
    let many = |count: usize| [vec!["ARGREP", "a", "-", "+"], ["MATCH", "v"].repeat(count)].concat();
    assert_eq!(bed.run_words(&many(250)), "*1\r\n:0\r\n");
    assert_eq!(bed.run_words(&many(251)), "-ERR too many predicates, maximum is 250\r\n");
}

#[test]
fn arop_aggregates_what_is_a_number() {
    let mut bed = Testbed::new();
    bed.run("ARMSET a 0 10 1 -20.5 2 word 3 30 9 0x10 10 1e3");
    assert_eq!(bed.run("AROP a 0 8 SUM"), "$4\r\n19.5\r\n");
    assert_eq!(bed.run("AROP a 8 0 MIN"), "$5\r\n-20.5\r\n");
    assert_eq!(bed.run("AROP a 0 8 MAX"), "$2\r\n30\r\n");
    assert_eq!(bed.run("AROP a 0 99 SUM"), "$6\r\n1035.5\r\n");
    assert_eq!(bed.run("AROP a 2 2 SUM"), "$-1\r\n");
    assert_eq!(bed.run("AROP none 0 9 MAX"), "$-1\r\n");
    assert_eq!((bed.run("AROP a 0 9 USED"), bed.run("AROP none 0 9 USED")), (":5\r\n".into(), ":0\r\n".into()));
    assert_eq!((bed.run("AROP a 0 9 MATCH word"), bed.run("AROP a 0 9 MATCH x")), (":1\r\n".into(), ":0\r\n".into()));
    bed.run("ARMSET b 0 7.9 1 3.2 2 1.8 3 x");
    assert_eq!((bed.run("AROP b 0 9 AND"), bed.run("AROP b 0 9 OR")), (":1\r\n".into(), ":7\r\n".into()));
    assert_eq!((bed.run("AROP b 0 9 XOR"), bed.run("AROP b 3 3 XOR")), (":5\r\n".into(), "$-1\r\n".into()));
    bed.run("ARMSET c 0 9223372036854775807 1 9223372036854775807 2 0.1 3 1e30 4 -9223372036854775808");
    assert_eq!(bed.run("AROP c 0 1 SUM"), "$22\r\n1.8446744073709552e+19\r\n");
    assert_eq!(bed.run("AROP c 0 0 MAX"), "$22\r\n9.2233720368547758e+18\r\n");
    assert_eq!(
        (bed.run("AROP c 2 2 SUM"), bed.run("AROP c 3 3 MIN")),
        ("$3\r\n0.1\r\n".into(), "$5\r\n1e+30\r\n".into())
    );
    assert_eq!(
        (bed.run("AROP c 3 3 OR"), bed.run("AROP c 4 4 OR")),
        ("$-1\r\n".into(), ":-9223372036854775808\r\n".into())
    );
    bed.run("ARMSET d 0 inf 1 1 2 -inf");
    assert_eq!(
        (bed.run("AROP d 0 1 SUM"), bed.run("AROP d 0 2 SUM")),
        ("$3\r\ninf\r\n".into(), "$3\r\nnan\r\n".into())
    );
    assert_eq!(
        (bed.run("AROP d 0 2 MIN"), bed.run("AROP d 0 2 MAX")),
        ("$4\r\n-inf\r\n".into(), "$3\r\ninf\r\n".into())
    );
    assert_eq!(bed.run("AROP a 0 1 AVG"), "-ERR unknown operation\r\n");
    assert_eq!(bed.run("AROP a 0 1 MATCH"), "-ERR MATCH requires a value argument\r\n");
    assert_eq!(bed.run("AROP a 0 1 SUM x"), "-ERR wrong number of arguments for 'arop' command\r\n");
}

#[test]
fn the_cursor_goes_along_with_what_is_inserted() {
    let mut bed = Testbed::new();
    assert_eq!(bed.run("ARNEXT a"), ":0\r\n");
    assert_eq!(bed.run("ARSEEK a 5"), ":0\r\n");
    assert_eq!(bed.run("ARINSERT a x"), ":0\r\n");
    assert_eq!(bed.run("ARINSERT a y z"), ":2\r\n");
    assert_eq!(bed.run("ARSET a 50 far"), ":1\r\n");
    assert_eq!(bed.run("ARNEXT a"), ":3\r\n");
    assert_eq!(bed.run("ARSEEK a 10"), ":1\r\n");
    assert_eq!(bed.run("ARINSERT a v"), ":10\r\n");
    assert_eq!(bed.run("ARSEEK a 18446744073709551613"), ":1\r\n");
    let overflow = "-ERR insert index overflow\r\n";
    assert_eq!(bed.run("ARINSERT a v w x"), overflow);
    assert_eq!(bed.run("ARINSERT a v w"), format!(":{MAX}\r\n"));
    assert_eq!(bed.run("ARINSERT a v"), overflow);
    assert_eq!(bed.run("ARNEXT a"), "$-1\r\n");
    assert_eq!(bed.run("ARSEEK a 0"), ":1\r\n");
    assert_eq!(bed.run("ARNEXT a"), ":0\r\n");
    assert_eq!(bed.run("ARSEEK a 18446744073709551615"), ":1\r\n");
    assert_eq!(bed.run("ARINSERT a v"), overflow);
    assert_eq!(bed.run("ARRING a 3 x"), ":2\r\n", "behind the two that were inserted last");
}

#[test]
fn a_ring_wraps_and_its_last_items_are_told() {
    let mut bed = Testbed::new();
    for (value, index) in (0..10).zip([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]) {
        assert_eq!(bed.run(&format!("ARRING a 5 {value}")), format!(":{index}\r\n"));
    }
    assert_eq!(bed.run("ARRING a 5 10 11"), ":1\r\n");
    assert_eq!(bed.run("ARLASTITEMS a 3"), "*3\r\n$1\r\n9\r\n$2\r\n10\r\n$2\r\n11\r\n");
    assert_eq!(bed.run("ARLASTITEMS a 3 REV"), "*3\r\n$2\r\n11\r\n$2\r\n10\r\n$1\r\n9\r\n");
    assert_eq!(bed.run("ARLASTITEMS a 99").lines().next(), Some("*5"));
    assert_eq!((bed.run("ARLASTITEMS a 0"), bed.run("ARLASTITEMS none 5")), ("*0\r\n".into(), "*0\r\n".into()));
    assert_eq!(
        (bed.run("ARRING a 0 v"), bed.run("ARRING a x v")),
        ("-ERR size must be positive\r\n".into(), "-ERR invalid size\r\n".into(),)
    );
    assert_eq!(bed.run("ARLASTITEMS a x"), "-ERR invalid COUNT\r\n");
    assert_eq!(bed.run("ARLASTITEMS a 1 BACK"), "-ERR syntax error\r\n");
    bed.run("ARINSERT h a b c d e");
    bed.run("ARDEL h 1 4");
    assert_eq!(bed.run("ARLASTITEMS h 10"), "*4\r\n$1\r\na\r\n$-1\r\n$1\r\nc\r\n$1\r\nd\r\n");
    bed.run("ARMSET wide 0 a 2000000 b");
    assert_eq!(bed.run("ARLASTITEMS wide 1000001"), "-ERR count exceeds maximum of 1000000 items\r\n");
    assert_eq!(bed.run("ARLASTITEMS wide 2"), "*2\r\n$-1\r\n$1\r\nb\r\n");
    bed.run(&format!("ARSET {MAX} {MAX} x"));
    assert_eq!(bed.run(&format!("ARLASTITEMS {MAX} 2 REV")), "*2\r\n$1\r\nx\r\n$-1\r\n");
}

#[test]
fn arinfo_tells_of_slices() {
    let mut bed = Testbed::new();
    bed.run("ARMSET a 0 a 1 b 100 c");
    let head = "$5\r\ncount\r\n:3\r\n$3\r\nlen\r\n:101\r\n$17\r\nnext-insert-index\r\n:0\r\n$6\r\nslices\r\n:1\r\n\
                $14\r\ndirectory-size\r\n:1\r\n$17\r\nsuper-dir-entries\r\n:0\r\n$10\r\nslice-size\r\n:4096\r\n";
    assert_eq!(bed.run("ARINFO a"), format!("*14\r\n{head}"));
    let full = "$12\r\ndense-slices\r\n:0\r\n$13\r\nsparse-slices\r\n:1\r\n$14\r\navg-dense-size\r\n$1\r\n0\r\n\
                $14\r\navg-dense-fill\r\n$1\r\n0\r\n$15\r\navg-sparse-size\r\n$1\r\n4\r\n";
    assert_eq!(bed.run("ARINFO a FULL"), format!("*24\r\n{head}{full}"));
    assert_eq!(bed.run("ARINFO none"), "-ERR no such key\r\n");
    assert_eq!(bed.run("ARINFO a ALL"), "-ERR syntax error\r\n");
    bed.run("ARSET a 8388608 x");
    assert!(bed.run("ARINFO a").contains("super-dir-entries\r\n:2\r\n"));
    bed.protocol = Protocol::Resp3;
    assert!(bed.run("ARINFO a FULL").starts_with("%12\r\n$5\r\ncount\r\n:4\r\n"));
    assert!(bed.run("ARINFO a FULL").ends_with("avg-sparse-size\r\n,3\r\n"));
}

#[test]
fn what_is_written_is_propagated_as_it_came() {
    let mut bed = Testbed::new();
    for command in ["ARSET a 0 v", "ARMSET a 0 v 5 w", "ARINSERT a v", "ARRING a 3 v", "ARSEEK a 9", "ARDEL a 0"] {
        assert_eq!(bed.propagated(command), [command], "{command}");
    }
    assert_eq!(bed.propagated("ARDELRANGE a 0 99"), ["ARDELRANGE a 0 99"]);
    assert!(bed.propagated("ARGET a 0").is_empty());
    assert!(bed.propagated("ARSEEK a 0").is_empty());
}
