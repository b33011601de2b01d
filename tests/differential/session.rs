//! Sends units to both servers and compares the replies, up to the first difference.
//!
//! Commands go out in batches: as long as one connection sends, and nothing needs an answer before the next command.
//! Inside of a transaction the replies come with EXEC; what was queued is remembered, so that each is compared in the
//! way of its own command.

use std::collections::HashSet;

use super::check::{self, Check};
use super::draw::{ACTORS, Word};
use super::pair::{Lost, Pair, Side};
use super::unit::{Cmd, Unit};
use super::wire::Value;

/// Commands of a batch at most.
const BATCH_MAX: usize = 200;

/// The first replies that differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The place of the unit among those that were sent.
    pub unit: usize,
    /// The command whose replies differ, which may be one that was queued, or one asked besides.
    pub command: Vec<Word>,
    /// What each server answered.
    pub replies: [Answer; 2],
}

/// A reply, or what came instead of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A reply.
    Reply(Value),
    /// None.
    Lost(Lost),
}

impl Answer {
    /// One line.
    pub fn shown(&self) -> String {
        match self {
            Answer::Reply(value) => value.shown(),
            Answer::Lost(Lost::Closed) => "(the connection was closed)".into(),
            Answer::Lost(Lost::Silent) => "(no reply)".into(),
        }
    }

    /// What kind of an answer it is: of two differences with the same kinds one report is enough.
    fn signature(&self) -> String {
        match self {
            Answer::Reply(value @ (Value::Line(b'-', _) | Value::Bulk(b'!', _))) => {
                value.shown().chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(40).collect()
            }
            Answer::Reply(value) if value.is_null() => "null".into(),
            Answer::Reply(value) => (value.kind() as char).into(),
            Answer::Lost(lost) => format!("{lost:?}"),
        }
    }
}

impl Difference {
    /// Whether a reply did not come. Which command kept it back shows only if each is sent alone: one that was answered
    /// may wait for a later one of its batch.
    pub fn is_lost(&self) -> bool {
        self.replies.iter().any(|answer| matches!(answer, Answer::Lost(_)))
    }

    /// Equal for differences that are most likely one.
    pub fn signature(&self) -> String {
        let name = self.command.first().map(|word| String::from_utf8_lossy(word).to_lowercase());
        format!("{} {:?}", name.unwrap_or_default(), self.replies.each_ref().map(Answer::signature))
    }
}

/// What a connection's commands have led to so far.
#[derive(Clone, Debug, Default)]
struct Actor {
    /// What was queued since MULTI.
    queued: Vec<Cmd>,
    /// The key that OBJECT ENCODING has just been asked about, and the answer.
    encoding: (Word, Vec<u8>),
}

/// A run over both servers, from a state that is the same on both.
#[derive(Debug)]
pub struct Session<'p> {
    pair: &'p mut Pair,
    actors: [Actor; ACTORS + 1],
    /// True once a command was queued that must not be: its replies cannot be made the same.
    pub is_void: bool,
    /// Commands sent.
    pub sent: usize,
    /// The last unit of a run that was sent: a batch may go on behind the unit that shows a difference.
    pub reached: usize,
    /// Signatures of differences to pass over.
    ignored: HashSet<String>,
}

/// A command of a batch and the unit it belongs to.
type Sent<'u> = (usize, &'u Cmd);

