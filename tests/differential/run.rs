//! A whole run: seeds, commands, looks at all the data between them, and reports of what differed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::env;
use std::ffi::OsString;
use std::fmt::Write;
use std::time::Instant;

use super::check::Check;
use super::draw::{ACTORS, Draw};
use super::families::{FAMILIES, streams};
use super::generate::{Generator, Series};
use super::pair::{Pair, Program};
use super::session::{Difference, Session};
use super::shrink::shrink;
use super::unit::{AUDITOR, Cmd, Unit};
use super::wire::{Value, command_line};

/// Databases that commands use.
const DATABASES: usize = 4;
/// Commands between two comparisons of the whole data by its digest.
const COMMANDS_PER_DIGEST: usize = 500;
/// Commands between two comparisons of everything that can be asked about each key.
const COMMANDS_PER_AUDIT: usize = 2500;
/// Commands until both servers are emptied: what differs is sought among fewer.
const COMMANDS_PER_STRETCH: usize = 8000;
/// Units made at a time.
const CHUNK: usize = 100;
/// Characters of a reply or a command that a report shows.
const SHOWN_MAX: usize = 1000;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A stream of commands for each.
    pub seeds: Vec<u64>,
    /// Commands for each seed.
    pub commands: usize,
    /// Families to draw from; all if empty.
    pub families: Vec<String>,
    /// After a difference: shrink, report and go on.
    pub keeps_going: bool,
    /// The real server.
    pub redis: OsString,
    /// The server under test.
    pub oxidis: OsString,
}

fn series(pair: &mut Pair) -> Series {
    let [server, _] = pair.ask(&["INFO", "SERVER"]).expect("servers that have just started");
    let is_valkey = String::from_utf8_lossy(server.text()).contains("server_name:valkey");
    if is_valkey { Series::Valkey } else { Series::Redis }
}

/// Runs the plan. The reports of what differed, a paragraph each.
pub fn run(plan: &Plan) -> Vec<String> {
    let redis = Program { name: "redis", path: plan.redis.clone() };
    let oxidis = Program { name: "oxidis", path: plan.oxidis.clone() };
    let mut pair = Pair::start(redis, oxidis);
    let known = commands_of_both(&mut pair);
    let series = series(&mut pair);
    let mut reports = BTreeMap::new();
    for seed in &plan.seeds {
        let started = Instant::now();
        let sent = Seed { plan, series, seed: *seed, pair: &mut pair, reports: &mut reports }.run(&known);
        let speed = sent as f64 / started.elapsed().as_secs_f64();
        println!("seed {seed}: {sent} commands, {speed:.0} a second");
        if !plan.keeps_going && !reports.is_empty() {
            break;
        }
    }
    reports.into_values().map(|report: Report| report.text(pair.0.each_ref().map(|side| side.name()))).collect()
}

/// The names of commands and subcommands that a server lists.
pub fn command_list(list: &Value) -> HashSet<String> {
    list.items().iter().map(|name| String::from_utf8_lossy(name.text()).into_owned()).collect()
}

fn commands_of_both(pair: &mut Pair) -> HashSet<String> {
    let lists = pair.ask(&["COMMAND", "LIST"]).expect("servers that have just started");
    let [redis, oxidis] = lists.each_ref().map(command_list);
    let drawn: BTreeSet<&str> = FAMILIES.iter().flat_map(|family| family.rows).map(|row| row.name).collect();
    for (name, known) in [("redis", &redis), ("oxidis", &oxidis)] {
        let unknown: Vec<&str> = drawn.iter().copied().filter(|name| !known.contains(*name)).collect();
        if !unknown.is_empty() {
            println!("left out, as {name} does not have them: {}", unknown.join(" "));
        }
    }
    redis.intersection(&oxidis).cloned().collect()
}

/// One difference, told once, and how often it came.
struct Report {
    seed: u64,
    times: usize,
    history: usize,
    script: Vec<Unit>,
    difference: Difference,
    is_shrunk: bool,
    last_words: Option<String>,
}

impl Report {
    fn text(&self, names: [&str; 2]) -> String {
        let mut out = format!("seed {}, {} times; ", self.seed, self.times);
        let lines: Vec<(usize, String)> = self
            .script
            .iter()
            .flat_map(|unit| unit.commands.iter().map(|command| (unit.actor, command_line(&command.words))))
            .collect();
        let _ = match self.is_shrunk {
            true => writeln!(out, "{} of {} commands:", lines.len(), self.history),
            false => writeln!(out, "not seen again in a replay; the last of {} commands:", self.history),
        };
        let has_several = lines.iter().any(|(actor, _)| *actor != lines[0].0);
        for (actor, line) in lines {
            let who = match actor {
                _ if !has_several => String::new(),
                AUDITOR => "[auditor] ".into(),
                actor => format!("[connection {actor}] "),
            };
            let _ = writeln!(out, "    {who}{}", shortened(&line));
        }
        let _ = writeln!(out, "  {}", shortened(&command_line(&self.difference.command)));
        for (name, answer) in names.iter().zip(&self.difference.replies) {
            let _ = writeln!(out, "    {name:7} {}", shortened(&answer.shown()));
        }
        if let Some(log) = &self.last_words {
            let _ = writeln!(out, "  the end of the log:\n{log}");
        }
        out
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}… ({} more)", &text[..end], text.len() - end),
        None => text.to_owned(),
    }
}

