//! The values that a path leads to.

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

/// The values that a path leads to, in order.
pub fn find<'j>(steps: &[Step], root: &'j Json) -> Vec<&'j Json> {
    let mut found = Vec::new();
    let mut walk = Walk { root, location: None, found: &mut |value, _: Option<&Location>| found.push(value) };
    walk.follow(steps, root);
    found
}

/// The first of them.
pub fn find_first<'j>(steps: &[Step], root: &'j Json) -> Option<&'j Json> {
    find(steps, root).into_iter().next()
}

/// Where they are.
pub fn locate(steps: &[Step], root: &Json) -> Vec<Location> {
    let mut found = Vec::new();
    let mut note = |_: &Json, location: Option<&Location>| found.extend(location.cloned());
    Walk { root, location: Some(Vec::new()), found: &mut note }.follow(steps, root);
    found
}

type Found<'f, 'j> = &'f mut dyn FnMut(&'j Json, Option<&Location>);

struct Walk<'f, 'j> {
    root: &'j Json,
    /// The way that was gone, if that is of interest.
    location: Option<Location>,
    found: Found<'f, 'j>,
}

impl<'j> Walk<'_, 'j> {
    fn follow(&mut self, steps: &[Step], value: &'j Json) {
        match steps.split_first() {
            None => (self.found)(value, self.location.as_ref()),
            Some((step, rest)) => self.step(step, rest, value),
        }
    }

    fn into(&mut self, steps: &[Step], value: &'j Json, place: impl FnOnce() -> Place) {
        if let Some(location) = &mut self.location {
            location.push(place());
        }
        self.follow(steps, value);
        if let Some(location) = &mut self.location {
            location.pop();
        }
    }

    fn step(&mut self, step: &Step, rest: &[Step], value: &'j Json) {
        match step {
            Step::Names(names) => {
                let Some(object) = value.as_object() else { return };
                for name in names {
                    if let Some(member) = object.get(name) {
                        self.into(rest, member, || Place::Name(Text::new(name)));
                    }
                }
            }
            Step::Indexes(indexes) => {
                let Some(array) = value.as_array() else { return };
                for index in indexes {
                    let index = place_of(*index, array.len());
                    if let Some(element) = array.get(index) {
                        self.into(rest, element, || Place::Index(index));
                    }
                }
            }
            Step::Slice(start, end, each) => {
                let Some(array) = value.as_array() else { return };
                let start = start.map_or(0, |start| place_of(start, array.len()));
                let end = end.map_or(array.len(), |end| place_of(end, array.len()));
                let taken = array.iter().enumerate().take(end).skip(start).step_by(*each);
                taken.for_each(|(index, element)| self.into(rest, element, || Place::Index(index)));
            }
            Step::All => self.each(value, |walk, element, place| walk.into(rest, element, place)),
            Step::Filter(filter) if matches!(value, Json::Array(_) | Json::Object(_)) => {
                self.each(value, |walk, element, place| {
                    if is_so(filter, element, walk.root) {
                        walk.into(rest, element, place);
                    }
                });
            }
            // What has no values in it is asked itself.
            Step::Filter(filter) if is_so(filter, value, self.root) => self.follow(rest, value),
            Step::Filter(_) => {}
            Step::Descend(inner) => {
                self.step(inner, rest, value);
                let again = |walk: &mut Self, element: &'j Json, place: &dyn Fn() -> Place| {
                    if let Some(location) = &mut walk.location {
                        location.push(place());
                    }
                    walk.step(step, rest, element);
                    if let Some(location) = &mut walk.location {
                        location.pop();
                    }
                };
                self.each(value, |walk, element, place| again(walk, element, place));
            }
        }
    }

    /// Does something with each value in a value.
    fn each(&mut self, value: &'j Json, mut action: impl FnMut(&mut Self, &'j Json, &dyn Fn() -> Place)) {
        match value {
            Json::Array(array) => {
                for (index, element) in array.0.iter().enumerate() {
                    action(self, element, &|| Place::Index(index));
                }
            }
            Json::Object(object) => {
                for member in object.members() {
                    action(self, &member.value, &|| Place::Name(member.name.clone()));
                }
            }
            Json::Null | Json::Bool(_) | Json::Int(_) | Json::Big(_) | Json::Double(_) | Json::Text(_) => {}
        }
    }
}

/// A place counted from the beginning; a negative one counts from the end, and is the first at least.
fn place_of(index: i64, len: usize) -> usize {
    match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => len.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

fn is_so(filter: &Filter, current: &Json, root: &Json) -> bool {
    match filter {
        Filter::And(all) => all.iter().all(|filter| is_so(filter, current, root)),
        Filter::Or(any) => any.iter().any(|filter| is_so(filter, current, root)),
        Filter::Exists(Term::Value(_) | Term::Pattern(..)) => true,
        Filter::Exists(Term::Current(steps)) => only(steps, current).is_some(),
        Filter::Exists(Term::Root(steps)) => only(steps, root).is_some(),
        Filter::Compare(one, comparison, other) => {
            let (one_value, other_value) = (value_of(one, current, root), value_of(other, current, root));
            if *comparison == Comparison::Matches {
                return matches(one_value, other, other_value);
            }
            let order = one_value.zip(other_value).and_then(|(one, other)| order(one, other));
            let equal = order == Some(Ordering::Equal) || is_same_container(one_value, other_value);
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
    }
}

fn is_same_container(one: Option<&Json>, other: Option<&Json>) -> bool {
    match (one, other) {
        (Some(one @ (Json::Array(_) | Json::Object(_))), Some(other)) => one == other,
        _ => false,
    }
}

/// What a path leads to, if that is one value.
fn only<'j>(steps: &[Step], from: &'j Json) -> Option<&'j Json> {
    match find(steps, from)[..] {
        [value] => Some(value),
        _ => None,
    }
}

fn value_of<'t>(term: &'t Term, current: &'t Json, root: &'t Json) -> Option<&'t Json> {
    match term {
        Term::Value(value) | Term::Pattern(value, _) => Some(value),
        Term::Current(steps) => only(steps, current),
        Term::Root(steps) => only(steps, root),
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
