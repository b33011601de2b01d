//! Keys in slots of others that count for nothing: what has come of an import that is not finished, and what is left of
//! slots that have gone. Nobody sees them; they are deleted a slice at a time, and replicas are told of each.
//!
//! Replicas have to know which slots these are, too: one that is promoted goes on with it. They are told in the stream,
//! before keys come or go, by a PING with a text, which servers of any kind take for a sign of life; and in the
//! snapshot with which they begin, by a field.

use crate::db::Databases;
use crate::net::ClientKey;
use crate::peers::cluster::{SlotSet, strays_of_text};
use crate::resp::request::OwnedRequest;
use crate::server::execution::changes;
use crate::server::modes::ServerModes;
use crate::server::pause::WritePauseReason;
use crate::server::{Server, propagate};

/// How long a slice may take, in microseconds.
const SLICE_US: u64 = 1000;
/// Keys deleted between two looks at the clock.
const KEYS_PER_LOOK: usize = 16;
/// What the text of a PING to replicas begins with; ranges of slots follow.
const TOLD: &str = "cluster-strays:";
/// The field of a snapshot.
const FIELD: &str = "cluster-strays";

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
    let slots = to_trim(server);
    for slot in slots.iter() {
        while trim_some(server, db, slot) {
            let now = server.clock.tick();
            if server.clock.micros_between(started, now) >= SLICE_US {
                return propagate::propagate_each(server);
            }
        }
    }
    propagate::propagate_each(server);
    // Not each for itself: replicas are told once.
    if let Some(cluster) = &mut server.cluster {
        slots.iter().for_each(|slot| cluster.end_stray(slot));
    }
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

/// Tells the databases and replicas which slots count for nothing, if these are others than before.
pub fn sync(server: &mut Server, db: &mut Databases) {
    let Some(cluster) = &mut server.cluster else { return };
    if cluster.take_strays_changed() {
        db.set_stray_slots(cluster.strays().iter());
        server.moves.strays_untold = true;
    }
    // A replica that is to have the whole history waits for its end.
    if server.moves.strays_untold && !server.pause.holders.contains(&WritePauseReason::Failover) {
        server.moves.strays_untold = false;
        let text = format!("{TOLD}{}", cluster.strays_text());
        if server.repl.backlog.is_some() && !server.is_replica() {
            server.repl.append(&OwnedRequest::of(&["PING", &text]).view().encoded());
        }
    }
}

/// What a snapshot tells replicas.
pub fn aux(server: &Server) -> Option<(&'static str, String)> {
    let cluster = server.cluster.as_deref().filter(|cluster| !cluster.strays().is_empty())?;
    Some((FIELD, cluster.strays_text()))
}

/// A snapshot of the primary was loaded that has these fields.
pub fn hear_aux(server: &mut Server, aux: &[(String, Vec<u8>)]) {
    let told = aux.iter().find(|(name, _)| name == FIELD).map_or(&b""[..], |(_, text)| text);
    hear_text(server, told);
}

/// Somebody has sent a PING with a text: it may be what a primary tells its replicas.
pub fn hear_ping(server: &mut Server, sender: ClientKey, text: &[u8]) {
    let is_primary = |server: &Server| server.repl.primary.as_ref().is_some_and(|primary| primary.client == sender);
    if let Some(told) = text.strip_prefix(TOLD.as_bytes()).filter(|_| is_primary(server)) {
        hear_text(server, told);
    }
}

fn hear_text(server: &mut Server, text: &[u8]) {
    let Some(cluster) = &mut server.cluster else { return };
    let slots = str::from_utf8(text).map_err(|error| error.to_string()).and_then(strays_of_text);
    match slots {
        Ok(slots) => cluster.follow_strays(slots),
        Err(why) => log::warn!("The primary tells of slots on their way in vain: {why}"),
    }
}
