//! Sets.

use crate::differential::check::Check;
use crate::differential::draw::Draw;
use crate::differential::generate::{Row, made, row};
use crate::differential::unit::Cmd;

/// The commands.
pub const ROWS: &[Row] = &[
    row("sadd", 8, "<set> (<member>)+"),
    row("sadd", 4, "<set> (<increment>)+"),
    row("scard", 4, "<set>"),
    row("sdiff", 3, "(<set>)+").check(Check::Unordered),
    row("sdiffstore", 3, "<set> <set> [<set>] [<set>]"),
    row("sinter", 3, "<set> [<set>] [<set>]").check(Check::Unordered),
    row("sintercard", 3, "<numkeys-sets> [LIMIT <count>]"),
    row("sinterstore", 3, "<set> <set> [<set>]"),
    row("sismember", 5, "<set> <member>"),
    row("smembers", 4, "<set>").check(Check::Unordered),
    row("smismember", 4, "<set> (<member>)+"),
    row("smove", 4, "<set> <set> <member>"),
    made("spop", 3, pop),
    row("srandmember", 4, "<set> [<count>]").check(Check::Picks("SMISMEMBER")),
    row("srem", 6, "<set> (<member>)+"),
    row("sunion", 3, "<set> [<set>] [<set>]").check(Check::Unordered),
    row("sunionstore", 3, "<set> <set> [<set>]"),
];

/// In a transaction nothing can be asked before the next command: then all members go.
fn pop(draw: &mut Draw) -> Vec<Cmd> {
    let key = draw.key(b't');
    let words = vec![b"SPOP".to_vec(), key];
    if draw.queues() {
        return vec![Cmd::new(&[words, vec![b"1000000".to_vec()]].concat(), Check::Unordered)];
    }
    let count = if draw.chance(60) { vec![draw.count()] } else { Vec::new() };
    vec![Cmd::new(&[words, count].concat(), Check::Popped)]
}
