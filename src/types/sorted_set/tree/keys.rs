//! The keys of some elements, and finding a place among them.

use std::ops::Range;

use super::Seek;
use crate::types::sorted_set::item::{Slot, middle, upper};

const LANES: usize = 64;
/// Lanes that are looked at together.
const BLOCK: usize = 8;
/// The most entries of a node.
pub const ENTRIES_MAX: usize = LANES - 1;
/// The upper half of an entry that is not in use: no score has it.
pub const UNUSED: i32 = i32::MAX;

/// The keys of some elements, in order.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Upper halves of score keys; see `UNUSED`.
    pub uppers: [i32; LANES],
    /// Middle bits and addresses.
    pub slots: [Slot; ENTRIES_MAX],
    len: u16,
}

const _: () = assert!(size_of::<Keys>() == 768);

impl Keys {
    /// No keys.
    pub fn new() -> Self {
        Self { uppers: [UNUSED; LANES], slots: [Slot::default(); ENTRIES_MAX], len: 0 }
    }

    /// How many there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Those in use.
    #[inline(always)]
    pub fn slots(&self) -> &[Slot] {
        &self.slots[..self.len()]
    }

    /// How many of the elements come before a place.
    #[inline]
    pub fn count_before(&self, seek: &impl Seek) -> usize {
        let Some(key) = seek.key() else {
            return self.slots().partition_point(|slot| seek.passes(slot.item()));
        };
        let sought = upper(key);
        let lower = self.count_lower(sought);
        if self.uppers[lower] != sought || lower >= self.len() {
            return lower;
        }
        let equal = self.uppers[lower..self.len()].iter().take_while(|upper| **upper == sought).count();
        let sought = middle(key);
        lower
            + self.slots[lower..lower + equal].partition_point(|slot| match slot.middle().cmp(&sought) {
                std::cmp::Ordering::Less => true,
                std::cmp::Ordering::Equal => seek.passes(slot.item()),
                std::cmp::Ordering::Greater => false,
            })
    }

    /// How many upper halves are less than one, which is none that `UNUSED` is less than. First the last lane of each
    /// block is looked at, then all lanes of one block: no look waits for another within these, nor does the memory.
    #[inline(always)]
    fn count_lower(&self, sought: i32) -> usize {
        let (blocks, _) = self.uppers.as_chunks::<BLOCK>();
        let lesser = blocks.iter().map(|block| usize::from(block[BLOCK - 1] < sought)).sum::<usize>();
        // The last lane of all is never in use.
        let block = &blocks[lesser % blocks.len()];
        lesser * BLOCK + block.iter().map(|upper| u32::from(*upper < sought)).sum::<u32>() as usize
    }

    /// Puts an entry in; there is room.
    pub fn insert(&mut self, at: usize, (upper, slot): (i32, Slot)) {
        let len = self.len();
        self.uppers.copy_within(at..len, at + 1);
        self.slots.copy_within(at..len, at + 1);
        (self.uppers[at], self.slots[at]) = (upper, slot);
        self.len += 1;
    }

    /// Replaces an entry.
    pub fn set(&mut self, at: usize, (upper, slot): (i32, Slot)) {
        (self.uppers[at], self.slots[at]) = (upper, slot);
    }

    /// The first entry.
    pub fn first(&self) -> (i32, Slot) {
        (self.uppers[0], self.slots[0])
    }

    /// Puts an entry behind all others; there is room.
    pub fn push(&mut self, upper: i32, slot: Slot) {
        self.insert(self.len(), (upper, slot));
    }

    /// Takes entries out.
    pub fn remove(&mut self, range: Range<usize>) {
        let len = self.len();
        self.uppers.copy_within(range.end..len, range.start);
        self.slots.copy_within(range.end..len, range.start);
        let left = len - range.len();
        self.uppers[left..len].fill(UNUSED);
        self.len = left as u16;
    }

    /// Moves the first `count` to the end of others.
    pub fn move_front(&mut self, count: usize, left: &mut Keys) {
        let end = left.len();
        left.uppers[end..end + count].copy_from_slice(&self.uppers[..count]);
        left.slots[end..end + count].copy_from_slice(&self.slots[..count]);
        left.len += count as u16;
        self.remove(0..count);
    }

    /// Moves the last `count` to the beginning of others.
    pub fn move_back(&mut self, count: usize, right: &mut Keys) {
        let (len, right_len) = (self.len(), right.len());
        right.uppers.copy_within(..right_len, count);
        right.slots.copy_within(..right_len, count);
        right.uppers[..count].copy_from_slice(&self.uppers[len - count..len]);
        right.slots[..count].copy_from_slice(&self.slots[len - count..len]);
        right.len += count as u16;
        self.remove(len - count..len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lower_keys_are_counted_as_one_by_one(
            mut uppers in prop::collection::vec(-20..20i32, 0..=ENTRIES_MAX), sought in -21..=20i32, extreme: bool,
        ) {
            uppers.sort_unstable();
            let mut keys = Keys::new();
            uppers.iter().for_each(|upper| keys.push(*upper, Slot::default()));
            let sought = if extreme { sought.signum().saturating_mul(i32::MAX) } else { sought };
            let expected = uppers.iter().filter(|upper| **upper < sought).count();
            prop_assert_eq!(keys.count_lower(sought), expected);
        }
    }
}
