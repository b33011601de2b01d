//! Placeholder.

use super::Collection;
use super::digest::Digest;

/// Set.
#[derive(Clone, Debug, Default)]
pub struct Set {}

impl Collection for Set {
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
