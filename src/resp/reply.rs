//! The reply writer: commands write their answers straight into a connection's output.
//!
//! The output is one byte buffer. A value of [`SHARED_LEN_MIN`] bytes or more is not copied into it; the
//! writer keeps a reference and the position where it belongs, and [`Reply::io_slices`] hands buffer
//! pieces and shared values to one vectored write:
//!
//! ```text
//! buf      +OK\r\n $40000\r\n | \r\n :1\r\n
//! chunks                      ^ 40,000 shared bytes belong here
//! ```
//!
//! Every value has one method, which writes what the connection's version of the protocol has for it:
//! a map becomes an array of twice its length in RESP2, a double becomes a bulk string, and so on.
//!
//! Aggregates announce their length first. Where a command learns it last, [`Reply::defer`] leaves room
//! for a header of one digit, and a longer one moves what was written since.
//!
//! Output may have a limit, past which its client is closed. Then nothing more has to be kept of it, though the command
//! goes on: it is cut off where it had to grow past the limit, which [`Reply::is_cut`] tells.
//!
//! A [`Mark`] remembers a place in the output: [`Reply::truncate`] cuts a failed command's partial answer
//! off, [`Reply::uncounted_errors`] tells which errors a command wrote. Marks and deferred headers are for the
//! time of one command: they do not survive [`Reply::consume`].

mod flush;
mod strings;

use std::collections::VecDeque;
use std::sync::Arc;

use super::Protocol;
use crate::util::number::append_f64;

/// What a string of a length of two digits takes besides itself.
const BULK_OVERHEAD: usize = b"$99\r\n\r\n".len();
/// From this length in bytes, shared values are referred to instead of copied.
pub const SHARED_LEN_MIN: usize = 32 * 1024;

/// Error codes are looked for in this many bytes of an error line, its `-` included.
const ERROR_CODE_SPAN: usize = 32;

/// What `defer` reserves: the length of a header with one digit.
const DEFERRED_LEN: usize = 4;

/// Output of one connection; see the [module](self).
#[derive(Debug, Default)]
pub struct Reply {
    /// Bytes to send, without the shared ones; those before `sent` are gone already.
    pub(crate) buf: Vec<u8>,
    /// Whether values are written in RESP3.
    pub resp3: bool,
    /// Bytes to send at which no memory is added any more; 0 for no limit.
    pub limit: usize,
    /// Where it was cut off.
    cut: Option<Box<Mark>>,
    sent: usize,
    chunks: VecDeque<Chunk>,
    chunk_bytes: usize,
    chunk_sent: usize,
    error_starts: Vec<usize>,
    /// How many of these errors were counted in the statistics.
    errors_counted: usize,
}

/// A shared value that goes out before `buf[position..]`.
#[derive(Debug)]
struct Chunk {
    position: usize,
    bytes: Arc<Vec<u8>>,
}

/// A place in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    position: usize,
    chunks: usize,
    errors: usize,
}

/// An aggregate whose length is not known yet; give it to one of the `finish` methods.
#[derive(Debug)]
#[must_use = "an aggregate without its length breaks the stream"]
pub struct Deferred(Mark);

impl Reply {
    /// An empty output without an allocation.
    pub fn new(protocol: Protocol) -> Reply {
        Reply::with_buffer(Vec::new(), protocol)
    }

    /// An output that goes on behind the bytes of `buf`.
    pub fn with_buffer(buf: Vec<u8>, protocol: Protocol) -> Reply {
        Reply { buf, resp3: protocol == Protocol::Resp3, ..Reply::default() }
    }

    /// The version values are written in.
    pub fn protocol(&self) -> Protocol {
        if self.resp3 { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }

    /// A status line; CR and LF become blanks.
    pub fn simple(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'+', text.as_ref());
    }

    /// An error: the whole line without its `-`, such as `ERR syntax error`. CR and LF become blanks.
    pub fn error(&mut self, line: impl AsRef<[u8]>) {
        self.error_starts.push(self.buf.len());
        self.line(b'-', line.as_ref());
    }

