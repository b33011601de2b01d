//! One element of an array in 64 bits.
//!
//! ```text
//! bits 0-1   bits 2-63
//!  00        nothing if all are 0; else where the text lies among the slice's texts, counted from 1
//!  01        an integer of 62 bits
//!  10        a decimal: digits behind the point (4 bits), all digits as an integer of 58 bits
//!  11        a text of up to 7 bytes: its length (6 bits), then the bytes, the first one lowest
//! ```
//! An element stands for one text. It is an integer or a decimal only if these print exactly that text again: `7` and
//! `-0.25` are, `07`, `-0.0` and `1e3` are none.

use super::texts::Texts;
use crate::util::number::parse_i64;

/// The longest text that lies in the word.
pub const SHORT_MAX: usize = 7;
/// Integers and decimals print no more bytes than this.
const PRINTED_MAX: usize = 23;

const TAG_BITS: u32 = 2;
const TAG: u64 = 0b11;
const INT: u64 = 0b01;
const DECIMAL: u64 = 0b10;
const SHORT: u64 = 0b11;

/// Integers have as many bits below their sign.
const INT_BITS: u32 = 61;
const POINT_BITS: u32 = 4;
/// Digits behind the point, at most.
const POINT_MAX: usize = (1 << POINT_BITS) - 1;
/// The digits of decimals have as many bits below their sign.
const DIGITS_BITS: u32 = 57;

/// An element in 64 bits; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(u64);

impl Word {
    /// No element.
    pub const EMPTY: Word = Word(0);

    /// The word of a text that needs no other memory.
    pub fn inline(text: &[u8]) -> Option<Word> {
        if let Some(value) = parse_i64(text).filter(|value| (-(1 << INT_BITS)..1 << INT_BITS).contains(value)) {
            return Some(Word((value as u64) << TAG_BITS | INT));
        }
        if text.len() <= SHORT_MAX {
            let mut bytes = [0; 8];
            bytes[1..=text.len()].copy_from_slice(text);
            return Some(Word(u64::from_le_bytes(bytes) | (text.len() as u64) << TAG_BITS | SHORT));
        }
        decimal(text)
    }

    /// The word of a text among those of its slice.
    pub fn at(place: usize) -> Word {
        Word((place as u64 + 1) << TAG_BITS)
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Where its text lies among those of its slice, if it does.
    #[inline]
    pub fn place(self) -> Option<usize> {
        (self.0 & TAG == 0 && self.0 != 0).then(|| (self.0 >> TAG_BITS) as usize - 1)
    }

    /// The element; `None` if there is none.
    #[inline]
    pub fn value(self, texts: &Texts) -> Option<Value<'_>> {
        match self.0 & TAG {
            INT => Some(Value::Int(self.0 as i64 >> TAG_BITS)),
            DECIMAL => {
                let point = (self.0 >> TAG_BITS) as usize & POINT_MAX;
                Some(Value::Short(print_decimal(self.0 as i64 >> (TAG_BITS + POINT_BITS), point)))
            }
            SHORT => {
                let mut short = Short { bytes: [0; PRINTED_MAX], len: (self.0 >> TAG_BITS) as u8 & 0x3f };
                short.bytes[..SHORT_MAX].copy_from_slice(&self.0.to_le_bytes()[1..]);
                Some(Value::Short(short))
            }
            _ => self.place().map(|place| Value::Long(texts.get(place))),
        }
    }
}

