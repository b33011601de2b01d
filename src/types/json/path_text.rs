//! Paths from their text.
//!
//! ```text
//! path    = ["$"] *( ("." / "..") (name / "*" / bracket) / bracket )
//! bracket = "[" ( "*" / text *("," text) / number *("," number) / slice / "?" filter ) "]"
//! slice   = [number] ":" [number] [":" [number above 0]]
//! filter  = all *("||" all)      all = one *("&&" one)      one = "(" filter ")" / term [comparison term]
//! term    = number / text / "true" / "false" / "null" / ("@" / "$") *step
//! ```
//! Blanks may stand between all of these. What is wrong is said in the words of RedisJSON's parser.

use regex::bytes::RegexBuilder;

use super::path::{Comparison, Filter, Path, Step, Term};
use super::value::Json;

/// How deep filters may lie in one another.
const DEPTH_MAX: usize = 64;
/// How large a pattern may get, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

const AFTER_POINT: &str = "<string>, '*'";
const AFTER_STEP: &str = "EOI, '..'";
const IN_BRACKET: &str = "'<string>[,<string>,...]', '<number>', ['start:end:steps'], '*'";
const NO_STAR: &str = "'<string>[,<string>,...]', '<number>', ['start:end:steps']";
const NO_TEXT: &str = "'<number>', ['start:end:steps']";
const SLICE: &str = "['start:end:steps']";
const NUMBER: &str = "'<number>'";
const STEP_OF_SLICE: &str = "pos_number";
const TERM: &str = "decimal, from_current, from_root, boolean_true, boolean_false, null";
const FILTER: &str = "single_filter";
const AFTER_FILTER: &str = "and, or";
const AFTER_PATH: &str = "and, or, '..'";
const AFTER_TERM: &str = "ge, gt, le, lt, eq, ne, re, and, or, '..'";

/// The text of a path as errors show it: one of the older kind is shown as the newer it stands for.
pub fn shown(text: &[u8]) -> Vec<u8> {
    match text {
        _ if !is_legacy(text) => text.to_vec(),
        b"." => b"$".to_vec(),
        [b'.', ..] => [b"$", text].concat(),
        _ => [b"$.", text].concat(),
    }
}

/// Whether a path is of the older kind.
fn is_legacy(text: &[u8]) -> bool {
    !matches!(text, b"$" | [b'$', b'.' | b'[', ..])
}

/// Reads a path.
///
/// # Errors
/// Says where it makes no sense, and what could stand there.
pub fn parse(text: &[u8]) -> Result<Path, Vec<u8>> {
    let whole = shown(text);
    let mut parser = Parser { text: &whole, at: 1, depth: 0, far: None };
    let steps = parser.whole().map_err(|Wrong(at, expected)| {
        let (before, behind) = whole.split_at(at.min(whole.len()));
        let mark: &[u8] = if behind.is_empty() { b" <<<<----" } else { b" ---->>>> " };
        let head = format!("Error occurred on position {at}, \"");
        let tail = format!("\", expected one of the following: {expected}.");
        [head.as_bytes(), before, mark, behind, tail.as_bytes()].concat()
    })?;
    Ok(Path { steps, is_legacy: is_legacy(text) })
}

/// Where nothing fits, and what could have stood there.
struct Wrong(usize, &'static str);

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    /// How many filters this lies in.
    depth: usize,
    /// What could stand behind the last term, if that was a path.
    far: Option<&'static str>,
}

type Parsed<T> = Result<T, Wrong>;

/// A byte of a name that stands without quotes.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"#$%+-/:^_`~".contains(&byte)
}

