//! Replies and propagation of the commands on path hashes.

use crate::resp::Protocol;
use crate::server::testbed::Testbed;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
const SYNTAX: &str = "-ERR syntax error\r\n";
const NOT_POSITIVE: &str = "-ERR value is out of range, must be positive\r\n";

/// Bulk strings as they are sent, `-` for none.
fn bulks(texts: &[&str]) -> String {
    let one = |text: &&str| if *text == "-" { "$-1\r\n".to_owned() } else { format!("${}\r\n{text}\r\n", text.len()) };
    format!("*{}\r\n{}", texts.len(), texts.iter().map(one).collect::<String>())
}

#[test]
fn fields_are_set_under_a_path_on_conditions() {
    let mut bed = Testbed::new();
    assert_eq!(bed.run("PHSET t p FXX FIELDS 2 f v g w"), "$-1\r\n");
    assert_eq!(bed.run("EXISTS t"), ":0\r\n");
    assert_eq!(bed.run("PHSET t p FNX FIELDS 2 f v g w"), "+OK\r\n");
    assert_eq!(bed.run("PHSET t p FNX FIELDS 2 f x h y"), "$-1\r\n");
    assert_eq!(bed.run("PHSET t p FXX FIELDS 2 f x h y"), "$-1\r\n");
    assert_eq!(bed.run("PHSET t p fxx fields 2 f x g y"), "+OK\r\n");
    assert_eq!(bed.run("PHSET t p FIELDS 2 d first d last"), "+OK\r\n");
    assert_eq!(bed.run("PHGET t p f g h d"), bulks(&["x", "y", "-", "last"]));
    assert_eq!(bed.run("PHGET t other f"), bulks(&["-"]));
    assert_eq!(bed.run("PHGET none p f"), bulks(&["-"]));
    assert_eq!(
        (bed.run("TYPE t"), bed.run("OBJECT ENCODING t")),
        ("+pathhash\r\n".into(), "$8\r\npathhash\r\n".into())
    );
    assert_eq!(bed.run("PHMSET t p FIELDS 1 f 1 q FIELDS 2 f 2 g 3"), "+OK\r\n");
    assert_eq!(bed.run("PHMGET t q FIELDS 2 g x p FIELDS 1 f r FIELDS 1 f"), bulks(&["3", "-", "1", "-"]));
    assert_eq!(bed.run("PHMGET none q FIELDS 1 g"), bulks(&["-"]));
    assert_eq!((bed.run("PHCARD t"), bed.run("PHCARD none")), (":2\r\n".into(), ":0\r\n".into()));
    assert_eq!((bed.run("PHEXISTS t q"), bed.run("PHEXISTS t qq")), (":1\r\n".into(), ":0\r\n".into()));
}

#[test]
fn the_key_stays_when_the_last_path_goes() {
    let mut bed = Testbed::new();
    bed.run("PHMSET t a FIELDS 2 f v g w ab FIELDS 1 f v b FIELDS 1 f v");
    assert_eq!(bed.run("PHDEL t a x f x"), ":1\r\n");
    assert_eq!(bed.run("PHDEL t a f g"), ":1\r\n");
    assert_eq!((bed.run("PHEXISTS t a"), bed.run("PHCARD t")), (":0\r\n".into(), ":2\r\n".into()));
    assert_eq!(
        (bed.run("PHDEL t b"), bed.run("PHDEL t b"), bed.run("PHDEL none b")),
        (":1\r\n".into(), ":0\r\n".into(), ":0\r\n".into(),)
    );
    assert_eq!(bed.run("PHDELPREFIX t a"), ":1\r\n");
    assert_eq!((bed.run("PHCARD t"), bed.run("EXISTS t")), (":0\r\n".into(), ":1\r\n".into()));
    bed.run("PHMSET t a FIELDS 1 f v b FIELDS 1 f v");
    assert_eq!(bed.run("PHDELPREFIX t "), ":2\r\n");
    assert_eq!((bed.run("PHDELPREFIX t x"), bed.run("TYPE t")), (":0\r\n".into(), "+pathhash\r\n".into()));
}

