//! Writing the elements of the format.
//!
//! A [`Writer`] collects what it is given and hands it on in pieces. Nothing it does returns an error: after one it
//! takes everything and writes nothing, and [`Writer::finish`] tells what happened. So the functions that save values
//! are about values alone; whoever calls them for many asks now and then whether to go on ([`Writer::has_failed`]).

use std::fs::File;
use std::io::{self, Write};

use super::crc64::crc64;
use super::format::{LENGTH_32, LENGTH_64, encoding};
use crate::types::lzf;
use crate::util::number::{append_f64, parse_i64};
use crate::util::platform;

/// What is handed on at a time, in bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// Strings up to this length are not compressed.
const COMPRESSED_FROM: usize = 21;
/// A compressed string has to be shorter by as many bytes.
const GAIN_MIN: usize = 4;
/// Text of an integer that is stored as one is no longer than this.
const INT_TEXT_MAX: usize = 11;

/// Where an RDB file goes.
pub trait Sink {
    /// Takes all of these bytes.
    ///
    /// # Errors
    /// Those of the file or socket.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()>;
}

impl Sink for io::Sink {
    fn take(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Vec<u8> {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// A file whose content is sent to the disk while it is written, so that the kernel does not have to do it all at once.
#[derive(Debug)]
pub struct FileSink {
    file: File,
    /// Bytes after which what came is sent to the disk; 0 leaves that to the kernel.
    sync_every: u64,
    written: u64,
    sent: u64,
}

impl FileSink {
    /// A sink for an empty file.
    pub fn new(file: File, sync_every: u64) -> FileSink {
        FileSink { file, sync_every, written: 0, sent: 0 }
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Sink for FileSink {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        if self.sync_every > 0 && self.written - self.sent >= self.sync_every {
            platform::begin_writeback(&self.file, self.sent, self.written - self.sent)?;
            self.sent = self.written;
        }
        Ok(())
    }
}

/// Collects the bytes of an RDB file, and their checksum.
pub struct Writer<'s> {
    bytes: Vec<u8>,
    sink: Option<&'s mut dyn Sink>,
    handed_on: u64,
    sum: u64,
    sums: bool,
    compresses: bool,
    /// Room for what is being compressed.
    compressing: Vec<u8>,
    error: Option<io::Error>,
}

impl<'s> Writer<'s> {
    /// A writer in memory.
    pub fn in_memory(compresses: bool) -> Writer<'static> {
        Writer {
            bytes: Vec::new(),
            sink: None,
            handed_on: 0,
            sum: 0,
            sums: false,
            compresses,
            compressing: Vec::new(),
            error: None,
        }
    }

    /// A writer to a sink.
    pub fn to(sink: &'s mut dyn Sink, sums: bool, compresses: bool) -> Writer<'s> {
        let bytes = Vec::with_capacity(2 * PIECE_BYTES);
        Writer { bytes, sink: Some(sink), handed_on: 0, sum: 0, sums, compresses, compressing: Vec::new(), error: None }
    }

    /// Whether an error has made further work useless.
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Has all that is still to be written be useless: the writer fails with this error.
    pub fn fail(&mut self, error: io::Error) {
        self.error.get_or_insert(error);
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.handed_on + self.bytes.len() as u64
    }

    /// The bytes written to memory.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Hands the rest on; how many bytes there were in all.
    ///
    /// # Errors
    /// The first that occurred.
    pub fn finish(mut self) -> io::Result<u64> {
        self.hand_on();
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.handed_on),
        }
    }

    /// The checksum of all that was written; 0 when none is taken.
    pub fn checksum(&mut self) -> u64 {
        self.hand_on();
        self.sum
    }

    #[cold]
    fn hand_on(&mut self) {
        let Some(sink) = &mut self.sink else { return };
        if self.sums {
            self.sum = crc64(self.sum, &self.bytes);
        }
        if self.error.is_none() {
            self.error = sink.take(&self.bytes).err();
        }
        self.handed_on += self.bytes.len() as u64;
        self.bytes.clear();
    }

    #[inline]
    fn hand_on_if_full(&mut self) {
        if self.bytes.len() >= PIECE_BYTES {
            self.hand_on();
        }
    }

    /// Writes a byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Writes bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.hand_on_if_full();
    }

