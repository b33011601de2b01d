//! Loading the log: one file after the other, a slice at a time.
//!
//! A base may be a snapshot, with or without commands behind it; all else is commands, which a client without a
//! connection runs. The last file may end in the middle of a command or transaction, since the server may have died
//! while it wrote; it is cut off there, if `aof-load-truncated` says so. Anything else that is wrong ends the server:
//! starting with a part of the data would be worse.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Instant;

use super::log_loader::{Content, Current, LogLoader, Part};
use super::{aof_folder, loading};
use crate::client::internal::Internal;
use crate::command::lookahead::Lookahead;
use crate::command::{Args, CommandId};
use crate::config::PropagationErrorBehavior;
use crate::db::Databases;
use crate::persist::aof::reader::{Found, Reader};
use crate::persist::aof::{Failed, failed};
use crate::persist::rdb::load::{Loader, Progress};
use crate::persist::rdb::version::{self, MAGIC_BYTES};
use crate::resp::reply::Reply;
use crate::script::library::Restore;
use crate::server::Server;
use crate::server::clients::internal;
use crate::server::execution::Ctx;
use crate::util::platform::os_error_text;
use crate::util::redact;

/// How a file ended.
enum End {
    /// As it should.
    Whole,
    /// In the middle of something.
    Torn,
    /// A transaction was not ended.
    InTransaction,
    /// It makes no sense.
    Malformed,
    /// It could not be read.
    Unreadable(io::Error),
    /// What is wrong was logged.
    Failed,
}

/// Finds the log that is to be loaded; `None` if there is none, or nothing in it. What is wrong is logged.
pub fn find(server: &mut Server) -> Result<Option<LogLoader>, Failed> {
    let manifest = aof_folder::read_manifest(&server.config)?;
    let Server { persist, config, .. } = server;
    persist.aof.manifest = manifest;
    aof_folder::upgrade(&mut persist.aof, config)?;
    let names = persist.aof.manifest.names();
    if names.is_empty() {
        return Ok(None);
    }
    let folder = PathBuf::from(&server.config.appenddirname);
    let loader = of_files(server, folder, names)?;
    if loader.total_bytes == 0 {
        log::info!("DB loaded from append only file: 0.000 seconds");
        return Ok(None);
    }
    Ok(Some(loader))
}

/// The log of these files of a folder, each with whether it is the base of the others. What is wrong is logged.
pub fn of_files(server: &mut Server, folder: PathBuf, names: Vec<(String, bool)>) -> Result<LogLoader, Failed> {
    let mut parts = VecDeque::new();
    for (name, is_base) in names {
        let bytes = aof_folder::bytes_at(server, &folder.join(&name), &name).map_err(|_| Failed)?;
        parts.push_back(Part { name, is_base, bytes });
    }
    let total_bytes = parts.iter().map(|part| part.bytes).sum();
    let base_bytes = parts.iter().filter(|part| part.is_base).map(|part| part.bytes).sum();
    let client = Internal::new(server.clock.unix_ms());
    let (reply, lookahead) = (Reply::default(), Lookahead::default());
    Ok(LogLoader {
        folder,
        parts,
        current: None,
        client,
        reply,
        lookahead,
        done_bytes: 0,
        commands: 0,
        total_bytes,
        base_bytes,
    })
}

/// Runs one command.
fn run(cx: &mut Ctx<'_>, resolved: Option<CommandId>, args: Args<'_>, file: &str) -> Result<(), Failed> {
    let shown = || String::from_utf8_lossy(args.get(0)).into_owned();
    let hidden = cx.server.config.hide_user_data_from_log;
    let resolved = resolved.or_else(|| cx.find_internal(args.get(0))).filter(|id| {
        let row = cx.server.commands.entry(*id).row;
        args.len() == 1 || !row.has_subcommands
    });
    let Some(id) = resolved else {
        let name = redact::data(shown(), hidden);
        log::warn!("Unknown command '{name}' reading the append only file {file}");
        return Err(Failed);
    };
    if !cx.server.commands.entry(id).row.arity.allows(args.len()) {
        log::warn!("Wrong number of arguments for '{}' reading the append only file {file}", shown());
        return Err(Failed);
    }
    let Some(error) = internal::replay(cx, id, &args) else { return Ok(()) };
    log::warn!(
        "== CRITICAL == This server is sending an error to its AOF-loading-client: '{}' after processing the command \
         '{}'",
        redact::error(&error, hidden),
        cx.server.commands.entry(id).full_name
    );
    cx.server.stats.unexpected_error_replies += 1;
    match cx.server.config.propagation_error_behavior {
        PropagationErrorBehavior::Panic => Err(Failed),
        PropagationErrorBehavior::Ignore | PropagationErrorBehavior::PanicOnReplicas => Ok(()),
    }
}

