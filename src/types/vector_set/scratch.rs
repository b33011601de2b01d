//! What a search keeps while it runs: which nodes it has seen, and the nearest ones it knows.
//!
//! It is kept from search to search, one for each thread, so that a search allocates nothing.

use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// A node and its distance in one number, in whose order nearer nodes come first; the lowest bit is free for a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Near(u64);

impl Near {
    /// A node, which is below 2^31, at a distance. What has no distance (NaN) comes last.
    #[inline]
    pub fn new(node: u32, distance: f32) -> Self {
        let bits = distance.to_bits();
        let order = match () {
            () if distance.is_nan() => u32::MAX,
            () if distance.is_sign_negative() => !bits,
            () => bits | 1 << 31,
        };
        Self(u64::from(order) << 32 | u64::from(node) << 1)
    }

    /// The node.
    #[inline]
    pub fn node(self) -> u32 {
        self.0 as u32 >> 1
    }

    /// Its distance.
    #[inline]
    pub fn distance(self) -> f32 {
        let order = (self.0 >> 32) as u32;
        match order {
            u32::MAX => f32::NAN,
            order if order >> 31 == 1 => f32::from_bits(order & !(1 << 31)),
            order => f32::from_bits(!order),
        }
    }

    #[inline]
    fn marked(self) -> Self {
        Self(self.0 | 1)
    }

    #[inline]
    fn is_marked(self) -> bool {
        self.0 & 1 == 1
    }
}

/// The nodes a search has seen: a bit for each, and a list of those to be forgotten.
#[derive(Debug, Default)]
pub struct Seen {
    bits: Vec<u64>,
    nodes: Vec<u32>,
}

impl Seen {
    /// Notes a node; whether it is new.
    #[inline]
    pub fn insert(&mut self, node: u32) -> bool {
        let (word, bit) = (node as usize / 64, 1 << (node % 64));
        if self.bits[word] & bit != 0 {
            return false;
        }
        self.bits[word] |= bit;
        self.nodes.push(node);
        true
    }

    /// Forgets all, and makes room for as many nodes.
    fn reset(&mut self, nodes: usize) {
        for node in self.nodes.drain(..) {
            self.bits[node as usize / 64] = 0;
        }
        if self.bits.len() < nodes.div_ceil(64) {
            self.bits.resize(nodes.div_ceil(64), 0);
        }
    }
}

/// At most so many of the nearest nodes, in order, with a mark at those whose neighbors were looked at.
#[derive(Debug, Default)]
pub struct Pool {
    nearest: Vec<Near>,
    most: usize,
    /// No node before this place is unmarked.
    next: usize,
}

impl Pool {
    /// Empties it; it will hold at most `most`, at least one.
    pub fn reset(&mut self, most: usize) {
        self.nearest.clear();
        self.most = most.max(1);
        self.next = 0;
    }

    /// Whether a node this near would be taken.
    #[inline]
    pub fn wants(&self, near: Near) -> bool {
        self.nearest.len() < self.most || self.nearest.last().is_some_and(|last| near < *last)
    }

    /// Takes a node in, if it is near enough.
    #[inline]
    pub fn offer(&mut self, near: Near) {
        if !self.wants(near) {
            return;
        }
        if self.nearest.len() == self.most {
            self.nearest.pop();
        }
        let place = self.nearest.partition_point(|other| *other < near);
        self.nearest.insert(place, near);
        self.next = self.next.min(place);
    }

    /// The nearest node that has no mark yet, which it then has.
    #[inline]
    pub fn next(&mut self) -> Option<u32> {
        while self.nearest.get(self.next)?.is_marked() {
            self.next += 1;
        }
        let near = &mut self.nearest[self.next];
        *near = near.marked();
        Some(near.node())
    }

    /// The nearest nodes, the nearest first, without marks.
    pub fn nearest(&self) -> Vec<Near> {
        self.nearest.iter().map(|near| Near(near.0 & !1)).collect()
    }
}

/// All of it.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The nodes that were seen.
    pub seen: Seen,
    /// The nearest nodes.
    pub pool: Pool,
    /// Neighbors of one node that were not seen before.
    pub fresh: Vec<u32>,
}

impl Scratch {
    /// Forgets what was seen, for the next level; there are as many nodes.
    pub fn restart(&mut self, nodes: usize) {
        self.seen.reset(nodes);
    }
}

/// Runs a search among as many nodes.
pub fn with_scratch<T>(nodes: usize, search: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.seen.reset(nodes);
        search(scratch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_what_has_no_distance_last() {
        let distances = [-1e-7_f32, -0.0, 0.0, 1e-30, 0.5, 2.0, f32::INFINITY, f32::NAN];
        let all: Vec<Near> = distances.iter().zip(7..).map(|(distance, node)| Near::new(node, *distance)).collect();
        assert!(all.is_sorted());
        for ((near, distance), node) in all.iter().zip(distances).zip(7..) {
            assert_eq!(near.node(), node);
            assert!(near.distance() == distance || distance.is_nan() && near.distance().is_nan());
            assert_eq!(near.marked().distance().to_bits(), near.distance().to_bits());
        }
        assert!(Near::new(1, -f32::NAN) > Near::new(0, f32::INFINITY));
    }

    #[test]
    fn a_pool_keeps_the_nearest_and_gives_each_once() {
        let mut pool = Pool::default();
        pool.reset(3);
        for (node, distance) in [(1, 5.0), (2, 1.0), (3, 4.0), (4, 3.0), (5, 9.0)] {
            pool.offer(Near::new(node, distance));
        }
        assert_eq!(pool.next(), Some(2));
        assert_eq!(pool.next(), Some(4));
        pool.offer(Near::new(6, 0.5));
        assert_eq!(pool.next(), Some(6));
        assert_eq!(pool.next(), None);
        assert_eq!(pool.nearest().iter().map(|near| near.node()).collect::<Vec<_>>(), [6, 2, 4]);
    }
}
