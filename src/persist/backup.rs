//! A backup: a log of its own, made while the data set is written to.
//!
//! It stands in a folder besides the data, `backupdirname`, and is what a server loads that is started with that folder
//! as its `appenddirname`: a base, which is the data set as it was when the backup began, the increments since, and a
//! manifest. A client begins it, copies the base while increments grow, seals it, and copies the rest:
//! ```text
//! idle ──START──> pending ──> snapshotting ──> incrementing ──SEAL──> sealed
//!  ^ ^               └─────────────┴─────────────────┴──> failed        │
//!  │ └──────────────────────CLEANUP, START──────────────────┘           │
//!  └────────────────────────CLEANUP, `backup-sealed-ttl`────────────────┘
//! ```
//! A server that logs its commands anyway gives its files second names in the folder (hard links). One that does not
//! begins a log for the backup alone, which is written in the folder from the first byte ([`super::aof::Aside`]).
//!
//! What is known of a backup ends with the server. Its files stay then, and the next CLEANUP finds them by their names;
//! no other file is ever deleted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::aof::disk::DiskThread;
use super::aof::manifest::{self, Manifest, Part};
use crate::util::platform::os_error_text;

/// How far a backup is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// There is none.
    #[default]
    Idle,
    /// It waits for another child to end.
    Pending,
    /// Its base is being written.
    Snapshotting,
    /// The base is there, and commands are logged.
    Incrementing,
    /// It is whole, and changes no more.
    Sealed,
    /// It was given up.
    Failed,
}

impl State {
    /// Its name for clients.
    pub fn name(self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::Pending => "pending",
            State::Snapshotting => "snapshotting",
            State::Incrementing => "incrementing",
            State::Sealed => "sealed",
            State::Failed => "failed",
        }
    }
}

/// The backup there is, or the last one.
#[derive(Debug, Default)]
pub struct Backup {
    /// How far it is.
    pub state: State,
    /// Why it failed.
    pub error: String,
    /// When it was begun, in Unix seconds; 0 if there is none.
    pub start_s: i64,
    /// When it was sealed, in Unix seconds; 0 until then.
    pub end_s: i64,
    /// Its folder, absolute: the server may change its working directory meanwhile.
    folder: PathBuf,
    /// The first part of its files' names, which is that of the log.
    stem: String,
    /// The base, once that stands in the folder.
    base: Option<Part>,
    /// The increments that stand in the folder.
    pub increments: Vec<Part>,
}

impl Backup {
    /// Begins one, which waits for its base.
    pub fn begin(&mut self, folder: PathBuf, stem: &str, now_s: i64) {
        let stem = stem.to_owned();
        *self = Backup { state: State::Pending, start_s: now_s, folder, stem, ..Backup::default() };
    }

    /// Whether it was begun and has not ended.
    pub fn is_in_progress(&self) -> bool {
        matches!(self.state, State::Pending | State::Snapshotting | State::Incrementing)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A rewrite of the log is at work, whose base is that of the backup, too.
    pub fn rewrite_began(&mut self) {
        if self.state == State::Pending {
            self.state = State::Snapshotting;
        }
    }

    /// The base stands in the folder.
    pub fn base_is_there(&mut self, base: Part) {
        self.base = Some(base);
        self.state = State::Incrementing;
    }

    /// Gives a file of a folder its second name in that of the backup.
    ///
    /// # Errors
    /// What did not work.
    pub fn link(&self, from: &Path, name: &str) -> Result<(), String> {
        fs::hard_link(from, self.folder.join(name))
            .map_err(|error| format!("can't link {} into the backup: {}", from.display(), os_error_text(&error)))
    }

    /// Writes the manifest; all files stand in the folder.
    ///
    /// # Errors
    /// What did not work.
    pub fn seal(&mut self, now_s: i64) -> Result<(), String> {
        let base = self.base.clone().ok_or("it has no base")?;
        let manifest = Manifest::of(base, self.increments.clone());
        manifest::store(&manifest, &self.folder, &self.stem)?;
        (self.state, self.end_s) = (State::Sealed, now_s);
        Ok(())
    }

    /// Gives it up: its files are deleted.
    pub fn fail(&mut self, error: &str, disk: &mut DiskThread) {
        log::warn!("The backup failed: {error}");
        (self.state, self.error) = (State::Failed, error.to_owned());
        (self.base, self.increments) = (None, Vec::new());
        remove_files(&self.folder, &self.stem, disk);
    }

    /// Forgets it and deletes its files.
    pub fn clean_up(&mut self, disk: &mut DiskThread) {
        if self.state != State::Idle {
            remove_files(&self.folder, &self.stem, disk);
        }
        *self = Backup::default();
    }

    /// The files that change no more, in the order of the manifest, which is the last.
    pub fn files(&self) -> Vec<PathBuf> {
        let sealed = self.state == State::Sealed;
        let increments = if sealed { self.increments.as_slice() } else { &[] };
        let parts = self.base.iter().chain(increments).map(|part| self.folder.join(&part.name));
        parts.chain(sealed.then(|| manifest::path(&self.folder, &self.stem))).collect()
    }
}

/// Makes the folder of a backup. It must hold nothing: what is there might be somebody's.
///
/// # Errors
/// What is wrong with it; `name` is what the user calls it.
pub fn make_folder(folder: &Path, name: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("Can't open or create backup dir {name}: {}", os_error_text(&error));
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    match fs::read_dir(folder).map_err(failed)?.next() {
        Some(_) => Err(format!("Backup dir {name} is not empty")),
        None => Ok(()),
    }
}

/// Deletes the files of a backup from a folder, and none that has another name.
pub fn remove_files(folder: &Path, stem: &str, disk: &mut DiskThread) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| is_of_backup(name, stem)) {
            disk.remove(&entry.path());
        }
    }
}

