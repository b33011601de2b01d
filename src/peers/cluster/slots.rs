//! Sets of slots.

use std::fmt;

use crate::db::slot::SLOTS;

/// Bytes of a set on the bus.
pub const BYTES: usize = SLOTS / 8;

/// A set of slots: a bit each, as it is sent on the bus. An empty one takes no memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SlotSet {
    bits: Option<Box<[u8; BYTES]>>,
    len: usize,
}

impl SlotSet {
    /// The set that was sent.
    pub fn from_bytes(bytes: &[u8; BYTES]) -> SlotSet {
        let len = bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word).count_ones() as usize).sum();
        SlotSet { bits: (len > 0).then(|| Box::new(*bytes)), len }
    }

    /// As it is sent.
    pub fn to_bytes(&self) -> &[u8; BYTES] {
        self.bits.as_deref().unwrap_or(&[0; BYTES])
    }

    /// Takes a slot in; whether it was not there.
    pub fn insert(&mut self, slot: u16) -> bool {
        let added = !self.has(slot);
        if added {
            let bits = self.bits.get_or_insert_with(|| Box::new([0; BYTES]));
            bits[usize::from(slot) / 8] |= 1 << (slot % 8);
            self.len += 1;
        }
        added
    }

    /// Takes a slot out; whether it was there.
    pub fn remove(&mut self, slot: u16) -> bool {
        let removed = self.has(slot);
        if let Some(bits) = self.bits.as_mut().filter(|_| removed) {
            bits[usize::from(slot) / 8] &= !(1 << (slot % 8));
            self.len -= 1;
        }
        if self.len == 0 {
            self.bits = None;
        }
        removed
    }

    /// Whether a slot is in it.
    #[inline]
    pub fn has(&self, slot: u16) -> bool {
        self.bits.as_ref().is_some_and(|bits| bits[usize::from(slot) / 8] & (1 << (slot % 8)) != 0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let bytes = self.bits.iter().flat_map(|bits| bits.iter().enumerate()).filter(|(_, byte)| **byte != 0);
        bytes.flat_map(|(place, byte)| {
            (0..8).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| (place * 8 + bit) as u16)
        })
    }

    /// Runs of slots, each from its first to its last.
    pub fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for slot in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        ranges
    }
}

impl FromIterator<u16> for SlotSet {
    fn from_iter<T: IntoIterator<Item = u16>>(slots: T) -> SlotSet {
        let mut set = SlotSet::default();
        slots.into_iter().for_each(|slot| _ = set.insert(slot));
        set
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_list().entries(self.ranges()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::util::random::Random;

    #[test]
    fn a_set_behaves_as_a_set() {
        let mut random = Random::from_seed(5);
        let (mut set, mut twin) = (SlotSet::default(), BTreeSet::new());
        for _ in 0..20_000 {
            let slot = random.below(SLOTS as u64) as u16;
            if random.below(2) == 0 {
                assert_eq!(set.insert(slot), twin.insert(slot));
            } else {
                assert_eq!(set.remove(slot), twin.remove(&slot));
            }
        }
        assert!(set.iter().eq(twin.iter().copied()));
        assert_eq!((set.len(), set.is_empty()), (twin.len(), twin.is_empty()));
        assert_eq!(SlotSet::from_bytes(set.to_bytes()), set);
        let of_ranges: SlotSet = set.ranges().into_iter().flat_map(|(first, last)| first..=last).collect();
        assert_eq!(of_ranges, set);
        twin.iter().for_each(|slot| _ = set.remove(*slot));
        assert_eq!(set, SlotSet::default());
    }

    #[test]
    fn ranges_reach_both_ends() {
        let all: SlotSet = (0..SLOTS as u16).collect();
        assert_eq!(all.ranges(), [(0, 16383)]);
        let some: SlotSet = [0, 1, 5, 16383].into_iter().collect();
        assert_eq!(some.ranges(), [(0, 1), (5, 5), (16383, 16383)]);
    }
}
