//! HyperLogLogs: how many distinct elements were seen, to about 0.81 %, in at most 12 KiB.
//!
//! A hash sends every element to one of 16,384 registers, which keeps the longest run of zeros it has met in the rest
//! of the hashes. The registers tell how many distinct elements there must have been.
//!
//! A HyperLogLog is no type of its own but a string, which users may read, keep and put back. So these bytes are
//! those of Redis, exactly, whatever way they came about:
//! ```text
//! HYLL   1 byte: 0 dense, 1 sparse   3 bytes unused   8 bytes: the last count, little endian   registers
//! ```
//! The highest bit of the count says that the registers have changed since. `dense` packs all registers, `sparse` has
//! runs of equal ones; a sparse form turns dense when it exceeds a length, or for a run of zeros it can't express.
//!
//! Bytes come from strangers. [`HyperLogLog::of`] accepts what looks like one by its header, as Redis does; whatever
//! meets registers that make no sense behind it says [`Corrupted`].

mod dense;
mod estimate;
mod observation;
mod self_test;
mod sparse;
#[cfg(test)]
mod tests;

pub use estimate::Registers;
pub use observation::Observation;
pub use self_test::self_test;
pub use sparse::{Edit, Run};

/// The number of registers; as many bits of a hash, 14, tell which one.
const REGISTERS: usize = 1 << 14;
/// Everything before the registers.
const HEADER_BYTES: usize = 16;
/// Length of the dense form.
const DENSE_BYTES: usize = HEADER_BYTES + dense::BYTES;
const MAGIC: &[u8] = b"HYLL";
const ENCODING_AT: usize = 4;
const COUNT_AT: usize = 8;
/// Set in the last byte of the count when it is no longer true.
const OUTDATED: u8 = 0x80;

/// The registers of a HyperLogLog make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupted;

/// How registers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Six bits each.
    Dense,
    /// In runs.
    Sparse,
}

impl Encoding {
    /// The name that PFDEBUG ENCODING gives.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        }
    }
}

/// What has to be done so that a HyperLogLog takes an observation in.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Its dense form, with this.
    Dense(Observation),
    /// Some runs of its sparse form are replaced, or it turns dense with this.
    Sparse(Edit, Observation),
}

/// The bytes of a HyperLogLog.
#[derive(Clone, Copy, Debug)]
pub struct HyperLogLog<'a> {
    bytes: &'a [u8],
    encoding: Encoding,
}

impl<'a> HyperLogLog<'a> {
    /// The HyperLogLog that a string holds, if it looks like one.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
            return None;
        }
        let encoding = match bytes.get(ENCODING_AT)? {
            0 if bytes.len() == DENSE_BYTES => Encoding::Dense,
            1 => Encoding::Sparse,
            _ => return None,
        };
        Some(Self { bytes, encoding })
    }

    /// How its registers are kept.
    pub fn encoding(self) -> Encoding {
        self.encoding
    }

    fn body(self) -> &'a [u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// The last count, unless registers have changed since.
    pub fn known_count(self) -> Option<u64> {
        let (count, _) = self.bytes.get(COUNT_AT..)?.split_first_chunk()?;
        let count = u64::from_le_bytes(*count);
        (count >> 63 == 0).then_some(count)
    }

    /// About how many distinct elements were seen.
    pub fn count(self) -> Result<u64, Corrupted> {
        match self.encoding {
            Encoding::Dense => Ok(estimate::count(&dense::histogram(self.body()))),
            Encoding::Sparse => Ok(estimate::count(&sparse::histogram(self.body())?)),
        }
    }

    /// What an observation would change; most change nothing.
    #[inline]
    pub fn change_for(self, seen: Observation) -> Result<Option<Change>, Corrupted> {
        match self.encoding {
            Encoding::Dense => Ok(dense::is_raised(self.body(), seen).then_some(Change::Dense(seen))),
            Encoding::Sparse => {
                let edit = sparse::edit_for(self.bytes, seen, None)?;
                Ok(edit.map(|edit| Change::Sparse(edit, seen)))
            }
        }
    }

    /// The runs of a sparse form, valid or not; of a dense one, none.
    pub fn runs(self) -> impl Iterator<Item = Run> {
        sparse::runs(if self.encoding == Encoding::Sparse { self.body() } else { &[] })
    }

    /// Its dense form; the same bytes if it is dense.
    pub fn to_dense(self) -> Result<Vec<u8>, Corrupted> {
        let mut registers = Registers::default();
        registers.merge(self)?;
        Ok(registers.to_dense(self.bytes))
    }
}

/// A HyperLogLog that has seen nothing, in its sparse form. Its count is known: zero.
pub fn empty() -> Vec<u8> {
    let mut bytes = [MAGIC, &[1], &[0; HEADER_BYTES - ENCODING_AT - 1]].concat();
    sparse::push_zeros(&mut bytes);
    bytes
}

/// Carries out a change found for exactly these bytes. The length a sparse form must not grow beyond is `sparse_max`.
pub fn apply(bytes: &mut Vec<u8>, change: Change, sparse_max: usize) -> Result<(), Corrupted> {
    match change {
        Change::Dense(seen) => {
            raise(bytes, seen);
        }
        Change::Sparse(edit, seen) => {
            if !edit.fits(bytes.len(), sparse_max) {
                *bytes = HyperLogLog { bytes, encoding: Encoding::Sparse }.to_dense()?;
                raise(bytes, seen);
            } else {
                edit.carry_out(bytes);
            }
        }
    }
    forget_count(bytes);
    Ok(())
}

/// Takes an observation in; whether it changed anything. The bytes must look like a HyperLogLog.
pub fn observe(bytes: &mut Vec<u8>, seen: Observation, sparse_max: usize) -> Result<bool, Corrupted> {
    let change = HyperLogLog::of(bytes).ok_or(Corrupted)?.change_for(seen)?;
    match change {
        Some(change) => apply(bytes, change, sparse_max).map(|()| true),
        None => Ok(false),
    }
}

/// Takes an observation into a dense form; whether it changed anything. The count is as it was, and may be wrong now.
#[inline]
pub fn raise(bytes: &mut [u8], seen: Observation) -> bool {
    bytes.get_mut(HEADER_BYTES..).is_some_and(|body| dense::raise(body, seen))
}

/// Notes that registers have changed.
#[inline]
pub fn forget_count(bytes: &mut [u8]) {
    if let Some(last) = bytes.get_mut(HEADER_BYTES - 1) {
        *last |= OUTDATED;
    }
}

/// Notes the count of the registers as they are.
pub fn note_count(bytes: &mut [u8], count: u64) {
    if let Some(place) = bytes.get_mut(COUNT_AT..HEADER_BYTES) {
        place.copy_from_slice(&count.to_le_bytes());
    }
}
