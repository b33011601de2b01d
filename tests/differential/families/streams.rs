//! Streams.
//!
//! Identifiers lie far ahead of the clock: then `*` goes on from the last one instead of from the time, once there is
//! one. Idle times are either any or more than a run lasts.
//!
//! What differs on purpose, and is not drawn: a group never counts more entries as read than were ever added, so its lag is
//! never below zero. In Redis 8.2 it does after ENTRIESREAD of XGROUP with an ID that lies before the end, and after
//! ENTRIESADDED of XSETID with fewer than there were; newer versions refuse to load a file that says so.

use super::Kinds;
use crate::differential::check::Check;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, made, row};
use crate::differential::unit::Cmd;

/// Fields of XINFO that tell times, and how the index of a stream lies in memory.
pub const TIMES: &[&str] = &["idle", "inactive", "seen-time", "active-time", "radix-tree-nodes"];
/// The first milliseconds of identifiers.
const FIRST: i64 = 5_000_000_000_000;

/// The commands.
pub const ROWS: &[Row] = &[
    row("xack", 5, "<stream> <group> (<id>)+"),
    row("xadd", 16, "<stream> [NOMKSTREAM] <new-id> (<field> <value>)+"),
    row("xadd", 8, "<stream> {NOMKSTREAM; <trim>} <new-id> <field> <value>"),
    made("xadd", 4, add_next),
    row("xautoclaim", 4, "<stream> <group> <consumer> <idle> <range-start> {COUNT <few>; JUSTID}").whole(),
    row(
        "xclaim",
        5,
        "<stream> <group> <consumer> <idle> <id> [<id>] [<id>] \
         {IDLE <idle>; TIME <claim-time>; RETRYCOUNT <few>; FORCE; JUSTID; LASTID <id>}",
    ),
    row("xdel", 5, "<stream> (<id>)+"),
    row("xgroup|create", 3, "<stream> <group> (<id>|$|0|-) {MKSTREAM; ENTRIESREAD <none-read>}").whole(),
    row("xgroup|create", 2, "<stream> <group> $ {MKSTREAM; ENTRIESREAD <index>}").whole(),
    row("xgroup|create", 8, "<stream> <group> (0|0|$) [MKSTREAM]"),
    row("xgroup|createconsumer", 3, "<stream> <group> <consumer>"),
    row("xgroup|delconsumer", 2, "<stream> <group> <consumer>"),
    row("xgroup|destroy", 1, "<stream> <group>"),
    row("xgroup|help", 1, "").check(Check::Kind),
    row("xgroup|setid", 2, "<stream> <group> (<id>|$|0) [ENTRIESREAD <none-read>]").whole(),
    row("xgroup|setid", 1, "<stream> <group> $ [ENTRIESREAD <index>]").whole(),
    row("xgroup|setid", 2, "<stream> <group> (<id>|$|0)"),
    row("xinfo|consumers", 3, "<stream> <group>").check(Check::Fields(TIMES)),
    row("xinfo|groups", 3, "<stream>").check(Check::Fields(TIMES)),
    row("xinfo|help", 1, "").check(Check::Kind),
    row("xinfo|stream", 4, "<stream> [FULL [COUNT <few>]]").check(Check::Fields(TIMES)),
    row("xlen", 4, "<stream>"),
    row("xpending", 3, "<stream> <group>"),
    row("xpending", 4, "<stream> <group> [IDLE <idle>] <range-start> <range-end> <few> [<consumer>]")
        .check(Check::Pending)
        .whole(),
    row("xrange", 5, "<stream> <range-start> <range-end> [COUNT <count>]"),
    row("xread", 4, "{COUNT <count>; BLOCK <block>} STREAMS <stream> (<read-id>|$|0)").whole(),
    row("xread", 2, "{COUNT <count>} STREAMS <stream> <stream> (<read-id>|$|0) (<read-id>|$|0)").whole(),
    row("xreadgroup", 10, "GROUP <group> <consumer> {COUNT <count>; NOACK} STREAMS <stream> >").whole(),
    row(
        "xreadgroup",
        3,
        "GROUP <group> <consumer> {COUNT <count>; NOACK; BLOCK <block>} STREAMS <stream> (>|<read-id>|$|0)",
    )
    .whole(),
    row(
        "xreadgroup",
        2,
        "GROUP <group> <consumer> {COUNT <count>; NOACK} STREAMS <stream> <stream> (>|0) (>|<read-id>)",
    )
    .whole(),
    row("xrevrange", 4, "<stream> <range-end> <range-start> [COUNT <count>]"),
    row("xsetid", 2, "<stream> (<id>|<new-id>|<new-id>) {ENTRIESADDED <more>; MAXDELETEDID <id>}").whole(),
    row("xtrim", 3, "<stream> <trim>"),
];

