//! The graph of near neighbors: a hierarchical navigable small world (Malkov and Yashunin, <https://arxiv.org/abs/1603.09320>).
//!
//! Every node is on level 0, one of several on level 1 too, one of several of those on level 2, and so on. On each of
//! its levels a node is linked with near nodes. A search enters at the top, looks for the nearest few nodes of each level
//! and goes down from these; on level 0 it looks around as far as its exploration factor (EF) lets it.
//!
//! The paper goes down from the one nearest node. Where vectors lie in groups, that one may be in another group than the
//! target, and level 0, whose links hardly leave a group, has no way across: a few more places to start from cost little
//! and are the way. For the same reason levels are less sparse than M would allow: a group has nodes on a level whose
//! links do leave it.
//!
//! Links are mutual on every level, other than in the paper: whoever removes a node finds all that point to it, so
//! that removing is no worse than never having had it, and files can be read by Redis, which demands it. A node whose
//! places are all taken gives up a neighbor it reaches by way of a nearer one.
//!
//! Nodes are numbers from 0 without gaps: the last node takes the number of one that goes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::util::prefetch::prefetch_read;
use crate::util::random::Random;

use super::rows::Rows;
use super::scratch::{Near, Scratch, with_scratch};
use super::vectors::{Vectors, View};

/// The highest level a node may have.
pub const LEVEL_MAX: usize = 16;

/// The largest M with which each node has its places on level 0 beforehand. With more a node has a list that grows:
/// a few bytes must not take kilobytes.
const M_IN_ROWS: usize = 64;

/// How many of the nearest nodes of a level above the one it is about a search keeps on its way down.
const BEAM: usize = 16;

/// How many times rarer a level is than the one below, at most.
const SHARE_MAX: usize = 8;

/// What becomes of a link that is wanted by a node.
enum Verdict {
    /// There is room.
    Room,
    /// It takes the place of the link with this neighbor.
    Replaces(u32),
    /// What the node has is better.
    Refused,
}

/// The graph. The vectors of its nodes lie elsewhere, by the same numbers.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The most links of a node on a level above 0; on level 0 it is twice that.
    m: usize,
    /// The links on level 0: how many there are, then the neighbors. Unused (one element a row) if M is large.
    base: Rows<u32>,
    /// The links of a node on the other levels.
    lists: Rows<Option<Box<[Vec<u32>]>>>,
    /// The level of the first of the lists: 1, or 0 if M is large.
    listed_from: usize,
    /// The node a search begins at, one of the highest.
    entry: u32,
    /// The node that was linked last on level 0, and the nearest that were found for it: see [`Graph::fill`].
    unfilled: Option<(u32, Box<[u32]>)>,
}

impl Graph {
    /// A graph without nodes that will have at most `m` links a node and level.
    pub fn new(m: usize) -> Self {
        let (width, listed_from) = if m > M_IN_ROWS { (1, 0) } else { (1 + 2 * m, 1) };
        Self { m, base: Rows::new(width), lists: Rows::new(1), listed_from, entry: 0, unfilled: None }
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.base.len()
    }

    /// The most links of a node on a level above 0.
    pub fn m(&self) -> usize {
        self.m
    }

