//! Arrays, as of Redis 8.8: elements at 64-bit indexes.
//!
//! A range is given by two indexes in either order, and what is replied follows that order. Commands that reply every
//! index of a range, empty ones included, are bounded in its width; all others cost what is there.

mod aggregate;
mod cursor;
mod search;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use crate::command::error::{CmdResult, NO_SUCH_KEY, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::Config;
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::Array;
use crate::types::array::{INDEX_MAX, Info, Limits, Value};
use crate::util::number::parse_i64;

/// A reply has no more elements where it also has those that are not there.
const REPLIED_MAX: u64 = 1_000_000;

const BAD_INDEX: Error = Error::fixed("ERR invalid array index");
const RANGE_TOO_WIDE: Error = Error::fixed("ERR range exceeds maximum of 1000000 items");
const BAD_LIMIT: Error = Error::fixed("ERR LIMIT must be positive");

const READS: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
const UPDATES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::UPDATE))];
const DELETES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::DELETE))];

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("arcount", Arity::exactly(2), arcount, &[READONLY, FAST], READS).docs(
        "8.8.0",
        "key",
        "Returns the number of elements of an array.",
    ),
    row("ardel", Arity::at_least(3), ardel, &[WRITE, FAST], DELETES).docs(
        "8.8.0",
        "key index [index ...]",
        "Removes elements of an array, and counts those that were there.",
    ),
    row("ardelrange", Arity::at_least(4), ardelrange, &[WRITE], DELETES).docs(
        "8.8.0",
        "key start end [start end ...]",
        "Removes all elements of an array within ranges, and counts them.",
    ),
    row("arget", Arity::exactly(3), arget, &[READONLY, FAST], READS).docs(
        "8.8.0",
        "key index",
        "Returns an element of an array.",
    ),
    row("argetrange", Arity::exactly(4), argetrange, &[READONLY], READS).docs(
        "8.8.0",
        "key start end",
        "Returns all indexes of an array within a range, empty ones included.",
    ),
    row("argrep", Arity::at_least(6), search::argrep, &[READONLY], READS).docs(
        "8.8.0",
        "key start end <EXACT string | MATCH string | GLOB pattern | RE pattern> [<EXACT string | MATCH string | \
         GLOB pattern | RE pattern> ...] [<AND | OR | LIMIT limit | WITHVALUES | NOCASE> ...]",
        "Finds the elements of an array within a range that match.",
    ),
    row("arinfo", Arity::at_least(2), arinfo, &[READONLY], READS).docs(
        "8.8.0",
        "key [FULL]",
        "Tells how an array is kept.",
    ),
    row("arinsert", Arity::at_least(3), cursor::arinsert, &[WRITE, DENYOOM, FAST], UPDATES).docs(
        "8.8.0",
        "key value [value ...]",
        "Sets elements of an array behind its cursor, and moves that along.",
    ),
    row("arlastitems", Arity::at_least(3), cursor::arlastitems, &[READONLY], READS).docs(
        "8.8.0",
        "key count [REV]",
        "Returns the last elements of an array before its cursor.",
    ),
    row("arlen", Arity::exactly(2), arlen, &[READONLY, FAST], READS).docs(
        "8.8.0",
        "key",
        "Returns the greatest index of an array, and one more.",
    ),
    row("armget", Arity::at_least(3), armget, &[READONLY, FAST], READS).docs(
        "8.8.0",
        "key index [index ...]",
        "Returns several elements of an array.",
    ),
    row("armset", Arity::at_least(4), armset, &[WRITE, DENYOOM, FAST], UPDATES).docs(
        "8.8.0",
        "key index value [index value ...]",
        "Sets elements of an array, and counts those that are new.",
    ),
    row("arnext", Arity::exactly(2), cursor::arnext, &[READONLY, FAST], READS).docs(
        "8.8.0",
        "key",
        "Tells where the cursor of an array writes next.",
    ),
    row("arop", Arity::at_least(5), aggregate::arop, &[READONLY], READS).docs(
        "8.8.0",
        "key start end <SUM | MIN | MAX | AND | OR | XOR | MATCH value | USED>",
        "Aggregates the elements of an array within a range.",
    ),
    row("arring", Arity::at_least(4), cursor::arring, &[WRITE, DENYOOM], UPDATES).docs(
        "8.8.0",
        "key size value [value ...]",
        "Sets elements of an array around a ring, behind its cursor.",
    ),
    row("arscan", Arity::at_least(4), arscan, &[READONLY], READS).docs(
        "8.8.0",
        "key start end [LIMIT limit]",
        "Returns the elements of an array within a range, with their indexes.",
    ),
    row("arseek", Arity::exactly(3), cursor::arseek, &[WRITE, FAST], UPDATES).docs(
        "8.8.0",
        "key index",
        "Moves the cursor of an array.",
    ),
    row("arset", Arity::at_least(4), arset, &[WRITE, DENYOOM, FAST], UPDATES).docs(
        "8.8.0",
        "key index value [value ...]",
        "Sets elements of an array one behind the other, and counts those that are new.",
    ),
];

