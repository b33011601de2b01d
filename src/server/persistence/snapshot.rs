//! Snapshots: when the data set is saved, by whom, and what follows from it.
//!
//! SAVE and the end of the server ([`super::final_save`]) save in this process; BGSAVE and the `save` rules have a
//! child do it, a process or a thread ([`super::forkless`]). A file is written under another name and takes its own when it is whole and on the disk, so that there
//! is a sound one at any time.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use super::forkless::{self, Maker};
use crate::config::{Choice, Config, OomScoreAdj, REDIS_VERSION, SnapshotMethod};
use crate::db::Databases;
use crate::persist::child::{Child, Worker};
use crate::persist::fork::{self, Purpose};
use crate::persist::forkless::{is_given_up, new_tag};
use crate::persist::rdb::save::{self, Options, Usage};
use crate::persist::rdb::version::Version;
use crate::persist::rdb::write::FileSink;
use crate::server::Server;
use crate::server::cluster::moves::strays;
use crate::server::modes::ServerModes;
use crate::server::observe::log_format;
use crate::util::clock::unix_seconds;
use crate::util::oom_score::Wanted;
use crate::util::replace_file::sync_folder;
use crate::util::{alloc, platform};

/// Bytes after which what was written is sent to the disk.
const SYNC_EVERY: u64 = 4 << 20;
/// What a file contains besides keys, and how it is written.
pub fn options(server: &Server) -> Options {
    let config = &server.config;
    Options {
        aux: aux(false).into_iter().chain(server.repl.aux(server.is_replica())).chain(strays::aux(server)).collect(),
        functions: server.script.libraries.dump(),
        usage: match config.maxmemory_policy {
            policy if policy.is_lfu() => Usage::Frequency,
            policy if policy.tracks_use() => Usage::Idle,
            _ => Usage::None,
        },
        checksum: config.rdbchecksum,
        compress: config.rdbcompression.is_on(),
        version: None,
    }
}

/// Warns where files are to be compressed in a way they are not.
pub fn warn_of_compression(config: &Config) {
    if config.rdbcompression.is_of_stream() {
        log::warn!(
            "WARNING: rdbcompression {} is not supported: strings are compressed with LZF, as with rdbcompression yes.",
            config.rdbcompression.name()
        );
    }
}

/// What the file of the data set contains, for the server that is to load it.
pub fn file_options(server: &Server) -> Options {
    let version = server.config.rdb_save_for.map(|target| Version::of_server(target.is_valkey, target.version));
    Options { version, ..options(server) }
}

/// What a file tells of itself; `aof_base` if an append-only file begins with it.
pub fn aux(aof_base: bool) -> Vec<(&'static str, String)> {
    vec![
        ("redis-ver", REDIS_VERSION.to_owned()),
        ("redis-bits", usize::BITS.to_string()),
        ("ctime", unix_seconds().to_string()),
        ("used-mem", alloc::used_memory().to_string()),
        ("aof-base", u8::from(aof_base).to_string()),
    ]
}

/// Saves the data set, here and now; false if that failed.
pub fn save_now(server: &mut Server, db: &mut Databases) -> bool {
    server.persist.snapshots.saves += 1;
    let (options, delay_us) = (file_options(server), server.config.rdb_key_save_delay_us);
    let interrupted = server.persist.interrupted.clone();
    let temporary = temporary(&server.config, &std::process::id().to_string());
    let mut on_key = |keys: u64| {
        crate::persist::rdb::rest(delay_us, keys);
        if interrupted.load(Relaxed) {
            log::warn!("You insist... exiting now.");
            std::fs::remove_file(&temporary).ok();
            std::process::exit(1);
        }
    };
    let saved = write_file(db, &server.config, &options, &mut on_key);
    if saved {
        db.dirty = 0;
        server.persist.snapshots.last_save = unix_seconds();
        server.persist.snapshots.last_ok = true;
        server.note_disk_error();
    }
    saved
}

/// Where a file stands while it is written by a process or thread of that tag.
pub fn temporary(config: &Config, tag: &str) -> PathBuf {
    Path::new(&config.dbfilename).with_file_name(format!("temp-{tag}.rdb"))
}

