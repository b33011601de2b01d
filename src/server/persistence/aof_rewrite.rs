//! Rewriting the log: a child, a process or a thread, writes the data set as it is into a new base.
//!
//! The server goes on with a new increment meanwhile. When the child is done, the base and that increment are the log,
//! and everything before is history. When it fails nothing is lost: the log has one more increment.
//!
//! A rewrite begins when a client asks for it, when the log has grown enough, or to begin logging. After three failures
//! in a row those that begin by themselves wait, twice as long each time.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::aof_write::flush;
use super::forkless::{self, Maker};
use super::{aof_folder, snapshot};
use crate::db::Databases;
use crate::persist::aof::{Aof, Failed, Mode, failed, rewrite};
use crate::persist::backup::State;
use crate::persist::child::Child;
use crate::persist::fork::{Ended, Purpose};
use crate::persist::forkless::{is_given_up, new_tag};
use crate::persist::rdb::save::{self, Options};
use crate::persist::rdb::version::Version;
use crate::persist::rdb::write::{FileSink, Sink};
use crate::server::Server;
use crate::util::platform::os_error_text;

/// Bytes after which what was written is sent to the disk.
const SYNC_EVERY: u64 = 4 << 20;
/// Bytes of commands written at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Where the file of a child stands when it is whole, and while it is written.
fn temporary(tag: &str) -> [PathBuf; 2] {
    [format!("temp-rewriteaof-bg-{tag}.aof").into(), format!("temp-rewriteaof-{tag}.aof").into()]
}

/// Begins a rewrite that was scheduled, unless it has to wait.
pub fn begin_if_scheduled(server: &mut Server, db: &mut Databases) {
    let now_s = server.clock.unix_ms() / 1000;
    let rewrites = &mut server.persist.aof.rewrites;
    let due = rewrites.scheduled && server.persist.child.is_none() && !rewrites.has_to_wait(now_s);
    if due && !server.persist.rewrites_wait() {
        begin(server, db);
    }
}

/// Begins a rewrite when the log has grown enough since the last.
pub fn begin_if_grown(server: &mut Server, db: &mut Databases) {
    let (percentage, min) =
        (u64::from(server.config.auto_aof_rewrite_percentage), server.config.auto_aof_rewrite_min_size);
    let waits = server.persist.child.is_some() || server.persist.rewrites_wait();
    let aof = &mut server.persist.aof;
    if aof.mode != Mode::On || waits || percentage == 0 || aof.bytes() <= min {
        return;
    }
    let growth = (aof.bytes() * 100 / aof.base_bytes.max(1)).saturating_sub(100);
    let now_s = server.clock.unix_ms() / 1000;
    if growth >= percentage && !aof.rewrites.has_to_wait(now_s) {
        log::info!("Starting automatic rewriting of AOF on {growth}% growth");
        begin(server, db);
    }
}

/// Begins a rewrite; false if that failed.
pub fn begin(server: &mut Server, db: &mut Databases) -> bool {
    if server.persist.child.is_some() {
        return false;
    }
    let begun = begin_child(server, db);
    if begun.is_err() {
        let aof = &mut server.persist.aof;
        aof.rewrites.last_ok = false;
        if aof.mode == Mode::Waiting {
            aof.gathers = false;
            aof.writer.forget_pending();
        }
    }
    begun.is_ok()
}

fn begin_child(server: &mut Server, db: &mut Databases) -> Result<(), Failed> {
    if server.persist.aof.aside.is_none() {
        aof_folder::make(&server.config)?;
    }
    flush(server, true);
    // Commands that could not be written are part of the new base. In the new increment they would be run twice.
    if server.persist.aof.writer.is_open() && server.persist.aof.writer.pending_bytes() > 0 {
        return Err(failed("Can't rewrite append only file in background: it can't be written to".to_owned()));
    }
    aof_folder::begin_increment(server, "background rewrite")?;
    server.persist.aof.rewrites.count += 1;
    let version = (!server.config.aof_use_rdb_preamble).then_some(Version::OWN);
    match forkless::maker(server, db, None, version) {
        Maker::Process => begin_process(server, db)?,
        Maker::Thread(version) => begin_thread(server, db, version)?,
    }
    server.persist.aof.rewrites.scheduled = false;
    if server.persist.aof.is_on() {
        server.persist.backup.rewrite_began();
    }
    Ok(())
}

fn begin_process(server: &mut Server, db: &mut Databases) -> Result<(), Failed> {
    let forked = snapshot::fork_child(server, db, Purpose::AofRewrite, &[], |server, db, reporter| {
        let delay_us = server.config.rdb_key_save_delay_us;
        let [target, _] = temporary(&std::process::id().to_string());
        let written = write_base(server, db, &target, &mut |keys| {
            crate::persist::rdb::rest(delay_us, keys);
            reporter.key_done(keys);
        });
        if written {
            log::info!("Successfully created the temporary AOF base file {}", target.display());
            reporter.finish();
        }
        written
    });
    let pid = forked.map_err(|error| {
        failed(format!("Can't rewrite append only file in background: fork: {}", os_error_text(&error)))
    })?;
    log::info!("Background append only file rewriting started by pid {pid}");
    Ok(())
}

