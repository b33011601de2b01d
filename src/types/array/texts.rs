//! The texts of a slice that do not fit a word. Places stay where they are until their text goes; then they are used
//! again.

use crate::types::item::Item;
use crate::util::alloc::size_class;

/// Texts by their places.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    items: Vec<Option<Item>>,
    free: Vec<u32>,
}

impl Texts {
    /// No texts.
    pub const NONE: Texts = Texts { items: Vec::new(), free: Vec::new() };

    /// The text at a place. Nothing lies where nothing was put.
    #[inline]
    pub fn get(&self, place: usize) -> &[u8] {
        self.items.get(place).and_then(Option::as_ref).map_or(&[], Item::bytes)
    }

    /// Puts a text somewhere.
    pub fn put(&mut self, text: &[u8]) -> usize {
        let item = Some(Item::new(text));
        match self.free.pop() {
            Some(place) => {
                self.items[place as usize] = item;
                place as usize
            }
            None => {
                self.items.push(item);
                self.items.len() - 1
            }
        }
    }

    /// Replaces the text at a place.
    pub fn replace(&mut self, place: usize, text: &[u8]) {
        self.items[place] = Some(Item::new(text));
    }

    /// Drops the text at a place.
    pub fn remove(&mut self, place: usize) {
        self.items[place] = None;
        self.free.push(place as u32);
        if self.is_empty() {
            *self = Texts::default();
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.free.len() == self.items.len()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len() - self.free.len()
    }

    /// Memory it owns. At most `samples` texts are looked at and taken for the rest, unless that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        if self.items.is_empty() {
            return 0;
        }
        let looked_at = if samples == 0 { self.len() } else { samples.min(self.len()) };
        let sampled = self.items.iter().flatten().take(looked_at);
        let bytes: usize = sampled.map(|item| Item::heap_bytes(item.bytes().len())).sum();
        let lists = self.items.capacity() * size_of::<Option<Item>>() + self.free.capacity() * size_of::<u32>();
        size_class(lists) + bytes * self.len() / looked_at.max(1)
    }
}
