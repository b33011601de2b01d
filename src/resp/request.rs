//! Framing of requests: from the bytes a client sent to ranges over them, without copying.
//!
//! A request is a RESP array of bulk strings (`*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`) or an inline line (`GET k\r\n`).
//! [`frame`] takes as many complete requests as stand in the buffer, up to a budget, and notes for each argument
//! where it stands. Nothing is copied but
//! - inline arguments, since quoting may change them (inline is for people), and
//! - arguments of [`BIG_ARGUMENT`] bytes or more, which are collected in an allocation of their own while they
//!   arrive, so that a SET can keep it as the value.
//!
//! When the last request is incomplete its progress stays in [`Progress`], so a complete argument is looked at once
//! however small the pieces the rest arrives in; only an unfinished line is looked at again. What a client announces
//! is never allocated in advance: a big argument's buffer grows as its bytes arrive.
//!
//! The bounds and the texts of errors are those of Redis, and so is what is let pass: any byte is taken for the LF of
//! a header line, and any two bytes for the CRLF behind a payload. One thing differs: a NUL in a line does not hide
//! what is behind it.

mod arriving;
mod opening;

use std::sync::Arc;

use crate::util::quote;
use arriving::Arriving;
use opening::{Opening, short_header};

/// Arguments of at least this many bytes get their own allocation.
pub const BIG_ARGUMENT: usize = 32 * 1024;
/// The longest line (an inline request, or the header of an array or bulk) that is waited for, in bytes.
pub const LINE_MAX: usize = 64 * 1024;
/// Room for arguments that a [`Batch`] keeps when it is cleared.
const ARGS_KEPT: usize = 64 * 1024;
/// The longest buffer that can be framed, in bytes: places in it are noted in 32 bits.
const BUFFER_MAX: usize = u32::MAX as usize - 1;
/// Marks an [`Arg`] that stands in `Batch::big` rather than in the buffer.
const IN_BIG: u32 = u32::MAX;

/// Where one argument stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    start: u32,
    len: u32,
}

/// One complete request of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Index of its first argument in [`Batch::args`].
    pub first: u32,
    /// How many arguments it has; at least one.
    pub count: u32,
    /// Offset in the buffer of the byte behind it.
    pub end: u32,
    /// Its first argument and the number of all are those of the request before it, byte for byte; for the first of a
    /// batch that is the last of the batch before.
    pub alike: bool,
}

/// Complete requests framed from one buffer, in order.
#[derive(Debug, Default)]
pub struct Batch {
    /// Arguments of all requests.
    pub args: Vec<Arg>,
    /// The requests.
    pub requests: Vec<Request>,
    /// Arguments that don't stand in the buffer.
    pub big: Vec<Arc<Vec<u8>>>,
    /// How the last request began, those of batches before included.
    opening: Opening,
}

impl Batch {
    /// Forgets all requests but how the last of them began, keeps the room.
    pub fn clear(&mut self) {
        match self.args.capacity() > ARGS_KEPT {
            true => self.args = Vec::new(),
            false => self.args.clear(),
        }
        self.requests.clear();
        self.big.clear();
    }

    /// Takes the requests from `index` on out, which are of no use.
    pub fn truncate(&mut self, index: usize) {
        self.requests.truncate(index);
        self.opening = Opening::NONE;
    }
}

/// The argument strings of one request: ranges over a buffer. Copy it freely.
#[derive(Clone, Copy, Debug)]
pub struct ArgView<'a> {
    buffer: &'a [u8],
    args: &'a [Arg],
    big: &'a [Arc<Vec<u8>>],
}

