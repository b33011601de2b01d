//! HyperLogLogs. No other commands write to their keys.

use super::Kinds;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
    row("pfadd", 6, "<hll> (<element>)+"),
    row("pfadd", 1, "<hll>"),
    row("pfcount", 4, "<hll> [<hll>] [<hll>]"),
    row("pfdebug", 2, "(ENCODING|DECODE|GETREG|ENCODING|DECODE|TODENSE|NOTHING) <hll>"),
    row("pfmerge", 3, "<hll> [<hll>] [<hll>]"),
];

/// By name.
pub const KINDS: Kinds = &[("element", |d, w| w.push(element(d)))];

fn element(draw: &mut Draw) -> Word {
    if draw.chance(80) { draw.below(100_000).to_string().into() } else { draw.member() }
}
