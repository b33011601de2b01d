//! XREADGROUP.
//!
//! With CLAIM a consumer first gets what others have handed back or left pending for too long, then what is new; each entry comes with
//! how long it was idle and how often it was delivered before, zeros if it is new. While it waits, an entry may come to
//! have been idle for long enough though nothing happens to the stream: the first such moment is its alarm.
//!
//! XREADGROUP cannot go on waiting when its stream or its group is gone, and says so. It is never propagated itself:
//! each delivery is, as an XCLAIM, and how far the group has read then.

use super::read::{Answer, Call, Limits};
use super::shared::{Actor, INVALID_ID, Substitutes, reply_entry, reply_entry_items, reply_id};
use crate::client::Alarm;
use crate::command::args::until_nul;
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::resp::reply::{Deferred, Reply};
use crate::server::execution::{Ctx, changes};
use crate::types::Stream;
use crate::types::stream::{Delivery, Entry, Group, Log, StreamId};

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
    limits: Limits,
}

pub fn xreadgroup(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let call = Call::parse(&args, cx.clock_ms(), true)?;
    let (group, consumer) = call.group.ok_or(Error::fixed("ERR Missing GROUP option for XREADGROUP"))?;
    let mut wanted = Vec::with_capacity(call.streams);
    for index in 0..call.streams {
        wanted.push((index, check_stream(cx, &args, &call, group, index)?));
    }
    let now_ms = cx.clock_ms();
    let (answer, limits) = (Answer::new(), call.limits(cx.reply));
    let mut reader = Reader { call, group, actor: Actor::new(consumer), now_ms, answer, limits };
    let mut commands = Vec::new();
    for (index, wanted) in wanted {
        let key = call.key(&args, index);
        let mut substitutes = Substitutes::new(cx, key.bytes(), group);
        reader.arrive(cx, &key, &mut substitutes)?;
        if reader.serve(cx, &key, wanted, &mut substitutes)? {
            // To look at what was delivered before is no change.
            cx.db.dirty += u64::from(matches!(wanted, Wanted::New));
            // Somebody may wait until what was delivered now is idle for long enough.
            if !cx.is_rerun() {
                changes::wake(cx, key.bytes());
            }
        }
        commands.append(&mut substitutes.commands);
    }
    Substitutes { wanted: true, key: &[], group, commands }.propagate(cx);
    if reader.answer.finish(cx.reply) {
        return Ok(());
    }
    let alarm = if call.waits() { next_alarm(cx, &args, &call, group) } else { None };
    call.wait(cx, &args, || (0..call.streams).map(|index| call.id(&args, index).to_vec()).collect())?;
    cx.set_alarm(alarm);
    Ok(())
}

/// When the first entry of all streams can be claimed.
fn next_alarm(cx: &mut Ctx<'_>, args: &Args<'_>, call: &Call<'_>, group: &[u8]) -> Option<Alarm> {
    let idle_ms = call.claim?;
    let of_stream = |index: usize| {
        let stream = cx.db.collection::<Stream>(&call.key(args, index)).ok()??;
        let at_ms = stream.groups().get(group)?.next_idle_ms(idle_ms)?;
        Some(Alarm { at_ms })
    };
    (0..call.streams).filter_map(of_stream).min_by_key(|alarm| alarm.at_ms)
}

