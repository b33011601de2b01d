//! Lists: taking elements from an end, to hand them over or to put them elsewhere, and waiting for some to come.
//!
//! A command that waits is run again when one of its keys turned ready. What it did is propagated as the command that
//! does not wait.

pub mod movem;

use super::list::{limits, push_event, reply_element};
use crate::command::error::{CmdResult, SYNTAX, WRONG_TYPE};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::types::list::{End, Limits};
use crate::types::{Collection, List};

const POPS: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);
const INSERTS: Access = Access::RW.and(Access::INSERT);
const MOVES: &[Keys] = &[Keys::at(1, POPS), Keys::at(2, INSERTS)];

const fn counted(index: u16) -> Keys {
    Keys { begin: Begin::Index(index), find: Find::Count { count: 0, first: 1, step: 1 }, access: POPS }
}

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("lpop", Arity::at_least(2), |cx, args| pop(cx, args, End::Head))
        .group(Group::List)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, POPS)])
        .docs("1.0.0", "key [count]", "Takes elements from the head of a list and returns them.")
        .complexity("O(N) for N elements returned.")
        .history(&[("6.2.0", "A count.")]),
    Command::new("rpop", Arity::at_least(2), |cx, args| pop(cx, args, End::Tail))
        .group(Group::List)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, POPS)])
        .docs("1.0.0", "key [count]", "Takes elements from the tail of a list and returns them.")
        .complexity("O(N) for N elements returned.")
        .history(&[("6.2.0", "A count.")]),
    Command::new("lmpop", Arity::at_least(4), lmpop)
        .group(Group::List)
        .flags(&[WRITE])
        .keys(&[counted(1)])
        .docs(
            "7.0.0",
            "numkeys key [key ...] LEFT|RIGHT [COUNT count]",
            "Takes elements from an end of the first of several lists that has any.",
        )
        .complexity("O(N+M) for N keys, and M elements popped."),
    Command::new("lmove", Arity::exactly(5), lmove)
        .group(Group::List)
        .flags(&[WRITE, DENYOOM])
        .keys(MOVES)
        .docs(
            "6.2.0",
            "source destination LEFT|RIGHT LEFT|RIGHT",
            "Moves an element from an end of a list to an end of another, and returns it.",
        )
        .complexity("O(1)"),
    Command::new("rpoplpush", Arity::exactly(3), rpoplpush)
        .group(Group::List)
        .flags(&[WRITE, DENYOOM])
        .keys(MOVES)
        .deprecated("6.2.0", "`LMOVE` with `RIGHT` and `LEFT`")
        .docs(
            "1.2.0",
            "source destination",
            "Moves an element from the tail of a list to the head of another, and returns it.",
        )
        .complexity("O(1)"),
    Command::new("blpop", Arity::at_least(3), |cx, args| blocking_pop(cx, args, End::Head))
        .group(Group::List)
        .flags(&[WRITE, BLOCKING])
        .keys(&[Keys::range(1, -2, 1, POPS)])
        .docs("2.0.0", "key [key ...] timeout", "Takes an element from the head of a list, or waits until one comes.")
        .complexity("O(N) for N keys.")
        .history(&[("6.0.0", "Fractions of seconds.")]),
    Command::new("brpop", Arity::at_least(3), |cx, args| blocking_pop(cx, args, End::Tail))
        .group(Group::List)
        .flags(&[WRITE, BLOCKING])
        .keys(&[Keys::range(1, -2, 1, POPS)])
        .docs("2.0.0", "key [key ...] timeout", "Takes an element from the tail of a list, or waits until one comes.")
        .complexity("O(N) for N keys.")
        .history(&[("6.0.0", "Fractions of seconds.")]),
    Command::new("blmove", Arity::exactly(6), blmove)
        .group(Group::List)
        .flags(&[WRITE, DENYOOM, BLOCKING])
        .keys(MOVES)
        .docs(
            "6.2.0",
            "source destination LEFT|RIGHT LEFT|RIGHT timeout",
            "Moves an element from an end of a list to an end of another, or waits until one comes.",
        )
        .complexity("O(1)"),
    Command::new("brpoplpush", Arity::exactly(4), brpoplpush)
        .group(Group::List)
        .flags(&[WRITE, DENYOOM, BLOCKING])
        .keys(MOVES)
        .deprecated("6.2.0", "`BLMOVE` with `RIGHT` and `LEFT`")
        .docs(
            "2.2.0",
            "source destination timeout",
            "Moves an element from the tail of a list to the head of another, or waits until one comes.",
        )
        .complexity("O(1)")
        .history(&[("6.0.0", "Fractions of seconds.")]),
    Command::new("blmpop", Arity::at_least(5), blmpop)
        .group(Group::List)
        .flags(&[WRITE, BLOCKING])
        .keys(&[counted(2)])
        .docs(
            "7.0.0",
            "timeout numkeys key [key ...] LEFT|RIGHT [COUNT count]",
            "Takes elements from an end of the first of several lists that has any, or waits until some come.",
        )
        .complexity("O(N+M) for N keys, and M elements popped."),
];

