//! Path hashes, as of Valkey 9.2: fields under paths, and which paths a text begins with.
//!
//! The key of a path hash stays when its last path goes. A cursor of PHSCAN tells the last path that was returned, so
//! that whatever is added and removed meanwhile, every path that is there all the time comes once.

#[cfg(test)]
mod tests;

use std::ops::Bound;

use super::hash::{limits, write};
use crate::command::error::{CmdResult, NOT_POSITIVE, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::{Collection, Hash, PathHash};

/// Paths returned by a step that does not say how many it wants.
const COUNT_DEFAULT: usize = 10;
/// Fields of paths do not expire: whatever the time is, they live.
const ANY_TIME: i64 = 0;

const READS: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
const UPDATES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::UPDATE))];
const DELETES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))];
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("phcard", Arity::exactly(2), phcard, &[READONLY, FAST], READS).docs(
        "9.2.0",
        "key",
        "Returns the number of paths of a path hash.",
    ),
    row("phdel", Arity::at_least(3), phdel, &[WRITE], DELETES).docs(
        "9.2.0",
        "key path [field ...]",
        "Removes fields of a path of a path hash, or all of them.",
    ),
    row("phdelprefix", Arity::exactly(3), phdelprefix, &[WRITE], DELETES).docs(
        "9.2.0",
        "key prefix",
        "Removes all paths of a path hash that begin with a prefix.",
    ),
    row("phexists", Arity::exactly(3), phexists, &[READONLY, FAST], READS).docs(
        "9.2.0",
        "key path",
        "Tells whether a path hash has a path.",
    ),
    row("phget", Arity::at_least(4), phget, &[READONLY, FAST], READS).docs(
        "9.2.0",
        "key path field [field ...]",
        "Returns the values of fields of a path of a path hash.",
    ),
    row("phgetall", Arity::exactly(3), phgetall, &[READONLY], READS).tips(UNORDERED).docs(
        "9.2.0",
        "key path",
        "Returns all fields and values of a path of a path hash.",
    ),
    row("phlongest", Arity::at_least(3), phlongest, &[READONLY], READS).tips(UNORDERED).docs(
        "9.2.0",
        "key query [LENGTH] [WITHVALUES | FIELDS numfields field [field ...]]",
        "Returns the longest path of a path hash that a text begins with.",
    ),
    row("phmget", Arity::at_least(6), phmget, &[READONLY], READS).docs(
        "9.2.0",
        "key path FIELDS numfields field [field ...] [path FIELDS numfields field [field ...] ...]",
        "Returns the values of fields of several paths of a path hash.",
    ),
    row("phmset", Arity::at_least(7), phmset, &[WRITE, DENYOOM], UPDATES).docs(
        "9.2.0",
        "key path FIELDS numfields field value [field value ...] [path FIELDS numfields field value [field value ...] ...]",
        "Sets fields of several paths of a path hash.",
    ),
    row("phprefixes", Arity::at_least(3), phprefixes, &[READONLY], READS).tips(UNORDERED).docs(
        "9.2.0",
        "key query [LENGTHS] [WITHVALUES | FIELDS numfields field [field ...]] [COUNT count] [MAXPATHLEN len]",
        "Returns the paths of a path hash that a text begins with, the shortest first.",
    ),
    row("phscan", Arity::at_least(3), phscan, &[READONLY], READS).tips(UNORDERED).docs(
        "9.2.0",
        "key cursor [PREFIX prefix] [COUNT count] [WITHVALUES]",
        "Returns some of the paths of a path hash, and where to go on.",
    ),
    row("phset", Arity::at_least(7), phset, &[WRITE, DENYOOM, FAST], UPDATES).docs(
        "9.2.0",
        "key path [FNX | FXX] FIELDS numfields field value [field value ...]",
        "Sets fields of a path of a path hash.",
    ),
];

const fn row(name: &'static str, arity: Arity, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, arity, handler).group(Group::PathHash).flags(flags).keys(keys)
}

