//! A fingerprint of data, the same for the same data wherever and in whatever order it is kept.
//!
//! The scheme is that of Redis's DEBUG DIGEST, so that digests can be compared between servers: what has no order
//! (keys, members of a set) is combined by exclusive or of SHA-1 hashes, what has one by hashing on.

use sha1::{Digest as _, Sha1};

/// A digest of some data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// The digest of nothing with this appended.
    pub fn of(data: &[u8]) -> Digest {
        let mut digest = Digest::default();
        digest.append(data);
        digest
    }

    /// Adds data whose place among the others does not matter.
    pub fn add(&mut self, data: &[u8]) {
        let hash = Sha1::digest(data);
        self.0.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte ^= hashed);
    }

    /// Adds data that comes behind what was added before.
    pub fn append(&mut self, data: &[u8]) {
        self.add(data);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Adds numbers that come behind what was added before, by the hash of all of them.
    pub fn append_numbers(&mut self, numbers: impl Iterator<Item = u64>) {
        let mut hash = Sha1::new();
        numbers.for_each(|number| hash.update(number.to_le_bytes()));
        self.append(&hash.finalize());
    }

    /// Adds an element whose place among the others does not matter, by its digest.
    pub fn add_digest(&mut self, digest: Digest) {
        self.add(&digest.0);
    }

    /// Its forty hexadecimal digits.
    pub fn to_text(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