/// Cuts a file off behind its last whole command or transaction, if that is allowed.
fn cut_off(server: &Server, current: &Current) -> Result<(), Failed> {
    let (name, offset) = (&current.part.name, current.good_up_to);
    if server.config.aof_load_truncated {
        log::warn!("!!! Warning: short read while loading the AOF file {name}!!!");
        log::warn!("!!! Truncating the AOF {name} at offset {offset} !!!");
        let cut = OpenOptions::new().write(true).open(&current.path).and_then(|file| file.set_len(offset));
        match cut {
            Ok(()) => {
                log::warn!("AOF {name} loaded anyway because aof-load-truncated is enabled");
                return Ok(());
            }
            Err(error) => log::warn!("Error truncating the AOF file {name}: {}", os_error_text(&error)),
        }
    }
    log::warn!(
        "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then \
         use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' \
         configuration option to yes and restart the server."
    );
    Err(Failed)
}

impl LogLoader {
    /// Loads on, for about as many bytes; true when that was the last.
    ///
    /// # Errors
    /// When something is wrong with a file.
    pub fn step(&mut self, server: &mut Server, db: &mut Databases, bytes: u64) -> Result<bool, Failed> {
        let until = self.loaded_bytes().saturating_add(bytes);
        while self.loaded_bytes() < until {
            if self.current.is_none() {
                self.current = self.next_file(server)?;
            }
            let budget = until - self.loaded_bytes();
            let Some(mut current) = self.current.take() else {
                server.persist.aof.earlier_bytes = self.total_bytes;
                server.persist.aof.base_bytes = self.base_bytes;
                return Ok(true);
            };
            let end = match &mut current.content {
                Content::Snapshot(_) => current.load_snapshot(server, db, budget),
                Content::Commands(_) => self.run_commands(server, db, &mut current, budget),
            };
            match end {
                None => {
                    self.current = Some(current);
                    if server.config.key_load_delay_us != 0 {
                        return Ok(false);
                    }
                }
                Some(end) => self.end_file(server, &current, end)?,
            }
        }
        Ok(false)
    }

