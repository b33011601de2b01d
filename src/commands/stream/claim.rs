//! XCLAIM and XAUTOCLAIM: pending entries change hands.
//!
//! Both also clean up: what is pending of an entry that was deleted is dropped when they come across it.

use super::shared::{Actor, INVALID_ID, Substitutes, interval_start, no_key_or_group, reply_entry, reply_id};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::execution::{Ctx, changes};
use crate::types::Stream;
use crate::types::stream::{Delivery, Entry, StreamId};
use crate::util::number;

/// The options of XCLAIM.
#[derive(Debug, Default)]
struct Options {
    ids: Vec<StreamId>,
    delivered_ms: Option<i64>,
    count: Option<i64>,
    force: bool,
    just_ids: bool,
    last_id: StreamId,
}

impl Options {
    fn parse(args: &Args<'_>, now_ms: i64) -> Result<Options, Error> {
        let ids: Vec<StreamId> = args.rest(5).map_while(|text| StreamId::parse(text, 0)).collect();
        let mut index = 5 + ids.len();
        let mut options = Options { ids, ..Options::default() };
        while index < args.len() {
            let has_more = index + 1 < args.len();
            if args.is(index, "force") {
                options.force = true;
            } else if args.is(index, "justid") {
                options.just_ids = true;
            } else if has_more && args.is(index, "idle") {
                index += 1;
                let idle = integer(args, index, "ERR Invalid IDLE option argument for XCLAIM")?;
                options.delivered_ms = Some(now_ms.saturating_sub(idle));
            } else if has_more && args.is(index, "time") {
                index += 1;
                options.delivered_ms = Some(integer(args, index, "ERR Invalid TIME option argument for XCLAIM")?);
            } else if has_more && args.is(index, "retrycount") {
                index += 1;
                let count = integer(args, index, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                options.count = Some(count).filter(|count| *count >= 0);
            } else if has_more && args.is(index, "lastid") {
                index += 1;
                options.last_id = StreamId::parse(args.get(index), 0).ok_or(INVALID_ID)?;
            } else {
                let word = crate::command::args::shown(args.get(index));
                return Err(Error::text([b"ERR Unrecognized XCLAIM option '", word, b"'"].concat()));
            }
            index += 1;
        }
        Ok(options)
    }
}

fn integer(args: &Args<'_>, index: usize, error: &'static str) -> Result<i64, Error> {
    number::parse_i64(args.get(index)).ok_or(Error::fixed(error))
}

/// Whether an entry has been pending for long enough. One that was handed back always has.
fn is_due(delivery: &Delivery, idle_ms_min: i64, now_ms: i64) -> bool {
    idle_ms_min == 0 || delivery.consumer.is_none() || now_ms.saturating_sub(delivery.time_ms) >= idle_ms_min
}

/// Answers an entry that was claimed, or its id.
fn reply_claimed(reply: &mut Reply, entry: Entry<'_>, just_ids: bool) {
    if just_ids {
        reply_id(reply, entry.id);
    } else {
        reply_entry(reply, entry);
    }
}

pub fn xclaim(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, name, now_ms) = (args.key(1), args.get(2), cx.clock_ms());
    let mut substitutes = Substitutes::new(cx, key.bytes(), name);
    let mut actor = Actor::new(args.get(3));
    let stream = cx.db.collection_mut::<Stream>(&key)?;
    let stream = stream.filter(|stream| stream.groups().get(name).is_some());
    let stream = stream.ok_or_else(|| no_key_or_group(key.bytes(), name))?;
    let idle_ms_min = integer(&args, 4, "ERR Invalid min-idle-time argument for XCLAIM")?.max(0);
    let options = Options::parse(&args, now_ms)?;
    // Who reckons with another clock is given the present time rather than an error.
    let time_ms = options.delivered_ms.filter(|time| (0..=now_ms).contains(time)).unwrap_or(now_ms);

