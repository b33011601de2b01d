//! What says something about commands and the server, and thresholds that change during the run.

use crate::differential::check::Check;
use crate::differential::draw::Draw;
use crate::differential::generate::{Row, made, row};
use crate::differential::pair::THRESHOLDS;
use crate::differential::unit::Cmd;

/// The commands.
pub const ROWS: &[Row] = &[
    row("command|getkeys", 3, "").about_another().check(Check::KeysOfCall),
    row("command|getkeysandflags", 2, "").about_another().check(Check::KeysOfCall),
    made("config|set", 2, threshold),
    row("debug", 2, "DIGEST-VALUE (<key>)+"),
    row("echo", 1, "<value>"),
    row("lastsave", 1, "").check(Check::Kind),
    row("memory|usage", 1, "<key> [SAMPLES <index>]").check(Check::Kind),
    row("ping", 1, "[<value>]"),
    row("time", 1, "").check(Check::Kind),
];

fn threshold(draw: &mut Draw) -> Vec<Cmd> {
    let (name, values, _) = draw.pick(THRESHOLDS);
    let value = draw.pick(values);
    vec![Cmd::exact(&["CONFIG", "SET", name, value])]
}
