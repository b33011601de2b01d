//! Users: the rules they are made with and told in, what is wrong with rules, what they may do.

use super::*;
use oxidis::quote::split_args;

/// Calls, after each of which the user `u` and the list of all are compared, too.
const CALLS: &str = r##"
    ACL SETUSER u reset on nopass +@all -@dangerous +get -get +get
    ACL SETUSER u reset +get +set -get +get|a +config|get -config|set
    ACL SETUSER u reset +@read +@write -@read
    ACL SETUSER u reset -@all +@all
    ACL SETUSER u reset allcommands -get nocommands +get
    ACL SETUSER u reset +select|0 +select|1 -select
    ACL SETUSER u reset +select|0 +select
    ACL SETUSER u reset +select +select|0
    ACL SETUSER u reset +config -config|get +config
    ACL SETUSER u reset +config|get +config|set +config -config|set
    ACL SETUSER u reset +GET +SeT +@READ
    ACL SETUSER u reset +@all +get -@all
    ACL SETUSER u reset -get -@read
    ACL SETUSER u reset +@string -@string +@string +get
    ACL SETUSER u reset (+get ~x) (%R~y -@all +@read +set)
    ACL SETUSER u clearselectors (+get
    ACL SETUSER u clearselectors (+nosuch)
    ACL SETUSER u clearselectors (on)
    ACL SETUSER u clearselectors ()
    ACL SETUSER u (~x))
    ACL SETUSER u ((+get))
    ACL SETUSER u (>pass)
    ACL SETUSER u "(+get \"x)"
    ACL SETUSER u reset "( +get   ~x )"
    ACL SETUSER u reset skip-sanitize-payload
    ACL SETUSER u sanitize-payload
    ACL SETUSER v
    ACL GETUSER v
    ACL SETUSER v reset
    ACL GETUSER v
    ACL DELUSER v
    ACL SETUSER u reset +@nosuch
    ACL SETUSER u +nosuch|sub
    ACL SETUSER u +config|nosuch
    ACL SETUSER u -config|nosuch
    ACL SETUSER u +config|get|x
    ACL SETUSER u +get|
    ACL SETUSER u -get|x
    ACL SETUSER u +select|
    ACL SETUSER u +
    ACL SETUSER u -
    ACL SETUSER u +@
    ACL SETUSER u %
    ACL SETUSER u %~
    ACL SETUSER u %RWX~a
    ACL SETUSER u %RR~a
    ACL SETUSER u %R
    ACL SETUSER u %R~
    ACL SETUSER u ~
    ACL SETUSER u &
    ACL SETUSER u #abc
    ACL SETUSER u <nopass
    ACL SETUSER u !abc
    ACL SETUSER u "~a b"
    ACL SETUSER u "&a b"
    ACL SETUSER u "%R~a b"
    ACL SETUSER u allkeys ~x
    ACL SETUSER u allkeys %R~x
    ACL SETUSER u allchannels &x
    ACL SETUSER u nosuch
    ACL SETUSER "a b" on
    ACL SETUSER "" on
    ACL GETUSER ""
    ACL DELUSER ""
    ACL DRYRUN nosuch get x
    ACL DRYRUN default nosuch x
    ACL DRYRUN default config nosuch
    ACL DRYRUN default config
    ACL DRYRUN default get
    ACL DRYRUN default get a b
    ACL SETUSER u reset ~x* &c* +@read +config|get +publish +subscribe +psubscribe
    ACL DRYRUN u get x
    ACL DRYRUN u get y
    ACL DRYRUN u set x 1
    ACL DRYRUN u config get a
    ACL DRYRUN u config set a b
    ACL DRYRUN u config
    ACL DRYRUN u publish d m
    ACL DRYRUN u subscribe c1 d
    ACL DRYRUN u psubscribe c*
    ACL DRYRUN u psubscribe d*
    ACL DRYRUN u sort x by y*
    ACL DRYRUN u sort x get y*
    ACL DRYRUN u sort_ro x get y*
    ACL DRYRUN u mget x1 y2
    ACL DRYRUN u GET y
    ACL DRYRUN u eval "return 1" 0
    ACL DRYRUN u
    ACL DRYRUN u get
    ACL GENPASS 0
    ACL GENPASS -1
    ACL GENPASS 4097
    ACL GENPASS a
    ACL GENPASS 1 2
    ACL LOG a
    ACL LOG -1
    ACL LOG reset x
    ACL LOG 1 2
    ACL CAT nosuch
    ACL CAT a b
    ACL LOAD
    ACL SAVE
    ACL WHOAMI x
    ACL NOSUCH
    ACL
    ACL DELUSER default
    ACL DELUSER nosuch default
    ACL DELUSER u
    ACL SETUSER u on >a >b #0000000000000000000000000000000000000000000000000000000000000000 <a
    ACL SETUSER u <zzz
    ACL SETUSER u !0000000000000000000000000000000000000000000000000000000000000001
    ACL SETUSER u resetkeys ~a %R~a %W~a %R~b %W~c ~a &a &a resetchannels &b
    ACL SETUSER u reset +@all -config|get -client|kill -client
    ACL SETUSER u reset +client|id +client|kill -client|id
    ACL SETUSER u reset +get|x +GET|X +get|y
    ACL SETUSER u reset +@keyspace +@all|x
    ACL SETUSER u reset allcommands allkeys allchannels nopass on
    AUTH
    AUTH a b c
    AUTH x
    AUTH nosuch x
    ACL SETUSER u reset +get|x +GET|X +get|Y
    ACL SETUSER u reset +select|a -select|a
    ACL SETUSER u reset %~a
    ACL SETUSER u reset allchannels
    ACL SETUSER u reset on >pw +@all ~*
    ACL WHOAMI
    ACL SETUSER u reset (+get) (off)
    ACL SETUSER u (+get ~a (+set))
    ACL SETUSER u "(+get\x00)"
    ACL SETUSER u "(+get ~a" "b)" c
    ACL SETUSER u (+get
    ACL SETUSER u )
    ACL SETUSER u (+set~x)
    ACL SETUSER u (allkeys ~x)
    ACL SETUSER u (allchannels &x)
    ACL SETUSER u (resetpass)
    ACL SETUSER u (reset)
    ACL SETUSER u (clearselectors)
    ACL SETUSER u (nopass)
    ACL SETUSER u2 (+get ~a
    ACL SETUSER u2 on (+get ~a
"##;

#[test]
fn rules_of_users_are_read_told_and_refused_as_by_redis_8() {
    let Some(mut pair) = Pair::start(&[]) else { return };
    for line in CALLS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words = split_args(line.as_bytes()).expect("quotes that match");
        let words: Vec<&str> = words.iter().map(|word| std::str::from_utf8(word).expect("text")).collect();
        let (redis, own) = pair.both(&words);
        match words.get(1).copied().unwrap_or_default().to_ascii_lowercase().as_str() {
            // What is made up differs.
            "genpass" if !matches!(redis, Reply::Error(_)) => assert!(matches!(own, Reply::Bulk(_)), "{line}"),
            // Other commands of the category are a matter of the tables.
            "cat" if !matches!(redis, Reply::Error(_)) => {}
            _ => assert_eq!(own, redis, "{line}"),
        }
        for question in [&["ACL", "GETUSER", "u"][..], &["ACL", "LIST"]] {
            let (redis, own) = pair.both(question);
            assert_eq!(own, redis, "{question:?} after {line}");
        }
    }
}

#[test]
fn refused_calls_are_answered_as_by_redis_8() {
    let Some(mut pair) = Pair::start(&[]) else { return };
    let rules = "ACL SETUSER u reset on nopass ~k* &c* +@all -set -config|get -client -script";
    pair.both(&rules.split(' ').collect::<Vec<_>>());
    pair.both(&["AUTH", "u", "x"]);
    for call in [
        "SET k 1",
        "CONFIG GET x",
        "GET x",
        "MGET k1 x",
        "SUBSCRIBE d",
        "PSUBSCRIBE c*x",
        "SSUBSCRIBE d",
        "PUBLISH d x",
        "SPUBLISH d x",
        "CLIENT LIST",
        "SCRIPT LOAD x",
        "EVAL return(redis.call('get',KEYS[1])) 1 x",
        "EVAL return(redis.call('set',KEYS[1],1)) 1 k",
        "EVAL return(redis.call('publish','d',1)) 0",
        "EVAL return(redis.pcall('get','x')) 0",
        "FCALL f 1 x",
        "SORT k BY x*",
        "SORT k GET x*",
        "MULTI",
        "SET k 1",
        "GET x",
        "EXEC",
        "AUTH u",
        "AUTH nobody x",
        "ACL DELUSER default",
    ] {
        let (redis, own) = pair.both(&call.split(' ').collect::<Vec<_>>());
        assert_eq!(own, redis, "{call}");
    }
}
