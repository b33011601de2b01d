//! Transactions, and what changes the connection between commands.

use crate::differential::check::Check;
use crate::differential::draw::Draw;
use crate::differential::generate::{Row, made, row};
use crate::differential::unit::Cmd;

/// The commands.
pub const ROWS: &[Row] = &[
    made("discard", 2, |_| vec![Cmd::exact(&["DISCARD"])]),
    made("exec", 8, |draw| in_turn(draw, "EXEC")),
    made("hello", 3, hello),
    made("multi", 8, |draw| in_turn(draw, "MULTI")),
    made("reset", 1, |_| vec![Cmd::exact(&["RESET"])]),
    made("select", 8, select),
    row("unwatch", 1, ""),
    row("watch", 5, "(<key>)+"),
];

/// Mostly MULTI and EXEC in turn, sometimes the one that is not due.
fn in_turn(draw: &mut Draw, name: &str) -> Vec<Cmd> {
    let due = if draw.queues() { "EXEC" } else { "MULTI" };
    vec![Cmd::exact(&[if draw.chance(10) { name } else { due }])]
}

/// Mostly the first database, so that commands meet.
fn select(draw: &mut Draw) -> Vec<Cmd> {
    let database = draw.database();
    vec![Cmd::exact(&[b"SELECT".to_vec(), database])]
}

fn hello(draw: &mut Draw) -> Vec<Cmd> {
    const OWN: Check = Check::Fields(&["id", "version", "modules"]);
    let words: &[&str] = draw.pick(&[
        &["HELLO", "3"][..],
        &["HELLO", "2"],
        &["HELLO"],
        &["HELLO", "4"],
        &["HELLO", "abc"],
        &["HELLO", "3", "SETNAME", "a b"],
        &["HELLO", "3", "AUTH", "x"],
    ]);
    vec![Cmd::new(words, OWN)]
}
