//! Sets against a naive twin, in all forms and on the way from one to another.

mod timed;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const LIMITS: SetLimits = SetLimits { intset_entries: 8, listpack_entries: 6, listpack_value: 10 };
const NO_LISTPACKS: SetLimits = SetLimits { listpack_entries: 0, ..LIMITS };

fn texts(set: &Set) -> BTreeSet<Vec<u8>> {
    let all: Vec<Vec<u8>> = set.iter().map(Element::to_vec).collect();
    let distinct: BTreeSet<Vec<u8>> = all.iter().cloned().collect();
    assert_eq!(all.len(), distinct.len(), "a member twice: {all:?}");
    assert_eq!(set.len(), distinct.len());
    distinct
}

fn set_of(members: &[&str], limits: &SetLimits) -> Set {
    let mut set = Set::default();
    members.iter().for_each(|member| _ = set.insert(member.as_bytes(), limits));
    set
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

fn set_of_numbers(count: usize, limits: &SetLimits) -> Set {
    let numbers = numbers(count);
    set_of(&numbers.iter().map(String::as_str).collect::<Vec<_>>(), limits)
}

#[test]
fn a_set_is_one_word_and_an_empty_one_owns_nothing() {
    assert_eq!(size_of::<Set>(), 8);
    let set = Set::default();
    assert_eq!((set.len(), set.encoding(), set.heap_bytes(0)), (0, "intset", 0));
    assert_eq!(set.bytes(), SetBytes::Intset(&[2, 0, 0, 0, 0, 0, 0, 0]));
}

#[test]
fn the_first_bytes_tell_an_intset_from_a_listpack() {
    let mut pack = set_of(&["a"], &LIMITS);
    assert_eq!(pack.encoding(), "listpack");
    pack.remove(b"a");
    assert_eq!((pack.len(), pack.encoding()), (0, "listpack"), "an empty one has seven bytes");
    for width in [1i64, 40_000, 1 << 40] {
        assert_eq!(set_of(&[&width.to_string()], &LIMITS).encoding(), "intset");
    }
}

#[test]
fn encodings_change_where_redis_changes_them() {
    let encoding = |members: &[&str]| set_of(members, &LIMITS).encoding();
    assert_eq!(encoding(&["1", "2"]), "intset");
    assert_eq!(encoding(&["1", "2", "x"]), "listpack");
    assert_eq!(encoding(&["01"]), "listpack", "not the canonical text of an integer");
    assert_eq!(encoding(&["1", "twelve bytes"]), "hashtable");
    assert_eq!(encoding(&["12345678901", "x"]), "hashtable", "the integer is too long for a listpack");
    assert_eq!(encoding(&["a", "b", "c", "d", "e", "f"]), "listpack");
    assert_eq!(encoding(&["a", "b", "c", "d", "e", "f", "f"]), "listpack");
    assert_eq!(encoding(&["a", "b", "c", "d", "e", "f", "g"]), "hashtable");
    assert_eq!(encoding(&["1", "2", "3", "4", "5", "x"]), "listpack");
    assert_eq!(encoding(&["1", "2", "3", "4", "5", "6", "x"]), "hashtable");
    assert_eq!(set_of_numbers(8, &LIMITS).encoding(), "intset");
    assert_eq!(set_of_numbers(9, &LIMITS).encoding(), "hashtable");
    let no_ints = SetLimits { intset_entries: 0, ..LIMITS };
    assert_eq!(set_of(&["1"], &no_ints).encoding(), "hashtable", "an intset that has outgrown its limit");
}

#[test]
fn without_listpacks_a_set_is_an_intset_or_a_table() {
    let encoding = |members: &[&str]| set_of(members, &NO_LISTPACKS).encoding();
    assert_eq!(encoding(&["1", "2"]), "intset");
    assert_eq!(encoding(&["1", "x"]), "hashtable");
    assert_eq!(encoding(&["x"]), "hashtable");
    let mut set = Set::default();
    set.expect(100, b"1", &NO_LISTPACKS);
    assert_eq!(set.encoding(), "hashtable");
}

#[test]
fn a_set_told_of_many_members_becomes_a_table_at_once() {
    let expecting = |mut set: Set, count, first: &str| {
        set.expect(count, first.as_bytes(), &LIMITS);
        set.encoding()
    };
    assert_eq!(expecting(Set::default(), 8, "1"), "intset");
    assert_eq!(expecting(Set::default(), 9, "1"), "hashtable");
    assert_eq!(expecting(Set::default(), 6, "x"), "intset", "until the first member comes");
    assert_eq!(expecting(Set::default(), 7, "x"), "hashtable");
    assert_eq!(expecting(set_of(&["1"], &LIMITS), 7, "x"), "intset");
    assert_eq!(expecting(set_of(&["x"], &LIMITS), 7, "1"), "hashtable");
    let mut set = Set::default();
    set.expect(5, b"1", &SetLimits { intset_entries: 4, ..LIMITS });
    assert_eq!(set.encoding(), "listpack", "too many for an intset");
}

#[test]
fn a_listpack_from_elsewhere_must_not_have_a_member_twice() {
    let pack = |texts: &[&[u8]]| {
        let mut pack = Listpack::new();
        texts.iter().for_each(|text| pack.push_back(text));
        pack
    };
    let Ok(set) = Set::from_listpack(pack(&[b"1", b"x"])) else { panic!("a set") };
    assert!(set.live(0).contains(b"1") && set.live(0).contains(b"x") && !set.live(0).contains(b"y"));
    assert!(Set::from_listpack(pack(&[b"1", b"x", b"1"])).is_err());
    assert_eq!(Set::from_listpack(Listpack::new()).ok().map(|set| set.encoding()), Some("listpack"));
}

#[test]
fn memory_is_that_of_the_bytes_or_of_table_and_members() {
    let ints = set_of_numbers(8, &LIMITS);
    assert_eq!(ints.heap_bytes(0), 24);
    assert_eq!(ints.free_effort(), 1);
    let table = set_of_numbers(1000, &LIMITS);
    let members = 1000 * 8;
    assert!(table.heap_bytes(0) > members && table.heap_bytes(0) < 3 * members + 1000);
    assert_eq!(table.heap_bytes(5), table.heap_bytes(0));
    assert_eq!(table.free_effort(), 1000);
}

#[test]
fn random_members_are_spread_evenly_in_every_form() {
    let seed = crate::util::random::entropy();
    let mut random = Random::from_seed(seed);
    let forms = [set_of_numbers(8, &LIMITS), set_of(&["a", "b", "3", "d"], &LIMITS), set_of_numbers(20, &LIMITS)];
    for set in &forms {
        // Expected are 2000 of each; the limits of chi-square leave one failure in a million runs.
        let (draws, limit) = (2000 * set.len(), 62.0);
        let spread = |counts: &BTreeMap<Vec<u8>, u32>| -> f64 {
            assert_eq!(counts.len(), set.len());
            counts.values().map(|&count| (f64::from(count) - 2000.0).powi(2) / 2000.0).sum()
        };
        let mut counts = BTreeMap::new();
        for _ in 0..draws {
            let member = set.live(0).random(&mut random).expect("a member");
            *counts.entry(member.to_vec()).or_insert(0) += 1;
        }
        assert!(spread(&counts) < limit, "random, seed {seed}: {counts:?}");
        let mut counts = BTreeMap::new();
        for _ in 0..draws / 2 {
            set.live(0).sample(2, &mut random, |member| *counts.entry(member.to_vec()).or_insert(0) += 1);
        }
        assert!(spread(&counts) < limit, "sampled, seed {seed}: {counts:?}");
        let mut counts = BTreeMap::new();
        for _ in 0..draws / 10 {
            let mut popped = set.clone();
            popped.pop(0, &mut random, |member| *counts.entry(member.to_vec()).or_insert(0) += 10);
        }
        assert!(spread(&counts) < limit * 10.0, "popped, seed {seed}: {counts:?}");
    }
    assert!(Set::default().live(0).random(&mut random).is_none());
}

/// Members of few different texts, so that they meet again: short and long integers, words short and too long.
fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0i64..12).prop_map(|value| value.to_string().into_bytes()),
        1 => prop::sample::select(vec![-70_000i64, 1 << 40, i64::MIN]).prop_map(|value| value.to_string().into_bytes()),
        3 => (0u8..6).prop_map(|letter| vec![b'a' + letter]),
        1 => Just(b"01".to_vec()),
        1 => Just(Vec::new()),
        1 => Just(b"longer than a listpack may have".to_vec()),
    ]
}

