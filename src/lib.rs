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
//!                 before the next wait ▼ cron::before_wait, before_replies
//!                        one write per client (event_loop::output), permitted by aof_write::permit_send
//! ```
//!
//! The rooms, each above those it may import from; `tests/style` holds the order. State lies below, behaviour above: a
//! room below [`server`] is state, formats and tools, knows no server, and tells what happened by what it returns.
//! ```text
//! commands   the commands, a family per file: rows and their handlers
//!    │
//! server     the parts gathered, and what acts on several of them
//!    │           execution    a command from its name to what follows from it
//!    │           clients      messages, blocking, tracking, publish/subscribe, rights, memory, disconnecting
//!    │           replication  the primary's side and the replica's
//!    │           persistence  snapshots, the log of commands at work, backups, loading
//!    │           scripting    one run of a script, and what it gets of the server
//!    │           observe      statistics, INFO, slow log, latency, the log
//!    │           web          HTTP: metrics, the page, and what is watched for them
//!    │           event_loop   the loop everything runs on
//!    │           and beside them: effects, propagate, apply, evict, pause, cron, signals, shutdown, crash, start
//!    │
//! script     Lua: interpreters, libraries, what is known of scripts and functions
//! client     a connected client: modes, subscriptions, what it tracks, users and rights (acl), the registry of all
//! peers      what is known of other servers: history, backlog, replicas and primary (repl); nodes, slots, messages of
//!            the bus, the rules of it, nodes.conf (cluster)
//! persist    the formats of snapshots (rdb) and of the log (aof), its writer, child processes
//! net        sockets, connections, listeners, links to others, TLS
//! command    what is known of commands: specs, the table of names, arguments, key positions, documentation
//! db         the keyspace: dictionaries, entries, expiry, eviction, who watches and waits
//! config     every directive, one row each; files, command line, CONFIG
//! types      values that are more than a string, and the hash table under all
//! resp       the Redis protocol, usable as a library by itself
//! util       small tools that know nothing of Redis
//! ```
//! `bin/cli` is the client program; it uses [`resp`], [`tls`], [`manual`], [`quote`] and [`slot_of`].
//!
//! Where to add what:
//! - a command: a row and its handler in a file of `commands`; a new file is listed in `commands::FAMILIES`.
//! - a directive: a row in `config/table.rs`, or in `config/kept.rs` if nothing follows from it, and a paragraph about it
//!   in `scripts/packaging/oxidis.conf` (`config/packaged.rs` says what is written from that). A value that is derived
//!   from it, at start too, belongs into `Server::config_changed` (`server/apply.rs`); an action when CONFIG SET changes
//!   it is an `Effect` (`config/directive.rs`) and its arm in `apply::apply_effect`; what the databases must know, into
//!   `Server::sync_settings`.
//! - an INFO field: its section's function in `server/observe/info`; what is counted stands in `observe/stats.rs`, or
//!   in the part that counts it. A number is a metric, too; a counter, or one that `redis_exporter` has by another name,
//!   has a row in `web/metrics/fields.rs`. CONFIG RESETSTAT is `commands/config.rs::reset_stat`.
//! - a value type: a folder in `types` and its `ValueType`; its kind in `db/entry.rs` and `db/entry/collection.rs`;
//!   a file in `persist/rdb/value` that loads and saves it, its name in `values!` there, its number in
//!   `persist/rdb/format.rs`, a row in `persist/rdb/kinds.rs` and an arm in `persist/rdb/forms.rs`; its commands for the
//!   log in `persist/aof/rewrite.rs`; its sizes in `observe/info/keysizes.rs`; its group and category in
//!   `command/spec.rs`, its letter in `config/notify.rs`; its commands in `commands`.
//! - a value type that Redis brings as a module: a folder in `types` that says what `types/bundled.rs` asks of a value,
//!   a file in `persist/rdb/value` and its row in `TYPES` of `bundled.rs` there, a row in `command/modules.rs`, and its
//!   commands in `commands`. Nothing else knows it.
//! - a form of a value, or what else a newer RDB file has: `persist/rdb/mod.rs` says where.
//! - something done by time: a step of `cron::tick`, `hz` times a second; ten times a second beside the rates there,
//!   once a second in `replication/cron.rs`. Before each wait: `cron::before_wait`.
//! - an outgoing connection: `net/outgoing.rs` for one that a command waits for. Otherwise its state in a room below,
//!   its token in `net/tokens.rs`, opening as in `replication/connect.rs`, and its arm in `EventLoop::run`.
//! - what ends with a client: `clients/disconnect.rs::unlink_client`, and `lifecycle::reset` if RESET ends it.
//! - a message to other clients: `Server::push`, from `execution/after_call.rs` for each call or from
//!   `execution/settle.rs` once the outermost command is done; a bit of `Observers` keeps it free of cost while nobody
//!   listens.
//!
//! Circles: files that import one another are few. Those of more than three files, and the one around the server:
//! - `config`: a directive reads and writes the `Config` that the tables make of the directives' rows (eight files).
//! - `net::tls`: settings, files, ciphers and sessions share the error and the settings of `net::tls` (six files).
//! - `types::listpack` and its encodings (four), `db`'s keyspace with expiry and eviction, parts of one `impl` (four),
//!   `resp`'s reader and writer of one set of values (four).
//! - `server`: a row holds a handler, a handler is given a context, the context holds the server, and the server the
//!   rows (three files: `server/mod.rs`, `execution/context.rs`, `execution/row.rs`).

mod client;
mod command;
mod commands;
mod config;
mod db;
mod net;
mod peers;
mod persist;
pub mod resp;
mod script;
mod server;
mod types;
mod util;

pub use commands::manual;
pub use db::slot::slot_of;
pub use net::tls;
pub use util::quote;

/// The server's program: reads the command line, starts the server, runs it to its end.
pub fn main() -> std::process::ExitCode {
    server::start::main(commands::FAMILIES)
}

#[global_allocator]
static ALLOCATOR: util::alloc::CountingAllocator = util::alloc::CountingAllocator;
