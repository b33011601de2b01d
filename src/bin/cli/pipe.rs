//! `--pipe`: requests go from standard input to the server as they are, while replies are counted.
//!
//! The socket doesn't block, and the loop waits for whatever it can do next: so neither side stands still because the
//! other has its buffers full. At the end an ECHO of random bytes is sent; when they come back, all replies have come.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use oxidis::resp::{Decoder, ProtocolError, Value};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::print;
use crate::progress;
use crate::transport::reason;

/// How much is read and written at a time.
const CHUNK_BYTES: usize = 128 * 1024;

const MAGIC_LEN: usize = 20;

/// How long the loop waits before it looks at the clock.
const TICK: Duration = Duration::from_secs(1);

const BETWEEN_LINES: Duration = Duration::from_millis(200);

/// Sends standard input to the server and waits for all replies.
///
/// # Errors
/// When a reply was an error, replies stay away, or the connection is lost.
pub fn run(mut link: Connection, timeout: Option<Duration>) -> Result<(), Failure> {
    let mut transfer = Transfer::new(io::stdin());
    let ended = transfer.run(&mut link, timeout);
    transfer.progress.erase();
    ended?;
    let Counter { errors, replies, .. } = transfer.counter;
    print(format!("errors: {errors}, replies: {replies}\n"));
    if errors > 0 { Err(Failure::told()) } else { Ok(()) }
}

/// Both directions.
struct Transfer<R> {
    input: R,
    /// What was read and not yet sent stands in `pending`.
    chunk: Vec<u8>,
    pending: std::ops::Range<usize>,
    /// All of the input is read.
    input_ended: bool,
    counter: Counter,
    progress: Progress,
}

impl<R: Read> Transfer<R> {
    fn new(input: R) -> Transfer<R> {
        Transfer {
            input,
            chunk: vec![0; CHUNK_BYTES],
            pending: 0..0,
            input_ended: false,
            counter: Counter::new(magic()),
            progress: Progress::new(),
        }
    }

    fn run(&mut self, link: &mut Connection, timeout: Option<Duration>) -> Result<(), Failure> {
        let fail = |error: io::Error| Failure::new(format!("Server I/O Error: {}", reason(&error)));
        let transport = link.transport();
        transport.set_nonblocking().map_err(fail)?;
        let mut poll = Poll::new().map_err(fail)?;
        let mut waitable = transport.waitable().map_err(fail)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut *waitable, Token(0), both).map_err(fail)?;
        let mut events = Events::with_capacity(1);
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut heard = Instant::now();
        loop {
            // Readiness is told once: read and write until the socket has no more to give or take.
            let wrote = self.send(transport)?;
            let read = self.receive(transport, &mut buffer)?;
            if self.counter.complete {
                print("Last reply received from server.\n");
                return Ok(());
            }
            if read {
                heard = Instant::now();
            }
            if !wrote && !read {
                match poll.poll(&mut events, Some(TICK)) {
                    Err(error) if error.kind() != ErrorKind::Interrupted => return Err(fail(error)),
                    _ => {}
                }
            }
            if self.input_ended
                && let Some(limit) = timeout.filter(|limit| heard.elapsed() > *limit)
            {
                self.counter.errors += 1;
                eprintln!("No replies for {} seconds: exiting.", limit.as_secs());
                return Ok(());
            }
            self.progress.show(&self.counter);
        }
    }

    /// Sends a chunk, or what the server takes of it; whether that was anything.
    fn send(&mut self, transport: &mut impl Write) -> Result<bool, Failure> {
        if self.pending.is_empty() && !self.input_ended {
            self.fill()?;
        }
        let bytes = self.chunk.get(self.pending.clone()).unwrap_or_default();
        // TLS may hold back what it has taken.
        let written = if bytes.is_empty() { transport.flush().map(|()| 0) } else { transport.write(bytes) };
        match written {
            // So says TLS when its buffer is full.
            Ok(0) => Ok(false),
            Ok(count) => {
                self.pending.start += count;
                self.progress.sent += count as u64;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(Failure::new(format!("Error writing to the server: {}", reason(&error)))),
        }
    }

    /// Reads a chunk of input. Behind the last one comes the ECHO, after a line break in case the input broke off.
    fn fill(&mut self) -> Result<(), Failure> {
        let count = loop {
            match self.input.read(&mut self.chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::new(format!("Error reading from stdin: {}", reason(&error)))),
                Ok(count) => break count,
            }
        };
        self.pending = 0..count;
        if count == 0 {
            self.input_ended = true;
            self.counter.expects_magic = true;
            self.chunk = format!("\r\n*2\r\n$4\r\nECHO\r\n${MAGIC_LEN}\r\n").into_bytes();
            self.chunk.extend_from_slice(&self.counter.magic);
            self.chunk.extend_from_slice(b"\r\n");
            self.pending = 0..self.chunk.len();
            self.progress.erase();
            print("All data transferred. Waiting for the last reply...\n");
        }
        Ok(())
    }

    /// Counts what the server has sent; whether that was anything.
    fn receive(&mut self, transport: &mut impl Read, buffer: &mut [u8]) -> Result<bool, Failure> {
        match transport.read(buffer) {
            Ok(0) => Err(Failure::new("Error reading replies from server")),
            Ok(count) => {
                let counted = self.counter.count(buffer.get(..count).unwrap_or_default());
                counted.map(|()| true).map_err(|error| Failure::new(format!("Error reading replies: {error}")))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(Failure::new(format!("Error reading replies from server: {}", reason(&error)))),
        }
    }
}

