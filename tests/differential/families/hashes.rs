//! Hashes.

use crate::differential::check::Check;
use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
    row("hdel", 5, "<hash> (<field>)+"),
    row("hexists", 4, "<hash> <field>"),
    row("hget", 6, "<hash> <field>"),
    row("hgetall", 4, "<hash>").check(Check::ByEncodingPairs),
    row("hincrby", 6, "<hash> <field> <increment>"),
    row("hincrbyfloat", 6, "<hash> <field> <float>"),
    row("hkeys", 3, "<hash>").check(Check::ByEncoding),
    row("hlen", 4, "<hash>"),
    row("hmget", 5, "<hash> (<field>)+"),
    row("hmset", 4, "<hash> (<field> <value>)+"),
    row("hrandfield", 4, "<hash> [<count> [WITHVALUES]]").check(Check::Picks("HMGET")),
    row("hset", 10, "<hash> (<field> <value>)+"),
    row("hsetnx", 4, "<hash> <field> <value>"),
    row("hstrlen", 4, "<hash> <field>"),
    row("hvals", 3, "<hash>").check(Check::ByEncoding),
];
