//! Places in the order of elements.

use crate::types::sorted_set::item::{ItemRef, score_key};

/// What is looked for: a place in the order, by what comes before it.
pub trait Seek {
    /// The key of the score that it has to do with: lower ones come before it, higher ones do not. `None` if scores
    /// tell nothing.
    fn key(&self) -> Option<i64>;

    /// Whether an item, which has a score of this key or one near it, comes before the place.
    fn passes(&self, item: ItemRef<'_>) -> bool;
}

/// The place of an element, or the one behind it.
#[derive(Clone, Copy)]
pub struct SeekElement<'a> {
    /// Of its score.
    pub key: i64,
    /// Its member.
    pub member: &'a [u8],
    behind: bool,
}

impl<'a> SeekElement<'a> {
    /// The place of a member with this score.
    #[inline]
    pub fn new(score: f64, member: &'a [u8]) -> Self {
        Self { key: score_key(score), member, behind: false }
    }

    /// The place of an item.
    #[inline]
    pub fn at(item: ItemRef<'a>) -> Self {
        Self::new(item.score(), item.member())
    }

    /// The place behind the element.
    pub fn behind(self) -> Self {
        Self { behind: true, ..self }
    }
}

impl Seek for SeekElement<'_> {
    #[inline(always)]
    fn key(&self) -> Option<i64> {
        Some(self.key)
    }

    #[inline]
    fn passes(&self, item: ItemRef<'_>) -> bool {
        let order = score_key(item.score()).cmp(&self.key).then_with(|| item.member().cmp(self.member));
        if self.behind { order.is_le() } else { order.is_lt() }
    }
}

/// The place of the first element with a score, or the one behind the last.
#[derive(Clone, Copy)]
pub struct SeekScore {
    key: i64,
    behind: bool,
}

impl SeekScore {
    /// Before the elements with this score, or behind them.
    pub fn new(score: f64, behind: bool) -> Self {
        Self { key: score_key(score), behind }
    }
}

impl Seek for SeekScore {
    #[inline(always)]
    fn key(&self) -> Option<i64> {
        Some(self.key)
    }

    #[inline]
    fn passes(&self, item: ItemRef<'_>) -> bool {
        let key = score_key(item.score());
        if self.behind { key <= self.key } else { key < self.key }
    }
}

/// The place behind the members that pass a test, all of them before those that do not.
pub struct SeekMember<F>(pub F);

impl<F: Fn(&[u8]) -> bool> Seek for SeekMember<F> {
    #[inline(always)]
    fn key(&self) -> Option<i64> {
        None
    }

    #[inline]
    fn passes(&self, item: ItemRef<'_>) -> bool {
        self.0(item.member())
    }
}
