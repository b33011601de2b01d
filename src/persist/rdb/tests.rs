//! Round trips of values and files, and what becomes of damaged ones.

mod files;
mod trickle;

use std::io;

use proptest::prelude::*;

use super::format::{kind, opcode};
use super::forms;
use super::load::{LoadError, Loader, Progress, Settings, Source};
use super::payload;
use super::save::{self, Options, Usage};
use super::value::Rules;
use super::value::bundled::samples::Sample;
use super::version::Version;
use super::write::Writer;
use crate::db::keyspace::NewString;
use crate::db::{Databases, Entry, EntryView, Expiry, Key, digest};
use crate::types::bundled::Bundled;
use crate::types::hash::{FieldExpiry, HashLimits, Sharing};
use crate::types::list::{End, Limits};
use crate::types::listpack::{Element, Listpack};
use crate::types::set::SetLimits;
use crate::types::stream::{BlockLimits, Delivery, ProducerSettings, StreamId};
use crate::types::{Array, Bitmap, Hash, List, PathHash, Set, SortedSet, Stream, array, sorted_set};
use trickle::Trickle;

const NOW_MS: i64 = 1_700_000_000_000;

/// Rules by which collections of so many elements are small.
pub fn rules(size: usize) -> Rules {
    Rules {
        list: Limits::new(size as i32, 1, Some(200)),
        set: SetLimits { intset_entries: size, listpack_entries: 0, listpack_value: 64 },
        sorted_set: sorted_set::Limits { entries: size, value: 64 },
        hash: HashLimits { entries: size, value: 64 },
        array: array::Limits::new(256, size, size / 2),
        sharing: Sharing::default(),
        strict: true,
        times_in_order: true,
    }
}

fn settings(rules: Rules) -> Settings {
    Settings {
        rules,
        checksum: true,
        any_version: false,
        skips_modules: false,
        expired_before_ms: None,
        names_expired: false,
        may_replace: false,
        hides_data: false,
        discard: false,
        key_delay_us: 0,
        present_bytes: 1 << 20,
    }
}

/// A value in the making.
#[derive(Clone, Debug)]
enum Model {
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(Vec<Vec<u8>>),
    TimedSet(Vec<(Vec<u8>, u16)>),
    SortedSet(Vec<(Vec<u8>, f64)>),
    Hash(Vec<(Vec<u8>, Vec<u8>, u16)>),
    Stream(Vec<(u8, u8)>),
    /// With producers, and with what was handed back.
    NewerStream(Vec<(u8, u8)>, bool),
    Array(Vec<(u64, Vec<u8>)>, Option<u64>),
    PathHash(Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>),
    Bundled(Sample),
    Bitmap(Vec<u64>, u64),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..12),
        2 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        2 => (-300i64..300).prop_map(|value| value.to_string().into_bytes()),
        1 => (any::<u8>(), 20..400usize).prop_map(|(byte, length)| vec![byte; length]),
        1 => prop::collection::vec(any::<u8>(), 1000..1100),
    ]
}

fn index() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0..300u64, 1 => 0..=array::INDEX_MAX, 1 => Just(array::INDEX_MAX)]
}

