//! The table against naive twins: a `HashMap`, a count of overflows, a scan of all keys, a chi-square test.

mod lent;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::arena::{SMALL_MAX, UNIT};
use super::resize::{buckets_for, ladder};
use super::*;
use crate::types::sharing::Sharing;
use crate::util::random::entropy;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// An item that counts how many of its kind are alive.
#[derive(Debug)]
struct Item(Box<(Vec<u8>, u64)>);

impl Item {
    fn new(key: &[u8], value: u64) -> Self {
        LIVE.set(LIVE.get() + 1);
        Self(Box::new((key.to_vec(), value)))
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        LIVE.set(LIVE.get() - 1);
    }
}

// SAFETY: a box of 8-aligned data, and back.
unsafe impl Packed for Item {
    type Ref<'a> = &'a (Vec<u8>, u64);

    const COPY: Option<fn(&(Vec<u8>, u64)) -> Self> = Some(|item| Self::new(&item.0, item.1));

    fn into_raw(self) -> NonNull<u8> {
        let item = std::mem::ManuallyDrop::new(self);
        // SAFETY: the original is never used or dropped again.
        NonNull::from(Box::leak(unsafe { std::ptr::read(&item.0) })).cast()
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        // SAFETY: by contract.
        Self(unsafe { Box::from_raw(raw.cast().as_ptr()) })
    }

    unsafe fn view<'a>(raw: NonNull<u8>) -> &'a (Vec<u8>, u64) {
        // SAFETY: by contract.
        unsafe { raw.cast().as_ref() }
    }

    unsafe fn key_of<'a>(raw: NonNull<u8>) -> &'a [u8] {
        // SAFETY: by contract.
        unsafe { &Self::view(raw).0 }
    }
}

/// Takes the hash from the front of the key, so that tests choose it.
#[derive(Clone, Copy)]
struct Chosen;

