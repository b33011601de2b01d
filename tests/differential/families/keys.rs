//! Keys of whatever type, and databases.

use crate::differential::check::Check;
use crate::differential::draw::Draw;
use crate::differential::generate::{Row, made, row};
use crate::differential::unit::Cmd;

/// The commands.
pub const ROWS: &[Row] = &[
    row("copy", 5, "<keys-alike> {DB <database>; REPLACE}"),
    row("dbsize", 2, ""),
    row("del", 6, "<key> [<key> <key>]"),
    made("dump", 6, |draw| vec![Cmd::new(&[b"DUMP".to_vec(), draw.any_key()], Check::Dumped)]),
    row("exists", 4, "(<key>)+"),
    made("flushall", 1, |draw| flush(draw, "FLUSHALL")),
    made("flushdb", 1, |draw| flush(draw, "FLUSHDB")),
    row("move", 3, "<key> <database>"),
    row("object|encoding", 8, "<key>").check(Check::Encoding),
    row("object|freq", 1, "<key>"),
    row("object|help", 1, "").check(Check::Kind),
    row("object|idletime", 2, "<key>").check(Check::Kind),
    row("object|refcount", 2, "<key>").check(Check::Kind),
    made("randomkey", 2, |_| vec![Cmd::new(&["RANDOMKEY"], Check::Picks("EXISTS"))]),
    row("rename", 4, "<keys-alike>"),
    row("renamenx", 3, "<keys-alike>"),
    row("restore", 1, "<key> (0|0|-1|<milliseconds>) <value> {REPLACE; ABSTTL; IDLETIME <index>; FREQ <index>}")
        .whole(),
    row("swapdb", 1, "<database> <database>"),
    row("touch", 3, "(<key>)+"),
    row("type", 5, "<key>"),
    row("unlink", 2, "<key> [<key>]"),
];

/// Rarely, so that data can gather; and then and now with a word too much.
fn flush(draw: &mut Draw, name: &str) -> Vec<Cmd> {
    match draw.below(20) {
        0 => vec![Cmd::exact(&[name, draw.pick(&["ASYNC", "SYNC", "sync"])])],
        1 => vec![Cmd::exact(&[name])],
        2..5 => vec![Cmd::exact(&[name, "NOW"])],
        _ => vec![Cmd::exact(&[name, "SYNC", "SYNC"])],
    }
}
