//! MIGRATE: keys are dumped here, restored at another server, and deleted here once that has said so.
//!
//! The other server is waited for, `timeout` milliseconds per step, while everybody else waits, too: so nobody sees a
//! key in both places or in none. Connections are kept for a while. One that turns out to be gone is made anew once,
//! unless it may have done something already.

use std::io;
use std::ops::Range;
use std::time::Duration;

use crate::command::args::shown;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::net::outgoing::Link;
use crate::net::tls::Settings;
use crate::persist::rdb::payload;
use crate::resp::request::ArgView;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};

const MOVED: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);
/// Milliseconds waited where none are given.
const DEFAULT_TIMEOUT_MS: i64 = 1000;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::new("migrate", Arity::at_least(6), migrate)
    .flags(&[WRITE, MOVES_KEYS])
    .keys(&[
        Keys::at(3, MOVED),
        Keys {
            begin: Begin::Keyword("KEYS", -2),
            find: Find::Range { last: -1, step: 1, limit: 0 },
            access: MOVED.and(Access::INCOMPLETE),
        },
    ])
    .find_keys(migrated_keys)
    .secrets(passwords)
    .acl(Categories::DANGEROUS)
    .tips(&["nondeterministic_output"])
    .docs(
        "2.6.0",
        "host port <key|\"\"> destination-db timeout [COPY] [REPLACE] [AUTH password|AUTH2 username password] \
         [KEYS key [key ...]]",
        "Moves keys to another server.",
    )
    .complexity("What DUMP and DEL cost here and RESTORE there, and O(N) for N bytes sent.")
    .history(&[("3.0.0", "`COPY` and `REPLACE`."), ("3.0.6", "`KEYS`."), ("4.0.7", "`AUTH`."), ("6.0.0", "`AUTH2`.")])];

/// A word among the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Copy,
    Replace,
    /// AUTH or AUTH2, and how many arguments it needs.
    Auth(usize),
    Keys,
    Unknown,
}

/// The words among the options, each with the arguments that belong to it, as far as they are there: any of these may
/// be a word like KEYS itself.
fn options(args: &ArgView<'_>) -> Vec<(Word, Range<usize>)> {
    let mut options = Vec::new();
    let mut index = 6;
    while index < args.len() {
        let is = |word: &str| args.get(index).eq_ignore_ascii_case(word.as_bytes());
        let (word, operands) = match () {
            () if is("copy") => (Word::Copy, 0),
            () if is("replace") => (Word::Replace, 0),
            () if is("auth") => (Word::Auth(1), 1),
            () if is("auth2") => (Word::Auth(2), 2),
            () if is("keys") => (Word::Keys, args.len()),
            () => (Word::Unknown, 0),
        };
        let end = (index + 1 + operands).min(args.len());
        options.push((word, index + 1..end));
        index = end;
    }
    options
}

/// The keys behind KEYS, or the one in its place; none where both are given, which is refused later.
fn migrated_keys(args: Args<'_>) -> Option<Vec<FoundKey>> {
    let listed = options(&args).into_iter().find(|(word, _)| *word == Word::Keys);
    let indices = match listed {
        Some((_, keys)) if args.get(3).is_empty() => keys,
        Some(_) => 0..0,
        None => 3..4,
    };
    Some(indices.map(|index| FoundKey { index, access: MOVED }).collect())
}

/// Names and passwords for the other server.
fn passwords(args: &ArgView<'_>) -> Vec<usize> {
    options(args)
        .into_iter()
        .filter(|(word, _)| matches!(word, Word::Auth(_)))
        .flat_map(|(_, secrets)| secrets)
        .collect()
}

/// What is to be done.
struct Plan<'a> {
    host: String,
    port: u16,
    database: i64,
    timeout: Duration,
    copy: bool,
    replace: bool,
    /// Password, or user and password.
    credentials: Vec<&'a [u8]>,
    /// Where the keys stand among the arguments.
    keys: Range<usize>,
}