#[test]
fn prefixes_of_a_text_are_found() {
    let mut bed = Testbed::new();
    for path in ["", "a", "ab", "abc", "abcd"] {
        bed.run_words(&["PHSET", "t", path, "FIELDS", "1", "f", path]);
    }
    assert_eq!(bed.run("PHLONGEST t abcx"), "$3\r\nabc\r\n");
    assert_eq!(bed.run("PHLONGEST t abcx LENGTH"), ":3\r\n");
    assert_eq!(bed.run("PHLONGEST t zzz LENGTH"), ":0\r\n");
    assert_eq!(bed.run("PHLONGEST t abcx FIELDS 2 f x"), format!("*2\r\n$3\r\nabc\r\n{}", bulks(&["abc", "-"])));
    assert_eq!(bed.run("PHLONGEST t a LENGTH WITHVALUES"), format!("*2\r\n:1\r\n{}", bulks(&["f", "a"])));
    assert_eq!(bed.run("PHLONGEST none a"), "$-1\r\n");
    assert_eq!(bed.run("PHPREFIXES t abcde LENGTHS"), "*5\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n");
    assert_eq!(bed.run("PHPREFIXES t abcde LENGTHS COUNT 2 MAXPATHLEN 3"), "*2\r\n:2\r\n:3\r\n");
    assert_eq!(bed.run("PHPREFIXES t abcde COUNT 2 MAXLEN 3"), bulks(&["ab", "abc"]));
    assert_eq!(bed.run("PHPREFIXES t zzz MAXPATHLEN 0"), bulks(&[""]));
    assert_eq!(
        bed.run("PHPREFIXES t abcde LENGTHS COUNT 1 FIELDS 1 f"),
        format!("*1\r\n*2\r\n:4\r\n{}", bulks(&["abcd"]))
    );
    assert_eq!(bed.run("PHPREFIXES t abcde LENGTHS COUNT 9223372036854775807").lines().next(), Some("*5"));
    assert_eq!(bed.run("PHPREFIXES none a WITHVALUES"), "*0\r\n");
    bed.run_words(&["PHDEL", "t", ""]);
    assert_eq!((bed.run("PHLONGEST t zzz"), bed.run("PHLONGEST t zzz LENGTH")), ("$-1\r\n".into(), "$-1\r\n".into()));
    assert_eq!(bed.run("PHPREFIXES t zzz"), "*0\r\n");
}

#[test]
fn a_scan_goes_on_behind_the_last_path_and_ends_without_a_step_in_vain() {
    let mut bed = Testbed::new();
    for path in ["", "b", "aa", "a", "ab", "c"] {
        bed.run_words(&["PHSET", "t", path, "FIELDS", "1", "f", path]);
    }
    assert_eq!(bed.run("PHSCAN t 0 COUNT 2"), format!("*2\r\n$3\r\np61\r\n{}", bulks(&["", "a"])));
    bed.run("PHDEL t a");
    bed.run("PHSET t 0 FIELDS 1 f v");
    assert_eq!(bed.run("PHSCAN t p61 COUNT 3"), format!("*2\r\n$3\r\np62\r\n{}", bulks(&["aa", "ab", "b"])));
    assert_eq!(bed.run("PHSCAN t p62 COUNT 1"), format!("*2\r\n$1\r\n0\r\n{}", bulks(&["c"])));
    assert_eq!(bed.run("PHSCAN t 0 COUNT 1 PREFIX a"), format!("*2\r\n$5\r\np6161\r\n{}", bulks(&["aa"])));
    assert_eq!(bed.run("PHSCAN t p6161 COUNT 1 PREFIX a"), format!("*2\r\n$1\r\n0\r\n{}", bulks(&["ab"])));
    let with_values = format!("*2\r\n$1\r\n0\r\n*1\r\n*2\r\n$1\r\nc\r\n{}", bulks(&["f", "c"]));
    assert_eq!(bed.run("PHSCAN t 0 PREFIX c WITHVALUES"), with_values);
    assert_eq!(bed.run("PHSCAN none 0 WITHVALUES"), "*2\r\n$1\r\n0\r\n*0\r\n");
    assert!(bed.run("PHSCAN t 0").starts_with("*2\r\n$1\r\n0\r\n*6\r\n"));
    for cursor in ["invalid", "1", "p6", "p6x", "-1", "00"] {
        assert_eq!(bed.run(&format!("PHSCAN t {cursor}")), "-ERR invalid cursor\r\n", "{cursor}");
    }
}

#[test]
fn payloads_are_maps_where_the_protocol_has_them() {
    let mut bed = Testbed::new();
    bed.run("PHSET t a FIELDS 1 f v");
    let flat = bulks(&["f", "v"]);
    assert_eq!((bed.run("PHGETALL t a"), bed.run("PHGETALL t b")), (flat.clone(), "*0\r\n".into()));
    bed.protocol = Protocol::Resp3;
    let map = flat.replace("*2", "%1");
    assert_eq!((bed.run("PHGETALL t a"), bed.run("PHGETALL none b")), (map.clone(), "%0\r\n".into()));
    assert_eq!(bed.run("PHLONGEST t a WITHVALUES"), format!("*2\r\n$1\r\na\r\n{map}"));
    assert_eq!(bed.run("PHPREFIXES t a LENGTHS WITHVALUES"), format!("*1\r\n*2\r\n:1\r\n{map}"));
    assert_eq!(bed.run("PHGET t a f x"), "*2\r\n$1\r\nv\r\n_\r\n");
    assert_eq!(bed.run("PHLONGEST t x"), "_\r\n");
    assert_eq!(bed.run("PHSET t a FNX FIELDS 1 f w"), "_\r\n");
}

