//! Replies as bytes: where each ends, and a tree of one where bytes alone do not decide.
//!
//! A batch of replies is compared as bytes. Only a reply that differs, or that tells what comes next, is parsed.

use std::fmt::Write;
use std::ops::Range;

/// Finds the ends of replies in bytes that arrive piece by piece, without looking at any byte twice.
#[derive(Debug, Default)]
pub struct Framer {
    /// Where the reply in progress began.
    start: usize,
    at: usize,
    /// What is still to come of each aggregate that is open.
    open: Vec<usize>,
}

impl Framer {
    /// The next whole reply, or nothing until more bytes have come.
    ///
    /// # Panics
    /// If the bytes are no reply.
    pub fn next(&mut self, bytes: &[u8]) -> Option<Range<usize>> {
        loop {
            let line = line_at(bytes, self.at)?;
            let (kind, rest) = (line[0], &line[1..]);
            let after_line = self.at + line.len() + 2;
            match kind {
                b'$' | b'!' | b'=' if rest != b"-1" => {
                    let end = after_line + length_of(rest) + 2;
                    if bytes.len() < end {
                        return None;
                    }
                    self.at = end;
                }
                b'*' | b'~' | b'>' | b'%' if rest != b"-1" => {
                    self.at = after_line;
                    let items = length_of(rest) * if kind == b'%' { 2 } else { 1 };
                    if items > 0 {
                        self.open.push(items);
                        continue;
                    }
                }
                _ => self.at = after_line,
            }
            while let Some(left) = self.open.last_mut() {
                *left -= 1;
                if *left > 0 {
                    break;
                }
                self.open.pop();
            }
            if self.open.is_empty() {
                let start = std::mem::replace(&mut self.start, self.at);
                return Some(start..self.at);
            }
        }
    }
}

fn line_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = &bytes[at..];
    // An error may contain a carriage return: Redis sends what a compiler of scripts says as it is.
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    assert!(end > 0, "no line of a reply: {:?}", String::from_utf8_lossy(rest));
    Some(&rest[..end])
}

fn length_of(digits: &[u8]) -> usize {
    let text = String::from_utf8_lossy(digits);
    text.parse().unwrap_or_else(|_| panic!("no length: {text:?}"))
}

/// A reply, with the byte that tells its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// What stands on one line: status, error, integer, double, boolean, big number, the nulls.
    Line(u8, Vec<u8>),
    /// A bulk string, a bulk error or a verbatim string.
    Bulk(u8, Vec<u8>),
    /// An aggregate; a map holds its keys and values in turn.
    Many(u8, Vec<Value>),
}

impl Value {
    /// Parses a whole reply.
    pub fn parse(bytes: &[u8]) -> Value {
        parse_at(bytes, &mut 0)
    }

    /// The bytes of a status, an error or a string, and of any other line.
    pub fn text(&self) -> &[u8] {
        match self {
            Value::Line(_, text) | Value::Bulk(_, text) => text,
            Value::Many(..) => b"",
        }
    }

    /// The elements of an aggregate; none of anything else.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::Many(_, items) => items,
            Value::Line(..) | Value::Bulk(..) => &[],
        }
    }

    /// The byte that tells the kind.
    pub fn kind(&self) -> u8 {
        match self {
            Value::Line(kind, _) | Value::Bulk(kind, _) | Value::Many(kind, _) => *kind,
        }
    }

    /// An integer reply's number.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Value::Line(b':', text) => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// True for any of the nulls of both protocols.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Line(b'$' | b'*' | b'_', _))
    }

    /// One line that shows every difference: kinds, binary bytes and all.
    pub fn shown(&self) -> String {
        let mut out = String::new();
        self.show(&mut out);
        out
    }

    fn show(&self, out: &mut String) {
        match self {
            Value::Line(kind, text) => {
                let _ = write!(out, "{}{}", *kind as char, String::from_utf8_lossy(text));
            }
            Value::Bulk(b'$', text) => out.push_str(&quoted(text)),
            Value::Bulk(kind, text) => {
                let _ = write!(out, "{}{}", *kind as char, quoted(text));
            }
            Value::Many(kind, items) => {
                if *kind != b'*' {
                    out.push(*kind as char);
                }
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    item.show(out);
                }
                out.push(']');
            }
        }
    }
}

fn parse_at(bytes: &[u8], at: &mut usize) -> Value {
    let line = line_at(bytes, *at).expect("a whole reply");
    let (kind, rest) = (line[0], &line[1..]);
    *at += line.len() + 2;
    match kind {
        b'$' | b'!' | b'=' if rest != b"-1" => {
            let start = *at;
            *at += length_of(rest) + 2;
            Value::Bulk(kind, bytes[start..*at - 2].to_vec())
        }
        b'*' | b'~' | b'>' | b'%' if rest != b"-1" => {
            let items = length_of(rest) * if kind == b'%' { 2 } else { 1 };
            Value::Many(kind, (0..items).map(|_| parse_at(bytes, at)).collect())
        }
        _ => Value::Line(kind, rest.to_vec()),
    }
}

/// Bytes as redis-cli takes them: bare where that is safe, else in double quotes with escapes.
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => out.push(*byte as char),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
    out
}

/// A command line for redis-cli.
pub fn command_line(words: &[Vec<u8>]) -> String {
    let is_bare = |word: &[u8]| {
        !word.is_empty() && word.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\' | b'#'))
    };
    let shown =
        words.iter().map(|word| if is_bare(word) { String::from_utf8_lossy(word).into() } else { quoted(word) });
    shown.collect::<Vec<String>>().join(" ")
}

#[test]
fn replies_end_where_they_end_however_they_arrive() {
    let replies: &[&[u8]] = &[
        b"+OK\r\n",
        b"$-1\r\n",
        b"$5\r\na\r\nbc\r\n",
        b"*0\r\n",
        b"*2\r\n*1\r\n:1\r\n$0\r\n\r\n",
        b"%1\r\n$1\r\na\r\n~2\r\n_\r\n,1.5\r\n",
        b"*-1\r\n",
    ];
    let bytes = replies.concat();
    let mut framer = Framer::default();
    let mut found = Vec::new();
    for end in 0..=bytes.len() {
        while let Some(range) = framer.next(&bytes[..end]) {
            assert_eq!(range.end, end);
            found.push(&bytes[range]);
        }
    }
    assert_eq!(found, replies);
}

#[test]
fn a_shown_reply_tells_kinds_apart() {
    let shown = |bytes: &[u8]| Value::parse(bytes).shown();
    assert_eq!(shown(b"*3\r\n$1\r\n\xff\r\n:1\r\n*-1\r\n"), r#"["\xff", :1, *-1]"#);
    assert_eq!(shown(b"%1\r\n+a\r\n_\r\n"), "%[+a, _]");
    assert_eq!(command_line(&[b"SET".to_vec(), b"".to_vec(), b"a b".to_vec()]), r#"SET "" "a b""#);
}