fn model() -> impl Strategy<Value = Model> {
    let many = 1..30usize;
    prop_oneof![
        text().prop_map(Model::Text),
        prop::collection::vec(text(), many.clone()).prop_map(Model::List),
        prop::collection::vec(text(), many.clone()).prop_map(Model::Set),
        prop::collection::vec(any::<i32>().prop_map(|value| value.to_string().into_bytes()), many.clone())
            .prop_map(Model::Set),
        prop::collection::btree_map(text(), prop_oneof![1 => Just(0), 2 => any::<u16>()], many.clone())
            .prop_map(|members| Model::TimedSet(members.into_iter().collect())),
        prop::collection::vec((text(), any::<f64>().prop_filter("a number", |score| !score.is_nan())), many.clone())
            .prop_map(Model::SortedSet),
        // Each field once: a long value that a short one replaced leaves a hash in a bigger form than its file asks
        // for.
        prop::collection::btree_map(text(), (text(), prop_oneof![3 => Just(0), 1 => any::<u16>()]), many.clone())
            .prop_map(|fields| fields.into_iter().map(|(field, (value, time))| (field, value, time)).collect())
            .prop_map(Model::Hash),
        prop::collection::vec(any::<(u8, u8)>(), many.clone()).prop_map(Model::Stream),
        (prop::collection::vec(any::<(u8, u8)>(), many.clone()), any::<bool>())
            .prop_map(|(steps, nacked)| Model::NewerStream(steps, nacked)),
        (prop::collection::vec((index(), text()), many), prop::option::of(index()))
            .prop_map(|(elements, cursor)| Model::Array(elements, cursor)),
        prop::collection::vec((text(), text(), text()), 0..20usize).prop_map(Model::PathHash),
        (any::<bool>(), prop::collection::vec((any::<u64>(), -9f64..9., text()), 0..9usize))
            .prop_map(|(in_steps, items)| Model::Bundled(Sample { in_steps, items })),
        (prop::collection::vec(prop_oneof![0..90_000u64, Just(1 << 40)], 0..30usize), 0..30_000u64)
            .prop_map(|(bits, len)| Model::Bitmap(bits, len)),
    ]
}

impl Model {
    fn entry(&self, key: &[u8], expire: Option<i64>, rules: &Rules) -> Entry {
        match self {
            Model::Text(text) => Entry::string(key, text, expire, 0),
            Model::List(texts) => {
                let mut list = List::quicklist_of(&rules.list);
                texts.iter().for_each(|text| list.push(End::Tail, text, &rules.list));
                list.settle(&rules.list);
                Entry::collection(key, list, expire, 0)
            }
            Model::Set(texts) => {
                let mut set = Set::default();
                texts.iter().for_each(|text| _ = set.insert(text, &rules.set));
                Entry::collection(key, set, expire, 0)
            }
            Model::TimedSet(members) => {
                let mut set = Set::default();
                for (member, time) in members {
                    set.insert_with(member, expiry_of(*time), &rules.set);
                }
                Entry::collection(key, set, expire, 0)
            }
            Model::SortedSet(entries) => {
                let mut set = SortedSet::default();
                entries.iter().for_each(|(member, score)| _ = set.insert(member, *score, rules.sorted_set));
                Entry::collection(key, set, expire, 0)
            }
            Model::Hash(fields) => {
                let mut hash = Hash::default();
                for (field, value, time) in fields {
                    hash.set_with(field, value, expiry_of(*time), rules.hash);
                }
                Entry::collection(key, hash, expire, 0)
            }
            Model::Stream(steps) => Entry::collection(key, stream(steps), expire, 0),
            Model::NewerStream(steps, nacked) => Entry::collection(key, newer_stream(steps, *nacked), expire, 0),
            Model::PathHash(fields) => {
                let mut paths = PathHash::default();
                for (path, field, value) in fields {
                    paths.set(path, std::iter::once((&field[..], &value[..])), rules.hash);
                }
                Entry::collection(key, paths, expire, 0)
            }
            Model::Bitmap(bits, len) => {
                let mut bitmap = Bitmap::default();
                bitmap.grow(*len);
                bits.iter().for_each(|bit| _ = bitmap.set(*bit, true));
                Entry::collection(key, bitmap, expire, 0)
            }
            Model::Bundled(sample) => Entry::collection(key, Bundled::new(sample.clone()), expire, 0),
            Model::Array(elements, cursor) => {
                let mut array = Array::default();
                elements.iter().for_each(|(index, text)| _ = array.set(*index, text, &rules.array));
                array.set_cursor(*cursor);
                Entry::collection(key, array, expire, 0)
            }
        }
    }
}

/// The expiry that a number stands for; 0 is none.
fn expiry_of(time: u16) -> FieldExpiry {
    if time == 0 { FieldExpiry::Clear } else { FieldExpiry::At(NOW_MS + i64::from(time)) }
}

