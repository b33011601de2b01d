//! Intersection, union and difference. They hand members on one by one, borrowed from the sets; what collects them is
//! the caller's business.

use std::collections::HashSet;

use super::Live;
use crate::types::listpack::Element;

/// An integer is the same member whether a set keeps it as one or as its text.
pub(super) fn normal(member: Element<'_>) -> Element<'_> {
    match member {
        Element::Int(_) => member,
        Element::Bytes(text) => Element::of(text),
    }
}

/// The set whose members an intersection looks up in the others.
pub fn smallest<'a>(sets: &[Live<'a>]) -> Option<Live<'a>> {
    sets.iter().copied().min_by_key(|set| set.len())
}

/// Calls `visit` for each member that all sets have, until it says no. Puts the sets in the order of their sizes: the
/// members of the smallest are looked up in the others.
pub fn intersection<'a>(sets: &mut [Live<'a>], mut visit: impl FnMut(Element<'a>) -> bool) {
    sets.sort_by_key(|set| set.len());
    let Some((&smallest, others)) = sets.split_first() else { return };
    for member in smallest.iter() {
        let in_all = others.iter().all(|other| other.is(smallest) || other.has(member));
        if in_all && !visit(member) {
            return;
        }
    }
}

/// Calls `visit` once for each member that any of the sets has, until it says no.
pub fn union<'a>(sets: &[Live<'a>], mut visit: impl FnMut(Element<'a>) -> bool) {
    if let [first, others @ ..] = sets
        && others.len() <= 1
    {
        let new = |member: &Element<'a>| !first.has(*member);
        if first.iter().all(&mut visit) {
            others.iter().flat_map(|other| other.iter()).filter(new).all(visit);
        }
        return;
    }
    let mut seen = HashSet::new();
    for member in sets.iter().flat_map(|set| set.iter()) {
        if seen.insert(normal(member)) && !visit(member) {
            return;
        }
    }
}

/// Whether a difference strikes out members one by one.
pub fn strikes_out(first: Live<'_>, others: &[Live<'_>]) -> bool {
    let lookups = first.len().saturating_mul(others.len() + 1);
    let strikes = others.iter().fold(first.len(), |sum, other| sum.saturating_add(other.len()));
    lookups / 2 > strikes
}

/// Calls `visit` for each member of the first set that none of the others has, until it says no. May change the order
/// of the others.
///
/// There are two ways: to look each member up in all the others, the largest first, or to strike out the members of all
/// the others one by one. Which is taken depends on the sizes: the first does less work for each member it looks at.
pub fn difference<'a>(first: Live<'a>, others: &mut [Live<'a>], visit: impl FnMut(Element<'a>) -> bool) {
    if others.iter().any(|other| other.is(first)) {
        return;
    }
    if !strikes_out(first, others) {
        others.sort_by_key(|other| std::cmp::Reverse(other.len()));
        first.iter().filter(|&member| !others.iter().any(|other| other.has(member))).all(visit);
        return;
    }
    let mut left: HashSet<Element<'a>> = first.iter().map(normal).collect();
    for other in others {
        other.iter().for_each(|member| _ = left.remove(&normal(member)));
        if left.is_empty() {
            return;
        }
    }
    left.into_iter().all(visit);
}
