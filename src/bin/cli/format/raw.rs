//! Replies as they are: strings without quotes, elements one behind the other.

use oxidis::resp::Value;

/// Appends the reply; the delimiter stands between elements, a blank between key and value.
pub fn append(out: &mut Vec<u8>, reply: &Value, delimiter: &[u8]) {
    match reply {
        Value::Null | Value::NullBulk | Value::NullArray => {}
        Value::Error(text) | Value::BulkError(text) => {
            out.extend_from_slice(text);
            out.push(b'\n');
        }
        Value::SimpleString(bytes) | Value::BulkString(bytes) | Value::BigNumber(bytes) => out.extend_from_slice(bytes),
        Value::Verbatim { text, .. } | Value::Double { text, .. } => out.extend_from_slice(text),
        Value::Boolean(value) => out.extend_from_slice(if *value { b"(true)" } else { b"(false)" }),
        Value::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Array(values) | Value::Set(values) | Value::Push(values) => {
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(delimiter);
                }
                append(out, value, delimiter);
            }
        }
        Value::Map(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(delimiter);
                }
                append(out, key, delimiter);
                out.push(b' ');
                append(out, value, delimiter);
            }
        }
        Value::Attribute { value, .. } => append(out, value, delimiter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_delimited_at_every_depth() {
        let inner = Value::Map(vec![(Value::bulk("k"), Value::Null), (Value::Integer(1), Value::Boolean(true))]);
        let reply = Value::Array(vec![Value::bulk("a"), inner, Value::Error(b"ERR x".to_vec())]);
        let mut out = Vec::new();
        append(&mut out, &reply, b"|");
        assert_eq!(out, b"a|k |1 (true)|ERR x\n");
    }
}