impl<'a> ArgView<'a> {
    /// The view of one request of `batch`, which was framed from `buffer`.
    #[inline]
    pub fn of(batch: &'a Batch, request: &Request, buffer: &'a [u8]) -> ArgView<'a> {
        let first = request.first as usize;
        ArgView { buffer, args: &batch.args[first..first + request.count as usize], big: &batch.big }
    }

    /// Number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.args.len()
    }

    /// Whether there are none, which no request that was framed has.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// Argument `index`; index 0 is the command's name.
    ///
    /// # Panics
    /// When there is no such argument: the arity was checked before.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        let arg = self.args[index];
        if arg.len == IN_BIG {
            return &self.big[arg.start as usize];
        }
        &self.buffer[arg.start as usize..][..arg.len as usize]
    }

    /// Argument `index` as a word, padded with zeros, if it has at most eight bytes and does not end in a zero itself.
    #[inline]
    pub fn word(&self, index: usize) -> Option<u64> {
        let arg = self.args[index];
        if arg.len > 8 {
            return None;
        }
        let unused = 64 - 8 * arg.len;
        let word = match self.buffer.get(arg.start as usize..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(bytes) => u64::from_le_bytes(*bytes).checked_shl(unused).unwrap_or(0),
            None => {
                let mut bytes = [0; 8];
                bytes[8 - arg.len as usize..].copy_from_slice(self.get(index));
                u64::from_le_bytes(bytes)
            }
        };
        (word >> 56 != 0).then_some(word >> (unused & 63))
    }

    /// The allocation of argument `index` where it is big and has its own.
    pub fn shared(&self, index: usize) -> Option<&'a Arc<Vec<u8>>> {
        let arg = self.args[index];
        // Inline arguments have their own allocations too, but those are not worth keeping.
        (arg.len == IN_BIG).then(|| &self.big[arg.start as usize]).filter(|big| big.len() >= BIG_ARGUMENT)
    }

    /// Writes the request as it is sent: an array of bulk strings.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut number = itoa::Buffer::new();
        let mut head = |out: &mut Vec<u8>, mark: u8, length: usize| {
            out.push(mark);
            out.extend_from_slice(number.format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        head(out, b'*', self.len());
        for index in 0..self.len() {
            let argument = self.get(index);
            head(out, b'$', argument.len());
            out.extend_from_slice(argument);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// The request as it is sent.
    pub fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        bytes
    }

    /// Whether it may take so many bytes or more in the buffer, or has a part outside: what can be told without looking
    /// at each argument.
    #[inline(always)]
    pub fn may_take(&self, bytes: usize) -> bool {
        self.buffer.len() >= bytes || !self.big.is_empty()
    }

    /// How many bytes the request takes as it is sent.
    pub fn encoded_bytes(&self) -> usize {
        let digits = |number: usize| itoa::Buffer::new().format(number).len();
        let framed = |length: usize| 1 + digits(length) + 2 + length + 2;
        1 + digits(self.len()) + 2 + (0..self.len()).map(|index| framed(self.get(index).len())).sum::<usize>()
    }

    /// Whether an argument has an allocation of its own because it is big.
    pub fn has_big(&self) -> bool {
        !self.big.is_empty() && (0..self.len()).any(|index| self.shared(index).is_some())
    }

    /// The arguments from `index` on.
    pub fn tail(&self, index: usize) -> ArgView<'a> {
        ArgView { args: &self.args[index.min(self.args.len())..], ..*self }
    }
}

/// A request that owns its arguments: queued by MULTI, blocked, postponed, or made by the server itself.
#[derive(Clone, Debug, Default)]
pub struct OwnedRequest {
    buffer: Vec<u8>,
    args: Vec<Arg>,
    big: Vec<Arc<Vec<u8>>>,
}

impl OwnedRequest {
    /// Copies a request; big arguments are shared.
    pub fn copy(view: &ArgView<'_>) -> OwnedRequest {
        let small: usize = view.args.iter().filter(|arg| arg.len != IN_BIG).map(|arg| arg.len as usize).sum();
        let mut owned = OwnedRequest {
            buffer: Vec::with_capacity(small),
            args: Vec::with_capacity(view.args.len()),
            big: Vec::new(),
        };
        for index in 0..view.len() {
            match view.shared(index) {
                Some(shared) => owned.push_shared(Arc::clone(shared)),
                None => owned.push(view.get(index)),
            }
        }
        owned
    }