    /// An error that was counted in the statistics when it came up first.
    pub fn counted_error(&mut self, line: impl AsRef<[u8]>) {
        self.error(line);
        self.errors_counted = self.error_starts.len();
    }

    /// An error that may hold any bytes, where RESP3 has such; not counted among the errors.
    pub fn bulk_error(&mut self, text: &[u8]) {
        if self.resp3 {
            self.blob(b'!', text);
        } else {
            self.line(b'-', text);
        }
    }

    /// A signed integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match value {
            0..=9 => self.buf.extend_from_slice(&[b':', b'0' + value as u8, b'\r', b'\n']),
            _ => self.short(b':', itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    /// An unsigned integer. Those above the signed ones have the same form.
    #[inline]
    pub fn unsigned(&mut self, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.short(b':', itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    /// Makes room for as many strings with about as many bytes, so that what is written need not be moved.
    pub fn expect(&mut self, strings: usize, bytes: usize) {
        let bytes = bytes + strings * BULK_OVERHEAD;
        if self.limit == 0 || self.len() + bytes <= self.limit {
            self.buf.reserve(bytes);
        }
    }

    /// A string of any bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.bulk_at_once(bytes);
    }

    /// [`Reply::bulk`] as a part of its caller.
    #[inline(always)]
    pub(crate) fn bulk_at_once(&mut self, bytes: &[u8]) {
        self.blob(b'$', bytes);
    }

    /// An integer as a string.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A string that need not be copied: from [`SHARED_LEN_MIN`] on it is only referred to.
    pub fn bulk_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if bytes.len() < SHARED_LEN_MIN {
            return self.bulk(bytes);
        }
        self.header(b'$', bytes.len());
        self.chunk_bytes += bytes.len();
        self.chunks.push_back(Chunk { position: self.buf.len(), bytes: Arc::clone(bytes) });
        self.buf.extend_from_slice(b"\r\n");
    }

    /// No value, where one string was asked for.
    #[inline]
    pub fn null(&mut self) {
        self.buf.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// No value, where an array was asked for.
    #[inline]
    pub fn null_array(&mut self) {
        self.buf.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The head of an array; `len` values follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// The head of a map; `pairs` keys and values follow in turn.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        if self.resp3 {
            self.header(b'%', pairs);
        } else {
            self.header(b'*', pairs * 2);
        }
    }

    /// The head of a set; `len` values follow.
    #[inline]
    pub fn set(&mut self, len: usize) {
        self.header(if self.resp3 { b'~' } else { b'*' }, len);
    }

    /// The head of an out-of-band message; `len` values follow.
    #[inline]
    pub fn push(&mut self, len: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, len);
    }

    /// The head of attributes of the value after them; `pairs` keys and values follow. RESP2 has none:
    /// the caller leaves head and pairs out there.
    pub fn attribute(&mut self, pairs: usize) {
        self.header(b'|', pairs);
    }

    /// A floating-point number in its shortest form.
    pub fn double(&mut self, value: f64) {
        // Most are small integers, which are quicker to write as such; -0 is none.
        let integer = value as i32;
        if f64::from(integer).to_bits() == value.to_bits() {
            let mut digits = itoa::Buffer::new();
            return self.double_text(digits.format(integer).as_bytes());
        }
        if self.resp3 {
            self.buf.push(b',');
            append_f64(&mut self.buf, value);
            self.buf.extend_from_slice(b"\r\n");
            return;
        }
        let start = self.buf.len();
        append_f64(&mut self.buf, value);
        let len = self.buf.len() - start;
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(len).as_bytes();
        self.buf.splice(start..start, [b'$'].into_iter().chain(digits.iter().copied()).chain(*b"\r\n"));
        self.buf.extend_from_slice(b"\r\n");
    }

    /// A floating-point number whose text the caller has made.
    pub fn double_text(&mut self, text: &[u8]) {
        if self.resp3 {
            self.short(b',', text);
        } else {
            self.bulk(text);
        }
    }

    /// True or false; in RESP2 one or zero.
    pub fn boolean(&mut self, value: bool) {
        self.buf.extend_from_slice(match (self.resp3, value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        });
    }

