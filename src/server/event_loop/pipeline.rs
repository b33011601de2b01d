//! One client's turn: read its socket, frame its requests, run them, keep what is left.
//!
//! Requests are framed in batches. For each request of a batch the row is looked up and the key hashed, and the
//! bucket the key belongs to is asked into the cache; then the entries behind those buckets; only then are the
//! commands run. With many keys in memory this hides most of the time that would pass waiting for memory.

use std::borrow::Cow;
use std::io;

use crate::client::{Client, Modes};
use crate::command::lookahead::{Lookahead, Resolved};
use crate::command::{Args, CommandId};
use crate::config::Config;
use crate::db::Databases;
use crate::net::ClientKey;
use crate::resp::reply::Reply;
use crate::resp::request::{self, ArgView, Batch, Limits, Progress, ProtocolError};
use crate::server::Server;
use crate::server::clients::{memory, messages};
use crate::server::execution::{Ctx, process};
use crate::server::modes::ServerModes;
use crate::server::replication::stream;
use crate::util::clock::Ticks;

/// Requests framed, looked up and prefetched at once.
const BATCH_MAX: usize = 64;
/// Bytes of a big argument from which on a client's turn to read ends.
const BIG_READ_BYTES: usize = 1024 * 1024;
/// The most arguments of a request.
const ARGS_MAX: i64 = i32::MAX as i64;

/// What a read came to.
#[derive(Debug)]
pub struct Read {
    /// Bytes read; 0 at the end of the stream.
    pub bytes: usize,
    /// The socket may have more.
    pub more: bool,
    /// They are in the shared buffer.
    pub into_shared: bool,
}

/// Room used for each client's turn.
#[derive(Debug, Default)]
pub struct Pipeline {
    batch: Batch,
    lookahead: Lookahead,
    /// What a client has as its output while its own is written to.
    stand_in: Option<Box<Reply>>,
}

impl Pipeline {
    /// Reads a client's socket once: into the shared buffer when nothing is left over, else behind what is left, or
    /// straight into the big argument that is arriving.
    pub fn read(&mut self, client: &mut Client, shared: &mut [u8]) -> io::Result<Read> {
        let own = client.is_blocked() || !client.connection.input.is_empty() || !client.connection.progress.is_idle();
        // What a client sends that is to be closed is thrown away.
        if !own || client.modes.has(Modes::CLOSING) {
            return read_shared(client, shared);
        }
        let mut progress = std::mem::take(&mut client.connection.progress);
        let result = match progress.arriving() {
            Some(_) => read_big(client, &mut progress),
            // By way of the shared buffer, so that no room is made for more than what came.
            None => read_shared(client, shared).map(|read| {
                client.connection.input.extend_from_slice(&shared[..read.bytes]);
                Read { into_shared: false, ..read }
            }),
        };
        client.connection.progress = progress;
        result
    }

    /// Runs a client's requests. They stand in `shared`, or in its own input when that is `None`.
    pub fn run(&mut self, server: &mut Server, db: &mut Databases, key: ClientKey, shared: Option<&[u8]>) {
        let client = server.clients.at_mut(key);
        let mut own = if shared.is_none() { std::mem::take(&mut client.connection.input) } else { Vec::new() };
        let from = std::mem::take(&mut client.connection.input_done);
        let buffer = shared.unwrap_or(&own);
        let mut reply = self.lend_output(client, &server.config);
        let commands = server.stats.commands;
        let used = self.run_buffer(server, db, key, &mut reply, buffer, from);
        let commands = server.stats.commands.saturating_sub(commands);
        server.web.sample_in -= commands as i64;
        if server.web.sample_in <= 0 {
            self.sample_key(server, key, buffer);
        }
        let client = server.clients.at_mut(key);
        client.commands += commands;
        self.give_back(client, reply);
        server.current = None;
        let (waiting, is_cut) = (client.output.len(), client.output.is_cut());
        client.input_peak = client.input_peak.max(buffer.len());
        let end = buffer.len() - client.connection.progress.cut();
        match shared {
            Some(shared) => client.connection.input.extend_from_slice(&shared[used..end]),
            None => {
                own.truncate(end);
                client.connection.keep_input(own, used);
            }
        }
        // What MULTI has queued is yet to be run, like input.
        let queued = client.transaction.as_ref().map_or(0, |transaction| transaction.bytes);
        let left = client.connection.input_waiting() + client.connection.progress.arrived() + queued;
        // What the primary sends has a bound of its own, and no client would be wanted less without.
        let is_bound = !client.modes.has(Modes::PRIMARY);
        if is_bound && left > server.config.client_query_buffer_limit {
            log::warn!("Closing client that reached max query buffer length");
            server.stats.query_buffer_disconnections += 1;
            server.clients.close_soon(key);
        } else if waiting > 0 || client.modes.has(Modes::CLOSING) {
            server.clients.flush_later(key);
            if waiting >= messages::OUTPUT_CHECKED_FROM || is_cut {
                messages::check_output_limit(server, key);
            }
        }
        if server.modes.has(ServerModes::CLIENT_MEMORY_LIMIT) {
            memory::count(server, key, None);
        }
    }

