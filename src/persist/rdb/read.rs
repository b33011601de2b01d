//! Reading the elements of the format, from bytes that may end too early or be wrong in any way.
//!
//! A [`Cursor`] reads from bytes that are there; it knows nothing of files. When they end within an element it says
//! so ([`Fault::Incomplete`]), and whoever has more of them reads the element again from its beginning. Nothing is
//! allocated by a length that was only announced: a string is there, or it is incomplete. (A compressed one may make
//! what its format can make of the bytes that are there, see [`lzf::decompress`].)

use super::format::{LENGTH_32, LENGTH_64, encoding};
use crate::types::listpack::IntText;
use crate::types::lzf;

/// Why an element could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes end before it does; it takes at least as many in all, from where the cursor began.
    Incomplete(usize),
    /// It makes no sense.
    Bad(&'static str),
}

/// What reading gives.
pub type Reading<T> = Result<T, Fault>;

/// A string as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// An integer.
    Int(i64),
    /// Bytes that were compressed.
    Unpacked(Vec<u8>),
}

impl<'a> Text<'a> {
    /// Its bytes; those of an integer are printed into `room`.
    #[inline]
    pub fn bytes<'b>(&'b self, room: &'b mut IntText) -> &'b [u8] {
        match self {
            Text::Bytes(bytes) => bytes,
            Text::Int(value) => room.format(*value).as_bytes(),
            Text::Unpacked(bytes) => bytes,
        }
    }

    /// Its bytes, owned.
    pub fn into_vec(self) -> Vec<u8> {
        match self {
            Text::Bytes(bytes) => bytes.to_vec(),
            Text::Int(value) => IntText::new().format(value).as_bytes().to_vec(),
            Text::Unpacked(bytes) => bytes,
        }
    }
}

