//! Tables that have segments in common, against maps that are copied at once.

use super::*;

#[derive(Debug, Clone)]
enum Holding {
    Copy(usize),
    Drop(usize),
    Change(usize, Operation),
}

fn holding() -> impl Strategy<Value = Holding> {
    prop_oneof![
        2 => any::<usize>().prop_map(Holding::Copy),
        1 => any::<usize>().prop_map(Holding::Drop),
        20 => (any::<usize>(), operation()).prop_map(|(at, operation)| Holding::Change(at, operation)),
    ]
}

fn change(table: &mut Chosens, twin: &mut HashMap<Vec<u8>, u64>, style: u8, operation: Operation) {
    let key_of = |number: u16| key(spread(style, number), u64::from(number));
    let mut set = |number: u16, value: u64| {
        let key = key_of(number);
        twin.insert(key.clone(), value);
        let hash = table.hash(&key);
        match table.probe(hash, &key) {
            Probe::Found(mut slot) => slot.update(|item| item.0.1 = value),
            Probe::Vacant(slot) => drop(slot.insert(Item::new(&key, value))),
        }
    };
    match operation {
        Operation::Set(number, value) => set(number, value),
        Operation::InsertMany(from, count) => (from..from + count).for_each(|number| set(number, 1)),
        Operation::Move(number) => {
            let key = key_of(number);
            if let Some(mut slot) = table.find_mut(table.hash(&key), &key) {
                slot.update(|item| *item = Item::new(&key, 3));
                twin.insert(key, 3);
            }
        }
        Operation::Remove(number) => assert_eq!(remove(table, &key_of(number)), twin.remove(&key_of(number))),
        Operation::RemoveMany(from, count) => {
            for key in (from..from + count).map(key_of) {
                assert_eq!(remove(table, &key), twin.remove(&key));
            }
        }
        Operation::Resizing(allowed) => table.set_resizing(allowed),
        Operation::Clear => {
            drop(table.take());
            twin.clear();
        }
    }
}

proptest! {
    #[test]
    fn tables_that_share_segments_are_as_maps_that_are_copied_at_once(
        style in 0..4u8, steps in prop::collection::vec(holding(), 0..120),
    ) {
        let live = LIVE.get();
        let mut tables = vec![Sharing::new(small_segments())];
        let mut twins = vec![HashMap::new()];
        for step in steps {
            match step {
                Holding::Copy(at) if tables.len() < 5 => {
                    let at = at % tables.len();
                    tables.push(tables[at].clone());
                    twins.push(twins[at].clone());
                }
                Holding::Drop(at) if tables.len() > 1 => {
                    let at = at % tables.len();
                    tables.swap_remove(at);
                    twins.swap_remove(at);
                }
                Holding::Copy(_) | Holding::Drop(_) => {}
                Holding::Change(at, operation) => {
                    let at = at % tables.len();
                    change(&mut tables[at], &mut twins[at], style, operation);
                }
            }
            for (table, twin) in tables.iter().zip(&twins) {
                prop_assert_eq!(table.len(), twin.len());
            }
        }
        for (table, twin) in tables.iter().zip(&twins) {
            table.check();
            let all: HashMap<_, _> = table.iter().map(|(key, value)| (key.clone(), *value)).collect();
            prop_assert_eq!(&all, twin);
        }
        drop(tables);
        prop_assert_eq!(LIVE.get(), live);
    }
}

#[test]
fn a_change_to_a_shared_table_copies_one_segment_and_none_that_others_have_no_more() {
    let live = LIVE.get();
    let mut table = Sharing::new(small_segments());
    (0..1000).for_each(|number| insert(&mut *table, &key(spread(0, number), 0), 0));
    let image = table.clone();
    insert(&mut *table, &key(spread(0, 1000), 0), 0);
    assert!(LIVE.get() - live <= 1001 + 16);
    drop(image);
    let before = LIVE.get();
    (0..1000).for_each(|number| assert_eq!(remove(&mut *table, &key(spread(0, number), 0)), Some(0)));
    assert_eq!(LIVE.get(), before - 1000);
    drop(table);
    assert_eq!(LIVE.get(), live);
}

#[test]
fn another_thread_reads_and_drops_segments_that_are_changed_here() {
    use crate::types::item::Item;
    let mut table: Sharing<Table<Item>> = Sharing::new(Table::new(HashSeed::of_process()));
    for round in 0..20u64 {
        let image = table.clone();
        let reader = std::thread::spawn(move || assert_eq!(image.iter().count() as u64, 3000 * round));
        for number in 3000 * round..3000 * (round + 1) {
            let text = number.to_le_bytes();
            let hash = table.hash(&text);
            table.insert_new(hash, Item::new(&text));
        }
        reader.join().expect("it saw one value");
    }
}
