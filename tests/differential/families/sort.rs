//! SORT. By what is ambiguous nothing is stored or cut off.
//!
//! In Redis a sorted set that is sorted becomes a skiplist for good. So those to be sorted are skiplists already, by a
//! member too long for a listpack.

use super::Kinds;
use crate::differential::check::Check;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
    row("set", 2, "<weight-key> <weight>"),
    row("hset", 2, "<weight-hash> n <weight> v <member>"),
    row("rpush", 2, "<numbers> (<weight>)+"),
    row("zadd", 2, "<skiplist> 0 <long-member> (<weight> <member>)+").whole(),
    row("sort", 3, "<numbers> {LIMIT <index> <index>; GET <got> | GET <got> GET #; ASC|DESC; STORE <list>; ALPHA}"),
    row("sort", 3, "<sorted> ALPHA {LIMIT <index> <index>; GET <got>; ASC|DESC; STORE <list>}"),
    row("sort", 3, "<sorted> BY <by> {LIMIT <index> <index>; GET <got>; ASC|DESC; STORE <list>}"),
    row("sort", 1, "<set> BY nosort").check(Check::Unordered).whole(),
    row("sort", 1, "<sorted> BY w:* ALPHA").check(Check::Unordered).whole(),
    row("sort", 2, "(<list>|<skiplist>) BY nosort {LIMIT <index> <index>; GET <got>; DESC; STORE <list>}"),
    row("sort_ro", 3, "<sorted> ALPHA {LIMIT <index> <index>; GET <got>; ASC|DESC}"),
    row("sort_ro", 2, "<sorted> BY <by> {LIMIT <index> <index>; GET <got>; ASC|DESC; STORE <list>}"),
];

/// By name.
pub const KINDS: Kinds = &[
    ("sorted", |d, w| w.push(sorted(d))),
    ("skiplist", |d, w| w.push(d.pick(&["q0", "q1", "q2"]).into())),
    ("long-member", |_, w| w.push("long".repeat(20).into())),
    ("numbers", |d, w| w.push(d.pick(&["n0", "n1", "n2"]).into())),
    ("weight-key", |d, w| w.push([b"w:".to_vec(), d.member()].concat())),
    ("weight-hash", |d, w| w.push([b"o:".to_vec(), d.member()].concat())),
    ("weight", |d, w| w.push(weight(d))),
    ("by", |d, w| w.push(d.pick(&["w:*", "o:*->n", "w:*x", "o:*->missing", "o:*->", "x*->n"]).into())),
    ("got", |d, w| w.push(d.pick(&["#", "w:*", "o:*->n", "o:*->v", "*", "o:*->", "nothing", "s0", "->", ""]).into())),
];

fn sorted(draw: &mut Draw) -> Word {
    match draw.below(3) {
        0 => draw.key(b'l'),
        1 => draw.key(b't'),
        _ => draw.pick(&["q0", "q1", "q2"]).into(),
    }
}

fn weight(draw: &mut Draw) -> Word {
    if draw.chance(97) { draw.between(-50, 50).to_string().into() } else { draw.float() }
}
