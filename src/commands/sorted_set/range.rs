//! Ranges of a sorted set, by rank, score or member: returned, counted, kept or removed.
//!
//! Every range comes down to ranks (see `types::sorted_set`), which REV and LIMIT are then applied to.

use std::ops::Range;

use super::{READS, limits, removed, row, write_entries};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::sorted_set::{LexBound, LexRange, Limits, ScoreBound, ScoreRange};
use crate::types::{Collection, SortedSet};

const DELETES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::DELETE))];
pub const NOT_A_RANGE: Error = Error::fixed("ERR min or max is not a float");
const NOT_A_LEX_RANGE: Error = Error::fixed("ERR min or max not valid string range item");

/// The rows.
pub const COMMANDS: &[Command] = &[
    reader("zrange", zrange)
        .docs(
            "1.2.0",
            "key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
            "Returns the members in a range of places, scores or members.",
        )
        .complexity("O(log(N)+M) for M members returned of N.")
        .history(&[("6.2.0", "`REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")]),
    row("zrangestore", Arity::at_least(5), zrangestore)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, Access::OW.and(Access::UPDATE)), Keys::at(2, Access::RO.and(Access::ACCESS))])
        .docs(
            "6.2.0",
            "dst src min max [BYSCORE|BYLEX] [REV] [LIMIT offset count]",
            "Keeps the members in a range in another key.",
        )
        .complexity("O(log(N)+M) for M members kept of N."),
    reader("zrevrange", zrevrange)
        .deprecated("6.2.0", "`ZRANGE` with `REV`")
        .docs(
            "1.2.0",
            "key start stop [WITHSCORES]",
            "Returns the members in a range of places, the highest score coming first.",
        )
        .complexity("O(log(N)+M) for M members returned of N."),
    reader("zrangebyscore", zrangebyscore)
        .deprecated("6.2.0", "`ZRANGE` with `BYSCORE`")
        .docs("1.0.5", "key min max [WITHSCORES] [LIMIT offset count]", "Returns the members in a range of scores.")
        .complexity("O(log(N)+M) for M members returned of N.")
        .history(&[("2.0.0", "`WITHSCORES`.")]),
    reader("zrevrangebyscore", zrevrangebyscore)
        .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`")
        .docs(
            "2.2.0",
            "key max min [WITHSCORES] [LIMIT offset count]",
            "Returns the members in a range of scores, the highest coming first.",
        )
        .complexity("O(log(N)+M) for M members returned of N.")
        .history(&[("2.1.6", "Ranges without their ends.")]),
    reader("zrangebylex", zrangebylex)
        .deprecated("6.2.0", "`ZRANGE` with `BYLEX`")
        .docs(
            "2.8.9",
            "key min max [LIMIT offset count]",
            "Returns the members in a range of members, if all scores are the same.",
        )
        .complexity("O(log(N)+M) for M members returned of N."),
    reader("zrevrangebylex", zrevrangebylex)
        .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYLEX`")
        .docs(
            "2.8.9",
            "key max min [LIMIT offset count]",
            "Returns the members in a range of members from its end, if all scores are the same.",
        )
        .complexity("O(log(N)+M) for M members returned of N."),
    row("zcount", Arity::exactly(4), zcount)
        .flags(&[READONLY, FAST])
        .keys(READS)
        .docs("2.0.0", "key min max", "Counts the members in a range of scores.")
        .complexity("O(log(N)) for a sorted set of N members."),
    row("zlexcount", Arity::exactly(4), zlexcount)
        .flags(&[READONLY, FAST])
        .keys(READS)
        .docs("2.8.9", "key min max", "Counts the members in a range of members, if all scores are the same.")
        .complexity("O(log(N)) for a sorted set of N members."),
    remover("zremrangebyrank", zremrangebyrank)
        .docs("2.0.0", "key start stop", "Removes the members in a range of places.")
        .complexity("O(log(N)+M) for M members removed of N."),
    remover("zremrangebyscore", zremrangebyscore)
        .docs("1.2.0", "key min max", "Removes the members in a range of scores.")
        .complexity("O(log(N)+M) for M members removed of N."),
    remover("zremrangebylex", zremrangebylex)
        .docs("2.8.9", "key min max", "Removes the members in a range of members, if all scores are the same.")
        .complexity("O(log(N)+M) for M members removed of N."),
];

const fn reader(name: &'static str, handler: Handler) -> Command {
    row(name, Arity::at_least(4), handler).flags(&[READONLY]).keys(READS)
}

const fn remover(name: &'static str, handler: Handler) -> Command {
    row(name, Arity::exactly(4), handler).flags(&[WRITE]).keys(DELETES)
}

