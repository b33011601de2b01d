//! Names of nodes and shards.

use std::fmt;

use crate::util::random::Random;

/// Forty characters that name a node, or a shard: lower-case letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; NodeId::BYTES]);

impl NodeId {
    /// Its length, in bytes.
    pub const BYTES: usize = 40;

    /// Hexadecimal digits by chance.
    pub fn random(random: &mut Random) -> NodeId {
        let mut id = [0; NodeId::BYTES];
        for digits in id.chunks_mut(16) {
            let number = random.next_u64();
            for (place, digit) in digits.iter_mut().enumerate() {
                *digit = b"0123456789abcdef"[(number >> (4 * place)) as usize & 15];
            }
        }
        NodeId(id)
    }

    /// The id these bytes are; `None` for what names nothing.
    pub fn from_bytes(bytes: &[u8]) -> Option<NodeId> {
        let id: [u8; NodeId::BYTES] = bytes.try_into().ok()?;
        let valid = id.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        valid.then_some(NodeId(id))
    }

    /// Its characters.
    pub fn as_bytes(&self) -> &[u8; NodeId::BYTES] {
        &self.0
    }

    /// The same.
    pub fn as_str(&self) -> &str {
        // Nothing else than ASCII gets in.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.as_str())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_forty_letters_and_digits() {
        let id = NodeId::random(&mut Random::from_seed(1));
        assert_eq!(NodeId::from_bytes(id.as_bytes()), Some(id));
        assert_eq!(id.to_string().len(), 40);
        for wrong in [&b"a"[..], &[b'A'; 40], &[0; 40], &[b'a'; 41], &[b'-'; 40], &[0xff; 40]] {
            assert_eq!(NodeId::from_bytes(wrong), None);
        }
    }
}
