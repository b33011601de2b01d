//! Values to JSON text.

use std::io::Write;

use super::scan::special_at;
use super::value::Json;

/// What stands between the parts of a text; empty for the shortest one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Format<'a> {
    /// Before each value in another, once for each it lies in.
    pub indent: &'a [u8],
    /// Where a line ends.
    pub newline: &'a [u8],
    /// Between a name and its value.
    pub space: &'a [u8],
}

/// The shortest text of a value.
pub fn text(value: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &Format::default(), 0, &mut out);
    out
}

impl Format<'_> {
    fn is_shortest(&self) -> bool {
        self.indent.is_empty() && self.newline.is_empty() && self.space.is_empty()
    }
}

/// Adds the text of a value that lies within so many others.
pub fn write(value: &Json, format: &Format<'_>, level: usize, out: &mut Vec<u8>) {
    match value {
        Json::Array(_) | Json::Object(_) if format.is_shortest() => write_shortest(value, out),
        // Without a bound it does not fail.
        Json::Array(array) => _ = write_array(array.0.iter(), format, level, out, usize::MAX),
        Json::Object(object) => {
            let members = object.members().iter().map(|member| (member.name.bytes(), &member.value));
            write_object(members, format, level, out, &mut |value, level, out| write(value, format, level, out));
        }
        Json::Null | Json::Bool(_) | Json::Int(_) | Json::Big(_) | Json::Double(_) | Json::Text(_) => {
            write_shortest(value, out);
        }
    }
}

/// Adds the text of a value without anything between its parts.
fn write_shortest(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
        Json::Big(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
        Json::Double(value) => write_double(*value, out),
        Json::Text(text) => write_text(text.bytes(), out),
        Json::Array(array) => {
            let mut before = b'[';
            for value in &array.0 {
                out.push(before);
                before = b',';
                write_shortest(value, out);
            }
            close(array.0.is_empty(), b"[]", out);
        }
        Json::Object(object) => {
            let mut before = b'{';
            for member in object.members() {
                out.push(before);
                before = b',';
                write_text(member.name.bytes(), out);
                out.push(b':');
                write_shortest(&member.value, out);
            }
            close(object.is_empty(), b"{}", out);
        }
    }
}

/// Adds the closing bracket, behind the opening one if there was nothing to put that before.
fn close(is_empty: bool, brackets: &[u8; 2], out: &mut Vec<u8>) {
    if is_empty {
        out.push(brackets[0]);
    }
    out.push(brackets[1]);
}

/// A text that is longer than it may be.
#[derive(Clone, Copy, Debug)]
pub struct TooLong;

/// Adds an array of these values.
///
/// # Errors
/// If there is more than so many bytes before the last of them.
pub fn write_array<'j>(
    values: impl ExactSizeIterator<Item = &'j Json>,
    format: &Format<'_>,
    level: usize,
    out: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<(), TooLong> {
    let is_empty = values.len() == 0;
    out.push(b'[');
    for (count, value) in values.enumerate() {
        if out.len() > bytes_max {
            return Err(TooLong);
        }
        if count > 0 {
            out.push(b',');
        }
        line(format, level + 1, out);
        write(value, format, level + 1, out);
    }
    if !is_empty {
        line(format, level, out);
    }
    out.push(b']');
    Ok(())
}

/// Adds an object of members that are written by a function, given how many others they lie within.
pub fn write_object<'n, T>(
    members: impl ExactSizeIterator<Item = (&'n [u8], T)>,
    format: &Format<'_>,
    level: usize,
    out: &mut Vec<u8>,
    write_value: &mut dyn FnMut(T, usize, &mut Vec<u8>),
) {
    let is_empty = members.len() == 0;
    out.push(b'{');
    for (count, (name, value)) in members.enumerate() {
        if count > 0 {
            out.push(b',');
        }
        line(format, level + 1, out);
        write_text(name, out);
        out.push(b':');
        out.extend_from_slice(format.space);
        write_value(value, level + 1, out);
    }
    if !is_empty {
        line(format, level, out);
    }
    out.push(b'}');
}

