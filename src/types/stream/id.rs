//! The ids of entries: a time in milliseconds and a number within it, written `ms-seq`.

use crate::util::number::parse_i64;

/// The longest text that is looked at as an id.
const TEXT_BYTES_MAX: usize = 127;

/// An id. Later entries have greater ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds, as a rule since 1970.
    pub ms: u64,
    /// Counts what was added within one millisecond.
    pub seq: u64,
}

impl StreamId {
    /// The smallest id, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The greatest one.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// An id by its parts.
    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The id right behind; `None` behind the greatest.
    #[inline]
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id right before; `None` before the smallest.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Reads `ms-seq`, or `ms` alone, which has `missing_seq` for its number.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        let (ms, seq) = Self::split(text)?;
        Some(StreamId { ms: parse_part(ms)?, seq: seq.map_or(Some(missing_seq), parse_part)? })
    }

    /// Reads the milliseconds of `ms-*`.
    pub fn parse_partial(text: &[u8]) -> Option<u64> {
        match Self::split(text)? {
            (ms, Some(b"*")) => parse_part(ms),
            _ => None,
        }
    }

    fn split(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let split = memchr::memchr(b'-', text).map(|dash| (&text[..dash], Some(&text[dash + 1..])));
        Some(split.unwrap_or((text, None)))
    }

    /// Its text.
    #[inline]
    pub fn text(self, room: &mut IdText) -> &[u8] {
        let mut digits = itoa::Buffer::new();
        let ms = digits.format(self.ms).as_bytes();
        let dash = ms.len();
        room.0[..dash].copy_from_slice(ms);
        room.0[dash] = b'-';
        let seq = digits.format(self.seq).as_bytes();
        let end = dash + 1 + seq.len();
        room.0[dash + 1..end].copy_from_slice(seq);
        &room.0[..end]
    }

    /// Its text, owned.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut IdText::default()).to_vec()
    }
}

/// Room for the text of an id.
#[derive(Clone, Copy, Debug)]
pub struct IdText([u8; 41]);

impl Default for IdText {
    #[inline]
    fn default() -> Self {
        IdText([0; 41])
    }
}

/// One part of an id. As in C, blanks, a plus and zeros may stand before it.
fn parse_part(text: &[u8]) -> Option<u64> {
    if let Some(value) = parse_i64(text) {
        return u64::try_from(value).ok();
    }
    let digits = text.trim_ascii_start();
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = (*digit as char).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_read_with_or_without_their_number() {
        let parse = |text: &str| StreamId::parse(text.as_bytes(), 7);
        assert_eq!(parse("5"), Some(StreamId::new(5, 7)));
        assert_eq!(parse("5-0"), Some(StreamId::new(5, 0)));
        assert_eq!(parse("18446744073709551615-18446744073709551615"), Some(StreamId::MAX));
        assert_eq!(parse("007-+1"), Some(StreamId::new(7, 1)));
        for text in ["", "-", "+", "5-", "-5", "5-*", "5--1", "a", "5-1 ", "18446744073709551616", "1-1-1"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"0".repeat(128)), None);
        assert_eq!(StreamId::parse_partial(b"5-*"), Some(5));
        assert_eq!(StreamId::parse_partial(b"5-1"), None);
        assert_eq!(StreamId::parse_partial(b"*"), None);
    }

    #[test]
    fn neighbours_carry_over() {
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::new(2, 0).previous(), Some(StreamId::new(1, u64::MAX)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.previous(), None);
    }

    proptest! {
        #[test]
        fn an_id_survives_its_text(ms: u64, seq: u64) {
            let id = StreamId::new(ms, seq);
            prop_assert_eq!(StreamId::parse(id.text(&mut IdText::default()), 0), Some(id));
        }
    }
}
