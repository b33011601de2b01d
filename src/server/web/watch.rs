//! What is watched while `metrics-port` is open: the last hour, latency, hot and big keys.
//!
//! All of it takes less than a megabyte, and some tens of microseconds a second.

use super::big::BigKeys;
use super::connections;
use super::history::Reading;
use super::state::{Wanted, Watch};
use crate::db::Databases;
use crate::server::Server;
use crate::util::alloc;
use crate::util::platform::{self, CpuOf};

/// How long a tick of the cron may search for big keys, in microseconds.
const SEARCH_US: u64 = 250;
/// Steps of the search between two looks at the clock.
const SEARCH_STEPS: u32 = 16;

/// Begins or ends watching, as the directives say. Connections end with it.
pub fn config_changed(server: &mut Server) {
    let (wanted, now_ms) = (server.config.metrics_port != 0, server.clock.unix_ms());
    if !wanted {
        connections::close_all(server);
    }
    let web = &mut server.web;
    web.config_version += 1;
    match (wanted, web.watch.is_some()) {
        (true, false) => {
            let mut watch = Box::new(Watch::new(now_ms));
            web.sample_in = watch.hot.next_in();
            web.watch = Some(watch);
        }
        (false, true) => {
            web.watch = None;
            web.sample_in = i64::MAX;
            web.wanted.clear();
            web.tells = false;
        }
        (true, true) | (false, false) => {}
    }
    if let Some(watch) = &mut web.watch
        && !server.config.bigkeys_scan
    {
        watch.big = BigKeys::default();
    }
}

/// Looks on, with each tick of the cron.
pub fn tick(server: &mut Server, db: &mut Databases) {
    let Some(mut watch) = server.web.watch.take() else { return };
    let now_ms = server.clock.unix_ms();
    if server.config.bigkeys_scan {
        search(server, db, &mut watch);
    }
    if watch.last_s != now_ms / 1000 {
        watch.last_s = now_ms / 1000;
        watch.history.take(reading(server, db), now_ms);
        watch.hot.age(now_ms);
        if watch.heat.is_due(now_ms / 1000) {
            watch.heat.take(server.commands.entries(), now_ms / 1000);
        }
        if !server.web.tells && !server.web.viewers().is_empty() {
            server.web.tells = true;
            server.web.wanted.push_back(Wanted::Event(None));
        }
        let missed = std::mem::take(&mut server.web.missed);
        server.web.wanted.extend(missed.into_iter().map(|viewer| Wanted::Event(Some(viewer))));
    }
    server.web.watch = Some(watch);
}

fn search(server: &mut Server, db: &Databases, watch: &mut Watch) {
    let began = server.clock.tick();
    let until = server.clock.ticks_after(began, SEARCH_US);
    let now_ms = server.clock.unix_ms();
    let mut steps = 0;
    watch.big.search(db, now_ms, || {
        steps += 1;
        steps % SEARCH_STEPS == 0 && server.clock.tick() >= until
    });
}

fn reading(server: &Server, db: &Databases) -> Reading {
    let (stats, keys) = (&server.stats, &db.stats);
    let cpu = platform::cpu_times(CpuOf::Process);
    let busy_us = stats.loop_us + stats.parts.between_us + stats.parts.cron_us;
    let resident = platform::resident_memory().unwrap_or(0);
    Reading {
        counters: [
            stats.commands,
            stats.input_bytes,
            stats.output_bytes,
            keys.hits,
            keys.misses,
            keys.expired,
            stats.evicted_keys,
            stats.error_replies,
        ],
        busy: [cpu.system + cpu.user, busy_us as f64 / 1e6],
        levels: [
            alloc::used_memory() as f32,
            resident as f32,
            server.clients.len() as f32,
            server.clients.blocked as f32,
        ],
    }
}
