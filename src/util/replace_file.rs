//! Replacing a file by a new one in one step that a crash can't cut in half.
//!
//! The files replaced here hold passwords. So a new one is for its owner alone, until it has got the owner, the group
//! and the mode of the old one, if there is any.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// The mode of a file that was not there before.
const PRIVATE: u32 = 0o600;
/// What a mode allows the group.
const GROUP: u32 = 0o070;

/// Writes a new file beside the old one, has it on the disk before it takes its name.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let (mut file, temporary) = create_beside(path)?;
    let replaced = (|| {
        if let Ok(old) = fs::metadata(path) {
            resemble(&file, &old)?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(path)
    })();
    if replaced.is_err() {
        // The error that led here is the one to report; a leftover file does no harm.
        let _ = fs::remove_file(&temporary);
    }
    replaced
}

/// Has the name of a file reach the disk.
pub fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

/// Gives a file the owner, the group and the mode of another one. A process that may not give files away remains the
/// owner of what it writes; if it can't even keep the group, the group it has instead gets no rights.
fn resemble(file: &fs::File, old: &fs::Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    let mut mode = old.mode() & 0o777;
    if new.gid() != old.gid() && fchown(file, None, Some(old.gid())).is_err() {
        mode &= !GROUP;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    if new.uid() != old.uid() {
        // Without the privilege nothing can be done about it, and the content is to be written nevertheless.
        fchown(file, Some(old.uid()), None).ok();
    }
    Ok(())
}

fn create_beside(path: &Path) -> io::Result<(fs::File, PathBuf)> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(PRIVATE);
    let mut attempt = 0;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{attempt}", std::process::id()));
        let temporary = PathBuf::from(name);
        match options.open(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_new_file_is_private_and_a_replaced_one_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace_file(&path, b"one").unwrap();
        assert_eq!(mode(&path), 0o600);
        for kept in [0o640, 0o400, 0o666, 0o644, 0o600] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            replace_file(&path, b"two").unwrap();
            assert_eq!((mode(&path), fs::read(&path).unwrap()), (kept, b"two".to_vec()), "{kept:o}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_replaced_file_keeps_its_owner_and_group_where_the_process_may_give_files_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let (owner, group) = (Some(12345), Some(23456));
        if std::os::unix::fs::chown(&path, owner, group).is_err() {
            return;
        }
        replace_file(&path, b"two").unwrap();
        let replaced = fs::metadata(&path).unwrap();
        assert_eq!((Some(replaced.uid()), Some(replaced.gid()), mode(&path)), (owner, group, 0o640));
    }
}
