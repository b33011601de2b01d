//! Rehearsals of pattern matching: what Lua's own matcher could not be ended in is first gone through here.
//!
//! Lua tries the ways a pattern may match one after the other, and there can be exponentially many of them
//! (`('a?'):rep(30) .. ('a'):rep(30)`). Its matcher is one C function, in which nobody looks at the clock or at those
//! who wait. So a call that might take long is rehearsed, with a look now and then, and is left to Lua when it has come
//! to an end. Lua then takes the same steps, and so ends, too. Calls that cannot take long are most, and cost nothing.
//!
//! Patterns are those of Lua 5.1: `%z` stands for a zero byte, and a zero byte ends the pattern.

/// Bytes compared that nobody minds waiting for.
const COST_MAX: u64 = 1 << 24;
/// Bytes compared between two looks.
const COST_PER_LOOK: u64 = 1 << 20;
/// The most captures of a pattern.
const CAPTURES_MAX: usize = 32;

/// How much of a text a function looks through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// From this position up to the first match.
    First(usize),
    /// All matches.
    All,
    /// All matches, one at a time: what anchors a pattern elsewhere is a byte like others there.
    Each,
}

/// Whether a pattern has anything that does not stand for itself.
pub fn has_specials(pattern: &[u8]) -> bool {
    cut(pattern).iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

/// Whether a call cannot take long, by the size of its text and the number of parts of its pattern that stand for
/// texts of any length.
pub fn is_quick(text: &[u8], pattern: &[u8]) -> bool {
    let parts = pattern.iter().filter(|byte| b"*+-?b".contains(byte)).count() as u32;
    let ways = (text.len() as u64 + 1).saturating_pow(parts.saturating_add(1));
    ways.saturating_mul(pattern.len() as u64) <= COST_MAX
}

/// What a rehearsal came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsed {
    /// Lua will come to an end, too: with a match, or as the pattern makes no sense.
    Ends,
    /// There is no match.
    Nothing,
    /// It was not to go on.
    Ended,
}

/// Goes through a call. `look` is asked every so often whether to go on.
pub fn rehearse(text: &[u8], pattern: &[u8], extent: Extent, look: &mut dyn FnMut() -> bool) -> Rehearsed {
    match Matcher::new(text, cut(pattern), look).run(extent) {
        Ok(None) => Rehearsed::Nothing,
        Ok(Some(_)) | Err(Stop::Malformed) => Rehearsed::Ends,
        Err(Stop::Ended) => Rehearsed::Ended,
    }
}

/// A pattern up to its end.
fn cut(pattern: &[u8]) -> &[u8] {
    &pattern[..memchr::memchr(0, pattern).unwrap_or(pattern.len())]
}

/// Why a match is given up.
enum Stop {
    /// Somebody wanted that.
    Ended,
    /// The pattern makes no sense.
    Malformed,
}

#[derive(Clone, Copy, Debug)]
enum Capture {
    /// It has begun here.
    Open(usize),
    /// It is a place, not a text.
    Position,
    /// It began at the first and is as long as the second says.
    Closed(usize, usize),
}

struct Matcher<'a> {
    text: &'a [u8],
    pattern: &'a [u8],
    captures: [Capture; CAPTURES_MAX],
    /// Captures that have begun.
    open: usize,
    /// Bytes compared so far.
    cost: u64,
    /// The cost at which is looked next.
    look_at: u64,
    look: &'a mut dyn FnMut() -> bool,
}

impl<'a> Matcher<'a> {
    fn new(text: &'a [u8], pattern: &'a [u8], look: &'a mut dyn FnMut() -> bool) -> Matcher<'a> {
        let captures = [Capture::Position; CAPTURES_MAX];
        Matcher { text, pattern, captures, open: 0, cost: 0, look_at: COST_PER_LOOK, look }
    }

    /// Where the last match ends of those that are wanted.
    fn run(&mut self, extent: Extent) -> Result<Option<usize>, Stop> {
        let (mut start, is_first) = match extent {
            Extent::First(start) => (start, true),
            Extent::All | Extent::Each => (0, false),
        };
        let anchored = extent != Extent::Each && self.sign(0) == b'^';
        let mut last = None;
        while start <= self.text.len() {
            self.open = 0;
            let end = self.matches(start, usize::from(anchored))?;
            last = end.or(last);
            if is_first && end.is_some() && self.open_capture().is_some() {
                return Err(Stop::Malformed);
            }
            if anchored || is_first && end.is_some() {
                break;
            }
            start = end.unwrap_or(0).max(start + usize::from(end.is_none_or(|end| end == start)));
        }
        Ok(last)
    }

    fn spend(&mut self, cost: usize) -> Result<(), Stop> {
        self.cost += cost as u64 + 1;
        if self.cost < self.look_at {
            return Ok(());
        }
        self.look_at = self.cost + COST_PER_LOOK;
        if (self.look)() { Ok(()) } else { Err(Stop::Ended) }
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
                (b'(', b')') => return self.begin(at, sign + 2, Capture::Position),
                (b'(', _) => return self.begin(at, sign + 1, Capture::Open(at)),
                (b')', _) => return self.end(at, sign + 1),
                (b'%', b'b') => {
                    let Some(end) = self.balanced(at, sign + 2)? else { return Ok(None) };
                    (at, sign) = (end, sign + 4);
                }
                (b'%', b'f') => {
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
        *self.captures.get_mut(self.open).ok_or(Stop::Malformed)? = capture;
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
            Capture::Position | Capture::Closed(..) => None,
        })
    }

