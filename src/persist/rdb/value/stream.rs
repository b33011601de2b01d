//! Streams in files: blocks, counters, groups, producers.
//!
//! ```text
//! stream    blocks: count, (id, listpack)…   counters   groups: count, group…   [producers]
//! counters  entries, last id   [first id, greatest deleted id, entries ever added]            in the brackets: since
//! group     name, last id, [entries read], pending: count, (id, time, deliveries)…,           form 2
//!           consumers: count, (name, seen, [active], pending: count, id…)…,                   form 3
//!           [nacked: count, id…]                                                              form 5
//! producers seconds, records at most, producers: count, (name, records: count, (name, id)…)…,
//!           records ever added, entries not added twice                                       form 4
//! ```
//! The ids of blocks and of what is pending are 16 bytes, big-endian, others two lengths; times are 8 bytes.
//!
//! The file tells for each group first what is pending, then which consumer has which part of it. So what is pending
//! waits, without a consumer, until one claims it; nothing may be left then but what was handed back, and nothing be
//! claimed twice.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::super::format::kind;
use super::super::read::{Cursor, Fault, Reading};
use super::super::version::Since;
use super::super::write::Writer;
use super::{Begun, Build, Context, Form, Value};
use crate::db::EntryView;
use crate::types::Stream;
use crate::types::stream::{ConsumerId, Delivery, Group, Log, ProducerSettings, Producers, StreamId};

/// How streams are saved.
pub const FORMS: &[Form] = &[
    Form { kind: kind::STREAM_3, since: Since::both(11), holds: is_plain, save: save_3 },
    Form { kind: kind::STREAM_2, since: Since::both(10), holds: is_plain, save: save_2 },
    Form { kind: kind::STREAM, since: Since::both(9), holds: is_plain, save: save_1 },
    Form { kind: kind::STREAM_4, since: Since::redis(13), holds: is_owned, save: save_4 },
    Form { kind: kind::STREAM_5, since: Since::redis(14), holds: |_| true, save: save_5 },
];

/// Whether nothing was handed back to any group.
fn is_owned(entry: EntryView<'_>) -> bool {
    entry.collection().is_none_or(|stream: &Stream| stream.groups().iter().all(|(_, group)| group.nacked_len() == 0))
}

/// Whether nothing is known of producers either.
fn is_plain(entry: EntryView<'_>) -> bool {
    is_owned(entry) && entry.collection().is_none_or(|stream: &Stream| stream.producers().is_none())
}

/// A stream that does not know of its deleted entries.
pub fn first(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    Begun::parts(Parts::begin(kind::STREAM, cursor)?)
}

/// A stream that knows of its deleted entries.
pub fn second(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    Begun::parts(Parts::begin(kind::STREAM_2, cursor)?)
}

/// A stream whose consumers know when they were last served.
pub fn third(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    Begun::parts(Parts::begin(kind::STREAM_3, cursor)?)
}

/// A stream that knows what its producers have added.
pub fn fourth(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    Begun::parts(Parts::begin(kind::STREAM_4, cursor)?)
}

/// A stream whose groups know what was handed back to them.
pub fn fifth(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    Begun::parts(Parts::begin(kind::STREAM_5, cursor)?)
}

/// What comes next in the file.
enum Stage {
    /// Blocks, and how many; then the counters.
    Blocks(usize),
    /// Groups, and how many.
    Groups(usize),
    /// Pending entries of a group, and how many.
    PendingShutdown(usize),
    /// Consumers of the group, and how many.
    Consumers(usize),
    /// Ids of what the consumer has pending, and how many.
    Claims(ConsumerId, usize),
    /// How much was handed back to the group.
    NackedCount,
    /// Ids of that, and how many.
    Nacked(usize),
    /// Producers, and how many; then what was counted of them.
    Producers(usize),
    /// Records of a producer, and how many; then so many producers.
    Records(usize, usize),
    /// Nothing.
    End,
}

/// A group that is being loaded.
struct LoadingGroup {
    name: Vec<u8>,
    /// Deliveries that nobody has claimed yet: when, and how often.
    unclaimed: BTreeMap<StreamId, (i64, i64)>,
    consumers_left: usize,
}

/// A stream that is being loaded.
struct Parts {
    kind: u8,
    stage: Stage,
    blocks: Vec<(StreamId, Vec<u8>)>,
    stream: Stream,
    groups_left: usize,
    group: Option<LoadingGroup>,
    producers: Producers,
    /// The name of the producer whose records come.
    producer: Vec<u8>,
}

const BROKEN: Fault = Fault::Bad("Stream integrity check failed.");

