//! Ranges of scores and of bytes.

/// An end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreBound {
    /// The score.
    pub score: f64,
    /// Whether the score itself is out of the range.
    pub exclusive: bool,
}

/// A range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// Where it begins.
    pub min: ScoreBound,
    /// Where it ends.
    pub max: ScoreBound,
}

impl ScoreRange {
    /// Whether a score comes before the range.
    #[inline]
    pub fn lies_below(&self, score: f64) -> bool {
        if self.min.exclusive { score <= self.min.score } else { score < self.min.score }
    }

    /// Whether a score comes behind the range.
    #[inline]
    pub fn lies_above(&self, score: f64) -> bool {
        if self.max.exclusive { score >= self.max.score } else { score > self.max.score }
    }
}

/// An end of a range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before all members: `-`.
    Lowest,
    /// At this member: `[member`.
    Inclusive(&'a [u8]),
    /// Beside this member: `(member`.
    Exclusive(&'a [u8]),
    /// Behind all members: `+`.
    Highest,
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    /// Where it begins.
    pub min: LexBound<'a>,
    /// Where it ends.
    pub max: LexBound<'a>,
}

impl LexRange<'_> {
    /// Whether a member comes before the range.
    #[inline]
    pub fn lies_below(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => false,
            LexBound::Inclusive(min) => member < min,
            LexBound::Exclusive(min) => member <= min,
            LexBound::Highest => true,
        }
    }

    /// Whether a member comes behind the range.
    #[inline]
    pub fn lies_above(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => true,
            LexBound::Inclusive(max) => member > max,
            LexBound::Exclusive(max) => member >= max,
            LexBound::Highest => false,
        }
    }
}
