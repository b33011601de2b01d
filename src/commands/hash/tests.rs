//! Replies and propagation of the commands on hashes.

use std::collections::BTreeMap;

use crate::db::Key;
use crate::resp::Protocol;
use crate::server::testbed::Testbed;
use crate::types::Hash;

/// Lets the time of fields of the hash `h` have come long ago.
fn make_due(bed: &mut Testbed, fields: &[&str]) {
    let key = Key::new(b"h");
    let hash = bed.db.collection_mut::<Hash>(&key).expect("a hash").expect("a key");
    fields.iter().for_each(|field| hash.set_expiry(field.as_bytes(), Some(1)));
    bed.db.plan_parts(&key);
}

#[test]
fn fields_come_and_go_and_the_last_takes_the_key_along() {
    let mut bed = Testbed::new();
    assert_eq!(bed.run("HSET h a 1 b x a 2"), ":2\r\n");
    assert_eq!(bed.run("HSET h a 3"), ":0\r\n");
    assert_eq!(bed.run("HMSET h c 4"), "+OK\r\n");
    assert_eq!(bed.run("HSETNX h c 5"), ":0\r\n");
    assert_eq!(bed.run("HSETNX h d 5"), ":1\r\n");
    assert_eq!(bed.run("HLEN h"), ":4\r\n");
    assert_eq!(bed.run("HGET h a"), "$1\r\n3\r\n");
    assert_eq!(bed.run("HMGET h a x b"), "*3\r\n$1\r\n3\r\n$-1\r\n$1\r\nx\r\n");
    assert_eq!(bed.run("HMGET none a b"), "*2\r\n$-1\r\n$-1\r\n");
    assert_eq!((bed.run("HEXISTS h b"), bed.run("HEXISTS h x")), (":1\r\n".into(), ":0\r\n".into()));
    assert_eq!((bed.run("HSTRLEN h b"), bed.run("HSTRLEN h x")), (":1\r\n".into(), ":0\r\n".into()));
    assert_eq!(bed.run("HDEL h a x c d"), ":3\r\n");
    assert_eq!(bed.run("HDEL h b b"), ":1\r\n");
    assert_eq!(bed.run("EXISTS h"), ":0\r\n");
    assert_eq!(bed.run("HDEL h b"), ":0\r\n");
    let arity = "-ERR wrong number of arguments for 'hset' command\r\n";
    assert_eq!(bed.run("HSET h a 1 b"), arity);
    assert_eq!(bed.run("HMSET h a 1 b"), arity.replace("hset", "hmset"));
}

