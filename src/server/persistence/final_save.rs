//! What is saved before the server ends.

use super::{aof_rewrite, forkless, snapshot};
use crate::db::Databases;
use crate::persist::fork::Purpose;
use crate::server::Server;
use crate::server::modes::ServerModes;
use crate::server::state::ShutdownOptions;

/// Does what is to be done before the server ends; false if it must not, because data would be lost.
pub fn save_before_exit(server: &mut Server, db: &mut Databases, ending: ShutdownOptions) -> bool {
    let rewrites = server.persist.child.as_ref().is_some_and(|child| child.purpose == Purpose::AofRewrite);
    if rewrites && server.persist.aof.is_waiting() && server.persist.aof.is_kept() {
        // What was gathered is no log without the base that is being written.
        if !ending.force {
            log::warn!("Writing initial AOF, can't exit.");
            return false;
        }
        log::warn!("Writing initial AOF. Exit anyway.");
    }
    if rewrites {
        log::warn!("There is a child rewriting the AOF. Killing it!");
        aof_rewrite::kill_child(server, db);
    }
    if let Some(child) = forkless::take_child(server, db) {
        if child.purpose != Purpose::AofRewrite {
            log::warn!("There is a child saving an .rdb. Killing it!");
        }
        child.kill();
        child.wait();
        std::fs::remove_file(snapshot::temporary(&server.config, &child.tag())).ok();
    }
    if server.persist.aof.is_kept() {
        log::info!("Calling fsync() on the AOF file.");
        super::aof_write::finish(server);
    }
    let loading = server.modes.has(ServerModes::LOADING);
    let save = ending.save || !server.config.save.is_empty();
    if !save || ending.no_save || loading {
        return true;
    }
    log::info!("Saving the final RDB snapshot before exiting.");
    if snapshot::save_now(server, db) {
        return true;
    }
    if ending.force {
        log::warn!("Error trying to save the DB. Exiting anyway.");
        return true;
    }
    log::warn!("Error trying to save the DB, can't exit.");
    false
}
