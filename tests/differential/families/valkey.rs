//! Commands and options that Valkey has: compared where the real server is one. Other rows make what they work on.
//!
//! What differs on purpose, and is not drawn:
//! - The errors of MSETEX for a wrong number of keys, and of HSETEX for options that contradict each other or a wrong
//!   number of fields, are those of Redis.
//! - HSETEX may not have an option twice, as in Redis, and keeps fields whose new time has come no longer than that does.
//! - GEOSEARCH names outlines and members that are missing as Redis does, and finds what is in a polygon also where the cells around its
//!   centre, which Valkey searches alone, do not reach.

use super::Kinds;
use crate::differential::check::Check;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, Series, row};

/// The commands.
pub const ROWS: &[Row] = &[
    valkey("del", 1, "<key>"),
    valkey("set", 8, "<string> <believed>"),
    valkey("set", 2, "<string> <believed> <lifetime>"),
    valkey(
        "set",
        12,
        "<string> <believed> {NX|XX|IFEQ <believed>|IFEQ <believed>; GET; \
         EX <seconds>|PX <milliseconds>|EXAT <moment-seconds>|PXAT <moment-milliseconds>|KEEPTTL}",
    ),
    valkey("delifeq", 6, "<string> <believed>"),
    valkey("get", 3, "<string>"),
    valkey("msetex", 6, "<pairs> {NX|XX; EX <seconds>|PX <milliseconds>|PXAT <moment-milliseconds>|KEEPTTL}").whole(),
    valkey("pttl", 2, "<string>").check(Check::Milliseconds),
    valkey("hset", 3, "<hash> <field> <believed>").whole(),
    valkey("hdel", 2, "<hash> <field>"),
    valkey("hsetex", 5, "<hash> [NX|XX] [FNX|FXX] <one-field>").whole(),
    valkey("hsetex", 3, "<hash> [FNX|FXX] [NX|XX] (EX <far>|PX <far>|KEEPTTL) <one-field>").whole(),
    valkey("hgetall", 2, "<hash>").check(Check::UnorderedPairs),
    valkey("zadd", 5, "<zset> <increment-score> <few> <increment-score> <few>").whole(),
    valkey("zscan", 4, "<zset> 0 {MATCH <pattern>; COUNT 1000; NOSCORES; NOSCORES}").check(Check::Scores).whole(),
    valkey("sscan", 1, "<set> 0 NOSCORES").whole(),
    valkey("geoadd", 10, "<geo> <spot> <town> <spot> <town> [<spot> <town> <spot> <town>]").whole(),
    valkey("geosearch", 16, "<geo> BYPOLYGON <polygon> {WITHCOORD; WITHDIST; WITHHASH; ASC|DESC; COUNT <small>}")
        .check(Check::Scores)
        .whole(),
    valkey("geosearch", 2, "<geo> BYPOLYGON <wrong-polygon>").whole(),
    valkey("geosearch", 2, "<geo> FROMLONLAT <spot> BYPOLYGON <polygon>").whole(),
    valkey(
        "geosearch",
        1,
        "<geo> BYPOLYGON <polygon> (BYRADIUS 1 km|BYBOX 1 1 km|FROMLONLAT <spot>|BYPOLYGON <polygon>)",
    )
    .whole(),
    valkey("geosearchstore", 4, "<geo> <geo> BYPOLYGON <polygon> {STOREDIST; ASC|DESC; COUNT <small>}").whole(),
    valkey("zrange", 3, "<geo> 0 -1 WITHSCORES").check(Check::Scores),
];

const fn valkey(name: &'static str, weight: usize, line: &'static str) -> Row {
    row(name, weight, line).only(Series::Valkey)
}

/// By name.
pub const KINDS: Kinds = &[
    ("believed", |d, w| w.push(believed(d))),
    ("few", |d, w| w.push(d.pick(&["a", "b", "c", "aa", "ab", "foo", "7", ""]).into())),
    ("lifetime", |d, w| w.extend(["EX".into(), d.seconds()])),
    ("far", |_, w| w.push("1000000".into())),
    ("small", |d, w| w.push(d.pick(&["1", "2", "5"]).into())),
    ("increment-score", |d, w| w.push(d.pick(&["1", "2", "3", "-4", "2.5"]).into())),
    ("one-field", |d, w| w.extend(["FIELDS".into(), "1".into(), d.member(), d.value()])),
    ("pairs", pairs),
    ("spot", |d, w| {
        let reach = if d.chance(80) { 10 } else { 180 };
        spot(d, w, (0, 0), reach);
    }),
    ("polygon", |d, w| polygon(d, w)),
    ("town", |d, w| w.push(format!("town{}", d.below(60)).into())),
    ("wrong-polygon", wrong_polygon),
];

/// A value of few, so that it is often as a condition has it.
fn believed(draw: &mut Draw) -> Word {
    draw.pick(&["a", "b", "1", "-7", "", "some longer text"]).into()
}

fn pairs(draw: &mut Draw, words: &mut Vec<Word>) {
    let count = 1 + draw.below(3);
    words.push(count.to_string().into());
    (0..count).for_each(|_| words.extend([draw.key(b's'), believed(draw)]));
}

/// Longitude and latitude, at most so many degrees from a place.
fn spot(draw: &mut Draw, words: &mut Vec<Word>, (longitude, latitude): (i64, i64), reach: i64) {
    let mut part = |middle: i64, most: i64| {
        let thousandths = middle * 1000 + draw.below(2000 * reach as usize + 1) as i64 - reach * 1000;
        let thousandths = thousandths.clamp(-most * 1000, most * 1000);
        let sign = if thousandths < 0 { "-" } else { "" };
        format!("{sign}{}.{:03}", thousandths.abs() / 1000, thousandths.abs() % 1000).into()
    };
    let longitude = part(longitude, 180);
    words.extend([longitude, part(latitude, 85)]);
}

fn polygon(draw: &mut Draw, words: &mut Vec<Word>) {
    let count = 3 + draw.below(5);
    words.push(count.to_string().into());
    let middle = (draw.below(21) as i64 - 10, draw.below(21) as i64 - 10);
    let reach = if draw.chance(80) { 10 } else { 1 };
    (0..count).for_each(|_| spot(draw, words, middle, reach));
}

fn wrong_polygon(draw: &mut Draw, words: &mut Vec<Word>) {
    words.push(draw.pick(&["0", "-1", "2", "abc", "9", "4294967299", "3", "3.0", ""]).into());
    (0..3).for_each(|_| spot(draw, words, (0, 0), 10));
    if draw.chance(30) {
        let at = 1 + draw.below(6);
        words[at] = draw.pick(&["nan", "inf", "181", "abc", "-86"]).into();
    }
}
