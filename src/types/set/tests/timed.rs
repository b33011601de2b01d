//! Sets some of whose members expire.

use super::*;

type Naive = BTreeMap<Vec<u8>, Option<i64>>;

#[derive(Clone, Debug)]
enum Change {
    Insert(Vec<u8>),
    InsertWith(Vec<u8>, FieldExpiry),
    SetExpiry(Vec<u8>, Option<i64>),
    Remove(Vec<u8>),
    RemoveDue(i64, usize),
    Pop(i64),
    PopMany(i64, usize),
    Duplicate,
}

fn expiry() -> impl Strategy<Value = FieldExpiry> {
    prop_oneof![Just(FieldExpiry::Clear), Just(FieldExpiry::Keep), (1i64..6).prop_map(FieldExpiry::At)]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => member().prop_map(Change::Insert),
        3 => (member(), expiry()).prop_map(|(member, expiry)| Change::InsertWith(member, expiry)),
        3 => (member(), prop::option::of(1i64..6)).prop_map(|(member, at)| Change::SetExpiry(member, at)),
        4 => member().prop_map(Change::Remove),
        1 => (1i64..8, 0usize..4).prop_map(|(now, most)| Change::RemoveDue(now, most)),
        1 => (0i64..8).prop_map(Change::Pop),
        1 => (0i64..8, 0usize..4).prop_map(|(now, count)| Change::PopMany(now, count)),
        1 => Just(Change::Duplicate),
    ]
}

fn is_due(expiry: Option<i64>, now_ms: i64) -> bool {
    expiry.is_some_and(|at| at < now_ms)
}

fn live_of(naive: &Naive, now_ms: i64) -> BTreeSet<Vec<u8>> {
    naive.iter().filter(|(_, expiry)| !is_due(**expiry, now_ms)).map(|(member, _)| member.clone()).collect()
}

