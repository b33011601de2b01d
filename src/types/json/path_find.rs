//! The values that a path leads to.

use std::cell::Cell;
use std::cmp::Ordering;

use super::path::{Comparison, Filter, Step, Term};
use super::path_text::pattern;
use super::value::{Json, Text};

/// Where a value is in the one around it.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In an array.
    Index(usize),
    /// In an object.
    Name(Text),
}

/// The way to a value from the root.
pub type Location = Vec<Place>;

/// A path that leads through more values than anyone may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// How many values may be looked at on all ways of a path; a place that is noted counts as one, too. `$..*..*..*` has
/// more ways than the document has values, by far.
const STEPS_MAX: usize = 1 << 26;

/// The values that a path leads to, in order.
///
/// # Errors
/// If the path leads through too many.
pub fn find<'j>(steps: &[Step], root: &'j Json) -> Result<Vec<&'j Json>, TooLong> {
    find_within(steps, root, root, &Cell::new(STEPS_MAX))
}

fn find_within<'j>(
    steps: &[Step],
    from: &'j Json,
    root: &'j Json,
    left: &Cell<usize>,
) -> Result<Vec<&'j Json>, TooLong> {
    let mut found = Vec::new();
    let mut walk = Walk { root, left, location: None, found: &mut |value, _: Option<&Location>| found.push(value) };
    walk.follow(steps, from)?;
    Ok(found)
}

/// The first of them.
///
/// # Errors
/// If the path leads through too many.
pub fn find_first<'j>(steps: &[Step], root: &'j Json) -> Result<Option<&'j Json>, TooLong> {
    Ok(find(steps, root)?.into_iter().next())
}

/// Where they are.
///
/// # Errors
/// If the path leads through too many.
pub fn locate(steps: &[Step], root: &Json) -> Result<Vec<Location>, TooLong> {
    let (mut found, left) = (Vec::new(), Cell::new(STEPS_MAX));
    let mut note = |_: &Json, location: Option<&Location>| found.extend(location.cloned());
    Walk { root, left: &left, location: Some(Vec::new()), found: &mut note }.follow(steps, root)?;
    Ok(found)
}

type Found<'f, 'j> = &'f mut dyn FnMut(&'j Json, Option<&Location>);

struct Walk<'f, 'j> {
    root: &'j Json,
    /// How many values may still be looked at.
    left: &'f Cell<usize>,
    /// The way that was gone, if that is of interest.
    location: Option<Location>,
    found: Found<'f, 'j>,
}

impl<'j> Walk<'_, 'j> {
    fn pay(&self, steps: usize) -> Result<(), TooLong> {
        self.left.set(self.left.get().checked_sub(steps).ok_or(TooLong)?);
        Ok(())
    }

    fn follow(&mut self, mut steps: &[Step], value: &'j Json) -> Result<(), TooLong> {
        // What has no values in it is asked itself; a path may have any number of such steps.
        while let (Some((Step::Filter(filter), rest)), false) = (steps.split_first(), is_container(value)) {
            if !self.is_so(filter, value)? {
                return Ok(());
            }
            steps = rest;
        }
        match steps.split_first() {
            None => {
                self.pay(1 + self.location.as_ref().map_or(0, Vec::len))?;
                (self.found)(value, self.location.as_ref());
                Ok(())
            }
            Some((step, rest)) => self.step(step, rest, value),
        }
    }

    fn into(&mut self, steps: &[Step], value: &'j Json, place: impl FnOnce() -> Place) -> Result<(), TooLong> {
        self.inside(place, |walk| walk.follow(steps, value))
    }

    fn inside(
        &mut self,
        place: impl FnOnce() -> Place,
        go: impl FnOnce(&mut Self) -> Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        if let Some(location) = &mut self.location {
            location.push(place());
        }
        go(self)?;
        if let Some(location) = &mut self.location {
            location.pop();
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, rest: &[Step], value: &'j Json) -> Result<(), TooLong> {
        match step {
            Step::Names(names) => {
                let Some(object) = value.as_object() else { return Ok(()) };
                for name in names {
                    self.pay(1)?;
                    if let Some(member) = object.get(name) {
                        self.into(rest, member, || Place::Name(Text::new(name)))?;
                    }
                }
                Ok(())
            }
            Step::Indexes(indexes) => {
                let Some(array) = value.as_array() else { return Ok(()) };
                for index in indexes {
                    self.pay(1)?;
                    let index = place_of(*index, array.len());
                    if let Some(element) = array.get(index) {
                        self.into(rest, element, || Place::Index(index))?;
                    }
                }
                Ok(())
            }
            Step::Slice(start, end, each) => {
                let Some(array) = value.as_array() else { return Ok(()) };
                let start = start.map_or(0, |start| place_of(start, array.len()));
                let end = end.map_or(array.len(), |end| place_of(end, array.len()));
                let mut taken = array.iter().enumerate().take(end).skip(start).step_by(*each);
                taken.try_for_each(|(index, element)| self.into(rest, element, || Place::Index(index)))
            }
            Step::All => self.each(value, |walk, element, place| walk.into(rest, element, place)),
            Step::Filter(filter) if is_container(value) => {
                self.each(
                    value,
                    |walk, element, place| {
                        if walk.is_so(filter, element)? { walk.into(rest, element, place) } else { Ok(()) }
                    },
                )
            }
            Step::Filter(filter) => match self.is_so(filter, value)? {
                true => self.follow(rest, value),
                false => Ok(()),
            },
            Step::Descend(inner) => {
                self.step(inner, rest, value)?;
                self.each(value, |walk, element, place| walk.inside(place, |walk| walk.step(step, rest, element)))
            }
        }
    }

    /// Does something with each value in a value.
    fn each(
        &mut self,
        value: &'j Json,
        mut action: impl FnMut(&mut Self, &'j Json, &dyn Fn() -> Place) -> Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        match value {
            Json::Array(array) => {
                self.pay(array.0.len())?;
                let mut elements = array.0.iter().enumerate();
                elements.try_for_each(|(index, element)| action(self, element, &|| Place::Index(index)))
            }
            Json::Object(object) => {
                self.pay(object.len())?;
                let mut members = object.members().iter();
                members.try_for_each(|member| action(self, &member.value, &|| Place::Name(member.name.clone())))
            }
            Json::Null | Json::Bool(_) | Json::Int(_) | Json::Big(_) | Json::Double(_) | Json::Text(_) => Ok(()),
        }
    }

    fn is_so(&self, filter: &Filter, current: &'j Json) -> Result<bool, TooLong> {
        Question { current, root: self.root, left: self.left }.is_so(filter)
    }
}

