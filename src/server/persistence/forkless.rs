//! Snapshots without a child process: copies of all keys, made between commands, go to a thread.
//!
//! The data set is to be seen as it is when the snapshot begins. [`crate::db`] sees to that: what commands change is
//! copied before. Here the rest is copied, in slices of time of which none is longer than a fraction of a millisecond,
//! each time before the loop waits: as much as it likes when no client was heard in the last turn, and else a share of
//! the time, `snapshot-cpu-percent`. What was copied goes to the thread ([`crate::persist::forkless`]). If that lags
//! behind, because the disk or a replica is slow, the slices pause; the loop itself never waits for either.

use std::io;
use std::time::{Duration, Instant};

use crate::config::SnapshotMethod;
use crate::db::Databases;
use crate::persist::child::{Child, Worker};
use crate::persist::fork::Purpose;
use crate::persist::forkless::{self, Feed, QUEUE_BYTES_MAX, Supply};
use crate::persist::rdb::save::{self, OnKey, Outline};
use crate::persist::rdb::version::Version;
use crate::server::Server;

/// How long a slice may be while clients are served.
const SLICE_MAX: Duration = Duration::from_micros(400);
/// How long it is while there is nothing else to do: a client that comes meanwhile waits no longer.
const IDLE_SLICE: Duration = Duration::from_micros(200);
/// With less to spend a slice is not worth its beginning.
const SLICE_MIN: Duration = Duration::from_micros(20);
/// How often the log is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Who is to make a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// A process.
    Process,
    /// A thread, which writes this version of the format.
    Thread(Version),
}

/// Who is to make a snapshot: as asked for, or as the directive says. A thread has to know the version of the format
/// before it sees the keys.
pub fn maker(server: &Server, db: &Databases, asked: Option<SnapshotMethod>, version: Option<Version>) -> Maker {
    if asked.unwrap_or(server.config.bgsave_default_method) == SnapshotMethod::Fork {
        return Maker::Process;
    }
    Maker::Thread(version.unwrap_or_else(|| save::lowest_of(db, save::KEYS_ASKED_MAX)))
}

/// Begins a snapshot in a version of the format: the thread does `work` with the copies it is given, and tells it of
/// each key.
///
/// # Errors
/// When the system gives no thread.
pub fn begin(
    server: &mut Server,
    db: &mut Databases,
    purpose: Purpose,
    version: Version,
    tag: String,
    work: impl FnOnce(&Outline, &mut Supply, OnKey<'_>) -> bool + Send + 'static,
) -> io::Result<()> {
    let outline = Outline { sizes: db.begin_capture(), clock: db.access_clock(), version };
    let keys = outline.sizes.iter().map(|size| size.keys as u64).sum();
    let delay_us = server.config.rdb_key_save_delay_us;
    let started = forkless::start(tag, move |supply| {
        let key_done = supply.key_done();
        let mut on_key = |keys: u64| {
            crate::persist::rdb::rest(delay_us, keys);
            key_done(keys);
        };
        work(&outline, supply, &mut on_key)
    });
    let (thread, feed) = started.inspect_err(|_| db.end_capture())?;
    server.persist.keys_to_save = keys;
    server.persist.child = Some(Child::begun(purpose, Worker::Thread(thread)));
    server.persist.feed = Some(feed);
    Ok(())
}

/// Copies for as long as there is time, and hands on what was copied.
pub fn step(server: &mut Server, db: &mut Databases) {
    let Some(feed) = &mut server.persist.feed else { return };
    if feed.is_over() {
        server.persist.feed = None;
        db.end_capture();
        return;
    }
    let begun = Instant::now();
    let allowed = allowed(feed, begun, server.stats.reads_processed, server.config.snapshot_cpu_percent);
    let mut waiting = feed.waiting();
    let is_left = feed.is_full()
        || allowed < SLICE_MIN
        || db.capture_while(|bytes| {
            waiting += bytes;
            waiting < QUEUE_BYTES_MAX && begun.elapsed() < allowed
        });
    db.take_images(|images| feed.give(images));
    let now = Instant::now();
    feed.pace.credit_ns -= now.duration_since(begun).as_nanos() as i64;
    feed.pace.rested_since = now;
    if !is_left {
        server.persist.feed.take().into_iter().for_each(Feed::finish);
    } else if now.duration_since(feed.pace.told) >= TELL_EVERY {
        feed.pace.told = now;
        tell(server);
    }
}

/// Takes out the child, which is over: nothing is kept for it any more.
pub fn take_child(server: &mut Server, db: &mut Databases) -> Option<Child> {
    let child = server.persist.child.take();
    server.persist.feed = None;
    db.end_capture();
    server.allow_resizing(db);
    child
}

/// How long a slice may be that begins now.
fn allowed(feed: &mut Feed, now: Instant, reads: u64, percent: u32) -> Duration {
    let pace = &mut feed.pace;
    let served = now.duration_since(pace.rested_since).as_nanos() as i64;
    let is_idle = std::mem::replace(&mut pace.reads, reads) == reads;
    let earned = served * i64::from(percent) / i64::from(100 - percent);
    pace.credit_ns = (pace.credit_ns + earned).min(SLICE_MAX.as_nanos() as i64);
    if is_idle {
        pace.credit_ns = pace.credit_ns.max(IDLE_SLICE.as_nanos() as i64);
    }
    Duration::from_nanos(pace.credit_ns.max(0) as u64)
}

fn tell(server: &Server) {
    let (Some(feed), Some(child)) = (&server.persist.feed, &server.persist.child) else { return };
    let total = server.persist.keys_to_save;
    let percent = feed.given as f64 * 100.0 / total.max(1) as f64;
    let left = feed.seconds_left(total, child.started);
    log::info!("Forkless {}: {percent:.0}% of the keys copied, about {left} seconds left", child.purpose.name());
}
