//! Paths: which values of a document are meant.
//!
//! A path that is `$`, or begins with `$.` or `$[`, is a JSONPath in RedisJSON's dialect; any other is of the older
//! kind, which means the first value it leads to. It is parsed in [`super::path_text`] and followed in
//! [`super::path_find`].

use regex::bytes::Regex;

use super::value::Json;

/// A path.
#[derive(Clone, Debug)]
pub struct Path {
    /// Its steps from the root.
    pub steps: Vec<Step>,
    /// Whether it is of the older kind.
    pub is_legacy: bool,
}

/// A step from a value to some of those in it.
#[derive(Clone, Debug)]
pub enum Step {
    /// The members of these names, in this order.
    Names(Vec<Vec<u8>>),
    /// All values.
    All,
    /// The values at these places of an array; negative ones count from its end.
    Indexes(Vec<i64>),
    /// The values of an array from a place on, up to another, each so many.
    Slice(Option<i64>, Option<i64>, usize),
    /// The values for which this is so.
    Filter(Box<Filter>),
    /// What the step leads to from the value itself, and from each in it.
    Descend(Box<Step>),
}

/// What is asked of a value.
#[derive(Clone, Debug)]
pub enum Filter {
    /// All of these are so.
    And(Vec<Filter>),
    /// One of these is so.
    Or(Vec<Filter>),
    /// A value is there.
    Exists(Term),
    /// Two values compare like this.
    Compare(Term, Comparison, Term),
}

/// A value in a filter.
#[derive(Clone, Debug)]
pub enum Term {
    /// This one.
    Value(Json),
    /// A text, which is also a pattern where it can be one.
    Pattern(Json, Option<Regex>),
    /// What a path leads to from the value that is looked at.
    Current(Vec<Step>),
    /// What a path leads to from the root.
    Root(Vec<Step>),
}

/// How two values may compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
}

impl Path {
    /// Whether it leads to the root.
    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether each step leads to one value at most.
    pub fn is_static(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Names(names) => names.len() == 1,
            Step::Indexes(indexes) => indexes.len() == 1,
            Step::All | Step::Slice(..) | Step::Filter(_) | Step::Descend(_) => false,
        })
    }
}
