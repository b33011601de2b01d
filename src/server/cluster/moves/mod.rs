//! Atomic slot migration at work: the connection between source and destination, keys and changes on it, and what
//! follows for writers, replicas and keys. The rules are those of [`crate::peers::cluster::moves`].

pub mod export;
pub mod import;
pub mod strays;

use std::collections::VecDeque;

use crate::db::Databases;
use crate::peers::cluster::SlotSet;
use crate::peers::cluster::moves::Task;
use crate::server::Server;

/// Slots on their way from here and to here; one task of each kind at a time.
#[derive(Debug, Default)]
pub struct Moves {
    pub import: Option<Box<import::AtWork>>,
    pub export: Option<Box<export::AtWork>>,
    /// Tasks that have ended, the latest first.
    pub ended: VecDeque<Task>,
    /// Keys that count for nothing, on their way out.
    pub trim: strays::Trim,
    /// The most that has come at a time and was not worked off yet, in bytes.
    pub input_peak: usize,
    /// All keys were deleted: what was said about them does not hold.
    pub flushed: bool,
}

impl Moves {
    /// How many tasks have not ended.
    pub fn active(&self) -> usize {
        usize::from(self.import.is_some()) + usize::from(self.export.is_some())
    }

    /// All tasks, those that have not ended first.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        let import = self.import.iter().map(|work| &work.rules.task);
        let export = self.export.iter().map(|work| &work.rules.task);
        import.chain(export).chain(&self.ended)
    }

    fn archive(&mut self, task: Task, most: u32) {
        self.ended.push_front(task);
        self.ended.truncate(most as usize);
    }
}

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
    let export = server.moves.export.as_ref().is_some_and(|work| work.has_work(server));
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

/// Keys of some slots.
fn keys_in(db: &Databases, slots: &SlotSet) -> u64 {
    slots.iter().map(|slot| db.database(0).dict.len_of_slot(slot.into()) as u64).sum()
}