/// A stream that has seen something: entries added and deleted, groups that have read.
fn stream(steps: &[(u8, u8)]) -> Stream {
    let mut stream = Stream::default();
    let limits = BlockLimits { bytes: 4096, entries: 4 };
    for (number, (step, name)) in steps.iter().enumerate() {
        let id = StreamId::new(number as u64 + 1, u64::from(*name));
        let texts = [&[b'f', *name % 3][..], b"value", b"count", &[*step]];
        stream.log_mut().push(id, texts.into_iter(), limits).expect("a greater id");
        if step % 4 == 0 {
            stream.delete(StreamId::new(u64::from(*name) % (number as u64 + 1), u64::from(*name)), Default::default());
        }
        let (groups, log) = stream.groups_mut();
        if step % 5 == 0 {
            groups.create(&[*name % 4], StreamId::MIN, Some(0).filter(|_| step % 10 == 0));
        }
        if let Some(group) = groups.get_mut(&[*name % 4]) {
            let (consumer, _) = group.meet(&[*step % 3], NOW_MS - i64::from(*step));
            group.deliver(id, Delivery { time_ms: NOW_MS, count: i64::from(*step), consumer: Some(consumer) });
            group.advance(log, id);
        }
    }
    stream
}

/// A stream whose producers name their entries, and whose groups may have been handed something back.
fn newer_stream(steps: &[(u8, u8)], nacked: bool) -> Stream {
    let mut stream = stream(steps);
    let settings = ProducerSettings { duration_s: 10, records_max: 5 };
    for (number, (step, name)) in steps.iter().enumerate() {
        let id = StreamId::new(number as u64 + 1, u64::from(*name));
        stream.producers_or_new(settings).record(&[b'p', *name % 3], &[*step], id, NOW_MS);
        if let Some(group) = stream.groups_mut().0.get_mut(&[*name % 4]).filter(|_| nacked && step % 3 == 0) {
            group.nack(id, i64::from(*step));
        }
    }
    stream
}

/// All that is to be known of a stream, which its digest does not tell.
fn stream_state(stream: &Stream) -> String {
    let log = stream.log();
    let blocks: Vec<_> = log.blocks().map(|(id, bytes)| (id, bytes.to_vec())).collect();
    let groups: Vec<_> = stream
        .groups()
        .iter()
        .map(|(name, group)| {
            let pending: Vec<_> = group
                .pending(StreamId::MIN)
                .map(|(id, delivery)| (id, delivery.time_ms, delivery.count, group.owner(delivery).to_vec()))
                .collect();
            let consumers: Vec<_> = group.consumers().map(|(_, consumer)| (&consumer.name, consumer.seen_ms)).collect();
            let nacked: Vec<_> = group.nacked().map(|(id, _)| id).collect();
            format!("{name:?} {:?} {:?} {pending:?} {consumers:?} {nacked:?}", group.last_id, group.entries_read)
        })
        .collect();
    let numbers = (log.len(), log.last_id, log.first_id(), log.max_deleted_id, log.entries_added);
    let producers = stream.producers().map(|producers| {
        let records: Vec<_> = producers.iter().map(|(name, records)| (name, records.collect::<Vec<_>>())).collect();
        format!("{:?} {records:?} {} {}", producers.settings(), producers.added, producers.duplicates)
    });
    format!("{blocks:?} {numbers:?} {groups:?} {producers:?}")
}

fn databases(models: &[(Model, Option<u16>)], rules: &Rules) -> Databases {
    let mut db = Databases::new(4);
    db.begin_command(0, NOW_MS);
    for (number, (model, expire)) in models.iter().enumerate() {
        let key = if number % 2 == 0 { number.to_string() } else { format!("key:{number}") };
        let expire = expire.map(|later| NOW_MS + i64::from(later));
        let entry = model.entry(key.as_bytes(), expire, rules);
        db.put_loaded(number % 3, Key::new(key.as_bytes()).hash(), entry, false).map_err(drop).expect("a new key");
    }
    db
}

fn saved(db: &Databases) -> Vec<u8> {
    let options = Options { checksum: true, compress: true, usage: Usage::Idle, ..Options::default() };
    let mut bytes: Vec<u8> = Vec::new();
    let count = save::save(db, &options, &mut bytes, &mut |_| {}).expect("memory takes everything");
    assert_eq!(count, bytes.len() as u64);
    bytes
}

