//! SORT and SORT_RO.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;
use crate::db::Expiry;
use crate::db::keyspace::NewString;
use crate::server::testbed::Testbed;

fn put_list(bed: &mut Testbed, key: &str, elements: &[&str]) {
    let (mut list, limits) = (List::default(), list::limits(&bed.server));
    elements.iter().for_each(|element| list.push(End::Tail, element.as_bytes(), &limits));
    bed.db.put_collection(&Key::new(key.as_bytes()), list);
}

fn put_sorted_set(bed: &mut Testbed, key: &str, members: &[&str]) {
    let limits = crate::types::sorted_set::Limits { entries: 128, value: 64 };
    let entries = members.iter().enumerate().map(|(score, member)| (member.as_bytes(), score as f64)).collect();
    bed.db.put_collection(&Key::new(key.as_bytes()), SortedSet::from_entries(entries, limits));
}

fn put_field(bed: &mut Testbed, key: &str, field: &str, value: &str) {
    let limits = crate::types::hash::HashLimits { entries: 128, value: 64 };
    let hash = bed.db.collection_or_new::<Hash>(&Key::new(key.as_bytes())).expect("a hash");
    hash.set(field.as_bytes(), value.as_bytes(), limits);
}

/// The words of an array of bulk strings; a null is `-`.
fn words(reply: &str) -> Vec<String> {
    assert!(reply.starts_with('*'), "{reply}");
    let mut lines = reply.lines().skip(1);
    let mut words = Vec::new();
    while let Some(line) = lines.next() {
        words.push(if line == "$-1" { "-".into() } else { lines.next().unwrap_or_default().into() });
    }
    words
}

fn list_at(bed: &mut Testbed, key: &str) -> Vec<String> {
    let mut elements = Vec::new();
    if let Ok(Some(list)) = bed.db.collection::<List>(&Key::new(key.as_bytes())) {
        list.visit_some(0, list.len(), End::Tail, |element| {
            elements.push(String::from_utf8(element.to_vec()).expect("a text"));
        });
    }
    elements
}

#[test]
fn elements_are_sorted_as_numbers_or_texts_up_or_down() {
    let mut bed = Testbed::new();
    put_list(&mut bed, "l", &["10", "2", "1.5", "-3", "+inf", "16", "2"]);
    assert_eq!(words(&bed.run("SORT l")), ["-3", "1.5", "2", "2", "10", "16", "+inf"]);
    assert_eq!(words(&bed.run("SORT l DESC LIMIT 1 2")), ["16", "10"]);
    assert_eq!(words(&bed.run("SORT l ALPHA LIMIT 0 3")), ["+inf", "-3", "1.5"]);
    assert_eq!(words(&bed.run("SORT_RO l ALPHA DESC LIMIT 0 2")), ["2", "2"]);
    bed.run("SADD s 3 1 2");
    assert_eq!(words(&bed.run("SORT s DESC")), ["3", "2", "1"]);
    put_sorted_set(&mut bed, "z", &["c", "a", "b"]);
    assert_eq!(words(&bed.run("SORT z ALPHA")), ["a", "b", "c"]);
    assert_eq!(bed.run("SORT none"), "*0\r\n");
}

#[test]
fn limits_of_any_size_are_cut_to_what_is_there() {
    let mut bed = Testbed::new();
    put_list(&mut bed, "l", &["1", "2", "3"]);
    let max = i64::MAX;
    for (limit, wanted) in [
        ("0 0".to_owned(), &[][..]),
        ("-5 2".to_owned(), &["1", "2"]),
        ("1 -7".to_owned(), &["2", "3"]),
        ("3 1".to_owned(), &[]),
        (format!("2 {max}"), &["3"]),
        (format!("{max} {max}"), &[]),
        (format!("{} {}", i64::MIN, i64::MIN), &["1", "2", "3"]),
    ] {
        assert_eq!(words(&bed.run(&format!("SORT l LIMIT {limit}"))), wanted, "{limit}");
        assert_eq!(words(&bed.run(&format!("SORT l BY nosort LIMIT {limit}"))), wanted, "by nosort {limit}");
    }
}

