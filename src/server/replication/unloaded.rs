//! Snapshots that replicas may be too old for: what becomes of those that do not load them is told in the log, and they
//! are not given the same again and again. See [`crate::peers::repl::failed_loads`].

use super::channels;
use super::roster::{name, replica_mut};
use crate::command::Error;
use crate::command::error::CmdResult;
use crate::db::Databases;
use crate::net::ClientKey;
use crate::persist::rdb::save;
use crate::persist::rdb::version::Version;
use crate::server::Server;

/// A replica has been sent a snapshot of a version; it is known to be loaded when the replica says how far it is.
pub fn note_sent(server: &mut Server, key: ClientKey, version: Option<Version>) {
    let Some(replica) = replica_mut(server, key) else { return };
    // Who has told what it reads was given that, and who wants no more than a snapshot does not load it.
    let follows = replica.is_second() || !replica.snapshot_only;
    if !follows || replica.is_old || replica.filter.version.is_some() {
        return;
    }
    let is_second = replica.is_second();
    let main = channels::other(server, key).filter(|_| is_second).unwrap_or(key);
    if let Some(replica) = replica_mut(server, main) {
        replica.unloaded = version.filter(|version| version.is_later_than_lowest());
    }
}

/// A connection of a replica is about to go. If that has not loaded the snapshot that it was sent, or is being sent, it
/// has failed to; who has been sent it over a connection of its own does not need that any more, as long as the other
/// one is there.
pub fn note_failed(server: &mut Server, key: ClientKey, is_sent: bool) {
    let transfer = server.repl.transfer.as_ref().filter(|transfer| transfer.to.contains(&key));
    if let Some(version) = transfer.and_then(|transfer| transfer.version) {
        note_sent(server, key, Some(version));
    }
    let other = channels::other(server, key);
    if is_sent && other.is_some() && replica_mut(server, key).is_some_and(|replica| replica.is_second()) {
        return;
    }
    let connections = [Some(key), other];
    let unloaded = connections.into_iter().flatten().find_map(|key| replica_mut(server, key)?.unloaded.take());
    let Some(version) = unloaded else { return };
    let (who, now) = (name(server, key), server.clock.unix_ms());
    log::warn!(
        "Replica {who} left without having loaded its snapshot, which has to be {version} to hold the data: a server \
         that is older cannot load it."
    );
    server.repl.failed_loads.note(who, version, now);
}

/// Refuses one more snapshot to a replica that has just failed with such a one, unless it would be another by now.
///
/// # Errors
/// If that is so.
pub fn refuse_for_now(server: &Server, db: &Databases, key: ClientKey) -> CmdResult {
    let who = name(server, key);
    let Some(version) = server.repl.failed_loads.refused(&who, server.clock.unix_ms()) else { return Ok(()) };
    // What is known of the snapshot is its magic, which our own form shares with that of Redis.
    if save::lowest_of(db, save::KEYS_ASKED_MAX).magic() != version.magic() {
        return Ok(());
    }
    log::info!("Replica {who} is given a snapshot of {version} once a minute: it has failed to load it.");
    Err(Error::text(format!(
        "NOMASTERLINK Can't SYNC: a snapshot of {version} is given once a minute, you have failed to load it"
    )))
}
