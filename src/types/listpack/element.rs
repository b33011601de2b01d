//! One element of a listpack: how it is told from a text, and how it is written and read. The parent module has the
//! drawing.

use super::IntText;
use crate::util::number::parse_i64;

/// The longest string whose length stands in its first byte.
const SHORT_BYTES_MAX: usize = 63;

/// An element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element<'a> {
    /// An integer.
    Int(i64),
    /// Any other bytes.
    Bytes(&'a [u8]),
}

impl<'a> Element<'a> {
    /// The element that stands for a text: an integer, if it is the canonical text of one.
    #[inline]
    pub fn of(text: &'a [u8]) -> Self {
        match text.first() {
            Some(b'0'..=b'9' | b'-') if text.len() <= 20 => parse_i64(text).map_or(Self::Bytes(text), Self::Int),
            _ => Self::Bytes(text),
        }
    }

    /// Its text.
    #[inline]
    pub fn text<'b>(self, room: &'b mut IntText) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Int(value) => room.format(value).as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// Its text, owned.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut IntText::new()).to_vec()
    }

    /// The length of its text.
    pub fn text_len(self) -> usize {
        self.text(&mut IntText::new()).len()
    }

    /// Whether this is its text.
    #[inline]
    pub fn equals(self, text: &[u8]) -> bool {
        match self {
            Self::Bytes(bytes) => bytes == text,
            Self::Int(value) => IntText::new().format(value).as_bytes() == text,
        }
    }

    /// The integer it is.
    pub fn int(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Bytes(bytes) => parse_i64(bytes),
        }
    }

    /// The bytes that encoding and data take.
    #[inline]
    fn data_bytes(self) -> usize {
        match self {
            Self::Bytes(bytes) => match bytes.len() {
                length @ 0..=SHORT_BYTES_MAX => 1 + length,
                length @ 64..=4095 => 2 + length,
                length => 5 + length,
            },
            Self::Int(0..=127) => 1,
            Self::Int(-4096..=4095) => 2,
            Self::Int(value) if i16::try_from(value).is_ok() => 3,
            Self::Int(-0x80_0000..=0x7f_ffff) => 4,
            Self::Int(value) if i32::try_from(value).is_ok() => 5,
            Self::Int(_) => 9,
        }
    }

    /// All the bytes that it takes in a listpack.
    #[inline]
    pub fn encoded_bytes(self) -> usize {
        let data = self.data_bytes();
        data + back_length_bytes(data)
    }

    /// Writes it at the beginning of `out`; returns how many bytes that took.
    #[inline]
    pub(super) fn write(self, out: &mut [u8]) -> usize {
        match self {
            Self::Int(value @ 0..=127) => {
                out[..2].copy_from_slice(&[value as u8, 1]);
                2
            }
            Self::Bytes(bytes) if bytes.len() <= SHORT_BYTES_MAX => {
                // The length behind it, in which its head counts, takes one byte as well.
                let needed = bytes.len() + 2;
                if let [first, text @ .., behind] = &mut out[..needed] {
                    (*first, *behind) = (0x80 | bytes.len() as u8, bytes.len() as u8 + 1);
                    text.copy_from_slice(bytes);
                }
                needed
            }
            Self::Int(_) | Self::Bytes(_) => self.write_long(out),
        }
    }

    /// [`Element::write`] for what is neither a small integer nor a short string.
    fn write_long(self, out: &mut [u8]) -> usize {
        let data = self.data_bytes();
        match self {
            Self::Bytes(bytes) => {
                let length = bytes.len();
                match data - length {
                    2 => out[..2].copy_from_slice(&[0xe0 | (length >> 8) as u8, length as u8]),
                    _ => {
                        out[0] = 0xf0;
                        out[1..5].copy_from_slice(&(length as u32).to_le_bytes());
                    }
                }
                out[data - length..data].copy_from_slice(bytes);
            }
            Self::Int(value) => match data {
                2 => out[..2].copy_from_slice(&[0xc0 | (value >> 8) as u8 & 0x1f, value as u8]),
                _ => {
                    out[0] = 0xf1 + (data - 3).min(3) as u8;
                    out[1..data].copy_from_slice(&value.to_le_bytes()[..data - 1]);
                }
            },
        }
        data + write_back_length(&mut out[data..], data)
    }
}

