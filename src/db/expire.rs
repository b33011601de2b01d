//! Active expiry: deleting keys whose time has come though nobody asks for them.
//!
//! A cycle walks the index of expiring keys in hash order, a piece of it per database, and goes on with a database as
//! long as a noticeable share of what it saw had expired. A cycle that ran out of time is continued by the next one
//! where it stopped, so that a database full of stale keys does not keep the others from their turn. Two kinds of cycle
//! run: a slow one from the cron, bounded by a share of the processor's time, and a fast one before waiting for
//! sockets, when the slow one left stale keys.
//!
//! Fields of hashes and members of sets expire in the same cycles, all of them in the order of their times, which the
//! agenda of each database tells. Keys and such parts take turns in who comes first, so that neither waits for ever.

use super::Key;
use super::keyspace::{Databases, Db, NoteKind};

/// Keys looked at in one database before asking whether to go on.
const KEYS_PER_LOOP: usize = 20;
/// Share of expired keys, in per cent, below which a database is left alone.
const ACCEPTABLE_STALE_PERCENT: usize = 10;
/// Loops between two looks at the clock.
const LOOPS_PER_CLOCK: u32 = 16;
/// Parts deleted from one collection before another look at the clock.
const PARTS_PER_STEP: usize = 64;

/// What a database remembers of its cycle.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExpireCycle {
    cursor: u64,
    /// Average time to live of the keys that were looked at, in milliseconds.
    pub average_ttl_ms: i64,
}

/// What a cycle came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct CycleReport {
    /// Keys looked at.
    pub sampled: usize,
    /// Keys deleted.
    pub expired: usize,
    /// It ended because its time was up.
    pub out_of_time: bool,
}

impl Databases {
    /// Runs a cycle over all databases. `effort` is `active-expire-effort`, 1 to 10; `out_of_time` is asked now and
    /// then.
    pub fn expire_cycle(&mut self, effort: u32, mut out_of_time: impl FnMut() -> bool) -> CycleReport {
        self.parts_first = !self.parts_first;
        if self.parts_first && self.expire_all_parts(&mut out_of_time) {
            return CycleReport { out_of_time: true, ..CycleReport::default() };
        }
        let mut report = self.expire_keys(effort, &mut out_of_time);
        if !self.parts_first && !report.out_of_time {
            report.out_of_time = self.expire_all_parts(&mut out_of_time);
        }
        report
    }

    /// Deletes a key whose time has come; whether it expires at some time, but not yet.
    pub fn expire_if_due(&mut self, db: usize, key: &Key<'_>) -> bool {
        let now_ms = self.now_ms();
        let expire_at = self.database(db).dict.find(key.hash(), key.bytes()).and_then(|entry| entry.expire_at());
        match expire_at {
            Some(at) if at < now_ms => self.expire_key(db, key),
            expire_at => return expire_at.is_some(),
        }
        false
    }

    fn expire_key(&mut self, db: usize, key: &Key<'_>) {
        if let Some(entry) = self.database_mut(db).dict.remove(key.hash(), key.bytes()) {
            self.lazyfree.dispose(entry, self.lazyfree.lazily.expire);
        }
        self.note(db, key, NoteKind::Expired);
    }

    /// Deletes all fields and members whose time has come; whether time ran out before.
    fn expire_all_parts(&mut self, out_of_time: &mut impl FnMut() -> bool) -> bool {
        let mut steps = 0;
        for db in 0..self.count() {
            while self.expire_planned(db, PARTS_PER_STEP) {
                steps += 1;
                if steps % LOOPS_PER_CLOCK == 0 && out_of_time() {
                    return true;
                }
            }
        }
        false
    }

    fn expire_keys(&mut self, effort: u32, out_of_time: &mut impl FnMut() -> bool) -> CycleReport {
        let effort = effort.clamp(1, 10) as usize - 1;
        let per_loop = KEYS_PER_LOOP + KEYS_PER_LOOP / 4 * effort;
        let acceptable = ACCEPTABLE_STALE_PERCENT - effort;
        let mut report = CycleReport::default();
        let mut loops = 0;
        for _ in 0..self.count() {
            let db = self.next_to_expire % self.count();
            self.next_to_expire = db + 1;
            while self.database(db).dict.expires_len() > 0 {
                let (sampled, expired, wrapped) = self.expire_some(db, per_loop);
                report.sampled += sampled;
                report.expired += expired;
                loops += 1;
                if loops % LOOPS_PER_CLOCK == 0 && out_of_time() {
                    report.out_of_time = true;
                    return report;
                }
                let stale = sampled > 0 && expired * 100 / sampled > acceptable;
                if wrapped || !stale {
                    break;
                }
            }
        }
        report
    }

    /// Looks at some expiring keys of a database from where the last look ended: how many, how many of them had
    /// expired, and whether the end of the index was reached.
    fn expire_some(&mut self, db: usize, wanted: usize) -> (usize, usize, bool) {
        let now_ms = self.now_ms();
        // Whoever sends the keys of a slot that is on its way here says when they go.
        let spares = self.has_strays();
        let Db { dict, cycle } = self.database_mut(db);
        let mut due = Vec::new();
        let (mut sampled, mut ttl_sum, mut live) = (0, 0, 0);
        let mut steps = 0;
        while sampled < wanted && steps < wanted * 20 {
            cycle.cursor = dict.scan_expires(cycle.cursor, |entry| {
                sampled += 1;
                let ttl = entry.expire_at().map_or(0, |at| at - now_ms);
                if entry.is_due(now_ms) {
                    due.push(entry.key().to_vec());
                } else {
                    ttl_sum = i64::saturating_add(ttl_sum, ttl);
                    live += 1;
                }
            });
            steps += 1;
            if cycle.cursor == 0 {
                break;
            }
        }
        if live > 0 {
            let average = ttl_sum / live;
            let old = if cycle.average_ttl_ms == 0 { average } else { cycle.average_ttl_ms };
            cycle.average_ttl_ms = old / 50 * 49 + average / 50;
        }
        let wrapped = cycle.cursor == 0;
        if spares {
            due.retain(|key| !self.is_stray(key));
        }
        for key in &due {
            self.expire_key(db, &Key::new(key));
        }
        (sampled, due.len(), wrapped)
    }
}
