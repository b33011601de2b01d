//! Sets of integers as Redis keeps them, byte for byte: sorted, in the least width that holds them all.
//!
//! ```text
//! ┌───────────┬──────────┬─────────┬─────────┬───┐     all little-endian; width: 2, 4 or 8 bytes;
//! │ width u32 │ len  u32 │ integer │ integer │ … │     integers ascending, none twice
//! └───────────┴──────────┴─────────┴─────────┴───┘
//! ```
//! An integer too wide for the others is less or greater than all of them, so widening never has to search. Removal
//! does not narrow. An empty set has no memory at all.

use std::collections::BTreeSet;
use std::fmt;

const HEAD: usize = 8;
/// The bytes of an empty set.
pub const EMPTY: &[u8] = &[2, 0, 0, 0, 0, 0, 0, 0];

/// A set of integers that owns its bytes, or, over a slice, one that is only looked at.
#[derive(Clone, Copy, Default)]
pub struct Intset<S = Box<[u8]>> {
    /// A valid set, or nothing at all for an empty one.
    storage: S,
}

/// The bytes that an integer takes at least.
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

fn write_head(bytes: &mut [u8], width: usize, len: usize) {
    bytes[..4].copy_from_slice(&(width as u32).to_le_bytes());
    bytes[4..HEAD].copy_from_slice(&(len as u32).to_le_bytes());
}

/// Whether bytes begin with a width and a length, and have as many as that asks for.
fn is_sized(bytes: &[u8]) -> bool {
    let Some((&[a, b, c, d, e, f, g, h], rest)) = bytes.split_first_chunk::<HEAD>() else { return false };
    let (width, len) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    matches!(width, 2 | 4 | 8) && len > 0 && (width as usize).checked_mul(len as usize) == Some(rest.len())
}

impl<'a> Intset<&'a [u8]> {
    /// Looks at bytes that are an [`Intset`]'s own, or none.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { storage: bytes }
    }
}

impl<S: AsRef<[u8]>> Intset<S> {
    /// All its bytes: what RDB files contain.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let bytes = self.storage.as_ref();
        if bytes.is_empty() { EMPTY } else { bytes }
    }

    /// The number of integers.
    #[inline]
    pub fn len(&self) -> usize {
        let bytes = self.bytes();
        u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn width(&self) -> usize {
        usize::from(self.bytes()[0])
    }

    /// The integer at an index in ascending order; panics if there is none.
    #[inline]
    pub fn get(&self, index: usize) -> i64 {
        let bytes = &self.bytes()[HEAD..];
        match self.width() {
            2 => i64::from(i16::from_le_bytes(bytes.as_chunks().0[index])),
            4 => i64::from(i32::from_le_bytes(bytes.as_chunks().0[index])),
            _ => i64::from_le_bytes(bytes.as_chunks().0[index]),
        }
    }

    /// The least integer.
    pub fn first(&self) -> Option<i64> {
        (!self.is_empty()).then(|| self.get(0))
    }

    /// The greatest integer.
    pub fn last(&self) -> Option<i64> {
        self.len().checked_sub(1).map(|last| self.get(last))
    }

    /// Where an integer stands, or else where it would.
    #[inline]
    pub fn search(&self, value: i64) -> Result<usize, usize> {
        let bytes = &self.bytes()[HEAD..];
        match self.width() {
            2 => bytes.as_chunks().0.binary_search_by(|&raw| i64::from(i16::from_le_bytes(raw)).cmp(&value)),
            4 => bytes.as_chunks().0.binary_search_by(|&raw| i64::from(i32::from_le_bytes(raw)).cmp(&value)),
            _ => bytes.as_chunks().0.binary_search_by(|&raw| i64::from_le_bytes(raw).cmp(&value)),
        }
    }

    /// Whether an integer is in the set.
    #[inline]
    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// The integers in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + '_ {
        (0..self.len()).map(|index| self.get(index))
    }
}

