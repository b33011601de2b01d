//! Vector sets: elements with a vector each, found by how near theirs is to another.
//!
//! ```text
//! commands ──> VectorSet ── names        the elements by name, in order
//!                  │     ── elements     name, attributes, length of the vector, number in files
//!                  │     ── projection   to fewer dimensions, before anything else
//!                  ├───── vectors        of length one, as floats, bytes or bits; how far apart two are
//!                  └───── graph          links with near elements, on levels; inserting, searching, removing
//! filter         an expression over attributes
//! saved          what files have of a set, and building one from that
//! ```
//! An element is a number from 0 without gaps, by which all parts know it; the last one takes the number of one that
//! goes. Scores come from distances by one rounding rule ([`score`], [`link_score`]), that of Redis.

mod distance;
pub mod filter;
mod graph;
mod names;
mod projection;
mod rows;
pub mod saved;
mod scratch;
mod vectors;

pub use filter::Filter;
pub use graph::LEVEL_MAX;
pub use projection::Projection;
pub use vectors::{Quantization, View};

use std::sync::atomic::{AtomicU64, Ordering};

use crate::util::random::Random;

use super::bundled::Value;
use super::digest::Digest;
use graph::Graph;
use names::Names;
use rows::Rows;
use scratch::Near;
use vectors::{Kept, Vectors, normalize};

/// How far INSERTING looks around if nothing else is asked for.
pub const INSERT_EF: usize = 200;

/// The number VINFO gives to the next set that comes into being in this process.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// An element, but for its vector and its links.
#[derive(Debug, Clone)]
struct Element {
    /// The number that files know it by, never given again in this set.
    id: u64,
    name: Box<[u8]>,
    attributes: Option<Box<[u8]>>,
    /// The length its vector had.
    length: f32,
}

/// What a vector set is made with.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Components of the vectors as they are kept, at least one.
    pub dimension: usize,
    /// The form they are kept in.
    pub quantization: Quantization,
    /// The most links of an element on a level above 0.
    pub m: usize,
    /// How vectors get to that dimension, if they have another.
    pub projection: Option<Projection>,
}

/// What is looked for, in the form of a set's vectors.
#[derive(Debug)]
pub struct Target(Kept);

/// An element that was found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its attributes, if it has some.
    pub attributes: Option<&'a [u8]>,
    /// How far it is, from 0 to 2.
    pub distance: f32,
}

/// How to search.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// The most elements to be found.
    pub count: usize,
    /// How many near elements are followed.
    pub ef: usize,
    /// Only elements it matches are found.
    pub filter: Option<&'a Filter>,
    /// The most elements that are looked at for a filter.
    pub effort: usize,
    /// Whether every element is looked at.
    pub all: bool,
}

/// A vector set.
#[derive(Debug, Clone)]
pub struct VectorSet {
    number: u64,
    last_id: u64,
    with_attributes: usize,
    projection: Option<Projection>,
    vectors: Vectors,
    graph: Graph,
    elements: Rows<Element>,
    names: Names,
    random: Random,
}

impl VectorSet {
    /// The name of its type in files, and that of TYPE.
    pub const TYPE: &'static str = "vectorset";

    /// An empty set; `seed` decides on the levels of its elements.
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            last_id: 0,
            with_attributes: 0,
            projection: shape.projection,
            vectors: Vectors::new(shape.dimension, shape.quantization),
            graph: Graph::new(shape.m),
            elements: Rows::new(1),
            names: Names::default(),
            random: Random::from_seed(seed),
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Components of the vectors as they are kept.
    pub fn dimension(&self) -> usize {
        self.vectors.dimension()
    }

    /// The form the vectors are kept in.
    pub fn quantization(&self) -> Quantization {
        self.vectors.quantization()
    }

    /// The most links of an element on a level above 0.
    pub fn m(&self) -> usize {
        self.graph.m()
    }

    /// How vectors are brought to the dimension, if they are.
    pub fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    /// The highest level of an element.
    pub fn top_level(&self) -> usize {
        self.graph.top()
    }

    /// How many elements have attributes.
    pub fn with_attributes(&self) -> usize {
        self.with_attributes
    }