    /// Writes a time in milliseconds.
    pub fn time_ms(&mut self, time: i64) {
        self.raw(&time.to_le_bytes());
    }

    /// Writes a length, or another unsigned number.
    #[inline]
    pub fn length(&mut self, length: u64) {
        match length {
            0..0x40 => self.bytes.push(length as u8),
            0x40..0x4000 => self.bytes.extend_from_slice(&[0x40 | (length >> 8) as u8, length as u8]),
            _ => self.long_length(length),
        }
    }

    #[cold]
    fn long_length(&mut self, length: u64) {
        match u32::try_from(length) {
            Ok(length) => {
                self.bytes.push(LENGTH_32);
                self.bytes.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                self.bytes.push(LENGTH_64);
                self.bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
    }

    /// Writes an integer as a string: in 8, 16 or 32 bits if it fits, else its text.
    pub fn int(&mut self, value: i64) {
        if !self.short_int(value) {
            self.verbatim(itoa::Buffer::new().format(value).as_bytes());
        }
    }

    fn short_int(&mut self, value: i64) -> bool {
        let bytes = value.to_le_bytes();
        let (form, width) = match value {
            -0x80..0x80 => (encoding::INT_8, 1),
            -0x8000..0x8000 => (encoding::INT_16, 2),
            -0x8000_0000..0x8000_0000 => (encoding::INT_32, 4),
            _ => return false,
        };
        self.bytes.push(0xc0 | form);
        self.bytes.extend_from_slice(&bytes[..width]);
        self.hand_on_if_full();
        true
    }

    /// Writes a string in its shortest form: an integer, compressed, or as it is.
    #[inline]
    pub fn string(&mut self, text: &[u8]) {
        if text.len() <= INT_TEXT_MAX
            && matches!(text.first(), Some(b'0'..=b'9' | b'-'))
            && parse_i64(text).is_some_and(|value| self.short_int(value))
        {
            return;
        }
        self.bytes_string(text);
    }

    /// Writes a string that is no number: compressed, or as it is.
    #[inline]
    pub fn bytes_string(&mut self, text: &[u8]) {
        if self.compresses && text.len() >= COMPRESSED_FROM && self.compressed(text) {
            return;
        }
        self.verbatim(text);
    }

    fn compressed(&mut self, text: &[u8]) -> bool {
        let room = text.len() - GAIN_MIN;
        if self.compressing.len() < room {
            self.compressing.resize(room, 0);
        }
        let Some(length) = lzf::compress_into(text, &mut self.compressing[..room]) else { return false };
        self.bytes.push(0xc0 | encoding::LZF);
        self.length(length as u64);
        self.length(text.len() as u64);
        self.bytes.extend_from_slice(&self.compressing[..length]);
        self.hand_on_if_full();
        true
    }

    #[inline]
    fn verbatim(&mut self, text: &[u8]) {
        self.length(text.len() as u64);
        self.raw(text);
    }

    /// Writes a floating-point number in the old form, which is a byte for the length of its text, and the text.
    pub fn double_text(&mut self, value: f64) {
        match value {
            f64::INFINITY => self.byte(254),
            f64::NEG_INFINITY => self.byte(255),
            _ => {
                let mut text = Vec::new();
                append_f64(&mut text, value);
                self.byte(text.len() as u8);
                self.raw(&text);
            }
        }
    }

    /// Writes a floating-point number in 8 bytes.
    pub fn double(&mut self, value: f64) {
        self.raw(&value.to_le_bytes());
    }
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("written", &self.written()).field("error", &self.error).finish_non_exhaustive()
    }
}
