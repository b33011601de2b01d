//! Sorted sets, element by element: adding, scoring, ranking, removing. Ranges, pops and combinations of several sets
//! have files of their own.
//!
//! Scores are answered as doubles, which RESP2 has as strings; pairs of members and scores are arrays of two in RESP3
//! and lie flat in RESP2.

pub mod algebra;
pub mod moving;
pub mod pop;
pub mod range;

use std::collections::HashSet;

use super::scan::{self, Walk};
use super::set::write_member;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::Config;
use crate::db::Key;
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::listpack::IntText;
use crate::types::sorted_set::{Change, Entry, Limits};
use crate::types::{Collection, SortedSet};
use crate::util::number;
use crate::util::random::{Random, Selection};

const READS: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
const DELETES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::DELETE))];
const NOT_A_SCORE: Error = Error::fixed("ERR value is not a valid float");
const NAN_SCORE: Error = Error::fixed("ERR resulting score is not a number (NaN)");

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("zadd", Arity::at_least(4), zadd)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::UPDATE))])
        .docs(
            "1.2.0",
            "key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]",
            "Adds members with their scores, or changes the scores of members.",
        )
        .complexity("O(log(N)) for each member, in a sorted set of N.")
        .history(&[
            ("2.4.0", "Several members."),
            ("3.0.2", "`XX`, `NX`, `CH` and `INCR`."),
            ("6.2.0", "`GT` and `LT`."),
        ]),
    row("zincrby", Arity::exactly(4), zincrby)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))])
        .docs("1.2.0", "key increment member", "Adds to the score of a member.")
        .complexity("O(log(N)) for a sorted set of N members."),
    row("zrem", Arity::at_least(3), zrem)
        .flags(&[WRITE, FAST])
        .keys(DELETES)
        .docs("1.2.0", "key member [member ...]", "Removes members.")
        .complexity("O(M*log(N)) for M members removed of N.")
        .history(&[("2.4.0", "Several members.")]),
    row("zcard", Arity::exactly(2), zcard).flags(&[READONLY, FAST]).keys(&[Keys::at(1, Access::RO)]).docs(
        "1.2.0",
        "key",
        "Returns the number of members.",
    ),
    row("zscore", Arity::exactly(3), zscore).flags(&[READONLY, FAST]).keys(READS).docs(
        "1.2.0",
        "key member",
        "Returns the score of a member.",
    ),
    row("zmscore", Arity::at_least(3), zmscore)
        .flags(&[READONLY, FAST])
        .keys(READS)
        .docs("6.2.0", "key member [member ...]", "Returns the scores of members.")
        .complexity("O(N) for N members asked for."),
    row("zrank", Arity::at_least(3), zrank)
        .flags(&[READONLY, FAST])
        .keys(READS)
        .docs("2.0.0", "key member [WITHSCORE]", "Returns the place of a member, the lowest score coming first.")
        .complexity("O(log(N)) for a sorted set of N members.")
        .history(&[("7.2.0", "`WITHSCORE`.")]),
    row("zrevrank", Arity::at_least(3), zrevrank)
        .flags(&[READONLY, FAST])
        .keys(READS)
        .docs("2.0.0", "key member [WITHSCORE]", "Returns the place of a member, the highest score coming first.")
        .complexity("O(log(N)) for a sorted set of N members.")
        .history(&[("7.2.0", "`WITHSCORE`.")]),
    row("zrandmember", Arity::at_least(2), zrandmember)
        .flags(&[READONLY])
        .keys(READS)
        .tips(&["nondeterministic_output"])
        .docs("6.2.0", "key [count [WITHSCORES]]", "Returns members chosen at random.")
        .complexity("O(N) for N members returned."),
    row("zscan", Arity::at_least(3), zscan)
        .flags(&[READONLY])
        .keys(READS)
        .tips(&["nondeterministic_output"])
        .docs(
            "2.8.0",
            "key cursor [MATCH pattern] [COUNT count] [NOSCORES]",
            "Returns some of the members with their scores, and where to go on.",
        )
        .complexity("O(1) for each call, O(N) for all that it takes to see N elements."),
];