    /// Looks at one command of the last batch for its key: see [`crate::server::web::hot`].
    #[cold]
    fn sample_key(&self, server: &mut Server, key: ClientKey, buffer: &[u8]) {
        server.web.sample_in = i64::MAX;
        let Some(watch) = &mut server.web.watch else { return };
        server.web.sample_in = watch.hot.next_in();
        let count = self.batch.requests.len().min(self.lookahead.resolved.len());
        if count == 0 {
            return;
        }
        let picked = watch.hot.pick(count);
        let args = ArgView::of(&self.batch, &self.batch.requests[picked], buffer);
        let entry = self.lookahead.resolved[picked].command.map(|id| server.commands.entry(id));
        let place = entry.map_or(0, |entry| usize::from(entry.first_key));
        let named = (place > 0 && place < args.len()).then(|| args.get(place));
        watch.hot.note(server.clients.at(key).db, named);
    }

    /// Runs the command of a client that was held by a pause; its further input follows in the next turn.
    pub fn resume(&mut self, server: &mut Server, db: &mut Databases, key: ClientKey) {
        let Some(postponed) = server.take_postponed(key) else { return };
        let mut reply = self.lend_output(server.clients.at_mut(key), &server.config);
        server.current = Some(key);
        let mut cx = Ctx { db, server, reply: &mut reply, client: key, command: postponed.command };
        let args = Args::from(postponed.request.view());
        if cx.client().modes.has(Modes::PRIMARY) {
            let sees_expired = cx.db.set_sees_expired(true);
            stream::apply(&mut cx, Some(postponed.command), args, &postponed.request.view().encoded());
            cx.db.set_sees_expired(sees_expired);
        } else {
            process::process(&mut cx, Some(postponed.command), args);
        }
        server.current = None;
        self.give_back(server.clients.at_mut(key), reply);
        server.clients.flush_later(key);
        messages::check_output_limit(server, key);
    }

    /// Takes a client's output, to be written to.
    fn lend_output(&mut self, client: &mut Client, config: &Config) -> Box<Reply> {
        let mut reply = std::mem::replace(&mut client.output, self.stand_in.take().unwrap_or_default());
        reply.limit = messages::output_max(client, config);
        reply
    }

    /// Gives a client its output back.
    fn give_back(&mut self, client: &mut Client, mut reply: Box<Reply>) {
        reply.limit = 0;
        let stand_in = std::mem::replace(&mut client.output, reply);
        debug_assert!(stand_in.is_empty(), "nothing is written past the output that was taken");
        self.stand_in = Some(stand_in);
    }

    /// Runs what is complete in `buffer` behind its first `used` bytes; how many are done with then.
    fn run_buffer(
        &mut self,
        server: &mut Server,
        db: &mut Databases,
        key: ClientKey,
        reply: &mut Reply,
        buffer: &[u8],
        mut used: usize,
    ) -> usize {
        let slice_ends = server.clock.ticks_after(server.clock.now(), SLICE_US);
        loop {
            let client = server.clients.at_mut(key);
            if client.modes.has(Modes::BLOCKED) {
                return used;
            }
            if client.modes.has(Modes::CLOSING) {
                return buffer.len();
            }
            let unauthenticated = client.modes.has(Modes::UNAUTHENTICATED) && server.acl.needs_password();
            let limits = Limits {
                bulk_max: server.config.proto_max_bulk_len,
                args_max: ARGS_MAX,
                // AUTH loosens the bounds of what follows it.
                requests_max: if unauthenticated { 1 } else { BATCH_MAX },
                unauthenticated,
            };
            self.batch.clear();
            let (end, result) = request::frame(buffer, used, &mut client.connection.progress, &mut self.batch, &limits);
            let stopped = self.run_batch(server, db, key, reply, (buffer, used), slice_ends);
            if let Some(next) = stopped {
                // The rest is framed again later, from the first request that did not run.
                server.clients.at_mut(key).connection.progress = Default::default();
                return if next == 0 { used } else { self.batch.requests[next - 1].end as usize };
            }
            used = end;
            if let Err(error) = result {
                let client = server.clients.at_mut(key);
                if client.modes.has(Modes::BLOCKED) {
                    // The answer it waits for comes first; the fault is found again then.
                    client.connection.progress = Default::default();
                    return used;
                }
                if client.modes.has(Modes::CLOSING) {
                    return buffer.len();
                }
                self.refuse(server, key, reply, &error);
                return buffer.len();
            }
            let incomplete = !server.clients.at(key).connection.progress.is_idle();
            if incomplete || used == buffer.len() || self.batch.requests.is_empty() {
                return used;
            }
        }
    }

