//! XREAD and XREADGROUP.
//!
//! A reader that finds nothing may wait, and is run again whenever one of its streams has changed. The ids that mean
//! something only now (`$`, the last one, and `+`, the last entry) are written out for that, so that what came in
//! between is not missed; and who named no count then gets a bounded number of entries, however far behind it was.
//!
//! XREADGROUP cannot go on waiting when its stream or its group is gone, and says so. It is never propagated itself:
//! each delivery is, as an XCLAIM, and how far the group has read then.

use super::range::reply_entries;
use super::shared::{Actor, INVALID_ID, READS, Substitutes, reply_entry, reply_id};
use crate::command::args::until_nul;
use crate::command::error::{CmdResult, SYNTAX, WRONG_TYPE};
use crate::command::spec::FoundKey;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::resp::reply::{Deferred, Reply};
use crate::resp::request::OwnedRequest;
use crate::server::execution::Ctx;
use crate::types::Stream;
use crate::types::stream::{Delivery, StreamId};
use crate::util::number;

/// The count of those who waited and named none.
const COUNT_AFTER_WAITING: &[u8] = b"1000";

/// A word among the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Streams,
    Block,
    Count,
    Group,
    NoAck,
}

impl Word {
    /// The words, each with how many arguments belong to it. To STREAMS belong all the others, too.
    const ALL: [(&'static str, Word, usize); 5] = [
        ("streams", Word::Streams, 1),
        ("block", Word::Block, 1),
        ("count", Word::Count, 1),
        ("group", Word::Group, 2),
        ("noack", Word::NoAck, 0),
    ];

    /// The word at an argument, and the argument behind what belongs to it.
    fn at(args: &Args<'_>, index: usize) -> Option<(Word, usize)> {
        let (word, next) = args.option(index, &Word::ALL)?;
        Some((word, if word == Word::Streams { args.len() } else { next }))
    }
}

/// The streams of both commands. What is no option is passed over: the call will be refused.
pub fn streams(args: Args<'_>) -> Option<Vec<FoundKey>> {
    let (index, _) = args.options(1, |index| Word::at(&args, index)).find(|(_, word)| *word == Word::Streams)?;
    let first = index + 1;
    let keys = first..first + (args.len() - first) / 2;
    Some(keys.map(|index| FoundKey { index, access: READS }).collect())
}

/// The arguments of both commands.
#[derive(Clone, Copy, Debug, Default)]
struct Call<'a> {
    /// Whether to wait, and until when.
    block: Option<Option<i64>>,
    /// At most so many entries of each stream; 0 for all.
    count: usize,
    /// The group and the consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    /// The argument with the first key.
    first: usize,
    /// How many streams.
    streams: usize,
}