fn begin_thread(server: &mut Server, db: &mut Databases, version: Version) -> Result<(), Failed> {
    let (tag, form) = (new_tag(), Form::of(server));
    let ([target, temporary], sync_every) = (temporary(&tag), sync_every(server));
    let begun = forkless::begin(server, db, Purpose::AofRewrite, version, tag, move |outline, supply, on_key| {
        let written = write_temporary(&temporary, sync_every, |sink| {
            match &form {
                Form::Snapshot(options) => _ = save::save_images(outline, options, sink, supply, on_key)?,
                Form::Commands { time_s, functions } => {
                    write_commands(sink, *time_s, |out| rewrite::write_images(supply, functions, out, on_key))?;
                }
            }
            supply.check_whole()
        });
        let renamed = written && take_name(&temporary, &target, |rename| supply.commit(rename));
        if renamed {
            log::info!("Successfully created the temporary AOF base file {}", target.display());
        }
        renamed
    });
    begun.map_err(|error| {
        failed(format!("Can't rewrite append only file in background: thread: {}", os_error_text(&error)))
    })?;
    log::info!("Background append only file rewriting started without fork");
    Ok(())
}

/// In what form the data set is written.
enum Form {
    /// As a snapshot.
    Snapshot(Options),
    /// As commands, with a note of the time if that is wanted.
    Commands { time_s: Option<i64>, functions: Vec<Vec<u8>> },
}

impl Form {
    fn of(server: &Server) -> Form {
        if server.config.aof_use_rdb_preamble {
            return Form::Snapshot(Options { aux: snapshot::aux(true), ..snapshot::options(server) });
        }
        let time_s = server.config.aof_timestamp_enabled.then(|| server.clock.unix_ms() / 1000);
        Form::Commands { time_s, functions: server.script.libraries.dump() }
    }
}

fn sync_every(server: &Server) -> u64 {
    if server.config.aof_rewrite_incremental_fsync { SYNC_EVERY } else { 0 }
}

/// Writes the data set into a file, as a snapshot or as commands; false if that failed, which is logged.
pub fn write_base(server: &Server, db: &Databases, target: &Path, on_key: &mut dyn FnMut(u64)) -> bool {
    let [_, temporary] = temporary(&std::process::id().to_string());
    let written = write_temporary(&temporary, sync_every(server), |sink| match Form::of(server) {
        Form::Snapshot(options) => save::save(db, &options, sink, on_key).map(|_| ()),
        Form::Commands { time_s, functions } => {
            write_commands(sink, time_s, |out| rewrite::write_all(db, &functions, out, on_key))
        }
    });
    written && take_name(&temporary, target, |rename| rename())
}

/// Writes a file, by what `write` puts in; false if that failed.
fn write_temporary(temporary: &Path, sync_every: u64, write: impl FnOnce(&mut FileSink) -> io::Result<()>) -> bool {
    let file = match File::create(temporary) {
        Ok(file) => file,
        Err(error) => {
            log::warn!("Opening the temp file for AOF rewrite in rewriteAppendOnlyFile(): {}", os_error_text(&error));
            return false;
        }
    };
    let mut sink = FileSink::new(file, sync_every);
    if let Err(error) = write(&mut sink).and_then(|()| sink.file().sync_all()) {
        if !is_given_up(&error) {
            log::warn!("Write error writing append only file on disk: {}", os_error_text(&error));
        }
        fs::remove_file(temporary).ok();
        return false;
    }
    true
}

/// Has the file take its name, if `commit` says so by doing what it is given; false if that failed.
fn take_name(
    temporary: &Path,
    target: &Path,
    commit: impl FnOnce(&dyn Fn() -> io::Result<()>) -> io::Result<()>,
) -> bool {
    if let Err(error) = commit(&|| fs::rename(temporary, target)) {
        if !is_given_up(&error) {
            log::warn!("Error moving temp append only file on the final destination: {}", os_error_text(&error));
        }
        fs::remove_file(temporary).ok();
        return false;
    }
    true
}

fn write_commands(
    sink: &mut FileSink,
    time_s: Option<i64>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(PIECE_BYTES, Written(sink));
    if let Some(time_s) = time_s {
        write!(out, "#TS:{time_s}\r\n")?;
    }
    write(&mut out)?;
    out.flush()
}

/// A sink as something that is written to.
struct Written<'a>(&'a mut FileSink);

