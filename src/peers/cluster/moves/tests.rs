//! Both sides of a task together, without sockets, clocks or databases: a keyspace of numbers by slot.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::export::{Export, Fate, Limits, Step};
use super::import::{self, Import};
use super::{Operation, Task, TaskState, ranges_text};
use crate::peers::cluster::{NodeId, SlotSet};
use crate::util::random::Random;

const LIMITS: Limits =
    Limits { lag_bytes_max: 40, pause_ms_max: 1000, drain_ms_max: 0, held_otherwise: false, silence_ms_max: 60_000 };
const SLOTS: u16 = 4;
const KEYS: u8 = 6;

/// Keys of a slot and their values.
type Keyspace = BTreeMap<(u16, u8), u64>;

/// What the stream carries, each of ten bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// A key as it is, or that it is not.
    State(u16, u8, Option<u64>),
    /// A change that depends on what is there: two keys of a slot change places.
    Swap(u16, u8, u8),
    /// A number is added to a key's value.
    Add(u16, u8, u64),
    SnapshotEnd,
    StreamEnd(i64),
    TakeOver,
    SignOfLife,
}

const BYTES: usize = 10;

fn change(keys: &mut Keyspace, sent: Sent) {
    match sent {
        Sent::State(slot, key, Some(value)) => _ = keys.insert((slot, key), value),
        Sent::State(slot, key, None) => _ = keys.remove(&(slot, key)),
        Sent::Swap(slot, one, other) => {
            let (first, second) = (keys.remove(&(slot, one)), keys.remove(&(slot, other)));
            first.map(|value| keys.insert((slot, other), value));
            second.map(|value| keys.insert((slot, one), value));
        }
        Sent::Add(slot, key, value) => *keys.entry((slot, key)).or_default() += value,
        Sent::SnapshotEnd | Sent::StreamEnd(_) | Sent::TakeOver | Sent::SignOfLife => {}
    }
}

fn task(operation: Operation) -> Task {
    let mut random = Random::from_seed(1);
    let ends = (NodeId::random(&mut random), NodeId::random(&mut random));
    Task::new("id".to_owned(), (1..SLOTS).collect(), ends, operation, 0)
}

struct World {
    export: Export,
    import: Import,
    source: Keyspace,
    dest: Keyspace,
    stream: VecDeque<Sent>,
    now_ms: i64,
    writes_held: bool,
    failed: bool,
    taken: bool,
}

impl World {
    fn new() -> World {
        let source: Keyspace =
            (0..SLOTS).flat_map(|slot| (0..KEYS / 2).map(move |key| ((slot, key), u64::from(key)))).collect();
        let (export, mut import) = (Export::new(task(Operation::Migrate), 9, 0), Import::new(task(Operation::Import)));
        import.connecting(0);
        import.stream_begins(9, 0);
        let dest = Keyspace::new();
        let stream = VecDeque::new();
        World { export, import, source, dest, stream, now_ms: 0, writes_held: false, failed: false, taken: false }
    }

    fn say(&mut self, sent: Sent) {
        self.stream.push_back(sent);
        self.export.added(BYTES, self.now_ms);
    }

    fn write(&mut self, sent: Sent, keys: &[u8], slot: u16) {
        if self.writes_held {
            return;
        }
        change(&mut self.source, sent);
        match self.export.fate(slot) {
            Fate::Ignore => {}
            Fate::Send => self.say(sent),
            Fate::Touch => keys.iter().for_each(|key| self.export.touch(&[*key])),
            Fate::Forbidden => self.failed = true,
        }
    }

    /// Sends one key of the slot whose turn it is, or ends it.
    fn send_keys(&mut self) {
        let Some(walk) = self.export.walk() else { return };
        let (slot, from) = (walk.slot, walk.cursor.unwrap_or(0) as u8);
        let next = self.source.range((slot, from)..(slot, KEYS)).next().map(|((_, key), value)| (*key, *value));
        match next {
            Some((key, value)) => {
                walk.cursor = Some(u64::from(key) + 1);
                self.say(Sent::State(slot, key, Some(value)));
            }
            None => {
                for key in self.export.end_walk() {
                    self.say(Sent::State(slot, key[0], self.source.get(&(slot, key[0])).copied()));
                }
            }
        }
    }

