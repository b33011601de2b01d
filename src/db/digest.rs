//! A fingerprint of a data set, the same for the same data wherever and in whatever order it is kept.
//!
//! The scheme is that of Redis's DEBUG DIGEST, so that digests can be compared between servers: what has no order
//! (keys, members of a set) is combined by exclusive or of SHA-1 hashes, what has one by hashing on.

use sha1::{Digest as _, Sha1};

use super::entry::{EntryView, ValueType};
use super::keyspace::Databases;

/// A digest of some data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds data whose place among the others does not matter.
    fn add(&mut self, data: &[u8]) {
        let hash = Sha1::digest(data);
        self.0.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte ^= hashed);
    }

    /// Adds data that comes behind what was added before.
    fn append(&mut self, data: &[u8]) {
        self.add(data);
        self.0 = Sha1::digest(self.0).into();
    }

    /// The value and expiry of an entry, without its key.
    pub fn of_value(entry: EntryView<'_>) -> Digest {
        let mut digest = Digest::default();
        digest.append_value(entry);
        digest
    }

    fn append_value(&mut self, entry: EntryView<'_>) {
        let value_type = entry.kind().value_type();
        self.append(&type_number(value_type).to_be_bytes());
        match value_type {
            ValueType::String => {
                let value = entry.string().map(|value| value.to_vec()).unwrap_or_default();
                self.append(&value);
            }
        }
        if entry.expire_at().is_some() {
            self.add(b"!!expire!!");
        }
    }

    /// All keys of all databases.
    pub fn of_databases(databases: &Databases) -> Digest {
        let mut all = Digest::default();
        for index in 0..databases.count() {
            let dict = &databases.database(index).dict;
            if dict.is_empty() {
                continue;
            }
            all.append(&(index as u32).to_be_bytes());
            for entry in dict.iter() {
                let mut digest = Digest::default();
                digest.append(entry.key());
                digest.append_value(entry);
                all.add(&digest.0);
            }
        }
        all
    }

    /// Its forty hexadecimal digits.
    pub fn to_text(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The number of a type in Redis's object header.
fn type_number(value_type: ValueType) -> u32 {
    match value_type {
        ValueType::String => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;
    use crate::db::keyspace::NewString;
    use crate::db::{Databases, Expiry, Key};

    fn databases(keys: &[(&str, &str, Expiry)]) -> Databases {
        let mut databases = Databases::new(2);
        databases.begin_command(1, 1);
        for (key, value, expiry) in keys {
            databases.set(&Key::new(key.as_bytes()), NewString::Bytes(value.as_bytes()), *expiry);
        }
        databases
    }

    #[test]
    fn a_digest_tells_data_apart_but_not_their_order() {
        let digest = |keys: &[_]| Digest::of_databases(&databases(keys));
        let (one, two) = (("a", "1", Expiry::Clear), ("b", "x", Expiry::At(9)));
        assert_eq!(digest(&[]).to_text(), "0".repeat(40));
        assert_eq!(digest(&[one, two]), digest(&[two, one]));
        assert_ne!(digest(&[one, two]), digest(&[one, ("b", "x", Expiry::Clear)]));
        assert_ne!(digest(&[one]), digest(&[("a", "2", Expiry::Clear)]));
        assert_ne!(digest(&[one]), digest(&[("c", "1", Expiry::Clear)]));
    }
}
