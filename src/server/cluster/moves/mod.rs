//! Atomic slot migration at work: the connection between source and destination, keys and changes on it, and what
//! follows for writers, replicas and keys. The rules are those of [`crate::peers::cluster::moves`].

pub mod export;
pub mod import;
pub mod state;
pub mod strays;

use crate::db::Databases;
use crate::peers::cluster::moves::Task;
use crate::server::Server;

/// Goes on with what is under way, before the loop waits; after all else, so that nothing is left to be propagated.
pub fn step(server: &mut Server, db: &mut Databases) {
    export::step(server, db);
    import::step(server, db);
    strays::step(server, db);
    server.moves.flushed = false;
}

/// Whether there is something to go on with at once.
pub fn has_work(server: &Server) -> bool {
    let import = server.moves.import.as_ref().is_some_and(|work| work.has_work());
    let export = server.moves.export.as_ref().is_some_and(|work| work.has_work(&server.clients));
    import || export || strays::has_work(server)
}

/// Ends the task of an id, or all; how many that were.
pub fn cancel(server: &mut Server, db: &mut Databases, id: Option<&[u8]>, why: &str) -> usize {
    let is_meant = |task: &Task| id.is_none_or(|id| task.id.as_bytes() == id);
    let import = server.moves.import.take_if(|work| is_meant(&work.rules.task));
    let export = server.moves.export.take_if(|work| is_meant(&work.rules.task));
    let count = usize::from(import.is_some()) + usize::from(export.is_some());
    let why = format!("Cancelled due to {why}");
    if let Some(work) = import {
        import::cancel(server, db, work, &why);
    }
    if let Some(work) = export {
        export::cancel(server, db, *work, &why);
    }
    count
}
