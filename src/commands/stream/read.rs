//! XREAD, and what XREADGROUP has in common with it.
//!
//! A reader that finds nothing may wait, and is run again whenever one of its streams has changed. The ids that mean
//! something only now (`$`, the last one, and `+`, the last entry) are written out for that, so that what came in
//! between is not missed.

use super::shared::{INVALID_ID, READS, reply_entry};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::FoundKey;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::resp::reply::{Deferred, Reply};
use crate::resp::request::OwnedRequest;
use crate::server::execution::Ctx;
use crate::types::Stream;
use crate::types::stream::StreamId;
use crate::util::number;

/// A word among the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Streams,
    Block,
    Count,
    MaxCount,
    MaxSize,
    Group,
    Claim,
    NoAck,
}

impl Word {
    /// The words, each with how many arguments belong to it. To STREAMS belong all the others, too.
    const ALL: [(&'static str, Word, usize); 8] = [
        ("streams", Word::Streams, 1),
        ("block", Word::Block, 1),
        ("count", Word::Count, 1),
        ("maxcount", Word::MaxCount, 1),
        ("maxsize", Word::MaxSize, 1),
        ("group", Word::Group, 2),
        ("claim", Word::Claim, 1),
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
pub struct Call<'a> {
    /// Whether to wait, and until when.
    block: Option<Option<i64>>,
    /// At most so many entries of each stream; 0 for all.
    count: usize,
    /// At most so many entries of all streams.
    count_max: Option<usize>,
    /// No further entry once the answer has so many bytes.
    bytes_max: Option<usize>,
    /// The group and the consumer.
    pub group: Option<(&'a [u8], &'a [u8])>,
    /// What has been pending for so many milliseconds is claimed.
    pub claim: Option<i64>,
    /// What is new is not to be acknowledged.
    pub no_ack: bool,
    /// The argument with the first key.
    first: usize,
    /// How many streams.
    pub streams: usize,
}

impl<'a> Call<'a> {
    pub fn parse(args: &Args<'a>, now_ms: i64, with_group: bool) -> Result<Call<'a>, Error> {
        const GROUP: Error =
            Error::fixed("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
        const CLAIM: Error =
            Error::fixed("ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.");
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
                Word::MaxCount => call.count_max = Some(positive(args, index + 1, "MAXCOUNT")?),
                Word::MaxSize => call.bytes_max = Some(positive(args, index + 1, "MAXSIZE")?),
                Word::Group if !with_group => return Err(GROUP),
                Word::Claim if !with_group => return Err(CLAIM),
                Word::NoAck if !with_group => return Err(NO_ACK),
                Word::Group => call.group = Some((args.get(index + 1), args.get(index + 2))),
                Word::Claim => call.claim = Some(idle_ms(args.get(index + 1))?),
                Word::NoAck => call.no_ack = true,
            }
            index = next;
        }
        if call.first == 0 {
            return Err(SYNTAX);
        }
        match call.count_max.is_some_and(|count_max| count_max < call.count) {
            true => Err(Error::fixed("ERR MAXCOUNT must be greater than or equal to COUNT")),
            false => Ok(call),
        }
    }

    /// The key of a stream.
    pub fn key(&self, args: &Args<'a>, stream: usize) -> Key<'a> {
        args.key(self.first + stream)
    }

    /// What is wanted of a stream, as it was said.
    pub fn id(&self, args: &Args<'a>, stream: usize) -> &'a [u8] {
        args.get(self.first + self.streams + stream)
    }

    /// How many entries of a stream are wanted.
    pub fn most(&self) -> usize {
        if self.count == 0 { usize::MAX } else { self.count }
    }

    /// Whether it may wait.
    pub fn waits(&self) -> bool {
        self.block.is_some()
    }

    /// What the answer may take.
    pub fn limits(&self, reply: &Reply) -> Limits {
        let (entries, bytes) = (self.count_max.unwrap_or(usize::MAX), self.bytes_max.unwrap_or(usize::MAX));
        Limits { entries, bytes, begun_at: reply.len(), taken: 0 }
    }

    /// Waits for something to read, if that is allowed; `ids` are what is to be read behind.
    pub fn wait(&self, cx: &mut Ctx<'_>, args: &Args<'a>, ids: impl FnOnce() -> Vec<Vec<u8>>) -> CmdResult {
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
        let mut words: Vec<&[u8]> = args.rest(0).take(self.first + self.streams).collect();
        words.extend(ids.iter().map(|id| &id[..]));
        OwnedRequest::of(&words)
    }
}

fn positive(args: &Args<'_>, index: usize, name: &str) -> Result<usize, Error> {
    let value = usize::try_from(args.integer(index)?).ok().filter(|value| *value > 0);
    value.ok_or_else(|| Error::text(format!("ERR {name} must be a positive integer")))
}

/// For how long something has to be pending.
fn idle_ms(text: &[u8]) -> Result<i64, Error> {
    let millis = number::parse_i64(text).ok_or(Error::fixed("ERR min-idle-time is not an integer"))?;
    match millis {
        0.. => Ok(millis),
        _ => Err(Error::fixed("ERR min-idle-time must be a positive integer")),
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

/// What an answer may take, of all streams together.
#[derive(Debug)]
pub struct Limits {
    entries: usize,
    bytes: usize,
    /// The length of the output in front of the answer.
    begun_at: usize,
    taken: usize,
}

impl Limits {
    /// Whether no further entry is to be answered. The first one always is, however long.
    pub fn are_reached(&self, reply: &Reply) -> bool {
        self.taken > 0 && (self.taken >= self.entries || reply.len() - self.begun_at >= self.bytes)
    }

    /// Counts an entry.
    pub fn take(&mut self) {
        self.taken += 1;
    }
}

/// The answer: streams with their entries, an array of pairs or a map.
pub struct Answer {
    head: Option<Deferred>,
    streams: usize,
}

impl Answer {
    /// One without streams.
    pub fn new() -> Answer {
        Answer { head: None, streams: 0 }
    }

    /// Begins a stream; its entries follow.
    pub fn begin(&mut self, reply: &mut Reply, key: &[u8]) {
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
    pub fn finish(self, reply: &mut Reply) -> bool {
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
    if cx.ready_key().is_some_and(|ready| !has_news(cx, &args, &call, ready)) && cx.wait_on() {
        return Ok(());
    }
    let mut after: Vec<StreamId> = Vec::with_capacity(call.streams);
    for index in 0..call.streams {
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
    let (mut answer, mut limits) = (Answer::new(), call.limits(cx.reply));
    for (index, after) in after.iter_mut().enumerate() {
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
        if limits.are_reached(cx.reply) || entries.peek().is_none() {
            continue;
        }
        answer.begin(cx.reply, key.bytes());
        let (head, mut len) = (cx.reply.defer(), 0);
        while let Some(entry) = entries.next_if(|_| !limits.are_reached(cx.reply)) {
            reply_entry(cx.reply, entry);
            limits.take();
            len += 1;
        }
        cx.reply.finish_array(head, len);
    }
    if answer.finish(cx.reply) {
        return Ok(());
    }
    call.wait(cx, &args, || after.iter().map(|id| id.to_vec()).collect())
}

/// Whether a stream that is waited for has something behind the id that was told. Where that cannot be told without
/// looking closer, it may.
fn has_news(cx: &mut Ctx<'_>, args: &Args<'_>, call: &Call<'_>, stream: usize) -> bool {
    let Some(after) = StreamId::parse(call.id(args, stream), 0) else { return true };
    match cx.db.collection::<Stream>(&call.key(args, stream)) {
        Ok(Some(stream)) => stream.log().last_id > after,
        Ok(None) => false,
        Err(_) => true,
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
    fn a_total_count_is_shared_by_the_streams_in_their_order() {
        let mut bed = Testbed::new();
        for key in ["a", "b", "c"] {
            for id in 1..=3 {
                bed.run(&format!("XADD {key} {id}-0 f v"));
            }
        }
        let mut count = |command: &str| bed.run(command).matches("-0\r\n").count();
        assert_eq!(count("XREAD COUNT 2 STREAMS a b c 0 0 0"), 6);
        assert_eq!(count("XREAD COUNT 2 MAXCOUNT 3 STREAMS a b c 0 0 0"), 3);
        assert_eq!(count("XREAD MAXCOUNT 4 STREAMS a b c 0 0 0"), 4);
        assert_eq!(count("XREAD MAXCOUNT 9223372036854775807 STREAMS a b c 0 0 0"), 9);
        // The entry that reaches the size is the last one, and there always is one.
        assert_eq!(count("XREAD MAXSIZE 1 STREAMS a b c 0 0 0"), 1);
        assert_eq!(count("XREAD MAXSIZE 70 STREAMS a b c 0 0 0"), 2);
        assert_eq!(count("XREAD MAXSIZE 1000 STREAMS a b c 0 0 0"), 9);
        let two = bed.run("XREAD COUNT 2 MAXCOUNT 3 STREAMS none b a 0 0 0");
        assert!(two.starts_with("*2\r\n*2\r\n$1\r\nb\r\n*2\r\n"), "{two}");
        assert_eq!(bed.run("XREAD MAXCOUNT 1 MAXSIZE 1 STREAMS a 3"), "*-1\r\n");
    }

    #[test]
    fn keys_are_found_behind_all_options() {
        let mut bed = Testbed::new();
        let keys = "*2\r\n$1\r\na\r\n$7\r\nSTREAMS\r\n";
        for command in [
            "XREAD COUNT 1 MAXCOUNT 2 MAXSIZE 3 BLOCK 4 STREAMS a STREAMS 0 0",
            "XREADGROUP GROUP STREAMS c CLAIM 5 MAXSIZE 6 NOACK MAXCOUNT 7 STREAMS a STREAMS > >",
        ] {
            assert_eq!(bed.run(&format!("COMMAND GETKEYS {command}")), keys, "{command}");
        }
    }

    #[test]
    fn a_total_count_is_a_positive_number_of_no_less_than_the_count() {
        let mut bed = Testbed::new();
        for name in ["MAXCOUNT", "MAXSIZE"] {
            for value in ["0", "-1", "-9223372036854775808"] {
                let error = format!("-ERR {name} must be a positive integer\r\n");
                assert_eq!(bed.run(&format!("XREAD {name} {value} STREAMS s 0")), error);
            }
            for value in ["x", "1.5", "9223372036854775808"] {
                let error = "-ERR value is not an integer or out of range\r\n";
                assert_eq!(bed.run(&format!("XREAD {name} {value} STREAMS s 0")), error);
            }
        }
        let less = "-ERR MAXCOUNT must be greater than or equal to COUNT\r\n";
        assert_eq!(bed.run("XREAD MAXCOUNT 1 COUNT 2 STREAMS s 0"), less);
        assert_eq!(bed.run("XREADGROUP GROUP g c COUNT 2 MAXCOUNT 1 STREAMS s >"), less);
        assert_eq!(bed.run("XREAD COUNT 0 MAXCOUNT 1 STREAMS s 0"), "*-1\r\n");
        bed.run("SET text v");
        bed.run("XADD s 1-0 f v");
        assert!(bed.run("XREAD MAXCOUNT 1 STREAMS s text 0 0").starts_with("-WRONGTYPE"));
    }
}
