//! What files have of a vector set, and a set built from that.
//!
//! The links are trusted only after they were looked at: they lead to elements of the same level, once, and back.

use std::collections::HashMap;

use super::graph::LEVEL_MAX;
use super::vectors::Kept;
use super::{Element, Shape, VectorSet};

/// An element as files have it.
#[derive(Debug)]
pub struct SavedElement<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its attributes, if it has some.
    pub attributes: Option<&'a [u8]>,
    /// The bytes of its vector.
    pub vector: Vec<u8>,
    /// The number of the element.
    pub id: u64,
    /// The numbers of its neighbors on each of its levels, from level 0 on.
    pub links: Vec<Vec<u64>>,
    /// On each level the place of the neighbor that is farthest away, and its distance.
    pub farthest: Vec<(u32, f32)>,
    /// The length the vector had.
    pub length: f32,
    /// The range of its bytes, 0 for other forms.
    pub range: f32,
}

impl VectorSet {
    /// The elements as files have them.
    pub fn saved(&self) -> impl Iterator<Item = SavedElement<'_>> {
        (0..self.len() as u32).map(|node| {
            let (element, view) = (self.element(node), self.vectors.view(node));
            let levels = 0..=self.graph.level(node);
            let id = |other: &u32| self.element(*other).id;
            let farthest = |level| {
                let lengths = self.graph.links(node, level).iter().map(|other| self.vectors.between(node, *other));
                (0..).zip(lengths).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default()
            };
            SavedElement {
                name: &element.name,
                attributes: element.attributes.as_deref(),
                vector: view.raw(),
                id: element.id,
                links: levels.clone().map(|level| self.graph.links(node, level).iter().map(id).collect()).collect(),
                farthest: levels.map(farthest).collect(),
                length: element.length,
                range: view.range().unwrap_or_default(),
            }
        })
    }

    /// The most links of an element on a level.
    pub fn links_max(&self, level: usize) -> usize {
        self.graph.links_max(level)
    }
}

/// Builds a set from what a file has of it.
#[derive(Debug)]
pub struct Builder {
    set: VectorSet,
    links: Vec<Vec<Vec<u64>>>,
    nodes: HashMap<u64, u32>,
}

impl Builder {
    /// Begins a set.
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self { set: VectorSet::new(shape, seed), links: Vec::new(), nodes: HashMap::new() }
    }

    /// Adds an element. None if it cannot be one: its vector has another length, its name or number was there before,
    /// it has too many levels.
    pub fn add(&mut self, saved: SavedElement<'_>) -> Option<()> {
        let set = &mut self.set;
        let vector: Kept = set.vectors.read_raw(&saved.vector, saved.range)?;
        let node = u32::try_from(set.len()).ok().filter(|node| *node < 1 << 31)?;
        let levels = saved.links.len();
        if levels == 0 || levels > LEVEL_MAX + 1 || set.contains(saved.name) {
            return None;
        }
        if self.nodes.insert(saved.id, node).is_some() {
            return None;
        }
        let attributes = saved.attributes.map(Box::from);
        let element = Element { id: saved.id, name: saved.name.into(), attributes, length: saved.length };
        set.add_element(element, &vector);
        set.last_id = set.last_id.max(saved.id);
        self.links.push(saved.links);
        Some(())
    }

    /// The set, if it has elements and its links are sound. Links beyond what the set's elements have room for, which
    /// Redis may have after deletions, are left out at both ends.
    pub fn finish(self) -> Option<VectorSet> {
        let Self { mut set, links, nodes } = self;
        if links.is_empty() {
            return None;
        }
        let mut all: Vec<Vec<Vec<u32>>> = Vec::with_capacity(links.len());
        for (node, levels) in (0_u32..).zip(&links) {
            let mut own = Vec::with_capacity(levels.len());
            for (level, ids) in levels.iter().enumerate() {
                let mut neighbors = Vec::with_capacity(ids.len());
                for id in ids {
                    let neighbor = *nodes.get(id)?;
                    let has_level = links[neighbor as usize].len() > level;
                    if neighbor == node || !has_level {
                        return None;
                    }
                    neighbors.push(neighbor);
                }
                own.push(neighbors);
            }
            all.push(own);
        }
        drop((links, nodes));
        are_mutual(&all).then_some(())?;
        trim(&mut all, |level| set.graph.links_max(level));
        all.iter().for_each(|levels| set.graph.push(levels));
        Some(set)
    }
}

/// Whether every link leads back, and none is there twice.
fn are_mutual(all: &[Vec<Vec<u32>>]) -> bool {
    let mut sorted = all.to_vec();
    sorted.iter_mut().flatten().for_each(|neighbors| neighbors.sort_unstable());
    let leads_back = |node: u32, neighbor: u32, level: usize| {
        sorted[neighbor as usize].get(level).is_some_and(|back| back.binary_search(&node).is_ok())
    };
    (0_u32..).zip(&sorted).all(|(node, levels)| {
        levels.iter().enumerate().all(|(level, neighbors)| {
            neighbors.is_sorted_by(|a, b| a < b) && neighbors.iter().all(|other| leads_back(node, *other, level))
        })
    })
}

/// Takes away links beyond the most there may be, at both ends.
fn trim(all: &mut [Vec<Vec<u32>>], most: impl Fn(usize) -> usize) {
    for node in 0..all.len() {
        for level in 0..all[node].len() {
            while all[node][level].len() > most(level) {
                let Some(neighbor) = all[node][level].pop() else { break };
                all[neighbor as usize][level].retain(|other| *other as usize != node);
            }
        }
    }
}
