//! Slots on their way from here: their keys and changes are sent, writes are held for a moment, and the slots are
//! another node's.

use std::io;

use super::state::{ExportWork, ImportWork, WINDOW_BYTES, keys_in};
use crate::command::Error;
use crate::db::{Databases, Key};
use crate::net::ClientKey;
use crate::peers::cluster::moves::export::{Export, Limits, Step};
use crate::peers::cluster::moves::{Operation, Task, TaskState};
use crate::peers::cluster::{NodeId, SlotSet};
use crate::persist::aof::rewrite;
use crate::persist::rdb;
use crate::resp::request::OwnedRequest;
use crate::server::clients::messages;
use crate::server::cluster::event;
use crate::server::pause::WritePauseReason;
use crate::server::{Server, propagate};

/// How long keys are sent in one turn, in microseconds.
const SLICE_US: u64 = 1000;

/// How a task ends.
enum End {
    Completed,
    Failed(String),
    Canceled(String),
}

fn limits(server: &Server) -> Limits {
    let config = &server.config;
    let ms = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Limits {
        lag_bytes_max: config.slots_handoff_lag_bytes_max,
        pause_ms_max: ms(config.slots_write_pause_ms_max),
        drain_ms_max: ms(config.slots_drain_ms_max),
        held_otherwise: server.pause.holders.iter().any(|holder| *holder != WritePauseReason::SlotHandoff),
        silence_ms_max: i64::from(config.repl_timeout) * 1000,
    }
}

/// A node asks for slots on a client's connection, which is the stream's from now on; how many keys they have.
///
/// # Errors
/// Why it does not get them.
pub fn begin(
    server: &mut Server,
    db: &mut Databases,
    client: ClientKey,
    id: &str,
    dest: NodeId,
    slots: SlotSet,
) -> Result<u64, Error> {
    const NOT_READY: Error = Error::fixed("NOTREADY another slot migration task is in progress");
    const NOT_MINE: Error = Error::fixed("ERR slots are not owned by this node or not in a STABLE state");
    const UNKNOWN: Error = Error::fixed("ERR the destination is no primary that this node knows");
    let Some(cluster) = server.cluster.as_deref() else { return Err(NOT_MINE) };
    let is_primary = |id: &NodeId| cluster.find(id.as_bytes()).is_some_and(|(_, node)| node.is_primary());
    if !is_primary(&dest) || dest == cluster.myself().id {
        return Err(UNKNOWN);
    }
    if slots.is_empty() || !cluster.can_give(&slots) {
        return Err(NOT_MINE);
    }
    let source = cluster.myself().id;
    // A destination that begins anew has given up what it had begun; whether it has what it was granted is open.
    match server.moves.export.take_if(|work| work.rules.task.dest == dest && !work.rules.has_granted()) {
        Some(former) => finish(server, db, *former, End::Failed("The destination begins anew".to_owned())),
        None if server.moves.export.is_some() => return Err(NOT_READY),
        None => {}
    }
    let now_ms = server.clock.unix_ms();
    let task = Task::new(id.to_owned(), slots, (source, dest), Operation::Migrate, now_ms);
    let keys = keys_in(db, &task.slots);
    log::info!(
        "Migrate task {id} started for slots: {} (number of keys at start: {keys}), dest={dest}",
        task.slots_text()
    );
    let rules = Export::new(task, keys, now_ms);
    server.moves.export =
        Some(Box::new(ExportWork { rules, client: Some(client), pending: Vec::new(), ready: None, broken: None }));
    server.clients.at_mut(client).exports_slots = true;
    propagate::update_propagate_observer(server);
    Ok(keys)
}

/// The destination is so far.
pub fn acked(server: &mut Server, key: ClientKey, offset: u64) {
    let now_ms = server.clock.unix_ms();
    if let Some(work) = server.moves.export_of(key) {
        work.rules.acked(offset, now_ms);
    }
}

/// The destination has everything, and knows of an epoch.
pub fn ready(server: &mut Server, key: ClientKey, offset: u64, epoch: u64) {
    if let Some(work) = server.moves.export_of(key) {
        work.ready = Some((offset, epoch));
    }
}

