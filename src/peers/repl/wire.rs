//! A connection to the primary while it is no client: its socket, what came and what goes.

use std::collections::VecDeque;
use std::io;

use crate::net::socket::Socket;
use crate::resp::request::OwnedRequest;

/// Bytes read at a time, and in one turn.
const READ_BYTES: usize = 64 * 1024;
pub const TURN_BYTES: usize = 16 * READ_BYTES;
/// A longer line is no answer.
const LINE_BYTES_MAX: usize = 1024;

/// A connection. Without a socket there is nothing to read and nothing is sent.
#[derive(Debug, Default)]
pub struct Wire {
    /// The socket, until it is a client's.
    pub socket: Option<Socket>,
    /// What came and is not looked at.
    pub input: Vec<u8>,
    /// What is to be sent.
    pub output: VecDeque<u8>,
    /// The socket may have more: it is read on in the next turn.
    pub reads_on: bool,
}

impl Wire {
    /// Has a request sent.
    pub fn say<T: AsRef<[u8]>>(&mut self, words: &[T]) {
        let mut bytes = Vec::new();
        OwnedRequest::of(words).view().encode(&mut bytes);
        self.output.extend(bytes);
    }

    /// Sends what waits, as far as the socket takes it.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        socket.flush_some()?;
        let written = socket.write_some(self.output.make_contiguous())?;
        self.output.drain(..written);
        Ok(())
    }

    /// Reads what there is, about so many bytes at most.
    ///
    /// # Errors
    /// Those of the socket, and one at the end of the stream.
    pub fn fill(&mut self, most: usize) -> io::Result<usize> {
        let Some(socket) = &mut self.socket else { return Ok(0) };
        let mut total = 0;
        self.reads_on = false;
        while total < most {
            let old = self.input.len();
            self.input.resize(old + READ_BYTES, 0);
            let result = socket.read(&mut self.input[old..]);
            self.input.truncate(old + *result.as_ref().unwrap_or(&0));
            match result {
                Ok(0) if total == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                // The end is told once what came before it has been looked at; no report will come of it.
                Ok(0) => {
                    self.reads_on = true;
                    return Ok(total);
                }
                Ok(read) => total += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(total),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.reads_on = true;
        Ok(total)
    }

    /// Takes a line from what came, without its end.
    ///
    /// # Errors
    /// When it is longer than any answer.
    pub fn take_line(&mut self) -> io::Result<Option<String>> {
        // Many empty lines in a row say no more than two: they are signs of life.
        let blank = self.blank();
        self.input.drain(..blank.saturating_sub(2));
        let Some(end) = memchr::memchr(b'\n', &self.input) else {
            return if self.input.len() > LINE_BYTES_MAX { Err(io::ErrorKind::InvalidData.into()) } else { Ok(None) };
        };
        let line: Vec<u8> = self.input.drain(..=end).collect();
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }

    /// Drops empty lines at the head of what came.
    pub fn skip_blank(&mut self) {
        let blank = self.blank();
        self.input.drain(..blank);
    }

    fn blank(&self) -> usize {
        self.input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
    }

    /// A sign of life.
    pub fn send_newline(&mut self) {
        self.output.push_back(b'\n');
        // When that fails the link will be found broken when it is needed.
        self.flush().ok();
    }
}
