//! How the replies of a command are compared, and every difference that is allowed, with its reason.
//!
//! Replies that are the same bytes need no reason. What differs passes only by its command's [`Check`].

use std::collections::BTreeSet;

use super::draw::{ABSOLUTE_SECONDS, Word};
use super::unit::Cmd;
use super::wire::Value;

/// What may differ in the replies of a command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    /// Nothing.
    Exact,
    /// The digits of scores and coordinates: Redis until 7.2 and Valkey print seventeen, Oxidis as Redis since then as few
    /// as tell the number.
    Scores,
    /// The order of the elements: that of a hash table or of a set made on the way is nobody's promise.
    Unordered,
    /// The order of field-value pairs, for the same reason.
    UnorderedPairs,
    /// As above unless the OBJECT ENCODING asked for just before names an encoding that has an order.
    ByEncoding,
    /// As [`Check::ByEncoding`], of pairs.
    ByEncodingPairs,
    /// Whether a string is embedded: Redis 8.2 reckons its key in.
    Encoding,
    /// All that a random choice picks; what was picked must be there, which the named command tells.
    Picks(&'static str),
    /// The members SPOP takes; both servers get back what either lost.
    Popped,
    /// The bytes that DUMP packs a value into; both servers must unpack both to the same value.
    Dumped,
    /// What one step of an iteration returns, unless the encoding has an order; both iterations run to the end, and
    /// must return the same.
    Scan,
    /// Some seconds, since the clock went on between the servers.
    Seconds,
    /// Some seconds, in milliseconds.
    Milliseconds,
    /// Everything but the kind: idle times, figures of memory, texts of HELP, references.
    Kind,
    /// The values of named fields, wherever they stand; and moments of the present.
    Fields(&'static [&'static str]),
    /// The idle times in XPENDING's list of entries.
    Pending,
    /// The keys of a PFMERGE without sources, where Redis finds none, and of a GEORADIUS with two destinations, where
    /// it finds both.
    KeysOfCall,
}

/// The last place that is printed of a number.
const LAST_PLACE: f64 = 1e-17;

/// Time that may lie between the same command on both servers.
const TOLERANCE_MS: i64 = 20_000;

impl Check {
    /// True if more must be asked before the next command.
    pub fn asks_more(self) -> bool {
        matches!(self, Check::Popped | Check::Picks(_) | Check::Dumped | Check::Scan)
    }

    /// True if the replies agree; `encoding` is the last answer of OBJECT ENCODING.
    pub fn allows(self, command: &Cmd, redis: &Value, oxidis: &Value, encoding: &[u8]) -> bool {
        if redis == oxidis || is_same_error(redis, oxidis) {
            return true;
        }
        // What SPOP took is put back behind the rest, so the order of a set of strings tells nothing.
        let has_order = encoding == b"intset" || encoding == b"listpack" && !command.is("sscan");
        match self {
            Check::Exact => false,
            Check::Scores => same_scores(redis, oxidis),
            Check::Unordered => same_elements(redis, oxidis, 1),
            Check::UnorderedPairs => same_elements(redis, oxidis, 2),
            Check::ByEncoding => !has_order && same_elements(redis, oxidis, 1),
            Check::ByEncodingPairs => !has_order && same_elements(redis, oxidis, 2),
            Check::Encoding => [redis, oxidis].iter().all(|name| matches!(name.text(), b"raw" | b"embstr")),
            Check::Popped | Check::Picks(_) | Check::Dumped => same_shape(redis, oxidis),
            Check::Scan if has_order => command.is("zscan") && same_scores(redis, oxidis),
            Check::Scan => same_step(command, redis, oxidis),
            Check::Seconds => close(redis, oxidis, 1),
            Check::Milliseconds => close(redis, oxidis, 1000),
            Check::Kind => redis.kind() == oxidis.kind(),
            Check::Fields(names) => same_but_fields(redis, &without_later(oxidis), names),
            Check::Pending => same_but_idle(redis, oxidis),
            Check::KeysOfCall => {
                let of_others = command.words.iter().rev().nth(1);
                of_others.is_some_and(|word| word.eq_ignore_ascii_case(b"pfmerge"))
                    || (command.has("store") && command.has("storedist"))
            }
        }
    }
}

/// The same error but for the line ends in it. Redis sends what a script makes it say as it is, which may be more than a
/// line; here such bytes become blanks.
fn is_same_error(redis: &Value, oxidis: &Value) -> bool {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    match (redis, oxidis) {
        (Value::Line(b'-', redis), Value::Line(b'-', oxidis)) => {
            let blanked = redis.iter().map(|byte| if is_line_end(byte) { b' ' } else { *byte });
            redis.iter().any(is_line_end) && blanked.eq(oxidis.iter().copied())
        }
        _ => false,
    }
}

fn same_kind_and_length(redis: &Value, oxidis: &Value) -> bool {
    redis.kind() == oxidis.kind() && redis.items().len() == oxidis.items().len()
}

