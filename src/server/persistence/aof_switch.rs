//! The append-only file begun and ended.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{aof_folder, aof_rewrite, aof_write};
use crate::config::Config;
use crate::db::Databases;
use crate::persist::aof::manifest::{Manifest, Part};
use crate::persist::aof::{Aof, Aside, Failed, Mode, failed};
use crate::persist::fork::Purpose;
use crate::server::{Server, propagate};
use crate::util::platform::os_error_text;

/// Brings the state in line with the directive `appendonly`. While a data set is loaded there is no log; whoever is
/// done with that does what is wanted by then.
///
/// # Errors
/// When the log cannot be begun; what is said to the client.
pub fn apply_directive(server: &mut Server, db: &mut Databases) -> Result<(), String> {
    if server.loading.is_some() {
        return Ok(());
    }
    let aof = &server.persist.aof;
    let done = match server.config.appendonly {
        false => {
            if aof.is_kept() {
                stop(server, db);
            }
            true
        }
        true if aof.aside.is_some() => keep(server),
        true => aof.is_on() || start(server, db),
    };
    if done { Ok(()) } else { Err("Unable to turn on AOF. Check server logs.".to_owned()) }
}

/// Ends the log; its files stay. A backup that has not been sealed cannot go on.
pub fn stop(server: &mut Server, db: &mut Databases) {
    if server.persist.aof.mode == Mode::Off {
        return;
    }
    server.persist.fail_backup("appendonly is stopped");
    if server.persist.aof.aside.is_none() {
        aof_write::finish(server);
    }
    let aof = &mut server.persist.aof;
    aof.writer.end_file();
    aof.writer.forget_pending();
    aof.mode = Mode::Off;
    aof.gathers = false;
    aof.rewrites.scheduled = false;
    aof_rewrite::kill_child(server, db);
    let aof = &mut server.persist.aof;
    if let Some(aside) = aof.aside.take() {
        aof.manifest = aside.manifest;
    }
    propagate::update_propagate_observer(server);
    server.note_disk_error();
}

/// Begins a log for a backup alone, in its folder; false if that cannot be, and then it is to be stopped. There must be
/// no log, and no child.
pub fn start_aside(server: &mut Server, db: &mut Databases, folder: PathBuf) -> bool {
    forget_errors(server);
    let aof = &mut server.persist.aof;
    let scheduled = aof.rewrites.scheduled;
    aof.aside = Some(Aside { folder, manifest: std::mem::take(&mut aof.manifest) });
    aof.mode = Mode::Waiting;
    let begun = aof_rewrite::begin(server, db);
    // A rewrite that a client asked for is another one.
    server.persist.aof.rewrites.scheduled = scheduled;
    propagate::update_propagate_observer(server);
    begun
}

/// Ends the log of a backup.
pub fn stop_aside(server: &mut Server, db: &mut Databases) {
    if server.persist.aof.aside.is_some() {
        let scheduled = server.persist.aof.rewrites.scheduled;
        stop(server, db);
        server.persist.aof.rewrites.scheduled = scheduled;
    }
}

/// Makes the log of a backup the one by which the server keeps its data, while the backup goes on; false if that fails,
/// and then it is what it was.
fn keep(server: &mut Server) -> bool {
    let Server { persist, config, .. } = server;
    let aof = &mut persist.aof;
    let Some(aside) = aof.aside.take() else { return true };
    let of_backup = std::mem::replace(&mut aof.manifest, aside.manifest);
    let known = aof_folder::make(config).and_then(|()| aof_folder::know_manifest(aof, config));
    let kept = known.and_then(|()| match aof.mode {
        Mode::On => keep_files(aof, config, &aside.folder, &of_backup),
        Mode::Off | Mode::Waiting => {
            let name = aof_folder::temporary_increment(config);
            take(&aside.folder.join(&name), &aof_folder::path(config, &name), |from, to| fs::rename(from, to))
        }
    });
    if kept.is_err() {
        let manifest = std::mem::replace(&mut aof.manifest, of_backup);
        aof.aside = Some(Aside { manifest, ..aside });
        return false;
    }
    aof_write::note_errors(server);
    server.note_disk_error();
    aof_folder::delete_history(server);
    true
}

