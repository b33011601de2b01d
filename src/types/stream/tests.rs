use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::block::BLOCK_BYTES_MAX;
use super::log::Place;
use super::*;
use crate::types::listpack::{Element, Listpack};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The same stream, kept in the simplest way.
#[derive(Clone, Default)]
struct Naive {
    entries: BTreeMap<StreamId, Pairs>,
    last_id: StreamId,
    max_deleted_id: StreamId,
    added: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Add { ms: u64, seq: u64, pairs: Pairs },
    Delete(usize),
    DeleteUnknown(u64),
    KeepLatest(u64),
    KeepFrom(u64),
    TrimRoughly(u64, u64),
    Restore,
}

fn pairs() -> impl Strategy<Value = Pairs> {
    let name = prop::sample::select(vec!["name", "other", "17", ""]);
    let value = prop_oneof![any::<i64>().prop_map(|value| value.to_string()), "[a-z]{0,70}"];
    let pair = (name, value).prop_map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes()));
    prop_oneof![
        4 => any::<u16>().prop_map(|value| vec![(b"name".to_vec(), value.to_string().into_bytes())]),
        2 => prop::collection::vec(pair, 1..4),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        12 => (0u64..3, 0u64..3, pairs()).prop_map(|(ms, seq, pairs)| Change::Add { ms, seq, pairs }),
        4 => prop_oneof![any::<usize>(), Just(0)].prop_map(Change::Delete),
        1 => (0u64..40).prop_map(Change::DeleteUnknown),
        1 => (0u64..20).prop_map(Change::KeepLatest),
        1 => (0u64..40).prop_map(Change::KeepFrom),
        1 => (0u64..20, 0u64..8).prop_map(|(keep, limit)| Change::TrimRoughly(keep, limit)),
        1 => Just(Change::Restore),
    ]
}

fn texts(pairs: &Pairs) -> Vec<&[u8]> {
    pairs.iter().flat_map(|(name, value)| [&name[..], &value[..]]).collect()
}

fn add(stream: &mut Stream, id: StreamId, pairs: &Pairs, limits: BlockLimits) {
    let log = stream.log_mut();
    assert_eq!(log.new_id(NewId::Exactly(id)), Ok(id));
    log.push(id, texts(pairs).into_iter(), limits).expect("room");
}

fn owned(entry: Entry<'_>) -> (StreamId, Pairs) {
    let len = entry.fields.len();
    let pairs: Pairs = entry.fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    assert_eq!(pairs.len(), len);
    (entry.id, pairs)
}

fn check(stream: &Stream, naive: &Naive, from: StreamId, to: StreamId) {
    let log = stream.log();
    assert_eq!(log.len(), naive.entries.len() as u64);
    assert_eq!(log.last_id, naive.last_id);
    assert_eq!(log.max_deleted_id, naive.max_deleted_id);
    assert_eq!(log.entries_added, naive.added);
    assert_eq!(log.first_id(), naive.entries.keys().next().copied().unwrap_or_default());
    assert_eq!(log.last_live_id(), naive.entries.keys().next_back().copied());
    for (from, to) in [(StreamId::MIN, StreamId::MAX), (from, to), (from, StreamId::MAX), (from, from)] {
        let wanted: Vec<_> = match from <= to {
            true => naive.entries.range(from..=to).map(|(id, pairs)| (*id, pairs.clone())).collect(),
            false => Vec::new(),
        };
        assert_eq!(log.range(from, to).map(owned).collect::<Vec<_>>(), wanted);
        let mut backwards: Vec<_> = log.range(from, to).rev().map(owned).collect();
        backwards.reverse();
        assert_eq!(backwards, wanted);
    }
    let mut finder = log.finder(from);
    for id in (from.ms..from.ms + 80).map(|ms| StreamId::new(ms, 1)).filter(|id| *id >= from) {
        assert_eq!(finder.get(id).map(|entry| entry.id), log.get(id).map(|entry| entry.id));
    }
    for (id, bytes) in log.blocks() {
        let pack = Listpack::checked(bytes.to_vec()).expect("a listpack");
        assert!(block::check(id, &pack).is_some_and(|(live, _)| live > 0));
    }
    assert_eq!(log.blocks().count(), log.block_count());
}