const fn row(name: &'static str, arity: Arity, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, arity, handler).group(Group::Array).flags(flags).keys(keys)
}

/// The forms of slices.
pub fn limits(config: &Config) -> Limits {
    Limits::new(config.array_slice_size, config.array_sparse_kmax, config.array_sparse_kmin)
}

/// An unsigned number in its one canonical form.
fn parse_canonical(text: &[u8]) -> Option<u64> {
    match text {
        b"0" => Some(0),
        [b'1'..=b'9', ..] => crate::util::number::parse_u64(text),
        _ => None,
    }
}

/// The index at an argument.
fn index(args: Args<'_>, at: usize) -> Result<u64, Error> {
    parse_canonical(args.get(at)).filter(|index| *index <= INDEX_MAX).ok_or(BAD_INDEX)
}

/// The ends of a range at two arguments.
fn range(args: Args<'_>, at: usize) -> Result<(u64, u64), Error> {
    Ok((index(args, at)?, index(args, at + 1)?))
}

/// The number behind LIMIT.
fn limit(args: Args<'_>, at: usize) -> Result<u64, Error> {
    u64::try_from(args.integer(at)?).ok().filter(|limit| *limit > 0).ok_or(BAD_LIMIT)
}

/// Writes an element.
fn write_value(reply: &mut Reply, value: Option<Value<'_>>) {
    match value {
        Some(Value::Int(value)) => reply.bulk_int(value),
        Some(Value::Short(short)) => reply.bulk(short.bytes()),
        Some(Value::Long(text)) => reply.bulk(text),
        None => reply.null(),
    }
}

/// Writes every index of a range, until the reply is too long to be sent.
fn write_all(reply: &mut Reply, array: &Array, (from, to): (u64, u64)) {
    array.visit_all(from, to, |value| {
        write_value(reply, value);
        go_on(reply)
    });
}

/// Whether to go on writing.
fn go_on(reply: &Reply) -> ControlFlow<()> {
    if reply.is_cut() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn wrong_arity(name: &str) -> Error {
    Error::wrong_arity(name)
}

fn arset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const OVERFLOW: Error = Error::fixed("ERR array index overflow");
    let (key, first, limits) = (args.key(1), index(args, 2)?, limits(&cx.server.config));
    let values = args.len() - 3;
    first.checked_add(values as u64 - 1).filter(|last| *last <= INDEX_MAX).ok_or(OVERFLOW)?;
    let array = cx.db.collection_or_new::<Array>(&key)?;
    let new = match values {
        1 => u64::from(array.set(first, args.get(3), &limits)),
        _ => array.set_all(first, (3..args.len()).map(|at| args.get(at)), &limits),
    };
    cx.db.dirty += values as u64;
    cx.touched(&key, Event::array("arset"));
    cx.reply.integer(new as i64);
    Ok(())
}

fn armset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if !args.len().is_multiple_of(2) {
        return Err(wrong_arity("armset"));
    }
    let (key, limits) = (args.key(1), limits(&cx.server.config));
    let indexes = (2..args.len()).step_by(2).map(|at| index(args, at)).collect::<Result<Vec<u64>, Error>>()?;
    let array = cx.db.collection_or_new::<Array>(&key)?;
    let values = (3..args.len()).step_by(2).map(|at| args.get(at));
    let new = indexes.iter().zip(values).filter(|(index, value)| array.set(**index, value, &limits)).count();
    cx.db.dirty += indexes.len() as u64;
    cx.touched(&key, Event::array("armset"));
    cx.reply.integer(new as i64);
    Ok(())
}

fn arget(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let index = index(args, 2)?;
    let array = cx.db.collection::<Array>(&args.key(1))?;
    write_value(cx.reply, array.and_then(|array| array.get(index)));
    Ok(())
}

fn armget(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let indexes = (2..args.len()).map(|at| index(args, at)).collect::<Result<Vec<u64>, Error>>()?;
    let array = cx.db.collection::<Array>(&args.key(1))?;
    cx.reply.array(indexes.len());
    indexes.iter().for_each(|index| write_value(cx.reply, array.and_then(|array| array.get(*index))));
    Ok(())
}