    /// Makes a request of the given arguments.
    pub fn of<T: AsRef<[u8]>>(args: &[T]) -> OwnedRequest {
        let mut owned = OwnedRequest::default();
        args.iter().for_each(|arg| owned.push(arg.as_ref()));
        owned
    }

    /// Appends an argument.
    pub fn push(&mut self, arg: &[u8]) {
        if arg.len() >= BIG_ARGUMENT {
            return self.push_shared(Arc::new(arg.to_vec()));
        }
        self.args.push(Arg { start: self.buffer.len() as u32, len: arg.len() as u32 });
        self.buffer.extend_from_slice(arg);
    }

    /// Removes all arguments but keeps the memory they took.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.args.clear();
        self.big.clear();
    }

    fn push_shared(&mut self, arg: Arc<Vec<u8>>) {
        self.args.push(Arg { start: self.big.len() as u32, len: IN_BIG });
        self.big.push(arg);
    }

    /// The arguments.
    #[inline]
    pub fn view(&self) -> ArgView<'_> {
        ArgView { buffer: &self.buffer, args: &self.args, big: &self.big }
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        let big: usize = self.big.iter().map(|big| big.len()).sum();
        big + self.buffer.capacity() + self.args.capacity() * size_of::<Arg>()
    }
}

/// How far the request at the head of a buffer has been read, when it is not complete.
#[derive(Debug, Default)]
pub struct Progress {
    /// Arguments not yet begun or complete; 0 when no multi-bulk request is under way.
    missing: usize,
    /// Announced length of the bulk whose payload is awaited.
    bulk: Option<usize>,
    /// Arguments complete so far, ranges from the head of the buffer.
    args: Vec<Arg>,
    /// Offset up to which the buffer has been understood.
    offset: usize,
    /// Complete big arguments.
    big: Vec<Arc<Vec<u8>>>,
    /// The big argument that arrives now.
    arriving: Option<Box<Arriving>>,
    /// How many bytes at the end of the buffer were copied into it.
    copied: usize,
}

impl Progress {
    /// Whether no multi-bulk request is under way.
    pub fn is_idle(&self) -> bool {
        self.missing == 0
    }

    /// Bytes that arrived of the big argument that is not complete.
    pub fn arrived(&self) -> usize {
        self.arriving.as_ref().map_or(0, |big| big.bytes.len())
    }

    /// How many bytes at the end of the buffer last framed are not needed any more: they were copied into the big
    /// argument that arrives. The caller cuts them off.
    pub fn cut(&mut self) -> usize {
        let copied = std::mem::take(&mut self.copied);
        self.offset -= copied;
        copied
    }

    /// Bytes held besides the connection's buffer.
    pub fn bytes(&self) -> usize {
        let big: usize = self.big.iter().map(|big| big.capacity()).sum();
        let arriving = self.arriving.as_ref().map_or(0, |big| big.bytes.capacity());
        self.args.capacity() * size_of::<Arg>() + big + arriving
    }

    /// The allocation of a big argument that waits for more bytes: the socket may be read straight into it. At
    /// most the returned number of bytes belong to it.
    pub fn arriving(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        self.arriving.as_mut()?.room()
    }
}

/// The bounds a request must keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`: the longest argument, in bytes.
    pub bulk_max: usize,
    /// The most arguments.
    pub args_max: i64,
    /// The most requests taken at once.
    pub requests_max: usize,
    /// Whether the sender has yet to authenticate, which tightens the bounds.
    pub unauthenticated: bool,
}

/// Bounds before AUTH, as in Redis: arguments and bytes of each.
const UNAUTHENTICATED_ARGS_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_MAX: usize = 16 * 1024;

/// Why a connection must be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError(std::borrow::Cow<'static, [u8]>);

impl ProtocolError {
    const fn new(text: &'static str) -> ProtocolError {
        ProtocolError(std::borrow::Cow::Borrowed(text.as_bytes()))
    }

