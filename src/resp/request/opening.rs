//! How requests begin, most of them as the one before, and short headers: the common case of framing, by hand.

/// How many bytes of an opening are compared, which is all with the usual names, and as how many words.
const COMPARED: usize = 8 * WORDS;
const WORDS: usize = 4;

/// How a request begins: the number of its arguments and the first of them, its name. In a pipeline most requests begin
/// as the one before them; that is seen by one comparison, and nothing of it is read again.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Its bytes as numbers, those that `mask` lets through. With none of them no bytes are the same.
    bytes: [u64; WORDS],
    mask: [u64; WORDS],
    /// How many bytes it takes.
    pub len: usize,
    /// Where in it the name stands, and how long that is.
    pub name: (u32, u32),
    /// The number of arguments.
    pub count: u32,
}

impl Default for Opening {
    fn default() -> Opening {
        Opening::NONE
    }
}

impl Opening {
    /// That of no request.
    pub const NONE: Opening = Opening { bytes: [1; WORDS], mask: [0; WORDS], len: 0, name: (0, 0), count: 0 };

    /// Whether a buffer goes on with the same bytes at `head`.
    #[inline(always)]
    pub fn comes_again(&self, buffer: &[u8], head: usize) -> bool {
        let Some(rest) = buffer.get(head..) else { return false };
        let Some(front) = rest.first_chunk() else { return self.begins_end(rest) };
        let front = words(front);
        let is_same = |index: usize| front[index] & self.mask[index] == self.bytes[index];
        is_same(0) && is_same(1) && (self.len <= COMPARED / 2 || is_same(2) && is_same(3))
    }

    /// The same at the end of a buffer, where there are not as many bytes as are compared at once.
    #[inline(never)]
    fn begins_end(&self, rest: &[u8]) -> bool {
        let bytes = self.bytes.map(u64::to_le_bytes);
        let bytes = bytes.as_flattened().get(..self.len).unwrap_or_default();
        !bytes.is_empty() && rest.starts_with(bytes)
    }

    /// Reads the opening of a request. One of more than [`COMPARED`] bytes never comes again.
    #[inline(never)]
    pub fn read(buffer: &[u8], head: usize) -> Option<Opening> {
        let (count, name_header) = short_header(buffer, head, b'*')?;
        if count == 0 {
            return None;
        }
        let (length, name) = short_header(buffer, name_header, b'$')?;
        let len = name + length + 2 - head;
        let front = buffer.get(head..head + len)?;
        let (mut bytes, mut mask) = ([0; COMPARED], [0; COMPARED]);
        let (bytes, mask) = match (bytes.get_mut(..len), mask.get_mut(..len)) {
            (Some(room), Some(masked)) => {
                room.copy_from_slice(front);
                masked.fill(0xff);
                (words(&bytes), words(&mask))
            }
            _ => (Opening::NONE.bytes, Opening::NONE.mask),
        };
        Some(Opening { bytes, mask, len, name: ((name - head) as u32, length as u32), count: count as u32 })
    }
}

/// Bytes as the words that are compared.
#[inline(always)]
fn words(bytes: &[u8; COMPARED]) -> [u64; WORDS] {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|index| u64::from_le_bytes(words[index]))
}

/// The common case of a header, by hand: `kind`, one to three digits without a leading zero, CRLF, looked at as one
/// word. Everything else is left to the module above.
#[inline(always)]
pub fn short_header(buffer: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    let rest = buffer.get(at..)?;
    let word = rest.first_chunk().map_or_else(|| last_bytes(rest), |word| u64::from_le_bytes(*word));
    let has_digits = |count: u32| word & around(0xff, 0xffff, count) == around(kind, CRLF, count);
    let digit = |index: u32| usize::from((word >> (8 * index)) as u8).wrapping_sub(usize::from(b'0'));
    let (a, b, c) = (digit(1), digit(2), digit(3));
    let is_leading = a.wrapping_sub(1) < 9;
    // Most arguments have a length of two digits.
    if has_digits(2) && is_leading && b < 10 {
        return Some((a * 10 + b, at + 5));
    }
    if has_digits(1) && a < 10 {
        return Some((a, at + 4));
    }
    (has_digits(3) && is_leading && b < 10 && c < 10).then(|| (a * 100 + b * 10 + c, at + 6))
}

const CRLF: u16 = u16::from_le_bytes(*b"\r\n");

/// A header as a word without its digits, of which there are so many: its first byte and its last two.
#[inline(always)]
const fn around(kind: u8, end: u16, digits: u32) -> u64 {
    kind as u64 | (end as u64) << (8 + 8 * digits)
}

/// The few bytes that are left of a buffer as a number, which ends in zeros.
#[cold]
fn last_bytes(rest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(rest).for_each(|(byte, left)| *byte = *left);
    u64::from_le_bytes(bytes)
}
