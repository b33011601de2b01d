//! Strings, numbers in them included.

use super::Kinds;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
    row("append", 4, "<string> <value>"),
    row("decr", 4, "<counter>"),
    row("decrby", 4, "<counter> <increment>"),
    row("get", 8, "<string>"),
    row("getdel", 2, "<string>"),
    row(
        "getex",
        4,
        "<string> {EX <seconds>|PX <milliseconds>|EXAT <moment-seconds>|PXAT <moment-milliseconds>|PERSIST}",
    ),
    row("getrange", 5, "<string> <index> <index>"),
    row("getset", 3, "<string> <value>"),
    row("incr", 5, "<counter>"),
    row("incrby", 5, "<counter> <increment>"),
    row("incrbyfloat", 6, "<counter> <float>"),
    row("append", 1, "<text> <short>"),
    row("set", 2, "<text> <short>"),
    row("lcs", 3, "<text> <text> {LEN; IDX; MINMATCHLEN <index>; WITHMATCHLEN}"),
    row("mget", 4, "(<string>|<string>|<key>)+"),
    row("mset", 3, "(<string> <value>)+"),
    row("msetnx", 2, "(<string> <value>)+"),
    row("psetex", 2, "<string> <milliseconds> <value>"),
    row(
        "set",
        14,
        "<string> <value> {NX|XX; GET; \
         EX <seconds>|PX <milliseconds>|EXAT <moment-seconds>|PXAT <moment-milliseconds>|KEEPTTL}",
    ),
    row("set", 3, "<counter> (<increment>|<float>)"),
    row("setex", 2, "<string> <seconds> <value>"),
    row("setnx", 2, "<string> <value>"),
    row("setrange", 5, "<string> <string-offset> <value>"),
    row("strlen", 3, "<string>"),
    row("substr", 2, "<string> <index> <index>"),
];

/// By name.
pub const KINDS: Kinds = &[
    ("text", |d, w| w.push(d.pick(&["e0", "e1", "e2", "e0", "e1", "e2", "never", "l0", "h0"]).into())),
    ("short", |d, w| w.push(short(d))),
    ("counter", |d, w| w.push(counter(d))),
    ("string-offset", |d, w| w.push(offset(d))),
];

/// For LCS, which takes the time of both lengths multiplied: its texts are short and in keys of their own.
fn short(draw: &mut Draw) -> Word {
    let mut value = draw.value();
    value.truncate(200);
    value
}

/// Mostly a key of few that numbers are put into.
fn counter(draw: &mut Draw) -> Word {
    if draw.chance(70) { draw.pick(&["c0", "c1", "c2"]).into() } else { draw.key(b's') }
}

/// Either small, or beyond what a string can hold: nothing that would take hundreds of megabytes.
fn offset(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..80 => draw.below(70).to_string().into(),
        80..88 => draw.below(5000).to_string().into(),
        88..96 => draw.pick(&["-1", "536870912", "9223372036854775807", "-9223372036854775808"]).into(),
        _ => draw.no_number(),
    }
}