impl<'a> Call<'a> {
    fn parse(args: &Args<'a>, now_ms: i64, with_group: bool) -> Result<Call<'a>, Error> {
        const GROUP: Error =
            Error::fixed("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
        const NO_ACK: Error =
            Error::fixed("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
        const UNBALANCED: Error =
            Error::fixed("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
        let mut call = Call::default();
        let mut index = 1;
        while index < args.len() {
            let (word, next) = Word::at(args, index).ok_or(SYNTAX)?;
            match word {
                Word::Streams => {
                    let (first, more) = (index + 1, next - index - 1);
                    if !more.is_multiple_of(2) {
                        return Err(UNBALANCED);
                    }
                    (call.first, call.streams) = (first, more / 2);
                }
                Word::Block => call.block = Some(deadline(args.get(index + 1), now_ms)?),
                Word::Count => call.count = args.integer(index + 1)?.max(0) as usize,
                Word::Group | Word::NoAck if !with_group => {
                    return Err(if word == Word::Group { GROUP } else { NO_ACK });
                }
                Word::Group => call.group = Some((args.get(index + 1), args.get(index + 2))),
                Word::NoAck => call.no_ack = true,
            }
            index = next;
        }
        match call.first {
            0 => Err(SYNTAX),
            _ => Ok(call),
        }
    }

    fn key(&self, args: &Args<'a>, stream: usize) -> Key<'a> {
        args.key(self.first + stream)
    }

    fn id(&self, args: &Args<'a>, stream: usize) -> &'a [u8] {
        args.get(self.first + self.streams + stream)
    }

    /// Other blocking commands merely do not wait in scripts.
    fn refuse_waiting_in_scripts(&self, cx: &Ctx<'_>, args: &Args<'_>) -> CmdResult {
        if self.block.is_none() || !cx.by_script() {
            return Ok(());
        }
        let text = b" command is not allowed with BLOCK option from scripts";
        Err(Error::text([b"ERR ", args.get(0), text].concat()))
    }

    fn most(&self) -> usize {
        if self.count == 0 { usize::MAX } else { self.count }
    }

    /// Waits for something to read, if that is allowed; `ids` are what is to be read behind.
    fn wait(&self, cx: &mut Ctx<'_>, args: &Args<'a>, ids: impl FnOnce() -> Vec<Vec<u8>>) -> CmdResult {
        let Some(deadline) = self.block else {
            cx.reply.null_array();
            return Ok(());
        };
        if cx.wait_on() {
            return Ok(());
        }
        let keys = (0..self.streams).map(|index| self.key(args, index));
        cx.block_as(self.written_out(args, &ids()), keys, deadline, self.group.is_some())
    }

    /// The call as it is run again, with these ids.
    fn written_out(&self, args: &Args<'_>, ids: &[Vec<u8>]) -> OwnedRequest {
        let mut words: Vec<&[u8]> = args.rest(0).take(self.first - 1).collect();
        if self.count == 0 {
            words.extend([b"COUNT", COUNT_AFTER_WAITING]);
        }
        words.extend(args.rest(self.first - 1).take(1 + self.streams));
        words.extend(ids.iter().map(|id| &id[..]));
        OwnedRequest::of(&words)
    }
}

/// When to give up waiting that may take so many milliseconds; `None` for never.
fn deadline(text: &[u8], now_ms: i64) -> Result<Option<i64>, Error> {
    let millis = number::parse_i64(text).ok_or(Error::fixed("ERR timeout is not an integer or out of range"))?;
    match millis {
        0 => Ok(None),
        1.. => now_ms.checked_add(millis).map(Some).ok_or(Error::fixed("ERR timeout is out of range")),
        _ => Err(Error::fixed("ERR timeout is negative")),
    }
}

/// The answer: streams with their entries, an array of pairs or a map.
struct Answer {
    head: Option<Deferred>,
    streams: usize,
}

impl Answer {
    fn new() -> Answer {
        Answer { head: None, streams: 0 }
    }

    /// Begins a stream; its entries follow.
    fn begin(&mut self, reply: &mut Reply, key: &[u8]) {
        if self.head.is_none() {
            self.head = Some(reply.defer());
        }
        self.streams += 1;
        if !reply.resp3 {
            reply.array(2);
        }
        reply.bulk(key);
    }

    /// Whether there is any.
    fn finish(self, reply: &mut Reply) -> bool {
        let Some(head) = self.head else { return false };
        match reply.resp3 {
            true => reply.finish_map(head, self.streams),
            false => reply.finish_array(head, self.streams),
        }
        true
    }
}

pub fn xread(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NO_GROUP: Error = Error::fixed(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
    );
    let call = Call::parse(&args, cx.clock_ms(), false)?;
    call.refuse_waiting_in_scripts(cx, &args)?;
    let places = cx.places(call.streams);
    let mut after: Vec<StreamId> = Vec::with_capacity(places.len());
    for index in places.clone() {
        let id = match call.id(&args, index) {
            // They depend on the stream.
            b"$" | b"+" => Ok(StreamId::MAX),
            b">" => Err(NO_GROUP),
            text => StreamId::parse(text, 0).ok_or(INVALID_ID),
        };
        if id.is_err() {
            // That a key is no stream is said first.
            (0..=index).try_for_each(|index| cx.db.collection::<Stream>(&call.key(&args, index)).map(drop))?;
        }
        after.push(id?);
    }
    let mut answer = Answer::new();
    for (index, after) in places.zip(&mut after) {
        let key = call.key(&args, index);
        let stream = cx.db.collection::<Stream>(&key)?;
        let log = stream.map(Stream::log);
        match call.id(&args, index) {
            b"$" => *after = log.map_or(StreamId::MIN, |log| log.last_id),
            b"+" => {
                let last = log.and_then(|log| log.last_live_id());
                *after = last.and_then(StreamId::previous).unwrap_or_default();
            }
            _ => {}
        }
        let Some((log, from)) = log.zip(after.next()).filter(|(log, from)| *from <= log.last_id) else { continue };
        let mut entries = log.range(from, StreamId::MAX).take(call.most()).peekable();
        if entries.peek().is_some() {
            answer.begin(cx.reply, key.bytes());
            reply_entries(cx.reply, entries);
        }
    }
    if answer.finish(cx.reply) {
        return Ok(());
    }
    call.wait(cx, &args, || after.iter().map(|id| id.to_vec()).collect())
}

/// What a consumer wants of a stream.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// What nobody of its group has read yet.
    New,
    /// What it has read behind an id and not acknowledged.
    History(StreamId),
}

/// A consumer that reads.
struct Reader<'a> {
    call: Call<'a>,
    group: &'a [u8],
    actor: Actor<'a>,
    now_ms: i64,
    answer: Answer,
}

pub fn xreadgroup(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let call = Call::parse(&args, cx.clock_ms(), true)?;
    call.refuse_waiting_in_scripts(cx, &args)?;
    let (group, consumer) = call.group.ok_or(Error::fixed("ERR Missing GROUP option for XREADGROUP"))?;
    let mut wanted = Vec::with_capacity(call.streams);
    for index in cx.places(call.streams) {
        wanted.push((index, check_stream(cx, &args, &call, group, index)?));
    }
    let now_ms = cx.clock_ms();
    let mut reader = Reader { call, group, actor: Actor::new(consumer), now_ms, answer: Answer::new() };
    let mut commands = Vec::new();
    for (index, wanted) in wanted {
        let key = call.key(&args, index);
        let mut substitutes = Substitutes::new(cx, key.bytes(), group);
        reader.actor = Actor::new(consumer);
        if reader.serve(cx, &key, wanted, &mut substitutes)? {
            cx.db.dirty += 1;
            reader.actor.report(cx, &key);
        }
        commands.append(&mut substitutes.commands);
    }
    if reader.answer.finish(cx.reply) {
        Substitutes { wanted: true, key: &[], group, commands }.propagate(cx);
        return Ok(());
    }
    call.wait(cx, &args, || (0..call.streams).map(|index| call.id(&args, index).to_vec()).collect())
}

/// Checks that a stream is there with the group, and reads what is wanted of it.
fn check_stream<'a>(
    cx: &mut Ctx<'_>,
    args: &Args<'a>,
    call: &Call<'a>,
    group: &[u8],
    index: usize,
) -> Result<Wanted, Error> {
    const STREAM_GONE: Error = Error::fixed("UNBLOCKED the stream key no longer exists");
    const GROUP_GONE: Error = Error::fixed("NOGROUP the consumer group this client was blocked on no longer exists");
    const MEANINGLESS: &str = "ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                               consumer by specifying a proper ID, or use the > ID to get new messages. The";
    let (key, again) = (call.key(args, index), cx.is_rerun());
    let stream = match cx.db.collection::<Stream>(&key) {
        Err(_) | Ok(None) if again => return Err(STREAM_GONE),
        Err(_) => return Err(WRONG_TYPE),
        Ok(stream) => stream,
    };
    if stream.and_then(|stream| stream.groups().get(group)).is_none() {
        if again {
            return Err(GROUP_GONE);
        }
        let (key, group) = (until_nul(key.bytes()), until_nul(group));
        let line: [&[u8]; 5] =
            [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"' in XREADGROUP with GROUP option"];
        return Err(Error::text(line.concat()));
    }
    match call.id(args, index) {
        b">" => Ok(Wanted::New),
        extreme @ (b"$" | b"+") => {
            let id = if extreme == b"$" { '$' } else { '+' };
            Err(Error::text(format!("ERR The {id} {MEANINGLESS} {id} ID would just return an empty result set.")))
        }
        text => match StreamId::parse(text, 0).ok_or(INVALID_ID)? {
            // There is no history behind the last id of all: it means `>`.
            StreamId::MAX => Ok(Wanted::New),
            id => Ok(Wanted::History(id)),
        },
    }
}

impl Reader<'_> {
    /// Answers what there is of one stream; whether there was any, or history was asked for.
    fn serve(
        &mut self,
        cx: &mut Ctx<'_>,
        key: &Key<'_>,
        wanted: Wanted,
        substitutes: &mut Substitutes<'_>,
    ) -> Result<bool, Error> {
        let Some(stream) = cx.db.collection_mut::<Stream>(key)? else { return Ok(false) };
        match wanted {
            Wanted::New => Ok(self.deliver(cx.reply, key, stream, substitutes)),
            Wanted::History(after) => {
                self.tell_history(cx.reply, key, stream, after, substitutes);
                Ok(true)
            }
        }
    }

    fn deliver(
        &mut self,
        reply: &mut Reply,
        key: &Key<'_>,
        stream: &mut Stream,
        substitutes: &mut Substitutes<'_>,
    ) -> bool {
        let (groups, log) = stream.groups_mut();
        let Some(group) = groups.get_mut(self.group) else { return false };
        let Some(from) = group.last_id.next().filter(|from| *from <= log.last_id) else { return false };
        let mut entries = log.range(from, StreamId::MAX).take(self.call.most()).peekable();
        if entries.peek().is_none() {
            return false;
        }
        self.answer.begin(reply, key.bytes());
        let consumer = self.actor.meet(group, self.now_ms);
        if self.actor.created && self.call.no_ack {
            substitutes.created(self.actor.name);
        }
        let head = reply.defer();
        let mut len = 0;
        for entry in entries {
            let id = entry.id;
            reply_entry(reply, entry);
            len += 1;
            group.advance(log, id);
            if !self.call.no_ack {
                let delivery = Delivery { time_ms: self.now_ms, count: 1, consumer };
                group.deliver(id, delivery);
                substitutes.delivered(id, &delivery, group);
            }
        }
        reply.finish_array(head, len);
        // The claims say how far the group has read, but not how many entries that were.
        substitutes.read_on(group);
        true
    }

    /// Tells what the consumer has pending; entries that are gone have no fields.
    fn tell_history(
        &mut self,
        reply: &mut Reply,
        key: &Key<'_>,
        stream: &mut Stream,
        after: StreamId,
        substitutes: &mut Substitutes<'_>,
    ) {
        let (groups, log) = stream.groups_mut();
        let Some(group) = groups.get_mut(self.group) else { return };
        self.answer.begin(reply, key.bytes());
        let consumer = self.actor.meet(group, self.now_ms);
        if self.actor.created {
            substitutes.created(self.actor.name);
        }
        let from = after.next().into_iter();
        let pending = from.flat_map(|from| group.pending_of(consumer, from)).take(self.call.most());
        let pending: Vec<(StreamId, Delivery)> = pending.map(|(id, delivery)| (id, *delivery)).collect();
        reply.array(pending.len());
        for (id, delivery) in pending {
            match log.get(id) {
                Some(entry) => {
                    reply_entry(reply, entry);
                    let count = delivery.count.saturating_add(1);
                    group.deliver(id, Delivery { time_ms: self.now_ms, count, consumer });
                }
                None => {
                    reply.array(2);
                    reply_id(reply, id);
                    reply.null_array();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testbed::Testbed;

    #[test]
    fn the_wrong_type_of_a_key_is_said_before_the_fault_of_an_id() {
        let mut bed = Testbed::new();
        bed.run("SET s v");
        let wrong_type = bed.run("XLEN s");
        for ids in ["0 x", "0 >", "x 0"] {
            assert_eq!(bed.run(&format!("XREAD STREAMS s none {ids}")), wrong_type, "{ids}");
        }
        assert_eq!(
            bed.run("XREAD STREAMS none s x 0"),
            "-ERR Invalid stream ID specified as stream command argument\r\n"
        );
    }

    #[test]
    fn the_last_id_of_all_asks_for_what_is_new() {
        let mut bed = Testbed::new();
        bed.run("XADD x 1-1 f v");
        bed.run("XGROUP CREATE x g 0");
        let last = "18446744073709551615-18446744073709551615";
        let entry = "*1\r\n*2\r\n$1\r\nx\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";
        assert_eq!(bed.run(&format!("XREADGROUP GROUP g c STREAMS x {last}")), entry);
        assert_eq!(bed.run(&format!("XREADGROUP GROUP g c STREAMS x {last}")), "*-1\r\n");
    }

    #[test]
    fn errors_quote_a_key_up_to_a_nul() {
        let mut bed = Testbed::new();
        let line = "-NOGROUP No such key 'k' or consumer group 'g' in XREADGROUP with GROUP option\r\n";
        assert_eq!(bed.run("XREADGROUP GROUP g\0h c STREAMS k\0l >"), line);
        assert_eq!(bed.run("XPENDING k\0l g"), "-NOGROUP No such key 'k' or consumer group 'g'\r\n");
    }
}
