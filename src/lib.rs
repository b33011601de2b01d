//! Oxidis, a drop-in Redis server: one process, one thread that runs commands, one event loop.
//!
//! The way of a request:
//! ```text
//! socket ──> server::event_loop ──> pipeline: read, frame a batch (resp::request), look up, prefetch
//!                                       │
//!                                       ▼
//!              server::execution: process ──> gate ──> call ──> handler (commands::…) ──> db ──> reply, into the output
//!                                       │
//!                                       ▼
//!                     settle: propagation, keyspace events, messages, blocked clients run again
//!                                       │
//!                     cron::before_wait ▼ permit_send: the log is where it is promised
//!                        one write per client (event_loop::output)
//! ```
//!
//! The rooms, each above those it may import from; `tests/style` holds the order. State lies below, behaviour above: a
//! room below [`server`] is plain state and formats, knows no server, and tells what happened by what it returns.
//! ```text
//! commands   the commands, a family per file: rows and their handlers
//!    │
//! server     the parts gathered, and what acts on several of them
//!    │           execution    a command from its name to what follows from it
//!    │           clients      messages, blocking, tracking, publish/subscribe, rights, memory, departure
//!    │           replication  the primary's side and the replica's
//!    │           persistence  snapshots, the log of commands at work, loading
//!    │           scripting    one run of a script, and what it gets of the server
//!    │           observe      statistics, INFO, slow log, latency, the log
//!    │           event_loop   the loop everything runs on; cron, signals, shutdown, start beside it
//!    │
//! script     Lua: interpreters, libraries, what is known of scripts and functions
//! client     a connected client: modes, subscriptions, what it tracks, users and rights (acl), the registry of all
//! repl       the history of the data set, the backlog, what is known of replicas and of the primary
//! persist    the formats of snapshots (rdb) and of the log (aof), its writer, child processes
//! net        sockets, connections, listeners, links to others, TLS
//! command    what is known of commands: specs, the table of names, arguments, key positions, documentation
//! db         the keyspace: dictionaries, entries, expiry, eviction, who watches and waits
//! config     every directive, one row each; files, command line, CONFIG
//! types      values that are more than a string, and the hash table under all
//! resp       the Redis protocol, usable as a library by itself
//! util       small tools that know nothing of Redis
//! ```
//! `bin/cli` is the client program; it uses [`resp`], [`tls`], [`manual`] and [`quote`].
//!
//! Where to add what:
//! - a command: a row and its handler in a file of `commands`; a new file is listed in `commands::FAMILIES`.
//! - a directive: a row in `config/table.rs`; what a change entails is an `Effect`, applied in `server/apply.rs`.
//! - an INFO field: its section's function in `server/observe/info`; what is counted stands in `observe/stats.rs`.
//! - a value type: a folder in `types`, its variant in `db/entry`, a file each in `persist/rdb/load` and
//!   `persist/rdb/save`, its commands for the log in `persist/aof/rewrite.rs`, its commands in `commands`.
//! - something done many times a second: a step of `server/cron.rs`; before each wait: `cron::before_wait`.
//! - an outgoing connection: `net/outgoing.rs` for one that a command waits for; a state machine such as
//!   `server/replication/handshake.rs` with its state in a room below, and its token in `server/event_loop.rs`.
//!
//! Circles: files that import one another are few. Those of more than three files, and the one around the server:
//! - `config`: a directive reads and writes the `Config` that the table makes of the directives' rows (six files).
//! - `net::tls`: settings, files, ciphers and sessions share the error and the settings of `net::tls` (six files).
//! - `types::listpack` and its encodings (four), `db`'s keyspace with expiry and eviction, parts of one `impl` (four),
//!   `resp`'s reader and writer of one set of values (four).
//! - `server`: a row holds a handler, a handler is given a context, the context holds the server, and the server the rows
//!   (three files: `server/mod.rs`, `execution/context.rs`, `execution/row.rs`).

mod client;
mod command;
mod commands;
mod config;
mod db;
mod net;
mod persist;
mod repl;
pub mod resp;
mod script;
mod server;
mod types;
mod util;

pub use commands::manual;
pub use net::tls;
pub use util::quote;

/// The server's program: reads the command line, starts the server, runs it to its end.
pub fn main() -> std::process::ExitCode {
    server::start::main(commands::FAMILIES)
}

#[global_allocator]
static ALLOCATOR: util::alloc::CountingAllocator = util::alloc::CountingAllocator;
