use proptest::prelude::*;

use super::*;

const SMALL: Limits = Limits { entries: 128, value: 64 };
const NEVER: Limits = Limits { entries: 0, value: 0 };

/// The same, without any idea.
#[derive(Clone, Debug, Default)]
struct Twin(Vec<(Vec<u8>, f64)>);

impl Twin {
    fn insert(&mut self, member: &[u8], score: f64) -> Change {
        let change = match self.0.iter_mut().find(|(other, _)| other == member) {
            Some((_, current)) if *current == score => return Change::None,
            Some((_, current)) => {
                *current = score;
                Change::Updated
            }
            None => {
                self.0.push((member.to_vec(), score));
                Change::Added
            }
        };
        self.0.sort_by(|one, other| order((one.1, &one.0), (other.1, &other.0)));
        change
    }

    fn remove(&mut self, member: &[u8]) -> bool {
        let before = self.0.len();
        self.0.retain(|(other, _)| other != member);
        self.0.len() < before
    }

    fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        self.0.iter().position(|(other, _)| other == member).map(|rank| (rank, self.0[rank].1))
    }

    fn ranks(&self, below: impl Fn(&(Vec<u8>, f64)) -> bool, above: impl Fn(&(Vec<u8>, f64)) -> bool) -> Range<usize> {
        let start = self.0.iter().filter(|entry| below(entry)).count();
        let end = self.0.len() - self.0.iter().filter(|entry| above(entry)).count();
        start..end.max(start)
    }
}

fn owned(entry: Entry<'_>) -> (Vec<u8>, f64) {
    (entry.member.to_vec(), entry.score())
}

/// Compares bit by bit, but for the sign of 0, which small sets lose.
fn same(one: &[(Vec<u8>, f64)], other: &[(Vec<u8>, f64)]) -> bool {
    let bits = |score: f64| (score + 0.0).to_bits();
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| one.0 == other.0 && bits(one.1) == bits(other.1))
}

fn check(set: &SortedSet, twin: &Twin) {
    let entries: Vec<_> = set.iter().map(owned).collect();
    assert!(same(&entries, &twin.0), "{entries:?} is not {:?}", twin.0);
    let reversed: Vec<_> = set.iter().rev().map(owned).collect();
    assert!(reversed.iter().eq(twin.0.iter().rev()));
    assert_eq!(set.len(), twin.0.len());
    if let Form::Ordered(ordered) = &set.form {
        ordered.check();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveRanks(Range<usize>),
    Rank(Vec<u8>),
    ByScore(ScoreRange),
    ByLex(Vec<u8>, Vec<u8>, bool),
    Walk(Range<usize>),
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0..400i32).prop_map(|number| format!("{number}").into_bytes()),
        4 => "[a-d]{0,3}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-20..20i32).prop_map(f64::from),
        (0..100_000i64).prop_map(|step| 1.7e12 + step as f64),
        (0..1000).prop_map(|step| f64::from(step) / 8.0),
        any::<f64>().prop_filter("a number", |score| !score.is_nan()),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
    ]
}

fn score_range() -> impl Strategy<Value = ScoreRange> {
    (score(), any::<bool>(), score(), any::<bool>()).prop_map(|(min, below, max, above)| ScoreRange {
        min: ScoreBound { score: min, exclusive: below },
        max: ScoreBound { score: max, exclusive: above },
    })
}

fn step() -> impl Strategy<Value = Step> {
    let range = || (0..300usize, 0..40usize).prop_map(|(start, len)| start..start + len);
    prop_oneof![
        20 => (member(), score()).prop_map(|(member, score)| Step::Insert(member, score)),
        4 => member().prop_map(Step::Remove),
        1 => range().prop_map(Step::RemoveRanks),
        2 => member().prop_map(Step::Rank),
        2 => score_range().prop_map(Step::ByScore),
        1 => (member(), member(), any::<bool>()).prop_map(|(min, max, exclusive)| Step::ByLex(min, max, exclusive)),
        1 => range().prop_map(Step::Walk),
    ]
}

