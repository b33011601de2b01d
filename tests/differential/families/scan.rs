//! Walks over keys and over the members of a key.

use crate::differential::check::Check;
use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
    row("hscan", 3, "<hash> <cursor> {MATCH <pattern>; COUNT <step>}").scans_key(),
    row("keys", 3, "<pattern>").check(Check::Unordered),
    row("scan", 4, "<cursor> {MATCH <pattern>; COUNT <step>; TYPE <type>}").check(Check::Scan),
    row("sscan", 3, "<set> <cursor> {MATCH <pattern>; COUNT <step>}").scans_key(),
    row("zscan", 3, "<zset> <cursor> {MATCH <pattern>; COUNT <step>}").scans_key(),
];
