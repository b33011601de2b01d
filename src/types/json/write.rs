//! Values to JSON text.

use std::io::Write;

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

/// Adds the text of a value that lies within so many others.
pub fn write(value: &Json, format: &Format<'_>, level: usize, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
        Json::Big(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
        Json::Double(value) => write_double(*value, out),
        Json::Text(text) => write_text(text.bytes(), out),
        Json::Array(array) => write_array(array.0.iter(), format, level, out),
        Json::Object(object) => {
            let members = object.members().iter().map(|member| (member.name.bytes(), &member.value));
            write_object(members, format, level, out, &mut |value, level, out| write(value, format, level, out));
        }
    }
}

/// Adds an array of these values.
pub fn write_array<'j>(
    values: impl ExactSizeIterator<Item = &'j Json>,
    format: &Format<'_>,
    level: usize,
    out: &mut Vec<u8>,
) {
    let is_empty = values.len() == 0;
    out.push(b'[');
    for (count, value) in values.enumerate() {
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
    out.push(b'"');
    let mut plain = 0;
    for (at, byte) in text.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => *byte,
            8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            12 => b'f',
            b'\r' => b'r',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&text[plain..at]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{byte:04x}");
        }
        plain = at + 1;
    }
    out.extend_from_slice(&text[plain..]);
    out.push(b'"');
}

/// Adds the shortest digits that give the number again, in the form that RedisJSON chooses: with a point between them,
/// or behind them, unless that takes more than 16 digits before it or five zeros behind it.
pub fn write_double(value: f64, out: &mut Vec<u8>) {
    let shortest = format!("{value:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.extend_from_slice(sign.as_bytes());
    let digits: Vec<u8> = mantissa.bytes().filter(|byte| *byte != b'.').collect();
    let point = exponent + 1;
    let len = digits.len() as i32;
    if value == 0.0 {
        out.extend_from_slice(b"0.0");
    } else if len <= point && point <= 16 {
        out.extend_from_slice(&digits);
        out.extend(std::iter::repeat_n(b'0', (point - len) as usize));
        out.extend_from_slice(b".0");
    } else if 0 < point && point <= 16 {
        let (whole, part) = digits.split_at(point as usize);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(part);
    } else if -5 < point && point <= 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', point.unsigned_abs() as usize));
        out.extend_from_slice(&digits);
    } else {
        out.push(digits[0]);
        if len > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.push(b'e');
        out.extend_from_slice(exponent.to_string().as_bytes());
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
        ];
        for (value, expected) in cases {
            let mut out = Vec::new();
            write_double(value, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    proptest! {
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
