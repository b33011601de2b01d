//! The digests of values and of the whole data set, for DEBUG DIGEST.

use super::entry::EntryView;
use super::keyspace::Databases;
use crate::types::digest::Digest;

/// The digest of the value and expiry of an entry, without its key.
pub fn of_value(entry: EntryView<'_>) -> Digest {
    let mut digest = Digest::default();
    append_value(entry, &mut digest);
    digest
}

fn append_value(entry: EntryView<'_>, digest: &mut Digest) {
    digest.append(&entry.value_type().number().to_be_bytes());
    match (entry.string(), entry.any_collection()) {
        (Some(value), _) => digest.append(&value.to_vec()),
        (None, Some(collection)) => collection.digest(digest),
        (None, None) => {}
    }
    if entry.expire_at().is_some() {
        digest.add(b"!!expire!!");
    }
}

/// The digest of all keys of all databases.
pub fn of_databases(databases: &Databases) -> Digest {
    let mut all = Digest::default();
    for index in 0..databases.count() {
        let dict = &databases.database(index).dict;
        if dict.is_empty() {
            continue;
        }
        all.append(&(index as u32).to_be_bytes());
        for entry in dict.iter() {
            let mut digest = Digest::of(entry.key());
            append_value(entry, &mut digest);
            all.add_digest(digest);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::of_databases;
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
        let digest = |keys: &[_]| of_databases(&databases(keys));
        let (one, two) = (("a", "1", Expiry::Clear), ("b", "x", Expiry::At(9)));
        assert_eq!(digest(&[]).to_text(), "0".repeat(40));
        assert_eq!(digest(&[one, two]), digest(&[two, one]));
        assert_ne!(digest(&[one, two]), digest(&[one, ("b", "x", Expiry::Clear)]));
        assert_ne!(digest(&[one]), digest(&[("a", "2", Expiry::Clear)]));
        assert_ne!(digest(&[one]), digest(&[("c", "1", Expiry::Clear)]));
    }
}
