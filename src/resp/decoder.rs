//! Reading values from a stream of bytes.
//!
//! The reader keeps a stack of open aggregates instead of recursing, so a [`Decoder`] that is fed piece by
//! piece goes on where it stopped: no byte of an array's finished elements is looked at twice, and a long
//! line or bulk is not scanned again from its start. Nothing is allocated by an announced length; memory
//! grows with bytes that arrived. Aggregates nest at most [`DEPTH_MAX`] deep.

use std::fmt;

use super::Value;
use crate::util::number::{parse_f64, parse_i64};

/// How many aggregates may be open inside each other.
pub const DEPTH_MAX: usize = 128;

/// The longest line in bytes; texts that may be longer are sent as bulks.
pub const LINE_LEN_MAX: usize = 1024 * 1024;

/// The largest length an aggregate or a bulk may announce.
pub const LENGTH_MAX: u32 = u32::MAX;

/// Why bytes are not RESP. The stream cannot be read on after any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// No value begins with this byte.
    UnknownType(u8),
    /// A CR without its LF in a line.
    BrokenLine,
    /// A line longer than [`LINE_LEN_MAX`].
    LineTooLong,
    /// A length that is no number or out of range.
    InvalidLength,
    /// A bulk that is not followed by CR LF.
    UnterminatedBulk,
    /// An integer, double or big number with other bytes in it.
    InvalidNumber,
    /// A boolean other than `t` and `f`.
    InvalidBoolean,
    /// A null with a text.
    InvalidNull,
    /// A verbatim text without its three letters and colon.
    InvalidVerbatim,
    /// Aggregates nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// A streamed string or aggregate.
    StreamedType,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ProtocolError::UnknownType(byte) => {
                return write!(formatter, "unknown type byte 0x{byte:02x}");
            }
            ProtocolError::BrokenLine => "CR without LF in a line",
            ProtocolError::LineTooLong => "too long a line",
            ProtocolError::InvalidLength => "invalid length",
            ProtocolError::UnterminatedBulk => "bulk without CR LF at its end",
            ProtocolError::InvalidNumber => "invalid number",
            ProtocolError::InvalidBoolean => "invalid boolean",
            ProtocolError::InvalidNull => "invalid null",
            ProtocolError::InvalidVerbatim => "invalid verbatim text",
            ProtocolError::TooDeep => "values nested too deep",
            ProtocolError::StreamedType => "streamed types are not supported",
        })
    }
}

impl std::error::Error for ProtocolError {}

/// Reads the first value of `input`: the value and how many bytes it took, or `None` if it is not all
/// there yet.
///
/// Every call starts anew; use a [`Decoder`] for input that arrives in pieces.
///
/// ```
/// use oxidis::resp::{ProtocolError, Value, parse};
///
/// assert_eq!(parse(b":42\r\n+OK\r\n"), Ok(Some((Value::Integer(42), 5))));
/// assert_eq!(parse(b"$5\r\nhel"), Ok(None));
/// assert_eq!(parse(b"hello\r\n"), Err(ProtocolError::UnknownType(b'h')));
/// ```
pub fn parse(input: &[u8]) -> Result<Option<(Value, usize)>, ProtocolError> {
    let (value, consumed) = Reader::default().read(input)?;
    Ok(value.map(|value| (value, consumed)))
}