/// The word of a text like `-12.50`.
fn decimal(text: &[u8]) -> Option<Word> {
    let (negative, magnitude) = match text {
        [b'-', magnitude @ ..] => (true, magnitude),
        magnitude => (false, magnitude),
    };
    let point = memchr::memchr(b'.', magnitude)?;
    let (whole, fraction) = (&magnitude[..point], &magnitude[point + 1..]);
    let plain = matches!(whole, [b'0'] | [b'1'..=b'9', ..]) && (1..=POINT_MAX).contains(&fraction.len());
    if !plain || magnitude.len() > PRINTED_MAX {
        return None;
    }
    let mut digits = 0i64;
    for byte in whole.iter().chain(fraction) {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        digits = digits.checked_mul(10)?.checked_add(digit)?;
    }
    let fits = digits < 1 << DIGITS_BITS && !(negative && digits == 0);
    let signed = if negative { -digits } else { digits };
    fits.then_some(Word((signed as u64) << (TAG_BITS + POINT_BITS) | (fraction.len() as u64) << TAG_BITS | DECIMAL))
}

fn print_decimal(digits: i64, point: usize) -> Short {
    let mut number = itoa::Buffer::new();
    let printed = number.format(digits.unsigned_abs()).as_bytes();
    let mut short = Short { bytes: [b'0'; PRINTED_MAX], len: 0 };
    let mut put = |bytes: &[u8]| {
        let from = usize::from(short.len);
        short.bytes[from..from + bytes.len()].copy_from_slice(bytes);
        short.len += bytes.len() as u8;
    };
    if digits < 0 {
        put(b"-");
    }
    let whole = printed.len().saturating_sub(point);
    put(if whole == 0 { b"0" } else { &printed[..whole] });
    put(b".");
    put(&[b'0'; POINT_MAX][..point.saturating_sub(printed.len())]);
    put(&printed[whole..]);
    short
}

/// A few bytes by themselves.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    bytes: [u8; PRINTED_MAX],
    len: u8,
}

impl Short {
    /// The bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// An element as it is read.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// An integer.
    Int(i64),
    /// A decimal, or a short text.
    Short(Short),
    /// Any other text.
    Long(&'a [u8]),
}

impl Value<'_> {
    /// Its text.
    #[inline]
    pub fn text<'b>(&'b self, room: &'b mut itoa::Buffer) -> &'b [u8] {
        match self {
            Value::Int(value) => room.format(*value).as_bytes(),
            Value::Short(short) => short.bytes(),
            Value::Long(bytes) => bytes,
        }
    }

    /// Its text, owned.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Option<Vec<u8>> {
        Word::inline(text).map(|word| word.value(&Texts::default()).expect("an element").to_vec())
    }

    #[test]
    fn numbers_and_short_texts_lie_in_the_word_and_read_back_the_same() {
        let inline = [
            "",
            "a",
            "1234567",
            "abcdefg",
            "-5",
            "0",
            "007",
            "+1",
            "-0",
            "-0.0",
            "1.5",
            "3.14159265",
            "-3.14159265",
            "0.000000000000001",
            "-0.25000000",
            "100000000000.5",
            "2305843009213693951",
            "-2305843009213693952",
            "144115188075855.871",
            "1e3",
            "nan",
            ".5",
            "5.",
        ];
        for text in inline {
            assert_eq!(read(text.as_bytes()).as_deref(), Some(text.as_bytes()), "{text}");
        }
        let elsewhere = [
            "abcdefgh",
            "2305843009213693952",
            "-2305843009213693953",
            "00000.50",
            "-00.00000",
            "1.5e10000",
            "1.2.3456",
            "0.0000000000000001",
            "14411518807585.5872",
            "12345678.",
            "+1.500000",
            "-0.0000000",
            "99999999999999999999.5",
        ];
        for text in elsewhere {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert!(Word::inline(b"").is_some_and(|word| !word.is_empty()));
    }

    proptest! {
        #[test]
        fn whatever_lies_in_the_word_reads_back_the_same(
            text in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..10),
                "-?[0-9]{1,20}(\\.[0-9]{0,17})?".prop_map(String::into_bytes),
                any::<i64>().prop_map(|value| value.to_string().into_bytes()),
            ],
        ) {
            if let Some(back) = read(&text) {
                prop_assert_eq!(back, text);
            } else {
                prop_assert!(text.len() > SHORT_MAX);
            }
        }
    }
}