/// The destination, which was told to take the slots, does not.
pub fn declined(server: &mut Server, key: ClientKey) {
    if let Some(work) = server.moves.export_of(key)
        && work.rules.declined()
    {
        work.broken = Some("The destination declines");
    }
}

/// Whether this node has to take slots itself before it gives some away: of two nodes that are about to exchange slots
/// one goes first.
fn takes_first(server: &Server, dest: &NodeId) -> bool {
    let takes = |work: &ImportWork| work.rules.task.state == TaskState::Takeover;
    let goes_first = server.cluster.as_ref().is_some_and(|cluster| cluster.myself().id < *dest);
    goes_first && server.moves.import.as_ref().is_some_and(|work| takes(work))
}

/// Answers a destination that is ready.
fn answer_ready(server: &Server, work: &mut ExportWork, limits: &Limits, now_ms: i64) {
    if work.ready.is_none() || takes_first(server, &work.rules.task.dest) {
        return;
    }
    let Some((offset, epoch)) = work.ready.take() else { return };
    let own_epoch = server.cluster.as_ref().map_or(0, |cluster| cluster.current_epoch());
    match work.rules.ready(offset, epoch, limits, now_ms) {
        Ok(()) => {
            let task = &work.rules.task;
            log::info!("Migrate task {} hands over slots: {}", task.id, task.slots_text());
            work.say(&["CLUSTER", "SYNCSLOTS", "TAKEOVER", &own_epoch.to_string()], now_ms);
        }
        Err(why) => work.broken = Some(why),
    }
}

/// The destination has taken the slots under an epoch.
pub fn taken(server: &mut Server, key: ClientKey, epoch: u64) {
    let Some(work) = server.moves.export_of(key).filter(|work| work.rules.has_granted()) else { return };
    let (dest, slots) = (work.rules.task.dest, work.rules.task.slots.clone());
    event::with(server, |cluster, _| {
        if let Some((dest, _)) = cluster.find(dest.as_bytes()) {
            cluster.hear_taken(dest, epoch, &slots);
        }
    });
}

/// Goes on with the task.
pub fn step(server: &mut Server, db: &mut Databases) {
    let Some(mut work) = server.moves.export.take() else { return };
    match advance(server, db, &mut work) {
        Ok(()) => server.moves.export = Some(work),
        Err(end) => finish(server, db, *work, end),
    }
}

fn advance(server: &mut Server, db: &mut Databases, work: &mut ExportWork) -> Result<(), End> {
    look(server, work)?;
    send_keys(server, db, work);
    let (limits, now_ms) = (limits(server), server.clock.unix_ms());
    answer_ready(server, work, &limits, now_ms);
    while let Some(step) = work.rules.settle(&limits, now_ms) {
        let id = &work.rules.task.id;
        match step {
            Step::EndSnapshot => {
                log::info!("Migrate task {id} has sent all keys, changes follow");
                work.say(&["CLUSTER", "SYNCSLOTS", "SNAPSHOT-EOF"], now_ms);
            }
            Step::Hold { lease_ms } => {
                log::info!("Migrate task {id} preparing to handoff for slots: {}", work.rules.task.slots_text());
                server.hold_writes(db, WritePauseReason::SlotHandoff);
                work.say(&["CLUSTER", "SYNCSLOTS", "STREAM-EOF", &lease_ms.to_string()], now_ms);
            }
            Step::SignOfLife => work.say(&["PING"], now_ms),
            Step::GiveUp(why) => return Err(End::Failed(why.to_owned())),
        }
    }
    let Some(key) = work.client.filter(|_| !work.pending.is_empty()) else { return Ok(()) };
    if let Some(client) = server.clients.get_mut(key) {
        client.output.raw(&work.pending);
        work.pending.clear();
        work.pending.shrink_to(WINDOW_BYTES);
        server.clients.flush_later(key);
        messages::check_output_limit(server, key);
    }
    Ok(())
}

