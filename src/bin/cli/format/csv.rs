//! Comma-separated values: everything on one line, strings in quotes, nesting flattened.

use oxidis::quote::quote;
use oxidis::resp::Value;

/// Appends the reply.
pub fn append(out: &mut Vec<u8>, reply: &Value) {
    match reply {
        Value::Error(text) | Value::BulkError(text) => {
            out.extend_from_slice(b"ERROR,");
            quote(text, out);
        }
        Value::SimpleString(bytes) | Value::BulkString(bytes) | Value::Verbatim { text: bytes, .. } => {
            quote(bytes, out)
        }
        Value::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Double { text, .. } | Value::BigNumber(text) => out.extend_from_slice(text),
        Value::Boolean(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Null | Value::NullBulk | Value::NullArray => out.extend_from_slice(b"NULL"),
        Value::Attribute { value, .. } => append(out, value),
        Value::Array(_) | Value::Set(_) | Value::Push(_) | Value::Map(_) => {
            for (index, value) in reply.elements().unwrap_or_default().into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                append(out, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_elements_stand_on_one_line() {
        let pairs = Value::Map(vec![(Value::bulk("k"), Value::double(0.5)), (Value::Null, Value::Boolean(false))]);
        let reply = Value::Array(vec![Value::bulk("a,\"b\""), pairs, Value::Error(b"ERR x".to_vec())]);
        let mut out = Vec::new();
        append(&mut out, &reply);
        assert_eq!(out, br#""a,\"b\"","k",0.5,NULL,false,ERROR,"ERR x""#);
    }
}
