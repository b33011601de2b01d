//! Writing commands to the append-only file.
//!
//! Commands are collected while a turn of the loop lasts and written with one call before the replies go out, so
//! what a client was told is in the file. When it is on the disk depends on `appendfsync`:
//! - `always`: before the replies go out. What cannot be written or synced cannot be taken back either, since the
//!   data has changed already, so the server ends rather than acknowledge it.
//! - `everysec`: the disk thread syncs once a second. While it is busy the next write waits, since it would have to
//!   wait in the kernel; but no longer than two seconds.
//! - `no`: when the kernel sees fit.
//!
//! A write that fails leaves its commands here, and is tried again before each wait; meanwhile writes are refused.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::DiskThread;
use crate::config::AppendFsync;
use crate::util::platform::os_error_text;

/// How long a write waits for a sync that is under way, in seconds.
const POSTPONED_MAX_S: i64 = 2;
/// Failures are logged no more often than this, in seconds.
const LOG_EVERY_S: i64 = 30;
/// A buffer above this size is given back, in bytes.
const BUFFER_KEPT: usize = 1 << 20;

/// What the decision to write and to sync depends on.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// `appendfsync`.
    pub policy: AppendFsync,
    /// The time, in Unix seconds.
    pub now_s: i64,
    /// A child writes to the disk and `no-appendfsync-on-rewrite` says to leave it alone.
    pub rests: bool,
    /// Write now, come what may.
    pub force: bool,
    /// Microseconds to rest before a write: DEBUG AOF-FLUSH-SLEEP.
    pub rest_us: u32,
}

/// What a flush did.
#[derive(Debug, PartialEq, Eq)]
pub enum Flushed {
    /// There was nothing to write.
    Nothing,
    /// It waits for a sync that is under way.
    Postponed,
    /// All is written; whether a sync was under way at that time.
    Written(bool),
    /// It failed and is to be tried again.
    Failed,
    /// It failed for good: the promise of `always` cannot be kept.
    Fatal,
}

/// The file that is written, and what is yet to be written.
#[derive(Debug, Default)]
pub struct Writer {
    file: Option<Arc<File>>,
    buffer: Vec<u8>,
    /// The database of the last command.
    selected: Option<usize>,
    /// The second of the last timestamp, in Unix time.
    stamped_s: i64,
    /// Bytes in the file.
    bytes: u64,
    /// Bytes that ever were added here.
    fed: u64,
    /// How much of that a sync was asked for.
    sync_asked: u64,
    last_sync_s: i64,
    postponed_since_s: Option<i64>,
    last_log_s: i64,
    /// Why the last write failed.
    pub error: Option<io::Error>,
    /// Writes that did not wait for a sync any longer.
    pub delayed_syncs: u64,
    /// How long the last write and the last sync took.
    pub took: Took,
    /// The thread that syncs.
    pub disk: DiskThread,
}

/// How long a flush took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// To write.
    pub write: Option<Duration>,
    /// To sync, where the loop waited for that.
    pub sync: Option<Duration>,
}

impl Writer {
    /// Goes on with this file, which has so many bytes. The one before is brought to the disk and closed.
    pub fn begin_file(&mut self, file: File, bytes: u64) {
        self.end_file();
        self.file = Some(Arc::new(file));
        self.bytes = bytes;
        self.sync_asked = self.written();
        self.selected = None;
    }

    /// Writes no more to the file.
    pub fn end_file(&mut self) {
        if let Some(file) = self.file.take() {
            self.disk.sync_and_close(file, self.written());
        }
    }

    /// Forgets what waits to be written.
    pub fn forget_pending(&mut self) {
        self.buffer = Vec::new();
        self.selected = None;
    }

    /// Bytes ever added.
    pub fn fed(&self) -> u64 {
        self.fed
    }

    /// Bytes ever written.
    fn written(&self) -> u64 {
        self.fed - self.buffer.len() as u64
    }

