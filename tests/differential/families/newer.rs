//! Commands and options that came after Redis 7.0: compared where the real server is a newer one.

use super::Kinds;
use crate::differential::check::Check;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, Series, made, row, row_of_redis};
use crate::differential::unit::Cmd;

/// The commands.
pub const ROWS: &[Row] = &[
    row_of_redis("bitop", 4, "(DIFF|DIFF1|ANDOR|ONE) <bitmap> (<bitmap>|<string>)+"),
    made("object|encoding", 12, created).only(Series::Redis),
    row("hexpire", 3, "<hash> <seconds> [NX|XX|GT|LT] <fields>").whole(),
    row("hexpireat", 3, "<hash> <moment-seconds> [NX|XX|GT|LT] <fields>"),
    row("hexpiretime", 2, "<hash> <fields>").check(Check::Seconds),
    row("hgetdel", 2, "<hash> <fields>"),
    row(
        "hgetex",
        3,
        "<hash> {EX <seconds>|PX <milliseconds>|EXAT <moment-seconds>|PXAT <moment-milliseconds>|PERSIST} <fields>",
    )
    .whole(),
    row("hpersist", 2, "<hash> <fields>"),
    row("hpexpire", 3, "<hash> <milliseconds> [NX|XX|GT|LT] <fields>").whole(),
    row("hpexpireat", 3, "<hash> <moment-milliseconds> [NX|XX|GT|LT] <fields>"),
    row("hpexpiretime", 2, "<hash> <fields>").check(Check::Milliseconds),
    row("hpttl", 2, "<hash> <fields>").check(Check::Milliseconds),
    row(
        "hsetex",
        4,
        "<hash> {FNX|FXX; EX <seconds>|PX <milliseconds>|EXAT <moment-seconds>|PXAT <moment-milliseconds>|KEEPTTL} \
         <fields-and-values>",
    )
    .whole(),
    row_of_redis("hscan", 2, "<hash> 0 {MATCH <pattern>; COUNT 1000; NOVALUES}").scans_key().whole(),
    row("httl", 2, "<hash> <fields>").check(Check::Seconds),
    row("xackdel", 3, "<stream> <group> [KEEPREF|DELREF|ACKED] <ids>"),
    // Trims with ACKED and DELREF go as in versions after 8.2, which leaves whole blocks alone; the unit tests of streams have them.
    row_of_redis("xadd", 4, "<stream> [NOMKSTREAM] [KEEPREF] <trim> <new-id> <field> <value>"),
    row("xdelex", 3, "<stream> [KEEPREF|DELREF|ACKED] <ids>"),
    row_of_redis("xread", 2, "{COUNT <count>} STREAMS <stream> +").whole(),
    row_of_redis("xread", 1, "{COUNT <count>} STREAMS <stream> <stream> (+|<read-id>) +").whole(),
    made("xreadgroup", 16, with_consumer).only(Series::Redis),
    row_of_redis("xtrim", 3, "<stream> <trim> [KEEPREF]"),
    row_of_redis("zadd", 3, "<zset> 1 <member> 2 <member> 3 <member>").whole(),
    row_of_redis("zrank", 3, "<zset> <member> [WITHSCORE]"),
    row_of_redis("zrevrank", 3, "<zset> <member> [WITHSCORE]"),
];

