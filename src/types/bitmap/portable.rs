//! The bits of a bitmap in the portable form of Roaring bitmaps of 64 bits, which other implementations read as well:
//! <https://github.com/RoaringBitmap/RoaringFormatSpec>.
//!
//! ```text
//! number of buckets, 8 bytes │ for each: the high 32 bits of its offsets, and the form of 32 bits
//! ```
//! All is little-endian. The length of the bitmap is not in it.

use std::collections::BTreeMap;
use std::io::Read;

use roaring::RoaringBitmap;

use super::{BYTES_MAX, Bitmap, Parts};
use crate::types::sharing::Sharing;

impl Bitmap {
    /// Its bits in portable form.
    pub fn to_portable(&self) -> Vec<u8> {
        let size: usize = self.0.buckets.values().map(|bits| 4 + bits.serialized_size()).sum();
        let mut bytes = Vec::with_capacity(8 + size);
        bytes.extend_from_slice(&(self.0.buckets.len() as u64).to_le_bytes());
        for (number, bits) in &self.0.buckets {
            bytes.extend_from_slice(&number.to_le_bytes());
            // Memory takes everything.
            let _ = bits.serialize_into(&mut bytes);
        }
        bytes
    }

    /// A bitmap of so many bytes with bits that come in portable form, brought into the most compact form; `None` if
    /// that is damaged, if something stands behind it, or if there are bits behind the end.
    pub fn from_portable(len: u64, mut bytes: &[u8]) -> Option<Bitmap> {
        if len > BYTES_MAX {
            return None;
        }
        let mut head = [0; 8];
        bytes.read_exact(&mut head).ok()?;
        let mut buckets = BTreeMap::new();
        for _ in 0..u64::from_le_bytes(head) {
            let mut number = [0; 4];
            bytes.read_exact(&mut number).ok()?;
            let number = u32::from_le_bytes(number);
            let mut bits = RoaringBitmap::deserialize_from(&mut bytes).ok()?;
            let last = u64::from(number) << 32 | u64::from(bits.max()?);
            let is_sorted = buckets.last_key_value().is_none_or(|(before, _)| *before < number);
            if !is_sorted || last / 8 >= len {
                return None;
            }
            bits.optimize();
            buckets.insert(number, bits);
        }
        bytes.is_empty().then(|| Bitmap(Sharing::new(Parts { len, buckets })))
    }
}