    /// Whether there is a file.
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Bytes in the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes waiting to be written.
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The memory of what waits.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Adds an encoded command, of a database if it matters which, with the time before it if that is wanted.
    pub fn append(&mut self, db: Option<usize>, request: &[u8], stamp_s: Option<i64>) {
        let before = self.buffer.len();
        if let Some(now_s) = stamp_s.filter(|now| *now > self.stamped_s) {
            self.stamped_s = now_s;
            write_all(&mut self.buffer, format_args!("#TS:{now_s}\r\n"));
        }
        if let Some(db) = db.filter(|db| self.selected != Some(*db)) {
            self.selected = Some(db);
            let number = db.to_string();
            let length = number.len();
            write_all(&mut self.buffer, format_args!("*2\r\n$6\r\nSELECT\r\n${length}\r\n{number}\r\n"));
        }
        self.buffer.extend_from_slice(request);
        self.fed += (self.buffer.len() - before) as u64;
    }

    /// Writes and syncs as the conditions say.
    pub fn flush(&mut self, conditions: Conditions) -> Flushed {
        self.took = Took::default();
        let Some(file) = self.file.clone() else { return Flushed::Nothing };
        let every_second = conditions.policy == AppendFsync::EverySec;
        let syncing = every_second && self.disk.is_syncing();
        if self.buffer.is_empty() {
            let unsynced = self.sync_asked != self.written() || self.disk.error().is_some();
            let unsynced = unsynced && conditions.policy != AppendFsync::No;
            return if unsynced { self.sync(conditions, syncing, Flushed::Nothing) } else { Flushed::Nothing };
        }
        if syncing && !conditions.force && self.waits_for_sync(conditions.now_s) {
            return Flushed::Postponed;
        }
        if conditions.rest_us > 0 {
            std::thread::sleep(Duration::from_micros(conditions.rest_us.into()));
        }
        let started = Instant::now();
        let result = write_as_much(&file, &self.buffer);
        self.took.write = Some(started.elapsed());
        self.postponed_since_s = None;
        match result {
            Ok(written) if written == self.buffer.len() => self.wrote_all(written),
            result => return self.failed(conditions, result),
        }
        self.sync(conditions, syncing, Flushed::Written(syncing))
    }

    /// Whether a write is to wait for the sync under way.
    fn waits_for_sync(&mut self, now_s: i64) -> bool {
        let since_s = *self.postponed_since_s.get_or_insert(now_s);
        if now_s - since_s < POSTPONED_MAX_S {
            return true;
        }
        self.delayed_syncs += 1;
        log::info!(
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for \
             fsync to complete, this may slow down Redis."
        );
        false
    }

    fn wrote_all(&mut self, bytes: usize) {
        if self.error.take().is_some() {
            log::warn!("AOF write error looks solved, Redis can write again.");
        }
        self.bytes += bytes as u64;
        match self.buffer.capacity() > BUFFER_KEPT {
            true => self.buffer = Vec::new(),
            false => self.buffer.clear(),
        }
    }

    /// A write failed, wholly or in part: the part is taken back, or else what is in the file is forgotten here.
    fn failed(&mut self, conditions: Conditions, result: io::Result<usize>) -> Flushed {
        let logs = conditions.now_s - self.last_log_s > LOG_EVERY_S;
        if logs {
            self.last_log_s = conditions.now_s;
        }
        let error = match result {
            Err(error) => {
                if logs {
                    log::warn!("Error writing to the AOF file: {}", os_error_text(&error));
                }
                error
            }
            Ok(written) => {
                if logs {
                    log::warn!(
                        "Short write while writing to the AOF file: (nwritten={written}, expected={})",
                        self.buffer.len()
                    );
                }
                self.take_back(written, logs);
                io::Error::from_raw_os_error(libc::ENOSPC)
            }
        };
        self.error = Some(error);
        if conditions.policy == AppendFsync::Always {
            log::warn!("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...");
            return Flushed::Fatal;
        }
        Flushed::Failed
    }

