//! What happens by itself: [`before_wait`] each time the loop is about to wait, [`tick`] `hz` times a second.
//!
//! The steps stand in an order with reasons; add one where its reason holds.

use super::cluster::{act, moves, reassigned};
use super::execution::{changes, settle};
use super::modes::ServerModes;
use super::persistence::{children, forkless, progress};
use super::{Server, shutdown};
use crate::client::{Client, Modes};
use crate::db::Databases;
use crate::net::ClientKey;
use crate::util::alloc;

/// The share of time a slow expiry cycle may take, in per cent, and what each step of effort adds.
const EXPIRE_TIME_PERCENT: u64 = 25;
const EXPIRE_TIME_PERCENT_PER_EFFORT: u64 = 2;
/// How long a fast expiry cycle may take, in microseconds, and what each step of effort adds.
const FAST_EXPIRE_US: u64 = 1000;
const FAST_EXPIRE_US_PER_EFFORT: u64 = 250;
/// The most ticks per second.
const HZ_MAX: u32 = 500;
/// Clients that a tick may look after before there are to be more ticks.
const CLIENTS_PER_TICK: u32 = 200;
/// Milliseconds between two samples of the rates.
const SAMPLE_EVERY_MS: i64 = 100;
/// An input buffer unused for this long is given back, in milliseconds.
const INPUT_IDLE_MS: i64 = 2000;
/// How long a TLS handshake may take, in milliseconds: long enough for thousands of clients that come at once.
const HANDSHAKE_MS: i64 = 30_000;
/// Input buffers up to this size are not worth shrinking, in bytes.
const INPUT_KEPT_BYTES: usize = 32 * 1024;

/// Less memory than this is not worth giving back, in bytes.
const GIVEN_BACK_BYTES_MIN: usize = 16 << 20;

/// When the cron is due, in Unix milliseconds: never later than a period from now, even if the clock was set back.
pub fn next_ms(server: &Server) -> i64 {
    server.cron.next_ms.min(server.clock.unix_ms() + period_ms(server))
}

fn period_ms(server: &Server) -> i64 {
    1000 / i64::from(hz(server))
}

/// Ticks per second: `hz`, with `dynamic-hz` doubled until a tick need not look after too many clients at once.
pub fn hz(server: &Server) -> u32 {
    let mut hz = server.config.hz.max(1);
    while server.config.dynamic_hz && hz < HZ_MAX && server.clients.len() > (hz * CLIENTS_PER_TICK) as usize {
        hz = (hz * 2).min(HZ_MAX);
    }
    hz
}

/// Steps before the loop waits for sockets.
pub fn before_wait(server: &mut Server, db: &mut Databases) {
    server.current = None;
    server.clock.tick();
    server.clock.advance_wall();
    if !server.cron.paused {
        shutdown::step(server, db);
    }
    // Deadlines first: a client that gives up now must not be served by a key that turns ready below.
    server.serve_due(db);
    end_pause(server, db);
    // Stale keys are freed while nobody waits for an answer longer than this takes.
    if server.cron.stale {
        fast_expire(server, db);
    }
    // Eviction that ran out of time while a command waited goes on now that none does.
    if server.evicting {
        super::evict::make_room(server, db);
    }
    // What other nodes said may end keys and subscriptions. Clients whose slots have gone are told before they are served
    // by anything else.
    if server.modes.has(ServerModes::CLUSTER) {
        act::settle(server, db);
    }
    // Time that no command waits for goes into a snapshot, and what commands had to copy for it is handed on.
    if server.persist.feed.is_some() {
        forkless::step(server, db);
    }
    // Whatever the steps above changed is told before the outputs are sent.
    if server.observers.any() {
        changes::apply_keyspace_notes(server, db);
        settle::run_pending_effects(server, db, None);
    } else {
        db.forget_notes();
    }
    // Slots change hands when nothing is left to be told of them.
    if server.modes.has(ServerModes::CLUSTER) {
        moves::step(server, db);
    }
}