/// By what a range is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// A range that was asked for.
#[derive(Clone, Copy, Debug)]
enum Bounds<'a> {
    /// Places, negative ones counted from the end.
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

impl<'a> Bounds<'a> {
    /// Reads a range from two arguments.
    fn read(by: By, args: Args<'a>, min: usize, max: usize) -> Result<Self, Error> {
        Ok(match by {
            By::Rank => Self::Ranks(args.integer(min)?, args.integer(max)?),
            By::Score => {
                let bound = |index| score_bound(args.get(index)).ok_or(NOT_A_RANGE);
                Self::Scores(ScoreRange { min: bound(min)?, max: bound(max)? })
            }
            By::Lex => {
                let bound = |index| lex_bound(args.get(index)).ok_or(NOT_A_LEX_RANGE);
                Self::Members(LexRange { min: bound(min)?, max: bound(max)? })
            }
        })
    }

    /// The ranks of what is in the range; places count from the last element if `reversed`.
    fn ranks(&self, set: &SortedSet, reversed: bool) -> Range<usize> {
        match self {
            Self::Ranks(start, stop) => places(*start, *stop, set.len(), reversed),
            Self::Scores(range) => set.ranks_by_score(range),
            Self::Members(range) => set.ranks_by_lex(range),
        }
    }
}

/// The ranks from place `start` to place `stop`, that one included.
fn places(start: i64, stop: i64, len: usize, reversed: bool) -> Range<usize> {
    let len = len as i64;
    let place = |index: i64| if index < 0 { index + len } else { index };
    let start = place(start).max(0);
    let end = place(stop).min(len - 1) + 1;
    if start >= end {
        return 0..0;
    }
    match reversed {
        true => (len - end) as usize..(len - start) as usize,
        false => start as usize..end as usize,
    }
}

/// Reads an end of a range of scores: a float, which `(` excludes. As with C's `strtod`, blanks may come first, text
/// ends at a NUL, nothing at all is 0, and what is too big is infinite.
pub fn score_bound(text: &[u8]) -> Option<ScoreBound> {
    let (exclusive, text) = text.strip_prefix(b"(").map_or((false, text), |text| (true, text));
    let text = memchr::memchr(0, text).map_or(text, |end| &text[..end]);
    if text.is_empty() {
        return Some(ScoreBound { score: 0.0, exclusive });
    }
    let score: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!score.is_nan()).then_some(ScoreBound { score, exclusive })
}

fn lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        b"-" => Some(LexBound::Lowest),
        b"+" => Some(LexBound::Highest),
        [b'[', member @ ..] => Some(LexBound::Inclusive(member)),
        [b'(', member @ ..] => Some(LexBound::Exclusive(member)),
        _ => None,
    }
}

/// What the commands that return a range, or keep it, were asked for.
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    bounds: Bounds<'a>,
    reversed: bool,
    with_scores: bool,
    offset: i64,
    /// How many elements at most; negative for all.
    count: i64,
}

/// What a command leaves open to its options.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// The argument with the key that is read.
    source: usize,
    by: Option<By>,
    reversed: Option<bool>,
    stores: bool,
}

impl Form {
    const fn fixed(by: By, reversed: bool) -> Form {
        Form { source: 1, by: Some(by), reversed: Some(reversed), stores: false }
    }
}

impl<'a> Query<'a> {
    fn read(args: Args<'a>, form: Form) -> Result<Self, Error> {
        let (mut by, mut reversed, mut with_scores) = (form.by, form.reversed, false);
        let (mut offset, mut count) = (0, -1);
        let mut index = form.source + 3;
        while index < args.len() {
            if !form.stores && args.is(index, "withscores") {
                with_scores = true;
            } else if args.is(index, "limit") && index + 2 < args.len() {
                (offset, count) = (args.integer(index + 1)?, args.integer(index + 2)?);
                index += 2;
            } else if reversed.is_none() && args.is(index, "rev") {
                reversed = Some(true);
            } else if by.is_none() && args.is(index, "bylex") {
                by = Some(By::Lex);
            } else if by.is_none() && args.is(index, "byscore") {
                by = Some(By::Score);
            } else {
                return Err(SYNTAX);
            }
            index += 1;
        }
        let (by, reversed) = (by.unwrap_or(By::Rank), reversed.unwrap_or(false));
        if count != -1 && by == By::Rank {
            return Err(Error::fixed(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(Error::fixed("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        // What goes backwards names the end first.
        let (min, max) = match reversed && by != By::Rank {
            true => (form.source + 2, form.source + 1),
            false => (form.source + 1, form.source + 2),
        };
        let bounds = Bounds::read(by, args, min, max)?;
        Ok(Query { bounds, reversed, with_scores, offset, count })
    }

    /// The ranks of what is asked for.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let ranks = self.bounds.ranks(set, self.reversed);
        if matches!(self.bounds, Bounds::Ranks(..)) {
            return ranks;
        }
        let Ok(offset) = usize::try_from(self.offset) else { return 0..0 };
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        match self.reversed {
            true => {
                let end = ranks.end.saturating_sub(offset).max(ranks.start);
                end.saturating_sub(count).max(ranks.start)..end
            }
            false => {
                let start = ranks.start.saturating_add(offset).min(ranks.end);
                start..start.saturating_add(count).min(ranks.end)
            }
        }
    }
}

fn zrange(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_range(cx, args, Form { source: 1, by: None, reversed: None, stores: false })
}

fn zrevrange(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_range(cx, args, Form::fixed(By::Rank, true))
}

fn zrangebyscore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_range(cx, args, Form::fixed(By::Score, false))
}

fn zrevrangebyscore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_range(cx, args, Form::fixed(By::Score, true))
}

fn zrangebylex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_range(cx, args, Form::fixed(By::Lex, false))
}

fn zrevrangebylex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_range(cx, args, Form::fixed(By::Lex, true))
}

