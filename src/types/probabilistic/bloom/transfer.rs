//! A chain as SCANDUMP hands it out and LOADCHUNK takes it in: a header, then the bits of all filters piece by piece.

use super::{Bloom, Filter, Parameters};
use crate::types::probabilistic::{Fields, Refused, fits};

const CHAIN_BYTES: usize = 20;
const FILTER_BYTES: usize = 53;
/// Bits handed out at once at most, in bytes.
const CHUNK_BYTES_MAX: usize = 16 << 20;

/// Why a chunk is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// The position lies before the chunk's length.
    BadPosition,
    /// No filter has this position.
    NoFilter,
    /// It ends behind the filter it begins in.
    TooLong,
}

impl Bloom {
    /// The header.
    pub fn header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(CHAIN_BYTES + FILTER_BYTES * self.filters.len());
        header.extend(self.items.to_le_bytes());
        header.extend((self.filters.len() as u32).to_le_bytes());
        header.extend(self.options.to_le_bytes());
        header.extend(self.growth.to_le_bytes());
        for filter in &self.filters {
            let of = filter.parameters();
            header.extend((filter.bytes().len() as u64).to_le_bytes());
            header.extend(of.bits.to_le_bytes());
            header.extend(filter.items().to_le_bytes());
            header.extend(of.error.to_le_bytes());
            header.extend(of.bits_per_item.to_le_bytes());
            header.extend(of.hashes.to_le_bytes());
            header.extend(of.capacity.to_le_bytes());
            header.push(of.log2_bits);
        }
        header
    }

    /// A chain as a header tells it, all bits still 0.
    pub fn from_header(header: &[u8]) -> Result<Bloom, Refused> {
        let mut fields = Fields(header);
        let mut chain = || Some((fields.u64()?, fields.u32()?, fields.u32()?, fields.u32()?));
        let (items, count, options, growth) = chain().ok_or(Refused::Malformed)?;
        if fields.0.len() as u64 != u64::from(count) * FILTER_BYTES as u64 {
            return Err(Refused::Malformed);
        }
        let mut announced = Vec::with_capacity(count as usize);
        while !fields.0.is_empty() {
            let (parameters, items, bytes) = filter(&mut fields).ok_or(Refused::Malformed)?;
            if bytes.checked_mul(8) != Some(parameters.bits) {
                return Err(Refused::Malformed);
            }
            announced.push((parameters, items, bytes));
        }
        fits(announced.iter().map(|(_, _, bytes)| *bytes))?;
        let filters =
            announced.into_iter().map(|(parameters, items, bytes)| Filter::announced(parameters, items, bytes));
        Bloom::from_parts(items, options, growth, filters.collect::<Result<_, _>>()?)
    }

    /// The bits at a position, and the position behind them; `None` behind the last, and before the first.
    pub fn chunk(&self, position: i64) -> Option<(&[u8], i64)> {
        let (filter, offset) = self.locate(position)?;
        let rest = &self.filters[filter].bytes()[offset..];
        let chunk = &rest[..rest.len().min(CHUNK_BYTES_MAX)];
        Some((chunk, position + chunk.len() as i64))
    }

    /// Replaces bits by those that end before a position.
    pub fn load_chunk(&mut self, end: i64, chunk: &[u8]) -> Result<(), ChunkError> {
        let begin = i64::try_from(chunk.len()).ok().filter(|len| end > 0 && end >= *len).map(|len| end - len);
        let begin = begin.ok_or(ChunkError::BadPosition)?;
        let (filter, offset) = self.locate(begin).ok_or(ChunkError::NoFilter)?;
        let room = self.filters[filter].bytes_mut()[offset..].get_mut(..chunk.len());
        room.ok_or(ChunkError::TooLong)?.copy_from_slice(chunk);
        Ok(())
    }

    /// The filter that has a position, and the place there.
    fn locate(&self, position: i64) -> Option<(usize, usize)> {
        let mut offset = usize::try_from(position.checked_sub(1)?).ok()?;
        for (at, filter) in self.filters.iter().enumerate() {
            match offset.checked_sub(filter.bytes().len()) {
                None => return Some((at, offset)),
                Some(left) => offset = left,
            }
        }
        None
    }
}

/// What a header says of a filter: how it was made, its elements and its bytes.
fn filter(fields: &mut Fields<'_>) -> Option<(Parameters, u64, u64)> {
    let (bytes, bits, items) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let (error, bits_per_item) = (fields.f64()?, fields.f64()?);
    let (hashes, capacity, [log2_bits]) = (fields.u32()?, fields.u64()?, fields.take()?);
    Some((Parameters { capacity, error, hashes, bits_per_item, bits, log2_bits }, items, bytes))
}
