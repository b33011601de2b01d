//! Lists: adding, reading, changing and removing elements. What pops and moves them, and may wait for them, is in
//! [`super::list_pop`].

use std::ops::ControlFlow;

use crate::command::error::{CmdResult, NO_SUCH_KEY, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::Server;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::list::{End, Limits, Needle};
use crate::types::listpack::Element;
use crate::types::{Collection, List};

const LOOKS: &[Keys] = &[Keys::at(1, Access::RO)];
const READS: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
const INSERTS: &[Keys] = &[Keys::at(1, Access::RW.and(Access::INSERT))];
const UPDATES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::UPDATE))];
const DELETES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::DELETE))];

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("lpush", Arity::at_least(3), |cx, args| push(cx, args, End::Head), &[WRITE, DENYOOM, FAST], INSERTS)
        .docs("1.0.0", "key element [element ...]", "Puts elements at the head of a list, one before the other.")
        .complexity("O(1) for each element, so O(N) for N.")
        .history(&[("2.4.0", "Several elements.")]),
    row("rpush", Arity::at_least(3), |cx, args| push(cx, args, End::Tail), &[WRITE, DENYOOM, FAST], INSERTS)
        .docs("1.0.0", "key element [element ...]", "Puts elements at the tail of a list.")
        .complexity("O(1) for each element, so O(N) for N.")
        .history(&[("2.4.0", "Several elements.")]),
    row("lpushx", Arity::at_least(3), |cx, args| push_existing(cx, args, End::Head), &[WRITE, DENYOOM, FAST], INSERTS)
        .docs("2.2.0", "key element [element ...]", "Puts elements at the head of a list if the list exists.")
        .complexity("O(1) for each element, so O(N) for N.")
        .history(&[("4.0.0", "Several elements.")]),
    row("rpushx", Arity::at_least(3), |cx, args| push_existing(cx, args, End::Tail), &[WRITE, DENYOOM, FAST], INSERTS)
        .docs("2.2.0", "key element [element ...]", "Puts elements at the tail of a list if the list exists.")
        .complexity("O(1) for each element, so O(N) for N.")
        .history(&[("4.0.0", "Several elements.")]),
    row("llen", Arity::exactly(2), llen, &[READONLY, FAST], LOOKS).docs(
        "1.0.0",
        "key",
        "Returns the number of elements of a list.",
    ),
    row("lrange", Arity::exactly(4), lrange, &[READONLY], READS)
        .docs("1.0.0", "key start stop", "Returns the elements of a list from one index to another.")
        .complexity("O(S+N) for N elements that begin S from the nearer end."),
    row("lindex", Arity::exactly(3), lindex, &[READONLY], READS)
        .docs("1.0.0", "key index", "Returns the element of a list at an index.")
        .complexity("O(N) for N elements between the end and the index; O(1) at both ends."),
    row("lset", Arity::exactly(4), lset, &[WRITE, DENYOOM], UPDATES)
        .docs("1.0.0", "key index element", "Replaces the element of a list at an index.")
        .complexity("O(N) for a list of N elements; O(1) at both ends."),
    row("linsert", Arity::exactly(5), linsert, &[WRITE, DENYOOM], INSERTS)
        .docs(
            "2.2.0",
            "key BEFORE|AFTER pivot element",
            "Inserts an element before or behind the first one of another text.",
        )
        .complexity("O(N) for N elements in front of the pivot; O(1) at the head."),
    row("lrem", Arity::exactly(4), lrem, &[WRITE], DELETES)
        .docs("1.0.0", "key count element", "Removes elements of a text from a list, and counts them.")
        .complexity("O(N+M) for a list of N elements, of which M go."),
    row("ltrim", Arity::exactly(4), ltrim, &[WRITE], DELETES)
        .docs("1.0.0", "key start stop", "Removes the elements of a list that lie outside a range of indices.")
        .complexity("O(N) for N elements removed."),
    row("lpos", Arity::at_least(3), lpos, &[READONLY], READS)
        .docs(
            "6.0.6",
            "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
            "Returns the index of the elements of a text in a list.",
        )
        .complexity("O(N) for a list of N elements; less with MAXLEN, or near an end."),
];

const fn row(name: &'static str, arity: Arity, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, arity, handler).group(Group::List).flags(flags).keys(keys)
}

/// What the directives say of lists.
#[inline]
pub fn limits(server: &Server) -> Limits {
    let config = &server.config;
    Limits::new(config.list_max_listpack_size, config.list_compress_depth, server.plain_from)
}

/// Writes an element as a bulk string.
#[inline]
pub fn reply_element(reply: &mut Reply, element: Element<'_>) {
    match element {
        Element::Int(value) => reply.bulk_int(value),
        Element::Bytes(bytes) => reply.bulk_at_once(bytes),
    }
}