    fn take_back(&mut self, written: usize, logs: bool) {
        let Some(file) = &self.file else { return };
        if let Err(error) = file.set_len(self.bytes) {
            if logs {
                log::warn!(
                    "Could not remove short write from the append-only file.  Redis may refuse to load the AOF the \
                     next time it starts.  ftruncate: {error}"
                );
            }
            self.bytes += written as u64;
            self.buffer.drain(..written);
        }
    }

    fn sync(&mut self, conditions: Conditions, syncing: bool, done: Flushed) -> Flushed {
        let Some(file) = self.file.as_ref().filter(|_| !conditions.rests) else { return done };
        match conditions.policy {
            AppendFsync::No => {}
            AppendFsync::Always => {
                let started = Instant::now();
                if let Err(error) = file.sync_data() {
                    log::warn!(
                        "Can't persist AOF for fsync error when the AOF fsync policy is 'always': {}. Exiting...",
                        os_error_text(&error)
                    );
                    return Flushed::Fatal;
                }
                self.took.sync = Some(started.elapsed());
                self.sync_asked = self.written();
                self.disk.note_synced(self.sync_asked);
                self.last_sync_s = conditions.now_s;
            }
            AppendFsync::EverySec if conditions.now_s > self.last_sync_s => {
                if !syncing {
                    self.sync_asked = self.written();
                    self.disk.sync(file, self.sync_asked);
                    self.last_sync_s = conditions.now_s;
                }
            }
            AppendFsync::EverySec => {}
        }
        done
    }

    /// Brings the file to the disk, here and now.
    ///
    /// # Errors
    /// Why that is not possible, also where something could not even be written.
    pub fn sync_now(&mut self) -> io::Result<()> {
        if let Some(error) = self.error.as_ref().filter(|_| !self.buffer.is_empty()) {
            return Err(io::Error::new(error.kind(), os_error_text(error)));
        }
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.sync_data()?;
        self.sync_asked = self.written();
        self.disk.note_synced(self.sync_asked);
        Ok(())
    }

    /// Writes and syncs all there is, before the file is written no more.
    pub fn finish(&mut self, conditions: Conditions) -> Flushed {
        let flushed = self.flush(Conditions { force: true, ..conditions });
        let Some(file) = &self.file else { return flushed };
        match file.sync_data() {
            Ok(()) => {
                self.sync_asked = self.written();
                self.disk.note_synced(self.sync_asked);
            }
            Err(error) => log::warn!("Fail to fsync the AOF file: {}", os_error_text(&error)),
        }
        flushed
    }
}

/// Writes until all is written or an error occurs; how much that was. The kernel may take less than it is given, but
/// as a rule one call is enough.
fn write_as_much(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(count) if count > 0 => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if written == 0 => return Err(error),
            Ok(_) | Err(_) => break,
        }
    }
    Ok(written)
}