fn load(source: impl Source + 'static, settings: Settings, budget: u64) -> Result<(Databases, Loader), LoadError> {
    let mut db = Databases::new(4);
    db.begin_command(0, NOW_MS);
    let mut loader = Loader::new(Box::new(source), settings);
    while loader.step(&mut db, budget)? != Progress::Done {}
    Ok((db, loader))
}

fn states(db: &Databases) -> Vec<String> {
    let dicts = (0..db.count()).map(|index| &db.database(index).dict);
    let mut states: Vec<_> = dicts
        .flat_map(|dict| dict.iter())
        .map(|entry| {
            let stream = entry.collection::<Stream>().map(stream_state).unwrap_or_default();
            format!("{:?} {} {:?} {stream}", entry.key(), entry.encoding(), entry.expire_at())
        })
        .collect();
    states.sort();
    states
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_data_set_comes_back_however_its_file_arrives(
        models in prop::collection::vec((model(), any::<Option<u16>>()), 0..40),
        size in 1..20usize, piece in 1..5000usize, budget in 1..5000u64,
    ) {
        let rules = rules(size);
        let db = databases(&models, &rules);
        let bytes = saved(&db);
        let trickle = Trickle { bytes, at: 0, piece, pause: false };
        let (back, loader) = load(trickle, settings(rules), budget).expect("a sound file");
        prop_assert_eq!(digest::of_databases(&back), digest::of_databases(&db));
        prop_assert_eq!(states(&back), states(&db));
        prop_assert_eq!(loader.counts().loaded, models.len() as u64);
        let planned = |db: &Databases| (0..4).map(|index| db.database(index).dict.planned_len()).sum::<usize>();
        prop_assert_eq!(planned(&back), planned(&db));
    }

    #[test]
    fn a_value_survives_dump_and_restore_and_every_cut_is_refused(model in model(), size in 1..20usize) {
        let rules = rules(size);
        let entry = model.entry(b"key", None, &rules);
        let dumped = payload::dump(entry.view(), true);
        let body = payload::verified(&dumped, false, false).expect("a sound payload");
        let restored = payload::restore(body, &rules).map(|restored| restored.into_entry(b"key", None, 0));
        let restored = restored.expect("a sound value");
        prop_assert_eq!(digest::of_value(restored.view()), digest::of_value(entry.view()));
        prop_assert_eq!(restored.view().encoding(), entry.view().encoding());
        let kind = |entry: &Entry| forms::form(entry.view(), forms::since(entry.view()).version()).map(|form| form.kind);
        prop_assert_eq!(kind(&restored), kind(&entry));
        for end in 0..body.bytes.len() {
            let cut = payload::Body { bytes: &body.bytes[..end], ..body };
            prop_assert!(payload::restore(cut, &rules).is_err(), "cut at {}", end);
        }
        prop_assert!(payload::verified(&dumped[..dumped.len() - 1], false, false).is_none());
    }

    #[test]
    fn a_damaged_file_without_a_checksum_does_no_harm(
        models in prop::collection::vec((model(), any::<Option<u16>>()), 1..12), budget in 1..5000u64,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let rules = rules(8);
        let mut bytes = saved(&databases(&models, &rules));
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for strict in [false, true] {
            let settings = Settings { checksum: false, ..settings(Rules { strict, ..rules }) };
            if let Ok((db, _)) = load(io::Cursor::new(bytes.clone()), settings, budget) {
                // What has got in can be walked, and saved again.
                digest::of_databases(&db);
                saved(&db);
            }
        }
    }

    #[test]
    fn damaged_values_are_refused_or_whole(
        model in model(), size in 1..20usize, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let rules = rules(size);
        let dumped = payload::dump(model.entry(b"key", None, &rules).view(), false);
        let body = payload::verified(&dumped, false, false).expect("a sound payload");
        let mut bytes = body.bytes.to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(restored) = payload::restore(payload::Body { bytes: &bytes, ..body }, &rules) {
            let entry = restored.into_entry(b"key", None, 0);
            let view = entry.view();
            prop_assert!(view.any_collection().is_none_or(|value| !value.is_empty() || view.collection::<Stream>().is_some() || view.collection::<PathHash>().is_some() || view.collection::<Bitmap>().is_some()));
            let _ = digest::of_value(view);
            // What was taken in can be handed out again, and taken in once more.
            let again = payload::dump(view, true);
            let body = payload::verified(&again, false, false).expect("a sound payload");
            let again = payload::restore(body, &rules).map(|restored| restored.into_entry(b"key", None, 0));
            prop_assert_eq!(digest::of_value(again.expect("a sound value").view()), digest::of_value(view));
        }
    }
}