/// Checks that a stream is there with the group, and reads what is wanted of it.
fn check_stream<'a>(
    cx: &mut Ctx<'_>,
    args: &Args<'a>,
    call: &Call<'a>,
    group: &[u8],
    index: usize,
) -> Result<Wanted, Error> {
    const MEANINGLESS: &str = "ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                               consumer by specifying a proper ID, or use the > ID to get new messages. The";
    let key = call.key(args, index);
    let stream = cx.db.collection::<Stream>(&key)?;
    if stream.and_then(|stream| stream.groups().get(group)).is_none() {
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
    /// Has the group know the consumer, whatever there is to read. Elsewhere it is made by what it gets; where nothing
    /// is noted of that, it has to be said.
    fn arrive(&mut self, cx: &mut Ctx<'_>, key: &Key<'_>, substitutes: &mut Substitutes<'_>) -> CmdResult {
        self.actor = Actor::new(self.actor.name);
        let Some(stream) = cx.db.collection_mut::<Stream>(key)? else { return Ok(()) };
        let Some(group) = stream.groups_mut().0.get_mut(self.group) else { return Ok(()) };
        self.actor.meet(group, self.now_ms);
        if self.actor.created && self.call.no_ack {
            substitutes.created(self.actor.name);
        }
        self.actor.report(cx, key);
        Ok(())
    }

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
            Wanted::History(after) => Ok(self.tell_history(cx.reply, key, stream, after)),
        }
    }

    /// Claims what is idle and delivers what is new; whether anything has changed.
    fn deliver(
        &mut self,
        reply: &mut Reply,
        key: &Key<'_>,
        stream: &mut Stream,
        substitutes: &mut Substitutes<'_>,
    ) -> bool {
        let (groups, log) = stream.groups_mut();
        let Some(group) = groups.get_mut(self.group) else { return false };
        let mut list = List::default();
        let cleaned = match self.call.claim {
            Some(idle_ms) => self.claim_idle(reply, key, (group, log), idle_ms, &mut list, substitutes),
            None => false,
        };
        self.deliver_new(reply, key, (group, log), &mut list, substitutes);
        let List { head, len } = list;
        head.map(|head| reply.finish_array(head, len)).is_some() || cleaned
    }

    /// Claims what has been pending for long enough. What was deleted meanwhile is pending no more; whether there was
    /// any such.
    fn claim_idle(
        &mut self,
        reply: &mut Reply,
        key: &Key<'_>,
        (group, log): (&mut Group, &Log),
        idle_ms: i64,
        list: &mut List,
        substitutes: &mut Substitutes<'_>,
    ) -> bool {
        let (mut claimed, mut deleted) = (Vec::new(), Vec::new());
        for (id, before) in group.idle(idle_ms, self.now_ms) {
            if list.len >= self.call.most() || self.limits.are_reached(reply) {
                break;
            }
            match log.get(id) {
                Some(entry) => {
                    let idle_ms = self.now_ms.saturating_sub(before.time_ms).max(0);
                    self.list(reply, key, list, entry, Some((idle_ms, before.count)));
                    claimed.push((id, before.count));
                }
                None => deleted.push((id, *before)),
            }
        }
        for (id, before) in &deleted {
            substitutes.forgotten(*id, before, group);
            group.acknowledge(*id);
        }
        for (id, count) in claimed {
            let consumer = self.actor.meet(group, self.now_ms);
            group.set_active(consumer, Some(self.now_ms));
            let consumer = Some(consumer);
            let delivery = Delivery { time_ms: self.now_ms, count: count.saturating_add(1), consumer };
            group.deliver(id, delivery);
            substitutes.delivered(id, &delivery, group);
        }
        !deleted.is_empty()
    }

    /// Delivers what nobody of the group has read yet.
    fn deliver_new(
        &mut self,
        reply: &mut Reply,
        key: &Key<'_>,
        (group, log): (&mut Group, &Log),
        list: &mut List,
        substitutes: &mut Substitutes<'_>,
    ) {
        let most = self.call.most().saturating_sub(list.len);
        let Some(from) = group.last_id.next().filter(|from| *from <= log.last_id) else { return };
        let mut rest = log.range_on(from, &group.place);
        let mut entries = rest.by_ref().take(most).peekable();
        if self.limits.are_reached(reply) || entries.peek().is_none() {
            return;
        }
        let consumer = self.actor.meet(group, self.now_ms);
        while let Some(entry) = entries.next_if(|_| !self.limits.are_reached(reply)) {
            let id = entry.id;
            self.list(reply, key, list, entry, self.call.claim.map(|_| (0, 0)));
            group.advance(log, id);
            if !self.call.no_ack {
                let delivery = Delivery { time_ms: self.now_ms, count: 1, consumer: Some(consumer) };
                group.set_active(consumer, Some(self.now_ms));
                group.deliver(id, delivery);
                substitutes.delivered(id, &delivery, group);
            }
        }
        if let Some(place) = log.place_of(&rest) {
            group.place = place;
        }
        // The claims say how far the group has read, but not how many entries that were.
        substitutes.read_on(group);
    }

    /// Answers an entry; if the consumer claims, with how long it was idle and how often it was delivered.
    fn list(
        &mut self,
        reply: &mut Reply,
        key: &Key<'_>,
        list: &mut List,
        entry: Entry<'_>,
        before: Option<(i64, i64)>,
    ) {
        if list.head.is_none() {
            self.answer.begin(reply, key.bytes());
            list.head = Some(reply.defer());
        }
        match before {
            None => reply_entry(reply, entry),
            Some((idle_ms, count)) => {
                reply.array(4);
                reply_entry_items(reply, entry);
                reply.integer(idle_ms);
                reply.integer(count);
            }
        }
        list.len += 1;
        self.limits.take();
    }

    /// Tells what the consumer has pending; entries that are gone have no fields. Whether there was room for it.
    fn tell_history(&mut self, reply: &mut Reply, key: &Key<'_>, stream: &mut Stream, after: StreamId) -> bool {
        let (groups, log) = stream.groups_mut();
        let Some(group) = groups.get_mut(self.group) else { return false };
        if self.limits.are_reached(reply) {
            return false;
        }
        self.answer.begin(reply, key.bytes());
        let consumer = self.actor.meet(group, self.now_ms);
        let from = after.next().into_iter();
        let pending = from.flat_map(|from| group.pending_of(consumer, from)).take(self.call.most());
        let pending: Vec<(StreamId, Delivery)> = pending.map(|(id, delivery)| (id, *delivery)).collect();
        let (head, mut len) = (reply.defer(), 0);
        for (id, delivery) in pending {
            if self.limits.are_reached(reply) {
                break;
            }
            len += 1;
            self.limits.take();
            match log.get(id) {
                Some(entry) => {
                    reply_entry(reply, entry);
                    let count = delivery.count.saturating_add(1);
                    group.deliver(id, Delivery { time_ms: self.now_ms, count, consumer: Some(consumer) });
                }
                None => {
                    reply.array(2);
                    reply_id(reply, id);
                    reply.null_array();
                }
            }
        }
        reply.finish_array(head, len);
        true
    }
}