    /// The set's number among those of the process.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The highest number an element was ever given.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    fn element(&self, node: u32) -> &Element {
        &self.elements.row(node as usize)[0]
    }

    fn find(&self, name: &[u8]) -> Option<u32> {
        self.names.find(name, |node| &self.element(node).name)
    }

    /// Whether there is such an element.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    /// Adds an element, or gives it another vector; whether it is new. The vector has the dimension of the set, or that
    /// of what is reduced for it. Attributes are left as they are, or set; empty ones take away those of an element
    /// that was there.
    pub fn insert(&mut self, name: &[u8], vector: Vec<f32>, attributes: Option<&[u8]>, ef: usize) -> bool {
        let mut vector = self.reduced(vector);
        let length = normalize(&mut vector);
        let vector = Kept::new(vector, self.quantization());
        let before = self.find(name);
        let attributes = match (attributes, before) {
            (Some(attributes), Some(_)) => Some(attributes).filter(|attributes| !attributes.is_empty()).map(Box::from),
            (Some(attributes), None) => Some(Box::from(attributes)),
            (None, Some(node)) => self.element(node).attributes.clone(),
            (None, None) => None,
        };
        if let Some(node) = before {
            self.remove_node(node, ef);
        }
        self.last_id += 1;
        let element = Element { id: self.last_id, name: name.into(), attributes, length };
        self.add_element(element, &vector);
        let level = self.graph.random_level(&mut self.random);
        self.graph.insert(&self.vectors, level, ef);
        before.is_none()
    }

    /// Adds an element without links.
    fn add_element(&mut self, element: Element, vector: &Kept) {
        self.with_attributes += usize::from(element.attributes.is_some());
        let node = self.elements.len() as u32;
        self.elements.push([element]);
        self.vectors.push(vector);
        let elements = &self.elements;
        self.names.insert(node, |node| &elements.row(node as usize)[0].name);
    }

    fn reduced(&self, vector: Vec<f32>) -> Vec<f32> {
        match &self.projection {
            Some(projection) if projection.source_dimension() == vector.len() => projection.apply(&vector),
            _ => vector,
        }
    }

    /// Removes an element; whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(node) = self.find(name) else { return false };
        self.remove_node(node, INSERT_EF);
        true
    }

    fn remove_node(&mut self, node: u32, ef: usize) {
        self.graph.remove(&self.vectors, node, ef);
        self.vectors.swap_remove(node);
        let (elements, last) = (&self.elements, (self.elements.len() - 1) as u32);
        let name_of = |node: u32| &*elements.row(node as usize)[0].name;
        self.names.remove(name_of(node), name_of);
        if node != last {
            self.names.renumber(name_of(last), node, name_of);
        }
        self.with_attributes -= usize::from(self.element(node).attributes.is_some());
        self.elements.swap_remove(node as usize);
    }

    /// The attributes of an element, if it has some.
    pub fn attributes(&self, name: &[u8]) -> Option<&[u8]> {
        self.element(self.find(name)?).attributes.as_deref()
    }

    /// Sets the attributes of an element, or takes them away by empty ones; whether the element is there.
    pub fn set_attributes(&mut self, name: &[u8], attributes: &[u8]) -> bool {
        let Some(node) = self.find(name) else { return false };
        let place = &mut self.elements.row_mut(node as usize)[0].attributes;
        self.with_attributes -= usize::from(place.is_some());
        *place = Some(attributes).filter(|attributes| !attributes.is_empty()).map(Box::from);
        self.with_attributes += usize::from(place.is_some());
        true
    }

    /// The vector of an element as it is kept, and the length it had.
    pub fn vector(&self, name: &[u8]) -> Option<(View<'_>, f32)> {
        let node = self.find(name)?;
        Some((self.vectors.view(node), self.element(node).length))
    }

    /// The components of an element's vector, as nearly as they are known; of bits only the signs are.
    pub fn components(&self, name: &[u8]) -> Option<Vec<f32>> {
        let (view, length) = self.vector(name)?;
        let components = view.components(self.dimension()).into_iter();
        Some(match self.quantization() {
            Quantization::None | Quantization::Int8 => components.map(|component| component * length).collect(),
            Quantization::Binary => components.collect(),
        })
    }

    /// The vector of an element, to look for others.
    pub fn target_of(&self, name: &[u8]) -> Option<Target> {
        let mut vector = self.components(name)?;
        normalize(&mut vector);
        Some(Target(Kept::new(vector, self.quantization())))
    }

    /// A vector to look for. It has the dimension of the set, or that of what is reduced for it.
    pub fn target(&self, vector: Vec<f32>) -> Target {
        let mut vector = self.reduced(vector);
        normalize(&mut vector);
        Target(Kept::new(vector, self.quantization()))
    }

    /// The elements nearest to a vector, the nearest first.
    pub fn search(&self, target: &Target, search: &Search<'_>) -> impl Iterator<Item = Found<'_>> {
        let (view, ef) = (target.0.view(), search.ef.max(search.count).min(self.len()));
        let mut accept = |node: u32| match search.filter {
            None => true,
            Some(filter) => self.element(node).attributes.as_deref().is_some_and(|json| filter.matches(json)),
        };
        let mut found = match (search.all, search.filter) {
            (true, _) => self.nearest_of_all(view, search.count, accept),
            (false, None) => self.graph.search(&self.vectors, view, ef),
            (false, Some(_)) => self.graph.search_filtered(&self.vectors, view, ef, search.effort, &mut accept),
        };
        found.truncate(search.count);
        found.into_iter().map(|near| {
            let element = self.element(near.node());
            Found { name: &element.name, attributes: element.attributes.as_deref(), distance: near.distance() }
        })
    }

    fn nearest_of_all(&self, view: View<'_>, count: usize, mut accept: impl FnMut(u32) -> bool) -> Vec<Near> {
        let distance = |node: u32| Near::new(node, self.vectors.distance(view, self.vectors.view(node)));
        let mut all: Vec<Near> = (0..self.len() as u32).filter(|node| accept(*node)).map(distance).collect();
        if count < all.len() {
            all.select_nth_unstable(count);
            all.truncate(count);
        }
        all.sort_unstable();
        all
    }

    /// The neighbors of an element with their distances, by levels from the highest down.
    pub fn links(&self, name: &[u8]) -> Option<impl ExactSizeIterator<Item = Vec<(&[u8], f32)>>> {
        let node = self.find(name)?;
        let neighbor = move |other: &u32| (&*self.element(*other).name, self.vectors.between(node, *other));
        let level = move |level| self.graph.links(node, level).iter().map(neighbor).collect();
        Some((0..self.graph.level(node) + 1).rev().map(level))
    }

    /// An element chosen at random, of those there are; the set is not empty.
    pub fn random_element(&self, random: &mut Random) -> &[u8] {
        &self.element(random.below(self.len() as u64) as u32).name
    }

    /// At most `count` different elements, chosen at random.
    pub fn sample(&self, count: usize, random: &mut Random) -> Vec<&[u8]> {
        // A random walk through numbers that meets each once: the first so many of a shuffled list.
        let mut nodes: Vec<u32> = (0..self.len() as u32).collect();
        let count = count.min(nodes.len());
        for place in 0..count {
            let other = place + random.below((nodes.len() - place) as u64) as usize;
            nodes.swap(place, other);
        }
        nodes[..count].iter().map(|node| &*self.element(*node).name).collect()
    }

    /// The names in order, from the first on that `before` says no to; it says yes to the first so many in order.
    pub fn names_from(&self, before: impl Fn(&[u8]) -> bool) -> impl Iterator<Item = &[u8]> {
        let nodes = self.names.from(move |node| before(&self.element(node).name));
        nodes.map(|node| &*self.element(node).name)
    }
}

