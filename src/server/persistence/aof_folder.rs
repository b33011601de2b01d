//! The files of the log in their folder: found at start, opened, begun, deleted.
//!
//! Changes of the manifest are made on a copy. Only when that is on the disk it becomes the one the server goes by, so
//! what the server believes and what it will find after a crash are the same.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::persist::aof::manifest::{self, Manifest};
use crate::persist::aof::{Aof, Failed, Mode, failed};
use crate::server::Server;
use crate::util::platform::os_error_text;

/// The place of a file in the folder.
pub fn path(config: &Config, name: &str) -> PathBuf {
    Path::new(&config.appenddirname).join(name)
}

/// The folder of the log that is written: that of a backup, while it is one's alone.
fn folder(aof: &Aof, config: &Config) -> PathBuf {
    aof.aside.as_ref().map_or_else(|| PathBuf::from(&config.appenddirname), |aside| aside.folder.clone())
}

/// The place of a file of the log that is written.
pub fn place(aof: &Aof, config: &Config, name: &str) -> PathBuf {
    folder(aof, config).join(name)
}

/// The file that gathers commands until there is a base for them.
pub fn temporary_increment(config: &Config) -> String {
    format!("temp-{}.incr", config.appendfilename)
}

/// Makes the folder, if it is not there.
pub fn make(config: &Config) -> Result<(), Failed> {
    let folder = Path::new(&config.appenddirname);
    match fs::create_dir(folder) {
        Err(error) if !(error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir()) => Err(failed(format!(
            "Can't open or create append-only dir {}: {}",
            config.appenddirname,
            os_error_text(&error)
        ))),
        _ => Ok(()),
    }
}

/// Reads the manifest; an empty one if there is none.
pub fn read_manifest(config: &Config) -> Result<Manifest, Failed> {
    if !Path::new(&config.appenddirname).is_dir() {
        log::debug!("The AOF directory {} doesn't exist", config.appenddirname);
        return Ok(Manifest::default());
    }
    let path = manifest::path(Path::new(&config.appenddirname), &config.appendfilename);
    match manifest::load(&path) {
        Ok(Some(Ok(manifest))) => Ok(manifest),
        Ok(Some(Err(error))) => Err(failed(error.to_string())),
        Ok(None) => {
            log::debug!("The AOF manifest file {}.manifest doesn't exist", config.appendfilename);
            Ok(Manifest::default())
        }
        Err(error) => Err(failed(format!(
            "Fatal error: can't open the AOF manifest file {} for reading: {}",
            path.display(),
            os_error_text(&error)
        ))),
    }
}

/// Has the manifest of the log known before the log is begun, if it was not read at start.
pub fn know_manifest(aof: &mut Aof, config: &Config) -> Result<(), Failed> {
    if aof.manifest.is_empty() {
        aof.manifest = read_manifest(config)?;
    }
    Ok(())
}

/// Makes a manifest the one that counts, if it is another. A backup has none on the disk before it is whole.
pub fn replace_manifest(aof: &mut Aof, config: &Config, manifest: Manifest) -> Result<(), Failed> {
    if aof.aside.is_some() {
        aof.manifest = manifest;
    } else if manifest != aof.manifest {
        manifest::store(&manifest, Path::new(&config.appenddirname), &config.appendfilename).map_err(failed)?;
        aof.manifest = manifest;
    }
    Ok(())
}

/// Takes over the one file of an old version, where there is one and nothing newer: it becomes the base.
pub fn upgrade(aof: &mut Aof, config: &Config) -> Result<(), Failed> {
    let (old, name) = (Path::new(&config.appendfilename), &config.appendfilename);
    if !old.is_file() {
        return Ok(());
    }
    let new = path(config, name);
    let was_interrupted = aof.manifest.increments.is_empty()
        && aof.manifest.base.as_ref().is_some_and(|base| base.name == *name)
        && !new.exists();
    if !aof.manifest.is_empty() && !was_interrupted {
        return Ok(());
    }
    make(config)?;
    let mut manifest = aof.manifest.clone();
    manifest.adopt(name);
    replace_manifest(aof, config, manifest)?;
    fs::rename(old, &new).map_err(|error| {
        let (folder, error) = (&config.appenddirname, os_error_text(&error));
        failed(format!("Error trying to move the old AOF file {name} into dir {folder}: {error}"))
    })?;
    log::info!(
        "Successfully migrated an old-style AOF file ({name}) into the AOF directory ({}).",
        config.appenddirname
    );
    Ok(())
}

/// The size of a file of the log that is written; an error is logged.
pub fn bytes_of(server: &mut Server, name: &str) -> io::Result<u64> {
    let place = place(&server.persist.aof, &server.config, name);
    bytes_at(server, &place, name)
}

/// The same for a file of any log.
pub fn bytes_at(server: &mut Server, place: &Path, name: &str) -> io::Result<u64> {
    let started = std::time::Instant::now();
    let size = fs::metadata(place).map(|metadata| metadata.len());
    server.latency.sample("aof-fstat", started.elapsed().as_millis() as u64, server.clock.unix_ms());
    size.inspect_err(|error| {
        log::warn!("Unable to obtain the AOF file {name} length. stat: {}", os_error_text(error));
    })
}

/// Opens an increment for writing: a new one, or to go on with it.
pub fn open_increment(aof: &Aof, config: &Config, name: &str, new: bool) -> Result<File, Failed> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(new).mode(0o644).custom_flags(libc::O_APPEND);
    options
        .open(place(aof, config, name))
        .map_err(|error| failed(format!("Can't open the append-only file {name}: {}", os_error_text(&error))))
}

/// Begins a new increment for a reason, such as a rewrite that is about to start; one without a place in the manifest
/// while there is no base. Nothing is changed if that fails.
pub fn begin_increment(server: &mut Server, reason: &str) -> Result<(), Failed> {
    let Server { persist, config, .. } = server;
    let aof = &mut persist.aof;
    let mut manifest = aof.manifest.clone();
    let name = match aof.mode {
        Mode::Off => return Ok(()),
        Mode::Waiting => temporary_increment(config),
        Mode::On => manifest.new_increment(&config.appendfilename).to_owned(),
    };
    let file = open_increment(aof, config, &name, true)?;
    replace_manifest(aof, config, manifest)?;
    log::info!("Creating AOF incr file {name} on {reason}");
    aof.earlier_bytes += aof.writer.bytes();
    aof.writer.begin_file(file, 0);
    aof.gathers = true;
    Ok(())
}

/// Deletes what is no longer needed, in the background, unless that is not wanted.
pub fn delete_history(server: &mut Server) {
    let Server { persist, config, .. } = server;
    let aof = &mut persist.aof;
    if aof.manifest.history.is_empty() || config.aof_disable_auto_gc {
        return;
    }
    let mut manifest = aof.manifest.clone();
    for part in std::mem::take(&mut manifest.history) {
        log::info!("Removing the history file {} in the background", part.name);
        aof.writer.disk.remove(&path(config, &part.name));
    }
    // Files that are gone do no harm in the manifest's history.
    replace_manifest(aof, config, manifest).ok();
}