    /// Opens the next file that has something in it.
    fn next_file(&mut self, server: &mut Server) -> Result<Option<Current>, Failed> {
        while let Some(part) = self.parts.pop_front() {
            let path = self.folder.join(&part.name);
            let opened = File::open(&path).and_then(|mut file| {
                let mut magic = Vec::new();
                file.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut magic)?;
                file.seek(SeekFrom::Start(0))?;
                Ok((file, magic))
            });
            let (file, magic) = opened.map_err(|error| {
                let (name, error) = (&part.name, os_error_text(&error));
                failed(format!("Fatal error: can't open the append log file {name} for reading: {error}"))
            })?;
            if magic.is_empty() {
                continue;
            }
            let content = match version::is_snapshot(&magic) {
                true => {
                    match part.name == server.config.appendfilename {
                        true => log::info!("Reading RDB preamble from AOF file..."),
                        false => log::info!("Reading RDB base file on AOF loading..."),
                    }
                    // What has expired is not left out: the commands that follow may count upon it.
                    let mut settings = loading::settings(server, part.bytes, false);
                    settings.expired_before_ms = None;
                    Content::Snapshot(Box::new(Loader::new(Box::new(file), settings)))
                }
                false => Content::Commands(Box::new(Reader::new(file, 0))),
            };
            self.client = Internal::new(server.clock.unix_ms());
            return Ok(Some(Current { part, path, started: Instant::now(), content, good_up_to: 0 }));
        }
        Ok(None)
    }

    /// Runs commands of the file; how it ended, if it has.
    fn run_commands(
        &mut self,
        server: &mut Server,
        db: &mut Databases,
        current: &mut Current,
        budget: u64,
    ) -> Option<End> {
        let Content::Commands(reader) = &mut current.content else { return None };
        let until = reader.offset().saturating_add(budget);
        while reader.offset() < until {
            let end = match reader.advance() {
                Ok(Found::Requests) => self.run_batch(server, db, reader, &current.part.name, &mut current.good_up_to),
                Ok(Found::End) if self.client.is_in_transaction() => Some(End::InTransaction),
                Ok(Found::End) => Some(End::Whole),
                Ok(Found::Torn) => Some(End::Torn),
                Ok(Found::Malformed) => Some(End::Malformed),
                Err(error) => Some(End::Unreadable(error)),
            };
            // With a delay per key, others want their turn sooner.
            if end.is_some() || server.config.key_load_delay_us != 0 {
                return end;
            }
        }
        None
    }

    fn run_batch(
        &mut self,
        server: &mut Server,
        db: &mut Databases,
        reader: &Reader<File>,
        name: &str,
        good_up_to: &mut u64,
    ) -> Option<End> {
        let LogLoader { client, reply, commands, lookahead, .. } = self;
        let run = client.at_work(server, |server, key| {
            let keys = db.database(server.clients.at(key).db);
            let (batch, buffer) = reader.requests();
            lookahead.resolve(&server.commands, keys, batch, buffer);
            for (index, known) in lookahead.resolved.iter().enumerate() {
                let args = known.args(reader.request(index));
                let mut cx = Ctx { db, server, reply: &mut *reply, client: key, command: Default::default() };
                run(&mut cx, known.command, args, name)?;
                *commands += 1;
                if cx.client().transaction.is_none() {
                    *good_up_to = reader.end_of(index);
                }
                crate::persist::rdb::rest(server.config.key_load_delay_us, *commands);
            }
            Ok(())
        });
        run.err().map(|Failed| End::Failed)
    }

    /// Concludes a file.
    fn end_file(&mut self, server: &mut Server, current: &Current, end: End) -> Result<(), Failed> {
        let name = &current.part.name;
        let truncated = match end {
            End::Whole => false,
            End::Torn | End::InTransaction => {
                if matches!(end, End::InTransaction) {
                    log::warn!("Revert incomplete MULTI/EXEC transaction in AOF file {name}");
                }
                cut_off(server, current)?;
                true
            }
            End::Malformed => {
                let offset = match &current.content {
                    Content::Commands(reader) => reader.offset(),
                    Content::Snapshot(loader) => loader.offset(),
                };
                log::warn!("AOF {name} has no command at offset {offset}");
                log::warn!(
                    "Bad file format reading the append only file {name}: make a backup of your AOF file, then use \
                     ./redis-check-aof --fix <filename.manifest>"
                );
                return Err(Failed);
            }
            End::Unreadable(error) => {
                let error = os_error_text(&error);
                log::warn!("Unrecoverable error reading the append only file {name}: {error}");
                return Err(Failed);
            }
            End::Failed => return Err(Failed),
        };
        if truncated && !self.parts.is_empty() {
            log::warn!("Fatal error: the truncated file is not the last file");
            return Err(Failed);
        }
        self.done_bytes += current.part.bytes;
        let kind = if current.part.is_base { "base" } else { "incr" };
        let seconds = current.started.elapsed().as_secs_f64();
        log::info!("DB loaded from {kind} file {name}: {seconds:.3} seconds");
        if truncated {
            let lost = current.part.bytes.saturating_sub(current.good_up_to);
            self.total_bytes = self.total_bytes.saturating_sub(lost);
            if current.part.is_base {
                self.base_bytes = current.good_up_to;
            }
        }
        Ok(())
    }
}