impl Write for Written<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.take(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Ends the child that rewrites, if there is one.
pub fn kill_child(server: &mut Server, db: &mut Databases) {
    let rewrites = |child: &Child| child.purpose == Purpose::AofRewrite;
    if !server.persist.child.as_ref().is_some_and(rewrites) {
        return;
    }
    let Some(child) = forkless::take_child(server, db) else { return };
    log::info!("Killing running AOF rewrite child: {}", child.tag());
    child.kill();
    child.wait();
    remove_temporary(&mut server.persist.aof, &child.tag());
    if server.persist.backup.state == State::Snapshotting {
        server.persist.fail_backup("the rewrite of the append only file was ended");
    }
}

fn remove_temporary(aof: &mut Aof, tag: &str) {
    for path in temporary(tag) {
        aof.writer.disk.remove(&path);
    }
}

/// What follows from the end of the child; whether there is a new base.
pub fn child_ended(server: &mut Server, child: &Child, ended: Ended) -> bool {
    let mut taken = false;
    match ended.signal {
        None if ended.well() => {
            log::info!("Background AOF rewrite terminated with success");
            match take_base(server, &child.tag()) {
                Ok(()) => {
                    taken = true;
                    let rewrites = &mut server.persist.aof.rewrites;
                    (rewrites.last_ok, rewrites.failures) = (true, 0);
                    log::info!("Background AOF rewrite finished successfully");
                    server.persist.aof.mode = match server.persist.aof.mode {
                        Mode::Waiting => Mode::On,
                        mode => mode,
                    };
                }
                Err(_) => server.persist.aof.rewrites.failed(),
            }
        }
        None => {
            server.persist.aof.rewrites.failed();
            log::warn!("Background AOF rewrite terminated with error");
        }
        Some(signal) => {
            if !ended.was_killed() {
                server.persist.aof.rewrites.failed();
            }
            log::warn!("Background AOF rewrite terminated by signal {signal}");
        }
    }
    let aof = &mut server.persist.aof;
    remove_temporary(aof, &child.tag());
    aof.rewrites.last_seconds = Some(child.started.elapsed().as_secs() as i64);
    if aof.mode == Mode::Waiting {
        // What was gathered has no base.
        aof.gathers = false;
        aof.writer.forget_pending();
        let name = aof_folder::temporary_increment(&server.config);
        log::info!("Removing the temp incr aof file {name} in the background");
        let place = aof_folder::place(aof, &server.config, &name);
        aof.writer.disk.remove(&place);
        aof.rewrites.scheduled |= aof.aside.is_none();
    }
    taken
}

/// Makes what the child wrote the base.
fn take_base(server: &mut Server, tag: &str) -> Result<(), Failed> {
    let (config, aof) = (&server.config, &server.persist.aof);
    let [written, _] = temporary(tag);
    let mut manifest = aof.manifest.clone();
    let base = manifest.new_base(&config.appendfilename, config.aof_use_rdb_preamble).to_owned();
    let mut made = vec![aof_folder::place(aof, config, &base)];
    rename(server, "base", &written, &base)?;
    let (config, aof) = (&server.config, &server.persist.aof);
    let was_waiting = aof.mode == Mode::Waiting;
    if was_waiting {
        let increment = manifest.new_increment(&config.appendfilename).to_owned();
        let gathered = aof_folder::place(aof, config, &aof_folder::temporary_increment(config));
        let place = aof_folder::place(aof, config, &increment);
        if let Err(failed) = rename(server, "incr", &gathered, &increment) {
            made.iter().for_each(|path| server.persist.aof.writer.disk.remove(path));
            return Err(failed);
        }
        made.push(place);
    }
    let writes = server.persist.aof.writer.is_open();
    manifest.retire_increments(usize::from(writes));
    let Server { persist, config, .. } = server;
    if let Err(failed) = aof_folder::replace_manifest(&mut persist.aof, config, manifest) {
        made.iter().for_each(|path| persist.aof.writer.disk.remove(path));
        return Err(failed);
    }
    if server.persist.aof.is_on() {
        let bytes = aof_folder::bytes_of(server, &base).unwrap_or(0);
        let aof = &mut server.persist.aof;
        aof.earlier_bytes = bytes;
        aof.base_bytes = aof.bytes();
    }
    aof_folder::delete_history(server);
    Ok(())
}

fn rename(server: &mut Server, kind: &str, from: &Path, name: &str) -> Result<(), Failed> {
    let to = aof_folder::place(&server.persist.aof, &server.config, name);
    let shown = match kind {
        "incr" => aof_folder::temporary_increment(&server.config),
        _ => from.display().to_string(),
    };
    let started = std::time::Instant::now();
    fs::rename(from, &to).map_err(|error| {
        failed(format!(
            "Error trying to rename the temporary AOF {kind} file {shown} into {}: {}",
            to.display(),
            os_error_text(&error)
        ))
    })?;
    server.latency.sample("aof-rename", started.elapsed().as_millis() as u64, server.clock.unix_ms());
    log::info!("Successfully renamed the temporary AOF {kind} file {shown} into {name}");
    Ok(())
}
