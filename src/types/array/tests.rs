//! Arrays beside an ordered map of texts, their naive twin.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::{Array, INDEX_MAX, Info, Limits};
use crate::types::Collection;

fn limits() -> Limits {
    Limits::new(256, 6, 3)
}

fn elements(array: &Array, from: u64, to: u64) -> Vec<(u64, Vec<u8>)> {
    let mut seen = Vec::new();
    array.visit(from, to, |index, value| {
        seen.push((index, value.to_vec()));
        ControlFlow::Continue(())
    });
    seen
}

fn texts(array: &Array, from: u64, to: u64) -> Vec<Option<String>> {
    let mut seen = Vec::new();
    array.visit_all(from, to, |value| {
        seen.push(value.map(|value| String::from_utf8_lossy(&value.to_vec()).into_owned()));
        ControlFlow::Continue(())
    });
    seen
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
}

fn push(array: &mut Array, size: u64, texts: &[&str]) -> u64 {
    array.push_around(size, texts.iter().map(|text| text.as_bytes()), &limits())
}

#[test]
fn slices_become_dense_when_they_fill_and_sparse_when_they_empty() {
    let mut array = Array::default();
    let forms = |array: &Array| {
        let Info { dense_slices, sparse_slices, .. } = array.info();
        (dense_slices, sparse_slices)
    };
    for index in 0..6 {
        array.set(index * 20, b"x", &limits());
    }
    assert_eq!(forms(&array), (0, 1));
    array.set(200, b"x", &limits());
    assert_eq!(forms(&array), (1, 0));
    assert_eq!(array.info().dense_places, 256);
    array.set(1 << 40, b"x", &limits());
    assert_eq!(forms(&array), (1, 1));
    for index in 0..4 {
        assert!(array.remove(index * 20, &limits()));
    }
    assert_eq!(forms(&array), (1, 1));
    assert!(array.remove(80, &limits()));
    assert_eq!(forms(&array), (0, 2));
    assert_eq!(elements(&array, 0, INDEX_MAX).len(), 3);
    assert_eq!(Limits::new(256, 0, 0).sparse_max, 0);
    let mut dense = Array::default();
    dense.set(255, b"x", &Limits::new(256, 0, 0));
    assert_eq!((forms(&dense), dense.info().dense_places), ((1, 0), 8));
}

#[test]
fn the_last_index_has_an_element_like_any_other() {
    let mut array = Array::default();
    assert!(array.set(INDEX_MAX, b"end", &limits()));
    assert_eq!((array.end(), array.count()), (u64::MAX, 1));
    assert_eq!(array.set_all(INDEX_MAX - 1, [&b"a"[..], b"b"].into_iter(), &limits()), 1);
    assert_eq!(texts(&array, INDEX_MAX - 2, INDEX_MAX), some(&["", "a", "b"]));
    assert_eq!(array.remove_range(0, INDEX_MAX, &limits()), 2);
    assert_eq!((array.end(), array.is_empty()), (0, true));
}

#[test]
fn slices_keep_the_size_they_began_with() {
    let mut array = Array::default();
    array.set(300, b"a", &Limits::new(256, 6, 3));
    array.set(5000, b"b", &Limits::new(4096, 6, 3));
    assert_eq!((array.slice_size(), array.slices()), (256, 2));
    assert_eq!(elements(&array, 0, INDEX_MAX), [(300, b"a".to_vec()), (5000, b"b".to_vec())]);
}

#[test]
fn a_ring_that_changes_its_size_keeps_the_latest_in_order() {
    let mut array = Array::default();
    assert_eq!(push(&mut array, 4, &["a", "b", "c", "d", "e", "f"]), 1);
    assert_eq!(texts(&array, 0, 3), some(&["e", "f", "c", "d"]));
    assert_eq!(push(&mut array, 6, &["g"]), 4);
    assert_eq!(texts(&array, 0, 5), some(&["c", "d", "e", "f", "g", ""]));
    assert_eq!(push(&mut array, 3, &["h"]), 0);
    assert_eq!(texts(&array, 0, 3), some(&["h", "f", "g", ""]));
    array.set_cursor(None);
    assert_eq!(push(&mut array, 9, &["i"]), 0);
    assert_eq!(texts(&array, 0, 3), some(&["i", "f", "g", ""]));
    array.set_cursor(Some(1));
    assert_eq!(push(&mut array, 2, &["j"]), 0);
    assert_eq!(texts(&array, 0, 1), some(&["j", "f"]));
}

#[test]
fn a_hole_cuts_off_what_a_resized_ring_keeps() {
    let mut array = Array::default();
    push(&mut array, 5, &["a", "b", "c", "d", "e"]);
    array.remove(2, &limits());
    assert_eq!(push(&mut array, 4, &["f"]), 2);
    assert_eq!(texts(&array, 0, 3), some(&["d", "e", "f", ""]));
    array.remove(2, &limits());
    array.set(7, b"far", &limits());
    assert_eq!(push(&mut array, 3, &["g"]), 0, "nothing is left of it");
    assert_eq!(elements(&array, 0, 9), [(0, b"g".to_vec())]);
}

