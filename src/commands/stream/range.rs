//! XLEN, XRANGE and XREVRANGE.

use super::shared::{interval_end, interval_start, reply_entry};
use crate::command::Args;
use crate::command::error::{CmdResult, SYNTAX};
use crate::resp::reply::Reply;
use crate::server::execution::Ctx;
use crate::types::Stream;
use crate::types::stream::Entry;

pub fn xlen(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let length = cx.db.collection::<Stream>(&args.key(1))?.map_or(0, |stream| stream.log().len());
    cx.reply.integer(length as i64);
    Ok(())
}

pub fn xrange(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_range(cx, args, false)
}

pub fn xrevrange(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    reply_range(cx, args, true)
}

fn reply_range(cx: &mut Ctx<'_>, args: Args<'_>, backwards: bool) -> CmdResult {
    let (from, to) = if backwards { (3, 2) } else { (2, 3) };
    let (from, to) = (interval_start(args.get(from))?, interval_end(args.get(to))?);
    let mut count = None;
    for index in (4..args.len()).step_by(2) {
        if !args.is(index, "count") || index + 1 >= args.len() {
            return Err(SYNTAX);
        }
        count = Some(args.integer(index + 1)?.max(0) as usize);
    }
    match cx.db.collection::<Stream>(&args.key(1))? {
        None => cx.reply.array(0),
        Some(_) if count == Some(0) => cx.reply.null_array(),
        Some(stream) => {
            let (entries, most) = (stream.log().range(from, to), count.unwrap_or(usize::MAX));
            match backwards {
                false => reply_entries(cx.reply, entries.take(most)),
                true => reply_entries(cx.reply, entries.rev().take(most)),
            }
        }
    }
    Ok(())
}

/// Answers entries as an array.
pub fn reply_entries<'a>(reply: &mut Reply, entries: impl Iterator<Item = Entry<'a>>) {
    let head = reply.defer();
    let mut len = 0;
    for entry in entries {
        reply_entry(reply, entry);
        len += 1;
    }
    reply.finish_array(head, len);
}