/// The periodic steps, when they are due.
pub fn tick(server: &mut Server, db: &mut Databases) {
    let now = server.clock.unix_ms();
    let period_ms = period_ms(server);
    // Far ahead is what was near before the clock was set back.
    if (1..=period_ms).contains(&(server.cron.next_ms - now)) {
        return;
    }
    server.cron.next_ms = now + period_ms;
    if server.cron.paused {
        return;
    }
    let started = server.clock.tick();
    server.clock.calibrate();
    server.command_log.cpu.read(server.stats.busy_us(&server.clock, server.clock.now()));
    db.begin_command(0, now);
    let used = alloc::used_memory();
    if used > server.stats.peak_memory {
        (server.stats.peak_memory, server.stats.peak_memory_ms) = (used, now);
    }
    give_back(&mut server.cron.high_water, used);
    if !(0..SAMPLE_EVERY_MS).contains(&(now - server.cron.last_sample_ms)) {
        server.cron.last_sample_ms = now;
        server.stats.sample_rates(now);
        server.clients.shrink();
        server.stop_hotkeys_when_due();
    }
    if server.modes.has(ServerModes::TRACKING_FULL) {
        super::clients::tracking::make_room(server);
    }
    slow_expire(server, db);
    if !server.modes.has(ServerModes::LOADING) {
        children::tick(server, db);
    }
    progress::tick(server);
    server.links.close_unused();
    super::web::connections::close_overdue(server);
    super::web::watch::tick(server, db);
    super::replication::cron::tick(server, db);
    reassigned::send_waiting_on(server);
    visit_clients(server, now);
    let ended = server.clock.tick();
    server.stats.parts.cron_us += server.clock.micros_between(started, ended);
}

/// Has the allocator give memory back that much less is used of than before: what another thread has freed it would
/// keep for this one.
fn give_back(high_water: &mut usize, used: usize) {
    *high_water = used.max(*high_water);
    if *high_water - used > (*high_water / 4).max(GIVEN_BACK_BYTES_MIN) {
        alloc::purge();
        *high_water = used;
    }
}

/// A pause means that the data stands still, a replica leaves it to its primary, and what is being loaded is not there
/// yet.
fn may_expire(server: &Server) -> bool {
    server.active_expire && !server.keeps_expired() && !server.modes.has(ServerModes::LOADING)
}

fn slow_expire(server: &mut Server, db: &mut Databases) {
    if !may_expire(server) {
        return;
    }
    let effort = u64::from(server.config.active_expire_effort) - 1;
    let percent = EXPIRE_TIME_PERCENT + EXPIRE_TIME_PERCENT_PER_EFFORT * effort;
    let limit_us = percent * 1_000_000 / u64::from(hz(server)) / 100;
    expire(server, db, limit_us);
}

fn fast_expire(server: &mut Server, db: &mut Databases) {
    if !may_expire(server) {
        return;
    }
    let effort = u64::from(server.config.active_expire_effort) - 1;
    let limit_us = FAST_EXPIRE_US + FAST_EXPIRE_US_PER_EFFORT * effort;
    let now = server.clock.tick();
    let rested = server.cron.last_fast_expire.is_none_or(|last| server.clock.micros_between(last, now) >= limit_us * 2);
    if rested {
        server.cron.last_fast_expire = Some(now);
        expire(server, db, limit_us);
    }
}

fn expire(server: &mut Server, db: &mut Databases, limit_us: u64) {
    let started = server.clock.tick();
    db.begin_command(0, server.clock.unix_ms());
    let report = db.expire_cycle(server.config.active_expire_effort, || {
        let now = server.clock.tick();
        server.clock.micros_between(started, now) >= limit_us
    });
    let ended = server.clock.tick();
    server.stats.expire_cycle_us += server.clock.micros_between(started, ended);
    server.stats.expired_time_cap_reached += u64::from(report.out_of_time);
    server.cron.stale = report.out_of_time;
    let percent = report.expired as f64 * 100.0 / report.sampled.max(1) as f64;
    server.stats.expired_stale_percent = percent * 0.05 + server.stats.expired_stale_percent * 0.95;
    let elapsed_ms = server.clock.micros_between(started, ended) / 1000;
    server.latency.sample("expire-cycle", elapsed_ms, server.clock.unix_ms());
}

