//! Backups at work: begun, sealed, given up, cleaned up. What one is stands in [`crate::persist::backup`].
//!
//! The base of a backup is that of a rewrite of the log: one that is at work already, or else a new one. From then on
//! there is no further rewrite until the backup has ended, so that it consists of one base and what was logged since.
//! A server without a log begins one for the backup in the folder of the backup; that one is not how it keeps its data:
//! when it cannot be written the backup fails, and no client is refused anything.

use std::fs;
use std::path::{Path, PathBuf};

use super::{aof_folder, aof_switch, aof_write};
use crate::db::Databases;
use crate::persist::aof::Mode;
use crate::persist::backup::{State, make_folder, remove_files};
use crate::persist::fork::Purpose;
use crate::server::Server;
use crate::util::platform::os_error_text;

/// Begins a backup. It has to wait while another child is at work, and for the end of a transaction.
///
/// # Errors
/// Why that is not possible, for the client.
pub fn start(server: &mut Server, db: &mut Databases) -> Result<(), String> {
    let backup = &server.persist.backup;
    if backup.is_in_progress() {
        return Err("A backup is already in progress, ABORT it first".to_owned());
    }
    if backup.state == State::Sealed {
        return Err("A sealed backup exists, CLEANUP it first".to_owned());
    }
    let folder = folder(server)?;
    make_folder(&folder, &server.config.backupdirname)?;
    let now_s = server.clock.unix_ms() / 1000;
    let Server { persist, config, .. } = server;
    persist.backup.begin(folder, &config.appendfilename, now_s);
    // Who asks for a backup does not want it to wait because rewrites failed.
    persist.aof.rewrites.failures = 0;
    let rewrites = persist.child.as_ref().is_some_and(|child| child.purpose == Purpose::AofRewrite);
    if rewrites && persist.aof.is_on() {
        persist.backup.rewrite_began();
    } else if may_begin(server) && !begin_base(server, db) {
        return Err("Can't start the backup. Please check the server logs for more information.".to_owned());
    }
    log::info!("Backup started, its state is {}", server.persist.backup.state.name());
    Ok(())
}

/// The folder of backups, as an absolute path. It must not be that of the log, where files of the same names are.
fn folder(server: &Server) -> Result<PathBuf, String> {
    let config = &server.config;
    let dir = std::env::current_dir().map_err(|error| os_error_text(&error))?;
    let (folder, of_log) = (dir.join(&config.backupdirname), dir.join(&config.appenddirname));
    let same = |folder: &Path| fs::canonicalize(folder).ok();
    if folder == of_log || same(&folder).is_some_and(|folder| same(&of_log) == Some(folder)) {
        return Err("backupdirname and appenddirname are the same folder".to_owned());
    }
    Ok(folder)
}

/// Whether the base can be begun: nothing else is at work, and what there is is the data set, with the log it is to
/// have.
fn may_begin(server: &Server) -> bool {
    let has_log = server.persist.aof.is_on() || !server.config.appendonly;
    server.persist.child.is_none() && !server.in_exec && server.loading.is_none() && has_log
}

/// Begins a rewrite for the base; false if that failed, and the backup with it.
fn begin_base(server: &mut Server, db: &mut Databases) -> bool {
    let folder = server.persist.backup.folder().to_owned();
    let begun = match server.persist.aof.mode {
        Mode::Off => aof_switch::start_aside(server, db, folder),
        Mode::On | Mode::Waiting => super::aof_rewrite::begin(server, db),
    };
    if !begun {
        fail(server, db, "the rewrite of the append only file could not be started");
    }
    begun
}

/// What is due by itself: the base of a backup that waits, the end of one that cannot go on or is kept no longer.
pub fn tick(server: &mut Server, db: &mut Databases) {
    let aof = &server.persist.aof;
    let cannot_write = aof.aside.is_some() && aof.failing;
    match server.persist.backup.state {
        _ if cannot_write => fail(server, db, "the append only file can't be written"),
        State::Pending if may_begin(server) => _ = begin_base(server, db),
        State::Sealed => {
            let ttl_s = i64::try_from(server.config.backup_sealed_ttl).unwrap_or(i64::MAX);
            let age_s = server.clock.unix_ms() / 1000 - server.persist.backup.end_s;
            if ttl_s > 0 && age_s >= ttl_s {
                log::info!("The backup was sealed {age_s} seconds ago, cleaning it up");
                server.persist.backup.clean_up(&mut server.persist.aof.writer.disk);
            }
        }
        // It failed where nothing is known of its log.
        State::Failed => aof_switch::stop_aside(server, db),
        _ => {}
    }
}

/// What follows from the end of a rewrite; `taken` if there is a new base.
pub fn rewrite_ended(server: &mut Server, db: &mut Databases, taken: bool) {
    if server.persist.backup.state != State::Snapshotting {
        return;
    }
    let pinned = if taken { pin_base(server) } else { Err("the rewrite of the append only file failed".to_owned()) };
    match pinned {
        Ok(()) => log::info!("The base of the backup is there"),
        Err(error) => fail(server, db, &error),
    }
}

/// Has the base of the log be that of the backup.
fn pin_base(server: &mut Server) -> Result<(), String> {
    let Server { persist, config, .. } = server;
    let (aof, backup) = (&persist.aof, &mut persist.backup);
    let base = aof.manifest.base.clone().ok_or("the append only file has no base")?;
    match aof.aside {
        Some(_) => backup.increments = aof.manifest.increments.clone(),
        None => backup.link(&aof_folder::path(config, &base.name), &base.name)?,
    }
    backup.base_is_there(base);
    Ok(())
}