    /// Runs a batch that was framed from a place in the buffer on. When it has to stop early (the client is blocked, or
    /// its time is up) it returns the index of the first request that did not run.
    fn run_batch(
        &mut self,
        server: &mut Server,
        db: &mut Databases,
        key: ClientKey,
        reply: &mut Reply,
        (buffer, from): (&[u8], usize),
        slice_ends: Ticks,
    ) -> Option<usize> {
        let keys = db.database(server.clients.at(key).db);
        self.lookahead.resolve(&server.commands, keys, &self.batch, buffer);
        server.clock.advance_wall();
        server.current = Some(key);
        let is_primary = server.clients.at(key).modes.has(Modes::PRIMARY);
        let mut cx = Ctx { db, server, reply, client: key, command: CommandId::default() };
        if !is_primary {
            return self.run_each(&mut cx, buffer, slice_ends, |cx, found, request, _| {
                process::process_resolved(cx, found, request)
            });
        }
        let sees_expired = cx.db.set_sees_expired(true);
        let mut begin = from;
        let stopped = self.run_each(&mut cx, buffer, slice_ends, |cx, found, request, end| {
            cx.command = found.command.unwrap_or_default();
            let args = found.args(request);
            // What has big arguments was not kept as it came, but nobody writes it in another way.
            let sent = match args.has_big() {
                true => Cow::Owned(args.encoded()),
                false => Cow::Borrowed(&buffer[begin..end]),
            };
            begin = end;
            stream::apply(cx, found.command, args, &sent);
        });
        cx.db.set_sees_expired(sees_expired);
        stopped
    }

    /// Has each request of a batch run, by a function that also gets the place in the buffer where the request ends.
    #[inline(always)]
    fn run_each(
        &self,
        cx: &mut Ctx<'_>,
        buffer: &[u8],
        slice_ends: Ticks,
        mut run: impl FnMut(&mut Ctx<'_>, &Resolved, ArgView<'_>, usize),
    ) -> Option<usize> {
        for (index, (request, resolved)) in self.batch.requests.iter().zip(&self.lookahead.resolved).enumerate() {
            run(cx, resolved, ArgView::of(&self.batch, request, buffer), request.end as usize);
            let client = cx.server.clients.at(cx.client);
            let stop = client.modes.has(Modes(Modes::BLOCKED.0 | Modes::CLOSING.0));
            let late = cx.server.clock.now() > slice_ends;
            if (stop || late) && index + 1 < self.batch.requests.len() {
                if late {
                    cx.server.clients.continue_reading_later(cx.client);
                }
                return Some(index + 1);
            }
        }
        None
    }

    /// Answers a breach of the protocol; the client is closed behind the answer.
    fn refuse(&self, server: &mut Server, key: ClientKey, reply: &mut Reply, error: &ProtocolError) {
        let text = String::from_utf8_lossy(error.text());
        if server.clients.at(key).modes.has(Modes::PRIMARY) {
            return stream::reject_primary(server, key, &text);
        }
        log::debug!("Protocol error ({text}) from client {}", server.clients.at(key).connection.peer_name());
        let client = server.clients.at_mut(key);
        if !client.modes.has(Modes::REPLY_OFF) {
            reply.error([b"ERR Protocol error: ", error.text()].concat());
        }
        client.close_after_reply();
        server.stats.count_error(b"ERR");
    }
}

fn read_shared(client: &mut Client, shared: &mut [u8]) -> io::Result<Read> {
    let bytes = client.connection.read(shared)?;
    let more = bytes == shared.len() || client.connection.has_more();
    Ok(Read { bytes, more, into_shared: true })
}

/// Reads the big argument that arrives, as far as it has come, up to [`BIG_READ_BYTES`].
fn read_big(client: &mut Client, progress: &mut Progress) -> io::Result<Read> {
    let mut total = 0;
    while let Some((big, room)) = progress.arriving() {
        match read_behind(client, big, room) {
            Ok(read) => {
                total += read.bytes;
                if !read.more || total >= BIG_READ_BYTES {
                    return Ok(Read { bytes: total, ..read });
                }
            }
            // What was read counts; the socket tells the rest once more.
            Err(error) if total == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(Read { bytes: total, more: true, into_shared: false })
}

/// Reads up to `room` bytes behind what `buffer` holds.
fn read_behind(client: &mut Client, buffer: &mut Vec<u8>, room: usize) -> io::Result<Read> {
    let old = buffer.len();
    buffer.resize(old + room, 0);
    let result = client.connection.read(&mut buffer[old..]);
    buffer.truncate(old + *result.as_ref().unwrap_or(&0));
    let bytes = result?;
    Ok(Read { bytes, more: bytes == room || client.connection.has_more(), into_shared: false })
}

/// The most bytes read from a client in one turn, and the size of the shared buffer.
pub const READ_BYTES: usize = 64 * 1024;

/// How long one client's commands may run before the others get their turn, in microseconds.
pub const SLICE_US: u64 = 10_000;
