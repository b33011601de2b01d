//! Bloom filters: BF.*.

use super::{EXISTS, INSERTS, NO_KEY, READS, UPDATES, double, integer, letter, word};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::resp::Protocol;
use crate::resp::reply::Reply;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::probabilistic::Refused;
use crate::types::probabilistic::bloom::{AddError, Bloom, ChunkError};

const CAPACITY_DEFAULT: i64 = 100;
const ERROR_DEFAULT: f64 = 0.01;
const EXPANSION_DEFAULT: i64 = 2;

const NO_MEMORY: Error = Error::fixed("ERR Insufficient memory to create filter");
const BAD_DATA: Error = Error::fixed("ERR received bad data");

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("bf.add", Arity::exactly(3), add, &[WRITE, DENYOOM], INSERTS).docs(
        "1.0.0",
        "key item",
        "Adds an item to a Bloom filter, which is made if need be.",
    ),
    row("bf.card", Arity::exactly(2), card, &[READONLY, FAST], READS).docs(
        "2.4.4",
        "key",
        "Returns how many items were added to a Bloom filter.",
    ),
    row("bf.debug", Arity::exactly(2), debug, &[READONLY, FAST], READS).for_systems().docs(
        "1.0.0",
        "key",
        "Describes a Bloom filter.",
    ),
    row("bf.exists", Arity::exactly(3), exists, &[READONLY, FAST], READS).docs(
        "1.0.0",
        "key item",
        "Tells whether an item may have been added to a Bloom filter.",
    ),
    row("bf.info", Arity::at_least(2), info, &[READONLY, FAST], READS).docs(
        "1.0.0",
        "key [CAPACITY | SIZE | FILTERS | ITEMS | EXPANSION]",
        "Returns figures of a Bloom filter.",
    ),
    row("bf.insert", Arity::at_least(4), insert, &[WRITE, DENYOOM], INSERTS).docs(
        "1.0.0",
        "key [CAPACITY capacity] [ERROR error] [EXPANSION expansion] [NOCREATE] [NONSCALING] ITEMS item [item ...]",
        "Adds items to a Bloom filter, which is made as told if need be.",
    ),
    row("bf.loadchunk", Arity::exactly(4), loadchunk, &[WRITE, DENYOOM], INSERTS).docs(
        "1.0.0",
        "key iterator data",
        "Restores a part of a Bloom filter that BF.SCANDUMP gave.",
    ),
    row("bf.madd", Arity::at_least(3), madd, &[WRITE, DENYOOM], INSERTS).docs(
        "1.0.0",
        "key item [item ...]",
        "Adds items to a Bloom filter, which is made if need be.",
    ),
    row("bf.mexists", Arity::at_least(3), mexists, &[READONLY, FAST], READS).docs(
        "1.0.0",
        "key item [item ...]",
        "Tells which items may have been added to a Bloom filter.",
    ),
    row("bf.reserve", Arity::at_least(4), reserve, &[WRITE, DENYOOM], UPDATES).docs(
        "1.0.0",
        "key error_rate capacity [EXPANSION expansion] [NONSCALING]",
        "Makes a Bloom filter.",
    ),
    row("bf.scandump", Arity::exactly(3), scandump, &[READONLY, FAST], READS).docs(
        "1.0.0",
        "key iterator",
        "Returns a part of a Bloom filter, and where to go on.",
    ),
];

const fn row(name: &'static str, arity: Arity, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, arity, handler).group(Group::Bloom).flags(flags).keys(keys)
}

/// How a filter is made that is not there.
struct Making {
    capacity: i64,
    error: f64,
    expansion: i64,
    scales: bool,
}

impl Making {
    const DEFAULT: Making =
        Making { capacity: CAPACITY_DEFAULT, error: ERROR_DEFAULT, expansion: EXPANSION_DEFAULT, scales: true };

    fn make(&self) -> Result<Bloom, Error> {
        // An expansion has 32 bits.
        Bloom::new(self.capacity as u64, self.error, self.expansion as u32, self.scales).map_err(|_| NO_MEMORY)
    }
}

impl From<AddError> for Error {
    fn from(error: AddError) -> Error {
        Error::fixed(match error {
            AddError::Full => "ERR non scaling filter is full",
            AddError::CannotGrow => "ERR problem inserting into filter",
        })
    }
}