impl Value for VectorSet {
    fn type_name(&self) -> &'static str {
        Self::TYPE
    }

    fn len(&self) -> usize {
        VectorSet::len(self)
    }

    fn heap_bytes(&self) -> usize {
        let owned = |element: &Element| {
            let attributes = element.attributes.as_ref().map_or(0, |attributes| attributes.len().next_multiple_of(8));
            element.name.len().next_multiple_of(8) + attributes
        };
        let elements: usize = (0..self.len() as u32).map(|node| owned(self.element(node))).sum();
        let projection = self.projection.as_ref().map_or(0, Projection::heap_bytes);
        let parts = [self.vectors.heap_bytes(), self.graph.heap_bytes(), self.elements.heap_bytes()];
        size_of::<Self>() + elements + projection + self.names.heap_bytes() + parts.iter().sum::<usize>()
    }

    fn free_effort(&self) -> usize {
        let parts = self.vectors.allocations() + self.graph.allocations() + self.names.allocations();
        self.len() + self.with_attributes + parts
    }

    fn duplicate(&self) -> Box<dyn Value> {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        Box::new(Self { number, ..self.clone() })
    }

    fn digest(&self, digest: &mut Digest) {
        for node in 0..self.len() as u32 {
            let element = self.element(node);
            let mut own = Digest::of(&element.name);
            own.append(&self.vectors.view(node).raw());
            own.append(&element.length.to_le_bytes());
            if let Some(attributes) = &element.attributes {
                own.append(attributes);
            }
            digest.add_digest(own);
        }
    }
}

/// How alike two vectors are, from 1 to 0, by their distance.
pub fn score(distance: f32) -> f64 {
    1.0 - f64::from(distance) / 2.0
}

/// The same as VLINKS has it, with fewer digits.
pub fn link_score(distance: f32) -> f64 {
    f64::from(1.0 - distance / 2.0)
}

#[cfg(test)]
mod tests;
