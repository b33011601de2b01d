use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const LIMITS: HashLimits = HashLimits { entries: 4, value: 8 };

type Naive = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

#[derive(Clone, Debug)]
enum Change {
    Set(Vec<u8>, Vec<u8>, FieldExpiry),
    SetExpiry(Vec<u8>, Option<i64>),
    /// Fields, their time, and what time it is.
    ExpireEach(Vec<Vec<u8>>, i64, i64),
    Remove(Vec<u8>),
    RemoveDue(i64, usize),
    Share,
    ShareAll,
    Unshare,
    Duplicate,
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => (0u8..7).prop_map(|number| format!("{number}").into_bytes()),
        5 => (0u8..7).prop_map(|number| format!("f{number}").into_bytes()),
        1 => Just(b"a field too long".to_vec()),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => any::<i16>().prop_map(|number| number.to_string().into_bytes()),
        3 => prop::collection::vec(any::<u8>(), 0..8),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ]
}

fn expiry() -> impl Strategy<Value = FieldExpiry> {
    prop_oneof![
        6 => Just(FieldExpiry::Clear),
        2 => Just(FieldExpiry::Keep),
        2 => (1i64..6).prop_map(FieldExpiry::At),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (field(), value(), expiry()).prop_map(|(field, value, expiry)| Change::Set(field, value, expiry)),
        2 => (field(), prop::option::of(1i64..6)).prop_map(|(field, expiry)| Change::SetExpiry(field, expiry)),
        2 => (prop::collection::vec(field(), 0..40), 1i64..6, 1i64..6)
            .prop_map(|(fields, at, now)| Change::ExpireEach(fields, at, now)),
        4 => field().prop_map(Change::Remove),
        1 => (1i64..8, 0usize..4).prop_map(|(now, most)| Change::RemoveDue(now, most)),
        1 => Just(Change::Share),
        2 => Just(Change::ShareAll),
        1 => Just(Change::Unshare),
        1 => Just(Change::Duplicate),
    ]
}

fn apply(hash: &mut Hash, naive: &mut Naive, change: Change) {
    match change {
        Change::Set(field, value, expiry) => {
            let old = naive.get(&field).and_then(|(_, expiry)| *expiry);
            let is_new = hash.set_with(&field, &value, expiry, LIMITS);
            assert_eq!(naive.insert(field, (value, expiry.after(old))).is_none(), is_new);
        }
        Change::SetExpiry(field, expiry) => {
            hash.set_expiry(&field, expiry);
            if let Some(entry) = naive.get_mut(&field) {
                entry.1 = expiry;
            }
        }
        Change::ExpireEach(fields, at, now) => {
            let mut asked = fields.iter();
            hash.expire_each(fields.iter().map(Vec::as_slice), at, now, |field, value| {
                assert_eq!(asked.next().map(Vec::as_slice), Some(field));
                let living = naive.get_mut(field).filter(|(_, expiry)| expiry.is_none_or(|at| at >= now));
                assert_eq!(value.map(|value| value.to_vec()), living.as_deref().map(|(value, _)| value.clone()));
                if let Some((_, expiry)) = living {
                    *expiry = Some(at);
                }
            });
            assert_eq!(asked.next(), None);
        }
        Change::Remove(field) => assert_eq!(hash.remove(&field), naive.remove(&field).is_some()),
        Change::RemoveDue(now, most) => {
            let due = |expiry: Option<i64>| expiry.is_some_and(|at| at < now);
            let expected = naive.values().filter(|(_, expiry)| due(*expiry)).count().min(most);
            let mut removed = 0;
            hash.remove_due(now, most, &mut |field| {
                removed += 1;
                let (_, expiry) = naive.remove(field).expect("a field that was there");
                assert!(due(expiry));
                let soonest = naive.values().filter_map(|(_, expiry)| *expiry).min();
                assert!(soonest.is_none_or(|soonest| expiry <= Some(soonest)), "the first comes first");
            });
            assert_eq!(removed, expected);
        }
        Change::Share => hash.share_names(LIMITS),
        Change::ShareAll => hash.share_all_names(LIMITS),
        Change::Unshare => hash.unshare(),
        Change::Duplicate => *hash = hash.clone(),
    }
}