    let group = stream.groups_mut().0.get_mut(name).ok_or_else(|| no_key_or_group(key.bytes(), name))?;
    let (mut claimed, mut changes) = (0, 0);
    let jumped = options.last_id > group.last_id;
    group.last_id = group.last_id.max(options.last_id);
    let consumer = actor.meet(group, now_ms);
    let head = cx.reply.defer();
    for &id in &options.ids {
        let (groups, log) = stream.groups_mut();
        let Some(group) = groups.get_mut(name) else { break };
        let before = group.delivery(id).copied();
        let Some(entry) = log.get(id) else {
            if let Some(delivery) = before {
                substitutes.forgotten(id, &delivery, group);
                group.acknowledge(id);
                changes += 1;
            }
            continue;
        };
        let ready = before.map_or(options.force, |delivery| is_due(&delivery, idle_ms_min, now_ms));
        if !ready {
            continue;
        }
        group.set_active(consumer, Some(now_ms));
        let consumer = Some(consumer);
        let delivered = before.map_or(1, |delivery| delivery.count);
        let counted = delivered.saturating_add(i64::from(!options.just_ids));
        let delivery = Delivery { time_ms, count: options.count.unwrap_or(counted), consumer };
        group.deliver(id, delivery);
        substitutes.delivered(id, &delivery, group);
        changes += 1;
        claimed += 1;
        reply_claimed(cx.reply, entry, options.just_ids);
    }
    cx.reply.finish_array(head, claimed);
    // The group's last id goes along with every delivery.
    if jumped && changes == 0 {
        changes += 1;
        stream.groups().get(name).into_iter().for_each(|group| substitutes.read_on(group));
    }
    cx.db.dirty += changes;
    actor.report(cx, &key);
    substitutes.propagate(cx);
    // Somebody may wait for what is idle for long enough, and this says for how long it is.
    if claimed > 0 {
        changes::wake(cx, key.bytes());
    }
    Ok(())
}

/// What XAUTOCLAIM is to do.
struct Sweep {
    idle_ms_min: i64,
    from: StreamId,
    count: usize,
    just_ids: bool,
}

/// So many entries are looked at for each that may be claimed.
const ATTEMPTS_PER_CLAIM: usize = 10;

impl Sweep {
    fn parse(args: &Args<'_>) -> Result<Sweep, Error> {
        const COUNT_MAX: i64 = i64::MAX / size_of::<StreamId>() as i64;
        const NOT_POSITIVE: Error = Error::fixed("ERR COUNT must be > 0");
        let idle_ms_min = integer(args, 4, "ERR Invalid min-idle-time argument for XAUTOCLAIM")?.max(0);
        let mut sweep = Sweep { idle_ms_min, from: interval_start(args.get(5))?, count: 100, just_ids: false };
        let mut index = 6;
        while index < args.len() {
            if args.is(index, "count") && index + 1 < args.len() {
                index += 1;
                sweep.count = args.integer_in(index, 1..=COUNT_MAX, NOT_POSITIVE)? as usize;
            } else if args.is(index, "justid") {
                sweep.just_ids = true;
            } else {
                return Err(SYNTAX);
            }
            index += 1;
        }
        Ok(sweep)
    }
}

pub fn xautoclaim(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sweep = Sweep::parse(&args)?;
    let (key, name, now_ms) = (args.key(1), args.get(2), cx.clock_ms());
    let mut substitutes = Substitutes::new(cx, key.bytes(), name);
    let mut actor = Actor::new(args.get(3));
    let stream = cx.db.collection_mut::<Stream>(&key)?;
    let (groups, log) = stream.map(Stream::groups_mut).ok_or_else(|| no_key_or_group(key.bytes(), name))?;
    let group = groups.get_mut(name).ok_or_else(|| no_key_or_group(key.bytes(), name))?;

    let consumer = actor.meet(group, now_ms);
    // The id to go on with comes first, and is known last.
    let mut entries = Reply::new(cx.reply.protocol());
    let (mut next, mut claimed, mut deleted) = (Some(sweep.from), 0, Vec::new());
    let mut finder = log.finder(sweep.from);
    let mut attempts = sweep.count.saturating_mul(ATTEMPTS_PER_CLAIM);
    while attempts > 0 && claimed + deleted.len() < sweep.count {
        attempts -= 1;
        let pending = next.and_then(|next| group.pending(next).next());
        let Some((id, before)) = pending.map(|(id, delivery)| (id, *delivery)) else { break };
        next = id.next();
        let Some(entry) = finder.get(id) else {
            substitutes.forgotten(id, &before, group);
            group.acknowledge(id);
            deleted.push(id);
            continue;
        };
        if !is_due(&before, sweep.idle_ms_min, now_ms) {
            continue;
        }
        group.set_active(consumer, Some(now_ms));
        let consumer = Some(consumer);
        let count = before.count.saturating_add(i64::from(!sweep.just_ids));
        let delivery = Delivery { time_ms: now_ms, count, consumer };
        group.deliver(id, delivery);
        substitutes.delivered(id, &delivery, group);
        claimed += 1;
        reply_claimed(&mut entries, entry, sweep.just_ids);
    }
    let next = next.and_then(|next| group.pending(next).next());
    cx.reply.array(3);
    reply_id(cx.reply, next.map_or(StreamId::MIN, |(id, _)| id));
    cx.reply.array(claimed);
    cx.reply.append(&mut entries);
    cx.reply.array(deleted.len());
    deleted.iter().for_each(|id| reply_id(cx.reply, *id));
    cx.db.dirty += (claimed + deleted.len()) as u64;
    actor.report(cx, &key);
    substitutes.propagate(cx);
    Ok(())
}