impl<'a> Plan<'a> {
    fn read(args: &Args<'a>) -> Result<Plan<'a>, Error> {
        let (mut copy, mut replace, mut credentials, mut keys) = (false, false, Vec::new(), 3..4);
        for (word, operands) in options(args) {
            match word {
                Word::Copy => copy = true,
                Word::Replace => replace = true,
                Word::Auth(needed) if operands.len() == needed => {
                    credentials = operands.map(|index| args.get(index)).collect();
                }
                Word::Keys if !args.get(3).is_empty() => {
                    return Err(Error::fixed(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                Word::Keys => keys = operands,
                Word::Auth(_) | Word::Unknown => return Err(SYNTAX),
            }
        }
        let (timeout, database) = (args.integer(5)?, args.integer(4)?);
        let timeout = if timeout <= 0 { DEFAULT_TIMEOUT_MS } else { timeout };
        let port = std::str::from_utf8(args.get(2)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let host = String::from_utf8_lossy(args.get(1)).into_owned();
        let timeout = Duration::from_millis(timeout as u64);
        Ok(Plan { host, port, database, timeout, copy, replace, credentials, keys })
    }
}

/// Why the connection is no good any more.
struct Broken {
    error: io::Error,
    doing: &'static str,
    /// The other server may have done something.
    answered: bool,
}

impl Broken {
    fn timed_out(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
    }
}

/// What the other server has done.
#[derive(Default)]
struct Outcome {
    /// Keys it has.
    taken: Vec<usize>,
    /// The first error it answered with.
    error: Option<Vec<u8>>,
    /// The connection broke.
    broken: Option<Broken>,
}

fn migrate(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let plan = Plan::read(&args)?;
    let keys: Vec<usize> = plan.keys.clone().filter(|index| cx.db.read(&args.key(*index)).is_some()).collect();
    if keys.is_empty() {
        cx.reply.simple("NOKEY");
        return Ok(());
    }
    let mut may_retry = true;
    loop {
        let mut outcome = attempt(cx, &args, &plan, &keys)?;
        delete_taken(cx, &args, &plan, &outcome.taken);
        if let Some(error) = outcome.error {
            if outcome.broken.is_some() {
                cx.server.links.close(&plan.host, plan.port);
            }
            let text = [b"ERR Target instance replied with error: ", shown(&error)].concat();
            return Err(Error::text(text));
        }
        let Some(broken) = outcome.broken.take() else { break };
        cx.server.links.close(&plan.host, plan.port);
        if broken.answered || broken.timed_out() || !may_retry {
            return Err(Error::text(format!("IOERR error or timeout {} to target instance", broken.doing)));
        }
        may_retry = false;
    }
    cx.reply.ok();
    Ok(())
}

/// Sends the keys and reads the answers.
fn attempt(cx: &mut Ctx<'_>, args: &Args<'_>, plan: &Plan<'_>, keys: &[usize]) -> Result<Outcome, Error> {
    const UNREACHABLE: Error = Error::fixed("IOERR error or timeout connecting to the client");
    let asking = cx.server.config.cluster_enabled;
    let compress = cx.server.config.rdbcompression.is_on();
    let tls = cx.server.tls.as_ref().filter(|_| cx.server.config.tls_cluster).map(Settings::client);
    let link = cx.server.links.get(&plan.host, plan.port, plan.timeout, tls).map_err(|_| UNREACHABLE)?;
    let (mut request, mut answers_before) = (Vec::new(), 0);
    if !plan.credentials.is_empty() {
        command(&mut request, &[&[&b"AUTH"[..]], &plan.credentials[..]].concat());
        answers_before += 1;
    }
    if link.selected != Some(plan.database) {
        let number = plan.database.to_string();
        command(&mut request, &[b"SELECT", number.as_bytes()]);
        answers_before += 1;
    }
    let name: &[u8] = if asking { b"RESTORE-ASKING" } else { b"RESTORE" };
    let mut sent = Vec::new();
    let now_ms = cx.db.now_ms();
    for index in keys {
        let key = args.key(*index);
        // The same key may have been named twice.
        let Some(entry) = cx.db.dict().find(key.hash(), key.bytes()) else { continue };
        let ttl = entry.expire_at().map_or(0, |at| (at - now_ms).max(1)).to_string();
        let payload = payload::dump(entry, compress);
        let mut words: Vec<&[u8]> = vec![name, key.bytes(), ttl.as_bytes(), &payload];
        if plan.replace {
            words.push(b"REPLACE");
        }
        command(&mut request, &words);
        sent.push(*index);
    }
    Ok(converse(link, &request, answers_before, &sent, plan))
}

fn converse(link: &mut Link, request: &[u8], answers_before: usize, sent: &[usize], plan: &Plan<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(error) = link.send(request, plan.timeout) {
        outcome.broken = Some(Broken { error, doing: "writing", answered: false });
        return outcome;
    }
    // After a refused AUTH or SELECT it does not matter what becomes of the keys there.
    let mut astray = false;
    for number in 0..answers_before + sent.len() {
        let answer = match link.line(plan.timeout) {
            Ok(answer) => answer,
            Err(error) => {
                let answered = number > answers_before;
                outcome.broken = Some(Broken { error, doing: "reading", answered });
                return outcome;
            }
        };
        let key = number.checked_sub(answers_before).map(|number| sent[number]);
        match (answer.strip_prefix(b"-"), key) {
            (Some(text), key) => {
                astray |= key.is_none();
                link.selected = None;
                outcome.error.get_or_insert(text.to_vec());
            }
            (None, Some(key)) if !astray => outcome.taken.push(key),
            (None, _) => {}
        }
    }
    if outcome.error.is_none() {
        link.selected = Some(plan.database);
    }
    outcome
}

/// Deletes the keys that the other server has, and has them propagated as deleted.
fn delete_taken(cx: &mut Ctx<'_>, args: &Args<'_>, plan: &Plan<'_>, taken: &[usize]) {
    if plan.copy || taken.is_empty() {
        return;
    }
    let keys: Vec<Key<'_>> = taken.iter().map(|index| args.key(*index)).collect();
    let words: Vec<&[u8]> = [&b"DEL"[..]].into_iter().chain(keys.iter().map(Key::bytes)).collect();
    cx.propagate_instead(&words);
    for key in &keys {
        if cx.db.delete(key) {
            cx.changed(key, Event::generic("del"));
        }
    }
}

/// Writes a request.
fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    let mut digits = itoa::Buffer::new();
    let mut head = |out: &mut Vec<u8>, kind: u8, number: usize| {
        out.push(kind);
        out.extend_from_slice(digits.format(number).as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    head(out, b'*', words.len());
    for word in words {
        head(out, b'$', word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}