#[test]
fn arguments_are_checked_before_the_key() {
    let mut bed = Testbed::new();
    for (command, error) in [
        ("PHSET t p FNX FXX FIELDS 1 f v", SYNTAX),
        ("PHSET t p FIELDS 2 f v", SYNTAX),
        ("PHSET t p FIELDS 1 f", "-ERR wrong number of arguments for 'phset' command\r\n"),
        ("PHSET t p FIELDS 1 f v extra", SYNTAX),
        ("PHSET t p FIELDS 0 f v", NOT_POSITIVE),
        ("PHSET t p FIELDS -1 f v", NOT_POSITIVE),
        ("PHSET t p FIELDS 9223372036854775807 f v", SYNTAX),
        ("PHSET t p FIELDS x f v", "-ERR value is not an integer or out of range\r\n"),
        ("PHMSET t p f v", "-ERR wrong number of arguments for 'phmset' command\r\n"),
        ("PHMSET t p FIELDS 1 f v broken", SYNTAX),
        ("PHMSET t p FIELDS 2 f v", SYNTAX),
        ("PHMGET t p f", "-ERR wrong number of arguments for 'phmget' command\r\n"),
        ("PHMGET t p FIELDS 0 f", NOT_POSITIVE),
        ("PHMGET t p FIELDS 1 f broken", SYNTAX),
        ("PHLONGEST t p WITHVALUES FIELDS 1 f", SYNTAX),
        ("PHLONGEST t p LENGTHS", SYNTAX),
        ("PHLONGEST t p FIELDS", SYNTAX),
        ("PHLONGEST t p FIELDS 0", NOT_POSITIVE),
        ("PHPREFIXES t p LENGTH", SYNTAX),
        ("PHPREFIXES t p FIELDS 2 one", SYNTAX),
        ("PHPREFIXES t p COUNT 0", NOT_POSITIVE),
        ("PHPREFIXES t p COUNT", SYNTAX),
        ("PHPREFIXES t p COUNT 1 COUNT 2", SYNTAX),
        ("PHPREFIXES t p MAXPATHLEN -1", NOT_POSITIVE),
        ("PHPREFIXES t p MAXPATHLEN 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
        ("PHSCAN t 0 COUNT 0", NOT_POSITIVE),
        ("PHSCAN t 0 COUNT 1 COUNT 2", SYNTAX),
        ("PHSCAN t 0 PREFIX", SYNTAX),
    ] {
        assert_eq!(bed.run(command), error, "{command}");
    }
    assert_eq!(bed.run("EXISTS t"), ":0\r\n");
    bed.run("SET s v");
    for command in [
        "PHSET s p FIELDS 1 f v",
        "PHSET s p FNX FIELDS 1 f v",
        "PHMSET s p FIELDS 1 f v",
        "PHGET s p f",
        "PHMGET s p FIELDS 1 f",
        "PHGETALL s p",
        "PHEXISTS s p",
        "PHDEL s p",
        "PHLONGEST s p",
        "PHPREFIXES s p",
        "PHDELPREFIX s p",
        "PHSCAN s 0",
        "PHCARD s",
    ] {
        assert_eq!(bed.run(command), WRONG_TYPE, "{command}");
    }
}

#[test]
fn what_changed_is_counted_and_propagated_as_it_came() {
    let mut bed = Testbed::new();
    let mut changes = |command: &str, dirty: u64, propagated: bool| {
        let before = bed.db.dirty;
        let expected: &[&str] = if propagated { &[command] } else { &[] };
        assert_eq!(bed.propagated(command), expected, "{command}");
        assert_eq!(bed.db.dirty - before, dirty, "{command}");
    };
    changes("PHSET t p FIELDS 2 f v g w", 2, true);
    changes("PHSET t p FNX FIELDS 1 f v", 0, false);
    changes("PHMSET t p FIELDS 1 f v q:a FIELDS 1 f v q:b FIELDS 1 f v", 3, true);
    changes("PHDEL t p f g x", 2, true);
    changes("PHDEL t p", 0, false);
    changes("PHDELPREFIX t q:", 2, true);
    changes("PHDELPREFIX t q:", 0, false);
    changes("PHGETALL t p", 0, false);
}
