//! Lists without duplicates, in the order in which their items came. In a short one, as they all are but for the users
//! of programs, an item is found by a walk; a long one knows where each item is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Deref;

/// A list of this many items is a long one.
const LONG: usize = 16;

/// What items are told apart by.
pub trait Named {
    /// The name.
    fn name(&self) -> Cow<'_, [u8]>;
}

impl Named for Box<[u8]> {
    fn name(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self)
    }
}

/// A list of items with different names.
#[derive(Clone, Debug)]
pub struct Unique<T> {
    items: Vec<T>,
    /// Where each is in a long list.
    places: HashMap<Box<[u8]>, usize>,
}

impl<T: Named> Unique<T> {
    /// Where the item of a name is.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        match self.items.len() {
            0..LONG => self.items.iter().position(|item| *item.name() == *name),
            _ => self.places.get(name).copied(),
        }
    }

    /// Adds an item, unless there is one of its name: that one is returned.
    pub fn add(&mut self, item: T) -> Option<&mut T> {
        if let Some(place) = self.find(&item.name()) {
            return self.items.get_mut(place);
        }
        self.items.push(item);
        match self.items.len() {
            0..LONG => {}
            LONG => self.note_places(),
            len => _ = self.places.insert(self.items[len - 1].name().into(), len - 1),
        }
        None
    }

    /// Removes the item of a name; false if there is none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(place) = self.find(name) else { return false };
        self.items.remove(place);
        self.places.remove(name);
        self.places.values_mut().filter(|other| **other > place).for_each(|other| *other -= 1);
        true
    }

    /// Keeps those items only that are to stay.
    pub fn retain(&mut self, stays: impl FnMut(&T) -> bool) {
        let before = self.items.len();
        self.items.retain(stays);
        if self.items.len() < before {
            self.note_places();
        }
    }

    /// Removes all.
    pub fn clear(&mut self) {
        *self = Unique::default();
    }

    fn note_places(&mut self) {
        let long = if self.items.len() < LONG { &[] } else { self.items.as_slice() };
        self.places = long.iter().enumerate().map(|(place, item)| (item.name().into(), place)).collect();
    }
}

impl<T> Default for Unique<T> {
    fn default() -> Unique<T> {
        Unique { items: Vec::new(), places: HashMap::new() }
    }
}

impl<T> Deref for Unique<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T: PartialEq> PartialEq for Unique<T> {
    fn eq(&self, other: &Unique<T>) -> bool {
        self.items == other.items
    }
}

impl<T: Eq> Eq for Unique<T> {}

impl<T: Named> FromIterator<T> for Unique<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Unique<T> {
        let mut unique = Unique::default();
        items.into_iter().for_each(|item| _ = unique.add(item));
        unique
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_list_without_duplicates(
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 0..200),
        ) {
            let (mut unique, mut twin) = (Unique::<Box<[u8]>>::default(), Vec::<Box<[u8]>>::new());
            for (name, kind) in changes {
                let name: Box<[u8]> = [b'a' + name.index(26) as u8].into();
                prop_assert_eq!(unique.find(&name), twin.iter().position(|known| *known == name));
                match kind {
                    0 => {
                        let known = twin.iter().position(|known| *known == name);
                        prop_assert_eq!(unique.remove(&name), known.map(|place| twin.remove(place)).is_some());
                    }
                    1 => {
                        unique.retain(|known| known[0] % 8 != name[0] % 8);
                        twin.retain(|known| known[0] % 8 != name[0] % 8);
                    }
                    _ => {
                        prop_assert_eq!(unique.add(name.clone()).is_some(), twin.contains(&name));
                        if !twin.contains(&name) {
                            twin.push(name);
                        }
                    }
                }
                prop_assert_eq!(&*unique, &*twin);
            }
        }
    }
}
