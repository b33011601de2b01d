//! Sets of slots.

use std::fmt;
use std::ops::RangeInclusive;

/// How many slots there are.
pub const SLOTS: u16 = 16384;

const WORDS: usize = SLOTS as usize / 64;

/// A set of slots, a bit for each.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotSet(Box<[u64; WORDS]>);

impl SlotSet {
    /// The empty set.
    pub fn new() -> SlotSet {
        SlotSet(Box::new([0; WORDS]))
    }

    /// Adds a slot, which is below [`SLOTS`].
    pub fn insert(&mut self, slot: u16) {
        self.0[usize::from(slot / 64)] |= 1 << (slot % 64);
    }

    /// Takes a slot out.
    pub fn remove(&mut self, slot: u16) {
        self.0[usize::from(slot / 64)] &= !(1 << (slot % 64));
    }

    /// Whether it is in the set.
    pub fn contains(&self, slot: u16) -> bool {
        self.0[usize::from(slot / 64)] >> (slot % 64) & 1 == 1
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The slots in their order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..SLOTS).filter(|slot| self.contains(*slot))
    }

    /// The slots that are not in the set, in their order.
    pub fn missing(&self) -> impl Iterator<Item = u16> + '_ {
        (0..SLOTS).filter(|slot| !self.contains(*slot))
    }

    /// Adds all slots of another set.
    pub fn add(&mut self, other: &SlotSet) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(own, others)| *own |= others);
    }

    /// The runs of slots that follow one another.
    pub fn ranges(&self) -> Vec<RangeInclusive<u16>> {
        let mut ranges: Vec<RangeInclusive<u16>> = Vec::new();
        for slot in self.iter() {
            match ranges.last_mut().filter(|range| *range.end() + 1 == slot) {
                Some(range) => *range = *range.start()..=slot,
                None => ranges.push(slot..=slot),
            }
        }
        ranges
    }
}

impl Default for SlotSet {
    fn default() -> SlotSet {
        SlotSet::new()
    }
}

impl FromIterator<u16> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> SlotSet {
        let mut set = SlotSet::new();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

/// As people read it: `[0-5460],[7000]`.
impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.ranges().into_iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            match range.start() == range.end() {
                true => write!(f, "{comma}[{}]", range.start())?,
                false => write!(f, "{comma}[{}-{}]", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_are_written_as_ranges() {
        let set = SlotSet::from_iter([0, 1, 2, 63, 64, 65, 7000, 16383]);
        assert_eq!(set.to_string(), "[0-2],[63-65],[7000],[16383]");
        assert_eq!(SlotSet::new().to_string(), "");
        assert_eq!(SlotSet::from_iter(0..SLOTS).to_string(), "[0-16383]");
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in proptest::collection::vec((any::<bool>(), 0..SLOTS), 0..200)) {
            let (mut set, mut model) = (SlotSet::new(), BTreeSet::new());
            for (adds, slot) in steps {
                match adds {
                    true => { set.insert(slot); model.insert(slot); }
                    false => { set.remove(slot); model.remove(&slot); }
                }
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.is_empty(), model.is_empty());
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert!(set.missing().all(|slot| !model.contains(&slot)));
            let of_ranges: SlotSet = set.ranges().into_iter().flatten().collect();
            prop_assert_eq!(of_ranges, set);
        }
    }
}