/// Looks whether the task has come to its end, or cannot go on.
fn look(server: &Server, work: &ExportWork) -> Result<(), End> {
    let Some(cluster) = server.cluster.as_deref() else { return Ok(()) };
    let task = &work.rules.task;
    let dest = cluster.find(task.dest.as_bytes()).map(|(key, _)| key);
    if dest.is_some() && task.slots.iter().all(|slot| cluster.owner(slot) == dest) {
        return Err(End::Completed);
    }
    let failed = |why: &str| Err(End::Failed(why.to_owned()));
    match work.broken {
        Some(why) => failed(why),
        None if server.moves.flushed => failed("All keys were deleted"),
        None if !cluster.can_give(&task.slots) => {
            failed("The slots are not this node's any more, or not in a STABLE state")
        }
        None if dest.is_none() => failed("The destination was forgotten"),
        None if work.client.is_none() && !work.rules.has_granted() => failed("The destination is disconnected"),
        None => Ok(()),
    }
}

/// Sends keys for a while.
fn send_keys(server: &mut Server, db: &mut Databases, work: &mut ExportWork) {
    if !work.rules.has_keys_left() {
        return;
    }
    let (started, now_ms) = (server.clock.tick(), server.clock.unix_ms());
    let compress = server.config.rdbcompression.is_on();
    let delay_us = server.config.rdb_key_save_delay_us;
    while work.has_work(&server.clients) {
        let before = work.pending.len();
        let keys = send_some(db, work, compress, now_ms);
        work.rules.task.keys_done += keys;
        work.rules.added(work.pending.len() - before, now_ms);
        if keys > 0 {
            rdb::rest(delay_us, work.rules.task.keys_done);
        }
        let now = server.clock.tick();
        if server.clock.micros_between(started, now) >= SLICE_US {
            break;
        }
    }
}

/// Sends some keys of the slot whose turn it is; how many.
fn send_some(db: &Databases, work: &mut ExportWork, compress: bool, now_ms: i64) -> u64 {
    let ExportWork { rules, pending, .. } = work;
    let Some(walk) = rules.walk() else { return 0 };
    let dict = &db.database(0).dict;
    let write = |entry: crate::db::EntryView<'_>, out: &mut Vec<u8>| -> io::Result<()> {
        rewrite::write_key(entry, dict.blessed().contains_key(entry.key()), compress, out)
    };
    let mut keys = 0;
    if dict.len_of_slot(walk.slot.into()) > 0 {
        let from = walk.cursor.unwrap_or(walk.slot.into());
        let next = dict.scan(from, Some(walk.slot), |entry| {
            keys += 1;
            if !entry.is_due(now_ms) {
                // Writing to memory does not fail.
                write(entry, pending).ok();
            }
        });
        walk.cursor = Some(next);
        if next != 0 {
            return keys;
        }
    }
    for key in rules.end_walk() {
        let entry = dict.find(Key::new(&key).hash(), &key).filter(|entry| !entry.is_due(now_ms));
        match entry {
            Some(entry) => _ = write(entry, pending).ok(),
            None => OwnedRequest::of(&[b"UNLINK", &key[..]]).view().encode(pending),
        }
    }
    keys
}

/// Ends a task that is not wanted any more.
pub fn cancel(server: &mut Server, db: &mut Databases, work: ExportWork, why: &str) {
    finish(server, db, work, End::Canceled(why.to_owned()));
}

fn finish(server: &mut Server, db: &mut Databases, work: ExportWork, end: End) {
    let (granted, epoch) = (work.rules.has_granted(), work.rules.dest_epoch());
    let mut task = work.rules.task;
    let (id, slots) = (task.id.clone(), task.slots_text());
    match &end {
        End::Completed => {
            task.state = TaskState::Completed;
            log::info!("Migrate task {id} completed for slots: {slots} (migrated {} keys)", task.keys_done);
        }
        End::Failed(why) | End::Canceled(why) => {
            task.fail(why);
            log::warn!("Migrate task {id} failed: slots={slots}, err={}", task.last_error);
            if granted {
                event::with(server, |cluster, _| cluster.outrun(epoch));
            }
        }
    }
    if matches!(end, End::Canceled(_)) {
        task.state = TaskState::Canceled;
    }
    if let Some(key) = work.client
        && let Some(client) = server.clients.get_mut(key)
    {
        client.exports_slots = false;
        server.clients.close_soon(key);
    }
    if task.paused_ms.is_some() {
        server.release_writes(db, WritePauseReason::SlotHandoff);
    }
    task.ended_ms = Some(server.clock.unix_ms());
    server.moves.archive(task, server.config.slots_archived_tasks_max);
    propagate::update_propagate_observer(server);
}
