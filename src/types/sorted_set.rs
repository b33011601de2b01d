//! Sorted sets: distinct members, each with a score, in the order of scores and, among equals, of bytes.
//!
//! | encoding | kept as |
//! |---|---|
//! | `listpack` | member, score, member, score … in their order, in one listpack (see [`packed`]) |
//! | `skiplist` | a table of members and a tree in the order of scores that share the elements (see [`ordered`]) |
//!
//! A small set becomes a big one when a member is added beyond the [`Limits`], and never returns by itself.
//!
//! Elements have ranks, from 0 on, and whatever is asked of a range is asked of ranks: a range of scores or of bytes is
//! first turned into one ([`SortedSet::ranks_by_score`], [`SortedSet::ranks_by_lex`]), which takes logarithmic time.
//! Then a count is a subtraction, an offset an addition, and one iterator and one removal serve all.

mod item;
mod ordered;
mod packed;
mod range;
mod readers;
#[cfg(test)]
mod tests;
mod tree;

pub use item::score_key;
pub use range::{LexBound, LexRange, ScoreBound, ScoreRange};

use std::collections::HashSet;
use std::ops::Range;

use super::digest::Digest;
use super::listpack::{Element, IntText, Listpack};
use super::sharing::Sharing;
use super::{Collection, table};
use crate::util::number;
use crate::util::random::Random;
use ordered::Ordered;
use packed::Packed;

/// How many members a listpack may have, and how long they may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members.
    pub entries: usize,
    /// Bytes of a member.
    pub value: usize,
}

/// What became of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there before.
    Added,
    /// It has another score now.
    Updated,
    /// Nothing.
    None,
}

/// An element: a member and its score.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The member.
    pub member: Element<'a>,
    score: StoredScore<'a>,
}

/// A score, perhaps not read yet.
#[derive(Clone, Copy, Debug)]
enum StoredScore<'a> {
    Number(f64),
    Text(Element<'a>),
}

impl Entry<'_> {
    /// The score.
    #[inline]
    pub fn score(&self) -> f64 {
        match self.score {
            StoredScore::Number(score) => score,
            StoredScore::Text(element) => packed::score_of(element),
        }
    }
}

/// A sorted set.
#[derive(Clone, Debug, Default)]
pub struct SortedSet {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Packed(Packed),
    Ordered(Sharing<Ordered>),
}

impl Default for Form {
    fn default() -> Self {
        Self::Packed(Packed::default())
    }
}

impl SortedSet {
    /// A set of these elements, in any order, whose members are distinct. Scores are not NaN.
    pub fn from_entries<M: AsRef<[u8]>>(mut entries: Vec<(M, f64)>, limits: Limits) -> Self {
        sort(&mut entries);
        let small = entries.len() <= limits.entries
            && entries.iter().all(|(member, _)| member.as_ref().len() <= limits.value)
            && packed::fits(entries.iter().map(|(member, _)| member.as_ref().len()));
        let sorted = entries.iter().map(|(member, score)| (member.as_ref(), *score));
        let form = match small {
            true => Form::Packed(Packed::from_sorted(sorted)),
            false => Form::Ordered(Sharing::new(Ordered::from_sorted(sorted))),
        };
        Self { form }
    }

    /// Like [`SortedSet::from_entries`], of entries that somebody else made: `None` if a score is NaN. If a member is
    /// there twice `on_doubled` is asked whether one of its scores is to count (the first, while the set is small); else
    /// that is `None`, too.
    pub fn checked<M: AsRef<[u8]>>(
        mut entries: Vec<(M, f64)>,
        limits: Limits,
        on_doubled: &mut dyn FnMut() -> bool,
    ) -> Option<Self> {
        if entries.iter().any(|(_, score)| score.is_nan()) {
            return None;
        }
        if entries.len() <= limits.entries {
            let mut seen = HashSet::with_capacity(entries.len());
            let new: Vec<bool> = entries.iter().map(|(member, _)| seen.insert(member.as_ref())).collect();
            if new.contains(&false) {
                if !on_doubled() {
                    return None;
                }
                let mut new = new.into_iter();
                entries.retain(|_| new.next().unwrap_or(true));
            }
        }
        let len = entries.len();
        // Tables of members take none twice.
        let set = Self::from_entries(entries, limits);
        (set.len() == len || on_doubled()).then_some(set)
    }