/// Ends the backup as what a server can be started with: it holds all that was done up to now.
///
/// # Errors
/// Why that is not possible, for the client. If something went wrong the backup has failed.
pub fn seal(server: &mut Server, db: &mut Databases) -> Result<(), String> {
    if server.persist.backup.state != State::Incrementing {
        return Err("No backup ready to seal (must be in the incrementing state)".to_owned());
    }
    if let Err(error) = seal_files(server) {
        fail(server, db, &error);
        return Err(format!("Can't seal the backup: {error}"));
    }
    log::info!("Backup sealed");
    aof_switch::stop_aside(server, db);
    Ok(())
}

fn seal_files(server: &mut Server) -> Result<(), String> {
    aof_write::flush(server, true);
    let synced = server.persist.aof.writer.sync_now();
    synced.map_err(|error| format!("can't write the append only file: {}", os_error_text(&error)))?;
    if server.persist.aof.aside.is_none() {
        // What is linked must not grow any more.
        let ended = server.persist.aof.manifest.increments.clone();
        aof_folder::begin_increment(server, "backup seal")
            .map_err(|_| "can't begin a new increment of the append only file".to_owned())?;
        let Server { persist, config, .. } = server;
        // A log that was begun for the backup is in its folder from the start.
        if persist.backup.increments.is_empty() {
            for part in &ended {
                persist.backup.link(&aof_folder::path(config, &part.name), &part.name)?;
            }
            persist.backup.increments = ended;
        }
    }
    let now_s = server.clock.unix_ms() / 1000;
    server.persist.backup.seal(now_s)
}

/// Gives up the backup that is being made.
///
/// # Errors
/// When there is none.
pub fn abort(server: &mut Server, db: &mut Databases) -> Result<(), String> {
    if !server.persist.backup.is_in_progress() {
        return Err("No backup in progress".to_owned());
    }
    fail(server, db, "aborted by user");
    Ok(())
}

/// Gives up the backup that is being made, if there is one, and the log that was begun for it.
pub fn fail(server: &mut Server, db: &mut Databases, error: &str) {
    server.persist.fail_backup(error);
    aof_switch::stop_aside(server, db);
}

/// Deletes the files of a backup that has ended, and those that one of an earlier life of the server left behind.
///
/// # Errors
/// When one is being made.
pub fn clean_up(server: &mut Server, db: &mut Databases) -> Result<(), String> {
    if server.persist.backup.is_in_progress() {
        return Err("Backup is in progress".to_owned());
    }
    aof_switch::stop_aside(server, db);
    let left = folder(server);
    let Server { persist, config, .. } = server;
    persist.backup.clean_up(&mut persist.aof.writer.disk);
    if let Ok(folder) = left {
        remove_files(&folder, &config.appendfilename, &mut persist.aof.writer.disk);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::aof::Aside;
    use crate::persist::aof::manifest::{Manifest, Part};
    use crate::server::testbed::Testbed;

    /// A server that has no log and makes a backup, whose base is there.
    fn bed(folder: &tempfile::TempDir) -> Testbed {
        let mut bed = Testbed::new();
        let persist = &mut bed.server.persist;
        let mut manifest = Manifest::default();
        manifest.new_base("appendonly.aof", true);
        persist.aof.aside = Some(Aside { folder: folder.path().to_owned(), manifest });
        (persist.aof.mode, persist.aof.gathers) = (Mode::On, true);
        persist.backup.begin(folder.path().to_owned(), "appendonly.aof", 1);
        persist.backup.base_is_there(Part { name: "appendonly.aof.1.base.rdb".into(), seq: 1 });
        fs::write(folder.path().join("appendonly.aof.1.base.rdb"), "base").expect("written");
        bed
    }

    #[test]
    fn a_backup_that_cannot_be_written_fails_and_refuses_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let Testbed { mut server, mut db, .. } = bed(&folder);
        server.persist.aof.writer.error = Some(std::io::Error::from_raw_os_error(libc::ENOSPC));
        aof_write::note_errors(&mut server);
        assert!(server.persist.aof.failing && !server.persist.aof.is_failing());
        assert_eq!(server.persist.aof.error_text(), None);
        tick(&mut server, &mut db);
        let Server { persist, .. } = &server;
        assert_eq!(
            (persist.backup.state, persist.backup.error.as_str()),
            (State::Failed, "the append only file can't be written")
        );
        assert_eq!((persist.aof.mode, persist.aof.gathers), (Mode::Off, false));
        assert!(persist.aof.manifest.base.is_some(), "the log has its manifest again");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn what_could_not_be_written_is_told_when_it_is_to_be_sealed() {
        let folder = tempfile::tempdir().expect("a folder");
        let Testbed { mut server, mut db, .. } = bed(&folder);
        let refused = seal(&mut server, &mut db).expect_err("there is no file");
        assert!(refused.starts_with("Can't seal the backup: can't write the append only file: "), "{refused}");
        assert_eq!(server.persist.backup.state, State::Failed);
        assert!(server.persist.aof.aside.is_none());
    }

    #[test]
    fn a_server_whose_log_is_to_come_has_no_other_begun() {
        let Testbed { mut server, .. } = Testbed::new();
        assert!(may_begin(&server));
        server.config.appendonly = true;
        assert!(!may_begin(&server), "a replica begins its log when its data is there");
        server.persist.aof.mode = Mode::On;
        assert!(may_begin(&server));
        server.in_exec = true;
        assert!(!may_begin(&server));
    }
}