impl Current {
    /// Loads the snapshot; then what follows it is read. How the file ended, if it has.
    fn load_snapshot(&mut self, server: &mut Server, db: &mut Databases, budget: u64) -> Option<End> {
        let Content::Snapshot(loader) = &mut self.content else { return None };
        let is_old = self.part.name == server.config.appendfilename;
        match loader.step(db, budget) {
            Ok(Progress::Running | Progress::Waiting) => None,
            Ok(Progress::Done) => {
                self.good_up_to = loader.offset();
                if loading::note_loaded(server, loader, Restore::Append).is_err() {
                    return Some(End::Failed);
                }
                if is_old {
                    log::info!("Reading the remaining AOF tail...");
                }
                let tail = File::open(&self.path).and_then(|mut file| {
                    file.seek(SeekFrom::Start(self.good_up_to))?;
                    Ok(file)
                });
                match tail {
                    Ok(file) => self.content = Content::Commands(Box::new(Reader::new(file, self.good_up_to))),
                    Err(error) => return Some(End::Unreadable(error)),
                }
                None
            }
            Err(error) => {
                log::warn!("Internal error in RDB reading offset {}: {}", error.offset, error.reason);
                let what = if is_old { "preamble of the AOF file" } else { "base file" };
                log::warn!("Error reading the RDB {what} {}, AOF loading aborted", self.part.name);
                Some(End::Failed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::aof::manifest::{self, Manifest};
    use crate::resp::request::OwnedRequest;
    use crate::server::testbed::Testbed;
    use crate::util::random::Random;
    use std::fs;

    const COMMANDS: &[&str] = &[
        "SELECT 0",
        "SET a 1",
        "MULTI",
        "RPUSH l x y z",
        "ZADD z 1.5 m -inf n",
        "EXEC",
        "HSET h f v g w",
        "SELECT 3",
        "XADD s 1-1 f v",
        "XGROUP CREATE s g 0",
        "PEXPIREAT a 2000000000000",
        "SREM set m",
        "SADD set 1 2 m",
        "DEL l",
    ];

    /// A server whose log is one file.
    fn bed(folder: &tempfile::TempDir) -> Testbed {
        let mut bed = Testbed::new();
        bed.server.config.appenddirname = folder.path().to_str().expect("a name").to_owned();
        let mut manifest = Manifest::default();
        manifest.new_increment("appendonly.aof");
        manifest::store(&manifest, folder.path(), "appendonly.aof").expect("a manifest");
        bed
    }

    /// Loads a log; how many keys there are, or nothing if it was refused.
    fn load(bed: &mut Testbed, folder: &tempfile::TempDir, log: &[u8]) -> Option<usize> {
        (0..16).for_each(|index| _ = bed.db.flush(index, false));
        fs::write(folder.path().join("appendonly.aof.1.incr.aof"), log).expect("a log");
        let mut loader = find(&mut bed.server).ok()?;
        let done = loader.as_mut().is_none_or(|loader| {
            loop {
                match loader.step(&mut bed.server, &mut bed.db, 64) {
                    Ok(false) => {}
                    result => break result.is_ok(),
                }
            }
        });
        done.then(|| (0..16).map(|index| bed.db.database(index).dict.len()).sum())
    }

    fn log() -> (Vec<u8>, Vec<usize>) {
        let (mut log, mut ends) = (Vec::new(), Vec::new());
        for command in COMMANDS {
            OwnedRequest::of(&command.split(' ').collect::<Vec<_>>()).view().encode(&mut log);
            ends.push(log.len());
        }
        (log, ends)
    }

    #[test]
    fn a_log_that_ends_anywhere_is_loaded_up_to_its_last_whole_command_or_transaction() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bed = bed(&folder);
        let (log, ends) = log();
        let all = load(&mut bed, &folder, &log).expect("a sound log");
        assert_eq!(all, 6);
        for length in 0..log.len() {
            let whole = ends.iter().filter(|end| **end <= length).count();
            // Between MULTI and EXEC nothing has happened yet.
            let whole = if (3..6).contains(&whole) { 2 } else { whole };
            let left = if whole == 0 { 0 } else { ends[whole - 1] };
            load(&mut bed, &folder, &log[..length]).expect("a log that is cut off");
            let file = fs::read(folder.path().join("appendonly.aof.1.incr.aof")).expect("a log");
            assert_eq!(file.len(), left, "{length}");
        }
        bed.server.config.aof_load_truncated = false;
        assert_eq!(load(&mut bed, &folder, &log[..log.len() - 1]), None);
    }

    #[test]
    fn a_damaged_log_is_refused_or_loaded_but_never_a_panic() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bed = bed(&folder);
        let (sound, _) = log();
        for seed in 0..400 {
            let mut random = Random::from_seed(seed);
            let mut log = sound.clone();
            for _ in 0..=random.next_u64() % 3 {
                let at = (random.next_u64() % log.len() as u64) as usize;
                log[at] = match random.next_u64() % 3 {
                    0 => log[at] ^ (1 << (random.next_u64() % 8)),
                    1 => b"*$0\r\n-9"[(random.next_u64() % 7) as usize],
                    _ => random.next_u64() as u8,
                };
            }
            println!("seed {seed}");
            load(&mut bed, &folder, &log);
        }
    }
}