impl Parts {
    /// Begins with the number of blocks.
    fn begin(kind: u8, cursor: &mut Cursor<'_>) -> Reading<Parts> {
        let stage = Stage::Blocks(cursor.count()?);
        let (blocks, stream) = (Vec::new(), Stream::default());
        let producers = Producers::new(ProducerSettings::DEFAULT);
        Ok(Parts { kind, stage, blocks, stream, groups_left: 0, group: None, producers, producer: Vec::new() })
    }

    fn block(&mut self, cursor: &mut Cursor<'_>) -> Reading<()> {
        let (id, bytes) = (cursor.vec()?, cursor.vec()?);
        let id = <[u8; 16]>::try_from(&id[..])
            .map_err(|_| Fault::Bad("Stream node key entry is not the size of a stream ID"))?;
        self.blocks.push((id_of(id), bytes));
        Ok(())
    }

    fn counters(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        let length = cursor.length()?;
        let last_id = id(cursor)?;
        let known = self.kind != kind::STREAM;
        let (_, max_deleted_id, added) = match known {
            true => (id(cursor)?, id(cursor)?, cursor.length()?),
            false => (StreamId::MIN, StreamId::MIN, length),
        };
        let groups = cursor.count()?;
        // All has been read: from here on there is no way back.
        let mut log = Log::checked(std::mem::take(&mut self.blocks))
            .ok_or(Fault::Bad("Stream listpack integrity check failed."))?;
        let last_live_id = log.last_live_id().unwrap_or_default();
        if log.len() != length || added < length || last_live_id > last_id {
            cx.correct("Stream integrity check failed: its counters contradict its entries.")?;
        }
        log.last_id = last_id.max(last_live_id);
        log.max_deleted_id = max_deleted_id;
        log.entries_added = added.max(log.len());
        self.stream = Stream::new(log);
        self.groups_left = groups;
        Ok(())
    }

    fn begin_group(&mut self, cursor: &mut Cursor<'_>) -> Reading<Stage> {
        let (name, last_id) = (cursor.vec()?, id(cursor)?);
        let read = match self.kind {
            kind::STREAM => None,
            _ => Some(cursor.length()?).filter(|read| *read != u64::MAX),
        };
        let pending = cursor.count()?;
        let (groups, log) = self.stream.groups_mut();
        let read = if self.kind == kind::STREAM { log.added_up_to(last_id) } else { read };
        if groups.create(&name, last_id, read).is_none() {
            return Err(Fault::Bad("Duplicated consumer group name"));
        }
        self.group = Some(LoadingGroup { name, unclaimed: BTreeMap::new(), consumers_left: 0 });
        self.groups_left -= 1;
        Ok(Stage::PendingShutdown(pending))
    }

    fn pending(&mut self, cursor: &mut Cursor<'_>) -> Reading<()> {
        let id = raw_id(cursor)?;
        let (time_ms, count) = (cursor.time_ms()?, cursor.length()?);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let group = self.group.as_mut().ok_or(BROKEN)?;
        match group.unclaimed.insert(id, (time_ms, count)) {
            None => Ok(()),
            Some(_) => Err(Fault::Bad("Duplicated global PEL entry loading stream consumer group")),
        }
    }

    fn consumer(&mut self, cursor: &mut Cursor<'_>) -> Reading<Stage> {
        let (name, seen_ms) = (cursor.vec()?, cursor.time_ms()?);
        // Of older files that is the best guess.
        let active_ms = if self.kind >= kind::STREAM_3 { cursor.time_ms()? } else { seen_ms };
        let claims = cursor.count()?;
        let Parts { group, stream, .. } = self;
        let group = group.as_mut().ok_or(BROKEN)?;
        let made = stream.groups_mut().0.get_mut(&group.name).and_then(|made| made.create_consumer(&name, seen_ms));
        let consumer = made.ok_or(Fault::Bad("Duplicate stream consumer detected"))?;
        if let Some(made) = stream.groups_mut().0.get_mut(&group.name) {
            made.set_active(consumer, Some(active_ms).filter(|time| *time >= 0));
        }
        group.consumers_left -= 1;
        Ok(Stage::Claims(consumer, claims))
    }

    fn claim(&mut self, cursor: &mut Cursor<'_>, consumer: ConsumerId) -> Reading<()> {
        let id = raw_id(cursor)?;
        let Parts { group, stream, .. } = self;
        let group = group.as_mut().ok_or(BROKEN)?;
        let made = stream.groups_mut().0.get_mut(&group.name).ok_or(BROKEN)?;
        let Some((time_ms, count)) = group.unclaimed.remove(&id) else {
            return Err(match made.delivery(id) {
                Some(_) => Fault::Bad("Stream consumer PEL entry already has a consumer assigned"),
                None => Fault::Bad("Consumer entry not found in group global PEL"),
            });
        };
        made.deliver(id, Delivery { time_ms, count, consumer: Some(consumer) });
        Ok(())
    }