/// Reads values from a stream that arrives in pieces.
///
/// ```
/// use oxidis::resp::{Decoder, Value};
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b"*2\r\n$3\r\nfoo\r\n$3");
/// assert_eq!(decoder.decode(), Ok(None));
/// decoder.feed(b"\r\nbar\r\n:1\r\n");
/// assert_eq!(decoder.decode(), Ok(Some(Value::Array(vec![Value::bulk("foo"), Value::bulk("bar")]))));
/// assert_eq!(decoder.decode(), Ok(Some(Value::Integer(1))));
/// assert_eq!(decoder.decode(), Ok(None));
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    buf: Vec<u8>,
    /// Bytes at the front of `buf` that `reader` has taken.
    taken: usize,
    /// Bytes taken since the stream began.
    position: u64,
    reader: Reader,
    failed: Option<ProtocolError>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Appends bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.taken > self.buf.len() / 2 {
            self.buf.drain(..self.taken);
            self.taken = 0;
        }
        self.buf.extend_from_slice(bytes);
    }

    /// Takes the next value out, or `None` if more bytes are needed. After an error it stays with it.
    pub fn decode(&mut self) -> Result<Option<Value>, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.reader.read(self.buf.get(self.taken..).unwrap_or_default()) {
            Ok((value, consumed)) => {
                self.taken += consumed;
                self.position += consumed as u64;
                Ok(value)
            }
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// How many bytes of the stream have been taken. When [`decode`](Decoder::decode) has given a value, this is where
    /// it ended.
    ///
    /// ```
    /// let mut decoder = oxidis::resp::Decoder::new();
    /// decoder.feed(b"+OK\r\n:1\r\n");
    /// decoder.decode().unwrap();
    /// assert_eq!(decoder.position(), 5);
    /// ```
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether all that was fed has been taken out as whole values.
    pub fn is_between_values(&self) -> bool {
        self.reader.stack.is_empty() && self.taken == self.buf.len()
    }

    /// Takes out the bytes that no value was made of, as when a stream changes to something other than
    /// RESP. An unfinished value is lost.
    pub fn into_rest(mut self) -> Vec<u8> {
        self.buf.split_off(self.taken.min(self.buf.len()))
    }
}

/// The kinds of value that hold values.
#[derive(Debug, Clone, Copy)]
enum Aggregate {
    Array,
    Set,
    Push,
    Map,
    Attribute,
}

/// An open aggregate and how many values it still misses.
#[derive(Debug)]
enum Frame {
    Values { kind: Aggregate, missing: u64, values: Vec<Value> },
    Attributed { attributes: Vec<(Value, Value)> },
}

/// The smallest step of reading.
enum Step {
    Whole(Value),
    Open { kind: Aggregate, missing: u64 },
}

#[derive(Debug, Default)]
struct Reader {
    stack: Vec<Frame>,
    /// How much of the next step's input is known to have no line end.
    scanned: usize,
}

impl Reader {
    /// Takes whole steps off the input until a value is complete; the value and the bytes taken.
    fn read(&mut self, input: &[u8]) -> Result<(Option<Value>, usize), ProtocolError> {
        let mut consumed = 0;
        while let Some((step, length)) = self.step(input.get(consumed..).unwrap_or_default())? {
            self.scanned = 0;
            consumed += length;
            let complete = match step {
                Step::Whole(value) => self.complete(value),
                Step::Open { .. } if self.stack.len() >= DEPTH_MAX => {
                    return Err(ProtocolError::TooDeep);
                }
                Step::Open { kind, missing: 0 } => {
                    let value = self.close(kind, Vec::new());
                    value.and_then(|value| self.complete(value))
                }
                Step::Open { kind, missing } => {
                    self.stack.push(Frame::Values { kind, missing, values: Vec::new() });
                    None
                }
            };
            if complete.is_some() {
                return Ok((complete, consumed));
            }
        }
        Ok((None, consumed))
    }

    /// Puts a value where it belongs: into the innermost open aggregate, or out.
    fn complete(&mut self, mut value: Value) -> Option<Value> {
        loop {
            value = match self.stack.pop() {
                None => return Some(value),
                Some(Frame::Attributed { attributes }) => Value::Attribute { attributes, value: Box::new(value) },
                Some(Frame::Values { kind, missing, mut values }) => {
                    values.push(value);
                    if missing > 1 {
                        self.stack.push(Frame::Values { kind, missing: missing - 1, values });
                        return None;
                    }
                    self.close(kind, values)?
                }
            };
        }
    }

    /// The finished aggregate; attributes wait for the value they belong to.
    fn close(&mut self, kind: Aggregate, values: Vec<Value>) -> Option<Value> {
        match kind {
            Aggregate::Array => Some(Value::Array(values)),
            Aggregate::Set => Some(Value::Set(values)),
            Aggregate::Push => Some(Value::Push(values)),
            Aggregate::Map => Some(Value::Map(pairs(values))),
            Aggregate::Attribute => {
                self.stack.push(Frame::Attributed { attributes: pairs(values) });
                None
            }
        }
    }