fn apply(set: &mut Set, naive: &mut Naive, change: Change, limits: &SetLimits, random: &mut Random) {
    match change {
        Change::Insert(member) => {
            let is_new = !naive.contains_key(&member);
            assert_eq!(set.insert(&member, limits), is_new);
            naive.entry(member).or_insert(None);
        }
        Change::InsertWith(member, expiry) => {
            let old = naive.get(&member).copied();
            assert_eq!(set.insert_with(&member, expiry, limits), old.is_none());
            let new = match expiry {
                FieldExpiry::Clear => None,
                FieldExpiry::Keep => old.flatten(),
                FieldExpiry::At(at) => Some(at),
            };
            naive.insert(member, new);
        }
        Change::SetExpiry(member, expiry) => {
            set.set_expiry(&member, expiry, limits);
            naive.entry(member).and_modify(|old| *old = expiry);
        }
        Change::Remove(member) => assert_eq!(set.remove(&member), naive.remove(&member).is_some()),
        Change::RemoveDue(now, most) => {
            let expected = naive.values().filter(|expiry| is_due(**expiry, now)).count().min(most);
            let mut removed = Vec::new();
            set.remove_due(now, most, &mut |member| removed.push(member.to_vec()));
            assert_eq!(removed.len(), expected);
            removed.iter().for_each(|member| assert!(is_due(naive.remove(member).expect("a member"), now)));
        }
        Change::Pop(now) => {
            let mut popped = None;
            let any = set.pop(now, random, |member| popped = Some(member.to_vec()));
            assert_eq!(any, !live_of(naive, now).is_empty());
            popped.into_iter().for_each(|member| assert!(!is_due(naive.remove(&member).expect("a member"), now)));
        }
        Change::PopMany(now, count) => {
            if count < live_of(naive, now).len() {
                let mut popped = BTreeSet::new();
                set.pop_many((count, now), random, limits, |member| _ = popped.insert(member.to_vec()));
                assert_eq!(popped.len(), count);
                popped.iter().for_each(|member| assert!(!is_due(naive.remove(member).expect("a member"), now)));
            }
        }
        Change::Duplicate => *set = set.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_set_with_times_is_its_naive_twin(
        changes in prop::collection::vec(change(), 0..60),
        limits in limits(),
        seed in any::<u64>(),
    ) {
        let (mut set, mut naive, mut random) = (Set::default(), Naive::new(), Random::from_seed(seed));
        for change in changes {
            apply(&mut set, &mut naive, change, &limits, &mut random);
            let content: Naive = set.with_times().map(|(member, expiry)| (member.to_vec(), expiry)).collect();
            prop_assert_eq!(&content, &naive);
            prop_assert_eq!((set.len(), set.next_expiry()), (naive.len(), naive.values().flatten().min().copied()));
            for (member, expiry) in &naive {
                prop_assert_eq!(set.expiry(member), Some(*expiry));
            }
            prop_assert_eq!(set.expiry(b"never"), None);
            let (live, twin) = (set.live(3), live_of(&naive, 3));
            let seen: BTreeSet<Vec<u8>> = live.iter().map(Element::to_vec).collect();
            prop_assert_eq!(&seen, &twin);
            prop_assert_eq!((live.len(), live.iter().count()), (twin.len(), twin.len()));
            prop_assert!(naive.keys().all(|member| live.contains(member) == twin.contains(member)));
            prop_assert!(live.random(&mut random).map_or(twin.is_empty(), |member| twin.contains(&member.to_vec())));
            let expiring: Naive = live.expiring().map(|(member, at)| (member.to_vec(), Some(at))).collect();
            let twin: Naive = naive.iter().filter(|(_, at)| at.is_some_and(|at| at >= 3)).map(|(m, at)| (m.clone(), *at)).collect();
            prop_assert_eq!(expiring, twin);
        }
    }

    #[test]
    fn algebra_sees_the_members_that_live(
        members in prop::collection::vec(prop::collection::vec((member(), prop::option::of(1i64..6)), 0..20), 1..5),
    ) {
        let build = |members: &[(Vec<u8>, Option<i64>)]| {
            let (mut set, mut naive) = (Set::default(), Naive::new());
            for (member, at) in members {
                set.insert_with(member, at.map_or(FieldExpiry::Clear, FieldExpiry::At), &LIMITS);
                naive.insert(member.clone(), *at);
            }
            (set, live_of(&naive, 3))
        };
        let built: Vec<(Set, BTreeSet<Vec<u8>>)> = members.iter().map(|members| build(members)).collect();
        let mut sets: Vec<Live<'_>> = built.iter().map(|(set, _)| set.live(3)).collect();
        let (mut both, mut any, mut rest) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        union(&sets, |member| any.insert(member.to_vec()));
        let (first, others) = sets.split_first().expect("a set");
        difference(*first, &mut others.to_vec(), |member| rest.insert(member.to_vec()));
        intersection(&mut sets, |member| both.insert(member.to_vec()));
        let twins: Vec<&BTreeSet<Vec<u8>>> = built.iter().map(|(_, twin)| twin).collect();
        let all: BTreeSet<Vec<u8>> = twins.iter().flat_map(|twin| twin.iter().cloned()).collect();
        let in_all = |member: &&Vec<u8>| twins.iter().all(|twin| twin.contains(*member));
        let in_others = |member: &&Vec<u8>| twins[1..].iter().any(|twin| twin.contains(*member));
        prop_assert_eq!(both, all.iter().filter(in_all).cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(rest, twins[0].iter().filter(|member| !in_others(member)).cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(any, all);
    }
}

#[test]
fn a_set_with_times_has_the_encodings_of_redis() {
    let timed = |mut set: Set, member: &str| {
        set.set_expiry(member.as_bytes(), Some(9), &LIMITS);
        set.encoding()
    };
    assert_eq!(timed(set_of(&["a", "b"], &LIMITS), "a"), "listpackex");
    assert_eq!(timed(set_of_numbers(3, &SetLimits { listpack_value: 20, ..LIMITS }), "1"), "hashtable", "20 digits");
    assert_eq!(timed(set_of_numbers(8, &LIMITS), "1"), "hashtable", "more than a listpack may have");
    let mut table = set_of(&["a", "b", "longer than a listpack may have"], &LIMITS);
    table.remove(b"longer than a listpack may have");
    assert_eq!(timed(table, "a"), "hashtable", "no way back");
    let roomy = SetLimits { listpack_value: 20, ..LIMITS };
    let mut ints = set_of_numbers(3, &roomy);
    ints.set_expiry(b"1", Some(9), &roomy);
    assert_eq!(ints.encoding(), "listpackex");
    ints.set_expiry(b"1", None, &roomy);
    assert_eq!((ints.encoding(), ints.next_expiry()), ("listpackex", None));
    numbers(6).iter().for_each(|number| _ = ints.insert(number.as_bytes(), &roomy));
    assert_eq!(ints.encoding(), "listpackex");
    ints.insert(b"6", &roomy);
    assert_eq!(ints.encoding(), "hashtable");
    let mut set = set_of(&["a"], &LIMITS);
    set.set_expiry(b"a", None, &LIMITS);
    assert_eq!(set.encoding(), "listpack", "who takes a time needs no place for one");
}

#[test]
fn a_time_is_part_of_the_digest_that_it_has_is_not() {
    let digest = |set: &Set| {
        let mut digest = Digest::default();
        set.digest(&mut digest);
        digest
    };
    let plain = set_of(&["a", "b"], &LIMITS);
    let mut timed = plain.clone();
    timed.expect_times(&LIMITS);
    assert_eq!(digest(&timed), digest(&plain));
    timed.set_expiry(b"a", Some(5), &LIMITS);
    let with_time = digest(&timed);
    assert_ne!(with_time, digest(&plain));
    timed.set_expiry(b"a", Some(6), &LIMITS);
    assert_eq!(digest(&timed), with_time);
    timed.set_expiry(b"a", None, &LIMITS);
    assert_eq!(digest(&timed), digest(&plain));
}

#[test]
fn a_set_with_times_owns_more_than_one_without() {
    let mut set = set_of_numbers(1000, &LIMITS);
    let before = set.heap_bytes(0);
    set.expect_times(&LIMITS);
    (0..1000).for_each(|number| set.set_expiry(number.to_string().as_bytes(), Some(number), &LIMITS));
    assert!(set.heap_bytes(0) > before + 1000 * 6 && set.heap_bytes(0) < before + 1000 * 60);
    assert_eq!(set.free_effort(), 1000);
}