fn content(hash: &Hash) -> Naive {
    hash.pairs().map(|pair| (pair.field.to_vec(), (pair.value.to_vec(), pair.expiry))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_hash_does_what_a_map_does(changes in prop::collection::vec(change(), 0..60)) {
        let (mut hash, mut naive) = (Hash::default(), Naive::new());
        let forms = ["listpack", "listpackex", "hashtable"];
        let form = |hash: &Hash| forms.iter().position(|form| *form == hash.encoding());
        for change in changes {
            let before = form(&hash);
            apply(&mut hash, &mut naive, change);
            let (now, shares) = (form(&hash), hash.sharing().is_some());
            prop_assert!(shares || now >= before, "no way back");
            prop_assert_eq!(now.is_none(), shares);
            prop_assert_eq!(&content(&hash), &naive);
            prop_assert_eq!((hash.len(), hash.pairs().count()), (naive.len(), naive.len()));
            let first = naive.values().filter_map(|(_, expiry)| *expiry).min();
            prop_assert_eq!(hash.next_expiry(), first);
            let small = naive.len() <= LIMITS.entries
                && naive.iter().all(|(field, (value, _))| field.len() <= LIMITS.value && value.len() <= LIMITS.value);
            prop_assert!(small || ["hashtable", "template-array"].contains(&hash.encoding()));
            for (field, (value, expiry)) in &naive {
                prop_assert_eq!(hash.expiry(field), Some(*expiry));
                let found = hash.find(field, 3);
                match expiry {
                    Some(at) if *at < 3 => prop_assert_eq!(found, Found::Due),
                    _ => prop_assert!(matches!(found, Found::Value(found) if found.equals(value))),
                }
            }
            prop_assert_eq!(hash.find(b"never", 3), Found::Missing);
            let live = naive.values().filter(|(_, expiry)| expiry.is_none_or(|at| at >= 3)).count();
            prop_assert_eq!((hash.live_len(3), hash.live_pairs(3).count()), (live, live));
        }
    }
}

#[test]
fn a_value_set_anew_obeys_a_limit_that_was_lowered() {
    let mut hash = of(3, "v");
    hash.set(b"field:1", b"w", HashLimits { entries: 3, value: 8 });
    assert_eq!(hash.encoding(), "listpack");
    assert!(!hash.set(b"field:1", b"x", HashLimits { entries: 2, value: 8 }));
    assert_eq!((hash.encoding(), hash.len()), ("hashtable", 3));
}

#[test]
fn a_saved_listpack_stays_one_unless_it_has_too_many_fields() {
    let hash = of(2, "v");
    let HashBytes::Pack(bytes) = hash.bytes() else { panic!("a small hash") };
    let loaded = |entries| Hash::from_listpack(bytes.to_vec(), HashLimits { entries, value: 0 }, &mut || false);
    assert_eq!(loaded(2).map(|hash| hash.encoding()), Some("listpack"));
    assert_eq!(loaded(1).map(|hash| hash.encoding()), Some("hashtable"));
}

fn of(count: usize, value: &str) -> Hash {
    let mut hash = Hash::default();
    (0..count).for_each(|number| _ = hash.set(format!("field:{number}").as_bytes(), value.as_bytes(), LIMITS));
    hash
}

#[test]
fn a_hash_is_8_bytes_where_it_lies() {
    assert_eq!((size_of::<Hash>(), align_of::<Hash>(), size_of::<TimedPack>()), (8, 8, 16));
}

#[test]
fn thresholds_are_the_largest_that_stays_small() {
    assert_eq!(of(4, "12345678").encoding(), "listpack");
    assert_eq!(of(5, "1").encoding(), "hashtable");
    assert_eq!(of(1, "123456789").encoding(), "hashtable");
    let mut full = of(4, "1");
    full.set(b"field:3", b"2", LIMITS);
    assert_eq!(full.encoding(), "listpack", "an old field takes no room");
    full.set_expiry(b"field:3", Some(1));
    assert_eq!(full.encoding(), "listpackex");
    full.set_with(b"field:2", b"2", FieldExpiry::At(7), LIMITS);
    assert_eq!(full.encoding(), "listpackex");
    full.set(b"field:4", b"2", LIMITS);
    assert_eq!(full.encoding(), "hashtable");
    assert_eq!(full.expiry(b"field:3"), Some(Some(1)));
}

#[test]
fn every_form_has_the_digest_that_redis_gives() {
    let digest = |hash: &Hash| {
        let mut digest = Digest::default();
        digest.append(&4u32.to_be_bytes());
        hash.digest(&mut digest);
        digest.to_text()
    };
    let mut hash = Hash::default();
    for (field, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        hash.set(field.as_bytes(), value.as_bytes(), LIMITS);
    }
    assert_eq!(digest(&hash), "b60c36e529712296d694f27b5914cbe84950995e");
    hash.set_expiry(b"a", Some(1));
    assert_eq!(digest(&hash), "1afea367beb1670bcd708789cb07a48435bd836c");
    hash.set(b"d", b"a value too long", LIMITS);
    hash.remove(b"d");
    assert_eq!((hash.encoding(), digest(&hash).as_str()), ("hashtable", "1afea367beb1670bcd708789cb07a48435bd836c"));
}

#[test]
fn fields_of_one_time_all_go_when_it_comes() {
    let mut hash = of(1000, "1");
    (0..1000).for_each(|number| hash.set_expiry(format!("field:{number}").as_bytes(), Some(5)));
    let mut removed = 0;
    hash.remove_due(5, 2000, &mut |_| removed += 1);
    assert_eq!(removed, 0, "a field lives through its last millisecond");
    hash.remove_due(6, 600, &mut |_| removed += 1);
    assert_eq!((removed, hash.len()), (600, 400));
    hash.remove_due(6, 600, &mut |_| removed += 1);
    assert_eq!((removed, hash.len(), hash.next_expiry()), (1000, 0, None));
}

#[test]
fn a_scan_and_random_fields_reach_all() {
    for count in [3, 500] {
        let mut hash = of(count, "1");
        for timed in [false, true] {
            if timed {
                hash.set_expiry(b"field:0", Some(9));
            }
            let (mut cursor, mut seen) = (0, Vec::new());
            loop {
                cursor = hash.scan(cursor, |pair| seen.push(pair.field.to_vec()));
                if cursor == 0 {
                    break;
                }
            }
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), count);
            let mut random = Random::from_seed(1);
            let drawn: std::collections::HashSet<_> =
                (0..count * 20).filter_map(|_| hash.random(&mut random)).map(|pair| pair.field.to_vec()).collect();
            assert_eq!(drawn.len(), count);
        }
    }
}

#[test]
fn memory_per_field_is_small() {
    let mut hash = Hash::default();
    for number in 0..100_000 {
        hash.set(format!("element:{number:012}").as_bytes(), b"xxx", HashLimits { entries: 512, value: 64 });
    }
    let each = hash.heap_bytes(0) as f64 / 100_000.0;
    assert!(each < 46.0, "{each}");
}