/// A place in bytes.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning of bytes.
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// Bytes read so far.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are there and not yet read.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether all has been read.
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Reads bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Reading<&'a [u8]> {
        let end = self.at.checked_add(count).ok_or(Fault::Bad("a length beyond all bounds"))?;
        let taken = self.bytes.get(self.at..end).ok_or(Fault::Incomplete(end))?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Reading<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Reads a byte.
    #[inline]
    pub fn byte(&mut self) -> Reading<u8> {
        let byte = *self.bytes.get(self.at).ok_or(Fault::Incomplete(self.at + 1))?;
        self.at += 1;
        Ok(byte)
    }

    /// Reads a number of 4 bytes.
    pub fn u32(&mut self) -> Reading<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads a number of 8 bytes.
    pub fn u64(&mut self) -> Reading<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads a number of 8 bytes, the highest first.
    pub fn u64_big_endian(&mut self) -> Reading<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads a time in milliseconds.
    pub fn time_ms(&mut self) -> Reading<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// Reads a floating-point number of 8 bytes.
    pub fn double(&mut self) -> Reading<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// Reads a floating-point number in the old form: its text behind a byte for its length, with three lengths for
    /// what is no number.
    pub fn double_text(&mut self) -> Reading<f64> {
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Ok(f64::NAN),
            length => {
                let text = std::str::from_utf8(self.take(usize::from(length))?).ok();
                text.and_then(|text| text.trim().parse().ok()).ok_or(Fault::Bad("a score that is no number"))
            }
        }
    }

    /// Reads a length, or the form of a string that has none.
    #[inline]
    fn length_or_form(&mut self) -> Reading<Result<u64, u8>> {
        let first = self.byte()?;
        match first >> 6 {
            0 => Ok(Ok(u64::from(first))),
            1 => Ok(Ok(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?))),
            2 => match first {
                LENGTH_32 => self.array().map(|bytes| Ok(u64::from(u32::from_be_bytes(bytes)))),
                LENGTH_64 => self.array().map(|bytes| Ok(u64::from_be_bytes(bytes))),
                _ => Err(Fault::Bad("an unknown form of length")),
            },
            _ => Ok(Err(first & 0x3f)),
        }
    }

    /// Reads a length, or another unsigned number.
    #[inline]
    pub fn length(&mut self) -> Reading<u64> {
        self.length_or_form()?.map_err(|_| Fault::Bad("a string where a length should be"))
    }

    /// Reads a number of things in memory.
    #[inline]
    pub fn count(&mut self) -> Reading<usize> {
        usize::try_from(self.length()?).map_err(|_| Fault::Bad("a length beyond all bounds"))
    }

    /// Reads a string.
    #[inline]
    pub fn text(&mut self) -> Reading<Text<'a>> {
        match self.length_or_form()? {
            Ok(length) => {
                let length = usize::try_from(length).map_err(|_| Fault::Bad("a length beyond all bounds"))?;
                self.take(length).map(Text::Bytes)
            }
            Err(form) => self.other_text(form),
        }
    }

    fn other_text(&mut self, form: u8) -> Reading<Text<'a>> {
        Ok(Text::Int(match form {
            encoding::INT_8 => i64::from(i8::from_le_bytes(self.array()?)),
            encoding::INT_16 => i64::from(i16::from_le_bytes(self.array()?)),
            encoding::INT_32 => i64::from(i32::from_le_bytes(self.array()?)),
            encoding::LZF => {
                let (short, long) = (self.count()?, self.count()?);
                let unpacked = lzf::decompress(self.take(short)?, long);
                return unpacked.map(Text::Unpacked).ok_or(Fault::Bad("Invalid LZF compressed string"));
            }
            _ => return Err(Fault::Bad("Unknown RDB string encoding type")),
        }))
    }

    /// Reads a string into memory of its own.
    pub fn vec(&mut self) -> Reading<Vec<u8>> {
        self.text().map(Text::into_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::Writer;
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut writer = Writer::in_memory(true);
        write(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn lengths_take_as_few_bytes_as_they_can() {
        let cases: [(u64, usize); 7] =
            [(0, 1), (63, 1), (64, 2), (16_383, 2), (16_384, 5), (u32::MAX as u64, 5), (1 << 32, 9)];
        for (length, bytes) in cases {
            let written = written(|writer| writer.length(length));
            assert_eq!(written.len(), bytes, "{length}");
            assert_eq!(Cursor::new(&written).length(), Ok(length));
        }
        assert!(matches!(Cursor::new(&[0x82, 0, 0, 0, 0]).length(), Err(Fault::Bad(_))));
        assert!(matches!(Cursor::new(&[0xc0, 1]).length(), Err(Fault::Bad(_))));
    }

    #[test]
    fn strings_are_stored_in_the_shortest_form() {
        let stored = |text: &[u8]| written(|writer| writer.string(text));
        assert_eq!(stored(b"-7"), [0xc0, 0xf9]);
        assert_eq!(stored(b"300"), [0xc1, 44, 1]);
        assert_eq!(stored(b"-2147483648"), [0xc2, 0, 0, 0, 0x80]);
        for text in [&b"2147483648"[..], b"007", b"+1", b"-0", b"", b"abc"] {
            assert_eq!(stored(text)[1..], *text, "{text:?} stays as it is");
        }
        assert!(stored(&[b'a'; 200]).len() < 30);
    }

    #[test]
    fn old_scores_are_text() {
        let read = |bytes: &[u8]| Cursor::new(bytes).double_text();
        assert_eq!(read(b"\x043.25"), Ok(3.25));
        assert_eq!(read(&[254]), Ok(f64::INFINITY));
        assert_eq!(read(&[255]), Ok(f64::NEG_INFINITY));
        assert!(read(&[253]).is_ok_and(f64::is_nan));
        assert!(matches!(read(b"\x02xx"), Err(Fault::Bad(_))));
        assert_eq!(read(b"\x09xx"), Err(Fault::Incomplete(10)));
    }

    #[test]
    fn a_huge_length_is_incomplete_rather_than_allocated() {
        let bytes = written(|writer| writer.length(u64::MAX - 8));
        assert!(matches!(Cursor::new(&bytes).text(), Err(Fault::Bad(_))));
        let bytes = written(|writer| writer.length(1 << 40));
        assert_eq!(Cursor::new(&bytes).text(), Err(Fault::Incomplete(9 + (1 << 40))));
    }

    proptest! {
        #[test]
        fn strings_come_back_and_are_incomplete_when_cut(
            text in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                prop::collection::vec(prop::sample::select(b"abc".as_slice()), 0..300),
                any::<i64>().prop_map(|value| value.to_string().into_bytes()),
                any::<i16>().prop_map(|value| value.to_string().into_bytes()),
            ],
            cut: prop::sample::Index,
        ) {
            let bytes = written(|writer| writer.string(&text));
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(cursor.vec(), Ok(text));
            prop_assert!(cursor.is_at_end());
            let cut = cut.index(bytes.len());
            prop_assert!(matches!(Cursor::new(&bytes[..cut]).vec(), Err(Fault::Incomplete(end)) if end > cut));
        }

        #[test]
        fn any_bytes_can_be_read_as_a_string(bytes: Vec<u8>) {
            let _ = Cursor::new(&bytes).vec();
        }
    }
}
