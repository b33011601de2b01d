//! ARGREP: elements that match.

use super::*;
use crate::util::glob;
use crate::util::posix_regex::{Fault, PosixRegex};

const PREDICATES_MAX: usize = 250;
const EXPRESSION_BYTES_MAX: usize = 2048;
/// The memory that all expressions of a call share, and what each may take at least and at most.
const COMPILED_BYTES_MAX: usize = 16 << 20;
const COMPILED_BYTES_EACH: (usize, usize) = (256 << 10, 2 << 20);

const TOO_MANY: Error = Error::fixed("ERR too many predicates, maximum is 250");
const TOO_LONG: Error = Error::fixed("ERR regular expression is too long, maximum is 2048 bytes");
const EMPTY: Error = Error::fixed("ERR regular expression is empty");
const REFERS_BACK: Error = Error::fixed("ERR regular expression backreferences are not supported");

#[derive(Clone, Copy, PartialEq, Eq)]
enum Test {
    Exact,
    Match,
    Glob,
    Re,
}

#[derive(Clone, Copy)]
enum Word {
    Test(Test),
    All(bool),
    Limit,
    WithValues,
    NoCase,
}

/// Words, what they mean, and how many arguments belong to each.
const WORDS: [(&str, Word, usize); 9] = [
    ("exact", Word::Test(Test::Exact), 1),
    ("match", Word::Test(Test::Match), 1),
    ("glob", Word::Test(Test::Glob), 1),
    ("re", Word::Test(Test::Re), 1),
    ("and", Word::All(true), 0),
    ("or", Word::All(false), 0),
    ("limit", Word::Limit, 1),
    ("withvalues", Word::WithValues, 0),
    ("nocase", Word::NoCase, 0),
];

/// What was asked for.
struct Query<'a> {
    tests: Vec<(Test, &'a [u8])>,
    /// All of them have to hold, rather than one.
    all: bool,
    limit: u64,
    with_values: bool,
    ignore_case: bool,
}

impl<'a> Query<'a> {
    /// Predicates and options come in any order; of contradicting options the last one counts.
    fn read(args: Args<'a>) -> Result<Query<'a>, Error> {
        let mut query =
            Query { tests: Vec::new(), all: false, limit: u64::MAX, with_values: false, ignore_case: false };
        let mut at = 4;
        while at < args.len() {
            let (word, next) = args.option(at, &WORDS).ok_or(SYNTAX)?;
            match word {
                Word::Test(_) if query.tests.len() == PREDICATES_MAX => return Err(TOO_MANY),
                Word::Test(Test::Re) if args.get(at + 1).len() > EXPRESSION_BYTES_MAX => return Err(TOO_LONG),
                Word::Test(test) => query.tests.push((test, args.get(at + 1))),
                Word::All(all) => query.all = all,
                Word::Limit => query.limit = limit(args, at + 1)?,
                Word::WithValues => query.with_values = true,
                Word::NoCase => query.ignore_case = true,
            }
            at = next;
        }
        if query.tests.is_empty() { Err(SYNTAX) } else { Ok(query) }
    }

    fn predicates(&self) -> Result<Vec<Predicate<'a>>, Error> {
        let expressions = self.tests.iter().filter(|(test, _)| *test == Test::Re).count();
        let (least, most) = COMPILED_BYTES_EACH;
        let bytes_max = (COMPILED_BYTES_MAX / expressions.max(1)).clamp(least, most);
        let predicate = |(test, text): &(Test, &'a [u8])| {
            Ok(match test {
                Test::Exact => Predicate::Exact(text),
                Test::Match if self.ignore_case => Predicate::Contains(text.to_ascii_lowercase()),
                Test::Match => Predicate::Contains(text.to_vec()),
                Test::Glob => Predicate::Glob(text),
                Test::Re if text.is_empty() => return Err(EMPTY),
                Test::Re => Predicate::Regex(PosixRegex::compile(text, self.ignore_case, bytes_max).map_err(told)?),
            })
        };
        self.tests.iter().map(predicate).collect()
    }
}

fn told(fault: Fault) -> Error {
    match fault {
        Fault::BackReference => REFERS_BACK,
        Fault::Invalid(reason) => Error::text(format!("ERR invalid regular expression: {reason}")),
    }
}

enum Predicate<'a> {
    Exact(&'a [u8]),
    /// In lower case if cases are equal.
    Contains(Vec<u8>),
    Glob(&'a [u8]),
    Regex(PosixRegex),
}

impl Predicate<'_> {
    /// Whether it holds of a text, of which `lower` is there if cases are equal.
    fn holds(&self, text: &[u8], lower: Option<&[u8]>) -> bool {
        match self {
            Predicate::Exact(wanted) if lower.is_some() => text.eq_ignore_ascii_case(wanted),
            Predicate::Exact(wanted) => text == *wanted,
            Predicate::Contains(wanted) => memchr::memmem::find(lower.unwrap_or(text), wanted).is_some(),
            Predicate::Glob(pattern) if lower.is_some() => glob::matches_ignore_case(pattern, text),
            Predicate::Glob(pattern) => glob::matches(pattern, text),
            Predicate::Regex(regex) => regex.is_match(text),
        }
    }
}

/// The index at an argument, or one of the ends of the array.
fn bound(args: Args<'_>, at: usize) -> Result<Option<u64>, Error> {
    match args.get(at) {
        b"-" => Ok(Some(0)),
        b"+" => Ok(None),
        _ => index(args, at).map(Some),
    }
}

pub(super) fn argrep(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (from, to) = (bound(args, 2)?, bound(args, 3)?);
    let query = Query::read(args)?;
    let predicates = query.predicates()?;
    let Some(array) = cx.db.collection::<Array>(&args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let last = array.end().saturating_sub(1);
    let (reply, mut found, mut lower) = (&mut *cx.reply, 0, Vec::new());
    let deferred = reply.defer();
    array.visit(from.unwrap_or(last), to.unwrap_or(last), |index, value| {
        let mut room = itoa::Buffer::new();
        let text = value.text(&mut room);
        if query.ignore_case {
            lower.clear();
            lower.extend(text.iter().map(u8::to_ascii_lowercase));
        }
        let lower = query.ignore_case.then_some(&lower[..]);
        let mut holds = predicates.iter().map(|predicate| predicate.holds(text, lower));
        if !(if query.all { holds.all(|holds| holds) } else { holds.any(|holds| holds) }) {
            return ControlFlow::Continue(());
        }
        if query.with_values {
            reply.array(2);
        }
        reply.unsigned(index);
        if query.with_values {
            reply.bulk(text);
        }
        found += 1;
        if found as u64 == query.limit { ControlFlow::Break(()) } else { go_on(reply) }
    });
    reply.finish_array(deferred, found);
    Ok(())
}