fn limits() -> impl Strategy<Value = SetLimits> {
    prop::sample::select(vec![LIMITS, NO_LISTPACKS, SetLimits { intset_entries: 0, ..LIMITS }])
}

fn build(members: &[Vec<u8>], limits: &SetLimits) -> (Set, BTreeSet<Vec<u8>>) {
    let mut set = Set::default();
    members.iter().for_each(|member| _ = set.insert(member, limits));
    (set, members.iter().cloned().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_set_is_its_naive_twin(
        changes in prop::collection::vec((member(), 0..4u8), 0..40),
        limits in limits(),
        seed in any::<u64>(),
    ) {
        let (mut set, mut twin, mut random) = (Set::default(), BTreeSet::new(), Random::from_seed(seed));
        for (text, action) in changes {
            match action {
                0 => prop_assert_eq!(set.remove(&text), twin.remove(&text)),
                1 => {
                    let mut popped = None;
                    let any = set.pop(0, &mut random, |member| popped = Some(member.to_vec()));
                    prop_assert_eq!(any, !twin.is_empty());
                    prop_assert!(popped.is_none_or(|member| twin.remove(&member)));
                }
                _ => prop_assert_eq!(set.insert(&text, &limits), twin.insert(text.clone())),
            }
            prop_assert_eq!(set.live(0).contains(&text), twin.contains(&text));
            prop_assert_eq!(&texts(&set), &twin);
        }
        prop_assert_eq!(&texts(&set.clone()), &twin);
        prop_assert_eq!(set.clone().encoding(), set.encoding());
        let mut scanned = Vec::new();
        let mut cursor = set.live(0).scan(0, |member| scanned.push(member.to_vec()));
        while cursor != 0 {
            cursor = set.live(0).scan(cursor, |member| scanned.push(member.to_vec()));
        }
        scanned.sort();
        prop_assert!(scanned.iter().eq(&twin));
    }

    #[test]
    fn what_is_popped_or_sampled_is_part_of_the_set(
        members in prop::collection::vec(member(), 1..30),
        limits in limits(),
        share in 0.0..1.0f64,
        seed in any::<u64>(),
    ) {
        let ((mut set, twin), mut random) = (build(&members, &limits), Random::from_seed(seed));
        let count = (twin.len() as f64 * share) as usize;
        let mut sampled = Vec::new();
        set.live(0).sample(count, &mut random, |member| sampled.push(member.to_vec()));
        let distinct: BTreeSet<Vec<u8>> = sampled.iter().cloned().collect();
        prop_assert_eq!((sampled.len(), distinct.len()), (count, count));
        prop_assert!(distinct.is_subset(&twin));
        let mut popped = BTreeSet::new();
        set.pop_many((count, 0), &mut random, &limits, |member| _ = popped.insert(member.to_vec()));
        prop_assert_eq!(popped.len(), count);
        let left: BTreeSet<Vec<u8>> = twin.difference(&popped).cloned().collect();
        prop_assert_eq!(texts(&set), left);
    }

    #[test]
    fn algebra_is_that_of_naive_sets(
        members in prop::collection::vec((prop::collection::vec(member(), 0..20), limits()), 1..6),
        same in any::<bool>(),
    ) {
        let built: Vec<_> = members.iter().map(|(members, limits)| build(members, limits)).collect();
        let mut sets: Vec<Live<'_>> = built.iter().map(|(set, _)| set.live(0)).collect();
        let mut twins: Vec<&BTreeSet<Vec<u8>>> = built.iter().map(|(_, twin)| twin).collect();
        if same {
            sets.push(sets[0]);
            twins.push(twins[0]);
        }
        let sorted = |mut all: Vec<Vec<u8>>| {
            all.sort();
            all
        };
        let (mut both, mut any, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        union(&sets, |member| {
            any.push(member.to_vec());
            true
        });
        let (first, others) = sets.split_first().expect("a set");
        difference(*first, &mut others.to_vec(), |member| {
            rest.push(member.to_vec());
            true
        });
        let (mut seen, mut left) = (0, 0);
        union(&sets, |_| {
            seen += 1;
            seen < 3
        });
        prop_assert_eq!(seen, any.len().min(3));
        difference(*first, &mut others.to_vec(), |_| {
            left += 1;
            left < 3
        });
        prop_assert_eq!(left, rest.len().min(3));
        intersection(&mut sets, |member| {
            both.push(member.to_vec());
            true
        });
        let naive_union: BTreeSet<_> = twins.iter().flat_map(|twin| twin.iter().cloned()).collect();
        prop_assert!(sorted(any).iter().eq(&naive_union));
        let in_others = |member: &&Vec<u8>| twins[1..].iter().any(|twin| twin.contains(*member));
        let naive_rest: Vec<_> = twins[0].iter().filter(|member| !in_others(member)).cloned().collect();
        prop_assert_eq!(sorted(rest), naive_rest);
        let in_all = |member: &&Vec<u8>| twins.iter().all(|twin| twin.contains(*member));
        let naive_both: Vec<_> = naive_union.iter().filter(in_all).cloned().collect();
        prop_assert_eq!(sorted(both), naive_both);
    }
}
