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
        // Without a bound it does not fail.
        Json::Array(array) => _ = write_array(array.0.iter(), format, level, out, usize::MAX),
        Json::Object(object) => {
            let members = object.members().iter().map(|member| (member.name.bytes(), &member.value));
            write_object(members, format, level, out, &mut |value, level, out| write(value, format, level, out));
        }
    }
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

/// How many bytes are looked at together.
const CHUNK: usize = 16;

fn is_plain(byte: u8) -> bool {
    (byte >= 0x20) & (byte != b'"') & (byte != b'\\')
}

/// How many bytes from the first on need no escape.
fn plain_len(text: &[u8]) -> usize {
    let chunks = text.chunks_exact(CHUNK);
    let plain = chunks.take_while(|chunk| chunk.iter().fold(true, |plain, byte| plain & is_plain(*byte))).count();
    let start = plain * CHUNK;
    start + text[start..].iter().take_while(|byte| is_plain(**byte)).count()
}

fn write_text(mut text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    loop {
        let (plain, rest) = text.split_at(plain_len(text));
        out.extend_from_slice(plain);
        let Some((byte, rest)) = rest.split_first() else { break };
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
        text = rest;
    }
    out.push(b'"');
}

/// Adds the shortest digits that give the number again, in the form that RedisJSON chooses: with a point between them,
/// or behind them, unless that takes more than 16 digits before it or five zeros behind it.
pub fn write_double(value: f64, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(out, &value);
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
