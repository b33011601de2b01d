//! The end of the server: asked for by SHUTDOWN or a signal, and put off until replicas have everything.
//!
//! ```text
//!  signal ──> asked ──┐
//!                     ├──> waiting for replicas ──> saving ──> over
//!  SHUTDOWN ──────────┘    (writes are held)          │
//!                                └──── called off ────┴──> goes on as before
//! ```
//! Replicas are waited for until `shutdown-timeout`. The end is called off by SHUTDOWN ABORT, and when data would be
//! lost; whoever is blocked in SHUTDOWN then gets an error.

use super::Server;
use super::pause::WritePauseReason;
use super::persistence::final_save;
use super::replication::roster;
use super::state::{PendingShutdown, Shutdown, ShutdownOptions};
use crate::client::BlockedFor;
use crate::command::Error;
use crate::db::Databases;
use crate::net::ClientKey;

/// What SHUTDOWN is answered when it comes to nothing.
pub const FAILED: Error = Error::fixed("ERR Errors trying to SHUTDOWN. Check logs.");

/// What asking for the end has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This is the last turn of the event loop.
    Over,
    /// Replicas are waited for.
    Waits,
    /// The server must not end.
    Failed,
}

/// Asks for the end, with the next turn of the event loop.
pub fn request(server: &mut Server, how: ShutdownOptions) {
    server.pending_shutdown.get_or_insert(PendingShutdown { how, until_ms: None });
}

/// Begins to end, unless that has begun already; with `now` nobody is waited for.
pub fn begin(server: &mut Server, db: &mut Databases, how: ShutdownOptions, now: bool) -> Outcome {
    if server.pending_shutdown.is_some_and(|pending| pending.until_ms.is_some()) && !now {
        return Outcome::Waits;
    }
    log::warn!("User requested shutdown...");
    let timeout_ms = i64::from(server.config.shutdown_timeout) * 1000;
    if now || timeout_ms == 0 || roster::all_in_sync(server) {
        return finish(server, db, how);
    }
    log::info!("Waiting for replicas before shutting down.");
    server.hold_writes(db, WritePauseReason::Shutdown);
    server.pending_shutdown = Some(PendingShutdown { how, until_ms: Some(server.clock.unix_ms() + timeout_ms) });
    Outcome::Waits
}

/// Begins what a signal has asked for, and ends once replicas have everything or time is up.
pub fn step(server: &mut Server, db: &mut Databases) {
    let Some(pending) = server.pending_shutdown else { return };
    match pending.until_ms {
        None => _ = begin(server, db, pending.how, false),
        Some(until) if server.clock.unix_ms() >= until || roster::all_in_sync(server) => {
            finish(server, db, pending.how);
        }
        Some(_) => {}
    }
}

/// Calls the end off; false if there was none on its way.
pub fn abort(server: &mut Server, db: &mut Databases) -> bool {
    if server.pending_shutdown.is_none() {
        return false;
    }
    call_off(server, db);
    log::info!("Shutdown manually aborted.");
    true
}

/// How long replicas are still waited for, in milliseconds, if they are.
pub fn wait_left_ms(server: &Server) -> Option<i64> {
    Some(server.pending_shutdown?.until_ms? - server.clock.unix_ms())
}

fn finish(server: &mut Server, db: &mut Databases, how: ShutdownOptions) -> Outcome {
    roster::report_lag(server);
    if final_save::save_before_exit(server, db, how) {
        server.shutdown = Some(Shutdown { status: 0 });
        return Outcome::Over;
    }
    log::warn!("Errors trying to shut down the server. Check the logs for more information.");
    call_off(server, db);
    Outcome::Failed
}

fn call_off(server: &mut Server, db: &mut Databases) {
    server.pending_shutdown = None;
    server.release_writes(db, WritePauseReason::Shutdown);
    let blocked = server
        .clients
        .iter()
        .filter(|(_, client)| client.blocked.as_ref().is_some_and(|blocked| blocked.reason == BlockedFor::Shutdown));
    let keys: Vec<ClientKey> = blocked.map(|(key, _)| key).collect();
    keys.into_iter().for_each(|key| server.refuse_blocked(key, &FAILED));
}
