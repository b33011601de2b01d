//! Comparing short texts, such as keys, without a call.

/// Whether two texts are the same, told by a few words for 8 to 32 bytes: the first and the last of them, which may
/// overlap.
#[inline(always)]
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        8..=16 => {
            let words = |text: &[u8]| Some((word(text.first_chunk()?), word(text.last_chunk()?)));
            matches!((words(one), words(other)), (Some(a), Some(b)) if (a.0 ^ b.0) | (a.1 ^ b.1) == 0)
        }
        17..=32 => {
            let words = |text: &[u8]| Some((wide(text.first_chunk()?), wide(text.last_chunk()?)));
            matches!((words(one), words(other)), (Some(a), Some(b)) if (a.0 ^ b.0) | (a.1 ^ b.1) == 0)
        }
        _ => one == other,
    }
}

#[inline(always)]
fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_ne_bytes(*bytes)
}

#[inline(always)]
fn wide(bytes: &[u8; 16]) -> u128 {
    u128::from_ne_bytes(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_difference_anywhere_is_seen() {
        for length in 0..70 {
            let text: Vec<u8> = (0..length).collect();
            assert!(equal(&text, &text.clone()));
            assert!(!equal(&text, &text[..text.len().saturating_sub(1)]) || text.is_empty());
            for place in 0..text.len() {
                for bit in 0..8 {
                    let mut other = text.clone();
                    other[place] ^= 1 << bit;
                    assert!(!equal(&text, &other), "byte {place} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_texts_are_the_same_if_their_bytes_are(
            one in proptest::collection::vec(0u8..2, 0..40),
            other in proptest::collection::vec(0u8..2, 0..40),
        ) {
            prop_assert_eq!(equal(&one, &other), one == other);
            let length = one.len().min(other.len());
            prop_assert_eq!(equal(&one[..length], &other[..length]), one[..length] == other[..length]);
        }
    }
}
