//! The connection's half of [`Reply`]: sending the output piece by piece.
//!
//! A socket takes as many bytes as it likes. [`Reply::consume`] notes how far it came, lets go of shared
//! values that are gone, and moves the rest to the front of the buffer when most of it has been sent, so
//! that an output which is never quite empty does not grow for ever.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use super::{Chunk, Reply};

/// Sent bytes at the front of the buffer are kept until they are this many and half of it.
const SENT_LEN_MAX: usize = 64 * 1024;
/// Room for notes of shared values and errors that an output keeps when all was sent.
const NOTES_KEPT: usize = 256;

impl Reply {
    /// Whether all was sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes to send, shared ones included.
    #[inline]
    pub fn len(&self) -> usize {
        self.buf.len() - self.sent + self.chunk_bytes - self.chunk_sent
    }

    /// The bytes to send when no shared value is among them: a plain write will do.
    #[inline]
    pub fn contiguous(&self) -> Option<&[u8]> {
        if self.chunks.is_empty() { self.buf.get(self.sent..) } else { None }
    }

    /// Fills `slices` with the next pieces to send, in order; how many were filled.
    pub fn io_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, piece) in slices.iter_mut().zip(self.pieces()) {
            *slot = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    /// Whether it owns memory for output.
    #[inline]
    pub fn has_buffer(&self) -> bool {
        self.buf.capacity() > 0
    }

    /// Lends memory to an output that has none.
    #[inline]
    pub fn give_buffer(&mut self, buffer: Vec<u8>) {
        debug_assert!(self.buf.is_empty() && buffer.is_empty());
        self.buf = buffer;
    }

    /// Takes the memory back once all was sent.
    #[inline]
    pub fn take_buffer(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty());
        // As a rule that was done when the last of it was sent, but what is cut off is not sent.
        if !self.buf.is_empty() || self.cut.is_some() || self.has_room_for_many_notes() {
            self.clear();
        }
        std::mem::take(&mut self.buf)
    }

    /// Bytes of memory it owns, and its share of those that it keeps alive together with others: of a value with three
    /// holders each counts a third, so that all of them together count no more than there is.
    pub fn memory(&self) -> usize {
        let shares = self.chunks.iter().map(|chunk| chunk.bytes.len() / Arc::strong_count(&chunk.bytes));
        let notes = self.chunks.capacity() * size_of::<Chunk>() + self.error_starts.capacity() * size_of::<usize>();
        self.buf.capacity() + notes + shares.sum::<usize>()
    }

    fn has_room_for_many_notes(&self) -> bool {
        self.chunks.capacity() + self.error_starts.capacity() > NOTES_KEPT
    }

    /// Bytes of memory it owns, those of shared values not counted.
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// Moves what is to be sent of `other` behind what is to be sent of this.
    pub fn append(&mut self, other: &mut Reply) {
        for piece in other.pieces() {
            self.raw(piece);
        }
        other.clear();
    }

    /// A copy of the bytes to send.
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().collect::<Vec<_>>().concat()
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.chunks.iter().map(|chunk| chunk.position).chain([self.buf.len()]);
        let shared = self.chunks.iter().map(|chunk| chunk.bytes.as_slice()).chain([&[][..]]);
        let mut from = self.sent;
        let mut skip = self.chunk_sent;
        ends.zip(shared)
            .flat_map(move |(end, shared)| {
                let own = self.buf.get(std::mem::replace(&mut from, end)..end).unwrap_or_default();
                [own, shared.get(std::mem::take(&mut skip)..).unwrap_or_default()]
            })
            .filter(|piece| !piece.is_empty())
    }

    /// Notes that the next `count` bytes were sent. Marks become invalid.
    pub fn consume(&mut self, mut count: usize) {
        while let Some(chunk) = self.chunks.front() {
            let own = chunk.position - self.sent;
            let shared = chunk.bytes.len() - self.chunk_sent;
            if count < own {
                break;
            }
            self.sent = chunk.position;
            if count < own + shared {
                self.chunk_sent += count - own;
                return;
            }
            count -= own + shared;
            self.chunk_bytes -= chunk.bytes.len();
            self.chunk_sent = 0;
            self.chunks.pop_front();
        }
        self.sent = (self.sent + count).min(self.buf.len());
        if self.is_empty() {
            self.clear();
        } else if self.sent > SENT_LEN_MAX && self.sent > self.buf.len() / 2 {
            self.buf.drain(..self.sent);
            for chunk in &mut self.chunks {
                chunk.position -= self.sent;
            }
            self.error_starts.clear();
            self.errors_counted = 0;
            self.sent = 0;
        }
    }

    /// Drops everything unsent but keeps the buffer's memory.
    #[inline]
    pub fn clear(&mut self) {
        self.buf.clear();
        if !self.chunks.is_empty() {
            self.chunks.clear();
        }
        self.error_starts.clear();
        if self.has_room_for_many_notes() {
            (self.chunks, self.error_starts) = (VecDeque::new(), Vec::new());
        }
        self.cut = None;
        (self.sent, self.chunk_bytes, self.chunk_sent, self.errors_counted) = (0, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::resp::Protocol;
    use crate::resp::reply::SHARED_LEN_MIN;
    use proptest::prelude::*;

    #[test]
    fn small_shared_values_are_copied_and_big_ones_are_not() {
        let mut reply = Reply::new(Protocol::Resp2);
        let small = Arc::new(vec![b'x'; SHARED_LEN_MIN - 1]);
        reply.bulk_shared(&small);
        assert!(reply.contiguous().is_some_and(|bytes| bytes.len() == reply.len()));
        let big = Arc::new(vec![b'x'; SHARED_LEN_MIN]);
        reply.bulk_shared(&big);
        assert!(reply.contiguous().is_none());
        assert_eq!((Arc::strong_count(&small), Arc::strong_count(&big)), (1, 2));
        reply.clear();
        assert!(reply.is_empty());
        assert_eq!(Arc::strong_count(&big), 1);
    }

    #[test]
    fn a_shared_value_counts_in_shares() {
        let big = Arc::new(vec![b'x'; SHARED_LEN_MIN]);
        let mut replies: Vec<Reply> = (0..3).map(|_| Reply::new(Protocol::Resp2)).collect();
        replies.iter_mut().for_each(|reply| reply.bulk_shared(&big));
        let shares = replies.iter().map(Reply::memory).sum::<usize>();
        assert!((SHARED_LEN_MIN / 4 * 3..SHARED_LEN_MIN).contains(&shares), "the fourth holder is the test: {shares}");
        drop(big);
        assert!(replies.iter().map(Reply::memory).sum::<usize>() > SHARED_LEN_MIN - 3);
        replies.truncate(1);
        assert!(replies[0].memory() >= SHARED_LEN_MIN, "the last holder counts all of it");
    }

    #[test]
    fn room_for_notes_is_given_back() {
        let mut reply = Reply::new(Protocol::Resp2);
        (0..10 * NOTES_KEPT).for_each(|_| reply.error("ERR no"));
        assert!(reply.memory() >= reply.capacity() + 10 * NOTES_KEPT * size_of::<usize>());
        reply.consume(reply.len());
        assert!(reply.error_starts.capacity() <= NOTES_KEPT);
        let mark = reply.mark();
        (0..10 * NOTES_KEPT).for_each(|_| reply.error("ERR nobody is told"));
        reply.truncate(mark);
        reply.take_buffer();
        assert!(reply.error_starts.capacity() <= NOTES_KEPT);
    }

    #[test]
    fn a_slow_reader_does_not_pin_what_it_has_read() {
        let mut reply = Reply::new(Protocol::Resp2);
        for _ in 0..1000 {
            reply.bulk(&[b'x'; 1000]);
            reply.consume(990);
        }
        assert!(reply.buf.len() < 4 * SENT_LEN_MAX, "{} bytes are held for {}", reply.buf.len(), reply.len());
    }

    proptest! {
        #[test]
        fn partial_writes_send_every_byte_once(parts in proptest::collection::vec((any::<bool>(), 0usize..200), 1..12), step in 1usize..90_000, slots in 1usize..5) {
            let mut reply = Reply::new(Protocol::Resp2);
            for (number, (shared, len)) in parts.iter().enumerate() {
                if *shared {
                    reply.bulk_shared(&Arc::new(vec![b'a' + number as u8; SHARED_LEN_MIN + len]));
                } else {
                    reply.bulk(&vec![b'a' + number as u8; *len]);
                }
            }
            let (expected, mut sent) = (reply.to_vec(), Vec::new());
            prop_assert_eq!(expected.len(), reply.len());
            while !reply.is_empty() {
                let mut slices = vec![IoSlice::new(&[]); slots];
                let filled = reply.io_slices(&mut slices);
                let offered = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
                prop_assert!(!offered.is_empty());
                let taken = step.min(offered.len());
                sent.extend_from_slice(&offered[..taken]);
                reply.consume(taken);
                prop_assert_eq!(reply.len(), expected.len() - sent.len());
            }
            prop_assert!(sent == expected);
            prop_assert_eq!(reply.contiguous(), Some(&b""[..]));
        }
    }
}
