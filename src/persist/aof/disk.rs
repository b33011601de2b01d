//! The thread that waits for the disk, so that the loop need not: it brings files to the disk, and closes them.
//!
//! Closing the last handle of a deleted file frees its blocks, which can take long for a big one; that is why files
//! end here as well. Jobs are done in order. The thread writes nothing to the log: a child forked meanwhile would wait
//! for ever for the log's lock.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::{io, thread};

use crate::util::platform::SignalStack;

/// What the thread is asked to do.
enum Job {
    /// Bring the file to the disk, and with it all that was written up to this point.
    Sync(Arc<File>, u64),
    /// The same, for a file that is written no more.
    SyncAndClose(Arc<File>, u64),
    /// Close a file that may be deleted already.
    Close(File),
}

/// What loop and thread share.
#[derive(Debug, Default)]
struct Shared {
    /// Jobs that are not done.
    pending: AtomicU64,
    /// Those of them that sync the file written now.
    syncs_pending: AtomicU64,
    /// What is known to be on the disk: bytes ever written.
    synced: AtomicU64,
    /// The error number of the last sync; 0 after a success.
    error: AtomicI32,
}

/// The thread, started when it is first needed.
#[derive(Debug, Default)]
pub struct DiskThread {
    sender: Option<mpsc::Sender<Job>>,
    shared: Arc<Shared>,
}

impl DiskThread {
    /// Has a file brought to the disk, and with it what was written up to the point `written`.
    pub fn sync(&mut self, file: &Arc<File>, written: u64) {
        self.shared.syncs_pending.fetch_add(1, Ordering::AcqRel);
        self.send(Job::Sync(Arc::clone(file), written));
    }

    /// Has a file brought to the disk and closed.
    pub fn sync_and_close(&mut self, file: Arc<File>, written: u64) {
        self.send(Job::SyncAndClose(file, written));
    }

    /// Deletes a file. It is gone at once, and what it took is free when the thread has closed it.
    pub fn remove(&mut self, path: &Path) {
        let handle = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        // A file that is left behind does no harm.
        std::fs::remove_file(path).unwrap_or_default();
        if let Ok(file) = handle {
            self.send(Job::Close(file));
        }
    }

    /// Whether a sync of the file written now is under way or waits.
    pub fn is_syncing(&self) -> bool {
        self.syncs_pending() > 0
    }

    /// How many such syncs there are.
    pub fn syncs_pending(&self) -> u64 {
        self.shared.syncs_pending.load(Ordering::Acquire)
    }

    /// How much of what was ever written is known to be on the disk, in bytes.
    pub fn synced(&self) -> u64 {
        self.shared.synced.load(Ordering::Acquire)
    }

    /// What was written up to here is on the disk.
    pub fn note_synced(&mut self, written: u64) {
        self.shared.finish(&Ok(()), written);
    }

    /// The error of the last sync, if it failed.
    pub fn error(&self) -> Option<io::Error> {
        let number = self.shared.error.load(Ordering::Acquire);
        (number != 0).then(|| io::Error::from_raw_os_error(number))
    }

    /// Forgets the error of the last sync.
    pub fn forget_error(&mut self) {
        self.shared.error.store(0, Ordering::Release);
    }

    /// Waits until all that was asked for is done.
    pub fn drain(&self) {
        while self.shared.pending.load(Ordering::Acquire) > 0 {
            thread::yield_now();
        }
    }

    fn send(&mut self, job: Job) {
        self.shared.pending.fetch_add(1, Ordering::AcqRel);
        if self.sender.is_none() {
            self.sender = start(&self.shared);
        }
        let unsent = match &self.sender {
            Some(sender) => sender.send(job).err().map(|error| error.0),
            None => Some(job),
        };
        // Without a thread the loop has to wait itself.
        if let Some(job) = unsent {
            job.run(&self.shared);
        }
    }
}

fn start(shared: &Arc<Shared>) -> Option<mpsc::Sender<Job>> {
    let (sender, receiver) = mpsc::channel::<Job>();
    let shared = Arc::clone(shared);
    let work = move || {
        let _stack = SignalStack::begin();
        receiver.into_iter().for_each(|job| job.run(&shared));
    };
    thread::Builder::new().name("disk".to_owned()).spawn(work).ok().map(|_| sender)
}

impl Job {
    fn run(self, shared: &Shared) {
        match self {
            Job::Sync(file, written) => {
                shared.finish(&file.sync_data(), written);
                shared.syncs_pending.fetch_sub(1, Ordering::AcqRel);
            }
            Job::SyncAndClose(file, written) => shared.finish(&file.sync_data(), written),
            Job::Close(file) => drop(file),
        }
        shared.pending.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shared {
    fn finish(&self, result: &io::Result<()>, written: u64) {
        if result.is_ok() {
            self.synced.fetch_max(written, Ordering::AcqRel);
        }
        let number = result.as_ref().err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
        self.error.store(number, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_synced_file_is_counted_and_a_removed_one_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        let mut file = File::create(&path).expect("a file");
        file.write_all(b"hello").expect("written");
        let file = Arc::new(file);
        let mut disk = DiskThread::default();
        disk.sync(&file, 5);
        disk.drain();
        assert_eq!((disk.synced(), disk.error().is_none()), (5, true));
        disk.remove(&path);
        assert!(!path.exists());
        disk.sync_and_close(file, 7);
        disk.drain();
        assert_eq!((disk.synced(), disk.is_syncing()), (7, false));
    }
}
