//! The elements of a set in the order of their names: finds a node by its name, and walks a range of names.
//!
//! The nodes' numbers lie in blocks, in order; the names are where the nodes are. A name is found by halving among
//! the blocks' first names and then within one block.

use std::cmp::Ordering;

/// The most nodes in a block.
const BLOCK_MAX: usize = 512;

/// Nodes in the order of their names. What it asks names of has to be the same for the same number all the time.
#[derive(Debug, Clone, Default)]
pub struct Names {
    blocks: Vec<Vec<u32>>,
}

/// Where a node stands, or would stand.
#[derive(Debug, Clone, Copy)]
struct Place {
    block: usize,
    at: usize,
}

impl Names {
    /// The node with a name; `name_of` gives the name of a node.
    pub fn find<'a>(&self, name: &[u8], name_of: impl Fn(u32) -> &'a [u8]) -> Option<u32> {
        let place = self.place(|node| name_of(node).cmp(name)).ok()?;
        Some(self.blocks[place.block][place.at])
    }

    /// Adds a node by its name, which none of the others has.
    pub fn insert<'a>(&mut self, node: u32, name_of: impl Fn(u32) -> &'a [u8]) {
        let name = name_of(node);
        let Err(place) = self.place(|other| name_of(other).cmp(name)) else { return };
        if self.blocks.is_empty() {
            self.blocks.push(Vec::new());
        }
        let block = &mut self.blocks[place.block];
        block.insert(place.at, node);
        if block.len() > BLOCK_MAX {
            // What comes in order is appended: the full block stays as it is.
            let cut = if place.at == BLOCK_MAX { BLOCK_MAX } else { BLOCK_MAX / 2 };
            let behind = block.split_off(cut);
            block.shrink_to_fit();
            self.blocks.insert(place.block + 1, behind);
        }
    }

    /// Removes the node with a name.
    pub fn remove<'a>(&mut self, name: &[u8], name_of: impl Fn(u32) -> &'a [u8]) {
        let Ok(place) = self.place(|node| name_of(node).cmp(name)) else { return };
        let block = &mut self.blocks[place.block];
        block.remove(place.at);
        if block.is_empty() {
            self.blocks.remove(place.block);
        } else if block.len() < block.capacity() / 4 {
            block.shrink_to_fit();
        }
    }

    /// Gives the node with a name another number.
    pub fn renumber<'a>(&mut self, name: &[u8], number: u32, name_of: impl Fn(u32) -> &'a [u8]) {
        if let Ok(place) = self.place(|node| name_of(node).cmp(name)) {
            self.blocks[place.block][place.at] = number;
        }
    }

    /// The nodes from the first on that `before` says no to; `before` says yes to the first so many in order.
    pub fn from(&self, before: impl Fn(u32) -> bool) -> impl Iterator<Item = u32> {
        let order = |node| if before(node) { Ordering::Less } else { Ordering::Greater };
        let place = self.place(order).unwrap_or_else(|place| place);
        let rest = self.blocks.get(place.block).map_or(&[][..], |block| &block[place.at..]);
        let blocks = self.blocks.get(place.block + 1..).unwrap_or_default();
        rest.iter().chain(blocks.iter().flatten()).copied()
    }

    /// Where the node stands that `order` finds equal, or else where it would.
    fn place(&self, order: impl Fn(u32) -> Ordering) -> Result<Place, Place> {
        let after = self.blocks.partition_point(|block| order(block[0]) != Ordering::Greater);
        let block = after.saturating_sub(1);
        match self.blocks.get(block).map_or(Err(0), |nodes| nodes.binary_search_by(|node| order(*node))) {
            Ok(at) => Ok(Place { block, at }),
            Err(at) => Err(Place { block, at }),
        }
    }

    /// Memory it takes.
    pub fn heap_bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.capacity() * size_of::<u32>()).sum();
        blocks + self.blocks.capacity() * size_of::<Vec<u32>>()
    }

    /// The number of allocations.
    pub fn allocations(&self) -> usize {
        self.blocks.len() + 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::util::random::Random;

    #[test]
    fn names_are_found_and_walked_as_in_a_tree() {
        let mut random = Random::from_seed(3);
        let all: Vec<Vec<u8>> = (0..3000).map(|number| format!("{}", number * 7919 % 3001).into_bytes()).collect();
        let name_of = |node: u32| all[node as usize].as_slice();
        let (mut names, mut twin) = (Names::default(), BTreeMap::new());
        for step in 0..12_000 {
            let node = random.below(3000) as u32;
            let growing = step < 6000;
            if !twin.contains_key(name_of(node)) && (growing || random.below(4) == 0) {
                names.insert(node, name_of);
                twin.insert(name_of(node), node);
            } else if !growing || random.below(4) == 0 {
                names.remove(name_of(node), name_of);
                twin.remove(name_of(node));
            }
            assert_eq!(names.find(name_of(node), name_of), twin.get(name_of(node)).copied());
            if step % 100 == 0 {
                let found = names.from(|other| name_of(other) < name_of(node));
                assert!(found.eq(twin.range(name_of(node)..).map(|(_, node)| *node)), "step {step}");
            }
        }
    }
}
