//! Path hashes, as of Valkey 9.2: paths, which are any bytes, each with fields and their values.
//!
//! Paths stand in the order of their bytes, so that those which begin alike are neighbours. The other question, which
//! paths a text begins with, is answered from the longest one down: the greatest path that is not above the text either
//! begins it, or shows how far any path below it can. Each step takes one search in the order.
//!
//! A path hash without paths is still a value: its key stays.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Bound;

use super::digest::Digest;
use super::hash::{Hash, HashLimits};
use super::sharing::Sharing;
use super::{Collection, ExpiringParts};
use crate::util::alloc::size_class;

/// Paths with fields.
#[derive(Clone, Default)]
pub struct PathHash(Sharing<Paths>);

/// No path is without fields, and no field expires.
type Paths = BTreeMap<Box<[u8]>, Hash>;

impl PathHash {
    /// The fields of a path.
    pub fn get(&self, path: &[u8]) -> Option<&Hash> {
        self.0.get(path)
    }

    /// Sets fields of a path; whether the path is new. There is at least one field.
    pub fn set<'t>(
        &mut self,
        path: &[u8],
        pairs: impl Iterator<Item = (&'t [u8], &'t [u8])>,
        limits: HashLimits,
    ) -> bool {
        let put = |hash: &mut Hash| {
            for (field, value) in pairs {
                hash.set(field, value, limits);
            }
        };
        if let Some(hash) = self.0.get_mut(path) {
            put(hash);
            return false;
        }
        let mut hash = Hash::default();
        put(&mut hash);
        self.0.insert(path.into(), hash);
        true
    }

    /// Removes a path; whether it was there.
    pub fn remove(&mut self, path: &[u8]) -> bool {
        self.0.remove(path).is_some()
    }

    /// Removes fields of a path, and the path with the last of them; how many there were.
    pub fn remove_fields<'t>(&mut self, path: &[u8], fields: impl Iterator<Item = &'t [u8]>) -> usize {
        let Some(hash) = self.0.get_mut(path) else { return 0 };
        let removed = fields.filter(|field| hash.remove(field)).count();
        if hash.is_empty() {
            self.0.remove(path);
        }
        removed
    }

    /// Removes all paths that begin with a prefix; how many there were.
    pub fn remove_prefix(&mut self, prefix: &[u8]) -> usize {
        if prefix.is_empty() {
            return std::mem::take(&mut *self.0).len();
        }
        let paths: Vec<Box<[u8]>> = self.from(Bound::Included(prefix), prefix).map(|(path, _)| path.into()).collect();
        paths.iter().for_each(|path| _ = self.0.remove(path));
        paths.len()
    }

    /// The paths that begin with a prefix, from a bound on, in order.
    pub fn from<'a>(
        &'a self,
        start: Bound<&[u8]>,
        prefix: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a Hash)> + use<'a> {
        let start = match start {
            Bound::Included(path) | Bound::Excluded(path) if path < prefix => Bound::Included(prefix),
            Bound::Unbounded => Bound::Included(prefix),
            start => start,
        };
        let paths = self.0.range::<[u8], _>((start, Bound::Unbounded));
        paths.map(|(path, hash)| (&**path, hash)).take_while(move |(path, _)| path.starts_with(prefix))
    }

    /// The paths that a text begins with, the longest first.
    pub fn prefixes_of<'a>(&'a self, text: &'a [u8]) -> Prefixes<'a> {
        Prefixes { paths: &self.0, text: Some(text) }
    }

    /// All paths, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Hash)> {
        self.0.iter().map(|(path, hash)| (&**path, hash))
    }
}

/// See [`PathHash::prefixes_of`].
pub struct Prefixes<'a> {
    paths: &'a Paths,
    /// What a path still to come begins.
    text: Option<&'a [u8]>,
}

impl<'a> Iterator for Prefixes<'a> {
    type Item = (&'a [u8], &'a Hash);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = self.text.take()?;
            let (path, hash) = self.paths.range::<[u8], _>((Bound::Unbounded, Bound::Included(text))).next_back()?;
            let common = path.iter().zip(text).take_while(|(one, other)| one == other).count();
            if common == path.len() {
                self.text = common.checked_sub(1).map(|end| &text[..end]);
                return Some((path, hash));
            }
            // A longer path that begins the text would be above this one, and not above the text.
            self.text = Some(&text[..common]);
        }
    }
}

impl Collection for PathHash {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn encoding(&self) -> &'static str {
        "pathhash"
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        // Nodes of the map have room for eleven paths and are two thirds full on the average.
        let slot = size_of::<(Box<[u8]>, Hash)>() * 3 / 2;
        let paths = self.0.len();
        let looked_at = if samples == 0 { paths } else { samples.min(paths) };
        let sampled = self.0.iter().take(looked_at);
        let owned: usize = sampled.map(|(path, hash)| size_class(path.len()) + hash.heap_bytes(samples)).sum();
        size_class(size_of::<Paths>())
            + paths * slot
            + (owned as u128 * paths as u128 / looked_at.max(1) as u128) as usize
    }

    fn free_effort(&self) -> usize {
        2 * self.0.len()
    }

    fn digest(&self, digest: &mut Digest) {
        for (path, hash) in self.0.iter() {
            let mut of_path = Digest::of(path);
            hash.digest(&mut of_path);
            digest.add_digest(of_path);
        }
    }
}