    /// A set of the members and scores of a listpack, in a form that the limits allow; `None` unless they come in
    /// pairs and scores are numbers. If a member is there twice `on_doubled` is asked as by [`SortedSet::checked`].
    pub fn from_listpack(pack: Listpack, limits: Limits, on_doubled: &mut dyn FnMut() -> bool) -> Option<Self> {
        let mut entries = Vec::with_capacity(pack.len() / 2);
        let mut elements = pack.iter();
        while let Some(member) = elements.next() {
            entries.push((member.to_vec(), packed::checked_score(elements.next()?)?));
        }
        // As in Redis, long members that are packed already stay so.
        Self::checked(entries, Limits { value: usize::MAX, ..limits }, on_doubled)
    }

    /// The listpack of a small set, as RDB files contain it.
    pub fn listpack(&self) -> Option<&Listpack> {
        match &self.form {
            Form::Packed(packed) => Some(packed.listpack()),
            Form::Ordered(_) => None,
        }
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.form {
            Form::Packed(packed) => packed.score(member),
            Form::Ordered(ordered) => ordered.score(member),
        }
    }

    /// Adds a member or changes its score, which is not NaN.
    #[cfg(test)]
    pub fn insert(&mut self, member: &[u8], score: f64, limits: Limits) -> Change {
        self.update(member, limits, |_| Some(score))
    }

    /// Has `decide` look at the score of a member, `None` if it is not there, and gives it the score returned, if any,
    /// which is not NaN.
    #[inline]
    pub fn update(&mut self, member: &[u8], limits: Limits, decide: impl FnOnce(Option<f64>) -> Option<f64>) -> Change {
        match &mut self.form {
            Form::Packed(packed) => match packed.update(member, limits, decide) {
                packed::Updated::Done(change) => change,
                packed::Updated::Outgrown(score) => self.outgrow(member, score),
            },
            Form::Ordered(ordered) => ordered.update(member, decide),
        }
    }

    /// Prepares for so many updates. As in Redis they are taken for as many new members, of whose number alone it
    /// follows that the set is a big one.
    #[inline]
    pub fn expect(&mut self, count: usize, limits: Limits) {
        if count > limits.entries {
            self.make_ordered();
        }
    }

    #[cold]
    fn make_ordered(&mut self) {
        if let Form::Packed(_) = self.form {
            let entries: Vec<_> = self.iter().map(|entry| (entry.member.to_vec(), entry.score())).collect();
            let sorted = entries.iter().map(|(member, score)| (&member[..], *score));
            self.form = Form::Ordered(Sharing::new(Ordered::from_sorted(sorted)));
        }
    }

    /// Becomes a big set, and adds a member that is not there.
    #[cold]
    fn outgrow(&mut self, member: &[u8], score: f64) -> Change {
        self.make_ordered();
        match &mut self.form {
            Form::Packed(_) => Change::None,
            Form::Ordered(ordered) => ordered.update(member, |_| Some(score)),
        }
    }

