//! Values held in memory, and how they are written.
//!
//! A server answers through [`Reply`] and needs none of this; clients, links and tests do.

use super::{Protocol, Reply};
use crate::util::number::append_f64;

/// A value of RESP2 or RESP3. Texts are bytes: Redis promises no encoding.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `+`, a status such as `OK`.
    SimpleString(Vec<u8>),
    /// `-`, an error line such as `ERR syntax error`.
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`
    BulkString(Vec<u8>),
    /// `$-1`, RESP2's absent string.
    NullBulk,
    /// `*`
    Array(Vec<Value>),
    /// `*-1`, RESP2's absent array.
    NullArray,
    /// `_`, RESP3's one null.
    Null,
    /// `,`
    Double {
        /// The number; may be infinite or NaN.
        value: f64,
        /// Its text as it came: servers differ in how many digits they send.
        text: Vec<u8>,
    },
    /// `#`
    Boolean(bool),
    /// `(`, the digits of an integer of any size, with an optional sign.
    BigNumber(Vec<u8>),
    /// `!`, an error that may hold any bytes.
    BulkError(Vec<u8>),
    /// `=`, text for people.
    Verbatim {
        /// How to show it: `txt` plain, `mkd` Markdown.
        format: [u8; 3],
        /// The text without its format.
        text: Vec<u8>,
    },
    /// `%`, pairs in the order they came.
    Map(Vec<(Value, Value)>),
    /// `~`, elements in the order they came.
    Set(Vec<Value>),
    /// `>`, a message that answers no request.
    Push(Vec<Value>),
    /// `|`, a value with attributes.
    Attribute {
        /// What is told about the value.
        attributes: Vec<(Value, Value)>,
        /// The value itself.
        value: Box<Value>,
    },
}

impl Value {
    /// A bulk string.
    pub fn bulk(bytes: impl Into<Vec<u8>>) -> Value {
        Value::BulkString(bytes.into())
    }

    /// A double in the shortest text that means it.
    pub fn double(value: f64) -> Value {
        let mut text = Vec::new();
        append_f64(&mut text, value);
        Value::Double { value, text }
    }

    /// Whether this is one of the three nulls.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::NullBulk | Value::NullArray)
    }

    /// The text of an error of either kind.
    pub fn error(&self) -> Option<&[u8]> {
        match self {
            Value::Error(text) | Value::BulkError(text) => Some(text),
            _ => None,
        }
    }

    /// The values of an array, a set or a push; of a map, keys and values in turn.
    ///
    /// ```
    /// use oxidis::resp::Value;
    ///
    /// let map = Value::Map(vec![(Value::bulk("a"), Value::Integer(1))]);
    /// assert_eq!(map.elements(), Some(vec![&Value::bulk("a"), &Value::Integer(1)]));
    /// assert_eq!(Value::Null.elements(), None);
    /// ```
    pub fn elements(&self) -> Option<Vec<&Value>> {
        match self {
            Value::Array(values) | Value::Set(values) | Value::Push(values) => Some(values.iter().collect()),
            Value::Map(pairs) => Some(pairs.iter().flat_map(|(key, value)| [key, value]).collect()),
            _ => None,
        }
    }

    /// The bytes of a status, a bulk string, a big number or a verbatim text.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::SimpleString(bytes) | Value::BulkString(bytes) | Value::BigNumber(bytes) => Some(bytes),
            Value::Verbatim { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// Appends a value in the given version. RESP2 gets what a Redis server would send there: a map as an
/// array of keys and values, a double as a bulk string, a boolean as one or zero, no attributes. CR and LF
/// in statuses and error lines become blanks.
///
/// ```
/// use oxidis::resp::{Protocol, Value, encode};
///
/// let value = Value::Map(vec![(Value::bulk("pi"), Value::double(3.14))]);
/// let (mut resp2, mut resp3) = (Vec::new(), Vec::new());
/// encode(&value, Protocol::Resp2, &mut resp2);
/// encode(&value, Protocol::Resp3, &mut resp3);
/// assert_eq!(resp2, b"*2\r\n$2\r\npi\r\n$4\r\n3.14\r\n");
/// assert_eq!(resp3, b"%1\r\n$2\r\npi\r\n,3.14\r\n");
/// ```
pub fn encode(value: &Value, protocol: Protocol, out: &mut Vec<u8>) {
    let mut reply = Reply::with_buffer(std::mem::take(out), protocol);
    write(&mut reply, value);
    *out = reply.buf;
}

/// Appends a request: an array of bulk strings, the same in both versions.
///
/// ```
/// let mut out = Vec::new();
/// oxidis::resp::encode_request(["GET", "key"], &mut out);
/// assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
/// ```
pub fn encode_request<I>(args: I, out: &mut Vec<u8>)
where
    I: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
{
    let args = args.into_iter();
    let mut reply = Reply::with_buffer(std::mem::take(out), Protocol::Resp2);
    reply.array(args.len());
    for arg in args {
        reply.bulk(arg.as_ref());
    }
    *out = reply.buf;
}

fn write(reply: &mut Reply, value: &Value) {
    match value {
        Value::SimpleString(text) => reply.simple(text),
        Value::Error(text) => reply.error(text),
        Value::Integer(value) => reply.integer(*value),
        Value::BulkString(bytes) => reply.bulk(bytes),
        Value::NullBulk | Value::Null => reply.null(),
        Value::NullArray => reply.null_array(),
        Value::Double { text, .. } => reply.double_text(text),
        Value::Boolean(value) => reply.boolean(*value),
        Value::BigNumber(digits) => reply.big_number(digits),
        Value::BulkError(text) => reply.bulk_error(text),
        Value::Verbatim { format, text } => reply.verbatim(*format, text),
        Value::Array(values) => {
            reply.array(values.len());
            write_all(reply, values);
        }
        Value::Set(values) => {
            reply.set(values.len());
            write_all(reply, values);
        }
        Value::Push(values) => {
            reply.push(values.len());
            write_all(reply, values);
        }
        Value::Map(pairs) => {
            reply.map(pairs.len());
            write_pairs(reply, pairs);
        }
        Value::Attribute { attributes, value } => {
            if reply.resp3 {
                reply.attribute(attributes.len());
                write_pairs(reply, attributes);
            }
            write(reply, value);
        }
    }
}

fn write_all(reply: &mut Reply, values: &[Value]) {
    for value in values {
        write(reply, value);
    }
}

fn write_pairs(reply: &mut Reply, pairs: &[(Value, Value)]) {
    for (key, value) in pairs {
        write(reply, key);
        write(reply, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &Value, protocol: Protocol) -> Vec<u8> {
        let mut out = b"before".to_vec();
        encode(value, protocol, &mut out);
        out.split_off(6)
    }

    #[test]
    fn resp2_gets_the_nearest_older_type() {
        let attribute = Value::Attribute {
            attributes: vec![(Value::Null, Value::Null)],
            value: Box::new(Value::Set(vec![Value::Boolean(true), Value::Null, Value::BulkError(b"ERR\r\n".to_vec())])),
        };
        assert_eq!(encoded(&attribute, Protocol::Resp2), b"*3\r\n:1\r\n$-1\r\n-ERR  \r\n");
    }
}