/// The run of one seed.
struct Seed<'r> {
    plan: &'r Plan,
    series: Series,
    seed: u64,
    pair: &'r mut Pair,
    reports: &'r mut BTreeMap<String, Report>,
}

impl Seed<'_> {
    /// Returns how many commands were sent.
    fn run(mut self, known: &HashSet<String>) -> usize {
        let families = match (self.series, self.plan.families.is_empty()) {
            (Series::Valkey, true) => vec!["valkey".into()],
            _ => self.plan.families.clone(),
        };
        let mut generator = Generator::new(self.seed, &families, known, self.series);
        assert!(!generator.is_empty(), "no family of these has a command that both servers have");
        let mut sent = 0;
        while sent < self.plan.commands {
            generator.forget_transactions();
            sent += match self.stretch(&mut generator, COMMANDS_PER_STRETCH.min(self.plan.commands - sent)) {
                Ok(commands) => commands,
                Err((commands, history, difference)) => {
                    self.note(history, *difference);
                    if !self.plan.keeps_going {
                        return sent + commands;
                    }
                    commands
                }
            };
        }
        sent
    }

    /// From empty servers to the first difference.
    fn stretch(
        &mut self,
        generator: &mut Generator,
        commands: usize,
    ) -> Result<usize, (usize, Vec<Unit>, Box<Difference>)> {
        let mut history: Vec<Unit> = Vec::new();
        let mut session = Session::start(self.pair);
        let (mut next_digest, mut next_audit) = (COMMANDS_PER_DIGEST, COMMANDS_PER_AUDIT);
        let mut drawn = 0;
        loop {
            let is_over = drawn >= commands;
            if let Some(last) = history.last_mut() {
                last.ends_batch = true;
            }
            let mut chunk: Vec<Unit> = Vec::new();
            if drawn >= next_audit || is_over {
                next_audit = drawn + COMMANDS_PER_AUDIT;
                chunk = audit(session.pair(), self.series);
            } else if drawn >= next_digest && self.series != Series::Valkey {
                next_digest = drawn + COMMANDS_PER_DIGEST;
                chunk.push(digest());
            } else {
                chunk.extend((0..CHUNK).map(|_| generator.unit()));
                drawn += chunk.iter().map(|unit| unit.commands.len()).sum::<usize>();
            }
            if let Err(difference) = session.run(&chunk) {
                if let Some(report) = self.reports.get_mut(&difference.signature()) {
                    report.times += 1;
                    if !session.is_still_the_same() {
                        return Ok(drawn);
                    }
                    chunk.truncate(session.reached + 1);
                    chunk.extend((0..ACTORS).map(|actor| Unit::new(actor, vec![Cmd::exact(&["RESET"])])));
                    let restart = session.run(&chunk[chunk.len() - ACTORS..]);
                    history.append(&mut chunk);
                    generator.forget_transactions();
                    if restart.is_err() || is_over {
                        return Ok(drawn);
                    }
                    continue;
                }
                chunk.truncate(if difference.is_lost() { session.reached } else { difference.unit } + 1);
                if difference.command.first().is_some_and(|word| word == b"DEBUG") {
                    // What differs can be said in more detail than by a digest.
                    let looks = audit(session.pair(), self.series);
                    if let Err(detail) = session.run(&looks) {
                        chunk.pop();
                        chunk.push(looks[detail.unit].clone());
                        history.append(&mut chunk);
                        return Err((drawn, history, detail));
                    }
                }
                history.append(&mut chunk);
                return Err((drawn, history, difference));
            }
            if is_over {
                return Ok(drawn);
            }
            history.append(&mut chunk);
        }
    }

    fn note(&mut self, mut history: Vec<Unit>, difference: Difference) {
        let signature = difference.signature();
        let is_lost = difference.is_lost();
        let last_words = is_lost.then(|| self.pair.0.each_ref().map(|side| side.last_words()).join("\n\n"));
        let length = history.len();
        let difference = if is_lost { self.send_singly(&mut history).unwrap_or(difference) } else { difference };
        let tail = history[history.len().saturating_sub(10)..].to_vec();
        let shrunk = shrink(self.pair, history, &difference, self.reports.keys().cloned().collect());
        let is_shrunk = shrunk.is_some();
        let (script, difference) = shrunk.map_or((tail, difference), |shrunk| (shrunk.units, shrunk.difference));
        let report = Report { seed: self.seed, times: 1, history: length, script, difference, is_shrunk, last_words };
        println!("{}", report.text(self.pair.0.each_ref().map(|side| side.name())));
        self.reports.insert(signature, report);
    }

    /// Replays what led to a lost reply, each command alone, and so finds the one to blame.
    fn send_singly(&mut self, history: &mut Vec<Unit>) -> Option<Difference> {
        history.iter_mut().for_each(|unit| unit.ends_batch = true);
        let difference = Session::start(self.pair).run(history).err()?;
        history.truncate(difference.unit + 1);
        Some(*difference)
    }
}