/// Bytes that no reply has by chance.
fn magic() -> Vec<u8> {
    let words = [0, 1, 2].map(|word: u32| RandomState::new().hash_one(word).to_ne_bytes());
    words.concat().into_iter().take(MAGIC_LEN).collect()
}

/// Counts replies. Most are short lines, which need no value made of them.
struct Counter {
    magic: Vec<u8>,
    replies: u64,
    errors: u64,
    /// The ECHO is sent.
    expects_magic: bool,
    /// Its reply has come.
    complete: bool,
    /// Where the values that are no lines are read, and lines that came in parts.
    decoder: Decoder,
}

impl Counter {
    fn new(magic: Vec<u8>) -> Counter {
        Counter { magic, replies: 0, errors: 0, expects_magic: false, complete: false, decoder: Decoder::new() }
    }

    fn count(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let rest = if self.decoder.is_between_values() { self.skip_lines(bytes) } else { bytes };
        self.decoder.feed(rest);
        while let Some(value) = self.decoder.decode()? {
            self.note(&value);
        }
        Ok(())
    }

    /// Counts whole lines that are good replies; the rest of the bytes.
    fn skip_lines<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let [b'+' | b':', ..] = bytes
            && let Some(end) = memchr::memchr(b'\n', bytes)
        {
            self.replies += 1;
            bytes = bytes.get(end + 1..).unwrap_or_default();
        }
        bytes
    }

    fn note(&mut self, value: &Value) {
        match value {
            Value::Error(text) | Value::BulkError(text) => {
                self.errors += 1;
                eprintln!("{}", String::from_utf8_lossy(text));
            }
            Value::BulkString(bytes) if self.expects_magic && *bytes == self.magic => {
                self.complete = true;
                return;
            }
            Value::Push(_) => return,
            _ => {}
        }
        self.replies += 1;
    }
}

/// What is shown on a terminal while it goes on.
struct Progress {
    visible: bool,
    /// Bytes of the input, where it is a file.
    expected: Option<u64>,
    sent: u64,
    shown_at: Instant,
    /// A line stands there now.
    stands: bool,
}

impl Progress {
    fn new() -> Progress {
        let size = || std::fs::metadata("/dev/stdin").ok().filter(|file| file.is_file()).map(|file| file.len());
        let visible = io::stderr().is_terminal();
        Progress { visible, expected: size(), sent: 0, shown_at: Instant::now(), stands: false }
    }

    fn show(&mut self, counter: &Counter) {
        if !self.visible || self.shown_at.elapsed() < BETWEEN_LINES {
            return;
        }
        let line = progress::line(self.sent, self.expected);
        eprint!("\r{line}, replies: {}, errors: {}\x1b[K", counter.replies, counter.errors);
        (self.shown_at, self.stands) = (Instant::now(), true);
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.stands) {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_wherever_the_bytes_are_cut() {
        let wire = b"+OK\r\n:1\r\n-ERR a\r\n$4\r\n+\n:1\r\n*2\r\n+x\r\n$-1\r\n+OK\r\n>1\r\n+p\r\n$5\r\nmagic\r\n";
        for piece in 1..wire.len() {
            let mut counter = Counter::new(b"magic".to_vec());
            counter.expects_magic = true;
            wire.chunks(piece).for_each(|bytes| counter.count(bytes).expect("RESP"));
            assert_eq!((counter.replies, counter.errors, counter.complete), (6, 1, true), "{piece}");
        }
    }

    #[test]
    fn the_input_goes_out_as_it_is_with_an_echo_behind_it() {
        let input = b"PING\r\n".repeat(50_000);
        let mut transfer = Transfer::new(&input[..]);
        let mut sent = Vec::new();
        while transfer.send(&mut sent).expect("a buffer to write to") {}
        assert!(sent.starts_with(&input));
        assert_eq!(sent.len() - input.len(), b"\r\n*2\r\n$4\r\nECHO\r\n$20\r\n".len() + MAGIC_LEN + 2);
        assert_eq!(transfer.progress.sent, sent.len() as u64);
    }
}