/// The same but for the digits that numbers with a fraction or an exponent are written with.
pub fn same_scores(redis: &Value, oxidis: &Value) -> bool {
    match (redis, oxidis) {
        (Value::Many(..), Value::Many(..)) => {
            same_kind_and_length(redis, oxidis)
                && redis.items().iter().zip(oxidis.items()).all(|(redis, oxidis)| same_scores(redis, oxidis))
        }
        _ => {
            // Valkey prints seventeen places of a coordinate, however small that is.
            let are_near = |(one, other): (f64, f64)| one == other || (one - other).abs() <= LAST_PLACE;
            redis == oxidis || redis.kind() == oxidis.kind() && score(redis).zip(score(oxidis)).is_some_and(are_near)
        }
    }
}

fn score(value: &Value) -> Option<f64> {
    let text = std::str::from_utf8(value.text()).ok()?;
    let is_one = matches!(value.kind(), b'$' | b',') && text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    text.parse().ok().filter(|_| is_one)
}

/// The same elements, in runs of `run`, or of two in a map, in any order.
fn same_elements(redis: &Value, oxidis: &Value, run: usize) -> bool {
    let run = if redis.kind() == b'%' { 2 } else { run };
    let sorted = |value: &Value| {
        let mut chunks: Vec<Vec<Value>> = value.items().chunks(run).map(<[Value]>::to_vec).collect();
        chunks.sort();
        chunks
    };
    same_kind_and_length(redis, oxidis) && sorted(redis) == sorted(oxidis)
}

/// Lines must be the same; strings and aggregates of the same kinds, the latter of the same length.
fn same_shape(redis: &Value, oxidis: &Value) -> bool {
    match (redis, oxidis) {
        (Value::Bulk(..), Value::Bulk(..)) => redis.kind() == oxidis.kind(),
        (Value::Line(b',', _), Value::Line(b',', _)) => true,
        (Value::Many(..), Value::Many(..)) => {
            same_kind_and_length(redis, oxidis)
                && redis.items().iter().zip(oxidis.items()).all(|(redis, oxidis)| same_shape(redis, oxidis))
        }
        _ => redis == oxidis,
    }
}

/// A whole iteration in one step has the same elements; a part of one has any.
fn same_step(command: &Cmd, redis: &Value, oxidis: &Value) -> bool {
    let ([redis_cursor, redis_items], [oxidis_cursor, oxidis_items]) = (redis.items(), oxidis.items()) else {
        return false;
    };
    let cursor_at = usize::from(!command.is("scan")) + 1;
    let is_whole = redis_cursor == oxidis_cursor
        && redis_cursor.text() == b"0"
        && command.words.get(cursor_at).is_some_and(|cursor| cursor == b"0");
    let run = elements_of_step(command);
    match is_whole {
        true if command.is("zscan") => same_elements(&plain_scores(redis_items), &plain_scores(oxidis_items), run),
        true => same_elements(redis_items, oxidis_items, run),
        false => {
            redis_cursor.kind() == b'$' && oxidis_cursor.kind() == b'$' && redis_items.kind() == oxidis_items.kind()
        }
    }
}

/// How many elements of the reply to a step of an iteration belong together.
pub fn elements_of_step(command: &Cmd) -> usize {
    let has_pairs = (command.is("hscan") || command.is("zscan")) && !command.has("novalues");
    if has_pairs { 2 } else { 1 }
}

/// Members and scores in turn, each score written in one way.
pub fn plain_scores(items: &Value) -> Value {
    let plain = |(at, item): (usize, &Value)| match score(item) {
        Some(score) if at % 2 == 1 => Value::Bulk(item.kind(), score.to_string().into()),
        _ => item.clone(),
    };
    Value::Many(items.kind(), items.items().iter().enumerate().map(plain).collect())
}

/// Numbers that are some seconds apart. What stands for "never" or "not there" is exact, and so are moments that can
/// only have been given as such.
fn close(redis: &Value, oxidis: &Value, per_second: i64) -> bool {
    let absolute = ABSOLUTE_SECONDS * per_second..=(ABSOLUTE_SECONDS + 1000) * per_second;
    if let (Value::Many(..), Value::Many(..)) = (redis, oxidis) {
        return same_kind_and_length(redis, oxidis)
            && redis.items().iter().zip(oxidis.items()).all(|(redis, oxidis)| close(redis, oxidis, per_second));
    }
    match (redis.integer(), oxidis.integer()) {
        (Some(redis), Some(oxidis)) if redis == oxidis => true,
        (Some(redis), Some(oxidis)) => {
            redis >= 0
                && oxidis >= 0
                && !absolute.contains(&redis)
                && redis.abs_diff(oxidis) <= (TOLERANCE_MS * per_second / 1000).unsigned_abs()
        }
        _ => false,
    }
}

/// Fields of streams that came after Redis 8.2.
const LATER: &[&str] =
    &["idmp-duration", "idmp-maxsize", "pids-tracked", "iids-tracked", "iids-added", "iids-duplicates", "nacked-count"];

