//! Passwords, known only by their SHA-256.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::unique::Named;

/// The digest of a password, as the 64 lower-case hexadecimal digits that ACL rules show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordHash([u8; 64]);

impl PasswordHash {
    /// The digest of a password in the clear.
    pub fn of(password: &[u8]) -> PasswordHash {
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(Sha256::digest(password)) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        PasswordHash(digits)
    }

    /// Takes the digits of a digest; `None` if they are anything else.
    pub fn from_digits(digits: &[u8]) -> Option<PasswordHash> {
        let digits: [u8; 64] = digits.try_into().ok()?;
        digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).then_some(PasswordHash(digits))
    }

    /// The digits.
    pub fn digits(&self) -> &[u8] {
        &self.0
    }

    /// Whether two digests are equal, in a time that does not depend on where they differ.
    pub fn same_as(&self, other: &PasswordHash) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |difference, (one, other)| difference | (one ^ other));
        std::hint::black_box(difference) == 0
    }
}

impl Named for PasswordHash {
    fn name(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

/// The hexadecimal digit of a number below 16.
pub fn digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_sha256_in_hexadecimal() {
        let hash = PasswordHash::of(b"abc");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.digits(), expected.as_bytes());
        assert_eq!(PasswordHash::from_digits(expected.as_bytes()), Some(hash.clone()));
        assert!(hash.same_as(&hash) && !hash.same_as(&PasswordHash::of(b"abd")));
    }

    #[test]
    fn only_64_lower_case_digits_are_a_digest() {
        let digits = "0".repeat(64);
        for wrong in [&digits[1..], &digits.replacen('0', "A", 1), &digits.replacen('0', "g", 1), &format!("{digits}0")]
        {
            assert_eq!(PasswordHash::from_digits(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
