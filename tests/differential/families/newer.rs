//! Commands that came after Redis 7.0: compared where the real server is a newer one.

use super::Kinds;
use crate::differential::check::Check;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
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
    row("httl", 2, "<hash> <fields>").check(Check::Seconds),
    row("xackdel", 3, "<stream> <group> [KEEPREF|DELREF|ACKED] <ids>"),
    row("xdelex", 3, "<stream> [KEEPREF|DELREF|ACKED] <ids>"),
];

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