/// Where the file of the data set is written, and to which name.
struct Place {
    target: PathBuf,
    temporary: PathBuf,
    folder: String,
    sync_every: u64,
}

impl Place {
    /// In the folder that the server is in now: a thread goes on while CONFIG SET has it go elsewhere.
    fn new(config: &Config, tag: &str) -> Place {
        let folder = std::env::current_dir().unwrap_or_default();
        Place {
            target: folder.join(&config.dbfilename),
            temporary: folder.join(temporary(config, tag)),
            folder: config.dir.clone(),
            sync_every: if config.rdb_save_incremental_fsync { SYNC_EVERY } else { 0 },
        }
    }

    /// Writes the file under its first name, by what `write` puts in; whether that went well. What did not is logged.
    fn write(&self, write: impl FnOnce(&mut FileSink) -> io::Result<()>) -> bool {
        let file = match File::create(&self.temporary) {
            Ok(file) => file,
            Err(error) => {
                log::warn!(
                    "Failed opening the temp RDB file {} (in server root dir {}) for saving: {}",
                    name(&self.temporary),
                    self.folder,
                    platform::os_error_text(&error)
                );
                return false;
            }
        };
        let mut sink = FileSink::new(file, self.sync_every);
        let written = write(&mut sink).map_err(|error| (error, "rdbSaveRio"));
        let Err((error, call)) = written.and_then(|()| sink.file().sync_all().map_err(|error| (error, "fsync"))) else {
            return true;
        };
        if !is_given_up(&error) {
            log::warn!("Write error saving DB on disk({call}): {}", platform::os_error_text(&error));
        }
        std::fs::remove_file(&self.temporary).ok();
        false
    }

    /// Has the file take its name, if `commit` says so by doing what it is given; whether that went well.
    fn take_name(&self, commit: impl FnOnce(&dyn Fn() -> io::Result<()>) -> io::Result<()>) -> bool {
        if let Err(error) = commit(&|| std::fs::rename(&self.temporary, &self.target)) {
            if !is_given_up(&error) {
                log::warn!(
                    "Error moving temp DB file {} on the final destination {} (in server root dir {}): {}",
                    name(&self.temporary),
                    name(&self.target),
                    self.folder,
                    platform::os_error_text(&error)
                );
            }
            std::fs::remove_file(&self.temporary).ok();
            return false;
        }
        if let Err(error) = sync_folder(&self.target) {
            log::warn!("Failed to fsync directory while saving DB: {}", platform::os_error_text(&error));
            return false;
        }
        log::info!("DB saved on disk");
        true
    }
}

fn name(path: &Path) -> std::path::Display<'_> {
    Path::new(path.file_name().unwrap_or_default()).display()
}

/// Writes the file of the data set; whether that went well. What did not is logged.
fn write_file(db: &Databases, config: &Config, options: &Options, on_key: save::OnKey<'_>) -> bool {
    let place = Place::new(config, &std::process::id().to_string());
    place.write(|sink| save::save(db, options, sink, on_key).map(|_| ())) && place.take_name(|rename| rename())
}

/// Begins a save in the background, by the method that is asked for or by that of the directive; false if that failed.
pub fn begin(server: &mut Server, db: &mut Databases, asked: Option<SnapshotMethod>) -> bool {
    if server.persist.child.is_some() {
        return false;
    }
    server.persist.snapshots.saves += 1;
    server.persist.snapshots.is_for_replicas = false;
    server.persist.snapshots.dirty_before = db.dirty;
    server.persist.snapshots.last_try = unix_seconds();
    let options = file_options(server);
    let begun = match forkless::maker(server, db, asked, options.version) {
        Maker::Process => begin_process(server, db, &options),
        Maker::Thread(version) => begin_thread(server, db, version, options),
    };
    if !begun {
        server.persist.snapshots.last_ok = false;
        server.note_disk_error();
    }
    begun
}

