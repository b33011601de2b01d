//! SORT. By what is ambiguous nothing is stored or cut off.
//!
//! In Redis a sorted set that is sorted becomes a skiplist for good. So those to be sorted are skiplists already, by a
//! member too long for a listpack.

use super::Kinds;
use crate::differential::check::Check;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, row};

/// Redis takes a number to sort by for one out of range if any number read before was: until a command begins anew.
const FORGET_RANGE: &[&str] = &["ZUNION", "1", "nothing", "WEIGHTS", "1"];

/// The commands. The keys to sort are used by nobody else, so that each keeps its type.
pub const ROWS: &[Row] = &[
    row("set", 2, "<weight-key> <weight>"),
    row("hset", 2, "<weight-hash> n <weight> v <member>"),
    row("rpush", 2, "<numbers> (<weight>)+"),
    row("rpush", 2, "<words> (<member>)+"),
    row("sadd", 2, "<members> (<member>)+"),
    row("zadd", 2, "<skiplist> 0 <long-member> (<weight> <member>)+").whole(),
    row("del", 1, "<sorted>"),
    row("sort", 3, "<numbers> {LIMIT <index> <index>; GET <got> | GET <got> GET #; ASC|DESC; STORE <list>; ALPHA}")
        .after(FORGET_RANGE),
    row("sort", 3, "<sorted> ALPHA {LIMIT <index> <index>; GET <got>; ASC|DESC; STORE <list>}"),
    row("sort", 3, "<sorted> BY <by> {LIMIT <index> <index>; GET <got>; ASC|DESC; STORE <list>}")
        .after(FORGET_RANGE)
        .whole(),
    row("sort", 1, "<members> BY nosort").check(Check::Unordered).whole(),
    row("sort", 1, "<sorted> BY w:* ALPHA").check(Check::Unordered).whole(),
    row("sort", 2, "(<words>|<skiplist>) BY nosort {LIMIT <index> <index>; GET <got>; DESC; STORE <list>}"),
    row("sort_ro", 3, "<sorted> ALPHA {LIMIT <index> <index>; GET <got>; ASC|DESC}"),
    row("sort_ro", 2, "<sorted> BY <by> {LIMIT <index> <index>; GET <got>; ASC|DESC; STORE <list>}")
        .after(FORGET_RANGE)
        .whole(),
];

/// By name.
pub const KINDS: Kinds = &[
    ("sorted", |d, w| w.push(d.pick(&["u0", "u1", "u2", "v0", "v1", "v2", "q0", "q1", "q2", "n0", "c0"]).into())),
    ("numbers", |d, w| w.push(d.pick(&["n0", "n1", "n2"]).into())),
    ("words", |d, w| w.push(d.pick(&["u0", "u1", "u2"]).into())),
    ("members", |d, w| w.push(d.pick(&["v0", "v1", "v2"]).into())),
    ("skiplist", |d, w| w.push(d.pick(&["q0", "q1", "q2"]).into())),
    ("long-member", |_, w| w.push("long".repeat(20).into())),
    ("weight-key", |d, w| w.push([b"w:".to_vec(), d.member()].concat())),
    ("weight-hash", |d, w| w.push([b"o:".to_vec(), d.member()].concat())),
    ("weight", |d, w| w.push(weight(d))),
    ("by", |d, w| w.push(d.pick(&["w:*", "o:*->n", "w:*x", "o:*->missing", "o:*->", "x*->n"]).into())),
    ("got", |d, w| w.push(d.pick(&["#", "w:*", "o:*->n", "o:*->v", "*", "o:*->", "nothing", "s0", "->", ""]).into())),
];

fn weight(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..92 => draw.between(-50, 50).to_string().into(),
        _ => draw.pick(&["1.5", "-0", "inf", "-inf", "1e308", "1e400", "nan", "abc", "", "0x10", " 1", "3.0"]).into(),
    }
}
