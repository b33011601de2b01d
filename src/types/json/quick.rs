//! Well-formed JSON text to values, quickly.
//!
//! ```text
//! value  = "null" / "true" / "false" / number / text / "[" [value *("," value)] "]" / "{" [member *("," member)] "}"
//! member = text ":" value
//! ```
//! Nothing is said of what is wrong: the text is then read again by `serde_json`, which does say so. So whatever is read
//! here has to be read there alike, which a test checks; but for numbers of many digits, which are read there, and in
//! RedisJSON, as a double that need not be the nearest. What is written to a file has to come back as it was.

use super::scan::special_at;
use super::value::{INDEXED_FROM, Json, Member, Object, Text};
use crate::util::number::{EXACT_DIGITS, EXACT_POWERS};

/// Integers of so many digits are below 2^63.
const DIGITS_MAX: usize = 18;

/// Reads a value that lies in no more than so many arrays and objects, and tells where it ends. `None` if the text is
/// not well-formed, or goes beyond what is read here.
pub fn read(text: &str, depth_max: usize) -> Option<(Json, usize)> {
    let mut reader =
        Reader { text: text.as_bytes(), at: 0, depth_left: depth_max, values: Vec::new(), members: Vec::new() };
    let value = reader.value()?;
    Some((value, reader.at))
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    depth_left: usize,
    /// What has been read of arrays that are not at their end, those within others behind these. Each then gets an
    /// allocation of its size.
    values: Vec<Json>,
    /// The same of objects.
    members: Vec<Member>,
}