/// The event of elements that came at an end.
pub fn push_event(end: End) -> Event {
    match end {
        End::Head => Event::list("lpush"),
        End::Tail => Event::list("rpush"),
    }
}

#[inline(always)]
fn push(cx: &mut Ctx<'_>, args: Args<'_>, end: End) -> CmdResult {
    let (key, limits) = (args.key(1), limits(cx.server));
    let list = cx.db.collection_or_new::<List>(&key)?;
    let length = push_all(list, &args, end, &limits);
    pushed(cx, &args, end, length);
    Ok(())
}

fn push_existing(cx: &mut Ctx<'_>, args: Args<'_>, end: End) -> CmdResult {
    let (key, limits) = (args.key(1), limits(cx.server));
    let Some(list) = cx.db.collection_mut::<List>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let length = push_all(list, &args, end, &limits);
    pushed(cx, &args, end, length);
    Ok(())
}

#[inline]
fn push_all(list: &mut List, args: &Args<'_>, end: End, limits: &Limits) -> usize {
    if list.is_listpack() {
        list.expect(args.rest(2).map(<[u8]>::len).sum(), args.len() - 2, limits);
    }
    for text in args.rest(2) {
        list.push(end, text, limits);
    }
    list.len()
}

#[inline]
fn pushed(cx: &mut Ctx<'_>, args: &Args<'_>, end: End, length: usize) {
    cx.reply.integer(length as i64);
    cx.db.dirty += args.len() as u64 - 2;
    cx.touched(&args.key(1), push_event(end));
}

fn llen(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let length = cx.db.collection::<List>(&args.key(1))?.map_or(0, List::len);
    cx.reply.integer(length as i64);
    Ok(())
}

/// The first index and the number of elements from `start` to `stop`, where negative ones count from the end.
fn range(start: i64, stop: i64, length: usize) -> (usize, usize) {
    let length = length as i64;
    let from_head = |index: i64| if index < 0 { index + length } else { index };
    let (start, stop) = (from_head(start).max(0), from_head(stop).min(length - 1));
    if start > stop { (0, 0) } else { (start as usize, (stop - start) as usize + 1) }
}

/// The index that LINDEX and LSET mean; `None` if that is before the head.
fn index_of(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index + length as i64 } else { index };
    usize::try_from(index).ok()
}

fn lrange(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (start, stop) = (args.integer(2)?, args.integer(3)?);
    let Some(list) = cx.db.collection::<List>(&args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let (from, count) = range(start, stop, list.len());
    let reply = &mut *cx.reply;
    reply.array(count);
    if count == list.len() {
        reply.expect(count, list.text_bytes());
    }
    list.visit_some(from, count, End::Tail, |element| reply_element(reply, element));
    Ok(())
}

/// Whether the index is a number is asked only if there is a list, as everywhere in Redis.
fn lindex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let Some(list) = cx.db.collection::<List>(&args.key(1))? else {
        cx.reply.null();
        return Ok(());
    };
    let reply = &mut *cx.reply;
    match index_of(args.integer(2)?, list.len()).filter(|index| *index < list.len()) {
        Some(index) => list.visit_some(index, 1, End::Tail, |element| reply_element(reply, element)),
        None => reply.null(),
    }
    Ok(())
}

fn lset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, limits) = (args.key(1), limits(cx.server));
    let list = cx.db.collection_mut::<List>(&key)?.ok_or(NO_SUCH_KEY)?;
    let index = index_of(args.integer(2)?, list.len());
    list.expect(args.get(3).len(), 1, &limits);
    if !index.is_some_and(|index| list.set(index, args.get(3), &limits)) {
        return Err(Error::fixed("ERR index out of range"));
    }
    cx.reply.ok();
    cx.changed(&key, Event::list("lset"));
    Ok(())
}

fn linsert(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let toward = match args.get(2) {
        word if word.eq_ignore_ascii_case(b"after") => End::Tail,
        word if word.eq_ignore_ascii_case(b"before") => End::Head,
        _ => return Err(SYNTAX),
    };
    let (key, limits) = (args.key(1), limits(cx.server));
    let Some(list) = cx.db.collection_mut::<List>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    list.expect(args.get(4).len(), 1, &limits);
    let Some(pivot) = list.find(Needle::new(args.get(3))) else {
        cx.reply.integer(-1);
        return Ok(());
    };
    list.insert(pivot, toward, args.get(4), &limits);
    cx.reply.integer(list.len() as i64);
    cx.changed(&key, Event::list("linsert"));
    Ok(())
}