    /// Reads one line, bulk, or head of an aggregate.
    fn step(&mut self, input: &[u8]) -> Result<Option<(Step, usize)>, ProtocolError> {
        let Some(&kind) = input.first() else {
            return Ok(None);
        };
        if !b"+-:$*_,#(!=%~>|".contains(&kind) {
            return Err(ProtocolError::UnknownType(kind));
        }
        let Some(line) = self.line(input)? else {
            return Ok(None);
        };
        let after_line = line.len() + 3;
        let value = match kind {
            b'+' => Value::SimpleString(line.to_vec()),
            b'-' => Value::Error(line.to_vec()),
            b':' => integer(line).map(Value::Integer).or_else(|_| big_integer(line).map(Value::BigNumber))?,
            b',' => Value::Double { value: double(line)?, text: line.to_vec() },
            b'#' => Value::Boolean(boolean(line)?),
            b'(' => Value::BigNumber(big_number(line)?),
            b'_' if line.is_empty() => Value::Null,
            b'_' => return Err(ProtocolError::InvalidNull),
            b'$' if line == b"-1" => Value::NullBulk,
            b'*' if line == b"-1" => Value::NullArray,
            b'$' | b'!' | b'=' => {
                let bulk = bulk(length(line)?, input.get(after_line..).unwrap_or_default())?;
                let Some((bytes, length)) = bulk else {
                    return Ok(None);
                };
                return Ok(Some((Step::Whole(bulk_value(kind, bytes)?), after_line + length)));
            }
            _ => return Ok(Some((aggregate_head(kind, line)?, after_line))),
        };
        Ok(Some((Step::Whole(value), after_line)))
    }

    /// The line without its type byte and line end, once all of it is there.
    fn line<'a>(&mut self, input: &'a [u8]) -> Result<Option<&'a [u8]>, ProtocolError> {
        let from = self.scanned.max(1);
        let unscanned = input.get(from..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\r', unscanned).map(|found| from + found) else {
            self.scanned = input.len();
            return if input.len() > LINE_LEN_MAX { Err(ProtocolError::LineTooLong) } else { Ok(None) };
        };
        if end > LINE_LEN_MAX {
            return Err(ProtocolError::LineTooLong);
        }
        self.scanned = end;
        match input.get(end + 1) {
            None => Ok(None),
            Some(b'\n') => Ok(input.get(1..end)),
            Some(_) => Err(ProtocolError::BrokenLine),
        }
    }
}

fn pairs(values: Vec<Value>) -> Vec<(Value, Value)> {
    let mut values = values.into_iter();
    std::iter::from_fn(|| values.next().zip(values.next())).collect()
}

fn aggregate_head(kind: u8, line: &[u8]) -> Result<Step, ProtocolError> {
    let length = u64::from(length(line)?);
    let (kind, missing) = match kind {
        b'%' => (Aggregate::Map, length * 2),
        b'|' => (Aggregate::Attribute, length * 2),
        b'~' => (Aggregate::Set, length),
        b'>' => (Aggregate::Push, length),
        _ => (Aggregate::Array, length),
    };
    Ok(Step::Open { kind, missing })
}

fn length(line: &[u8]) -> Result<u32, ProtocolError> {
    if line == b"?" {
        return Err(ProtocolError::StreamedType);
    }
    parse_i64(line).and_then(|length| u32::try_from(length).ok()).ok_or(ProtocolError::InvalidLength)
}

/// The bytes of a bulk and the length with its CR LF, once all of it is there.
fn bulk(length: u32, input: &[u8]) -> Result<Option<(&[u8], usize)>, ProtocolError> {
    let Some((bytes, end)) = usize::try_from(length).ok().and_then(|length| input.split_at_checked(length)) else {
        return Ok(None);
    };
    match end {
        [b'\r', b'\n', ..] => Ok(Some((bytes, bytes.len() + 2))),
        [] | [b'\r'] => Ok(None),
        _ => Err(ProtocolError::UnterminatedBulk),
    }
}