fn pop_event(end: End) -> Event {
    match end {
        End::Head => Event::list("lpop"),
        End::Tail => Event::list("rpop"),
    }
}

fn pop_name(end: End) -> &'static str {
    match end {
        End::Head => "LPOP",
        End::Tail => "RPOP",
    }
}

fn end(args: &Args<'_>, index: usize) -> Result<End, Error> {
    match args.try_get(index) {
        Some(word) if word.eq_ignore_ascii_case(b"left") => Ok(End::Head),
        Some(word) if word.eq_ignore_ascii_case(b"right") => Ok(End::Tail),
        _ => Err(SYNTAX),
    }
}

fn pop(cx: &mut Ctx<'_>, args: Args<'_>, end: End) -> CmdResult {
    if args.len() > 3 {
        return Err(Error::wrong_arity(cx.row().name));
    }
    let count = if args.len() == 3 { Some(args.positive(2)?) } else { None };
    let (key, limits) = (args.key(1), limits(cx.server));
    let Some(list) = cx.db.collection_mut::<List>(&key)? else {
        match count {
            Some(_) => cx.reply.null_array(),
            None => cx.reply.null(),
        }
        return Ok(());
    };
    let taken = match count {
        Some(count) => take(list, cx.reply, end, count, &limits),
        None => {
            list.pop(end, &limits, |element| reply_element(cx.reply, element));
            1
        }
    };
    if taken > 0 {
        let empty = list.is_empty();
        popped(cx, &key, end, taken, empty);
    }
    Ok(())
}

/// Answers with as many elements as there are, in the order in which they leave, and removes them.
fn take(list: &mut List, reply: &mut Reply, end: End, count: usize, limits: &Limits) -> usize {
    let (length, count) = (list.len(), count.min(list.len()));
    reply.array(count);
    match end {
        End::Head => {
            list.visit_some(0, count, End::Tail, |element| reply_element(reply, element));
            list.remove_range(0, count, limits);
        }
        End::Tail => {
            list.visit_some(length - 1, count, End::Head, |element| reply_element(reply, element));
            list.remove_range(length - count, count, limits);
        }
    }
    count
}

/// Elements have left a list, the last ones if it is `empty`.
fn popped(cx: &mut Ctx<'_>, key: &Key<'_>, end: End, count: usize, empty: bool) {
    cx.db.dirty += count as u64;
    cx.touched(key, pop_event(end));
    if empty {
        cx.emptied(key);
    }
}

/// Answers with a key and an array of elements of its list; false if there is no list.
fn pop_many(cx: &mut Ctx<'_>, key: &Key<'_>, end: End, count: usize) -> Result<bool, Error> {
    let limits = limits(cx.server);
    let Some(list) = cx.db.collection_mut::<List>(key)? else { return Ok(false) };
    cx.reply.array(2);
    cx.reply.bulk(key.bytes());
    let count = take(list, cx.reply, end, count, &limits);
    let empty = list.is_empty();
    popped(cx, key, end, count, empty);
    let mut digits = itoa::Buffer::new();
    cx.propagate_instead(&[pop_name(end).as_bytes(), key.bytes(), digits.format(count).as_bytes()]);
    Ok(true)
}

/// Answers with a key and an element of its list; false if there is no list.
fn pop_one(cx: &mut Ctx<'_>, key: &Key<'_>, end: End) -> Result<bool, Error> {
    let limits = limits(cx.server);
    let Some(list) = cx.db.collection_mut::<List>(key)? else { return Ok(false) };
    cx.reply.array(2);
    cx.reply.bulk(key.bytes());
    list.pop(end, &limits, |element| reply_element(cx.reply, element));
    let empty = list.is_empty();
    popped(cx, key, end, 1, empty);
    cx.propagate_instead(&[pop_name(end).as_bytes(), key.bytes()]);
    Ok(true)
}

/// The arguments of LMPOP and BLMPOP.
struct Many {
    /// The first key's argument and the one behind the last.
    keys: std::ops::Range<usize>,
    end: End,
    count: usize,
}

