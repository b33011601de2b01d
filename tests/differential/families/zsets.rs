//! Sorted sets.
//!
//! Ranges by member are defined where all scores are the same; in a skiplist anything else depends on chance. So these
//! commands have keys of their own, where every score is 0: what writes these is never spoilt.

use super::Kinds;
use crate::differential::check::Check;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
    row("bzmpop", 1, "<timeout> <numkeys-zsets> (MIN|MAX|MID) [COUNT <count>]").whole(),
    row("bzpopmax", 1, "<zset> [<zset>] <timeout>").whole(),
    row("bzpopmin", 1, "<zset> [<zset>] <timeout>").whole(),
    row("set", 1, "y9 <value>"),
    row("zadd", 12, "<zset> {NX|XX; GT|LT; CH} (<score> <member>)+"),
    row("zadd", 4, "<zset> {NX; XX; GT; LT; CH; INCR} <score> <member>"),
    row("zadd", 8, "<level> (0 <member>)+").whole(),
    row("zcard", 3, "<zset>"),
    row("zcount", 4, "<zset> <score-end> <score-end>"),
    row("zdiff", 3, "<numkeys-zsets> [WITHSCORES]"),
    row("zdiffstore", 2, "<zset> <numkeys-zsets>"),
    row("zincrby", 6, "<zset> <score> <member>"),
    row("zinter", 3, "<numkeys-zsets> {<weights>; AGGREGATE (SUM|MIN|MAX|AVG); WITHSCORES}"),
    row("zintercard", 3, "<numkeys-zsets> [LIMIT <count>]"),
    row("zinterstore", 3, "<zset> <numkeys-zsets> {<weights>; AGGREGATE (SUM|MIN|MAX)}"),
    row("zlexcount", 4, "<level> <lex-end> <lex-end>"),
    row("zmpop", 3, "<numkeys-zsets> (MIN|MAX) [COUNT <count>]"),
    row("zmscore", 4, "<zset> (<member>)+"),
    row("zpopmax", 4, "<zset> [<count>]"),
    row("zpopmin", 4, "<zset> [<count>]"),
    row("zrandmember", 4, "<zset> [<count> [WITHSCORES]]").check(Check::Picks("ZMSCORE")),
    row("zrange", 4, "<zset> <index> <index> {REV; WITHSCORES; LIMIT <index> <index>}"),
    row("zrange", 4, "<zset> <score-end> <score-end> BYSCORE {REV; WITHSCORES; LIMIT <index> <index>}"),
    row("zrange", 3, "<level> <lex-end> <lex-end> BYLEX {REV; LIMIT <index> <index>; WITHSCORES}"),
    row("zrangebylex", 3, "<level> <lex-end> <lex-end> [LIMIT <index> <index>]"),
    row("zrangebyscore", 4, "<zset> <score-end> <score-end> {WITHSCORES; LIMIT <index> <index>}"),
    row("zrangestore", 2, "<zset> <zset> <index> <index> {REV; LIMIT <index> <index>}"),
    row("zrangestore", 2, "<zset> <zset> <score-end> <score-end> BYSCORE {REV; LIMIT <index> <index>}"),
    row("zrangestore", 1, "<level> <level> <lex-end> <lex-end> BYLEX {REV; LIMIT <index> <index>}").whole(),
    row("zrank", 4, "<zset> <member>"),
    row("zrem", 5, "<zset> (<member>)+"),
    row("zrem", 2, "<level> (<member>)+"),
    row("zremrangebylex", 1, "<level> <lex-end> <lex-end>"),
    row("zremrangebyrank", 2, "<zset> <index> <index>"),
    row("zremrangebyscore", 2, "<zset> <score-end> <score-end>"),
    row("zrevrange", 4, "<zset> <index> <index> [WITHSCORES]"),
    row("zrevrangebylex", 3, "<level> <lex-end> <lex-end> [LIMIT <index> <index>]"),
    row("zrevrangebyscore", 4, "<zset> <score-end> <score-end> {WITHSCORES; LIMIT <index> <index>}"),
    row("zrevrank", 4, "<zset> <member>"),
    row("zscore", 5, "<zset> <member>"),
    row("zunion", 3, "<numkeys-zsets> {<weights>; AGGREGATE (SUM|MIN|MAX|AVG); WITHSCORES}"),
    row("zunionstore", 3, "<zset> <numkeys-zsets> {<weights>; AGGREGATE (SUM|MIN|MAX)}"),
];

/// By name.
pub const KINDS: Kinds = &[
    ("level", |d, w| w.push(level_key(d))),
    ("lex-end", |d, w| w.push(lex_end(d))),
    ("score", |d, w| w.push(score(d))),
    ("score-end", |d, w| w.push(score_end(d))),
    ("weights", weights),
];

/// A key whose members all have the score 0, or that holds a string.
fn level_key(draw: &mut Draw) -> Word {
    draw.pick(&["y0", "y1", "y0", "y1", "y2", "y0", "y1", "y2", "y9", "never"]).into()
}

fn lex_end(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..25 => draw.pick(&["-", "+"]).into(),
        25..94 => [draw.pick(&["[", "("]).as_bytes(), &draw.member()].concat(),
        _ => draw.pick(&["", "a", "*", "[", "(", "--"]).into(),
    }
}

fn score(draw: &mut Draw) -> Word {
    if draw.chance(60) { draw.between(-5, 20).to_string().into() } else { draw.float() }
}

fn score_end(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..25 => draw.pick(&["-inf", "+inf", "inf", "(-inf", "(+inf"]).into(),
        25..40 => [b"(".to_vec(), score(draw)].concat(),
        40..95 => score(draw),
        _ => draw.pick(&["", "(", "abc", "((1", "nan", "[1"]).into(),
    }
}

/// As many as keys were announced; rarely another number of them.
fn weights(draw: &mut Draw, words: &mut Vec<Word>) {
    words.push("WEIGHTS".into());
    let count = if draw.chance(95) { draw.announced } else { draw.below(4) };
    for _ in 0..count {
        words.push(score(draw));
    }
}