impl KeyHash for Chosen {
    fn hash_key(&self, key: &[u8]) -> u64 {
        key.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

fn key(hash: u64, number: u64) -> Vec<u8> {
    [hash.to_be_bytes(), number.to_be_bytes()].concat()
}

type Chosens = Table<Item, Chosen>;

fn small_segments() -> Chosens {
    let mut table = Table::new(Chosen);
    table.split_limit = 16;
    table
}

fn insert<H: KeyHash>(table: &mut Table<Item, H>, key: &[u8], value: u64) {
    let hash = table.hash(key);
    table.insert_new(hash, Item::new(key, value));
}

fn remove<H: KeyHash>(table: &mut Table<Item, H>, key: &[u8]) -> Option<u64> {
    let hash = table.hash(key);
    table.find_mut(hash, key).map(|slot| slot.remove().0.1)
}

impl<T: Packed, H: KeyHash> Table<T, H> {
    /// Panics unless the table is in order.
    fn check(&self) {
        assert_eq!(self.directory.len(), 1 << self.depth);
        let (mut items, mut buckets, mut deepest, mut cells) = (0, 0, 0, 0);
        for first in self.first_cells() {
            let segment = self.directory[first];
            segment.check();
            assert_eq!(first % self.cells_of(segment), 0);
            for copy in &self.directory[first..first + self.cells_of(segment)] {
                assert_eq!((copy.depth(), copy.buckets()), (segment.depth(), segment.buckets()));
            }
            items += segment.count as usize;
            buckets += segment.buckets() as usize;
            deepest += usize::from(segment.depth() == self.depth);
            cells += self.cells_of(segment);
            assert!(segment.buckets().div_ceil(self.cells_of(segment) as u32) <= self.cell_buckets_max);
            segment.for_each(|position, raw| {
                // SAFETY: the item is in the table.
                let hash = self.hash(unsafe { T::key_of(raw) });
                assert_eq!(segment.position_of(hash), position);
                assert_eq!(self.first_cell(self.cell(hash)), first);
            });
        }
        assert_eq!((items, buckets, cells), (self.len, self.buckets, self.directory.len()));
        assert_eq!(deepest, self.deepest);
    }
}

#[derive(Debug, Clone)]
enum Operation {
    Set(u16, u64),
    Move(u16),
    Remove(u16),
    RemoveMany(u16, u16),
    InsertMany(u16, u16),
    Resizing(bool),
    Clear,
}

fn operation() -> impl Strategy<Value = Operation> {
    let number = 0..600u16;
    prop_oneof![
        40 => (number.clone(), any::<u64>()).prop_map(|(number, value)| Operation::Set(number, value)),
        10 => number.clone().prop_map(Operation::Move),
        30 => number.clone().prop_map(Operation::Remove),
        4 => (number.clone(), 0..200u16).prop_map(|(from, count)| Operation::RemoveMany(from, count)),
        6 => (number, 0..200u16).prop_map(|(from, count)| Operation::InsertMany(from, count)),
        2 => any::<bool>().prop_map(Operation::Resizing),
        1 => Just(Operation::Clear),
    ]
}

/// Hashes from friendly to hostile: spread, few bits at the top, few at the bottom, few in all.
fn spread(style: u8, number: u16) -> u64 {
    let mixed = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    match style {
        0 => mixed,
        1 => mixed >> 60 << 60,
        2 => u64::from(number),
        3 => mixed >> 56 << 56 | u64::from(number) << 20,
        _ => 0xabcd_ef01_2345_6789,
    }
}

/// Does the same to the table and its twin, and compares what it comes to.
fn apply(
    operation: &Operation,
    table: &mut Chosens,
    twin: &mut HashMap<Vec<u8>, u64>,
    named: impl Fn(u16) -> Vec<u8>,
) -> Result<(), TestCaseError> {
    match *operation {
        Operation::Set(number, value) => {
            let key = named(number);
            let hash = table.hash(&key);
            match table.probe(hash, &key) {
                Probe::Found(mut slot) => {
                    prop_assert_eq!(twin.get(&key), Some(&slot.view().1));
                    slot.update(|item| item.0.1 = value);
                }
                Probe::Vacant(slot) => {
                    prop_assert!(!twin.contains_key(&key));
                    prop_assert_eq!(slot.insert(Item::new(&key, value)).into_view().1, value);
                }
            }
            twin.insert(key, value);
        }
        Operation::Move(number) => {
            let key = named(number);
            let hash = table.hash(&key);
            let moved = table.find_mut(hash, &key).map(|mut slot| {
                let before = slot.address();
                slot.update(|item| *item = Item::new(&item.0.0, item.0.1));
                (before, slot.address())
            });
            prop_assert_eq!(moved.is_some(), twin.contains_key(&key));
            if let Some((before, after)) = moved {
                prop_assert_ne!(before, after);
                prop_assert!(table.find_address(hash, before).is_none());
                prop_assert_eq!(&table.find_address(hash, after).map(|slot| slot.into_view().0.clone()), &Some(key));
            }
        }
        Operation::Remove(number) => {
            let key = named(number);
            prop_assert_eq!(remove(table, &key), twin.remove(&key));
        }
        Operation::RemoveMany(from, count) => {
            for number in from..from + count {
                let key = named(number);
                prop_assert_eq!(remove(table, &key), twin.remove(&key));
            }
        }
        Operation::InsertMany(from, count) => {
            for number in from..from + count {
                let key = named(number);
                if twin.insert(key.clone(), 1).is_none() {
                    insert(table, &key, 1);
                } else {
                    let hash = table.hash(&key);
                    table.find_mut(hash, &key).into_iter().for_each(|mut slot| slot.update(|item| item.0.1 = 1));
                }
            }
        }
        Operation::Resizing(allowed) => table.set_resizing(allowed),
        Operation::Clear => {
            drop(table.take());
            twin.clear();
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn any_operations_agree_with_a_hash_map(
        style in 0..5u8,
        operations in prop::collection::vec(operation(), 0..300),
    ) {
        let live = LIVE.get();
        let mut table = small_segments();
        let mut twin: HashMap<Vec<u8>, u64> = HashMap::new();
        let named = |number: u16| key(spread(style, number), u64::from(number));
        for operation in operations {
            apply(&operation, &mut table, &mut twin, named)?;
            prop_assert_eq!(table.len(), twin.len());
        }
        table.check();
        prop_assert_eq!(LIVE.get() - live, twin.len() as isize);
        for number in 0..800 {
            let key = named(number);
            let hash = table.hash(&key);
            table.prefetch_bucket(hash);
            table.prefetch_item(hash);
            prop_assert_eq!(table.find(hash, &key).map(|item| item.1), twin.get(&key).copied());
        }
        let mut random = Random::from_seed(1);
        prop_assert_eq!(table.random(&mut random).is_some(), !twin.is_empty());
        let all: HashMap<Vec<u8>, u64> = table.iter().cloned().collect();
        prop_assert_eq!(table.iter().count(), twin.len());
        prop_assert_eq!(&all, &twin);
        drop(table);
        prop_assert_eq!(LIVE.get(), live);
    }

    #[test]
    fn scan_gives_what_stays_exactly_once_whatever_resizes(
        style in 0..5u8,
        seed: u64,
        staying in 1..300u16,
        changes in prop::collection::vec((any::<bool>(), 0..400u16, 0..300u16), 1..40),
    ) {
        let mut table = small_segments();
        let mut random = Random::from_seed(seed);
        let named = |number: u16| key(spread(style, number), u64::from(number));
        // Keys below `staying` stay; those above come and go while the scan is under way.
        (0..staying).for_each(|number| insert(&mut table, &named(number), u64::from(number)));
        let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
        let mut changes = changes.iter().cycle().take(400);
        let mut cursor = 0;
        for _ in 0..100_000 {
            let next = table.scan(cursor, |item| *seen.entry(item.1).or_default() += 1);
            prop_assert!(next == 0 || next.reverse_bits() > cursor.reverse_bits(), "{cursor:x} to {next:x}");
            cursor = next;
            if cursor == 0 {
                break;
            }
            if random.below(2) == 0 && let Some(&(add, from, count)) = changes.next() {
                for number in staying + from..staying + from + count {
                    let (key, value) = (named(number), u64::from(number));
                    if !add {
                        remove(&mut table, &key);
                    } else if table.find(table.hash(&key), &key).is_none() {
                        insert(&mut table, &key, value);
                    }
                }
            }
        }
        prop_assert_eq!(cursor, 0, "the scan ends");
        for number in 0..u64::from(staying) {
            prop_assert_eq!(seen.get(&number), Some(&1), "key {}", number);
        }
        // What comes and goes may come again at a place not yet visited, but not behind the cursor.
        prop_assert!(seen.values().all(|&times| times == 1));
        table.check();
    }

    #[test]
    fn a_copy_has_all_and_owns_it(style in 0..5u8, operations in prop::collection::vec(operation(), 0..60)) {
        let mut table = small_segments();
        let mut twin = HashMap::new();
        for operation in operations {
            apply(&operation, &mut table, &mut twin, |number| key(spread(style, number), u64::from(number)))?;
        }
        let table = Sharing::new(table);
        let mut copy = table.clone();
        for cell in 0..table.directory.len() {
            copy.before_change((cell as u64) << 1 << (63 - table.depth));
        }
        copy.check();
        prop_assert_eq!(copy.statistics().displaced, table.statistics().displaced);
        drop(table);
        let found: HashMap<_, _> = copy.iter().cloned().collect();
        prop_assert_eq!(found, twin);
    }

    #[test]
    fn scan_from_any_cursor_ends(cursor: u64, keys in 0..200u16) {
        let mut table = small_segments();
        (0..keys).for_each(|number| insert(&mut table, &key(spread(0, number), 0), 0));
        let mut cursor = table.scan(cursor, |_| {});
        let mut calls = 0;
        while cursor != 0 {
            cursor = table.scan(cursor, |_| {});
            calls += 1;
            prop_assert!(calls <= table.buckets + table.directory.len());
        }
    }
}

#[test]
fn room_made_in_advance_is_as_good_as_room_made_bit_by_bit() {
    for keys in [0u64, 100, 1535, 1536, 5000, 50_000, 300_000] {
        let mut table: Table<Item> = Table::new(HashSeed::portable(3, 4));
        table.reserve(keys as usize);
        table.check();
        let reserved = table.statistics();
        (0..keys).for_each(|number| insert(&mut table, &number.to_be_bytes(), number));
        table.check();
        let filled = table.statistics();
        if keys > 2000 {
            assert!(filled.buckets < reserved.buckets * 102 / 100, "hardly a segment had to grow: {filled:?}");
            assert!(filled.bytes as u64 / keys <= 14, "{filled:?}");
        }
        table.reserve(10 * keys as usize);
        (0..keys).for_each(|number| assert_eq!(remove(&mut table, &number.to_be_bytes()), Some(number)));
        table.check();
        assert!(keys == 0 || table.overhead_bytes() < 20_000, "{:?}", table.statistics());
    }
}

#[test]
fn keys_in_the_order_of_their_hashes_do_not_crowd() {
    const KEYS: u64 = 200_000;
    let mut table: Chosens = Table::new(Chosen);
    for number in 0..KEYS {
        // A little off the grid, as hashes are.
        let hash = number * (u64::MAX / KEYS) + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (u64::MAX / KEYS);
        insert(&mut table, &key(hash, number), number);
        if number % 20_000 == 1234 {
            let statistics = table.statistics();
            assert!(statistics.displaced < statistics.items / 4 + 2000, "{statistics:?}");
        }
    }
    table.check();
    let statistics = table.statistics();
    assert!(statistics.displaced < statistics.items / 6, "{statistics:?}");
    assert!(statistics.bytes as u64 / KEYS <= 14, "{statistics:?}");
}

#[test]
fn a_million_keys_come_and_go() {
    const KEYS: u64 = 1_000_000;
    let mut table: Table<Item> = Table::new(HashSeed::portable(1, 2));
    for number in 0..KEYS {
        insert(&mut table, &number.to_be_bytes(), number);
    }
    table.check();
    let grown = table.statistics();
    assert!(grown.segment_items_max <= 5000, "{grown:?}");
    assert!((10.4..13.0).contains(&(grown.bytes as f64 / KEYS as f64)), "{grown:?}");
    assert!(grown.displaced < grown.items / 8, "{grown:?}");
    let mut cursor = 0;
    let mut seen = 0;
    loop {
        cursor = table.scan(cursor, |_| seen += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, KEYS);
    for number in 0..KEYS {
        if number % 1000 != 0 {
            assert_eq!(remove(&mut table, &number.to_be_bytes()), Some(number));
        }
    }
    table.check();
    let shrunk = table.statistics();
    assert_eq!(shrunk.items, 1000);
    assert!(shrunk.bytes < 40_000, "{shrunk:?}");
    for number in (0..KEYS).step_by(1000) {
        assert_eq!(remove(&mut table, &number.to_be_bytes()), Some(number));
    }
    assert_eq!(table.statistics().segments, 1);
    assert!(table.overhead_bytes() < 200);
}

#[test]
fn scan_cursors_are_as_large_as_the_table() {
    let mut table: Table<Item> = Table::new(HashSeed::portable(5, 6));
    let check = |table: &Table<Item>| {
        let (mut cursor, mut greatest, mut steps, mut seen) = (0, 0, 0, 0);
        loop {
            cursor = table.scan(cursor, |_| seen += 1);
            greatest = greatest.max(cursor);
            steps += 1;
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen, table.len());
        // With five items to a bucket or so, a thousand million of them are far below 2^31.
        assert!(greatest < (table.buckets as u64).next_power_of_two() * 2, "{greatest}, {:?}", table.statistics());
        assert!(steps <= table.buckets + table.directory.len(), "{steps}, {:?}", table.statistics());
    };
    let mut number = 0u64;
    for items in [1, 7, 8, 20, 100, 1000, 2049, 5000, 20_000, 100_000, 400_000] {
        while number < items {
            insert(&mut table, &number.to_be_bytes(), number);
            number += 1;
        }
        check(&table);
    }
    for items in [100_000, 3000, 50, 1, 0] {
        while number > items {
            number -= 1;
            remove(&mut table, &number.to_be_bytes());
        }
        check(&table);
    }
}

#[test]
fn equal_hashes_are_slow_but_correct() {
    const KEYS: u64 = 3000;
    let mut table = small_segments();
    for number in 0..KEYS {
        insert(&mut table, &key(42 << 40, number), number);
    }
    table.check();
    assert!(table.directory.len() as u64 <= KEYS);
    assert!(table.first_cells().map(|cell| table.directory[cell].stuck_counters()).sum::<usize>() > 0);
    for number in 0..KEYS {
        assert_eq!(table.find(42 << 40, &key(42 << 40, number)).map(|item| item.1), Some(number));
    }
    assert!(table.find(42 << 40, &key(42 << 40, KEYS)).is_none());
    let mut seen = 0;
    assert_ne!(table.scan((42u64 << 40).reverse_bits(), |_| seen += 1), 0);
    assert_eq!(seen, KEYS);
    for number in (0..KEYS).rev() {
        assert_eq!(remove(&mut table, &key(42 << 40, number)), Some(number));
    }
    table.check();
}

#[test]
fn hashes_of_one_prefix_do_not_blow_up_the_directory() {
    let mut table: Chosens = Table::new(Chosen);
    for number in 0..10_000 {
        insert(&mut table, &key(number, number), number);
    }
    table.check();
    assert!(table.directory.len() <= 128, "{:?}", table.statistics());
}

#[test]
fn growth_waits_while_resizing_is_off_until_it_must() {
    let mut table: Chosens = Table::new(Chosen);
    let named = |number: u16| key(spread(0, number), 0);
    (0..200).for_each(|number| insert(&mut table, &named(number), 0));
    table.set_resizing(false);
    let before = table.statistics().buckets;
    let comfortable = Segment::comfortable(before as u32);
    (200..1000).for_each(|number| insert(&mut table, &named(number), 0));
    let grown = table.statistics();
    assert!(grown.items as u32 > Segment::comfortable(grown.buckets as u32) || grown.items as u32 > comfortable);
    (0..990).for_each(|number| _ = remove(&mut table, &named(number)));
    assert_eq!(table.statistics().buckets, grown.buckets);
    let mut random = Random::from_seed(1);
    assert!((0..100).all(|_| table.random(&mut random).is_some()));
    table.set_resizing(true);
    _ = remove(&mut table, &named(990));
    assert!(table.statistics().buckets <= 3);
    table.check();
}

#[test]
fn a_lone_key_comes_and_goes_without_allocation_of_buckets() {
    let mut table: Chosens = Table::new(Chosen);
    assert_eq!(table.overhead_bytes(), 16);
    for _ in 0..3 {
        insert(&mut table, &key(1, 1), 0);
        assert_eq!(table.statistics().buckets, 1);
        assert!(remove(&mut table, &key(1, 1)).is_some());
        assert_eq!(table.statistics().buckets, 1);
    }
}

#[test]
fn random_is_fair() {
    let seed = entropy();
    let mut random = Random::from_seed(seed);
    for keys in [1u16, 2, 5, 8, 30, 300] {
        let mut table = small_segments();
        // Three of four hashes share their first bit, so that segments differ in depth and load.
        let named = |number: u16| key(spread(0, number) >> u32::from(!number.is_multiple_of(4)), u64::from(number));
        (0..keys).for_each(|number| insert(&mut table, &named(number), u64::from(number)));
        let mut counts = vec![0u32; keys.into()];
        let draws = 400 * u32::from(keys);
        for _ in 0..draws {
            let number = table.random(&mut random).map(|item| item.1);
            counts[number.expect("not empty") as usize] += 1;
        }
        let chi_square: f64 = counts.iter().map(|&count| (f64::from(count) - 400.0).powi(2) / 400.0).sum();
        // Mean plus six standard deviations, and some more where there are few degrees of freedom.
        let limit = f64::from(keys) + 6.0 * f64::from(2 * keys).sqrt() + 20.0;
        assert!(chi_square < limit, "seed {seed}, {keys} keys: {chi_square} of {limit}");
    }
}

#[test]
fn a_panic_while_changing_leaves_the_item_in_place() {
    let live = LIVE.get();
    let mut table = small_segments();
    insert(&mut table, &key(7, 7), 7);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut slot = table.find_mut(7, &key(7, 7)).expect("present");
        slot.update(|item| {
            *item = Item::new(&key(7, 7), 8);
            std::panic::resume_unwind(Box::new(()));
        })
    }));
    assert!(result.is_err());
    assert_eq!(table.find(7, &key(7, 7)).map(|item| item.1), Some(8));
    drop(table);
    assert_eq!(LIVE.get(), live);
}

#[test]
fn bucket_numbers_climb_the_ladder_of_size_classes() {
    let mut buckets = 0;
    let steps: Vec<u32> = std::iter::repeat_with(|| {
        buckets = ladder(buckets + 1);
        buckets
    })
    .take(24)
    .collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15, 19, 23, 27, 31, 39, 47, 55, 63, 79, 95, 111, 127, 143]);
    for buckets in 8..5000 {
        let bytes = (ladder(buckets) as usize + 1) * 64;
        assert!(bytes.is_multiple_of(UNIT) || bytes <= SMALL_MAX && crate::util::alloc::size_class(bytes) == bytes);
        assert!(ladder(buckets) % 2 == 1);
    }
    for count in 1..5000 {
        assert!(Segment::comfortable(buckets_for(count, 0)) > count);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn items_of_a_range_of_hashes_are_those_a_look_at_all_finds(
        style in 0..5u8,
        operations in prop::collection::vec(operation(), 0..60),
        ranges in prop::collection::vec((any::<u64>(), 0..48u32, 0..10u32), 1..20),
    ) {
        let (mut table, mut twin) = (small_segments(), HashMap::new());
        for operation in operations {
            apply(&operation, &mut table, &mut twin, |number| key(spread(style, number), u64::from(number)))?;
        }
        let some = table.iter().next().map(|(key, _)| table.hash(key));
        for (number, bits, more) in ranges {
            // A range about an item that is there, or about anything.
            let around = if number % 2 == 0 { some.unwrap_or(number) } else { number };
            let prefix = around & !(u64::MAX >> bits);
            let detail = bits + more;
            let mut found = BTreeMap::new();
            table.for_each_with_prefix(prefix, bits, detail, |hash, (key, value)| {
                let known = !(u64::MAX >> detail);
                assert_eq!(hash & known, table.hash(key) & known);
                assert!(found.insert(key.clone(), *value).is_none(), "twice");
            });
            let in_range = |key: &Vec<u8>| table.hash(key) & !(u64::MAX >> bits) == prefix;
            let wanted: BTreeMap<_, _> = twin.clone().into_iter().filter(|(key, _)| in_range(key)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