impl Many {
    /// Reads them from the number of keys on, which is argument `at`.
    fn parse(args: &Args<'_>, at: usize) -> Result<Many, Error> {
        const NO_KEYS: Error = Error::fixed("ERR numkeys should be greater than 0");
        const NO_COUNT: Error = Error::fixed("ERR count should be greater than 0");
        let keys = args.integer_in(at, 1..=i64::MAX, NO_KEYS)? as usize;
        let word = keys.saturating_add(at + 1);
        let end = end(args, word)?;
        let count = match args.len() - word {
            1 => 1,
            3.. if args.is(word + 1, "count") => args.integer_in(word + 2, 1..=i64::MAX, NO_COUNT)? as usize,
            _ => return Err(SYNTAX),
        };
        if args.len() > word + 3 {
            return Err(SYNTAX);
        }
        Ok(Many { keys: at + 1..word, end, count })
    }
}

fn lmpop(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let many = Many::parse(&args, 1)?;
    for index in many.keys {
        if pop_many(cx, &args.key(index), many.end, many.count)? {
            return Ok(());
        }
    }
    cx.reply.null_array();
    Ok(())
}

fn blmpop(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let many = Many::parse(&args, 2)?;
    let deadline = args.timeout(1, cx.clock_ms())?;
    let keys = many.keys.clone().map(|index| args.key(index));
    for key in keys.clone() {
        if pop_many(cx, &key, many.end, many.count)? {
            return Ok(());
        }
    }
    cx.block_on(&args, keys, deadline, true)
}

fn blocking_pop(cx: &mut Ctx<'_>, args: Args<'_>, end: End) -> CmdResult {
    let last = args.len() - 1;
    let deadline = args.timeout(last, cx.clock_ms())?;
    let keys = (1..last).map(|index| args.key(index));
    for key in keys.clone() {
        if pop_one(cx, &key, end)? {
            return Ok(());
        }
    }
    cx.block_on(&args, keys, deadline, true)
}

/// Moves an element from one end of a list to one of another list, or of the same, and answers with it; false if there
/// is no list to take it from.
fn move_one(cx: &mut Ctx<'_>, from: (&Key<'_>, End), to: (&Key<'_>, End)) -> Result<bool, Error> {
    let (limits, (source, from), (target, to)) = (limits(cx.server), from, to);
    let target_is_wrong = cx.db.collection_mut::<List>(target).is_err();
    let Some(list) = cx.db.collection_mut::<List>(source)? else { return Ok(false) };
    if target_is_wrong {
        return Err(WRONG_TYPE);
    }
    // Numbers have no bytes on their way, as Redis counts them.
    let taken = list.pop(from, &limits, |element| (element.to_vec(), element.int().is_some()));
    let Some((text, is_number)) = taken else { return Ok(false) };
    let list = cx.db.collection_or_new::<List>(target)?;
    list.expect(if is_number { 0 } else { text.len() }, 1, &limits);
    list.push(to, &text, &limits);
    cx.reply.bulk(&text);
    cx.touched(target, push_event(to));
    let empty = cx.db.collection_mut::<List>(source)?.is_some_and(|list| list.is_empty());
    popped(cx, source, from, 1, empty);
    Ok(true)
}

/// Waits for an element to be moved. Where that is not possible the answer is the null of a string, when the time is up
/// that of an array: so does Redis.
fn wait_to_move(cx: &mut Ctx<'_>, args: &Args<'_>, source: Key<'_>, deadline: Option<i64>) -> CmdResult {
    if cx.server.in_exec {
        cx.reply.null();
        return Ok(());
    }
    cx.block_on(args, [source], deadline, true)
}

fn lmove(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (from, to) = (end(&args, 3)?, end(&args, 4)?);
    if !move_one(cx, (&args.key(1), from), (&args.key(2), to))? {
        cx.reply.null();
    }
    Ok(())
}

fn rpoplpush(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if !move_one(cx, (&args.key(1), End::Tail), (&args.key(2), End::Head))? {
        cx.reply.null();
    }
    Ok(())
}

fn blmove(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (from, to) = (end(&args, 3)?, end(&args, 4)?);
    let deadline = args.timeout(5, cx.clock_ms())?;
    let (source, target) = (args.key(1), args.key(2));
    if !move_one(cx, (&source, from), (&target, to))? {
        return wait_to_move(cx, &args, source, deadline);
    }
    cx.propagate_instead(&[b"LMOVE", source.bytes(), target.bytes(), args.get(3), args.get(4)]);
    Ok(())
}

fn brpoplpush(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let deadline = args.timeout(3, cx.clock_ms())?;
    let (source, target) = (args.key(1), args.key(2));
    if !move_one(cx, (&source, End::Tail), (&target, End::Head))? {
        return wait_to_move(cx, &args, source, deadline);
    }
    cx.propagate_instead(&[b"RPOPLPUSH", source.bytes(), target.bytes()]);
    Ok(())
}
