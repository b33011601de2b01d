//! `preload-file`: at start a data set from elsewhere, such as a backup, is loaded in place of the server's own files.
//!
//! Those are not even looked at. With `appendonly yes` the log begins anew once the data set is there, and what it was
//! before is history; until then it is what it was. A log that is the server's own anyway is loaded and gone on with.

use std::fs::{self, File};
use std::path::Path;

use super::{aof_load, loading};
use crate::config::Config;
use crate::db::Databases;
use crate::persist::aof::manifest::{self, Manifest};
use crate::persist::aof::{Failed, failed};
use crate::server::Server;
use crate::server::persistence::load_state::Origin;
use crate::util::platform::os_error_text;

/// What is to be loaded from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A snapshot.
    Snapshot(String),
    /// A log: its manifest, or a file of commands.
    Log(String),
}

/// What is to be loaded in place of the server's own files, if that is anything else.
pub fn target(config: &Config) -> Option<Target> {
    let (kind, path) = config.preload_file.as_deref()?.split_once(':')?;
    match kind {
        "rdb" => Some(Target::Snapshot(path.to_owned())),
        _ if config.appendonly && is_own(config, path) => None,
        _ => Some(Target::Log(path.to_owned())),
    }
}

fn is_own(config: &Config, path: &str) -> bool {
    let own = manifest::path(Path::new(&config.appenddirname), &config.appendfilename);
    let found = fs::canonicalize(path).ok();
    found.is_some() && found == fs::canonicalize(own).ok()
}

/// Begins to load it.
///
/// # Errors
/// When it is not there or cannot be opened; the error is logged.
pub fn begin(server: &mut Server, db: &mut Databases, target: &Target) -> Result<(), Failed> {
    let (Target::Snapshot(path) | Target::Log(path)) = target;
    log::info!("Loading the data set from {path} (preload-file), in place of that of this server");
    let (from, bytes) = match target {
        Target::Snapshot(path) => snapshot(server, path)?,
        Target::Log(path) => log_of(server, path)?,
    };
    loading::begin_from(server, db, from, bytes, true);
    Ok(())
}

fn refused(path: &str, error: &std::io::Error) -> Failed {
    failed(format!("Fatal error: can't open the preload-file {path} for reading: {}", os_error_text(error)))
}

fn snapshot(server: &Server, path: &str) -> Result<(Origin, u64), Failed> {
    let opened = File::open(path).and_then(|file| {
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    });
    let (file, bytes) = opened.map_err(|error| refused(path, &error))?;
    Ok((loading::snapshot_at_start(server, file, bytes), bytes))
}

fn log_of(server: &mut Server, path: &str) -> Result<(Origin, u64), Failed> {
    let place = Path::new(path);
    let names = if path.ends_with(".manifest") {
        read_manifest(path)?.names()
    } else {
        fs::metadata(place).map_err(|error| refused(path, &error))?;
        let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        vec![(name.to_owned(), false)]
    };
    let folder = place.parent().unwrap_or(Path::new("")).to_owned();
    let log = aof_load::of_files(server, folder, names)?;
    let bytes = log.total_bytes;
    Ok((Origin::Log(Box::new(log)), bytes))
}

fn read_manifest(path: &str) -> Result<Manifest, Failed> {
    match manifest::load(Path::new(path)) {
        Ok(Some(Ok(manifest))) => Ok(manifest),
        Ok(Some(Err(error))) => Err(failed(error.to_string())),
        Ok(None) => Err(refused(path, &std::io::Error::from_raw_os_error(libc::ENOENT))),
        Err(error) => Err(refused(path, &error)),
    }
}