fn restored(stream: &Stream) -> Stream {
    let log = stream.log();
    let mut copy = Log::checked(log.blocks().map(|(id, bytes)| (id, bytes.to_vec()))).expect("sound blocks");
    copy.last_id = log.last_id;
    copy.max_deleted_id = log.max_deleted_id;
    copy.entries_added = log.entries_added;
    Stream::new(copy)
}

fn apply(stream: &mut Stream, naive: &mut Naive, change: Change, limits: BlockLimits) {
    match change {
        Change::Add { ms, seq, pairs } => {
            let last = naive.last_id;
            let id =
                if ms == 0 { StreamId::new(last.ms, last.seq + seq + 1) } else { StreamId::new(last.ms + ms, seq) };
            add(stream, id, &pairs, limits);
            naive.entries.insert(id, pairs);
            naive.last_id = id;
            naive.added += 1;
        }
        Change::Delete(index) => {
            let Some(id) = naive.entries.keys().nth(index % naive.entries.len().max(1)).copied() else { return };
            assert_eq!(stream.delete(id, References::Keep), Deletion::Deleted);
            naive.entries.remove(&id);
            naive.max_deleted_id = naive.max_deleted_id.max(id);
        }
        Change::DeleteUnknown(ms) => {
            let id = StreamId::new(ms, 99);
            assert_eq!(stream.delete(id, References::Keep), Deletion::Missing(false));
        }
        Change::KeepLatest(count) => {
            let trim = Trim { keep: Keep::Latest(count), roughly: false, limit: 0 };
            let excess = (naive.entries.len() as u64).saturating_sub(count);
            assert_eq!(stream.trim(trim, References::Keep).count, excess);
            (0..excess).for_each(|_| drop(naive.entries.pop_first()));
        }
        Change::KeepFrom(ms) => {
            let id = StreamId::new(ms, 1);
            let kept = naive.entries.split_off(&id);
            let trim = Trim { keep: Keep::From(id), roughly: false, limit: 0 };
            assert_eq!(stream.trim(trim, References::Keep).count, naive.entries.len() as u64);
            naive.entries = kept;
        }
        Change::TrimRoughly(count, limit) => {
            let trim = Trim { keep: Keep::Latest(count), roughly: true, limit };
            let removed = stream.trim(trim, References::Keep).count;
            assert!(limit == 0 || removed <= limit);
            (0..removed).for_each(|_| drop(naive.entries.pop_first()));
            assert!(naive.entries.len() as u64 >= count || removed == 0);
        }
        Change::Restore => *stream = restored(stream),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_stream_does_what_a_map_of_entries_does(
        changes in prop::collection::vec((change(), 0..8u8), 0..80),
        entries in 0u64..6,
        bytes in prop::sample::select(vec![0usize, 40, 120, 4096]),
        from in 0u64..40,
        to in 0u64..40,
    ) {
        let limits = BlockLimits { bytes, entries };
        let (mut stream, mut naive) = (Stream::default(), Naive::default());
        let mut copies = Vec::new();
        for (change, kind) in changes {
            match kind {
                0 => copies.push((stream.clone(), naive.clone())),
                1 if !copies.is_empty() => drop(copies.remove(0)),
                2 => stream = stream.clone(),
                _ => {}
            }
            apply(&mut stream, &mut naive, change, limits);
            check(&stream, &naive, StreamId::new(from, 1), StreamId::new(to, 1));
        }
        copies.push((stream, naive));
        for (copy, naive) in copies {
            check(&copy, &naive, StreamId::MIN, StreamId::MAX);
        }
    }

    #[test]
    fn reading_on_from_a_place_gives_what_is_behind_it_whatever_happened_meanwhile(
        steps in prop::collection::vec((change(), 0usize..4, any::<bool>()), 0..80),
        entries in 0u64..6,
    ) {
        let limits = BlockLimits { bytes: 0, entries };
        let (mut stream, mut naive) = (Stream::default(), Naive::default());
        let (mut read, mut place) = (StreamId::MIN, Place::default());
        for (change, count, from_the_start) in steps {
            if matches!(change, Change::Restore) {
                place = Place::default();
            }
            apply(&mut stream, &mut naive, change, limits);
            if from_the_start {
                read = StreamId::MIN;
            }
            let from = read.next().expect("a next id");
            let mut rest = stream.log().range_on(from, &place);
            let taken: Vec<_> = rest.by_ref().take(count).map(owned).collect();
            let wanted = naive.entries.range(from..).take(count).map(|(id, pairs)| (*id, pairs.clone()));
            prop_assert_eq!(&taken, &wanted.collect::<Vec<_>>());
            // One entry more was looked at than is taken for read, now and then.
            let seen = taken.len().saturating_sub(usize::from(count == 3));
            read = taken[..seen].last().map_or(read, |(id, _)| *id);
            place = stream.log().place_of(&rest).unwrap_or(place);
        }
    }

    #[test]
    fn damaged_blocks_are_refused_or_can_be_read(at in any::<usize>(), byte in any::<u8>()) {
        let mut stream = Stream::default();
        for ms in 1..6 {
            let pairs = vec![(b"name".to_vec(), vec![b'x'; ms as usize])];
            add(&mut stream, StreamId::new(ms, 0), &pairs, BlockLimits { bytes: 0, entries: 3 });
        }
        stream.delete(StreamId::new(2, 0), References::Keep);
        let mut blocks: Vec<_> = stream.log().blocks().map(|(id, bytes)| (id, bytes.to_vec())).collect();
        let damaged = &mut blocks[0].1;
        let at = at % damaged.len();
        damaged[at] = byte;
        if let Some(log) = Log::checked(blocks) {
            prop_assert_eq!(log.iter().count() as u64, log.len());
            prop_assert_eq!(log.iter().rev().count() as u64, log.len());
        }
    }

    #[test]
    fn what_is_pending_is_pending_in_the_group_and_with_one_consumer_or_nobody(
        steps in prop::collection::vec((0u64..12, 0usize..4, 0u8..10, 0i64..6), 0..60),
        sorted_from in 0usize..60,
    ) {
        const NAMES: [&[u8]; 4] = [b"d", b"a", b"c", b"b"];
        let mut group = Group::default();
        let mut naive: BTreeMap<u64, (usize, i64)> = BTreeMap::new();
        // What nobody has, in its order.
        let mut nacked: Vec<u64> = Vec::new();
        for (number, (ms, who, what, time_ms)) in steps.into_iter().enumerate() {
            let id = StreamId::new(ms, 0);
            match what {
                0..=3 => {
                    let (consumer, _) = group.meet(NAMES[who], 1);
                    group.deliver(id, Delivery { time_ms, count: 1, consumer: Some(consumer) });
                    naive.insert(ms, (who, time_ms));
                    nacked.retain(|other| *other != ms);
                }
                4..=5 => {
                    let was_nacked = nacked.contains(&ms);
                    nacked.retain(|other| *other != ms);
                    prop_assert_eq!(group.acknowledge(id), naive.remove(&ms).is_some() || was_nacked);
                }
                6..=7 => {
                    group.nack(id, 1);
                    naive.remove(&ms);
                    nacked.retain(|other| *other != ms);
                    nacked.push(ms);
                }
                _ => {
                    let share = naive.values().filter(|(owner, _)| *owner == who).count();
                    let known = group.consumer_id(NAMES[who]).is_some();
                    prop_assert_eq!(group.delete_consumer(NAMES[who]), known.then_some(share));
                    naive.retain(|_, (owner, _)| *owner != who);
                }
            }
            let ids: Vec<_> = group.pending(StreamId::MIN).map(|(id, _)| id.ms).collect();
            let all: BTreeSet<_> = naive.keys().chain(&nacked).copied().collect();
            prop_assert_eq!(ids, all.into_iter().collect::<Vec<_>>());
            let names: Vec<_> = group.consumers().map(|(_, consumer)| consumer.name.to_vec()).collect();
            prop_assert!(names.is_sorted());
            for (who, name) in NAMES.iter().enumerate() {
                let Some(consumer) = group.consumer_id(name) else { continue };
                let ids: BTreeSet<_> = group.pending_of(consumer, StreamId::MIN).map(|(id, _)| id.ms).collect();
                let own = naive.iter().filter(|(_, (owner, _))| *owner == who);
                let share: BTreeSet<_> = own.map(|(ms, _)| *ms).collect();
                prop_assert_eq!(group.consumer(consumer).pending_len(), share.len());
                prop_assert_eq!(ids, share);
            }
            prop_assert_eq!(group.nacked().map(|(id, _)| id.ms).collect::<Vec<_>>(), nacked.clone());
            let earliest = naive.values().map(|(_, time_ms)| *time_ms).min();
            let next = if nacked.is_empty() { earliest.map(|time_ms| time_ms + 2) } else { Some(0) };
            prop_assert_eq!(group.next_idle_ms(2), next);
            if number >= sorted_from {
                let idle: Vec<_> = group.idle(2, 5).map(|(id, _)| id.ms).collect();
                let mut owned: Vec<_> = naive.iter().filter(|(_, (_, time_ms))| *time_ms <= 3).collect();
                owned.sort_by_key(|(ms, (_, time_ms))| (*time_ms, **ms));
                let expected: Vec<_> = nacked.iter().copied().chain(owned.into_iter().map(|(ms, _)| *ms)).collect();
                prop_assert_eq!(idle, expected);
            }
        }
    }
}

const ROOMY: BlockLimits = BlockLimits { bytes: 4096, entries: 100 };

fn numbered(count: u64, limits: BlockLimits) -> Stream {
    let mut stream = Stream::default();
    for ms in 1..=count {
        add(&mut stream, StreamId::new(ms, 0), &vec![(b"f".to_vec(), b"v".to_vec())], limits);
    }
    stream
}

fn left(stream: &Stream) -> Vec<u64> {
    stream.log().iter().map(|entry| entry.id.ms).collect()
}

#[test]
fn a_stream_is_one_pointer() {
    assert_eq!(size_of::<Stream>(), 8);
    assert_eq!(size_of::<(StreamId, Delivery)>(), 40);
}

#[test]
fn a_block_has_the_elements_of_redis() {
    let mut stream = Stream::default();
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    add(&mut stream, StreamId::new(1000, 5), &vec![pair("a", "1"), pair("b", "x")], ROOMY);
    add(&mut stream, StreamId::new(1002, 3), &vec![pair("a", "2"), pair("b", "y")], ROOMY);
    add(&mut stream, StreamId::new(1003, 0), &vec![pair("c", "z")], ROOMY);
    stream.delete(StreamId::new(1002, 3), References::Keep);
    let (id, bytes) = stream.log().blocks().next().expect("a block");
    assert_eq!(id, StreamId::new(1000, 5));
    let pack = Listpack::checked(bytes.to_vec()).expect("a listpack");
    let elements: Vec<String> =
        pack.iter().map(Element::to_vec).map(|text| String::from_utf8(text).expect("text")).collect();
    let wanted = "2 1 2 a b 0 2 0 0 1 x 5 3 2 -2 2 y 5 0 3 -5 1 c z 6";
    assert_eq!(elements.join(" "), wanted);
}

#[test]
fn blocks_end_at_their_limits() {
    let blocks = |bytes, entries| numbered(250, BlockLimits { bytes, entries }).log().block_count();
    assert_eq!(blocks(4096, 100), 3);
    assert_eq!(blocks(4096, 0), 1);
    assert_eq!(blocks(0, 10), 25);
    assert!(blocks(64, 100) > 30);
    let stream = numbered(3, BlockLimits { bytes: 1, entries: 0 });
    assert_eq!(stream.log().block_count(), 3);
}

#[test]
fn too_large_an_entry_is_refused() {
    let text = vec![0; BLOCK_BYTES_MAX / 2 + 1];
    let mut stream = Stream::default();
    let refused = stream.log_mut().push(StreamId::new(1, 0), [&text[..], &text[..]].into_iter(), ROOMY);
    assert_eq!(refused, Err(Refusal::TooLarge));
    assert_eq!(stream.log().len(), 0);
}

#[test]
fn ids_follow_the_clock_but_never_go_back() {
    let mut log = Log::default();
    assert_eq!(log.new_id(NewId::Now(5)), Ok(StreamId::new(5, 0)));
    assert_eq!(log.new_id(NewId::Within(0)), Ok(StreamId::new(0, 1)));
    log.last_id = StreamId::new(7, 3);
    assert_eq!(log.new_id(NewId::Now(5)), Ok(StreamId::new(7, 4)));
    assert_eq!(log.new_id(NewId::Within(7)), Ok(StreamId::new(7, 4)));
    assert_eq!(log.new_id(NewId::Within(6)), Err(Refusal::NotGreater));
    assert_eq!(log.new_id(NewId::Exactly(StreamId::new(7, 3))), Err(Refusal::NotGreater));
    log.last_id = StreamId::new(7, u64::MAX);
    assert_eq!(log.new_id(NewId::Now(5)), Ok(StreamId::new(8, 0)));
    assert_eq!(log.new_id(NewId::Within(7)), Err(Refusal::NotGreater));
    log.last_id = StreamId::MAX;
    assert_eq!(log.new_id(NewId::Now(5)), Err(Refusal::Exhausted));
}

#[test]
fn needed_entries_survive_trimming_and_deletion() {
    let mut stream = numbered(12, BlockLimits { bytes: 0, entries: 4 });
    let (groups, log) = stream.groups_mut();
    let group = groups.create(b"g", log.last_id, None).expect("a new group");
    let (consumer, _) = group.meet(b"c", 1);
    for ms in [1, 2, 3, 6] {
        group.deliver(StreamId::new(ms, 0), Delivery { time_ms: 1, count: 1, consumer: Some(consumer) });
    }
    let exactly = |keep| Trim { keep, roughly: false, limit: 0 };
    assert_eq!(stream.delete(StreamId::new(2, 0), References::Respect), Deletion::Needed);
    assert_eq!(stream.delete(StreamId::new(99, 0), References::Respect), Deletion::Needed);
    // The first block does not go as a whole, and is the last to be looked at.
    assert_eq!(stream.trim(exactly(Keep::Latest(10)), References::Respect).count, 1);
    assert_eq!(left(&stream), [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert_eq!(stream.trim(exactly(Keep::Latest(6)), References::Respect).count, 5);
    assert_eq!(left(&stream), [1, 2, 3, 6, 11, 12]);
    assert_eq!(stream.trim(exactly(Keep::From(StreamId::new(3, 0))), References::Delete).count, 2);
    assert_eq!(stream.groups().get(b"g").map(Group::pending_len), Some(2));
    assert_eq!(stream.delete(StreamId::new(6, 0), References::Delete), Deletion::Deleted);
    assert_eq!(stream.groups().get(b"g").map(Group::pending_len), Some(1));
}

/// A stream of twelve entries in blocks of four, all of which a group has pending, but for those acknowledged.
fn pending_but_for(acknowledged: &[u64]) -> Stream {
    let mut stream = numbered(12, BlockLimits { bytes: 0, entries: 4 });
    let (groups, log) = stream.groups_mut();
    let group = groups.create(b"g", log.last_id, None).expect("a new group");
    let (consumer, _) = group.meet(b"c", 1);
    for ms in (1..=12).filter(|ms| !acknowledged.contains(ms)) {
        group.deliver(StreamId::new(ms, 0), Delivery { time_ms: 1, count: 1, consumer: Some(consumer) });
    }
    stream
}

fn pending(stream: &Stream) -> Vec<u64> {
    let group = stream.groups().get(b"g").expect("the group");
    group.pending(StreamId::MIN).map(|(id, _)| id.ms).collect()
}

#[test]
fn rough_trimming_removes_what_nobody_needs_of_the_blocks_that_may_go() {
    let roughly = |keep, limit| Trim { keep, roughly: true, limit };
    for keep in [Keep::Latest(3), Keep::From(StreamId::new(11, 0))] {
        let mut stream = pending_but_for(&[1, 2, 3, 4, 5, 7, 9]);
        let trimmed = stream.trim(roughly(keep, 0), References::Respect);
        assert_eq!((trimmed.count, trimmed.last), (6, StreamId::new(7, 0)), "{keep:?}");
        assert_eq!(left(&stream), [6, 8, 9, 10, 11, 12], "{keep:?}");
        assert_eq!(stream.log().block_count(), 2, "{keep:?}");

        let mut stream = pending_but_for(&[]);
        assert_eq!(stream.trim(roughly(keep, 7), References::Delete).count, 4, "{keep:?}");
        assert_eq!(stream.trim(roughly(keep, 0), References::Delete).count, 4, "{keep:?}");
        assert_eq!(stream.trim(roughly(keep, 0), References::Delete).count, 0, "{keep:?}");
        assert_eq!((left(&stream), pending(&stream)), (vec![9, 10, 11, 12], vec![9, 10, 11, 12]), "{keep:?}");
    }
}

#[test]
fn trimming_with_references_forgets_those_to_entries_deleted_before() {
    for (kept, left_pending) in [(9, vec![4, 5, 6, 7, 8, 9, 10, 11, 12]), (2, vec![11, 12]), (0, vec![])] {
        let mut stream = pending_but_for(&[]);
        stream.delete(StreamId::new(1, 0), References::Keep);
        stream.delete(StreamId::new(3, 0), References::Keep);
        // Ten are left, so that keeping ten removes nothing and forgets nothing.
        let trim = |keep| Trim { keep: Keep::Latest(keep), roughly: false, limit: 0 };
        assert_eq!(stream.trim(trim(10), References::Delete).count, 0);
        assert_eq!(pending(&stream).len(), 12);
        assert_eq!(stream.trim(trim(kept), References::Delete).count, 10 - kept);
        assert_eq!(pending(&stream), left_pending);
    }
}

#[test]
fn what_was_trimmed_away_unread_is_no_lag() {
    let mut stream = numbered(5, ROOMY);
    let (groups, log) = stream.groups_mut();
    let group = groups.create(b"g", StreamId::MIN, Some(0)).expect("a new group");
    group.advance(log, StreamId::new(1, 0));
    let trim = |keep| Trim { keep: Keep::Latest(keep), roughly: false, limit: 0 };
    let lag = |stream: &Stream| stream.groups().get(b"g").and_then(|group| group.lag(stream.log()));
    stream.trim(trim(2), References::Keep);
    assert_eq!(lag(&stream), Some(2));
    stream.trim(trim(0), References::Keep);
    assert_eq!(lag(&stream), Some(0));
}

#[test]
fn lag_is_known_as_long_as_nothing_was_deleted_in_between() {
    let mut stream = numbered(5, ROOMY);
    let (groups, log) = stream.groups_mut();
    let group = groups.create(b"g", StreamId::MIN, Some(0)).expect("a new group");
    assert_eq!(group.lag(log), Some(5));
    group.advance(log, StreamId::new(1, 0));
    group.advance(log, StreamId::new(2, 0));
    assert_eq!((group.entries_read, group.lag(log)), (Some(2), Some(3)));
    stream.delete(StreamId::new(1, 0), References::Keep);
    assert_eq!(stream.groups().get(b"g").and_then(|group| group.lag(stream.log())), Some(3));
    stream.delete(StreamId::new(4, 0), References::Keep);
    let (groups, log) = stream.groups_mut();
    let group = groups.get_mut(b"g").expect("the group");
    assert_eq!(group.lag(log), None);
    group.advance(log, StreamId::new(3, 0));
    assert_eq!(group.entries_read, None);
    group.advance(log, StreamId::new(5, 0));
    assert_eq!((group.entries_read, group.lag(log)), (Some(5), Some(0)));
}