impl<'p> Session<'p> {
    /// Starts over on empty servers.
    pub fn start(pair: &'p mut Pair) -> Session<'p> {
        Session::start_ignoring(pair, HashSet::new())
    }

    /// Starts over and passes over the differences of those signatures.
    pub fn start_ignoring(pair: &'p mut Pair, ignored: HashSet<String>) -> Session<'p> {
        pair.reset();
        Session { pair, actors: Default::default(), is_void: false, sent: 0, reached: 0, ignored }
    }

    /// True if the data is the same on both servers after all; the connections start over.
    pub fn is_still_the_same(&mut self) -> bool {
        self.actors = Default::default();
        matches!(self.pair.ask(&["DEBUG", "DIGEST"]), Ok([redis, oxidis]) if redis == oxidis)
    }

    /// The servers, for what is asked besides.
    pub fn pair(&mut self) -> &mut Pair {
        self.pair
    }

    /// Sends all, up to the first difference.
    pub fn run(&mut self, units: &[Unit]) -> Result<(), Box<Difference>> {
        let mut batch: Vec<Sent<'_>> = Vec::new();
        for (index, unit) in units.iter().enumerate() {
            for command in &unit.commands {
                batch.push((index, command));
                if batch.len() >= BATCH_MAX || command.check.asks_more() || command.is("exec") {
                    self.exchange(unit.actor, &batch)?;
                    batch.clear();
                }
            }
            if unit.ends_batch || units.get(index + 1).is_none_or(|next| next.actor != unit.actor) {
                self.exchange(unit.actor, &batch)?;
                batch.clear();
            }
        }
        Ok(())
    }

    fn exchange(&mut self, actor: usize, batch: &[Sent<'_>]) -> Result<(), Box<Difference>> {
        let Some((last, _)) = batch.last() else { return Ok(()) };
        self.sent += batch.len();
        self.reached = *last;
        for side in &mut self.pair.0 {
            side.link(actor).send(batch.iter().map(|(_, command)| command.words.as_slice()));
        }
        let mut replies: [Vec<Vec<u8>>; 2] = Default::default();
        let mut lost = [None; 2];
        for (index, side) in self.pair.0.iter_mut().enumerate() {
            let link = side.link(actor);
            lost[index] = link.receive_into(batch.len(), &mut replies[index]).err();
            link.forget();
        }
        let [redis, oxidis] = &replies;
        for (at, (unit, command)) in batch.iter().enumerate() {
            let fault = match (redis.get(at), oxidis.get(at)) {
                (Some(redis), Some(oxidis)) => self.compare(actor, command, redis, oxidis),
                replies => {
                    let answer = |reply: Option<&Vec<u8>>, lost: Option<Lost>| match reply {
                        Some(bytes) => Answer::Reply(Value::parse(bytes)),
                        None => Answer::Lost(lost.unwrap_or(Lost::Closed)),
                    };
                    Err(fault(command, [answer(replies.0, lost[0]), answer(replies.1, lost[1])]))
                }
            };
            if let Err(difference) = fault
                && !self.ignored.contains(&difference.signature())
            {
                return Err(Box::new(Difference { unit: *unit, ..*difference }));
            }
        }
        Ok(())
    }

    /// Compares the replies of a command, and does what follows from them.
    fn compare(&mut self, actor: usize, command: &Cmd, redis: &[u8], oxidis: &[u8]) -> Result<(), Box<Difference>> {
        let state = &mut self.actors[actor];
        let ends = ["exec", "discard", "reset"].iter().any(|name| command.is(name));
        let is_plain = !ends && matches!(command.check, Check::Exact) && !command.is("object");
        if redis == oxidis && is_plain {
            if redis == b"+QUEUED\r\n" {
                state.queued.push(command.clone());
            }
            state.encoding = Default::default();
            return Ok(());
        }
        let values = [Value::parse(redis), Value::parse(oxidis)];
        if ends && values.iter().all(|value| value.kind() != b'-') || command.is("exec") {
            let queued = std::mem::take(&mut state.queued);
            if command.is("exec") && values.iter().all(|value| value.items().len() == queued.len()) {
                let [redis, oxidis] = &values;
                for ((queued, redis), oxidis) in queued.iter().zip(redis.items()).zip(oxidis.items()) {
                    self.judge(actor, queued, [redis, oxidis])?;
                }
                return Ok(());
            }
        } else if redis == oxidis && redis == b"+QUEUED\r\n" {
            self.is_void |= command.check == Check::Popped;
            state.queued.push(command.clone());
            return Ok(());
        }
        let [redis, oxidis] = &values;
        self.judge(actor, command, [redis, oxidis])?;
        if command.check.asks_more() { self.ask_more(actor, command, &values) } else { Ok(()) }
    }

    fn judge(&mut self, actor: usize, command: &Cmd, replies: [&Value; 2]) -> Result<(), Box<Difference>> {
        let state = &mut self.actors[actor];
        let (key, encoding) = std::mem::take(&mut state.encoding);
        let is_of_this = command.words.get(1).is_some_and(|word| *word == key);
        let encoding = if is_of_this { encoding } else { Vec::new() };
        if !command.check.allows(command, replies[0], replies[1], &encoding) {
            return Err(fault(command, replies.map(|reply| Answer::Reply(reply.clone()))));
        }
        if command.is("object") {
            state.encoding = (command.words.last().cloned().unwrap_or_default(), replies[0].text().to_vec());
        }
        Ok(())
    }

    /// Checks choices made by chance, by asking for what was chosen.
    fn ask_more(&mut self, actor: usize, command: &Cmd, replies: &[Value; 2]) -> Result<(), Box<Difference>> {
        let failed = || fault(command, replies.clone().map(Answer::Reply));
        if command.check == Check::Scan {
            let ends =
                [self.scan_to_end(actor, 0, command, &replies[0]), self.scan_to_end(actor, 1, command, &replies[1])];
            return match ends {
                [Some(redis), Some(oxidis)] if redis != oxidis => {
                    Err(fault(command, [redis, oxidis].map(|items| Answer::Reply(Value::Many(b'~', items)))))
                }
                [Some(_), Some(_)] | [None, None] => Ok(()),
                _ => Err(failed()),
            };
        }
        if command.check == Check::Dumped {
            return self.restore_both(actor, replies);
        }
        let picks = replies.each_ref().map(|reply| check::picked(command, reply));
        if picks.iter().any(|picks| check::repeats(command, picks)) {
            return Err(failed());
        }
        let mut names = picks.concat();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Ok(());
        }
        let key = command.words.get(1).cloned();
        let question: Vec<Word> = match command.check {
            Check::Picks(name @ "EXISTS") => [vec![name.into()], names.clone()].concat(),
            Check::Picks(name) => [vec![name.into(), key.unwrap_or_default()], names.clone()].concat(),
            _ => [vec![b"SADD".to_vec(), key.unwrap_or_default()], names.clone()].concat(),
        };
        let mut answers = Vec::new();
        for side in &mut self.pair.0 {
            answers.push(side.link(actor).ask(&question).map_or_else(Answer::Lost, Answer::Reply));
        }
        let is_right = |answer: &Answer| match answer {
            Answer::Reply(Value::Line(b':', number)) if command.check == Check::Popped => {
                *number == picks[0].len().to_string().into_bytes()
            }
            Answer::Reply(Value::Line(b':', number)) => *number == names.len().to_string().into_bytes(),
            Answer::Reply(Value::Many(_, items)) => {
                items.iter().all(|item| !item.is_null() && item.integer() != Some(0))
            }
            _ => false,
        };
        let [redis, oxidis] = [answers[0].clone(), answers[1].clone()];
        let agree = match (&redis, &oxidis) {
            (Answer::Reply(redis), Answer::Reply(oxidis)) => check::same_scores(redis, oxidis),
            _ => false,
        };
        if agree && is_right(&redis) {
            return Ok(());
        }
        Err(fault(&Cmd::exact(&question), [redis, oxidis]))
    }

    /// Has both servers unpack what either has packed; what comes of it is compared with all other data.
    fn restore_both(&mut self, actor: usize, dumps: &[Value; 2]) -> Result<(), Box<Difference>> {
        for (dump, key) in dumps.iter().zip(["dumped-by-redis", "dumped-by-oxidis"]) {
            if !matches!(dump, Value::Bulk(..)) {
                continue;
            }
            let restore = Cmd::exact(&[b"RESTORE", key.as_bytes(), b"0", dump.text(), b"REPLACE"]);
            let ask = |side: &mut Side| side.link(actor).ask(&restore.words).map_or_else(Answer::Lost, Answer::Reply);
            let answers = self.pair.0.each_mut().map(ask);
            if answers[0] != answers[1] || !matches!(&answers[0], Answer::Reply(Value::Line(b'+', _))) {
                return Err(fault(&restore, answers));
            }
        }
        Ok(())
    }

    /// All that an iteration still returns, each once; `None` if the reply is no step of one.
    fn scan_to_end(&mut self, actor: usize, side: usize, command: &Cmd, first: &Value) -> Option<Vec<Value>> {
        const STEPS_MAX: usize = 10_000;
        let cursor_at = usize::from(!command.is("scan")) + 1;
        if command.words.get(cursor_at)? != b"0" {
            return None;
        }
        let run = check::elements_of_step(command);
        let mut words = command.words.clone();
        let mut found: Vec<Vec<Value>> = Vec::new();
        let mut step = first.clone();
        for _ in 0..STEPS_MAX {
            let [cursor, items] = step.items() else { return None };
            let items = if command.is("zscan") { check::plain_scores(items) } else { items.clone() };
            found.extend(items.items().chunks(run).map(<[Value]>::to_vec));
            if cursor.text() == b"0" {
                found.sort();
                found.dedup();
                return Some(found.concat());
            }
            words[cursor_at] = cursor.text().to_vec();
            step = self.pair.0[side].link(actor).ask(&words).ok()?;
        }
        None
    }
}

fn fault(command: &Cmd, replies: [Answer; 2]) -> Box<Difference> {
    Box::new(Difference { unit: 0, command: command.words.clone(), replies })
}
