//! The file `nodes.conf`: whose it is, and how it is replaced.
//!
//! It belongs to the process that holds a lock on it (`flock`, as Redis does), so that two nodes never share one. A new
//! version is written beside it, locked, and takes its place in one step: whoever reads finds the old one or the new
//! one, and the lock is never given up.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::util::replace_file::sync_folder;

/// The mode of a new file, less what the umask takes.
const MODE: u32 = 0o644;
/// How often a file may be replaced by another process while this one takes hold of it.
const TRIES: usize = 100;

/// The file, held by this process.
#[derive(Debug)]
pub struct ConfFile {
    /// Absolute: the working directory may change.
    path: PathBuf,
    /// What holds the lock.
    held: File,
}

/// Why a file cannot be used: the text for the log.
#[derive(Debug)]
pub struct OpenError(pub String);

impl ConfFile {
    /// Takes hold of a file, and reads it. It is made if there is none; `None` for an empty one.
    ///
    /// # Errors
    /// When another process holds it, or it can be neither read nor made.
    pub fn open(path: &str) -> Result<(ConfFile, Option<String>), OpenError> {
        let failed = |what: &str, error: io::Error| OpenError(format!("{what} {path}: {error}"));
        let absolute = std::path::absolute(path).map_err(|error| failed("Can't open", error))?;
        let held = hold(&absolute, path)?;
        let mut text = String::new();
        let mut file = &held;
        file.read_to_string(&mut text).map_err(|error| failed("Loading the cluster node config from", error))?;
        Ok((ConfFile { path: absolute, held }, (!text.is_empty()).then_some(text)))
    }

    /// Replaces the content, on the disk if that is asked for.
    ///
    /// # Errors
    /// Those of writing; the old content stays then.
    pub fn save(&mut self, text: &str, on_disk: bool) -> io::Result<()> {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".tmp-{}", std::process::id()));
        let temporary = PathBuf::from(name);
        let written = (|| {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&temporary)?;
            file.try_lock().map_err(io::Error::from)?;
            (&file).write_all(text.as_bytes())?;
            if on_disk {
                file.sync_all()?;
            }
            fs::rename(&temporary, &self.path)?;
            if on_disk {
                sync_folder(&self.path)?;
            }
            Ok(file)
        })();
        match written {
            Ok(file) => {
                self.held = file;
                Ok(())
            }
            Err(error) => {
                // The error that led here is the one to report.
                fs::remove_file(&temporary).ok();
                Err(error)
            }
        }
    }

    /// Whether the file that is held is still the one of its name.
    #[cfg(test)]
    fn is_in_place(&self) -> bool {
        is_at(&self.held, &self.path)
    }
}

/// Opens and locks the file of a name; another that has taken the name meanwhile is tried again.
fn hold(path: &Path, shown: &str) -> Result<File, OpenError> {
    for _ in 0..TRIES {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path);
        let file =
            file.map_err(|error| OpenError(format!("Can't open {shown} in order to acquire a lock: {error}")))?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => return Err(OpenError(format!("Impossible to lock {shown}: {error}"))),
        }
    }
    Err(OpenError(format!(
        "Sorry, the cluster configuration file {shown} is already used by a different Redis Cluster node. Please make \
         sure that different nodes use different cluster configuration files."
    )))
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |one: &fs::Metadata, other: &fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(one), Ok(other)) if same(&one, &other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_one_process_also_once_it_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nodes.conf");
        let path = path.to_str().expect("a name in UTF-8");
        let (mut file, text) = ConfFile::open(path).expect("a new file");
        assert_eq!(text, None);
        for (text, on_disk) in [("one\n", true), ("two\n", false)] {
            let refused = ConfFile::open(path).expect_err("it is held").0;
            assert!(refused.contains("is already used by a different Redis Cluster node"), "{refused}");
            file.save(text, on_disk).expect("a place to write");
            assert!(file.is_in_place());
        }
        drop(file);
        assert_eq!(ConfFile::open(path).expect("a free file").1.as_deref(), Some("two\n"));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nodes.conf");
        let (mut file, _) = ConfFile::open(path.to_str().expect("a name in UTF-8")).expect("a new file");
        file.save("one\n", true).expect("a place to write");
        let taken = format!("{}.tmp-{}", path.display(), std::process::id());
        fs::create_dir(&taken).expect("a folder in the way");
        assert!(file.save("two\n", true).is_err());
        assert!(file.is_in_place());
        assert_eq!(fs::read_to_string(&path).expect("the old file"), "one\n");
    }
}