fn digest() -> Unit {
    Unit::audit(0, &["DEBUG", "DIGEST"], Check::Exact)
}

/// Questions about every key, and about the data as a whole.
fn audit(pair: &mut Pair, series: Series) -> Vec<Unit> {
    let mut units = Vec::new();
    for database in 0..DATABASES {
        let selected = pair.ask(&["SELECT", &database.to_string()]);
        let Ok([keys, _]) = selected.and_then(|_| pair.ask(&["KEYS", "*"])) else { break };
        units.push(Unit::audit(database, &["KEYS", "*"], Check::Unordered));
        let mut keys: Vec<&[u8]> = keys.items().iter().map(Value::text).collect();
        keys.sort();
        for key in keys {
            let types = pair.0[0].link(AUDITOR).ask(&[b"TYPE".to_vec(), key.to_vec()]);
            units.extend(key_audit(series, database, key, types.as_ref().map_or(b"", Value::text)));
        }
        // Valkey deletes at once what is set with a time that has passed; here it is counted until somebody meets it.
        let size = if series == Series::Valkey { Check::Kind } else { Check::Exact };
        units.push(Unit::audit(database, &["DBSIZE"], size));
    }
    if series != Series::Valkey {
        units.push(digest());
    }
    units
}

/// Questions about a key that has the given type on the real server.
fn key_audit(series: Series, database: usize, key: &[u8], type_name: &[u8]) -> Vec<Unit> {
    let ask = |words: &[&[u8]], check| Unit::audit(database, words, check);
    // Short strings and hashes with times are kept in other ways by Valkey.
    let encoding = if series == Series::Valkey { Check::Kind } else { Check::Encoding };
    let scores = if series == Series::Valkey { Check::Scores } else { Check::Exact };
    let mut units = vec![
        ask(&[b"TYPE", key], Check::Exact),
        ask(&[b"OBJECT", b"ENCODING", key], encoding),
        ask(&[b"PEXPIRETIME", key], Check::Milliseconds),
    ];
    match type_name {
        b"string" => units.push(ask(&[b"GET", key], Check::Exact)),
        b"list" => units.push(ask(&[b"LRANGE", key, b"0", b"-1"], Check::Exact)),
        b"hash" => units.push(ask(&[b"HGETALL", key], Check::UnorderedPairs)),
        b"set" => units.push(ask(&[b"SMEMBERS", key], Check::Unordered)),
        b"zset" => units.push(ask(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"], scores)),
        b"stream" => {
            units.push(ask(&[b"XRANGE", key, b"-", b"+"], Check::Exact));
            match series {
                Series::Redis => {
                    units
                        .push(ask(&[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"], Check::Fields(streams::TIMES)));
                }
                Series::Valkey => {
                    let groups = [&b"g"[..], b"h", b"none"];
                    units.extend(groups.map(|group| ask(&[b"XPENDING", key, group], Check::Exact)));
                }
            }
        }
        _ => {}
    }
    // Valkey's digests take scores and the expiry of fields in otherwise.
    if series != Series::Valkey || type_name == b"string" {
        units.push(ask(&[b"DEBUG", b"DIGEST-VALUE", key], Check::Exact));
    }
    units
}

/// Seeds for a short run: always the same.
pub fn first_seeds(count: u64) -> Vec<u64> {
    (1..=count).collect()
}

/// A plan from environment variables, as `scripts/differential` sets them.
///
/// # Panics
/// If one says what cannot be.
pub fn plan_from_environment(redis: OsString, oxidis: OsString) -> Plan {
    let text = |name: &str| env::var(format!("OXIDIS_DIFFERENTIAL_{name}")).ok().filter(|text| !text.is_empty());
    let number = |text: String| text.parse::<u64>().unwrap_or_else(|_| panic!("{text:?} is no number"));
    let list = |text: String| {
        text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect::<Vec<String>>()
    };
    let seeds = match text("SEEDS") {
        Some(seeds) if seeds.contains(',') => list(seeds).into_iter().map(number).collect(),
        Some(count) => first_seeds(number(count)),
        None => first_seeds(20),
    };
    Plan {
        seeds,
        commands: text("COMMANDS").map_or(50_000, |count| number(count) as usize),
        families: text("FAMILY").map(list).unwrap_or_default(),
        keeps_going: text("KEEP_GOING").is_some(),
        redis,
        oxidis,
    }
}

#[test]
fn draws_are_spread_over_all_connections() {
    let mut draw = Draw::from_seed(1);
    let actors: HashSet<usize> = (0..100).map(|_| draw.below(ACTORS)).collect();
    assert_eq!(actors.len(), ACTORS);
}
