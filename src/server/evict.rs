//! `maxmemory`: making room before a command runs.

use std::time::{Duration, Instant};

use super::Server;
use super::execution::changes;
use super::modes::ServerModes;
use crate::config::MaxmemoryPolicy;
use crate::db::Databases;
use crate::db::evict::{EvictionPolicy, Judge};

/// Keys evicted between two looks at the clock.
const KEYS_PER_CLOCK: usize = 16;
/// Between two looks at what is being freed.
const LAZYFREE_LOOKS: Duration = Duration::from_millis(1);

/// Evicts keys until memory in use is within `maxmemory`. False when it is not and nothing can be evicted. Takes no
/// longer than `maxmemory-eviction-tenacity` allows; what is left is gone on with before the next wait.
pub fn make_room(server: &mut Server, db: &mut Databases) -> bool {
    server.evicting = false;
    // What is being loaded is not touched meanwhile, nor is anything during a pause, and a replica leaves it to its
    // primary.
    let left_to_primary = server.is_replica() && server.config.replica_ignore_maxmemory;
    if left_to_primary || server.modes.has(ServerModes::LOADING) || server.modes.has(ServerModes::PAUSED) {
        return true;
    }
    if !server.out_of_memory(db) {
        note_excess(server, false);
        return true;
    }
    let enough = match policy(server) {
        Some(policy) => evict(server, db, policy) || wait_for_lazyfree(server, db) || may_go_beyond(server, db, policy),
        None => false,
    };
    note_excess(server, !enough || server.evicting);
    enough
}

/// Where nothing was found to evict because keys are protected, these may take a quarter more than there is room for, so
/// that protecting them does not stop all writes.
fn may_go_beyond(server: &Server, db: &Databases, policy: EvictionPolicy) -> bool {
    let margin = usize::try_from(server.config.maxmemory / 4).unwrap_or(usize::MAX);
    db.protects_candidates(policy) && server.memory_excess(db) <= margin
}

/// Evicts until there is room or the time is up; false when nothing is left to evict. What it takes to tell others of
/// keys that went is no reason for more to go.
fn evict(server: &mut Server, db: &mut Databases, policy: EvictionPolicy) -> bool {
    let started = server.clock.tick();
    let limit_us = time_limit_us(server.config.maxmemory_eviction_tenacity);
    let excess = server.memory_excess(db);
    let (mut evicted, mut freed) = (0, 0);
    let mut enough = true;
    while freed < excess {
        let Some(bytes) = evict_one(server, db, policy) else {
            enough = false;
            break;
        };
        freed += bytes;
        evicted += 1;
        if evicted % KEYS_PER_CLOCK == 0 {
            // What another thread frees has not been counted.
            if db.lazyfree.lazily.eviction && !server.out_of_memory(db) {
                break;
            }
            let now = server.clock.tick();
            if server.clock.micros_between(started, now) > limit_us {
                server.evicting = true;
                break;
            }
        }
    }
    server.stats.evicted_keys += evicted as u64;
    match server.observers.any() {
        true => {
            changes::apply_keyspace_notes(server, db);
            super::propagate::propagate_each(server);
        }
        false => db.forget_notes(),
    }
    let now = server.clock.tick();
    let elapsed_ms = server.clock.micros_between(started, now) / 1000;
    server.latency.sample("eviction-cycle", elapsed_ms, server.clock.unix_ms());
    enough
}

/// Evicts one key. The clock is read only for a latency monitor that is on.
fn evict_one(server: &mut Server, db: &mut Databases, policy: EvictionPolicy) -> Option<usize> {
    if server.latency.threshold_ms == 0 {
        return db.evict_one(policy);
    }
    let started = server.clock.tick();
    let freed = db.evict_one(policy);
    let now = server.clock.tick();
    let elapsed_ms = server.clock.micros_between(started, now) / 1000;
    server.latency.sample("eviction-del", elapsed_ms, server.clock.unix_ms());
    freed
}

/// There are no more keys, but what was deleted may still be about to be freed: that is waited for, though not longer
/// than a round may take. Whether there is room then.
fn wait_for_lazyfree(server: &mut Server, db: &Databases) -> bool {
    let started = server.clock.tick();
    let limit_us = time_limit_us(server.config.maxmemory_eviction_tenacity);
    loop {
        let enough = !server.out_of_memory(db);
        let now = server.clock.tick();
        let waited_us = server.clock.micros_between(started, now);
        if enough || db.lazyfree.pending() == 0 || waited_us > limit_us {
            server.latency.sample("eviction-lazyfree", waited_us / 1000, server.clock.unix_ms());
            return enough;
        }
        std::thread::sleep(LAZYFREE_LOOKS);
    }
}

/// Counts the time during which memory in use exceeds the limit.
fn note_excess(server: &mut Server, exceeds: bool) {
    let stats = &mut server.stats;
    match (exceeds, stats.eviction_exceeded_since) {
        (true, None) => stats.eviction_exceeded_since = Some(Instant::now()),
        (false, Some(since)) => {
            stats.eviction_exceeded += since.elapsed();
            stats.eviction_exceeded_since = None;
        }
        (true, Some(_)) | (false, None) => {}
    }
}

fn policy(server: &Server) -> Option<EvictionPolicy> {
    let judge = match server.config.maxmemory_policy {
        MaxmemoryPolicy::NoEviction => return None,
        MaxmemoryPolicy::AllkeysLru
        | MaxmemoryPolicy::VolatileLru
        | MaxmemoryPolicy::AllkeysLrm
        | MaxmemoryPolicy::VolatileLrm => Judge::Recency,
        MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu => Judge::Frequency,
        MaxmemoryPolicy::VolatileTtl => Judge::TimeToLive,
        MaxmemoryPolicy::AllkeysRandom | MaxmemoryPolicy::VolatileRandom => Judge::Chance,
    };
    let volatile = server.config.maxmemory_policy.is_volatile();
    Some(EvictionPolicy { volatile, judge, samples: server.config.maxmemory_samples as usize })
}

/// How long one round of eviction may take, in microseconds: up to half a millisecond in proportion to a tenacity up to
/// 10, then 15 per cent more with each step, and without end at 100.
fn time_limit_us(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => 50 * u64::from(tenacity),
        11..=99 => (500.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}