/// The arguments that belong to FIELDS: from one to before another.
#[derive(Clone, Copy)]
struct Fields {
    from: usize,
    to: usize,
}

impl Fields {
    /// Reads FIELDS, the number of fields, and as many times `width` arguments.
    fn read(args: Args<'_>, at: usize, width: usize) -> Result<Fields, Error> {
        if !args.is(at, "fields") || at + 1 >= args.len() {
            return Err(SYNTAX);
        }
        let (from, count) = (at + 2, positive(args, at + 1)?);
        let to = count.checked_mul(width).and_then(|count| count.checked_add(from));
        to.filter(|to| *to <= args.len()).map(|to| Fields { from, to }).ok_or(SYNTAX)
    }

    fn names(self, args: Args<'_>) -> impl Iterator<Item = &[u8]> {
        (self.from..self.to).map(move |at| args.get(at))
    }

    fn pairs(self, args: Args<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
        (self.from..self.to).step_by(2).map(move |at| (args.get(at), args.get(at + 1)))
    }

    /// How many pairs there are.
    fn pairs_len(self) -> u64 {
        (self.to - self.from) as u64 / 2
    }
}

/// A number above 0.
fn positive(args: Args<'_>, at: usize) -> Result<usize, Error> {
    usize::try_from(args.integer(at)?).ok().filter(|number| *number > 0).ok_or(NOT_POSITIVE)
}

/// Whether fields are set although some are there, or some are not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    NoneThere,
    AllThere,
}

fn phset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, path, limits) = (args.key(1), args.get(2), limits(cx));
    let condition = match (args.is(3, "fnx"), args.is(3, "fxx")) {
        (true, _) => Some(Condition::NoneThere),
        (_, true) => Some(Condition::AllThere),
        (false, false) => None,
    };
    let fields = Fields::read(args, if condition.is_some() { 4 } else { 3 }, 2)?;
    if fields.to != args.len() {
        return Err(SYNTAX);
    }
    if let Some(condition) = condition {
        let hash = cx.db.collection_mut::<PathHash>(&key)?.and_then(|paths| paths.get(path));
        let is_there = |field: &[u8]| hash.is_some_and(|hash| hash.get(field, ANY_TIME).is_some());
        let wanted = condition == Condition::AllThere;
        if fields.pairs(args).any(|(field, _)| is_there(field) != wanted) {
            cx.reply.null();
            return Ok(());
        }
    }
    cx.db.collection_or_new::<PathHash>(&key)?.set(path, fields.pairs(args), limits);
    cx.db.dirty += fields.pairs_len();
    cx.touched(&key, Event::path_hash("phset"));
    cx.reply.ok();
    Ok(())
}

/// Paths, each with FIELDS and what belongs to it.
fn blocks(args: Args<'_>, width: usize) -> Result<Vec<(&[u8], Fields)>, Error> {
    let (mut blocks, mut at) = (Vec::new(), 2);
    while at < args.len() {
        let fields = Fields::read(args, at + 1, width)?;
        blocks.push((args.get(at), fields));
        at = fields.to;
    }
    Ok(blocks)
}

fn phmset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, limits, blocks) = (args.key(1), limits(cx), blocks(args, 2)?);
    let paths = cx.db.collection_or_new::<PathHash>(&key)?;
    for (path, fields) in &blocks {
        paths.set(path, fields.pairs(args), limits);
    }
    cx.db.dirty += blocks.iter().map(|(_, fields)| fields.pairs_len()).sum::<u64>();
    cx.touched(&key, Event::path_hash("phmset"));
    cx.reply.ok();
    Ok(())
}

fn write_fields<'a>(reply: &mut Reply, hash: Option<&Hash>, fields: impl Iterator<Item = &'a [u8]>) {
    for field in fields {
        match hash.and_then(|hash| hash.get(field, ANY_TIME)) {
            Some(value) => write(reply, value),
            None => reply.null(),
        }
    }
}

