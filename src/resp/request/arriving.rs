//! A big argument on its way: it has an allocation of its own, which grows as its bytes come and never by what was
//! announced.

/// The smallest step by which the allocation grows, in bytes.
pub const BIG_STEP: usize = 64 * 1024;
/// How many times as long as what has arrived it becomes longer: each time all of it is moved, to fresh memory.
const GROWTH: usize = 3;
/// The most bytes that are asked of the socket at once.
pub const BIG_READ: usize = 256 * 1024;
/// From which length on an argument has spare room, and which part of its length that is.
const SPARE_FROM: usize = 16 << 20;
const SPARE_SHARE: usize = 64;

/// A big argument that arrives.
#[derive(Debug)]
pub struct Arriving {
    /// What has come of it.
    pub bytes: Vec<u8>,
    /// How long it will be.
    length: usize,
}

impl Arriving {
    /// One nothing of which has come.
    pub fn new(length: usize) -> Self {
        Self { bytes: Vec::new(), length }
    }

    fn missing(&self) -> usize {
        self.length - self.bytes.len()
    }

    /// Its allocation, with room for some of what is missing, and how many bytes of that to ask the socket for. `None` when
    /// nothing is missing.
    pub fn room(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        let missing = self.missing();
        if missing == 0 {
            return None;
        }
        if self.bytes.capacity() == self.bytes.len() {
            let step = (GROWTH * self.bytes.len()).max(BIG_STEP);
            self.bytes.reserve_exact(if step < missing { step } else { missing + spare(self.length) });
        }
        let room = (self.bytes.capacity() - self.bytes.len()).min(missing).min(BIG_READ);
        Some((&mut self.bytes, room))
    }

    /// Takes what a buffer has of it behind some place; how many bytes that are.
    pub fn take(&mut self, available: &[u8]) -> usize {
        let taken = available.len().min(self.missing());
        if self.bytes.capacity() - self.bytes.len() < taken {
            self.bytes.reserve_exact(taken.max(BIG_STEP).min(self.missing()));
        }
        self.bytes.extend_from_slice(&available[..taken]);
        taken
    }
}

/// How much room there is behind an argument of some length. A long string that becomes a little longer need not move then,
/// which takes milliseconds. Pages that nobody writes to are not resident, but count as memory in use: with a whole number
/// of megabytes an eighth at most, where Redis has up to a quarter.
fn spare(length: usize) -> usize {
    if length < SPARE_FROM { 0 } else { length / SPARE_SHARE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_arguments_have_spare_room_and_no_more_than_came_before_their_last_part() {
        for length in [BIG_STEP, SPARE_FROM - 1, SPARE_FROM, SPARE_FROM + 1] {
            let mut big = Arriving::new(length);
            while let Some((bytes, room)) = big.room() {
                assert!(bytes.capacity() <= (GROWTH + 1) * bytes.len().max(BIG_STEP) + length / SPARE_SHARE);
                bytes.resize(bytes.len() + room, 0);
            }
            let room = big.bytes.capacity() - length;
            assert_eq!((big.bytes.len(), room), (length, spare(length)));
            assert_eq!(room > 0, length >= SPARE_FROM);
        }
    }
}