impl Reader<'_> {
    /// The next byte that is no blank, which is not passed over.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            match *self.text.get(self.at)? {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn value(&mut self) -> Option<Json> {
        match self.next()? {
            b'"' => self.string().map(Json::Text),
            b'-' | b'0'..=b'9' => self.number(),
            b'{' => self.object(),
            b'[' => self.array(),
            b't' => self.word(b"true", Json::Bool(true)),
            b'f' => self.word(b"false", Json::Bool(false)),
            b'n' => self.word(b"null", Json::Null),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8], value: Json) -> Option<Json> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    /// Reads from an opening quote on.
    #[inline]
    fn string(&mut self) -> Option<Text> {
        let rest = &self.text[self.at + 1..];
        let len = special_at(rest);
        match *rest.get(len)? {
            b'"' => {
                self.at += len + 2;
                Some(Text::new(&rest[..len]))
            }
            b'\\' => self.escaped(len),
            _ => None,
        }
    }

    /// Reads a string whose first so many bytes are plain.
    #[cold]
    fn escaped(&mut self, mut len: usize) -> Option<Text> {
        let mut text = Vec::new();
        self.at += 1;
        loop {
            text.extend_from_slice(&self.text[self.at..self.at + len]);
            self.at += len + 1;
            match self.text.get(self.at - 1)? {
                b'"' => return Some(Text::new(&text)),
                b'\\' => self.escape(&mut text)?,
                _ => return None,
            }
            len = special_at(&self.text[self.at..]);
        }
    }

    /// Reads what stands behind a backslash.
    fn escape(&mut self, text: &mut Vec<u8>) -> Option<()> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        text.push(match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let first = self.four_digits()?;
                let code = match first {
                    0xd800..0xdc00 => {
                        self.word(b"\\u", Json::Null)?;
                        let second = self.four_digits()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                        0x10000 + ((first - 0xd800) << 10 | second)
                    }
                    _ => first,
                };
                text.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
                return Some(());
            }
            _ => return None,
        });
        Some(())
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))
    }

    /// Passes over digits, and adds them to a number.
    #[inline]
    fn digits(&mut self, mut value: u64) -> (u64, usize) {
        let start = self.at;
        while let Some(digit) = self.text.get(self.at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        (value, self.at - start)
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        let is_negative = self.text[start] == b'-';
        self.at += usize::from(is_negative);
        let is_zero = self.text.get(self.at) == Some(&b'0');
        let (whole, digits) = self.digits(0);
        match self.text.get(self.at) {
            _ if digits == 0 || is_zero && digits > 1 => None,
            Some(b'.') => {
                self.at += 1;
                let (value, behind) = self.digits(whole);
                let is_simple = behind > 0 && digits + behind <= EXACT_DIGITS;
                if !is_simple || matches!(self.text.get(self.at), Some(b'e' | b'E')) {
                    return self.any_number(start);
                }
                let value = value as f64 / EXACT_POWERS[behind];
                Some(Json::Double(if is_negative { -value } else { value }))
            }
            Some(b'e' | b'E') => self.any_number(start),
            _ if digits > DIGITS_MAX || is_negative && whole == 0 => self.any_number(start),
            _ => Some(Json::Int(if is_negative { -(whole as i64) } else { whole as i64 })),
        }
    }

    /// Reads a number from its first byte on, whatever its size.
    #[cold]
    fn any_number(&mut self, start: usize) -> Option<Json> {
        let rest = &self.text[start..];
        let is_of_number = |byte: &&u8| matches!(**byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
        let len = rest.iter().take_while(is_of_number).count();
        let text = std::str::from_utf8(&rest[..len]).ok()?;
        let number: serde_json::Number = serde_json::from_str(text).ok()?;
        self.at = start + len;
        match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Some(Json::Int(value)),
            (None, Some(value)) => Some(Json::Big(value)),
            (None, None) => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Json::Double),
        }
    }

    /// Passes over an opening bracket; whether the closing one stands behind it.
    fn opens(&mut self, close: u8) -> Option<bool> {
        self.depth_left = self.depth_left.checked_sub(1)?;
        self.at += 1;
        let is_empty = self.next()? == close;
        self.at += usize::from(is_empty);
        self.depth_left += usize::from(is_empty);
        Some(is_empty)
    }

    /// Passes over what stands behind a value; whether that is the closing bracket.
    #[inline]
    fn closes(&mut self, close: u8) -> Option<bool> {
        let next = self.next()?;
        self.at += 1;
        if next == close {
            self.depth_left += 1;
            return Some(true);
        }
        (next == b',').then_some(false)
    }

    fn array(&mut self) -> Option<Json> {
        let start = self.values.len();
        if self.opens(b']')? {
            return Some(Json::array(Vec::new()));
        }
        loop {
            let value = self.value()?;
            self.values.push(value);
            if self.closes(b']')? {
                return Some(Json::array(self.values.split_off(start)));
            }
        }
    }

    fn object(&mut self) -> Option<Json> {
        let start = self.members.len();
        let mut object = Object::default();
        if self.opens(b'}')? {
            return Some(Json::Object(Box::new(object)));
        }
        // Which names have been seen, by a bit that they share with others: most need not be looked for.
        let mut seen = 0u64;
        loop {
            if self.next()? != b'"' {
                return None;
            }
            let name = self.string()?;
            if self.next()? != b':' {
                return None;
            }
            self.at += 1;
            let value = self.value()?;
            let bit = 1 << mark(name.bytes());
            let known = match seen & bit {
                0 => None,
                _ => self.members[start..].iter().position(|member| member.name == name),
            };
            seen |= bit;
            match known {
                Some(place) => self.members[start + place].value = value,
                None if object.is_empty() && self.members.len() - start < INDEXED_FROM => {
                    self.members.push(Member { name, value });
                }
                None => {
                    if object.is_empty() {
                        object = Object::of(self.members.split_off(start));
                    }
                    object.put(name, value);
                }
            }
            if self.closes(b'}')? {
                if object.is_empty() {
                    object = Object::of(self.members.split_off(start));
                }
                object.shrink();
                return Some(Json::Object(Box::new(object)));
            }
        }
    }
}

/// One of 64 numbers for a name.
fn mark(name: &[u8]) -> u32 {
    let edge = |byte: Option<&u8>| byte.map_or(0, |byte| u32::from(*byte));
    (name.len() as u32 + 3 * edge(name.first()) + 11 * edge(name.last())) % 64
}