fn line(format: &Format<'_>, level: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(format.newline);
    if !format.indent.is_empty() {
        (0..level).for_each(|_| out.extend_from_slice(format.indent));
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let plain = special_at(text);
    out.extend_from_slice(&text[..plain]);
    if plain < text.len() {
        write_escaped(&text[plain..], out);
    }
    out.push(b'"');
}

/// Adds text that begins with a byte to be escaped.
#[cold]
fn write_escaped(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some((byte, rest)) = text.split_first() {
        let short = match byte {
            8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            12 => b'f',
            b'\r' => b'r',
            0..0x20 => b'u',
            _ => *byte,
        };
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{byte:04x}");
        }
        let (plain, rest) = rest.split_at(special_at(rest));
        out.extend_from_slice(plain);
        text = rest;
    }
}

/// Adds the shortest digits that give the number again, in the form that RedisJSON chooses: with a point between them,
/// or behind them, unless that takes more than 16 digits before it or five zeros behind it.
pub fn write_double(value: f64, out: &mut Vec<u8>) {
    let start = out.len();
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(&mut *out, &value);
    // A sign before an exponent above 0 is not written.
    if value.abs() >= 1e16
        && let Some(place) = out[start..].iter().position(|byte| *byte == b'+')
    {
        out.remove(start + place);
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_the_text_of_redisjson() {
        let cases = [
            (1e20, "1e20"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e16"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1.8446744073709552e19, "1.8446744073709552e19"),
            (1.5e300, "1.5e300"),
            (0.1, "0.1"),
            (0.00001, "0.00001"),
            (0.000001, "1e-6"),
            (-12.5, "-12.5"),
            (1e300, "1e300"),
            (-1.25e17, "-1.25e17"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e308"),
            (123456789012345.67, "123456789012345.67"),
        ];
        for (value, expected) in cases {
            let mut out = Vec::new();
            write_double(value, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    /// Put together from the shortest digits of the standard library.
    fn by_digits(value: f64) -> String {
        let shortest = format!("{value:e}");
        let (mantissa, exponent) = shortest.split_once('e').expect("an exponent");
        let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
        let (digits, point) = (mantissa.replace('.', ""), exponent.parse::<i32>().expect("a number") + 1);
        let len = digits.len() as i32;
        let zeros = |count: i32| "0".repeat(count as usize);
        let text = match (digits.split_at_checked(point.max(0) as usize), point) {
            _ if value == 0.0 => "0.0".to_owned(),
            (_, 1..=16) if len <= point => format!("{digits}{}.0", zeros(point - len)),
            (Some((whole, part)), 1..=16) => format!("{whole}.{part}"),
            (_, -4..=0) => format!("0.{}{digits}", zeros(-point)),
            _ if len == 1 => format!("{digits}e{exponent}"),
            _ => format!("{}.{}e{exponent}", &digits[..1], &digits[1..]),
        };
        format!("{sign}{text}")
    }

    proptest! {
        #[test]
        fn a_number_is_written_by_its_shortest_digits(bits: u64, digits in -1_000_000i64..1_000_000, scale in -12..24i32) {
            for value in [f64::from_bits(bits), digits as f64 * 10f64.powi(scale)] {
                if value.is_finite() {
                    let mut out = Vec::new();
                    write_double(value, &mut out);
                    let (text, expected) = (String::from_utf8_lossy(&out), by_digits(value));
                    // A number right between two texts of the same length may have either.
                    let is_as_short = text.len() == expected.len() && text.parse() == Ok(value);
                    prop_assert!(text == expected || is_as_short, "{text} {expected}");
                }
            }
        }

        #[test]
        fn a_number_comes_back(bits: u64) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                let mut out = Vec::new();
                write_double(value, &mut out);
                prop_assert_eq!(String::from_utf8_lossy(&out).parse::<f64>().map(f64::to_bits), Ok(bits));
            }
        }

        #[test]
        fn a_text_comes_back(text in "\\PC*[\\x00-\\x7f]*") {
            let value = Json::text(text.as_bytes());
            let written = super::text(&value);
            prop_assert_eq!(read(&written), Ok(value));
        }
    }
}
