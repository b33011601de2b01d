//! FAILOVER: a primary hands its place to one of its replicas and follows it.
//!
//! Writes are held until the replica has everything ([`Phase::Waiting`]); then the primary connects to it as a replica,
//! with a request that makes it the primary ([`Phase::UnderWay`]). If that does not come about in time the primary
//! stays what it was, unless it is told to try all the same.

use super::{role, roster};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::{Args, Error};
use crate::config::ReplicaOf;
use crate::db::Databases;
use crate::peers::repl::failover::{Failover, Phase};
use crate::server::Server;
use crate::server::execution::Ctx;
use crate::server::pause::WritePauseReason;

/// FAILOVER.
pub fn command(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if cx.server.config.cluster_enabled {
        return Err(Error::fixed("ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead."));
    }
    if args.len() == 2 && args.is(1, "abort") {
        if !cx.server.repl.failover.is_on() {
            return Err(Error::fixed("ERR No failover in progress."));
        }
        abort(cx.server, cx.db, "Failover manually aborted");
        cx.reply.ok();
        return Ok(());
    }
    let (timeout_ms, target, force) = options(args)?;
    let server = &mut *cx.server;
    if server.repl.failover.is_on() {
        return Err(Error::fixed("ERR FAILOVER already in progress."));
    }
    if server.is_replica() {
        return Err(Error::fixed("ERR FAILOVER is not valid when server is a replica."));
    }
    if server.repl.replicas.is_empty() {
        return Err(Error::fixed("ERR FAILOVER requires connected replicas."));
    }
    if force && (timeout_ms.is_none() || target.is_none()) {
        return Err(Error::fixed("ERR FAILOVER with force option requires both a timeout and target HOST and IP."));
    }
    match &target {
        Some(target) => {
            let online = find(server, target).map(|(_, online)| online);
            if !online.ok_or(Error::fixed("ERR FAILOVER target HOST and PORT is not a replica."))? {
                return Err(Error::fixed("ERR FAILOVER target replica is not online."));
            }
            log::info!("FAILOVER requested to {}:{}.", target.host, target.port);
        }
        None => log::info!("FAILOVER requested to any replica."),
    }
    let end_ms = timeout_ms.map(|timeout| server.clock.unix_ms().saturating_add(timeout));
    server.repl.failover = Failover { phase: Phase::Waiting, target, end_ms, force };
    server.hold_writes(cx.db, WritePauseReason::Failover);
    cx.reply.ok();
    Ok(())
}

type Options = (Option<i64>, Option<ReplicaOf>, bool);

fn options(args: &Args<'_>) -> Result<Options, Error> {
    let (mut timeout_ms, mut target, mut force) = (None, None, false);
    let mut index = 1;
    while index < args.len() {
        let more = args.len() - index - 1;
        if args.is(index, "timeout") && more >= 1 && timeout_ms.is_none() {
            let timeout = args.integer(index + 1)?;
            if timeout <= 0 {
                return Err(Error::fixed("ERR FAILOVER timeout must be greater than 0"));
            }
            timeout_ms = Some(timeout);
            index += 2;
        } else if args.is(index, "to") && more >= 2 && target.is_none() {
            let port = u16::try_from(args.integer(index + 2)?).unwrap_or(0);
            target = Some(ReplicaOf { host: String::from_utf8_lossy(args.get(index + 1)).into_owned(), port });
            index += 3;
        } else if args.is(index, "force") && !force {
            force = true;
            index += 1;
        } else {
            return Err(SYNTAX);
        }
    }
    Ok((timeout_ms, target, force))
}

/// How far a replica has acknowledged, and whether it is online.
fn find(server: &Server, target: &ReplicaOf) -> Option<(i64, bool)> {
    let is_target = |key| {
        let (ip, port) = roster::address(server, key);
        ip.eq_ignore_ascii_case(&target.host) && port == target.port
    };
    let found = roster::followers(server).find(|(key, _)| is_target(*key));
    found.map(|(_, replica)| (replica.acked, replica.is_online()))
}

/// Looks whether the replica has caught up, or time is up.
pub fn tick(server: &mut Server, db: &mut Databases) {
    if server.repl.failover.phase != Phase::Waiting {
        return;
    }
    let now = server.clock.unix_ms();
    if server.repl.failover.end_ms.is_some_and(|end| end <= now) {
        return match server.repl.failover.target.clone().filter(|_| server.repl.failover.force) {
            Some(target) => {
                log::info!("FAILOVER to {}:{} time out exceeded, failing over.", target.host, target.port);
                give_place(server, db, target);
            }
            None => abort(server, db, "Replica never caught up before timeout"),
        };
    }
    let offset = server.repl.history.offset;
    let caught_up = match &server.repl.failover.target {
        Some(target) => find(server, target).filter(|(acked, _)| *acked == offset).map(|_| target.clone()),
        None => roster::followers(server).find(|(_, replica)| replica.acked == offset).map(|(key, _)| {
            let (host, port) = roster::address(server, key);
            ReplicaOf { host, port }
        }),
    };
    if let Some(target) = caught_up {
        log::info!("Failover target {}:{} is synced, failing over.", target.host, target.port);
        give_place(server, db, target);
    }
}

fn give_place(server: &mut Server, db: &mut Databases, target: ReplicaOf) {
    server.repl.failover.phase = Phase::UnderWay;
    server.repl.failover.target = Some(target.clone());
    role::become_replica(server, db, target);
}

/// The other one has accepted.
pub fn finish(server: &mut Server, db: &mut Databases) {
    server.repl.failover = Failover::default();
    server.release_writes(db, WritePauseReason::Failover);
}

fn abort(server: &mut Server, db: &mut Databases, why: &str) {
    match &server.repl.failover.target {
        Some(target) => log::info!("FAILOVER to {}:{} aborted: {why}", target.host, target.port),
        None => log::info!("FAILOVER to any replica aborted: {why}"),
    }
    let under_way = server.repl.failover.is_under_way();
    // The state is cleared first: what follows must not find it.
    finish(server, db);
    if under_way {
        role::become_primary(server, db);
    }
}

/// Ends a failover whose target does not play its part.
pub fn abort_if_on_its_way(server: &mut Server, db: &mut Databases, why: &str) {
    if server.repl.failover.is_under_way() {
        abort(server, db, why);
    }
}

/// PSYNC … FAILOVER: the primary asks this replica to become the primary.
///
/// # Errors
/// When this is not its replica.
pub fn accept_takeover(cx: &mut Ctx<'_>, id: &[u8]) -> CmdResult {
    log::warn!("Failover request received for replid {}.", id.escape_ascii());
    if !cx.server.is_replica() {
        return Err(Error::fixed("ERR PSYNC FAILOVER can't be sent to a master."));
    }
    if !id.eq_ignore_ascii_case(cx.server.repl.history.id.as_bytes()) {
        return Err(Error::fixed("ERR PSYNC FAILOVER replid must match my replid."));
    }
    role::become_primary(cx.server, cx.db);
    log::info!("MASTER MODE enabled (failover request from '{}')", describe(cx));
    Ok(())
}

/// The line of the client that brought something about, for the log.
pub fn describe(cx: &Ctx<'_>) -> String {
    crate::server::clients::describe::logged(cx.server, cx.client())
}