fn write_all(reply: &mut Reply, hash: &Hash) {
    reply.map(hash.len());
    for pair in hash.pairs() {
        write(reply, pair.field);
        write(reply, pair.value);
    }
}

fn phget(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let hash = cx.db.collection::<PathHash>(&args.key(1))?.and_then(|paths| paths.get(args.get(2)));
    cx.reply.array(args.len() - 3);
    write_fields(cx.reply, hash, args.rest(3));
    Ok(())
}

fn phmget(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let blocks = blocks(args, 1)?;
    let paths = cx.db.collection::<PathHash>(&args.key(1))?;
    cx.reply.array(blocks.iter().map(|(_, fields)| fields.to - fields.from).sum());
    for (path, fields) in blocks {
        write_fields(cx.reply, paths.and_then(|paths| paths.get(path)), fields.names(args));
    }
    Ok(())
}

fn phgetall(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match cx.db.collection::<PathHash>(&args.key(1))?.and_then(|paths| paths.get(args.get(2))) {
        Some(hash) => write_all(cx.reply, hash),
        None => cx.reply.map(0),
    }
    Ok(())
}

fn phexists(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let hash = cx.db.collection::<PathHash>(&args.key(1))?.and_then(|paths| paths.get(args.get(2)));
    cx.reply.integer(i64::from(hash.is_some()));
    Ok(())
}

fn phcard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let len = cx.db.collection::<PathHash>(&args.key(1))?.map_or(0, Collection::len);
    cx.reply.integer(len as i64);
    Ok(())
}

fn phdel(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let path = args.get(2);
    let removed = match cx.db.collection_mut::<PathHash>(&args.key(1))? {
        None => 0,
        Some(paths) if args.len() == 3 => usize::from(paths.remove(path)),
        Some(paths) => paths.remove_fields(path, args.rest(3)),
    };
    removed_from(cx, args, removed, "phdel")
}

fn phdelprefix(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let paths = cx.db.collection_mut::<PathHash>(&args.key(1))?;
    let removed = paths.map_or(0, |paths| paths.remove_prefix(args.get(2)));
    removed_from(cx, args, removed, "phdelprefix")
}

fn removed_from(cx: &mut Ctx<'_>, args: Args<'_>, removed: usize, event: &'static str) -> CmdResult {
    if removed > 0 {
        cx.db.dirty += removed as u64;
        cx.touched(&args.key(1), Event::path_hash(event));
    }
    cx.reply.integer(removed as i64);
    Ok(())
}

/// What is returned of a path.
#[derive(Clone, Copy, Default)]
struct Shown {
    /// Its length rather than itself.
    length: bool,
    all_fields: bool,
    fields: Option<Fields>,
}

impl Shown {
    /// Reads an option at an argument: where to go on, or nothing if it is another one.
    fn read(&mut self, args: Args<'_>, at: usize, length: &str) -> Result<Option<usize>, Error> {
        if args.is(at, length) && !self.length {
            self.length = true;
            return Ok(Some(at + 1));
        }
        let undecided = !self.all_fields && self.fields.is_none();
        if args.is(at, "withvalues") && undecided {
            self.all_fields = true;
            return Ok(Some(at + 1));
        }
        if args.is(at, "fields") && undecided {
            let fields = Fields::read(args, at, 1)?;
            self.fields = Some(fields);
            return Ok(Some(fields.to));
        }
        Ok(None)
    }

    fn write(self, reply: &mut Reply, args: Args<'_>, path: &[u8], hash: &Hash) {
        if self.all_fields || self.fields.is_some() {
            reply.array(2);
        }
        match self.length {
            true => reply.integer(path.len() as i64),
            false => reply.bulk(path),
        }
        if let Some(fields) = self.fields {
            reply.array(fields.to - fields.from);
            write_fields(reply, Some(hash), fields.names(args));
        } else if self.all_fields {
            write_all(reply, hash);
        }
    }
}