fn take(set: &mut SortedSet, twin: &mut Twin, limits: Limits, step: Step) {
    let cut = |range: Range<usize>, len: usize| range.start.min(len)..range.end.min(len);
    match step {
        Step::Insert(member, score) => {
            assert_eq!(set.insert(&member, score, limits), twin.insert(&member, score));
            assert_eq!(set.score(&member), Some(score));
        }
        Step::Remove(member) => {
            assert_eq!(set.remove(&member), twin.remove(&member));
            assert_eq!(set.score(&member), None);
        }
        Step::RemoveRanks(ranks) => {
            assert_eq!(set.remove_ranks(ranks.clone()), twin.0.drain(cut(ranks, twin.0.len())).count());
        }
        Step::Rank(member) => assert_eq!(set.rank(&member), twin.rank(&member)),
        Step::ByScore(range) => {
            let expected = twin.ranks(|(_, score)| range.lies_below(*score), |(_, score)| range.lies_above(*score));
            let ranks = set.ranks_by_score(&range);
            assert!(ranks == expected || ranks.is_empty() && expected.is_empty(), "{ranks:?} is not {expected:?}");
        }
        Step::ByLex(min, max, exclusive) => {
            let bound = |member| if exclusive { LexBound::Exclusive(member) } else { LexBound::Inclusive(member) };
            let range = LexRange { min: bound(&min), max: bound(&max) };
            if twin.0.windows(2).all(|pair| pair[0].0 < pair[1].0) {
                let expected =
                    twin.ranks(|(member, _)| range.lies_below(member), |(member, _)| range.lies_above(member));
                let ranks = set.ranks_by_lex(&range);
                assert!(ranks == expected || ranks.is_empty() && expected.is_empty(), "{ranks:?} is not {expected:?}");
            }
        }
        Step::Walk(ranks) => {
            let expected = &twin.0[cut(ranks.clone(), twin.0.len())];
            assert!(same(&set.iter_ranks(ranks.clone()).map(owned).collect::<Vec<_>>(), expected));
            let mut both = set.iter_ranks(ranks.clone());
            let mut walked = (Vec::new(), Vec::new());
            while let Some(entry) = both.next() {
                walked.0.push(owned(entry));
                walked.1.extend(both.next_back().map(owned));
            }
            walked.0.extend(walked.1.into_iter().rev());
            assert!(same(&walked.0, expected));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn small_sets_are_like_their_twin(steps in proptest::collection::vec(step(), 1..120)) {
        let (mut set, mut twin) = (SortedSet::default(), Twin::default());
        let limits = Limits { entries: 1000, value: 1000 };
        for step in steps {
            take(&mut set, &mut twin, limits, step);
            check(&set, &twin);
        }
        prop_assert_eq!(set.encoding(), "listpack");
    }

    #[test]
    fn big_sets_are_like_their_twin(
        start in proptest::collection::vec((member(), score()), 0..400),
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        let mut twin = Twin::default();
        for (member, score) in start {
            twin.insert(&member, score);
        }
        let mut set = SortedSet::from_entries(twin.0.clone(), NEVER);
        check(&set, &twin);
        for step in steps {
            take(&mut set, &mut twin, NEVER, step);
        }
        check(&set, &twin);
        check(&set.clone(), &twin);
    }

    #[test]
    fn images_stay_what_the_set_was(
        start in proptest::collection::vec((member(), score()), 0..400),
        steps in proptest::collection::vec((step(), 0..8u8), 1..150),
    ) {
        let mut twin = Twin::default();
        for (member, score) in start {
            twin.insert(&member, score);
        }
        let mut set = SortedSet::from_entries(twin.0.clone(), NEVER);
        let mut images: Vec<(SortedSet, Twin)> = Vec::new();
        for (step, kind) in steps {
            match kind {
                0 if images.len() < 4 => images.push((set.image(), twin.clone())),
                1 if !images.is_empty() => drop(images.remove(0)),
                2 => set = set.clone(),
                _ => {}
            }
            take(&mut set, &mut twin, NEVER, step);
        }
        check(&set, &twin);
        drop(set);
        for (image, twin) in images {
            prop_assert_eq!(image.len(), twin.0.len());
            prop_assert!(same(&image.image().iter().map(owned).collect::<Vec<_>>(), &twin.0));
            prop_assert!(same(&image.iter().map(owned).collect::<Vec<_>>(), &twin.0));
        }
    }

    #[test]
    fn sets_grow_out_of_their_listpack(
        entries in 0..12usize, value in 0..6usize, steps in proptest::collection::vec(step(), 1..60),
    ) {
        let limits = Limits { entries, value };
        let (mut set, mut twin) = (SortedSet::default(), Twin::default());
        let mut outgrown = false;
        for step in steps {
            if let Step::Insert(member, _) = &step {
                let is_new = twin.rank(member).is_none();
                outgrown |= is_new && (twin.0.len() >= entries || member.len() > value);
            }
            take(&mut set, &mut twin, limits, step);
            prop_assert_eq!(set.encoding(), if outgrown { "skiplist" } else { "listpack" });
        }
        check(&set, &twin);
        let fits = twin.0.len() <= entries && twin.0.iter().all(|(member, _)| member.len() <= value);
        let rebuilt = SortedSet::from_entries(twin.0.clone(), limits);
        prop_assert_eq!(rebuilt.encoding(), if fits { "listpack" } else { "skiplist" });
        check(&rebuilt, &twin);
    }
}

fn name(number: usize) -> Vec<u8> {
    format!("member:{number:06}").into_bytes()
}

/// A sorted order that has nothing to do with the one before: a permutation of 0..8000.
fn shuffled(index: usize) -> usize {
    index * 7919 % 8000
}

#[test]
fn thousands_of_elements_come_and_go_in_any_order() {
    let orders: [fn(usize) -> usize; 4] = [|index| index, |index| 7999 - index, shuffled, |_| 7];
    for order_in in orders {
        for order_out in orders {
            let mut set = SortedSet::default();
            for index in 0..8000 {
                let score = order_in(index) as f64;
                assert_eq!(set.insert(&name(shuffled(index)), score, SMALL), Change::Added);
            }
            assert_eq!((set.len(), set.encoding()), (8000, "skiplist"));
            let Form::Ordered(ordered) = &set.form else { unreachable!() };
            ordered.check();
            for index in 0..8000 {
                set.insert(&name(index), order_out(index) as f64, SMALL);
            }
            let Form::Ordered(ordered) = &set.form else { unreachable!() };
            ordered.check();
            for index in (0..8000).map(order_out).filter(|index| index % 8 != 0) {
                set.remove(&name(index));
            }
            let Form::Ordered(ordered) = &set.form else { unreachable!() };
            ordered.check();
            let left = set.len();
            assert_eq!(set.remove_ranks(0..left / 2) + set.remove_ranks(0..left), left);
            let Form::Ordered(ordered) = &set.form else { unreachable!() };
            ordered.check();
            assert!(set.is_empty() && set.iter().next().is_none() && set.at(0).is_none());
        }
    }
}

#[test]
fn leaves_are_well_filled() {
    let fill = |score: &dyn Fn(usize) -> f64| {
        let mut set = SortedSet::default();
        for index in 0..20_000 {
            set.insert(&name(index), score(index), SMALL);
        }
        let Form::Ordered(ordered) = &set.form else { unreachable!() };
        ordered.tree_bytes() as f64 / 20_000.0
    };
    let figures = [
        fill(&|index| index as f64),
        fill(&|index| -(index as f64)),
        fill(&|index| (index * 7919 % 20_000) as f64),
        fill(&|index| (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64),
    ];
    assert!(figures[0] < 13.5 && figures[1] < 13.5 && figures[2] < 17.0 && figures[3] < 17.0, "{figures:?}");
}

/// Redis 8.2 takes about 102 bytes for each: a node of its list, a string, an entry of its table.
#[test]
fn a_member_of_sixteen_bytes_takes_little_memory() {
    let mut set = SortedSet::default();
    for index in 0..100_000u64 {
        let score = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        set.insert(format!("member:{index:09}").as_bytes(), score as f64, SMALL);
    }
    let bytes = set.heap_bytes(0) as f64 / 100_000.0;
    assert!(bytes < 52.0, "{bytes}");
}

#[test]
fn big_sets_keep_the_sign_of_zero() {
    for (limits, kept) in [(SMALL, 0.0f64), (NEVER, -0.0)] {
        let mut set = SortedSet::default();
        set.insert(b"m", -0.0, limits);
        assert_eq!(set.score(b"m").map(f64::to_bits), Some(kept.to_bits()));
        assert_eq!(set.insert(b"m", 0.0, limits), Change::None);
        set.insert(b"a", 0.0, limits);
        assert_eq!(set.rank(b"a"), Some((0, 0.0)));
    }
}

#[test]
fn a_scan_emits_every_element_that_stays() {
    let mut set = SortedSet::default();
    (0..3000).for_each(|index| {
        set.insert(&name(index), index as f64, SMALL);
    });
    let (mut cursor, mut seen, mut step) = (0, std::collections::HashSet::new(), 3000);
    loop {
        cursor = set.scan(cursor, |entry| {
            seen.insert(entry.member.to_vec());
        });
        if cursor == 0 {
            break;
        }
        step += 1;
        set.insert(&name(step), 0.0, SMALL);
        set.remove(&name(step - 3000 + 1500));
    }
    assert!((0..1500).all(|index| seen.contains(&name(index))));
}

#[test]
fn random_elements_are_all_as_likely() {
    for limits in [SMALL, NEVER] {
        let mut set = SortedSet::default();
        (0..10).for_each(|index| {
            set.insert(&name(index), 0.0, limits);
        });
        let mut random = Random::from_seed(3);
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            let entry = set.random(&mut random).expect("an element");
            counts[(0..10).position(|index| entry.member.equals(&name(index))).expect("a member")] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
    assert!(SortedSet::default().random(&mut Random::from_seed(1)).is_none());
}

#[test]
fn digests_are_those_of_redis() {
    let mut set = SortedSet::default();
    for (member, score) in [("a", 1.0), ("b", 0.1), ("7", -2.5)] {
        set.insert(member.as_bytes(), score, SMALL);
    }
    let mut digest = Digest::default();
    set.digest(&mut digest);
    let big = SortedSet::from_entries(set.iter().map(owned).collect(), NEVER);
    let mut of_big = Digest::default();
    big.digest(&mut of_big);
    assert_eq!(digest, of_big);
}

#[test]
fn a_set_is_sixteen_bytes_and_can_be_freed_elsewhere() {
    assert_eq!(size_of::<SortedSet>(), 16);
    let set = SortedSet::from_entries((0..1000).map(|index| (name(index), 1.0)).collect(), NEVER);
    assert_eq!(set.free_effort(), 1000);
    std::thread::spawn(move || drop(set)).join().expect("freed");
}

#[test]
fn another_thread_reads_and_drops_an_image_of_a_set_that_is_changed_here() {
    let entries: Vec<_> = (0..5000).map(|number| (format!("{number}"), f64::from(number))).collect();
    let mut set = SortedSet::from_entries(entries, NEVER);
    for round in 0..10u32 {
        let image = set.image();
        let reader = std::thread::spawn(move || {
            let odd = image.iter().filter(|entry| entry.score().fract() != 0.0).count();
            assert_eq!(odd, 100 * round as usize);
        });
        for number in 0..100 {
            let number = round * 100 + number;
            set.insert(format!("{number}").as_bytes(), f64::from(number) + 0.5, NEVER);
            set.remove(format!("{}", 4999 - number).as_bytes());
        }
        reader.join().expect("it saw one value");
    }
}
