//! What is copied while everything changes, against a clone made at the beginning.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::db::dict::{Dict, DictProbe};
use crate::db::digest::of_value;
use crate::db::evict::{EvictionPolicy, Judge};
use crate::db::hasher::KeyHasher;
use crate::db::keyspace::NewString;
use crate::db::{Databases, Entry, EntryView, Expiry, Key};
use crate::types::hash::{FieldExpiry, HashLimits};
use crate::types::list::{self, End};
use crate::types::set::SetLimits;
use crate::types::table::KeyHash;
use crate::types::{Collection, ExpiringParts, Hash, List, Set};
use crate::util::key_hash::HashSeed;

const DATABASES: usize = 3;
const HASH_LIMITS: HashLimits = HashLimits { entries: 8, value: 64 };
const SET_LIMITS: SetLimits = SetLimits { intset_entries: 8, listpack_entries: 8, listpack_value: 64 };

/// All that a snapshot says of a key.
type Told = (String, Option<i64>, bool);
type Content = BTreeMap<(usize, Vec<u8>), Told>;

fn told(entry: EntryView<'_>, blessed: bool) -> Told {
    (of_value(entry).to_text(), entry.expire_at(), blessed)
}

fn content(db: &Databases) -> Content {
    let dicts = (0..db.count()).map(|index| (index, &db.database(index).dict));
    let all = dicts.flat_map(|(index, dict)| {
        dict.iter().map(move |entry| {
            let key = Key::new(entry.key());
            let blessed = dict.blessed().contains(key.hash(), key.bytes());
            ((index, entry.key().to_vec()), told(entry, blessed))
        })
    });
    all.collect()
}

/// Takes what was copied over; each key comes once.
fn receive(db: &mut Databases, received: &mut Content) {
    db.take_images(|images| {
        for (entry, blessed) in images.iter() {
            let key = entry.key().to_vec();
            let old = received.insert((images.database, key.clone()), told(entry, blessed));
            assert!(old.is_none(), "key {key:?} of database {} twice", images.database);
        }
    });
}

#[derive(Clone, Debug)]
enum Change {
    SetText(u16, usize, u8),
    SetNumber(u16, i64),
    Count(u16, i64),
    Append(u16, usize),
    Fill(u16, u8, usize),
    Shrink(u16),
    Expire(u16, Option<i64>),
    Delete(u16),
    DeleteMany(u16, u16),
    AddMany(u16, u16),
    Rename(u16, u16),
    Bless(u16, bool),
    Touch(u16),
    Flush(bool),
    Swap(usize),
    Select(usize),
    LetTimePass(i64),
    Evict,
    Slice(usize),
    Receive,
}

fn change() -> impl Strategy<Value = Change> {
    let key = 0..800u16;
    prop_oneof![
        8 => (key.clone(), 0..100usize, b'a'..=b'z').prop_map(|(key, length, letter)| Change::SetText(key, length, letter)),
        6 => (key.clone(), b'a'..=b'z').prop_map(|(key, letter)| Change::SetText(key, 9, letter)),
        1 => (key.clone(), 1000..3000usize).prop_map(|(key, length)| Change::SetText(key, length, b'x')),
        5 => (key.clone(), any::<i64>()).prop_map(|(key, number)| Change::SetNumber(key, number)),
        5 => (key.clone(), any::<i64>()).prop_map(|(key, sum)| Change::Count(key, sum)),
        6 => (key.clone(), 1..2000usize).prop_map(|(key, length)| Change::Append(key, length)),
        12 => (key.clone(), 0..3u8, 1..30usize).prop_map(|(key, kind, count)| Change::Fill(key, kind, count)),
        4 => key.clone().prop_map(Change::Shrink),
        6 => (key.clone(), prop::option::of(1..3000i64)).prop_map(|(key, at)| Change::Expire(key, at)),
        8 => key.clone().prop_map(Change::Delete),
        2 => (key.clone(), 0..400u16).prop_map(|(from, count)| Change::DeleteMany(from, count)),
        2 => (key.clone(), 0..1500u16).prop_map(|(from, count)| Change::AddMany(from, count)),
        4 => (key.clone(), key.clone()).prop_map(|(from, to)| Change::Rename(from, to)),
        3 => (key.clone(), any::<bool>()).prop_map(|(key, blessed)| Change::Bless(key, blessed)),
        3 => key.prop_map(Change::Touch),
        1 => any::<bool>().prop_map(Change::Flush),
        2 => (0..DATABASES).prop_map(Change::Swap),
        4 => (0..DATABASES).prop_map(Change::Select),
        3 => (1..800i64).prop_map(Change::LetTimePass),
        3 => Just(Change::Evict),
        8 => (1..12usize).prop_map(Change::Slice),
        4 => Just(Change::Receive),
    ]
}

fn name(number: u16) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