#[test]
fn a_file_cut_anywhere_or_with_a_bit_flipped_is_refused() {
    let rules = rules(4);
    let models = [
        (Model::Text(b"hello".to_vec()), None),
        (Model::List(vec![b"a".to_vec(), vec![b'x'; 300]]), Some(7)),
        (Model::Set(vec![b"1".to_vec(), b"2".to_vec()]), None),
        (Model::TimedSet(vec![(b"m".to_vec(), 3), (b"n".to_vec(), 0)]), None),
        (Model::SortedSet(vec![(b"m".to_vec(), 1.5)]), None),
        (Model::Hash(vec![(b"f".to_vec(), b"v".to_vec(), 3)]), None),
        (Model::Stream(vec![(0, 1), (5, 2), (10, 1)]), None),
        (Model::NewerStream(vec![(0, 1), (15, 1)], true), None),
        (Model::PathHash(vec![(b"p".to_vec(), b"f".to_vec(), b"v".to_vec())]), None),
        (Model::Bitmap(vec![3, 70_000, 1 << 40], 0), None),
        (Model::Bundled(Sample { in_steps: true, items: vec![(1 << 40, 0.1, b"t".to_vec())] }), None),
        (Model::Array(vec![(7, b"12".to_vec()), (1 << 40, vec![b'x'; 30])], Some(7)), None),
    ];
    let bytes = saved(&databases(&models, &rules));
    for end in 0..bytes.len() {
        let cut = io::Cursor::new(bytes[..end].to_vec());
        assert!(load(cut, settings(rules), u64::MAX).is_err(), "cut at {end}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            // A file of a version before checksums ends where it says so.
            let old = (5..9).contains(&at);
            let result = load(io::Cursor::new(flipped), settings(rules), u64::MAX);
            assert!(result.is_err() || old, "bit {bit} of {at}");
        }
    }
}

#[test]
fn what_follows_the_end_is_left_to_others() {
    let rules = rules(4);
    let mut bytes = saved(&databases(&[(Model::Text(b"x".to_vec()), None)], &rules));
    bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    let (_, loader) = load(io::Cursor::new(bytes), settings(rules), u64::MAX).expect("a sound file");
    assert_eq!(loader.into_rest().0, b"*1\r\n$4\r\nPING\r\n");
}

#[test]
fn expired_keys_are_left_out_and_counted() {
    let rules = rules(4);
    let models: Vec<_> = (0..20u16).map(|later| (Model::Text(b"x".to_vec()), Some(later))).collect();
    let bytes = saved(&databases(&models, &rules));
    let settings = Settings { expired_before_ms: Some(NOW_MS + 5), ..settings(rules) };
    let (db, loader) = load(io::Cursor::new(bytes), settings, 100).expect("a sound file");
    assert_eq!((loader.counts().loaded, loader.counts().expired), (15, 5));
    assert_eq!((0..4).map(|index| db.database(index).dict.expires_len()).sum::<usize>(), 15);
}

#[test]
fn a_key_that_comes_twice_is_a_fault_unless_it_may_replace() {
    let rules = rules(4);
    let bytes = saved(&databases(&[(Model::Text(b"x".to_vec()), None)], &rules));
    let mut db = Databases::new(4);
    db.begin_command(0, NOW_MS);
    db.set(&Key::new(b"0"), NewString::Int(7), Expiry::Clear);
    let mut load = |may_replace| {
        let settings = Settings { may_replace, ..settings(rules) };
        Loader::new(Box::new(io::Cursor::new(bytes.clone())), settings).step(&mut db, u64::MAX)
    };
    assert!(load(false).is_err_and(|error| error.reason == "RDB has duplicated key '0' in DB 0"));
    assert_eq!(load(true), Ok(Progress::Done));
}

