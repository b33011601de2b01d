//! Child processes that work on a snapshot of the memory.
//!
//! `fork` gives the child all memory as it is at that moment; pages are copied only when one of the two writes to them.
//! The child does its work and ends; it never returns to the event loop. It tells its parent how far it is through a
//! socket, a fixed number of bytes at a time, and how it went by its exit status.
//!
//! Other threads do not exist in the child, so it must not wait for them, and it must not touch the parent's sockets:
//! all descriptors but the standard ones and the way to the parent are closed at once. So a client that the parent
//! closes is closed, whatever the child does.

// Forking, waiting and closing descriptors are calls to the system.
#![allow(unsafe_code)]

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::util::platform;

/// How often a child tells how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Keys between two looks at the clock.
const KEYS_PER_CLOCK: u64 = 1024;
const REPORT_BYTES: usize = 32;

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It saves an RDB file.
    Rdb,
    /// It sends a snapshot to replicas.
    Sync,
    /// It rewrites the append-only file.
    AofRewrite,
}

impl Purpose {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Rdb | Purpose::Sync => "RDB",
            Purpose::AofRewrite => "AOF rewrite",
        }
    }
}

/// What a child has told of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys done.
    pub keys: u64,
    /// Memory of its own by now, in bytes.
    pub copied: u64,
    /// The most that was seen of it.
    pub copied_peak: u64,
    /// It has done its work.
    pub is_last: bool,
}

impl Report {
    fn to_bytes(self) -> [u8; REPORT_BYTES] {
        let mut bytes = [0; REPORT_BYTES];
        let numbers = [self.keys, self.copied, self.copied_peak, u64::from(self.is_last)];
        for (place, number) in bytes.as_chunks_mut().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        bytes
    }

    fn from_bytes(bytes: [u8; REPORT_BYTES]) -> Report {
        let mut numbers = bytes.as_chunks().0.iter().map(|place| u64::from_le_bytes(*place));
        let mut next = || numbers.next().unwrap_or_default();
        Report { keys: next(), copied: next(), copied_peak: next(), is_last: next() != 0 }
    }
}

/// The child's side: how it tells of itself.
#[derive(Debug)]
pub struct Reporter {
    to_parent: UnixStream,
    purpose: Purpose,
    last: Instant,
    latest: Report,
    sum: u64,
    reports: u64,
}

impl Reporter {
    /// Notes that so many keys are done, and tells of it about once a second.
    #[inline]
    pub fn key_done(&mut self, keys: u64) {
        if keys.is_multiple_of(KEYS_PER_CLOCK) && self.last.elapsed() >= REPORT_EVERY {
            self.tell(keys, false);
        }
        self.latest.keys = keys;
    }

    /// Tells that the work is done.
    pub fn finish(&mut self) {
        self.tell(self.latest.keys, true);
    }

    fn tell(&mut self, keys: u64, is_last: bool) {
        let copied = platform::private_dirty_memory().unwrap_or(0) as u64;
        self.last = Instant::now();
        self.sum += copied;
        self.reports += 1;
        self.latest = Report { keys, copied, copied_peak: self.latest.copied_peak.max(copied), is_last };
        let mib = |bytes: u64| bytes >> 20;
        let level = if is_last { log::Level::Info } else { log::Level::Debug };
        log::log!(
            level,
            "Fork CoW for {}: current {} MB, peak {} MB, average {} MB",
            self.purpose.name(),
            mib(copied),
            mib(self.latest.copied_peak),
            mib(self.sum / self.reports)
        );
        let gone = |error: io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        if self.to_parent.write_all(&self.latest.to_bytes()).is_err_and(gone) {
            log::warn!("Child failed reporting info to parent, exiting.");
            end_child(false);
        }
    }
}

/// How a child has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status.
    pub status: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
}

impl Ended {
    /// Whether it did what it was for.
    pub fn well(self) -> bool {
        self.signal.is_none() && self.status == 0
    }

    /// As if ended by [`Process::kill`].
    pub const KILLED: Ended = Ended { status: 1, signal: Some(libc::SIGUSR1) };

    /// Whether it was ended by [`Process::kill`].
    pub fn was_killed(self) -> bool {
        self.signal == Some(libc::SIGUSR1)
    }
}

/// A child process, seen by its parent.
#[derive(Debug)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    from_child: UnixStream,
}

impl Process {
    /// What the child has told last since the last time.
    pub fn hear(&mut self) -> Option<Report> {
        let (mut bytes, mut latest) = ([0; REPORT_BYTES], None);
        // Reports are written at once, so they are here whole or not at all.
        while self.from_child.read_exact(&mut bytes).is_ok() {
            latest = Some(Report::from_bytes(bytes));
        }
        latest
    }