fn bulk_value(kind: u8, bytes: &[u8]) -> Result<Value, ProtocolError> {
    match (kind, bytes) {
        (b'!', _) => Ok(Value::BulkError(bytes.to_vec())),
        (b'=', [first, second, third, b':', text @ ..]) => {
            Ok(Value::Verbatim { format: [*first, *second, *third], text: text.to_vec() })
        }
        (b'=', _) => Err(ProtocolError::InvalidVerbatim),
        _ => Ok(Value::BulkString(bytes.to_vec())),
    }
}

/// Integers may have a plus sign, which the specification allows.
fn integer(line: &[u8]) -> Result<i64, ProtocolError> {
    std::str::from_utf8(line).ok().and_then(|line| line.parse().ok()).ok_or(ProtocolError::InvalidNumber)
}

/// Lengths and indexes of arrays are integers without a sign, and may be greater than those with one.
fn big_integer(line: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    std::str::from_utf8(line).ok().and_then(|line| line.parse::<u64>().ok()).ok_or(ProtocolError::InvalidNumber)?;
    big_number(line)
}

fn double(line: &[u8]) -> Result<f64, ProtocolError> {
    if line.eq_ignore_ascii_case(b"nan") || line.eq_ignore_ascii_case(b"-nan") {
        return Ok(f64::NAN);
    }
    parse_f64(line).ok_or(ProtocolError::InvalidNumber)
}

fn boolean(line: &[u8]) -> Result<bool, ProtocolError> {
    match line {
        b"t" => Ok(true),
        b"f" => Ok(false),
        _ => Err(ProtocolError::InvalidBoolean),
    }
}

