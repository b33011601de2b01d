//! How replies look: for people, raw, or for other programs. Byte for byte as redis-cli 7.0 prints them.

mod csv;
mod human;
mod json;
mod raw;

use oxidis::quote::quote;
use oxidis::resp::Value;

/// A way to print replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// With types, numbers and quotes.
    Human,
    /// Nothing but the bytes.
    Raw,
    /// Comma-separated values.
    Csv,
    /// JSON, in the encoding of the reply.
    Json,
    /// JSON in ASCII.
    QuotedJson,
}

/// A style, and what separates things in raw output.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The style.
    pub style: Style,
    /// Between the elements of a raw reply.
    pub delimiter: Vec<u8>,
    /// Behind each raw reply.
    pub end: Vec<u8>,
}

impl Layout {
    /// The style with the usual line breaks.
    pub fn new(style: Style) -> Layout {
        Layout { style, delimiter: b"\n".to_vec(), end: b"\n".to_vec() }
    }

    /// A reply as it is printed.
    pub fn reply(&self, reply: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        match self.style {
            Style::Human => human::append(&mut out, reply, ""),
            Style::Raw => {
                raw::append(&mut out, reply, &self.delimiter);
                out.extend_from_slice(&self.end);
            }
            Style::Csv => {
                csv::append(&mut out, reply);
                out.push(b'\n');
            }
            Style::Json | Style::QuotedJson => {
                json::append(&mut out, reply, self.style == Style::QuotedJson);
                out.push(b'\n');
            }
        }
        out
    }

    /// A reply that is a text for people already, as that of INFO.
    pub fn text(&self, reply: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        raw::append(&mut out, reply, &self.delimiter);
        out
    }

    /// A push that came by itself.
    pub fn push(&self, push: &Value) -> Vec<u8> {
        match push {
            Value::Push(values) if self.style == Style::Human => match values.as_slice() {
                [kind, Value::Array(keys)] if kind.bytes() == Some(b"invalidate") => human::invalidation(keys),
                _ => self.reply(push),
            },
            _ => self.reply(push),
        }
    }
}

/// The bytes as a quoted word, for a text.
pub fn shown(bytes: &[u8]) -> String {
    // A quoted word is ASCII.
    String::from_utf8(quoted(bytes)).unwrap_or_default()
}

/// The bytes as a quoted word.
pub fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    quote(bytes, &mut out);
    out
}