    /// The text that follows `-ERR Protocol error: `. It may quote a byte of the request.
    pub fn text(&self) -> &[u8] {
        &self.0
    }
}

enum Step {
    Done,
    NeedMore,
}

/// Frames complete requests from `buffer[from..]` into `batch` and returns the offset behind the last of them.
/// What follows is an incomplete request (or more than the budget); its state stays in `progress`, with ranges that
/// count from the returned offset: the caller moves those bytes to the head of the connection's own buffer.
///
/// A request under way must begin at `from` and the batch be empty. Bounds hold for the whole batch: where running a
/// request may change them, take one at a time.
///
/// On an error the requests framed before it are in the batch and shall be run first. The offset is then that of the
/// request at fault.
#[inline]
pub fn frame(
    buffer: &[u8],
    from: usize,
    progress: &mut Progress,
    batch: &mut Batch,
    limits: &Limits,
) -> (usize, Result<(), ProtocolError>) {
    progress.copied = 0;
    let mut head = from;
    // As a rule that is all there is.
    if progress.is_idle() && !limits.unauthenticated && buffer.len() <= BUFFER_MAX {
        head = whole_requests(buffer, head, batch, limits.requests_max);
        if head == buffer.len() {
            return (head, Ok(()));
        }
    }
    frame_any(buffer, head, progress, batch, limits)
}

/// [`frame`], whatever the requests are like.
#[inline(never)]
fn frame_any(
    buffer: &[u8],
    mut head: usize,
    progress: &mut Progress,
    batch: &mut Batch,
    limits: &Limits,
) -> (usize, Result<(), ProtocolError>) {
    if buffer.len() > BUFFER_MAX {
        return (head, Err(ProtocolError::new("too big request")));
    }
    while head < buffer.len() && batch.requests.len() < limits.requests_max {
        if progress.is_idle() && !limits.unauthenticated {
            let end = whole_requests(buffer, head, batch, limits.requests_max);
            if std::mem::replace(&mut head, end) != end {
                continue;
            }
        }
        let first = batch.args.len();
        batch.opening = Opening::NONE;
        let step = if progress.is_idle() && buffer[head] != b'*' {
            inline(buffer, &mut head, batch)
        } else {
            multi_bulk(buffer, &mut head, progress, batch, limits)
        };
        match step {
            Ok(Step::Done) if batch.args.len() > first => {
                let count = (batch.args.len() - first) as u32;
                batch.requests.push(Request { first: first as u32, count, end: head as u32, alike: false });
            }
            Ok(Step::Done) => {} // an empty line or `*0`: nothing asked, nothing answered
            Ok(Step::NeedMore) => break,
            Err(error) => return (head, Err(error)),
        }
    }
    (head, Ok(()))
}

/// Reads one inline request. Its arguments go to `batch.big`, since quoting may have changed them.
fn inline(buffer: &[u8], head: &mut usize, batch: &mut Batch) -> Result<Step, ProtocolError> {
    let rest = &buffer[*head..];
    let Some(length) = memchr::memchr(b'\n', rest) else {
        return match rest.len() > LINE_MAX {
            true => Err(ProtocolError::new("too big inline request")),
            false => Ok(Step::NeedMore),
        };
    };
    let line = rest[..length].strip_suffix(b"\r").unwrap_or(&rest[..length]);
    let args = quote::split_args(line).map_err(|_| ProtocolError::new("unbalanced quotes in request"))?;
    for arg in args {
        batch.args.push(Arg { start: batch.big.len() as u32, len: IN_BIG });
        batch.big.push(Arc::new(arg));
    }
    *head += length + 1;
    Ok(Step::Done)
}

