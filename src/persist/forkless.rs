//! The thread that writes a snapshot in the place of a child process.
//!
//! It is given copies of keys, batch by batch, and does with them what a child does with its memory: encodes,
//! compresses, sums, writes, syncs. The event loop gives no more than it can be rid of: what was given and is not
//! written is counted, and the loop makes no more copies of its own accord while that is [`QUEUE_BYTES_MAX`] or more.
//!
//! Where processors are few the thread stands back behind whoever serves clients.
//!
//! What becomes of the work is decided once, under a lock: either the thread commits it, which is the moment when its
//! file takes its name, or the loop abandons it. So a thread that somebody gave up a moment ago changes nothing. To give
//! a large file the name of another can take a tenth of a second; the loop, which looks at every turn how things stand,
//! does not wait for that.

use std::fmt;
use std::io;
use std::process;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

use super::fork::{Ended, Report};
use crate::db::Images;
use crate::util::platform::{SignalStack, stand_back};

/// Bytes that may wait for the thread before the loop makes no more copies for it.
pub const QUEUE_BYTES_MAX: usize = 4 << 20;

/// What thread and loop know together.
#[derive(Debug)]
struct Shared {
    /// The outcome stands. Locked while that is decided.
    committed: Mutex<bool>,
    /// Nobody wants the outcome any more. It is set under the lock, and read by who cannot wait for a commit to end.
    is_abandoned: AtomicBool,
    /// Bytes given and not written yet, and the most there ever were.
    waiting: AtomicUsize,
    waiting_max: AtomicUsize,
    /// Keys written.
    keys: AtomicU64,
    /// Set at the end: whether all went well.
    outcome: OnceLock<bool>,
}

impl Shared {
    fn committed(&self) -> MutexGuard<'_, bool> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Relaxed)
    }
}

/// The thread, seen by the loop.
#[derive(Debug)]
pub struct Thread {
    shared: Arc<Shared>,
    tag: String,
}

impl Thread {
    /// What tells the names of its files from those of others.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// How far it is. Its own memory is that of what waits.
    pub fn report(&self) -> Report {
        Report {
            keys: self.shared.keys.load(Relaxed),
            copied: self.shared.waiting.load(Relaxed) as u64,
            copied_peak: self.shared.waiting_max.load(Relaxed) as u64,
            is_last: self.shared.outcome.get().is_some(),
        }
    }

    /// Whether the work has ended, and how.
    pub fn ended(&self) -> Option<Ended> {
        if self.shared.is_abandoned() {
            return Some(Ended::KILLED);
        }
        let well = *self.shared.outcome.get()?;
        Some(Ended { status: i32::from(!well), signal: None })
    }

    /// Has the work come to nothing, unless it was committed. Waits for a commit that has begun.
    pub fn abandon(&self) {
        let committed = self.shared.committed();
        if !*committed {
            self.shared.is_abandoned.store(true, Relaxed);
        }
    }
}

/// Copies on their way to the thread. One that is dropped before [`Feed::finish`] leaves it with half the data, and so
/// without an outcome to commit.
#[derive(Debug)]
pub struct Feed {
    sender: Sender<Delivery>,
    shared: Arc<Shared>,
    /// Keys given.
    pub given: u64,
    /// How copying keeps pace with commands.
    pub pace: Pace,
}

/// What comes through the channel.
enum Delivery {
    Copies(Images),
    /// There are no more.
    End,
}

/// What is known of the time between two slices of copying.
#[derive(Debug)]
pub struct Pace {
    /// When the last slice ended.
    pub rested_since: Instant,
    /// Nanoseconds that copying may take; negative if it took too many.
    pub credit_ns: i64,
    /// Reads that the loop had made by then.
    pub reads: u64,
    /// When it was last told how far it is.
    pub told: Instant,
}

impl Feed {
    /// Whether there is no use in giving more: the work was abandoned, or the thread has ended.
    pub fn is_over(&self) -> bool {
        self.shared.outcome.get().is_some() || self.shared.is_abandoned()
    }