fn phlongest(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (mut shown, mut at) = (Shown::default(), 3);
    while at < args.len() {
        at = shown.read(args, at, "length")?.ok_or(SYNTAX)?;
    }
    let paths = cx.db.collection::<PathHash>(&args.key(1))?;
    match paths.and_then(|paths| paths.prefixes_of(args.get(2)).next()) {
        Some((path, hash)) => shown.write(cx.reply, args, path, hash),
        None => cx.reply.null(),
    }
    Ok(())
}

/// Of the paths that are not too long the longest ones are returned.
fn phprefixes(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (mut shown, mut at, mut count, mut longest) = (Shown::default(), 3, None, None);
    while at < args.len() {
        if let Some(next) = shown.read(args, at, "lengths")? {
            at = next;
            continue;
        }
        let (number, least) = match () {
            () if args.is(at, "count") => (&mut count, 1),
            // The documents have the one word, the server the other.
            () if args.is(at, "maxpathlen") || args.is(at, "maxlen") => (&mut longest, 0),
            () => return Err(SYNTAX),
        };
        if at + 1 == args.len() || number.is_some() {
            return Err(SYNTAX);
        }
        let value = usize::try_from(args.integer(at + 1)?).ok().filter(|value| *value >= least);
        *number = Some(value.ok_or(NOT_POSITIVE)?);
        at += 2;
    }
    let query = args.get(2);
    let query = &query[..query.len().min(longest.unwrap_or(usize::MAX))];
    let paths = cx.db.collection::<PathHash>(&args.key(1))?;
    let found = paths.into_iter().flat_map(|paths| paths.prefixes_of(query)).take(count.unwrap_or(usize::MAX));
    let found: Vec<(&[u8], &Hash)> = found.collect();
    cx.reply.array(found.len());
    found.into_iter().rev().for_each(|(path, hash)| shown.write(cx.reply, args, path, hash));
    Ok(())
}

/// A cursor: `0` at the beginning and the end, else `p` and the last path in hexadecimal digits.
fn parse_cursor(text: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    const INVALID: Error = Error::fixed("ERR invalid cursor");
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    match text {
        b"0" => Ok(None),
        [b'p', digits @ ..] if digits.len().is_multiple_of(2) => {
            let bytes = digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
            bytes.collect::<Option<Vec<u8>>>().map(Some).ok_or(INVALID)
        }
        _ => Err(INVALID),
    }
}

fn cursor_text(last: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = last.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    [b'p'].into_iter().chain(digits).collect()
}

fn phscan(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let last = parse_cursor(args.get(2))?;
    let (mut prefix, mut count, mut all_fields, mut at) = (None, None, false, 3);
    while at < args.len() {
        if args.is(at, "withvalues") && !all_fields {
            all_fields = true;
            at += 1;
            continue;
        }
        let value = args.try_get(at + 1).ok_or(SYNTAX)?;
        if args.is(at, "prefix") && prefix.is_none() {
            prefix = Some(value);
        } else if args.is(at, "count") && count.is_none() {
            count = Some(positive(args, at + 1)?);
        } else {
            return Err(SYNTAX);
        }
        at += 2;
    }
    let paths = cx.db.collection::<PathHash>(&args.key(1))?;
    let start = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut left = paths.into_iter().flat_map(|paths| paths.from(start, prefix.unwrap_or(b""))).peekable();
    let found: Vec<(&[u8], &Hash)> = left.by_ref().take(count.unwrap_or(COUNT_DEFAULT)).collect();
    cx.reply.array(2);
    match (left.peek(), found.last()) {
        (Some(_), Some((path, _))) => cx.reply.bulk(&cursor_text(path)),
        _ => cx.reply.bulk(b"0"),
    }
    cx.reply.array(found.len());
    let shown = Shown { all_fields, ..Shown::default() };
    found.into_iter().for_each(|(path, hash)| shown.write(cx.reply, args, path, hash));
    Ok(())
}