    /// Whether the child has ended, and how.
    pub fn poll(&self) -> Option<Ended> {
        let mut status = 0;
        // SAFETY: the pointer is valid for the call.
        match unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG) } {
            0 => None,
            -1 => {
                log::warn!("waitpid() returned an error: {}", platform::os_error_text(&io::Error::last_os_error()));
                Some(Ended { status: 1, signal: None })
            }
            _ if libc::WIFSIGNALED(status) => Some(Ended { status: 1, signal: Some(libc::WTERMSIG(status)) }),
            _ => Some(Ended { status: libc::WEXITSTATUS(status), signal: None }),
        }
    }

    /// Ends the child, which is no failure of it; [`Process::poll`] tells when it has.
    pub fn kill(&self) {
        // SAFETY: the process is a child that has not been waited for, so the number is its own.
        unsafe {
            libc::kill(self.pid, libc::SIGUSR1);
        }
    }

    /// Waits until the child has ended.
    pub fn wait(&self) {
        // SAFETY: no pointer is given.
        unsafe {
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

/// Forks. The child does `work`, in which it has the descriptors `keep` besides the standard ones, and ends: with
/// status 0 if that returns true.
///
/// # Errors
/// When the system gives no process or no sockets.
pub fn fork(purpose: Purpose, keep: &[RawFd], work: impl FnOnce(&mut Reporter) -> bool) -> io::Result<Process> {
    let (from_child, to_parent) = UnixStream::pair()?;
    from_child.set_nonblocking(true)?;
    // A parent that does not listen must not hold up the child.
    to_parent.set_nonblocking(true)?;
    // SAFETY: the child uses only memory, which it has for itself, and descriptors it opens or was left. Locks that
    // other threads held at this moment stay locked: the helper threads hold none that `work` needs.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            become_child();
            let mut keep: Vec<RawFd> = keep.to_vec();
            keep.push(to_parent.as_raw_fd());
            close_all_but(keep);
            let mut reporter =
                Reporter { to_parent, purpose, last: Instant::now(), latest: Report::default(), sum: 0, reports: 0 };
            let good = work(&mut reporter);
            end_child(good)
        }
        pid => Ok(Process { pid, from_child }),
    }
}

/// Ends this process, which is a child.
fn end_child(good: bool) -> ! {
    // SAFETY: ends the process without running what the parent has registered for its own end.
    unsafe { libc::_exit(if good { 0 } else { 1 }) }
}

/// Signals mean something else to a child: those for the parent are not its business, and one of its own ends it.
fn become_child() {
    // SAFETY: sets signals to what they do by default, or to nothing.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::signal(libc::SIGTERM, libc::SIG_IGN);
        libc::signal(libc::SIGUSR1, libc::SIG_DFL);
    }
}

/// Closes all descriptors above the standard ones but some.
fn close_all_but(mut keep: Vec<RawFd>) {
    keep.sort_unstable();
    let mut first = 3;
    for kept in keep {
        close_range(first, kept - 1);
        first = kept + 1;
    }
    close_range(first, RawFd::MAX);
}

fn close_range(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    #[cfg(target_os = "linux")]
    // SAFETY: nobody in this process uses these descriptors any more; nothing that owns one is ever dropped here.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    let limit = platform::descriptor_limit().map_or(65_536, |(soft, _)| soft.min(1 << 20)) as RawFd;
    for descriptor in first..=last.min(limit) {
        // SAFETY: as above; closing what is not open does nothing.
        unsafe {
            libc::close(descriptor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_reports_and_its_end_is_noticed() {
        let mut child = fork(Purpose::Rdb, &[], |reporter| {
            reporter.key_done(7);
            reporter.finish();
            true
        })
        .expect("a child");
        let ended = loop {
            if let Some(ended) = child.poll() {
                break ended;
            }
            std::thread::yield_now();
        };
        assert!(ended.well());
        assert!(child.hear().is_some_and(|report| report.keys == 7 && report.is_last));
    }

    #[test]
    fn a_child_that_is_killed_has_not_failed() {
        let child = fork(Purpose::Rdb, &[], |_| {
            std::thread::sleep(Duration::from_secs(60));
            true
        })
        .expect("a child");
        child.kill();
        let ended = loop {
            if let Some(ended) = child.poll() {
                break ended;
            }
            std::thread::yield_now();
        };
        assert!(!ended.well() && ended.was_killed());
    }
}