/// By name.
pub const KINDS: Kinds = &[
    ("group", |d, w| w.push(d.pick(&["g", "g", "g", "g", "g", "g", "g", "h", "h", "none"]).into())),
    ("consumer", |d, w| w.push(d.pick(&["c1", "c1", "c2", "c2", "c3", ""]).into())),
    ("id", |d, w| w.push(id(d))),
    ("read-id", |d, w| w.push(id(d))),
    ("new-id", |d, w| w.push(new_id(d))),
    ("range-start", |d, w| w.push(range_end(d, "-"))),
    ("range-end", |d, w| w.push(range_end(d, "+"))),
    ("idle", |d, w| w.push(d.pick(&["0", "0", "0", "0", "10000000", "10000000", "-1", "abc"]).into())),
    ("claim-time", |d, w| w.push(d.pick(&["0", "1000", "-1", "4102444800000", "abc"]).into())),
    ("block", |d, w| w.push(d.pick(&["1", "2", "1", "2", "-1", "abc", ""]).into())),
    ("few", |d, w| w.push(d.pick(&["1", "2", "3", "10", "100", "0", "-1", "abc"]).into())),
    ("trim", trim),
    ("none-read", |d, w| w.push(d.pick(&["0", "0", "-1", "-2", "abc", "1.5", "", "9223372036854775808"]).into())),
    ("more", more),
];

/// One after the last, mostly; sometimes only a part, or what no identifier is.
fn new_id(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..85 => numbered(draw.fresh()),
        85..90 => format!("{}-*", FIRST + draw.fresh() / 4).into(),
        90..94 => id(draw),
        _ => draw
            .pick(&[
                "0-0",
                "0",
                "0-*",
                "1-1",
                "abc",
                "",
                "-",
                "1-",
                "-1-1",
                "1-1-1",
                "18446744073709551616-0",
                "$",
                "1-x",
            ])
            .into(),
    }
}

fn numbered(number: i64) -> Word {
    format!("{}-{}", FIRST + number / 4, number % 4).into()
}

/// One of the last hundreds of identifiers, if it is not an odd one.
pub fn id(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..80 => {
            let last = draw.fresh();
            let number = last - draw.between(0, last.min(300));
            numbered(number)
        }
        80..86 => (FIRST + draw.fresh() / 4 - draw.between(0, 50)).to_string().into(),
        86..95 => draw
            .pick(&[
                "0",
                "0-1",
                "1-1",
                "18446744073709551615-18446744073709551615",
                "18446744073709551615",
                "9999999999999-0",
            ])
            .into(),
        _ => draw.pick(&["", "abc", "-", "+", "$", "1-", "-1", "18446744073709551616", "1-1-1"]).into(),
    }
}

fn range_end(draw: &mut Draw, whole: &str) -> Word {
    match draw.below(100) {
        0..45 => whole.into(),
        45..90 => id(draw),
        90..97 => [b"(".to_vec(), id(draw)].concat(),
        _ => draw.pick(&["-", "+", "(-", "(+", "", "(0-0", "(18446744073709551615-18446744073709551615"]).into(),
    }
}

/// More entries than were ever added, and more each time.
fn more(draw: &mut Draw, words: &mut Vec<Word>) {
    words.push(match draw.below(100) {
        0..90 => (1_000_000 + draw.fresh()).to_string().into(),
        _ => draw.pick(&["-1", "abc", "", "9223372036854775808"]).into(),
    });
}

fn trim(draw: &mut Draw, words: &mut Vec<Word>) {
    let strategy = draw.pick(&["MAXLEN", "MINID", "maxlen"]);
    words.push(strategy.into());
    let mark = draw.pick(&["", "=", "~", "~"]);
    if !mark.is_empty() {
        words.push(mark.into());
    }
    words.push(match strategy {
        "MINID" => id(draw),
        _ if draw.chance(85) => draw.below(40).to_string().into(),
        _ => draw.count(),
    });
    if draw.chance(if mark == "~" { 40 } else { 4 }) {
        words.extend(["LIMIT".into(), draw.pick(&["0", "1", "5", "100", "10000", "-1", "abc"]).into()]);
    }
}

/// An identifier that the server chooses: after one that is ahead of the clock.
fn add_next(draw: &mut Draw) -> Vec<Cmd> {
    let key = draw.key(b'x');
    let first = numbered(draw.fresh());
    let add = |id: &[u8], value: &[u8]| Cmd::exact(&[b"XADD", &key[..], id, b"f", value]);
    vec![add(&first, b"first"), add(b"*", b"next"), add(b"*", b"last")]
}