impl Intset {
    /// One from bytes of unknown origin; `None` unless they are a valid set of at least one integer.
    pub fn checked(bytes: Box<[u8]>) -> Result<Self, Box<[u8]>> {
        if !is_sized(&bytes) {
            return Err(bytes);
        }
        let set = Self { storage: bytes };
        let ascending = (1..set.len()).all(|index| set.get(index - 1) < set.get(index));
        if ascending { Ok(set) } else { Err(set.storage) }
    }

    /// One from bytes whose integers are in no order, or are there more than once; `None` unless all else is sound.
    pub fn sorted(bytes: Box<[u8]>) -> Option<Self> {
        if !is_sized(&bytes) {
            return None;
        }
        let unsorted = Self { storage: bytes };
        let ints: BTreeSet<i64> = (0..unsorted.len()).map(|index| unsorted.get(index)).collect();
        let (width, mut bytes) = (unsorted.width(), vec![0; HEAD]);
        write_head(&mut bytes, width, ints.len());
        ints.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()[..width]));
        Some(Self { storage: bytes.into_boxed_slice() })
    }

    /// One from bytes that [`Intset::into_bytes`] gave, or none.
    #[inline]
    pub fn from_own(bytes: Box<[u8]>) -> Self {
        Self { storage: bytes }
    }

    /// Takes its bytes; none for a set that has always been empty.
    #[inline]
    pub fn into_bytes(self) -> Box<[u8]> {
        self.storage
    }

    /// Puts an integer in; false if it is there already.
    pub fn insert(&mut self, value: i64) -> bool {
        let (len, width) = (self.len(), self.width());
        if width_of(value) > width || len == 0 {
            self.widen_for(value);
            return true;
        }
        // Integers often come in ascending order.
        let place = if value > self.get(len - 1) { Err(len) } else { self.search(value) };
        let Err(index) = place else { return false };
        let mut bytes = std::mem::take(&mut self.storage).into_vec();
        let (at, end) = (HEAD + index * width, HEAD + len * width);
        bytes.reserve_exact(width);
        bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        if at < end {
            bytes.copy_within(at..end, at + width);
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        write_head(&mut bytes, width, len + 1);
        self.storage = bytes.into_boxed_slice();
        true
    }

    /// Puts in an integer that is wider than all others, or the first one.
    fn widen_for(&mut self, value: i64) {
        let (len, width) = (self.len(), width_of(value).max(self.width()));
        let mut bytes = Vec::with_capacity(HEAD + (len + 1) * width);
        bytes.extend_from_slice(EMPTY);
        let (before, behind) = if value < 0 { (Some(value), None) } else { (None, Some(value)) };
        for value in before.into_iter().chain(self.iter()).chain(behind) {
            bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        write_head(&mut bytes, width, len + 1);
        self.storage = bytes.into_boxed_slice();
    }

    /// Takes an integer out; false if it is not there.
    pub fn remove(&mut self, value: i64) -> bool {
        let place = self.search(value);
        if let Ok(index) = place {
            self.remove_at(index);
        }
        place.is_ok()
    }

    /// Keeps the integers that `keep` says yes to; it is asked for each, in ascending order.
    pub fn retain(&mut self, mut keep: impl FnMut(i64) -> bool) {
        let (len, width) = (self.len(), self.width());
        let kept: Vec<usize> = (0..len).filter(|&index| keep(self.get(index))).collect();
        let mut bytes = std::mem::take(&mut self.storage).into_vec();
        for (to, from) in kept.iter().enumerate() {
            bytes.copy_within(HEAD + from * width..HEAD + (from + 1) * width, HEAD + to * width);
        }
        bytes.truncate(HEAD + kept.len() * width);
        if !bytes.is_empty() {
            write_head(&mut bytes, width, kept.len());
        }
        self.storage = bytes.into_boxed_slice();
    }

    /// Takes the integer at an index out; panics if there is none.
    pub fn remove_at(&mut self, index: usize) {
        let (len, width) = (self.len(), self.width());
        let mut bytes = std::mem::take(&mut self.storage).into_vec();
        let at = HEAD + index * width;
        bytes.drain(at..at + width);
        write_head(&mut bytes, width, len - 1);
        self.storage = bytes.into_boxed_slice();
    }
}

impl<S: AsRef<[u8]>> fmt::Debug for Intset<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The bytes by the book: all integers in the width that the widest ever needed.
    fn bytes_of(set: &BTreeSet<i64>, width: usize) -> Vec<u8> {
        let mut bytes = [(width as u32).to_le_bytes(), (set.len() as u32).to_le_bytes()].concat();
        set.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()[..width]));
        bytes
    }

    fn integer() -> impl Strategy<Value = i64> {
        prop_oneof![
            -20i64..20,
            any::<i16>().prop_map(i64::from),
            any::<i32>().prop_map(i64::from),
            any::<i64>(),
            prop::sample::select(vec![-32769, -32768, 32767, 32768, i64::MIN, i64::MAX]),
            prop::sample::select(vec![i64::from(i32::MIN) - 1, i64::from(i32::MIN), i64::from(i32::MAX), 1 << 31]),
        ]
    }

    #[test]
    fn an_empty_set_owns_nothing_and_has_the_head_alone() {
        let set = Intset::default();
        assert_eq!((set.len(), set.first(), set.last()), (0, None, None));
        assert_eq!(set.bytes(), EMPTY);
        assert!(!set.contains(0) && set.clone().into_bytes().is_empty());
    }

    #[test]
    fn bytes_are_those_of_redis() {
        let mut set = Intset::default();
        assert!([5, -1, 5, 300].map(|value| set.insert(value)) == [true, true, false, true]);
        assert_eq!(set.bytes(), [2, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 5, 0, 0x2c, 1]);
        set.insert(-40_000);
        assert_eq!(set.bytes()[..12], [4, 0, 0, 0, 4, 0, 0, 0, 0xc0, 0x63, 0xff, 0xff]);
    }

    #[test]
    fn malformed_bytes_are_refused() {
        let check = |bytes: &[u8]| Intset::checked(bytes.into()).is_ok();
        assert!(check(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0]));
        let wrong: &[&[u8]] = &[
            b"",
            &[2, 0, 0, 0, 1, 0, 0],
            EMPTY,
            &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0],
            &[2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0],
            &[3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0],
            &[2, 1, 0, 0, 1, 0, 0, 0, 1, 0],
        ];
        assert!(wrong.iter().all(|bytes| !check(bytes)), "{wrong:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_set_is_its_naive_twin_down_to_the_bytes(
            changes in prop::collection::vec((integer(), 0..4u8), 0..80),
        ) {
            let (mut set, mut twin, mut width) = (Intset::default(), BTreeSet::new(), 2);
            for (value, action) in changes {
                if action == 0 {
                    prop_assert_eq!(set.remove(value), twin.remove(&value));
                } else {
                    width = width.max(width_of(value));
                    prop_assert_eq!(set.insert(value), twin.insert(value));
                }
                prop_assert_eq!(set.bytes(), bytes_of(&twin, width));
                prop_assert_eq!(set.contains(value), twin.contains(&value));
                prop_assert_eq!((set.first(), set.last()), (twin.first().copied(), twin.last().copied()));
            }
            prop_assert!(set.iter().eq(twin.iter().copied()));
            prop_assert!(Intset::of(set.bytes()).iter().rev().eq(twin.iter().rev().copied()));
            prop_assert_eq!(Intset::checked(set.bytes().into()).is_ok(), !twin.is_empty());
        }

        #[test]
        fn what_is_retained_is_what_was_asked_for(values in prop::collection::btree_set(integer(), 0..40), modulus in 1i64..4) {
            let mut set = Intset::default();
            values.iter().for_each(|&value| _ = set.insert(value));
            let mut asked = Vec::new();
            set.retain(|value| {
                asked.push(value);
                value % modulus == 0
            });
            prop_assert!(asked.iter().eq(&values));
            prop_assert!(set.iter().eq(values.into_iter().filter(|value| value % modulus == 0)));
        }

        #[test]
        fn no_bytes_at_all_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(mut set) = Intset::checked(bytes.into()) {
                prop_assert!(set.insert(7) || set.contains(7));
                prop_assert!(set.remove(7));
            }
        }
    }
}
