//! The arguments of a call: ranges over the bytes the client sent, read through typed accessors.

use std::ops::Deref;

use super::error::{Error, NOT_AN_INTEGER, NOT_POSITIVE};
use crate::db::Key;
use crate::resp::request::ArgView;
use crate::util::long_double::LongDouble;
use crate::util::number;

/// The arguments of one call. Copy it freely.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    view: ArgView<'a>,
    /// The argument whose hash is known already (0: none), and that hash.
    hashed: usize,
    hash: u64,
}

impl<'a> Deref for Args<'a> {
    type Target = ArgView<'a>;
    #[inline]
    fn deref(&self) -> &ArgView<'a> {
        &self.view
    }
}

impl<'a> From<ArgView<'a>> for Args<'a> {
    fn from(view: ArgView<'a>) -> Args<'a> {
        Args { view, hashed: 0, hash: 0 }
    }
}

impl<'a> Args<'a> {
    /// Arguments of which one, a key, has been hashed in advance.
    #[inline]
    pub fn with_hash(view: ArgView<'a>, hashed: usize, hash: u64) -> Args<'a> {
        Args { view, hashed, hash }
    }

    /// Argument `index` as a key.
    #[inline(always)]
    pub fn key(&self, index: usize) -> Key<'a> {
        let bytes = self.get(index);
        if index == self.hashed { Key::hashed(bytes, self.hash) } else { Key::new(bytes) }
    }

    /// The keys at `from`, `from + step` and so on.
    pub fn keys(self, from: usize, step: usize) -> impl Iterator<Item = Key<'a>> {
        (from..self.len()).step_by(step).map(move |index| self.key(index))
    }

    /// The arguments from `from` on, as bytes.
    pub fn rest(self, from: usize) -> impl Iterator<Item = &'a [u8]> {
        (from..self.len()).map(move |index| self.get(index))
    }

    /// Argument `index` if there is one.
    pub fn try_get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.len()).then(|| self.get(index))
    }

    /// Argument `index` as a signed integer.
    #[inline]
    pub fn integer(&self, index: usize) -> Result<i64, Error> {
        number::parse_i64(self.get(index)).ok_or(NOT_AN_INTEGER)
    }

    /// Argument `index` as an integer of 32 bits.
    pub fn integer32(&self, index: usize) -> Result<i32, Error> {
        const RANGE: Error = Error::fixed("ERR value is out of range, value must between -2147483648 and 2147483647");
        i32::try_from(self.integer(index)?).map_err(|_| RANGE)
    }

    /// Argument `index` as an integer of at least zero; a negative one is called out of range.
    pub fn positive(&self, index: usize) -> Result<usize, Error> {
        let value = number::parse_i64(self.get(index)).ok_or(NOT_POSITIVE)?;
        usize::try_from(value).map_err(|_| NOT_POSITIVE)
    }

    /// Argument `index` as an integer in a range, else the error given.
    pub fn integer_in(&self, index: usize, range: std::ops::RangeInclusive<i64>, error: Error) -> Result<i64, Error> {
        number::parse_i64(self.get(index)).filter(|value| range.contains(value)).ok_or(error)
    }

    /// Argument `index` as the time a blocking command waits, in seconds: the point of time when it gives up, in Unix
    /// milliseconds. `None` for zero, which waits forever.
    pub fn timeout(&self, index: usize, now_ms: i64) -> Result<Option<i64>, Error> {
        const NOT_A_TIMEOUT: Error = Error::fixed("ERR timeout is not a float or out of range");
        let seconds =
            number::parse_f64(self.get(index)).or_else(|| beyond_doubles(self.get(index))).ok_or(NOT_A_TIMEOUT)?;
        if seconds < 0.0 {
            return Err(Error::fixed("ERR timeout is negative"));
        }
        let millis = (seconds * 1000.0).ceil();
        if millis >= (i64::MAX - now_ms) as f64 {
            return Err(Error::fixed("ERR timeout is out of range"));
        }
        Ok((millis > 0.0).then(|| now_ms + millis as i64))
    }

    /// Like [`Args::timeout`], for a time in milliseconds.
    pub fn timeout_ms(&self, index: usize, now_ms: i64) -> Result<Option<i64>, Error> {
        const NOT_A_TIMEOUT: Error = Error::fixed("ERR timeout is not an integer or out of range");
        let millis = number::parse_i64(self.get(index)).ok_or(NOT_A_TIMEOUT)?;
        if millis < 0 {
            return Err(Error::fixed("ERR timeout is negative"));
        }
        let deadline_ms = now_ms.checked_add(millis).ok_or(Error::fixed("ERR timeout is out of range"))?;
        Ok((millis > 0).then_some(deadline_ms))
    }

    /// Whether argument `index` exists and is this word, in any case.
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.try_get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The option at argument `index`, and the argument behind what belongs to it. Each row is a word, what it means and
    /// how many arguments belong to it. `None` when the word is in no row, or too few arguments follow it.
    pub fn option<W: Copy>(&self, index: usize, rows: &[(&str, W, usize)]) -> Option<(W, usize)> {
        let &(_, option, operands) = rows.iter().find(|(word, ..)| self.is(index, word))?;
        let next = index + 1 + operands;
        (next <= self.len()).then_some((option, next))
    }

    /// The options from argument `from` on, each behind its place; `read` gives the option at an argument and the
    /// argument behind what belongs to it. What is no option is passed over.
    pub fn options<W>(
        self,
        from: usize,
        read: impl Fn(usize) -> Option<(W, usize)>,
    ) -> impl Iterator<Item = (usize, W)> {
        let mut next = from;
        std::iter::from_fn(move || {
            while next < self.len() {
                let index = next;
                let Some((option, behind)) = read(index) else {
                    next += 1;
                    continue;
                };
                next = behind;
                return Some((index, option));
            }
            None
        })
    }
}

/// An argument as error messages quote it: at most 128 bytes, and no further than a NUL.
pub fn shown(arg: &[u8]) -> &[u8] {
    until_nul(&arg[..arg.len().min(128)])
}

/// An argument as error messages quote it that name it in full: no further than a NUL.
pub fn until_nul(arg: &[u8]) -> &[u8] {
    memchr::memchr(0, arg).map_or(arg, |end| &arg[..end])
}

/// The double next to a number that only a long double can hold, as Redis has timeouts in.
#[cold]
fn beyond_doubles(text: &[u8]) -> Option<f64> {
    let (value, one) = (LongDouble::parse(text)?, LongDouble::parse(b"1")?);
    Some(match (value.is_below(one.negated()), value.is_below(one)) {
        (true, _) => f64::MIN,
        (false, false) => f64::MAX,
        (false, true) => f64::MIN_POSITIVE,
    })
}
