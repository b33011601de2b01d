//! Listpacks with spare room at both ends, for queues.
//!
//! ```text
//! ┌────────────┬────────────────────────────────────────┬────────────┐
//! │ spare room │ header, elements, end: a listpack      │ spare room │
//! └────────────┴────────────────────────────────────────┴────────────┘
//! ```
//! An element that comes at the front is written over the old header, with a new header before it; one that goes from
//! there has the header move up. So neither end moves what lies between, and the whole is a listpack at any time.
//! Whatever else changes uses the ways of all listpacks, and gives up the room at the front.

use super::{EMPTY, END, Element, HEADER_BYTES, Listpack, Pack, Position, Storage, UNCOUNTED, size_at};
use crate::util::alloc::size_class;

/// A listpack with spare room at both ends.
pub type GappedListpack = Pack<Gapped>;

/// Bytes with spare room around them.
#[derive(Default)]
pub struct Gapped {
    room: Box<[u8]>,
    begin: u32,
    end: u32,
}

/// How much spare room is made when there is none left.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// One in so many bytes that are needed.
    pub divisor: usize,
    /// Room and content together take no more than this, unless the content does.
    pub bytes_max: usize,
}

impl Growth {
    fn room_for(self, bytes: usize) -> usize {
        size_class(bytes + bytes / self.divisor).min(self.bytes_max).max(bytes)
    }
}

/// An end of the room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Front,
    Back,
}

impl Clone for Gapped {
    /// A copy without spare room.
    fn clone(&self) -> Self {
        Self::exact(self.as_ref().into())
    }
}

impl AsRef<[u8]> for Gapped {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.room[self.begin as usize..self.end as usize]
    }
}

impl Storage for Gapped {
    fn take(&mut self) -> Vec<u8> {
        let Self { room, begin, end } = std::mem::take(self);
        let mut bytes = room.into_vec();
        bytes.truncate(end as usize);
        bytes.drain(..begin as usize);
        bytes
    }

    fn reserve(bytes: &mut Vec<u8>, more: usize) {
        bytes.reserve_exact(more);
    }

    fn put(&mut self, mut bytes: Vec<u8>) {
        let end = bytes.len() as u32;
        bytes.resize(bytes.capacity(), 0);
        *self = Self { room: bytes.into_boxed_slice(), begin: 0, end };
    }
}

impl Gapped {
    fn exact(room: Box<[u8]>) -> Self {
        let end = room.len() as u32;
        Self { room, begin: 0, end }
    }

    fn len(&self) -> usize {
        (self.end - self.begin) as usize
    }

    fn spare(&self, side: Side) -> usize {
        match side {
            Side::Front => self.begin as usize,
            Side::Back => self.room.len() - self.end as usize,
        }
    }

    /// Has at least `need` bytes of spare room at a side. Room that lies at the other side is shared out if there is
    /// enough of it to be worth the move.
    #[cold]
    fn make_room(&mut self, side: Side, need: usize, growth: Growth) {
        let length = self.len();
        let (spare, room) = (self.room.len() - length, growth.room_for(length + need));
        let begin = if spare >= need && (spare > length / 8 || room <= self.room.len()) {
            let share = (spare + need) / 2;
            let begin = if side == Side::Front { share } else { spare - share };
            self.room.copy_within(self.begin as usize..self.end as usize, begin);
            begin
        } else {
            let begin = if side == Side::Front { room - length } else { 0 };
            let mut bytes = Vec::with_capacity(room);
            bytes.resize(begin, 0);
            bytes.extend_from_slice(self.as_ref());
            bytes.resize(room, 0);
            self.room = bytes.into_boxed_slice();
            begin
        };
        self.begin = begin as u32;
        self.end = (begin + length) as u32;
    }
}

impl Pack<Gapped> {
    /// One with the bytes of another, which it takes over.
    pub fn of(pack: Listpack) -> Self {
        Self { storage: Gapped::exact(pack.into_bytes().into_boxed_slice()) }
    }

    /// One from bytes that were taken from such a listpack.
    pub fn trusted(bytes: Box<[u8]>) -> Self {
        Self { storage: Gapped::exact(bytes) }
    }

    /// A copy of the whole without spare room.
    pub fn to_exact(&self) -> Listpack {
        Pack { storage: self.storage.as_ref().into() }
    }

    /// The memory it owns.
    pub fn capacity(&self) -> usize {
        self.storage.room.len()
    }

