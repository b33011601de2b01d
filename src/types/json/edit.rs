//! Changing values of a document.

use super::path_find::{Location, Place};
use super::value::Json;

/// What is at a location, to be changed.
pub fn at<'j>(root: &'j mut Json, location: &[Place]) -> Option<&'j mut Json> {
    location.iter().try_fold(root, |value, place| match (place, value) {
        (Place::Index(index), Json::Array(array)) => array.0.get_mut(*index),
        (Place::Name(name), Json::Object(object)) => object.get_mut(name.bytes()),
        _ => None,
    })
}

/// Removes what is at locations; how many there were. What lies in something else that goes is not counted.
pub fn remove(root: &mut Json, mut locations: Vec<Location>) -> usize {
    locations.sort_by(|one, other| {
        let pairs = one.iter().zip(other);
        let differing = pairs.map(|pair| match pair {
            (Place::Index(one), Place::Index(other)) => one.cmp(other),
            (Place::Name(one), Place::Name(other)) => one.bytes().cmp(other.bytes()),
            (Place::Index(_), Place::Name(_)) => std::cmp::Ordering::Less,
            (Place::Name(_), Place::Index(_)) => std::cmp::Ordering::Greater,
        });
        let first = differing.into_iter().find(|order| order.is_ne());
        first.unwrap_or_else(|| one.len().cmp(&other.len()))
    });
    locations.dedup_by(|later, earlier| later.starts_with(earlier));
    // From the last on, so that the places of the others stay.
    locations.iter().rev().filter(|location| remove_one(root, location)).count()
}

fn remove_one(root: &mut Json, location: &[Place]) -> bool {
    let Some((last, before)) = location.split_last() else { return false };
    match (last, at(root, before)) {
        (Place::Index(index), Some(Json::Array(array))) if *index < array.0.len() => {
            array.0.remove(*index);
            true
        }
        (Place::Name(name), Some(Json::Object(object))) => object.remove(name.bytes()).is_some(),
        _ => false,
    }
}

/// Merges a patch into a value, as RFC 7396 says.
pub fn merge(value: &mut Json, patch: Json) {
    let Json::Object(patch) = patch else {
        *value = patch;
        return;
    };
    if value.as_object().is_none() {
        *value = Json::Object(Box::default());
    }
    let Some(object) = value.as_object_mut() else { return };
    for member in patch.members() {
        match &member.value {
            Json::Null => _ = object.remove(member.name.bytes()),
            patch => merge(object.entry(member.name.bytes()), patch.clone()),
        }
    }
}

/// Empties arrays and objects and makes numbers 0; whether that changed anything.
pub fn clear(value: &mut Json) -> bool {
    let cleared = match value {
        Json::Array(array) if !array.0.is_empty() => Json::array(Vec::new()),
        Json::Object(object) if !object.is_empty() => Json::Object(Box::default()),
        Json::Int(number) if *number != 0 => Json::Int(0),
        Json::Big(_) => Json::Int(0),
        Json::Double(number) if *number != 0.0 => Json::Int(0),
        _ => return false,
    };
    *value = cleared;
    true
}

/// What is done with two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Arithmetic {
    Add,
    Multiply,
    Power,
}

impl Arithmetic {
    /// The result: that of integers is one, with what is beyond 64 bits cut off; `None` if it is no number.
    pub fn of(self, one: &Json, other: &Json) -> Option<Json> {
        if let (Json::Int(one), Json::Int(other)) = (one, other) {
            return Some(Json::Int(match self {
                Arithmetic::Add => one.wrapping_add(*other),
                Arithmetic::Multiply => one.wrapping_mul(*other),
                Arithmetic::Power => one.wrapping_pow(*other as u32),
            }));
        }
        let (one, other) = (one.number()?, other.number()?);
        let result = match self {
            Arithmetic::Add => one + other,
            Arithmetic::Multiply => one * other,
            Arithmetic::Power => one.powf(other),
        };
        result.is_finite().then_some(Json::Double(result))
    }
}
