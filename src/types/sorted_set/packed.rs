//! A small sorted set: a listpack of members and scores in turn, in the order of elements.
//!
//! A score that is an integer is an integer of the listpack, others are text, in the shortest form that reads back to
//! the same double. So -0 becomes 0 here, as in Redis, while a big set keeps its sign.

use std::ops::Range;

use super::{Change, Entry, Limits, StoredScore, order};
use crate::types::listpack::{Element, Elements, IntText, Listpack, Position};
use crate::util::number;

/// What a member and a score take at most besides the text of the member: two heads, two lengths, a double.
const PAIR_EXTRA_BYTES_MAX: usize = 48;
/// The greatest score that is kept as an integer.
const INTEGER_MAX: f64 = (1u64 << 62) as f64;

/// The elements.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    pairs: Listpack,
}

/// How an update went.
#[derive(Debug)]
pub enum Updated {
    /// Done.
    Done(Change),
    /// A new member with this score takes another encoding; nothing has changed.
    Outgrown(f64),
}

/// Whether members of these lengths fit a listpack.
pub fn fits(lengths: impl Iterator<Item = usize>) -> bool {
    let bytes = lengths.fold(0usize, |sum, length| sum.saturating_add(length).saturating_add(PAIR_EXTRA_BYTES_MAX));
    Listpack::new().has_room_for(bytes)
}

/// The number a score stands for.
#[inline]
pub fn score_of(element: Element<'_>) -> f64 {
    match element {
        Element::Int(value) => value as f64,
        Element::Bytes(text) => number::parse_f64(text).unwrap_or(0.0),
    }
}

/// The number that an element of unknown origin stands for, if it is one.
pub fn checked_score(element: Element<'_>) -> Option<f64> {
    match element {
        Element::Int(value) => Some(value as f64),
        Element::Bytes(text) => number::parse_f64(text).filter(|score| !score.is_nan()),
    }
}

