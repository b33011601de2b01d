//! How requests begin, most of them as the one before, and short headers: the common case of framing, by hand.

/// How a request begins: the number of its arguments and the first of them, its name. In a pipeline most requests begin
/// as the one before them; that is seen by one comparison, and nothing of it is read again.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Its bytes as a number, those that `mask` lets through. With none of them no bytes are the same.
    bytes: u128,
    mask: u128,
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
    pub const NONE: Opening = Opening { bytes: 1, mask: 0, len: 0, name: (0, 0), count: 0 };

    /// Whether a buffer goes on with the same bytes at `head`.
    #[inline(always)]
    pub fn comes_again(&self, buffer: &[u8], head: usize) -> bool {
        let Some(rest) = buffer.get(head..) else { return false };
        let front = rest.first_chunk::<16>().map_or_else(|| last_bytes(rest), |front| u128::from_le_bytes(*front));
        front & self.mask == self.bytes
    }

    /// Reads the opening of a request. One of more than 16 bytes never comes again.
    pub fn read(buffer: &[u8], head: usize) -> Option<Opening> {
        let (count, name_header) = short_header(buffer, head, b'*')?;
        if count == 0 {
            return None;
        }
        let (length, name) = short_header(buffer, name_header, b'$')?;
        let len = name + length + 2 - head;
        let front = buffer.get(head..head + len)?;
        let mut bytes = [0; 16];
        let (bytes, mask) = match bytes.get_mut(..len) {
            Some(room) => {
                room.copy_from_slice(front);
                (u128::from_le_bytes(bytes), u128::MAX >> (128 - 8 * len))
            }
            None => (Opening::NONE.bytes, Opening::NONE.mask),
        };
        Some(Opening { bytes, mask, len, name: ((name - head) as u32, length as u32), count: count as u32 })
    }
}

/// The common case of a header, by hand: `kind`, one to three digits without a leading zero, CRLF, looked at as one
/// word. Everything else is left to the module above.
#[inline(always)]
pub fn short_header(buffer: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    const CRLF: u16 = u16::from_le_bytes(*b"\r\n");
    let rest = buffer.get(at..)?;
    let word = rest.first_chunk::<8>().map_or_else(|| last_bytes(rest) as u64, |word| u64::from_le_bytes(*word));
    let digit = |index: u32| (word >> (8 * index)) as u8 ^ b'0';
    let ends = |index: u32| (word >> (8 * index)) as u16 == CRLF;
    let (a, b, c) = (usize::from(digit(1)), usize::from(digit(2)), usize::from(digit(3)));
    if word as u8 != kind || a > 9 {
        return None;
    }
    if ends(2) {
        return Some((a, at + 4));
    }
    if a == 0 || b > 9 {
        return None;
    }
    if ends(3) {
        return Some((a * 10 + b, at + 5));
    }
    (c <= 9 && ends(4)).then(|| (a * 100 + b * 10 + c, at + 6))
}

/// The few bytes that are left of a buffer as a number, which ends in zeros.
#[cold]
fn last_bytes(rest: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(rest).for_each(|(byte, left)| *byte = *left);
    u128::from_le_bytes(bytes)
}
