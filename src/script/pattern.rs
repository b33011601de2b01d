//! Pattern matching that can be ended.
//!
//! Lua tries the ways a pattern may match one after the other, and there can be exponentially many of them
//! (`('a?'):rep(30) .. ('a'):rep(30)`). Its matcher is one C function, in which nobody looks at the clock or at those
//! who wait. So Lua is left what cannot take long, which are most calls, and all others are matched here, the same way,
//! with each byte compared accounted for.
//!
//! Patterns are those of Lua 5.1: `%z` stands for a zero byte, and a zero byte ends the pattern.

/// Bytes compared that nobody minds waiting for.
const COST_MAX: u64 = 1 << 22;
/// Bytes compared until they are accounted for.
const COST_PER_ACCOUNT: usize = 1 << 12;
/// The most captures of a pattern.
const CAPTURES_MAX: usize = 32;

/// Whether a pattern has anything that does not stand for itself.
pub fn has_specials(pattern: &[u8]) -> bool {
    cut(pattern).iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

/// The most bytes a call may compare that need not be matched here, by the size of its text and the number of parts of
/// its pattern that stand for texts of any length; nothing when it might take long.
pub fn quick_cost(text: &[u8], pattern: &[u8]) -> Option<usize> {
    let parts = pattern.iter().filter(|byte| b"*+-?b".contains(byte)).count() as u32;
    let ways = (text.len() as u64 + 1).saturating_pow(parts.saturating_add(1));
    let cost = ways.saturating_mul(pattern.len() as u64 + 1);
    (cost <= COST_MAX).then_some(cost as usize)
}

/// Whether a pattern is to match at one place alone.
pub fn is_anchored(pattern: &[u8]) -> bool {
    pattern.first() == Some(&b'^')
}

/// Asked every so often, with what was done since, whether to go on.
pub type Account<'a> = &'a mut dyn FnMut(usize) -> bool;

/// Finds the first match from a position on, or only there if `anchored`, which takes the first byte of the pattern for
/// the anchor. Nothing if there is none.
///
/// # Errors
/// When the pattern makes no sense, or the account says that it is enough.
pub fn search(
    text: &[u8],
    pattern: &[u8],
    from: usize,
    anchored: bool,
    account: Account<'_>,
) -> Result<Option<Match>, Stop> {
    let mut matcher = Matcher {
        text,
        pattern: cut(pattern),
        captures: [Capture::Position(0); CAPTURES_MAX],
        open: 0,
        cost: 0,
        account,
    };
    let found = matcher.search(from, anchored);
    let rest = matcher.cost;
    if account(rest) { found } else { Err(Stop::Ended) }
}

/// A pattern up to its end.
fn cut(pattern: &[u8]) -> &[u8] {
    &pattern[..memchr::memchr(0, pattern).unwrap_or(pattern.len())]
}

/// A match.
#[derive(Clone, Copy, Debug)]
pub struct Match {
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    captures: [Capture; CAPTURES_MAX],
    open: usize,
}

/// What a capture has caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// Text, from the first place up to the second.
    Text(usize, usize),
    /// A place, counted from 0.
    Place(usize),
}

impl Match {
    /// How many captures it has.
    pub fn captures(&self) -> usize {
        self.open
    }

    /// What a capture has caught, counted from 0. The first is all of the match if there is none.
    ///
    /// # Errors
    /// What Lua says of one that is not there or was not closed.
    pub fn caught(&self, index: usize) -> Result<Caught, &'static str> {
        match self.captures[..self.open].get(index) {
            Some(Capture::Closed(start, length)) => Ok(Caught::Text(*start, start + length)),
            Some(Capture::Position(place)) => Ok(Caught::Place(*place)),
            Some(Capture::Open(_)) => Err("unfinished capture"),
            None if index == 0 => Ok(Caught::Text(self.start, self.end)),
            None => Err("invalid capture index"),
        }
    }
}

