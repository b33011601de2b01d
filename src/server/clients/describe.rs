//! The line of CLIENT LIST and CLIENT INFO.

use crate::client::tracking::ClientTracking;
use crate::client::{Client, Modes};
use crate::command::Args;
use crate::peers::repl::replica::Channel;
use crate::resp::reply::Reply;
use crate::server::Server;
use crate::server::clients::messages::{OUTPUT_PIECE_BYTES, listed_bytes};
use crate::util::redact::REDACTED;

/// What an active client has at its disposal of the read buffer all clients share, in bytes.
const SHARED_INPUT_BYTES: usize = 16 * 1024;
/// How long a client counts as active after its last request, in milliseconds.
const ACTIVE_MS: i64 = 2000;

/// The request a client runs at this moment, as far as its own line tells about it.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Bytes of the request as it was sent.
    pub request_bytes: usize,
    /// Bytes of its arguments.
    pub argument_bytes: usize,
    /// Bytes of output that wait already.
    pub output_bytes: usize,
    /// Bytes of memory these take.
    pub output_memory: usize,
}

impl Running {
    /// A request, and the output it is to be answered in.
    pub fn of(args: &Args<'_>, reply: &Reply) -> Running {
        Running {
            request_bytes: args.encoded_bytes(),
            argument_bytes: args.rest(0).map(<[u8]>::len).sum(),
            output_bytes: reply.len(),
            output_memory: reply.memory(),
        }
    }

    /// Bytes of memory it takes besides what the client has already.
    pub fn memory(&self) -> usize {
        self.argument_bytes + self.output_memory
    }
}

/// A client's line, without a line end. `running` is set for the client that asks.
pub fn line(server: &Server, client: &Client, running: Option<Running>) -> Vec<u8> {
    line_with(server, client, running, |name| name)
}

/// A client's line for the log: without the names it chose and that of its user, where these are to be hidden.
pub fn logged(server: &Server, client: &Client) -> String {
    let line = match server.config.hide_user_data_from_log {
        true => line_with(server, client, None, redacted),
        false => line(server, client, None),
    };
    String::from_utf8_lossy(&line).into_owned()
}

/// What stands in the place of a name, if there is one.
fn redacted(name: &[u8]) -> &[u8] {
    if name.is_empty() { name } else { REDACTED.as_bytes() }
}

/// A client's line; `shown` says what stands in the place of a name.
fn line_with(server: &Server, client: &Client, running: Option<Running>, shown: fn(&[u8]) -> &[u8]) -> Vec<u8> {
    let now = server.clock.unix_ms();
    let connection = &client.connection;
    let subscriptions = client.subscriptions.as_deref();
    let counts = subscriptions.map_or((0, 0, 0), |subscribed| {
        (subscribed.channels.len(), subscribed.patterns.len(), subscribed.shard_channels.len())
    });
    let queued = client.transaction.as_ref().map_or(-1, |transaction| transaction.queue.len() as i64);
    let queued_bytes = client.transaction.as_ref().map_or(0, |transaction| transaction.bytes);
    let input = input_bytes(client, running, now);
    let output = running.map_or(client.output.len(), |running| running.output_bytes) as u64;
    let listed = listed_bytes(output);
    let total = client.memory() + running.map_or(0, |running| running.memory());
    let mut line = Vec::with_capacity(400);
    let mut add = |text: &str, bytes: &[u8]| {
        line.extend_from_slice(text.as_bytes());
        line.extend_from_slice(bytes);
    };
    let name = shown(client.name.as_deref().unwrap_or_default());
    let addresses = (connection.peer_name(), connection.local_name());
    add(
        &format!("id={} addr={} laddr={} fd={} name=", client.id, addresses.0, addresses.1, connection.descriptor()),
        name,
    );
    add(
        &format!(
            " age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={queued} watch={} qbuf={} qbuf-free={} argv-mem={} \
             multi-mem={queued_bytes} rbs={} rbp={} obl={} oll={} omem={listed} tot-mem={total} events={} cmd={} user=",
            (now - client.created_ms) / 1000,
            (now - client.active_ms) / 1000,
            flags(client),
            client.db,
            counts.0,
            counts.1,
            counts.2,
            client.watched.len(),
            input.0,
            input.1,
            running.map_or(0, |running| running.argument_bytes),
            client.output.capacity(),
            output.min(OUTPUT_PIECE_BYTES),
            output.min(OUTPUT_PIECE_BYTES),
            listed.div_ceil(OUTPUT_PIECE_BYTES),
            if connection.output_stuck { "rw" } else { "r" },
            server.command_name(client.last_command),
        ),
        shown(&server.acl.user(client.user).name),
    );
    add(
        &format!(" redir={} resp={} lib-name=", redirection(client), if client.resp3 { 3 } else { 2 }),
        shown(client.lib_name.as_deref().unwrap_or_default()),
    );
    add(" lib-ver=", shown(client.lib_version.as_deref().unwrap_or_default()));
    let (received, sent) = (client.input_bytes, client.output_bytes);
    let capabilities = if client.follows_redirects { "r" } else { "" };
    add(
        &format!(
            " io-thread=0 tot-net-in={received} tot-net-out={sent} tot-cmds={} capa={capabilities}",
            client.commands
        ),
        b"",
    );
    line
}

