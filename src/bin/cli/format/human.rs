//! Replies for people: strings in quotes, types named, elements numbered, nested ones indented.

use oxidis::quote::quote;
use oxidis::resp::Value;

/// Appends the reply and a line break. Lines behind the first begin with the prefix, which is blanks.
pub fn append(out: &mut Vec<u8>, reply: &Value, prefix: &str) {
    match reply {
        Value::Error(text) | Value::BulkError(text) => line(out, &[b"(error) ", text]),
        Value::SimpleString(text) | Value::Verbatim { text, .. } => line(out, &[text]),
        Value::Integer(value) => line(out, &[b"(integer) ", value.to_string().as_bytes()]),
        Value::Double { text, .. } => line(out, &[b"(double) ", text]),
        Value::BigNumber(digits) => line(out, &[b"(big number) ", digits]),
        Value::Boolean(value) => line(out, &[if *value { b"(true)" } else { b"(false)" }]),
        Value::Null | Value::NullBulk | Value::NullArray => line(out, &[b"(nil)"]),
        Value::BulkString(bytes) => {
            quote(bytes, out);
            out.push(b'\n');
        }
        Value::Array(values) if values.is_empty() => line(out, &[b"(empty array)"]),
        Value::Set(values) if values.is_empty() => line(out, &[b"(empty set)"]),
        Value::Push(values) if values.is_empty() => line(out, &[b"(empty push)"]),
        Value::Map(pairs) if pairs.is_empty() => line(out, &[b"(empty hash)"]),
        Value::Array(values) | Value::Push(values) => append_values(out, values, ')', prefix),
        Value::Set(values) => append_values(out, values, '~', prefix),
        Value::Map(pairs) => append_pairs(out, pairs, prefix),
        Value::Attribute { value, .. } => append(out, value, prefix),
    }
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.push(b'\n');
}

/// The width of the numbers in front of elements, and the prefix of what stands inside one.
fn indentation(count: usize, prefix: &str) -> (usize, String) {
    let width = count.to_string().len();
    (width, format!("{prefix}{:1$}", "", width + 2))
}

/// The number of an element; whoever printed what is in front of the first has put the prefix there.
fn number(out: &mut Vec<u8>, index: usize, width: usize, separator: char, prefix: &str) {
    let prefix = if index == 0 { "" } else { prefix };
    out.extend_from_slice(format!("{prefix}{:width$}{separator} ", index + 1).as_bytes());
}

fn append_values(out: &mut Vec<u8>, values: &[Value], separator: char, prefix: &str) {
    let (width, inner) = indentation(values.len(), prefix);
    for (index, value) in values.iter().enumerate() {
        number(out, index, width, separator, prefix);
        append(out, value, &inner);
    }
}

fn append_pairs(out: &mut Vec<u8>, pairs: &[(Value, Value)], prefix: &str) {
    let (width, inner) = indentation(pairs.len(), prefix);
    for (index, (key, value)) in pairs.iter().enumerate() {
        number(out, index, width, '#', prefix);
        append(out, key, &inner);
        out.pop();
        out.extend_from_slice(b" => ");
        if takes_lines(value) {
            line(out, &[]);
            out.extend_from_slice(inner.as_bytes());
        }
        append(out, value, &inner);
    }
}

/// Whether it takes more than one line.
fn takes_lines(value: &Value) -> bool {
    match value {
        Value::Array(values) | Value::Set(values) | Value::Push(values) => match values.as_slice() {
            [] => false,
            [only] => takes_lines(only),
            _ => true,
        },
        Value::Map(pairs) => match pairs.as_slice() {
            [] => false,
            [(_, only)] => takes_lines(only),
            _ => true,
        },
        _ => false,
    }
}

/// The keys that a tracking server says have changed.
pub fn invalidation(keys: &[Value]) -> Vec<u8> {
    let mut out = b"-> invalidate: ".to_vec();
    for (index, key) in keys.iter().enumerate() {
        let separator: &[u8] = if index == 0 { b"'" } else { b", '" };
        out.extend_from_slice(separator);
        out.extend_from_slice(key.bytes().unwrap_or_default());
        out.push(b'\'');
    }
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxidis::resp::parse;

    fn shown(wire: &str) -> String {
        let (value, _) = parse(wire.as_bytes()).expect("RESP").expect("a whole value");
        let mut out = Vec::new();
        append(&mut out, &value, "");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn scalars_name_their_types() {
        for (wire, text) in [
            ("+OK\r\n", "OK\n"),
            ("-ERR no\r\n", "(error) ERR no\n"),
            (":-7\r\n", "(integer) -7\n"),
            (",3.1000000000000001\r\n", "(double) 3.1000000000000001\n"),
            ("#t\r\n", "(true)\n"),
            ("$-1\r\n", "(nil)\n"),
            ("$4\r\na\"\u{e9}\r\n", "\"a\\\"\\xc3\\xa9\"\n"),
            ("=6\r\ntxt:\u{e9}\r\n", "\u{e9}\n"),
            ("*0\r\n", "(empty array)\n"),
            ("%0\r\n", "(empty hash)\n"),
            ("~0\r\n", "(empty set)\n"),
        ] {
            assert_eq!(shown(wire), text, "{wire:?}");
        }
    }

    #[test]
    fn nested_arrays_are_indented_below_their_number() {
        let ten = format!("*10\r\n{}*2\r\n+a\r\n*2\r\n+b\r\n+c\r\n", ":0\r\n".repeat(9));
        let text = shown(&ten);
        assert!(text.starts_with(" 1) (integer) 0\n"), "{text}");
        assert!(text.ends_with("10) 1) a\n    2) 1) b\n       2) c\n"), "{text}");
    }

    #[test]
    fn maps_put_values_of_several_lines_below_their_key() {
        let map = "%3\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*2\r\n+x\r\n+y\r\n$1\r\nc\r\n%1\r\n+k\r\n~1\r\n+v\r\n";
        let text = "1# \"a\" => (integer) 1\n2# \"b\" => \n   1) x\n   2) y\n3# \"c\" => 1# k => 1~ v\n";
        assert_eq!(shown(map), text);
    }
}