const fn row(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::SortedSet)
}

/// How big a sorted set may be as a listpack.
pub fn limits(config: &Config) -> Limits {
    Limits { entries: config.zset_max_listpack_entries, value: config.zset_max_listpack_value }
}

/// Writes the head of an array of elements.
fn begin_entries(reply: &mut Reply, count: usize, with_scores: bool) {
    reply.array(if with_scores && !reply.resp3 { count * 2 } else { count });
}

/// Writes an element of such an array.
#[inline(always)]
fn write_entry(reply: &mut Reply, entry: &Entry<'_>, with_scores: bool) {
    if with_scores && reply.resp3 {
        reply.array(2);
    }
    write_member(reply, entry.member);
    if with_scores {
        reply.double(entry.score());
    }
}

/// Writes an array of elements.
fn write_entries<'e>(reply: &mut Reply, entries: impl ExactSizeIterator<Item = Entry<'e>>, with_scores: bool) {
    begin_entries(reply, entries.len(), with_scores);
    entries.for_each(|entry| write_entry(reply, &entry, with_scores));
}

/// Says that a key's elements were removed, and deletes it when none is left. The change was counted already.
fn removed(cx: &mut Ctx<'_>, key: &Key<'_>, event: &'static str, is_empty: bool) {
    cx.touched(key, Event::sorted_set(event));
    if is_empty {
        cx.emptied(key);
    }
}

/// The options of ZADD.
#[derive(Clone, Copy, Debug, Default)]
struct Conditions {
    only_new: bool,
    only_existing: bool,
    only_greater: bool,
    only_lower: bool,
    changed: bool,
    increment: bool,
}

impl Conditions {
    /// Reads the options, and returns where the pairs begin.
    #[inline]
    fn read(args: Args<'_>) -> Result<(Self, usize), Error> {
        let mut conditions = Self::default();
        let mut index = 2;
        while index < args.len() {
            let option = match args.get(index) {
                // A score, as a rule.
                [b'0'..=b'9' | b'-', ..] => break,
                word if word.eq_ignore_ascii_case(b"nx") => &mut conditions.only_new,
                word if word.eq_ignore_ascii_case(b"xx") => &mut conditions.only_existing,
                word if word.eq_ignore_ascii_case(b"ch") => &mut conditions.changed,
                word if word.eq_ignore_ascii_case(b"incr") => &mut conditions.increment,
                word if word.eq_ignore_ascii_case(b"gt") => &mut conditions.only_greater,
                word if word.eq_ignore_ascii_case(b"lt") => &mut conditions.only_lower,
                _ => break,
            };
            *option = true;
            index += 1;
        }
        conditions.check(args.len() - index).map(|()| (conditions, index))
    }

