//! The steps of replication that are due by time.

use super::acks::send_ack;
use super::{connect, failover, primary, receive};
use crate::db::Databases;
use crate::peers::repl::link::State;
use crate::server::Server;
use crate::server::modes::ServerModes;

/// How long a tick may look for keys of its own whose time has come, in microseconds.
const OWN_EXPIRE_US: u64 = 1000;

/// Deletes keys of its own whose time has come.
fn expire_own(server: &mut Server, db: &mut Databases) {
    let Server { clock, repl, .. } = server;
    let started = clock.tick();
    repl.own_keys.expire(db, || {
        let now = clock.tick();
        clock.micros_between(started, now) >= OWN_EXPIRE_US
    });
}

/// What is done at each tick of the cron: `second` once a second.
fn replica_tick(server: &mut Server, db: &mut Databases, second: bool) {
    connect::poll_resolver(server);
    expire_own(server, db);
    let Some(primary) = server.replica_of().cloned() else { return };
    // What is there is known first.
    let starting = server.modes.has(ServerModes::LOADING) && !matches!(server.repl.link.state, State::Loading);
    if !second || starting {
        return;
    }
    let now = server.clock.unix_ms();
    let timeout_ms = i64::from(server.config.repl_timeout) * 1000;
    let silent = now - server.repl.link.heard_ms > timeout_ms;
    match &server.repl.link.state {
        State::Resolving(_) | State::Connecting | State::Talking(_) if silent => {
            log::warn!("Timeout connecting to the MASTER...");
            failover::abort_if_on_its_way(server, db, "Timeout connecting to the failover target");
            connect::drop_link(server, db, true);
        }
        State::Receiving(_) | State::Loading | State::Loaded { .. } if silent && receive::is_waiting(server) => {
            log::warn!(
                "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' \
                 parameter in redis.conf to a larger value."
            );
            connect::drop_link(server, db, true);
        }
        State::Loading => server.repl.link.main_wire().send_newline(),
        State::Idle => {
            log::info!("Connecting to MASTER {}:{}", primary.host, primary.port);
            connect::connect(server);
        }
        State::Done => {
            let key = server.repl.primary.as_ref().map(|primary| primary.client);
            let active = key.and_then(|key| server.clients.get(key)).map(|client| client.active_ms);
            match (key, active) {
                (Some(key), Some(active)) if now - active > timeout_ms => {
                    log::warn!("MASTER timeout: no data nor PING received...");
                    server.clients.close_soon(key);
                }
                _ => send_ack(server),
            }
        }
        _ => {}
    }
}

/// The steps of replication that are due.
pub fn tick(server: &mut Server, db: &mut Databases) {
    failover::tick(server, db);
    let now = server.clock.unix_ms();
    let second = !(1..=1000).contains(&(server.repl.next_cron_ms - now));
    replica_tick(server, db, second);
    if second {
        server.repl.next_cron_ms = now + 1000;
        primary::tick(server, db, server.repl.cron_loops);
        server.repl.cron_loops += 1;
    }
}