impl Parser<'_> {
    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        let blanks = self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.at += blanks;
    }

    /// Passes over a mark, and blanks before it; whether it stands there.
    fn takes(&mut self, mark: &[u8]) -> bool {
        self.blanks();
        let found = self.rest().starts_with(mark);
        if found {
            self.at += mark.len();
        }
        found
    }

    fn peek(&mut self) -> Option<u8> {
        self.blanks();
        self.rest().first().copied()
    }

    fn whole(&mut self) -> Parsed<Vec<Step>> {
        let steps = self.steps()?;
        match self.peek() {
            None => Ok(steps),
            Some(_) => Err(Wrong(self.at, AFTER_STEP)),
        }
    }

    fn steps(&mut self) -> Parsed<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            let start = self.at;
            if self.takes(b"..") {
                let step = self.behind_point()?;
                steps.push(Step::Descend(Box::new(step)));
            } else if self.takes(b".") {
                steps.push(self.behind_point()?);
            } else if self.takes(b"[") {
                steps.push(self.bracket()?);
            } else {
                // Blanks behind the last step do not belong to it.
                self.at = start;
                return Ok(steps);
            }
        }
    }

    fn behind_point(&mut self) -> Parsed<Step> {
        if self.takes(b"*") {
            return Ok(Step::All);
        }
        if self.takes(b"[") {
            return self.bracket();
        }
        let name: Vec<u8> = self.rest().iter().copied().take_while(|byte| is_of_name(*byte)).collect();
        if name.is_empty() {
            return Err(Wrong(self.at, AFTER_POINT));
        }
        self.at += name.len();
        Ok(Step::Names(vec![name]))
    }

    /// What stands behind an opened bracket.
    fn bracket(&mut self) -> Parsed<Step> {
        let opened = self.at - 1;
        self.blanks();
        let start = self.at;
        match self.peek() {
            Some(b'*') => {
                self.at += 1;
                self.closed(Step::All, Wrong(start, NO_STAR))
            }
            Some(b'"' | b'\'') => {
                let mut names = vec![self.quoted().ok_or(Wrong(start, IN_BRACKET))?];
                while self.takes(b",") {
                    self.blanks();
                    names.push(self.quoted().ok_or(Wrong(start, NO_TEXT))?);
                }
                self.closed(Step::Names(names), Wrong(start, NO_TEXT))
            }
            Some(b'?') => {
                self.at += 1;
                self.far = None;
                let filter = self.filter()?;
                let expected = self.far.unwrap_or(AFTER_FILTER);
                self.blanks();
                let wrong = Wrong(self.at, expected);
                self.closed(Step::Filter(Box::new(filter)), wrong)
            }
            Some(b':') => self.slice(None, opened),
            Some(_) => {
                let first = self.number().ok_or(Wrong(start, IN_BRACKET))?;
                if self.peek() == Some(b':') {
                    return self.slice(Some(first), opened);
                }
                let mut indexes = vec![first];
                while self.takes(b",") {
                    self.blanks();
                    indexes.push(self.number().ok_or(Wrong(self.at, NUMBER))?);
                }
                self.closed(Step::Indexes(indexes), Wrong(start, SLICE))
            }
            None => Err(Wrong(start, IN_BRACKET)),
        }
    }

    fn closed(&mut self, step: Step, wrong: Wrong) -> Parsed<Step> {
        if self.takes(b"]") { Ok(step) } else { Err(wrong) }
    }

    /// The rest of a slice, from its first colon on.
    fn slice(&mut self, first: Option<i64>, opened: usize) -> Parsed<Step> {
        self.takes(b":");
        self.blanks();
        let end = self.number();
        if end.is_none() && !matches!(self.peek(), Some(b':' | b']')) {
            return Err(Wrong(self.at, NUMBER));
        }
        let mut each = 1;
        if self.takes(b":") && self.peek() != Some(b']') {
            let start = self.at;
            let number = self.number().filter(|number| *number > 0);
            each = number.and_then(|number| usize::try_from(number).ok()).ok_or(Wrong(start, STEP_OF_SLICE))?;
        }
        self.closed(Step::Slice(first, end, each), Wrong(opened, AFTER_STEP))
    }

    /// An integer; one beyond all places of arrays is as good as any other.
    fn number(&mut self) -> Option<i64> {
        let rest = self.rest();
        let sign = usize::from(rest.first() == Some(&b'-'));
        let digits = rest[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = if rest.get(sign) == Some(&b'0') { digits.min(1) } else { digits };
        if digits == 0 {
            return None;
        }
        let text = &rest[sign..sign + digits];
        let value =
            text.iter().fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
        self.at += sign + digits;
        Some(if sign == 1 { -value } else { value })
    }

    /// A text in quotes of either kind. Only the quote and the backslash may stand behind a backslash.
    fn quoted(&mut self) -> Option<Vec<u8>> {
        let rest = self.rest();
        let quote = *rest.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let (mut text, mut at) = (Vec::new(), 1);
        loop {
            match *rest.get(at)? {
                byte if byte == quote => break,
                b'\\' => {
                    at += 1;
                    text.push(*rest.get(at).filter(|byte| **byte == quote || **byte == b'\\')?);
                }
                byte => text.push(byte),
            }
            at += 1;
        }
        self.at += at + 1;
        Some(text)
    }

    fn filter(&mut self) -> Parsed<Filter> {
        if self.depth == DEPTH_MAX {
            return Err(Wrong(self.at, FILTER));
        }
        self.depth += 1;
        let filter = self.any();
        self.depth -= 1;
        filter
    }

    fn any(&mut self) -> Parsed<Filter> {
        let mut any = vec![self.all()?];
        while self.takes(b"||") {
            any.push(self.all()?);
        }
        Ok(match any.len() {
            1 => any.remove(0),
            _ => Filter::Or(any),
        })
    }

    fn all(&mut self) -> Parsed<Filter> {
        let mut all = vec![self.one()?];
        while self.takes(b"&&") {
            all.push(self.one()?);
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Filter::And(all),
        })
    }

    fn one(&mut self) -> Parsed<Filter> {
        if self.takes(b"(") {
            let filter = self.filter()?;
            self.blanks();
            let wrong = Wrong(self.at, self.far.unwrap_or(AFTER_FILTER));
            self.far = None;
            return if self.takes(b")") { Ok(filter) } else { Err(wrong) };
        }
        let term = self.term(FILTER)?;
        let is_path = matches!(term, Term::Current(_) | Term::Root(_));
        let Some(comparison) = self.comparison() else {
            self.far = is_path.then_some(AFTER_TERM);
            return Ok(Filter::Exists(term));
        };
        let other = self.term(TERM)?;
        self.far = matches!(other, Term::Current(_) | Term::Root(_)).then_some(AFTER_PATH);
        Ok(Filter::Compare(term, comparison, other))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        const MARKS: [(&[u8], Comparison); 7] = [
            (b"==", Comparison::Equal),
            (b"!=", Comparison::NotEqual),
            (b"<=", Comparison::LessOrEqual),
            (b">=", Comparison::GreaterOrEqual),
            (b"<", Comparison::Less),
            (b">", Comparison::Greater),
            (b"=~", Comparison::Matches),
        ];
        MARKS.iter().find(|(mark, _)| self.takes(mark)).map(|(_, comparison)| *comparison)
    }

    fn term(&mut self, expected: &'static str) -> Parsed<Term> {
        self.blanks();
        let start = self.at;
        match self.peek() {
            Some(b'@') => {
                self.at += 1;
                self.nested_steps().map(Term::Current)
            }
            Some(b'$') => {
                self.at += 1;
                self.nested_steps().map(Term::Root)
            }
            Some(b'"' | b'\'') => {
                let text = self.quoted().ok_or(Wrong(start, expected))?;
                let pattern = std::str::from_utf8(&text).ok().and_then(pattern);
                Ok(Term::Pattern(Json::text(&text), pattern))
            }
            Some(b'-' | b'0'..=b'9') => self.decimal().map(Term::Value).ok_or(Wrong(start, expected)),
            _ => {
                let words = [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)];
                let found = words.into_iter().find(|(word, _)| self.takes(word.as_bytes()));
                found.map(|(_, value)| Term::Value(value)).ok_or(Wrong(start, expected))
            }
        }
    }

    fn nested_steps(&mut self) -> Parsed<Vec<Step>> {
        let far = self.far;
        let steps = self.steps();
        self.far = far;
        steps
    }

    fn decimal(&mut self) -> Option<Json> {
        let start = self.at;
        let whole = self.number()?;
        let fraction = self.rest().strip_prefix(b".").unwrap_or_default();
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            self.at += 1 + digits;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).ok()?;
        match text.parse::<i64>() {
            Ok(_) => Some(Json::Int(whole)),
            Err(_) => text.parse().ok().map(Json::Double),
        }
    }
}

/// A pattern, if the text is one.
pub fn pattern(text: &str) -> Option<regex::bytes::Regex> {
    RegexBuilder::new(text).unicode(false).size_limit(PATTERN_BYTES_MAX).build().ok()
}
