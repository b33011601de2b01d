//! Quoting of byte strings on one line: inline commands, config lines, MONITOR, SLOWLOG.
//!
//! [`quote`] prints any bytes as one double-quoted word of printable ASCII; [`split_args`] reads a line of
//! such words back. Between double quotes `\n \r \t \b \a`, `\xHH` and `\` before any other byte are
//! escapes; between single quotes only `\'` is. A closing quote must end its word. A NUL ends the line,
//! as it does for the C strings of Redis.
//!
//! Own code: `shlex` reads by the rules of a shell and `escape_ascii` prints those of Rust; both differ from Redis.

use std::fmt;

/// A quote was left open, or a closing quote was not followed by a blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unbalanced;

impl fmt::Display for Unbalanced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("unbalanced quotes")
    }
}

impl std::error::Error for Unbalanced {}

/// Splits a line into its words; an empty or blank line has none.
pub fn split_args(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let line = memchr::memchr(0, line).and_then(|end| line.get(..end)).unwrap_or(line);
    let mut words = Vec::new();
    let mut rest = skip_blanks(line);
    while !rest.is_empty() {
        let (word, after) = take_word(rest)?;
        words.push(word);
        rest = skip_blanks(after);
    }
    Ok(words)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_blank(*first)
    {
        text = rest;
    }
    text
}

/// Takes one word off a text that does not begin with a blank. The first closing quote ends the word.
fn take_word(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Unbalanced> {
    let mut word = Vec::new();
    loop {
        rest = match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok((word, rest)),
            [b'"', quoted @ ..] => return end_word(take_double_quoted(quoted, &mut word)?, word),
            [b'\'', quoted @ ..] => return end_word(take_single_quoted(quoted, &mut word)?, word),
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
        };
    }
}

fn end_word(after_quote: &[u8], word: Vec<u8>) -> Result<(Vec<u8>, &[u8]), Unbalanced> {
    match after_quote.first() {
        Some(byte) if !is_blank(*byte) => Err(Unbalanced),
        _ => Ok((word, after_quote)),
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        let (byte, after) = match rest {
            [] => return Err(Unbalanced),
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hexadecimal(*high) << 4 | hexadecimal(*low), after)
            }
            [b'\\', escaped, after @ ..] => (unescape(*escaped), after),
            [byte, after @ ..] => (*byte, after),
        };
        word.push(byte);
        rest = after;
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        let (byte, after) = match rest {
            [] => return Err(Unbalanced),
            [b'\'', after @ ..] => return Ok(after),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [byte, after @ ..] => (*byte, after),
        };
        word.push(byte);
        rest = after;
    }
}

fn hexadecimal(digit: u8) -> u8 {
    char::from(digit).to_digit(16).map_or(0, |value| value as u8)
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// Appends the bytes as one double-quoted word.
pub fn quote(bytes: &[u8], out: &mut Vec<u8>) {
    const HEXADECIMAL: [u8; 16] = *b"0123456789abcdef";
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let digits = [byte >> 4, byte & 15].map(|nibble| HEXADECIMAL[usize::from(nibble)]);
                out.extend_from_slice(b"\\x");
                out.extend_from_slice(&digits);
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        quote(bytes, &mut out);
        out
    }

    #[test]
    fn lines_split_into_words() {
        for (line, words) in [
            ("", vec![]),
            (" \t\r\n", vec![]),
            ("PING", vec!["PING"]),
            ("  set  key value\r\n", vec!["set", "key", "value"]),
            ("set \"a b\" 'c d'", vec!["set", "a b", "c d"]),
            (r#""\n\r\t\b\a\\\"\x41\x4a\xzz""#, vec!["\n\r\t\u{8}\u{7}\\\"AJxzz"]),
            (r"'a\'b\nc'", vec![r"a'b\nc"]),
            ("\"\" ''", vec!["", ""]),
            ("foo\"bar baz\"", vec!["foobar baz"]),
            ("\u{b}a\u{b}b", vec!["a\u{b}b"]),
            ("\"a\"\u{b}b", vec!["a", "b"]),
            ("a\0 b", vec!["a"]),
        ] {
            let expected = words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
            assert_eq!(split_args(line.as_bytes()), Ok(expected), "{line:?}");
        }
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in
            ["\"", "'", "\"a", "'a", "\"a\"b", "'a'b", "\"a\"'b'", "\"\\", "\"a\\\"", "'a\\'", "\"a\0\"", "x\"y\"z"]
        {
            assert_eq!(split_args(line.as_bytes()), Err(Unbalanced), "{line:?}");
        }
    }

    #[test]
    fn quoting_leaves_printable_ascii() {
        assert_eq!(quoted(b"plain 'text'"), b"\"plain 'text'\"");
        assert_eq!(quoted(b"\\\"\n\r\t\x07\x08\x00\x7f\xff"), br#""\\\"\n\r\t\a\b\x00\x7f\xff""#);
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..5)) {
            let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(&b' ');
            prop_assert_eq!(split_args(&line), Ok(words));
        }

        #[test]
        fn any_line_is_split_without_panic(line in "[ a-c\"'\\\\nx0-9\u{0}\u{b}]{0,30}") {
            let _ = split_args(line.as_bytes());
        }
    }
}