/// Makes or changes a collection; a key of another type is replaced.
fn fill(db: &mut Databases, key: &Key<'_>, kind: u8, count: usize) {
    let mut parts = (0..count).map(|number| format!("part:{}", number * number % 37));
    match kind {
        0 => {
            let Ok(list) = db.collection_or_new::<List>(key) else { return };
            let limits = list::Limits::new(-2, 0, None);
            parts.for_each(|part| list.push(End::Tail, part.as_bytes(), &limits));
        }
        1 => {
            let Ok(set) = db.collection_or_new::<Set>(key) else { return };
            parts.for_each(|part| _ = set.insert(part.as_bytes(), &SET_LIMITS));
        }
        _ => {
            let Ok(hash) = db.collection_or_new::<Hash>(key) else { return };
            let at = if count.is_multiple_of(3) { FieldExpiry::At(500 * count as i64) } else { FieldExpiry::Clear };
            parts.try_for_each(|part| hash.set_with(part.as_bytes(), b"v", at, HASH_LIMITS).then_some(()));
            db.plan_parts(key);
        }
    }
}

/// Takes an element out of whatever is there.
fn shrink(db: &mut Databases, key: &Key<'_>) {
    let emptied = match db.collection_mut::<Hash>(key) {
        Ok(Some(hash)) => {
            hash.remove(b"part:1");
            hash.is_empty()
        }
        Ok(None) => false,
        Err(_) => db.collection_mut::<Set>(key).ok().flatten().is_some_and(|set| {
            set.remove(b"part:1");
            set.is_empty()
        }),
    };
    if emptied {
        db.delete(key);
    }
}

fn apply(db: &mut Databases, change: &Change) {
    let selected = db.selected();
    match *change {
        Change::SetText(key, length, letter) => {
            db.set(&Key::new(&name(key)), NewString::Bytes(&vec![letter; length]), Expiry::Clear);
        }
        Change::SetNumber(key, number) => db.set(&Key::new(&name(key)), NewString::Int(number), Expiry::Keep),
        Change::Count(key, sum) => {
            if let Ok(Some(mut slot)) = db.string_mut(&Key::new(&name(key))) {
                slot.set_int(sum);
            }
        }
        Change::Append(key, length) => {
            if let Ok(Some(mut slot)) = db.string_mut(&Key::new(&name(key))) {
                slot.update(|entry| entry.append(&vec![b'y'; length]));
            }
        }
        Change::Fill(key, kind, count) => fill(db, &Key::new(&name(key)), kind, count),
        Change::Shrink(key) => shrink(db, &Key::new(&name(key))),
        Change::Expire(key, at) => {
            let slot = db.write(&Key::new(&name(key)));
            slot.into_iter().for_each(|mut slot| slot.update(|entry| entry.set_expire(at)));
        }
        Change::Delete(key) => _ = db.delete(&Key::new(&name(key))),
        Change::DeleteMany(from, count) => {
            (from..from + count).for_each(|key| _ = db.unlink(&Key::new(&name(key)), key % 2 == 0));
        }
        Change::AddMany(from, count) => {
            (from..from + count).for_each(|key| apply(db, &Change::SetNumber(key, i64::from(key))));
        }
        Change::Rename(from, to) => {
            let to = name(to);
            if let Some(entry) = db.take(&Key::new(&name(from))) {
                db.put(&Key::new(&to), entry.rename(&to));
            }
        }
        Change::Bless(key, blessed) => _ = db.bless(&Key::new(&name(key)), blessed),
        Change::Touch(key) => _ = db.read(&Key::new(&name(key))).map(|entry| entry.set_access(u32::from(key))),
        Change::Flush(lazily) => _ = db.flush(selected, lazily),
        Change::Swap(other) => db.swap(selected, other),
        Change::Select(database) => db.begin_command(database, db.now_ms()),
        Change::LetTimePass(ms) => {
            db.begin_command(selected, db.now_ms() + ms);
            while db.expire_cycle(10, || true).out_of_time {}
            db.begin_command(selected, db.now_ms());
        }
        Change::Evict => {
            let policy = EvictionPolicy { volatile: false, judge: Judge::Chance, samples: 3 };
            db.evict_one(policy);
        }
        Change::Slice(slices) => {
            let mut left = slices;
            db.capture_while(|_| {
                left -= 1;
                left > 0
            });
        }
        Change::Receive => {}
    }
    db.forget_notes();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_copied_is_what_there_was_at_the_beginning(
        before in prop::collection::vec(change(), 0..60),
        keys in 0..2500u16,
        during in prop::collection::vec(change(), 0..200),
    ) {
        let mut db = Databases::new(DATABASES);
        db.begin_command(0, 1);
        apply(&mut db, &Change::AddMany(0, keys));
        before.iter().for_each(|change| apply(&mut db, change));
        let wanted = content(&db);
        let sizes = db.begin_capture();
        for size in sizes {
            let keys = wanted.keys().filter(|(database, _)| *database == size.database).count();
            prop_assert_eq!(keys, size.keys);
        }
        let mut received = Content::new();
        for change in &during {
            apply(&mut db, change);
            if matches!(change, Change::Receive) {
                receive(&mut db, &mut received);
            }
        }
        prop_assert!(!db.capture_while(|_| true));
        receive(&mut db, &mut received);
        prop_assert_eq!(received, wanted);
        // Nothing is copied any more, and nothing is left.
        during.iter().for_each(|change| apply(&mut db, change));
        prop_assert!(!db.capture_while(|_| true));
        db.take_images(|_| panic!("all was taken"));
    }
}