fn is_container(value: &Json) -> bool {
    matches!(value, Json::Array(_) | Json::Object(_))
}

/// A place counted from the beginning; a negative one counts from the end, and is the first at least.
fn place_of(index: i64, len: usize) -> usize {
    match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => len.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

/// What a filter is asked about.
struct Question<'w, 'j> {
    current: &'j Json,
    root: &'j Json,
    left: &'w Cell<usize>,
}

impl<'j> Question<'_, 'j> {
    fn is_so(&self, filter: &Filter) -> Result<bool, TooLong> {
        Ok(match filter {
            Filter::And(all) => {
                for filter in all {
                    if !self.is_so(filter)? {
                        return Ok(false);
                    }
                }
                true
            }
            Filter::Or(any) => {
                for filter in any {
                    if self.is_so(filter)? {
                        return Ok(true);
                    }
                }
                false
            }
            Filter::Exists(Term::Value(_) | Term::Pattern(..)) => true,
            Filter::Exists(Term::Current(steps)) => self.only(steps, self.current)?.is_some(),
            Filter::Exists(Term::Root(steps)) => self.only(steps, self.root)?.is_some(),
            Filter::Compare(one, comparison, other) => {
                compares(self.value(one)?, *comparison, other, self.value(other)?)
            }
        })
    }

    fn value<'t>(&self, term: &'t Term) -> Result<Option<&'t Json>, TooLong>
    where
        'j: 't,
    {
        match term {
            Term::Value(value) | Term::Pattern(value, _) => Ok(Some(value)),
            Term::Current(steps) => self.only(steps, self.current),
            Term::Root(steps) => self.only(steps, self.root),
        }
    }

    /// What a path leads to, if that is one value.
    fn only(&self, steps: &[Step], from: &'j Json) -> Result<Option<&'j Json>, TooLong> {
        match find_within(steps, from, from, self.left)?[..] {
            [value] => Ok(Some(value)),
            _ => Ok(None),
        }
    }
}

fn compares(one: Option<&Json>, comparison: Comparison, term: &Term, other: Option<&Json>) -> bool {
    if comparison == Comparison::Matches {
        return matches(one, term, other);
    }
    let order = one.zip(other).and_then(|(one, other)| order(one, other));
    let equal = order == Some(Ordering::Equal) || is_same_container(one, other);
    match comparison {
        Comparison::Equal => equal,
        Comparison::NotEqual => !equal,
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Comparison::Matches => false,
    }
}

fn is_same_container(one: Option<&Json>, other: Option<&Json>) -> bool {
    match (one, other) {
        (Some(one @ (Json::Array(_) | Json::Object(_))), Some(other)) => one == other,
        _ => false,
    }
}

fn order(one: &Json, other: &Json) -> Option<Ordering> {
    match (one, other) {
        (Json::Int(one), Json::Int(other)) => Some(one.cmp(other)),
        (Json::Text(one), Json::Text(other)) => Some(one.bytes().cmp(other.bytes())),
        (Json::Bool(one), Json::Bool(other)) => Some(one.cmp(other)),
        (Json::Null, Json::Null) => Some(Ordering::Equal),
        _ => one.number()?.partial_cmp(&other.number()?),
    }
}

/// Whether a text matches a pattern, which may come out of the document.
fn matches(text: Option<&Json>, term: &Term, value: Option<&Json>) -> bool {
    let Some(text) = text.and_then(Json::as_text) else { return false };
    match term {
        Term::Pattern(_, known) => known.as_ref().is_some_and(|known| known.is_match(text)),
        Term::Value(_) | Term::Current(_) | Term::Root(_) => {
            let found = value.and_then(Json::as_text).and_then(|text| std::str::from_utf8(text).ok());
            found.and_then(pattern).is_some_and(|pattern| pattern.is_match(text))
        }
    }
}
