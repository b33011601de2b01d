//! Writing short strings, `$5\r\nhello\r\n`, and lines, `:12\r\n`, behind what the buffer holds.
//!
//! Most of what a server answers is strings of a few bytes, a hundred of them to some commands. Appended to a vector in
//! three pieces, each of these checks the room, calls for a copy and moves the end. Here the room is checked once, the
//! header is one word of a table, and up to 64 bytes are copied by a few wide loads and stores.

// What is written lies in the vector's spare room, which safe code can't reach in words.
#![allow(unsafe_code)]

use std::ptr;

/// What a string of up to [`SHORT_MAX`] bytes takes besides them at most, with what may be written and is not kept.
const MARGIN: usize = 16;
/// The longest string that is written here.
pub const SHORT_MAX: usize = 999;

/// The header of each length, its kind left 0, as the word that is stored for it: up to six bytes, and some that are
/// overwritten or not kept. The last of these is how many bytes the header has.
static HEADERS: [u64; SHORT_MAX + 1] = headers();

const fn headers() -> [u64; SHORT_MAX + 1] {
    let mut headers = [0; SHORT_MAX + 1];
    let mut length = 0;
    while length <= SHORT_MAX {
        let bytes = match length {
            0..=9 => [0, digit(length), b'\r', b'\n', 0, 0, 0, 4],
            10..=99 => [0, digit(length / 10), digit(length), b'\r', b'\n', 0, 0, 5],
            _ => [0, digit(length / 100), digit(length / 10), digit(length), b'\r', b'\n', 0, 6],
        };
        headers[length] = u64::from_le_bytes(bytes);
        length += 1;
    }
    headers
}

/// The last digit of a number.
const fn digit(value: usize) -> u8 {
    b'0' + (value % 10) as u8
}

/// Writes a string of this kind behind what the buffer holds; false if it is long, or the buffer has not the room.
#[inline(always)]
pub fn push_short(buffer: &mut Vec<u8>, kind: u8, text: &[u8]) -> bool {
    match HEADERS.get(text.len()) {
        // SAFETY: headers have six bytes at most.
        Some(header) => unsafe { push_behind(buffer, header | u64::from(kind), (header >> 56) as usize, text) },
        None => false,
    }
}

/// Writes a line of this kind, such as `:12`, behind what the buffer holds; false if it is long, or the buffer has not
/// the room.
#[inline(always)]
pub fn push_line(buffer: &mut Vec<u8>, kind: u8, text: &[u8]) -> bool {
    // SAFETY: this is one byte.
    text.len() <= SHORT_MAX && unsafe { push_behind(buffer, u64::from(kind), 1, text) }
}

/// Writes the first `head` bytes of a header, a text and CRLF behind what the buffer holds; false if that has not the room.
///
/// # Safety
/// `head` is 6 at most.
#[inline(always)]
unsafe fn push_behind(buffer: &mut Vec<u8>, header: u64, head: usize, text: &[u8]) -> bool {
    let (start, length) = (buffer.len(), text.len());
    if buffer.capacity() - start < length + MARGIN {
        return false;
    }
    // SAFETY: behind `start` there is room for the header (8 bytes are written, at most 6 kept), the string and CRLF: 6,
    // `length` and 2 bytes, and never are more than `MARGIN` written besides the string. All of them are written before
    // they become part of the vector. The string is no part of the buffer, which is mutably borrowed.
    unsafe {
        let to = buffer.as_mut_ptr().add(start);
        to.cast::<[u8; 8]>().write(header.to_le_bytes());
        copy(text, to.add(head));
        to.add(head + length).cast::<[u8; 2]>().write(*b"\r\n");
        buffer.set_len(start + head + length + 2);
    }
    true
}