fn big_number(line: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let digits = match line {
        [b'-' | b'+', digits @ ..] => digits,
        digits => digits,
    };
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if valid { Ok(line.to_vec()) } else { Err(ProtocolError::InvalidNumber) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::{Protocol, encode};
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn encoded(value: &Value, protocol: Protocol) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, protocol, &mut out);
        out
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        "[a-zA-Z \u{e9}]{0,12}".prop_map(String::into_bytes)
    }

    fn scalar_resp2() -> impl Strategy<Value = Value> {
        prop_oneof![
            text().prop_map(Value::SimpleString),
            text().prop_map(Value::Error),
            any::<i64>().prop_map(Value::Integer),
            vec(any::<u8>(), 0..40).prop_map(Value::BulkString),
            Just(Value::NullBulk),
            Just(Value::NullArray),
        ]
    }

    fn value_resp2() -> impl Strategy<Value = Value> {
        scalar_resp2().prop_recursive(4, 40, 6, |inner| vec(inner, 0..6).prop_map(Value::Array))
    }

    fn value_resp3() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            scalar_resp2().prop_map(|value| if value.is_null() { Value::Null } else { value }),
            any::<f64>().prop_map(|value| Value::double(if value.is_nan() { 0.5 } else { value })),
            any::<bool>().prop_map(Value::Boolean),
            "[-+]?[0-9]{1,40}".prop_map(|digits| Value::BigNumber(digits.into_bytes())),
            vec(any::<u8>(), 0..40).prop_map(Value::BulkError),
            vec(any::<u8>(), 0..40).prop_map(|text| Value::Verbatim { format: *b"mkd", text }),
        ];
        scalar.prop_recursive(4, 40, 6, |inner| {
            let pairs = vec((inner.clone(), inner.clone()), 0..3);
            prop_oneof![
                vec(inner.clone(), 0..6).prop_map(Value::Array),
                vec(inner.clone(), 0..6).prop_map(Value::Set),
                vec(inner.clone(), 0..6).prop_map(Value::Push),
                pairs.clone().prop_map(Value::Map),
                (pairs, inner).prop_map(|(attributes, value)| Value::Attribute { attributes, value: Box::new(value) }),
            ]
        })
    }

    #[test]
    fn every_type_is_read() {
        let wire = b"*15\r\n+OK\r\n-ERR x\r\n:+7\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n,-1.5e3\r\n,inf\r\n#t\r\n(-123\r\n!3\r\na\r\n\r\n=6\r\ntxt:hi\r\n%1\r\n:1\r\n~1\r\n:2\r\n|1\r\n+ttl\r\n:9\r\n>0\r\n";
        let expected = Value::Array(vec![
            Value::SimpleString(b"OK".to_vec()),
            Value::Error(b"ERR x".to_vec()),
            Value::Integer(7),
            Value::bulk(""),
            Value::NullBulk,
            Value::NullArray,
            Value::Null,
            Value::Double { value: -1500.0, text: b"-1.5e3".to_vec() },
            Value::double(f64::INFINITY),
            Value::Boolean(true),
            Value::BigNumber(b"-123".to_vec()),
            Value::BulkError(b"a\r\n".to_vec()),
            Value::Verbatim { format: *b"txt", text: b"hi".to_vec() },
            Value::Map(vec![(Value::Integer(1), Value::Set(vec![Value::Integer(2)]))]),
            Value::Attribute {
                attributes: vec![(Value::SimpleString(b"ttl".to_vec()), Value::Integer(9))],
                value: Box::new(Value::Push(vec![])),
            },
        ]);
        assert_eq!(parse(wire), Ok(Some((expected, wire.len()))));
        assert!(matches!(parse(b",nan\r\n"), Ok(Some((Value::Double { value, .. }, 6))) if value.is_nan()));
    }

    #[test]
    fn what_is_no_resp_is_refused() {
        for (wire, error) in [
            (&b"GET\r\n"[..], ProtocolError::UnknownType(b'G')),
            (b"+a\rb\r\n", ProtocolError::BrokenLine),
            (b"$x\r\n", ProtocolError::InvalidLength),
            (b"$-2\r\n", ProtocolError::InvalidLength),
            (b"%-1\r\n", ProtocolError::InvalidLength),
            (b"*4294967296\r\n", ProtocolError::InvalidLength),
            (b"$\r\n", ProtocolError::InvalidLength),
            (b"$1\r\nabc", ProtocolError::UnterminatedBulk),
            (b":1x\r\n", ProtocolError::InvalidNumber),
            (b":\r\n", ProtocolError::InvalidNumber),
            (b",x\r\n", ProtocolError::InvalidNumber),
            (b"(1.5\r\n", ProtocolError::InvalidNumber),
            (b"(-\r\n", ProtocolError::InvalidNumber),
            (b"#y\r\n", ProtocolError::InvalidBoolean),
            (b"_x\r\n", ProtocolError::InvalidNull),
            (b"=2\r\nhi\r\n", ProtocolError::InvalidVerbatim),
            (b"*?\r\n", ProtocolError::StreamedType),
            (b"$?\r\n", ProtocolError::StreamedType),
        ] {
            assert_eq!(parse(wire), Err(error), "{}", wire.escape_ascii());
        }
    }

    #[test]
    fn depth_and_line_length_are_bounded() {
        let deep = |depth: usize| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
        assert!(matches!(parse(&deep(DEPTH_MAX)), Ok(Some(_))));
        assert_eq!(parse(&deep(DEPTH_MAX + 1)), Err(ProtocolError::TooDeep));
        assert_eq!(parse(&b"*1\r\n".repeat(1_000_000)), Err(ProtocolError::TooDeep));
        assert_eq!(parse(&b"|0\r\n".repeat(1_000_000)), Err(ProtocolError::TooDeep));
        let line = [b"+".to_vec(), b"x".repeat(LINE_LEN_MAX + 1)].concat();
        assert_eq!(parse(&line), Err(ProtocolError::LineTooLong));
        assert_eq!(parse(&[line, b"\r\n".to_vec()].concat()), Err(ProtocolError::LineTooLong));
    }

    #[test]
    fn announced_lengths_allocate_nothing() {
        for wire in [&b"*4294967295\r\n"[..], b"%4294967295\r\n", b"|4294967295\r\n", b"$4294967295\r\nx"] {
            let mut decoder = Decoder::new();
            decoder.feed(wire);
            assert_eq!(decoder.decode(), Ok(None));
            assert!(decoder.buf.capacity() < 64);
            for frame in &decoder.reader.stack {
                assert!(matches!(frame, Frame::Values { values, .. } if values.capacity() == 0));
            }
        }
        let nested = b"*4294967295\r\n".repeat(DEPTH_MAX);
        assert_eq!(parse(&nested), Ok(None));
    }

    #[test]
    fn a_decoder_does_not_start_over() {
        let mut decoder = Decoder::new();
        decoder.feed(b"*100000\r\n");
        for number in 0..100_000 {
            assert_eq!(decoder.decode(), Ok(None));
            decoder.feed(format!(":{number}\r\n").as_bytes());
            assert!(decoder.buf.len() < 100, "taken bytes are dropped");
        }
        assert!(matches!(decoder.decode(), Ok(Some(Value::Array(values))) if values.len() == 100_000));
        decoder.feed(b"+");
        for _ in 0..100_000 {
            decoder.feed(b"x");
            assert_eq!(decoder.decode(), Ok(None));
        }
        assert_eq!(decoder.reader.scanned, 100_001);
        decoder.feed(b"\r\nrest");
        assert!(matches!(decoder.decode(), Ok(Some(Value::SimpleString(text))) if text.len() == 100_000));
        assert_eq!(decoder.into_rest(), b"rest");
    }

    #[test]
    fn an_error_is_final() {
        let mut decoder = Decoder::new();
        decoder.feed(b":1\r\n?\r\n");
        assert_eq!(decoder.decode(), Ok(Some(Value::Integer(1))));
        assert_eq!(decoder.decode(), Err(ProtocolError::UnknownType(b'?')));
        decoder.feed(b":2\r\n");
        assert_eq!(decoder.decode(), Err(ProtocolError::UnknownType(b'?')));
    }

    proptest! {
        #[test]
        fn resp2_round_trips(value in value_resp2()) {
            let wire = encoded(&value, Protocol::Resp2);
            prop_assert_eq!(parse(&wire), Ok(Some((value, wire.len()))));
        }

        #[test]
        fn resp3_round_trips(value in value_resp3()) {
            let wire = encoded(&value, Protocol::Resp3);
            prop_assert_eq!(parse(&wire), Ok(Some((value, wire.len()))));
        }

        #[test]
        fn a_split_anywhere_changes_nothing(value in value_resp3()) {
            let wire = encoded(&value, Protocol::Resp3);
            for at in 0..wire.len() {
                prop_assert_eq!(parse(&wire[..at]), Ok(None));
                let mut decoder = Decoder::new();
                decoder.feed(&wire[..at]);
                prop_assert_eq!(decoder.decode(), Ok(None));
                decoder.feed(&wire[at..]);
                prop_assert_eq!(decoder.decode(), Ok(Some(value.clone())));
                prop_assert_eq!(decoder.decode(), Ok(None));
            }
        }

        #[test]
        fn byte_by_byte_gives_the_same_values(values in vec(value_resp3(), 1..4)) {
            let mut decoder = Decoder::new();
            let mut decoded = Vec::new();
            for byte in values.iter().flat_map(|value| encoded(value, Protocol::Resp3)) {
                decoder.feed(&[byte]);
                decoded.extend(decoder.decode().expect("the encoder writes RESP"));
            }
            prop_assert_eq!(decoded, values);
        }

        #[test]
        fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn nearly_valid_bytes_never_panic(bytes in "([-+:$*_,#(!=%~>|][-0-9tf?]{0,3}(\r\n|\r|\n)?){0,30}") {
            let _ = parse(bytes.as_bytes());
        }

        #[test]
        fn damaged_values_never_panic(value in value_resp3(), at: proptest::sample::Index, byte: u8) {
            let mut wire = encoded(&value, Protocol::Resp3);
            let at = at.index(wire.len());
            wire[at] = byte;
            let _ = parse(&wire);
        }
    }
}
