//! `maxmemory`: making room before a command runs.

use crate::command::effects;
use crate::config::MaxmemoryPolicy;
use crate::db::Databases;
use crate::db::evict::{EvictionPolicy, Judge};
use crate::server::{Server, ServerModes};

/// Keys evicted between two looks at the clock.
const KEYS_PER_CLOCK: usize = 16;

/// Evicts keys until memory in use is within `maxmemory`. False when it is not and nothing can be evicted. Takes no
/// longer than `maxmemory-eviction-tenacity` allows; what is left is gone on with before the next wait.
pub fn make_room(server: &mut Server, db: &mut Databases) -> bool {
    server.evicting = false;
    // What is being loaded is not touched meanwhile.
    let left_to_primary = server.is_replica() && server.config.replica_ignore_maxmemory;
    if left_to_primary || !server.out_of_memory() || server.modes.has(ServerModes::LOADING) {
        return true;
    }
    let Some(policy) = policy(server) else { return false };
    let started = server.clock.tick();
    let limit_us = time_limit_us(server.config.maxmemory_eviction_tenacity);
    let mut evicted = 0;
    let mut enough = true;
    while server.out_of_memory() {
        if !db.evict_one(policy) {
            enough = false;
            break;
        }
        evicted += 1;
        if evicted % KEYS_PER_CLOCK == 0 {
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
            effects::settle_notes(server, db);
            crate::repl::propagate::hand_over_apart(server);
        }
        false => db.forget_notes(),
    }
    enough
}

fn policy(server: &Server) -> Option<EvictionPolicy> {
    let judge = match server.config.maxmemory_policy {
        MaxmemoryPolicy::NoEviction => return None,
        MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru => Judge::Recency,
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
