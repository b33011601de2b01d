//! Placeholder.

use super::Collection;
use super::digest::Digest;

/// List.
#[derive(Clone, Debug, Default)]
pub struct List {}

impl Collection for List {
    fn len(&self) -> usize {
        0
    }

    fn encoding(&self) -> &'static str {
        ""
    }

    fn heap_bytes(&self, _samples: usize) -> usize {
        0
    }

    fn free_effort(&self) -> usize {
        0
    }

    fn digest(&self, _digest: &mut Digest) {}
}
