//! The thread that waits for the disk, so that the loop need not: it brings files to the disk, closes and deletes them.
//!
//! Closing the last handle of a deleted file frees its blocks, which can take long for a big one; that is why files
//! end here as well.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

/// What the thread is asked to do.
enum Job {
    /// Bring the file to the disk, which stands at this point.
    Sync(Arc<File>, Point),
    /// The same, for a file that is written no more.
    SyncAndClose(Arc<File>),
    /// Delete a file.
    Remove(PathBuf),
}

/// How far one of the files written one after the other has come.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    /// The number of the file.
    file: u64,
    /// Bytes in it.
    bytes: u64,
}

/// What loop and thread share.
#[derive(Debug, Default)]
struct Shared {
    /// Jobs that sync and are not done.
    syncs_pending: AtomicU64,
    /// What is known to be on the disk of the file written now.
    synced: Mutex<Point>,
    /// The error number of the last sync; 0 after a success.
    error: AtomicI32,
}

/// The thread, started when it is first needed.
#[derive(Debug, Default)]
pub struct DiskThread {
    sender: Option<mpsc::Sender<Job>>,
    shared: Arc<Shared>,
    /// The number of the file written now.
    current: u64,
}

impl DiskThread {
    /// Has a file brought to the disk that has `bytes` bytes now.
    pub fn sync(&mut self, file: &Arc<File>, bytes: u64) {
        self.shared.syncs_pending.fetch_add(1, Ordering::AcqRel);
        self.send(Job::Sync(Arc::clone(file), Point { file: self.current, bytes }));
    }

    /// Has a file brought to the disk and closed.
    pub fn sync_and_close(&mut self, file: Arc<File>) {
        self.shared.syncs_pending.fetch_add(1, Ordering::AcqRel);
        self.send(Job::SyncAndClose(file));
    }

    /// Has a file deleted.
    pub fn remove(&mut self, path: PathBuf) {
        self.send(Job::Remove(path));
    }

    /// Whether a sync is under way or waits.
    pub fn is_syncing(&self) -> bool {
        self.shared.syncs_pending.load(Ordering::Acquire) > 0
    }

    /// How many syncs are under way or wait.
    pub fn syncs_pending(&self) -> u64 {
        self.shared.syncs_pending.load(Ordering::Acquire)
    }

    /// How much of the file that is written now is known to be on the disk, in bytes.
    pub fn synced_bytes(&self) -> u64 {
        self.shared.synced().bytes
    }

    /// A new file is written from here on, of which so much is on the disk.
    pub fn begin_file(&mut self, synced_bytes: u64) {
        self.current += 1;
        self.note_synced(synced_bytes);
    }

    /// The file written now is on the disk up to here.
    pub fn note_synced(&mut self, bytes: u64) {
        *self.shared.synced() = Point { file: self.current, bytes };
    }

    /// The error of the last sync, if it failed.
    pub fn error(&self) -> Option<io::Error> {
        let number = self.shared.error.load(Ordering::Acquire);
        (number != 0).then(|| io::Error::from_raw_os_error(number))
    }

    /// Waits until all syncs asked for are done.
    pub fn drain(&self) {
        while self.is_syncing() {
            thread::yield_now();
        }
    }

    fn send(&mut self, job: Job) {
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
    let work = move || receiver.into_iter().for_each(|job| job.run(&shared));
    thread::Builder::new().name("disk".to_owned()).spawn(work).ok().map(|_| sender)
}

impl Job {
    fn run(self, shared: &Shared) {
        match self {
            Job::Sync(file, point) => {
                let result = file.sync_data();
                let mut synced = shared.synced();
                // A file that is written no more is of no interest here.
                if result.is_ok() && synced.file == point.file {
                    synced.bytes = synced.bytes.max(point.bytes);
                }
                drop(synced);
                shared.finish(&result);
            }
            Job::SyncAndClose(file) => {
                let result = file.sync_data();
                drop(file);
                shared.finish(&result);
            }
            Job::Remove(path) => {
                if let Err(error) = std::fs::remove_file(&path) {
                    log::warn!("Can't remove {}: {error}", path.display());
                }
            }
        }
    }
}

impl Shared {
    fn synced(&self) -> MutexGuard<'_, Point> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, result: &io::Result<()>) {
        let number = result.as_ref().err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
        self.error.store(number, Ordering::Release);
        self.syncs_pending.fetch_sub(1, Ordering::AcqRel);
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
        assert_eq!((disk.synced_bytes(), disk.error().is_none()), (5, true));
        disk.begin_file(0);
        assert_eq!(disk.synced_bytes(), 0);
        disk.remove(path.clone());
        disk.sync_and_close(file);
        disk.drain();
        assert!(!path.exists());
    }
}