    fn nacked(&mut self, cursor: &mut Cursor<'_>) -> Reading<()> {
        let id = raw_id(cursor)?;
        let Parts { group, stream, .. } = self;
        let group = group.as_mut().ok_or(BROKEN)?;
        let made = stream.groups_mut().0.get_mut(&group.name).ok_or(BROKEN)?;
        let (_, count) =
            group.unclaimed.remove(&id).ok_or(Fault::Bad("NACK zone entry not found among unowned ones"))?;
        made.nack(id, count);
        Ok(())
    }

    fn begin_producers(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Stage> {
        let (duration_s, records_max) = (cursor.length()?, cursor.length()?);
        let producers = cursor.count()?;
        let mut within = |value: u64, range: RangeInclusive<u32>| {
            let value = u32::try_from(value).unwrap_or(u32::MAX);
            if !range.contains(&value) {
                cx.correct("Stream idempotency settings are out of range")?;
            }
            Ok(value.clamp(*range.start(), *range.end()))
        };
        self.producers.set(ProducerSettings {
            duration_s: within(duration_s, ProducerSettings::DURATION_S)?,
            records_max: within(records_max, ProducerSettings::RECORDS_MAX)?,
        });
        Ok(Stage::Producers(producers))
    }

    fn record(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        let (name, id) = (cursor.vec()?, id(cursor)?);
        match self.producers.restore(&self.producer, &name, id) {
            true => Ok(()),
            false => cx.correct("Duplicate idempotent ID of a stream producer"),
        }
    }

    fn count_producers(&mut self, cursor: &mut Cursor<'_>) -> Reading<()> {
        let (added, duplicates) = (cursor.length()?, cursor.length()?);
        (self.producers.added, self.producers.duplicates) = (added, duplicates);
        Ok(())
    }

    /// Goes past what has nothing left, to what is to be read next.
    fn settle(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        loop {
            self.stage = match &self.stage {
                Stage::PendingShutdown(0) => {
                    let consumers = cursor.count()?;
                    if let Some(group) = &mut self.group {
                        group.consumers_left = consumers;
                    }
                    Stage::Consumers(consumers)
                }
                Stage::Claims(_, 0) => Stage::Consumers(self.group.as_ref().map_or(0, |group| group.consumers_left)),
                Stage::Consumers(0) if self.kind >= kind::STREAM_5 && self.group.is_some() => Stage::NackedCount,
                Stage::Consumers(0) | Stage::Nacked(0) => {
                    if self.group.take().is_some_and(|group| !group.unclaimed.is_empty()) {
                        cx.correct("NACK entry without consumer")?;
                    }
                    Stage::Groups(self.groups_left)
                }
                _ => return Ok(()),
            };
        }
    }
}

impl Build for Parts {
    fn is_complete(&self) -> bool {
        match self.stage {
            Stage::Groups(0) => self.kind < kind::STREAM_4,
            Stage::End => true,
            _ => false,
        }
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        self.stage = match self.stage {
            Stage::Blocks(0) => {
                self.counters(cursor, cx)?;
                Stage::Groups(self.groups_left)
            }
            Stage::Blocks(left) => {
                self.block(cursor)?;
                Stage::Blocks(left - 1)
            }
            Stage::Groups(0) => self.begin_producers(cursor, cx)?,
            Stage::Groups(_) => self.begin_group(cursor)?,
            // The number of consumers follows what is pending; it is an element of its own.
            Stage::PendingShutdown(0) => return self.settle(cursor, cx),
            Stage::PendingShutdown(left) => {
                self.pending(cursor)?;
                Stage::PendingShutdown(left - 1)
            }
            Stage::Consumers(0) | Stage::Claims(_, 0) | Stage::Nacked(0) => return self.settle(cursor, cx),
            Stage::Consumers(_) => self.consumer(cursor)?,
            Stage::Claims(consumer, left) => {
                self.claim(cursor, consumer)?;
                Stage::Claims(consumer, left - 1)
            }
            Stage::NackedCount => Stage::Nacked(cursor.count()?),
            Stage::Nacked(left) => {
                self.nacked(cursor)?;
                Stage::Nacked(left - 1)
            }
            Stage::Producers(0) => {
                self.count_producers(cursor)?;
                Stage::End
            }
            Stage::Producers(left) => {
                let (name, records) = (cursor.vec()?, cursor.count()?);
                self.producer = name;
                Stage::Records(records, left - 1)
            }
            Stage::Records(0, left) => Stage::Producers(left),
            Stage::Records(records, left) => {
                self.record(cursor, cx)?;
                Stage::Records(records - 1, left)
            }
            Stage::End => Stage::End,
        };
        Ok(())
    }

