//! Streams.
//!
//! Identifiers lie far ahead of the clock: then `*` goes on from the last one instead of from the time, once there is
//! one. Idle times are either any or more than a run lasts.

use super::Kinds;
use crate::differential::check::Check;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, Series, made, row};
use crate::differential::unit::Cmd;

/// Fields of XINFO that tell times, and how the index of a stream lies in memory.
pub const TIMES: &[&str] = &["idle", "inactive", "seen-time", "active-time", "radix-tree-nodes"];
/// These, and how much a group has read and what is left, which later versions than 7.0 reckon in another way.
pub const RECKONED: &[&str] =
    &["idle", "inactive", "seen-time", "active-time", "radix-tree-nodes", "entries-read", "lag"];

/// The first milliseconds of identifiers.
const FIRST: i64 = 5_000_000_000_000;

/// The commands.
pub const ROWS: &[Row] = &[
    row("xack", 5, "<stream> <group> (<id>)+"),
    row("xadd", 16, "<stream> [NOMKSTREAM] <new-id> (<field> <value>)+"),
    row("xadd", 8, "<stream> {NOMKSTREAM; <trim>} <new-id> <field> <value>"),
    made("xadd", 4, add_next),
    row("xautoclaim", 4, "<stream> <group> <consumer> <idle> <range-start> {COUNT <few>; JUSTID}")
        .whole()
        .only(Series::Seven),
    // Since 7.2 a consumer that reads or claims in vain is made, too: see `newer`.
    row(
        "xclaim",
        5,
        "<stream> <group> <consumer> <idle> <id> [<id>] [<id>] \
         {IDLE <idle>; TIME <claim-time>; RETRYCOUNT <few>; FORCE; JUSTID; LASTID <id>}",
    )
    .only(Series::Seven),
    row("xdel", 5, "<stream> (<id>)+"),
    // Later versions know better than to believe any number.
    row("xgroup|create", 5, "<stream> <group> (<id>|$|0|-) {MKSTREAM; ENTRIESREAD <index>}").only(Series::Seven),
    row("xgroup|create", 8, "<stream> <group> (0|0|$) [MKSTREAM]"),
    row("xgroup|createconsumer", 3, "<stream> <group> <consumer>"),
    row("xgroup|delconsumer", 2, "<stream> <group> <consumer>"),
    // Redis 8.2 goes on comparing with the place that the last group had: XDELEX ACKED after another is made.
    row("xgroup|destroy", 1, "<stream> <group>").only(Series::Seven),
    row("xgroup|help", 1, "").check(Check::Kind),
    row("xgroup|setid", 3, "<stream> <group> (<id>|$|0) [ENTRIESREAD <index>]").only(Series::Seven),
    row("xgroup|setid", 2, "<stream> <group> (<id>|$|0)"),
    row("xinfo|consumers", 3, "<stream> <group>").check(Check::Fields(TIMES)).only(Series::Seven),
    // Later versions reckon how much was read and what is left in another way, once entries were deleted.
    row("xinfo|groups", 3, "<stream>").check(Check::Fields(RECKONED)).only(Series::Seven),
    row("xinfo|help", 1, "").check(Check::Kind),
    // Later versions tell more of consumers, and keep blocks without entries.
    row("xinfo|stream", 4, "<stream> [FULL [COUNT <few>]]").check(Check::Fields(RECKONED)).only(Series::Seven),
    row("xlen", 4, "<stream>"),
    row("xpending", 3, "<stream> <group>"),
    row("xpending", 4, "<stream> <group> [IDLE <idle>] <range-start> <range-end> <few> [<consumer>]")
        .check(Check::Pending)
        .whole(),
    row("xrange", 5, "<stream> <range-start> <range-end> [COUNT <count>]"),
    row("xread", 4, "{COUNT <count>; BLOCK <block>} STREAMS <stream> (<read-id>|$|0)").whole(),
    row("xread", 2, "{COUNT <count>} STREAMS <stream> <stream> (<read-id>|$|0) (<read-id>|$|0)").whole(),
    row("xreadgroup", 10, "GROUP <group> <consumer> {COUNT <count>; NOACK} STREAMS <stream> >")
        .whole()
        .only(Series::Seven),
    row(
        "xreadgroup",
        3,
        "GROUP <group> <consumer> {COUNT <count>; NOACK; BLOCK <block>} STREAMS <stream> (>|<read-id>|$|0)",
    )
    .whole()
    .only(Series::Seven),
    row(
        "xreadgroup",
        2,
        "GROUP <group> <consumer> {COUNT <count>; NOACK} STREAMS <stream> <stream> (>|0) (>|<read-id>)",
    )
    .whole()
    .only(Series::Seven),
    row("xrevrange", 4, "<stream> <range-end> <range-start> [COUNT <count>]"),
    // Later versions compare the identifier with that of the last deleted entry, first of all.
    row("xsetid", 2, "<stream> (<id>|<new-id>|<new-id>) {ENTRIESADDED <index>; MAXDELETEDID <id>}").only(Series::Later),
    row("xtrim", 3, "<stream> <trim>"),
];

/// By name.
pub const KINDS: Kinds = &[
    ("group", |d, w| w.push(d.pick(&["g", "g", "g", "g", "g", "g", "g", "h", "h", "none"]).into())),
    ("consumer", |d, w| w.push(d.pick(&["c1", "c1", "c2", "c2", "c3", ""]).into())),
    ("id", |d, w| w.push(id(d))),
    ("read-id", |d, w| w.push(read_id(d))),
    ("new-id", |d, w| w.push(new_id(d))),
    ("range-start", |d, w| w.push(range_end(d, "-"))),
    ("range-end", |d, w| w.push(range_end(d, "+"))),
    ("idle", |d, w| w.push(d.pick(&["0", "0", "0", "0", "10000000", "10000000", "-1", "abc"]).into())),
    ("claim-time", |d, w| w.push(d.pick(&["0", "1000", "-1", "4102444800000", "abc"]).into())),
    ("block", |d, w| w.push(d.pick(&["1", "2", "1", "2", "-1", "abc", ""]).into())),
    ("few", |d, w| w.push(d.pick(&["1", "2", "3", "10", "100", "0", "-1", "abc"]).into())),
    ("trim", trim),
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

/// XREAD knows `+` since Redis 7.4.
fn read_id(draw: &mut Draw) -> Word {
    let id = id(draw);
    if id == b"+" { b"++".to_vec() } else { id }
}

fn range_end(draw: &mut Draw, whole: &str) -> Word {
    match draw.below(100) {
        0..45 => whole.into(),
        45..90 => id(draw),
        90..97 => [b"(".to_vec(), id(draw)].concat(),
        _ => draw.pick(&["-", "+", "(-", "(+", "", "(0-0", "(18446744073709551615-18446744073709551615"]).into(),
    }
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