#[test]
fn both_protocols_have_their_form_of_all_fields() {
    let mut bed = Testbed::new();
    bed.run("HSET h a 1");
    assert_eq!(bed.run("HGETALL h"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("HGETALL none"), "*0\r\n");
    assert_eq!(bed.run("HRANDFIELD h 1 WITHVALUES"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("HRANDFIELD h -2"), "*2\r\n$1\r\na\r\n$1\r\na\r\n");
    assert_eq!(bed.run("HSCAN h 0"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("HSCAN h 0 NOVALUES COUNT 5 MATCH a*"), "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
    assert_eq!(bed.run("HSCAN h 0 MATCH b*"), "*2\r\n$1\r\n0\r\n*0\r\n");
    bed.protocol = Protocol::Resp3;
    assert_eq!(bed.run("HGETALL h"), "%1\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("HGETALL none"), "%0\r\n");
    assert_eq!(bed.run("HKEYS h"), "*1\r\n$1\r\na\r\n");
    assert_eq!(bed.run("HVALS h"), "*1\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("HRANDFIELD h 1 WITHVALUES"), "*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("HRANDFIELD h -2 WITHVALUES"), "*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_eq!(bed.run("HRANDFIELD none"), "_\r\n");
    assert_eq!(bed.run("HRANDFIELD none 5 WITHVALUES"), "*0\r\n");
}

#[test]
fn other_types_are_refused_and_stay_as_they_are() {
    let mut bed = Testbed::new();
    bed.run("SET s x");
    for command in [
        "HSET s a 1",
        "HSETNX s a 1",
        "HMSET s a 1",
        "HGET s a",
        "HMGET s a",
        "HDEL s a",
        "HLEN s",
        "HSTRLEN s a",
        "HEXISTS s a",
        "HKEYS s",
        "HVALS s",
        "HGETALL s",
        "HINCRBY s a 1",
        "HINCRBYFLOAT s a 1",
        "HRANDFIELD s",
        "HRANDFIELD s 1",
        "HSCAN s 0",
        "HEXPIRE s x FIELDS 1 a",
        "HTTL s x 1 a",
        "HPERSIST s x 1 a",
        "HGETEX s EX x FIELDS 1 a",
        "HGETDEL s x 1 a",
        "HSETEX s FIELDS 1 a 1",
    ] {
        assert!(bed.run(command).starts_with("-WRONGTYPE"), "{command}");
    }
    assert_eq!(bed.run("GET s"), "$1\r\nx\r\n");
}

#[test]
fn sums_are_checked_and_floats_are_propagated_as_their_sum() {
    let mut bed = Testbed::new();
    assert_eq!(bed.run("HINCRBY h n 5"), ":5\r\n");
    assert_eq!(bed.run("HINCRBY h n x"), "-ERR value is not an integer or out of range\r\n");
    bed.run("HSET h s x max 9223372036854775807");
    assert_eq!(bed.run("HINCRBY h s 1"), "-ERR hash value is not an integer\r\n");
    assert_eq!(bed.run("HINCRBY h max 1"), "-ERR increment or decrement would overflow\r\n");
    assert_eq!(bed.run("HINCRBYFLOAT h s 1"), "-ERR hash value is not a float\r\n");
    assert_eq!(bed.run("HINCRBYFLOAT h n x"), "-ERR value is not a valid float\r\n");
    assert_eq!(bed.run("HINCRBYFLOAT h n inf"), "-ERR value is NaN or Infinity\r\n");
    assert_eq!(bed.run("HGET h n"), "$1\r\n5\r\n");
    assert_eq!(bed.propagated("HINCRBYFLOAT h n 0.1"), ["HSET h n 5.1"]);
    bed.run("HEXPIRE h 100 FIELDS 1 n");
    assert_eq!(bed.propagated("HINCRBYFLOAT h n 0.1"), ["HSETEX h KEEPTTL FIELDS 1 n 5.2"]);
    bed.run("HSET h n 1");
    bed.run("HEXPIRE h 100 FIELDS 1 n");
    assert_eq!(bed.propagated("HINCRBY h n 1"), ["HINCRBY h n 1"]);
    assert_eq!(bed.run("HTTL h FIELDS 1 n"), "*1\r\n:100\r\n");
    bed.run("HSET h n 1");
    assert_eq!(bed.run("HTTL h FIELDS 1 n"), "*1\r\n:-1\r\n");
}

#[test]
fn each_pair_counts_as_a_change() {
    let mut bed = Testbed::new();
    for (command, changes) in [
        ("HSET h a 1 b 2 c 3", 3),
        ("HSETNX h a 1", 0),
        ("HEXPIRE h 100 FIELDS 3 a b x", 2),
        ("HPERSIST h FIELDS 3 a c x", 1),
        ("HSETEX h EX 100 FIELDS 2 a 1 d 2", 2),
        ("HGETEX h FIELDS 1 a", 0),
        ("HGETEX h PERSIST FIELDS 2 a c", 1),
        ("HGETDEL h FIELDS 2 a x", 1),
        ("HDEL h b c x", 2),
    ] {
        let before = bed.db.dirty;
        bed.run(command);
        assert_eq!(bed.db.dirty - before, changes, "{command}");
    }
}

#[test]
fn expiries_of_fields_are_propagated_as_points_of_time() {
    let mut bed = Testbed::new();
    bed.run("HSET h a 1 b 2 c 3");
    assert_eq!(bed.propagated("HPEXPIREAT h 4000000000000 FIELDS 1 a"), ["HPEXPIREAT h 4000000000000 FIELDS 1 a"]);
    assert_eq!(bed.propagated("HEXPIREAT h 4000000001 GT FIELDS 2 a b"), ["HPEXPIREAT h 4000000001000 GT FIELDS 1 a"]);
    assert_eq!(bed.propagated("HPEXPIREAT h 4000000000000 FIELDS 2 x b"), ["HPEXPIREAT h 4000000000000 FIELDS 1 b"]);
    assert_eq!(bed.propagated("HEXPIRE h 100 NX FIELDS 2 a b"), [""; 0]);
    assert!(bed.propagated("HEXPIRE h 100 FIELDS 1 b")[0].starts_with("HPEXPIREAT h "));
    assert_eq!(bed.propagated("HPERSIST h FIELDS 2 b x"), ["HPERSIST h FIELDS 2 b x"]);
    assert_eq!(bed.propagated("HPERSIST h FIELDS 1 b"), [""; 0]);
    assert_eq!(bed.propagated("HGETEX h PXAT 4000000000000 FIELDS 2 b x"), ["HPEXPIREAT h 4000000000000 FIELDS 1 b"]);
    assert_eq!(bed.propagated("HGETEX h PERSIST FIELDS 2 b x"), ["HPERSIST h FIELDS 2 b x"]);
    assert_eq!(bed.propagated("HGETEX h PERSIST FIELDS 1 b"), [""; 0]);
    assert_eq!(bed.propagated("HGETEX h FIELDS 1 b"), [""; 0]);
    assert_eq!(
        bed.propagated("HSETEX h EXAT 4000000000 FNX FIELDS 1 d 1"),
        ["HSETEX h PXAT 4000000000000 FNX FIELDS 1 d 1"]
    );
    assert_eq!(bed.propagated("HSETEX h KEEPTTL FIELDS 1 d 2"), ["HSETEX h KEEPTTL FIELDS 1 d 2"]);
    assert_eq!(bed.propagated("HSETEX h FXX FIELDS 1 x 2"), [""; 0]);
    assert_eq!(bed.run("HPEXPIRETIME h FIELDS 1 d"), "*1\r\n:4000000000000\r\n");
}

#[test]
fn times_that_have_passed_are_propagated_as_deletions() {
    let mut bed = Testbed::new();
    bed.run("HSET h a 1 b 2 c 3 d 4");
    assert_eq!(bed.propagated("HEXPIRE h 0 FIELDS 3 a x b"), ["HDEL h a", "HDEL h b"]);
    assert_eq!(bed.propagated("HGETEX h EXAT 1 FIELDS 2 c x"), ["HDEL h c"]);
    assert_eq!(bed.propagated("HSETEX h PXAT 1 FIELDS 2 d 1 e 2"), ["HDEL h d", "HDEL h e"]);
    assert_eq!(bed.run("EXISTS h"), ":0\r\n");
    bed.run("HSET h a 1 b 2");
    assert_eq!(bed.propagated("HGETDEL h FIELDS 2 x a"), ["HDEL h x a"]);
    assert_eq!(bed.propagated("HGETDEL h FIELDS 1 x"), [""; 0]);
}

#[test]
fn a_field_whose_time_has_come_is_deleted_by_whom_asks_for_it_by_name() {
    for (command, reply, propagated) in [
        ("HGET h a", "$-1\r\n", &["HDEL h a"][..]),
        ("HEXISTS h a", ":0\r\n", &["HDEL h a"]),
        ("HSTRLEN h a", ":0\r\n", &["HDEL h a"]),
        ("HMGET h a b", "*2\r\n$-1\r\n$-1\r\n", &["HDEL h a", "HDEL h b"]),
        ("HGETEX h FIELDS 2 a k", "*2\r\n$-1\r\n$1\r\n4\r\n", &["HDEL h a"]),
        ("HGETDEL h FIELDS 1 a", "*1\r\n$-1\r\n", &["HDEL h a"]),
        ("HSETNX h a 5", ":1\r\n", &["HDEL h a", "HSETNX h a 5"]),
        ("HINCRBY h a 5", ":5\r\n", &["HDEL h a", "HINCRBY h a 5"]),
        ("HINCRBYFLOAT h a 5", "$1\r\n5\r\n", &["HDEL h a", "HSET h a 5"]),
        ("HSETEX h FXX FIELDS 1 a 5", ":0\r\n", &["HDEL h a"]),
        ("HSETEX h FNX FIELDS 1 a 5", ":1\r\n", &["HDEL h a", "HSETEX h FNX FIELDS 1 a 5"]),
        ("HSETEX h KEEPTTL FIELDS 1 a 5", ":1\r\n", &["HDEL h a", "HSETEX h KEEPTTL FIELDS 1 a 5"]),
    ] {
        for big in ["", " big a-value-that-makes-it-a-table-because-it-has-more-than-sixty-four-bytes"] {
            let mut bed = Testbed::new();
            bed.run(&format!("HSET h a 1 b 2 c 3 k 4{big}"));
            make_due(&mut bed, &["a", "b", "c"]);
            assert_eq!(bed.propagated(command), propagated, "{command}");
            assert_eq!(
                bed.db.stats.expired_parts,
                propagated.iter().filter(|line| line.starts_with("HDEL")).count() as u64
            );
            let mut bed = Testbed::new();
            bed.run(&format!("HSET h a 1 b 2 c 3 k 4{big}"));
            make_due(&mut bed, &["a", "b", "c"]);
            assert_eq!(bed.run(command), reply, "{command}");
        }
    }
}

#[test]
fn a_field_whose_time_has_come_is_passed_over_by_whom_names_no_field() {
    let mut bed = Testbed::new();
    bed.run("HSET h a 1 b 2 k 4");
    make_due(&mut bed, &["a", "b"]);
    for (command, reply) in [
        ("HGETALL h", "*2\r\n$1\r\nk\r\n$1\r\n4\r\n"),
        ("HKEYS h", "*1\r\n$1\r\nk\r\n"),
        ("HVALS h", "*1\r\n$1\r\n4\r\n"),
        ("HSCAN h 0", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nk\r\n$1\r\n4\r\n"),
        ("HTTL h FIELDS 2 a k", "*2\r\n:-2\r\n:-1\r\n"),
        ("HPERSIST h FIELDS 1 a", "*1\r\n:-2\r\n"),
        ("HEXPIRE h 100 FIELDS 1 a", "*1\r\n:-2\r\n"),
        ("HLEN h", ":3\r\n"),
    ] {
        assert_eq!(bed.run(command), reply, "{command}");
    }
    assert_eq!(bed.propagated("HRANDFIELD h 5"), ["HDEL h a", "HDEL h b"]);
    assert_eq!(bed.run("HLEN h"), ":1\r\n");
    make_due(&mut bed, &["k"]);
    assert_eq!(bed.propagated("HRANDFIELD h"), ["HDEL h k"]);
    assert_eq!(bed.run("EXISTS h"), ":0\r\n");
    assert_eq!(bed.run("HRANDFIELD h"), "$-1\r\n");
}

#[test]
fn random_fields_are_drawn_evenly_and_samples_have_no_field_twice() {
    for (fields, count) in [(10, 3), (10, 8), (600, 100), (600, 590)] {
        let mut bed = Testbed::new();
        let pairs: Vec<String> = (0..fields).map(|number| format!("f{number} {number}")).collect();
        bed.run(&format!("HSET h {}", pairs.join(" ")));
        let mut drawn: BTreeMap<String, u64> = BTreeMap::new();
        let rounds = 60 * fields / count;
        for round in 0..rounds {
            let sign = if round % 2 == 0 { "" } else { "-" };
            let reply = bed.run(&format!("HRANDFIELD h {sign}{count}"));
            let names: Vec<&str> = reply.lines().skip(1).filter(|line| line.starts_with('f')).collect();
            assert_eq!(names.len(), count);
            let distinct: std::collections::HashSet<_> = names.iter().collect();
            assert!(sign == "-" || distinct.len() == count, "{reply}");
            names.iter().for_each(|name| *drawn.entry((*name).to_owned()).or_default() += 1);
        }
        assert_eq!(drawn.len(), fields, "every field comes");
        let mean = (rounds * count) as f64 / fields as f64;
        let chi_square: f64 = drawn.values().map(|&times| (times as f64 - mean).powi(2) / mean).sum();
        let degrees = (fields - 1) as f64;
        assert!(chi_square < degrees + 6.0 * (2.0 * degrees).sqrt(), "{chi_square} for {fields}: {drawn:?}");
    }
}

#[test]
fn many_fields_that_are_one_make_a_table() {
    for (commands, encoding) in [
        (&["HSET d a 1 a 1 a 1 a 1"][..], "hashtable"),
        (&["HMSET d a 1 a 1 a 1 a 1"], "hashtable"),
        (&["HSET d a 1 a 1 a 1"], "listpack"),
        (&["HSET d a 1", "HSET d a 1 a 1 a 1 a 1"], "hashtable"),
        (&["HSETEX d FIELDS 4 a 1 a 1 a 1 a 1"], "hashtable"),
        (&["HSETEX d EX 1000 FIELDS 4 a 1 a 1 a 1 a 1"], "hashtable"),
        (&["HSET d a 1", "HSETEX d FXX FIELDS 4 a 1 b 1 a 1 a 1"], "listpack"),
    ] {
        let mut bed = Testbed::new();
        bed.run("CONFIG SET hash-max-listpack-entries 3");
        commands.iter().for_each(|command| _ = bed.run(command));
        assert_eq!(bed.run("OBJECT ENCODING d").lines().nth(1), Some(encoding), "{commands:?}");
    }
}
