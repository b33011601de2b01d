//! Path hashes beside an ordered map of maps, their naive twin.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::PathHash;
use crate::types::Collection;
use crate::types::hash::HashLimits;

const LIMITS: HashLimits = HashLimits { entries: 3, value: 8 };

fn set(paths: &mut PathHash, path: &[u8], pairs: &[(&[u8], &[u8])]) -> bool {
    paths.set(path, pairs.iter().copied(), LIMITS)
}

#[test]
fn prefixes_are_found_past_neighbours_that_are_none() {
    let mut paths = PathHash::default();
    for path in [&b""[..], b"a", b"a0", b"aa0", b"aaa0", b"aaaa0", b"b", b"aab"] {
        assert!(set(&mut paths, path, &[(b"f", b"v")]));
    }
    let found = |text: &[u8]| paths.prefixes_of(text).map(|(path, _)| path.to_vec()).collect::<Vec<_>>();
    assert_eq!(found(b"aaaaaaa"), [b"a".to_vec(), b"".to_vec()]);
    assert_eq!(found(b"aab/c"), [b"aab".to_vec(), b"a".to_vec(), b"".to_vec()]);
    assert_eq!(found(b""), [b"".to_vec()]);
    assert_eq!(found(b"\xff"), [b"".to_vec()]);
    assert!(PathHash::default().prefixes_of(b"a").next().is_none());
}

#[test]
fn memory_and_digest_follow_what_there_is() {
    let mut paths = PathHash::default();
    let empty = paths.heap_bytes(0);
    set(&mut paths, b"a", &[(b"f", &[b'x'; 1000])]);
    assert!(paths.heap_bytes(0) > empty + 1000);
    let digest = |paths: &PathHash| {
        let mut digest = crate::types::digest::Digest::default();
        paths.digest(&mut digest);
        digest
    };
    let one = digest(&paths);
    set(&mut paths, b"b", &[(b"f", b"v"), (b"g", b"w")]);
    let two = digest(&paths);
    assert_ne!(one, two);
    paths.remove(b"b");
    assert_eq!(digest(&paths), one);
    set(&mut paths, b"b", &[(b"g", b"w"), (b"f", b"v")]);
    assert_eq!(digest(&paths), two);
}

#[derive(Clone, Debug)]
enum Change {
    Set(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>),
    Remove(Vec<u8>),
    RemoveFields(Vec<u8>, Vec<Vec<u8>>),
    RemovePrefix(Vec<u8>),
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"ab\x00\xff".as_slice()), 0..6)
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"xyz".as_slice()), 0..3)
}

fn change() -> impl Strategy<Value = Change> {
    let pairs = prop::collection::vec((field(), prop::collection::vec(any::<u8>(), 0..12)), 1..6);
    prop_oneof![
        4 => (path(), pairs).prop_map(|(path, pairs)| Change::Set(path, pairs)),
        1 => path().prop_map(Change::Remove),
        2 => (path(), prop::collection::vec(field(), 1..4)).prop_map(|(path, fields)| Change::RemoveFields(path, fields)),
        1 => path().prop_map(Change::RemovePrefix),
    ]
}

type Twin = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

fn all(paths: &PathHash) -> Twin {
    let fields =
        |hash: &crate::types::Hash| hash.pairs().map(|pair| (pair.field.to_vec(), pair.value.to_vec())).collect();
    paths.iter().map(|(path, hash)| (path.to_vec(), fields(hash))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_path_hash_is_an_ordered_map_of_maps(
        changes in prop::collection::vec(change(), 1..60),
        text in path(), prefix in path(), start in path(),
    ) {
        let (mut paths, mut twin) = (PathHash::default(), Twin::new());
        for change in changes {
            match change {
                Change::Set(path, pairs) => {
                    let borrowed = pairs.iter().map(|(field, value)| (&field[..], &value[..]));
                    prop_assert_eq!(paths.set(&path, borrowed, LIMITS), !twin.contains_key(&path));
                    twin.entry(path).or_default().extend(pairs);
                }
                Change::Remove(path) => prop_assert_eq!(paths.remove(&path), twin.remove(&path).is_some()),
                Change::RemoveFields(path, fields) => {
                    let removed = match twin.get_mut(&path) {
                        Some(held) => fields.iter().filter(|field| held.remove(*field).is_some()).count(),
                        None => 0,
                    };
                    twin.retain(|_, held| !held.is_empty());
                    prop_assert_eq!(paths.remove_fields(&path, fields.iter().map(Vec::as_slice)), removed);
                }
                Change::RemovePrefix(prefix) => {
                    let before = twin.len();
                    twin.retain(|path, _| !path.starts_with(&prefix));
                    prop_assert_eq!(paths.remove_prefix(&prefix), before - twin.len());
                }
            }
        }
        prop_assert_eq!(all(&paths), twin.clone());
        prop_assert_eq!(all(&paths.clone()), twin.clone());
        prop_assert_eq!(paths.len(), twin.len());
        let found: Vec<&[u8]> = paths.prefixes_of(&text).map(|(path, _)| path).collect();
        let wanted: Vec<&[u8]> = twin.keys().rev().map(Vec::as_slice).filter(|path| text.starts_with(path)).collect();
        prop_assert_eq!(found, wanted);
        let found: Vec<&[u8]> = paths.from(Bound::Excluded(&start), &prefix).map(|(path, _)| path).collect();
        let begins = |path: &&[u8]| path.starts_with(&prefix) && *path > &start[..];
        let wanted: Vec<&[u8]> = twin.keys().map(Vec::as_slice).filter(begins).collect();
        prop_assert_eq!(found, wanted);
    }
}