fn write_all(buffer: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // A vector takes everything.
    buffer.write_fmt(text).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::path::{Path, PathBuf};

    const SET: &str = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

    struct Bench {
        writer: Writer,
        path: PathBuf,
        _folder: tempfile::TempDir,
    }

    fn bench() -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.1.incr.aof");
        let mut writer = Writer::default();
        writer.begin_file(open(&path), 0);
        Bench { writer, path, _folder: folder }
    }

    fn open(path: &Path) -> File {
        OpenOptions::new().append(true).create(true).open(path).expect("a file")
    }

    fn at(policy: AppendFsync, now_s: i64) -> Conditions {
        Conditions { policy, now_s, rests: false, force: false, rest_us: 0 }
    }

    fn set(writer: &mut Writer, db: usize) {
        writer.append(Some(db), SET.as_bytes(), None);
    }

    #[test]
    fn a_command_is_written_with_its_database_once() {
        let mut bench = bench();
        for db in [3, 3, 0] {
            set(&mut bench.writer, db);
        }
        assert_eq!(bench.writer.flush(at(AppendFsync::No, 1)), Flushed::Written(false));
        let select = |db: usize| format!("*2\r\n$6\r\nSELECT\r\n$1\r\n{db}\r\n");
        let expected = format!("{}{SET}{SET}{}{SET}", select(3), select(0));
        assert_eq!(std::fs::read_to_string(&bench.path).expect("text"), expected);
        assert_eq!(bench.writer.bytes(), expected.len() as u64);
        assert_eq!(bench.writer.flush(at(AppendFsync::No, 1)), Flushed::Nothing);
    }

    #[test]
    fn a_new_file_begins_with_its_database() {
        let mut bench = bench();
        set(&mut bench.writer, 0);
        bench.writer.flush(at(AppendFsync::No, 1));
        let second = bench.path.with_file_name("a.2.incr.aof");
        bench.writer.begin_file(open(&second), 0);
        set(&mut bench.writer, 0);
        bench.writer.flush(at(AppendFsync::No, 1));
        assert!(std::fs::read_to_string(&second).expect("text").starts_with("*2\r\n$6\r\nSELECT"));
    }

    #[test]
    fn timestamps_stand_before_the_first_command_of_a_second() {
        let mut bench = bench();
        for now_s in [7, 7, 8] {
            bench.writer.append(Some(0), SET.as_bytes(), Some(now_s));
        }
        let text = String::from_utf8(bench.writer.buffer.clone()).expect("text");
        assert!(text.starts_with("#TS:7\r\n*2"));
        assert_eq!(text.matches("#TS:").count(), 2);
        assert!(text.ends_with(&format!("#TS:8\r\n{SET}")));
    }

    #[test]
    fn always_has_everything_on_the_disk_when_the_flush_is_over() {
        let mut bench = bench();
        set(&mut bench.writer, 0);
        assert_eq!(bench.writer.flush(at(AppendFsync::Always, 1)), Flushed::Written(false));
        assert_eq!(bench.writer.disk.synced(), bench.writer.bytes());
    }

    #[test]
    fn everysec_syncs_once_a_second_also_when_nothing_is_written_any_more() {
        let mut bench = bench();
        set(&mut bench.writer, 0);
        bench.writer.flush(at(AppendFsync::EverySec, 1));
        bench.writer.disk.drain();
        let first = bench.writer.disk.synced();
        assert_eq!(first, bench.writer.bytes());
        set(&mut bench.writer, 0);
        bench.writer.flush(at(AppendFsync::EverySec, 1));
        bench.writer.disk.drain();
        assert_eq!(bench.writer.disk.synced(), first, "the second is not over");
        assert_eq!(bench.writer.flush(at(AppendFsync::EverySec, 2)), Flushed::Nothing);
        bench.writer.disk.drain();
        assert_eq!(bench.writer.disk.synced(), bench.writer.bytes());
    }

    #[test]
    fn no_sync_is_asked_for_while_a_child_is_left_alone() {
        let mut bench = bench();
        set(&mut bench.writer, 0);
        let conditions = Conditions { rests: true, ..at(AppendFsync::Always, 1) };
        assert_eq!(bench.writer.flush(conditions), Flushed::Written(false));
        assert_eq!(bench.writer.disk.synced(), 0);
    }

    #[test]
    fn a_write_that_failed_is_tried_again_and_ends_the_server_with_always() {
        // A device that is always full, where there is one.
        let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else { return };
        let mut bench = bench();
        bench.writer.begin_file(full, 0);
        bench.writer.disk.drain();
        set(&mut bench.writer, 0);
        assert_eq!(bench.writer.flush(at(AppendFsync::EverySec, 1)), Flushed::Failed);
        assert!(bench.writer.error.is_some());
        let pending = bench.writer.pending_bytes();
        assert!(pending > 0);
        assert_eq!(bench.writer.flush(at(AppendFsync::Always, 1)), Flushed::Fatal);
        let file = open(&bench.path);
        bench.writer.file = Some(Arc::new(file));
        assert_eq!(bench.writer.flush(at(AppendFsync::EverySec, 1)), Flushed::Written(false));
        assert!(bench.writer.error.is_none());
        assert_eq!(std::fs::metadata(&bench.path).expect("a file").len(), pending as u64);
    }
}
