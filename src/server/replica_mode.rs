//! Whether the server follows another, brought in line with the directive.

use super::Server;
use super::effects::Observers;
use super::modes::ServerModes;
use super::replication::roster::update_good_replicas;
use crate::command::Error;
use crate::config::ReplicaOf;

/// Brings what depends on the role in line with it.
pub fn update_role(server: &mut Server) {
    let is_replica = server.is_replica();
    crate::server::observe::log_format::set_role(if is_replica { b'S' } else { b'M' });
    server.modes.set(ServerModes::REPLICA, is_replica);
    server.observers.set(Observers::OWN_WRITES, is_replica && !server.config.replica_read_only);
    server.modes.set(ServerModes::STALE, server.is_cut_off() && !server.config.replica_serve_stale_data);
    update_good_replicas(server);
}

impl Server {
    /// The server this one follows.
    pub fn replica_of(&self) -> Option<&ReplicaOf> {
        self.config.replicaof.as_ref()
    }

    /// The error that sends a client to the primary.
    pub fn redirection(&self) -> Error {
        let primary = self.replica_of().map(|primary| format!("{}:{}", primary.host, primary.port));
        Error::text(format!("REDIRECT {}", primary.unwrap_or_default()))
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