#[test]
fn the_version_is_the_lowest_that_holds_the_data() {
    let rules = rules(4);
    let version = |model| saved(&databases(&[(model, None)], &rules))[5..9].to_vec();
    let hash = |time| version(Model::Hash(vec![(b"f".to_vec(), b"v".to_vec(), time)]));
    let set = |time| version(Model::TimedSet(vec![(b"m".to_vec(), time)]));
    assert_eq!((hash(0), hash(9)), (b"0010".to_vec(), b"0012".to_vec()));
    assert_eq!((set(0), set(9)), (b"0010".to_vec(), b"0016".to_vec()));
    let steps = vec![(0, 1), (15, 1)];
    assert_eq!(version(Model::Stream(steps.clone())), b"0010");
    assert_eq!(version(Model::NewerStream(steps.clone(), false)), b"0013");
    assert_eq!(version(Model::NewerStream(steps, true)), b"0014");
}

#[test]
fn streams_with_producers_and_with_what_was_handed_back_are_those_of_redis() {
    // Without entries, as read from the description of the format.
    let begin: &[u8] = &[0, 0, 5, 0, 0, 0, 0, 0, 1];
    let producers: &[u8] = &[
        60, 7, // seconds, records
        1, 1, b'p', 2, 1, b'a', 3, 0, 0xc0, 9, 4, 1, // the records "a" and 9 of the producer "p"
        2, 8, // added, duplicates
    ];
    let one = StreamId::new(3, 0);
    let id = |ms: u8| [[0; 7].as_slice(), &[ms], &[0; 8]].concat();
    let fourth = [&[26], begin, &[0], producers].concat();
    let pending = [&id(3)[..], &[9; 8], &[2], &id(4), &[0; 8], &[6]].concat();
    let consumer = [&[1, 1, b'c'][..], &[8; 8], &[8; 8], &[1], &id(3)].concat();
    let nacked = [&[1][..], &id(4)].concat();
    let fifth = [&[27], begin, &[1, 1, b'g', 4, 0, 2, 2][..], &pending, &consumer, &nacked, producers].concat();
    for (bytes, version) in [(fourth, 13), (fifth.clone(), 14)] {
        let body = payload::Body { bytes: &bytes, version: Version::redis(version) };
        let entry = payload::restore(body, &rules(4)).map(|restored| restored.into_entry(b"key", None, 0));
        let entry = entry.expect("a sound value");
        let stream = entry.view().collection::<Stream>().expect("a stream");
        let known = stream.producers().expect("producers");
        assert_eq!((known.find(b"p", b"a", 0), known.find(b"p", b"9", 0)), (Some(one), Some(StreamId::new(4, 1))));
        assert_eq!(known.settings(), ProducerSettings { duration_s: 60, records_max: 7 });
        assert_eq!((known.added, known.duplicates), (2, 8));
        let again = payload::dump(entry.view(), true);
        assert_eq!(again[..again.len() - 10], bytes, "version {version}");
    }
    // What nobody has must be what nobody had claimed, and all of that.
    let refused = |damage: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fifth.clone();
        damage(&mut bytes);
        let body = payload::Body { bytes: &bytes, version: Version::redis(14) };
        payload::restore(body, &rules(4)).err()
    };
    let last_nacked = fifth.len() - producers.len() - 9;
    assert_eq!(refused(&|_| {}), None);
    let not_pending = "NACK zone entry not found among unowned ones";
    assert_eq!(refused(&|bytes| bytes[last_nacked] = 5), Some(not_pending));
    assert_eq!(refused(&|bytes| bytes[last_nacked] = 3), Some(not_pending));
    let none = |bytes: &mut Vec<u8>| {
        bytes[last_nacked - 8] = 0;
        bytes.drain(last_nacked - 7..last_nacked + 9);
    };
    assert_eq!(refused(&none), Some("NACK entry without consumer"));
    let twice = |bytes: &mut Vec<u8>| {
        let at = bytes.len() - 6;
        bytes.splice(at..at + 2, [1, b'a']);
    };
    assert_eq!(refused(&twice), Some("Duplicate idempotent ID of a stream producer"));
}

