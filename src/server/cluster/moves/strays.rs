//! Keys in slots of others that count for nothing: what has come of an import that is not finished, and what is left of
//! slots that have gone. Nobody sees them; they are deleted a slice at a time, and replicas are told of each.

use crate::db::Databases;
use crate::peers::cluster::SlotSet;
use crate::server::execution::changes;
use crate::server::modes::ServerModes;
use crate::server::{Server, propagate};

/// How long a slice may take, in microseconds.
const SLICE_US: u64 = 1000;
/// Keys deleted between two looks at the clock.
const KEYS_PER_LOOK: usize = 16;

/// Slots whose keys are to go.
fn to_trim(server: &Server) -> SlotSet {
    server.cluster.as_deref().map(|cluster| server.moves.to_trim(cluster)).unwrap_or_default()
}

/// Whether keys may go now: in a pause the data stands still.
fn may_trim(server: &Server) -> bool {
    let stands_still = server.modes.has(ServerModes::PAUSED) || server.modes.has(ServerModes::LOADING);
    !stands_still && !server.is_replica()
}

/// Whether there are keys to go.
pub fn has_work(server: &Server) -> bool {
    let some = server.cluster.as_deref().is_some_and(|cluster| !cluster.strays().is_empty());
    some && may_trim(server) && !to_trim(server).is_empty()
}

/// Deletes keys for a while, if there are some to go.
pub fn step(server: &mut Server, db: &mut Databases) {
    sync(server, db);
    if !has_work(server) {
        end_without_strays(server);
        return;
    }
    let started = server.clock.tick();
    db.begin_command(0, server.clock.unix_ms());
    for slot in to_trim(server).iter() {
        while trim_some(server, db, slot) {
            let now = server.clock.tick();
            if server.clock.micros_between(started, now) >= SLICE_US {
                return propagate::propagate_each(server);
            }
        }
        if let Some(cluster) = &mut server.cluster {
            cluster.end_stray(slot);
        }
    }
    propagate::propagate_each(server);
    sync(server, db);
    let trim = &mut server.moves.trim;
    if trim.running {
        trim.running = false;
        trim.completed += 1;
        log::warn!("Deleted {} keys of slots that other nodes have by now", trim.trimmed);
    }
}

/// Deletes all keys of a slot that count for nothing, since keys are about to come that count.
pub fn trim_now(server: &mut Server, db: &mut Databases, slot: u16) {
    if !server.cluster.as_deref().is_some_and(|cluster| cluster.strays().has(slot)) {
        return;
    }
    if let Some(work) = server.moves.import.as_mut() {
        work.overtaken |= work.slots_coming().is_some_and(|slots| slots.has(slot));
    }
    while trim_some(server, db, slot) {}
    propagate::propagate_each(server);
    if let Some(cluster) = &mut server.cluster {
        cluster.end_stray(slot);
    }
    sync(server, db);
}

/// Deletes some keys of a slot; whether there were any.
fn trim_some(server: &mut Server, db: &mut Databases, slot: u16) -> bool {
    let dict = &db.database(0).dict;
    let keys: Vec<Box<[u8]>> =
        dict.iter_slot(slot.into()).take(KEYS_PER_LOOK).map(|entry| Box::from(entry.key())).collect();
    if keys.is_empty() {
        return false;
    }
    let trim = &mut server.moves.trim;
    if !trim.running {
        (trim.running, trim.trimmed) = (true, 0);
        trim.started += 1;
    }
    trim.trimmed += keys.len() as u64;
    keys.iter().for_each(|key| changes::delete_by_server(server, db, 0, key));
    true
}

/// The slots do not count as those of others any more: there is nothing to go.
fn end_without_strays(server: &mut Server) {
    let none = server.cluster.as_deref().is_none_or(|cluster| cluster.strays().is_empty());
    let trim = &mut server.moves.trim;
    if none && trim.running {
        trim.running = false;
        trim.cancelled += 1;
    }
}

/// Tells the databases which slots count for nothing, if these are others than before.
pub fn sync(server: &mut Server, db: &mut Databases) {
    if let Some(cluster) = &mut server.cluster
        && cluster.take_strays_changed()
    {
        db.set_stray_slots(cluster.strays().iter());
    }
}