/// The entries answered of a stream.
#[derive(Default)]
struct List {
    /// Missing as long as there are none.
    head: Option<Deferred>,
    len: usize,
}

#[cfg(test)]
mod tests {
    use crate::server::testbed::Testbed;

    fn with_pending() -> Testbed {
        let mut bed = Testbed::new();
        for id in 1..=4 {
            bed.run(&format!("XADD s {id}-0 f {id}"));
        }
        bed.run("XGROUP CREATE s g 0");
        bed.run("XREADGROUP GROUP g one COUNT 3 STREAMS s >");
        bed
    }

    /// The entries of an answer, each with the numbers behind it.
    fn entries(answer: &str) -> Vec<String> {
        let words: Vec<&str> = answer.split("\r\n").collect();
        let is_id = |word: &&str| word.ends_with("-0") && !word.starts_with(['$', '*', '-', ':']);
        let starts: Vec<usize> = (0..words.len()).filter(|at| is_id(&words[*at])).collect();
        let numbers = |at: &usize| {
            let rest = words[at + 1..].iter().take_while(|word| !is_id(word));
            let numbers: Vec<&str> = rest.filter(|word| word.starts_with(':')).copied().collect();
            format!("{} {}", words[*at], numbers.join(" "))
        };
        starts.iter().map(numbers).map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn what_is_idle_comes_first_the_longest_first_and_then_what_is_new() {
        let mut bed = with_pending();
        let now = bed.server.clock.unix_ms();
        for (id, ago) in [(1, 1000), (2, 3000), (3, 2000)] {
            bed.run(&format!("XCLAIM s g one 0 {id}-0 TIME {} JUSTID", now - ago));
        }
        assert_eq!(entries(&bed.run("XREADGROUP GROUP g two CLAIM 3600000 COUNT 0 NOACK STREAMS s >")), ["4-0 :0 :0"]);
        let answer = entries(&bed.run("XREADGROUP GROUP g two COUNT 2 CLAIM 1500 STREAMS s >"));
        let order: Vec<_> = answer.iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
        assert_eq!(order, ["2-0", "3-0"]);
        assert!(answer.iter().all(|line| line.ends_with(" :1")), "{answer:?}");
        bed.run("XADD s 5-0 f 5");
        let answer = entries(&bed.run("XREADGROUP GROUP g two CLAIM 0 STREAMS s >"));
        let counts: Vec<_> = answer.iter().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!((answer.len(), counts), (4, vec![":1", ":2", ":2", ":0"]));
        let pending = bed.run("XPENDING s g");
        assert!(pending.contains("two\r\n$1\r\n4"), "{pending}");
    }

    #[test]
    fn an_entry_is_claimed_once_however_short_it_may_be_idle() {
        let mut bed = with_pending();
        let answer = bed.run("XREADGROUP GROUP g two CLAIM 0 NOACK STREAMS s >");
        assert_eq!(entries(&answer).len(), 4);
        // What is claimed has to be acknowledged all the same.
        assert!(bed.run("XPENDING s g").starts_with("*4\r\n:3\r\n"));
        assert_eq!(bed.run("XREADGROUP GROUP g two CLAIM 1 STREAMS s 0").matches("*2\r\n$3\r\n").count(), 3);
    }

    #[test]
    fn claims_are_propagated_with_the_last_id_of_the_group() {
        let mut bed = with_pending();
        bed.run("XDEL s 2-0");
        let lines = bed.propagated("XREADGROUP GROUP g two COUNT 2 CLAIM 0 STREAMS s >");
        let begins = ["XCLAIM s g one 0 2-0 TIME ", "XCLAIM s g two 0 1-0 TIME ", "XCLAIM s g two 0 3-0 TIME "];
        assert_eq!(lines.len(), 3, "{lines:?}");
        for (line, begin) in lines.iter().zip(begins) {
            assert!(line.starts_with(begin) && line.ends_with("JUSTID LASTID 3-0"), "{lines:?}");
        }
        assert!(lines[1].contains(" RETRYCOUNT 2 "), "{lines:?}");
        // What was deleted is pending no more, even if nothing else comes of the call.
        bed.run("XDEL s 1-0 3-0 4-0");
        let lines = bed.propagated("XREADGROUP GROUP g two CLAIM 0 STREAMS s >");
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(bed.run("XPENDING s g").starts_with("*4\r\n:0\r\n"));
        assert_eq!(bed.propagated("XREADGROUP GROUP g two CLAIM 0 STREAMS s >"), [""; 0]);
    }

    #[test]
    fn claiming_takes_whole_milliseconds() {
        let mut bed = with_pending();
        for text in ["test", "5.5", "+10", "-0", "-5.5", "", "9223372036854775808", "COUNT"] {
            let words = ["XREADGROUP", "GROUP", "g", "c", "CLAIM", text, "STREAMS", "s", ">"];
            assert_eq!(bed.run_words(&words), "-ERR min-idle-time is not an integer\r\n", "{text}");
        }
        let negative = bed.run("XREADGROUP CLAIM -10 GROUP g c STREAMS s >");
        assert_eq!(negative, "-ERR min-idle-time must be a positive integer\r\n");
        assert_eq!(bed.run("XREADGROUP GROUP g CLAIM 50 c STREAMS s >"), "-ERR syntax error\r\n");
        let elsewhere = "-ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.\r\n";
        assert_eq!(bed.run("XREAD CLAIM 1 STREAMS s 0"), elsewhere);
        let never = bed.run("XREADGROUP GROUP g c CLAIM 9223372036854775807 STREAMS s >");
        assert_eq!(entries(&never), ["4-0 :0 :0"]);
    }

    #[test]
    fn a_total_count_and_size_hold_for_all_streams_of_a_group_together() {
        let mut bed = with_pending();
        bed.run("XGROUP CREATE t g 0 MKSTREAM");
        bed.run("XADD t 9-0 f v");
        assert_eq!(entries(&bed.run("XREADGROUP GROUP g two MAXCOUNT 2 CLAIM 0 STREAMS s t > >")).len(), 2);
        assert_eq!(entries(&bed.run("XREADGROUP GROUP g two MAXSIZE 1 STREAMS s t > >")), ["4-0"]);
        assert_eq!(entries(&bed.run("XREADGROUP GROUP g two MAXSIZE 1 STREAMS s t > >")), ["9-0"]);
        // Who reads the history again gets no more either, and is not told of streams for which there was no room.
        let history = bed.run("XREADGROUP GROUP g two MAXCOUNT 3 STREAMS s t 0 0");
        assert_eq!(entries(&history), ["1-0", "2-0", "4-0"]);
        assert!(history.starts_with("*1\r\n"), "{history}");
        let history = bed.run("XREADGROUP GROUP g two MAXCOUNT 9 STREAMS t s 0 0");
        assert_eq!(entries(&history), ["9-0", "1-0", "2-0", "4-0"]);
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