/// The pieces of a file or payload as Redis 8.10 writes them.
fn pieces(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Writer::in_memory(false);
    write(&mut out);
    out.into_bytes()
}

fn pack(values: &[&str]) -> Vec<u8> {
    let mut pack = Listpack::new();
    values.iter().for_each(|value| pack.push_back(value.as_bytes()));
    pack.into_bytes()
}

fn content(view: EntryView<'_>) -> Vec<(String, String)> {
    let text = |element: Element<'_>| String::from_utf8_lossy(&element.to_vec()).into_owned();
    let hash = view.collection::<Hash>().expect("a hash");
    hash.pairs().map(|pair| (text(pair.field), text(pair.value))).collect()
}

/// The names stand in Redis's order: by length, then by their bytes.
const NAMES: [&str; 3] = ["id", "age", "name"];

fn shared_content(values: [&str; 3]) -> Vec<(String, String)> {
    NAMES.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect()
}

#[test]
fn a_dumped_hash_that_shares_its_names_is_restored_as_one() {
    let names = |out: &mut Writer<'_>| {
        out.length(3);
        NAMES.iter().for_each(|name| out.string(name.as_bytes()));
    };
    let restored = |kind: u8, rest: &[u8], size| {
        let bytes = [&[kind], rest].concat();
        let body = payload::Body { bytes: &bytes, version: Version::redis(15) };
        for end in 0..bytes.len() {
            assert!(payload::restore(payload::Body { bytes: &bytes[..end], ..body }, &rules(size)).is_err());
        }
        payload::restore(body, &rules(size)).map(|restored| restored.into_entry(b"key", None, 0))
    };
    let values = ["7", "30", "x"];
    for packed in [pack(&values), pack(&["12", "7", "30", "x"])] {
        let rest = pieces(|out| {
            names(out);
            out.string(&packed);
        });
        let entry = restored(kind::HASH_TEMPLATE_PACK, &rest, 3).expect("a sound value");
        assert_eq!(content(entry.view()), shared_content(values));
        assert_eq!(entry.view().encoding(), "template-listpack");
    }
    let pairs = pieces(|out| {
        out.length(3);
        NAMES
            .iter()
            .zip(values)
            .for_each(|(name, value)| [name, value].iter().for_each(|text| out.string(text.as_bytes())));
    });
    let entry = restored(kind::HASH_TEMPLATE_ARRAY, &pairs, 2).expect("a sound value");
    assert_eq!(
        (content(entry.view()).len(), entry.view().encoding()),
        (3, "template-array"),
        "too many for a listpack"
    );
    let short = pieces(|out| {
        names(out);
        out.string(&pack(&["7", "30"]));
    });
    assert!(restored(kind::HASH_TEMPLATE_PACK, &short, 3).is_err());
    let twice = pieces(|out| {
        out.length(2);
        ["a", "1", "a", "2"].iter().for_each(|text| out.string(text.as_bytes()));
    });
    assert!(restored(kind::HASH_TEMPLATE_ARRAY, &twice, 3).is_err());
    let by_number = pieces(|out| out.string(&pack(&["1", "7", "30", "x"])));
    assert!(restored(kind::HASH_TEMPLATE_PACK_REF, &by_number, 3).is_err(), "there are no names in a payload");
}

/// A file of Redis 8.10 with shared names of number 5 and hashes of each kind, which end at `last`.
fn file_with_shared_names(numbers: &[u64], last: &[&str]) -> Vec<u8> {
    let mut bytes = b"REDIS0015".to_vec();
    bytes.extend(pieces(|out| {
        for number in numbers {
            out.byte(opcode::HASH_TEMPLATE);
            out.length(*number);
            out.length(3);
            NAMES.iter().for_each(|name| out.string(name.as_bytes()));
        }
        out.byte(opcode::SELECT_DB);
        out.length(0);
        out.byte(kind::HASH_TEMPLATE_PACK_REF);
        out.string(b"packed");
        out.string(&pack(&["5", "7", "30", "x"]));
        out.byte(kind::HASH_TEMPLATE_ARRAY_REF);
        out.string(b"listed");
        out.length(5);
        last.iter().for_each(|value| out.string(value.as_bytes()));
        out.byte(kind::HASH);
        out.string(b"plain");
        out.length(1);
        [b"a", b"1"].iter().for_each(|text| out.string(*text));
        out.byte(opcode::EOF);
    }));
    bytes.extend([0; 8]);
    bytes
}

