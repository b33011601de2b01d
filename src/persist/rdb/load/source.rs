//! Where the bytes come from, and the buffer they are read in.
//!
//! ```text
//! ┌──────────┬───────────────────┬─────────────┐
//! │ read     │ arrived, not read │ room        │     when what has arrived does not suffice, what was read is
//! └──────────┴───────────────────┴─────────────┘     summed up and dropped, and the room filled
//! ```

use std::fs::File;
use std::io::{self, Read};

use super::super::crc64::crc64;

/// The buffer, unless an element is longer.
const BUFFER_BYTES: usize = 256 * 1024;

/// What filling a buffer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// There is something new.
    Some,
    /// There is nothing yet.
    NotYet,
    /// There will be nothing more.
    End,
}

/// Where an RDB file comes from.
pub trait Source {
    /// Appends up to `room` bytes to a buffer.
    ///
    /// # Errors
    /// Those of the file or socket.
    fn fill(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<Filled>;
}

impl Source for File {
    fn fill(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<Filled> {
        let read = self.by_ref().take(room as u64).read_to_end(buffer)?;
        Ok(if read == 0 { Filled::End } else { Filled::Some })
    }
}

/// Bytes that are there already, for tests.
impl Source for io::Cursor<Vec<u8>> {
    fn fill(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<Filled> {
        let read = self.by_ref().take(room as u64).read_to_end(buffer)?;
        Ok(if read == 0 { Filled::End } else { Filled::Some })
    }
}

/// The buffer over a source.
pub struct Input {
    source: Box<dyn Source>,
    buffer: Vec<u8>,
    at: usize,
    /// The checksum of all bytes before `buffer`.
    sum: u64,
    sums: bool,
    /// The number of those bytes.
    base: u64,
}

impl Input {
    pub fn new(source: Box<dyn Source>, sums: bool) -> Input {
        Input { source, buffer: Vec::new(), at: 0, sum: 0, sums, base: 0 }
    }

    /// Bytes read so far.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// What has arrived and is not read.
    #[inline]
    pub fn ahead(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// Notes that bytes were read.
    #[inline]
    pub fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The checksum of all bytes read.
    pub fn sum_so_far(&self) -> u64 {
        crc64(self.sum, &self.buffer[..self.at])
    }

    /// Has more arrive: about as many bytes as are needed ahead, as far as the source has them. However many are asked
    /// for, room is made by what has arrived.
    pub fn more(&mut self, needed: usize) -> io::Result<Filled> {
        if self.sums {
            self.sum = crc64(self.sum, &self.buffer[..self.at]);
        }
        self.base += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        let most = (2 * self.buffer.len()).max(BUFFER_BYTES);
        let wanted = needed.clamp(BUFFER_BYTES, most);
        if self.buffer.capacity() > 4 * wanted {
            self.buffer.shrink_to(wanted);
        }
        let room = wanted.saturating_sub(self.buffer.len()).max(1);
        self.buffer.reserve_exact(room);
        self.source.fill(&mut self.buffer, room)
    }

    /// What has arrived and is not read, and the source.
    pub fn into_rest(mut self) -> (Vec<u8>, Box<dyn Source>) {
        self.buffer.drain(..self.at);
        (self.buffer, self.source)
    }
}