/// Whether a file of the backup has this name, or one on its way to that.
fn is_of_backup(name: &str, stem: &str) -> bool {
    if let Some(temporary) = name.strip_prefix("temp-").and_then(|name| name.strip_prefix(stem)) {
        return matches!(temporary, ".manifest" | ".incr");
    }
    let Some(rest) = name.strip_prefix(stem) else { return false };
    let numbered = rest.strip_prefix('.').and_then(|rest| rest.split_once('.'));
    match numbered {
        Some((number, "base.rdb" | "base.aof" | "incr.aof")) => number.bytes().all(|byte| byte.is_ascii_digit()),
        _ => rest == ".manifest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEM: &str = "appendonly.aof";

    fn part(name: &str, seq: i64) -> Part {
        Part { name: name.to_owned(), seq }
    }

    #[test]
    fn only_names_of_a_log_are_those_of_a_backup() {
        for name in ["1.base.rdb", "27.base.aof", "3.incr.aof", "manifest"] {
            assert!(is_of_backup(&format!("{STEM}.{name}"), STEM), "{name}");
        }
        for name in ["temp-appendonly.aof.manifest", "temp-appendonly.aof.incr"] {
            assert!(is_of_backup(name, STEM), "{name}");
        }
        for name in
            ["appendonly.aof", "appendonly.aof.x.incr.aof", "appendonly.aof.1.incr.aof.gz", "dump.rdb", "manifest"]
        {
            assert!(!is_of_backup(name, STEM), "{name}");
        }
        assert!(!is_of_backup("other.aof.1.incr.aof", STEM));
        assert!(!is_of_backup("temp-appendonly.aof.1.incr.aof", STEM));
    }

    #[test]
    fn a_sealed_backup_names_its_files_in_the_order_of_its_manifest() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut backup = Backup::default();
        assert!(!backup.is_in_progress());
        backup.begin(folder.path().to_owned(), STEM, 7);
        assert_eq!((backup.state, backup.start_s, backup.files()), (State::Pending, 7, Vec::new()));
        backup.rewrite_began();
        assert_eq!(backup.state, State::Snapshotting);
        backup.base_is_there(part("appendonly.aof.2.base.rdb", 2));
        backup.increments = vec![part("appendonly.aof.5.incr.aof", 5)];
        assert_eq!(backup.files(), [folder.path().join("appendonly.aof.2.base.rdb")]);
        backup.seal(9).expect("sealed");
        let names: Vec<_> = backup.files().iter().map(|file| file.file_name().expect("a name").to_owned()).collect();
        assert_eq!(names, ["appendonly.aof.2.base.rdb", "appendonly.aof.5.incr.aof", "appendonly.aof.manifest"]);
        let text = fs::read_to_string(folder.path().join("appendonly.aof.manifest")).expect("a manifest");
        assert_eq!(text, "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.5.incr.aof seq 5 type i\n");
        assert_eq!((backup.state, backup.end_s), (State::Sealed, 9));
    }

    #[test]
    fn cleaning_up_leaves_files_of_others_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut disk = DiskThread::default();
        for name in ["appendonly.aof.1.base.rdb", "appendonly.aof.manifest", "notes.txt"] {
            fs::write(folder.path().join(name), "x").expect("written");
        }
        remove_files(folder.path(), STEM, &mut disk);
        let left: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
        assert_eq!(make_folder(folder.path(), "backups"), Err("Backup dir backups is not empty".to_owned()));
        remove_files(&folder.path().join("missing"), STEM, &mut disk);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("written");
        assert_eq!(make_folder(&file, "file"), Err("Can't open or create backup dir file: Not a directory".to_owned()));
        assert!(make_folder(&folder.path().join("a/b"), "b").expect_err("no parent").contains("No such file"));
        assert_eq!(make_folder(&folder.path().join("new"), "new"), Ok(()));
    }
}