#[test]
fn memory_follows_what_there_is() {
    let bytes = |values: &[Vec<u8>]| {
        let mut array = Array::default();
        array.set_all(0, values.iter().map(Vec::as_slice), &Limits::new(4096, 10, 5));
        array.heap_bytes(0)
    };
    let numbers: Vec<Vec<u8>> = (0..4096).map(|value: i64| (value * 1_000_003).to_string().into_bytes()).collect();
    let long: Vec<Vec<u8>> = (0..4096).map(|value| format!("{value:0100}").into_bytes()).collect();
    assert!((8 * 4096..9 * 4096).contains(&bytes(&numbers)), "{} bytes", bytes(&numbers));
    assert!((116 * 4096..140 * 4096).contains(&bytes(&long)), "{} bytes", bytes(&long));
    let mut sparse = Array::default();
    (0..1000).for_each(|number| _ = sparse.set(number << 30, b"1", &limits()));
    assert!(sparse.heap_bytes(5) < 1000 * 250, "{} bytes", sparse.heap_bytes(5));
}

#[derive(Clone, Debug)]
enum Change {
    Set(u64, Vec<u8>),
    SetAll(u64, Vec<Vec<u8>>),
    Remove(u64),
    RemoveRange(u64, u64),
}

fn index() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..40u64,
        200..600u64,
        (0..4u64, 0..5u64).prop_map(|(high, low)| (high << 20) + low),
        (0..300u64).prop_map(|below| INDEX_MAX - below),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12),
        any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        any::<i16>().prop_map(|value| format!("{}.{}", value / 7, value & 63).into_bytes()),
        (20..400usize).prop_map(|len| vec![b'x'; len]),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (index(), text()).prop_map(|(index, text)| Change::Set(index, text)),
        2 => (index(), prop::collection::vec(text(), 1..20)).prop_map(|(index, texts)| Change::SetAll(index, texts)),
        2 => index().prop_map(Change::Remove),
        1 => (index(), index()).prop_map(|(one, other)| Change::RemoveRange(one.min(other), one.max(other))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_array_is_an_ordered_map(
        changes in prop::collection::vec(change(), 1..60),
        sparse_max in 0..9usize,
        (from, to) in (index(), index()),
    ) {
        let limits = Limits::new(256, sparse_max, sparse_max / 2);
        let (mut array, mut twin) = (Array::default(), BTreeMap::new());
        for change in changes {
            match change {
                Change::Set(index, text) => {
                    let new = twin.insert(index, text.clone()).is_none();
                    prop_assert_eq!(array.set(index, &text, &limits), new);
                }
                Change::SetAll(index, texts) => {
                    let first = index.min(INDEX_MAX - 20);
                    let before = twin.len();
                    twin.extend((first..).zip(texts.iter().cloned()));
                    let new = array.set_all(first, texts.iter().map(Vec::as_slice), &limits);
                    prop_assert_eq!(new as usize, twin.len() - before);
                }
                Change::Remove(index) => {
                    prop_assert_eq!(array.remove(index, &limits), twin.remove(&index).is_some());
                }
                Change::RemoveRange(first, last) => {
                    let before = twin.len();
                    twin.retain(|index, _| !(first..=last).contains(index));
                    prop_assert_eq!(array.remove_range(first, last, &limits) as usize, before - twin.len());
                }
            }
            prop_assert_eq!(array.count() as usize, twin.len());
            prop_assert_eq!(array.end(), twin.last_key_value().map_or(0, |(index, _)| index + 1));
        }
        let (first, last) = (from.min(to), from.max(to));
        let mut wanted: Vec<(u64, Vec<u8>)> =
            twin.range(first..=last).map(|(index, text)| (*index, text.clone())).collect();
        if from > to {
            wanted.reverse();
        }
        prop_assert_eq!(elements(&array, from, to), wanted);
        for (index, text) in &twin {
            prop_assert_eq!(array.get(*index).map(|value| value.to_vec()), Some(text.clone()));
        }
        let slices: std::collections::BTreeSet<u64> = twin.keys().map(|index| index >> 8).collect();
        let blocks: std::collections::BTreeSet<u64> = slices.iter().map(|number| number >> 11).collect();
        prop_assert_eq!(array.slices() as usize, slices.len());
        if slices.last().is_some_and(|last| *last >= 2048) {
            prop_assert_eq!(array.directory().1 as usize, blocks.len());
        }
        let copy = array.clone();
        prop_assert_eq!(elements(&copy, 0, INDEX_MAX), elements(&array, 0, INDEX_MAX));
        if last - first < 1000 {
            let mut positions = Vec::new();
            array.visit_all(from, to, |value| {
                positions.push(value.map(|value| value.to_vec()));
                ControlFlow::Continue(())
            });
            let mut wanted: Vec<Option<Vec<u8>>> = (first..=last).map(|index| twin.get(&index).cloned()).collect();
            if from > to {
                wanted.reverse();
            }
            prop_assert_eq!(positions, wanted);
        }
    }

    #[test]
    fn a_ring_has_the_last_texts_that_came(
        rounds in prop::collection::vec((1..9u64, 1..12usize), 1..12),
    ) {
        let (mut array, mut twin, mut number) = (Array::default(), Vec::new(), 0);
        for (size, count) in rounds {
            let texts: Vec<String> = (0..count).map(|_| { number += 1; format!("text {number}") }).collect();
            let last = array.push_around(size, texts.iter().map(String::as_bytes), &limits());
            twin.extend(texts);
            // What was dropped by a smaller ring does not come back.
            let excess = twin.len().saturating_sub(size as usize);
            twin.drain(..excess);
            prop_assert!(array.end() <= size);
            let mut seen: Vec<String> = Vec::new();
            for back in 0..array.end() {
                let at = (last + array.end() - back) % array.end();
                seen.extend(array.get(at).map(|value| String::from_utf8(value.to_vec()).expect("text")));
            }
            seen.reverse();
            prop_assert_eq!(&seen, &twin);
        }
    }
}