#[test]
fn a_capture_that_is_given_up_leaves_no_trace_in_the_next() {
    let mut db = Databases::new(DATABASES);
    db.begin_command(0, 1);
    apply(&mut db, &Change::AddMany(0, 2000));
    db.begin_capture();
    for change in [Change::Slice(3), Change::SetNumber(1, 1), Change::Flush(true), Change::AddMany(500, 900)] {
        apply(&mut db, &change);
    }
    db.end_capture();
    db.take_images(|_| panic!("it was given up"));
    let wanted = content(&db);
    db.begin_capture();
    apply(&mut db, &Change::DeleteMany(500, 300));
    let mut received = Content::new();
    assert!(!db.capture_while(|_| true));
    receive(&mut db, &mut received);
    assert_eq!(received, wanted);
}

#[test]
fn keys_are_copied_a_few_at_a_time_and_one_by_one_when_they_are_big() {
    let mut db = Databases::new(1);
    for key in 0..1000 {
        apply(&mut db, &Change::Fill(key, 0, 2000));
    }
    db.begin_capture();
    let mut most = 0;
    db.capture_while(|bytes| {
        most = bytes.max(most);
        true
    });
    let one = db.database(0).dict.iter().map(|entry| entry.heap_bytes(0)).max().expect("keys");
    assert!(most <= 20 * one, "{most} bytes at once where a key has {one}");
}

#[test]
fn a_long_string_is_shared_until_it_is_changed() {
    let mut db = Databases::new(1);
    apply(&mut db, &Change::SetText(1, 100_000, b'x'));
    db.begin_capture();
    assert!(!db.capture_while(|_| true));
    let address = |entry: EntryView<'_>| entry.string().map(|string| string.to_cow().as_ptr());
    let mut copies = None;
    db.take_images(|images| copies = Some(images));
    let copies = copies.expect("a key");
    let copied = || copies.iter().next().expect("a key").0;
    let key = name(1);
    let live = db.peek(&Key::new(&key)).and_then(address);
    assert_eq!(address(copied()), live);
    apply(&mut db, &Change::Append(1, 1));
    assert_eq!(copied().string().map(|string| string.len()), Some(100_000));
    assert_eq!(db.peek(&Key::new(&key)).and_then(|entry| entry.string()).map(|string| string.len()), Some(100_001));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn keys_that_are_kept_by_slot_are_copied_likewise(
        before in prop::collection::vec(0..400u16, 0..600),
        during in prop::collection::vec((0..500u16, 0..4u8), 0..400),
        tag in any::<bool>(),
    ) {
        let hasher = KeyHasher::new(HashSeed::portable(1, 2), true);
        // With a tag, many keys are of one slot.
        let name = |number: u16| match tag && !number.is_multiple_of(3) {
            true => format!("{{tag}}{number}").into_bytes(),
            false => name(number),
        };
        let text = |key: &[u8], value: &[u8]| Entry::string(key, value, None, 0);
        let mut dict = Dict::new(hasher);
        let mut wanted = BTreeMap::new();
        for number in before {
            let key = name(number);
            if let DictProbe::Vacant(slot) = dict.probe(hasher.hash_key(&key), &key) {
                slot.insert(text(&key, b"before"));
                wanted.insert(key, b"before".to_vec());
            }
        }
        dict.begin_capture(7);
        let mut received = BTreeMap::new();
        let mut receive = |dict: &mut Dict| {
            if let Some(images) = dict.take_images() {
                for (entry, _) in images.iter() {
                    let value = entry.string().map(|value| value.to_vec());
                    let old = received.insert(entry.key().to_vec(), value.unwrap_or_default());
                    assert!(old.is_none(), "copied twice");
                }
            }
        };
        for (number, kind) in during {
            let key = name(number);
            let hash = hasher.hash_key(&key);
            match (kind, dict.probe(hash, &key)) {
                (0, DictProbe::Found(slot)) => drop(slot.remove()),
                (_, DictProbe::Found(mut slot)) => slot.update(|entry| entry.set_string(b"changed")),
                (_, DictProbe::Vacant(slot)) => _ = slot.insert(text(&key, b"new")),
            }
            if kind == 3 {
                dict.capture_some();
                receive(&mut dict);
            }
        }
        while dict.capture_some() {}
        receive(&mut dict);
        prop_assert_eq!(received, wanted);
        prop_assert!(!dict.is_captured());
    }
}