#[test]
fn nosort_keeps_the_order_of_lists_and_sorted_sets() {
    let mut bed = Testbed::new();
    put_list(&mut bed, "l", &["3", "x", "1"]);
    put_sorted_set(&mut bed, "z", &["c", "a", "b"]);
    for (key, there) in [("l", ["3", "x", "1"]), ("z", ["c", "a", "b"])] {
        let back: Vec<&str> = there.iter().rev().copied().collect();
        assert_eq!(words(&bed.run(&format!("SORT {key} BY nosort"))), there);
        assert_eq!(words(&bed.run(&format!("SORT {key} BY nosort DESC"))), back);
        assert_eq!(words(&bed.run(&format!("SORT {key} BY nosort DESC LIMIT 1 1"))), [back[1]]);
        assert_eq!(words(&bed.run(&format!("SORT {key} BY nosort LIMIT 1 5"))), there[1..]);
        assert_eq!(words(&bed.run(&format!("SORT {key} BY nosort DESC LIMIT 9 5"))), [""; 0]);
    }
    assert_eq!(words(&bed.run("SORT l BY w_* BY nosort GET #")), ["3", "x", "1"]);
    bed.run("SADD s b c a");
    assert_eq!(bed.run("SORT s BY nosort STORE d"), ":3\r\n");
    assert_eq!(list_at(&mut bed, "d"), ["a", "b", "c"], "the order of a set must not show in what is kept");
}

#[test]
fn keys_and_fields_named_after_elements_are_sorted_by_and_got() {
    let mut bed = Testbed::new();
    put_list(&mut bed, "l", &["1", "2", "3"]);
    bed.run("MSET w_1 30 w_2 10 w_3 20 n_1 one n_3 three");
    put_field(&mut bed, "o_1", "w", "5");
    put_field(&mut bed, "o_2", "w", "7");
    put_field(&mut bed, "o_3", "w", "x6");
    assert_eq!(words(&bed.run("SORT l BY w_*")), ["2", "3", "1"]);
    assert_eq!(words(&bed.run("SORT l BY w_* DESC LIMIT 0 2")), ["1", "3"]);
    assert_eq!(
        words(&bed.run("SORT l BY w_* GET n_* GET # GET none")),
        ["-", "2", "-", "three", "3", "-", "one", "1", "-"]
    );
    assert_eq!(words(&bed.run("SORT l BY o_*->w ALPHA")), ["1", "2", "3"]);
    assert_eq!(words(&bed.run("SORT l ALPHA GET o_*->w GET o_*->none GET l*->w")).concat(), "5--7--x6--");
    assert_eq!(words(&bed.run("SORT l BY n_* ALPHA DESC")), ["3", "1", "2"], "what is missing comes first going up");
    assert_eq!(words(&bed.run("SORT l BY o_* GET o_*")), ["-", "-", "-"], "a hash is no string");
    bed.run("SET a_1-> arrow");
    assert_eq!(words(&bed.run("SORT l BY nosort LIMIT 0 1 GET a_*->")), ["arrow"]);
    let error = "-ERR One or more scores can't be converted into double\r\n";
    assert_eq!(bed.run("SORT l BY o_*->w"), error);
    assert_eq!(bed.run("SORT l BY n_* STORE d"), error);
    assert_eq!(bed.run("EXISTS d"), ":0\r\n");
}

#[test]
fn keys_that_have_expired_count_as_missing() {
    let mut bed = Testbed::new();
    put_list(&mut bed, "l", &["1", "2"]);
    for (name, expiry) in [(b"w_1", Expiry::At(1)), (b"w_2", Expiry::Clear)] {
        bed.db.set(&Key::new(name), NewString::Int(-5), expiry);
    }
    assert_eq!(words(&bed.run("SORT l BY w_* GET w_*")), ["-5", "-"]);
}

