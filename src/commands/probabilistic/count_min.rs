//! Count-Min sketches: CMS.*.

use super::{INSERTS, READS, UPDATES, double, integer, word};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::probabilistic::count_min::{CountMin, FULL, dimensions};

const NO_KEY: Error = Error::fixed("CMS: key does not exist");
const MERGES: &[Keys] = &[
    Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE)),
    Keys {
        begin: Begin::Index(2),
        find: Find::Count { count: 0, first: 1, step: 1 },
        access: Access::RO.and(Access::ACCESS),
    },
];
/// Arguments of CMS.MERGE before its sources.
const SOURCES: usize = 3;

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("cms.incrby", Arity::at_least(4), incrby, &[WRITE, DENYOOM], UPDATES).docs(
        "2.0.0",
        "key item increment [item increment ...]",
        "Counts items in a Count-Min sketch.",
    ),
    row("cms.info", Arity::exactly(2), info, &[READONLY], READS).docs(
        "2.0.0",
        "key",
        "Returns the dimensions of a Count-Min sketch, and the sum of what it counted.",
    ),
    row("cms.initbydim", Arity::exactly(4), initbydim, &[WRITE, DENYOOM], INSERTS).docs(
        "2.0.0",
        "key width depth",
        "Makes a Count-Min sketch of these dimensions.",
    ),
    row("cms.initbyprob", Arity::exactly(4), initbyprob, &[WRITE, DENYOOM], INSERTS).docs(
        "2.0.0",
        "key error probability",
        "Makes a Count-Min sketch that errs so much at most.",
    ),
    row("cms.merge", Arity::at_least(4), merge, &[WRITE, DENYOOM], MERGES).docs(
        "2.0.0",
        "destination numkeys source [source ...] [WEIGHTS weight [weight ...]]",
        "Merges Count-Min sketches into one that exists.",
    ),
    row("cms.query", Arity::at_least(3), query, &[READONLY], READS).docs(
        "2.0.0",
        "key item [item ...]",
        "Returns the counts of items in a Count-Min sketch.",
    ),
];

const fn row(name: &'static str, arity: Arity, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, arity, handler).group(Group::CountMinSketch).flags(flags).keys(keys)
}

fn initbydim(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    create(cx, args, |args| {
        let dimension = |at, error: Error| {
            let value = integer(args, at, error.clone())?;
            u64::try_from(value).ok().filter(|value| *value > 0).ok_or(error)
        };
        let width = dimension(2, Error::fixed("CMS: invalid width"))?;
        Ok((width, dimension(3, Error::fixed("CMS: invalid depth"))?))
    })
}

fn initbyprob(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    create(cx, args, |args| {
        let part = |at, error: Error| {
            let value = double(args, at, error.clone())?;
            if value > 0.0 && value < 1.0 { Ok(value) } else { Err(error) }
        };
        let error = part(2, Error::fixed("CMS: invalid overestimation value"))?;
        Ok(dimensions(error, part(3, Error::fixed("CMS: invalid prob value"))?))
    })
}

fn create(
    cx: &mut Ctx<'_>,
    args: Args<'_>,
    dimensions: impl FnOnce(Args<'_>) -> Result<(u64, u64), Error>,
) -> CmdResult {
    let key = args.key(1);
    if cx.db.exists(&key) {
        return Err(Error::fixed("CMS: key already exists"));
    }
    let (width, depth) = dimensions(args)?;
    let counters = width.checked_mul(depth).filter(|counters| (1..=i64::MAX as u64).contains(counters));
    counters.ok_or(Error::fixed("CMS: invalid init arguments"))?;
    let sketch = CountMin::new(width, depth);
    cx.db.put_bundled(&key, sketch.map_err(|_| Error::fixed("CMS: Insufficient memory to create the key"))?);
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}

fn incrby(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if !args.len().is_multiple_of(2) {
        return Err(Error::wrong_arity("cms.incrby"));
    }
    let key = args.key(1);
    let sketch = cx.db.bundled_mut::<CountMin>(&key)?.ok_or(NO_KEY)?;
    let pairs = (2..args.len()).step_by(2);
    let count = |at| {
        let count = integer(args, at + 1, Error::fixed("CMS: Cannot parse number"))?;
        u64::try_from(count).map_err(|_| Error::fixed("CMS: Number cannot be negative"))
    };
    if args.len() > 4 {
        // Nothing is counted if one of the numbers is wrong.
        pairs.clone().try_for_each(|at| count(at).map(drop))?;
    }
    let first = count(2)?;
    cx.reply.array(pairs.len());
    for at in pairs {
        let count = if at == 2 { first } else { count(at)? };
        match sketch.add(args.get(at), count) {
            FULL => cx.reply.error("CMS: INCRBY overflow"),
            counted => cx.reply.integer(counted.into()),
        }
    }
    cx.changed_quietly(&key);
    Ok(())
}

fn query(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sketch = cx.db.bundled::<CountMin>(&args.key(1))?.ok_or(NO_KEY)?;
    cx.reply.array(args.len() - 2);
    args.rest(2).for_each(|item| cx.reply.integer(sketch.count(item).into()));
    Ok(())
}

/// The number of sources, and where their weights are.
fn sources(args: Args<'_>) -> Result<(usize, Option<usize>), Error> {
    let count = integer(args, 2, Error::fixed("CMS: invalid numkeys"))?;
    if count <= 0 {
        return Err(Error::fixed("CMS: Number of keys must be positive"));
    }
    let given = args.len() - SOURCES;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    match word(args, SOURCES, "weights") {
        None if count != given => Err(Error::fixed("CMS: wrong number of keys")),
        None => Ok((count, None)),
        Some(at) if at - SOURCES == count && given == 1 + 2 * count => Ok((count, Some(at + 1))),
        Some(_) => Err(Error::fixed("CMS: wrong number of keys/weights")),
    }
}

fn merge(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    // Which arguments are keys follows from their number, so that is looked at before any key is.
    let (count, weights) = sources(args)?;
    let key = args.key(1);
    let destination = cx.db.bundled::<CountMin>(&key)?.ok_or(NO_KEY)?;
    let (width, depth) = (destination.width(), destination.depth());
    let mut weighted = Vec::with_capacity(count);
    for source in 0..count {
        let weight = match weights {
            None => 1,
            Some(at) => integer(args, at + source, Error::fixed("CMS: invalid weight value"))?,
        };
        let key = args.key(SOURCES + source);
        let sketch = cx.db.bundled::<CountMin>(&key)?.ok_or(NO_KEY)?;
        if (sketch.width(), sketch.depth()) != (width, depth) {
            return Err(Error::fixed("CMS: width/depth is not equal"));
        }
        weighted.push((key, weight));
    }
    let mut read = Vec::with_capacity(count);
    for (key, weight) in &weighted {
        read.push((cx.db.bundled_read::<CountMin>(key)?.ok_or(NO_KEY)?, *weight));
    }
    let merged = CountMin::merged(&read).map_err(|_| Error::fixed("CMS: MERGE overflow"))?;
    if let Some(destination) = cx.db.bundled_mut::<CountMin>(&key)? {
        *destination = merged;
    }
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}

fn info(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sketch = cx.db.bundled::<CountMin>(&args.key(1))?.ok_or(NO_KEY)?;
    let fields = [("width", sketch.width()), ("depth", sketch.depth()), ("count", sketch.total())];
    cx.reply.map(fields.len());
    for (name, figure) in fields {
        cx.reply.simple(name);
        cx.reply.integer(figure as i64);
    }
    Ok(())
}