/// Has base and increment of a backup be those of the log as well.
fn keep_files(aof: &mut Aof, config: &Config, folder: &Path, of_backup: &Manifest) -> Result<(), Failed> {
    let mut manifest = aof.manifest.clone();
    let link = |part: &Part, name: &str| {
        take(&folder.join(&part.name), &aof_folder::path(config, name), |from, to| fs::hard_link(from, to))
    };
    if let Some(base) = &of_backup.base {
        link(base, manifest.new_base(&config.appendfilename, base.name.ends_with(".rdb")))?;
    }
    for part in &of_backup.increments {
        link(part, manifest.new_increment(&config.appendfilename))?;
    }
    manifest.retire_increments(of_backup.increments.len());
    aof_folder::replace_manifest(aof, config, manifest)
}

fn take(from: &Path, to: &Path, how: impl FnOnce(&Path, &Path) -> io::Result<()>) -> Result<(), Failed> {
    how(from, to).map_err(|error| {
        let (from, to, error) = (from.display(), to.display(), os_error_text(&error));
        failed(format!("Can't make the file {from} of the backup the file {to} of the AOF: {error}"))
    })
}

/// Begins a log, with a rewrite; false if that cannot be.
pub fn start(server: &mut Server, db: &mut Databases) -> bool {
    if aof_folder::know_manifest(&mut server.persist.aof, &server.config).is_err() {
        return false;
    }
    forget_errors(server);
    server.persist.aof.mode = Mode::Waiting;
    let child = server.persist.child.as_ref().map(|child| child.purpose);
    if child.is_some_and(|purpose| purpose != Purpose::AofRewrite) {
        server.persist.aof.rewrites.scheduled = true;
        log::warn!(
            "AOF was enabled but there is already another background operation. An AOF background was scheduled to \
             start when possible."
        );
    } else if server.in_exec {
        server.persist.aof.rewrites.scheduled = true;
        log::warn!("AOF was enabled during a transaction. An AOF background was scheduled to start when possible.");
    } else {
        // What is being rewritten lacks the commands that came since.
        if child.is_some() {
            log::warn!(
                "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and \
                 starting a rewrite now."
            );
            aof_rewrite::kill_child(server, db);
        }
        if !aof_rewrite::begin(server, db) {
            server.persist.aof.writer.end_file();
            server.persist.aof.mode = Mode::Off;
            log::warn!(
                "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above \
                 logs for more info about the error."
            );
            return false;
        }
    }
    propagate::update_propagate_observer(server);
    true
}

fn forget_errors(server: &mut Server) {
    let writer = &mut server.persist.aof.writer;
    if writer.disk.error().is_some() {
        log::warn!("AOF reopen, just ignore the AOF fsync error in bio job");
        writer.disk.forget_error();
    }
    if writer.error.take().is_some() {
        log::warn!("AOF reopen, just ignore the last error.");
    }
    aof_write::note_errors(server);
}

/// Begins to log once the data set is loaded: with an empty one a base is made, and the last increment is opened or
/// begun.
pub fn open_at_start(server: &mut Server, db: &mut Databases) -> Result<(), Failed> {
    aof_folder::make(&server.config)?;
    let mut manifest = server.persist.aof.manifest.clone();
    if manifest.is_empty() {
        let snapshot = server.config.aof_use_rdb_preamble;
        let name = manifest.new_base(&server.config.appendfilename, snapshot).to_owned();
        let target = aof_folder::path(&server.config, &name);
        if !aof_rewrite::write_base(server, db, &target, &mut |_| {}) {
            return Err(Failed);
        }
        log::info!("Creating AOF base file {name} on server start");
    }
    let last = manifest.increments.last().map(|part| part.name.clone());
    let is_new = last.is_none();
    let name = last.unwrap_or_else(|| manifest.new_increment(&server.config.appendfilename).to_owned());
    let file = aof_folder::open_increment(&server.persist.aof, &server.config, &name, false)?;
    let Server { persist, config, .. } = server;
    aof_folder::replace_manifest(&mut persist.aof, config, manifest)?;
    let bytes = aof_folder::bytes_of(server, &name).map_err(|_| Failed)?;
    log::info!("{} AOF incr file {name} on server start", if is_new { "Creating" } else { "Opening" });
    let aof = &mut server.persist.aof;
    aof.earlier_bytes = aof.earlier_bytes.saturating_sub(bytes);
    aof.writer.begin_file(file, bytes);
    aof.mode = Mode::On;
    aof.gathers = true;
    propagate::update_propagate_observer(server);
    aof_folder::delete_history(server);
    Ok(())
}
