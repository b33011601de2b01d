//! Looking for the bytes in strings that are not written as they are: quotes, backslashes and those below a blank.
//!
//! Eight bytes are looked at together as a number. Subtracting n from each of them borrows from the highest bit of those
//! below n, and of some above one of these: the lowest bit that is set belongs to the first byte that is sought.

const ONES: u64 = u64::from_ne_bytes([1; WORD]);
const HIGH: u64 = ONES << 7;
const WORD: usize = 8;

/// Has the highest bit of the first special byte set, and no lower one.
#[inline]
fn special(bytes: [u8; WORD]) -> u64 {
    let word = u64::from_le_bytes(bytes);
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGH;
    let same = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, b' ') | same(b'"') | same(b'\\')
}

/// Where the first special byte is; behind the last byte, if there is none.
#[inline]
pub fn special_at(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(bytes) = text[at..].first_chunk::<WORD>() {
        let found = special(*bytes);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    if at == text.len() {
        return at;
    }
    // The last bytes, together with some before them that are known to be plain.
    if let Some(bytes) = text.last_chunk::<WORD>() {
        let found = special(*bytes);
        return if found == 0 { text.len() } else { text.len() - WORD + found.trailing_zeros() as usize / 8 };
    }
    short_special_at(text)
}

/// The same of a text of one to seven bytes: all of them stand in a word, some twice.
#[inline]
fn short_special_at(text: &[u8]) -> usize {
    const HALF: usize = WORD / 2;
    let (len, mut word) = (text.len(), [b' '; WORD]);
    if let (Some(first), Some(last)) = (text.first_chunk::<HALF>(), text.last_chunk::<HALF>()) {
        word[..HALF].copy_from_slice(first);
        word[HALF..].copy_from_slice(last);
        let place = special(word).trailing_zeros() as usize / 8;
        return if place < HALF { place } else { len + place - WORD };
    }
    let places = [0, len / 2, len - 1];
    (word[0], word[1], word[2]) = (text[places[0]], text[places[1]], text[places[2]]);
    places.get(special(word).trailing_zeros() as usize / 8).copied().unwrap_or(len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_special(byte: u8) -> bool {
        byte < b' ' || byte == b'"' || byte == b'\\'
    }

    #[test]
    fn every_byte_is_told_at_every_place_of_a_text_of_any_length() {
        for (len, place) in (0..=20).flat_map(|len| (0..len).map(move |place| (len, place))) {
            for byte in 0..=255 {
                for other in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                    let mut text = [other; 20];
                    text[place] = byte;
                    let expected = if is_special(byte) { place } else { len };
                    assert_eq!(special_at(&text[..len]), expected, "{byte} at {place} of {len}");
                    assert_eq!(special_at(&text[..place]), place);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(text: Vec<u8>) {
            let expected = text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len());
            prop_assert_eq!(special_at(&text), expected);
        }
    }
}
