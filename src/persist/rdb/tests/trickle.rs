//! A source that gives little at a time.

use std::io;

use super::super::load::{Filled, Source};

/// Bytes that arrive a few at a time, now and then none.
pub struct Trickle {
    pub bytes: Vec<u8>,
    pub at: usize,
    pub piece: usize,
    pub pause: bool,
}

impl Source for Trickle {
    fn fill(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<Filled> {
        self.pause = !self.pause;
        if self.at == self.bytes.len() {
            return Ok(Filled::End);
        }
        if self.pause {
            return Ok(Filled::NotYet);
        }
        let end = (self.at + self.piece.min(room)).min(self.bytes.len());
        buffer.extend_from_slice(&self.bytes[self.at..end]);
        self.at = end;
        Ok(Filled::Some)
    }
}