fn reserve(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const MAX_ARGS: usize = 7;
    if args.len() > MAX_ARGS {
        return Err(Error::wrong_arity("bf.reserve"));
    }
    let error = double(args, 2, Error::fixed("ERR bad error rate"))?;
    if error <= 0.0 || error >= 1.0 {
        return Err(Error::fixed("ERR (0 < error rate range < 1) "));
    }
    let capacity = integer(args, 3, Error::fixed("ERR bad capacity"))?;
    if capacity <= 0 {
        return Err(Error::fixed("ERR (capacity should be larger than 0)"));
    }
    let scales = word(args, 1, "nonscaling").is_none();
    let expansion = match word(args, 1, "expansion") {
        None => EXPANSION_DEFAULT,
        Some(at) if at + 1 == args.len() => return Err(Error::fixed("ERR no expansion")),
        Some(_) if !scales => return Err(Error::fixed("Nonscaling filters cannot expand")),
        Some(at) => integer(args, at + 1, Error::fixed("ERR bad expansion"))?,
    };
    if expansion < 1 {
        return Err(Error::fixed("ERR expansion should be greater or equal to 1"));
    }
    let key = args.key(1);
    if cx.db.bundled::<Bloom>(&key)?.is_some() {
        return Err(EXISTS);
    }
    let bloom = Making { capacity, error, expansion, scales }.make()?;
    cx.db.put_bundled(&key, bloom);
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}

/// The filter that items are added to, made if it may be.
fn filter<'c>(cx: &'c mut Ctx<'_>, key: &Key<'_>, making: Option<&Making>) -> Result<&'c mut Bloom, Error> {
    if cx.db.bundled_mut::<Bloom>(key)?.is_none() {
        let bloom = making.ok_or(NO_KEY)?.make()?;
        cx.db.put_bundled(key, bloom);
        cx.changed_quietly(key);
    }
    cx.db.bundled_mut(key)?.ok_or(NO_KEY)
}

fn add(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let added = match cx.db.bundled_mut::<Bloom>(&key)? {
        Some(bloom) => bloom.add(args.get(2))?,
        None => filter(cx, &key, Some(&Making::DEFAULT))?.add(args.get(2))?,
    };
    if added {
        cx.changed_quietly(&key);
    }
    cx.reply.boolean(added);
    Ok(())
}

fn madd(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    add_all(cx, args, 2, Some(&Making::DEFAULT))
}

/// Adds the items from an argument on, up to the first one for which there is no room.
fn add_all(cx: &mut Ctx<'_>, args: Args<'_>, from: usize, making: Option<&Making>) -> CmdResult {
    let key = args.key(1);
    let bloom = filter(cx, &key, making)?;
    let mut results = Vec::new();
    for item in args.rest(from) {
        results.push(bloom.add(item));
        if results.last() == Some(&Err(AddError::Full)) {
            break;
        }
    }
    if results.contains(&Ok(true)) {
        cx.changed_quietly(&key);
    }
    cx.reply.array(results.len());
    for result in results {
        match result {
            Ok(added) => cx.reply.boolean(added),
            Err(error) => cx.reply.error(Error::from(error).line()),
        }
    }
    Ok(())
}

fn insert(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let wrong_arity = || Error::wrong_arity("bf.insert");
    let (mut making, mut creates, mut at) = (Making::DEFAULT, true, 2);
    loop {
        if at >= args.len() {
            return Err(wrong_arity());
        }
        let operand = at + 1;
        let needs_operand = || if operand < args.len() { Ok(()) } else { Err(wrong_arity()) };
        match letter(args, at, 0) {
            b'i' => break,
            b'e' if letter(args, at, 1) == b'r' => {
                needs_operand()?;
                making.error = double(args, operand, Error::fixed("Bad error rate"))?;
            }
            b'e' => {
                needs_operand()?;
                making.expansion = integer(args, operand, Error::fixed("Bad expansion"))?;
            }
            b'c' => {
                needs_operand()?;
                making.capacity = integer(args, operand, Error::fixed("Bad capacity"))?;
            }
            b'n' => {
                match letter(args, at, 2) {
                    b'c' => creates = false,
                    _ => making.scales = false,
                }
                at += 1;
                continue;
            }
            _ => return Err(Error::fixed("Unknown argument received")),
        }
        at += 2;
    }
    if at + 1 == args.len() {
        return Err(wrong_arity());
    }
    let Making { error, capacity, expansion, .. } = making;
    if error <= 0.0 || error >= 1.0 || capacity < 1 || expansion < 1 {
        return Err(Error::fixed("Bad argument received"));
    }
    add_all(cx, args, at + 1, creates.then_some(&making))
}