    fn check(self, words: usize) -> CmdResult {
        if words == 0 || !words.is_multiple_of(2) {
            return Err(SYNTAX);
        }
        if self.only_new && self.only_existing {
            return Err(Error::fixed("ERR XX and NX options at the same time are not compatible"));
        }
        if self.only_new && (self.only_greater || self.only_lower) || self.only_greater && self.only_lower {
            return Err(Error::fixed("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increment && words > 2 {
            return Err(Error::fixed("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The score to give to an element with the score `current`, if any.
    #[inline]
    fn decide(self, current: Option<f64>, given: f64) -> Result<Option<f64>, Error> {
        let Some(current) = current else { return Ok((!self.only_existing).then_some(given)) };
        if self.only_new {
            return Ok(None);
        }
        let score = if self.increment { current + given } else { given };
        if score.is_nan() {
            return Err(NAN_SCORE);
        }
        let refused = self.only_lower && score >= current || self.only_greater && score <= current;
        Ok((!refused).then_some(score))
    }
}

/// Every second argument from one on as a score.
#[inline(never)]
fn scores(args: &Args<'_>, first: usize) -> Result<Vec<f64>, Error> {
    (first..args.len()).step_by(2).map(|index| score(args.get(index))).collect()
}

fn score(text: &[u8]) -> Result<f64, Error> {
    number::parse_f64(text).ok_or(NOT_A_SCORE)
}

fn zadd(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (conditions, first) = Conditions::read(args)?;
    add(cx, args, conditions, first)
}

fn zincrby(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    // An option's name in the place of the score is taken for one, and then the pairs don't come out even.
    if args.get(2).first().is_some_and(u8::is_ascii_alphabetic) {
        Conditions::read(args)?;
    }
    add(cx, args, Conditions { increment: true, ..Conditions::default() }, 2)
}

/// Every score is read before any is set. A single one, the usual case, needs no memory.
fn add(cx: &mut Ctx<'_>, args: Args<'_>, conditions: Conditions, first: usize) -> CmdResult {
    let first_score = score(args.get(first))?;
    let others = if first + 2 < args.len() { scores(&args, first + 2)? } else { Vec::new() };
    let (key, limits) = (args.key(1), limits(&cx.server.config));
    let set = match conditions.only_existing {
        true => cx.db.collection_mut::<SortedSet>(&key)?,
        false => Some(cx.db.collection_or_new::<SortedSet>(&key)?),
    };
    let (mut added, mut updated, mut result) = (0, 0, Ok(None));
    if let Some(set) = set {
        set.expect((args.len() - first) / 2, limits);
        let scores = std::iter::once(first_score).chain(others);
        for (given, index) in scores.zip((first + 1..).step_by(2)) {
            let change = set.update(args.get(index), limits, |current| {
                result = conditions.decide(current, given);
                result.as_ref().ok().copied().flatten()
            });
            added += u64::from(change == Change::Added);
            updated += u64::from(change == Change::Updated);
        }
    }
    let new_score = result?;
    if added + updated > 0 {
        cx.db.dirty += added + updated;
        cx.touched(&key, Event::sorted_set(if conditions.increment { "zincr" } else { "zadd" }));
    }
    match (conditions.increment, new_score) {
        (true, Some(score)) => cx.reply.double(score),
        (true, None) => cx.reply.null(),
        (false, _) => cx.reply.integer((added + if conditions.changed { updated } else { 0 }) as i64),
    }
    Ok(())
}

fn zrem(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let Some(set) = cx.db.collection_mut::<SortedSet>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let count = args.rest(2).filter(|member| set.remove(member)).count();
    let is_empty = set.is_empty();
    if count > 0 {
        cx.db.dirty += count as u64;
        removed(cx, &key, "zrem", is_empty);
    }
    cx.reply.integer(count as i64);
    Ok(())
}

fn zcard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let len = cx.db.collection::<SortedSet>(&args.key(1))?.map_or(0, Collection::len);
    cx.reply.integer(len as i64);
    Ok(())
}

fn write_score(reply: &mut Reply, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

fn zscore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let set = cx.db.collection::<SortedSet>(&args.key(1))?;
    write_score(cx.reply, set.and_then(|set| set.score(args.get(2))));
    Ok(())
}

fn zmscore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let set = cx.db.collection::<SortedSet>(&args.key(1))?;
    cx.reply.array(args.len() - 2);
    args.rest(2).for_each(|member| write_score(cx.reply, set.and_then(|set| set.score(member))));
    Ok(())
}

fn zrank(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    rank(cx, args, |rank, _| rank)
}

fn zrevrank(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    rank(cx, args, |rank, len| len - 1 - rank)
}

fn rank(cx: &mut Ctx<'_>, args: Args<'_>, place: impl Fn(usize, usize) -> usize) -> CmdResult {
    let with_score = match args.len() {
        3 => false,
        4 if args.is(3, "withscore") => true,
        4 => return Err(SYNTAX),
        _ => return Err(Error::wrong_arity(cx.row().name)),
    };
    let set = cx.db.collection::<SortedSet>(&args.key(1))?;
    match set.and_then(|set| set.rank(args.get(2)).map(|(rank, score)| (place(rank, set.len()), score))) {
        Some((rank, score)) if with_score => {
            cx.reply.array(2);
            cx.reply.integer(rank as i64);
            cx.reply.double(score);
        }
        Some((rank, _)) => cx.reply.integer(rank as i64),
        None if with_score => cx.reply.null_array(),
        None => cx.reply.null(),
    }
    Ok(())
}

/// Without a count the answer is one member; a negative count may return a member several times.
fn zrandmember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() == 2 {
        match cx.db.collection::<SortedSet>(&args.key(1))?.and_then(|set| set.random(&mut cx.server.random)) {
            Some(entry) => write_member(cx.reply, entry.member),
            None => cx.reply.null(),
        }
        return Ok(());
    }
    const OUT_OF_RANGE: Error =
        Error::fixed("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
    let count = args.integer(2)?;
    if count == i64::MIN {
        return Err(OUT_OF_RANGE);
    }
    if args.len() > 4 || args.len() == 4 && !args.is(3, "withscores") {
        return Err(SYNTAX);
    }
    let with_scores = args.len() == 4;
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(Error::fixed("ERR value is out of range"));
    }
    let Some(set) = cx.db.collection::<SortedSet>(&args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let (wanted, random) = (count.unsigned_abs() as usize, &mut cx.server.random);
    if count < 0 {
        begin_entries(cx.reply, wanted, with_scores);
        for _ in 0..wanted {
            let Some(entry) = set.random(random) else { break };
            write_entry(cx.reply, &entry, with_scores);
            if cx.reply.is_cut() {
                break;
            }
        }
    } else {
        begin_entries(cx.reply, wanted.min(set.len()), with_scores);
        choose(set, wanted, random, |entry| write_entry(cx.reply, &entry, with_scores));
    }
    Ok(())
}

/// Emits different elements chosen at random, all if there are no more than wanted.
fn choose<'s>(set: &'s SortedSet, wanted: usize, random: &mut Random, mut emit: impl FnMut(Entry<'s>)) {
    if wanted >= set.len() / 3 {
        let mut selection = Selection::new(set.len(), wanted);
        set.iter().filter(|_| selection.picks(random)).for_each(emit);
        return;
    }
    // With so few, a rank that was drawn before is rare.
    let mut ranks = HashSet::with_capacity(wanted);
    while ranks.len() < wanted {
        let rank = random.below(set.len() as u64) as usize;
        if ranks.insert(rank)
            && let Some(entry) = set.at(rank)
        {
            emit(entry);
        }
    }
}

/// Scores are strings here in RESP3, too.
fn zscan(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cursor = scan::parse_cursor(args.get(2))?;
    let Some(set) = cx.db.collection::<SortedSet>(&args.key(1))? else {
        scan::begin_reply(cx.reply, 0, 0);
        return Ok(());
    };
    let walk = Walk::over_elements(args)?;
    let (mut found, mut room) = (Vec::new(), IntText::new());
    let next = walk.run(cursor, |cursor, seen| {
        set.scan(cursor, |entry| {
            *seen += 1;
            if walk.admits(entry.member.text(&mut room)) {
                found.push(entry);
            }
        })
    });
    scan::begin_reply(cx.reply, next, found.len() * if walk.names_only { 1 } else { 2 });
    let mut text = Vec::new();
    for entry in found {
        write_member(cx.reply, entry.member);
        if walk.names_only {
            continue;
        }
        text.clear();
        number::append_f64(&mut text, entry.score());
        cx.reply.bulk(&text);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
