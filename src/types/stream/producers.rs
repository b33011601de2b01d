//! What producers have added, so that nothing is added twice.
//!
//! A producer that does not know whether an entry has arrived adds it again, with its own name and that of the entry.
//! For each producer a stream remembers which names it has seen and which ids these entries got: as long as it is told
//! to, and no more of them than it is told to. How old a record is says the id. All producers together stand in the
//! order of their oldest records, so that what has become too old is found without a look at the others; it goes with the
//! next entry that is added, whoever adds it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::StreamId;

/// For how long, and how much, is remembered of each producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSettings {
    /// Seconds that a record is kept.
    pub duration_s: u32,
    /// Records that are kept of a producer.
    pub records_max: u32,
}

impl ProducerSettings {
    /// For how long something may be remembered, in seconds.
    pub const DURATION_S: RangeInclusive<u32> = 1..=86_400;
    /// How many records there may be of a producer.
    pub const RECORDS_MAX: RangeInclusive<u32> = 1..=10_000;
    /// What holds where nothing is said.
    pub const DEFAULT: ProducerSettings = ProducerSettings { duration_s: 100, records_max: 100 };
}

/// What is known of the producers of a stream.
#[derive(Clone, Debug)]
pub struct Producers {
    settings: ProducerSettings,
    by_name: BTreeMap<Arc<[u8]>, Producer>,
    /// The producers, each behind the id of its oldest record.
    oldest: BTreeSet<(StreamId, Arc<[u8]>)>,
    /// How many records there ever were.
    pub added: u64,
    /// How many entries were not added a second time.
    pub duplicates: u64,
}

/// The records of one producer. There always are some.
#[derive(Clone, Debug, Default)]
struct Producer {
    ids: HashMap<Arc<[u8]>, StreamId>,
    by_age: VecDeque<(StreamId, Arc<[u8]>)>,
}

impl Producers {
    /// Nothing is known yet.
    pub fn new(settings: ProducerSettings) -> Producers {
        Producers { settings, by_name: BTreeMap::new(), oldest: BTreeSet::new(), added: 0, duplicates: 0 }
    }

    /// For how long, and how much, is remembered.
    pub fn settings(&self) -> ProducerSettings {
        self.settings
    }

    /// Sets for how long, and how much, is remembered. If that changes all is forgotten.
    pub fn set(&mut self, settings: ProducerSettings) {
        if self.settings != settings {
            self.settings = settings;
            self.by_name.clear();
            self.oldest.clear();
        }
    }

    /// Whether a stream whose producers were never heard of would have the same to tell.
    pub fn are_unheard_of(&self) -> bool {
        self.settings == ProducerSettings::DEFAULT && self.by_name.is_empty() && self.added == 0 && self.duplicates == 0
    }

    /// The id of the entry to which a producer has given a name, unless that is too long ago.
    pub fn find(&self, producer: &[u8], name: &[u8], now_ms: i64) -> Option<StreamId> {
        let id = self.id(producer, name)?;
        (!self.is_over(id, now_ms)).then_some(id)
    }

    fn id(&self, producer: &[u8], name: &[u8]) -> Option<StreamId> {
        self.by_name.get(producer)?.ids.get(name).copied()
    }

    /// Whether a record is too old.
    pub fn is_over(&self, id: StreamId, now_ms: i64) -> bool {
        let end_ms = id.ms.saturating_add(u64::from(self.settings.duration_s) * 1000);
        u64::try_from(now_ms).is_ok_and(|now_ms| end_ms <= now_ms)
    }

    /// Notes that a producer has given a name to the entry of an id. What is too old by the time of that entry goes,
    /// here as elsewhere where the same is noted later; a clock that is behind keeps it a little longer.
    pub fn record(&mut self, producer: &[u8], name: &[u8], id: StreamId, now_ms: i64) {
        self.age(id, now_ms);
        self.forget(producer, name);
        self.insert(producer, name, id);
        self.added += 1;
    }

    /// Forgets what is too old by the time of an entry that is added, and by the clock.
    pub fn age(&mut self, id: StreamId, now_ms: i64) {
        let now_ms = now_ms.min(i64::try_from(id.ms).unwrap_or(i64::MAX));
        while let Some((oldest, of)) = self.oldest.first()
            && self.is_over(*oldest, now_ms)
        {
            let of = Arc::clone(of);
            self.take(&of, 0);
        }
    }

