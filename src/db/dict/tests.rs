//! The dictionary against two maps: values and expiries.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::db::entry::StringRef;
use crate::db::slot::{SLOTS, slot_of};
use crate::util::key_hash::HashSeed;

fn empty(seed: HashSeed, by_slot: bool) -> Dict {
    Dict::new(KeyHasher::new(seed, by_slot))
}

impl Dict {
    fn hash(&self, key: &[u8]) -> u64 {
        self.keys.hash(key)
    }

    fn filled_slots(&self) -> impl Iterator<Item = (usize, usize)> {
        let filled = self.slots.iter().flat_map(|slots| slots.filled());
        filled.map(|(slot, table)| (slot, table.len()))
    }

    fn insert_new(&mut self, key: &[u8], entry: Entry) {
        match self.probe(self.hash(key), key) {
            DictProbe::Found(_) => panic!("{key:?} is there already"),
            DictProbe::Vacant(slot) => drop(slot.insert(entry)),
        }
    }
}

/// Keys are found to be read unless their time has come, at time zero.
fn check_lasting(dict: &mut Dict, twin: &BTreeMap<Vec<u8>, (usize, Option<i64>)>) {
    for key in (0..400u16).map(u16::to_be_bytes) {
        let (hash, known) = (dict.hash(&key), twin.get(&key[..]));
        let is_due = known.is_some_and(|known| known.1.is_some_and(|at| at < 0));
        match dict.find_lasting(hash, &key, 0) {
            Ok(entry) => {
                assert_eq!((entry.key(), is_due), (&key[..], false));
                assert_eq!(Some(&(entry.size_of_value(), entry.expire_at())), known);
            }
            Err(due) => assert_eq!((due.is_some(), known.is_some()), (is_due, is_due)),
        }
    }
}

#[derive(Debug, Clone)]
enum Operation {
    Set(u16, usize, Option<i64>),
    Expire(u16, Option<i64>),
    Append(u16, usize),
    Replace(u16, Option<i64>),
    Remove(u16),
    RemoveMany(u16, u16),
    Take,
}

fn operation() -> impl Strategy<Value = Operation> {
    let number = 0..400u16;
    prop_oneof![
        30 => (number.clone(), 0..100usize, any::<Option<i64>>()).prop_map(|(n, l, e)| Operation::Set(n, l, e)),
        10 => (number.clone(), any::<Option<i64>>()).prop_map(|(n, e)| Operation::Expire(n, e)),
        5 => (number.clone(), 0..100usize).prop_map(|(n, l)| Operation::Append(n, l)),
        5 => (number.clone(), any::<Option<i64>>()).prop_map(|(n, e)| Operation::Replace(n, e)),
        15 => number.clone().prop_map(Operation::Remove),
        2 => (number, 0..200u16).prop_map(|(from, count)| Operation::RemoveMany(from, count)),
        1 => Just(Operation::Take),
    ]
}

proptest! {
    #[test]
    fn index_of_expiries_stays_in_step(operations in prop::collection::vec(operation(), 0..600), by_slot: bool) {
        let mut dict = empty(HashSeed::portable(3, 4), by_slot);
        let mut twin: BTreeMap<Vec<u8>, (usize, Option<i64>)> = BTreeMap::new();
        let remove = |dict: &mut Dict, twin: &mut BTreeMap<_, _>, number: u16| {
            let key = number.to_be_bytes().to_vec();
            let hash = dict.hash(&key);
            assert_eq!(dict.remove(hash, &key).is_some(), twin.remove(&key).is_some());
        };
        for operation in operations {
            match operation {
                Operation::Set(number, length, expire) => {
                    let key = number.to_be_bytes().to_vec();
                    let value = vec![b'v'; length];
                    match dict.probe(dict.hash(&key), &key) {
                        DictProbe::Found(mut slot) => slot.update(|entry| {
                            entry.set_string(&value);
                            entry.set_expire(expire);
                        }),
                        DictProbe::Vacant(slot) => {
                            let view = slot.insert(Entry::string(&key, &value, expire, 0)).slot.into_view();
                            prop_assert_eq!(view.expire_at(), expire);
                        }
                    }
                    twin.insert(key, (length, expire));
                }
                Operation::Expire(number, expire) => {
                    let key = number.to_be_bytes().to_vec();
                    let hash = dict.hash(&key);
                    dict.find_mut(hash, &key).into_iter().for_each(|mut slot| slot.update(|entry| entry.set_expire(expire)));
                    twin.get_mut(&key).into_iter().for_each(|known| known.1 = expire);
                }
                Operation::Append(number, length) => {
                    let key = number.to_be_bytes().to_vec();
                    let hash = dict.hash(&key);
                    let added = vec![b'a'; length];
                    dict.find_mut(hash, &key).into_iter().for_each(|mut slot| slot.update(|entry| entry.append(&added)));
                    twin.get_mut(&key).into_iter().for_each(|known| known.0 += length);
                }
                Operation::Replace(number, expire) => {
                    let key = number.to_be_bytes().to_vec();
                    let hash = dict.hash(&key);
                    let new = Entry::string(&key, b"", expire, 0);
                    let old = dict.find_mut(hash, &key).map(|mut slot| slot.update(|entry| std::mem::replace(entry, new)));
                    prop_assert_eq!(old.is_some(), twin.contains_key(&key));
                    twin.get_mut(&key).into_iter().for_each(|known| *known = (0, expire));
                }
                Operation::Remove(number) => remove(&mut dict, &mut twin, number),
                Operation::RemoveMany(from, count) => {
                    (from..from + count).for_each(|number| remove(&mut dict, &mut twin, number));
                }
                Operation::Take => {
                    prop_assert_eq!(dict.take().len(), twin.len());
                    twin.clear();
                }
            }
        }
        check_lasting(&mut dict, &twin);
        let all: BTreeMap<Vec<u8>, (usize, Option<i64>)> = dict
            .iter()
            .map(|view| (view.key().to_vec(), (view.string().map_or(0, StringRef::len), view.expire_at())))
            .collect();
        prop_assert_eq!(&all, &twin);
        prop_assert_eq!(dict.len(), twin.len());
        if by_slot {
            let mut slots: BTreeMap<usize, usize> = BTreeMap::new();
            twin.keys().for_each(|key| *slots.entry(slot_of(key).into()).or_default() += 1);
            prop_assert!(dict.filled_slots().eq(slots));
        }
        let mut expiring = BTreeMap::new();
        let mut cursor = 0;
        loop {
            cursor = dict.scan_expires(cursor, |view| _ = expiring.insert(view.key().to_vec(), view.expire_at()));
            if cursor == 0 {
                break;
            }
        }
        twin.retain(|_, known| known.1.is_some());
        prop_assert_eq!(dict.expires_len(), twin.len());
        prop_assert!(expiring.into_iter().eq(twin.into_iter().map(|(key, known)| (key, known.1))));
    }
}

