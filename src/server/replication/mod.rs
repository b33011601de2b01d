//! Replication at work: primaries, replicas, and how they find together.

use crate::config::ReplicaOf;
use crate::db::Databases;
use crate::server::Server;

pub mod failover;
pub mod link;
pub mod primary;
pub mod receive;
pub mod replica;
pub mod sync;
pub mod transfer;

/// The steps of replication that are due.
pub fn tick(server: &mut Server, db: &mut Databases) {
    failover::tick(server, db);
    let now = server.clock.unix_ms();
    let second = !(1..=1000).contains(&(server.repl.next_cron_ms - now));
    replica::tick(server, db, second);
    if second {
        server.repl.next_cron_ms = now + 1000;
        primary::tick(server, db, server.repl.cron_loops);
        server.repl.cron_loops += 1;
    }
}

impl Server {
    /// The server this one follows.
    pub fn replica_of(&self) -> Option<&ReplicaOf> {
        self.config.replicaof.as_ref()
    }

    /// Whether it follows another.
    pub fn is_replica(&self) -> bool {
        self.config.replicaof.is_some()
    }

    /// Whether it follows another and has no connection to it that works.
    pub fn is_cut_off(&self) -> bool {
        self.is_replica() && self.repl.primary.is_none()
    }

    /// Brings the backlog to its configured size.
    pub fn resize_backlog(&mut self) {
        if let Some(backlog) = &mut self.repl.backlog {
            backlog.set_size(self.config.repl_backlog_size);
        }
    }
}