/// Copies a text: one of up to 64 bytes as two or four words of a fixed size, of which those at the end may overlap.
///
/// # Safety
/// There is room for it at `to`, and the two do not overlap.
#[inline(always)]
unsafe fn copy(text: &[u8], to: *mut u8) {
    let (from, length) = (text.as_ptr(), text.len());
    // SAFETY: both ends are read and written within the text, which is at least as long as one word, and its copy.
    unsafe {
        match length {
            16..=32 => ends::<16>(from, to, length),
            8..16 => ends::<8>(from, to, length),
            33..=64 => {
                ends::<16>(from, to, 32);
                ends::<16>(from.add(length - 32), to.add(length - 32), 32);
            }
            4..8 => ends::<4>(from, to, length),
            0 => {}
            1 => to.write(*from),
            2..4 => ends::<2>(from, to, length),
            _ => ptr::copy_nonoverlapping(from, to, length),
        }
    }
}

/// Copies the first and the last `N` bytes of so many.
///
/// # Safety
/// As for [`copy`], and there are `N` bytes at least.
#[inline(always)]
unsafe fn ends<const N: usize>(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: by contract.
    unsafe {
        ptr::copy_nonoverlapping(from, to, N);
        ptr::copy_nonoverlapping(from.add(length - N), to.add(length - N), N);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same by the plainest means.
    fn twin(buffer: &mut Vec<u8>, kind: u8, text: &[u8]) {
        buffer.push(kind);
        buffer.extend_from_slice(text.len().to_string().as_bytes());
        buffer.extend_from_slice(b"\r\n");
        buffer.extend_from_slice(text);
        buffer.extend_from_slice(b"\r\n");
    }

    #[test]
    fn every_short_length_is_written_as_by_the_twin() {
        for length in 0..SHORT_MAX + 3 {
            let text: Vec<u8> = (0..length).map(|index| (index * 7 + 1) as u8).collect();
            let mut buffer = Vec::with_capacity(length + 40);
            buffer.extend_from_slice(b"+OK\r\n");
            let mut expected = buffer.clone();
            twin(&mut expected, b'$', &text);
            assert_eq!(push_short(&mut buffer, b'$', &text), length <= SHORT_MAX, "{length}");
            if length <= SHORT_MAX {
                assert_eq!(buffer, expected, "{length}");
            }
        }
    }

    #[test]
    fn lines_of_every_length_are_written_if_there_is_the_room() {
        for length in 0..SHORT_MAX + 3 {
            let text: Vec<u8> = (0..length).map(|index| (index * 7 + 1) as u8).collect();
            for room in [length, length + 8, length + MARGIN + 2, length + MARGIN + 3, length + 2 * MARGIN] {
                let mut buffer = Vec::with_capacity(room.max(3));
                buffer.extend_from_slice(b"abc");
                let capacity = buffer.capacity();
                let mut expected = buffer.clone();
                let written = push_line(&mut buffer, b':', &text);
                assert_eq!(written, length <= SHORT_MAX && capacity - 3 >= length + MARGIN, "{length} {room}");
                if written {
                    expected.push(b':');
                    expected.extend_from_slice(&text);
                    expected.extend_from_slice(b"\r\n");
                }
                assert_eq!((buffer.capacity(), &buffer), (capacity, &expected));
            }
        }
    }

    #[test]
    fn a_buffer_without_the_room_is_left_alone() {
        for length in [0, 1, 9, 10, 64, 99, 100, SHORT_MAX] {
            for room in 0..length + 2 * MARGIN {
                let mut buffer = Vec::with_capacity(room);
                buffer.extend_from_slice(&b"abc"[..room.min(3)]);
                let (before, capacity) = (buffer.clone(), buffer.capacity());
                let written = push_short(&mut buffer, b'$', &vec![b'x'; length]);
                assert_eq!(buffer.capacity(), capacity);
                assert_eq!(written, capacity - before.len() >= length + MARGIN);
                assert!(written || buffer == before);
            }
        }
    }

    proptest! {
        #[test]
        fn any_strings_are_written_as_by_the_twin(
            texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..140), 0..20),
            room in 0usize..2000,
            kind in proptest::sample::select(b"$!=".to_vec()),
        ) {
            let (mut buffer, mut expected) = (Vec::with_capacity(room), Vec::new());
            for text in &texts {
                if push_short(&mut buffer, kind, text) {
                    twin(&mut expected, kind, text);
                }
            }
            prop_assert_eq!(buffer, expected);
        }
    }
}