/// A key that one command creates, and its encoding: which it is follows from what the command announces, more often than
/// from what there is in the end. So members come several times.
fn created(draw: &mut Draw) -> Vec<Cmd> {
    const WRITES: &[(u8, &str, usize)] = &[
        (b't', "SADD", 1),
        (b'h', "HSET", 2),
        (b'h', "HMSET", 2),
        (b'z', "ZADD", 2),
        (b'g', "GEOADD", 3),
        (b'l', "RPUSH", 1),
        (b'l', "LPUSH", 1),
        (b't', "SUNIONSTORE", 0),
        (b't', "SDIFFSTORE", 0),
        (b't', "SINTERSTORE", 0),
        (b't', "SMOVE", 0),
    ];
    let (initial, name, width) = draw.pick(WRITES);
    let key = draw.key(initial);
    let mut words: Vec<Word> = vec![name.into(), key.clone()];
    match name {
        "SMOVE" => words = vec![name.into(), draw.key(b't'), key.clone(), draw.member()],
        _ if width == 0 => (0..=draw.below(3)).for_each(|_| words.push(draw.key(b't'))),
        _ => {
            let few = ["a", "b", "7"];
            for _ in 0..draw.several() {
                let item: &[Word] = match (name, width) {
                    ("ZADD", _) => &["1".into(), draw.pick(&few).into()],
                    (_, 3) => &["1".into(), "1".into(), draw.pick(&few).into()],
                    (_, 2) => &[draw.pick(&few).into(), draw.value()],
                    _ => &[draw.pick(&few).into()],
                };
                words.extend_from_slice(item);
            }
        }
    }
    let encoding = Cmd::new(&[&b"OBJECT"[..], b"ENCODING", &key], Check::Encoding);
    vec![Cmd::exact(&[&b"DEL"[..], &key]), Cmd::exact(&words), encoding]
}

/// What a consumer does that is there already.
fn with_consumer(draw: &mut Draw) -> Vec<Cmd> {
    let (key, consumer) = (draw.key(b'x'), Word::from(draw.pick(&["c1", "c1", "c2", "c2", "c3"])));
    let group = Word::from(draw.pick(&["g", "g", "g", "g", "g", "h", "none"]));
    let mut words: Vec<Word> = Vec::new();
    let mut push = |some: &[&[u8]]| words.extend(some.iter().map(|word| word.to_vec()));
    let (id, idle) = (super::streams::id(draw), draw.pick(&[&b"0"[..], b"0", b"10000000"]));
    match draw.below(10) {
        0..6 => {
            push(&[b"XREADGROUP", b"GROUP", &group, &consumer]);
            if draw.chance(50) {
                push(&[b"COUNT", draw.pick(&[&b"1"[..], b"2", b"5"])]);
            }
            if draw.chance(20) {
                push(&[b"NOACK"]);
            }
            push(&[b"STREAMS", &key, if draw.chance(80) { b">" } else { b"0" }]);
        }
        6..8 => push(&[b"XAUTOCLAIM", &key, &group, &consumer, idle, &id, b"COUNT", b"3"]),
        _ => {
            push(&[b"XCLAIM", &key, &group, &consumer, idle, &id]);
            push(draw.pick(&[&[][..], &[b"JUSTID"], &[b"FORCE"]]));
        }
    }
    let create: [&[u8]; 5] = [b"XGROUP", b"CREATECONSUMER", &key, &group, &consumer];
    vec![Cmd::exact(&create), Cmd { words, check: Check::Exact }]
}

/// By name.
pub const KINDS: Kinds = &[
    ("fields", |d, w| counted(d, w, "FIELDS", |d, w| w.push(d.member()))),
    ("fields-and-values", |d, w| counted(d, w, "FIELDS", |d, w| w.extend([d.member(), d.value()]))),
    ("ids", |d, w| counted(d, w, "IDS", |d, w| w.push(super::streams::id(d)))),
];

/// A keyword, a number, and as many of something; now and then the number is wrong.
fn counted(draw: &mut Draw, words: &mut Vec<Word>, keyword: &str, push: fn(&mut Draw, &mut Vec<Word>)) {
    let count = 1 + draw.below(3);
    let shown = match draw.below(100) {
        0..95 => count.to_string(),
        _ => draw.pick(&["0", "-1", "abc", "2", "9", "9223372036854775807", ""]).into(),
    };
    words.extend([keyword.into(), shown.into()]);
    (0..count).for_each(|_| push(draw, words));
}
