//! JSON, see [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259). Strings keep the encoding of the reply, or are quoted
//! twice over so that nothing but ASCII is left. Errors, which JSON has no form for, are `error:` and their text.

use oxidis::resp::Value;

use super::quoted;

/// Appends the reply.
pub fn append(out: &mut Vec<u8>, reply: &Value, ascii: bool) {
    match reply {
        Value::Error(text) | Value::BulkError(text) => {
            out.extend_from_slice(b"error:");
            string(out, text, ascii);
        }
        Value::SimpleString(bytes) | Value::BulkString(bytes) | Value::Verbatim { text: bytes, .. } => {
            string(out, bytes, ascii);
        }
        Value::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Double { text, .. } | Value::BigNumber(text) => out.extend_from_slice(text),
        Value::Boolean(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Null | Value::NullBulk | Value::NullArray => out.extend_from_slice(b"null"),
        Value::Attribute { value, .. } => append(out, value, ascii),
        Value::Array(values) | Value::Set(values) | Value::Push(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                append(out, value, ascii);
            }
            out.push(b']');
        }
        Value::Map(pairs) => {
            out.push(b'{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                append_key(out, key, ascii);
                out.push(b':');
                append(out, value, ascii);
            }
            out.push(b'}');
        }
    }
}

/// Names must be strings in JSON; what is none is written as usual, in quotes.
fn append_key(out: &mut Vec<u8>, key: &Value, ascii: bool) {
    let start = out.len();
    append(out, key, ascii);
    let is_string = out.get(start) == Some(&b'"') || key.error().is_some();
    if !is_string {
        out.insert(start, b'"');
        out.push(b'"');
    }
}

fn string(out: &mut Vec<u8>, bytes: &[u8], ascii: bool) {
    if ascii {
        for byte in quoted(bytes) {
            if byte == b'\\' {
                out.push(b'\\');
            }
            out.push(byte);
        }
        return;
    }
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &Value, ascii: bool) -> String {
        let mut out = Vec::new();
        append(&mut out, value, ascii);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn aggregates_nest() {
        let map = Value::Map(vec![
            (Value::Integer(1), Value::Array(vec![])),
            (Value::bulk("a"), Value::Set(vec![Value::Null, Value::double(1.5)])),
        ]);
        assert_eq!(shown(&map, false), r#"{"1":[],"a":[null,1.5]}"#);
    }

    #[test]
    fn strings_keep_their_encoding_or_become_ascii() {
        let text = Value::bulk("\u{e9}\u{1}\n\"\\");
        assert_eq!(shown(&text, false), "\"\u{e9}\\u0001\\n\\\"\\\\\"");
        assert_eq!(shown(&text, true), r#""\\xc3\\xa9\\x01\\n\\"\\\\""#);
    }
}