#[test]
fn a_panic_while_changing_leaves_the_index_in_step() {
    let mut dict = empty(HashSeed::portable(1, 2), false);
    let hash = dict.hash(b"key");
    dict.insert_new(b"key", Entry::string(b"key", b"short", Some(5), 0));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        dict.find_mut(hash, b"key").into_iter().for_each(|mut slot| {
            slot.update(|entry| {
                entry.set_string(&[b'x'; 500]);
                std::panic::resume_unwind(Box::new(()));
            })
        });
    }));
    assert!(result.is_err());
    let mut random = Random::from_seed(1);
    assert_eq!(dict.random_expiring(&mut random).map(|view| view.key()), Some(&b"key"[..]));
    assert!(dict.remove(hash, b"key").is_some());
    assert_eq!(dict.expires_len(), 0);
}

#[test]
fn taken_entries_may_be_dropped_by_another_thread() {
    let mut dict = empty(HashSeed::random(), true);
    for number in 0..10_000u32 {
        let key = number.to_be_bytes();
        dict.insert_new(&key, Entry::string(&key, &[7; 2000], None, 0));
    }
    let taken = dict.take();
    assert!(dict.is_empty());
    let dropped = std::thread::spawn(move || taken.len());
    assert_eq!(dropped.join().ok(), Some(10_000));
}

fn filled_by_slot(keys: usize, name: impl Fn(usize) -> String) -> Dict {
    let mut dict = empty(HashSeed::portable(5, 6), true);
    (0..keys).map(name).for_each(|key| dict.insert_new(key.as_bytes(), Entry::string(key.as_bytes(), b"v", None, 0)));
    dict
}

#[test]
fn a_scan_by_slot_passes_what_stays_once_while_slots_fill_and_empty() {
    let mut dict = filled_by_slot(3000, |number| format!("stays:{number}"));
    let (mut cursor, mut seen, mut step) = (0, Vec::new(), 0);
    loop {
        cursor = dict.scan(cursor, None, |view| seen.push(view.key().to_vec()));
        step += 1;
        let key = format!("{{{step}}}comes");
        dict.insert_new(key.as_bytes(), Entry::string(key.as_bytes(), b"", None, 0));
        if step > 1 {
            let key = format!("{{{}}}comes", step - 1);
            assert!(dict.remove(dict.hash(key.as_bytes()), key.as_bytes()).is_some());
        }
        if cursor == 0 {
            break;
        }
    }
    seen.retain(|key| key.starts_with(b"stays"));
    seen.sort();
    let mut wanted: Vec<Vec<u8>> = (0..3000).map(|number| format!("stays:{number}").into_bytes()).collect();
    wanted.sort();
    assert_eq!(seen, wanted);
}

#[test]
fn each_key_is_drawn_as_often_however_full_its_slot_is() {
    // One slot has half of the keys.
    let dict = filled_by_slot(200, |number| if number < 100 { format!("{{x}}{number}") } else { number.to_string() });
    let mut random = Random::from_seed(11);
    let mut drawn: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for _ in 0..40_000 {
        *drawn.entry(dict.random(&mut random).expect("a key").key().to_vec()).or_default() += 1;
    }
    assert_eq!(drawn.len(), 200);
    assert!(drawn.values().all(|times| (100..300).contains(times)), "{drawn:?}");
    assert_eq!(dict.len_of_slot(slot_of(b"x").into()), 100);
    assert_eq!(dict.iter_slot(slot_of(b"x").into()).count(), 100);
}

#[test]
fn a_slot_takes_no_table_when_its_last_key_is_gone() {
    let mut dict = filled_by_slot(1000, |number| number.to_string());
    let (filled, empty) = (dict.overheads().0, filled_by_slot(0, |_| String::new()).overheads().0);
    assert!(filled > empty + 100_000);
    for number in 0..1000 {
        let key = number.to_string();
        assert!(dict.remove(dict.hash(key.as_bytes()), key.as_bytes()).is_some());
    }
    assert!(dict.is_empty() && dict.random(&mut Random::from_seed(1)).is_none());
    assert_eq!(dict.filled_slots().count(), 0);
    assert!(dict.overheads().0 < empty + 1000);
    let hash = dict.hash(b"last");
    assert!(dict.find_mut(hash, b"last").is_none());
    assert_eq!(
        dict.slots.as_ref().map(|slots| (0..SLOTS).filter(|slot| slots.table(*slot).is_some()).count()),
        Some(0)
    );
}