/// Reads or goes on reading one multi-bulk request.
fn multi_bulk(
    buffer: &[u8],
    head: &mut usize,
    progress: &mut Progress,
    batch: &mut Batch,
    limits: &Limits,
) -> Result<Step, ProtocolError> {
    let start = *head;
    let mut at;
    let mut missing;
    let mut bulk = None;
    let first = batch.args.len();
    if progress.is_idle() {
        let Some((count, behind)) = array_header(buffer, start, limits)? else { return Ok(Step::NeedMore) };
        at = behind;
        if count <= 0 {
            *head = at;
            return Ok(Step::Done);
        }
        missing = count as usize;
    } else {
        resume(progress, batch, start as u32);
        at = start + progress.offset;
        missing = progress.missing;
        bulk = progress.bulk.take();
    }
    while missing > 0 {
        let length = match bulk.take() {
            Some(length) => length,
            None => match bulk_header(buffer, at, limits)? {
                Some((length, behind)) => {
                    at = behind;
                    length
                }
                None => break,
            },
        };
        if length >= BIG_ARGUMENT {
            if !batch.requests.is_empty() {
                // A big argument is collected only for the first request of a batch: run those before it first.
                batch.args.truncate(first);
                return Ok(Step::NeedMore);
            }
            let before = at;
            if !collect_big(buffer, &mut at, length, progress) {
                if progress.arrived() < length {
                    progress.copied = at - before;
                }
                bulk = Some(length);
                break;
            }
            batch.args.push(Arg { start: batch.big.len() as u32, len: IN_BIG });
            if let Some(big) = progress.arriving.take() {
                batch.big.push(Arc::new(big.bytes));
            }
        } else {
            if buffer.len() < at + length + 2 {
                bulk = Some(length);
                break;
            }
            batch.args.push(Arg { start: at as u32, len: length as u32 });
            at += length + 2;
        }
        missing -= 1;
    }
    if missing > 0 {
        suspend(progress, batch, first, start as u32);
        progress.missing = missing;
        progress.bulk = bulk;
        progress.offset = at - start;
        return Ok(Step::NeedMore);
    }
    progress.missing = 0;
    *head = at;
    Ok(Step::Done)
}

/// Puts the arguments already known of an unfinished request back into the batch, which is empty. However many they
/// are, this is cheap for a request that begins at the head of the buffer, as all do but in the first piece.
fn resume(progress: &mut Progress, batch: &mut Batch, start: u32) {
    batch.args = std::mem::take(&mut progress.args);
    batch.big = std::mem::take(&mut progress.big);
    if start > 0 {
        batch.args.iter_mut().filter(|arg| arg.len != IN_BIG).for_each(|arg| arg.start += start);
    }
}

/// Takes the arguments of an unfinished request (from index `first` on) out of the batch. Behind other requests it
/// has no big ones.
fn suspend(progress: &mut Progress, batch: &mut Batch, first: usize, start: u32) {
    if batch.requests.is_empty() {
        progress.args = std::mem::take(&mut batch.args);
        progress.big = std::mem::take(&mut batch.big);
    } else {
        progress.args = batch.args.split_off(first);
    }
    if start > 0 {
        progress.args.iter_mut().filter(|arg| arg.len != IN_BIG).for_each(|arg| arg.start -= start);
    }
}

/// Moves what the buffer has of a big argument into its own allocation; true when it is complete, CRLF included.
fn collect_big(buffer: &[u8], at: &mut usize, length: usize, progress: &mut Progress) -> bool {
    let big = progress.arriving.get_or_insert_with(|| Box::new(Arriving::new(length)));
    *at += big.take(&buffer[(*at).min(buffer.len())..]);
    if big.bytes.len() < length || buffer.len() < *at + 2 {
        return false;
    }
    *at += 2;
    true
}

/// Reads `*<count>\r\n` at `at`: the count and the offset behind it, or `None` when it is incomplete.
#[inline]
fn array_header(buffer: &[u8], at: usize, limits: &Limits) -> Result<Option<(i64, usize)>, ProtocolError> {
    let (count, behind) = match short_header(buffer, at, b'*') {
        Some((count, behind)) => (Some(count as i64), behind),
        None => match header(buffer, at, "too big mbulk count string")? {
            Some(header) => header,
            None => return Ok(None),
        },
    };
    match count.filter(|count| *count <= limits.args_max) {
        None => Err(ProtocolError::new("invalid multibulk length")),
        Some(count) if limits.unauthenticated && count > UNAUTHENTICATED_ARGS_MAX => {
            Err(ProtocolError::new("unauthenticated multibulk length"))
        }
        Some(count) => Ok(Some((count, behind))),
    }
}

