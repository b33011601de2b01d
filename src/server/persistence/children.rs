//! Child processes looked after: when one is begun, and what follows from its end.

use super::{aof_rewrite, backup, forkless, snapshot};
use crate::db::Databases;
use crate::persist::child::Child;
use crate::persist::fork::{Ended, Purpose};
use crate::server::Server;
use crate::server::replication::{sync, transfer};
use crate::util::clock::unix_seconds;

/// Looks after the child, and begins to save when a rule says so or it was scheduled.
pub fn tick(server: &mut Server, db: &mut Databases) {
    backup::tick(server, db);
    aof_rewrite::begin_if_scheduled(server, db);
    if let Some(child) = &mut server.persist.child {
        child.hear();
        let Some(ended) = child.poll() else { return };
        child.hear();
        let child = forkless::take_child(server, db);
        let copied = child.as_ref().and_then(|child| child.latest).map_or(0, |(report, _)| report.copied);
        match child {
            Some(child) if child.purpose == Purpose::Rdb => {
                server.persist.snapshots.last_copied = copied;
                child_ended(server, db, &child, ended);
            }
            Some(child) if child.purpose == Purpose::Sync => {
                server.persist.snapshots.last_copied = copied;
                transfer::child_ended(server, ended);
            }
            Some(child) => {
                server.persist.aof.rewrites.last_copied = copied;
                let taken = aof_rewrite::child_ended(server, &child, ended);
                backup::rewrite_ended(server, db, taken);
            }
            None => {}
        }
        return;
    }
    let now = unix_seconds();
    let snapshots = &server.persist.snapshots;
    let may_try = snapshots.last_ok || now - snapshots.last_try > RETRY_AFTER;
    if snapshots.scheduled && may_try {
        let method = snapshots.scheduled_method;
        if snapshot::begin(server, db, method) {
            server.persist.snapshots.scheduled = false;
            server.persist.snapshots.scheduled_method = None;
        }
        return;
    }
    let since = now - snapshots.last_save;
    let due = server.config.save.iter().find(|rule| db.dirty as i64 >= rule.changes && since > rule.seconds);
    if let Some(rule) = due.filter(|_| may_try) {
        log::info!("{} changes in {} seconds. Saving...", rule.changes, rule.seconds);
        snapshot::begin(server, db, None);
    }
    aof_rewrite::begin_if_grown(server, db);
}

fn child_ended(server: &mut Server, db: &mut Databases, child: &Child, ended: Ended) {
    let snapshots = &mut server.persist.snapshots;
    snapshots.last_method = Some(child.method());
    snapshots.last_seconds = Some(child.started.elapsed().as_secs() as i64);
    match ended.signal {
        None if ended.well() => {
            log::info!("Background saving terminated with success");
            db.dirty = db.dirty.saturating_sub(snapshots.dirty_before);
            snapshots.last_save = unix_seconds();
            snapshots.last_ok = true;
        }
        None => {
            log::warn!("Background saving error");
            snapshots.last_ok = false;
        }
        Some(signal) => {
            log::warn!("Background saving terminated by signal {signal}");
            std::fs::remove_file(snapshot::temporary(&server.config, &child.tag())).ok();
            snapshots.last_ok &= ended.was_killed();
        }
    }
    server.note_disk_error();
    sync::file_is_saved(server, ended.well());
}

/// Seconds after which a save that failed is tried again.
const RETRY_AFTER: i64 = 5;
