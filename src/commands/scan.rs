//! Walking over the keys of a database: KEYS at once, SCAN in steps. SSCAN and its like, which walk over the members of
//! a collection, are here in what they have in common.
//!
//! SCAN keeps no state in the server: the cursor is a place in hash order (see `types::table`), so an element that is
//! there from the first step to the last is returned, whatever is added, removed or resized meanwhile. In a cluster the
//! cursor has the slot in its low bits, and a pattern that says which slot its keys are in is looked for only there.

use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::EntryView;
use crate::db::slot::slot_of_pattern;
use crate::resp::reply::Reply;
use crate::server::execution::{Command, Ctx};
use crate::util::{glob, number};

/// Elements returned by a step that does not say how many it wants.
const COUNT_DEFAULT: u64 = 10;
/// A step over a sparse table ends after so many buckets for each element wanted.
const BUCKETS_PER_ELEMENT: u64 = 10;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("keys", Arity::exactly(2), keys)
        .flags(&[READONLY])
        .acl(Categories::DANGEROUS)
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .docs("1.0.0", "pattern", "Returns all keys that match a pattern.")
        .complexity("O(N) for N keys of the database."),
    Command::new("scan", Arity::at_least(2), scan)
        .flags(&[READONLY, ARBITRARY_KEYS])
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .docs(
            "2.8.0",
            "cursor [MATCH pattern] [COUNT count] [TYPE type]",
            "Returns some of the keys, and where to go on.",
        )
        .complexity("O(1) for each call, O(N) for all that it takes to see N elements.")
        .history(&[("6.0.0", "`TYPE`.")]),
];

/// What a walk lets through.
#[derive(Clone, Copy, Debug, Default)]
struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// `*` stands for no pattern at all: it lets the empty key through, too.
    fn matching(pattern: &'a [u8]) -> Filter<'a> {
        Filter { pattern: Some(pattern).filter(|pattern| !glob::matches_all(pattern)), type_name: None }
    }

    fn admits(&self, entry: EntryView<'_>) -> bool {
        self.admits_name(entry.key()) && self.admits_type(entry)
    }

    fn admits_type(&self, entry: EntryView<'_>) -> bool {
        self.type_name.is_none_or(|wanted| is_type(entry, wanted))
    }

    fn admits_name(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// What SCAN and its like were asked for besides the cursor.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    /// Elements wanted.
    count: u64,
    filter: Filter<'a>,
    /// HSCAN … NOVALUES, ZSCAN … NOSCORES.
    pub names_only: bool,
}

/// Which options there are besides COUNT and MATCH.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Further {
    None,
    Type,
    NoValues,
    NoScores,
}

/// Words that one command alone has, and what the others say to them.
const NAMES_ONLY: [(&str, Further, Error); 2] = [
    ("novalues", Further::NoValues, Error::fixed("ERR NOVALUES option can only be used in HSCAN")),
    ("noscores", Further::NoScores, Error::fixed("ERR NOSCORES option can only be used in ZSCAN")),
];

