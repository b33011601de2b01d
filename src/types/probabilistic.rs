//! Sketches: types that answer in a small, fixed room what exact answers would need all the data for.
//!
//! | type | question | may err |
//! |---|---|---|
//! | [`bloom`] | was this added? | says yes to what was not |
//! | [`cuckoo`] | the same, and elements can be deleted | says yes to what was not |
//! | [`count_min`] | how often was this counted? | says too much |
//! | [`top_k`] | which are the most frequent? | forgets what is rare |
//! | [`t_digest`] | which value has that rank? | between the values it kept |
//!
//! Their parameters, hashes and layouts are those of RedisBloom, so that a value that one server wrote gives the same
//! answers in the other. Sizes come from clients: room that depends on them is taken by [`zeroed`] alone.

pub mod bloom;
pub mod count_min;
pub mod cuckoo;
mod murmur;
pub mod t_digest;
pub mod top_k;

use std::mem::size_of;

use crate::util::platform::total_memory;

/// Room below this is taken without asking how much the machine has.
const UNQUESTIONED_BYTES: u64 = 1 << 20;

/// A value is larger than the machine's memory, or the allocator refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// As many zeros, or what a type has for them. Pages of a large one take no memory before something is written there.
fn zeroed<T: Clone + Default>(count: u64) -> Result<Vec<T>, OutOfMemory> {
    let bytes = count.checked_mul(size_of::<T>() as u64).ok_or(OutOfMemory)?;
    let count = usize::try_from(count).map_err(|_| OutOfMemory)?;
    if bytes > UNQUESTIONED_BYTES {
        if bytes > total_memory() as u64 {
            return Err(OutOfMemory);
        }
        // The allocator that hands out zeros cannot refuse, so this one is asked before.
        Vec::<T>::new().try_reserve_exact(count).map_err(|_| OutOfMemory)?;
    }
    Ok(vec![T::default(); count])
}

/// Whether a value of so many bytes fits into the machine's memory: several parts of it may each, and all of them not.
fn fits(bytes: impl Iterator<Item = u64>) -> Result<(), OutOfMemory> {
    let total = bytes.fold(0u64, u64::saturating_add);
    if total <= UNQUESTIONED_BYTES || total <= total_memory() as u64 { Ok(()) } else { Err(OutOfMemory) }
}

/// Why a value that came from elsewhere is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It contradicts itself.
    Malformed,
    /// It would not fit into memory.
    OutOfMemory,
}

impl From<OutOfMemory> for Refused {
    fn from(_: OutOfMemory) -> Refused {
        Refused::OutOfMemory
    }
}

/// Takes numbers off the front of bytes, little endian.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{OutOfMemory, fits, zeroed};

    #[test]
    fn room_is_refused_beyond_the_memory_of_the_machine() {
        assert_eq!(zeroed::<u64>(3), Ok(vec![0; 3]));
        assert_eq!(zeroed::<u8>(1 << 60), Err(OutOfMemory));
        assert_eq!(zeroed::<u64>(u64::MAX), Err(OutOfMemory));
        assert_eq!(zeroed::<u64>(1 << 61), Err(OutOfMemory));
        assert_eq!(fits(std::iter::repeat_n(1 << 20, 2)), Ok(()));
        assert_eq!(fits(std::iter::repeat_n(1 << 30, 1 << 20)), Err(OutOfMemory));
        assert_eq!(fits(std::iter::repeat_n(u64::MAX, 2)), Err(OutOfMemory));
    }
}