/// Lets the clients held by CLIENT PAUSE go on once it is over.
fn end_pause(server: &mut Server, db: &mut Databases) {
    if server.pause.end_ms().is_some_and(|end| end <= server.clock.unix_ms()) {
        server.end_pause(db);
    }
}

/// Looks after some of the clients, so that each is seen about once a second: what they take, idle ones, oversized
/// buffers.
fn visit_clients(server: &mut Server, now: i64) {
    let total = server.clients.len();
    if total == 0 {
        return;
    }
    let share = (total / hz(server) as usize).max(total.min(5));
    let from = server.cron.next_client;
    let mut visit: Vec<ClientKey> = server.clients.keys_from(from, share);
    if visit.len() < share {
        visit.extend(server.clients.keys_from(0, share - visit.len()));
    }
    server.cron.next_client = visit.last().map_or(0, |last| last + 1);
    for key in visit {
        server.clients.see(key, now);
        let Some(client) = server.clients.get_mut(key) else { continue };
        let idle_ms = now - client.active_ms;
        shrink_input(client, idle_ms);
        let timeout_ms = i64::from(server.config.timeout) * 1000;
        let spared = Modes(Modes::MONITOR.0 | Modes::PRIMARY.0 | Modes::REPLICA.0);
        let waits = client.blocked.is_some() || client.subscriptions.is_some() || client.modes.has(spared);
        if now - client.created_ms > HANDSHAKE_MS && !client.connection.socket().is_established() {
            log::info!("Closing client that has not finished its TLS handshake");
            server.clients.close_soon(key);
        } else if timeout_ms > 0 && idle_ms > timeout_ms && !waits {
            log::info!("Closing idle client");
            server.clients.close_soon(key);
        } else {
            super::clients::messages::check_output_limit(server, key);
        }
        if server.modes.has(ServerModes::CLIENT_MEMORY_LIMIT) {
            super::clients::memory::count(server, key, None);
        }
    }
}

/// Gives back an input buffer that is idle, or much larger than what came lately.
fn shrink_input(client: &mut Client, idle_ms: i64) {
    let peak = std::mem::take(&mut client.input_peak);
    let input = &mut client.connection.input;
    let idle = idle_ms > INPUT_IDLE_MS && input.is_empty();
    let oversized = input.capacity() > INPUT_KEPT_BYTES && input.capacity() / 2 > peak.max(input.len());
    if idle || oversized {
        input.shrink_to(if idle { 0 } else { peak.max(input.len()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::testbed::Testbed;

    #[test]
    fn many_clients_are_looked_after_in_more_ticks() {
        let Testbed { mut server, .. } = Testbed::new();
        assert_eq!(hz(&server), 10);
        for _ in 0..2500 {
            let (socket, _) = mio::net::UnixStream::pair().expect("a pair of sockets");
            let connection = crate::net::connection::Connection::new(crate::net::socket::Socket::Unix(socket), None);
            let id = server.clients.next_id();
            server.clients.insert(Client::new(id, connection, 0));
        }
        assert_eq!(hz(&server), 20);
        server.config.dynamic_hz = false;
        assert_eq!(hz(&server), 10);
    }

    #[test]
    fn the_cron_goes_on_when_the_clock_is_set_back() {
        let Testbed { mut server, mut db, .. } = Testbed::new();
        let now = server.clock.unix_ms();
        server.cron.next_ms = now + 3_600_000;
        assert!(next_ms(&server) <= now + 1000);
        tick(&mut server, &mut db);
        assert!(server.cron.next_ms <= now + 1000);
        let next = server.cron.next_ms;
        tick(&mut server, &mut db);
        assert_eq!(server.cron.next_ms, next, "it is not due twice");
    }
}
