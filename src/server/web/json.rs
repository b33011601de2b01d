//! JSON as it is sent to the page, written straight into a text.

use std::fmt::{Display, Write};

use crate::util::quote;

/// A text that is being written.
#[derive(Debug, Default)]
pub struct Json {
    text: String,
    /// Something stands before the next value, within the same brackets.
    needs_comma: bool,
}

impl Json {
    /// Writes an object; `fields` writes what is in it.
    pub fn object(&mut self, fields: impl FnOnce(&mut Json)) {
        self.brackets('{', '}', fields);
    }

    /// Writes an array.
    pub fn array(&mut self, items: impl FnOnce(&mut Json)) {
        self.brackets('[', ']', items);
    }

    fn brackets(&mut self, open: char, close: char, inner: impl FnOnce(&mut Json)) {
        self.begin(open);
        inner(self);
        self.end(close);
    }

    /// Writes the name of a field; its value follows.
    pub fn name(&mut self, name: &str) -> &mut Json {
        self.string(name);
        self.text.push(':');
        self.needs_comma = false;
        self
    }

    /// Writes a number.
    pub fn number(&mut self, value: impl Display) {
        self.comma();
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value}");
    }

    /// Writes a number with few digits: whole ones as such, others with two decimals.
    pub fn short(&mut self, value: f32) {
        if !value.is_finite() {
            return self.number(0);
        }
        match value.fract() == 0.0 && value.abs() < 1e15 {
            true => self.number(value as i64),
            false => self.number(format_args!("{value:.2}")),
        }
    }

    /// Writes a text. What could end a script or begin a tag is escaped, wherever it may be put.
    pub fn string(&mut self, text: &str) {
        self.comma();
        self.text.push('"');
        for character in text.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}' | '\0'..' ' | '\u{7f}'..='\u{9f}' => {
                    let _ = write!(self.text, "\\u{:04x}", character as u32);
                }
                _ => self.text.push(character),
            }
        }
        self.text.push('"');
    }

    /// Writes bytes as people read them: text as it is, anything else quoted as redis-cli does. What is longer than
    /// `max` bytes is cut.
    pub fn bytes(&mut self, bytes: &[u8], max: usize) {
        let mut kept = &bytes[..bytes.len().min(max)];
        if kept.len() < bytes.len() {
            while !kept.is_empty() && bytes[kept.len()] & 0xc0 == 0x80 {
                kept = &kept[..kept.len() - 1];
            }
        }
        let cut = if kept.len() < bytes.len() { "…" } else { "" };
        match std::str::from_utf8(kept) {
            Ok(text) if !text.chars().any(char::is_control) => self.string(&format!("{text}{cut}")),
            _ => {
                let mut quoted = Vec::new();
                quote::quote(kept, &mut quoted);
                self.string(&format!("{}{cut}", String::from_utf8_lossy(&quoted)));
            }
        }
    }

    /// Begins an object that [`Json::end_object`] ends.
    pub fn begin_object(&mut self) {
        self.begin('{');
    }

    /// Ends it.
    pub fn end_object(&mut self) {
        self.end('}');
    }

    /// Begins an array that [`Json::end_array`] ends.
    pub fn begin_array(&mut self) {
        self.begin('[');
    }

    /// Ends it.
    pub fn end_array(&mut self) {
        self.end(']');
    }

    fn begin(&mut self, bracket: char) {
        self.comma();
        self.text.push(bracket);
        self.needs_comma = false;
    }

    fn end(&mut self, bracket: char) {
        self.text.push(bracket);
        self.needs_comma = true;
    }

    fn comma(&mut self) {
        if std::mem::replace(&mut self.needs_comma, true) {
            self.text.push(',');
        }
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_one_behind_the_other() {
        let mut json = Json::default();
        json.object(|json| {
            json.name("a").number(1);
            json.name("b").array(|json| {
                json.short(1.0);
                json.short(0.126);
                json.short(f32::NAN);
                json.object(|_| {});
            });
            json.name("c").string("x\"\\\n\u{1}</script>");
        });
        let expected = r#"{"a":1,"b":[1,0.13,0,{}],"c":"x\"\\\n\u0001\u003c/script\u003e"}"#;
        assert_eq!(json.finish(), expected);
    }

    #[test]
    fn bytes_are_cut_at_a_character_and_quoted_when_they_are_no_text() {
        let of = |bytes: &[u8], max| {
            let mut json = Json::default();
            json.bytes(bytes, max);
            json.finish()
        };
        assert_eq!(of("Zoë".as_bytes(), 10), "\"Zoë\"");
        assert_eq!(of("Zoë".as_bytes(), 3), "\"Zo…\"");
        assert_eq!(of(b"\xff\x00", 10), r#""\"\\xff\\x00\"""#);
        assert_eq!(of(b"", 10), "\"\"");
    }
}