/// A key of another type has none of the items.
fn exists(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let bloom = cx.db.bundled::<Bloom>(&args.key(1)).unwrap_or(None);
    let there = bloom.is_some_and(|bloom| bloom.contains(args.get(2)));
    cx.reply.boolean(there);
    Ok(())
}

fn mexists(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let bloom = cx.db.bundled::<Bloom>(&args.key(1)).unwrap_or(None);
    cx.reply.array(args.len() - 2);
    args.rest(2).for_each(|item| cx.reply.boolean(bloom.is_some_and(|bloom| bloom.contains(item))));
    Ok(())
}

fn card(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let items = cx.db.bundled::<Bloom>(&args.key(1))?.map_or(0, Bloom::items);
    cx.reply.integer(items as i64);
    Ok(())
}

fn info(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 3 {
        return Err(Error::wrong_arity("bf.info"));
    }
    let bloom = cx.db.bundled::<Bloom>(&args.key(1))?.ok_or(NO_KEY)?;
    let expansion = bloom.expansion().map(u64::from);
    let fields = [
        ("capacity", "Capacity", Some(bloom.capacity())),
        ("size", "Size", Some(bloom.size())),
        ("filters", "Number of filters", Some(bloom.filters().len() as u64)),
        ("items", "Number of items inserted", Some(bloom.items())),
        ("expansion", "Expansion rate", expansion),
    ];
    let show = |reply: &mut Reply, figure: Option<u64>| match figure {
        Some(figure) => reply.integer(figure as i64),
        None => reply.null(),
    };
    if args.len() == 2 {
        cx.reply.map(fields.len());
        for (_, name, figure) in fields {
            cx.reply.simple(name);
            show(cx.reply, figure);
        }
        return Ok(());
    }
    let asked = fields.into_iter().find(|(word, ..)| args.is(2, word));
    let (_, name, figure) = asked.ok_or(Error::fixed("Invalid information value"))?;
    if cx.reply.protocol() == Protocol::Resp3 {
        cx.reply.map(1);
        cx.reply.simple(name);
    } else {
        cx.reply.array(1);
    }
    show(cx.reply, figure);
    Ok(())
}

fn debug(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let lines = cx.db.bundled::<Bloom>(&args.key(1))?.ok_or(NO_KEY)?.describe();
    cx.reply.array(lines.len());
    lines.iter().for_each(|line| cx.reply.bulk(line.as_bytes()));
    Ok(())
}

fn scandump(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let bloom = cx.db.bundled::<Bloom>(&args.key(1))?.ok_or(NO_KEY)?;
    let position = integer(args, 2, Error::fixed("Second argument must be numeric"))?;
    cx.reply.array(2);
    if position == 0 {
        cx.reply.integer(1);
        cx.reply.bulk(&bloom.header());
        return Ok(());
    }
    let (chunk, next) = bloom.chunk(position).unwrap_or((b"", 0));
    cx.reply.integer(next);
    cx.reply.bulk(chunk);
    Ok(())
}

fn loadchunk(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let position = integer(args, 2, Error::fixed("ERR Second argument must be numeric"))?;
    let (key, data) = (args.key(1), args.get(3));
    match cx.db.bundled_mut::<Bloom>(&key)? {
        Some(bloom) => bloom.load_chunk(position, data).map_err(|error| match error {
            ChunkError::BadPosition => BAD_DATA,
            ChunkError::NoFilter => Error::fixed("ERR invalid offset - no link found"),
            ChunkError::TooLong => Error::fixed("ERR invalid chunk - Too big for current filter"),
        })?,
        None if position == 1 => {
            let bloom = Bloom::from_header(data).map_err(|refused| match refused {
                Refused::Malformed => BAD_DATA,
                Refused::OutOfMemory => NO_MEMORY,
            })?;
            cx.db.put_bundled(&key, bloom);
        }
        None => return Err(NO_KEY),
    }
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}
