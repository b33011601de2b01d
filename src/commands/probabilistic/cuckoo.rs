//! Cuckoo filters: CF.*.

use super::{EXISTS, INSERTS, NO_KEY, READS, UPDATES, integer, letter, word};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::Protocol;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::probabilistic::cuckoo::{Added, BUCKET_SIZE_MAX, Cuckoo, EXPANSION_MAX};

const CAPACITY_DEFAULT: u64 = 1024;
const BUCKET_SIZE_DEFAULT: i64 = 2;
const ITERATIONS_DEFAULT: i64 = 20;
const EXPANSION_DEFAULT: i64 = 1;
/// A command adds nothing to a chain that has as many filters.
const FILTERS_MAX: usize = 32;

const BAD_CAPACITY: Error = Error::fixed("Bad capacity");
const CAPACITY_TOO_LOW: Error = Error::fixed("Capacity must be at least (BucketSize * 2)");
const NO_MEMORY: Error = Error::fixed("ERR Insufficient memory to create filter");
const BAD_POSITION: Error = Error::fixed("Invalid position");

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("cf.add", Arity::exactly(3), add, &[WRITE, DENYOOM], INSERTS).docs(
        "1.0.0",
        "key item",
        "Adds an item to a cuckoo filter, which is made if need be.",
    ),
    row("cf.addnx", Arity::exactly(3), addnx, &[WRITE, DENYOOM], INSERTS).docs(
        "1.0.0",
        "key item",
        "Adds an item to a cuckoo filter unless it may be there.",
    ),
    row("cf.compact", Arity::exactly(2), compact, &[WRITE, FAST], UPDATES).for_systems().docs(
        "1.0.0",
        "key",
        "Moves the items of a cuckoo filter together.",
    ),
    row("cf.count", Arity::exactly(3), count, &[READONLY, FAST], READS).docs(
        "1.0.0",
        "key item",
        "Returns how often an item may be in a cuckoo filter.",
    ),
    row("cf.debug", Arity::exactly(2), debug, &[READONLY, FAST], READS).for_systems().docs(
        "1.0.0",
        "key",
        "Describes a cuckoo filter.",
    ),
    row("cf.del", Arity::exactly(3), del, &[WRITE, FAST], UPDATES).docs(
        "1.0.0",
        "key item",
        "Deletes an item from a cuckoo filter once.",
    ),
    row("cf.exists", Arity::exactly(3), exists, &[READONLY, FAST], READS).docs(
        "1.0.0",
        "key item",
        "Tells whether an item may be in a cuckoo filter.",
    ),
    row("cf.info", Arity::exactly(2), info, &[READONLY, FAST], READS).docs(
        "1.0.0",
        "key",
        "Returns figures of a cuckoo filter.",
    ),
    row("cf.insert", Arity::at_least(4), insert, &[WRITE, DENYOOM], INSERTS).docs(
        "1.0.0",
        "key [CAPACITY capacity] [NOCREATE] ITEMS item [item ...]",
        "Adds items to a cuckoo filter, which is made as told if need be.",
    ),
    row("cf.insertnx", Arity::at_least(4), insertnx, &[WRITE, DENYOOM], INSERTS).docs(
        "1.0.0",
        "key [CAPACITY capacity] [NOCREATE] ITEMS item [item ...]",
        "Adds items to a cuckoo filter unless they may be there.",
    ),
    row("cf.loadchunk", Arity::exactly(4), loadchunk, &[WRITE, DENYOOM], INSERTS).docs(
        "1.0.0",
        "key iterator data",
        "Restores a part of a cuckoo filter that CF.SCANDUMP gave.",
    ),
    row("cf.mexists", Arity::at_least(3), mexists, &[READONLY, FAST], READS).docs(
        "1.0.0",
        "key item [item ...]",
        "Tells which items may be in a cuckoo filter.",
    ),
    row("cf.reserve", Arity::at_least(3), reserve, &[WRITE, DENYOOM], UPDATES).docs(
        "1.0.0",
        "key capacity [BUCKETSIZE bucketsize] [MAXITERATIONS maxiterations] [EXPANSION expansion]",
        "Makes a cuckoo filter.",
    ),
    row("cf.scandump", Arity::exactly(3), scandump, &[READONLY, FAST], READS).docs(
        "1.0.0",
        "key iterator",
        "Returns a part of a cuckoo filter, and where to go on.",
    ),
];

const fn row(name: &'static str, arity: Arity, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, arity, handler).group(Group::Cuckoo).flags(flags).keys(keys)
}

/// A number behind a word, or the default: one that is none, or not in the range, has its own error.
fn option(args: Args<'_>, name: &str, default: i64, most: u16, errors: [Error; 2], least: i64) -> Result<u16, Error> {
    let [no_number, out_of_range] = errors;
    let value = match word(args, 1, name) {
        None => default,
        Some(at) => integer(args, at + 1, no_number)?,
    };
    u16::try_from(value).ok().filter(|value| i64::from(*value) >= least && *value <= most).ok_or(out_of_range)
}

