//! XPENDING: what a group has yet to acknowledge.

use super::shared::{interval_end, interval_start, no_key_or_group, reply_id};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::execution::Ctx;
use crate::types::Stream;
use crate::types::stream::{Delivery, Group, StreamId};

/// Which entries are to be listed.
struct Filter<'a> {
    from: StreamId,
    to: StreamId,
    count: usize,
    idle_ms_min: i64,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    fn parse(args: &Args<'a>) -> Result<Filter<'a>, Error> {
        let (mut first, mut idle_ms_min) = (3, 0);
        if args.is(3, "idle") {
            idle_ms_min = args.integer(4)?;
            if args.len() < 8 {
                return Err(SYNTAX);
            }
            first = 5;
        }
        let count = args.integer(first + 2)?.max(0) as usize;
        let (from, to) = (interval_start(args.get(first))?, interval_end(args.get(first + 1))?);
        Ok(Filter { from, to, count, idle_ms_min, consumer: args.try_get(first + 3) })
    }
}

pub fn xpending(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let filter = match args.len() {
        3 => None,
        6..=9 => Some(Filter::parse(&args)?),
        _ => return Err(SYNTAX),
    };
    let (key, name, now_ms) = (args.key(1), args.get(2), cx.clock_ms());
    let stream = cx.db.collection::<Stream>(&key)?;
    let group = stream.and_then(|stream| stream.groups().get(name));
    let group = group.ok_or_else(|| no_key_or_group(key.bytes(), name))?;
    match filter {
        None => reply_summary(cx.reply, group),
        Some(filter) => reply_list(cx.reply, group, &filter, now_ms),
    }
    Ok(())
}

/// How many, the first and the last, and how many each consumer has that has any.
fn reply_summary(reply: &mut Reply, group: &Group) {
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let mut pending = group.pending(StreamId::MIN).map(|(id, _)| id);
    let Some(first) = pending.next() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(reply, first);
    reply_id(reply, pending.next_back().unwrap_or(first));
    let owners = || group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0);
    reply.array(owners().count());
    for (_, consumer) in owners() {
        reply.array(2);
        reply.bulk(&consumer.name);
        reply.bulk_int(consumer.pending_len() as i64);
    }
}

fn reply_list(reply: &mut Reply, group: &Group, filter: &Filter<'_>, now_ms: i64) {
    let idle = |delivery: &Delivery| now_ms.saturating_sub(delivery.time_ms);
    // What was handed back is idle without end, which is told as -1.
    let is_wanted = |delivery: &Delivery| {
        filter.idle_ms_min == 0 || delivery.consumer.is_none() || idle(delivery) >= filter.idle_ms_min
    };
    let head = reply.defer();
    let mut len = 0;
    let mut list = |pending: &mut dyn Iterator<Item = (StreamId, &Delivery)>| {
        let in_range = pending.take_while(|(id, _)| *id <= filter.to);
        for (id, delivery) in in_range.filter(|(_, delivery)| is_wanted(delivery)).take(filter.count) {
            reply.array(4);
            reply_id(reply, id);
            reply.bulk(group.owner(delivery));
            reply.integer(delivery.consumer.map_or(-1, |_| idle(delivery).max(0)));
            reply.integer(delivery.count);
            len += 1;
        }
    };
    match filter.consumer.map(|name| group.consumer_id(name)) {
        None => list(&mut group.pending(filter.from)),
        Some(Some(consumer)) => list(&mut group.pending_of(consumer, filter.from)),
        Some(None) => {}
    }
    reply.finish_array(head, len);
}