/// Calls `then` with the form in which a score is kept.
#[inline]
fn with_score<R>(score: f64, then: impl FnOnce(Element<'_>) -> R) -> R {
    if score.abs() <= INTEGER_MAX && score.fract() == 0.0 {
        return then(Element::Int(score as i64));
    }
    let mut text = Vec::with_capacity(32);
    number::append_f64(&mut text, score);
    then(Element::of(&text))
}

impl Packed {
    /// Elements that come in their order.
    pub fn from_sorted<'a>(entries: impl Iterator<Item = (&'a [u8], f64)>) -> Self {
        let mut pairs = Listpack::new().into_roomy();
        for (member, score) in entries {
            with_score(score, |score| pairs.insert(pairs.end(), &[Element::of(member), score]));
        }
        Self { pairs: pairs.into_exact() }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.pairs.len() / 2
    }

    /// The memory it owns.
    pub fn heap_bytes(&self) -> usize {
        self.pairs.capacity()
    }

    /// The listpack, as RDB files contain it.
    pub fn listpack(&self) -> &Listpack {
        &self.pairs
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(member).map(|(_, score_at)| score_of(self.pairs.get(score_at)))
    }

    /// Where a member and its score stand.
    #[inline]
    fn find(&self, member: &[u8]) -> Option<(Position, Position)> {
        let member_at = self.pairs.find(member, self.pairs.first()?, 2)?;
        Some((member_at, self.pairs.next(member_at)?))
    }

    /// See `SortedSet::update`.
    #[inline]
    pub fn update(
        &mut self,
        member: &[u8],
        limits: Limits,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Updated {
        let Some((member_at, score_at)) = self.find(member) else {
            let Some(score) = decide(None) else { return Updated::Done(Change::None) };
            let more = member.len().saturating_add(PAIR_EXTRA_BYTES_MAX);
            if self.len() >= limits.entries || member.len() > limits.value || !self.pairs.has_room_for(more) {
                return Updated::Outgrown(score);
            }
            self.insert_new(member, score);
            return Updated::Done(Change::Added);
        };
        let current = score_of(self.pairs.get(score_at));
        match decide(Some(current)) {
            Some(score) if score != current => self.change_score(member, (member_at, score_at), score),
            Some(_) | None => return Updated::Done(Change::None),
        }
        Updated::Done(Change::Updated)
    }

    /// Adds a member that is not there.
    fn insert_new(&mut self, member: &[u8], score: f64) {
        let at = self.place_of(member, score);
        with_score(score, |score| self.pairs.insert(at, &[Element::of(member), score]));
    }

    /// The position of the first element that comes behind this one.
    fn place_of(&self, member: &[u8], score: f64) -> Position {
        let mut room = IntText::new();
        let mut elements = self.pairs.iter();
        loop {
            let at = elements.position();
            let Some((other, other_score)) = elements.next().zip(elements.next()) else { return at };
            let other_score = score_of(other_score);
            if other_score > score || other_score == score && other.text(&mut room) > member {
                return at;
            }
        }
    }

    fn change_score(&mut self, member: &[u8], (member_at, score_at): (Position, Position), score: f64) {
        let mut room = IntText::new();
        let before = self.pairs.iter_before(member_at).next_back().zip(self.pairs.iter_before(member_at).nth_back(1));
        let mut behind = self.pairs.iter_from(score_at).skip(1);
        let behind = behind.next().zip(behind.next());
        let keeps_place = before.is_none_or(|(other_score, other)| {
            order((score_of(other_score), other.text(&mut room)), (score, member)).is_lt()
        }) && behind.is_none_or(|(other, other_score)| {
            order((score, member), (score_of(other_score), other.text(&mut room))).is_lt()
        });
        if keeps_place {
            with_score(score, |score| self.pairs.replace(score_at, score));
        } else {
            self.pairs.remove_many(member_at, 2);
            self.insert_new(member, score);
        }
    }

    /// Removes a member; false if it is not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let Some((member_at, _)) = self.find(member) else { return false };
        self.pairs.remove_many(member_at, 2);
        true
    }

    /// The rank of a member and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let mut elements = self.pairs.iter();
        let mut rank = 0;
        while let Some((other, score)) = elements.next().zip(elements.next()) {
            if other.equals(member) {
                return Some((rank, score_of(score)));
            }
            rank += 1;
        }
        None
    }

    /// The ranks between the elements below a range and those above it.
    pub fn ranks(&self, below: impl Fn(&Entry<'_>) -> bool, above: impl Fn(&Entry<'_>) -> bool) -> Range<usize> {
        let mut entries = self.iter(&(0..self.len()));
        let mut start = 0;
        let mut next = entries.next();
        while next.as_ref().is_some_and(&below) {
            start += 1;
            next = entries.next();
        }
        let mut end = start;
        while next.as_ref().is_some_and(|entry| !above(entry)) {
            end += 1;
            next = entries.next();
        }
        start..end
    }

    /// The elements of these ranks; how many they are is for the caller to count.
    pub fn iter(&self, ranks: &Range<usize>) -> Iter<'_> {
        let position = |rank: usize| self.pairs.seek(2 * rank as isize).unwrap_or(self.pairs.end());
        let (start, end) = (position(ranks.start), position(ranks.end));
        Iter { front: self.pairs.iter_from(start), back: self.pairs.iter_before(end) }
    }

    /// Removes the elements of some ranks.
    pub fn remove_ranks(&mut self, ranks: &Range<usize>) {
        if let Some(at) = self.pairs.seek(2 * ranks.start as isize) {
            self.pairs.remove_many(at, 2 * ranks.len());
        }
    }
}

/// Elements in their order, from both ends, which may run past each other.
#[derive(Debug)]
pub struct Iter<'a> {
    front: Elements<'a>,
    back: Elements<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let (member, score) = self.front.next().zip(self.front.next())?;
        Some(Entry { member, score: StoredScore::Text(score) })
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let (score, member) = self.back.next_back().zip(self.back.next_back())?;
        Some(Entry { member, score: StoredScore::Text(score) })
    }
}