    /// Puts back a record that was saved; false if there is one of that name.
    pub fn restore(&mut self, producer: &[u8], name: &[u8], id: StreamId) -> bool {
        let is_new = self.id(producer, name).is_none();
        if is_new {
            self.insert(producer, name, id);
        }
        is_new
    }

    fn insert(&mut self, producer: &[u8], name: &[u8], id: StreamId) {
        let (of, name): (Arc<[u8]>, Arc<[u8]>) = (producer.into(), name.into());
        let records = self.by_name.entry(Arc::clone(&of)).or_default();
        let before = records.by_age.front().map(|(id, _)| *id);
        let place = records.by_age.partition_point(|(other, _)| *other <= id);
        records.by_age.insert(place, (id, Arc::clone(&name)));
        records.ids.insert(name, id);
        if place == 0 {
            before.into_iter().for_each(|before| _ = self.oldest.remove(&(before, Arc::clone(&of))));
            self.oldest.insert((id, Arc::clone(&of)));
        }
        if records.by_age.len() > self.settings.records_max as usize {
            self.take(&of, 0);
        }
    }

    fn forget(&mut self, producer: &[u8], name: &[u8]) {
        let Some((of, records)) = self.by_name.get_key_value(producer) else { return };
        let Some(place) = records.place(name) else { return };
        let of = Arc::clone(of);
        self.take(&of, place);
    }

    /// Takes the record at a place from a producer, which goes along with its last one.
    fn take(&mut self, of: &Arc<[u8]>, place: usize) {
        let Some(records) = self.by_name.get_mut(of) else { return };
        let Some((id, name)) = records.by_age.remove(place) else { return };
        records.ids.remove(&name);
        if place == 0 {
            self.oldest.remove(&(id, Arc::clone(of)));
            match records.by_age.front() {
                Some((next, _)) => _ = self.oldest.insert((*next, Arc::clone(of))),
                None => _ = self.by_name.remove(of),
            }
        }
    }

    /// How many producers have records that are not too old, and how many such records there are.
    pub fn tracked(&self, now_ms: i64) -> (usize, usize) {
        let kept = self.by_name.values().map(|records| {
            let over = records.by_age.partition_point(|(id, _)| self.is_over(*id, now_ms));
            records.by_age.len() - over
        });
        kept.filter(|kept| *kept > 0).fold((0, 0), |(producers, records), kept| (producers + 1, records + kept))
    }

    /// How many producers there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The producers by name, each with its records: how many, and names and ids, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], impl ExactSizeIterator<Item = (&[u8], StreamId)>)> {
        self.by_name.iter().map(|(name, of)| (&**name, of.records()))
    }

    /// How many records there are.
    pub fn records(&self) -> usize {
        self.by_name.values().map(|records| records.by_age.len()).sum()
    }

    /// The memory it owns, about.
    pub fn heap_bytes(&self) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        const PER_RECORD: usize = 2 * size_of::<(StreamId, Arc<[u8]>)>() * 3 / 2 + COUNTS;
        const PER_PRODUCER: usize = size_of::<Producer>() + 2 * size_of::<(StreamId, Arc<[u8]>)>() + COUNTS;
        let records = |records: &Producer| -> usize {
            records.by_age.iter().map(|(_, name)| name.len() + PER_RECORD).sum::<usize>()
        };
        self.by_name.iter().map(|(name, of)| name.len() + PER_PRODUCER + records(of)).sum()
    }
}

impl Producer {
    /// Names and ids, the oldest first.
    fn records(&self) -> impl ExactSizeIterator<Item = (&[u8], StreamId)> {
        self.by_age.iter().map(|(id, name)| (&**name, *id))
    }