    fn settle(&mut self) {
        while let Some(step) = self.export.settle(&LIMITS, self.now_ms) {
            match step {
                Step::EndSnapshot => self.say(Sent::SnapshotEnd),
                Step::Hold { lease_ms } => {
                    self.writes_held = true;
                    self.say(Sent::StreamEnd(lease_ms));
                }
                Step::SignOfLife => self.say(Sent::SignOfLife),
                Step::GiveUp(_) => {
                    self.failed = true;
                    return;
                }
            }
        }
    }

    fn receive(&mut self) {
        let Some(sent) = self.stream.pop_front() else { return };
        let offset = self.import_offset() + BYTES as u64;
        match sent {
            Sent::SnapshotEnd => self.import.snapshot_ended(),
            Sent::StreamEnd(lease_ms) => {
                self.import.stream_ended(lease_ms, self.now_ms).expect("the snapshot has ended");
                assert!(self.import.becomes_ready(true, self.now_ms));
                match self.export.ready(offset, 5, &LIMITS, self.now_ms) {
                    Ok(()) => self.say(Sent::TakeOver),
                    Err(_) => self.failed = true,
                }
            }
            Sent::TakeOver => self.taken = self.import.may_take_over(self.now_ms),
            sent => change(&mut self.dest, sent),
        }
        self.import.applied(offset, self.now_ms);
    }

    fn import_offset(&mut self) -> u64 {
        let import::Step::Ack(offset) = self.import.ack(self.now_ms) else { panic!("no offset") };
        offset
    }
}

proptest! {
    #[test]
    fn what_the_destination_takes_over_is_what_the_source_has(
        events in proptest::collection::vec((0u8..12, 0u16..SLOTS, 0u8..KEYS, 0u8..KEYS), 0..400),
    ) {
        let mut world = World::new();
        // At the end all that is under way comes, and time goes on: an answer that was late is given up then.
        let end = (0..2000).map(|number| (if number % 10 == 0 { 10 } else { 11 }, 0, 1, 0));
        for (event, slot, one, other) in events.into_iter().chain(end) {
            match event {
                0 => world.write(Sent::Swap(slot, one, other), &[one, other], slot),
                1 => world.write(Sent::Add(slot, one, u64::from(other)), &[one], slot),
                2 => world.write(Sent::State(slot, one, None), &[one], slot),
                3..6 => world.send_keys(),
                6..9 => world.receive(),
                9 => {
                    let offset = world.import_offset();
                    world.export.acked(offset, world.now_ms);
                }
                10 => world.now_ms += i64::from(one) * 90,
                _ => {
                    world.send_keys();
                    world.receive();
                    let offset = world.import_offset();
                    world.export.acked(offset, world.now_ms);
                }
            }
            world.settle();
            if world.failed || world.taken {
                break;
            }
        }
        prop_assert!(world.failed || world.taken, "it ends: {:?}", world.export.task.state);
        if world.taken {
            prop_assert!(world.writes_held && !world.failed);
            world.source.retain(|(slot, _), _| *slot != 0);
            prop_assert_eq!(&world.dest, &world.source);
        }
    }
}

#[test]
fn the_destination_takes_nothing_once_the_source_may_have_gone_on() {
    let mut world = World::new();
    let reach = |world: &mut World, state: TaskState| {
        for _ in 0..100 {
            if world.export.task.state == state {
                return;
            }
            world.send_keys();
            world.settle();
            if !world.stream.is_empty() && !matches!(world.stream[0], Sent::StreamEnd(_)) {
                world.receive();
            }
            let offset = world.import_offset();
            world.export.acked(offset, world.now_ms);
        }
        panic!("not reached: {state:?}");
    };
    reach(&mut world, TaskState::Handoff);
    while world.import.task.state != TaskState::Takeover {
        world.receive();
    }
    assert_eq!(world.export.task.state, TaskState::StreamEof);
    // Until the end of the lease it may, later it may not; and only then the source goes on.
    assert!(world.import.may_take_over(LIMITS.lease_ms()));
    assert!(!world.import.may_take_over(LIMITS.lease_ms() + 1));
    assert_eq!(world.export.settle(&LIMITS, LIMITS.pause_ms_max - 1), None);
    assert!(matches!(world.export.settle(&LIMITS, LIMITS.pause_ms_max), Some(Step::GiveUp(_))));
    // What is ready in the second half of the pause is not let take over at all.
    let mut late = World::new();
    reach(&mut late, TaskState::Handoff);
    late.now_ms = LIMITS.pause_ms_max - LIMITS.lease_ms() + 1;
    while late.import.task.state != TaskState::Takeover {
        late.receive();
    }
    assert!(late.failed && late.export.task.state == TaskState::Handoff);
}