    /// Bytes that wait for the thread.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Relaxed)
    }

    /// Whether the thread has enough to do.
    pub fn is_full(&self) -> bool {
        self.waiting() >= QUEUE_BYTES_MAX
    }

    /// About how many seconds more the work will take, of which so many keys are to be copied in all.
    pub fn seconds_left(&self, keys: u64, since: Instant) -> u64 {
        let left = keys.saturating_sub(self.given) as f64;
        (since.elapsed().as_secs_f64() * left / self.given.max(1) as f64).ceil() as u64
    }

    /// Gives some copies.
    pub fn give(&mut self, images: Images) {
        self.given += images.len() as u64;
        let waiting = self.shared.waiting.fetch_add(images.bytes(), Relaxed) + images.bytes();
        self.shared.waiting_max.fetch_max(waiting, Relaxed);
        self.sender.send(Delivery::Copies(images)).ok();
    }

    /// Tells the thread that it has got everything.
    pub fn finish(self) {
        self.sender.send(Delivery::End).ok();
    }
}

/// Copies as the thread gets them.
pub struct Supply {
    receiver: Receiver<Delivery>,
    shared: Arc<Shared>,
    /// Bytes of those it has got last.
    bytes: usize,
    is_whole: bool,
}

impl Iterator for Supply {
    type Item = Images;

    /// The next copies: what came before is written, and freed. `None` at the end, and when the work is abandoned.
    fn next(&mut self) -> Option<Images> {
        self.shared.waiting.fetch_sub(std::mem::take(&mut self.bytes), Relaxed);
        match self.receiver.recv() {
            Ok(Delivery::Copies(images)) if !self.shared.is_abandoned() => {
                self.bytes = images.bytes();
                Some(images)
            }
            Ok(Delivery::Copies(_)) | Err(_) => None,
            Ok(Delivery::End) => {
                self.is_whole = true;
                None
            }
        }
    }
}

impl Supply {
    /// Notes that so many keys are written.
    #[inline]
    pub fn key_done(&self) -> impl Fn(u64) + use<> {
        let shared = Arc::clone(&self.shared);
        move |keys| shared.keys.store(keys, Relaxed)
    }

    /// Whether everything there was has come.
    ///
    /// # Errors
    /// If it has not.
    pub fn check_whole(&self) -> io::Result<()> {
        if self.is_whole { Ok(()) } else { Err(io::Error::other(GivenUp)) }
    }

    /// Does what makes the outcome stand, unless the work was abandoned.
    ///
    /// # Errors
    /// Those of what is done, and if nobody wants it any more.
    pub fn commit(&self, action: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.check_whole()?;
        let mut committed = self.shared.committed();
        if self.shared.is_abandoned() {
            return Err(io::Error::other(GivenUp));
        }
        action()?;
        *committed = true;
        Ok(())
    }
}

/// Nobody wants the outcome of the work any more.
#[derive(Debug)]
struct GivenUp;

impl std::error::Error for GivenUp {}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the snapshot was given up")
    }
}

/// Whether an error is no failure: nobody wants the outcome of the work any more.
pub fn is_given_up(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<GivenUp>())
}

/// Notes how the work ended, also if that was a panic.
struct Outcome(Arc<Shared>, bool);

impl Drop for Outcome {
    fn drop(&mut self) {
        self.0.outcome.set(self.1).ok();
    }
}

/// Starts a thread that does `work` with what it is given; whether that went well is what `work` returns.
///
/// # Errors
/// When the system gives no thread.
pub fn start(tag: String, work: impl FnOnce(&mut Supply) -> bool + Send + 'static) -> io::Result<(Thread, Feed)> {
    let shared = Arc::new(Shared {
        committed: Mutex::new(false),
        is_abandoned: AtomicBool::new(false),
        waiting: AtomicUsize::new(0),
        waiting_max: AtomicUsize::new(0),
        keys: AtomicU64::new(0),
        outcome: OnceLock::new(),
    });
    let (sender, receiver) = channel();
    let mut supply = Supply { receiver, shared: Arc::clone(&shared), bytes: 0, is_whole: false };
    thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
        let _stack = SignalStack::begin();
        stand_back();
        let mut outcome = Outcome(Arc::clone(&supply.shared), false);
        outcome.1 = work(&mut supply);
        // What nobody took is freed before anybody learns that the work is over.
        drop(supply);
    })?;
    let now = Instant::now();
    let pace = Pace { rested_since: now, credit_ns: 0, reads: 0, told: now };
    Ok((Thread { shared: Arc::clone(&shared), tag }, Feed { sender, shared, given: 0, pace }))
}

