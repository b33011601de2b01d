//! The stream of changes as far as it is kept: once for all who read it.
//!
//! ```text
//!  start                                             end = the offset of the history
//!    ├───────────────┬───────────────┬─────────┐
//!    │ segment       │ segment       │ segment │ ── changes are appended here
//!    └───────────────┴───────────────┴─────────┘
//!            ▲                 ▲          ▲
//!         a replica's       another's    a third's position
//! ```
//! A position is the number of bytes of the history before it. Replicas are sent the bytes from where they stand, so
//! that nothing is copied for them; what lies behind all of them is kept up to `repl-backlog-size`, for those that come
//! back. (Redis numbers bytes from one: a replica at position `p` asks for byte `p + 1`.)

use std::collections::VecDeque;
use std::io::IoSlice;

/// The bounds of a segment's size, and the share of the backlog's size it has.
const SEGMENT_BYTES_MIN: usize = 16 * 1024;
const SEGMENT_BYTES_MAX: usize = 1 << 20;
const SEGMENTS_WANTED: u64 = 16;
/// The least size of a backlog, whatever is configured.
const SIZE_MIN: u64 = 16 * 1024;

#[derive(Debug)]
struct Segment {
    /// The position of its first byte.
    start: i64,
    bytes: Vec<u8>,
}

impl Segment {
    fn end(&self) -> i64 {
        self.start + self.bytes.len() as i64
    }
}

/// What is kept of the stream.
#[derive(Debug)]
pub struct Backlog {
    segments: VecDeque<Segment>,
    start: i64,
    end: i64,
    size: u64,
    /// Bytes of memory of all segments.
    memory: usize,
}

impl Backlog {
    /// An empty backlog at a position, that is to keep `size` bytes. It has its first piece of memory from the beginning,
    /// so that `maxmemory` meets no surprise when the first change comes.
    pub fn new(position: i64, size: u64) -> Backlog {
        let (segments, size) = (VecDeque::new(), size.max(SIZE_MIN));
        let mut backlog = Backlog { segments, start: position, end: position, size, memory: 0 };
        backlog.add_segment();
        backlog
    }

    fn add_segment(&mut self) {
        let room = (self.size / SEGMENTS_WANTED) as usize;
        let bytes = Vec::with_capacity(room.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX));
        self.memory += bytes.capacity();
        self.segments.push_back(Segment { start: self.end, bytes });
    }

    /// The position of the first byte that is kept.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// How many bytes it is to keep.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes are kept.
    pub fn len(&self) -> u64 {
        (self.end - self.start) as u64
    }

    /// Whether a reader at a position can go on.
    pub fn reaches(&self, position: i64) -> bool {
        (self.start..=self.end).contains(&position)
    }

    /// How many bytes are to be kept.
    pub fn set_size(&mut self, size: u64) {
        self.size = size.max(SIZE_MIN);
    }

    /// Bytes of memory it takes.
    pub fn memory(&self) -> usize {
        self.memory + self.segments.capacity() * size_of::<Segment>()
    }

    /// Appends bytes.
    pub fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let last = self.segments.back_mut().filter(|last| last.bytes.len() < last.bytes.capacity());
            let last = match last {
                Some(last) => last,
                None => {
                    self.add_segment();
                    continue;
                }
            };
            let fits = bytes.len().min(last.bytes.capacity() - last.bytes.len());
            let (now, later) = bytes.split_at(fits);
            last.bytes.extend_from_slice(now);
            self.end += fits as i64;
            bytes = later;
        }
    }

    /// Drops what is older than the configured size, as far as nobody needs it who stands at `needed`.
    pub fn trim(&mut self, needed: Option<i64>) {
        while let Some(first) = self.segments.front() {
            let end = first.end();
            if (self.end - end) < self.size as i64 || needed.is_some_and(|needed| needed < end) {
                break;
            }
            self.memory -= first.bytes.capacity();
            self.segments.pop_front();
            self.start = end;
        }
        let spare = self.segments.capacity() / 4;
        if spare > SEGMENTS_WANTED as usize && spare > self.segments.len() {
            self.segments.shrink_to(self.segments.len() * 2);
        }
    }

    /// Fills `slices` with the bytes from a position on; how many were filled.
    pub fn io_slices<'a>(&'a self, position: i64, slices: &mut [IoSlice<'a>]) -> usize {
        let first = self.segments.partition_point(|segment| segment.end() <= position);
        let mut filled = 0;
        for (slot, segment) in slices.iter_mut().zip(self.segments.iter().skip(first)) {
            let skip = (position - segment.start).max(0) as usize;
            *slot = IoSlice::new(&segment.bytes[skip.min(segment.bytes.len())..]);
            filled += 1;
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rest(backlog: &Backlog, position: i64, step: usize) -> Vec<u8> {
        let (mut at, mut bytes) = (position, Vec::new());
        while at < backlog.end {
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = backlog.io_slices(at, &mut slices);
            let piece: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).take(step).collect();
            assert!(!piece.is_empty());
            at += piece.len() as i64;
            bytes.extend(piece);
        }
        bytes
    }

    #[test]
    fn what_nobody_needs_goes_once_it_is_old() {
        let mut backlog = Backlog::new(100, 0);
        backlog.append(&[1; 3 * SEGMENT_BYTES_MIN]);
        backlog.trim(Some(100));
        assert_eq!(backlog.start(), 100, "a replica stands there");
        backlog.trim(None);
        assert_eq!((backlog.start(), backlog.len()), (100 + 2 * SEGMENT_BYTES_MIN as i64, SEGMENT_BYTES_MIN as u64));
        assert!(backlog.reaches(backlog.end) && !backlog.reaches(100));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_reader_gets_every_byte_from_where_it_stands(
            parts in prop::collection::vec(0usize..40_000, 1..12),
            from: prop::sample::Index,
            step in 1usize..50_000,
        ) {
            let mut backlog = Backlog::new(7, 0);
            let mut all = Vec::new();
            for (number, length) in parts.iter().enumerate() {
                let part: Vec<u8> = (0..*length).map(|at| (at ^ number) as u8).collect();
                backlog.append(&part);
                all.extend(part);
            }
            prop_assert_eq!(backlog.end, 7 + all.len() as i64);
            let from = from.index(all.len() + 1);
            prop_assert!(rest(&backlog, 7 + from as i64, step) == all[from..]);
            backlog.trim(None);
            let kept = (backlog.start() - 7) as usize;
            prop_assert!(all.len() - kept >= all.len().min(SIZE_MIN as usize));
            prop_assert!(rest(&backlog, backlog.start(), step) == all[kept..]);
        }
    }
}