#[test]
fn a_destination_that_lies_about_its_offset_gets_nothing() {
    let mut export = Export::new(task(Operation::Migrate), 0, 0);
    while export.walk().is_some() {
        export.end_walk();
    }
    assert!(export.ready(0, 1, &LIMITS, 0).is_err(), "before it was asked");
    assert_eq!(export.settle(&LIMITS, 0), Some(Step::EndSnapshot));
    export.added(100, 0);
    assert_eq!(export.settle(&LIMITS, 0), None, "too much is under way");
    export.acked(u64::MAX, 0);
    assert_eq!(export.settle(&Limits { held_otherwise: true, ..LIMITS }, 0), None);
    assert!(matches!(export.settle(&LIMITS, 0), Some(Step::Hold { .. })));
    export.added(10, 0);
    assert!(export.ready(109, 1, &LIMITS, 0).is_err());
    assert!(export.ready(u64::MAX, 1, &LIMITS, 0).is_err());
    assert_eq!(export.ready(110, 1, &LIMITS, 0), Ok(()));
    assert_eq!(export.fate(1), Fate::Forbidden);
    assert_eq!(export.fate(0), Fate::Ignore);
}

#[test]
fn a_silent_end_is_given_up_and_the_destination_tries_again() {
    let mut export = Export::new(task(Operation::Migrate), 0, 0);
    assert_eq!(export.settle(&LIMITS, 1000), Some(Step::SignOfLife));
    assert!(matches!(export.settle(&LIMITS, LIMITS.silence_ms_max + 1), Some(Step::GiveUp(_))));
    let mut import = Import::new(task(Operation::Import));
    assert_eq!(import.settle(1000, 0), Some(import::Step::Begin));
    import.connecting(0);
    assert_eq!(import.settle(1000, 1000), None);
    assert!(matches!(import.settle(1000, 1001), Some(import::Step::GiveUp(_))));
    import.failed("why", 5000);
    assert_eq!((import.task.state, import.task.last_error.as_str()), (TaskState::Failed, "why (state: connecting)"));
    assert_eq!(import.settle(1000, 5999), None);
    assert_eq!(import.settle(1000, 6000), Some(import::Step::Begin));
    assert_eq!(import.settle(1000, 0), Some(import::Step::Begin), "the clock was set back");
    assert!(import.stream_ended(1, 0).is_err());
}

#[test]
fn replicas_are_waited_for_before_the_source_is_told_that_all_is_there_but_not_for_long() {
    let ended = |lease_ms| {
        let mut import = Import::new(task(Operation::Import));
        import.stream_begins(1, 0);
        import.snapshot_ended();
        import.stream_ended(lease_ms, 0).expect("the snapshot has ended");
        import
    };
    let mut import = ended(5000);
    assert!(!import.may_take_over(0), "the source was not told yet");
    assert!(!import.becomes_ready(false, 1999));
    assert!(import.becomes_ready(true, 1999));
    assert!(!import.becomes_ready(true, 1999), "it is told once");
    assert!(import.may_take_over(1999 + 5000) && !import.may_take_over(1999 + 5001));
    assert!(ended(5000).becomes_ready(false, 2000));
    assert!(ended(500).becomes_ready(false, 250), "half of the lease is gone");
    assert!(ended(5000).becomes_ready(false, -1), "the clock was set back");
}

#[test]
fn progress_is_told_in_percent_and_time_left() {
    let mut task = task(Operation::Import);
    assert_eq!((task.progress_percent(), task.left_ms(0)), (0, None));
    (task.keys_total, task.keys_done) = (200, 50);
    (task.state, task.started_ms) = (TaskState::StreamingBuffer, Some(1000));
    assert_eq!((task.progress_percent(), task.left_ms(2000)), (25, Some(3000)));
    (task.keys_done, task.paused_ms, task.ended_ms) = (u64::MAX, Some(2000), Some(2005));
    assert_eq!((task.progress_percent(), task.left_ms(2000), task.write_pause_ms()), (99, Some(0), 0));
    task.state = TaskState::Completed;
    assert_eq!((task.progress_percent(), task.write_pause_ms()), (100, 5));
    assert_eq!(ranges_text(&SlotSet::from_iter([1, 2, 3, 7])), "1-3 7-7");
}