/// The same without fields that the real server does not have.
fn without_later(reply: &Value) -> Value {
    let Value::Many(kind, items) = reply else { return reply.clone() };
    let is_later = |at: &usize| LATER.iter().any(|name| items[*at].text() == name.as_bytes());
    let kept =
        (0..items.len()).filter(|at| !is_later(at) && !at.checked_sub(1).is_some_and(|before| is_later(&before)));
    Value::Many(*kind, kept.map(|at| without_later(&items[at])).collect())
}

fn same_but_fields(redis: &Value, oxidis: &Value, names: &[&str]) -> bool {
    if let (Some(redis), Some(oxidis)) = (redis.integer(), oxidis.integer()) {
        let present = 1_600_000_000_000..ABSOLUTE_SECONDS * 1000;
        return redis == oxidis || present.contains(&redis) && redis.abs_diff(oxidis) <= TOLERANCE_MS.unsigned_abs();
    }
    if !matches!((redis, oxidis), (Value::Many(..), Value::Many(..))) {
        return redis == oxidis;
    }
    let is_named = |field: &Value| names.iter().any(|name| name.as_bytes() == field.text());
    let (redis_items, oxidis_items) = (redis.items(), oxidis.items());
    same_kind_and_length(redis, oxidis)
        && (0..redis_items.len()).all(|at| {
            let (redis, oxidis) = (&redis_items[at], &oxidis_items[at]);
            let is_masked = at > 0 && is_named(&redis_items[at - 1]) && redis.kind() == oxidis.kind();
            is_masked || same_but_fields(redis, oxidis, names)
        })
}

fn same_but_idle(redis: &Value, oxidis: &Value) -> bool {
    same_kind_and_length(redis, oxidis)
        && redis.items().iter().zip(oxidis.items()).all(|(redis, oxidis)| match (redis.items(), oxidis.items()) {
            ([id, consumer, _, times], [same_id, same_consumer, idle, same_times]) => {
                (id, consumer, times) == (same_id, same_consumer, same_times) && idle.integer().is_some()
            }
            _ => redis == oxidis,
        })
}

/// The members that a reply of SPOP, or of a random choice among what `command` asks for, names.
pub fn picked(command: &Cmd, reply: &Value) -> Vec<Word> {
    let has_values = command
        .words
        .iter()
        .any(|word| word.eq_ignore_ascii_case(b"withscores") || word.eq_ignore_ascii_case(b"withvalues"));
    match reply {
        Value::Bulk(_, member) => vec![member.clone()],
        Value::Many(_, items) => {
            let is_nested = items.iter().any(|item| !item.items().is_empty());
            let step = if has_values && !is_nested { 2 } else { 1 };
            let name = |item: &Value| item.items().first().unwrap_or(item).text().to_vec();
            items.iter().step_by(step).map(name).collect()
        }
        Value::Line(..) => Vec::new(),
    }
}

/// True if a choice without repetition repeats itself.
pub fn repeats(command: &Cmd, picks: &[Word]) -> bool {
    let may_repeat = command.words.get(2).is_some_and(|count| count.starts_with(b"-"));
    !may_repeat && picks.iter().collect::<BTreeSet<_>>().len() < picks.len()
}

#[test]
fn order_counts_where_the_encoding_has_one() {
    let (one, other) = (Value::parse(b"*2\r\n+a\r\n+b\r\n"), Value::parse(b"*2\r\n+b\r\n+a\r\n"));
    let command = Cmd::exact(&["HKEYS", "h"]);
    assert!(Check::Unordered.allows(&command, &one, &other, b""));
    assert!(Check::ByEncoding.allows(&command, &one, &other, b"hashtable"));
    assert!(!Check::ByEncoding.allows(&command, &one, &other, b"listpack"));
    assert!(!Check::UnorderedPairs.allows(&command, &one, &other, b""));
}

#[test]
fn line_ends_in_errors_may_be_blanks() {
    let (redis, oxidis) = (Value::parse(b"-ERR a\nb\rc\r\n"), Value::parse(b"-ERR a b c\r\n"));
    let command = Cmd::exact(&["FCALL", "f"]);
    assert!(Check::Exact.allows(&command, &redis, &oxidis, b""));
    assert!(!Check::Exact.allows(&command, &Value::parse(b"-ERR a\nb d\r\n"), &oxidis, b""));
}

#[test]
fn times_may_differ_by_seconds_and_moments_not_at_all() {
    let (command, value) = (Cmd::exact(&["PTTL", "k"]), |number: i64| Value::Line(b':', number.to_string().into()));
    let allows = |redis, oxidis| Check::Milliseconds.allows(&command, &value(redis), &value(oxidis), b"");
    assert!(allows(100_000, 99_000));
    assert!(!allows(100_000, 9_000));
    assert!(!allows(-1, -2));
    assert!(!allows(ABSOLUTE_SECONDS * 1000, ABSOLUTE_SECONDS * 1000 + 1));
}
