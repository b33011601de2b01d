//! Lists. What waits does so for milliseconds.

use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
    row("blmove", 1, "<list> <list> (LEFT|RIGHT) (LEFT|RIGHT) <timeout>").whole(),
    row("blmpop", 1, "<timeout> <numkeys-lists> (LEFT|RIGHT|MIDDLE) [COUNT <count>]").whole(),
    row("blpop", 1, "<list> [<list>] <timeout>").whole(),
    row("brpop", 1, "<list> [<list>] <timeout>").whole(),
    row("brpoplpush", 1, "<list> <list> <timeout>").whole(),
    row("lindex", 5, "<list> <index>"),
    row("linsert", 6, "<list> (BEFORE|AFTER|BEFORE|AFTER|ABOVE) <member> <value>"),
    row("llen", 4, "<list>"),
    row("lmove", 5, "<list> <list> (LEFT|RIGHT|LEFT|RIGHT|UP) (LEFT|RIGHT)"),
    row("lmpop", 3, "<numkeys-lists> (LEFT|RIGHT) [COUNT <count>]"),
    row("lpop", 4, "<list> [<count>]"),
    row("lpos", 5, "<list> <member> {RANK <index>; COUNT <count>; MAXLEN <count>}"),
    row("lpush", 8, "<list> (<member>|<value>)+"),
    row("lpushx", 3, "<list> (<member>)+"),
    row("lrange", 6, "<list> <index> <index>"),
    row("lrange", 2, "<list> 0 -1"),
    row("lrem", 5, "<list> <index> <member>"),
    row("lset", 5, "<list> <near-index> (<member>|<value>)"),
    row("ltrim", 3, "<list> <index> <index>"),
    row("rpop", 4, "<list> [<count>]"),
    row("rpoplpush", 4, "<list> <list>"),
    row("rpush", 8, "<list> (<member>|<value>)+"),
    row("rpushx", 3, "<list> (<value>)+"),
];
