//! Placeholder.

use super::Collection;
use super::digest::Digest;

/// Stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {}

impl Collection for Stream {
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
