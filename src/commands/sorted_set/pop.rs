//! Taking the elements with the lowest or highest scores, from the first of several sets that has any, and waiting for
//! some to come.
//!
//! What waits is propagated as what it does in the end: ZPOPMIN or ZPOPMAX of one key.

use std::ops::Range;

use super::{begin_entries, removed, row, write_entry};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::commands::set::write_member;
use crate::db::Key;
use crate::server::execution::{Command, Ctx};
use crate::types::sorted_set::Entry;
use crate::types::{Collection, SortedSet};

const POPS: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);
const WAITED: &[Keys] = &[Keys::range(1, -2, 1, POPS)];

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("zpopmin", Arity::at_least(2), zpopmin).flags(&[WRITE, FAST]).keys(&[Keys::at(1, POPS)]).docs(
        "5.0.0",
        "key [count]",
        "Removes and returns the members with the lowest scores.",
    ).complexity("O(log(N)*M) for M members popped of N."),
    row("zpopmax", Arity::at_least(2), zpopmax).flags(&[WRITE, FAST]).keys(&[Keys::at(1, POPS)]).docs(
        "5.0.0",
        "key [count]",
        "Removes and returns the members with the highest scores.",
    ).complexity("O(log(N)*M) for M members popped of N."),
    row("zmpop", Arity::at_least(4), zmpop).flags(&[WRITE]).keys(&[counted(1)]).docs(
        "7.0.0",
        "numkeys key [key ...] MIN|MAX [COUNT count]",
        "Removes and returns the members with the lowest or highest scores of the first set that has any.",
    ).complexity("O(K) + O(M*log(N)) for K keys, and M members popped of N."),
    row("bzpopmin", Arity::at_least(3), bzpopmin).flags(&[WRITE, BLOCKING, FAST]).keys(WAITED).docs(
        "5.0.0",
        "key [key ...] timeout",
        "Removes and returns the member with the lowest score of the first set that has any; waits for one if need be.",
    ).complexity("O(log(N)) for a sorted set of N members.").history(&[("6.0.0", "Fractions of seconds.")]),
    row("bzpopmax", Arity::at_least(3), bzpopmax).flags(&[WRITE, BLOCKING, FAST]).keys(WAITED).docs(
        "5.0.0",
        "key [key ...] timeout",
        "Removes and returns the member with the highest score of the first set that has any; waits for one if need be.",
    ).complexity("O(log(N)) for a sorted set of N members.").history(&[("6.0.0", "Fractions of seconds.")]),
    row("bzmpop", Arity::at_least(5), bzmpop).flags(&[WRITE, BLOCKING]).keys(&[counted(2)]).docs(
        "7.0.0",
        "timeout numkeys key [key ...] MIN|MAX [COUNT count]",
        "Does as ZMPOP; waits for members if need be.",
    ).complexity("O(K) + O(M*log(N)) for K keys, and M members popped of N."),
];

const fn counted(index: u16) -> Keys {
    Keys { begin: Begin::Index(index), find: Find::Count { count: 0, first: 1, step: 1 }, access: POPS }
}

/// From which end elements are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Lowest,
    Highest,
}

impl End {
    fn event(self) -> &'static str {
        match self {
            End::Lowest => "zpopmin",
            End::Highest => "zpopmax",
        }
    }

    fn ranks(self, count: usize, len: usize) -> Range<usize> {
        match self {
            End::Lowest => 0..count.min(len),
            End::Highest => len - count.min(len)..len,
        }
    }

    /// Calls `emit` for the elements that are taken, in the order in which they are.
    fn walk<'s>(self, set: &'s SortedSet, count: usize, emit: impl FnMut(Entry<'s>)) {
        let entries = set.iter_ranks(self.ranks(count, set.len()));
        match self {
            End::Lowest => entries.for_each(emit),
            End::Highest => entries.rev().for_each(emit),
        }
    }
}

/// The forms of replies with what was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Members and scores.
    Flat,
    /// Pairs; in RESP2 as `Flat`.
    Pairs,
    /// The key, member and score.
    Keyed,
    /// The key, and an array of pairs.
    KeyedPairs,
}

/// Takes up to `count` elements, at least one, of a set that is there, and answers with them; returns how many.
fn pop(cx: &mut Ctx<'_>, key: &Key<'_>, end: End, count: usize, shape: Shape) -> Result<usize, Error> {
    let Some(set) = cx.db.collection_mut::<SortedSet>(key)? else { return Ok(0) };
    let (count, reply) = (count.min(set.len()), &mut *cx.reply);
    match shape {
        Shape::Flat => reply.array(count * 2),
        Shape::Pairs => begin_entries(reply, count, true),
        Shape::Keyed => {
            reply.array(count * 2 + 1);
            reply.bulk(key.bytes());
        }
        Shape::KeyedPairs => {
            reply.array(2);
            reply.bulk(key.bytes());
            reply.array(count);
        }
    }
    end.walk(set, count, |entry| match shape {
        Shape::Pairs => write_entry(reply, &entry, true),
        Shape::Flat | Shape::Keyed | Shape::KeyedPairs => {
            if shape == Shape::KeyedPairs {
                reply.array(2);
            }
            write_member(reply, entry.member);
            reply.double(entry.score());
        }
    });
    set.remove_ranks(end.ranks(count, set.len()));
    let is_empty = set.is_empty();
    cx.db.dirty += count as u64;
    removed(cx, key, end.event(), is_empty);
    Ok(count)
}

