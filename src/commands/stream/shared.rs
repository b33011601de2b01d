//! What the commands of streams have in common: ids, bounds, errors, replies, and what is propagated in their place.

use std::ops::Range;

use crate::command::args::until_nul;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::Ctx;
use crate::types::listpack::IntText;
use crate::types::stream::{ConsumerId, Delivery, Entry, Group as ConsumerGroup, IdText, StreamId};

pub const READS: Access = Access::RO.and(Access::ACCESS);

pub const INVALID_ID: Error = Error::fixed("ERR Invalid stream ID specified as stream command argument");

/// An argument as an id; the number within the millisecond may be missing, and is 0 then.
pub fn id(args: &Args<'_>, index: usize) -> Result<StreamId, Error> {
    StreamId::parse(args.get(index), 0).ok_or(INVALID_ID)
}

/// An argument as an id, where `-` and `+` are the smallest and the greatest one.
pub fn id_or_extreme(text: &[u8], missing_seq: u64) -> Result<StreamId, Error> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => StreamId::parse(text, missing_seq).ok_or(INVALID_ID),
    }
}

/// The arguments from `from` on as ids.
pub fn ids(args: &Args<'_>, from: usize) -> Result<Vec<StreamId>, Error> {
    ids_in(args, from..args.len())
}

/// Some arguments as ids.
pub fn ids_in(args: &Args<'_>, range: Range<usize>) -> Result<Vec<StreamId>, Error> {
    range.map(|index| id(args, index)).collect()
}

/// An argument as the start of an interval; behind `(` the one right behind it.
pub fn interval_start(text: &[u8]) -> Result<StreamId, Error> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            let before = StreamId::parse(id, 0).ok_or(INVALID_ID)?;
            before.next().ok_or(Error::fixed("ERR invalid start ID for the interval"))
        }
        _ => id_or_extreme(text, 0),
    }
}

/// An argument as the end of an interval; behind `(` the one right before it.
pub fn interval_end(text: &[u8]) -> Result<StreamId, Error> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            let behind = StreamId::parse(id, u64::MAX).ok_or(INVALID_ID)?;
            behind.previous().ok_or(Error::fixed("ERR invalid end ID for the interval"))
        }
        _ => id_or_extreme(text, u64::MAX),
    }
}

/// There is no such key, or no such group in it.
pub fn no_key_or_group(key: &[u8], group: &[u8]) -> Error {
    Error::text([b"NOGROUP No such key '", until_nul(key), b"' or consumer group '", until_nul(group), b"'"].concat())
}

/// There is a key, but no such group in it.
pub fn no_group(key: &[u8], group: &[u8]) -> Error {
    Error::text(
        [b"NOGROUP No such consumer group '", until_nul(group), b"' for key name '", until_nul(key), b"'"].concat(),
    )
}

/// Answers an id.
#[inline]
pub fn reply_id(reply: &mut Reply, id: StreamId) {
    reply.bulk(id.text(&mut IdText::default()));
}

/// Answers an entry: its id, and its fields with their values.
pub fn reply_entry(reply: &mut Reply, entry: Entry<'_>) {
    reply.array(2);
    reply_entry_items(reply, entry);
}

/// Answers the two items of an entry, in an array that was begun for them.
pub fn reply_entry_items(reply: &mut Reply, entry: Entry<'_>) {
    let mut room = IntText::new();
    reply_id(reply, entry.id);
    reply.array(entry.fields.len() * 2);
    for (name, value) in entry.fields {
        reply.bulk(name.text(&mut room));
        reply.bulk(value.text(&mut room));
    }
}

/// Commands to be propagated in the place of the one that runs, if anyone listens.
pub struct Substitutes<'a> {
    pub wanted: bool,
    pub key: &'a [u8],
    pub group: &'a [u8],
    pub commands: Vec<Vec<Vec<u8>>>,
}

impl<'a> Substitutes<'a> {
    pub fn new(cx: &Ctx<'_>, key: &'a [u8], group: &'a [u8]) -> Substitutes<'a> {
        Substitutes { wanted: cx.server.observers.propagates(), key, group, commands: Vec::new() }
    }

    pub fn push(&mut self, words: &[&[u8]]) {
        self.commands.push(words.iter().map(|word| word.to_vec()).collect());
    }

    /// A delivery: XCLAIM has the same result wherever and however often it is carried out.
    pub fn delivered(&mut self, id: StreamId, delivery: &Delivery, group: &ConsumerGroup) {
        if self.wanted {
            let consumer = group.owner(delivery);
            let (time, count) = (delivery.time_ms.to_string(), delivery.count.to_string());
            let (id, last_id) = (id.to_vec(), group.last_id.to_vec());
            self.push(&[
                b"XCLAIM",
                self.key,
                self.group,
                consumer,
                b"0",
                &id,
                b"TIME",
                time.as_bytes(),
                b"RETRYCOUNT",
                count.as_bytes(),
                b"FORCE",
                b"JUSTID",
                b"LASTID",
                &last_id,
            ]);
        }
    }

    /// A delivery that is forgotten because its entry is gone, as it is wherever it is noted again.
    pub fn forgotten(&mut self, id: StreamId, delivery: &Delivery, group: &ConsumerGroup) {
        match delivery.consumer {
            Some(_) => self.delivered(id, delivery, group),
            None if self.wanted => self.push(&[b"XACK", self.key, self.group, &id.to_vec()]),
            None => {}
        }
    }

    /// How far the group has read.
    pub fn read_on(&mut self, group: &ConsumerGroup) {
        if self.wanted {
            let read = group.entries_read.map_or("-1".to_owned(), |read| read.to_string());
            let last_id = group.last_id.to_vec();
            self.push(&[b"XGROUP", b"SETID", self.key, self.group, &last_id, b"ENTRIESREAD", read.as_bytes()]);
        }
    }

    /// A consumer that came into being.
    pub fn created(&mut self, consumer: &[u8]) {
        if self.wanted {
            self.push(&[b"XGROUP", b"CREATECONSUMER", self.key, self.group, consumer]);
        }
    }

    /// Has them propagated, and nothing else.
    pub fn propagate(self, cx: &mut Ctx<'_>) {
        cx.propagate_nothing();
        self.commands.iter().for_each(|command| cx.propagate_instead(command));
    }
}

/// The consumer of a group for which a command does something, once it does; whether it was created for that.
pub struct Actor<'a> {
    pub name: &'a [u8],
    pub met: Option<ConsumerId>,
    pub created: bool,
}

impl<'a> Actor<'a> {
    pub fn new(name: &'a [u8]) -> Actor<'a> {
        Actor { name, met: None, created: false }
    }

    pub fn meet(&mut self, group: &mut ConsumerGroup, now_ms: i64) -> ConsumerId {
        *self.met.get_or_insert_with(|| {
            let (consumer, created) = group.meet(self.name, now_ms);
            self.created = created;
            consumer
        })
    }

    /// Tells of its creation.
    pub fn report(&self, cx: &mut Ctx<'_>, key: &Key<'_>) {
        if self.created {
            consumer_created(cx, key);
        }
    }
}

/// Counts a new consumer as a change, and tells subscribers of it.
pub fn consumer_created(cx: &mut Ctx<'_>, key: &Key<'_>) {
    cx.db.dirty += 1;
    cx.notify(key.bytes(), Event::stream("xgroup-createconsumer"));
}
