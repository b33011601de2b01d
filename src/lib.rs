//! Oxidis, a drop-in Redis server: one process, one thread that runs commands, one event loop.
//!
//! The way of a request:
//! ```text
//! socket ──> net::event_loop ──> net::pipeline: read, frame a batch (resp::request), look up, prefetch
//!                                     │
//!                                     ▼
//!                command::exec: gate ──> handler (commands::…) ──> db ──> reply, straight into the output
//!                                     │
//!                                     ▼
//!                command::effects: WATCH, events, propagation, MONITOR, blocked clients
//!                                     │
//!                  cron::before_wait  ▼
//!                         one write per client (net::connection)
//! ```
//! - [`resp`] is the protocol, usable as a library by itself.
//! - `types` is the values that are more than a string and the hash table under all, `db` the keyspace; both are deaf
//!   to the wire. `command` is the machinery of commands, `commands` the commands.
//! - `client` is what a connection is to commands, `net` what it is to the system.
//! - `persist` keeps the data set: snapshots, the child processes that make them, loading.
//! - `acl` is who may do what.
//! - `pubsub` delivers messages, `repl` is replication, and where changes leave for the append-only file.
//! - `script` runs scripts and functions in Lua.
//! - `config` holds every directive, one row each; `apply` is what a changed one entails.
//! - `server` owns the parts, `cron` does what happens by itself, `evict` makes room.
//! - [`manual`] and [`quote`] are what else the client, `bin/cli`, takes from here: documentation of the commands, quoting.
//! - `start` goes from the command line to the running loop; `shutdown` is its end, `signals` what may bring that about,
//!   and `crash` the end that nobody wanted.
//! - `stats`, `slowlog` and `latency` are what is counted and noted, `info` shows it, `log_format` is how the log looks and `syslog` the
//!   system's log.
//! - [`tls`] encrypts connections.
//! - `util` is small tools that know nothing of Redis.

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