    /// Puts an element before all others.
    #[inline]
    pub fn push_first(&mut self, element: Element<'_>, growth: Growth) {
        let need = self.room_for(element, Side::Front, growth);
        let Gapped { room, begin, .. } = &mut self.storage;
        let from = *begin as usize;
        let counted = header_count(&room[from..]);
        *begin -= need as u32;
        element.write(&mut room[from - need + HEADER_BYTES..]);
        self.write_header(counted, 1);
    }

    /// Puts an element behind all others.
    #[inline]
    pub fn push_last(&mut self, element: Element<'_>, growth: Growth) {
        let need = self.room_for(element, Side::Back, growth);
        let Gapped { room, begin, end } = &mut self.storage;
        let counted = header_count(&room[*begin as usize..]);
        let at = *end as usize - 1;
        element.write(&mut room[at..]);
        room[at + need] = END;
        *end += need as u32;
        self.write_header(counted, 1);
    }

    /// Has room for an element at a side; returns how many bytes it takes.
    #[inline]
    fn room_for(&mut self, element: Element<'_>, side: Side, growth: Growth) -> usize {
        let need = element.encoded_bytes();
        if self.storage.room.is_empty() {
            self.storage = Gapped::exact(EMPTY.into());
        }
        if self.storage.spare(side) < need {
            self.storage.make_room(side, need, growth);
        }
        need
    }

    /// Removes all elements before a position, that of an element or the end; `count` is how many they are.
    #[inline]
    pub fn cut_before(&mut self, at: Position, count: usize) {
        let counted = header_count(self.storage.as_ref());
        self.storage.begin += (at - HEADER_BYTES) as u32;
        self.write_header(counted, -(count as isize));
    }

    /// Removes all elements from a position on; `count` is how many they are.
    #[inline]
    pub fn cut_from(&mut self, at: Position, count: usize) {
        let Gapped { room, begin, end } = &mut self.storage;
        let counted = header_count(&room[*begin as usize..]);
        *end = *begin + at as u32 + 1;
        room[*end as usize - 1] = END;
        self.write_header(counted, -(count as isize));
    }

    /// Removes the elements at some positions, which ascend.
    pub fn remove_all(&mut self, positions: &[Position]) {
        let Some(first) = positions.first() else { return };
        let Gapped { room, begin, end } = &mut self.storage;
        let bytes = &mut room[*begin as usize..*end as usize];
        let counted = header_count(bytes);
        let mut out = *first;
        for (index, at) in positions.iter().enumerate() {
            let from = at + size_at(bytes, *at);
            let until = positions.get(index + 1).copied().unwrap_or(bytes.len());
            bytes.copy_within(from..until, out);
            out += until - from;
        }
        *end = *begin + out as u32;
        self.write_header(counted, -(positions.len() as isize));
    }

    /// Splits the elements from a position on off, `count` of them.
    pub fn split_off(&mut self, at: Position, count: usize) -> Self {
        let tail = &self.bytes()[at..];
        let mut bytes = Vec::with_capacity(HEADER_BYTES + tail.len());
        bytes.extend_from_slice(&EMPTY[..HEADER_BYTES]);
        bytes.extend_from_slice(tail);
        let mut behind = Self { storage: Gapped::exact(bytes.into_boxed_slice()) };
        behind.write_header(0, count as isize);
        self.cut_from(at, count);
        behind
    }

    /// Gives spare room back if it is more than one in `divisor` bytes of all.
    #[inline]
    pub fn shrink(&mut self, divisor: usize) {
        let Gapped { room, .. } = &self.storage;
        if room.len() - self.storage.len() > room.len() / divisor {
            self.storage = self.storage.clone();
        }
    }

    #[inline]
    fn write_header(&mut self, counted: u16, more: isize) {
        let total = self.storage.end - self.storage.begin;
        let counted = match counted {
            UNCOUNTED => UNCOUNTED,
            counted => u16::try_from(counted as isize + more).unwrap_or(UNCOUNTED),
        };
        let header = &mut self.storage.room[self.storage.begin as usize..][..HEADER_BYTES];
        header[..4].copy_from_slice(&total.to_le_bytes());
        header[4..].copy_from_slice(&counted.to_le_bytes());
    }
}