/// The id of the client that is told of changes in this one's place: 0 for none, -1 if it does not track.
pub fn redirection(client: &Client) -> i64 {
    let redirect = |tracking: &ClientTracking| tracking.options.redirect.map_or(0, |target| target.id as i64);
    client.tracking.as_deref().map_or(-1, redirect)
}

/// Bytes of input that wait, and bytes of room for more: an active client without a buffer of its own has a share of
/// the common one.
fn input_bytes(client: &Client, running: Option<Running>, now: i64) -> (usize, usize) {
    let own = &client.connection.input;
    let arrived = client.connection.progress.arrived();
    if arrived > 0 {
        return (arrived, client.connection.progress.bytes().saturating_sub(arrived));
    }
    let used = running.map_or(client.connection.input_waiting(), |running| running.request_bytes);
    if own.capacity() > 0 {
        return (used, own.capacity().saturating_sub(used));
    }
    let active = running.is_some() || now - client.active_ms <= ACTIVE_MS;
    (used, if active { SHARED_INPUT_BYTES } else { 0 })
}

/// The letters of the flags in the order of Redis, `N` for none.
pub fn flags(client: &Client) -> String {
    let tracking = client.tracking.as_deref();
    let shown = [
        ('O', client.modes.has(Modes::MONITOR)),
        ('S', client.modes.has(Modes::REPLICA)),
        ('M', client.modes.has(Modes::PRIMARY)),
        ('P', client.subscriptions.is_some()),
        ('x', client.modes.has(Modes::MULTI)),
        ('b', client.is_blocked()),
        ('t', tracking.is_some()),
        ('R', tracking.is_some_and(|tracking| tracking.redirect_broken)),
        ('B', tracking.is_some_and(|tracking| tracking.options.broadcast)),
        ('d', client.dirty),
        ('c', client.modes.has(Modes::CLOSING) && !client.connection.doomed),
        ('A', client.connection.doomed),
        ('U', client.connection.is_unix()),
        ('r', client.reads_replicas),
        ('g', client.exports_slots),
        ('e', client.no_evict),
        ('T', client.modes.has(Modes::NO_TOUCH)),
        ('C', client.replica.as_ref().is_some_and(|replica| matches!(replica.channel, Channel::Snapshot { .. }))),
        ('I', client.modes.has(Modes::IMPORT_SOURCE)),
    ];
    let letters: String = shown.into_iter().filter(|(_, on)| *on).map(|(letter, _)| letter).collect();
    if letters.is_empty() { "N".to_owned() } else { letters }
}