#[test]
fn a_file_with_names_that_hashes_share_is_loaded_and_left_as_it_is() {
    let rules = Rules { sharing: Sharing { entries_min: 1, ..Sharing::default() }, ..rules(8) };
    let bytes = file_with_shared_names(&[5, 1 << 40], &["8", "31", "y"]);
    for piece in [1, 7, 1000] {
        let trickle = Trickle { bytes: bytes.clone(), at: 0, piece, pause: false };
        let (db, _) = load(trickle, settings(rules), 1).expect("a sound file");
        let entry =
            |key: &str| db.database(0).dict.find(Key::new(key.as_bytes()).hash(), key.as_bytes()).expect("a key");
        assert_eq!(content(entry("packed")), shared_content(["7", "30", "x"]));
        assert_eq!(content(entry("listed")), shared_content(["8", "31", "y"]));
        assert_eq!(
            ["packed", "listed", "plain"].map(|key| entry(key).encoding()),
            ["template-listpack", "template-listpack", "listpack"]
        );
        // What is saved again, every server can read.
        assert_eq!(saved(&db)[..9], *b"REDIS0010");
    }
    for (numbers, why) in [(&[5, 5][..], "a number twice"), (&[6], "a number that nobody has told"), (&[], "no names")]
    {
        let bytes = file_with_shared_names(numbers, &["8", "31", "y"]);
        assert!(load(io::Cursor::new(bytes), settings(rules), 100).is_err(), "{why}");
    }
}

#[test]
fn damage_to_names_that_hashes_share_does_no_harm() {
    let bytes = file_with_shared_names(&[5], &["8", "31", "y"]);
    for end in 0..bytes.len() - 8 {
        assert!(load(io::Cursor::new(bytes[..end].to_vec()), settings(rules(8)), 100).is_err(), "cut at {end}");
    }
    for at in 9..bytes.len() - 8 {
        for value in [0, 1, 5, 29, 0x3f, 0x80, 0x81, 0xc3, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            if let Ok((db, _)) = load(io::Cursor::new(damaged), settings(rules(8)), 100) {
                digest::of_databases(&db);
                saved(&db);
            }
        }
    }
}

#[test]
fn hashes_of_a_file_share_their_names_where_enough_of_them_do() {
    let few = rules(8);
    let hash = |names: &[&str]| {
        let fields = names.iter().map(|name| (name.as_bytes().to_vec(), b"v".to_vec(), 0)).collect();
        (Model::Hash(fields), None)
    };
    let timed = (Model::Hash(vec![(b"a".to_vec(), b"1".to_vec(), 7), (b"b".to_vec(), b"1".to_vec(), 0)]), None);
    let models = [hash(&["a", "b"]), hash(&["b", "a"]), hash(&["a", "b", "c"]), hash(&["a"]), timed];
    let bytes = saved(&databases(&models, &few));
    let encodings = |sharing: Sharing| {
        let loaded = load(io::Cursor::new(bytes.clone()), settings(Rules { sharing, ..few }), 100);
        let (db, _) = loaded.expect("a sound file");
        let count = |name: &str| states(&db).iter().filter(|state| state.contains(&format!(" {name} "))).count();
        ["template-listpack", "listpack", "listpackex"].map(count)
    };
    let with = |entries_min, entries_max, hashes_min| Sharing { entries_min, entries_max, hashes_min };
    assert_eq!(encodings(with(0, 0, 0)), [0, 4, 1]);
    assert_eq!(encodings(with(2, 0, 0)), [3, 1, 1]);
    assert_eq!(encodings(with(2, 2, 0)), [2, 2, 1]);
    assert_eq!(encodings(with(1, 0, 2)), [2, 2, 1]);
    assert_eq!(encodings(with(1, 0, 3)), [0, 4, 1]);
}
