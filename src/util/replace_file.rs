//! Replacing a file by a new one in one step that a crash can't cut in half.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a new file beside the old one, has it on the disk before it takes its name.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let (mut file, temporary) = create_beside(path)?;
    let replaced = (|| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    })();
    if replaced.is_err() {
        // The error that led here is the one to report; a leftover file does no harm.
        let _ = fs::remove_file(&temporary);
    }
    replaced
}

fn create_beside(path: &Path) -> io::Result<(fs::File, PathBuf)> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
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
