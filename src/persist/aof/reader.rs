//! Reading the commands of an append-only file.
//!
//! The file is a sequence of requests as clients send them, but only in the form of arrays; lines that begin with `#`
//! stand between them and tell something else, such as the time. Where it stops being that, the [`Reader`] says
//! whether it just ends too early (the server died while it wrote) or is broken, and at which offset.

use std::io::{self, Read};

use crate::resp::request::{self, ArgView, Batch, Limits, Progress};

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// Requests framed at once.
const BATCH_MAX: usize = 64;
/// The longest argument, in bytes: as long as any value can be.
const BULK_MAX: usize = i64::MAX as usize;
/// The longest line that is not a request, in bytes.
const LINE_MAX: usize = 1024;

/// What the reader found.
#[derive(Debug)]
pub enum Found {
    /// Requests: see [`Reader::request`].
    Requests,
    /// The end, behind a complete request.
    End,
    /// The end, within a request that begins at [`Reader::offset`].
    Torn,
    /// Something that is no request, at [`Reader::offset`].
    Malformed,
}

/// Reads requests from a file, or whatever else has bytes.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where in the buffer the first request is that was not given out.
    at: usize,
    /// The offset in the file of the buffer's first byte.
    base: u64,
    progress: Progress,
    batch: Batch,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Begins to read; `offset` is how much of the file was read before.
    pub fn new(source: R, offset: u64) -> Reader<R> {
        Reader {
            source,
            buffer: Vec::new(),
            at: 0,
            base: offset,
            progress: Progress::default(),
            batch: Batch::default(),
            ended: false,
        }
    }

    /// The offset in the file of what comes next.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Reads on to the next requests.
    pub fn advance(&mut self) -> io::Result<Found> {
        self.batch.clear();
        loop {
            match self.buffer.get(self.at) {
                Some(b'*') => {
                    let found = self.frame();
                    if let Some(found) = found {
                        return Ok(found);
                    }
                }
                Some(b'#') => match memchr::memchr(b'\n', &self.buffer[self.at..]) {
                    Some(length) => {
                        self.at += length + 1;
                        continue;
                    }
                    None if self.buffer.len() - self.at > LINE_MAX => return Ok(Found::Malformed),
                    None => {}
                },
                Some(_) => return Ok(Found::Malformed),
                None if self.ended => return Ok(Found::End),
                None => {}
            }
            if self.ended {
                return Ok(Found::Torn);
            }
            self.read_more()?;
        }
    }

    /// Frames what is complete; `None` if that is nothing yet.
    fn frame(&mut self) -> Option<Found> {
        let limits =
            Limits { bulk_max: BULK_MAX, args_max: i32::MAX.into(), requests_max: BATCH_MAX, unauthenticated: false };
        let (end, result) = request::frame(&self.buffer, self.at, &mut self.progress, &mut self.batch, &limits);
        // A line that is no array would have been taken for an inline request.
        let mut start = self.at as u32;
        let arrays = self.batch.requests.iter().take_while(|request| {
            let is_array = self.buffer[start as usize] == b'*';
            start = request.end;
            is_array
        });
        let arrays = arrays.count();
        if arrays < self.batch.requests.len() {
            self.batch.truncate(arrays);
            self.progress = Progress::default();
            self.at = self.batch.requests.last().map_or(self.at, |request| request.end as usize);
        } else {
            self.at = end;
        }
        if !self.batch.requests.is_empty() {
            return Some(Found::Requests);
        }
        result.is_err().then_some(Found::Malformed)
    }

    fn read_more(&mut self) -> io::Result<()> {
        // What was given out is of no use any more. A request under way counts from the head of the buffer.
        self.base += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        let length = self.buffer.len();
        let mut piece = self.source.by_ref().take(READ_BYTES as u64);
        let result = piece.read_to_end(&mut self.buffer);
        // What came of a socket before it had nothing more is looked at first.
        if self.buffer.len() == length {
            self.ended = result? == 0;
        }
        Ok(())
    }

    /// What it reads from.
    pub fn source_mut(&mut self) -> &mut R {
        &mut self.source
    }

    /// The same, when nothing more is to be read.
    pub fn into_source(self) -> R {
        self.source
    }

    /// Bytes that were read and not given out.
    pub fn waiting_bytes(&self) -> usize {
        self.buffer.len() - self.at + self.progress.bytes()
    }

    /// One of the requests found.
    pub fn request(&self, index: usize) -> ArgView<'_> {
        ArgView::of(&self.batch, &self.batch.requests[index], &self.buffer)
    }

    /// All of them, and the buffer they stand in.
    pub fn requests(&self) -> (&Batch, &[u8]) {
        (&self.batch, &self.buffer)
    }

    /// The offset in the file behind one of the requests found.
    pub fn end_of(&self, index: usize) -> u64 {
        self.base + u64::from(self.batch.requests[index].end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    /// All requests as text, what stood at the end, and where.
    fn read(file: &[u8], piece: usize) -> (Vec<String>, String, u64) {
        let mut reader = Reader::new(Drip(file, piece), 0);
        let mut requests = Vec::new();
        loop {
            match reader.advance().expect("readable") {
                Found::Requests => requests.extend((0..reader.requests().0.requests.len()).map(|index| {
                    let request = reader.request(index);
                    let words = (0..request.len()).map(|at| String::from_utf8_lossy(request.get(at)).into_owned());
                    words.collect::<Vec<_>>().join(" ")
                })),
                end => return (requests, format!("{end:?}"), reader.offset()),
            }
        }
    }

    const TWO: &[u8] = b"*1\r\n$4\r\nPING\r\n#TS:1\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";

    #[test]
    fn requests_are_found_in_whatever_pieces_they_come() {
        for piece in 1..=TWO.len() {
            let (requests, end, offset) = read(TWO, piece);
            assert_eq!(requests, ["PING", "GET k"], "{piece}");
            assert_eq!((end.as_str(), offset), ("End", TWO.len() as u64));
        }
    }

    #[test]
    fn a_file_that_ends_too_early_is_torn_where_its_last_request_begins() {
        let second = 14 + 7;
        for length in 1..TWO.len() {
            let (requests, end, offset) = read(&TWO[..length], 5);
            let whole = length == 14 || length == second;
            assert_eq!(requests.len(), usize::from(length >= 14), "{length}");
            assert_eq!(end, if whole { "End" } else { "Torn" }, "{length}");
            let begin = if length < 14 {
                0
            } else if length < second {
                14
            } else {
                second
            };
            assert_eq!(offset, begin as u64, "{length}");
        }
    }

    #[test]
    fn what_is_no_request_is_malformed_where_it_stands() {
        let cases: [(&[u8], u64); 4] = [
            (b"*1\r\n$4\r\nPING\r\nGET k\r\n*1\r\n$4\r\nPING\r\n", 14),
            (b"*1\r\n$4\r\nPING\r\n*1\r\n:4\r\nPING\r\n", 14),
            (b"*x\r\n", 0),
            (b"\0\0\0\0", 0),
        ];
        for (file, at) in cases {
            for piece in [1, 3, 100] {
                let (requests, end, offset) = read(file, piece);
                assert_eq!((end.as_str(), offset), ("Malformed", at));
                assert_eq!(requests.len() as u64, at / 14);
            }
        }
    }

    #[test]
    fn big_arguments_come_whole() {
        let big = "x".repeat(100_000);
        let file = format!("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n${}\r\n{big}\r\n*1\r\n$4\r\nPING\r\n", big.len());
        for piece in [777, 1 << 20] {
            let (requests, end, offset) = read(file.as_bytes(), piece);
            assert_eq!(requests, ["PING", &format!("GET {big}"), "PING"]);
            assert_eq!((end.as_str(), offset), ("End", file.len() as u64));
        }
    }
}
