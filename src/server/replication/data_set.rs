//! The data set of a replica gives way to that of its primary.

use super::roster;
use crate::db::Databases;
use crate::peers::repl::receiving::Receiving;
use crate::persist::fork::Purpose;
use crate::server::Server;
use crate::server::execution::changes;
use crate::server::persistence::{loading, snapshot};

/// Gives a data set up that has not come whole.
pub fn discard(receiving: Receiving) {
    if let Some((_, path)) = receiving.file {
        std::fs::remove_file(path).ok();
    }
}

/// Ends everything that works on the old data set: its log, the child that saves it.
pub fn stop_persisting_old_data(server: &mut Server, db: &mut Databases) {
    crate::server::persistence::aof_switch::stop(server, db);
    if let Some(child) = server.persist.child.as_ref().filter(|child| child.purpose != Purpose::AofRewrite) {
        log::info!(
            "Replica is about to load the RDB file received from the master, but there is a pending RDB child running. \
             Killing process {} and removing its temp file to avoid any race",
            child.tag()
        );
        snapshot::kill_child(server);
    }
}

/// The history changes for good: replicas of this one have to learn that, and cannot go on.
pub fn drop_history(server: &mut Server) {
    server.repl.cached = None;
    roster::disconnect_all(server);
    server.repl.backlog = None;
}

pub fn flush_all(server: &mut Server, db: &mut Databases) {
    log::info!("MASTER <-> REPLICA sync: Flushing old data");
    let lazily = server.config.replica_lazy_flush;
    for index in 0..db.count() {
        changes::replace_database(server, db, index, None);
        db.flush(index, lazily);
    }
    server.script.flush_functions();
}

/// The link was dropped while the data set was loaded.
pub fn cancel_load(server: &mut Server, db: &mut Databases) {
    if loading::cancel(server, db) {
        flush_all(server, db);
    }
}
