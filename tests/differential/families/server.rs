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

/// Members of an intset and of a listpack. If an intset may have fewer, the form of a set made of several depends on which
/// members come first, which in a hash table is chance.
const SET_THRESHOLDS: &[(&str, &str)] =
    &[("512", "128"), ("512", "16"), ("512", "3"), ("512", "0"), ("16", "16"), ("16", "3"), ("3", "3"), ("0", "0")];

fn threshold(draw: &mut Draw) -> Vec<Cmd> {
    let (name, values, _) = draw.pick(THRESHOLDS);
    if name.starts_with("set-max-") && name.ends_with("-entries") {
        let (intset, listpack) = draw.pick(SET_THRESHOLDS);
        let words = ["CONFIG", "SET", "set-max-intset-entries", intset, "set-max-listpack-entries", listpack];
        return vec![Cmd::exact(&words)];
    }
    let value = draw.pick(values);
    vec![Cmd::exact(&["CONFIG", "SET", name, value])]
}
