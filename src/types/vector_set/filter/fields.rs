//! Finds one field in the attributes of an element, a JSON object, without reading more of it than lies before.
//!
//! The first field of the name counts; what comes behind it is not looked at and may be anything. Nothing here calls
//! itself more often than [`DEPTH_MAX`] times.

use super::tokens::{number_of, unescape};
use super::value::Value;

/// How deep lists may lie in lists to be taken as a value.
const DEPTH_MAX: usize = 128;

/// The value of a field. None if it is not there, is an object, or the text before it is not JSON.
pub fn field(json: &[u8], name: &[u8]) -> Option<Value> {
    let mut reader = Reader { json, at: 0 };
    reader.expect(b'{')?;
    loop {
        reader.skip_space();
        let key = reader.quoted()?;
        reader.expect(b':')?;
        reader.skip_space();
        if key == name && !name.is_empty() {
            return reader.value(0);
        }
        reader.skip_value()?;
        reader.expect(b',')?;
    }
}

struct Reader<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace() || byte == 11) {
            self.at += 1;
        }
    }

    /// Goes on over a byte, with space before it.
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Goes on over a string; gives what lies between its quotes, as it is written.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let mut at = start;
        loop {
            at += memchr::memchr2(b'\\', b'"', self.json.get(at..)?)?;
            if self.json[at] == b'"' {
                self.at = at + 1;
                return Some(&self.json[start..at]);
            }
            at += 2;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        Some(match self.peek()? {
            b'"' => {
                let (text, length) = unescape(&self.json[self.at + 1..], b'"')?;
                self.at += 1 + length;
                Value::String(text)
            }
            b'[' => self.list(depth)?,
            b't' => self.word(b"true", Value::Number(1.0))?,
            b'f' => self.word(b"false", Value::Number(0.0))?,
            b'n' => self.word(b"null", Value::Null)?,
            b'-' | b'+' | b'0'..=b'9' => Value::Number(number_of(self.number())?),
            _ => return None,
        })
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        if depth == DEPTH_MAX {
            return None;
        }
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(Value::List(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(Value::List(items));
                }
                _ => return None,
            }
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Option<Value> {
        let rest = &self.json[self.at..];
        let ends = rest.get(word.len()).is_none_or(|next| !next.is_ascii_alphanumeric() && *next != b'_');
        if !rest.starts_with(word) || !ends {
            return None;
        }
        self.at += word.len();
        Some(value)
    }

    fn number(&mut self) -> &'a [u8] {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
            self.at += 1;
        }
        &self.json[start..self.at]
    }

    /// Goes on over a value of any kind.
    fn skip_value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.quoted().map(|_| ()),
            open @ (b'{' | b'[') => self.skip_nested(open),
            b't' => self.word(b"true", Value::Null).map(|_| ()),
            b'f' => self.word(b"false", Value::Null).map(|_| ()),
            b'n' => self.word(b"null", Value::Null).map(|_| ()),
            b'-' | b'+' | b'0'..=b'9' => (!self.number().is_empty()).then_some(()),
            _ => None,
        }
    }

    /// Goes on over an object or a list, by counting what opens and closes such a one.
    fn skip_nested(&mut self, opening: u8) -> Option<()> {
        let closing = if opening == b'{' { b'}' } else { b']' };
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.quoted()?;
                    continue;
                }
                byte if byte == opening => open += 1,
                byte if byte == closing => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Some(());
            }
        }
    }
}