    fn end(&mut self, at: usize, sign: usize) -> Result<Option<usize>, Stop> {
        let (place, start) = self.open_capture().ok_or(Stop::Malformed)?;
        self.captures[place] = Capture::Closed(start, at - start);
        let found = self.matches(at, sign)?;
        if found.is_none() {
            self.captures[place] = Capture::Open(start);
        }
        Ok(found)
    }

    /// `%1`: the text of a capture once more. A place is nowhere again.
    fn repeated(&mut self, at: usize, digit: u8) -> Result<Option<usize>, Stop> {
        let captures = &self.captures[..self.open];
        let capture = usize::from(digit).checked_sub(usize::from(b'1')).and_then(|place| captures.get(place));
        match *capture.ok_or(Stop::Malformed)? {
            Capture::Open(_) => Err(Stop::Malformed),
            Capture::Position => Ok(None),
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
            return Err(Stop::Malformed);
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
            (b'%', 0) => Err(Stop::Malformed),
            (b'%', _) => Ok(sign + 2),
            (b'[', next) => {
                // The first byte of a set is a member, even where it is the one that would close it.
                let mut at = sign + 1 + usize::from(next == b'^');
                loop {
                    match self.sign(at) {
                        0 => return Err(Stop::Malformed),
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
    use crate::script::lua::{LIBRARIES, Lua, State, Status};
    use crate::util::random::Random;

    /// Where Lua says that a match ends; `None` when the pattern makes no sense.
    fn found_by_lua(lua: Lua, text: &[u8], pattern: &[u8]) -> Option<Option<usize>> {
        lua.push_globals();
        lua.field(-1, "string");
        lua.field(-1, "find");
        lua.push_bytes(text);
        lua.push_bytes(pattern);
        let status = lua.call(2, 2, 0);
        let end = (status == Status::Done).then(|| lua.is_number(-1).then(|| lua.number(-1) as usize));
        lua.set_top(0);
        end
    }

    #[test]
    fn a_rehearsal_finds_what_lua_finds() {
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
            let mut look = || true;
            let found = Matcher::new(&text, cut(pattern.as_bytes()), &mut look).run(Extent::First(0)).ok();
            assert_eq!(found, found_by_lua(lua, &text, pattern.as_bytes()), "{pattern:?} in {text:?}");
        }
    }

    #[test]
    fn what_takes_long_can_be_ended() {
        let pattern = [b"a?".repeat(40), b"a".repeat(40)].concat();
        let text = b"a".repeat(40);
        assert!(!is_quick(&text, &pattern));
        for extent in [Extent::First(0), Extent::All, Extent::Each] {
            let mut looks = 0;
            let mut look = || {
                looks += 1;
                looks < 3
            };
            let text = [&text[..39], b"b"].concat();
            assert_eq!(rehearse(&text, &pattern, extent, &mut look), Rehearsed::Ended);
            assert_eq!(looks, 3);
        }
        let long = b"x".repeat(1 << 20);
        assert!(!is_quick(&long, b"x*y") && !is_quick(&long, b"%bxy"));
        assert!(is_quick(&long, b"x") && is_quick(b"key:1000", b"^(%a+):(%d+)$"));
        let short = &long[..1000];
        assert_eq!(rehearse(short, b"x*", Extent::All, &mut || true), Rehearsed::Ends);
        assert_eq!(rehearse(short, b"x*y", Extent::All, &mut || true), Rehearsed::Nothing);
        assert_eq!(rehearse(short, b"x*(", Extent::All, &mut || true), Rehearsed::Ends);
    }
}