fn reserve(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len().is_multiple_of(2) {
        return Err(Error::wrong_arity("cf.reserve"));
    }
    let capacity = integer(args, 2, BAD_CAPACITY)?;
    let errors = [
        Error::fixed("Couldn't parse MAXITERATIONS"),
        Error::fixed("MAXITERATIONS: value must be an integer between 1 and 65535, inclusive."),
    ];
    let iterations = option(args, "maxiterations", ITERATIONS_DEFAULT, u16::MAX, errors, 1)?;
    let errors = [
        Error::fixed("Couldn't parse BUCKETSIZE"),
        Error::fixed("BUCKETSIZE: value must be an integer between 1 and 255, inclusive."),
    ];
    let bucket_size = option(args, "bucketsize", BUCKET_SIZE_DEFAULT, BUCKET_SIZE_MAX, errors, 1)?;
    let errors = [
        Error::fixed("Couldn't parse EXPANSION"),
        Error::fixed("EXPANSION: value must be an integer between 0 and 32768, inclusive."),
    ];
    let expansion = option(args, "expansion", EXPANSION_DEFAULT, EXPANSION_MAX, errors, 0)?;
    if i64::from(bucket_size) * 2 > capacity {
        return Err(CAPACITY_TOO_LOW);
    }
    let key = args.key(1);
    if cx.db.bundled::<Cuckoo>(&key)?.is_some() {
        return Err(EXISTS);
    }
    let cuckoo = Cuckoo::new(capacity as u64, bucket_size, iterations, expansion).map_err(|_| NO_MEMORY)?;
    cx.db.put_bundled(&key, cuckoo);
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}

/// The filter that items are added to; made for a capacity if it is not there, unless that is none.
fn filter<'c>(cx: &'c mut Ctx<'_>, args: Args<'_>, capacity: Option<u64>) -> Result<&'c mut Cuckoo, Error> {
    let key = args.key(1);
    if cx.db.bundled_mut::<Cuckoo>(&key)?.is_none() {
        let capacity = capacity.ok_or(NO_KEY)?;
        let defaults = [BUCKET_SIZE_DEFAULT, ITERATIONS_DEFAULT, EXPANSION_DEFAULT].map(|number| number as u16);
        let [bucket_size, iterations, expansion] = defaults;
        let made = Cuckoo::new(capacity, bucket_size, iterations, expansion);
        cx.db.put_bundled(&key, made.map_err(|_| Error::fixed("ERR Could not create filter"))?);
        cx.changed_quietly(&key);
    }
    let cuckoo = cx.db.bundled_mut::<Cuckoo>(&key)?.ok_or(NO_KEY)?;
    match cuckoo.filters().len() < FILTERS_MAX {
        true => Ok(cuckoo),
        false => Err(Error::fixed("Maximum expansions reached")),
    }
}

fn add(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let added = filter(cx, args, Some(CAPACITY_DEFAULT))?.add(args.get(2));
    answer_one(cx, args, added)
}

fn addnx(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let added = filter(cx, args, Some(CAPACITY_DEFAULT))?.add_new(args.get(2));
    answer_one(cx, args, added)
}

fn answer_one(cx: &mut Ctx<'_>, args: Args<'_>, added: Added) -> CmdResult {
    match added {
        Added::Yes => cx.changed_quietly(&args.key(1)),
        Added::Exists => {}
        Added::NoRoom => return Err(Error::fixed("Filter is full")),
        Added::OutOfMemory => return Err(Error::fixed("ERR Insufficient memory")),
    }
    cx.reply.boolean(added == Added::Yes);
    Ok(())
}

/// Where the items are, and for how many a filter is made if it is not there.
fn insertion(args: Args<'_>, name: &str) -> Result<(usize, Option<u64>), Error> {
    let wrong_arity = || Error::wrong_arity(name);
    let (mut capacity, mut creates, mut at) = (CAPACITY_DEFAULT, true, 2);
    while at < args.len() {
        match letter(args, at, 0) {
            b'i' if at + 1 == args.len() => break,
            b'i' => return Ok((at + 1, creates.then_some(capacity))),
            b'c' if at + 1 == args.len() => break,
            b'c' => {
                let wanted = integer(args, at + 1, BAD_CAPACITY)?;
                let enough = u64::try_from(wanted).ok().filter(|wanted| *wanted >= 2 * BUCKET_SIZE_DEFAULT as u64);
                capacity = enough.ok_or(CAPACITY_TOO_LOW)?;
                at += 2;
            }
            b'n' => {
                creates = false;
                at += 1;
            }
            _ => return Err(Error::fixed("Unknown argument received")),
        }
    }
    Err(wrong_arity())
}

fn insert(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    insert_all(cx, args, "cf.insert", Cuckoo::add)
}

fn insertnx(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    insert_all(cx, args, "cf.insertnx", Cuckoo::add_new)
}