    /// An integer of any size, given by its digits.
    pub fn big_number(&mut self, digits: &[u8]) {
        if self.resp3 {
            self.short(b'(', digits);
        } else {
            self.bulk(digits);
        }
    }

    /// Text with a hint how to show it, `txt` or `mkd`. RESP2 has the text alone.
    pub fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        if !self.resp3 {
            return self.bulk(text);
        }
        self.header(b'=', text.len() + 4);
        self.buf.extend_from_slice(&format);
        self.buf.push(b':');
        self.buf.extend_from_slice(text);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// Bytes that are encoded already; errors among them are not counted.
    #[inline]
    pub fn raw(&mut self, encoded: &[u8]) {
        self.room(encoded.len());
        self.buf.extend_from_slice(encoded);
    }

    /// An out-of-band message that is encoded already but for its first byte, which is that of [`Reply::push`].
    pub fn push_encoded(&mut self, rest: &[u8]) {
        self.room(rest.len() + 1);
        self.buf.push(if self.resp3 { b'>' } else { b'*' });
        self.buf.extend_from_slice(rest);
    }

    /// Bytes as they are, which need not be copied.
    pub fn raw_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if bytes.len() < SHARED_LEN_MIN {
            return self.raw(bytes);
        }
        self.chunks.push_back(Chunk { position: self.buf.len(), bytes: Arc::clone(bytes) });
        self.chunk_bytes += bytes.len();
    }

    /// Begins an aggregate of a length known later.
    ///
    /// ```
    /// # use oxidis::resp::{Protocol, Reply};
    /// let mut reply = Reply::new(Protocol::Resp2);
    /// let head = reply.defer();
    /// let even = (1..10).filter(|number| number % 2 == 0).map(|number| reply.integer(number)).count();
    /// reply.finish_array(head, even);
    /// assert_eq!(reply.to_vec(), b"*4\r\n:2\r\n:4\r\n:6\r\n:8\r\n");
    /// ```
    pub fn defer(&mut self) -> Deferred {
        let mark = self.mark();
        self.buf.extend_from_slice(b"*0\r\n");
        Deferred(mark)
    }

    /// Makes the deferred aggregate an array of `len` values.
    pub fn finish_array(&mut self, deferred: Deferred, len: usize) {
        self.finish(deferred, b'*', len);
    }

    /// Makes the deferred aggregate a map of `pairs`.
    pub fn finish_map(&mut self, deferred: Deferred, pairs: usize) {
        match self.resp3 {
            true => self.finish(deferred, b'%', pairs),
            false => self.finish(deferred, b'*', pairs * 2),
        }
    }

    /// Makes the deferred aggregate a set of `len` values.
    pub fn finish_set(&mut self, deferred: Deferred, len: usize) {
        self.finish(deferred, if self.resp3 { b'~' } else { b'*' }, len);
    }

    fn finish(&mut self, Deferred(mark): Deferred, kind: u8, len: usize) {
        if self.is_cut() {
            return;
        }
        let room = mark.position..mark.position + DEFERRED_LEN;
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(len).as_bytes();
        let shift = digits.len() - 1;
        self.buf.splice(room, [kind].into_iter().chain(digits.iter().copied()).chain(*b"\r\n"));
        if shift > 0 {
            for chunk in self.chunks.iter_mut().skip(mark.chunks) {
                chunk.position += shift;
            }
            for start in self.error_starts.iter_mut().skip(mark.errors) {
                *start += shift;
            }
        }
    }

    /// Remembers the end of the output.
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark { position: self.buf.len(), chunks: self.chunks.len(), errors: self.error_starts.len() }
    }

    /// Whether it grew past its limit, so that parts of it are missing: it must not be sent.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Makes room for more bytes, as long as the limit allows it.
    #[inline]
    fn room(&mut self, bytes: usize) {
        if self.buf.capacity() - self.buf.len() < bytes {
            self.grow(bytes);
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        if self.limit != 0 && self.len() >= self.limit {
            let mark = self.cut.as_deref().copied().unwrap_or_else(|| self.mark());
            self.truncate(mark);
            self.cut = Some(Box::new(mark));
        }
        self.buf.reserve(bytes);
    }

    /// Forgets all that was written since the mark.
    pub fn truncate(&mut self, mark: Mark) {
        // What is left is whole again.
        self.cut = self.cut.take().filter(|cut| cut.position < mark.position);
        self.buf.truncate(mark.position);
        self.error_starts.truncate(mark.errors);
        self.errors_counted = self.errors_counted.min(mark.errors);
        while self.chunks.len() > mark.chunks {
            self.chunk_bytes -= self.chunks.pop_back().map_or(0, |chunk| chunk.bytes.len());
        }
    }

    /// Whether an error was written since the mark.
    #[inline]
    pub fn has_errors_since(&self, mark: Mark) -> bool {
        self.error_starts.len() > mark.errors
    }

    /// Whether anything was written since the mark.
    #[inline]
    pub fn wrote_since(&self, mark: Mark) -> bool {
        self.buf.len() != mark.position
    }

    /// Whether the last reply may have so many bytes or more: what can be told without a mark.
    #[inline(always)]
    pub fn may_hold(&self, bytes: usize) -> bool {
        self.buf.len() >= bytes || !self.chunks.is_empty()
    }

    /// How many bytes were written since the mark.
    pub fn bytes_since(&self, mark: Mark) -> usize {
        let shared: usize = self.chunks.iter().skip(mark.chunks).map(|chunk| chunk.bytes.len()).sum();
        self.buf.len().saturating_sub(mark.position) + shared
    }

    /// The codes of the errors written since the mark that were not counted yet: the first word of the line, or `ERR`
    /// without one.
    #[inline]
    pub fn uncounted_errors(&self, mark: Mark) -> impl Iterator<Item = &[u8]> {
        self.error_starts.iter().skip(mark.errors.max(self.errors_counted)).map(|start| {
            let line = self.buf.get(*start..).unwrap_or_default();
            let span = line.get(..ERROR_CODE_SPAN).unwrap_or(line);
            let end = span.iter().position(|byte| matches!(byte, b' ' | b'\r'));
            match end.filter(|end| span.get(*end) == Some(&b' ')) {
                Some(end) => span.get(1..end).unwrap_or(b"ERR"),
                None => b"ERR",
            }
        })
    }

    /// Notes that all errors have been counted.
    pub fn note_errors_counted(&mut self) {
        self.errors_counted = self.error_starts.len();
    }

    /// The line of the first error written since the mark, without its `-`.
    pub fn first_error_since(&self, mark: Mark) -> Option<&[u8]> {
        let line = self.buf.get(*self.error_starts.get(mark.errors)? + 1..)?;
        line.split(|byte| *byte == b'\r').next()
    }

    /// Writes `kind`, the length and CR LF.
    #[inline]
    fn header(&mut self, kind: u8, len: usize) {
        let digit = |value: usize| b'0' + value as u8;
        match len {
            0..=9 => self.buf.extend_from_slice(&[kind, digit(len), b'\r', b'\n']),
            10..=99 => self.buf.extend_from_slice(&[kind, digit(len / 10), digit(len % 10), b'\r', b'\n']),
            _ => self.short(kind, itoa::Buffer::new().format(len).as_bytes()),
        }
    }

    /// Writes a line that is known to have no CR or LF.
    #[inline]
    fn short(&mut self, kind: u8, text: &[u8]) {
        if !strings::push_line(&mut self.buf, kind, text) {
            self.long_line(kind, text);
        }
    }

    /// [`Reply::short`] where it is long, or there is no room.
    #[inline(never)]
    fn long_line(&mut self, kind: u8, text: &[u8]) {
        self.room(text.len() + 3);
        self.buf.push(kind);
        self.buf.extend_from_slice(text);
        self.buf.extend_from_slice(b"\r\n");
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        let start = self.buf.len();
        self.short(kind, text);
        if memchr::memchr2(b'\r', b'\n', text).is_some() {
            let written = self.buf.iter_mut().skip(start).take(text.len() + 1);
            written.filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
        }
    }

    #[inline(always)]
    fn blob(&mut self, kind: u8, bytes: &[u8]) {
        if !strings::push_short(&mut self.buf, kind, bytes) {
            self.long_blob(kind, bytes);
        }
    }

    /// [`Reply::blob`] where it is long, or there is no room.
    #[inline(never)]
    fn long_blob(&mut self, kind: u8, bytes: &[u8]) {
        self.room(bytes.len() + 24);
        self.header(kind, bytes.len());
        self.buf.extend_from_slice(bytes);
        self.buf.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(write: impl Fn(&mut Reply)) -> (String, String) {
        let text = |protocol| {
            let mut reply = Reply::new(protocol);
            write(&mut reply);
            String::from_utf8(reply.to_vec()).expect("the test writes ASCII")
        };
        (text(Protocol::Resp2), text(Protocol::Resp3))
    }

    fn same(text: &str) -> (String, String) {
        (text.to_string(), text.to_string())
    }

    fn pair(resp2: &str, resp3: &str) -> (String, String) {
        (resp2.to_string(), resp3.to_string())
    }

    #[test]
    fn each_version_has_its_form_of_a_value() {
        assert_eq!(both(|reply| reply.ok()), same("+OK\r\n"));
        assert_eq!(both(|reply| reply.simple("QUEUED")), same("+QUEUED\r\n"));
        assert_eq!(both(|reply| reply.error("ERR no\r\nno")), same("-ERR no  no\r\n"));
        assert_eq!(both(|reply| reply.bulk_error(b"ERR a\nb")), pair("-ERR a b\r\n", "!7\r\nERR a\nb\r\n"));
        for value in [0, 9, 10, -1, i64::MIN, i64::MAX] {
            assert_eq!(both(|reply| reply.integer(value)), same(&format!(":{value}\r\n")));
        }
        assert_eq!(both(|reply| reply.bulk_int(-123)), same("$4\r\n-123\r\n"));
        for len in [0, 9, 10, 99, 100, 12345] {
            let text = "x".repeat(len);
            assert_eq!(both(|reply| reply.bulk(text.as_bytes())), same(&format!("${len}\r\n{text}\r\n")));
            assert_eq!(both(|reply| reply.array(len)), same(&format!("*{len}\r\n")));
            assert_eq!(both(|reply| reply.set(len)), pair(&format!("*{len}\r\n"), &format!("~{len}\r\n")));
            assert_eq!(both(|reply| reply.push(len)), pair(&format!("*{len}\r\n"), &format!(">{len}\r\n")));
            assert_eq!(both(|reply| reply.map(len)), pair(&format!("*{}\r\n", 2 * len), &format!("%{len}\r\n")));
        }
        assert_eq!(both(|reply| reply.null()), pair("$-1\r\n", "_\r\n"));
        assert_eq!(both(|reply| reply.null_array()), pair("*-1\r\n", "_\r\n"));
        assert_eq!(both(|reply| reply.double(3.25)), pair("$4\r\n3.25\r\n", ",3.25\r\n"));
        assert_eq!(
            both(|reply| reply.double(1.0 / 3.0)),
            pair("$18\r\n0.3333333333333333\r\n", ",0.3333333333333333\r\n")
        );
        assert_eq!(both(|reply| reply.double(f64::NEG_INFINITY)), pair("$4\r\n-inf\r\n", ",-inf\r\n"));
        assert_eq!(both(|reply| reply.double_text(b"2.50")), pair("$4\r\n2.50\r\n", ",2.50\r\n"));
        assert_eq!(both(|reply| reply.boolean(true)), pair(":1\r\n", "#t\r\n"));
        assert_eq!(both(|reply| reply.boolean(false)), pair(":0\r\n", "#f\r\n"));
        assert_eq!(both(|reply| reply.big_number(b"123")), pair("$3\r\n123\r\n", "(123\r\n"));
        assert_eq!(both(|reply| reply.verbatim(*b"txt", b"hi")), pair("$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"));
    }

    #[test]
    fn deferred_lengths_nest_and_carry_chunks_and_errors_along() {
        let big = Arc::new(vec![b'x'; SHARED_LEN_MIN]);
        for count in [0, 3, 12, 1234] {
            let mut deferred = Reply::new(Protocol::Resp3);
            let mut plain = Reply::new(Protocol::Resp3);
            let start = deferred.mark();
            let outer = deferred.defer();
            plain.array(count + 2);
            deferred.bulk_shared(&big);
            plain.bulk(&big);
            let inner = deferred.defer();
            plain.map(count);
            for number in 0..count {
                deferred.error(format!("CODE{number} wrong"));
                plain.error(format!("CODE{number} wrong"));
                deferred.bulk_shared(&big);
                plain.bulk(&big);
            }
            deferred.finish_map(inner, count);
            deferred.finish_array(outer, count + 2);
            assert!(deferred.to_vec() == plain.to_vec(), "{count} elements");
            assert_eq!(deferred.len(), plain.len());
            let codes = deferred.uncounted_errors(start).map(<[u8]>::to_vec).collect::<Vec<_>>();
            assert_eq!(codes, (0..count).map(|number| format!("CODE{number}").into_bytes()).collect::<Vec<_>>());
        }
        let mut reply = Reply::new(Protocol::Resp3);
        let head = reply.defer();
        reply.finish_set(head, 0);
        assert_eq!(reply.to_vec(), b"~0\r\n");
    }

    #[test]
    fn truncate_cuts_a_partial_reply_off() {
        let big = Arc::new(vec![b'x'; SHARED_LEN_MIN]);
        let mut reply = Reply::new(Protocol::Resp2);
        reply.ok();
        let mark = reply.mark();
        assert!(!reply.wrote_since(mark));
        reply.array(2);
        reply.bulk_shared(&big);
        reply.error("ERR first");
        assert!(reply.wrote_since(mark));
        reply.truncate(mark);
        assert_eq!((reply.len(), reply.uncounted_errors(mark).count()), (5, 0));
        assert_eq!(Arc::strong_count(&big), 1);
        reply.error("WRONGTYPE second");
        assert_eq!(reply.uncounted_errors(mark).collect::<Vec<_>>(), [b"WRONGTYPE"]);
        assert_eq!(reply.to_vec(), b"+OK\r\n-WRONGTYPE second\r\n");
    }

    #[test]
    fn an_error_without_a_code_counts_as_err() {
        let mut reply = Reply::new(Protocol::Resp2);
        let mark = reply.mark();
        reply.error("ERR one");
        reply.error("NOSPACE");
        reply.error("A".repeat(40) + " b");
        reply.ok();
        reply.error("NOAUTH two");
        let codes: [&[u8]; 4] = [b"ERR", b"ERR", b"ERR", b"NOAUTH"];
        assert_eq!(reply.uncounted_errors(mark).collect::<Vec<_>>(), codes);
    }

    #[test]
    fn output_past_its_limit_takes_no_more_memory() {
        let mut reply = Reply { limit: 10_000, ..Reply::default() };
        reply.bulk(&[b'x'; 100]);
        let start = reply.mark();
        let head = reply.defer();
        let mut inner = None;
        for number in 0..100_000 {
            reply.bulk(&[b'x'; 100]);
            reply.integer(i64::MAX);
            if number == 50_000 {
                inner = Some(reply.defer());
            }
        }
        // Places in what is missing by now do no harm.
        inner.into_iter().for_each(|inner| reply.finish_array(inner, 12));
        reply.finish_map(head, 200_000);
        assert!(reply.is_cut() && reply.len() >= 10_000 && reply.memory() < 50_000, "{} bytes", reply.memory());
        // Once the long part is taken back, it is sound again.
        reply.truncate(start);
        assert!(!reply.is_cut());
        reply.ok();
        assert_eq!(reply.len(), b"$100\r\n\r\n+OK\r\n".len() + 100);
        assert!(reply.to_vec().ends_with(b"x\r\n+OK\r\n"));
    }

    #[test]
    fn output_within_its_limit_is_whole() {
        let mut reply = Reply { limit: 10_000, ..Reply::default() };
        (0..90).for_each(|_| reply.bulk(&[b'x'; 100]));
        assert!(!reply.is_cut());
        assert_eq!(reply.len(), 90 * 108);
    }
}
