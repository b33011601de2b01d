//! XINFO.

use super::idempotent;
use super::range::reply_entries;
use super::shared::{no_group, reply_entry, reply_id};
use crate::command::error::{CmdResult, NO_SUCH_KEY};
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::execution::Ctx;
use crate::types::Stream;
use crate::types::stream::{ConsumerId, Entry, Group, Log, ProducerSettings, Producers, StreamId};

/// So many entries of everything are listed where nothing is said.
const COUNT: usize = 10;

pub fn stream(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(2);
    cx.db.collection::<Stream>(&key)?.ok_or(NO_SUCH_KEY)?;
    let count = parse_count(cx, &args)?;
    let (settings, now_ms) = (idempotent::default_settings(cx), cx.clock_ms());
    let stream = cx.db.collection::<Stream>(&key)?.ok_or(NO_SUCH_KEY)?;
    let reply = &mut *cx.reply;
    reply.map(if count.is_some() { 15 } else { 16 });
    reply_log(reply, stream.log());
    reply_producers(reply, stream.producers(), settings, now_ms);
    match count {
        None => {
            reply.bulk(b"groups");
            reply.integer(stream.groups().len() as i64);
            reply.bulk(b"first-entry");
            reply_entry_or_null(reply, stream.log().iter().next());
            reply.bulk(b"last-entry");
            reply_entry_or_null(reply, stream.log().iter().next_back());
        }
        Some(count) => {
            reply.bulk(b"entries");
            reply_entries(reply, stream.log().iter().take(count));
            reply.bulk(b"groups");
            reply.array(stream.groups().len());
            for (name, group) in stream.groups().iter() {
                reply_full_group(reply, name, group, stream.log(), count);
            }
        }
    }
    Ok(())
}

/// How much is to be told of everything, if the answer is to be full.
fn parse_count(cx: &Ctx<'_>, args: &Args<'_>) -> Result<Option<usize>, Error> {
    match args.len() {
        3 => return Ok(None),
        4 | 6 if args.is(3, "full") && (args.len() == 4 || args.is(4, "count")) => {}
        _ => return Err(cx.subcommand_syntax(args.get(1))),
    }
    if args.len() == 4 {
        return Ok(Some(COUNT));
    }
    Ok(Some(match args.integer(5)? {
        0 => usize::MAX,
        count => usize::try_from(count).unwrap_or(COUNT),
    }))
}

fn reply_log(reply: &mut Reply, log: &Log) {
    reply.bulk(b"length");
    reply.integer(log.len() as i64);
    reply.bulk(b"radix-tree-keys");
    reply.integer(log.block_count() as i64);
    // There is no such tree here; this is the least number of nodes that one would have.
    reply.bulk(b"radix-tree-nodes");
    reply.integer(log.block_count() as i64 + 1);
    reply.bulk(b"last-generated-id");
    reply_id(reply, log.last_id);
    reply.bulk(b"max-deleted-entry-id");
    reply_id(reply, log.max_deleted_id);
    reply.bulk(b"entries-added");
    reply.integer(log.entries_added as i64);
    reply.bulk(b"recorded-first-entry-id");
    reply_id(reply, log.first_id());
}

/// What is known of producers; `settings` are those of streams that have none of their own.
fn reply_producers(reply: &mut Reply, producers: Option<&Producers>, settings: ProducerSettings, now_ms: i64) {
    let settings = producers.map_or(settings, Producers::settings);
    let (tracked, records) = producers.map_or((0, 0), |producers| producers.tracked(now_ms));
    let (added, duplicates) = producers.map_or((0, 0), |producers| (producers.added, producers.duplicates));
    for (name, value) in [
        ("idmp-duration", i64::from(settings.duration_s)),
        ("idmp-maxsize", i64::from(settings.records_max)),
        ("pids-tracked", tracked as i64),
        ("iids-tracked", records as i64),
        ("iids-added", added as i64),
        ("iids-duplicates", duplicates as i64),
    ] {
        reply.bulk(name.as_bytes());
        reply.integer(value);
    }
}