fn insert_all(cx: &mut Ctx<'_>, args: Args<'_>, name: &str, add: fn(&mut Cuckoo, &[u8]) -> Added) -> CmdResult {
    let (from, capacity) = insertion(args, name)?;
    let cuckoo = filter(cx, args, capacity)?;
    let results: Vec<Added> = args.rest(from).map(|item| add(cuckoo, item)).collect();
    if results.contains(&Added::Yes) {
        cx.changed_quietly(&args.key(1));
    }
    let only_new = name == "cf.insertnx";
    cx.reply.array(results.len());
    for added in results {
        match added {
            Added::OutOfMemory => cx.reply.error("ERR Insufficient memory"),
            _ if !only_new && cx.reply.protocol() == Protocol::Resp3 => cx.reply.boolean(added == Added::Yes),
            Added::Yes => cx.reply.integer(1),
            Added::Exists => cx.reply.integer(0),
            Added::NoRoom => cx.reply.integer(-1),
        }
    }
    Ok(())
}

/// A key of another type has none of the items.
fn exists(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cuckoo = cx.db.bundled::<Cuckoo>(&args.key(1)).unwrap_or(None);
    let there = cuckoo.is_some_and(|cuckoo| cuckoo.contains(args.get(2)));
    cx.reply.boolean(there);
    Ok(())
}

fn mexists(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cuckoo = cx.db.bundled::<Cuckoo>(&args.key(1)).unwrap_or(None);
    cx.reply.array(args.len() - 2);
    args.rest(2).for_each(|item| cx.reply.boolean(cuckoo.is_some_and(|cuckoo| cuckoo.contains(item))));
    Ok(())
}

fn count(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cuckoo = cx.db.bundled::<Cuckoo>(&args.key(1)).unwrap_or(None);
    let count = cuckoo.map_or(0, |cuckoo| cuckoo.count(args.get(2)));
    cx.reply.integer(count as i64);
    Ok(())
}

fn del(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let cuckoo = cx.db.bundled_mut::<Cuckoo>(&key).unwrap_or(None);
    let deleted = cuckoo.ok_or(Error::fixed("Not found"))?.delete(args.get(2));
    if deleted {
        cx.changed_quietly(&key);
    }
    cx.reply.boolean(deleted);
    Ok(())
}

fn compact(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let cuckoo = cx.db.bundled_mut::<Cuckoo>(&key).unwrap_or(None);
    cuckoo.ok_or(Error::fixed("Cuckoo filter was not found"))?.compact(true);
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}

fn info(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cuckoo = cx.db.bundled::<Cuckoo>(&args.key(1))?.ok_or(NO_KEY)?;
    let of = cuckoo.parameters();
    let fields = [
        ("Size", cuckoo.size()),
        ("Number of buckets", of.buckets),
        ("Number of filters", cuckoo.filters().len() as u64),
        ("Number of items inserted", cuckoo.items()),
        ("Number of items deleted", cuckoo.deletes()),
        ("Bucket size", of.bucket_size.into()),
        ("Expansion rate", of.expansion.into()),
        ("Max iterations", of.iterations.into()),
    ];
    cx.reply.map(fields.len());
    for (name, figure) in fields {
        cx.reply.simple(name);
        cx.reply.integer(figure as i64);
    }
    Ok(())
}

fn debug(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cuckoo = cx.db.bundled::<Cuckoo>(&args.key(1))?.ok_or(NO_KEY)?;
    let of = cuckoo.parameters();
    let line = format!(
        "bktsize:{} buckets:{} items:{} deletes:{} filters:{} max_iterations:{} expansion:{}",
        of.bucket_size,
        of.buckets,
        cuckoo.items(),
        cuckoo.deletes(),
        cuckoo.filters().len(),
        of.iterations,
        of.expansion
    );
    cx.reply.bulk(line.as_bytes());
    Ok(())
}

/// A filter without items is not handed out.
fn scandump(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let position = integer(args, 2, BAD_POSITION)?;
    if position < 0 {
        return Err(BAD_POSITION);
    }
    let cuckoo = cx.db.bundled::<Cuckoo>(&args.key(1))?.ok_or(NO_KEY)?;
    cx.reply.array(2);
    if position == 0 && cuckoo.items() > 0 {
        cx.reply.integer(1);
        cx.reply.bulk(&cuckoo.header());
        return Ok(());
    }
    match cuckoo.chunk(position).filter(|_| cuckoo.items() > 0) {
        Some((chunk, next)) => {
            cx.reply.integer(next);
            cx.reply.bulk(chunk);
        }
        None => {
            cx.reply.integer(0);
            cx.reply.null();
        }
    }
    Ok(())
}

fn loadchunk(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, data) = (args.key(1), args.get(3));
    let position = integer(args, 2, BAD_POSITION)?;
    if position == 0 {
        return Err(BAD_POSITION);
    }
    let cuckoo = cx.db.bundled_mut::<Cuckoo>(&key)?;
    if position == 1 {
        if cuckoo.is_some() {
            return Err(EXISTS);
        }
        let loaded = Cuckoo::from_header(data).ok_or(Error::fixed("Invalid header"))?;
        cx.db.put_bundled(&key, loaded.map_err(|_| Error::fixed("Couldn't create filter!"))?);
    } else if !cuckoo.ok_or(NO_KEY)?.load_chunk(position, data) {
        return Err(Error::fixed("Couldn't load chunk!"));
    }
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}
