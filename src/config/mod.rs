//! Configuration: every directive of Redis 7.0, one row each.
//!
//! `table` is the heart: one macro call whose rows make both the plain typed fields of [`Config`]
//! and the [`Directive`] that knows how to read, write and rewrite that field. The hot path reads
//! `config.timeout` and never sees a name or a text; everything that deals in names and texts
//! (files, the command line, CONFIG GET, SET and REWRITE) walks the rows and never names a field.
//!
//! ```text
//! argv ──> cli ──> load ──┐                     ┌──> rewrite ──> redis.conf
//!                         ├──> rows ──> Config ─┤
//! CONFIG SET ──> change ──┘                     └──> change ──> CONFIG GET
//! ```
//!
//! - `kinds`: yes/no, numbers with a range and a unit, texts, one of several words;
//!   `special`, `notify`, `proc_title`: directives with a shape of their own; `choices`: the
//!   words as Rust enums.
//! - `load`: text to `Config`, with Redis's errors; `cli`: the arguments of the process.
//! - `change`: CONFIG GET and SET, all or nothing; the server applies what a change entails.
//! - `rewrite`: the file written anew around its comments.
//!
//! To add a directive, add its row to `table` and a paragraph about it to `scripts/packaging/oxidis.conf`; then
//! `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged` writes the manual page and completions anew (`packaged`, which is
//! there in tests only). A row with an [`Effect`] tells the server that a new value needs more than being stored.
//!
//! Nothing here logs or touches a socket. The file system is asked three things: to read
//! configuration files, whether `dir` and `logfile` name places that exist, and to replace the file
//! on CONFIG REWRITE. Directives of parts that are not built are accepted, kept and reported.
//! Commands and ACL users are unknown to this module, so `rename-command` and `user` lines are kept
//! as [`load::Statement`]s, whose owner refuses them with [`load::Statement::error`].

mod change;
mod choices;
mod cli;
pub mod cluster;
mod directive;
mod kept;
mod kinds;
mod load;
mod nearest;
mod notify;
mod proc_title;
mod rewrite;
mod special;
mod table;
mod target;
mod version;

pub use change::{Access, Changes, SetError};
pub use choices::*;
pub use cli::{CommandLine, parse_command_line};
pub use directive::{Directive, Effect, flags};
pub use kinds::MemoryShare;
pub use load::{LoadError, Statement};
pub use notify::NotifyFlags;
pub use proc_title::expand_proc_title;
pub use rewrite::{AclLines, Rewrite};
pub use special::ReplicaOf;
pub use table::Config;
pub use target::TargetServer;
pub use version::{REDIS_VERSION, VALKEY_VERSION};

impl Config {
    /// The port for clients that is told where one is: the plain one if there is one, or that for TLS.
    pub fn shown_port(&self) -> u16 {
        if self.port != 0 { self.port } else { self.tls_port }
    }

    /// The port the bus of a cluster listens on: the one that is set, or else one by that for clients; `None` where there
    /// is room for none.
    pub fn bus_port(&self) -> Option<u16> {
        let clients = if self.tls_cluster { self.tls_port } else { self.port };
        if self.cluster_port != 0 { Some(self.cluster_port) } else { clients.checked_add(cluster::BUS_PORT_OFFSET) }
    }

    /// What INFO, HELLO and the log call the mode of the server.
    pub fn mode_name(&self) -> &'static str {
        if self.cluster_enabled { "cluster" } else { "standalone" }
    }
}

#[cfg(test)]
mod packaged;
#[cfg(test)]
mod tests;