#[test]
fn results_are_kept_as_lists_and_propagated_as_sent() {
    let mut bed = Testbed::new();
    put_list(&mut bed, "l", &["2", "1"]);
    assert_eq!(bed.propagated("SORT l STORE d"), ["SORT l STORE d"]);
    assert_eq!(list_at(&mut bed, "d"), ["1", "2"]);
    assert_eq!(bed.run("SORT l GET # GET x_* STORE l"), ":4\r\n");
    assert_eq!(list_at(&mut bed, "l"), ["1", "", "2", ""]);
    assert_eq!(bed.propagated("SORT none STORE d"), ["SORT none STORE d"]);
    assert_eq!(bed.run("EXISTS d"), ":0\r\n");
    assert_eq!(bed.propagated("SORT none STORE d"), [""; 0]);
    assert_eq!(bed.propagated("SORT l ALPHA"), [""; 0]);
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let mut bed = Testbed::new();
    bed.run("SET str x");
    put_field(&mut bed, "h", "f", "v");
    bed.run("SADD s 1 x");
    for (command, error) in [
        ("SORT str", "-WRONGTYPE"),
        ("SORT h", "-WRONGTYPE"),
        ("SORT str BY", "-ERR syntax error"),
        ("SORT s LIMIT 1", "-ERR syntax error"),
        ("SORT s LIMIT 1 x", "-ERR value is not an integer or out of range"),
        ("SORT s STORE", "-ERR syntax error"),
        ("SORT s UP", "-ERR syntax error"),
        ("SORT_RO s STORE d", "-ERR syntax error"),
        ("SORT s", "-ERR One or more scores can't be converted into double"),
    ] {
        assert!(bed.run(command).starts_with(error), "{command}: {}", bed.run(command));
    }
}

#[test]
fn keys_are_found_wherever_store_stands() {
    let mut bed = Testbed::new();
    assert_eq!(words(&bed.run("COMMAND GETKEYS sort abc store invalid store stillbad store def")), ["abc", "def"]);
    assert_eq!(words(&bed.run("COMMAND GETKEYS sort abc by store get store limit 0 store")), ["abc"]);
    assert_eq!(words(&bed.run("COMMAND GETKEYS sort_ro abc")), ["abc"]);
}

#[test]
fn numbers_are_decimal_or_nothing() {
    for (text, value) in [
        ("", 0.0),
        ("5", 5.0),
        ("1e400", f64::INFINITY),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("7\0x", 7.0),
        ("inf", f64::INFINITY),
    ] {
        assert_eq!(number(text.as_bytes()), Some(value), "{text:?}");
    }
    for text in [" ", "5 ", "\t 5", "0x10", "x", "nan", "--1"] {
        assert_eq!(number(text.as_bytes()), None, "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_part_of_the_order_is_that_part_of_the_whole(
        things in prop::collection::vec((0u8..3, "[ab\0]{0,10}", any::<bool>()), 0..40),
        start in 0usize..45,
        count in 0usize..45,
        descending: bool,
    ) {
        let len = things.len();
        let range = start.min(len)..(start + count).min(len).max(start.min(len));
        let turned = |order: Ordering| if descending { order.reverse() } else { order };
        let mut texts = Texts::default();
        things.iter().for_each(|(_, text, there)| texts.push(there.then_some(text.as_bytes())));
        let mut whole: Vec<usize> = (0..len).collect();
        whole.sort_by(|one, other| turned(texts.get(*one).cmp(&texts.get(*other))));
        prop_assert_eq!(&sorted_texts(range.clone(), descending, &texts), &whole[range.clone()]);
        let by = |index: &usize| (things[*index].0, texts.get(*index));
        whole.sort_unstable();
        whole.sort_by(|one, other| turned(by(one).cmp(&by(other))));
        let part = sorted(range.clone(), descending, things.iter().map(|thing| thing.0), &texts);
        prop_assert_eq!(&part, &whole[range]);
    }
}