/// Why a match is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody wanted that.
    Ended,
    /// The pattern makes no sense, in Lua's words.
    Malformed(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Capture {
    /// It has begun here.
    Open(usize),
    /// It is this place, not a text.
    Position(usize),
    /// It began at the first and is as long as the second says.
    Closed(usize, usize),
}

struct Matcher<'a, 'b> {
    text: &'a [u8],
    pattern: &'a [u8],
    captures: [Capture; CAPTURES_MAX],
    /// Captures that have begun.
    open: usize,
    /// Bytes compared that are not accounted for.
    cost: usize,
    account: &'b mut dyn FnMut(usize) -> bool,
}

impl Matcher<'_, '_> {
    fn search(&mut self, from: usize, anchored: bool) -> Result<Option<Match>, Stop> {
        for start in from..=self.text.len() {
            self.open = 0;
            if let Some(end) = self.matches(start, usize::from(anchored))? {
                return Ok(Some(Match { start, end, captures: self.captures, open: self.open }));
            }
            if anchored {
                break;
            }
        }
        Ok(None)
    }

    fn spend(&mut self, cost: usize) -> Result<(), Stop> {
        self.cost += cost + 1;
        if self.cost < COST_PER_ACCOUNT {
            return Ok(());
        }
        if (self.account)(std::mem::take(&mut self.cost)) { Ok(()) } else { Err(Stop::Ended) }
    }

    /// A byte of the pattern; zero behind its end.
    fn sign(&self, at: usize) -> u8 {
        self.pattern.get(at).copied().unwrap_or(0)
    }

    /// Where the match of the pattern from `sign` on ends that begins at `at`.
    fn matches(&mut self, mut at: usize, mut sign: usize) -> Result<Option<usize>, Stop> {
        loop {
            self.spend(0)?;
            match (self.sign(sign), self.sign(sign + 1)) {
                (0, _) => return Ok(Some(at)),
                (b'$', 0) => return Ok((at == self.text.len()).then_some(at)),
                (b'(', b')') => return self.begin(at, sign + 2, Capture::Position(at)),
                (b'(', _) => return self.begin(at, sign + 1, Capture::Open(at)),
                (b')', _) => return self.end(at, sign + 1),
                (b'%', b'b') => {
                    let Some(end) = self.balanced(at, sign + 2)? else { return Ok(None) };
                    (at, sign) = (end, sign + 4);
                }
                (b'%', b'f') => {
                    if self.sign(sign + 2) != b'[' {
                        return Err(Stop::Malformed("missing '[' after '%f' in pattern"));
                    }
                    let end = self.end_of_item(sign + 2)?;
                    let before = if at == 0 { 0 } else { self.text[at - 1] };
                    let after = self.text.get(at).copied().unwrap_or(0);
                    if self.is_in_set(before, sign + 2, end) || !self.is_in_set(after, sign + 2, end) {
                        return Ok(None);
                    }
                    sign = end;
                }
                (b'%', digit @ b'0'..=b'9') => {
                    let Some(end) = self.repeated(at, digit)? else { return Ok(None) };
                    (at, sign) = (end, sign + 2);
                }
                _ => {
                    let end = self.end_of_item(sign)?;
                    let fits = self.fits(at, sign, end)?;
                    match self.sign(end) {
                        b'*' => return self.longest(at, sign, end),
                        b'+' if fits => return self.longest(at + 1, sign, end),
                        b'-' => return self.shortest(at, sign, end),
                        b'?' => {
                            if fits && let Some(found) = self.matches(at + 1, end + 1)? {
                                return Ok(Some(found));
                            }
                            sign = end + 1;
                        }
                        _ if fits => (at, sign) = (at + 1, end),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn longest(&mut self, from: usize, sign: usize, end: usize) -> Result<Option<usize>, Stop> {
        let mut to = from;
        while self.fits(to, sign, end)? {
            to += 1;
        }
        for at in (from..=to).rev() {
            if let Some(found) = self.matches(at, end + 1)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn shortest(&mut self, mut at: usize, sign: usize, end: usize) -> Result<Option<usize>, Stop> {
        loop {
            if let Some(found) = self.matches(at, end + 1)? {
                return Ok(Some(found));
            }
            if !self.fits(at, sign, end)? {
                return Ok(None);
            }
            at += 1;
        }
    }

    fn begin(&mut self, at: usize, sign: usize, capture: Capture) -> Result<Option<usize>, Stop> {
        *self.captures.get_mut(self.open).ok_or(Stop::Malformed("too many captures"))? = capture;
        self.open += 1;
        let found = self.matches(at, sign)?;
        self.open -= usize::from(found.is_none());
        Ok(found)
    }

    /// The last capture that has not been closed, and where it began.
    fn open_capture(&self) -> Option<(usize, usize)> {
        let captures = self.captures[..self.open].iter().enumerate().rev();
        captures.into_iter().find_map(|(place, capture)| match capture {
            Capture::Open(start) => Some((place, *start)),
            Capture::Position(_) | Capture::Closed(..) => None,
        })
    }

    fn end(&mut self, at: usize, sign: usize) -> Result<Option<usize>, Stop> {
        let (place, start) = self.open_capture().ok_or(Stop::Malformed("invalid pattern capture"))?;
        self.captures[place] = Capture::Closed(start, at - start);
        let found = self.matches(at, sign)?;
        if found.is_none() {
            self.captures[place] = Capture::Open(start);
        }
        Ok(found)
    }

    /// `%1`: the text of a capture once more. A place is nowhere again.
    fn repeated(&mut self, at: usize, digit: u8) -> Result<Option<usize>, Stop> {
        const INVALID_INDEX: Stop = Stop::Malformed("invalid capture index");
        let captures = &self.captures[..self.open];
        let capture = usize::from(digit).checked_sub(usize::from(b'1')).and_then(|place| captures.get(place));
        match *capture.ok_or(INVALID_INDEX)? {
            Capture::Open(_) => Err(INVALID_INDEX),
            Capture::Position(_) => Ok(None),
            Capture::Closed(start, length) => {
                self.spend(length)?;
                let is_there = self.text[at..].starts_with(&self.text[start..start + length]);
                Ok(is_there.then_some(at + length))
            }
        }
    }

    /// `%b()`: from an opening byte to the one that closes it.
    fn balanced(&mut self, at: usize, sign: usize) -> Result<Option<usize>, Stop> {
        let (opening, closing) = (self.sign(sign), self.sign(sign + 1));
        if opening == 0 || closing == 0 {
            return Err(Stop::Malformed("unbalanced pattern"));
        }
        if self.text.get(at) != Some(&opening) {
            return Ok(None);
        }
        let mut depth = 1_usize;
        for place in at + 1..self.text.len() {
            self.spend(0)?;
            match self.text[place] {
                byte if byte == closing => depth -= 1,
                byte if byte == opening => depth += 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(Some(place + 1));
            }
        }
        Ok(None)
    }

    /// Where the item at `sign` ends: a byte, a class or a set.
    fn end_of_item(&self, sign: usize) -> Result<usize, Stop> {
        match (self.sign(sign), self.sign(sign + 1)) {
            (b'%', 0) => Err(Stop::Malformed("malformed pattern (ends with '%')")),
            (b'%', _) => Ok(sign + 2),
            (b'[', next) => {
                // The first byte of a set is a member, even where it is the one that would close it.
                let mut at = sign + 1 + usize::from(next == b'^');
                loop {
                    match self.sign(at) {
                        0 => return Err(Stop::Malformed("malformed pattern (missing ']')")),
                        b'%' if self.sign(at + 1) != 0 => at += 2,
                        _ => at += 1,
                    }
                    if self.sign(at) == b']' {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(sign + 1),
        }
    }

    /// Whether the byte of the text at `at` is one that the item from `sign` to `end` stands for.
    fn fits(&mut self, at: usize, sign: usize, end: usize) -> Result<bool, Stop> {
        self.spend(end - sign)?;
        let Some(byte) = self.text.get(at).copied() else { return Ok(false) };
        Ok(match self.sign(sign) {
            b'.' => true,
            b'%' => is_in_class(byte, self.sign(sign + 1)),
            b'[' => self.is_in_set(byte, sign, end),
            own => own == byte,
        })
    }

    /// Whether a set, from its bracket at `sign` up to its `end`, has a byte.
    fn is_in_set(&self, byte: u8, sign: usize, end: usize) -> bool {
        let (inverted, last) = (self.sign(sign + 1) == b'^', end.saturating_sub(1));
        let mut at = sign + 1 + usize::from(inverted);
        while at < last {
            let (has, length) = match (self.sign(at), self.sign(at + 1)) {
                (b'%', class) => (is_in_class(byte, class), 2),
                (from, b'-') if at + 2 < last => ((from..=self.sign(at + 2)).contains(&byte), 3),
                (own, _) => (own == byte, 1),
            };
            if has {
                return !inverted;
            }
            at += length;
        }
        inverted
    }
}

fn is_in_class(byte: u8, class: u8) -> bool {
    let has = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    has == class.is_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::lua::{LIBRARIES, Lua, State};
    use crate::util::random::Random;

    /// What Lua finds, as its values or its error in words.
    fn found_by_lua(lua: Lua, text: &[u8], pattern: &[u8], from: usize) -> String {
        lua.push_globals();
        lua.field(-1, "string");
        lua.field(-1, "find");
        lua.push_bytes(text);
        lua.push_bytes(pattern);
        lua.push_number((from + 1) as f64);
        lua.call(3, -1, 0);
        let found: Vec<String> =
            (3..=lua.top()).map(|index| String::from_utf8_lossy(lua.bytes(index)).into()).collect();
        lua.set_top(0);
        found.join("|")
    }

    /// What is found here, in the same words.
    fn found_here(text: &[u8], pattern: &[u8], from: usize) -> String {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found = match search(text, pattern, from, is_anchored(pattern), &mut |_| true) {
            Ok(Some(found)) => found,
            Ok(None) => return String::new(),
            Err(Stop::Malformed(fault)) => return fault.to_owned(),
            Err(Stop::Ended) => panic!("nobody ends it"),
        };
        let mut values = vec![(found.start + 1).to_string(), found.end.to_string()];
        for index in 0..found.captures() {
            values.push(match found.caught(index) {
                Ok(Caught::Text(from, to)) => shown(&text[from..to]),
                Ok(Caught::Place(place)) => (place + 1).to_string(),
                Err(fault) => return fault.to_owned(),
            });
        }
        values.join("|")
    }

    #[test]
    fn a_search_finds_what_lua_finds() {
        const PARTS: &[&str] = &[
            "a", "b", "c", "%a", "%D", "%z", ".", "[ab]", "[^a]", "[a-b%s]", "[]]", "*", "+", "-", "?", "(", ")", "()",
            "%1", "%b()", "%f[%a]", "^", "$", "[", "%", "\0",
        ];
        let state = State::new(usize::MAX);
        let lua = state.lua();
        LIBRARIES.iter().for_each(|(name, library)| lua.open(name, *library));
        let seed = crate::util::random::entropy();
        println!("seed {seed}");
        let mut random = Random::from_seed(seed);
        let mut below = |bound: usize| random.below(bound as u64) as usize;
        for _ in 0..30_000 {
            let pattern: String = (0..1 + below(6)).map(|_| PARTS[below(PARTS.len())]).collect();
            let text: Vec<u8> = (0..below(9)).map(|_| b"aabbc()] \0"[below(10)]).collect();
            // What has none is searched for as it is, whatever follows a zero byte.
            if !has_specials(pattern.as_bytes()) {
                continue;
            }
            let from = below(text.len() + 1);
            let found = found_here(&text, pattern.as_bytes(), from);
            assert_eq!(
                found,
                found_by_lua(lua, &text, pattern.as_bytes(), from),
                "{pattern:?} in {text:?} from {from}"
            );
        }
    }

    #[test]
    fn what_takes_long_can_be_ended() {
        let pattern = [b"a?".repeat(40), b"a".repeat(40)].concat();
        let text = [&b"a".repeat(39)[..], b"b"].concat();
        assert!(quick_cost(&text, &pattern).is_none());
        let mut accounts = 0;
        let mut account = |work| {
            accounts += 1;
            assert!(work < 2 * COST_PER_ACCOUNT);
            accounts < 3
        };
        assert_eq!(search(&text, &pattern, 0, false, &mut account).err(), Some(Stop::Ended));
        assert_eq!(accounts, 4, "asked again when all is over");
        let long = b"x".repeat(1 << 20);
        assert!(quick_cost(&long, b"x*y").is_none() && quick_cost(&long, b"%bxy").is_none());
        assert!(quick_cost(&long, b"x").is_some() && quick_cost(b"key:1000", b"^(%a+):(%d+)$").is_some());
        assert!(long.len() <= quick_cost(&long, b"x").unwrap_or(0));
    }
}