impl<'a> Walk<'a> {
    /// Reads the options of SSCAN and its like: those behind key and cursor.
    pub fn over_members(args: Args<'a>) -> Result<Walk<'a>, Error> {
        Walk::read(args, 3, Further::None)
    }

    /// Reads the options of HSCAN: those behind key and cursor.
    pub fn over_fields(args: Args<'a>) -> Result<Walk<'a>, Error> {
        Walk::read(args, 3, Further::NoValues)
    }

    /// Reads the options of ZSCAN: those behind key and cursor.
    pub fn over_elements(args: Args<'a>) -> Result<Walk<'a>, Error> {
        Walk::read(args, 3, Further::NoScores)
    }

    fn read(args: Args<'a>, from: usize, further: Further) -> Result<Walk<'a>, Error> {
        let mut walk = Walk { count: COUNT_DEFAULT, filter: Filter::default(), names_only: false };
        let mut index = from;
        while index < args.len() {
            if let Some((_, of, elsewhere)) = NAMES_ONLY.iter().find(|(word, ..)| args.is(index, word)) {
                if *of != further {
                    return Err(elsewhere.clone());
                }
                walk.names_only = true;
                index += 1;
                continue;
            }
            let value = args.try_get(index + 1).ok_or(SYNTAX)?;
            if args.is(index, "count") {
                walk.count = u64::try_from(args.integer(index + 1)?).ok().filter(|count| *count > 0).ok_or(SYNTAX)?;
            } else if args.is(index, "match") {
                walk.filter.pattern = Filter::matching(value).pattern;
            } else if further == Further::Type && args.is(index, "type") {
                walk.filter.type_name = Some(value);
            } else {
                return Err(SYNTAX);
            }
            index += 2;
        }
        Ok(walk)
    }

    /// Whether a member is to be returned.
    pub fn admits(&self, member: &[u8]) -> bool {
        self.filter.admits_name(member)
    }

    /// Takes steps until as many elements as wanted have passed, or the table seems to be empty here; the cursor at
    /// which to go on. A step is given the cursor and a counter of elements, and returns the next cursor.
    pub fn run(&self, mut cursor: u64, mut step: impl FnMut(u64, &mut u64) -> u64) -> u64 {
        let (mut seen, mut buckets) = (0, 0);
        loop {
            cursor = step(cursor, &mut seen);
            buckets += 1;
            if cursor == 0 || seen >= self.count || buckets > self.count.saturating_mul(BUCKETS_PER_ELEMENT) {
                return cursor;
            }
        }
    }
}

/// Begins the reply to a step: the cursor, then an array of so many elements, which the caller writes.
pub fn begin_reply(reply: &mut Reply, cursor: u64, len: usize) {
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    reply.array(len);
}

fn is_type(entry: EntryView<'_>, name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(entry.value_type().name().as_bytes())
}

/// Expired keys are passed over, not deleted: there may be too many for one command.
fn keys(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let filter = Filter::matching(args.get(1));
    let slot = slot_of_pattern(args.get(1));
    let (list, mut count) = (cx.reply.defer(), 0);
    for entry in cx.db.live_entries(slot).filter(|entry| filter.admits(*entry)) {
        cx.reply.bulk(entry.key());
        count += 1;
    }
    cx.reply.finish_array(list, count);
    Ok(())
}

/// A cursor: an integer that is not negative or, failing that, what C's `strtoull` makes of the text up to a NUL, which
/// knows blanks before it and signs.
pub fn parse_cursor(text: &[u8]) -> Result<u64, Error> {
    const INVALID: Error = Error::fixed("ERR invalid cursor");
    let text = memchr::memchr(0, text).map_or(text, |end| &text[..end]);
    if let Some(value) = number::parse_i64(text) {
        return u64::try_from(value).map_err(|_| INVALID);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let begin = text.iter().position(|byte| !is_blank(byte)).ok_or(INVALID)?;
    let (negative, digits) = match &text[begin..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return Err(INVALID);
    }
    let mut cursor: u64 = 0;
    for digit in digits {
        let value = digit.is_ascii_digit().then(|| u64::from(digit - b'0')).ok_or(INVALID)?;
        cursor = cursor.checked_mul(10).and_then(|cursor| cursor.checked_add(value)).ok_or(INVALID)?;
    }
    Ok(if negative { cursor.wrapping_neg() } else { cursor })
}

fn scan(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cursor = parse_cursor(args.get(1))?;
    let walk = Walk::read(args, 2, Further::Type)?;
    let slot = walk.filter.pattern.and_then(slot_of_pattern);
    let mut found: Vec<Box<[u8]>> = Vec::new();
    let next = walk.run(cursor, |cursor, seen| {
        let has_name = |name: &[u8]| {
            *seen += 1;
            walk.filter.admits_name(name)
        };
        cx.db.scan(cursor, slot, has_name, |entry| {
            if walk.filter.admits_type(entry) {
                found.push(entry.key().into());
            }
        })
    });
    begin_reply(cx.reply, next, found.len());
    found.iter().for_each(|key| cx.reply.bulk(key));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::keyspace::NewString;
    use crate::db::{Databases, Expiry, Key};

    #[test]
    fn cursors_are_integers_or_what_strtoull_reads() {
        for (text, cursor) in
            [("0", 0), ("+007", 7), (" 12", 12), ("-0", 0), (" -1", u64::MAX), ("18446744073709551615", u64::MAX)]
        {
            assert_eq!(parse_cursor(text.as_bytes()), Ok(cursor), "{text:?}");
        }
        assert_eq!(parse_cursor(b"5\0x"), Ok(5));
        for wrong in ["", "-1", " ", "18446744073709551616", "1 ", "1a", "-", "+", "0x10"] {
            assert!(parse_cursor(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn scan_deletes_what_has_expired_if_the_pattern_lets_it_through() {
        let mut bed = crate::server::testbed::Testbed::new();
        bed.run("SET a v PXAT 1");
        for (scan, left) in [("SCAN 0 MATCH b*", ":1"), ("SCAN 0 MATCH a* TYPE list", ":0")] {
            assert_eq!(bed.run(scan), "*2\r\n$1\r\n0\r\n*0\r\n", "{scan}");
            assert_eq!(bed.run("DBSIZE"), format!("{left}\r\n"), "{scan}");
        }
    }

    #[test]
    fn a_lone_star_admits_the_empty_key() {
        let mut db = Databases::new(1);
        db.set(&Key::new(b""), NewString::Bytes(b"value"), Expiry::Clear);
        let empty = db.live_entries(None).next().expect("the empty key");
        assert!(Filter::matching(b"*").admits(empty));
        assert!(!Filter::matching(b"**").admits(empty));
        assert!(Filter { pattern: None, type_name: Some(b"STRING") }.admits(empty));
        assert!(!Filter { pattern: None, type_name: Some(b"list") }.admits(empty));
    }
}