#[inline]
fn header_count(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[4], bytes[5]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    const GROWTH: Growth = Growth { divisor: 2, bytes_max: 300 };

    #[derive(Clone, Debug)]
    enum Step {
        First(Vec<u8>),
        Last(Vec<u8>),
        CutBefore(usize),
        CutFrom(usize),
        RemoveAll(Vec<bool>),
        Replace(usize, Vec<u8>),
        Split(usize),
        Shrink,
    }

    fn step() -> impl Strategy<Value = Step> {
        let text = || {
            prop_oneof![
                any::<i64>().prop_map(|value| value.to_string().into_bytes()),
                (0..100_i64).prop_map(|value| value.to_string().into_bytes()),
                prop::collection::vec(any::<u8>(), 0..80),
            ]
        };
        prop_oneof![
            6 => text().prop_map(Step::First),
            6 => text().prop_map(Step::Last),
            1 => (0..4_usize).prop_map(Step::CutBefore),
            1 => (0..4_usize).prop_map(Step::CutFrom),
            1 => prop::collection::vec(any::<bool>(), 0..20).prop_map(Step::RemoveAll),
            1 => (0..20_usize, text()).prop_map(|(index, text)| Step::Replace(index, text)),
            1 => (0..20_usize).prop_map(Step::Split),
            1 => Just(Step::Shrink),
        ]
    }

    fn apply(pack: &mut GappedListpack, twin: &mut VecDeque<Vec<u8>>, step: Step) {
        let at = |pack: &GappedListpack, index: usize| pack.seek(index as isize).unwrap_or(pack.end());
        match step {
            Step::First(text) => {
                pack.push_first(Element::of(&text), GROWTH);
                twin.push_front(text);
            }
            Step::Last(text) => {
                pack.push_last(Element::of(&text), GROWTH);
                twin.push_back(text);
            }
            Step::CutBefore(count) if !twin.is_empty() => {
                let count = count.min(twin.len());
                pack.cut_before(at(pack, count), count);
                twin.drain(..count);
            }
            Step::CutFrom(count) if !twin.is_empty() => {
                let left = twin.len() - count.min(twin.len());
                pack.cut_from(at(pack, left), twin.len() - left);
                twin.truncate(left);
            }
            Step::RemoveAll(which) => {
                let gone = |index: usize| which.get(index).copied().unwrap_or(false);
                let positions: Vec<Position> = (0..twin.len())
                    .filter(|index| gone(*index))
                    .filter_map(|index| pack.seek(index as isize))
                    .collect();
                pack.remove_all(&positions);
                let kept = twin.drain(..).enumerate().filter(|(index, _)| !gone(*index));
                *twin = kept.map(|(_, text)| text).collect();
            }
            Step::Replace(index, text) if index < twin.len() => {
                pack.replace(at(pack, index), Element::of(&text));
                twin[index] = text;
            }
            Step::Split(index) if index < twin.len() => {
                let behind = pack.split_off(at(pack, index), twin.len() - index);
                assert_eq!(behind.len(), twin.len() - index);
                pack.append(&behind);
            }
            Step::Shrink => pack.shrink(4),
            Step::CutBefore(_) | Step::CutFrom(_) | Step::Replace(..) | Step::Split(_) => {}
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn both_ends_grow_and_shrink_like_a_deque(steps in prop::collection::vec(step(), 0..80)) {
            let (mut pack, mut twin) = (GappedListpack::new(), VecDeque::new());
            for step in steps {
                apply(&mut pack, &mut twin, step);
                let elements: Vec<Vec<u8>> = pack.iter().map(Element::to_vec).collect();
                prop_assert_eq!(&elements, &Vec::from(twin.clone()));
                prop_assert_eq!(pack.len(), twin.len());
                prop_assert!(Listpack::checked(pack.bytes().to_vec()).is_some());
                let copy = pack.clone();
                prop_assert_eq!(copy.bytes(), pack.bytes());
            }
        }
    }

    #[test]
    fn pushes_at_one_end_seldom_move_what_is_there() {
        let (mut pack, mut moves, mut room) = (GappedListpack::new(), 0, 0);
        let growth = Growth { divisor: 2, bytes_max: 8192 };
        for _ in 0..200 {
            pack.push_first(Element::Bytes(&[b'x'; 32]), growth);
            moves += usize::from(std::mem::replace(&mut room, pack.capacity()) != room);
        }
        assert!(moves < 16, "{moves}");
        assert!(pack.capacity() <= 8192);
    }

    #[test]
    fn the_header_counts_until_it_cannot() {
        let mut pack = GappedListpack::new();
        let growth = Growth { divisor: 1, bytes_max: 1 << 20 };
        (0..65_540).for_each(|_| pack.push_first(Element::Int(7), growth));
        assert_eq!(pack.len(), 65_540);
        let second = pack.next(HEADER_BYTES).expect("a second element");
        (0..10).for_each(|_| pack.cut_before(second, 1));
        assert_eq!(pack.len(), 65_530);
    }
}