fn reply_entry_or_null(reply: &mut Reply, entry: Option<Entry<'_>>) {
    match entry {
        Some(entry) => reply_entry(reply, entry),
        None => reply.null(),
    }
}

fn reply_number_or_null(reply: &mut Reply, number: Option<i64>) {
    match number {
        Some(number) => reply.integer(number),
        None => reply.null(),
    }
}

/// What a group has read: the parts that GROUPS and STREAM … FULL have in common.
fn reply_progress(reply: &mut Reply, group: &Group, log: &Log) {
    reply.bulk(b"last-delivered-id");
    reply_id(reply, group.last_id);
    reply.bulk(b"entries-read");
    reply_number_or_null(reply, group.entries_read.map(|read| read as i64));
    reply.bulk(b"lag");
    reply_number_or_null(reply, group.lag(log));
}

fn reply_full_group(reply: &mut Reply, name: &[u8], group: &Group, log: &Log, count: usize) {
    reply.map(8);
    reply.bulk(b"name");
    reply.bulk(name);
    reply_progress(reply, group, log);
    reply.bulk(b"pel-count");
    reply.integer(group.pending_len() as i64);
    reply.bulk(b"nacked-count");
    reply.integer(group.nacked_len() as i64);
    reply.bulk(b"pending");
    reply.array(group.pending_len().min(count));
    for (id, delivery) in group.pending(StreamId::MIN).take(count) {
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(group.owner(delivery));
        reply.integer(delivery.time_ms);
        reply.integer(delivery.count);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for (number, _) in group.consumers() {
        reply_full_consumer(reply, group, number, count);
    }
}

fn reply_full_consumer(reply: &mut Reply, group: &Group, number: ConsumerId, count: usize) {
    let consumer = group.consumer(number);
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(&consumer.name);
    reply.bulk(b"seen-time");
    reply.integer(consumer.seen_ms);
    reply.bulk(b"active-time");
    reply.integer(consumer.active_ms.unwrap_or(-1));
    reply.bulk(b"pel-count");
    reply.integer(consumer.pending_len() as i64);
    reply.bulk(b"pending");
    reply.array(consumer.pending_len().min(count));
    for (id, delivery) in group.pending_of(number, StreamId::MIN).take(count) {
        reply.array(3);
        reply_id(reply, id);
        reply.integer(delivery.time_ms);
        reply.integer(delivery.count);
    }
}

pub fn groups(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let stream = cx.db.collection::<Stream>(&args.key(2))?.ok_or(NO_SUCH_KEY)?;
    let reply = &mut *cx.reply;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups().iter() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.integer(group.consumers().len() as i64);
        reply.bulk(b"pending");
        reply.integer(group.pending_len() as i64);
        reply_progress(reply, group, stream.log());
    }
    Ok(())
}

pub fn consumers(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, name, now_ms) = (args.key(2), args.get(3), cx.clock_ms());
    let stream = cx.db.collection::<Stream>(&key)?.ok_or(NO_SUCH_KEY)?;
    let group = stream.groups().get(name).ok_or_else(|| no_group(key.bytes(), name))?;
    let reply = &mut *cx.reply;
    reply.array(group.consumers().len());
    for (_, consumer) in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(&consumer.name);
        reply.bulk(b"pending");
        reply.integer(consumer.pending_len() as i64);
        reply.bulk(b"idle");
        reply.integer(now_ms.saturating_sub(consumer.seen_ms).max(0));
        reply.bulk(b"inactive");
        reply.integer(consumer.active_ms.map_or(-1, |active_ms| now_ms.saturating_sub(active_ms).max(0)));
    }
    Ok(())
}

pub fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "CONSUMERS <key> <group>",
        "    Tell of the consumers of a group.",
        "GROUPS <key>",
        "    Tell of the consumer groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]]",
        "    Tell of a stream, with FULL also what is in it: entries, groups, consumers.",
    ]);
    Ok(())
}