    /// Removes a member; false if it is not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.form {
            Form::Packed(packed) => packed.remove(member),
            Form::Ordered(ordered) => ordered.remove(member),
        }
    }

    /// The rank of a member and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.form {
            Form::Packed(packed) => packed.rank(member),
            Form::Ordered(ordered) => ordered.rank(member),
        }
    }

    /// The ranks of the elements whose scores are in a range.
    pub fn ranks_by_score(&self, range: &ScoreRange) -> Range<usize> {
        match &self.form {
            Form::Packed(packed) => {
                packed.ranks(|entry| range.lies_below(entry.score()), |entry| range.lies_above(entry.score()))
            }
            Form::Ordered(ordered) => ordered.ranks_by_score(range),
        }
    }

    /// The ranks of the elements whose members are in a range of bytes, if all scores are the same.
    pub fn ranks_by_lex(&self, range: &LexRange<'_>) -> Range<usize> {
        let text = |entry: &Entry<'_>, test: &dyn Fn(&[u8]) -> bool| test(entry.member.text(&mut IntText::new()));
        match &self.form {
            Form::Packed(packed) => packed.ranks(
                |entry| text(entry, &|member| range.lies_below(member)),
                |entry| text(entry, &|member| range.lies_above(member)),
            ),
            Form::Ordered(ordered) => ordered.ranks_by_lex(range),
        }
    }

    /// All elements in their order.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_ranks(0..self.len())
    }

    /// The elements of some ranks in their order.
    pub fn iter_ranks(&self, ranks: Range<usize>) -> Iter<'_> {
        let ranks = ranks.start.min(self.len())..ranks.end.min(self.len());
        let left = ranks.len();
        let walk = match &self.form {
            Form::Packed(packed) => Walk::Packed(packed.iter(&ranks)),
            Form::Ordered(ordered) => Walk::Ordered(ordered.iter(ranks)),
        };
        Iter { walk, left }
    }

    /// The element of a rank.
    pub fn at(&self, rank: usize) -> Option<Entry<'_>> {
        self.iter_ranks(rank..rank.saturating_add(1)).next()
    }

    /// Removes the elements of some ranks; returns how many there were.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let ranks = ranks.start.min(self.len())..ranks.end.min(self.len());
        let count = ranks.len();
        match &mut self.form {
            _ if count == 0 => {}
            Form::Packed(packed) => packed.remove_ranks(&ranks),
            Form::Ordered(ordered) => ordered.remove_ranks(ranks),
        }
        count
    }

    /// Calls `emit` for some elements and returns the cursor for the next call; 0 begins and 0 ends.
    ///
    /// An element present from the first call to the last is emitted, whatever comes and goes meanwhile. A small set
    /// is emitted as a whole.
    pub fn scan<'a>(&'a self, cursor: u64, mut emit: impl FnMut(Entry<'a>)) -> u64 {
        match &self.form {
            Form::Packed(_) => {
                self.iter().for_each(&mut emit);
                0
            }
            Form::Ordered(ordered) => ordered.scan(cursor, emit),
        }
    }

    /// The figures of its table of members, if it is big.
    pub fn statistics(&self) -> Option<table::Statistics> {
        match &self.form {
            Form::Packed(_) => None,
            Form::Ordered(ordered) => Some(ordered.statistics()),
        }
    }

    /// An element chosen at random, each with the same probability.
    pub fn random(&self, random: &mut Random) -> Option<Entry<'_>> {
        self.at(random.below(self.len() as u64) as usize)
    }
}

/// Puts elements, whose scores are not NaN, into their order.
pub fn sort<M: AsRef<[u8]>>(entries: &mut [(M, f64)]) {
    entries.sort_unstable_by(|one, other| order((one.1, one.0.as_ref()), (other.1, other.0.as_ref())));
}

/// How elements compare: scores first, -0 being the same as 0, then members.
fn order(one: (f64, &[u8]), other: (f64, &[u8])) -> std::cmp::Ordering {
    one.0.partial_cmp(&other.0).unwrap_or(std::cmp::Ordering::Equal).then_with(|| one.1.cmp(other.1))
}

/// Elements in their order, from both ends.
#[derive(Debug)]
pub struct Iter<'a> {
    walk: Walk<'a>,
    left: usize,
}

#[derive(Debug)]
enum Walk<'a> {
    Packed(packed::Iter<'a>),
    Ordered(ordered::Iter<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.walk {
            Walk::Packed(walk) => walk.next(),
            Walk::Ordered(walk) => walk.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a> DoubleEndedIterator for Iter<'a> {
    #[inline]
    fn next_back(&mut self) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.walk {
            Walk::Packed(walk) => walk.next_back(),
            Walk::Ordered(walk) => walk.next_back(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl Collection for SortedSet {
    fn image(&self) -> Self {
        let form = match &self.form {
            Form::Packed(packed) => Form::Packed(packed.clone()),
            Form::Ordered(ordered) => Form::Ordered(Sharing::new(ordered.image())),
        };
        Self { form }
    }

    fn len(&self) -> usize {
        match &self.form {
            Form::Packed(packed) => packed.len(),
            Form::Ordered(ordered) => ordered.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match &self.form {
            Form::Packed(_) => "listpack",
            Form::Ordered(_) => "skiplist",
        }
    }

    fn heap_bytes(&self, _samples: usize) -> usize {
        match &self.form {
            Form::Packed(packed) => packed.heap_bytes(),
            Form::Ordered(ordered) => ordered.heap_bytes(),
        }
    }

    fn free_effort(&self) -> usize {
        match &self.form {
            Form::Packed(_) => 1,
            Form::Ordered(ordered) => ordered.len(),
        }
    }

    fn digest(&self, digest: &mut Digest) {
        let mut score = Vec::new();
        for entry in self.iter() {
            score.clear();
            number::append_f64_of_digest(&mut score, entry.score());
            let mut element = Digest::of(entry.member.text(&mut IntText::new()));
            element.append(&score);
            digest.add_digest(element);
        }
    }
}