fn reply_range(cx: &mut Ctx<'_>, args: Args<'_>, form: Form) -> CmdResult {
    let query = Query::read(args, form)?;
    let Some(set) = cx.db.collection::<SortedSet>(&args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let entries = set.iter_ranks(query.ranks(set));
    match query.reversed {
        true => write_entries(cx.reply, entries.rev(), query.with_scores),
        false => write_entries(cx.reply, entries, query.with_scores),
    }
    Ok(())
}

fn zrangestore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let query = Query::read(args, Form { source: 2, by: None, reversed: None, stores: true })?;
    let (limits, destination) = (limits(&cx.server.config), args.key(1));
    let mut found: Vec<_> = match cx.db.collection::<SortedSet>(&args.key(2))? {
        Some(set) => set.iter_ranks(query.ranks(set)).map(|entry| (entry.member.to_vec(), entry.score())).collect(),
        None => Vec::new(),
    };
    cx.reply.integer(found.len() as i64);
    if !found.is_empty() {
        drop_signs_of_zero(&mut found, &query, limits);
        cx.db.put_collection(&destination, SortedSet::from_entries(found, limits));
        cx.changed(&destination, Event::sorted_set("zrangestore"));
    } else if cx.db.delete(&destination) {
        cx.changed(&destination, Event::generic("del"));
    }
    Ok(())
}

/// In Redis a stored range is a listpack, which knows no -0, until it outgrows that; only of places it is told before how
/// many there are.
fn drop_signs_of_zero(found: &mut [(Vec<u8>, f64)], query: &Query<'_>, limits: Limits) {
    if matches!(query.bounds, Bounds::Ranks(..)) && found.len() > limits.entries {
        return;
    }
    let drop_sign = |(member, score): &mut (Vec<u8>, f64)| {
        *score += if member.len() <= limits.value { 0.0 } else { -0.0 };
        member.len() <= limits.value
    };
    match query.reversed {
        true => _ = found.iter_mut().rev().take(limits.entries).all(drop_sign),
        false => _ = found.iter_mut().take(limits.entries).all(drop_sign),
    }
}

fn zcount(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    count(cx, args, By::Score)
}

fn zlexcount(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    count(cx, args, By::Lex)
}

fn count(cx: &mut Ctx<'_>, args: Args<'_>, by: By) -> CmdResult {
    let bounds = Bounds::read(by, args, 2, 3)?;
    let count = cx.db.collection::<SortedSet>(&args.key(1))?.map_or(0, |set| bounds.ranks(set, false).len());
    cx.reply.integer(count as i64);
    Ok(())
}

fn zremrangebyrank(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    remove_range(cx, args, By::Rank, "zremrangebyrank")
}

fn zremrangebyscore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    remove_range(cx, args, By::Score, "zremrangebyscore")
}

fn zremrangebylex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    remove_range(cx, args, By::Lex, "zremrangebylex")
}

fn remove_range(cx: &mut Ctx<'_>, args: Args<'_>, by: By, event: &'static str) -> CmdResult {
    let (bounds, key) = (Bounds::read(by, args, 2, 3)?, args.key(1));
    let Some(set) = cx.db.collection_mut::<SortedSet>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let ranks = bounds.ranks(set, false);
    let (count, whole) = (ranks.len(), ranks.len() == set.len());
    if !whole {
        set.remove_ranks(ranks);
    }
    if count > 0 {
        cx.db.dirty += count as u64;
        removed(cx, &key, event, whole);
    }
    cx.reply.integer(count as i64);
    Ok(())
}