fn begin_process(server: &mut Server, db: &mut Databases, options: &Options) -> bool {
    let forked = fork_child(server, db, Purpose::Rdb, &[], |server, db, reporter| {
        let delay_us = server.config.rdb_key_save_delay_us;
        let saved = write_file(db, &server.config, options, &mut |keys| {
            crate::persist::rdb::rest(delay_us, keys);
            reporter.key_done(keys);
        });
        if saved {
            reporter.finish();
        }
        saved
    });
    match &forked {
        Ok(pid) => log::info!("Background saving started by pid {pid}"),
        Err(error) => log::warn!("Can't save in background: fork: {}", platform::os_error_text(error)),
    }
    forked.is_ok()
}

fn begin_thread(server: &mut Server, db: &mut Databases, version: Version, options: Options) -> bool {
    let tag = new_tag();
    let place = Place::new(&server.config, &tag);
    let begun = forkless::begin(server, db, Purpose::Rdb, version, tag, move |outline, supply, on_key| {
        let written = place.write(|sink| {
            save::save_images(outline, &options, sink, supply, on_key)?;
            supply.check_whole()
        });
        written && place.take_name(|rename| supply.commit(rename))
    });
    match &begun {
        Ok(()) => log::info!("Background saving started without fork"),
        Err(error) => log::warn!("Can't save in background: thread: {}", platform::os_error_text(error)),
    }
    begun.is_ok()
}

/// Forks a child for a purpose; the number of its process. In the child the server's title and its score for running
/// out of memory are those of a child, and `work` gets server and databases.
///
/// # Errors
/// Those of the system.
pub fn fork_child(
    server: &mut Server,
    db: &mut Databases,
    purpose: Purpose,
    keep: &[std::os::fd::RawFd],
    work: impl FnOnce(&mut Server, &Databases, &mut fork::Reporter) -> bool,
) -> io::Result<i32> {
    let before = server.clock.tick();
    let forked = fork::fork(purpose, keep, |reporter| {
        log_format::set_role(b'C');
        let title = match purpose {
            Purpose::Rdb => "redis-rdb-bgsave",
            Purpose::Sync => "redis-rdb-to-slaves",
            Purpose::AofRewrite => "redis-aof-rewrite",
        };
        server.program = title.to_owned();
        crate::server::title::show_title(server);
        mark_for_oom(server);
        work(server, db, reporter)
    });
    let after = server.clock.tick();
    let micros = server.clock.micros_between(before, after);
    let process = forked?;
    let pid = process.pid;
    server.stats.forks += 1;
    server.stats.latest_fork_us = micros;
    server.clock.read_wall();
    server.latency.sample("fork", micros / 1000, server.clock.unix_ms());
    server.persist.keys_to_save = (0..db.count()).map(|index| db.database(index).dict.len() as u64).sum();
    server.persist.child = Some(Child::begun(purpose, Worker::Process(process)));
    server.allow_resizing(db);
    Ok(pid)
}

/// A child goes before its parent when memory runs out.
fn mark_for_oom(server: &mut Server) {
    let [_, _, score] = server.config.oom_score_adj_values;
    let wanted = match server.config.oom_score_adj {
        OomScoreAdj::No => return,
        OomScoreAdj::Relative => Wanted::Relative(score),
        OomScoreAdj::Absolute => Wanted::Absolute(score),
    };
    server.oom_score.set(wanted).ok();
}

/// Ends the child that saves, if there is one; what follows comes with the next tick.
pub fn kill_child(server: &Server) {
    let saves = |child: &&Child| child.purpose != Purpose::AofRewrite;
    if let Some(child) = server.persist.child.as_ref().filter(saves) {
        child.kill();
    }
}

/// After FLUSHALL: what a child saves is over, and with `save` rules an empty data set is saved at once.
pub fn after_flush_all(server: &mut Server, db: &mut Databases) {
    // While a log is loaded this happened long ago, and what is saved is of no concern.
    if server.modes.has(ServerModes::LOADING) {
        return;
    }
    kill_child(server);
    if !server.config.save.is_empty() {
        save_now(server, db);
    }
}