/// The smallest number has no counterpart of the other sign.
const NOT_SYMMETRIC: Error =
    Error::fixed("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");

fn signed(args: &Args<'_>, index: usize) -> Result<i64, Error> {
    let value = args.integer(index)?;
    if value == i64::MIN { Err(NOT_SYMMETRIC) } else { Ok(value) }
}

fn lrem(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let count = signed(&args, 2)?;
    let (key, limits) = (args.key(1), limits(cx.server));
    let Some(list) = cx.db.collection_mut::<List>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let toward = if count < 0 { End::Head } else { End::Tail };
    let removed = list.remove(Needle::new(args.get(3)), count.unsigned_abs() as usize, toward, &limits);
    let empty = list.is_empty();
    cx.reply.integer(removed as i64);
    if removed > 0 {
        cx.db.dirty += removed as u64;
        cx.touched(&key, Event::list("lrem"));
    }
    if empty {
        cx.emptied(&key);
    }
    Ok(())
}

fn ltrim(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (start, stop) = (args.integer(2)?, args.integer(3)?);
    let (key, limits) = (args.key(1), limits(cx.server));
    let Some(list) = cx.db.collection_mut::<List>(&key)? else {
        cx.reply.ok();
        return Ok(());
    };
    let length = list.len();
    let (from, count) = range(start, stop, length);
    list.remove_range(from + count, usize::MAX, &limits);
    list.remove_range(0, from, &limits);
    // As in Redis also where nothing was taken away.
    list.shrink(&limits);
    let empty = list.is_empty();
    cx.reply.ok();
    cx.db.dirty += (length - count) as u64;
    cx.touched(&key, Event::list("ltrim"));
    if empty {
        cx.emptied(&key);
    }
    Ok(())
}

/// What LPOS looks for.
struct Search {
    /// The first match that counts, from 1 on; negative ones from the tail.
    rank: i64,
    /// How many are wanted, 0 for all; `None` for one that is no array.
    count: Option<usize>,
    /// How many elements are looked at; 0 for all.
    length_max: usize,
}

impl Search {
    fn parse(args: &Args<'_>) -> Result<Search, Error> {
        const RANK_ZERO: Error = Error::fixed(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
             start from the end of the list",
        );
        const COUNT_NEGATIVE: Error = Error::fixed("ERR COUNT can't be negative");
        const LENGTH_NEGATIVE: Error = Error::fixed("ERR MAXLEN can't be negative");
        let mut search = Search { rank: 1, count: None, length_max: 0 };
        for index in (3..args.len()).step_by(2) {
            if index + 1 == args.len() {
                return Err(SYNTAX);
            }
            if args.is(index, "rank") {
                search.rank = Some(signed(args, index + 1)?).filter(|rank| *rank != 0).ok_or(RANK_ZERO)?;
            } else if args.is(index, "count") {
                search.count = Some(args.integer_in(index + 1, 0..=i64::MAX, COUNT_NEGATIVE)? as usize);
            } else if args.is(index, "maxlen") {
                search.length_max = args.integer_in(index + 1, 0..=i64::MAX, LENGTH_NEGATIVE)? as usize;
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(search)
    }

    /// Finds the indices that are wanted, as many as that are.
    fn run(&self, list: &List, needle: Needle<'_>, mut found: impl FnMut(usize)) {
        let length = list.len();
        let (from, toward) = if self.rank < 0 { (length.saturating_sub(1), End::Head) } else { (0, End::Tail) };
        let (mut seen, mut matches, mut wanted) = (0, 0, self.count.unwrap_or(1));
        if self.count == Some(0) {
            wanted = usize::MAX;
        }
        list.visit(from, toward, |element| {
            seen += 1;
            if needle.is(element) {
                matches += 1;
                if matches >= self.rank.unsigned_abs() {
                    found(if toward == End::Tail { seen - 1 } else { length - seen });
                    wanted -= 1;
                }
            }
            if wanted == 0 || seen == self.length_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
}

fn lpos(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let search = Search::parse(&args)?;
    let (list, needle) = (cx.db.collection::<List>(&args.key(1))?, Needle::new(args.get(2)));
    let reply = &mut *cx.reply;
    match (list, search.count) {
        (None, Some(_)) => reply.array(0),
        (None, None) => reply.null(),
        (Some(list), Some(_)) => {
            let (head, mut count) = (reply.defer(), 0);
            search.run(list, needle, |index| {
                reply.integer(index as i64);
                count += 1;
            });
            reply.finish_array(head, count);
        }
        (Some(list), None) => {
            let mut found = None;
            search.run(list, needle, |index| found = Some(index));
            match found {
                Some(index) => reply.integer(index as i64),
                None => reply.null(),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
