//! The most frequent items: TOPK.*.

use super::{INSERTS, READS, UPDATES, double, integer};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::probabilistic::top_k::{Parameters, TopK};

const WIDTH_DEFAULT: u32 = 8;
const DEPTH_DEFAULT: u32 = 7;
const DECAY_DEFAULT: f64 = 0.9;
const INCREMENT_MAX: u32 = 100_000;

const NO_KEY: Error = Error::fixed("TopK: key does not exist");
/// The blanks are those of RedisBloom.
const BAD_INCREMENT: Error = Error::fixed(
    "TopK: increment must be an integer greater or equal to 0                            and smaller or equal to 100,000",
);

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("topk.add", Arity::at_least(3), add, &[WRITE, DENYOOM], UPDATES).docs(
        "2.0.0",
        "key items [items ...]",
        "Counts items in a Top-K sketch, and returns those that had to leave its list.",
    ),
    row("topk.count", Arity::at_least(3), count, &[READONLY], READS)
        .docs("2.0.0", "key item [item ...]", "Returns the counts of items in a Top-K sketch, which may be too low.")
        .deprecated("2.4.0", "`TOPK.LIST` with `WITHCOUNT`"),
    row("topk.incrby", Arity::at_least(4), incrby, &[WRITE, DENYOOM], UPDATES).docs(
        "2.0.0",
        "key item increment [item increment ...]",
        "Counts items many times in a Top-K sketch, and returns those that had to leave its list.",
    ),
    row("topk.info", Arity::exactly(2), info, &[READONLY], READS).docs(
        "2.0.0",
        "key",
        "Returns how a Top-K sketch was made.",
    ),
    row("topk.list", Arity::at_least(2), list, &[READONLY], READS).docs(
        "2.0.0",
        "key [WITHCOUNT]",
        "Returns the list of a Top-K sketch, the most frequent first.",
    ),
    row("topk.query", Arity::at_least(3), query, &[READONLY], READS).docs(
        "2.0.0",
        "key item [item ...]",
        "Tells which items are in the list of a Top-K sketch.",
    ),
    row("topk.reserve", Arity::at_least(3), reserve, &[WRITE, DENYOOM], INSERTS).docs(
        "2.0.0",
        "key topk [width depth decay]",
        "Makes a Top-K sketch.",
    ),
];

const fn row(name: &'static str, arity: Arity, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, arity, handler).group(Group::TopK).flags(flags).keys(keys)
}

/// A number above 0 that fits into 32 bits.
fn dimension(args: Args<'_>, at: usize, error: Error) -> Result<u32, Error> {
    let value = integer(args, at, error.clone())?;
    u32::try_from(value).ok().filter(|value| *value > 0).ok_or(error)
}

fn reserve(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() != 3 && args.len() != 6 {
        return Err(Error::wrong_arity("topk.reserve"));
    }
    let key = args.key(1);
    if cx.db.exists(&key) {
        return Err(Error::fixed("TopK: key already exists"));
    }
    let k = dimension(args, 2, Error::fixed("TopK: invalid k"))?;
    let mut parameters = Parameters { k, width: WIDTH_DEFAULT, depth: DEPTH_DEFAULT, decay: DECAY_DEFAULT };
    if args.len() > 3 {
        const BAD_DECAY: Error = Error::fixed("TopK: invalid decay value. must be '<= 1' & '> 0'");
        parameters.width = dimension(args, 3, Error::fixed("TopK: invalid width"))?;
        parameters.depth = dimension(args, 4, Error::fixed("TopK: invalid depth"))?;
        parameters.decay = double(args, 5, BAD_DECAY)?;
        if parameters.decay <= 0.0 || parameters.decay > 1.0 {
            return Err(BAD_DECAY);
        }
    }
    let sketch = TopK::new(parameters);
    let sketch = sketch.map_err(|_| Error::fixed("ERR Insufficient memory to create topk data structure"))?;
    cx.db.put_bundled(&key, sketch);
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}

fn answer_expelled(reply: &mut Reply, expelled: Option<Box<[u8]>>) {
    match expelled {
        Some(item) => reply.bulk(&item),
        None => reply.null(),
    }
}

/// Chance decides what is left as it was, and is part of the value: it always changes.
fn add(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let sketch = cx.db.bundled_mut::<TopK>(&key)?.ok_or(NO_KEY)?;
    cx.reply.array(args.len() - 2);
    args.rest(2).for_each(|item| answer_expelled(cx.reply, sketch.add(item, 1)));
    cx.changed_quietly(&key);
    Ok(())
}

/// Items up to the first wrong increment are counted.
fn incrby(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if !args.len().is_multiple_of(2) {
        return Err(Error::wrong_arity("topk.incrby"));
    }
    let key = args.key(1);
    let sketch = cx.db.bundled_mut::<TopK>(&key)?.ok_or(NO_KEY)?;
    let (deferred, mut replies) = (cx.reply.defer(), 0);
    for at in (2..args.len()).step_by(2) {
        replies += 1;
        let increment = integer(args, at + 1, BAD_INCREMENT).ok().and_then(|increment| u32::try_from(increment).ok());
        let Some(increment) = increment.filter(|increment| *increment <= INCREMENT_MAX) else {
            cx.reply.error(BAD_INCREMENT.line());
            break;
        };
        answer_expelled(cx.reply, sketch.add(args.get(at), increment));
    }
    cx.reply.finish_array(deferred, replies);
    cx.changed_quietly(&key);
    Ok(())
}

fn query(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sketch = cx.db.bundled::<TopK>(&args.key(1))?.ok_or(NO_KEY)?;
    cx.reply.array(args.len() - 2);
    args.rest(2).for_each(|item| cx.reply.boolean(sketch.contains(item)));
    Ok(())
}

fn count(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sketch = cx.db.bundled::<TopK>(&args.key(1))?.ok_or(NO_KEY)?;
    cx.reply.array(args.len() - 2);
    args.rest(2).for_each(|item| cx.reply.integer(sketch.count(item).into()));
    Ok(())
}

fn list(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 3 {
        return Err(Error::wrong_arity("topk.list"));
    }
    let with_count = args.len() == 3;
    if with_count && !args.is(2, "withcount") {
        return Err(Error::fixed("WITHCOUNT keyword expected"));
    }
    let sketch = cx.db.bundled::<TopK>(&args.key(1))?.ok_or(NO_KEY)?;
    let list = sketch.list();
    cx.reply.array(list.len() * if with_count { 2 } else { 1 });
    for (item, count) in list {
        cx.reply.bulk(item);
        if with_count {
            cx.reply.integer(count.into());
        }
    }
    Ok(())
}

fn info(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let of = cx.db.bundled::<TopK>(&args.key(1))?.ok_or(NO_KEY)?.parameters();
    cx.reply.map(4);
    for (name, figure) in [("k", of.k), ("width", of.width), ("depth", of.depth)] {
        cx.reply.simple(name);
        cx.reply.integer(figure.into());
    }
    cx.reply.simple("decay");
    cx.reply.double(of.decay);
    Ok(())
}