/// Reads `$<length>\r\n` at `at`: the length and the offset behind it, or `None` when it is incomplete.
#[inline]
fn bulk_header(buffer: &[u8], at: usize, limits: &Limits) -> Result<Option<(usize, usize)>, ProtocolError> {
    if let Some((length, behind)) = short_header(buffer, at, b'$') {
        return Ok(Some((length, behind)));
    }
    let Some((length, behind)) = header(buffer, at, "too big bulk count string")? else { return Ok(None) };
    if let Some(&kind) = buffer.get(at).filter(|kind| **kind != b'$') {
        return Err(expected_bulk(kind));
    }
    match length.and_then(|length| usize::try_from(length).ok()) {
        Some(length) if length > limits.bulk_max => Err(ProtocolError::new("invalid bulk length")),
        Some(length) if limits.unauthenticated && length > UNAUTHENTICATED_BULK_MAX => {
            Err(ProtocolError::new("unauthenticated bulk length"))
        }
        Some(length) => Ok(Some((length, behind))),
        None => Err(ProtocolError::new("invalid bulk length")),
    }
}

/// The error for a byte in the place of `$`. A NUL ends the text, as it does in Redis.
#[cold]
fn expected_bulk(kind: u8) -> ProtocolError {
    let mut text = b"expected '$', got '".to_vec();
    if kind != 0 {
        text.extend_from_slice(&[kind, b'\'']);
    }
    ProtocolError(text.into())
}

/// Takes the requests from `head` on that are of the common case; where they end.
#[inline(never)]
fn whole_requests(buffer: &[u8], mut head: usize, batch: &mut Batch, requests_max: usize) -> usize {
    while head < buffer.len() && batch.requests.len() < requests_max {
        let first = batch.args.len();
        let Some(end) = whole(buffer, head, batch) else {
            batch.args.truncate(first);
            break;
        };
        head = end;
    }
    head
}

/// The common case of a request, by hand: complete, every argument shorter than a thousand bytes. On `None` some
/// arguments may have been noted.
#[inline(always)]
fn whole(buffer: &[u8], head: usize, batch: &mut Batch) -> Option<usize> {
    let first = batch.args.len() as u32;
    let alike = batch.opening.comes_again(buffer, head);
    if !alike {
        batch.opening = Opening::read(buffer, head)?;
    }
    let Opening { len, name, count, .. } = batch.opening;
    batch.args.push(Arg { start: head as u32 + name.0, len: name.1 });
    let mut at = head + len;
    for _ in 1..count {
        let (length, start) = short_header(buffer, at, b'$')?;
        at = start + length + 2;
        if at > buffer.len() {
            return None;
        }
        batch.args.push(Arg { start: start as u32, len: length as u32 });
    }
    batch.requests.push(Request { first, count, end: at as u32, alike });
    Some(at)
}

/// A number (`None` where the text is none) and the offset behind its line.
type Header = (Option<i64>, usize);

/// Reads the number between the kind byte at `at` and CRLF. `Ok(None)` when the line is not complete.
fn header(buffer: &[u8], at: usize, too_big: &'static str) -> Result<Option<Header>, ProtocolError> {
    let line = buffer.get(at..).unwrap_or_default();
    let window = &line[..line.len().min(LINE_MAX + 1)];
    let Some(length) = memchr::memchr(b'\r', window) else {
        return match line.len() > LINE_MAX {
            true => Err(ProtocolError::new(too_big)),
            false => Ok(None),
        };
    };
    if line.len() < length + 2 {
        return Ok(None);
    }
    let number = line.get(1..length).and_then(crate::util::number::parse_i64);
    Ok(Some((number, at + length + 2)))
}

#[cfg(test)]
mod tests;