/// A tag that no other work in the background has, of this process or another.
pub fn new_tag() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{}-{}", process::id(), NEXT.fetch_add(1, Relaxed))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::db::keyspace::NewString;
    use crate::db::{Databases, Expiry, Key};

    /// Copies of three keys.
    fn copies() -> Images {
        let mut db = Databases::new(1);
        for key in [&b"one"[..], b"two", b"three"] {
            db.set(&Key::new(key), NewString::Int(1), Expiry::Clear);
        }
        db.begin_capture();
        assert!(!db.capture_while(|_| true));
        let mut copies = None;
        db.take_images(|images| copies = Some(images));
        copies.expect("three keys")
    }

    fn wait(thread: &Thread) -> Ended {
        loop {
            if let Some(ended) = thread.ended() {
                return ended;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn what_was_given_is_counted_until_it_is_written() {
        let (thread, mut feed) = start(new_tag(), |supply| {
            let keys: usize = supply.by_ref().map(|images| images.len()).sum();
            keys == 6 && supply.commit(|| Ok(())).is_ok()
        })
        .expect("a thread");
        let images = copies();
        let bytes = images.bytes() as u64;
        feed.give(images);
        feed.give(copies());
        feed.finish();
        assert!(wait(&thread).well());
        let report = thread.report();
        assert_eq!((report.copied, report.is_last), (0, true));
        assert!((bytes..=2 * bytes).contains(&report.copied_peak));
    }

    #[test]
    fn half_the_data_is_never_committed() {
        let commit = |supply: &mut Supply| {
            supply.by_ref().for_each(drop);
            supply.commit(|| panic!("half the data")).is_ok()
        };
        let (thread, mut feed) = start(new_tag(), commit).expect("a thread");
        feed.give(copies());
        drop(feed);
        assert!(!wait(&thread).well());
    }

    #[test]
    fn abandoned_work_comes_to_nothing_and_committed_work_stands() {
        let (go_on, may_go_on) = channel::<()>();
        let (tell, told) = channel();
        let (thread, feed) = start(new_tag(), move |supply| {
            supply.by_ref().for_each(drop);
            may_go_on.recv().ok();
            tell.send(supply.commit(|| Ok(())).is_ok()).is_ok()
        })
        .expect("a thread");
        feed.finish();
        thread.abandon();
        assert!(wait(&thread).was_killed());
        go_on.send(()).expect("a thread that waits");
        assert_eq!(told.recv(), Ok(false));
        let (thread, feed) =
            start(new_tag(), |supply| supply.by_ref().count() == 0 && supply.commit(|| Ok(())).is_ok())
                .expect("a thread");
        feed.finish();
        assert!(wait(&thread).well());
        thread.abandon();
        assert!(wait(&thread).well());
    }

    #[test]
    fn a_commit_that_takes_long_makes_nobody_wait_who_asks_how_things_stand() {
        let (go_on, may_go_on) = channel::<()>();
        let (tell, told) = channel();
        let (thread, feed) = start(new_tag(), move |supply| {
            supply.by_ref().for_each(drop);
            let slow = || {
                tell.send(()).map_err(io::Error::other)?;
                may_go_on.recv_timeout(Duration::from_secs(10)).map_err(io::Error::other)
            };
            supply.commit(slow).is_ok()
        })
        .expect("a thread");
        feed.finish();
        assert_eq!(told.recv(), Ok(()));
        assert_eq!(thread.ended(), None);
        go_on.send(()).expect("a thread that waits");
        assert!(wait(&thread).well());
    }

    #[test]
    fn a_thread_that_panics_has_failed() {
        let (thread, feed) = start(new_tag(), |_| panic!("on purpose")).expect("a thread");
        assert!(!wait(&thread).well());
        assert!(feed.is_over());
    }
}