    /// Where the record of a name stands.
    fn place(&self, name: &[u8]) -> Option<usize> {
        let id = self.ids.get(name)?;
        let first = self.by_age.partition_point(|(other, _)| other < id);
        let behind = self.by_age.iter().skip(first).position(|(_, other)| **other == *name)?;
        Some(first + behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1000;

    fn producers(duration_s: u32, records_max: u32) -> Producers {
        Producers::new(ProducerSettings { duration_s, records_max })
    }

    #[test]
    fn a_record_lasts_as_long_as_it_is_told_to() {
        let mut producers = producers(2, 10);
        producers.record(b"p", b"one", StreamId::new(1000, 0), 1000);
        assert_eq!(producers.find(b"p", b"one", 2999), Some(StreamId::new(1000, 0)));
        assert_eq!((producers.find(b"p", b"one", 3000), producers.find(b"q", b"one", 1000)), (None, None));
        assert_eq!((producers.tracked(2999), producers.tracked(3000)), ((1, 1), (0, 0)));
        // Whoever adds something next has it forgotten.
        producers.record(b"q", b"two", StreamId::new(3000, 0), 3000);
        assert_eq!((producers.len(), producers.records()), (1, 1));
        // An id from the future is no reason to forget earlier.
        producers.record(b"q", b"far", StreamId::new(90_000, 0), 3500);
        assert_eq!(producers.find(b"q", b"two", 3500), Some(StreamId::new(3000, 0)));
        assert_eq!((producers.added, producers.duplicates), (3, 0));
    }

    #[test]
    fn each_producer_has_room_of_its_own() {
        let mut producers = producers(100, 3);
        for number in 0..100u64 {
            producers.record(b"busy", number.to_string().as_bytes(), StreamId::new(SECOND + number, 0), 1000);
        }
        producers.record(b"calm", b"0", StreamId::new(2 * SECOND, 0), 1000);
        let found = |name: &str| producers.find(b"busy", name.as_bytes(), 1000).is_some();
        assert_eq!(["96", "97", "98", "99"].map(found), [false, true, true, true]);
        assert!(producers.find(b"calm", b"0", 1000).is_some());
    }

    #[test]
    fn other_settings_make_it_forget_and_the_same_do_not() {
        let mut producers = producers(100, 100);
        producers.record(b"p", b"one", StreamId::new(1, 0), 1);
        producers.set(ProducerSettings::DEFAULT);
        assert_eq!(producers.records(), 1);
        producers.set(ProducerSettings { records_max: 99, ..ProducerSettings::DEFAULT });
        assert_eq!((producers.records(), producers.tracked(1), producers.added), (0, (0, 0), 1));
    }

    /// The same without any order: what is to be known is looked for.
    struct Twin {
        settings: ProducerSettings,
        records: Vec<(u8, u8, StreamId)>,
    }

    impl Twin {
        fn find(&self, producer: u8, name: u8, now_ms: i64) -> Option<StreamId> {
            let over = |id: StreamId| id.ms + u64::from(self.settings.duration_s) * 1000 <= now_ms as u64;
            let found = self.records.iter().find(|(of, record, _)| (*of, *record) == (producer, name));
            found.map(|(.., id)| *id).filter(|id| !over(*id))
        }

        fn record(&mut self, producer: u8, name: u8, id: StreamId, now_ms: i64) {
            let now_ms = (now_ms as u64).min(id.ms);
            let duration_ms = u64::from(self.settings.duration_s) * 1000;
            self.records.retain(|(of, record, id)| id.ms + duration_ms > now_ms && (*of, *record) != (producer, name));
            self.records.push((producer, name, id));
            self.records.sort_by_key(|(.., id)| *id);
            let own = self.records.iter().filter(|(of, ..)| *of == producer).count();
            if own > self.settings.records_max as usize {
                let first = self.records.iter().position(|(of, ..)| *of == producer).expect("own ones");
                self.records.remove(first);
            }
        }
    }

    proptest! {
        #[test]
        fn producers_remember_what_a_list_does(
            steps in prop::collection::vec((0u8..4, 0u8..6, 0u64..900, any::<bool>()), 1..200),
            duration_s in 1u32..4,
            records_max in 1u32..5,
        ) {
            let settings = ProducerSettings { duration_s, records_max };
            let (mut producers, mut twin) = (Producers::new(settings), Twin { settings, records: Vec::new() });
            let mut ms = 5000u64;
            for (number, (producer, name, step, backwards)) in steps.into_iter().enumerate() {
                // Ids come in order, but for those that are told later.
                ms += step;
                let id = StreamId::new(if backwards { ms - step / 2 } else { ms }, number as u64);
                let now_ms = ms as i64 - i64::from(name) * 100;
                prop_assert_eq!(producers.find(&[producer], &[name], now_ms), twin.find(producer, name, now_ms));
                producers.record(&[producer], &[name], id, now_ms);
                twin.record(producer, name, id, now_ms);
                let mut told: Vec<(u8, u8, StreamId)> = Vec::new();
                for (of, records) in producers.iter() {
                    prop_assert!(records.len() > 0);
                    told.extend(records.map(|(name, id)| (of[0], name[0], id)));
                }
                told.sort_by_key(|(.., id)| *id);
                prop_assert_eq!(&told, &twin.records);
                prop_assert_eq!(producers.oldest.len(), producers.len());
                prop_assert_eq!(producers.records(), told.len());
            }
        }
    }
}