    /// The most links of a node on a level.
    pub fn links_max(&self, level: usize) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }

    /// The highest level of a node.
    pub fn level(&self, node: u32) -> usize {
        let lists = self.lists.row(node as usize)[0].as_ref().map_or(0, |lists| lists.len());
        (lists + self.listed_from).saturating_sub(1)
    }

    /// The level a search begins at.
    pub fn top(&self) -> usize {
        if self.len() == 0 { 0 } else { self.level(self.entry) }
    }

    /// The neighbors of a node on one of its levels; none on a level it has not.
    #[inline]
    pub fn links(&self, node: u32, level: usize) -> &[u32] {
        if level < self.listed_from {
            let row = self.base.row(node as usize);
            return &row[1..1 + row[0] as usize];
        }
        let lists = self.lists.row(node as usize)[0].as_deref().unwrap_or_default();
        lists.get(level - self.listed_from).map_or(&[], Vec::as_slice)
    }

    /// A level for a new node: each is `share` times rarer than the one below.
    pub fn random_level(&self, random: &mut Random) -> usize {
        let share = self.m.clamp(4, SHARE_MAX) as u64;
        (0..LEVEL_MAX).take_while(|_| random.below(share) == 0).count()
    }

    /// Adds a node without links, as loading does, which then links it; `links` on each level are taken as they are.
    pub fn push(&mut self, links: &[Vec<u32>]) {
        let (in_rows, listed) = links.split_at(self.listed_from.min(links.len()));
        let base = in_rows.first().map_or(&[][..], Vec::as_slice);
        let row = std::iter::once(base.len() as u32).chain(base.iter().copied());
        self.base.push(row.chain(std::iter::repeat(0)).take(1 + 2 * self.m * self.listed_from));
        self.lists.push([(!listed.is_empty()).then(|| listed.into())]);
        let node = (self.len() - 1) as u32;
        if node == 0 || self.level(node) > self.level(self.entry) {
            self.entry = node;
        }
    }

    /// Adds a node whose vector is the last of `vectors`, and links it with near nodes found with the factor `ef`.
    pub fn insert(&mut self, vectors: &Vectors, level: usize, ef: usize) {
        let (node, top) = (self.len() as u32, self.top());
        if node == 0 {
            self.push(&vec![Vec::new(); level + 1]);
            return;
        }
        self.fill();
        let target = vectors.view(node);
        with_scratch(self.len() + 1, |scratch| {
            let mut nearest = self.way_down(vectors, target, level, scratch);
            self.push(&vec![Vec::new(); level + 1]);
            for level in (0..=level.min(top)).rev() {
                nearest = self.search_level(vectors, target, &nearest, level, ef, scratch);
                self.join(vectors, node, level, &nearest);
            }
        });
    }

    /// The nearest of `ef` nodes looked at from the top down, at most `ef` of them, the nearest first.
    pub fn search(&self, vectors: &Vectors, target: View<'_>, ef: usize) -> Vec<Near> {
        if self.len() == 0 {
            return Vec::new();
        }
        with_scratch(self.len(), |scratch| {
            let starts = self.way_down(vectors, target, 0, scratch);
            self.search_level(vectors, target, &starts, 0, ef, scratch)
        })
    }

    /// As [`Graph::search`], of the nodes that `accept` takes; at most `effort` nodes are asked about.
    pub fn search_filtered(
        &self,
        vectors: &Vectors,
        target: View<'_>,
        ef: usize,
        effort: usize,
        accept: &mut dyn FnMut(u32) -> bool,
    ) -> Vec<Near> {
        if self.len() == 0 {
            return Vec::new();
        }
        with_scratch(self.len(), |scratch| {
            let starts = self.way_down(vectors, target, 0, scratch);
            scratch.restart(self.len());
            let Scratch { seen, pool, .. } = scratch;
            pool.reset(ef);
            for start in starts.iter().take(effort) {
                seen.insert(start.node());
                if accept(start.node()) {
                    pool.offer(*start);
                }
            }
            let mut asked = starts.len().min(effort);
            let mut ahead: BinaryHeap<Reverse<Near>> = starts.into_iter().map(Reverse).collect();
            while let Some(Reverse(nearest)) = ahead.pop() {
                if !pool.wants(nearest) || asked >= effort {
                    break;
                }
                for &neighbor in self.links(nearest.node(), 0) {
                    if !seen.insert(neighbor) {
                        continue;
                    }
                    let near = Near::new(neighbor, vectors.distance(target, vectors.view(neighbor)));
                    asked += 1;
                    if pool.wants(near) {
                        ahead.push(Reverse(near));
                        if accept(neighbor) {
                            pool.offer(near);
                        }
                    }
                }
            }
            pool.nearest()
        })
    }

    /// Where on a level a search begins: the nearest few nodes of the level above, or the entry.
    fn way_down(&self, vectors: &Vectors, target: View<'_>, level: usize, scratch: &mut Scratch) -> Vec<Near> {
        let entry = Near::new(self.entry, vectors.distance(target, vectors.view(self.entry)));
        let levels_above = (level + 1..=self.top()).rev();
        levels_above
            .fold(vec![entry], |starts, above| self.search_level(vectors, target, &starts, above, BEAM, scratch))
    }

    /// The nearest of `ef` nodes of a level, looked at from some of its nodes on, the nearest first.
    fn search_level(
        &self,
        vectors: &Vectors,
        target: View<'_>,
        starts: &[Near],
        level: usize,
        ef: usize,
        scratch: &mut Scratch,
    ) -> Vec<Near> {
        scratch.restart(self.len());
        let Scratch { seen, pool, fresh } = scratch;
        pool.reset(ef);
        for start in starts {
            seen.insert(start.node());
            pool.offer(*start);
        }
        while let Some(node) = pool.next() {
            fresh.clear();
            fresh.extend(self.links(node, level).iter().copied().filter(|neighbor| seen.insert(*neighbor)));
            prefetch(vectors, fresh);
            for &neighbor in &*fresh {
                pool.offer(Near::new(neighbor, vectors.distance(target, vectors.view(neighbor))));
            }
        }
        pool.nearest()
    }

    /// Links a node, which has no links on the level yet, with some of the nearest found for it.
    fn join(&mut self, vectors: &Vectors, node: u32, level: usize, nearest: &[Near]) {
        let on_level = |near: &&Near| near.node() != node && self.level(near.node()) >= level;
        let nearest: Vec<Near> = nearest.iter().filter(on_level).copied().collect();
        let taken = spread(vectors, &nearest, self.m);
        for &near in &taken {
            match self.verdict(vectors, near, level) {
                Verdict::Room => self.link(node, near.node(), level),
                Verdict::Replaces(other) => {
                    self.unlink(near.node(), other, level);
                    self.link(node, near.node(), level);
                }
                Verdict::Refused => {}
            }
        }
        if level == 0 {
            let near = nearest.iter().map(|near| near.node()).take(self.links_max(0));
            self.unfilled = Some((node, near.collect()));
        }
        // What room its neighbors have left is used at once: it costs little time here, and a search finds more.
        for _ in 0..2 {
            let roomy = taken.iter().map(|near| near.node());
            let roomy: Vec<u32> =
                roomy.filter(|other| self.links(*other, level).len() < self.links_max(level)).collect();
            self.bridge(vectors, &roomy, level);
        }
        if self.links(node, level).is_empty()
            && let Some(near) = nearest.first()
        {
            self.squeeze_in(vectors, node, near.node(), level);
        }
    }

    /// Gives the node that was linked last the links that nobody has to give up another for; some room is left for nodes
    /// to come. A new node has no more than M, as in Redis: it gets these when the next one comes.
    fn fill(&mut self) {
        let Some((node, near)) = self.unfilled.take() else { return };
        for &other in &near {
            if self.links(node, 0).len() >= self.links_max(0) / 4 * 3 {
                return;
            }
            let has_room = self.links(other, 0).len() < self.links_max(0);
            if has_room && !self.links(node, 0).contains(&other) {
                self.link(node, other, 0);
            }
        }
    }

    /// What a node makes of a new link of the length of `near`, whose node it is.
    fn verdict(&self, vectors: &Vectors, near: Near, level: usize) -> Verdict {
        let (node, length) = (near.node(), near.distance());
        let links = self.links(node, level);
        if links.len() < self.links_max(level) {
            return Verdict::Room;
        }
        let view = vectors.view(node);
        prefetch(vectors, links);
        let distance = |other: &u32| Near::new(*other, vectors.distance(view, vectors.view(*other)));
        let mut by_length: Vec<Near> = links.iter().map(distance).collect();
        by_length.sort_unstable();
        // A neighbor must not be left with few links: it might get out of reach.
        let least = self.m / 2;
        let spare = |other: &Near| self.links(other.node(), level).len() > least;
        for at in (0..by_length.len()).rev() {
            let far = by_length[at];
            if far.distance() < length {
                break;
            }
            let view = vectors.view(far.node());
            let shorter = |via: &Near| vectors.distance(view, vectors.view(via.node())) < far.distance();
            if spare(&far) && by_length[..at].iter().any(shorter) {
                return Verdict::Replaces(far.node());
            }
        }
        match by_length.iter().rev().find(|far| spare(far)) {
            Some(far) if far.distance() > length => Verdict::Replaces(far.node()),
            _ => Verdict::Refused,
        }
    }

    /// Links a node with a neighbor that has no room: a link of that neighbor is led by way of the node.
    fn squeeze_in(&mut self, vectors: &Vectors, node: u32, neighbor: u32, level: usize) {
        if self.links(neighbor, level).len() >= self.links_max(level) {
            let far =
                self.links(neighbor, level).iter().map(|other| Near::new(*other, vectors.between(neighbor, *other)));
            let Some(far) = far.max() else { return };
            self.unlink(neighbor, far.node(), level);
            self.link(node, far.node(), level);
        }
        self.link(node, neighbor, level);
    }

    /// Removes a node, links those it leaves behind, and gives its number to the last node.
    pub fn remove(&mut self, vectors: &Vectors, node: u32, ef: usize) {
        let level = self.level(node);
        let mut left: Vec<Vec<u32>> = Vec::with_capacity(level + 1);
        for level in 0..=level {
            let neighbors = self.links(node, level).to_vec();
            for &neighbor in &neighbors {
                self.unlink(node, neighbor, level);
            }
            left.push(neighbors);
        }
        if self.entry == node {
            let highest = left.iter().flatten().copied().max_by_key(|neighbor| self.level(*neighbor));
            self.entry = highest.unwrap_or_else(|| u32::from(node == 0));
        }
        if self.len() > 1 {
            for (level, neighbors) in left.iter().enumerate() {
                self.bridge(vectors, neighbors, level);
                for &neighbor in neighbors {
                    if self.links(neighbor, level).is_empty() {
                        self.rejoin(vectors, neighbor, level, ef, node);
                    }
                }
            }
        }
        self.renumber_last(node);
        // Nodes have other numbers now.
        self.unfilled = None;
    }

    /// Links nodes that had a neighbor in common with one another: each gets back one link, the shortest first.
    fn bridge(&mut self, vectors: &Vectors, nodes: &[u32], level: usize) {
        let mut pairs: Vec<(Near, u32)> = Vec::new();
        for (at, &a) in nodes.iter().enumerate() {
            for &b in &nodes[at + 1..] {
                if !self.links(a, level).contains(&b) {
                    pairs.push((Near::new(b, vectors.between(a, b)), a));
                }
            }
        }
        pairs.sort_unstable();
        let mut bridged: Vec<u32> = Vec::with_capacity(nodes.len());
        for (near, a) in pairs {
            let b = near.node();
            if !bridged.contains(&a) && !bridged.contains(&b) {
                self.link(a, b, level);
                bridged.extend([a, b]);
            }
        }
    }

    /// Searches neighbors for a node that has lost all of them on a level; `gone` is not one.
    fn rejoin(&mut self, vectors: &Vectors, node: u32, level: usize, ef: usize, gone: u32) {
        if self.top() < level {
            return;
        }
        let target = vectors.view(node);
        let found = with_scratch(self.len(), |scratch| {
            let starts = self.way_down(vectors, target, level, scratch);
            self.search_level(vectors, target, &starts, level, ef, scratch)
        });
        let others: Vec<Near> = found.into_iter().filter(|near| near.node() != gone).collect();
        self.join(vectors, node, level, &others);
    }

    /// Gives the number of a node without links to the last node.
    fn renumber_last(&mut self, node: u32) {
        let last = (self.len() - 1) as u32;
        if node != last {
            for level in 0..=self.level(last) {
                for at in 0..self.links(last, level).len() {
                    let neighbor = self.links(last, level)[at];
                    let link = self.links_mut(neighbor, level).iter_mut().find(|link| **link == last);
                    *link.expect("links are mutual") = node;
                }
            }
            if self.entry == last {
                self.entry = node;
            }
        }
        self.base.swap_remove(node as usize);
        self.lists.swap_remove(node as usize);
        if self.len() == 0 {
            self.entry = 0;
        }
    }

    fn links_mut(&mut self, node: u32, level: usize) -> &mut [u32] {
        if level < self.listed_from {
            let row = self.base.row_mut(node as usize);
            let count = row[0] as usize;
            return &mut row[1..1 + count];
        }
        let lists = self.lists.row_mut(node as usize)[0].as_deref_mut().unwrap_or_default();
        lists.get_mut(level - self.listed_from).map_or(&mut [], Vec::as_mut_slice)
    }

    /// Links two nodes of the level that both have room.
    fn link(&mut self, a: u32, b: u32, level: usize) {
        debug_assert_ne!(a, b);
        for (node, other) in [(a, b), (b, a)] {
            if level < self.listed_from {
                let row = self.base.row_mut(node as usize);
                row[0] += 1;
                row[row[0] as usize] = other;
            } else if let Some(lists) = &mut self.lists.row_mut(node as usize)[0] {
                lists[level - self.listed_from].push(other);
            }
        }
    }

    /// Takes apart two nodes that are linked.
    fn unlink(&mut self, a: u32, b: u32, level: usize) {
        for (node, other) in [(a, b), (b, a)] {
            let Some(place) = self.links(node, level).iter().position(|link| *link == other) else { continue };
            if level < self.listed_from {
                let row = self.base.row_mut(node as usize);
                row[1 + place] = row[row[0] as usize];
                row[0] -= 1;
            } else if let Some(lists) = &mut self.lists.row_mut(node as usize)[0] {
                lists[level - self.listed_from].swap_remove(place);
            }
        }
    }

    /// Memory it takes.
    pub fn heap_bytes(&self) -> usize {
        let list = |links: &Vec<u32>| size_of::<Vec<u32>>() + links.capacity() * size_of::<u32>();
        let listed = (0..self.len()).filter_map(|node| self.lists.row(node)[0].as_deref()).flatten();
        let unfilled = self.unfilled.as_ref().map_or(0, |(_, near)| size_of_val(&**near));
        self.base.heap_bytes() + self.lists.heap_bytes() + listed.map(list).sum::<usize>() + unfilled
    }

    /// The number of allocations, about.
    pub fn allocations(&self) -> usize {
        self.base.allocations() + self.lists.allocations() + self.len() / 8
    }
}

/// Asks for the vectors of nodes early.
#[inline]
fn prefetch(vectors: &Vectors, nodes: &[u32]) {
    for &node in nodes {
        vectors.lines(node).for_each(prefetch_read);
    }
}

/// At most `most` nodes that lie in different directions: none is nearer to one that was taken before than to the
/// target. What place is left goes to the nearest of the others.
fn spread(vectors: &Vectors, nearest: &[Near], most: usize) -> Vec<Near> {
    let (mut taken, mut others): (Vec<Near>, Vec<Near>) = (Vec::with_capacity(most), Vec::new());
    for &near in nearest {
        if taken.len() == most {
            break;
        }
        let view = vectors.view(near.node());
        let apart = |other: &Near| vectors.distance(view, vectors.view(other.node())) >= near.distance();
        if taken.iter().all(apart) { taken.push(near) } else { others.push(near) }
    }
    let room = most - taken.len();
    taken.extend(others.into_iter().take(room));
    taken
}