fn zpopmin(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    pop_one_set(cx, args, End::Lowest)
}

fn zpopmax(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    pop_one_set(cx, args, End::Highest)
}

fn pop_one_set(cx: &mut Ctx<'_>, args: Args<'_>, end: End) -> CmdResult {
    let (count, shape) = match args.len() {
        2 => (1, Shape::Flat),
        3 => (args.positive(2)?, Shape::Pairs),
        _ => return Err(SYNTAX),
    };
    let key = args.key(1);
    if cx.db.collection_mut::<SortedSet>(&key)?.is_none() || count == 0 {
        cx.reply.array(0);
        return Ok(());
    }
    pop(cx, &key, end, count, shape).map(|_| ())
}

/// The first key with a set among some arguments.
fn first_set<'a>(cx: &mut Ctx<'_>, args: Args<'a>, keys: Range<usize>) -> Result<Option<Key<'a>>, Error> {
    for key in keys.map(|index| args.key(index)) {
        if cx.db.collection_mut::<SortedSet>(&key)?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// What ZMPOP and BZMPOP were asked for; the keys stand before argument `end`.
#[derive(Clone, Copy, Debug)]
struct Request {
    keys_end: usize,
    end: End,
    count: usize,
}

impl Request {
    /// Reads the arguments from the number of keys on.
    fn read(args: Args<'_>, numkeys: usize) -> Result<Self, Error> {
        const NO_KEYS: Error = Error::fixed("ERR numkeys should be greater than 0");
        const NO_COUNT: Error = Error::fixed("ERR count should be greater than 0");
        let keys = args.integer_in(numkeys, 1..=i64::MAX, NO_KEYS)? as usize;
        let keys_end = numkeys.saturating_add(1).saturating_add(keys);
        let end = match keys_end {
            at if args.is(at, "min") => End::Lowest,
            at if args.is(at, "max") => End::Highest,
            _ => return Err(SYNTAX),
        };
        let count = match args.len() - keys_end {
            1 => 1,
            3 if args.is(keys_end + 1, "count") => args.integer_in(keys_end + 2, 1..=i64::MAX, NO_COUNT)? as usize,
            // A wrong count is told before what is wrong behind it.
            4.. if args.is(keys_end + 1, "count") => {
                args.integer_in(keys_end + 2, 1..=i64::MAX, NO_COUNT)?;
                return Err(SYNTAX);
            }
            _ => return Err(SYNTAX),
        };
        Ok(Request { keys_end, end, count })
    }
}

fn keys_between(args: Args<'_>, range: Range<usize>) -> impl Iterator<Item = Key<'_>> {
    range.map(move |index| args.key(index))
}

fn pop_counted(cx: &mut Ctx<'_>, key: &Key<'_>, request: Request) -> CmdResult {
    let count = pop(cx, key, request.end, request.count, Shape::KeyedPairs)?;
    let name = request.end.event().to_ascii_uppercase();
    cx.propagate_instead(&[name.as_bytes(), key.bytes(), itoa::Buffer::new().format(count).as_bytes()]);
    Ok(())
}

fn zmpop(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let request = Request::read(args, 1)?;
    match first_set(cx, args, 2..request.keys_end)? {
        Some(key) => pop_counted(cx, &key, request),
        None => {
            cx.reply.null_array();
            Ok(())
        }
    }
}

fn bzmpop(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let request = Request::read(args, 2)?;
    let deadline = args.timeout(1, cx.clock_ms())?;
    let keys = 3..request.keys_end;
    match first_set(cx, args, keys.clone())? {
        Some(key) => pop_counted(cx, &key, request),
        None => cx.block_on(&args, keys_between(args, keys), deadline, true),
    }
}

fn bzpopmin(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    wait_and_pop(cx, args, End::Lowest)
}

fn bzpopmax(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    wait_and_pop(cx, args, End::Highest)
}

fn wait_and_pop(cx: &mut Ctx<'_>, args: Args<'_>, end: End) -> CmdResult {
    let last = args.len() - 1;
    let deadline = args.timeout(last, cx.clock_ms())?;
    let Some(key) = first_set(cx, args, 1..last)? else {
        return cx.block_on(&args, keys_between(args, 1..last), deadline, true);
    };
    pop(cx, &key, end, 1, Shape::Keyed)?;
    cx.propagate_instead(&[end.event().to_ascii_uppercase().as_bytes(), key.bytes()]);
    Ok(())
}