fn argetrange(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (from, to) = range(args, 2)?;
    let array = cx.db.collection::<Array>(&args.key(1))?;
    let width = from.abs_diff(to);
    if width >= REPLIED_MAX {
        return Err(RANGE_TOO_WIDE);
    }
    cx.reply.array(width as usize + 1);
    match array {
        Some(array) => write_all(cx.reply, array, (from, to)),
        None => (0..=width).for_each(|_| cx.reply.null()),
    }
    Ok(())
}

fn arscan(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (from, to) = range(args, 2)?;
    let mut left = match args.len() {
        4 => u64::MAX,
        6 if args.is(4, "limit") => limit(args, 5)?,
        6 => return Err(SYNTAX),
        _ => return Err(wrong_arity("arscan")),
    };
    let Some(array) = cx.db.collection::<Array>(&args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let (reply, mut found) = (&mut *cx.reply, 0);
    let deferred = reply.defer();
    array.visit(from, to, |index, value| {
        reply.array(2);
        reply.unsigned(index);
        write_value(reply, Some(value));
        found += 1;
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { go_on(reply) }
    });
    reply.finish_array(deferred, found);
    Ok(())
}

fn ardel(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, limits) = (args.key(1), limits(&cx.server.config));
    let indexes = (2..args.len()).map(|at| index(args, at)).collect::<Result<Vec<u64>, Error>>()?;
    let Some(array) = cx.db.collection_mut::<Array>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let removed = indexes.iter().filter(|index| array.remove(**index, &limits)).count();
    removed_from(cx, args, removed as u64, "ardel")
}

fn ardelrange(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if !args.len().is_multiple_of(2) {
        return Err(wrong_arity("ardelrange"));
    }
    let (key, limits) = (args.key(1), limits(&cx.server.config));
    let ranges = (2..args.len()).step_by(2).map(|at| range(args, at)).collect::<Result<Vec<_>, Error>>()?;
    let Some(array) = cx.db.collection_mut::<Array>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let removed = ranges.iter().map(|(from, to)| array.remove_range(*from.min(to), *from.max(to), &limits)).sum();
    removed_from(cx, args, removed, "ardelrange")
}

/// Tells of elements that were removed; the last one takes the key along.
fn removed_from(cx: &mut Ctx<'_>, args: Args<'_>, removed: u64, event: &'static str) -> CmdResult {
    let key = args.key(1);
    if removed > 0 {
        cx.db.dirty += removed;
        cx.touched(&key, Event::array(event));
        if cx.db.collection_mut::<Array>(&key)?.is_some_and(|array| array.count() == 0) {
            cx.emptied(&key);
        }
    }
    cx.reply.unsigned(removed);
    Ok(())
}

fn arlen(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let end = cx.db.collection::<Array>(&args.key(1))?.map_or(0, Array::end);
    cx.reply.unsigned(end);
    Ok(())
}

fn arcount(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let count = cx.db.collection::<Array>(&args.key(1))?.map_or(0, Array::count);
    cx.reply.unsigned(count);
    Ok(())
}

fn arinfo(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let full = args.len() > 2;
    if full && (args.len() > 3 || !args.is(2, "full")) {
        return Err(SYNTAX);
    }
    let array = cx.db.collection::<Array>(&args.key(1))?.ok_or(NO_SUCH_KEY)?;
    let (directory_size, blocks) = array.directory();
    let fields = [
        ("count", array.count()),
        ("len", array.end()),
        ("next-insert-index", array.next().unwrap_or(0)),
        ("slices", array.slices()),
        ("directory-size", directory_size),
        ("super-dir-entries", blocks),
        ("slice-size", array.slice_size()),
    ];
    cx.reply.map(if full { fields.len() + 5 } else { fields.len() });
    for (name, value) in fields {
        cx.reply.bulk(name.as_bytes());
        cx.reply.unsigned(value);
    }
    if full {
        write_slices(cx.reply, array.info());
    }
    Ok(())
}

fn write_slices(reply: &mut Reply, info: Info) {
    for (name, value) in [("dense-slices", info.dense_slices), ("sparse-slices", info.sparse_slices)] {
        reply.bulk(name.as_bytes());
        reply.unsigned(value);
    }
    let averages = [
        ("avg-dense-size", info.dense_places, info.dense_slices),
        ("avg-dense-fill", info.dense_elements, info.dense_places),
        ("avg-sparse-size", info.sparse_places, info.sparse_slices),
    ];
    for (name, all, of) in averages {
        reply.bulk(name.as_bytes());
        reply.double(if of == 0 { 0.0 } else { all as f64 / of as f64 });
    }
}
