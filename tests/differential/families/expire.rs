//! Expiry times. Never one that comes during the run: see `draw`.

use crate::differential::check::Check;
use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
    row("expire", 4, "<key> <seconds> {NX; XX; GT; LT}").whole(),
    row("expireat", 4, "<key> <moment-seconds> {NX; XX; GT; LT}"),
    row("expiretime", 3, "<key>").check(Check::Seconds),
    row("persist", 3, "<key>"),
    row("pexpire", 4, "<key> <milliseconds> {NX; XX; GT; LT}").whole(),
    row("pexpireat", 4, "<key> <moment-milliseconds> {NX; XX; GT; LT}"),
    row("pexpiretime", 3, "<key>").check(Check::Milliseconds),
    row("pttl", 3, "<key>").check(Check::Milliseconds),
    row("ttl", 3, "<key>").check(Check::Seconds),
];