/// How many bytes the length behind an element takes. (The limits are Redis's, one below what would fit.)
#[inline]
pub(super) fn back_length_bytes(data: usize) -> usize {
    match data {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// Seven bits a byte, the highest first; all but the first have the top bit, which says to read on when walking back.
#[inline]
pub(super) fn write_back_length(out: &mut [u8], data: usize) -> usize {
    let bytes = back_length_bytes(data);
    for (place, byte) in out[..bytes].iter_mut().rev().enumerate() {
        *byte = (data >> (7 * place)) as u8 & 0x7f | 0x80;
    }
    out[0] &= 0x7f;
    bytes
}

/// The data length that ends before `end`, and where the data begins; `None` if that is nonsense.
pub(super) fn read_back_length(bytes: &[u8], end: usize) -> Option<(usize, usize)> {
    let mut data = 0;
    for place in 0..5 {
        let at = end.checked_sub(place + 1)?;
        data |= usize::from(bytes[at] & 0x7f) << (7 * place);
        if bytes[at] & 0x80 == 0 {
            return Some((data, at.checked_sub(data)?));
        }
    }
    None
}

/// The element at a position and how many bytes its encoding and data take; `None` for the end or nonsense.
#[inline]
pub(super) fn decode(bytes: &[u8], at: usize) -> Option<(Element<'_>, usize)> {
    let rest = bytes.get(at..)?;
    let string = |head: usize, length: usize| {
        rest.get(head..).and_then(|rest| rest.get(..length)).map(|text| (Element::Bytes(text), head + length))
    };
    let int = |bytes: usize| {
        let mut wide = [0; 8];
        wide[8 - bytes..].copy_from_slice(rest.get(1..=bytes)?);
        Some((Element::Int(i64::from_le_bytes(wide) >> (64 - 8 * bytes)), 1 + bytes))
    };
    match *rest.first()? {
        byte @ 0..=0x7f => Some((Element::Int(i64::from(byte)), 1)),
        byte @ 0x80..=0xbf => string(1, usize::from(byte & 0x3f)),
        byte @ 0xc0..=0xdf => {
            let unsigned = i64::from(byte & 0x1f) << 8 | i64::from(*rest.get(1)?);
            Some((Element::Int(unsigned << 51 >> 51), 2))
        }
        byte @ 0xe0..=0xef => string(2, usize::from(byte & 0x0f) << 8 | usize::from(*rest.get(1)?)),
        0xf0 => string(5, u32::from_le_bytes(rest.get(1..5)?.try_into().ok()?) as usize),
        0xf1 => int(2),
        0xf2 => int(3),
        0xf3 => int(4),
        0xf4 => int(8),
        0xf5..=0xff => None,
    }
}

/// The first byte of a string of so many bytes, if it is a short one.
#[inline]
pub(super) fn short_head(length: usize) -> Option<u8> {
    (length <= SHORT_BYTES_MAX).then_some(0x80 | length as u8)
}

/// How many bytes an element takes that begins with a byte and is a small integer or a short string, whose length takes
/// one byte.
#[inline(always)]
pub(super) fn small_size(first: u8) -> Option<usize> {
    match first ^ 0x80 {
        length @ 0..=0x3f => Some(2 + usize::from(length)),
        0x80.. => Some(2),
        _ => None,
    }
}

/// How many bytes the element at a position takes; 0 at the end.
#[inline(always)]
pub(super) fn size_at(bytes: &[u8], at: usize) -> usize {
    small_size(bytes[at]).unwrap_or_else(|| size_of_others(bytes, at))
}

#[inline(never)]
fn size_of_others(bytes: &[u8], at: usize) -> usize {
    match decode(bytes, at) {
        Some((_, data)) => data + back_length_bytes(data),
        None => 0,
    }
}