    fn finish(self: Box<Self>, _: &mut Context) -> Reading<Option<Value>> {
        let Parts { mut stream, producers, .. } = *self;
        if !producers.are_unheard_of() {
            *stream.producers_or_new(ProducerSettings::DEFAULT) = producers;
        }
        Ok(Some(Value::Stream(stream)))
    }
}

fn id(cursor: &mut Cursor<'_>) -> Reading<StreamId> {
    Ok(StreamId::new(cursor.length()?, cursor.length()?))
}

fn raw_id(cursor: &mut Cursor<'_>) -> Reading<StreamId> {
    Ok(StreamId::new(cursor.u64_big_endian()?, cursor.u64_big_endian()?))
}

/// The id that bytes stand for which sort like ids do.
fn id_of(bytes: [u8; 16]) -> StreamId {
    let both = u128::from_be_bytes(bytes);
    StreamId::new((both >> 64) as u64, both as u64)
}

fn save_1(entry: EntryView<'_>, out: &mut Writer<'_>) {
    entry.collection().into_iter().for_each(|stream| save(stream, kind::STREAM, out));
}

fn save_2(entry: EntryView<'_>, out: &mut Writer<'_>) {
    entry.collection().into_iter().for_each(|stream| save(stream, kind::STREAM_2, out));
}

fn save_3(entry: EntryView<'_>, out: &mut Writer<'_>) {
    entry.collection().into_iter().for_each(|stream| save(stream, kind::STREAM_3, out));
}

fn save_4(entry: EntryView<'_>, out: &mut Writer<'_>) {
    entry.collection().into_iter().for_each(|stream| save(stream, kind::STREAM_4, out));
}

fn save_5(entry: EntryView<'_>, out: &mut Writer<'_>) {
    entry.collection().into_iter().for_each(|stream| save(stream, kind::STREAM_5, out));
}

fn save(stream: &Stream, kind: u8, out: &mut Writer<'_>) {
    let log = stream.log();
    out.length(log.block_count() as u64);
    for (first, pack) in log.blocks() {
        out.bytes_string(&id_bytes(first));
        out.bytes_string(pack);
    }
    out.length(log.len());
    save_id(log.last_id, out);
    if kind != kind::STREAM {
        save_id(log.first_id(), out);
        save_id(log.max_deleted_id, out);
        out.length(log.entries_added);
    }
    out.length(stream.groups().len() as u64);
    for (name, group) in stream.groups().iter() {
        out.string(name);
        save_group(group, kind, out);
    }
    if kind >= kind::STREAM_4 {
        save_producers(stream.producers(), out);
    }
}

fn save_producers(producers: Option<&Producers>, out: &mut Writer<'_>) {
    let settings = producers.map_or(ProducerSettings::DEFAULT, Producers::settings);
    out.length(u64::from(settings.duration_s));
    out.length(u64::from(settings.records_max));
    out.length(producers.map_or(0, Producers::len) as u64);
    for (producer, records) in producers.iter().flat_map(|producers| producers.iter()) {
        out.string(producer);
        out.length(records.len() as u64);
        for (name, id) in records {
            out.string(name);
            save_id(id, out);
        }
    }
    out.length(producers.map_or(0, |producers| producers.added));
    out.length(producers.map_or(0, |producers| producers.duplicates));
}

fn save_group(group: &Group, kind: u8, out: &mut Writer<'_>) {
    save_id(group.last_id, out);
    if kind != kind::STREAM {
        // Not known is the greatest of all numbers.
        out.length(group.entries_read.unwrap_or(u64::MAX));
    }
    out.length(group.pending_len() as u64);
    for (entry, delivery) in group.pending(StreamId::MIN) {
        out.raw(&id_bytes(entry));
        out.time_ms(delivery.time_ms);
        out.length(delivery.count as u64);
    }
    out.length(group.consumers().len() as u64);
    for (number, consumer) in group.consumers() {
        out.string(&consumer.name);
        out.time_ms(consumer.seen_ms);
        if kind >= kind::STREAM_3 {
            out.time_ms(consumer.active_ms.unwrap_or(-1));
        }
        out.length(consumer.pending_len() as u64);
        for (entry, _) in group.pending_of(number, StreamId::MIN) {
            out.raw(&id_bytes(entry));
        }
    }
    if kind >= kind::STREAM_5 {
        out.length(group.nacked_len() as u64);
        for (entry, _) in group.nacked() {
            out.raw(&id_bytes(entry));
        }
    }
}

fn save_id(id: StreamId, out: &mut Writer<'_>) {
    out.length(id.ms);
    out.length(id.seq);
}

/// An id in the form that sorts like ids do.
fn id_bytes(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}
